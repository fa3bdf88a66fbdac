/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* Files of a CA: only root and this user may write them. Errors: PV_ERROR_CONFIG, FAILED where a write fails. */

gboolean ca_folder_make(const char *path, GError **error);

/* All or nothing, and on the disk when it returns. */
gboolean ca_folder_write(
    const char *folder, const char *name, const void *data, gsize length, GError **error);

/* NULL without an error: there is no such file. @forbidden: mode bits that make it untrusted */
GBytes *ca_folder_read(const char *folder, const char *name, mode_t forbidden, GError **error);

G_END_DECLS
