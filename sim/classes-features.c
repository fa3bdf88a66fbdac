/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Redirection, KVM, user consent, the web interface: amt/07 sections 3 to 5 */
#include "sim/classes.h"
#include "sim/network.h"

#include <openssl/rand.h>
#include <string.h>

#define FEATURES_REDIRECTION "AMT_RedirectionService"
#define FEATURES_KVM "CIM_KVMRedirectionSAP"
#define FEATURES_OPT_IN "IPS_OptInService"
#define FEATURES_WEB "AMT_WebUIService"
#define FEATURES_IDER_SOL_NONE 32768
#define FEATURES_IDER_SOL_BOTH 32771
#define FEATURES_OPT_IN_ALL 4294967295U
#define FEATURES_CODES 1000000 /* OptInCode has six digits */

enum { FEATURES_NOT_STARTED, FEATURES_REQUESTED, FEATURES_DISPLAYED, FEATURES_RECEIVED };

/* clang-format off */
/* SOL and IDE-R are allowed by the BIOS of a new computer, but nothing listens [I] */
static const PvSimProperty features_redirection[] = {
	{ "AccessLog", PV_SIM_TEXT, PV_SIM_READ_ONLY | PV_SIM_ARRAY, NULL },
	{ "CreationClassName", PV_SIM_TEXT, PV_SIM_READ_ONLY, FEATURES_REDIRECTION },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT Redirection Service" },
	{ "EnabledState", PV_SIM_UINT, PV_SIM_READ_ONLY, "32771" },
	{ "ListenerEnabled", PV_SIM_BOOLEAN, PV_SIM_REQUIRED, "false" },
	{ "Name", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT Redirection Service" },
	{ "SystemCreationClassName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "CIM_ComputerSystem" },
	{ "SystemName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT" },
	{ NULL },
};

/* 6, 5: enabled without a session, and never asked for otherwise, as recorded */
static const PvSimProperty features_kvm[] = {
	{ "CreationClassName", PV_SIM_TEXT, PV_SIM_READ_ONLY, FEATURES_KVM },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "KVM Redirection Service Access Point" },
	{ "EnabledState", PV_SIM_UINT, PV_SIM_READ_ONLY, "6" },
	{ "KVMProtocol", PV_SIM_UINT, PV_SIM_READ_ONLY, "4" },
	{ "Name", PV_SIM_TEXT, PV_SIM_READ_ONLY, "KVM Redirection Service Access Point" },
	{ "RequestedState", PV_SIM_UINT, PV_SIM_READ_ONLY, "5" },
	{ "SystemCreationClassName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "CIM_ComputerSystem" },
	{ "SystemName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "ManagedSystem" },
	{ NULL },
};

/* No recording: only what amt/07 section 3 and clients name [I] */
static const PvSimProperty features_kvm_settings[] = {
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) KVM Redirection Settings" },
	{ "EnabledByMEBx", PV_SIM_BOOLEAN, PV_SIM_READ_ONLY, "true" },
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) KVM Redirection Settings" },
	{ "Is5900PortEnabled", PV_SIM_BOOLEAN, 0, "false" },
	{ "OptInPolicy", PV_SIM_BOOLEAN, 0, "true" },
	{ "OptInPolicyTimeout", PV_SIM_UINT, 0, "300", 65535 },
	{ "RFBPassword", PV_SIM_TEXT, PV_SIM_WRITE_ONLY, NULL, 8 },
	{ "SessionTimeout", PV_SIM_UINT, 0, "3", 65535 },
	{ NULL },
};

static const PvSimProperty features_opt_in[] = {
	{ "CanModifyOptInPolicy", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL },
	{ "CreationClassName", PV_SIM_TEXT, PV_SIM_READ_ONLY, FEATURES_OPT_IN },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT OptIn Service" },
	{ "Name", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT OptIn Service" },
	{ "OptInCodeTimeout", PV_SIM_UINT, 0, "120", 65535 },
	{ "OptInDisplayTimeout", PV_SIM_UINT, 0, "300", 65535 },
	{ "OptInRequired", PV_SIM_UINT, PV_SIM_REQUIRED, "0" },
	{ "OptInState", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL },
	{ "SystemCreationClassName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "CIM_ComputerSystem" },
	{ "SystemName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT" },
	{ NULL },
};

static const PvSimProperty features_web[] = {
	{ "CreationClassName", PV_SIM_TEXT, PV_SIM_READ_ONLY, FEATURES_WEB },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT Web UI Service" },
	{ "EnabledState", PV_SIM_UINT, PV_SIM_READ_ONLY, "2" },
	{ "Name", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT Web UI Service" },
	{ "RequestedState", PV_SIM_UINT, PV_SIM_READ_ONLY, "12" },
	{ "SystemCreationClassName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "CIM_ComputerSystem" },
	{ "SystemName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT" },
	{ NULL },
};

static const PvSimProperty features_state[] = {
	{ "RequestedState", PV_SIM_UINT, PV_SIM_REQUIRED, NULL, 65535 },
	{ NULL },
};

static const PvSimProperty features_code[] = {
	{ "OptInCode", PV_SIM_UINT, PV_SIM_REQUIRED, NULL, FEATURES_CODES - 1 },
	{ NULL },
};
/* clang-format on */

static guint
features_get(const PvSimDevice *device, const char *class_name, const char *name, guint fallback)
{
	const PvSimInstance *bag = pv_sim_device_find_bag(device, class_name, NULL);
	return bag != NULL && pv_sim_instance_has(bag, name) ? pv_sim_instance_get_uint(bag, name)
							     : fallback;
}

static void
features_set(PvSimCall *call, const char *name, guint value)
{
	g_autofree char *text = g_strdup_printf("%u", value);
	pv_sim_instance_set(pv_sim_device_bag(call->device, call->class->name, NULL), name, text);
}

gboolean
pv_sim_redirection_listens(const PvSimDevice *device, gboolean tls)
{
	const PvSimInstance *bag = pv_sim_device_find_bag(device, FEATURES_REDIRECTION, NULL);
	gboolean plain =
	    device->switches->plain_port && (!device->tls.enabled || device->tls.accept_plain);
	return device->state == PV_SIM_POST && bag != NULL &&
	       pv_sim_instance_get_bool(bag, "ListenerEnabled") &&
	       (tls ? device->tls.enabled : plain);
}

static guint32
features_run_redirection_state(PvSimCall *call)
{
	guint state = pv_sim_instance_get_uint(call->input, "RequestedState");
	if (!call->administrator) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_ACCESS_DENIED,
		    "RequestStateChange is for administrators, the listener for the realm "
		    "Redirection");
		return PV_SIM_STATUS_NOT_PERMITTED;
	}
	if (state < FEATURES_IDER_SOL_NONE || state > FEATURES_IDER_SOL_BOTH)
		return PV_SIM_DMTF_INVALID_PARAMETER;
	features_set(call, "EnabledState", state);
	return PV_SIM_STATUS_SUCCESS;
}

static gboolean
features_has_kvm(const PvSimDevice *device)
{
	return device->personality->version >= 600 && device->switches->sku == PV_SIM_SKU_PRO;
}

static guint32
features_run_kvm_state(PvSimCall *call)
{
	guint state = pv_sim_instance_get_uint(call->input, "RequestedState");
	if (state != 2 && state != 3)
		return PV_SIM_DMTF_INVALID_PARAMETER;
	features_set(call, "EnabledState", state == 2 ? 6 : 3);
	features_set(call, "RequestedState", state);
	return PV_SIM_STATUS_SUCCESS;
}

static void
features_put_kvm(PvSimCall *call, const char *id)
{
	const char *password = pv_sim_instance_get(call->input, "RFBPassword");
	if (password != NULL && (strlen(password) != 8 || !pv_sim_password_is_strong(password)))
		pv_sim_call_refuse(
		    call, PV_SIM_FAULT_SCHEMA, "RFBPassword: 8 characters of all four kinds");
	else
		pv_sim_class_put_bag(call, id);
}

static gboolean
features_has_opt_in(const PvSimDevice *device)
{
	return device->personality->version >= 700;
}

static void
features_list_opt_in(const PvSimDevice *device, GPtrArray *instances)
{
	PvSimInstance *instance =
	    pv_sim_class_make_instance(pv_sim_class_find(device, FEATURES_OPT_IN), device, NULL);
	pv_sim_instance_set(
	    instance, "CanModifyOptInPolicy", device->switches->optin_modifiable ? "1" : "0");
	pv_sim_instance_add_uint(instance, "OptInState", device->opt_in_state);
	g_ptr_array_add(instances, instance);
}

static void
features_put_opt_in(PvSimCall *call, const char *id)
{
	guint required = pv_sim_instance_get_uint(call->input, "OptInRequired");
	guint old = features_get(call->device, FEATURES_OPT_IN, "OptInRequired", 0);
	if (required > 1 && required != FEATURES_OPT_IN_ALL) {
		pv_sim_call_refuse(
		    call, PV_SIM_FAULT_SCHEMA, "OptInRequired is 0, 1 or 4294967295");
		return;
	}
	if (required != old && !call->device->switches->optin_modifiable) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_ACCESS_DENIED, "CanModifyOptInPolicy is 0");
		return;
	}
	pv_sim_class_put_bag(call, id);
}

static guint32
features_run_start_opt_in(PvSimCall *call)
{
	PvSimDevice *device = call->device;
	guint32 number = 0;
	if (features_get(device, FEATURES_OPT_IN, "OptInRequired", 0) == 0 ||
	    device->opt_in_state != FEATURES_NOT_STARTED)
		return PV_SIM_OPT_IN_INVALID_STATE;
	if (RAND_bytes((guchar *)&number, sizeof number) != 1)
		return PV_SIM_STATUS_INTERNAL_ERROR;
	device->opt_in_code = number % FEATURES_CODES; /* what the user sees: dump shows it */
	device->opt_in_state = FEATURES_DISPLAYED;
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
features_run_send_opt_in(PvSimCall *call)
{
	if (call->device->opt_in_state != FEATURES_DISPLAYED)
		return PV_SIM_OPT_IN_INVALID_STATE;
	if (pv_sim_instance_get_uint(call->input, "OptInCode") != call->device->opt_in_code)
		return PV_SIM_OPT_IN_BLOCKED;
	call->device->opt_in_state = FEATURES_RECEIVED;
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
features_run_cancel_opt_in(PvSimCall *call)
{
	if (call->device->opt_in_state == FEATURES_NOT_STARTED)
		return PV_SIM_OPT_IN_INVALID_STATE;
	call->device->opt_in_state = FEATURES_NOT_STARTED;
	return PV_SIM_STATUS_SUCCESS;
}

static gboolean
features_has_web(const PvSimDevice *device)
{
	return device->switches->web_ui != PV_SIM_WEB_MISSING;
}

static guint32
features_run_web_state(PvSimCall *call)
{
	guint state = pv_sim_instance_get_uint(call->input, "RequestedState");
	if (state != 2 && state != 3)
		return PV_SIM_DMTF_INVALID_PARAMETER;
	if (call->device->switches->web_ui == PV_SIM_WEB_REFUSED)
		return PV_SIM_DMTF_NOT_SUPPORTED;
	features_set(call, "EnabledState", state);
	features_set(call, "RequestedState", state);
	return PV_SIM_STATUS_SUCCESS;
}

static const PvSimMethod features_redirection_methods[] = {
	{ "RequestStateChange", features_state, features_run_redirection_state, TRUE },
	{ NULL },
};

static const PvSimMethod features_kvm_methods[] = {
	{ "RequestStateChange", features_state, features_run_kvm_state, TRUE },
	{ NULL },
};

static const PvSimMethod features_opt_in_methods[] = {
	{ "StartOptIn", NULL, features_run_start_opt_in, TRUE },
	{ "CancelOptIn", NULL, features_run_cancel_opt_in, TRUE },
	{ "SendOptInCode", features_code, features_run_send_opt_in, TRUE },
	{ NULL },
};

static const PvSimMethod features_web_methods[] = {
	{ "RequestStateChange", features_state, features_run_web_state, TRUE },
	{ NULL },
};

/* clang-format off */
const PvSimClass pv_sim_classes_features[] = {
	{ .name = FEATURES_REDIRECTION, .common = TRUE, .properties = features_redirection,
	    .methods = features_redirection_methods, .put = pv_sim_class_put_bag, .realm = 2 },
	{ .name = FEATURES_KVM, .common = TRUE, .properties = features_kvm, .methods = features_kvm_methods,
	    .exists = features_has_kvm },
	{ .name = "IPS_KVMRedirectionSettingData", .properties = features_kvm_settings, .put = features_put_kvm,
	    .exists = features_has_kvm },
	{ .name = FEATURES_OPT_IN, .common = TRUE, .properties = features_opt_in, .methods = features_opt_in_methods,
	    .list = features_list_opt_in, .put = features_put_opt_in, .exists = features_has_opt_in },
	{ .name = FEATURES_WEB, .common = TRUE, .properties = features_web, .methods = features_web_methods,
	    .exists = features_has_web },
	{ NULL },
};
/* clang-format on */
