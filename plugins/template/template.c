/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sets how long the management engine stays awake without traffic before it sleeps. */
#include <provost/plugin.h>

/* Reads only, and adds the changes that are needed: none when the device is right already. */
static gboolean
template_plan(PvJob *job, PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_autoptr(PvInstance) settings = pv_wsman_get(amt, "AMT_GeneralSettings", NULL, error);
	if (settings == NULL)
		return FALSE;

	g_autofree char *minutes =
	    g_strdup_printf("%" G_GINT64_FORMAT, pv_job_get_int(job, "minutes"));
	pv_plan_property(plan, settings, "IdleWakeTimeout", minutes);
	return TRUE;
}

/* Makes exactly these changes. Afterwards the engine plans again, and the plan must be empty. */
static gboolean
template_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	return pv_plan_put(plan, job, error);
}

static const PvParam template_params[] = {
	{ "minutes", PV_PARAM_INT, "65535", "time without traffic after which it sleeps",
	    .unit = "min", .minimum = 1, .maximum = 65535 },
	{ NULL },
};

static const PvStage template_stages[] = {
	{
		.type = "template",
		.summary = "sets the idle time-out of the management engine",
		.params = template_params,
		.needs = (const char *const[]){ "tls.fingerprint", NULL },
		.plan = template_plan,
		.apply = template_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("template", PV_VERSION, "an example to begin with", .stages = template_stages);
