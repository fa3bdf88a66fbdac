/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/stage-test.h"

/* the site's client certificate is the case's file "client.pem", if it has one */
static void
trusted_roots_test_prepare(PvSite *site, const char *dir, JsonObject *fixture)
{
	g_autofree char *path = g_build_filename(dir, "client.pem", NULL);
	if (!g_file_test(path, G_FILE_TEST_EXISTS))
		return;
	g_autoptr(GError) error = NULL;
	site->client = pv_identity_load(path, NULL, NULL, &error);
	g_assert_no_error(error);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	stage_test_add("trusted-roots", trusted_roots_test_prepare);
	return g_test_run();
}
