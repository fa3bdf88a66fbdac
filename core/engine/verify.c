/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/job-private.h"

void
pv_verification_free(PvVerification *verification)
{
	if (verification == NULL)
		return;
	g_clear_pointer(&verification->stages, g_ptr_array_unref);
	g_free(verification->user);
	g_free(verification->principal);
	g_free(verification->fingerprint);
	g_clear_error(&verification->problem);
	g_free(verification);
}

/* A device whose settings a job is changing right now is neither right nor wrong. */
static gboolean
verify_check_idle(PvJob *job, GError **error)
{
	g_autoptr(GPtrArray) jobs =
	    pv_db_list_jobs(job->site->db, pv_device_get_uuid(job->device), TRUE, error);
	if (jobs == NULL)
		return FALSE;
	if (jobs->len == 0)
		return TRUE;
	const PvJobRow *row = jobs->pdata[0];
	g_set_error(error, PV_ERROR, PV_ERROR_PENDING,
	    "job %" G_GINT64_FORMAT " is %s: wait for its end, or cancel it", row->id, row->state);
	return FALSE;
}

/* The proof that the device is ours: its certificate is one of the site's CA in its name, and it takes our password. */
static gboolean
verify_log_in(PvJob *job, PvVerification *verification, GError **error)
{
	if (g_strcmp0(pv_job_get_fact(job, "amt.state"), "operational") != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "it was not set up by this site: \"provost provision\" does that");
		return FALSE;
	}
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_autoptr(PvInstance) settings = pv_wsman_get(amt, "AMT_GeneralSettings", NULL, error);
	if (settings == NULL)
		return FALSE;
	if (!pv_wsman_is_verified(amt) || pv_wsman_get_user(amt) == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "the device answered without asking for a login");
		return FALSE;
	}
	verification->user = g_strdup(pv_wsman_get_user(amt));
	verification->fingerprint = g_strdup(pv_wsman_get_fingerprint(amt));
	verification->not_after_sec = pv_wsman_get_not_after(amt);
	return TRUE;
}

/* Counts what differs; FALSE when a stage could not tell. */
static gboolean
verify_judge(PvVerification *verification, GError **error)
{
	for (guint i = 0; i < verification->stages->len; i++) {
		const PvStagePlan *stage = verification->stages->pdata[i];
		if (g_str_equal(stage->outcome, "failed")) {
			g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "stage %s: %s", stage->stage,
			    stage->text);
			return FALSE;
		}
		/* what would be made anew, and from there on decides what comes after it, is missing now */
		if (g_str_equal(stage->outcome, "unknown"))
			verification->differs++;
		else if (stage->plan != NULL)
			verification->differs += pv_plan_get_length(stage->plan);
	}
	return TRUE;
}

/* A person's own way in, beside the one above, which tells why where there is none. */
static gboolean
verify_ticket(PvJob *job, PvKerberos *kerberos, PvVerification *verification, GError **error)
{
	PvTicketState state = PV_TICKET_UNTRIED;
	if (kerberos == NULL)
		return TRUE;
	if (!pv_job_try_ticket(job, kerberos, &state, error))
		return FALSE;
	verification->principal = g_strdup(pv_kerberos_get_principal(kerberos));
	return TRUE;
}

static gboolean
verify_run(PvJob *job, const PvPipeline *pipeline, PvKerberos *kerberos,
    PvVerification *verification, GError **error)
{
	if (!verify_check_idle(job, error) || !verify_log_in(job, verification, error) ||
	    !verify_ticket(job, kerberos, verification, error))
		return FALSE;
	verification->stages = pv_engine_plan_job(job, pipeline, error);
	return verification->stages != NULL && verify_judge(verification, error);
}

/* In the device's log in any case; the status is confirmed only where the device proved it. */
static gboolean
verify_record(
    PvJob *job, const PvPipeline *pipeline, const PvVerification *verification, GError **error)
{
	const char *uuid = pv_device_get_uuid(job->device);
	gint64 now = g_get_real_time();
	g_autofree char *verdict =
	    verification->problem != NULL
		? g_strdup_printf("cannot be verified: %s", verification->problem->message)
	    : verification->differs == 0
		? g_strdup_printf("verified: pipeline %s has nothing to change", pipeline->name)
		: g_strdup_printf("verified: pipeline %s has %u rows to change", pipeline->name,
		      verification->differs);
	const PvEventRow event = {
		.time_usec = now,
		.uuid = (char *)uuid,
		.level = (char *)(verification->problem == NULL && verification->differs == 0
				      ? "info"
				      : "warning"),
		.text = verdict,
	};
	const PvWrite writes[] = {
		{ .kind = PV_WRITE_EVENT, .event = &event },
		{ .kind = PV_WRITE_STATUS,
		    .uuid = uuid,
		    .name = "Provisioned",
		    .value = verdict,
		    .time_usec = now },
	};
	return pv_db_write(job->site->db, writes, verification->problem == NULL ? 2 : 1, error);
}

PvVerification *
pv_engine_verify(PvSite *site, const PvDeviceRow *device, const PvPipeline *pipeline,
    PvKerberos *kerberos, const char *trace_dir, GCancellable *cancellable, GError **error)
{
	g_autoptr(PvJob) job = pv_engine_new_dry_job(site, device, trace_dir, cancellable, error);
	if (job == NULL)
		return NULL;
	g_autoptr(PvVerification) verification = g_new0(PvVerification, 1);
	(void)verify_run(
	    job, pipeline, kerberos, verification, &verification->problem); /* told by .problem */
	if (g_error_matches(verification->problem, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
		g_propagate_error(error, g_steal_pointer(&verification->problem));
		return NULL;
	}
	if (!verify_record(job, pipeline, verification, error))
		return NULL;
	return g_steal_pointer(&verification);
}
