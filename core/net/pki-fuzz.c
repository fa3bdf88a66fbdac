/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/pki.h>

#include "tests/fuzz/fuzz.h"

/* what a CA may answer: certificates in any form, or a text for people */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) answer = g_bytes_new(data, length);
	g_autofree char *text = pv_pki_dup_text(answer);
	g_assert(text == NULL || g_utf8_validate(text, -1, NULL));
	g_autoptr(GPtrArray) list = pv_pki_parse_certificates(answer, &error);
	fuzz_check_error(list != NULL, error);
	if (list == NULL)
		return 0;
	g_assert_cmpuint(list->len, >, 0);
	g_auto(PvCaReply) reply = { 0 };
	pv_pki_set_issued(&reply, list, answer);
	g_assert_cmpuint(reply.chain->len, ==, list->len - 1);
	return 0;
}
