/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/psk.h"

#include <provost/error.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#define PSK_GROUP 4 /* characters between dashes */
#define PSK_RADIX 36

static const char psk_characters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* the sum of the characters' codes, modulo 36, as a character (Intel AMT SDK, "PID-PPS Checksum") */
static char
psk_check_character(const char *text, gsize length)
{
	guint sum = 0;
	for (gsize i = 0; i < length; i++)
		sum += (guchar)text[i];
	return psk_characters[sum % PSK_RADIX];
}

/* Takes @text without its dashes in upper case into @out, which has room for @wanted and a NUL. NULL: right so far; else
 * what is wrong */
static const char *
psk_take(const char *text, gsize length, gsize wanted, char *out)
{
	gsize count = 0;
	for (gsize i = 0; i < length; i++) {
		if (text[i] == '-')
			continue;
		if (!g_ascii_isalnum(text[i]))
			return "only A-Z, 0-9 and dashes may be in it";
		if (count == wanted)
			return "it is too long";
		out[count++] = g_ascii_toupper(text[i]);
	}
	out[count] = '\0';
	return count == wanted ? NULL : "it is too short";
}

char *
pv_psk_parse_pid(const char *text, GError **error)
{
	char pid[PV_PSK_PID_LENGTH + 1];
	const char *wrong = psk_take(text, strlen(text), PV_PSK_PID_LENGTH, pid);
	if (wrong == NULL &&
	    psk_check_character(pid, PV_PSK_PID_LENGTH - 1) != pid[PV_PSK_PID_LENGTH - 1])
		wrong = "its last character does not check the others: a slip of the pen";
	if (wrong == NULL)
		return g_strdup(pid);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "read PID: %s; it is %d characters such as 0000-037M", wrong, PV_PSK_PID_LENGTH);
	return NULL;
}

/* each group's last character checks the three before it; 0: all do, else the number of the first that does not */
static guint
psk_find_bad_group(const char *pps)
{
	for (guint i = 0; i < PV_PSK_PPS_LENGTH; i += PSK_GROUP)
		if (psk_check_character(pps + i, PSK_GROUP - 1) != pps[i + PSK_GROUP - 1])
			return i / PSK_GROUP + 1;
	return 0;
}

PvSecret *
pv_psk_parse_pps(PvSecret *text, GError **error)
{
	char pps[PV_PSK_PPS_LENGTH + 1];
	gsize length = 0;
	const char *bytes = pv_secret_peek(text, &length);
	const char *wrong = psk_take(bytes, length, PV_PSK_PPS_LENGTH, pps);
	guint bad = wrong == NULL ? psk_find_bad_group(pps) : 0;
	PvSecret *secret = NULL;
	if (wrong != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "read PPS: %s; it is %d characters, in eight groups", wrong, PV_PSK_PPS_LENGTH);
	else if (bad != 0)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "read PPS: the last character of group %u does not check the other three: a "
		    "slip of the pen",
		    bad);
	else
		secret = pv_secret_new(pps, PV_PSK_PPS_LENGTH);
	OPENSSL_cleanse(pps, sizeof pps);
	return secret;
}

/* @out has room for the dashes and a NUL */
static void
psk_dash(const char *text, gsize length, char *out)
{
	for (gsize i = 0; i < length; i++) {
		if (i > 0 && i % PSK_GROUP == 0)
			*out++ = '-';
		*out++ = text[i];
	}
	*out = '\0';
}

char *
pv_psk_dup_dashed_pid(const char *pid)
{
	gsize length = strlen(pid);
	char *dashed = g_malloc(2 * length + 1);
	psk_dash(pid, length, dashed);
	return dashed;
}

PvSecret *
pv_psk_dup_dashed_pps(const PvSecret *pps)
{
	char dashed[2 * PV_PSK_PPS_LENGTH + 1];
	gsize length = 0;
	const char *text = pv_secret_peek(pps, &length);
	psk_dash(text, MIN(length, PV_PSK_PPS_LENGTH), dashed);
	PvSecret *secret = pv_secret_new(dashed, -1);
	OPENSSL_cleanse(dashed, sizeof dashed);
	return secret;
}

/* Evenly drawn: bytes beyond the largest multiple of 36 are thrown away. Every @group-th character checks those
 * before it. */
static gboolean
psk_draw(char *out, gsize length, gsize group)
{
	guint8 bytes[64];
	gsize made = 0;
	while (made < length) {
		if (RAND_priv_bytes(bytes, sizeof bytes) != 1)
			return FALSE;
		for (gsize i = 0; i < sizeof bytes && made < length; i++) {
			if (bytes[i] >= 256 - 256 % PSK_RADIX)
				continue;
			out[made++] = psk_characters[bytes[i] % PSK_RADIX];
			if (made % group == group - 1) {
				out[made] = psk_check_character(out + made + 1 - group, group - 1);
				made++;
			}
		}
	}
	OPENSSL_cleanse(bytes, sizeof bytes);
	out[length] = '\0';
	return TRUE;
}

gboolean
pv_psk_new(char **pid, PvSecret **pps, GError **error)
{
	char name[PV_PSK_PID_LENGTH + 1], key[PV_PSK_PPS_LENGTH + 1];
	if (!psk_draw(name, PV_PSK_PID_LENGTH, PV_PSK_PID_LENGTH) ||
	    !psk_draw(key, PV_PSK_PPS_LENGTH, PSK_GROUP)) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_FAILED,
		    "make PID and PPS: the system has no random numbers");
		return FALSE;
	}
	*pid = g_strdup(name);
	*pps = pv_secret_new(key, PV_PSK_PPS_LENGTH);
	OPENSSL_cleanse(key, sizeof key);
	return TRUE;
}

char *
pv_psk_dup_secret_name(const char *pid)
{
	return g_strconcat(PV_PSK_SECRET_PREFIX, pid, NULL);
}
