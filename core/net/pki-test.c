/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/fake-pki.h"

#include <glib/gstdio.h>
#include <openssl/pkcs7.h>
#include <provost/error.h>
#include <provost/pki.h>
#include <string.h>

#define PKI_TEST_MANY 65

typedef struct {
	FakeCert *root;
	FakeCert *leaf;
	GBytes *cms; /* certs-only: root, then leaf */
} Fixture;

static GBytes *
pki_test_new_cms(const FakeCert *first, const FakeCert *second, guint times)
{
	PKCS7 *cms = PKCS7_new();
	g_assert_cmpint(PKCS7_set_type(cms, NID_pkcs7_signed), ==, 1);
	g_assert_cmpint(PKCS7_content_new(cms, NID_pkcs7_data), ==, 1);
	for (guint i = 0; i < times; i++)
		PKCS7_add_certificate(cms, first->certificate);
	if (second != NULL)
		PKCS7_add_certificate(cms, second->certificate);
	guchar *der = NULL;
	int length = i2d_PKCS7(cms, &der);
	g_assert_cmpint(length, >, 0);
	GBytes *bytes = g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	PKCS7_free(cms);
	return bytes;
}

static void
pki_test_set_up(Fixture *f, gconstpointer unused)
{
	f->root = fake_cert_new(&(FakeCertSpec) { .common_name = "Root", .is_ca = TRUE });
	f->leaf = fake_cert_new(&(FakeCertSpec) { .common_name = "pc1", .issuer = f->root });
	f->cms = pki_test_new_cms(f->root, f->leaf, 1);
}

static void
pki_test_tear_down(Fixture *f, gconstpointer unused)
{
	fake_cert_free(f->root);
	fake_cert_free(f->leaf);
	g_bytes_unref(f->cms);
}

/* Takes @bytes. */
static void
pki_test_expect(GBytes *bytes, guint count, const char *reason)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) list = pv_pki_parse_certificates(bytes, &error);
	if (count > 0) {
		g_assert_no_error(error);
		g_assert_cmpuint(list->len, ==, count);
	} else {
		g_assert_error(error, PV_ERROR, PV_ERROR_PROTOCOL);
		g_assert_nonnull(strstr(error->message, reason));
		g_assert_null(list);
	}
	g_bytes_unref(bytes);
}

static GBytes *
pki_test_text(char *text)
{
	return g_bytes_new_take(text, strlen(text));
}

static char *
pki_test_encode(GBytes *der)
{
	return g_base64_encode(g_bytes_get_data(der, NULL), g_bytes_get_size(der));
}

/* one line, lines of 64 with either end, PEM lines of a PKCS#7, a byte order of its own */
static void
pki_test_forms(Fixture *f, gconstpointer unused)
{
	g_autofree char *line = pki_test_encode(f->cms);
	g_autoptr(GString) unix_lines = g_string_new(NULL);
	g_autoptr(GString) dos_lines = g_string_new("\r\n");
	for (gsize i = 0; i < strlen(line); i += 64) {
		g_string_append_printf(unix_lines, "%.64s\n", line + i);
		g_string_append_printf(dos_lines, "%.64s\r\n", line + i);
	}
	pki_test_expect(g_bytes_ref(f->cms), 2, NULL);
	pki_test_expect(pki_test_text(g_strdup(line)), 2, NULL);
	pki_test_expect(pki_test_text(g_strdup(unix_lines->str)), 2, NULL);
	pki_test_expect(pki_test_text(g_strdup(dos_lines->str)), 2, NULL);
	pki_test_expect(pki_test_text(g_strdup_printf(
			    "-----BEGIN PKCS7-----\n%s-----END PKCS7-----\n", unix_lines->str)),
	    2, NULL);
	pki_test_expect(fake_cert_dup_der(f->leaf), 1, NULL);
	pki_test_expect(pki_test_text(fake_cert_dup_pem(NULL, f->root, f->leaf, NULL)), 2, NULL);
}

static void
pki_test_refused(Fixture *f, gconstpointer unused)
{
	pki_test_expect(g_bytes_new_static("", 0), 0, "empty");
	pki_test_expect(g_bytes_new_static("<html>no</html>", 15), 0, "neither DER nor base64");
	pki_test_expect(g_bytes_new_static("AAAA", 4), 0, "neither DER nor base64");
	pki_test_expect(g_bytes_new_static("\x30\x00", 2), 0, "no certificate in the answer");
	pki_test_expect(
	    g_bytes_new_from_bytes(f->cms, 0, g_bytes_get_size(f->cms) / 2), 0, "no certificate");
	g_autoptr(GBytes) many = pki_test_new_cms(f->root, NULL, 1);
	pki_test_expect(g_bytes_ref(many), 1, NULL);
	pki_test_expect(g_bytes_new_take(g_malloc0(1024 * 1024 + 1), 1024 * 1024 + 1), 0, "1 MiB");
	/* PEM: too many, and one cut in the middle */
	g_autofree char *one = fake_cert_dup_pem(NULL, f->leaf, NULL);
	g_autoptr(GString) pem = g_string_new(NULL);
	for (guint i = 0; i < PKI_TEST_MANY; i++)
		g_string_append(pem, one);
	pki_test_expect(pki_test_text(g_strdup(pem->str)), 0, "more than 64");
	char *damaged = g_strconcat(one, one, NULL);
	damaged[strlen(one) + 60] = '!';
	pki_test_expect(pki_test_text(damaged), 0, "damaged");
}

static void
pki_test_issued(Fixture *f, gconstpointer unused)
{
	X509_REQ *csr = X509_REQ_new();
	X509_REQ_set_pubkey(csr, f->leaf->key);
	X509_REQ_sign(csr, f->leaf->key, EVP_sha256());
	guchar *der = NULL;
	int length = i2d_X509_REQ(csr, &der);
	g_autoptr(GBytes) request = g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	X509_REQ_free(csr);
	g_autoptr(GPtrArray) list = pv_pki_parse_certificates(f->cms, NULL);
	g_autoptr(GBytes) leaf = fake_cert_dup_der(f->leaf);
	g_autoptr(GBytes) root = fake_cert_dup_der(f->root);
	g_auto(PvCaReply) reply = { .text = g_strdup("of before") };
	pv_pki_set_issued(&reply, list, request);
	g_assert_cmpint(reply.outcome, ==, PV_CA_ISSUED);
	g_assert_true(g_bytes_equal(reply.certificate, leaf));
	g_assert_cmpuint(reply.chain->len, ==, 1);
	g_assert_true(g_bytes_equal(reply.chain->pdata[0], root));
	g_assert_null(reply.text);
	/* nobody's key: the first one, for the core to refuse */
	g_ptr_array_set_size(list, 1);
	GBytes *first = list->pdata[0];
	g_auto(PvCaReply) other = { 0 };
	pv_pki_set_issued(&other, list, g_bytes_equal(first, leaf) ? root : request);
	g_assert_true(g_bytes_equal(other.certificate, first));
	g_assert_cmpuint(other.chain->len, ==, 0);
}

static void
pki_test_text_of(const char *text, const char *expected)
{
	g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
	g_autofree char *line = pv_pki_dup_text(bytes);
	g_assert_cmpstr(line, ==, expected);
}

static void
pki_test_texts(Fixture *f, gconstpointer unused)
{
	pki_test_text_of("", NULL);
	pki_test_text_of(" \r\n", NULL);
	pki_test_text_of("not today\r\n", "not today");
	pki_test_text_of("a\033[31mb\tc\xff", "a [31mb c");
	pki_test_text_of("<html><body class=\"x\"><h1>Not <b>Found</b></h1>\n</body>", "Not Found");
	g_assert_null(pv_pki_dup_text(NULL));
	g_autofree char *long_text = g_strnfill(1000, 'x');
	g_autofree char *cut = g_strnfill(200, 'x');
	pki_test_text_of(long_text, cut);
}

static void
pki_test_files(Fixture *f, gconstpointer unused)
{
	g_autofree char *folder = g_dir_make_tmp("provost-pki-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(folder, "ca.pem", NULL);
	g_autofree char *pem = fake_cert_dup_pem(NULL, f->root, f->leaf, NULL);
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_pki_load_certificates(path, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_clear_error(&error);
	g_assert_true(g_file_set_contents(path, pem, -1, NULL));
	g_autoptr(GPtrArray) list = pv_pki_load_certificates(path, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(list->len, ==, 2);
	g_assert_true(g_file_set_contents(path, "nothing", -1, NULL));
	g_assert_null(pv_pki_load_certificates(path, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "ca.pem: "));
	g_clear_error(&error);
	g_assert_null(pv_pki_load_certificates(folder, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_unlink(path);
	g_rmdir(folder);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(path, function) \
	g_test_add(path, Fixture, NULL, pki_test_set_up, function, pki_test_tear_down)
	ADD("/net/pki/forms", pki_test_forms);
	ADD("/net/pki/refused", pki_test_refused);
	ADD("/net/pki/issued", pki_test_issued);
	ADD("/net/pki/texts", pki_test_texts);
	ADD("/net/pki/files", pki_test_files);
	return g_test_run();
}
