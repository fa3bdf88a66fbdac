/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/token.h>

#include "core/net/tls.h"
#include "tests/lib/fake-pki.h"

#include <provost/error.h>

#include <string.h>
#include <glib/gstdio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#define MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define QUERY "?module-path=" MODULE

/* a token of SoftHSM's in a folder of its own, with the key of a certificate in it */
typedef struct {
	char *dir;
	FakeCert *cert;
	const char *missing; /* why there is none; NULL: there is one */
} Fixture;

static gboolean
token_test_run(const char *const *argv)
{
	gint status = 0;
	return g_spawn_sync(NULL, (char **)argv, NULL,
		   G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
		   NULL, NULL, NULL, &status, NULL) &&
	       g_spawn_check_wait_status(status, NULL);
}

static const char *
token_test_make(Fixture *f)
{
	g_autofree char *tool = g_find_program_in_path("softhsm2-util");
	if (tool == NULL || !g_file_test(MODULE, G_FILE_TEST_EXISTS))
		return "softhsm2 is not installed";
	g_autofree char *conf = g_build_filename(f->dir, "softhsm2.conf", NULL);
	g_autofree char *pem = g_build_filename(f->dir, "key.pem", NULL);
	g_autofree char *text = g_strdup_printf("directories.tokendir = %s\nlog.level = ERROR\n", f->dir);
	g_assert_true(g_file_set_contents(conf, text, -1, NULL));
	BIO *bio = BIO_new_file(pem, "w");
	g_assert_cmpint(PEM_write_bio_PKCS8PrivateKey(bio, f->cert->key, NULL, NULL, 0, NULL, NULL), ==, 1);
	BIO_free(bio);
	g_assert_true(g_setenv("SOFTHSM2_CONF", conf, TRUE));
	const char *const init[] = { tool, "--init-token", "--free", "--label", "site", "--pin", "12345",
		"--so-pin", "67890", NULL };
	const char *const import[] = { tool, "--import", pem, "--token", "site", "--label", "amt-prov",
		"--id", "01", "--pin", "12345", NULL };
	return token_test_run(init) && token_test_run(import) ? NULL : "softhsm2-util made no token";
}

static void
token_test_set_up(Fixture *f, gconstpointer unused)
{
	f->dir = g_dir_make_tmp("pv-token-XXXXXX", NULL);
	f->cert = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "prov.example.com", .rsa_bits = 2048, .is_ca = TRUE });
	f->missing = token_test_make(f);
}

static void
token_test_tear_down(Fixture *f, gconstpointer unused)
{
	const char *const rm[] = { "rm", "-rf", f->dir, NULL };
	token_test_run(rm);
	g_free(f->dir);
	fake_cert_free(f->cert);
}

static EVP_PKEY *
token_test_load(const char *uri, const char *pin, GError **error)
{
	g_autoptr(PvSecret) secret = pin != NULL ? pv_secret_new(pin, -1) : NULL;
	return pv_token_load_key(uri, secret, error);
}

static void
token_test_expect_failure(const char *uri, const char *pin, const char *reason)
{
	g_autoptr(GError) error = NULL;
	g_assert_null(token_test_load(uri, pin, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_true(g_str_has_prefix(error->message, "load key pkcs11:"));
	if (strstr(error->message, reason) == NULL)
		g_error("\"%s\" lacks \"%s\"", error->message, reason);
	g_assert_null(strstr(error->message, "12345"));
	g_assert_cmpuint(ERR_peek_error(), ==, 0);
}

/* one of the threads that provision devices with the same certificate */
static gpointer
token_test_sign_often(gpointer data)
{
	EVP_PKEY *key = data;
	guint good = 0;
	for (guint i = 0; i < 25; i++) {
		EVP_MD_CTX *context = EVP_MD_CTX_new();
		guchar signature[512];
		gsize length = sizeof signature;
		good += EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
			EVP_DigestSign(context, signature, &length, (const guchar *)"x", 1) == 1;
		EVP_MD_CTX_free(context);
	}
	return GUINT_TO_POINTER(good);
}

static void
token_test_threads(EVP_PKEY *key)
{
	GThread *threads[8];
	for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
		threads[i] = g_thread_new("signer", token_test_sign_often, key);
	for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
		g_assert_cmpuint(GPOINTER_TO_UINT(g_thread_join(threads[i])), ==, 25);
}

/* the token signs, and the certificate's key verifies */
static void
token_test_sign(Fixture *f, gconstpointer unused)
{
	if (f->missing != NULL) {
		g_test_skip(f->missing);
		return;
	}
	g_autoptr(GError) error = NULL;
	/* in this order: a token lets everybody in once somebody has logged in */
	token_test_expect_failure("pkcs11:token=site;object=amt-prov" QUERY, NULL, "wants a PIN");
	token_test_expect_failure("pkcs11:token=site;object=amt-prov" QUERY, "99999", "wrong PIN");
	EVP_PKEY *key = token_test_load("pkcs11:token=site;object=amt-prov" QUERY, "12345", &error);
	g_assert_no_error(error);
	g_assert_cmpint(EVP_PKEY_eq(f->cert->key, key), ==, 1);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	guchar signature[512];
	gsize length = sizeof signature;
	g_assert_cmpint(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), ==, 1);
	g_assert_cmpint(EVP_DigestSign(context, signature, &length, (const guchar *)"x", 1), ==, 1);
	EVP_MD_CTX_reset(context);
	g_assert_cmpint(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, f->cert->key), ==, 1);
	g_assert_cmpint(EVP_DigestVerify(context, signature, length, (const guchar *)"x", 1), ==, 1);
	EVP_MD_CTX_free(context);
	token_test_threads(key);
	token_test_expect_failure("pkcs11:token=site;object=other" QUERY, "12345", "no token has such");

	/* as an identity: the certificates in a file, the key in the token */
	g_autofree char *path = g_build_filename(f->dir, "chain.pem", NULL);
	g_autofree char *pem = fake_cert_dup_pem(NULL, f->cert, NULL);
	g_assert_true(g_file_set_contents(path, pem, -1, NULL));
	g_autoptr(PvSecret) pin = pv_secret_new("12345", -1);
	g_autoptr(PvIdentity) identity =
	    pv_identity_load(path, "pkcs11:token=site;object=amt-prov" QUERY, pin, &error);
	g_assert_no_error(error);
	g_assert_cmpint(sk_X509_num(pv_identity_get_chain(identity)), ==, 1);
	EVP_PKEY_free(key);
}

static void
token_test_refused(void)
{
	g_assert_true(pv_token_is_uri("PKCS11:object=x"));
	g_assert_false(pv_token_is_uri("/etc/pkcs11:x"));
	g_assert_false(pv_token_is_uri(NULL));
	token_test_expect_failure("pkcs11:object=x?pin-value=12345", NULL, "a PIN does not belong into the URI");
	token_test_expect_failure("pkcs11:object=x?module-path=/nowhere/at/all.so", "12345", "/nowhere/at/all.so");
	g_autofree char *dir = g_dir_make_tmp("pv-token-XXXXXX", NULL);
	g_autofree char *module = g_build_filename(dir, "module.so", NULL);
	g_assert_true(g_file_set_contents(module, "no module", -1, NULL));
	g_assert_cmpint(g_chmod(module, 0666), ==, 0);
	g_autofree char *uri = g_strdup_printf("pkcs11:object=x?module-path=%s", module);
	token_test_expect_failure(uri, "12345", "module.so");
	g_autofree char *filler = g_strnfill(1100, 'x');
	g_autofree char *long_uri = g_strconcat("pkcs11:object=", filler, NULL);
	token_test_expect_failure(long_uri, NULL, "longer than");
	g_unlink(module);
	g_rmdir(dir);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	pv_net_init();
	g_test_add_func("/net/token/refused", token_test_refused);
	g_test_add("/requirements/S07-1.22/key-in-a-token", Fixture, NULL, token_test_set_up, token_test_sign,
	    token_test_tear_down);
	return g_test_run();
}
