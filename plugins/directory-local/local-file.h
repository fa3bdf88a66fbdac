/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <gio/gio.h>

G_BEGIN_DECLS

/* The folder's files: read with bounds, written all or nothing. */

#define LOCAL_FILE_MAX_BYTES (4 * 1024 * 1024)
#define LOCAL_FILE_MAX_DEPTH 16

/* NULL without an error: there is no such file. PV_ERROR_CONFIG: not a regular file, writable by others, too
 * large or deep, no JSON, no object. (transfer full): the root, an object */
JsonNode *local_file_load(const char *path, GError **error);

/* On the disk when it returns, folder included; mode 0600. */
gboolean local_file_save(const char *path, JsonNode *root, GError **error);
gboolean local_file_remove(const char *path, GError **error);

/* Removes what a local_file_save() that was cut off has left in the folder. Only while nobody saves. */
void local_file_sweep(const char *folder);

gboolean local_file_make_folder(const char *path, GError **error);

/* Members by kind; a wrong kind or absence gives the fallback. Lent. */
const char *local_json_get_string(JsonObject *object, const char *name); /* NULL: absent */
gint64 local_json_get_int(JsonObject *object, const char *name, gint64 fallback);
JsonArray *local_json_get_array(JsonObject *object, const char *name); /* NULL: absent */
char **local_json_dup_list(JsonObject *object, const char *name); /* strings only; g_strfreev() */

G_END_DECLS
