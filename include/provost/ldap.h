/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <provost/kerberos.h>

G_BEGIN_DECLS

/* LDAP version 3 (RFC 4511) for directory providers: OpenLDAP's library over our own socket and TLS, so that every step
 * ends in time, can be cancelled and says what went wrong. Neither ldap.conf nor the environment is looked at; referrals
 * are never followed. */

typedef enum {
	PV_LDAP_PLAIN,    /* no TLS: only for logins by Kerberos, which then encrypt by themselves, and for reading anonymously */
	PV_LDAP_TLS,      /* from the first byte, "ldaps" */
	PV_LDAP_STARTTLS, /* RFC 4513 section 3; a server that refuses is never spoken to in clear */
} PvLdapSecurity;

/* Where and as whom. Lent for the call of pv_ldap_connect(). */
typedef struct {
	const char *host;         /* name that the certificate and the Kerberos service must have */
	const char *address;      /* to connect to instead of looking @host up; NULL: none */
	guint port;               /* 0: 636 for PV_LDAP_TLS, else 389 */
	PvLdapSecurity security;
	const char *trust;        /* PEM file with the roots; NULL: the system's */
	const char *bind_dn;      /* for a simple bind; refused unless encrypted; NULL: none */
	PvSecret *password;       /* of @bind_dn; an empty one is refused, for servers take it as anonymous (RFC 4513 5.1.2) */
	PvKerberos *kerberos;     /* login by SASL GSSAPI (RFC 4752): sealed where there is no TLS, bound to the server's certificate
	                           * (RFC 5929 tls-server-end-point) where there is; NULL: none */
	const char *realm;        /* Kerberos realm of the server; NULL: that of the login */
	guint connect_msec;       /* look-up, connection and TLS; 0: 5000 */
	guint operation_msec;     /* login, and each request; 0: 15000 */
} PvLdapOptions;

/* One connection. Used by one thread at a time. */
typedef struct PvLdap PvLdap;

/**
 * pv_ldap_connect:
 * @options: where and as whom; neither DN nor login: anonymous
 *
 * Connects, makes it safe, logs in. CONFIG when the options do not fit, before anything is sent; UNREACHABLE; AUTH for a
 * certificate that is not trusted and for a login that was refused, with the cause that the server gave.
 *
 * Returns: (transfer full): the connection; free with pv_ldap_free().
 */
PvLdap *pv_ldap_connect(const PvLdapOptions *options, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void pv_ldap_free(PvLdap *ldap);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvLdap, pv_ldap_free)

const char *pv_ldap_get_server(const PvLdap *ldap); /* HOST:PORT, for messages; lent */

/* An object as it was read. Immutable; names of attributes are compared without regard to case. */
typedef struct PvLdapEntry PvLdapEntry;
PvLdapEntry *pv_ldap_entry_ref(PvLdapEntry *entry);
void pv_ldap_entry_unref(PvLdapEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvLdapEntry, pv_ldap_entry_unref)
const char *pv_ldap_entry_get_dn(const PvLdapEntry *entry); /* lent */
const char *pv_ldap_entry_get(const PvLdapEntry *entry, const char *attribute); /* the first value; NULL: there is none, or it is no UTF-8 text. Lent */
char **pv_ldap_entry_dup_list(const PvLdapEntry *entry, const char *attribute); /* all values that are text; never NULL. g_strfreev() */
GBytes *pv_ldap_entry_get_bytes(const PvLdapEntry *entry, const char *attribute, guint i); /* a value as it is; NULL: there are fewer. Lent */
gboolean pv_ldap_entry_has(const PvLdapEntry *entry, const char *attribute, const char *value); /* whether it has the value, without regard to case */

typedef enum {
	PV_LDAP_BASE,
	PV_LDAP_ONE,
	PV_LDAP_SUBTREE,
} PvLdapScope;

/**
 * pv_ldap_search:
 * @base: DN
 * @filter: RFC 4515; what comes from outside goes through pv_ldap_dup_filter_value()
 * @attributes: ends with NULL; NULL: all that users see
 * @limit: more objects than these are an error
 *
 * Reads page by page (RFC 2696), for servers give only the first 1000 objects otherwise. References to other servers are
 * skipped. UNREACHABLE; CONFIG when the base is not there; REJECTED.
 *
 * Returns: (transfer full): array of PvLdapEntry, perhaps empty.
 */
GPtrArray *pv_ldap_search(PvLdap *ldap, const char *base, PvLdapScope scope, const char *filter, const char *const *attributes, guint limit, GCancellable *cancellable, GError **error);

/**
 * pv_ldap_read:
 * @dn: of the object; "" for the server's own, the root DSE (RFC 4512 5.1)
 * @missing: (out) (optional): set when there is no such object; NULL: that is an error, CONFIG
 *
 * Returns: (transfer full): the object; or NULL without an error where it is missing; or NULL with the error.
 */
PvLdapEntry *pv_ldap_read(PvLdap *ldap, const char *dn, const char *const *attributes, gboolean *missing, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

char *pv_ldap_dup_filter_value(const char *text) G_GNUC_WARN_UNUSED_RESULT; /* escaped for a filter (RFC 4515 section 3); g_free() */
char *pv_ldap_dup_filter_bytes(gconstpointer data, gsize length_bytes) G_GNUC_WARN_UNUSED_RESULT; /* every byte escaped; g_free() */
char *pv_ldap_dup_dn_value(const char *text) G_GNUC_WARN_UNUSED_RESULT; /* escaped for a part of a DN (RFC 4514 2.4); g_free() */

/* Whether both are the same DN, as far as that can be told without the schema: spaces around commas, the case of everything and the
 * form of escapes make no difference. FALSE for what is no DN. */
gboolean pv_ldap_dn_equal(const char *a, const char *b);
char *pv_ldap_dup_dn_parent(const char *dn) G_GNUC_WARN_UNUSED_RESULT; /* without its first part; NULL: no DN, or nothing is left. g_free() */

typedef enum {
	PV_LDAP_ADD,
	PV_LDAP_REPLACE,
	PV_LDAP_DELETE, /* the value, or with a NULL one the whole attribute */
} PvLdapOperation;

/* What to write, in order; values of one operation on one attribute that follow each other go together. pv_ldap_add() takes
 * PV_LDAP_ADD only. */
typedef struct PvLdapChange PvLdapChange;
PvLdapChange *pv_ldap_change_new(void) G_GNUC_WARN_UNUSED_RESULT; /* free with pv_ldap_change_free() */
void pv_ldap_change_free(PvLdapChange *change);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvLdapChange, pv_ldap_change_free)
void pv_ldap_change_add_text(PvLdapChange *change, PvLdapOperation operation, const char *attribute, const char *value); /* @value: (nullable) */
void pv_ldap_change_add_list(PvLdapChange *change, PvLdapOperation operation, const char *attribute, const char *const *values); /* to replace by nothing deletes the attribute */
void pv_ldap_change_add_bytes(PvLdapChange *change, PvLdapOperation operation, const char *attribute, GBytes *value);
void pv_ldap_change_add_secret(PvLdapChange *change, PvLdapOperation operation, const char *attribute, PvSecret *value); /* leaves over an encrypted connection only */
guint pv_ldap_change_get_length(const PvLdapChange *change); /* operations; 0: nothing to write */

/* Each is one request. UNREACHABLE when no answer came: then it may or may not have been done, so read again. CONFIG: the object, its
 * container or the schema is not there; REJECTED: anything else, with the cause and what to do. */
gboolean pv_ldap_add(PvLdap *ldap, const char *dn, const PvLdapChange *change, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean pv_ldap_modify(PvLdap *ldap, const char *dn, const PvLdapChange *change, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean pv_ldap_delete(PvLdap *ldap, const char *dn, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* @parent: (nullable): NULL: it stays where it is */
gboolean pv_ldap_rename(PvLdap *ldap, const char *dn, const char *rdn, const char *parent, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_ldap_set_password:
 * @dn: whose; NULL: of the login
 * @former: (nullable): its former password, where the server wants it
 *
 * By the password modify operation (RFC 3062), so that the server hashes it by its own rules. Over an encrypted connection only.
 */
gboolean pv_ldap_set_password(PvLdap *ldap, const char *dn, PvSecret *former, PvSecret *password, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Who the server says that we are, such as "dn:cn=provost,dc=example,dc=com" (RFC 4532); UNSUPPORTED where it does not say. g_free() */
char *pv_ldap_dup_identity(PvLdap *ldap, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Of the last request. */
int pv_ldap_get_code(const PvLdap *ldap);       /* resultCode (RFC 4511 4.1.9), or below 0 what the library made up; 0: it worked */
guint32 pv_ldap_get_win32(const PvLdap *ldap);  /* Active Directory's own code, the eight hex digits that begin its text (MS-ERREF 2.2); 0: none */
gboolean pv_ldap_is_dead(const PvLdap *ldap);   /* the connection is gone; connect anew */

/* Result codes that directories differ in (RFC 4511 appendix A). Active Directory and Samba answer 68 to a member that is one already
 * and 53 to the removal of one that is none, OpenLDAP and 389 Directory Server 20 and 16. */
gboolean pv_ldap_is_already_there(const PvLdap *ldap); /* whether the last modification failed because the value is there */
gboolean pv_ldap_is_already_gone(const PvLdap *ldap);  /* because it is not */
gboolean pv_ldap_is_missing(const PvLdap *ldap);       /* because the object is not there, 32 */

G_END_DECLS
