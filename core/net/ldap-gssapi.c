/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/kerberos-private.h"
#include "core/net/ldap-private.h"

#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <provost/error.h>

#include <string.h>

/* SASL GSSAPI (RFC 4752). By ourselves and not by Cyrus SASL: the service is named with its realm, so that no name
 * server is asked; the login is bound to our own TLS; and no plug-in has to be installed. */

#define GSSAPI_MAX_STEPS 8
#define GSSAPI_MAX_TOKEN (64 * 1024) /* bytes of one of the server's */
#define GSSAPI_LAYER_NONE 1 /* RFC 4752 3.3 */
#define GSSAPI_LAYER_SEALED 4
#define GSSAPI_RECEIVE 0x0f0000 /* bytes of a wrapped buffer that the server may send us */
#define GSSAPI_BINDING "tls-server-end-point:" /* RFC 5929 4 */

struct PvLdapGssapi {
	gss_cred_id_t credential;
	gss_name_t target;
	gss_ctx_id_t session;
	GByteArray *binding; /* NULL: none, for there is no TLS */
	gboolean sealed; /* wanted */
};

void
pv_ldap_gssapi_free(PvLdapGssapi *gssapi)
{
	OM_uint32 minor = 0;
	if (gssapi == NULL)
		return;
	if (gssapi->session != GSS_C_NO_CONTEXT)
		(void)gss_delete_sec_context(&minor, &gssapi->session, GSS_C_NO_BUFFER);
	if (gssapi->target != GSS_C_NO_NAME)
		(void)gss_release_name(&minor, &gssapi->target);
	if (gssapi->credential != GSS_C_NO_CREDENTIAL)
		(void)gss_release_cred(&minor, &gssapi->credential);
	if (gssapi->binding != NULL)
		g_byte_array_unref(gssapi->binding);
	g_free(gssapi);
}

/* always FALSE */
static gboolean
ldap_gssapi_fail(OM_uint32 major, OM_uint32 minor, GError **error)
{
	OM_uint32 ignored = 0, more = 0;
	gss_buffer_desc general = GSS_C_EMPTY_BUFFER, own = GSS_C_EMPTY_BUFFER;
	(void)gss_display_status(&ignored, major, GSS_C_GSS_CODE, GSS_C_NO_OID, &more, &general);
	more = 0;
	(void)gss_display_status(
	    &ignored, minor, GSS_C_MECH_CODE, (gss_OID)gss_mech_krb5, &more, &own);
	g_set_error(error, PV_ERROR, PV_ERROR_AUTH, "%.*s: %.*s", (int)general.length,
	    general.length > 0 ? (const char *)general.value : "", (int)own.length,
	    own.length > 0 ? (const char *)own.value : "");
	(void)gss_release_buffer(&ignored, &general);
	(void)gss_release_buffer(&ignored, &own);
	return FALSE;
}

/* Where TLS protects the connection, directories refuse a login that asks for signing or sealing as well. */
static gboolean
ldap_gssapi_prepare(PvLdapGssapi *gssapi, const char *cache, const char *service, GError **error)
{
	gss_key_value_element_desc element = { "ccache", cache };
	const gss_key_value_set_desc store = { 1, &element };
	gss_OID_desc mechanism = *gss_mech_krb5;
	gss_OID_set_desc set = { 1, &mechanism };
	gss_buffer_desc empty = GSS_C_EMPTY_BUFFER;
	gss_buffer_desc name = { strlen(service), (void *)service };
	OM_uint32 minor = 0;
	OM_uint32 major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &set,
	    GSS_C_INITIATE, &store, &gssapi->credential, NULL, NULL);
	if (!GSS_ERROR(major) && !gssapi->sealed)
		major = gss_set_cred_option(
		    &minor, &gssapi->credential, (gss_OID)GSS_KRB5_CRED_NO_CI_FLAGS_X, &empty);
	/* with its realm, not as a host's name: nothing is looked up then */
	if (!GSS_ERROR(major))
		major = gss_import_name(
		    &minor, &name, (gss_OID)GSS_KRB5_NT_PRINCIPAL_NAME, &gssapi->target);
	return !GSS_ERROR(major) || ldap_gssapi_fail(major, minor, error);
}

/* @reply: (nullable): NULL at first. *token NULL: there is none */
static gboolean
ldap_gssapi_step(PvLdapGssapi *gssapi, GBytes *reply, GBytes **token, gboolean *done, GError **error)
{
	OM_uint32 minor = 0, ignored = 0, flags = 0;
	OM_uint32 wanted = GSS_C_MUTUAL_FLAG | GSS_C_SEQUENCE_FLAG;
	gsize length = 0;
	gss_buffer_desc in = GSS_C_EMPTY_BUFFER, out = GSS_C_EMPTY_BUFFER;
	struct gss_channel_bindings_struct binding = { 0 };
	if (reply != NULL)
		in.value = (void *)g_bytes_get_data(reply, &length); /* only read */
	in.length = length;
	if (gssapi->binding != NULL)
		binding.application_data =
		    (gss_buffer_desc) { gssapi->binding->len, gssapi->binding->data };
	if (gssapi->sealed)
		wanted |= GSS_C_INTEG_FLAG | GSS_C_CONF_FLAG;
	OM_uint32 major = gss_init_sec_context(&minor, gssapi->credential, &gssapi->session,
	    gssapi->target, (gss_OID)gss_mech_krb5, wanted, 0,
	    gssapi->binding != NULL ? &binding : GSS_C_NO_CHANNEL_BINDINGS, &in, NULL, &out, &flags,
	    NULL);
	*token = out.length > 0 ? g_bytes_new(out.value, out.length) : NULL;
	(void)gss_release_buffer(&ignored, &out);
	*done = major == GSS_S_COMPLETE;
	if (GSS_ERROR(major))
		return ldap_gssapi_fail(major, minor, error);
	if (!*done || (flags & wanted) == wanted)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
	    "the server did not prove who it is, or cannot encrypt: use TLS");
	return FALSE;
}

static gboolean
ldap_gssapi_wrap(gpointer data, const guint8 *bytes, gsize length, GByteArray *token)
{
	PvLdapGssapi *gssapi = data;
	OM_uint32 minor = 0;
	int sealed = 0;
	gss_buffer_desc in = { length, (void *)bytes }, out = GSS_C_EMPTY_BUFFER;
	OM_uint32 major = gss_wrap(
	    &minor, gssapi->session, gssapi->sealed, GSS_C_QOP_DEFAULT, &in, &sealed, &out);
	if (!GSS_ERROR(major))
		g_byte_array_append(token, out.value, (guint)out.length);
	(void)gss_release_buffer(&minor, &out);
	return !GSS_ERROR(major) && (sealed != 0 || !gssapi->sealed);
}

static gboolean
ldap_gssapi_unwrap(gpointer data, const guint8 *token, gsize length, GByteArray *bytes)
{
	PvLdapGssapi *gssapi = data;
	OM_uint32 minor = 0;
	int sealed = 0;
	gss_buffer_desc in = { length, (void *)token }, out = GSS_C_EMPTY_BUFFER;
	OM_uint32 major = gss_unwrap(&minor, gssapi->session, &in, &out, &sealed, NULL);
	if (!GSS_ERROR(major))
		g_byte_array_append(bytes, out.value, (guint)out.length);
	(void)gss_release_buffer(&minor, &out);
	/* what was sent in clear is not taken where sealing was agreed on */
	return !GSS_ERROR(major) && (sealed != 0 || !gssapi->sealed);
}

/* RFC 4752 3.1: what the server offers, and what we take of it. The seal is filled in for what follows. */
static GBytes *
ldap_gssapi_choose_layer(PvLdapGssapi *gssapi, GBytes *offer, PvLdapSeal *seal, GError **error)
{
	gsize length = 0;
	const guint8 *data = offer != NULL ? g_bytes_get_data(offer, &length) : NULL;
	g_autoptr(GByteArray) plain = g_byte_array_new();
	gboolean wanted = gssapi->sealed;
	gssapi->sealed = FALSE; /* these two messages are signed only */
	gboolean ok = length > 0 && ldap_gssapi_unwrap(gssapi, data, length, plain) && plain->len == 4;
	guint8 layer = wanted ? GSSAPI_LAYER_SEALED : GSSAPI_LAYER_NONE;
	if (!ok || (plain->data[0] & layer) == 0) {
		g_set_error(error, PV_ERROR, ok ? PV_ERROR_CONFIG : PV_ERROR_PROTOCOL,
		    !ok    ? "the server's offer of protection makes no sense"
		    : wanted ? "the server cannot encrypt after a login by Kerberos: use TLS"
			   : "the server insists on signing within TLS: set its minimum of SASL security to 0");
		return NULL;
	}
	OM_uint32 most = (OM_uint32)plain->data[1] << 16 | (OM_uint32)plain->data[2] << 8 | plain->data[3];
	OM_uint32 limit = 0, minor = 0;
	if (wanted && (gss_wrap_size_limit(&minor, gssapi->session, TRUE, GSS_C_QOP_DEFAULT, most, &limit) !=
			      GSS_S_COMPLETE || limit == 0)) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "the server takes buffers of %u bytes only", most);
		return NULL;
	}
	const guint8 answer[] = { layer, wanted ? GSSAPI_RECEIVE >> 16 : 0,
		wanted ? GSSAPI_RECEIVE >> 8 & 0xff : 0, wanted ? GSSAPI_RECEIVE & 0xff : 0 };
	g_autoptr(GByteArray) token = g_byte_array_new();
	ok = ldap_gssapi_wrap(gssapi, answer, sizeof answer, token);
	gssapi->sealed = wanted;
	*seal = (PvLdapSeal) { ldap_gssapi_wrap, ldap_gssapi_unwrap, limit, gssapi };
	if (ok)
		return g_byte_array_free_to_bytes(g_steal_pointer(&token));
	g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "the answer to the server cannot be signed");
	return NULL;
}

/* what the server's last answer but one was, or the error */
static gboolean
ldap_gssapi_check_more(PvLdap *ldap, gboolean more, GBytes *reply, const char *who, GError **error)
{
	gsize length = reply != NULL ? g_bytes_get_size(reply) : 0;
	if (more && length <= GSSAPI_MAX_TOKEN)
		return TRUE;
	if (more || ldap->result.code == LDAP_SUCCESS)
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "its login by Kerberos makes no sense");
	else
		pv_ldap_result_set_login_error(
		    &ldap->result, pv_ldap_stream_get_peer(ldap->stream), who, error);
	return FALSE;
}

/* until both sides are known to each other; then *reply is the server's offer of protection */
static gboolean
ldap_gssapi_establish(
    PvLdap *ldap, PvLdapGssapi *gssapi, const char *who, GBytes **offer, GError **error)
{
	g_autoptr(GBytes) reply = NULL;
	gboolean done = FALSE;
	for (guint i = 0; i < GSSAPI_MAX_STEPS; i++) {
		g_autoptr(GBytes) token = NULL;
		g_autoptr(GBytes) next = NULL;
		gboolean more = FALSE;
		if (done) {
			*offer = g_steal_pointer(&reply);
			return TRUE;
		}
		if (!ldap_gssapi_step(gssapi, reply, &token, &done, error))
			return FALSE;
		/* the last token of the client may be none, and is sent all the same */
		if (token == NULL)
			token = g_bytes_new(NULL, 0);
		if (!pv_ldap_step_sasl(ldap, "GSSAPI", token, &next, &more, error) ||
		    !ldap_gssapi_check_more(ldap, more, next, who, error))
			return FALSE;
		g_clear_pointer(&reply, g_bytes_unref);
		reply = g_steal_pointer(&next);
	}
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "its login by Kerberos has no end");
	return FALSE;
}

static gboolean
ldap_gssapi_bind(PvLdap *ldap, PvLdapGssapi *gssapi, const char *who, GError **error)
{
	g_autoptr(GBytes) offer = NULL;
	g_autoptr(GBytes) reply = NULL;
	PvLdapSeal seal = { 0 };
	gboolean more = FALSE;
	if (!ldap_gssapi_establish(ldap, gssapi, who, &offer, error))
		return FALSE;
	g_autoptr(GBytes) answer = ldap_gssapi_choose_layer(gssapi, offer, &seal, error);
	if (answer == NULL || !pv_ldap_step_sasl(ldap, "GSSAPI", answer, &reply, &more, error))
		return FALSE;
	if (ldap->result.code != LDAP_SUCCESS)
		return ldap_gssapi_check_more(ldap, FALSE, NULL, who, error);
	if (gssapi->sealed)
		pv_ldap_stream_set_seal(ldap->stream, &seal);
	return TRUE;
}

gboolean
pv_ldap_bind_gssapi(PvLdap *ldap, PvKerberos *kerberos, const char *host, const char *realm,
    GCancellable *cancellable, GError **error)
{
	const char *who = pv_kerberos_get_principal(kerberos);
	const char *at = strrchr(who, '@');
	g_autofree char *lower = g_ascii_strdown(host, -1);
	g_autofree char *service = g_strdup_printf(
	    "ldap/%s@%s", lower, realm != NULL ? realm : at != NULL ? at + 1 : "");
	const char *cache = pv_kerberos_get_ticket_cache(kerberos, service, cancellable, error);
	if (cache == NULL)
		return FALSE;
	ldap->gssapi = g_new0(PvLdapGssapi, 1);
	g_autoptr(GBytes) binding = pv_ldap_stream_dup_binding(ldap->stream);
	ldap->gssapi->sealed = !pv_ldap_stream_is_encrypted(ldap->stream);
	if (binding != NULL) {
		gsize length = 0;
		const guint8 *hash = g_bytes_get_data(binding, &length);
		ldap->gssapi->binding = g_byte_array_new();
		g_byte_array_append(ldap->gssapi->binding, (const guint8 *)GSSAPI_BINDING, strlen(GSSAPI_BINDING));
		g_byte_array_append(ldap->gssapi->binding, hash, (guint)length);
	}
	if (ldap_gssapi_prepare(ldap->gssapi, cache, service, error) &&
	    ldap_gssapi_bind(ldap, ldap->gssapi, who, error))
		return TRUE;
	if (error == NULL || !g_str_has_prefix((*error)->message, "log in to "))
		g_prefix_error(error, "log in to %s as %s by Kerberos: ",
		    pv_ldap_stream_get_peer(ldap->stream), who);
	return FALSE;
}
