/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/json.h"

#include <glib/gstdio.h>
#include <provost/error.h>
#include <string.h>

#include "core/base/process.h"

typedef struct {
	const char *name;
	const char *text;
	const char *error; /* what the error contains; NULL: it is good */
} JsonCase;

/* clang-format off */
static const JsonCase json_cases[] = {
	{ "object", "{\"a\": [1, -2.5e3, true, null, \"x\\n\\u00e9\"]}", NULL },
	{ "empty", "", "t:1: $: the file ends where a value is expected" },
	{ "comment", "{\n // no\n}", "t:2: $: JSON has no comments" },
	{ "trailing-comma", "{\"a\": 1,\n}", "t:2: $: a comma stands before '}'" },
	{ "trailing-comma-array", "[1,\n]", "t:2: $[1]: a comma stands before ']'" },
	{ "duplicate", "{\"a\": 1,\n\"a\": 2}", "t:2: $: member \"a\" stands here a second time" },
	{ "unclosed-string", "{\"a\": \"x", "the file ends within a string" },
	{ "line-in-string", "{\"a\": \"x\ny\"}", "close the quote" },
	{ "unclosed-object", "{\"a\": 1", "the file ends within an object" },
	{ "unclosed-array", "[1", "the file ends within an array" },
	{ "trailing", "{} x", "something follows the end" },
	{ "leading-zero", "[01]", "not a number" },
	{ "fraction", "[1.]", "digits are missing after the decimal point" },
	{ "exponent", "[1e]", "digits are missing in the exponent" },
	{ "large", "[1234567890123456789012]", "number too large" },
	{ "nan", "[NaN]", "expected a value" },
	{ "escape", "[\"\\x\"]", "unknown escape" },
	{ "hex", "[\"\\u12g4\"]", "four hexadecimal digits" },
	{ "nul", "[\"\\u0000\"]", "cannot hold" },
	{ "colon", "{\"a\" 1}", "expected ':'" },
	{ "utf8", "[\"\xff\"]", "not UTF-8" },
};
/* clang-format on */

static void
json_test_case(gconstpointer data)
{
	const JsonCase *row = data;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvJson) json = pv_json_parse("t", row->text, -1, &error);
	if (row->error == NULL) {
		g_assert_no_error(error);
		g_assert_nonnull(json);
		return;
	}
	g_assert_null(json);
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	if (strstr(error->message, row->error) == NULL)
		g_error("\"%s\" does not contain \"%s\"", error->message, row->error);
}

static void
json_test_deep(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GString) deep = g_string_new(NULL);
	for (guint i = 0; i < 100000; i++)
		g_string_append_c(deep, '[');
	g_assert_null(pv_json_parse("t", deep->str, -1, &error));
	g_assert_nonnull(strstr(error->message, "nested too deeply"));
}

static void
json_test_huge(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *huge = g_strnfill(1024 * 1024 + 1, ' ');
	g_assert_null(pv_json_parse("t", huge, -1, &error));
	g_assert_nonnull(strstr(error->message, "larger than 1 MiB"));
}

static void
json_test_lines(void)
{
	g_autoptr(PvJson) json =
	    pv_json_parse("t", "{\n \"a\": {\n  \"b\": [1,\n 2]\n }\n}", -1, NULL);
	g_assert_cmpuint(pv_json_get_line(json, "$"), ==, 1);
	g_assert_cmpuint(pv_json_get_line(json, "$.a.b"), ==, 3);
	g_assert_cmpuint(pv_json_get_line(json, "$.a.b[1]"), ==, 4);
	g_assert_cmpuint(pv_json_get_line(json, "$.a.missing"), ==, 2);
}

/* clang-format off */
static const PvParam nested_params[] = {
	{ .name = "user", .kind = PV_PARAM_STRING, .summary = "who" },
	{ .name = "realms", .kind = PV_PARAM_LIST, .fallback = "[\"all\"]", .summary = "what" },
	{ NULL },
};

static const PvParam value_params[] = {
	{ .name = "name", .kind = PV_PARAM_STRING, .summary = "the name" },
	{ .name = "count", .kind = PV_PARAM_INT, .fallback = "3", .summary = "how many", .unit = "s", .minimum = 1, .maximum = 9 },
	{ .name = "on", .kind = PV_PARAM_BOOL, .fallback = "true", .summary = "switch" },
	{ .name = "mode", .kind = PV_PARAM_CHOICE, .fallback = "\"one\"", .summary = "which", .choices = "one|other" },
	{ .name = "list", .kind = PV_PARAM_LIST, .fallback = "[]", .summary = "names" },
	{ .name = "password", .kind = PV_PARAM_SECRET, .fallback = "null", .summary = "secret" },
	{ .name = "entries", .kind = PV_PARAM_OBJECTS, .fallback = "[]", .summary = "rows", .fields = nested_params },
	{ .name = "maybe", .kind = PV_PARAM_STRING, .fallback = "null", .summary = "optional" },
	{ NULL },
};

static const JsonCase value_cases[] = {
	{ "defaults", "{\"name\": \"x\"}", NULL },
	{ "null-is-absent", "{\"name\": \"x\", \"maybe\": null}", NULL },
	{ "missing", "{\n}", "t:1: $: \"name\" is missing: the name" },
	{ "unknown", "{\"name\": \"x\",\n \"conut\": 1}", "t:2: $.conut: unknown member \"conut\"; did you mean \"count\"?" },
	{ "unknown-far", "{\"name\": \"x\", \"completely-else\": 1}", "unknown member \"completely-else\"" },
	{ "type", "{\"name\":\n 1}", "t:2: $.name: expected a string, got a whole number" },
	{ "fraction", "{\"name\": \"x\", \"count\": 1.5}", "expected a whole number, got a fraction" },
	{ "range", "{\"name\": \"x\", \"count\": 10}", "10 is out of range: 1 to 9 s" },
	{ "bool", "{\"name\": \"x\", \"on\": \"yes\"}", "expected true or false, got a string" },
	{ "choice", "{\"name\": \"x\", \"mode\": \"none\"}", "\"none\" is none of one, other" },
	{ "list", "{\"name\": \"x\", \"list\": [\"a\", 1]}", "$.list[1]: expected a string" },
	{ "secret-literal", "{\"name\": \"x\", \"password\": \"P@ssw0rd\"}", "a secret must not stand in this file" },
	{ "secret-two", "{\"name\": \"x\", \"password\": {\"file\": \"a\", \"secret\": \"b\"}}", "expected one of" },
	{ "nested-unknown", "{\"name\": \"x\", \"entries\": [{\"user\": \"a\"},\n {\"user\": \"b\", \"realm\": []}]}", "t:2: $.entries[1].realm: unknown member \"realm\"; did you mean \"realms\"?" },
	{ "nested-missing", "{\"name\": \"x\", \"entries\": [{}]}", "$.entries[0]: \"user\" is missing" },
	{ "null", "{\"name\": null}", "expected a string, got null" },
};
/* clang-format on */

static void
values_test_case(gconstpointer data)
{
	const JsonCase *row = data;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvJson) json = pv_json_parse("t", row->text, -1, &error);
	g_assert_no_error(error);
	g_autoptr(PvValues) values = pv_values_parse(json, "$", value_params, NULL, &error);
	if (row->error == NULL) {
		g_assert_no_error(error);
		return;
	}
	g_assert_null(values);
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	if (strstr(error->message, row->error) == NULL)
		g_error("\"%s\" does not contain \"%s\"", error->message, row->error);
	/* a secret that somebody wrote into the file is not repeated in the error */
	g_assert_null(strstr(error->message, "P@ssw0rd"));
}

static void
values_test_read(void)
{
	g_autoptr(PvJson) json = pv_json_parse("t",
	    "{\"name\": \"x\", \"count\": 5, \"list\": [\"a\", \"b\"], \"entries\": [{\"user\": "
	    "\"u\"}]}",
	    -1, NULL);
	g_autoptr(PvValues) values = pv_values_parse(json, "$", value_params, NULL, NULL);
	g_assert_cmpstr(pv_values_get_string(values, "name"), ==, "x");
	g_assert_cmpint(pv_values_get_int(values, "count"), ==, 5);
	g_assert_true(pv_values_get_bool(values, "on"));
	g_assert_cmpstr(pv_values_get_string(values, "mode"), ==, "one");
	g_assert_cmpstr(pv_values_get_list(values, "list")[1], ==, "b");
	g_assert_null(pv_values_get_list(values, "list")[2]);
	g_assert_false(pv_values_has(values, "maybe"));
	g_assert_null(pv_values_get_string(values, "maybe"));
	const PvValues *entry = pv_values_get_object(values, "entries", 0);
	g_assert_cmpstr(pv_values_get_string(entry, "user"), ==, "u");
	g_assert_cmpstr(pv_values_get_list(entry, "realms")[0], ==, "all");
	g_assert_null(pv_values_get_object(values, "entries", 1));
}

static void
values_test_secret_file(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *dir = g_dir_make_tmp("pv-values-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "password", NULL);
	g_autofree char *name = g_build_filename(dir, "site.json", NULL);
	g_assert_true(
	    g_file_set_contents_full(path, "S3cret!x\n", -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
	g_autoptr(PvJson) json = pv_json_parse(
	    name, "{\"name\": \"x\", \"password\": {\"file\": \"password\"}}", -1, NULL);
	g_autoptr(PvValues) values = pv_values_parse(json, "$", value_params, NULL, NULL);
	g_autoptr(PvSecret) secret = pv_values_dup_secret(values, "password", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_secret_peek(secret, NULL), ==, "S3cret!x");

	g_assert_cmpint(g_chmod(path, 0644), ==, 0);
	g_assert_null(pv_values_dup_secret(values, "password", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "others may read it"));
	g_clear_error(&error);
	g_unlink(path);
	g_assert_null(pv_values_dup_secret(values, "password", &error));
	g_assert_nonnull(strstr(error->message, "No such file"));
	g_rmdir(dir);
}

/* as systemd leaves a credential for a service that does not run as root */
static void
values_test_credential(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *dir = g_dir_make_tmp("pv-values-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "amt", NULL);
	g_assert_true(
	    g_file_set_contents_full(path, "S3cret!x", -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
	g_setenv("CREDENTIALS_DIRECTORY", dir, TRUE);
	g_autoptr(PvJson) json = pv_json_parse(
	    "t", "{\"name\": \"x\", \"password\": {\"credential\": \"amt\"}}", -1, NULL);
	g_autoptr(PvValues) values = pv_values_parse(json, "$", value_params, NULL, NULL);
	g_assert_cmpint(g_chmod(path, 0440), ==, 0);
	g_autoptr(PvSecret) secret = pv_values_dup_secret(values, "password", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_secret_peek(secret, NULL), ==, "S3cret!x");
	g_assert_cmpint(g_chmod(path, 0444), ==, 0);
	g_assert_null(pv_values_dup_secret(values, "password", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_unsetenv("CREDENTIALS_DIRECTORY");
	g_unlink(path);
	g_rmdir(dir);
}

static void
params_test_bad_default(void)
{
	static const PvParam bad[] = {
		{ .name = "a", .kind = PV_PARAM_INT, .fallback = "\"x\"", .summary = "s" }, { NULL }
	};
	g_autoptr(GError) error = NULL;
	g_assert_true(pv_params_check(value_params, "plugin x", &error));
	g_assert_no_error(error);
	g_assert_false(pv_params_check(bad, "plugin x", &error));
	g_assert_nonnull(strstr(error->message, "plugin x: default of \"a\""));
}

static void
log_test_escapes(void)
{
	const GLogField fields[] = { { "MESSAGE", "a\nwarning: forged \033[31m", -1 },
		{ "PV_DEVICE", "uuid", -1 } };
	g_autofree char *line = pv_log_format(G_LOG_LEVEL_WARNING, fields, G_N_ELEMENTS(fields));
	g_assert_cmpstr(line, ==, "warning: a\\x0awarning: forged \\x1b[31m (PV_DEVICE=uuid)\n");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(json_cases); i++) {
		g_autofree char *path = g_strconcat("/base/json/", json_cases[i].name, NULL);
		g_test_add_data_func(path, &json_cases[i], json_test_case);
	}
	for (guint i = 0; i < G_N_ELEMENTS(value_cases); i++) {
		g_autofree char *path = g_strconcat("/base/values/", value_cases[i].name, NULL);
		g_test_add_data_func(path, &value_cases[i], values_test_case);
	}
	g_test_add_func("/base/json/deep", json_test_deep);
	g_test_add_func("/base/json/huge", json_test_huge);
	g_test_add_func("/base/json/lines", json_test_lines);
	g_test_add_func("/base/values/read", values_test_read);
	g_test_add_func("/base/values/secret-file", values_test_secret_file);
	g_test_add_func("/base/values/credential", values_test_credential);
	g_test_add_func("/base/params/bad-default", params_test_bad_default);
	g_test_add_func("/base/log/escapes", log_test_escapes);
	return g_test_run();
}
