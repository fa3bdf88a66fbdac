/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scep-page.h"

#include <openssl/crypto.h>
#include <provost/error.h>
#include <string.h>

#define SCEP_PAGE_MAX (256 * 1024)
#define SCEP_CHALLENGE_MIN 8 /* characters */
#define SCEP_CHALLENGE_MAX 128

/* the page holds a password: every copy is wiped */
static void
scep_page_wipe(char *text)
{
	if (text == NULL)
		return;
	OPENSSL_cleanse(text, strlen(text));
	g_free(text);
}

typedef char ScepPage;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScepPage, scep_page_wipe)

/* ASCII of what is UTF-16 or UTF-8; everything else becomes '?', for only the password matters */
static char *
scep_page_dup_ascii(GBytes *page)
{
	gsize length = 0;
	const guint8 *data = g_bytes_get_data(page, &length);
	length = MIN(length, SCEP_PAGE_MAX);
	gboolean big = length >= 2 && data[0] == 0xfe && data[1] == 0xff;
	gboolean wide = big || (length >= 2 && data[0] == 0xff && data[1] == 0xfe) ||
			(length >= 4 && data[1] == 0 && data[3] == 0);
	char *text = g_malloc0(length + 1);
	for (gsize i = 0, to = 0; i + (wide ? 1 : 0) < length; i += wide ? 2 : 1) {
		guint8 low = wide && big ? data[i + 1] : data[i];
		guint8 high = wide ? data[big ? i : i + 1] : 0;
		text[to++] = high == 0 && low != 0 && low < 0x80 ? (char)low : '?';
	}
	return text;
}

/* The page has two things in bold: the thumbprint of the CA, whose bytes stand in groups, and the password, hexadecimal in one. */
static PvSecret *
scep_page_take_bold(const char *text)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	for (const char *at = text; at != NULL && *at != '\0'; at++) {
		at = strchr(at, '<');
		if (at == NULL)
			return NULL;
		if (g_ascii_strncasecmp(at, "<b>", 3) != 0)
			continue;
		const char *word = at + 3;
		word += strspn(word, " \t\r\n");
		gsize length = strspn(word, hex);
		const char *end = word + length;
		end += strspn(end, " \t\r\n");
		if (g_ascii_strncasecmp(end, "</b>", 4) == 0 && length >= SCEP_CHALLENGE_MIN &&
		    length <= SCEP_CHALLENGE_MAX)
			return pv_secret_new(word, (gssize)length);
	}
	return NULL;
}

PvSecret *
scep_page_find_challenge(GBytes *page, GError **error)
{
	g_autoptr(ScepPage) text = scep_page_dup_ascii(page);
	PvSecret *challenge = scep_page_take_bold(text);
	if (challenge != NULL)
		return challenge;
	/* in English only; in other languages the general text has to do */
	if (strstr(text, "cache is full") != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE,
		    "the server has given out as many passwords as it does: wait until some "
		    "expire, "
		    "or raise PasswordMax");
	else if (strstr(text, "sufficient permission") != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
		    "the login may not have a password: it needs Enroll on the templates of NDES");
	else
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "there is no password on the page: is it that of mscep_admin, and may the "
		    "login enrol?");
	return NULL;
}
