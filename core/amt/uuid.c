/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/uuid.h"

#include "core/amt/hello.h"

#include <string.h>

#define UUID_CHARS 36

static gboolean
uuid_is_dash(gsize at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
}

char *
pv_uuid_normalize(const char *text)
{
	gsize length = strlen(text);
	if (length >= 2 && text[0] == '{' && text[length - 1] == '}') {
		text++;
		length -= 2;
	}
	gboolean dashes = length == UUID_CHARS;
	if (!dashes && length != UUID_CHARS - 4)
		return NULL;

	char uuid[UUID_CHARS + 1] = { 0 };
	for (gsize at = 0; at < UUID_CHARS; at++) {
		if (uuid_is_dash(at)) {
			if (dashes && *text++ != '-')
				return NULL;
			uuid[at] = '-';
		} else {
			if (!g_ascii_isxdigit(*text))
				return NULL;
			uuid[at] = g_ascii_tolower(*text++);
		}
	}
	return g_strdup(uuid);
}

gboolean
pv_uuid_is_usable(const char *uuid)
{
	/* what boards carry whose maker never set one */
	static const char *const junk[] = {
		"00000000-0000-0000-0000-000000000000",
		"ffffffff-ffff-ffff-ffff-ffffffffffff",
		/* and the same bytes read in the other order */
		"03000200-0400-0500-0006-000700080009",
		"00020003-0004-0005-0006-000700080009",
		NULL,
	};
	g_autofree char *normal = uuid != NULL ? pv_uuid_normalize(uuid) : NULL;
	return normal != NULL && !g_strv_contains(junk, normal);
}
