/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <provost/kerberos.h>

G_BEGIN_DECLS

/**
 * PvFetch:
 *
 * An HTTP/1.1 client for CA back ends and other services of a site, never for devices: blocking, one connection that is
 * kept alive, used by one thread at a time. Follows no redirects, asks no proxy, keeps no cookies, reads nothing from the
 * environment. TLS is 1.2 at least, and the server's certificate must carry the name in the URL.
 */
typedef struct PvFetch PvFetch;

/* Who is trusted and who asks. Strings are copied, objects referenced. */
typedef struct {
	const char *trust;       /* PEM file; each certificate in it is an anchor, of whatever kind; NULL: the system's roots */
	const char *certificate; /* client certificate: PEM (its chain may follow) or PKCS#12; NULL: none */
	const char *key;         /* PEM file, or a "pkcs11:" URI; NULL: in @certificate */
	PvSecret *key_password;  /* of the key or the PKCS#12, or the token's PIN; NULL: none */
	const char *user;        /* for HTTP Digest (RFC 7616) or Basic (RFC 7617), as the server asks; Basic over TLS only; NULL: none */
	PvSecret *password;      /* of @user */
	PvKerberos *kerberos;    /* for HTTP Negotiate (RFC 4559), bound to the TLS channel by tls-server-end-point; not along with @user; NULL: none */
	const char *service;     /* that the ticket is for; NULL: "HTTP/host" of the URL */
	guint connect_msec;      /* 0: 10000; name, TCP and TLS */
	guint request_msec;      /* 0: 60000; from the first byte sent to the last received */
	gsize max_bytes;         /* of an answer's body; 0: 1 MiB */
} PvFetchOptions;

/**
 * pv_fetch_new:
 * @options: lent for the call; a zeroed struct will do
 *
 * Reads and parses the files of @options, once. Talks to nobody yet. Any thread.
 *
 * Returns: (transfer full): free with pv_fetch_free(); or NULL with PV_ERROR_CONFIG that names the file and what is wrong.
 */
PvFetch *pv_fetch_new(const PvFetchOptions *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_fetch_dup:
 * @fetch: another one, which may be in use by another thread
 *
 * Returns: (transfer full): a client with a connection of its own and the same options; what was parsed is shared. Cheap: a
 * provider keeps one and takes a copy for each call. Any thread.
 */
PvFetch *pv_fetch_dup(const PvFetch *fetch) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_fetch_dup_as:
 * @kerberos: (nullable): as in PvFetchOptions
 * @user: (nullable): likewise
 * @password: (nullable): of @user
 *
 * Returns: (transfer full): as pv_fetch_dup(), but for somebody else, a device's own account say: without the login and the client
 * certificate of @fetch. Cheap. Any thread.
 */
PvFetch *pv_fetch_dup_as(const PvFetch *fetch, PvKerberos *kerberos, const char *user, PvSecret *password) G_GNUC_WARN_UNUSED_RESULT;

void pv_fetch_free(PvFetch *fetch); /* closes the connection */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvFetch, pv_fetch_free)

/* An answer. Owned by the caller, who clears it with pv_fetch_reply_clear(). Everything in it is as the server wrote it. */
typedef struct {
	guint status;          /* such as 200 */
	char *content_type;    /* with its parameters; NULL: none */
	guint retry_after_sec; /* Retry-After (RFC 9110, 10.2.3), a date turned into seconds from now; at most a week; 0: none */
	char *location;        /* NULL: none */
	GBytes *body;          /* never NULL */
} PvFetchReply;

void pv_fetch_reply_clear(PvFetchReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PvFetchReply, pv_fetch_reply_clear)

/**
 * pv_fetch_request:
 * @method: such as "GET"
 * @url: absolute, http or https, without a user in it
 * @headers: (nullable): "Name: value", NULL-ended
 * @body: (nullable): what is sent; POST and PUT without one send none
 * @reply: (out): cleared by the caller; untouched when it fails
 *
 * Any status but 401 is an answer and TRUE. A login is tried once, when the server asks for it; a second 401 is the error.
 *
 * Errors: PV_ERROR_UNREACHABLE (name, connection, time), PV_ERROR_PROTOCOL (TLS with OpenSSL's reason, nonsense, too large),
 * PV_ERROR_AUTH (401 with what was offered, or our certificate was refused; 403 is left to the caller), those of
 * pv_kerberos_get_ticket(), PV_ERROR_CONFIG (no such
 * URL or header), G_IO_ERROR_CANCELLED. The texts name the URL without its query and hold no secret.
 */
gboolean pv_fetch_request(PvFetch *fetch, const char *method, const char *url, const char *const *headers, GBytes *body, PvFetchReply *reply, GCancellable *cancellable, GError **error);

G_END_DECLS
