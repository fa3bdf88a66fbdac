/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/kerberos-private.h"

#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <provost/error.h>
#include <provost/kerberos.h>

#include <string.h>

#define NEGOTIATE_MAX_TOKEN (64 * 1024) /* of a peer: an answer has a few hundred bytes */
#define NEGOTIATE_BINDING "tls-server-end-point:" /* RFC 5929 4: precedes the hash (RFC 5056) */

struct PvNegotiate {
	PvKerberos *kerberos;
	char *service; /* as asked, for texts */
	gss_cred_id_t credential;
	gss_name_t target;
	gss_ctx_id_t session;
	GByteArray *binding; /* NULL: none */
	gboolean done;
};

static void
negotiate_fail(OM_uint32 major, OM_uint32 minor, const char *service, GError **error)
{
	OM_uint32 ignored = 0, more = 0;
	gss_buffer_desc general = GSS_C_EMPTY_BUFFER, own = GSS_C_EMPTY_BUFFER;
	(void)gss_display_status(&ignored, major, GSS_C_GSS_CODE, GSS_C_NO_OID, &more, &general);
	more = 0;
	(void)gss_display_status(
	    &ignored, minor, GSS_C_MECH_CODE, (gss_OID)gss_mech_krb5, &more, &own);
	g_set_error(error, PV_ERROR, PV_ERROR_AUTH, "log in to %s by SPNEGO: %.*s%s%.*s", service,
	    (int)general.length, general.length > 0 ? (const char *)general.value : "",
	    own.length > 0 ? ": " : "", (int)own.length,
	    own.length > 0 ? (const char *)own.value : "");
	(void)gss_release_buffer(&ignored, &general);
	(void)gss_release_buffer(&ignored, &own);
}

/* A credential of its own: it is told to leave out signing and sealing, which a directory refuses inside TLS
 * and HTTP has no use for. */
static OM_uint32
negotiate_take_credential(PvNegotiate *negotiate, const char *cache, OM_uint32 *minor)
{
	gss_key_value_element_desc element = { "ccache", cache };
	const gss_key_value_set_desc store = { 1, &element };
	static const gss_OID_desc spnego = { 6, (void *)"\053\006\001\005\005\002" }; /* RFC 4178 */
	gss_OID_desc mechanisms[] = { *gss_mech_krb5, spnego };
	gss_OID_set_desc set = { 2, mechanisms };
	gss_OID_set_desc only = { 1, mechanisms };
	gss_buffer_desc empty = GSS_C_EMPTY_BUFFER;
	OM_uint32 major = gss_acquire_cred_from(minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &set,
	    GSS_C_INITIATE, &store, &negotiate->credential, NULL, NULL);
	if (!GSS_ERROR(major))
		major = gss_set_neg_mechs(minor, negotiate->credential, &only);
	if (!GSS_ERROR(major))
		major = gss_set_cred_option(
		    minor, &negotiate->credential, (gss_OID)GSS_KRB5_CRED_NO_CI_FLAGS_X, &empty);
	return major;
}

/* As a Kerberos name with its realm, and not as a host's: nothing is looked up then. */
static OM_uint32
negotiate_name_target(PvNegotiate *negotiate, OM_uint32 *minor)
{
	const char *principal = pv_kerberos_get_principal(negotiate->kerberos);
	g_autofree char *name =
	    strchr(negotiate->service, '@') != NULL
		? g_strdup(negotiate->service)
		: g_strconcat(negotiate->service, strrchr(principal, '@'), NULL);
	gss_buffer_desc buffer = { strlen(name), name };
	return gss_import_name(
	    minor, &buffer, (gss_OID)GSS_KRB5_NT_PRINCIPAL_NAME, &negotiate->target);
}

PvNegotiate *
pv_negotiate_new(PvKerberos *kerberos, const char *service, GBytes *channel_binding, GError **error)
{
	/* this very cache: a renewed login has another one, without the ticket */
	const char *cache = pv_kerberos_get_ticket_cache(kerberos, service, NULL, error);
	if (cache == NULL)
		return NULL;
	g_autoptr(PvNegotiate) negotiate = g_new0(PvNegotiate, 1);
	negotiate->kerberos = pv_kerberos_ref(kerberos);
	negotiate->service = g_strdup(service);
	if (channel_binding != NULL) {
		gsize length = 0;
		const guint8 *data = g_bytes_get_data(channel_binding, &length);
		negotiate->binding = g_byte_array_new();
		g_byte_array_append(negotiate->binding, (const guint8 *)NEGOTIATE_BINDING,
		    strlen(NEGOTIATE_BINDING));
		g_byte_array_append(negotiate->binding, data, (guint)length);
	}
	OM_uint32 minor = 0;
	OM_uint32 major = negotiate_take_credential(negotiate, cache, &minor);
	if (!GSS_ERROR(major))
		major = negotiate_name_target(negotiate, &minor);
	if (!GSS_ERROR(major))
		return g_steal_pointer(&negotiate);
	negotiate_fail(major, minor, service, error);
	return NULL;
}

GBytes *
pv_negotiate_step(PvNegotiate *negotiate, GBytes *input, gboolean *done, GError **error)
{
	OM_uint32 minor = 0, ignored = 0;
	gsize length = 0;
	const void *data = input != NULL ? g_bytes_get_data(input, &length) : NULL;
	if (length > NEGOTIATE_MAX_TOKEN) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "log in to %s by SPNEGO: its token has %" G_GSIZE_FORMAT " bytes: too many",
		    negotiate->service, length);
		return NULL;
	}
	if (negotiate->done) {
		*done = TRUE;
		return NULL;
	}
	gss_buffer_desc in = { length, (void *)data }, out = GSS_C_EMPTY_BUFFER;
	struct gss_channel_bindings_struct binding = { 0 };
	if (negotiate->binding != NULL)
		binding.application_data =
		    (gss_buffer_desc) { negotiate->binding->len, negotiate->binding->data };
	gss_OID_desc spnego = { 6, (void *)"\053\006\001\005\005\002" };
	OM_uint32 flags = 0;
	OM_uint32 major = gss_init_sec_context(&minor, negotiate->credential, &negotiate->session,
	    negotiate->target, &spnego, GSS_C_MUTUAL_FLAG, 0,
	    negotiate->binding != NULL ? &binding : GSS_C_NO_CHANNEL_BINDINGS, &in, NULL, &out,
	    &flags, NULL);
	g_autoptr(GBytes) token = out.length > 0 ? g_bytes_new(out.value, out.length) : NULL;
	(void)gss_release_buffer(&ignored, &out);
	if (GSS_ERROR(major)) {
		negotiate_fail(major, minor, negotiate->service, error);
		return NULL;
	}
	negotiate->done = major == GSS_S_COMPLETE;
	*done = negotiate->done;
	if (negotiate->done && (flags & GSS_C_MUTUAL_FLAG) == 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
		    "log in to %s by SPNEGO: the peer did not prove who it is", negotiate->service);
		return NULL;
	}
	return g_steal_pointer(&token);
}

void
pv_negotiate_free(PvNegotiate *negotiate)
{
	OM_uint32 minor = 0;
	if (negotiate == NULL)
		return;
	if (negotiate->session != GSS_C_NO_CONTEXT)
		(void)gss_delete_sec_context(&minor, &negotiate->session, GSS_C_NO_BUFFER);
	if (negotiate->target != GSS_C_NO_NAME)
		(void)gss_release_name(&minor, &negotiate->target);
	if (negotiate->credential != GSS_C_NO_CREDENTIAL)
		(void)gss_release_cred(&minor, &negotiate->credential);
	if (negotiate->binding != NULL)
		g_byte_array_unref(negotiate->binding);
	pv_kerberos_unref(negotiate->kerberos);
	g_free(negotiate->service);
	g_free(negotiate);
}
