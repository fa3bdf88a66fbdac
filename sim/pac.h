/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The logon information of a ticket's PAC: KERB_VALIDATION_INFO in NDR, [MS-PAC] section 2.5 */

/* Who the user is, as binary SIDs ([MS-DTYP] section 2.4.2.2): of GBytes, the user's own first, then primary and other
 * groups, extra SIDs and resource groups, none twice. g_ptr_array_unref(); NULL: malformed, or more than a directory
 * puts there. */
GPtrArray *pv_sim_pac_read_sids(gconstpointer data, gsize length);

G_END_DECLS
