/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/json.h"
#include "core/engine/loader.h"
#include "core/net/tls.h"
#include "tests/lib/fake-http.h"
#include "tests/lib/fake-pki.h"
#include "tests/lib/test-folder.h"

#include <openssl/cmp.h>
#include <openssl/err.h>
#include <provost/provost.h>
#include <string.h>

/* What a server may send that is no CMP, and what a site may configure. The protocol itself is tested against real peers, in
 * tests/integration/ca/cmp.sh. */
typedef struct {
	char *folder;
	PvLoader *loader;
	const PvCa *ca;
	PvJson *json;
	PvValues *values;
	gpointer handle;
	FakeCert *root, *registrar;
	FakeHttp *http;
	GBytes *csr;
	gboolean impostor; /* answers by CMP, signed with a certificate of the same CA */
	OSSL_CMP_SRV_CTX *server; /* NULL: none; else it lets all requests wait */
	guint asked; /* requests that it took */
	guint status; /* of every answer */
	const char *body;
} Fixture;

static GBytes *
cmp_test_new_csr(void)
{
	X509_REQ *csr = X509_REQ_new();
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(csr), "CN", MBSTRING_UTF8,
	    (const guchar *)"pc1.example.com", -1, -1, 0);
	X509_REQ_set_pubkey(csr, key);
	g_assert_cmpint(X509_REQ_sign(csr, key, EVP_sha256()), >, 0);
	guchar *der = NULL;
	int length = i2d_X509_REQ(csr, &der);
	GBytes *bytes = g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	X509_REQ_free(csr);
	EVP_PKEY_free(key);
	return bytes;
}

static gboolean
cmp_test_serve(OSSL_CMP_SRV_CTX *server, FakeHttpConnection *connection, const FakeHttpRequest *request)
{
	const guchar *at = (const guchar *)request->body;
	OSSL_CMP_MSG *asked = d2i_OSSL_CMP_MSG(NULL, &at, (long)request->length);
	OSSL_CMP_MSG *answer = OSSL_CMP_SRV_process_request(server, asked);
	guchar *der = NULL;
	int length = i2d_OSSL_CMP_MSG(answer, &der);
	g_assert_cmpint(length, >, 0);
	g_autofree char *head = g_strdup_printf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", length);
	gboolean good = fake_http_send(connection, head, -1) && fake_http_send(connection, (const char *)der, length);
	OPENSSL_free(der);
	OSSL_CMP_MSG_free(answer);
	OSSL_CMP_MSG_free(asked);
	ERR_clear_error();
	return good;
}

/* What somebody on the wire can say who has a certificate of the site's CA and not the secret: "rejected", signed. */
static gboolean
cmp_test_impersonate(const Fixture *f, FakeHttpConnection *connection, const FakeHttpRequest *request)
{
	OSSL_CMP_SRV_CTX *server = OSSL_CMP_SRV_CTX_new(NULL, NULL);
	OSSL_CMP_CTX *context = OSSL_CMP_SRV_CTX_get0_cmp_ctx(server);
	g_assert_cmpint(OSSL_CMP_CTX_set1_cert(context, f->registrar->certificate), ==, 1);
	g_assert_cmpint(OSSL_CMP_CTX_set1_pkey(context, f->registrar->key), ==, 1);
	gboolean good = cmp_test_serve(server, connection, request);
	OSSL_CMP_SRV_CTX_free(server);
	return good;
}

static gboolean
cmp_test_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	const Fixture *f = data;
	if (f->impostor)
		return cmp_test_impersonate(f, connection, request);
	if (f->server != NULL && f->status == 200)
		return cmp_test_serve(f->server, connection, request);
	return fake_http_reply(connection, f->status, NULL, f->body);
}

static void
cmp_test_set_up(Fixture *f, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *libs = g_test_build_filename(G_TEST_BUILT, "plugins", "cmp", ".libs", NULL);
	f->folder = g_dir_make_tmp("provost-cmp-XXXXXX", NULL);
	f->loader = pv_loader_new((const char *const[]) { libs, NULL });
	const PvPlugin *plugin = pv_loader_load(f->loader, "cmp", &error);
	g_assert_no_error(error);
	g_assert_nonnull(plugin);
	f->ca = pv_loader_find_ca(f->loader, "cmp");
	g_assert_nonnull(f->ca);
	f->root = fake_cert_new(&(FakeCertSpec) { .common_name = "Root", .is_ca = TRUE });
	f->registrar = fake_cert_new(&(FakeCertSpec) { .common_name = "RA", .issuer = f->root });
	g_autofree char *root = fake_cert_dup_pem(NULL, f->root, NULL);
	g_autofree char *both = fake_cert_dup_pem(f->registrar, f->registrar, NULL);
	g_free(pv_test_write(f->folder, "root.pem", root, 0600));
	g_free(pv_test_write(f->folder, "ra.pem", both, 0600));
	g_free(pv_test_write(f->folder, "secret", "cmp-secret", 0600));
	f->http = fake_http_new(NULL, cmp_test_handle, f);
	f->csr = cmp_test_new_csr();
}

static void
cmp_test_close(Fixture *f)
{
	if (f->handle != NULL)
		f->ca->close(f->handle);
	f->handle = NULL;
	g_clear_pointer(&f->values, pv_values_unref);
	g_clear_pointer(&f->json, pv_json_unref);
}

static void
cmp_test_tear_down(Fixture *f, gconstpointer unused)
{
	cmp_test_close(f);
	fake_http_free(f->http);
	fake_cert_free(f->root);
	fake_cert_free(f->registrar);
	g_bytes_unref(f->csr);
	pv_loader_free(f->loader);
	pv_test_remove_all(f->folder);
	g_free(f->folder);
}

/* @members: of the site's "ca"; URL and DIR stand for the server and the folder */
static void
cmp_test_open(Fixture *f, const char *members, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/pkix/", fake_http_get_port(f->http));
	g_autoptr(GString) text = g_string_new(members);
	g_string_replace(text, "URL", url, 0);
	g_string_replace(text, "DIR", f->folder, 0);
	cmp_test_close(f);
	f->json = pv_json_parse("site.json", text->str, -1, &local);
	g_assert_no_error(local);
	f->values = pv_values_parse(f->json, "$", f->ca->params, NULL, &local);
	g_assert_no_error(local);
	f->handle = f->ca->open(f->values, error);
}

#define CMP_TEST_SECRET \
	"{\"url\": \"URL\", \"roots\": \"DIR/root.pem\", \"reference\": \"amt\", \"secret\": {\"file\": \"DIR/secret\"}}"

static void
cmp_test_expect(Fixture *f, const char *members, gint code, const char *reason)
{
	static const PvCertRequest request = { .uuid = "d2ffc23e-9dd1-412d-860a-54b2039b72ff",
		.common_name = "pc1.example.com" };
	g_auto(PvCaReply) reply = { 0 };
	g_autoptr(GError) error = NULL;
	cmp_test_open(f, members, &error);
	g_assert_no_error(error);
	g_assert_false(f->ca->submit(f->handle, &request, f->csr, NULL, &reply, NULL, &error));
	g_assert_error(error, PV_ERROR, code);
	if (strstr(error->message, reason) == NULL)
		g_error("\"%s\" lacks \"%s\"", error->message, reason);
	g_assert_null(strstr(error->message, "cmp-secret"));
}

static void
cmp_test_nonsense(Fixture *f, gconstpointer unused)
{
	static const struct {
		guint status;
		const char *body, *reason;
		gint code;
	} rows[] = {
		{ 200, "hello", "the answer is no CMP message", PV_ERROR_PROTOCOL },
		{ 200, "", "the server answers 200", PV_ERROR_PROTOCOL },
		{ 404, "no such page", "look at \"url\": no such page", PV_ERROR_CONFIG },
		{ 503, "<html><body>busy</body></html>", "the server answers 503: busy", PV_ERROR_UNREACHABLE },
		{ 403, "go away", "the server answers 403", PV_ERROR_PROTOCOL },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		f->status = rows[i].status;
		f->body = rows[i].body;
		cmp_test_expect(f, CMP_TEST_SECRET, rows[i].code, rows[i].reason);
	}
	/* one message each, and none of them with the secret in clear */
	g_assert_cmpuint(fake_http_get_count(f->http), ==, G_N_ELEMENTS(rows));
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		const FakeHttpRequest *request = fake_http_get_request(f->http, i);
		g_assert_cmpstr(request->method, ==, "POST");
		g_assert_cmpstr(request->path, ==, "/pkix/");
		g_assert_nonnull(strstr(request->headers, "Content-Type: application/pkixcmp\r\n"));
		g_assert_null(g_strstr_len(request->body, (gssize)request->length, "cmp-secret"));
	}
}

static void
cmp_test_configuration(Fixture *f, gconstpointer unused)
{
	static const char *const wrong[] = {
		"{\"url\": \"ftp://x\", \"roots\": \"DIR/root.pem\", \"certificate\": \"DIR/ra.pem\"}",
		"{\"url\": \"URL?a\", \"roots\": \"DIR/root.pem\", \"certificate\": \"DIR/ra.pem\"}",
		"{\"url\": \"URL\", \"roots\": \"DIR/root.pem\"}",
		"{\"url\": \"URL\", \"roots\": \"DIR/root.pem\", \"reference\": \"amt\"}",
		"{\"url\": \"URL\", \"roots\": \"DIR/root.pem\", \"reference\": \"amt\", \"secret\": {\"file\": \"DIR/secret\"}, "
		"\"certificate\": \"DIR/ra.pem\"}",
	};
	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		cmp_test_open(f, wrong[i], &error);
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_nonnull(strstr(error->message, "site.json:1: $."));
	}
	cmp_test_expect(f, "{\"url\": \"URL\", \"roots\": \"DIR/none.pem\", \"certificate\": \"DIR/ra.pem\"}",
	    PV_ERROR_CONFIG, "none.pem");
	cmp_test_expect(f, "{\"url\": \"URL\", \"roots\": \"DIR/root.pem\", \"certificate\": \"DIR/root.pem\"}",
	    PV_ERROR_CONFIG, "there is no private key");
	g_autoptr(GError) error = NULL;
	cmp_test_open(f, CMP_TEST_SECRET, &error);
	g_autoptr(GPtrArray) chain = f->ca->chain(f->handle, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(chain->len, ==, 1);
	/* nobody was asked */
	g_assert_cmpuint(fake_http_get_count(f->http), ==, 0);
}

/* Who asks by a secret believes nobody who does not know it. */
static void
cmp_test_impostor(Fixture *f, gconstpointer unused)
{
	f->impostor = TRUE;
	cmp_test_expect(f, CMP_TEST_SECRET, PV_ERROR_PROTOCOL, "look at the secret");
	g_assert_cmpuint(fake_http_get_count(f->http), ==, 1);
}

static OSSL_CMP_PKISI *
cmp_test_take(OSSL_CMP_SRV_CTX *server, const OSSL_CMP_MSG *message, int id, const OSSL_CRMF_MSG *crmf,
    const X509_REQ *csr, X509 **certificate, STACK_OF(X509) **chain, STACK_OF(X509) **publics)
{
	Fixture *f = OSSL_CMP_SRV_CTX_get0_custom_ctx(server);
	f->asked++;
	return OSSL_CMP_STATUSINFO_new(OSSL_CMP_PKISTATUS_waiting, 0, NULL);
}

static int
cmp_test_let_wait(
    OSSL_CMP_SRV_CTX *server, const OSSL_CMP_MSG *message, int id, OSSL_CMP_MSG **request, int64_t *after)
{
	*request = NULL;
	*after = 5;
	return 1;
}

/* A server that is away for a while does not cost the request that waits at it. */
static void
cmp_test_away(Fixture *f, gconstpointer unused)
{
	static const PvCertRequest request = { .uuid = "d2ffc23e-9dd1-412d-860a-54b2039b72ff",
		.common_name = "pc1.example.com" };
	g_autoptr(GError) error = NULL;
	f->server = OSSL_CMP_SRV_CTX_new(NULL, NULL);
	g_assert_cmpint(OSSL_CMP_SRV_CTX_init(
			    f->server, f, cmp_test_take, NULL, NULL, NULL, NULL, cmp_test_let_wait), ==, 1);
	OSSL_CMP_CTX *context = OSSL_CMP_SRV_CTX_get0_cmp_ctx(f->server);
	g_assert_cmpint(OSSL_CMP_CTX_set1_referenceValue(context, (const guchar *)"amt", 3), ==, 1);
	g_assert_cmpint(OSSL_CMP_CTX_set1_secretValue(context, (const guchar *)"cmp-secret", 10), ==, 1);
	cmp_test_open(f, CMP_TEST_SECRET, &error);
	g_assert_no_error(error);
	static const guint statuses[] = { 200, 200, 503, 503, 200 };
	g_autofree char *cookie = NULL;
	for (gsize i = 0; i < G_N_ELEMENTS(statuses); i++) {
		g_auto(PvCaReply) reply = { 0 };
		f->status = statuses[i];
		f->body = "away";
		gboolean ok = cookie == NULL
				  ? f->ca->submit(f->handle, &request, f->csr, NULL, &reply, NULL, &error)
				  : f->ca->poll(f->handle, &request, f->csr, cookie, NULL, &reply, NULL, &error);
		if (f->status != 200) {
			g_assert_false(ok);
			g_assert_error(error, PV_ERROR, PV_ERROR_UNREACHABLE);
			g_clear_error(&error);
			continue;
		}
		g_assert_no_error(error);
		g_assert_cmpint(reply.outcome, ==, PV_CA_PENDING);
		g_free(cookie);
		cookie = g_steal_pointer(&reply.cookie);
	}
	g_assert_cmpuint(f->asked, ==, 1);
	OSSL_CMP_SRV_CTX_free(f->server);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	pv_net_init();
	g_test_add("/cmp/nonsense", Fixture, NULL, cmp_test_set_up, cmp_test_nonsense, cmp_test_tear_down);
	g_test_add("/cmp/impostor", Fixture, NULL, cmp_test_set_up, cmp_test_impostor, cmp_test_tear_down);
	g_test_add("/cmp/away", Fixture, NULL, cmp_test_set_up, cmp_test_away, cmp_test_tear_down);
	g_test_add("/cmp/configuration", Fixture, NULL, cmp_test_set_up, cmp_test_configuration, cmp_test_tear_down);
	return g_test_run();
}
