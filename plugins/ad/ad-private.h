/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ad-locate.h"
#include "ad-name.h"

#include <provost/kerberos.h>
#include <provost/ldap.h>
#include <provost/provost.h>

G_BEGIN_DECLS

/* The provider's parts: pool (connections), forest (domains, containers, groups, SIDs), object (accounts), check. */

typedef enum {
	AD_SECURITY_GSSAPI, /* LDAP sealed by Kerberos */
	AD_SECURITY_TLS,
	AD_SECURITY_STARTTLS,
} AdSecurity;

/* One domain of the forest. Lent by its directory as long as that is open. */
typedef struct {
	char *name; /* DNS name, lower case, owned */
	char *base; /* DN, owned */
	GPtrArray *servers; /* of AdServer, best first, owned; NULL: not looked for yet; protected by the lock */
	gint64 located_usec; /* monotonic; protected by the lock */
} AdDomain;

/* What the partitions of the forest say of a domain. */
typedef struct {
	char *name; /* DNS name, lower case */
	char *base; /* DN */
	char *netbios;
} AdPartition;

/* An open directory. Threads share it; what changes is protected by the lock. */
typedef struct {
	char *domain, *base; /* of the accounts, unless a container says otherwise; owned */
	char **servers; /* as configured; empty: DNS has them */
	char *site, *trust, *user, *keytab, *ccache; /* NULL: not configured */
	PvSecret *password; /* NULL: none */
	AdSecurity security;
	char *ou; /* complete DN, owned */
	gboolean reuse_any; /* also accounts that were not made for the device */
	gboolean never_expires, search_forest, probe;
	guint encryption_types; /* bits of msDS-SupportedEncryptionTypes (MS-KILE 2.2.7) */
	char **service_groups;
	guint max_connections, operation_msec;
	char **kdcs; /* for the login that is lent by ad_kerberos; owned */
	char *realm; /* of the login, upper case; owned */

	GMutex lock;
	GCond returned; /* a connection came back */
	GHashTable *domains; /* name -> AdDomain, owned, never removed */
	GPtrArray *idle; /* of AdConnection, owned */
	guint open; /* connections, those in use included */
	GHashTable *logins; /* host -> PvKerberos, owned */
	gint64 catalog_down_until_usec; /* monotonic */
	GPtrArray *partitions; /* of AdPartition, owned; NULL: not read yet */
} AdDirectory;

/* A connection of the pool while somebody works with it. */
typedef struct {
	AdDirectory *ad;
	PvLdap *ldap; /* lent */
	const char *server; /* its host, lent */
	const char *domain; /* DNS name, lower case; NULL: the whole forest, by a global catalog. Lent */
	char *base; /* of the domain, owned by the pool */
	gboolean wrote; /* set by the work before its first write: then it is done again at this server only */
} AdSession;

/* Some work at one server. It is done again when a server goes away, so it first reads what is there. */
typedef gboolean (*AdWork)(AdSession *session, gpointer data, GCancellable *cancellable, GError **error);

void ad_pool_init(AdDirectory *ad);
void ad_pool_clear(AdDirectory *ad);

/* At a controller of @domain (NULL: the directory's own); @preferred: the host that is tried first, or NULL. Goes to the next
 * one when a server does not answer; but once the work has written, only the same one is asked again, for another may
 * not know of it yet, and two objects would come of it. */
gboolean ad_pool_run(AdDirectory *ad, const char *domain, const char *preferred, AdWork work, gpointer data, GCancellable *cancellable, GError **error);
/* The same at a global catalog. FALSE without an error: there is none. */
gboolean ad_pool_run_catalog(AdDirectory *ad, AdWork work, gpointer data, GCancellable *cancellable, GError **error);
/* A login whose tickets come from that server, if there was one already; pv_kerberos_unref(). NULL: none */
PvKerberos *ad_pool_find_login(AdDirectory *ad, const char *host);
/* Whether that is one of the controllers that were found for the domain, be it there or not */
gboolean ad_pool_has_server(AdDirectory *ad, const char *domain, const char *host);
/* Hosts of the controllers of the directory's own domain, best first. (transfer full) */
char **ad_pool_dup_hosts(AdDirectory *ad, GCancellable *cancellable, GError **error);

/* Whoever works at one server must not ask the pool for another meanwhile: these take connections themselves. */

/* Domains of the forest, read once. Lent as long as the directory is open; NULL with the error. */
GPtrArray *ad_forest_get(AdDirectory *ad, GCancellable *cancellable, GError **error);
/* REJECTED with both DNs when an object other than that of GUID @id (NULL: any) has one of @spns anywhere in the forest */
gboolean ad_forest_check_spns(AdDirectory *ad, const char *const *spns, const char *id, const char *dn, GCancellable *cancellable, GError **error);
/* A user, computer or group by name, DN, UPN or DOMAIN\name: its entry with objectSid. CONFIG: none, or several. */
PvLdapEntry *ad_forest_find(AdDirectory *ad, const char *name, gboolean group, const char *preferred, GCancellable *cancellable, GError **error);
char *ad_forest_dup_sid(const PvLdapEntry *entry); /* NULL: it has none */
char *ad_forest_dup_guid(const PvLdapEntry *entry); /* NULL: it has none */
/* What the root DSE of the session's server says, the attributes that clients need. */
PvLdapEntry *ad_forest_read_root(AdSession *session, GCancellable *cancellable, GError **error);
/* CONFIG, naming the first part of the DN that is not there */
gboolean ad_forest_check_container(AdSession *session, const char *dn, GCancellable *cancellable, GError **error);

/* Container for @ou (NULL: the directory's own), complete. */
char *ad_object_dup_container(AdDirectory *ad, const char *ou, GError **error);
gboolean ad_object_find(gpointer directory, const PvAccountSpec *spec, PvAccount **account, GCancellable *cancellable, GError **error);
gboolean ad_object_ensure(gpointer directory, const PvAccountSpec *spec, PvAccount **account, GCancellable *cancellable, GError **error);
gboolean ad_object_set_password(gpointer directory, const PvAccountSpec *spec, PvSecret *password, GCancellable *cancellable, GError **error);
gboolean ad_object_remove(gpointer directory, const PvAccountSpec *spec, GCancellable *cancellable, GError **error);
/* userAccountControl (MS-ADTS 2.2.16) as it should be, of what it is; 0: of a new account */
guint32 ad_object_get_control(const AdDirectory *ad, guint32 control);
/* The change that makes a new account, whole, with a password that nobody knows. NULL with the error. */
PvLdapChange *ad_object_new_change(const AdDirectory *ad, const PvAccountSpec *spec, const char *sam, GError **error);
/* @password as value of unicodePwd; CONFIG: it is no text */
PvSecret *ad_object_new_unicode(PvSecret *password, GError **error);
PvSecret *ad_object_new_password(GError **error); /* random, of all kinds of characters */

char *ad_find_sid(gpointer directory, const char *name, GCancellable *cancellable, GError **error);
gboolean ad_check(gpointer directory, const PvDirectoryNeeds *needs, PvReport *report, GCancellable *cancellable, GError **error);
char *ad_delegation(gpointer directory, const PvDirectoryNeeds *needs, GCancellable *cancellable, GError **error);
gboolean ad_kerberos(gpointer directory, PvKerberosLogin *login, GError **error);

G_END_DECLS
