/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The wireless port, its profiles and their 802.1X settings: amt/08 section 2. A profile is a bag of
 * CIM_WiFiEndpointSettings; what no client sees of it is kept beside its properties. */
#include "sim/classes.h"
#include "sim/network.h"

#include <string.h>

#define WIRELESS_PORT "CIM_WiFiPort"
#define WIRELESS_PROFILE "CIM_WiFiEndpointSettings"
#define WIRELESS_8021X "CIM_IEEE8021xSettings"
#define WIRELESS_SERVICE "AMT_WiFiPortConfigurationService"
#define WIRELESS_PROFILE_ID "Intel(r) AMT:WiFi Endpoint Settings "
#define WIRELESS_USER_ID "Intel(r) AMT:WiFi Endpoint User Settings "
#define WIRELESS_8021X_ID "Intel(r) AMT:IEEE 802.1x Settings "
#define WIRELESS_ENDPOINT "WiFi Endpoint 0"
#define WIRELESS_ANY "*" /* every network is in range */
#define WIRELESS_NAME_MAX 32
#define WIRELESS_PRIORITY_MAX 255
#define WIRELESS_PSK_BYTES 32

/* kept beside the properties of a profile */
#define WIRELESS_OWN_8021X "8021x" /* InstanceID of its CIM_IEEE8021xSettings */
#define WIRELESS_OWN_USER "user" /* "true": written by the user's software, not by IT */

/* What AddWiFiSettings returns besides 0 and numbers of PT_STATUS */
enum {
	WIRELESS_NOT_SUPPORTED = 1,
	WIRELESS_INVALID_PARAMETER = 3,
	WIRELESS_INVALID_REFERENCE = 4,
};

enum {
	AUTH_OPEN = 2,
	AUTH_SHARED,
	AUTH_WPA_PSK,
	AUTH_WPA_8021X,
	AUTH_WPA2_PSK,
	AUTH_WPA2_8021X,
	AUTH_WPA3_SAE = 32768,
	AUTH_WPA3_OWE
};
enum { ENCRYPTION_WEP = 2, ENCRYPTION_TKIP, ENCRYPTION_CCMP, ENCRYPTION_NONE };

/* clang-format off */
static const PvSimProperty wireless_port[] = {
	{ "CreationClassName", PV_SIM_TEXT, PV_SIM_READ_ONLY, WIRELESS_PORT },
	{ "DeviceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, "WiFi Port 0" },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "WiFi Port 0" },
	{ "EnabledState", PV_SIM_UINT, PV_SIM_READ_ONLY, "3" },
	{ "HealthState", PV_SIM_UINT, PV_SIM_READ_ONLY, "5" },
	{ "LinkTechnology", PV_SIM_UINT, PV_SIM_READ_ONLY, "11" },
	{ "PermanentAddress", PV_SIM_TEXT, PV_SIM_READ_ONLY, "000000000000" },
	{ "PortType", PV_SIM_UINT, PV_SIM_READ_ONLY, "0" },
	{ "RequestedState", PV_SIM_UINT, PV_SIM_READ_ONLY, "3" },
	{ "SystemCreationClassName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "CIM_ComputerSystem" },
	{ "SystemName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT" },
	{ NULL },
};

static const PvSimProperty wireless_endpoint[] = {
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "CIM_WiFiEndpoint" },
	{ "Name", PV_SIM_TEXT, PV_SIM_READ_ONLY, WIRELESS_ENDPOINT },
	{ NULL },
};

static const PvSimProperty wireless_port_capabilities[] = {
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "CIM_WiFiPortCapabilities" },
	{ NULL },
};

static const PvSimProperty wireless_endpoint_capabilities[] = {
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "CIM_WiFiEndpointCapabilities" },
	{ NULL },
};

static const PvSimProperty wireless_profile[] = {
	{ "AuthenticationMethod", PV_SIM_UINT, PV_SIM_REQUIRED, NULL },
	{ "BSSType", PV_SIM_UINT, 0, "3" },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_REQUIRED, NULL },
	{ "EncryptionMethod", PV_SIM_UINT, PV_SIM_REQUIRED, NULL },
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "KeyIndex", PV_SIM_UINT, 0, NULL, 4 },
	{ "Keys", PV_SIM_TEXT, PV_SIM_ARRAY | PV_SIM_WRITE_ONLY, NULL },
	{ "OtherAuthenticationMethod", PV_SIM_TEXT, 0, NULL },
	{ "OtherEncryptionMethod", PV_SIM_TEXT, 0, NULL },
	{ "PSKPassPhrase", PV_SIM_TEXT, PV_SIM_WRITE_ONLY, NULL },
	{ "PSKValue", PV_SIM_BASE64, PV_SIM_WRITE_ONLY, NULL },
	{ "Priority", PV_SIM_UINT, PV_SIM_REQUIRED, NULL },
	{ "SSID", PV_SIM_TEXT, PV_SIM_REQUIRED, NULL },
	{ NULL },
};

static const PvSimProperty wireless_8021x[] = {
	PV_SIM_8021X_PROPERTIES,
	{ "ElementName", PV_SIM_TEXT, PV_SIM_REQUIRED, NULL, WIRELESS_NAME_MAX },
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ NULL },
};

static const PvSimProperty wireless_service[] = {
	PV_SIM_SERVICE(WIRELESS_SERVICE, "Intel(r) AMT WiFiPort Configuration Service", "Intel(r) AMT WiFi Port Configuration Service"),
	{ "HealthState", PV_SIM_UINT, PV_SIM_READ_ONLY, "5" },
	{ "LastConnectedSsidUnderMeControl", PV_SIM_TEXT, PV_SIM_READ_ONLY, "", 0, 1100 },
	{ "NoHostCsmeSoftwarePolicy", PV_SIM_UINT, 0, "0", 1, 1500 },
	{ "UEFIWiFiProfileShareEnabled", PV_SIM_BOOLEAN, 0, "false", 0, 1600 },
	{ "localProfileSynchronizationEnabled", PV_SIM_UINT, 0, "0", 3, 600 },
	{ NULL },
};

static const PvSimProperty wireless_context[] = {
	{ "ElementInContext", PV_SIM_REFERENCE, PV_SIM_READ_ONLY, NULL },
	{ "ElementProvidingContext", PV_SIM_REFERENCE, PV_SIM_READ_ONLY, NULL },
	{ NULL },
};

static const PvSimProperty wireless_dependency[] = {
	{ "Antecedent", PV_SIM_REFERENCE, PV_SIM_READ_ONLY, NULL },
	{ "Dependent", PV_SIM_REFERENCE, PV_SIM_READ_ONLY, NULL },
	{ NULL },
};

static const PvSimProperty wireless_set_state[] = {
	{ "RequestedState", PV_SIM_UINT, PV_SIM_REQUIRED, NULL, 65535 },
	{ NULL },
};

static const PvSimProperty wireless_add[] = {
	{ "WiFiEndpoint", PV_SIM_REFERENCE, PV_SIM_REQUIRED | PV_SIM_MAY_BE_EMPTY },
	{ "WiFiEndpointSettingsInput", PV_SIM_EMBEDDED, PV_SIM_REQUIRED, WIRELESS_PROFILE },
	{ "IEEE8021xSettingsInput", PV_SIM_EMBEDDED, 0, WIRELESS_8021X },
	{ "ClientCredential", PV_SIM_REFERENCE, PV_SIM_MAY_BE_EMPTY },
	{ "CACredential", PV_SIM_REFERENCE, PV_SIM_MAY_BE_EMPTY },
	{ NULL },
};

static const PvSimProperty wireless_update[] = {
	{ "WiFiEndpointSettings", PV_SIM_REFERENCE, PV_SIM_REQUIRED | PV_SIM_MAY_BE_EMPTY },
	{ "WiFiEndpointSettingsInput", PV_SIM_EMBEDDED, PV_SIM_REQUIRED, WIRELESS_PROFILE },
	{ "IEEE8021xSettingsInput", PV_SIM_EMBEDDED, 0, WIRELESS_8021X },
	{ "ClientCredential", PV_SIM_REFERENCE, PV_SIM_MAY_BE_EMPTY },
	{ "CACredential", PV_SIM_REFERENCE, PV_SIM_MAY_BE_EMPTY },
	{ NULL },
};
/* clang-format on */

/* One profile as it is asked for */
typedef struct {
	PvSimInstance *settings;
	PvSimInstance *eap; /* NULL: none */
	int client, root; /* handles; -1: none */
} WirelessInput;

static void
wireless_input_clear(WirelessInput *input)
{
	pv_sim_instance_free(input->settings);
	pv_sim_instance_free(input->eap);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WirelessInput, wireless_input_clear)

gboolean
pv_sim_wireless_exists(const PvSimDevice *device)
{
	return device->switches->wireless && device->personality->version >= 400;
}

/* Firmware without a wireless port may know the classes, and show nothing */
static gboolean
wireless_has_classes(const PvSimDevice *device)
{
	return pv_sim_wireless_exists(device) ||
	       device->switches->wireless_absent == PV_SIM_ABSENT_EMPTY;
}

static gboolean
wireless_is_user(const PvSimInstance *profile)
{
	return pv_sim_instance_get_bool(profile, WIRELESS_OWN_USER);
}

GPtrArray *
pv_sim_wireless_profiles(const PvSimDevice *device)
{
	GPtrArray *profiles = g_ptr_array_new();
	g_autoptr(GPtrArray) keys = pv_sim_device_list_bags(device, WIRELESS_PROFILE);
	for (guint i = 0; i < keys->len; i++)
		g_ptr_array_add(profiles, g_hash_table_lookup(device->bags, keys->pdata[i]));
	return profiles;
}

const PvSimInstance *
pv_sim_wireless_settings(const PvSimDevice *device, const PvSimInstance *profile)
{
	const char *id = pv_sim_instance_get(profile, WIRELESS_OWN_8021X);
	return id != NULL ? pv_sim_device_find_bag(device, WIRELESS_8021X, id) : NULL;
}

guint
pv_sim_wireless_port_state(const PvSimDevice *device)
{
	const PvSimInstance *port = pv_sim_device_find_bag(device, WIRELESS_PORT, NULL);
	return port != NULL && pv_sim_instance_has(port, "EnabledState")
		   ? pv_sim_instance_get_uint(port, "EnabledState")
		   : 3;
}

const PvSimInstance *
pv_sim_wireless_active(const PvSimDevice *device)
{
	const PvSimInstance *best = NULL;
	if (!pv_sim_wireless_exists(device) || device->state != PV_SIM_POST ||
	    device->air == NULL || pv_sim_wireless_port_state(device) == 3)
		return NULL;
	g_autoptr(GPtrArray) profiles = pv_sim_wireless_profiles(device);
	for (guint i = 0; i < profiles->len; i++) {
		const PvSimInstance *profile = profiles->pdata[i];
		if (strcmp(device->air, WIRELESS_ANY) != 0 &&
		    g_strcmp0(device->air, pv_sim_instance_get(profile, "SSID")) != 0)
			continue;
		if (best == NULL || pv_sim_instance_get_uint(profile, "Priority") <
					pv_sim_instance_get_uint(best, "Priority"))
			best = profile;
	}
	return best;
}

void
pv_sim_wireless_set_link(PvSimDevice *device, const char *link)
{
	g_free(device->air);
	if (strcmp(link, "down") == 0)
		device->air = NULL;
	else
		device->air = g_strdup(strcmp(link, "up") == 0 ? WIRELESS_ANY : link);
}

static guint
wireless_count(const PvSimDevice *device, gboolean user)
{
	guint count = 0;
	g_autoptr(GPtrArray) profiles = pv_sim_wireless_profiles(device);
	for (guint i = 0; i < profiles->len; i++)
		count += wireless_is_user(profiles->pdata[i]) == user ? 1 : 0;
	return count;
}

gboolean
pv_sim_wireless_add_user(PvSimDevice *device, const char *ssid)
{
	gsize length = strlen(ssid);
	g_autofree char *id = g_strconcat(WIRELESS_USER_ID, ssid, NULL);
	guint count = wireless_count(device, TRUE);
	if (!pv_sim_wireless_exists(device) || length == 0 || length > WIRELESS_NAME_MAX ||
	    count >= device->switches->wifi_user_max ||
	    pv_sim_device_find_bag(device, WIRELESS_PROFILE, id) != NULL)
		return FALSE;
	PvSimInstance *profile = pv_sim_device_bag(device, WIRELESS_PROFILE, id);
	pv_sim_instance_add_uint(profile, "AuthenticationMethod", AUTH_WPA2_PSK);
	pv_sim_instance_add(profile, "ElementName", ssid);
	pv_sim_instance_add_uint(profile, "EncryptionMethod", ENCRYPTION_CCMP);
	pv_sim_instance_add(profile, "InstanceID", id);
	pv_sim_instance_add(profile, "PSKPassPhrase", "of the user's own");
	pv_sim_instance_add_uint(profile, "Priority", count + 1);
	pv_sim_instance_add(profile, "SSID", ssid);
	pv_sim_instance_add(profile, WIRELESS_OWN_USER, "true");
	return TRUE;
}

/* Lists */

static void
wireless_list_one(const PvSimDevice *device, const char *class_name, GPtrArray *instances)
{
	if (pv_sim_wireless_exists(device))
		g_ptr_array_add(
		    instances, pv_sim_class_make_instance(
				   pv_sim_class_find(device, class_name), device, NULL));
}

static void
wireless_list_port(const PvSimDevice *device, GPtrArray *instances)
{
	wireless_list_one(device, WIRELESS_PORT, instances);
	if (instances->len > 0 && pv_sim_wireless_active(device) != NULL) {
		g_auto(GStrv) parts = g_strsplit(device->wireless_mac, "-", -1);
		g_autofree char *flat = g_strjoinv("", parts);
		pv_sim_instance_set(instances->pdata[0], "PermanentAddress", flat);
	}
}

static void
wireless_list_endpoint(const PvSimDevice *device, GPtrArray *instances)
{
	wireless_list_one(device, "CIM_WiFiEndpoint", instances);
}

static void
wireless_list_port_capabilities(const PvSimDevice *device, GPtrArray *instances)
{
	wireless_list_one(device, "CIM_WiFiPortCapabilities", instances);
}

static void
wireless_list_endpoint_capabilities(const PvSimDevice *device, GPtrArray *instances)
{
	wireless_list_one(device, "CIM_WiFiEndpointCapabilities", instances);
}

static void
wireless_list_profiles(const PvSimDevice *device, GPtrArray *instances)
{
	if (!pv_sim_wireless_exists(device))
		return;
	pv_sim_class_list_bags(pv_sim_class_find(device, WIRELESS_PROFILE), device, instances);
	if (!device->switches->wifi_pseudo_profile)
		return;
	/* stands for what the user's software brings: never deleted, never counted */
	PvSimInstance *pseudo = pv_sim_instance_new(WIRELESS_PROFILE);
	pv_sim_instance_add(pseudo, "AuthenticationMethod", "1");
	pv_sim_instance_add(pseudo, "BSSType", "3");
	pv_sim_instance_add(pseudo, "ElementName", "Endpoint User Settings");
	pv_sim_instance_add(pseudo, "EncryptionMethod", "1");
	pv_sim_instance_add(pseudo, "InstanceID", "Intel(r) AMT:WiFi Endpoint User Settings");
	pv_sim_instance_add(pseudo, "Priority", "0");
	g_ptr_array_add(instances, pseudo);
}

/* The instances of a derived class come with those of its base (amt/01 section 5) */
static void
wireless_list_derived(const PvSimDevice *device, const char *class_name, GPtrArray *instances)
{
	const PvSimClass *class = pv_sim_class_find(device, class_name);
	if (class == NULL || !device->switches->polymorphic)
		return;
	g_autoptr(GPtrArray) derived = pv_sim_class_instances(class, device);
	while (derived->len > 0)
		g_ptr_array_add(instances, g_ptr_array_steal_index(derived, 0));
}

static void
wireless_list_8021x(const PvSimDevice *device, GPtrArray *instances)
{
	pv_sim_class_list_bags(pv_sim_class_find(device, WIRELESS_8021X), device, instances);
	for (guint i = 0; i < instances->len; i++)
		pv_sim_8021x_show_comparison(device, instances->pdata[i]);
	wireless_list_derived(device, "IPS_IEEE8021xSettings", instances);
}

static void
wireless_list_contexts(const PvSimDevice *device, GPtrArray *instances)
{
	g_autoptr(GPtrArray) profiles = pv_sim_wireless_profiles(device);
	for (guint i = 0; i < profiles->len; i++) {
		const char *id = pv_sim_instance_get(profiles->pdata[i], WIRELESS_OWN_8021X);
		if (id != NULL)
			pv_sim_8021x_list_contexts(
			    device, "CIM_CredentialContext", id, WIRELESS_8021X, id, instances);
	}
	wireless_list_derived(device, "AMT_TLSCredentialContext", instances);
	wireless_list_derived(device, "AMT_8021xCredentialContext", instances);
	wireless_list_derived(device, "IPS_8021xCredentialContext", instances);
}

static void
wireless_add_dependency(GPtrArray *instances, PvSimEpr *antecedent, PvSimEpr *dependent)
{
	PvSimInstance *instance = pv_sim_instance_new("CIM_ConcreteDependency");
	pv_sim_instance_take_epr(instance, "Antecedent", antecedent);
	pv_sim_instance_take_epr(instance, "Dependent", dependent);
	g_ptr_array_add(instances, instance);
}

/* The recorded one, and each profile with its 802.1X settings [I] */
static void
wireless_list_dependencies(const PvSimDevice *device, GPtrArray *instances)
{
	PvSimEpr *role = pv_sim_epr_new_with("CIM_Role", "CreationClassName", "CIM_Role");
	pv_sim_epr_add(role, "Name", "Intel(r) AMT:$$OsAdmin");
	wireless_add_dependency(instances,
	    pv_sim_epr_new_with("CIM_Identity", "InstanceID", "Intel(r) AMT:$$OsAdmin"), role);
	g_autoptr(GPtrArray) profiles = pv_sim_wireless_profiles(device);
	for (guint i = 0; i < profiles->len; i++) {
		const char *id = pv_sim_instance_get(profiles->pdata[i], WIRELESS_OWN_8021X);
		if (id != NULL)
			wireless_add_dependency(instances,
			    pv_sim_epr_new_with(WIRELESS_PROFILE, "InstanceID",
				pv_sim_instance_get(profiles->pdata[i], "InstanceID")),
			    pv_sim_epr_new_with(WIRELESS_8021X, "InstanceID", id));
	}
}

/* Changes */

static guint32
wireless_run_state(PvSimCall *call)
{
	guint state = pv_sim_instance_get_uint(call->input, "RequestedState");
	if (!pv_sim_wireless_exists(call->device)) {
		pv_sim_call_refuse(
		    call, PV_SIM_FAULT_INVALID_SELECTORS, "there is no wireless port");
		return PV_SIM_DMTF_NOT_SUPPORTED;
	}
	if (state != 3 && state != 32768 && state != 32769)
		return PV_SIM_DMTF_INVALID_PARAMETER;
	PvSimInstance *bag = pv_sim_device_bag(call->device, WIRELESS_PORT, NULL);
	const char *text = pv_sim_instance_get(call->input, "RequestedState");
	pv_sim_instance_set(bag, "EnabledState", text);
	pv_sim_instance_set(bag, "RequestedState", text);
	return PV_SIM_STATUS_SUCCESS;
}

static void
wireless_delete(PvSimDevice *device, const PvSimInstance *profile)
{
	g_autofree char *id = g_strdup(pv_sim_instance_get(profile, "InstanceID"));
	g_autofree char *eap = g_strdup(pv_sim_instance_get(profile, WIRELESS_OWN_8021X));
	if (eap != NULL) {
		pv_sim_device_set_credentials(device, eap, -1, -1);
		pv_sim_device_remove_bag(device, WIRELESS_8021X, eap);
	}
	pv_sim_device_remove_bag(device, WIRELESS_PROFILE, id);
}

static void
wireless_remove_profile(PvSimCall *call, const char *id)
{
	const PvSimInstance *profile = pv_sim_device_find_bag(call->device, WIRELESS_PROFILE, id);
	if (profile == NULL)
		pv_sim_call_refuse(
		    call, PV_SIM_FAULT_ACCESS_DENIED, "%s is no profile of its own", id);
	else if (profile == pv_sim_wireless_active(call->device))
		pv_sim_call_refuse(call, PV_SIM_FAULT_ACCESS_DENIED, "%s is active", id);
	else
		wireless_delete(call->device, profile);
}

/* All but the active one, which stays [?] */
static guint32
wireless_delete_all(PvSimCall *call, gboolean user)
{
	const PvSimInstance *active = pv_sim_wireless_active(call->device);
	g_autoptr(GPtrArray) profiles = pv_sim_wireless_profiles(call->device);
	for (guint i = 0; i < profiles->len; i++) {
		const PvSimInstance *profile = profiles->pdata[i];
		if (wireless_is_user(profile) == user && profile != active)
			wireless_delete(call->device, profile);
	}
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
wireless_run_delete_it(PvSimCall *call)
{
	return wireless_delete_all(call, FALSE);
}

static guint32
wireless_run_delete_user(PvSimCall *call)
{
	return wireless_delete_all(call, TRUE);
}

static gboolean
wireless_is_8021x(guint method)
{
	return method == AUTH_WPA_8021X || method == AUTH_WPA2_8021X;
}

/* 0, or why method and encryption do not go together on this firmware */
static guint32
wireless_judge_methods(const PvSimDevice *device, guint method, guint encryption)
{
	guint version = device->personality->version;
	guint tkip_until = device->switches->tkip_until;
	gboolean wpa3 = method == AUTH_WPA3_SAE || method == AUTH_WPA3_OWE;
	gboolean wpa = method >= AUTH_WPA_PSK && method <= AUTH_WPA2_8021X;
	if ((wpa3 && version < device->switches->wpa3_since) ||
	    (wpa && encryption == ENCRYPTION_TKIP && tkip_until > 0 && version > tkip_until))
		return WIRELESS_NOT_SUPPORTED;
	if (wpa3 && encryption == ENCRYPTION_CCMP)
		return PV_SIM_STATUS_SUCCESS;
	if (wpa && (encryption == ENCRYPTION_TKIP || encryption == ENCRYPTION_CCMP))
		return PV_SIM_STATUS_SUCCESS;
	if ((method == AUTH_OPEN || method == AUTH_SHARED) &&
	    (encryption == ENCRYPTION_WEP || encryption == ENCRYPTION_NONE))
		return PV_SIM_STATUS_SUCCESS;
	return WIRELESS_INVALID_PARAMETER;
}

static gboolean
wireless_has_psk(const PvSimInstance *settings, gboolean sae)
{
	const char *phrase = pv_sim_instance_get(settings, "PSKPassPhrase");
	g_autoptr(GBytes) value = pv_sim_instance_get_bytes(settings, "PSKValue");
	if (phrase == NULL) /* SAE derives from the pass phrase itself */
		return !sae && value != NULL && g_bytes_get_size(value) == WIRELESS_PSK_BYTES;
	gsize length = strlen(phrase);
	for (const char *c = phrase; *c != '\0'; c++) {
		if (*c < 32 || *c > 126)
			return FALSE;
	}
	return length >= 8 && length <= 63;
}

static gboolean
wireless_judge_eap(const WirelessInput *input)
{
	return pv_sim_8021x_judge(input->eap) == NULL &&
	       (input->client >= 0 || !pv_sim_8021x_needs_client(input->eap));
}

/* @own: the profile that is written anew, or NULL */
static guint32
wireless_judge(const PvSimDevice *device, const WirelessInput *input, const PvSimInstance *own)
{
	const PvSimInstance *settings = input->settings;
	const char *name = pv_sim_instance_get(settings, "ElementName");
	const char *ssid = pv_sim_instance_get(settings, "SSID");
	guint priority = pv_sim_instance_get_uint(settings, "Priority");
	guint method = pv_sim_instance_get_uint(settings, "AuthenticationMethod");
	guint bss = pv_sim_instance_has(settings, "BSSType")
			? pv_sim_instance_get_uint(settings, "BSSType")
			: 3;
	gboolean psk = method == AUTH_WPA_PSK || method == AUTH_WPA2_PSK || method == AUTH_WPA3_SAE;
	if (*name == '\0' || strlen(name) > WIRELESS_NAME_MAX || *ssid == '\0' ||
	    strlen(ssid) > WIRELESS_NAME_MAX || priority == 0 || priority > WIRELESS_PRIORITY_MAX ||
	    (bss != 2 && bss != 3))
		return WIRELESS_INVALID_PARAMETER;
	guint32 status = wireless_judge_methods(
	    device, method, pv_sim_instance_get_uint(settings, "EncryptionMethod"));
	if (status != PV_SIM_STATUS_SUCCESS)
		return status;
	if ((psk && !wireless_has_psk(settings, method == AUTH_WPA3_SAE)) ||
	    wireless_is_8021x(method) != (input->eap != NULL) ||
	    (input->eap != NULL && !wireless_judge_eap(input)))
		return WIRELESS_INVALID_PARAMETER;
	g_autoptr(GPtrArray) profiles = pv_sim_wireless_profiles(device);
	for (guint i = 0; i < profiles->len; i++) {
		const PvSimInstance *other = profiles->pdata[i];
		if (other != own && !wireless_is_user(other) &&
		    pv_sim_instance_get_uint(other, "Priority") == priority)
			return PV_SIM_STATUS_INVALID_PRIORITY;
	}
	return PV_SIM_STATUS_SUCCESS;
}

/* An embedded instance, checked against its own class; NULL: not given, or refused */
static PvSimInstance *
wireless_read_embedded(PvSimCall *call, const char *name)
{
	const PvSimInstance *given = pv_sim_instance_get_embedded(call->input, name);
	if (given == NULL)
		return NULL;
	const PvSimClass *class = pv_sim_class_find(call->device, given->class_name);
	gboolean right =
	    call->device->switches->strict
		? pv_sim_class_check_properties(class, call->device, given, &call->refusal)
		: pv_sim_class_check_types(class->name, class->properties, given, &call->refusal);
	return right ? pv_sim_instance_dup(given) : NULL;
}

/* An empty reference is worse than none (amt/12 quirk 13) */
static gboolean
wireless_read_reference(PvSimCall *call, const char *name, gboolean root, int *handle)
{
	const PvSimEpr *epr = pv_sim_instance_get_epr(call->input, name);
	if (epr == NULL && pv_sim_instance_has(call->input, name))
		return FALSE;
	return pv_sim_8021x_find_certificate(call->device, epr, root, handle);
}

/* FALSE: @status, or the call is refused */
static gboolean
wireless_read_input(PvSimCall *call, WirelessInput *input, guint32 *status)
{
	input->settings = wireless_read_embedded(call, "WiFiEndpointSettingsInput");
	input->eap =
	    input->settings != NULL ? wireless_read_embedded(call, "IEEE8021xSettingsInput") : NULL;
	*status = PV_SIM_STATUS_INTERNAL_ERROR;
	if (call->refusal.code != PV_SIM_FAULT_NONE)
		return FALSE;
	*status = WIRELESS_INVALID_REFERENCE;
	if (!wireless_read_reference(call, "ClientCredential", FALSE, &input->client) ||
	    !wireless_read_reference(call, "CACredential", TRUE, &input->root))
		return FALSE;
	*status = WIRELESS_INVALID_PARAMETER;
	return input->eap == NULL || pv_sim_8021x_read_comparison(call->device, input->eap);
}

static void
wireless_keep(
    PvSimInstance *bag, const PvSimProperty *rows, const PvSimInstance *input, const char *id)
{
	g_ptr_array_set_size(bag->values, 0);
	for (guint i = 0; i < input->values->len; i++) {
		const PvSimValue *value = input->values->pdata[i];
		for (const PvSimProperty *row = rows; row->name != NULL; row++) {
			if (strcmp(row->name, value->name) == 0 && value->text != NULL &&
			    (row->flags & PV_SIM_READ_ONLY) == 0)
				pv_sim_instance_add(bag, row->name, value->text);
		}
	}
	pv_sim_instance_set(bag, "InstanceID", id);
}

static char *
wireless_8021x_id(const WirelessInput *input)
{
	return input->eap != NULL ? g_strconcat(WIRELESS_8021X_ID,
					pv_sim_instance_get(input->eap, "ElementName"), NULL)
				  : NULL;
}

static void
wireless_store(PvSimDevice *device, const WirelessInput *input, const char *id)
{
	g_autofree char *eap = wireless_8021x_id(input);
	PvSimInstance *profile = pv_sim_device_bag(device, WIRELESS_PROFILE, id);
	wireless_keep(profile, wireless_profile, input->settings, id);
	if (eap == NULL)
		return;
	pv_sim_instance_set(profile, WIRELESS_OWN_8021X, eap);
	wireless_keep(
	    pv_sim_device_bag(device, WIRELESS_8021X, eap), wireless_8021x, input->eap, eap);
	pv_sim_device_set_credentials(device, eap, input->client, input->root);
}

static guint
wireless_count_8021x(const PvSimDevice *device)
{
	g_autoptr(GPtrArray) keys = pv_sim_device_list_bags(device, WIRELESS_8021X);
	return keys->len;
}

static guint32
wireless_run_add(PvSimCall *call)
{
	PvSimDevice *device = call->device;
	g_auto(WirelessInput) input = { NULL, NULL, -1, -1 };
	const PvSimEpr *endpoint = pv_sim_instance_get_epr(call->input, "WiFiEndpoint");
	guint32 status = WIRELESS_INVALID_REFERENCE;
	if (g_strcmp0(pv_sim_epr_get(endpoint, "Name"), WIRELESS_ENDPOINT) != 0 ||
	    !wireless_read_input(call, &input, &status))
		return status;
	g_autofree char *id = g_strconcat(
	    WIRELESS_PROFILE_ID, pv_sim_instance_get(input.settings, "ElementName"), NULL);
	g_autofree char *eap = wireless_8021x_id(&input);
	if (pv_sim_device_find_bag(device, WIRELESS_PROFILE, id) != NULL ||
	    (eap != NULL && pv_sim_device_find_bag(device, WIRELESS_8021X, eap) != NULL)) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_ALREADY_EXISTS, "there is a %s", id);
		return PV_SIM_STATUS_DUPLICATE;
	}
	status = wireless_judge(device, &input, NULL);
	if (status != PV_SIM_STATUS_SUCCESS)
		return status;
	if (wireless_count(device, FALSE) >= device->switches->wifi_it_max ||
	    (eap != NULL && wireless_count_8021x(device) >= device->switches->wifi_8021x_max))
		return PV_SIM_STATUS_MAX_LIMIT_REACHED;
	wireless_store(device, &input, id);
	if (!device->switches->wifi_references)
		return PV_SIM_STATUS_SUCCESS;
	pv_sim_instance_take_epr(call->output, "WiFiEndpointSettings",
	    pv_sim_epr_new_with(WIRELESS_PROFILE, "InstanceID", id));
	if (eap != NULL)
		pv_sim_instance_take_epr(call->output, "IEEE8021xSettings",
		    pv_sim_epr_new_with(WIRELESS_8021X, "InstanceID", eap));
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
wireless_run_update(PvSimCall *call)
{
	PvSimDevice *device = call->device;
	g_auto(WirelessInput) input = { NULL, NULL, -1, -1 };
	const char *id = pv_sim_epr_get(
	    pv_sim_instance_get_epr(call->input, "WiFiEndpointSettings"), "InstanceID");
	const PvSimInstance *own =
	    id != NULL ? pv_sim_device_find_bag(device, WIRELESS_PROFILE, id) : NULL;
	guint32 status = WIRELESS_INVALID_REFERENCE;
	if (own == NULL || wireless_is_user(own) || !wireless_read_input(call, &input, &status))
		return status;
	g_autofree char *eap = wireless_8021x_id(&input);
	const char *old_eap = pv_sim_instance_get(own, WIRELESS_OWN_8021X);
	if (strcmp(pv_sim_instance_get(input.settings, "ElementName"),
		pv_sim_instance_get(own, "ElementName")) != 0 ||
	    (eap != NULL && g_strcmp0(eap, old_eap) != 0 &&
		pv_sim_device_find_bag(device, WIRELESS_8021X, eap) != NULL))
		return WIRELESS_INVALID_PARAMETER; /* names stay, and belong to one profile */
	status = wireless_judge(device, &input, own);
	if (status != PV_SIM_STATUS_SUCCESS)
		return status;
	if (eap != NULL && old_eap == NULL &&
	    wireless_count_8021x(device) >= device->switches->wifi_8021x_max)
		return PV_SIM_STATUS_MAX_LIMIT_REACHED;
	g_autofree char *kept = g_strdup(id);
	wireless_delete(device, own);
	wireless_store(device, &input, kept);
	return PV_SIM_STATUS_SUCCESS;
}

static void
wireless_put_service(PvSimCall *call, const char *id)
{
	const char *name = "localProfileSynchronizationEnabled";
	if (pv_sim_instance_has(call->input, name) &&
	    pv_sim_instance_get_uint(call->input, name) == 2) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_SCHEMA, "%s is 0, 1 or 3", name);
		return;
	}
	pv_sim_class_put_bag(call, id);
}

static const PvSimMethod wireless_port_methods[] = {
	{ "RequestStateChange", wireless_set_state, wireless_run_state, TRUE },
	{ NULL },
};

static const PvSimMethod wireless_service_methods[] = {
	{ "AddWiFiSettings", wireless_add, wireless_run_add, TRUE },
	{ "UpdateWiFiSettings", wireless_update, wireless_run_update, TRUE },
	{ "DeleteAllITProfiles", NULL, wireless_run_delete_it, TRUE },
	{ "DeleteAllUserProfiles", NULL, wireless_run_delete_user, TRUE },
	{ NULL },
};

/* clang-format off */
const PvSimClass pv_sim_classes_wireless[] = {
	{ .name = WIRELESS_PORT, .common = TRUE, .properties = wireless_port, .methods = wireless_port_methods,
	    .list = wireless_list_port, .exists = wireless_has_classes },
	{ .name = "CIM_WiFiEndpoint", .properties = wireless_endpoint, .list = wireless_list_endpoint,
	    .exists = wireless_has_classes },
	{ .name = "CIM_WiFiPortCapabilities", .properties = wireless_port_capabilities,
	    .list = wireless_list_port_capabilities, .exists = wireless_has_classes },
	{ .name = "CIM_WiFiEndpointCapabilities", .properties = wireless_endpoint_capabilities,
	    .list = wireless_list_endpoint_capabilities, .exists = wireless_has_classes },
	{ .name = WIRELESS_PROFILE, .properties = wireless_profile, .key = "InstanceID", .list = wireless_list_profiles,
	    .remove = wireless_remove_profile, .exists = wireless_has_classes, .realm = 24 },
	{ .name = WIRELESS_8021X, .properties = wireless_8021x, .key = "InstanceID", .list = wireless_list_8021x,
	    .exists = wireless_has_classes, .realm = 24 },
	{ .name = WIRELESS_SERVICE, .common = TRUE, .common_output = TRUE, .properties = wireless_service,
	    .methods = wireless_service_methods, .put = wireless_put_service, .exists = pv_sim_wireless_exists, .realm = 24 },
	{ .name = "CIM_CredentialContext", .properties = wireless_context, .list = wireless_list_contexts },
	{ .name = "CIM_ConcreteDependency", .properties = wireless_dependency, .list = wireless_list_dependencies },
	{ NULL },
};
/* clang-format on */
