/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Text on its way to a terminal. What devices, files and certificates say is never trusted to be printable. */

/**
 * pv_text_escape:
 * @text: (nullable): any bytes
 *
 * Returns: (transfer full): UTF-8 in one line, in which control characters (C0, DEL, C1), characters that turn
 * the direction of writing, line separators and broken UTF-8 stand as \n, \t, \x1b, \u202e; NULL becomes "".
 */
char *pv_text_escape(const char *text);

/* columns that a terminal needs for @text, which is escaped already */
guint pv_text_get_width(const char *text);

/* @text cut to @width columns, with "…" as the last one when something was cut. (transfer full) */
char *pv_text_fit(const char *text, guint width);

/* the nearest of @candidates (ends with NULL) when it is near enough to be what was meant; NULL: none. Lent */
const char *pv_text_find_nearest(const char *word, const char *const *candidates);

/* "2026-11-25 03:02:03" of local time; "" for 0. (transfer full) */
char *pv_text_format_time(gint64 usec);
/* "2026-11-25T02:02:03.123456Z"; NULL for 0. (transfer full) */
char *pv_text_format_rfc3339(gint64 usec);
/* "0.4 s", "12 s", "3 min 05 s", "2 h 10 min". (transfer full) */
char *pv_text_format_duration(gint64 usec);

G_END_DECLS
