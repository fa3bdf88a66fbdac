/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"
#include "core/cli/loader.h"

#include <glib/gi18n.h>
#include <string.h>

static const char *const plugin_kinds[] = {
	[PV_PARAM_STRING] = "string",
	[PV_PARAM_CHOICE] = "choice",
	[PV_PARAM_INT] = "integer",
	[PV_PARAM_BOOL] = "boolean",
	[PV_PARAM_LIST] = "list of strings",
	[PV_PARAM_SECRET] = "secret",
	[PV_PARAM_OBJECTS] = "list of objects",
	[PV_PARAM_OBJECT] = "object",
	[PV_PARAM_PATH] = "path",
};

/* one type that a plugin offers, whatever its sort */
typedef struct {
	const char *sort; /* "stage", "directory", "ca", "store" */
	const char *type, *summary;
	const PvParam *params;
	const PvStage *stage; /* NULL: a provider */
} PluginOffer;

static void
plugin_add_offer(GArray *offers, const char *sort, const char *type, const char *summary,
    const PvParam *params, const PvStage *stage)
{
	PluginOffer offer = { sort, type, summary, params, stage };
	g_array_append_val(offers, offer);
}

/* of PluginOffer; what they point to is the plugin's */
static GArray *
plugin_list_offers(const PvPlugin *plugin)
{
	GArray *offers = g_array_new(FALSE, FALSE, sizeof(PluginOffer));
	for (const PvStage *row = plugin->stages; row != NULL && row->type != NULL; row++)
		plugin_add_offer(offers, "stage", row->type, row->summary, row->params, row);
	for (const PvDirectory *row = plugin->directories; row != NULL && row->type != NULL; row++)
		plugin_add_offer(offers, "directory", row->type, row->summary, row->params, NULL);
	for (const PvCa *row = plugin->cas; row != NULL && row->type != NULL; row++)
		plugin_add_offer(offers, "ca", row->type, row->summary, row->params, NULL);
	for (const PvStore *row = plugin->stores; row != NULL && row->type != NULL; row++)
		plugin_add_offer(offers, "store", row->type, row->summary, row->params, NULL);
	return offers;
}

static void
plugin_build_params(JsonBuilder *builder, const char *name, const PvParam *params)
{
	json_builder_set_member_name(builder, name);
	json_builder_begin_array(builder);
	for (; params != NULL && params->name != NULL; params++) {
		json_builder_begin_object(builder);
		pv_build_string(builder, "name", params->name);
		pv_build_string(builder, "kind", plugin_kinds[params->kind]);
		pv_build_bool(builder, "required", params->fallback == NULL);
		pv_build_json(builder, "default", params->fallback);
		pv_build_string(builder, "unit", params->unit);
		pv_build_string(builder, "choices", params->choices);
		if (params->maximum != 0) {
			pv_build_int(builder, "minimum", params->minimum);
			pv_build_int(builder, "maximum", params->maximum);
		}
		pv_build_string(builder, "summary", params->summary);
		if (params->fields != NULL)
			plugin_build_params(builder, "fields", params->fields);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}

static void
plugin_build_names(JsonBuilder *builder, const char *name, const char *const *names)
{
	json_builder_set_member_name(builder, name);
	json_builder_begin_array(builder);
	for (; names != NULL && *names != NULL; names++)
		json_builder_add_string_value(builder, *names);
	json_builder_end_array(builder);
}

static void
plugin_build(JsonBuilder *builder, PvLoader *loader, const PvPlugin *plugin)
{
	json_builder_begin_object(builder);
	pv_build_string(builder, "name", plugin->name);
	pv_build_string(builder, "file", pv_loader_get_file(loader, plugin));
	pv_build_string(builder, "version", plugin->version);
	pv_build_int(builder, "abi", plugin->abi);
	pv_build_string(builder, "summary", plugin->summary);
	json_builder_set_member_name(builder, "offers");
	json_builder_begin_array(builder);
	g_autoptr(GArray) offers = plugin_list_offers(plugin);
	for (guint i = 0; i < offers->len; i++) {
		const PluginOffer *offer = &g_array_index(offers, PluginOffer, i);
		json_builder_begin_object(builder);
		pv_build_string(builder, "sort", offer->sort);
		pv_build_string(builder, "type", offer->type);
		pv_build_string(builder, "summary", offer->summary);
		if (offer->stage != NULL) {
			plugin_build_names(builder, "needs", offer->stage->needs);
			plugin_build_names(builder, "provides", offer->stage->provides);
			pv_build_int(builder, "timeout_sec", offer->stage->timeout_sec);
			pv_build_bool(builder, "remove", offer->stage->remove != NULL);
		}
		plugin_build_params(builder, "parameters", offer->params);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
	json_builder_end_object(builder);
}

/* "stages tls, otp; ca local" */
static char *
plugin_format_offers(const PvPlugin *plugin)
{
	g_autoptr(GArray) offers = plugin_list_offers(plugin);
	g_autoptr(GString) out = g_string_new(NULL);
	const char *sort = NULL;
	for (guint i = 0; i < offers->len; i++) {
		const PluginOffer *offer = &g_array_index(offers, PluginOffer, i);
		if (g_strcmp0(sort, offer->sort) != 0)
			g_string_append_printf(out, "%s%s ", sort != NULL ? "; " : "", offer->sort);
		else
			g_string_append(out, ", ");
		g_string_append(out, offer->type);
		sort = offer->sort;
	}
	return g_strdup(out->str);
}

static gboolean
plugin_is_loaded(GHashTable *enabled, const PvPlugin *plugin)
{
	return plugin != NULL && g_hash_table_contains(enabled, plugin);
}

static int
plugin_list_run(PvCli *cli)
{
	int code = PV_EXIT_OK;
	g_autoptr(PvLoader) owned = NULL;
	PvLoader *loader = pv_cli_get_loader(cli, &owned, &code);
	if (loader == NULL)
		return code;
	/* opening a site loads what it enables; all that is loaded below is only being looked at */
	g_autoptr(GHashTable) enabled = g_hash_table_new(NULL, NULL);
	GPtrArray *loaded = pv_loader_get_plugins(loader);
	for (guint i = 0; i < loaded->len; i++)
		g_hash_table_add(enabled, g_ptr_array_index(loaded, i));

	const char *const titles[] = { _("PLUGIN"), _("VERSION"), _("ENABLED"), _("OFFERS"),
		_("SUMMARY"), NULL };
	g_autoptr(PvTable) table = pv_table_new(titles);
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "plugins");
	json_builder_begin_array(builder);
	g_auto(GStrv) names = pv_loader_list(loader);
	for (gsize i = 0; names[i] != NULL; i++) {
		g_autoptr(GError) error = NULL;
		const PvPlugin *plugin = pv_loader_load(loader, names[i], &error);
		if (plugin == NULL) {
			pv_cli_warn(cli, "%s", error->message);
			code = PV_EXIT_FAILURE;
			continue;
		}
		g_autofree char *offers = plugin_format_offers(plugin);
		gboolean is_enabled = plugin_is_loaded(enabled, plugin);
		pv_table_add(table, plugin->name, plugin->version,
		    cli->site == NULL ? "-"
		    : is_enabled      ? _("yes")
				      : _("no"),
		    offers, plugin->summary);
		plugin_build(builder, loader, plugin);
	}
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	if (cli->json)
		pv_cli_print_json(cli, builder, FALSE);
	else if (pv_table_get_length(table) > 0)
		pv_cli_print_table(cli, table);
	else
		pv_cli_note(cli, _("there are no plugins"));
	return code;
}

static void
plugin_append_field(GString *out, int indent, const char *title, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	g_autofree char *shown = pv_text_escape(value);
	g_string_append_printf(out, "%*s%s%*s%s\n", indent, "", title,
	    (int)MAX(1, 14 - (int)pv_text_get_width(title)), "", shown);
}

static void
plugin_append_params(GString *out, const PvParam *params, int indent)
{
	for (; params != NULL && params->name != NULL; params++) {
		g_autofree char *summary = pv_text_escape(params->summary);
		g_string_append_printf(out, "%*s%-20s %s\n", indent, "", params->name, summary);
		g_autoptr(GString) line = g_string_new(plugin_kinds[params->kind]);
		if (params->unit != NULL)
			g_string_append_printf(line, _(" in %s"), params->unit);
		if (params->choices != NULL) {
			g_auto(GStrv) choices = g_strsplit(params->choices, "|", 0);
			g_autofree char *joined = g_strjoinv(", ", choices);
			g_string_append_printf(line, _(": one of %s"), joined);
		}
		if (params->maximum != 0) {
			g_autofree char *least = g_strdup_printf("%" G_GINT64_FORMAT, params->minimum);
			g_autofree char *most = g_strdup_printf("%" G_GINT64_FORMAT, params->maximum);
			g_string_append_printf(line, _(", %s to %s"), least, most);
		}
		if (params->fallback == NULL)
			g_string_append(line, _("; required"));
		else if (g_str_equal(params->fallback, "null"))
			g_string_append(line, _("; optional"));
		else
			g_string_append_printf(line, _("; default %s"), params->fallback);
		g_string_append_printf(out, "%*s%s\n", indent + 21, "", line->str);
		if (params->fields != NULL)
			plugin_append_params(out, params->fields, indent + 4);
	}
}

static char *
plugin_join(const char *const *names)
{
	return names != NULL ? g_strjoinv(", ", (char **)names) : NULL;
}

static void
plugin_append_offer(GString *out, const PluginOffer *offer)
{
	g_string_append_printf(out, "\n%s \"%s\"\n", offer->sort, offer->type);
	plugin_append_field(out, 2, _("Summary"), offer->summary);
	if (offer->stage != NULL) {
		g_autofree char *needs = plugin_join(offer->stage->needs);
		g_autofree char *provides = plugin_join(offer->stage->provides);
		g_autofree char *limit = offer->stage->timeout_sec != 0
					     ? g_strdup_printf("%u s", offer->stage->timeout_sec)
					     : g_strdup(_("the pipeline's"));
		plugin_append_field(
		    out, 2, _("Needs"), needs != NULL && needs[0] != '\0' ? needs : "-");
		plugin_append_field(out, 2, _("Provides"),
		    provides != NULL && provides[0] != '\0' ? provides : "-");
		plugin_append_field(out, 2, _("Time limit"), limit);
		plugin_append_field(
		    out, 2, _("Undo"), offer->stage->remove != NULL ? _("yes") : _("no"));
	}
	if (offer->params == NULL || offer->params->name == NULL) {
		plugin_append_field(out, 2, _("Parameters"), _("none"));
		return;
	}
	g_string_append_printf(out, "  %s\n", _("Parameters"));
	plugin_append_params(out, offer->params, 4);
}

static int
plugin_show_run(PvCli *cli)
{
	int code = PV_EXIT_OK;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvLoader) owned = NULL;
	PvLoader *loader = pv_cli_get_loader(cli, &owned, &code);
	if (loader == NULL)
		return code;
	const PvPlugin *plugin = pv_loader_load(loader, cli->words[0], &error);
	if (plugin == NULL)
		return pv_cli_fail(cli, error);
	if (cli->json) {
		g_autoptr(JsonBuilder) builder = json_builder_new();
		plugin_build(builder, loader, plugin);
		pv_cli_print_json(cli, builder, FALSE);
		return PV_EXIT_OK;
	}
	g_autofree char *abi = g_strdup_printf("%u", plugin->abi);
	g_autoptr(GString) out = g_string_new(NULL);
	plugin_append_field(out, 0, _("Plugin"), plugin->name);
	plugin_append_field(out, 0, _("Summary"), plugin->summary);
	plugin_append_field(out, 0, _("File"), pv_loader_get_file(loader, plugin));
	plugin_append_field(out, 0, _("Version"), plugin->version);
	plugin_append_field(out, 0, _("ABI"), abi);
	g_autoptr(GArray) offers = plugin_list_offers(plugin);
	for (guint i = 0; i < offers->len; i++)
		plugin_append_offer(out, &g_array_index(offers, PluginOffer, i));
	pv_cli_print(cli, out->str);
	return PV_EXIT_OK;
}

static const PvOption plugin_options[] = {
	PV_LOADER_OPTION,
	{ NULL },
};

const PvCommand pv_command_plugin_list = {
	.name = "plugin list",
	.summary = N_("Lists the plugins and what they offer"),
	.options = plugin_options,
	.run = plugin_list_run,
};

const PvCommand pv_command_plugin_show = {
	.name = "plugin show",
	.arguments = "PLUGIN",
	.least = 1,
	.most = 1,
	.summary = N_("Shows a plugin: its stages and providers with their parameters"),
	.options = plugin_options,
	.run = plugin_show_run,
};
