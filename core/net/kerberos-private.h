/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/kerberos.h>

G_BEGIN_DECLS

/* As pv_kerberos_get_ticket(). Returns: the name of the cache that has the ticket, lent as long as @kerberos lives; NULL with
 * the error. */
const char *pv_kerberos_get_ticket_cache(PvKerberos *kerberos, const char *service, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
