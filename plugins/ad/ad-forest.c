/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ad-private.h"

#include <string.h>

#define FOREST_MAX_DOMAINS 200
#define FOREST_MAX_OBJECTS \
	50 /* that answer to a name or have an SPN; more would not help anybody */

static const char *const forest_attributes[] = { "objectGUID", "objectSid", "objectClass",
	"sAMAccountName", "cn", "groupType", NULL };

char *
ad_forest_dup_sid(const PvLdapEntry *entry)
{
	GBytes *sid = pv_ldap_entry_get_bytes(entry, "objectSid", 0);
	gsize length = 0;
	const guint8 *data = sid == NULL ? NULL : g_bytes_get_data(sid, &length);
	return data == NULL ? NULL : ad_sid_to_string(data, length);
}

char *
ad_forest_dup_guid(const PvLdapEntry *entry)
{
	GBytes *guid = pv_ldap_entry_get_bytes(entry, "objectGUID", 0);
	gsize length = 0;
	const guint8 *data = guid == NULL ? NULL : g_bytes_get_data(guid, &length);
	return data == NULL ? NULL : ad_guid_to_string(data, length);
}

PvLdapEntry *
ad_forest_read_root(AdSession *session, GCancellable *cancellable, GError **error)
{
	static const char *const attributes[] = { "defaultNamingContext",
		"configurationNamingContext", "rootDomainNamingContext", "dnsHostName",
		"currentTime", "isGlobalCatalogReady", "tokenGroups", "supportedCapabilities",
		NULL };
	return pv_ldap_read(session->ldap, "", attributes, NULL, cancellable, error);
}

/* ---- the domains of the forest ---- */

static void
forest_partition_free(gpointer data)
{
	AdPartition *partition = data;
	g_free(partition->name);
	g_free(partition->base);
	g_free(partition->netbios);
	g_free(partition);
}

static gboolean
forest_read(AdSession *session, gpointer data, GCancellable *cancellable, GError **error)
{
	static const char *const attributes[] = { "nCName", "dnsRoot", "nETBIOSName", NULL };
	GPtrArray **list = data;
	g_autoptr(PvLdapEntry) root = ad_forest_read_root(session, cancellable, error);
	if (root == NULL)
		return FALSE;
	const char *configuration = pv_ldap_entry_get(root, "configurationNamingContext");
	if (configuration == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read the root DSE of %s: it names no configuration: this is no Active "
		    "Directory",
		    session->server);
		return FALSE;
	}
	g_autofree char *base = g_strconcat("CN=Partitions,", configuration, NULL);
	/* FLAG_CR_NTDS_DOMAIN (MS-ADTS 2.2.10): a domain, and no partition of applications */
	g_autoptr(GPtrArray) found = pv_ldap_search(session->ldap, base, PV_LDAP_ONE,
	    "(&(objectClass=crossRef)(systemFlags:1.2.840.113556.1.4.803:=2))", attributes,
	    FOREST_MAX_DOMAINS, cancellable, error);
	if (found == NULL)
		return FALSE;
	g_clear_pointer(list, g_ptr_array_unref);
	*list = g_ptr_array_new_with_free_func(forest_partition_free);
	for (guint i = 0; i < found->len; i++) {
		const char *name = pv_ldap_entry_get(found->pdata[i], "nCName");
		g_autofree char *domain = name == NULL ? NULL : ad_name_dup_domain(name);
		if (domain == NULL || !ad_name_check_domain(domain, "forest", NULL))
			continue;
		AdPartition *partition = g_new0(AdPartition, 1);
		partition->name = g_steal_pointer(&domain);
		partition->base = g_strdup(name);
		partition->netbios = g_strdup(pv_ldap_entry_get(found->pdata[i], "nETBIOSName"));
		g_ptr_array_add(*list, partition);
	}
	return TRUE;
}

GPtrArray *
ad_forest_get(AdDirectory *ad, GCancellable *cancellable, GError **error)
{
	g_mutex_lock(&ad->lock);
	GPtrArray *known = ad->partitions;
	g_mutex_unlock(&ad->lock);
	if (known != NULL)
		return known;
	g_autoptr(GPtrArray) list = NULL;
	if (!ad_pool_run(ad, NULL, NULL, forest_read, &list, cancellable, error))
		return NULL;
	g_mutex_lock(&ad->lock);
	if (ad->partitions == NULL)
		ad->partitions = g_steal_pointer(&list);
	known = ad->partitions;
	g_mutex_unlock(&ad->lock);
	return known;
}

/* ---- searches ---- */

/* A search that is done at one server, or at one after the other. */
typedef struct {
	const char *filter;
	GPtrArray *found; /* of PvLdapEntry, owned */
} ForestSearch;

static gboolean
forest_search(AdSession *session, gpointer data, GCancellable *cancellable, GError **error)
{
	ForestSearch *search = data;
	g_autoptr(GPtrArray) found = pv_ldap_search(session->ldap, session->base, PV_LDAP_SUBTREE,
	    search->filter, forest_attributes, FOREST_MAX_OBJECTS, cancellable, error);
	if (found == NULL)
		return FALSE;
	for (guint i = 0; i < found->len; i++)
		g_ptr_array_add(search->found, pv_ldap_entry_ref(found->pdata[i]));
	return TRUE;
}

/* In all domains of the forest: by a global catalog, or where there is none by asking each. */
static GPtrArray *
forest_search_all(AdDirectory *ad, const char *filter, GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) found =
	    g_ptr_array_new_with_free_func((GDestroyNotify)pv_ldap_entry_unref);
	ForestSearch search = { filter, found };
	g_autoptr(GError) caught = NULL;
	if (ad->search_forest &&
	    ad_pool_run_catalog(ad, forest_search, &search, cancellable, &caught))
		return g_steal_pointer(&found);
	if (caught != NULL) {
		g_propagate_prefixed_error(
		    error, g_steal_pointer(&caught), "search the global catalog: ");
		return NULL;
	}
	g_ptr_array_set_size(found, 0);
	if (!ad->search_forest)
		return ad_pool_run(ad, NULL, NULL, forest_search, &search, cancellable, error)
			   ? g_steal_pointer(&found)
			   : NULL;
	GPtrArray *domains = ad_forest_get(ad, cancellable, error);
	for (guint i = 0; domains != NULL && i < domains->len; i++) {
		const AdPartition *partition = domains->pdata[i];
		if (ad_pool_run(
			ad, partition->name, NULL, forest_search, &search, cancellable, error))
			continue;
		g_prefix_error(error,
		    "search %s, a domain of the forest (\"search\": \"domain\" leaves the others "
		    "out): ",
		    partition->name);
		return NULL;
	}
	return domains == NULL ? NULL : g_steal_pointer(&found);
}

gboolean
ad_forest_check_spns(AdDirectory *ad, const char *const *spns, const char *id, const char *dn,
    GCancellable *cancellable, GError **error)
{
	if (spns == NULL || spns[0] == NULL)
		return TRUE;
	g_autoptr(GString) filter = g_string_new("(|");
	for (guint i = 0; spns[i] != NULL; i++) {
		g_autofree char *value = pv_ldap_dup_filter_value(spns[i]);
		g_string_append_printf(filter, "(servicePrincipalName=%s)", value);
	}
	g_string_append_c(filter, ')');
	g_autoptr(GPtrArray) found = forest_search_all(ad, filter->str, cancellable, error);
	for (guint i = 0; found != NULL && i < found->len; i++) {
		g_autofree char *guid = ad_forest_dup_guid(found->pdata[i]);
		const char *other = pv_ldap_entry_get_dn(found->pdata[i]);
		if ((id != NULL && g_strcmp0(guid, id) == 0) || ad_name_is_same(other, dn))
			continue;
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "set the SPNs of %s, such as %s: %s has one of them already, and no ticket is "
		    "issued for a name that two "
		    "objects have: delete the old object, let consoles purge their tickets, and "
		    "wait about 15 minutes",
		    dn, spns[0], other);
		return FALSE;
	}
	return found != NULL;
}

/* ---- users and groups ---- */

static PvLdapEntry *
forest_pick(GPtrArray *found, const char *name, GError **error)
{
	if (found == NULL)
		return NULL;
	if (found->len == 1)
		return pv_ldap_entry_ref(found->pdata[0]);
	if (found->len == 0)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "find %s in the directory: there is no such user or group: correct the name, "
		    "or give its DN",
		    name);
	else
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "find %s in the directory: %s and %s are called so: give the DN", name,
		    pv_ldap_entry_get_dn(found->pdata[0]), pv_ldap_entry_get_dn(found->pdata[1]));
	return NULL;
}

static GPtrArray *
forest_search_domain(AdDirectory *ad, const char *domain, const char *preferred, const char *filter,
    GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) found =
	    g_ptr_array_new_with_free_func((GDestroyNotify)pv_ldap_entry_unref);
	ForestSearch search = { filter, found };
	return ad_pool_run(ad, domain, preferred, forest_search, &search, cancellable, error)
		   ? g_steal_pointer(&found)
		   : NULL;
}

/* @kind: what else the filter wants, "" for anything with a SID */
static PvLdapEntry *
forest_find_account(AdDirectory *ad, const char *domain, const char *account, const char *kind,
    const char *name, const char *preferred, GCancellable *cancellable, GError **error)
{
	g_autofree char *value = pv_ldap_dup_filter_value(account);
	g_autofree char *filter =
	    g_strdup_printf("(&(objectSid=*)%s(sAMAccountName=%s))", kind, value);
	g_autoptr(GPtrArray) found =
	    forest_search_domain(ad, domain, preferred, filter, cancellable, error);
	if (found != NULL && found->len == 0) {
		/* groups are known to people by what the console shows, which is the common name */
		g_autofree char *by_cn =
		    g_strdup_printf("(&(objectSid=*)(objectClass=group)(cn=%s))", value);
		g_ptr_array_unref(found);
		found = forest_search_domain(ad, domain, preferred, by_cn, cancellable, error);
	}
	return forest_pick(found, name, error);
}

typedef struct {
	const char *dn;
	PvLdapEntry *entry; /* owned */
} ForestRead;

static gboolean
forest_read_dn(AdSession *session, gpointer data, GCancellable *cancellable, GError **error)
{
	ForestRead *read = data;
	gboolean missing = FALSE;
	read->entry =
	    pv_ldap_read(session->ldap, read->dn, forest_attributes, &missing, cancellable, error);
	if (missing)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "find %s in the directory: there is no such object", read->dn);
	return read->entry != NULL;
}

static PvLdapEntry *
forest_find_dn(AdDirectory *ad, const char *name, const char *kind, const char *preferred,
    GCancellable *cancellable, GError **error)
{
	g_autofree char *dn = ad_name_dup_container(name, ad->base, error);
	g_autofree char *domain = dn == NULL ? NULL : ad_name_dup_domain(dn);
	ForestRead read = { dn, NULL };
	if (domain == NULL ||
	    !ad_pool_run(ad, domain, preferred, forest_read_dn, &read, cancellable, error))
		return NULL;
	if (*kind == '\0' || pv_ldap_entry_has(read.entry, "objectClass", "group"))
		return read.entry;
	g_set_error(
	    error, PV_ERROR, PV_ERROR_CONFIG, "find %s in the directory: it is no group", dn);
	pv_ldap_entry_unref(read.entry);
	return NULL;
}

static PvLdapEntry *
forest_find_qualified(AdDirectory *ad, const char *name, const char *backslash, const char *kind,
    const char *preferred, GCancellable *cancellable, GError **error)
{
	g_autofree char *prefix = g_strndup(name, (gsize)(backslash - name));
	GPtrArray *domains = ad_forest_get(ad, cancellable, error);
	if (domains == NULL)
		return NULL;
	for (guint i = 0; i < domains->len; i++) {
		const AdPartition *partition = domains->pdata[i];
		if ((partition->netbios != NULL &&
			g_ascii_strcasecmp(partition->netbios, prefix) == 0) ||
		    g_ascii_strcasecmp(partition->name, prefix) == 0)
			return forest_find_account(ad, partition->name, backslash + 1, kind, name,
			    preferred, cancellable, error);
	}
	gboolean own = g_ascii_strcasecmp(prefix, "BUILTIN") == 0 ||
		       g_ascii_strcasecmp(prefix, "NT AUTHORITY") == 0;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    own ? "find %s in the directory: %s is of each computer by itself, and AMT cannot have "
		  "it in its access list: take a group of the domain"
		: "find %s in the directory: the forest has no domain %s",
	    name, prefix);
	return NULL;
}

static PvLdapEntry *
forest_find_upn(AdDirectory *ad, const char *name, const char *at, const char *kind,
    const char *preferred, GCancellable *cancellable, GError **error)
{
	g_autofree char *value = pv_ldap_dup_filter_value(name);
	g_autofree char *filter =
	    g_strdup_printf("(&(objectSid=*)%s(userPrincipalName=%s))", kind, value);
	g_autoptr(GPtrArray) found = forest_search_all(ad, filter, cancellable, error);
	if (found == NULL || found->len > 0)
		return forest_pick(found, name, error);
	/* every account also has the name that is made of its own and its domain's (MS-ADTS 5.1.1.1.1) */
	g_autofree char *account = g_strndup(name, (gsize)(at - name));
	g_autofree char *domain = g_ascii_strdown(at + 1, -1);
	GPtrArray *domains = ad_forest_get(ad, cancellable, error);
	for (guint i = 0; domains != NULL && i < domains->len; i++)
		if (g_str_equal(((AdPartition *)domains->pdata[i])->name, domain))
			return forest_find_account(
			    ad, domain, account, kind, name, preferred, cancellable, error);
	return domains == NULL ? NULL : forest_pick(found, name, error);
}

PvLdapEntry *
ad_forest_find(AdDirectory *ad, const char *name, gboolean group, const char *preferred,
    GCancellable *cancellable, GError **error)
{
	const char *kind = group ? "(objectClass=group)" : "";
	gsize length = strlen(name);
	if (length == 0 || length > AD_MAX_DN || !g_utf8_validate(name, -1, NULL)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "find a user or group: its name has 1 to %d characters", AD_MAX_DN);
		return NULL;
	}
	if (g_regex_match_simple("^(CN|OU|DC|UID)\\s*=", name, G_REGEX_CASELESS, 0))
		return forest_find_dn(ad, name, kind, preferred, cancellable, error);
	const char *backslash = strchr(name, '\\'), *at = strrchr(name, '@');
	if (backslash != NULL)
		return forest_find_qualified(
		    ad, name, backslash, kind, preferred, cancellable, error);
	if (at != NULL)
		return forest_find_upn(ad, name, at, kind, preferred, cancellable, error);
	return forest_find_account(ad, NULL, name, kind, name, preferred, cancellable, error);
}

char *
ad_find_sid(gpointer directory, const char *name, GCancellable *cancellable, GError **error)
{
	g_autofree char *sid = NULL;
	if (ad_sid_is_text(name)) {
		sid = g_ascii_strup(name, -1);
	} else {
		g_autoptr(PvLdapEntry) entry =
		    ad_forest_find(directory, name, FALSE, NULL, cancellable, error);
		if (entry == NULL)
			return NULL;
		sid = ad_forest_dup_sid(entry);
		if (sid == NULL) {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "find the SID of %s: %s has none: name a user or a security group",
			    name, pv_ldap_entry_get_dn(entry));
			return NULL;
		}
	}
	if (!ad_sid_is_builtin(sid))
		return g_steal_pointer(&sid);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "find the SID of %s: %s is a built-in group, which is another one on every computer, "
	    "and AMT cannot have it in its access list: "
	    "take a group of the domain",
	    name, sid);
	return NULL;
}

/* ---- containers ---- */

gboolean
ad_forest_check_container(
    AdSession *session, const char *dn, GCancellable *cancellable, GError **error)
{
	static const char *const attributes[] = { "objectClass", NULL };
	const char *lost = NULL;
	for (const char *part = dn; part != NULL; part = ad_name_get_parent(part)) {
		gboolean missing = FALSE;
		g_autoptr(PvLdapEntry) entry =
		    pv_ldap_read(session->ldap, part, attributes, &missing, cancellable, error);
		if (entry == NULL && !missing)
			return FALSE;
		if (entry != NULL && lost == NULL)
			return TRUE;
		if (entry != NULL)
			break;
		lost = part;
	}
	/* what the administrator has to make first */
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "container %s: %s does not exist: create it, or correct \"ou\"", dn, lost);
	return FALSE;
}
