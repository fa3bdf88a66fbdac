/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/net/tls.h"

G_BEGIN_DECLS

/* The channel to one device: HTTP/1.1 on one connection that is kept alive, blocking, one request at a time, used by
 * one thread. Authentication, redirects and cookies are none of its business. */
typedef struct PvHttp PvHttp;

/* As in PvWsmanOptions. Strings are copied, objects referenced. */
typedef struct {
	const char *address;
	guint port;
	gboolean tls;
	PvTlsPolicy policy;
	PvIdentity *identity;
	PvTrust *trust;
	const char *peer_name;
	gboolean allow_unverified;
	const char *pin;
	const char *psk_identity; /* as in PvWsmanOptions */
	PvSecret *psk;
	guint connect_msec; /* 0: 10000; TCP and TLS */
	guint request_msec; /* 0: 60000; from the first byte sent to the last received */
	guint reply_msec;   /* 0: 20000; from the first byte received to the last: a peer that trickles */
} PvHttpOptions;

#define PV_HTTP_MAX_BODY (1024 * 1024)
#define PV_HTTP_MAX_HEADERS (64 * 1024)

/* Lent until the next request. */
typedef struct {
	guint status;
	const char *headers;           /* the block as it came */
	const char *server;            /* NULL: none */
	const char *const *challenges; /* values of WWW-Authenticate; ends with NULL */
	const char *body;              /* NUL-terminated */
	gsize length;                  /* bytes */
} PvHttpReply;

/* What is known of a request that failed */
typedef enum {
	PV_HTTP_UNSENT, /* nothing of it has left */
	PV_HTTP_CLOSED, /* some or all was sent, and the connection ended before the answer did */
	PV_HTTP_LOST,   /* some or all was sent, and something else went wrong: time, size, nonsense */
} PvHttpFate;

PvHttp *pv_http_new(const PvHttpOptions *options, GCancellable *cancellable);
void pv_http_free(PvHttp *http);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvHttp, pv_http_free)

/**
 * pv_http_request:
 * @authorization: (nullable): value of the header
 * @body: (nullable): NULL: a GET, else a POST of SOAP
 * @fate: (out): set when it fails
 *
 * Never sends a request twice: a connection that turns out to be closed is only replaced while nothing was sent.
 * Errors read "connect HOST:PORT: reason" while there is no connection, else "HOST:PORT: reason".
 */
gboolean pv_http_request(PvHttp *http, const char *path, const char *authorization, const char *body,
    gsize length_bytes, PvHttpReply *reply, PvHttpFate *fate, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Closes the connection and forgets the peer. */
void pv_http_close(PvHttp *http);

/* of the peer's certificate, or "psk:IDENTITY" where a pre-shared key took its place; NULL: none seen. Lent */
const char *pv_http_get_fingerprint(PvHttp *http);
gboolean pv_http_is_verified(PvHttp *http);
gint64 pv_http_get_not_after(PvHttp *http); /* seconds since 1970 until which that certificate is good; 0: none seen */
gboolean pv_http_is_mutual(PvHttp *http); /* the peer asked for our certificate */

G_END_DECLS
