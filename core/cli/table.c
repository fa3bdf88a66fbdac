/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/cli/table.h"

#include "core/cli/text.h"

#include <stdarg.h>

#define TABLE_GAP 2
#define TABLE_MINIMUM 8 /* columns below which no cell is cut: a stub of a word helps nobody */

typedef struct {
	char *text; /* escaped, owned */
	PvStyle style;
} TableCell;

struct PvTable {
	guint columns;
	GArray *cells; /* of TableCell, row by row, the titles first */
};

const char *
pv_style_get_begin(PvStyle style)
{
	static const char *const begins[] = {
		[PV_STYLE_PLAIN] = "",
		[PV_STYLE_GOOD] = "\033[32m",
		[PV_STYLE_BAD] = "\033[31m",
		[PV_STYLE_DIM] = "\033[2m",
	};
	return begins[style];
}

const char *
pv_style_get_end(PvStyle style)
{
	return style == PV_STYLE_PLAIN ? "" : "\033[0m";
}

static void
table_cell_clear(gpointer data)
{
	g_free(((TableCell *)data)->text);
}

PvTable *
pv_table_new(const char *const *titles)
{
	PvTable *table = g_new0(PvTable, 1);
	table->cells = g_array_new(FALSE, FALSE, sizeof(TableCell));
	g_array_set_clear_func(table->cells, table_cell_clear);
	for (; titles[table->columns] != NULL; table->columns++) {
		TableCell cell = { g_strdup(titles[table->columns]), PV_STYLE_DIM };
		g_array_append_val(table->cells, cell);
	}
	return table;
}

void
pv_table_free(PvTable *table)
{
	if (table == NULL)
		return;
	g_array_unref(table->cells);
	g_free(table);
}

void
pv_table_add(PvTable *table, ...)
{
	va_list args;
	va_start(args, table);
	for (guint i = 0; i < table->columns; i++) {
		TableCell cell = { pv_text_escape(va_arg(args, const char *)), PV_STYLE_PLAIN };
		g_array_append_val(table->cells, cell);
	}
	va_end(args);
}

void
pv_table_set_style(PvTable *table, guint column, PvStyle style)
{
	g_array_index(table->cells, TableCell, table->cells->len - table->columns + column).style =
	    style;
}

guint
pv_table_get_length(const PvTable *table)
{
	return table->cells->len / table->columns - 1;
}

/* takes columns of width from the widest until the rows fit or nothing more can be taken */
static void
table_shrink(guint *widths, guint columns, guint width)
{
	guint total = TABLE_GAP * (columns - 1);
	for (guint i = 0; i < columns; i++)
		total += widths[i];
	while (total > width) {
		guint widest = 0;
		for (guint i = 1; i < columns; i++) {
			if (widths[i] >= widths[widest])
				widest = i;
		}
		if (widths[widest] <= TABLE_MINIMUM)
			return;
		widths[widest]--;
		total--;
	}
}

static void
table_append_cell(GString *out, const TableCell *cell, guint width, gboolean last, gboolean colour)
{
	g_autofree char *text = pv_text_fit(cell->text, width);
	g_string_append(out, colour ? pv_style_get_begin(cell->style) : "");
	g_string_append(out, text);
	g_string_append(out, colour ? pv_style_get_end(cell->style) : "");
	if (!last)
		g_string_append_printf(
		    out, "%*s", (int)(width - pv_text_get_width(text) + TABLE_GAP), "");
}

char *
pv_table_to_string(const PvTable *table, guint width, gboolean colour)
{
	g_autofree guint *widths = g_new0(guint, table->columns);
	for (guint i = 0; i < table->cells->len; i++) {
		const TableCell *cell = &g_array_index(table->cells, TableCell, i);
		guint *column = &widths[i % table->columns];
		*column = MAX(*column, pv_text_get_width(cell->text));
	}
	if (width != 0)
		table_shrink(widths, table->columns, width);

	GString *out = g_string_new(NULL);
	for (guint i = 0; i < table->cells->len; i += table->columns) {
		guint last = table->columns;
		while (last > 1 &&
		       g_array_index(table->cells, TableCell, i + last - 1).text[0] == '\0')
			last--;
		for (guint j = 0; j < last; j++) {
			const TableCell *cell = &g_array_index(table->cells, TableCell, i + j);
			table_append_cell(out, cell, widths[j], j + 1 == last, colour);
		}
		g_string_append_c(out, '\n');
	}
	return g_string_free(out, FALSE);
}
