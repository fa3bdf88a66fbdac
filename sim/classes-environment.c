/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Home domains, outside of which AMT closes its ports: amt/04 section 7 */
#include "sim/classes.h"
#include "sim/network.h"

#include <string.h>

#define ENVIRONMENT_CLASS "AMT_EnvironmentDetectionSettingData"
#define ENVIRONMENT_NAME "Intel(r) AMT Environment Detection Settings"

/* clang-format off */
static const PvSimProperty environment_settings[] = {
	{ "DetectionAlgorithm", PV_SIM_UINT, PV_SIM_REQUIRED, "0" },
	{ "DetectionIPv6LocalPrefixes", PV_SIM_TEXT, PV_SIM_ARRAY, NULL, 43, 600 },
	{ "DetectionStrings", PV_SIM_TEXT, PV_SIM_ARRAY, NULL, 192 },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_REQUIRED | PV_SIM_READ_ONLY, ENVIRONMENT_NAME },
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, ENVIRONMENT_NAME },
	{ NULL },
};
/* clang-format on */

static gboolean
environment_fits(const PvSimDevice *device, const char *domain)
{
	g_autofree char *home = g_ascii_strdown(domain, -1);
	g_autofree char *here = g_ascii_strdown(device->switches->dhcp_suffix, -1);
	g_autofree char *tail = g_strconcat(".", home, NULL);
	return strcmp(here, home) == 0 ||
	       (device->switches->environment_match == PV_SIM_MATCH_TAIL &&
		   g_str_has_suffix(here, tail));
}

gboolean
pv_sim_environment_is_outside(const PvSimDevice *device)
{
	const PvSimInstance *bag = pv_sim_device_find_bag(device, ENVIRONMENT_CLASS, NULL);
	gboolean listed = FALSE;
	/* set-up goes on wherever it began */
	if (bag == NULL || device->state != PV_SIM_POST || !device->switches->environment_lockout)
		return FALSE;
	for (guint i = 0; i < bag->values->len; i++) {
		const PvSimValue *value = bag->values->pdata[i];
		if (strcmp(value->name, "DetectionStrings") != 0)
			continue;
		listed = TRUE;
		if (environment_fits(device, value->text))
			return FALSE;
	}
	return listed;
}

static void
environment_put(PvSimCall *call, const char *id)
{
	guint domains = 0;
	for (guint i = 0; i < call->input->values->len; i++) {
		const PvSimValue *value = call->input->values->pdata[i];
		if (strcmp(value->name, "DetectionStrings") != 0)
			continue;
		domains++;
		if (*value->text == '\0') {
			pv_sim_call_refuse(
			    call, PV_SIM_FAULT_SCHEMA, "DetectionStrings: an empty domain");
			return;
		}
	}
	if (domains > call->device->switches->environment_max) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_SCHEMA, "DetectionStrings: %u domains of %u",
		    domains, call->device->switches->environment_max);
		return;
	}
	if (pv_sim_instance_get_uint(call->input, "DetectionAlgorithm") != 0) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_SCHEMA,
		    "DetectionAlgorithm: there is only 0, local domains");
		return;
	}
	gboolean was_outside = pv_sim_environment_is_outside(call->device);
	pv_sim_class_put_bag(call, id);
	/* who is outside from now on loses its connections */
	call->restart = !was_outside && pv_sim_environment_is_outside(call->device);
}

/* clang-format off */
const PvSimClass pv_sim_classes_environment[] = {
	{ .name = ENVIRONMENT_CLASS, .properties = environment_settings, .put = environment_put },
	{ NULL },
};
/* clang-format on */
