/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"
#include "core/cli/loader.h"

#include <glib/gi18n.h>

/* A pipeline of a file, which need not be one of the site. Its loader stays the caller's. */
static PvPipeline *
pipeline_load(PvCli *cli, PvLoader **owned, int *code)
{
	PvLoader *loader = pv_cli_get_loader(cli, owned, code);
	if (loader == NULL)
		return NULL;
	/* without a site no list says what is enabled */
	if (cli->site == NULL)
		pv_cli_load_all(cli, loader, TRUE);
	g_autoptr(GError) error = NULL;
	PvPipeline *pipeline = pv_pipeline_load(cli->words[0], loader,
	    cli->site != NULL ? cli->site->variables : NULL, pv_site_facts, &error);
	if (pipeline == NULL)
		*code = pv_cli_fail_config(cli, error);
	return pipeline;
}

static void
pipeline_print_json(PvCli *cli, const PvPipeline *pipeline)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	pv_build_string(builder, "pipeline", pipeline->name);
	pv_build_string(builder, "file", pipeline->file);
	json_builder_set_member_name(builder, "stages");
	json_builder_begin_array(builder);
	for (guint i = 0; i < pipeline->stages->len; i++) {
		const PvPipelineStage *stage = g_ptr_array_index(pipeline->stages, i);
		json_builder_begin_object(builder);
		pv_build_string(builder, "stage", stage->stage->type);
		pv_build_string(builder, "plugin", stage->plugin->name);
		pv_build_string(builder, "when", stage->when_text);
		pv_build_int(builder, "timeout_sec", stage->timeout_sec);
		pv_build_int(builder, "retries", stage->retries);
		pv_build_int(builder, "retry_sec", stage->retry_sec);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	pv_cli_print_json(cli, builder, FALSE);
}

static void
pipeline_print_table(PvCli *cli, const PvPipeline *pipeline)
{
	const char *const titles[] = { _("STAGE"), _("PLUGIN"), _("TIME LIMIT"), _("RETRIES"),
		_("WHEN"), NULL };
	g_autoptr(PvTable) table = pv_table_new(titles);
	for (guint i = 0; i < pipeline->stages->len; i++) {
		const PvPipelineStage *stage = g_ptr_array_index(pipeline->stages, i);
		g_autofree char *limit = g_strdup_printf("%u s", stage->timeout_sec);
		g_autofree char *retries = g_strdup_printf("%u", stage->retries);
		pv_table_add(table, stage->stage->type, stage->plugin->name, limit, retries,
		    stage->when_text);
	}
	pv_cli_print_table(cli, table);
}

static int
pipeline_check_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	g_autoptr(PvLoader) owned = NULL;
	g_autoptr(PvPipeline) pipeline = pipeline_load(cli, &owned, &code);
	if (pipeline == NULL)
		return code;
	if (cli->json)
		pipeline_print_json(cli, pipeline);
	else
		pipeline_print_table(cli, pipeline);
	pv_cli_note(cli, _("%s: pipeline \"%s\" is right"), pipeline->file, pipeline->name);
	return PV_EXIT_OK;
}

/* the graph drawn by Graphviz */
static char *
pipeline_draw(const char *dot, GError **error)
{
	g_autofree char *program = g_find_program_in_path("dot");
	if (program == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
		    "draw graph: the program \"dot\" of Graphviz is not installed; --format dot "
		    "needs none");
		return NULL;
	}
	g_autoptr(GSubprocess) process =
	    g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, error,
		program, "-Tsvg", NULL);
	g_autofree char *svg = NULL;
	if (process == NULL ||
	    !g_subprocess_communicate_utf8(process, dot, NULL, &svg, NULL, error) ||
	    !g_subprocess_wait_check(process, NULL, error)) {
		g_prefix_error(error, "draw graph: ");
		return NULL;
	}
	return g_steal_pointer(&svg);
}

static int
pipeline_graph_run(PvCli *cli)
{
	const char *format = pv_cli_get(cli, "format");
	if (format != NULL && !g_str_equal(format, "dot") && !g_str_equal(format, "svg"))
		return pv_cli_usage(cli, _("--format: dot or svg is needed"));
	int code = PV_EXIT_FAILURE;
	g_autoptr(PvLoader) owned = NULL;
	g_autoptr(PvPipeline) pipeline = pipeline_load(cli, &owned, &code);
	if (pipeline == NULL)
		return code;
	g_autoptr(GError) error = NULL;
	g_autofree char *graph = pv_pipeline_to_dot(pipeline);
	if (g_strcmp0(format, "svg") == 0) {
		g_autofree char *svg = pipeline_draw(graph, &error);
		if (svg == NULL)
			return pv_cli_fail(cli, error);
		pv_cli_print(cli, svg);
	} else {
		pv_cli_print(cli, graph);
	}
	return PV_EXIT_OK;
}

static const PvOption pipeline_check_options[] = {
	PV_LOADER_OPTION,
	{ NULL },
};

const PvCommand pv_command_pipeline_check = {
	.name = "pipeline check",
	.arguments = "FILE",
	.least = 1,
	.most = 1,
	.summary = N_("Checks a pipeline and shows its stages"),
	.text = N_(
	    "Stages, parameters, conditions, and whether each stage gets the facts that it needs."),
	.options = pipeline_check_options,
	.run = pipeline_check_run,
};

static const PvOption pipeline_graph_options[] = {
	{ "format", 0, "dot|svg", N_("dot (the default), or svg, which needs Graphviz") },
	PV_LOADER_OPTION,
	{ NULL },
};

const PvCommand pv_command_pipeline_graph = {
	.name = "pipeline graph",
	.arguments = "FILE",
	.least = 1,
	.most = 1,
	.summary = N_("Draws a pipeline: its stages and the facts between them"),
	.options = pipeline_graph_options,
	.run = pipeline_graph_run,
};
