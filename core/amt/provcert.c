/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/provcert.h"

#include <provost/error.h>

#include <string.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* Intel AMT SDK, "Remote configuration certificate requirements": one of the two marks the certificate */
#define PROVCERT_OID "2.16.840.1.113741.1.2.3"
#define PROVCERT_OU "Intel(R) Client Setup Certificate"

#define PROVCERT_MAX_HASHES 64 /* firmware has 33 */

/* ---- root hashes ---- */

static guint
provcert_hash_length(guint type)
{
	static const guint lengths[] = { 0, 20, 32, 48 };
	return type < G_N_ELEMENTS(lengths) ? lengths[type] : 0;
}

char *
pv_root_hashes_to_string(const PvRootHash *hashes, guint count)
{
	GString *text = g_string_new(NULL);
	for (guint i = 0; i < count; i++) {
		g_string_append_printf(text, "%s%u:", i > 0 ? "," : "", hashes[i].type);
		for (guint j = 0; j < hashes[i].length && j < sizeof hashes[i].hash; j++)
			g_string_append_printf(text, "%02x", hashes[i].hash[j]);
	}
	return g_string_free(text, FALSE);
}

static gboolean
provcert_parse_hash(const char *text, PvRootHash *hash)
{
	if (!g_ascii_isdigit(text[0]) || text[1] != ':')
		return FALSE;
	*hash = (PvRootHash) { .type = (guint8)(text[0] - '0') };
	hash->length = (guint8)provcert_hash_length(hash->type);
	text += 2;
	if (hash->length == 0 || strlen(text) != 2 * (gsize)hash->length)
		return FALSE;
	for (guint i = 0; i < hash->length; i++) {
		gint high = g_ascii_xdigit_value(text[2 * i]);
		gint low = g_ascii_xdigit_value(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return FALSE;
		hash->hash[i] = (guint8)(high << 4 | low);
	}
	return TRUE;
}

GArray *
pv_root_hashes_parse(const char *text, GError **error)
{
	g_autoptr(GArray) hashes = g_array_new(FALSE, FALSE, sizeof(PvRootHash));
	g_auto(GStrv) parts = g_strsplit(text, ",", PROVCERT_MAX_HASHES + 2);
	for (guint i = 0; parts[i] != NULL; i++) {
		PvRootHash hash;
		if (i == PROVCERT_MAX_HASHES || !provcert_parse_hash(parts[i], &hash)) {
			g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
			    "read root hashes: entry %u is none of 1, 2, 3, a colon and the hash "
			    "in hex",
			    i + 1);
			return NULL;
		}
		g_array_append_val(hashes, hash);
	}
	return g_steal_pointer(&hashes);
}

/* ---- the checks, in the order of the header ---- */

typedef struct {
	const PvIdentity *identity;
	STACK_OF(X509) * chain;
	X509 *leaf;
	X509 *last; /* the root, once the chain is known to be complete */
	const char *suffix;
	const GArray *hashes;
	gint64 now;
} ProvcertCase;

static gboolean provcert_fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
provcert_fail(GError **error, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	g_autofree char *text = g_strdup_vprintf(format, list);
	va_end(list);
	ERR_clear_error();
	g_set_error_literal(error, PV_ERROR, PV_ERROR_CONFIG, text);
	return FALSE;
}

static char *
provcert_dup_subject(X509 *certificate)
{
	return pv_tls_dup_name(X509_get_subject_name(certificate));
}

static gboolean
provcert_check_gap(const ProvcertCase *c, GError **error)
{
	if (X509_check_issued(c->last, c->last) == X509_V_OK)
		return TRUE;
	g_autofree char *issuer = pv_tls_dup_name(X509_get_issuer_name(c->last));
	g_autofree char *subject = provcert_dup_subject(c->last);
	return provcert_fail(error,
	    "the chain has a gap: the certificate of the issuer \"%s\" of \"%s\" is missing",
	    issuer, subject);
}

static gboolean
provcert_check_signatures(const ProvcertCase *c, GError **error)
{
	for (int i = 0; i < sk_X509_num(c->chain); i++) {
		X509 *certificate = sk_X509_value(c->chain, i);
		X509 *issuer =
		    i + 1 < sk_X509_num(c->chain) ? sk_X509_value(c->chain, i + 1) : certificate;
		EVP_PKEY *key = X509_get0_pubkey(issuer);
		g_autofree char *subject = provcert_dup_subject(certificate);
		if (key == NULL || X509_verify(certificate, key) != 1)
			return provcert_fail(error, "the signature of \"%s\" is wrong", subject);
		if (i > 0 && X509_check_ca(certificate) == 0)
			return provcert_fail(
			    error, "\"%s\" issued a certificate but is no CA", subject);
	}
	return TRUE;
}

static gboolean
provcert_check_key(const ProvcertCase *c, GError **error)
{
	EVP_PKEY *key = X509_get0_pubkey(c->leaf);
	if (key != NULL && EVP_PKEY_eq(key, pv_identity_get_key(c->identity)) == 1)
		return TRUE;
	return provcert_fail(error, "the private key does not fit the certificate");
}

/* the list of extended key usages as dotted OIDs, each between commas */
static char *
provcert_dup_ekus(X509 *certificate)
{
	GString *text = g_string_new(",");
	EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
	for (int i = 0; usages != NULL && i < sk_ASN1_OBJECT_num(usages); i++) {
		char oid[128];
		OBJ_obj2txt(oid, sizeof oid, sk_ASN1_OBJECT_value(usages, i), 1);
		g_string_append_printf(text, "%s,", oid);
	}
	EXTENDED_KEY_USAGE_free(usages);
	return g_string_free(text, FALSE);
}

static gboolean
provcert_has_ou(X509 *certificate)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	int at = -1;
	while ((at = X509_NAME_get_index_by_NID(subject, NID_organizationalUnitName, at)) >= 0) {
		const ASN1_STRING *text =
		    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
		guchar *utf8 = NULL;
		int length = ASN1_STRING_to_UTF8(&utf8, text);
		gboolean same =
		    length == (int)strlen(PROVCERT_OU) && memcmp(utf8, PROVCERT_OU, length) == 0;
		OPENSSL_free(utf8);
		if (same)
			return TRUE;
	}
	return FALSE;
}

static gboolean
provcert_check_purpose(const ProvcertCase *c, GError **error)
{
	g_autofree char *ekus = provcert_dup_ekus(c->leaf);
	if (strstr(ekus, ",1.3.6.1.5.5.7.3.1,") == NULL)
		return provcert_fail(error,
		    "the extended key usage lacks server authentication (1.3.6.1.5.5.7.3.1)");
	if (strstr(ekus, "," PROVCERT_OID ",") == NULL && !provcert_has_ou(c->leaf))
		return provcert_fail(error,
		    "the certificate is not made for AMT: neither the extended key "
		    "usage " PROVCERT_OID " nor the subject's OU \"" PROVCERT_OU "\" is in it");
	return TRUE;
}

static gboolean
provcert_check_strength(const ProvcertCase *c, GError **error)
{
	for (int i = 0; i < sk_X509_num(c->chain); i++) {
		g_autoptr(GError) local = NULL;
		if (!pv_tls_check_strength(sk_X509_value(c->chain, i), &local))
			return provcert_fail(error, "%s", local->message);
	}
	return TRUE;
}

/* Firmware only notes an expired certificate (IPS_TLSProvisioningRecord.IsTimeValid); a site wants to know before. */
static gboolean
provcert_check_dates(const ProvcertCase *c, GError **error)
{
	time_t now = (time_t)c->now;
	for (int i = 0; i < sk_X509_num(c->chain); i++) {
		X509 *certificate = sk_X509_value(c->chain, i);
		g_autofree char *subject = provcert_dup_subject(certificate);
		if (X509_cmp_time(X509_get0_notAfter(certificate), &now) <= 0)
			return provcert_fail(error, "\"%s\" has expired", subject);
		if (X509_cmp_time(X509_get0_notBefore(certificate), &now) > 0)
			return provcert_fail(error, "\"%s\" is not valid yet", subject);
	}
	return TRUE;
}

static gboolean
provcert_is_root(X509 *root, const PvRootHash *hash)
{
	const EVP_MD *digests[] = { NULL, EVP_sha1(), EVP_sha256(), EVP_sha384() };
	guchar bytes[EVP_MAX_MD_SIZE];
	guint length = 0;
	return hash->type < G_N_ELEMENTS(digests) && digests[hash->type] != NULL &&
	       X509_digest(root, digests[hash->type], bytes, &length) == 1 &&
	       length == hash->length && memcmp(bytes, hash->hash, length) == 0;
}

static gboolean
provcert_check_root(const ProvcertCase *c, GError **error)
{
	if (c->hashes == NULL)
		return TRUE;
	for (guint i = 0; i < c->hashes->len; i++)
		if (provcert_is_root(c->last, &g_array_index(c->hashes, PvRootHash, i)))
			return TRUE;
	g_autofree char *subject = provcert_dup_subject(c->last);
	g_autofree char *fingerprint = pv_tls_dup_fingerprint(c->last);
	return provcert_fail(error,
	    "the root \"%s\" (SHA-256 %s) is not among the device's %u trusted root hashes",
	    subject, fingerprint, c->hashes->len);
}

/* The last common name, lower case, without "*." and a final dot. NULL: none. */
static char *
provcert_dup_common_name(X509 *certificate)
{
	X509_NAME *subject = X509_get_subject_name(certificate);
	int at = -1;
	for (int next; (next = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
		at = next;
	if (at < 0)
		return NULL;
	guchar *utf8 = NULL;
	int length =
	    ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	g_autofree char *name = length > 0 ? g_strndup((const char *)utf8, (gsize)length) : NULL;
	OPENSSL_free(utf8);
	if (name == NULL || !g_str_is_ascii(name))
		return NULL;
	return g_ascii_strdown(g_str_has_prefix(name, "*.") ? name + 2 : name, -1);
}

static gboolean
provcert_is_below(const char *name, const char *domain)
{
	gsize length = strlen(name);
	gsize tail = strlen(domain);
	return tail > 0 && length > tail && name[length - tail - 1] == '.' &&
	       strcmp(name + length - tail, domain) == 0;
}

/* the last two labels; NULL: there is only one */
static const char *
provcert_last_two(const char *name)
{
	const char *dot = strrchr(name, '.');
	if (dot == NULL || dot == name)
		return NULL;
	const char *before = g_strrstr_len(name, dot - name, ".");
	return before != NULL ? before + 1 : name;
}

/* The SDK only says that firmware "verifies that the domain suffix matches", and generations differ in how many labels
 * must agree. What no known rule takes is refused here; the rest is the device's to judge: refusing what would have
 * worked is worse than a handshake that fails. */
static gboolean
provcert_matches(const char *name, const char *suffix)
{
	if (strcmp(name, suffix) == 0 || provcert_is_below(suffix, name) ||
	    provcert_is_below(name, suffix))
		return TRUE;
	const char *a = provcert_last_two(name);
	const char *b = provcert_last_two(suffix);
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static gboolean
provcert_check_suffix(const ProvcertCase *c, GError **error)
{
	if (c->suffix == NULL || *c->suffix == '\0')
		return TRUE;
	g_autofree char *name = provcert_dup_common_name(c->leaf);
	g_autofree char *suffix = g_ascii_strdown(c->suffix, -1);
	if (g_str_has_suffix(suffix, "."))
		suffix[strlen(suffix) - 1] = '\0';
	if (name != NULL && provcert_matches(name, suffix))
		return TRUE;
	return provcert_fail(error,
	    "the common name \"%s\" does not match the device's DNS suffix \"%s\"",
	    name != NULL ? name : "", suffix);
}

gboolean
pv_provisioning_check(const PvIdentity *identity, const char *suffix, const GArray *hashes,
    gint64 now, GError **error)
{
	static gboolean (*const checks[])(const ProvcertCase *, GError **) = {
		provcert_check_gap,
		provcert_check_signatures,
		provcert_check_key,
		provcert_check_purpose,
		provcert_check_strength,
		provcert_check_dates,
		provcert_check_root,
		provcert_check_suffix,
	};
	STACK_OF(X509) *chain = pv_identity_get_chain(identity);
	const ProvcertCase c = { .identity = identity,
		.chain = chain,
		.leaf = sk_X509_value(chain, 0),
		.last = sk_X509_value(chain, sk_X509_num(chain) - 1),
		.suffix = suffix,
		.hashes = hashes,
		.now = now != 0 ? now : g_get_real_time() / G_USEC_PER_SEC };
	for (gsize i = 0; i < G_N_ELEMENTS(checks); i++) {
		if (checks[i](&c, error))
			continue;
		g_prefix_error(
		    error, "provisioning certificate %s: ", pv_identity_get_path(identity));
		return FALSE;
	}
	return TRUE;
}

PvIdentity *
pv_provisioning_choose(const GPtrArray *identities, const char *suffix, const GArray *hashes,
    gint64 now, GError **error)
{
	g_autoptr(GString) reasons = g_string_new(NULL);
	for (guint i = 0; identities != NULL && i < identities->len; i++) {
		PvIdentity *identity = g_ptr_array_index(identities, i);
		g_autoptr(GError) local = NULL;
		if (pv_provisioning_check(identity, suffix, hashes, now, &local))
			return pv_identity_ref(identity);
		g_string_append_printf(
		    reasons, "%s%s", reasons->len > 0 ? "; " : "", local->message);
	}
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s",
	    reasons->len > 0 ? reasons->str : "no provisioning certificate is configured");
	return NULL;
}

gint
pv_identity_get_days_left(const PvIdentity *identity, gint64 now)
{
	int days = 0;
	int seconds = 0;
	ASN1_TIME *from =
	    ASN1_TIME_set(NULL, (time_t)(now != 0 ? now : g_get_real_time() / G_USEC_PER_SEC));
	const ASN1_TIME *until =
	    X509_get0_notAfter(sk_X509_value(pv_identity_get_chain(identity), 0));
	if (from == NULL || ASN1_TIME_diff(&days, &seconds, from, until) != 1)
		days = -1; /* an unreadable date is no good one */
	else if (seconds < 0)
		days -= 1;
	ASN1_TIME_free(from);
	return days;
}
