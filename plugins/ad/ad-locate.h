/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A domain controller. */
typedef struct {
	char *host; /* DNS name, lower case, owned */
	char *address; /* to connect to; NULL: look @host up, owned */
	char *site; /* NULL: not known, owned */
	guint32 flags; /* AD_NETLOGON_..., 0: it was not asked, or did not answer */
	gboolean here; /* in the site that was asked for, or that is nearest */
	gint64 down_until_usec; /* monotonic; not tried before, as long as there are others; protected by the pool's lock */
} AdServer;

void ad_server_free(AdServer *server);
AdServer *ad_server_copy(const AdServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AdServer, ad_server_free)

/* Writable controllers of @domain, best first: those that answer a ping and are near (MS-ADTS 6.3.6). By DNS, of @site
 * where that is given, else of the site that the first to answer says we are in. CONFIG where DNS has none, UNREACHABLE
 * where it does not answer. (transfer full) of AdServer */
GPtrArray *ad_locate(const char *domain, const char *site, GCancellable *cancellable, GError **error);

/* The order of a list, for tests: answered before silent, near before far. */
gint ad_server_compare(gconstpointer a, gconstpointer b);

G_END_DECLS
