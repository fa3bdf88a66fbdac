/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/session.h"

#include "tests/lib/fake-amt.h"
#include "tests/lib/fake-http.h"

#include <provost/error.h>

#include <string.h>
#include <glib/gstdio.h>

#define REALM "Digest:F3EB554784E729164447A89F60B641C5"
#define SERVER "Server: Intel(R) Active Management Technology 15.0.23.1706\r\n"

/* a device that does what the test's row says */
typedef struct {
	const char *password; /* of "admin"; NULL: no login */
	const char *qop; /* NULL: auth */
	const char *refuse; /* answers 401 with this WWW-Authenticate whatever comes */
	gboolean close_on_401;
	gboolean close_always; /* after each answer */
	guint nonce_uses; /* a nonce dies after so many; 0: never */
	guint new_realm_at; /* the realm changes at that request; 0: never */
	guint lose_at; /* that request (from 1) is read, and the connection closed; 0: never */
	guint lose_count; /* and so many more */
	gboolean chunked;
	guint instances; /* of an enumeration, one for each pull; 0: all in one */
	gboolean endless; /* each pull gives a new context and one instance */
	gboolean giant; /* the body is longer than allowed */
	gboolean trickle; /* a byte now and then */
	gboolean hang; /* no answer */
	const char *body; /* the Body's content; NULL: an AMT_GeneralSettings */
	guint status; /* 0: 200 */
} Script;

typedef struct {
	const Script *script;
	FakeHttp *http;
	PvWsman *wsman;
	GCancellable *cancellable;
	guint nonce; /* number of the current one */
	guint nonce_used;
	guint pulls;
	guint requests;
	GThread *canceller;
	/* the client's credentials */
	const char *const *passwords;
	guint asked; /* of next() */
	gint worked; /* attempt; -1: never */
} Fixture;

static gboolean
wsman_test_next(gpointer data, const char *realm, guint attempt, char **user, PvSecret **password,
    GError **error)
{
	Fixture *f = data;
	g_assert_true(g_str_has_prefix(realm, "Digest:"));
	g_assert_cmpuint(attempt, ==, f->asked);
	f->asked++;
	*user = NULL;
	*password = NULL;
	if (f->passwords == NULL || f->passwords[attempt] == NULL)
		return TRUE;
	*user = g_strdup("admin");
	*password = pv_secret_new(f->passwords[attempt], -1);
	return TRUE;
}

static void
wsman_test_worked(gpointer data, guint attempt)
{
	Fixture *f = data;
	g_assert_cmpint(f->worked, ==, -1);
	f->worked = (gint)attempt;
}

/* ---- the device ---- */

static char *
wsman_test_dup_field(const char *header, const char *name)
{
	g_autofree char *key = g_strconcat(" ", name, "=", NULL);
	const char *at = strstr(header, key);
	if (at == NULL)
		return g_strdup("");
	at += strlen(key);
	return *at == '"' ? g_strndup(at + 1, strcspn(at + 1, "\""))
			  : g_strndup(at, strcspn(at, ","));
}

static const char *
wsman_test_realm(const Fixture *f)
{
	return f->script->new_realm_at != 0 && f->requests >= f->script->new_realm_at
		   ? "Digest:00000000000000000000000000000000"
		   : REALM;
}

/* checks an answer with GLib's MD5 and not with ours */
static gboolean
wsman_test_is_right(Fixture *f, const FakeHttpRequest *request)
{
	if (request->authorization == NULL)
		return FALSE;
	const char *header = request->authorization;
	g_autofree char *nonce = wsman_test_dup_field(header, "nonce");
	g_autofree char *count = wsman_test_dup_field(header, "nc");
	g_autofree char *cnonce = wsman_test_dup_field(header, "cnonce");
	g_autofree char *qop = wsman_test_dup_field(header, "qop");
	g_autofree char *response = wsman_test_dup_field(header, "response");
	g_autofree char *expected_nonce = g_strdup_printf("nonce%u", f->nonce);
	g_autofree char *a1 =
	    g_strdup_printf("admin:%s:%s", wsman_test_realm(f), f->script->password);
	g_autofree char *ha1 = g_compute_checksum_for_string(G_CHECKSUM_MD5, a1, -1);
	g_autofree char *body = g_compute_checksum_for_string(G_CHECKSUM_MD5, request->body, -1);
	g_autofree char *a2 = g_str_equal(qop, "auth-int") ? g_strdup_printf("POST:/wsman:%s", body)
							   : g_strdup("POST:/wsman");
	g_autofree char *ha2 = g_compute_checksum_for_string(G_CHECKSUM_MD5, a2, -1);
	g_autofree char *all =
	    g_strdup_printf("%s:%s:%s:%s:%s:%s", ha1, nonce, count, cnonce, qop, ha2);
	g_autofree char *expected = g_compute_checksum_for_string(G_CHECKSUM_MD5, all, -1);
	if (!g_str_equal(nonce, expected_nonce) || !g_str_equal(response, expected))
		return FALSE;
	/* nc rises with each use of a nonce; one may be missing where a request met a connection that was closing */
	guint64 number = g_ascii_strtoull(count, NULL, 16);
	g_assert_cmpuint(number, >, f->nonce_used);
	g_assert_true(f->script->close_always || number == f->nonce_used + 1);
	f->nonce_used = (guint)number;
	return TRUE;
}

static gboolean
wsman_test_challenge(Fixture *f, FakeHttpConnection *connection)
{
	const Script *s = f->script;
	f->nonce++;
	f->nonce_used = 0;
	g_autofree char *header =
	    s->refuse != NULL
		? g_strdup_printf(SERVER "WWW-Authenticate: %s\r\nContent-Type: text/html\r\n%s",
		      s->refuse, s->close_on_401 ? "Connection: close\r\n" : "")
		: g_strdup_printf(SERVER "WWW-Authenticate: Digest realm=\"%s\", "
					 "nonce=\"nonce%u\",stale=\"false\",qop=\"%s\"\r\n"
					 "Content-Type: text/html\r\n%s",
		      wsman_test_realm(f), f->nonce, s->qop != NULL ? s->qop : "auth",
		      s->close_on_401 ? "Connection: close\r\n" : "");
	return fake_http_reply(connection, 401, header, "<html>Log on failed.</html>") &&
	       !s->close_on_401;
}

/* chunks as firmware cuts them: anywhere, with four digits in upper case */
static gboolean
wsman_test_send_chunked(FakeHttpConnection *connection, const char *body)
{
	static const gsize sizes[] = { 1, 2, 0x3c, 7, 0x220 };
	gsize left = strlen(body);
	fake_http_send(
	    connection, "HTTP/1.1 200 OK\r\n" SERVER "Transfer-Encoding: chunked\r\n\r\n", -1);
	for (guint i = 0; left > 0; i++) {
		gsize size = MIN(left, sizes[i % G_N_ELEMENTS(sizes)]);
		g_autofree char *line = g_strdup_printf("%04X\r\n", (guint)size);
		fake_http_send(connection, line, -1);
		fake_http_send(connection, body, (gssize)size);
		fake_http_send(connection, "\r\n", 2);
		body += size;
		left -= size;
	}
	return fake_http_send(connection, "0\r\n\r\n", -1);
}

static char *
wsman_test_dup_content(Fixture *f, const FakeHttpRequest *request)
{
	const Script *s = f->script;
	if (strstr(request->body, "/enumeration/Enumerate<") != NULL)
		return g_strdup("<e:EnumerateResponse><e:EnumerationContext>c0</"
				"e:EnumerationContext></e:EnumerateResponse>");
	if (strstr(request->body, "/enumeration/Pull<") != NULL) {
		g_autofree char *asked = g_strdup_printf("<n:EnumerationContext>c%u<", f->pulls);
		g_assert_nonnull(strstr(request->body, asked));
		f->pulls++;
		if (s->instances == 0 && !s->endless)
			return g_strdup("<e:PullResponse><e:Items></e:Items><e:EndOfSequence/></"
					"e:PullResponse>");
		g_autofree char *end =
		    s->endless || f->pulls < s->instances
			? g_strdup_printf(
			      "<e:EnumerationContext>c%u</e:EnumerationContext>", f->pulls)
			: g_strdup("<e:EndOfSequence></e:EndOfSequence>");
		return g_strdup_printf("<e:PullResponse>%s<e:Items><g:AMT_X><g:InstanceID>%u</"
				       "g:InstanceID></g:AMT_X></e:Items></e:PullResponse>",
		    end, f->pulls);
	}
	return g_strdup(s->body != NULL
			    ? s->body
			    : "<g:AMT_GeneralSettings><g:HostName>pc1</g:HostName><g:InstanceID>i</"
			      "g:InstanceID></g:AMT_GeneralSettings>");
}

static gboolean
wsman_test_answer(Fixture *f, FakeHttpConnection *connection, const FakeHttpRequest *request)
{
	const Script *s = f->script;
	g_autofree char *content = wsman_test_dup_content(f, request);
	g_autofree char *body =
	    g_strdup_printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?><a:Envelope "
			    "xmlns:a=\"http://www.w3.org/2003/05/soap-envelope\""
			    " xmlns:b=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" "
			    "xmlns:c=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\""
			    " xmlns:d=\"http://schemas.xmlsoap.org/ws/2004/09/transfer\" "
			    "xmlns:e=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\""
			    " xmlns:g=\"http://intel.com/wbem/wscim/1/amt-schema/1/"
			    "AMT_GeneralSettings\"><a:Body>%s</a:Body></a:Envelope>",
		content);
	if (s->chunked)
		return wsman_test_send_chunked(connection, body);
	return fake_http_reply(connection, s->status != 0 ? s->status : 200, SERVER, body) &&
	       !s->close_always;
}

static gboolean
wsman_test_trickle(FakeHttpConnection *connection)
{
	fake_http_send(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", -1);
	while (fake_http_pause(connection, 20))
		if (!fake_http_send(connection, "x", 1))
			break;
	return FALSE;
}

static gpointer
wsman_test_cancel(gpointer data)
{
	g_cancellable_cancel(data);
	return NULL;
}

static gboolean
wsman_test_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	Fixture *f = data;
	const Script *s = g_atomic_pointer_get(&f->script);
	f->requests++;
	if (g_str_equal(request->method, "GET")) {
		g_assert_null(request->authorization);
		return fake_http_reply(connection, 404, SERVER, "no");
	}
	if (s->lose_at != 0 && f->requests >= s->lose_at &&
	    f->requests <= s->lose_at + s->lose_count)
		return FALSE;
	if (s->hang) {
		if (f->cancellable != NULL && f->canceller == NULL)
			f->canceller = g_thread_new("cancel", wsman_test_cancel, f->cancellable);
		fake_http_pause(connection, 20000);
		return FALSE;
	}
	if (s->trickle)
		return wsman_test_trickle(connection);
	if (s->giant) {
		g_autofree char *big = g_strnfill(2 * 1024 * 1024, 'x');
		return fake_http_reply(connection, 200, SERVER, big);
	}
	gboolean spent = s->nonce_uses != 0 && f->nonce_used >= s->nonce_uses;
	if (s->refuse != NULL ||
	    (s->password != NULL && (spent || !wsman_test_is_right(f, request))))
		return wsman_test_challenge(f, connection);
	return wsman_test_answer(f, connection, request);
}

static void
wsman_test_start(Fixture *f, const Script *script, const char *const *passwords)
{
	f->script = script;
	f->passwords = passwords;
	f->worked = -1;
	f->http = fake_http_new(NULL, wsman_test_handle, f);
	const PvWsmanOptions options = { .address = "127.0.0.1",
		.port = fake_http_get_port(f->http),
		.request_msec = 20000,
		.next = wsman_test_next,
		.worked = wsman_test_worked,
		.data = f };
	f->wsman = pv_wsman_new(&options, f->cancellable);
}

static void
wsman_test_clear(Fixture *f)
{
	/* the peer's threads end first, so that nothing of theirs is in flight when the session goes */
	fake_http_free(f->http);
	if (f->canceller != NULL)
		g_thread_join(f->canceller);
	pv_wsman_free(f->wsman);
	g_clear_object(&f->cancellable);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, wsman_test_clear)

static const char *const passwords_right[] = { "Right1!", NULL };

static void
wsman_test_expect_get(Fixture *f)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvInstance) instance =
	    pv_wsman_get(f->wsman, "AMT_GeneralSettings", NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_instance_get(instance, "HostName"), ==, "pc1");
}

static void
wsman_test_expect_error(Fixture *f, gint code, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvInstance) instance =
	    pv_wsman_get(f->wsman, "AMT_GeneralSettings", NULL, &error);
	g_assert_null(instance);
	g_assert_error(error, PV_ERROR, code);
	if (strstr(error->message, text) == NULL)
		g_error("\"%s\" lacks \"%s\"", error->message, text);
}

/* ---- login ---- */

static void
wsman_test_no_login(void)
{
	static const Script script = { 0 };
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, &script, NULL);
	g_assert_true(pv_wsman_connect(f.wsman, NULL));
	g_assert_cmpstr(pv_wsman_get_version(f.wsman), ==, "15.0.23.1706");
	wsman_test_expect_get(&f);
	g_assert_null(pv_wsman_get_realm(f.wsman));
	g_assert_null(pv_wsman_get_user(f.wsman));
	g_assert_null(pv_wsman_get_fingerprint(f.wsman));
	g_assert_cmpuint(f.asked, ==, 0);
	g_assert_cmpuint(fake_http_get_connections(f.http), ==, 1);
}

/* S12-08.1 and .3: the first request carries nothing, the second the same bytes and the login */
static void
wsman_test_same_body(gconstpointer data)
{
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, data, passwords_right);
	wsman_test_expect_get(&f);
	g_assert_cmpint(f.worked, ==, 0);
	g_assert_cmpstr(pv_wsman_get_realm(f.wsman), ==, REALM);
	g_assert_cmpstr(pv_wsman_get_user(f.wsman), ==, "admin");
	const FakeHttpRequest *first = fake_http_get_request(f.http, 0);
	const FakeHttpRequest *second = fake_http_get_request(f.http, 1);
	g_assert_cmpuint(fake_http_get_count(f.http), ==, 2);
	g_assert_null(first->authorization);
	g_assert_nonnull(second->authorization);
	g_assert_cmpmem(first->body, first->length, second->body, second->length);
	g_assert_cmpuint(first->length, >, 0);

	/* and the next one logs in at once */
	pv_wsman_forget(f.wsman);
	wsman_test_expect_get(&f);
	g_assert_cmpuint(fake_http_get_count(f.http), ==, 3);
	g_assert_cmpuint(f.asked, ==, 1);
}

static const Script script_login = { .password = "Right1!" };
static const Script script_int = { .password = "Right1!", .qop = "auth,auth-int, auth" };
static const Script script_close401 = { .password = "Right1!", .close_on_401 = TRUE };
static const Script script_close = { .password = "Right1!", .close_always = TRUE };
static const Script script_chunked = { .password = "Right1!", .chunked = TRUE };

/* four pairs, the third right: 1, 2 and 3 are seen and 4 is not */
static void
wsman_test_third(void)
{
	static const char *const list[] = { "Wrong1!", "Wrong2!", "Right1!", "Wrong4!", NULL };
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, &script_close401, list);
	wsman_test_expect_get(&f);
	g_assert_cmpint(f.worked, ==, 2);
	g_assert_cmpuint(f.asked, ==, 3);
	g_assert_cmpuint(fake_http_get_count(f.http), ==, 4);
	for (guint i = 1; i < 4; i++)
		g_assert_cmpstr(fake_http_get_request(f.http, i)->body, ==,
		    fake_http_get_request(f.http, 0)->body);
}

static void
wsman_test_exhausted(void)
{
	static const char *const list[] = { "Wrong1!", "Wrong2!", "Wrong3!", "Wrong4!", NULL };
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, &script_login, list);
	wsman_test_expect_error(
	    &f, PV_ERROR_AUTH, "auth-exhausted: the device took none of 4 credentials");
	g_assert_cmpint(f.worked, ==, -1);
	g_assert_cmpuint(fake_http_get_count(f.http), ==, 5);
	g_assert_null(pv_wsman_get_user(f.wsman));
}

/* however long the list is: the firmware locks logins after ten */
static void
wsman_test_lockout(void)
{
	static const char *const list[] = { "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11",
		"12", NULL };
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, &script_login, list);
	wsman_test_expect_error(&f, PV_ERROR_AUTH, "auth-exhausted: stopped after 8 wrong logins");
	g_assert_cmpuint(fake_http_get_count(f.http), ==, 9);
	/* a close begins the list anew and not the count */
	pv_wsman_close(f.wsman);
	f.asked = 0;
	wsman_test_expect_error(&f, PV_ERROR_AUTH, "stopped after 8");
	g_assert_cmpuint(fake_http_get_count(f.http), ==, 10);
}

static void
wsman_test_no_credential(void)
{
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, &script_login, NULL);
	wsman_test_expect_error(&f, PV_ERROR_AUTH, "no credential is configured");
	static const Script negotiate = { .refuse = "Negotiate" };
	g_auto(Fixture) other = { 0 };
	wsman_test_start(&other, &negotiate, passwords_right);
	wsman_test_expect_error(&other, PV_ERROR_AUTH, "offers no Digest (it offers: Negotiate)");
}

/* AMT says stale="false" whatever the reason: one new try, and no new credential */
static void
wsman_test_nonce_expires(void)
{
	static const Script script = { .password = "Right1!", .nonce_uses = 2 };
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, &script, passwords_right);
	for (guint i = 0; i < 5; i++) {
		wsman_test_expect_get(&f);
		pv_wsman_forget(f.wsman);
	}
	/* five requests, and a challenge before the 1st, 3rd and 5th */
	g_assert_cmpuint(fake_http_get_count(f.http), ==, 8);
	g_assert_cmpuint(f.asked, ==, 1);
	g_assert_cmpint(f.worked, ==, 0);
}

/* logged in, and then the password is another one: exactly one new try, then it counts as wrong */
static void
wsman_test_password_changes(void)
{
	static const Script changed = { .password = "Other1!" };
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, &script_login, passwords_right);
	wsman_test_expect_get(&f);
	g_atomic_pointer_set(&f.script, &changed);
	pv_wsman_forget(f.wsman);
	guint before = fake_http_get_count(f.http);
	wsman_test_expect_error(
	    &f, PV_ERROR_AUTH, "auth-exhausted: the device took none of 1 credential");
	g_assert_cmpuint(fake_http_get_count(f.http), ==, before + 2);
}

static void
wsman_test_stale_for_ever(void)
{
	static const Script script = {
		.refuse = "Digest realm=\"Digest:1\", nonce=\"n\", stale=\"true\", qop=\"auth\""
	};
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, &script, passwords_right);
	wsman_test_expect_error(&f, PV_ERROR_AUTH, "auth-exhausted");
	g_assert_cmpuint(fake_http_get_count(f.http), ==, 3);
}

static void
wsman_test_realm_changes(void)
{
	static const Script script = { .password = "Right1!", .new_realm_at = 3 };
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, &script, passwords_right);
	wsman_test_expect_get(&f);
	g_assert_cmpstr(pv_wsman_get_realm(f.wsman), ==, REALM);
	pv_wsman_forget(f.wsman);
	wsman_test_expect_get(&f);
	g_assert_cmpstr(pv_wsman_get_realm(f.wsman), ==, "Digest:00000000000000000000000000000000");
	g_assert_cmpuint(f.asked, ==, 1);
}

/* ---- what breaks ---- */

static void
wsman_test_lost_read(void)
{
	static const Script script = { .lose_at = 2 };
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, &script, NULL);
	wsman_test_expect_get(&f);
	pv_wsman_forget(f.wsman);
	wsman_test_expect_get(&f);
	g_assert_cmpuint(fake_http_get_count(f.http), ==, 3);

	static const Script always = { .lose_at = 1, .lose_count = 100 };
	g_auto(Fixture) other = { 0 };
	wsman_test_start(&other, &always, NULL);
	wsman_test_expect_error(&other, PV_ERROR_UNREACHABLE, "closed before the answer");
	g_assert_cmpuint(fake_http_get_count(other.http), ==, 2);
}

/* a write that may have been done is never sent twice, on a fresh connection or a used one */
static void
wsman_test_lost_write(void)
{
	static const Script script = { .lose_at = 2, .lose_count = 1 };
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, &script, NULL);
	wsman_test_expect_get(&f);
	for (guint i = 0; i < 2; i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(PvInstance) output = pv_wsman_invoke(f.wsman,
		    "AMT_SetupAndConfigurationService", NULL, "CommitChanges", NULL, NULL, &error);
		g_assert_null(output);
		g_assert_error(error, PV_ERROR, PV_ERROR_UNREACHABLE);
		g_assert_true(g_str_has_prefix(error->message,
		    "invoke AMT_SetupAndConfigurationService.CommitChanges: reply lost: "));
	}
	g_assert_cmpuint(fake_http_get_count(f.http), ==, 3);
	guint writes = 0;
	pv_wsman_get_counts(f.wsman, NULL, &writes);
	g_assert_cmpuint(writes, ==, 2);
	wsman_test_expect_get(&f);
}

static void
wsman_test_closed_between(void)
{
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, &script_close, passwords_right);
	for (guint i = 0; i < 4; i++) {
		wsman_test_expect_get(&f);
		pv_wsman_forget(f.wsman);
	}
	/* the nonce survives: one challenge in all */
	g_assert_cmpuint(fake_http_get_count(f.http), ==, 5);
	g_assert_cmpuint(fake_http_get_connections(f.http), ==, 4);
}

static void
wsman_test_refused(void)
{
	g_auto(Fixture) f = { 0 };
	static const Script script = { 0 };
	wsman_test_start(&f, &script, NULL);
	guint port = fake_http_get_port(f.http);
	g_clear_pointer(&f.http, fake_http_free);
	g_autofree char *text = g_strdup_printf(
	    "get AMT_GeneralSettings: connect 127.0.0.1:%u: connection refused", port);
	wsman_test_expect_error(&f, PV_ERROR_UNREACHABLE, text);
}

static void
wsman_test_cancelled(void)
{
	static const Script script = { .hang = TRUE };
	g_auto(Fixture) f = { .cancellable = g_cancellable_new() };
	wsman_test_start(&f, &script, NULL);
	/* on a connection that stands, where curl has no timers of its own that would end its wait */
	g_assert_true(pv_wsman_connect(f.wsman, NULL));
	gint64 begin = g_get_monotonic_time();
	g_autoptr(GError) error = NULL;
	g_autoptr(PvInstance) instance = pv_wsman_get(f.wsman, "AMT_GeneralSettings", NULL, &error);
	g_assert_null(instance);
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
	/* far below the 1 s that curl sleeps by itself, far above a busy machine's hiccups */
	g_assert_cmpint(g_get_monotonic_time() - begin, <, 700 * 1000);
	g_clear_error(&error);
	instance = pv_wsman_get(f.wsman, "AMT_GeneralSettings", NULL, &error);
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
wsman_test_giant(void)
{
	static const Script script = { .giant = TRUE };
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, &script, NULL);
	wsman_test_expect_error(&f, PV_ERROR_PROTOCOL, "longer than 1 MiB");
}

static void
wsman_test_hangs(void)
{
	static const Script scripts[] = { { .hang = TRUE }, { .trickle = TRUE } };
	for (gsize i = 0; i < G_N_ELEMENTS(scripts); i++) {
		Fixture f = { .script = &scripts[i], .worked = -1 };
		f.http = fake_http_new(NULL, wsman_test_handle, &f);
		const PvWsmanOptions options = { .address = "127.0.0.1",
			.port = fake_http_get_port(f.http),
			.connect_msec = 100,
			.request_msec = 200 };
		f.wsman = pv_wsman_new(&options, NULL);
		wsman_test_expect_error(&f, PV_ERROR_UNREACHABLE, "no answer within 200 ms");
		g_assert_cmpuint(fake_http_get_connections(f.http), ==, 1);
		wsman_test_clear(&f);
	}
}

/* ---- answers ---- */

static void
wsman_test_faults(void)
{
#define FAULT(code) \
	"<a:Fault><a:Code><a:Value>a:Sender</a:Value><a:Subcode><a:Value>z:" code \
	"</a:Value></a:Subcode></a:Code>" \
	"<a:Reason><a:Text>because</a:Text></a:Reason></a:Fault>"
	static const struct {
		Script script;
		gint code;
		const char *text;
	} rows[] = {
		{ { .status = 400, .body = FAULT("DestinationUnreachable") }, PV_ERROR_UNSUPPORTED,
		    "get AMT_GeneralSettings: DestinationUnreachable: because" },
		{ { .status = 400, .body = FAULT("AccessDenied") }, PV_ERROR_AUTH,
		    "AccessDenied: because" },
		{ { .status = 400, .body = FAULT("AlreadyExists") }, PV_ERROR_REJECTED,
		    "AlreadyExists: because" },
		{ { .status = 400, .body = FAULT("SchemaValidationError") }, PV_ERROR_REJECTED,
		    "SchemaValidationError" },
		{ { .status = 500, .body = FAULT("InternalError") }, PV_ERROR_PENDING,
		    "InternalError" },
		{ { .status = 200, .body = FAULT("TimedOut") }, PV_ERROR_PENDING, "TimedOut" },
		{ { .status = 400, .body = "<g:X/>" }, PV_ERROR_REJECTED,
		    "HTTP status 400 without a fault" },
		{ { .status = 404, .body = "" }, PV_ERROR_UNSUPPORTED, "HTTP status 404" },
		{ { .status = 403, .body = "" }, PV_ERROR_AUTH, "HTTP status 403" },
		{ { .status = 503, .body = "" }, PV_ERROR_UNREACHABLE, "HTTP status 503" },
		{ { .status = 302, .body = "" }, PV_ERROR_PROTOCOL, "HTTP status 302" },
		{ { .body = "" }, PV_ERROR_PROTOCOL, "the answer holds no instance" },
		{ { .body = "<unclosed>" }, PV_ERROR_PROTOCOL, "no well-formed XML" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_auto(Fixture) f = { 0 };
		wsman_test_start(&f, &rows[i].script, NULL);
		wsman_test_expect_error(&f, rows[i].code, rows[i].text);
		g_assert_cmpuint(fake_http_get_count(f.http), ==, 1);
	}
}

static void
wsman_test_return_values(void)
{
#define OUTPUT(value) "<g:Do_OUTPUT><g:Handle>7</g:Handle>" value "</g:Do_OUTPUT>"
	static const struct {
		Script script;
		gint code;
		const char *text;
	} rows[] = {
		{ { .body = OUTPUT("<g:ReturnValue>0</g:ReturnValue>") }, -1, NULL },
		{ { .body = OUTPUT("<g:ReturnValue>2061</g:ReturnValue>") }, PV_ERROR_PENDING,
		    "AMT_X.Do: PKI_GENERATING_KEYS (2061)" },
		{ { .body = OUTPUT("<g:ReturnValue>2058</g:ReturnValue>") }, PV_ERROR_REJECTED,
		    "AMT_X.Do: DUPLICATE (2058)" },
		{ { .body = OUTPUT("") }, PV_ERROR_PROTOCOL,
		    "invoke AMT_X.Do: the answer has no ReturnValue" },
		{ { .body = OUTPUT("<g:ReturnValue>-1</g:ReturnValue>") }, PV_ERROR_PROTOCOL,
		    "no ReturnValue" },
		{ { .body = "" }, PV_ERROR_PROTOCOL, "the answer holds no output" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_auto(Fixture) f = { 0 };
		g_autoptr(GError) error = NULL;
		wsman_test_start(&f, &rows[i].script, NULL);
		g_autoptr(PvInstance) output =
		    pv_wsman_invoke(f.wsman, "AMT_X", NULL, "Do", NULL, NULL, &error);
		if (rows[i].code < 0) {
			g_assert_no_error(error);
			g_assert_cmpint(pv_instance_get_int(output, "Handle", 0), ==, 7);
			continue;
		}
		g_assert_error(error, PV_ERROR, rows[i].code);
		if (strstr(error->message, rows[i].text) == NULL)
			g_error("\"%s\" lacks \"%s\"", error->message, rows[i].text);
	}
	/* judged by the caller */
	g_auto(Fixture) f = { 0 };
	guint32 status = 0;
	wsman_test_start(&f, &rows[2].script, NULL);
	g_autoptr(PvInstance) output =
	    pv_wsman_invoke(f.wsman, "AMT_X", NULL, "Do", NULL, &status, NULL);
	g_assert_nonnull(output);
	g_assert_cmpuint(status, ==, PV_PT_STATUS_DUPLICATE);
}

static void
wsman_test_enumerate(void)
{
	static const Script one_each = { .instances = 3 };
	g_auto(Fixture) f = { 0 };
	wsman_test_start(&f, &one_each, NULL);
	for (guint i = 0; i < 2; i++) { /* the second time from the cache */
		g_autoptr(GPtrArray) instances = pv_wsman_enumerate(f.wsman, "AMT_X", NULL);
		g_assert_cmpuint(instances->len, ==, 3);
		g_assert_cmpstr(
		    pv_instance_get(g_ptr_array_index(instances, 2), "InstanceID"), ==, "3");
		pv_instance_set(g_ptr_array_index(instances, 2), "InstanceID", "changed");
	}
	g_assert_cmpuint(fake_http_get_count(f.http), ==, 4);

	static const Script empty = { 0 };
	g_auto(Fixture) none = { 0 };
	wsman_test_start(&none, &empty, NULL);
	g_autoptr(GPtrArray) instances = pv_wsman_enumerate(none.wsman, "AMT_X", NULL);
	g_assert_cmpuint(instances->len, ==, 0);
}

static void
wsman_test_enumerate_endless(void)
{
	static const Script endless = { .endless = TRUE };
	g_auto(Fixture) f = { 0 };
	g_autoptr(GError) error = NULL;
	wsman_test_start(&f, &endless, NULL);
	g_assert_null(pv_wsman_enumerate(f.wsman, "AMT_X", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_PROTOCOL);
	g_assert_nonnull(strstr(error->message, "does not end after 100 pulls"));
	g_assert_cmpuint(fake_http_get_count(f.http), ==, 101);
}

/* ---- with rows ---- */

static PvWsman *
wsman_test_session(FakeAmt *fake)
{
	const PvWsmanOptions options = { .address = "127.0.0.1", .port = fake_amt_get_port(fake) };
	return pv_wsman_new(&options, NULL);
}

static void
wsman_test_cache(void)
{
	static const char rows[] =
	    "[ {'expect': {'class': 'AMT_GeneralSettings', 'method': 'Get'},"
	    "   'answer': {'properties': {'HostName': 'old', 'PingResponseEnabled': true}}},"
	    "  {'expect': {'class': 'AMT_TLSSettingData', 'method': 'Get', 'selectors': "
	    "{'InstanceID': 'a&b'}},"
	    "   'answer': {'properties': {'Enabled': false, 'InstanceID': 'a&b'}}},"
	    "  {'expect': {'class': 'AMT_AuthorizationService', 'method': 'GetAdminAclEntry'},"
	    "   'answer': {'output': {'Username': 'admin', 'ReturnValue': 0}}},"
	    "  {'expect': {'class': 'AMT_TLSSettingData', 'method': 'Put', 'selectors': "
	    "{'InstanceID': 'a&b'},"
	    "              'contains': "
	    "['<r:Enabled>true</r:Enabled><r:InstanceID>a&amp;b</r:InstanceID>']},"
	    "   'answer': {'properties': {'Enabled': true}}},"
	    "  {'expect': {'class': 'AMT_GeneralSettings', 'method': 'Get', 'lacks': "
	    "['SelectorSet']},"
	    "   'answer': {'properties': {'HostName': 'new'}}} ]";
	g_autoptr(GError) error = NULL;
	g_autofree char *json = g_strdelimit(g_strdup(rows), "'", '"');
	g_autoptr(FakeAmt) fake = fake_amt_new_from_data("cache", json, &error);
	g_assert_no_error(error);
	g_autoptr(PvWsman) amt = wsman_test_session(fake);
	for (guint i = 0; i < 3; i++) {
		g_autoptr(PvInstance) general =
		    pv_wsman_get(amt, "AMT_GeneralSettings", NULL, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(pv_instance_get(general, "HostName"), ==, "old");
		g_assert_true(pv_instance_get_bool(general, "PingResponseEnabled"));
	}
	g_autoptr(PvInstance) tls =
	    pv_wsman_get(amt, "AMT_TLSSettingData", PV_SELECT("InstanceID", "a&b"), &error);
	g_assert_no_error(error);
	g_autoptr(PvInstance) admin = pv_wsman_invoke(
	    amt, "AMT_AuthorizationService", NULL, "GetAdminAclEntry", NULL, NULL, &error);
	g_assert_no_error(error);
	/* that was no write: still from the cache */
	g_autoptr(PvInstance) kept = pv_wsman_get(amt, "AMT_GeneralSettings", NULL, &error);
	pv_instance_set(tls, "Enabled", "true");
	g_assert_true(pv_wsman_put(amt, tls, &error));
	g_autoptr(PvInstance) general = pv_wsman_get(amt, "AMT_GeneralSettings", NULL, &error);
	g_assert_cmpstr(pv_instance_get(general, "HostName"), ==, "new");
	g_assert_cmpstr(pv_wsman_get_version(amt), ==, "16.1.25");
	guint requests = 0;
	guint writes = 0;
	pv_wsman_get_counts(amt, &requests, &writes);
	g_assert_cmpuint(requests, ==, 5);
	g_assert_cmpuint(writes, ==, 1);
	g_assert_null(fake_amt_get_failure(fake));
}

static void
wsman_test_objects(void)
{
	static const char rows[] =
	    "[ {'expect': {'class': 'AMT_PublicKeyCertificate', 'method': 'Enumerate'},"
	    "   'answer': {'items': [ {'InstanceID': 'c0'}, {'class': 'CIM_Other', 'properties': "
	    "{'Name': 'n'}} ]}},"
	    "  {'expect': {'class': 'AMT_PublicKeyCertificate', 'method': 'Put', 'selectors': "
	    "{'InstanceID': 'c0'}},"
	    "   'answer': {}},"
	    "  {'expect': {'class': 'AMT_TLSCredentialContext', 'method': 'Create', 'contains': "
	    "['<r:ElementInContext><a:Address>']},"
	    "   'answer': {'epr': {'class': 'AMT_TLSCredentialContext', 'selectors': "
	    "{'InstanceID': 't'}}}},"
	    "  {'expect': {'class': 'AMT_PublicKeyManagementService', 'method': 'AddKey'},"
	    "   'answer': {'output': {'CreatedKey': {'epr': {'class': 'AMT_PublicKeyCertificate', "
	    "'selectors': {'InstanceID': 'k'}}}, 'ReturnValue': 0}}},"
	    "  {'expect': {'class': 'AMT_PublicKeyCertificate', 'method': 'Delete', 'selectors': "
	    "{'InstanceID': 'c0'}},"
	    "   'answer': {}},"
	    "  {'expect': {'class': 'AMT_PublicKeyCertificate', 'method': 'Delete'}, 'answer': "
	    "{'fault': 'AccessDenied'}},"
	    "  {'expect': {'class': 'AMT_X', 'method': 'Do'}, 'answer': {'close': true}},"
	    "  {'expect': {'class': 'AMT_X', 'method': 'Do'}, 'answer': {'return': 2058, 'close': "
	    "true}} ]";
	g_autoptr(GError) error = NULL;
	g_autofree char *json = g_strdelimit(g_strdup(rows), "'", '"');
	g_autoptr(FakeAmt) fake = fake_amt_new_from_data("objects", json, &error);
	g_assert_no_error(error);
	g_autoptr(PvWsman) amt = wsman_test_session(fake);
	g_autoptr(GPtrArray) items = pv_wsman_enumerate(amt, "AMT_PublicKeyCertificate", &error);
	g_assert_no_error(error);
	g_assert_cmpuint(items->len, ==, 2);
	g_assert_cmpstr(pv_instance_get_class(g_ptr_array_index(items, 1)), ==, "CIM_Other");
	g_assert_true(pv_wsman_put(amt, g_ptr_array_index(items, 0), &error));

	g_autoptr(PvEpr) certificate =
	    pv_epr_new("AMT_PublicKeyCertificate", PV_SELECT("InstanceID", "c0"));
	g_autoptr(PvInstance) context = pv_instance_new("AMT_TLSCredentialContext");
	pv_instance_add_epr(context, "ElementInContext", certificate);
	g_autoptr(PvEpr) created = pv_wsman_create(amt, context, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_epr_get_selector(created, "InstanceID"), ==, "t");

	g_autoptr(PvInstance) added = pv_wsman_invoke(
	    amt, "AMT_PublicKeyManagementService", NULL, "AddKey", NULL, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(
	    pv_epr_get_selector(pv_instance_get_epr(added, "CreatedKey"), "InstanceID"), ==, "k");

	g_assert_true(pv_wsman_delete(
	    amt, "AMT_PublicKeyCertificate", PV_SELECT("InstanceID", "c0"), &error));
	g_assert_false(pv_wsman_delete(amt, "AMT_PublicKeyCertificate", NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_AUTH);
	g_assert_true(
	    g_str_has_prefix(error->message, "delete AMT_PublicKeyCertificate: AccessDenied"));
	g_clear_error(&error);
	g_assert_null(pv_wsman_invoke(amt, "AMT_X", NULL, "Do", NULL, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_UNREACHABLE);
	g_clear_error(&error);
	g_assert_null(pv_wsman_invoke(amt, "AMT_X", NULL, "Do", NULL, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	g_assert_null(fake_amt_get_failure(fake));
}

/* the device forgot where it was: once from the start, and no more */
static void
wsman_test_context_lost(void)
{
	static const char rows[] =
	    "[ {'expect': {'class': 'AMT_X', 'method': 'Enumerate'}, 'answer': {'body': "
	    "'<e:EnumerateResponse><e:EnumerationContext>c</e:EnumerationContext></"
	    "e:EnumerateResponse>'}},"
	    "  {'expect': {'class': 'AMT_X', 'method': 'Pull'}, 'answer': {'fault': "
	    "'InvalidEnumerationContext'}},"
	    "  {'expect': {'class': 'AMT_X', 'method': 'Enumerate'}, 'answer': {'items': [ "
	    "{'Name': 'n'} ]}},"
	    "  {'expect': {'class': 'AMT_Y', 'method': 'Enumerate'}, 'answer': {'fault': "
	    "'InvalidEnumerationContext'}},"
	    "  {'expect': {'class': 'AMT_Y', 'method': 'Enumerate'}, 'answer': {'fault': "
	    "'InvalidEnumerationContext'}} ]";
	g_autoptr(GError) error = NULL;
	g_autofree char *json = g_strdelimit(g_strdup(rows), "'", '"');
	g_autoptr(FakeAmt) fake = fake_amt_new_from_data("context", json, &error);
	g_assert_no_error(error);
	g_autoptr(PvWsman) amt = wsman_test_session(fake);
	g_autoptr(GPtrArray) items = pv_wsman_enumerate(amt, "AMT_X", &error);
	g_assert_no_error(error);
	g_assert_cmpuint(items->len, ==, 1);
	g_assert_null(pv_wsman_enumerate(amt, "AMT_Y", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	g_assert_null(fake_amt_get_failure(fake));
}

/* the fake itself notices what a plugin's test relies on */
static void
wsman_test_fake_notices(void)
{
	static const char rows[] = "[{\"expect\": {\"class\": \"AMT_A\", \"method\": \"Get\"}, "
				   "\"answer\": {\"properties\": {}}}]";
	g_autoptr(GError) error = NULL;
	g_autoptr(FakeAmt) unasked = fake_amt_new_from_data("unasked", rows, NULL);
	g_assert_nonnull(strstr(fake_amt_get_failure(unasked), "row 1 was never asked for"));
	g_autoptr(FakeAmt) other = fake_amt_new_from_data("other", rows, NULL);
	g_autoptr(PvWsman) amt = wsman_test_session(other);
	g_assert_null(pv_wsman_get(amt, "AMT_B", NULL, &error));
	g_assert_nonnull(
	    strstr(fake_amt_get_failure(other), "expected class AMT_A, got AMT_B Get"));
	g_clear_error(&error);
	g_assert_null(fake_amt_new_from_data("bad", "[{}]", &error));
	g_assert_nonnull(error);
}

static void
wsman_test_trace(void)
{
	static const Script script = { .password = "Right1!",
		.body = "<g:SetMEBxPassword_OUTPUT><g:ReturnValue>0</g:ReturnValue></"
			"g:SetMEBxPassword_OUTPUT>" };
	g_autofree char *dir = g_dir_make_tmp("pv-wsman-XXXXXX", NULL);
	Fixture f = { .script = &script, .passwords = passwords_right, .worked = -1 };
	f.http = fake_http_new(NULL, wsman_test_handle, &f);
	const PvWsmanOptions options = { .address = "127.0.0.1",
		.port = fake_http_get_port(f.http),
		.next = wsman_test_next,
		.worked = wsman_test_worked,
		.data = &f,
		.trace_dir = dir,
		.trace_name = "pc1" };
	f.wsman = pv_wsman_new(&options, NULL);
	g_autoptr(PvInstance) input = pv_instance_new("x");
	pv_instance_add(input, "Password", "S3cret&x!");
	g_autoptr(PvInstance) output = pv_wsman_invoke(f.wsman, "AMT_SetupAndConfigurationService",
	    NULL, "SetMEBxPassword", input, NULL, NULL);
	g_assert_nonnull(output);
	g_assert_nonnull(strstr(fake_http_get_request(f.http, 1)->body, "S3cret"));
	wsman_test_clear(&f);

	g_autofree char *path = g_build_filename(dir, "pc1.log", NULL);
	g_autofree char *text = NULL;
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_nonnull(strstr(text, "<r:Password>***</r:Password>"));
	g_assert_nonnull(strstr(text, "<g:ReturnValue>0</g:ReturnValue>"));
	g_assert_null(strstr(text, "S3cret"));
	g_assert_null(strstr(text, "response="));
	g_unlink(path);
	g_rmdir(dir);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/amt/wsman/no-login", wsman_test_no_login);
	g_test_add_data_func(
	    "/requirements/S12-08.1/no-authorization", &script_login, wsman_test_same_body);
	g_test_add_data_func(
	    "/requirements/S12-08.3/same-body", &script_login, wsman_test_same_body);
	g_test_add_data_func(
	    "/requirements/S12-08.3/same-body-auth-int", &script_int, wsman_test_same_body);
	g_test_add_data_func("/requirements/S12-08.3/same-body-closed-after-401", &script_close401,
	    wsman_test_same_body);
	g_test_add_data_func(
	    "/requirements/S12-08.3/same-body-chunked", &script_chunked, wsman_test_same_body);
	g_test_add_func("/requirements/S12-09.1/third-of-four", wsman_test_third);
	g_test_add_func("/requirements/S12-09.1/auth-exhausted", wsman_test_exhausted);
	g_test_add_func("/requirements/S12-09.1/before-lock-out", wsman_test_lockout);
	g_test_add_func("/amt/wsman/no-credential", wsman_test_no_credential);
	g_test_add_func("/amt/wsman/nonce-expires", wsman_test_nonce_expires);
	g_test_add_func("/amt/wsman/password-changes", wsman_test_password_changes);
	g_test_add_func("/amt/wsman/stale-for-ever", wsman_test_stale_for_ever);
	g_test_add_func("/amt/wsman/realm-changes", wsman_test_realm_changes);
	g_test_add_func("/amt/wsman/lost-read", wsman_test_lost_read);
	g_test_add_func("/amt/wsman/lost-write", wsman_test_lost_write);
	g_test_add_func("/amt/wsman/closed-between", wsman_test_closed_between);
	g_test_add_func("/amt/wsman/refused", wsman_test_refused);
	g_test_add_func("/amt/wsman/cancelled", wsman_test_cancelled);
	g_test_add_func("/amt/wsman/giant", wsman_test_giant);
	g_test_add_func("/amt/wsman/hangs", wsman_test_hangs);
	g_test_add_func("/requirements/S12-08.4/faults", wsman_test_faults);
	g_test_add_func("/requirements/S12-08.4/return-values", wsman_test_return_values);
	g_test_add_func("/amt/wsman/enumerate", wsman_test_enumerate);
	g_test_add_func("/amt/wsman/enumerate-endless", wsman_test_enumerate_endless);
	g_test_add_func("/amt/wsman/cache", wsman_test_cache);
	g_test_add_func("/amt/wsman/objects", wsman_test_objects);
	g_test_add_func("/amt/wsman/context-lost", wsman_test_context_lost);
	g_test_add_func("/amt/wsman/fake-notices", wsman_test_fake_notices);
	g_test_add_func("/amt/wsman/trace", wsman_test_trace);
	return g_test_run();
}
