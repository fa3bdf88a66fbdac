/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scep-page.h"
#include "scep-server.h"

#include "core/base/json.h"
#include "core/engine/loader.h"
#include "core/net/tls.h"
#include "tests/lib/fake-scep.h"
#include "tests/lib/test-folder.h"

#include <provost/provost.h>
#include <string.h>

#define SCEP_TEST_CAPABILITIES "POSTPKIOperation\r\nSHA-256\r\nAES\r\nRenewal\r\n"

typedef struct {
	char *folder;
	PvLoader *loader;
	const PvCa *ca;
	PvJson *json;
	PvValues *values;
	gpointer handle;
	FakeCert *root, *ra, *other, *registrar;
	FakeScep server;
	FakeHttp *http;
	EVP_PKEY *key;
	GBytes *csr;
} Fixture;

/* @challenge: NULL: none */
static GBytes *
scep_test_new_csr(EVP_PKEY *key, const char *challenge)
{
	X509_REQ *csr = X509_REQ_new();
	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(csr), "CN", MBSTRING_UTF8,
	    (const guchar *)"pc1.example.com", -1, -1, 0);
	X509_REQ_set_pubkey(csr, key);
	if (challenge != NULL)
		X509_REQ_add1_attr_by_NID(
		    csr, NID_pkcs9_challengePassword, MBSTRING_UTF8, (const guchar *)challenge, -1);
	g_assert_cmpint(X509_REQ_sign(csr, key, EVP_sha256()), >, 0);
	guchar *der = NULL;
	int length = i2d_X509_REQ(csr, &der);
	GBytes *bytes = g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	X509_REQ_free(csr);
	return bytes;
}

static void
scep_test_write(Fixture *f, const char *name, const FakeCert *key, const FakeCert *cert)
{
	g_autofree char *pem = fake_cert_dup_pem(key, cert, NULL);
	g_free(pv_test_write(f->folder, name, pem, 0600));
}

static void
scep_test_set_up(Fixture *f, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *libs =
	    g_test_build_filename(G_TEST_BUILT, "plugins", "scep", ".libs", NULL);
	f->folder = g_dir_make_tmp("provost-scep-XXXXXX", NULL);
	f->loader = pv_loader_new((const char *const[]) { libs, NULL });
	const PvPlugin *plugin = pv_loader_load(f->loader, "scep", &error);
	g_assert_no_error(error);
	g_assert_nonnull(plugin);
	f->ca = pv_loader_find_ca(f->loader, "scep");
	f->root = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "Root", .is_ca = TRUE, .rsa_bits = 2048 });
	f->ra = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "RA", .issuer = f->root, .rsa_bits = 2048 });
	f->registrar = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "registrar", .issuer = f->root, .rsa_bits = 2048 });
	f->other = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "other", .is_ca = TRUE, .rsa_bits = 2048 });
	scep_test_write(f, "root.pem", NULL, f->root);
	scep_test_write(f, "other.pem", NULL, f->other);
	scep_test_write(f, "registrar.pem", f->registrar, f->registrar);
	g_free(pv_test_write(f->folder, "challenge", "secret123", 0600));
	f->server = (FakeScep) { .ca = f->root, .capabilities = SCEP_TEST_CAPABILITIES };
	f->http = fake_http_new(NULL, fake_scep_handle, &f->server);
	f->key = EVP_RSA_gen(2048);
	f->csr = scep_test_new_csr(f->key, NULL);
}

static void
scep_test_close(Fixture *f)
{
	if (f->handle != NULL)
		f->ca->close(f->handle);
	f->handle = NULL;
	g_clear_pointer(&f->values, pv_values_unref);
	g_clear_pointer(&f->json, pv_json_unref);
}

static void
scep_test_tear_down(Fixture *f, gconstpointer unused)
{
	scep_test_close(f);
	fake_http_free(f->http);
	fake_scep_clear(&f->server);
	fake_cert_free(f->root);
	fake_cert_free(f->ra);
	fake_cert_free(f->registrar);
	fake_cert_free(f->other);
	EVP_PKEY_free(f->key);
	g_bytes_unref(f->csr);
	pv_loader_free(f->loader);
	pv_test_remove_all(f->folder);
	g_free(f->folder);
}

/* @members: of the site's "ca"; URL, DIR and HASH stand for the server, the folder and the root's SHA-256 */
static void
scep_test_try_open(Fixture *f, const char *members, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autofree char *url =
	    g_strdup_printf("http://localhost:%u/scep", fake_http_get_port(f->http));
	g_autofree char *hash = pv_tls_dup_fingerprint(f->root->certificate);
	g_autoptr(GString) text = g_string_new(members);
	g_string_replace(text, "URL", url, 0);
	g_string_replace(text, "DIR", f->folder, 0);
	g_string_replace(text, "HASH", hash, 0);
	scep_test_close(f);
	f->json = pv_json_parse("site.json", text->str, -1, &local);
	g_assert_no_error(local);
	f->values = pv_values_parse(f->json, "$", f->ca->params, NULL, &local);
	g_assert_no_error(local);
	f->handle = f->ca->open(f->values, error);
}

#define SCEP_TEST_PLAIN "{\"url\": \"URL\", \"roots\": \"DIR/root.pem\"}"

static void
scep_test_open(Fixture *f, const char *members)
{
	g_autoptr(GError) error = NULL;
	scep_test_try_open(f, members, &error);
	g_assert_no_error(error);
	g_assert_nonnull(f->handle);
}

static const PvCertRequest scep_test_request = { .uuid = "d2ffc23e-9dd1-412d-860a-54b2039b72ff",
	.common_name = "pc1.example.com" };

/* @reason: of the error; NULL: there is none */
static void
scep_test_submit(Fixture *f, PvCaReply *reply, gint code, const char *reason)
{
	g_autoptr(GError) error = NULL;
	gboolean ok =
	    f->ca->submit(f->handle, &scep_test_request, f->csr, NULL, reply, NULL, &error);
	if (reason == NULL) {
		g_assert_no_error(error);
		g_assert_true(ok);
		return;
	}
	g_assert_false(ok);
	g_assert_error(error, PV_ERROR, code);
	if (strstr(error->message, reason) == NULL)
		g_error("\"%s\" lacks \"%s\"", error->message, reason);
}

static void
scep_test_expect_issued(Fixture *f)
{
	g_auto(PvCaReply) reply = { 0 };
	scep_test_submit(f, &reply, 0, NULL);
	g_assert_cmpint(reply.outcome, ==, PV_CA_ISSUED);
	gsize length = 0;
	const guchar *at = g_bytes_get_data(reply.certificate, &length);
	X509 *leaf = d2i_X509(NULL, &at, (long)length);
	g_assert_cmpint(EVP_PKEY_eq(X509_get0_pubkey(leaf), f->key), ==, 1);
	X509_free(leaf);
}

static void
scep_test_issued(Fixture *f, gconstpointer unused)
{
	scep_test_open(f, SCEP_TEST_PLAIN);
	scep_test_expect_issued(f);
	g_assert_cmpstr(f->server.signer, ==, "pc1.example.com");
	g_assert_cmpstr(f->server.digest, ==, "SHA256");
	g_autofree char *first = g_strdup(f->server.transaction);
	g_assert_cmpuint(strlen(first), ==, 64);
	scep_test_expect_issued(f);
	g_assert_cmpstr(f->server.transaction, ==, first);
	/* the server is asked about itself once */
	g_assert_cmpuint(fake_http_get_count(f->http), ==, 4);

	/* one with a registration authority, which signs and unseals for the CA */
	f->server.ra = f->ra;
	scep_test_open(f, "{\"url\": \"URL\", \"fingerprint\": \"HASH\"}");
	scep_test_expect_issued(f);
	g_autoptr(GPtrArray) chain = f->ca->chain(f->handle, NULL, NULL);
	g_autoptr(GBytes) root = fake_cert_dup_der(f->root);
	g_assert_cmpuint(chain->len, ==, 1);
	g_assert_true(g_bytes_equal(chain->pdata[0], root));

	/* and us signing with one */
	scep_test_open(f, "{\"url\": \"URL\", \"roots\": \"DIR/root.pem\", "
			  "\"certificate\": \"DIR/registrar.pem\"}");
	scep_test_expect_issued(f);
	g_assert_cmpstr(f->server.signer, ==, "registrar");
}

static void
scep_test_pending(Fixture *f, gconstpointer unused)
{
	scep_test_open(f, "{\"url\": \"URL\", \"roots\": \"DIR/root.pem\", \"poll\": 7}");
	f->server.pending = 2;
	g_auto(PvCaReply) reply = { 0 };
	scep_test_submit(f, &reply, 0, NULL);
	g_assert_cmpint(reply.outcome, ==, PV_CA_PENDING);
	g_assert_cmpuint(reply.not_before_sec, ==, 7);
	g_assert_cmpstr(reply.cookie, ==, f->server.transaction);
	/* also after a restart */
	scep_test_open(f, "{\"url\": \"URL\", \"roots\": \"DIR/root.pem\", \"poll\": 7}");
	for (guint i = 0; i < 2; i++) {
		g_autoptr(GError) error = NULL;
		g_auto(PvCaReply) again = { 0 };
		g_assert_true(f->ca->poll(f->handle, &scep_test_request, f->csr, reply.cookie, NULL,
		    &again, NULL, &error));
		g_assert_no_error(error);
		g_assert_cmpstr(f->server.type, ==, "20");
		g_assert_cmpstr(reply.cookie, ==, f->server.transaction);
		g_assert_cmpint(again.outcome, ==, i == 0 ? PV_CA_PENDING : PV_CA_ISSUED);
	}
}

static void
scep_test_denied(Fixture *f, gconstpointer unused)
{
	static const struct {
		const char *deny, *text, *expected;
	} rows[] = {
		{ "2", NULL, "the server does not take the request (failInfo 2)" },
		{ "1", "wrong\npassword",
		    "the server could not verify the message (failInfo 1): wrong password" },
		{ "3", NULL, "the server's clock is too far from ours (failInfo 3)" },
		{ "9", NULL, "the server gave no reason" },
		{ "9", "because", "because" },
	};
	scep_test_open(f, SCEP_TEST_PLAIN);
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_auto(PvCaReply) reply = { 0 };
		f->server.deny = rows[i].deny;
		f->server.deny_text = rows[i].text;
		scep_test_submit(f, &reply, 0, NULL);
		g_assert_cmpint(reply.outcome, ==, PV_CA_DENIED);
		g_assert_cmpstr(reply.text, ==, rows[i].expected);
	}
	g_autoptr(GError) error = NULL;
	g_auto(PvCaReply) reply = { 0 };
	const PvCaIdentity identity = { .account = "pc1$" };
	g_assert_false(
	    f->ca->submit(f->handle, &scep_test_request, f->csr, &identity, &reply, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED);
}

/* what a server may get wrong, or somebody in between */
static void
scep_test_broken(Fixture *f, gconstpointer unused)
{
	scep_test_open(f, SCEP_TEST_PLAIN);
	g_auto(PvCaReply) reply = { 0 };
	f->server.stranger = f->other;
	scep_test_submit(f, &reply, PV_ERROR_PROTOCOL, "not signed by the CA");
	/* of the CA, but none that it named as its own */
	f->server.stranger = f->registrar;
	scep_test_submit(f, &reply, PV_ERROR_PROTOCOL, "not signed by the CA");
	f->server.stranger = NULL;
	f->server.wrong_nonce = TRUE;
	scep_test_submit(f, &reply, PV_ERROR_PROTOCOL, "belongs to another request");
	f->server.wrong_nonce = FALSE;
	f->server.sha1 = TRUE;
	scep_test_submit(f, &reply, PV_ERROR_CONFIG, "signed with SHA1 only");
	f->server.sha1 = FALSE;
	f->server.status = 500;
	scep_test_submit(f, &reply, PV_ERROR_UNREACHABLE, "500: out of order");
	f->server.status = 403;
	scep_test_submit(f, &reply, PV_ERROR_AUTH, "403");
	f->server.status = 404;
	scep_test_submit(f, &reply, PV_ERROR_CONFIG, "look at \"url\"");
	f->server.status = 204;
	scep_test_submit(f, &reply, PV_ERROR_PROTOCOL, "204");
	f->server.status = 0;
	/* somebody else's is for the core to refuse */
	f->server.other = f->other;
	scep_test_submit(f, &reply, 0, NULL);
	g_assert_cmpint(reply.outcome, ==, PV_CA_ISSUED);
}

static void
scep_test_old_server(Fixture *f, gconstpointer unused)
{
	f->server.capabilities = NULL;
	f->server.sha1 = TRUE;
	scep_test_open(f, SCEP_TEST_PLAIN);
	g_auto(PvCaReply) reply = { 0 };
	scep_test_submit(f, &reply, PV_ERROR_CONFIG, "nothing better than SHA-1");
	scep_test_open(f, "{\"url\": \"URL\", \"roots\": \"DIR/root.pem\", \"legacy\": true}");
	scep_test_expect_issued(f);
	g_assert_cmpstr(f->server.digest, ==, "SHA1");
	g_assert_cmpstr(
	    fake_http_get_request(f->http, fake_http_get_count(f->http) - 1)->method, ==, "GET");
}

/* A service runs for months, with one key; a certificate that had expired meanwhile would be refused. */
static void
scep_test_own_certificate(Fixture *f, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(X509_REQ) csr = scep_message_parse_csr(f->csr, &error);
	gint64 now = g_get_real_time() / G_USEC_PER_SEC;
	g_autoptr(X509) early =
	    scep_message_new_certificate(csr, f->key, now - G_GINT64_CONSTANT(400) * 86400, &error);
	g_assert_no_error(error);
	g_assert_cmpint(X509_cmp_current_time(X509_get0_notBefore(early)), <, 0);
	g_assert_cmpint(X509_cmp_current_time(X509_get0_notAfter(early)), >, 0);
}

/* A computer that has a certificate of the CA, for itself, is no registration authority. */
static void
scep_test_impostor(Fixture *f, gconstpointer unused)
{
	static const char *const sites[] = { "{\"url\": \"URL\", \"fingerprint\": \"HASH\"}",
		SCEP_TEST_PLAIN };
	g_autoptr(FakeCert) computer = fake_cert_new(&(FakeCertSpec) {
	    .common_name = "pc2", .issuer = f->root, .rsa_bits = 2048, .ekus = "serverAuth,clientAuth" });
	g_autoptr(FakeCert) agent = fake_cert_new(&(FakeCertSpec) { .common_name = "NDES",
	    .issuer = f->root,
	    .rsa_bits = 2048,
	    .ekus = "clientAuth,1.3.6.1.4.1.311.20.2.1" });
	for (gsize i = 0; i < G_N_ELEMENTS(sites); i++) {
		g_auto(PvCaReply) reply = { 0 };
		f->server.ra = computer;
		scep_test_open(f, sites[i]);
		scep_test_submit(f, &reply, PV_ERROR_PROTOCOL, "put it into \"roots\"");
		g_assert_cmpuint(f->server.messages, ==, i);
		f->server.ra = agent;
		scep_test_open(f, sites[i]);
		scep_test_expect_issued(f);
	}
	g_autofree char *pem = fake_cert_dup_pem(NULL, f->root, computer, NULL);
	g_free(pv_test_write(f->folder, "root.pem", pem, 0600));
	f->server.ra = computer;
	scep_test_open(f, SCEP_TEST_PLAIN);
	scep_test_expect_issued(f);
}

/* whose certificates are believed over http */
static void
scep_test_trust(Fixture *f, gconstpointer unused)
{
	g_auto(PvCaReply) reply = { 0 };
	scep_test_open(f, "{\"url\": \"URL\", \"roots\": \"DIR/other.pem\"}");
	scep_test_submit(f, &reply, PV_ERROR_PROTOCOL, "are not of the CA in \"roots\"");
	g_assert_cmpuint(f->server.messages, ==, 0);
	f->server.ca = f->other;
	scep_test_open(f, "{\"url\": \"URL\", \"fingerprint\": \"HASH\"}");
	scep_test_submit(f, &reply, PV_ERROR_PROTOCOL, "no certificate with that fingerprint");
	/* a registration authority that the CA knows nothing of */
	g_autoptr(FakeCert) stray = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "RA", .issuer = f->other, .rsa_bits = 2048 });
	f->server.ca = f->root;
	f->server.ra = stray;
	scep_test_open(f, "{\"url\": \"URL\", \"fingerprint\": \"HASH\"}");
	scep_test_submit(f, &reply, PV_ERROR_PROTOCOL, "has not issued");
	g_assert_cmpuint(f->server.messages, ==, 0);
	f->server.ra = NULL;
	f->server.ca = f->ra;
	scep_test_open(f, SCEP_TEST_PLAIN);
	scep_test_submit(f, &reply, PV_ERROR_PROTOCOL, "no certificate of a CA");
}

static void
scep_test_settings(Fixture *f, gconstpointer unused)
{
	static const struct {
		const char *members, *reason;
	} rows[] = {
		{ "{\"url\": \"ftp://x/\"}", "$.url: it is not http[s]" },
		{ "{\"url\": \"https://x/?a\"}", "$.url: it is not http[s]" },
		{ "{\"url\": \"http://x/\"}", "over http anybody may answer" },
		{ "{\"url\": \"http://x/\", \"fingerprint\": \"12\"}", "64 hexadecimal digits" },
		{ "{\"url\": \"https://x/\", \"challenge-url\": \"http://x/\"}",
		    "$.challenge-url: it is not https" },
		{ "{\"url\": \"https://x/\", \"challenge-url\": \"https://x/\", "
		  "\"challenge\": {\"file\": \"DIR/challenge\"}}",
		    "exclude each other" },
		{ "{\"url\": \"https://x/\", \"identity\": \"\"}", "$.identity: a name has" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		scep_test_try_open(f, rows[i].members, &error);
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		if (strstr(error->message, rows[i].reason) == NULL)
			g_error("\"%s\" lacks \"%s\"", error->message, rows[i].reason);
	}
	/* what is missing shows at the first use */
	scep_test_open(f, "{\"url\": \"URL\", \"roots\": \"DIR/missing.pem\"}");
	g_auto(PvCaReply) reply = { 0 };
	scep_test_submit(f, &reply, PV_ERROR_CONFIG, "missing.pem");
}

static void
scep_test_challenge(Fixture *f, gconstpointer unused)
{
	f->server.challenge = "secret123";
	scep_test_open(f, "{\"url\": \"URL\", \"roots\": \"DIR/root.pem\", "
			  "\"challenge\": {\"file\": \"DIR/challenge\"}}");
	g_autoptr(GError) error = NULL;
	g_auto(PvCaPreparation) preparation = { 0 };
	g_assert_true(f->ca->prepare(f->handle, &scep_test_request, &preparation, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(pv_secret_peek(preparation.challenge, NULL), ==, "secret123");
	g_auto(PvCaReply) reply = { 0 };
	scep_test_submit(f, &reply, 0, NULL);
	g_assert_cmpint(reply.outcome, ==, PV_CA_DENIED);
	g_bytes_unref(f->csr);
	f->csr = scep_test_new_csr(f->key, "secret123");
	scep_test_expect_issued(f);
}

static GBytes *
scep_test_new_page(const char *text, gboolean wide, gboolean mark)
{
	GByteArray *page = g_byte_array_new();
	if (mark)
		g_byte_array_append(page, (const guint8 *)"\xff\xfe", 2);
	for (const char *c = text; *c != '\0'; c++) {
		const guint8 pair[] = { (guint8)*c, 0 };
		g_byte_array_append(page, pair, wide ? 2 : 1);
	}
	return g_byte_array_free_to_bytes(page);
}

/* what mscep_admin shows, as certificate services of several languages write it */
static void
scep_test_pages(Fixture *f, gconstpointer unused)
{
	static const char good[] =
	    "<HTML><Body><P> The thumbprint (hash value) for the CA certificate is: <B> A1B2C3D4 "
	    "E5F60718 </B> <P> The enrollment challenge password is: <B> 0123456789ABCDEF </B> "
	    "<P> This password can be used only once </Body></HTML>";
	static const struct {
		const char *text;
		gint code;
		const char *reason;
	} rows[] = {
		{ "<P> You do not have sufficient permission to enroll with SCEP.", PV_ERROR_AUTH,
		    "needs Enroll on the templates" },
		{ "<P> The password cache is full.", PV_ERROR_UNREACHABLE, "as many passwords" },
		{ "<html>hello <b>world</b>", PV_ERROR_PROTOCOL, "no password on the page" },
		{ "<b>0123456789ABCDEF", PV_ERROR_PROTOCOL, "no password" },
		{ "<b>ABC</b>", PV_ERROR_PROTOCOL, "no password" },
		{ "", PV_ERROR_PROTOCOL, "no password" },
		{ "<", PV_ERROR_PROTOCOL, "no password" },
	};
	for (guint i = 0; i < 3; i++) {
		g_autoptr(GBytes) page = scep_test_new_page(good, i > 0, i > 1);
		g_autoptr(GError) error = NULL;
		g_autoptr(PvSecret) challenge = scep_page_find_challenge(page, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(pv_secret_peek(challenge, NULL), ==, "0123456789ABCDEF");
	}
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GBytes) page = scep_test_new_page(rows[i].text, FALSE, FALSE);
		g_autoptr(GError) error = NULL;
		g_assert_null(scep_page_find_challenge(page, &error));
		g_assert_error(error, PV_ERROR, rows[i].code);
		g_assert_nonnull(strstr(error->message, rows[i].reason));
	}
}

static gboolean
scep_test_handle_page(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	if (g_strcmp0(request->authorization, "Basic YW10OnNlY3JldDEyMw==") != 0)
		return fake_http_reply(
		    connection, 401, "WWW-Authenticate: Basic realm=\"ndes\"\r\n", "");
	return fake_http_reply(
	    connection, 200, NULL, "<p>Das Kennwort ist <B> 00112233AABBCCDD </B>");
}

/* a password for one time, from a page behind a login */
static void
scep_test_page_fetched(Fixture *f, gconstpointer unused)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	g_autoptr(FakeCert) web = fake_cert_new(&(FakeCertSpec) {
	    .common_name = "localhost", .dns_name = "localhost", .issuer = f->root });
	SSL_CTX_use_certificate(tls, web->certificate);
	SSL_CTX_use_PrivateKey(tls, web->key);
	g_autoptr(FakeHttp) page = fake_http_new(tls, scep_test_handle_page, NULL);
	g_autofree char *members = g_strdup_printf(
	    "{\"url\": \"URL\", \"roots\": \"DIR/root.pem\", \"trust\": \"DIR/root.pem\", "
	    "\"challenge-url\": \"https://localhost:%u/certsrv/mscep_admin/\", \"user\": \"amt\", "
	    "\"password\": {\"file\": \"DIR/challenge\"}}",
	    fake_http_get_port(page));
	scep_test_open(f, members);
	g_autoptr(GError) error = NULL;
	g_auto(PvCaPreparation) preparation = { 0 };
	g_assert_true(f->ca->prepare(f->handle, &scep_test_request, &preparation, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(pv_secret_peek(preparation.challenge, NULL), ==, "00112233AABBCCDD");
	g_free(pv_test_write(f->folder, "challenge", "wrong", 0600));
	scep_test_open(f, members);
	g_auto(PvCaPreparation) none = { 0 };
	g_assert_false(f->ca->prepare(f->handle, &scep_test_request, &none, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_AUTH);
	SSL_CTX_free(tls);
}

static void
scep_test_expect_row(Fixture *f, PvReportLevel level, const char *check, const char *reason)
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
scep_test_check(Fixture *f, gconstpointer unused)
{
	scep_test_open(f, SCEP_TEST_PLAIN);
	scep_test_expect_row(f, PV_REPORT_OK, "server", "sealed for the CA itself");
	scep_test_expect_row(f, PV_REPORT_OK, "capabilities", "POST, with SHA-256 and AES");
	scep_test_expect_row(f, PV_REPORT_OK, "challenge", "none is configured");
	f->server.ra = f->ra;
	f->server.capabilities = "SHA-256\n";
	scep_test_expect_row(f, PV_REPORT_OK, "server", "its registration authority");
	scep_test_expect_row(
	    f, PV_REPORT_WARNING, "capabilities", "GET, with SHA-256 and triple DES");
	scep_test_open(f, "{\"url\": \"URL\", \"roots\": \"DIR/root.pem\", "
			  "\"certificate\": \"DIR/missing.pem\"}");
	scep_test_expect_row(f, PV_REPORT_FAILURE, "certificate", "missing.pem");
	g_assert_cmpuint(f->server.messages, ==, 0);
	scep_test_open(f, "{\"url\": \"URL\", \"roots\": \"DIR/other.pem\"}");
	scep_test_expect_row(f, PV_REPORT_FAILURE, "server", "not of the CA in \"roots\"");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	pv_net_init();
#define ADD(path, function) \
	g_test_add(path, Fixture, NULL, scep_test_set_up, function, scep_test_tear_down)
	ADD("/scep/issued", scep_test_issued);
	ADD("/scep/pending", scep_test_pending);
	ADD("/scep/denied", scep_test_denied);
	ADD("/scep/broken", scep_test_broken);
	ADD("/scep/old-server", scep_test_old_server);
	ADD("/scep/trust", scep_test_trust);
	ADD("/scep/impostor", scep_test_impostor);
	ADD("/scep/own-certificate", scep_test_own_certificate);
	ADD("/scep/settings", scep_test_settings);
	ADD("/scep/challenge", scep_test_challenge);
	ADD("/scep/pages", scep_test_pages);
	ADD("/scep/page-fetched", scep_test_page_fetched);
	ADD("/scep/check", scep_test_check);
	return g_test_run();
}
