/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <provost/error.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/json-scan.h"

#define JSON_SHOWN_BYTES 64

struct PvJson {
	gatomicrefcount references;
	char *name; /* owned */
	JsonNode *root; /* owned, immutable */
	GHashTable *lines; /* JsonNode* of the tree -> line; owned */
};

/* json-glib keeps members in the order of the text, which is the order of the scanner's lines. */
static void
json_assign_lines(PvJson *json, JsonNode *node, const GArray *lines, guint *next)
{
	guint line = *next < lines->len ? g_array_index(lines, guint, *next) : 1;
	(*next)++;
	g_hash_table_insert(json->lines, node, GUINT_TO_POINTER(line));
	if (JSON_NODE_HOLDS_ARRAY(node)) {
		JsonArray *array = json_node_get_array(node);
		for (guint i = 0; i < json_array_get_length(array); i++)
			json_assign_lines(json, json_array_get_element(array, i), lines, next);
	} else if (JSON_NODE_HOLDS_OBJECT(node)) {
		JsonObject *object = json_node_get_object(node);
		g_autoptr(GList) names = json_object_get_members(object);
		for (GList *name = names; name != NULL; name = name->next)
			json_assign_lines(
			    json, json_object_get_member(object, name->data), lines, next);
	}
}

PvJson *
pv_json_parse(const char *name, const char *text, gssize length, GError **error)
{
	gsize length_bytes = length < 0 ? strlen(text) : (gsize)length;
	g_autoptr(GArray) lines = g_array_new(FALSE, FALSE, sizeof(guint));
	if (!pv_json_scan(name, text, length_bytes, lines, error))
		return NULL;

	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	g_autoptr(GError) caught = NULL;
	if (!json_parser_load_from_data(parser, text, (gssize)length_bytes, &caught)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s", name, caught->message);
		return NULL;
	}
	g_autoptr(PvJson) json = g_new0(PvJson, 1);
	g_atomic_ref_count_init(&json->references);
	json->name = g_strdup(name);
	json->lines = g_hash_table_new(NULL, NULL);
	json->root = json_parser_steal_root(parser);
	guint count = 0;
	json_assign_lines(json, json->root, lines, &count);
	if (count != lines->len) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
		    "%s: two readers disagree: %u and %u values", name, lines->len, count);
		return NULL;
	}
	return g_steal_pointer(&json);
}

/* reads at most @most bytes; *length is most + 1 when there are more */
static gboolean
json_read(int fd, char *data, gsize most, gsize *length)
{
	*length = 0;
	while (*length <= most) {
		ssize_t got = read(fd, data + *length, most + 1 - *length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0;
		*length += (gsize)got;
	}
	return TRUE;
}

PvJson *
pv_json_load(const char *path, GError **error)
{
	struct stat status;
	/* NONBLOCK: a FIFO put there must not hang us before it is refused */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &status) != 0) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "read %s: %s", path, g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if (!S_ISREG(status.st_mode)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read %s: not a regular file", path);
		close(fd);
		return NULL;
	}
	gsize length_bytes = 0;
	g_autofree char *data = g_malloc(PV_JSON_MAX_BYTES + 1);
	gboolean good = json_read(fd, data, PV_JSON_MAX_BYTES, &length_bytes);
	if (!good)
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "read %s: %s", path, g_strerror(errno));
	close(fd);
	return good ? pv_json_parse(path, data, (gssize)length_bytes, error) : NULL;
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
	g_clear_pointer(&json->lines, g_hash_table_unref);
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

char *
pv_json_dup_file(PvJson *json, const char *file)
{
	g_autofree char *folder = g_path_get_dirname(json->name);
	/* canonical, so that a changed working directory does no harm */
	g_autofree char *absolute = g_canonicalize_filename(folder, NULL);
	return g_canonicalize_filename(file, absolute);
}

char *
pv_json_dup_shown(const char *text)
{
	GString *shown = g_string_new(NULL);
	for (const char *c = text; *c != '\0';) {
		gunichar character = g_utf8_get_char_validated(c, -1);
		gboolean valid = character != (gunichar)-1 && character != (gunichar)-2;
		if (shown->len >= JSON_SHOWN_BYTES) {
			g_string_append(shown, "…");
			break;
		}
		if (valid && g_unichar_isprint(character) &&
		    g_unichar_type(character) != G_UNICODE_FORMAT)
			g_string_append_unichar(shown, character);
		else
			g_string_append_printf(
			    shown, valid ? "\\u%04x" : "\\x%02x", valid ? character : (guchar)*c);
		c = valid ? g_utf8_next_char(c) : c + 1;
	}
	return g_string_free(shown, FALSE);
}

static gboolean
json_is_plain(const char *name)
{
	gsize length =
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	return length > 0 && length < JSON_SHOWN_BYTES && name[length] == '\0';
}

char *
pv_json_dup_member_path(const char *path, const char *name)
{
	if (json_is_plain(name))
		return g_strconcat(path, ".", name, NULL);
	g_autofree char *shown = pv_json_dup_shown(name);
	return g_strdup_printf("%s[\"%s\"]", path, shown);
}

/* The member of @object that the beginning of *at names; steps over it. */
static JsonNode *
json_step_member(JsonObject *object, const char **at)
{
	g_autoptr(GList) names = json_object_get_members(object);
	for (GList *name = names; name != NULL; name = name->next) {
		g_autofree char *step = pv_json_dup_member_path("", name->data);
		gsize length = strlen(step);
		if (strncmp(*at, step, length) != 0 ||
		    ((*at)[length] != '\0' && strchr(".[", (*at)[length]) == NULL))
			continue;
		*at += length;
		return json_object_get_member(object, name->data);
	}
	return NULL;
}

static JsonNode *
json_step(JsonNode *node, const char **at)
{
	if (JSON_NODE_HOLDS_OBJECT(node))
		return json_step_member(json_node_get_object(node), at);
	if (!JSON_NODE_HOLDS_ARRAY(node) || **at != '[' || !g_ascii_isdigit((*at)[1]))
		return NULL;
	char *end = NULL;
	guint64 i = g_ascii_strtoull(*at + 1, &end, 10);
	if (*end != ']' || i >= json_array_get_length(json_node_get_array(node)))
		return NULL;
	*at = end + 1;
	return json_array_get_element(json_node_get_array(node), (guint)i);
}

/* As far as the path goes; *rest is what is left of it. */
static JsonNode *
json_walk(PvJson *json, const char *path, const char **rest)
{
	JsonNode *node = json->root;
	*rest = *path == '$' ? path + 1 : path;
	while (**rest != '\0') {
		JsonNode *child = json_step(node, rest);
		if (child == NULL)
			break;
		node = child;
	}
	return node;
}

JsonNode *
pv_json_find(PvJson *json, const char *path)
{
	const char *rest = NULL;
	JsonNode *node = json_walk(json, path, &rest);
	return *rest == '\0' ? node : NULL;
}

guint
pv_json_get_line(PvJson *json, const char *path)
{
	const char *rest = NULL;
	JsonNode *node = json_walk(json, path, &rest);
	return GPOINTER_TO_UINT(g_hash_table_lookup(json->lines, node));
}

void
pv_json_set_error(PvJson *json, const char *path, GError **error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s:%u: %s: %s", json->name,
	    pv_json_get_line(json, path), path, text);
}

/* Levenshtein's distance: edits that make one word of the other. */
static guint
json_get_distance(const char *a, const char *b)
{
	gsize width = strlen(b) + 1;
	g_autofree guint *row = g_new(guint, width);
	for (gsize j = 0; j < width; j++)
		row[j] = (guint)j;
	for (gsize i = 0; a[i] != '\0'; i++) {
		guint corner = row[0];
		row[0] = (guint)i + 1;
		for (gsize j = 1; j < width; j++) {
			guint above = row[j];
			row[j] = MIN(MIN(above, row[j - 1]) + 1, corner + (a[i] != b[j - 1]));
			corner = above;
		}
	}
	return row[width - 1];
}

const char *
pv_json_find_nearest(const char *word, const char *const *names, const char *const *others)
{
	const char *const *const lists[] = { names, others };
	const char *nearest = NULL;
	gsize length = strlen(word);
	/* one slip in a short word, two letters that changed places, a third of a long word */
	guint best = 1 + (length < 4 ? 1 : (guint)CLAMP(length / 3, 2, 3));
	if (length >= JSON_SHOWN_BYTES)
		return NULL;
	for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
		for (const char *const *name = lists[i]; name != NULL && *name != NULL; name++) {
			guint distance = json_get_distance(word, *name);
			if (distance < best) {
				best = distance;
				nearest = *name;
			}
		}
	}
	return nearest;
}
