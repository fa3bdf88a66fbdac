/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/test-folder.h"

#include <glib/gstdio.h>

char *
pv_test_install_module(const char *folder, const char *module, const char *name, int mode)
{
	g_autofree char *from_base = g_strconcat(module, ".so", NULL);
	g_autofree char *from =
	    g_test_build_filename(G_TEST_BUILT, "tests", "modules", ".libs", from_base, NULL);
	g_autofree char *to_base = g_strconcat(name, ".so", NULL);
	char *to = g_build_filename(folder, to_base, NULL);
	g_autofree char *bytes = NULL;
	gsize length = 0;
	g_assert_true(g_file_get_contents(from, &bytes, &length, NULL));
	g_assert_true(g_file_set_contents(to, bytes, (gssize)length, NULL));
	g_assert_cmpint(g_chmod(to, mode), ==, 0);
	return to;
}

char *
pv_test_write(const char *folder, const char *name, const char *text, int mode)
{
	char *path = g_build_filename(folder, name, NULL);
	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	g_assert_cmpint(g_chmod(path, mode), ==, 0);
	return path;
}

void
pv_test_remove_all(const char *path)
{
	g_autoptr(GDir) dir =
	    g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
	for (const char *name = dir != NULL ? g_dir_read_name(dir) : NULL; name != NULL;
	     name = g_dir_read_name(dir)) {
		g_autofree char *inner = g_build_filename(path, name, NULL);
		pv_test_remove_all(inner);
	}
	g_assert_cmpint(g_remove(path), ==, 0);
}
