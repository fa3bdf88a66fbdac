/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/instance.h"

#include <stdlib.h>
#include <string.h>

static PvSimValue *
instance_value_new(const char *name, const char *text, PvSimEpr *epr)
{
	PvSimValue *value = g_new0(PvSimValue, 1);
	value->name = g_strdup(name);
	value->text = g_strdup(text);
	value->epr = epr;
	return value;
}

void
pv_sim_value_free(PvSimValue *value)
{
	if (value == NULL)
		return;
	g_free(value->name);
	g_free(value->text);
	pv_sim_epr_free(value->epr);
	pv_sim_instance_free(value->embedded);
	g_free(value);
}

static GPtrArray *
instance_values_new(void)
{
	return g_ptr_array_new_with_free_func((GDestroyNotify)pv_sim_value_free);
}

static const PvSimValue *
instance_values_find(const GPtrArray *values, const char *name)
{
	for (guint i = 0; i < values->len; i++) {
		const PvSimValue *value = values->pdata[i];
		if (strcmp(value->name, name) == 0)
			return value;
	}
	return NULL;
}

static GPtrArray *
instance_values_dup(const GPtrArray *values)
{
	GPtrArray *copy = instance_values_new();
	for (guint i = 0; i < values->len; i++) {
		const PvSimValue *value = values->pdata[i];
		PvSimValue *twin =
		    instance_value_new(value->name, value->text, pv_sim_epr_dup(value->epr));
		if (value->embedded != NULL)
			twin->embedded = pv_sim_instance_dup(value->embedded);
		g_ptr_array_add(copy, twin);
	}
	return copy;
}

PvSimEpr *
pv_sim_epr_new(const char *class_name)
{
	PvSimEpr *epr = g_new0(PvSimEpr, 1);
	epr->class_name = g_strdup(class_name);
	epr->selectors = instance_values_new();
	return epr;
}

PvSimEpr *
pv_sim_epr_new_with(const char *class_name, const char *name, const char *text)
{
	PvSimEpr *epr = pv_sim_epr_new(class_name);
	pv_sim_epr_add(epr, name, text);
	return epr;
}

PvSimEpr *
pv_sim_epr_dup(const PvSimEpr *epr)
{
	if (epr == NULL)
		return NULL;
	PvSimEpr *copy = g_new0(PvSimEpr, 1);
	copy->class_name = g_strdup(epr->class_name);
	copy->selectors = instance_values_dup(epr->selectors);
	return copy;
}

void
pv_sim_epr_free(PvSimEpr *epr)
{
	if (epr == NULL)
		return;
	g_free(epr->class_name);
	g_ptr_array_unref(epr->selectors);
	g_free(epr);
}

void
pv_sim_epr_add(PvSimEpr *epr, const char *name, const char *text)
{
	g_ptr_array_add(epr->selectors, instance_value_new(name, text, NULL));
}

const char *
pv_sim_epr_get(const PvSimEpr *epr, const char *name)
{
	const PvSimValue *value = epr != NULL ? instance_values_find(epr->selectors, name) : NULL;
	return value != NULL ? value->text : NULL;
}

PvSimInstance *
pv_sim_instance_new(const char *class_name)
{
	PvSimInstance *instance = g_new0(PvSimInstance, 1);
	instance->class_name = g_strdup(class_name);
	instance->values = instance_values_new();
	return instance;
}

PvSimInstance *
pv_sim_instance_dup(const PvSimInstance *instance)
{
	PvSimInstance *copy = g_new0(PvSimInstance, 1);
	copy->class_name = g_strdup(instance->class_name);
	copy->values = instance_values_dup(instance->values);
	return copy;
}

void
pv_sim_instance_free(PvSimInstance *instance)
{
	if (instance == NULL)
		return;
	g_free(instance->class_name);
	g_ptr_array_unref(instance->values);
	g_free(instance);
}

const char *
pv_sim_instance_get(const PvSimInstance *instance, const char *name)
{
	const PvSimValue *value = instance_values_find(instance->values, name);
	return value != NULL ? value->text : NULL;
}

const PvSimEpr *
pv_sim_instance_get_epr(const PvSimInstance *instance, const char *name)
{
	const PvSimValue *value = instance_values_find(instance->values, name);
	return value != NULL ? value->epr : NULL;
}

const PvSimInstance *
pv_sim_instance_get_embedded(const PvSimInstance *instance, const char *name)
{
	const PvSimValue *value = instance_values_find(instance->values, name);
	return value != NULL ? value->embedded : NULL;
}

gboolean
pv_sim_instance_has(const PvSimInstance *instance, const char *name)
{
	return instance_values_find(instance->values, name) != NULL;
}

gboolean
pv_sim_instance_get_bool(const PvSimInstance *instance, const char *name)
{
	const char *text = pv_sim_instance_get(instance, name);
	return g_strcmp0(text, "true") == 0 || g_strcmp0(text, "1") == 0;
}

guint32
pv_sim_instance_get_uint(const PvSimInstance *instance, const char *name)
{
	const char *text = pv_sim_instance_get(instance, name);
	return text != NULL ? (guint32)g_ascii_strtoull(text, NULL, 10) : 0;
}

GBytes *
pv_sim_instance_get_bytes(const PvSimInstance *instance, const char *name)
{
	const char *text = pv_sim_instance_get(instance, name);
	if (text == NULL || *text == '\0')
		return NULL;
	gsize length = 0;
	guchar *data = g_base64_decode(text, &length);
	return g_bytes_new_take(data, length);
}

void
pv_sim_instance_add(PvSimInstance *instance, const char *name, const char *text)
{
	g_ptr_array_add(instance->values, instance_value_new(name, text, NULL));
}

void
pv_sim_instance_add_uint(PvSimInstance *instance, const char *name, guint32 value)
{
	char text[16];
	g_snprintf(text, sizeof text, "%u", value);
	pv_sim_instance_add(instance, name, text);
}

void
pv_sim_instance_add_bytes(
    PvSimInstance *instance, const char *name, gconstpointer data, gsize length)
{
	g_autofree char *text = g_base64_encode(data, length);
	pv_sim_instance_add(instance, name, text);
}

void
pv_sim_instance_take_epr(PvSimInstance *instance, const char *name, PvSimEpr *epr)
{
	g_ptr_array_add(instance->values, instance_value_new(name, NULL, epr));
}

void
pv_sim_instance_take_embedded(PvSimInstance *instance, const char *name, PvSimInstance *embedded)
{
	PvSimValue *value = instance_value_new(name, NULL, NULL);
	value->embedded = embedded;
	g_ptr_array_add(instance->values, value);
}

void
pv_sim_instance_remove(PvSimInstance *instance, const char *name)
{
	for (guint i = instance->values->len; i > 0; i--) {
		const PvSimValue *value = instance->values->pdata[i - 1];
		if (strcmp(value->name, name) == 0)
			g_ptr_array_remove_index(instance->values, i - 1);
	}
}

void
pv_sim_instance_set(PvSimInstance *instance, const char *name, const char *text)
{
	g_autofree char *copy = g_strdup(text); /* may be a value that the next line frees */
	pv_sim_instance_remove(instance, name);
	if (copy != NULL)
		pv_sim_instance_add(instance, name, copy);
}

void
pv_sim_instance_sort(PvSimInstance *instance)
{
	/* insertion: stable, and the lists are short and nearly sorted */
	GPtrArray *values = instance->values;
	for (guint i = 1; i < values->len; i++) {
		PvSimValue *value = values->pdata[i];
		guint j = i;
		for (; j > 0 && strcmp(((PvSimValue *)values->pdata[j - 1])->name, value->name) > 0;
		     j--)
			values->pdata[j] = values->pdata[j - 1];
		values->pdata[j] = value;
	}
}
