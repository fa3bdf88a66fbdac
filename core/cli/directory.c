/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"

#include <glib/gi18n.h>

static gboolean
directory_open_site(PvCli *cli, int *code)
{
	if (!pv_cli_open_site(cli, 0, code))
		return FALSE;
	if (cli->site->directory != NULL)
		return TRUE;
	pv_cli_warn(cli, _("%s: the site has no \"directory\""), cli->site->file);
	*code = PV_EXIT_CONFIG;
	return FALSE;
}

static int
directory_check_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	if (!directory_open_site(cli, &code))
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvReport) report = pv_report_new();
	if (!pv_site_check_directory(cli->site, report, NULL, &error))
		return pv_cli_fail(cli, error);
	if (cli->json) {
		g_autoptr(JsonBuilder) builder = json_builder_new();
		json_builder_begin_object(builder);
		pv_build_string(builder, "directory", cli->site->directory->type);
		pv_build_report(builder, report);
		json_builder_end_object(builder);
		pv_cli_print_json(cli, builder, FALSE);
	} else {
		pv_cli_print_report(cli, report);
	}
	return pv_report_get_level(report) == PV_REPORT_FAILURE ? PV_EXIT_FAILURE : PV_EXIT_OK;
}

const PvCommand pv_command_directory_check = {
	.name = "directory check",
	.summary = N_("Looks whether the directory can be worked with"),
	.text = N_("Servers, login, clock, and for whatever the pipelines name: containers and "
		   "each right in them,\n"
		   "groups, users. A directory's plugin may make an account of its own to try "
		   "that, and deletes it\n"
		   "again. Needs no right but those of the service. Exit code 1 when something "
		   "will not work."),
	.run = directory_check_run,
};

/* Delegate */

static int
directory_delegate_print(PvCli *cli, const PvDirectoryNeeds *needs)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *text =
	    cli->site->directory->delegation(cli->site->directory_handle, needs, NULL, &error);
	if (text == NULL)
		return pv_cli_fail(cli, error);
	if (!cli->json) {
		pv_cli_print(cli, text);
		return PV_EXIT_OK;
	}
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	pv_build_string(builder, "directory", cli->site->directory->type);
	json_builder_set_member_name(builder, "commands");
	json_builder_begin_array(builder);
	for (guint i = 0; lines[i] != NULL; i++)
		if (lines[i][0] != '#' && lines[i][0] != '\0')
			json_builder_add_string_value(builder, lines[i]);
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	pv_cli_print_json(cli, builder, FALSE);
	return PV_EXIT_OK;
}

static int
directory_delegate_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	const char *ou = pv_cli_get(cli, "ou");
	if (!pv_cli_has(cli, "print"))
		return pv_cli_usage(cli, _("say --print: Provost prints what an administrator "
					   "runs, and grants itself nothing"));
	if (!directory_open_site(cli, &code))
		return code;
	if (cli->site->directory->delegation == NULL) {
		pv_cli_warn(cli, _("%s: in a directory of type \"%s\" no rights are delegated"),
		    cli->site->file, cli->site->directory->type);
		return PV_EXIT_CONFIG;
	}
	g_auto(PvSiteNeeds) needs = { 0 };
	pv_site_needs_init(&needs, cli->site);
	const char *const ous[] = { ou, NULL };
	if (ou != NULL)
		needs.directory.ous = ous;
	return directory_delegate_print(cli, &needs.directory);
}

static const PvOption directory_delegate_options[] = {
	{ "print", 0, NULL, N_("needed: print the commands") },
	{ "ou", 0, "DN", N_("for this container; without it, for all that the pipelines name") },
	{ NULL },
};

const PvCommand pv_command_directory_delegate = {
	.name = "directory delegate",
	.summary = N_("Prints how to give the service just the rights it needs"),
	.text = N_("Commands that an administrator of the directory runs, a line each. Nothing is "
		   "changed."),
	.options = directory_delegate_options,
	.run = directory_delegate_run,
};
