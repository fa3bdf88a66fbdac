/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wired 802.1X: amt/08 section 1. The device has one profile, which both classes show [I]; it is kept as
 * IPS_IEEE8021xSettings writes it, with DMTF's numbers. */
#include "sim/classes.h"
#include "sim/network.h"

#include <string.h>

#define PROFILE_AMT "AMT_8021XProfile"
#define PROFILE_AMT_ID "Intel(r) AMT 802.1x Profile 0"
#define PROFILE_IPS "IPS_IEEE8021xSettings"
#define PROFILE_IPS_ID "Intel(r) AMT: 8021X Settings"
#define PROFILE_CERTIFICATE "Intel(r) AMT Certificate: Handle: "
#define PROFILE_PXE_MAX 86400
#define PROFILE_PXE_DEFAULT "120" /* when a profile is set without it */

/* EAP-FAST/TLS is 6 in the older class and 10 in DMTF's */
enum { PROFILE_EAP_TLS = 0, PROFILE_EAP_FAST_TLS_AMT = 6, PROFILE_EAP_FAST_TLS = 10 };
enum { PROFILE_ENABLED = 2, PROFILE_DISABLED = 3, PROFILE_WITHOUT_CERTIFICATES = 6 };

/* clang-format off */
static const PvSimProperty profile_amt[] = {
	{ "ActiveInS0", PV_SIM_BOOLEAN, 0, "true" },
	{ "AuthenticationProtocol", PV_SIM_UINT, 0, NULL, PROFILE_EAP_FAST_TLS_AMT },
	{ "ClientCertificate", PV_SIM_REFERENCE, PV_SIM_WRITE_ONLY, NULL },
	{ "Domain", PV_SIM_TEXT, 0, NULL, 128 },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT 802.1x Profile" },
	{ "Enabled", PV_SIM_BOOLEAN, PV_SIM_REQUIRED, "false" },
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, PROFILE_AMT_ID },
	{ "PACPassword", PV_SIM_TEXT, PV_SIM_WRITE_ONLY, NULL, 256 },
	{ "Password", PV_SIM_TEXT, PV_SIM_WRITE_ONLY, NULL, 32 },
	{ "ProtectedAccessCredential", PV_SIM_BASE64, PV_SIM_WRITE_ONLY, NULL },
	{ "PxeTimeout", PV_SIM_UINT, 0, "0", PROFILE_PXE_MAX },
	{ "RoamingIdentity", PV_SIM_TEXT, 0, NULL, 80 },
	{ "ServerCertificateIssuer", PV_SIM_REFERENCE, PV_SIM_WRITE_ONLY, NULL },
	{ "ServerCertificateName", PV_SIM_TEXT, 0, NULL, 80 },
	{ "ServerCertificateNameComparison", PV_SIM_UINT, 0, NULL, 1 },
	{ "Username", PV_SIM_TEXT, 0, NULL, 128 },
	{ NULL },
};

static const PvSimProperty profile_ips[] = {
	{ "AvailableInS0", PV_SIM_BOOLEAN, 0, "false" },
	PV_SIM_8021X_PROPERTIES,
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, PROFILE_IPS_ID },
	{ "Enabled", PV_SIM_UINT, PV_SIM_REQUIRED, "3" },
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, PROFILE_IPS_ID },
	{ "PxeTimeout", PV_SIM_UINT, 0, "120", PROFILE_PXE_MAX },
	{ NULL },
};

static const PvSimProperty profile_context[] = {
	{ "ElementInContext", PV_SIM_REFERENCE, PV_SIM_READ_ONLY, NULL },
	{ "ElementProvidingContext", PV_SIM_REFERENCE, PV_SIM_READ_ONLY, NULL },
	{ NULL },
};

static const PvSimProperty profile_certificates[] = {
	{ "ServerCertificateIssuer", PV_SIM_REFERENCE, 0 },
	{ "ClientCertificate", PV_SIM_REFERENCE, 0 },
	{ NULL },
};
/* clang-format on */

gboolean
pv_sim_8021x_needs_client(const PvSimInstance *settings)
{
	guint protocol = pv_sim_instance_get_uint(settings, "AuthenticationProtocol");
	return protocol == PROFILE_EAP_TLS || protocol == PROFILE_EAP_FAST_TLS;
}

const char *
pv_sim_8021x_judge(const PvSimInstance *settings)
{
	guint protocol = pv_sim_instance_get_uint(settings, "AuthenticationProtocol");
	const char *server = pv_sim_instance_get(settings, "ServerCertificateName");
	if (!pv_sim_instance_has(settings, "AuthenticationProtocol"))
		return "AuthenticationProtocol is missing";
	/* DMTF's 6 to 9, EAP-MD5 to EAP-AKA, have no twin in the older class: not in the firmware [I] */
	if (protocol > 5 && protocol != PROFILE_EAP_FAST_TLS)
		return "AuthenticationProtocol is not supported";
	if (!pv_sim_8021x_needs_client(settings) &&
	    (!pv_sim_instance_has(settings, "Username") ||
		(!pv_sim_instance_has(settings, "Password") &&
		    !pv_sim_instance_has(settings, "ProtectedAccessCredential"))))
		return "Username and Password are needed";
	if (server != NULL && *server != '\0' &&
	    !pv_sim_instance_has(settings, "ServerCertificateNameComparison"))
		return "ServerCertificateNameComparison is needed with ServerCertificateName";
	return NULL;
}

gboolean
pv_sim_8021x_read_comparison(const PvSimDevice *device, PvSimInstance *settings)
{
	const char *name = "ServerCertificateNameComparison";
	guint number = pv_sim_instance_get_uint(settings, name);
	gboolean amt = device->switches->comparison == PV_SIM_COMPARISON_AMT;
	if (!pv_sim_instance_has(settings, name))
		return TRUE;
	if (amt ? number > 1 : number != 2 && number != 3)
		return FALSE;
	if (amt)
		pv_sim_instance_set(settings, name, number == 0 ? "2" : "3");
	return TRUE;
}

void
pv_sim_8021x_show_comparison(const PvSimDevice *device, PvSimInstance *settings)
{
	const char *name = "ServerCertificateNameComparison";
	if (pv_sim_instance_has(settings, name) &&
	    device->switches->comparison == PV_SIM_COMPARISON_AMT)
		pv_sim_instance_set(
		    settings, name, pv_sim_instance_get_uint(settings, name) == 2 ? "0" : "1");
}

gboolean
pv_sim_8021x_find_certificate(
    const PvSimDevice *device, const PvSimEpr *epr, gboolean root, int *handle)
{
	*handle = -1;
	if (epr == NULL)
		return TRUE;
	int named = pv_sim_class_handle(PROFILE_CERTIFICATE, pv_sim_epr_get(epr, "InstanceID"));
	const PvSimCertificate *certificate =
	    named >= 0 ? pv_sim_device_find_certificate(device, (guint)named) : NULL;
	if (certificate == NULL || certificate->trusted_root != root ||
	    (!root && pv_sim_device_find_key_of(device, certificate->x509) == NULL))
		return FALSE;
	*handle = named;
	return TRUE;
}

const PvSimInstance *
pv_sim_8021x_wired(const PvSimDevice *device)
{
	const PvSimInstance *bag = pv_sim_device_find_bag(device, PROFILE_IPS, NULL);
	return bag != NULL && pv_sim_instance_has(bag, "Enabled") &&
		       pv_sim_instance_get_uint(bag, "Enabled") != PROFILE_DISABLED
		   ? bag
		   : NULL;
}

/* Takes the place of what was written before, as a whole: what is left out is gone */
static void
profile_store(PvSimDevice *device, const PvSimInstance *settings)
{
	PvSimInstance *bag = pv_sim_device_bag(device, PROFILE_IPS, NULL);
	g_ptr_array_set_size(bag->values, 0);
	for (const PvSimProperty *row = profile_ips; row->name != NULL; row++) {
		const char *text = pv_sim_instance_get(settings, row->name);
		if (text != NULL && (row->flags & PV_SIM_READ_ONLY) == 0)
			pv_sim_instance_add(bag, row->name, text);
	}
}

/* A profile that is off keeps these only */
static PvSimInstance *
profile_make_off(const PvSimInstance *settings)
{
	static const char *const kept[] = { "AvailableInS0", "PxeTimeout", NULL };
	PvSimInstance *off = pv_sim_instance_new(PROFILE_IPS);
	pv_sim_instance_add_uint(off, "Enabled", PROFILE_DISABLED);
	for (guint i = 0; kept[i] != NULL; i++)
		pv_sim_instance_set(off, kept[i], pv_sim_instance_get(settings, kept[i]));
	return off;
}

/* The older class, in the words of the newer one */
static PvSimInstance *
profile_translate(const PvSimInstance *input)
{
	PvSimInstance *settings = pv_sim_instance_dup(input);
	pv_sim_instance_set(
	    settings, "Enabled", pv_sim_instance_get_bool(input, "Enabled") ? "2" : "3");
	pv_sim_instance_set(settings, "AvailableInS0", pv_sim_instance_get(input, "ActiveInS0"));
	if (pv_sim_instance_get_uint(input, "AuthenticationProtocol") == PROFILE_EAP_FAST_TLS_AMT)
		pv_sim_instance_set(settings, "AuthenticationProtocol", "10");
	if (pv_sim_instance_has(input, "ServerCertificateNameComparison"))
		pv_sim_instance_set(settings, "ServerCertificateNameComparison",
		    pv_sim_instance_get_uint(input, "ServerCertificateNameComparison") == 0 ? "2"
											    : "3");
	return settings;
}

static void
profile_list_amt(const PvSimDevice *device, GPtrArray *instances)
{
	const PvSimInstance *bag = pv_sim_device_find_bag(device, PROFILE_IPS, NULL);
	g_autoptr(PvSimInstance) shown = pv_sim_instance_new(PROFILE_AMT);
	for (const PvSimProperty *row = profile_amt; bag != NULL && row->name != NULL; row++) {
		const char *text = pv_sim_instance_get(bag, row->name);
		if (text != NULL)
			pv_sim_instance_add(shown, row->name, text);
	}
	if (bag != NULL && bag->values->len > 0) {
		pv_sim_instance_set(
		    shown, "Enabled", pv_sim_8021x_wired(device) != NULL ? "true" : "false");
		pv_sim_instance_set(shown, "ActiveInS0", pv_sim_instance_get(bag, "AvailableInS0"));
		if (pv_sim_instance_get_uint(bag, "AuthenticationProtocol") == PROFILE_EAP_FAST_TLS)
			pv_sim_instance_set(shown, "AuthenticationProtocol", "6");
		if (pv_sim_instance_has(bag, "ServerCertificateNameComparison"))
			pv_sim_instance_set(shown, "ServerCertificateNameComparison",
			    pv_sim_instance_get_uint(bag, "ServerCertificateNameComparison") == 2
				? "0"
				: "1");
	}
	g_ptr_array_add(instances,
	    pv_sim_class_make_instance(pv_sim_class_find(device, PROFILE_AMT), device, shown));
}

static void
profile_put_amt(PvSimCall *call, const char *id)
{
	PvSimDevice *device = call->device;
	g_autoptr(PvSimInstance) settings = profile_translate(call->input);
	const PvSimEpr *client_epr = pv_sim_instance_get_epr(call->input, "ClientCertificate");
	const PvSimEpr *root_epr = pv_sim_instance_get_epr(call->input, "ServerCertificateIssuer");
	int client = -1, root = -1;
	if (!pv_sim_instance_get_bool(call->input, "Enabled")) {
		g_autoptr(PvSimInstance) off = profile_make_off(settings);
		profile_store(device, off);
		pv_sim_device_set_credentials(device, NULL, -1, -1);
		return;
	}
	const char *why = pv_sim_8021x_judge(settings);
	if (why == NULL && client_epr == NULL && pv_sim_8021x_needs_client(settings))
		why = "ClientCertificate is needed";
	if (why != NULL) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_SCHEMA, "%s", why);
		return;
	}
	if (!pv_sim_8021x_find_certificate(device, client_epr, FALSE, &client) ||
	    !pv_sim_8021x_find_certificate(device, root_epr, TRUE, &root)) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_INVALID_SELECTORS,
		    "%s is no such certificate of the store",
		    client < 0 && client_epr != NULL ? "ClientCertificate"
						     : "ServerCertificateIssuer");
		return;
	}
	if (!pv_sim_instance_has(settings, "PxeTimeout"))
		pv_sim_instance_set(settings, "PxeTimeout", PROFILE_PXE_DEFAULT);
	profile_store(device, settings);
	pv_sim_device_set_credentials(device, NULL, client, root);
}

static void
profile_list_ips(const PvSimDevice *device, GPtrArray *instances)
{
	PvSimInstance *instance =
	    pv_sim_class_make_instance(pv_sim_class_find(device, PROFILE_IPS), device, NULL);
	pv_sim_8021x_show_comparison(device, instance);
	g_ptr_array_add(instances, instance);
}

static void
profile_put_ips(PvSimCall *call, const char *id)
{
	guint state = pv_sim_instance_get_uint(call->input, "Enabled");
	g_autoptr(PvSimInstance) settings = pv_sim_instance_dup(call->input);
	const char *why = NULL;
	if (state != PROFILE_ENABLED && state != PROFILE_DISABLED &&
	    state != PROFILE_WITHOUT_CERTIFICATES)
		why = "Enabled is 2, 3 or 6";
	else if (state != PROFILE_DISABLED)
		why = pv_sim_8021x_judge(settings);
	if (why == NULL && !pv_sim_8021x_read_comparison(call->device, settings))
		why = "ServerCertificateNameComparison is no number of this class";
	if (why != NULL) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_SCHEMA, "%s", why);
		return;
	}
	g_autoptr(PvSimInstance) off =
	    state == PROFILE_DISABLED ? profile_make_off(settings) : NULL;
	profile_store(call->device, off != NULL ? off : settings);
	/* certificates come by SetCertificates, and stay while the profile may have some */
	if (state != PROFILE_ENABLED)
		pv_sim_device_set_credentials(call->device, NULL, -1, -1);
}

static guint32
profile_run_certificates(PvSimCall *call)
{
	PvSimDevice *device = call->device;
	const PvSimEpr *client_epr = pv_sim_instance_get_epr(call->input, "ClientCertificate");
	const PvSimEpr *root_epr = pv_sim_instance_get_epr(call->input, "ServerCertificateIssuer");
	const PvSimInstance *wired = pv_sim_8021x_wired(device);
	int client = -1, root = -1;
	if (wired == NULL || (client_epr == NULL && root_epr == NULL) ||
	    (client_epr == NULL && pv_sim_8021x_needs_client(wired)) ||
	    !pv_sim_8021x_find_certificate(device, client_epr, FALSE, &client) ||
	    !pv_sim_8021x_find_certificate(device, root_epr, TRUE, &root))
		return PV_SIM_STATUS_INTERNAL_ERROR; /* 0 or 1 are all it returns */
	pv_sim_device_set_credentials(device, NULL, client, root);
	return PV_SIM_STATUS_SUCCESS;
}

static gboolean
profile_has_ips(const PvSimDevice *device)
{
	return device->personality->version >= 800;
}

static gboolean
profile_has_amt(const PvSimDevice *device)
{
	return device->personality->version >= 400 &&
	       (device->switches->amt_8021x || !profile_has_ips(device));
}

static gboolean
profile_has_amt_context(const PvSimDevice *device)
{
	return device->personality->version >= 600 && profile_has_amt(device);
}

void
pv_sim_8021x_list_contexts(const PvSimDevice *device, const char *class_name, const char *user,
    const char *provider, const char *provider_id, GPtrArray *instances)
{
	for (guint i = 0; i < device->credentials->len; i++) {
		const PvSimCredential *credential = device->credentials->pdata[i];
		if (g_strcmp0(credential->user, user) != 0)
			continue;
		g_autofree char *id = g_strdup_printf(PROFILE_CERTIFICATE "%u", credential->handle);
		PvSimInstance *instance = pv_sim_instance_new(class_name);
		pv_sim_instance_take_epr(instance, "ElementInContext",
		    pv_sim_epr_new_with("AMT_PublicKeyCertificate", "InstanceID", id));
		pv_sim_instance_take_epr(instance, "ElementProvidingContext",
		    pv_sim_epr_new_with(provider, "InstanceID", provider_id));
		g_ptr_array_add(instances, instance);
	}
}

static void
profile_list_amt_contexts(const PvSimDevice *device, GPtrArray *instances)
{
	pv_sim_8021x_list_contexts(
	    device, "AMT_8021xCredentialContext", NULL, PROFILE_AMT, PROFILE_AMT_ID, instances);
}

static void
profile_list_ips_contexts(const PvSimDevice *device, GPtrArray *instances)
{
	pv_sim_8021x_list_contexts(
	    device, "IPS_8021xCredentialContext", NULL, PROFILE_IPS, PROFILE_IPS_ID, instances);
}

static const PvSimMethod profile_ips_methods[] = {
	{ "SetCertificates", profile_certificates, profile_run_certificates, TRUE },
	{ NULL },
};

/* clang-format off */
const PvSimClass pv_sim_classes_8021x[] = {
	{ .name = PROFILE_AMT, .properties = profile_amt, .list = profile_list_amt, .put = profile_put_amt,
	    .exists = profile_has_amt },
	{ .name = "AMT_8021xCredentialContext", .properties = profile_context, .list = profile_list_amt_contexts,
	    .exists = profile_has_amt_context },
	{ .name = PROFILE_IPS, .properties = profile_ips, .methods = profile_ips_methods, .list = profile_list_ips,
	    .put = profile_put_ips, .exists = profile_has_ips },
	{ .name = "IPS_8021xCredentialContext", .properties = profile_context, .list = profile_list_ips_contexts,
	    .exists = profile_has_ips },
	{ NULL },
};
/* clang-format on */
