/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/rows.h"

#include "sim/json.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <string.h>

#define ROWS_SERVER "16.1.25" /* where the file does not say */
#define ROWS_CONTEXT "01000000-0000-0000-0000-000000000000"

typedef enum {
	ROWS_TEXT,
	ROWS_NUMBER,
	ROWS_FLAG,
	ROWS_VALUES, /* an object of values */
	ROWS_TEXTS, /* an array of texts */
	ROWS_ITEMS, /* an array of objects */
} RowsKind;

typedef struct {
	const char *name;
	RowsKind kind;
} RowsMember;

/* as tests/lib/fake-amt.h describes them */
static const RowsMember rows_expect[] = {
	{ "class", ROWS_TEXT },
	{ "method", ROWS_TEXT },
	{ "selectors", ROWS_VALUES },
	{ "contains", ROWS_TEXTS },
	{ "lacks", ROWS_TEXTS },
	{ NULL, ROWS_TEXT },
};
static const RowsMember rows_answer[] = {
	{ "body", ROWS_TEXT },
	{ "properties", ROWS_VALUES },
	{ "output", ROWS_VALUES },
	{ "return", ROWS_NUMBER },
	{ "items", ROWS_ITEMS },
	{ "epr", ROWS_VALUES },
	{ "fault", ROWS_TEXT },
	{ "text", ROWS_TEXT },
	{ "status", ROWS_NUMBER },
	{ "close", ROWS_FLAG },
	{ NULL, ROWS_TEXT },
};

typedef struct {
	JsonObject *expect; /* both the parser's */
	JsonObject *answer;
	char *path; /* "exchange[3]" */
} Row;

struct PvSimRows {
	JsonParser *parser;
	const char *file; /* while it is read; lent */
	char *text;
	char *server;
	GPtrArray *rows; /* of Row */
	guint next; /* the row that is due */
	JsonArray *items; /* that the next Pull brings; NULL: none; the parser's */
	guint message;
};

static void
row_free(gpointer data)
{
	Row *row = data;
	g_free(row->path);
	g_free(row);
}

void
pv_sim_rows_free(PvSimRows *rows)
{
	if (rows == NULL)
		return;
	g_clear_object(&rows->parser);
	g_free(rows->text);
	g_free(rows->server);
	g_ptr_array_unref(rows->rows);
	g_free(rows);
}

/* Reading */

static gboolean rows_refuse(const PvSimRows *rows, const char *path, GError **error,
    const char *format, ...) G_GNUC_PRINTF(4, 5);

/* FALSE, always */
static gboolean
rows_refuse(const PvSimRows *rows, const char *path, GError **error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *what = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "read recording %s:%u: %s%s%s",
	    rows->file, pv_sim_json_find_line(rows->text, path), path, *path != '\0' ? ": " : "",
	    what);
	return FALSE;
}

static JsonObject *
rows_get_object(JsonObject *object, const char *name)
{
	JsonNode *node = object != NULL ? json_object_get_member(object, name) : NULL;
	return node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static gboolean
rows_is_text(JsonNode *node)
{
	return json_node_get_value_type(node) == G_TYPE_STRING;
}

static gboolean
rows_is_value(JsonNode *node)
{
	GType type = json_node_get_value_type(node);
	return type == G_TYPE_STRING || type == G_TYPE_INT64 || type == G_TYPE_BOOLEAN;
}

/* A reference: { "class": TEXT, "selectors": { NAME: value } } */
static gboolean
rows_is_epr(JsonNode *node)
{
	JsonObject *epr = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
	JsonNode *class_name = epr != NULL ? json_object_get_member(epr, "class") : NULL;
	JsonObject *selectors = rows_get_object(epr, "selectors");
	if (class_name == NULL || !rows_is_text(class_name) ||
	    (selectors == NULL && json_object_has_member(epr, "selectors")))
		return FALSE;
	g_autoptr(GList) values = selectors != NULL ? json_object_get_values(selectors) : NULL;
	for (GList *value = values; value != NULL; value = value->next) {
		if (!rows_is_value(value->data))
			return FALSE;
	}
	return TRUE;
}

/* A property: a value, nothing, a reference, or an array of these */
static gboolean
rows_is_property(JsonNode *node)
{
	if (JSON_NODE_HOLDS_ARRAY(node)) {
		JsonArray *array = json_node_get_array(node);
		for (guint i = 0; i < json_array_get_length(array); i++) {
			JsonNode *element = json_array_get_element(array, i);
			if (JSON_NODE_HOLDS_ARRAY(element) || !rows_is_property(element))
				return FALSE;
		}
		return TRUE;
	}
	if (!JSON_NODE_HOLDS_OBJECT(node))
		return JSON_NODE_HOLDS_NULL(node) || rows_is_value(node);
	JsonObject *object = json_node_get_object(node);
	JsonNode *epr = json_object_get_member(object, "epr");
	return json_object_get_size(object) == 1 && epr != NULL && rows_is_epr(epr);
}

static gboolean
rows_is_instance(JsonNode *node)
{
	if (!JSON_NODE_HOLDS_OBJECT(node))
		return FALSE;
	g_autoptr(GList) values = json_object_get_values(json_node_get_object(node));
	for (GList *value = values; value != NULL; value = value->next) {
		if (!rows_is_property(value->data))
			return FALSE;
	}
	return TRUE;
}

/* An instance of the class asked, or { "class": TEXT, "properties": {...} } */
static gboolean
rows_is_item(JsonNode *node)
{
	JsonObject *item = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
	if (item == NULL || !json_object_has_member(item, "properties"))
		return item != NULL && rows_is_instance(node);
	JsonNode *class_name = json_object_get_member(item, "class");
	return (class_name == NULL || rows_is_text(class_name)) &&
	       rows_is_instance(json_object_get_member(item, "properties"));
}

static gboolean
rows_is_array(JsonNode *node, gboolean (*is_element)(JsonNode *node))
{
	if (!JSON_NODE_HOLDS_ARRAY(node))
		return FALSE;
	JsonArray *array = json_node_get_array(node);
	for (guint i = 0; i < json_array_get_length(array); i++) {
		if (!is_element(json_array_get_element(array, i)))
			return FALSE;
	}
	return TRUE;
}

/* NULL: the value is of the kind; else what was expected */
static const char *
rows_check_kind(JsonNode *node, const RowsMember *member)
{
	switch (member->kind) {
	case ROWS_TEXT:
		return rows_is_text(node) ? NULL : "expected text";
	case ROWS_NUMBER:
		return json_node_get_value_type(node) == G_TYPE_INT64 &&
			       json_node_get_int(node) >= 0 &&
			       json_node_get_int(node) <= G_MAXUINT32
			   ? NULL
			   : "expected a number from 0 on";
	case ROWS_FLAG:
		return json_node_get_value_type(node) == G_TYPE_BOOLEAN ? NULL
									: "expected true or false";
	case ROWS_TEXTS:
		return rows_is_array(node, rows_is_text) ? NULL : "expected an array of texts";
	case ROWS_ITEMS:
		return rows_is_array(node, rows_is_item) ? NULL : "expected an array of instances";
	case ROWS_VALUES:
		if (strcmp(member->name, "epr") == 0)
			return rows_is_epr(node)
				   ? NULL
				   : "expected { \"class\": TEXT, \"selectors\": {...} }";
		return rows_is_instance(node)
			   ? NULL
			   : "expected an object of texts, numbers, true, false and references";
	}
	return NULL;
}

static gboolean
rows_check_members(const PvSimRows *rows, JsonObject *object, const RowsMember *known,
    const char *path, GError **error)
{
	g_autoptr(GList) names = json_object_get_members(object);
	for (GList *name = names; name != NULL; name = name->next) {
		g_autofree char *place = g_strdup_printf("%s.%s", path, (char *)name->data);
		const RowsMember *member = known;
		while (member->name != NULL && strcmp(member->name, name->data) != 0)
			member++;
		const char *wrong =
		    member->name == NULL
			? "no such member"
			: rows_check_kind(json_object_get_member(object, name->data), member);
		if (wrong != NULL)
			return rows_refuse(rows, place, error, "%s", wrong);
	}
	return TRUE;
}

static gboolean
rows_add(PvSimRows *rows, JsonNode *node, const char *path, GError **error)
{
	JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
	JsonObject *expect = rows_get_object(object, "expect");
	JsonObject *answer = rows_get_object(object, "answer");
	if (expect == NULL || answer == NULL || json_object_get_size(object) != 2)
		return rows_refuse(rows, path, error,
		    "expected { \"expect\": {...}, \"answer\": {...} } and nothing else");
	g_autofree char *expect_path = g_strconcat(path, ".expect", NULL);
	g_autofree char *answer_path = g_strconcat(path, ".answer", NULL);
	if (!rows_check_members(rows, expect, rows_expect, expect_path, error) ||
	    !rows_check_members(rows, answer, rows_answer, answer_path, error))
		return FALSE;
	gint64 status = json_object_get_int_member_with_default(answer, "status", 200);
	if (status < 200 || status > 599)
		return rows_refuse(rows, answer_path, error,
		    "status %" G_GINT64_FORMAT " is not from 200 to 599", status);
	Row *row = g_new0(Row, 1);
	*row = (Row) { expect, answer, g_strdup(path) };
	g_ptr_array_add(rows->rows, row);
	return TRUE;
}

static gboolean
rows_add_all(PvSimRows *rows, JsonNode *node, const char *path, GError **error)
{
	if (node == NULL || !JSON_NODE_HOLDS_ARRAY(node))
		return rows_refuse(rows, node != NULL ? path : "", error,
		    "expected rows: an array, or an object with the array \"exchange\"");
	JsonArray *array = json_node_get_array(node);
	for (guint i = 0; i < json_array_get_length(array); i++) {
		g_autofree char *place = g_strdup_printf("%s[%u]", path, i);
		if (!rows_add(rows, json_array_get_element(array, i), place, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
rows_read(PvSimRows *rows, JsonNode *root, GError **error)
{
	if (root == NULL)
		return rows_refuse(rows, "", error, "the file is empty");
	JsonObject *top = JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
	JsonNode *rounds = top != NULL ? json_object_get_member(top, "rounds") : NULL;
	JsonNode *server = top != NULL ? json_object_get_member(top, "server-version") : NULL;
	if (server != NULL &&
	    (!rows_is_text(server) || strpbrk(json_node_get_string(server), "\r\n") != NULL))
		return rows_refuse(rows, "server-version", error, "expected one line of text");
	rows->server = g_strdup(server != NULL ? json_node_get_string(server) : ROWS_SERVER);
	if (top == NULL)
		return rows_add_all(rows, root, "", error);
	if (rounds == NULL)
		return rows_add_all(
		    rows, json_object_get_member(top, "exchange"), "exchange", error);
	if (!JSON_NODE_HOLDS_ARRAY(rounds))
		return rows_refuse(rows, "rounds", error, "expected an array");
	JsonArray *array = json_node_get_array(rounds);
	for (guint i = 0; i < json_array_get_length(array); i++) {
		JsonNode *round = json_array_get_element(array, i);
		JsonNode *list =
		    JSON_NODE_HOLDS_OBJECT(round)
			? json_object_get_member(json_node_get_object(round), "exchange")
			: NULL;
		g_autofree char *path = g_strdup_printf("rounds[%u].exchange", i);
		if (list != NULL && !rows_add_all(rows, list, path, error))
			return FALSE;
	}
	return TRUE;
}

PvSimRows *
pv_sim_rows_load(const char *path, GError **error)
{
	g_autoptr(PvSimRows) rows = g_new0(PvSimRows, 1);
	g_autoptr(GError) wrong = NULL;
	rows->parser = json_parser_new_immutable();
	rows->rows = g_ptr_array_new_with_free_func(row_free);
	rows->file = path;
	if (!g_file_get_contents(path, &rows->text, NULL, error)) {
		g_prefix_error(error, "read recording: ");
		return NULL;
	}
	if (!json_parser_load_from_data(rows->parser, rows->text, -1, &wrong)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "read recording %s: %s",
		    path, wrong->message);
		return NULL;
	}
	if (!rows_read(rows, json_parser_get_root(rows->parser), error))
		return NULL;
	if (rows->rows->len == 0) {
		(void)rows_refuse(rows, "", error, "there is no row in it");
		return NULL;
	}
	rows->file = NULL;
	return g_steal_pointer(&rows);
}

const char *
pv_sim_rows_get_server(const PvSimRows *rows)
{
	return rows->server;
}

guint
pv_sim_rows_get_count(const PvSimRows *rows)
{
	return rows->rows->len;
}

guint
pv_sim_rows_get_served(const PvSimRows *rows)
{
	return rows->next;
}

gboolean
pv_sim_rows_is_done(const PvSimRows *rows)
{
	return rows->next >= rows->rows->len && rows->items == NULL;
}

/* Matching */

static char *
rows_dup_value(JsonNode *node)
{
	if (rows_is_text(node))
		return g_strdup(json_node_get_string(node));
	if (json_node_get_value_type(node) == G_TYPE_BOOLEAN)
		return g_strdup(json_node_get_boolean(node) ? "true" : "false");
	return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node));
}

static const char *
rows_find_selector(const PvSimRequest *request, const char *name)
{
	for (guint i = 0; i < request->selectors->len; i++) {
		const PvSimValue *selector = request->selectors->pdata[i];
		if (strcmp(selector->name, name) == 0)
			return selector->text;
	}
	return NULL;
}

static char *
rows_check_selectors(JsonObject *selectors, const PvSimRequest *request)
{
	g_autoptr(GList) names = selectors != NULL ? json_object_get_members(selectors) : NULL;
	for (GList *name = names; name != NULL; name = name->next) {
		g_autofree char *wanted =
		    rows_dup_value(json_object_get_member(selectors, name->data));
		const char *value = rows_find_selector(request, name->data);
		if (g_strcmp0(value, wanted) != 0)
			return g_strdup_printf("expected selector %s=%s, got %s",
			    (char *)name->data, wanted, value != NULL ? value : "none");
	}
	return NULL;
}

/* @has: whether the request must have them, or must not */
static char *
rows_check_texts(JsonObject *expect, const char *member, const char *text, gboolean has)
{
	JsonArray *texts = json_object_has_member(expect, member)
			       ? json_object_get_array_member(expect, member)
			       : NULL;
	for (guint i = 0; texts != NULL && i < json_array_get_length(texts); i++) {
		const char *piece = json_array_get_string_element(texts, i);
		if ((strstr(text, piece) != NULL) != has)
			return g_strdup_printf(
			    "expected it to %s %s", has ? "contain" : "lack", piece);
	}
	return NULL;
}

/* NULL: the request fits; else what does not; g_free() */
static char *
rows_find_mismatch(JsonObject *expect, const PvSimRequest *request, const char *text)
{
	const char *method =
	    request->op == PV_SIM_OP_INVOKE ? request->method : pv_sim_op_name(request->op);
	const char *class_wanted =
	    json_object_get_string_member_with_default(expect, "class", request->class_name);
	const char *method_wanted =
	    json_object_get_string_member_with_default(expect, "method", method);
	if (strcmp(class_wanted, request->class_name) != 0 || strcmp(method_wanted, method) != 0)
		return g_strdup_printf("expected %s.%s", class_wanted, method_wanted);
	char *wrong = rows_check_selectors(rows_get_object(expect, "selectors"), request);
	if (wrong == NULL)
		wrong = rows_check_texts(expect, "contains", text, TRUE);
	return wrong != NULL ? wrong : rows_check_texts(expect, "lacks", text, FALSE);
}

/* Answers */

static void
rows_write_text(GString *xml, const char *text)
{
	g_autofree char *escaped = g_markup_escape_text(text, -1);
	g_string_append(xml, escaped);
}

static void
rows_write_epr(GString *xml, JsonObject *object)
{
	g_autoptr(PvSimEpr) epr = pv_sim_epr_new(json_object_get_string_member(object, "class"));
	JsonObject *selectors = rows_get_object(object, "selectors");
	g_autoptr(GList) names = selectors != NULL ? json_object_get_members(selectors) : NULL;
	for (GList *name = names; name != NULL; name = name->next) {
		g_autofree char *value =
		    rows_dup_value(json_object_get_member(selectors, name->data));
		pv_sim_epr_add(epr, name->data, value);
	}
	pv_sim_soap_write_epr(xml, epr);
}

static void
rows_write_property(GString *xml, const char *prefix, const char *name, JsonNode *node)
{
	if (JSON_NODE_HOLDS_ARRAY(node)) {
		JsonArray *values = json_node_get_array(node);
		for (guint i = 0; i < json_array_get_length(values); i++)
			rows_write_property(xml, prefix, name, json_array_get_element(values, i));
		return;
	}
	g_string_append_printf(xml, "<%s:%s>", prefix, name);
	if (JSON_NODE_HOLDS_OBJECT(node)) {
		rows_write_epr(xml, rows_get_object(json_node_get_object(node), "epr"));
	} else if (!JSON_NODE_HOLDS_NULL(node)) {
		g_autofree char *value = rows_dup_value(node);
		rows_write_text(xml, value);
	}
	g_string_append_printf(xml, "</%s:%s>", prefix, name);
}

/* @declare: the element's own prefix is declared for its class */
static void
rows_write_element(GString *xml, const char *prefix, const char *name, JsonObject *properties,
    gboolean sort, gboolean declare)
{
	g_autofree char *uri = pv_sim_soap_uri(name);
	g_autoptr(GList) names = json_object_get_members(properties);
	if (sort) /* as firmware sorts the properties of instances */
		names = g_list_sort(names, (GCompareFunc)strcmp);
	g_string_append_printf(xml, "<%s:%s", prefix, name);
	if (declare)
		g_string_append_printf(xml, " xmlns:%s=\"%s\"", prefix, uri);
	g_string_append_c(xml, '>');
	for (GList *member = names; member != NULL; member = member->next)
		rows_write_property(
		    xml, prefix, member->data, json_object_get_member(properties, member->data));
	g_string_append_printf(xml, "</%s:%s>", prefix, name);
}

static void
rows_write_items(GString *xml, JsonArray *items, const char *class_name)
{
	g_string_append(xml, "<e:PullResponse><e:Items>");
	for (guint i = 0; i < json_array_get_length(items); i++) {
		JsonObject *item = json_array_get_object_element(items, i);
		JsonObject *properties = rows_get_object(item, "properties");
		const char *own = properties != NULL ? json_object_get_string_member_with_default(
							   item, "class", class_name)
						     : class_name;
		rows_write_element(
		    xml, "i", own, properties != NULL ? properties : item, TRUE, TRUE);
	}
	g_string_append(xml, "</e:Items><e:EndOfSequence></e:EndOfSequence></e:PullResponse>");
}

static void
rows_write_fault(GString *xml, JsonObject *answer)
{
	const char *subcode = json_object_get_string_member(answer, "fault");
	g_string_append(xml, "<a:Fault><a:Code><a:Value>a:Sender</a:Value><a:Subcode><a:Value>b:");
	rows_write_text(xml, subcode);
	g_string_append(xml, "</a:Value></a:Subcode></a:Code><a:Reason><a:Text "
			     "xml:lang=\"en-US\">");
	rows_write_text(xml, json_object_get_string_member_with_default(answer, "text", subcode));
	g_string_append(xml, "</a:Text></a:Reason><a:Detail></a:Detail></a:Fault>");
}

static void
rows_write_body(PvSimRows *rows, GString *xml, JsonObject *answer, const PvSimRequest *request)
{
	g_autofree char *output =
	    g_strconcat(request->method != NULL ? request->method : "", "_OUTPUT", NULL);
	if (json_object_has_member(answer, "body")) {
		g_string_append(xml, json_object_get_string_member(answer, "body"));
	} else if (json_object_has_member(answer, "fault")) {
		rows_write_fault(xml, answer);
	} else if (json_object_has_member(answer, "properties")) {
		rows_write_element(xml, "g", request->class_name,
		    json_object_get_object_member(answer, "properties"), TRUE, FALSE);
	} else if (json_object_has_member(answer, "output")) {
		rows_write_element(xml, "g", output,
		    json_object_get_object_member(answer, "output"), FALSE, FALSE);
	} else if (json_object_has_member(answer, "return")) {
		g_string_append_printf(xml,
		    "<g:%s><g:ReturnValue>%" G_GINT64_FORMAT "</g:ReturnValue></g:%s>", output,
		    json_object_get_int_member(answer, "return"), output);
	} else if (json_object_has_member(answer, "epr")) {
		g_string_append(xml, "<d:ResourceCreated>");
		rows_write_epr(xml, json_object_get_object_member(answer, "epr"));
		g_string_append(xml, "</d:ResourceCreated>");
	} else if (json_object_has_member(answer, "items")) {
		rows->items = json_object_get_array_member(answer, "items");
		g_string_append(xml, "<e:EnumerateResponse><e:EnumerationContext>" ROWS_CONTEXT
				     "</e:EnumerationContext></e:EnumerateResponse>");
	}
}

gboolean
pv_sim_rows_answer(PvSimRows *rows, const PvSimRequest *request, const char *text,
    PvSimRowAnswer *result, char **why)
{
	g_autoptr(GString) xml = g_string_new(NULL);
	*result = (PvSimRowAnswer) { .status = 200 };
	if (rows->items != NULL && request->op == PV_SIM_OP_PULL) {
		rows_write_items(xml, g_steal_pointer(&rows->items), request->class_name);
		result->body = pv_sim_soap_wrap(request, ++rows->message, xml->str);
		return TRUE;
	}
	const Row *row = rows->next < rows->rows->len ? rows->rows->pdata[rows->next] : NULL;
	g_autofree char *mismatch = row != NULL ? rows_find_mismatch(row->expect, request, text)
						: g_strdup("expected nothing more");
	if (mismatch != NULL) {
		g_autofree char *name = pv_sim_request_name(request);
		*why =
		    g_strdup_printf("row %u of %u%s%s: %s, got %s", rows->next + 1, rows->rows->len,
			row != NULL ? ", " : "", row != NULL ? row->path : "", mismatch, name);
		return FALSE;
	}
	rows->next++;
	JsonObject *answer = row->answer;
	gboolean fault = json_object_has_member(answer, "fault");
	gboolean status = json_object_has_member(answer, "status");
	result->close = json_object_get_boolean_member_with_default(answer, "close", FALSE);
	result->status =
	    (guint)json_object_get_int_member_with_default(answer, "status", fault ? 400 : 200);
	if (result->close && json_object_get_size(answer) == 1) {
		result->status = 0;
		return TRUE;
	}
	if (status && !fault && !json_object_has_member(answer, "body"))
		return TRUE;
	rows_write_body(rows, xml, answer, request);
	result->body = pv_sim_soap_wrap(request, ++rows->message, xml->str);
	return TRUE;
}
