/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "profile.h"

#include <string.h>

#define WIRELESS_NAME_MAX 32 /* bytes of ElementName and of an SSID (IEEE 802.11-2016, 9.4.2.2) */
/* characters of PSKPassPhrase (IEEE 802.11-2016, annex J.4.1) */
#define WIRELESS_PASSPHRASE_MIN 8
#define WIRELESS_PASSPHRASE_MAX 63
#define WIRELESS_PRIORITY_MAX 255
/* the entry that stands for the user's own profiles has this AuthenticationMethod: Other */
#define WIRELESS_PSEUDO 1
#define WIRELESS_USER_MARK "User Settings" /* in the InstanceID of a user's profile */

enum { WIRELESS_TKIP = 3, WIRELESS_CCMP = 4, WIRELESS_NONE = 5 }; /* EncryptionMethod */

/* ReturnValue of AMT_WiFiPortConfigurationService's methods; others are PT_STATUS */
enum {
	WIRELESS_STATUS_NOT_SUPPORTED = 1,
	WIRELESS_STATUS_FAILED = 2,
	WIRELESS_STATUS_INVALID_PARAMETER = 3,
	WIRELESS_STATUS_INVALID_REFERENCE = 4,
};

typedef struct {
	const char *name;
	guint authentication; /* AuthenticationMethod */
	gboolean passphrase, eap, tkip; /* what it takes */
} WirelessSecurity;

/* Intel AMT SDK, CIM_WiFiEndpointSettings.AuthenticationMethod. WEP (shared key) is not offered: it protects nothing. */
static const WirelessSecurity wireless_securities[] = {
	{ "open", 2, FALSE, FALSE, FALSE },
	{ "wpa-psk", 4, TRUE, FALSE, TRUE },
	{ "wpa-enterprise", 5, FALSE, TRUE, TRUE },
	{ "wpa2-psk", 6, TRUE, FALSE, TRUE },
	{ "wpa2-enterprise", 7, FALSE, TRUE, TRUE },
	{ "wpa3-sae", 32768, TRUE, FALSE, FALSE },
	{ "wpa3-owe", 32769, FALSE, FALSE, FALSE },
};

const PvParam wireless_profile_params[] = {
	{ "name", PV_PARAM_STRING, NULL, "of the profile in the device; 1 to 32 characters" },
	{ "ssid", PV_PARAM_STRING, "null", "name of the network; absent: the profile's" },
	{ "priority", PV_PARAM_INT, "null",
	    "1 is tried first, no two the same; absent: the place in the list", .minimum = 1,
	    .maximum = WIRELESS_PRIORITY_MAX },
	{ "bss", PV_PARAM_CHOICE, "\"infrastructure\"", "with access points, or without",
	    .choices = "infrastructure|independent" },
	{ "security", PV_PARAM_CHOICE, "\"wpa2-enterprise\"",
	    "how the network is protected; enterprise: by 802.1X",
	    .choices = "wpa2-enterprise|wpa2-psk|wpa3-sae|wpa3-owe|wpa-enterprise|wpa-psk|open" },
	{ "encryption", PV_PARAM_CHOICE, "\"ccmp\"", "ccmp is AES; tkip for old access points only",
	    .choices = "ccmp|tkip" },
	{ "passphrase", PV_PARAM_SECRET, "null", "for psk and sae; 8 to 63 ASCII characters" },
	PV_EAP_PARAMS,
	{ NULL },
};

void
wireless_profile_free(WirelessProfile *profile)
{
	if (profile == NULL)
		return;
	g_free(profile->name);
	g_free(profile->ssid);
	g_free(profile->instance);
	g_free(profile->facts);
	pv_secret_unref(profile->passphrase);
	pv_eap_free(profile->eap);
	g_free(profile);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(WirelessProfile, wireless_profile_free)

WirelessProfile *
wireless_profile_find(GPtrArray *profiles, const char *name)
{
	for (guint i = 0; i < profiles->len; i++) {
		WirelessProfile *profile = g_ptr_array_index(profiles, i);
		if (!profile->of_user && g_str_equal(profile->name, name))
			return profile;
	}
	return NULL;
}

static const WirelessSecurity *
profile_find_security(const char *name)
{
	for (guint i = 0; i < G_N_ELEMENTS(wireless_securities); i++)
		if (g_str_equal(wireless_securities[i].name, name))
			return &wireless_securities[i];
	return NULL;
}

/* What is declared */

static gboolean
profile_refuse(const WirelessProfile *profile, const char *param, const char *what, GError **error)
{
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: wireless profile \"%s\" %s",
	    pv_values_get_where(profile->values, param), profile->name, what);
	return FALSE;
}

static gboolean
profile_is_printable(const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			return FALSE;
	return TRUE;
}

static gboolean
profile_check_names(WirelessProfile *profile, GError **error)
{
	const char *ssid = pv_values_get_string(profile->values, "ssid");
	gsize length = strlen(profile->name);
	if (length < 1 || length > WIRELESS_NAME_MAX || !profile_is_printable(profile->name) ||
	    strstr(profile->name, WIRELESS_USER_MARK) != NULL)
		return profile_refuse(profile, "name",
		    "needs a name of 1 to 32 printable ASCII characters without \"User Settings\"",
		    error);
	profile->ssid = g_strdup(ssid != NULL ? ssid : profile->name);
	length = strlen(profile->ssid);
	return (length >= 1 && length <= WIRELESS_NAME_MAX) ||
	       profile_refuse(profile, "ssid", "needs an SSID of 1 to 32 bytes", error);
}

static gboolean
profile_read_passphrase(WirelessProfile *profile, const WirelessSecurity *security, GError **error)
{
	if (pv_values_has(profile->values, "passphrase") != security->passphrase)
		return profile_refuse(profile, "passphrase",
		    security->passphrase ? "needs a \"passphrase\""
					 : "has no use for a \"passphrase\"",
		    error);
	if (!security->passphrase)
		return TRUE;
	profile->passphrase = pv_values_dup_secret(profile->values, "passphrase", error);
	if (profile->passphrase == NULL)
		return FALSE;
	gsize length = 0;
	const char *text = pv_secret_peek(profile->passphrase, &length);
	return (length >= WIRELESS_PASSPHRASE_MIN && length <= WIRELESS_PASSPHRASE_MAX &&
		   strlen(text) == length && profile_is_printable(text)) ||
	       profile_refuse(profile, "passphrase",
		   "needs a passphrase of 8 to 63 printable ASCII characters", error);
}

static gboolean
profile_read_security(WirelessProfile *profile, PvJob *job, GError **error)
{
	const PvValues *values = profile->values;
	const char *name = pv_values_get_string(values, "security");
	const WirelessSecurity *security = profile_find_security(name);
	gboolean tkip = g_str_equal(pv_values_get_string(values, "encryption"), "tkip");
	profile->security = security->name;
	profile->authentication = security->authentication;
	profile->encryption = tkip ? WIRELESS_TKIP : WIRELESS_CCMP;
	if (g_str_equal(name, "open"))
		profile->encryption = WIRELESS_NONE;
	if (tkip && !security->tkip)
		return profile_refuse(
		    profile, "encryption", "cannot have tkip with its security", error);
	if (!profile_read_passphrase(profile, security, error))
		return FALSE;
	if (!security->eap)
		return !pv_values_has(values, "protocol") ||
		       profile_refuse(profile, "protocol",
			   "has a protocol of 802.1X but no security \"enterprise\"", error);
	profile->eap = pv_eap_new(job, values, profile->facts, PV_EAP_CIM, error);
	return profile->eap != NULL;
}

static WirelessProfile *
profile_declare(PvJob *job, const PvValues *values, guint place, GError **error)
{
	g_autoptr(WirelessProfile) profile = g_new0(WirelessProfile, 1);
	profile->values = values;
	profile->name = g_strdup(pv_values_get_string(values, "name"));
	profile->facts = g_strconcat("wireless.", profile->name, NULL);
	profile->priority = pv_values_has(values, "priority")
				? (guint)pv_values_get_int(values, "priority")
				: place;
	profile->bss = g_str_equal(pv_values_get_string(values, "bss"), "infrastructure") ? 3 : 2;
	if (profile->priority > WIRELESS_PRIORITY_MAX) {
		profile_refuse(profile, "priority", "is beyond the 255 priorities", error);
		return NULL;
	}
	if (!profile_check_names(profile, error) || !profile_read_security(profile, job, error))
		return NULL;
	return g_steal_pointer(&profile);
}

static gboolean
profile_check_unique(GPtrArray *profiles, const WirelessProfile *added, GError **error)
{
	for (guint i = 0; i < profiles->len; i++) {
		const WirelessProfile *other = g_ptr_array_index(profiles, i);
		g_autofree char *twin = g_strdup_printf("has the %s of \"%s\" before it",
		    g_str_equal(other->name, added->name) ? "name" : "priority", other->name);
		if (g_str_equal(other->name, added->name))
			return profile_refuse(added, "name", twin, error);
		if (other->priority == added->priority)
			return profile_refuse(added, "priority", twin, error);
	}
	return TRUE;
}

GPtrArray *
wireless_profile_read_declared(PvJob *job, GError **error)
{
	g_autoptr(GPtrArray) profiles =
	    g_ptr_array_new_with_free_func((GDestroyNotify)wireless_profile_free);
	const PvValues *values = pv_job_get_values(job);
	for (guint i = 0; i < pv_values_get_count(values, "profiles"); i++) {
		g_autoptr(WirelessProfile) profile =
		    profile_declare(job, pv_values_get_object(values, "profiles", i), i + 1, error);
		if (profile == NULL || !profile_check_unique(profiles, profile, error))
			return NULL;
		g_ptr_array_add(profiles, g_steal_pointer(&profile));
	}
	return g_steal_pointer(&profiles);
}

/* What is in the device */

GPtrArray *
wireless_profile_read_present(PvWsman *amt, GError **error)
{
	g_autoptr(GPtrArray) instances = pv_wsman_enumerate(amt, WIRELESS_SETTINGS, error);
	if (instances == NULL)
		return NULL;
	g_autoptr(GPtrArray) profiles =
	    g_ptr_array_new_with_free_func((GDestroyNotify)wireless_profile_free);
	for (guint i = 0; i < instances->len; i++) {
		const PvInstance *instance = g_ptr_array_index(instances, i);
		const char *id = pv_instance_get(instance, "InstanceID");
		const char *name = pv_instance_get(instance, "ElementName");
		gint64 method = pv_instance_get_int(instance, "AuthenticationMethod", 0);
		if (id == NULL || name == NULL || method == WIRELESS_PSEUDO)
			continue;
		WirelessProfile *profile = g_new0(WirelessProfile, 1);
		profile->name = g_strdup(name);
		profile->instance = g_strdup(id);
		profile->ssid = g_strdup(pv_instance_get(instance, "SSID"));
		profile->authentication = (guint)method;
		profile->encryption = (guint)pv_instance_get_int(instance, "EncryptionMethod", 0);
		profile->bss = (guint)pv_instance_get_int(instance, "BSSType", 0);
		profile->priority = (guint)pv_instance_get_int(instance, "Priority", 0);
		profile->of_user = strstr(id, WIRELESS_USER_MARK) != NULL;
		g_ptr_array_add(profiles, profile);
	}
	return g_steal_pointer(&profiles);
}

const PvInstance *
wireless_profile_find_eap(GPtrArray *instances, const char *name)
{
	for (guint i = 0; i < instances->len; i++) {
		const PvInstance *instance = g_ptr_array_index(instances, i);
		/* an enumeration may bring the wired settings, whose class derives from it */
		if (g_str_equal(pv_instance_get_class(instance), WIRELESS_EAP) &&
		    g_strcmp0(pv_instance_get(instance, "ElementName"), name) == 0)
			return instance;
	}
	return NULL;
}

static const char *
profile_get_security_name(guint authentication)
{
	for (guint i = 0; i < G_N_ELEMENTS(wireless_securities); i++)
		if (wireless_securities[i].authentication == authentication)
			return wireless_securities[i].name;
	return authentication == 3 ? "wep" : "unknown security";
}

char *
wireless_profile_dup_summary(const WirelessProfile *profile)
{
	g_autofree char *ssid = g_strescape(profile->ssid == NULL ? "" : profile->ssid, NULL);
	return g_strdup_printf("%s, %s", ssid, profile_get_security_name(profile->authentication));
}

char *
wireless_profile_dup_object(const WirelessProfile *profile)
{
	return g_strconcat("wireless profile ", profile->name, NULL);
}

/* The difference */

gboolean
wireless_profile_is_same_kind(
    const WirelessProfile *declared, const WirelessProfile *present, GPtrArray *eap_instances)
{
	const WirelessSecurity *security =
	    profile_find_security(profile_get_security_name(present->authentication));
	gboolean eap = security != NULL && security->eap;
	return eap == (declared->eap != NULL) &&
	       (!eap || wireless_profile_find_eap(eap_instances, declared->name) != NULL);
}

static char *
profile_dup_secret_name(const WirelessProfile *profile)
{
	return g_strconcat(profile->facts, "-sent", NULL);
}

/* The passphrase cannot be read back, so what was sent is kept, sealed, and compared. */
static gboolean
profile_plan_passphrase(
    const WirelessProfile *declared, PvJob *job, PvPlan *plan, const char *object, GError **error)
{
	if (declared->passphrase == NULL)
		return TRUE;
	g_autofree char *name = profile_dup_secret_name(declared);
	gboolean same = !pv_job_has_secret(job, name, PV_SECRET_PENDING) &&
			pv_job_has_secret(job, name, PV_SECRET_CURRENT);
	if (same) {
		g_autoptr(PvSecret) sent = pv_job_dup_secret(job, name, PV_SECRET_CURRENT, error);
		if (sent == NULL)
			return FALSE;
		same = pv_secret_equal(sent, declared->passphrase);
	}
	if (!same)
		pv_plan_add(plan, object, "PSKPassPhrase", "", "(secret)");
	return TRUE;
}

static void
profile_plan_number(
    PvPlan *plan, const char *object, const char *property, guint present, guint wanted)
{
	if (present == wanted)
		return;
	g_autofree char *from = g_strdup_printf("%u", present);
	g_autofree char *to = g_strdup_printf("%u", wanted);
	pv_plan_add(plan, object, property, from, to);
}

gboolean
wireless_profile_plan(const WirelessProfile *declared, const WirelessProfile *present, PvJob *job,
    PvPlan *plan, GPtrArray *eap_instances, GError **error)
{
	g_autofree char *object = wireless_profile_dup_object(declared);
	gboolean whole =
	    present == NULL || !wireless_profile_is_same_kind(declared, present, eap_instances);
	if (whole) {
		g_autofree char *from =
		    present == NULL ? NULL : wireless_profile_dup_summary(present);
		g_autofree char *to = wireless_profile_dup_summary(declared);
		pv_plan_add(plan, object, "", from, to);
	} else {
		if (g_strcmp0(present->ssid, declared->ssid) != 0)
			pv_plan_add(plan, object, "SSID", present->ssid, declared->ssid);
		profile_plan_number(plan, object, "AuthenticationMethod", present->authentication,
		    declared->authentication);
		profile_plan_number(
		    plan, object, "EncryptionMethod", present->encryption, declared->encryption);
		profile_plan_number(
		    plan, object, "Priority", present->priority, declared->priority);
		profile_plan_number(plan, object, "BSSType", present->bss, declared->bss);
	}
	if (!profile_plan_passphrase(declared, job, plan, object, error))
		return FALSE;
	if (declared->eap == NULL) {
		pv_eap_forget(job, declared->facts);
		return TRUE;
	}
	return pv_eap_plan(declared->eap, job, plan, object,
	    whole ? NULL : wireless_profile_find_eap(eap_instances, declared->name),
	    "CIM_CredentialContext", error);
}

/* The changes */

/* In the order of the MOF, as the firmware's own example has it. */
static PvInstance *
profile_new_settings(const WirelessProfile *declared, const char *id, guint priority)
{
	PvInstance *settings = pv_instance_new(WIRELESS_SETTINGS);
	pv_instance_add(settings, "ElementName", declared->name);
	pv_instance_add(settings, "InstanceID", id);
	pv_instance_add_int(settings, "AuthenticationMethod", declared->authentication);
	pv_instance_add_int(settings, "EncryptionMethod", declared->encryption);
	pv_instance_add(settings, "SSID", declared->ssid);
	pv_instance_add_int(settings, "Priority", priority);
	if (declared->passphrase != NULL)
		pv_instance_add(
		    settings, "PSKPassPhrase", pv_secret_peek(declared->passphrase, NULL));
	pv_instance_add_int(settings, "BSSType", declared->bss);
	return settings;
}

static PvInstance *
profile_new_input(const WirelessProfile *declared, const WirelessProfile *present, guint priority)
{
	g_autofree char *id =
	    g_strconcat("Intel(r) AMT:WiFi Endpoint Settings ", declared->name, NULL);
	g_autoptr(PvInstance) settings =
	    profile_new_settings(declared, present != NULL ? present->instance : id, priority);
	g_autoptr(PvEpr) target =
	    present != NULL
		? pv_epr_new(WIRELESS_SETTINGS, PV_SELECT("InstanceID", present->instance))
		: pv_epr_new("CIM_WiFiEndpoint", PV_SELECT("Name", "WiFi Endpoint 0"));
	PvInstance *input = pv_instance_new("WiFiSettings_INPUT");
	pv_instance_add_epr(
	    input, present != NULL ? "WiFiEndpointSettings" : "WiFiEndpoint", target);
	pv_instance_add_embedded(input, "WiFiEndpointSettingsInput", settings);
	if (declared->eap == NULL)
		return input;
	g_autoptr(PvInstance) eap = pv_instance_new(WIRELESS_EAP);
	pv_instance_add(eap, "ElementName", declared->name);
	pv_instance_add(eap, "InstanceID", declared->name);
	pv_eap_fill(declared->eap, eap);
	pv_instance_add_embedded(input, "IEEE8021xSettingsInput", eap);
	/* an empty reference would be refused: invalid reference */
	if (pv_eap_get_client(declared->eap) != NULL)
		pv_instance_add_epr(input, "ClientCredential", pv_eap_get_client(declared->eap));
	if (pv_eap_get_root(declared->eap) != NULL)
		pv_instance_add_epr(input, "CACredential", pv_eap_get_root(declared->eap));
	return input;
}

static gboolean
profile_judge(const char *method, guint32 status, GError **error)
{
	switch (status) {
	case PV_PT_STATUS_SUCCESS:
		return TRUE;
	case WIRELESS_STATUS_NOT_SUPPORTED:
	case WIRELESS_STATUS_FAILED:
	case WIRELESS_STATUS_INVALID_PARAMETER:
	case WIRELESS_STATUS_INVALID_REFERENCE: {
		static const char *const texts[] = { "", "not supported", "failed",
			"invalid parameter", "invalid reference" };
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED, WIRELESS_SERVICE ".%s: %s (%u)",
		    method, texts[status], status);
		return FALSE;
	}
	default:
		pv_pt_status_error(error, WIRELESS_SERVICE, method, status);
		if (status == PV_PT_STATUS_MAX_LIMIT_REACHED)
			g_prefix_error(error,
			    "the device holds no more wireless profiles, declare fewer or have "
			    "foreign ones removed: ");
		return FALSE;
	}
}

static gboolean
profile_send(const WirelessProfile *declared, const WirelessProfile *present, guint priority,
    PvWsman *amt, GError **error)
{
	const char *method = present != NULL ? "UpdateWiFiSettings" : "AddWiFiSettings";
	guint32 status = 0;
	g_autoptr(PvInstance) input = profile_new_input(declared, present, priority);
	g_autoptr(PvInstance) output =
	    pv_wsman_invoke(amt, WIRELESS_SERVICE, NULL, method, input, &status, error);
	return output != NULL && profile_judge(method, status, error);
}

gboolean
wireless_profile_write(const WirelessProfile *declared, const WirelessProfile *present,
    guint priority, PvJob *job, PvWsman *amt, GError **error)
{
	g_autofree char *secret = profile_dup_secret_name(declared);
	g_autoptr(GError) refusal = NULL;
	if (declared->eap != NULL && !pv_eap_prepare(declared->eap, job, error))
		return FALSE;
	if (declared->passphrase != NULL &&
	    !pv_job_propose_secret(job, secret, declared->passphrase, error))
		return FALSE;
	guint wanted = priority != 0 ? priority : declared->priority;
	if (!profile_send(declared, present, wanted, amt, &refusal)) {
		if (declared->eap == NULL ||
		    !pv_eap_try_other_numbers(declared->eap, job, refusal)) {
			g_propagate_prefixed_error(error, g_steal_pointer(&refusal),
			    "write wireless profile %s: ", declared->name);
			return FALSE;
		}
		if (!profile_send(declared, present, wanted, amt, error)) {
			g_prefix_error(error, "write wireless profile %s: ", declared->name);
			return FALSE;
		}
	}
	if (declared->eap != NULL && !pv_eap_confirm(declared->eap, job, error))
		return FALSE;
	return declared->passphrase == NULL || pv_job_confirm_secret(job, secret, error);
}
