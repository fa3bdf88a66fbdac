/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ad-private.h"

#include <string.h>

enum { /* msDS-SupportedEncryptionTypes (MS-KILE 2.2.7) */
	AD_RC4 = 4,
	AD_AES128 = 8,
	AD_AES256 = 16,
};

static void
ad_partitions_free(AdDirectory *ad)
{
	g_clear_pointer(&ad->partitions, g_ptr_array_unref);
}

static void
ad_close(gpointer directory)
{
	AdDirectory *ad = directory;
	if (ad == NULL)
		return;
	ad_pool_clear(ad);
	ad_partitions_free(ad);
	g_free(ad->domain);
	g_free(ad->base);
	g_strfreev(ad->servers);
	g_free(ad->site);
	g_free(ad->trust);
	g_free(ad->user);
	g_free(ad->keytab);
	g_free(ad->ccache);
	g_clear_pointer(&ad->password, pv_secret_unref);
	g_free(ad->ou);
	g_strfreev(ad->service_groups);
	g_strfreev(ad->kdcs);
	g_free(ad->realm);
	g_free(ad);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AdDirectory, ad_close)

static gboolean
ad_fail(const PvValues *values, const char *name, const char *text, GError **error)
{
	g_set_error(
	    error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s", pv_values_get_where(values, name), text);
	return FALSE;
}

static gboolean
ad_read_types(AdDirectory *ad, const PvValues *values, GError **error)
{
	const char *const *types = pv_values_get_list(values, "encryption-types");
	for (guint i = 0; types[i] != NULL; i++) {
		if (g_str_equal(types[i], "aes256"))
			ad->encryption_types |= AD_AES256;
		else if (g_str_equal(types[i], "aes128"))
			ad->encryption_types |= AD_AES128;
		else if (g_str_equal(types[i], "rc4"))
			ad->encryption_types |= AD_RC4;
		else
			return ad_fail(
			    values, "encryption-types", "aes256, aes128 and rc4 are known", error);
	}
	return TRUE;
}

static gboolean
ad_read_servers(AdDirectory *ad, const PvValues *values, GError **error)
{
	ad->servers = g_strdupv((char **)pv_values_get_list(values, "servers"));
	for (guint i = 0; ad->servers[i] != NULL; i++)
		if (!ad_name_check_domain(
			ad->servers[i], pv_values_get_where(values, "servers"), error) ||
		    strchr(ad->servers[i], '.') == NULL ||
		    g_hostname_is_ip_address(ad->servers[i])) {
			g_clear_error(error);
			return ad_fail(values, "servers",
			    "a full DNS name is wanted, such as dc1.example.com: certificate and "
			    "tickets are for that",
			    error);
		}
	ad->site = g_strdup(pv_values_get_string(values, "site"));
	if (ad->site != NULL &&
	    !g_regex_match_simple("^[A-Za-z0-9_-]{1,63}$", ad->site, G_REGEX_DOLLAR_ENDONLY, 0))
		return ad_fail(
		    values, "site", "a site's name has letters, digits, '-' and '_'", error);
	return TRUE;
}

/* How the service logs in: by one of three, and by a password only where it is encrypted. */
static gboolean
ad_read_login(AdDirectory *ad, const PvValues *values, GError **error)
{
	const char *security = pv_values_get_string(values, "security");
	ad->security = g_str_equal(security, "ldaps")	   ? AD_SECURITY_TLS
		       : g_str_equal(security, "starttls") ? AD_SECURITY_STARTTLS
							   : AD_SECURITY_GSSAPI;
	ad->trust = g_strdup(pv_values_get_string(values, "trust"));
	ad->keytab = g_strdup(pv_values_get_string(values, "keytab"));
	ad->ccache = g_strdup(pv_values_get_string(values, "credential-cache"));
	ad->user = g_strdup(pv_values_get_string(values, "user"));
	gboolean has_password = pv_values_has(values, "password");
	guint ways = (ad->keytab != NULL) + (ad->ccache != NULL) + (has_password ? 1u : 0);
	if (ways != 1)
		return ad_fail(values, "security",
		    "one of \"keytab\", \"credential-cache\" and \"password\" is wanted beside it",
		    error);
	if (has_password && ad->user == NULL)
		return ad_fail(values, "password", "\"user\" is wanted, too", error);
	if (ad->security == AD_SECURITY_GSSAPI && ad->user != NULL &&
	    strpbrk(ad->user, "\\=") != NULL)
		return ad_fail(values, "user",
		    "for Kerberos a name such as svc-amt or svc-amt@EXAMPLE.COM is wanted", error);
	const char *at = ad->user == NULL ? NULL : strrchr(ad->user, '@');
	ad->realm = g_ascii_strup(at == NULL ? ad->domain : at + 1, -1);
	if (has_password &&
	    (ad->password = pv_values_dup_secret(values, "password", error)) == NULL)
		return FALSE;
	/* a simple bind takes a DN, DOMAIN\NAME or NAME@DOMAIN (MS-ADTS 5.1.1.1.1) */
	if (has_password && ad->security != AD_SECURITY_GSSAPI &&
	    strpbrk(ad->user, "@\\=") == NULL) {
		g_autofree char *name = g_steal_pointer(&ad->user);
		ad->user = g_strdup_printf("%s@%s", name, ad->domain);
	}
	return TRUE;
}

static gpointer
ad_open(const PvValues *values, GError **error)
{
	g_autoptr(AdDirectory) ad = g_new0(AdDirectory, 1);
	ad_pool_init(ad);
	ad->domain = g_ascii_strdown(pv_values_get_string(values, "domain"), -1);
	if (!ad_name_check_domain(ad->domain, pv_values_get_where(values, "domain"), error) ||
	    !ad_read_servers(ad, values, error) || !ad_read_login(ad, values, error) ||
	    !ad_read_types(ad, values, error))
		return NULL;
	ad->base = ad_name_dup_base(ad->domain);
	const char *ou = pv_values_get_string(values, "ou");
	ad->ou = ou == NULL ? g_strconcat("CN=Computers,", ad->base, NULL)
			    : ad_name_dup_container(ou, ad->base, error);
	if (ad->ou == NULL) {
		g_prefix_error(error, "%s: ", pv_values_get_where(values, "ou"));
		return NULL;
	}
	ad->reuse_any = g_str_equal(pv_values_get_string(values, "reuse"), "any");
	ad->search_forest = g_str_equal(pv_values_get_string(values, "search"), "forest");
	ad->never_expires = pv_values_get_bool(values, "never-expires");
	ad->probe = pv_values_get_bool(values, "probe");
	ad->service_groups = g_strdupv((char **)pv_values_get_list(values, "service-groups"));
	ad->max_connections = (guint)pv_values_get_int(values, "connections");
	ad->operation_msec = 1000 * (guint)pv_values_get_int(values, "timeout");
	return g_steal_pointer(&ad);
}

gboolean
ad_kerberos(gpointer directory, PvKerberosLogin *login, GError **error)
{
	AdDirectory *ad = directory;
	g_autoptr(GError) caught = NULL;
	if (ad->user != NULL && strpbrk(ad->user, "\\=") != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "log in by Kerberos: the directory's \"user\" must be NAME or NAME@REALM for "
		    "that");
		return FALSE;
	}
	g_auto(GStrv) hosts = ad->realm != NULL && g_ascii_strcasecmp(ad->realm, ad->domain) == 0
				  ? ad_pool_dup_hosts(ad, NULL, &caught)
				  : NULL;
	g_mutex_lock(&ad->lock);
	if (ad->kdcs == NULL)
		ad->kdcs = g_steal_pointer(&hosts);
	g_mutex_unlock(&ad->lock);
	*login = (PvKerberosLogin) {
		.realm = ad->realm,
		.principal = ad->user,
		.keytab = ad->keytab,
		.ccache = ad->ccache,
		.password = ad->password,
		.kdcs = (const char *const *)ad->kdcs,
	};
	return TRUE;
}

static const PvParam ad_params[] = {
	{ "domain", PV_PARAM_STRING, NULL, "DNS name of the domain, such as example.com" },
	{ "servers", PV_PARAM_LIST, "[]",
	    "its domain controllers, by full DNS name, in this order; empty: DNS has them" },
	{ "site", PV_PARAM_STRING, "null",
	    "site whose controllers are taken first; absent: the one this computer is in" },
	{ "security", PV_PARAM_CHOICE, "\"gssapi\"",
	    "gssapi: LDAP encrypted by Kerberos; ldaps, starttls: by TLS",
	    .choices = "gssapi|ldaps|starttls" },
	{ "trust", PV_PARAM_PATH, "null",
	    "PEM file with the roots of the controllers' certificates; absent: the system's" },
	{ "user", PV_PARAM_STRING, "null",
	    "the service's account, NAME or NAME@REALM; absent: the keytab's first, the cache's "
	    "own" },
	{ "keytab", PV_PARAM_PATH, "null", "keytab of that account" },
	{ "credential-cache", PV_PARAM_STRING, "null",
	    "Kerberos tickets that somebody else renews, such as FILE:/run/provost/cc" },
	{ "password", PV_PARAM_SECRET, "null", "password of that account" },
	{ "ou", PV_PARAM_STRING, "null",
	    "container of accounts where the pipeline names none, a DN; the domain's part may be "
	    "left out; absent: "
	    "CN=Computers" },
	{ "reuse", PV_PARAM_CHOICE, "\"own\"",
	    "accounts that are there already: own: only those made for the device; any: all of "
	    "that name",
	    .choices = "own|any" },
	{ "search", PV_PARAM_CHOICE, "\"forest\"",
	    "where duplicate service names are looked for before one is written",
	    .choices = "forest|domain" },
	{ "encryption-types", PV_PARAM_LIST, "[\"aes256\", \"aes128\"]",
	    "of the accounts' keys: aes256, aes128, rc4; empty: the domain's choice" },
	{ "never-expires", PV_PARAM_BOOL, "true", "whether passwords of accounts never expire" },
	{ "service-groups", PV_PARAM_LIST, "[]",
	    "groups of provisioning services; the first is who gets rights delegated" },
	{ "probe", PV_PARAM_BOOL, "true",
	    "whether a check makes an account in each container and deletes it, or only reads" },
	{ "connections", PV_PARAM_INT, "8", "at the same time, at most", .minimum = 1,
	    .maximum = 64 },
	{ "timeout", PV_PARAM_INT, "15", "time limit of one request", .unit = "s", .minimum = 1,
	    .maximum = 300 },
	{ NULL },
};

static const PvDirectory ad_directories[] = {
	{
	    .type = "ad",
	    .summary = "Active Directory, of Microsoft or Samba",
	    .params = ad_params,
	    .open = ad_open,
	    .close = ad_close,
	    .find = ad_object_find,
	    .ensure = ad_object_ensure,
	    .set_password = ad_object_set_password,
	    .find_sid = ad_find_sid,
	    .remove = ad_object_remove,
	    .check = ad_check,
	    .delegation = ad_delegation,
	    .kerberos = ad_kerberos,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "ad", PV_VERSION, "accounts of devices in Active Directory", .directories = ad_directories);
