/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/kerberos-private.h"
#include "tests/lib/test-kdc.h"

#include <krb5.h>
#include <provost/error.h>
#include <provost/kerberos.h>

#include <signal.h>
#include <string.h>

#define TEST_SERVICE "HTTP/pc1.example.com:16993"

/* the peers of all cases; kdc NULL: not installed, for the reason in missing */
typedef struct {
	TestKdc *kdc;
	char *keytab; /* of svc */
	char *service_keytab;
	const char *missing;
} Test;

static gboolean
test_may_run(const Test *test)
{
	if (test->kdc != NULL)
		return TRUE;
	if (g_strcmp0(g_getenv("PV_TEST_REQUIRE"), "1") == 0)
		g_error("missing: %s", test->missing);
	g_test_skip(test->missing);
	return FALSE;
}

static PvKerberos *
test_login(
    const Test *test, const char *name, const char *password, const char *keytab, GError **error)
{
	const char *kdcs[] = { test->kdc->address, NULL };
	g_autoptr(PvSecret) secret = password != NULL ? pv_secret_new(password, -1) : NULL;
	const PvKerberosLogin login = {
		.realm = test->kdc->realm,
		.principal = name,
		.keytab = keytab,
		.password = secret,
		.kdcs = kdcs,
	};
	return pv_kerberos_login(&login, NULL, error);
}

/* A KDC in front of the real one, which answers requests for a service's ticket itself: with an error that MIT's never
 * sends, or with what is no message at all. */
typedef struct {
	const Test *test;
	GSocketListener *listener;
	GCancellable *cancellable;
	GThread *thread;
	char *address;
	gint32 code; /* of the error; 0: nonsense; -1: a length that no KDC announces */
} TestDouble;

static gboolean
test_double_read(GInputStream *in, GByteArray *frame)
{
	guint32 head = 0;
	gsize got = 0;
	if (!g_input_stream_read_all(in, &head, sizeof head, &got, NULL, NULL) ||
	    got != sizeof head)
		return FALSE;
	g_byte_array_set_size(frame, GUINT32_FROM_BE(head));
	return g_input_stream_read_all(in, frame->data, frame->len, &got, NULL, NULL) &&
	       got == frame->len;
}

static void
test_double_write(GOutputStream *out, const void *data, gsize length, gsize announced)
{
	guint32 head = GUINT32_TO_BE((guint32)announced);
	(void)g_output_stream_write_all(out, &head, sizeof head, NULL, NULL, NULL);
	(void)g_output_stream_write_all(out, data, length, NULL, NULL, NULL);
}

static void
test_double_refuse(const TestDouble *fake, GOutputStream *out)
{
	krb5_context context = NULL;
	krb5_principal server = NULL;
	krb5_data message = { 0 };
	if (fake->code <= 0) {
		test_double_write(out, "nonsense", 8, fake->code == 0 ? 8 : 0x7fffffff);
		return;
	}
	g_assert_cmpint(krb5_init_context_profile(NULL, KRB5_INIT_CONTEXT_SECURE, &context), ==, 0);
	g_assert_cmpint(krb5_parse_name(context, "krbtgt/EXAMPLE.COM@EXAMPLE.COM", &server), ==, 0);
	krb5_error told = { .error = (krb5_ui_4)fake->code,
		.stime = (krb5_timestamp)(g_get_real_time() / G_USEC_PER_SEC),
		.server = server };
	g_assert_cmpint(krb5_mk_error(context, &told, &message), ==, 0);
	test_double_write(out, message.data, message.length, message.length);
	krb5_free_data_contents(context, &message);
	krb5_free_principal(context, server);
	krb5_free_context(context);
}

static void
test_double_serve(const TestDouble *fake, GSocketConnection *peer)
{
	g_autoptr(GByteArray) frame = g_byte_array_new();
	g_autoptr(GSocketClient) client = g_socket_client_new();
	GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(peer));
	if (!test_double_read(g_io_stream_get_input_stream(G_IO_STREAM(peer)), frame))
		return;
	if (frame->data[0] == 0x6c) { /* TGS-REQ: RFC 4120 5.10 */
		test_double_refuse(fake, out);
		return;
	}
	g_autoptr(GSocketConnection) real =
	    g_socket_client_connect_to_host(client, fake->test->kdc->address, 88, NULL, NULL);
	g_assert_nonnull(real);
	test_double_write(
	    g_io_stream_get_output_stream(G_IO_STREAM(real)), frame->data, frame->len, frame->len);
	if (test_double_read(g_io_stream_get_input_stream(G_IO_STREAM(real)), frame))
		test_double_write(out, frame->data, frame->len, frame->len);
}

static gpointer
test_double_run(gpointer data)
{
	TestDouble *fake = data;
	for (;;) {
		g_autoptr(GSocketConnection) peer =
		    g_socket_listener_accept(fake->listener, NULL, fake->cancellable, NULL);
		if (peer == NULL)
			return NULL;
		test_double_serve(fake, peer);
	}
}

static void
test_double_start(TestDouble *fake, const Test *test, gint32 code)
{
	g_autoptr(GSocketAddress) wanted = g_inet_socket_address_new_from_string("127.0.0.1", 0);
	g_autoptr(GSocketAddress) got = NULL;
	fake->test = test;
	fake->code = code;
	fake->listener = g_socket_listener_new();
	fake->cancellable = g_cancellable_new();
	g_assert_true(g_socket_listener_add_address(
	    fake->listener, wanted, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &got, NULL));
	fake->address = g_strdup_printf(
	    "127.0.0.1:%u", g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(got)));
	fake->thread = g_thread_new("double", test_double_run, fake);
}

static void
test_double_stop(TestDouble *fake)
{
	g_cancellable_cancel(fake->cancellable);
	g_thread_join(fake->thread);
	g_object_unref(fake->listener);
	g_object_unref(fake->cancellable);
	g_free(fake->address);
}

/* Fails unless the error is of that code and says these words. */
static void
test_said(const GError *error, PvError code, const char *words)
{
	g_assert_error(error, PV_ERROR, (gint)code);
	g_test_message("%s", error->message);
	if (strstr(error->message, words) == NULL)
		g_error("\"%s\" does not say \"%s\"", error->message, words);
}

static void
test_password(gconstpointer data)
{
	const Test *test = data;
	g_autoptr(GError) error = NULL;
	if (!test_may_run(test))
		return;
	g_autoptr(PvKerberos) kerberos = test_login(test, "alice", "Secret-1", NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_kerberos_get_principal(kerberos), ==, "alice@EXAMPLE.COM");
	g_assert_true(g_str_has_prefix(pv_kerberos_get_ccache(kerberos), "MEMORY:"));
	g_assert_true(pv_kerberos_get_ticket(kerberos, TEST_SERVICE, NULL, &error));
	g_assert_no_error(error);
	guint kvno = 0;
	gint enctype = 0;
	gsize bytes = 0;
	g_assert_true(
	    pv_kerberos_get_ticket_info(kerberos, TEST_SERVICE, &kvno, &enctype, &bytes, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(kvno, ==, 1);
	g_assert_cmpint(enctype, ==, 18);
	g_assert_cmpuint(bytes, >, 300);
}

/* Nobody's password is needed, and a KDC's default is the realm with the parts of the name (RFC 4120, 4). */
static void
test_salt(gconstpointer data)
{
	const Test *test = data;
	g_autoptr(GError) error = NULL;
	if (!test_may_run(test))
		return;
	g_autoptr(PvKerberos) kerberos = test_login(test, "alice", "Secret-1", NULL, &error);
	g_assert_no_error(error);
	g_autofree char *own = pv_kerberos_dup_salt(kerberos, "alice", NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(own, ==, "EXAMPLE.COMalice");
	g_autofree char *other = pv_kerberos_dup_salt(kerberos, "svc@EXAMPLE.COM", NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(other, ==, "EXAMPLE.COMsvc");
	g_assert_null(pv_kerberos_dup_salt(kerberos, "nobody-at-all", NULL, &error));
	test_said(error, PV_ERROR_AUTH, "ask for the salt of nobody-at-all");
	g_clear_error(&error);
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	g_cancellable_cancel(cancellable);
	g_assert_null(pv_kerberos_dup_salt(kerberos, "alice", cancellable, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_keytab(gconstpointer data)
{
	const Test *test = data;
	g_autoptr(GError) error = NULL;
	if (!test_may_run(test))
		return;
	g_autoptr(PvKerberos) named = test_login(test, "svc", NULL, test->keytab, &error);
	g_assert_no_error(error);
	g_autoptr(PvKerberos) first = test_login(test, NULL, NULL, test->keytab, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_kerberos_get_principal(named), ==, "svc@EXAMPLE.COM");
	g_assert_cmpstr(pv_kerberos_get_principal(first), ==, "svc@EXAMPLE.COM");
	g_assert_cmpstr(pv_kerberos_get_ccache(named), !=, pv_kerberos_get_ccache(first));

	g_assert_null(test_login(test, "alice", NULL, test->keytab, &error));
	test_said(error, PV_ERROR_CONFIG, "the keytab has no key for it");
	g_clear_error(&error);
	g_assert_null(test_login(test, "svc", NULL, "/nonexistent/keytab", &error));
	test_said(error, PV_ERROR_CONFIG, "/nonexistent/keytab: there is no such file");
}

/* A copy of a cache on the disk: what is got later stays out of it. */
static void
test_ccache(gconstpointer data)
{
	const Test *test = data;
	g_autoptr(GError) error = NULL;
	if (!test_may_run(test))
		return;
	const char *kdcs[] = { test->kdc->address, NULL };
	g_autoptr(PvKerberos) alice = test_login(test, "alice", "Secret-1", NULL, &error);
	g_assert_no_error(error);
	const PvKerberosLogin login = {
		.ccache = pv_kerberos_get_ccache(alice), .kdcs = kdcs, .realm = "EXAMPLE.COM"
	};
	g_autoptr(PvKerberos) copy = pv_kerberos_login(&login, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_kerberos_get_principal(copy), ==, "alice@EXAMPLE.COM");
	g_assert_true(pv_kerberos_get_ticket(copy, TEST_SERVICE, NULL, &error));
	g_assert_no_error(error);
	g_assert_false(pv_kerberos_forget_ticket(alice, TEST_SERVICE));

	const PvKerberosLogin none = { .ccache = "FILE:/nonexistent/cache", .kdcs = kdcs };
	g_assert_null(pv_kerberos_login(&none, NULL, &error));
	test_said(error, PV_ERROR_AUTH, "there is no ticket: run kinit");
}

/* Puts the tickets of @from into a file, as kinit does; with another end where @end_sec is not 0. */
static void
test_fill_file(PvKerberos *from, const char *file, gint64 end_sec)
{
	krb5_context context = NULL;
	krb5_ccache source = NULL, target = NULL;
	krb5_principal who = NULL;
	krb5_cc_cursor cursor = NULL;
	krb5_creds creds = { 0 };
	g_assert_cmpint(krb5_init_context_profile(NULL, KRB5_INIT_CONTEXT_SECURE, &context), ==, 0);
	g_assert_cmpint(krb5_cc_resolve(context, pv_kerberos_get_ccache(from), &source), ==, 0);
	g_assert_cmpint(krb5_cc_resolve(context, file, &target), ==, 0);
	g_assert_cmpint(krb5_cc_get_principal(context, source, &who), ==, 0);
	g_assert_cmpint(krb5_cc_initialize(context, target, who), ==, 0);
	g_assert_cmpint(krb5_cc_start_seq_get(context, source, &cursor), ==, 0);
	while (krb5_cc_next_cred(context, source, &cursor, &creds) == 0) {
		if (end_sec != 0)
			creds.times.endtime = (krb5_timestamp)end_sec;
		g_assert_cmpint(krb5_cc_store_cred(context, target, &creds), ==, 0);
		krb5_free_cred_contents(context, &creds);
	}
	g_assert_cmpint(krb5_cc_end_seq_get(context, source, &cursor), ==, 0);
	krb5_free_principal(context, who);
	g_assert_cmpint(krb5_cc_close(context, source), ==, 0);
	g_assert_cmpint(krb5_cc_close(context, target), ==, 0);
	krb5_free_context(context);
}

/* A realm that grants four minutes, less than what else is left over for a renewal: no login for each ticket. */
static void
test_brief(gconstpointer data)
{
	const Test *test = data;
	g_autoptr(GError) error = NULL;
	if (!test_may_run(test))
		return;
	test_kdc_command(test->kdc, "addprinc -maxlife \"4 minutes\" -pw Secret-1 brief");
	g_autoptr(PvKerberos) brief = test_login(test, "brief", "Secret-1", NULL, &error);
	g_assert_no_error(error);
	g_autofree char *first = g_strdup(pv_kerberos_get_ccache(brief));
	g_assert_true(pv_kerberos_get_ticket(brief, TEST_SERVICE, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(pv_kerberos_get_ccache(brief), ==, first);
}

/* A person's cache that comes to its end is not copied for each ticket, but once he has renewed it; what former logins left
 * behind goes. */
static void
test_end(gconstpointer data)
{
	const Test *test = data;
	g_autoptr(GError) error = NULL;
	if (!test_may_run(test))
		return;
	const char *kdcs[] = { test->kdc->address, NULL };
	g_autoptr(PvKerberos) alice = test_login(test, "alice", "Secret-1", NULL, &error);
	g_assert_no_error(error);
	g_autofree char *file = g_strdup_printf("FILE:%s/ending", test->kdc->dir);
	gint64 end_sec = g_get_real_time() / G_USEC_PER_SEC + 5;
	test_fill_file(alice, file, end_sec);
	const PvKerberosLogin login = { .ccache = file, .kdcs = kdcs, .realm = "EXAMPLE.COM" };
	g_autoptr(PvKerberos) copy = pv_kerberos_login(&login, NULL, &error);
	g_assert_no_error(error);
	g_autofree char *first = g_strdup(pv_kerberos_get_ccache(copy));
	/* until time is up */
	while (pv_kerberos_get_ticket(copy, TEST_SERVICE, NULL, &error))
		g_usleep(10000);
	g_assert_cmpint(g_get_real_time() / G_USEC_PER_SEC, >=, end_sec);
	g_clear_error(&error);
	g_assert_cmpuint(pv_kerberos_drop_old(copy, end_sec), ==, 1);

	test_fill_file(alice, file, 0);
	g_assert_true(pv_kerberos_get_ticket(copy, TEST_SERVICE, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(pv_kerberos_get_ccache(copy), !=, first);
	g_assert_cmpuint(pv_kerberos_drop_old(copy, end_sec + 3600), ==, 2);
	g_assert_cmpuint(pv_kerberos_drop_old(copy, end_sec + 3601), ==, 1);
	g_assert_cmpuint(pv_kerberos_drop_old(copy, end_sec + 1000000), ==, 1);
	g_assert_true(pv_kerberos_get_ticket(copy, TEST_SERVICE, NULL, &error));
}

static void
test_refused(gconstpointer data)
{
	static const struct {
		const char *name, *password;
		PvError code;
		const char *words;
	} cases[] = {
		{ "alice", "wrong", PV_ERROR_AUTH, "as alice: the password is wrong" },
		{ "open", "wrong", PV_ERROR_AUTH, "as open: the password is wrong" },
		{ "nobody", "x", PV_ERROR_AUTH, "the realm has no such account" },
		{ "locked", "Secret-1", PV_ERROR_AUTH, "disabled or locked" },
		{ "old", "Secret-1", PV_ERROR_AUTH, "the password has expired" },
		{ "gone", "Secret-1", PV_ERROR_AUTH, "the account has expired" },
	};
	const Test *test = data;
	if (!test_may_run(test))
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(test_login(test, cases[i].name, cases[i].password, NULL, &error));
		test_said(error, cases[i].code, cases[i].words);
	}
}

static void
test_service(gconstpointer data)
{
	const Test *test = data;
	g_autoptr(GError) error = NULL;
	if (!test_may_run(test))
		return;
	g_autoptr(PvKerberos) kerberos = test_login(test, "alice", "Secret-1", NULL, &error);
	g_assert_no_error(error);
	g_assert_false(pv_kerberos_get_ticket(kerberos, "HTTP/pc1.example.com:664", NULL, &error));
	test_said(error, PV_ERROR_CONFIG,
	    "HTTP/pc1.example.com:664: no account has that service name: register it");
	g_clear_error(&error);
	g_assert_true(pv_kerberos_get_ticket(kerberos, TEST_SERVICE "@EXAMPLE.COM", NULL, &error));
	g_assert_no_error(error);
	g_assert_true(pv_kerberos_forget_ticket(kerberos, TEST_SERVICE));
	g_assert_false(pv_kerberos_forget_ticket(kerberos, TEST_SERVICE));
}

/* What MIT's KDC does not say: Active Directory tells a name that several accounts have (KDC_ERR_PRINCIPAL_NOT_UNIQUE). */
static void
test_answers(gconstpointer data)
{
	static const struct {
		gint32 code;
		PvError error;
		const char *words;
	} cases[] = {
		{ 8, PV_ERROR_CONFIG, "several accounts have that service name" },
		{ 9, PV_ERROR_CONFIG, "the service's account has no password" },
		{ 12, PV_ERROR_REJECTED, "the realm's policy forbids it" },
		{ 18, PV_ERROR_AUTH, "disabled or locked" },
		{ 29, PV_ERROR_UNREACHABLE, ": it cannot serve now" },
		{ 60, PV_ERROR_PROTOCOL, "get a ticket for " TEST_SERVICE },
		{ 0, PV_ERROR_PROTOCOL, "get a ticket for " TEST_SERVICE },
		{ -1, PV_ERROR_UNREACHABLE, "it announces 2147483647 bytes: it is no KDC" },
	};
	const Test *test = data;
	if (!test_may_run(test))
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		TestDouble fake = { 0 };
		test_double_start(&fake, test, cases[i].code);
		const char *kdcs[] = { fake.address, NULL };
		g_autoptr(PvSecret) secret = pv_secret_new("Secret-1", -1);
		const PvKerberosLogin login = { .realm = test->kdc->realm,
			.principal = "alice",
			.password = secret,
			.kdcs = kdcs };
		g_autoptr(PvKerberos) kerberos = pv_kerberos_login(&login, NULL, &error);
		g_assert_no_error(error);
		g_assert_false(pv_kerberos_get_ticket(kerberos, TEST_SERVICE, NULL, &error));
		test_said(error, cases[i].error, cases[i].words);
		test_double_stop(&fake);
	}
}

static void
test_negotiate(gconstpointer data)
{
	const Test *test = data;
	g_autoptr(GError) error = NULL;
	if (!test_may_run(test))
		return;
	g_autoptr(PvKerberos) kerberos = test_login(test, "alice", "Secret-1", NULL, &error);
	g_assert_no_error(error);
	g_autoptr(PvNegotiate) negotiate = pv_negotiate_new(kerberos, TEST_SERVICE, NULL, &error);
	g_assert_no_error(error);
	gboolean done = TRUE;
	g_autofree char *who = NULL;
	g_autoptr(GBytes) token = pv_negotiate_step(negotiate, NULL, &done, &error);
	g_assert_no_error(error);
	g_assert_nonnull(token);
	g_assert_false(done);
	g_autoptr(GBytes) answer = test_kdc_accept(test->service_keytab, token, NULL, &who);
	g_assert_cmpstr(who, ==, "alice@EXAMPLE.COM");
	g_assert_null(pv_negotiate_step(negotiate, answer, &done, &error));
	g_assert_no_error(error);
	g_assert_true(done);

	/* an answer that does not come from who has the key */
	g_autoptr(PvNegotiate) other = pv_negotiate_new(kerberos, TEST_SERVICE, NULL, &error);
	g_assert_no_error(error);
	g_autoptr(GBytes) again = pv_negotiate_step(other, NULL, &done, &error);
	g_assert_nonnull(again);
	g_assert_null(pv_negotiate_step(other, answer, &done, &error));
	test_said(error, PV_ERROR_AUTH, "log in to " TEST_SERVICE " by SPNEGO");
}

static void
test_binding(gconstpointer data)
{
	const Test *test = data;
	g_autoptr(GError) error = NULL;
	if (!test_may_run(test))
		return;
	g_autoptr(PvKerberos) kerberos = test_login(test, "alice", "Secret-1", NULL, &error);
	g_assert_no_error(error);
	g_autoptr(GBytes) hash = g_bytes_new_static("HASH", 4);
	for (guint i = 0; i < 2; i++) {
		gboolean done = FALSE;
		g_autofree char *who = NULL;
		g_autoptr(PvNegotiate) negotiate =
		    pv_negotiate_new(kerberos, TEST_SERVICE, hash, &error);
		g_assert_no_error(error);
		g_autoptr(GBytes) token = pv_negotiate_step(negotiate, NULL, &done, &error);
		g_assert_no_error(error);
		g_autoptr(GBytes) answer = test_kdc_accept(test->service_keytab, token,
		    i == 0 ? "tls-server-end-point:HASH" : "tls-server-end-point:OTHER", &who);
		g_assert_true((answer != NULL) == (i == 0));
	}
}

static void
test_unreachable(gconstpointer data)
{
	const Test *test = data;
	g_autoptr(GError) error = NULL;
	if (!test_may_run(test))
		return;
	/* the one that is there comes last */
	const char *fallback[] = { "127.0.0.1:1", test->kdc->address, NULL };
	g_autoptr(PvSecret) secret = pv_secret_new("Secret-1", -1);
	PvKerberosLogin login = {
		.realm = "EXAMPLE.COM", .principal = "alice", .password = secret, .kdcs = fallback
	};
	g_autoptr(PvKerberos) kerberos = pv_kerberos_login(&login, NULL, &error);
	g_assert_no_error(error);
	const char *dead[] = { "127.0.0.1:1", "127.0.0.1:2", NULL };
	login.kdcs = dead;
	g_assert_null(pv_kerberos_login(&login, NULL, &error));
	test_said(error, PV_ERROR_UNREACHABLE, "no KDC of EXAMPLE.COM answered: 127.0.0.1:1: ");
	test_said(error, PV_ERROR_UNREACHABLE, "; 127.0.0.1:2: ");
}

static gboolean
test_cancel(gpointer data)
{
	g_cancellable_cancel(data);
	return G_SOURCE_REMOVE;
}

static gpointer
test_cancel_soon(gpointer data)
{
	g_autoptr(GMainContext) context = g_main_context_new();
	GSource *source = g_timeout_source_new(50);
	g_source_set_callback(source, test_cancel, data, NULL);
	g_source_attach(source, context);
	while (!g_cancellable_is_cancelled(data))
		(void)g_main_context_iteration(context, TRUE);
	g_source_unref(source);
	return NULL;
}

/* A KDC that takes the connection and says nothing: the time is ours, and so is the way out. */
static void
test_hung(gconstpointer data)
{
	const Test *test = data;
	g_autoptr(GError) error = NULL;
	if (!test_may_run(test))
		return;
	const char *kdcs[] = { test->kdc->address, NULL };
	g_autoptr(PvSecret) secret = pv_secret_new("Secret-1", -1);
	PvKerberosLogin login = { .realm = "EXAMPLE.COM",
		.principal = "alice",
		.password = secret,
		.kdcs = kdcs,
		.timeout_msec = 200 };
	g_subprocess_send_signal(test->kdc->process, SIGSTOP);
	gint64 begin_usec = g_get_monotonic_time();
	g_assert_null(pv_kerberos_login(&login, NULL, &error));
	test_said(error, PV_ERROR_UNREACHABLE, ": no answer in time");
	g_assert_cmpint(g_get_monotonic_time() - begin_usec, <, 5 * G_USEC_PER_SEC);
	g_clear_error(&error);

	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	GThread *thread = g_thread_new("cancel", test_cancel_soon, cancellable);
	login.timeout_msec = 60000;
	g_assert_null(pv_kerberos_login(&login, cancellable, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
	g_thread_join(thread);
	g_subprocess_send_signal(test->kdc->process, SIGCONT);
}

/* Both clocks are told, and by how much they may differ; with and without pre-authentication. */
static void
test_skew(gconstpointer data)
{
	static const char *const clocks[] = { "+600", "-600" };
	for (guint i = 0; i < G_N_ELEMENTS(clocks); i++) {
		Test late = { 0 };
		g_autoptr(TestKdc) kdc = test_kdc_new("EXAMPLE.COM", clocks[i], &late.missing);
		late.kdc = kdc;
		if (!test_may_run(&late))
			return;
		test_kdc_command(kdc, "addprinc +requires_preauth -pw Secret-1 alice");
		test_kdc_command(kdc, "addprinc -requires_preauth -pw Secret-1 open");
		for (guint j = 0; j < 2; j++) {
			g_autoptr(GError) error = NULL;
			g_assert_null(
			    test_login(&late, j == 0 ? "alice" : "open", "Secret-1", NULL, &error));
			test_said(error, PV_ERROR_REJECTED, "clock skew: our clock says ");
			test_said(error, PV_ERROR_REJECTED, kdc->address);
			test_said(error, PV_ERROR_REJECTED, "Kerberos allows 5 minutes");
		}
	}
}

/* One login is shared by the jobs of a fleet, some of which find their device's ticket too old. */
static gpointer
test_share(gpointer data)
{
	PvKerberos *kerberos = data;
	for (guint i = 0; i < 20; i++) {
		g_autoptr(GError) error = NULL;
		gboolean done = FALSE;
		g_autoptr(PvNegotiate) negotiate =
		    pv_negotiate_new(kerberos, TEST_SERVICE, NULL, &error);
		g_assert_no_error(error);
		g_autoptr(GBytes) token = pv_negotiate_step(negotiate, NULL, &done, &error);
		/* another thread may have thrown the ticket away meanwhile: an error then, and no more */
		g_assert_true((token != NULL) == (error == NULL));
		if (i % 5 == 4)
			(void)pv_kerberos_forget_ticket(kerberos, TEST_SERVICE);
	}
	return NULL;
}

static void
test_threads(gconstpointer data)
{
	const Test *test = data;
	g_autoptr(GError) error = NULL;
	if (!test_may_run(test))
		return;
	g_autoptr(PvKerberos) kerberos = test_login(test, "alice", "Secret-1", NULL, &error);
	g_assert_no_error(error);
	GThread *threads[4];
	for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
		threads[i] = g_thread_new("share", test_share, kerberos);
	for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
		g_thread_join(threads[i]);
	g_assert_true(pv_kerberos_get_ticket(kerberos, TEST_SERVICE, NULL, &error));
	g_assert_no_error(error);
}

static gpointer
test_fail_unreachable(gpointer data)
{
	g_autoptr(GError) error = NULL;
	g_assert_false(pv_kerberos_get_ticket(data, TEST_SERVICE, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_UNREACHABLE);
	return NULL;
}

/* The login has ended and the KDC hangs: all who share the login wait once, and not one after the other. */
static void
test_queue(gconstpointer data)
{
	const Test *test = data;
	g_autoptr(GError) error = NULL;
	if (!test_may_run(test))
		return;
	test_kdc_command(test->kdc, "addprinc -maxlife \"3 seconds\" -pw Secret-1 queue");
	const char *kdcs[] = { test->kdc->address, NULL };
	g_autoptr(PvSecret) secret = pv_secret_new("Secret-1", -1);
	const PvKerberosLogin login = { .realm = "EXAMPLE.COM",
		.principal = "queue",
		.password = secret,
		.kdcs = kdcs,
		.timeout_msec = 1000 };
	g_autoptr(PvKerberos) kerberos = pv_kerberos_login(&login, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(pv_kerberos_get_ticket(kerberos, TEST_SERVICE, NULL, &error));
	g_subprocess_send_signal(test->kdc->process, SIGSTOP);
	while (pv_kerberos_get_ticket(kerberos, TEST_SERVICE, NULL, &error))
		g_usleep(10000); /* polls for an event: the login ends */
	g_assert_error(error, PV_ERROR, PV_ERROR_UNREACHABLE);
	GThread *threads[8];
	gint64 begin_usec = g_get_monotonic_time();
	for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
		threads[i] = g_thread_new("queue", test_fail_unreachable, kerberos);
	for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
		g_thread_join(threads[i]);
	g_assert_cmpint(g_get_monotonic_time() - begin_usec, <, 6 * G_USEC_PER_SEC);
	g_subprocess_send_signal(test->kdc->process, SIGCONT);
	/* what was wrong then is not told for ever */
	g_clear_error(&error);
	g_assert_true(pv_kerberos_get_ticket(kerberos, TEST_SERVICE, NULL, &error));
	g_assert_no_error(error);
}

static void
test_nonsense(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) secret = pv_secret_new("x", -1);
	const PvKerberosLogin none = { .realm = "EXAMPLE.COM", .principal = "alice" };
	const PvKerberosLogin both = {
		.realm = "EXAMPLE.COM", .principal = "alice", .keytab = "/x", .password = secret
	};
	const PvKerberosLogin nowhere = { .principal = "alice", .password = secret };
	const PvKerberosLogin *const logins[] = { &none, &both, &nowhere };
	for (guint i = 0; i < G_N_ELEMENTS(logins); i++) {
		g_assert_null(pv_kerberos_login(logins[i], NULL, &error));
		test_said(error, PV_ERROR_CONFIG, "log in to Kerberos: ");
		g_clear_error(&error);
	}
}

static void
test_prepare(Test *test)
{
	test->kdc = test_kdc_new("EXAMPLE.COM", NULL, &test->missing);
	if (test->kdc == NULL)
		return;
	test_kdc_command(test->kdc, "addprinc +requires_preauth -pw Secret-1 alice");
	test_kdc_command(test->kdc, "addprinc -requires_preauth -pw Secret-1 open");
	test_kdc_command(test->kdc, "addprinc -pw Secret-1 -allow_tix locked");
	test_kdc_command(test->kdc, "addprinc -pw Secret-1 -pwexpire \"2020-01-01\" old");
	test_kdc_command(test->kdc, "addprinc -pw Secret-1 -expire \"2020-01-01\" gone");
	test_kdc_command(test->kdc, "addprinc -randkey svc");
	test_kdc_command(test->kdc, "addprinc -randkey " TEST_SERVICE);
	test->keytab = test_kdc_export(test->kdc, "svc");
	test->service_keytab = test_kdc_export(test->kdc, TEST_SERVICE);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	/* neither a file nor the environment has a say: the KDC is named in neither */
	g_setenv("KRB5_CONFIG", "/nonexistent/krb5.conf", TRUE);
	g_setenv("KRB5CCNAME", "FILE:/nonexistent/cache", TRUE);
	Test test = { 0 };
	test_prepare(&test);
	g_test_add_data_func("/net/kerberos/password", &test, test_password);
	g_test_add_data_func("/net/kerberos/salt", &test, test_salt);
	g_test_add_data_func("/net/kerberos/keytab", &test, test_keytab);
	g_test_add_data_func("/net/kerberos/ccache", &test, test_ccache);
	g_test_add_data_func("/net/kerberos/brief", &test, test_brief);
	g_test_add_data_func("/net/kerberos/end", &test, test_end);
	g_test_add_data_func("/net/kerberos/refused", &test, test_refused);
	g_test_add_data_func("/net/kerberos/service", &test, test_service);
	g_test_add_data_func("/net/kerberos/answers", &test, test_answers);
	g_test_add_data_func("/net/kerberos/negotiate", &test, test_negotiate);
	g_test_add_data_func("/net/kerberos/binding", &test, test_binding);
	g_test_add_data_func("/net/kerberos/unreachable", &test, test_unreachable);
	g_test_add_data_func("/net/kerberos/hung", &test, test_hung);
	g_test_add_data_func("/net/kerberos/skew", &test, test_skew);
	g_test_add_data_func("/net/kerberos/threads", &test, test_threads);
	g_test_add_data_func("/net/kerberos/queue", &test, test_queue);
	g_test_add_func("/net/kerberos/nonsense", test_nonsense);
	int code = g_test_run();
	test_kdc_free(test.kdc);
	g_free(test.keytab);
	g_free(test.service_keytab);
	return code;
}
