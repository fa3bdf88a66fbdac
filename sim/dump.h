/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* A device's whole state, secrets included: it is a simulator, and tests assert on what it holds */
JsonNode *pv_sim_dump_device(PvSimDevice *device); /* json_node_unref() */
const char *pv_sim_dump_state_name(PvSimState state);
/* Of the last login: "digest", "kerberos", or "none" */
const char *pv_sim_dump_login_kind(const PvSimDevice *device); /* "pre", "in", "post" */

G_END_DECLS
