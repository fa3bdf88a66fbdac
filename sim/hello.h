/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"

G_BEGIN_DECLS

/* A hello packet, version 3, or 2 of a device with PID and PPS: amt/02 */
GByteArray *pv_sim_hello_packet(const PvSimDevice *device); /* g_byte_array_unref() */
/* How long after the last hello the next one comes, in minutes; 0: no more */
guint pv_sim_hello_next_minutes(const PvSimDevice *device);

G_END_DECLS
