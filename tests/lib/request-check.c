/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/request-check.h"

#include <json-glib/json-glib.h>
#include <libxml/parser.h>
#include <string.h>

/* amt/01 section 5, "Namespaces" */
#define CHECK_SOAP "http://www.w3.org/2003/05/soap-envelope"
#define CHECK_ADDRESSING "http://schemas.xmlsoap.org/ws/2004/08/addressing"
#define CHECK_WSMAN "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
#define CHECK_TRANSFER "http://schemas.xmlsoap.org/ws/2004/09/transfer"
#define CHECK_ENUMERATION "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
#define CHECK_ANONYMOUS CHECK_ADDRESSING "/role/anonymous"

struct RequestCheck {
	JsonParser *parser;
	GHashTable *rows; /* "CLASS.METHOD" -> JsonObject, lent by the parser */
};

/* what is being compared */
typedef struct {
	const RequestCheck *check;
	char *uri; /* ResourceURI; owned */
	char *class_name; /* owned */
	char *method; /* owned */
	JsonObject *row; /* lent */
} CheckRequest;

static void
check_request_clear(CheckRequest *request)
{
	g_free(request->uri);
	g_free(request->class_name);
	g_free(request->method);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CheckRequest, check_request_clear)

typedef xmlDoc CheckDoc;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CheckDoc, xmlFreeDoc)

static JsonObject *
check_peek_object(JsonObject *object, const char *member)
{
	return json_object_has_member(object, member) ? json_object_get_object_member(object, member)
						      : NULL;
}

static JsonArray *
check_peek_array(JsonObject *object, const char *member)
{
	return json_object_has_member(object, member) ? json_object_get_array_member(object, member)
						      : NULL;
}

/* ---- elements ---- */

static xmlNode *
check_skip(xmlNode *node)
{
	while (node != NULL && node->type != XML_ELEMENT_NODE)
		node = node->next;
	return node;
}

static xmlNode *
check_first(const xmlNode *node)
{
	return check_skip(node->children);
}

static xmlNode *
check_next(const xmlNode *node)
{
	return check_skip(node->next);
}

static gboolean
check_is(const xmlNode *node, const char *uri, const char *name)
{
	return node != NULL && strcmp((const char *)node->name, name) == 0 && node->ns != NULL &&
	       strcmp((const char *)node->ns->href, uri) == 0;
}

static char *
check_dup_text(const xmlNode *node)
{
	xmlChar *content = xmlNodeGetContent(node);
	char *text = g_strdup((const char *)content);
	xmlFree(content);
	return text;
}

/* Nothing but elements, or nothing but text, and no attribute that the documents do not have: clients send neither
 * mustUnderstand nor xsi:type. */
static char *
check_shape(const xmlNode *node)
{
	gboolean selector = check_is(node, CHECK_WSMAN, "Selector");
	for (const xmlAttr *attribute = node->properties; attribute != NULL;
	     attribute = attribute->next)
		if (!selector || attribute->ns != NULL ||
		    strcmp((const char *)attribute->name, "Name") != 0)
			return g_strdup_printf("%s has an attribute %s", node->name, attribute->name);
	gboolean elements = check_first(node) != NULL;
	for (const xmlNode *child = node->children; child != NULL; child = child->next) {
		if (child->type != (elements ? XML_ELEMENT_NODE : XML_TEXT_NODE))
			return g_strdup_printf("%s holds what is neither only elements nor only text",
			    node->name);
		char *flaw = elements ? check_shape(child) : NULL;
		if (flaw != NULL)
			return flaw;
	}
	return NULL;
}

/* ---- values ---- */

/* "4..28", "16", and "2,3" */
static gboolean
check_in(guint64 value, const char *list)
{
	g_auto(GStrv) ranges = g_strsplit(list, ",", -1);
	for (guint i = 0; ranges[i] != NULL; i++) {
		char *end = NULL;
		guint64 low = g_ascii_strtoull(ranges[i], &end, 10);
		guint64 high = g_str_has_prefix(end, "..") ? g_ascii_strtoull(end + 2, NULL, 10) : low;
		if (value >= low && value <= high)
			return TRUE;
	}
	return FALSE;
}

/* RFC 4648, section 4, in one line; *data: g_free() */
static gboolean
check_decode(const char *text, guchar **data, gsize *length)
{
	*data = g_base64_decode(text, length);
	g_autofree char *again = g_base64_encode(*data, *length);
	return strcmp(again, text) == 0;
}

static gboolean
check_bytes(const char *text, const char *range, gboolean der)
{
	g_autofree guchar *data = NULL;
	gsize length = 0;
	g_auto(GStrv) parts = g_strsplit(range, "/", 2);
	if (!check_decode(text, &data, &length) || !check_in(length, parts[0]) ||
	    (parts[1] != NULL && length % g_ascii_strtoull(parts[1], NULL, 10) != 0))
		return FALSE;
	if (!der)
		return TRUE;
	/* X.690: a SEQUENCE that ends where the bytes end; of these sizes its length is one to three bytes */
	if (length < 2 || data[0] != 0x30)
		return FALSE;
	gsize head = data[1] < 0x80 ? 2 : 2 + (data[1] & 0x7f);
	gsize size = data[1] < 0x80 ? data[1] : 0;
	for (gsize i = 2; i < head && i < length; i++)
		size = size << 8 | data[i];
	return head + size == length;
}

/* amt/04 section 6 */
static gboolean
check_user(const char *text)
{
	gsize length = strlen(text);
	gboolean good = length >= 1 && length <= 16 && !g_str_has_prefix(text, "$$");
	for (; good && *text != '\0'; text++)
		good = *text >= 33 && *text <= 126 && strchr(":,<>&\"", *text) == NULL;
	return good;
}

static gboolean
check_password(const char *text)
{
	gsize length = strlen(text);
	gboolean digit = FALSE, lower = FALSE, upper = FALSE, other = FALSE;
	for (; *text != '\0'; text++) {
		if (*text < 32 || *text > 126 || strchr(":,\"", *text) != NULL)
			return FALSE;
		digit = digit || g_ascii_isdigit(*text);
		lower = lower || g_ascii_islower(*text);
		upper = upper || g_ascii_isupper(*text);
		other = other || (!g_ascii_isalnum(*text) && *text != '_');
	}
	return length >= 8 && length <= 32 && digit && lower && upper && other;
}

static gboolean
check_uint(const char *text, const char *list)
{
	guint64 value = 0;
	return g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &value, NULL) &&
	       check_in(value, list);
}

static gboolean
check_value_fits(const char *type, const char *text)
{
	g_auto(GStrv) words = g_strsplit(type, " ", 2);
	const char *kind = words[0];
	const char *rest = words[1] != NULL ? words[1] : "";
	if (strcmp(kind, "bool") == 0)
		return strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
	if (strcmp(kind, "uint") == 0)
		return check_uint(text, rest);
	if (strcmp(kind, "text") == 0)
		return check_in(strlen(text), rest);
	if (strcmp(kind, "like") == 0)
		return g_pattern_match_simple(rest, text);
	if (strcmp(kind, "bytes") == 0)
		return check_bytes(text, rest, FALSE);
	if (strcmp(kind, "der") == 0)
		return check_bytes(text, rest, TRUE);
	if (strcmp(kind, "user") == 0)
		return check_user(text);
	if (strcmp(kind, "password") == 0)
		return check_password(text);
	g_error("\"%s\" is no kind of value", type);
}

/* ---- references, instances, parameters ---- */

static char *
check_dup_uri(const char *class_name)
{
	const char *base = g_str_has_prefix(class_name, "AMT_") ? "http://intel.com/wbem/wscim/1/amt-schema/1/"
			   : g_str_has_prefix(class_name, "IPS_")
			       ? "http://intel.com/wbem/wscim/1/ips-schema/1/"
			       : "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/";
	return g_strconcat(base, class_name, NULL);
}

/* @set: NULL: there is no SelectorSet; @wanted: NULL: there shall be none */
static char *
check_selectors(const xmlNode *set, JsonObject *wanted)
{
	if (set == NULL || wanted == NULL)
		return set == NULL && wanted == NULL
			   ? NULL
			   : g_strdup(set != NULL ? "it has a SelectorSet" : "it has no SelectorSet");
	guint count = 0;
	for (const xmlNode *node = check_first(set); node != NULL; node = check_next(node)) {
		xmlChar *attribute = xmlGetNoNsProp(node, (const xmlChar *)"Name");
		g_autofree char *name = g_strdup((const char *)attribute);
		xmlFree(attribute);
		g_autofree char *value = check_dup_text(node);
		if (!check_is(node, CHECK_WSMAN, "Selector") || name == NULL)
			return g_strdup("the SelectorSet holds what is no Selector with a Name");
		if (!json_object_has_member(wanted, name))
			return g_strdup_printf("selector %s is not documented", name);
		if (check_first(node) != NULL ||
		    !g_pattern_match_simple(json_object_get_string_member(wanted, name), value))
			return g_strdup_printf("selector %s is \"%s\"", name, value);
		count++;
	}
	return count == json_object_get_size(wanted)
		   ? NULL
		   : g_strdup_printf("there are %u selectors", count);
}

/* amt/01 section 5, "EPR as parameter or property" */
static char *
check_epr(const xmlNode *node, JsonObject *wanted)
{
	g_autofree char *uri = check_dup_uri(json_object_get_string_member(wanted, "epr"));
	const xmlNode *address = check_first(node);
	const xmlNode *parameters = address != NULL ? check_next(address) : NULL;
	if (!check_is(address, CHECK_ADDRESSING, "Address") ||
	    !check_is(parameters, CHECK_ADDRESSING, "ReferenceParameters") ||
	    check_next(parameters) != NULL)
		return g_strdup_printf("%s is not an Address and ReferenceParameters", node->name);
	const xmlNode *resource = check_first(parameters);
	const xmlNode *set = resource != NULL ? check_next(resource) : NULL;
	g_autofree char *to = check_dup_text(address);
	g_autofree char *found = resource != NULL ? check_dup_text(resource) : NULL;
	if (strcmp(to, CHECK_ANONYMOUS) != 0)
		return g_strdup_printf("the Address of %s is \"%s\"", node->name, to);
	if (!check_is(resource, CHECK_WSMAN, "ResourceURI") ||
	    !check_is(set, CHECK_WSMAN, "SelectorSet") || check_next(set) != NULL)
		return g_strdup_printf("%s is not a ResourceURI and a SelectorSet", node->name);
	if (strcmp(found, uri) != 0)
		return g_strdup_printf("%s refers to %s", node->name, found);
	return check_selectors(set, json_object_get_object_member(wanted, "selectors"));
}

static char *check_fields(const xmlNode *node, const char *uri, JsonObject *fields);

static char *
check_field(const xmlNode *node, JsonNode *wanted)
{
	if (JSON_NODE_HOLDS_OBJECT(wanted)) {
		JsonObject *object = json_node_get_object(wanted);
		if (json_object_has_member(object, "epr"))
			return check_epr(node, object);
		g_autofree char *uri =
		    check_dup_uri(json_object_get_string_member(object, "instance"));
		return check_fields(node, uri, json_object_get_object_member(object, "body"));
	}
	const char *type = json_node_get_string(wanted);
	g_autofree char *text = check_dup_text(node);
	if (check_first(node) != NULL || !check_value_fits(type, text))
		return g_strdup_printf("%s is \"%s\", not %s", node->name, text, type);
	return NULL;
}

/* The children in the order of the fields, each in the namespace @uri. */
static char *
check_fields(const xmlNode *node, const char *uri, JsonObject *fields)
{
	g_autoptr(GList) names = json_object_get_members(fields);
	const xmlNode *child = check_first(node);
	for (GList *at = names; at != NULL; at = at->next) {
		const char *field = at->data;
		gsize length = strcspn(field, "?*+");
		g_autofree char *name = g_strndup(field, length);
		guint count = 0;
		for (; check_is(child, uri, name); child = check_next(child), count++) {
			char *flaw = check_field(child, json_object_get_member(fields, field));
			if (flaw != NULL)
				return flaw;
		}
		if (count == 0 && field[length] != '?' && field[length] != '*')
			return g_strdup_printf("%s is missing or stands elsewhere", name);
		if (count > 1 && field[length] != '*' && field[length] != '+')
			return g_strdup_printf("%s comes %u times", name, count);
	}
	return child == NULL
		   ? NULL
		   : g_strdup_printf("%s is not documented, or stands elsewhere", child->name);
}

static gboolean
check_has(const xmlNode *node, const char *name)
{
	for (const xmlNode *child = check_first(node); child != NULL; child = check_next(child))
		if (strcmp((const char *)child->name, name) == 0)
			return TRUE;
	return FALSE;
}

static char *
check_either(const xmlNode *node, JsonArray *lists)
{
	guint whole = 0, touched = 0;
	for (guint i = 0; i < json_array_get_length(lists); i++) {
		JsonArray *list = json_array_get_array_element(lists, i);
		guint there = 0;
		for (guint j = 0; j < json_array_get_length(list); j++)
			there += check_has(node, json_array_get_string_element(list, j)) ? 1 : 0;
		touched += there > 0 ? 1 : 0;
		whole += there == json_array_get_length(list) ? 1 : 0;
	}
	return whole == 1 && touched == 1
		   ? NULL
		   : g_strdup("it has none, parts or several of what excludes each other");
}

/* ---- the envelope: amt/01 section 5 ---- */

/* amt/01 section 5, "Actions" */
static char *
check_action(const CheckRequest *request, const char *action)
{
	static const char *const transfer[] = { "Get", "Put", "Create", "Delete", NULL };
	static const char *const enumeration[] = { "Enumerate", "Pull", NULL };
	const char *base = g_strv_contains(transfer, request->method)	 ? CHECK_TRANSFER
			   : g_strv_contains(enumeration, request->method) ? CHECK_ENUMERATION
									     : request->uri;
	g_autofree char *wanted = g_strconcat(base, "/", request->method, NULL);
	return strcmp(wanted, action) == 0 ? NULL
					   : g_strdup_printf("the Action is %s, not %s", action, wanted);
}

static char *
check_header_value(const CheckRequest *request, const xmlNode *node)
{
	const char *name = (const char *)node->name;
	g_autofree char *text = check_dup_text(node);
	if (strcmp(name, "Action") == 0)
		return check_action(request, text);
	if (strcmp(name, "ReplyTo") == 0) {
		const xmlNode *address = check_first(node);
		if (!check_is(address, CHECK_ADDRESSING, "Address") || check_next(address) != NULL)
			return g_strdup("ReplyTo is not one Address");
	}
	g_autofree char *uri = check_dup_uri(request->class_name);
	const char *wanted = strcmp(name, "To") == 0		 ? "/wsman"
			     : strcmp(name, "ReplyTo") == 0	 ? CHECK_ANONYMOUS
			     : strcmp(name, "ResourceURI") == 0 ? uri
			     : strcmp(name, "OperationTimeout") == 0 ? "PT60S" : NULL;
	if (wanted != NULL && strcmp(wanted, text) != 0)
		return g_strdup_printf("%s is %s, not %s", name, text, wanted);
	if (strcmp(name, "MessageID") == 0 && !check_uint(text, "1..4294967295"))
		return g_strdup_printf("MessageID is %s, not a bare integer", text);
	return NULL;
}

/* Exactly these, in the order of the documents' example; @request's class and method are known. */
static char *
check_header(const CheckRequest *request, const xmlNode *header)
{
	static const char *const names[][2] = { { CHECK_ADDRESSING, "Action" },
		{ CHECK_ADDRESSING, "To" }, { CHECK_WSMAN, "ResourceURI" },
		{ CHECK_ADDRESSING, "MessageID" }, { CHECK_ADDRESSING, "ReplyTo" },
		{ CHECK_WSMAN, "OperationTimeout" } };
	const xmlNode *node = check_first(header);
	for (guint i = 0; i < G_N_ELEMENTS(names); i++, node = check_next(node)) {
		if (!check_is(node, names[i][0], names[i][1]))
			return g_strdup_printf("the header has no %s in its place", names[i][1]);
		char *flaw = check_header_value(request, node);
		if (flaw != NULL)
			return flaw;
	}
	if (node != NULL && (!check_is(node, CHECK_WSMAN, "SelectorSet") || check_next(node) != NULL))
		return g_strdup_printf("the header has a %s", node->name);
	return check_selectors(node, check_peek_object(request->row, "selectors"));
}

/* amt/01 section 5, "Enumerate / Pull" */
static char *
check_pull(const xmlNode *pull)
{
	const xmlNode *context = check_first(pull);
	const xmlNode *elements = context != NULL ? check_next(context) : NULL;
	const xmlNode *characters = elements != NULL ? check_next(elements) : NULL;
	if (!check_is(context, CHECK_ENUMERATION, "EnumerationContext") ||
	    !check_is(elements, CHECK_ENUMERATION, "MaxElements") ||
	    !check_is(characters, CHECK_ENUMERATION, "MaxCharacters") ||
	    check_next(characters) != NULL)
		return g_strdup("Pull is not EnumerationContext, MaxElements and MaxCharacters");
	g_autofree char *count = check_dup_text(elements);
	g_autofree char *size = check_dup_text(characters);
	g_autofree char *opaque = check_dup_text(context);
	if (strcmp(count, "999") != 0 || strcmp(size, "99999") != 0 || *opaque == '\0')
		return g_strdup_printf("Pull has context \"%s\", %s elements, %s characters", opaque,
		    count, size);
	return NULL;
}

static char *
check_body(const CheckRequest *request, const xmlNode *body)
{
	static const char *const empty[] = { "Get", "Delete", NULL };
	static const char *const instance[] = { "Put", "Create", NULL };
	const xmlNode *content = check_first(body);
	if (g_strv_contains(empty, request->method))
		return body->children == NULL ? NULL : g_strdup("the Body is not empty");
	if (content == NULL || check_next(content) != NULL)
		return g_strdup("the Body is not one element");
	if (strcmp(request->method, "Enumerate") == 0)
		return check_is(content, CHECK_ENUMERATION, "Enumerate") && content->children == NULL
			   ? NULL
			   : g_strdup("the Body is not an empty Enumerate");
	if (strcmp(request->method, "Pull") == 0)
		return check_is(content, CHECK_ENUMERATION, "Pull")
			   ? check_pull(content)
			   : g_strdup("the Body is not a Pull");
	g_autofree char *name = g_strv_contains(instance, request->method)
				    ? g_strdup(request->class_name)
				    : g_strconcat(request->method, "_INPUT", NULL);
	if (!check_is(content, request->uri, name))
		return g_strdup_printf("the Body is not %s in the class's namespace", name);
	JsonObject *fields = check_peek_object(request->row, "body");
	JsonArray *either = check_peek_array(request->row, "either");
	char *flaw = fields != NULL ? check_fields(content, request->uri, fields)
		     : content->children != NULL ? g_strdup_printf("%s is not empty", name)
						 : NULL;
	return flaw == NULL && either != NULL ? check_either(content, either) : flaw;
}

/* Finds out class and method; NULL: done. */
static char *
check_identify(CheckRequest *request, const xmlNode *header)
{
	const xmlNode *action = check_first(header);
	const xmlNode *resource = action;
	while (resource != NULL && !check_is(resource, CHECK_WSMAN, "ResourceURI"))
		resource = check_next(resource);
	if (!check_is(action, CHECK_ADDRESSING, "Action") || resource == NULL)
		return g_strdup("the header has no Action or ResourceURI");
	g_autofree char *text = check_dup_text(action);
	request->uri = check_dup_text(resource);
	const char *slash = strrchr(request->uri, '/');
	request->class_name = g_strdup(slash != NULL ? slash + 1 : request->uri);
	slash = strrchr(text, '/');
	request->method = g_strdup(slash != NULL ? slash + 1 : text);
	g_autofree char *name = g_strdup_printf("%s.%s", request->class_name, request->method);
	request->row = g_hash_table_lookup(request->check->rows, name);
	return request->row != NULL ? NULL : g_strdup_printf("no document describes %s", name);
}

static char *
check_document(CheckRequest *request, xmlDoc *document)
{
	const xmlNode *root = xmlDocGetRootElement(document);
	const xmlNode *header = root != NULL ? check_first(root) : NULL;
	const xmlNode *body = header != NULL ? check_next(header) : NULL;
	if (!check_is(root, CHECK_SOAP, "Envelope") || !check_is(header, CHECK_SOAP, "Header") ||
	    !check_is(body, CHECK_SOAP, "Body") || check_next(body) != NULL)
		return g_strdup("it is not an Envelope of Header and Body");
	char *flaw = check_identify(request, header);
	if (flaw == NULL)
		flaw = check_shape(root);
	if (flaw == NULL)
		flaw = check_header(request, header);
	return flaw != NULL ? flaw : check_body(request, body);
}

static xmlDoc *
check_parse(const char *text)
{
	return xmlReadMemory(text, (int)strlen(text), NULL, NULL,
	    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
}

/* ---- rows ---- */

/* properties are sent back in the order of answers, so the row has them in that order too */
static void
check_row_order(JsonObject *row, const char *name)
{
	JsonObject *body = check_peek_object(row, "body");
	g_autoptr(GList) names = body != NULL ? json_object_get_members(body) : NULL;
	for (GList *at = names; at != NULL && at->next != NULL; at = at->next) {
		g_autofree char *one = g_strndup(at->data, strcspn(at->data, "?*+"));
		g_autofree char *two = g_strndup(at->next->data, strcspn(at->next->data, "?*+"));
		if (strcmp(one, two) >= 0)
			g_error("requests.json: %s: %s stands before %s", name, one, two);
	}
}

RequestCheck *
request_check_new(void)
{
	static const char *const members[] = { "request", "cites", "selectors", "body", "either",
		"left-out", NULL };
	g_autoptr(GError) error = NULL;
	RequestCheck *check = g_new0(RequestCheck, 1);
	check->parser = json_parser_new();
	check->rows = g_hash_table_new(g_str_hash, g_str_equal);
	g_autofree char *path =
	    g_test_build_filename(G_TEST_DIST, "tests", "conformance", "requests.json", NULL);
	json_parser_load_from_file(check->parser, path, &error);
	g_assert_no_error(error);
	JsonArray *rows = json_node_get_array(json_parser_get_root(check->parser));
	for (guint i = 0; i < json_array_get_length(rows); i++) {
		JsonObject *row = json_array_get_object_element(rows, i);
		const char *name = json_object_get_string_member(row, "request");
		g_autoptr(GList) names = json_object_get_members(row);
		for (GList *at = names; at != NULL; at = at->next)
			if (!g_strv_contains(members, at->data))
				g_error("requests.json: %s: no member is \"%s\"", name, (char *)at->data);
		if (!json_object_has_member(row, "cites"))
			g_error("requests.json: %s cites nothing", name);
		if (g_str_has_suffix(name, ".Put"))
			check_row_order(row, name);
		if (!g_hash_table_insert(check->rows, (gpointer)name, row))
			g_error("requests.json: %s comes twice", name);
	}
	return check;
}

void
request_check_free(RequestCheck *check)
{
	if (check == NULL)
		return;
	g_hash_table_unref(check->rows);
	g_object_unref(check->parser);
	g_free(check);
}

char *
request_check_compare(const RequestCheck *check, const char *request, char **name)
{
	g_auto(CheckRequest) compared = { .check = check };
	g_autoptr(CheckDoc) document = check_parse(request);
	if (name != NULL)
		*name = NULL;
	if (document == NULL)
		return g_strdup("it is no XML");
	char *flaw = check_document(&compared, document);
	if (name != NULL && compared.method != NULL)
		*name = g_strdup_printf("%s.%s", compared.class_name, compared.method);
	return flaw;
}

/* ---- what a Put keeps ---- */

static char *
check_dup_child(const xmlNode *node, const char *name)
{
	for (const xmlNode *child = check_first(node); child != NULL; child = check_next(child))
		if (strcmp((const char *)child->name, name) == 0)
			return check_dup_text(child);
	return NULL;
}

/* the instance of the class and InstanceID, wherever it is in an answer */
static const xmlNode *
check_find_instance(const xmlNode *node, const char *class_name, const char *id)
{
	g_autofree char *found = check_dup_child(node, "InstanceID");
	if (strcmp((const char *)node->name, class_name) == 0 && g_strcmp0(found, id) == 0)
		return node;
	for (const xmlNode *child = check_first(node); child != NULL; child = check_next(child)) {
		const xmlNode *instance = check_find_instance(child, class_name, id);
		if (instance != NULL)
			return instance;
	}
	return NULL;
}

static gboolean
check_is_left_out(JsonObject *row, const char *name)
{
	JsonArray *list = check_peek_array(row, "left-out");
	for (guint i = 0; list != NULL && i < json_array_get_length(list); i++)
		if (strcmp(json_array_get_string_element(list, i), name) == 0)
			return TRUE;
	return FALSE;
}

char *
request_check_compare_kept(
    const RequestCheck *check, const char *request, const char *answer, gboolean *found)
{
	g_auto(CheckRequest) compared = { .check = check };
	g_autoptr(CheckDoc) document = check_parse(request);
	g_autoptr(CheckDoc) before = check_parse(answer);
	g_autofree char *flaw = document != NULL ? check_document(&compared, document) : NULL;
	*found = FALSE;
	if (before == NULL || compared.row == NULL || strcmp(compared.method, "Put") != 0)
		return NULL;
	const xmlNode *body = check_next(check_first(xmlDocGetRootElement(document)));
	const xmlNode *sent = check_first(body);
	g_autofree char *id = check_dup_child(sent, "InstanceID");
	const xmlNode *got =
	    check_find_instance(xmlDocGetRootElement(before), compared.class_name, id);
	*found = got != NULL;
	for (const xmlNode *node = got != NULL ? check_first(got) : NULL; node != NULL;
	     node = check_next(node))
		if (!check_has(sent, (const char *)node->name) &&
		    !check_is_left_out(compared.row, (const char *)node->name))
			return g_strdup_printf("%s was got and is not sent back", node->name);
	return NULL;
}

/* ---- whether the comparison sees ---- */

/* Ways to break a document at one element; FALSE: this one cannot be broken so. */

static gboolean
check_break_name(xmlNode *node)
{
	g_autofree char *name = g_strconcat((const char *)node->name, "X", NULL);
	xmlNodeSetName(node, (const xmlChar *)name);
	return TRUE;
}

static gboolean
check_break_namespace(xmlNode *node)
{
	xmlSetNs(node, xmlNewNs(node, (const xmlChar *)"urn:other", (const xmlChar *)"z"));
	return TRUE;
}

static gboolean
check_break_attribute(xmlNode *node)
{
	xmlNewProp(node, (const xmlChar *)"mustUnderstand", (const xmlChar *)"true");
	return TRUE;
}

static gboolean
check_break_order(xmlNode *node)
{
	xmlNode *next = check_next(node);
	if (next == NULL || strcmp((const char *)node->name, (const char *)next->name) == 0)
		return FALSE;
	xmlUnlinkNode(next);
	xmlAddPrevSibling(node, next);
	return TRUE;
}

static gboolean
check_break_content(xmlNode *node)
{
	xmlNewChild(node, node->ns, (const xmlChar *)"Unknown", (const xmlChar *)"1");
	return TRUE;
}

static const struct {
	const char *name;
	gboolean (*apply)(xmlNode *node);
} check_breaks[] = {
	{ "another name", check_break_name },
	{ "another namespace", check_break_namespace },
	{ "an attribute", check_break_attribute },
	{ "another order", check_break_order },
	{ "an unknown child", check_break_content },
};

/* the nth element in document order, from 0; NULL: there are fewer */
static xmlNode *
check_find_nth(xmlNode *node, guint *n)
{
	if ((*n)-- == 0)
		return node;
	for (xmlNode *child = check_first(node); child != NULL; child = check_next(child)) {
		xmlNode *found = check_find_nth(child, n);
		if (found != NULL)
			return found;
	}
	return NULL;
}

/* *more: whether there is an nth element */
static char *
check_break_nth(const RequestCheck *check, const char *request, guint n, gsize way, gboolean *more)
{
	g_auto(CheckRequest) compared = { .check = check };
	g_autoptr(CheckDoc) document = check_parse(request);
	xmlNode *node = check_find_nth(xmlDocGetRootElement(document), &n);
	*more = node != NULL;
	if (node == NULL)
		return NULL;
	g_autofree char *place = g_strdup((const char *)node->name);
	if (!check_breaks[way].apply(node))
		return NULL;
	g_autofree char *flaw = check_document(&compared, document);
	return flaw == NULL ? g_strdup_printf("%s at %s", check_breaks[way].name, place) : NULL;
}

char *
request_check_find_blind(const RequestCheck *check, const char *request)
{
	for (gsize way = 0; way < G_N_ELEMENTS(check_breaks); way++) {
		gboolean more = TRUE;
		for (guint n = 0; more; n++) {
			char *blind = check_break_nth(check, request, n, way, &more);
			if (blind != NULL)
				return blind;
		}
	}
	return NULL;
}
