/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* "S-1-5-21-…" to the binary form and back: revision, count, 6 bytes of authority in network
 * order, count times 32 bits little-endian ([MS-DTYP] 2.4.2). AMT keeps 28 bytes, and so at most
 * five sub-authorities. */

/* PV_ERROR_CONFIG */
GBytes *acl_sid_parse(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
char *acl_sid_format(GBytes *sid); /* (transfer full); NULL: these bytes are no SID */
