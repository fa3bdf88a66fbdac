/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of a dump that tells what listens, and what a supplicant would need */
#include "sim/classes.h"
#include "sim/dump-build.h"
#include "sim/network.h"

/* A property as Get shows it, or NULL: no such class here, or not set; g_free() */
static char *
dump_network_read(const PvSimDevice *device, const char *class_name, const char *name)
{
	const PvSimClass *class = pv_sim_class_find(device, class_name);
	if (class == NULL)
		return NULL;
	g_autoptr(GPtrArray) instances = pv_sim_class_instances(class, device);
	return instances->len > 0 ? g_strdup(pv_sim_instance_get(instances->pdata[0], name)) : NULL;
}

void
pv_sim_dump_features(JsonBuilder *builder, const PvSimDevice *device)
{
	static const struct {
		const char *member, *class_name, *property;
	} rows[] = {
		{ "redirection", "AMT_RedirectionService", "EnabledState" },
		{ "listener", "AMT_RedirectionService", "ListenerEnabled" },
		{ "kvm", "CIM_KVMRedirectionSAP", "EnabledState" },
		{ "opt-in-required", "IPS_OptInService", "OptInRequired" },
		{ "opt-in-state", "IPS_OptInService", "OptInState" },
		{ "web-ui", "AMT_WebUIService", "EnabledState" },
		{ "ping", "AMT_GeneralSettings", "PingResponseEnabled" },
		{ "rmcp-ping", "AMT_GeneralSettings", "RmcpPingResponseEnabled" },
	};
	dump_begin_object(builder, "features");
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *value =
		    dump_network_read(device, rows[i].class_name, rows[i].property);
		dump_string(builder, rows[i].member, value);
	}
	dump_int(
	    builder, "opt-in-code", device->opt_in_state > 0 ? (gint64)device->opt_in_code : -1);
	dump_bool(builder, "port-16994", pv_sim_redirection_listens(device, FALSE));
	dump_bool(builder, "port-16995", pv_sim_redirection_listens(device, TRUE));
	json_builder_end_object(builder);
	dump_bool(builder, "outside", pv_sim_environment_is_outside(device));
}
