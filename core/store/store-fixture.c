/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/store-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

PvSecret *
pv_store_fixture_new_key(guint8 fill)
{
	guint8 key[32];
	for (guint i = 0; i < sizeof key; i++)
		key[i] = (guint8)(fill + i);
	return pv_secret_new(key, sizeof key);
}

PvValues *
pv_store_fixture_new_values(const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *text = g_strdup_printf("{\"path\": \"%s\"}", path);
	g_autoptr(PvJson) json = pv_json_parse("test.json", text, -1, &error);
	g_assert_no_error(error);
	PvValues *values = pv_values_parse(json, "$", pv_store_sqlite.params, NULL, &error);
	g_assert_no_error(error);
	return values;
}

void
pv_store_fixture_open(PvStoreFixture *fixture)
{
	g_autoptr(GError) error = NULL;
	fixture->db =
	    pv_db_open(&pv_store_sqlite, fixture->values, fixture->key, "uid 0 (root) test", &error);
	g_assert_no_error(error);
	g_assert_nonnull(fixture->db);
}

void
pv_store_fixture_close(PvStoreFixture *fixture)
{
	g_clear_pointer(&fixture->db, pv_db_unref);
}

void
pv_store_fixture_join(PvStoreFixture *fixture, const char *path)
{
	fixture->path = g_strdup(path);
	fixture->key = pv_store_fixture_new_key(1);
	fixture->values = pv_store_fixture_new_values(path);
	pv_store_fixture_open(fixture);
}

void
pv_store_fixture_set_up(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	fixture->folder = g_dir_make_tmp("provost-store-XXXXXX", &error);
	g_assert_no_error(error);
	g_autofree char *path = g_build_filename(fixture->folder, "store.db", NULL);
	pv_store_fixture_join(fixture, path);
}

void
pv_store_fixture_tear_down(PvStoreFixture *fixture, gconstpointer data)
{
	pv_store_fixture_close(fixture);
	GDir *dir = fixture->folder != NULL ? g_dir_open(fixture->folder, 0, NULL) : NULL;
	for (const char *name = dir != NULL ? g_dir_read_name(dir) : NULL; name != NULL;
	     name = g_dir_read_name(dir)) {
		g_autofree char *file = g_build_filename(fixture->folder, name, NULL);
		g_remove(file);
	}
	g_clear_pointer(&dir, g_dir_close);
	if (fixture->folder != NULL)
		g_rmdir(fixture->folder);
	g_clear_pointer(&fixture->folder, g_free);
	g_clear_pointer(&fixture->path, g_free);
	g_clear_pointer(&fixture->values, pv_values_unref);
	g_clear_pointer(&fixture->key, pv_secret_unref);
}

char *
pv_store_fixture_make_uuid(guint i)
{
	return g_strdup_printf("4c4c4544-0042-4d10-8054-%012x", i);
}

void
pv_store_fixture_add_device(PvDb *db, const char *uuid, const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *fqdn = g_strdup_printf("%s.example.com", name);
	const PvDeviceRow row = {
		.uuid = (char *)uuid, .name = (char *)name, .fqdn = fqdn, .status = (char *)"Unknown"
	};
	const PvWrite write = { .kind = PV_WRITE_DEVICE, .device = &row };
	g_assert_true(pv_db_write(db, &write, 1, &error));
	g_assert_no_error(error);
}

void
pv_store_fixture_tamper(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
	sqlite3_busy_timeout(db, PV_SQLITE_BUSY_MSEC);
	char *problem = NULL;
	sqlite3_exec(db, sql, NULL, NULL, &problem);
	g_assert_cmpstr(problem, ==, NULL);
	sqlite3_close(db);
}

gint64
pv_store_fixture_ask(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *statement = NULL;
	g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
	g_assert_cmpint(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), ==, SQLITE_OK);
	gint64 number = 0;
	if (sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

static gboolean
fixture_contains(const char *text, gsize length, const char *bytes)
{
	gsize wanted = strlen(bytes);
	for (gsize at = 0; at + wanted <= length; at++) {
		if (memcmp(text + at, bytes, wanted) == 0)
			return TRUE;
	}
	return FALSE;
}

gboolean
pv_store_fixture_has_bytes(const char *path, const char *bytes)
{
	static const char *const endings[] = { "", "-wal", "-shm", NULL };
	gboolean found = FALSE;
	for (const char *const *ending = endings; *ending != NULL; ending++) {
		g_autofree char *file = g_strconcat(path, *ending, NULL);
		g_autofree char *text = NULL;
		gsize length = 0;
		if (g_file_get_contents(file, &text, &length, NULL))
			found = found || fixture_contains(text, length, bytes);
	}
	return found;
}

GPid
pv_store_fixture_spawn(const char *mode, const char *path, FILE **out)
{
	g_autoptr(GError) error = NULL;
	/* not argv[0]: that may be libtool's script, which is not the process to be killed */
	char *argv[] = { (char *)"/proc/self/exe", (char *)"--child", (char *)mode, (char *)path, NULL };
	g_autofree char *program = g_file_read_link("/proc/self/exe", &error);
	g_assert_no_error(error);
	argv[0] = program;
	GPid child = 0;
	int fd = -1;
	g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &child,
	    NULL, &fd, NULL, &error);
	g_assert_no_error(error);
	*out = fdopen(fd, "r");
	return child;
}

int
pv_store_fixture_wait(GPid child)
{
	int status = 0;
	while (waitpid(child, &status, 0) < 0)
		continue;
	g_spawn_close_pid(child);
	return status;
}
