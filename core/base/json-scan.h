/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define PV_JSON_MAX_BYTES (1u << 20)
#define PV_JSON_MAX_DEPTH 32

/**
 * pv_json_scan:
 * @name: of the file, for errors
 * @lines: of guint; gets the 1-based line of every value, in document order
 *
 * Checks @text against RFC 8259 with our own limits: UTF-8 without byte order mark, size, depth, no duplicate
 * members, whole numbers of 64 bits. What passes is safe to hand to a recursive parser.
 */
gboolean pv_json_scan(const char *name, const char *text, gsize length_bytes, GArray *lines, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
