/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ca-x509.h"
#include "core/base/json.h"
#include "core/engine/loader.h"

#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define CA_TEST_UUID "d2ffc23e-9dd1-412d-860a-54b2039b72ff"
#define CA_TEST_CHILD_NAMES 25

static const char *const ca_test_server[] = { "1.3.6.1.5.5.7.3.1", NULL };

/* A folder, the provider as the loader gives it, and a request. */
typedef struct {
	char *dir; /* owned: temporary */
	PvLoader *loader; /* owned */
	const PvCa *ca; /* the loader's */
	EVP_PKEY *key; /* owned: of the request */
	GBytes *csr; /* owned */
} CaTest;

static GBytes *
ca_test_new_csr(EVP_PKEY *key, const char *name)
{
	g_autoptr(X509_REQ) csr = X509_REQ_new();
	g_assert_cmpint(X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(csr), NID_commonName,
			    MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0),
	    ==, 1);
	g_assert_cmpint(X509_REQ_set_pubkey(csr, key), ==, 1);
	g_assert_cmpint(X509_REQ_sign(csr, key, EVP_sha256()), >, 0);
	unsigned char *der = NULL;
	int length = i2d_X509_REQ(csr, &der);
	g_assert_cmpint(length, >, 0);
	GBytes *bytes = g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	return bytes;
}

static const PvCa *
ca_test_load(PvLoader **loader)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *libs =
	    g_test_build_filename(G_TEST_BUILT, "plugins", "ca-local", ".libs", NULL);
	*loader = pv_loader_new((const char *const[]) { libs, NULL });
	const PvPlugin *plugin = pv_loader_load(*loader, "ca-local", &error);
	g_assert_no_error(error);
	g_assert_nonnull(plugin);
	const PvCa *ca = pv_loader_find_ca(*loader, "local");
	g_assert_nonnull(ca);
	return ca;
}

static void
ca_test_set_up(CaTest *test, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	test->dir = g_dir_make_tmp("provost-ca-XXXXXX", &error);
	g_assert_no_error(error);
	test->ca = ca_test_load(&test->loader);
	test->key = EVP_EC_gen("P-256");
	g_assert_nonnull(test->key);
	test->csr = ca_test_new_csr(test->key, "somebody.else.example.org");
}

static void
ca_test_remove(const char *path)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	for (const char *name = dir == NULL ? NULL : g_dir_read_name(dir); name != NULL;
	     name = g_dir_read_name(dir)) {
		g_autofree char *child = g_build_filename(path, name, NULL);
		if (g_file_test(child, G_FILE_TEST_IS_DIR))
			ca_test_remove(child);
		else
			g_assert_cmpint(g_unlink(child), ==, 0);
	}
	g_assert_cmpint(g_rmdir(path), ==, 0);
}

static void
ca_test_tear_down(CaTest *test, gconstpointer data)
{
	ca_test_remove(test->dir);
	g_free(test->dir);
	pv_loader_free(test->loader);
	EVP_PKEY_free(test->key);
	g_bytes_unref(test->csr);
}

/* NULL: with the error */
static gpointer
ca_test_try_open(const PvCa *ca, const char *dir, const char *more, GError **error)
{
	gboolean typed = strstr(more, "key-type") != NULL;
	g_autofree char *text = g_strdup_printf(
	    "{ \"path\": \"%s\"%s%s }", dir, typed ? "" : ", \"key-type\": \"p-256\"", more);
	g_autoptr(GError) local_error = NULL;
	g_autoptr(PvJson) json = pv_json_parse("site.json", text, -1, &local_error);
	g_assert_no_error(local_error);
	g_autoptr(PvValues) values = pv_values_parse(json, "$", ca->params, NULL, &local_error);
	g_assert_no_error(local_error);
	return ca->open(values, error);
}

static gpointer
ca_test_open(const CaTest *test)
{
	g_autoptr(GError) error = NULL;
	gpointer handle = ca_test_try_open(test->ca, test->dir, "", &error);
	g_assert_no_error(error);
	g_assert_nonnull(handle);
	return handle;
}

static GBytes *
ca_test_issue(const PvCa *ca, gpointer handle, const char *name, GBytes *csr)
{
	g_autoptr(GError) error = NULL;
	const char *const names[] = { name, NULL };
	const PvCertRequest request = { .uuid = CA_TEST_UUID,
		.template_name = "AMTWebServer",
		.common_name = name,
		.dns_names = names,
		.ekus = ca_test_server };
	PvCaReply reply = { 0 };
	gboolean ok = ca->submit(handle, &request, csr, NULL, &reply, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
	g_assert_cmpstr(reply.text, ==, NULL);
	g_assert_cmpint(reply.outcome, ==, PV_CA_ISSUED);
	return reply.certificate;
}

static X509 *
ca_test_load_root(const CaTest *test, gpointer handle)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) chain = test->ca->chain(handle, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(chain->len, ==, 1);
	X509 *root = ca_x509_from_der(g_ptr_array_index(chain, 0));
	g_assert_nonnull(root);
	return root;
}

static void
ca_test_issues(CaTest *test, gconstpointer data)
{
	gpointer handle = ca_test_open(test);
	g_autoptr(X509) root = ca_test_load_root(test, handle);
	g_autoptr(GBytes) der = ca_test_issue(test->ca, handle, "pc1.example.com", test->csr);
	g_autoptr(X509) leaf = ca_x509_from_der(der);
	g_assert_nonnull(leaf);

	/* the key is the request's, the names are not */
	g_assert_cmpint(EVP_PKEY_eq(X509_get0_pubkey(leaf), test->key), ==, 1);
	char name[256] = "";
	X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, name, sizeof name);
	g_assert_cmpstr(name, ==, "pc1.example.com");
	g_assert_cmpint(
	    X509_check_host(leaf, "pc1.example.com", 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL),
	    ==, 1);
	g_assert_cmpint(X509_check_host(leaf, "somebody.else.example.org", 0, 0, NULL), ==, 0);

	g_assert_cmpint(X509_verify(leaf, X509_get0_pubkey(root)), ==, 1);
	g_assert_cmpint(X509_check_issued(root, leaf), ==, X509_V_OK);
	g_assert_cmpint(X509_check_ca(leaf), ==, 0);
	g_assert_cmpint(X509_check_purpose(leaf, X509_PURPOSE_SSL_SERVER, 0), ==, 1);
	g_assert_cmpint(X509_check_purpose(leaf, X509_PURPOSE_SSL_CLIENT, 0), ==, 0);
	g_assert_nonnull(X509_get0_subject_key_id(leaf));
	g_assert_nonnull(X509_get0_authority_key_id(leaf));
	g_assert_cmpint(ASN1_STRING_length(X509_get_serialNumber(leaf)), ==, 20);
	g_assert_cmpint(X509_cmp_current_time(X509_get0_notBefore(leaf)), <, 0);
	int days = 0, seconds = 0;
	g_assert_cmpint(ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(leaf)), ==, 1);
	g_assert_cmpint(days, >=, 824);
	g_assert_cmpint(days, <=, 825);
	test->ca->close(handle);
}

/* For a RADIUS server: client usage, and the account's principal name, which OpenSSL itself must find there. */
static void
ca_test_issues_for_client(CaTest *test, gconstpointer data)
{
	static const char *const client[] = { "1.3.6.1.5.5.7.3.2", NULL };
	static const char *const names[] = { "pc1.example.com", NULL };
	gpointer handle = ca_test_open(test);
	g_autoptr(GError) error = NULL;
	PvCertRequest request = { .uuid = CA_TEST_UUID,
		.template_name = "AMTClient",
		.common_name = "pc1.example.com",
		.dns_names = names,
		.ekus = client,
		.upn = "pc1$iME@EXAMPLE.COM" };
	g_auto(PvCaReply) reply = { 0 };
	g_assert_true(test->ca->submit(handle, &request, test->csr, NULL, &reply, NULL, &error));
	g_assert_no_error(error);
	g_autoptr(X509) leaf = ca_x509_from_der(reply.certificate);
	g_assert_nonnull(leaf);
	g_assert_cmpint(X509_check_purpose(leaf, X509_PURPOSE_SSL_CLIENT, 0), ==, 1);
	g_assert_cmpint(X509_check_purpose(leaf, X509_PURPOSE_SSL_SERVER, 0), ==, 0);
	g_autoptr(BIO) text = BIO_new(BIO_s_mem());
	g_assert_cmpint(
	    X509V3_EXT_print(text,
		X509_get_ext(leaf, X509_get_ext_by_NID(leaf, NID_subject_alt_name, -1)), 0, 0),
	    ==, 1);
	char *printed = NULL;
	gsize length = (gsize)BIO_get_mem_data(text, &printed);
	g_autofree char *alternatives = g_strndup(printed, length);
	g_assert_nonnull(strstr(alternatives, "UPN"));
	g_assert_nonnull(strstr(alternatives, "pc1$iME@EXAMPLE.COM"));
	g_assert_nonnull(strstr(alternatives, "DNS:pc1.example.com"));

	/* another name is another certificate; one that is none is denied */
	g_auto(PvCaReply) other = { 0 };
	request.upn = NULL;
	g_assert_true(test->ca->submit(handle, &request, test->csr, NULL, &other, NULL, &error));
	g_assert_false(g_bytes_equal(reply.certificate, other.certificate));
	g_auto(PvCaReply) denied = { 0 };
	request.upn = "pc1$iME";
	g_assert_true(test->ca->submit(handle, &request, test->csr, NULL, &denied, NULL, &error));
	g_assert_cmpint(denied.outcome, ==, PV_CA_DENIED);
	test->ca->close(handle);
}

static void
ca_test_does_not_outlive(CaTest *test, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	gpointer handle = ca_test_try_open(test->ca, test->dir, ", \"ca-days\": 30", &error);
	g_assert_no_error(error);
	g_autoptr(X509) root = ca_test_load_root(test, handle);
	g_autoptr(GBytes) der = ca_test_issue(test->ca, handle, "pc1.example.com", test->csr);
	g_autoptr(X509) leaf = ca_x509_from_der(der);
	g_assert_cmpint(
	    ASN1_TIME_compare(X509_get0_notAfter(leaf), X509_get0_notAfter(root)), ==, 0);
	g_autoptr(PvReport) report = pv_report_new();
	g_assert_true(test->ca->check(handle, report, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpint(
	    pv_report_get_level(report), ==, PV_REPORT_OK); /* the engine looks at dates */
	test->ca->close(handle);
}

static void
ca_test_is_idempotent(CaTest *test, gconstpointer data)
{
	gpointer handle = ca_test_open(test);
	g_autoptr(GBytes) first = ca_test_issue(test->ca, handle, "pc1.example.com", test->csr);
	g_autoptr(GBytes) again = ca_test_issue(test->ca, handle, "pc1.example.com", test->csr);
	g_autoptr(GBytes) other = ca_test_issue(test->ca, handle, "pc2.example.com", test->csr);
	g_assert_true(g_bytes_equal(first, again));
	g_assert_false(g_bytes_equal(first, other));
	test->ca->close(handle);

	handle = ca_test_open(test);
	g_autoptr(GBytes) later = ca_test_issue(test->ca, handle, "pc1.example.com", test->csr);
	g_assert_true(g_bytes_equal(first, later));
	g_autoptr(EVP_PKEY) key = EVP_EC_gen("P-384");
	g_autoptr(GBytes) csr = ca_test_new_csr(key, "x");
	g_autoptr(GBytes) rekeyed = ca_test_issue(test->ca, handle, "pc1.example.com", csr);
	g_assert_false(g_bytes_equal(first, rekeyed));
	test->ca->close(handle);
}

static void
ca_test_assert_denied(
    const CaTest *test, gpointer handle, const char *name, GBytes *csr, const char *why)
{
	g_autoptr(GError) error = NULL;
	const char *const names[] = { name, NULL };
	const PvCertRequest request = { .uuid = CA_TEST_UUID,
		.common_name = "pc1.example.com",
		.dns_names = names,
		.ekus = ca_test_server };
	PvCaReply reply = { 0 };
	g_assert_true(test->ca->submit(handle, &request, csr, NULL, &reply, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpint(reply.outcome, ==, PV_CA_DENIED);
	g_assert_null(reply.certificate);
	if (strstr(reply.text, why) == NULL)
		g_error("\"%s\" does not say \"%s\"", reply.text, why);
	g_free(reply.text);
}

/* Requests that other programs wrote, one file each; the name's first word is what becomes of it. */
static void
ca_test_fixtures(CaTest *test, gconstpointer data)
{
	g_autofree char *folder =
	    g_test_build_filename(G_TEST_DIST, "plugins", "ca-local", "tests", NULL);
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	g_assert_nonnull(dir);
	gpointer handle = ca_test_open(test);
	guint issued = 0, denied = 0;
	for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir)) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		BIO *file = BIO_new_file(path, "r");
		g_autoptr(X509_REQ) csr = PEM_read_bio_X509_REQ(file, NULL, NULL, NULL);
		BIO_free(file);
		unsigned char *bytes = NULL;
		int length = i2d_X509_REQ(csr, &bytes);
		g_assert_cmpint(length, >, 0);
		g_autoptr(GBytes) der = g_bytes_new(bytes, (gsize)length);
		OPENSSL_free(bytes);
		if (g_str_has_prefix(name, "denied-")) {
			ca_test_assert_denied(test, handle, "pc1.example.com", der, "");
			denied++;
			continue;
		}
		g_autoptr(GBytes) made = ca_test_issue(test->ca, handle, "pc1.example.com", der);
		g_autoptr(X509) leaf = ca_x509_from_der(made);
		/* what it asked for beyond its key counts for nothing */
		g_assert_cmpint(X509_check_ca(leaf), ==, 0);
		g_assert_cmpint(X509_check_host(leaf, "evil.example.org", 0, 0, NULL), ==, 0);
		issued++;
	}
	g_assert_cmpuint(issued, >, 0);
	g_assert_cmpuint(denied, >, 0);
	test->ca->close(handle);
}

static void
ca_test_denies(CaTest *test, gconstpointer data)
{
	gpointer handle = ca_test_open(test);
	gsize length = 0;
	const guint8 *good = g_bytes_get_data(test->csr, &length);

	g_autofree guint8 *tampered = g_memdup2(good, length);
	gsize at = 0;
	while (at + 8 < length && memcmp(tampered + at, "somebody", 8) != 0)
		at++;
	g_assert_cmpuint(at + 8, <, length);
	tampered[at] = 'S';
	g_autoptr(GBytes) tampered_csr = g_bytes_new(tampered, length);
	ca_test_assert_denied(test, handle, "pc1.example.com", tampered_csr, "signature");

	g_autoptr(GBytes) cut = g_bytes_new(good, length - 1);
	ca_test_assert_denied(test, handle, "pc1.example.com", cut, "PKCS#10");
	g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
	ca_test_assert_denied(test, handle, "pc1.example.com", none, "PKCS#10");
	g_autofree guint8 *huge = g_malloc0(1 << 20);
	memcpy(huge, good, length);
	g_autoptr(GBytes) huge_csr = g_bytes_new(huge, 1 << 20);
	ca_test_assert_denied(test, handle, "pc1.example.com", huge_csr, "PKCS#10");

	g_autoptr(EVP_PKEY) small = EVP_RSA_gen(1024);
	g_autoptr(GBytes) small_csr = ca_test_new_csr(small, "x");
	ca_test_assert_denied(test, handle, "pc1.example.com", small_csr, "1024 bits");
	g_autoptr(EVP_PKEY) odd = EVP_EC_gen("secp256k1");
	g_autoptr(GBytes) odd_csr = ca_test_new_csr(odd, "x");
	ca_test_assert_denied(test, handle, "pc1.example.com", odd_csr, "curves");

	static const char *const names[] = { "", "*.example.com", "pc1..example.com",
		"-pc1.example.com", "pc1-.example.com", "pc1.example.com.", "pc 1.example.com",
		"pc1.example.com,DNS:evil", "pc1\n" };
	for (guint i = 0; i < G_N_ELEMENTS(names); i++)
		ca_test_assert_denied(test, handle, names[i], test->csr, "no DNS name");
	test->ca->close(handle);
}

static void
ca_test_assert_refused(const CaTest *test, const char *why)
{
	g_autoptr(GError) error = NULL;
	g_assert_null(ca_test_try_open(test->ca, test->dir, "", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	if (strstr(error->message, why) == NULL)
		g_error("\"%s\" does not say \"%s\"", error->message, why);
}

static void
ca_test_write(const CaTest *test, const char *name, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_build_filename(test->dir, name, NULL);
	g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error);
	g_assert_no_error(error);
}

static char *
ca_test_read(const CaTest *test, const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_build_filename(test->dir, name, NULL);
	char *text = NULL;
	g_file_get_contents(path, &text, NULL, &error);
	g_assert_no_error(error);
	return text;
}

static char *
ca_test_dup_pem(EVP_PKEY *key, X509 *certificate)
{
	g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
	g_assert_true(
	    key == NULL || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
	g_assert_true(certificate == NULL || PEM_write_bio_X509(bio, certificate) == 1);
	char *data = NULL;
	long length = BIO_get_mem_data(bio, &data);
	return g_strndup(data, (gsize)length);
}

static void
ca_test_refuses_folders(CaTest *test, gconstpointer data)
{
	test->ca->close(ca_test_open(test));
	g_autofree char *key_path = g_build_filename(test->dir, "ca.key", NULL);
	g_autofree char *key = ca_test_read(test, "ca.key");
	g_autofree char *root = ca_test_read(test, "ca.crt");
	GStatBuf st;
	g_assert_cmpint(g_stat(key_path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 07777, ==, 0600);

	g_assert_cmpint(g_chmod(key_path, 0640), ==, 0);
	ca_test_assert_refused(test, "chmod 0600");
	g_assert_cmpint(g_chmod(key_path, 0600), ==, 0);
	g_assert_cmpint(g_chmod(test->dir, 0777), ==, 0);
	ca_test_assert_refused(test, "go-w");
	g_assert_cmpint(g_chmod(test->dir, 0700), ==, 0);

	g_autofree char *other = ca_test_dup_pem(test->key, NULL);
	ca_test_write(test, "ca.key", other);
	ca_test_assert_refused(test, "not the key");
	ca_test_write(test, "ca.key", "junk");
	ca_test_assert_refused(test, "no private key");
	ca_test_write(test, "ca.key", key);
	ca_test_write(test, "ca.crt", "junk");
	ca_test_assert_refused(test, "no certificate");
	g_assert_cmpint(g_unlink(key_path), ==, 0);
	ca_test_write(test, "ca.crt", root);
	ca_test_assert_refused(test, "ca.key is gone");

	g_autoptr(GError) error = NULL;
	g_autoptr(X509) expired = ca_x509_new_root(
	    test->key, "Old CA", NULL, g_get_real_time() / G_USEC_PER_SEC - 40 * 86400, 30, &error);
	g_assert_no_error(error);
	g_autofree char *expired_pem = ca_test_dup_pem(NULL, expired);
	ca_test_write(test, "ca.key", other);
	ca_test_write(test, "ca.crt", expired_pem);
	ca_test_assert_refused(test, "expired on");
}

/* A crash between key and certificate. */
static void
ca_test_completes_root(CaTest *test, gconstpointer data)
{
	g_autofree char *key = ca_test_dup_pem(test->key, NULL);
	ca_test_write(test, "ca.key", key);
	gpointer handle = ca_test_open(test);
	g_autoptr(X509) root = ca_test_load_root(test, handle);
	g_assert_cmpint(EVP_PKEY_eq(X509_get0_pubkey(root), test->key), ==, 1);
	test->ca->close(handle);
}

static void
ca_test_index(CaTest *test, gconstpointer data)
{
	gpointer handle = ca_test_open(test);
	g_autoptr(GBytes) one = ca_test_issue(test->ca, handle, "pc1.example.com", test->csr);
	g_autoptr(GBytes) two = ca_test_issue(test->ca, handle, "pc2.example.com", test->csr);
	test->ca->close(handle);
	g_autofree char *index = ca_test_read(test, "index");

	/* cut anywhere in the last line: the first certificate is known, the second is made anew */
	const char *last = strchr(index, '\n') + 1;
	g_autofree char *torn = g_strndup(index, (gsize)(last - index) + strlen(last) / 2);
	ca_test_write(test, "index", torn);
	handle = ca_test_open(test);
	g_autoptr(GBytes) one_again = ca_test_issue(test->ca, handle, "pc1.example.com", test->csr);
	g_autoptr(GBytes) two_again = ca_test_issue(test->ca, handle, "pc2.example.com", test->csr);
	g_assert_true(g_bytes_equal(one, one_again));
	g_assert_false(g_bytes_equal(two, two_again));
	test->ca->close(handle);

	g_autofree char *damaged = g_strdup(index);
	damaged[10] = damaged[10] == 'A' ? 'B' : 'A';
	ca_test_write(test, "index", damaged);
	ca_test_assert_refused(test, "line 1 is damaged");
}

static X509_CRL *
ca_test_load_crl(const CaTest *test, guint64 *number)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_build_filename(test->dir, "crl.der", NULL);
	g_autofree char *text = NULL;
	gsize length = 0;
	g_file_get_contents(path, &text, &length, &error);
	g_assert_no_error(error);
	const unsigned char *data = (const unsigned char *)text;
	X509_CRL *crl = d2i_X509_CRL(NULL, &data, (long)length);
	g_assert_nonnull(crl);
	g_autoptr(ASN1_INTEGER) value = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
	g_assert_nonnull(value);
	g_assert_cmpint(ASN1_INTEGER_get_uint64(number, value), ==, 1);
	return crl;
}

static void
ca_test_revokes(CaTest *test, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	gpointer handle = ca_test_open(test);
	g_autoptr(X509) root = ca_test_load_root(test, handle);
	g_autoptr(GBytes) one = ca_test_issue(test->ca, handle, "pc1.example.com", test->csr);
	g_autoptr(GBytes) two = ca_test_issue(test->ca, handle, "pc2.example.com", test->csr);
	g_assert_true(test->ca->revoke(handle, one, 4, NULL, &error)); /* superseded */
	g_assert_no_error(error);
	guint64 first = 0, second = 0, third = 0;
	g_autoptr(X509_CRL) crl = ca_test_load_crl(test, &first);
	g_assert_cmpint(X509_CRL_verify(crl, X509_get0_pubkey(root)), ==, 1);
	g_autoptr(X509) one_x509 = ca_x509_from_der(one);
	g_autoptr(X509) two_x509 = ca_x509_from_der(two);
	X509_REVOKED *entry = NULL;
	g_assert_cmpint(X509_CRL_get0_by_cert(crl, &entry, one_x509), ==, 1);
	g_assert_cmpint(X509_CRL_get0_by_cert(crl, &entry, two_x509), ==, 0);

	/* again: nothing new; another: a higher number; a revoked one is not given out again */
	g_assert_true(test->ca->revoke(handle, one, 4, NULL, &error));
	g_autoptr(X509_CRL) same = ca_test_load_crl(test, &second);
	g_assert_cmpuint(second, ==, first);
	g_autoptr(GBytes) one_new = ca_test_issue(test->ca, handle, "pc1.example.com", test->csr);
	g_assert_false(g_bytes_equal(one, one_new));
	g_assert_true(test->ca->revoke(handle, two, 0, NULL, &error));
	g_autoptr(X509_CRL) next = ca_test_load_crl(test, &second);
	g_assert_cmpuint(second, >, first);
	g_assert_cmpint(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(next)), ==, 2);
	test->ca->close(handle);

	/* the list is lost: made again, under a number of its own */
	g_autofree char *path = g_build_filename(test->dir, "crl.der", NULL);
	g_assert_cmpint(g_unlink(path), ==, 0);
	handle = ca_test_open(test);
	g_autoptr(X509_CRL) again = ca_test_load_crl(test, &third);
	g_assert_cmpuint(third, >, second);

	g_autoptr(GPtrArray) chain = test->ca->chain(handle, NULL, &error);
	g_assert_false(test->ca->revoke(handle, g_ptr_array_index(chain, 0), 0, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	g_clear_error(&error);
	g_assert_false(test->ca->revoke(handle, one, 8, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	test->ca->close(handle);
}

static gpointer
ca_test_thread(gpointer data)
{
	gpointer *both = data;
	const CaTest *test = both[0];
	for (guint i = 0; i < 8; i++) {
		g_autofree char *name = g_strdup_printf("pc%u.example.com", i);
		g_autoptr(GBytes) der = ca_test_issue(test->ca, both[1], name, test->csr);
	}
	return NULL;
}

static guint
ca_test_count_certificates(const CaTest *test)
{
	g_autofree char *path = g_build_filename(test->dir, "certs", NULL);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	g_assert_nonnull(dir);
	guint count = 0;
	while (g_dir_read_name(dir) != NULL)
		count++;
	return count;
}

static guint
ca_test_count_lines(const CaTest *test)
{
	g_autofree char *index = ca_test_read(test, "index");
	guint count = 0;
	for (const char *line = strstr(index, "issued "); line != NULL;
	     line = strstr(line + 1, "\nissued "))
		count++;
	return count;
}

static void
ca_test_threads(CaTest *test, gconstpointer data)
{
	gpointer both[] = { test, ca_test_open(test) };
	GThread *threads[4];
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		threads[i] = g_thread_new("submit", ca_test_thread, both);
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		g_thread_join(threads[i]);
	g_assert_cmpuint(ca_test_count_certificates(test), ==, 8);
	g_assert_cmpuint(ca_test_count_lines(test), ==, 8);
	test->ca->close(both[1]);
}

/* What the program does when it is started as "TEST --child FOLDER CSR-FILE FIRST": asks for certificates and prints
 * each serial number once it has the certificate. */
static int
ca_test_child(const char *dir, const char *csr_path, const char *first)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;
	gsize length = 0;
	g_autoptr(PvLoader) loader = NULL;
	const PvCa *ca = ca_test_load(&loader);
	gpointer handle = ca_test_try_open(ca, dir, "", &error);
	if (handle == NULL || !g_file_get_contents(csr_path, &text, &length, &error)) {
		g_printerr("%s\n", error->message);
		return 1;
	}
	g_autoptr(GBytes) csr = g_bytes_new(text, length);
	guint start = (guint)g_ascii_strtoull(first, NULL, 10);
	for (guint i = start; i < start + CA_TEST_CHILD_NAMES; i++) {
		g_autofree char *name = g_strdup_printf("pc%u.example.com", i);
		g_autoptr(GBytes) der = ca_test_issue(ca, handle, name, csr);
		g_autoptr(X509) leaf = ca_x509_from_der(der);
		g_autofree char *serial = ca_x509_dup_serial(leaf);
		printf("issued %s %s\n", name, serial);
		fflush(stdout);
	}
	ca->close(handle);
	return 0;
}

static GPid
ca_test_spawn(const CaTest *test, const char *csr_path, guint first, int *out)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *start = g_strdup_printf("%u", first);
	char *argv[] = { (char *)"/proc/self/exe", (char *)"--child", test->dir, (char *)csr_path,
		start, NULL };
	g_autofree char *self = g_file_read_link("/proc/self/exe", &error);
	g_assert_no_error(error);
	argv[0] = self;
	GPid pid = 0;
	g_spawn_async_with_pipes(
	    NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, NULL, out, NULL, &error);
	g_assert_no_error(error);
	return pid;
}

/* Reads "issued NAME SERIAL" lines into @serials, @limit at most; others are the test framework's. */
static void
ca_test_collect(int fd, GHashTable *serials, guint limit)
{
	g_autoptr(GIOChannel) channel = g_io_channel_unix_new(fd);
	g_io_channel_set_close_on_unref(channel, TRUE);
	for (guint i = 0; i < limit;) {
		g_autofree char *line = NULL;
		if (g_io_channel_read_line(channel, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL)
			return;
		g_auto(GStrv) words = g_strsplit(g_strchomp(line), " ", 3);
		if (g_strcmp0(words[0], "issued") != 0)
			continue;
		g_assert_cmpuint(g_strv_length(words), ==, 3);
		const char *known = g_hash_table_lookup(serials, words[1]);
		if (known != NULL)
			g_assert_cmpstr(known, ==, words[2]);
		g_hash_table_replace(serials, g_strdup(words[1]), g_strdup(words[2]));
		i++;
	}
}

static char *
ca_test_write_csr(const CaTest *test)
{
	g_autoptr(GError) error = NULL;
	char *path = g_build_filename(test->dir, "request", NULL);
	g_file_set_contents(
	    path, g_bytes_get_data(test->csr, NULL), (gssize)g_bytes_get_size(test->csr), &error);
	g_assert_no_error(error);
	return path;
}

static void
ca_test_two_processes(CaTest *test, gconstpointer data)
{
	g_autofree char *csr = ca_test_write_csr(test);
	g_autoptr(GHashTable) serials =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	/* both begin in an empty folder, half of their names are the same */
	int out[2];
	GPid pids[2];
	for (guint i = 0; i < 2; i++)
		pids[i] = ca_test_spawn(test, csr, i * 12, &out[i]);
	for (guint i = 0; i < 2; i++) {
		int status = 0;
		ca_test_collect(out[i], serials, G_MAXUINT);
		g_assert_cmpint(waitpid(pids[i], &status, 0), ==, pids[i]);
		g_assert_cmpint(status, ==, 0);
	}
	g_assert_cmpuint(g_hash_table_size(serials), ==, CA_TEST_CHILD_NAMES + 12);
	g_assert_cmpuint(ca_test_count_lines(test), ==, CA_TEST_CHILD_NAMES + 12);
	g_assert_cmpuint(ca_test_count_certificates(test), ==, CA_TEST_CHILD_NAMES + 12);
	gpointer handle = ca_test_open(test);
	test->ca->close(handle);
}

static void
ca_test_killed(CaTest *test, gconstpointer data)
{
	g_autofree char *csr = ca_test_write_csr(test);
	g_autoptr(GHashTable) serials =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	for (guint round = 0; round < 8; round++) {
		int out = -1, status = 0;
		GPid pid = ca_test_spawn(test, csr, 0, &out);
		ca_test_collect(out, serials, (guint)g_test_rand_int_range(1, CA_TEST_CHILD_NAMES));
		kill(pid, SIGKILL);
		g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	}

	/* whatever was handed out is the same for ever, and nothing else is there */
	gpointer handle = ca_test_open(test);
	GHashTableIter iter;
	gpointer name = NULL, serial = NULL;
	g_hash_table_iter_init(&iter, serials);
	while (g_hash_table_iter_next(&iter, &name, &serial)) {
		g_autoptr(GBytes) der = ca_test_issue(test->ca, handle, name, test->csr);
		g_autoptr(X509) leaf = ca_x509_from_der(der);
		g_autofree char *found = ca_x509_dup_serial(leaf);
		g_assert_cmpstr(found, ==, serial);
	}
	g_assert_cmpuint(ca_test_count_certificates(test), ==, ca_test_count_lines(test));
	test->ca->close(handle);
}

static void
ca_test_sweeps(CaTest *test, gconstpointer data)
{
	gpointer handle = ca_test_open(test);
	g_autoptr(GBytes) der = ca_test_issue(test->ca, handle, "pc1.example.com", test->csr);
	test->ca->close(handle);
	ca_test_write(test, "certs/7F00.der", "never handed out");
	ca_test_write(test, "certs/7F01.der.AB12CD", "half a file");
	handle = ca_test_open(test);
	g_assert_cmpuint(ca_test_count_certificates(test), ==, 1);
	test->ca->close(handle);
}

static void
ca_test_run_openssl(const char *const *argv)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *out = NULL, *err = NULL;
	int status = 0;
	g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err,
	    &status, &error);
	g_assert_no_error(error);
	if (status != 0)
		g_error("%s %s: %s%s", argv[0], argv[1], out, err);
}

static void
ca_test_openssl(CaTest *test, gconstpointer data)
{
	g_autofree char *program = g_find_program_in_path("openssl");
	if (program == NULL) {
		g_test_skip("there is no openssl command");
		return;
	}
	g_autoptr(GError) error = NULL;
	gpointer handle = ca_test_open(test);
	g_autoptr(GBytes) one = ca_test_issue(test->ca, handle, "pc1.example.com", test->csr);
	g_autoptr(GBytes) two = ca_test_issue(test->ca, handle, "pc2.example.com", test->csr);
	g_assert_true(test->ca->revoke(handle, two, 1, NULL, &error));
	g_assert_no_error(error);
	test->ca->close(handle);
	g_autoptr(X509) leaf = ca_x509_from_der(one);
	g_autofree char *pem = ca_test_dup_pem(NULL, leaf);
	ca_test_write(test, "leaf.crt", pem);

	g_autofree char *root = g_build_filename(test->dir, "ca.crt", NULL);
	g_autofree char *crl = g_build_filename(test->dir, "crl.der", NULL);
	g_autofree char *file = g_build_filename(test->dir, "leaf.crt", NULL);
	ca_test_run_openssl((const char *const[]) { program, "verify", "-x509_strict", "-purpose",
	    "sslserver", "-verify_hostname", "pc1.example.com", "-crl_check", "-CRLfile", crl,
	    "-CAfile", root, file, NULL });
	ca_test_run_openssl((const char *const[]) {
	    program, "crl", "-inform", "DER", "-in", crl, "-CAfile", root, "-noout", NULL });
}

/* What a CA with these settings says to a request with these differences. */
typedef struct {
	const char *path;
	const char *settings; /* more members of the CA's object */
	const char *key_type; /* of the CA; NULL: p-256 */
	const char *name; /* NULL: pc1.example.com */
	const char *alternative; /* NULL: as the name */
	const char *template_name, *eku, *amt_version; /* NULL: AMTWebServer, server, not known */
	gboolean rsa; /* the request's key, of 3072 bits */
	const char *denied; /* NULL: it is issued */
	int days; /* that are left of it then; 0: not looked at */
} CaPolicyCase;

#define CLIENT_EKU "1.3.6.1.5.5.7.3.2"
#define PERMITTED ", \"permitted\": [ \"example.com\" ]"
#define PROFILES \
	", \"profiles\": [ { \"template\": \"AMTWebServer\", \"days\": 90 }," \
	"{ \"template\": \"AMTClient\", \"for\": [ \"client\" ], \"days\": 30 } ]"

static const CaPolicyCase ca_policy_cases[] = {
	{ "constraints/within", PERMITTED },
	{ "constraints/outside", PERMITTED, .name = "evil.example.org", .denied = "may certify" },
	{ "constraints/wildcard", PERMITTED, .name = "*.example.org", .alternative = "pc1.example.com",
	    .denied = "no name of one computer" },
	{ "constraints/dot", PERMITTED, .name = "pc1.example.org.", .alternative = "pc1.example.com",
	    .denied = "no name of one computer" },
	{ "constraints/underscore", PERMITTED, .name = "pc_1.example.org",
	    .alternative = "pc1.example.com", .denied = "no name of one computer" },
	{ "constraints/words", PERMITTED, .name = "AMT of pc1.", .alternative = "pc1.example.com" },
	{ "constraints/similar", PERMITTED, .name = "pc1.notexample.com", .denied = "may certify" },
	{ "constraints/only-common-name", PERMITTED, .name = "evil.example.org",
	    .alternative = "pc1.example.com", .denied = "may certify" },
	{ "constraints/only-alternative-name", PERMITTED, .alternative = "evil.example.org",
	    .denied = "may certify" },
	{ "constraints/none", "", .name = "evil.example.org" },
	{ "profiles/server", PROFILES, .days = 90 },
	{ "profiles/client", PROFILES, .template_name = "AMTClient", .eku = CLIENT_EKU,
	    .days = 30 },
	{ "profiles/client-as-server", PROFILES, .template_name = "AMTClient",
	    .denied = "template AMTClient is not for the usage 1.3.6.1.5.5.7.3.1" },
	{ "profiles/server-as-client", PROFILES, .eku = CLIENT_EKU, .denied = "not for the usage" },
	{ "profiles/unknown", PROFILES, .template_name = "Other", .denied = "no template Other" },
	{ "firmware/curves", "", .amt_version = "12.0.45" },
	{ "firmware/no-curves", "", .amt_version = "11.8.50", .denied = "by RSA only" },
	{ "firmware/long-keys", "", "rsa-3072", .amt_version = "6.2.0", .rsa = TRUE },
	{ "firmware/no-long-ca-key", "", "rsa-3072", .amt_version = "5.2.1", .rsa = TRUE,
	    .denied = "this ca's key has 3072" },
	{ "firmware/no-long-key", "", "rsa-2048", .amt_version = "3.2.1", .rsa = TRUE,
	    .denied = "set \"key-length\"" },
	{ "firmware/no-curves-in-it", "", "rsa-2048", .amt_version = "9.5.1",
	    .denied = "keys by RSA" },
	{ "firmware/odd-version", "", .amt_version = "unknown" },
	{ NULL },
};

static void
ca_test_assert_days(GBytes *der, int wanted)
{
	g_autoptr(X509) leaf = ca_x509_from_der(der);
	int days = 0, seconds = 0;
	g_assert_cmpint(ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(leaf)), ==, 1);
	g_assert_cmpint(days, >=, wanted - 1);
	g_assert_cmpint(days, <=, wanted);
}

static void
ca_test_policy(gconstpointer data)
{
	const CaPolicyCase *c = data;
	CaTest test = { 0 };
	ca_test_set_up(&test, NULL);
	g_autoptr(GError) error = NULL;
	g_autofree char *settings = g_strdup_printf(
	    "%s, \"key-type\": \"%s\"", c->settings, c->key_type != NULL ? c->key_type : "p-256");
	gpointer handle = ca_test_try_open(test.ca, test.dir, settings, &error);
	g_assert_no_error(error);
	g_autoptr(EVP_PKEY) rsa = c->rsa ? EVP_RSA_gen(3072) : NULL;
	g_autoptr(GBytes) csr = c->rsa ? ca_test_new_csr(rsa, "x") : g_bytes_ref(test.csr);
	const char *name = c->name != NULL ? c->name : "pc1.example.com";
	const char *const names[] = { c->alternative != NULL ? c->alternative : name, NULL };
	const char *const ekus[] = { c->eku != NULL ? c->eku : ca_test_server[0], NULL };
	const PvCertRequest request = { .uuid = CA_TEST_UUID,
		.template_name = c->template_name != NULL ? c->template_name : "AMTWebServer",
		.common_name = name,
		.dns_names = names,
		.ekus = ekus,
		.amt_version = c->amt_version };
	g_auto(PvCaReply) reply = { 0 };
	g_assert_true(test.ca->submit(handle, &request, csr, NULL, &reply, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpint(reply.outcome, ==, c->denied != NULL ? PV_CA_DENIED : PV_CA_ISSUED);
	if (c->denied != NULL && strstr(reply.text, c->denied) == NULL)
		g_error("\"%s\" does not say \"%s\"", reply.text, c->denied);
	/* what is denied is nowhere */
	g_assert_cmpuint(ca_test_count_certificates(&test), ==, c->denied != NULL ? 0 : 1);
	if (c->days > 0)
		ca_test_assert_days(reply.certificate, c->days);
	test.ca->close(handle);
	ca_test_tear_down(&test, NULL);
}

static PvCaReply
ca_test_ask(
    const CaTest *test, gpointer handle, const char *name, const char *cookie, GError **error)
{
	const char *const names[] = { name, NULL };
	const PvCertRequest request = { .uuid = CA_TEST_UUID,
		.common_name = name,
		.dns_names = names,
		.ekus = ca_test_server };
	PvCaReply reply = { 0 };
	gboolean ok =
	    cookie == NULL
		? test->ca->submit(handle, &request, test->csr, NULL, &reply, NULL, error)
		: test->ca->poll(handle, &request, test->csr, cookie, NULL, &reply, NULL, error);
	g_assert_cmpint(ok, ==, error == NULL || *error == NULL);
	return reply;
}

static void
ca_test_manual(CaTest *test, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	const char *settings = ", \"approve\": \"manual\", \"poll\": 7";
	gpointer handle = ca_test_try_open(test->ca, test->dir, settings, &error);
	g_assert_no_error(error);
	g_auto(PvCaReply) first = ca_test_ask(test, handle, "pc1.example.com", NULL, &error);
	g_assert_cmpint(first.outcome, ==, PV_CA_PENDING);
	g_assert_cmpuint(first.not_before_sec, ==, 7);
	g_auto(PvCaReply) again = ca_test_ask(test, handle, "pc1.example.com", NULL, &error);
	g_assert_cmpstr(again.cookie, ==, first.cookie);
	g_auto(PvCaReply) other = ca_test_ask(test, handle, "pc2.example.com", NULL, &error);
	g_assert_cmpstr(other.cookie, !=, first.cookie);
	test->ca->close(handle);

	/* all of it is known after a restart */
	handle = ca_test_try_open(test->ca, test->dir, settings, &error);
	g_assert_no_error(error);
	g_autoptr(GPtrArray) waiting = test->ca->list_waiting(handle, NULL, &error);
	g_assert_cmpuint(waiting->len, ==, 2);
	const PvCaWaiting *row = g_ptr_array_index(waiting, 0);
	g_assert_cmpstr(row->name, ==, "pc1.example.com");
	g_assert_cmpstr(row->uuid, ==, CA_TEST_UUID);
	g_auto(PvCaReply) still =
	    ca_test_ask(test, handle, "pc1.example.com", first.cookie, &error);
	g_assert_cmpint(still.outcome, ==, PV_CA_PENDING);
	g_assert_cmpstr(still.cookie, ==, first.cookie);
	g_assert_true(test->ca->decide(handle, first.cookie, TRUE, NULL, NULL, &error));
	g_assert_true(
	    test->ca->decide(handle, other.cookie, FALSE, "not ours: 100 %", NULL, &error));
	g_assert_no_error(error);

	/* an approval is for one key and these names */
	PvCaReply swapped = ca_test_ask(test, handle, "evil.example.com", first.cookie, &error);
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	g_assert_null(swapped.certificate);
	pv_ca_reply_clear(&swapped);
	g_clear_error(&error);
	g_auto(PvCaReply) issued =
	    ca_test_ask(test, handle, "pc1.example.com", first.cookie, &error);
	g_assert_cmpint(issued.outcome, ==, PV_CA_ISSUED);
	g_auto(PvCaReply) denied =
	    ca_test_ask(test, handle, "pc2.example.com", other.cookie, &error);
	g_assert_cmpint(denied.outcome, ==, PV_CA_DENIED);
	g_assert_cmpstr(denied.text, ==, "not ours: 100 %");

	/* and for one certificate */
	g_assert_true(test->ca->revoke(handle, issued.certificate, 4, NULL, &error));
	g_auto(PvCaReply) next = ca_test_ask(test, handle, "pc1.example.com", NULL, &error);
	g_assert_cmpint(next.outcome, ==, PV_CA_PENDING);
	g_assert_cmpstr(next.cookie, !=, first.cookie);
	g_assert_false(test->ca->decide(handle, "99", TRUE, NULL, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	g_clear_error(&error);
	g_assert_false(test->ca->decide(handle, first.cookie, FALSE, NULL, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	test->ca->close(handle);
}

static void
ca_test_finds(CaTest *test, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	gpointer handle = ca_test_open(test);
	g_autoptr(GBytes) der = ca_test_issue(test->ca, handle, "pc1.example.com", test->csr);
	g_autoptr(X509) leaf = ca_x509_from_der(der);
	g_autofree char *serial = ca_x509_dup_serial(leaf);
	g_autoptr(GBytes) found = test->ca->find(handle, serial, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(g_bytes_equal(der, found));
	g_assert_null(test->ca->find(handle, "7F", NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	test->ca->close(handle);
}

/* A list is there from the beginning, and where others look for it. */
static void
ca_test_publishes(CaTest *test, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *file = g_build_filename(test->dir, "published.pem", NULL);
	g_autofree char *settings =
	    g_strdup_printf(", \"crl-days\": 2, \"crl-file\": \"%s\", \"crl-url\": "
			    "\"http://pki.example.com/amt.crl\"",
		file);
	gpointer handle = ca_test_try_open(test->ca, test->dir, settings, &error);
	g_assert_no_error(error);
	guint64 first = 0, second = 0;
	g_autoptr(X509_CRL) empty = ca_test_load_crl(test, &first);
	g_assert_cmpint(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(empty)), <=, 0);
	g_autofree char *before = ca_test_read(test, "published.pem");
	g_assert_true(g_str_has_prefix(before, "-----BEGIN X509 CRL-----"));
	int days = 0, seconds = 0;
	g_assert_cmpint(ASN1_TIME_diff(&days, &seconds, X509_CRL_get0_lastUpdate(empty),
			    X509_CRL_get0_nextUpdate(empty)),
	    ==, 1);
	g_assert_cmpint(days, ==, 2);

	g_autoptr(GBytes) der = ca_test_issue(test->ca, handle, "pc1.example.com", test->csr);
	g_autoptr(X509) leaf = ca_x509_from_der(der);
	g_assert_cmpint(X509_get_ext_by_NID(leaf, NID_crl_distribution_points, -1), >=, 0);
	g_assert_true(test->ca->revoke(handle, der, 1, NULL, &error));
	g_autoptr(X509_CRL) full = ca_test_load_crl(test, &second);
	g_assert_cmpuint(second, >, first);
	g_autofree char *after = ca_test_read(test, "published.pem");
	g_assert_cmpstr(before, !=, after);
	g_assert_cmpint(g_unlink(file), ==, 0);
	test->ca->close(handle);
	/* who deletes it gets it again, the same one */
	test->ca->close(ca_test_try_open(test->ca, test->dir, settings, &error));
	g_autofree char *again = ca_test_read(test, "published.pem");
	g_assert_cmpstr(again, ==, after);
}

/* An index that was put back from a backup knows less than the list does: its numbers are not used again. */
static void
ca_test_restored(CaTest *test, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *index = g_build_filename(test->dir, "index", NULL);
	gpointer handle = ca_test_open(test);
	g_autoptr(GBytes) der = ca_test_issue(test->ca, handle, "pc1.example.com", test->csr);
	g_autofree char *backup = ca_test_read(test, "index");
	g_assert_true(test->ca->revoke(handle, der, 1, NULL, &error));
	test->ca->close(handle);
	guint64 before = 0, after = 0;
	g_autoptr(X509_CRL) full = ca_test_load_crl(test, &before);
	g_assert_true(g_file_set_contents(index, backup, -1, &error));
	handle = ca_test_open(test);
	g_autoptr(X509_CRL) next = ca_test_load_crl(test, &after);
	g_assert_cmpuint(after, >, before);
	g_assert_true(test->ca->revoke(handle, der, 1, NULL, &error));
	test->ca->close(handle);
	g_autoptr(X509_CRL) last = ca_test_load_crl(test, &before);
	g_assert_cmpuint(before, >, after);
}

/* A process that runs for months and is asked for nothing: the list it made grows old behind its back. */
static void
ca_test_maintains(CaTest *test, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	gpointer handle = ca_test_open(test);
	guint64 first = 0, second = 0, third = 0;
	g_autoptr(X509_CRL) made = ca_test_load_crl(test, &first);
	g_assert_true(test->ca->maintain(handle, &error));
	g_autoptr(X509_CRL) same = ca_test_load_crl(test, &second);
	g_assert_cmpuint(second, ==, first);

	g_autofree char *pem = ca_test_read(test, "ca.key");
	g_autoptr(BIO) bio = BIO_new_mem_buf(pem, -1);
	g_autoptr(EVP_PKEY) key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	g_autoptr(X509) root = ca_test_load_root(test, handle);
	g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(CaRevocation));
	g_autoptr(X509_CRL) old = ca_x509_new_crl(
	    root, key, none, first, g_get_real_time() / G_USEC_PER_SEC - 20 * 86400, 30, &error);
	g_assert_no_error(error);
	g_autofree char *path = g_build_filename(test->dir, "crl.der", NULL);
	BIO *file = BIO_new_file(path, "w");
	g_assert_cmpint(i2d_X509_CRL_bio(file, old), ==, 1);
	BIO_free(file);
	g_assert_true(test->ca->maintain(handle, &error));
	g_assert_no_error(error);
	g_autoptr(X509_CRL) renewed = ca_test_load_crl(test, &third);
	g_assert_cmpuint(third, >, second);
	g_assert_cmpint(X509_cmp_current_time(X509_CRL_get0_lastUpdate(renewed)), <, 0);
	test->ca->close(handle);
}

static void
ca_test_refuses_settings(CaTest *test, gconstpointer data)
{
	static const char *const settings[] = { ", \"permitted\": [ \"*.example.com\" ]",
		", \"permitted\": [ \"a.example.com,permitted;DNS:org\" ]",
		", \"crl-url\": \"http://x.example.com/a,URI:http://y\"",
		", \"crl-url\": \"file:///crl\"", ", \"key\": \"ca.key\"",
		", \"common-name\": \"\"" };
	for (guint i = 0; i < G_N_ELEMENTS(settings); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(ca_test_try_open(test->ca, test->dir, settings[i], &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_nonnull(strstr(error->message, "$."));
	}
}

static void
ca_test_add(const char *path, void (*func)(CaTest *, gconstpointer))
{
	g_test_add(path, CaTest, NULL, ca_test_set_up, func, ca_test_tear_down);
}

int
main(int argc, char **argv)
{
	if (argc == 5 && g_str_equal(argv[1], "--child"))
		return g_test_init(&(int) { 1 }, &argv, NULL),
		       ca_test_child(argv[2], argv[3], argv[4]);
	g_test_init(&argc, &argv, NULL);
	ca_test_add("/requirements/S12-06.2/local-ca-issues", ca_test_issues);
	ca_test_add("/requirements/S07-3.7/local-ca-issues-for-client", ca_test_issues_for_client);
	ca_test_add("/plugins/ca-local/does-not-outlive", ca_test_does_not_outlive);
	ca_test_add("/plugins/ca-local/idempotent", ca_test_is_idempotent);
	ca_test_add("/plugins/ca-local/denies", ca_test_denies);
	ca_test_add("/plugins/ca-local/fixtures", ca_test_fixtures);
	ca_test_add("/plugins/ca-local/refuses-folders", ca_test_refuses_folders);
	ca_test_add("/plugins/ca-local/completes-root", ca_test_completes_root);
	ca_test_add("/plugins/ca-local/index", ca_test_index);
	ca_test_add("/plugins/ca-local/revokes", ca_test_revokes);
	ca_test_add("/plugins/ca-local/restored", ca_test_restored);
	ca_test_add("/plugins/ca-local/threads", ca_test_threads);
	ca_test_add("/plugins/ca-local/two-processes", ca_test_two_processes);
	ca_test_add("/plugins/ca-local/killed", ca_test_killed);
	ca_test_add("/plugins/ca-local/sweeps", ca_test_sweeps);
	ca_test_add("/plugins/ca-local/openssl", ca_test_openssl);
	ca_test_add("/requirements/S07-2.12/local-ca-reports-pending", ca_test_manual);
	ca_test_add("/plugins/ca-local/finds", ca_test_finds);
	ca_test_add("/plugins/ca-local/publishes", ca_test_publishes);
	ca_test_add("/plugins/ca-local/maintains", ca_test_maintains);
	ca_test_add("/plugins/ca-local/refuses-settings", ca_test_refuses_settings);
	for (const CaPolicyCase *c = ca_policy_cases; c->path != NULL; c++) {
		g_autofree char *path = g_strconcat("/plugins/ca-local/", c->path, NULL);
		g_test_add_data_func(path, c, ca_test_policy);
	}
	return g_test_run();
}
