/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/classes.h"

#include <stdlib.h>
#include <string.h>

static const PvSimClass *const class_tables[] = {
	pv_sim_classes_general,
	pv_sim_classes_setup,
	pv_sim_classes_access,
	pv_sim_classes_keys,
	pv_sim_classes_tls,
	pv_sim_classes_power,
	pv_sim_classes_features,
	pv_sim_classes_environment,
	pv_sim_classes_log,
	pv_sim_classes_8021x,
	pv_sim_classes_wireless,
};

gboolean
pv_sim_class_is_there(const PvSimDevice *device, guint since, guint until)
{
	guint version = device->personality->version;
	return since <= version && (until == 0 || version < until);
}

const PvSimClass *
pv_sim_class_find(const PvSimDevice *device, const char *name)
{
	for (guint i = 0; i < G_N_ELEMENTS(class_tables); i++) {
		for (const PvSimClass *class = class_tables[i]; class->name != NULL; class ++) {
			if (strcmp(class->name, name) == 0)
				return pv_sim_class_is_there(device, class->since, class->until) &&
					       (class->exists == NULL || class->exists(device))
					   ? class
					   : NULL;
		}
	}
	return NULL;
}

const PvSimClass *
pv_sim_class_nth(guint index)
{
	for (guint i = 0; i < G_N_ELEMENTS(class_tables); i++) {
		for (const PvSimClass *class = class_tables[i]; class->name != NULL; class ++) {
			if (index-- == 0)
				return class;
		}
	}
	return NULL;
}

const PvSimMethod *
pv_sim_class_find_method(const PvSimClass *class, const PvSimDevice *device, const char *name)
{
	if (strcmp(name, "GeneratePKCS10RequestEx") == 0 && !device->switches->pkcs10)
		return NULL;
	for (const PvSimMethod *method = class->methods; method != NULL && method->name != NULL;
	     method++) {
		if (strcmp(method->name, name) == 0 &&
		    pv_sim_class_is_there(device, method->since, method->until))
			return method;
	}
	return NULL;
}

static const PvSimProperty *
class_find_row(const PvSimProperty *rows, const char *name)
{
	for (const PvSimProperty *row = rows; row != NULL && row->name != NULL; row++) {
		if (strcmp(row->name, name) == 0)
			return row;
	}
	return NULL;
}

const PvSimProperty *
pv_sim_class_find_property(const PvSimClass *class, const char *name)
{
	return class_find_row(class->properties, name);
}

void
pv_sim_call_refuse(PvSimCall *call, PvSimFaultCode code, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_free(call->refusal.detail);
	call->refusal.code = code;
	call->refusal.detail = g_strdup_vprintf(format, arguments);
	va_end(arguments);
}

int
pv_sim_class_handle(const char *prefix, const char *instance_id)
{
	guint64 handle = 0;
	if (instance_id == NULL || !g_str_has_prefix(instance_id, prefix) ||
	    !g_ascii_string_to_unsigned(instance_id + strlen(prefix), 10, 0, 65535, &handle, NULL))
		return -1;
	return (int)handle;
}

PvSimInstance *
pv_sim_class_make_instance(
    const PvSimClass *class, const PvSimDevice *device, const PvSimInstance *bag)
{
	if (bag == NULL)
		bag = pv_sim_device_find_bag(device, class->name, NULL);
	PvSimInstance *instance = pv_sim_instance_new(class->name);
	for (const PvSimProperty *row = class->properties; row->name != NULL; row++) {
		if (!pv_sim_class_is_there(device, row->since, row->until) ||
		    (row->flags & PV_SIM_WRITE_ONLY) != 0)
			continue;
		gboolean written = FALSE;
		for (guint i = 0; bag != NULL && i < bag->values->len; i++) {
			const PvSimValue *value = bag->values->pdata[i];
			if (strcmp(value->name, row->name) != 0 || value->text == NULL)
				continue;
			pv_sim_instance_add(instance, row->name, value->text);
			written = TRUE;
		}
		if (!written && row->fallback != NULL)
			pv_sim_instance_add(instance, row->name, row->fallback);
	}
	return instance;
}

void
pv_sim_class_list_bags(const PvSimClass *class, const PvSimDevice *device, GPtrArray *instances)
{
	gsize prefix = strlen(class->name) + 1;
	g_autoptr(GPtrArray) keys = pv_sim_device_list_bags(device, class->name);
	for (guint i = 0; i < keys->len; i++) {
		PvSimInstance *instance = pv_sim_class_make_instance(
		    class, device, g_hash_table_lookup(device->bags, keys->pdata[i]));
		pv_sim_instance_set(instance, class->key, (const char *)keys->pdata[i] + prefix);
		g_ptr_array_add(instances, instance);
	}
}

GPtrArray *
pv_sim_class_instances(const PvSimClass *class, const PvSimDevice *device)
{
	GPtrArray *instances = g_ptr_array_new_with_free_func((GDestroyNotify)pv_sim_instance_free);
	if (class->list != NULL)
		class->list(device, instances);
	else if (class->key != NULL)
		pv_sim_class_list_bags(class, device, instances);
	else
		g_ptr_array_add(instances, pv_sim_class_make_instance(class, device, NULL));
	return instances;
}

static void
class_refuse(PvSimRefusal *refusal, const char *where, const char *name, const char *why)
{
	g_free(refusal->detail);
	refusal->code = PV_SIM_FAULT_SCHEMA;
	refusal->detail = g_strdup_printf("%s: %s %s", where, name, why);
}

static gboolean
class_check_base64(const char *text)
{
	gsize length = strlen(text);
	return length % 4 == 0 &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") ==
		   length;
}

static const char *
class_check_value(const PvSimProperty *row, const PvSimValue *value)
{
	if (row->kind == PV_SIM_REFERENCE)
		return value->epr != NULL || (row->flags & PV_SIM_MAY_BE_EMPTY) != 0
			   ? NULL
			   : "is no endpoint reference";
	if (row->kind == PV_SIM_EMBEDDED)
		return value->embedded != NULL &&
			       strcmp(value->embedded->class_name, row->fallback) == 0
			   ? NULL
			   : "is no embedded instance of its class";
	if (value->text == NULL)
		return "is a reference or an instance where a value belongs";
	guint64 number = 0;
	switch (row->kind) {
	case PV_SIM_BOOLEAN:
		return strcmp(value->text, "true") == 0 || strcmp(value->text, "false") == 0
			   ? NULL
			   : "is neither true nor false";
	case PV_SIM_UINT:
		return g_ascii_string_to_unsigned(
			   value->text, 10, 0, row->max > 0 ? row->max : G_MAXUINT32, &number, NULL)
			   ? NULL
			   : "is no number in range";
	case PV_SIM_BASE64:
		return class_check_base64(value->text) ? NULL : "is no base64";
	case PV_SIM_TEXT:
	case PV_SIM_REFERENCE:
	case PV_SIM_EMBEDDED:
		break;
	}
	return row->max == 0 || strlen(value->text) <= row->max ? NULL : "is too long";
}

static gboolean
class_is_dummy(const PvSimValue *value)
{
	return strcmp(value->name, "_method_dummy") ==
	       0; /* sent by one client for empty inputs (amt/01 section 5) */
}

gboolean
pv_sim_class_check_types(
    const char *where, const PvSimProperty *rows, const PvSimInstance *input, PvSimRefusal *refusal)
{
	for (guint i = 0; i < input->values->len; i++) {
		const PvSimValue *value = input->values->pdata[i];
		const PvSimProperty *row = class_find_row(rows, value->name);
		/* what is read-only is ignored, whatever it is */
		const char *why = row != NULL && (row->flags & PV_SIM_READ_ONLY) == 0
				      ? class_check_value(row, value)
				      : NULL;
		if (why != NULL) {
			class_refuse(refusal, where, value->name, why);
			return FALSE;
		}
	}
	for (const PvSimProperty *row = rows; row != NULL && row->name != NULL; row++) {
		if ((row->flags & PV_SIM_REQUIRED) != 0 && !pv_sim_instance_has(input, row->name)) {
			class_refuse(refusal, where, row->name, "is missing");
			return FALSE;
		}
	}
	return TRUE;
}

gboolean
pv_sim_class_check_parameters(
    const PvSimMethod *method, const PvSimInstance *input, PvSimRefusal *refusal)
{
	const PvSimProperty *row = method->parameters;
	guint seen = 0; /* values of the row's name so far */
	for (guint i = 0; i < input->values->len; i++) {
		const PvSimValue *value = input->values->pdata[i];
		if (class_is_dummy(value))
			continue;
		if (class_find_row(method->parameters, value->name) == NULL) {
			class_refuse(refusal, method->name, value->name, "is no parameter");
			return FALSE;
		}
		/* parameters come in MOF order: skip what was left out, but not what is required */
		while (row->name != NULL && strcmp(row->name, value->name) != 0) {
			if (seen == 0 && (row->flags & PV_SIM_REQUIRED) != 0) {
				class_refuse(
				    refusal, method->name, row->name, "is missing or out of order");
				return FALSE;
			}
			row++;
			seen = 0;
		}
		if (row->name == NULL || (seen > 0 && (row->flags & PV_SIM_ARRAY) == 0)) {
			class_refuse(
			    refusal, method->name, value->name, "is out of order or given twice");
			return FALSE;
		}
		seen++;
	}
	return pv_sim_class_check_types(method->name, method->parameters, input, refusal);
}

gboolean
pv_sim_class_check_properties(const PvSimClass *class, const PvSimDevice *device,
    const PvSimInstance *input, PvSimRefusal *refusal)
{
	if (strcmp(input->class_name, class->name) != 0) {
		class_refuse(
		    refusal, class->name, input->class_name, "is not an instance of this class");
		return FALSE;
	}
	for (guint i = 0; i < input->values->len; i++) {
		const PvSimValue *value = input->values->pdata[i];
		const PvSimProperty *row = class_find_row(class->properties, value->name);
		if (row == NULL || !pv_sim_class_is_there(device, row->since, row->until)) {
			class_refuse(refusal, class->name, value->name, "is no property");
			return FALSE;
		}
		if ((row->flags & PV_SIM_NO_PUT) != 0) {
			class_refuse(refusal, class->name, value->name,
			    "is read-only and must not be sent back");
			return FALSE;
		}
		for (guint j = 0; j < i && (row->flags & PV_SIM_ARRAY) == 0; j++) {
			if (strcmp(((const PvSimValue *)input->values->pdata[j])->name,
				value->name) == 0) {
				class_refuse(refusal, class->name, value->name, "is given twice");
				return FALSE;
			}
		}
	}
	return pv_sim_class_check_types(class->name, class->properties, input, refusal);
}

void
pv_sim_class_put_bag(PvSimCall *call, const char *id)
{
	PvSimInstance *bag = pv_sim_device_bag(call->device, call->class->name, id);
	for (const PvSimProperty *row = call->class->properties; row->name != NULL; row++) {
		gboolean writable =
		    (row->flags & PV_SIM_READ_ONLY) == 0 &&
		    (call->class->key == NULL || strcmp(row->name, call->class->key) != 0);
		/* what is left out stays, but an array that is left out is empty (TrustedCN: amt/06 section 5) */
		if (!writable || (!pv_sim_instance_has(call->input, row->name) &&
				     (row->flags & PV_SIM_ARRAY) == 0))
			continue;
		pv_sim_instance_remove(bag, row->name);
		for (guint i = 0; i < call->input->values->len; i++) {
			const PvSimValue *value = call->input->values->pdata[i];
			if (strcmp(value->name, row->name) == 0 && value->text != NULL)
				pv_sim_instance_add(bag, row->name, value->text);
		}
	}
}
