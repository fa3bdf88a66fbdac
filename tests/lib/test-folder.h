/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* copies tests/modules/MODULE.so of the build to FOLDER/NAME.so, for the build tree itself may be writable by a group,
 * which the loader refuses. (transfer full) its path */
char *pv_test_install_module(const char *folder, const char *module, const char *name, int mode);

/* writes FOLDER/NAME with that mode. (transfer full) its path */
char *pv_test_write(const char *folder, const char *name, const char *text, int mode);

/* removes a file, or a folder with all that is in it; links are not followed */
void pv_test_remove_all(const char *path);

G_END_DECLS
