/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/site.h"

#include <string.h>

/* The service's own login to Kerberos, by the account that the directory works with. */

#define SITE_KERBEROS_RETRY_USEC (G_GINT64_CONSTANT(60) * G_USEC_PER_SEC)

struct PvSiteKerberos {
	GMutex mutex; /* guards what follows; held during the login, so that a fleet logs in once */
	PvKerberos *kerberos; /* NULL: not needed yet, or it failed */
	GError *problem; /* of the last try; NULL: none */
	gint64 next_usec; /* monotonic: when it is tried again */
};

PvSiteKerberos *
pv_site_kerberos_new(void)
{
	PvSiteKerberos *own = g_new0(PvSiteKerberos, 1);
	g_mutex_init(&own->mutex);
	return own;
}

PvSiteKerberos *
pv_site_kerberos_new_fixed(PvKerberos *kerberos)
{
	PvSiteKerberos *own = pv_site_kerberos_new();
	own->kerberos = pv_kerberos_ref(kerberos);
	return own;
}

void
pv_site_kerberos_free(PvSiteKerberos *own)
{
	if (own == NULL)
		return;
	pv_kerberos_unref(own->kerberos);
	g_clear_error(&own->problem);
	g_mutex_clear(&own->mutex);
	g_free(own);
}

static gboolean
site_log_in(PvSite *site, GCancellable *cancellable, GError **error)
{
	PvSiteKerberos *own = site->kerberos;
	PvKerberosLogin login = { 0 };
	g_autoptr(GError) local = NULL;
	if (own->problem != NULL && g_get_monotonic_time() < own->next_usec) {
		g_propagate_error(error, g_error_copy(own->problem));
		return FALSE;
	}
	g_clear_error(&own->problem);
	if (site->directory->kerberos(site->directory_handle, &login, &local))
		own->kerberos = pv_kerberos_login(&login, cancellable, &local);
	if (own->kerberos != NULL)
		return TRUE;
	own->next_usec = g_get_monotonic_time() + SITE_KERBEROS_RETRY_USEC;
	if (!g_error_matches(local, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		own->problem = g_error_copy(local);
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

gboolean
pv_site_dup_kerberos(PvSite *site, PvKerberos **kerberos, GCancellable *cancellable, GError **error)
{
	PvSiteKerberos *own = site->kerberos;
	*kerberos = NULL;
	if (own == NULL)
		return TRUE;
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&own->mutex);
	if (own->kerberos == NULL &&
	    (site->directory == NULL || site->directory->kerberos == NULL ||
		site->directory_handle == NULL))
		return TRUE;
	if (own->kerberos == NULL && !site_log_in(site, cancellable, error))
		return FALSE;
	*kerberos = pv_kerberos_ref(own->kerberos);
	return TRUE;
}

PvKerberos *
pv_site_login_user(PvSite *site, GCancellable *cancellable, GError **error)
{
	PvKerberosLogin user = { .ccache = "" };
	PvKerberosLogin service = { 0 };
	g_autoptr(PvKerberos) kerberos = pv_kerberos_login(&user, cancellable, error);
	if (kerberos == NULL || site->directory == NULL || site->directory->kerberos == NULL ||
	    site->directory_handle == NULL ||
	    !site->directory->kerberos(site->directory_handle, &service, NULL))
		return g_steal_pointer(&kerberos);
	const char *realm = strrchr(pv_kerberos_get_principal(kerberos), '@');
	if (service.kdcs == NULL || realm == NULL || g_strcmp0(realm + 1, service.realm) != 0)
		return g_steal_pointer(&kerberos);
	user.realm = service.realm;
	user.kdcs = service.kdcs;
	user.timeout_msec = service.timeout_msec;
	return pv_kerberos_login(&user, cancellable, error);
}
