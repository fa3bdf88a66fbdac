/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ldap-kadmin.h"
#include "ldap-private.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#define LDAP_FIRST_PASSWORD_BYTES 24

/* Everything one call needs: a connection, given back in the end. */
typedef struct {
	LdapDirectory *directory;
	const PvAccountSpec *spec;
	GCancellable *cancellable;
	PvLdap *ldap;
} LdapCall;

static gboolean
ldap_account_begin(LdapCall *call, LdapDirectory *directory, const PvAccountSpec *spec,
    GCancellable *cancellable, GError **error)
{
	call->directory = directory;
	call->spec = spec;
	call->cancellable = cancellable;
	call->ldap = ldap_pool_take(directory, spec->server, cancellable, error);
	return call->ldap != NULL;
}

static void
ldap_account_end(LdapCall *call)
{
	if (call->directory != NULL)
		ldap_pool_give(call->directory, call->ldap);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LdapCall, ldap_account_end)

/* ---- finding ---- */

/* Those of users and the few operational ones that are needed; userPassword is never asked for. */
static const char **
ldap_account_dup_names(const LdapDirectory *directory)
{
	const LdapAttributes *names = &directory->attributes;
	const char *all[] = { "objectClass", "cn", "entryUUID", "pwdChangedTime", names->uuid,
		names->fqdn, names->spn, names->address, names->mac, names->sid };
	const char **list = g_new0(const char *, G_N_ELEMENTS(all) + 1);
	for (guint i = 0, j = 0; i < G_N_ELEMENTS(all); i++)
		if (all[i] != NULL)
			list[j++] = all[i];
	return list;
}

static GPtrArray *
ldap_account_search(LdapCall *call, const char *attribute, const char *value, GError **error)
{
	g_autofree const char **names = ldap_account_dup_names(call->directory);
	g_autofree char *escaped = pv_ldap_dup_filter_value(value);
	g_autofree char *filter = g_strdup_printf(
	    "(&(objectClass=%s)(%s=%s))", call->directory->classes[0], attribute, escaped);
	return pv_ldap_search(call->ldap, call->directory->base, PV_LDAP_SUBTREE, filter, names, 10,
	    call->cancellable, error);
}

/* *entry stays NULL where there is none. Two are one too many. */
static gboolean
ldap_account_search_one(
    LdapCall *call, const char *attribute, const char *value, PvLdapEntry **entry, GError **error)
{
	g_autoptr(GPtrArray) found = ldap_account_search(call, attribute, value, error);
	if (found == NULL)
		return FALSE;
	if (found->len > 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "both \"%s\" and \"%s\" have %s \"%s\": remove the one that is not the "
		    "device's",
		    pv_ldap_entry_get_dn(found->pdata[0]), pv_ldap_entry_get_dn(found->pdata[1]),
		    attribute, value);
		return FALSE;
	}
	if (found->len == 1)
		*entry = pv_ldap_entry_ref(found->pdata[0]);
	return TRUE;
}

/* An entry of that name that says it is another device's must not be taken over. Where none tells a UUID, the DNS name tells
 * two of one short name apart, as long as only that name led to the entry: a device's own may get another one. */
static gboolean
ldap_account_check_owner(LdapCall *call, const PvLdapEntry *entry, gboolean by_name, GError **error)
{
	const LdapAttributes *names = &call->directory->attributes;
	const char *attribute = names->uuid, *wanted = call->spec->uuid;
	const char *found = attribute == NULL ? NULL : pv_ldap_entry_get(entry, attribute);
	if (found == NULL && by_name && names->fqdn != NULL) {
		attribute = names->fqdn;
		wanted = call->spec->fqdn;
		found = pv_ldap_entry_get(entry, attribute);
	}
	if (found == NULL || pv_ldap_entry_has(entry, attribute, wanted))
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
	    "\"%s\" is of another device (%s \"%s\" and not \"%s\"): remove it, or give one of "
	    "both another "
	    "name",
	    pv_ldap_entry_get_dn(entry), attribute, found, wanted);
	return FALSE;
}

/* By what does not change, then by the device's UUID, then by name. */
static gboolean
ldap_account_read(LdapCall *call, PvLdapEntry **entry, GError **error)
{
	const LdapAttributes *names = &call->directory->attributes;
	if (call->spec->id != NULL &&
	    !ldap_account_search_one(call, "entryUUID", call->spec->id, entry, error))
		return FALSE;
	if (*entry == NULL && names->uuid != NULL &&
	    !ldap_account_search_one(call, names->uuid, call->spec->uuid, entry, error))
		return FALSE;
	gboolean by_name = *entry == NULL;
	if (by_name && !ldap_account_search_one(call, "cn", call->spec->name, entry, error))
		return FALSE;
	return *entry == NULL || ldap_account_check_owner(call, *entry, by_name, error);
}

/* The groups that have the account, each as the pipeline writes it where it does. */
static char **
ldap_account_dup_groups(LdapCall *call, const char *dn, GError **error)
{
	static const char *const nothing[] = { "cn", NULL };
	g_autofree char *escaped = pv_ldap_dup_filter_value(dn);
	g_autofree char *filter = g_strdup_printf("(%s=%s)", call->directory->member, escaped);
	g_autoptr(GPtrArray) found = pv_ldap_search(call->ldap, call->directory->group_base,
	    PV_LDAP_SUBTREE, filter, nothing, LDAP_MAX_GROUPS, call->cancellable, error);
	if (found == NULL)
		return NULL;
	g_autoptr(GPtrArray) groups = g_ptr_array_new();
	for (guint i = 0; i < found->len; i++) {
		const char *group = pv_ldap_entry_get_dn(found->pdata[i]);
		const char *name = group;
		for (guint j = 0; call->spec->groups != NULL && call->spec->groups[j] != NULL; j++)
			if (pv_ldap_dn_equal(call->spec->groups[j], group) ||
			    pv_ldap_entry_has(found->pdata[i], "cn", call->spec->groups[j]))
				name = call->spec->groups[j];
		g_ptr_array_add(groups, g_strdup(name));
	}
	g_ptr_array_add(groups, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&groups), FALSE);
}

/* What ipHostNumber (RFC 2307) can hold; a name is none. NULL: not known */
static const char *
ldap_account_get_address(const PvAccountSpec *spec)
{
	return spec->address != NULL && g_hostname_is_ip_address(spec->address) ? spec->address
										: NULL;
}

/* a class of the site's that this account cannot have: ipHost asks for an address (RFC 2307) */
static gboolean
ldap_account_wants_class(
    const LdapDirectory *directory, const PvAccountSpec *spec, const char *name)
{
	return g_ascii_strcasecmp(name, "ipHost") != 0 ||
	       (directory->attributes.address != NULL && ldap_account_get_address(spec) != NULL);
}

static void
ldap_account_compare(
    PvAccount *account, const PvLdapEntry *entry, const char *attribute, const char *wanted)
{
	const char *found = attribute != NULL ? pv_ldap_entry_get(entry, attribute) : NULL;
	if (attribute != NULL && wanted != NULL &&
	    (found == NULL || g_ascii_strcasecmp(found, wanted) != 0))
		pv_account_add_difference(account, attribute, found, wanted);
}

static void
ldap_account_add_differences(LdapCall *call, PvAccount *account, const PvLdapEntry *entry)
{
	const LdapDirectory *directory = call->directory;
	const LdapAttributes *names = &directory->attributes;
	for (guint i = 0; directory->classes[i] != NULL; i++)
		if (ldap_account_wants_class(directory, call->spec, directory->classes[i]) &&
		    !pv_ldap_entry_has(entry, "objectClass", directory->classes[i]))
			pv_account_add_difference(
			    account, "objectClass", NULL, directory->classes[i]);
	ldap_account_compare(account, entry, names->uuid, call->spec->uuid);
	ldap_account_compare(account, entry, names->address, ldap_account_get_address(call->spec));
	ldap_account_compare(account, entry, names->mac, call->spec->mac);
}

/* Plain LDAP counts no key versions. Where the server keeps the time of the last change, that stands for it: a password
 * that was set elsewhere shows as well. */
static guint
ldap_account_get_version(const PvLdapEntry *entry)
{
	const char *time = pv_ldap_entry_get(entry, "pwdChangedTime");
	guint year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
	if (time == NULL || strlen(time) < 15 ||
	    sscanf(time, "%4u%2u%2u%2u%2u%2u", &year, &month, &day, &hour, &minute, &second) != 6)
		return 1;
	g_autoptr(GDateTime) utc = g_date_time_new_utc(
	    (int)year, (int)month, (int)day, (int)hour, (int)minute, (double)second);
	return utc != NULL ? (guint)g_date_time_to_unix(utc) : 1;
}

/* The device's key is the KDC's affair where there is one: so are its version, and whether it has one at all. */
static gboolean
ldap_account_read_principals(LdapCall *call, PvAccount *account, GError **error)
{
	LdapKadmin *kadmin = call->directory->kadmin;
	const char *missing = NULL;
	if (kadmin == NULL)
		return TRUE;
	if (!ldap_kadmin_find(
		kadmin, call->spec->spns, &missing, &account->kvno, call->cancellable, error))
		return FALSE;
	account->realm = g_strdup(ldap_kadmin_get_realm(kadmin));
	account->salt = g_strdup(account->realm); /* keysalt "onlyrealm" */
	if (missing != NULL)
		pv_account_add_difference(account, "principal", NULL, missing);
	return TRUE;
}

static PvAccount *
ldap_account_make(LdapCall *call, const PvLdapEntry *entry, GError **error)
{
	const LdapDirectory *directory = call->directory;
	const LdapAttributes *names = &directory->attributes;
	g_autoptr(PvAccount) account = g_new0(PvAccount, 1);
	account->dn = g_strdup(pv_ldap_entry_get_dn(entry));
	account->groups = ldap_account_dup_groups(call, account->dn, error);
	if (account->groups == NULL)
		return NULL;
	account->account = g_strdup(pv_ldap_entry_has(entry, "cn", call->spec->name)
					? call->spec->name
					: pv_ldap_entry_get(entry, "cn"));
	account->sid = names->sid != NULL ? g_strdup(pv_ldap_entry_get(entry, names->sid)) : NULL;
	account->fqdn = names->fqdn == NULL ? g_strdup(call->spec->fqdn)
					    : g_strdup(pv_ldap_entry_get(entry, names->fqdn));
	/* where the site's schema has no place for them, they are nowhere, and nothing is to be changed */
	account->spns = names->spn == NULL ? g_strdupv((char **)call->spec->spns)
					   : pv_ldap_entry_dup_list(entry, names->spn);
	account->id = g_strdup(pv_ldap_entry_get(entry, "entryUUID"));
	account->server =
	    directory->servers[1] != NULL ? g_strdup(pv_ldap_get_server(call->ldap)) : NULL;
	account->kvno = ldap_account_get_version(entry);
	ldap_account_add_differences(call, account, entry);
	if (!ldap_account_read_principals(call, account, error))
		return NULL;
	return g_steal_pointer(&account);
}

gboolean
ldap_account_find(gpointer handle, const PvAccountSpec *spec, PvAccount **account,
    GCancellable *cancellable, GError **error)
{
	g_auto(LdapCall) call = { 0 };
	g_autoptr(PvLdapEntry) entry = NULL;
	if (!ldap_account_begin(&call, handle, spec, cancellable, error) ||
	    !ldap_account_read(&call, &entry, error))
		return FALSE;
	if (entry == NULL)
		return TRUE;
	*account = ldap_account_make(&call, entry, error);
	return *account != NULL;
}

/* ---- making it so ---- */

/* A service name belongs to one account only; @dn: (nullable): of the one that may have it */
static gboolean
ldap_account_check_spns(LdapCall *call, const char *dn, GError **error)
{
	const char *attribute = call->directory->attributes.spn;
	for (guint i = 0; attribute != NULL && call->spec->spns[i] != NULL; i++) {
		g_autofree char *escaped = pv_ldap_dup_filter_value(call->spec->spns[i]);
		g_autofree char *filter = g_strdup_printf("(%s=%s)", attribute, escaped);
		g_autoptr(GPtrArray) found =
		    pv_ldap_search(call->ldap, call->directory->base, PV_LDAP_SUBTREE, filter,
			(const char *const[]) { "1.1", NULL }, 10, call->cancellable, error);
		if (found == NULL)
			return FALSE;
		for (guint j = 0; j < found->len; j++) {
			const char *other = pv_ldap_entry_get_dn(found->pdata[j]);
			if (dn != NULL && pv_ldap_dn_equal(other, dn))
				continue;
			g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
			    "the service name %s of \"%s\" is taken by \"%s\": remove it there, or "
			    "give one of "
			    "both another name",
			    call->spec->spns[i], dn != NULL ? dn : call->spec->name, other);
			return FALSE;
		}
	}
	return TRUE;
}

static const char *
ldap_account_get_container(LdapCall *call, GError **error)
{
	const char *ou = call->spec->ou != NULL ? call->spec->ou : call->directory->ou;
	if (ou == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "neither the stage nor the site's directory says in which \"ou\" accounts are "
		    "made");
	return ou;
}

/* Containers are the administrator's: a mistyped one must not spring into being. */
static gboolean
ldap_account_check_container(LdapCall *call, const char *ou, GError **error)
{
	gboolean missing = FALSE;
	g_autoptr(PvLdapEntry) entry = pv_ldap_read(call->ldap, ou,
	    (const char *const[]) { "1.1", NULL }, &missing, call->cancellable, error);
	if (missing)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "the container \"%s\" is not there, or the service's account may not see it: "
		    "make it, or "
		    "correct \"ou\"",
		    ou);
	return entry != NULL;
}

/* simpleSecurityObject (RFC 4524) wants a password from the first moment. Nobody ever knows this one. */
static PvSecret *
ldap_account_new_first_password(void)
{
	guint8 bytes[LDAP_FIRST_PASSWORD_BYTES];
	if (RAND_bytes(bytes, sizeof bytes) != 1)
		return NULL;
	g_autofree char *text = g_base64_encode(bytes, sizeof bytes);
	PvSecret *secret = pv_secret_new(text, -1);
	OPENSSL_cleanse(bytes, sizeof bytes);
	OPENSSL_cleanse(text, strlen(text));
	return secret;
}

static void
ldap_account_put(
    PvLdapChange *change, PvLdapOperation operation, const char *attribute, const char *value)
{
	if (attribute != NULL && value != NULL)
		pv_ldap_change_add_text(change, operation, attribute, value);
}

static gboolean
ldap_account_create(LdapCall *call, GError **error)
{
	const LdapDirectory *directory = call->directory;
	const LdapAttributes *names = &directory->attributes;
	const PvAccountSpec *spec = call->spec;
	const char *ou = ldap_account_get_container(call, error);
	if (ou == NULL || !ldap_account_check_container(call, ou, error) ||
	    !ldap_account_check_spns(call, NULL, error))
		return FALSE;
	g_autoptr(PvSecret) first = ldap_account_new_first_password();
	if (first == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "there are no random numbers");
		return FALSE;
	}
	g_autoptr(PvLdapChange) change = pv_ldap_change_new();
	gboolean secured = FALSE;
	for (guint i = 0; directory->classes[i] != NULL; i++) {
		if (ldap_account_wants_class(directory, spec, directory->classes[i]))
			pv_ldap_change_add_text(
			    change, PV_LDAP_ADD, "objectClass", directory->classes[i]);
		secured |= g_ascii_strcasecmp(directory->classes[i], "simpleSecurityObject") == 0;
	}
	pv_ldap_change_add_text(change, PV_LDAP_ADD, "cn", spec->name);
	ldap_account_put(change, PV_LDAP_ADD, names->uuid, spec->uuid);
	ldap_account_put(change, PV_LDAP_ADD, names->fqdn, spec->fqdn);
	ldap_account_put(change, PV_LDAP_ADD, names->address, ldap_account_get_address(spec));
	ldap_account_put(change, PV_LDAP_ADD, names->mac, spec->mac);
	if (names->spn != NULL)
		pv_ldap_change_add_list(change, PV_LDAP_ADD, names->spn, spec->spns);
	if (secured)
		pv_ldap_change_add_secret(change, PV_LDAP_ADD, "userPassword", first);
	g_autofree char *value = pv_ldap_dup_dn_value(spec->name);
	g_autofree char *dn = g_strdup_printf("cn=%s,%s", value, ou);
	return pv_ldap_add(call->ldap, dn, change, call->cancellable, error);
}

/* the service names, if what is there differs */
static void
ldap_account_put_spns(LdapCall *call, PvLdapChange *change, const PvLdapEntry *entry)
{
	const char *attribute = call->directory->attributes.spn;
	if (attribute == NULL)
		return;
	g_auto(GStrv) found = pv_ldap_entry_dup_list(entry, attribute);
	gboolean same = g_strv_length(found) == g_strv_length((char **)call->spec->spns);
	for (guint i = 0; same && call->spec->spns[i] != NULL; i++)
		same = pv_ldap_entry_has(entry, attribute, call->spec->spns[i]);
	if (!same)
		pv_ldap_change_add_list(change, PV_LDAP_REPLACE, attribute, call->spec->spns);
}

static void
ldap_account_put_changed(
    PvLdapChange *change, const PvLdapEntry *entry, const char *attribute, const char *wanted)
{
	if (attribute == NULL || wanted == NULL)
		return;
	const char *found = pv_ldap_entry_get(entry, attribute);
	if (found == NULL || g_ascii_strcasecmp(found, wanted) != 0)
		pv_ldap_change_add_text(change, PV_LDAP_REPLACE, attribute, wanted);
}

/* Renamed where it is: it stays in its container, whatever the pipeline says by now. */
static gboolean
ldap_account_rename(LdapCall *call, const PvLdapEntry *entry, char **dn, GError **error)
{
	g_autofree char *value = pv_ldap_dup_dn_value(call->spec->name);
	g_autofree char *rdn = g_strconcat("cn=", value, NULL);
	g_autofree char *parent = pv_ldap_dup_dn_parent(*dn);
	if (pv_ldap_entry_has(entry, "cn", call->spec->name))
		return TRUE;
	if (!pv_ldap_rename(call->ldap, *dn, rdn, NULL, call->cancellable, error))
		return FALSE;
	g_free(*dn);
	*dn = g_strdup_printf("%s,%s", rdn, parent != NULL ? parent : "");
	return TRUE;
}

static gboolean
ldap_account_update(LdapCall *call, const PvLdapEntry *entry, GError **error)
{
	const LdapDirectory *directory = call->directory;
	const LdapAttributes *names = &directory->attributes;
	g_autofree char *dn = g_strdup(pv_ldap_entry_get_dn(entry));
	if (!ldap_account_check_spns(call, dn, error) ||
	    !ldap_account_rename(call, entry, &dn, error))
		return FALSE;
	g_autoptr(PvLdapChange) change = pv_ldap_change_new();
	gboolean unsecured = FALSE;
	for (guint i = 0; directory->classes[i] != NULL; i++) {
		const char *name = directory->classes[i];
		if (!ldap_account_wants_class(directory, call->spec, name) ||
		    pv_ldap_entry_has(entry, "objectClass", name))
			continue;
		pv_ldap_change_add_text(change, PV_LDAP_ADD, "objectClass", name);
		unsecured |= g_ascii_strcasecmp(name, "simpleSecurityObject") == 0;
	}
	g_autoptr(PvSecret) first = unsecured ? ldap_account_new_first_password() : NULL;
	if (first != NULL)
		pv_ldap_change_add_secret(change, PV_LDAP_REPLACE, "userPassword", first);
	ldap_account_put_changed(change, entry, names->uuid, call->spec->uuid);
	ldap_account_put_changed(change, entry, names->fqdn, call->spec->fqdn);
	ldap_account_put_changed(
	    change, entry, names->address, ldap_account_get_address(call->spec));
	ldap_account_put_changed(change, entry, names->mac, call->spec->mac);
	ldap_account_put_spns(call, change, entry);
	return pv_ldap_change_get_length(change) == 0 ||
	       pv_ldap_modify(call->ldap, dn, change, call->cancellable, error);
}

char *
ldap_group_find(LdapDirectory *directory, PvLdap *ldap, const char *group,
    GCancellable *cancellable, GError **error)
{
	g_autofree char *escaped = pv_ldap_dup_filter_value(group);
	gboolean by_dn = pv_ldap_dn_equal(group, group);
	g_autofree char *filter =
	    by_dn ? g_strdup("(objectClass=*)") : g_strdup_printf("(cn=%s)", escaped);
	g_autoptr(GPtrArray) found = NULL;
	if (by_dn) {
		gboolean missing = FALSE;
		g_autoptr(PvLdapEntry) entry = pv_ldap_read(ldap, group,
		    (const char *const[]) { "1.1", NULL }, &missing, cancellable, error);
		if (entry != NULL)
			return g_strdup(pv_ldap_entry_get_dn(entry));
		if (!missing)
			return NULL;
	} else {
		found = pv_ldap_search(ldap, directory->group_base, PV_LDAP_SUBTREE, filter,
		    (const char *const[]) { "1.1", NULL }, 10, cancellable, error);
		if (found == NULL)
			return NULL;
		if (found->len == 1)
			return g_strdup(pv_ldap_entry_get_dn(found->pdata[0]));
	}
	if (found != NULL && found->len > 1)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "there are several groups \"%s\", such as \"%s\" and \"%s\": name it by its DN",
		    group, pv_ldap_entry_get_dn(found->pdata[0]),
		    pv_ldap_entry_get_dn(found->pdata[1]));
	else
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "there is no group \"%s\" in \"%s\": make it, or correct the name", group,
		    directory->group_base);
	return NULL;
}

/* Adds only; a member that is one already is as good. */
static gboolean
ldap_account_join(LdapCall *call, const char *dn, const char *group, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autofree char *group_dn =
	    ldap_group_find(call->directory, call->ldap, group, call->cancellable, error);
	if (group_dn == NULL)
		return FALSE;
	g_autoptr(PvLdapChange) change = pv_ldap_change_new();
	pv_ldap_change_add_text(change, PV_LDAP_ADD, call->directory->member, dn);
	if (pv_ldap_modify(call->ldap, group_dn, change, call->cancellable, &local) ||
	    pv_ldap_is_already_there(call->ldap))
		return TRUE;
	g_propagate_prefixed_error(
	    error, g_steal_pointer(&local), "join the group \"%s\": ", group);
	return FALSE;
}

static gboolean
ldap_account_has_group(char **groups, const char *group)
{
	return g_strv_contains((const char *const *)groups, group);
}

static gboolean
ldap_account_join_all(LdapCall *call, const PvLdapEntry *entry, GError **error)
{
	const char *dn = pv_ldap_entry_get_dn(entry);
	g_auto(GStrv) groups = ldap_account_dup_groups(call, dn, error);
	if (groups == NULL)
		return FALSE;
	for (guint i = 0; call->spec->groups != NULL && call->spec->groups[i] != NULL; i++)
		if (!ldap_account_has_group(groups, call->spec->groups[i]) &&
		    !ldap_account_join(call, dn, call->spec->groups[i], error))
			return FALSE;
	return TRUE;
}

/* What a write that got no answer came to can only be seen: so after each one the entry is read again. */
static gboolean
ldap_account_write(LdapCall *call, PvLdapEntry **entry, GError **error)
{
	g_autoptr(GError) local = NULL;
	gboolean ok = *entry == NULL ? ldap_account_create(call, &local)
				     : ldap_account_update(call, *entry, &local);
	gboolean lost = !ok && g_error_matches(local, PV_ERROR, PV_ERROR_UNREACHABLE);
	if (!ok && !lost) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if (lost) {
		ldap_pool_give(call->directory, g_steal_pointer(&call->ldap));
		call->ldap =
		    ldap_pool_take(call->directory, call->spec->server, call->cancellable, NULL);
	}
	g_clear_pointer(entry, pv_ldap_entry_unref);
	if (call->ldap == NULL || !ldap_account_read(call, entry, lost ? NULL : error)) {
		if (lost)
			g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if (*entry != NULL)
		return TRUE;
	if (lost)
		g_propagate_error(error, g_steal_pointer(&local));
	else
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "the server took the account and does not show it: does the service's account "
		    "have the "
		    "right to read there?");
	return FALSE;
}

/* Whether a name that the entry has beside the wanted ones was the device's: whoever may write to the entry must not get
 * other people's principals deleted by us. */
static gboolean
ldap_account_is_former(LdapCall *call, const PvLdapEntry *entry, const char *spn, gboolean *former, GError **error)
{
	*former = !g_strv_contains(call->spec->spns, spn) &&
		  g_regex_match_simple("^HTTP/[A-Za-z0-9_.-]+:[0-9]{1,5}$", spn, G_REGEX_DOLLAR_ENDONLY, 0);
	if (!*former)
		return TRUE;
	g_autofree char *escaped = pv_ldap_dup_filter_value(spn);
	g_autofree char *filter = g_strdup_printf("(%s=%s)", call->directory->attributes.spn, escaped);
	g_autoptr(GPtrArray) found =
	    pv_ldap_search(call->ldap, call->directory->base, PV_LDAP_SUBTREE, filter,
		(const char *const[]) { "1.1", NULL }, 10, call->cancellable, error);
	for (guint i = 0; found != NULL && i < found->len; i++)
		*former = *former && pv_ldap_dn_equal(pv_ldap_entry_get_dn(found->pdata[i]),
					 pv_ldap_entry_get_dn(entry));
	return found != NULL;
}

/* Principals of service names that the device has no more go before the names do, so that none is forgotten. */
static gboolean
ldap_account_remove_former(LdapCall *call, const PvLdapEntry *entry, GError **error)
{
	const char *attribute = call->directory->attributes.spn;
	if (call->directory->kadmin == NULL || entry == NULL || attribute == NULL)
		return TRUE;
	g_auto(GStrv) found = pv_ldap_entry_dup_list(entry, attribute);
	g_autoptr(GPtrArray) former = g_ptr_array_new();
	for (guint i = 0; found[i] != NULL; i++) {
		gboolean is_former = FALSE;
		if (!ldap_account_is_former(call, entry, found[i], &is_former, error))
			return FALSE;
		if (is_former)
			g_ptr_array_add(former, found[i]);
	}
	g_ptr_array_add(former, NULL);
	return former->len == 1 ||
	       ldap_kadmin_remove(call->directory->kadmin, (const char *const *)former->pdata,
		   call->cancellable, error);
}

gboolean
ldap_account_ensure(gpointer handle, const PvAccountSpec *spec, PvAccount **account,
    GCancellable *cancellable, GError **error)
{
	g_auto(LdapCall) call = { 0 };
	g_autoptr(PvLdapEntry) entry = NULL;
	if (!ldap_account_begin(&call, handle, spec, cancellable, error) ||
	    !ldap_account_read(&call, &entry, error) ||
	    !ldap_account_remove_former(&call, entry, error) ||
	    !ldap_account_write(&call, &entry, error) ||
	    !ldap_account_join_all(&call, entry, error))
		return FALSE;
	if (call.directory->kadmin != NULL &&
	    !ldap_kadmin_ensure(call.directory->kadmin, spec->spns, cancellable, error))
		return FALSE;
	*account = ldap_account_make(&call, entry, error);
	return *account != NULL;
}

/* ---- password, end ---- */

/* The proof of a password is a login with it. Where accounts can only log in by Kerberos, there is none. */
static gboolean
ldap_account_prove_password(LdapCall *call, const char *dn, PvSecret *password, GError **error)
{
	if (!ldap_pool_can_bind(call->directory))
		return TRUE;
	g_autoptr(PvLdap) own = ldap_pool_connect_as(call->directory,
	    pv_ldap_get_server(call->ldap), dn, password, call->cancellable, error);
	if (own == NULL)
		g_prefix_error(error, "the new password was taken, and does not work: ");
	return own != NULL;
}

gboolean
ldap_account_set_password(gpointer handle, const PvAccountSpec *spec, PvSecret *password,
    GCancellable *cancellable, GError **error)
{
	g_auto(LdapCall) call = { 0 };
	g_autoptr(PvLdapEntry) entry = NULL;
	if (!ldap_account_begin(&call, handle, spec, cancellable, error) ||
	    !ldap_account_read(&call, &entry, error))
		return FALSE;
	if (entry == NULL) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_REJECTED, "there is no account %s", spec->name);
		return FALSE;
	}
	const char *dn = pv_ldap_entry_get_dn(entry);
	LdapKadmin *kadmin = call.directory->kadmin;
	return pv_ldap_set_password(call.ldap, dn, NULL, password, cancellable, error) &&
	       ldap_account_prove_password(&call, dn, password, error) &&
	       (kadmin == NULL ||
		   ldap_kadmin_set_password(kadmin, spec->spns, password, cancellable, error));
}

/* Groups keep the DNs of what is gone, unless an overlay looks after them. */
static gboolean
ldap_account_leave_groups(LdapCall *call, const char *dn, GError **error)
{
	g_autofree char *escaped = pv_ldap_dup_filter_value(dn);
	g_autofree char *filter = g_strdup_printf("(%s=%s)", call->directory->member, escaped);
	g_autoptr(GPtrArray) found =
	    pv_ldap_search(call->ldap, call->directory->group_base, PV_LDAP_SUBTREE, filter,
		(const char *const[]) { "1.1", NULL }, LDAP_MAX_GROUPS, call->cancellable, error);
	if (found == NULL)
		return FALSE;
	for (guint i = 0; i < found->len; i++) {
		g_autoptr(GError) local = NULL;
		g_autoptr(PvLdapChange) change = pv_ldap_change_new();
		pv_ldap_change_add_text(change, PV_LDAP_DELETE, call->directory->member, dn);
		if (pv_ldap_modify(call->ldap, pv_ldap_entry_get_dn(found->pdata[i]), change,
			call->cancellable, &local))
			continue;
		/* a group that others keep, or whose only member it was, is no reason to keep the account */
		if (!g_error_matches(local, PV_ERROR, PV_ERROR_REJECTED)) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		g_debug("leave the groups: %s", local->message);
	}
	return TRUE;
}

gboolean
ldap_account_remove(
    gpointer handle, const PvAccountSpec *spec, GCancellable *cancellable, GError **error)
{
	g_auto(LdapCall) call = { 0 };
	g_autoptr(PvLdapEntry) entry = NULL;
	g_autoptr(GError) local = NULL;
	if (!ldap_account_begin(&call, handle, spec, cancellable, error) ||
	    !ldap_account_read(&call, &entry, error))
		return FALSE;
	LdapKadmin *kadmin = call.directory->kadmin;
	if (kadmin != NULL && !ldap_kadmin_remove(kadmin, spec->spns, cancellable, error))
		return FALSE;
	if (entry == NULL)
		return TRUE;
	if (!ldap_account_remove_former(&call, entry, error) ||
	    !ldap_account_leave_groups(&call, pv_ldap_entry_get_dn(entry), error))
		return FALSE;
	if (pv_ldap_delete(call.ldap, pv_ldap_entry_get_dn(entry), cancellable, &local) ||
	    pv_ldap_is_missing(call.ldap))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}
