/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <provost/error.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/json.h"

/* clang-format off */
static const PvParam values_test_fields[] = {
	{ "name", PV_PARAM_STRING, NULL, "a name" },
	{ "weight", PV_PARAM_INT, "1", "how much it counts", .minimum = 0, .maximum = 10 },
	{ NULL },
};

static const PvParam values_test_listener[] = {
	{ "address", PV_PARAM_STRING, "\"0.0.0.0\"", "where to listen" },
	{ "port", PV_PARAM_INT, "9971", "TCP port", .minimum = 1, .maximum = 65535 },
	{ NULL },
};

static const PvParam values_test_params[] = {
	{ "ou", PV_PARAM_STRING, NULL, "container of the accounts" },
	{ "comment", PV_PARAM_STRING, "null", "words" },
	{ "tls", PV_PARAM_CHOICE, "\"modern\"", "policy", .choices = "modern|legacy" },
	{ "timeout", PV_PARAM_INT, "30", "how long to wait", .unit = "s", .minimum = 1, .maximum = 600 },
	{ "any", PV_PARAM_INT, "-7", "any number" },
	{ "ping", PV_PARAM_BOOL, "true", "answers" },
	{ "groups", PV_PARAM_LIST, "[\"a\", \"b\"]", "names" },
	{ "extra", PV_PARAM_LIST, "null", "more names" },
	{ "password", PV_PARAM_SECRET, "null", "its password" },
	{ "entries", PV_PARAM_OBJECTS, "[]", "entries", .fields = values_test_fields },
	{ "listener", PV_PARAM_OBJECT, "{}", "listener", .fields = values_test_listener },
	{ "key", PV_PARAM_PATH, "\"default.key\"", "a file" },
	{ NULL },
};
/* clang-format on */

static void
values_test_defaults(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvJson) json = pv_json_parse(
	    "/etc/s/site.json", "{\n\"ou\": \"OU=AMT\",\n\"stage\": 5\n}", -1, &error);
	static const char *const ignore[] = { "stage", NULL };
	g_autoptr(PvValues) values = pv_values_parse(json, "$", values_test_params, ignore, &error);
	g_assert_no_error(error);
	g_clear_pointer(&json, pv_json_unref); /* values stand on their own */
	g_assert_cmpstr(pv_values_get_string(values, "ou"), ==, "OU=AMT");
	g_assert_false(pv_values_has(values, "comment"));
	g_assert_null(pv_values_get_string(values, "comment"));
	g_assert_cmpstr(pv_values_get_string(values, "tls"), ==, "modern");
	g_assert_cmpint(pv_values_get_int(values, "timeout"), ==, 30);
	g_assert_cmpint(pv_values_get_int(values, "any"), ==, -7);
	g_assert_true(pv_values_get_bool(values, "ping"));
	g_assert_cmpuint(g_strv_length((char **)pv_values_get_list(values, "groups")), ==, 2);
	g_assert_false(pv_values_has(values, "extra"));
	g_assert_nonnull(pv_values_get_list(values, "extra"));
	g_assert_null(pv_values_get_list(values, "extra")[0]);
	g_assert_cmpuint(pv_values_get_count(values, "entries"), ==, 0);
	const PvValues *listener = pv_values_get_object(values, "listener", 0);
	g_assert_cmpint(pv_values_get_int(listener, "port"), ==, 9971);
	g_assert_cmpstr(
	    pv_values_get_where(listener, "port"), ==, "/etc/s/site.json:1: $.listener.port");
	g_assert_cmpstr(pv_values_get_string(values, "key"), ==, "/etc/s/default.key");
	g_assert_cmpstr(pv_values_get_where(values, "ou"), ==, "/etc/s/site.json:2: $.ou");
}

static void
values_test_given(void)
{
	static const char text[] =
	    "{\"x\": [{\"ou\": \"\", \"comment\": null, \"tls\": \"legacy\", \"timeout\": 600, "
	    "\"ping\": false,\n"
	    "\"groups\": [], \"entries\": [{\"name\": \"e\"},\n{\"name\": \"f\", \"weight\": 3}],\n"
	    "\"listener\": {\"port\": 1}, \"key\": \"/abs/key\"}]}";
	g_autoptr(GError) error = NULL;
	g_autoptr(PvJson) json = pv_json_parse("p.json", text, -1, &error);
	g_autoptr(PvValues) values =
	    pv_values_parse(json, "$.x[0]", values_test_params, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_values_get_string(values, "ou"), ==, "");
	g_assert_false(pv_values_has(values, "comment"));
	g_assert_cmpstr(pv_values_get_string(values, "tls"), ==, "legacy");
	g_assert_false(pv_values_get_bool(values, "ping"));
	g_assert_true(pv_values_has(values, "groups"));
	g_assert_null(pv_values_get_list(values, "groups")[0]);
	g_assert_cmpuint(pv_values_get_count(values, "entries"), ==, 2);
	const PvValues *second = pv_values_get_object(values, "entries", 1);
	g_assert_cmpint(pv_values_get_int(second, "weight"), ==, 3);
	g_assert_cmpstr(
	    pv_values_get_where(second, "weight"), ==, "p.json:3: $.x[0].entries[1].weight");
	g_assert_null(pv_values_get_object(values, "entries", 2));
	g_assert_cmpstr(pv_values_get_string(values, "key"), ==, "/abs/key");
}

/* each row is wrong; "ou" is line 2, the member of the row line 3 */
static void
values_test_errors(void)
{
	/* clang-format off */
	static const struct {
		const char *member, *error;
	} rows[] = {
		{ "\"oo\": 1", "site.json:3: $.oo: unknown member \"oo\"; did you mean \"ou\"?" },
		{ "\"time-out\": 1", "site.json:3: $.time-out: unknown member \"time-out\"; did you mean \"timeout\"?" },
		{ "\"timeouts\": 1", "site.json:3: $.timeouts: unknown member \"timeouts\"; did you mean \"timeout\"?" },
		{ "\"stages\": 1", "site.json:3: $.stages: unknown member \"stages\"; did you mean \"stage\"?" },
		{ "\"colour\": 1", "site.json:3: $.colour: unknown member \"colour\"" },
		{ "\"a\\u001bb\": 1", "site.json:3: $[\"a\\u001bb\"]: unknown member \"a\\u001bb\"" },
		{ "\"comment\": 5", "site.json:3: $.comment: expected a string, got a number" },
		{ "\"comment\": {}", "site.json:3: $.comment: expected a string, got an object" },
		{ "\"comment\": [\"x\"]", "site.json:3: $.comment: expected a string, got an array" },
		{ "\"comment\": true", "site.json:3: $.comment: expected a string, got a boolean" },
		{ "\"tls\": null", "site.json:3: $.tls: expected a string, got null" },
		{ "\"tls\": \"modem\"", "site.json:3: $.tls: expected one of \"modern\", \"legacy\", got \"modem\"" },
		{ "\"timeout\": \"5\"", "site.json:3: $.timeout: expected a whole number, got a string" },
		{ "\"timeout\": 5.0", "site.json:3: $.timeout: expected a whole number, got one with a fraction or exponent" },
		{ "\"timeout\": 0", "site.json:3: $.timeout: expected a number from 1 to 600 s, got 0" },
		{ "\"timeout\": 601", "site.json:3: $.timeout: expected a number from 1 to 600 s, got 601" },
		{ "\"ping\": 1", "site.json:3: $.ping: expected true or false, got a number" },
		{ "\"groups\": \"a\"", "site.json:3: $.groups: expected an array of strings, got a string" },
		{ "\"groups\": [\"a\",\n7]", "site.json:4: $.groups[1]: expected a string, got a number" },
		{ "\"password\": \"P@ss\"", "site.json:3: $.password: a secret must not stand in a file of settings, which gets copied and "
		    "backed up: write {\"secret\": \"NAME\"} and store the value with 'provost secret set NAME', or {\"file\": \"PATH\"}, or "
		    "{\"credential\": \"NAME\"} for one that systemd passes" },
		{ "\"password\": 5", "site.json:3: $.password: expected a reference to a secret, got a number" },
		{ "\"password\": {}", "site.json:3: $.password: expected one of {\"secret\": NAME}, {\"file\": PATH} or {\"credential\": NAME}" },
		{ "\"password\": {\"secret\": \"a\", \"file\": \"b\"}", "site.json:3: $.password: expected one of {\"secret\": NAME}, {\"file\": PATH} or {\"credential\": NAME}" },
		{ "\"password\": {\"secret\":\n7}", "site.json:4: $.password.secret: expected a string, got a number" },
		{ "\"password\": {\"secret\": \"../x\"}", "site.json:3: $.password.secret: expected a name of 1 to 64 letters, digits, dots, hyphens and underscores" },
		{ "\"password\": {\"credential\": \"..\"}", "site.json:3: $.password.credential: expected a name of 1 to 64 letters, digits, dots, hyphens and underscores" },
		{ "\"password\": {\"file\": \"\"}", "site.json:3: $.password.file: expected the path of a file, got an empty string" },
		{ "\"entries\": {}", "site.json:3: $.entries: expected an array of objects, got an object" },
		{ "\"entries\": [1]", "site.json:3: $.entries[0]: expected an object, got a number" },
		{ "\"entries\": [{\"name\": \"a\"},\n{}]", "site.json:4: $.entries[1]: the member \"name\" is missing: a name (a string)" },
		{ "\"entries\": [{\"name\": \"a\",\n\"weigth\": 2}]", "site.json:4: $.entries[0].weigth: unknown member \"weigth\"; did you mean \"weight\"?" },
		{ "\"listener\": []", "site.json:3: $.listener: expected an object, got an array" },
		{ "\"listener\": {\"port\": 0}", "site.json:3: $.listener.port: expected a number from 1 to 65535, got 0" },
		{ "\"key\": \"\"", "site.json:3: $.key: expected the path of a file, got an empty string" },
		{ "\"key\": 1", "site.json:3: $.key: expected the path of a file, got a number" },
	};
	/* clang-format on */
	static const char *const ignore[] = { "stage", NULL };
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *text = g_strdup_printf("{\n\"ou\": \"x\",\n%s\n}", rows[i].member);
		g_autoptr(GError) error = NULL;
		g_autoptr(PvJson) json = pv_json_parse("site.json", text, -1, &error);
		g_assert_no_error(error);
		g_test_message("%s", rows[i].member);
		g_assert_null(pv_values_parse(json, "$", values_test_params, ignore, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_cmpstr(error->message, ==, rows[i].error);
	}
}

static void
values_test_object_errors(void)
{
	static const struct {
		const char *text, *path, *error;
	} rows[] = {
		{ "{}", "$",
		    "f:1: $: the member \"ou\" is missing: container of the accounts (a string)" },
		{ "[]", "$", "f:1: $: expected an object, got an array" },
		{ "{\"a\": 1}", "$.a", "f:1: $.a: expected an object, got a number" },
		{ "{}", "$.ca", "f:1: $.ca: expected an object, but it is missing" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(PvJson) json = pv_json_parse("f", rows[i].text, -1, NULL);
		g_assert_null(
		    pv_values_parse(json, rows[i].path, values_test_params, NULL, &error));
		g_assert_cmpstr(error->message, ==, rows[i].error);
	}
	g_autoptr(PvJson) json = pv_json_parse("f", "{\"a\": 1}", -1, NULL);
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_values_parse(json, "$", NULL, NULL, &error));
	g_assert_cmpstr(error->message, ==, "f:1: $.a: unknown member \"a\"");
}

static PvSecret *
values_test_find(gpointer data, const char *name, GError **error)
{
	if (g_str_equal(name, data))
		return pv_secret_new("from the store", -1);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "the store has no secret \"%s\"", name);
	return NULL;
}

typedef struct {
	char *folder, *file; /* owned: a temporary folder, and site.json in it */
} SecretFixture;

static void
secret_set_up(SecretFixture *fixture, gconstpointer data)
{
	fixture->folder = g_dir_make_tmp("pv-values-XXXXXX", NULL);
	fixture->file = g_build_filename(fixture->folder, "site.json", NULL);
}

static void
secret_tear_down(SecretFixture *fixture, gconstpointer data)
{
	g_autoptr(GDir) dir = g_dir_open(fixture->folder, 0, NULL);
	for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir)) {
		g_autofree char *path = g_build_filename(fixture->folder, name, NULL);
		g_assert_cmpint(g_remove(path), ==, 0);
	}
	g_rmdir(fixture->folder);
	g_free(fixture->folder);
	g_free(fixture->file);
}

static char *
secret_write(SecretFixture *fixture, const char *name, const char *text, gssize length, int mode)
{
	char *path = g_build_filename(fixture->folder, name, NULL);
	g_assert_true(g_file_set_contents(path, text, length, NULL));
	g_assert_cmpint(g_chmod(path, mode), ==, 0);
	return path;
}

static PvValues *
secret_parse(SecretFixture *fixture, const char *reference)
{
	g_autofree char *text = g_strdup_printf("{\"ou\": \"x\",\n\"password\": %s}", reference);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvJson) json = pv_json_parse(fixture->file, text, -1, &error);
	g_assert_no_error(error);
	PvValues *values = pv_values_parse(json, "$", values_test_params, NULL, &error);
	g_assert_no_error(error);
	return values;
}

static void
secret_assert(SecretFixture *fixture, const char *reference, const char *bytes)
{
	g_autoptr(PvValues) values = secret_parse(fixture, reference);
	g_autoptr(GError) error = NULL;
	pv_values_set_secret_find(values, values_test_find, (gpointer) "known");
	g_autoptr(PvSecret) secret = pv_values_dup_secret(values, "password", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_secret_peek(secret, NULL), ==, bytes);
}

static void
secret_assert_error(
    SecretFixture *fixture, const char *reference, const char *path, const char *end)
{
	g_autoptr(PvValues) values = secret_parse(fixture, reference);
	g_autoptr(GError) error = NULL;
	g_autofree char *expected =
	    g_strdup_printf("%s:2: $.password: read secret from %s: %s", fixture->file, path, end);
	g_assert_null(pv_values_dup_secret(values, "password", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_cmpstr(error->message, ==, expected);
}

static void
secret_test_file(SecretFixture *fixture, gconstpointer data)
{
	g_autofree char *plain = secret_write(fixture, "plain", "P@ss word", -1, 0600);
	g_autofree char *line = secret_write(fixture, "line", "P@ss\n", -1, 0400);
	g_autofree char *lines = secret_write(fixture, "lines", "P@ss\r\n\r\n", -1, 0640);
	g_autofree char *absolute = g_strdup_printf("{\"file\": \"%s\"}", plain);
	secret_assert(fixture, absolute, "P@ss word");
	secret_assert(fixture, "{\"file\": \"line\"}", "P@ss");
	secret_assert(fixture, "{\"file\": \"./lines\"}", "P@ss\r\n");

	/* it is read when it is asked for */
	g_autoptr(PvValues) values = secret_parse(fixture, "{\"file\": \"plain\"}");
	g_autofree char *changed = secret_write(fixture, "plain", "other", -1, 0600);
	g_autoptr(PvSecret) secret = pv_values_dup_secret(values, "password", NULL);
	g_assert_cmpstr(pv_secret_peek(secret, NULL), ==, "other");
}

static void
secret_test_file_errors(SecretFixture *fixture, gconstpointer data)
{
	g_autofree char *big = g_strnfill(65 << 10, 'x');
	g_autofree char *open = secret_write(fixture, "open", "x", -1, 0604);
	g_autofree char *loose = secret_write(fixture, "loose", "x", -1, 0620);
	g_autofree char *empty = secret_write(fixture, "empty", "", -1, 0600);
	g_autofree char *newline = secret_write(fixture, "newline", "\n", -1, 0600);
	g_autofree char *large = secret_write(fixture, "large", big, -1, 0600);
	g_autofree char *none = g_build_filename(fixture->folder, "none", NULL);
	g_autofree char *pipe = g_build_filename(fixture->folder, "pipe", NULL);
	g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
	secret_assert_error(
	    fixture, "{\"file\": \"open\"}", open, "its mode lets others in: chmod 0600 it");
	secret_assert_error(
	    fixture, "{\"file\": \"loose\"}", loose, "its mode lets others in: chmod 0600 it");
	secret_assert_error(fixture, "{\"file\": \"empty\"}", empty, "it is empty");
	secret_assert_error(fixture, "{\"file\": \"newline\"}", newline, "it is empty");
	secret_assert_error(fixture, "{\"file\": \"large\"}", large, "larger than 64 KiB");
	secret_assert_error(fixture, "{\"file\": \"none\"}", none, "No such file or directory");
	secret_assert_error(fixture, "{\"file\": \"pipe\"}", pipe, "not a regular file");
}

static void
secret_test_credential(SecretFixture *fixture, gconstpointer data)
{
	g_autofree char *path = secret_write(fixture, "ca.pass", "systemd's\n", -1, 0440);
	g_autoptr(PvValues) values = secret_parse(fixture, "{\"credential\": \"ca.pass\"}");
	g_autoptr(GError) error = NULL;
	g_unsetenv("CREDENTIALS_DIRECTORY");
	g_assert_null(pv_values_dup_secret(values, "password", &error));
	g_assert_nonnull(
	    strstr(error->message, "$CREDENTIALS_DIRECTORY is not set: LoadCredential= it"));
	g_setenv("CREDENTIALS_DIRECTORY", fixture->folder, TRUE);
	secret_assert(fixture, "{\"credential\": \"ca.pass\"}", "systemd's");
	g_unsetenv("CREDENTIALS_DIRECTORY");
}

static void
secret_test_store(SecretFixture *fixture, gconstpointer data)
{
	secret_assert(fixture, "{\"secret\": \"known\"}", "from the store");
	g_autoptr(PvValues) values = secret_parse(fixture, "{\"secret\": \"other\"}");
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_values_dup_secret(values, "password", &error));
	g_assert_true(g_str_has_suffix(
	    error->message, ":2: $.password: read secret \"other\": the store is not open"));
	g_clear_error(&error);
	pv_values_set_secret_find(values, values_test_find, (gpointer) "known");
	g_assert_null(pv_values_dup_secret(values, "password", &error));
	g_assert_true(
	    g_str_has_suffix(error->message, ":2: $.password: the store has no secret \"other\""));
	g_clear_error(&error);

	g_autoptr(PvValues) absent = secret_parse(fixture, "null");
	g_assert_null(pv_values_dup_secret(absent, "password", &error));
	g_assert_nonnull(strstr(error->message, "no secret is given"));
}

static void
values_test_wrong_name(void)
{
	if (g_test_subprocess()) {
		g_autoptr(PvJson) json = pv_json_parse("f", "{\"ou\": \"\"}", -1, NULL);
		g_autoptr(PvValues) values =
		    pv_values_parse(json, "$", values_test_params, NULL, NULL);
		(void)pv_values_get_int(values, "ou"); /* must not come back */
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_failed();
	g_test_trap_assert_stderr(
	    "*parameter \"ou\" is a string and is asked for as something else*");
}

static void
params_test_good(void)
{
	g_autoptr(GError) error = NULL;
	g_assert_true(pv_params_check(NULL, "stage x", &error));
	g_assert_true(pv_params_check(values_test_params, "stage x", &error));
	g_assert_no_error(error);
}

static void
params_test_errors(void)
{
	/* clang-format off */
	static const PvParam endless[] = { { "a", PV_PARAM_OBJECT, "null", "s", .fields = endless }, { NULL } };
	static const PvParam bad_field[] = { { "f", PV_PARAM_INT, "\"x\"", "s" }, { NULL } };
	static const struct {
		PvParam table[3];
		const char *error;
	} rows[] = {
		{ { { "a", PV_PARAM_BOOL, "true", "s" }, { "a", PV_PARAM_BOOL, "true", "s" } }, "stage x: parameter \"a\": the name is here a second time" },
		{ { { "A b", PV_PARAM_BOOL, "true", "s" } }, "stage x: parameter \"A b\": a name is lower case letters, digits and '-'" },
		{ { { "a", 99, "true", "s" } }, "stage x: parameter \"a\": unknown kind: the plugin is newer than this program" },
		{ { { "a", PV_PARAM_BOOL, "true", NULL } }, "stage x: parameter \"a\": no summary" },
		{ { { "a", PV_PARAM_CHOICE, "\"b\"", "s" } }, "stage x: parameter \"a\": no choices" },
		{ { { "a", PV_PARAM_CHOICE, "\"d\"", "s", .choices = "b|c" } }, "stage x: parameter \"a\": default of \"a\":1: $: expected one of \"b\", \"c\", got \"d\"" },
		{ { { "a", PV_PARAM_OBJECT, "{}", "s" } }, "stage x: parameter \"a\": no fields" },
		{ { { "a", PV_PARAM_OBJECTS, "[]", "s", .fields = bad_field } }, "stage x: parameter \"a\": parameter \"f\": default of \"f\":1: $: expected a whole number, got a string" },
		{ { { "a", PV_PARAM_INT, "5", "s", .minimum = 7, .maximum = 9 } }, "stage x: parameter \"a\": default of \"a\":1: $: expected a number from 7 to 9, got 5" },
		{ { { "a", PV_PARAM_INT, "5", "s", .minimum = 7, .maximum = 3 } }, "stage x: parameter \"a\": the minimum is above the maximum" },
		{ { { "a", PV_PARAM_STRING, "abc", "s" } }, "stage x: parameter \"a\": default of \"a\":1: $: expected a value, got abc: a text stands in double quotes" },
	};
	/* clang-format on */
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_false(pv_params_check(rows[i].table, "stage x", &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_cmpstr(error->message, ==, rows[i].error);
	}
	g_autoptr(GError) error = NULL;
	g_assert_false(pv_params_check(endless, "stage x", &error));
	g_assert_true(g_str_has_suffix(error->message, "tables are nested too deeply"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/values/defaults", values_test_defaults);
	g_test_add_func("/base/values/given", values_test_given);
	g_test_add_func("/base/values/errors", values_test_errors);
	g_test_add_func("/base/values/object-errors", values_test_object_errors);
	g_test_add_func("/base/values/wrong-name", values_test_wrong_name);
	g_test_add_func("/base/params/good", params_test_good);
	g_test_add_func("/base/params/errors", params_test_errors);
	g_test_add("/base/values/secret/file", SecretFixture, NULL, secret_set_up, secret_test_file,
	    secret_tear_down);
	g_test_add("/base/values/secret/file-errors", SecretFixture, NULL, secret_set_up,
	    secret_test_file_errors, secret_tear_down);
	g_test_add("/base/values/secret/credential", SecretFixture, NULL, secret_set_up,
	    secret_test_credential, secret_tear_down);
	g_test_add("/base/values/secret/store", SecretFixture, NULL, secret_set_up,
	    secret_test_store, secret_tear_down);
	return g_test_run();
}
