/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"
#include "core/cli/edit.h"

#include <glib/gi18n.h>

static int
remove_device(PvCli *cli, const PvDeviceRow *row)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvJobRow) job = pv_cli_find_job(cli, row->uuid, &error);
	if (error != NULL)
		return pv_cli_fail(cli, error);
	if (!pv_edit_check_idle(cli, row, job))
		return PV_EXIT_FAILURE;
	PvWrite writes[2] = { { .kind = PV_WRITE_DELETE_DEVICE, .uuid = row->uuid } };
	if (!pv_edit_write(cli, writes, 1, "device-remove", row,
		row->fqdn != NULL ? row->fqdn : row->name, &error))
		return pv_cli_fail(cli, error);
	pv_cli_note(cli, _("removed %s with its facts, jobs and secrets"), row->name);
	return PV_EXIT_OK;
}

static int
remove_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_has(cli, "yes"))
		return pv_cli_usage(cli, _("the device's passwords would be lost for ever; say "
					   "--yes if that is wanted"));
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	g_autoptr(PvDeviceRow) row = pv_cli_find_device(cli, cli->words[0], &code);
	return row != NULL ? remove_device(cli, row) : code;
}

static const PvOption remove_options[] = {
	{ "yes", 'y', NULL, N_("yes, forget the device and its secrets") },
	{ NULL },
};

const PvCommand pv_command_remove = {
	.name = "remove",
	.arguments = "DEVICE",
	.least = 1,
	.most = 1,
	.summary = N_("Forgets a device, its passwords included"),
	.text = N_("Nothing is changed in the device, the directory or the CA."),
	.options = remove_options,
	.run = remove_run,
};
