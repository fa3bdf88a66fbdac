/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/http.h"

#include "tests/lib/fake-http.h"
#include "tests/lib/fake-pki.h"

#include <provost/error.h>

#include <string.h>

/* a TLS device and a client with a provisioning certificate */
typedef struct {
	FakeCert *root; /* of the site */
	FakeCert *device; /* pc1.example.com, by the root */
	FakeCert *self; /* what a device in set-up shows */
	FakeCert *own_root; /* of our own certificate */
	FakeCert *own_middle;
	FakeCert *own;
	PvTrust *trust;
	PvIdentity *identity;
	FakeHttp *http;
	SSL_CTX *tls;
	guint chain_length; /* certificates that the client showed; read by the server */
	gboolean chain_in_order;
} Fixture;

static gboolean
http_test_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	if (strstr(request->path, "headers") != NULL) {
		g_autofree char *value = g_strnfill(1000, 'x');
		fake_http_send(connection, "HTTP/1.1 200 OK\r\n", -1);
		for (guint i = 0; i < 80; i++) {
			g_autofree char *line = g_strdup_printf("X-%u: %s\r\n", i, value);
			fake_http_send(connection, line, -1);
		}
		return fake_http_send(connection, "\r\n", -1);
	}
	if (strstr(request->path, "redirect") != NULL)
		return fake_http_reply(
		    connection, 302, "Location: /other\r\nSet-Cookie: a=b\r\n", "moved");
	if (strstr(request->path, "chunk") != NULL) {
		fake_http_send(connection,
		    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\nx\r\n", -1);
		return FALSE;
	}
	if (strstr(request->path, "junk") != NULL) {
		fake_http_send(connection, "SSH-2.0-OpenSSH_9.2\r\n", -1);
		return FALSE;
	}
	if (strstr(request->path, "trickle") != NULL) {
		fake_http_send(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", -1);
		while (fake_http_pause(connection, 20) && fake_http_send(connection, "x", 1))
			;
		return FALSE;
	}
	return fake_http_reply(connection, 200,
	    "Server: test\r\nWWW-Authenticate: A\r\nwww-authenticate:B \r\n", "hello");
}

static int
http_test_see_client(X509_STORE_CTX *context, void *data)
{
	Fixture *f = data;
	STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(context);
	f->chain_length = (guint)sk_X509_num(sent);
	f->chain_in_order = f->chain_length == 3 &&
			    X509_cmp(sk_X509_value(sent, 0), f->own->certificate) == 0 &&
			    X509_cmp(sk_X509_value(sent, 1), f->own_middle->certificate) == 0 &&
			    X509_cmp(sk_X509_value(sent, 2), f->own_root->certificate) == 0;
	return 1;
}

static int
http_test_refuse_client(X509_STORE_CTX *context, void *data)
{
	X509_STORE_CTX_set_error(
	    context, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY); /* becomes "unknown CA" */
	return 0;
}

static SSL_CTX *
http_test_new_tls(const FakeCert *cert)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_security_level(tls, 0);
	SSL_CTX_use_certificate(tls, cert->certificate);
	SSL_CTX_use_PrivateKey(tls, cert->key);
	SSL_CTX_set_session_id_context(tls, (const guchar *)"t", 1);
	return tls;
}

static void
http_test_set_up(Fixture *f, gconstpointer unused)
{
	f->root = fake_cert_new(&(FakeCertSpec) { .common_name = "Site Root", .is_ca = TRUE });
	f->device = fake_cert_new(&(FakeCertSpec) {
	    .common_name = "pc1.example.com", .dns_name = "pc1.example.com", .issuer = f->root });
	f->self = fake_cert_new(&(FakeCertSpec) { .common_name = "Intel(r) AMT" });
	f->own_root = fake_cert_new(&(FakeCertSpec) { .common_name = "Own Root", .is_ca = TRUE });
	f->own_middle = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "Own Middle", .is_ca = TRUE, .issuer = f->own_root });
	f->own = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "prov.example.com", .issuer = f->own_middle });
	g_autoptr(GPtrArray) anchors =
	    g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(anchors, fake_cert_dup_der(f->root));
	f->trust = pv_trust_new(anchors, NULL);
	STACK_OF(X509) *list = sk_X509_new_null();
	sk_X509_push(list, f->own_root->certificate);
	sk_X509_push(list, f->own_middle->certificate);
	sk_X509_push(list, f->own->certificate);
	f->identity = pv_identity_new("own", list, f->own->key, NULL);
	sk_X509_free(list);
}

static void
http_test_tear_down(Fixture *f, gconstpointer unused)
{
	fake_http_free(f->http);
	SSL_CTX_free(f->tls);
	pv_trust_unref(f->trust);
	pv_identity_unref(f->identity);
	fake_cert_free(f->root);
	fake_cert_free(f->device);
	fake_cert_free(f->self);
	fake_cert_free(f->own_root);
	fake_cert_free(f->own_middle);
	fake_cert_free(f->own);
}

static void
http_test_serve(Fixture *f, const FakeCert *cert)
{
	g_clear_pointer(&f->http, fake_http_free);
	g_clear_pointer(&f->tls, SSL_CTX_free);
	f->tls = cert != NULL ? http_test_new_tls(cert) : NULL;
	f->http = fake_http_new(f->tls, http_test_handle, f);
}

static PvHttpOptions
http_test_options(Fixture *f)
{
	return (PvHttpOptions) { .address = "127.0.0.1",
		.port = fake_http_get_port(f->http),
		.tls = f->tls != NULL,
		.trust = f->trust,
		.peer_name = "pc1.example.com" };
}

static PvHttp *
http_test_get(const PvHttpOptions *options, const char *path, guint *status, GError **error)
{
	g_autoptr(PvHttp) http = pv_http_new(options, NULL);
	PvHttpReply reply;
	PvHttpFate fate;
	if (!pv_http_request(http, path, NULL, NULL, 0, &reply, &fate, error))
		return NULL;
	if (status != NULL)
		*status = reply.status;
	return g_steal_pointer(&http);
}

static void
http_test_expect_error(
    const PvHttpOptions *options, const char *path, gint code, const char *reason)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvHttp) http = http_test_get(options, path, NULL, &error);
	g_assert_null(http);
	g_assert_nonnull(error);
	if (error->code != code || strstr(error->message, reason) == NULL)
		g_error(
		    "\"%s\" (%s) lacks \"%s\"", error->message, pv_error_get_name(error), reason);
	g_assert_error(error, PV_ERROR, code);
}

/* ---- who the peer is ---- */

static void
http_test_verified(Fixture *f, gconstpointer unused)
{
	http_test_serve(f, f->device);
	PvHttpOptions options = http_test_options(f);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvHttp) http = http_test_get(&options, "/", NULL, &error);
	g_assert_no_error(error);
	g_assert_true(pv_http_is_verified(http));
	g_autofree char *fingerprint = pv_tls_dup_fingerprint(f->device->certificate);
	g_assert_cmpstr(pv_http_get_fingerprint(http), ==, fingerprint);

	/* verified is verified, though set-up would take less */
	options.allow_unverified = TRUE;
	g_autoptr(PvHttp) setup = http_test_get(&options, "/", NULL, NULL);
	g_assert_true(pv_http_is_verified(setup));
	pv_http_close(setup);
	g_assert_null(pv_http_get_fingerprint(setup));
	g_assert_false(pv_http_is_verified(setup));
}

static void
http_test_refused_peers(Fixture *f, gconstpointer unused)
{
	http_test_serve(f, f->device);
	PvHttpOptions options = http_test_options(f);
	options.peer_name = "pc2.example.com";
	g_autofree char *text =
	    g_strdup_printf("connect 127.0.0.1:%u: the certificate is for \"pc1.example.com\" and "
			    "not for \"pc2.example.com\"",
		options.port);
	http_test_expect_error(&options, "/", PV_ERROR_AUTH, text);
	/* nothing to verify with is no reason to accept */
	options.peer_name = NULL;
	http_test_expect_error(&options, "/", PV_ERROR_CONFIG, "no trusted CA or no name");
	options = http_test_options(f);
	options.trust = NULL;
	http_test_expect_error(&options, "/", PV_ERROR_CONFIG, "no trusted CA or no name");
	/* a pin alone accepts nothing, either */
	g_autofree char *fingerprint = pv_tls_dup_fingerprint(f->device->certificate);
	options.pin = fingerprint;
	http_test_expect_error(&options, "/", PV_ERROR_CONFIG, "no trusted CA or no name");
	http_test_serve(f, f->self);
	options = http_test_options(f);
	http_test_expect_error(&options, "/", PV_ERROR_AUTH, "unknown issuer");
	g_autoptr(FakeCert) old = fake_cert_new(&(FakeCertSpec) { .common_name = "pc1.example.com",
	    .issuer = f->root,
	    .from_days = -9,
	    .until_days = -2 });
	http_test_serve(f, old);
	options = http_test_options(f);
	http_test_expect_error(&options, "/", PV_ERROR_AUTH, "certificate has expired on 20");
	g_assert_cmpuint(fake_http_get_count(f->http), ==, 0);
}

/* S12-07.3: in set-up only, with the fingerprint told, and then only that one */
static void
http_test_pinned(Fixture *f, gconstpointer unused)
{
	http_test_serve(f, f->self);
	PvHttpOptions options = http_test_options(f);
	options.allow_unverified = TRUE;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvHttp) http = http_test_get(&options, "/", NULL, &error);
	g_assert_no_error(error);
	g_assert_false(pv_http_is_verified(http));
	g_autofree char *fingerprint = pv_tls_dup_fingerprint(f->self->certificate);
	g_assert_cmpstr(pv_http_get_fingerprint(http), ==, fingerprint);
	options.pin = fingerprint;
	g_autoptr(PvHttp) again = http_test_get(&options, "/", NULL, &error);
	g_assert_no_error(error);
	g_assert_nonnull(again);
	g_autofree char *other = pv_tls_dup_fingerprint(f->device->certificate);
	options.pin = other;
	http_test_expect_error(&options, "/", PV_ERROR_AUTH, "is not the one that was pinned");
}

/* ---- who we are ---- */

static void
http_test_full_chain(Fixture *f, gconstpointer unused)
{
	http_test_serve(f, f->device);
	SSL_CTX_set_verify(f->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(f->tls, http_test_see_client, f);
	PvHttpOptions options = http_test_options(f);
	options.identity = f->identity;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvHttp) http = http_test_get(&options, "/", NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(f->chain_length, ==, 3);
	g_assert_true(f->chain_in_order);
	g_assert_true(pv_http_is_mutual(http));
}

/* who has a certificate does not press it on anybody */
static void
http_test_not_asked(Fixture *f, gconstpointer unused)
{
	http_test_serve(f, f->device);
	PvHttpOptions options = http_test_options(f);
	options.identity = f->identity;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvHttp) http = http_test_get(&options, "/", NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(f->chain_length, ==, 0);
	g_assert_false(pv_http_is_mutual(http));
}

static void
http_test_client_refused(Fixture *f, gconstpointer unused)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
		http_test_serve(f, f->device);
		SSL_CTX_set_max_proto_version(f->tls, versions[i]);
		SSL_CTX_set_min_proto_version(f->tls, versions[i]);
		SSL_CTX_set_verify(f->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		SSL_CTX_set_cert_verify_callback(f->tls, http_test_refuse_client, f);
		PvHttpOptions options = http_test_options(f);
		options.identity = f->identity;
		g_autofree char *text = g_strdup_printf(
		    "connect 127.0.0.1:%u: the device refused our certificate: unknown CA",
		    options.port);
		http_test_expect_error(&options, "/", PV_ERROR_AUTH, text);
		options.identity = NULL;
		http_test_expect_error(&options, "/", PV_ERROR_AUTH,
		    "the device wants a certificate and we present none");
	}
}

/* ---- which TLS ---- */

/* S12-07.2: TLS 1.0 and SHA-1 only under the named policy; the default refuses */
static void
http_test_policy(Fixture *f, gconstpointer unused)
{
	g_autoptr(FakeCert) sha1 = fake_cert_new(&(FakeCertSpec) {
	    .common_name = "pc1.example.com", .issuer = f->root, .sha1 = TRUE, .rsa_bits = 1024 });
	http_test_serve(f, sha1);
	SSL_CTX_set_min_proto_version(f->tls, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(f->tls, TLS1_VERSION);
	PvHttpOptions options = http_test_options(f);
	http_test_expect_error(&options, "/", PV_ERROR_UNSUPPORTED, "policy");
	options.policy = PV_TLS_LEGACY;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvHttp) http = http_test_get(&options, "/", NULL, &error);
	g_assert_no_error(error);
	g_assert_true(pv_http_is_verified(http));

	/* a modern handshake with an old certificate */
	http_test_serve(f, sha1);
	options = http_test_options(f);
	http_test_expect_error(&options, "/", PV_ERROR_AUTH, "too");
	options.allow_unverified = TRUE;
	http_test_expect_error(
	    &options, "/", PV_ERROR_AUTH, "the TLS policy of the device is modern");
	options.policy = PV_TLS_LEGACY;
	g_autoptr(PvHttp) legacy = http_test_get(&options, "/", NULL, &error);
	g_assert_no_error(error);
	g_assert_nonnull(legacy);
}

static void
http_test_no_tls(Fixture *f, gconstpointer unused)
{
	http_test_serve(f, NULL);
	PvHttpOptions options = http_test_options(f);
	options.tls = TRUE;
	options.request_msec = 2000;
	options.connect_msec = 2000;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvHttp) http = http_test_get(&options, "/", NULL, &error);
	g_assert_null(http);
	g_assert_nonnull(error);
	g_assert_true(g_str_has_prefix(error->message, "connect 127.0.0.1:"));
}

/* the connection is kept, and a closed one resumes its TLS session without asking for verification again */
static void
http_test_kept(Fixture *f, gconstpointer unused)
{
	http_test_serve(f, f->device);
	PvHttpOptions options = http_test_options(f);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvHttp) http = pv_http_new(&options, NULL);
	for (guint i = 0; i < 5; i++) {
		PvHttpReply reply;
		PvHttpFate fate;
		g_assert_true(
		    pv_http_request(http, "/wsman", "Digest x", "<a/>", 4, &reply, &fate, &error));
		g_assert_no_error(error);
		g_assert_cmpuint(reply.status, ==, 200);
		g_assert_cmpstr(reply.server, ==, "test");
		g_assert_cmpstr(reply.challenges[0], ==, "A");
		g_assert_cmpstr(reply.challenges[1], ==, "B");
		g_assert_null(reply.challenges[2]);
		g_assert_cmpmem(reply.body, reply.length, "hello", 5);
	}
	g_assert_cmpuint(fake_http_get_connections(f->http), ==, 1);
	const FakeHttpRequest *request = fake_http_get_request(f->http, 4);
	g_assert_cmpstr(request->authorization, ==, "Digest x");
	g_assert_nonnull(
	    strstr(request->headers, "Content-Type: application/soap+xml; charset=UTF-8\r\n"));
	g_assert_null(strstr(request->headers, "Expect"));
	g_assert_null(strstr(request->headers, "User-Agent"));
	pv_http_close(http);
	PvHttpReply reply;
	PvHttpFate fate;
	g_assert_true(pv_http_request(http, "/", NULL, NULL, 0, &reply, &fate, &error));
	g_assert_true(pv_http_is_verified(http));
	g_assert_cmpuint(fake_http_get_connections(f->http), ==, 2);
}

/* ---- what a plain peer can do wrong ---- */

static void
http_test_broken(Fixture *f, gconstpointer unused)
{
	static const struct {
		const char *path;
		gint code;
		const char *reason;
	} rows[] = {
		{ "/headers", PV_ERROR_PROTOCOL, "headers are longer than 64 KiB" },
		{ "/chunk", PV_ERROR_PROTOCOL, "chunks make no sense" },
		{ "/junk", PV_ERROR_PROTOCOL, "does not speak HTTP" },
		{ "/trickle", PV_ERROR_UNREACHABLE, "the answer comes too slowly" },
	};
	http_test_serve(f, NULL);
	PvHttpOptions options = http_test_options(f);
	options.reply_msec = 200;
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
		http_test_expect_error(&options, rows[i].path, rows[i].code, rows[i].reason);
	guint status = 0;
	g_autoptr(PvHttp) http = http_test_get(&options, "/redirect", &status, NULL);
	g_assert_nonnull(http);
	g_assert_cmpuint(status, ==, 302);
	guint count = fake_http_get_count(f->http);
	PvHttpReply reply;
	PvHttpFate fate;
	g_assert_true(pv_http_request(http, "/", NULL, NULL, 0, &reply, &fate, NULL));
	g_assert_cmpuint(fake_http_get_count(f->http), ==, count + 1);
	g_assert_null(strstr(fake_http_get_request(f->http, count)->headers, "Cookie"));
}

static void
http_test_unreachable(Fixture *f, gconstpointer unused)
{
	http_test_serve(f, NULL);
	PvHttpOptions options = http_test_options(f);
	g_clear_pointer(&f->http, fake_http_free);
	g_autofree char *text =
	    g_strdup_printf("connect 127.0.0.1:%u: connection refused", options.port);
	http_test_expect_error(&options, "/", PV_ERROR_UNREACHABLE, text);
	options.address = "::1";
	text = (g_free(text), g_strdup_printf("connect [::1]:%u: ", options.port));
	http_test_expect_error(&options, "/", PV_ERROR_UNREACHABLE, text);
	options.address = "no-such-host.invalid";
	http_test_expect_error(
	    &options, "/", PV_ERROR_UNREACHABLE, "connect no-such-host.invalid:");
	/* a proxy in the environment is not asked */
	g_setenv("http_proxy", "http://127.0.0.1:1", TRUE);
	http_test_serve(f, NULL);
	options = http_test_options(f);
	g_autoptr(PvHttp) http = http_test_get(&options, "/", NULL, NULL);
	g_assert_nonnull(http);
	g_unsetenv("http_proxy");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	pv_net_init();
#define ADD(path, function) \
	g_test_add(path, Fixture, NULL, http_test_set_up, function, http_test_tear_down)
	ADD("/net/http/verified", http_test_verified);
	ADD("/net/http/refused-peers", http_test_refused_peers);
	ADD("/requirements/S12-07.3/pinned", http_test_pinned);
	ADD("/requirements/S12-07.5/full-chain", http_test_full_chain);
	ADD("/net/http/certificate-not-asked-for", http_test_not_asked);
	ADD("/net/http/client-refused", http_test_client_refused);
	ADD("/requirements/S12-07.2/policy", http_test_policy);
	ADD("/net/http/no-tls", http_test_no_tls);
	ADD("/net/http/kept", http_test_kept);
	ADD("/net/http/broken", http_test_broken);
	ADD("/net/http/unreachable", http_test_unreachable);
	return g_test_run();
}
