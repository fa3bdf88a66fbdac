/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <provost/error.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/json.h"

#define VALUES_SECRET_MAX_BYTES (64u << 10)
#define VALUES_MAX_FIELDS_DEPTH 8
#define VALUES_SECRET_FORMS "{\"secret\": NAME}, {\"file\": PATH} or {\"credential\": NAME}"

typedef enum {
	REFERENCE_NONE,
	REFERENCE_SECRET,
	REFERENCE_FILE,
	REFERENCE_CREDENTIAL,
} ReferenceKind;

static const char *const reference_names[] = {
	[REFERENCE_SECRET] = "secret",
	[REFERENCE_FILE] = "file",
	[REFERENCE_CREDENTIAL] = "credential",
};

/* One parameter of the table with what was given for it; the kind says which member counts. */
typedef struct {
	PvParam param; /* a copy: its strings and fields are constants of the table's owner */
	gboolean present;
	char *where; /* owned: "FILE:LINE: PATH" */
	char *text; /* owned: STRING, CHOICE, PATH; SECRET: what the reference names */
	gint64 number; /* INT, BOOL */
	char **list; /* owned: LIST; NULL: absent */
	GPtrArray *objects; /* of PvValues, owned: OBJECTS, OBJECT; NULL: absent */
	ReferenceKind reference; /* SECRET */
} Value;

struct PvValues {
	gatomicrefcount references;
	GPtrArray *values; /* of Value, owned; in the table's order */
	PvSecretFind find; /* NULL: no store */
	gpointer find_data; /* the finder's */
};

static const char *const kind_names[] = {
	[PV_PARAM_STRING] = "a string",
	[PV_PARAM_CHOICE] = "a string",
	[PV_PARAM_INT] = "a whole number",
	[PV_PARAM_BOOL] = "true or false",
	[PV_PARAM_LIST] = "an array of strings",
	[PV_PARAM_SECRET] = "a reference to a secret",
	[PV_PARAM_OBJECTS] = "an array of objects",
	[PV_PARAM_OBJECT] = "an object",
	[PV_PARAM_PATH] = "the path of a file",
};

static PvValues *values_parse_object(PvJson *json, const char *path, JsonNode *node,
    const PvParam *params, const char *const *ignore, GError **error);

static void
values_free_value(gpointer data)
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

static gboolean
values_holds(JsonNode *node, GType type)
{
	return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type;
}

static const char *
values_describe(JsonNode *node)
{
	switch (json_node_get_node_type(node)) {
	case JSON_NODE_OBJECT:
		return "an object";
	case JSON_NODE_ARRAY:
		return "an array";
	case JSON_NODE_NULL:
		return "null";
	case JSON_NODE_VALUE:
		break;
	}
	if (values_holds(node, G_TYPE_STRING))
		return "a string";
	return values_holds(node, G_TYPE_BOOLEAN) ? "a boolean" : "a number";
}

static gboolean
values_fail_kind(
    PvJson *json, const char *path, const PvParam *param, JsonNode *node, GError **error)
{
	if (param->kind == PV_PARAM_SECRET && values_holds(node, G_TYPE_STRING))
		/* the value itself must not show up in a log */
		pv_json_set_error(json, path, error,
		    "a secret must not stand in a file of settings, which gets copied and backed "
		    "up: write "
		    "{\"secret\": \"NAME\"} and store the value with 'provost secret set NAME', "
		    "or {\"file\": \"PATH\"}, or {\"credential\": \"NAME\"} for one that systemd "
		    "passes");
	else if (param->kind == PV_PARAM_INT && values_holds(node, G_TYPE_DOUBLE))
		pv_json_set_error(json, path, error,
		    "expected a whole number, got one with a fraction or exponent");
	else
		pv_json_set_error(json, path, error, "expected %s, got %s", kind_names[param->kind],
		    values_describe(node));
	return FALSE;
}

static gboolean
values_parse_string(PvJson *json, const char *path, JsonNode *node, Value *value, GError **error)
{
	const char *text = json_node_get_string(node);
	if (value->param.kind == PV_PARAM_PATH) {
		/* a key may be in a token, too; where none can be, there is no such file either */
		value->text = g_str_has_prefix(text, "pkcs11:") ? g_strdup(text)
			      : *text != '\0'			       ? pv_json_dup_file(json, text)
								       : NULL;
		if (value->text == NULL)
			pv_json_set_error(
			    json, path, error, "expected the path of a file, got an empty string");
		return value->text != NULL;
	}
	value->text = g_strdup(text);
	if (value->param.kind == PV_PARAM_STRING)
		return TRUE;
	g_auto(GStrv) choices = g_strsplit(value->param.choices, "|", -1);
	if (g_strv_contains((const char *const *)choices, text))
		return TRUE;
	g_autofree char *known = g_strjoinv("\", \"", choices);
	g_autofree char *shown = pv_json_dup_shown(text);
	pv_json_set_error(json, path, error, "expected one of \"%s\", got \"%s\"", known, shown);
	return FALSE;
}

static gboolean
values_parse_int(PvJson *json, const char *path, JsonNode *node, Value *value, GError **error)
{
	const PvParam *param = &value->param;
	value->number = json_node_get_int(node);
	if (param->maximum == 0 ||
	    (value->number >= param->minimum && value->number <= param->maximum))
		return TRUE;
	pv_json_set_error(json, path, error,
	    "expected a number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
	    "%s%s, got %" G_GINT64_FORMAT,
	    param->minimum, param->maximum, param->unit != NULL ? " " : "",
	    param->unit != NULL ? param->unit : "", value->number);
	return FALSE;
}

static gboolean
values_parse_list(PvJson *json, const char *path, JsonNode *node, Value *value, GError **error)
{
	JsonArray *array = json_node_get_array(node);
	guint length = json_array_get_length(array);
	value->list = g_new0(char *, length + 1);
	for (guint i = 0; i < length; i++) {
		JsonNode *element = json_array_get_element(array, i);
		if (!values_holds(element, G_TYPE_STRING)) {
			g_autofree char *at = g_strdup_printf("%s[%u]", path, i);
			pv_json_set_error(
			    json, at, error, "expected a string, got %s", values_describe(element));
			return FALSE;
		}
		value->list[i] = g_strdup(json_node_get_string(element));
	}
	return TRUE;
}

static gboolean
values_is_secret_name(const char *name)
{
	gsize length =
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	return length > 0 && length <= 64 && name[length] == '\0' && g_ascii_isalnum(*name);
}

static gboolean
values_parse_secret(PvJson *json, const char *path, JsonNode *node, Value *value, GError **error)
{
	JsonObject *object = json_node_get_object(node);
	g_autoptr(GList) names = json_object_get_members(object);
	ReferenceKind kind = REFERENCE_NONE;
	for (guint i = REFERENCE_SECRET;
	     i <= REFERENCE_CREDENTIAL && names != NULL && names->next == NULL; i++)
		if (g_str_equal(names->data, reference_names[i]))
			kind = i;
	if (kind == REFERENCE_NONE) {
		pv_json_set_error(json, path, error, "expected one of " VALUES_SECRET_FORMS);
		return FALSE;
	}
	JsonNode *target = json_object_get_member(object, reference_names[kind]);
	g_autofree char *at = pv_json_dup_member_path(path, reference_names[kind]);
	if (!values_holds(target, G_TYPE_STRING)) {
		pv_json_set_error(
		    json, at, error, "expected a string, got %s", values_describe(target));
		return FALSE;
	}
	const char *text = json_node_get_string(target);
	if (kind == REFERENCE_FILE ? *text == '\0' : !values_is_secret_name(text)) {
		pv_json_set_error(json, at, error,
		    kind == REFERENCE_FILE ? "expected the path of a file, got an empty string"
					   : "expected a name of 1 to 64 letters, digits, dots, "
					     "hyphens and underscores");
		return FALSE;
	}
	value->reference = kind;
	value->text = kind == REFERENCE_FILE ? pv_json_dup_file(json, text) : g_strdup(text);
	return TRUE;
}

static gboolean
values_parse_objects(PvJson *json, const char *path, JsonNode *node, Value *value, GError **error)
{
	JsonArray *array = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
	guint length = array != NULL ? json_array_get_length(array) : 1;
	value->objects = g_ptr_array_new_with_free_func((GDestroyNotify)pv_values_unref);
	for (guint i = 0; i < length; i++) {
		g_autofree char *at =
		    array != NULL ? g_strdup_printf("%s[%u]", path, i) : g_strdup(path);
		JsonNode *element = array != NULL ? json_array_get_element(array, i) : node;
		PvValues *object =
		    values_parse_object(json, at, element, value->param.fields, NULL, error);
		if (object == NULL)
			return FALSE;
		g_ptr_array_add(value->objects, object);
	}
	return TRUE;
}

static gboolean
values_has_kind(JsonNode *node, PvParamKind kind)
{
	switch (kind) {
	case PV_PARAM_STRING:
	case PV_PARAM_CHOICE:
	case PV_PARAM_PATH:
		return values_holds(node, G_TYPE_STRING);
	case PV_PARAM_INT:
		return values_holds(node, G_TYPE_INT64);
	case PV_PARAM_BOOL:
		return values_holds(node, G_TYPE_BOOLEAN);
	case PV_PARAM_LIST:
	case PV_PARAM_OBJECTS:
		return JSON_NODE_HOLDS_ARRAY(node);
	case PV_PARAM_SECRET:
	case PV_PARAM_OBJECT:
		return JSON_NODE_HOLDS_OBJECT(node);
	}
	return FALSE;
}

static gboolean
values_parse_node(PvJson *json, const char *path, JsonNode *node, Value *value, GError **error)
{
	PvParamKind kind = value->param.kind;
	if (!values_has_kind(node, kind))
		return values_fail_kind(json, path, &value->param, node, error);
	value->present = TRUE;
	switch (kind) {
	case PV_PARAM_STRING:
	case PV_PARAM_CHOICE:
	case PV_PARAM_PATH:
		return values_parse_string(json, path, node, value, error);
	case PV_PARAM_INT:
		return values_parse_int(json, path, node, value, error);
	case PV_PARAM_BOOL:
		value->number = json_node_get_boolean(node);
		return TRUE;
	case PV_PARAM_LIST:
		return values_parse_list(json, path, node, value, error);
	case PV_PARAM_SECRET:
		return values_parse_secret(json, path, node, value, error);
	case PV_PARAM_OBJECTS:
	case PV_PARAM_OBJECT:
		return values_parse_objects(json, path, node, value, error);
	}
	return FALSE;
}

/* The table's default, as if it stood at @path: what is said about it has a place in the file. */
static gboolean
values_parse_fallback(PvJson *json, const char *path, Value *value, GError **error)
{
	if (g_str_equal(value->param.fallback, "null"))
		return TRUE;
	g_autofree char *name = g_strdup_printf("default of \"%s\"", value->param.name);
	g_autoptr(PvJson) fallback = pv_json_parse(name, value->param.fallback, -1, error);
	if (fallback == NULL)
		return FALSE;
	return values_parse_node(
	    json != NULL ? json : fallback, path, pv_json_get_root(fallback), value, error);
}

static char **
values_list_names(const PvParam *params)
{
	GPtrArray *names = g_ptr_array_new();
	for (const PvParam *param = params; param != NULL && param->name != NULL; param++)
		g_ptr_array_add(names, g_strdup(param->name));
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_free(names, FALSE);
}

static gboolean
values_check_members(PvJson *json, const char *path, JsonObject *object, const PvParam *params,
    const char *const *ignore, GError **error)
{
	g_auto(GStrv) known = values_list_names(params);
	g_autoptr(GList) members = json_object_get_members(object);
	for (GList *member = members; member != NULL; member = member->next) {
		const char *name = member->data;
		if (g_strv_contains((const char *const *)known, name) ||
		    (ignore != NULL && g_strv_contains(ignore, name)))
			continue;
		g_autofree char *at = pv_json_dup_member_path(path, name);
		g_autofree char *shown = pv_json_dup_shown(name);
		const char *nearest =
		    pv_json_find_nearest(name, (const char *const *)known, ignore);
		if (nearest != NULL)
			pv_json_set_error(json, at, error,
			    "unknown member \"%s\"; did you mean \"%s\"?", shown, nearest);
		else
			pv_json_set_error(json, at, error, "unknown member \"%s\"", shown);
		return FALSE;
	}
	return TRUE;
}

static gboolean
values_parse_member(
    PvJson *json, const char *path, JsonObject *object, Value *value, GError **error)
{
	const PvParam *param = &value->param;
	g_autofree char *at = pv_json_dup_member_path(path, param->name);
	value->where =
	    g_strdup_printf("%s:%u: %s", pv_json_get_name(json), pv_json_get_line(json, at), at);
	JsonNode *node = json_object_get_member(object, param->name);
	/* where a parameter may be absent, null says so */
	if (node != NULL && JSON_NODE_HOLDS_NULL(node) && g_strcmp0(param->fallback, "null") == 0)
		node = NULL;
	if (node != NULL)
		return values_parse_node(json, at, node, value, error);
	if (param->fallback != NULL)
		return values_parse_fallback(json, at, value, error);
	pv_json_set_error(json, path, error, "the member \"%s\" is missing: %s (%s)", param->name,
	    param->summary, kind_names[param->kind]);
	return FALSE;
}

static PvValues *
values_parse_object(PvJson *json, const char *path, JsonNode *node, const PvParam *params,
    const char *const *ignore, GError **error)
{
	if (!JSON_NODE_HOLDS_OBJECT(node)) {
		pv_json_set_error(
		    json, path, error, "expected an object, got %s", values_describe(node));
		return NULL;
	}
	JsonObject *object = json_node_get_object(node);
	if (!values_check_members(json, path, object, params, ignore, error))
		return NULL;
	g_autoptr(PvValues) values = g_new0(PvValues, 1);
	g_atomic_ref_count_init(&values->references);
	values->values = g_ptr_array_new_with_free_func(values_free_value);
	for (const PvParam *param = params; param != NULL && param->name != NULL; param++) {
		Value *value = g_new0(Value, 1);
		value->param = *param;
		g_ptr_array_add(values->values, value);
		if (!values_parse_member(json, path, object, value, error))
			return NULL;
	}
	return g_steal_pointer(&values);
}

PvValues *
pv_values_parse(PvJson *json, const char *path, const PvParam *params, const char *const *ignore,
    GError **error)
{
	JsonNode *node = pv_json_find(json, path);
	if (node == NULL) {
		pv_json_set_error(json, path, error, "expected an object, but it is missing");
		return NULL;
	}
	return values_parse_object(json, path, node, params, ignore, error);
}

/* A name or kind that the table does not have is a mistake in the code that asks. */
static const Value *
values_get(const PvValues *values, const char *name, guint kinds)
{
	for (guint i = 0; i < values->values->len; i++) {
		const Value *value = values->values->pdata[i];
		if (!g_str_equal(value->param.name, name))
			continue;
		if ((kinds & 1u << value->param.kind) == 0)
			g_error("parameter \"%s\" is %s and is asked for as something else", name,
			    kind_names[value->param.kind]);
		return value;
	}
	g_error("the table has no parameter \"%s\"", name);
}

static void
values_add_referred(const PvValues *values, const char *refers, GPtrArray *found)
{
	for (guint i = 0; i < values->values->len; i++) {
		const Value *value = values->values->pdata[i];
		for (guint k = 0; value->objects != NULL && k < value->objects->len; k++)
			values_add_referred(value->objects->pdata[k], refers, found);
		if (g_strcmp0(value->param.refers, refers) != 0)
			continue;
		if (value->param.kind == PV_PARAM_STRING && value->text != NULL)
			g_ptr_array_add(found, value->text);
		for (guint k = 0; value->list != NULL && value->list[k] != NULL; k++)
			g_ptr_array_add(found, value->list[k]);
	}
}

GPtrArray *
pv_values_list_referred(const PvValues *values, const char *refers)
{
	GPtrArray *found = g_ptr_array_new();
	values_add_referred(values, refers, found);
	return found;
}

gboolean
pv_values_has(const PvValues *values, const char *name)
{
	return values_get(values, name, G_MAXUINT)->present;
}

const char *
pv_values_get_string(const PvValues *values, const char *name)
{
	return values_get(
	    values, name, 1u << PV_PARAM_STRING | 1u << PV_PARAM_CHOICE | 1u << PV_PARAM_PATH)
	    ->text;
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
	static const char *const none[] = { NULL };
	char **list = values_get(values, name, 1u << PV_PARAM_LIST)->list;
	return list != NULL ? (const char *const *)list : none;
}

static const GPtrArray *
values_get_objects(const PvValues *values, const char *name)
{
	return values_get(values, name, 1u << PV_PARAM_OBJECTS | 1u << PV_PARAM_OBJECT)->objects;
}

guint
pv_values_get_count(const PvValues *values, const char *name)
{
	const GPtrArray *objects = values_get_objects(values, name);
	return objects != NULL ? objects->len : 0;
}

const PvValues *
pv_values_get_object(const PvValues *values, const char *name, guint i)
{
	const GPtrArray *objects = values_get_objects(values, name);
	return objects != NULL && i < objects->len ? objects->pdata[i] : NULL;
}

const char *
pv_values_get_where(const PvValues *values, const char *name)
{
	return values_get(values, name, G_MAXUINT)->where;
}

/* What is wrong with the file as a keeper of a secret; NULL: nothing. */
static const char *
values_judge_file(const struct stat *status, ReferenceKind kind)
{
	if (!S_ISREG(status->st_mode))
		return "not a regular file";
	if (status->st_size > VALUES_SECRET_MAX_BYTES)
		return "larger than 64 KiB";
	if (status->st_size == 0)
		return "it is empty";
	/* the folder of credentials is systemd's business: systemd.exec(5), "Credentials" */
	if (kind == REFERENCE_CREDENTIAL)
		return NULL;
	if (status->st_uid != 0 && status->st_uid != geteuid())
		return "it must belong to root or to the user that runs this";
	/* a group may read it, which is how root gives a service its secrets */
	if ((status->st_mode & (S_IWGRP | S_IRWXO)) != 0)
		return "its mode lets others in: chmod 0600 it";
	return NULL;
}

static gsize
values_read_all(int fd, char *data, gsize size)
{
	gsize length = 0;
	while (length < size) {
		ssize_t got = read(fd, data + length, size - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		length += (gsize)got;
	}
	return length;
}

/* Takes the bytes of the open file but for one line end, which editors leave behind. */
static PvSecret *
values_read_secret(int fd, gsize size)
{
	char *data = g_malloc(size);
	gsize length = values_read_all(fd, data, size);
	if (length > 0 && data[length - 1] == '\n')
		length -= length > 1 && data[length - 2] == '\r' ? 2 : 1;
	PvSecret *secret = length > 0 ? pv_secret_new(data, (gssize)length) : NULL;
	OPENSSL_cleanse(data, size);
	g_free(data);
	return secret;
}

static PvSecret *
values_load_file(const char *path, ReferenceKind kind, GError **error)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *wrong = fd < 0 || fstat(fd, &status) != 0 ? g_strerror(errno)
							      : values_judge_file(&status, kind);
	PvSecret *secret = wrong == NULL ? values_read_secret(fd, (gsize)status.st_size) : NULL;
	if (secret == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read secret from %s: %s", path,
		    wrong != NULL ? wrong : "it is empty");
	if (fd >= 0)
		close(fd);
	return secret;
}

static PvSecret *
values_load_credential(const char *name, GError **error)
{
	const char *folder = g_getenv("CREDENTIALS_DIRECTORY");
	if (folder == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "read credential \"%s\": $CREDENTIALS_DIRECTORY is not set: LoadCredential= it "
		    "in the service's unit",
		    name);
		return NULL;
	}
	g_autofree char *path = g_build_filename(folder, name, NULL);
	return values_load_file(path, REFERENCE_CREDENTIAL, error);
}

static PvSecret *
values_load_reference(const PvValues *values, const Value *value, GError **error)
{
	switch (value->reference) {
	case REFERENCE_FILE:
		return values_load_file(value->text, REFERENCE_FILE, error);
	case REFERENCE_CREDENTIAL:
		return values_load_credential(value->text, error);
	case REFERENCE_SECRET:
		if (values->find != NULL)
			return values->find(values->find_data, value->text, error);
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "read secret \"%s\": the store is not open", value->text);
		return NULL;
	case REFERENCE_NONE:
		break;
	}
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "no secret is given; write one of " VALUES_SECRET_FORMS);
	return NULL;
}

PvSecret *
pv_values_dup_secret(const PvValues *values, const char *name, GError **error)
{
	const Value *value = values_get(values, name, 1u << PV_PARAM_SECRET);
	PvSecret *secret = values_load_reference(values, value, error);
	if (secret == NULL)
		g_prefix_error(error, "%s: ", value->where);
	return secret;
}

/* What is wrong with the row itself; NULL: nothing. */
static const char *
params_judge(const PvParam *params, const PvParam *param)
{
	for (const PvParam *other = params; other < param; other++)
		if (g_str_equal(other->name, param->name))
			return "the name is here a second time";
	if (*param->name == '\0' ||
	    strspn(param->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(param->name))
		return "a name is lower case letters, digits and '-'";
	if ((guint)param->kind >= G_N_ELEMENTS(kind_names))
		return "unknown kind: the plugin is newer than this program";
	if (param->summary == NULL || *param->summary == '\0')
		return "no summary";
	if (param->kind == PV_PARAM_CHOICE && (param->choices == NULL || *param->choices == '\0'))
		return "no choices";
	if ((param->kind == PV_PARAM_OBJECT || param->kind == PV_PARAM_OBJECTS) &&
	    param->fields == NULL)
		return "no fields";
	if (param->minimum > param->maximum)
		return "the minimum is above the maximum";
	return NULL;
}

static gboolean
params_check_fallback(const PvParam *param, GError **error)
{
	if (param->fallback == NULL)
		return TRUE;
	Value *value = g_new0(Value, 1);
	value->param = *param;
	gboolean good = values_parse_fallback(NULL, "$", value, error);
	values_free_value(value);
	return good;
}

static gboolean
params_check(const PvParam *params, const char *owner, guint depth, GError **error)
{
	for (const PvParam *param = params; param != NULL && param->name != NULL; param++) {
		const char *wrong = depth > VALUES_MAX_FIELDS_DEPTH ? "tables are nested too deeply"
								    : params_judge(params, param);
		g_autofree char *shown = pv_json_dup_shown(param->name);
		if (wrong != NULL) {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: parameter \"%s\": %s",
			    owner, shown, wrong);
			return FALSE;
		}
		g_autofree char *inner = g_strdup_printf("%s: parameter \"%s\"", owner, shown);
		if (!params_check(param->fields, inner, depth + 1, error))
			return FALSE;
		if (!params_check_fallback(param, error)) {
			g_prefix_error(error, "%s: ", inner);
			return FALSE;
		}
	}
	return TRUE;
}

gboolean
pv_params_check(const PvParam *params, const char *owner, GError **error)
{
	return params_check(params, owner, 0, error);
}
