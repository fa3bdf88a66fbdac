/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ad-private.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#define OBJECT_MAX_FOUND 64 /* the account, namesakes, holders of its SPNs */
#define OBJECT_PASSWORD_LENGTH 64
#define OBJECT_MAX_PASSWORD 256 /* what AD takes */

enum { /* userAccountControl (MS-ADTS 2.2.16) */
	CONTROL_DISABLED = 0x2,
	CONTROL_NO_PASSWORD = 0x20,
	CONTROL_WORKSTATION = 0x1000,
	CONTROL_NEVER_EXPIRES = 0x10000,
};

/* A group that the account becomes a member of. */
typedef struct {
	const char *text; /* as it was asked for, lent */
	char *dn, *domain, *sid; /* owned */
	gboolean has; /* the account is a member */
} ObjectGroup;

/* What is being done to one account, over all servers that it takes. */
typedef struct {
	AdDirectory *ad;
	const PvAccountSpec *spec;
	char *sam, *container, *domain, *dn; /* of a new account; owned */
	gboolean strict; /* others with its SPNs are an error */
	GPtrArray *groups; /* of ObjectGroup, owned */
	PvLdapEntry *own; /* as it was last seen; NULL: there is none; owned */
	char *server; /* that was asked, owned */
	gboolean spns_checked, spns_wanted; /* see object_make */
	gboolean elsewhere; /* see object_check_place */
	PvSecret *unicode; /* the password to set, lent */
} AdObject;

static void
object_group_free(gpointer data)
{
	ObjectGroup *group = data;
	g_free(group->dn);
	g_free(group->domain);
	g_free(group->sid);
	g_free(group);
}

static void
object_clear(AdObject *object)
{
	g_free(object->sam);
	g_free(object->container);
	g_free(object->domain);
	g_free(object->dn);
	g_free(object->server);
	g_clear_pointer(&object->groups, g_ptr_array_unref);
	g_clear_pointer(&object->own, pv_ldap_entry_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AdObject, object_clear)

char *
ad_object_dup_container(AdDirectory *ad, const char *ou, GError **error)
{
	return ou == NULL ? g_strdup(ad->ou) : ad_name_dup_container(ou, ad->base, error);
}

static char *
object_dup_cn(const char *sam)
{
	return g_strndup(sam, strlen(sam) - 1); /* without its "$" */
}

static gboolean
object_init(AdObject *object, AdDirectory *ad, const PvAccountSpec *spec, GError **error)
{
	object->ad = ad;
	object->spec = spec;
	object->sam = ad_name_dup_sam(spec->name, error);
	object->container =
	    object->sam == NULL ? NULL : ad_object_dup_container(ad, spec->ou, error);
	if (object->container == NULL)
		return FALSE;
	object->domain = ad_name_dup_domain(object->container);
	g_autofree char *cn = object_dup_cn(object->sam);
	g_autofree char *escaped = pv_ldap_dup_dn_value(cn);
	object->dn = g_strdup_printf("CN=%s,%s", escaped, object->container);
	object->groups = g_ptr_array_new_with_free_func(object_group_free);
	return TRUE;
}

/* ---- what is there ---- */

/* All that has to do with the account: itself, namesakes, losers of a replication, others with its SPNs. */
static char *
object_dup_filter(const AdObject *object)
{
	const PvAccountSpec *spec = object->spec;
	g_autofree char *sam = pv_ldap_dup_filter_value(object->sam);
	g_autofree char *plain = object_dup_cn(object->sam);
	g_autofree char *cn = pv_ldap_dup_filter_value(plain);
	g_autofree char *guid = spec->id == NULL ? NULL : ad_guid_dup_filter(spec->id);
	GString *filter = g_string_new(NULL);
	/* a loser's RDN goes on with a line feed, CNF: and its GUID */
	g_string_append_printf(filter, "(|(sAMAccountName=%s)(cn=%s\\0aCNF:*)", sam, cn);
	if (guid != NULL)
		g_string_append_printf(filter, "(objectGUID=%s)", guid);
	for (guint i = 0; object->strict && spec->spns != NULL && spec->spns[i] != NULL; i++) {
		g_autofree char *spn = pv_ldap_dup_filter_value(spec->spns[i]);
		g_string_append_printf(filter, "(servicePrincipalName=%s)", spn);
	}
	g_string_append_c(filter, ')');
	return g_string_free(filter, FALSE);
}

static gboolean
object_has_id(const PvLdapEntry *entry, const char *id)
{
	g_autofree char *guid = ad_forest_dup_guid(entry);
	return id != NULL && guid != NULL && g_ascii_strcasecmp(guid, id) == 0;
}

/* Whether we made it for this device, and the store forgot: a new account says so in its description. */
static gboolean
object_is_marked(const AdObject *object, const PvLdapEntry *entry)
{
	const char *description = pv_ldap_entry_get(entry, "description");
	g_autofree char *lower = description == NULL ? NULL : g_ascii_strdown(description, -1);
	g_autofree char *uuid = g_ascii_strdown(object->spec->uuid, -1);
	return lower != NULL && strstr(lower, uuid) != NULL;
}

static gboolean
object_check_own(const AdObject *object, const PvLdapEntry *entry, GError **error)
{
	const char *dn = pv_ldap_entry_get_dn(entry);
	if (!pv_ldap_entry_has(entry, "objectClass", "computer")) {
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "use account %s: %s is no computer: rename one of the two", object->sam, dn);
		return FALSE;
	}
	if (object_has_id(entry, object->spec->id) || object->ad->reuse_any ||
	    object_is_marked(object, entry))
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
	    "use account %s: %s was not made for this device: delete it, choose another "
	    "\"name-suffix\", or let the directory's \"reuse\" be \"any\"",
	    object->sam, dn);
	return FALSE;
}

/* Which of those found is the account; *own stays NULL when none is. */
static gboolean
object_pick(AdObject *object, GPtrArray *found, PvLdapEntry **own, GError **error)
{
	PvLdapEntry *by_id = NULL, *by_name = NULL, *loser = NULL;
	for (guint i = 0; i < found->len; i++) {
		PvLdapEntry *entry = found->pdata[i];
		const char *sam = pv_ldap_entry_get(entry, "sAMAccountName");
		if (ad_name_is_conflict(pv_ldap_entry_get_dn(entry)))
			loser = entry;
		else if (object_has_id(entry, object->spec->id))
			by_id = entry;
		else if (sam != NULL && g_ascii_strcasecmp(sam, object->sam) == 0)
			by_name = entry;
	}
	if (loser != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "use account %s: two domain controllers made it at once, and %s lost against "
		    "%s: delete the one that is not wanted",
		    object->sam, pv_ldap_entry_get_dn(loser),
		    by_id != NULL     ? pv_ldap_entry_get_dn(by_id)
		    : by_name != NULL ? pv_ldap_entry_get_dn(by_name)
				      : object->dn);
		return FALSE;
	}
	if (by_id != NULL && by_name != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "name account %s %s: %s has that name: rename the computer, or delete the "
		    "other account",
		    pv_ldap_entry_get_dn(by_id), object->sam, pv_ldap_entry_get_dn(by_name));
		return FALSE;
	}
	*own = by_id != NULL ? by_id : by_name;
	return *own == NULL || object_check_own(object, *own, error);
}

static gboolean
object_check_holders(
    const AdObject *object, GPtrArray *found, const PvLdapEntry *own, GError **error)
{
	for (guint i = 0; i < found->len; i++) {
		const PvLdapEntry *entry = found->pdata[i];
		for (guint k = 0;
		     entry != own && object->spec->spns != NULL && object->spec->spns[k] != NULL;
		     k++) {
			if (!pv_ldap_entry_has(
				entry, "servicePrincipalName", object->spec->spns[k]))
				continue;
			g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
			    "use SPN %s for %s: %s has it already, and no ticket is issued for a "
			    "name that two objects have: delete the old "
			    "object, let consoles purge their tickets, and wait about 15 minutes",
			    object->spec->spns[k],
			    own == NULL ? object->dn : pv_ldap_entry_get_dn(own),
			    pv_ldap_entry_get_dn(entry));
			return FALSE;
		}
	}
	return TRUE;
}

/* Reads the account as this server has it. */
static gboolean
object_look(AdSession *session, gpointer data, GCancellable *cancellable, GError **error)
{
	static const char *const attributes[] = { "objectClass", "objectGUID", "objectSid",
		"sAMAccountName", "dNSHostName", "servicePrincipalName", "userAccountControl",
		"msDS-SupportedEncryptionTypes", "msDS-KeyVersionNumber", "pwdLastSet", "memberOf",
		"primaryGroupID", "description", NULL };
	AdObject *object = data;
	g_autofree char *filter = object_dup_filter(object);
	g_autoptr(GPtrArray) found = pv_ldap_search(session->ldap, session->base, PV_LDAP_SUBTREE,
	    filter, attributes, OBJECT_MAX_FOUND, cancellable, error);
	PvLdapEntry *own = NULL;
	if (found == NULL || !object_pick(object, found, &own, error) ||
	    (object->strict && !object_check_holders(object, found, own, error)))
		return FALSE;
	g_clear_pointer(&object->own, pv_ldap_entry_unref);
	object->own = own == NULL ? NULL : pv_ldap_entry_ref(own);
	g_free(object->server);
	object->server = g_strdup(session->server);
	const char *last = object->spec->id != NULL ? object->spec->server : NULL;
	object->elsewhere = own == NULL && last != NULL && g_ascii_strcasecmp(last, session->server) != 0 &&
			    ad_pool_has_server(session->ad, session->domain, last);
	return TRUE;
}

/* What the controller that is away had last may not have reached this one yet. To make it anew, or to take it for deleted, would
 * leave two objects, or one that nobody knows of. */
static gboolean
object_check_place(const AdObject *object, GError **error)
{
	if (!object->elsewhere)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE,
	    "find account %s: %s, which had it, does not answer, and %s does not have it, perhaps not yet: "
	    "let %s come back, or take it out of DNS or \"servers\" if it never will",
	    object->sam, object->spec->server, object->server, object->spec->server);
	return FALSE;
}

static gboolean
object_find_groups(AdObject *object, GCancellable *cancellable, GError **error)
{
	for (guint i = 0; object->spec->groups != NULL && object->spec->groups[i] != NULL; i++) {
		const char *text = object->spec->groups[i];
		g_autoptr(PvLdapEntry) entry = ad_forest_find(
		    object->ad, text, TRUE, object->spec->server, cancellable, error);
		if (entry == NULL) {
			g_prefix_error(error, "group %s: ", text);
			return FALSE;
		}
		ObjectGroup *group = g_new0(ObjectGroup, 1);
		group->text = text;
		group->dn = g_strdup(pv_ldap_entry_get_dn(entry));
		group->domain = ad_name_dup_domain(group->dn);
		group->sid = ad_forest_dup_sid(entry);
		g_ptr_array_add(object->groups, group);
	}
	return TRUE;
}

/* What to ask, or do, about one membership at a controller of the group's domain. */
typedef struct {
	ObjectGroup *group;
	const char *member; /* DN */
} ObjectMember;

static gboolean
object_read_member(AdSession *session, gpointer data, GCancellable *cancellable, GError **error)
{
	static const char *const attributes[] = { "objectClass", NULL };
	ObjectMember *member = data;
	g_autofree char *value = pv_ldap_dup_filter_value(member->member);
	g_autofree char *filter = g_strdup_printf("(member=%s)", value);
	g_autoptr(GPtrArray) found = pv_ldap_search(session->ldap, member->group->dn, PV_LDAP_BASE,
	    filter, attributes, 1, cancellable, error);
	if (found != NULL)
		member->group->has = found->len > 0;
	return found != NULL;
}

static gboolean
object_is_primary(const PvLdapEntry *own, const ObjectGroup *group)
{
	const char *rid = pv_ldap_entry_get(own, "primaryGroupID");
	const char *dash = group->sid == NULL ? NULL : strrchr(group->sid, '-');
	return rid != NULL && dash != NULL && g_str_equal(dash + 1, rid);
}

static gboolean
object_read_groups(AdObject *object, GCancellable *cancellable, GError **error)
{
	if (object->own == NULL)
		return TRUE;
	g_auto(GStrv) present = pv_ldap_entry_dup_list(object->own, "memberOf");
	for (guint i = 0; i < object->groups->len; i++) {
		ObjectGroup *group = object->groups->pdata[i];
		/* the primary group is no member of the list (MS-ADTS 3.1.1.4.5.19) */
		group->has = object_is_primary(object->own, group);
		for (guint k = 0; !group->has && present[k] != NULL; k++)
			group->has = ad_name_is_same(present[k], group->dn);
		/* a controller knows the memberships in groups of its own domain only */
		if (group->has || g_strcmp0(group->domain, object->domain) == 0)
			continue;
		ObjectMember member = { group, pv_ldap_entry_get_dn(object->own) };
		if (!ad_pool_run(object->ad, group->domain, NULL, object_read_member, &member,
			cancellable, error))
			return FALSE;
	}
	return TRUE;
}

/* ---- how it is told ---- */

static guint64
object_get_number(const PvLdapEntry *entry, const char *attribute)
{
	const char *text = pv_ldap_entry_get(entry, attribute);
	guint64 number = 0;
	return text != NULL && g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &number, NULL)
		   ? number
		   : 0;
}

/* userAccountControl is signed in LDAP, as is msDS-SupportedEncryptionTypes. */
static guint32
object_get_bits(const PvLdapEntry *entry, const char *attribute)
{
	const char *text = pv_ldap_entry_get(entry, attribute);
	gint64 number = 0;
	return text != NULL &&
		       g_ascii_string_to_signed(text, 10, G_MININT32, G_MAXUINT32, &number, NULL)
		   ? (guint32)number
		   : 0;
}

guint32
ad_object_get_control(const AdDirectory *ad, guint32 control)
{
	control &= ~(guint32)(CONTROL_DISABLED | CONTROL_NO_PASSWORD);
	return control | CONTROL_WORKSTATION | (ad->never_expires ? CONTROL_NEVER_EXPIRES : 0);
}

static guint
object_get_types(const AdObject *object)
{
	return object->spec->encryption_types != 0 ? object->spec->encryption_types
						   : object->ad->encryption_types;
}

/* SPNs that are ours to keep right: what was asked for, and others of AMT's form, HTTP/NAME:PORT. The rest stays. */
static gboolean
object_is_managed(const AdObject *object, const char *spn)
{
	for (guint i = 0; object->spec->spns != NULL && object->spec->spns[i] != NULL; i++)
		if (g_ascii_strcasecmp(object->spec->spns[i], spn) == 0)
			return TRUE;
	return g_regex_match_simple(
	    "^HTTP/[^/:]+:[0-9]+$", spn, G_REGEX_CASELESS | G_REGEX_DOLLAR_ENDONLY, 0);
}

static char **
object_dup_spns(const AdObject *object)
{
	g_auto(GStrv) present = pv_ldap_entry_dup_list(object->own, "servicePrincipalName");
	g_autoptr(GPtrArray) managed = g_ptr_array_new();
	for (guint i = 0; present[i] != NULL; i++)
		if (object_is_managed(object, present[i]))
			g_ptr_array_add(managed, g_strdup(present[i]));
	g_ptr_array_add(managed, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&managed), FALSE);
}

/* The groups' own DNs, and those asked for as they were asked for, so that the asker knows them again. */
static char **
object_dup_groups(const AdObject *object)
{
	g_auto(GStrv) present = pv_ldap_entry_dup_list(object->own, "memberOf");
	g_autoptr(GPtrArray) groups = g_ptr_array_new();
	for (guint i = 0; i < object->groups->len; i++) {
		const ObjectGroup *group = object->groups->pdata[i];
		if (group->has)
			g_ptr_array_add(groups, g_strdup(group->text));
	}
	for (guint i = 0; present[i] != NULL; i++)
		g_ptr_array_add(groups, g_strdup(present[i]));
	g_ptr_array_add(groups, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&groups), FALSE);
}

static char *
object_dup_control(guint32 control)
{
	return g_strdup_printf("%u%s%s", control,
	    (control & CONTROL_DISABLED) != 0 ? " (disabled)" : "",
	    (control & CONTROL_NO_PASSWORD) != 0 ? " (needs no password)" : "");
}

static void
object_add_differences(const AdObject *object, PvAccount *account)
{
	guint32 control = object_get_bits(object->own, "userAccountControl");
	guint32 wanted = ad_object_get_control(object->ad, control);
	if (control != wanted) {
		g_autofree char *from = object_dup_control(control);
		g_autofree char *to = object_dup_control(wanted);
		pv_account_add_difference(account, "userAccountControl", from, to);
	}
	guint types = object_get_types(object);
	const char *present = pv_ldap_entry_get(object->own, "msDS-SupportedEncryptionTypes");
	if (types != 0 && (present == NULL || object_get_bits(object->own,
						  "msDS-SupportedEncryptionTypes") != types)) {
		g_autofree char *to = g_strdup_printf("%u", types);
		pv_account_add_difference(account, "msDS-SupportedEncryptionTypes", present, to);
	}
}

/* What the KDC says, for a salt stays with its password when the account is renamed; else, and where it is not to be asked,
 * what it is by rule. */
static char *
object_dup_salt(const AdObject *object, const PvAccount *account, GCancellable *cancellable)
{
	g_autoptr(PvKerberos) kerberos = ad_pool_find_login(object->ad, object->server);
	g_autofree char *principal = g_strdup_printf("%s@%s", account->account, account->realm);
	g_autoptr(GError) error = NULL;
	char *salt = kerberos == NULL || account->kvno == 0
			 ? NULL
			 : pv_kerberos_dup_salt(kerberos, principal, cancellable, &error);
	if (error != NULL)
		g_debug("%s", error->message);
	return salt != NULL ? salt : ad_name_dup_salt(account->realm, account->account);
}

static PvAccount *
object_new_account(const AdObject *object, GCancellable *cancellable)
{
	const PvLdapEntry *own = object->own;
	PvAccount *account = g_new0(PvAccount, 1);
	account->dn = g_strdup(pv_ldap_entry_get_dn(own));
	account->account = g_strdup(pv_ldap_entry_get(own, "sAMAccountName"));
	account->sid = ad_forest_dup_sid(own);
	account->fqdn = g_strdup(pv_ldap_entry_get(own, "dNSHostName"));
	account->realm = g_ascii_strup(object->domain, -1);
	/* an account that was made without a password has no key, whatever its version */
	account->kvno = object_get_number(own, "pwdLastSet") == 0
			    ? 0
			    : (guint)object_get_number(own, "msDS-KeyVersionNumber");
	account->salt = object_dup_salt(object, account, cancellable);
	account->spns = object_dup_spns(object);
	account->groups = object_dup_groups(object);
	account->id = ad_forest_dup_guid(own);
	account->server = g_strdup(object->server);
	object_add_differences(object, account);
	return account;
}

gboolean
ad_object_find(gpointer directory, const PvAccountSpec *spec, PvAccount **account,
    GCancellable *cancellable, GError **error)
{
	g_auto(AdObject) object = { .strict = TRUE };
	*account = NULL;
	if (!object_init(&object, directory, spec, error) ||
	    !object_find_groups(&object, cancellable, error) ||
	    !ad_pool_run(
		directory, object.domain, spec->server, object_look, &object, cancellable, error) ||
	    !object_check_place(&object, error) ||
	    !object_read_groups(&object, cancellable, error))
		return FALSE;
	if (object.own != NULL)
		*account = object_new_account(&object, cancellable);
	return TRUE;
}

/* ---- what is written ---- */

PvSecret *
ad_object_new_password(GError **error)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	guchar bytes[OBJECT_PASSWORD_LENGTH];
	char text[OBJECT_PASSWORD_LENGTH + 4];
	if (RAND_bytes(bytes, sizeof bytes) != 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
		    "make a password: there are no random numbers");
		return NULL;
	}
	for (guint i = 0; i < sizeof bytes; i++)
		text[i] = alphabet[bytes[i] % 64];
	memcpy(text + sizeof bytes, "aA1!", 4); /* one of each kind, as a policy may want */
	PvSecret *password = pv_secret_new(text, sizeof text);
	OPENSSL_cleanse(bytes, sizeof bytes);
	OPENSSL_cleanse(text, sizeof text);
	return password;
}

PvSecret *
ad_object_new_unicode(PvSecret *password, GError **error)
{
	gsize length = 0, size = 0;
	const char *text = pv_secret_peek(password, &length);
	guint8 *value = length == 0 || length > OBJECT_MAX_PASSWORD
			    ? NULL
			    : ad_name_dup_unicode_pwd(text, length, &size);
	if (value == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "set a password: it must be text of 1 to %d bytes", OBJECT_MAX_PASSWORD);
		return NULL;
	}
	PvSecret *unicode = pv_secret_new(value, (gssize)size);
	OPENSSL_cleanse(value, size);
	g_free(value);
	return unicode;
}

/* What AD answers where a right is missing is no clear word: 50, but also 19, 53 and 65 (seen with Windows and Samba). */
static void
object_explain(const AdSession *session, GError **error)
{
	int code = pv_ldap_get_code(session->ldap);
	if (error == NULL || !g_error_matches(*error, PV_ERROR, PV_ERROR_REJECTED) ||
	    (code != 50 && code != 19 && code != 53 && code != 65))
		return;
	g_autoptr(GError) caught = g_steal_pointer(error);
	g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
	    code == 50 ? "%s; \"provost directory check\" names it"
		       : "%s; perhaps a right is missing: \"provost directory check\" names it",
	    caught->message);
}

PvLdapChange *
ad_object_new_change(
    const AdDirectory *ad, const PvAccountSpec *spec, const char *sam, GError **error)
{
	g_autoptr(PvSecret) password = ad_object_new_password(error);
	g_autoptr(PvSecret) unicode =
	    password == NULL ? NULL : ad_object_new_unicode(password, error);
	if (unicode == NULL)
		return NULL;
	g_autofree char *control = g_strdup_printf("%u", ad_object_get_control(ad, 0));
	g_autofree char *types = g_strdup_printf(
	    "%u", spec->encryption_types != 0 ? spec->encryption_types : ad->encryption_types);
	g_autofree char *description = g_strdup_printf(
	    "Intel AMT of %s, made by Provost for device %s", spec->fqdn, spec->uuid);
	PvLdapChange *change = pv_ldap_change_new();
	pv_ldap_change_add_text(change, PV_LDAP_ADD, "objectClass", "computer");
	pv_ldap_change_add_text(change, PV_LDAP_ADD, "sAMAccountName", sam);
	pv_ldap_change_add_text(change, PV_LDAP_ADD, "userAccountControl", control);
	pv_ldap_change_add_text(change, PV_LDAP_ADD, "dNSHostName", spec->fqdn);
	if (!g_str_equal(types, "0"))
		pv_ldap_change_add_text(
		    change, PV_LDAP_ADD, "msDS-SupportedEncryptionTypes", types);
	if (spec->spns != NULL && spec->spns[0] != NULL)
		pv_ldap_change_add_list(change, PV_LDAP_ADD, "servicePrincipalName", spec->spns);
	pv_ldap_change_add_text(change, PV_LDAP_ADD, "description", description);
	pv_ldap_change_add_secret(change, PV_LDAP_ADD, "unicodePwd", unicode);
	return change;
}

/* In one request, so that the account is never there by halves. */
static gboolean
object_create(AdSession *session, AdObject *object, GCancellable *cancellable, GError **error)
{
	g_autoptr(PvLdapChange) change =
	    ad_object_new_change(object->ad, object->spec, object->sam, error);
	if (change == NULL)
		return FALSE;
	g_autoptr(GError) caught = NULL;
	session->wrote = TRUE;
	if (!pv_ldap_add(session->ldap, object->dn, change, cancellable, &caught)) {
		gboolean missing = pv_ldap_is_missing(session->ldap),
			 there = pv_ldap_get_code(session->ldap) == 68;
		if (missing &&
		    !ad_forest_check_container(session, object->container, cancellable, error))
			return FALSE;
		/* another job was faster, if it is ours after all */
		if (there && object_look(session, object, cancellable, NULL) && object->own != NULL)
			return TRUE;
		g_propagate_error(error, g_steal_pointer(&caught));
		object_explain(session, error);
		return FALSE;
	}
	if (!object_look(session, object, cancellable, error))
		return FALSE;
	if (object->own == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "create %s: %s said that it did, and does not show it", object->dn,
		    session->server);
	return object->own != NULL;
}

static void
object_change_spns(const AdObject *object, PvLdapChange *change)
{
	g_auto(GStrv) present = object_dup_spns(object);
	const char *const *wanted = object->spec->spns;
	for (guint i = 0; present[i] != NULL; i++) {
		gboolean keep = FALSE;
		for (guint k = 0; !keep && wanted != NULL && wanted[k] != NULL; k++)
			keep = g_ascii_strcasecmp(wanted[k], present[i]) == 0;
		if (!keep)
			pv_ldap_change_add_text(
			    change, PV_LDAP_DELETE, "servicePrincipalName", present[i]);
	}
	for (guint k = 0; wanted != NULL && wanted[k] != NULL; k++)
		if (!pv_ldap_entry_has(object->own, "servicePrincipalName", wanted[k]))
			pv_ldap_change_add_text(
			    change, PV_LDAP_ADD, "servicePrincipalName", wanted[k]);
}

static PvLdapChange *
object_new_changes(const AdObject *object)
{
	const PvLdapEntry *own = object->own;
	PvLdapChange *change = pv_ldap_change_new();
	if (!pv_ldap_entry_has(own, "sAMAccountName", object->sam))
		pv_ldap_change_add_text(change, PV_LDAP_REPLACE, "sAMAccountName", object->sam);
	if (!pv_ldap_entry_has(own, "dNSHostName", object->spec->fqdn))
		pv_ldap_change_add_text(change, PV_LDAP_REPLACE, "dNSHostName", object->spec->fqdn);
	object_change_spns(object, change);
	guint32 control = object_get_bits(own, "userAccountControl"),
		wanted = ad_object_get_control(object->ad, control);
	if (control != wanted) {
		g_autofree char *text = g_strdup_printf("%u", wanted);
		pv_ldap_change_add_text(change, PV_LDAP_REPLACE, "userAccountControl", text);
	}
	guint types = object_get_types(object);
	g_autofree char *types_text = g_strdup_printf("%u", types);
	if (types != 0 && !pv_ldap_entry_has(own, "msDS-SupportedEncryptionTypes", types_text))
		pv_ldap_change_add_text(
		    change, PV_LDAP_REPLACE, "msDS-SupportedEncryptionTypes", types_text);
	return change;
}

/* The common name follows the account's, as long as it did so far: or the next computer of the old name finds it taken. Before
 * the account's: whoever is stopped between the two sees by that one what is left to do. */
static gboolean
object_rename(AdSession *session, AdObject *object, GCancellable *cancellable, GError **error)
{
	const char *dn = pv_ldap_entry_get_dn(object->own);
	const char *former = pv_ldap_entry_get(object->own, "sAMAccountName");
	g_autofree char *rdn = ad_name_dup_rdn(dn);
	g_autofree char *former_cn =
	    former == NULL || *former == '\0' ? NULL : object_dup_cn(former);
	g_autofree char *cn = object_dup_cn(object->sam);
	if (rdn == NULL || former_cn == NULL || g_ascii_strcasecmp(rdn, former_cn) != 0 ||
	    g_str_equal(rdn, cn))
		return TRUE;
	g_autofree char *escaped = pv_ldap_dup_dn_value(cn);
	g_autofree char *new_rdn = g_strconcat("CN=", escaped, NULL);
	session->wrote = TRUE;
	if (pv_ldap_rename(session->ldap, dn, new_rdn, NULL, cancellable, error))
		return object_look(session, object, cancellable, error);
	object_explain(session, error);
	return FALSE;
}

/* After it was read again. */
static gboolean
object_is_there(const AdObject *object, GError **error)
{
	if (object->own == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "change account %s: it is gone: somebody deleted it meanwhile", object->sam);
	return object->own != NULL;
}

static gboolean
object_change(AdSession *session, AdObject *object, GCancellable *cancellable, GError **error)
{
	g_autoptr(PvLdapChange) change = object_new_changes(object);
	if (pv_ldap_change_get_length(change) == 0)
		return TRUE;
	if (!object_rename(session, object, cancellable, error) || !object_is_there(object, error))
		return FALSE;
	session->wrote = TRUE;
	if (!pv_ldap_modify(
		session->ldap, pv_ldap_entry_get_dn(object->own), change, cancellable, error)) {
		object_explain(session, error);
		return FALSE;
	}
	return object_look(session, object, cancellable, error) && object_is_there(object, error);
}

static gboolean
object_lacks_spn(const AdObject *object)
{
	for (guint i = 0; object->spec->spns != NULL && object->spec->spns[i] != NULL; i++)
		if (object->own == NULL ||
		    !pv_ldap_entry_has(object->own, "servicePrincipalName", object->spec->spns[i]))
			return TRUE;
	return FALSE;
}

/* Creates the account or makes it so. Stops in front of the first write of an SPN until the forest was searched for it,
 * which takes other connections. */
static gboolean
object_make(AdSession *session, gpointer data, GCancellable *cancellable, GError **error)
{
	AdObject *object = data;
	if (!object_look(session, object, cancellable, error))
		return FALSE;
	object->spns_wanted = !object->spns_checked && object_lacks_spn(object);
	if (object->spns_wanted || object->elsewhere)
		return TRUE;
	if (object->own == NULL && !object_create(session, object, cancellable, error))
		return FALSE;
	return object_change(session, object, cancellable, error);
}

static gboolean
object_add_member(AdSession *session, gpointer data, GCancellable *cancellable, GError **error)
{
	ObjectMember *member = data;
	g_autoptr(PvLdapChange) change = pv_ldap_change_new();
	g_autoptr(GError) caught = NULL;
	pv_ldap_change_add_text(change, PV_LDAP_ADD, "member", member->member);
	session->wrote = TRUE;
	if (!pv_ldap_modify(session->ldap, member->group->dn, change, cancellable, &caught) &&
	    !pv_ldap_is_already_there(session->ldap)) {
		g_propagate_error(error, g_steal_pointer(&caught));
		object_explain(session, error);
		return FALSE;
	}
	return object_read_member(session, data, cancellable, error);
}

static gboolean
object_join_groups(AdObject *object, GCancellable *cancellable, GError **error)
{
	if (!object_read_groups(object, cancellable, error))
		return FALSE;
	for (guint i = 0; i < object->groups->len; i++) {
		ObjectMember member = { object->groups->pdata[i],
			pv_ldap_entry_get_dn(object->own) };
		/* the same server as the account's, where it can be: another may not have the account yet */
		if (!member.group->has &&
		    !ad_pool_run(object->ad, member.group->domain, object->server,
			object_add_member, &member, cancellable, error))
			return FALSE;
	}
	return TRUE;
}

gboolean
ad_object_ensure(gpointer directory, const PvAccountSpec *spec, PvAccount **account,
    GCancellable *cancellable, GError **error)
{
	AdDirectory *ad = directory;
	g_auto(AdObject) object = { .strict = TRUE };
	*account = NULL;
	if (!object_init(&object, ad, spec, error) ||
	    !object_find_groups(&object, cancellable, error) ||
	    !ad_pool_run(ad, object.domain, spec->server, object_make, &object, cancellable, error) ||
	    !object_check_place(&object, error))
		return FALSE;
	if (object.spns_wanted) {
		const char *dn = object.own == NULL ? object.dn : pv_ldap_entry_get_dn(object.own);
		g_autofree char *id = object.own == NULL ? NULL : ad_forest_dup_guid(object.own);
		object.spns_checked = TRUE;
		if (!ad_forest_check_spns(ad, spec->spns, id, dn, cancellable, error) ||
		    !ad_pool_run(
			ad, object.domain, object.server, object_make, &object, cancellable, error) ||
		    !object_check_place(&object, error))
			return FALSE;
	}
	if (!object_join_groups(&object, cancellable, error))
		return FALSE;
	/* read once more, with the memberships, from the server that was written to */
	PvAccountSpec again = *spec;
	g_autofree char *id = ad_forest_dup_guid(object.own);
	again.server = object.server;
	again.id = id;
	return ad_object_find(directory, &again, account, cancellable, error);
}

static gboolean
object_set_password(AdSession *session, gpointer data, GCancellable *cancellable, GError **error)
{
	AdObject *object = data;
	if (!object_look(session, object, cancellable, error))
		return FALSE;
	if (object->elsewhere)
		return TRUE;
	if (object->own == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "set password of %s: it is gone: somebody deleted the account", object->dn);
		return FALSE;
	}
	g_autoptr(PvLdapChange) change = pv_ldap_change_new();
	pv_ldap_change_add_secret(change, PV_LDAP_REPLACE, "unicodePwd", object->unicode);
	/* where no answer comes it is set again, to the same: what the key's version says then is read afterwards */
	session->wrote = TRUE;
	if (pv_ldap_modify(
		session->ldap, pv_ldap_entry_get_dn(object->own), change, cancellable, error))
		return TRUE;
	object_explain(session, error);
	return FALSE;
}

gboolean
ad_object_set_password(gpointer directory, const PvAccountSpec *spec, PvSecret *password,
    GCancellable *cancellable, GError **error)
{
	g_auto(AdObject) object = { 0 };
	g_autoptr(PvSecret) unicode = ad_object_new_unicode(password, error);
	if (unicode == NULL || !object_init(&object, directory, spec, error))
		return FALSE;
	object.unicode = unicode;
	return ad_pool_run(directory, object.domain, spec->server, object_set_password, &object,
		   cancellable, error) &&
	       object_check_place(&object, error);
}

static gboolean
object_remove(AdSession *session, gpointer data, GCancellable *cancellable, GError **error)
{
	AdObject *object = data;
	if (!object_look(session, object, cancellable, error))
		return FALSE;
	if (object->own == NULL)
		return TRUE;
	g_autofree char *dn = g_strdup(pv_ldap_entry_get_dn(object->own));
	g_autoptr(GError) caught = NULL;
	session->wrote = TRUE;
	if (!pv_ldap_delete(session->ldap, dn, cancellable, &caught) &&
	    !pv_ldap_is_missing(session->ldap)) {
		g_propagate_error(error, g_steal_pointer(&caught));
		object_explain(session, error);
		return FALSE;
	}
	if (!object_look(session, object, cancellable, error))
		return FALSE;
	if (object->own != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "delete %s: %s said that it did, and still shows it", dn, session->server);
	return object->own == NULL;
}

gboolean
ad_object_remove(
    gpointer directory, const PvAccountSpec *spec, GCancellable *cancellable, GError **error)
{
	g_auto(AdObject) object = { 0 };
	return object_init(&object, directory, spec, error) &&
	       ad_pool_run(directory, object.domain, spec->server, object_remove, &object,
		   cancellable, error) &&
	       object_check_place(&object, error);
}
