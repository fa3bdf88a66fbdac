/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/pipeline.h"

#include <string.h>

#include "tests/lib/test-folder.h"

/* name, value, name, value, ..., NULL */
static const char *const condition_test_facts[] = {
	"device.amt.version",
	"11.8.50",
	"device.build",
	"11.8.50-3425",
	"device.group",
	"Berlin",
	"device.wireless",
	"true",
	"device.off",
	"false",
	"device.zero",
	"0",
	"device.empty",
	"",
	"device.big",
	"340282366920938463463374607431768211456.1",
	"site.wired8021x",
	"true",
	"site.count",
	"010",
	NULL,
};

static const char *
condition_test_lookup(gpointer data, const char *name)
{
	const char *const *facts = data;
	for (guint i = 0; facts[i] != NULL; i += 2)
		if (g_str_equal(facts[i], name))
			return facts[i + 1];
	return NULL;
}

static void
condition_test_table(void)
{
	static const struct {
		const char *text;
		gboolean holds;
	} rows[] = {
		{ "device.wireless", TRUE },
		{ "device.off", FALSE },
		{ "device.zero", FALSE },
		{ "device.empty", FALSE },
		{ "device.none", FALSE },
		{ "!device.none", TRUE },
		{ "! ! device.wireless", TRUE },
		{ "device.group == 'Berlin'", TRUE },
		{ "device.group==\"Berlin\"", TRUE },
		{ "device.group != 'Berlin'", FALSE },
		{ "device.group == 'berlin'", FALSE },
		{ "device.none == ''", FALSE },
		{ "device.none != 'x'", TRUE },
		{ "device.none != 1", TRUE },
		{ "device.none < 1", FALSE },
		{ "device.none >= 0", FALSE },
		{ "device.empty == ''", TRUE },
		/* dotted numbers go part by part: 11.8 is older than 11.10 */
		{ "device.amt.version < 11.10", TRUE },
		{ "device.amt.version <= 11.10", TRUE },
		{ "device.amt.version > 11.10", FALSE },
		{ "device.amt.version >= 11.8", TRUE },
		{ "device.amt.version > 11.8", TRUE },
		{ "device.amt.version > 11.8.50", FALSE },
		{ "device.amt.version >= 11.8.50", TRUE },
		{ "device.amt.version == 11.8.50", TRUE },
		{ "device.amt.version == 11.8.50.0", TRUE },
		{ "device.amt.version == 11.8", FALSE },
		{ "device.amt.version < 9.9.99", FALSE },
		{ "device.amt.version < 100", TRUE },
		{ "device.amt.version >= '11.8'", TRUE },
		{ "device.amt.version == '11.8.50.0'", FALSE },
		{ "device.build > 11.8.49 && device.build < 11.8.51", TRUE },
		{ "device.group > 1", FALSE },
		{ "device.group <= 1", FALSE },
		{ "device.group == 1", FALSE },
		{ "device.group != 1", TRUE },
		{ "site.count == 10", TRUE },
		{ "site.count == '10'", FALSE },
		{ "device.big > 340282366920938463463374607431768211455", TRUE },
		{ "device.big < 340282366920938463463374607431768211456.2", TRUE },
		/* "&&" binds closer than "||", "!" closer than both */
		{ "device.wireless || device.none && device.none", TRUE },
		{ "(device.wireless || device.none) && device.none", FALSE },
		{ "!device.wireless || device.wireless", TRUE },
		{ "!(device.wireless || device.wireless)", FALSE },
		{ "device.none || device.off || site.wired8021x", TRUE },
		{ " ( ( device.wireless ) ) ", TRUE },
		{ "((((((((((((((device.wireless))))))))))))))", TRUE },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_test_message("%s", rows[i].text);
		g_autoptr(PvCondition) condition = pv_condition_parse(rows[i].text, &error);
		g_assert_no_error(error);
		g_assert_cmpint(pv_condition_eval(condition, condition_test_lookup,
				    (gpointer)condition_test_facts),
		    ==, rows[i].holds);
	}
}

static void
condition_test_errors(void)
{
	static const struct {
		const char *text;
		guint column;
		const char *error;
	} rows[] = {
		{ "", 1, "expected a name such as device.amt.version or site.NAME" },
		{ "amt.version", 1, "expected a name such as device.amt.version or site.NAME" },
		{ "device.", 1, "expected a name such as device.amt.version or site.NAME" },
		{ "device..a", 1, "expected a name such as device.amt.version or site.NAME" },
		{ "device.a &&", 12, "expected a name such as device.amt.version or site.NAME" },
		{ "device.a & device.b", 10, "expected && or ||" },
		{ "device.a device.b", 10, "expected && or ||" },
		{ "device.a = 'x'", 10, "expected && or ||" },
		{ "device.a == x", 13, "expected a text in quotes or a number such as 11.8" },
		{ "device.a == 11.", 13, "expected a text in quotes or a number such as 11.8" },
		{ "device.a == 'x", 13, "the quote is not closed" },
		{ "device.a < 'x'", 12, "only numbers such as 11.8 have an order" },
		{ "(device.a", 10, "expected && or || or )" },
		{ "device.a)", 9, "expected && or ||" },
		{ "'é' == device.a", 1, "expected a name such as device.amt.version or site.NAME" },
		{ "device.a == 'é' ; device.b", 17, "expected && or ||" },
		{ "!!!!!!!!!!!!!!!!!device.a", 17, "nested too deeply" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *expected = g_strdup_printf(
		    "condition \"%s\": column %u: %s", rows[i].text, rows[i].column, rows[i].error);
		g_assert_null(pv_condition_parse(rows[i].text, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_cmpstr(error->message, ==, expected);
	}
	g_autofree char *huge = g_strnfill(100000, '(');
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_condition_parse(huge, &error));
	g_assert_true(g_str_has_suffix(error->message, ": longer than 1000 bytes"));
}

static void
condition_test_add_name(const char *name, gpointer data)
{
	g_string_append_printf(data, "%s ", name);
}

static void
condition_test_foreach(void)
{
	g_autoptr(PvCondition) condition =
	    pv_condition_parse("!(device.a || site.b > 1) && device.c == 'x' || device.a", NULL);
	g_autoptr(GString) names = g_string_new(NULL);
	pv_condition_foreach(condition, condition_test_add_name, names);
	g_assert_cmpstr(names->str, ==, "device.a site.b device.c device.a ");
}

typedef struct {
	char *folder, *file; /* owned: a temporary folder, and p.json in it */
	PvLoader *loader; /* owned: with test-stages */
	GHashTable *variables; /* owned */
} Fixture;

static const char *const pipeline_test_facts[] = { "hello.hashes", "amt.version", "amt.state",
	NULL };

static void
pipeline_set_up(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	fixture->folder = g_dir_make_tmp("pv-pipeline-XXXXXX", NULL);
	fixture->file = g_build_filename(fixture->folder, "p.json", NULL);
	g_autofree char *module =
	    pv_test_install_module(fixture->folder, "test-stages", "test-stages", 0644);
	fixture->loader = pv_loader_new((const char *const[]) { fixture->folder, NULL });
	const PvPlugin *plugin = pv_loader_load(fixture->loader, "test-stages", &error);
	g_assert_no_error(error);
	g_assert_nonnull(plugin);
	fixture->variables = g_hash_table_new(g_str_hash, g_str_equal);
	g_hash_table_add(fixture->variables, (gpointer) "wired8021x");
}

static void
pipeline_tear_down(Fixture *fixture, gconstpointer data)
{
	pv_test_remove_all(fixture->folder);
	g_hash_table_unref(fixture->variables);
	pv_loader_free(fixture->loader);
	g_free(fixture->folder);
	g_free(fixture->file);
}

static PvPipeline *
pipeline_load(Fixture *fixture, const char *text, GError **error)
{
	g_assert_true(g_file_set_contents(fixture->file, text, -1, NULL));
	return pv_pipeline_load(
	    fixture->file, fixture->loader, fixture->variables, pipeline_test_facts, error);
}

static void
pipeline_test_good(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvPipeline) pipeline = pipeline_load(fixture,
	    "{ \"pipeline\": \"standard\", \"summary\": \"all of it\", \"retries\": 2, \"stages\": "
	    "[\n"
	    "  { \"stage\": \"test-make-a\" },\n"
	    "  { \"stage\": \"test-make-b\", \"ou\": \"OU=AMT\", \"length\": 16, \"timeout\": 5, "
	    "\"retries\": 0, "
	    "\"retry-wait\": 3 },\n"
	    "  { \"stage\": \"test-use\", \"when\": \"site.wired8021x && device.amt.version >= "
	    "11.8\" },\n"
	    "  { \"stage\": \"test-hello\" }\n"
	    "] }",
	    &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pipeline->name, ==, "standard");
	g_assert_cmpstr(pipeline->file, ==, fixture->file);
	g_assert_cmpuint(pipeline->stages->len, ==, 4);
	const PvPipelineStage *a = pipeline->stages->pdata[0], *b = pipeline->stages->pdata[1];
	const PvPipelineStage *use = pipeline->stages->pdata[2],
			      *hello = pipeline->stages->pdata[3];
	g_assert_cmpstr(a->stage->type, ==, "test-make-a");
	g_assert_cmpstr(a->plugin->name, ==, "test-stages");
	g_assert_cmpuint(a->timeout_sec, ==, 77); /* the plugin's */
	g_assert_cmpuint(a->retries, ==, 2);
	g_assert_cmpuint(a->retry_sec, ==, 10);
	g_assert_null(a->when);
	g_assert_cmpuint(b->timeout_sec, ==, 5);
	g_assert_cmpuint(b->retries, ==, 0);
	g_assert_cmpuint(b->retry_sec, ==, 3);
	g_assert_cmpstr(pv_values_get_string(b->values, "ou"), ==, "OU=AMT");
	g_assert_cmpint(pv_values_get_int(b->values, "length"), ==, 16);
	g_assert_cmpuint(use->timeout_sec, ==, 600);
	g_assert_cmpstr(use->when_text, ==, "site.wired8021x && device.amt.version >= 11.8");
	g_assert_nonnull(use->when);
	g_assert_nonnull(hello);
	g_autofree char *where = g_strdup_printf("%s:3: $.stages[1]", fixture->file);
	g_assert_cmpstr(b->where, ==, where);
}

/* a fact that is made under a condition is there for stages under the same */
static void
pipeline_test_same_condition(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvPipeline) pipeline = pipeline_load(fixture,
	    "{\"pipeline\": \"p\", \"stages\": ["
	    "{\"stage\": \"test-make-a\", \"when\": \"device.x\"},"
	    "{\"stage\": \"test-make-b\", \"when\": \"device.x\", \"ou\": \"\"},"
	    "{\"stage\": \"test-make-a\", \"when\": \"!device.x\"},"
	    "{\"stage\": \"test-use\", \"when\": \"device.x\"}]}",
	    &error);
	g_assert_no_error(error);
	g_assert_nonnull(pipeline);
}

/* {"pipeline": "p", "stages": [ROW]}, where ROW begins in line 2 */
static void
pipeline_test_errors(Fixture *fixture, gconstpointer data)
{
	/* clang-format off */
	static const struct {
		const char *stages, *error;
	} rows[] = {
		{ "5", "2: $.stages[0]: expected an object, got a number" },
		{ "", "1: $.stages: expected an array of 1 to 200 stages" },
		{ "{}", "2: $.stages[0]: the member \"stage\" is missing: type of the stage (a string)" },
		{ "{\"stage\": 7}", "2: $.stages[0].stage: expected a string, got a number" },
		{ "{\"stage\": \"test-make-c\"}", "2: $.stages[0].stage: no enabled plugin has a stage \"test-make-c\"; did you mean \"test-make-a\"?" },
		{ "{\"stage\": \"clock\"}", "2: $.stages[0].stage: no enabled plugin has a stage \"clock\"; there are: test-make-a, test-make-b, test-use, test-hello" },
		{ "{\"stage\": \"test-make-a\",\n\"tiemout\": 5}", "3: $.stages[0].tiemout: unknown member \"tiemout\"; did you mean \"timeout\"?" },
		{ "{\"stage\": \"test-make-a\", \"ou\": \"x\"}", "2: $.stages[0].ou: unknown member \"ou\"" },
		{ "{\"stage\": \"test-make-a\", \"timeout\": 0}", "2: $.stages[0].timeout: expected a number from 1 to 2592000 s, got 0" },
		{ "{\"stage\": \"test-make-a\"},\n{\"stage\": \"test-make-b\"}", "3: $.stages[1]: the member \"ou\" is missing: container (a string)" },
		{ "{\"stage\": \"test-make-a\"},\n{\"stage\": \"test-make-b\", \"ou\": 5}", "3: $.stages[1].ou: expected a string, got a number" },
		{ "{\"stage\": \"test-make-a\",\n\"when\": \"device.a &\"}", "3: $.stages[0].when: condition \"device.a &\": column 10: expected && or ||" },
		{ "{\"stage\": \"test-make-a\", \"when\": \"site.wired8021\"}", "2: $.stages[0].when: the site has no variable \"wired8021\"; did you mean \"wired8021x\"?" },
		{ "{\"stage\": \"test-make-a\", \"when\": \"!site.colour\"}", "2: $.stages[0].when: the site has no variable \"colour\": add it to \"variables\" of the site" },
		{ "{\"stage\": \"test-make-b\", \"ou\": \"\"}", "2: $.stages[0]: stage \"test-make-b\" needs the fact test.a, which no stage before it provides; stage \"test-make-a\" provides it: add that before this one" },
		{ "{\"stage\": \"test-make-b\", \"ou\": \"\"},\n{\"stage\": \"test-make-a\"}", "2: $.stages[0]: stage \"test-make-b\" needs the fact test.a, which no stage before it provides; $.stages[1] \"test-make-a\" provides it: put that before this one" },
		{ "{\"stage\": \"test-make-a\", \"when\": \"device.x\"},\n{\"stage\": \"test-make-b\", \"ou\": \"\"}", "3: $.stages[1]: stage \"test-make-b\" needs the fact test.a, which stage \"test-make-a\" provides only when device.x: give both the same condition" },
		{ "{\"stage\": \"test-make-a\"},\n{\"stage\": \"test-make-a\"}", "3: $.stages[1]: stage \"test-make-a\" is the same as $.stages[0]: remove one of them" },
	};
	/* clang-format on */
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *text =
		    g_strdup_printf("{\"pipeline\": \"p\", \"stages\": [\n%s]}", rows[i].stages);
		g_autofree char *expected = g_strdup_printf("%s:%s", fixture->file, rows[i].error);
		g_autoptr(GError) error = NULL;
		g_assert_null(pipeline_load(fixture, text, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_cmpstr(error->message, ==, expected);
	}
}

static void
pipeline_test_file_errors(Fixture *fixture, gconstpointer data)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "[]", "1: $: expected an object, got an array" },
		{ "{\"stages\": []}",
		    "1: $: the member \"pipeline\" is missing: name of the pipeline (a string)" },
		{ "{\"pipeline\": \"\", \"stages\": []}",
		    "1: $.pipeline: expected a name, got an empty string" },
		{ "{\"pipeline\": \"p\"}", "1: $.stages: expected an array of 1 to 200 stages" },
		{ "{\"pipeline\": \"p\",\n\"stagse\": []}",
		    "2: $.stagse: unknown member \"stagse\"; did you mean \"stages\"?" },
		{ "{\"pipeline\": \"p\",\n\"retry-wait\": 901}",
		    "2: $.retry-wait: expected a number from 1 to 900 s, got 901" },
		{ "{\"pipeline\": \"p\",\n\"pipeline\": \"q\"}",
		    "2: $: the member \"pipeline\" is here a second time" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *expected = g_strdup_printf("%s:%s", fixture->file, rows[i].error);
		g_autoptr(GError) error = NULL;
		g_assert_null(pipeline_load(fixture, rows[i].text, &error));
		g_assert_cmpstr(error->message, ==, expected);
	}
	g_autoptr(GString) many =
	    g_string_new("{\"pipeline\": \"p\", \"stages\": [{\"stage\": \"test-hello\"}");
	for (guint i = 0; i < 200; i++)
		g_string_append(many, ",{\"stage\": \"test-hello\"}");
	g_string_append(many, "]}");
	g_autoptr(GError) error = NULL;
	g_assert_null(pipeline_load(fixture, many->str, &error));
	g_assert_true(g_str_has_suffix(error->message, ": expected an array of 1 to 200 stages"));
}

/* without a site variables are not known, and neither are facts that come from outside */
static void
pipeline_test_without_site(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_assert_true(g_file_set_contents(fixture->file,
	    "{\"pipeline\": \"p\", \"stages\": [{\"stage\": \"test-make-a\", \"when\": "
	    "\"site.colour\"}, {\"stage\": "
	    "\"test-hello\"}]}",
	    -1, NULL));
	g_assert_null(pv_pipeline_load(fixture->file, fixture->loader, NULL, NULL, &error));
	g_assert_true(g_str_has_suffix(error->message,
	    "stage \"test-hello\" needs the fact hello.hashes, which no stage before it provides"));
}

static void
pipeline_test_dot(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvPipeline) pipeline = pipeline_load(fixture,
	    "{\"pipeline\": \"a \\\"b\\\" \\\\N\\n;}\", \"stages\": ["
	    "{\"stage\": \"test-make-a\"},"
	    "{\"stage\": \"test-make-b\", \"ou\": \"\"},"
	    "{\"stage\": \"test-hello\"},"
	    "{\"stage\": \"test-use\", \"when\": \"device.group == \\\"x\\\"\"}]}",
	    &error);
	g_assert_no_error(error);
	g_autofree char *dot = pv_pipeline_to_dot(pipeline);
	g_assert_cmpstr(dot, ==,
	    "digraph \"a \\\"b\\\" \\\\N ;}\" {\n"
	    "\tnode [shape=box, style=rounded, fontname=\"sans-serif\"];\n"
	    "\tedge [fontname=\"sans-serif\", fontsize=10];\n"
	    "\ts0 [label=\"1. test-make-a\"];\n"
	    "\ts1 [label=\"2. test-make-b\"];\n"
	    "\ts0 -> s1 [weight=10];\n"
	    "\ts2 [label=\"3. test-hello\"];\n"
	    "\ts1 -> s2 [weight=10];\n"
	    "\ts3 [label=\"4. test-use\\nwhen device.group == \\\"x\\\"\", "
	    "style=\"rounded,dashed\"];\n"
	    "\ts2 -> s3 [weight=10];\n"
	    "\ts0 -> s1 [label=\"test.a\", style=dotted, constraint=false];\n"
	    "\ts0 -> s3 [label=\"test.a\", style=dotted, constraint=false];\n"
	    "\ts1 -> s3 [label=\"test.b\", style=dotted, constraint=false];\n"
	    "}\n");
}

#define PIPELINE_TEST(name, function) \
	g_test_add(name, Fixture, NULL, pipeline_set_up, function, pipeline_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/engine/condition/table", condition_test_table);
	g_test_add_func("/engine/condition/errors", condition_test_errors);
	g_test_add_func("/engine/condition/foreach", condition_test_foreach);
	PIPELINE_TEST("/engine/pipeline/good", pipeline_test_good);
	PIPELINE_TEST("/engine/pipeline/same-condition", pipeline_test_same_condition);
	PIPELINE_TEST("/engine/pipeline/errors", pipeline_test_errors);
	PIPELINE_TEST("/engine/pipeline/file-errors", pipeline_test_file_errors);
	PIPELINE_TEST("/engine/pipeline/without-site", pipeline_test_without_site);
	PIPELINE_TEST("/engine/pipeline/dot", pipeline_test_dot);
	return g_test_run();
}
