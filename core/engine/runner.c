/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/job-private.h"

#include <json-glib/json-glib.h>
#include <malloc.h>
#include <string.h>

/* A claimed job is ours for LEASE_USEC and renewed well before; a process that dies loses it at once where its death
 * can be seen, and after the lease elsewhere. */
#define LEASE_USEC (60 * G_TIME_SPAN_SECOND)
#define RENEW_USEC (20 * G_TIME_SPAN_SECOND)
#define DEAD_USEC (10 * G_TIME_SPAN_SECOND) /* how often dead owners are looked for */
#define POLL_USEC \
	(G_TIME_SPAN_SECOND / \
	    2) /* how often parked jobs, and those of other processes, are looked for */
#define RETRY_MAX_SEC (15 * 60)
#define BUSY_WAIT_SEC \
	10 /* firmware that is making keys: Intel AMT SDK, PT_STATUS_PKI_GENERATING_KEYS */

/* A job in the hands of a worker. */
typedef struct {
	PvRunner *runner; /* borrowed */
	PvJobRow *row; /* owned */
	GCancellable *cancellable; /* owned */
	gint64
	    deadline_usec; /* monotonic; of the stage that runs; 0: none; protected by runner.lock */
	gboolean late; /* cancelled because of the deadline; protected by runner.lock */
	const char *stage; /* type of the stage that runs, for events; this thread only */
	char *name; /* owned: the device's */
	guint index, count; /* this thread only */
} Work;

struct PvRunner {
	PvSite *site; /* borrowed */
	guint workers; /* threads */
	PvRunnerFunc func;
	gpointer data;
	GMutex event_lock; /* events are told one at a time */
	char **uuids; /* owned; NULL: every device */
	GHashTable *uuid_set; /* the same as a set, owned; NULL: every device */
	char *trace_dir; /* owned; NULL: none */
	char *owner; /* owned: who holds our leases */
	GMutex lock;
	GCond work_cond; /* workers: something is ready, or stop */
	GCond tick_cond; /* dispatcher: look again */
	GCond idle_cond; /* pv_runner_wait: idle, failed or stopped */
	GQueue ready; /* of Work, owned; protected by lock */
	GHashTable *running; /* set of Work, borrowed from the workers; protected by lock */
	GQueue
	    orphans; /* of PvJobRow, owned: could not be given back to the store; protected by lock */
	gboolean stopping; /* protected by lock */
	gboolean idle; /* nothing of ours left to do; protected by lock */
	gboolean woken; /* protected by lock */
	GError *store_error; /* owned; protected by lock */
	GThread *dispatcher; /* owned */
	GPtrArray *threads; /* of GThread, owned */
};

/* Workers free with one connection or transaction what they allocate for the next: memory that glibc hands back to the
 * system in between costs a tenth of all CPU in page faults and shoot-downs. Other libcs ignore it. */
static void
runner_keep_memory(void)
{
#ifdef M_TRIM_THRESHOLD
	(void)mallopt(M_TRIM_THRESHOLD, 128 * 1024 * 1024);
	(void)mallopt(M_TOP_PAD, 1024 * 1024);
#endif
}

PvRunner *
pv_runner_new(PvSite *site, guint workers, PvRunnerFunc func, gpointer data)
{
	PvRunner *runner = g_new0(PvRunner, 1);
	runner_keep_memory();
	runner->site = site;
	runner->workers = MAX(workers, 1);
	runner->func = func;
	runner->data = data;
	runner->owner = pv_owner_new();
	runner->running = g_hash_table_new(NULL, NULL);
	runner->threads = g_ptr_array_new();
	g_queue_init(&runner->ready);
	g_queue_init(&runner->orphans);
	g_mutex_init(&runner->event_lock);
	g_mutex_init(&runner->lock);
	g_cond_init(&runner->work_cond);
	g_cond_init(&runner->tick_cond);
	g_cond_init(&runner->idle_cond);
	return runner;
}

void
pv_runner_set_devices(PvRunner *runner, const char *const *uuids)
{
	g_strfreev(runner->uuids);
	g_clear_pointer(&runner->uuid_set, g_hash_table_unref);
	runner->uuids = g_strdupv((char **)uuids);
	runner->uuid_set = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; runner->uuids[i] != NULL; i++)
		g_hash_table_add(runner->uuid_set, runner->uuids[i]);
}

void
pv_runner_set_trace_dir(PvRunner *runner, const char *trace_dir)
{
	g_free(runner->trace_dir);
	runner->trace_dir = g_strdup(trace_dir);
}

static void
runner_tell(
    Work *work, PvRunnerEventKind kind, const char *outcome, const char *text, gint64 due_usec)
{
	PvRunner *runner = work->runner;
	if (runner->func == NULL)
		return;
	const PvRunnerEvent event = {
		.kind = kind,
		.job = work->row->id,
		.uuid = work->row->uuid,
		.name = work->name,
		.stage = work->stage,
		.outcome = outcome,
		.text = text,
		.index = work->index,
		.count = work->count,
		.due_usec = due_usec,
	};
	g_mutex_lock(&runner->event_lock);
	runner->func(&event, runner->data);
	g_mutex_unlock(&runner->event_lock);
}

static void
runner_progress(const char *text, gpointer data)
{
	runner_tell(data, PV_RUNNER_PROGRESS, NULL, text, 0);
}

static void
work_free(Work *work)
{
	pv_job_row_free(work->row);
	g_object_unref(work->cancellable);
	g_free(work->name);
	g_free(work);
}

/* The store does not take what happened: the job stays where the store last had it, and is given back when it can be. */
static void
runner_store_failed(Work *work, const GError *error)
{
	PvRunner *runner = work->runner;
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BUSY)) {
		g_warning("job %" G_GINT64_FORMAT
			  " of %s was cancelled, or taken over by another process",
		    work->row->id, work->row->uuid);
		return;
	}
	g_warning(
	    "job %" G_GINT64_FORMAT " of %s: %s", work->row->id, work->row->uuid, error->message);
	g_mutex_lock(&runner->lock);
	if (runner->store_error == NULL)
		runner->store_error = g_error_copy(error);
	PvJobRow *orphan = g_new0(PvJobRow, 1);
	*orphan = (PvJobRow) { .id = work->row->id,
		.uuid = g_strdup(work->row->uuid),
		.pipeline = g_strdup(work->row->pipeline),
		.stage = work->row->stage,
		.attempts = work->row->attempts,
		.stage_usec = work->row->stage_usec,
		.made_usec = work->row->made_usec };
	g_queue_push_tail(&runner->orphans, orphan);
	g_cond_broadcast(&runner->idle_cond);
	g_mutex_unlock(&runner->lock);
}

/* What is recorded of one step, in one transaction. NULL members are left out. */
typedef struct {
	const char *state; /* of the job from now on */
	guint stage; /* index of the stage to run next */
	guint attempts;
	gint64 stage_usec;
	gint64 due_usec;
	const GError *error; /* last error or reason of waiting */
	const PvResultRow *result;
	const char *level, *event; /* of the device's log */
	gboolean tell_changes; /* before that, a line for each object that .result changed */
	const char *status, *evidence;
} Step;

/* The objects of a result's changes, each once, in order. */
static GPtrArray *
runner_list_objects(const PvResultRow *result)
{
	GPtrArray *objects = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(JsonNode) root =
	    result->changes != NULL ? json_from_string(result->changes, NULL) : NULL;
	JsonArray *rows =
	    root != NULL && JSON_NODE_HOLDS_ARRAY(root) ? json_node_get_array(root) : NULL;
	for (guint i = 0; rows != NULL && i < json_array_get_length(rows); i++) {
		const char *object = json_object_get_string_member_with_default(
		    json_array_get_object_element(rows, i), "object", "");
		if (!g_ptr_array_find_with_equal_func(objects, object, g_str_equal, NULL))
			g_ptr_array_add(objects, g_strdup(object));
	}
	return objects;
}

/* Adds an event for each object. They lend what @objects and @model hold. */
static PvEventRow *
runner_new_change_events(GPtrArray *objects, const PvEventRow *model, GArray *writes)
{
	PvEventRow *events = g_new0(PvEventRow, objects->len + 1);
	for (guint i = 0; i < objects->len; i++) {
		g_autofree char *object = objects->pdata[i];
		objects->pdata[i] =
		    g_strdup_printf("job %" G_GINT64_FORMAT " changed: %s", model->job, object);
		events[i] = *model;
		events[i].text = objects->pdata[i];
		const PvWrite write = { .kind = PV_WRITE_EVENT, .event = &events[i] };
		g_array_append_val(writes, write);
	}
	return events;
}

static gboolean
runner_save(Work *work, PvJob *job, const Step *step)
{
	PvRunner *runner = work->runner;
	gint64 now = g_get_real_time();
	gboolean ours = g_str_equal(step->state, "running");
	PvJobRow row = *work->row;
	row.state = (char *)step->state;
	row.stage = step->stage;
	row.attempts = step->attempts;
	row.stage_usec = step->stage_usec;
	row.due_usec = step->due_usec;
	row.owner = ours ? runner->owner : NULL;
	row.lease_usec = ours ? now + LEASE_USEC : 0;
	row.code = (char *)(step->error != NULL ? pv_error_get_name(step->error) : NULL);
	row.text = (char *)(step->error != NULL ? step->error->message : NULL);
	row.changed_usec = now;

	g_autoptr(GArray) writes =
	    job != NULL ? pv_job_take_fact_writes(job) : g_array_new(FALSE, TRUE, sizeof(PvWrite));
	const PvWrite job_write = { .kind = PV_WRITE_JOB, .job = &row, .owner = runner->owner };
	g_array_append_val(writes, job_write);
	if (step->result != NULL) {
		const PvWrite write = { .kind = PV_WRITE_RESULT, .result = step->result };
		g_array_append_val(writes, write);
	}
	const PvEventRow event = { .time_usec = now,
		.uuid = row.uuid,
		.job = row.id,
		.stage = (char *)work->stage,
		.level = (char *)step->level,
		.text = (char *)step->event };
	g_autoptr(GPtrArray) objects =
	    step->tell_changes ? runner_list_objects(step->result) : g_ptr_array_new();
	g_autofree PvEventRow *changes = runner_new_change_events(objects, &event, writes);
	if (step->event != NULL) {
		const PvWrite write = { .kind = PV_WRITE_EVENT, .event = &event };
		g_array_append_val(writes, write);
	}
	if (step->status != NULL) {
		const PvWrite write = { .kind = PV_WRITE_STATUS,
			.uuid = row.uuid,
			.name = step->status,
			.value = step->evidence,
			.time_usec = now };
		g_array_append_val(writes, write);
	}
	g_autoptr(GError) error = NULL;
	if (!pv_db_write(
		runner->site->db, (const PvWrite *)(gpointer)writes->data, writes->len, &error)) {
		runner_store_failed(work, error);
		return FALSE;
	}
	work->row->stage = step->stage;
	work->row->attempts = step->attempts;
	work->row->stage_usec = step->stage_usec;
	return TRUE;
}

static void
runner_park(Work *work, PvJob *job, PvResultRow *result, guint attempts, guint seconds,
    gint64 stage_usec, const GError *error)
{
	gint64 due_usec = g_get_real_time() + (gint64)seconds * G_USEC_PER_SEC;
	g_autofree char *event =
	    attempts > work->row->attempts
		? g_strdup_printf("%s; next try in %u s", error->message, seconds)
		: g_strdup_printf("waits %u s: %s", seconds, error->message);
	const Step step = {
		.state = "parked",
		.stage = work->index,
		.attempts = attempts,
		.stage_usec = stage_usec,
		.due_usec = due_usec,
		.error = error,
		.result = result,
		.level = attempts > work->row->attempts ? "warning" : "info",
		.event = event,
	};
	if (runner_save(work, job, &step))
		runner_tell(work, PV_RUNNER_JOB_PARKED, "parked", error->message, due_usec);
}

/* Status words are for devices that are not managed yet: a Provisioned one that cannot be reached is still that. */
static const char *
runner_status_after(PvJob *job, const GError *error)
{
	if (job == NULL || g_strcmp0(job->status, "Provisioned") == 0)
		return NULL;
	return g_error_matches(error, PV_ERROR, PV_ERROR_AUTH) ? "Detected" : NULL;
}

static void
runner_fail(Work *work, PvJob *job, PvResultRow *result, const GError *error)
{
	g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, work->row->id);
	g_autofree char *event = g_strdup_printf("job %s failed: %s", number, error->message);
	const Step step = {
		.state = "failed",
		.stage = work->index,
		.attempts = work->row->attempts,
		.error = error,
		.result = result,
		.level = "error",
		.event = event,
		.status = runner_status_after(job, error),
		.evidence = error->message,
	};
	g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "PV_DEVICE", work->row->uuid, "PV_JOB",
	    number, "PV_STAGE", work->stage != NULL ? work->stage : "", "PV_CODE",
	    pv_error_get_name(error), "MESSAGE", "%s: %s", work->name, event);
	if (runner_save(work, job, &step))
		runner_tell(work, PV_RUNNER_JOB_ENDED, "failed", error->message, 0);
}

/* Full jitter keeps a fleet that lost its network from coming back in step. */
static guint
runner_back_off_sec(const PvPipelineStage *entry, guint attempts)
{
	guint64 wait = MAX(entry->retry_sec, 1);
	for (guint i = 1; i < attempts && wait < RETRY_MAX_SEC; i++)
		wait *= 2;
	wait = MIN(wait, RETRY_MAX_SEC);
	return (guint)MAX(1, wait / 2 + (guint64)g_random_int_range(0, (gint32)(wait / 2 + 1)));
}

/* Decides by the error's code what happens next. */
static void
runner_stage_failed(Work *work, PvJob *job, const PvPipelineStage *entry, PvResultRow *result,
    gint64 stage_usec, GError *error)
{
	PvRunner *runner = work->runner;
	g_mutex_lock(&runner->lock);
	gboolean late = work->late, stopping = runner->stopping;
	g_mutex_unlock(&runner->lock);
	g_autoptr(GError) limit = NULL;
	g_prefix_error(&error, "stage %s: ", entry->stage->type);

	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED) && !late) {
		const Step step = { .state = "queued",
			.stage = work->index,
			.attempts = work->row->attempts,
			.stage_usec = stage_usec,
			.due_usec = g_get_real_time(),
			.result = result };
		if (runner_save(work, job, &step))
			runner_tell(work, PV_RUNNER_JOB_ENDED, "cancelled",
			    stopping ? "stopped; goes on next time" : "cancelled", 0);
		g_error_free(error);
		return;
	}
	gint64 spent_sec = (g_get_real_time() - stage_usec) / G_USEC_PER_SEC;
	gboolean over = late || (entry->timeout_sec > 0 && spent_sec >= entry->timeout_sec);
	if (over)
		limit = g_error_new(PV_ERROR, PV_ERROR_UNREACHABLE,
		    "stage %s: not done within its %u s%s%s", entry->stage->type,
		    entry->timeout_sec, late ? "" : ": last ", late ? "" : error->message);
	gboolean again = over || g_error_matches(error, PV_ERROR, PV_ERROR_UNREACHABLE) ||
			 g_error_matches(error, PV_ERROR, PV_ERROR_PROTOCOL);

	if (!over && g_error_matches(error, PV_ERROR, PV_ERROR_PENDING)) {
		guint wait_sec = pv_job_get_wait_sec(job);
		runner_park(work, job, result, work->row->attempts,
		    wait_sec > 0 ? wait_sec : BUSY_WAIT_SEC, stage_usec, error);
	} else if (again && work->row->attempts < entry->retries) {
		/* each try has the stage's whole time */
		guint attempts = work->row->attempts + 1;
		runner_park(work, job, result, attempts, runner_back_off_sec(entry, attempts), 0,
		    over ? limit : error);
	} else {
		runner_fail(work, job, result, over ? limit : error);
	}
	g_error_free(error);
}

/* What an interrupted run of the stage recorded. */
static PvResultRow *
runner_load_result(Work *work, GError **error)
{
	g_autoptr(GPtrArray) results =
	    pv_db_list_results(work->runner->site->db, work->row->id, error);
	if (results == NULL)
		return NULL;
	PvResultRow *result = g_new0(PvResultRow, 1);
	for (guint i = 0; i < results->len; i++) {
		const PvResultRow *row = results->pdata[i];
		if (row->index != work->index || !g_str_equal(row->stage, work->stage))
			continue;
		g_free(result->changes);
		result->changes = g_strdup(row->changes);
		result->begin_usec = row->begin_usec;
	}
	return result;
}

/* Runs one stage and records it. TRUE: go on with the next one. */
static gboolean
runner_run_stage(Work *work, PvJob *job, const PvPipelineStage *entry, gboolean resumed)
{
	PvRunner *runner = work->runner;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvResultRow) result =
	    resumed ? runner_load_result(work, &error) : g_new0(PvResultRow, 1);
	if (result == NULL) {
		runner_store_failed(work, error);
		return FALSE;
	}
	gint64 now = g_get_real_time();
	gint64 stage_usec = work->row->stage_usec != 0 ? work->row->stage_usec : now;
	result->job = work->row->id;
	result->index = work->index;
	result->stage = g_strdup(entry->stage->type);
	if (result->begin_usec == 0)
		result->begin_usec = now;
	pv_job_set_stage(job, entry);

	g_mutex_lock(&runner->lock);
	work->deadline_usec =
	    entry->timeout_sec > 0
		? g_get_monotonic_time() +
		      MAX(0, stage_usec + (gint64)entry->timeout_sec * G_USEC_PER_SEC - now)
		: 0;
	g_mutex_unlock(&runner->lock);
	runner_tell(work, PV_RUNNER_STAGE_STARTED, NULL, NULL, 0);

	gboolean ok = TRUE;
	if (g_cancellable_set_error_if_cancelled(work->cancellable, &error)) {
		ok = FALSE;
		result->outcome =
		    g_strdup("waiting"); /* a result without one is none to the store */
	} else if (!pv_job_is_wanted(job, entry)) {
		result->outcome = g_strdup("skipped");
		result->text = g_strdup_printf("when %s", entry->when_text);
	} else {
		ok = pv_engine_run_stage(job, result, &error);
	}
	g_mutex_lock(&runner->lock);
	work->deadline_usec = 0;
	gboolean late = work->late;
	g_mutex_unlock(&runner->lock);

	result->end_usec = g_get_real_time();
	if (!ok) {
		runner_stage_failed(work, job, entry, result, stage_usec, g_steal_pointer(&error));
		return FALSE;
	}
	g_autofree char *event = result->text != NULL
				     ? g_strdup_printf("%s: %s", result->outcome, result->text)
				     : g_strdup(result->outcome);
	/* done in the moment in which its time was over: the next stage needs a cancellable that nobody has used */
	gboolean anew = late && work->index + 1 < work->count;
	const Step step = { .state = anew ? "queued" : "running",
		.stage = work->index + 1,
		.due_usec = anew ? g_get_real_time() : 0,
		.result = result,
		.level = "info",
		.event = event,
		.tell_changes = TRUE };
	if (!runner_save(work, job, &step))
		return FALSE;
	runner_tell(work, PV_RUNNER_STAGE_ENDED, result->outcome, result->text, 0);
	return !anew;
}

static void
runner_end(Work *work, PvJob *job)
{
	gboolean managed = g_strcmp0(pv_job_get_fact(job, "amt.state"), "operational") == 0;
	work->stage = NULL;
	work->index = work->count;
	g_autofree char *evidence = g_strdup_printf("pipeline %s done%s", work->row->pipeline,
	    managed ? ", verified by the site's CA and the new password"
		    : "; the pipeline does not commit the device");
	g_autofree char *event =
	    g_strdup_printf("job %" G_GINT64_FORMAT " done: %s", work->row->id, evidence);
	const Step step = {
		.state = "done",
		.stage = work->count,
		.level = "info",
		.event = event,
		.status = managed ? "Provisioned" : "Not Provisioned",
		.evidence = evidence,
	};
	if (runner_save(work, job, &step))
		runner_tell(work, PV_RUNNER_JOB_ENDED, "done", NULL, 0);
}

static PvJob *
runner_new_job(Work *work, GError **error)
{
	PvSite *site = work->runner->site;
	g_autoptr(PvDeviceRow) device = pv_db_find_device(site->db, work->row->uuid, error);
	if (device == NULL)
		return NULL;
	GHashTable *facts = pv_db_get_facts(site->db, work->row->uuid, error);
	if (facts == NULL)
		return NULL;
	g_free(work->name);
	work->name = g_strdup(device->name != NULL ? device->name : device->uuid);
	PvJob *job = pv_job_new(site, device, facts, work->cancellable);
	pv_job_set_trace_dir(job, work->runner->trace_dir);
	pv_job_set_progress(job, runner_progress, work);
	return job;
}

/* Where the job goes on: at its stage, or before it at the first one that is no longer what was run there. Somebody
 * may have edited the pipeline since; to look at a stage again costs reads, to miss one leaves the device half done. */
static gboolean
runner_find_start(Work *work, const PvPipeline *pipeline, GError **error)
{
	work->index = work->row->stage;
	if (work->index == 0)
		return TRUE;
	g_autoptr(GPtrArray) results =
	    pv_db_list_results(work->runner->site->db, work->row->id, error);
	if (results == NULL)
		return FALSE;
	guint start = MIN(work->index, pipeline->stages->len);
	for (guint i = 0; i < results->len; i++) {
		const PvResultRow *row = results->pdata[i];
		const PvPipelineStage *entry =
		    row->index < start ? pipeline->stages->pdata[row->index] : NULL;
		if (entry != NULL && !g_str_equal(entry->stage->type, row->stage))
			start = row->index;
	}
	if (start < work->index) {
		work->row->attempts = 0;
		work->row->stage_usec = 0;
	}
	work->index = start;
	return TRUE;
}

static void
runner_run_job(Work *work)
{
	g_autoptr(GError) error = NULL;
	const PvPipeline *pipeline =
	    g_hash_table_lookup(work->runner->site->pipelines, work->row->pipeline);
	work->index = work->row->stage;
	g_autoptr(PvJob) job = runner_new_job(work, &error);
	if (job != NULL && pipeline == NULL)
		error = g_error_new(PV_ERROR, PV_ERROR_CONFIG, "%s has no pipeline \"%s\" any more",
		    work->runner->site->file, work->row->pipeline);
	if (error != NULL) {
		runner_fail(work, job, NULL, error);
		return;
	}
	if (!runner_find_start(work, pipeline, &error)) {
		runner_store_failed(work, error);
		return;
	}
	work->count = pipeline->stages->len;
	pv_job_set_pipeline(job, pipeline);
	guint first = work->index;
	runner_tell(work, PV_RUNNER_JOB_STARTED, NULL, NULL, 0);
	for (; work->index < work->count; work->index++) {
		const PvPipelineStage *entry = pipeline->stages->pdata[work->index];
		work->stage = entry->stage->type;
		if (!runner_run_stage(work, job, entry, work->index == first))
			return;
	}
	runner_end(work, job);
}

static gpointer
runner_worker(gpointer data)
{
	PvRunner *runner = data;
	g_mutex_lock(&runner->lock);
	for (;;) {
		while (g_queue_is_empty(&runner->ready) && !runner->stopping)
			g_cond_wait(&runner->work_cond, &runner->lock);
		Work *work = g_queue_pop_head(&runner->ready);
		if (work == NULL)
			break;
		g_hash_table_add(runner->running, work);
		if (runner
			->stopping) /* claimed, but not begun: it goes back through the same door */
			g_cancellable_cancel(work->cancellable);
		g_mutex_unlock(&runner->lock);
		runner_run_job(work);
		g_mutex_lock(&runner->lock);
		g_hash_table_remove(runner->running, work);
		work_free(work);
		runner->woken = TRUE;
		g_cond_signal(&runner->tick_cond);
	}
	g_mutex_unlock(&runner->lock);
	return NULL;
}

/* Without the lock. NULL with the store's error. */
static GPtrArray *
runner_claim(PvRunner *runner, guint limit, char **dead, GError **error)
{
	gint64 now = g_get_real_time();
	const PvStore *store = pv_db_get_provider(runner->site->db);
	return store->claim(pv_db_get_handle(runner->site->db), runner->owner, now,
	    now + LEASE_USEC, limit, (const char *const *)runner->uuids, (const char *const *)dead,
	    error);
}

static char **
runner_find_dead(PvRunner *runner)
{
	const PvStore *store = pv_db_get_provider(runner->site->db);
	g_auto(GStrv) owners = store->owners(pv_db_get_handle(runner->site->db), NULL);
	return owners != NULL ? pv_owner_find_dead(owners) : NULL;
}

static void
runner_take(PvRunner *runner, GPtrArray *rows)
{
	for (guint i = 0; i < rows->len; i++) {
		Work *work = g_new0(Work, 1);
		work->runner = runner;
		work->row = rows->pdata[i];
		work->cancellable = g_cancellable_new();
		work->name = g_strdup(work->row->uuid);
		g_queue_push_tail(&runner->ready, work);
	}
	g_ptr_array_set_free_func(rows, NULL);
	g_cond_broadcast(&runner->work_cond);
}

/* Whether a job that this runner is to do is unfinished; TRUE also when the store cannot say. */
static gboolean
runner_has_jobs(PvRunner *runner)
{
	g_autoptr(GPtrArray) jobs = pv_db_list_jobs(runner->site->db, NULL, TRUE, NULL);
	if (jobs == NULL)
		return TRUE;
	for (guint i = 0; i < jobs->len; i++) {
		const PvJobRow *row = jobs->pdata[i];
		if (runner->uuid_set == NULL || g_hash_table_contains(runner->uuid_set, row->uuid))
			return TRUE;
	}
	return FALSE;
}

/* Cancels stages that are over their time. With the lock. Returns when to look again, monotonic. */
static gint64
runner_check_deadlines(PvRunner *runner, gint64 until_usec)
{
	gint64 now = g_get_monotonic_time();
	GHashTableIter iter;
	gpointer key = NULL;
	g_hash_table_iter_init(&iter, runner->running);
	while (g_hash_table_iter_next(&iter, &key, NULL)) {
		Work *work = key;
		if (work->deadline_usec == 0)
			continue;
		if (work->deadline_usec <= now && !work->late) {
			work->late = TRUE;
			g_cancellable_cancel(work->cancellable);
		} else if (!work->late) {
			until_usec = MIN(until_usec, work->deadline_usec);
		}
	}
	return until_usec;
}

/* Gives jobs back that could not be recorded. Without the lock; only the dispatcher takes from the queue. */
static void
runner_return_orphans(PvRunner *runner)
{
	for (;;) {
		g_mutex_lock(&runner->lock);
		PvJobRow *row = g_queue_pop_head(&runner->orphans);
		g_mutex_unlock(&runner->lock);
		if (row == NULL)
			return;
		gint64 now = g_get_real_time();
		row->state = g_strdup("queued");
		row->due_usec = now;
		row->changed_usec = now;
		const PvWrite write = { .kind = PV_WRITE_JOB, .job = row, .owner = runner->owner };
		g_autoptr(GError) error = NULL;
		gboolean ok = pv_db_write(runner->site->db, &write, 1, &error);
		g_clear_pointer(&row->state, g_free);
		if (ok || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BUSY)) {
			pv_job_row_free(row);
			continue;
		}
		g_mutex_lock(&runner->lock);
		g_queue_push_head(&runner->orphans, row);
		g_mutex_unlock(&runner->lock);
		return;
	}
}

/* One round without the lock: leases, returns, claims. */
static void
runner_dispatch(PvRunner *runner, guint free_workers, gint64 *renewed_usec, gint64 *dead_usec)
{
	gint64 now = g_get_monotonic_time();
	const PvStore *store = pv_db_get_provider(runner->site->db);
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) dead = NULL;
	if (now - *renewed_usec >= RENEW_USEC) {
		*renewed_usec = now;
		if (!store->renew(pv_db_get_handle(runner->site->db), runner->owner,
			g_get_real_time() + LEASE_USEC, &error)) {
			g_warning("renew leases: %s", error->message);
			g_clear_error(&error);
		}
	}
	runner_return_orphans(runner);
	if (*dead_usec == 0 || now - *dead_usec >= DEAD_USEC) {
		*dead_usec = now;
		dead = runner_find_dead(runner);
	}
	if (free_workers == 0)
		return;
	g_autoptr(GPtrArray) rows = runner_claim(runner, free_workers, dead, &error);
	gboolean more = rows != NULL && rows->len > 0;
	gboolean left = more || runner_has_jobs(runner);
	g_mutex_lock(&runner->lock);
	if (rows == NULL) {
		g_warning("claim jobs: %s", error->message);
		if (runner->store_error == NULL)
			runner->store_error = g_steal_pointer(&error);
	} else if (more) {
		runner_take(runner, rows);
	}
	gboolean busy = !g_queue_is_empty(&runner->ready) || g_hash_table_size(runner->running) > 0;
	runner->idle = rows != NULL && !left && !busy;
	if (runner->idle || runner->store_error != NULL)
		g_cond_broadcast(&runner->idle_cond);
	g_mutex_unlock(&runner->lock);
}

static gpointer
runner_dispatcher(gpointer data)
{
	PvRunner *runner = data;
	gint64 renewed_usec = g_get_monotonic_time(), dead_usec = 0;
	g_mutex_lock(&runner->lock);
	while (!runner->stopping) {
		guint busy =
		    g_hash_table_size(runner->running) + g_queue_get_length(&runner->ready);
		runner->woken = FALSE;
		g_mutex_unlock(&runner->lock);
		runner_dispatch(runner, runner->workers > busy ? runner->workers - busy : 0,
		    &renewed_usec, &dead_usec);
		g_mutex_lock(&runner->lock);
		gint64 until_usec =
		    runner_check_deadlines(runner, g_get_monotonic_time() + POLL_USEC);
		while (!runner->woken && !runner->stopping &&
		       g_cond_wait_until(&runner->tick_cond, &runner->lock, until_usec))
			;
	}
	g_mutex_unlock(&runner->lock);
	return NULL;
}

void
pv_runner_start(PvRunner *runner)
{
	g_return_if_fail(runner->dispatcher == NULL);
	for (guint i = 0; i < runner->workers; i++)
		g_ptr_array_add(runner->threads, g_thread_new("pv-worker", runner_worker, runner));
	runner->dispatcher = g_thread_new("pv-dispatcher", runner_dispatcher, runner);
}

void
pv_runner_wake(PvRunner *runner)
{
	g_mutex_lock(&runner->lock);
	runner->woken = TRUE;
	runner->idle = FALSE;
	g_cond_signal(&runner->tick_cond);
	g_mutex_unlock(&runner->lock);
}

gboolean
pv_runner_wait(PvRunner *runner, GError **error)
{
	g_mutex_lock(&runner->lock);
	while (!runner->idle && !runner->stopping && runner->store_error == NULL)
		g_cond_wait(&runner->idle_cond, &runner->lock);
	gboolean ok = runner->store_error == NULL;
	if (!ok)
		g_propagate_error(error, g_error_copy(runner->store_error));
	g_mutex_unlock(&runner->lock);
	return ok;
}

void
pv_runner_stop(PvRunner *runner)
{
	GHashTableIter iter;
	gpointer key = NULL;
	g_mutex_lock(&runner->lock);
	runner->stopping = TRUE;
	g_hash_table_iter_init(&iter, runner->running);
	while (g_hash_table_iter_next(&iter, &key, NULL))
		g_cancellable_cancel(((Work *)key)->cancellable);
	g_cond_broadcast(&runner->work_cond);
	g_cond_broadcast(&runner->tick_cond);
	g_cond_broadcast(&runner->idle_cond);
	g_mutex_unlock(&runner->lock);

	if (runner->dispatcher != NULL)
		g_thread_join(runner->dispatcher);
	runner->dispatcher = NULL;
	for (guint i = 0; i < runner->threads->len; i++)
		g_thread_join(runner->threads->pdata[i]);
	g_ptr_array_set_size(runner->threads, 0);
	runner_return_orphans(runner);
}

void
pv_runner_free(PvRunner *runner)
{
	if (runner == NULL)
		return;
	pv_runner_stop(runner);
	g_queue_clear_full(&runner->orphans, (GDestroyNotify)pv_job_row_free);
	g_strfreev(runner->uuids);
	g_clear_pointer(&runner->uuid_set, g_hash_table_unref);
	g_hash_table_unref(runner->running);
	g_ptr_array_unref(runner->threads);
	g_free(runner->trace_dir);
	g_free(runner->owner);
	g_clear_error(&runner->store_error);
	g_mutex_clear(&runner->event_lock);
	g_mutex_clear(&runner->lock);
	g_cond_clear(&runner->work_cond);
	g_cond_clear(&runner->tick_cond);
	g_cond_clear(&runner->idle_cond);
	g_free(runner);
}
