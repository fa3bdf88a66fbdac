/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The access realms of AMT (AMT_AuthorizationService, Realms). A set of them is a bit mask: bit
 * N is realm N. */

/* @where: for the error text. PV_ERROR_CONFIG: unknown, with the known ones; or not for users. */
gboolean acl_realm_find(
    const char *name, const char *where, guint *realm, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* "Redirection, RemoteControl"; realms without a name by number. (transfer full) */
char *acl_realms_to_text(guint32 realms);
