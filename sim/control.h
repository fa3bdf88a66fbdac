/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/fleet.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* The control socket: one JSON object a line each way. {"command": "dump", "device": "pc-0001", ...} is answered
 * by {"ok": true, "result": ...} or {"ok": false, "error": "..."}. Only the user may open it (mode 0600). */
typedef struct PvSimControl PvSimControl;

PvSimControl *pv_sim_control_new(
    const char *path, PvSimFleet *fleet, PvSimServer *server, GError **error);
void pv_sim_control_free(PvSimControl *control);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimControl, pv_sim_control_free)

/* The other side: sends the request and returns the result; json_node_unref(). The caller keeps @request. */
JsonNode *pv_sim_control_call(const char *path, JsonObject *request, GError **error);

G_END_DECLS
