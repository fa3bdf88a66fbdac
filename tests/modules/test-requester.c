/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gssapi/gssapi_ext.h>
#include <krb5.h>
#include <provost/provost.h>
#include <string.h>

/* A CA provider that logs in to its CA by Kerberos, as an enterprise CA wants it: tests/integration/requester-ca.c. With
 * an identity it gets a ticket for exactly that one, by its password, into a cache in memory that nobody else sees; without
 * one, for the service's own principal, by its keytab. Nothing of it is in the environment, for that is every thread's. */

#define REQUESTER_TIMEOUT_SEC 20
#define REQUESTER_MAX_FRAME (64 * 1024)

/* what submit and its helpers keep until the end */
typedef struct {
	krb5_context context;
	krb5_ccache cache;
	gss_cred_id_t credential;
	gss_name_t target;
	gss_ctx_id_t session;
	GSocketConnection *connection;
} Requester;

static void
requester_clear(Requester *requester)
{
	OM_uint32 minor = 0;
	g_clear_object(&requester->connection);
	if (requester->session != GSS_C_NO_CONTEXT)
		(void)gss_delete_sec_context(&minor, &requester->session, GSS_C_NO_BUFFER);
	if (requester->target != GSS_C_NO_NAME)
		(void)gss_release_name(&minor, &requester->target);
	if (requester->credential != GSS_C_NO_CREDENTIAL)
		(void)gss_release_cred(&minor, &requester->credential);
	if (requester->cache != NULL)
		(void)krb5_cc_destroy(requester->context, requester->cache);
	if (requester->context != NULL)
		krb5_free_context(requester->context);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Requester, requester_clear)

static gboolean
requester_fail_krb5(Requester *requester, krb5_error_code code, const char *what, GError **error)
{
	const char *text =
	    requester->context != NULL ? krb5_get_error_message(requester->context, code) : NULL;
	g_set_error(error, PV_ERROR, PV_ERROR_AUTH, "%s: %s", what,
	    text != NULL ? text : "Kerberos cannot be set up");
	if (text != NULL)
		krb5_free_error_message(requester->context, text);
	return FALSE;
}

static gboolean
requester_fail_gss(OM_uint32 major, OM_uint32 minor, const char *what, GError **error)
{
	OM_uint32 ignored = 0, more = 0;
	gss_buffer_desc general = GSS_C_EMPTY_BUFFER, own = GSS_C_EMPTY_BUFFER;
	(void)gss_display_status(&ignored, major, GSS_C_GSS_CODE, GSS_C_NO_OID, &more, &general);
	more = 0;
	(void)gss_display_status(&ignored, minor, GSS_C_MECH_CODE, GSS_C_NO_OID, &more, &own);
	g_set_error(error, PV_ERROR, PV_ERROR_AUTH, "%s: %.*s: %.*s", what, (int)general.length,
	    (const char *)general.value, (int)own.length, (const char *)own.value);
	(void)gss_release_buffer(&ignored, &general);
	(void)gss_release_buffer(&ignored, &own);
	return FALSE;
}

/* the ticket of one principal, by its password or, without one, by the keytab */
static krb5_error_code
requester_get_ticket(Requester *requester, krb5_principal principal, const char *password,
    const char *keytab, krb5_creds *creds)
{
	if (password != NULL)
		return krb5_get_init_creds_password(
		    requester->context, creds, principal, password, NULL, NULL, 0, NULL, NULL);
	krb5_keytab table = NULL;
	krb5_error_code code = krb5_kt_resolve(requester->context, keytab, &table);
	if (code == 0)
		code = krb5_get_init_creds_keytab(
		    requester->context, creds, principal, table, 0, NULL, NULL);
	if (table != NULL)
		(void)krb5_kt_close(requester->context, table);
	return code;
}

static gboolean
requester_log_in(Requester *requester, const char *name, const char *password, const char *keytab,
    GError **error)
{
	krb5_principal principal = NULL;
	krb5_creds creds = { 0 };
	g_autofree char *what = g_strdup_printf("get a ticket as %s", name);
	krb5_error_code code = krb5_init_context(&requester->context);
	if (code == 0)
		code = krb5_parse_name(requester->context, name, &principal);
	if (code == 0)
		code = requester_get_ticket(requester, principal, password, keytab, &creds);
	if (code == 0)
		code = krb5_cc_new_unique(requester->context, "MEMORY", NULL, &requester->cache);
	if (code == 0)
		code = krb5_cc_initialize(requester->context, requester->cache, principal);
	if (code == 0)
		code = krb5_cc_store_cred(requester->context, requester->cache, &creds);
	gboolean ok = code == 0 || requester_fail_krb5(requester, code, what, error);
	if (requester->context != NULL) {
		krb5_free_cred_contents(requester->context, &creds);
		krb5_free_principal(requester->context, principal);
	}
	return ok;
}

static gboolean
requester_take_credential(Requester *requester, const char *service, GError **error)
{
	OM_uint32 minor = 0;
	g_autofree char *cache =
	    g_strconcat("MEMORY:", krb5_cc_get_name(requester->context, requester->cache), NULL);
	gss_key_value_element_desc element = { "ccache", cache };
	const gss_key_value_set_desc store = { 1, &element };
	OM_uint32 major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE,
	    GSS_C_NO_OID_SET, GSS_C_INITIATE, &store, &requester->credential, NULL, NULL);
	if (GSS_ERROR(major))
		return requester_fail_gss(major, minor, "use the ticket", error);
	gss_buffer_desc name = { strlen(service), (void *)service };
	major = gss_import_name(&minor, &name, GSS_C_NT_HOSTBASED_SERVICE, &requester->target);
	return !GSS_ERROR(major) || requester_fail_gss(major, minor, "name the CA", error);
}

/* A frame: its length, 4 bytes in network order, and that many bytes. */

static gboolean
requester_send(
    Requester *requester, const void *data, gsize length, GCancellable *cancellable, GError **error)
{
	guint32 head = GUINT32_TO_BE((guint32)length);
	GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(requester->connection));
	return g_output_stream_write_all(out, &head, sizeof head, NULL, cancellable, error) &&
	       g_output_stream_write_all(out, data, length, NULL, cancellable, error);
}

static GByteArray *
requester_receive(Requester *requester, GCancellable *cancellable, GError **error)
{
	guint32 head = 0;
	gsize got = 0;
	GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(requester->connection));
	if (!g_input_stream_read_all(in, &head, sizeof head, &got, cancellable, error))
		return NULL;
	gsize length = GUINT32_FROM_BE(head);
	if (got != sizeof head || length > REQUESTER_MAX_FRAME) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "the CA hung up");
		return NULL;
	}
	g_autoptr(GByteArray) frame = g_byte_array_new();
	g_byte_array_set_size(frame, (guint)length);
	if (!g_input_stream_read_all(in, frame->data, length, &got, cancellable, error))
		return NULL;
	if (got == length)
		return g_steal_pointer(&frame);
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "the CA hung up in the middle");
	return NULL;
}

static gboolean
requester_authenticate(Requester *requester, GCancellable *cancellable, GError **error)
{
	g_autoptr(GByteArray) answer = NULL;
	for (;;) {
		OM_uint32 minor = 0;
		gss_buffer_desc in = { answer != NULL ? answer->len : 0,
			answer != NULL ? answer->data : NULL };
		gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
		OM_uint32 major = gss_init_sec_context(&minor, requester->credential,
		    &requester->session, requester->target, GSS_C_NO_OID,
		    GSS_C_MUTUAL_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG, 0,
		    GSS_C_NO_CHANNEL_BINDINGS, &in, NULL, &out, NULL, NULL);
		if (GSS_ERROR(major))
			return requester_fail_gss(major, minor, "log in to the CA", error);
		gboolean sent = out.length == 0 || requester_send(requester, out.value, out.length,
						       cancellable, error);
		(void)gss_release_buffer(&minor, &out);
		if (!sent)
			return FALSE;
		if (major == GSS_S_COMPLETE)
			return TRUE;
		g_clear_pointer(&answer, g_byte_array_unref);
		answer = requester_receive(requester, cancellable, error);
		if (answer == NULL)
			return FALSE;
	}
}

/* the request and its answer, both sealed by the session: 0 and the certificate, or 1 and the reason */
static gboolean
requester_exchange(Requester *requester, GBytes *csr_der, PvCaReply *reply,
    GCancellable *cancellable, GError **error)
{
	OM_uint32 minor = 0;
	gsize length = 0;
	gss_buffer_desc plain = { 0 }, sealed = GSS_C_EMPTY_BUFFER, opened = GSS_C_EMPTY_BUFFER;
	plain.value = (void *)g_bytes_get_data(csr_der, &length);
	plain.length = length;
	OM_uint32 major =
	    gss_wrap(&minor, requester->session, 1, GSS_C_QOP_DEFAULT, &plain, NULL, &sealed);
	if (GSS_ERROR(major))
		return requester_fail_gss(major, minor, "seal the request", error);
	gboolean sent = requester_send(requester, sealed.value, sealed.length, cancellable, error);
	(void)gss_release_buffer(&minor, &sealed);
	g_autoptr(GByteArray) frame =
	    sent ? requester_receive(requester, cancellable, error) : NULL;
	if (frame == NULL)
		return FALSE;
	gss_buffer_desc received = { frame->len, frame->data };
	major = gss_unwrap(&minor, requester->session, &received, &opened, NULL, NULL);
	if (GSS_ERROR(major))
		return requester_fail_gss(major, minor, "open the answer", error);
	const char *text = opened.value;
	if (opened.length > 1 && text[0] == 0)
		*reply = (PvCaReply) { .outcome = PV_CA_ISSUED,
			.certificate = g_bytes_new(text + 1, opened.length - 1) };
	else
		*reply = (PvCaReply) { .outcome = PV_CA_DENIED,
			.text = opened.length > 1 ? g_strndup(text + 1, opened.length - 1) : NULL };
	(void)gss_release_buffer(&minor, &opened);
	return TRUE;
}

static gboolean
requester_submit(gpointer handle, const PvCertRequest *request, GBytes *csr_der,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	const PvValues *values = handle;
	g_auto(Requester) requester = { 0 };
	g_autofree char *name = identity != NULL
				    ? g_strdup_printf("%s@%s", identity->account, identity->realm)
				    : g_strdup(pv_values_get_string(values, "principal"));
	if (!requester_log_in(&requester, name,
		identity != NULL ? pv_secret_peek(identity->password, NULL) : NULL,
		pv_values_get_string(values, "keytab"), error) ||
	    !requester_take_credential(&requester, pv_values_get_string(values, "service"), error))
		return FALSE;
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_socket_client_set_timeout(client, REQUESTER_TIMEOUT_SEC);
	requester.connection = g_socket_client_connect_to_host(
	    client, pv_values_get_string(values, "address"), 0, cancellable, error);
	return requester.connection != NULL &&
	       requester_authenticate(&requester, cancellable, error) &&
	       requester_exchange(&requester, csr_der, reply, cancellable, error);
}

static gpointer
requester_open(const PvValues *values, GError **error)
{
	return (gpointer)values; /* the site's, which lives longer */
}

static void
requester_close(gpointer handle)
{
}

static gboolean
requester_prepare(gpointer handle, const PvCertRequest *request, PvCaPreparation *preparation,
    GCancellable *cancellable, GError **error)
{
	*preparation = (PvCaPreparation) { 0 };
	return TRUE;
}

static gboolean
requester_poll(gpointer handle, const PvCertRequest *request, GBytes *csr_der,
    const char *cookie, const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "it decides at once");
	return FALSE;
}

static GPtrArray *
requester_chain(gpointer handle, GCancellable *cancellable, GError **error)
{
	const PvValues *values = handle;
	char *der = NULL;
	gsize length = 0;
	if (!g_file_get_contents(pv_values_get_string(values, "root"), &der, &length, error))
		return NULL;
	GPtrArray *chain = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(chain, g_bytes_new_take(der, length));
	return chain;
}

static gboolean
requester_revoke(
    gpointer handle, GBytes *certificate, guint reason, GCancellable *cancellable, GError **error)
{
	return TRUE;
}

static const PvParam requester_params[] = {
	{ "address", PV_PARAM_STRING, NULL, "where the CA listens, HOST:PORT" },
	{ "service", PV_PARAM_STRING, NULL, "its service, SERVICE@HOST" },
	{ "root", PV_PARAM_PATH, NULL, "its certificate, DER" },
	{ "principal", PV_PARAM_STRING, NULL, "the service's own principal" },
	{ "keytab", PV_PARAM_PATH, NULL, "with the key of that" },
	{ NULL },
};

static const PvCa requester_cas[] = {
	{
	    .type = "test-requester",
	    .summary = "a CA that knows who asks",
	    .params = requester_params,
	    .open = requester_open,
	    .close = requester_close,
	    .prepare = requester_prepare,
	    .submit = requester_submit,
	    .poll = requester_poll,
	    .chain = requester_chain,
	    .revoke = requester_revoke,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("test-requester", PV_VERSION, "a CA that knows who asks", .cas = requester_cas);
