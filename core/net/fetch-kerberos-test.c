/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/tls.h"

#include "tests/lib/fake-http.h"
#include "tests/lib/fake-pki.h"
#include "tests/lib/test-kdc.h"

#include <glib/gstdio.h>
#include <gssapi/gssapi_ext.h>
#include <provost/error.h>
#include <provost/fetch.h>
#include <string.h>

/* a web server that wants a ticket bound to its certificate, and an account with one */
typedef struct {
	TestKdc *kdc;
	char *keytab; /* of the server */
	FakeCert *cert; /* self-signed, of localhost */
	char *path; /* of it in PEM */
	SSL_CTX *tls;
	FakeHttp *http;
	char *url;
	PvKerberos *alice;
	const char *
	    binding; /* "": the right one; else that; NULL: none is looked at. Set before requests */
	gboolean proves; /* the server sends its token back */
} Fixture;

static char *
fetch_test_dup_binding(const Fixture *f)
{
	g_autoptr(GBytes) der = fake_cert_dup_der(f->cert);
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	g_checksum_update(sum, g_bytes_get_data(der, NULL), (gssize)g_bytes_get_size(der));
	static const char name[] = "tls-server-end-point:";
	gsize length = 32;
	char *text = g_malloc0(sizeof name + length);
	memcpy(text, name, sizeof name);
	g_checksum_get_digest(sum, (guint8 *)text + strlen(name), &length);
	return text;
}

static gss_cred_id_t
fetch_test_new_acceptor(const Fixture *f)
{
	OM_uint32 minor = 0;
	gss_cred_id_t credential = GSS_C_NO_CREDENTIAL;
	gss_key_value_element_desc elements[] = { { "keytab", f->keytab }, { "rcache", "none:" } };
	gss_key_value_set_desc store = { 2, elements };
	g_assert_cmpuint(gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE,
			     GSS_C_NO_OID_SET, GSS_C_ACCEPT, &store, &credential, NULL, NULL),
	    ==, GSS_S_COMPLETE);
	return credential;
}

/* (transfer full) who it is; *answer: the token for the client, base64. NULL: refused */
static char *
fetch_test_accept(const Fixture *f, const char *token, char **answer)
{
	OM_uint32 minor = 0;
	gss_cred_id_t credential = fetch_test_new_acceptor(f);
	gss_ctx_id_t session = GSS_C_NO_CONTEXT;
	gss_name_t source = GSS_C_NO_NAME;
	gss_buffer_desc out = GSS_C_EMPTY_BUFFER, name = GSS_C_EMPTY_BUFFER, in = { 0 };
	g_autofree char *right = fetch_test_dup_binding(f);
	g_autofree guchar *bytes = g_base64_decode(token, &in.length);
	in.value = bytes;
	struct gss_channel_bindings_struct expected = { 0 };
	if (f->binding != NULL && *f->binding != '\0')
		expected.application_data =
		    (gss_buffer_desc) { strlen(f->binding), (void *)f->binding };
	else
		expected.application_data =
		    (gss_buffer_desc) { strlen("tls-server-end-point:") + 32, right };
	OM_uint32 major = gss_accept_sec_context(&minor, &session, credential, &in,
	    f->binding != NULL ? &expected : GSS_C_NO_CHANNEL_BINDINGS, &source, NULL, &out, NULL,
	    NULL, NULL);
	char *who = NULL;
	if (major == GSS_S_COMPLETE &&
	    gss_display_name(&minor, source, &name, NULL) == GSS_S_COMPLETE) {
		who = g_strndup(name.value, name.length);
		*answer = g_base64_encode(out.value, out.length);
	}
	(void)gss_release_buffer(&minor, &name);
	(void)gss_release_buffer(&minor, &out);
	(void)gss_release_name(&minor, &source);
	(void)gss_delete_sec_context(&minor, &session, GSS_C_NO_BUFFER);
	(void)gss_release_cred(&minor, &credential);
	return who;
}

static gboolean
fetch_test_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	const Fixture *f = data;
	g_autofree char *answer = NULL;
	g_autofree char *who = NULL;
	if (request->authorization != NULL &&
	    g_str_has_prefix(request->authorization, "Negotiate "))
		who = fetch_test_accept(f, request->authorization + strlen("Negotiate "), &answer);
	if (who == NULL)
		return fake_http_reply(connection, 401,
		    "WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n", "no");
	g_autofree char *header =
	    g_strdup_printf("WWW-Authenticate: Negotiate %s\r\n", f->proves ? answer : "AAAAAAAA");
	g_autofree char *body = g_strconcat(who, " ", request->body, NULL);
	return fake_http_reply(connection, 200, header, body);
}

static PvKerberos *
fetch_test_login(const Fixture *f)
{
	const char *kdcs[] = { f->kdc->address, NULL };
	g_autoptr(PvSecret) password = pv_secret_new("Secret-1", -1);
	g_autoptr(GError) error = NULL;
	const PvKerberosLogin login = {
		.realm = f->kdc->realm, .principal = "alice", .password = password, .kdcs = kdcs
	};
	PvKerberos *kerberos = pv_kerberos_login(&login, NULL, &error);
	g_assert_no_error(error);
	return kerberos;
}

static void
fetch_test_set_up(Fixture *f, gconstpointer unused)
{
	const char *missing = NULL;
	f->kdc = test_kdc_new("EXAMPLE.COM", NULL, &missing);
	if (f->kdc == NULL) {
		if (g_strcmp0(g_getenv("PV_TEST_REQUIRE"), "1") == 0)
			g_error("missing: %s", missing);
		g_test_skip(missing);
		return;
	}
	test_kdc_command(f->kdc, "addprinc -pw Secret-1 alice");
	test_kdc_command(f->kdc, "addprinc -randkey HTTP/localhost");
	f->keytab = test_kdc_export(f->kdc, "HTTP/localhost");
	f->alice = fetch_test_login(f);
	f->cert =
	    fake_cert_new(&(FakeCertSpec) { .common_name = "localhost", .dns_name = "localhost" });
	g_autofree char *pem = fake_cert_dup_pem(NULL, f->cert, NULL);
	f->path = g_build_filename(f->kdc->dir, "server.pem", NULL);
	g_assert_true(g_file_set_contents(f->path, pem, -1, NULL));
	f->tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(f->tls, f->cert->certificate);
	SSL_CTX_use_PrivateKey(f->tls, f->cert->key);
	f->http = fake_http_new(f->tls, fetch_test_handle, f);
	f->url = g_strdup_printf("https://localhost:%u/x?y", fake_http_get_port(f->http));
	f->binding = "";
	f->proves = TRUE;
}

static void
fetch_test_tear_down(Fixture *f, gconstpointer unused)
{
	fake_http_free(f->http);
	SSL_CTX_free(f->tls);
	fake_cert_free(f->cert);
	pv_kerberos_unref(f->alice);
	test_kdc_free(f->kdc);
	g_free(f->keytab);
	g_free(f->path);
	g_free(f->url);
}

static void
fetch_test_post(const Fixture *f, PvFetch *fetch)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) body = g_bytes_new_static("hello", 5);
	g_auto(PvFetchReply) reply = { 0 };
	gboolean ok = pv_fetch_request(fetch, "POST", f->url, NULL, body, &reply, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
	g_assert_cmpmem(g_bytes_get_data(reply.body, NULL), g_bytes_get_size(reply.body),
	    "alice@EXAMPLE.COM hello", 23);
}

static void
fetch_test_refused(const Fixture *f, PvFetch *fetch, gint code, const char *reason)
{
	g_autoptr(GError) error = NULL;
	g_auto(PvFetchReply) reply = { 0 };
	g_assert_false(pv_fetch_request(fetch, "GET", f->url, NULL, NULL, &reply, NULL, &error));
	g_assert_error(error, PV_ERROR, code);
	if (strstr(error->message, reason) == NULL)
		g_error("\"%s\" lacks \"%s\"", error->message, reason);
}

static void
fetch_test_works(Fixture *f, gconstpointer unused)
{
	if (f->kdc == NULL)
		return;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvFetch) fetch =
	    pv_fetch_new(&(PvFetchOptions) { .trust = f->path, .kerberos = f->alice }, &error);
	g_assert_no_error(error);
	fetch_test_post(f, fetch);
	fetch_test_post(f, fetch);
	g_assert_cmpuint(fake_http_get_connections(f->http), ==, 1);
	/* a connection of its own is bound to itself */
	g_autoptr(PvFetch) copy = pv_fetch_dup(fetch);
	fetch_test_post(f, copy);
	/* in another's name, without that of the first */
	g_autoptr(PvFetch) nobody = pv_fetch_new(&(PvFetchOptions) { .trust = f->path }, &error);
	g_autoptr(PvFetch) alice = pv_fetch_dup_as(nobody, f->alice, NULL, NULL);
	fetch_test_post(f, alice);
	g_autoptr(PvFetch) again = pv_fetch_dup_as(alice, NULL, NULL, NULL);
	fetch_test_refused(
	    f, again, PV_ERROR_AUTH, "the server wants a login (Negotiate, NTLM) and none");
}

static void
fetch_test_fails(Fixture *f, gconstpointer unused)
{
	if (f->kdc == NULL)
		return;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvFetch) fetch =
	    pv_fetch_new(&(PvFetchOptions) { .trust = f->path, .kerberos = f->alice }, &error);
	g_assert_no_error(error);
	/* somebody in the middle would have another certificate */
	f->binding = "tls-server-end-point:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	fetch_test_refused(
	    f, fetch, PV_ERROR_AUTH, "refused the ticket of alice@EXAMPLE.COM; it takes Negotiate");
	f->binding = "";
	f->proves = FALSE;
	fetch_test_refused(f, fetch, PV_ERROR_AUTH, "log in to HTTP/localhost by SPNEGO");
	f->proves = TRUE;
	fetch_test_post(f, fetch);
	g_autoptr(PvFetch) other = pv_fetch_new(
	    &(PvFetchOptions) { .trust = f->path, .kerberos = f->alice, .service = "HTTP/nobody" },
	    &error);
	fetch_test_refused(f, other, PV_ERROR_CONFIG, "HTTP/nobody: no account has that");
	g_autoptr(PvSecret) password = pv_secret_new("x", -1);
	g_assert_null(pv_fetch_new(
	    &(PvFetchOptions) { .user = "a", .password = password, .kerberos = f->alice }, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_setenv("KRB5_CONFIG", "/nonexistent/krb5.conf", TRUE);
	g_setenv("KRB5CCNAME", "FILE:/nonexistent/cache", TRUE);
	pv_net_init();
	g_test_add("/net/fetch/kerberos/works", Fixture, NULL, fetch_test_set_up, fetch_test_works,
	    fetch_test_tear_down);
	g_test_add("/net/fetch/kerberos/fails", Fixture, NULL, fetch_test_set_up, fetch_test_fails,
	    fetch_test_tear_down);
	return g_test_run();
}
