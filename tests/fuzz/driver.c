/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a target without libFuzzer: on the files named as arguments, or as a test on all of its corpus. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
driver_run(gconstpointer path)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *content = NULL;
	gsize length = 0;
	g_file_get_contents(path, &content, &length, &error);
	g_assert_no_error(error);
	/* exactly as long as the input, so that a sanitizer sees a read beyond its end */
	g_autofree guint8 *data = g_memdup2(content, length);
	LLVMFuzzerTestOneInput(data, length);
}

/* "soap" of ".../core/amt/.libs/lt-soap-fuzz". (transfer full) */
static char *
driver_dup_target(const char *program)
{
	g_autofree char *name = g_path_get_basename(program);
	const char *begin = g_str_has_prefix(name, "lt-") ? name + strlen("lt-") : name;
	if (!g_str_has_suffix(begin, "-fuzz"))
		g_error("%s is not named TARGET-fuzz", program);
	return g_strndup(begin, strlen(begin) - strlen("-fuzz"));
}

static int
driver_compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
driver_add_corpus(const char *target)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder =
	    g_test_build_filename(G_TEST_DIST, "tests", "fuzz", "corpus", target, NULL);
	g_autoptr(GDir) dir = g_dir_open(folder, 0, &error);
	if (dir == NULL)
		g_error("%s", error->message);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir))
		g_ptr_array_add(names, g_strdup(name));
	if (names->len == 0)
		g_error("%s is empty", folder);
	g_ptr_array_sort(names, driver_compare);
	for (guint i = 0; i < names->len; i++) {
		g_autofree char *test = g_strdup_printf("/fuzz/%s/%s", target, (char *)names->pdata[i]);
		g_test_add_data_func_full(
		    test, g_build_filename(folder, names->pdata[i], NULL), driver_run, g_free);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (int i = 1; i < argc; i++)
		driver_run(argv[i]);
	if (argc > 1)
		return 0;
	g_autofree char *target = driver_dup_target(argv[0]);
	driver_add_corpus(target);
	return g_test_run();
}
