/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may log in: the ACL and Kerberos, amt/05 */
#include "sim/classes.h"
#include "sim/kerberos.h"

#include <string.h>

#define ACCESS_REALM_MAX 24
#define ACCESS_REALM_MAX_OLD 19 /* before AMT 4.0 (amt/05 section 2) */
#define ACCESS_SID_MAX 28
#define ACCESS_DOMAIN_BYTES 24 /* of a SID: what counts as its domain */

/* clang-format off */
static const PvSimProperty access_service[] = {
	{ "AllowHttpQopAuthOnly", PV_SIM_UINT, 0, "1", 1 },
	PV_SIM_SERVICE("AMT_AuthorizationService", "Intel(r) AMT Authorization Service", "Intel(r) AMT Authorization Service"),
	{ NULL },
};

static const PvSimProperty access_add[] = {
	{ "DigestUsername", PV_SIM_TEXT, 0 },
	{ "DigestPassword", PV_SIM_BASE64, 0 },
	{ "KerberosUserSid", PV_SIM_BASE64, 0 },
	{ "AccessPermission", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ "Realms", PV_SIM_UINT, PV_SIM_ARRAY },
	{ NULL },
};

static const PvSimProperty access_update[] = {
	{ "Handle", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ "DigestUsername", PV_SIM_TEXT, 0 },
	{ "DigestPassword", PV_SIM_BASE64, 0 },
	{ "KerberosUserSid", PV_SIM_BASE64, 0 },
	{ "AccessPermission", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ "Realms", PV_SIM_UINT, PV_SIM_ARRAY },
	{ NULL },
};

static const PvSimProperty access_start[] = { { "StartIndex", PV_SIM_UINT, PV_SIM_REQUIRED }, { NULL } };
static const PvSimProperty access_handle[] = { { "Handle", PV_SIM_UINT, PV_SIM_REQUIRED }, { NULL } };

static const PvSimProperty access_enable[] = {
	{ "Handle", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ "Enabled", PV_SIM_BOOLEAN, PV_SIM_REQUIRED },
	{ NULL },
};

static const PvSimProperty access_admin[] = {
	{ "Username", PV_SIM_TEXT, PV_SIM_REQUIRED },
	{ "DigestPassword", PV_SIM_BASE64, PV_SIM_REQUIRED },
	{ NULL },
};

static const PvSimProperty access_kerberos[] = {
	{ "ConfiguredEncryptionAlgorithms", PV_SIM_UINT, PV_SIM_READ_ONLY | PV_SIM_ARRAY, NULL, 0, 800 },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT: Kerberos Settings" },
	{ "EncryptionAlgorithm", PV_SIM_UINT, 0, NULL, 0 },
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel (r) AMT: Kerberos Settings" },
	{ "IterationCount", PV_SIM_UINT, PV_SIM_WRITE_ONLY, NULL, 0, 800 },
	{ "KeyVersion", PV_SIM_UINT, 0, NULL },
	{ "KrbEnabled", PV_SIM_BOOLEAN, PV_SIM_REQUIRED, "false" },
	{ "MasterKey", PV_SIM_BASE64, PV_SIM_WRITE_ONLY, NULL, 24 },
	{ "MaximumClockTolerance", PV_SIM_UINT, 0, NULL, 5 },
	{ "Passphrase", PV_SIM_TEXT, PV_SIM_WRITE_ONLY, NULL, 256, 800 },
	{ "RealmName", PV_SIM_TEXT, 0, NULL, 255 },
	{ "Salt", PV_SIM_TEXT, PV_SIM_WRITE_ONLY, NULL, 256, 800 },
	{ "ServicePrincipalName", PV_SIM_TEXT, PV_SIM_ARRAY, NULL, 255 },
	{ "ServicePrincipalProtocol", PV_SIM_UINT, PV_SIM_ARRAY, NULL, 3 },
	{ "SupportedEncryptionAlgorithms", PV_SIM_UINT, PV_SIM_READ_ONLY | PV_SIM_ARRAY, NULL, 0, 800 },
	{ NULL },
};

static const PvSimProperty access_cache[] = { { "Enable", PV_SIM_BOOLEAN, PV_SIM_REQUIRED }, { NULL } };
/* clang-format on */

/* amt/04 section 6 */
static gboolean
access_name_is_good(const PvSimDevice *device, const char *name)
{
	gsize length = strlen(name);
	/* "administrator" is reserved from 3.2 on, "admin" from 4.0 (amt/11) */
	if (length == 0 || length > 16 || g_str_has_prefix(name, "$$") ||
	    (g_ascii_strcasecmp(name, "admin") == 0 && pv_sim_class_is_there(device, 400, 0)) ||
	    g_ascii_strcasecmp(name, "administrator") == 0)
		return FALSE;
	for (const char *c = name; *c != '\0'; c++) {
		if (*c < 33 || *c > 126 || strchr(":,<>&\"", *c) != NULL)
			return FALSE;
	}
	return TRUE;
}

static guint
access_count(const PvSimDevice *device, gboolean digest)
{
	guint count = 0;
	for (guint i = 0; i < device->acl->len; i++) {
		const PvSimAclEntry *entry = device->acl->pdata[i];
		if (digest ? entry->user != NULL && !g_str_has_prefix(entry->user, "$$")
			   : entry->sid != NULL)
			count++;
	}
	return count;
}

static gboolean
access_same_domain(GBytes *one, GBytes *other)
{
	gsize one_length = 0, other_length = 0;
	gconstpointer a = g_bytes_get_data(one, &one_length);
	gconstpointer b = g_bytes_get_data(other, &other_length);
	gsize length = MIN(MIN(one_length, other_length), ACCESS_DOMAIN_BYTES);
	return MIN(one_length, ACCESS_DOMAIN_BYTES) == MIN(other_length, ACCESS_DOMAIN_BYTES) &&
	       memcmp(a, b, length) == 0;
}

/* Would this SID be one domain too many? */
static gboolean
access_domains_are_full(const PvSimDevice *device, GBytes *sid)
{
	guint domains = 0;
	for (guint i = 0; i < device->acl->len; i++) {
		const PvSimAclEntry *entry = device->acl->pdata[i];
		gboolean first = entry->sid != NULL;
		if (first && access_same_domain(entry->sid, sid))
			return FALSE;
		for (guint j = 0; j < i && first; j++) {
			const PvSimAclEntry *before = device->acl->pdata[j];
			first = before->sid == NULL || !access_same_domain(before->sid, entry->sid);
		}
		if (first)
			domains++;
	}
	return domains >= device->switches->kerberos_domains;
}

static guint32
access_read_realms(const PvSimCall *call, guint64 *realms)
{
	const PvSimInstance *input = call->input;
	guint last =
	    pv_sim_class_is_there(call->device, 400, 0) ? ACCESS_REALM_MAX : ACCESS_REALM_MAX_OLD;
	*realms = 0;
	for (guint i = 0; i < input->values->len; i++) {
		const PvSimValue *value = input->values->pdata[i];
		if (strcmp(value->name, "Realms") != 0)
			continue;
		guint64 realm = g_ascii_strtoull(value->text, NULL, 10);
		if (realm < 2 || realm > last)
			return PV_SIM_STATUS_INVALID_REALM;
		*realms |= G_GUINT64_CONSTANT(1) << realm;
	}
	return *realms != 0 ? PV_SIM_STATUS_SUCCESS : PV_SIM_STATUS_INVALID_REALM;
}

static PvSimAclEntry *
access_find_sid(const PvSimDevice *device, GBytes *sid)
{
	for (guint i = 0; i < device->acl->len; i++) {
		PvSimAclEntry *entry = device->acl->pdata[i];
		if (entry->sid != NULL && g_bytes_equal(entry->sid, sid))
			return entry;
	}
	return NULL;
}

/* Checks what Add and Update have in common and, when all is right, writes it to @entry or to a new one */
static guint32
access_write_entry(PvSimCall *call, PvSimAclEntry *entry)
{
	PvSimDevice *device = call->device;
	const char *user = pv_sim_instance_get(call->input, "DigestUsername");
	g_autoptr(GBytes) hash = pv_sim_instance_get_bytes(call->input, "DigestPassword");
	g_autoptr(GBytes) sid = pv_sim_instance_get_bytes(call->input, "KerberosUserSid");
	guint permission = pv_sim_instance_get_uint(call->input, "AccessPermission");
	guint64 realms = 0;
	guint32 status = access_read_realms(call, &realms);
	if (status != PV_SIM_STATUS_SUCCESS)
		return status;
	if (permission > 2 || (user != NULL) == (sid != NULL))
		return PV_SIM_STATUS_INVALID_PARAMETER;
	if (user != NULL) {
		if (!access_name_is_good(call->device, user))
			return PV_SIM_STATUS_INVALID_NAME;
		if (hash == NULL ? entry == NULL : g_bytes_get_size(hash) != PV_SIM_HASH_BYTES)
			return PV_SIM_STATUS_INVALID_PASSWORD;
		PvSimAclEntry *same = pv_sim_device_find_user(device, user);
		if ((same != NULL && same != entry) || strcmp(user, device->admin_user) == 0)
			return PV_SIM_STATUS_DUPLICATE;
		if (entry == NULL && access_count(device, TRUE) >= device->switches->acl_max_digest)
			return PV_SIM_STATUS_MAX_LIMIT_REACHED;
	} else {
		gsize length = g_bytes_get_size(sid);
		const guint8 *bytes = g_bytes_get_data(sid, NULL);
		if (length < 8 || length > ACCESS_SID_MAX || length % 4 != 0 || bytes[0] != 1 ||
		    length != 8 + 4u * bytes[1])
			return PV_SIM_STATUS_INVALID_PARAMETER;
		PvSimAclEntry *same = access_find_sid(device, sid);
		if (same != NULL && same != entry)
			return PV_SIM_STATUS_DUPLICATE;
		if (entry == NULL &&
		    access_count(device, FALSE) >= device->switches->acl_max_kerberos)
			return PV_SIM_STATUS_MAX_LIMIT_REACHED;
		if (same == NULL && access_domains_are_full(device, sid))
			return PV_SIM_STATUS_MAX_DOMAINS;
	}

	gboolean added = entry == NULL;
	if (added)
		entry = pv_sim_device_add_acl(device);
	g_free(entry->user);
	g_clear_pointer(&entry->sid, g_bytes_unref);
	entry->user = g_strdup(user);
	entry->sid = g_steal_pointer(&sid);
	if (hash != NULL)
		memcpy(entry->hash, g_bytes_get_data(hash, NULL), PV_SIM_HASH_BYTES);
	entry->permission = permission;
	entry->realms = realms;
	if (added)
		pv_sim_instance_add_uint(call->output, "Handle", entry->handle);
	return PV_SIM_STATUS_SUCCESS;
}

static PvSimAclEntry *
access_input_entry(PvSimCall *call)
{
	return pv_sim_device_find_acl(
	    call->device, pv_sim_instance_get_uint(call->input, "Handle"));
}

static gboolean
access_is_system(const PvSimAclEntry *entry)
{
	return entry->user != NULL && g_str_has_prefix(entry->user, "$$");
}

static guint32
access_run_add(PvSimCall *call)
{
	return access_write_entry(call, NULL);
}

static guint32
access_run_update(PvSimCall *call)
{
	PvSimAclEntry *entry = access_input_entry(call);
	if (entry == NULL)
		return PV_SIM_STATUS_INVALID_HANDLE;
	return access_is_system(entry) ? PV_SIM_STATUS_NOT_PERMITTED
				       : access_write_entry(call, entry);
}

static guint32
access_run_enumerate(PvSimCall *call)
{
	const GPtrArray *acl = call->device->acl;
	guint start = pv_sim_instance_get_uint(call->input, "StartIndex");
	if (start == 0 || start > MAX(acl->len, 1))
		return PV_SIM_STATUS_INVALID_INDEX;
	guint count = MIN(acl->len - (start - 1), MAX(call->device->switches->acl_page, 1));
	pv_sim_instance_add_uint(call->output, "TotalCount", acl->len);
	pv_sim_instance_add_uint(call->output, "HandlesCount", count);
	for (guint i = 0; i < count; i++)
		pv_sim_instance_add_uint(call->output, "Handles",
		    ((const PvSimAclEntry *)acl->pdata[start - 1 + i])->handle);
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
access_run_get(PvSimCall *call)
{
	const PvSimAclEntry *entry = access_input_entry(call);
	if (entry == NULL)
		return PV_SIM_STATUS_INVALID_HANDLE;
	if (entry->user != NULL)
		pv_sim_instance_add(call->output, "DigestUsername", entry->user);
	else
		pv_sim_instance_add_bytes(call->output, "KerberosUserSid",
		    g_bytes_get_data(entry->sid, NULL), g_bytes_get_size(entry->sid));
	pv_sim_instance_add_uint(call->output, "AccessPermission", entry->permission);
	for (guint realm = 0; realm <= ACCESS_REALM_MAX; realm++) {
		if ((entry->realms >> realm & 1) != 0)
			pv_sim_instance_add_uint(call->output, "Realms", realm);
	}
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
access_run_remove(PvSimCall *call)
{
	PvSimAclEntry *entry = access_input_entry(call);
	if (entry == NULL)
		return PV_SIM_STATUS_INVALID_HANDLE;
	if (access_is_system(entry))
		return PV_SIM_STATUS_NOT_PERMITTED;
	g_ptr_array_remove(call->device->acl, entry);
	for (guint i = 0; call->device->switches->acl_renumber && i < call->device->acl->len; i++)
		((PvSimAclEntry *)call->device->acl->pdata[i])->handle = i + 1;
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
access_run_enable(PvSimCall *call)
{
	PvSimAclEntry *entry = access_input_entry(call);
	if (entry == NULL)
		return PV_SIM_STATUS_INVALID_HANDLE;
	entry->enabled = pv_sim_instance_get_bool(call->input, "Enabled");
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
access_run_enabled(PvSimCall *call)
{
	const PvSimAclEntry *entry = access_input_entry(call);
	if (entry == NULL)
		return PV_SIM_STATUS_INVALID_HANDLE;
	pv_sim_instance_add(call->output, "Enabled", entry->enabled ? "true" : "false");
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
access_run_set_admin(PvSimCall *call)
{
	const char *user = pv_sim_instance_get(call->input, "Username");
	g_autoptr(GBytes) hash = pv_sim_instance_get_bytes(call->input, "DigestPassword");
	if (strcmp(user, "admin") != 0 && !access_name_is_good(call->device, user))
		return PV_SIM_STATUS_INVALID_NAME;
	if (hash == NULL || g_bytes_get_size(hash) != PV_SIM_HASH_BYTES)
		return PV_SIM_STATUS_INVALID_PASSWORD;
	if (pv_sim_device_find_user(call->device, user) != NULL)
		return PV_SIM_STATUS_DUPLICATE;
	char *copy = g_strdup(user);
	g_free(call->device->admin_user);
	call->device->admin_user = copy;
	memcpy(call->device->admin_hash, g_bytes_get_data(hash, NULL), PV_SIM_HASH_BYTES);
	guint8 factory[PV_SIM_HASH_BYTES];
	pv_sim_device_hash(call->device, "admin", "admin", factory);
	call->device->admin_default =
	    memcmp(factory, call->device->admin_hash, sizeof factory) == 0;
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
access_run_get_admin(PvSimCall *call)
{
	pv_sim_instance_add(call->output, "Username", call->device->admin_user);
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
access_run_admin_status(PvSimCall *call)
{
	pv_sim_instance_add(
	    call->output, "IsDefault", call->device->mebx_default ? "true" : "false");
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
access_run_net_admin_status(PvSimCall *call)
{
	pv_sim_instance_add(
	    call->output, "IsDefault", call->device->admin_default ? "true" : "false");
	return PV_SIM_STATUS_SUCCESS;
}

static void
access_list_kerberos(const PvSimDevice *device, GPtrArray *instances)
{
	PvSimInstance *instance = pv_sim_instance_new("AMT_KerberosSettingData");
	const PvSimInstance *bag = pv_sim_device_find_bag(device, "AMT_KerberosSettingData", NULL);
	gboolean aes = FALSE;
	for (guint i = 0; bag != NULL && i < bag->values->len; i++) {
		const PvSimValue *value = bag->values->pdata[i];
		gboolean secret =
		    strcmp(value->name, "Passphrase") == 0 || strcmp(value->name, "MasterKey") == 0;
		gboolean salt =
		    strcmp(value->name, "Salt") == 0 || strcmp(value->name, "IterationCount") == 0;
		aes = aes || strcmp(value->name, "Passphrase") == 0;
		if (!secret && (!salt || device->switches->kerberos_salt_readable))
			pv_sim_instance_add(instance, value->name, value->text);
	}
	pv_sim_instance_add(instance, "ElementName", "Intel(r) AMT: Kerberos Settings");
	pv_sim_instance_add(instance, "InstanceID", "Intel (r) AMT: Kerberos Settings");
	if (!pv_sim_instance_has(instance, "KrbEnabled"))
		pv_sim_instance_add(instance, "KrbEnabled", "false");
	gboolean listed = device->personality->version >= 800;
	for (guint i = 0; i < 3 && listed; i++) {
		pv_sim_instance_add_uint(instance, "SupportedEncryptionAlgorithms", i);
		if (pv_sim_instance_get_bool(instance, "KrbEnabled") && (i == 0 || aes))
			pv_sim_instance_add_uint(instance, "ConfiguredEncryptionAlgorithms", i);
	}
	g_ptr_array_add(instances, instance);
}

static guint
access_count_values(const PvSimInstance *input, const char *name)
{
	guint count = 0;
	for (guint i = 0; i < input->values->len; i++)
		count += strcmp(((const PvSimValue *)input->values->pdata[i])->name, name) == 0;
	return count;
}

static void
access_put_kerberos(PvSimCall *call, const char *id)
{
	const PvSimInstance *input = call->input;
	gboolean enabled = pv_sim_instance_get_bool(input, "KrbEnabled");
	gboolean passphrase = pv_sim_instance_has(input, "Passphrase");
	g_autoptr(GBytes) key = pv_sim_instance_get_bytes(input, "MasterKey");
	const PvSimInstance *bag = pv_sim_device_find_bag(call->device, call->class->name, NULL);
	gboolean has_key = bag != NULL && (pv_sim_instance_has(bag, "Passphrase") ||
					      pv_sim_instance_has(bag, "MasterKey"));
	const char *why = NULL;
	if (passphrase && pv_sim_instance_has(input, "MasterKey"))
		why = "Passphrase and MasterKey exclude each other";
	else if (passphrase && !pv_sim_instance_has(input, "Salt"))
		why = "Passphrase needs Salt";
	else if (pv_sim_instance_has(input, "MasterKey") &&
		 (key == NULL || g_bytes_get_size(key) != 16))
		why = "MasterKey is not of 16 bytes";
	else if (enabled && !passphrase && key == NULL && !has_key)
		why = "KrbEnabled needs Passphrase or MasterKey";
	else if (enabled && !pv_sim_instance_has(input, "RealmName"))
		why = "KrbEnabled needs RealmName";
	guint names = access_count_values(input, "ServicePrincipalName");
	if (enabled && call->device->switches->kerberos_needs_spn &&
	    (names == 0 || names != access_count_values(input, "ServicePrincipalProtocol")))
		why =
		    "KrbEnabled needs ServicePrincipalName and as many of ServicePrincipalProtocol";
	if (why != NULL) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_SCHEMA, "%s", why);
		return;
	}
	PvSimInstance *kept = pv_sim_device_bag(call->device, call->class->name, NULL);
	if (passphrase)
		pv_sim_instance_remove(kept, "MasterKey");
	if (key != NULL)
		pv_sim_instance_remove(kept, "Passphrase");
	pv_sim_class_put_bag(call, id);
	pv_sim_kerberos_forget(call->device);
}

static guint32
access_run_get_cache(PvSimCall *call)
{
	pv_sim_instance_add(
	    call->output, "Enabled", call->device->credential_cache ? "true" : "false");
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
access_run_set_cache(PvSimCall *call)
{
	call->device->credential_cache = pv_sim_instance_get_bool(call->input, "Enable");
	return PV_SIM_STATUS_SUCCESS;
}

static const PvSimMethod access_methods[] = {
	{ "AddUserAclEntryEx", access_add, access_run_add, TRUE },
	{ "EnumerateUserAclEntries", access_start, access_run_enumerate, FALSE },
	{ "GetUserAclEntryEx", access_handle, access_run_get, FALSE },
	{ "UpdateUserAclEntryEx", access_update, access_run_update, TRUE },
	{ "RemoveUserAclEntry", access_handle, access_run_remove, TRUE },
	{ "SetAclEnabledState", access_enable, access_run_enable, TRUE },
	{ "GetAclEnabledState", access_handle, access_run_enabled, FALSE },
	{ "SetAdminAclEntryEx", access_admin, access_run_set_admin, TRUE },
	{ "GetAdminAclEntry", NULL, access_run_get_admin, FALSE },
	{ "GetAdminAclEntryStatus", NULL, access_run_admin_status, FALSE },
	{ "GetAdminNetAclEntryStatus", NULL, access_run_net_admin_status, FALSE },
	{ NULL },
};

static const PvSimMethod access_kerberos_methods[] = {
	{ "GetCredentialCacheState", NULL, access_run_get_cache, FALSE },
	{ "SetCredentialCacheState", access_cache, access_run_set_cache, TRUE },
	{ NULL },
};

/* clang-format off */
const PvSimClass pv_sim_classes_access[] = {
	{ .name = "AMT_AuthorizationService", .common = TRUE, .properties = access_service, .methods = access_methods,
	    .put = pv_sim_class_put_bag, .realm = 21 },
	{ .name = "AMT_KerberosSettingData", .properties = access_kerberos, .methods = access_kerberos_methods,
	    .list = access_list_kerberos, .put = access_put_kerberos },
	{ NULL },
};
/* clang-format on */
