/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TLS settings and the certificate that TLS uses: amt/06 sections 4 and 5 */
#include "sim/classes.h"

#include <string.h>

#define TLS_COLLECTION \
	"TLSProtocolEndpoint Instances Collection" /* with a blank, as AMT returns it */
#define TLS_COLLECTION_SENT "TLSProtocolEndpointInstances Collection" /* as clients send it */
#define TLS_CERTIFICATE "Intel(r) AMT Certificate: Handle: "

/* clang-format off */
static const PvSimProperty tls_settings[] = {
	{ "AcceptNonSecureConnections", PV_SIM_BOOLEAN, 0, "false" },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "Enabled", PV_SIM_BOOLEAN, PV_SIM_REQUIRED, "false" },
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "MutualAuthentication", PV_SIM_BOOLEAN, 0, "false" },
	{ "NonSecureConnectionsSupported", PV_SIM_BOOLEAN, PV_SIM_NO_PUT, NULL, 0, 1601 },
	{ "TrustedCN", PV_SIM_TEXT, PV_SIM_ARRAY, NULL, 255 },
	{ NULL },
};

static const PvSimProperty tls_context[] = {
	{ "ElementInContext", PV_SIM_REFERENCE, PV_SIM_REQUIRED, NULL },
	{ "ElementProvidingContext", PV_SIM_REFERENCE, PV_SIM_REQUIRED, NULL },
	{ NULL },
};

static const PvSimProperty tls_collection[] = {
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, TLS_COLLECTION },
	{ NULL },
};
/* clang-format on */

/* Newer firmware may spell it so (amt/06 section 5). g_free() */
static char *
tls_shown_id(const PvSimDevice *device, const char *id)
{
	g_assert(g_str_has_prefix(id, "Intel(r)"));
	return device->switches->tls_trademark
		   ? g_strconcat("Intel\u00ae", id + strlen("Intel(r)"), NULL)
		   : g_strdup(id);
}

static void
tls_add_settings(const PvSimDevice *device, const char *id, GPtrArray *instances)
{
	const PvSimInstance *bag = pv_sim_device_find_bag(device, "AMT_TLSSettingData", id);
	PvSimInstance *instance = pv_sim_instance_dup(bag);
	g_autofree char *shown = tls_shown_id(device, id);
	pv_sim_instance_set(instance, "ElementName", shown);
	pv_sim_instance_set(instance, "InstanceID", shown);
	if (device->personality->modern_tls_class)
		pv_sim_instance_set(instance, "NonSecureConnectionsSupported",
		    device->switches->nonsecure_supported ? "true" : "false");
	g_ptr_array_add(instances, instance);
}

static void
tls_list_settings(const PvSimDevice *device, GPtrArray *instances)
{
	gboolean local_first = device->switches->tls_local_first;
	tls_add_settings(device, local_first ? PV_SIM_TLS_LOCAL : PV_SIM_TLS_REMOTE, instances);
	tls_add_settings(device, local_first ? PV_SIM_TLS_REMOTE : PV_SIM_TLS_LOCAL, instances);
}

static void
tls_put_settings(PvSimCall *call, const char *shown)
{
	const PvSimInstance *input = call->input;
	const char *id = g_str_has_suffix(shown, "AMT 802.3 TLS Settings") ? PV_SIM_TLS_REMOTE
									   : PV_SIM_TLS_LOCAL;
	gboolean enabled = pv_sim_instance_get_bool(input, "Enabled");
	gboolean remote = strcmp(id, PV_SIM_TLS_REMOTE) == 0;
	if (enabled && !pv_sim_instance_has(input, "MutualAuthentication")) {
		pv_sim_call_refuse(
		    call, PV_SIM_FAULT_SCHEMA, "MutualAuthentication must be given when Enabled");
		return;
	}
	/* CSME 16.1 and later: the remote port stays on TLS and has no plain twin */
	if (call->device->personality->modern_tls_class && remote &&
	    (!enabled || pv_sim_instance_get_bool(input, "AcceptNonSecureConnections"))) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_ACCESS_DENIED,
		    "remote TLS cannot be switched off, and accepts no plain connections");
		return;
	}
	if (!remote && pv_sim_instance_has(input, "AcceptNonSecureConnections") &&
	    !call->device->personality->modern_tls_class &&
	    !pv_sim_instance_get_bool(input, "AcceptNonSecureConnections")) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_ACCESS_DENIED,
		    "AcceptNonSecureConnections is writable for the remote interface only");
		return;
	}
	pv_sim_class_put_bag(call, id);
}

static PvSimEpr *
tls_certificate_epr(const PvSimDevice *device)
{
	g_autofree char *id = g_strdup_printf(TLS_CERTIFICATE "%d", device->tls_certificate);
	return pv_sim_epr_new_with("AMT_PublicKeyCertificate", "InstanceID", id);
}

static void
tls_list_contexts(const PvSimDevice *device, GPtrArray *instances)
{
	if (device->tls_certificate < 0)
		return;
	PvSimInstance *instance = pv_sim_instance_new("AMT_TLSCredentialContext");
	pv_sim_instance_take_epr(instance, "ElementInContext", tls_certificate_epr(device));
	pv_sim_instance_take_epr(instance, "ElementProvidingContext",
	    pv_sim_epr_new_with(
		"AMT_TLSProtocolEndpointCollection", "ElementName", TLS_COLLECTION));
	g_ptr_array_add(instances, instance);
}

/* The certificate an input refers to, if TLS can use it; -1: refused */
static int
tls_read_context(PvSimCall *call)
{
	const PvSimEpr *element = pv_sim_instance_get_epr(call->input, "ElementInContext");
	const PvSimEpr *providing = pv_sim_instance_get_epr(call->input, "ElementProvidingContext");
	const char *name = pv_sim_epr_get(providing, "ElementName");
	int handle = pv_sim_class_handle(TLS_CERTIFICATE, pv_sim_epr_get(element, "InstanceID"));
	const PvSimCertificate *certificate =
	    handle >= 0 ? pv_sim_device_find_certificate(call->device, (guint)handle) : NULL;
	const char *why = NULL;
	if (g_strcmp0(name, TLS_COLLECTION) != 0 && g_strcmp0(name, TLS_COLLECTION_SENT) != 0)
		why = "ElementProvidingContext is not the collection of TLS endpoints";
	else if (certificate == NULL)
		why = "ElementInContext is no certificate of the store";
	else if (certificate->trusted_root ||
		 pv_sim_device_find_key_of(call->device, certificate->x509) == NULL)
		why = "the certificate is a root or has no key in the store";
	if (why == NULL)
		return handle;
	pv_sim_call_refuse(call, PV_SIM_FAULT_INVALID_SELECTORS, "%s", why);
	return -1;
}

static void
tls_create_context(PvSimCall *call)
{
	if (call->device->tls_certificate >= 0) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_ALREADY_EXISTS,
		    "there is a TLS credential context: Put changes it");
		return;
	}
	int handle = tls_read_context(call);
	if (handle < 0)
		return;
	call->device->tls_certificate = handle;
	call->created = pv_sim_epr_new("AMT_TLSCredentialContext");
	g_autoptr(PvSimInstance) references = pv_sim_instance_new("AMT_TLSCredentialContext");
	pv_sim_instance_take_epr(references, "ElementInContext", tls_certificate_epr(call->device));
	pv_sim_instance_take_epr(references, "ElementProvidingContext",
	    pv_sim_epr_new_with(
		"AMT_TLSProtocolEndpointCollection", "ElementName", TLS_COLLECTION));
	g_ptr_array_unref(call->created->selectors);
	call->created->selectors = g_ptr_array_ref(references->values);
}

static void
tls_put_context(PvSimCall *call, const char *id)
{
	int handle = tls_read_context(call);
	if (handle >= 0)
		call->device->tls_certificate = handle;
}

static void
tls_remove_context(PvSimCall *call, const char *id)
{
	if (call->device->tls.enabled && call->device->tls.x509 != NULL) {
		pv_sim_call_refuse(
		    call, PV_SIM_FAULT_ACCESS_DENIED, "TLS is on and uses the certificate");
		return;
	}
	call->device->tls_certificate = -1;
}

/* clang-format off */
const PvSimClass pv_sim_classes_tls[] = {
	{ .name = "AMT_TLSSettingData", .properties = tls_settings, .key = "InstanceID", .list = tls_list_settings,
	    .put = tls_put_settings },
	{ .name = "AMT_TLSCredentialContext", .properties = tls_context, .list = tls_list_contexts,
	    .put = tls_put_context, .create = tls_create_context, .remove = tls_remove_context },
	{ .name = "AMT_TLSProtocolEndpointCollection", .properties = tls_collection },
	{ NULL },
};
/* clang-format on */
