/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/plugin.h>

G_BEGIN_DECLS

/* The plugins of a process. Modules are never unloaded; the tables that the loader hands out are copies,
 * zero beyond the size that the plugin was built with, and live as long as the process. */
typedef struct PvLoader PvLoader;

PvLoader *pv_loader_new(const char *const *path); /* folders, searched in order for NAME.so */
void pv_loader_free(PvLoader *loader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvLoader, pv_loader_free)

/* Loads one plugin by name after the trust checks on file and folders (owner root or this user, not writable by
 * others, regular file). PV_ERROR_CONFIG: not found (with the folders), untrusted (who may write), other ABI (both
 * numbers), no pv_plugin, name differs from the file's, type already taken (by which plugin), bad tables. */
const PvPlugin *pv_loader_load(
    PvLoader *loader, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* names of the *.so in the path, sorted, loaded or not; free with g_strfreev() */
char **pv_loader_list(PvLoader *loader);
GPtrArray *pv_loader_get_plugins(PvLoader *loader); /* of PvPlugin, in load order; lent */
const char *pv_loader_get_file(PvLoader *loader, const PvPlugin *plugin); /* lent */

/* among the loaded; NULL: no such type */
const PvStage *pv_loader_find_stage(PvLoader *loader, const char *type, const PvPlugin **plugin);
const PvDirectory *pv_loader_find_directory(PvLoader *loader, const char *type);
const PvCa *pv_loader_find_ca(PvLoader *loader, const char *type);
const PvStore *pv_loader_find_store(PvLoader *loader, const char *type);

G_END_DECLS
