/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/store-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UUID "4c4c4544-0042-4d10-8054-000000000001"
#define OTHER "4c4c4544-0042-4d10-8054-000000000002"
#define FIXTURE(path, test) \
	g_test_add(path, PvStoreFixture, NULL, pv_store_fixture_set_up, test, \
	    pv_store_fixture_tear_down)

static void
db_put(PvDb *db, const char *uuid, const char *name, const char *state, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) value = pv_secret_new(text, -1);
	g_assert_true(pv_db_put_secret(db, uuid, name, state, value, &error));
	g_assert_no_error(error);
}

static void
db_assert_secret(PvDb *db, const char *uuid, const char *name, const char *state, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) value = pv_db_dup_secret(db, uuid, name, state, &error);
	if (text == NULL) {
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_false(pv_db_has_secret(db, uuid, name, state));
		return;
	}
	g_assert_no_error(error);
	g_assert_cmpstr(pv_secret_peek(value, NULL), ==, text);
	g_assert_true(pv_db_has_secret(db, uuid, name, state));
}

/* @expected: the values, newest first, joined by spaces */
static void
db_assert_values(PvDb *db, const char *uuid, const char *name, const char *expected)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) values = pv_db_list_secret_values(db, uuid, name, &error);
	g_assert_no_error(error);
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; i < values->len; i++)
		g_string_append_printf(text, "%s%s", i > 0 ? " " : "",
		    pv_secret_peek(g_ptr_array_index(values, i), NULL));
	g_assert_cmpstr(text->str, ==, expected);
}

/* No password is ever lost: each step leaves the former value in reach. */
static void
db_test_secrets(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	PvDb *db = fixture->db;
	pv_store_fixture_add_device(db, UUID, "pc1");
	db_assert_secret(db, UUID, "admin", "current", NULL);
	g_assert_false(pv_db_confirm_secret(db, UUID, "admin", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_clear_error(&error);

	db_put(db, UUID, "admin", "pending", "one");
	db_assert_secret(db, UUID, "admin", "pending", "one");
	g_assert_true(pv_db_confirm_secret(db, UUID, "admin", &error));
	db_assert_secret(db, UUID, "admin", "pending", NULL);
	db_assert_secret(db, UUID, "admin", "current", "one");

	db_put(db, UUID, "admin", "pending", "two");
	db_put(db, UUID, "admin", "pending", "two"); /* the same again is no change */
	db_put(db, UUID, "admin", "pending", "three");
	db_assert_values(db, UUID, "admin", "three one two");
	g_assert_true(pv_db_confirm_secret(db, UUID, "admin", &error));
	db_assert_secret(db, UUID, "admin", "current", "three");
	db_assert_values(db, UUID, "admin", "three one two");

	pv_store_fixture_close(fixture);
	pv_store_fixture_open(fixture);
	db = fixture->db;
	db_assert_values(db, UUID, "admin", "three one two");
	db_assert_values(db, UUID, "mebx", "");
	g_assert_true(pv_db_delete_secret(db, UUID, "admin", "current", &error));
	db_assert_secret(db, UUID, "admin", "current", NULL);
	g_assert_true(pv_db_delete_secret(db, UUID, "admin", NULL, &error));
	db_assert_values(db, UUID, "admin", "");
}

static void
db_test_secret_names(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	pv_store_fixture_add_device(fixture->db, UUID, "pc1");
	db_put(fixture->db, UUID, "mebx", "current", "x");
	db_put(fixture->db, UUID, "admin", "pending", "x");
	db_put(fixture->db, UUID, "admin", "current", "y");
	db_put(fixture->db, "", "site", "current", "z");
	g_autoptr(GPtrArray) names = pv_db_list_secret_names(fixture->db, UUID, &error);
	g_assert_cmpuint(names->len, ==, 2);
	g_assert_cmpstr(g_ptr_array_index(names, 0), ==, "admin");
	g_assert_cmpstr(g_ptr_array_index(names, 1), ==, "mebx");
	g_autoptr(GPtrArray) site = pv_db_list_secret_names(fixture->db, "", &error);
	g_assert_cmpuint(site->len, ==, 1);

	/* a device that is not there has no secrets to lose */
	g_autoptr(PvSecret) value = pv_secret_new("x", -1);
	g_assert_false(pv_db_put_secret(fixture->db, OTHER, "admin", "current", value, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
}

/* Neither the store nor its log show a password, in clear or in Base64. */
static void
db_test_sealed_on_disk(PvStoreFixture *fixture, gconstpointer data)
{
	const char *name = data;
	g_autoptr(GError) error = NULL;
	pv_store_fixture_add_device(fixture->db, UUID, "findable-name");
	db_put(fixture->db, UUID, name, "pending", "Xy7!sealed-one");
	g_assert_true(pv_db_confirm_secret(fixture->db, UUID, name, &error));
	db_put(fixture->db, UUID, name, "current", "Xy7!sealed-two");
	for (guint round = 0; round < 2; round++) {
		g_assert_true(pv_store_fixture_has_bytes(fixture->path, "findable-name"));
		g_assert_true(pv_store_fixture_has_bytes(fixture->path, name));
		g_assert_false(pv_store_fixture_has_bytes(fixture->path, "sealed-one"));
		g_assert_false(pv_store_fixture_has_bytes(fixture->path, "sealed-two"));
		g_assert_false(pv_store_fixture_has_bytes(fixture->path, "Xy7!"));
		g_assert_false(pv_store_fixture_has_bytes(fixture->path, "WHk3IXNlYWxlZC1"));
		/* first in the WAL, then in the file itself */
		pv_store_fixture_close(fixture);
	}
	pv_store_fixture_open(fixture);
	db_assert_values(fixture->db, UUID, name, "Xy7!sealed-two Xy7!sealed-one");
}

static void
db_test_wrong_key(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	pv_store_fixture_close(fixture);
	g_autoptr(PvSecret) wrong = pv_store_fixture_new_key(2);
	g_autoptr(PvDb) db =
	    pv_db_open(&pv_store_sqlite, fixture->values, wrong, "test", &error);
	g_assert_null(db);
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "wrong master key"));
	g_clear_error(&error);

	g_autoptr(PvSecret) shorter = pv_secret_new("short", -1);
	db = pv_db_open(&pv_store_sqlite, fixture->values, shorter, "test", &error);
	g_assert_null(db);
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
}

/* A sealed value moved to another device or name does not open, and says so. */
static void
db_test_swapped(PvStoreFixture *fixture, gconstpointer data)
{
	pv_store_fixture_add_device(fixture->db, UUID, "pc1");
	pv_store_fixture_add_device(fixture->db, OTHER, "pc2");
	db_put(fixture->db, UUID, "admin", "current", "one");
	db_put(fixture->db, OTHER, "admin", "current", "two");
	pv_store_fixture_tamper(fixture->path,
	    "CREATE TEMP TABLE copy AS SELECT uuid, sealed FROM secret;"
	    "UPDATE secret SET sealed = (SELECT sealed FROM copy WHERE copy.uuid <> secret.uuid)");

	static const char *const uuids[] = { UUID, OTHER };
	for (guint i = 0; i < 2; i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *expected = g_strdup_printf(
		    "secret admin of %s: does not open: wrong key, or the store was changed",
		    uuids[i]);
		g_autoptr(PvSecret) value =
		    pv_db_dup_secret(fixture->db, uuids[i], "admin", "current", &error);
		g_assert_null(value);
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_cmpstr(error->message, ==, expected);
		g_clear_error(&error);
		g_assert_null(pv_db_list_secret_values(fixture->db, uuids[i], "admin", &error));
		g_assert_nonnull(error);
	}
	/* a damaged value does not hide the good ones */
	db_put(fixture->db, UUID, "admin", "current", "three");
	db_assert_values(fixture->db, UUID, "admin", "three");
}

static void
db_test_rotate(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	PvDb *db = fixture->db;
	pv_store_fixture_add_device(db, UUID, "pc1");
	db_put(db, UUID, "admin", "current", "one");
	db_put(db, UUID, "admin", "current", "two");
	db_put(db, UUID, "mebx", "pending", "three");
	db_put(db, "", "site", "current", "four");
	/* another process that goes on with the old key */
	g_autoptr(PvDb) old =
	    pv_db_open(&pv_store_sqlite, fixture->values, fixture->key, "old", &error);
	g_assert_no_error(error);

	g_autoptr(PvSecret) new_key = pv_store_fixture_new_key(100);
	g_assert_true(pv_db_rotate_key(db, new_key, &error));
	g_assert_no_error(error);
	db_assert_values(db, UUID, "admin", "two one");
	db_put(db, UUID, "admin", "current", "five");

	/* it can neither read nor, worse, write what nobody could read */
	g_autoptr(PvSecret) value = pv_secret_new("lost", -1);
	g_assert_null(pv_db_dup_secret(old, UUID, "mebx", "pending", &error));
	g_clear_error(&error);
	g_assert_false(pv_db_put_secret(old, UUID, "mebx", "pending", value, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "new master key"));
	g_clear_error(&error);
	g_assert_false(pv_db_rotate_key(old, new_key, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_clear_error(&error);
	g_clear_pointer(&old, pv_db_unref);
	pv_store_fixture_close(fixture);

	db = pv_db_open(&pv_store_sqlite, fixture->values, fixture->key, "test", &error);
	g_assert_null(db);
	g_clear_error(&error);
	pv_secret_unref(fixture->key);
	fixture->key = g_steal_pointer(&new_key);
	pv_store_fixture_open(fixture);
	db_assert_values(fixture->db, UUID, "admin", "five two one");
	db_assert_secret(fixture->db, UUID, "mebx", "pending", "three");
	db_assert_secret(fixture->db, "", "site", "current", "four");
	/* the chain goes over the rotation */
	g_assert_true(pv_db_verify_audit(fixture->db, NULL, &error));
	g_assert_no_error(error);
}

/* When one value does not open, nothing is rotated. */
static void
db_test_rotate_damaged(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	pv_store_fixture_add_device(fixture->db, UUID, "pc1");
	db_put(fixture->db, UUID, "admin", "current", "one");
	db_put(fixture->db, UUID, "mebx", "current", "two");
	pv_store_fixture_tamper(fixture->path, "UPDATE secret SET sealed = x'01' WHERE name = 'mebx'");
	g_autoptr(PvSecret) new_key = pv_store_fixture_new_key(100);
	g_assert_false(pv_db_rotate_key(fixture->db, new_key, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "secret mebx of " UUID));
	db_assert_secret(fixture->db, UUID, "admin", "current", "one");
	pv_store_fixture_close(fixture);
	pv_store_fixture_open(fixture);
}

typedef struct {
	PvDb *db;
	char *uuid;
	guint count;
} DbChanger;

static gpointer
db_change_thread(gpointer data)
{
	DbChanger *changer = data;
	for (guint i = 0; i < changer->count; i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *text = g_strdup_printf("v%u", i);
		db_put(changer->db, changer->uuid, "admin", "pending", text);
		g_assert_true(pv_db_confirm_secret(changer->db, changer->uuid, "admin", &error));
	}
	return NULL;
}

/* Secrets change on many threads while the key is rotated; each ends with all its values. */
static void
db_test_rotate_busy(PvStoreFixture *fixture, gconstpointer data)
{
	DbChanger changers[8];
	GThread *threads[8];
	for (guint i = 0; i < 8; i++) {
		changers[i] = (DbChanger) {
			.db = fixture->db, .uuid = pv_store_fixture_make_uuid(i), .count = 10
		};
		pv_store_fixture_add_device(fixture->db, changers[i].uuid, "pc");
		threads[i] = g_thread_new("change", db_change_thread, &changers[i]);
	}
	for (guint8 round = 1; round <= 5; round++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(PvSecret) key = pv_store_fixture_new_key((guint8)(round * 10));
		g_assert_true(pv_db_rotate_key(fixture->db, key, &error));
		g_assert_no_error(error);
	}
	for (guint i = 0; i < 8; i++) {
		g_thread_join(threads[i]);
		db_assert_values(
		    fixture->db, changers[i].uuid, "admin", "v9 v8 v7 v6 v5 v4 v3 v2 v1 v0");
		g_free(changers[i].uuid);
	}
	g_autoptr(GError) error = NULL;
	g_assert_true(pv_db_verify_audit(fixture->db, NULL, &error));
	g_assert_no_error(error);
}

/* Audit log */

static void
db_fill_audit(PvStoreFixture *fixture, gint64 *count)
{
	g_autoptr(GError) error = NULL;
	for (guint i = 0; i < 10; i++)
		g_assert_true(pv_db_audit(fixture->db, "test", UUID, &error, "entry %u", i));
	g_assert_true(pv_db_verify_audit(fixture->db, count, &error));
	g_assert_no_error(error);
}

static void
db_test_audit(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	gint64 count = 0;
	db_fill_audit(fixture, &count);
	g_assert_cmpint(count, ==, 11);
	g_assert_true(pv_db_audit(fixture->db, "odd", "", &error, "not UTF-8: \xff"));
	pv_store_fixture_close(fixture);
	pv_store_fixture_open(fixture);
	g_assert_true(pv_db_verify_audit(fixture->db, &count, &error));
	g_assert_no_error(error);
	g_assert_cmpint(count, ==, 12);

	g_autoptr(GPtrArray) rows = pv_db_list_audits(fixture->db, 0, 2, &error);
	g_assert_cmpuint(rows->len, ==, 2);
	const PvAuditRow *first = g_ptr_array_index(rows, 0);
	g_assert_cmpint(first->seq, ==, 1);
	g_assert_cmpstr(first->action, ==, "store-create");
	g_assert_cmpstr(first->actor, ==, "uid 0 (root) test");
}

typedef struct {
	const char *name;
	const char *sql;    /* what is done to the log behind the store's back */
	const char *before; /* what verify then says */
	const char *after;  /* and still says when more was written; NULL: the same */
} DbTampering;

/* the log has 11 entries */
static const DbTampering db_tamperings[] = {
	{ "text", "UPDATE audit SET text = 'x' WHERE seq = 5", "entry 5 was changed", NULL },
	{ "time", "UPDATE audit SET time_usec = time_usec + 1 WHERE seq = 1", "entry 1 was changed", NULL },
	{ "actor-gone", "UPDATE audit SET actor = NULL WHERE seq = 7", "entry 7 was changed", NULL },
	{ "deleted", "DELETE FROM audit WHERE seq = 4", "entry 4 is missing", NULL },
	{ "first-deleted", "DELETE FROM audit WHERE seq = 1", "entry 1 is missing", NULL },
	{ "renumbered", "DELETE FROM audit WHERE seq = 4; UPDATE audit SET seq = -seq WHERE seq > 4;"
	  "UPDATE audit SET seq = -seq - 1 WHERE seq < 0", "entry 4 was changed", NULL },
	{ "cut-off", "DELETE FROM audit WHERE seq > 8", "entry 9 is missing", NULL },
	{ "all-gone", "DELETE FROM audit", "entry 1 is missing", NULL },
	{ "added", "INSERT INTO audit SELECT seq + 1, time_usec, actor, action, object, text, hash FROM audit"
	  " WHERE seq = 11", "entry 12 was changed", NULL },
	{ "tail-gone", "DELETE FROM audit WHERE seq > 8; DELETE FROM meta WHERE name = 'audit-tail'",
	  "the record of the last entry is missing", "entry 9 was changed, or does not follow" },
	{ "tail-forged", "DELETE FROM audit WHERE seq > 8; UPDATE meta SET value = '8 ' ||"
	  " (SELECT hash FROM audit WHERE seq = 8) || ' 00' WHERE name = 'audit-tail'",
	  "the record of the last entry is missing", "entry 9 was changed, or does not follow" },
	{ "everything-gone", "DELETE FROM audit; DELETE FROM meta WHERE name = 'audit-tail'",
	  "the record of the last entry is missing", "entry 1 was changed, or does not follow" },
};

static void
db_assert_tampered(PvDb *db, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_assert_false(pv_db_verify_audit(db, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_FAILED);
	if (strstr(error->message, text) == NULL)
		g_error("\"%s\" does not say \"%s\"", error->message, text);
}

static void
db_test_tampering(PvStoreFixture *fixture, gconstpointer data)
{
	const DbTampering *tampering = data;
	g_autoptr(GError) error = NULL;
	gint64 count = 0;
	db_fill_audit(fixture, &count);
	g_assert_cmpint(count, ==, 11);
	pv_store_fixture_tamper(fixture->path, tampering->sql);
	db_assert_tampered(fixture->db, tampering->before);

	/* the work goes on, and covers nothing up */
	pv_store_fixture_close(fixture);
	pv_store_fixture_open(fixture);
	for (guint i = 0; i < 3; i++)
		g_assert_true(pv_db_audit(fixture->db, "later", "", &error, "x"));
	db_assert_tampered(
	    fixture->db, tampering->after != NULL ? tampering->after : tampering->before);
}

/* Finding devices */

static void
db_test_find_device(PvStoreFixture *fixture, gconstpointer data)
{
	static const struct {
		const char *word;
		const char *uuid; /* NULL: none */
	} cases[] = {
		{ UUID, UUID },
		{ "{4C4C4544-0042-4D10-8054-000000000001}", UUID },
		{ "4C4C454400424D108054000000000001", UUID },
		{ "pc1.EXAMPLE.com", UUID },
		{ "PC1", UUID },
		{ "pc", NULL },
		{ "4c4c4544-0042-4d10-8054-00000000000f", NULL },
		{ "pc%", NULL },
		{ "", NULL },
	};
	pv_store_fixture_add_device(fixture->db, UUID, "pc1");
	pv_store_fixture_add_device(fixture->db, OTHER, "pc2");
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(PvDeviceRow) row = pv_db_find_device(fixture->db, cases[i].word, &error);
		g_assert_cmpstr(row != NULL ? row->uuid : NULL, ==, cases[i].uuid);
		if (row == NULL)
			g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	}

	g_autoptr(GError) error = NULL;
	PvDeviceRow namesake = {
		.uuid = (char *)"4c4c4544-0042-4d10-8054-000000000003",
		.name = (char *)"pc1",
		.fqdn = (char *)"pc1.example.net",
	};
	const PvWrite write = { .kind = PV_WRITE_DEVICE, .device = &namesake };
	g_assert_true(pv_db_write(fixture->db, &write, 1, &error));
	g_autoptr(PvDeviceRow) row = pv_db_find_device(fixture->db, "pc1", &error);
	g_assert_null(row);
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "pc1.example.net"));
	g_assert_nonnull(strstr(error->message, UUID));
	g_autoptr(PvDeviceRow) exact = pv_db_find_device(fixture->db, "pc1.example.net", NULL);
	g_assert_cmpstr(exact->uuid, ==, namesake.uuid);
}

/* Key files */

static char *
db_write_key(PvStoreFixture *fixture, const char *text, gssize length, int mode)
{
	g_autoptr(GError) error = NULL;
	char *path = g_build_filename(fixture->folder, "key", NULL);
	g_remove(path);
	g_assert_true(g_file_set_contents_full(
	    path, text, length, G_FILE_SET_CONTENTS_NONE, mode, &error));
	g_chmod(path, (mode_t)mode);
	return path;
}

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"

static void
db_test_key_files(PvStoreFixture *fixture, gconstpointer data)
{
	static const char raw[] = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
				  "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f";
	static const struct {
		const char *text;
		gssize length;
		int mode;
		const char *problem; /* NULL: good */
	} cases[] = {
		{ HEX, -1, 0600, NULL },
		{ HEX "\n", -1, 0400, NULL },
		{ HEX "\r\n", -1, 0600, NULL },
		{ raw, 32, 0600, NULL },
		{ HEX, -1, 0640, "chmod 0600" },
		{ HEX, -1, 0604, "chmod 0600" },
		{ "", 0, 0600, "neither 32 bytes nor 64 hex digits" },
		{ raw, 31, 0600, "neither 32 bytes nor 64 hex digits" },
		{ HEX "0", -1, 0600, "neither 32 bytes nor 64 hex digits" },
		{ HEX "\n\n", -1, 0600, "neither 32 bytes nor 64 hex digits" },
		{ "g" HEX, 64, 0600, "neither 32 bytes nor 64 hex digits" },
	};
	g_autoptr(PvSecret) expected = pv_secret_new(raw, 32);
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *path =
		    db_write_key(fixture, cases[i].text, cases[i].length, cases[i].mode);
		g_autoptr(PvSecret) key = pv_key_load(path, &error);
		if (cases[i].problem == NULL) {
			g_assert_no_error(error);
			g_assert_true(pv_secret_equal(key, expected));
			continue;
		}
		g_assert_null(key);
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_nonnull(strstr(error->message, path));
		g_assert_nonnull(strstr(error->message, cases[i].problem));
	}

	g_autoptr(GError) error = NULL;
	g_assert_null(pv_key_load("/nonexistent/key", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_clear_error(&error);
	g_assert_null(pv_key_load(fixture->folder, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
}

static void
db_test_key_create(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_build_filename(fixture->folder, "key", NULL);
	g_autofree char *other = g_build_filename(fixture->folder, "other", NULL);
	g_assert_true(pv_key_create(path, &error));
	g_assert_no_error(error);
	g_assert_true(pv_key_create(other, &error));
	struct stat status;
	g_assert_cmpint(stat(path, &status), ==, 0);
	g_assert_cmpint(status.st_mode & 07777, ==, 0600);
	g_autoptr(PvSecret) key = pv_key_load(path, &error);
	g_autoptr(PvSecret) another = pv_key_load(other, &error);
	g_assert_no_error(error);
	g_assert_false(pv_secret_equal(key, another));

	g_assert_false(pv_key_create(path, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_autoptr(PvSecret) again = pv_key_load(path, NULL);
	g_assert_true(pv_secret_equal(key, again));
}

static void
db_test_key_credential(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_unsetenv("CREDENTIALS_DIRECTORY");
	g_assert_null(pv_key_load("credential:key", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "CREDENTIALS_DIRECTORY"));
	g_clear_error(&error);

	g_setenv("CREDENTIALS_DIRECTORY", fixture->folder, TRUE);
	/* systemd's access list shows as the group's bit */
	g_autofree char *path = db_write_key(fixture, HEX, -1, 0440);
	g_autoptr(PvSecret) key = pv_key_load("credential:key", &error);
	g_assert_no_error(error);
	g_assert_nonnull(key);
	g_assert_null(pv_key_load("credential:../key", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_unsetenv("CREDENTIALS_DIRECTORY");
}

/* Owners */

static char *
db_change_word(const char *owner, guint at, const char *word)
{
	g_auto(GStrv) words = g_strsplit(owner, " ", -1);
	g_assert_cmpuint(g_strv_length(words), ==, 4);
	g_free(words[at]);
	words[at] = g_strdup(word);
	return g_strjoinv(" ", words);
}

static void
db_test_owners(void)
{
	g_autofree char *self = pv_owner_new();
	g_autofree char *elsewhere = db_change_word(self, 0, "elsewhere");
	g_autofree char *rebooted = db_change_word(self, 1, "0b007ed0-0000-0000-0000-000000000000:1");
	g_auto(GStrv) words = g_strsplit(self, " ", -1);
	g_autofree char *namespace = g_strdup_printf("%.36s:1", words[1]);
	g_autofree char *inside = db_change_word(self, 1, namespace);
	g_autofree char *gone = db_change_word(self, 2, "2147483646");
	g_autofree char *reused = db_change_word(self, 3, "1");
	g_autofree char *unknown_start = db_change_word(self, 3, "0");
	char *owners[] = { self, elsewhere, rebooted, inside, gone, reused, unknown_start,
		(char *)"", (char *)"a b c", (char *)"a b -1 d", NULL };
	g_auto(GStrv) dead = pv_owner_find_dead(owners);
	gboolean localhost = g_str_has_prefix(words[0], "localhost");
	const char *const expected[] = { localhost ? gone : rebooted, localhost ? reused : gone,
		localhost ? NULL : reused, NULL };
	g_assert_cmpstrv(dead, expected);
}

/* A process that has ended holds nothing, though its parent has not asked for its status yet. */
static void
db_test_zombie_owner(void)
{
	g_autoptr(GError) error = NULL;
	char *argv[] = { (char *)"true", NULL };
	GPid child = 0;
	g_spawn_async(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
	    &child, &error);
	g_assert_no_error(error);
	siginfo_t info;
	g_assert_cmpint(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), ==, 0);

	g_autofree char *self = pv_owner_new();
	g_autofree char *pid = g_strdup_printf("%d", (int)child);
	g_autofree char *same_pid = db_change_word(self, 2, pid);
	g_autofree char *zombie = db_change_word(same_pid, 3, "0");
	char *owners[] = { zombie, NULL };
	g_auto(GStrv) dead = pv_owner_find_dead(owners);
	g_assert_cmpstr(dead[0], ==, zombie);
	g_assert_cmpint(pv_store_fixture_wait(child), ==, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	FIXTURE("/store/db/secrets", db_test_secrets);
	FIXTURE("/store/db/secret-names", db_test_secret_names);
	g_test_add("/requirements/S12-12.3/mebx-password-sealed", PvStoreFixture, "mebx",
	    pv_store_fixture_set_up, db_test_sealed_on_disk, pv_store_fixture_tear_down);
	g_test_add("/requirements/S12-12.4/admin-password-sealed", PvStoreFixture, "admin",
	    pv_store_fixture_set_up, db_test_sealed_on_disk, pv_store_fixture_tear_down);
	FIXTURE("/store/db/wrong-key", db_test_wrong_key);
	FIXTURE("/store/db/swapped-secrets", db_test_swapped);
	FIXTURE("/store/db/rotate", db_test_rotate);
	FIXTURE("/store/db/rotate-damaged", db_test_rotate_damaged);
	FIXTURE("/store/db/rotate-busy", db_test_rotate_busy);
	FIXTURE("/store/audit/chain", db_test_audit);
	for (guint i = 0; i < G_N_ELEMENTS(db_tamperings); i++) {
		g_autofree char *path =
		    g_strdup_printf("/store/audit/tampered/%s", db_tamperings[i].name);
		g_test_add(path, PvStoreFixture, &db_tamperings[i], pv_store_fixture_set_up,
		    db_test_tampering, pv_store_fixture_tear_down);
	}
	FIXTURE("/store/db/find-device", db_test_find_device);
	FIXTURE("/store/key/files", db_test_key_files);
	FIXTURE("/store/key/create", db_test_key_create);
	FIXTURE("/store/key/credential", db_test_key_credential);
	g_test_add_func("/store/owner/dead", db_test_owners);
	g_test_add_func("/store/owner/zombie", db_test_zombie_owner);
	return g_test_run();
}
