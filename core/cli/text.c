/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/cli/text.h"

#include <string.h>

/* characters that are no control characters to Unicode but rule a terminal line all the same */
static gboolean
text_is_unsafe(gunichar c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xe0000 && c <= 0xe007f);
}

static void
text_append_escaped(GString *out, gunichar c)
{
	switch (c) {
	case '\n':
		g_string_append(out, "\\n");
		break;
	case '\r':
		g_string_append(out, "\\r");
		break;
	case '\t':
		g_string_append(out, "\\t");
		break;
	default:
		g_string_append_printf(out,
		    c < 0x100	  ? "\\x%02x"
		    : c < 0x10000 ? "\\u%04x"
				  : "\\U%08x",
		    c);
		break;
	}
}

char *
pv_text_escape(const char *text)
{
	GString *out = g_string_new(NULL);
	for (const char *p = text != NULL ? text : ""; *p != '\0';) {
		gunichar c = g_utf8_get_char_validated(p, -1);
		if (c == (gunichar)-1 || c == (gunichar)-2) {
			g_string_append_printf(out, "\\x%02x", (guchar)*p);
			p++;
			continue;
		}
		if (text_is_unsafe(c))
			text_append_escaped(out, c);
		else
			g_string_append_unichar(out, c);
		p = g_utf8_next_char(p);
	}
	return g_string_free(out, FALSE);
}

static guint
text_get_char_width(gunichar c)
{
	if (g_unichar_iszerowidth(c))
		return 0;
	return g_unichar_iswide(c) ? 2 : 1;
}

guint
pv_text_get_width(const char *text)
{
	guint width = 0;
	for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p))
		width += text_get_char_width(g_utf8_get_char(p));
	return width;
}

char *
pv_text_fit(const char *text, guint width)
{
	if (pv_text_get_width(text) <= width)
		return g_strdup(text);
	if (width == 0)
		return g_strdup("");
	const char *end = text;
	guint used = 0;
	for (;;) {
		guint next = text_get_char_width(g_utf8_get_char(end));
		if (used + next > width - 1)
			break;
		used += next;
		end = g_utf8_next_char(end);
	}
	g_autofree char *head = g_strndup(text, end - text);
	return g_strconcat(head, "…", NULL);
}

/* Levenshtein over bytes, with two letters changed round as one mistake, which is the most common one; what is
 * compared is names of commands, options and groups */
static guint
text_get_distance(const char *a, const char *b)
{
	gsize rows = strlen(a) + 1, columns = strlen(b) + 1;
	g_autofree guint *cost = g_new0(guint, rows * columns);
	for (gsize i = 0; i < rows; i++)
		cost[i * columns] = i;
	for (gsize j = 0; j < columns; j++)
		cost[j] = j;
	for (gsize i = 1; i < rows; i++) {
		for (gsize j = 1; j < columns; j++) {
			guint *cell = &cost[i * columns + j];
			guint step = MIN(cell[-1], cell[-(gssize)columns]) + 1;
			*cell = MIN(step, cell[-(gssize)columns - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				*cell = MIN(*cell, cell[-2 * (gssize)columns - 2] + 1);
		}
	}
	return cost[rows * columns - 1];
}

const char *
pv_text_find_nearest(const char *word, const char *const *candidates)
{
	/* a long word is surely no slip of the finger, and its matrix would be large */
	if (strlen(word) > 64)
		return NULL;
	const char *best = NULL;
	guint best_distance = G_MAXUINT;
	for (gsize i = 0; candidates[i] != NULL; i++) {
		guint distance = text_get_distance(word, candidates[i]);
		if (distance < best_distance) {
			best = candidates[i];
			best_distance = distance;
		}
	}
	return best_distance <= MAX(1, strlen(word) / 3) ? best : NULL;
}

char *
pv_text_format_time(gint64 usec)
{
	if (usec == 0)
		return g_strdup("");
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(usec / G_USEC_PER_SEC);
	return time != NULL ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S") : g_strdup("?");
}

char *
pv_text_format_rfc3339(gint64 usec)
{
	if (usec == 0)
		return NULL;
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(usec / G_USEC_PER_SEC);
	if (time == NULL)
		return NULL;
	g_autofree char *seconds = g_date_time_format(time, "%Y-%m-%dT%H:%M:%S");
	return g_strdup_printf("%s.%06" G_GINT64_FORMAT "Z", seconds, ABS(usec % G_USEC_PER_SEC));
}

char *
pv_text_format_duration(gint64 usec)
{
	gint64 seconds = MAX(usec, 0) / G_USEC_PER_SEC;
	if (seconds < 10)
		return g_strdup_printf("%.1f s", MAX(usec, 0) / 1e6);
	if (seconds < 60)
		return g_strdup_printf("%" G_GINT64_FORMAT " s", seconds);
	if (seconds < 3600)
		return g_strdup_printf("%" G_GINT64_FORMAT " min %02" G_GINT64_FORMAT " s",
		    seconds / 60, seconds % 60);
	return g_strdup_printf(
	    "%" G_GINT64_FORMAT " h %02" G_GINT64_FORMAT " min", seconds / 3600, seconds / 60 % 60);
}
