/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"

G_BEGIN_DECLS

/* Where a device can be reached, and what decides it */

/* Home domains are set and DHCP's suffix is none of them: the remote ports are closed (amt/04 section 7) */
gboolean pv_sim_environment_is_outside(const PvSimDevice *device);

/* Redirection on port 16994 (plain) or 16995 (TLS): is the port open? */
gboolean pv_sim_redirection_listens(const PvSimDevice *device, gboolean tls);

G_END_DECLS
