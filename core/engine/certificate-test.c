/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/job.h"

#include <string.h>
#include <openssl/x509v3.h>

/* What a CA's answer has to be. */

#define NAME "pc1.example.com"
#define DAY 86400
#define SERVER_AUTH "1.3.6.1.5.5.7.3.1"
#define CLIENT_AUTH "1.3.6.1.5.5.7.3.2"

/* what differs from a good one; NULL or 0: nothing */
typedef struct {
	const char *path;
	const char *common_name, *san, *usage, *ekus, *constraints;
	const char *wanted_eku, *wanted_upn; /* of the request; NULL: serverAuth, none */
	glong from_sec, until_sec; /* relative to now */
	gboolean other_ca, other_key, junk, hidden, two_names, wide;
	guint days_left;
	const char *reason; /* NULL: it is good */
} Case;

static const Case certificate_cases[] = {
	{ "/engine/certificate/good" },
	{ "/engine/certificate/other-name", .common_name = "pc2.example.com", .reason = "is for \"pc2.example.com\"" },
	{ "/engine/certificate/hidden-name", .hidden = TRUE, .reason = "is for \"\"" },
	{ "/engine/certificate/two-names", .two_names = TRUE, .reason = "is for \"\"" },
	{ "/engine/certificate/name-of-wide-letters", .wide = TRUE },
	{ "/engine/certificate/no-alternative-name", .san = "DNS:pc2.example.com", .reason = "lacks the name " NAME },
	{ "/engine/certificate/wildcard", .san = "DNS:*.example.com", .reason = "lacks the name " NAME },
	{ "/engine/certificate/further-name", .san = "DNS:pc1,DNS:" NAME },
	{ "/engine/certificate/no-server", .ekus = "clientAuth", .reason = "lacks the extended key usage 1.3.6.1.5.5.7.3.1" },
	{ "/engine/certificate/both-usages", .ekus = "clientAuth,serverAuth" },
	{ "/engine/certificate/no-signature", .usage = "critical,dataEncipherment", .reason = "mend the template" },
	{ "/requirements/S07-3.7/client-usage-checked", .ekus = "clientAuth", .wanted_eku = CLIENT_AUTH },
	{ "/requirements/S07-3.7/client-usage-missing", .wanted_eku = CLIENT_AUTH,
	    .reason = "lacks the extended key usage " CLIENT_AUTH },
	{ "/engine/certificate/client-without-signature", .ekus = "clientAuth", .wanted_eku = CLIENT_AUTH,
	    .usage = "critical,dataEncipherment", .reason = "which a client needs" },
	{ "/engine/certificate/principal-name", .san = "DNS:" NAME ",otherName:msUPN;UTF8:pc1$@EXAMPLE.COM",
	    .wanted_upn = "pc1$@EXAMPLE.COM" },
	{ "/engine/certificate/other-principal-name", .san = "DNS:" NAME ",otherName:msUPN;UTF8:pc2$@EXAMPLE.COM",
	    .wanted_upn = "pc1$@EXAMPLE.COM", .reason = "lacks the principal name" },
	{ "/engine/certificate/no-principal-name", .wanted_upn = "pc1$@EXAMPLE.COM", .reason = "lacks the principal name" },
	{ "/engine/certificate/ca", .constraints = "critical,CA:TRUE", .usage = "digitalSignature,keyCertSign", .reason = "is one of a CA" },
	{ "/engine/certificate/expired", .from_sec = -9 * DAY, .until_sec = -DAY, .reason = "has expired" },
	{ "/engine/certificate/ends-soon", .until_sec = 10 * DAY, .days_left = 42, .reason = "expires within 42 days" },
	{ "/engine/certificate/clock-a-little-ahead", .from_sec = 60 },
	{ "/engine/certificate/not-yet", .from_sec = 3600, .reason = "not valid yet" },
	{ "/engine/certificate/other-key", .other_key = TRUE, .reason = "another key" },
	{ "/engine/certificate/other-ca", .other_ca = TRUE, .reason = "unknown issuer" },
	{ "/engine/certificate/junk", .junk = TRUE, .reason = "not one in DER" },
	{ NULL },
};

static void
certificate_test_extend(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	g_assert_cmpint(X509_add_ext(certificate, extension, -1), ==, 1);
	X509_EXTENSION_free(extension);
}

static X509 *
certificate_test_new(EVP_PKEY *key, const char *subject, const char *issuer, glong from_sec, glong until_sec)
{
	X509 *certificate = X509_new();
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), g_random_int());
	X509_gmtime_adj(X509_getm_notBefore(certificate), from_sec);
	X509_gmtime_adj(X509_getm_notAfter(certificate), until_sec);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(
	    X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, (const guchar *)subject, -1, -1, 0);
	X509_NAME_add_entry_by_txt(
	    X509_get_issuer_name(certificate), "CN", MBSTRING_UTF8, (const guchar *)issuer, -1, -1, 0);
	return certificate;
}

static GBytes *
certificate_test_dup_der(X509 *certificate)
{
	unsigned char *der = NULL;
	int length = i2d_X509(certificate, &der);
	GBytes *bytes = g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	return bytes;
}

static const char *
certificate_test_or(const char *value, const char *fallback)
{
	return value != NULL ? value : fallback;
}

/* Names that a CA should not give, but for the last. */
static void
certificate_test_rename(X509 *leaf, const Case *c)
{
	static const guchar hidden[] = NAME "\0.example.org";
	X509_NAME *subject = X509_get_subject_name(leaf);
	if (c->hidden || c->wide)
		X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject, 0));
	if (c->hidden)
		X509_NAME_add_entry_by_NID(
		    subject, NID_commonName, V_ASN1_UTF8STRING, hidden, sizeof hidden - 1, -1, 0);
	if (c->two_names)
		X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
		    (const guchar *)"pc2.example.com", -1, -1, 0);
	g_autoptr(GByteArray) wide = g_byte_array_new();
	for (const char *at = NAME; *at != '\0'; at++)
		g_byte_array_append(wide, (const guint8[]) { 0, (guint8)*at }, 2);
	if (c->wide)
		X509_NAME_add_entry_by_NID(subject, NID_commonName, V_ASN1_BMPSTRING, wide->data,
		    (int)wide->len, -1, 0);
}

static GBytes *
certificate_test_make(const Case *c, EVP_PKEY *key, EVP_PKEY *ca_key)
{
	X509 *leaf = certificate_test_new(key, certificate_test_or(c->common_name, NAME),
	    c->other_ca ? "Other CA" : "Site CA", c->from_sec != 0 ? c->from_sec : -DAY,
	    c->until_sec != 0 ? c->until_sec : 100 * DAY);
	certificate_test_rename(leaf, c);
	certificate_test_extend(leaf, NID_basic_constraints, certificate_test_or(c->constraints, "critical,CA:FALSE"));
	certificate_test_extend(leaf, NID_subject_alt_name, certificate_test_or(c->san, "DNS:" NAME));
	certificate_test_extend(leaf, NID_key_usage, certificate_test_or(c->usage, "critical,digitalSignature"));
	certificate_test_extend(leaf, NID_ext_key_usage, certificate_test_or(c->ekus, "serverAuth"));
	g_assert_cmpint(X509_sign(leaf, ca_key, EVP_sha256()), >, 0);
	GBytes *der = certificate_test_dup_der(leaf);
	X509_free(leaf);
	return der;
}

static PvTrust *
certificate_test_new_trust(EVP_PKEY *ca_key)
{
	g_autoptr(GError) error = NULL;
	X509 *ca = certificate_test_new(ca_key, "Site CA", "Site CA", -DAY, 1000 * DAY);
	certificate_test_extend(ca, NID_basic_constraints, "critical,CA:TRUE");
	g_assert_cmpint(X509_sign(ca, ca_key, EVP_sha256()), >, 0);
	g_autoptr(GPtrArray) chain = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(chain, certificate_test_dup_der(ca));
	X509_free(ca);
	PvTrust *trust = pv_trust_new(chain, &error);
	g_assert_no_error(error);
	return trust;
}

static void
certificate_test_case(gconstpointer data)
{
	static const char *const names[] = { NAME, NULL };
	const Case *c = data;
	const char *const ekus[] = { certificate_test_or(c->wanted_eku, SERVER_AUTH), NULL };
	const PvCertRequest request = {
		.common_name = NAME, .dns_names = names, .ekus = ekus, .upn = c->wanted_upn
	};
	EVP_PKEY *key = EVP_EC_gen("P-256"), *ca_key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	g_autoptr(PvTrust) trust = certificate_test_new_trust(ca_key);
	g_autoptr(GBytes) der =
	    c->junk ? g_bytes_new("junk", 4) : certificate_test_make(c, c->other_key ? other : key, ca_key);
	g_autoptr(GError) error = NULL;
	gboolean good = pv_certificate_check(
	    &request, der, NULL, key, trust, c->days_left, g_get_real_time() / G_USEC_PER_SEC, &error);
	g_assert_cmpint(good, ==, c->reason == NULL);
	/* "auth" would mean that the device refused us, or we it */
	g_assert_false(g_error_matches(error, PV_ERROR, PV_ERROR_AUTH));
	if (c->reason != NULL && strstr(error->message, c->reason) == NULL)
		g_error("\"%s\" lacks \"%s\"", error->message, c->reason);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(other);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	pv_net_init();
	for (const Case *c = certificate_cases; c->path != NULL; c++)
		g_test_add_data_func(c->path, c, certificate_test_case);
	return g_test_run();
}
