/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/pipeline.h"

#include <glib/gstdio.h>
#include <string.h>

/* The loader, conditions and pipelines, with the modules of tests/modules. */

typedef struct {
	char *dir; /* a folder with copies of the built modules */
	PvLoader *loader;
} Fixture;

static void
fixture_copy(Fixture *fixture, const char *module)
{
	g_autofree char *base = g_strconcat(module, ".so", NULL);
	g_autofree char *from =
	    g_test_build_filename(G_TEST_BUILT, "tests", "modules", ".libs", base, NULL);
	g_autofree char *to = g_build_filename(fixture->dir, base, NULL);
	g_autofree char *data = NULL;
	gsize length = 0;
	g_assert_true(g_file_get_contents(from, &data, &length, NULL));
	g_assert_true(g_file_set_contents_full(
	    to, data, (gssize)length, G_FILE_SET_CONTENTS_NONE, 0700, NULL));
}

static void
fixture_set_up(Fixture *fixture, gconstpointer unused)
{
	static const char *const modules[] = { "good", "twin", "old", "new", "abi", "nosymbol",
		"misnamed", "incomplete" };
	fixture->dir = g_dir_make_tmp("pv-loader-XXXXXX", NULL);
	for (guint i = 0; i < G_N_ELEMENTS(modules); i++)
		fixture_copy(fixture, modules[i]);
	const char *const path[] = { fixture->dir, NULL };
	fixture->loader = pv_loader_new(path);
}

static void
fixture_tear_down(Fixture *fixture, gconstpointer unused)
{
	pv_loader_free(fixture->loader);
	g_autoptr(GDir) dir = g_dir_open(fixture->dir, 0, NULL);
	for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir)) {
		g_autofree char *path = g_build_filename(fixture->dir, name, NULL);
		g_unlink(path);
	}
	g_rmdir(fixture->dir);
	g_free(fixture->dir);
}

static void
assert_load_fails(Fixture *fixture, const char *name, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_loader_load(fixture->loader, name, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	if (strstr(error->message, text) == NULL)
		g_error("\"%s\" does not contain \"%s\"", error->message, text);
}

static void
loader_test_good(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	const PvPlugin *plugin = pv_loader_load(fixture->loader, "good", &error);
	g_assert_no_error(error);
	g_assert_true(pv_loader_load(fixture->loader, "good", &error) == plugin);
	g_assert_nonnull(pv_loader_find_stage(fixture->loader, "second", NULL));
	g_assert_null(pv_loader_find_stage(fixture->loader, "third", NULL));
	g_assert_cmpuint(pv_loader_get_plugins(fixture->loader)->len, ==, 1);
	g_auto(GStrv) names = pv_loader_list(fixture->loader);
	g_assert_true(g_strv_contains((const char *const *)names, "good"));
}

/* Tables of another size are walked by the plugin's stride and read as zero beyond it. */
static void
loader_test_sizes(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_assert_nonnull(pv_loader_load(fixture->loader, "old", &error));
	g_assert_nonnull(pv_loader_load(fixture->loader, "new", &error));
	g_assert_no_error(error);
	const PvStage *stage = pv_loader_find_stage(fixture->loader, "old-second", NULL);
	g_assert_cmpuint(stage->timeout_sec, ==, 8);
	g_assert_null(stage->remove);
	g_assert_nonnull(pv_loader_find_stage(fixture->loader, "new-second", NULL)->apply);
}

static void
loader_test_bad(Fixture *fixture, gconstpointer unused)
{
	g_autofree char *abi = g_strdup_printf(
	    "was built for plugin ABI %d, this is ABI %d", PV_PLUGIN_ABI + 1, PV_PLUGIN_ABI);
	assert_load_fails(fixture, "abi", abi);
	assert_load_fails(fixture, "nosymbol", "has no pv_plugin");
	assert_load_fails(fixture, "misnamed", "calls itself \"another\"");
	assert_load_fails(fixture, "incomplete", "a function that every such one has is missing");
	assert_load_fails(fixture, "absent", "no absent.so in");
	assert_load_fails(fixture, "../good", "a name is lower case");
	g_assert_nonnull(pv_loader_load(fixture->loader, "good", NULL));
	assert_load_fails(fixture, "twin", "is offered by plugin good already");
}

static void
loader_test_untrusted(Fixture *fixture, gconstpointer unused)
{
	g_autofree char *file = g_build_filename(fixture->dir, "good.so", NULL);
	g_assert_cmpint(g_chmod(file, 0722), ==, 0);
	assert_load_fails(fixture, "good", "may be written by everybody");
	g_assert_cmpint(g_chmod(file, 0720), ==, 0);
	assert_load_fails(fixture, "good", "may be written by its group");
	g_assert_cmpint(g_chmod(file, 0700), ==, 0);
	g_assert_cmpint(g_chmod(fixture->dir, 0777), ==, 0);
	assert_load_fails(fixture, "good", "may be written by everybody");
	g_assert_cmpint(g_chmod(fixture->dir, 0700), ==, 0);
	g_assert_nonnull(pv_loader_load(fixture->loader, "good", NULL));
}

typedef struct {
	const char *text;
	int result; /* -1: no condition */
} ConditionCase;

/* clang-format off */
static const ConditionCase condition_cases[] = {
	{ "device.wireless", 1 },
	{ "device.absent", 0 },
	{ "device.zero", 0 },
	{ "!device.absent", 1 },
	{ "device.amt.version >= 11.8", 1 },
	{ "device.amt.version < 11.9", 0 },
	{ "device.amt.version == '11.10'", 1 },
	{ "device.amt.version > 11.10.1", 0 },
	{ "site.name == \"head office\"", 1 },
	{ "site.name != 'x' && device.wireless", 1 },
	{ "device.absent == 'x'", 0 },
	{ "device.absent != 'x'", 1 },
	{ "device.absent < 9", 0 },
	{ "device.absent || (device.wireless && !device.zero)", 1 },
	{ "device.wireless && device.zero || device.wireless", 1 },
	{ "wireless", -1 },
	{ "device.", -1 },
	{ "device.a ==", -1 },
	{ "device.a == 'x", -1 },
	{ "(device.a", -1 },
	{ "device.a device.b", -1 },
	{ "", -1 },
	{ "!!!!!!!!!!!!!!!!!!!!!!!!device.a", -1 },
};
/* clang-format on */

static const char *
condition_lookup(gpointer data, const char *name)
{
	static const char *const known[][2] = { { "device.wireless", "true" },
		{ "device.zero", "0" }, { "device.amt.version", "11.10" },
		{ "site.name", "head office" } };
	for (guint i = 0; i < G_N_ELEMENTS(known); i++)
		if (g_str_equal(known[i][0], name))
			return known[i][1];
	return NULL;
}

static void
condition_test_case(gconstpointer data)
{
	const ConditionCase *row = data;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvCondition) condition = pv_condition_parse(row->text, &error);
	if (row->result < 0) {
		g_assert_null(condition);
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_nonnull(strstr(error->message, "column"));
		return;
	}
	g_assert_no_error(error);
	g_assert_cmpint(pv_condition_eval(condition, condition_lookup, NULL), ==, row->result);
}

typedef struct {
	const char *name, *text, *error;
} PipelineCase;

/* clang-format off */
static const PipelineCase pipeline_cases[] = {
	{ "good", "{\"pipeline\": \"p\", \"stages\": [{\"stage\": \"first\"}, {\"stage\": \"second\", \"text\": \"y\"}]}", NULL },
	{ "unknown-stage", "{\"pipeline\": \"p\",\n\"stages\": [\n{\"stage\": \"frist\"}]}", ":3: $.stages[0].stage: no enabled plugin offers a stage \"frist\"; the enabled ones offer: first, second" },
	{ "unknown-parameter", "{\"pipeline\": \"p\", \"stages\": [\n{\"stage\": \"first\", \"texd\": \"a\"}]}", ":2: $.stages[0].texd: unknown member \"texd\"; did you mean \"text\"?" },
	{ "unmet-need", "{\"pipeline\": \"p\", \"stages\": [{\"stage\": \"second\"}]}", "$.stages[0]: stage second needs the fact first.done, and no stage before it provides that" },
	{ "order", "{\"pipeline\": \"p\", \"stages\": [{\"stage\": \"second\"}, {\"stage\": \"first\"}]}", "needs the fact first.done" },
	{ "conditional-need", "{\"pipeline\": \"p\", \"stages\": [{\"stage\": \"first\", \"when\": \"device.a\"}, {\"stage\": \"second\"}]}", "exists only when device.a" },
	{ "same-condition", "{\"pipeline\": \"p\", \"stages\": [{\"stage\": \"first\", \"when\": \"device.a\"}, {\"stage\": \"second\", \"when\": \"device.a\"}]}", NULL },
	{ "bad-condition", "{\"pipeline\": \"p\", \"stages\": [{\"stage\": \"first\", \"when\": \"a\"}]}", "$.stages[0].when: condition \"a\": column 1" },
	{ "unknown-variable", "{\"pipeline\": \"p\", \"stages\": [{\"stage\": \"first\", \"when\": \"site.b\"}]}", "site.b: the site has no such variable" },
	{ "no-stages", "{\"pipeline\": \"p\", \"stages\": []}", "$.stages: expected an array of at least one stage" },
	{ "no-name", "{\"stages\": [{\"stage\": \"first\"}]}", "\"pipeline\" is missing" },
	{ "timeout", "{\"pipeline\": \"p\", \"timeout\": 0, \"stages\": [{\"stage\": \"first\"}]}", "0 is out of range: 1 to" },
	{ "no-object", "{\"pipeline\": \"p\", \"stages\": [\"first\"]}", "$.stages[0]: expected an object with \"stage\"" },
};
/* clang-format on */

static void
pipeline_test_case(Fixture *fixture, gconstpointer data)
{
	const PipelineCase *row = data;
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_build_filename(fixture->dir, "p.json", NULL);
	g_autoptr(GHashTable) variables = g_hash_table_new(g_str_hash, g_str_equal);
	g_hash_table_add(variables, (gpointer) "a");
	g_assert_nonnull(pv_loader_load(fixture->loader, "good", NULL));
	g_assert_true(g_file_set_contents(path, row->text, -1, NULL));
	g_autoptr(PvPipeline) pipeline =
	    pv_pipeline_load(path, fixture->loader, variables, NULL, &error);
	if (row->error == NULL) {
		g_assert_no_error(error);
		g_assert_cmpuint(pipeline->stages->len, ==, 2);
		return;
	}
	g_assert_null(pipeline);
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	if (strstr(error->message, row->error) == NULL)
		g_error("\"%s\" does not contain \"%s\"", error->message, row->error);
}

static void
pipeline_test_settings(Fixture *fixture, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_build_filename(fixture->dir, "p.json", NULL);
	g_assert_nonnull(pv_loader_load(fixture->loader, "old", NULL));
	g_assert_true(g_file_set_contents(path,
	    "{\"pipeline\": \"p\", \"retries\": 7, \"stages\": [{\"stage\": \"old-first\"}, "
	    "{\"stage\": \"old-second\", \"timeout\": 5, \"retries\": 0}]}",
	    -1, NULL));
	g_autoptr(PvPipeline) pipeline =
	    pv_pipeline_load(path, fixture->loader, NULL, NULL, &error);
	g_assert_no_error(error);
	const PvPipelineStage *first = pipeline->stages->pdata[0],
			      *second = pipeline->stages->pdata[1];
	g_assert_cmpuint(first->timeout_sec, ==, 7); /* the plugin's own */
	g_assert_cmpuint(first->retries, ==, 7);
	g_assert_cmpuint(second->timeout_sec, ==, 5);
	g_assert_cmpuint(second->retries, ==, 0);
	g_autofree char *dot = pv_pipeline_to_dot(pipeline);
	g_assert_nonnull(strstr(dot, "s0 -> s1"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/engine/loader/good", Fixture, NULL, fixture_set_up, loader_test_good,
	    fixture_tear_down);
	g_test_add("/engine/loader/sizes", Fixture, NULL, fixture_set_up, loader_test_sizes,
	    fixture_tear_down);
	g_test_add("/engine/loader/bad", Fixture, NULL, fixture_set_up, loader_test_bad,
	    fixture_tear_down);
	g_test_add("/engine/loader/untrusted", Fixture, NULL, fixture_set_up, loader_test_untrusted,
	    fixture_tear_down);
	g_test_add("/engine/pipeline/settings", Fixture, NULL, fixture_set_up,
	    pipeline_test_settings, fixture_tear_down);
	for (guint i = 0; i < G_N_ELEMENTS(condition_cases); i++) {
		g_autofree char *path = g_strdup_printf("/engine/condition/%u", i);
		g_test_add_data_func(path, &condition_cases[i], condition_test_case);
	}
	for (guint i = 0; i < G_N_ELEMENTS(pipeline_cases); i++) {
		g_autofree char *path =
		    g_strconcat("/engine/pipeline/", pipeline_cases[i].name, NULL);
		g_test_add(path, Fixture, &pipeline_cases[i], fixture_set_up, pipeline_test_case,
		    fixture_tear_down);
	}
	return g_test_run();
}
