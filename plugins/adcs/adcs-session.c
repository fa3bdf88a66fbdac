/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-session.h"
#include "adcs-xml.h"

#include <string.h>

/* certnew.cer tells the type of a certificate to browsers only */
#define SESSION_USER_AGENT "User-Agent: Mozilla/5.0 (compatible; provost)"

/* ---- the site's settings ---- */

static AdcsAuth
adcs_login_parse_auth(const char *text)
{
	if (g_str_equal(text, "username-password"))
		return ADCS_AUTH_PASSWORD;
	return g_str_equal(text, "certificate") ? ADCS_AUTH_CERTIFICATE : ADCS_AUTH_KERBEROS;
}

static gboolean
adcs_login_set_error(const PvValues *values, const char *name, const char *text, GError **error)
{
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s", pv_values_get_where(values, name), text);
	return FALSE;
}

static gboolean
adcs_login_check_kerberos(const PvValues *values, GError **error)
{
	guint ways = (pv_values_has(values, "keytab") ? 1u : 0u) +
		     (pv_values_has(values, "ccache") ? 1u : 0u) +
		     (pv_values_has(values, "password") ? 1u : 0u);
	if (ways > 1)
		return adcs_login_set_error(values, "auth",
		    "only one of \"keytab\", \"ccache\" and \"password\" can be the login", error);
	if (pv_values_has(values, "password") && !pv_values_has(values, "principal"))
		return adcs_login_set_error(
		    values, "auth", "\"password\" needs \"principal\", whose it is", error);
	return TRUE;
}

static gboolean
adcs_login_check(const AdcsLogin *login, GError **error)
{
	const PvValues *values = login->values;
	switch (login->auth) {
	case ADCS_AUTH_KERBEROS:
		return adcs_login_check_kerberos(values, error);
	case ADCS_AUTH_PASSWORD:
		return pv_values_has(values, "user") == pv_values_has(values, "password") ||
		       adcs_login_set_error(
			   values, "auth", "\"user\" and \"password\" belong together", error);
	case ADCS_AUTH_CERTIFICATE:
		return pv_values_has(values, "certificate") ||
		       adcs_login_set_error(
			   values, "auth", "the login by certificate needs \"certificate\"", error);
	}
	return TRUE;
}

gboolean
adcs_login_init(AdcsLogin *login, const PvValues *values, gboolean pages, GError **error)
{
	g_mutex_init(&login->mutex);
	login->values = values;
	login->pages = pages;
	login->auth = adcs_login_parse_auth(pv_values_get_string(values, "auth"));
	return adcs_login_check(login, error);
}

void
adcs_login_clear(AdcsLogin *login)
{
	g_clear_pointer(&login->kerberos, pv_kerberos_unref);
	g_mutex_clear(&login->mutex);
}

gboolean
adcs_login_has_service(const AdcsLogin *login)
{
	switch (login->auth) {
	case ADCS_AUTH_KERBEROS:
		return pv_values_has(login->values, "keytab") ||
		       pv_values_has(login->values, "ccache") ||
		       pv_values_has(login->values, "password");
	case ADCS_AUTH_PASSWORD:
		return pv_values_has(login->values, "user");
	case ADCS_AUTH_CERTIFICATE:
		return TRUE;
	}
	return FALSE;
}

/* ---- who asks ---- */

static PvKerberos *
adcs_login_as(const AdcsLogin *login, const char *principal, const char *realm, PvSecret *password,
    GCancellable *cancellable, GError **error)
{
	const PvValues *values = login->values;
	const char *const *kdcs = pv_values_get_list(values, "kdcs");
	PvKerberosLogin ask = {
		.realm = realm,
		.principal = principal,
		.password = password,
		.kdcs = kdcs[0] != NULL ? kdcs : NULL,
	};
	if (password == NULL && pv_values_has(values, "keytab"))
		ask.keytab = pv_values_get_string(values, "keytab");
	else if (password == NULL)
		ask.ccache = pv_values_get_string(values, "ccache");
	return pv_kerberos_login(&ask, cancellable, error);
}

/* NULL: it has not logged in yet */
static PvKerberos *
adcs_login_ref_known(AdcsLogin *login)
{
	g_mutex_lock(&login->mutex);
	PvKerberos *kerberos = login->kerberos == NULL ? NULL : pv_kerberos_ref(login->kerberos);
	g_mutex_unlock(&login->mutex);
	return kerberos;
}

/* The service logs in once; the tickets are renewed by themselves. Where several need it at once, each logs in and the first to
 * be done is kept: under the lock, a KDC that hangs would make them wait one after the other, and take no cancelling. */
PvKerberos *
adcs_login_ref_service(AdcsLogin *login, GCancellable *cancellable, GError **error)
{
	const PvValues *values = login->values;
	g_autoptr(PvSecret) password = NULL;
	if (pv_values_has(values, "password")) {
		password = pv_values_dup_secret(values, "password", error);
		if (password == NULL)
			return NULL;
	}
	PvKerberos *kerberos = adcs_login_ref_known(login);
	if (kerberos != NULL)
		return kerberos;
	kerberos = adcs_login_as(login, pv_values_get_string(values, "principal"),
	    pv_values_get_string(values, "realm"), password, cancellable, error);
	if (kerberos == NULL)
		return NULL;
	g_mutex_lock(&login->mutex);
	if (login->kerberos == NULL)
		login->kerberos = pv_kerberos_ref(kerberos);
	g_mutex_unlock(&login->mutex);
	return kerberos;
}

void
adcs_session_clear(AdcsSession *session)
{
	g_clear_pointer(&session->fetch, pv_fetch_free);
	g_clear_pointer(&session->user, g_free);
	g_clear_pointer(&session->password, pv_secret_unref);
	g_clear_pointer(&session->name, g_free);
}

static gboolean
adcs_session_connect(AdcsSession *session, const AdcsLogin *login, PvKerberos *kerberos, GError **error)
{
	const PvValues *values = login->values;
	g_autoptr(PvSecret) key_password = NULL;
	PvFetchOptions options = {
		.trust = pv_values_get_string(values, "trust"),
		.kerberos = kerberos,
		.service = pv_values_get_string(values, "service"),
		.request_msec = (guint)pv_values_get_int(values, "timeout") * 1000,
		.max_bytes = ADCS_POLICY_MAX_BYTES,
	};
	if (login->auth == ADCS_AUTH_CERTIFICATE) {
		options.certificate = pv_values_get_string(values, "certificate");
		options.key = pv_values_get_string(values, "key");
		if (pv_values_has(values, "key-password")) {
			key_password = pv_values_dup_secret(values, "key-password", error);
			if (key_password == NULL)
				return FALSE;
		}
		options.key_password = key_password;
	}
	if (login->pages && session->user != NULL) {
		options.user = session->user;
		options.password = session->password;
	}
	session->fetch = pv_fetch_new(&options, error);
	return session->fetch != NULL;
}

static gboolean
adcs_session_take_service(AdcsSession *session, AdcsLogin *login, GError **error)
{
	const PvValues *values = login->values;
	if (!adcs_login_has_service(login))
		return adcs_login_set_error(values, "auth",
		    "the service has no login of its own: give it one, or let devices ask (\"as\": \"device\")",
		    error);
	if (login->auth != ADCS_AUTH_PASSWORD) {
		session->name = g_strdup("the service");
		return TRUE;
	}
	session->user = g_strdup(pv_values_get_string(values, "user"));
	session->name = g_strdup(session->user);
	session->password = pv_values_dup_secret(values, "password", error);
	return session->password != NULL;
}

static gboolean
adcs_session_take_device(
    AdcsSession *session, const AdcsLogin *login, const PvCaIdentity *identity, GError **error)
{
	if (login->auth == ADCS_AUTH_CERTIFICATE)
		return adcs_login_set_error(login->values, "auth",
		    "a device has no certificate to log in with: use \"kerberos\" or "
		    "\"username-password\" for \"as\": \"device\"",
		    error);
	session->name = g_strdup_printf("%s@%s", identity->account, identity->realm);
	if (login->auth == ADCS_AUTH_PASSWORD) {
		session->user = g_strdup(session->name);
		session->password = pv_secret_ref(identity->password);
	}
	return TRUE;
}

gboolean
adcs_session_open(AdcsSession *session, AdcsLogin *login, const PvCaIdentity *identity,
    GCancellable *cancellable, GError **error)
{
	g_autoptr(PvKerberos) kerberos = NULL;
	if (!(identity != NULL ? adcs_session_take_device(session, login, identity, error)
			       : adcs_session_take_service(session, login, error)))
		return FALSE;
	if (login->auth == ADCS_AUTH_KERBEROS) {
		kerberos = identity != NULL ? adcs_login_as(login, identity->account, identity->realm,
						  identity->password, cancellable, error)
					    : adcs_login_ref_service(login, cancellable, error);
		if (kerberos == NULL)
			return FALSE;
	}
	return adcs_session_connect(session, login, kerberos, error);
}

/* ---- talking ---- */

/* What a status that is no answer means; @url without anything secret in it. */
static void
adcs_session_set_status(guint status, const char *url, GError **error)
{
	PvError code = PV_ERROR_PROTOCOL;
	const char *text = "that is no answer of this protocol";
	if (status == 403) {
		code = PV_ERROR_AUTH;
		text = "the web server does not let this account or certificate in: look at the virtual folder's "
		       "authentication, and at what maps certificates to accounts";
	} else if (status == 404 || status == 405) {
		code = PV_ERROR_CONFIG;
		text = "there is no such service: compare the url, which holds the ca's name and the kind of login";
	} else if (status >= 300 && status < 400) {
		code = PV_ERROR_CONFIG;
		text = "the web server sends elsewhere, which is not followed: write the final url";
	} else if (status >= 500) {
		code = PV_ERROR_UNREACHABLE;
		text = "the web service is not up: look at its application pool and its event log";
	}
	g_set_error(error, PV_ERROR, code, "%s answers http status %u: %s", url, status, text);
}

static gboolean
adcs_session_is_type(const PvFetchReply *reply, const char *type)
{
	return reply->content_type != NULL &&
	       g_ascii_strncasecmp(reply->content_type, type, strlen(type)) == 0;
}

GBytes *
adcs_session_post_message(AdcsSession *session, const char *url, GBytes *message,
    GCancellable *cancellable, GError **error)
{
	static const char *const headers[] = {
		"Content-Type: application/soap+xml; charset=utf-8", NULL };
	g_auto(PvFetchReply) reply = { 0 };
	if (!pv_fetch_request(session->fetch, "POST", url, headers, message, &reply, cancellable, error))
		return NULL;
	/* SOAP 1.2 over HTTP: faults come with 400 or 500 */
	if ((reply.status == 200 || reply.status == 400 || reply.status == 500) &&
	    adcs_session_is_type(&reply, "application/soap+xml"))
		return g_bytes_ref(reply.body);
	adcs_session_set_status(reply.status, url, error);
	return NULL;
}

GBytes *
adcs_session_get_page(AdcsSession *session, const char *url, GBytes *form, gboolean *is_page,
    GCancellable *cancellable, GError **error)
{
	static const char *const get[] = { SESSION_USER_AGENT, NULL };
	static const char *const post[] = {
		SESSION_USER_AGENT, "Content-Type: application/x-www-form-urlencoded", NULL };
	g_auto(PvFetchReply) reply = { 0 };
	if (!pv_fetch_request(session->fetch, form != NULL ? "POST" : "GET", url,
		form != NULL ? post : get, form, &reply, cancellable, error))
		return NULL;
	if (reply.status == 200) {
		*is_page = reply.content_type == NULL || adcs_session_is_type(&reply, "text/");
		return g_bytes_ref(reply.body);
	}
	adcs_session_set_status(reply.status, url, error);
	return NULL;
}
