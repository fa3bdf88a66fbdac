/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first SOAP requests: makes the device ask for a login if it wants one, and learns who it
 * is before any stage writes to it. Finding the right credential is the session's work. */
#include <provost/plugin.h>

#include <string.h>

enum { DIGEST_SOAP_UUID_BYTES = 16 };

static gboolean
digest_soap_check_realm(PvJob *job, PvWsman *amt, GError **error)
{
	g_autoptr(PvInstance) settings = pv_wsman_get(amt, "AMT_GeneralSettings", NULL, error);
	if (settings == NULL)
		return FALSE;

	const char *realm = pv_instance_get(settings, "DigestRealm");
	/* NULL: in set-up AMT may ask for no login */
	const char *challenge = pv_wsman_get_realm(amt);
	if (realm == NULL || *realm == '\0') {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read digest realm: AMT_GeneralSettings has no DigestRealm");
		return FALSE;
	}
	if (challenge != NULL && strcmp(realm, challenge) != 0) {
		/* passwords are hashed with it: with the wrong one nobody could log in
		 * afterwards */
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "read digest realm: the device's settings say \"%s\" but its login challenge "
		    "said \"%s\"; something between provost and the device answers for it",
		    realm, challenge);
		return FALSE;
	}
	pv_job_set_fact(job, "amt.realm", realm);
	pv_job_set_fact(job, "login.user", pv_wsman_get_user(amt));
	return TRUE;
}

static gboolean
digest_soap_read_version(PvJob *job, PvWsman *amt, GError **error)
{
	g_autoptr(GPtrArray) items = pv_wsman_enumerate(amt, "CIM_SoftwareIdentity", error);
	if (items == NULL)
		return FALSE;
	for (guint i = 0; i < items->len; i++) {
		const PvInstance *item = items->pdata[i];
		const char *version = pv_instance_get(item, "VersionString");
		if (g_strcmp0(pv_instance_get(item, "InstanceID"), "AMT") == 0 && version != NULL) {
			pv_job_set_fact(job, "amt.version", version);
			return TRUE;
		}
	}
	g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
	    "read firmware version: CIM_SoftwareIdentity has no item \"AMT\"");
	return FALSE;
}

/* SMBIOS order: the first three fields are little-endian. */
static char *
digest_soap_format_uuid(const guint8 *b)
{
	return g_strdup_printf(
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[3], b[2],
	    b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
	    b[15]);
}

static char *
digest_soap_parse_guid(const char *text, GError **error)
{
	guint8 bytes[DIGEST_SOAP_UUID_BYTES];
	if (text == NULL || strlen(text) != 2 * sizeof bytes ||
	    strspn(text, "0123456789abcdefABCDEF") != 2 * sizeof bytes) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read UUID: CIM_ComputerSystemPackage.PlatformGUID is not 32 hex digits");
		return NULL;
	}
	for (gsize i = 0; i < sizeof bytes; i++)
		bytes[i] = (guint8)(g_ascii_xdigit_value(text[2 * i]) << 4 |
				    g_ascii_xdigit_value(text[2 * i + 1]));
	return digest_soap_format_uuid(bytes);
}

static char *
digest_soap_read_uuid(PvWsman *amt, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(PvInstance) output = pv_wsman_invoke(
	    amt, "AMT_SetupAndConfigurationService", NULL, "GetUuid", NULL, NULL, &local);
	if (output == NULL && !g_error_matches(local, PV_ERROR, PV_ERROR_UNSUPPORTED)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	if (output == NULL) { /* firmware older than the method */
		g_autoptr(PvInstance) package =
		    pv_wsman_get(amt, "CIM_ComputerSystemPackage", NULL, error);
		return package == NULL ? NULL
				       : digest_soap_parse_guid(
					     pv_instance_get(package, "PlatformGUID"), error);
	}

	g_autoptr(GBytes) uuid = pv_instance_dup_bytes(output, "UUID", error);
	if (uuid == NULL)
		return NULL;
	if (g_bytes_get_size(uuid) != DIGEST_SOAP_UUID_BYTES) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read UUID: GetUuid gave %" G_GSIZE_FORMAT " bytes, not 16",
		    g_bytes_get_size(uuid));
		return NULL;
	}
	return digest_soap_format_uuid(g_bytes_get_data(uuid, NULL));
}

static gboolean
digest_soap_check_uuid(PvJob *job, PvWsman *amt, GError **error)
{
	g_autofree char *uuid = digest_soap_read_uuid(amt, error);
	if (uuid == NULL)
		return FALSE;

	const PvDevice *device = pv_job_get_device(job);
	if (g_ascii_strcasecmp(uuid, pv_device_get_uuid(device)) == 0)
		return TRUE;
	const char *address = pv_device_get_address(device);
	if (address == NULL)
		address = pv_device_get_fqdn(device);
	/* a store that cannot take the entry makes the device no better: the refusal stands */
	(void)pv_job_record_security_event(job, "wrong-device", "device at %s is %s, expected %s",
	    address, uuid, pv_device_get_uuid(device));
	g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
	    "device at %s is %s, expected %s: correct its address or its UUID in the inventory",
	    address, uuid, pv_device_get_uuid(device));
	return FALSE;
}

static gboolean
digest_soap_look_for_wireless(PvJob *job, PvWsman *amt, GError **error)
{
	g_autoptr(GPtrArray) ports = pv_wsman_enumerate(amt, "AMT_EthernetPortSettings", error);
	if (ports == NULL)
		return FALSE;
	/* instance 0 is wired; instance 1 exists only where there is a wireless adapter */
	gboolean wireless = FALSE;
	for (guint i = 0; i < ports->len; i++) {
		const char *id = pv_instance_get(ports->pdata[i], "InstanceID");
		wireless =
		    wireless || (id != NULL && g_str_has_suffix(id, "Ethernet Port Settings 1"));
	}
	pv_job_set_fact(job, "wireless", wireless ? "true" : NULL);
	return TRUE;
}

static gboolean
digest_soap_plan(PvJob *job, PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	return amt != NULL && digest_soap_check_realm(job, amt, error) &&
	       digest_soap_check_uuid(job, amt, error) &&
	       digest_soap_read_version(job, amt, error) &&
	       digest_soap_look_for_wireless(job, amt, error);
}

static gboolean
digest_soap_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	return TRUE; /* never called: the plan is always empty */
}

static const PvStage digest_soap_stages[] = {
	{
		.type = "digest-soap",
		.summary = "logs in and checks that the device is the expected one",
		.needs = (const char *const[]){ "tls.fingerprint", NULL },
		.provides = (const char *const[]){ "amt.realm", "amt.version", NULL },
		.plan = digest_soap_plan,
		.apply = digest_soap_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "digest-soap", PV_VERSION, "the first login over SOAP", .stages = digest_soap_stages);
