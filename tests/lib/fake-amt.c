/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/fake-amt.h"

#include "tests/lib/fake-http.h"

#include <pthread.h>
#include <string.h>
#include <gio/gio.h>
#include <json-glib/json-glib.h>

#define FAKE_ANONYMOUS "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
#define FAKE_TRANSFER "http://schemas.xmlsoap.org/ws/2004/09/transfer"
#define FAKE_ENUMERATION "http://schemas.xmlsoap.org/ws/2004/09/enumeration"

struct FakeAmt {
	char *name;
	JsonParser *parser;
	JsonArray *rows; /* the parser's */
	gboolean any_order;
	guint next; /* in order: the row that is due */
	guint *served; /* how often each row was */
	JsonArray *pending; /* items that the next pull brings; NULL: none. The parser's */
	pthread_mutex_t lock;
	GString *failure; /* empty: none; the first one only */
	GPtrArray *asked; /* of "CLASS METHOD" */
	GPtrArray *answers; /* by the index of the request: the answer's envelope, or NULL */
	guint message;
	FakeHttp *http;
};

/* what a request asks */
typedef struct {
	char *class_name;
	char *method;
	char *uri;
	char *message_id;
	guint index;
} FakeAsk;

static void
fake_ask_clear(FakeAsk *ask)
{
	g_free(ask->class_name);
	g_free(ask->method);
	g_free(ask->uri);
	g_free(ask->message_id);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FakeAsk, fake_ask_clear)

static char *
fake_amt_dup_between(const char *text, const char *from, const char *to)
{
	const char *begin = strstr(text, from);
	const char *end = begin != NULL ? strstr(begin + strlen(from), to) : NULL;
	if (end == NULL)
		return g_strdup("");
	return g_strndup(begin + strlen(from), (gsize)(end - begin) - strlen(from));
}

/* The requests come from our own writer, whose prefixes are known; the fake is no WS-Man server. */
static void
fake_amt_read(const char *body, FakeAsk *ask)
{
	g_autofree char *action = fake_amt_dup_between(body, "<a:Action>", "</a:Action>");
	ask->uri = fake_amt_dup_between(body, "<w:ResourceURI>", "</w:ResourceURI>");
	ask->message_id = fake_amt_dup_between(body, "<a:MessageID>", "</a:MessageID>");
	const char *slash = strrchr(ask->uri, '/');
	ask->class_name = g_strdup(slash != NULL ? slash + 1 : ask->uri);
	slash = strrchr(action, '/');
	ask->method = g_strdup(slash != NULL ? slash + 1 : action);
}

static void fake_amt_fail(FakeAmt *fake, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
fake_amt_fail(FakeAmt *fake, const char *format, ...)
{
	if (fake->failure->len > 0)
		return;
	va_list list;
	va_start(list, format);
	g_string_append_printf(fake->failure, "%s: ", fake->name);
	g_string_append_vprintf(fake->failure, format, list);
	va_end(list);
}

static const char *
fake_amt_get_member(JsonObject *object, const char *name)
{
	JsonNode *node = object != NULL ? json_object_get_member(object, name) : NULL;
	return node != NULL && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;
}

static JsonObject *
fake_amt_get_object(JsonObject *object, const char *name)
{
	JsonNode *node = object != NULL ? json_object_get_member(object, name) : NULL;
	return node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static JsonArray *
fake_amt_get_array(JsonObject *object, const char *name)
{
	JsonNode *node = object != NULL ? json_object_get_member(object, name) : NULL;
	return node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

/* text of a JSON value as AMT would write it. (transfer full) */
static char *
fake_amt_dup_value(JsonNode *node)
{
	if (json_node_get_value_type(node) == G_TYPE_STRING)
		return g_markup_escape_text(json_node_get_string(node), -1);
	if (json_node_get_value_type(node) == G_TYPE_BOOLEAN)
		return g_strdup(json_node_get_boolean(node) ? "true" : "false");
	return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node));
}

/* ---- what is expected ---- */

/* NULL: the request fits the row; else what does not. (transfer full) */
static char *
fake_amt_dup_mismatch(JsonObject *expect, const FakeAsk *ask, const char *body)
{
	const char *class_name = fake_amt_get_member(expect, "class");
	const char *method = fake_amt_get_member(expect, "method");
	if (class_name != NULL && strcmp(class_name, ask->class_name) != 0)
		return g_strdup_printf("expected class %s", class_name);
	if (method != NULL && strcmp(method, ask->method) != 0)
		return g_strdup_printf("expected method %s", method);
	JsonArray *contains = fake_amt_get_array(expect, "contains");
	for (guint i = 0; contains != NULL && i < json_array_get_length(contains); i++)
		if (strstr(body, json_array_get_string_element(contains, i)) == NULL)
			return g_strdup_printf("expected it to contain %s",
			    json_array_get_string_element(contains, i));
	JsonArray *lacks = fake_amt_get_array(expect, "lacks");
	for (guint i = 0; lacks != NULL && i < json_array_get_length(lacks); i++)
		if (strstr(body, json_array_get_string_element(lacks, i)) != NULL)
			return g_strdup_printf(
			    "expected it to lack %s", json_array_get_string_element(lacks, i));
	JsonObject *selectors = fake_amt_get_object(expect, "selectors");
	g_autoptr(GList) names = selectors != NULL ? json_object_get_members(selectors) : NULL;
	g_autofree char *header = fake_amt_dup_between(body, "<s:Header>", "</s:Header>");
	for (GList *name = names; name != NULL; name = name->next) {
		g_autofree char *value =
		    fake_amt_dup_value(json_object_get_member(selectors, name->data));
		g_autofree char *selector = g_strdup_printf(
		    "<w:Selector Name=\"%s\">%s</w:Selector>", (char *)name->data, value);
		if (strstr(header, selector) == NULL)
			return g_strdup_printf(
			    "expected selector %s=%s", (char *)name->data, value);
	}
	return NULL;
}

static JsonObject *
fake_amt_get_row(FakeAmt *fake, guint i, const char *part)
{
	return fake_amt_get_object(json_array_get_object_element(fake->rows, i), part);
}

/* the row for a request; NULL: none, and the failure is noted */
static JsonObject *
fake_amt_find_row(FakeAmt *fake, const FakeAsk *ask, const char *body)
{
	guint count = json_array_get_length(fake->rows);
	for (guint i = fake->any_order ? 0 : fake->next; i < count; i++) {
		JsonObject *row = json_array_get_object_element(fake->rows, i);
		gint64 times = json_object_get_int_member_with_default(
		    row, "times", fake->any_order ? G_MAXUINT : 1);
		g_autofree char *mismatch =
		    fake->served[i] >= times
			? g_strdup("served often enough")
			: fake_amt_dup_mismatch(fake_amt_get_row(fake, i, "expect"), ask, body);
		if (mismatch == NULL) {
			if (++fake->served[i] >= times && !fake->any_order)
				fake->next = i + 1;
			return row;
		}
		if (!fake->any_order) {
			fake_amt_fail(fake, "row %u: %s, got %s %s: %s", i + 1, mismatch,
			    ask->class_name, ask->method, body);
			return NULL;
		}
	}
	fake_amt_fail(fake, "no row is left for %s %s: %s", ask->class_name, ask->method, body);
	return NULL;
}

/* ---- answers ---- */

static const char *
fake_amt_get_base(const char *class_name)
{
	if (g_str_has_prefix(class_name, "IPS_"))
		return "http://intel.com/wbem/wscim/1/ips-schema/1/";
	if (g_str_has_prefix(class_name, "CIM_"))
		return "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/";
	return "http://intel.com/wbem/wscim/1/amt-schema/1/";
}

static void
fake_amt_write_epr(GString *out, JsonObject *epr)
{
	const char *class_name = fake_amt_get_member(epr, "class");
	JsonObject *selectors = fake_amt_get_object(epr, "selectors");
	g_string_append_printf(out,
	    "<b:Address>" FAKE_ANONYMOUS "</b:Address><b:ReferenceParameters><c:ResourceURI>%s%s"
	    "</c:ResourceURI><c:SelectorSet>",
	    fake_amt_get_base(class_name != NULL ? class_name : ""), class_name);
	g_autoptr(GList) names = selectors != NULL ? json_object_get_members(selectors) : NULL;
	for (GList *name = names; name != NULL; name = name->next) {
		g_autofree char *value =
		    fake_amt_dup_value(json_object_get_member(selectors, name->data));
		g_string_append_printf(
		    out, "<c:Selector Name=\"%s\">%s</c:Selector>", (char *)name->data, value);
	}
	g_string_append(out, "</c:SelectorSet></b:ReferenceParameters>");
}

static void
fake_amt_write_property(GString *out, const char *prefix, const char *name, JsonNode *node)
{
	if (JSON_NODE_HOLDS_ARRAY(node)) {
		JsonArray *values = json_node_get_array(node);
		for (guint i = 0; i < json_array_get_length(values); i++)
			fake_amt_write_property(
			    out, prefix, name, json_array_get_element(values, i));
		return;
	}
	g_string_append_printf(out, "<%s:%s>", prefix, name);
	if (JSON_NODE_HOLDS_OBJECT(node)) {
		fake_amt_write_epr(out, fake_amt_get_object(json_node_get_object(node), "epr"));
	} else if (!JSON_NODE_HOLDS_NULL(node)) {
		g_autofree char *value = fake_amt_dup_value(node);
		g_string_append(out, value);
	}
	g_string_append_printf(out, "</%s:%s>", prefix, name);
}

static void
fake_amt_write_element(
    GString *out, const char *prefix, const char *name, const char *suffix, JsonObject *properties)
{
	g_string_append_printf(out, "<%s:%s%s>", prefix, name, suffix);
	g_autoptr(GList) names = properties != NULL ? json_object_get_members(properties) : NULL;
	/* firmware sorts the properties of instances */
	if (*suffix == '\0')
		names = g_list_sort(names, (GCompareFunc)strcmp);
	for (GList *member = names; member != NULL; member = member->next)
		fake_amt_write_property(
		    out, prefix, member->data, json_object_get_member(properties, member->data));
	g_string_append_printf(out, "</%s:%s%s>", prefix, name, suffix);
}

static void
fake_amt_write_item(GString *out, JsonObject *item, const FakeAsk *ask)
{
	const char *class_name = fake_amt_get_member(item, "class");
	JsonObject *properties = fake_amt_get_object(item, "properties");
	if (properties == NULL) {
		fake_amt_write_element(out, "g", ask->class_name, "", item);
		return;
	}
	if (class_name == NULL)
		class_name = ask->class_name;
	g_autoptr(GString) element = g_string_new(NULL);
	fake_amt_write_element(element, "i", class_name, "", properties);
	g_autofree char *declared =
	    g_strdup_printf(" xmlns:i=\"%s%s\"", fake_amt_get_base(class_name), class_name);
	g_string_insert(element, (gssize)strlen("<i:") + (gssize)strlen(class_name), declared);
	g_string_append(out, element->str);
}

static void
fake_amt_write_pull(GString *out, JsonArray *items, const FakeAsk *ask)
{
	g_string_append(out, "<e:PullResponse><e:Items>");
	for (guint i = 0; i < json_array_get_length(items); i++)
		fake_amt_write_item(out, json_array_get_object_element(items, i), ask);
	g_string_append(out, "</e:Items><e:EndOfSequence></e:EndOfSequence></e:PullResponse>");
}

static void
fake_amt_write_fault(GString *out, const char *subcode, const char *text)
{
	g_autofree char *reason = g_markup_escape_text(text != NULL ? text : subcode, -1);
	g_string_append_printf(out,
	    "<a:Fault><a:Code><a:Value>a:Sender</a:Value><a:Subcode><a:Value>b:%s</a:Value></"
	    "a:Subcode>"
	    "</a:Code><a:Reason><a:Text "
	    "xml:lang=\"en-US\">%s</a:Text></a:Reason><a:Detail></a:Detail></a:Fault>",
	    subcode, reason);
}

/* what goes into the Body */
static void
fake_amt_write_answer(FakeAmt *fake, GString *out, JsonObject *answer, const FakeAsk *ask)
{
	const char *body = fake_amt_get_member(answer, "body");
	const char *fault = fake_amt_get_member(answer, "fault");
	if (body != NULL) {
		g_string_append(out, body);
	} else if (fault != NULL) {
		fake_amt_write_fault(out, fault, fake_amt_get_member(answer, "text"));
	} else if (fake_amt_get_object(answer, "properties") != NULL) {
		fake_amt_write_element(
		    out, "g", ask->class_name, "", fake_amt_get_object(answer, "properties"));
	} else if (fake_amt_get_object(answer, "output") != NULL) {
		fake_amt_write_element(
		    out, "g", ask->method, "_OUTPUT", fake_amt_get_object(answer, "output"));
	} else if (json_object_has_member(answer, "return")) {
		g_string_append_printf(out,
		    "<g:%s_OUTPUT><g:ReturnValue>%" G_GINT64_FORMAT
		    "</g:ReturnValue></g:%s_OUTPUT>",
		    ask->method, json_object_get_int_member(answer, "return"), ask->method);
	} else if (fake_amt_get_object(answer, "epr") != NULL) {
		g_string_append(out, "<d:ResourceCreated>");
		fake_amt_write_epr(out, fake_amt_get_object(answer, "epr"));
		g_string_append(out, "</d:ResourceCreated>");
	} else if (fake_amt_get_array(answer, "items") != NULL) {
		fake->pending = fake_amt_get_array(answer, "items");
		g_string_append(out, "<e:EnumerateResponse><e:EnumerationContext>01000000-0000-"
				     "0000-0000-000000000000"
				     "</e:EnumerationContext></e:EnumerateResponse>");
	}
}

/* the header as firmware writes it */
static gboolean
fake_amt_send(FakeAmt *fake, FakeHttpConnection *connection, guint status, const FakeAsk *ask,
    const char *content)
{
	g_autofree char *text = g_strdup_printf(
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a:Envelope "
	    "xmlns:a=\"http://www.w3.org/2003/05/soap-envelope\""
	    " xmlns:b=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\""
	    " xmlns:c=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" xmlns:d=\"" FAKE_TRANSFER
	    "\" xmlns:e=\"" FAKE_ENUMERATION "\" xmlns:g=\"%s\""
	    " xmlns:h=\"http://schemas.dmtf.org/wbem/wscim/1/common\""
	    " xmlns:xsi=\"http://www.w3.org/2001/"
	    "XMLSchema-instance\"><a:Header><b:To>" FAKE_ANONYMOUS
	    "</b:To><b:RelatesTo>%s</b:RelatesTo><b:MessageID>uuid:00000000-8086-8086-8086-%012X</"
	    "b:MessageID>"
	    "<c:ResourceURI>%s</c:ResourceURI></a:Header><a:Body>%s</a:Body></a:Envelope>",
	    ask->uri, ask->message_id, ++fake->message, ask->uri, content);
	g_ptr_array_set_size(fake->answers, (gint)MAX(fake->answers->len, ask->index + 1));
	g_free(fake->answers->pdata[ask->index]);
	fake->answers->pdata[ask->index] = g_strdup(text);
	return fake_http_reply(connection, status,
	    "Server: Intel(R) Active Management Technology 16.1.25\r\n"
	    "Content-Type: application/soap+xml; charset=UTF-8\r\n",
	    text);
}

static gboolean
fake_amt_answer(
    FakeAmt *fake, FakeHttpConnection *connection, JsonObject *answer, const FakeAsk *ask)
{
	gboolean close = json_object_get_boolean_member_with_default(answer, "close", FALSE);
	if (close && json_object_get_size(answer) == 1)
		return FALSE;
	gint64 status = json_object_get_int_member_with_default(
	    answer, "status", json_object_has_member(answer, "fault") ? 400 : 200);
	if (json_object_has_member(answer, "status") && !json_object_has_member(answer, "body") &&
	    !json_object_has_member(answer, "fault"))
		return fake_http_reply(connection, (guint)status, NULL, "") && !close;
	g_autoptr(GString) content = g_string_new(NULL);
	fake_amt_write_answer(fake, content, answer, ask);
	return fake_amt_send(fake, connection, (guint)status, ask, content->str) && !close;
}

static gboolean
fake_amt_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	FakeAmt *fake = data;
	g_auto(FakeAsk) ask = { 0 };
	if (strcmp(request->method, "GET") == 0) /* pv_wsman_connect() */
		return fake_http_reply(connection, 200,
		    "Server: Intel(R) Active Management Technology 16.1.25\r\n", "");
	fake_amt_read(request->body, &ask);
	ask.index = request->index;
	pthread_mutex_lock(&fake->lock);
	g_ptr_array_add(fake->asked, g_strdup_printf("%s %s", ask.class_name, ask.method));
	gboolean go_on;
	if (strcmp(ask.method, "Pull") == 0 && fake->pending != NULL) {
		g_autoptr(GString) content = g_string_new(NULL);
		fake_amt_write_pull(content, g_steal_pointer(&fake->pending), &ask);
		go_on = fake_amt_send(fake, connection, 200, &ask, content->str);
	} else {
		JsonObject *row = fake_amt_find_row(fake, &ask, request->body);
		JsonObject *answer = fake_amt_get_object(row, "answer");
		/* a request that nobody expected is refused for good, so that the test ends soon */
		go_on = answer != NULL ? fake_amt_answer(fake, connection, answer, &ask)
				       : fake_http_reply(connection, 400, NULL, "");
	}
	pthread_mutex_unlock(&fake->lock);
	return go_on;
}

/* ---- life ---- */

static gboolean
fake_amt_check_rows(FakeAmt *fake, GError **error)
{
	for (guint i = 0; i < json_array_get_length(fake->rows); i++) {
		JsonNode *node = json_array_get_element(fake->rows, i);
		if (JSON_NODE_HOLDS_OBJECT(node) &&
		    fake_amt_get_object(json_node_get_object(node), "expect") != NULL &&
		    fake_amt_get_object(json_node_get_object(node), "answer") != NULL)
			continue;
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
		    "%s: row %u lacks an object \"expect\" or \"answer\"", fake->name, i + 1);
		return FALSE;
	}
	return TRUE;
}

FakeAmt *
fake_amt_new_from_data(const char *name, const char *json, GError **error)
{
	g_autoptr(FakeAmt) fake = g_new0(FakeAmt, 1);
	fake->name = g_strdup(name);
	fake->failure = g_string_new(NULL);
	fake->asked = g_ptr_array_new_with_free_func(g_free);
	fake->answers = g_ptr_array_new_with_free_func(g_free);
	pthread_mutex_init(&fake->lock, NULL);
	fake->parser = json_parser_new();
	if (!json_parser_load_from_data(fake->parser, json, -1, error)) {
		g_prefix_error(error, "%s: ", name);
		return NULL;
	}
	JsonNode *root = json_parser_get_root(fake->parser);
	if (root != NULL && JSON_NODE_HOLDS_ARRAY(root)) {
		fake->rows = json_node_get_array(root);
	} else if (root != NULL && JSON_NODE_HOLDS_OBJECT(root)) {
		fake->rows = fake_amt_get_array(json_node_get_object(root), "rows");
		fake->any_order =
		    g_strcmp0(fake_amt_get_member(json_node_get_object(root), "order"), "any") == 0;
	}
	if (fake->rows == NULL) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
		    "%s: there is no array of rows", name);
		return NULL;
	}
	if (!fake_amt_check_rows(fake, error))
		return NULL;
	fake->served = g_new0(guint, json_array_get_length(fake->rows) + 1);
	fake->http = fake_http_new(NULL, fake_amt_handle, fake);
	return g_steal_pointer(&fake);
}

FakeAmt *
fake_amt_new_from_file(const char *path, GError **error)
{
	g_autofree char *json = NULL;
	if (!g_file_get_contents(path, &json, NULL, error))
		return NULL;
	return fake_amt_new_from_data(path, json, error);
}

void
fake_amt_free(FakeAmt *fake)
{
	if (fake == NULL)
		return;
	fake_http_free(fake->http);
	g_clear_object(&fake->parser);
	g_free(fake->served);
	g_string_free(fake->failure, TRUE);
	g_ptr_array_unref(fake->asked);
	g_ptr_array_unref(fake->answers);
	pthread_mutex_destroy(&fake->lock);
	g_free(fake->name);
	g_free(fake);
}

guint
fake_amt_get_port(FakeAmt *fake)
{
	return fake_http_get_port(fake->http);
}

const char *
fake_amt_get_failure(FakeAmt *fake)
{
	pthread_mutex_lock(&fake->lock);
	if (!fake->any_order && fake->next < json_array_get_length(fake->rows))
		fake_amt_fail(fake, "row %u was never asked for", fake->next + 1);
	const char *failure = fake->failure->len > 0 ? fake->failure->str : NULL;
	pthread_mutex_unlock(&fake->lock);
	return failure;
}

guint
fake_amt_get_count(FakeAmt *fake)
{
	return fake_http_get_count(fake->http);
}

const char *
fake_amt_get_body(FakeAmt *fake, guint i)
{
	const FakeHttpRequest *request = fake_http_get_request(fake->http, i);
	return request != NULL ? request->body : NULL;
}

const char *
fake_amt_get_answer(FakeAmt *fake, guint i)
{
	return i < fake->answers->len ? fake->answers->pdata[i] : NULL;
}

guint
fake_amt_count(FakeAmt *fake, const char *class_name, const char *method)
{
	guint count = 0;
	pthread_mutex_lock(&fake->lock);
	for (guint i = 0; i < fake->asked->len; i++) {
		g_auto(GStrv) words = g_strsplit(g_ptr_array_index(fake->asked, i), " ", 2);
		if ((class_name == NULL || strcmp(class_name, words[0]) == 0) &&
		    (method == NULL || strcmp(method, words[1]) == 0))
			count++;
	}
	pthread_mutex_unlock(&fake->lock);
	return count;
}
