/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-ces.h"
#include "adcs-pages.h"

#include <provost/pki.h>
#include <string.h>

/* certsrv: the pages that people use. */

/* The URL of a page, whether the site's ends with a slash or not. g_free() */
static char *
adcs_web_dup_url(const Adcs *adcs, const char *page)
{
	const char *url = pv_values_get_string(adcs->values, "url");
	return g_strdup_printf("%s%s%s", url, g_str_has_suffix(url, "/") ? "" : "/", page);
}

static gboolean
adcs_web_fill_pending(Adcs *adcs, const char *id, char *text, PvCaReply *reply)
{
	reply->outcome = PV_CA_PENDING;
	reply->cookie = g_strdup(id);
	reply->text = text;
	reply->not_before_sec = (guint)pv_values_get_int(adcs->values, "poll-interval");
	return TRUE;
}

static gboolean
adcs_web_fetch(Adcs *adcs, AdcsSession *session, const char *id, PvCaReply *reply,
    GCancellable *cancellable, GError **error)
{
	g_autofree char *page = g_strdup_printf("certnew.cer?ReqID=%s&Enc=bin", id);
	g_autofree char *url = adcs_web_dup_url(adcs, page);
	gboolean is_page = FALSE;
	g_autoptr(GBytes) body = adcs_session_get_page(session, url, NULL, &is_page, cancellable, error);
	if (body == NULL)
		return FALSE;
	if (!is_page) {
		reply->outcome = PV_CA_ISSUED;
		reply->certificate = g_steal_pointer(&body);
		return TRUE;
	}
	g_auto(AdcsAnswer) answer = { 0 };
	if (!adcs_pages_parse_waiting(body, &answer, error))
		return FALSE;
	if (answer.outcome == PV_CA_PENDING)
		return adcs_web_fill_pending(adcs, id, g_steal_pointer(&answer.text), reply);
	reply->outcome = PV_CA_DENIED;
	reply->text = g_steal_pointer(&answer.text);
	return TRUE;
}

static gboolean
adcs_web_submit(Adcs *adcs, AdcsSession *session, const PvCertRequest *request, GBytes *csr_der,
    PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	const char *template = adcs_get_template(adcs, request, error);
	if (template == NULL)
		return FALSE;
	g_autofree char *url = adcs_web_dup_url(adcs, "certfnsh.asp");
	g_autoptr(GBytes) form = adcs_pages_new_form(csr_der, template);
	gboolean is_page = FALSE;
	g_autoptr(GBytes) body = adcs_session_get_page(session, url, form, &is_page, cancellable, error);
	g_auto(AdcsAnswer) answer = { 0 };
	if (body == NULL || !adcs_pages_parse_submitted(body, &answer, error))
		return FALSE;
	if (answer.outcome == PV_CA_ISSUED)
		return adcs_web_fetch(adcs, session, answer.request_id, reply, cancellable, error);
	if (answer.outcome == PV_CA_PENDING)
		return adcs_web_fill_pending(
		    adcs, answer.request_id, g_steal_pointer(&answer.text), reply);
	reply->outcome = PV_CA_DENIED;
	reply->text = g_steal_pointer(&answer.text);
	return TRUE;
}

gboolean
adcs_web_ask(Adcs *adcs, AdcsSession *session, const PvCertRequest *request, GBytes *csr_der,
    const char *cookie, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	if (cookie == NULL)
		return adcs_web_submit(adcs, session, request, csr_der, reply, cancellable, error);
	if (strspn(cookie, "0123456789") == strlen(cookie) && *cookie != '\0')
		return adcs_web_fetch(adcs, session, cookie, reply, cancellable, error);
	g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
	    "ask for the request again: what was kept of it is damaged");
	return FALSE;
}

static GPtrArray *
adcs_web_read_chain(Adcs *adcs, AdcsSession *session, GCancellable *cancellable, GError **error)
{
	g_autofree char *url = adcs_web_dup_url(adcs, "certcarc.asp");
	gboolean is_page = FALSE;
	guint renewals = 0;
	g_autoptr(GBytes) page = adcs_session_get_page(session, url, NULL, &is_page, cancellable, error);
	if (page == NULL || !adcs_pages_parse_renewals(page, &renewals, error))
		return NULL;
	g_autofree char *name =
	    g_strdup_printf("certnew.p7b?ReqID=CACert&Renewal=%u&Enc=bin", renewals);
	g_autofree char *chain_url = adcs_web_dup_url(adcs, name);
	g_autoptr(GBytes) body =
	    adcs_session_get_page(session, chain_url, NULL, &is_page, cancellable, error);
	return body == NULL ? NULL : pv_pki_parse_certificates(body, error);
}

GPtrArray *
adcs_web_get_chain(Adcs *adcs, GCancellable *cancellable, GError **error)
{
	g_auto(AdcsSession) session = { 0 };
	if (!adcs_session_open(&session, &adcs->login, NULL, cancellable, error))
		return NULL;
	return adcs_web_read_chain(adcs, &session, cancellable, error);
}

void
adcs_web_check(Adcs *adcs, AdcsSession *session, PvReport *report, GCancellable *cancellable)
{
	const char *url = pv_values_get_string(adcs->values, "url");
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) chain = adcs_web_read_chain(adcs, session, cancellable, &error);
	if (chain != NULL)
		pv_report_add(report, PV_REPORT_OK, "enrolment", url, "the pages answer to %s", session->name);
	else
		pv_report_add(report, PV_REPORT_FAILURE, "enrolment", url, "%s", error->message);
}
