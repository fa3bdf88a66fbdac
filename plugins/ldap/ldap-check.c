/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ldap-kadmin.h"
#include "ldap-private.h"

#include <string.h>

/* ---- SIDs ---- */

/* What is looked for of DOMAIN\name and name@realm. (transfer full) */
static char *
ldap_check_dup_short_name(const char *name)
{
	const char *slash = strchr(name, '\\');
	const char *at = strchr(name, '@');
	if (slash != NULL)
		return g_strdup(slash + 1);
	return at != NULL && at != name ? g_strndup(name, (gsize)(at - name)) : g_strdup(name);
}

static GPtrArray *
ldap_check_search_name(LdapDirectory *directory, PvLdap *ldap, const char *name,
    GCancellable *cancellable, GError **error)
{
	const char *attributes[] = { directory->attributes.sid, NULL };
	g_autofree char *name_only = ldap_check_dup_short_name(name);
	g_autofree char *escaped = pv_ldap_dup_filter_value(name_only);
	g_autofree char *filter = g_strdup_printf(
	    "(&(%s=*)(|(uid=%s)(cn=%s)))", directory->attributes.sid, escaped, escaped);
	if (!pv_ldap_dn_equal(name, name))
		return pv_ldap_search(ldap, directory->base, PV_LDAP_SUBTREE, filter, attributes,
		    10, cancellable, error);
	g_autoptr(GPtrArray) found =
	    g_ptr_array_new_with_free_func((GDestroyNotify)pv_ldap_entry_unref);
	gboolean missing = FALSE;
	PvLdapEntry *entry = pv_ldap_read(ldap, name, attributes, &missing, cancellable, error);
	if (entry == NULL && !missing)
		return NULL;
	if (entry != NULL)
		g_ptr_array_add(found, entry);
	return g_steal_pointer(&found);
}

/* (transfer full): the SID, or NULL with CONFIG */
static char *
ldap_check_take_sid(
    const LdapDirectory *directory, const char *name, GPtrArray *found, GError **error)
{
	const char *sid =
	    found->len == 1 ? pv_ldap_entry_get(found->pdata[0], directory->attributes.sid) : NULL;
	if (sid != NULL &&
	    g_regex_match_simple("^S-1-[0-9]+(-[0-9]+){1,15}$", sid, G_REGEX_DOLLAR_ENDONLY, 0))
		return g_strdup(sid);
	if (found->len == 0)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "nobody in \"%s\" is called \"%s\" and has %s", directory->base, name,
		    directory->attributes.sid);
	else if (found->len > 1)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "there are several \"%s\", such as \"%s\" and \"%s\": name it by its DN", name,
		    pv_ldap_entry_get_dn(found->pdata[0]), pv_ldap_entry_get_dn(found->pdata[1]));
	else
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s of \"%s\" is no SID such as S-1-5-21-...", directory->attributes.sid,
		    pv_ldap_entry_get_dn(found->pdata[0]));
	return NULL;
}

char *
ldap_find_sid(gpointer handle, const char *name, GCancellable *cancellable, GError **error)
{
	LdapDirectory *directory = handle;
	if (g_str_has_prefix(name, "S-1-"))
		return g_strdup(name);
	if (directory->attributes.sid == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "look up the SID of \"%s\": a plain LDAP directory has no SIDs, and AMT knows "
		    "directory users "
		    "by them alone: give people Digest users (\"user\" in place of \"group\") over "
		    "TLS, or where "
		    "entries have one, such as sambaSID, name it in \"attributes\" of the site's "
		    "directory",
		    name);
		return NULL;
	}
	PvLdap *ldap = ldap_pool_take(directory, NULL, cancellable, error);
	if (ldap == NULL)
		return NULL;
	g_autoptr(GPtrArray) found =
	    ldap_check_search_name(directory, ldap, name, cancellable, error);
	ldap_pool_give(directory, ldap);
	char *sid = found != NULL ? ldap_check_take_sid(directory, name, found, error) : NULL;
	if (sid == NULL)
		g_prefix_error(error, "look up the SID of \"%s\": ", name);
	return sid;
}

/* ---- the check ---- */

typedef struct {
	LdapDirectory *directory;
	PvLdap *ldap;
	PvReport *report;
	GCancellable *cancellable;
	const PvDirectoryNeeds *needs;
} LdapCheck;

/* a row for what could not be done; TRUE when the check can go on */
static void
ldap_check_fail(LdapCheck *check, const char *what, const char *object, const GError *error)
{
	pv_report_add(check->report, PV_REPORT_FAILURE, what, object, "%s", error->message);
}

/* Does what will be done for a device with an entry of its own, and takes it away again: no other way shows the rights
 * that the server's rules leave. NULL: the account could not be made. */
static void
ldap_check_probe(LdapCheck *check, const char *ou)
{
	static const char *const none[] = { NULL };
	g_autofree char *uuid = g_uuid_string_random();
	g_autofree char *name = g_strdup_printf("provost-check-%.8s", uuid);
	g_autofree char *fqdn = g_strdup_printf("%s.invalid", name);
	g_autofree char *spn = g_strdup_printf("HTTP/%s:16993", fqdn);
	const char *spns[] = { spn, NULL };
	PvAccountSpec spec = { .uuid = uuid,
		.name = name,
		.fqdn = fqdn,
		.ou = ou,
		.spns = spns,
		.groups = check->needs->groups[0] != NULL ? check->needs->groups : none,
		.address = "192.0.2.1",
		.mac = "02:00:00:00:00:01" };
	g_autoptr(GError) error = NULL;
	g_autoptr(PvAccount) account = NULL;
	g_autoptr(PvSecret) password = pv_secret_new(uuid, -1);
	if (!ldap_account_ensure(check->directory, &spec, &account, check->cancellable, &error))
		ldap_check_fail(check, "create accounts", ou, error);
	else
		pv_report_add(check->report, PV_REPORT_OK, "create accounts", ou,
		    "one was made, with its groups");
	if (account != NULL && !ldap_account_set_password(
				   check->directory, &spec, password, check->cancellable, &error))
		ldap_check_fail(check, "set passwords", ou, error);
	else if (account != NULL)
		pv_report_add(
		    check->report, PV_REPORT_OK, "set passwords", ou, "one was set and works");
	g_clear_error(&error);
	if (!ldap_account_remove(check->directory, &spec, check->cancellable, &error))
		ldap_check_fail(check, "remove accounts", ou, error);
	else if (account != NULL)
		pv_report_add(check->report, PV_REPORT_OK, "remove accounts", ou, "it was removed");
}

static void
ldap_check_container(LdapCheck *check, const char *ou)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvLdapEntry) entry = pv_ldap_read(check->ldap, ou,
	    (const char *const[]) { "1.1", NULL }, NULL, check->cancellable, &error);
	if (entry == NULL) {
		ldap_check_fail(check, "container", ou, error);
		return;
	}
	pv_report_add(check->report, PV_REPORT_OK, "container", ou, "it is there");
	if (check->directory->probe)
		ldap_check_probe(check, ou);
}

static void
ldap_check_group(LdapCheck *check, const char *group)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *dn =
	    ldap_group_find(check->directory, check->ldap, group, check->cancellable, &error);
	if (dn == NULL)
		ldap_check_fail(check, "group", group, error);
	else
		pv_report_add(check->report, PV_REPORT_OK, "group", group, "it is \"%s\"", dn);
}

static void
ldap_check_name(LdapCheck *check, const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *sid = ldap_find_sid(check->directory, name, check->cancellable, &error);
	if (sid == NULL)
		ldap_check_fail(check, "SID", name, error);
	else
		pv_report_add(check->report, PV_REPORT_OK, "SID", name, "%s", sid);
}

static void
ldap_check_identity(LdapCheck *check)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *identity = pv_ldap_dup_identity(check->ldap, check->cancellable, &error);
	const char *server = pv_ldap_get_server(check->ldap);
	if (identity != NULL && *identity == '\0')
		pv_report_add(check->report, PV_REPORT_FAILURE, "login", server,
		    "the server takes the login for an anonymous one: let it map the service's "
		    "account to an entry");
	else
		pv_report_add(check->report, PV_REPORT_OK, "login", server, "as %s",
		    identity != NULL ? identity : check->directory->user);
}

/* Every server by itself, so that a standby that would fail is found before it is needed. */
static void
ldap_check_servers(LdapCheck *check)
{
	for (guint i = 0; check->directory->servers[i] != NULL; i++) {
		const char *server = check->directory->servers[i];
		g_autoptr(GError) error = NULL;
		g_autoptr(PvLdap) ldap =
		    ldap_pool_connect(check->directory, server, check->cancellable, &error);
		if (ldap == NULL)
			ldap_check_fail(check, "server", server, error);
		else
			pv_report_add(check->report, PV_REPORT_OK, "server", server, "it answers");
	}
}

gboolean
ldap_check(gpointer handle, const PvDirectoryNeeds *needs, PvReport *report,
    GCancellable *cancellable, GError **error)
{
	LdapCheck check = {
		.directory = handle, .report = report, .cancellable = cancellable, .needs = needs
	};
	ldap_check_servers(&check);
	check.ldap = ldap_pool_take(handle, NULL, cancellable, error);
	if (check.ldap == NULL)
		return FALSE;
	ldap_check_identity(&check);
	for (guint i = 0; needs->groups[i] != NULL; i++)
		ldap_check_group(&check, needs->groups[i]);
	for (guint i = 0; needs->ous[i] != NULL; i++)
		ldap_check_container(&check, needs->ous[i]);
	if (needs->ous[0] == NULL && check.directory->ou != NULL)
		ldap_check_container(&check, check.directory->ou);
	for (guint i = 0; needs->names[i] != NULL; i++)
		ldap_check_name(&check, needs->names[i]);
	ldap_pool_give(handle, check.ldap);
	if (check.directory->kadmin != NULL)
		ldap_kadmin_check(
		    check.directory->kadmin, check.directory->probe, report, cancellable);
	return TRUE;
}

/* ---- what the server's administrator grants ---- */

/* by the server's own account of who we are, for a login by Kerberos is mapped there. (transfer full) */
static char *
ldap_check_dup_user(LdapDirectory *directory, GCancellable *cancellable, GError **error)
{
	if (directory->user != NULL && pv_ldap_dn_equal(directory->user, directory->user))
		return g_strdup(directory->user);
	PvLdap *ldap = ldap_pool_take(directory, NULL, cancellable, error);
	g_autofree char *identity =
	    ldap != NULL ? pv_ldap_dup_identity(ldap, cancellable, error) : NULL;
	ldap_pool_give(directory, ldap);
	if (identity != NULL && g_str_has_prefix(identity, "dn:"))
		return g_strdup(identity + 3);
	if (identity != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "the server knows the service as \"%s\", which is no entry: map it to one",
		    identity);
	return NULL;
}

static void
ldap_check_append_rule(GString *text, guint *number, const char *what, const char *attributes,
    const char *user, const char *rights)
{
	g_string_append_printf(text,
	    "%solcAccess: {%u}to %s=\"%s\"%s%s by dn.exact=\"%s\" %s by %s* break\n",
	    *number == 0 ? "add: olcAccess\n" : "", *number,
	    attributes != NULL && g_str_equal(attributes, "member") ? "dn.exact" : "dn.subtree",
	    what, attributes != NULL ? " attrs=" : "", attributes != NULL ? attributes : "", user,
	    rights,
	    attributes != NULL && g_str_equal(attributes, "userPassword") ? "anonymous auth by "
									  : "");
	(*number)++;
}

char *
ldap_delegation(
    gpointer handle, const PvDirectoryNeeds *needs, GCancellable *cancellable, GError **error)
{
	LdapDirectory *directory = handle;
	g_autofree char *user = ldap_check_dup_user(directory, cancellable, error);
	if (user == NULL)
		return NULL;
	PvLdap *ldap =
	    needs->groups[0] != NULL ? ldap_pool_take(directory, NULL, cancellable, error) : NULL;
	if (needs->groups[0] != NULL && ldap == NULL)
		return NULL;
	g_autoptr(GString) text = g_string_new(
	    "# For OpenLDAP with cn=config; correct the number of the database, then, as root of "
	    "the server:\n"
	    "#   ldapmodify -Q -Y EXTERNAL -H ldapi:/// -f THIS-FILE\n"
	    "# The rules go before those that are there, and leave everybody else to them.\n"
	    "dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\n");
	guint number = 0;
	const char *own[] = { directory->ou, NULL };
	const char *const *ous = needs->ous[0] != NULL ? needs->ous : own;
	for (guint i = 0; ous[i] != NULL; i++) {
		/* written, and never read */
		ldap_check_append_rule(text, &number, ous[i], "userPassword", user, "=w");
		ldap_check_append_rule(text, &number, ous[i], NULL, user, "write");
	}
	gboolean ok = TRUE;
	for (guint i = 0; ok && needs->groups[i] != NULL; i++) {
		g_autofree char *dn =
		    ldap_group_find(directory, ldap, needs->groups[i], cancellable, error);
		ok = dn != NULL;
		if (ok)
			ldap_check_append_rule(text, &number, dn, directory->member, user, "write");
	}
	ldap_pool_give(directory, ldap);
	return ok ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}
