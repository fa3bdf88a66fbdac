/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/pac.h"
#include "tests/fuzz/fuzz.h"

/* what a directory writes into a ticket */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_autoptr(GPtrArray) sids = pv_sim_pac_read_sids(data, length);
	for (guint i = 0; sids != NULL && i < sids->len; i++) {
		gsize size = 0;
		const guint8 *sid = g_bytes_get_data(sids->pdata[i], &size);
		if (size < 8 || sid[0] != 1 || size != 8 + 4 * (gsize)sid[1])
			g_error("a SID of %zu bytes", size);
	}
	return 0;
}
