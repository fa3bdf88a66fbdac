/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * pv_file_replace:
 * @path: the file to make or to replace
 * @data: its new content; lent
 * @length: bytes, or -1 for a string
 * @mode: permissions of the file, such as 0600; the umask is not applied
 *
 * Replaces a file as a whole: a reader, and a machine that loses power, sees the old content or the new one. The
 * content is written beside it and synced, renamed, and the folder is synced, before it returns. What a symbolic
 * link at @path points to is left alone: the link itself is replaced. Any thread; two writers of one path do not
 * mix, the last one wins. Errors: PV_ERROR_FAILED with the reason, such as a full disk.
 */
gboolean pv_file_replace(const char *path, const void *data, gssize length, guint mode, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_file_resolve_trusted:
 * @path: a file that holds code, or what is as good as code
 *
 * Whether only root and this process's user can change the file, or put another one in its place: both own it and
 * every folder above it, nobody else may write them (a sticky folder of root's, such as /tmp, may be written), and it is a
 * regular file. Links are followed first. Any thread.
 *
 * Returns: (transfer full): the absolute path without links; or NULL with PV_ERROR_CONFIG, which names what is not trusted
 * and why.
 */
char *pv_file_resolve_trusted(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
