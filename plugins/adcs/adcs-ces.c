/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-ces.h"
#include "adcs-discover.h"
#include "adcs-enrol.h"
#include "adcs-x509.h"

#include <string.h>

#define CES_POLICY_USEC (G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC)
/* a number that no CA has given to a request: asking for it shows whether the CA answers, and changes nothing */
#define CES_NO_REQUEST "2147483647"

gboolean
adcs_is_request_id(const char *text)
{
	gsize length = strlen(text);
	for (const char *at = text; *at != '\0'; at++)
		if (!g_ascii_isgraph(*at))
			return FALSE;
	return length > 0 && length <= 64;
}

/* ---- the policy ---- */

gboolean
adcs_has_policy(const Adcs *adcs)
{
	return !adcs->pages && (pv_values_has(adcs->values, "policy-url") ||
				   pv_values_has(adcs->values, "discover"));
}

static void
adcs_ces_fill_header(AdcsHeader *header, const AdcsSession *session, const char *url)
{
	*header = (AdcsHeader) { .url = url, .user = session->user, .password = session->password };
}

static AdcsPolicy *
adcs_ces_discover(Adcs *adcs, GCancellable *cancellable, GError **error)
{
	const PvValues *values = pv_values_get_object(adcs->values, "discover", 0);
	g_autoptr(PvKerberos) kerberos = NULL;
	if (adcs->login.auth == ADCS_AUTH_KERBEROS && !pv_values_has(values, "bind-dn")) {
		kerberos = adcs_login_ref_service(&adcs->login, cancellable, error);
		if (kerberos == NULL)
			return NULL;
	}
	return adcs_discover(values, kerberos, cancellable, error);
}

static AdcsPolicy *
adcs_ces_read_policy(Adcs *adcs, GCancellable *cancellable, GError **error)
{
	const char *url = pv_values_get_string(adcs->values, "policy-url");
	g_auto(AdcsSession) session = { 0 };
	if (url == NULL)
		return adcs_ces_discover(adcs, cancellable, error);
	if (!adcs_session_open(&session, &adcs->login, NULL, cancellable, error))
		return NULL;
	AdcsHeader header;
	adcs_ces_fill_header(&header, &session, url);
	g_autoptr(GBytes) message = adcs_enrol_new_get_policies(&header, error);
	g_autoptr(GBytes) body = message == NULL ? NULL : adcs_session_post_message(
								 &session, url, message, cancellable, error);
	return body == NULL ? NULL : adcs_policy_parse(body, error);
}

AdcsPolicy *
adcs_get_policy(Adcs *adcs, gboolean anew, GCancellable *cancellable, GError **error)
{
	g_mutex_lock(&adcs->mutex);
	g_autoptr(AdcsPolicy) old = adcs->policy == NULL ? NULL : adcs_policy_ref(adcs->policy);
	gboolean fresh = g_get_monotonic_time() < adcs->policy_until;
	g_mutex_unlock(&adcs->mutex);
	if (old != NULL && fresh && !anew)
		return g_steal_pointer(&old);

	g_autoptr(GError) local_error = NULL;
	g_autoptr(AdcsPolicy) policy = adcs_ces_read_policy(adcs, cancellable, &local_error);
	if (policy == NULL && old != NULL &&
	    g_error_matches(local_error, PV_ERROR, PV_ERROR_UNREACHABLE))
		return g_steal_pointer(&old);
	if (policy == NULL) {
		g_propagate_prefixed_error(error, g_steal_pointer(&local_error), "read the policy: ");
		return NULL;
	}
	g_mutex_lock(&adcs->mutex);
	adcs_policy_unref(adcs->policy);
	adcs->policy = adcs_policy_ref(policy);
	adcs->policy_until = g_get_monotonic_time() + CES_POLICY_USEC;
	g_mutex_unlock(&adcs->mutex);
	return g_steal_pointer(&policy);
}

/* Where to ask for what is requested, the best first. (transfer full) of char * */
static GPtrArray *
adcs_ces_list_urls(Adcs *adcs, const PvCertRequest *request, GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) urls = g_ptr_array_new_with_free_func(g_free);
	if (pv_values_has(adcs->values, "url")) {
		g_ptr_array_add(urls, g_strdup(pv_values_get_string(adcs->values, "url")));
		return g_steal_pointer(&urls);
	}
	g_autoptr(AdcsPolicy) policy = adcs_get_policy(adcs, FALSE, cancellable, error);
	const char *name =
	    policy == NULL || request == NULL ? NULL : adcs_get_template(adcs, request, error);
	const AdcsTemplate *template =
	    name == NULL ? NULL : adcs_policy_find_template(policy, name, error);
	if (policy == NULL || (request != NULL && template == NULL))
		return NULL;
	g_autoptr(GPtrArray) found = adcs_policy_list_endpoints(policy, template,
	    pv_values_get_string(adcs->values, "authority"), adcs->login.auth, error);
	for (guint i = 0; found != NULL && i < found->len; i++)
		g_ptr_array_add(urls, g_strdup(found->pdata[i]));
	return found == NULL ? NULL : g_steal_pointer(&urls);
}

/* ---- asking ---- */

/* "host:port" of an https URL; NULL: it is none. g_free() */
static char *
adcs_ces_dup_host(const char *url)
{
	g_autoptr(GUri) uri = url == NULL ? NULL : g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
	if (uri == NULL || g_strcmp0(g_uri_get_scheme(uri), "https") != 0 ||
	    g_uri_get_host(uri) == NULL || g_uri_get_userinfo(uri) != NULL)
		return NULL;
	g_autofree char *host = g_ascii_strdown(g_uri_get_host(uri), -1);
	return g_strdup_printf("%s:%d", host, g_uri_get_port(uri) > 0 ? g_uri_get_port(uri) : 443);
}

static gboolean
adcs_ces_is_same_host(const char *url, const char *other)
{
	g_autofree char *first = adcs_ces_dup_host(url);
	g_autofree char *second = adcs_ces_dup_host(other);
	return first != NULL && g_strcmp0(first, second) == 0;
}

/* Where the answer says to ask again, if that is where we asked: a login goes to no host that the site does not name. */
static const char *
adcs_ces_choose_poll_url(const AdcsAnswer *answer, const char *url)
{
	if (answer->poll_uri != NULL && adcs_ces_is_same_host(answer->poll_uri, url) &&
	    strpbrk(answer->poll_uri, " \t") == NULL)
		return answer->poll_uri;
	return url;
}

static gboolean
adcs_ces_fill_reply(Adcs *adcs, AdcsAnswer *answer, const char *url, PvCaReply *reply, GError **error)
{
	reply->outcome = answer->outcome;
	reply->text = g_steal_pointer(&answer->text);
	reply->certificate = g_steal_pointer(&answer->certificate);
	reply->chain = g_steal_pointer(&answer->chain);
	if (answer->outcome != PV_CA_PENDING)
		return TRUE;
	if (!adcs_is_request_id(answer->request_id)) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read the enrolment service's answer: the request's number is none");
		return FALSE;
	}
	reply->cookie =
	    g_strdup_printf("%s %s", answer->request_id, adcs_ces_choose_poll_url(answer, url));
	reply->not_before_sec = (guint)pv_values_get_int(adcs->values, "poll-interval");
	return TRUE;
}

/* @request_id: NULL: a new request */
static gboolean
adcs_ces_ask_at(AdcsSession *session, const char *url, GBytes *csr_der, const char *request_id,
    AdcsAnswer *answer, GCancellable *cancellable, GError **error)
{
	AdcsHeader header;
	adcs_ces_fill_header(&header, session, url);
	g_autoptr(GBytes) message = request_id != NULL
					? adcs_enrol_new_query(&header, request_id, error)
					: adcs_enrol_new_request(&header, csr_der, error);
	g_autoptr(GBytes) body = message == NULL ? NULL : adcs_session_post_message(
								 session, url, message, cancellable, error);
	return body != NULL && adcs_enrol_parse(body, answer, error);
}

static gboolean
adcs_ces_poll(Adcs *adcs, AdcsSession *session, GPtrArray *urls, const char *cookie,
    PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(cookie, " ", 2);
	if (parts[0] == NULL || parts[1] == NULL || !adcs_is_request_id(parts[0])) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "ask for the request again: what was kept of it is damaged");
		return FALSE;
	}
	/* the site may have moved since */
	const char *url = urls->pdata[0];
	for (guint i = 0; i < urls->len; i++)
		if (adcs_ces_is_same_host(parts[1], urls->pdata[i]))
			url = parts[1];
	g_auto(AdcsAnswer) answer = { 0 };
	if (!adcs_ces_ask_at(session, url, NULL, parts[0], &answer, cancellable, error))
		return FALSE;
	if (answer.outcome == PV_CA_PENDING && answer.request_id != NULL &&
	    !g_str_equal(answer.request_id, parts[0])) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read the enrolment service's answer: it is of another request");
		return FALSE;
	}
	return adcs_ces_fill_reply(adcs, &answer, url, reply, error);
}

/* A service that is down is passed over. One that took the request and then fell silent may have issued: the next one issues
 * another, which costs nothing but a line in the CA's database. */
static gboolean
adcs_ces_submit(Adcs *adcs, AdcsSession *session, GPtrArray *urls, GBytes *csr_der,
    PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	for (guint i = 0; i < urls->len; i++) {
		g_auto(AdcsAnswer) answer = { 0 };
		g_autoptr(GError) local_error = NULL;
		if (adcs_ces_ask_at(session, urls->pdata[i], csr_der, NULL, &answer, cancellable, &local_error))
			return adcs_ces_fill_reply(adcs, &answer, urls->pdata[i], reply, error);
		if (i + 1 < urls->len &&
		    g_error_matches(local_error, PV_ERROR, PV_ERROR_UNREACHABLE))
			continue;
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	g_return_val_if_reached(FALSE);
}

gboolean
adcs_ces_ask(Adcs *adcs, AdcsSession *session, const PvCertRequest *request, GBytes *csr_der,
    const char *cookie, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) urls = adcs_ces_list_urls(adcs, request, cancellable, error);
	if (urls == NULL)
		return FALSE;
	return cookie != NULL
		   ? adcs_ces_poll(adcs, session, urls, cookie, reply, cancellable, error)
		   : adcs_ces_submit(adcs, session, urls, csr_der, reply, cancellable, error);
}

GPtrArray *
adcs_ces_get_chain(Adcs *adcs, GCancellable *cancellable, GError **error)
{
	if (!adcs_has_policy(adcs)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: without \"policy-url\" and \"discover\" nobody tells the ca's certificates: name a file of them here",
		    pv_values_get_where(adcs->values, "chain"));
		return NULL;
	}
	g_autoptr(AdcsPolicy) policy = adcs_get_policy(adcs, FALSE, cancellable, error);
	if (policy == NULL)
		return NULL;
	const char *name = pv_values_get_string(adcs->values, "authority");
	g_autoptr(GPtrArray) chain = adcs_chain_new();
	for (guint i = 0; i < policy->authorities->len; i++) {
		const AdcsAuthority *authority = policy->authorities->pdata[i];
		if (name == NULL || g_ascii_strcasecmp(name, authority->name) == 0)
			g_ptr_array_add(chain, g_bytes_ref(authority->certificate));
	}
	if (chain->len > 0) {
		for (guint i = 0; i < policy->roots->len; i++)
			g_ptr_array_add(chain, g_bytes_ref(policy->roots->pdata[i]));
		return g_steal_pointer(&chain);
	}
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "the policy names no ca%s%s",
	    name == NULL ? "" : " of the name ", name == NULL ? "" : name);
	return NULL;
}

/* ---- looking ---- */

static void
adcs_ces_check_template(Adcs *adcs, const AdcsPolicy *policy, PvReport *report)
{
	const char *wanted = pv_values_get_string(adcs->values, "template");
	if (wanted == NULL) {
		pv_report_add(report, PV_REPORT_OK, "template", NULL, "the policy has %u; each stage names its own",
		    policy->templates->len);
		return;
	}
	g_autoptr(GError) error = NULL;
	const PvCertRequest nothing = { 0 };
	const AdcsTemplate *template = adcs_policy_find_template(policy, wanted, &error);
	/* a device asks with an account of its own, whose rights and names are not seen from here */
	if (template != NULL && !adcs_template_check(template, &nothing, FALSE, &error))
		pv_report_add(report, PV_REPORT_WARNING, "template", template->name, "%s", error->message);
	else if (template == NULL)
		pv_report_add(report, PV_REPORT_FAILURE, "template", wanted, "%s", error->message);
	else
		pv_report_add(report, PV_REPORT_OK, "template", template->name,
		    "%s, names are taken from the request%s",
		    pv_values_has(adcs->values, "policy-url") ? "this account may enroll" : "it is there",
		    template->waits ? "; a manager of the ca approves each request" : "");
}

static void
adcs_ces_check_policy(Adcs *adcs, PvReport *report, GCancellable *cancellable)
{
	const char *url = pv_values_has(adcs->values, "policy-url")
			      ? pv_values_get_string(adcs->values, "policy-url")
			      : pv_values_get_string(pv_values_get_object(adcs->values, "discover", 0), "server");
	g_autoptr(GError) error = NULL;
	g_autoptr(AdcsPolicy) policy = adcs_get_policy(adcs, TRUE, cancellable, &error);
	if (policy == NULL) {
		pv_report_add(report, PV_REPORT_FAILURE, "policy", url, "%s", error->message);
		return;
	}
	pv_report_add(report, PV_REPORT_OK, "policy", url, "%u templates, %u certification authorities",
	    policy->templates->len, policy->authorities->len);
	adcs_ces_check_template(adcs, policy, report);
}

/* That the CA has no such request proves that the service reaches it. NULL: it does */
static GError *
adcs_ces_try_service(AdcsSession *session, const char *url, GCancellable *cancellable)
{
	g_auto(AdcsAnswer) answer = { 0 };
	GError *error = NULL;
	(void)adcs_ces_ask_at(session, url, NULL, CES_NO_REQUEST, &answer, cancellable, &error); /* error tells */
	return error;
}

static void
adcs_ces_free_error(gpointer error)
{
	if (error != NULL)
		g_error_free(error);
}

/* One that is down is passed over, as long as another one is up. */
static void
adcs_ces_check_services(AdcsSession *session, GPtrArray *urls, PvReport *report, GCancellable *cancellable)
{
	g_autoptr(GPtrArray) errors = g_ptr_array_new_with_free_func(adcs_ces_free_error);
	gboolean works = FALSE;
	for (guint i = 0; i < urls->len; i++) {
		g_ptr_array_add(errors, adcs_ces_try_service(session, urls->pdata[i], cancellable));
		works = works || errors->pdata[i] == NULL;
	}
	for (guint i = 0; i < urls->len; i++) {
		const GError *error = errors->pdata[i];
		if (error == NULL)
			pv_report_add(report, PV_REPORT_OK, "enrolment", urls->pdata[i],
			    "the ca answers to %s", session->name);
		else
			pv_report_add(report,
			    works && g_error_matches(error, PV_ERROR, PV_ERROR_UNREACHABLE) ? PV_REPORT_WARNING : PV_REPORT_FAILURE,
			    "enrolment", urls->pdata[i], "%s", error->message);
	}
}

void
adcs_ces_check(Adcs *adcs, AdcsSession *session, PvReport *report, GCancellable *cancellable)
{
	g_autoptr(GError) error = NULL;
	if (adcs_has_policy(adcs))
		adcs_ces_check_policy(adcs, report, cancellable);
	g_autoptr(GPtrArray) urls = adcs_ces_list_urls(adcs, NULL, cancellable, &error);
	if (urls == NULL)
		pv_report_add(report, PV_REPORT_FAILURE, "enrolment", NULL, "%s", error->message);
	else
		adcs_ces_check_services(session, urls, report, cancellable);
}
