/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/pipeline.h"

#include <string.h>

/* Defaults of a stage where neither it, nor the pipeline, nor the stage's plugin says otherwise */
#define PIPELINE_TIMEOUT "600"
#define PIPELINE_RETRIES "5"
#define PIPELINE_RETRY_WAIT "10"
#define PIPELINE_MAX_STAGES 100

/* clang-format off */
static const PvParam pipeline_params[] = {
	{ "pipeline", PV_PARAM_STRING, NULL, "name of the pipeline" },
	{ "summary", PV_PARAM_STRING, "null", "one line for people" },
	{ "timeout", PV_PARAM_INT, PIPELINE_TIMEOUT, "time limit of each stage, waits included", .unit = "s", .minimum = 1, .maximum = 30 * 86400 },
	{ "retries", PV_PARAM_INT, PIPELINE_RETRIES, "how often a stage is tried again when the device or a server cannot be reached", .minimum = 0, .maximum = 1000 },
	{ "retry-wait", PV_PARAM_INT, PIPELINE_RETRY_WAIT, "wait before the first new try; doubles, up to 15 min", .unit = "s", .minimum = 1, .maximum = 900 },
	{ NULL },
};

static const PvParam stage_params[] = {
	{ "stage", PV_PARAM_STRING, NULL, "type of the stage" },
	{ "when", PV_PARAM_STRING, "null", "condition over device.FACT and site.NAME" },
	{ "timeout", PV_PARAM_INT, "null", "time limit of the stage, waits included", .unit = "s", .minimum = 1, .maximum = 30 * 86400 },
	{ "retries", PV_PARAM_INT, "null", "how often it is tried again", .minimum = 0, .maximum = 1000 },
	{ "retry-wait", PV_PARAM_INT, "null", "wait before the first new try", .unit = "s", .minimum = 1, .maximum = 900 },
	{ NULL },
};
/* clang-format on */

static void
pipeline_stage_free(gpointer data)
{
	PvPipelineStage *entry = data;
	pv_values_unref(entry->values);
	pv_condition_free(entry->when);
	g_free(entry->when_text);
	g_free(entry->where);
	g_free(entry);
}

PvPipeline *
pv_pipeline_ref(PvPipeline *pipeline)
{
	g_atomic_ref_count_inc(&pipeline->references);
	return pipeline;
}

void
pv_pipeline_unref(PvPipeline *pipeline)
{
	if (pipeline == NULL || !g_atomic_ref_count_dec(&pipeline->references))
		return;
	g_free(pipeline->name);
	g_free(pipeline->file);
	g_ptr_array_unref(pipeline->stages);
	g_free(pipeline);
}

/* The parameters of a stage's plugin are what is left when these are taken away. */
static const char *const stage_members[] = { "stage", "when", "timeout", "retries", "retry-wait",
	NULL };

/* The members of a stage that the pipeline reads itself; the plugin's are not looked at. */
static PvValues *
pipeline_parse_common(
    PvJson *json, const char *path, JsonNode *node, const PvParam *plugin_params, GError **error)
{
	g_autoptr(GPtrArray) ignore = g_ptr_array_new();
	for (const PvParam *param = plugin_params; param != NULL && param->name != NULL; param++)
		g_ptr_array_add(ignore, (gpointer)param->name);
	g_ptr_array_add(ignore, NULL);
	return pv_values_parse(json, path, stage_params, (const char *const *)ignore->pdata, error);
}

/* The stage's type, before its parameters are known. */
static const char *
pipeline_get_type(PvJson *json, const char *path, JsonNode *node, GError **error)
{
	JsonNode *type = JSON_NODE_HOLDS_OBJECT(node)
			     ? json_object_get_member(json_node_get_object(node), "stage")
			     : NULL;
	if (type != NULL && JSON_NODE_HOLDS_VALUE(type) &&
	    json_node_get_value_type(type) == G_TYPE_STRING)
		return json_node_get_string(type);
	pv_json_set_error(
	    json, path, error, "expected an object with \"stage\", the type of a stage");
	return NULL;
}

static void
pipeline_unknown_stage(
    PvJson *json, const char *path, const char *type, PvLoader *loader, GError **error)
{
	g_autoptr(GString) known = g_string_new(NULL);
	GPtrArray *plugins = pv_loader_get_plugins(loader);
	for (guint i = 0; i < plugins->len; i++) {
		const PvPlugin *plugin = plugins->pdata[i];
		for (const PvStage *stage = plugin->stages; stage != NULL && stage->type != NULL;
		     stage++)
			g_string_append_printf(
			    known, "%s%s", known->len > 0 ? ", " : "", stage->type);
	}
	g_autofree char *at = g_strconcat(path, ".stage", NULL);
	pv_json_set_error(json, at, error,
	    "no enabled plugin offers a stage \"%s\"; the enabled ones offer: %s. Add its plugin "
	    "to \"plugins\" of the site",
	    type, known->len > 0 ? known->str : "none");
}

static guint
pipeline_pick(const PvValues *own, const PvValues *common, const char *name)
{
	return (guint)pv_values_get_int(pv_values_has(own, name) ? own : common, name);
}

static PvPipelineStage *
pipeline_parse_stage(PvJson *json, const char *path, JsonNode *node, const PvValues *defaults,
    gboolean has_timeout, PvLoader *loader, GError **error)
{
	const char *type = pipeline_get_type(json, path, node, error);
	if (type == NULL)
		return NULL;
	const PvPlugin *plugin = NULL;
	const PvStage *stage = pv_loader_find_stage(loader, type, &plugin);
	if (stage == NULL) {
		pipeline_unknown_stage(json, path, type, loader, error);
		return NULL;
	}
	/* the plugin's own members first: an unknown one is then named with the plugin's nearest */
	g_autoptr(PvValues) values =
	    pv_values_parse(json, path, stage->params, stage_members, error);
	g_autoptr(PvValues) own =
	    values != NULL ? pipeline_parse_common(json, path, node, stage->params, error) : NULL;
	if (own == NULL)
		return NULL;
	g_autoptr(PvCondition) when = NULL;
	const char *when_text = pv_values_get_string(own, "when");
	if (when_text != NULL) {
		when = pv_condition_parse(when_text, error);
		if (when == NULL) {
			g_prefix_error(error, "%s: ", pv_values_get_where(own, "when"));
			return NULL;
		}
	}
	PvPipelineStage *entry = g_new0(PvPipelineStage, 1);
	entry->stage = stage;
	entry->plugin = plugin;
	entry->values = g_steal_pointer(&values);
	entry->when = g_steal_pointer(&when);
	entry->when_text = g_strdup(when_text);
	entry->timeout_sec =
	    !pv_values_has(own, "timeout") && !has_timeout && stage->timeout_sec > 0
		? stage->timeout_sec
		: pipeline_pick(own, defaults, "timeout");
	entry->retries = pipeline_pick(own, defaults, "retries");
	entry->retry_sec = pipeline_pick(own, defaults, "retry-wait");
	entry->where = g_strdup_printf(
	    "%s:%u: %s", pv_json_get_name(json), pv_json_get_line(json, path), path);
	return entry;
}

/* What is known of a fact while the stages are walked: under which condition it will exist. */
static gboolean
pipeline_check_needs(const PvPipeline *pipeline, const char *const *facts, GError **error)
{
	g_autoptr(GHashTable) always = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GHashTable) conditional =
	    g_hash_table_new(g_str_hash, g_str_equal); /* fact -> condition's text */
	for (guint i = 0; facts != NULL && facts[i] != NULL; i++)
		g_hash_table_add(always, (gpointer)facts[i]);
	for (guint i = 0; i < pipeline->stages->len; i++) {
		const PvPipelineStage *entry = pipeline->stages->pdata[i];
		for (guint j = 0; entry->stage->needs != NULL && entry->stage->needs[j] != NULL;
		     j++) {
			const char *fact = entry->stage->needs[j];
			const char *condition = g_hash_table_lookup(conditional, fact);
			if (g_hash_table_contains(always, fact) ||
			    (condition != NULL && g_strcmp0(condition, entry->when_text) == 0))
				continue;
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "%s: stage %s needs the fact %s, and %s%s", entry->where,
			    entry->stage->type, fact,
			    condition != NULL ? "it exists only when "
					      : "no stage before it provides that",
			    condition != NULL ? condition : "");
			return FALSE;
		}
		for (guint j = 0;
		     entry->stage->provides != NULL && entry->stage->provides[j] != NULL; j++) {
			if (entry->when_text == NULL)
				g_hash_table_add(always, (gpointer)entry->stage->provides[j]);
			else
				g_hash_table_insert(conditional,
				    (gpointer)entry->stage->provides[j], entry->when_text);
		}
	}
	return TRUE;
}

typedef struct {
	GHashTable *variables; /* borrowed */
	const char *unknown; /* a site variable that there is not; borrowed */
} VariableCheck;

static void
pipeline_check_name(const char *name, gpointer data)
{
	VariableCheck *check = data;
	if (g_str_has_prefix(name, "site.") &&
	    !g_hash_table_contains(check->variables, name + strlen("site.")))
		check->unknown = name;
}

static gboolean
pipeline_check_variables(const PvPipeline *pipeline, GHashTable *variables, GError **error)
{
	VariableCheck check = { variables, NULL };
	for (guint i = 0; variables != NULL && i < pipeline->stages->len; i++) {
		const PvPipelineStage *entry = pipeline->stages->pdata[i];
		if (entry->when == NULL)
			continue;
		pv_condition_foreach(entry->when, pipeline_check_name, &check);
		if (check.unknown == NULL)
			continue;
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s.when: %s: the site has no such variable: add it to \"variables\"",
		    entry->where, check.unknown);
		return FALSE;
	}
	return TRUE;
}

static gboolean
pipeline_parse_stages(
    PvPipeline *pipeline, PvJson *json, const PvValues *defaults, PvLoader *loader, GError **error)
{
	JsonObject *root = json_node_get_object(pv_json_get_root(json));
	JsonNode *stages = json_object_get_member(root, "stages");
	if (stages == NULL || !JSON_NODE_HOLDS_ARRAY(stages) ||
	    json_array_get_length(json_node_get_array(stages)) == 0) {
		pv_json_set_error(
		    json, "$.stages", error, "expected an array of at least one stage");
		return FALSE;
	}
	JsonArray *array = json_node_get_array(stages);
	if (json_array_get_length(array) > PIPELINE_MAX_STAGES) {
		pv_json_set_error(
		    json, "$.stages", error, "more than %d stages", PIPELINE_MAX_STAGES);
		return FALSE;
	}
	for (guint i = 0; i < json_array_get_length(array); i++) {
		g_autofree char *path = g_strdup_printf("$.stages[%u]", i);
		PvPipelineStage *entry =
		    pipeline_parse_stage(json, path, json_array_get_element(array, i), defaults,
			json_object_has_member(root, "timeout"), loader, error);
		if (entry == NULL)
			return FALSE;
		g_ptr_array_add(pipeline->stages, entry);
	}
	return TRUE;
}

PvPipeline *
pv_pipeline_load(const char *path, PvLoader *loader, GHashTable *variables,
    const char *const *facts, GError **error)
{
	static const char *const ignore[] = { "stages", NULL };
	g_autoptr(PvJson) json = pv_json_load(path, error);
	g_autoptr(PvValues) values =
	    json != NULL ? pv_values_parse(json, "$", pipeline_params, ignore, error) : NULL;
	if (values == NULL)
		return NULL;
	g_autoptr(PvPipeline) pipeline = g_new0(PvPipeline, 1);
	g_atomic_ref_count_init(&pipeline->references);
	pipeline->name = g_strdup(pv_values_get_string(values, "pipeline"));
	pipeline->file = g_strdup(path);
	pipeline->stages = g_ptr_array_new_with_free_func(pipeline_stage_free);
	if (!pipeline_parse_stages(pipeline, json, values, loader, error) ||
	    !pipeline_check_variables(pipeline, variables, error) ||
	    !pipeline_check_needs(pipeline, facts, error))
		return NULL;
	return g_steal_pointer(&pipeline);
}

static char *
pipeline_dup_label(const char *text)
{
	g_auto(GStrv) quotes = g_strsplit(text, "\\", -1);
	g_autofree char *doubled = g_strjoinv("\\\\", quotes);
	g_auto(GStrv) parts = g_strsplit(doubled, "\"", -1);
	return g_strjoinv("\\\"", parts);
}

/* The last stage before @index that provides the fact; -1: none. */
static int
pipeline_find_provider(const PvPipeline *pipeline, guint index, const char *fact)
{
	for (guint i = index; i-- > 0;) {
		const PvPipelineStage *entry = pipeline->stages->pdata[i];
		if (entry->stage->provides != NULL && g_strv_contains(entry->stage->provides, fact))
			return (int)i;
	}
	return -1;
}

char *
pv_pipeline_to_dot(const PvPipeline *pipeline)
{
	g_autofree char *name = pipeline_dup_label(pipeline->name);
	GString *dot = g_string_new(NULL);
	g_string_append_printf(dot,
	    "digraph \"%s\" {\n\trankdir=TB;\n\tnode [shape=box, style=rounded, "
	    "fontname=\"sans-serif\"];\n\tedge [fontname=\"sans-serif\", fontsize=10];\n",
	    name);
	for (guint i = 0; i < pipeline->stages->len; i++) {
		const PvPipelineStage *entry = pipeline->stages->pdata[i];
		g_autofree char *type = pipeline_dup_label(entry->stage->type);
		g_autofree char *when =
		    entry->when_text != NULL ? pipeline_dup_label(entry->when_text) : NULL;
		g_string_append_printf(dot, "\ts%u [label=\"%u. %s%s%s\"%s];\n", i, i + 1, type,
		    when != NULL ? "\\nwhen " : "", when != NULL ? when : "",
		    when != NULL ? ", style=\"rounded,dashed\"" : "");
		if (i > 0)
			g_string_append_printf(dot, "\ts%u -> s%u;\n", i - 1, i);
		for (guint j = 0; entry->stage->needs != NULL && entry->stage->needs[j] != NULL;
		     j++) {
			int provider = pipeline_find_provider(pipeline, i, entry->stage->needs[j]);
			g_autofree char *label = pipeline_dup_label(entry->stage->needs[j]);
			if (provider >= 0)
				g_string_append_printf(dot,
				    "\ts%d -> s%u [label=\"%s\", style=dotted, "
				    "constraint=false];\n",
				    provider, i, label);
		}
	}
	g_string_append(dot, "}\n");
	return g_string_free(dot, FALSE);
}
