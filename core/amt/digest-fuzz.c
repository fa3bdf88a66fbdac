/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/digest.h"

#include "tests/fuzz/fuzz.h"

#include <string.h>

/* Whatever the challenge holds, the answer is one header line. */
static void
fuzz_answer(const PvDigestChallenge *challenge)
{
	g_autoptr(PvDigest) digest = pv_digest_new();
	g_autoptr(PvSecret) password = pv_secret_new("P@ssw0rd1", -1);
	g_autoptr(GError) error = NULL;
	gboolean good = pv_digest_login(digest, challenge, "admin", password, &error);
	fuzz_check_error(good, error);
	for (guint i = 0; good && i < 2; i++) {
		g_autoptr(GString) out = g_string_new(NULL);
		good = pv_digest_answer(digest, out, "POST", "/wsman", "<a/>", 4, &error);
		fuzz_check_error(good, error);
		for (const char *at = out->str; good && *at != '\0'; at++)
			if (g_ascii_iscntrl(*at) && *at != '\t')
				g_error("control character %02x in: %s", (guint)*at, out->str);
	}
}

/* each line is the value of one WWW-Authenticate header */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_autofree char *text = g_strndup((const char *)data, length);
	g_auto(GStrv) values = g_strsplit(text, "\n", 8);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvDigestChallenge) challenge =
	    pv_digest_challenge_parse((const char *const *)values, &error);
	fuzz_check_error(challenge != NULL, error);
	if (challenge != NULL)
		fuzz_answer(challenge);
	return 0;
}
