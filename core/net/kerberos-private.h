/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/kerberos.h>

G_BEGIN_DECLS

/* As pv_kerberos_get_ticket(). Returns: the name of the cache that has the ticket, lent as pv_kerberos_get_ccache() lends it; NULL with
 * the error. */
const char *pv_kerberos_get_ticket_cache(PvKerberos *kerberos, const char *service, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Forgets the caches of former logins that nobody uses at @now_sec; each login does. Returns how many are left, the present one
 * included. */
guint pv_kerberos_drop_old(PvKerberos *kerberos, gint64 now_sec);

G_END_DECLS
