/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/json.h"

#include <errno.h>
#include <provost/error.h>
#include <string.h>

#define JSON_MAX_BYTES (1024 * 1024)
#define JSON_MAX_DEPTH 32

struct PvJson {
	gatomicrefcount references;
	char *name; /* owned: the file's name, for errors */
	JsonNode *root; /* owned */
	GHashTable *lines; /* char* path -> line, owned */
};

/* json-glib builds the values but forgets where they stood, and takes comments, trailing commas and duplicate
 * members. This reader walks the same text once: it refuses those, and notes the line of every path. */
typedef struct {
	const char *name; /* of the file */
	const char *at; /* next character */
	const char *end;
	guint line;
	guint depth;
	GString *path; /* of the value being read */
	GHashTable *lines; /* borrowed from the PvJson being made */
	GError **error;
} JsonWalk;

static gboolean
json_fail(JsonWalk *reader, const char *what)
{
	g_set_error(reader->error, PV_ERROR, PV_ERROR_CONFIG, "%s:%u: %s: %s", reader->name,
	    reader->line, reader->path->str, what);
	return FALSE;
}

static void
json_skip_blanks(JsonWalk *reader)
{
	for (; reader->at < reader->end && strchr(" \t\r\n", *reader->at) != NULL &&
	       *reader->at != '\0';
	     reader->at++)
		if (*reader->at == '\n')
			reader->line++;
}

static gboolean
json_read_escape(JsonWalk *reader)
{
	reader->at++;
	if (reader->at >= reader->end || *reader->at == '\0' ||
	    strchr("\"\\/bfnrtu", *reader->at) == NULL)
		return json_fail(reader, "unknown escape in a string");
	if (*reader->at != 'u') {
		reader->at++;
		return TRUE;
	}
	for (guint i = 1; i <= 4; i++)
		if (reader->at + i >= reader->end || !g_ascii_isxdigit(reader->at[i]))
			return json_fail(reader, "\\u needs four hexadecimal digits");
	if (strncmp(reader->at, "u0000", 5) == 0)
		return json_fail(reader, "a string cannot hold \\u0000");
	reader->at += 5;
	return TRUE;
}

/* Reads a string; *text (owned by the caller) is what stands between the quotes, escapes as they are. */
static gboolean
json_read_string(JsonWalk *reader, char **text)
{
	const char *begin = ++reader->at;
	while (reader->at < reader->end && *reader->at != '"') {
		if ((guchar)*reader->at < 0x20)
			return json_fail(reader,
			    "a string ends at the end of its line: close the quote, or write \\n");
		if (*reader->at == '\\') {
			if (!json_read_escape(reader))
				return FALSE;
		} else {
			reader->at++;
		}
	}
	if (reader->at >= reader->end)
		return json_fail(reader, "the file ends within a string");
	if (text != NULL)
		*text = g_strndup(begin, (gsize)(reader->at - begin));
	reader->at++;
	return TRUE;
}

static gboolean
json_read_digits(JsonWalk *reader)
{
	const char *begin = reader->at;
	while (reader->at < reader->end && g_ascii_isdigit(*reader->at))
		reader->at++;
	return reader->at > begin;
}

/* RFC 8259, section 6 */
static gboolean
json_read_number(JsonWalk *reader)
{
	if (*reader->at == '-')
		reader->at++;
	gboolean zero = reader->at < reader->end && *reader->at == '0';
	const char *begin = reader->at;
	if (!json_read_digits(reader) || (zero && reader->at - begin > 1))
		return json_fail(reader, "not a number");
	if (reader->at - begin > 18)
		return json_fail(reader, "number too large");
	if (reader->at < reader->end && *reader->at == '.') {
		reader->at++;
		if (!json_read_digits(reader))
			return json_fail(reader, "digits are missing after the decimal point");
	}
	if (reader->at < reader->end && (*reader->at == 'e' || *reader->at == 'E')) {
		reader->at++;
		if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-'))
			reader->at++;
		if (!json_read_digits(reader))
			return json_fail(reader, "digits are missing in the exponent");
	}
	return TRUE;
}

static gboolean json_read_value(JsonWalk *reader);

static gboolean
json_read_member(JsonWalk *reader, GHashTable *seen)
{
	g_autofree char *name = NULL;
	gsize length = reader->path->len;
	json_skip_blanks(reader);
	if (reader->at >= reader->end || *reader->at != '"')
		return json_fail(reader, reader->at < reader->end && *reader->at == '}'
					     ? "a comma stands before '}'"
					 : reader->at < reader->end && *reader->at == '/'
					     ? "JSON has no comments"
					     : "expected a member's name in quotes");
	if (!json_read_string(reader, &name))
		return FALSE;
	if (!g_hash_table_add(seen, g_strdup(name))) {
		g_autofree char *what =
		    g_strdup_printf("member \"%s\" stands here a second time", name);
		return json_fail(reader, what);
	}
	json_skip_blanks(reader);
	if (reader->at >= reader->end || *reader->at != ':')
		return json_fail(reader, "expected ':' after a member's name");
	reader->at++;
	g_string_append_printf(reader->path, ".%s", name);
	gboolean ok = json_read_value(reader);
	g_string_truncate(reader->path, length);
	return ok;
}

static gboolean
json_read_object(JsonWalk *reader)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	reader->at++;
	json_skip_blanks(reader);
	if (reader->at < reader->end && *reader->at == '}') {
		reader->at++;
		return TRUE;
	}
	for (;;) {
		if (!json_read_member(reader, seen))
			return FALSE;
		json_skip_blanks(reader);
		if (reader->at < reader->end && *reader->at == '}') {
			reader->at++;
			return TRUE;
		}
		if (reader->at >= reader->end || *reader->at != ',')
			return json_fail(reader, reader->at >= reader->end
						     ? "the file ends within an object"
						     : "expected ',' or '}'");
		reader->at++;
	}
}

static gboolean
json_read_array(JsonWalk *reader)
{
	gsize length = reader->path->len;
	reader->at++;
	json_skip_blanks(reader);
	if (reader->at < reader->end && *reader->at == ']') {
		reader->at++;
		return TRUE;
	}
	for (guint i = 0;; i++) {
		g_string_append_printf(reader->path, "[%u]", i);
		if (!json_read_value(reader))
			return FALSE;
		g_string_truncate(reader->path, length);
		json_skip_blanks(reader);
		if (reader->at < reader->end && *reader->at == ']') {
			reader->at++;
			return TRUE;
		}
		if (reader->at >= reader->end || *reader->at != ',')
			return json_fail(reader, reader->at >= reader->end
						     ? "the file ends within an array"
						     : "expected ',' or ']'");
		reader->at++;
	}
}

static gboolean
json_read_word(JsonWalk *reader)
{
	static const char *const words[] = { "true", "false", "null" };
	for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
		gsize length = strlen(words[i]);
		if ((gsize)(reader->end - reader->at) >= length &&
		    strncmp(reader->at, words[i], length) == 0 &&
		    (reader->at + length == reader->end || !g_ascii_isalnum(reader->at[length]))) {
			reader->at += length;
			return TRUE;
		}
	}
	return json_fail(reader, *reader->at == '/'   ? "JSON has no comments"
				 : *reader->at == ']' ? "a comma stands before ']'"
						      : "expected a value");
}

static gboolean
json_read_value(JsonWalk *reader)
{
	json_skip_blanks(reader);
	if (reader->at >= reader->end)
		return json_fail(reader, "the file ends where a value is expected");
	g_hash_table_insert(
	    reader->lines, g_strdup(reader->path->str), GUINT_TO_POINTER(reader->line));
	if (*reader->at == '"')
		return json_read_string(reader, NULL);
	if (*reader->at == '-' || g_ascii_isdigit(*reader->at))
		return json_read_number(reader);
	if (*reader->at != '{' && *reader->at != '[')
		return json_read_word(reader);
	if (++reader->depth > JSON_MAX_DEPTH)
		return json_fail(
		    reader, "nested too deeply: " G_STRINGIFY(JSON_MAX_DEPTH) " levels at most");
	gboolean ok = *reader->at == '{' ? json_read_object(reader) : json_read_array(reader);
	reader->depth--;
	return ok;
}

static gboolean
json_read(PvJson *json, const char *text, gsize length, GError **error)
{
	g_autoptr(GString) path = g_string_new("$");
	JsonWalk reader = { .name = json->name,
		.at = text,
		.end = text + length,
		.line = 1,
		.path = path,
		.lines = json->lines,
		.error = error };
	if (length > JSON_MAX_BYTES)
		return json_fail(&reader, "larger than 1 MiB");
	const char *bad = NULL;
	if (!g_utf8_validate(text, (gssize)length, &bad)) {
		for (const char *c = text; c < bad; c++)
			reader.line += *c == '\n';
		return json_fail(
		    &reader, *bad == '\0' ? "a NUL byte: this is no text" : "not UTF-8");
	}
	if (!json_read_value(&reader))
		return FALSE;
	json_skip_blanks(&reader);
	return reader.at == reader.end ||
	       json_fail(&reader, "something follows the end of the value");
}

PvJson *
pv_json_parse(const char *name, const char *text, gssize length, GError **error)
{
	gsize size = length < 0 ? strlen(text) : (gsize)length;
	g_autoptr(PvJson) json = g_new0(PvJson, 1);
	g_atomic_ref_count_init(&json->references);
	json->name = g_strdup(name);
	json->lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	if (!json_read(json, text, size, error))
		return NULL;
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	g_autoptr(GError) caught = NULL;
	if (!json_parser_load_from_data(parser, text, (gssize)size, &caught)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s", name, caught->message);
		return NULL;
	}
	json->root = json_parser_steal_root(parser);
	return g_steal_pointer(&json);
}

PvJson *
pv_json_load(const char *path, GError **error)
{
	g_autofree char *text = NULL;
	gsize length = 0;
	g_autoptr(GError) caught = NULL;
	if (!g_file_get_contents(path, &text, &length, &caught)) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "read %s: %s", path, g_strerror(errno));
		return NULL;
	}
	return pv_json_parse(path, text, (gssize)length, error);
}

PvJson *
pv_json_ref(PvJson *json)
{
	g_atomic_ref_count_inc(&json->references);
	return json;
}

void
pv_json_unref(PvJson *json)
{
	if (json == NULL || !g_atomic_ref_count_dec(&json->references))
		return;
	g_free(json->name);
	g_clear_pointer(&json->root, json_node_unref);
	g_hash_table_unref(json->lines);
	g_free(json);
}

JsonNode *
pv_json_get_root(PvJson *json)
{
	return json->root;
}

const char *
pv_json_get_name(PvJson *json)
{
	return json->name;
}

guint
pv_json_get_line(PvJson *json, const char *path)
{
	g_autofree char *key = g_strdup(path);
	for (;;) {
		guint line = GPOINTER_TO_UINT(g_hash_table_lookup(json->lines, key));
		if (line != 0 || *key == '\0')
			return MAX(line, 1);
		char *dot = strrchr(key, '.'), *bracket = strrchr(key, '[');
		char *cut = MAX(dot, bracket);
		if (cut == NULL)
			return 1;
		*cut = '\0';
	}
}

void
pv_json_set_error(PvJson *json, const char *path, GError **error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s:%u: %s: %s", json->name,
	    pv_json_get_line(json, path), path, text);
}
