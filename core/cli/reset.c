/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"
#include "core/cli/edit.h"

#include <glib/gi18n.h>

static gboolean
reset_is_unfinished(const PvJobRow *job)
{
	static const char *const states[] = { "queued", "running", "parked", NULL };
	return job != NULL && g_strv_contains(states, job->state);
}

static int
reset_device(PvCli *cli, const PvDeviceRow *row)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvJobRow) job = pv_cli_find_job(cli, row->uuid, &error);
	if (error != NULL)
		return pv_cli_fail(cli, error);
	if (!pv_edit_check_idle(cli, row, job))
		return PV_EXIT_FAILURE;

	gint64 now_usec = g_get_real_time();
	PvWrite writes[4] = {
		{ .kind = PV_WRITE_CLEAR_FACTS, .uuid = row->uuid },
		{ .kind = PV_WRITE_STATUS,
		    .uuid = row->uuid,
		    .name = "Unknown",
		    .value = "reset by hand",
		    .time_usec = now_usec },
	};
	gsize count = 2;
	g_autofree char *owner = job != NULL ? g_strdup(job->owner) : NULL;
	if (reset_is_unfinished(job)) {
		g_free(job->state);
		job->state = g_strdup("cancelled");
		g_free(job->text);
		job->text = g_strdup("the device was reset by hand");
		g_clear_pointer(&job->owner, g_free);
		job->lease_usec = 0;
		job->changed_usec = now_usec;
		writes[count++] = (PvWrite) { .kind = PV_WRITE_JOB, .job = job, .owner = owner };
	}
	if (!pv_edit_write(cli, writes, count, "device-reset", row,
		"facts and status forgotten, secrets kept", &error))
		return pv_cli_fail(cli, error);
	pv_cli_note(cli,
	    _("reset %s; it is set up anew by its next hello or by \"provost provision\""),
	    row->name);
	return PV_EXIT_OK;
}

static int
reset_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	g_autoptr(PvDeviceRow) row = pv_cli_find_device(cli, cli->words[0], &code);
	return row != NULL ? reset_device(cli, row) : code;
}

const PvCommand pv_command_reset = {
	.name = "reset",
	.arguments = "DEVICE",
	.least = 1,
	.most = 1,
	.summary = N_("Forgets facts and status, for a device that was reset to factory state"),
	.text = N_("An unfinished job is cancelled. Secrets stay, for a password may still be the "
		   "device's."),
	.run = reset_run,
};
