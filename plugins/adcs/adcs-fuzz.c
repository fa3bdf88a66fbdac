/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-pages.h"
#include "adcs-policy.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* What any server that we ask may say: every reader gets every input. */

static void
fuzz_check_text(const char *text)
{
	if (text == NULL)
		return;
	if (!g_utf8_validate(text, -1, NULL))
		g_error("a text is no UTF-8");
	for (const char *at = text; *at != '\0'; at++)
		if (g_ascii_iscntrl(*at))
			g_error("control character %02x in: %s", (guint)*at, text);
}

static void
fuzz_check_answer(gboolean succeeded, const AdcsAnswer *answer, const GError *error)
{
	fuzz_check_error(succeeded, error);
	fuzz_check_text(answer->text);
	fuzz_check_text(answer->request_id);
	fuzz_check_text(answer->poll_uri);
	if (!succeeded && (answer->text != NULL || answer->certificate != NULL || answer->request_id != NULL))
		g_error("a failure left something behind");
}

static void
fuzz_enrol(GBytes *data)
{
	g_auto(AdcsAnswer) answer = { 0 };
	g_autoptr(GError) error = NULL;
	gboolean succeeded = adcs_enrol_parse(data, &answer, &error);
	fuzz_check_answer(succeeded, &answer, error);
	if (succeeded && (answer.certificate != NULL) != (answer.outcome == PV_CA_ISSUED))
		g_error("issued without a certificate, or the other way round");
	if (succeeded && answer.outcome == PV_CA_PENDING && answer.request_id == NULL)
		g_error("pending without a number");
}

static void
fuzz_pages(GBytes *data)
{
	g_auto(AdcsAnswer) submitted = { 0 }, waiting = { 0 };
	g_autoptr(GError) error = NULL, other = NULL, third = NULL;
	guint renewals = 0;
	gboolean ok = adcs_pages_parse_submitted(data, &submitted, &error);
	fuzz_check_answer(ok, &submitted, error);
	ok = adcs_pages_parse_waiting(data, &waiting, &other);
	fuzz_check_answer(ok, &waiting, other);
	ok = adcs_pages_parse_renewals(data, &renewals, &third);
	fuzz_check_error(ok, third);
}

static void
fuzz_policy(GBytes *data)
{
	g_autoptr(GError) error = NULL, missing = NULL, nowhere = NULL;
	g_autoptr(AdcsPolicy) policy = adcs_policy_parse(data, &error);
	fuzz_check_error(policy != NULL, error);
	if (policy == NULL)
		return;
	const AdcsTemplate *template = adcs_policy_find_template(policy, "AMTWebServer", &missing);
	fuzz_check_error(template != NULL, missing);
	g_autoptr(GPtrArray) urls =
	    adcs_policy_list_endpoints(policy, template, NULL, ADCS_AUTH_KERBEROS, &nowhere);
	fuzz_check_error(urls != NULL, nowhere);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_autoptr(GBytes) bytes = g_bytes_new_static(data, length);
	fuzz_enrol(bytes);
	fuzz_pages(bytes);
	fuzz_policy(bytes);
	return 0;
}
