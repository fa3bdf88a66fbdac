/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/hello.h"

#include "tests/fuzz/fuzz.h"

#include <string.h>

/* the hashes are kept as a fact, and read from it */
static void
fuzz_check_hashes(const GArray *hashes)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *text =
	    pv_root_hashes_to_string((const PvRootHash *)(gconstpointer)hashes->data, hashes->len);
	g_autoptr(GArray) again = pv_root_hashes_parse(text, &error);
	fuzz_check_error(again != NULL, error);
	if (again == NULL || again->len != hashes->len)
		g_error("hashes were lost: %s", text);
	for (guint i = 0; i < hashes->len; i++) {
		const PvRootHash *before = &g_array_index(hashes, PvRootHash, i);
		const PvRootHash *after = &g_array_index(again, PvRootHash, i);
		if (before->type != after->type || before->length != after->length ||
		    memcmp(before->hash, after->hash, before->length) != 0)
			g_error("hash %u was changed: %s", i, text);
	}
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_autoptr(GError) error = NULL;
	PvHello *hello = pv_hello_parse(data, length, &error);
	fuzz_check_error(hello != NULL, error);
	if (hello == NULL)
		return 0;
	if (!g_uuid_string_is_valid(hello->uuid))
		g_error("no UUID: %s", hello->uuid);
	(void)pv_uuid_is_usable(hello->uuid);
	if (hello->hashes != NULL && hello->hashes->len > 0)
		fuzz_check_hashes(hello->hashes);
	pv_hello_free(hello);
	return 0;
}
