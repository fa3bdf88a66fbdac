/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/session.h"

#include "tests/lib/fake-http.h"
#include "tests/lib/test-kdc.h"

#include <provost/error.h>

#include <string.h>

/* Logins of a session by ticket, at a device that has the key of a real KDC's service. */

#define TEST_HOST "pc1.example.com"

/* what the device does */
typedef enum {
	DEVICE_TAKES,
	DEVICE_REFUSES, /* 401, for whatever reason */
	DEVICE_LETS_NOBODY, /* takes the ticket, and says 401 with the proof of its key */
	DEVICE_FORBIDS, /* 403 */
	DEVICE_PROVES_NOTHING, /* takes it, and does not show that it has the key */
	DEVICE_LIES, /* with a token that is none */
	DEVICE_HAS_NO_KERBEROS,
} Device;

typedef struct {
	TestKdc *kdc; /* NULL: not installed */
	const char *missing;
	FakeHttp *http;
	PvKerberos *kerberos;
	PvWsman *wsman;
	char *service;
	char *keytab; /* the device's */
	char *who; /* whose ticket the device took last */
	Device device;
	const char *version; /* in the Server header */
	gboolean one_header; /* both challenges in one */
	guint passwords; /* asked for */
	guint tokens; /* seen by the device */
} Fixture;

static const char test_instance[] =
    "<a:Envelope xmlns:a=\"http://www.w3.org/2003/05/soap-envelope\"><a:Body>"
    "<g:AMT_GeneralSettings "
    "xmlns:g=\"http://intel.com/wbem/wscim/1/amt-schema/1/AMT_GeneralSettings\"/>"
    "</a:Body></a:Envelope>";

static gboolean
test_device_challenge(FakeHttpConnection *connection, const Fixture *f)
{
	static const char digest[] = "Digest realm=\"Digest:1\", nonce=\"1\", qop=\"auth\"";
	const char *format = f->device == DEVICE_HAS_NO_KERBEROS
				 ? "Server: %s\r\nWWW-Authenticate: %s\r\n"
			     : f->one_header ? "Server: %s\r\nWWW-Authenticate: %s, Negotiate\r\n"
					     : "Server: %s\r\nWWW-Authenticate: %s\r\n"
					       "WWW-Authenticate: Negotiate\r\n";
	g_autofree char *server =
	    g_strdup_printf("Intel(R) Active Management Technology %s", f->version);
	g_autoptr(GString) headers = g_string_new(NULL);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	g_string_append_printf(headers, format, server, digest);
#pragma GCC diagnostic pop
	return fake_http_reply(connection, 401, headers->str, "");
}

static gboolean
test_device_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	Fixture *f = data;
	const char *value = request->authorization;
	if (value != NULL && g_str_has_prefix(value, "Digest "))
		return fake_http_reply(
		    connection, 200, "Content-Type: application/soap+xml\r\n", test_instance);
	if (value == NULL || !g_str_has_prefix(value, "Negotiate "))
		return test_device_challenge(connection, f);
	f->tokens++;
	gsize length = 0;
	guchar *bytes = g_base64_decode(value + strlen("Negotiate "), &length);
	g_autoptr(GBytes) token = g_bytes_new_take(bytes, length);
	g_clear_pointer(&f->who, g_free);
	g_autoptr(GBytes) answer = test_kdc_accept(f->keytab, token, NULL, &f->who);
	if (answer == NULL || f->device == DEVICE_REFUSES)
		return test_device_challenge(connection, f);
	gsize size = 0;
	const guint8 *data_bytes = g_bytes_get_data(answer, &size);
	g_autofree char *encoded = g_base64_encode(data_bytes, size);
	g_autofree char *headers = g_strdup_printf(
	    "Content-Type: application/soap+xml\r\nWWW-Authenticate: Negotiate %s\r\n%s",
	    f->device == DEVICE_LIES ? "oQcwBaADCgEA" : encoded,
	    f->device == DEVICE_LETS_NOBODY ? "WWW-Authenticate: Digest realm=\"Digest:1\", "
					      "nonce=\"1\", qop=\"auth\"\r\n"
					    : "");
	if (f->device == DEVICE_LETS_NOBODY)
		return fake_http_reply(connection, 401, headers, "");
	if (f->device == DEVICE_FORBIDS)
		return fake_http_reply(connection, 403, "", "");
	return fake_http_reply(connection, 200,
	    f->device == DEVICE_PROVES_NOTHING ? "Content-Type: application/soap+xml\r\n" : headers,
	    test_instance);
}

static gboolean
test_next(gpointer data, const char *realm, guint attempt, char **user, PvSecret **password,
    GError **error)
{
	Fixture *f = data;
	f->passwords++;
	*user = g_strdup("admin");
	*password = pv_secret_new("P@ssw0rd", -1);
	return TRUE;
}

static PvKerberos *
test_log_in(Fixture *f)
{
	g_autoptr(GError) error = NULL;
	const char *kdcs[] = { f->kdc->address, NULL };
	g_autoptr(PvSecret) secret = pv_secret_new("Secret-1", -1);
	const PvKerberosLogin login = {
		.realm = f->kdc->realm, .principal = "alice", .password = secret, .kdcs = kdcs
	};
	PvKerberos *kerberos = pv_kerberos_login(&login, NULL, &error);
	g_assert_no_error(error);
	return kerberos;
}

static void
test_set_up(Fixture *f, gconstpointer unused)
{
	f->kdc = test_kdc_new("EXAMPLE.COM", NULL, &f->missing);
	if (f->kdc == NULL)
		return;
	f->version = "16.1.25";
	f->http = fake_http_new(NULL, test_device_handle, f);
	f->service = g_strdup_printf("HTTP/" TEST_HOST ":%u", fake_http_get_port(f->http));
	test_kdc_command(f->kdc, "addprinc -pw Secret-1 alice");
	test_kdc_command(f->kdc, "addprinc -pw Device-1 %s", f->service);
	f->keytab = test_kdc_export(f->kdc, f->service);
	f->kerberos = test_log_in(f);
}

static void
test_tear_down(Fixture *f, gconstpointer unused)
{
	pv_wsman_free(f->wsman);
	fake_http_free(f->http);
	pv_kerberos_unref(f->kerberos);
	test_kdc_free(f->kdc);
	g_free(f->service);
	g_free(f->keytab);
	g_free(f->who);
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

/* A new session, with a password to fall back to or without, and its first request. */
static gboolean
test_ask(Fixture *f, Device device, gboolean with_password, GError **error)
{
	f->device = device;
	f->passwords = 0;
	f->tokens = 0;
	pv_wsman_free(f->wsman);
	const PvWsmanOptions options = {
		.address = "127.0.0.1",
		.port = fake_http_get_port(f->http),
		.kerberos = f->kerberos,
		.service = f->service,
		.next = with_password ? test_next : NULL,
		.data = f,
	};
	f->wsman = pv_wsman_new(&options, NULL);
	g_autoptr(PvInstance) settings = pv_wsman_get(f->wsman, "AMT_GeneralSettings", NULL, error);
	return settings != NULL;
}

static void
test_said(const GError *error, const char *words)
{
	g_assert_nonnull(error);
	g_test_message("%s", error->message);
	if (strstr(error->message, words) == NULL)
		g_error("\"%s\" does not say \"%s\"", error->message, words);
}

static void
test_accepted(Fixture *f, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	if (!test_may_run(f))
		return;
	for (guint i = 0; i < 2; i++) {
		f->one_header = i == 1;
		g_assert_true(test_ask(f, DEVICE_TAKES, TRUE, &error));
		g_assert_no_error(error);
		g_assert_cmpstr(f->who, ==, "alice@EXAMPLE.COM");
		g_assert_cmpstr(pv_wsman_get_user(f->wsman), ==, "alice@EXAMPLE.COM");
		g_assert_cmpstr(pv_wsman_get_realm(f->wsman), ==, "Digest:1");
		g_assert_cmpint(pv_wsman_get_ticket_state(f->wsman), ==, PV_TICKET_ACCEPTED);
		g_assert_cmpuint(f->passwords, ==, 0);
	}
	/* each request has a token of its own */
	pv_wsman_forget(f->wsman);
	g_autoptr(PvInstance) again = pv_wsman_get(f->wsman, "AMT_GeneralSettings", NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(f->tokens, ==, 2);
}

/* By password where the ticket is not taken; the reason stays. */
static void
test_fallback(Fixture *f, gconstpointer unused)
{
	static const struct {
		Device device;
		PvTicketState state;
		const char *words;
	} cases[] = {
		{ DEVICE_REFUSES, PV_TICKET_REFUSED,
		    "log in by Kerberos as alice@EXAMPLE.COM: the device refused the ticket for "
		    "HTTP/" TEST_HOST ":" },
		{ DEVICE_REFUSES, PV_TICKET_REFUSED, ", key version 1: its key is another (purge" },
		{ DEVICE_LETS_NOBODY, PV_TICKET_UNAUTHORIZED,
		    "the device took the ticket, but lets nobody like that do anything" },
		{ DEVICE_FORBIDS, PV_TICKET_UNAUTHORIZED, "lets nobody like that do anything" },
		{ DEVICE_HAS_NO_KERBEROS, PV_TICKET_NOT_OFFERED,
		    "the device offers no Negotiate: Kerberos is off in it" },
	};
	if (!test_may_run(f))
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_true(test_ask(f, cases[i].device, TRUE, &error));
		g_assert_no_error(error);
		g_assert_cmpstr(pv_wsman_get_user(f->wsman), ==, "admin");
		g_assert_cmpuint(f->passwords, ==, 1);
		g_assert_cmpint(pv_wsman_get_ticket_state(f->wsman), ==, cases[i].state);
		test_said(pv_wsman_get_ticket_problem(f->wsman), cases[i].words);
		/* nobody else to log in as: the same is the error */
		g_assert_false(test_ask(f, cases[i].device, FALSE, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_AUTH);
		test_said(error, cases[i].words);
		g_assert_cmpuint(f->tokens, <=, 1);
	}
}

/* Without TLS nothing else says that the answer is the device's. */
static void
test_unproved(Fixture *f, gconstpointer unused)
{
	static const Device devices[] = { DEVICE_PROVES_NOTHING, DEVICE_LIES };
	if (!test_may_run(f))
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(devices); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_false(test_ask(f, devices[i], TRUE, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_AUTH);
		test_said(error, "the device did not prove that it has the ticket's key");
		g_assert_cmpuint(f->passwords, ==, 0);
	}
}

/* An old ticket is thrown away for one that fits the device's new key; a new one that still does not is not tried twice. */
static void
test_rekeyed(Fixture *f, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	if (!test_may_run(f))
		return;
	g_assert_true(test_ask(f, DEVICE_TAKES, FALSE, &error));
	g_assert_no_error(error);
	g_autofree char *former = g_steal_pointer(&f->keytab);
	test_kdc_command(f->kdc, "cpw -pw Device-2 %s", f->service);
	g_assert_cmpint(remove(former), ==, 0);
	f->keytab = test_kdc_export(f->kdc, f->service);
	g_assert_true(test_ask(f, DEVICE_TAKES, FALSE, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(f->tokens, ==, 2);
	/* the directory is ahead of the device */
	test_kdc_command(f->kdc, "cpw -pw Device-3 %s", f->service);
	g_assert_true(pv_kerberos_forget_ticket(f->kerberos, f->service));
	g_assert_false(test_ask(f, DEVICE_TAKES, FALSE, &error));
	test_said(error, "key version 3: its key is another");
	g_assert_cmpuint(f->tokens, ==, 1);
}

static void
test_no_ticket(Fixture *f, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	if (!test_may_run(f))
		return;
	g_free(f->service);
	f->service = g_strdup("HTTP/" TEST_HOST);
	g_assert_false(test_ask(f, DEVICE_TAKES, FALSE, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	test_said(error, "HTTP/" TEST_HOST ": no account has that service name");
	g_clear_error(&error);
	g_assert_true(test_ask(f, DEVICE_TAKES, TRUE, &error));
	g_assert_no_error(error);
	g_assert_cmpint(pv_wsman_get_ticket_state(f->wsman), ==, PV_TICKET_MISSING);
	g_assert_cmpuint(f->tokens, ==, 0);
}

/* AMT before 6 takes 4 KiB; long names, one in the ticket's open part and one in its sealed one, stand for many groups. */
static void
test_too_large(Fixture *f, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	if (!test_may_run(f))
		return;
	g_autofree char *long_name = g_strnfill(900, 'a');
	const char *kdcs[] = { f->kdc->address, NULL };
	g_autoptr(PvSecret) secret = pv_secret_new("Secret-1", -1);
	const PvKerberosLogin login = {
		.realm = f->kdc->realm, .principal = long_name, .password = secret, .kdcs = kdcs
	};
	test_kdc_command(f->kdc, "addprinc -pw Secret-1 %s", long_name);
	g_free(f->service);
	f->service = g_strdup_printf("HTTP/%s:16993", long_name);
	test_kdc_command(f->kdc, "addprinc -pw Device-1 %s", f->service);
	test_kdc_command(f->kdc, "ktadd -k %s -norandkey %s", f->keytab, f->service);
	pv_kerberos_unref(f->kerberos);
	f->kerberos = pv_kerberos_login(&login, NULL, &error);
	g_assert_no_error(error);
	f->version = "5.2.10";
	g_assert_false(test_ask(f, DEVICE_TAKES, FALSE, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	test_said(error, " bytes in base64, and AMT 5 takes 4096");
	g_clear_error(&error);
	f->version = "6.2.61";
	g_assert_true(test_ask(f, DEVICE_TAKES, FALSE, &error));
	g_assert_no_error(error);
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
		{ "/requirements/S12-11.3/ticket/accepted", test_accepted },
		{ "/amt/ticket/fallback", test_fallback },
		{ "/amt/ticket/unproved", test_unproved },
		{ "/amt/ticket/rekeyed", test_rekeyed },
		{ "/amt/ticket/no-ticket", test_no_ticket },
		{ "/amt/ticket/too-large", test_too_large },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
		g_test_add(cases[i].path, Fixture, NULL, test_set_up, cases[i].run, test_tear_down);
	return g_test_run();
}
