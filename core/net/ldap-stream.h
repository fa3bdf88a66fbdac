/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <lber.h>

G_BEGIN_DECLS

/* The socket under libldap, with TLS by OpenSSL: libldap's own TLS may be GnuTLS, which tells no reasons and whose handshake never
 * times out. Whatever blocks ends at the deadline or when cancelled. One thread at a time. */
typedef struct PvLdapStream PvLdapStream;

/* How bytes are protected once a login has settled it; @data is the stream's owner's. FALSE: nonsense. */
typedef struct {
	gboolean (*wrap)(gpointer data, const guint8 *bytes, gsize length, GByteArray *token);
	gboolean (*unwrap)(gpointer data, const guint8 *token, gsize length, GByteArray *bytes);
	gsize max_wrap_bytes; /* more than these are never given to wrap at once */
	gpointer data;
} PvLdapSeal;

PvLdapStream *pv_ldap_stream_connect(const char *host, const char *address, guint port, guint msec, GCancellable *cancellable, GError **error);
void pv_ldap_stream_free(PvLdapStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvLdapStream, pv_ldap_stream_free)

/* Whatever follows has this long. */
void pv_ldap_stream_set_deadline(PvLdapStream *stream, gint64 deadline_usec, GCancellable *cancellable);
/* The handshake, with verification of the certificate against @trust and of its name against the host. */
gboolean pv_ldap_stream_start_tls(PvLdapStream *stream, const char *trust, GError **error);
void pv_ldap_stream_set_seal(PvLdapStream *stream, const PvLdapSeal *seal);
/* until something can be read; FALSE with UNREACHABLE or cancelled */
gboolean pv_ldap_stream_wait(PvLdapStream *stream, GError **error);

/* Nothing is sent any more. */
void pv_ldap_stream_shut(PvLdapStream *stream);
int pv_ldap_stream_get_fd(const PvLdapStream *stream);
gboolean pv_ldap_stream_is_encrypted(const PvLdapStream *stream); /* by TLS or by the seal */
const char *pv_ldap_stream_get_peer(const PvLdapStream *stream); /* HOST:PORT */
/* why reading or writing failed; NULL: the peer closed the connection */
const char *pv_ldap_stream_get_reason(const PvLdapStream *stream);
/* tls-server-end-point (RFC 5929 section 4) of the TLS session; NULL: there is none. (transfer full) */
GBytes *pv_ldap_stream_dup_binding(const PvLdapStream *stream);

/* for ber_sockbuf_add_io(), whose argument is the stream */
Sockbuf_IO *pv_ldap_stream_get_io(void);

G_END_DECLS
