/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ldap-private.h"

#include <string.h>

/* HOST, HOST:PORT or [IPv6]:PORT; *port stays as it is where there is none. (transfer full) */
static char *
ldap_pool_split(const char *server, guint *port)
{
	const char *colon = strrchr(server, ':');
	gboolean bracket = *server == '[';
	if (colon != NULL &&
	    (bracket ? colon > server && colon[-1] == ']' : strchr(server, ':') == colon)) {
		*port = (guint)g_ascii_strtoull(colon + 1, NULL, 10);
		return bracket ? g_strndup(server + 1, (gsize)(colon - server) - 2)
			       : g_strndup(server, (gsize)(colon - server));
	}
	return g_strdup(server);
}

gboolean
ldap_pool_is_kerberos(const LdapDirectory *directory)
{
	return directory->keytab != NULL || directory->ccache != NULL ||
	       directory->security == PV_LDAP_PLAIN;
}

gboolean
ldap_pool_dup_password(LdapDirectory *directory, PvSecret **password, GError **error)
{
	if (!pv_values_has(directory->values, "password"))
		return TRUE;
	*password = pv_values_dup_secret(directory->values, "password", error);
	return *password != NULL;
}

void
ldap_pool_fill_login(const LdapDirectory *directory, PvSecret *password, PvKerberosLogin *login)
{
	*login = (PvKerberosLogin) { .realm = directory->realm,
		.principal = directory->user,
		.keytab = directory->keytab,
		.ccache = directory->ccache,
		.password = password,
		.kdcs = directory->kdcs[0] != NULL ? (const char *const *)directory->kdcs : NULL };
}

/* One login for all connections; it renews itself. */
static PvKerberos *
ldap_pool_get_kerberos(LdapDirectory *directory, GCancellable *cancellable, GError **error)
{
	g_autoptr(PvSecret) password = NULL;
	PvKerberosLogin login;
	g_mutex_lock(&directory->lock);
	PvKerberos *kerberos =
	    directory->kerberos != NULL ? pv_kerberos_ref(directory->kerberos) : NULL;
	g_mutex_unlock(&directory->lock);
	if (kerberos != NULL)
		return kerberos;
	if (!ldap_pool_dup_password(directory, &password, error))
		return NULL;
	ldap_pool_fill_login(directory, password, &login);
	kerberos = pv_kerberos_login(&login, cancellable, error);
	if (kerberos == NULL)
		return NULL;
	g_mutex_lock(&directory->lock);
	if (directory->kerberos == NULL)
		directory->kerberos = pv_kerberos_ref(kerberos);
	g_mutex_unlock(&directory->lock);
	return kerberos;
}

gboolean
ldap_pool_can_bind(const LdapDirectory *directory)
{
	return directory->security != PV_LDAP_PLAIN;
}

static void
ldap_pool_fill(const LdapDirectory *directory, PvLdapOptions *options, const char *host, guint port)
{
	*options = (PvLdapOptions) { .host = host,
		.port = port,
		.security = directory->security,
		.trust = directory->trust,
		.operation_msec = directory->operation_msec };
}

PvLdap *
ldap_pool_connect(
    LdapDirectory *directory, const char *server, GCancellable *cancellable, GError **error)
{
	guint port = 0;
	g_autofree char *host = ldap_pool_split(server, &port);
	g_autoptr(PvKerberos) kerberos = NULL;
	g_autoptr(PvSecret) password = NULL;
	PvLdapOptions options;
	ldap_pool_fill(directory, &options, host, port);
	if (ldap_pool_is_kerberos(directory)) {
		kerberos = ldap_pool_get_kerberos(directory, cancellable, error);
		if (kerberos == NULL)
			return NULL;
		options.kerberos = kerberos;
	} else {
		if (!ldap_pool_dup_password(directory, &password, error))
			return NULL;
		options.bind_dn = directory->user;
		options.password = password;
	}
	return pv_ldap_connect(&options, cancellable, error);
}

PvLdap *
ldap_pool_connect_as(LdapDirectory *directory, const char *server, const char *dn,
    PvSecret *password, GCancellable *cancellable, GError **error)
{
	guint port = 0;
	g_autofree char *host = ldap_pool_split(server, &port);
	PvLdapOptions options;
	ldap_pool_fill(directory, &options, host, port);
	options.bind_dn = dn;
	options.password = password;
	return pv_ldap_connect(&options, cancellable, error);
}

/* One that the server has closed meanwhile is found out by asking it for nothing. */
static gboolean
ldap_pool_is_alive(PvLdap *ldap, GCancellable *cancellable)
{
	static const char *const nothing[] = { "1.1", NULL }; /* RFC 4511 4.5.1.8 */
	g_autoptr(PvLdapEntry) root = pv_ldap_read(ldap, "", nothing, NULL, cancellable, NULL);
	return root != NULL;
}

/* one that waits; NULL: there is none, or none of that server */
static PvLdap *
ldap_pool_take_idle(LdapDirectory *directory, const char *server)
{
	PvLdap *found = NULL;
	g_mutex_lock(&directory->lock);
	for (GList *at = directory->idle.head; at != NULL && found == NULL; at = at->next)
		if (server == NULL || g_str_equal(pv_ldap_get_server(at->data), server))
			found = at->data;
	if (found != NULL)
		g_queue_remove(&directory->idle, found);
	g_mutex_unlock(&directory->lock);
	return found;
}

/* Only a server that is out of reach is passed over: another would refuse the same login as well. */
static PvLdap *
ldap_pool_connect_any(LdapDirectory *directory, GCancellable *cancellable, GError **error)
{
	g_autoptr(GString) reasons = g_string_new(NULL);
	for (guint i = 0; directory->servers[i] != NULL; i++) {
		g_autoptr(GError) local = NULL;
		PvLdap *ldap =
		    ldap_pool_connect(directory, directory->servers[i], cancellable, &local);
		if (ldap != NULL)
			return ldap;
		if (!g_error_matches(local, PV_ERROR, PV_ERROR_UNREACHABLE)) {
			g_propagate_error(error, g_steal_pointer(&local));
			return NULL;
		}
		g_string_append_printf(reasons, "%s%s", i == 0 ? "" : "; ", local->message);
	}
	g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE,
	    "no server of the directory can be used: %s", reasons->str);
	return NULL;
}

PvLdap *
ldap_pool_take(
    LdapDirectory *directory, const char *server, GCancellable *cancellable, GError **error)
{
	for (PvLdap *ldap = NULL; (ldap = ldap_pool_take_idle(directory, server)) != NULL;) {
		if (ldap_pool_is_alive(ldap, cancellable))
			return ldap;
		pv_ldap_free(ldap);
		if (g_cancellable_set_error_if_cancelled(cancellable, error))
			return NULL;
	}
	if (server != NULL) {
		g_autoptr(GError) local = NULL;
		PvLdap *ldap = ldap_pool_connect(directory, server, cancellable, &local);
		if (ldap != NULL)
			return ldap;
		if (!g_error_matches(local, PV_ERROR, PV_ERROR_UNREACHABLE)) {
			g_propagate_error(error, g_steal_pointer(&local));
			return NULL;
		}
	}
	return ldap_pool_connect_any(directory, cancellable, error);
}

void
ldap_pool_give(LdapDirectory *directory, PvLdap *ldap)
{
	if (ldap == NULL)
		return;
	PvLdap *surplus = NULL;
	if (pv_ldap_is_dead(ldap)) {
		pv_ldap_free(ldap);
		return;
	}
	g_mutex_lock(&directory->lock);
	g_queue_push_head(&directory->idle, ldap);
	if (directory->idle.length > LDAP_MAX_IDLE)
		surplus = g_queue_pop_tail(&directory->idle);
	g_mutex_unlock(&directory->lock);
	pv_ldap_free(surplus);
}

void
ldap_pool_clear(LdapDirectory *directory)
{
	g_queue_clear_full(&directory->idle, (GDestroyNotify)pv_ldap_free);
	pv_kerberos_unref(directory->kerberos);
	g_mutex_clear(&directory->lock);
}
