/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* What the generations of AMT have and have not, read off the simulator's own tables */

/* For `provost-sim personalities`; g_free() */
char *pv_sim_generations_describe(void);
/* The same and more: each with its switches, classes, methods and properties; json_node_unref() */
JsonNode *pv_sim_generations_json(void);

G_END_DECLS
