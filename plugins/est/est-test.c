/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "est-attrs.h"

#include "core/base/json.h"
#include "core/engine/loader.h"
#include "core/net/tls.h"
#include "tests/lib/fake-http.h"
#include "tests/lib/fake-pki.h"
#include "tests/lib/test-folder.h"

#include <openssl/pkcs7.h>
#include <provost/provost.h>
#include <string.h>

/* RFC 7030, 4.5.2: the example */
#define EST_TEST_RFC \
	"MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcrBgEBAQEWBggqhkjOPQQD" \
	"Aw=="
/* extReq with Microsoft's template by name, or by OID; RSA with 4096 bits */
#define EST_TEST_NAME \
	"ME0wOAYJKoZIhvcNAQkOMSswKTAnBgkrBgEEAYI3FAIEGh4YAEEATQBUAFcAZQBiAFMAZQByAHYAZQByMBEGCSqG" \
	"SIb3" \
	"DQEBATEEAgIQAA=="
#define EST_TEST_OID \
	"MEUwMAYJKoZIhvcNAQkOMSMwITAfBgkrBgEEAYI3FQcEEjAQBgsrBgEEAYI3FQgBAgIBZDARBgkqhkiG9w0BAQEx" \
	"BAIC" \
	"EAA="

/* a server that issues, or says what a case wants it to; nothing is changed while a request is on its way */
typedef struct {
	char *folder;
	PvLoader *loader;
	const PvCa *ca;
	PvJson *json;
	PvValues *values;
	gpointer handle;
	FakeCert *root, *server, *client;
	SSL_CTX *tls;
	FakeHttp *http;
	EVP_PKEY *key;
	GBytes *csr;
	guint status; /* of an enrolment; 0: issue */
	const char *headers, *body; /* along with it */
	guint pending; /* that many times 202 first */
	guint attrs_status; /* 0: 404 */
	const char *attrs;
	gboolean raw; /* DER in place of base64 */
	gboolean other; /* issues for another key */
	gboolean login; /* asks for Basic amt:secret */
} Fixture;

static GBytes *
est_test_new_csr(EVP_PKEY *key)
{
	X509_REQ *csr = X509_REQ_new();
	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(csr), "CN", MBSTRING_UTF8,
	    (const guchar *)"pc1.example.com", -1, -1, 0);
	X509_REQ_set_pubkey(csr, key);
	g_assert_cmpint(X509_REQ_sign(csr, key, EVP_sha256()), >, 0);
	guchar *der = NULL;
	int length = i2d_X509_REQ(csr, &der);
	GBytes *bytes = g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	X509_REQ_free(csr);
	return bytes;
}

/* certs-only with root, then the certificate for the key, for which nobody looks at the signature */
static GBytes *
est_test_issue(const Fixture *f, EVP_PKEY *key)
{
	g_autoptr(FakeCert) leaf =
	    fake_cert_new(&(FakeCertSpec) { .common_name = "pc1.example.com", .issuer = f->root });
	X509_set_pubkey(leaf->certificate, f->other ? f->root->key : key);
	X509_sign(leaf->certificate, f->root->key, EVP_sha256());
	PKCS7 *cms = PKCS7_new();
	PKCS7_set_type(cms, NID_pkcs7_signed);
	PKCS7_content_new(cms, NID_pkcs7_data);
	PKCS7_add_certificate(cms, f->root->certificate);
	if (key != NULL)
		PKCS7_add_certificate(cms, leaf->certificate);
	guchar *der = NULL;
	int length = i2d_PKCS7(cms, &der);
	GBytes *bytes = g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	PKCS7_free(cms);
	return bytes;
}

static gboolean
est_test_send(const Fixture *f, FakeHttpConnection *connection, const char *type, GBytes *der)
{
	gsize length = 0;
	const void *data = g_bytes_get_data(der, &length);
	g_autofree char *text = g_base64_encode(data, length);
	g_autofree char *head = g_strdup_printf(
	    "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n",
	    type, f->raw ? length : strlen(text));
	return fake_http_send(connection, head, -1) &&
	       (f->raw ? fake_http_send(connection, data, (gssize)length)
		       : fake_http_send(connection, text, -1));
}

/* the key of a request in base64, in lines of 64 characters with a newline after each */
static EVP_PKEY *
est_test_read_request(const FakeHttpRequest *request)
{
	g_auto(GStrv) lines = g_strsplit(request->body, "\n", -1);
	guint count = g_strv_length(lines);
	g_assert_cmpuint(count, >, 3);
	g_assert_cmpstr(lines[count - 1], ==, "");
	for (guint i = 0; i + 2 < count; i++)
		g_assert_cmpuint(strlen(lines[i]), ==, 64);
	g_assert_nonnull(strstr(request->headers, "Content-Type: application/pkcs10\r\n"));
	gsize length = 0;
	g_autofree guchar *der = g_base64_decode(request->body, &length);
	const guchar *at = der;
	X509_REQ *csr = d2i_X509_REQ(NULL, &at, (long)length);
	g_assert_nonnull(csr);
	EVP_PKEY *key = X509_REQ_get_pubkey(csr);
	X509_REQ_free(csr);
	return key;
}

static gboolean
est_test_enrol(Fixture *f, FakeHttpConnection *connection, const FakeHttpRequest *request)
{
	if (f->login && g_strcmp0(request->authorization, "Basic YW10OnNlY3JldA==") != 0)
		return fake_http_reply(
		    connection, 401, "WWW-Authenticate: Basic realm=\"est\"\r\n", "who are you?");
	if (f->status != 0)
		return fake_http_reply(connection, f->status, f->headers, f->body);
	if (request->length == 0)
		return fake_http_reply(connection, 400, NULL, "no request");
	if (f->pending > 0) {
		f->pending--;
		return fake_http_reply(connection, 202, f->headers, "in the queue");
	}
	EVP_PKEY *key = est_test_read_request(request);
	g_autoptr(GBytes) answer = est_test_issue(f, key);
	EVP_PKEY_free(key);
	return est_test_send(
	    f, connection, "application/pkcs7-mime; smime-type=certs-only", answer);
}

static gboolean
est_test_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	Fixture *f = data;
	if (g_str_has_suffix(request->path, "/simpleenroll"))
		return est_test_enrol(f, connection, request);
	if (g_str_has_suffix(request->path, "/cacerts")) {
		g_autoptr(GBytes) answer = est_test_issue(f, NULL);
		return est_test_send(f, connection, "application/pkcs7-mime", answer);
	}
	if (g_str_has_suffix(request->path, "/csrattrs") && f->attrs_status != 0)
		return fake_http_reply(connection, f->attrs_status,
		    "Content-Type: application/csrattrs\r\n", f->attrs);
	return fake_http_reply(connection, 404, NULL, "nothing here");
}

static void
est_test_set_up(Fixture *f, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *libs =
	    g_test_build_filename(G_TEST_BUILT, "plugins", "est", ".libs", NULL);
	f->folder = g_dir_make_tmp("provost-est-XXXXXX", NULL);
	f->loader = pv_loader_new((const char *const[]) { libs, NULL });
	const PvPlugin *plugin = pv_loader_load(f->loader, "est", &error);
	g_assert_no_error(error);
	g_assert_nonnull(plugin);
	f->ca = pv_loader_find_ca(f->loader, "est");
	g_assert_nonnull(f->ca);
	f->root = fake_cert_new(&(FakeCertSpec) { .common_name = "Root", .is_ca = TRUE });
	f->server = fake_cert_new(&(FakeCertSpec) {
	    .common_name = "localhost", .dns_name = "localhost", .issuer = f->root });
	f->client = fake_cert_new(&(FakeCertSpec) { .common_name = "RA", .issuer = f->root });
	g_autofree char *root = fake_cert_dup_pem(NULL, f->root, NULL);
	g_autofree char *client = fake_cert_dup_pem(f->client, f->client, NULL);
	g_free(pv_test_write(f->folder, "root.pem", root, 0600));
	g_free(pv_test_write(f->folder, "client.pem", client, 0600));
	g_free(pv_test_write(f->folder, "password", "secret", 0600));
	f->tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(f->tls, f->server->certificate);
	SSL_CTX_use_PrivateKey(f->tls, f->server->key);
	f->http = fake_http_new(f->tls, est_test_handle, f);
	f->key = EVP_RSA_gen(2048);
	f->csr = est_test_new_csr(f->key);
}

static void
est_test_close(Fixture *f)
{
	if (f->handle != NULL)
		f->ca->close(f->handle);
	f->handle = NULL;
	g_clear_pointer(&f->values, pv_values_unref);
	g_clear_pointer(&f->json, pv_json_unref);
}

static void
est_test_tear_down(Fixture *f, gconstpointer unused)
{
	est_test_close(f);
	fake_http_free(f->http);
	SSL_CTX_free(f->tls);
	fake_cert_free(f->root);
	fake_cert_free(f->server);
	fake_cert_free(f->client);
	EVP_PKEY_free(f->key);
	g_bytes_unref(f->csr);
	pv_loader_free(f->loader);
	pv_test_remove_all(f->folder);
	g_free(f->folder);
}

/* @members: of the site's "ca"; URL and DIR stand for the server and the folder */
static void
est_test_open(Fixture *f, const char *members, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autofree char *url = g_strdup_printf("https://localhost:%u", fake_http_get_port(f->http));
	g_autoptr(GString) text = g_string_new(members);
	g_string_replace(text, "URL", url, 0);
	g_string_replace(text, "DIR", f->folder, 0);
	est_test_close(f);
	f->json = pv_json_parse("site.json", text->str, -1, &local);
	g_assert_no_error(local);
	f->values = pv_values_parse(f->json, "$", f->ca->params, NULL, &local);
	g_assert_no_error(local);
	f->handle = f->ca->open(f->values, error);
}

#define EST_TEST_PLAIN "{\"url\": \"URL\", \"trust\": \"DIR/root.pem\"}"

static void
est_test_open_good(Fixture *f, const char *members)
{
	g_autoptr(GError) error = NULL;
	est_test_open(f, members, &error);
	g_assert_no_error(error);
	g_assert_nonnull(f->handle);
}

static const PvCertRequest est_test_request = { .uuid = "d2ffc23e-9dd1-412d-860a-54b2039b72ff",
	.template_name = "AMTWebServer",
	.common_name = "pc1.example.com" };

/* FALSE: with the error, which has @reason */
static gboolean
est_test_submit(Fixture *f, PvCaReply *reply, gint code, const char *reason)
{
	g_autoptr(GError) error = NULL;
	gboolean ok =
	    f->ca->submit(f->handle, &est_test_request, f->csr, NULL, reply, NULL, &error);
	if (reason == NULL) {
		g_assert_no_error(error);
		g_assert_true(ok);
		return TRUE;
	}
	g_assert_error(error, PV_ERROR, code);
	g_assert_false(ok);
	if (strstr(error->message, reason) == NULL)
		g_error("\"%s\" lacks \"%s\"", error->message, reason);
	return FALSE;
}

static const FakeHttpRequest *
est_test_last(Fixture *f)
{
	return fake_http_get_request(f->http, fake_http_get_count(f->http) - 1);
}

static void
est_test_issued(Fixture *f, gconstpointer unused)
{
	est_test_open_good(f, EST_TEST_PLAIN);
	for (guint i = 0; i < 2; i++) {
		g_auto(PvCaReply) reply = { 0 };
		f->raw = i == 1;
		est_test_submit(f, &reply, 0, NULL);
		g_assert_cmpint(reply.outcome, ==, PV_CA_ISSUED);
		g_assert_cmpuint(reply.chain->len, ==, 1);
		gsize length = 0;
		const guchar *at = g_bytes_get_data(reply.certificate, &length);
		X509 *leaf = d2i_X509(NULL, &at, (long)length);
		g_assert_cmpint(EVP_PKEY_eq(X509_get0_pubkey(leaf), f->key), ==, 1);
		X509_free(leaf);
	}
	g_assert_cmpstr(est_test_last(f)->path, ==, "/.well-known/est/simpleenroll");
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) chain = f->ca->chain(f->handle, NULL, &error);
	g_assert_no_error(error);
	g_autoptr(GBytes) root = fake_cert_dup_der(f->root);
	g_assert_cmpuint(chain->len, ==, 1);
	g_assert_true(g_bytes_equal(chain->pdata[0], root));
	/* somebody else's is handed on, for the core to refuse */
	f->other = TRUE;
	g_auto(PvCaReply) reply = { 0 };
	est_test_submit(f, &reply, 0, NULL);
	g_assert_cmpint(reply.outcome, ==, PV_CA_ISSUED);
}

static void
est_test_pending(Fixture *f, gconstpointer unused)
{
	est_test_open_good(f, EST_TEST_PLAIN);
	f->pending = 2;
	f->headers = "Retry-After: 77\r\n";
	g_auto(PvCaReply) reply = { 0 };
	est_test_submit(f, &reply, 0, NULL);
	g_assert_cmpint(reply.outcome, ==, PV_CA_PENDING);
	g_assert_cmpuint(reply.not_before_sec, ==, 77);
	g_assert_cmpstr(reply.text, ==, "in the queue");
	g_assert_nonnull(reply.cookie);
	f->headers = NULL;
	g_autoptr(GError) error = NULL;
	g_auto(PvCaReply) again = { 0 };
	g_assert_true(f->ca->poll(
	    f->handle, &est_test_request, f->csr, reply.cookie, NULL, &again, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpint(again.outcome, ==, PV_CA_PENDING);
	g_assert_cmpuint(again.not_before_sec, ==, 300);
	g_auto(PvCaReply) last = { 0 };
	g_assert_true(f->ca->poll(
	    f->handle, &est_test_request, f->csr, again.cookie, NULL, &last, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpint(last.outcome, ==, PV_CA_ISSUED);
	g_assert_cmpstr(fake_http_get_request(f->http, 0)->body, ==, est_test_last(f)->body);
}

static void
est_test_refused(Fixture *f, gconstpointer unused)
{
	static const struct {
		guint status;
		gint code; /* -1: denied */
		const char *headers, *body, *reason;
	} rows[] = {
		{ 400, -1, NULL, "<p>the name is not yours</p>", "the name is not yours" },
		{ 422, -1, NULL, "", "the server answers 422 without a reason" },
		{ 403, PV_ERROR_AUTH, NULL, "go away", "403: the login has no right" },
		{ 404, PV_ERROR_CONFIG, NULL, "", "look at \"url\" and \"label\"" },
		{ 302, PV_ERROR_CONFIG, "Location: /x\r\n", "", "it points elsewhere" },
		{ 500, PV_ERROR_UNREACHABLE, NULL, "out of order", "500: out of order" },
		{ 503, PV_ERROR_UNREACHABLE, "Retry-After: 5\r\n", "", "answers 503" },
		{ 204, PV_ERROR_PROTOCOL, NULL, "", "answers 204" },
		{ 200, PV_ERROR_PROTOCOL, NULL, "", "the answer is empty" },
		{ 200, PV_ERROR_PROTOCOL, NULL, "<html>hello</html>", "neither DER nor base64" },
		{ 200, PV_ERROR_PROTOCOL, NULL, "MAA=", "no certificate in the answer" },
	};
	est_test_open_good(f, EST_TEST_PLAIN);
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		f->status = rows[i].status;
		f->headers = rows[i].headers;
		f->body = rows[i].body;
		g_auto(PvCaReply) reply = { 0 };
		gboolean denied = rows[i].code == -1;
		est_test_submit(f, &reply, rows[i].code, denied ? NULL : rows[i].reason);
		if (!denied)
			continue;
		g_assert_cmpint(reply.outcome, ==, PV_CA_DENIED);
		g_assert_cmpstr(reply.text, ==, rows[i].reason);
	}
}

static void
est_test_login(Fixture *f, gconstpointer unused)
{
	f->login = TRUE;
	est_test_open_good(f, EST_TEST_PLAIN);
	g_auto(PvCaReply) nobody = { 0 };
	est_test_submit(f, &nobody, PV_ERROR_AUTH, "wants a login (Basic) and none is configured");
	est_test_open_good(f, "{\"url\": \"URL\", \"trust\": \"DIR/root.pem\", \"user\": \"amt\", "
			      "\"password\": {\"file\": \"DIR/password\"}}");
	g_auto(PvCaReply) reply = { 0 };
	est_test_submit(f, &reply, 0, NULL);
	/* what was changed meanwhile counts after the old one was refused */
	g_free(pv_test_write(f->folder, "password", "another", 0600));
	est_test_open_good(f, "{\"url\": \"URL\", \"trust\": \"DIR/root.pem\", \"user\": \"amt\", "
			      "\"password\": {\"file\": \"DIR/password\"}}");
	g_auto(PvCaReply) wrong = { 0 };
	est_test_submit(f, &wrong, PV_ERROR_AUTH, "refused the login of \"amt\"");
	g_free(pv_test_write(f->folder, "password", "secret", 0600));
	g_auto(PvCaReply) right = { 0 };
	est_test_submit(f, &right, 0, NULL);
	/* the device's account asks with what is its own */
	g_autoptr(PvSecret) password = pv_secret_new("not this", -1);
	const PvCaIdentity identity = { .account = "pc1$", .realm = "X", .password = password };
	g_autoptr(GError) error = NULL;
	g_auto(PvCaReply) device = { 0 };
	g_assert_false(
	    f->ca->submit(f->handle, &est_test_request, f->csr, &identity, &device, NULL, &error));
	g_assert_nonnull(strstr(error->message, "refused the login of \"pc1$\""));
}

static int
est_test_see_client(X509_STORE_CTX *context, void *data)
{
	g_autofree char *name =
	    pv_tls_dup_name(X509_get_subject_name(X509_STORE_CTX_get0_cert(context)));
	return g_str_equal(name, "CN=RA");
}

static void
est_test_certificate(Fixture *f, gconstpointer unused)
{
	SSL_CTX_set_verify(f->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(f->tls, est_test_see_client, NULL);
	est_test_open_good(f, EST_TEST_PLAIN);
	g_auto(PvCaReply) nobody = { 0 };
	est_test_submit(f, &nobody, PV_ERROR_AUTH, "wants a client certificate");
	est_test_open_good(f, "{\"url\": \"URL/\", \"trust\": \"DIR/root.pem\", "
			      "\"certificate\": \"DIR/client.pem\"}");
	g_auto(PvCaReply) reply = { 0 };
	est_test_submit(f, &reply, 0, NULL);
}

/* where requests go */
static void
est_test_places(Fixture *f, gconstpointer unused)
{
	static const struct {
		const char *members, *path;
	} rows[] = {
		{ EST_TEST_PLAIN, "/.well-known/est/simpleenroll" },
		{ "{\"url\": \"URL//\", \"trust\": \"DIR/root.pem\"}",
		    "/.well-known/est/simpleenroll" },
		{ "{\"url\": \"URL\", \"label\": \"amt-1\", \"trust\": \"DIR/root.pem\"}",
		    "/.well-known/est/amt-1/simpleenroll" },
		{ "{\"url\": \"URL/other/est/\", \"trust\": \"DIR/root.pem\"}",
		    "/other/est/simpleenroll" },
		{ "{\"url\": \"URL\", \"template-label\": true, \"trust\": \"DIR/root.pem\"}",
		    "/.well-known/est/AMTWebServer/simpleenroll" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_auto(PvCaReply) reply = { 0 };
		est_test_open_good(f, rows[i].members);
		est_test_submit(f, &reply, 0, NULL);
		g_assert_cmpstr(est_test_last(f)->path, ==, rows[i].path);
	}
	static const char *const wrong[] = { "{\"url\": \"http://localhost\"}",
		"{\"url\": \"https://localhost/a?b\"}", "{\"url\": \"URL\", \"label\": \"../x\"}",
		"{\"url\": \"URL\", \"label\": \"\"}" };
	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		est_test_open(f, wrong[i], &error);
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_nonnull(strstr(error->message, "site.json:1: $."));
	}
	/* what is missing shows at the first use: the site has to open before it can be given secrets */
	est_test_open_good(f, "{\"url\": \"URL\", \"trust\": \"DIR/missing.pem\"}");
	g_auto(PvCaReply) reply = { 0 };
	est_test_submit(f, &reply, PV_ERROR_CONFIG, "missing.pem");
}

static void
est_test_attributes(Fixture *f, gconstpointer unused)
{
	static const struct {
		guint status;
		const char *attrs, *extension, *row, *reason; /* reason: of the error */
	} rows[] = {
		{ 0, NULL, NULL, "0 named", NULL },
		{ 204, "", NULL, "0 named", NULL },
		{ 200, EST_TEST_RFC, NULL, "it wants EC keys", NULL },
		{ 200, EST_TEST_NAME, "AMTWebServer", "it wants RSA keys of 4096", NULL },
		{ 200, EST_TEST_OID, "1.3.6.1.4.1.311.21.8.1.2", "RSA keys of 4096", NULL },
		{ 200, "MAsGCSqGSIb3DQEJBw==", NULL, "a proof that TLS and request", NULL },
		{ 200, "MAMCAQE=", NULL, "not those of RFC 7030", "not those of RFC 7030" },
		{ 200, "hello!", NULL, "neither DER nor base64", "neither DER nor base64" },
		{ 503, "later", NULL, "answers 503: later", "answers 503: later" },
	};
	est_test_open_good(f, EST_TEST_PLAIN);
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_auto(PvCaPreparation) preparation = { 0 };
		g_autoptr(PvReport) report = pv_report_new();
		g_autoptr(GError) error = NULL;
		f->attrs_status = rows[i].status;
		f->attrs = rows[i].attrs;
		gboolean ok =
		    f->ca->prepare(f->handle, &est_test_request, &preparation, NULL, &error);
		g_assert_true(ok == (rows[i].reason == NULL));
		if (!ok)
			g_assert_nonnull(strstr(error->message, rows[i].reason));
		g_assert_cmpstr(preparation.template_extension, ==, rows[i].extension);
		g_assert_true(f->ca->check(f->handle, report, NULL, NULL));
		g_autoptr(GString) all = g_string_new(NULL);
		for (guint k = 0; k < pv_report_get_length(report); k++) {
			const char *text = NULL;
			pv_report_get(report, k, NULL, NULL, NULL, &text);
			g_string_append_printf(all, "%s\n", text);
		}
		if (strstr(all->str, rows[i].row) == NULL)
			g_error("\"%s\" lacks \"%s\"", all->str, rows[i].row);
	}
}

static void
est_test_expect_check(Fixture *f, PvReportLevel level, const char *check, const char *reason)
{
	g_autoptr(PvReport) report = pv_report_new();
	g_autoptr(GError) error = NULL;
	g_assert_true(f->ca->check(f->handle, report, NULL, &error));
	g_assert_no_error(error);
	for (guint i = 0; i < pv_report_get_length(report); i++) {
		PvReportLevel seen = PV_REPORT_OK;
		const char *name = NULL, *text = NULL;
		pv_report_get(report, i, &seen, &name, NULL, &text);
		if (g_str_equal(name, check) && seen == level && strstr(text, reason) != NULL)
			return;
	}
	g_error("no row %s of that level with \"%s\"", check, reason);
}

static void
est_test_check(Fixture *f, gconstpointer unused)
{
	est_test_open_good(f, EST_TEST_PLAIN);
	est_test_expect_check(f, PV_REPORT_OK, "server", "hands out 1 of the CA");
	est_test_expect_check(f, PV_REPORT_OK, "login", "looked at an empty request (400)");
	f->login = TRUE;
	est_test_expect_check(f, PV_REPORT_FAILURE, "login", "wants a login (Basic)");
	f->login = FALSE;
	f->status = 403;
	est_test_expect_check(f, PV_REPORT_FAILURE, "login", "has no right to enrol");
	est_test_open_good(f, "{\"url\": \"URL\"}");
	est_test_expect_check(f, PV_REPORT_FAILURE, "server", "certificate is not accepted");
	/* with a file nobody is asked for the chain */
	est_test_open_good(f, "{\"url\": \"URL\", \"roots\": \"DIR/root.pem\"}");
	g_autoptr(GPtrArray) chain = f->ca->chain(f->handle, NULL, NULL);
	g_assert_cmpuint(chain->len, ==, 1);
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	g_cancellable_cancel(cancellable);
	g_autoptr(PvReport) report = pv_report_new();
	g_autoptr(GError) error = NULL;
	g_assert_false(f->ca->check(f->handle, report, cancellable, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	pv_net_init();
#define ADD(path, function) \
	g_test_add(path, Fixture, NULL, est_test_set_up, function, est_test_tear_down)
	ADD("/est/issued", est_test_issued);
	ADD("/est/pending", est_test_pending);
	ADD("/est/refused", est_test_refused);
	ADD("/est/login", est_test_login);
	ADD("/est/certificate", est_test_certificate);
	ADD("/est/places", est_test_places);
	ADD("/est/attributes", est_test_attributes);
	ADD("/est/check", est_test_check);
	return g_test_run();
}
