/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ad-netlogon.h"
#include "ad-private.h"

#include <string.h>

#define POOL_LOCATE_USEC (15 * 60 * G_USEC_PER_SEC) /* DNS and sites change seldom */
#define POOL_DOWN_USEC (30 * G_USEC_PER_SEC)
#define POOL_IDLE_USEC \
	(60 * G_USEC_PER_SEC) /* controllers drop idle clients after 15 minutes (MaxConnIdleTime) */
#define POOL_WAIT_USEC (30 * G_USEC_PER_SEC) /* for a connection that others have */
#define POOL_MAX_TRIES 8
#define POOL_CATALOG_USEC (5 * 60 * G_USEC_PER_SEC) /* until one is looked for again */
#define POOL_CATALOG_PORT 3268
#define POOL_CATALOG_TLS_PORT 3269

typedef struct {
	PvLdap *ldap; /* owned */
	char *host; /* owned */
	gboolean catalog;
	gboolean fresh; /* not used yet */
	gint64 idle_usec; /* monotonic; since when */
} AdConnection;

static void
pool_connection_free(AdConnection *connection)
{
	pv_ldap_free(connection->ldap);
	g_free(connection->host);
	g_free(connection);
}

static void
pool_domain_free(gpointer data)
{
	AdDomain *domain = data;
	g_free(domain->name);
	g_free(domain->base);
	g_clear_pointer(&domain->servers, g_ptr_array_unref);
	g_free(domain);
}

void
ad_pool_init(AdDirectory *ad)
{
	g_mutex_init(&ad->lock);
	g_cond_init(&ad->returned);
	ad->domains = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, pool_domain_free);
	ad->idle = g_ptr_array_new_with_free_func((GDestroyNotify)pool_connection_free);
	ad->logins = g_hash_table_new_full(
	    g_str_hash, g_str_equal, g_free, (GDestroyNotify)pv_kerberos_unref);
}

void
ad_pool_clear(AdDirectory *ad)
{
	g_clear_pointer(&ad->idle, g_ptr_array_unref);
	g_clear_pointer(&ad->logins, g_hash_table_unref);
	g_clear_pointer(&ad->domains, g_hash_table_unref);
	g_mutex_clear(&ad->lock);
	g_cond_clear(&ad->returned);
}

/* The controllers that the configuration names, in its order. */
static GPtrArray *
pool_list_configured(AdDirectory *ad)
{
	GPtrArray *servers = g_ptr_array_new_with_free_func((GDestroyNotify)ad_server_free);
	for (guint i = 0; ad->servers[i] != NULL; i++) {
		AdServer *server = g_new0(AdServer, 1);
		server->host = g_ascii_strdown(ad->servers[i], -1);
		g_ptr_array_add(servers, server);
	}
	return servers;
}

static gboolean
pool_is_located(const AdDomain *domain)
{
	gint64 now = g_get_monotonic_time();
	if (domain->servers == NULL || now - domain->located_usec > POOL_LOCATE_USEC)
		return FALSE;
	for (guint i = 0; i < domain->servers->len; i++)
		if (((AdServer *)domain->servers->pdata[i])->down_until_usec < now)
			return TRUE;
	/* all are down: perhaps there are others by now */
	return now - domain->located_usec < POOL_DOWN_USEC;
}

static AdDomain *
pool_get_domain(AdDirectory *ad, const char *name)
{
	AdDomain *domain = g_hash_table_lookup(ad->domains, name);
	if (domain != NULL)
		return domain;
	domain = g_new0(AdDomain, 1);
	domain->name = g_strdup(name);
	domain->base = ad_name_dup_base(name);
	g_hash_table_insert(ad->domains, domain->name, domain);
	return domain;
}

static gint
pool_compare_preferred(gconstpointer a, gconstpointer b, gpointer data)
{
	const AdServer *first = *(AdServer *const *)a, *second = *(AdServer *const *)b;
	gint64 now = g_get_monotonic_time();
	gboolean first_down = first->down_until_usec > now,
		 second_down = second->down_until_usec > now;
	if (first_down != second_down)
		return first_down ? 1 : -1;
	gboolean first_is = g_strcmp0(first->host, data) == 0,
		 second_is = g_strcmp0(second->host, data) == 0;
	return first_is == second_is ? 0 : first_is ? -1 : 1;
}

/* The controllers of a domain in the order in which to try them, copied. Looking for them happens without the lock, so
 * two threads may do it at once. */
static GPtrArray *
pool_list_servers(AdDirectory *ad, const char *name, const char *preferred,
    GCancellable *cancellable, GError **error)
{
	g_mutex_lock(&ad->lock);
	AdDomain *domain = pool_get_domain(ad, name);
	gboolean located = pool_is_located(domain);
	g_mutex_unlock(&ad->lock);
	g_autoptr(GPtrArray) found = NULL;
	if (!located && ad->servers[0] != NULL && g_str_equal(name, ad->domain))
		found = pool_list_configured(ad);
	else if (!located &&
		 (found = ad_locate(name, g_str_equal(name, ad->domain) ? ad->site : NULL,
		      cancellable, error)) == NULL)
		return NULL;
	GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)ad_server_free);
	g_mutex_lock(&ad->lock);
	if (found != NULL) {
		g_clear_pointer(&domain->servers, g_ptr_array_unref);
		domain->servers = g_steal_pointer(&found);
		domain->located_usec = g_get_monotonic_time();
	}
	for (guint i = 0; i < domain->servers->len; i++)
		g_ptr_array_add(list, ad_server_copy(domain->servers->pdata[i]));
	g_mutex_unlock(&ad->lock);
	g_ptr_array_sort_with_data(list, pool_compare_preferred, (gpointer)preferred);
	return list;
}

static void
pool_set_down(AdDirectory *ad, const char *name, const char *host)
{
	g_mutex_lock(&ad->lock);
	AdDomain *domain = pool_get_domain(ad, name);
	for (guint i = 0; domain->servers != NULL && i < domain->servers->len; i++) {
		AdServer *server = domain->servers->pdata[i];
		if (g_str_equal(server->host, host))
			server->down_until_usec = g_get_monotonic_time() + POOL_DOWN_USEC;
	}
	g_hash_table_remove(ad->logins, host);
	g_mutex_unlock(&ad->lock);
}

gboolean
ad_pool_has_server(AdDirectory *ad, const char *domain, const char *host)
{
	gboolean has = FALSE;
	g_mutex_lock(&ad->lock);
	const AdDomain *known = g_hash_table_lookup(ad->domains, domain);
	for (guint i = 0; known != NULL && known->servers != NULL && i < known->servers->len; i++)
		has = has || g_ascii_strcasecmp(((AdServer *)known->servers->pdata[i])->host, host) == 0;
	g_mutex_unlock(&ad->lock);
	return has;
}

char **
ad_pool_dup_hosts(AdDirectory *ad, GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) servers = pool_list_servers(ad, ad->domain, NULL, cancellable, error);
	if (servers == NULL)
		return NULL;
	g_autoptr(GPtrArray) hosts = g_ptr_array_new();
	for (guint i = 0; i < servers->len; i++)
		g_ptr_array_add(hosts, g_strdup(((AdServer *)servers->pdata[i])->host));
	g_ptr_array_add(hosts, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&hosts), FALSE);
}

/* The KDCs of the directory's own realm: the server that we are about to work with first, where it is one, so that the
 * ticket and the object come from the same replica. */
static char **
pool_dup_kdcs(
    AdDirectory *ad, const AdServer *server, const char *domain, GCancellable *cancellable)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) hosts = ad_pool_dup_hosts(ad, cancellable, &error);
	g_autoptr(GPtrArray) kdcs = g_ptr_array_new();
	if (g_str_equal(domain, ad->domain))
		g_ptr_array_add(kdcs, g_strdup(server->host));
	for (guint i = 0; hosts != NULL && hosts[i] != NULL; i++)
		if (!g_str_equal(hosts[i], server->host))
			g_ptr_array_add(kdcs, g_strdup(hosts[i]));
	g_ptr_array_add(kdcs, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&kdcs), FALSE);
}

static gboolean
pool_uses_kerberos(const AdDirectory *ad)
{
	return ad->security == AD_SECURITY_GSSAPI || ad->keytab != NULL || ad->ccache != NULL;
}

PvKerberos *
ad_pool_find_login(AdDirectory *ad, const char *host)
{
	g_mutex_lock(&ad->lock);
	PvKerberos *known = g_hash_table_lookup(ad->logins, host);
	if (known != NULL)
		pv_kerberos_ref(known);
	g_mutex_unlock(&ad->lock);
	return known;
}

/* A login whose tickets come from that server. */
static PvKerberos *
pool_login(AdDirectory *ad, const AdServer *server, const char *domain, GCancellable *cancellable,
    GError **error)
{
	PvKerberos *known = ad_pool_find_login(ad, server->host);
	if (known != NULL)
		return known;
	g_auto(GStrv) kdcs = pool_dup_kdcs(ad, server, domain, cancellable);
	PvKerberosLogin login = {
		.realm = ad->realm,
		.principal = ad->user,
		.keytab = ad->keytab,
		.ccache = ad->ccache,
		.password = ad->keytab == NULL && ad->ccache == NULL ? ad->password : NULL,
		/* other realms, where the accounts of child domains are, are found by DNS */
		.kdcs = kdcs[0] != NULL && g_ascii_strcasecmp(ad->realm, ad->domain) == 0
			    ? (const char *const *)kdcs
			    : NULL,
	};
	PvKerberos *kerberos = pv_kerberos_login(&login, cancellable, error);
	if (kerberos == NULL)
		return NULL;
	g_mutex_lock(&ad->lock);
	g_hash_table_replace(ad->logins, g_strdup(server->host), pv_kerberos_ref(kerberos));
	g_mutex_unlock(&ad->lock);
	return kerberos;
}

/* What was refused is asked for anew next time: a keytab, or a membership, may have changed. */
static void
pool_forget_login(AdDirectory *ad, const char *host)
{
	g_mutex_lock(&ad->lock);
	g_hash_table_remove(ad->logins, host);
	g_mutex_unlock(&ad->lock);
}

static PvLdap *
pool_connect(AdDirectory *ad, const AdServer *server, const char *domain, gboolean catalog,
    GCancellable *cancellable, GError **error)
{
	g_autoptr(PvKerberos) kerberos = NULL;
	if (pool_uses_kerberos(ad) &&
	    (kerberos = pool_login(ad, server, domain, cancellable, error)) == NULL)
		return NULL;
	PvLdapOptions options = {
		.host = server->host,
		.address = server->address,
		.port = !catalog			  ? 0
			: ad->security == AD_SECURITY_TLS ? POOL_CATALOG_TLS_PORT
							  : POOL_CATALOG_PORT,
		.security = ad->security == AD_SECURITY_GSSAPI ? PV_LDAP_PLAIN
			    : ad->security == AD_SECURITY_TLS  ? PV_LDAP_TLS
							       : PV_LDAP_STARTTLS,
		.trust = ad->trust,
		.bind_dn = kerberos == NULL ? ad->user : NULL,
		.password = kerberos == NULL ? ad->password : NULL,
		.kerberos = kerberos,
		.operation_msec = ad->operation_msec,
	};
	PvLdap *ldap = pv_ldap_connect(&options, cancellable, error);
	if (ldap == NULL && kerberos != NULL)
		pool_forget_login(ad, server->host);
	return ldap;
}

static void
pool_close(AdDirectory *ad, AdConnection *connection)
{
	pool_connection_free(connection);
	g_mutex_lock(&ad->lock);
	ad->open--;
	g_cond_signal(&ad->returned);
	g_mutex_unlock(&ad->lock);
}

/* An idle connection to that server that is not stale; under the lock. */
static AdConnection *
pool_take_idle(AdDirectory *ad, const char *host, gboolean catalog)
{
	gint64 now = g_get_monotonic_time();
	for (guint i = ad->idle->len; i > 0; i--) {
		AdConnection *connection = ad->idle->pdata[i - 1];
		if (connection->catalog != catalog || !g_str_equal(connection->host, host) ||
		    now - connection->idle_usec > POOL_IDLE_USEC)
			continue;
		g_ptr_array_steal_index(ad->idle, i - 1);
		return connection;
	}
	return NULL;
}

/* Takes the right to open one more; an idle one of another server goes for it. */
static gboolean
pool_take_place(AdDirectory *ad, GCancellable *cancellable, GError **error)
{
	gint64 until = g_get_monotonic_time() + POOL_WAIT_USEC;
	AdConnection *spare = NULL;
	gboolean ok = FALSE, late = FALSE;
	g_mutex_lock(&ad->lock);
	while (!ok && !late && !g_cancellable_is_cancelled(cancellable)) {
		if (ad->open < ad->max_connections) {
			ad->open++;
			ok = TRUE;
		} else if (ad->idle->len > 0) {
			spare = g_ptr_array_steal_index(ad->idle, 0);
			ok = TRUE;
		} else {
			late = g_get_monotonic_time() > until;
			/* woken by whoever returns one, and now and then to look at the cancellable */
			if (!late)
				(void)g_cond_wait_until(&ad->returned, &ad->lock,
				    g_get_monotonic_time() + G_USEC_PER_SEC / 10);
		}
	}
	g_mutex_unlock(&ad->lock);
	if (spare != NULL)
		pool_connection_free(spare);
	if (!ok && !g_cancellable_set_error_if_cancelled(cancellable, error))
		g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE,
		    "connect to %s: all %u connections are busy: raise \"connections\", or let "
		    "fewer jobs run at once",
		    ad->domain, ad->max_connections);
	return ok;
}

static AdConnection *
pool_take(AdDirectory *ad, const AdServer *server, const char *domain, gboolean catalog,
    gboolean anew, gboolean *busy, GCancellable *cancellable, GError **error)
{
	g_mutex_lock(&ad->lock);
	AdConnection *idle = anew ? NULL : pool_take_idle(ad, server->host, catalog);
	g_mutex_unlock(&ad->lock);
	if (idle != NULL)
		return idle;
	*busy = !pool_take_place(ad, cancellable, error);
	if (*busy)
		return NULL;
	AdConnection *connection = g_new0(AdConnection, 1);
	connection->host = g_strdup(server->host);
	connection->catalog = catalog;
	connection->fresh = TRUE;
	connection->ldap = pool_connect(ad, server, domain, catalog, cancellable, error);
	if (connection->ldap != NULL)
		return connection;
	pool_close(ad, connection);
	return NULL;
}

static void
pool_return(AdDirectory *ad, AdConnection *connection)
{
	if (pv_ldap_is_dead(connection->ldap)) {
		pool_close(ad, connection);
		return;
	}
	connection->fresh = FALSE;
	connection->idle_usec = g_get_monotonic_time();
	g_mutex_lock(&ad->lock);
	g_ptr_array_add(ad->idle, connection);
	g_cond_signal(&ad->returned);
	g_mutex_unlock(&ad->lock);
}

typedef enum {
	POOL_DONE, /* for good or bad */
	POOL_AGAIN, /* at the same server, by a new connection */
	POOL_NEXT, /* this server does not answer */
} PoolResult;

static PoolResult
pool_try(AdSession *session, const AdServer *server, gboolean catalog, gboolean anew, AdWork work,
    gpointer data, gboolean *ok, GCancellable *cancellable, GError **error)
{
	AdDirectory *ad = session->ad;
	g_autoptr(GError) caught = NULL;
	const char *domain = session->domain != NULL ? session->domain : ad->domain;
	gboolean busy = FALSE;
	AdConnection *connection =
	    pool_take(ad, server, domain, catalog, anew, &busy, cancellable, &caught);
	gboolean fresh = connection == NULL || connection->fresh;
	*ok = FALSE;
	if (connection != NULL) {
		session->ldap = connection->ldap;
		session->server = connection->host;
		*ok = work(session, data, cancellable, &caught);
		if (*ok || !g_error_matches(caught, PV_ERROR, PV_ERROR_UNREACHABLE))
			pool_return(ad, connection);
		else
			pool_close(ad, connection);
	}
	if (*ok)
		return POOL_DONE;
	/* where all connections are in use no server is to blame */
	PoolResult result =
	    busy || !g_error_matches(caught, PV_ERROR, PV_ERROR_UNREACHABLE) ? POOL_DONE
	    : fresh							     ? POOL_NEXT
									     : POOL_AGAIN;
	g_propagate_error(error, g_steal_pointer(&caught));
	return result;
}

/* Asks one after the other. FALSE without an error: there are none. */
static gboolean
pool_run(AdSession *session, GPtrArray *servers, gboolean catalog, AdWork work, gpointer data,
    GCancellable *cancellable, GError **error)
{
	g_autoptr(GError) last = NULL;
	guint at = 0;
	gboolean anew = FALSE, again = FALSE;
	for (guint i = 0; i < POOL_MAX_TRIES && at < servers->len; i++) {
		const AdServer *server = servers->pdata[at];
		gboolean ok = FALSE;
		g_clear_error(&last);
		PoolResult result =
		    pool_try(session, server, catalog, anew, work, data, &ok, cancellable, &last);
		if (ok)
			return TRUE;
		if (result == POOL_DONE)
			break;
		/* what was written, and whether, is known to that server alone */
		if (session->wrote && again)
			break;
		again = session->wrote;
		anew = result == POOL_AGAIN || session->wrote;
		if (anew)
			continue;
		if (!catalog)
			pool_set_down(session->ad, session->domain, server->host);
		at++;
	}
	if (last != NULL)
		g_propagate_error(error, g_steal_pointer(&last));
	return FALSE;
}

gboolean
ad_pool_run(AdDirectory *ad, const char *domain, const char *preferred, AdWork work, gpointer data,
    GCancellable *cancellable, GError **error)
{
	g_autofree char *name = g_ascii_strdown(domain != NULL ? domain : ad->domain, -1);
	g_autofree char *base = ad_name_dup_base(name);
	g_autoptr(GPtrArray) servers = pool_list_servers(ad, name, preferred, cancellable, error);
	if (servers == NULL)
		return FALSE;
	AdSession session = { .ad = ad, .domain = name, .base = base };
	return pool_run(&session, servers, FALSE, work, data, cancellable, error);
}

/* Whether a catalog is worth asking: not again and again where none answered just now. */
static gboolean
pool_may_have_catalog(AdDirectory *ad)
{
	g_mutex_lock(&ad->lock);
	gboolean may = g_get_monotonic_time() >= ad->catalog_down_until_usec;
	g_mutex_unlock(&ad->lock);
	return may;
}

static void
pool_set_catalog_down(AdDirectory *ad)
{
	g_mutex_lock(&ad->lock);
	ad->catalog_down_until_usec = g_get_monotonic_time() + POOL_CATALOG_USEC;
	g_mutex_unlock(&ad->lock);
}

gboolean
ad_pool_run_catalog(
    AdDirectory *ad, AdWork work, gpointer data, GCancellable *cancellable, GError **error)
{
	if (!pool_may_have_catalog(ad))
		return FALSE;
	g_autoptr(GPtrArray) servers = pool_list_servers(ad, ad->domain, NULL, cancellable, error);
	if (servers == NULL)
		return FALSE;
	/* those that said that they are none are left out; of those that were not asked nothing is known */
	for (guint i = servers->len; i > 0; i--) {
		const AdServer *server = servers->pdata[i - 1];
		if (server->flags != 0 && (server->flags & AD_NETLOGON_GC) == 0)
			g_ptr_array_remove_index(servers, i - 1);
	}
	g_autoptr(GError) caught = NULL;
	AdSession session = { .ad = ad, .domain = NULL, .base = (char *)"" };
	if (pool_run(&session, servers, TRUE, work, data, cancellable, &caught))
		return TRUE;
	/* a controller that is no catalog has nobody at that port */
	if (caught != NULL && !g_error_matches(caught, PV_ERROR, PV_ERROR_UNREACHABLE))
		g_propagate_error(error, g_steal_pointer(&caught));
	else
		pool_set_catalog_down(ad);
	return FALSE;
}
