/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/stage-test.h"

#include <glib/gstdio.h>

/* The directory behind the stage is directory-local. Members of a fixture besides those of stage-test.h:
 *
 *   "groups":   the directory's groups.json
 *   "accounts": [ {…} ]   files of accounts that are there before the first round
 *   "set-password": "lost"   the directory is away when it is to take a password */

static gboolean
ad_account_test_lose(gpointer directory, const PvAccountSpec *spec, PvSecret *password,
    GCancellable *cancellable, GError **error)
{
	g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE, "it is away");
	return FALSE;
}

static void
ad_account_test_remove(gpointer data)
{
	g_autofree char *path = data;
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir)) {
		char *child = g_build_filename(path, name, NULL);
		if (g_file_test(child, G_FILE_TEST_IS_DIR)) {
			ad_account_test_remove(child);
			continue;
		}
		g_assert_cmpint(g_unlink(child), ==, 0);
		g_free(child);
	}
	g_assert_cmpint(g_rmdir(path), ==, 0);
}

static void
ad_account_test_write(const char *dir, const char *name, JsonNode *node)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_build_filename(dir, name, NULL);
	g_autofree char *text = json_to_string(node, FALSE);
	g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error);
	g_assert_no_error(error);
}

static void
ad_account_test_fill(const char *dir, JsonObject *fixture)
{
	g_autofree char *accounts = g_build_filename(dir, "accounts", NULL);
	g_assert_cmpint(g_mkdir(accounts, 0700), ==, 0);
	if (json_object_has_member(fixture, "groups"))
		ad_account_test_write(
		    dir, "groups.json", json_object_get_member(fixture, "groups"));
	JsonArray *list = json_object_has_member(fixture, "accounts")
			      ? json_object_get_array_member(fixture, "accounts")
			      : NULL;
	for (guint i = 0; list != NULL && i < json_array_get_length(list); i++) {
		JsonObject *account = json_array_get_object_element(list, i);
		g_autofree char *name =
		    g_strconcat(json_object_get_string_member(account, "uuid"), ".json", NULL);
		ad_account_test_write(accounts, name, json_array_get_element(list, i));
	}
}

static void
ad_account_test_prepare(PvSite *site, const char *dir, JsonObject *fixture)
{
	g_autoptr(GError) error = NULL;
	char *folder = g_dir_make_tmp("provost-directory-XXXXXX", &error);
	g_assert_no_error(error);
	ad_account_test_fill(folder, fixture);
	g_autofree char *libs =
	    g_test_build_filename(G_TEST_BUILT, "plugins", "directory-local", ".libs", NULL);
	PvLoader *loader = pv_loader_new((const char *const[]) { libs, NULL });
	const PvPlugin *plugin = pv_loader_load(loader, "directory-local", &error);
	g_assert_no_error(error);
	g_assert_nonnull(plugin);

	g_autofree char *text =
	    g_strdup_printf("{ \"path\": \"%s\", \"realm\": \"EXAMPLE.COM\" }", folder);
	g_autoptr(PvJson) json = pv_json_parse("site.json", text, -1, &error);
	g_assert_no_error(error);
	site->directory = pv_loader_find_directory(loader, "local");
	g_autoptr(PvValues) values =
	    pv_values_parse(json, "$", site->directory->params, NULL, &error);
	g_assert_no_error(error);
	site->directory_handle = site->directory->open(values, &error);
	g_assert_no_error(error);
	if (json_object_has_member(fixture, "set-password")) {
		PvDirectory *lossy = g_memdup2(site->directory, sizeof *site->directory);
		lossy->set_password = ad_account_test_lose;
		site->directory = lossy;
		g_test_queue_free(lossy);
	}
	/* the site closes the directory before these run */
	g_test_queue_destroy((GDestroyNotify)pv_loader_free, loader);
	g_test_queue_destroy(ad_account_test_remove, folder);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	stage_test_add("ad-account", ad_account_test_prepare);
	return g_test_run();
}
