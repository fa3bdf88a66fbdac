/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/kerberos.h>
#include <provost/ldap.h>
#include <provost/provost.h>

#define LDAP_MAX_IDLE 4 /* connections that wait for their next use */
#define LDAP_MAX_GROUPS 1000 /* of one account */

/* The attributes that a site may keep things in; NULL: it does not. */
typedef struct {
	char *uuid;
	char *fqdn;
	char *spn;
	char *address;
	char *mac;
	char *sid;
} LdapAttributes;

typedef struct LdapKadmin LdapKadmin; /* see ldap-kadmin.h */

/* Immutable after open but for what the lock guards. */
typedef struct {
	const PvValues *values; /* outlive this; the password is asked for when it is needed */
	char **servers; /* HOST or HOST:PORT */
	PvLdapSecurity security;
	char *trust; /* NULL: the system's roots */
	char *user; /* DN, or the Kerberos name; NULL: the keytab's first */
	char *keytab; /* NULL: none */
	char *ccache; /* NULL: none */
	char *realm; /* of the service's login; NULL: that of the principal */
	char **kdcs;
	char *base;
	char *ou; /* container where the pipeline names none; NULL: it must */
	char *group_base;
	char *member; /* attribute of groups */
	char **classes; /* the structural one first */
	LdapAttributes attributes;
	gboolean probe; /* whether a check may write */
	guint operation_msec;
	LdapKadmin *kadmin; /* NULL: the site has none */

	GMutex lock;
	GQueue idle; /* of PvLdap, guarded by lock */
	PvSecret *lent; /* password that a login lends, guarded by lock; NULL: none */
	PvKerberos *kerberos; /* of the service, guarded by lock; NULL: not logged in yet */
} LdapDirectory;

/* A connection, in use by this thread. @server: (nullable): tried first. Give it back in any case. */
PvLdap *ldap_pool_take(LdapDirectory *directory, const char *server, GCancellable *cancellable, GError **error);
PvLdap *ldap_pool_connect(LdapDirectory *directory, const char *server, GCancellable *cancellable, GError **error); /* a new one to this server */
void ldap_pool_give(LdapDirectory *directory, PvLdap *ldap);
/* another one, logged in as an account, to prove its password; it is not given back but freed */
PvLdap *ldap_pool_connect_as(LdapDirectory *directory, const char *server, const char *dn, PvSecret *password, GCancellable *cancellable, GError **error);
gboolean ldap_pool_is_kerberos(const LdapDirectory *directory); /* whether the service logs in by it */
gboolean ldap_pool_dup_password(LdapDirectory *directory, PvSecret **password, GError **error); /* *password stays NULL where there is none */
void ldap_pool_fill_login(const LdapDirectory *directory, PvSecret *password, PvKerberosLogin *login); /* all lent */
void ldap_pool_clear(LdapDirectory *directory);
gboolean ldap_pool_can_bind(const LdapDirectory *directory); /* whether accounts could log in with a password there */

/* The functions of PvDirectory */
gboolean ldap_account_find(gpointer directory, const PvAccountSpec *spec, PvAccount **account, GCancellable *cancellable, GError **error);
gboolean ldap_account_ensure(gpointer directory, const PvAccountSpec *spec, PvAccount **account, GCancellable *cancellable, GError **error);
gboolean ldap_account_set_password(gpointer directory, const PvAccountSpec *spec, PvSecret *password, GCancellable *cancellable, GError **error);
gboolean ldap_account_remove(gpointer directory, const PvAccountSpec *spec, GCancellable *cancellable, GError **error);
char *ldap_find_sid(gpointer directory, const char *name, GCancellable *cancellable, GError **error);
gboolean ldap_check(gpointer directory, const PvDirectoryNeeds *needs, PvReport *report, GCancellable *cancellable, GError **error);
char *ldap_delegation(gpointer directory, const PvDirectoryNeeds *needs, GCancellable *cancellable, GError **error);

/* DN of a group given by name or DN; CONFIG when there is none, or several. (transfer full) */
char *ldap_group_find(LdapDirectory *directory, PvLdap *ldap, const char *group, GCancellable *cancellable, GError **error);
