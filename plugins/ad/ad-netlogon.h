/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The ping by which a client finds out what a domain controller is good for: one LDAP search of the root DSE over UDP
 * (MS-ADTS 6.3.3). Whoever can send us a datagram chooses the bytes of the answer. */

enum { /* DS_FLAG (MS-ADTS 6.3.1.2) */
	AD_NETLOGON_GC = 0x4,
	AD_NETLOGON_LDAP = 0x8,
	AD_NETLOGON_KDC = 0x20,
	AD_NETLOGON_CLOSEST = 0x80,
	AD_NETLOGON_WRITABLE = 0x100,
};

#define AD_NETLOGON_MAX_BYTES 4096

typedef struct {
	guint32 flags;
	char *forest, *domain, *host; /* DNS names, lower case, owned */
	char *netbios; /* of the domain; "" where it was left out */
	char *server_site, *client_site; /* "" where there is none */
} AdNetlogon;

void ad_netlogon_clear(AdNetlogon *netlogon);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AdNetlogon, ad_netlogon_clear)

/* The datagram that asks for @domain. */
GBytes *ad_netlogon_new_request(const char *domain, guint8 id);
/* PROTOCOL: the datagram is no answer to that, or of a kind that a domain controller does not send */
gboolean ad_netlogon_parse(AdNetlogon *netlogon, const guint8 *data, gsize length, guint8 id, GError **error);
/* NETLOGON_SAM_LOGON_RESPONSE_EX (MS-ADTS 6.3.1.9) alone */
gboolean ad_netlogon_parse_response(AdNetlogon *netlogon, const guint8 *data, gsize length, GError **error);

G_END_DECLS
