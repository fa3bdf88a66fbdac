/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "local-file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <provost/error.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

gboolean
local_file_make_folder(const char *path, GError **error)
{
	struct stat st;
	if (g_mkdir_with_parents(path, 0700) != 0 || stat(path, &st) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "make folder %s: %s", path,
		    g_strerror(errno));
		return FALSE;
	}
	if (!S_ISDIR(st.st_mode) || (st.st_mode & 0022) != 0 ||
	    (st.st_uid != 0 && st.st_uid != geteuid())) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "use %s: it must be a folder of root or of this user that nobody else may "
		    "write to",
		    path);
		return FALSE;
	}
	return TRUE;
}

/* The parser recurses; whoever wrote the file must not choose how deep. */
static gboolean
local_file_is_shallow(const char *text, gsize length)
{
	guint depth = 0;
	gboolean quoted = FALSE;
	for (gsize i = 0; i < length; i++) {
		if (quoted) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				quoted = FALSE;
		} else if (text[i] == '"') {
			quoted = TRUE;
		} else if (text[i] == '{' || text[i] == '[') {
			if (++depth > LOCAL_FILE_MAX_DEPTH)
				return FALSE;
		} else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
			depth--;
		}
	}
	return TRUE;
}

static char *
local_file_read_fd(int fd, const char *path, gsize *length, GError **error)
{
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 0022) != 0 ||
	    (st.st_uid != 0 && st.st_uid != geteuid())) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "read %s: it must be a file of root or of this user that nobody else may write "
		    "to",
		    path);
		return NULL;
	}
	if (st.st_size > LOCAL_FILE_MAX_BYTES) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read %s: it is larger than %d bytes",
		    path, LOCAL_FILE_MAX_BYTES);
		return NULL;
	}
	g_autofree char *text = g_malloc((gsize)st.st_size + 1);
	gsize done = 0;
	while (done < (gsize)st.st_size) {
		ssize_t n = read(fd, text + done, (gsize)st.st_size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "read %s: %s", path,
			    n < 0 ? g_strerror(errno) : "it became shorter");
			return NULL;
		}
		done += (gsize)n;
	}
	text[done] = '\0';
	*length = done;
	return g_steal_pointer(&text);
}

JsonNode *
local_file_load(const char *path, GError **error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		if (errno != ENOENT)
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "open %s: %s", path,
			    g_strerror(errno));
		return NULL;
	}
	gsize length = 0;
	g_autofree char *text = local_file_read_fd(fd, path, &length, error);
	close(fd);
	if (text == NULL)
		return NULL;
	if (!local_file_is_shallow(text, length)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "read %s: it is nested deeper than %d levels", path, LOCAL_FILE_MAX_DEPTH);
		return NULL;
	}
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	g_autoptr(GError) local_error = NULL;
	if (!g_utf8_validate(text, (gssize)length, NULL) ||
	    !json_parser_load_from_data(parser, text, (gssize)length, &local_error)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read %s: %s", path,
		    local_error == NULL ? "it is no UTF-8" : local_error->message);
		return NULL;
	}
	JsonNode *root = json_parser_get_root(parser);
	if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root)) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "read %s: it holds no JSON object", path);
		return NULL;
	}
	return json_node_copy(root);
}

static gboolean
local_file_sync_folder(const char *path, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(path);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	gboolean ok = fd >= 0 && fsync(fd) == 0;
	if (!ok)
		g_set_error(
		    error, PV_ERROR, PV_ERROR_FAILED, "sync %s: %s", folder, g_strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

gboolean
local_file_save(const char *path, JsonNode *root, GError **error)
{
	g_autofree char *body = json_to_string(root, TRUE);
	g_autofree char *text = g_strconcat(body, "\n", NULL);
	g_autoptr(GError) local_error = NULL;
	if (!g_file_set_contents_full(path, text, -1,
		G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, &local_error)) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_FAILED, "write %s: %s", path, local_error->message);
		return FALSE;
	}
	return TRUE;
}

gboolean
local_file_remove(const char *path, GError **error)
{
	if (g_unlink(path) != 0 && errno != ENOENT) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_FAILED, "remove %s: %s", path, g_strerror(errno));
		return FALSE;
	}
	return local_file_sync_folder(path, error);
}

/* FILE.json.XXXXXX, as g_file_set_contents_full() names what it writes before the renaming. A tail of small letters
 * is left alone though it could be one: people write ".backup". */
static gboolean
local_file_is_cut_off(const char *name)
{
	return g_regex_match_simple(
	    "^.+\\.json\\.(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{6}$", name, G_REGEX_DOLLAR_ENDONLY, 0);
}

void
local_file_sweep(const char *folder)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	for (const char *name = dir != NULL ? g_dir_read_name(dir) : NULL; name != NULL;
	     name = g_dir_read_name(dir)) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		if (local_file_is_cut_off(name))
			(void)g_unlink(path); /* else the next opening tries again */
	}
}

const char *
local_json_get_string(JsonObject *object, const char *name)
{
	JsonNode *node = json_object_get_member(object, name);
	if (node == NULL || !JSON_NODE_HOLDS_VALUE(node) ||
	    json_node_get_value_type(node) != G_TYPE_STRING)
		return NULL;
	return json_node_get_string(node);
}

gint64
local_json_get_int(JsonObject *object, const char *name, gint64 fallback)
{
	JsonNode *node = json_object_get_member(object, name);
	if (node == NULL || !JSON_NODE_HOLDS_VALUE(node) ||
	    json_node_get_value_type(node) != G_TYPE_INT64)
		return fallback;
	return json_node_get_int(node);
}

JsonArray *
local_json_get_array(JsonObject *object, const char *name)
{
	JsonNode *node = json_object_get_member(object, name);
	return node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

char **
local_json_dup_list(JsonObject *object, const char *name)
{
	JsonArray *array = local_json_get_array(object, name);
	g_autoptr(GPtrArray) list = g_ptr_array_new();
	for (guint i = 0; array != NULL && i < json_array_get_length(array); i++) {
		JsonNode *node = json_array_get_element(array, i);
		if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING)
			g_ptr_array_add(list, g_strdup(json_node_get_string(node)));
	}
	g_ptr_array_add(list, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
}
