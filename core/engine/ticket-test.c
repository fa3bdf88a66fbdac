/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/job-private.h"

#include <string.h>

#include "core/store/store-fixture.h"
#include "tests/lib/fake-http.h"
#include "tests/lib/fake-pki.h"
#include "tests/lib/test-kdc.h"

/* What a job makes of a device that takes a ticket or not: a real KDC, and a device over TLS with a key of its own. */

#define UUID "4c4c4544-0042-3010-8051-b4c04f4e3332"
#define HOST "pc1.example.com"

typedef struct {
	PvStoreFixture store;
	TestKdc *kdc; /* NULL: not installed */
	const char *missing;
	PvSite *site;
	PvDeviceRow row;
	FakeCert *root, *cert;
	SSL_CTX *tls;
	FakeHttp *http;
	PvKerberos *kerberos; /* the service's */
	PvJob *job;
	char *service;
	char *keytab; /* the device's keys */
	char *said; /* last progress */

	/* the device */
	guint
	    stranger; /* what it says to a good ticket of nobody it knows: 401 or 403; 0: it knows everybody */
	gint64 clock_sec; /* ahead of ours */
	guint key_version;
	guint tickets, passwords; /* that were sent to it */
} Fixture;

static gboolean
test_device_answer(
    FakeHttpConnection *connection, const Fixture *f, const char *request, const char *token)
{
	g_autofree char *proof =
	    token != NULL ? g_strdup_printf("WWW-Authenticate: Negotiate %s\r\n", token) : NULL;
	g_autofree char *headers =
	    g_strconcat("Content-Type: application/soap+xml\r\n", proof, NULL);
	g_autofree char *body = NULL;
	if (strstr(request, "GetLowAccuracyTimeSynch") != NULL)
		body = g_strdup_printf(
		    "<g:GetLowAccuracyTimeSynch_OUTPUT xmlns:g=\"http://intel.com/wbem/wscim/1/"
		    "amt-schema/1/AMT_TimeSynchronizationService\"><g:Ta0>%" G_GINT64_FORMAT
		    "</g:Ta0><g:ReturnValue>0</g:ReturnValue></g:GetLowAccuracyTimeSynch_OUTPUT>",
		    g_get_real_time() / G_USEC_PER_SEC + f->clock_sec);
	else if (strstr(request, "AMT_KerberosSettingData") != NULL)
		body = g_strdup_printf(
		    "<g:AMT_KerberosSettingData xmlns:g=\"http://intel.com/wbem/wscim/1/amt-schema/"
		    "1/AMT_KerberosSettingData\"><g:KeyVersion>%u</g:KeyVersion>"
		    "<g:KrbEnabled>true</g:KrbEnabled></g:AMT_KerberosSettingData>",
		    f->key_version);
	else
		body = g_strdup(
		    "<g:AMT_GeneralSettings xmlns:g=\"http://intel.com/wbem/wscim/1/amt-schema/1/"
		    "AMT_GeneralSettings\"/>");
	g_autofree char *envelope = g_strdup_printf(
	    "<a:Envelope xmlns:a=\"http://www.w3.org/2003/05/soap-envelope\"><a:Body>%s</a:Body>"
	    "</a:Envelope>",
	    body);
	return fake_http_reply(connection, 200, headers, envelope);
}

static gboolean
test_device_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	static const char challenge[] = "WWW-Authenticate: Negotiate\r\n"
					"WWW-Authenticate: Digest realm=\"Digest:1\", "
					"nonce=\"1\", qop=\"auth\"\r\n";
	Fixture *f = data;
	const char *value = request->authorization;
	if (value != NULL && g_str_has_prefix(value, "Digest ")) {
		f->passwords++;
		return test_device_answer(connection, f, request->body, NULL);
	}
	if (value == NULL || !g_str_has_prefix(value, "Negotiate "))
		return fake_http_reply(connection, 401, challenge, "");
	f->tickets++;
	gsize length = 0;
	g_autofree char *who = NULL;
	guchar *bytes = g_base64_decode(value + strlen("Negotiate "), &length);
	g_autoptr(GBytes) token = g_bytes_new_take(bytes, length);
	g_autoptr(GBytes) answer = test_kdc_accept(f->keytab, token, NULL, &who);
	if (answer == NULL || ABS(f->clock_sec) > 300 || f->stranger != 0)
		return fake_http_reply(connection,
		    answer != NULL && f->clock_sec == 0 ? f->stranger : 401, challenge, "");
	gsize size = 0;
	const guint8 *proof = g_bytes_get_data(answer, &size);
	g_autofree char *encoded = g_base64_encode(proof, size);
	return test_device_answer(connection, f, request->body, encoded);
}

static void
test_progress(const char *text, gpointer data)
{
	Fixture *f = data;
	g_free(f->said);
	f->said = g_strdup(text);
	g_test_message("progress: %s", text);
}

static void
test_put_secret(Fixture *f, const char *name, const char *state, const char *value)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) secret = pv_secret_new(value, -1);
	g_assert_true(pv_db_put_secret(f->store.db, UUID, name, state, secret, &error));
	g_assert_no_error(error);
}

/* Gives the device the key that the KDC has now. */
static void
test_give_key(Fixture *f)
{
	(void)remove(f->keytab);
	g_free(f->keytab);
	f->keytab = test_kdc_export(f->kdc, f->service);
}

static void
test_start_device(Fixture *f)
{
	f->root = fake_cert_new(&(FakeCertSpec) { .common_name = "Site Root", .is_ca = TRUE });
	f->cert = fake_cert_new(&(FakeCertSpec) {
	    .common_name = HOST, .dns_name = HOST, .ekus = "serverAuth", .issuer = f->root });
	f->tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(f->tls, f->cert->certificate);
	SSL_CTX_use_PrivateKey(f->tls, f->cert->key);
	f->http = fake_http_new(f->tls, test_device_handle, f);
}

static void
test_make_site(Fixture *f)
{
	g_autoptr(GError) error = NULL;
	f->row = (PvDeviceRow) { .uuid = (char *)UUID,
		.name = (char *)"pc1",
		.fqdn = (char *)"PC1.example.com",
		.address = (char *)"127.0.0.1",
		.status = (char *)"Provisioned" };
	f->site = g_new0(PvSite, 1);
	f->site->file = (char *)"site.json";
	f->site->db = f->store.db;
	f->site->identities = g_ptr_array_new();
	f->site->candidates = g_ptr_array_new();
	f->site->groups = g_hash_table_new(g_str_hash, g_str_equal);
	f->site->login_attempts = 4;
	f->site->device_port = fake_http_get_port(f->http);
	g_autoptr(GPtrArray) anchors =
	    g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(anchors, fake_cert_dup_der(f->root));
	g_autoptr(PvTrust) trust = pv_trust_new(anchors, &error);
	g_assert_no_error(error);
	f->site->trust = pv_site_trust_new_fixed(trust);
}

static void
test_log_in(Fixture *f)
{
	g_autoptr(GError) error = NULL;
	const char *kdcs[] = { f->kdc->address, NULL };
	g_autoptr(PvSecret) secret = pv_secret_new("Secret-1", -1);
	const PvKerberosLogin login = {
		.realm = f->kdc->realm, .principal = "svc", .password = secret, .kdcs = kdcs
	};
	f->kerberos = pv_kerberos_login(&login, NULL, &error);
	g_assert_no_error(error);
	f->site->kerberos = pv_site_kerberos_new_fixed(f->kerberos);
}

static void
test_new_job(Fixture *f)
{
	pv_job_free(f->job);
	GHashTable *facts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_hash_table_insert(facts, g_strdup("amt.state"), g_strdup("operational"));
	g_autofree char *salt = g_strdup_printf("EXAMPLE.COMHTTP%s:%u", HOST, f->site->device_port);
	g_hash_table_insert(facts, g_strdup("account.salt"), g_steal_pointer(&salt));
	f->job = pv_job_new(f->site, &f->row, facts, NULL);
	pv_job_set_progress(f->job, test_progress, f);
	g_clear_pointer(&f->said, g_free);
	f->tickets = 0;
	f->passwords = 0;
}

static void
test_set_up(Fixture *f, gconstpointer data)
{
	f->kdc = test_kdc_new("EXAMPLE.COM", NULL, &f->missing);
	pv_net_init();
	pv_store_fixture_set_up(&f->store, NULL);
	pv_store_fixture_add_device(f->store.db, UUID, "pc1");
	test_start_device(f);
	test_make_site(f);
	if (f->kdc == NULL)
		return;
	f->service = g_strdup_printf("HTTP/" HOST ":%u", f->site->device_port);
	test_kdc_command(f->kdc, "addprinc -pw Secret-1 svc");
	test_kdc_command(f->kdc, "addprinc -pw Account-1 %s", f->service);
	f->keytab = test_kdc_export(f->kdc, f->service);
	f->key_version = 1;
	test_put_secret(f, "admin", "current", "P@ssw0rd");
	test_put_secret(f, "account", "current", "Account-1");
	test_log_in(f);
	test_new_job(f);
}

static void
test_tear_down(Fixture *f, gconstpointer data)
{
	pv_job_free(f->job);
	pv_site_kerberos_free(f->site->kerberos);
	pv_kerberos_unref(f->kerberos);
	fake_http_free(f->http);
	SSL_CTX_free(f->tls);
	fake_cert_free(f->root);
	fake_cert_free(f->cert);
	g_hash_table_unref(f->site->groups);
	g_ptr_array_unref(f->site->identities);
	g_ptr_array_unref(f->site->candidates);
	pv_site_trust_free(f->site->trust);
	g_free(f->site);
	pv_store_fixture_tear_down(&f->store, NULL);
	test_kdc_free(f->kdc);
	g_free(f->service);
	g_free(f->keytab);
	g_free(f->said);
}

static gboolean
test_may_run(const Fixture *f)
{
	if (f->kdc != NULL)
		return TRUE;
	if (g_strcmp0(g_getenv("PV_TEST_REQUIRE"), "1") == 0)
		g_error("missing: %s", f->missing);
	g_test_skip(f->missing);
	return FALSE;
}

static void
test_says(const char *text, const char *words)
{
	if (text == NULL || strstr(text, words) == NULL)
		g_error("\"%s\" does not say \"%s\"", text != NULL ? text : "", words);
}

static void
test_fails(const GError *error, PvError code, const char *words)
{
	g_assert_error(error, PV_ERROR, (gint)code);
	g_test_message("%s", error->message);
	test_says(error->message, words);
}

static gboolean
test_prove(Fixture *f, const char *password, GError **error)
{
	g_autoptr(PvSecret) secret = pv_secret_new(password, -1);
	return pv_job_prove_account_key(f->job, secret, error);
}

static void
test_proved(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	if (!test_may_run(f))
		return;
	g_assert_true(test_prove(f, "Account-1", &error));
	g_assert_no_error(error);
	test_says(f->said, "a ticket for HTTP/" HOST);
	g_assert_cmpuint(f->tickets, ==, 1);
	g_assert_cmpuint(f->passwords, ==, 0);
	/* the former key's ticket is not in the way */
	test_kdc_command(f->kdc, "cpw -pw Account-2 %s", f->service);
	test_give_key(f);
	f->key_version = 2;
	g_assert_true(test_prove(f, "Account-2", &error));
	g_assert_no_error(error);
	g_assert_cmpuint(f->tickets, ==, 2);
}

/* Nobody whom it knows is no wrong key, however it says so. */
static void
test_stranger(Fixture *f, gconstpointer data)
{
	static const guint statuses[] = { 401, 403 };
	if (!test_may_run(f))
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(statuses); i++) {
		g_autoptr(GError) error = NULL;
		f->stranger = statuses[i];
		test_new_job(f);
		g_assert_true(test_prove(f, "Account-1", &error));
		g_assert_no_error(error);
		test_says(f->said, statuses[i] == 401 ? "it has no access entry for svc@EXAMPLE.COM"
						      : "a ticket for HTTP/" HOST);
	}
}

static void
test_wrong_key(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	if (!test_may_run(f))
		return;
	test_kdc_command(f->kdc, "cpw -pw Account-2 %s", f->service);
	g_assert_false(test_prove(f, "Account-2", &error));
	test_fails(error, PV_ERROR_REJECTED,
	    "try the new key: the device refused a ticket with its new key: the device has key "
	    "version 1, and the directory 2");
}

static void
test_wrong_clock(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	if (!test_may_run(f))
		return;
	f->clock_sec = 600;
	g_assert_false(test_prove(f, "Account-1", &error));
	test_fails(error, PV_ERROR_REJECTED, "clock skew: the device's clock says ");
}

/* A KDC that is behind is waited for; one that has a key of nobody's is not. */
static void
test_directory(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	if (!test_may_run(f))
		return;
	g_assert_false(test_prove(f, "Account-2", &error));
	test_fails(error, PV_ERROR_PENDING, "the KDC still seals tickets for ");
	g_assert_cmpuint(pv_job_get_wait_sec(f->job), >, 0);
	g_clear_error(&error);
	test_kdc_command(f->kdc, "cpw -pw Somebody-1 %s", f->service);
	g_assert_false(test_prove(f, "Account-2", &error));
	test_fails(
	    error, PV_ERROR_REJECTED, "are not sealed with the key of the account's password");
	g_clear_error(&error);
	test_kdc_command(f->kdc, "delprinc -force %s", f->service);
	g_assert_false(test_prove(f, "Account-2", &error));
	test_fails(error, PV_ERROR_CONFIG, "no account has that service name");
	g_assert_cmpuint(f->tickets, ==, 0);
}

static void
test_no_directory(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	if (!test_may_run(f))
		return;
	pv_site_kerberos_free(f->site->kerberos);
	f->site->kerberos = pv_site_kerberos_new();
	g_assert_true(test_prove(f, "Account-1", &error));
	g_assert_no_error(error);
	test_says(f->said, "the new key is not tried");
}

/* The site's own session: by ticket, and by password where there is one to prove or the ticket is not taken. */
static void
test_session(Fixture *f, gconstpointer data)
{
	static const struct {
		guint stranger;
		gboolean pending;
		const char *user;
	} cases[] = { { 0, FALSE, "svc@EXAMPLE.COM" }, { 401, FALSE, "admin" },
		{ 0, TRUE, "admin" } };
	if (!test_may_run(f))
		return;
	f->site->login_kerberos = TRUE;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		f->stranger = cases[i].stranger;
		if (cases[i].pending)
			test_put_secret(f, "admin", "pending", "P@ssw0rd2");
		test_new_job(f);
		PvWsman *amt = pv_job_get_wsman(f->job, &error);
		g_assert_no_error(error);
		g_autoptr(PvInstance) settings =
		    pv_wsman_get(amt, "AMT_GeneralSettings", NULL, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(pv_wsman_get_user(amt), ==, cases[i].user);
	}
}

/* A person's ticket. */
static void
test_person(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	PvTicketState state = PV_TICKET_UNTRIED;
	if (!test_may_run(f))
		return;
	g_assert_true(pv_job_try_ticket(f->job, f->kerberos, &state, &error));
	g_assert_no_error(error);
	g_assert_cmpint(state, ==, PV_TICKET_ACCEPTED);
	/* his ticket is of the former key, and the KDC has nothing newer for him: the device is ahead */
	test_kdc_command(f->kdc, "cpw -pw Account-2 %s", f->service);
	test_give_key(f);
	test_kdc_command(f->kdc, "cpw -pw Account-1 %s", f->service);
	f->key_version = 7;
	g_assert_false(pv_job_try_ticket(f->job, f->kerberos, &state, &error));
	test_fails(error, PV_ERROR_REJECTED,
	    "log in by Kerberos as svc@EXAMPLE.COM: the device refused the ticket: the device has "
	    "key version 7, and the ticket is of version 3: it is old");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_setenv("KRB5_CONFIG", "/nonexistent/krb5.conf", TRUE);
	static const struct {
		const char *path;
		void (*run)(Fixture *f, gconstpointer data);
	} cases[] = {
		{ "/requirements/S12-11.3/key/proved", test_proved },
		{ "/requirements/S12-11.3/key/stranger", test_stranger },
		{ "/requirements/S12-11.3/key/wrong-key", test_wrong_key },
		{ "/requirements/S12-11.3/key/wrong-clock", test_wrong_clock },
		{ "/requirements/S12-11.3/key/directory", test_directory },
		{ "/engine/ticket/no-directory", test_no_directory },
		{ "/engine/ticket/session", test_session },
		{ "/engine/ticket/person", test_person },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
		g_test_add(cases[i].path, Fixture, NULL, test_set_up, cases[i].run, test_tear_down);
	return g_test_run();
}
