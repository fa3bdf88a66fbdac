/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/job-private.h"

#include <glib/gstdio.h>
#include <string.h>

/* The engine with stages made of C functions here, on a real store; no device. */

typedef struct {
	char *dir;
	PvSite site;
	PvPipeline *pipeline;
	GMutex lock;
	GArray *kinds; /* of PvRunnerEventKind, in order; protected by the runner */
	char *last_text; /* of the last event that had one; protected by the runner */
	GCond cond;
	gboolean hanging; /* a stage is in its hang; protected by lock */
} Fixture;

#define TEST_UUID "11111111-2222-4333-8444-555555555555"

/* what the scripted stages do: one state a stage, set by the tests */
typedef struct {
	gint value; /* what the "device" has; plan wants 1 */
	gint failures; /* apply fails so often before it works */
	gint code; /* with this PvError */
	gint waits; /* apply parks so often */
	gint stubborn; /* apply works, but the value stays */
	gint verbose; /* the value that the device has is told at length */
	gint silent; /* plan returns FALSE without an error */
	gint hang; /* apply blocks until it is cancelled */
	gint linger; /* plan blocks so once, and finds what it wants all the same */
	gint planned, applied;
} Script;

static Script *
script_get(PvJob *job)
{
	/* the state hangs at the site's variables, as plugins have no statics either */
	return g_hash_table_lookup(
	    pv_job_get_site(job)->variables, pv_job_get_string(job, "script"));
}

static void script_hang(PvJob *job);

static gboolean
script_plan(PvJob *job, PvPlan *plan, GError **error)
{
	Script *script = script_get(job);
	g_atomic_int_inc(&script->planned);
	if (g_atomic_int_compare_and_exchange(&script->linger, 1, 0)) {
		script_hang(job);
		return TRUE;
	}
	if (g_atomic_int_get(&script->silent))
		return FALSE;
	if (g_cancellable_set_error_if_cancelled(pv_job_get_cancellable(job), error))
		return FALSE;
	g_autofree char *endless = g_strnfill(1024 * 1024, 'x');
	if (g_atomic_int_get(&script->value) != 1)
		pv_plan_add(plan, g_atomic_int_get(&script->verbose) ? endless : "thing", "value",
		    g_atomic_int_get(&script->verbose) ? endless : "0", "1");
	return TRUE;
}

/* What a device does that takes the request and never answers. */
static void
script_hang(PvJob *job)
{
	Fixture *fixture = g_hash_table_lookup(pv_job_get_site(job)->groups, "fixture");
	g_mutex_lock(&fixture->lock);
	fixture->hanging = TRUE;
	g_cond_broadcast(&fixture->cond);
	g_mutex_unlock(&fixture->lock);
	GPollFD poll = { 0 };
	if (g_cancellable_make_pollfd(pv_job_get_cancellable(job), &poll)) {
		(void)g_poll(&poll, 1, -1);
		g_cancellable_release_fd(pv_job_get_cancellable(job));
	}
}

static gboolean
script_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	Script *script = script_get(job);
	g_atomic_int_inc(&script->applied);
	if (g_atomic_int_get(&script->hang)) {
		script_hang(job);
		(void)g_cancellable_set_error_if_cancelled(pv_job_get_cancellable(job), error);
		return FALSE;
	}
	if (g_atomic_int_get(&script->failures) > 0) {
		g_atomic_int_add(&script->failures, -1);
		g_set_error_literal(
		    error, PV_ERROR, g_atomic_int_get(&script->code), "scripted failure");
		return FALSE;
	}
	if (g_atomic_int_get(&script->waits) > 0) {
		g_atomic_int_add(&script->waits, -1);
		pv_job_set_fact(job, "waited", "yes");
		return pv_job_wait(job, 1, error, "scripted wait");
	}
	if (!g_atomic_int_get(&script->stubborn))
		g_atomic_int_set(&script->value, 1);
	pv_job_set_fact(job, "amt.state", "operational");
	return TRUE;
}

static const PvParam script_params[] = {
	{ .name = "script", .kind = PV_PARAM_STRING, .summary = "which state" },
	{ NULL },
};

static const PvStage script_stage = {
	.type = "scripted",
	.summary = "test",
	.params = script_params,
	.plan = script_plan,
	.apply = script_apply,
};

static void
fixture_stage_free(gpointer data)
{
	PvPipelineStage *entry = data;
	pv_values_unref(entry->values);
	pv_condition_free(entry->when);
	g_free(entry->when_text);
	g_free(entry->where);
	g_free(entry);
}

static void
fixture_add_stage(Fixture *fixture, const char *script, const char *when)
{
	g_autofree char *text = g_strdup_printf("{\"script\": \"%s\"}", script);
	g_autoptr(PvJson) json = pv_json_parse("test", text, -1, NULL);
	PvPipelineStage *entry = g_new0(PvPipelineStage, 1);
	entry->stage = &script_stage;
	entry->values = pv_values_parse(json, "$", script_params, NULL, NULL);
	g_assert_nonnull(entry->values);
	entry->when = when != NULL ? pv_condition_parse(when, NULL) : NULL;
	entry->when_text = g_strdup(when);
	entry->timeout_sec = 30;
	entry->retries = 2;
	entry->retry_sec = 1;
	g_ptr_array_add(fixture->pipeline->stages, entry);
	if (!g_hash_table_contains(fixture->site.variables, script))
		g_hash_table_insert(fixture->site.variables, g_strdup(script), g_new0(Script, 1));
}

static Script *
fixture_get(Fixture *fixture, const char *script)
{
	return g_hash_table_lookup(fixture->site.variables, script);
}

static void
fixture_open_db(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *text = g_strdup_printf("{\"path\": \"%s/store.db\"}", fixture->dir);
	g_autoptr(PvJson) json = pv_json_parse("test", text, -1, &error);
	g_assert_no_error(error);
	g_autoptr(PvValues) values =
	    pv_values_parse(json, "$", pv_store_sqlite.params, NULL, &error);
	g_assert_no_error(error);
	g_autoptr(PvSecret) key = pv_secret_new("0123456789abcdef0123456789abcdef", 32);
	fixture->site.db = pv_db_open(&pv_store_sqlite, values, key, "test", &error);
	g_assert_no_error(error);
}

static void
fixture_set_up(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	fixture->dir = g_dir_make_tmp("pv-engine-XXXXXX", NULL);
	fixture->kinds = g_array_new(FALSE, FALSE, sizeof(PvRunnerEventKind));
	fixture->site.file = (char *)"test-site.json";
	fixture->site.variables = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	fixture->site.pipelines = g_hash_table_new(g_str_hash, g_str_equal);
	fixture->site.groups = g_hash_table_new(g_str_hash, g_str_equal);
	g_hash_table_insert(
	    fixture->site.groups, (gpointer) "fixture", fixture); /* where the scripts find it */
	fixture->site.candidates = g_ptr_array_new();
	fixture->site.identities = g_ptr_array_new();
	fixture->site.login_attempts = 4;
	fixture_open_db(fixture);
	fixture->pipeline = g_new0(PvPipeline, 1);
	fixture->pipeline->name = (char *)"test";
	fixture->pipeline->stages = g_ptr_array_new_with_free_func(fixture_stage_free);
	g_hash_table_insert(fixture->site.pipelines, (gpointer) "test", fixture->pipeline);

	const PvDeviceRow row = { .uuid = (char *)TEST_UUID,
		.name = (char *)"pc-1",
		.fqdn = (char *)"pc-1.example.com",
		.status = (char *)"Unknown" };
	const PvWrite write = { .kind = PV_WRITE_DEVICE, .device = &row };
	g_assert_true(pv_db_write(fixture->site.db, &write, 1, &error));
	g_assert_no_error(error);
}

static void
fixture_tear_down(Fixture *fixture, gconstpointer unused)
{
	pv_db_unref(fixture->site.db);
	g_ptr_array_unref(fixture->pipeline->stages);
	g_free(fixture->pipeline);
	g_hash_table_unref(fixture->site.variables);
	g_hash_table_unref(fixture->site.pipelines);
	g_hash_table_unref(fixture->site.groups);
	g_ptr_array_unref(fixture->site.candidates);
	g_ptr_array_unref(fixture->site.identities);
	g_array_unref(fixture->kinds);
	g_free(fixture->last_text);
	g_autoptr(GDir) dir = g_dir_open(fixture->dir, 0, NULL);
	for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir)) {
		g_autofree char *path = g_build_filename(fixture->dir, name, NULL);
		g_unlink(path);
	}
	g_rmdir(fixture->dir);
	g_free(fixture->dir);
}

static void
fixture_note(const PvRunnerEvent *event, gpointer data)
{
	Fixture *fixture = data;
	g_array_append_val(fixture->kinds, event->kind);
	if (event->text != NULL) {
		g_free(fixture->last_text);
		fixture->last_text = g_strdup(event->text);
	}
}

static PvJobRow *
fixture_get_job(Fixture *fixture)
{
	g_autoptr(GPtrArray) jobs = pv_db_list_jobs(fixture->site.db, TEST_UUID, FALSE, NULL);
	g_assert_cmpuint(jobs->len, >, 0);
	return g_ptr_array_steal_index(jobs, 0);
}

/* Runs until nothing is left to do. */
static void
fixture_run(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvRunner) runner = pv_runner_new(&fixture->site, 4, fixture_note, fixture);
	const char *const uuids[] = { TEST_UUID, NULL };
	pv_runner_set_devices(runner, uuids);
	if (!pv_engine_enqueue(&fixture->site, TEST_UUID, "test", &error)) {
		g_assert_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS);
		g_clear_error(&error);
	}
	pv_runner_start(runner);
	g_assert_true(pv_runner_wait(runner, &error));
	g_assert_no_error(error);
}

static char *
fixture_dup_outcome(Fixture *fixture, guint index)
{
	g_autoptr(PvJobRow) job = fixture_get_job(fixture);
	g_autoptr(GPtrArray) results = pv_db_list_results(fixture->site.db, job->id, NULL);
	for (guint i = 0; i < results->len; i++) {
		const PvResultRow *row = results->pdata[i];
		if (row->index == index)
			return g_strdup(row->outcome);
	}
	return g_strdup("none");
}

static void
engine_test_done_then_already(Fixture *fixture, gconstpointer unused)
{
	fixture_add_stage(fixture, "a", NULL);
	fixture_add_stage(fixture, "b", NULL);
	fixture_run(fixture);
	g_autoptr(PvJobRow) job = fixture_get_job(fixture);
	g_autofree char *outcome = fixture_dup_outcome(fixture, 1);
	g_assert_cmpstr(job->state, ==, "done");
	g_assert_cmpstr(outcome, ==, "done");
	g_assert_cmpint(fixture_get(fixture, "a")->planned, ==, 2);
	g_assert_cmpint(fixture_get(fixture, "a")->applied, ==, 1);
	g_autoptr(PvDeviceRow) device = pv_db_find_device(fixture->site.db, TEST_UUID, NULL);
	g_assert_cmpstr(device->status, ==, "Provisioned");

	fixture_run(fixture);
	g_autofree char *again = fixture_dup_outcome(fixture, 0);
	g_assert_cmpstr(again, ==, "already");
	g_assert_cmpint(fixture_get(fixture, "a")->applied, ==, 1);
}

/* What comes with a job comes with it or not at all: an unfinished one is not led astray. */
static void
engine_test_enqueue_with(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	const PvWrite fact = {
		.kind = PV_WRITE_FACT, .uuid = TEST_UUID, .name = "amt.state", .value = "setup"
	};
	g_assert_true(pv_engine_enqueue(&fixture->site, TEST_UUID, "test", &error));
	g_assert_false(pv_engine_enqueue_with(&fixture->site, TEST_UUID, "test", &fact, 1, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS);
	g_autoptr(GHashTable) facts = pv_db_get_facts(fixture->site.db, TEST_UUID, NULL);
	g_assert_false(g_hash_table_contains(facts, "amt.state"));
}

static void
engine_test_did_not_take(Fixture *fixture, gconstpointer unused)
{
	fixture_add_stage(fixture, "a", NULL);
	fixture_get(fixture, "a")->stubborn = 1;
	fixture_run(fixture);
	g_autoptr(PvJobRow) job = fixture_get_job(fixture);
	g_assert_cmpstr(job->state, ==, "failed");
	g_assert_cmpstr(job->code, ==, "failed");
	g_assert_nonnull(strstr(job->text, "thing value is \"0\", should be \"1\""));
}

/* What a device says at length is not kept at that length. */
static void
engine_test_bounds_texts(Fixture *fixture, gconstpointer unused)
{
	fixture_add_stage(fixture, "a", NULL);
	fixture_get(fixture, "a")->stubborn = 1;
	fixture_get(fixture, "a")->verbose = 1;
	fixture_run(fixture);
	g_autoptr(PvJobRow) job = fixture_get_job(fixture);
	g_assert_cmpstr(job->state, ==, "failed");
	g_assert_true(g_str_has_prefix(job->text, "stage scripted: did not take effect: "));
	g_assert_cmpuint(strlen(job->text), <, 5000);
	g_autoptr(PvPlan) plan = pv_plan_new();
	g_autofree char *endless = g_strnfill(1024 * 1024, 'x');
	pv_plan_add(plan, "thing", "value", endless, "1");
	g_autofree char *json = pv_plan_to_json(plan);
	g_assert_cmpuint(strlen(json), <, 2000);
}

static void
engine_test_contract(Fixture *fixture, gconstpointer unused)
{
	fixture_add_stage(fixture, "a", NULL);
	fixture_get(fixture, "a")->silent = 1;
	fixture_run(fixture);
	g_autoptr(PvJobRow) job = fixture_get_job(fixture);
	g_assert_cmpstr(job->state, ==, "failed");
	g_assert_nonnull(strstr(job->text, "plan failed without an error"));
}

static void
engine_test_retry(Fixture *fixture, gconstpointer unused)
{
	fixture_add_stage(fixture, "a", NULL);
	fixture_get(fixture, "a")->failures = 1;
	fixture_get(fixture, "a")->code = PV_ERROR_UNREACHABLE;
	fixture_run(fixture);
	g_autoptr(PvJobRow) job = fixture_get_job(fixture);
	g_assert_cmpstr(job->state, ==, "done");
	g_assert_cmpint(fixture_get(fixture, "a")->applied, ==, 2);
}

static void
engine_test_retry_ends(Fixture *fixture, gconstpointer unused)
{
	fixture_add_stage(fixture, "a", NULL);
	fixture_get(fixture, "a")->failures = 100;
	fixture_get(fixture, "a")->code = PV_ERROR_UNREACHABLE;
	fixture_run(fixture);
	g_autoptr(PvJobRow) job = fixture_get_job(fixture);
	g_assert_cmpstr(job->state, ==, "failed");
	g_assert_cmpstr(job->code, ==, "unreachable");
	g_assert_cmpint(fixture_get(fixture, "a")->applied, ==, 3);
}

static void
engine_test_no_retry(Fixture *fixture, gconstpointer data)
{
	fixture_add_stage(fixture, "a", NULL);
	fixture_get(fixture, "a")->failures = 100;
	fixture_get(fixture, "a")->code = GPOINTER_TO_INT(data);
	fixture_run(fixture);
	g_assert_cmpint(fixture_get(fixture, "a")->applied, ==, 1);
}

static void
engine_test_auth_status(Fixture *fixture, gconstpointer unused)
{
	engine_test_no_retry(fixture, GINT_TO_POINTER(PV_ERROR_AUTH));
	g_autoptr(PvDeviceRow) device = pv_db_find_device(fixture->site.db, TEST_UUID, NULL);
	g_assert_cmpstr(device->status, ==, "Detected");
}

static void
engine_test_wait(Fixture *fixture, gconstpointer unused)
{
	fixture_add_stage(fixture, "a", NULL);
	fixture_get(fixture, "a")->waits = 1;
	fixture_run(fixture);
	g_autoptr(PvJobRow) job = fixture_get_job(fixture);
	g_autoptr(GHashTable) facts = pv_db_get_facts(fixture->site.db, TEST_UUID, NULL);
	g_assert_cmpstr(job->state, ==, "done");
	g_assert_cmpuint(job->attempts, ==, 0);
	g_assert_cmpstr(g_hash_table_lookup(facts, "waited"), ==, "yes");
	gboolean parked = FALSE;
	for (guint i = 0; i < fixture->kinds->len; i++)
		parked = parked || g_array_index(fixture->kinds, PvRunnerEventKind, i) ==
				       PV_RUNNER_JOB_PARKED;
	g_assert_true(parked);
}

static void
engine_test_wait_is_bounded(Fixture *fixture, gconstpointer unused)
{
	fixture_add_stage(fixture, "a", NULL);
	PvPipelineStage *entry = fixture->pipeline->stages->pdata[0];
	entry->timeout_sec = 1;
	entry->retries = 0;
	fixture_get(fixture, "a")->waits = 1000;
	fixture_run(fixture);
	g_autoptr(PvJobRow) job = fixture_get_job(fixture);
	g_assert_cmpstr(job->state, ==, "failed");
	g_assert_nonnull(strstr(job->text, "not done within its 1 s"));
}

/* Stopping in the middle gives the job back at its stage; the next runner goes on there. */
static void
engine_test_stop_and_resume(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	fixture_add_stage(fixture, "a", NULL);
	fixture_add_stage(fixture, "b", NULL);
	fixture_get(fixture, "b")->hang = 1;
	g_assert_true(pv_engine_enqueue(&fixture->site, TEST_UUID, "test", &error));
	PvRunner *runner = pv_runner_new(&fixture->site, 2, fixture_note, fixture);
	pv_runner_start(runner);
	g_mutex_lock(&fixture->lock);
	while (!fixture->hanging)
		g_cond_wait(&fixture->cond, &fixture->lock);
	g_mutex_unlock(&fixture->lock);
	pv_runner_free(runner);

	PvJobRow *job = fixture_get_job(fixture);
	g_assert_cmpstr(job->state, ==, "queued");
	g_assert_cmpuint(job->stage, ==, 1);
	g_assert_null(job->owner);
	pv_job_row_free(job);
	g_atomic_int_set(&fixture_get(fixture, "b")->hang, 0);
	fixture_run(fixture);
	job = fixture_get_job(fixture);
	g_assert_cmpstr(job->state, ==, "done");
	g_assert_cmpint(fixture_get(fixture, "a")->applied, ==, 1);
	pv_job_row_free(job);
}

/* A job that is cancelled while it runs is not recorded any further, and the runner has nothing left to do. */
static void
engine_test_cancelled_elsewhere(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	fixture_add_stage(fixture, "a", NULL);
	PvPipelineStage *entry = fixture->pipeline->stages->pdata[0];
	entry->timeout_sec = 1; /* ends the hang */
	fixture_get(fixture, "a")->hang = 1;
	g_assert_true(pv_engine_enqueue(&fixture->site, TEST_UUID, "test", &error));
	g_autoptr(PvRunner) runner = pv_runner_new(&fixture->site, 2, fixture_note, fixture);
	pv_runner_start(runner);
	g_mutex_lock(&fixture->lock);
	while (!fixture->hanging)
		g_cond_wait(&fixture->cond, &fixture->lock);
	g_mutex_unlock(&fixture->lock);

	PvJobRow *job = fixture_get_job(fixture);
	g_assert_cmpstr(job->state, ==, "running");
	g_free(job->state);
	job->state = g_strdup("cancelled");
	g_clear_pointer(&job->owner, g_free);
	const PvWrite write = { .kind = PV_WRITE_JOB, .job = job };
	g_assert_true(pv_db_write(fixture->site.db, &write, 1, &error));
	pv_job_row_free(job);
	g_assert_true(pv_runner_wait(runner, &error));
	g_assert_no_error(error);
	job = fixture_get_job(fixture);
	g_assert_cmpstr(job->state, ==, "cancelled");
	pv_job_row_free(job);
}

/* A job that waited while its pipeline was edited looks again at what is no longer what it did. */
static void
engine_test_edited_pipeline(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	static const PvStage other_stage = {
		.type = "scripted-too",
		.summary = "test",
		.params = script_params,
		.plan = script_plan,
		.apply = script_apply,
	};
	fixture_add_stage(fixture, "a", NULL);
	fixture_add_stage(fixture, "b", NULL);
	fixture_get(fixture, "b")->hang = 1;
	g_assert_true(pv_engine_enqueue(&fixture->site, TEST_UUID, "test", &error));
	PvRunner *runner = pv_runner_new(&fixture->site, 2, fixture_note, fixture);
	pv_runner_start(runner);
	g_mutex_lock(&fixture->lock);
	while (!fixture->hanging)
		g_cond_wait(&fixture->cond, &fixture->lock);
	g_mutex_unlock(&fixture->lock);
	pv_runner_free(runner);

	g_atomic_int_set(&fixture_get(fixture, "b")->hang, 0);
	fixture_add_stage(fixture, "new", NULL);
	GPtrArray *stages = fixture->pipeline->stages;
	PvPipelineStage *added = g_ptr_array_steal_index(stages, stages->len - 1);
	added->stage = &other_stage;
	g_ptr_array_insert(stages, 0, added);
	fixture_run(fixture);
	g_autoptr(PvJobRow) job = fixture_get_job(fixture);
	g_assert_cmpstr(job->state, ==, "done");
	g_assert_cmpint(fixture_get(fixture, "new")->applied, ==, 1);
	g_assert_cmpint(fixture_get(fixture, "a")->applied, ==, 1);
	g_assert_cmpint(fixture_get(fixture, "b")->value, ==, 1);
}

/* Stopped between two stages, the job goes back as from within one. */
static void
engine_test_stop_between(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	fixture_add_stage(fixture, "a", NULL);
	fixture_add_stage(fixture, "b", NULL);
	fixture_get(fixture, "a")->linger = 1;
	g_assert_true(pv_engine_enqueue(&fixture->site, TEST_UUID, "test", &error));
	PvRunner *runner = pv_runner_new(&fixture->site, 2, fixture_note, fixture);
	pv_runner_start(runner);
	g_mutex_lock(&fixture->lock);
	while (!fixture->hanging)
		g_cond_wait(&fixture->cond, &fixture->lock);
	g_mutex_unlock(&fixture->lock);
	pv_runner_free(runner);

	g_autoptr(PvJobRow) job = fixture_get_job(fixture);
	g_assert_cmpstr(job->state, ==, "queued");
	g_assert_cmpuint(job->stage, ==, 1);
	/* it was told, which it is not when the store refuses the record */
	g_assert_cmpint(g_array_index(fixture->kinds, PvRunnerEventKind, fixture->kinds->len - 1),
	    ==, PV_RUNNER_JOB_ENDED);
	g_assert_cmpint(fixture_get(fixture, "b")->planned, ==, 0);
}

static void
engine_test_hang_is_bounded(Fixture *fixture, gconstpointer unused)
{
	fixture_add_stage(fixture, "a", NULL);
	PvPipelineStage *entry = fixture->pipeline->stages->pdata[0];
	entry->timeout_sec = 1;
	entry->retries = 0;
	fixture_get(fixture, "a")->hang = 1;
	fixture_run(fixture);
	g_autoptr(PvJobRow) job = fixture_get_job(fixture);
	g_assert_cmpstr(job->state, ==, "failed");
	g_assert_cmpstr(job->text, ==, "stage scripted: not done within its 1 s");
}

/* A stage that is done in the moment in which its time is over leaves the next one its own. */
static void
engine_test_done_late(Fixture *fixture, gconstpointer unused)
{
	fixture_add_stage(fixture, "a", NULL);
	fixture_add_stage(fixture, "b", NULL);
	for (guint i = 0; i < 2; i++)
		((PvPipelineStage *)fixture->pipeline->stages->pdata[i])->retries = 0;
	((PvPipelineStage *)fixture->pipeline->stages->pdata[0])->timeout_sec = 1;
	fixture_get(fixture, "a")->linger = 1;
	fixture_run(fixture);
	g_autoptr(PvJobRow) job = fixture_get_job(fixture);
	g_assert_cmpstr(job->text, ==, NULL);
	g_assert_cmpstr(job->state, ==, "done");
	g_assert_cmpint(fixture_get(fixture, "a")->planned, ==, 1);
	g_assert_cmpint(fixture_get(fixture, "b")->applied, ==, 1);
}

static void
engine_test_when(Fixture *fixture, gconstpointer unused)
{
	fixture_add_stage(fixture, "a", "device.wireless");
	fixture_add_stage(fixture, "b", "!device.wireless");
	fixture_run(fixture);
	g_autofree char *skipped = fixture_dup_outcome(fixture, 0);
	g_autofree char *done = fixture_dup_outcome(fixture, 1);
	g_assert_cmpstr(skipped, ==, "skipped");
	g_assert_cmpstr(done, ==, "done");
	g_assert_cmpint(fixture_get(fixture, "a")->planned, ==, 0);
}

static void
engine_test_one_job_a_device(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	fixture_add_stage(fixture, "a", NULL);
	g_assert_true(pv_engine_enqueue(&fixture->site, TEST_UUID, "test", &error));
	g_assert_false(pv_engine_enqueue(&fixture->site, TEST_UUID, "test", &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS);
}

static void
engine_test_dry_run(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	fixture_add_stage(fixture, "a", NULL);
	fixture_add_stage(fixture, "b", NULL);
	fixture_get(fixture, "b")->value = 1;
	g_autoptr(PvDeviceRow) device = pv_db_find_device(fixture->site.db, TEST_UUID, &error);
	g_autoptr(GPtrArray) rows =
	    pv_engine_plan(&fixture->site, device, fixture->pipeline, NULL, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(rows->len, ==, 2);
	const PvStagePlan *first = rows->pdata[0], *second = rows->pdata[1];
	g_assert_cmpstr(first->outcome, ==, "changes");
	g_assert_cmpstr(pv_plan_get(first->plan, 0)->to, ==, "1");
	g_assert_cmpstr(second->outcome, ==, "already");
	g_assert_cmpint(fixture_get(fixture, "a")->applied, ==, 0);
	g_autoptr(GHashTable) facts = pv_db_get_facts(fixture->site.db, TEST_UUID, NULL);
	g_assert_cmpuint(g_hash_table_size(facts), ==, 0);
}

/* clang-format off */
static const PvParam credential_params[] = {
	{ .name = "user", .kind = PV_PARAM_STRING, .summary = "user" },
	{ .name = "password", .kind = PV_PARAM_SECRET, .summary = "password" },
	{ NULL },
};
/* clang-format on */

/* Gives the site four logins, admin with the passwords 0 to 3. */
static GPtrArray *
login_add_candidates(Fixture *fixture)
{
	GPtrArray *owned = g_ptr_array_new_with_free_func((GDestroyNotify)pv_values_unref);
	g_autofree char *name = g_build_filename(fixture->dir, "site.json", NULL);
	for (guint i = 0; i < 4; i++) {
		g_autofree char *file = g_strdup_printf("%s/password-%u", fixture->dir, i);
		g_autofree char *password = g_strdup_printf("%u", i);
		g_autofree char *text = g_strdup_printf(
		    "{\"user\": \"admin\", \"password\": {\"file\": \"%s\"}}", file);
		g_assert_true(g_file_set_contents_full(
		    file, password, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
		g_autoptr(PvJson) json = pv_json_parse(name, text, -1, NULL);
		PvCandidate *candidate = g_new0(PvCandidate, 1);
		candidate->user = (char *)"admin";
		candidate->values = pv_values_parse(json, "$", credential_params, NULL, NULL);
		g_ptr_array_add(owned, candidate->values);
		g_ptr_array_add(fixture->site.candidates, candidate);
	}
	g_ptr_array_set_free_func(fixture->site.candidates, g_free);
	return owned;
}

static PvJob *
login_new_job(Fixture *fixture)
{
	g_autoptr(PvDeviceRow) device = pv_db_find_device(fixture->site.db, TEST_UUID, NULL);
	return pv_job_new(
	    &fixture->site, device, pv_db_get_facts(fixture->site.db, TEST_UUID, NULL), NULL);
}

/* The attempt's password; "end" behind the last one, "locked" when no more may be sent. */
static char *
login_dup_next(PvJob *job, guint attempt)
{
	g_autofree char *user = NULL;
	g_autoptr(PvSecret) password = NULL;
	g_autoptr(GError) error = NULL;
	if (!pv_job_next_login(job, "Digest:1", attempt, &user, &password, &error)) {
		g_assert_error(error, PV_ERROR, PV_ERROR_AUTH);
		return g_strdup("locked");
	}
	return g_strdup(password != NULL ? pv_secret_peek(password, NULL) : "end");
}

static void
login_test_order(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GPtrArray) owned = login_add_candidates(fixture);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) current = pv_secret_new("current", -1);
	g_autoptr(PvSecret) pending = pv_secret_new("pending", -1);
	g_assert_true(
	    pv_db_put_secret(fixture->site.db, TEST_UUID, "admin", "current", current, &error));
	g_assert_true(
	    pv_db_put_secret(fixture->site.db, TEST_UUID, "admin", "pending", pending, &error));
	static const char *const wanted[] = { "pending", "current", "0", "1", "end" };
	g_autoptr(PvJob) job = login_new_job(fixture);
	for (guint i = 0; i < G_N_ELEMENTS(wanted); i++) {
		g_autofree char *got = login_dup_next(job, i);
		g_assert_cmpstr(got, ==, wanted[i]);
	}
}

/* A site with a single password knocks once a job; that counts, too. */
static void
login_test_single_counts(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GPtrArray) owned = login_add_candidates(fixture);
	fixture->site.login_attempts = 1;
	guint sent = 0;
	for (guint run = 0; run < 20; run++) {
		g_autoptr(PvJob) job = login_new_job(fixture);
		g_autofree char *got = login_dup_next(job, 0);
		if (g_str_equal(got, "locked"))
			continue;
		sent++;
		g_autofree char *next = login_dup_next(job, 1);
		g_assert_cmpstr(next, ==, "end");
	}
	g_assert_cmpuint(sent, >=, 7);
	g_assert_cmpuint(sent, <, 10);
}

/* Failures that were noted by a clock that ran ahead are forgotten an hour from now and not in the year it showed. */
static void
login_test_clock_ahead(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GPtrArray) owned = login_add_candidates(fixture);
	g_autofree char *ahead =
	    g_strdup_printf("8 %" G_GINT64_FORMAT, g_get_real_time() + 365 * G_TIME_SPAN_DAY);
	const PvWrite write = {
		.kind = PV_WRITE_FACT, .uuid = TEST_UUID, .name = "login.failures", .value = ahead
	};
	g_assert_true(pv_db_write(fixture->site.db, &write, 1, NULL));
	g_autoptr(PvJob) job = login_new_job(fixture);
	g_autofree char *got = login_dup_next(job, 0);
	g_assert_cmpstr(got, ==, "locked");
	g_autoptr(GHashTable) facts = pv_db_get_facts(fixture->site.db, TEST_UUID, NULL);
	const char *fact = g_hash_table_lookup(facts, "login.failures");
	g_assert_true(g_str_has_prefix(fact, "8 "));
	g_assert_cmpint(g_ascii_strtoll(fact + 2, NULL, 10), <=, g_get_real_time());
}

/* Ten failures lock the device: over any number of jobs fewer are sent, until an hour has passed. */
static void
login_test_stops_before_lock(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GPtrArray) owned = login_add_candidates(fixture);
	guint sent = 0;
	for (guint run = 0; run < 5; run++) {
		g_autoptr(PvJob) job = login_new_job(fixture);
		for (guint attempt = 0; attempt < 4; attempt++) {
			g_autofree char *got = login_dup_next(job, attempt);
			if (g_str_equal(got, "locked"))
				break;
			sent++;
		}
	}
	g_assert_cmpuint(sent, >=, 7);
	g_assert_cmpuint(sent, <, 10);

	/* one that works takes the count back */
	g_autoptr(GError) error = NULL;
	g_autofree char *old =
	    g_strdup_printf("8 %" G_GINT64_FORMAT, g_get_real_time() - 2 * G_TIME_SPAN_HOUR);
	const PvWrite write = {
		.kind = PV_WRITE_FACT, .uuid = TEST_UUID, .name = "login.failures", .value = old
	};
	g_assert_true(pv_db_write(fixture->site.db, &write, 1, &error));
	g_autoptr(PvJob) job = login_new_job(fixture);
	g_autofree char *got = login_dup_next(job, 0);
	g_assert_cmpstr(got, ==, "0");
	pv_job_login_worked(job, 0);
	g_autoptr(GHashTable) facts = pv_db_get_facts(fixture->site.db, TEST_UUID, NULL);
	g_assert_null(g_hash_table_lookup(facts, "login.failures"));
}

static void
password_test_unique(void)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < 1000; i++) {
		g_autoptr(PvSecret) secret = pv_password_new(20, NULL);
		gsize length = 0;
		const char *text = pv_secret_peek(secret, &length);
		g_assert_cmpuint(length, ==, 20);
		gboolean upper = FALSE, lower = FALSE, digit = FALSE, symbol = FALSE;
		for (const char *c = text; *c != '\0'; c++) {
			upper = upper || g_ascii_isupper(*c);
			lower = lower || g_ascii_islower(*c);
			digit = digit || g_ascii_isdigit(*c);
			symbol = symbol || (g_ascii_ispunct(*c) && *c != '_');
			g_assert_null(strchr(":,\"_ ", *c));
		}
		g_assert_true(upper && lower && digit && symbol);
		g_assert_true(g_hash_table_add(seen, g_strdup(text)));
	}
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_password_new(7, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
}

/* What a stage must not forget is in the store before its result is; a dry run leaves nothing there. */
static void
engine_test_save_facts(Fixture *fixture, gconstpointer unused)
{
	const PvDeviceRow row = { .uuid = (char *)TEST_UUID,
		.name = (char *)"pc-1",
		.status = (char *)"Unknown" };
	for (gboolean dry_run = TRUE; dry_run >= FALSE; dry_run--) {
		g_autoptr(GError) error = NULL;
		GHashTable *facts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
		PvJob *job = pv_job_new(&fixture->site, &row, facts, NULL);
		pv_job_set_dry_run(job, dry_run);
		pv_job_set_fact(job, "key.claimed", "1");
		g_assert_true(pv_job_save_facts(job, &error));
		g_assert_no_error(error);
		g_autoptr(GArray) left = pv_job_take_fact_writes(job);
		g_assert_cmpuint(left->len, ==, dry_run ? 1 : 0);
		pv_job_free(job);
		g_autoptr(GHashTable) saved = pv_db_get_facts(fixture->site.db, TEST_UUID, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(
		    g_hash_table_lookup(saved, "key.claimed"), ==, dry_run ? NULL : "1");
	}
}

/* failures are what is tested here; they are read from the store */
static GLogWriterOutput
test_quiet(GLogLevelFlags level, const GLogField *fields, gsize count, gpointer data)
{
	return (level & G_LOG_LEVEL_WARNING) != 0
		   ? G_LOG_WRITER_HANDLED
		   : g_log_writer_standard_streams(level, fields, count, data);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	pv_net_init();
	g_log_set_writer_func(test_quiet, NULL, NULL);
#define ADD(path, function) \
	g_test_add(path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)
	ADD("/engine/done-then-already", engine_test_done_then_already);
	ADD("/requirements/S12-12.1/result-a-stage", engine_test_done_then_already);
	ADD("/requirements/S12-12.2/status", engine_test_auth_status);
	ADD("/engine/did-not-take-effect", engine_test_did_not_take);
	ADD("/engine/bounds-texts", engine_test_bounds_texts);
	ADD("/engine/contract-broken", engine_test_contract);
	ADD("/engine/retry", engine_test_retry);
	ADD("/engine/retry-ends", engine_test_retry_ends);
	g_test_add("/engine/no-retry/auth", Fixture, GINT_TO_POINTER(PV_ERROR_AUTH), fixture_set_up,
	    engine_test_no_retry, fixture_tear_down);
	g_test_add("/engine/no-retry/config", Fixture, GINT_TO_POINTER(PV_ERROR_CONFIG),
	    fixture_set_up, engine_test_no_retry, fixture_tear_down);
	g_test_add("/engine/no-retry/rejected", Fixture, GINT_TO_POINTER(PV_ERROR_REJECTED),
	    fixture_set_up, engine_test_no_retry, fixture_tear_down);
	ADD("/engine/wait", engine_test_wait);
	ADD("/engine/wait-is-bounded", engine_test_wait_is_bounded);
	ADD("/engine/stop-and-resume", engine_test_stop_and_resume);
	ADD("/engine/stop-between", engine_test_stop_between);
	ADD("/engine/edited-pipeline", engine_test_edited_pipeline);
	ADD("/engine/cancelled-elsewhere", engine_test_cancelled_elsewhere);
	ADD("/engine/hang-is-bounded", engine_test_hang_is_bounded);
	ADD("/engine/done-late", engine_test_done_late);
	ADD("/engine/when", engine_test_when);
	ADD("/engine/one-job-a-device", engine_test_one_job_a_device);
	ADD("/engine/enqueue-with", engine_test_enqueue_with);
	ADD("/engine/dry-run", engine_test_dry_run);
	ADD("/engine/save-facts", engine_test_save_facts);
	ADD("/engine/login/pending-first", login_test_order);
	ADD("/requirements/S12-09.1/stops-before-the-lock", login_test_stops_before_lock);
	ADD("/engine/login/single-counts", login_test_single_counts);
	ADD("/engine/login/clock-ahead", login_test_clock_ahead);
	g_test_add_func("/requirements/S12-10.5/unique-and-strong", password_test_unique);
	return g_test_run();
}
