/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes what was written take effect and takes the device from set-up to operational. The device
 * restarts its network stack, often before it has answered: what counts is the state it is found
 * in afterwards, over a connection that shows the certificate of the site's CA. */
#include <provost/plugin.h>

#define COMMIT_CLASS "AMT_SetupAndConfigurationService"
#define COMMIT_FACT "commit.sent" /* "answered" or "lost"; absent: nothing under way */
#define COMMIT_RETRY_SEC 2
#define COMMIT_MEBX_VERSION 19 /* of AMT: from here on CommitChanges wants a MEBx password */
#define COMMIT_OLDEST_CLOCK 1577836800 /* 2020-01-01: a device that says less has never been set */

enum { COMMIT_STATE_SETUP = 1, COMMIT_STATE_OPERATIONAL = 2 }; /* ProvisioningState */

/* State of the device; parks the job while it restarts. */
static PvInstance *
commit_read_service(PvJob *job, GError **error)
{
	g_autoptr(GError) local = NULL;
	PvWsman *amt = pv_job_get_wsman(job, &local);
	PvInstance *service = amt != NULL ? pv_wsman_get(amt, COMMIT_CLASS, NULL, &local) : NULL;
	if (service != NULL)
		return service;
	if (pv_job_get_fact(job, COMMIT_FACT) == NULL ||
	    !g_error_matches(local, PV_ERROR, PV_ERROR_UNREACHABLE)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	(void)pv_job_wait(
	    job, COMMIT_RETRY_SEC, error, "waiting for the device to restart: %s", local->message);
	return NULL; /* pv_job_wait() has set the error */
}

static gboolean
commit_finish(PvJob *job, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	if (!pv_wsman_is_verified(amt)) {
		if (pv_job_get_fact(job, COMMIT_FACT) != NULL)
			return pv_job_wait(job, COMMIT_RETRY_SEC, error,
			    "waiting for the device to show its new certificate");
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "verify device: it is operational, but its certificate %.16s… is not one of "
		    "the site's CA for its name; unprovision it, or give it a certificate (stage "
		    "web-certificate)",
		    pv_wsman_get_fingerprint(amt));
		return FALSE;
	}
	pv_job_set_fact(job, "amt.state", "operational");
	pv_job_set_fact(job, "commit.needed", NULL);
	pv_job_set_fact(job, COMMIT_FACT, NULL);
	return TRUE;
}

static gboolean
commit_plan(PvJob *job, PvPlan *plan, GError **error)
{
	g_autoptr(PvInstance) service = commit_read_service(job, error);
	if (service == NULL)
		return FALSE;

	gboolean answered = g_strcmp0(pv_job_get_fact(job, COMMIT_FACT), "answered") == 0;
	gboolean managed = g_strcmp0(pv_job_get_fact(job, "amt.state"), "operational") == 0;
	if (pv_instance_get_int(service, "ProvisioningState", -1) != COMMIT_STATE_OPERATIONAL) {
		if (!answered) {
			pv_plan_add(plan, "device", "state", "setup", "operational");
			return TRUE;
		}
		pv_job_set_fact(job, COMMIT_FACT, NULL); /* the next run may try again */
		g_set_error_literal(error, PV_ERROR, PV_ERROR_REJECTED,
		    "CommitChanges: the device took it, but is still in set-up after its restart");
		return FALSE;
	}
	/* Its state shows that a device in set-up was committed, though the reply was lost or
	 * the process killed. One that had been operational before does not show whether the
	 * request reached it. */
	if (pv_job_get_fact(job, "commit.needed") != NULL && !answered && managed) {
		pv_plan_add(plan, "device", "pending changes", "", "in effect");
		return TRUE;
	}
	return commit_finish(job, error);
}

static void
commit_append_missing(GString *text, const char *what)
{
	g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", what);
}

/* What firmware wants to have before it commits
 * (AMT_SetupAndConfigurationService.CommitChanges). Only reads; what cannot be read is left out,
 * for this is the explanation of an error that is reported in any case. */
static char *
commit_find_missing(PvJob *job, PvWsman *amt)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(PvInstance) general = pv_wsman_get(amt, "AMT_GeneralSettings", NULL, NULL);
	const char *host = general != NULL ? pv_instance_get(general, "HostName") : NULL;
	if (general != NULL && (host == NULL || *host == '\0'))
		commit_append_missing(text, "a host name (stage network-identity)");

	g_autoptr(GPtrArray) settings = pv_wsman_enumerate(amt, "AMT_TLSSettingData", NULL);
	g_autoptr(GPtrArray) contexts = pv_wsman_enumerate(amt, "AMT_TLSCredentialContext", NULL);
	gboolean tls = FALSE;
	for (guint i = 0; settings != NULL && i < settings->len; i++)
		tls = tls || pv_instance_get_bool(settings->pdata[i], "Enabled");
	if (tls && contexts != NULL && contexts->len == 0)
		commit_append_missing(
		    text, "a certificate for TLS, which is on (stage web-certificate)");

	g_autoptr(PvInstance) clock = pv_wsman_invoke(amt, "AMT_TimeSynchronizationService", NULL,
	    "GetLowAccuracyTimeSynch", NULL, NULL, NULL);
	if (clock != NULL && pv_instance_get_int(clock, "Ta0", 0) < COMMIT_OLDEST_CLOCK)
		commit_append_missing(text, "the time (stage clock)");

	/* from AMT 19 on firmware also wants to have been given a MEBx password, and does not tell whether it was */
	const char *version = pv_job_get_fact(job, "amt.version");
	if (version == NULL)
		version = pv_wsman_get_version(amt);
	const char *refused = pv_job_get_fact(job, "mebx.refused");
	g_autofree char *mebx =
	    refused != NULL
		? g_strdup_printf("a MEBx password, which it refused to take (%s): set it in the "
				  "firmware's own menu",
		      refused)
		: g_strdup("a MEBx password (stage mebx-password, before this one)");
	if (version != NULL && g_ascii_strtoull(version, NULL, 10) >= COMMIT_MEBX_VERSION &&
	    pv_job_get_fact(job, "mebx.set") == NULL)
		commit_append_missing(text, mebx);
	return g_strdup(text->len > 0 ? text->str : "something it does not name");
}

static gboolean
commit_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	g_autoptr(GError) local = NULL;
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	guint32 status = 0;
	g_autoptr(PvInstance) output =
	    pv_wsman_invoke(amt, COMMIT_CLASS, NULL, "CommitChanges", NULL, &status, &local);
	gboolean lost = output == NULL && g_error_matches(local, PV_ERROR, PV_ERROR_UNREACHABLE);
	if (output == NULL && !lost) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if (output != NULL && status == PV_PT_STATUS_DATA_MISSING) {
		g_autofree char *missing = commit_find_missing(job, amt);
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "CommitChanges: DATA_MISSING (%u): the device lacks %s", status, missing);
		return FALSE;
	}
	if (output != NULL && status != PV_PT_STATUS_SUCCESS) {
		pv_pt_status_error(error, COMMIT_CLASS, "CommitChanges", status);
		return FALSE;
	}

	/* a reply that is lost twice is lost because the device restarts, not on the way there */
	gboolean again = g_strcmp0(pv_job_get_fact(job, COMMIT_FACT), "lost") == 0;
	pv_job_set_fact(job, COMMIT_FACT, lost && !again ? "lost" : "answered");
	pv_job_reconnect(job);
	return pv_job_wait(job, (guint)pv_job_get_int(job, "wait"), error,
	    "waiting for the device to restart its network stack");
}

static const PvParam commit_params[] = {
	{ "wait", PV_PARAM_INT, "5", "pause before the device is dialled again", .unit = "s",
	    .minimum = 1, .maximum = 120 },
	{ NULL },
};

static const PvStage commit_stages[] = {
	{
	    .type = "commit",
	    .summary = "makes the settings take effect and the device operational",
	    .params = commit_params,
	    .needs = (const char *const[]) { "tls.fingerprint", NULL },
	    .timeout_sec = 600,
	    .plan = commit_plan,
	    .apply = commit_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("commit", PV_VERSION, "the end of set-up", .stages = commit_stages);
