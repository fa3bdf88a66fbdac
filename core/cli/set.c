/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"
#include "core/cli/edit.h"

#include <glib/gi18n.h>

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

static gboolean
set_device(PvCli *cli, PvDeviceRow *row, const char *what, int *code)
{
	g_autofree char *old_name = g_strdup(row->name);
	if (!set_apply_names(cli, row, code) || !pv_edit_apply_options(cli, row, code))
		return FALSE;
	/* what a job may be writing just now stays as it is */
	g_clear_pointer(&row->status, g_free);
	g_autoptr(GError) error = NULL;
	PvWrite writes[2] = { { .kind = PV_WRITE_DEVICE, .device = row } };
	if (!pv_edit_write(cli, writes, 1, "device-set", row, what, &error)) {
		*code = pv_cli_fail(cli, error);
		return FALSE;
	}
	pv_cli_note(cli, _("changed %s: %s"), old_name, what);
	return TRUE;
}

/* what only one device can have */
static const PvOption set_own_options[] = {
	{ "name", 0, "NAME", N_("short host name") },
	{ "fqdn", 0, "FQDN", N_("full host name") },
	PV_EDIT_OWN_OPTIONS,
	{ NULL },
};

static int
set_run(PvCli *cli)
{
	static const PvOption shared[] = { PV_EDIT_GROUP_OPTION, { NULL } };
	g_autofree char *own = set_list_options(cli, set_own_options);
	g_autofree char *group = set_list_options(cli, shared);
	if (own == NULL && group == NULL)
		return pv_cli_usage(cli, _("give at least one option: what is to be set"));
	if (own != NULL && cli->word_count != 1)
		return pv_cli_usage(cli, _("only --group can be set of many devices at once"));
	int code = PV_EXIT_FAILURE;
	g_autoptr(GPtrArray) rows = pv_cli_find_devices(cli, NULL, &code);
	if (rows == NULL)
		return code;
	g_autofree char *what = g_strjoin(
	    ", ", own != NULL ? own : group, own != NULL ? group : NULL, NULL);
	for (guint i = 0; i < rows->len; i++) {
		if (!set_device(cli, g_ptr_array_index(rows, i), what, &code))
			return code;
	}
	return PV_EXIT_OK;
}

static const PvOption set_options[] = {
	{ "name", 0, "NAME", N_("short host name") },
	{ "fqdn", 0, "FQDN", N_("full host name") },
	PV_EDIT_OWN_OPTIONS,
	PV_EDIT_GROUP_OPTION,
	{ "all", 0, NULL, N_("every device of the site") },
	PV_CLI_FILTER_OPTIONS,
	{ NULL },
};

const PvCommand pv_command_set = {
	.name = "set",
	.arguments = "DEVICE...",
	.most = G_MAXUINT,
	.summary = N_("Changes what is known of devices"),
	.text = N_("An empty value takes away what is there: --address \"\". Many devices at once "
		   "can be put into\na group, and nothing else."),
	.options = set_options,
	.run = set_run,
};
