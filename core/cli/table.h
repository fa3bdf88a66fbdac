/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A table for people: columns as wide as their widest cell, two spaces apart. */
typedef struct PvTable PvTable;

typedef enum {
	PV_STYLE_PLAIN,
	PV_STYLE_GOOD,
	PV_STYLE_BAD,
	PV_STYLE_DIM,
} PvStyle;

/* what stands around @text on a terminal that shows colours; constants */
const char *pv_style_get_begin(PvStyle style);
const char *pv_style_get_end(PvStyle style);

PvTable *pv_table_new(const char *const *titles); /* ends with NULL */
void pv_table_free(PvTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvTable, pv_table_free)

/* Adds a row: as many strings as there are titles; NULL counts as "". Each is escaped and copied. */
void pv_table_add(PvTable *table, ...);
/* style of one cell of the row added last */
void pv_table_set_style(PvTable *table, guint column, PvStyle style);
guint pv_table_get_length(const PvTable *table);

/**
 * pv_table_to_string:
 * @width: columns of the terminal; 0: no bound, nothing is cut
 * @colour: whether styles are shown
 *
 * Where rows are wider than the terminal, the widest columns give first.
 *
 * Returns: (transfer full): the lines, the titles first; no trailing spaces.
 */
char *pv_table_to_string(const PvTable *table, guint width, gboolean colour);

G_END_DECLS
