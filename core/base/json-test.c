/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/json.h"

#include <glib/gstdio.h>
#include <provost/error.h>
#include <string.h>

#include "core/base/json-scan.h"

typedef struct {
	const char *text;
	const char *error; /* the whole message; NULL: it passes */
} JsonCase;

/* clang-format off */
static const JsonCase json_test_cases[] = {
	{ "{}", NULL },
	{ " [ ] \n", NULL },
	{ "\"text\"", NULL },
	{ "{\"a\": [1, -2, 0, 3.5, -0.25, 1e5, 1E+2, 2e-3, -0], \"b\": [true, false, null]}", NULL },
	{ "{\"a\\\"b\": \"\\\\ \\/ \\b\\f\\n\\r\\t \\u00e9 \\ud83d\\ude00\", \"\": \"\303\251\"}", NULL },
	{ "[9223372036854775807, -9223372036854775808]", NULL },
	{ "", "x.json:1: $: expected a value, but the file ends" },
	{ "\n\n  ", "x.json:3: $: expected a value, but the file ends" },
	{ "{", "x.json:1: $: expected a member's name in double quotes, but the file ends" },
	{ "{\"a\"", "x.json:1: $: expected ':' behind a member's name, but the file ends" },
	{ "{\"a\":", "x.json:1: $.a: expected a value, but the file ends" },
	{ "{\"a\": 1", "x.json:1: $: expected ',' or '}', but the file ends" },
	{ "[1", "x.json:1: $: expected ',' or ']', but the file ends" },
	{ "{\"a\": 1,\n}", "x.json:2: $: a comma stands before '}'" },
	{ "{\"a\": [1,\n2,]}", "x.json:2: $.a: a comma stands before ']'" },
	{ "[,1]", "x.json:1: $[0]: expected a value, got ','" },
	{ "{\"a\": 1 \"b\": 2}", "x.json:1: $: expected ',' or '}', got '\"'" },
	{ "{a: 1}", "x.json:1: $: expected a member's name in double quotes, got 'a'" },
	{ "{'a': 1}", "x.json:1: $: expected a member's name in double quotes, got ': JSON has double quotes only" },
	{ "{\n// comment\n}", "x.json:2: $: expected a member's name in double quotes, got '/': JSON has no comments" },
	{ "/* c */ {}", "x.json:1: $: expected a value, got '/': JSON has no comments" },
	{ "{} # end", "x.json:1: $: expected the end of the file, got '#': JSON has no comments" },
	{ "{}\n{}", "x.json:2: $: expected the end of the file, got '{'" },
	{ "{\"a\": 1,\n\"b\": 2,\n\"a\": 3}", "x.json:3: $: the member \"a\" is here a second time" },
	{ "{\"a\": 1, \"\\u0061\": 2}", "x.json:1: $: the member \"a\" is here a second time" },
	{ "{\"stages\": [{}, {}, {\"x\": {\"y\": 1, \"y\": 1}}]}", "x.json:1: $.stages[2].x: the member \"y\" is here a second time" },
	{ "\"abc", "x.json:1: $: a string has no closing quote" },
	{ "[\"abc\n\"]", "x.json:1: $[0]: a string has no closing quote on its line" },
	{ "\"a\tb\"", "x.json:1: $: a string holds the control character 0x09" },
	{ "\"\\x41\"", "x.json:1: $: unknown escape: a backslash itself is written \\\\" },
	{ "\"C:\\dir\"", "x.json:1: $: unknown escape: a backslash itself is written \\\\" },
	{ "\"\\u12g4\"", "x.json:1: $: \\u takes four hexadecimal digits" },
	{ "\"\\u0000\"", "x.json:1: $: \\u0000 cannot be in a text" },
	{ "\"\\ud800\"", "x.json:1: $: \\ud800 is half of a surrogate pair" },
	{ "\"\\ud800\\u0041\"", "x.json:1: $: \\ud800 is half of a surrogate pair" },
	{ "\"\\udc00\"", "x.json:1: $: \\udc00 is half of a surrogate pair" },
	{ "01", "x.json:1: $: a number begins with 0" },
	{ "-", "x.json:1: $: expected a digit, but the file ends" },
	{ "+1", "x.json:1: $: expected a value, got '+'" },
	{ ".5", "x.json:1: $: expected a value, got '.'" },
	{ "1.", "x.json:1: $: expected a digit behind the decimal point, but the file ends" },
	{ "[1.e5]", "x.json:1: $[0]: expected a digit behind the decimal point, got 'e'" },
	{ "1e", "x.json:1: $: expected a digit of the exponent, but the file ends" },
	{ "0x10", "x.json:1: $: expected the end of the file, got 'x'" },
	{ "9223372036854775808", "x.json:1: $: the number is too large" },
	{ "1e999", "x.json:1: $: the number is too large" },
	{ "NaN", "x.json:1: $: expected a value, got NaN: a text stands in double quotes" },
	{ "{\"a\": yes}", "x.json:1: $.a: expected a value, got yes: a text stands in double quotes" },
	{ "True", "x.json:1: $: expected a value, got True: a text stands in double quotes" },
	{ "var a = {}", "x.json:1: $: expected a value, got var: a text stands in double quotes" },
	{ "\xef\xbb\xbf{}", "x.json:1: $: the file begins with a byte order mark: save it as UTF-8 without" },
	{ "{\n\"a\": \"\xff\"}", "x.json:2: $: the byte 0xff is not UTF-8 text" },
	{ "\xc0\xaf", "x.json:1: $: the byte 0xc0 is not UTF-8 text" },
	{ "{}\xc2\xa0", "x.json:1: $: expected the end of the file, got '\302\240'" },
	{ "{\"a b\": {\"c\\u001b\": x}}", "x.json:1: $[\"a b\"][\"c\\u001b\"]: expected a value, got x: a text stands in double quotes" },
};
/* clang-format on */

static void
json_test_table(void)
{
	for (guint i = 0; i < G_N_ELEMENTS(json_test_cases); i++) {
		const JsonCase *row = &json_test_cases[i];
		g_autoptr(GError) error = NULL;
		g_autoptr(PvJson) json = pv_json_parse("x.json", row->text, -1, &error);
		g_test_message("case %u: %s", i, row->text);
		g_assert_cmpstr(error != NULL ? error->message : NULL, ==, row->error);
		g_assert_true((json == NULL) == (row->error != NULL));
		if (error != NULL)
			g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	}
}

static void
json_test_nul(void)
{
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_json_parse("x.json", "{}\0{}", 5, &error));
	g_assert_cmpstr(error->message, ==, "x.json:1: $: the byte 0x00 is not UTF-8 text");
}

static char *
json_test_nest(guint depth)
{
	GString *text = g_string_new(NULL);
	for (guint i = 0; i < depth; i++)
		g_string_append(text, i % 2 == 0 ? "[" : "{\"a\":");
	g_string_append(text, "1");
	for (guint i = depth; i > 0; i--)
		g_string_append(text, (i - 1) % 2 == 0 ? "]" : "}");
	return g_string_free(text, FALSE);
}

static void
json_test_deep(void)
{
	g_autofree char *fits = json_test_nest(PV_JSON_MAX_DEPTH);
	g_autofree char *deep = json_test_nest(PV_JSON_MAX_DEPTH + 1);
	g_autofree char *abyss = g_strnfill(500000, '[');
	g_autoptr(GError) error = NULL;
	g_autoptr(PvJson) json = pv_json_parse("x", fits, -1, &error);
	g_assert_no_error(error);
	g_assert_null(pv_json_parse("x", deep, -1, &error));
	g_assert_true(g_str_has_suffix(error->message, ": nested more than 32 levels deep"));
	g_clear_error(&error);
	g_assert_null(pv_json_parse("x", abyss, -1, &error));
	g_assert_true(g_str_has_suffix(error->message, ": nested more than 32 levels deep"));
}

static void
json_test_huge(void)
{
	g_autofree char *folder = g_dir_make_tmp("pv-json-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(folder, "huge.json", NULL);
	g_autofree char *text = g_malloc(PV_JSON_MAX_BYTES + 1);
	memset(text, ' ', PV_JSON_MAX_BYTES + 1);
	text[0] = '[';
	text[PV_JSON_MAX_BYTES - 1] = ']';
	g_autoptr(GError) error = NULL;
	g_autoptr(PvJson) json = pv_json_parse("x", text, PV_JSON_MAX_BYTES, &error);
	g_assert_no_error(error);

	g_assert_true(g_file_set_contents(path, text, PV_JSON_MAX_BYTES + 1, NULL));
	g_assert_null(pv_json_load(path, &error));
	g_autofree char *expected = g_strdup_printf("%s:1: $: larger than 1 MiB", path);
	g_assert_cmpstr(error->message, ==, expected);
	g_unlink(path);
	g_rmdir(folder);
}

/* a long name over many values must not cost their product in memory or time */
static void
json_test_long_paths(void)
{
	g_autoptr(GString) text = g_string_new("{\"");
	for (guint i = 0; i < 300000; i++)
		g_string_append_c(text, 'n');
	g_string_append(text, "\":[0");
	for (guint i = 0; i < 300000; i++)
		g_string_append(text, ",0");
	g_string_append(text, ",]}");
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_json_parse("x", text->str, -1, &error));
	g_assert_cmpuint(strlen(error->message), <, 200);
	g_assert_true(g_str_has_suffix(error->message, "a comma stands before ']'"));
}

static void
json_test_load_errors(void)
{
	g_autofree char *folder = g_dir_make_tmp("pv-json-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(folder, "none.json", NULL);
	g_autofree char *missing = g_strdup_printf("read %s: No such file or directory", path);
	g_autofree char *irregular = g_strdup_printf("read %s: not a regular file", folder);
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_json_load(path, &error));
	g_assert_cmpstr(error->message, ==, missing);
	g_clear_error(&error);
	g_assert_null(pv_json_load(folder, &error));
	g_assert_cmpstr(error->message, ==, irregular);
	g_rmdir(folder);
}

static void
json_test_lines(void)
{
	static const char text[] = "{\n"
				   "  \"a\": 1,\n"
				   "  \"list\": [\n"
				   "    1, 2,\n"
				   "    {\n"
				   "      \"x y\": true,\n"
				   "      \"z.q\": {\"r\": 5}\n"
				   "    }\n"
				   "  ],\n"
				   "  \"list2\": []\n"
				   "}\n";
	static const struct {
		const char *path;
		guint line;
		gboolean found;
	} rows[] = {
		{ "$", 1, TRUE },
		{ "$.a", 2, TRUE },
		{ "$.list", 3, TRUE },
		{ "$.list[1]", 4, TRUE },
		{ "$.list[2]", 5, TRUE },
		{ "$.list[2][\"x y\"]", 6, TRUE },
		{ "$.list[2][\"z.q\"].r", 7, TRUE },
		{ "$.list2", 10, TRUE },
		{ "$.none", 1, FALSE },
		{ "$.list[9]", 3, FALSE },
		{ "$.list[2].ou", 5, FALSE },
		{ "$.a.b", 2, FALSE },
		{ "$.lis", 1, FALSE },
		{ "$.list[x]", 3, FALSE },
	};
	g_autoptr(PvJson) json = pv_json_parse("f.json", text, -1, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_test_message("%s", rows[i].path);
		g_assert_cmpuint(pv_json_get_line(json, rows[i].path), ==, rows[i].line);
		g_assert_true((pv_json_find(json, rows[i].path) != NULL) == rows[i].found);
	}
	g_autofree char *path = pv_json_dup_member_path("$.list[2]", "x y");
	g_assert_true(json_node_get_boolean(pv_json_find(json, path)));
	g_autoptr(GError) error = NULL;
	pv_json_set_error(json, "$.list[2].ou", &error, "expected %s", "a string");
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_cmpstr(error->message, ==, "f.json:5: $.list[2].ou: expected a string");
}

/* json-glib and the scanner must read the same values */
static void
json_test_values_agree(void)
{
	g_autoptr(PvJson) json = pv_json_parse("x",
	    "{\"a\": -9223372036854775807, \"b\": 1e5, \"c\": \"\\ud83d\\ude00\\u00e9\\/\", \"d\": "
	    "[[], {}, null]}",
	    -1, NULL);
	g_assert_cmpint(json_node_get_int(pv_json_find(json, "$.a")), ==, -9223372036854775807);
	g_assert_cmpfloat(json_node_get_double(pv_json_find(json, "$.b")), ==, 1e5);
	g_assert_cmpstr(json_node_get_string(pv_json_find(json, "$.c")), ==, "😀é/");
	g_assert_true(JSON_NODE_HOLDS_NULL(pv_json_find(json, "$.d[2]")));
}

static void
json_test_shown(void)
{
	g_autofree char *escaped = pv_json_dup_shown("a\x1b[2J\n\xff\xe2\x80\xae"
						     "b");
	g_assert_cmpstr(escaped, ==, "a\\u001b[2J\\u000a\\xff\\u202eb");
	g_autofree char *text = g_strnfill(1000, 'x');
	g_autofree char *cut = pv_json_dup_shown(text);
	g_assert_cmpuint(strlen(cut), <, 80);
	g_assert_true(g_str_has_suffix(cut, "…"));
}

static void
json_test_nearest(void)
{
	static const char *const names[] = { "pipeline", "pipelines", "groups", NULL };
	static const char *const others[] = { "type", NULL };
	g_assert_cmpstr(pv_json_find_nearest("pipline", names, others), ==, "pipeline");
	g_assert_cmpstr(pv_json_find_nearest("pipeliness", names, others), ==, "pipelines");
	g_assert_cmpstr(pv_json_find_nearest("typo", names, others), ==, "type");
	g_assert_null(pv_json_find_nearest("directory", names, others));
	g_assert_null(pv_json_find_nearest("", names, NULL));
}

static void
json_test_file(void)
{
	g_autoptr(PvJson) json = pv_json_parse("/etc/provost/site.json", "{}", -1, NULL);
	g_autofree char *relative = pv_json_dup_file(json, "keys/../master.key");
	g_autofree char *absolute = pv_json_dup_file(json, "/var/key");
	g_assert_cmpstr(relative, ==, "/etc/provost/master.key");
	g_assert_cmpstr(absolute, ==, "/var/key");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/json/table", json_test_table);
	g_test_add_func("/base/json/nul", json_test_nul);
	g_test_add_func("/base/json/deep", json_test_deep);
	g_test_add_func("/base/json/huge", json_test_huge);
	g_test_add_func("/base/json/long-paths", json_test_long_paths);
	g_test_add_func("/base/json/load-errors", json_test_load_errors);
	g_test_add_func("/base/json/lines", json_test_lines);
	g_test_add_func("/base/json/values-agree", json_test_values_agree);
	g_test_add_func("/base/json/shown", json_test_shown);
	g_test_add_func("/base/json/nearest", json_test_nearest);
	g_test_add_func("/base/json/file", json_test_file);
	return g_test_run();
}
