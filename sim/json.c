/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json-glib tells the line of a syntax error only: this tells where a value of the wrong kind stands */
#include "sim/json.h"

#include <string.h>

static const char *
json_skip_blanks(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

/* @at: the opening quote */
static const char *
json_skip_string(const char *at)
{
	for (at++; *at != '"' && *at != '\0'; at++) {
		if (*at == '\\' && at[1] != '\0')
			at++;
	}
	return *at == '"' ? at + 1 : at;
}

static const char *
json_skip_value(const char *at)
{
	guint depth = 0;
	at = json_skip_blanks(at);
	if (*at != '"' && *at != '{' && *at != '[')
		return at + strcspn(at, ",]} \t\r\n");
	do {
		if (*at == '"') {
			at = json_skip_string(at);
			continue;
		}
		if (*at == '{' || *at == '[')
			depth++;
		else if (*at == '}' || *at == ']')
			depth--;
		at++;
	} while (depth > 0 && *at != '\0');
	return at;
}

static const char *json_find(const char *at, const char *path);

/* @path: "[2]..." */
static const char *
json_find_element(const char *at, const char *path)
{
	char *end = NULL;
	guint64 index = g_ascii_strtoull(path + 1, &end, 10);
	if (*at != '[' || *end != ']')
		return NULL;
	at++;
	for (guint64 i = 0; i < index; i++) {
		at = json_skip_blanks(json_skip_value(at));
		if (*at != ',')
			return NULL;
		at++;
	}
	return json_find(at, end + 1);
}

static const char *
json_find_member(const char *at, const char *path)
{
	gsize length = strcspn(path, ".[");
	if (*at != '{')
		return NULL;
	do {
		const char *name = json_skip_blanks(at + 1);
		if (*name != '"')
			return NULL;
		const char *end = json_skip_string(name);
		gboolean found =
		    (gsize)(end - name) == length + 2 && strncmp(name + 1, path, length) == 0;
		at = json_skip_blanks(end);
		if (*at != ':')
			return NULL;
		if (found)
			return json_find(at + 1, path + length);
		at = json_skip_blanks(json_skip_value(at + 1));
	} while (*at == ',');
	return NULL;
}

static const char *
json_find(const char *at, const char *path)
{
	at = json_skip_blanks(at);
	if (*path == '\0')
		return *at != '\0' ? at : NULL;
	if (*path == '[')
		return json_find_element(at, path);
	return json_find_member(at, *path == '.' ? path + 1 : path);
}

guint
pv_sim_json_find_line(const char *text, const char *path)
{
	const char *found = json_find(text, path);
	guint line = 1;
	if (found == NULL)
		return 0;
	for (const char *at = text; at < found; at++) {
		if (*at == '\n')
			line++;
	}
	return line;
}
