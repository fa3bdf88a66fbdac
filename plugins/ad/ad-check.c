/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ad-private.h"

#include <openssl/rand.h>
#include <string.h>

#define CHECK_SKEW_WARN_SEC 60
#define CHECK_SKEW_SEC 300 /* Kerberos (RFC 4120, 1.6), and AMT's default */
#define CHECK_MAX_COMPUTERS 20000
#define CHECK_MAX_LOSERS 50
#define CHECK_SAMPLES 3 /* of the accounts in a container, made by whomever */
#define CHECK_COMPUTER \
	"bf967a86-0de6-11d0-a285-00aa003049e2" /* schemaIDGUID of the class (MS-ADSC 2.21) */
#define CHECK_MEMBER "bf9679c0-0de6-11d0-a285-00aa003049e2" /* of member (MS-ADA2 2.54) */
#define CHECK_RESET \
	"00299570-246d-11d0-a768-00aa006e0529" /* User-Force-Change-Password (MS-ADTS 5.1.3.2.1) */

/* What of an account is written, by whom it is needed, and the attributes' schemaIDGUID (MS-ADA1 to MS-ADA3). */
static const struct {
	const char *name, *guid;
	gboolean rename; /* only to follow a computer to its new name */
	gboolean untold; /* never among the effective ones, for only a renaming writes it */
} check_attributes[] = {
	{ "dNSHostName", "72e39547-7b18-11d1-adef-00c04fd8d5cd", FALSE },
	{ "servicePrincipalName", "f3a64788-5306-11d1-a9c5-0000f80367c1", FALSE },
	{ "userAccountControl", "bf967a68-0de6-11d0-a285-00aa003049e2", FALSE },
	{ "msDS-SupportedEncryptionTypes", "20119867-1d04-4ab7-9371-cfc3d5df0afd", FALSE },
	{ "description", "bf967950-0de6-11d0-a285-00aa003049e2", FALSE },
	{ "sAMAccountName", "3e0abfd0-126a-11d0-a060-00aa006c33ed", TRUE },
	{ "cn", "bf96793f-0de6-11d0-a285-00aa003049e2", TRUE },
	{ "name", "bf967a0e-0de6-11d0-a285-00aa003049e2", TRUE, TRUE },
};

/* One run of the check. */
typedef struct {
	AdDirectory *ad;
	const PvDirectoryNeeds *needs;
	PvReport *report; /* lent */
	const char *dn; /* of the container that is looked at */
	GPtrArray
	    *sids; /* of char*, whom the server takes us for: ourselves and our groups; owned */
	char *own_dn, *own_name, *own_sid; /* of the service's account; NULL: not found */
} AdCheck;

static void
check_clear(AdCheck *check)
{
	g_clear_pointer(&check->sids, g_ptr_array_unref);
	g_free(check->own_dn);
	g_free(check->own_name);
	g_free(check->own_sid);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AdCheck, check_clear)

/* A row for what went wrong, unless the whole check is to end: it was cancelled. */
static gboolean
check_add_error(
    const AdCheck *check, const char *name, const char *object, GError *caught, GError **error)
{
	if (g_error_matches(caught, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
		g_propagate_error(error, g_error_copy(caught));
		return FALSE;
	}
	pv_report_add(check->report, PV_REPORT_FAILURE, name, object, "%s", caught->message);
	return TRUE;
}

/* ---- who we are, and whom we ask ---- */

static void
check_clock(AdCheck *check, const char *server, const PvLdapEntry *root)
{
	const char *text = pv_ldap_entry_get(root, "currentTime");
	gint64 theirs = text == NULL ? -1 : ad_name_parse_time(text);
	gint64 skew = theirs < 0 ? 0 : theirs - g_get_real_time() / G_USEC_PER_SEC;
	gint64 size = ABS(skew);
	PvReportLevel level = size > CHECK_SKEW_SEC			 ? PV_REPORT_FAILURE
			      : size > CHECK_SKEW_WARN_SEC || theirs < 0 ? PV_REPORT_WARNING
									 : PV_REPORT_OK;
	if (theirs < 0)
		pv_report_add(check->report, level, "clock", server,
		    "it does not tell its time: compare the clocks by hand");
	else if (level == PV_REPORT_OK)
		pv_report_add(
		    check->report, level, "clock", server, "%" G_GINT64_FORMAT " s apart", size);
	else
		pv_report_add(check->report, level, "clock", server,
		    "this computer is %" G_GINT64_FORMAT
		    " s %s it, Kerberos allows 300: let both follow one time server",
		    size, skew > 0 ? "behind" : "ahead of");
}

static void
check_read_token(AdCheck *check, const PvLdapEntry *root)
{
	g_clear_pointer(&check->sids, g_ptr_array_unref);
	check->sids = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < 4096; i++) {
		GBytes *value = pv_ldap_entry_get_bytes(root, "tokenGroups", i);
		gsize length = 0;
		const guint8 *data = value == NULL ? NULL : g_bytes_get_data(value, &length);
		char *sid = data == NULL ? NULL : ad_sid_to_string(data, length);
		if (value == NULL)
			break;
		if (sid != NULL)
			g_ptr_array_add(check->sids, sid);
	}
}

static gboolean
check_has_sid(const AdCheck *check, const char *sid)
{
	for (guint i = 0; sid != NULL && i < check->sids->len; i++)
		if (g_str_equal(check->sids->pdata[i], sid))
			return TRUE;
	return FALSE;
}

/* Domain Admins, Schema Admins, Enterprise Admins (MS-DTYP 2.4.2.4) and Administrators */
static const char *
check_find_admin(const AdCheck *check)
{
	for (guint i = 0; i < check->sids->len; i++) {
		const char *sid = check->sids->pdata[i];
		const char *dash = strrchr(sid, '-');
		if (g_str_has_prefix(sid, "S-1-5-21-") &&
		    (g_str_equal(dash, "-512") || g_str_equal(dash, "-518") ||
			g_str_equal(dash, "-519")))
			return g_str_equal(dash, "-512")   ? "Domain Admins"
			       : g_str_equal(dash, "-518") ? "Schema Admins"
							   : "Enterprise Admins";
		if (g_str_equal(sid, "S-1-5-32-544"))
			return "Administrators";
	}
	return NULL;
}

static gboolean
check_find_self(AdSession *session, AdCheck *check, GCancellable *cancellable, GError **error)
{
	static const char *const attributes[] = { "objectClass", "sAMAccountName", NULL };
	/* the token begins with the account itself; of groups it has many */
	for (guint i = 0; i < MIN(check->sids->len, 3); i++) {
		g_autofree char *base =
		    g_strdup_printf("<SID=%s>", (const char *)check->sids->pdata[i]);
		gboolean missing = FALSE;
		g_autoptr(PvLdapEntry) entry =
		    pv_ldap_read(session->ldap, base, attributes, &missing, cancellable, error);
		if (entry == NULL && !missing)
			return FALSE;
		if (entry == NULL || !pv_ldap_entry_has(entry, "objectClass", "user"))
			continue;
		check->own_dn = g_strdup(pv_ldap_entry_get_dn(entry));
		check->own_name = g_strdup(pv_ldap_entry_get(entry, "sAMAccountName"));
		check->own_sid = g_strdup(check->sids->pdata[i]);
		return TRUE;
	}
	return TRUE;
}

static gboolean
check_login(AdSession *session, gpointer data, GCancellable *cancellable, GError **error)
{
	AdCheck *check = data;
	g_autoptr(PvLdapEntry) root = ad_forest_read_root(session, cancellable, error);
	if (root == NULL)
		return FALSE;
	check_read_token(check, root);
	if (!check_find_self(session, check, cancellable, error))
		return FALSE;
	if (check->report == NULL)
		return TRUE;
	const char *base = pv_ldap_entry_get(root, "defaultNamingContext");
	pv_report_add(check->report,
	    base != NULL && ad_name_is_same(base, session->base) ? PV_REPORT_OK : PV_REPORT_FAILURE,
	    "login", session->server,
	    base != NULL && ad_name_is_same(base, session->base)
		? "logged in as %s"
		: "logged in as %s, but it is no controller of this domain: correct \"servers\"",
	    check->own_dn != NULL ? check->own_dn : "somebody it does not name");
	check_clock(check, session->server, root);
	const char *admin = check_find_admin(check);
	if (admin != NULL)
		pv_report_add(check->report, PV_REPORT_WARNING, "least privilege", check->own_dn,
		    "the service is a member of %s: take an account of its own that has only what "
		    "\"provost directory delegate\" prints",
		    admin);
	return TRUE;
}

static gboolean
check_servers(const AdCheck *check, GCancellable *cancellable, GError **error)
{
	g_auto(GStrv) hosts = ad_pool_dup_hosts(check->ad, cancellable, error);
	if (hosts == NULL)
		return FALSE;
	g_autofree char *joined = g_strjoinv(", ", hosts);
	pv_report_add(check->report, PV_REPORT_OK, "domain controllers", check->ad->domain,
	    "%s: %s", check->ad->servers[0] != NULL ? "as configured" : "found", joined);
	return TRUE;
}

static gboolean
check_nothing(AdSession *session, gpointer data, GCancellable *cancellable, GError **error)
{
	return TRUE;
}

static gboolean
check_catalog(const AdCheck *check, GCancellable *cancellable, GError **error)
{
	g_autoptr(GError) caught = NULL;
	if (!check->ad->search_forest)
		return TRUE;
	if (ad_pool_run_catalog(check->ad, check_nothing, NULL, cancellable, &caught))
		pv_report_add(check->report, PV_REPORT_OK, "global catalog", NULL, "answers");
	else if (caught != NULL)
		return check_add_error(check, "global catalog", NULL, caught, error);
	else
		pv_report_add(check->report, PV_REPORT_WARNING, "global catalog", NULL,
		    "none answers at port 3268 or 3269: duplicate names are looked for in each "
		    "domain, which takes longer");
	return TRUE;
}

/* ---- containers and the rights in them ---- */

/* Which attributes of the object we may not write; "" none. */
static char *
check_dup_missing(const PvLdapEntry *entry, gboolean rename)
{
	GString *missing = g_string_new(NULL);
	for (guint i = 0; i < G_N_ELEMENTS(check_attributes); i++)
		if (check_attributes[i].rename == rename && !check_attributes[i].untold &&
		    !pv_ldap_entry_has(
			entry, "allowedAttributesEffective", check_attributes[i].name))
			g_string_append_printf(missing, "%s%s", missing->len > 0 ? ", " : "",
			    check_attributes[i].name);
	return g_string_free(missing, FALSE);
}

static gboolean
check_effective(const AdCheck *check, const PvLdapEntry *entry)
{
	const char *dn = pv_ldap_entry_get_dn(entry);
	g_autofree char *missing = check_dup_missing(entry, FALSE);
	g_autofree char *rename = check_dup_missing(entry, TRUE);
	if (*missing != '\0')
		pv_report_add(check->report, PV_REPORT_FAILURE, "change computers", dn,
		    "the right to write %s is missing there: grant it for all computers below %s, "
		    "as \"provost directory delegate\" prints",
		    missing, check->dn);
	else if (*rename != '\0')
		pv_report_add(check->report, PV_REPORT_WARNING, "rename computers", dn,
		    "the right to write %s is missing there: accounts cannot follow when a "
		    "computer is renamed",
		    rename);
	return *missing == '\0';
}

static const char *const check_rights[] = { "allowedChildClassesEffective",
	"allowedAttributesEffective", "sDRightsEffective", NULL };

/* A few of the accounts that are there: somebody else may have made them, with other rights on them. */
static gboolean
check_samples(AdSession *session, const AdCheck *check, gboolean *good, GCancellable *cancellable,
    GError **error)
{
	static const char *const attributes[] = { "cn", NULL };
	g_autoptr(GError) caught = NULL;
	g_autoptr(GPtrArray) found = pv_ldap_search(session->ldap, check->dn, PV_LDAP_SUBTREE,
	    "(objectClass=computer)", attributes, CHECK_MAX_COMPUTERS, cancellable, &caught);
	if (found == NULL)
		return check_add_error(check, "computers", check->dn, caught, error);
	for (guint i = 0; i < MIN(found->len, CHECK_SAMPLES); i++) {
		gboolean missing = FALSE;
		g_autoptr(PvLdapEntry) entry =
		    pv_ldap_read(session->ldap, pv_ldap_entry_get_dn(found->pdata[i]), check_rights,
			&missing, cancellable, error);
		if (entry == NULL && !missing)
			return FALSE;
		if (entry != NULL && !check_effective(check, entry))
			*good = FALSE;
	}
	return TRUE;
}

static gboolean
check_losers(AdSession *session, const AdCheck *check, GCancellable *cancellable, GError **error)
{
	static const char *const attributes[] = { "cn", NULL };
	g_autoptr(GError) caught = NULL;
	g_autoptr(GPtrArray) found = pv_ldap_search(session->ldap, check->dn, PV_LDAP_SUBTREE,
	    "(cn=*\\0aCNF:*)", attributes, CHECK_MAX_LOSERS, cancellable, &caught);
	if (found == NULL)
		return check_add_error(check, "conflicts", check->dn, caught, error);
	for (guint i = 0; i < found->len; i++)
		pv_report_add(check->report, PV_REPORT_WARNING, "conflicts",
		    pv_ldap_entry_get_dn(found->pdata[i]),
		    "two domain controllers made an object of this name at once: delete the one "
		    "that is not wanted");
	return TRUE;
}

/* What a probe leaves on failure is named, so that somebody can delete it. */
static gboolean
check_probe_made(AdSession *session, const AdCheck *check, const char *dn,
    GCancellable *cancellable, GError **error)
{
	gboolean good = TRUE;
	g_autoptr(PvLdapEntry) entry =
	    pv_ldap_read(session->ldap, dn, check_rights, NULL, cancellable, error);
	if (entry == NULL)
		return FALSE;
	good = check_effective(check, entry);
	g_autoptr(PvSecret) password = ad_object_new_password(error);
	g_autoptr(PvSecret) unicode =
	    password == NULL ? NULL : ad_object_new_unicode(password, error);
	if (unicode == NULL)
		return FALSE;
	g_autoptr(PvLdapChange) change = pv_ldap_change_new();
	g_autoptr(GError) caught = NULL;
	pv_ldap_change_add_secret(change, PV_LDAP_REPLACE, "unicodePwd", unicode);
	if (!pv_ldap_modify(session->ldap, dn, change, cancellable, &caught)) {
		good = FALSE;
		pv_report_add(check->report, PV_REPORT_FAILURE, "reset passwords", check->dn,
		    "the right \"Reset Password\" on computers below is missing: grant it, as "
		    "\"provost directory delegate\" prints (%s)",
		    caught->message);
		g_clear_error(&caught);
	}
	if (!pv_ldap_delete(session->ldap, dn, cancellable, &caught)) {
		good = FALSE;
		pv_report_add(check->report, PV_REPORT_FAILURE, "delete computers", check->dn,
		    "the right to delete computers is missing: grant it, as \"provost directory "
		    "delegate\" prints, and delete %s, which the check made (%s)",
		    dn, caught->message);
	}
	if (good)
		pv_report_add(check->report, PV_REPORT_OK, "rights", check->dn,
		    "an account was made there, read, given a password and deleted again");
	return TRUE;
}

/* Makes an account and deletes it: what was done is no guess. */
static gboolean
check_probe(AdSession *session, const AdCheck *check, GCancellable *cancellable, GError **error)
{
	guint8 random[2];
	if (RAND_bytes(random, sizeof random) != 1)
		random[0] = random[1] = 0;
	g_autofree char *name = g_strdup_printf("provost-check-%02x%02x", random[0], random[1]);
	g_autofree char *sam = g_strconcat(name, "$", NULL);
	g_autofree char *fqdn = g_strdup_printf("%s.%s", name, session->domain);
	g_autofree char *spn = g_strdup_printf("HTTP/%s:16993", fqdn);
	g_autofree char *dn = g_strdup_printf("CN=%s,%s", name, check->dn);
	const PvAccountSpec spec = { .uuid = "none",
		.name = name,
		.fqdn = fqdn,
		.spns = (const char *const[]) { spn, NULL } };
	g_autoptr(PvLdapChange) change = ad_object_new_change(check->ad, &spec, sam, error);
	g_autoptr(GError) caught = NULL;
	if (change == NULL)
		return FALSE;
	session->wrote = TRUE;
	if (pv_ldap_add(session->ldap, dn, change, cancellable, &caught))
		return check_probe_made(session, check, dn, cancellable, error);
	g_prefix_error(&caught, "an account cannot be made, though the right to is there: ");
	return check_add_error(check, "create computers", check->dn, caught, error);
}

static gboolean
check_container(AdSession *session, gpointer data, GCancellable *cancellable, GError **error)
{
	const AdCheck *check = data;
	gboolean missing = FALSE, good = TRUE;
	g_autoptr(GError) caught = NULL;
	g_autoptr(PvLdapEntry) entry =
	    pv_ldap_read(session->ldap, check->dn, check_rights, &missing, cancellable, error);
	if (missing && !ad_forest_check_container(session, check->dn, cancellable, &caught))
		return check_add_error(check, "container", check->dn, caught, error);
	if (entry == NULL)
		return FALSE;
	pv_report_add(check->report, PV_REPORT_OK, "container", check->dn, "is there");
	gboolean create = pv_ldap_entry_has(entry, "allowedChildClassesEffective", "computer");
	if (!create)
		pv_report_add(check->report, PV_REPORT_FAILURE, "create computers", check->dn,
		    "the right to create computers is missing: grant it to %s, as \"provost "
		    "directory delegate\" prints",
		    check->own_name != NULL ? check->own_name : "the service");
	if (!check_samples(session, check, &good, cancellable, error) ||
	    !check_losers(session, check, cancellable, error))
		return FALSE;
	if (create && check->ad->probe)
		return check_probe(session, check, cancellable, error);
	if (create && good)
		pv_report_add(check->report, PV_REPORT_OK, "rights", check->dn,
		    "computers can be made there; \"probe\" is off, so it was not tried");
	return TRUE;
}

/* Containers of the site's accounts, complete; the directory's own where the pipelines name none. (transfer full) */
static char **
check_dup_containers(AdDirectory *ad, const PvDirectoryNeeds *needs, GError **error)
{
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; needs->ous[i] != NULL; i++) {
		char *dn = ad_object_dup_container(ad, needs->ous[i], error);
		if (dn == NULL)
			return NULL;
		g_ptr_array_add(list, dn);
	}
	if (list->len == 0)
		g_ptr_array_add(list, g_strdup(ad->ou));
	g_ptr_array_add(list, NULL);
	g_ptr_array_set_free_func(list, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
}

static gboolean
check_containers(AdCheck *check, GCancellable *cancellable, GError **error)
{
	g_autoptr(GError) caught = NULL;
	g_auto(GStrv) containers = check_dup_containers(check->ad, check->needs, &caught);
	if (containers == NULL)
		return check_add_error(check, "container", NULL, caught, error);
	for (guint i = 0; containers[i] != NULL; i++) {
		g_autofree char *domain = ad_name_dup_domain(containers[i]);
		check->dn = containers[i];
		if (!ad_pool_run(
			check->ad, domain, NULL, check_container, check, cancellable, &caught) &&
		    !check_add_error(check, "container", containers[i], caught, error))
			return FALSE;
		g_clear_error(&caught);
	}
	return TRUE;
}

/* ---- groups and names ---- */

static gboolean
check_group_rights(AdSession *session, gpointer data, GCancellable *cancellable, GError **error)
{
	const AdCheck *check = data;
	g_autoptr(PvLdapEntry) entry =
	    pv_ldap_read(session->ldap, check->dn, check_rights, NULL, cancellable, error);
	if (entry == NULL)
		return FALSE;
	if (pv_ldap_entry_has(entry, "allowedAttributesEffective", "member"))
		pv_report_add(
		    check->report, PV_REPORT_OK, "group", check->dn, "its members can be changed");
	else
		pv_report_add(check->report, PV_REPORT_FAILURE, "group", check->dn,
		    "the right to write member is missing: grant it to %s, as \"provost directory "
		    "delegate\" prints",
		    check->own_name != NULL ? check->own_name : "the service");
	return TRUE;
}

static gboolean
check_groups(AdCheck *check, GCancellable *cancellable, GError **error)
{
	for (guint i = 0; check->needs->groups[i] != NULL; i++) {
		const char *name = check->needs->groups[i];
		g_autoptr(GError) caught = NULL;
		g_autoptr(PvLdapEntry) entry =
		    ad_forest_find(check->ad, name, TRUE, NULL, cancellable, &caught);
		check->dn = entry == NULL ? NULL : pv_ldap_entry_get_dn(entry);
		g_autofree char *domain = entry == NULL ? NULL : ad_name_dup_domain(check->dn);
		if ((entry == NULL || !ad_pool_run(check->ad, domain, NULL, check_group_rights,
					  check, cancellable, &caught)) &&
		    !check_add_error(check, "group", name, caught, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
check_names(const AdCheck *check, GCancellable *cancellable, GError **error)
{
	for (guint i = 0; check->needs->names[i] != NULL; i++) {
		const char *name = check->needs->names[i];
		g_autoptr(GError) caught = NULL;
		g_autofree char *sid = ad_find_sid(check->ad, name, cancellable, &caught);
		if (sid != NULL)
			pv_report_add(check->report, PV_REPORT_OK, "name", name, "%s", sid);
		else if (!check_add_error(check, "name", name, caught, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
check_read_members(AdSession *session, gpointer data, GCancellable *cancellable, GError **error)
{
	static const char *const attributes[] = { "member", "objectSid", NULL };
	const AdCheck *check = data;
	g_autoptr(PvLdapEntry) entry =
	    pv_ldap_read(session->ldap, check->dn, attributes, NULL, cancellable, error);
	if (entry == NULL)
		return FALSE;
	g_autofree char *sid = ad_forest_dup_sid(entry);
	g_auto(GStrv) members = pv_ldap_entry_dup_list(entry, "member");
	g_autofree char *joined = g_strjoinv("; ", members);
	if (check_has_sid(check, sid))
		pv_report_add(check->report, PV_REPORT_OK, "service group", check->dn,
		    "the service is a member; members: %.600s", joined);
	else
		pv_report_add(check->report, PV_REPORT_FAILURE, "service group", check->dn,
		    "%s is no member: add it, and start the service again, for its login knows its "
		    "groups; members: %.600s",
		    check->own_dn != NULL ? check->own_dn : "the service",
		    *joined != '\0' ? joined : "none");
	return TRUE;
}

static gboolean
check_service_groups(AdCheck *check, GCancellable *cancellable, GError **error)
{
	for (guint i = 0; check->ad->service_groups[i] != NULL; i++) {
		const char *name = check->ad->service_groups[i];
		g_autoptr(GError) caught = NULL;
		g_autoptr(PvLdapEntry) entry =
		    ad_forest_find(check->ad, name, TRUE, NULL, cancellable, &caught);
		check->dn = entry == NULL ? NULL : pv_ldap_entry_get_dn(entry);
		g_autofree char *domain = entry == NULL ? NULL : ad_name_dup_domain(check->dn);
		if ((entry == NULL || !ad_pool_run(check->ad, domain, NULL, check_read_members,
					  check, cancellable, &caught)) &&
		    !check_add_error(check, "service group", name, caught, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ad_check(gpointer directory, const PvDirectoryNeeds *needs, PvReport *report,
    GCancellable *cancellable, GError **error)
{
	g_auto(AdCheck) check = { .ad = directory, .needs = needs, .report = report };
	g_autoptr(GError) caught = NULL;
	if (!check_servers(&check, cancellable, error))
		return FALSE;
	if (!ad_pool_run(directory, NULL, NULL, check_login, &check, cancellable, &caught))
		return check_add_error(&check, "login", check.ad->domain, caught, error);
	return check_catalog(&check, cancellable, error) &&
	       check_service_groups(&check, cancellable, error) &&
	       check_containers(&check, cancellable, error) &&
	       check_groups(&check, cancellable, error) && check_names(&check, cancellable, error);
}

/* ---- how to get the rights ---- */

/* Who gets them: a group of services, so that the next service needs nothing but a membership, or the account itself. */
typedef struct {
	char *account; /* DOMAIN\NAME, owned */
	char *sid; /* owned */
} AdTrustee;

static void
trustee_clear(AdTrustee *trustee)
{
	g_free(trustee->account);
	g_free(trustee->sid);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AdTrustee, trustee_clear)

static const char *
trustee_get_netbios(AdDirectory *ad, const char *dn, GCancellable *cancellable, GError **error)
{
	g_autofree char *domain = ad_name_dup_domain(dn);
	GPtrArray *domains = ad_forest_get(ad, cancellable, error);
	for (guint i = 0; domains != NULL && i < domains->len; i++) {
		const AdPartition *partition = domains->pdata[i];
		if (g_strcmp0(partition->name, domain) == 0 && partition->netbios != NULL)
			return partition->netbios;
	}
	return domains == NULL ? NULL : ad->domain;
}

static gboolean
trustee_find(AdTrustee *trustee, AdDirectory *ad, GCancellable *cancellable, GError **error)
{
	g_autoptr(PvLdapEntry) group = NULL;
	g_auto(AdCheck) check = { .ad = ad };
	const char *name = NULL, *dn = NULL;
	if (ad->service_groups[0] != NULL) {
		group = ad_forest_find(ad, ad->service_groups[0], TRUE, NULL, cancellable, error);
		if (group == NULL)
			return FALSE;
		name = pv_ldap_entry_get(group, "sAMAccountName");
		dn = pv_ldap_entry_get_dn(group);
		trustee->sid = ad_forest_dup_sid(group);
	} else {
		if (!ad_pool_run(ad, NULL, NULL, check_login, &check, cancellable, error))
			return FALSE;
		name = check.own_name;
		dn = check.own_dn;
		trustee->sid = g_strdup(check.own_sid);
	}
	if (name == NULL || dn == NULL || trustee->sid == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "find the service's own account: %s does not tell who we are: name a group in "
		    "\"service-groups\"",
		    ad->domain);
		return FALSE;
	}
	const char *netbios = trustee_get_netbios(ad, dn, cancellable, error);
	if (netbios != NULL)
		trustee->account = g_strdup_printf("%s\\%s", netbios, name);
	return netbios != NULL;
}

/* For the shell of Windows: in double quotes, which no name of an account has, and a DN only behind a backslash. */
static void
delegation_add_windows(
    GString *text, const AdTrustee *trustee, char **containers, GPtrArray *groups)
{
	g_string_append(text, "# On Windows, in a command prompt of a domain administrator:\n");
	for (guint i = 0; containers[i] != NULL; i++) {
		g_string_append_printf(text, "dsacls \"%s\" /I:T /G \"%s:CCDC;computer\"\n",
		    containers[i], trustee->account);
		for (guint k = 0; k < G_N_ELEMENTS(check_attributes); k++)
			g_string_append_printf(text,
			    "dsacls \"%s\" /I:S /G \"%s:WP;%s;computer\"\n", containers[i],
			    trustee->account, check_attributes[k].name);
		g_string_append_printf(text,
		    "dsacls \"%s\" /I:S /G \"%s:CA;Reset Password;computer\"\n", containers[i],
		    trustee->account);
	}
	for (guint i = 0; i < groups->len; i++)
		g_string_append_printf(text, "dsacls \"%s\" /G \"%s:WP;member\"\n",
		    (const char *)groups->pdata[i], trustee->account);
}

static void
delegation_add_entry(GString *text, const char *dn, const char *entry)
{
	g_autofree char *quoted_dn = g_shell_quote(dn);
	g_autofree char *quoted_entry = g_shell_quote(entry);
	g_string_append_printf(text,
	    "samba-tool dsacl set --action=allow --objectdn=%s --sddl=%s\n", quoted_dn,
	    quoted_entry);
}

static void
delegation_add_samba(GString *text, const AdTrustee *trustee, char **containers, GPtrArray *groups)
{
	g_string_append(text, "# With Samba, as root on a domain controller:\n");
	for (guint i = 0; containers[i] != NULL; i++) {
		g_autofree char *children =
		    g_strdup_printf("(OA;CI;CCDC;%s;;%s)", CHECK_COMPUTER, trustee->sid);
		g_autofree char *reset = g_strdup_printf(
		    "(OA;CIIO;CR;%s;%s;%s)", CHECK_RESET, CHECK_COMPUTER, trustee->sid);
		delegation_add_entry(text, containers[i], children);
		for (guint k = 0; k < G_N_ELEMENTS(check_attributes); k++) {
			g_autofree char *write = g_strdup_printf("(OA;CIIO;WP;%s;%s;%s)",
			    check_attributes[k].guid, CHECK_COMPUTER, trustee->sid);
			delegation_add_entry(text, containers[i], write);
		}
		delegation_add_entry(text, containers[i], reset);
	}
	for (guint i = 0; i < groups->len; i++) {
		g_autofree char *member =
		    g_strdup_printf("(OA;;WP;%s;;%s)", CHECK_MEMBER, trustee->sid);
		delegation_add_entry(text, groups->pdata[i], member);
	}
}

char *
ad_delegation(
    gpointer directory, const PvDirectoryNeeds *needs, GCancellable *cancellable, GError **error)
{
	AdDirectory *ad = directory;
	g_auto(AdTrustee) trustee = { 0 };
	g_auto(GStrv) containers = check_dup_containers(ad, needs, error);
	if (containers == NULL || !trustee_find(&trustee, ad, cancellable, error))
		return NULL;
	g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; needs->groups[i] != NULL; i++) {
		g_autoptr(PvLdapEntry) entry =
		    ad_forest_find(ad, needs->groups[i], TRUE, NULL, cancellable, error);
		if (entry == NULL)
			return NULL;
		g_ptr_array_add(groups, g_strdup(pv_ldap_entry_get_dn(entry)));
	}
	GString *text = g_string_new(NULL);
	g_string_append_printf(text,
	    "# What %s needs in %s and no more: to make, change and delete computers in the "
	    "containers, to reset their\n"
	    "# passwords, and to change the members of the groups. One of the two parts is to be "
	    "run.\n",
	    trustee.account, ad->domain);
	delegation_add_windows(text, &trustee, containers, groups);
	delegation_add_samba(text, &trustee, containers, groups);
	return g_string_free(text, FALSE);
}
