/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/switches.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* lines of NAME=VALUE, as --set and `provost-sim set` take them; faults are among them */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_autoptr(PvSimSwitches) switches = pv_sim_switches_new();
	g_autofree char *text = g_strndup((const char *)data, length);
	g_auto(GStrv) lines = g_strsplit(text, "\n", 32);
	for (guint i = 0; lines[i] != NULL; i++) {
		g_autoptr(GError) error = NULL;
		gboolean set = pv_sim_switches_set(switches, lines[i], &error);
		fuzz_check_error(set, error);
	}
	/* what they are is told in the form in which they are set */
	g_autoptr(GPtrArray) list = pv_sim_switches_list(switches);
	g_autoptr(PvSimSwitches) again = pv_sim_switches_new();
	for (guint i = 0; i < list->len; i++) {
		g_autoptr(GError) error = NULL;
		if (!pv_sim_switches_set(again, list->pdata[i], &error))
			g_error("not set again: %s: %s", (char *)list->pdata[i], error->message);
	}
	return 0;
}
