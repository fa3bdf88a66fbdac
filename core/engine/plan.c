/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/job.h"

#include <string.h>

#define PLAN_MAX_SHOWN 1024 /* bytes of a value that is to go */

/* A row and what pv_plan_put() needs to make it. */
typedef struct {
	char *object, *property, *from, *to; /* owned */
} PlanRow;

struct PvPlan {
	GPtrArray *rows; /* of PlanRow, owned */
	GPtrArray *puts; /* of PvInstance with the wanted values, owned */
	GPtrArray
	    *sources; /* of PvInstance as read, in step with puts, owned: tells instances apart */
};

static void
plan_row_free(gpointer data)
{
	PlanRow *row = data;
	g_free(row->object);
	g_free(row->property);
	g_free(row->from);
	g_free(row->to);
	g_free(row);
}

PvPlan *
pv_plan_new(void)
{
	PvPlan *plan = g_new0(PvPlan, 1);
	plan->rows = g_ptr_array_new_with_free_func(plan_row_free);
	plan->puts = g_ptr_array_new_with_free_func((GDestroyNotify)pv_instance_free);
	plan->sources = g_ptr_array_new_with_free_func((GDestroyNotify)pv_instance_free);
	return plan;
}

void
pv_plan_free(PvPlan *plan)
{
	if (plan == NULL)
		return;
	g_ptr_array_unref(plan->rows);
	g_ptr_array_unref(plan->puts);
	g_ptr_array_unref(plan->sources);
	g_free(plan);
}

/* What a device says is kept with each job and shown to people: enough of it to tell what it was. */
static char *
plan_dup_shown(const char *text)
{
	if (text == NULL || strlen(text) <= PLAN_MAX_SHOWN)
		return g_strdup(text != NULL ? text : "");
	g_autofree char *head = g_strndup(text, PLAN_MAX_SHOWN);
	g_autofree char *valid = g_utf8_make_valid(head, -1);
	return g_strconcat(valid, "…", NULL);
}

void
pv_plan_add(
    PvPlan *plan, const char *object, const char *property, const char *from, const char *to)
{
	PlanRow *row = g_new0(PlanRow, 1);
	row->object = g_strdup(object != NULL ? object : "");
	row->property = g_strdup(property != NULL ? property : "");
	row->from = plan_dup_shown(from);
	row->to = g_strdup(to != NULL ? to : "");
	g_ptr_array_add(plan->rows, row);
}

/* The object column: the class, and the instance where the class has several. */
static char *
plan_dup_object(const PvInstance *instance)
{
	const char *class_name = pv_instance_get_class(instance);
	const char *id = pv_instance_get(instance, "InstanceID");
	if (id == NULL || g_str_equal(class_name, "AMT_GeneralSettings") ||
	    g_str_equal(class_name, "AMT_KerberosSettingData"))
		return g_strdup(class_name);
	return g_strdup_printf("%s \"%s\"", class_name, id);
}

/* The copy of an instance that collects the wanted values, made at its first change. */
static PvInstance *
plan_get_put(PvPlan *plan, const PvInstance *instance)
{
	const char *id = pv_instance_get(instance, "InstanceID");
	for (guint i = 0; i < plan->sources->len; i++) {
		const PvInstance *source = plan->sources->pdata[i];
		if (g_str_equal(pv_instance_get_class(source), pv_instance_get_class(instance)) &&
		    g_strcmp0(pv_instance_get(source, "InstanceID"), id) == 0)
			return plan->puts->pdata[i];
	}
	g_ptr_array_add(plan->sources, pv_instance_dup(instance));
	g_ptr_array_add(plan->puts, pv_instance_dup(instance));
	return plan->puts->pdata[plan->puts->len - 1];
}

/* AMT writes booleans as true/false, some as 1/0. */
static gboolean
plan_value_equal(const char *a, const char *b)
{
	if (g_strcmp0(a, b) == 0)
		return TRUE;
	if (a == NULL || b == NULL)
		return FALSE;
	gboolean a_true = g_str_equal(a, "true") || g_str_equal(a, "1");
	gboolean b_true = g_str_equal(b, "true") || g_str_equal(b, "1");
	gboolean a_false = g_str_equal(a, "false") || g_str_equal(a, "0");
	gboolean b_false = g_str_equal(b, "false") || g_str_equal(b, "0");
	return (a_true && b_true) || (a_false && b_false);
}

void
pv_plan_property(PvPlan *plan, const PvInstance *instance, const char *name, const char *wanted)
{
	const char *value = pv_instance_get(instance, name);
	/* firmware omits some unset strings and sends others empty */
	if (plan_value_equal(value != NULL ? value : "", wanted != NULL ? wanted : ""))
		return;
	g_autofree char *object = plan_dup_object(instance);
	pv_plan_add(plan, object, name, value, wanted);
	pv_instance_set(plan_get_put(plan, instance), name, wanted);
}

void
pv_plan_property_array(
    PvPlan *plan, const PvInstance *instance, const char *name, const char *const *wanted)
{
	static const char *const none[] = { NULL };
	if (wanted == NULL)
		wanted = none;
	guint count = pv_instance_get_count(instance, name);
	gboolean equal = g_strv_length((char **)wanted) == count;
	g_autoptr(GPtrArray) values = g_ptr_array_new();
	for (guint i = 0; i < count; i++) {
		const char *value = pv_instance_get_nth(instance, name, i);
		g_ptr_array_add(values, (gpointer)(value != NULL ? value : ""));
		equal = equal && plan_value_equal(value, wanted[i]);
	}
	if (equal)
		return;
	g_ptr_array_add(values, NULL);
	g_autofree char *from = g_strjoinv(", ", (char **)values->pdata);
	g_autofree char *to = g_strjoinv(", ", (char **)wanted);
	g_autofree char *object = plan_dup_object(instance);
	pv_plan_add(plan, object, name, from, to);
	pv_instance_set_array(plan_get_put(plan, instance), name, wanted);
}

guint
pv_plan_get_length(const PvPlan *plan)
{
	return plan->rows->len;
}

const PvChange *
pv_plan_get(const PvPlan *plan, guint i)
{
	g_return_val_if_fail(i < plan->rows->len, NULL);
	/* the same four pointers, but for const */
	G_STATIC_ASSERT(sizeof(PlanRow) == sizeof(PvChange));
	return plan->rows->pdata[i];
}

gboolean
pv_plan_has(const PvPlan *plan, const char *object, const char *property)
{
	for (guint i = 0; i < plan->rows->len; i++) {
		const PlanRow *row = plan->rows->pdata[i];
		if (g_str_equal(row->object, object) &&
		    (property == NULL || g_str_equal(row->property, property)))
			return TRUE;
	}
	return FALSE;
}

gboolean
pv_plan_put(const PvPlan *plan, PvJob *job, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	for (guint i = 0; i < plan->puts->len; i++) {
		g_autoptr(PvInstance) instance = pv_instance_dup(plan->puts->pdata[i]);
		/* read-only on the wire, refused when sent back; an empty TrustedCN is left out
		 * (Intel AMT SDK, AMT_TLSSettingData) */
		pv_instance_set(instance, "NonSecureConnectionsSupported", NULL);
		if (pv_instance_get_count(instance, "TrustedCN") == 1 &&
		    g_strcmp0(pv_instance_get(instance, "TrustedCN"), "") == 0)
			pv_instance_set(instance, "TrustedCN", NULL);
		if (!pv_wsman_put(amt, instance, error))
			return FALSE;
	}
	return TRUE;
}

char *
pv_plan_to_json(const PvPlan *plan)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_array(builder);
	for (guint i = 0; i < plan->rows->len; i++) {
		const PlanRow *row = plan->rows->pdata[i];
		json_builder_begin_object(builder);
		json_builder_set_member_name(builder, "object");
		json_builder_add_string_value(builder, row->object);
		json_builder_set_member_name(builder, "property");
		json_builder_add_string_value(builder, row->property);
		json_builder_set_member_name(builder, "from");
		json_builder_add_string_value(builder, row->from);
		json_builder_set_member_name(builder, "to");
		json_builder_add_string_value(builder, row->to);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
	g_autoptr(JsonNode) root = json_builder_get_root(builder);
	return json_to_string(root, FALSE);
}
