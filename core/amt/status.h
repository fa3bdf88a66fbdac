/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The name of a PT_STATUS without its prefix, such as "DUPLICATE"; NULL: unknown. A constant. */
const char *pv_pt_status_get_name(guint32 status);

G_END_DECLS
