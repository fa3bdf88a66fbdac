/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/csv.h"

#include "tests/fuzz/fuzz.h"

#include <string.h>

/* What was read, written and read again is the same. */
static void
fuzz_check_again(const PvCsv *csv)
{
	g_autoptr(GString) text = g_string_new(NULL);
	pv_csv_append(text, (const char *const *)csv->cells->pdata, csv->cells->len);
	g_auto(PvCsv) again = { 0 };
	guint unclosed = 0;
	pv_csv_init(&again, text->str, text->len);
	if (!pv_csv_next(&again, &unclosed) || again.cells->len != csv->cells->len)
		g_error("a row was lost");
	for (guint i = 0; i < csv->cells->len; i++) {
		const char *before = g_ptr_array_index(csv->cells, i);
		const char *after = g_ptr_array_index(again.cells, i);
		gboolean guarded = *after == '\'' && strcmp(after + 1, before) == 0;
		if (again.flaw == NULL && strcmp(after, before) != 0 && !guarded)
			g_error("a cell was changed");
	}
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	/* the reader is given text without NUL */
	if (memchr(data, '\0', length) != NULL)
		return 0;
	g_auto(PvCsv) csv = { 0 };
	guint unclosed = 0;
	pv_csv_init(&csv, (const char *)data, length);
	while (pv_csv_next(&csv, &unclosed)) {
		if (csv.flaw == NULL)
			fuzz_check_again(&csv);
	}
	return 0;
}
