/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/provost.h>

G_BEGIN_DECLS

/* What a CA's HRESULT means for the request.
 * @hresult: as the CA gives it, such as -2146877422 for 0x80094012
 * @said: (nullable): the CA's own words, one line
 * @denied: (out): TRUE was returned: why, with a remedy where we know one; g_free()
 * FALSE: nothing was decided; PV_ERROR_UNREACHABLE or PV_ERROR_AUTH */
gboolean adcs_status_is_denial(gint32 hresult, const char *said, char **denied, GError **error);

/* The HRESULT of a failure that a text carries, such as "... 0x80094800, The request ..."; 0: none. */
gint32 adcs_status_find(const char *text);

G_END_DECLS
