/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/psk.h"

#include "core/net/http.h"
#include "tests/lib/fake-http.h"
#include "tests/lib/fake-pki.h"

#include <provost/error.h>

#include <string.h>

/* the example of Intel AMT SDK, "PID-PPS Checksum" */
#define PID "0000037M"
#define PPS "NKLDG5DCRRNQE9YZZIJL7LFLVJED69XJ"

static PvSecret *
parse_pps(const char *text, GError **error)
{
	g_autoptr(PvSecret) raw = pv_secret_new(text, -1);
	return pv_psk_parse_pps(raw, error);
}

static void
test_documented_pair(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *pid = pv_psk_parse_pid("0000-037m", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pid, ==, PID);
	g_autoptr(PvSecret) pps = parse_pps("NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XJ", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_secret_peek(pps, NULL), ==, PPS);
	g_autofree char *name = pv_psk_dup_secret_name(pid);
	g_assert_cmpstr(name, ==, "psk." PID);
}

static void
test_slips(void)
{
	static const struct {
		const char *text, *part;
	} pids[] = {
		{ "0000-037N", "does not check" },
		{ "0000-073M", NULL }, /* a sum does not see two characters change places */
		{ "0000-038M", "does not check" },
		{ "0000-037", "too short" },
		{ "0000-037MM", "too long" },
		{ "0000 037M", "only A-Z" },
		{ "", "too short" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(pids); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *pid = pv_psk_parse_pid(pids[i].text, &error);
		g_assert_cmpint(pid != NULL, ==, pids[i].part == NULL);
		if (pids[i].part == NULL)
			continue;
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_nonnull(strstr(error->message, pids[i].part));
	}
	static const struct {
		const char *text, *part;
	} keys[] = {
		{ "NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XK", "group 8" },
		{ "NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69X", "too short" },
		{ "NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XJ0", "too long" },
		{ "NKLD_G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XJ", "only A-Z" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(parse_pps(keys[i].text, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_nonnull(strstr(error->message, keys[i].part));
		g_assert_null(strstr(error->message, "NKLD"));
	}
}

static void
test_new_pairs(void)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < 200; i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(PvSecret) pps = NULL;
		char *pid = NULL;
		g_assert_true(pv_psk_new(&pid, &pps, &error));
		g_assert_no_error(error);
		/* what is made is what is taken */
		g_autofree char *again = pv_psk_parse_pid(pid, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(again, ==, pid);
		g_autoptr(PvSecret) same = pv_psk_parse_pps(pps, &error);
		g_assert_no_error(error);
		g_assert_true(pv_secret_equal(same, pps));
		g_assert_true(g_hash_table_add(seen, pid));
		g_assert_true(g_hash_table_add(seen, g_strdup(pv_secret_peek(pps, NULL))));
	}
}

/* ---- the connection ---- */

typedef struct {
	SSL_CTX *tls;
	FakeHttp *http;
	PvSecret *pps;
	FakeCert *root, *cert;
	PvTrust *trust;
	const char *key; /* what the device has; set before the first connection */
} Fixture;

static gboolean
psk_test_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	return fake_http_reply(connection, 200, NULL, "hello");
}

static unsigned int
psk_test_find_key(SSL *ssl, const char *identity, unsigned char *key, unsigned int key_bytes)
{
	const Fixture *f = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	if (g_strcmp0(identity, PID) != 0 || strlen(f->key) > key_bytes)
		return 0;
	memcpy(key, f->key, strlen(f->key));
	return (unsigned int)strlen(f->key);
}

static void
psk_test_set_up(Fixture *f, gconstpointer data)
{
	f->key = PPS;
	f->pps = pv_secret_new(PPS, -1);
	f->tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_app_data(f->tls, f);
	SSL_CTX_set_security_level(f->tls, 0);
	SSL_CTX_set_min_proto_version(f->tls, TLS1_VERSION);
	f->root = fake_cert_new(&(FakeCertSpec) { .common_name = "Site Root", .is_ca = TRUE });
	f->cert = fake_cert_new(&(FakeCertSpec) { .common_name = "pc1.example.com",
	    .dns_name = "pc1.example.com",
	    .ekus = "serverAuth",
	    .issuer = f->root });
	g_autoptr(GPtrArray) anchors = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(anchors, fake_cert_dup_der(f->root));
	f->trust = pv_trust_new(anchors, NULL);
	f->http = fake_http_new(f->tls, psk_test_handle, f);
}

static void
psk_test_tear_down(Fixture *f, gconstpointer data)
{
	fake_http_free(f->http);
	SSL_CTX_free(f->tls);
	pv_secret_unref(f->pps);
	pv_trust_unref(f->trust);
	fake_cert_free(f->root);
	fake_cert_free(f->cert);
}

static PvHttp *
psk_test_new_session(Fixture *f, PvTrust *trust)
{
	const PvHttpOptions options = { .address = "127.0.0.1",
		.port = fake_http_get_port(f->http),
		.tls = TRUE,
		.policy = PV_TLS_LEGACY,
		.trust = trust,
		.peer_name = "pc1.example.com",
		.psk_identity = PID,
		.psk = f->pps };
	return pv_http_new(&options, NULL);
}

static gboolean
psk_test_ask(PvHttp *http, GError **error)
{
	PvHttpReply reply;
	PvHttpFate fate;
	return pv_http_request(http, "/", NULL, NULL, 0, &reply, &fate, error);
}

/* as the oldest firmware: TLS 1.0 and one suite */
static void
test_connection(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	SSL_CTX_set_psk_server_callback(f->tls, psk_test_find_key);
	SSL_CTX_set_max_proto_version(f->tls, TLS1_VERSION);
	g_assert_cmpint(SSL_CTX_set_cipher_list(f->tls, "PSK-AES128-CBC-SHA:@SECLEVEL=0"), ==, 1);
	g_autoptr(PvHttp) http = psk_test_new_session(f, NULL);
	g_assert_true(psk_test_ask(http, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(pv_http_get_fingerprint(http), ==, "psk:" PID);
	g_assert_false(pv_http_is_verified(http));
	g_assert_cmpuint(fake_http_get_count(f->http), ==, 1);
}

static void
test_wrong_key(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	f->key = "0000000000000000000000000000000B";
	SSL_CTX_set_psk_server_callback(f->tls, psk_test_find_key);
	SSL_CTX_set_max_proto_version(f->tls, TLS1_2_VERSION);
	g_autoptr(PvHttp) http = psk_test_new_session(f, NULL);
	g_assert_false(psk_test_ask(http, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_AUTH);
	g_assert_nonnull(strstr(error->message, "PID " PID));
	g_assert_null(strstr(error->message, "NKLD"));
	g_assert_cmpuint(fake_http_get_count(f->http), ==, 0);
}

/* A device that shows a certificate has not shown that it knows the key. */
static void
test_certificate(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	SSL_CTX_use_certificate(f->tls, f->cert->certificate);
	SSL_CTX_use_PrivateKey(f->tls, f->cert->key);
	g_autoptr(PvHttp) none = psk_test_new_session(f, NULL);
	g_assert_false(psk_test_ask(none, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, "has it PID and PPS?"));
	g_clear_error(&error);
	/* one of the site's CA for its name is as good */
	g_autoptr(PvHttp) trusting = psk_test_new_session(f, f->trust);
	g_assert_true(psk_test_ask(trusting, &error));
	g_assert_no_error(error);
	g_assert_true(pv_http_is_verified(trusting));
}

static void
test_foreign_certificate(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(FakeCert) stranger = fake_cert_new(&(FakeCertSpec) {
	    .common_name = "pc1.example.com", .dns_name = "pc1.example.com", .ekus = "serverAuth" });
	SSL_CTX_use_certificate(f->tls, stranger->certificate);
	SSL_CTX_use_PrivateKey(f->tls, stranger->key);
	g_autoptr(PvHttp) http = psk_test_new_session(f, f->trust);
	g_assert_false(psk_test_ask(http, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_AUTH);
	g_assert_cmpuint(fake_http_get_count(f->http), ==, 0);
}

/* offered both, a device that has both is asked for the key first */
static void
test_both(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	SSL_CTX_set_psk_server_callback(f->tls, psk_test_find_key);
	SSL_CTX_use_certificate(f->tls, f->cert->certificate);
	SSL_CTX_use_PrivateKey(f->tls, f->cert->key);
	g_autoptr(PvHttp) http = psk_test_new_session(f, f->trust);
	g_assert_true(psk_test_ask(http, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(pv_http_get_fingerprint(http), ==, "psk:" PID);
}

static void
add(const char *path, void (*test)(Fixture *, gconstpointer))
{
	g_test_add(path, Fixture, NULL, psk_test_set_up, test, psk_test_tear_down);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	pv_net_init();
	g_test_add_func("/amt/psk/documented-pair", test_documented_pair);
	g_test_add_func("/amt/psk/slips", test_slips);
	g_test_add_func("/amt/psk/new-pairs", test_new_pairs);
	add("/amt/psk/connection", test_connection);
	add("/amt/psk/wrong-key", test_wrong_key);
	add("/amt/psk/certificate", test_certificate);
	add("/amt/psk/foreign-certificate", test_foreign_certificate);
	add("/amt/psk/both", test_both);
	return g_test_run();
}
