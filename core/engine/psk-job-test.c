/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/job.h"

#include <string.h>

#include "core/store/store-fixture.h"
#include "tests/lib/fake-http.h"
#include "tests/lib/fake-pki.h"

/* How a job dials a device that is set up by pre-shared key, from the hello to the certificate. */

#define UUID "4c4c4544-0042-3010-8051-b4c04f4e3332"
#define PID "0000037M"
#define PPS "NKLDG5DCRRNQE9YZZIJL7LFLVJED69XJ"

typedef struct {
	PvStoreFixture store;
	PvGroup group;
	PvSite *site;
	PvDeviceRow row;
	FakeCert *root, *cert;
	SSL_CTX *tls;
	FakeHttp *http;
	GHashTable *facts; /* of the next job */
	const char *identity, *key; /* that the device takes */
} Fixture;

static gboolean
psk_job_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	(void)fake_http_reply(connection, 200, "Connection: close\r\n", "hello"); /* the client tells */
	return FALSE;
}

static unsigned int
psk_job_find_key(SSL *ssl, const char *identity, unsigned char *key, unsigned int key_bytes)
{
	const Fixture *f = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	if (g_strcmp0(identity, f->identity) != 0 || strlen(f->key) > key_bytes)
		return 0;
	memcpy(key, f->key, strlen(f->key));
	return (unsigned int)strlen(f->key);
}

static void
psk_job_start_device(Fixture *f)
{
	f->identity = PID;
	f->key = PPS;
	f->tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_app_data(f->tls, f);
	SSL_CTX_set_security_level(f->tls, 0);
	SSL_CTX_set_min_proto_version(f->tls, TLS1_VERSION);
	SSL_CTX_set_psk_server_callback(f->tls, psk_job_find_key);
	f->root = fake_cert_new(&(FakeCertSpec) { .common_name = "Site Root", .is_ca = TRUE });
	f->cert = fake_cert_new(&(FakeCertSpec) { .common_name = "pc1.example.com",
	    .dns_name = "pc1.example.com",
	    .ekus = "serverAuth",
	    .issuer = f->root });
	f->http = fake_http_new(f->tls, psk_job_handle, f);
}

static void
psk_job_set_up(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	pv_net_init();
	pv_store_fixture_set_up(&f->store, NULL);
	pv_store_fixture_add_device(f->store.db, UUID, "pc1");
	psk_job_start_device(f);
	f->group = (PvGroup) { .name = (char *)"old", .tls = PV_TLS_LEGACY };
	f->row = (PvDeviceRow) { .uuid = (char *)UUID,
		.name = (char *)"pc1",
		.fqdn = (char *)"pc1.example.com",
		.address = (char *)"127.0.0.1",
		.group = f->group.name,
		.status = (char *)"Unknown" };
	f->site = g_new0(PvSite, 1);
	f->site->file = (char *)"site.json";
	f->site->db = f->store.db;
	f->site->identities = g_ptr_array_new();
	f->site->candidates = g_ptr_array_new();
	f->site->groups = g_hash_table_new(g_str_hash, g_str_equal);
	g_hash_table_insert(f->site->groups, f->group.name, &f->group);
	f->site->device_port = fake_http_get_port(f->http);
	g_autoptr(GPtrArray) anchors = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(anchors, fake_cert_dup_der(f->root));
	g_autoptr(PvTrust) trust = pv_trust_new(anchors, &error);
	g_assert_no_error(error);
	f->site->trust = pv_site_trust_new_fixed(trust);
	f->facts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_hash_table_insert(f->facts, g_strdup("tls.mode"), g_strdup("psk"));
	g_hash_table_insert(f->facts, g_strdup("hello.pid"), g_strdup(PID));
}

static void
psk_job_tear_down(Fixture *f, gconstpointer data)
{
	fake_http_free(f->http);
	SSL_CTX_free(f->tls);
	fake_cert_free(f->root);
	fake_cert_free(f->cert);
	g_hash_table_unref(f->facts);
	g_hash_table_unref(f->site->groups);
	g_ptr_array_unref(f->site->identities);
	g_ptr_array_unref(f->site->candidates);
	pv_site_trust_free(f->site->trust);
	g_free(f->site);
	pv_store_fixture_tear_down(&f->store, NULL);
}

static void
psk_job_set_fact(Fixture *f, const char *name, const char *value)
{
	g_hash_table_insert(f->facts, g_strdup(name), g_strdup(value));
}

/* Dials in a new job; NULL: refused, else whom it met. (transfer full) */
static char *
psk_job_dial(Fixture *f, gboolean *verified, GError **error)
{
	g_autoptr(PvJob) job = pv_job_new(f->site, &f->row, g_hash_table_ref(f->facts), NULL);
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL || !pv_wsman_connect(amt, error))
		return NULL;
	*verified = pv_wsman_is_verified(amt);
	return g_strdup(pv_wsman_get_fingerprint(amt));
}

static void
psk_job_expect(Fixture *f, PvError code, const char *part)
{
	g_autoptr(GError) error = NULL;
	gboolean verified = FALSE;
	g_autofree char *met = psk_job_dial(f, &verified, &error);
	g_assert_null(met);
	g_assert_error(error, PV_ERROR, (gint)code);
	if (strstr(error->message, part) == NULL)
		g_error("\"%s\" does not say \"%s\"", error->message, part);
	g_assert_null(strstr(error->message, PPS));
}

static void
psk_job_store_key(Fixture *f, const char *key)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) pps = pv_secret_new(key, -1);
	g_assert_true(pv_db_put_secret(f->store.db, "", "psk." PID, "current", pps, &error));
	g_assert_no_error(error);
}

/* nothing is dialled before all is known that it takes */
static void
test_refused(Fixture *f, gconstpointer data)
{
	psk_job_expect(f, PV_ERROR_CONFIG, "provost psk add " PID);
	psk_job_store_key(f, PPS);
	f->group.tls = PV_TLS_MODERN;
	psk_job_expect(f, PV_ERROR_CONFIG, "\"legacy\"");
	f->row.group = NULL;
	psk_job_expect(f, PV_ERROR_CONFIG, "\"legacy\"");
	f->row.group = f->group.name;
	f->group.tls = PV_TLS_LEGACY;
	psk_job_set_fact(f, "amt.version", "11.0.0");
	psk_job_expect(f, PV_ERROR_UNSUPPORTED, "AMT 11.0.0");
	g_hash_table_remove(f->facts, "amt.version");
	g_hash_table_remove(f->facts, "hello.pid");
	psk_job_expect(f, PV_ERROR_CONFIG, "its PID is not known");
	g_assert_cmpuint(fake_http_get_connections(f->http), ==, 0);
}

static void
test_wrong_key(Fixture *f, gconstpointer data)
{
	psk_job_store_key(f, "NKLDG5DCRRNQE9YZZIJL7LFLVJED68XI");
	psk_job_expect(f, PV_ERROR_AUTH, "refused the pre-shared key of PID " PID);
	g_assert_cmpuint(fake_http_get_count(f->http), ==, 0);
}

static void
test_life(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	gboolean verified = TRUE;
	psk_job_store_key(f, PPS);
	psk_job_set_fact(f, "amt.version", "10.0.55");
	g_autofree char *key = psk_job_dial(f, &verified, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(key, ==, "psk:" PID);
	g_assert_false(verified);

	/* the commit was sent, and the device shows its certificate in place of the key */
	SSL_CTX_set_psk_server_callback(f->tls, NULL);
	SSL_CTX_use_certificate(f->tls, f->cert->certificate);
	SSL_CTX_use_PrivateKey(f->tls, f->cert->key);
	psk_job_expect(f, PV_ERROR_UNSUPPORTED, "pre-shared key");
	psk_job_set_fact(f, "commit.sent", "answered");
	g_autofree char *certificate = psk_job_dial(f, &verified, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(strlen(certificate), ==, 64);
	g_assert_true(verified);

	/* and nothing but that when it is managed, though the facts of its set-up are there still */
	psk_job_set_fact(f, "amt.state", "operational");
	g_autofree char *managed = psk_job_dial(f, &verified, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(managed, ==, certificate);
	SSL_CTX_set_psk_server_callback(f->tls, psk_job_find_key);
	SSL_CTX_set_cipher_list(f->tls, "kPSK:@SECLEVEL=0");
	SSL_CTX_set_max_proto_version(f->tls, TLS1_2_VERSION);
	psk_job_expect(f, PV_ERROR_UNSUPPORTED, "handshake");
}

/* firmware that takes the pair as MEBx shows it */
static void
test_dashed(Fixture *f, gconstpointer data)
{
	static const struct {
		const char *mode, *identity, *key;
	} rows[] = {
		{ "psk", PID, PPS },
		{ "psk dashed-pid", "0000-037M", PPS },
		{ "psk dashed-pps", PID, "NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XJ" },
		{ "psk dashed", "0000-037M", "NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XJ" },
	};
	psk_job_store_key(f, PPS);
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		gboolean verified = FALSE;
		f->identity = rows[i].identity;
		f->key = rows[i].key;
		psk_job_set_fact(f, "tls.mode", rows[i].mode);
		g_autofree char *met = psk_job_dial(f, &verified, &error);
		g_assert_no_error(error);
		g_assert_true(g_str_has_suffix(met, rows[i].identity));
		psk_job_set_fact(f, "tls.mode", rows[(i + 1) % G_N_ELEMENTS(rows)].mode);
		psk_job_expect(f, PV_ERROR_AUTH, "refused the pre-shared key");
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/engine/psk/refused", Fixture, NULL, psk_job_set_up, test_refused, psk_job_tear_down);
	g_test_add("/engine/psk/wrong-key", Fixture, NULL, psk_job_set_up, test_wrong_key, psk_job_tear_down);
	g_test_add("/engine/psk/dashed", Fixture, NULL, psk_job_set_up, test_dashed, psk_job_tear_down);
	g_test_add("/engine/psk/life", Fixture, NULL, psk_job_set_up, test_life, psk_job_tear_down);
	return g_test_run();
}
