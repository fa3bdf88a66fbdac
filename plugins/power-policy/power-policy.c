/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chooses in which power states of the computer AMT is on. A device offers a few packages of its
 * own; the same choice is therefore made by what a package means, not by its number. */
#include <provost/plugin.h>

#include <string.h>

#define POWER_POLICY_CLASS "AMT_SystemPowerScheme"

enum { POWER_POLICY_GUID_BYTES = 16 };

typedef struct {
	const char *name;
	guint8 guid[POWER_POLICY_GUID_BYTES]; /* in the order of SchemeGUID */
} PowerPolicyScheme;

/* Intel's power packages. Descriptions in devices differ between releases, the GUIDs do not. */
// clang-format off
static const PowerPolicyScheme power_policy_schemes[] = {
	{ "Mobile: ON in S0",
		{ 0x76, 0x39, 0x97, 0x11, 0x0b, 0x56, 0x50, 0x43,
		  0x88, 0x70, 0x98, 0x12, 0xf3, 0x91, 0xb5, 0x60 } },
	{ "Mobile: ON in S0, S3/AC",
		{ 0x26, 0xd3, 0x1c, 0x76, 0x87, 0x08, 0xc7, 0x4b,
		  0xbb, 0x5f, 0x38, 0x74, 0x43, 0x15, 0xa5, 0xff } },
	{ "Mobile: ON in S0, S3/AC, S4-5/AC",
		{ 0x53, 0x0e, 0x08, 0xdb, 0x6c, 0x0f, 0xd9, 0x48,
		  0xb2, 0xd2, 0x89, 0x58, 0xd3, 0xf1, 0x15, 0x6e } },
	{ "Mobile: ON in S0, ME Wake in S3/AC",
		{ 0x05, 0x5d, 0xd5, 0xb6, 0x4c, 0xa4, 0x87, 0x4d,
		  0xa5, 0xa8, 0xb4, 0x7c, 0x14, 0xde, 0xda, 0x5f } },
	{ "Mobile: ON in S0, ME Wake in S3/AC, S4-5/AC",
		{ 0x30, 0x80, 0x0d, 0xee, 0x09, 0xc0, 0x78, 0x43,
		  0xaf, 0x28, 0x78, 0x68, 0xa2, 0xdb, 0xbe, 0x3a } },
	{ "Desktop: ON in S0",
		{ 0x94, 0x4f, 0x83, 0x12, 0xfb, 0x10, 0x4f, 0xdc,
		  0x96, 0x8e, 0x1e, 0x23, 0x2b, 0x0c, 0x90, 0x65 } },
	{ "Desktop: ON in S0, S3",
		{ 0xa1, 0x86, 0x00, 0xab, 0x9a, 0x7f, 0x4c, 0x42,
		  0xa6, 0xe6, 0xbb, 0x24, 0x3a, 0x29, 0x5d, 0x9e } },
	{ "Desktop: ON in S0, S3, S4-5",
		{ 0x72, 0x86, 0xab, 0xac, 0x96, 0xb4, 0x48, 0xe2,
		  0x9b, 0x9e, 0x9b, 0x7d, 0xf9, 0x1c, 0x7f, 0xd4 } },
	{ "Desktop: ON in S0, ME Wake in S3",
		{ 0x7b, 0x32, 0xcd, 0x4d, 0x6b, 0xbe, 0x43, 0x89,
		  0xa6, 0x2a, 0x4d, 0x7b, 0xd8, 0xdb, 0xd0, 0x26 } },
	{ "Desktop: ON in S0, ME Wake in S3, S4-5",
		{ 0x73, 0x22, 0x73, 0x46, 0x23, 0xdc, 0x43, 0x2f,
		  0xa9, 0x8a, 0x13, 0xd3, 0x79, 0x82, 0xd8, 0x55 } },
	{ "Desktop: ON in S0, S3, S4-5, OFF After Power Loss",
		{ 0xc5, 0x19, 0xa4, 0xba, 0x6e, 0x6f, 0x8d, 0x4d,
		  0xb2, 0x27, 0x51, 0x7f, 0x7e, 0x45, 0x95, 0xdb } },
	{ "Desktop: ON in S0, ME Wake in S3, S4-5, OFF After Power Loss",
		{ 0xd6, 0x0b, 0xe3, 0xed, 0x04, 0xc5, 0x2c, 0x46,
		  0xb7, 0x72, 0xd1, 0x80, 0x18, 0xee, 0x2f, 0xc4 } },
};
// clang-format on

/* A package of the device. */
typedef struct {
	char *id; /* InstanceID; owned */
	char *description; /* the device's; owned */
	const char *name; /* the table's, or the device's where that knows none; lent by either */
	guint8 guid[POWER_POLICY_GUID_BYTES];
} PowerPolicyPackage;

static void
power_policy_package_free(gpointer data)
{
	PowerPolicyPackage *package = data;
	g_free(package->id);
	g_free(package->description);
	g_free(package);
}

static PowerPolicyPackage *
power_policy_parse(const PvInstance *instance, GError **error)
{
	const char *id = pv_instance_get(instance, "InstanceID");
	const char *description = pv_instance_get(instance, "Description");
	g_autoptr(GBytes) guid = pv_instance_dup_bytes(instance, "SchemeGUID", error);
	if (guid == NULL)
		return NULL;
	if (id == NULL || g_bytes_get_size(guid) != POWER_POLICY_GUID_BYTES) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read power packages: one has no InstanceID or no GUID of 16 bytes");
		return NULL;
	}
	PowerPolicyPackage *package = g_new0(PowerPolicyPackage, 1);
	package->id = g_strdup(id);
	package->description = g_strdup(description != NULL ? description : id);
	package->name = package->description;
	memcpy(package->guid, g_bytes_get_data(guid, NULL), POWER_POLICY_GUID_BYTES);
	for (gsize i = 0; i < G_N_ELEMENTS(power_policy_schemes); i++)
		if (memcmp(power_policy_schemes[i].guid, package->guid, POWER_POLICY_GUID_BYTES) ==
		    0)
			package->name = power_policy_schemes[i].name;
	return package;
}

static GPtrArray *
power_policy_read(PvWsman *amt, GError **error)
{
	g_autoptr(GPtrArray) instances = pv_wsman_enumerate(amt, POWER_POLICY_CLASS, error);
	if (instances == NULL)
		return NULL;
	g_autoptr(GPtrArray) packages = g_ptr_array_new_with_free_func(power_policy_package_free);
	for (guint i = 0; i < instances->len; i++) {
		PowerPolicyPackage *package = power_policy_parse(instances->pdata[i], error);
		if (package == NULL)
			return NULL;
		g_ptr_array_add(packages, package);
	}
	return g_steal_pointer(&packages);
}

/* The active package: the one that a current CIM_ElementSettingData points to. NULL without
 * error: none is. */
static gboolean
power_policy_find_active(
    PvWsman *amt, GPtrArray *packages, const PowerPolicyPackage **active, GError **error)
{
	g_autoptr(GPtrArray) links = pv_wsman_enumerate(amt, "CIM_ElementSettingData", error);
	if (links == NULL)
		return FALSE;
	for (guint i = 0; i < links->len; i++) {
		const PvEpr *setting = pv_instance_get_epr(links->pdata[i], "SettingData");
		if (setting == NULL ||
		    g_strcmp0(pv_epr_get_class(setting), POWER_POLICY_CLASS) != 0 ||
		    pv_instance_get_int(links->pdata[i], "IsCurrent", 0) != 1)
			continue;
		for (guint j = 0; j < packages->len; j++) {
			const PowerPolicyPackage *package = packages->pdata[j];
			if (g_strcmp0(pv_epr_get_selector(setting, "InstanceID"), package->id) == 0)
				*active = package;
		}
	}
	return TRUE;
}

/* More is more: each further power state counts, then being on in it rather than waking in it
 * ("ME Wake"), then coming back by itself after a power loss. */
static int
power_policy_score(const PowerPolicyPackage *package)
{
	int score = strstr(package->name, "S3") != NULL ? 4 : 0;
	score += strstr(package->name, "S4") != NULL ? 8 : 0;
	score += strstr(package->name, "ME Wake") != NULL ? 0 : 2;
	score += strstr(package->name, "OFF After Power Loss") != NULL ? 0 : 1;
	return score;
}

/* As it is printed: the first three fields of a GUID stand for little-endian numbers, but lists
 * of these packages also print the plain bytes, so both are understood. */
static gboolean
power_policy_has_guid(const PowerPolicyPackage *package, const char *text)
{
	static const guint8 mixed[] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	g_autoptr(GString) plain = g_string_new(NULL);
	g_autoptr(GString) swapped = g_string_new(NULL);
	for (guint i = 0; i < POWER_POLICY_GUID_BYTES; i++) {
		const char *dash = i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
		g_string_append_printf(plain, "%s%02x", dash, package->guid[i]);
		g_string_append_printf(swapped, "%s%02x", dash, package->guid[mixed[i]]);
	}
	return g_ascii_strcasecmp(plain->str, text) == 0 ||
	       g_ascii_strcasecmp(swapped->str, text) == 0;
}

static gboolean
power_policy_fits(const PowerPolicyPackage *package, const char *scheme)
{
	if (strcmp(scheme, "s0") == 0)
		return strstr(package->name, "S3") == NULL && strstr(package->name, "S4") == NULL;
	return strcmp(scheme, "always-on") == 0 || strcmp(scheme, package->name) == 0 ||
	       strcmp(scheme, package->description) == 0 || power_policy_has_guid(package, scheme);
}

static const PowerPolicyPackage *
power_policy_choose(PvJob *job, GPtrArray *packages, GError **error)
{
	const char *scheme = pv_job_get_string(job, "scheme");
	const PowerPolicyPackage *best = NULL;
	g_autoptr(GString) names = g_string_new(NULL);
	for (guint i = 0; i < packages->len; i++) {
		const PowerPolicyPackage *package = packages->pdata[i];
		g_string_append_printf(names, "%s\"%s\"", i > 0 ? ", " : "", package->description);
		if (power_policy_fits(package, scheme) &&
		    (best == NULL || power_policy_score(package) > power_policy_score(best)))
			best = package;
	}
	if (best == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
		    "find power package \"%s\": the device has %s (%s)", scheme,
		    packages->len > 0 ? names->str : "none",
		    pv_values_get_where(pv_job_get_values(job), "scheme"));
	return best;
}

static gboolean
power_policy_plan(PvJob *job, PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_autoptr(GPtrArray) packages = power_policy_read(amt, error);
	if (packages == NULL)
		return FALSE;
	const PowerPolicyPackage *active = NULL;
	const PowerPolicyPackage *wanted = power_policy_choose(job, packages, error);
	if (wanted == NULL || !power_policy_find_active(amt, packages, &active, error))
		return FALSE;

	if (active != wanted)
		pv_plan_add(plan, "power policy", "package",
		    active != NULL ? active->description : "", wanted->description);
	return TRUE;
}

static gboolean
power_policy_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_autoptr(GPtrArray) packages = power_policy_read(amt, error);
	const PowerPolicyPackage *wanted =
	    packages != NULL ? power_policy_choose(job, packages, error) : NULL;
	if (wanted == NULL)
		return FALSE;
	g_autoptr(PvInstance) output = pv_wsman_invoke(amt, POWER_POLICY_CLASS,
	    PV_SELECT("InstanceID", wanted->id), "SetPowerScheme", NULL, NULL, error);
	return output != NULL;
}

static const PvParam power_policy_params[] = {
	{ "scheme", PV_PARAM_STRING, "\"always-on\"",
	    "\"always-on\": in as many power states as the device can; \"s0\": only while the "
	    "computer runs; or a package by GUID or description" },
	{ NULL },
};

static const PvStage power_policy_stages[] = {
	{
		.type = "power-policy",
		.summary = "chooses the power states in which AMT is on",
		.params = power_policy_params,
		.needs = (const char *const[]){ "tls.fingerprint", NULL },
		.plan = power_policy_plan,
		.apply = power_policy_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("power-policy", PV_VERSION, "the power policy", .stages = power_policy_stages);
