/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names, ports, clock, versions: amt/04 sections 1 to 4 */
#include "sim/classes.h"
#include "sim/network.h"

#include <string.h>

#define GENERAL_ETHERNET "Intel(r) AMT Ethernet Port Settings"
#define GENERAL_BASELINE_SEC 1104537600 /* 2005-01-01: no AMT is older */
#define GENERAL_READ_AGE_SEC 600

/* clang-format off */
static const PvSimProperty general_settings[] = {
	{ "AMTNetworkEnabled", PV_SIM_UINT, 0, "1", 1, 700 },
	{ "DDNSPeriodicUpdateInterval", PV_SIM_UINT, 0, "1440", 65535, 600 },
	{ "DDNSTTL", PV_SIM_UINT, 0, "900", 0, 600 },
	{ "DDNSUpdateByDHCPServerEnabled", PV_SIM_BOOLEAN, 0, "true", 0, 600 },
	{ "DDNSUpdateEnabled", PV_SIM_BOOLEAN, 0, "false", 0, 600 },
	{ "DHCPSyncRequiresHostname", PV_SIM_UINT, 0, "0", 1, 1500 },
	{ "DHCPv6ConfigurationTimeout", PV_SIM_UINT, 0, "0", 0, 600 },
	{ "DigestRealm", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "DomainName", PV_SIM_TEXT, 0, "", 191 },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT: General Settings" },
	{ "HostName", PV_SIM_TEXT, 0, "", 63 },
	{ "HostOSFQDN", PV_SIM_TEXT, 0, "", 255, 600 },
	{ "IdleWakeTimeout", PV_SIM_UINT, 0, "1", 65535 },
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT: General Settings" },
	{ "NetworkInterfaceEnabled", PV_SIM_BOOLEAN, PV_SIM_READ_ONLY, "true" },
	{ "OemID", PV_SIM_UINT, PV_SIM_READ_ONLY, "0", 0, 1601 },
	{ "PingResponseEnabled", PV_SIM_BOOLEAN, PV_SIM_REQUIRED, "true" },
	{ "PowerSource", PV_SIM_UINT, PV_SIM_READ_ONLY, "0" },
	{ "PreferredAddressFamily", PV_SIM_UINT, 0, "0", 1, 600 },
	{ "PresenceNotificationInterval", PV_SIM_UINT, 0, "0", 65535, 600 },
	{ "PrivacyLevel", PV_SIM_UINT, PV_SIM_READ_ONLY, "0" },
	{ "RmcpPingResponseEnabled", PV_SIM_BOOLEAN, 0, "true" },
	{ "SharedFQDN", PV_SIM_BOOLEAN, 0, "true", 0, 600 },
	{ "ThunderboltDockEnabled", PV_SIM_UINT, 0, "0", 1, 1500 },
	{ "WsmanOnlyMode", PV_SIM_BOOLEAN, PV_SIM_REQUIRED, "false" },
	{ NULL },
};

static const PvSimProperty general_ethernet[] = {
	{ "ConsoleTcpMaxRetransmissions", PV_SIM_UINT, 0, NULL, 7 },
	{ "DHCPEnabled", PV_SIM_BOOLEAN, PV_SIM_REQUIRED, "true" },
	{ "DefaultGateway", PV_SIM_TEXT, 0, NULL, 15 },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, GENERAL_ETHERNET },
	{ "IPAddress", PV_SIM_TEXT, 0, NULL, 15 },
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "IpSyncEnabled", PV_SIM_BOOLEAN, 0, NULL, 0, 600 },
	{ "LinkControl", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL },
	{ "LinkIsUp", PV_SIM_BOOLEAN, PV_SIM_READ_ONLY, NULL },
	{ "LinkPolicy", PV_SIM_UINT, PV_SIM_ARRAY, NULL },
	{ "LinkPreference", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL },
	{ "MACAddress", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "PhysicalConnectionType", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL, 0, 1500 },
	{ "PrimaryDNS", PV_SIM_TEXT, 0, NULL, 15 },
	{ "SecondaryDNS", PV_SIM_TEXT, 0, NULL, 15 },
	{ "SharedDynamicIP", PV_SIM_BOOLEAN, PV_SIM_READ_ONLY, NULL, 0, 600 },
	{ "SharedMAC", PV_SIM_BOOLEAN, 0, "true" },
	{ "SharedStaticIp", PV_SIM_BOOLEAN, 0, NULL, 0, 600 },
	{ "SubnetMask", PV_SIM_TEXT, 0, NULL, 15 },
	{ "VLANTag", PV_SIM_UINT, 0, NULL, 4095 },
	{ "WLANLinkProtectionLevel", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL },
	{ NULL },
};

static const PvSimProperty general_time[] = {
	PV_SIM_SERVICE("AMT_TimeSynchronizationService", "Intel(r) AMT Time Synchronization Service", "Intel(r) AMT Time Synchronization Service"),
	{ "LocalTimeSyncEnabled", PV_SIM_UINT, 0, "0", 2, 700 },
	{ "TimeSource", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL, 0, 700 },
	{ NULL },
};

static const PvSimProperty general_software[] = {
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "IsEntity", PV_SIM_BOOLEAN, PV_SIM_READ_ONLY, NULL },
	{ "VersionString", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ NULL },
};

static const PvSimProperty general_package[] = {
	{ "Antecedent", PV_SIM_REFERENCE, PV_SIM_READ_ONLY, NULL },
	{ "Dependent", PV_SIM_REFERENCE, PV_SIM_READ_ONLY, NULL },
	{ "PlatformGUID", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ NULL },
};

static const PvSimProperty general_set_time[] = {
	{ "Ta0", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ "Tm1", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ "Tm2", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ NULL },
};
/* clang-format on */

static void
general_list_settings(const PvSimDevice *device, GPtrArray *instances)
{
	/* the factory values and what was written, then what only the device knows */
	const PvSimInstance *bag = pv_sim_device_find_bag(device, "AMT_GeneralSettings", NULL);
	PvSimInstance *instance = pv_sim_instance_new("AMT_GeneralSettings");
	for (const PvSimProperty *row = general_settings; row->name != NULL; row++) {
		const char *written = bag != NULL ? pv_sim_instance_get(bag, row->name) : NULL;
		const char *value = written != NULL ? written : row->fallback;
		if (value != NULL && pv_sim_class_is_there(device, row->since, row->until))
			pv_sim_instance_add(instance, row->name, value);
	}
	if (!pv_sim_instance_has(
		instance, "DigestRealm")) /* set by a test: a device that contradicts itself */
		pv_sim_instance_set(instance, "DigestRealm", device->digest_realm);
	g_ptr_array_add(instances, instance);
}

static void
general_put_settings(PvSimCall *call, const char *id)
{
	guint idle = pv_sim_instance_get_uint(call->input, "IdleWakeTimeout");
	if (pv_sim_instance_has(call->input, "IdleWakeTimeout") && idle == 0) {
		pv_sim_call_refuse(
		    call, PV_SIM_FAULT_SCHEMA, "IdleWakeTimeout is 1 to 65535 minutes");
		return;
	}
	const char *const names[] = { "HostName", "DomainName" };
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		const char *name = pv_sim_instance_get(call->input, names[i]);
		if (name != NULL && !g_str_is_ascii(name) &&
		    !pv_sim_class_is_there(call->device, 1800, 0)) {
			pv_sim_call_refuse(
			    call, PV_SIM_FAULT_SCHEMA, "%s is ASCII before CSME 18", names[i]);
			return;
		}
	}
	pv_sim_class_put_bag(call, id);
}

static void
general_list_wired(const PvSimDevice *device, GPtrArray *instances)
{
	PvSimInstance *wired = pv_sim_instance_new("AMT_EthernetPortSettings");
	const PvSimInstance *bag =
	    pv_sim_device_find_bag(device, "AMT_EthernetPortSettings", GENERAL_ETHERNET " 0");
	gboolean dhcp = bag == NULL || !pv_sim_instance_has(bag, "DHCPEnabled") ||
			pv_sim_instance_get_bool(bag, "DHCPEnabled");
	gboolean modern = device->personality->version >= 600;
	pv_sim_instance_add(wired, "DHCPEnabled", dhcp ? "true" : "false");
	pv_sim_instance_add(wired, "ElementName", GENERAL_ETHERNET);
	pv_sim_instance_add(wired, "InstanceID", GENERAL_ETHERNET " 0");
	if (dhcp) {
		pv_sim_instance_add(wired, "DefaultGateway", "127.0.0.1");
		pv_sim_instance_add(wired, "PrimaryDNS", "127.0.0.1");
		pv_sim_instance_add(wired, "SubnetMask", "255.0.0.0");
	}
	if (modern) {
		pv_sim_instance_add(wired, "IpSyncEnabled", "true");
		pv_sim_instance_add(wired, "SharedDynamicIP", "true");
		pv_sim_instance_add(wired, "SharedStaticIp", "false");
	}
	pv_sim_instance_add(wired, "LinkIsUp", "true");
	pv_sim_instance_add(wired, "LinkPolicy", "1");
	pv_sim_instance_add(wired, "LinkPolicy", "14");
	pv_sim_instance_add(wired, "MACAddress", device->mac);
	if (device->personality->version >= 1500)
		pv_sim_instance_add(wired, "PhysicalConnectionType", "0");
	pv_sim_instance_add(wired, "SharedMAC", "true");
	for (guint i = 0; bag != NULL && i < bag->values->len; i++) {
		const PvSimValue *value = bag->values->pdata[i];
		gboolean first =
		    i == 0 ||
		    strcmp(((const PvSimValue *)bag->values->pdata[i - 1])->name, value->name) != 0;
		if (first)
			pv_sim_instance_set(wired, value->name, value->text);
		else
			pv_sim_instance_add(wired, value->name, value->text);
	}
	if (!device->switches->wired) {
		pv_sim_instance_set(wired, "LinkIsUp", "false");
		pv_sim_instance_set(wired, "MACAddress", "00-00-00-00-00-00");
	}
	g_ptr_array_add(instances, wired);
}

/* The address is there while the link is up; recorded without it (amt/04 section 4) */
static void
general_list_wireless(const PvSimDevice *device, GPtrArray *instances)
{
	gboolean up = pv_sim_wireless_active(device) != NULL;
	PvSimInstance *wireless = pv_sim_instance_new("AMT_EthernetPortSettings");
	pv_sim_instance_add(wireless, "ConsoleTcpMaxRetransmissions", "5");
	pv_sim_instance_add(wireless, "DHCPEnabled", "true");
	pv_sim_instance_add(wireless, "ElementName", GENERAL_ETHERNET);
	if (up && device->wireless_address != NULL)
		pv_sim_instance_add(wireless, "IPAddress", device->wireless_address);
	pv_sim_instance_add(wireless, "InstanceID", GENERAL_ETHERNET " 1");
	pv_sim_instance_add(wireless, "LinkControl", "2");
	pv_sim_instance_add(wireless, "LinkIsUp", up ? "true" : "false");
	pv_sim_instance_add(wireless, "LinkPreference", "2");
	pv_sim_instance_add(
	    wireless, "MACAddress", up ? device->wireless_mac : "00-00-00-00-00-00");
	if (device->personality->version >= 1500)
		pv_sim_instance_add(wireless, "PhysicalConnectionType", "3");
	pv_sim_instance_add(wireless, "SharedMAC", "true");
	pv_sim_instance_add(wireless, "WLANLinkProtectionLevel", "1");
	g_ptr_array_add(instances, wireless);
}

static void
general_list_ethernet(const PvSimDevice *device, GPtrArray *instances)
{
	if (device->switches->wired || device->switches->wired_absent == PV_SIM_WIRED_ZERO_MAC)
		general_list_wired(device, instances);
	if (pv_sim_wireless_exists(device))
		general_list_wireless(device, instances);
}

static void
general_put_ethernet(PvSimCall *call, const char *id)
{
	static const char *const addresses[] = { "DefaultGateway", "IPAddress", "PrimaryDNS",
		"SecondaryDNS", "SubnetMask", NULL };
	gboolean dhcp = pv_sim_instance_get_bool(call->input, "DHCPEnabled");
	if (!g_str_has_suffix(id, " 0")) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_ACCESS_DENIED,
		    "the wireless port's addresses are not set this way");
		return;
	}
	PvSimInstance *bag = pv_sim_device_bag(call->device, call->class->name, id);
	for (guint i = 0; addresses[i] != NULL; i++) {
		if (dhcp && pv_sim_instance_has(call->input, addresses[i])) {
			pv_sim_call_refuse(call, PV_SIM_FAULT_SCHEMA,
			    "%s must be left out with DHCPEnabled", addresses[i]);
			return;
		}
		pv_sim_instance_remove(
		    bag, addresses[i]); /* none of the old addresses outlives the change */
	}
	pv_sim_class_put_bag(call, id);
	/* AMT 19 becomes unresponsive for a long time (amt/12 quirk 8) */
	if (call->encrypted && call->device->switches->ethernet_hang_msec > 0)
		call->hang_msec = call->device->switches->ethernet_hang_msec;
	/* amt/04 section 4: SharedStaticIp follows IpSyncEnabled */
	if (!dhcp && pv_sim_instance_has(call->input, "IpSyncEnabled"))
		pv_sim_instance_set(
		    bag, "SharedStaticIp", pv_sim_instance_get(call->input, "IpSyncEnabled"));
}

static void
general_list_time(const PvSimDevice *device, GPtrArray *instances)
{
	PvSimInstance *instance = pv_sim_instance_new("AMT_TimeSynchronizationService");
	for (const PvSimProperty *row = general_time; row->name != NULL; row++) {
		if (row->fallback != NULL && pv_sim_class_is_there(device, row->since, row->until))
			pv_sim_instance_add(instance, row->name, row->fallback);
	}
	if (device->personality->version >= 700)
		pv_sim_instance_add(instance, "TimeSource", device->clock_set ? "1" : "0");
	g_ptr_array_add(instances, instance);
}

static guint32
general_get_time(PvSimCall *call)
{
	pv_sim_instance_add_uint(call->output, "Ta0", (guint32)pv_sim_device_time(call->device));
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
general_run_set_time(PvSimCall *call)
{
	gint64 now = pv_sim_device_time(call->device);
	gint64 read = pv_sim_instance_get_uint(call->input, "Ta0");
	gint64 answered = pv_sim_instance_get_uint(call->input, "Tm1");
	gint64 sent = pv_sim_instance_get_uint(call->input, "Tm2");
	if (read > now || now - read > GENERAL_READ_AGE_SEC || sent < answered)
		return PV_SIM_STATUS_INVALID_PARAMETER; /* Ta0 is what GetLowAccuracyTimeSynch just answered */
	if (sent < GENERAL_BASELINE_SEC)
		return PV_SIM_STATUS_INVALID_TIME;
	call->device->clock_offset_sec += sent - now;
	call->device->clock_set = TRUE;
	return PV_SIM_STATUS_SUCCESS;
}

static void
general_add_software(GPtrArray *instances, const char *id, const char *version)
{
	PvSimInstance *instance = pv_sim_instance_new("CIM_SoftwareIdentity");
	pv_sim_instance_add(instance, "InstanceID", id);
	pv_sim_instance_add(instance, "IsEntity", "true");
	pv_sim_instance_add(instance, "VersionString", version);
	g_ptr_array_add(instances, instance);
}

static void
general_list_software(const PvSimDevice *device, GPtrArray *instances)
{
	const PvSimPersonality *personality = device->personality;
	general_add_software(instances, "Flash", personality->firmware);
	general_add_software(instances, "Netstack", personality->firmware);
	general_add_software(instances, "AMTApps", personality->firmware);
	general_add_software(instances, "AMT", personality->firmware);
	/* 0x4010 instead of 0x4008, AMT Pro (amt/04 section 1) */
	general_add_software(instances, "Sku",
	    device->switches->sku == PV_SIM_SKU_STANDARD && personality->version >= 500
		? "16400"
		: personality->sku);
	general_add_software(instances, "VendorID", "8086");
	general_add_software(instances, "Build Number", personality->build);
	general_add_software(instances, "Recovery Version", personality->firmware);
	general_add_software(instances, "Recovery Build Num", personality->build);
	general_add_software(instances, "Legacy Mode", "False");
	general_add_software(instances, "AMT FW Core Version", personality->firmware);
}

static void
general_list_package(const PvSimDevice *device, GPtrArray *instances)
{
	PvSimInstance *instance = pv_sim_instance_new("CIM_ComputerSystemPackage");
	PvSimEpr *chassis = pv_sim_epr_new_with("CIM_Chassis", "CreationClassName", "CIM_Chassis");
	pv_sim_epr_add(chassis, "Tag", "CIM_Chassis");
	PvSimEpr *computer =
	    pv_sim_epr_new_with("CIM_ComputerSystem", "CreationClassName", "CIM_ComputerSystem");
	pv_sim_epr_add(computer, "Name", "ManagedSystem");
	GString *guid = g_string_new(NULL);
	for (guint i = 0; i < sizeof device->uuid; i++)
		g_string_append_printf(guid, "%02X", device->uuid[i]);
	pv_sim_instance_take_epr(instance, "Antecedent", chassis);
	pv_sim_instance_take_epr(instance, "Dependent", computer);
	pv_sim_instance_add(instance, "PlatformGUID", guid->str);
	g_string_free(guid, TRUE);
	g_ptr_array_add(instances, instance);
}

static const PvSimMethod general_time_methods[] = {
	{ "GetLowAccuracyTimeSynch", NULL, general_get_time, FALSE },
	{ "SetHighAccuracyTimeSynch", general_set_time, general_run_set_time, TRUE },
	{ NULL },
};

/* clang-format off */
const PvSimClass pv_sim_classes_general[] = {
	{ .name = "AMT_GeneralSettings", .properties = general_settings, .list = general_list_settings,
	    .put = general_put_settings, .realm = 13, .readable = TRUE },
	{ .name = "AMT_EthernetPortSettings", .properties = general_ethernet, .key = "InstanceID",
	    .list = general_list_ethernet, .put = general_put_ethernet, .realm = 13 },
	{ .name = "AMT_TimeSynchronizationService", .common = TRUE, .properties = general_time,
	    .methods = general_time_methods, .list = general_list_time, .realm = 12, .readable = TRUE },
	{ .name = "CIM_SoftwareIdentity", .common = TRUE, .properties = general_software, .key = "InstanceID",
	    .list = general_list_software, .readable = TRUE },
	{ .name = "CIM_ComputerSystemPackage", .properties = general_package, .list = general_list_package, .readable = TRUE },
	{ NULL },
};
/* clang-format on */
