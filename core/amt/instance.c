/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/instance.h"
#include "core/net/wipe.h"

#include <provost/error.h>

#include <string.h>
#include <openssl/crypto.h>

struct PvEpr {
	char *class_name;
	GArray *selectors; /* of PvEprSelector */
};

struct PvInstance {
	char *class_name;
	GArray *properties; /* of PvProperty, in the order of the wire */
	PvSelector *selectors; /* what it was got with, strings owned; NULL: not got */
};

static void
instance_selector_clear(gpointer data)
{
	PvEprSelector *selector = data;
	g_free(selector->name);
	g_free(selector->value);
	pv_epr_free(selector->epr);
}

PvEpr *
pv_epr_new(const char *class_name, const PvSelector *selectors)
{
	PvEpr *epr = g_new0(PvEpr, 1);
	epr->class_name = g_strdup(class_name);
	epr->selectors = g_array_new(FALSE, FALSE, sizeof(PvEprSelector));
	g_array_set_clear_func(epr->selectors, instance_selector_clear);
	for (; selectors != NULL && selectors->name != NULL; selectors++)
		pv_epr_take(epr, (PvEprSelector) { .name = g_strdup(selectors->name),
				     .value = g_strdup(selectors->value) });
	return epr;
}

PvEpr *
pv_epr_dup(const PvEpr *epr)
{
	PvEpr *copy = pv_epr_new(epr->class_name, NULL);
	for (guint i = 0; i < epr->selectors->len; i++) {
		const PvEprSelector *selector = pv_epr_get_nth(epr, i);
		pv_epr_take(
		    copy, (PvEprSelector) { .name = g_strdup(selector->name),
			      .value = g_strdup(selector->value),
			      .epr = selector->epr != NULL ? pv_epr_dup(selector->epr) : NULL });
	}
	return copy;
}

void
pv_epr_free(PvEpr *epr)
{
	if (epr == NULL)
		return;
	g_free(epr->class_name);
	g_array_unref(epr->selectors);
	g_free(epr);
}

const char *
pv_epr_get_class(const PvEpr *epr)
{
	return epr->class_name;
}

const char *
pv_epr_get_selector(const PvEpr *epr, const char *name)
{
	for (guint i = 0; i < epr->selectors->len; i++) {
		const PvEprSelector *selector = pv_epr_get_nth(epr, i);
		if (g_str_equal(selector->name, name))
			return selector->value;
	}
	return NULL;
}

guint
pv_epr_get_length(const PvEpr *epr)
{
	return epr->selectors->len;
}

const PvEprSelector *
pv_epr_get_nth(const PvEpr *epr, guint i)
{
	return &g_array_index(epr->selectors, PvEprSelector, i);
}

void
pv_epr_take(PvEpr *epr, PvEprSelector selector)
{
	g_array_append_val(epr->selectors, selector);
}

static void
instance_property_clear(gpointer data)
{
	PvProperty *property = data;
	g_free(property->name);
	/* passwords, keys and what logs in as well as a password go to the device in instances */
	if (property->text != NULL)
		OPENSSL_cleanse(property->text, strlen(property->text));
	g_free(property->text);
	pv_epr_free(property->epr);
	pv_instance_free(property->embedded);
}

PvInstance *
pv_instance_new(const char *class_name)
{
	PvInstance *instance = g_new0(PvInstance, 1);
	instance->class_name = g_strdup(class_name);
	instance->properties = g_array_new(FALSE, FALSE, sizeof(PvProperty));
	g_array_set_clear_func(instance->properties, instance_property_clear);
	return instance;
}

PvInstance *
pv_instance_dup(const PvInstance *instance)
{
	PvInstance *copy = pv_instance_new(instance->class_name);
	for (guint i = 0; i < instance->properties->len; i++) {
		const PvProperty *property = pv_instance_get_property(instance, i);
		pv_instance_take(copy,
		    (PvProperty) { .name = g_strdup(property->name),
			.text = g_strdup(property->text),
			.is_datetime = property->is_datetime,
			.epr = property->epr != NULL ? pv_epr_dup(property->epr) : NULL,
			.embedded = property->embedded != NULL ? pv_instance_dup(property->embedded)
							       : NULL });
	}
	pv_instance_set_selectors(copy, instance->selectors);
	return copy;
}

static void
instance_free_selectors(PvSelector *selectors)
{
	for (PvSelector *selector = selectors; selector != NULL && selector->name != NULL;
	     selector++) {
		g_free((char *)selector->name);
		g_free((char *)selector->value);
	}
	g_free(selectors);
}

void
pv_instance_free(PvInstance *instance)
{
	if (instance == NULL)
		return;
	g_free(instance->class_name);
	g_array_unref(instance->properties);
	instance_free_selectors(instance->selectors);
	g_free(instance);
}

const char *
pv_instance_get_class(const PvInstance *instance)
{
	return instance->class_name;
}

guint
pv_instance_get_length(const PvInstance *instance)
{
	return instance->properties->len;
}

const PvProperty *
pv_instance_get_property(const PvInstance *instance, guint i)
{
	return &g_array_index(instance->properties, PvProperty, i);
}

void
pv_instance_take(PvInstance *instance, PvProperty property)
{
	g_array_append_val(instance->properties, property);
}

void
pv_instance_set_selectors(PvInstance *instance, const PvSelector *selectors)
{
	if (selectors == instance->selectors)
		return;
	g_clear_pointer(&instance->selectors, instance_free_selectors);
	if (selectors == NULL)
		return;
	guint count = 0;
	while (selectors[count].name != NULL)
		count++;
	instance->selectors = g_new0(PvSelector, count + 1);
	for (guint i = 0; i < count; i++) {
		instance->selectors[i].name = g_strdup(selectors[i].name);
		instance->selectors[i].value = g_strdup(selectors[i].value);
	}
}

const PvSelector *
pv_instance_get_selectors(const PvInstance *instance)
{
	return instance->selectors;
}

/* the nth value of a name */
static const PvProperty *
instance_find(const PvInstance *instance, const char *name, guint nth)
{
	for (guint i = 0; i < instance->properties->len; i++) {
		const PvProperty *property = pv_instance_get_property(instance, i);
		if (g_str_equal(property->name, name) && nth-- == 0)
			return property;
	}
	return NULL;
}

const char *
pv_instance_get(const PvInstance *instance, const char *name)
{
	return pv_instance_get_nth(instance, name, 0);
}

gboolean
pv_instance_get_bool(const PvInstance *instance, const char *name)
{
	const char *text = pv_instance_get(instance, name);
	return text != NULL && (g_str_equal(text, "true") || g_str_equal(text, "1"));
}

gint64
pv_instance_get_int(const PvInstance *instance, const char *name, gint64 fallback)
{
	const char *text = pv_instance_get(instance, name);
	gint64 value = 0;
	if (text == NULL ||
	    !g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &value, NULL))
		return fallback;
	return value;
}

guint
pv_instance_get_count(const PvInstance *instance, const char *name)
{
	guint count = 0;
	for (guint i = 0; i < instance->properties->len; i++)
		if (g_str_equal(pv_instance_get_property(instance, i)->name, name))
			count++;
	return count;
}

const char *
pv_instance_get_nth(const PvInstance *instance, const char *name, guint i)
{
	const PvProperty *property = instance_find(instance, name, i);
	return property != NULL ? property->text : NULL;
}

const PvEpr *
pv_instance_get_epr(const PvInstance *instance, const char *name)
{
	const PvProperty *property = instance_find(instance, name, 0);
	return property != NULL ? property->epr : NULL;
}

const PvInstance *
pv_instance_get_embedded(const PvInstance *instance, const char *name)
{
	const PvProperty *property = instance_find(instance, name, 0);
	return property != NULL ? property->embedded : NULL;
}

/* RFC 4648, section 4, with the white space that XML allows in xsd:base64Binary; GLib's decoder would skip junk */
static gboolean
instance_is_base64(const char *text)
{
	gsize digits = 0;
	gsize padding = 0;
	for (; *text != '\0'; text++) {
		if (g_ascii_isspace(*text))
			continue;
		if (*text == '=')
			padding++;
		else if (padding == 0 && (g_ascii_isalnum(*text) || *text == '+' || *text == '/'))
			digits++;
		else
			return FALSE;
	}
	return padding <= 2 && (digits + padding) % 4 == 0;
}

GBytes *
pv_instance_dup_bytes(const PvInstance *instance, const char *name, GError **error)
{
	const char *text = pv_instance_get(instance, name);
	if (text == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read %s.%s: the property is absent", instance->class_name, name);
		return NULL;
	}
	if (!instance_is_base64(text)) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read %s.%s: the value is no base64", instance->class_name, name);
		return NULL;
	}
	gsize length = 0;
	guchar *data = g_base64_decode(text, &length);
	return g_bytes_new_with_free_func(data, length, pv_wipe_free, data);
}

/* Removes all values of the name. Returns where the first one stood, or where the name belongs in ASCII order. */
static guint
instance_cut(PvInstance *instance, const char *name)
{
	guint place = G_MAXUINT;
	for (guint i = 0; i < instance->properties->len;) {
		if (!g_str_equal(pv_instance_get_property(instance, i)->name, name)) {
			i++;
			continue;
		}
		if (place == G_MAXUINT)
			place = i;
		g_array_remove_index(instance->properties, i);
	}
	if (place != G_MAXUINT)
		return place;
	for (place = 0; place < instance->properties->len; place++)
		if (strcmp(pv_instance_get_property(instance, place)->name, name) > 0)
			break;
	return place;
}

static void
instance_insert(PvInstance *instance, guint place, PvProperty property)
{
	g_array_insert_val(instance->properties, place, property);
}

void
pv_instance_set(PvInstance *instance, const char *name, const char *value)
{
	const char *values[] = { value, NULL };
	pv_instance_set_array(instance, name, values);
}

void
pv_instance_set_array(PvInstance *instance, const char *name, const char *const *values)
{
	/* name or values may be lent from a property that the cut frees */
	g_auto(GStrv) copies = g_strdupv((char **)values);
	g_autofree char *key = g_strdup(name);
	guint place = instance_cut(instance, key);
	for (guint i = 0; copies != NULL && copies[i] != NULL; i++)
		instance_insert(instance, place + i,
		    (PvProperty) { .name = g_strdup(key), .text = g_strdup(copies[i]) });
}

void
pv_instance_set_epr(PvInstance *instance, const char *name, const PvEpr *epr)
{
	PvProperty property = { .name = g_strdup(name), .epr = pv_epr_dup(epr) };
	instance_insert(instance, instance_cut(instance, property.name), property);
}

void
pv_instance_add(PvInstance *instance, const char *name, const char *value)
{
	pv_instance_take(instance,
	    (PvProperty) { .name = g_strdup(name), .text = g_strdup(value != NULL ? value : "") });
}

void
pv_instance_add_int(PvInstance *instance, const char *name, gint64 value)
{
	pv_instance_take(instance, (PvProperty) { .name = g_strdup(name),
				       .text = g_strdup_printf("%" G_GINT64_FORMAT, value) });
}

void
pv_instance_add_bytes(PvInstance *instance, const char *name, const void *data, gsize length_bytes)
{
	pv_instance_take(instance,
	    (PvProperty) { .name = g_strdup(name), .text = g_base64_encode(data, length_bytes) });
}

void
pv_instance_add_epr(PvInstance *instance, const char *name, const PvEpr *epr)
{
	pv_instance_take(instance, (PvProperty) { .name = g_strdup(name), .epr = pv_epr_dup(epr) });
}

void
pv_instance_add_embedded(PvInstance *instance, const char *name, const PvInstance *child)
{
	pv_instance_take(
	    instance, (PvProperty) { .name = g_strdup(name), .embedded = pv_instance_dup(child) });
}
