/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"

#include <glib/gi18n.h>

static void
site_build_texts(JsonBuilder *builder, const char *member, PvReport *report, PvReportLevel wanted)
{
	json_builder_set_member_name(builder, member);
	json_builder_begin_array(builder);
	for (guint i = 0; i < pv_report_get_length(report); i++) {
		PvReportLevel level = PV_REPORT_OK;
		const char *check = NULL, *object = NULL, *text = NULL;
		pv_report_get(report, i, &level, &check, &object, &text);
		if (level != wanted)
			continue;
		g_autofree char *line = g_strdup_printf("%s%s%s: %s", check,
		    object == NULL ? "" : " ", object == NULL ? "" : object, text);
		json_builder_add_string_value(builder, line);
	}
	json_builder_end_array(builder);
}

static void
site_print_json(PvCli *cli, PvReport *report)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	pv_build_string(builder, "site", cli->site->file);
	site_build_texts(builder, "problems", report, PV_REPORT_FAILURE);
	site_build_texts(builder, "warnings", report, PV_REPORT_WARNING);
	json_builder_end_object(builder);
	pv_cli_print_json(cli, builder, FALSE);
}

static void
site_print_row(PvCli *cli, PvReport *report, guint i)
{
	PvReportLevel level = PV_REPORT_OK;
	const char *check = NULL, *object = NULL, *text = NULL;
	pv_report_get(report, i, &level, &check, &object, &text);
	if (level == PV_REPORT_OK)
		return;
	g_autofree char *line = g_strdup_printf("%s%s%s%s: %s",
	    level == PV_REPORT_WARNING ? _("warning: ") : "", check, object == NULL ? "" : " ",
	    object == NULL ? "" : object, text);
	g_autofree char *escaped = pv_text_escape(line);
	pv_cli_print(cli, escaped);
	pv_cli_print(cli, "\n");
}

static int
site_check_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	gboolean online = pv_cli_has(cli, "online");
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	g_autoptr(PvReport) report = pv_site_check(cli->site, online, NULL);
	if (cli->json)
		site_print_json(cli, report);
	for (guint i = 0; !cli->json && i < pv_report_get_length(report); i++)
		site_print_row(cli, report, i);
	if (pv_report_get_level(report) == PV_REPORT_FAILURE)
		return PV_EXIT_FAILURE;
	pv_cli_note(cli, online ? _("%s is right, and all that it names answers") : _("%s is right"),
	    cli->site->file);
	return PV_EXIT_OK;
}

static const PvOption site_check_options[] = {
	{ "online", 0, NULL, N_("also ask the directory, the CA and the store") },
	{ NULL },
};

const PvCommand pv_command_site_check = {
	.name = "site check",
	.summary = N_("Proves that the site's configuration can work"),
	.options = site_check_options,
	.run = site_check_run,
};
