/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/tls.h"

#include "tests/lib/fake-http.h"
#include "tests/lib/fake-pki.h"
#include "tests/lib/test-folder.h"

#include <glib/gstdio.h>
#include <provost/error.h>
#include <provost/fetch.h>
#include <string.h>

#define FETCH_TEST_BIG (100 * 1024)

/* a service with TLS, and files for a client */
typedef struct {
	char *folder;
	FakeCert *root;
	FakeCert *server; /* localhost, by the root */
	FakeCert *middle;
	FakeCert *client; /* by the middle */
	SSL_CTX *tls;
	FakeHttp *http;
	char *client_subject; /* that the server saw last; NULL: none */
	gint waiting; /* atomic; 1: the server lets a client wait */
	char *base; /* URL without path */
	char *root_path, *client_path;
} Fixture;

/* Digest as RFC 2617 without qop has it, user "amt", password "secret" */
static gboolean
fetch_test_is_digest(const FakeHttpRequest *request)
{
	g_autofree char *first =
	    g_compute_checksum_for_string(G_CHECKSUM_MD5, "amt:site:secret", -1);
	g_autofree char *what = g_strdup_printf("%s:%s", request->method, request->path);
	g_autofree char *second = g_compute_checksum_for_string(G_CHECKSUM_MD5, what, -1);
	g_autofree char *all = g_strdup_printf("%s:nonce:%s", first, second);
	g_autofree char *response = g_compute_checksum_for_string(G_CHECKSUM_MD5, all, -1);
	return request->authorization != NULL &&
	       g_str_has_prefix(request->authorization, "Digest ") &&
	       strstr(request->authorization, response) != NULL;
}

static gboolean
fetch_test_big(FakeHttpConnection *connection, gsize length)
{
	g_autofree char *text = g_strnfill(length, 'x');
	return fake_http_reply(connection, 200, NULL, text);
}

static gboolean
fetch_test_answer(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	g_autofree char *path = g_strndup(request->path, strcspn(request->path, "?"));
	if (g_str_equal(path, "/big"))
		return fetch_test_big(connection, FETCH_TEST_BIG);
	if (g_str_equal(path, "/headers")) {
		g_autofree char *value = g_strnfill(1000, 'x');
		fake_http_send(connection, "HTTP/1.1 200 OK\r\n", -1);
		for (guint i = 0; i < 80; i++) {
			g_autofree char *line = g_strdup_printf("X-%u: %s\r\n", i, value);
			fake_http_send(connection, line, -1);
		}
		return fake_http_send(connection, "\r\n", -1);
	}
	if (g_str_equal(path, "/junk")) {
		fake_http_send(connection, "SSH-2.0-OpenSSH_9.2\r\n", -1);
		return FALSE;
	}
	if (g_str_equal(path, "/half")) {
		fake_http_send(connection, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", -1);
		return FALSE;
	}
	if (g_str_equal(path, "/slow")) {
		g_atomic_int_set((gint *)data, 1);
		(void)fake_http_pause(connection, 20000); /* the client goes first */
		return FALSE;
	}
	if (g_str_equal(path, "/later"))
		return fake_http_reply(connection, 202, "Retry-After: 120\r\n", "wait");
	if (g_str_equal(path, "/date")) {
		g_autoptr(GDateTime) now = g_date_time_new_now_utc();
		g_autoptr(GDateTime) then = g_date_time_add_seconds(now, 1000);
		g_autofree char *text = g_date_time_format(then, "%a, %d %b %Y %H:%M:%S GMT");
		g_autofree char *header = g_strdup_printf("Retry-After: %s\r\n", text);
		return fake_http_reply(connection, 503, header, "");
	}
	if (g_str_equal(path, "/never"))
		return fake_http_reply(connection, 503, "Retry-After: 99999999999\r\n", "");
	if (g_str_equal(path, "/moved"))
		return fake_http_reply(connection, 302,
		    "Location: http://127.0.0.1:1/elsewhere\r\nSet-Cookie: a=b\r\n", "");
	if (g_str_equal(path, "/basic") &&
	    g_strcmp0(request->authorization, "Basic YW10OnNlY3JldA==") != 0)
		return fake_http_reply(
		    connection, 401, "WWW-Authenticate: Basic realm=\"site\"\r\n", "no");
	if (g_str_equal(path, "/digest") && !fetch_test_is_digest(request))
		return fake_http_reply(connection, 401,
		    "WWW-Authenticate: Negotiate\r\n"
		    "WWW-Authenticate: Digest realm=\"site\", nonce=\"nonce\"\r\n",
		    "no");
	return fake_http_reply(
	    connection, 200, "Content-Type: text/plain; charset=utf-8\r\n", request->body);
}

static gboolean
fetch_test_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	return fetch_test_answer(connection, request, &((Fixture *)data)->waiting);
}

static int
fetch_test_see_client(X509_STORE_CTX *context, void *data)
{
	Fixture *f = data;
	g_free(f->client_subject);
	f->client_subject =
	    pv_tls_dup_name(X509_get_subject_name(X509_STORE_CTX_get0_cert(context)));
	return 1;
}

static int
fetch_test_refuse_client(X509_STORE_CTX *context, void *data)
{
	X509_STORE_CTX_set_error(context, X509_V_ERR_CERT_HAS_EXPIRED);
	return 0;
}

static char *
fetch_test_write(Fixture *f, const char *name, char *pem)
{
	char *path = g_build_filename(f->folder, name, NULL);
	g_autoptr(GError) error = NULL;
	g_file_set_contents(path, pem, -1, &error);
	g_assert_no_error(error);
	g_free(pem);
	return path;
}

/* @cert: NULL: without TLS */
static void
fetch_test_serve(Fixture *f, const FakeCert *cert)
{
	g_clear_pointer(&f->http, fake_http_free);
	g_clear_pointer(&f->tls, SSL_CTX_free);
	g_clear_pointer(&f->base, g_free);
	if (cert != NULL) {
		f->tls = SSL_CTX_new(TLS_server_method());
		SSL_CTX_use_certificate(f->tls, cert->certificate);
		SSL_CTX_use_PrivateKey(f->tls, cert->key);
		SSL_CTX_set_session_id_context(f->tls, (const guchar *)"t", 1);
	}
	f->http = fake_http_new(f->tls, fetch_test_handle, f);
	f->base = g_strdup_printf(
	    "http%s://localhost:%u", cert != NULL ? "s" : "", fake_http_get_port(f->http));
}

static void
fetch_test_set_up(Fixture *f, gconstpointer unused)
{
	f->folder = g_dir_make_tmp("provost-fetch-XXXXXX", NULL);
	f->root = fake_cert_new(&(FakeCertSpec) { .common_name = "Root", .is_ca = TRUE });
	f->server = fake_cert_new(&(FakeCertSpec) {
	    .common_name = "server", .dns_name = "localhost", .issuer = f->root });
	f->middle = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "Middle", .is_ca = TRUE, .issuer = f->root });
	f->client =
	    fake_cert_new(&(FakeCertSpec) { .common_name = "registrar", .issuer = f->middle });
	f->root_path = fetch_test_write(f, "root.pem", fake_cert_dup_pem(NULL, f->root, NULL));
	/* no root at the end: that is for AMT only */
	f->client_path = fetch_test_write(
	    f, "client.pem", fake_cert_dup_pem(f->client, f->client, f->middle, NULL));
	fetch_test_serve(f, f->server);
}

static void
fetch_test_tear_down(Fixture *f, gconstpointer unused)
{
	fake_http_free(f->http);
	SSL_CTX_free(f->tls);
	fake_cert_free(f->root);
	fake_cert_free(f->server);
	fake_cert_free(f->middle);
	fake_cert_free(f->client);
	g_free(f->client_subject);
	g_free(f->base);
	g_free(f->root_path);
	g_free(f->client_path);
	pv_test_remove_all(f->folder);
	g_free(f->folder);
}

static PvFetch *
fetch_test_new(const PvFetchOptions *options)
{
	g_autoptr(GError) error = NULL;
	PvFetch *fetch = pv_fetch_new(options, &error);
	g_assert_no_error(error);
	g_assert_nonnull(fetch);
	return fetch;
}

static PvFetch *
fetch_test_new_plain(const Fixture *f)
{
	return fetch_test_new(&(PvFetchOptions) { .trust = f->root_path });
}

static void
fetch_test_get(const Fixture *f, PvFetch *fetch, const char *path, PvFetchReply *reply)
{
	g_autofree char *url = g_strconcat(f->base, path, NULL);
	g_autoptr(GError) error = NULL;
	gboolean ok = pv_fetch_request(fetch, "GET", url, NULL, NULL, reply, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
}

/* the message begins with method and URL, has @reason and neither query nor password */
static void
fetch_test_fail(const Fixture *f, PvFetch *fetch, const char *path, gint code, const char *reason)
{
	g_autofree char *url = g_strconcat(f->base, path, "?query", NULL);
	g_autofree char *begin = g_strdup_printf("GET %s%s: ", f->base, path);
	g_autoptr(GError) error = NULL;
	g_auto(PvFetchReply) reply = { 0 };
	g_assert_false(pv_fetch_request(fetch, "GET", url, NULL, NULL, &reply, NULL, &error));
	g_assert_nonnull(error);
	if (error->code != code || strstr(error->message, reason) == NULL ||
	    !g_str_has_prefix(error->message, begin))
		g_error("\"%s\" (%s) lacks \"%s\" or \"%s\"", error->message,
		    pv_error_get_name(error), begin, reason);
	g_assert_null(strstr(error->message, "query"));
	g_assert_null(strstr(error->message, "secret"));
	g_assert_null(reply.body);
}

static void
fetch_test_works(Fixture *f, gconstpointer unused)
{
	g_autoptr(PvFetch) fetch = fetch_test_new_plain(f);
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) body = g_bytes_new_static("a\0b", 3);
	const char *const headers[] = { "Content-Type: application/pkcs10", "X-A:b", NULL };
	g_autofree char *url = g_strconcat(f->base, "/echo?x=y", NULL);
	for (guint i = 0; i < 3; i++) {
		g_auto(PvFetchReply) reply = { 0 };
		g_assert_true(
		    pv_fetch_request(fetch, "POST", url, headers, body, &reply, NULL, &error));
		g_assert_no_error(error);
		g_assert_cmpuint(reply.status, ==, 200);
		g_assert_cmpstr(reply.content_type, ==, "text/plain; charset=utf-8");
		g_assert_cmpuint(reply.retry_after_sec, ==, 0);
		g_assert_null(reply.location);
		const FakeHttpRequest *request = fake_http_get_request(f->http, i);
		g_assert_cmpmem(request->body, request->length, "a\0b", 3);
		g_assert_cmpstr(request->path, ==, "/echo?x=y");
		g_assert_nonnull(strstr(request->headers, "Content-Type: application/pkcs10\r\n"));
		g_assert_nonnull(strstr(request->headers, "X-A:b\r\n"));
		g_assert_null(strstr(request->headers, "Expect"));
		g_assert_null(strstr(request->headers, "User-Agent"));
	}
	g_auto(PvFetchReply) reply = { 0 };
	fetch_test_get(f, fetch, "/get", &reply);
	g_assert_cmpstr(fake_http_get_request(f->http, 3)->method, ==, "GET");
	g_assert_cmpuint(g_bytes_get_size(reply.body), ==, 0);
	/* kept alive; a copy dials for itself */
	g_assert_cmpuint(fake_http_get_connections(f->http), ==, 1);
	g_autoptr(PvFetch) copy = pv_fetch_dup(fetch);
	g_clear_pointer(&fetch, pv_fetch_free);
	g_auto(PvFetchReply) other = { 0 };
	fetch_test_get(f, copy, "/get", &other);
	g_assert_cmpuint(fake_http_get_connections(f->http), ==, 2);
}

static void
fetch_test_waits(Fixture *f, gconstpointer unused)
{
	g_autoptr(PvFetch) fetch = fetch_test_new_plain(f);
	g_auto(PvFetchReply) later = { 0 };
	fetch_test_get(f, fetch, "/later", &later);
	g_assert_cmpuint(later.status, ==, 202);
	g_assert_cmpuint(later.retry_after_sec, ==, 120);
	g_auto(PvFetchReply) date = { 0 };
	fetch_test_get(f, fetch, "/date", &date);
	g_assert_cmpuint(date.status, ==, 503);
	g_assert_cmpuint(date.retry_after_sec, >, 900);
	g_assert_cmpuint(date.retry_after_sec, <=, 1000);
	g_auto(PvFetchReply) never = { 0 };
	fetch_test_get(f, fetch, "/never", &never);
	g_assert_cmpuint(never.retry_after_sec, ==, 7 * 86400);
}

static void
fetch_test_redirect(Fixture *f, gconstpointer unused)
{
	g_autoptr(PvFetch) fetch = fetch_test_new_plain(f);
	g_auto(PvFetchReply) reply = { 0 };
	fetch_test_get(f, fetch, "/moved", &reply);
	g_assert_cmpuint(reply.status, ==, 302);
	g_assert_cmpstr(reply.location, ==, "http://127.0.0.1:1/elsewhere");
	g_auto(PvFetchReply) next = { 0 };
	fetch_test_get(f, fetch, "/", &next);
	g_assert_null(strstr(fake_http_get_request(f->http, 1)->headers, "Cookie"));
	g_assert_null(next.location);
}

/* ---- who the server is ---- */

static void
fetch_test_untrusted(Fixture *f, gconstpointer unused)
{
	/* the system's roots do not know it */
	g_autoptr(PvFetch) fetch = fetch_test_new(&(PvFetchOptions) { 0 });
	fetch_test_fail(f, fetch, "/", PV_ERROR_PROTOCOL, "name the CA's root with \"trust\"");
	g_autoptr(FakeCert) other = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "x", .dns_name = "other.test", .issuer = f->root });
	fetch_test_serve(f, other);
	g_autoptr(PvFetch) named = fetch_test_new_plain(f);
	fetch_test_fail(f, named, "/", PV_ERROR_PROTOCOL, "(CN=x) is not for \"localhost\"");
	g_autoptr(FakeCert) old = fake_cert_new(&(FakeCertSpec) { .common_name = "x",
	    .dns_name = "localhost",
	    .issuer = f->root,
	    .from_days = -9,
	    .until_days = -2 });
	fetch_test_serve(f, old);
	fetch_test_fail(f, named, "/", PV_ERROR_PROTOCOL, "certificate has expired (CN=x)");
	g_autoptr(FakeCert) user = fake_cert_new(&(FakeCertSpec) {
	    .common_name = "x", .dns_name = "localhost", .issuer = f->root, .ekus = "clientAuth" });
	fetch_test_serve(f, user);
	fetch_test_fail(f, named, "/", PV_ERROR_PROTOCOL, "unsuitable certificate purpose");
	g_assert_cmpuint(fake_http_get_count(f->http), ==, 0);
}

/* an address in the URL is compared with addresses, and the server's own certificate may be the anchor */
static void
fetch_test_anchors(Fixture *f, gconstpointer unused)
{
	g_autofree char *path =
	    fetch_test_write(f, "server.pem", fake_cert_dup_pem(NULL, f->server, NULL));
	g_autoptr(PvFetch) fetch = fetch_test_new(&(PvFetchOptions) { .trust = path });
	g_auto(PvFetchReply) reply = { 0 };
	fetch_test_get(f, fetch, "/", &reply);
	g_free(f->base);
	f->base = g_strdup_printf("https://127.0.0.1:%u", fake_http_get_port(f->http));
	fetch_test_fail(f, fetch, "/", PV_ERROR_PROTOCOL, "is not for \"127.0.0.1\"");
}

static void
fetch_test_old_tls(Fixture *f, gconstpointer unused)
{
	SSL_CTX_set_security_level(f->tls, 0);
	SSL_CTX_set_min_proto_version(f->tls, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(f->tls, TLS1_1_VERSION);
	g_autoptr(PvFetch) fetch = fetch_test_new_plain(f);
	fetch_test_fail(f, fetch, "/", PV_ERROR_PROTOCOL, "protocol version");
	fetch_test_serve(f, NULL);
	g_free(f->base);
	f->base = g_strdup_printf("https://localhost:%u", fake_http_get_port(f->http));
	g_autoptr(PvFetch) plain = fetch_test_new(
	    &(PvFetchOptions) { .trust = f->root_path, .connect_msec = 500, .request_msec = 500 });
	g_auto(PvFetchReply) reply = { 0 };
	g_autofree char *url = g_strconcat(f->base, "/", NULL);
	g_autoptr(GError) error = NULL;
	g_assert_false(pv_fetch_request(plain, "GET", url, NULL, NULL, &reply, NULL, &error));
	g_assert_nonnull(error);
}

/* ---- who we are ---- */

static void
fetch_test_client(Fixture *f, gconstpointer unused)
{
	SSL_CTX_set_verify(f->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(f->tls, fetch_test_see_client, f);
	g_autoptr(PvFetch) fetch = fetch_test_new(
	    &(PvFetchOptions) { .trust = f->root_path, .certificate = f->client_path });
	g_auto(PvFetchReply) reply = { 0 };
	fetch_test_get(f, fetch, "/", &reply);
	g_assert_cmpstr(f->client_subject, ==, "CN=registrar");

	g_autoptr(PvFetch) nobody = fetch_test_new_plain(f);
	fetch_test_fail(
	    f, nobody, "/", PV_ERROR_AUTH, "wants a client certificate and none is configured");
	SSL_CTX_set_cert_verify_callback(f->tls, fetch_test_refuse_client, f);
	g_autoptr(PvFetch) refused = fetch_test_new(
	    &(PvFetchOptions) { .trust = f->root_path, .certificate = f->client_path });
	fetch_test_fail(f, refused, "/", PV_ERROR_AUTH,
	    "the server refused our certificate: certificate expired");
}

static PvFetch *
fetch_test_new_login(const Fixture *f, const char *text)
{
	g_autoptr(PvSecret) password = pv_secret_new(text, -1);
	return fetch_test_new(
	    &(PvFetchOptions) { .trust = f->root_path, .user = "amt", .password = password });
}

static void
fetch_test_login(Fixture *f, gconstpointer unused)
{
	g_autoptr(PvFetch) right = fetch_test_new_login(f, "secret");
	g_auto(PvFetchReply) basic = { 0 };
	fetch_test_get(f, right, "/basic", &basic);
	g_assert_cmpuint(basic.status, ==, 200);
	g_auto(PvFetchReply) digest = { 0 };
	fetch_test_get(f, right, "/digest", &digest);
	g_assert_cmpuint(digest.status, ==, 200);

	/* one try with a wrong password, and what was offered; a directory locks accounts */
	guint before = fake_http_get_count(f->http);
	g_autoptr(PvFetch) wrong = fetch_test_new_login(f, "another secret");
	fetch_test_fail(
	    f, wrong, "/basic", PV_ERROR_AUTH, "refused the login of \"amt\"; it takes Basic");
	g_assert_cmpuint(fake_http_get_count(f->http), <=, before + 2);
	fetch_test_fail(f, wrong, "/digest", PV_ERROR_AUTH, "it takes Negotiate, Digest");
	g_assert_cmpuint(fake_http_get_count(f->http), <=, before + 4);
	g_autoptr(PvFetch) nobody = fetch_test_new_plain(f);
	fetch_test_fail(
	    f, nobody, "/digest", PV_ERROR_AUTH, "wants a login (Negotiate, Digest) and none");
}

/* a password in clear over a connection in clear is not sent; a digest is */
static void
fetch_test_login_in_clear(Fixture *f, gconstpointer unused)
{
	fetch_test_serve(f, NULL);
	g_autoptr(PvFetch) fetch = fetch_test_new_login(f, "secret");
	fetch_test_fail(f, fetch, "/basic", PV_ERROR_AUTH, "Basic is used over TLS only");
	for (guint i = 0; i < fake_http_get_count(f->http); i++)
		g_assert_null(fake_http_get_request(f->http, i)->authorization);
	g_auto(PvFetchReply) reply = { 0 };
	fetch_test_get(f, fetch, "/digest", &reply);
	g_assert_cmpuint(reply.status, ==, 200);
}

/* ---- what a server can do wrong ---- */

static void
fetch_test_broken(Fixture *f, gconstpointer unused)
{
	static const struct {
		const char *path;
		gint code;
		const char *reason;
	} rows[] = {
		{ "/big", PV_ERROR_PROTOCOL, "longer than what is taken" },
		{ "/headers", PV_ERROR_PROTOCOL, "headers are longer than 64 KiB" },
		{ "/junk", PV_ERROR_PROTOCOL, "not of HTTP/1.1" },
		{ "/half", PV_ERROR_UNREACHABLE, "closed before the answer was complete" },
		{ "/slow", PV_ERROR_UNREACHABLE, "no complete answer within 300 ms" },
	};
	g_autoptr(PvFetch) fetch = fetch_test_new(&(PvFetchOptions) { .trust = f->root_path,
	    .connect_msec = 300,
	    .request_msec = 300,
	    .max_bytes = FETCH_TEST_BIG - 1 });
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		fetch_test_fail(f, fetch, rows[i].path, rows[i].code, rows[i].reason);
		/* and it is as good as new */
		g_auto(PvFetchReply) reply = { 0 };
		fetch_test_get(f, fetch, "/", &reply);
	}
	g_autoptr(PvFetch) enough = fetch_test_new(
	    &(PvFetchOptions) { .trust = f->root_path, .max_bytes = FETCH_TEST_BIG });
	g_auto(PvFetchReply) reply = { 0 };
	fetch_test_get(f, enough, "/big", &reply);
	g_assert_cmpuint(g_bytes_get_size(reply.body), ==, FETCH_TEST_BIG);
	g_clear_pointer(&f->http, fake_http_free);
	fetch_test_fail(f, fetch, "/", PV_ERROR_UNREACHABLE, "connection refused");
}

static gpointer
fetch_test_cancel(gpointer data)
{
	Fixture *f = ((gpointer *)data)[0];
	while (g_atomic_int_get(&f->waiting) == 0)
		g_usleep(1000);
	g_cancellable_cancel(((gpointer *)data)[1]);
	return NULL;
}

static void
fetch_test_cancelled(Fixture *f, gconstpointer unused)
{
	g_autoptr(PvFetch) fetch = fetch_test_new_plain(f);
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	g_autofree char *url = g_strconcat(f->base, "/slow", NULL);
	g_auto(PvFetchReply) reply = { 0 };
	g_autoptr(GError) error = NULL;
	gpointer data[] = { f, cancellable };
	GThread *thread = g_thread_new("cancel", fetch_test_cancel, data);
	gint64 start = g_get_monotonic_time();
	g_assert_false(
	    pv_fetch_request(fetch, "GET", url, NULL, NULL, &reply, cancellable, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
	g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * G_USEC_PER_SEC);
	g_thread_join(thread);
	g_clear_error(&error);
	g_assert_false(
	    pv_fetch_request(fetch, "GET", url, NULL, NULL, &reply, cancellable, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
	g_assert_cmpuint(fake_http_get_count(f->http), ==, 1);
}

/* ---- what a caller can do wrong ---- */

static void
fetch_test_options(Fixture *f, gconstpointer unused)
{
	g_autofree char *missing = g_build_filename(f->folder, "missing.pem", NULL);
	g_autofree char *empty = fetch_test_write(f, "empty.pem", g_strdup("nothing\n"));
	const struct {
		PvFetchOptions options;
		const char *reason;
	} rows[] = {
		{ { .trust = missing }, "missing.pem: there is no such file" },
		{ { .trust = empty }, "empty.pem: there is no certificate in PEM" },
		{ { .certificate = missing }, "load identity" },
		{ { .certificate = f->root_path }, "there is no private key" },
		{ { .certificate = f->client_path, .key = missing }, "load identity" },
		{ { .user = "amt" }, "there is no password" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(pv_fetch_new(&rows[i].options, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		if (strstr(error->message, rows[i].reason) == NULL)
			g_error("\"%s\" lacks \"%s\"", error->message, rows[i].reason);
	}
}

static void
fetch_test_requests(Fixture *f, gconstpointer unused)
{
	static const char *const urls[] = { "ftp://localhost/", "file:///etc/passwd", "localhost",
		"https://user:secret@localhost/", "", "https://", "https://local host/" };
	g_autoptr(PvFetch) fetch = fetch_test_new_plain(f);
	for (gsize i = 0; i < G_N_ELEMENTS(urls); i++) {
		g_autoptr(GError) error = NULL;
		g_auto(PvFetchReply) reply = { 0 };
		g_assert_false(
		    pv_fetch_request(fetch, "GET", urls[i], NULL, NULL, &reply, NULL, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_null(strstr(error->message, "secret"));
	}
	const char *const headers[] = { "A: b\r\nEvil: c", NULL };
	g_autofree char *url = g_strconcat(f->base, "/", NULL);
	g_autoptr(GError) error = NULL;
	g_auto(PvFetchReply) reply = { 0 };
	g_assert_false(pv_fetch_request(fetch, "GET", url, headers, NULL, &reply, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_cmpuint(fake_http_get_count(f->http), ==, 0);
	/* a proxy in the environment is not asked */
	g_setenv("https_proxy", "http://127.0.0.1:1", TRUE);
	fetch_test_get(f, fetch, "/", &reply);
	g_unsetenv("https_proxy");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	pv_net_init();
#define ADD(path, function) \
	g_test_add(path, Fixture, NULL, fetch_test_set_up, function, fetch_test_tear_down)
	ADD("/net/fetch/works", fetch_test_works);
	ADD("/net/fetch/waits", fetch_test_waits);
	ADD("/net/fetch/redirect", fetch_test_redirect);
	ADD("/net/fetch/untrusted", fetch_test_untrusted);
	ADD("/net/fetch/anchors", fetch_test_anchors);
	ADD("/net/fetch/old-tls", fetch_test_old_tls);
	ADD("/net/fetch/client", fetch_test_client);
	ADD("/net/fetch/login", fetch_test_login);
	ADD("/net/fetch/login-in-clear", fetch_test_login_in_clear);
	ADD("/net/fetch/broken", fetch_test_broken);
	ADD("/net/fetch/cancelled", fetch_test_cancelled);
	ADD("/net/fetch/options", fetch_test_options);
	ADD("/net/fetch/requests", fetch_test_requests);
	return g_test_run();
}
