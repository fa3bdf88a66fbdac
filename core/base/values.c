/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <provost/error.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_FILE_MAX_BYTES (64 * 1024)

/* One parameter with its value; which member counts is said by the parameter's kind. */
typedef struct {
	const PvParam *param; /* borrowed from the plugin's table, which is never unloaded */
	gboolean present;
	char *where; /* owned: "FILE:LINE: PATH" */
	char *text; /* owned: STRING, CHOICE; SECRET: what the reference names */
	const char *reference; /* SECRET: "secret", "file" or "credential"; constant */
	gint64 number; /* INT, BOOL */
	char **list; /* owned: LIST */
	GPtrArray *objects; /* of PvValues, owned: OBJECTS, OBJECT */
} Value;

struct PvValues {
	gatomicrefcount references;
	GPtrArray *values; /* of Value, owned, in the table's order */
	char *folder; /* owned: what relative paths of secret files are relative to */
	PvSecretFind find; /* NULL: no store */
	gpointer find_data;
};

static void
value_free(gpointer data)
{
	Value *value = data;
	g_free(value->where);
	g_free(value->text);
	g_strfreev(value->list);
	g_clear_pointer(&value->objects, g_ptr_array_unref);
	g_free(value);
}

PvValues *
pv_values_ref(PvValues *values)
{
	g_atomic_ref_count_inc(&values->references);
	return values;
}

void
pv_values_unref(PvValues *values)
{
	if (values == NULL || !g_atomic_ref_count_dec(&values->references))
		return;
	g_ptr_array_unref(values->values);
	g_free(values->folder);
	g_free(values);
}

void
pv_values_set_secret_find(PvValues *values, PvSecretFind find, gpointer data)
{
	values->find = find;
	values->find_data = data;
	for (guint i = 0; i < values->values->len; i++) {
		const Value *value = values->values->pdata[i];
		for (guint j = 0; value->objects != NULL && j < value->objects->len; j++)
			pv_values_set_secret_find(value->objects->pdata[j], find, data);
	}
}

static const char *
values_kind_name(PvParamKind kind)
{
	static const char *const names[] = {
		[PV_PARAM_STRING] = "a string",
		[PV_PARAM_CHOICE] = "a string",
		[PV_PARAM_INT] = "a whole number",
		[PV_PARAM_BOOL] = "true or false",
		[PV_PARAM_LIST] = "an array of strings",
		[PV_PARAM_SECRET] = "a reference to a secret",
		[PV_PARAM_OBJECTS] = "an array of objects",
		[PV_PARAM_OBJECT] = "an object",
	};
	return names[kind];
}

static const char *
values_node_name(JsonNode *node)
{
	switch (json_node_get_node_type(node)) {
	case JSON_NODE_OBJECT:
		return "an object";
	case JSON_NODE_ARRAY:
		return "an array";
	case JSON_NODE_NULL:
		return "null";
	default:
		break;
	}
	GType type = json_node_get_value_type(node);
	return type == G_TYPE_STRING	? "a string"
	       : type == G_TYPE_BOOLEAN ? "true or false"
	       : type == G_TYPE_INT64	? "a whole number"
					: "a fraction";
}

static gboolean
values_holds(JsonNode *node, GType type)
{
	return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type;
}

static gboolean
values_wrong_kind(
    PvJson *json, const char *path, const PvParam *param, JsonNode *node, GError **error)
{
	if (param->kind == PV_PARAM_SECRET && values_holds(node, G_TYPE_STRING))
		pv_json_set_error(json, path, error,
		    "a secret must not stand in this file: write {\"secret\": \"NAME\"} and store "
		    "the value "
		    "with \"provost secret set NAME\", or {\"file\": \"PATH\"}");
	else
		pv_json_set_error(json, path, error, "expected %s, got %s",
		    values_kind_name(param->kind), values_node_name(node));
	return FALSE;
}

static gboolean
values_parse_choice(PvJson *json, const char *path, Value *value, GError **error)
{
	g_auto(GStrv) choices =
	    g_strsplit(value->param->choices != NULL ? value->param->choices : "", "|", -1);
	if (g_strv_contains((const char *const *)choices, value->text))
		return TRUE;
	g_autofree char *known = g_strjoinv(", ", choices);
	pv_json_set_error(json, path, error, "\"%s\" is none of %s", value->text, known);
	return FALSE;
}

static gboolean
values_parse_int(PvJson *json, const char *path, JsonNode *node, Value *value, GError **error)
{
	const PvParam *param = value->param;
	value->number = json_node_get_int(node);
	if (param->maximum == 0 ||
	    (value->number >= param->minimum && value->number <= param->maximum))
		return TRUE;
	pv_json_set_error(json, path, error,
	    "%" G_GINT64_FORMAT " is out of range: %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
	    "%s%s",
	    value->number, param->minimum, param->maximum, param->unit != NULL ? " " : "",
	    param->unit != NULL ? param->unit : "");
	return FALSE;
}

static gboolean
values_parse_list(PvJson *json, const char *path, JsonArray *array, Value *value, GError **error)
{
	guint length = json_array_get_length(array);
	g_clear_pointer(&value->list, g_strfreev);
	value->list = g_new0(char *, length + 1);
	for (guint i = 0; i < length; i++) {
		JsonNode *element = json_array_get_element(array, i);
		if (!values_holds(element, G_TYPE_STRING)) {
			g_autofree char *at = g_strdup_printf("%s[%u]", path, i);
			pv_json_set_error(json, at, error, "expected a string, got %s",
			    values_node_name(element));
			return FALSE;
		}
		value->list[i] = g_strdup(json_node_get_string(element));
	}
	return TRUE;
}

static gboolean
values_parse_secret(
    PvJson *json, const char *path, JsonObject *object, Value *value, GError **error)
{
	static const char *const forms[] = { "secret", "file", "credential" };
	if (json_object_get_size(object) == 1) {
		for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
			JsonNode *node = json_object_get_member(object, forms[i]);
			if (node == NULL || !values_holds(node, G_TYPE_STRING) ||
			    *json_node_get_string(node) == '\0')
				continue;
			value->reference = forms[i];
			value->text = g_strdup(json_node_get_string(node));
			return TRUE;
		}
	}
	pv_json_set_error(json, path, error,
	    "expected one of {\"secret\": NAME}, {\"file\": PATH}, {\"credential\": NAME}");
	return FALSE;
}

static gboolean
values_parse_objects(PvJson *json, const char *path, JsonNode *node, Value *value, GError **error)
{
	gboolean array = JSON_NODE_HOLDS_ARRAY(node);
	guint length = array ? json_array_get_length(json_node_get_array(node)) : 1;
	for (guint i = 0; i < length; i++) {
		g_autofree char *at = array ? g_strdup_printf("%s[%u]", path, i) : g_strdup(path);
		PvValues *child = pv_values_parse(json, at, value->param->fields, NULL, error);
		if (child == NULL)
			return FALSE;
		g_ptr_array_add(value->objects, child);
	}
	return TRUE;
}

/* Takes a node as the value of a parameter; the path is where the node stands. */
static gboolean
values_parse_node(PvJson *json, const char *path, JsonNode *node, Value *value, GError **error)
{
	const PvParam *param = value->param;
	value->present = TRUE;
	switch (param->kind) {
	case PV_PARAM_STRING:
	case PV_PARAM_CHOICE:
		if (!values_holds(node, G_TYPE_STRING))
			return values_wrong_kind(json, path, param, node, error);
		value->text = json_node_dup_string(node);
		return param->kind == PV_PARAM_STRING ||
		       values_parse_choice(json, path, value, error);
	case PV_PARAM_INT:
		return values_holds(node, G_TYPE_INT64)
			   ? values_parse_int(json, path, node, value, error)
			   : values_wrong_kind(json, path, param, node, error);
	case PV_PARAM_BOOL:
		if (!values_holds(node, G_TYPE_BOOLEAN))
			return values_wrong_kind(json, path, param, node, error);
		value->number = json_node_get_boolean(node);
		return TRUE;
	case PV_PARAM_LIST:
		return JSON_NODE_HOLDS_ARRAY(node)
			   ? values_parse_list(json, path, json_node_get_array(node), value, error)
			   : values_wrong_kind(json, path, param, node, error);
	case PV_PARAM_SECRET:
		return JSON_NODE_HOLDS_OBJECT(node)
			   ? values_parse_secret(
				 json, path, json_node_get_object(node), value, error)
			   : values_wrong_kind(json, path, param, node, error);
	case PV_PARAM_OBJECTS:
		return JSON_NODE_HOLDS_ARRAY(node)
			   ? values_parse_objects(json, path, node, value, error)
			   : values_wrong_kind(json, path, param, node, error);
	case PV_PARAM_OBJECT:
		return JSON_NODE_HOLDS_OBJECT(node)
			   ? values_parse_objects(json, path, node, value, error)
			   : values_wrong_kind(json, path, param, node, error);
	}
	g_return_val_if_reached(FALSE);
}

/* A default is JSON text of the plugin; it is parsed as if it stood in a file of its own. */
static gboolean
values_parse_fallback(Value *value, GError **error)
{
	const PvParam *param = value->param;
	if (g_str_equal(param->fallback, "null"))
		return TRUE;
	g_autoptr(PvJson) json = pv_json_parse("default", param->fallback, -1, error);
	return json != NULL && values_parse_node(json, "$", pv_json_get_root(json), value, error);
}

static Value *
value_new(const PvParam *param)
{
	Value *value = g_new0(Value, 1);
	value->param = param;
	value->list = g_new0(char *, 1);
	value->objects = g_ptr_array_new_with_free_func((GDestroyNotify)pv_values_unref);
	return value;
}

/* Edits that turn one name into the other; enough for names of a few words. */
static guint
values_distance(const char *a, const char *b)
{
	gsize width = strlen(b) + 1;
	g_autofree guint *row = g_new(guint, width);
	for (gsize j = 0; j < width; j++)
		row[j] = (guint)j;
	for (gsize i = 1; a[i - 1] != '\0'; i++) {
		guint corner = row[0];
		row[0] = (guint)i;
		for (gsize j = 1; j < width; j++) {
			guint above = row[j];
			row[j] = MIN(MIN(above, row[j - 1]) + 1, corner + (a[i - 1] != b[j - 1]));
			corner = above;
		}
	}
	return row[width - 1];
}

static void
values_unknown_member(
    PvJson *json, const char *path, const char *name, const PvParam *params, GError **error)
{
	const char *nearest = NULL;
	guint best = 4;
	if (strlen(name) < 64) {
		for (const PvParam *param = params; param != NULL && param->name != NULL; param++) {
			guint distance = values_distance(name, param->name);
			if (distance < best) {
				best = distance;
				nearest = param->name;
			}
		}
	}
	g_autofree char *at = g_strdup_printf("%s.%s", path, name);
	if (nearest != NULL)
		pv_json_set_error(
		    json, at, error, "unknown member \"%s\"; did you mean \"%s\"?", name, nearest);
	else
		pv_json_set_error(json, at, error, "unknown member \"%s\"", name);
}

static const PvParam *
values_find_param(const PvParam *params, const char *name)
{
	for (const PvParam *param = params; param != NULL && param->name != NULL; param++)
		if (g_str_equal(param->name, name))
			return param;
	return NULL;
}

/* The node at a path of member names and indexes as this file writes them; NULL: none. */
static JsonNode *
values_find_node(PvJson *json, const char *path)
{
	JsonNode *node = pv_json_get_root(json);
	const char *at = path + 1; /* "$" */
	while (node != NULL && *at != '\0') {
		if (*at == '[') {
			char *rest = NULL;
			guint64 i = g_ascii_strtoull(at + 1, &rest, 10);
			at = rest + 1;
			node = JSON_NODE_HOLDS_ARRAY(node) &&
				       i < json_array_get_length(json_node_get_array(node))
				   ? json_array_get_element(json_node_get_array(node), (guint)i)
				   : NULL;
		} else {
			const char *end = at + 1 + strcspn(at + 1, ".[");
			g_autofree char *name = g_strndup(at + 1, (gsize)(end - at - 1));
			at = end;
			node = JSON_NODE_HOLDS_OBJECT(node)
				   ? json_object_get_member(json_node_get_object(node), name)
				   : NULL;
		}
	}
	return node;
}

static gboolean
values_check_members(PvJson *json, const char *path, JsonObject *object, const PvParam *params,
    const char *const *ignore, GError **error)
{
	JsonObjectIter iter;
	const char *name = NULL;
	json_object_iter_init_ordered(&iter, object);
	while (json_object_iter_next_ordered(&iter, &name, NULL)) {
		if (values_find_param(params, name) != NULL ||
		    (ignore != NULL && g_strv_contains(ignore, name)))
			continue;
		values_unknown_member(json, path, name, params, error);
		return FALSE;
	}
	return TRUE;
}

PvValues *
pv_values_parse(PvJson *json, const char *path, const PvParam *params, const char *const *ignore,
    GError **error)
{
	JsonNode *node = values_find_node(json, path);
	if (node == NULL || !JSON_NODE_HOLDS_OBJECT(node)) {
		pv_json_set_error(json, path, error, "expected an object, got %s",
		    node != NULL ? values_node_name(node) : "nothing");
		return NULL;
	}
	JsonObject *object = json_node_get_object(node);
	if (!values_check_members(json, path, object, params, ignore, error))
		return NULL;

	g_autoptr(PvValues) values = g_new0(PvValues, 1);
	g_atomic_ref_count_init(&values->references);
	values->values = g_ptr_array_new_with_free_func(value_free);
	values->folder = g_path_get_dirname(pv_json_get_name(json));
	for (const PvParam *param = params; param != NULL && param->name != NULL; param++) {
		Value *value = value_new(param);
		g_autofree char *at = g_strdup_printf("%s.%s", path, param->name);
		JsonNode *member = json_object_get_member(object, param->name);
		g_ptr_array_add(values->values, value);
		value->where = g_strdup_printf(
		    "%s:%u: %s", pv_json_get_name(json), pv_json_get_line(json, at), at);
		if (member == NULL && param->fallback == NULL) {
			pv_json_set_error(json, path, error, "\"%s\" is missing: %s", param->name,
			    param->summary);
			return NULL;
		}
		/* null says what leaving it out says, where it may be left out without a default */
		gboolean absent = member == NULL || (JSON_NODE_HOLDS_NULL(member) &&
							g_strcmp0(param->fallback, "null") == 0);
		if (absent ? !values_parse_fallback(value, error)
			   : !values_parse_node(json, at, member, value, error))
			return NULL;
	}
	return g_steal_pointer(&values);
}

static const Value *
values_get(const PvValues *values, const char *name, guint kinds)
{
	for (guint i = 0; i < values->values->len; i++) {
		const Value *value = values->values->pdata[i];
		if (!g_str_equal(value->param->name, name))
			continue;
		if ((kinds & (1u << value->param->kind)) == 0)
			g_error("parameter \"%s\" is %s and is read as something else", name,
			    values_kind_name(value->param->kind));
		return value;
	}
	g_error("no parameter \"%s\" in this table", name);
}

#define VALUES_ANY_KIND G_MAXUINT

gboolean
pv_values_has(const PvValues *values, const char *name)
{
	return values_get(values, name, VALUES_ANY_KIND)->present;
}

const char *
pv_values_get_string(const PvValues *values, const char *name)
{
	return values_get(values, name, 1u << PV_PARAM_STRING | 1u << PV_PARAM_CHOICE)->text;
}

gint64
pv_values_get_int(const PvValues *values, const char *name)
{
	return values_get(values, name, 1u << PV_PARAM_INT)->number;
}

gboolean
pv_values_get_bool(const PvValues *values, const char *name)
{
	return values_get(values, name, 1u << PV_PARAM_BOOL)->number != 0;
}

const char *const *
pv_values_get_list(const PvValues *values, const char *name)
{
	return (const char *const *)values_get(values, name, 1u << PV_PARAM_LIST)->list;
}

guint
pv_values_get_count(const PvValues *values, const char *name)
{
	return values_get(values, name, 1u << PV_PARAM_OBJECTS | 1u << PV_PARAM_OBJECT)
	    ->objects->len;
}

const PvValues *
pv_values_get_object(const PvValues *values, const char *name, guint i)
{
	const GPtrArray *objects =
	    values_get(values, name, 1u << PV_PARAM_OBJECTS | 1u << PV_PARAM_OBJECT)->objects;
	return i < objects->len ? objects->pdata[i] : NULL;
}

const char *
pv_values_get_where(const PvValues *values, const char *name)
{
	return values_get(values, name, VALUES_ANY_KIND)->where;
}

/* Reads a file that holds a secret: a regular one that nobody else may read, without the newline at its end. systemd
 * lets the service's user into a credential by an access list, which shows as the group's read bit. */
static PvSecret *
values_read_secret_file(const char *path, gboolean credential, const char *where, GError **error)
{
	const mode_t forbidden = credential ? 037 : 077;
	struct stat info;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &info) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: read secret file %s: %s", where,
		    path, g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	const char *wrong = !S_ISREG(info.st_mode)	? "it is no regular file"
			    : (info.st_mode & forbidden) != 0 ? "others may read it: chmod 600"
			    : info.st_uid != 0 && info.st_uid != geteuid()
				? "it belongs to another user"
			    : info.st_size > SECRET_FILE_MAX_BYTES ? "it is larger than 64 KiB"
								   : NULL;
	if (wrong != NULL) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "%s: secret file %s: %s", where, path, wrong);
		close(fd);
		return NULL;
	}
	gsize size = (gsize)info.st_size;
	char *data = OPENSSL_zalloc(size + 1);
	gsize length = 0;
	for (gssize got = 1; got > 0 && length<size; length += got> 0 ? (gsize)got : 0)
		got = read(fd, data + length, size - length);
	close(fd);
	if (length > 0 && data[length - 1] == '\n')
		length--;
	if (length > 0 && data[length - 1] == '\r')
		length--;
	PvSecret *secret = length > 0 ? pv_secret_new(data, (gssize)length) : NULL;
	OPENSSL_clear_free(data, size + 1);
	if (secret == NULL)
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "%s: secret file %s is empty", where, path);
	return secret;
}

PvSecret *
pv_values_dup_secret(const PvValues *values, const char *name, GError **error)
{
	const Value *value = values_get(values, name, 1u << PV_PARAM_SECRET);
	if (!value->present) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "%s: no secret is given", value->where);
		return NULL;
	}
	if (g_str_equal(value->reference, "file")) {
		g_autofree char *path = g_path_is_absolute(value->text)
					    ? g_strdup(value->text)
					    : g_build_filename(values->folder, value->text, NULL);
		return values_read_secret_file(path, FALSE, value->where, error);
	}
	if (g_str_equal(value->reference, "credential")) {
		const char *folder = g_getenv("CREDENTIALS_DIRECTORY");
		if (folder == NULL || strchr(value->text, '/') != NULL || *value->text == '.') {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: credential \"%s\": %s",
			    value->where, value->text,
			    folder == NULL ? "systemd passed none: add LoadCredential= to the unit"
					   : "this is no credential's name");
			return NULL;
		}
		g_autofree char *path = g_build_filename(folder, value->text, NULL);
		return values_read_secret_file(path, TRUE, value->where, error);
	}
	if (values->find == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: secret \"%s\": the store is not open here", value->where, value->text);
		return NULL;
	}
	PvSecret *secret = values->find(values->find_data, value->text, error);
	if (secret == NULL)
		g_prefix_error(error, "%s: ", value->where);
	return secret;
}

static gboolean
params_check_one(const PvParam *param, const PvParam *params, const char *owner, GError **error)
{
	if (values_find_param(params, param->name) != param ||
	    strspn(param->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(param->name)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: parameter \"%s\": names are lower case and unique", owner, param->name);
		return FALSE;
	}
	if (param->kind > PV_PARAM_OBJECT || param->summary == NULL ||
	    (param->kind == PV_PARAM_CHOICE && param->choices == NULL)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: parameter \"%s\": kind, summary or choices are missing", owner,
		    param->name);
		return FALSE;
	}
	if (param->fallback != NULL) {
		Value *value = value_new(param);
		gboolean ok = values_parse_fallback(value, error);
		value_free(value);
		if (!ok) {
			g_prefix_error(error, "%s: default of \"%s\": ", owner, param->name);
			return FALSE;
		}
	}
	return TRUE;
}

gboolean
pv_params_check(const PvParam *params, const char *owner, GError **error)
{
	for (const PvParam *param = params; param != NULL && param->name != NULL; param++)
		if ((param->fields != NULL && !pv_params_check(param->fields, owner, error)) ||
		    !params_check_one(param, params, owner, error))
			return FALSE;
	return TRUE;
}
