/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exec-reply.h"

#include <json-glib/json-glib.h>
#include <provost/error.h>
#include <string.h>

#define EXEC_BLANKS " \t\r\n"

enum {
	EXEC_DEPTH = 8,
	EXEC_CHANGES = 256,
	EXEC_FACTS = 64,
	EXEC_NAME_BYTES = 64,
	EXEC_TEXT_BYTES = 4096,
	EXEC_WAIT_SEC = 24 * 3600,
	/* shorter ones are in every other word */
	EXEC_SECRET_BYTES = 4,
};

void
exec_reply_clear(ExecReply *reply)
{
	g_clear_pointer(&reply->changes, g_ptr_array_unref);
	g_clear_pointer(&reply->facts, g_hash_table_unref);
	g_free(reply->skip);
	g_free(reply->text);
}

gboolean
exec_holds_secret(const char *text, GPtrArray *secrets)
{
	for (guint i = 0; i < secrets->len; i++) {
		gsize length = 0;
		const char *secret = pv_secret_peek(secrets->pdata[i], &length);
		if (length >= EXEC_SECRET_BYTES && strstr(text, secret) != NULL)
			return TRUE;
	}
	return FALSE;
}

/* For texts that people read in one line. */
static void
exec_reply_flatten(char *text)
{
	for (char *c = text; *c != '\0'; c++)
		if (g_ascii_iscntrl(*c))
			*c = ' ';
}

static gboolean
exec_reply_fail(GError **error, const char *path, const char *fault)
{
	g_autofree char *valid = g_utf8_make_valid(path, -1); /* names in it were cut short */
	exec_reply_flatten(valid);
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "read its answer: %s %s", valid, fault);
	return FALSE;
}

/* The number of a \u escape, whose four digits @text begins with; -1: they are none */
static int
exec_reply_read_unit(const char *text)
{
	int unit = 0;
	for (gsize i = 0; i < 4; i++) {
		if (!g_ascii_isxdigit(text[i]))
			return -1;
		unit = unit * 16 + g_ascii_xdigit_value(text[i]);
	}
	return unit;
}

/* What stands after a backslash: how many characters, 0 when JSON has no such escape (RFC 8259, 7). Halves of surrogate
 * pairs are none: the parser loses memory over some and makes no UTF-8 of the others. */
static gsize
exec_reply_measure_escape(const char *text)
{
	if (*text != 'u')
		return *text != '\0' && strchr("\"\\/bfnrt", *text) != NULL ? 1 : 0;
	int unit = exec_reply_read_unit(text + 1);
	if (unit < 0xd800 || unit > 0xdfff)
		return unit < 0 ? 0 : 5;
	int low = unit < 0xdc00 && text[5] == '\\' && text[6] == 'u' ? exec_reply_read_unit(text + 7) : -1;
	return low >= 0xdc00 && low <= 0xdfff ? 11 : 0;
}

/* Before the parser, which goes as deep as the text does, and loses memory over a broken escape, and over an object that
 * another value follows. */
static gboolean
exec_reply_is_flat(const GString *output)
{
	gsize depth = 0;
	gboolean quoted = FALSE;
	for (gsize i = strspn(output->str, EXEC_BLANKS); i < output->len; i++) {
		char c = output->str[i];
		gsize escape = quoted && c == '\\' ? exec_reply_measure_escape(output->str + i + 1) : 0;
		if ((depth == 0 && c != '{') || (quoted && c == '\\' && escape == 0))
			return FALSE;
		if (escape > 0)
			i += escape;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			depth++;
		else if (!quoted && (c == '}' || c == ']'))
			depth--;
		else if (!quoted && (c == '/' || c == '\'')) /* what the parser takes and JSON has not */
			return FALSE;
		if (depth > EXEC_DEPTH)
			return FALSE;
		if (depth == 0)
			return i + 1 + strspn(output->str + i + 1, EXEC_BLANKS) == output->len;
	}
	return TRUE;
}

/* A string of bounded length without a secret; *text (transfer full). */
static gboolean
exec_reply_take_string(
    JsonNode *node, const char *path, GPtrArray *secrets, char **text, GError **error)
{
	if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_STRING)
		return exec_reply_fail(error, path, "is no string");
	const char *value = json_node_get_string(node);
	if (strlen(value) > EXEC_TEXT_BYTES)
		return exec_reply_fail(error, path, "is longer than 4096 bytes");
	if (!g_utf8_validate(value, -1, NULL)) /* as half a surrogate pair comes out */
		return exec_reply_fail(error, path, "is no UTF-8");
	if (exec_holds_secret(value, secrets))
		return exec_reply_fail(error, path, "holds a secret that it was given");
	g_free(*text);
	*text = g_strdup(value);
	return TRUE;
}

static gboolean
exec_reply_take_line(
    JsonNode *node, const char *path, GPtrArray *secrets, char **line, GError **error)
{
	if (!exec_reply_take_string(node, path, secrets, line, error))
		return FALSE;
	exec_reply_flatten(*line);
	return TRUE;
}

static gboolean
exec_reply_take_change(
    ExecReply *reply, JsonNode *node, const char *path, GPtrArray *secrets, GError **error)
{
	static const char *const columns[] = { "object", "property", "from", "to" };
	if (!JSON_NODE_HOLDS_OBJECT(node))
		return exec_reply_fail(error, path, "is no object");
	g_auto(GStrv) row = g_new0(char *, G_N_ELEMENTS(columns) + 1);
	for (guint i = 0; i < G_N_ELEMENTS(columns); i++)
		row[i] = g_strdup("");
	JsonObjectIter iter;
	const char *member = NULL;
	JsonNode *value = NULL;
	json_object_iter_init(&iter, json_node_get_object(node));
	while (json_object_iter_next(&iter, &member, &value)) {
		g_autofree char *at = g_strdup_printf("%s.%.64s", path, member);
		guint i = 0;
		while (i < G_N_ELEMENTS(columns) && strcmp(columns[i], member) != 0)
			i++;
		if (i == G_N_ELEMENTS(columns))
			return exec_reply_fail(error, at, "is unknown");
		if (!exec_reply_take_string(value, at, secrets, &row[i], error))
			return FALSE;
	}
	if (*row[0] == '\0')
		return exec_reply_fail(error, path, "has no \"object\"");
	g_ptr_array_add(reply->changes, g_steal_pointer(&row));
	return TRUE;
}

static gboolean
exec_reply_take_changes(ExecReply *reply, JsonNode *node, GPtrArray *secrets, GError **error)
{
	if (!JSON_NODE_HOLDS_ARRAY(node))
		return exec_reply_fail(error, "$.changes", "is no array");
	JsonArray *array = json_node_get_array(node);
	if (json_array_get_length(array) > EXEC_CHANGES)
		return exec_reply_fail(error, "$.changes", "has more than 256 rows");
	for (guint i = 0; i < json_array_get_length(array); i++) {
		g_autofree char *path = g_strdup_printf("$.changes[%u]", i);
		if (!exec_reply_take_change(
			reply, json_array_get_element(array, i), path, secrets, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
exec_reply_take_fact(
    ExecReply *reply, const char *name, JsonNode *node, GPtrArray *secrets, GError **error)
{
	g_autofree char *path = g_strdup_printf("$.facts.%.64s", name);
	gsize length = strlen(name);
	if (length == 0 || length > EXEC_NAME_BYTES ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != length)
		return exec_reply_fail(
		    error, path, "is no name: 1 to 64 of a to z, 0 to 9, \"-\" and dots");
	g_autofree char *value = NULL;
	if (!JSON_NODE_HOLDS_NULL(node) &&
	    !exec_reply_take_string(node, path, secrets, &value, error))
		return FALSE;
	g_hash_table_insert(reply->facts, g_strdup(name), g_steal_pointer(&value));
	return TRUE;
}

static gboolean
exec_reply_take_facts(ExecReply *reply, JsonNode *node, GPtrArray *secrets, GError **error)
{
	if (!JSON_NODE_HOLDS_OBJECT(node))
		return exec_reply_fail(error, "$.facts", "is no object");
	JsonObject *object = json_node_get_object(node);
	if (json_object_get_size(object) > EXEC_FACTS)
		return exec_reply_fail(error, "$.facts", "has more than 64 members");
	JsonObjectIter iter;
	const char *name = NULL;
	JsonNode *value = NULL;
	json_object_iter_init(&iter, object);
	while (json_object_iter_next(&iter, &name, &value))
		if (!exec_reply_take_fact(reply, name, value, secrets, error))
			return FALSE;
	return TRUE;
}

static gboolean
exec_reply_take_wait(ExecReply *reply, JsonNode *node, GError **error)
{
	gint64 seconds =
	    JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64
		? json_node_get_int(node)
		: 0;
	if (seconds < 1 || seconds > EXEC_WAIT_SEC)
		return exec_reply_fail(error, "$.wait", "is no whole number from 1 to 86400");
	reply->wait_sec = (guint)seconds;
	return TRUE;
}

static gboolean
exec_reply_take_member(
    ExecReply *reply, const char *member, JsonNode *node, GPtrArray *secrets, GError **error)
{
	if (strcmp(member, "changes") == 0)
		return exec_reply_take_changes(reply, node, secrets, error);
	if (strcmp(member, "facts") == 0)
		return exec_reply_take_facts(reply, node, secrets, error);
	if (strcmp(member, "skip") == 0)
		return exec_reply_take_line(node, "$.skip", secrets, &reply->skip, error);
	if (strcmp(member, "text") == 0)
		return exec_reply_take_line(node, "$.text", secrets, &reply->text, error);
	if (strcmp(member, "wait") == 0)
		return exec_reply_take_wait(reply, node, error);
	g_autofree char *path = g_strdup_printf("$.%.64s", member);
	return exec_reply_fail(error, path, "is unknown");
}

gboolean
exec_reply_parse(ExecReply *reply, const GString *output, GPtrArray *secrets, GError **error)
{
	reply->changes = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
	reply->facts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	if (strspn(output->str, EXEC_BLANKS) == output->len)
		return TRUE;
	if (strlen(output->str) != output->len ||
	    !g_utf8_validate(output->str, (gssize)output->len, NULL) || !exec_reply_is_flat(output))
		return exec_reply_fail(error, "$", "is not one JSON object of UTF-8, at most 8 levels deep");
	g_autoptr(JsonParser) parser = json_parser_new();
	/* its error texts quote what was read, which may be a secret */
	if (!json_parser_load_from_data(parser, output->str, (gssize)output->len, NULL))
		return exec_reply_fail(error, "$", "is no JSON");
	JsonNode *root = json_parser_get_root(parser);
	if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root))
		return exec_reply_fail(error, "$", "is no object");
	JsonObjectIter iter;
	const char *member = NULL;
	JsonNode *node = NULL;
	json_object_iter_init(&iter, json_node_get_object(root));
	while (json_object_iter_next(&iter, &member, &node))
		if (!exec_reply_take_member(reply, member, node, secrets, error))
			return FALSE;
	return TRUE;
}
