/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/provcert.h"
#include "core/engine/job-private.h"

static void
stage_plan_free(gpointer data)
{
	PvStagePlan *row = data;
	g_free(row->text);
	pv_plan_free(row->plan);
	g_free(row);
}

/* The first stage before @index that provides a fact; NULL: none. */
static const PvPipelineStage *
engine_find_provider(const PvPipeline *pipeline, guint index, const char *fact)
{
	for (guint i = 0; i < index; i++) {
		const PvPipelineStage *entry = pipeline->stages->pdata[i];
		if (entry->stage->provides != NULL && g_strv_contains(entry->stage->provides, fact))
			return entry;
	}
	return NULL;
}

/* A fact that an earlier stage would only make when it is applied. */
static char *
engine_dup_missing_need(PvJob *job, const PvPipeline *pipeline, guint index)
{
	const PvPipelineStage *entry = pipeline->stages->pdata[index];
	for (guint i = 0; entry->stage->needs != NULL && entry->stage->needs[i] != NULL; i++) {
		const char *fact = entry->stage->needs[i];
		if (pv_job_get_fact(job, fact) != NULL)
			continue;
		const PvPipelineStage *provider = engine_find_provider(pipeline, index, fact);
		return g_strdup_printf("needs %s, which %s makes first", fact,
		    provider != NULL ? provider->stage->type : "no stage");
	}
	return NULL;
}

static void
engine_plan_stage(
    PvJob *job, const PvPipeline *pipeline, guint index, PvStagePlan *row, GError **error)
{
	const PvPipelineStage *entry = pipeline->stages->pdata[index];
	pv_job_set_pipeline(job, pipeline);
	pv_job_set_stage(job, entry);
	if (!pv_job_is_wanted(job, entry)) {
		row->outcome = "skipped";
		row->text = g_strdup_printf("when %s", entry->when_text);
		return;
	}
	row->text = engine_dup_missing_need(job, pipeline, index);
	if (row->text != NULL) {
		row->outcome = "unknown";
		return;
	}
	g_autoptr(GError) caught = NULL;
	row->plan = pv_plan_new();
	if (!entry->stage->plan(job, row->plan, &caught)) {
		row->outcome =
		    g_error_matches(caught, PV_ERROR, PV_ERROR_PENDING) ? "unknown" : "failed";
		row->text =
		    g_strdup(caught != NULL ? caught->message : "plan failed without an error");
		g_propagate_error(error, g_steal_pointer(&caught));
		return;
	}
	row->text = g_strdup(pv_job_get_skip(job));
	row->outcome = pv_plan_get_length(row->plan) > 0 ? "changes"
		       : row->text != NULL		 ? "skipped"
							 : "already";
}

PvJob *
pv_engine_new_dry_job(PvSite *site, const PvDeviceRow *device, const char *trace_dir,
    GCancellable *cancellable, GError **error)
{
	GHashTable *facts = pv_db_get_facts(site->db, device->uuid, error);
	if (facts == NULL)
		return NULL;
	/* the pin belongs to the job that set it */
	g_hash_table_remove(facts, "tls.fingerprint");
	PvJob *job = pv_job_new(site, device, facts, cancellable);
	pv_job_set_dry_run(job, TRUE);
	pv_job_set_trace_dir(job, trace_dir);
	return job;
}

GPtrArray *
pv_engine_plan_job(PvJob *job, const PvPipeline *pipeline, GError **error)
{
	g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(stage_plan_free);
	g_autofree char *away = NULL;
	for (guint i = 0; i < pipeline->stages->len; i++) {
		const PvPipelineStage *entry = pipeline->stages->pdata[i];
		g_autoptr(GError) caught = NULL;
		PvStagePlan *row = g_new0(PvStagePlan, 1);
		row->stage = entry->stage->type;
		g_ptr_array_add(rows, row);
		if (away != NULL) {
			row->outcome = "unknown";
			row->text = g_strdup(away);
			continue;
		}
		engine_plan_stage(job, pipeline, i, row, &caught);
		if (g_error_matches(caught, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
			g_propagate_error(error, g_steal_pointer(&caught));
			return NULL;
		}
		/* the others would only knock at the same door, and each knock may count */
		if (g_error_matches(caught, PV_ERROR, PV_ERROR_UNREACHABLE) ||
		    g_error_matches(caught, PV_ERROR, PV_ERROR_AUTH))
			away = g_strdup_printf("not asked: %s failed", entry->stage->type);
	}
	return g_steal_pointer(&rows);
}

GPtrArray *
pv_engine_plan(PvSite *site, const PvDeviceRow *device, const PvPipeline *pipeline,
    const char *trace_dir, GCancellable *cancellable, GError **error)
{
	g_autoptr(PvJob) job = pv_engine_new_dry_job(site, device, trace_dir, cancellable, error);
	return job != NULL ? pv_engine_plan_job(job, pipeline, error) : NULL;
}

gboolean
pv_engine_test(PvSite *site, const PvDeviceRow *device, const PvCondition *condition,
    gboolean *holds, GError **error)
{
	GHashTable *facts = pv_db_get_facts(site->db, device->uuid, error);
	if (facts == NULL)
		return FALSE;
	g_autoptr(PvJob) job = pv_job_new(site, device, facts, NULL);
	*holds = pv_job_test(job, condition);
	return TRUE;
}

/* Whether a job on the pipeline will show a device in set-up a provisioning certificate. */
static gboolean
engine_uses_certificate(const PvPipeline *pipeline)
{
	for (guint i = 0; pipeline->stages != NULL && i < pipeline->stages->len; i++) {
		const PvPipelineStage *entry = pipeline->stages->pdata[i];
		if (g_str_equal(entry->stage->type, "tls") && pv_values_has(entry->values, "mode") &&
		    g_str_equal(pv_values_get_string(entry->values, "mode"), "psk"))
			return FALSE;
	}
	return TRUE;
}

/* what the certificates that have expired say of themselves; NULL: one is good still, or there is none at all */
static char *
engine_dup_expired(const PvSite *site)
{
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; site->identities != NULL && i < site->identities->len; i++) {
		const PvIdentity *identity = site->identities->pdata[i];
		if (pv_identity_get_days_left(identity, 0) >= 0)
			return NULL;
		g_autofree char *expiry = pv_provisioning_dup_expiry(identity, 0);
		g_string_append_printf(text, "%sprovisioning certificate %s %s", text->len > 0 ? "; " : "",
		    pv_identity_get_path(identity), expiry);
	}
	return text->len > 0 ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

gboolean
pv_engine_check_certificate(PvSite *site, const char *uuid, const char *pipeline, GError **error)
{
	const PvPipeline *found = g_hash_table_lookup(site->pipelines, pipeline);
	g_autofree char *expired = found != NULL && engine_uses_certificate(found) ? engine_dup_expired(site)
										   : NULL;
	if (expired == NULL)
		return TRUE;
	g_autoptr(GHashTable) facts = pv_db_get_facts(site->db, uuid, error);
	if (facts == NULL)
		return FALSE;
	/* a managed device is talked to over its own certificate */
	if (g_strcmp0(g_hash_table_lookup(facts, "amt.state"), "operational") == 0)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "no new job: %s", expired);
	return FALSE;
}

gboolean
pv_engine_enqueue(PvSite *site, const char *uuid, const char *pipeline, GError **error)
{
	return pv_engine_enqueue_with(site, uuid, pipeline, NULL, 0, error);
}

gboolean
pv_engine_enqueue_with(PvSite *site, const char *uuid, const char *pipeline, const PvWrite *writes,
    gsize count, GError **error)
{
	gint64 now = g_get_real_time();
	PvJobRow row = {
		.uuid = (char *)uuid,
		.pipeline = (char *)pipeline,
		.state = (char *)"queued",
		.due_usec = now,
		.made_usec = now,
		.changed_usec = now,
	};
	if (!g_hash_table_contains(site->pipelines, pipeline)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s has no pipeline \"%s\"",
		    site->file, pipeline);
		return FALSE;
	}
	if (!pv_engine_check_certificate(site, uuid, pipeline, error))
		return FALSE;
	const PvWrite own[] = {
		{ .kind = PV_WRITE_JOB, .job = &row },
		/* a new job pins what it meets anew */
		{ .kind = PV_WRITE_FACT, .uuid = uuid, .name = "tls.fingerprint", .value = NULL },
	};
	g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(PvWrite));
	if (count > 0)
		g_array_append_vals(all, writes, (guint)count);
	g_array_append_vals(all, own, G_N_ELEMENTS(own));
	return pv_db_write(site->db, (const PvWrite *)(gpointer)all->data, all->len, error);
}
