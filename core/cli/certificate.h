/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/cli/cli.h"

G_BEGIN_DECLS

/* What the commands about the provisioning certificate share. */

/* DIR/provisioning/NAME of the folder of the site's file. (transfer full) */
char *pv_certificate_dup_path(PvCli *cli, const char *name, const char *extension);

/* DEFAULT is what stands in the site's folder; the option's value is taken as it is. (transfer full) */
char *pv_certificate_dup_option(PvCli *cli, const char *option, const char *name, const char *extension);

/* The PIN or password of a key: --password-file, or the terminal where @ask. NULL without error: none was given. */
PvSecret *pv_certificate_dup_password(PvCli *cli, gboolean ask, GError **error);

/* Checks what the CA answered for the key, and writes it to --out or into the site's folder. @key_uri: NULL: the key is in a
 * file and goes along. @out: (transfer full): where it is; NULL: it is not to be told. */
gboolean pv_certificate_install(PvCli *cli, const char *name, GPtrArray *certificates, gpointer key, const char *key_uri, char **out, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* tells what has to stand in the site's file, unless it does already */
void pv_certificate_print_installed(PvCli *cli, const char *path, const char *key_uri);

G_END_DECLS
