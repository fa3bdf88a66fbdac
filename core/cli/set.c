/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"
#include "core/cli/edit.h"

#include <glib/gi18n.h>
#include <string.h>

/* names of the options given, for the audit log; values of --otp-file's kind stay out */
static char *
set_list_options(PvCli *cli, const PvOption *options)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	for (; options->name != NULL; options++) {
		if (pv_cli_has(cli, options->name))
			g_ptr_array_add(names, (gpointer)options->name);
	}
	if (names->len == 0)
		return NULL;
	g_ptr_array_add(names, NULL);
	return g_strjoinv(", ", (char **)names->pdata);
}

static gboolean
set_apply_names(PvCli *cli, PvDeviceRow *row, int *code)
{
	const char *name = pv_cli_get(cli, "name"), *fqdn = pv_cli_get(cli, "fqdn");
	if (name != NULL && !pv_edit_check_name(name)) {
		*code = pv_cli_usage(
		    cli, _("--name: letters, digits and hyphens, at most 63, are needed"));
		return FALSE;
	}
	if (fqdn != NULL && !pv_edit_check_fqdn(fqdn)) {
		*code = pv_cli_usage(
		    cli, _("--fqdn: a full host name such as pc1.example.com is needed"));
		return FALSE;
	}
	if (name != NULL) {
		g_free(row->name);
		row->name = g_strdup(name);
	}
	if (fqdn != NULL) {
		g_free(row->fqdn);
		row->fqdn = g_ascii_strdown(fqdn, -1);
	}
	return TRUE;
}

static int
set_run(PvCli *cli)
{
	g_autofree char *what = set_list_options(cli, cli->command->options);
	if (what == NULL)
		return pv_cli_usage(cli, _("give at least one option: what is to be set"));
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	g_autoptr(PvDeviceRow) row = pv_cli_find_device(cli, cli->words[0], &code);
	if (row == NULL)
		return code;
	g_autofree char *old_name = g_strdup(row->name);
	if (!set_apply_names(cli, row, &code) || !pv_edit_apply_options(cli, row, &code))
		return code;
	/* what a job may be writing just now stays as it is */
	g_clear_pointer(&row->status, g_free);
	g_autoptr(GError) error = NULL;
	PvWrite writes[2] = { { .kind = PV_WRITE_DEVICE, .device = row } };
	if (!pv_edit_write(cli, writes, 1, "device-set", row, what, &error))
		return pv_cli_fail(cli, error);
	pv_cli_note(cli, _("changed %s: %s"), old_name, what);
	return PV_EXIT_OK;
}

static const PvOption set_options[] = {
	{ "name", 0, "NAME", N_("short host name") },
	{ "fqdn", 0, "FQDN", N_("full host name") },
	PV_EDIT_OPTIONS,
	{ NULL },
};

const PvCommand pv_command_set = {
	.name = "set",
	.arguments = "DEVICE",
	.least = 1,
	.most = 1,
	.summary = N_("Changes what is known of a device"),
	.text = N_("An empty value takes away what is there: --address \"\"."),
	.options = set_options,
	.run = set_run,
};
