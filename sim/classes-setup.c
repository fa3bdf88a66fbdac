/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The set-up service and the table of root certificate hashes: amt/03, amt/04 section 5 */
#include "sim/classes.h"

#include <string.h>

#define SETUP_SERVICE "Intel(r) AMT Setup and Configuration Service"
#define SETUP_HOST_BASED "Intel(r) AMT Host Based Setup Service"
#define SETUP_NONCE_BYTES 20
#define SETUP_OTP_BYTES 32
#define SETUP_EXTEND_HOURS 24

/* clang-format off */
static const PvSimProperty setup_service[] = {
	PV_SIM_SERVICE("AMT_SetupAndConfigurationService", SETUP_SERVICE, SETUP_SERVICE),
	{ "ConfigurationServerFQDN", PV_SIM_TEXT, 0, NULL, 255 },
	{ "DhcpDNSSuffix", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL, 0, 1100 },
	{ "PasswordModel", PV_SIM_UINT, PV_SIM_READ_ONLY, "1" },
	{ "ProvisioningMode", PV_SIM_UINT, PV_SIM_READ_ONLY, "1" },
	{ "ProvisioningServerOTP", PV_SIM_BASE64, 0, NULL },
	{ "ProvisioningState", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL },
	{ "TrustedDNSSuffix", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL, 0, 1100 },
	{ "ZeroTouchConfigurationEnabled", PV_SIM_BOOLEAN, 0, "true" },
	{ NULL },
};

static const PvSimProperty setup_hash[] = {
	{ "Description", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "Enabled", PV_SIM_BOOLEAN, PV_SIM_REQUIRED, NULL },
	{ "HashData", PV_SIM_BASE64, PV_SIM_READ_ONLY, NULL },
	{ "HashType", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL },
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "IsDefault", PV_SIM_BOOLEAN, PV_SIM_READ_ONLY, NULL },
	{ NULL },
};

static const PvSimProperty setup_password[] = {
	{ "Password", PV_SIM_TEXT, PV_SIM_REQUIRED },
	{ NULL },
};

static const PvSimProperty setup_host_based[] = {
	{ "AllowedControlModes", PV_SIM_UINT, PV_SIM_READ_ONLY | PV_SIM_ARRAY, NULL },
	{ "CertChainStatus", PV_SIM_UINT, PV_SIM_READ_ONLY, "0" },
	{ "ConfigurationNonce", PV_SIM_BASE64, PV_SIM_READ_ONLY, NULL },
	{ "CurrentControlMode", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL },
	PV_SIM_SERVICE("IPS_HostBasedSetupService", SETUP_HOST_BASED, SETUP_HOST_BASED),
	{ NULL },
};

static const PvSimProperty setup_host_based_setup[] = {
	{ "NetAdminPassEncryptionType", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ "NetworkAdminPassword", PV_SIM_TEXT, PV_SIM_REQUIRED },
	{ "McNonce", PV_SIM_BASE64, 0 },
	{ "Certificate", PV_SIM_BASE64, 0 },
	{ "SigningAlgorithm", PV_SIM_UINT, 0 },
	{ "DigitalSignature", PV_SIM_BASE64, 0 },
	{ NULL },
};

static const PvSimProperty setup_host_based_chain[] = {
	{ "NextCertificate", PV_SIM_BASE64, PV_SIM_REQUIRED },
	{ "IsLeafCertificate", PV_SIM_BOOLEAN, PV_SIM_REQUIRED },
	{ "IsRootCertificate", PV_SIM_BOOLEAN, PV_SIM_REQUIRED },
	{ NULL },
};

static const PvSimProperty setup_host_based_admin[] = {
	{ "NetAdminPassEncryptionType", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ "NetworkAdminPassword", PV_SIM_TEXT, PV_SIM_REQUIRED },
	{ "McNonce", PV_SIM_BASE64, PV_SIM_REQUIRED },
	{ "SigningAlgorithm", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ "DigitalSignature", PV_SIM_BASE64, PV_SIM_REQUIRED },
	{ NULL },
};

static const PvSimProperty setup_host_based_upgrade[] = {
	{ "McNonce", PV_SIM_BASE64, PV_SIM_REQUIRED },
	{ "SigningAlgorithm", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ "DigitalSignature", PV_SIM_BASE64, PV_SIM_REQUIRED },
	{ NULL },
};

static const PvSimProperty setup_psk[] = {
	{ "PID", PV_SIM_TEXT, PV_SIM_REQUIRED },
	{ "PPS", PV_SIM_TEXT, PV_SIM_REQUIRED },
	{ NULL },
};

static const PvSimProperty setup_mode[] = {
	{ "ProvisioningMode", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ NULL },
};

static const PvSimProperty setup_duration[] = {
	{ "Duration", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ NULL },
};
/* clang-format on */

/* Readable in set-up only; later 32 zero bytes (amt/03 section 4) */
static void
setup_add_otp(const PvSimDevice *device, PvSimInstance *instance)
{
	guint8 bytes[SETUP_OTP_BYTES] = { 0 };
	gsize length = sizeof bytes;
	if (device->state == PV_SIM_IN && device->otp_set != NULL) {
		gsize given = MIN(strlen(device->otp_set), sizeof bytes);
		memcpy(bytes, device->otp_set, given);
		if (device->switches->otp_padding == PV_SIM_OTP_PAD_NONE)
			length = given;
	} else if (device->switches->otp_unset == PV_SIM_OTP_UNSET_OMIT &&
		   device->state == PV_SIM_IN) {
		return;
	}
	pv_sim_instance_add_bytes(instance, "ProvisioningServerOTP", bytes, length);
}

static void
setup_list_service(const PvSimDevice *device, GPtrArray *instances)
{
	PvSimInstance *instance = pv_sim_instance_new("AMT_SetupAndConfigurationService");
	const PvSimInstance *bag =
	    pv_sim_device_find_bag(device, "AMT_SetupAndConfigurationService", NULL);
	for (const PvSimProperty *row = setup_service; row->name != NULL; row++) {
		const char *written = bag != NULL ? pv_sim_instance_get(bag, row->name) : NULL;
		if (written != NULL || row->fallback != NULL)
			pv_sim_instance_add(
			    instance, row->name, written != NULL ? written : row->fallback);
	}
	setup_add_otp(device, instance);
	pv_sim_instance_add_uint(instance, "ProvisioningState", device->state);
	if (device->personality->version >= 1100) {
		if (*device->switches->dhcp_suffix != '\0')
			pv_sim_instance_add(
			    instance, "DhcpDNSSuffix", device->switches->dhcp_suffix);
		if (*device->switches->trusted_suffix != '\0')
			pv_sim_instance_add(
			    instance, "TrustedDNSSuffix", device->switches->trusted_suffix);
	}
	g_ptr_array_add(instances, instance);
}

static void
setup_put_service(PvSimCall *call, const char *id)
{
	g_autoptr(GBytes) otp = pv_sim_instance_get_bytes(call->input, "ProvisioningServerOTP");
	pv_sim_class_put_bag(call, id);
	pv_sim_instance_remove(
	    pv_sim_device_bag(call->device, call->class->name, NULL), "ProvisioningServerOTP");
	gsize length = 0;
	const char *data = otp != NULL ? g_bytes_get_data(otp, &length) : NULL;
	gsize used = data != NULL ? strnlen(data, length) : 0;
	if (used >= 8 && used <= SETUP_OTP_BYTES) {
		g_free(call->device->otp_set);
		call->device->otp_set = g_strndup(data, used);
	}
}

/* What MOF comments ask for before CommitChanges (amt/03 section 6). NULL: nothing is missing. */
static const char *
setup_find_missing(PvSimDevice *device)
{
	const PvSimInstance *general = pv_sim_device_bag(device, "AMT_GeneralSettings", NULL);
	const PvSimInstance *tls =
	    pv_sim_device_bag(device, "AMT_TLSSettingData", PV_SIM_TLS_REMOTE);
	const char *host = pv_sim_instance_get(general, "HostName");
	gboolean roots = FALSE;
	for (guint i = 0; i < device->certificates->len; i++)
		roots = roots ||
			((const PvSimCertificate *)device->certificates->pdata[i])->trusted_root;
	if (device->switches->commit_needs_mebx && device->mebx_default)
		return "MEBx password";
	if (!device->switches->commit_checks)
		return NULL;
	if (pv_sim_instance_get_bool(tls, "Enabled") && device->tls_certificate < 0)
		return "TLS certificate";
	if (pv_sim_instance_get_bool(tls, "MutualAuthentication") && !roots)
		return "trusted root";
	if (!device->clock_set)
		return "clock";
	if (host == NULL || *host == '\0')
		return "host name";
	return NULL;
}

static guint32
setup_commit(PvSimCall *call)
{
	const char *missing = setup_find_missing(call->device);
	if (missing != NULL) {
		g_free(call->refusal.detail);
		call->refusal.detail = g_strdup_printf(
		    "CommitChanges: %s is not set", missing); /* for the log: 2057 does not say */
		return PV_SIM_STATUS_DATA_MISSING;
	}
	call->restart = pv_sim_device_commit(call->device);
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
setup_set_mebx_password(PvSimCall *call)
{
	const char *password = pv_sim_instance_get(call->input, "Password");
	guint policy = call->device->switches->mebx_policy;
	gboolean setup = call->device->state == PV_SIM_IN;
	if ((policy != PV_SIM_MEBX_ANYTIME && !setup) ||
	    (policy == PV_SIM_MEBX_DEFAULT_ONLY && !call->device->mebx_default))
		return PV_SIM_STATUS_NOT_PERMITTED;
	if (!pv_sim_password_is_strong(password))
		return PV_SIM_STATUS_INVALID_PASSWORD;
	g_free(call->device->mebx_password);
	call->device->mebx_password = g_strdup(password);
	call->device->mebx_default = FALSE;
	return PV_SIM_STATUS_SUCCESS;
}

/* For the next set-up: dashes are the MEBx screen's only (amt/02) */
static guint32
setup_set_psk(PvSimCall *call)
{
	const char *pid = pv_sim_instance_get(call->input, "PID");
	const char *pps = pv_sim_instance_get(call->input, "PPS");
	g_autofree char *pid_code =
	    strchr(pid, '-') == NULL ? pv_sim_switches_read_code(pid, PV_SIM_PID_LENGTH) : NULL;
	g_autofree char *pps_code =
	    strchr(pps, '-') == NULL ? pv_sim_switches_read_code(pps, PV_SIM_PPS_LENGTH) : NULL;
	if (pid_code == NULL)
		return PV_SIM_STATUS_INVALID_PID_FORMAT;
	if (pps_code == NULL)
		return PV_SIM_STATUS_INVALID_PPS_FORMAT;
	g_free(call->device->pid);
	g_free(call->device->pps);
	call->device->pid = g_steal_pointer(&pid_code);
	call->device->pps = g_steal_pointer(&pps_code);
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
setup_get_uuid(PvSimCall *call)
{
	pv_sim_instance_add_bytes(
	    call->output, "UUID", call->device->uuid, sizeof call->device->uuid);
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
setup_unprovision(PvSimCall *call)
{
	if (call->device->state != PV_SIM_POST)
		return PV_SIM_STATUS_NOT_PERMITTED;
	if (pv_sim_instance_get_uint(call->input, "ProvisioningMode") > 3)
		return PV_SIM_STATUS_INVALID_PARAMETER;
	pv_sim_device_unprovision(call->device);
	call->restart = call->unprovisioned = TRUE;
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
setup_partial_unprovision(PvSimCall *call)
{
	if (call->device->state != PV_SIM_POST)
		return PV_SIM_STATUS_NOT_PERMITTED;
	pv_sim_device_reset_partly(call->device);
	call->restart = call->unprovisioned = TRUE;
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
setup_extend(PvSimCall *call)
{
	guint hours = pv_sim_instance_get_uint(call->input, "Duration");
	if (call->device->state != PV_SIM_IN)
		return PV_SIM_STATUS_NOT_PERMITTED;
	if (hours == 0 || hours > SETUP_EXTEND_HOURS)
		return PV_SIM_STATUS_INVALID_PARAMETER;
	call->device->setup_usec = g_get_monotonic_time();
	call->device->setup_hours = hours;
	return PV_SIM_STATUS_SUCCESS;
}

static void
setup_list_hashes(const PvSimDevice *device, GPtrArray *instances)
{
	for (guint i = 0; i < device->roots->len; i++) {
		const PvSimRoot *root = device->roots->pdata[i];
		PvSimInstance *instance = pv_sim_instance_new("AMT_ProvisioningCertificateHash");
		g_autofree char *id =
		    g_strdup_printf("Intel(r) AMT Certificate Hash: Handle: %u", i);
		pv_sim_instance_add(instance, "Description", root->name);
		pv_sim_instance_add(instance, "Enabled", root->active ? "true" : "false");
		guint length = 0, type = 0;
		const guint8 *hash = pv_sim_device_root_hash(device, root, &length, &type);
		pv_sim_instance_add_bytes(instance, "HashData", hash, length);
		pv_sim_instance_add_uint(instance, "HashType", type);
		pv_sim_instance_add(instance, "InstanceID", id);
		pv_sim_instance_add(instance, "IsDefault", root->is_default ? "true" : "false");
		g_ptr_array_add(instances, instance);
	}
}

static void
setup_put_hash(PvSimCall *call, const char *id)
{
	int handle = pv_sim_class_handle("Intel(r) AMT Certificate Hash: Handle: ", id);
	if (handle >= 0 && (guint)handle < call->device->roots->len) {
		PvSimRoot *root = call->device->roots->pdata[handle];
		root->active = pv_sim_instance_get_bool(call->input, "Enabled");
	}
}

/* amt/04 section 8. The nonce lasts until the device is unprovisioned, as its realm does. */
static void
setup_list_host_based(const PvSimDevice *device, GPtrArray *instances)
{
	PvSimInstance *instance = pv_sim_instance_new("IPS_HostBasedSetupService");
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
	guint8 nonce[SETUP_NONCE_BYTES];
	gsize length = sizeof nonce;
	g_checksum_update(sum, (const guchar *)device->digest_realm, -1);
	g_checksum_get_digest(sum, nonce, &length);
	for (const PvSimProperty *row = setup_host_based; row->name != NULL; row++) {
		if (row->fallback != NULL)
			pv_sim_instance_add(instance, row->name, row->fallback);
	}
	pv_sim_instance_add(instance, "AllowedControlModes", "2");
	pv_sim_instance_add(instance, "AllowedControlModes", "1");
	pv_sim_instance_add_bytes(instance, "ConfigurationNonce", nonce, sizeof nonce);
	pv_sim_instance_add_uint(
	    instance, "CurrentControlMode", device->state == PV_SIM_POST ? 2 : 0);
	g_ptr_array_add(instances, instance);
}

/* The simulator has the network's side only; how firmware refuses from there is not established */
static guint32
setup_refuse_remote(PvSimCall *call)
{
	pv_sim_call_refuse(
	    call, PV_SIM_FAULT_ACCESS_DENIED, "host based set-up is for the local interface");
	return PV_SIM_STATUS_NOT_PERMITTED;
}

static const PvSimMethod setup_host_based_methods[] = {
	{ "Setup", setup_host_based_setup, setup_refuse_remote, TRUE },
	{ "AddNextCertInChain", setup_host_based_chain, setup_refuse_remote, TRUE },
	{ "AdminSetup", setup_host_based_admin, setup_refuse_remote, TRUE },
	{ "UpgradeClientToAdmin", setup_host_based_upgrade, setup_refuse_remote, TRUE },
	{ "DisableClientControlMode", NULL, setup_refuse_remote, TRUE },
	{ NULL },
};

static const PvSimMethod setup_methods[] = {
	{ "CommitChanges", NULL, setup_commit, TRUE },
	{ "Unprovision", setup_mode, setup_unprovision, TRUE },
	{ "PartialUnprovision", NULL, setup_partial_unprovision, TRUE },
	{ "ExtendProvisioningPeriod", setup_duration, setup_extend, TRUE },
	{ "SetMEBxPassword", setup_password, setup_set_mebx_password, TRUE },
	{ "SetTLSPSK", setup_psk, setup_set_psk, TRUE, 0, PV_SIM_PSK_UNTIL },
	{ "GetUuid", NULL, setup_get_uuid, FALSE, 600 },
	{ NULL },
};

/* clang-format off */
const PvSimClass pv_sim_classes_setup[] = {
	{ .name = "AMT_SetupAndConfigurationService", .common = TRUE, .properties = setup_service,
	    .methods = setup_methods, .list = setup_list_service, .put = setup_put_service },
	{ .name = "AMT_ProvisioningCertificateHash", .properties = setup_hash, .key = "InstanceID",
	    .list = setup_list_hashes, .put = setup_put_hash },
	{ .name = "IPS_HostBasedSetupService", .common = TRUE, .properties = setup_host_based,
	    .methods = setup_host_based_methods, .list = setup_list_host_based, .since = 700 },
	{ NULL },
};
/* clang-format on */
