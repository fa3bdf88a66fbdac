/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-ces.h"
#include "adcs-discover.h"
#include "adcs-memory.h"
#include "adcs-x509.h"

#include <provost/pki.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)

static void
adcs_close(gpointer handle)
{
	Adcs *adcs = handle;
	if (adcs == NULL)
		return;
	adcs_login_clear(&adcs->login);
	adcs_policy_unref(adcs->policy);
	g_clear_pointer(&adcs->chain, g_ptr_array_unref);
	g_clear_pointer(&adcs->answers, g_hash_table_unref);
	g_mutex_clear(&adcs->mutex);
	g_free(adcs);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Adcs, adcs_close)

/* ---- the site's settings ---- */

static gboolean
adcs_set_config_error(const PvValues *values, const char *name, const char *text, GError **error)
{
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s", pv_values_get_where(values, name), text);
	return FALSE;
}

/* A login goes over TLS only. */
static gboolean
adcs_check_url(const PvValues *values, const char *name, GError **error)
{
	if (!pv_values_has(values, name))
		return TRUE;
	const char *text = pv_values_get_string(values, name);
	g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_NONE, NULL);
	if (uri != NULL && g_strcmp0(g_uri_get_scheme(uri), "https") == 0 &&
	    g_uri_get_host(uri) != NULL && *g_uri_get_host(uri) != '\0' &&
	    g_uri_get_userinfo(uri) == NULL && g_uri_get_query(uri) == NULL)
		return TRUE;
	return adcs_set_config_error(values, name, "an https url is wanted, without user and query", error);
}

static gboolean
adcs_check_values(const Adcs *adcs, GError **error)
{
	const PvValues *values = adcs->values;
	if (!adcs_check_url(values, "url", error) || !adcs_check_url(values, "policy-url", error))
		return FALSE;
	if (adcs->pages && !pv_values_has(values, "url"))
		return adcs_set_config_error(
		    values, "url", "mode certsrv needs it, such as https://ca1.example.com/certsrv", error);
	if (adcs->pages && pv_values_has(values, "policy-url"))
		return adcs_set_config_error(values, "policy-url", "mode certsrv has no policy service", error);
	if (adcs->pages && pv_values_has(values, "discover"))
		return adcs_set_config_error(
		    values, "discover", "the directory does not name the pages of certsrv", error);
	if (!adcs->pages && !pv_values_has(values, "url") && !adcs_has_policy(adcs))
		return adcs_set_config_error(
		    values, "url", "\"url\", \"policy-url\" or \"discover\" is needed", error);
	if (adcs_has_policy(adcs) && !adcs_login_has_service(&adcs->login))
		return adcs_set_config_error(values, "auth",
		    "it is the service that reads the policy: give it a login of its own", error);
	return TRUE;
}

static gboolean
adcs_load_chain(Adcs *adcs, GError **error)
{
	if (!pv_values_has(adcs->values, "chain"))
		return TRUE;
	adcs->chain = pv_pki_load_certificates(pv_values_get_string(adcs->values, "chain"), error);
	if (adcs->chain == NULL)
		g_prefix_error(error, "%s: ", pv_values_get_where(adcs->values, "chain"));
	return adcs->chain != NULL;
}

static gpointer
adcs_open(const PvValues *values, GError **error)
{
	g_autoptr(Adcs) adcs = g_new0(Adcs, 1);
	adcs->values = values;
	adcs->pages = g_str_equal(pv_values_get_string(values, "mode"), "certsrv");
	g_mutex_init(&adcs->mutex);
	adcs->answers = adcs_memory_new();
	if (!adcs_login_init(&adcs->login, values, adcs->pages, error) ||
	    !adcs_check_values(adcs, error) || !adcs_load_chain(adcs, error))
		return NULL;
	return g_steal_pointer(&adcs);
}

/* ---- requests ---- */

const char *
adcs_get_template(const Adcs *adcs, const PvCertRequest *request, GError **error)
{
	const char *template = request->template_name != NULL
				   ? request->template_name
				   : pv_values_get_string(adcs->values, "template");
	if (template == NULL || *template == '\0') {
		adcs_set_config_error(adcs->values, "template",
		    "name the template here, or in the stage that wants the certificate", error);
		return NULL;
	}
	return template;
}

static gboolean
adcs_is_oid(const char *text)
{
	return strspn(text, "0123456789.") == strlen(text);
}

/* What goes into the request: the name, which every version of AD CS takes; the OID where the site wrote that. */
static gboolean
adcs_prepare_by_policy(Adcs *adcs, const PvCertRequest *request, const char *wanted,
    PvCaPreparation *preparation, GCancellable *cancellable, GError **error)
{
	g_autoptr(AdcsPolicy) policy = adcs_get_policy(adcs, FALSE, cancellable, error);
	if (policy == NULL)
		return FALSE;
	const AdcsTemplate *template = adcs_policy_find_template(policy, wanted, NULL);
	if (template == NULL) {
		/* it may be younger than what we know */
		g_autoptr(AdcsPolicy) anew = adcs_get_policy(adcs, TRUE, cancellable, error);
		if (anew == NULL)
			return FALSE;
		adcs_policy_unref(policy);
		policy = g_steal_pointer(&anew);
		template = adcs_policy_find_template(policy, wanted, error);
	}
	if (template == NULL || !adcs_template_check(template, request, request->as_device, error))
		return FALSE;
	gboolean by_oid = adcs_is_oid(wanted) && template->schema >= 2 && template->oid != NULL;
	preparation->template_extension = g_strdup(by_oid ? template->oid : template->name);
	preparation->subject_only = !template->takes_names;
	return TRUE;
}

static gboolean
adcs_prepare(gpointer handle, const PvCertRequest *request, PvCaPreparation *preparation,
    GCancellable *cancellable, GError **error)
{
	Adcs *adcs = handle;
	*preparation = (PvCaPreparation) { 0 };
	const char *template = adcs_get_template(adcs, request, error);
	if (template == NULL)
		return FALSE;
	if (adcs_has_policy(adcs))
		return adcs_prepare_by_policy(adcs, request, template, preparation, cancellable, error);
	preparation->template_extension = g_strdup(template);
	return TRUE;
}

static gboolean
adcs_find_answer(Adcs *adcs, const char *key, PvCaReply *reply)
{
	g_mutex_lock(&adcs->mutex);
	gboolean found = adcs_memory_find(adcs->answers, key, g_get_monotonic_time(), reply);
	g_mutex_unlock(&adcs->mutex);
	return found;
}

static void
adcs_keep_answer(Adcs *adcs, const char *key, const PvCaReply *reply)
{
	g_mutex_lock(&adcs->mutex);
	adcs_memory_put(adcs->answers, key, g_get_monotonic_time(), reply);
	g_mutex_unlock(&adcs->mutex);
}

/* @cookie: NULL: submit */
static gboolean
adcs_ask(Adcs *adcs, const PvCertRequest *request, GBytes *csr_der, const char *cookie,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	*reply = (PvCaReply) { 0 };
	const char *template = adcs_get_template(adcs, request, error);
	if (template == NULL)
		return FALSE;
	g_autofree char *key = adcs_memory_dup_key(csr_der, template, identity);
	if (cookie == NULL && adcs_find_answer(adcs, key, reply))
		return TRUE;
	g_auto(AdcsSession) session = { 0 };
	if (!adcs_session_open(&session, &adcs->login, identity, cancellable, error))
		return FALSE;
	gboolean ok = adcs->pages ? adcs_web_ask(adcs, &session, request, csr_der, cookie, reply,
					cancellable, error)
				  : adcs_ces_ask(adcs, &session, request, csr_der, cookie, reply,
					cancellable, error);
	if (ok)
		adcs_keep_answer(adcs, key, reply);
	else
		pv_ca_reply_clear(reply);
	return ok;
}

static gboolean
adcs_submit(gpointer handle, const PvCertRequest *request, GBytes *csr_der,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	return adcs_ask(handle, request, csr_der, NULL, identity, reply, cancellable, error);
}

static gboolean
adcs_poll(gpointer handle, const PvCertRequest *request, GBytes *csr_der, const char *cookie,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	return adcs_ask(handle, request, csr_der, cookie, identity, reply, cancellable, error);
}

static GPtrArray *
adcs_chain(gpointer handle, GCancellable *cancellable, GError **error)
{
	Adcs *adcs = handle;
	if (adcs->chain != NULL)
		return g_ptr_array_ref(adcs->chain);
	return adcs->pages ? adcs_web_get_chain(adcs, cancellable, error)
			   : adcs_ces_get_chain(adcs, cancellable, error);
}

/* Neither protocol can: revocation is ICertAdminD (MS-CSRA), which is DCOM and wants a manager of the CA. */
static gboolean
adcs_revoke(gpointer handle, GBytes *der, guint reason, GCancellable *cancellable, GError **error)
{
	g_autoptr(X509) certificate = adcs_x509_parse(der);
	g_autoptr(GString) serial = g_string_new(NULL);
	const ASN1_INTEGER *number = certificate == NULL ? NULL : X509_get0_serialNumber(certificate);
	for (int i = 0; number != NULL && i < ASN1_STRING_length(number); i++)
		g_string_append_printf(serial, "%02x", ASN1_STRING_get0_data(number)[i]);
	g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
	    "the web services of ad cs cannot revoke: a manager of the ca runs: certutil -revoke %s %u",
	    serial->len > 0 ? serial->str : "SERIAL", reason);
	return FALSE;
}

/* ---- looking ---- */

static gboolean
adcs_check(gpointer handle, PvReport *report, GCancellable *cancellable, GError **error)
{
	Adcs *adcs = handle;
	g_auto(AdcsSession) session = { 0 };
	g_autoptr(GError) local_error = NULL;
	if (!adcs_login_has_service(&adcs->login))
		pv_report_add(report, PV_REPORT_WARNING, "login", NULL,
		    "the service has none of its own: only devices can ask, and nothing else can be looked at");
	else if (!adcs_session_open(&session, &adcs->login, NULL, cancellable, &local_error))
		pv_report_add(report, PV_REPORT_FAILURE, "login", NULL, "%s", local_error->message);
	else if (adcs->pages)
		adcs_web_check(adcs, &session, report, cancellable);
	else
		adcs_ces_check(adcs, &session, report, cancellable);
	return !g_cancellable_set_error_if_cancelled(cancellable, error);
}

/* clang-format off */
static const PvParam adcs_params[] = {
	{ "mode", PV_PARAM_CHOICE, "\"ces\"", "the enrolment web services, or the pages of /certsrv", .choices = "ces|certsrv" },
	{ "url", PV_PARAM_STRING, "null", "https://HOST/CA_CES_Kerberos/service.svc/CES, or https://HOST/certsrv; absent: as the policy says" },
	{ "policy-url", PV_PARAM_STRING, "null", "https://HOST/ADPolicyProvider_CEP_Kerberos/service.svc/CEP; absent: templates are not looked at" },
	{ "discover", PV_PARAM_OBJECT, "null", "read CAs, their addresses, templates and roots out of Active Directory, where it has no policy-url",
	  .fields = adcs_discover_params },
	{ "authority", PV_PARAM_STRING, "null", "name of the CA, where the policy has several" },
	{ "template", PV_PARAM_STRING, "null", "of requests that name none: name, OID, or with a policy the display name" },
	{ "auth", PV_PARAM_CHOICE, "\"kerberos\"", "how to log in; the end of the url says which one it takes",
	  .choices = "kerberos|username-password|certificate" },
	{ "principal", PV_PARAM_STRING, "null", "kerberos: who; absent: the keytab's first, or the cache's own" },
	{ "realm", PV_PARAM_STRING, "null", "kerberos: of a principal that is written without one" },
	{ "keytab", PV_PARAM_PATH, "null", "kerberos: with the key of the principal" },
	{ "ccache", PV_PARAM_STRING, "null", "kerberos: tickets of somebody else's making, such as FILE:/run/provost/cc" },
	{ "kdcs", PV_PARAM_LIST, "[]", "kerberos: HOST or HOST:PORT, in order; absent: as krb5.conf or DNS says" },
	{ "service", PV_PARAM_STRING, "null", "kerberos: the web server's name, where it is not HTTP/HOST" },
	{ "user", PV_PARAM_STRING, "null", "username-password: who, as NAME@DOMAIN or DOMAIN\\NAME" },
	{ "password", PV_PARAM_SECRET, "null", "of the user or of the principal" },
	{ "certificate", PV_PARAM_PATH, "null", "certificate: PEM or PKCS#12; its chain may follow" },
	{ "key", PV_PARAM_STRING, "null", "certificate: its key, where it is not in the same file: PEM file or pkcs11: URI" },
	{ "key-password", PV_PARAM_SECRET, "null", "certificate: of the key, or the token's PIN" },
	{ "trust", PV_PARAM_PATH, "null", "PEM: who signed the web server's certificate; absent: the system's roots" },
	{ "chain", PV_PARAM_PATH, "null", "PEM: certificates of the CA, root included; absent: as the services say" },
	{ "poll-interval", PV_PARAM_INT, "300", "how long a request that waits is left alone", .unit = "s", .minimum = 1, .maximum = 86400 },
	{ "timeout", PV_PARAM_INT, "60", "for one answer", .unit = "s", .minimum = 1, .maximum = 600 },
	{ NULL },
};
/* clang-format on */

static const PvCa adcs_cas[] = {
	{
	    .type = "adcs",
	    .summary = "Active Directory Certificate Services, by their web services",
	    .params = adcs_params,
	    .open = adcs_open,
	    .close = adcs_close,
	    .prepare = adcs_prepare,
	    .submit = adcs_submit,
	    .poll = adcs_poll,
	    .chain = adcs_chain,
	    .revoke = adcs_revoke,
	    .check = adcs_check,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("adcs", PV_VERSION, "Active Directory Certificate Services", .cas = adcs_cas);
