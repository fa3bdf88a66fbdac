/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* One line per event: time, device, event, key=value. Thread-safe. */
typedef struct PvSimLog PvSimLog;

PvSimLog *pv_sim_log_new(const char *path, GError **error); /* NULL path: nothing is written */
void pv_sim_log_free(PvSimLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimLog, pv_sim_log_free)
void pv_sim_log_write(PvSimLog *log, const char *device, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

G_END_DECLS
