/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/job-private.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define STAGE_MAX_TEXT 4096 /* bytes of an error */

/* A function of a plugin that fails without saying why, or says why without failing, is named and fails. */
static gboolean
stage_check_contract(gboolean ok, const char *function, GError **caught, GError **error)
{
	if (ok && *caught == NULL)
		return TRUE;
	if (!ok && *caught != NULL) {
		g_propagate_error(error, g_steal_pointer(caught));
		return FALSE;
	}
	if (ok)
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
		    "%s set an error and returned TRUE: %s", function, (*caught)->message);
	else
		g_set_error(
		    error, PV_ERROR, PV_ERROR_FAILED, "%s failed without an error", function);
	g_clear_error(caught);
	return FALSE;
}

static gboolean
stage_plan(PvJob *job, PvPlan *plan, GError **error)
{
	g_autoptr(GError) caught = NULL;
	gboolean ok = job->stage->stage->plan(job, plan, &caught);
	return stage_check_contract(ok, "plan", &caught, error);
}

static gboolean
stage_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	g_autoptr(GError) caught = NULL;
	gboolean ok = job->stage->stage->apply(job, plan, &caught);
	return stage_check_contract(ok, "apply", &caught, error);
}

/* Appends the rows of a plan to those of an interrupted run; a row that is there already is not repeated. */
static char *
stage_merge_changes(const char *earlier, const PvPlan *plan)
{
	g_autofree char *json = pv_plan_to_json(plan);
	if (earlier == NULL)
		return g_steal_pointer(&json);
	g_autoptr(JsonNode) old = json_from_string(earlier, NULL);
	g_autoptr(JsonNode) new = json_from_string(json, NULL);
	if (old == NULL || !JSON_NODE_HOLDS_ARRAY(old))
		return g_steal_pointer(&json);
	JsonArray *rows = json_node_get_array(old);
	JsonArray *added = json_node_get_array(new);
	guint known = json_array_get_length(rows);
	for (guint i = 0; i < json_array_get_length(added); i++) {
		gboolean found = FALSE;
		for (guint j = 0; j < known; j++)
			found = found || json_node_equal(json_array_get_element(rows, j),
					     json_array_get_element(added, i));
		if (!found)
			json_array_add_element(rows, json_array_dup_element(added, i));
	}
	return json_to_string(old, FALSE);
}

static void
stage_did_not_take(const PvPlan *plan, GError **error)
{
	g_autoptr(GString) rows = g_string_new(NULL);
	for (guint i = 0; i < pv_plan_get_length(plan) && i < 8; i++) {
		const PvChange *change = pv_plan_get(plan, i);
		g_string_append_printf(rows, "%s%s%s%s is \"%s\", should be \"%s\"",
		    i > 0 ? "; " : "", change->object, *change->property != '\0' ? " " : "",
		    change->property, change->from, change->to);
	}
	g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "did not take effect: %s", rows->str);
}

static gboolean
stage_run(PvJob *job, PvResultRow *result, GError **error)
{
	g_autoptr(PvPlan) plan = pv_plan_new();
	g_autofree char *earlier = g_steal_pointer(&result->changes);
	gboolean resumed = earlier != NULL && !g_str_equal(earlier, "[]");
	if (!stage_plan(job, plan, error)) {
		result->changes = g_steal_pointer(&earlier);
		return FALSE;
	}
	result->changes = stage_merge_changes(earlier, plan);
	if (pv_plan_get_length(plan) == 0) {
		result->outcome = g_strdup(resumed	       ? "done"
					   : job->skip != NULL ? "skipped"
							       : "already");
		result->text = g_strdup(job->skip);
		return TRUE;
	}
	if (!stage_apply(job, plan, error))
		return FALSE;
	if (job->wsman != NULL)
		pv_wsman_forget(job->wsman);
	g_autoptr(PvPlan) proof = pv_plan_new();
	if (!stage_plan(job, proof, error)) {
		g_prefix_error(error, "read back: ");
		return FALSE;
	}
	if (pv_plan_get_length(proof) > 0) {
		stage_did_not_take(proof, error);
		return FALSE;
	}
	if (job->skip != NULL) { /* the device refused what it may refuse: nothing was changed */
		g_free(result->changes);
		result->changes = g_strdup("[]");
		result->outcome = g_strdup("skipped");
		result->text = g_strdup(job->skip);
		return TRUE;
	}
	result->outcome = g_strdup("done");
	return TRUE;
}

/* Errors quote devices, which may say a mebibyte; all of it would be kept with job, result and event, and logged. */
static void
stage_bound_text(GError *error)
{
	if (strlen(error->message) <= STAGE_MAX_TEXT)
		return;
	error->message[STAGE_MAX_TEXT] = '\0';
	char *valid = g_utf8_make_valid(error->message, -1);
	g_free(error->message);
	error->message = valid;
}

gboolean
pv_engine_run_stage(PvJob *job, PvResultRow *result, GError **error)
{
	g_autoptr(GError) caught = NULL;
	g_clear_pointer(&result->outcome, g_free);
	g_clear_pointer(&result->text, g_free);
	if (stage_run(job, result, &caught))
		return TRUE;
	stage_bound_text(caught);
	result->outcome =
	    g_strdup(g_error_matches(caught, PV_ERROR, PV_ERROR_PENDING) ? "waiting" : "failed");
	result->text = g_strdup(caught->message);
	g_propagate_error(error, g_steal_pointer(&caught));
	return FALSE;
}
