/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ldap-kadmin.h"
#include "ldap-private.h"

#include <string.h>

static void
ldap_close(gpointer handle)
{
	LdapDirectory *directory = handle;
	if (directory == NULL)
		return;
	ldap_pool_clear(directory);
	ldap_kadmin_free(directory->kadmin);
	g_strfreev(directory->servers);
	g_free(directory->trust);
	g_free(directory->user);
	g_clear_pointer(&directory->lent, pv_secret_unref);
	g_free(directory->keytab);
	g_free(directory->ccache);
	g_free(directory->realm);
	g_strfreev(directory->kdcs);
	g_free(directory->base);
	g_free(directory->ou);
	g_free(directory->group_base);
	g_free(directory->member);
	g_strfreev(directory->classes);
	g_free(directory->attributes.uuid);
	g_free(directory->attributes.fqdn);
	g_free(directory->attributes.spn);
	g_free(directory->attributes.address);
	g_free(directory->attributes.mac);
	g_free(directory->attributes.sid);
	g_free(directory);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LdapDirectory, ldap_close)

static gboolean
ldap_fail(const PvValues *values, const char *name, const char *text, GError **error)
{
	g_set_error(
	    error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s", pv_values_get_where(values, name), text);
	return FALSE;
}

static gboolean
ldap_check_dn(const PvValues *values, const char *name, GError **error)
{
	const char *dn = pv_values_get_string(values, name);
	return dn == NULL || pv_ldap_dn_equal(dn, dn) ||
	       ldap_fail(values, name, "a DN is wanted, such as ou=amt,dc=example,dc=com", error);
}

/* An attribute's name goes into filters as it is. */
static gboolean
ldap_read_name(const PvValues *values, const char *name, char **result, GError **error)
{
	const char *text = pv_values_get_string(values, name);
	if (text != NULL &&
	    !g_regex_match_simple("^[A-Za-z][A-Za-z0-9-]{0,62}$", text, G_REGEX_DOLLAR_ENDONLY, 0))
		return ldap_fail(
		    values, name, "an attribute's name is wanted: letters, digits, '-'", error);
	*result = g_strdup(text);
	return TRUE;
}

static gboolean
ldap_read_attributes(LdapDirectory *directory, const PvValues *values, GError **error)
{
	const PvValues *names = pv_values_get_object(values, "attributes", 0);
	LdapAttributes *attributes = &directory->attributes;
	if (names == NULL) {
		attributes->uuid = g_strdup("serialNumber");
		attributes->fqdn = g_strdup("associatedDomain");
		attributes->address = g_strdup("ipHostNumber");
		attributes->mac = g_strdup("macAddress");
		return TRUE;
	}
	return ldap_read_name(names, "uuid", &attributes->uuid, error) &&
	       ldap_read_name(names, "fqdn", &attributes->fqdn, error) &&
	       ldap_read_name(names, "spn", &attributes->spn, error) &&
	       ldap_read_name(names, "address", &attributes->address, error) &&
	       ldap_read_name(names, "mac", &attributes->mac, error) &&
	       ldap_read_name(names, "sid", &attributes->sid, error);
}

static gboolean
ldap_read_classes(LdapDirectory *directory, const PvValues *values, GError **error)
{
	directory->classes = g_strdupv((char **)pv_values_get_list(values, "classes"));
	if (directory->classes[0] == NULL)
		return ldap_fail(values, "classes",
		    "one class is needed at least, the structural one first", error);
	for (guint i = 0; directory->classes[i] != NULL; i++)
		if (!g_regex_match_simple("^[A-Za-z][A-Za-z0-9-]{0,62}$", directory->classes[i],
			G_REGEX_DOLLAR_ENDONLY, 0))
			return ldap_fail(
			    values, "classes", "a class's name has letters, digits and '-'", error);
	return TRUE;
}

/* A password and a DN over TLS, or Kerberos in either way; one of them. */
static gboolean
ldap_read_login(LdapDirectory *directory, const PvValues *values, GError **error)
{
	const char *security = pv_values_get_string(values, "security");
	directory->security = g_str_equal(security, "ldaps")	  ? PV_LDAP_TLS
			      : g_str_equal(security, "starttls") ? PV_LDAP_STARTTLS
								  : PV_LDAP_PLAIN;
	directory->trust = g_strdup(pv_values_get_string(values, "trust"));
	directory->user = g_strdup(pv_values_get_string(values, "user"));
	directory->keytab = g_strdup(pv_values_get_string(values, "keytab"));
	directory->ccache = g_strdup(pv_values_get_string(values, "credential-cache"));
	directory->realm = g_strdup(pv_values_get_string(values, "realm"));
	directory->kdcs = g_strdupv((char **)pv_values_get_list(values, "kdcs"));
	gboolean has_password = pv_values_has(values, "password");
	guint ways =
	    (directory->keytab != NULL) + (directory->ccache != NULL) + (has_password ? 1u : 0);
	if (ways != 1)
		return ldap_fail(values, "security",
		    "one of \"password\", \"keytab\" and \"credential-cache\" is wanted beside it",
		    error);
	if (has_password && directory->user == NULL)
		return ldap_fail(values, "password", "\"user\" is wanted, too", error);
	if (has_password && directory->security != PV_LDAP_PLAIN &&
	    !pv_ldap_dn_equal(directory->user, directory->user))
		return ldap_fail(values, "user",
		    "a DN is wanted, such as uid=provost,ou=people,dc=example,dc=com", error);
	return TRUE;
}

static gpointer
ldap_open(const PvValues *values, GError **error)
{
	g_autoptr(LdapDirectory) directory = g_new0(LdapDirectory, 1);
	directory->values = values;
	g_mutex_init(&directory->lock);
	g_queue_init(&directory->idle);
	directory->servers = g_strdupv((char **)pv_values_get_list(values, "servers"));
	if (directory->servers[0] == NULL) {
		ldap_fail(values, "servers", "one is needed at least", error);
		return NULL;
	}
	if (!ldap_check_dn(values, "base", error) || !ldap_check_dn(values, "ou", error) ||
	    !ldap_check_dn(values, "group-base", error) ||
	    !ldap_read_login(directory, values, error) ||
	    !ldap_read_attributes(directory, values, error) ||
	    !ldap_read_classes(directory, values, error))
		return NULL;
	directory->base = g_strdup(pv_values_get_string(values, "base"));
	directory->ou = g_strdup(pv_values_get_string(values, "ou"));
	const char *group_base = pv_values_get_string(values, "group-base");
	directory->group_base = g_strdup(group_base != NULL ? group_base : directory->base);
	directory->member = g_strdup(pv_values_get_string(values, "member"));
	directory->probe = pv_values_get_bool(values, "probe");
	directory->operation_msec = 1000 * (guint)pv_values_get_int(values, "timeout");
	const PvValues *kadmin = pv_values_get_object(values, "kadmin", 0);
	if (kadmin != NULL && (directory->kadmin = ldap_kadmin_new(kadmin, error)) == NULL)
		return NULL;
	return g_steal_pointer(&directory);
}

static gboolean
ldap_kerberos(gpointer handle, PvKerberosLogin *login, GError **error)
{
	LdapDirectory *directory = handle;
	if (!ldap_pool_is_kerberos(directory) && directory->kadmin != NULL) {
		ldap_kadmin_fill_login(directory->kadmin, login);
		return TRUE;
	}
	if (!ldap_pool_is_kerberos(directory)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "the directory's login is a DN with a password: for Kerberos, give it a "
		    "\"keytab\"");
		return FALSE;
	}
	g_autoptr(PvSecret) password = NULL;
	if (!ldap_pool_dup_password(directory, &password, error))
		return FALSE;
	g_mutex_lock(&directory->lock);
	if (directory->lent == NULL)
		directory->lent = g_steal_pointer(&password);
	g_mutex_unlock(&directory->lock);
	ldap_pool_fill_login(directory, directory->lent, login);
	return TRUE;
}

static const PvParam ldap_attribute_params[] = {
	{ "uuid", PV_PARAM_STRING, "\"serialNumber\"",
	    "the device's UUID, by which its account is found" },
	{ "fqdn", PV_PARAM_STRING, "\"associatedDomain\"", "its DNS name" },
	{ "spn", PV_PARAM_STRING, "null",
	    "service principal names; absent: they are kept nowhere" },
	{ "address", PV_PARAM_STRING, "\"ipHostNumber\"", "its IP address" },
	{ "mac", PV_PARAM_STRING, "\"macAddress\"", "its MAC address" },
	{ "sid", PV_PARAM_STRING, "null",
	    "SIDs of users and groups, such as sambaSID; absent: there are none" },
	{ NULL },
};

static const PvParam ldap_kadmin_params[] = {
	{ "realm", PV_PARAM_STRING, NULL,
	    "Kerberos realm of the devices, in upper case; krb5.conf has its KDCs" },
	{ "principal", PV_PARAM_STRING, NULL,
	    "of the service, with the rights \"adcim\" for HTTP/* in kadm5.acl" },
	{ "keytab", PV_PARAM_PATH, NULL, "keytab of that principal" },
	{ "kdcs", PV_PARAM_LIST, "[]",
	    "HOST or HOST:PORT, for logins at devices; empty: krb5.conf or DNS has them" },
	{ "server", PV_PARAM_STRING, "null",
	    "HOST or HOST:PORT of kadmind; absent: krb5.conf has it" },
	{ "timeout", PV_PARAM_INT, "15", "time limit of one session", .unit = "s", .minimum = 1,
	    .maximum = 300 },
	{ NULL },
};

static const PvParam ldap_params[] = {
	{ "servers", PV_PARAM_LIST, NULL,
	    "HOST or HOST:PORT, tried in this order; names as in their certificates" },
	{ "security", PV_PARAM_CHOICE, "\"ldaps\"",
	    "ldaps, starttls: encrypted by TLS; gssapi: without TLS, encrypted by Kerberos",
	    .choices = "ldaps|starttls|gssapi" },
	{ "trust", PV_PARAM_PATH, "null",
	    "PEM file with the roots of the servers' certificates; absent: the system's" },
	{ "user", PV_PARAM_STRING, "null",
	    "the service's account: a DN for a password over TLS, else a Kerberos name; absent: "
	    "the keytab's first" },
	{ "password", PV_PARAM_SECRET, "null", "of that account" },
	{ "keytab", PV_PARAM_PATH, "null", "keytab of that account, to log in by Kerberos" },
	{ "credential-cache", PV_PARAM_STRING, "null",
	    "Kerberos tickets that somebody else renews, such as FILE:/run/provost/cc" },
	{ "realm", PV_PARAM_STRING, "null",
	    "Kerberos realm, in upper case; absent: that of \"user\" or of the keytab" },
	{ "kdcs", PV_PARAM_LIST, "[]", "HOST or HOST:PORT; empty: krb5.conf or DNS has them" },
	{ "base", PV_PARAM_STRING, NULL, "DN below which accounts and users are looked for" },
	{ "ou", PV_PARAM_STRING, "null",
	    "container of accounts where the pipeline names none, a DN; never made" },
	{ "group-base", PV_PARAM_STRING, "null",
	    "DN below which groups are looked for; absent: \"base\"" },
	{ "member", PV_PARAM_CHOICE, "\"member\"", "attribute of groups with the DNs of members",
	    .choices = "member|uniqueMember" },
	{ "classes", PV_PARAM_LIST,
	    "[\"device\", \"ipHost\", \"ieee802Device\", \"domainRelatedObject\", "
	    "\"simpleSecurityObject\"]",
	    "object classes of accounts, the structural one first; ipHost is left out where the "
	    "address is not known" },
	{ "attributes", PV_PARAM_OBJECT, "null", "what is kept in which attribute; null: nowhere",
	    .fields = ldap_attribute_params },
	{ "kadmin", PV_PARAM_OBJECT, "null",
	    "MIT KDC that has a principal for each service name of a device; absent: none",
	    .fields = ldap_kadmin_params },
	{ "probe", PV_PARAM_BOOL, "true",
	    "whether a check makes an account, tries it and removes it" },
	{ "timeout", PV_PARAM_INT, "15", "time limit of one request", .unit = "s", .minimum = 1,
	    .maximum = 300 },
	{ NULL },
};

static const PvDirectory ldap_directories[] = {
	{
	    .type = "ldap",
	    .summary = "OpenLDAP, 389 Directory Server and their like",
	    .params = ldap_params,
	    .open = ldap_open,
	    .close = ldap_close,
	    .find = ldap_account_find,
	    .ensure = ldap_account_ensure,
	    .set_password = ldap_account_set_password,
	    .find_sid = ldap_find_sid,
	    .remove = ldap_account_remove,
	    .check = ldap_check,
	    .delegation = ldap_delegation,
	    .kerberos = ldap_kerberos,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "ldap", PV_VERSION, "directory of accounts by plain LDAP", .directories = ldap_directories);
