/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ca-x509.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <provost/error.h>
#include <string.h>

#define CA_CSR_MAX_BYTES 16384
#define CA_NAMES_MAX 32
#define CA_UPN_MAX 256
#define CA_SERIAL_BYTES 20 /* RFC 5280 4.1.2.2: the most there may be */
#define CA_RSA_BITS_MIN 2048
#define CA_SERVER_AUTH "1.3.6.1.5.5.7.3.1" /* RFC 5280 4.2.1.12 */
/* major versions of AMT that take more: curves with TLS 1.2, longer RSA keys */
#define CA_AMT_CURVES 12
#define CA_AMT_LONG_KEYS 6
#define CA_RSA_BITS_MAX 8192 /* above it a signature check is a way to keep us busy */

void
ca_x509_set_error(GError **error, const char *doing)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
	g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "%s: %s", doing,
	    reason == NULL ? "the crypto library gave no reason" : reason);
	ERR_clear_error();
}

EVP_PKEY *
ca_x509_new_key(const char *key_type, GError **error)
{
	EVP_PKEY *key = NULL;
	if (g_str_equal(key_type, "rsa-2048"))
		key = EVP_RSA_gen(2048);
	else if (g_str_equal(key_type, "rsa-3072"))
		key = EVP_RSA_gen(3072);
	else if (g_str_equal(key_type, "p-256"))
		key = EVP_EC_gen("P-256");
	else if (g_str_equal(key_type, "p-384"))
		key = EVP_EC_gen("P-384");
	if (key == NULL)
		ca_x509_set_error(error, "make the ca's key");
	return key;
}

/* a curve asks for a hash of its own strength; RSA of the sizes in use is well served by SHA-256 */
static const EVP_MD *
ca_x509_get_digest(EVP_PKEY *key)
{
	return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) > 256 ? EVP_sha384()
									: EVP_sha256();
}

gint64
ca_x509_get_time(const ASN1_TIME *time)
{
	struct tm tm;
	if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1)
		return G_MININT64;
	g_autoptr(GDateTime) utc = g_date_time_new_utc(
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return utc == NULL ? G_MININT64 : g_date_time_to_unix(utc);
}

char *
ca_x509_dup_serial(X509 *certificate)
{
	g_autoptr(BIGNUM) number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
	char *hex = number == NULL ? NULL : BN_bn2hex(number);
	char *serial = g_strdup(hex == NULL ? "" : hex);
	OPENSSL_free(hex);
	return serial;
}

GBytes *
ca_x509_to_der(X509 *certificate)
{
	unsigned char *der = NULL;
	int length = i2d_X509(certificate, &der);
	if (length <= 0)
		return NULL;
	GBytes *bytes = g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	return bytes;
}

X509 *
ca_x509_from_der(GBytes *der)
{
	gsize length = 0;
	const unsigned char *data = g_bytes_get_data(der, &length);
	const unsigned char *end = data;
	if (length == 0 || length > G_MAXINT32)
		return NULL;
	g_autoptr(X509) certificate = d2i_X509(NULL, &end, (long)length);
	ERR_clear_error();
	if (certificate == NULL || end != data + length)
		return NULL;
	return g_steal_pointer(&certificate);
}

static gboolean
ca_x509_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	gboolean ok = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok;
}

static gboolean
ca_x509_set_serial(X509 *certificate)
{
	unsigned char bytes[CA_SERIAL_BYTES];
	if (RAND_bytes(bytes, sizeof bytes) != 1)
		return FALSE;
	/* positive, and always of the same length, so that file names sort and compare */
	bytes[0] = (unsigned char)((bytes[0] & 0x3f) | 0x40);
	g_autoptr(BIGNUM) number = BN_bin2bn(bytes, sizeof bytes, NULL);
	return number != NULL &&
	       BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
}

static gboolean
ca_x509_set_dates(X509 *certificate, gint64 not_before, gint64 not_after)
{
	return ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)not_before) != NULL &&
	       ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)not_after) != NULL;
}

static gboolean
ca_x509_set_subject(X509 *certificate, const char *common_name)
{
	g_autoptr(X509_NAME) name = X509_NAME_new();
	return name != NULL &&
	       X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
		   (const unsigned char *)common_name, -1, -1, 0) == 1 &&
	       X509_set_subject_name(certificate, name) == 1;
}

static gboolean
ca_x509_add_constraints(X509 *root, const char *const *permitted)
{
	g_autoptr(GString) text = g_string_new("critical");
	for (guint i = 0; permitted != NULL && permitted[i] != NULL; i++)
		g_string_append_printf(text, ",permitted;DNS:%s", permitted[i]);
	return permitted == NULL || permitted[0] == NULL ||
	       ca_x509_add_extension(root, root, NID_name_constraints, text->str);
}

X509 *
ca_x509_new_root(EVP_PKEY *key, const char *common_name, const char *const *permitted, gint64 now,
    gint64 days, GError **error)
{
	g_autoptr(X509) root = X509_new();
	if (root == NULL || X509_set_version(root, X509_VERSION_3) != 1 ||
	    !ca_x509_set_serial(root) ||
	    !ca_x509_set_dates(root, now - CA_BACKDATE_SEC, now + days * 86400) ||
	    !ca_x509_set_subject(root, common_name) ||
	    X509_set_issuer_name(root, X509_get_subject_name(root)) != 1 ||
	    X509_set_pubkey(root, key) != 1 ||
	    !ca_x509_add_extension(
		root, root, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
	    !ca_x509_add_extension(root, root, NID_key_usage, "critical,keyCertSign,cRLSign") ||
	    !ca_x509_add_extension(root, root, NID_subject_key_identifier, "hash") ||
	    !ca_x509_add_constraints(root, permitted) ||
	    X509_sign(root, key, ca_x509_get_digest(key)) <= 0) {
		ca_x509_set_error(error, "make the ca's certificate");
		return NULL;
	}
	return g_steal_pointer(&root);
}

/* Letters, digits, hyphens; no wildcard, for a certificate of a device names that device. */
gboolean
ca_x509_is_dns_name(const char *name)
{
	gsize length = strlen(name);
	if (length == 0 || length > 253)
		return FALSE;
	gsize label = 0;
	for (const char *c = name; *c != '\0'; c++) {
		gboolean edge = label == 0 || c[1] == '\0' || c[1] == '.';
		if (*c == '.' ? label == 0 : !(g_ascii_isalnum(*c) || (*c == '-' && !edge)))
			return FALSE;
		label = *c == '.' ? 0 : label + 1;
		if (label > 63)
			return FALSE;
	}
	return label > 0;
}

/* ACCOUNT@REALM */
static gboolean
ca_x509_is_upn(const char *upn)
{
	const char *at = strchr(upn, '@');
	if (at == NULL || at == upn || at[1] == '\0' || strchr(at + 1, '@') != NULL ||
	    strlen(upn) > CA_UPN_MAX || !g_utf8_validate(upn, -1, NULL))
		return FALSE;
	for (const char *c = upn; *c != '\0'; c++)
		if (g_ascii_iscntrl(*c) || *c == ' ')
			return FALSE;
	return TRUE;
}

static char *
ca_x509_judge_names(const PvCertRequest *request)
{
	const char *name = request->common_name;
	if (name == NULL || *name == '\0' || !g_utf8_validate(name, -1, NULL))
		return g_strdup("the common name is missing or no UTF-8");
	if (g_utf8_strlen(name, -1) > 64)
		return g_strdup_printf("the common name %s is longer than 64 characters", name);
	for (const char *c = name; *c != '\0'; c++)
		if (g_ascii_iscntrl(*c))
			return g_strdup("the common name holds control characters");

	for (guint i = 0; request->dns_names != NULL && request->dns_names[i] != NULL; i++) {
		if (i >= CA_NAMES_MAX)
			return g_strdup_printf(
			    "more than %d DNS names are asked for", CA_NAMES_MAX);
		if (!ca_x509_is_dns_name(request->dns_names[i]))
			return g_strdup_printf(
			    "\"%s\" is no DNS name of a computer", request->dns_names[i]);
	}
	if (request->upn != NULL && !ca_x509_is_upn(request->upn))
		return g_strdup("the principal name is not ACCOUNT@REALM");
	for (guint i = 0; request->ekus != NULL && request->ekus[i] != NULL; i++) {
		ASN1_OBJECT *usage = i < CA_NAMES_MAX ? OBJ_txt2obj(request->ekus[i], 1) : NULL;
		ERR_clear_error();
		if (usage == NULL)
			return g_strdup_printf("\"%s\" is no OID of a key usage", request->ekus[i]);
		ASN1_OBJECT_free(usage);
	}
	return NULL;
}

static char *
ca_x509_judge_key(EVP_PKEY *key)
{
	if (key == NULL)
		return g_strdup("the request's public key cannot be read");
	int bits = EVP_PKEY_get_bits(key);
	if (EVP_PKEY_is_a(key, "RSA")) {
		if (bits >= CA_RSA_BITS_MIN && bits <= CA_RSA_BITS_MAX)
			return NULL;
		return g_strdup_printf("its RSA key has %d bits; %d to %d are taken", bits,
		    CA_RSA_BITS_MIN, CA_RSA_BITS_MAX);
	}
	char group[32] = "";
	if (EVP_PKEY_is_a(key, "EC") &&
	    EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
	    (g_str_equal(group, SN_X9_62_prime256v1) || g_str_equal(group, SN_secp384r1)))
		return NULL;
	return g_strdup("its key is neither RSA nor on the curves P-256 and P-384");
}

X509_REQ *
ca_x509_check_request(const PvCertRequest *request, GBytes *csr_der, char **reason)
{
	*reason = ca_x509_judge_names(request);
	if (*reason != NULL)
		return NULL;

	gsize length = 0;
	const unsigned char *data = g_bytes_get_data(csr_der, &length);
	const unsigned char *end = data;
	g_autoptr(X509_REQ) csr = length == 0 || length > CA_CSR_MAX_BYTES
				      ? NULL
				      : d2i_X509_REQ(NULL, &end, (long)length);
	ERR_clear_error();
	if (csr == NULL || end != data + length) {
		*reason = g_strdup("it is no PKCS#10 request in DER");
		return NULL;
	}
	EVP_PKEY *key = X509_REQ_get0_pubkey(csr);
	*reason = ca_x509_judge_key(key);
	if (*reason != NULL)
		return NULL;

	/* the proof that the asker has the private key; old firmware can make it only with SHA-1, and
	 * nothing but this check depends on it */
	int verified = X509_REQ_verify(csr, key);
	ERR_clear_error();
	int digest = NID_undef;
	(void)OBJ_find_sigid_algs(
	    X509_REQ_get_signature_nid(csr), &digest, NULL); /* undef: refused below */
	if (verified != 1 || digest == NID_undef || digest == NID_md5 || digest == NID_md4 ||
	    digest == NID_md2) {
		*reason = g_strdup("its signature does not fit its public key");
		return NULL;
	}
	return g_steal_pointer(&csr);
}

static gboolean
ca_x509_add_dns_name(GENERAL_NAMES *list, const char *dns_name)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	gboolean ok = name != NULL && text != NULL && ASN1_STRING_set(text, dns_name, -1) == 1;
	if (ok) {
		GENERAL_NAME_set0_value(name, GEN_DNS, text);
		ok = sk_GENERAL_NAME_push(list, name) > 0;
	} else {
		ASN1_IA5STRING_free(text);
	}
	if (!ok)
		GENERAL_NAME_free(name);
	return ok;
}

/* otherName of Microsoft's type userPrincipalName, a UTF8String: what a RADIUS server finds the account by */
static gboolean
ca_x509_add_upn(GENERAL_NAMES *list, const char *upn)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_TYPE *value = ASN1_TYPE_new();
	ASN1_UTF8STRING *text = ASN1_UTF8STRING_new();
	if (name == NULL || value == NULL || text == NULL || ASN1_STRING_set(text, upn, -1) != 1) {
		GENERAL_NAME_free(name);
		ASN1_TYPE_free(value);
		ASN1_UTF8STRING_free(text);
		return FALSE;
	}
	ASN1_TYPE_set(value, V_ASN1_UTF8STRING, text);
	if (GENERAL_NAME_set0_othername(name, OBJ_nid2obj(NID_ms_upn), value) != 1) {
		ASN1_TYPE_free(value);
		GENERAL_NAME_free(name);
		return FALSE;
	}
	if (sk_GENERAL_NAME_push(list, name) > 0)
		return TRUE;
	GENERAL_NAME_free(name);
	return FALSE;
}

static gboolean
ca_x509_add_names(X509 *leaf, const PvCertRequest *request)
{
	const char *const *names = request->dns_names;
	if ((names == NULL || names[0] == NULL) && request->upn == NULL)
		return TRUE;
	GENERAL_NAMES *list = GENERAL_NAMES_new();
	gboolean ok = list != NULL;
	for (guint i = 0; ok && names != NULL && names[i] != NULL; i++)
		ok = ca_x509_add_dns_name(list, names[i]);
	ok = ok && (request->upn == NULL || ca_x509_add_upn(list, request->upn)) &&
	     X509_add1_ext_i2d(leaf, NID_subject_alt_name, list, 0, 0) == 1;
	GENERAL_NAMES_free(list);
	return ok;
}

static gboolean
ca_x509_add_usages(X509 *leaf, const char *const *ekus)
{
	if (ekus == NULL || ekus[0] == NULL)
		return TRUE;
	EXTENDED_KEY_USAGE *list = EXTENDED_KEY_USAGE_new();
	gboolean ok = list != NULL;
	for (guint i = 0; ok && ekus[i] != NULL; i++) {
		ASN1_OBJECT *usage = OBJ_txt2obj(ekus[i], 1);
		ok = usage != NULL && sk_ASN1_OBJECT_push(list, usage) > 0;
		if (!ok)
			ASN1_OBJECT_free(usage);
	}
	ok = ok && X509_add1_ext_i2d(leaf, NID_ext_key_usage, list, 0, 0) == 1;
	EXTENDED_KEY_USAGE_free(list);
	return ok;
}

char *
ca_x509_judge_firmware(EVP_PKEY *root_key, const PvCertRequest *request, X509_REQ *csr)
{
	EVP_PKEY *key = X509_REQ_get0_pubkey(csr);
	guint64 major = 0;
	g_autofree char *digits =
	    request->amt_version == NULL
		? NULL
		: g_strndup(request->amt_version, strspn(request->amt_version, "0123456789"));
	if (digits == NULL || !g_ascii_string_to_unsigned(digits, 10, 1, 99, &major, NULL))
		return NULL;
	if (major < CA_AMT_CURVES && EVP_PKEY_is_a(root_key, "EC"))
		return g_strdup_printf(
		    "AMT %s verifies signatures by RSA only, and this ca's key is on an "
		    "elliptic curve: such computers need a ca with an RSA key",
		    request->amt_version);
	if (major < CA_AMT_CURVES && !EVP_PKEY_is_a(key, "RSA"))
		return g_strdup_printf("AMT %s has keys by RSA only", request->amt_version);
	if (major < CA_AMT_LONG_KEYS && EVP_PKEY_is_a(root_key, "RSA") &&
	    EVP_PKEY_get_bits(root_key) > 2048)
		return g_strdup_printf(
		    "AMT %s verifies RSA with 2048 bits at most, and this ca's key has %d: such "
		    "computers need a ca with a shorter one",
		    request->amt_version, EVP_PKEY_get_bits(root_key));
	if (major < CA_AMT_LONG_KEYS && EVP_PKEY_get_bits(key) > 2048)
		return g_strdup_printf(
		    "AMT %s takes RSA keys of 2048 bits at most: set \"key-length\" to that",
		    request->amt_version);
	return NULL;
}

/* OpenSSL holds a common name against the constraints only where it is a DNS name to the letter. There are those who find a
 * computer by one that is not quite: "*.example.com", one with a dot at its end, one with an underscore. */
static gboolean
ca_x509_is_almost_dns_name(X509 *leaf)
{
	char name[320] = ""; /* 64 characters of UTF-8 at most */
	(void)X509_NAME_get_text_by_NID(
	    X509_get_subject_name(leaf), NID_commonName, name, sizeof name); /* or none: empty */
	gboolean dots = FALSE;
	for (const char *c = name; *c != '\0'; c++) {
		if (!g_ascii_isalnum(*c) && strchr("-_.*", *c) == NULL)
			return FALSE;
		dots = dots || *c == '.' || *c == '*';
	}
	return dots && !ca_x509_is_dns_name(name);
}

/* OpenSSL finds the names of a certificate that was just built only after it has looked at its extensions:
 * X509_check_purpose() makes it do so. Without that, every name would be permitted. */
char *
ca_x509_judge_constraints(X509 *root, X509 *leaf)
{
	NAME_CONSTRAINTS *constraints = X509_get_ext_d2i(root, NID_name_constraints, NULL, NULL);
	if (constraints == NULL)
		return NULL;
	if (ca_x509_is_almost_dns_name(leaf)) {
		NAME_CONSTRAINTS_free(constraints);
		return g_strdup(
		    "its common name is no name of one computer, and this ca may not certify others");
	}
	(void)X509_check_purpose(leaf, -1, 0);
	int result = NAME_CONSTRAINTS_check(leaf, constraints);
	if (result == X509_V_OK)
		result = NAME_CONSTRAINTS_check_CN(leaf, constraints);
	NAME_CONSTRAINTS_free(constraints);
	ERR_clear_error();
	return result == X509_V_OK
		   ? NULL
		   : g_strdup_printf("its names are not among those that this ca may certify: %s",
			 X509_verify_cert_error_string(result));
}

static gboolean
ca_x509_is_for_server(const char *const *ekus)
{
	gboolean any = ekus == NULL || ekus[0] == NULL;
	for (guint i = 0; !any && ekus[i] != NULL; i++)
		any = g_str_equal(ekus[i], CA_SERVER_AUTH);
	return any;
}

static gboolean
ca_x509_add_crl_url(X509 *leaf, X509 *root, const char *crl_url)
{
	g_autofree char *value = g_strconcat("URI:", crl_url, NULL);
	return crl_url == NULL ||
	       ca_x509_add_extension(leaf, root, NID_crl_distribution_points, value);
}

X509 *
ca_x509_new_leaf(X509 *root, EVP_PKEY *root_key, const PvCertRequest *request, X509_REQ *csr,
    gint64 now, gint64 days, const char *crl_url, GError **error)
{
	EVP_PKEY *key = X509_REQ_get0_pubkey(csr);
	/* no leaf outlives its issuer: a verifier would refuse it from then on anyway */
	gint64 not_after = MIN(now + days * 86400, ca_x509_get_time(X509_get0_notAfter(root)));
	/* firmware before TLS 1.2 has key exchange by RSA, for which a server's key enciphers; a client's never does */
	const char *usage = EVP_PKEY_is_a(key, "RSA") && ca_x509_is_for_server(request->ekus)
				? "critical,digitalSignature,keyEncipherment"
				: "critical,digitalSignature";
	g_autoptr(X509) leaf = X509_new();
	if (leaf == NULL || X509_set_version(leaf, X509_VERSION_3) != 1 ||
	    !ca_x509_set_serial(leaf) ||
	    !ca_x509_set_dates(leaf, now - CA_BACKDATE_SEC, not_after) ||
	    !ca_x509_set_subject(leaf, request->common_name) ||
	    X509_set_issuer_name(leaf, X509_get_subject_name(root)) != 1 ||
	    X509_set_pubkey(leaf, key) != 1 ||
	    !ca_x509_add_extension(leaf, root, NID_basic_constraints, "critical,CA:FALSE") ||
	    !ca_x509_add_extension(leaf, root, NID_key_usage, usage) ||
	    !ca_x509_add_usages(leaf, request->ekus) ||
	    !ca_x509_add_extension(leaf, root, NID_subject_key_identifier, "hash") ||
	    !ca_x509_add_extension(leaf, root, NID_authority_key_identifier, "keyid:always") ||
	    !ca_x509_add_names(leaf, request) || !ca_x509_add_crl_url(leaf, root, crl_url) ||
	    X509_sign(leaf, root_key, ca_x509_get_digest(root_key)) <= 0) {
		ca_x509_set_error(error, "make the certificate");
		return NULL;
	}
	return g_steal_pointer(&leaf);
}

static gboolean
ca_x509_add_revocation(X509_CRL *crl, const CaRevocation *revocation)
{
	BIGNUM *number = NULL;
	if (BN_hex2bn(&number, revocation->serial) == 0)
		return FALSE;
	g_autoptr(BIGNUM) owned_number = number;
	g_autoptr(ASN1_INTEGER) serial = BN_to_ASN1_INTEGER(number, NULL);
	g_autoptr(ASN1_TIME) time = ASN1_TIME_set(NULL, (time_t)revocation->time);
	g_autoptr(X509_REVOKED) entry = X509_REVOKED_new();
	if (serial == NULL || time == NULL || entry == NULL ||
	    X509_REVOKED_set_serialNumber(entry, serial) != 1 ||
	    X509_REVOKED_set_revocationDate(entry, time) != 1)
		return FALSE;
	if (revocation->reason != 0) { /* RFC 5280 5.3.1: "unspecified" is told by leaving it out */
		g_autoptr(ASN1_ENUMERATED) reason = ASN1_ENUMERATED_new();
		if (reason == NULL || ASN1_ENUMERATED_set(reason, (long)revocation->reason) != 1 ||
		    X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason, 0, 0) != 1)
			return FALSE;
	}
	if (X509_CRL_add0_revoked(crl, entry) != 1)
		return FALSE;
	(void)g_steal_pointer(&entry); /* it is the list's now */
	return TRUE;
}

static gboolean
ca_x509_add_crl_extensions(X509_CRL *crl, X509 *root, guint64 number)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, root, NULL, NULL, crl, 0);
	X509_EXTENSION *authority =
	    X509V3_EXT_conf_nid(NULL, &context, NID_authority_key_identifier, "keyid:always");
	g_autoptr(ASN1_INTEGER) value = ASN1_INTEGER_new();
	gboolean ok = authority != NULL && X509_CRL_add_ext(crl, authority, -1) == 1 &&
		      value != NULL && ASN1_INTEGER_set_uint64(value, number) == 1 &&
		      X509_CRL_add1_ext_i2d(crl, NID_crl_number, value, 0, 0) == 1;
	X509_EXTENSION_free(authority);
	return ok;
}

X509_CRL *
ca_x509_new_crl(X509 *root, EVP_PKEY *root_key, const GArray *revocations, guint64 number,
    gint64 now, gint64 days, GError **error)
{
	g_autoptr(X509_CRL) crl = X509_CRL_new();
	g_autoptr(ASN1_TIME) this_update = ASN1_TIME_set(NULL, (time_t)now);
	g_autoptr(ASN1_TIME) next_update = ASN1_TIME_set(NULL, (time_t)(now + days * 86400));
	gboolean ok = crl != NULL && this_update != NULL && next_update != NULL &&
		      X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
		      X509_CRL_set_issuer_name(crl, X509_get_subject_name(root)) == 1 &&
		      X509_CRL_set1_lastUpdate(crl, this_update) == 1 &&
		      X509_CRL_set1_nextUpdate(crl, next_update) == 1 &&
		      ca_x509_add_crl_extensions(crl, root, number);
	for (guint i = 0; ok && i < revocations->len; i++)
		ok = ca_x509_add_revocation(crl, &g_array_index(revocations, CaRevocation, i));
	ok = ok && X509_CRL_sort(crl) == 1 &&
	     X509_CRL_sign(crl, root_key, ca_x509_get_digest(root_key)) > 0;
	if (!ok) {
		ca_x509_set_error(error, "make the revocation list");
		return NULL;
	}
	return g_steal_pointer(&crl);
}
