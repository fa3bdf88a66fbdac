/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Starts libcurl with an allocator that wipes what is freed. Once, by pv_net_init(). */
gboolean pv_wipe_init_curl(void);

G_END_DECLS
