/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/audit.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

/* Canonical form: every field is its length in 8 bytes, big-endian, and its bytes. An absent text has the length
 * that no text can have, so it differs from an empty one. */
static void
audit_append_text(GByteArray *form, const char *text)
{
	guint64 length = text != NULL ? strlen(text) : G_MAXUINT64;
	guint64 length_be = GUINT64_TO_BE(length);
	g_byte_array_append(form, (const guint8 *)&length_be, sizeof length_be);
	if (text != NULL)
		g_byte_array_append(form, (const guint8 *)text, length);
}

static void
audit_append_int(GByteArray *form, gint64 value)
{
	guint64 head[] = { GUINT64_TO_BE(8), GUINT64_TO_BE((guint64)value) };
	g_byte_array_append(form, (const guint8 *)head, sizeof head);
}

static char *
audit_hmac(GBytes *key, GByteArray *form)
{
	gsize key_length = 0;
	const guint8 *key_data = g_bytes_get_data(key, &key_length);
	guint8 mac[EVP_MAX_MD_SIZE];
	unsigned int mac_length = 0;
	if (HMAC(EVP_sha256(), key_data, (int)key_length, form->data, form->len, mac,
		&mac_length) == NULL)
		g_error("HMAC-SHA-256 is not available"); /* only without memory or without SHA-256 */

	GString *hex = g_string_sized_new(2 * (gsize)mac_length + 1);
	for (guint i = 0; i < mac_length; i++)
		g_string_append_printf(hex, "%02x", mac[i]);
	return g_string_free(hex, FALSE);
}

char *
pv_audit_hash(GBytes *key, const char *previous, const PvAuditRow *row)
{
	g_autoptr(GByteArray) form = g_byte_array_new();
	audit_append_text(form, "provost audit entry 1");
	audit_append_text(form, previous);
	audit_append_int(form, row->seq);
	audit_append_int(form, row->time_usec);
	audit_append_text(form, row->actor);
	audit_append_text(form, row->action);
	audit_append_text(form, row->object);
	audit_append_text(form, row->text);
	return audit_hmac(key, form);
}

char *
pv_audit_tail_format(GBytes *key, gint64 seq, const char *hash)
{
	g_autoptr(GByteArray) form = g_byte_array_new();
	audit_append_text(form, "provost audit tail 1");
	audit_append_int(form, seq);
	audit_append_text(form, hash);
	g_autofree char *mac = audit_hmac(key, form);
	return g_strdup_printf("%" G_GINT64_FORMAT " %s %s", seq, hash, mac);
}

gboolean
pv_audit_tail_parse(GBytes *key, const char *text, gint64 *seq, char **hash)
{
	g_auto(GStrv) words = text != NULL ? g_strsplit(text, " ", 4) : NULL;
	if (words == NULL || g_strv_length(words) != 3 ||
	    !g_ascii_string_to_signed(words[0], 10, 0, G_MAXINT64, seq, NULL))
		return FALSE;

	g_autofree char *expected = pv_audit_tail_format(key, *seq, words[1]);
	if (strlen(expected) != strlen(text) ||
	    CRYPTO_memcmp(expected, text, strlen(expected)) != 0)
		return FALSE;
	*hash = g_strdup(words[1]);
	return TRUE;
}
