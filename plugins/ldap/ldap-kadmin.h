/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ldap-private.h"

/* The KDC of a site with MIT Kerberos: one principal for each service name, all with the same key, for a device has one. Each call is
 * a session of its own with kadmind, ends in time and can be cancelled. */

LdapKadmin *ldap_kadmin_new(const PvValues *values, GError **error);
void ldap_kadmin_free(LdapKadmin *kadmin);

const char *ldap_kadmin_get_realm(const LdapKadmin *kadmin); /* also the salt of all keys; lent */
void ldap_kadmin_fill_login(const LdapKadmin *kadmin, PvKerberosLogin *login); /* the service's principal; lent */

/* @missing: (out): a service name without principal; lent from @spns; NULL: all have one. @kvno: (out): version of their keys; 0: they
 * differ, or have no password yet */
gboolean ldap_kadmin_find(LdapKadmin *kadmin, const char *const *spns, const char **missing, guint *kvno, GCancellable *cancellable, GError **error);
/* makes what is missing, with a key that nobody knows */
gboolean ldap_kadmin_ensure(LdapKadmin *kadmin, const char *const *spns, GCancellable *cancellable, GError **error);
gboolean ldap_kadmin_set_password(LdapKadmin *kadmin, const char *const *spns, PvSecret *password, GCancellable *cancellable, GError **error);
gboolean ldap_kadmin_remove(LdapKadmin *kadmin, const char *const *spns, GCancellable *cancellable, GError **error);
void ldap_kadmin_check(LdapKadmin *kadmin, gboolean probe, PvReport *report, GCancellable *cancellable);
