/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"

#include <glib/gi18n.h>

/* the worst so far: a failure says more than changes, and changes more than nothing */
static int
plan_combine(int code, int other)
{
	if (code == PV_EXIT_FAILURE || other == PV_EXIT_FAILURE)
		return PV_EXIT_FAILURE;
	return MAX(code, other);
}

static int
plan_judge(const PvStagePlan *stage)
{
	if (g_str_equal(stage->outcome, "failed"))
		return PV_EXIT_FAILURE;
	/* what cannot be told yet is work that is still to be done */
	gboolean work =
	    g_str_equal(stage->outcome, "changes") || g_str_equal(stage->outcome, "unknown");
	return work ? PV_EXIT_CHANGES : PV_EXIT_OK;
}

static void
plan_add_rows(PvTable *table, const PvDeviceRow *row, const PvStagePlan *stage)
{
	guint length = stage->plan != NULL ? pv_plan_get_length(stage->plan) : 0;
	for (guint i = 0; i < length; i++) {
		const PvChange *change = pv_plan_get(stage->plan, i);
		pv_table_add(table, row->name, stage->stage, change->object, change->property,
		    change->from, change->to);
	}
	if (length > 0 || g_str_equal(stage->outcome, "already") ||
	    g_str_equal(stage->outcome, "skipped"))
		return;
	gboolean failed = g_str_equal(stage->outcome, "failed");
	/* the last column is the one that may be long */
	pv_table_add(table, row->name, stage->stage, failed ? _("(failed)") : _("(not known yet)"),
	    "", "", stage->text);
	pv_table_set_style(table, 2, failed ? PV_STYLE_BAD : PV_STYLE_DIM);
}

/* NULL after the error went to stderr */
static GPtrArray *
plan_make(PvCli *cli, const PvDeviceRow *row)
{
	g_autoptr(GError) error = NULL;
	const PvPipeline *pipeline = pv_cli_find_pipeline(cli, row, &error);
	GPtrArray *stages = pipeline != NULL ? pv_engine_plan(cli->site, row, pipeline,
						   pv_cli_get(cli, "trace"), NULL, &error)
					     : NULL;
	if (stages == NULL) {
		g_prefix_error(&error, "plan %s: ", row->name);
		(void)pv_cli_fail(cli, error); /* PV_EXIT_FAILURE, as the caller returns */
	}
	return stages;
}

static int
plan_device(PvCli *cli, const PvDeviceRow *row, PvTable *table, JsonBuilder *builder)
{
	int code = PV_EXIT_OK;
	json_builder_begin_object(builder);
	pv_build_string(builder, "uuid", row->uuid);
	pv_build_string(builder, "name", row->name);
	json_builder_set_member_name(builder, "stages");
	json_builder_begin_array(builder);
	g_autoptr(GPtrArray) stages = plan_make(cli, row);
	for (guint i = 0; stages != NULL && i < stages->len; i++) {
		const PvStagePlan *stage = g_ptr_array_index(stages, i);
		plan_add_rows(table, row, stage);
		pv_build_stage_plan(builder, stage);
		code = plan_combine(code, plan_judge(stage));
	}
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	return stages != NULL ? code : PV_EXIT_FAILURE;
}

static int
plan_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	g_autoptr(GPtrArray) rows = pv_cli_find_devices(cli, pv_cli_get(cli, "group"), &code);
	if (rows == NULL)
		return code;
	code = PV_EXIT_OK;
	const char *const titles[] = { _("DEVICE"), _("STAGE"), _("OBJECT"), _("PROPERTY"),
		_("FROM"), _("TO"), NULL };
	g_autoptr(PvTable) table = pv_table_new(titles);
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "devices");
	json_builder_begin_array(builder);
	for (guint i = 0; i < rows->len; i++)
		code = plan_combine(
		    code, plan_device(cli, g_ptr_array_index(rows, i), table, builder));
	json_builder_end_array(builder);
	json_builder_end_object(builder);

	if (cli->json)
		pv_cli_print_json(cli, builder, FALSE);
	else if (pv_table_get_length(table) > 0)
		pv_cli_print_table(cli, table);
	else if (code == PV_EXIT_OK)
		pv_cli_note(cli, _("nothing to change"));
	return code;
}

static const PvOption plan_options[] = {
	PV_CLI_DEVICE_OPTIONS,
	{ "pipeline", 'p', "PIPELINE", N_("this pipeline of the site, not that of the group") },
	{ "trace", 0, "DIR", N_("write what is said to the devices to DIR, without secrets") },
	{ NULL },
};

const PvCommand pv_command_plan = {
	.name = "plan",
	.arguments = "DEVICE...",
	.most = G_MAXUINT,
	.summary = N_("Shows what provision would change; writes nothing"),
	.text = N_("Exit code 2 when there is something to change."),
	.options = plan_options,
	.run = plan_run,
};
