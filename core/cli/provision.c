/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>

#include "core/cli/commands.h"
#include "core/cli/progress.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PROVISION_DRAW_MSEC 125

/* one run of the runner over some devices */
typedef struct {
	PvCli *cli;
	PvRunner *runner;
	PvProgress *progress;
	GMainLoop *loop;
	GError *error; /* of pv_runner_wait(); set before the loop ends */
	gboolean interrupted;
	guint sources[3]; /* 0: gone */
} Provision;

/* what became of one device */
typedef struct {
	PvDeviceRow *row;
	PvJobRow *job; /* NULL: none */
	guint ended, changes; /* stages and changes of the job */
	gint64 spent_usec;
} ProvisionResult;

static void
provision_result_free(gpointer data)
{
	ProvisionResult *result = data;
	pv_device_row_free(result->row);
	pv_job_row_free(result->job);
	g_free(result);
}

/* the site's name for the pipeline of --pipeline or the device's group */
static const char *
provision_find_pipeline(PvCli *cli, const PvDeviceRow *row, GError **error)
{
	const char *pipeline = pv_cli_get(cli, "pipeline");
	if (pipeline != NULL)
		return pipeline;
	if (pv_site_find_pipeline(cli->site, row->group, error) == NULL)
		return NULL;
	const PvGroup *group = row->group != NULL ? pv_site_find_group(cli->site, row->group) : NULL;
	return group != NULL ? group->pipeline : cli->site->default_pipeline;
}

/* @runnable: takes the devices that can have a job; the others are told of */
static gboolean
provision_enqueue(PvCli *cli, GPtrArray *rows, GPtrArray *runnable)
{
	for (guint i = 0; i < rows->len; i++) {
		const PvDeviceRow *row = g_ptr_array_index(rows, i);
		g_autoptr(GError) error = NULL;
		const char *pipeline = provision_find_pipeline(cli, row, &error);
		if (pipeline != NULL &&
		    !pv_engine_check_certificate(cli->site, row->uuid, pipeline, &error)) {
			/* one that is managed already needs no such certificate, and goes on */
			pv_cli_warn(cli, "%s: %s", row->name, error->message);
			continue;
		}
		g_ptr_array_add(runnable, (gpointer)row);
		if (pipeline != NULL && pv_engine_enqueue(cli->site, row->uuid, pipeline, &error))
			continue;
		if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_EXISTS)) {
			g_prefix_error(&error, "%s: ", row->name);
			(void)pv_cli_fail(cli, error); /* the caller's code is the same */
			return FALSE;
		}
		pv_cli_note(cli, _("%s: an unfinished job goes on"), row->name);
	}
	return TRUE;
}

static gboolean
provision_quit(gpointer data)
{
	Provision *run = data;
	g_main_loop_quit(run->loop);
	return G_SOURCE_REMOVE;
}

/* The runner's wait blocks, and the main thread has signals to take and lines to draw. */
static gpointer
provision_wait(gpointer data)
{
	Provision *run = data;
	(void)pv_runner_wait(run->runner, &run->error); /* the error is asked after the loop */
	/* never at once on this thread, where it could come before the loop runs */
	g_idle_add(provision_quit, run);
	return NULL;
}

static gboolean
provision_draw(gpointer data)
{
	pv_progress_draw(((Provision *)data)->progress);
	return G_SOURCE_CONTINUE;
}

/* First signal: jobs go back to their queue. With the handlers gone, a second one ends the process where it
 * stands, which the next run makes good like any other crash. */
static gboolean
provision_interrupt(Provision *run)
{
	run->interrupted = TRUE;
	pv_progress_say(run->progress,
	    _("stopping; what is not finished goes on next time (once more to leave at once)"));
	for (guint i = 0; i < 2; i++)
		g_clear_handle_id(&run->sources[i], g_source_remove);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	pv_runner_stop(run->runner);
	return G_SOURCE_REMOVE;
}

static gboolean
provision_on_signal(gpointer data)
{
	return provision_interrupt(data);
}

/* TRUE: all jobs have ended, well or not */
static gboolean
provision_run_jobs(Provision *run, GPtrArray *rows, guint workers)
{
	PvCli *cli = run->cli;
	g_autoptr(GPtrArray) uuids = g_ptr_array_new();
	for (guint i = 0; i < rows->len; i++)
		g_ptr_array_add(uuids, ((PvDeviceRow *)g_ptr_array_index(rows, i))->uuid);
	g_ptr_array_add(uuids, NULL);

	PvProgressMode mode = cli->quiet			       ? PV_PROGRESS_NONE
			      : isatty(STDERR_FILENO) && !cli->verbose ? PV_PROGRESS_BLOCK
								       : PV_PROGRESS_LINES;
	g_autoptr(PvProgress) progress = pv_progress_new(mode, cli->colour_err, rows, stderr);
	g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
	g_autoptr(PvRunner) runner = pv_runner_new(cli->site, workers, pv_progress_event, progress);
	pv_runner_set_devices(runner, (const char *const *)uuids->pdata);
	pv_runner_set_trace_dir(runner, pv_cli_get(cli, "trace"));
	run->progress = progress;
	run->loop = loop;
	run->runner = runner;
	run->sources[0] = g_unix_signal_add(SIGINT, provision_on_signal, run);
	run->sources[1] = g_unix_signal_add(SIGTERM, provision_on_signal, run);
	run->sources[2] = g_timeout_add(PROVISION_DRAW_MSEC, provision_draw, run);
	pv_runner_start(runner);
	GThread *waiter = g_thread_new("provision-wait", provision_wait, run);
	g_main_loop_run(loop);
	g_thread_join(waiter);
	for (guint i = 0; i < G_N_ELEMENTS(run->sources); i++)
		g_clear_handle_id(&run->sources[i], g_source_remove);
	/* before the progress that its threads write to */
	pv_runner_stop(runner);
	return run->error == NULL;
}

static guint
provision_count_changes(const char *changes)
{
	g_autoptr(JsonNode) node = changes != NULL ? json_from_string(changes, NULL) : NULL;
	return node != NULL && JSON_NODE_HOLDS_ARRAY(node)
		   ? json_array_get_length(json_node_get_array(node))
		   : 0;
}

static gboolean
provision_add_stages(PvCli *cli, ProvisionResult *result, GError **error)
{
	g_autoptr(GPtrArray) stages = pv_db_list_results(cli->site->db, result->job->id, error);
	if (stages == NULL)
		return FALSE;
	for (guint i = 0; i < stages->len; i++) {
		const PvResultRow *stage = g_ptr_array_index(stages, i);
		result->ended += !g_str_equal(stage->outcome, "failed");
		result->changes += provision_count_changes(stage->changes);
		/* waits between the stages belong to nobody; what the stages took is the sum of theirs */
		result->spent_usec += MAX(stage->end_usec - stage->begin_usec, 0);
	}
	return TRUE;
}

static GPtrArray *
provision_collect(PvCli *cli, GPtrArray *rows, GError **error)
{
	g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func(provision_result_free);
	for (guint i = 0; i < rows->len; i++) {
		const PvDeviceRow *row = g_ptr_array_index(rows, i);
		ProvisionResult *result = g_new0(ProvisionResult, 1);
		g_ptr_array_add(results, result);
		result->row = pv_db_find_device(cli->site->db, row->uuid, error);
		if (result->row == NULL)
			return NULL;
		g_autoptr(GError) local = NULL;
		result->job = pv_cli_find_job(cli, row->uuid, &local);
		if (local != NULL) {
			g_propagate_error(error, g_steal_pointer(&local));
			return NULL;
		}
		if (result->job != NULL && !provision_add_stages(cli, result, error))
			return NULL;
	}
	return g_steal_pointer(&results);
}

static gboolean
provision_is_good(const ProvisionResult *result)
{
	return result->job != NULL && g_str_equal(result->job->state, "done") &&
	       g_strcmp0(result->row->status, "Provisioned") == 0;
}

static void
provision_print_json(PvCli *cli, GPtrArray *results)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "devices");
	json_builder_begin_array(builder);
	for (guint i = 0; i < results->len; i++) {
		const ProvisionResult *result = g_ptr_array_index(results, i);
		json_builder_begin_object(builder);
		pv_build_device(builder, result->row);
		pv_build_job(builder, "job", result->job);
		pv_build_int(builder, "stages_done", result->ended);
		pv_build_int(builder, "changes", result->changes);
		pv_build_int(builder, "spent_usec", result->spent_usec);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	pv_cli_print_json(cli, builder, FALSE);
}

static void
provision_print_table(PvCli *cli, GPtrArray *results)
{
	const char *const titles[] = { _("DEVICE"), _("STATE"), _("STAGES"), _("CHANGES"),
		_("TIME"), _("LAST ERROR"), NULL };
	g_autoptr(PvTable) table = pv_table_new(titles);
	guint good = 0;
	for (guint i = 0; i < results->len; i++) {
		const ProvisionResult *result = g_ptr_array_index(results, i);
		const PvJobRow *job = result->job;
		gboolean done = job != NULL && g_str_equal(job->state, "done");
		const char *state = done || job == NULL ? result->row->status : job->state;
		const PvPipeline *pipeline =
		    job != NULL ? g_hash_table_lookup(cli->site->pipelines, job->pipeline) : NULL;
		g_autofree char *stages = pipeline != NULL ? g_strdup_printf("%u/%u", result->ended,
								 pipeline->stages->len)
							   : g_strdup_printf("%u", result->ended);
		g_autofree char *changes = g_strdup_printf("%u", result->changes);
		g_autofree char *time = pv_text_format_duration(result->spent_usec);
		pv_table_add(table, result->row->name, state, stages, changes, time,
		    done || job == NULL ? NULL : job->text);
		pv_table_set_style(table, 1, pv_cli_get_status_style(state));
		good += provision_is_good(result);
	}
	pv_cli_print_table(cli, table);
	g_autofree char *sum = g_strdup_printf(_("%u of %u Provisioned\n"), good, results->len);
	pv_cli_print(cli, sum);
}

static int
provision_report(PvCli *cli, GPtrArray *rows, gboolean interrupted)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) results = provision_collect(cli, rows, &error);
	if (results == NULL)
		return pv_cli_fail(cli, error);
	if (cli->json)
		provision_print_json(cli, results);
	else
		provision_print_table(cli, results);
	for (guint i = 0; i < results->len; i++) {
		if (!provision_is_good(g_ptr_array_index(results, i)))
			return interrupted ? PV_EXIT_INTERRUPTED : PV_EXIT_FAILURE;
	}
	return PV_EXIT_OK;
}

static gboolean
provision_check_options(PvCli *cli)
{
	const char *pipeline = pv_cli_get(cli, "pipeline"), *trace = pv_cli_get(cli, "trace");
	if (pipeline != NULL && !g_hash_table_contains(cli->site->pipelines, pipeline)) {
		pv_cli_warn(cli, _("unknown pipeline \"%s\": %s does not list it"), pipeline,
		    cli->site->file);
		return FALSE;
	}
	if (trace != NULL && g_mkdir_with_parents(trace, 0700) != 0) {
		pv_cli_warn(cli, _("make folder %s: %s"), trace, g_strerror(errno));
		return FALSE;
	}
	return TRUE;
}

static int
provision_run(PvCli *cli)
{
	guint workers = 0;
	if (!pv_cli_get_uint(cli, "jobs", 1, 1024, 0, &workers))
		return PV_EXIT_USAGE;
	int code = PV_EXIT_FAILURE;
	g_autoptr(GPtrArray) rows = pv_cli_find_devices(cli, pv_cli_get(cli, "group"), &code);
	if (rows == NULL)
		return code;
	if (!provision_check_options(cli))
		return PV_EXIT_FAILURE;
	g_autoptr(GPtrArray) runnable = g_ptr_array_new();
	if (!provision_enqueue(cli, rows, runnable))
		return PV_EXIT_FAILURE;
	Provision run = { .cli = cli };
	/* without any device there is nothing to wait for, and a runner without a list would take all jobs */
	if (runnable->len > 0 &&
	    !provision_run_jobs(&run, runnable, workers != 0 ? workers : cli->site->workers)) {
		g_autoptr(GError) error = run.error;
		return pv_cli_fail(cli, error);
	}
	int reported = provision_report(cli, rows, run.interrupted);
	return reported == PV_EXIT_OK && runnable->len < rows->len ? PV_EXIT_FAILURE : reported;
}

static const PvOption provision_options[] = {
	PV_CLI_DEVICE_OPTIONS,
	{ "pipeline", 'p', "PIPELINE", N_("this pipeline of the site, not that of the group") },
	{ "jobs", 0, "N", N_("devices at a time, 1 to 1024; else as the site says") },
	{ "trace", 0, "DIR", N_("write what is said to the devices to DIR, without secrets") },
	{ NULL },
};

const PvCommand pv_command_provision = {
	.name = "provision",
	.arguments = "DEVICE...",
	.most = G_MAXUINT,
	.summary = N_("Takes devices to Provisioned"),
	.text = N_("Runs the pipeline on every device named, many at a time, and shows the "
		   "outcome. Devices that\n"
		   "are right already stay untouched. Ctrl-C stops at a safe point; the same "
		   "command goes on there.\n"
		   "DEVICE is a UUID, an FQDN or a short name."),
	.options = provision_options,
	.run = provision_run,
};
