/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes the device's access list exactly the declared one: foreign entries go, missing ones
 * come, differing ones are updated. The firmware's own entries ("$$…") and the admin account,
 * which is not in the list, stay. */
#include <provost/plugin.h>

#include <string.h>

#include "realms.h"
#include "sid.h"

#define ACL_CLASS "AMT_AuthorizationService"
#define ACL_NO_HANDLE (-1)

enum {
	ACL_MD5_BYTES = 16,
	ACL_USER_BYTES = 16, /* Intel AMT SDK, "User name format" */
	/* far more than any firmware holds; bounds a device that never comes to an end */
	ACL_MOST_HANDLES = 256,
	ACL_REALM_ADMINISTRATION = 3,
	ACL_ACCESS_LOCAL = 0,
	ACL_NEW_REALMS_VERSION = 4,
};

#define ACL_NEW_REALMS ((guint32)1 << 20 | (guint32)1 << 21) /* AuditLog, ACL */

typedef struct {
	char *name; /* of the digest user or group, or the SID; owned */
	GBytes *sid; /* binary; NULL: a digest user; owned */
	guint access; /* AccessPermission: index of acl_access_names */
	guint32 realms; /* bit N: realm N */
	gint64 handle; /* in the device; ACL_NO_HANDLE: a declared entry */
	const PvValues *values; /* the declaration; NULL: an entry of the device; lent */
} AclEntry;

static const char *const acl_access_names[] = { "local", "network", "any" };

static void
acl_entry_free(gpointer data)
{
	AclEntry *entry = data;
	g_free(entry->name);
	g_clear_pointer(&entry->sid, g_bytes_unref);
	g_free(entry);
}

static gboolean
acl_entry_same(const AclEntry *a, const AclEntry *b)
{
	if (a->sid == NULL || b->sid == NULL)
		return a->sid == b->sid && strcmp(a->name, b->name) == 0;
	return g_bytes_equal(a->sid, b->sid);
}

static const AclEntry *
acl_find(GPtrArray *entries, const AclEntry *wanted)
{
	for (guint i = 0; i < entries->len; i++)
		if (acl_entry_same(entries->pdata[i], wanted))
			return entries->pdata[i];
	return NULL;
}

static char *
acl_entry_dup_object(const AclEntry *entry)
{
	return g_strdup_printf("ACL entry %s", entry->name);
}

static char *
acl_entry_dup_secret_name(const AclEntry *entry)
{
	return g_strdup_printf("acl-%s", entry->name);
}

/* What is declared */

static gboolean
acl_declare_digest(AclEntry *entry, GError **error)
{
	const char *user = pv_values_get_string(entry->values, "user");
	const char *where = pv_values_get_where(entry->values, "user");
	gsize length = strlen(user);
	gboolean good = length >= 1 && length <= ACL_USER_BYTES && !g_str_has_prefix(user, "$$") &&
			g_ascii_strcasecmp(user, "admin") != 0 &&
			g_ascii_strcasecmp(user, "administrator") != 0;
	for (const char *c = user; *c != '\0'; c++)
		good = good && *c > ' ' && *c <= '~' && strchr(":,<>&\"", *c) == NULL;
	if (!good) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: \"%s\" is no user name for AMT: 1 to 16 ASCII characters but : , < > & "
		    "\", not admin or administrator, and no $$ in front",
		    where, user);
		return FALSE;
	}
	if (!pv_values_has(entry->values, "password")) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: user \"%s\" needs a \"password\"", where, user);
		return FALSE;
	}
	entry->name = g_strdup(user);
	return TRUE;
}

static gboolean
acl_declare_kerberos(PvJob *job, AclEntry *entry, GError **error)
{
	const char *group = pv_values_get_string(entry->values, "group");
	const char *text = pv_values_get_string(entry->values, "sid");
	g_autofree char *found = NULL;
	if (text == NULL && g_str_has_prefix(group, "S-1-"))
		text = group;
	if (text == NULL) {
		gpointer handle = NULL;
		const PvDirectory *directory = pv_job_get_directory(job, &handle, error);
		if (directory == NULL)
			return FALSE;
		found = directory->find_sid(handle, group, pv_job_get_cancellable(job), error);
		if (found == NULL) {
			g_prefix_error(error, "%s: ", pv_values_get_where(entry->values, "group"));
			return FALSE;
		}
		text = found;
	}
	entry->sid = acl_sid_parse(text, error);
	entry->name = g_strdup(group != NULL ? group : text);
	return entry->sid != NULL;
}

static gboolean
acl_declare_rights(AclEntry *entry, GError **error)
{
	const char *access = pv_values_get_string(entry->values, "access");
	while (strcmp(acl_access_names[entry->access], access) != 0)
		entry->access++; /* the core has checked that it is one of them */

	const char *where = pv_values_get_where(entry->values, "realms");
	const char *const *names = pv_values_get_list(entry->values, "realms");
	for (gsize i = 0; names[i] != NULL; i++) {
		guint realm = 0;
		if (!acl_realm_find(names[i], where, &realm, error))
			return FALSE;
		entry->realms |= (guint32)1 << realm;
	}
	if (entry->realms == 0)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: an entry without realms lets nobody do anything", where);
	return entry->realms != 0;
}

static gboolean
acl_declare(PvJob *job, AclEntry *entry, GError **error)
{
	guint kinds = 0;
	for (const char *const *name = (const char *const[]) { "user", "group", "sid", NULL };
	     *name != NULL; name++)
		kinds += pv_values_has(entry->values, *name) ? 1 : 0;
	if (kinds != 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: an entry has one of \"user\", \"group\" and \"sid\"",
		    pv_values_get_where(entry->values, "user"));
		return FALSE;
	}
	gboolean digest = pv_values_has(entry->values, "user");
	return (digest ? acl_declare_digest(entry, error)
		       : acl_declare_kerberos(job, entry, error)) &&
	       acl_declare_rights(entry, error);
}

static GPtrArray *
acl_read_declared(PvJob *job, GError **error)
{
	g_autoptr(GPtrArray) declared = g_ptr_array_new_with_free_func(acl_entry_free);
	const PvValues *values = pv_job_get_values(job);
	for (guint i = 0; i < pv_values_get_count(values, "entries"); i++) {
		AclEntry *entry = g_new0(AclEntry, 1);
		entry->handle = ACL_NO_HANDLE;
		entry->values = pv_values_get_object(values, "entries", i);
		if (!acl_declare(job, entry, error)) {
			acl_entry_free(entry);
			return NULL;
		}
		const AclEntry *twin = acl_find(declared, entry);
		if (twin != NULL)
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "%s: \"%s\" is the same account as \"%s\" before it",
			    pv_values_get_where(entry->values, "realms"), entry->name, twin->name);
		g_ptr_array_add(declared, entry);
		if (twin != NULL)
			return NULL;
	}
	return g_steal_pointer(&declared);
}

/* What is in the device */

static AclEntry *
acl_read_entry(PvWsman *amt, gint64 handle, GError **error)
{
	g_autoptr(PvInstance) input = pv_instance_new("GetUserAclEntryEx_INPUT");
	pv_instance_add_int(input, "Handle", handle);
	g_autoptr(PvInstance) output =
	    pv_wsman_invoke(amt, ACL_CLASS, NULL, "GetUserAclEntryEx", input, NULL, error);
	if (output == NULL)
		return NULL;

	const char *user = pv_instance_get(output, "DigestUsername");
	if (user != NULL && *user == '\0')
		user = NULL; /* firmware that sends what an entry does not have */
	g_autoptr(GBytes) sid =
	    user == NULL ? pv_instance_dup_bytes(output, "KerberosUserSid", error) : NULL;
	if (user == NULL && sid == NULL)
		return NULL;
	AclEntry *entry = g_new0(AclEntry, 1);
	entry->handle = handle;
	entry->access = (guint)CLAMP(pv_instance_get_int(output, "AccessPermission", 0), 0, 2);
	entry->name = user != NULL ? g_strdup(user) : acl_sid_format(sid);
	if (entry->name == NULL)
		entry->name = g_strdup_printf("%" G_GINT64_FORMAT " (no valid SID)", handle);
	entry->sid = g_steal_pointer(&sid);
	for (guint i = 0; i < pv_instance_get_count(output, "Realms"); i++) {
		guint64 realm = 0;
		const char *text = pv_instance_get_nth(output, "Realms", i);
		if (text != NULL && g_ascii_string_to_unsigned(text, 10, 0, 31, &realm, NULL))
			entry->realms |= (guint32)1 << realm;
	}
	return entry;
}

/* Handles of all entries, page by page; of gint64. */
static GArray *
acl_read_handles(PvWsman *amt, GError **error)
{
	g_autoptr(GArray) handles = g_array_new(FALSE, FALSE, sizeof(gint64));
	gint64 total = 0;
	do {
		g_autoptr(PvInstance) input = pv_instance_new("EnumerateUserAclEntries_INPUT");
		pv_instance_add_int(input, "StartIndex", handles->len + 1);
		g_autoptr(PvInstance) output = pv_wsman_invoke(
		    amt, ACL_CLASS, NULL, "EnumerateUserAclEntries", input, NULL, error);
		if (output == NULL)
			return NULL;
		total = pv_instance_get_int(output, "TotalCount", 0);
		guint count = pv_instance_get_count(output, "Handles");
		if (total > ACL_MOST_HANDLES || count > ACL_MOST_HANDLES ||
		    (count == 0 && total > handles->len)) {
			g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
			    "list access entries: the device speaks of %" G_GINT64_FORMAT
			    " and gives %u after %u",
			    total, count, handles->len);
			return NULL;
		}
		for (guint i = 0; i < count; i++) {
			guint64 handle = 0;
			const char *text = pv_instance_get_nth(output, "Handles", i);
			if (text == NULL ||
			    !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, &handle, NULL)) {
				g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
				    "list access entries: a handle is no number");
				return NULL;
			}
			gint64 value = (gint64)handle;
			g_array_append_val(handles, value);
		}
	} while (handles->len < total);
	return g_steal_pointer(&handles);
}

/* The firmware's own entries, and the admin account, should a firmware list it: neither is anybody's to change here. */
static gboolean
acl_is_firmware(const AclEntry *entry)
{
	return entry->sid == NULL &&
	       (g_str_has_prefix(entry->name, "$$") || strcmp(entry->name, "admin") == 0);
}

static GPtrArray *
acl_read_present(PvWsman *amt, GError **error)
{
	g_autoptr(GArray) handles = acl_read_handles(amt, error);
	if (handles == NULL)
		return NULL;
	g_autoptr(GPtrArray) present = g_ptr_array_new_with_free_func(acl_entry_free);
	for (guint i = 0; i < handles->len; i++) {
		AclEntry *entry = acl_read_entry(amt, g_array_index(handles, gint64, i), error);
		if (entry == NULL)
			return NULL;
		if (acl_is_firmware(entry))
			acl_entry_free(entry);
		else
			g_ptr_array_add(present, entry);
	}
	return g_steal_pointer(&present);
}

/* The difference */

/* A password cannot be read back, so what was sent is kept, sealed, and compared. */
static gboolean
acl_password_differs(PvJob *job, const AclEntry *entry, gboolean *differs, GError **error)
{
	if (entry->sid != NULL)
		return TRUE;
	g_autofree char *name = acl_entry_dup_secret_name(entry);
	*differs = TRUE;
	if (pv_job_has_secret(job, name, PV_SECRET_PENDING) ||
	    !pv_job_has_secret(job, name, PV_SECRET_CURRENT))
		return TRUE;
	g_autoptr(PvSecret) sent = pv_job_dup_secret(job, name, PV_SECRET_CURRENT, error);
	if (sent == NULL)
		return FALSE;
	g_autoptr(PvSecret) wanted = pv_values_dup_secret(entry->values, "password", error);
	*differs = !pv_secret_equal(sent, wanted);
	return wanted != NULL;
}

static void
acl_plan_whole(PvPlan *plan, const AclEntry *entry)
{
	g_autofree char *object = acl_entry_dup_object(entry);
	g_autofree char *realms = acl_realms_to_text(entry->realms);
	g_autofree char *rights =
	    g_strdup_printf("%s; %s", realms, acl_access_names[entry->access]);
	pv_plan_add(plan, object, "", entry->values == NULL ? rights : "",
	    entry->values == NULL ? "" : rights);
}

static gboolean
acl_plan_update(
    PvJob *job, PvPlan *plan, const AclEntry *found, const AclEntry *entry, GError **error)
{
	g_autofree char *object = acl_entry_dup_object(entry);
	if (found->realms != entry->realms) {
		g_autofree char *from = acl_realms_to_text(found->realms);
		g_autofree char *to = acl_realms_to_text(entry->realms);
		pv_plan_add(plan, object, "realms", from, to);
	}
	if (found->access != entry->access)
		pv_plan_add(plan, object, "access", acl_access_names[found->access],
		    acl_access_names[entry->access]);
	gboolean differs = FALSE;
	if (!acl_password_differs(job, entry, &differs, error))
		return FALSE;
	if (differs)
		pv_plan_add(plan, object, "password", "(secret)", "(secret)");
	return TRUE;
}

static gboolean
acl_is_foreign(PvJob *job, GPtrArray *declared, const AclEntry *entry)
{
	return acl_find(declared, entry) == NULL && !pv_job_get_bool(job, "keep-foreign");
}

/* Before the first write: a list that does not fit would stay half made. */
static gboolean
acl_check_limit(
    PvJob *job, GPtrArray *declared, GPtrArray *present, gboolean digest, GError **error)
{
	const char *param = digest ? "digest-limit" : "kerberos-limit";
	gint64 limit = pv_job_get_int(job, param), count = 0;
	for (guint i = 0; i < declared->len; i++)
		count += (((AclEntry *)declared->pdata[i])->sid == NULL) == digest ? 1 : 0;
	for (guint i = 0; i < present->len; i++) {
		const AclEntry *entry = present->pdata[i];
		gboolean stays =
		    acl_find(declared, entry) == NULL && pv_job_get_bool(job, "keep-foreign");
		count += stays && (entry->sid == NULL) == digest ? 1 : 0;
	}
	if (count <= limit)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "%s: %" G_GINT64_FORMAT " %s entries, but the device keeps at most %" G_GINT64_FORMAT
	    " (\"%s\")",
	    pv_values_get_where(pv_job_get_values(job), "entries"), count,
	    digest ? "digest" : "Kerberos", limit, param);
	return FALSE;
}

/* Provost may be logged in as a user of the list: what it needs itself must not go, or it could neither finish nor come
 * back. */
static gboolean
acl_check_own(PvJob *job, PvWsman *amt, GPtrArray *declared, GPtrArray *present, GError **error)
{
	const char *own = pv_wsman_get_user(amt);
	for (guint i = 0; own != NULL && i < present->len; i++) {
		const AclEntry *entry = present->pdata[i];
		if (entry->sid != NULL || strcmp(entry->name, own) != 0)
			continue;
		const AclEntry *wanted = acl_find(declared, entry);
		gboolean stays = wanted != NULL
				     ? (wanted->realms >> ACL_REALM_ADMINISTRATION & 1) != 0 &&
					   wanted->access != ACL_ACCESS_LOCAL
				     : !acl_is_foreign(job, declared, entry);
		if (stays)
			continue;
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: provost is logged in as \"%s\", which would %s; give the device its admin "
		    "password first (stage admin-password), or declare the user with "
		    "PTAdministration over the network",
		    pv_values_get_where(pv_job_get_values(job), "entries"), own,
		    wanted != NULL ? "lose its rights" : "be removed");
		return FALSE;
	}
	return TRUE;
}

/* The realms of the audit log and of the access list came with AMT 4.0 (AMT_AuthorizationService, Realms). */
static gboolean
acl_check_realms(PvJob *job, PvWsman *amt, GPtrArray *declared, GError **error)
{
	const char *version = pv_job_get_fact(job, "amt.version");
	if (version == NULL)
		version = pv_wsman_get_version(amt);
	guint64 major = version != NULL ? g_ascii_strtoull(version, NULL, 10) : 0;
	if (major == 0 || major >= ACL_NEW_REALMS_VERSION)
		return TRUE;
	for (guint i = 0; i < declared->len; i++) {
		const AclEntry *entry = declared->pdata[i];
		guint32 missing = entry->realms & ACL_NEW_REALMS;
		if (missing == 0)
			continue;
		g_autofree char *names = acl_realms_to_text(missing);
		g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
		    "%s: AMT %s has no realm %s, which came with AMT %d.0",
		    pv_values_get_where(entry->values, "realms"), version, names,
		    ACL_NEW_REALMS_VERSION);
		return FALSE;
	}
	return TRUE;
}

static gboolean
acl_plan(PvJob *job, PvPlan *plan, GError **error)
{
	g_autoptr(GPtrArray) declared = acl_read_declared(job, error);
	if (declared == NULL)
		return FALSE;
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	if (!acl_check_realms(job, amt, declared, error))
		return FALSE;
	g_autoptr(GPtrArray) present = acl_read_present(amt, error);
	if (present == NULL || !acl_check_limit(job, declared, present, TRUE, error) ||
	    !acl_check_limit(job, declared, present, FALSE, error) ||
	    !acl_check_own(job, amt, declared, present, error))
		return FALSE;

	for (guint i = 0; i < present->len; i++)
		if (acl_is_foreign(job, declared, present->pdata[i]))
			acl_plan_whole(plan, present->pdata[i]);
	for (guint i = 0; i < declared->len; i++) {
		const AclEntry *entry = declared->pdata[i];
		const AclEntry *found = acl_find(present, entry);
		if (found == NULL)
			acl_plan_whole(plan, entry);
		else if (!acl_plan_update(job, plan, found, entry, error))
			return FALSE;
	}
	return TRUE;
}

/* The changes */

static gint
acl_compare_handles_down(gconstpointer a, gconstpointer b)
{
	const AclEntry *one = *(const AclEntry *const *)a, *other = *(const AclEntry *const *)b;
	return one->handle < other->handle ? 1 : one->handle > other->handle ? -1 : 0;
}

static gboolean
acl_remove_foreign(PvJob *job, PvWsman *amt, const PvPlan *plan, GPtrArray *declared,
    GPtrArray *present, GError **error)
{
	/* from the top: firmware that moves handles down after a removal leaves those below
	 * alone */
	g_ptr_array_sort(present, acl_compare_handles_down);
	for (guint i = 0; i < present->len; i++) {
		const AclEntry *entry = present->pdata[i];
		g_autofree char *object = acl_entry_dup_object(entry);
		if (!acl_is_foreign(job, declared, entry) || !pv_plan_has(plan, object, ""))
			continue;
		guint32 status = 0;
		g_autoptr(PvInstance) input = pv_instance_new("RemoveUserAclEntry_INPUT");
		pv_instance_add_int(input, "Handle", entry->handle);
		g_autoptr(PvInstance) output = pv_wsman_invoke(
		    amt, ACL_CLASS, NULL, "RemoveUserAclEntry", input, &status, error);
		if (output != NULL && status != PV_PT_STATUS_SUCCESS &&
		    status != PV_PT_STATUS_INVALID_HANDLE)
			pv_pt_status_error(error, ACL_CLASS, "RemoveUserAclEntry", status);
		if (output == NULL ||
		    (status != PV_PT_STATUS_SUCCESS && status != PV_PT_STATUS_INVALID_HANDLE)) {
			g_prefix_error(error, "remove ACL entry %s: ", entry->name);
			return FALSE;
		}
	}
	return TRUE;
}

/* The 16 raw bytes of MD5(user:realm:password) are what AMT keeps of a password
 * (AMT_AuthorizationService) */
static void
acl_add_password(PvInstance *input, const char *user, const char *realm, const PvSecret *password)
{
	guint8 hash[ACL_MD5_BYTES];
	gsize size = sizeof hash, length = 0;
	const char *bytes = pv_secret_peek(password, &length);
	g_autoptr(GChecksum) md5 = g_checksum_new(G_CHECKSUM_MD5);
	g_checksum_update(md5, (const guchar *)user, -1);
	g_checksum_update(md5, (const guchar *)":", 1);
	g_checksum_update(md5, (const guchar *)realm, -1);
	g_checksum_update(md5, (const guchar *)":", 1);
	g_checksum_update(md5, (const guchar *)bytes, (gssize)length);
	g_checksum_get_digest(md5, hash, &size);
	pv_instance_add_bytes(input, "DigestPassword", hash, size);
}

/* One method, with its input in MOF order; AddUserAclEntryEx has no handle. */
static gboolean
acl_send(PvJob *job, PvWsman *amt, const AclEntry *entry, const PvSecret *password, gint64 handle,
    guint32 *status, GError **error)
{
	g_autoptr(PvInstance) input = pv_instance_new("UserAclEntryEx_INPUT");
	if (handle != ACL_NO_HANDLE)
		pv_instance_add_int(input, "Handle", handle);
	if (entry->sid == NULL) {
		pv_instance_add(input, "DigestUsername", entry->name);
		acl_add_password(input, entry->name, pv_job_get_fact(job, "amt.realm"), password);
	} else {
		pv_instance_add_bytes(input, "KerberosUserSid", g_bytes_get_data(entry->sid, NULL),
		    g_bytes_get_size(entry->sid));
	}
	pv_instance_add_int(input, "AccessPermission", entry->access);
	for (guint realm = 0; realm < 32; realm++)
		if ((entry->realms >> realm & 1) != 0)
			pv_instance_add_int(input, "Realms", realm);
	const char *method = handle != ACL_NO_HANDLE ? "UpdateUserAclEntryEx" : "AddUserAclEntryEx";
	g_autoptr(PvInstance) output =
	    pv_wsman_invoke(amt, ACL_CLASS, NULL, method, input, status, error);
	if (output != NULL && *status != PV_PT_STATUS_SUCCESS && *status != PV_PT_STATUS_DUPLICATE)
		pv_pt_status_error(error, ACL_CLASS, method, *status);
	return output != NULL &&
	       (*status == PV_PT_STATUS_SUCCESS || *status == PV_PT_STATUS_DUPLICATE);
}

static gboolean
acl_write(PvJob *job, PvWsman *amt, const AclEntry *entry, const PvSecret *password, gint64 handle,
    GError **error)
{
	guint32 status = 0;
	if (!acl_send(job, amt, entry, password, handle, &status, error))
		return FALSE;
	if (status == PV_PT_STATUS_SUCCESS)
		return TRUE;

	/* it came to be since the list was read, as when the answer to an earlier call was lost */
	g_autoptr(GPtrArray) present = acl_read_present(amt, error);
	if (present == NULL)
		return FALSE;
	const AclEntry *found = acl_find(present, entry);
	if (found == NULL || handle != ACL_NO_HANDLE) {
		pv_pt_status_error(error, ACL_CLASS, "AddUserAclEntryEx", status);
		return FALSE;
	}
	return acl_write(job, amt, entry, password, found->handle, error);
}

static gboolean
acl_set(PvJob *job, PvWsman *amt, const AclEntry *entry, const AclEntry *found, GError **error)
{
	g_autofree char *name = acl_entry_dup_secret_name(entry);
	g_autoptr(PvSecret) password = NULL;
	if (entry->sid == NULL) {
		password = pv_values_dup_secret(entry->values, "password", error);
		if (password == NULL || !pv_job_propose_secret(job, name, password, error))
			return FALSE;
	}
	if (!acl_write(
		job, amt, entry, password, found != NULL ? found->handle : ACL_NO_HANDLE, error)) {
		g_prefix_error(error, "set ACL entry %s: ", entry->name);
		return FALSE;
	}
	return entry->sid != NULL || pv_job_confirm_secret(job, name, error);
}

static gboolean
acl_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	g_autoptr(GPtrArray) declared = acl_read_declared(job, error);
	if (declared == NULL)
		return FALSE;
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_autoptr(GPtrArray) before = acl_read_present(amt, error);
	if (before == NULL || !acl_remove_foreign(job, amt, plan, declared, before, error))
		return FALSE;

	/* removals may have renumbered the handles */
	g_autoptr(GPtrArray) present = acl_read_present(amt, error);
	if (present == NULL)
		return FALSE;
	for (guint i = 0; i < declared->len; i++) {
		const AclEntry *entry = declared->pdata[i];
		g_autofree char *object = acl_entry_dup_object(entry);
		if (pv_plan_has(plan, object, NULL) &&
		    !acl_set(job, amt, entry, acl_find(present, entry), error))
			return FALSE;
	}
	return TRUE;
}

static const PvParam acl_entry_params[] = {
	{ "user", PV_PARAM_STRING, "null", "name of a user who logs in with a password" },
	{ "password", PV_PARAM_SECRET, "null", "the user's password" },
	{ "group", PV_PARAM_STRING, "null",
	    "user or group of the directory, who logs in with Kerberos", .refers = "name" },
	{ "sid", PV_PARAM_STRING, "null", "the same by its SID" },
	{ "realms", PV_PARAM_LIST, NULL, "what the entry may do, such as RemoteControl" },
	{ "access", PV_PARAM_CHOICE, "\"any\"", "from where", .choices = "local|network|any" },
	{ NULL },
};

static const PvParam acl_params[] = {
	{ "entries", PV_PARAM_OBJECTS, NULL, "the complete access list",
	    .fields = acl_entry_params },
	{ "keep-foreign", PV_PARAM_BOOL, "false",
	    "leave entries alone that are not declared here" },
	{ "digest-limit", PV_PARAM_INT, "7", "most entries with a password", .unit = "entries",
	    .minimum = 1, .maximum = 64 },
	{ "kerberos-limit", PV_PARAM_INT, "32", "most entries of the directory", .unit = "entries",
	    .minimum = 1, .maximum = 64 },
	{ NULL },
};

static const PvStage acl_stages[] = {
	{
	    .type = "wsman-acl",
	    .summary = "makes the access list exactly the declared one",
	    .params = acl_params,
	    .needs = (const char *const[]) { "amt.realm", NULL },
	    .plan = acl_plan,
	    .apply = acl_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("wsman-acl", PV_VERSION, "the device's access list", .stages = acl_stages);
