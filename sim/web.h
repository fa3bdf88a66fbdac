/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"

G_BEGIN_DECLS

/* The firmware's own pages. That they are at / and /index.htm is known (amt/01 section 1), what stands on them is not;
 * they are here for scanners, which read the Server header, and for who looks with a browser. */

/* What anybody gets at @path: the HTTP status and *html, g_free(); 0: there is a login before it */
guint pv_sim_web_find_public(const PvSimDevice *device, const char *path, char **html);
/* What is there after the login */
guint pv_sim_web_find(PvSimDevice *device, const char *path, char **html);

G_END_DECLS
