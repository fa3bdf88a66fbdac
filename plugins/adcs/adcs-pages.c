/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-pages.h"
#include "adcs-status.h"
#include "adcs-xml.h"

#include <string.h>

#define PAGES_TEXT_MAX 300
#define PAGES_MAX_RENEWALS 1000

GBytes *
adcs_pages_new_form(GBytes *csr_der, const char *template)
{
	gsize length = 0;
	const guchar *data = g_bytes_get_data(csr_der, &length);
	g_autofree char *base64 = g_base64_encode(data, length);
	g_autoptr(GString) pem = g_string_new("-----BEGIN CERTIFICATE REQUEST-----\r\n");
	for (gsize at = 0, all = strlen(base64); at < all; at += 64)
		g_string_append_printf(pem, "%.64s\r\n", base64 + at);
	g_string_append(pem, "-----END CERTIFICATE REQUEST-----\r\n");
	g_autofree char *request = g_uri_escape_string(pem->str, NULL, FALSE);
	g_autofree char *plain =
	    template == NULL ? g_strdup("") : g_strdup_printf("CertificateTemplate:%s\r\n", template);
	g_autofree char *attributes = g_uri_escape_string(plain, NULL, FALSE);
	char *form = g_strdup_printf("Mode=newreq&CertRequest=%s&CertAttrib=%s"
				     "&FriendlyType=Saved-Request%%20Certificate&TargetStoreFlags=0&SaveCert=yes",
	    request, attributes);
	return g_bytes_new_take(form, strlen(form));
}

/* The page as text; NULL: too large. g_free() */
static char *
adcs_pages_dup(GBytes *page, GError **error)
{
	gsize length = 0;
	const char *data = g_bytes_get_data(page, &length);
	if (length <= ADCS_PAGE_MAX_BYTES)
		return g_utf8_make_valid(data, (gssize)length);
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
	    "read the web enrollment's page: it has %" G_GSIZE_FORMAT " bytes, at most %d", length,
	    ADCS_PAGE_MAX_BYTES);
	return NULL;
}

/* Appends what a reader sees: no mark-up, no scripts. */
static char *
adcs_pages_dup_visible(const char *page)
{
	g_autoptr(GString) text = g_string_new(NULL);
	const char *at = page;
	while (*at != '\0') {
		if (*at != '<') {
			const char *next = strchr(at, '<');
			gsize length = next == NULL ? strlen(at) : (gsize)(next - at);
			g_string_append_len(text, at, (gssize)length);
			at += length;
			continue;
		}
		const char *end = NULL;
		if (g_ascii_strncasecmp(at, "<script", 7) == 0)
			end = strstr(at + 1, "</");
		else if (g_str_has_prefix(at, "<!--"))
			end = strstr(at, "-->");
		end = strchr(end != NULL ? end : at, '>');
		at = end == NULL ? at + strlen(at) : end + 1;
		g_string_append_c(text, ' ');
	}
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static char *
adcs_pages_dup_match(const char *pattern, const char *text)
{
	g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_CASELESS, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;
	return g_regex_match(regex, text, 0, &match) ? g_match_info_fetch(match, 1) : NULL;
}

/* What stands in quotation marks, or behind "Disposition message:"; else all of it. */
static char *
adcs_pages_dup_message(const char *visible)
{
	g_autofree char *quoted =
	    adcs_pages_dup_match("(?:\"|&quot;)([^\"&]{3,300})(?:\"|&quot;)", visible);
	g_autofree char *message =
	    quoted != NULL ? NULL : adcs_pages_dup_match("disposition message:\\s*(\\S[^<]*)", visible);
	return adcs_text_dup_line(
	    quoted != NULL ? quoted : message != NULL ? message : visible, -1, PAGES_TEXT_MAX);
}

/* Pending pages hold the number and nothing of a failure; denied ones the HRESULT, or at least the message. */
static gboolean
adcs_pages_read_undone(const char *visible, AdcsAnswer *answer, GError **error)
{
	gint32 code = adcs_status_find(visible);
	answer->text = adcs_pages_dup_message(visible);
	if (code != 0) {
		g_autofree char *said = g_steal_pointer(&answer->text);
		answer->outcome = PV_CA_DENIED;
		return adcs_status_is_denial(code, said, &answer->text, error);
	}
	g_autofree char *lower = g_utf8_strdown(visible, -1);
	answer->outcome = strstr(lower, "denied") != NULL ? PV_CA_DENIED : PV_CA_PENDING;
	return TRUE;
}

gboolean
adcs_pages_parse_submitted(GBytes *page, AdcsAnswer *answer, GError **error)
{
	*answer = (AdcsAnswer) { 0 };
	g_autofree char *text = adcs_pages_dup(page, error);
	if (text == NULL)
		return FALSE;
	answer->request_id = adcs_pages_dup_match("certnew\\.cer\\?ReqID=([0-9]{1,18})\\b", text);
	if (answer->request_id != NULL) {
		answer->outcome = PV_CA_ISSUED;
		return TRUE;
	}
	g_autofree char *visible = adcs_pages_dup_visible(text);
	if (!adcs_pages_read_undone(visible, answer, error)) {
		adcs_answer_clear(answer);
		return FALSE;
	}
	answer->request_id = adcs_pages_dup_match("request id\\D{1,8}([0-9]{1,18})\\b", visible);
	if (answer->request_id == NULL)
		answer->request_id = adcs_pages_dup_match("(?<![0-9a-z])([0-9]{1,18})(?![0-9a-z])", visible);
	if (answer->outcome == PV_CA_DENIED || answer->request_id != NULL)
		return TRUE;
	adcs_answer_clear(answer);
	g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
	    "read the web enrollment's page: it is none of issued, pending and denied; is \"url\" "
	    "that of certsrv?");
	return FALSE;
}

gboolean
adcs_pages_parse_waiting(GBytes *page, AdcsAnswer *answer, GError **error)
{
	*answer = (AdcsAnswer) { 0 };
	g_autofree char *text = adcs_pages_dup(page, error);
	if (text == NULL)
		return FALSE;
	g_autofree char *visible = adcs_pages_dup_visible(text);
	if (adcs_pages_read_undone(visible, answer, error))
		return TRUE;
	adcs_answer_clear(answer);
	return FALSE;
}

gboolean
adcs_pages_parse_renewals(GBytes *page, guint *renewals, GError **error)
{
	g_autofree char *text = adcs_pages_dup(page, error);
	if (text == NULL)
		return FALSE;
	g_autofree char *number = adcs_pages_dup_match("\\bnRenewals\\s*=\\s*([0-9]{1,9})\\s*;", text);
	guint64 value = 0;
	if (number != NULL &&
	    g_ascii_string_to_unsigned(number, 10, 0, PAGES_MAX_RENEWALS, &value, NULL)) {
		*renewals = (guint)value;
		return TRUE;
	}
	g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
	    "read the web enrollment's page of ca certificates: it tells no number of renewals");
	return FALSE;
}
