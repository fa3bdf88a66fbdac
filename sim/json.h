/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The line, from 1, on which the value at @path begins in well-formed JSON; 0: there is none.
 * @path: "devices[2].faults[0].do", "[3]", or "" for all of it. */
guint pv_sim_json_find_line(const char *text, const char *path);

G_END_DECLS
