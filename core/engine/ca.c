/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/ca.h"

#include "core/engine/cert-request.h"
#include "core/engine/job.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#define CA_WARN_DAYS 90 /* a new CA takes its time to reach all that have to trust it */
#define CA_TRY_BITS 2048
#define CA_REASON_CESSATION 5 /* RFC 5280 5.3.1 */
#define CA_SERIAL_MAX 20 /* bytes; RFC 5280 4.1.2.2 */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)

static X509 *
ca_parse(GBytes *der)
{
	gsize size = 0;
	const guint8 *data = g_bytes_get_data(der, &size);
	X509 *certificate = size > G_MAXINT ? NULL : d2i_X509(NULL, &data, (long)size);
	ERR_clear_error();
	return certificate;
}

static gint64
ca_get_end(X509 *certificate)
{
	struct tm tm;
	if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
		return 0;
	g_autoptr(GDateTime) end = g_date_time_new_utc(
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return end == NULL ? 0 : g_date_time_to_unix(end);
}

static char *
ca_dup_date(gint64 time)
{
	g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(time);
	return date == NULL ? g_strdup("an unknown date") : g_date_time_format(date, "%Y-%m-%d");
}

char *
pv_ca_dup_serial(GBytes *der, gint64 *not_after)
{
	g_autoptr(X509) certificate = ca_parse(der);
	if (certificate == NULL)
		return NULL;
	if (not_after != NULL)
		*not_after = ca_get_end(certificate);
	const ASN1_INTEGER *number = X509_get0_serialNumber(certificate);
	g_autoptr(GString) hex = g_string_new(NULL);
	for (int i = 0; i < ASN1_STRING_length(number); i++)
		g_string_append_printf(hex, "%02X", ASN1_STRING_get0_data(number)[i]);
	return g_string_free(g_steal_pointer(&hex), FALSE);
}

static gboolean
ca_is_there(PvSite *site, GError **error)
{
	if (site->ca != NULL)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: the site has no \"ca\"", site->file);
	return FALSE;
}

/* What a provider's error becomes: a row, or the caller's when somebody cancelled. */
static gboolean
ca_report_error(
    PvReport *report, const char *check, const char *object, GError *failure, GError **error)
{
	if (g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
		g_propagate_error(error, failure);
		return FALSE;
	}
	pv_report_add(report, PV_REPORT_FAILURE, check, object, "%s", failure->message);
	g_error_free(failure);
	return TRUE;
}

/* Check */

static void
ca_check_dates(X509 *certificate, gint64 now, PvReport *report)
{
	g_autofree char *name = pv_tls_dup_name(X509_get_subject_name(certificate));
	gint64 end = ca_get_end(certificate);
	g_autofree char *date = ca_dup_date(end);
	if (end <= now)
		pv_report_add(report, PV_REPORT_FAILURE, "certificate", name,
		    "expired on %s: renew the CA, or name another one", date);
	else if (end - now < (gint64)CA_WARN_DAYS * 86400)
		pv_report_add(report, PV_REPORT_WARNING, "certificate", name,
		    "ends on %s, and with it all that it issues: prepare its successor", date);
	else
		pv_report_add(report, PV_REPORT_OK, "certificate", name, "valid until %s", date);
}

static void
ca_check_chain(GPtrArray *chain, PvReport *report)
{
	gint64 now = g_get_real_time() / G_USEC_PER_SEC;
	gboolean root = FALSE;
	for (guint i = 0; i < chain->len; i++) {
		g_autoptr(X509) certificate = ca_parse(chain->pdata[i]);
		if (certificate == NULL)
			continue;
		root = root || X509_NAME_cmp(X509_get_subject_name(certificate),
				   X509_get_issuer_name(certificate)) == 0;
		ca_check_dates(certificate, now, report);
	}
	if (!root)
		pv_report_add(report, PV_REPORT_FAILURE, "root", NULL,
		    "the CA's chain has no self-signed root, so that nothing can be verified by "
		    "it: name its "
		    "root in the site's \"ca\"");
}

gboolean
pv_ca_check(PvSite *site, PvReport *report, GCancellable *cancellable, GError **error)
{
	if (!ca_is_there(site, error))
		return FALSE;
	GError *failure = NULL;
	g_autoptr(GPtrArray) chain = site->ca->chain(site->ca_handle, cancellable, &failure);
	if (chain == NULL && !ca_report_error(report, "chain", site->ca->type, failure, error))
		return FALSE;
	if (chain != NULL)
		ca_check_chain(chain, report);
	failure = NULL;
	return site->ca->check == NULL ||
	       site->ca->check(site->ca_handle, report, cancellable, &failure) ||
	       ca_report_error(report, "check", site->ca->type, failure, error);
}

/* Try */

/* TRUE once the time is over; FALSE with the error when somebody cancelled. */
static gboolean
ca_sleep(guint seconds, GCancellable *cancellable, GError **error)
{
	GPollFD fd;
	if (cancellable != NULL && g_cancellable_make_pollfd(cancellable, &fd)) {
		(void)g_poll(&fd, 1, (gint)seconds * 1000); /* whatever woke it up: asked below */
		g_cancellable_release_fd(cancellable);
	} else {
		g_usleep((gulong)seconds * G_USEC_PER_SEC);
	}
	return !g_cancellable_set_error_if_cancelled(cancellable, error);
}

static void
ca_report_preparation(PvSite *site, const PvCaPreparation *preparation, PvReport *report)
{
	g_autoptr(GString) text = g_string_new("request made");
	if (preparation->template_extension != NULL)
		g_string_append_printf(text, ", template %s", preparation->template_extension);
	if (preparation->challenge != NULL)
		g_string_append(text, ", with a challenge");
	if (preparation->subject_only)
		g_string_append(text, ", alternative names left to the CA");
	pv_report_add(report, PV_REPORT_OK, "prepare", site->ca->type, "%s", text->str);
}

/* NULL without an error: the failure is a row. */
static GBytes *
ca_try_prepare(PvSite *site, const PvCaTry *try, EVP_PKEY *key, PvReport *report,
    GCancellable *cancellable, GError **error)
{
	g_auto(PvCaPreparation) preparation = { 0 };
	GError *failure = NULL;
	if (site->ca->prepare != NULL && !site->ca->prepare(site->ca_handle, &try->request,
					     &preparation, cancellable, &failure)) {
		(void)ca_report_error(
		    report, "prepare", site->ca->type, failure, error); /* error set */
		return NULL;
	}
	GBytes *csr = pv_cert_request_new_signed(key, &try->request, &preparation, error);
	if (csr != NULL)
		ca_report_preparation(site, &preparation, report);
	return csr;
}

/* Submits, then polls as long as there is time. FALSE: *failure, or cancelled. */
static gboolean
ca_try_ask(PvSite *site, const PvCaTry *try, GBytes *csr, PvCaReply *reply,
    GCancellable *cancellable, GError **failure)
{
	gint64 end = g_get_monotonic_time() + (gint64)try->wait_sec * G_USEC_PER_SEC;
	if (!site->ca->submit(
		site->ca_handle, &try->request, csr, NULL, reply, cancellable, failure))
		return FALSE;
	while (reply->outcome == PV_CA_PENDING) {
		gint64 left_sec = (end - g_get_monotonic_time()) / G_USEC_PER_SEC;
		if (left_sec <= 0)
			return TRUE;
		guint pause = (guint)CLAMP(reply->not_before_sec, 1, left_sec);
		g_autofree char *cookie = g_steal_pointer(&reply->cookie);
		pv_ca_reply_clear(reply);
		if (!ca_sleep(pause, cancellable, failure))
			return FALSE;
		if (!site->ca->poll(site->ca_handle, &try->request, csr, cookie, NULL, reply,
			cancellable, failure))
			return FALSE;
	}
	return TRUE;
}

static void
ca_report_reply(PvSite *site, const PvCaTry *try, const PvCaReply *reply, PvReport *report)
{
	const char *text = reply->text != NULL ? reply->text : "it did not say why";
	if (reply->outcome == PV_CA_ISSUED && reply->certificate != NULL)
		pv_report_add(report, PV_REPORT_OK, "submit", site->ca->type, "issued%s%s",
		    reply->text != NULL ? ": " : "", reply->text != NULL ? reply->text : "");
	else if (reply->outcome == PV_CA_PENDING)
		pv_report_add(report, PV_REPORT_WARNING, "submit", site->ca->type,
		    "still pending after %u s, as %s: %s: have it approved, or let the template "
		    "issue at once",
		    try->wait_sec, reply->cookie, text);
	else
		pv_report_add(
		    report, PV_REPORT_FAILURE, "submit", site->ca->type, "denied: %s", text);
}

static gboolean
ca_try_judge(
    PvSite *site, const PvCaTry *try, EVP_PKEY *key, const PvCaReply *reply, PvReport *report)
{
	g_autoptr(GError) wrong = NULL;
	gint64 end = 0;
	g_autofree char *serial = pv_ca_dup_serial(reply->certificate, &end);
	g_autoptr(PvTrust) trust = NULL;
	if (!pv_site_dup_trust(site, &trust, NULL, &wrong) ||
	    !pv_certificate_check(&try->request, reply->certificate, reply->chain, key, trust, 0,
		g_get_real_time() / G_USEC_PER_SEC, &wrong)) {
		pv_report_add(report, PV_REPORT_FAILURE, "answer", serial, "%s", wrong->message);
		return FALSE;
	}
	g_autofree char *date = ca_dup_date(end);
	pv_report_add(report, PV_REPORT_OK, "answer", serial,
	    "key, names and usages as asked; %" G_GSIZE_FORMAT " bytes, valid until %s",
	    g_bytes_get_size(reply->certificate), date);
	return TRUE;
}

static gboolean
ca_try_revoke(PvSite *site, const PvCaReply *reply, PvReport *report, GCancellable *cancellable,
    GError **error)
{
	GError *failure = NULL;
	gint64 end = 0;
	g_autofree char *serial = pv_ca_dup_serial(reply->certificate, &end);
	g_autofree char *date = ca_dup_date(end);
	if (site->ca->revoke != NULL && site->ca->revoke(site->ca_handle, reply->certificate,
					    CA_REASON_CESSATION, cancellable, &failure)) {
		pv_report_add(report, PV_REPORT_OK, "revoke", serial, "taken back");
		return TRUE;
	}
	if (failure != NULL && !g_error_matches(failure, PV_ERROR, PV_ERROR_UNSUPPORTED))
		return ca_report_error(report, "revoke", serial, failure, error);
	g_clear_error(&failure);
	pv_report_add(report, PV_REPORT_WARNING, "revoke", serial,
	    "this CA takes no certificate back from here: it stays valid until %s", date);
	return TRUE;
}

gboolean
pv_ca_try(PvSite *site, const PvCaTry *try, PvReport *report, PvCaTryOutcome *outcome,
    PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	*reply = (PvCaReply) { .outcome = PV_CA_DENIED };
	*outcome = PV_CA_TRY_FAILED;
	if (!ca_is_there(site, error))
		return FALSE;
	g_autoptr(EVP_PKEY) key = EVP_RSA_gen(CA_TRY_BITS);
	if (key == NULL) {
		ERR_clear_error();
		g_set_error_literal(
		    error, PV_ERROR, PV_ERROR_FAILED, "make a key: the crypto library failed");
		return FALSE;
	}
	GError *failure = NULL;
	g_autoptr(GBytes) csr = ca_try_prepare(site, try, key, report, cancellable, &failure);
	if (csr == NULL && failure != NULL) {
		g_propagate_error(error, failure);
		return FALSE;
	}
	if (csr == NULL)
		return TRUE;
	if (!ca_try_ask(site, try, csr, reply, cancellable, &failure))
		return ca_report_error(report, "submit", site->ca->type, failure, error);
	ca_report_reply(site, try, reply, report);
	*outcome = reply->outcome == PV_CA_PENDING ? PV_CA_TRY_PENDING : PV_CA_TRY_DENIED;
	if (reply->outcome != PV_CA_ISSUED || reply->certificate == NULL)
		return TRUE;
	/* also one that will not do is taken back: nobody else would */
	*outcome = ca_try_judge(site, try, key, reply, report) ? PV_CA_TRY_ISSUED : PV_CA_TRY_WRONG;
	return try->keep || ca_try_revoke(site, reply, report, cancellable, error);
}

/* Look up */

/* Upper case hex without what people put between, an even number of digits; NULL: none. */
static char *
ca_dup_plain_serial(const char *serial)
{
	g_autoptr(GString) hex = g_string_new(NULL);
	for (const char *c = serial; *c != '\0'; c++) {
		if (g_ascii_isxdigit(*c))
			g_string_append_c(hex, g_ascii_toupper(*c));
		else if (*c != ':' && *c != ' ')
			return NULL;
	}
	if (hex->len % 2 != 0)
		g_string_prepend_c(hex, '0');
	if (hex->len == 0 || hex->len > 2 * CA_SERIAL_MAX)
		return NULL;
	return g_string_free(g_steal_pointer(&hex), FALSE);
}

GBytes *
pv_ca_find_certificate(PvSite *site, const char *serial, GCancellable *cancellable, GError **error)
{
	if (!ca_is_there(site, error))
		return NULL;
	g_autofree char *plain = ca_dup_plain_serial(serial);
	if (plain == NULL) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_CONFIG,
		    "a serial number is hexadecimal, of 20 bytes at most");
		return NULL;
	}
	if (site->ca->find == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
		    "find certificate %s: a CA of type %s is not asked for numbers: name a file "
		    "with the "
		    "certificate",
		    plain, site->ca->type);
		return NULL;
	}
	return site->ca->find(site->ca_handle, plain, cancellable, error);
}

gboolean
pv_ca_parse_reason(const char *word, guint *reason)
{
	static const struct {
		const char *word;
		guint reason;
	} reasons[] = { { "unspecified", 0 }, { "key-compromise", 1 }, { "affiliation-changed", 3 },
		{ "superseded", 4 }, { "cessation-of-operation", 5 },
		{ "privilege-withdrawn", 9 } };
	for (gsize i = 0; i < G_N_ELEMENTS(reasons); i++) {
		if (!g_str_equal(reasons[i].word, word))
			continue;
		*reason = reasons[i].reason;
		return TRUE;
	}
	return FALSE;
}
