/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/cli.h"

#include <glib/gi18n.h>

void
pv_cli_print_report(PvCli *cli, const PvReport *report)
{
	static const PvStyle styles[] = { PV_STYLE_GOOD, PV_STYLE_PLAIN, PV_STYLE_BAD };
	g_autoptr(PvTable) table =
	    pv_table_new((const char *const[]) { "", _("CHECK"), _("OBJECT"), _("FOUND"), NULL });
	for (guint i = 0; i < pv_report_get_length(report); i++) {
		PvReportLevel level = PV_REPORT_OK;
		const char *check = NULL, *object = NULL, *text = NULL;
		pv_report_get(report, i, &level, &check, &object, &text);
		pv_table_add(table, pv_report_level_get_name(level), check, object, text);
		pv_table_set_style(table, 0, styles[level]);
	}
	g_autofree char *lines =
	    pv_table_to_string(table, 0, cli->colour); /* never cut: the end says what to do */
	pv_cli_print(cli, lines);
}

void
pv_build_report(JsonBuilder *builder, const PvReport *report)
{
	pv_build_string(builder, "level", pv_report_level_get_name(pv_report_get_level(report)));
	json_builder_set_member_name(builder, "rows");
	json_builder_begin_array(builder);
	for (guint i = 0; i < pv_report_get_length(report); i++) {
		PvReportLevel level = PV_REPORT_OK;
		const char *check = NULL, *object = NULL, *text = NULL;
		pv_report_get(report, i, &level, &check, &object, &text);
		json_builder_begin_object(builder);
		pv_build_string(builder, "level", pv_report_level_get_name(level));
		pv_build_string(builder, "check", check);
		pv_build_string(builder, "object", object);
		pv_build_string(builder, "text", text);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}
