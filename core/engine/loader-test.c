/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/loader.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/test-folder.h"

/* A plugin folder of its own for each test; modules are copied there from the build. */
typedef struct {
	char *top; /* owned */
	char *folder; /* owned: in .top, on the loader's path */
	PvLoader *loader; /* owned */
} Fixture;

static void
loader_set_up(Fixture *fixture, gconstpointer data)
{
	fixture->top = g_dir_make_tmp("pv-loader-XXXXXX", NULL);
	fixture->folder = g_build_filename(fixture->top, "plugins", NULL);
	g_assert_cmpint(g_mkdir(fixture->folder, 0755), ==, 0);
	fixture->loader =
	    pv_loader_new((const char *const[]) { "/nowhere/plugins", fixture->folder, NULL });
}

static void
loader_tear_down(Fixture *fixture, gconstpointer data)
{
	pv_loader_free(fixture->loader);
	pv_test_remove_all(fixture->top);
	g_free(fixture->top);
	g_free(fixture->folder);
}

static void
loader_assert_error(Fixture *fixture, const char *name, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	g_autofree char *expected = g_strdup_printf("load plugin %s: %s", name, text);
	g_autoptr(GError) error = NULL;
	guint before = pv_loader_get_plugins(fixture->loader)->len;
	g_assert_null(pv_loader_load(fixture->loader, name, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_cmpstr(error->message, ==, expected);
	g_assert_cmpuint(pv_loader_get_plugins(fixture->loader)->len, ==, before);
}

static void
loader_test_good(Fixture *fixture, gconstpointer data)
{
	g_autofree char *file =
	    pv_test_install_module(fixture->folder, "test-stages", "test-stages", 0644);
	g_autoptr(GError) error = NULL;
	const PvPlugin *plugin = pv_loader_load(fixture->loader, "test-stages", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(plugin->name, ==, "test-stages");
	g_assert_cmpstr(plugin->version, ==, PV_VERSION);
	g_assert_cmpstr(pv_loader_get_file(fixture->loader, plugin), ==, file);
	g_assert_true(pv_loader_load(fixture->loader, "test-stages", &error) == plugin);
	g_assert_cmpuint(pv_loader_get_plugins(fixture->loader)->len, ==, 1);

	const PvPlugin *from = NULL;
	const PvStage *stage = pv_loader_find_stage(fixture->loader, "test-make-a", &from);
	g_assert_true(from == plugin && stage == &plugin->stages[0]);
	g_assert_cmpuint(stage->timeout_sec, ==, 77);
	g_assert_nonnull(stage->remove);
	g_assert_null(pv_loader_find_stage(fixture->loader, "test", NULL));
	g_assert_cmpstr(pv_loader_find_directory(fixture->loader, "test")->type, ==, "test");
	g_assert_cmpstr(pv_loader_find_ca(fixture->loader, "test")->type, ==, "test");
	g_assert_null(pv_loader_find_store(fixture->loader, "test"));

	/* what was handed out outlives the loader, and another loader hands out the same */
	g_clear_pointer(&fixture->loader, pv_loader_free);
	g_assert_cmpstr(stage->type, ==, "test-make-a");
	fixture->loader = pv_loader_new((const char *const[]) { fixture->folder, NULL });
	g_assert_true(pv_loader_load(fixture->loader, "test-stages", &error) == plugin);
}

static void
loader_test_build_tree(Fixture *fixture, gconstpointer data)
{
	g_autofree char *folder = g_build_filename(fixture->folder, "test-stages", ".libs", NULL);
	g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
	g_autofree char *built = pv_test_install_module(folder, "test-stages", "test-stages", 0755);
	g_autoptr(GError) error = NULL;
	const PvPlugin *plugin = pv_loader_load(fixture->loader, "test-stages", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_loader_get_file(fixture->loader, plugin), ==, built);
}

static void
loader_test_link(Fixture *fixture, gconstpointer data)
{
	g_autofree char *file =
	    pv_test_install_module(fixture->top, "test-stages", "test-stages", 0644);
	g_autofree char *link = g_build_filename(fixture->folder, "test-stages.so", NULL);
	g_assert_cmpint(symlink(file, link), ==, 0);
	g_autoptr(GError) error = NULL;
	const PvPlugin *plugin = pv_loader_load(fixture->loader, "test-stages", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_loader_get_file(fixture->loader, plugin), ==, file);
}

/* each module is odd in one way */
static void
loader_test_odd(Fixture *fixture, gconstpointer data)
{
	static const struct {
		const char *name, *error;
	} rows[] = {
		{ "test-odd-abi",
		    "built for plugin ABI 7, this program has 1: build it against this release" },
		{ "test-odd-symbol",
		    "no symbol pv_plugin: it is no plugin, or lacks PV_PLUGIN_DEFINE" },
		{ "test-odd-name", "it calls itself \"other\": name the file after it" },
		{ "test-odd-apply", "stage \"test-odd-apply-stage\": it lacks a function" },
		{ "test-odd-params", "stage \"test-odd-params-stage\": parameter \"count\": "
				     "default of \"count\":1: $: expected a whole number, "
				     "got a string" },
		{ "test-odd-reserved", "stage \"test-odd-reserved-stage\": parameter \"when\": "
				       "this name is reserved" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *file =
		    pv_test_install_module(fixture->folder, rows[i].name, rows[i].name, 0644);
		loader_assert_error(fixture, rows[i].name, "%s: %s", file, rows[i].error);
	}
	g_autofree char *size =
	    pv_test_install_module(fixture->folder, "test-odd-size", "test-odd-size", 0644);
	loader_assert_error(fixture, "test-odd-size",
	    "%s: its stage tables have rows of 3 bytes, not of at least %u", size,
	    (guint)G_STRUCT_OFFSET(PvStage, remove));
}

static void
loader_test_duplicate(Fixture *fixture, gconstpointer data)
{
	g_autofree char *good =
	    pv_test_install_module(fixture->folder, "test-stages", "test-stages", 0644);
	g_autofree char *twice =
	    pv_test_install_module(fixture->folder, "test-odd-twice", "test-odd-twice", 0644);
	g_autofree char *self =
	    pv_test_install_module(fixture->folder, "test-odd-self", "test-odd-self", 0644);
	g_autoptr(GError) error = NULL;
	g_assert_nonnull(pv_loader_load(fixture->loader, "test-stages", &error));
	loader_assert_error(fixture, "test-odd-twice",
	    "stage \"test-make-a\" is in plugin test-stages already: enable one of the two");
	loader_assert_error(fixture, "test-odd-self",
	    "stage \"test-odd-self-stage\" is in plugin test-odd-self already: enable one of the "
	    "two");
}

/* built against another release of the same ABI: rows are shorter, or longer, than ours */
static void
loader_test_other_release(Fixture *fixture, gconstpointer data)
{
	static const char *const names[] = { "test-odd-old", "test-odd-new" };
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *file =
		    pv_test_install_module(fixture->folder, names[i], names[i], 0644);
		g_autofree char *type = g_strconcat(names[i], "-two", NULL);
		g_autoptr(GError) error = NULL;
		const PvPlugin *plugin = pv_loader_load(fixture->loader, names[i], &error);
		g_assert_no_error(error);
		const PvStage *stage = pv_loader_find_stage(fixture->loader, type, NULL);
		g_assert_true(stage == &plugin->stages[1]);
		g_assert_cmpstr(stage->summary, ==, "second");
		g_assert_cmpuint(stage->timeout_sec, ==, 2);
		g_assert_nonnull(stage->apply);
		g_assert_null(stage->remove);
		g_assert_null(plugin->stages[2].type);
	}
}

static void
loader_test_missing(Fixture *fixture, gconstpointer data)
{
	g_autoptr(PvLoader) empty = pv_loader_new((const char *const[]) { NULL });
	g_autoptr(GError) error = NULL;
	loader_assert_error(fixture, "none", "no none.so in /nowhere/plugins, %s", fixture->folder);
	g_assert_null(pv_loader_load(empty, "none", &error));
	g_assert_cmpstr(
	    error->message, ==, "load plugin none: no none.so in the plugin path, which is empty");
}

static void
loader_test_names(Fixture *fixture, gconstpointer data)
{
	static const char *const names[] = { "", "../evil", "Evil", "a.b", "a b", "a\nb" };
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(pv_loader_load(fixture->loader, names[i], &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_true(g_str_has_suffix(
		    error->message, ": a name is lower case letters, digits and '-'"));
		g_assert_null(strchr(error->message, '\n'));
	}
}

static void
loader_test_no_module(Fixture *fixture, gconstpointer data)
{
	g_autofree char *folder = g_build_filename(fixture->folder, "folder.so", NULL);
	g_autofree char *text = g_build_filename(fixture->folder, "text.so", NULL);
	g_autofree char *dangling = g_build_filename(fixture->folder, "dangling.so", NULL);
	g_assert_cmpint(g_mkdir(folder, 0755), ==, 0);
	g_assert_true(g_file_set_contents(text, "no machine code", -1, NULL));
	g_assert_cmpint(g_chmod(text, 0644), ==, 0);
	g_assert_cmpint(symlink("/nowhere/x.so", dangling), ==, 0);
	loader_assert_error(fixture, "folder", "%s: not a regular file", folder);
	loader_assert_error(
	    fixture, "dangling", "no dangling.so in /nowhere/plugins, %s", fixture->folder);
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_loader_load(fixture->loader, "text", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, text));
}

static void
loader_test_writable(Fixture *fixture, gconstpointer data)
{
	g_autofree char *file =
	    pv_test_install_module(fixture->folder, "test-stages", "test-stages", 0664);
	struct stat status;
	g_assert_cmpint(stat(file, &status), ==, 0);
	loader_assert_error(fixture, "test-stages",
	    "not trusted: group %u may write %s: chmod go-w it", (guint)status.st_gid, file);
	g_assert_cmpint(g_chmod(file, 0646), ==, 0);
	loader_assert_error(
	    fixture, "test-stages", "not trusted: everybody may write %s: chmod go-w it", file);
	g_assert_cmpint(g_chmod(file, 0644), ==, 0);

	g_assert_cmpint(g_chmod(fixture->folder, 0777), ==, 0);
	loader_assert_error(fixture, "test-stages",
	    "not trusted: everybody may write %s: chmod go-w it", fixture->folder);
	g_assert_cmpint(g_chmod(fixture->folder, 0755), ==, 0);

	/* a parent: who may write that may put another folder there */
	g_assert_cmpint(g_chmod(fixture->top, 0775), ==, 0);
	loader_assert_error(fixture, "test-stages",
	    "not trusted: group %u may write %s: chmod go-w it", (guint)status.st_gid,
	    fixture->top);
	g_assert_cmpint(g_chmod(fixture->top, 0700), ==, 0);

	g_autoptr(GError) error = NULL;
	g_assert_nonnull(pv_loader_load(fixture->loader, "test-stages", &error));
	g_assert_no_error(error);
}

static void
loader_test_owner(Fixture *fixture, gconstpointer data)
{
	g_autofree char *file =
	    pv_test_install_module(fixture->folder, "test-stages", "test-stages", 0644);
	if (geteuid() != 0) {
		g_test_skip("only root can give a file away");
		return;
	}
	g_assert_cmpint(chown(file, 12345, 0), ==, 0);
	loader_assert_error(fixture, "test-stages",
	    "not trusted: %s belongs to user 12345, not to root or user 0", file);
	g_assert_cmpint(chown(file, 0, 0), ==, 0);
	g_assert_cmpint(chown(fixture->folder, 12345, 0), ==, 0);
	loader_assert_error(fixture, "test-stages",
	    "not trusted: %s belongs to user 12345, not to root or user 0", fixture->folder);
	/* a sticky folder is as good as its owner */
	g_assert_cmpint(g_chmod(fixture->folder, 01777), ==, 0);
	loader_assert_error(fixture, "test-stages",
	    "not trusted: %s belongs to user 12345, not to root or user 0", fixture->folder);
	g_assert_cmpint(chown(fixture->folder, 0, 0), ==, 0);
	g_autoptr(GError) error = NULL;
	g_assert_nonnull(pv_loader_load(fixture->loader, "test-stages", &error));
	g_assert_no_error(error);
}

static void
loader_test_list(Fixture *fixture, gconstpointer data)
{
	static const char *const files[] = { "zebra.so", "apple.so", "Upper.so", "notes.txt",
		".so" };
	for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *path = g_build_filename(fixture->folder, files[i], NULL);
		g_assert_true(g_file_set_contents(path, "", 0, NULL));
	}
	g_autofree char *built = g_build_filename(fixture->folder, "built", ".libs", NULL);
	g_autofree char *module = g_build_filename(built, "built.so", NULL);
	g_autofree char *source = g_build_filename(fixture->folder, "source", NULL);
	g_assert_cmpint(g_mkdir_with_parents(built, 0755), ==, 0);
	g_assert_cmpint(g_mkdir(source, 0755), ==, 0);
	g_assert_true(g_file_set_contents(module, "", 0, NULL));
	g_auto(GStrv) names = pv_loader_list(fixture->loader);
	g_autofree char *joined = g_strjoinv(" ", names);
	g_assert_cmpstr(joined, ==, "apple built zebra");
}

#define LOADER_TEST(name, function) \
	g_test_add(name, Fixture, NULL, loader_set_up, function, loader_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	LOADER_TEST("/engine/loader/good", loader_test_good);
	LOADER_TEST("/engine/loader/build-tree", loader_test_build_tree);
	LOADER_TEST("/engine/loader/link", loader_test_link);
	LOADER_TEST("/engine/loader/odd", loader_test_odd);
	LOADER_TEST("/engine/loader/duplicate", loader_test_duplicate);
	LOADER_TEST("/engine/loader/other-release", loader_test_other_release);
	LOADER_TEST("/engine/loader/missing", loader_test_missing);
	LOADER_TEST("/engine/loader/names", loader_test_names);
	LOADER_TEST("/engine/loader/no-module", loader_test_no_module);
	LOADER_TEST("/engine/loader/writable", loader_test_writable);
	LOADER_TEST("/engine/loader/owner", loader_test_owner);
	LOADER_TEST("/engine/loader/list", loader_test_list);
	return g_test_run();
}
