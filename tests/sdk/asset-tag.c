/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stage as a third party would write it: it includes the installed headers and nothing else of the tree.
 *
 * The site finds its computers under a name made of the asset number, such as a4711.assets.example.com. The stage
 * writes that name where AMT keeps the host system's own (AMT_GeneralSettings.HostOSFQDN), and keeps the number as
 * a fact, for conditions of later stages and for "provost show". */
#include <provost/provost.h>

#include <string.h>

/* what a DNS label may hold (RFC 1123, section 2.1) */
static gboolean
asset_tag_check(const char *tag, GError **error)
{
	gsize length = strlen(tag);
	if (length >= 1 && length <= 63 &&
	    strspn(tag, "abcdefghijklmnopqrstuvwxyz0123456789-") == length && tag[0] != '-')
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "check asset tag \"%s\": 1 to 63 small letters, digits and dashes are needed", tag);
	return FALSE;
}

/* reads only; an empty plan means that the device is right already */
static gboolean
asset_tag_plan(PvJob *job, PvPlan *plan, GError **error)
{
	g_autofree char *tag = g_ascii_strdown(pv_device_get_name(pv_job_get_device(job)), -1);
	if (!asset_tag_check(tag, error))
		return FALSE;

	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_autoptr(PvInstance) settings = pv_wsman_get(amt, "AMT_GeneralSettings", NULL, error);
	if (settings == NULL)
		return FALSE;

	g_autofree char *name = g_strdup_printf("%s.%s", tag, pv_job_get_string(job, "domain"));
	pv_plan_property(plan, settings, "HostOSFQDN", name);
	pv_job_set_fact(job, "asset.tag", tag);
	return TRUE;
}

/* makes what was planned; the engine plans again afterwards, and the plan must then be empty */
static gboolean
asset_tag_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	return pv_plan_put(plan, job, error);
}

static const PvParam asset_tag_params[] = {
	{ "domain", PV_PARAM_STRING, NULL, "DNS domain of the names that are made of asset tags" },
	{ NULL },
};

static const PvStage asset_tag_stages[] = {
	{
		.type = "asset-tag",
		.summary = "writes a name made of the asset tag into the firmware",
		.params = asset_tag_params,
		.provides = (const char *const[]){ "asset.tag", NULL },
		.plan = asset_tag_plan,
		.apply = asset_tag_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("asset-tag", "1.0", "names by asset tag", .stages = asset_tag_stages);
