/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/secret.h>
#include <provost/wsman.h>
#include "core/amt/ticket.h"
#include "core/net/tls.h"

G_BEGIN_DECLS

/* Gives the credentials to try at the attempt-th login of the session, from 0. Returns TRUE with *user and *password set;
 * TRUE with *user NULL: the list is at its end. */
typedef gboolean (*PvCredentialNext)(gpointer data, const char *realm, guint attempt, char **user, PvSecret **password, GError **error);
/* Told once the device has taken a pair. */
typedef void (*PvCredentialWorked)(gpointer data, guint attempt);

/* What a session needs to dial. Copied by pv_wsman_new(); objects are referenced. */
typedef struct {
	const char *address;         /* IP or host name to connect to */
	guint port;                  /* 16993, 16992 */
	gboolean tls;
	PvTlsPolicy policy;
	PvIdentity *identity;        /* what to present when the device asks; NULL: nothing */
	PvTrust *trust;              /* the site's anchors; NULL: nothing can be verified */
	const char *peer_name;       /* DNS name that a verified certificate must carry */
	gboolean allow_unverified;   /* set-up: a certificate that does not verify is accepted, and pinned by the caller */
	const char *pin;             /* hex SHA-256 that an unverified certificate must have; NULL: any */
	const char *psk_identity;    /* set-up by pre-shared key (RFC 4279): PID; NULL: by certificate. LEGACY only */
	PvSecret *psk;               /* the key; a certificate is then taken only if @trust verifies it, and never without */
	guint connect_msec;          /* 0: 10000 */
	guint request_msec;          /* 0: 60000 */
	PvKerberos *kerberos;        /* log in by ticket where the device offers it, and only else by @next; NULL: by @next only */
	const char *service;         /* "HTTP/FQDN:PORT" of the ticket */
	PvCredentialNext next;       /* NULL: never log in by password */
	PvCredentialWorked worked;   /* NULL: nobody wants to know */
	gpointer data;
	const char *trace_dir;       /* redacted wire trace goes to DIR/trace_name.log; NULL: none */
	const char *trace_name;
} PvWsmanOptions;

PvWsman *pv_wsman_new(const PvWsmanOptions *options, GCancellable *cancellable);
void pv_wsman_free(PvWsman *wsman);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvWsman, pv_wsman_free)

/* Closes the connection and forgets nonce, login and kept answers. */
void pv_wsman_close(PvWsman *wsman);
/* Forgets the kept answers only. */
void pv_wsman_forget(PvWsman *wsman);
/* Requests sent so far, and how many of them were writes. */
void pv_wsman_get_counts(PvWsman *wsman, guint *requests, guint *writes);
/* How the login by ticket went, and why not (lent; NULL: no problem, or none was wanted). */
PvTicketState pv_wsman_get_ticket_state(PvWsman *wsman);
const GError *pv_wsman_get_ticket_problem(PvWsman *wsman);
/* After a connection: when the device's certificate expires, in seconds since 1970; 0: no TLS. */
gint64 pv_wsman_get_not_after(PvWsman *wsman);

G_END_DECLS
