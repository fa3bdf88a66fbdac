/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/tls.h"

#include "tests/lib/fake-pki.h"

#include <provost/error.h>

#include <string.h>
#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>

typedef struct {
	FakeCert *root;
	FakeCert *middle;
	FakeCert *leaf;
	char *dir;
	char *path; /* of the file under test */
} Fixture;

static void
tls_test_set_up(Fixture *f, gconstpointer unused)
{
	f->root = fake_cert_new(&(FakeCertSpec) { .common_name = "Test Root", .is_ca = TRUE });
	f->middle = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "Test Middle", .is_ca = TRUE, .issuer = f->root });
	f->leaf = fake_cert_new(&(FakeCertSpec) { .common_name = "prov.example.com",
	    .dns_name = "prov.example.com",
	    .issuer = f->middle });
	f->dir = g_dir_make_tmp("pv-tls-XXXXXX", NULL);
	f->path = g_build_filename(f->dir, "identity", NULL);
}

static void
tls_test_tear_down(Fixture *f, gconstpointer unused)
{
	g_unlink(f->path);
	g_rmdir(f->dir);
	g_free(f->path);
	g_free(f->dir);
	fake_cert_free(f->root);
	fake_cert_free(f->middle);
	fake_cert_free(f->leaf);
}

static void
tls_test_write(Fixture *f, const char *text)
{
	g_assert_true(g_file_set_contents(f->path, text, -1, NULL));
}

static void
tls_test_expect_chain(const PvIdentity *identity, const Fixture *f)
{
	STACK_OF(X509) *chain = pv_identity_get_chain(identity);
	g_assert_cmpint(sk_X509_num(chain), ==, 3);
	g_assert_cmpint(X509_cmp(sk_X509_value(chain, 0), f->leaf->certificate), ==, 0);
	g_assert_cmpint(X509_cmp(sk_X509_value(chain, 1), f->middle->certificate), ==, 0);
	g_assert_cmpint(X509_cmp(sk_X509_value(chain, 2), f->root->certificate), ==, 0);
	g_assert_cmpint(EVP_PKEY_eq(pv_identity_get_key(identity), f->leaf->key), ==, 1);
}

static void
tls_test_pem(Fixture *f, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	/* in an order that is none */
	g_autofree char *text = fake_cert_dup_pem(f->leaf, f->root, f->leaf, f->middle, NULL);
	tls_test_write(f, text);
	g_autoptr(PvIdentity) identity = pv_identity_load(f->path, NULL, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_identity_get_path(identity), ==, f->path);
	tls_test_expect_chain(identity, f);

	/* the key in a file of its own, encrypted */
	g_autofree char *certificates = fake_cert_dup_pem(NULL, f->leaf, f->middle, f->root, NULL);
	tls_test_write(f, certificates);
	g_autofree char *key_path = g_build_filename(f->dir, "key", NULL);
	BIO *bio = BIO_new_file(key_path, "w");
	PEM_write_bio_PKCS8PrivateKey(bio, f->leaf->key, EVP_aes_128_cbc(), "right", 5, NULL, NULL);
	BIO_free(bio);
	static const struct {
		const char *password;
		const char *reason; /* NULL: works */
	} rows[] = { { "right", NULL }, { "wrong", "wrong password" },
		{ NULL, "no password is configured" } };
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(PvSecret) secret =
		    rows[i].password != NULL ? pv_secret_new(rows[i].password, -1) : NULL;
		g_autoptr(PvIdentity) other = pv_identity_load(f->path, key_path, secret, &error);
		if (rows[i].reason == NULL) {
			g_assert_no_error(error);
			tls_test_expect_chain(other, f);
			continue;
		}
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_nonnull(strstr(error->message, rows[i].reason));
		g_clear_error(&error);
	}
	g_unlink(key_path);
}

static void
tls_test_expect_failure(Fixture *f, const char *password, const char *reason)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) secret = password != NULL ? pv_secret_new(password, -1) : NULL;
	g_assert_null(pv_identity_load(f->path, NULL, secret, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_true(g_str_has_prefix(error->message, "load identity "));
	if (strstr(error->message, reason) == NULL)
		g_error("\"%s\" lacks \"%s\"", error->message, reason);
}

static void
tls_test_pem_errors(Fixture *f, gconstpointer unused)
{
	tls_test_expect_failure(f, NULL, "No such file");
	g_autofree char *no_key = fake_cert_dup_pem(NULL, f->leaf, f->middle, f->root, NULL);
	tls_test_write(f, no_key);
	tls_test_expect_failure(f, NULL, "there is no private key");
	g_autofree char *other_key = fake_cert_dup_pem(f->root, f->leaf, f->middle, NULL);
	tls_test_write(f, other_key);
	tls_test_expect_failure(f, NULL, "fits none of the certificates");
	g_autofree char *no_certificate = fake_cert_dup_pem(f->leaf, NULL, NULL);
	tls_test_write(f, no_certificate);
	tls_test_expect_failure(f, NULL, "there is no certificate");
	tls_test_write(f, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	tls_test_expect_failure(f, NULL, "certificate 1 in it is damaged");
	tls_test_write(f, "hello");
	tls_test_expect_failure(f, NULL, "neither PEM nor PKCS#12");
	tls_test_write(f, "");
	tls_test_expect_failure(f, NULL, "neither PEM nor PKCS#12");
	g_autofree char *big = g_strnfill(1024 * 1024 + 1, 'x');
	tls_test_write(f, big);
	tls_test_expect_failure(f, NULL, "longer than");
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_identity_load(f->dir, NULL, NULL, &error));
	g_assert_nonnull(strstr(error->message, "no regular file"));
}

/* the missing issuer is named */
static void
tls_test_gap(Fixture *f, gconstpointer unused)
{
	g_autofree char *no_middle = fake_cert_dup_pem(f->leaf, f->leaf, f->root, NULL);
	tls_test_write(f, no_middle);
	tls_test_expect_failure(
	    f, NULL, "the issuer \"CN=Test Middle\" of \"CN=prov.example.com\" is missing");
	g_autofree char *no_root = fake_cert_dup_pem(f->leaf, f->leaf, f->middle, NULL);
	tls_test_write(f, no_root);
	tls_test_expect_failure(
	    f, NULL, "the issuer \"CN=Test Root\" of \"CN=Test Middle\" is missing");
}

static void
tls_test_write_p12(Fixture *f, const char *password, int nid, gboolean with_key)
{
	STACK_OF(X509) *others = sk_X509_new_null();
	sk_X509_push(others, f->root->certificate);
	sk_X509_push(others, f->middle->certificate);
	if (!with_key)
		sk_X509_push(others, f->leaf->certificate);
	PKCS12 *p12 = PKCS12_create(password, "x", with_key ? f->leaf->key : NULL,
	    with_key ? f->leaf->certificate : NULL, others, nid, nid, 0, 0, 0);
	g_assert_nonnull(p12);
	FILE *file = fopen(f->path, "w");
	g_assert_cmpint(i2d_PKCS12_fp(file, p12), ==, 1);
	fclose(file);
	PKCS12_free(p12);
	sk_X509_free(others);
}

static void
tls_test_p12(Fixture *f, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) password = pv_secret_new("right", -1);
	tls_test_write_p12(f, "right", 0, TRUE);
	g_autoptr(PvIdentity) identity = pv_identity_load(f->path, NULL, password, &error);
	g_assert_no_error(error);
	tls_test_expect_chain(identity, f);
	tls_test_expect_failure(f, "wrong", "wrong password");
	tls_test_expect_failure(f, NULL, "needs a password");
	tls_test_write_p12(f, "right", 0, FALSE);
	tls_test_expect_failure(f, "right", "there is no private key");

	g_autofree char *data = NULL;
	gsize length = 0;
	tls_test_write_p12(f, "right", 0, TRUE);
	g_assert_true(g_file_get_contents(f->path, &data, &length, NULL));
	g_assert_true(g_file_set_contents(f->path, data, (gssize)length / 2, NULL));
	tls_test_expect_failure(f, "right", "neither PEM nor PKCS#12");
}

/* "include all certificates in the certification path" was not ticked */
static void
tls_test_p12_gap(Fixture *f, gconstpointer unused)
{
	STACK_OF(X509) *others = sk_X509_new_null();
	sk_X509_push(others, f->middle->certificate);
	PKCS12 *p12 = PKCS12_create("right", "x", f->leaf->key, f->leaf->certificate, others, 0, 0, 0, 0, 0);
	FILE *file = fopen(f->path, "w");
	g_assert_cmpint(i2d_PKCS12_fp(file, p12), ==, 1);
	fclose(file);
	PKCS12_free(p12);
	sk_X509_free(others);
	tls_test_expect_failure(f, "right",
	    "the issuer \"CN=Test Root\" of \"CN=Test Middle\" is missing: export it again with all");
}

/* 3DES, which is in the default provider, and what OpenSSL itself writes */
static void
tls_test_p12_forms(Fixture *f, gconstpointer unused)
{
	static const int forms[] = { NID_pbe_WithSHA1And3_Key_TripleDES_CBC, NID_aes_256_cbc };
	g_autoptr(PvSecret) password = pv_secret_new("right", -1);
	for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
		g_autoptr(GError) error = NULL;
		tls_test_write_p12(f, "right", forms[i], TRUE);
		g_autoptr(PvIdentity) identity = pv_identity_load(f->path, NULL, password, &error);
		g_assert_no_error(error);
		tls_test_expect_chain(identity, f);
	}
	/* and nothing of the legacy provider is left for the process */
	g_assert_cmpint(OSSL_PROVIDER_available(NULL, "legacy"), ==, 0);
}

/* what Windows of 2012 exports: certificates under RC2-40 */
static void
tls_test_p12_legacy(Fixture *f, gconstpointer unused)
{
	/* writing one needs the provider in the test's own context, which stays as it was for the reader */
	OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();
	OSSL_PROVIDER *legacy = OSSL_PROVIDER_load(context, "legacy");
	OSSL_PROVIDER *normal = OSSL_PROVIDER_load(context, "default");
	if (legacy != NULL && normal != NULL) {
		OSSL_LIB_CTX *before = OSSL_LIB_CTX_set0_default(context);
		tls_test_write_p12(f, "right", NID_pbe_WithSHA1And40BitRC2_CBC, TRUE);
		OSSL_LIB_CTX_set0_default(before);
	}
	gboolean written = legacy != NULL;
	if (legacy != NULL)
		OSSL_PROVIDER_unload(legacy);
	OSSL_PROVIDER_unload(normal);
	OSSL_LIB_CTX_free(context);
	if (!written) {
		g_test_skip("OpenSSL's legacy provider is not installed");
		return;
	}
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) password = pv_secret_new("right", -1);
	g_autoptr(PvIdentity) identity = pv_identity_load(f->path, NULL, password, &error);
	g_assert_no_error(error);
	tls_test_expect_chain(identity, f);
	tls_test_expect_failure(f, "wrong", "wrong password");
	g_assert_cmpint(OSSL_PROVIDER_available(NULL, "legacy"), ==, 0);
}

/* ---- trust ---- */

static PvTrust *
tls_test_trust(const FakeCert *one, const FakeCert *two, GError **error)
{
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(list, fake_cert_dup_der(one));
	if (two != NULL)
		g_ptr_array_add(list, fake_cert_dup_der(two));
	return pv_trust_new(list, error);
}

static void
tls_test_expect_verdict(PvTrust *trust, const FakeCert *leaf, const FakeCert *sent,
    const char *name, PvTlsPolicy policy, const char *reason)
{
	g_autoptr(GError) error = NULL;
	STACK_OF(X509) *untrusted = sk_X509_new_null();
	if (sent != NULL)
		sk_X509_push(untrusted, sent->certificate);
	gboolean verified =
	    pv_trust_verify(trust, leaf->certificate, untrusted, name, policy, &error);
	sk_X509_free(untrusted);
	g_assert_cmpint(verified, ==, error == NULL);
	if (reason == NULL) {
		g_assert_no_error(error);
		return;
	}
	g_assert_error(error, PV_ERROR, PV_ERROR_AUTH);
	if (strstr(error->message, reason) == NULL)
		g_error("\"%s\" lacks \"%s\"", error->message, reason);
}

static void
tls_test_verify(Fixture *f, gconstpointer unused)
{
	g_autoptr(PvTrust) both = tls_test_trust(f->middle, f->root, NULL);
	g_autoptr(PvTrust) root = tls_test_trust(f->root, NULL, NULL);
	const char *name = "prov.example.com";
	tls_test_expect_verdict(both, f->leaf, NULL, name, PV_TLS_MODERN, NULL);
	tls_test_expect_verdict(root, f->leaf, f->middle, name, PV_TLS_MODERN, NULL);
	tls_test_expect_verdict(root, f->leaf, f->middle, "PROV.example.com", PV_TLS_MODERN, NULL);
	tls_test_expect_verdict(
	    root, f->leaf, NULL, name, PV_TLS_MODERN, "unknown issuer \"CN=Test Middle\"");
	tls_test_expect_verdict(root, f->leaf, f->middle, "pc2.example.com", PV_TLS_MODERN,
	    "the certificate is for \"prov.example.com\" and not for \"pc2.example.com\"");
	tls_test_expect_verdict(
	    root, f->leaf, f->middle, "10.0.0.1", PV_TLS_MODERN, "not for \"10.0.0.1\"");

	g_autoptr(FakeCert) self = fake_cert_new(&(FakeCertSpec) { .common_name = name });
	tls_test_expect_verdict(root, self, NULL, name, PV_TLS_MODERN,
	    "unknown issuer: CN=prov.example.com is self-signed");
	g_autoptr(FakeCert) old = fake_cert_new(&(FakeCertSpec) {
	    .common_name = name, .issuer = f->root, .from_days = -9, .until_days = -2 });
	tls_test_expect_verdict(
	    root, old, NULL, name, PV_TLS_MODERN, "certificate has expired on 20");
	g_autoptr(FakeCert) early = fake_cert_new(
	    &(FakeCertSpec) { .common_name = name, .issuer = f->root, .from_days = 5 });
	tls_test_expect_verdict(
	    root, early, NULL, name, PV_TLS_MODERN, "certificate is not valid before 20");
	g_autoptr(FakeCert) forged = fake_cert_new(
	    &(FakeCertSpec) { .common_name = name, .issuer = f->root, .bad_signature = TRUE });
	tls_test_expect_verdict(root, forged, NULL, name, PV_TLS_MODERN, "signature failure");
	g_autoptr(FakeCert) no_ca =
	    fake_cert_new(&(FakeCertSpec) { .common_name = "pc9", .issuer = f->leaf });
	tls_test_expect_verdict(both, no_ca, f->leaf, "pc9", PV_TLS_MODERN,
	    "invalid CA certificate: CN=prov.example.com");
	/* no purpose is asked of AMT's certificate */
	g_autoptr(FakeCert) client = fake_cert_new(
	    &(FakeCertSpec) { .common_name = name, .issuer = f->root, .ekus = "clientAuth" });
	tls_test_expect_verdict(root, client, NULL, name, PV_TLS_MODERN, NULL);
}

/* SHA-1 only under the policy that is named for it */
static void
tls_test_sha1(Fixture *f, gconstpointer unused)
{
	g_autoptr(PvTrust) root = tls_test_trust(f->root, NULL, NULL);
	g_autoptr(FakeCert) sha1 = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "pc1", .issuer = f->root, .sha1 = TRUE });
	tls_test_expect_verdict(root, sha1, NULL, "pc1", PV_TLS_LEGACY, NULL);
	tls_test_expect_verdict(root, sha1, NULL, "pc1", PV_TLS_MODERN, "too weak");
	g_autoptr(GError) error = NULL;
	g_assert_false(pv_tls_check_strength(sha1->certificate, &error));
	g_assert_nonnull(strstr(error->message, "signature of CN=pc1 is too weak (SHA1)"));
	g_clear_error(&error);
	g_autoptr(FakeCert) small =
	    fake_cert_new(&(FakeCertSpec) { .common_name = "pc1", .rsa_bits = 1024 });
	g_assert_false(pv_tls_check_strength(small->certificate, &error));
	g_assert_nonnull(strstr(error->message, "key of CN=pc1 is too weak (1024 bits)"));
	g_assert_true(pv_tls_check_strength(f->leaf->certificate, NULL));
}

static void
tls_test_trust_errors(Fixture *f, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_assert_null(tls_test_trust(f->middle, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "no self-signed root"));
	g_clear_error(&error);
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(list, g_bytes_new("junk", 4));
	g_assert_null(pv_trust_new(list, &error));
	g_assert_nonnull(strstr(error->message, "certificate 1 is no DER"));
	g_autofree char *fingerprint = pv_tls_dup_fingerprint(f->leaf->certificate);
	g_autoptr(GBytes) der = fake_cert_dup_der(f->leaf);
	g_autofree char *expected = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, der);
	g_assert_cmpstr(fingerprint, ==, expected);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	pv_net_init();
	pv_net_init();
#define ADD(path, function) \
	g_test_add(path, Fixture, NULL, tls_test_set_up, function, tls_test_tear_down)
	ADD("/net/tls/pem", tls_test_pem);
	ADD("/net/tls/pem-errors", tls_test_pem_errors);
	ADD("/requirements/S12-07.5/missing-issuer-named", tls_test_gap);
	ADD("/net/tls/p12", tls_test_p12);
	ADD("/net/tls/p12-legacy", tls_test_p12_legacy);
	ADD("/net/tls/p12-forms", tls_test_p12_forms);
	ADD("/requirements/S07-1.28/root-not-exported", tls_test_p12_gap);
	ADD("/net/tls/verify", tls_test_verify);
	ADD("/requirements/S12-07.2/sha1-verdict", tls_test_sha1);
	ADD("/net/tls/trust-errors", tls_test_trust_errors);
	return g_test_run();
}
