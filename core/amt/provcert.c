/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/provcert.h"

#include <provost/error.h>

#include <string.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* Intel AMT SDK, "Remote configuration certificate requirements": one of the two marks the certificate */
#define PROVCERT_OID "2.16.840.1.113741.1.2.3"
#define PROVCERT_OU "Intel(R) Client Setup Certificate"

#define PROVCERT_MAX_HASHES 64 /* firmware has 33 */
#define PROVCERT_NO_SHA1 16 /* AMT version */

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
	const PvProvisioningDevice *device;
	guint major; /* of the firmware; 0: not known */
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
provcert_has_strong_key(X509 *certificate)
{
	EVP_PKEY *key = X509_get0_pubkey(certificate);
	return key != NULL && EVP_PKEY_get_security_bits(key) >= 112;
}

/* Root hashes of SHA-1 left the factory lists with AMT 11, and from CSME 16 on nothing in the chain may be signed with
 * it, the root's own signature included; 15 differs by platform. */
static gboolean
provcert_check_strength(const ProvcertCase *c, GError **error)
{
	for (int i = 0; i < sk_X509_num(c->chain); i++) {
		X509 *certificate = sk_X509_value(c->chain, i);
		g_autoptr(GError) local = NULL;
		g_autofree char *subject = provcert_dup_subject(certificate);
		gboolean sha1 = X509_get_signature_nid(certificate) == NID_sha1WithRSAEncryption ||
				X509_get_signature_nid(certificate) == NID_ecdsa_with_SHA1;
		if (sha1 && c->major >= PROVCERT_NO_SHA1)
			return provcert_fail(error,
			    "\"%s\" is signed with SHA-1, which AMT %d and later refuse, and the device "
			    "has AMT %u",
			    subject, PROVCERT_NO_SHA1, c->major);
		if (pv_tls_check_strength(certificate, &local) ||
		    (sha1 && c->device->legacy && provcert_has_strong_key(certificate)))
			continue;
		return provcert_fail(error, "%s%s", local->message,
		    sha1 ? ": firmware before AMT 16 may take it, in a group with \"tls\": \"legacy\"" : "");
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
	const GArray *hashes = c->device->hashes;
	if (hashes == NULL)
		return TRUE;
	for (guint i = 0; i < hashes->len; i++)
		if (provcert_is_root(c->last, &g_array_index(hashes, PvRootHash, i)))
			return TRUE;
	g_autofree char *subject = provcert_dup_subject(c->last);
	g_autofree char *fingerprint = pv_tls_dup_fingerprint(c->last);
	return provcert_fail(error,
	    "the root \"%s\" (SHA-256 %s) is not among the device's %u trusted root hashes",
	    subject, fingerprint, hashes->len);
}

/* The last common name, lower case, without "*." and a final dot. NULL: none. */
char *
pv_provisioning_dup_common_name(X509 *certificate)
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
	if (c->device->suffix == NULL || *c->device->suffix == '\0')
		return TRUE;
	g_autofree char *name = pv_provisioning_dup_common_name(c->leaf);
	g_autofree char *suffix = g_ascii_strdown(c->device->suffix, -1);
	if (g_str_has_suffix(suffix, "."))
		suffix[strlen(suffix) - 1] = '\0';
	if (name != NULL && provcert_matches(name, suffix))
		return TRUE;
	return provcert_fail(error,
	    "the common name \"%s\" does not match the device's DNS suffix \"%s\"",
	    name != NULL ? name : "", suffix);
}

typedef struct {
	const char *name; /* of the row in a report */
	gboolean (*check)(const ProvcertCase *c, GError **error);
} ProvcertRule;

static const ProvcertRule provcert_rules[] = {
	{ "chain", provcert_check_gap },
	{ "signatures", provcert_check_signatures },
	{ "key", provcert_check_key },
	{ "purpose", provcert_check_purpose },
	{ "algorithms", provcert_check_strength },
	{ "dates", provcert_check_dates },
	{ "root hash", provcert_check_root },
	{ "dns suffix", provcert_check_suffix },
};

static ProvcertCase
provcert_make_case(const PvIdentity *identity, STACK_OF(X509) * chain, const PvProvisioningDevice *device)
{
	return (ProvcertCase) { .identity = identity,
		.chain = chain,
		.leaf = sk_X509_value(chain, 0),
		.last = sk_X509_value(chain, sk_X509_num(chain) - 1),
		.device = device,
		.major = device->version != NULL ? (guint)g_ascii_strtoull(device->version, NULL, 10) : 0,
		.now = device->now != 0 ? device->now : g_get_real_time() / G_USEC_PER_SEC };
}

/* number of rules that the chain passed before one failed */
static gsize
provcert_check_chain(const ProvcertCase *c, GError **error)
{
	gsize passed = 0;
	while (passed < G_N_ELEMENTS(provcert_rules) && provcert_rules[passed].check(c, error))
		passed++;
	return passed;
}

/* Index of the first chain that passes, else of the one that came farthest, with the error of that one. */
static guint
provcert_find_chain(const PvIdentity *identity, const PvProvisioningDevice *device, GError **error)
{
	const GPtrArray *chains = pv_identity_get_chains(identity);
	g_autoptr(GError) best = NULL;
	gsize farthest = 0;
	guint found = 0;
	for (guint i = 0; i < chains->len; i++) {
		g_autoptr(GError) local = NULL;
		const ProvcertCase c = provcert_make_case(identity, chains->pdata[i], device);
		gsize passed = provcert_check_chain(&c, &local);
		if (local == NULL)
			return i;
		if (best != NULL && passed <= farthest)
			continue;
		g_clear_error(&best);
		best = g_steal_pointer(&local);
		farthest = passed;
		found = i;
	}
	g_propagate_prefixed_error(error, g_steal_pointer(&best),
	    "provisioning certificate %s: ", pv_identity_get_path(identity));
	return found;
}

gboolean
pv_provisioning_check(const PvIdentity *identity, const PvProvisioningDevice *device, GError **error)
{
	g_autoptr(GError) local = NULL;
	(void)provcert_find_chain(identity, device, &local); /* which one is the business of choose */
	if (local == NULL)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

PvIdentity *
pv_provisioning_choose(const GPtrArray *identities, const PvProvisioningDevice *device, GError **error)
{
	g_autoptr(GString) reasons = g_string_new(NULL);
	for (guint i = 0; identities != NULL && i < identities->len; i++) {
		PvIdentity *identity = g_ptr_array_index(identities, i);
		g_autoptr(GError) local = NULL;
		guint chain = provcert_find_chain(identity, device, &local);
		if (local == NULL)
			return chain == 0 ? pv_identity_ref(identity)
					  : pv_identity_new_with_chain(identity, chain);
		g_string_append_printf(
		    reasons, "%s%s", reasons->len > 0 ? "; " : "", local->message);
	}
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s",
	    reasons->len > 0 ? reasons->str : "no provisioning certificate is configured");
	return NULL;
}

/* the chain as it is presented */
static char *
provcert_dup_chain(const ProvcertCase *c)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_string_append_printf(text, "%d certificates: ", sk_X509_num(c->chain));
	for (int i = 0; i < sk_X509_num(c->chain); i++) {
		g_autofree char *subject = provcert_dup_subject(sk_X509_value(c->chain, i));
		g_string_append_printf(text, "%s%s", i > 0 ? " <- " : "", subject);
	}
	return g_string_free(g_steal_pointer(&text), FALSE);
}

/* A key may be there and not be usable: a token that lost its login, a right that is missing. */
static gboolean
provcert_can_sign(EVP_PKEY *key)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	gsize length = 0;
	gboolean ok = EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		      EVP_DigestSign(context, NULL, &length, (const guchar *)"provost", 7) == 1;
	g_autofree guchar *signature = ok ? g_malloc(length) : NULL;
	ok = ok && EVP_DigestSign(context, signature, &length, (const guchar *)"provost", 7) == 1;
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return ok;
}

/* what passed, in a few words */
static char *
provcert_dup_fact(const ProvcertCase *c, const char *rule)
{
	g_autofree char *root = provcert_dup_subject(c->last);
	g_autofree char *name = pv_provisioning_dup_common_name(c->leaf);
	gint days = pv_identity_get_days_left(c->identity, c->now);
	if (g_str_equal(rule, "chain"))
		return provcert_dup_chain(c);
	if (g_str_equal(rule, "key"))
		return g_strdup("fits, and signs");
	if (g_str_equal(rule, "purpose"))
		return g_strdup_printf("server authentication and %s",
		    provcert_has_ou(c->leaf) ? "Intel's OU" : "Intel's OID");
	if (g_str_equal(rule, "dates"))
		return g_strdup_printf("%d days left", days);
	if (g_str_equal(rule, "root hash"))
		return c->device->hashes == NULL
			   ? g_strdup("not checked: the device's hashes are not known")
			   : g_strdup_printf("%s is in the device's list", root);
	if (g_str_equal(rule, "dns suffix"))
		return c->device->suffix == NULL || *c->device->suffix == '\0'
			   ? g_strdup("not checked: the DNS suffix is not known")
			   : g_strdup_printf("%s goes with %s", name != NULL ? name : "", c->device->suffix);
	return g_strdup("right");
}

/* Old firmware is said to take roots of 2048 bits at most, and nobody says which takes elliptic curves. */
static void
provcert_report_sizes(const ProvcertCase *c, const char *object, PvReport *report)
{
	for (int i = 0; i < sk_X509_num(c->chain); i++) {
		X509 *certificate = sk_X509_value(c->chain, i);
		g_autofree char *subject = provcert_dup_subject(certificate);
		EVP_PKEY *key = X509_get0_pubkey(certificate);
		if (key != NULL && !EVP_PKEY_is_a(key, "RSA"))
			pv_report_add(report, PV_REPORT_WARNING, "algorithms", object,
			    "the key of %s is none of RSA, and firmware is only known to take those", subject);
		else if (key != NULL && EVP_PKEY_get_bits(key) > 2048 && c->major > 0 && c->major < 6)
			pv_report_add(report, PV_REPORT_WARNING, "algorithms", object,
			    "the key of %s has %d bits, and AMT %u may take 2048 at most", subject,
			    EVP_PKEY_get_bits(key), c->major);
		else if (c->major == 15 && X509_get_signature_nid(certificate) == NID_sha1WithRSAEncryption)
			pv_report_add(report, PV_REPORT_WARNING, "algorithms", object,
			    "%s is signed with SHA-1, which some devices with AMT 15 refuse", subject);
	}
}

void
pv_provisioning_report(const PvIdentity *identity, const PvProvisioningDevice *device,
    const char *object, PvReport *report)
{
	g_autoptr(GError) unused = NULL; /* its row follows */
	guint chain = provcert_find_chain(identity, device, &unused);
	const ProvcertCase c =
	    provcert_make_case(identity, pv_identity_get_chains(identity)->pdata[chain], device);
	for (gsize i = 0; i < G_N_ELEMENTS(provcert_rules); i++) {
		const char *rule = provcert_rules[i].name;
		g_autoptr(GError) error = NULL;
		gint threshold = pv_provisioning_get_threshold(pv_identity_get_days_left(identity, c.now));
		g_autofree char *fact = provcert_dup_fact(&c, rule);
		if (!provcert_rules[i].check(&c, &error))
			pv_report_add(report, PV_REPORT_FAILURE, rule, object, "%s", error->message);
		else if (g_str_equal(rule, "key") && !provcert_can_sign(pv_identity_get_key(identity)))
			pv_report_add(report, PV_REPORT_FAILURE, rule, object,
			    "it fits and cannot sign: look whether its token is there and lets user %u in", (guint)getuid());
		else if (g_str_equal(rule, "dates") && threshold >= 0)
			pv_report_add(report, PV_REPORT_WARNING, rule, object, "%s: order its successor", fact);
		else
			pv_report_add(report, PV_REPORT_OK, rule, object, "%s", fact);
		/* without its issuers nothing else can be said of a chain */
		if (error != NULL && i == 0)
			return;
	}
	provcert_report_sizes(&c, object, report);
}

char *
pv_provisioning_dup_thumbprint(X509 *certificate, gboolean sha256)
{
	guchar hash[EVP_MAX_MD_SIZE];
	guint length = 0;
	if (X509_digest(certificate, sha256 ? EVP_sha256() : EVP_sha1(), hash, &length) != 1)
		length = 0;
	GString *text = g_string_new(NULL);
	for (guint i = 0; i < length; i++)
		g_string_append_printf(text, "%s%02x", i > 0 ? "-" : "", hash[i]);
	return g_string_free(text, FALSE);
}

gint
pv_provisioning_get_threshold(gint days_left)
{
	static const gint thresholds[] = { 7, 30, 90 };
	if (days_left < 0)
		return 0;
	for (gsize i = 0; i < G_N_ELEMENTS(thresholds); i++)
		if (days_left <= thresholds[i])
			return thresholds[i];
	return -1;
}

char *
pv_provisioning_dup_expiry(const PvIdentity *identity, gint64 now)
{
	gint days = pv_identity_get_days_left(identity, now);
	struct tm end = { 0 };
	g_autofree char *date = NULL;
	if (ASN1_TIME_to_tm(
		X509_get0_notAfter(sk_X509_value(pv_identity_get_chain(identity), 0)), &end) == 1)
		date = g_strdup_printf(
		    "%04d-%02d-%02d", end.tm_year + 1900, end.tm_mon + 1, end.tm_mday);
	const char *on = date != NULL ? date : "a day that cannot be read";
	gint threshold = pv_provisioning_get_threshold(days);
	if (threshold < 0)
		return NULL;
	if (threshold == 0)
		return g_strdup_printf("has expired on %s, and no device is set up with it any more: install "
				       "its successor with \"provost certificate install\"",
		    on);
	return g_strdup_printf("expires in %d days, on %s: %s", days, on,
	    threshold > 30  ? "order its successor with \"provost certificate request\""
	    : threshold > 7 ? "install its successor, or order it now"
			    : "install its successor now; then no device can be set up any more");
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
