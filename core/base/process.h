/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * pv_process_harden:
 *
 * For main, before the first thread and before any secret is read: no core dumps and no reading of this process's
 * memory by others of the same user (unless PROVOST_ALLOW_DEBUG=1), umask 077, as many open files as the hard limit
 * allows. What the system refuses is left as it is.
 */
void pv_process_harden(void);

G_END_DECLS
