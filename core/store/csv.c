/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/csv.h"

#include <string.h>

/* cells may hold passwords */
static void
csv_free_cell(gpointer cell)
{
	explicit_bzero(cell, strlen(cell));
	g_free(cell);
}

void
pv_csv_init(PvCsv *csv, const char *text, gsize length_bytes)
{
	*csv = (PvCsv) {
		.at = text,
		.end = text + length_bytes,
		.line = 1,
		.cells = g_ptr_array_new_with_free_func(csv_free_cell),
	};
}

void
pv_csv_clear(PvCsv *csv)
{
	g_clear_pointer(&csv->cells, g_ptr_array_unref);
}

static gboolean
csv_is_line_end(char c)
{
	return c == '\n' || c == '\r';
}

/* steps over a line end of any kind */
static void
csv_skip_line_end(PvCsv *csv)
{
	if (csv->at == csv->end || !csv_is_line_end(*csv->at))
		return;
	gboolean pair = *csv->at == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n';
	csv->at += pair ? 2 : 1;
	csv->line++;
}

/* The first flaw of a row is the one that is told. */
static void
csv_set_flaw(PvCsv *csv, const char *flaw)
{
	if (csv->flaw == NULL)
		csv->flaw = flaw;
}

/* a cell in quotes, at the opening one; FALSE: never closed */
static gboolean
csv_read_quoted(PvCsv *csv, GString *cell, const char *row_begin)
{
	for (csv->at++; csv->at < csv->end; csv->at++) {
		if (*csv->at == '"') {
			if (csv->at + 1 == csv->end || csv->at[1] != '"') {
				csv->at++;
				return TRUE;
			}
			csv->at++; /* two stand for one */
		} else if (*csv->at == '\n' ||
		    (*csv->at == '\r' && (csv->at + 1 == csv->end || csv->at[1] != '\n'))) {
			csv->line++;
		}
		/* a quote that is never closed must not copy the whole file */
		if (csv->at - row_begin < PV_CSV_MAX_ROW_BYTES)
			g_string_append_c(cell, *csv->at);
	}
	return FALSE;
}

static gboolean
csv_read_cell(PvCsv *csv, GString *cell, const char *row_begin)
{
	gboolean quoted = csv->at < csv->end && *csv->at == '"';
	if (quoted && !csv_read_quoted(csv, cell, row_begin))
		return FALSE;
	const char *begin = csv->at;
	while (csv->at < csv->end && *csv->at != ',' && !csv_is_line_end(*csv->at)) {
		if (*csv->at == '"')
			csv_set_flaw(csv, "a quote in the middle of a cell: put the whole cell in "
					  "quotes and write the quote twice");
		csv->at++;
	}
	if (quoted && csv->at > begin)
		csv_set_flaw(csv, "text after a closing quote: put the whole cell in quotes");
	gsize room = PV_CSV_MAX_ROW_BYTES;
	g_string_append_len(cell, begin, (gssize)MIN((gsize)(csv->at - begin), room));
	return TRUE;
}

static gboolean
csv_read_row(PvCsv *csv, guint *unclosed)
{
	const char *begin = csv->at;
	csv->row_line = csv->line;
	csv->flaw = NULL;
	g_ptr_array_set_size(csv->cells, 0);
	for (;;) {
		g_autoptr(GString) cell = g_string_new(NULL);
		guint line = csv->line;
		if (!csv_read_cell(csv, cell, begin)) {
			*unclosed = line;
			return FALSE;
		}
		if (csv->cells->len < PV_CSV_MAX_FIELDS)
			g_ptr_array_add(csv->cells, g_strdup(g_strstrip(cell->str)));
		else
			csv_set_flaw(csv, "more than 64 cells");
		explicit_bzero(cell->str, cell->allocated_len);
		if (csv->at == csv->end || *csv->at != ',')
			break;
		csv->at++;
	}
	if (csv->at - begin > PV_CSV_MAX_ROW_BYTES)
		csv_set_flaw(csv, "longer than 64 KiB");
	csv_skip_line_end(csv);
	return TRUE;
}

static gboolean
csv_is_empty(const PvCsv *csv)
{
	for (guint i = 0; i < csv->cells->len; i++) {
		if (*(const char *)g_ptr_array_index(csv->cells, i) != '\0')
			return FALSE;
	}
	return csv->flaw == NULL;
}

gboolean
pv_csv_next(PvCsv *csv, guint *unclosed)
{
	*unclosed = 0;
	while (csv->at < csv->end) {
		if (!csv_read_row(csv, unclosed))
			return FALSE;
		if (!csv_is_empty(csv))
			return TRUE;
	}
	return FALSE;
}

void
pv_csv_append(GString *text, const char *const *cells, gsize count)
{
	for (gsize i = 0; i < count; i++) {
		const char *cell = cells[i] != NULL ? cells[i] : "";
		gboolean formula = *cell != '\0' && strchr("=+-@\t\r", *cell) != NULL;
		gboolean quotes = strpbrk(cell, ",\"\r\n") != NULL;
		if (i > 0)
			g_string_append_c(text, ',');
		if (quotes)
			g_string_append_c(text, '"');
		if (formula)
			g_string_append_c(text, '\'');
		for (const char *c = cell; *c != '\0'; c++) {
			if (*c == '"')
				g_string_append_c(text, '"');
			g_string_append_c(text, *c);
		}
		if (quotes)
			g_string_append_c(text, '"');
	}
	g_string_append(text, "\r\n");
}
