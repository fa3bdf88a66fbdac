/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/import.h"

#include "core/amt/hello.h"
#include "core/amt/uuid.h"
#include "core/store/csv.h"
#include "core/store/store-fixture.h"

#include <string.h>

#define UUID1 "4c4c4544-0042-4d10-8054-000000000001"
#define UUID2 "4c4c4544-0042-4d10-8054-000000000002"
#define UUID3 "4c4c4544-0042-4d10-8054-000000000003"
/* "Passw0rd!" and "Passw0rd#" */
#define GOOD "UGFzc3cwcmQh"
#define GOOD2 "UGFzc3cwcmQj"
#define FIXTURE(path, test) \
	g_test_add(path, PvStoreFixture, NULL, pv_store_fixture_set_up, test, \
	    pv_store_fixture_tear_down)

static GPtrArray *
import_csv(PvDb *db, const char *text, const char *group, gboolean dry_run)
{
	g_autoptr(GError) error = NULL;
	GPtrArray *report =
	    pv_import_csv(db, "fleet.csv", text, strlen(text), group, dry_run, &error);
	g_assert_no_error(error);
	g_assert_nonnull(report);
	return report;
}

static void
import_assert_row(GPtrArray *report, guint at, guint line, PvImportOutcome outcome, const char *text)
{
	g_assert_cmpuint(at, <, report->len);
	const PvImportRow *row = g_ptr_array_index(report, at);
	if (row->outcome != outcome ||
	    (text != NULL && (row->text == NULL || strstr(row->text, text) == NULL)))
		g_error("row %u: outcome %d with \"%s\", not %d with \"%s\"", at, row->outcome,
		    row->text, outcome, text);
	g_assert_cmpuint(row->line, ==, line);
	/* whatever is wrong, no password is told */
	if (row->text != NULL) {
		g_assert_null(strstr(row->text, "Passw0rd"));
		g_assert_null(strstr(row->text, "UGFzc3"));
	}
}

static guint
import_count_devices(PvDb *db)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) devices = pv_db_list_devices(db, &error);
	g_assert_no_error(error);
	return devices->len;
}

static void
import_assert_secret(PvDb *db, const char *uuid, const char *name, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) value = pv_db_dup_secret(db, uuid, name, "current", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_secret_peek(value, NULL), ==, text);
}

static void
import_test_forms(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) report = import_csv(fixture->db,
	    "\xef\xbb\xbf"
	    "Name,FQDN,UUID,MAC,MEBx,Admin\r\n"
	    "PC1,pc1.example.com,{4C4C4544-0042-4D10-8054-000000000001},00-1B-21-AA-BB-CC," GOOD
	    "," GOOD2 "\r\n"
	    "\r\n"
	    ",,\n"
	    "\"pc2\",\"PC2.Example.com.\", 4C4C454400424D108054000000000002 ,\"001b.21aa.bbcd\"\r"
	    "pc3,pc3.example.com," UUID3,
	    "lab", FALSE);
	g_assert_cmpuint(report->len, ==, 3);
	import_assert_row(report, 0, 2, PV_IMPORT_ADDED, "MEBx password set, admin password set");
	import_assert_row(report, 1, 5, PV_IMPORT_ADDED, NULL);
	import_assert_row(report, 2, 6, PV_IMPORT_ADDED, NULL);

	g_autoptr(PvDeviceRow) one = pv_db_find_device(fixture->db, UUID1, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(one->name, ==, "PC1");
	g_assert_cmpstr(one->fqdn, ==, "pc1.example.com");
	g_assert_cmpstr(one->mac, ==, "00:1b:21:aa:bb:cc");
	g_assert_cmpstr(one->group, ==, "lab");
	g_assert_cmpstr(one->status, ==, "Unknown");
	g_assert_cmpstr(one->evidence, ==, "imported from fleet.csv, line 2");
	import_assert_secret(fixture->db, UUID1, "mebx-import", "Passw0rd!");
	import_assert_secret(fixture->db, UUID1, "admin-import", "Passw0rd#");
	g_autoptr(PvDeviceRow) two = pv_db_find_device(fixture->db, UUID2, &error);
	g_assert_cmpstr(two->fqdn, ==, "pc2.example.com");
	g_assert_cmpstr(two->mac, ==, "00:1b:21:aa:bb:cd");
	g_assert_false(pv_store_fixture_has_bytes(fixture->path, "Passw0rd"));
	g_assert_false(pv_store_fixture_has_bytes(fixture->path, GOOD));
}

/* Rows that are refused, each alone in a file after a good one. */
static const struct {
	const char *name;
	const char *row;
	const char *problem;
} import_refusals[] = {
	{ "two-cells", "pc2,pc2.example.com", "2 cells" },
	{ "seven-cells", "pc2,pc2.example.com," UUID2 ",,,,lab", "7 cells" },
	{ "no-name", ",pc2.example.com," UUID2, "short name (cell 1) is missing" },
	{ "no-fqdn", "pc2,," UUID2, "FQDN (cell 2) is missing" },
	{ "no-uuid", "pc2,pc2.example.com,", "UUID (cell 3) is missing" },
	{ "name-of-16", "abcdefghijklmnop,abcdefghijklmnop.example.com," UUID2,
	  "has 16 characters: an account name in Active Directory (sAMAccountName) has at most 15" },
	{ "name-odd", "pc_2,pc_2.example.com," UUID2, "only letters, digits" },
	{ "name-formula", "=cmd,=cmd.example.com," UUID2, "only letters, digits" },
	{ "name-other", "pc9,pc2.example.com," UUID2, "is not the first label" },
	{ "name-part", "pc,pc2.example.com," UUID2, "is not the first label" },
	{ "fqdn-short", "pc2,pc2," UUID2, "has no domain" },
	{ "fqdn-empty-label", "pc2,pc2..com," UUID2, "label 2" },
	{ "fqdn-dash", "pc2,pc2.-a.com," UUID2, "label 2" },
	{ "fqdn-address", "10,10.0.0.1," UUID2, "is an address" },
	{ "fqdn-label-of-64", "pc2,pc2.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com," UUID2, "label 2" },
	{ "uuid-short", "pc2,pc2.example.com,4c4c4544-0042-4d10-8054-00000000000", "is no UUID" },
	{ "uuid-odd", "pc2,pc2.example.com,4c4c4544-0042-4d10-8054-00000000000g", "is no UUID" },
	{ "uuid-dashes", "pc2,pc2.example.com,4c4c-45440042-4d10-8054-000000000002", "is no UUID" },
	{ "uuid-zero", "pc2,pc2.example.com,00000000-0000-0000-0000-000000000000", "shared by many boards" },
	{ "uuid-ones", "pc2,pc2.example.com,{FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF}", "shared by many boards" },
	{ "uuid-ami", "pc2,pc2.example.com,03000200-0400-0500-0006-000700080009", "shared by many boards" },
	{ "mac-short", "pc2,pc2.example.com," UUID2 ",00:11:22:33:44", "is no MAC address" },
	{ "mac-mixed", "pc2,pc2.example.com," UUID2 ",00:11-22:33:44:55", "is no MAC address" },
	{ "mac-zero", "pc2,pc2.example.com," UUID2 ",000000000000", "cannot be a network card's" },
	{ "mac-group", "pc2,pc2.example.com," UUID2 ",01:00:5e:00:00:01", "cannot be a network card's" },
	{ "mebx-clear", "pc2,pc2.example.com," UUID2 ",,Passw0rd!", "MEBx password (cell 5) is not Base64" },
	{ "mebx-short", "pc2,pc2.example.com," UUID2 ",,YWRtaW4=", "must have 8 to 32 characters" },
	{ "mebx-no-symbol", "pc2,pc2.example.com," UUID2 ",,UGFzc3cwcmRf", "a symbol other than '_'" },
	{ "mebx-colon", "pc2,pc2.example.com," UUID2 ",,UGFzc3cwcmQ6", "a character that AMT refuses" },
	{ "mebx-utf16", "pc2,pc2.example.com," UUID2 ",,UABhAHMAcwB3ADAAcgBkACEA", "is UTF-16 in Base64" },
	{ "admin-no-digit", "pc2,pc2.example.com," UUID2 ",,,UGFzc3dvcmQh", "admin password (cell 6) needs" },
	{ "stray-quote", "pc2,pc2.\"example\".com," UUID2, "a quote in the middle of a cell" },
	{ "after-quote", "\"pc2\"x,pc2.example.com," UUID2, "text after a closing quote" },
	{ "uuid-twice", "pc2,pc2.example.com,{4C4C4544-0042-4D10-8054-000000000003}",
	  "UUID " UUID3 " is in lines 2 and 3: keep one of them" },
	{ "fqdn-twice", "pc3,PC3.example.com," UUID2, "FQDN pc3.example.com is in lines 2 and 3" },
};

static void
import_test_refused(PvStoreFixture *fixture, gconstpointer data)
{
	guint at = GPOINTER_TO_UINT(data);
	g_autofree char *text = g_strdup_printf("pc1,pc1.example.com," UUID1 "\npc3,pc3.example.com," UUID3
						"\n%s\n",
	    import_refusals[at].row);
	gboolean twice = strstr(import_refusals[at].name, "twice") != NULL;
	g_autoptr(GPtrArray) report = import_csv(fixture->db, text, NULL, FALSE);
	g_assert_cmpuint(report->len, ==, 3);
	/* the good rows are taken all the same; of two that contradict each other, neither */
	import_assert_row(report, 0, 1, PV_IMPORT_ADDED, NULL);
	import_assert_row(report, 1, 2, twice ? PV_IMPORT_REFUSED : PV_IMPORT_ADDED, NULL);
	import_assert_row(report, 2, 3, PV_IMPORT_REFUSED, import_refusals[at].problem);
	g_assert_cmpuint(import_count_devices(fixture->db), ==, twice ? 1 : 2);
}

static void
import_test_idempotent(PvStoreFixture *fixture, gconstpointer data)
{
	static const char text[] = "pc1,pc1.example.com," UUID1 ",00:11:22:33:44:55," GOOD "," GOOD "\n"
				   "pc2,pc2.example.com," UUID2 ",," GOOD "\n"
				   "bad,bad,bad\n";
	g_autoptr(GError) error = NULL;
	gpointer handle = pv_db_get_handle(fixture->db);

	/* a dry run tells the same and writes nothing */
	PvSqliteCounts before = pv_sqlite_get_counts(handle);
	g_autoptr(GPtrArray) dry = import_csv(fixture->db, text, "lab", TRUE);
	PvSqliteCounts after = pv_sqlite_get_counts(handle);
	g_assert_cmpuint(after.requests, ==, before.requests);
	g_assert_cmpuint(import_count_devices(fixture->db), ==, 0);

	/* all good rows are one transaction */
	g_autoptr(GPtrArray) first = import_csv(fixture->db, text, "lab", FALSE);
	after = pv_sqlite_get_counts(handle);
	g_assert_cmpuint(after.requests, ==, before.requests + 1);
	g_assert_cmpuint(first->len, ==, dry->len);
	for (guint i = 0; i < first->len; i++) {
		const PvImportRow *told = g_ptr_array_index(dry, i);
		import_assert_row(first, i, told->line, told->outcome, told->text);
	}
	import_assert_row(first, 0, 1, PV_IMPORT_ADDED, NULL);
	import_assert_row(first, 2, 3, PV_IMPORT_REFUSED, NULL);

	/* a second run has nothing to do, passwords and all */
	g_autoptr(GPtrArray) second = import_csv(fixture->db, text, "lab", FALSE);
	import_assert_row(second, 0, 1, PV_IMPORT_SAME, NULL);
	import_assert_row(second, 1, 2, PV_IMPORT_SAME, NULL);
	g_assert_cmpuint(pv_sqlite_get_counts(handle).requests, ==, after.requests);
	g_autoptr(GPtrArray) audits = pv_db_list_audits(fixture->db, 0, 0, &error);
	const PvAuditRow *last = g_ptr_array_index(audits, audits->len - 1);
	g_assert_cmpstr(last->action, ==, "import");
	g_assert_cmpstr(last->object, ==, "fleet.csv");
	g_assert_cmpstr(last->text, ==, "2 added, 0 changed, 0 same, 1 refused");
}

static void
import_test_changed(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) first = import_csv(fixture->db,
	    "pc1,pc1.example.com," UUID1 ",00:11:22:33:44:55," GOOD "\n"
	    "pc2,pc2.example.com," UUID2 "\n",
	    "lab", FALSE);
	const PvWrite status = {
		.kind = PV_WRITE_STATUS, .uuid = UUID1, .name = "Provisioned", .value = "logged in"
	};
	g_assert_true(pv_db_write(fixture->db, &status, 1, &error));

	g_autoptr(GPtrArray) second = import_csv(fixture->db,
	    "pc9,pc9.example.com," UUID1 ",00:11:22:33:44:66," GOOD2 "," GOOD "\n"
	    "PC2,PC2.example.com," UUID2 "\n",
	    "office", FALSE);
	import_assert_row(second, 0, 1, PV_IMPORT_CHANGED,
	    "name pc1 -> pc9, FQDN pc1.example.com -> pc9.example.com, "
	    "MAC 00:11:22:33:44:55 -> 00:11:22:33:44:66, group lab -> office, "
	    "MEBx password changed, admin password set");
	import_assert_row(second, 1, 2, PV_IMPORT_CHANGED, "group lab -> office");
	g_autoptr(PvDeviceRow) row = pv_db_find_device(fixture->db, "pc9", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(row->status, ==, "Provisioned");
	import_assert_secret(fixture->db, UUID1, "mebx-import", "Passw0rd#");

	/* what is left out stays; no group is no change */
	g_autoptr(GPtrArray) third =
	    import_csv(fixture->db, "pc9,pc9.example.com," UUID1 "\n", NULL, FALSE);
	import_assert_row(third, 0, 1, PV_IMPORT_SAME, NULL);
}

static void
import_test_taken_fqdn(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GPtrArray) first =
	    import_csv(fixture->db, "pc1,pc1.example.com," UUID1 "\n", NULL, FALSE);
	g_autoptr(GPtrArray) second =
	    import_csv(fixture->db, "PC1,PC1.example.com," UUID2 "\n", NULL, FALSE);
	import_assert_row(second, 0, 1, PV_IMPORT_REFUSED,
	    "FQDN pc1.example.com belongs to device " UUID1 " in the store");
	g_assert_cmpuint(import_count_devices(fixture->db), ==, 1);
}

static void
import_test_damaged_secret(PvStoreFixture *fixture, gconstpointer data)
{
	static const char text[] = "pc1,pc1.example.com," UUID1 ",," GOOD "\n";
	g_autoptr(GPtrArray) first = import_csv(fixture->db, text, NULL, FALSE);
	pv_store_fixture_tamper(fixture->path, "UPDATE secret SET sealed = x'0102'");
	g_autoptr(GPtrArray) second = import_csv(fixture->db, text, NULL, FALSE);
	import_assert_row(second, 0, 1, PV_IMPORT_REFUSED, "does not open");
}

/* Files that cannot be read as a whole. */
static const struct {
	const char *name;
	const char *text;
	gssize length;
	const char *problem;
} import_bad_files[] = {
	{ "nul", "pc1,a.b,c\npc\0,x\n", 16, "fleet.csv:2: a NUL byte" },
	{ "utf-16-le", "\xff\xfep\0c\0", 6, "UTF-16" },
	{ "utf-16-be", "\xfe\xff\0p\0c", 6, "UTF-16" },
	{ "latin-1", "a,b,c\n\nJos\xe9,x,y\n", -1, "fleet.csv:3: not UTF-8" },
	{ "cut-utf-8", "a,b,c\n\xe2\x82", -1, "fleet.csv:2: not UTF-8" },
	{ "unclosed", "a,b,c\nd,\"e\nf,g\nh", -1, "fleet.csv:2: a quote is opened" },
	{ "unclosed-at-end", "a,b,\"", -1, "fleet.csv:1: a quote is opened" },
};

static void
import_test_bad_file(PvStoreFixture *fixture, gconstpointer data)
{
	guint at = GPOINTER_TO_UINT(data);
	g_autoptr(GError) error = NULL;
	gsize length = import_bad_files[at].length < 0 ? strlen(import_bad_files[at].text)
						       : (gsize)import_bad_files[at].length;
	/* exactly that many bytes, so that a read beyond shows */
	g_autofree char *text = g_memdup2(import_bad_files[at].text, length);
	GPtrArray *report =
	    pv_import_csv(fixture->db, "fleet.csv", text, length, NULL, FALSE, &error);
	g_assert_null(report);
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	if (strstr(error->message, import_bad_files[at].problem) == NULL)
		g_error("\"%s\" does not say \"%s\"", error->message, import_bad_files[at].problem);
	g_assert_cmpuint(import_count_devices(fixture->db), ==, 0);
}

static void
import_test_sizes(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	/* a row that never ends is refused by itself, in or out of quotes */
	g_autofree char *filler = g_strnfill(200 * 1024, 'x');
	g_autofree char *commas = g_strnfill(200 * 1024, ',');
	g_autofree char *text = g_strdup_printf(
	    "%s,a,b\n\"%s\",a,b\nx%s\npc1,pc1.example.com," UUID1 "\n", filler, filler, commas);
	g_autoptr(GPtrArray) report = import_csv(fixture->db, text, NULL, FALSE);
	g_assert_cmpuint(report->len, ==, 4);
	import_assert_row(report, 0, 1, PV_IMPORT_REFUSED, "longer than 64 KiB");
	import_assert_row(report, 1, 2, PV_IMPORT_REFUSED, "longer than 64 KiB");
	import_assert_row(report, 2, 3, PV_IMPORT_REFUSED, "more than 64 cells");
	import_assert_row(report, 3, 4, PV_IMPORT_ADDED, NULL);

	/* the length is looked at before the text */
	g_assert_null(pv_import_csv(
	    fixture->db, "fleet.csv", "x", 64 * 1024 * 1024 + 1, NULL, FALSE, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_clear_error(&error);
	g_autoptr(GPtrArray) empty = import_csv(fixture->db, "", NULL, FALSE);
	g_assert_cmpuint(empty->len, ==, 0);
}

#define MANY 20000

static void
import_test_many(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 1; i <= MANY; i++) {
		g_autofree char *uuid = pv_store_fixture_make_uuid(i);
		g_string_append_printf(text, "pc%u,pc%u.example.com,%s,," GOOD "\n", i, i, uuid);
	}
	g_autoptr(GPtrArray) report = import_csv(fixture->db, text->str, NULL, FALSE);
	g_assert_cmpuint(report->len, ==, MANY);
	import_assert_row(report, MANY - 1, MANY, PV_IMPORT_ADDED, NULL);
	g_assert_cmpuint(import_count_devices(fixture->db), ==, MANY);
	g_autoptr(GPtrArray) again = import_csv(fixture->db, text->str, NULL, FALSE);
	import_assert_row(again, MANY - 1, MANY, PV_IMPORT_SAME, NULL);
}

/* What was imported is what is listed, and nothing else. */
static void
import_test_listing(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) report = import_csv(fixture->db,
	    "pc2,pc2.example.com," UUID2 ",00:11:22:33:44:55," GOOD "\npc1,pc1.example.com," UUID1
	    "\nbad,row\n",
	    "lab", FALSE);
	const PvWrite facts[] = {
		{ .kind = PV_WRITE_FACT, .uuid = UUID2, .name = "account.name", .value = "pc2$iME" },
		{ .kind = PV_WRITE_FACT, .uuid = UUID2, .name = "certificate.sha256", .value = "00ff" },
		{ .kind = PV_WRITE_FACT, .uuid = UUID2, .name = "wireless.corp.sha256", .value = "bb" },
		{ .kind = PV_WRITE_FACT, .uuid = UUID2, .name = "ieee8021x.sha256", .value = "aa" },
		{ .kind = PV_WRITE_FACT, .uuid = UUID2, .name = "account.dn", .value = "CN=pc2,DC=example" },
	};
	g_assert_true(pv_db_write(fixture->db, facts, G_N_ELEMENTS(facts), &error));
	g_autoptr(GPtrArray) devices = pv_db_list_devices(fixture->db, &error);
	g_assert_cmpuint(devices->len, ==, 2);
	g_autofree char *csv = pv_export_csv(fixture->db, devices, &error);
	g_assert_no_error(error);
	g_auto(GStrv) lines = g_strsplit(csv, "\r\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, 4); /* the last is empty */
	g_assert_cmpstr(lines[0], ==,
	    "name,fqdn,uuid,mac,mebx-password,admin-password,group,status,status-time,"
	    "account,account-dn,certificate-sha256,client-certificates-sha256");
	g_assert_true(g_str_has_prefix(lines[1], "pc1,pc1.example.com," UUID1 ",,,,lab,Unknown,2"));
	g_assert_true(g_str_has_prefix(
	    lines[2], "pc2,pc2.example.com," UUID2 ",00:11:22:33:44:55,,,lab,Unknown,2"));
	g_assert_nonnull(strstr(lines[2], ",pc2$iME,"));
	g_assert_true(g_str_has_suffix(lines[2], ",\"CN=pc2,DC=example\",00ff,aa bb"));
	g_assert_null(strstr(csv, GOOD));

	/* it can be imported, and changes nothing */
	g_autoptr(GPtrArray) again = import_csv(fixture->db, csv, NULL, FALSE);
	g_assert_cmpuint(again->len, ==, 2);
	import_assert_row(again, 0, 2, PV_IMPORT_SAME, NULL);
	import_assert_row(again, 1, 3, PV_IMPORT_SAME, NULL);
	import_assert_secret(fixture->db, UUID2, "mebx-import", "Passw0rd!");
}

static void
import_test_formulas(void)
{
	static const char *const cells[] = { "=1+1", "+1", "-1", "@sum", "\tx", "a=b", NULL, "a,b",
		"say \"hi\"", "=\"x\",1", "two\nlines" };
	g_autoptr(GString) text = g_string_new(NULL);
	pv_csv_append(text, cells, G_N_ELEMENTS(cells));
	g_assert_cmpstr(text->str, ==,
	    "'=1+1,'+1,'-1,'@sum,'\tx,a=b,,\"a,b\",\"say \"\"hi\"\"\",\"'=\"\"x\"\",1\",\"two\nlines\"\r\n");
}

static void
csv_test_rows(void)
{
	static const char text[] = "a,b\r\n"
				   "\"one \"\"two\"\"\",\" three\r\nfour\",\r"
				   "\n"
				   " x \t, \"y\n"
				   ",,,\n"
				   "\"\"";
	g_auto(PvCsv) csv = { 0 };
	guint unclosed = 0;
	pv_csv_init(&csv, text, strlen(text));
	g_assert_true(pv_csv_next(&csv, &unclosed));
	g_assert_cmpuint(csv.cells->len, ==, 2);
	g_assert_cmpuint(csv.row_line, ==, 1);
	g_assert_true(pv_csv_next(&csv, &unclosed));
	g_assert_cmpuint(csv.row_line, ==, 2);
	g_assert_cmpuint(csv.cells->len, ==, 3);
	g_assert_cmpstr(g_ptr_array_index(csv.cells, 0), ==, "one \"two\"");
	g_assert_cmpstr(g_ptr_array_index(csv.cells, 1), ==, "three\r\nfour");
	g_assert_cmpstr(g_ptr_array_index(csv.cells, 2), ==, "");
	g_assert_null(csv.flaw);
	g_assert_true(pv_csv_next(&csv, &unclosed));
	g_assert_cmpuint(csv.row_line, ==, 4);
	g_assert_cmpstr(g_ptr_array_index(csv.cells, 0), ==, "x");
	g_assert_nonnull(csv.flaw);
	g_assert_false(pv_csv_next(&csv, &unclosed));
	g_assert_cmpuint(unclosed, ==, 0);
}

/* Whatever the bytes, the reader comes to an end and stays within them. */
static void
csv_test_any_bytes(void)
{
	static const char alphabet[] = "ab,\"\"\"\n\r\n, ";
	g_autoptr(GRand) random = g_rand_new_with_seed(g_test_rand_int());
	for (guint round = 0; round < 2000; round++) {
		gsize length = (gsize)g_rand_int_range(random, 0, 60);
		g_autofree char *text = g_malloc(length + 1);
		for (gsize i = 0; i < length; i++)
			text[i] = alphabet[g_rand_int_range(random, 0, sizeof alphabet - 1)];
		g_autofree char *exact = g_memdup2(text, length);
		g_auto(PvCsv) csv = { 0 };
		pv_csv_init(&csv, exact, length);
		guint unclosed = 0, rows = 0, line = 0;
		while (pv_csv_next(&csv, &unclosed)) {
			g_assert_cmpuint(++rows, <=, length);
			g_assert_cmpuint(csv.row_line, >, line);
			line = csv.row_line;
		}
	}
}

static void
uuid_test_forms(void)
{
	static const struct {
		const char *text;
		const char *expected;
	} cases[] = {
		{ UUID1, UUID1 },
		{ "{4C4C4544-0042-4D10-8054-000000000001}", UUID1 },
		{ "4c4c454400424d108054000000000001", UUID1 },
		{ "{4c4c454400424d108054000000000001}", UUID1 },
		{ "4c4c4544-0042-4d10-8054-000000000001}", NULL },
		{ "4c4c45440-042-4d10-8054-000000000001", NULL },
		{ "4c4c4544-00424d10-8054-000000000001", NULL },
		{ "", NULL },
		{ "{}", NULL },
		{ "{", NULL },
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *uuid = pv_uuid_normalize(cases[i].text);
		g_assert_cmpstr(uuid, ==, cases[i].expected);
	}
	g_assert_true(pv_uuid_is_usable(UUID1));
	g_assert_false(pv_uuid_is_usable("00000000-0000-0000-0000-000000000000"));
	g_assert_false(pv_uuid_is_usable("no"));
	g_assert_false(pv_uuid_is_usable(NULL));
}

static void
import_add_cases(const char *prefix, const char *name, guint at,
    void (*test)(PvStoreFixture *fixture, gconstpointer data))
{
	g_autofree char *path = g_strdup_printf("%s/%s", prefix, name);
	g_test_add(path, PvStoreFixture, GUINT_TO_POINTER(at), pv_store_fixture_set_up, test,
	    pv_store_fixture_tear_down);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	FIXTURE("/requirements/S07-1.33/rows-into-a-group", import_test_changed);
	FIXTURE("/requirements/S07-1.34/bom-crlf-quotes-and-forms", import_test_forms);
	for (guint i = 0; i < G_N_ELEMENTS(import_refusals); i++)
		import_add_cases("/requirements/S07-1.34/refused", import_refusals[i].name, i,
		    import_test_refused);
	for (guint i = 0; i < G_N_ELEMENTS(import_bad_files); i++)
		import_add_cases("/requirements/S07-1.34/bad-file", import_bad_files[i].name, i,
		    import_test_bad_file);
	FIXTURE("/requirements/S07-1.34/sizes", import_test_sizes);
	FIXTURE("/requirements/S07-1.34/many-rows", import_test_many);
	FIXTURE("/requirements/S07-1.35/dry-run-then-idempotent", import_test_idempotent);
	FIXTURE("/requirements/S07-1.35/taken-fqdn", import_test_taken_fqdn);
	FIXTURE("/requirements/S07-1.35/damaged-secret", import_test_damaged_secret);
	FIXTURE("/requirements/S07-1.36/listing-equals-file", import_test_listing);
	g_test_add_func("/store/csv/formulas", import_test_formulas);
	g_test_add_func("/store/csv/rows", csv_test_rows);
	g_test_add_func("/store/csv/any-bytes", csv_test_any_bytes);
	g_test_add_func("/amt/uuid/forms", uuid_test_forms);
	return g_test_run();
}
