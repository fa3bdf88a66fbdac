/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/base/json.h"
#include "core/engine/loader.h"

G_BEGIN_DECLS

/* A condition over facts and site variables:
 *   or := and ("||" and)* ; and := not ("&&" not)* ; not := "!" not | "(" or ")" | test
 *   test := name [ ("=="|"!="|"<"|"<="|">"|">=") literal ] ; literal := "text" | 'text' | number or version such as 11.8
 * A bare name is true when it exists and is not "", "0", "false". Order, and equality with a literal without quotes, compare
 * dotted numbers part by part, where a missing part is 0; what is no number is in no order with anything. What does not exist
 * is different from everything. Names begin with "device." (a fact, or group, name, fqdn, uuid, mac, address) or "site." (a
 * variable). Depth at most 16, 1000 bytes. */
typedef struct PvCondition PvCondition;
typedef const char *(*PvConditionLookup)(gpointer data, const char *name); /* NULL: not there */
PvCondition *pv_condition_parse(
    const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* error names the column */
gboolean pv_condition_eval(const PvCondition *condition, PvConditionLookup lookup, gpointer data);
void pv_condition_free(PvCondition *condition);
/* calls @func with every name in it, in order; a name may come several times */
void pv_condition_foreach(
    const PvCondition *condition, void (*func)(const char *name, gpointer data), gpointer data);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvCondition, pv_condition_free)

/* One stage of a pipeline with its parameters. */
typedef struct {
	const PvStage *stage; /* borrowed from the loader */
	const PvPlugin *plugin; /* likewise */
	PvValues *values; /* owned */
	PvCondition *when; /* owned; NULL: always */
	char *when_text; /* owned; NULL: always */
	guint timeout_sec; /* for the whole stage, waits included */
	guint retries; /* failed tries that are repeated */
	guint retry_sec; /* first wait; doubles, with jitter, up to 15 min */
	char *where; /* owned: "FILE:LINE: $.stages[3]" */
} PvPipelineStage;

/* Immutable once loaded, reference-counted. */
typedef struct {
	char *name;
	char *file;
	GPtrArray *stages; /* of PvPipelineStage */
	gatomicrefcount references;
} PvPipeline;

/**
 * pv_pipeline_load:
 * @variables: (nullable): set of site variable names, for site.X in conditions; NULL: unchecked
 * @facts: (nullable): facts that exist before the first stage; ends with NULL
 *
 * Members of the file: "pipeline" (name), "summary", "timeout", "retries", "retry-wait", "stages"; of a stage: "stage", "when",
 * "timeout", "retries", "retry-wait" and its parameters. Checks stages, parameters, conditions, and the order of needs and
 * provides (a fact provided only by a stage with a condition is good enough for a stage with the same condition).
 */
PvPipeline *pv_pipeline_load(const char *path, PvLoader *loader, GHashTable *variables,
    const char *const *facts, GError **error) G_GNUC_WARN_UNUSED_RESULT;
PvPipeline *pv_pipeline_ref(PvPipeline *pipeline);
void pv_pipeline_unref(PvPipeline *pipeline);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvPipeline, pv_pipeline_unref)

/* Graphviz DOT: stages in order, facts as labels of edges from provider to user. (transfer full) */
char *pv_pipeline_to_dot(const PvPipeline *pipeline);

G_END_DECLS
