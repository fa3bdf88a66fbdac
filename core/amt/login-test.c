/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/session.h"

#include "tests/lib/fake-http.h"

#include <provost/error.h>

/* What counts as a login that has worked. */

typedef struct {
	FakeHttp *http;
	PvWsman *wsman;
	guint status; /* of the answer to a request with credentials; between requests only */
	guint given;  /* credentials */
	guint worked;
} Fixture;

static gboolean
login_test_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	const Fixture *f = data;
	if (request->authorization == NULL)
		return fake_http_reply(connection, 401,
		    "WWW-Authenticate: Digest realm=\"Digest:1\", nonce=\"1\", qop=\"auth\"\r\n", "");
	return fake_http_reply(connection, f->status, "Content-Type: application/soap+xml\r\n",
	    "<a:Envelope xmlns:a=\"http://www.w3.org/2003/05/soap-envelope\"><a:Body>"
	    "<g:AMT_GeneralSettings xmlns:g=\"http://intel.com/wbem/wscim/1/amt-schema/1/AMT_GeneralSettings\"/>"
	    "</a:Body></a:Envelope>");
}

static gboolean
login_test_next(gpointer data, const char *realm, guint attempt, char **user, PvSecret **password, GError **error)
{
	Fixture *f = data;
	f->given++;
	*user = g_strdup("admin");
	*password = pv_secret_new("P@ssw0rd", -1);
	return TRUE;
}

static void
login_test_worked(gpointer data, guint attempt)
{
	Fixture *f = data;
	f->worked++;
}

static void
login_test_set_up(Fixture *f, gconstpointer unused)
{
	f->http = fake_http_new(NULL, login_test_handle, f);
	const PvWsmanOptions options = { .address = "127.0.0.1",
		.port = fake_http_get_port(f->http),
		.next = login_test_next,
		.worked = login_test_worked,
		.data = f };
	f->wsman = pv_wsman_new(&options, NULL);
}

static void
login_test_tear_down(Fixture *f, gconstpointer unused)
{
	pv_wsman_free(f->wsman);
	fake_http_free(f->http);
}

static gboolean
login_test_ask(Fixture *f, guint status)
{
	g_autoptr(GError) error = NULL;
	f->status = status;
	g_autoptr(PvInstance) settings = pv_wsman_get(f->wsman, "AMT_GeneralSettings", NULL, &error);
	pv_wsman_forget(f->wsman);
	return settings != NULL;
}

/* A 503 has looked at no password: the count of wrong ones stays until an answer shows that it was right. */
static void
login_test_unproven(Fixture *f, gconstpointer unused)
{
	static const guint unproven[] = { 503, 500, 403, 404 };
	for (gsize i = 0; i < G_N_ELEMENTS(unproven); i++)
		g_assert_false(login_test_ask(f, unproven[i]));
	g_assert_cmpuint(f->worked, ==, 0);
	g_assert_cmpuint(f->given, ==, 1);
	g_assert_true(login_test_ask(f, 200));
	g_assert_cmpuint(f->worked, ==, 1);
	/* told once */
	g_assert_true(login_test_ask(f, 200));
	g_assert_cmpuint(f->worked, ==, 1);
	g_assert_cmpuint(f->given, ==, 1);
}

/* the fault of a request comes from behind the login */
static void
login_test_fault(Fixture *f, gconstpointer unused)
{
	g_assert_false(login_test_ask(f, 400));
	g_assert_cmpuint(f->worked, ==, 1);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/amt/login/unproven", Fixture, NULL, login_test_set_up, login_test_unproven, login_test_tear_down);
	g_test_add("/amt/login/fault", Fixture, NULL, login_test_set_up, login_test_fault, login_test_tear_down);
	return g_test_run();
}
