/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Power schemes, and the association that names the active one: amt/07 section 1 */
#include "sim/classes.h"

#include <string.h>

/* clang-format off */
static const PvSimProperty power_scheme[] = {
	{ "Description", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "SchemeGUID", PV_SIM_BASE64, PV_SIM_READ_ONLY, NULL },
	{ NULL },
};

static const PvSimProperty power_setting[] = {
	{ "IsCurrent", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL },
	{ "ManagedElement", PV_SIM_REFERENCE, PV_SIM_READ_ONLY, NULL },
	{ "SettingData", PV_SIM_REFERENCE, PV_SIM_READ_ONLY, NULL },
	{ NULL },
};
/* clang-format on */

static void
power_list_schemes(const PvSimDevice *device, GPtrArray *instances)
{
	const PvSimPowerScheme *schemes = device->personality->schemes;
	for (guint i = 0; schemes[i].description != NULL; i++) {
		PvSimInstance *instance = pv_sim_instance_new("AMT_SystemPowerScheme");
		g_autofree char *id = g_strdup_printf("SCHEME %u", i);
		pv_sim_instance_add(instance, "Description", schemes[i].description);
		pv_sim_instance_add(instance, "ElementName", "Intel(r) AMT Power Scheme");
		pv_sim_instance_add(instance, "InstanceID", id);
		pv_sim_instance_add(instance, "SchemeGUID", schemes[i].guid_base64);
		g_ptr_array_add(instances, instance);
	}
}

/* The selectors may name it by InstanceID, by SchemeGUID or by both */
static guint32
power_run_set(PvSimCall *call)
{
	g_autoptr(GPtrArray) schemes = pv_sim_class_instances(call->class, call->device);
	for (guint i = 0; i < schemes->len; i++) {
		gboolean selected = call->selectors->len > 0;
		for (guint j = 0; j < call->selectors->len && selected; j++) {
			const PvSimValue *selector = call->selectors->pdata[j];
			selected = g_strcmp0(pv_sim_instance_get(schemes->pdata[i], selector->name),
				       selector->text) == 0;
		}
		if (selected) {
			call->device->power_scheme = i;
			return PV_SIM_STATUS_SUCCESS;
		}
	}
	pv_sim_call_refuse(
	    call, PV_SIM_FAULT_INVALID_SELECTORS, "the selectors name no power scheme");
	return PV_SIM_STATUS_INVALID_PARAMETER;
}

static void
power_list_settings(const PvSimDevice *device, GPtrArray *instances)
{
	for (guint i = 0; device->personality->schemes[i].description != NULL; i++) {
		PvSimInstance *instance = pv_sim_instance_new("CIM_ElementSettingData");
		g_autofree char *id = g_strdup_printf("SCHEME %u", i);
		PvSimEpr *computer = pv_sim_epr_new_with(
		    "CIM_ComputerSystem", "CreationClassName", "CIM_ComputerSystem");
		pv_sim_epr_add(computer, "Name", "Intel(r) AMT");
		PvSimEpr *scheme = pv_sim_epr_new_with("AMT_SystemPowerScheme", "InstanceID", id);
		pv_sim_epr_add(scheme, "SchemeGUID", device->personality->schemes[i].guid_base64);
		pv_sim_instance_add(instance, "IsCurrent", i == device->power_scheme ? "1" : "2");
		pv_sim_instance_take_epr(instance, "ManagedElement", computer);
		pv_sim_instance_take_epr(instance, "SettingData", scheme);
		g_ptr_array_add(instances, instance);
	}
}

static const PvSimMethod power_methods[] = {
	{ "SetPowerScheme", NULL, power_run_set, TRUE },
	{ NULL },
};

/* clang-format off */
const PvSimClass pv_sim_classes_power[] = {
	{ .name = "AMT_SystemPowerScheme", .properties = power_scheme, .methods = power_methods, .key = "InstanceID",
	    .list = power_list_schemes },
	{ .name = "CIM_ElementSettingData", .properties = power_setting, .list = power_list_settings },
	{ NULL },
};
/* clang-format on */
