/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/pipeline.h"

#include <string.h>

#define PIPELINE_MAX_STAGES 200
#define PIPELINE_DAY_SEC (24 * 60 * 60)

/* clang-format off */
static const PvParam pipeline_params[] = {
	{ "pipeline", PV_PARAM_STRING, NULL, "name of the pipeline" },
	{ "summary", PV_PARAM_STRING, "null", "what it is for" },
	{ "timeout", PV_PARAM_INT, "600", "limit of each stage, waits included", .unit = "s", .minimum = 1, .maximum = 30 * PIPELINE_DAY_SEC },
	{ "retries", PV_PARAM_INT, "5", "how often a stage is tried again when a peer cannot be reached", .minimum = 0, .maximum = 1000 },
	{ "retry-wait", PV_PARAM_INT, "10", "wait before the first new try; doubles up to 15 minutes", .unit = "s", .minimum = 1, .maximum = 900 },
	{ NULL },
};

/* what every stage takes besides its own parameters */
static const PvParam pipeline_stage_params[] = {
	{ "stage", PV_PARAM_STRING, NULL, "type of the stage" },
	{ "when", PV_PARAM_STRING, "null", "condition, such as device.amt.version >= 11.8" },
	{ "timeout", PV_PARAM_INT, "null", "limit of this stage, waits included", .unit = "s", .minimum = 1, .maximum = 30 * PIPELINE_DAY_SEC },
	{ "retries", PV_PARAM_INT, "null", "how often this stage is tried again", .minimum = 0, .maximum = 1000 },
	{ "retry-wait", PV_PARAM_INT, "null", "wait before this stage's first new try", .unit = "s", .minimum = 1, .maximum = 900 },
	{ NULL },
};
/* clang-format on */

/* What is at hand while a file is read. */
typedef struct {
	PvJson *json;
	PvLoader *loader;
	const PvValues *defaults; /* of the pipeline */
	GHashTable *variables; /* set of char*; NULL: unchecked */
	const char *const *facts; /* NULL: none */
} PipelineReader;

static void
pipeline_free_stage(gpointer data)
{
	PvPipelineStage *entry = data;
	pv_values_unref(entry->values);
	pv_condition_free(entry->when);
	g_free(entry->when_text);
	g_free(entry->where);
	g_free(entry);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvPipelineStage, pipeline_free_stage)

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
	g_clear_pointer(&pipeline->stages, g_ptr_array_unref);
	g_free(pipeline);
}

/* types of the stages of all enabled plugins, in load order */
static char **
pipeline_list_types(PvLoader *loader)
{
	GPtrArray *plugins = pv_loader_get_plugins(loader);
	GPtrArray *types = g_ptr_array_new();
	for (guint i = 0; i < plugins->len; i++) {
		const PvPlugin *plugin = plugins->pdata[i];
		for (const PvStage *row = plugin->stages; row != NULL && row->type != NULL; row++)
			g_ptr_array_add(types, g_strdup(row->type));
	}
	g_ptr_array_add(types, NULL);
	return (char **)g_ptr_array_free(types, FALSE);
}

static void
pipeline_fail_type(const PipelineReader *reader, const char *path, const char *type, GError **error)
{
	g_auto(GStrv) types = pipeline_list_types(reader->loader);
	g_autofree char *known = g_strjoinv(", ", types);
	g_autofree char *shown = pv_json_dup_shown(type);
	const char *nearest = pv_json_find_nearest(type, (const char *const *)types, NULL);
	if (nearest != NULL)
		pv_json_set_error(reader->json, path, error,
		    "no enabled plugin has a stage \"%s\"; did you mean \"%s\"?", shown, nearest);
	else
		pv_json_set_error(reader->json, path, error,
		    "no enabled plugin has a stage \"%s\"; there are: %s", shown,
		    *known != '\0' ? known : "none");
}

/* The type has to be known before the parameters can be read. */
static const PvStage *
pipeline_find_type(
    const PipelineReader *reader, const char *path, const PvPlugin **plugin, GError **error)
{
	static const PvParam type_only[] = {
		{ "stage", PV_PARAM_STRING, NULL, "type of the stage" }, { NULL }
	};
	JsonNode *node = pv_json_find(reader->json, path);
	g_autoptr(GList) members = JSON_NODE_HOLDS_OBJECT(node)
				       ? json_object_get_members(json_node_get_object(node))
				       : NULL;
	g_autoptr(GPtrArray) ignore = g_ptr_array_new();
	for (GList *member = members; member != NULL; member = member->next)
		g_ptr_array_add(ignore, member->data);
	g_ptr_array_add(ignore, NULL);
	g_autoptr(PvValues) values = pv_values_parse(
	    reader->json, path, type_only, (const char *const *)ignore->pdata, error);
	if (values == NULL)
		return NULL;
	const char *type = pv_values_get_string(values, "stage");
	const PvStage *stage = pv_loader_find_stage(reader->loader, type, plugin);
	if (stage == NULL) {
		g_autofree char *at = pv_json_dup_member_path(path, "stage");
		pipeline_fail_type(reader, at, type, error);
	}
	return stage;
}

/* Our members and the stage's own as one table, so that an unknown member is compared with all of them. */
static PvValues *
pipeline_parse_values(
    const PipelineReader *reader, const char *path, const PvStage *stage, GError **error)
{
	g_autoptr(GArray) table = g_array_new(TRUE, TRUE, sizeof(PvParam));
	for (const PvParam *param = pipeline_stage_params; param->name != NULL; param++)
		g_array_append_vals(table, param, 1);
	for (const PvParam *param = stage->params; param != NULL && param->name != NULL; param++)
		g_array_append_vals(table, param, 1);
	return pv_values_parse(
	    reader->json, path, (const PvParam *)(gpointer)table->data, NULL, error);
}

static guint
pipeline_get_number(const PipelineReader *reader, const PvValues *values, const char *name)
{
	return (guint)pv_values_get_int(
	    pv_values_has(values, name) ? values : reader->defaults, name);
}

typedef struct {
	GHashTable *variables; /* set of char* */
	const char *unknown; /* the first name that is not in it */
} VariableSearch;

static void
pipeline_search_variable(const char *name, gpointer data)
{
	VariableSearch *search = data;
	if (search->unknown == NULL && g_str_has_prefix(name, "site.") &&
	    !g_hash_table_contains(search->variables, name + strlen("site.")))
		search->unknown = name + strlen("site.");
}

static gboolean
pipeline_check_variables(const PipelineReader *reader, const PvPipelineStage *entry, GError **error)
{
	VariableSearch search = { reader->variables, NULL };
	if (reader->variables == NULL || entry->when == NULL)
		return TRUE;
	pv_condition_foreach(entry->when, pipeline_search_variable, &search);
	if (search.unknown == NULL)
		return TRUE;
	guint count = 0;
	g_autofree gpointer *names = g_hash_table_get_keys_as_array(reader->variables, &count);
	const char *nearest =
	    pv_json_find_nearest(search.unknown, (const char *const *)names, NULL);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: the site has no variable \"%s\"%s%s%s",
	    pv_values_get_where(entry->values, "when"), search.unknown,
	    nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
	    nearest != NULL ? "\"?" : ": add it to \"variables\" of the site");
	return FALSE;
}

static gboolean
pipeline_parse_when(const PipelineReader *reader, PvPipelineStage *entry, GError **error)
{
	entry->when_text = g_strdup(pv_values_get_string(entry->values, "when"));
	if (entry->when_text == NULL)
		return TRUE;
	entry->when = pv_condition_parse(entry->when_text, error);
	if (entry->when == NULL)
		g_prefix_error(error, "%s: ", pv_values_get_where(entry->values, "when"));
	return entry->when != NULL && pipeline_check_variables(reader, entry, error);
}

static PvPipelineStage *
pipeline_parse_stage(const PipelineReader *reader, const char *path, GError **error)
{
	const PvPlugin *plugin = NULL;
	const PvStage *stage = pipeline_find_type(reader, path, &plugin, error);
	g_autoptr(PvValues) values =
	    stage != NULL ? pipeline_parse_values(reader, path, stage, error) : NULL;
	if (values == NULL)
		return NULL;
	g_autoptr(PvPipelineStage) entry = g_new0(PvPipelineStage, 1);
	entry->stage = stage;
	entry->plugin = plugin;
	entry->values = g_steal_pointer(&values);
	entry->retries = pipeline_get_number(reader, entry->values, "retries");
	entry->retry_sec = pipeline_get_number(reader, entry->values, "retry-wait");
	/* the file's word for this stage, then what its plugin knows to need, then the pipeline's */
	entry->timeout_sec = stage->timeout_sec != 0 && !pv_values_has(entry->values, "timeout")
				 ? stage->timeout_sec
				 : pipeline_get_number(reader, entry->values, "timeout");
	entry->where = g_strdup_printf("%s:%u: %s", pv_json_get_name(reader->json),
	    pv_json_get_line(reader->json, path), path);
	return pipeline_parse_when(reader, entry, error) ? g_steal_pointer(&entry) : NULL;
}

static gboolean
pipeline_provides(const PvPipelineStage *entry, const char *fact)
{
	return entry->stage->provides != NULL && g_strv_contains(entry->stage->provides, fact);
}

/* The last stage before @end that provides the fact whenever a stage with the condition @when runs. NULL: none, and
 * *conditional is one whose own condition may not hold then. */
static const PvPipelineStage *
pipeline_find_provider(const PvPipeline *pipeline, guint end, const char *fact, const char *when,
    const PvPipelineStage **conditional)
{
	for (guint i = end; i-- > 0;) {
		const PvPipelineStage *entry = pipeline->stages->pdata[i];
		if (!pipeline_provides(entry, fact))
			continue;
		if (entry->when_text == NULL || g_strcmp0(entry->when_text, when) == 0)
			return entry;
		*conditional = entry;
	}
	return NULL;
}

/* What would provide the fact: a later stage, or one that is not in the pipeline. (transfer full) */
static char *
pipeline_advise(
    const PipelineReader *reader, const PvPipeline *pipeline, guint index, const char *fact)
{
	for (guint i = index + 1; i < pipeline->stages->len; i++) {
		const PvPipelineStage *entry = pipeline->stages->pdata[i];
		if (pipeline_provides(entry, fact))
			return g_strdup_printf(
			    "; $.stages[%u] \"%s\" provides it: put that before this one", i,
			    entry->stage->type);
	}
	GPtrArray *plugins = pv_loader_get_plugins(reader->loader);
	for (guint i = 0; i < plugins->len; i++) {
		const PvPlugin *plugin = plugins->pdata[i];
		for (const PvStage *row = plugin->stages; row != NULL && row->type != NULL; row++)
			if (row->provides != NULL && g_strv_contains(row->provides, fact))
				return g_strdup_printf(
				    "; stage \"%s\" provides it: add that before this one",
				    row->type);
	}
	return g_strdup("");
}

static gboolean
pipeline_check_need(const PipelineReader *reader, const PvPipeline *pipeline, guint index,
    const char *fact, GError **error)
{
	const PvPipelineStage *entry = pipeline->stages->pdata[index], *conditional = NULL;
	if ((reader->facts != NULL && g_strv_contains(reader->facts, fact)) ||
	    pipeline_find_provider(pipeline, index, fact, entry->when_text, &conditional) != NULL)
		return TRUE;
	if (conditional != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: stage \"%s\" needs the fact %s, which stage \"%s\" provides only when %s: "
		    "give both the same "
		    "condition",
		    entry->where, entry->stage->type, fact, conditional->stage->type,
		    conditional->when_text);
		return FALSE;
	}
	g_autofree char *advice = pipeline_advise(reader, pipeline, index, fact);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "%s: stage \"%s\" needs the fact %s, which no stage before it provides%s", entry->where,
	    entry->stage->type, fact, advice);
	return FALSE;
}

/* A stage that makes facts and is here twice, word for word, was copied by mistake. */
static gboolean
pipeline_check_repeated(
    const PipelineReader *reader, const PvPipeline *pipeline, guint index, GError **error)
{
	const PvPipelineStage *entry = pipeline->stages->pdata[index];
	g_autofree char *path = g_strdup_printf("$.stages[%u]", index);
	JsonNode *node = pv_json_find(reader->json, path);
	for (guint i = 0; i < index && entry->stage->provides != NULL; i++) {
		const PvPipelineStage *other = pipeline->stages->pdata[i];
		g_autofree char *other_path = g_strdup_printf("$.stages[%u]", i);
		if (other->stage != entry->stage ||
		    !json_node_equal(node, pv_json_find(reader->json, other_path)))
			continue;
		pv_json_set_error(reader->json, path, error,
		    "stage \"%s\" is the same as %s: remove one of them", entry->stage->type,
		    other_path);
		return FALSE;
	}
	return TRUE;
}

static gboolean
pipeline_check_stages(const PipelineReader *reader, const PvPipeline *pipeline, GError **error)
{
	for (guint i = 0; i < pipeline->stages->len; i++) {
		const PvPipelineStage *entry = pipeline->stages->pdata[i];
		if (!pipeline_check_repeated(reader, pipeline, i, error))
			return FALSE;
		for (const char *const *fact = entry->stage->needs; fact != NULL && *fact != NULL;
		     fact++)
			if (!pipeline_check_need(reader, pipeline, i, *fact, error))
				return FALSE;
	}
	return TRUE;
}

static gboolean
pipeline_parse_stages(const PipelineReader *reader, PvPipeline *pipeline, GError **error)
{
	JsonNode *node = pv_json_find(reader->json, "$.stages");
	guint length = node != NULL && JSON_NODE_HOLDS_ARRAY(node)
			   ? json_array_get_length(json_node_get_array(node))
			   : 0;
	if (length == 0 || length > PIPELINE_MAX_STAGES) {
		pv_json_set_error(reader->json, "$.stages", error,
		    "expected an array of 1 to %d stages", PIPELINE_MAX_STAGES);
		return FALSE;
	}
	for (guint i = 0; i < length; i++) {
		g_autofree char *path = g_strdup_printf("$.stages[%u]", i);
		PvPipelineStage *entry = pipeline_parse_stage(reader, path, error);
		if (entry == NULL)
			return FALSE;
		g_ptr_array_add(pipeline->stages, entry);
	}
	return pipeline_check_stages(reader, pipeline, error);
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
	pipeline->stages = g_ptr_array_new_with_free_func(pipeline_free_stage);
	if (*pipeline->name == '\0') {
		pv_json_set_error(
		    json, "$.pipeline", error, "expected a name, got an empty string");
		return NULL;
	}
	const PipelineReader reader = { json, loader, values, variables, facts };
	return pipeline_parse_stages(&reader, pipeline, error) ? g_steal_pointer(&pipeline) : NULL;
}

/* Within a DOT string quotes and backslashes would end it or begin an escape such as \N. (transfer full) */
static char *
pipeline_dup_label(const char *text)
{
	GString *label = g_string_new(NULL);
	for (const char *c = text; *c != '\0'; c = g_utf8_next_char(c)) {
		gunichar character = g_utf8_get_char(c);
		if (character == '"' || character == '\\')
			g_string_append_c(label, '\\');
		g_string_append_unichar(label, g_unichar_iscntrl(character) ? ' ' : character);
	}
	return g_string_free(label, FALSE);
}

static void
pipeline_append_node(GString *dot, const PvPipelineStage *entry, guint index)
{
	g_autofree char *type = pipeline_dup_label(entry->stage->type);
	g_autofree char *when =
	    entry->when_text != NULL ? pipeline_dup_label(entry->when_text) : NULL;
	if (when != NULL)
		g_string_append_printf(dot,
		    "\ts%u [label=\"%u. %s\\nwhen %s\", style=\"rounded,dashed\"];\n", index,
		    index + 1, type, when);
	else
		g_string_append_printf(dot, "\ts%u [label=\"%u. %s\"];\n", index, index + 1, type);
	if (index > 0)
		g_string_append_printf(dot, "\ts%u -> s%u [weight=10];\n", index - 1, index);
}

/* One edge from each stage that provides something, with all that is taken from it. */
static void
pipeline_append_facts(GString *dot, const PvPipeline *pipeline, guint index)
{
	const PvPipelineStage *user = pipeline->stages->pdata[index];
	g_autoptr(GPtrArray) labels = g_ptr_array_new_with_free_func((GDestroyNotify)g_free);
	g_ptr_array_set_size(labels, (int)index);
	for (const char *const *fact = user->stage->needs; fact != NULL && *fact != NULL; fact++) {
		const PvPipelineStage *conditional = NULL;
		const PvPipelineStage *provider =
		    pipeline_find_provider(pipeline, index, *fact, user->when_text, &conditional);
		guint from = 0;
		/* else it was there before the first stage */
		if (provider == NULL || !g_ptr_array_find(pipeline->stages, provider, &from))
			continue;
		g_autofree char *name = pipeline_dup_label(*fact);
		char *before = labels->pdata[from];
		labels->pdata[from] =
		    before != NULL ? g_strconcat(before, "\\n", name, NULL) : g_strdup(name);
		g_free(before);
	}
	for (guint i = 0; i < index; i++)
		if (labels->pdata[i] != NULL)
			g_string_append_printf(dot,
			    "\ts%u -> s%u [label=\"%s\", style=dotted, constraint=false];\n", i,
			    index, (const char *)labels->pdata[i]);
}

char *
pv_pipeline_to_dot(const PvPipeline *pipeline)
{
	g_autofree char *name = pipeline_dup_label(pipeline->name);
	GString *dot = g_string_new(NULL);
	g_string_append_printf(dot, "digraph \"%s\" {\n", name);
	g_string_append(dot, "\tnode [shape=box, style=rounded, fontname=\"sans-serif\"];\n"
			     "\tedge [fontname=\"sans-serif\", fontsize=10];\n");
	for (guint i = 0; i < pipeline->stages->len; i++)
		pipeline_append_node(dot, pipeline->stages->pdata[i], i);
	for (guint i = 0; i < pipeline->stages->len; i++)
		pipeline_append_facts(dot, pipeline, i);
	g_string_append(dot, "}\n");
	return g_string_free(dot, FALSE);
}
