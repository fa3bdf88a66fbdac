/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/json.h"
#include "core/engine/loader.h"

#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DIRECTORY_TEST_UUID "d2ffc23e-9dd1-412d-860a-54b2039b72ff"
#define DIRECTORY_TEST_OTHER "3a7c0a0e-11f7-4d64-b3f5-2f9c3e9b0a11"

static const char *const directory_test_spns[] = { "HTTP/pc1.example.com:16992",
	"HTTP/pc1.example.com:16993", NULL };
static const char *const directory_test_none[] = { NULL };

/* A folder, and the provider as the loader gives it. */
typedef struct {
	char *dir; /* owned: temporary */
	PvLoader *loader; /* owned */
	const PvDirectory *directory; /* the loader's */
	gpointer handle; /* owned */
} DirectoryTest;

/* NULL: with the error */
static gpointer
directory_test_try_open(const DirectoryTest *test, GError **error)
{
	g_autofree char *text =
	    g_strdup_printf("{ \"path\": \"%s\", \"realm\": \"example.com\" }", test->dir);
	g_autoptr(GError) local_error = NULL;
	g_autoptr(PvJson) json = pv_json_parse("site.json", text, -1, &local_error);
	g_assert_no_error(local_error);
	g_autoptr(PvValues) values =
	    pv_values_parse(json, "$", test->directory->params, NULL, &local_error);
	g_assert_no_error(local_error);
	return test->directory->open(values, error);
}

static void
directory_test_open(DirectoryTest *test)
{
	g_autoptr(GError) error = NULL;
	test->directory->close(test->handle);
	test->handle = directory_test_try_open(test, &error);
	g_assert_no_error(error);
	g_assert_nonnull(test->handle);
}

static void
directory_test_set_up(DirectoryTest *test, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	test->dir = g_dir_make_tmp("provost-directory-XXXXXX", &error);
	g_assert_no_error(error);
	g_autofree char *libs =
	    g_test_build_filename(G_TEST_BUILT, "plugins", "directory-local", ".libs", NULL);
	test->loader = pv_loader_new((const char *const[]) { libs, NULL });
	const PvPlugin *plugin = pv_loader_load(test->loader, "directory-local", &error);
	g_assert_no_error(error);
	g_assert_nonnull(plugin);
	test->directory = pv_loader_find_directory(test->loader, "local");
	g_assert_nonnull(test->directory);
	directory_test_open(test);
}

static void
directory_test_remove(const char *path)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	for (const char *name = dir == NULL ? NULL : g_dir_read_name(dir); name != NULL;
	     name = g_dir_read_name(dir)) {
		g_autofree char *child = g_build_filename(path, name, NULL);
		if (g_file_test(child, G_FILE_TEST_IS_DIR))
			directory_test_remove(child);
		else
			g_assert_cmpint(g_unlink(child), ==, 0);
	}
	g_assert_cmpint(g_rmdir(path), ==, 0);
}

static void
directory_test_tear_down(DirectoryTest *test, gconstpointer data)
{
	test->directory->close(test->handle);
	directory_test_remove(test->dir);
	g_free(test->dir);
	pv_loader_free(test->loader);
}

static PvAccountSpec
directory_test_spec(void)
{
	return (PvAccountSpec) { .uuid = DIRECTORY_TEST_UUID,
		.name = "pc1$iME",
		.fqdn = "pc1.example.com",
		.ou = "OU=AMT,DC=example,DC=com",
		.spns = directory_test_spns,
		.groups = directory_test_none };
}

static PvAccount *
directory_test_ensure(const DirectoryTest *test, const PvAccountSpec *spec)
{
	g_autoptr(GError) error = NULL;
	PvAccount *account = NULL;
	g_assert_true(test->directory->ensure(test->handle, spec, &account, NULL, &error));
	g_assert_no_error(error);
	g_assert_nonnull(account);
	return account;
}

static void
directory_test_assert_refused(
    const DirectoryTest *test, const PvAccountSpec *spec, PvError code, const char *const *parts)
{
	g_autoptr(GError) error = NULL;
	PvAccount *account = NULL;
	g_assert_false(test->directory->ensure(test->handle, spec, &account, NULL, &error));
	g_assert_error(error, PV_ERROR, (int)code);
	g_assert_null(account);
	for (guint i = 0; parts[i] != NULL; i++)
		if (strstr(error->message, parts[i]) == NULL)
			g_error("\"%s\" does not say \"%s\"", error->message, parts[i]);
}

static char *
directory_test_read(const DirectoryTest *test, const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_build_filename(test->dir, name, NULL);
	char *text = NULL;
	g_file_get_contents(path, &text, NULL, &error);
	g_assert_no_error(error);
	return text;
}

static void
directory_test_write(const DirectoryTest *test, const char *name, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_build_filename(test->dir, name, NULL);
	g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error);
	g_assert_no_error(error);
}

static void
directory_test_creates(DirectoryTest *test, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	PvAccountSpec spec = directory_test_spec();
	g_autoptr(PvAccount) none = NULL;
	g_assert_true(test->directory->find(test->handle, &spec, &none, NULL, &error));
	g_assert_null(none);

	g_autoptr(PvAccount) made = directory_test_ensure(test, &spec);
	g_assert_cmpstr(made->dn, ==, "CN=pc1$iME,OU=AMT,DC=example,DC=com");
	g_assert_cmpstr(made->account, ==, "pc1$iME");
	g_assert_cmpstr(made->realm, ==, "EXAMPLE.COM");
	g_assert_cmpstr(made->salt, ==, "EXAMPLE.COMpc1$iME");
	g_assert_cmpuint(made->kvno, ==, 0);
	g_assert_true(g_strv_equal((const char *const *)made->spns, directory_test_spns));
	g_assert_true(
	    g_regex_match_simple("^S-1-5-21-[0-9]+-[0-9]+-[0-9]+-[0-9]+$", made->sid, 0, 0));

	/* again, also by another process: the same account, no file touched */
	g_autofree char *path =
	    g_build_filename(test->dir, "accounts", DIRECTORY_TEST_UUID ".json", NULL);
	GStatBuf before, after;
	g_assert_cmpint(g_stat(path, &before), ==, 0);
	g_assert_cmpint(before.st_mode & 07777, ==, 0600);
	directory_test_open(test);
	g_autoptr(PvAccount) again = directory_test_ensure(test, &spec);
	g_assert_cmpstr(again->sid, ==, made->sid);
	g_assert_cmpint(g_stat(path, &after), ==, 0);
	g_assert_cmpuint(before.st_ino, ==, after.st_ino);
	g_autoptr(PvAccount) found = NULL;
	g_assert_true(test->directory->find(test->handle, &spec, &found, NULL, &error));
	g_assert_cmpstr(found->sid, ==, made->sid);
}

static void
directory_test_spn_is_unique(DirectoryTest *test, gconstpointer data)
{
	PvAccountSpec spec = directory_test_spec();
	g_autoptr(PvAccount) first = directory_test_ensure(test, &spec);
	const char *const spns[] = { "HTTP/pc2.example.com:16992", "http/PC1.example.com:16993",
		NULL };
	PvAccountSpec other = directory_test_spec();
	other.uuid = DIRECTORY_TEST_OTHER;
	other.name = "pc2$iME";
	other.spns = spns;
	directory_test_assert_refused(test, &other, PV_ERROR_REJECTED,
	    (const char *const[]) { "CN=pc1$iME,OU=AMT,DC=example,DC=com",
		"CN=pc2$iME,OU=AMT,DC=example,DC=com", NULL });

	other.spns = directory_test_none;
	other.name = "PC1$iME";
	directory_test_assert_refused(
	    test, &other, PV_ERROR_REJECTED, (const char *const[]) { DIRECTORY_TEST_UUID, NULL });

	/* the account is gone, its SPNs are free */
	g_autoptr(GError) error = NULL;
	g_assert_true(test->directory->remove(test->handle, &spec, NULL, &error));
	other.spns = spns;
	g_autoptr(PvAccount) second = directory_test_ensure(test, &other);
	g_assert_cmpstr(second->sid, !=, first->sid);
	g_assert_true(test->directory->remove(test->handle, &spec, NULL, &error));
	g_assert_no_error(error);
}

static void
directory_test_password(DirectoryTest *test, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) password = pv_secret_new("Sup3r-geheim!", -1);
	PvAccountSpec spec = directory_test_spec();
	g_assert_false(test->directory->set_password(test->handle, &spec, password, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	g_clear_error(&error);

	g_autoptr(PvAccount) made = directory_test_ensure(test, &spec);
	for (guint kvno = 1; kvno <= 2; kvno++) {
		g_autoptr(PvAccount) found = NULL;
		g_assert_true(
		    test->directory->set_password(test->handle, &spec, password, NULL, &error));
		g_assert_true(test->directory->find(test->handle, &spec, &found, NULL, &error));
		g_assert_no_error(error);
		g_assert_cmpuint(found->kvno, ==, kvno);
	}

	g_autofree char *text = directory_test_read(test, "accounts/" DIRECTORY_TEST_UUID ".json");
	g_assert_null(strstr(text, "geheim"));
	const char *verifier = strstr(text, "pbkdf2-sha256:");
	g_assert_nonnull(verifier);
	guint iterations = 0;
	char salt_hex[33] = "", hash_hex[65] = "";
	g_assert_cmpint(sscanf(verifier, "pbkdf2-sha256:%u:%32[0-9a-f]:%64[0-9a-f]", &iterations,
			    salt_hex, hash_hex),
	    ==, 3);
	guint8 salt[16], hash[32];
	for (guint i = 0; i < sizeof salt; i++)
		salt[i] = (guint8)(g_ascii_xdigit_value(salt_hex[2 * i]) * 16 +
				   g_ascii_xdigit_value(salt_hex[2 * i + 1]));
	g_assert_cmpint(PKCS5_PBKDF2_HMAC("Sup3r-geheim!", 13, salt, sizeof salt, (int)iterations,
			    EVP_sha256(), sizeof hash, hash),
	    ==, 1);
	GString *expected = g_string_new(NULL);
	for (guint i = 0; i < sizeof hash; i++)
		g_string_append_printf(expected, "%02x", hash[i]);
	g_assert_cmpstr(hash_hex, ==, expected->str);
	g_string_free(expected, TRUE);

	/* a new name changes the salt with the next password only */
	spec.name = "pc9$iME";
	g_autoptr(PvAccount) renamed = directory_test_ensure(test, &spec);
	g_assert_cmpstr(renamed->sid, ==, made->sid);
	g_assert_cmpstr(renamed->dn, ==, "CN=pc9$iME,OU=AMT,DC=example,DC=com");
	g_assert_cmpstr(renamed->salt, ==, "EXAMPLE.COMpc1$iME");
	g_assert_true(test->directory->set_password(test->handle, &spec, password, NULL, &error));
	g_autoptr(PvAccount) rekeyed = NULL;
	g_assert_true(test->directory->find(test->handle, &spec, &rekeyed, NULL, &error));
	g_assert_cmpstr(rekeyed->salt, ==, "EXAMPLE.COMpc9$iME");
	g_assert_cmpuint(rekeyed->kvno, ==, 3);
}

static void
directory_test_bad_names(DirectoryTest *test, gconstpointer data)
{
	static const char *const names[] = { "", "../../etc/passwd", "a/b", "a,CN=b", "a\\b",
		"a\"b", "a b", "a\n", ".hidden", "-x", "pc\303\244", "twenty-one-characters" };
	PvAccountSpec spec = directory_test_spec();
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		spec.name = names[i];
		directory_test_assert_refused(
		    test, &spec, PV_ERROR_CONFIG, (const char *const[]) { "letters", NULL });
	}
	spec = directory_test_spec();
	static const char *const uuids[] = { "", "../domain",
		"d2ffc23e-9dd1-412d-860a-54b2039b72f/" };
	for (guint i = 0; i < G_N_ELEMENTS(uuids); i++) {
		spec.uuid = uuids[i];
		directory_test_assert_refused(
		    test, &spec, PV_ERROR_CONFIG, (const char *const[]) { "UUID", NULL });
		g_autoptr(GError) error = NULL;
		g_assert_false(test->directory->remove(test->handle, &spec, NULL, &error));
	}
	spec = directory_test_spec();
	spec.ou = "AMT";
	directory_test_assert_refused(
	    test, &spec, PV_ERROR_CONFIG, (const char *const[]) { "must be a DN", NULL });
	g_autofree char *domain = directory_test_read(test, "domain.json");
	g_assert_nonnull(strstr(domain, "S-1-5-21-"));
}

static void
directory_test_groups(DirectoryTest *test, gconstpointer data)
{
	const char *const wanted[] = { "amt 802.1X", NULL };
	PvAccountSpec spec = directory_test_spec();
	spec.groups = wanted;
	directory_test_assert_refused(test, &spec, PV_ERROR_CONFIG,
	    (const char *const[]) { "groups.json", "amt 802.1X", NULL });

	directory_test_write(test, "groups.json",
	    "{ \"groups\": [ { \"name\": \"AMT 802.1X\" }, { \"name\": \"More\" } ] }");
	g_autoptr(PvAccount) made = directory_test_ensure(test, &spec);
	g_assert_cmpuint(g_strv_length(made->groups), ==, 1);
	g_assert_cmpstr(made->groups[0], ==, "AMT 802.1X");
	const char *const more[] = { "CN=More,CN=Users,DC=example,DC=com", NULL };
	spec.groups = more;
	g_autoptr(PvAccount) both = directory_test_ensure(test, &spec);
	g_assert_cmpuint(g_strv_length(both->groups), ==, 2);
}

static char *
directory_test_find_sid(const DirectoryTest *test, const char *name)
{
	g_autoptr(GError) error = NULL;
	char *sid = test->directory->find_sid(test->handle, name, NULL, &error);
	g_assert_no_error(error);
	g_assert_nonnull(sid);
	return sid;
}

static void
directory_test_sids(DirectoryTest *test, gconstpointer data)
{
	g_autofree char *fixture = g_test_build_filename(
	    G_TEST_DIST, "plugins", "directory-local", "tests", "groups.json", NULL);
	g_autofree char *groups = NULL;
	g_assert_true(g_file_get_contents(fixture, &groups, NULL, NULL));
	directory_test_write(test, "groups.json", groups);
	PvAccountSpec spec = directory_test_spec();
	g_autoptr(PvAccount) account = directory_test_ensure(test, &spec);
	g_autofree char *group = directory_test_find_sid(test, "Help Desk");
	static const char *const same[] = { "help desk", "EXAMPLE\\Help Desk",
		"example.com\\Help Desk", "Help Desk@EXAMPLE.COM",
		"CN=Help Desk,CN=Users,DC=example,DC=com" };
	directory_test_open(test);
	for (guint i = 0; i < G_N_ELEMENTS(same); i++) {
		g_autofree char *sid = directory_test_find_sid(test, same[i]);
		g_assert_cmpstr(sid, ==, group);
	}
	g_autofree char *user = directory_test_find_sid(test, "alice@example.com");
	g_assert_cmpstr(user, !=, group);
	g_autofree char *given = directory_test_find_sid(test, "Auditors");
	g_assert_cmpstr(given, ==, "S-1-5-21-1-2-3-1200");
	g_autofree char *own = directory_test_find_sid(test, "pc1$iME");
	g_assert_cmpstr(own, ==, account->sid);
	g_autofree char *literal = directory_test_find_sid(test, "s-1-5-32-544");
	g_assert_cmpstr(literal, ==, "S-1-5-32-544");

	static const char *const bad[] = { "", "Nobody", "OTHER\\Help Desk", "Help Desk@OTHER",
		"S-1-5-x", "S-1-", "CN=Nobody,DC=x" };
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(test->directory->find_sid(test->handle, bad[i], NULL, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	}
}

static gboolean
directory_test_check(DirectoryTest *test, GError **error)
{
	static const char *const none[] = { NULL };
	const PvDirectoryNeeds needs = { none, none, none };
	g_autoptr(PvReport) report = pv_report_new();
	return test->directory->check(test->handle, &needs, report, NULL, error);
}

static void
directory_test_needs(DirectoryTest *test, gconstpointer data)
{
	static const char *const none[] = { NULL };
	static const char *const groups[] = { "Help Desk", "Nobody", NULL };
	const PvDirectoryNeeds needs = { none, groups, none };
	g_autoptr(GError) error = NULL;
	g_autoptr(PvReport) report = pv_report_new();
	directory_test_write(test, "groups.json", "{ \"groups\": [ { \"name\": \"Help Desk\" } ] }");
	g_assert_true(test->directory->check(test->handle, &needs, report, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(pv_report_get_length(report), ==, 3);
	PvReportLevel level = PV_REPORT_FAILURE;
	const char *object = NULL, *text = NULL;
	pv_report_get(report, 1, &level, NULL, &object, &text);
	g_assert_cmpint(level, ==, PV_REPORT_OK);
	g_assert_cmpstr(object, ==, "Help Desk");
	g_assert_true(g_str_has_prefix(text, "S-1-5-21-"));
	pv_report_get(report, 2, &level, NULL, &object, NULL);
	g_assert_cmpint(level, ==, PV_REPORT_FAILURE);
	g_assert_cmpstr(object, ==, "Nobody");
}

static void
directory_test_bad_files(DirectoryTest *test, gconstpointer data)
{
	g_autofree char *deep = g_strnfill(100000, '[');
	g_autofree char *nested = g_strconcat("{\"groups\":", deep, NULL);
	const char *const texts[] = { "", "[]", "{", "{\"groups\": \"\xff\"}", nested };
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) error = NULL;
		directory_test_write(test, "groups.json", texts[i]);
		g_assert_false(directory_test_check(test, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_nonnull(strstr(error->message, "groups.json"));
	}
	g_autoptr(GError) error = NULL;
	directory_test_write(
	    test, "groups.json", "{ \"groups\": [ 1, {}, { \"name\": 2 } ], \"users\": {} }");
	g_assert_true(directory_test_check(test, &error));
	g_assert_null(test->directory->find_sid(test->handle, "x", NULL, &error));
	g_clear_error(&error);

	g_autofree char *groups = g_build_filename(test->dir, "groups.json", NULL);
	g_assert_cmpint(g_chmod(groups, 0666), ==, 0);
	g_assert_false(directory_test_check(test, &error));
	g_clear_error(&error);
	g_assert_cmpint(g_unlink(groups), ==, 0);
	g_assert_true(directory_test_check(test, &error));
	g_assert_no_error(error);

	directory_test_write(test, "domain.json", "{ \"sid\": \"S-1-5-32\" }");
	g_assert_null(directory_test_try_open(test, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
}

/* A process that is killed while it writes leaves a temporary file, which nothing else would remove. */
static void
directory_test_sweeps(DirectoryTest *test, gconstpointer data)
{
	const PvAccountSpec spec = directory_test_spec();
	g_autoptr(PvAccount) account = directory_test_ensure(test, &spec);
	static const struct {
		const char *name;
		gboolean stays;
	} rows[] = {
		{ "domain.json", TRUE },
		{ "domain.json.ODC8Y3", FALSE },
		{ "groups.json.backup", TRUE },
		{ "notes.ODC8Y3", TRUE },
		{ "accounts/" DIRECTORY_TEST_UUID ".json", TRUE },
		{ "accounts/" DIRECTORY_TEST_UUID ".json.a1B2c3", FALSE },
		{ "accounts/.json.a1B2c3", TRUE },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *path = g_build_filename(test->dir, rows[i].name, NULL);
		if (!g_file_test(path, G_FILE_TEST_EXISTS))
			directory_test_write(test, rows[i].name, "{}");
	}
	directory_test_open(test);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *path = g_build_filename(test->dir, rows[i].name, NULL);
		g_test_message("%s", rows[i].name);
		g_assert_cmpint(g_file_test(path, G_FILE_TEST_EXISTS), ==, rows[i].stays);
	}
}

static gpointer
directory_test_thread(gpointer data)
{
	gpointer *row = data;
	const DirectoryTest *test = row[0];
	for (guint i = 0; i < 10; i++) {
		g_autofree char *uuid = g_uuid_string_random();
		g_autofree char *name = g_strdup_printf("t%uo%u", GPOINTER_TO_UINT(row[1]), i);
		const PvAccountSpec spec = { .uuid = uuid,
			.name = name,
			.fqdn = name,
			.spns = directory_test_none,
			.groups = directory_test_none };
		g_autoptr(PvAccount) made = directory_test_ensure(test, &spec);
	}
	return NULL;
}

static void
directory_test_threads(DirectoryTest *test, gconstpointer data)
{
	GThread *threads[4];
	gpointer rows[4][2];
	for (guint i = 0; i < 4; i++) {
		rows[i][0] = test;
		rows[i][1] = GUINT_TO_POINTER(i);
		threads[i] = g_thread_new("ensure", directory_test_thread, rows[i]);
	}
	for (guint i = 0; i < 4; i++)
		g_thread_join(threads[i]);

	/* every account has a number of its own */
	g_autoptr(GHashTable) sids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < 4; i++)
		for (guint k = 0; k < 10; k++) {
			g_autofree char *name = g_strdup_printf("t%uo%u", i, k);
			g_hash_table_add(sids, directory_test_find_sid(test, name));
		}
	g_assert_cmpuint(g_hash_table_size(sids), ==, 40);
}

static void
directory_test_add(const char *path, void (*func)(DirectoryTest *, gconstpointer))
{
	g_test_add(
	    path, DirectoryTest, NULL, directory_test_set_up, func, directory_test_tear_down);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	directory_test_add("/requirements/S12-04.2/local-account-once", directory_test_creates);
	directory_test_add(
	    "/requirements/S12-04.3/local-duplicate-spn", directory_test_spn_is_unique);
	directory_test_add("/plugins/directory-local/password", directory_test_password);
	directory_test_add("/plugins/directory-local/bad-names", directory_test_bad_names);
	directory_test_add("/plugins/directory-local/groups", directory_test_groups);
	directory_test_add("/plugins/directory-local/sids", directory_test_sids);
	directory_test_add("/plugins/directory-local/bad-files", directory_test_bad_files);
	directory_test_add("/plugins/directory-local/needs", directory_test_needs);
	directory_test_add("/plugins/directory-local/sweeps", directory_test_sweeps);
	directory_test_add("/plugins/directory-local/threads", directory_test_threads);
	return g_test_run();
}
