/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/setup-bin.h"

#include "tests/fuzz/fuzz.h"

#include <string.h>

/* What was read, and may be written, is read again as the same records with the same values. */
static void
fuzz_check_again(PvSetupBin *bin)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) bytes = pv_setup_bin_write(bin, &error);
	fuzz_check_error(bytes != NULL, error);
	if (bytes == NULL)
		return;
	g_autoptr(PvSetupBin) again = pv_setup_bin_parse(bytes->data, bytes->len, &error);
	fuzz_check_error(again != NULL, error);
	if (again == NULL || again->version != bin->version || again->records->len != bin->records->len)
		g_error("what was written is not read as the same");
	for (guint i = 0; i < bin->records->len; i++) {
		const PvSetupBinRecord *before = bin->records->pdata[i];
		const PvSetupBinRecord *after = again->records->pdata[i];
		if (before->entries->len != after->entries->len)
			g_error("record %u: %u entries became %u", i + 1, before->entries->len,
			    after->entries->len);
	}
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSetupBin) bin = pv_setup_bin_parse(data, length, &error);
	fuzz_check_error(bin != NULL, error);
	if (bin == NULL)
		return 0;
	for (guint i = 0; i < bin->records->len; i++) {
		const PvSetupBinRecord *record = bin->records->pdata[i];
		for (guint j = 0; j < record->entries->len; j++) {
			const PvSetupBinEntry *entry = record->entries->pdata[j];
			g_autofree char *text = pv_setup_bin_value_to_string(
			    pv_setup_bin_find(entry->module, entry->variable), entry);
			if (!g_utf8_validate(text, -1, NULL))
				g_error("a value is shown as what is no UTF-8");
		}
	}
	gboolean good = pv_setup_bin_check(bin, &error);
	fuzz_check_error(good, error);
	if (good)
		fuzz_check_again(bin);
	return 0;
}
