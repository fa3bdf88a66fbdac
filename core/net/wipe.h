/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Has OpenSSL and libxml2 wipe what they free. Once, before anything else uses them, by pv_net_init(). */
void pv_wipe_init(void);

/* free() of what malloc() or GLib gave, wiped before; for g_bytes_new_with_free_func(), say. */
void pv_wipe_free(gpointer memory);

/* Starts libcurl with an allocator that wipes what is freed. Once, by pv_net_init(). */
gboolean pv_wipe_init_curl(void);

G_END_DECLS
