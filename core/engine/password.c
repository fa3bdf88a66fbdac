/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/job.h"

#include <string.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

/* Intel AMT SDK, "Password format": 8 to 32 characters with an upper and a lower case letter, a digit and a symbol;
 * no colon, comma or quote, and '_' is no symbol. The symbols are the eight that Configuration Manager allowed, so
 * that a person can type them anywhere; 70 characters give 6.1 bits each. */
static const char password_characters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!@#$%^&*";

static gboolean
password_fits(const char *text)
{
	return strpbrk(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != NULL &&
	       strpbrk(text, "abcdefghijklmnopqrstuvwxyz") != NULL &&
	       strpbrk(text, "0123456789") != NULL && strpbrk(text, "!@#$%^&*") != NULL;
}

/* Fills text with evenly drawn characters: bytes beyond the largest multiple of the alphabet are thrown away. */
static gboolean
password_draw(char *text, guint length)
{
	const guint alphabet = sizeof password_characters - 1;
	const guint limit = 256 - 256 % alphabet;
	guint8 bytes[64];
	guint made = 0;
	while (made < length) {
		if (RAND_priv_bytes(bytes, sizeof bytes) != 1)
			return FALSE;
		for (guint i = 0; i < sizeof bytes && made < length; i++)
			if (bytes[i] < limit)
				text[made++] = password_characters[bytes[i] % alphabet];
	}
	OPENSSL_cleanse(bytes, sizeof bytes);
	text[length] = '\0';
	return TRUE;
}

PvSecret *
pv_password_new(guint length, GError **error)
{
	char text[33];
	if (length < 8 || length > 32) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "password length %u: AMT takes 8 to 32 characters", length);
		return NULL;
	}
	/* the whole draw is repeated, for to mend single characters would skew it */
	do {
		if (!password_draw(text, length)) {
			g_set_error_literal(error, PV_ERROR, PV_ERROR_FAILED,
			    "make password: the system has no random numbers");
			return NULL;
		}
	} while (!password_fits(text));
	PvSecret *secret = pv_secret_new(text, length);
	OPENSSL_cleanse(text, sizeof text);
	return secret;
}
