/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"
#include "core/cli/edit.h"

#include <glib/gi18n.h>

/* The active job of a device; NULL without an error: there is none. */
static PvJobRow *
cancel_find_job(PvCli *cli, const PvDeviceRow *row, GError **error)
{
	g_autoptr(GPtrArray) jobs = pv_db_list_jobs(cli->site->db, row->uuid, TRUE, error);
	return jobs != NULL && jobs->len > 0 ? g_ptr_array_steal_index(jobs, 0) : NULL;
}

/* A job that runs loses its holder: the process that has it finds out when it records the stage it is at, and stops
 * there. What the device has taken by then stays, and the next job finds it. */
static gboolean
cancel_device(PvCli *cli, const PvDeviceRow *row, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(PvJobRow) job = cancel_find_job(cli, row, &local);
	if (local != NULL) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if (job == NULL) {
		pv_cli_note(cli, _("%s has no unfinished job"), row->name);
		return TRUE;
	}
	gboolean running = g_str_equal(job->state, "running");
	g_free(job->state);
	job->state = g_strdup("cancelled");
	g_free(job->text);
	job->text = g_strdup("cancelled by hand");
	g_clear_pointer(&job->owner, g_free);
	job->lease_usec = 0;
	job->changed_usec = g_get_real_time();
	PvWrite writes[2] = { { .kind = PV_WRITE_JOB, .job = job } };
	if (!pv_edit_write(cli, writes, 1, "job-cancel", row, job->pipeline, error))
		return FALSE;
	if (running)
		pv_cli_note(
		    cli, _("cancelled the job of %s; it ends with the stage it is at"), row->name);
	else
		pv_cli_note(cli, _("cancelled the job of %s"), row->name);
	return TRUE;
}

static int
cancel_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	g_autoptr(GPtrArray) rows = pv_cli_find_devices(cli, pv_cli_get(cli, "group"), &code);
	if (rows == NULL)
		return code;
	for (guint i = 0; i < rows->len; i++) {
		g_autoptr(GError) error = NULL;
		if (!cancel_device(cli, rows->pdata[i], &error))
			return pv_cli_fail(cli, error);
	}
	return PV_EXIT_OK;
}

static const PvOption cancel_options[] = {
	PV_CLI_DEVICE_OPTIONS,
	{ NULL },
};

const PvCommand pv_command_cancel = {
	.name = "cancel",
	.arguments = "DEVICE...",
	.most = G_MAXUINT,
	.summary = N_("Cancels the unfinished jobs of devices"),
	.text =
	    N_("A job that waits ends at once, one that runs with the stage it is at. Facts and "
	       "secrets stay; the\nnext \"provost provision\" begins a new job."),
	.options = cancel_options,
	.run = cancel_run,
};
