/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Reads CSV as RFC 4180 has it, row by row, from text that is UTF-8 without NUL. Takes LF, CRLF and CR as line ends;
 * rows without any text are left out. */

#define PV_CSV_MAX_FIELDS 64
#define PV_CSV_MAX_ROW_BYTES (64 * 1024)

typedef struct {
	const char *at;   /* what is not read yet; borrowed */
	const char *end;
	guint line;       /* 1-based line that at is on */
	GPtrArray *cells; /* of char*: the row; owned */
	guint row_line;   /* where the row begins */
	const char *flaw; /* what is wrong with the row; a constant; NULL: nothing */
} PvCsv;

void pv_csv_init(PvCsv *csv, const char *text, gsize length_bytes);
void pv_csv_clear(PvCsv *csv);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PvCsv, pv_csv_clear)

/**
 * pv_csv_next:
 *
 * Reads the next row into cells, row_line and flaw.
 *
 * Returns: FALSE at the end; then, with @unclosed set to the line of a quote that was never closed, what came after
 * it could not be read.
 */
gboolean pv_csv_next(PvCsv *csv, guint *unclosed) G_GNUC_WARN_UNUSED_RESULT;

/* appends one row, quoted where needed, with CRLF; NULL cells are empty. Cells that a spreadsheet would run as a
 * formula get an apostrophe in front (OWASP, "CSV Injection") */
void pv_csv_append(GString *text, const char *const *cells, gsize count);

G_END_DECLS
