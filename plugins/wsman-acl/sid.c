/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sid.h"

#include <provost/error.h>

#include <string.h>

enum { ACL_SID_HEADER_BYTES = 8, ACL_SID_MOST = 5 };

static gboolean
acl_sid_set_error(const char *text, const char *why, GError **error)
{
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read SID \"%s\": %s", text, why);
	return FALSE;
}

static gboolean
acl_sid_encode(const char *text, GByteArray *sid, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(text, "-", ACL_SID_MOST + 4);
	guint count = g_strv_length(parts);
	if (count < 4 || g_ascii_strcasecmp(parts[0], "S") != 0 || strcmp(parts[1], "1") != 0)
		return acl_sid_set_error(text, "it must look like S-1-5-21-1-2-3-1000", error);
	if (count - 3 > ACL_SID_MOST)
		return acl_sid_set_error(text, "AMT takes at most five sub-authorities", error);

	guint64 number = 0;
	if (!g_ascii_string_to_unsigned(
		parts[2], 10, 0, G_GUINT64_CONSTANT(0xffffffffffff), &number, NULL))
		return acl_sid_set_error(text, "its authority is no number of 48 bits", error);
	guint8 header[ACL_SID_HEADER_BYTES] = { 1, (guint8)(count - 3) };
	for (guint i = 0; i < 6; i++)
		header[2 + i] = (guint8)(number >> (40 - 8 * i));
	g_byte_array_append(sid, header, sizeof header);

	for (guint i = 3; i < count; i++) {
		if (!g_ascii_string_to_unsigned(parts[i], 10, 0, G_MAXUINT32, &number, NULL))
			return acl_sid_set_error(
			    text, "a sub-authority is no number of 32 bits", error);
		guint32 little = GUINT32_TO_LE((guint32)number);
		g_byte_array_append(sid, (const guint8 *)&little, sizeof little);
	}
	return TRUE;
}

GBytes *
acl_sid_parse(const char *text, GError **error)
{
	g_autoptr(GByteArray) sid = g_byte_array_new();
	if (!acl_sid_encode(text, sid, error))
		return NULL;
	return g_byte_array_free_to_bytes(g_steal_pointer(&sid));
}

char *
acl_sid_format(GBytes *sid)
{
	gsize length = 0;
	const guint8 *bytes = g_bytes_get_data(sid, &length);
	if (length < ACL_SID_HEADER_BYTES || bytes[0] != 1 ||
	    length != ACL_SID_HEADER_BYTES + 4 * (gsize)bytes[1])
		return NULL;

	guint64 authority = 0;
	for (guint i = 2; i < ACL_SID_HEADER_BYTES; i++)
		authority = authority << 8 | bytes[i];
	g_autoptr(GString) text = g_string_new(NULL);
	g_string_append_printf(text, "S-1-%" G_GUINT64_FORMAT, authority);
	for (gsize i = ACL_SID_HEADER_BYTES; i < length; i += 4) {
		guint32 little = 0;
		memcpy(&little, bytes + i, sizeof little);
		g_string_append_printf(text, "-%u", GUINT32_FROM_LE(little));
	}
	return g_strdup(text->str);
}
