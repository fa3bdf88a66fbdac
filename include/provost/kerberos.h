/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <provost/secret.h>

G_BEGIN_DECLS

/* Kerberos 5 (RFC 4120) as a client, and SPNEGO (RFC 4178) on top of it. Tickets are kept in memory; KDCs are asked over
 * TCP with a time limit of our own. Nothing is read from the environment, but for what PvKerberosLogin.ccache says. */

/* Who logs in, and how. Exactly one of keytab, ccache and password. All lent for the call; pv_kerberos_login() copies. */
typedef struct PvKerberosLogin {
	const char *realm;        /* upper case; NULL: that of the principal, or of the credential cache */
	const char *principal;    /* NAME or NAME@REALM; NULL: the keytab's first, or the credential cache's own */
	const char *keytab;       /* path; NULL: none */
	const char *ccache;       /* such as "FILE:/run/user/0/cc"; NULL: none; "": the default one of the user who runs us, with his
	                           * KRB5CCNAME and KRB5_CONFIG: for programs that a person starts, never for a service */
	PvSecret *password;       /* NULL: none */
	const char *const *kdcs;  /* HOST or HOST:PORT, tried in order; NULL: as krb5.conf says, or else DNS (_kerberos._tcp SRV) */
	guint timeout_msec;       /* for one exchange with one KDC, its name's resolution included; 0: 5000 */
} PvKerberosLogin;

/**
 * PvKerberos:
 *
 * Somebody who is logged in, with the tickets he got. Threads may share it.
 */
typedef struct PvKerberos PvKerberos;

/**
 * pv_kerberos_login:
 *
 * Gets a ticket-granting ticket, or copies those of a credential cache. Never tries a password twice.
 *
 * Returns: (transfer full): free with pv_kerberos_unref(). Errors, each with cause and remedy: PV_ERROR_AUTH (wrong
 * password, unknown, disabled or locked account, password or ticket expired), PV_ERROR_CONFIG (no such keytab or cache,
 * no such principal in it, nonsense in @login), PV_ERROR_UNREACHABLE (no KDC answered; all are named),
 * PV_ERROR_REJECTED (clocks more than 5 minutes apart: both are told; policy), PV_ERROR_PROTOCOL,
 * G_IO_ERROR_CANCELLED.
 */
PvKerberos *pv_kerberos_login(const PvKerberosLogin *login, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

PvKerberos *pv_kerberos_ref(PvKerberos *kerberos);
void pv_kerberos_unref(PvKerberos *kerberos); /* the last one destroys the tickets; NULL is nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvKerberos, pv_kerberos_unref)

/**
 * pv_kerberos_get_ticket:
 * @service: such as "HTTP/pc1.example.com:16993"; "@REALM" may follow, else it is the login's
 *
 * Sees to it that there is a ticket for @service, as long as there is one valid asking nobody. Logs in anew first when
 * less than 5 minutes, or a quarter, are left of the login.
 *
 * Returns: FALSE with an error of pv_kerberos_login(), or PV_ERROR_CONFIG: no account has that service name, or several
 * have it; names it and says what to do.
 */
gboolean pv_kerberos_get_ticket(PvKerberos *kerberos, const char *service, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Forgets the ticket for @service, so that the next one is got from a KDC: for a service that has another key by now.
 * FALSE: there was none. */
gboolean pv_kerberos_forget_ticket(PvKerberos *kerberos, const char *service);

const char *pv_kerberos_get_principal(PvKerberos *kerberos); /* NAME@REALM; lent as long as @kerberos lives */
const char *pv_kerberos_get_ccache(PvKerberos *kerberos); /* "MEMORY:..."; another one after the login was renewed; lent until an hour after its own login has ended */

/**
 * pv_kerberos_get_credential:
 *
 * For libraries that log in by themselves, such as SASL inside the interact callback of a bind. Get the ticket
 * of the service first, or the library will ask a KDC by its own rules.
 *
 * Returns: (transfer none): a gss_cred_id_t that can initiate, lent until an hour after its login has ended; NULL with
 * PV_ERROR_FAILED.
 */
gpointer pv_kerberos_get_credential(PvKerberos *kerberos, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_kerberos_get_ticket_info:
 * @kvno: (out) (optional): version of the service's key that the ticket is sealed with
 * @enctype: (out) (optional): type of that key (RFC 3961: 18 AES256, 17 AES128, 23 RC4)
 * @token_bytes: (out) (optional): length of the SPNEGO token with it, before base64
 *
 * What is known of the ticket for @service, which is got if it is not there yet.
 */
gboolean pv_kerberos_get_ticket_info(PvKerberos *kerberos, const char *service, guint *kvno, gint *enctype, gsize *token_bytes, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_kerberos_check_key:
 * @password: what the service's key is said to be made of
 * @salt: (nullable): with this salt; NULL: none, as for RC4
 * @fits: (out): whether the KDC seals tickets for @service with that key (RFC 3961, string-to-key and decryption)
 *
 * Gets the ticket if it is not there yet. Tells whether a device that was given that password will be able to read it,
 * without asking the device.
 *
 * Returns: FALSE with an error of pv_kerberos_get_ticket().
 */
gboolean pv_kerberos_check_key(PvKerberos *kerberos, const char *service, PvSecret *password, const char *salt, gboolean *fits, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_kerberos_dup_salt:
 * @principal: NAME or NAME@REALM; without a realm, of the login's
 *
 * Asks the KDC which salt the keys of an account were made with (RFC 4120, 5.2.7.5, PA-ETYPE-INFO2), for which nobody has
 * to know its password. Where names changed, what rules say of it is wrong until the next password.
 *
 * Returns: (transfer full): the salt; NULL with an error as of pv_kerberos_login(), UNSUPPORTED where the KDC tells none.
 */
char *pv_kerberos_dup_salt(PvKerberos *kerberos, const char *principal, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * PvNegotiate:
 *
 * One login to one service by SPNEGO, as HTTP Negotiate (RFC 4559) and LDAP's GSS-SPNEGO carry it. It proves who both
 * sides are and protects nothing afterwards: that is TLS's business. Used by one thread at a time.
 */
typedef struct PvNegotiate PvNegotiate;

/**
 * pv_negotiate_new:
 * @service: as for pv_kerberos_get_ticket(), which should have been called; without a ticket it is called here, without
 *   a cancellable
 * @channel_binding: (nullable): the hash of "tls-server-end-point" (RFC 5929), without that name; NULL: no binding
 */
PvNegotiate *pv_negotiate_new(PvKerberos *kerberos, const char *service, GBytes *channel_binding, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_negotiate_step:
 * @input: (nullable): the peer's token; NULL at first
 * @done: (out): both sides are proved; the token, if there is one, is still to be sent
 *
 * Returns: (transfer full) (nullable): the token to send; NULL without an error: none. PV_ERROR_AUTH with what GSSAPI says.
 */
GBytes *pv_negotiate_step(PvNegotiate *negotiate, GBytes *input, gboolean *done, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void pv_negotiate_free(PvNegotiate *negotiate); /* NULL is nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvNegotiate, pv_negotiate_free)

G_END_DECLS
