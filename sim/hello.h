/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"

G_BEGIN_DECLS

/* A version 3 hello packet: amt/02 */
GByteArray *pv_sim_hello_packet(const PvSimDevice *device); /* g_byte_array_unref() */
/* How long after hello number @sent (from 1) the next one comes, in minutes; 0: no more */
guint pv_sim_hello_next_minutes(guint sent);

G_END_DECLS
