/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/setup-bin.h"

#include <provost/error.h>

#include <string.h>

#define PID "0000037M"
#define PPS "NKLDG5DCRRNQE9YZZIJL7LFLVJED69XJ"

static void
add_text(PvSetupBinRecord *record, const char *name, const char *text)
{
	pv_setup_bin_add(record, pv_setup_bin_find_name(name), text, strlen(text));
}

static void
add_value(PvSetupBinRecord *record, const char *name, const char *text)
{
	g_autoptr(GError) error = NULL;
	const PvSetupBinVariable *variable = pv_setup_bin_find_name(name);
	g_autoptr(GBytes) value = pv_setup_bin_value_parse(variable, text, &error);
	g_assert_no_error(error);
	pv_setup_bin_add(record, variable, g_bytes_get_data(value, NULL), g_bytes_get_size(value));
}

/* a record that firmware takes: the passwords */
static PvSetupBin *
new_file(guint version)
{
	PvSetupBin *bin = pv_setup_bin_new(version);
	PvSetupBinRecord *record = pv_setup_bin_add_record(bin);
	add_text(record, "new-password", "P@ssw0rd");
	add_text(record, "current-password", "admin");
	return bin;
}

static PvSetupBinRecord *
first(const PvSetupBin *bin)
{
	return bin->records->pdata[0];
}

static GByteArray *
write_file(PvSetupBin *bin)
{
	g_autoptr(GError) error = NULL;
	GByteArray *bytes = pv_setup_bin_write(bin, &error);
	g_assert_no_error(error);
	return bytes;
}

/* byte by byte, put together by hand from the description of the format */
static void
test_bytes(void)
{
	static const guint8 header[] = { 0xb5, 0x16, 0xfb, 0x71, 0x87, 0xcb, 0xf9, 0x4a, 0xb4, 0x41, 0xca, 0x7b, 0x38,
		0x35, 0x78, 0xf9, /* type: version 1 */
		1, 0, 46, 0,      /* chunks, header's bytes with two modules */
		0, 0, 0, 0,       /* number */
		1, 0, 0, 0,       /* version, flags */
		1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, /* records, used up, chunks of one, reserved */
		1, 0, 2, 0, 0, 0 };
	static const guint8 record[] = { 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 24, 0, 1, 0, 0, 0,
		1, 0, 1, 0, 5, 0, 0, 0, 'a', 'd', 'm', 'i', 'n', 0, 0, 0,
		1, 0, 2, 0, 8, 0, 0, 0, 'P', '@', 's', 's', 'w', '0', 'r', 'd',
		2, 0, 1, 0, 8, 0, 0, 0, '0', '0', '0', '0', '0', '3', '7', 'M',
		2, 0, 2, 0, 32, 0, 0, 0, 'N', 'K', 'L', 'D' };
	g_autoptr(PvSetupBin) bin = new_file(PV_SETUP_BIN_1);
	add_text(first(bin), "pps", PPS);
	add_text(first(bin), "pid", PID);
	g_autoptr(GByteArray) bytes = write_file(bin);
	g_assert_cmpuint(bytes->len, ==, 1024);
	g_assert_cmpmem(bytes->data, sizeof header, header, sizeof header);
	g_assert_cmpmem(bytes->data + 512, sizeof record, record, sizeof record);
	for (guint i = sizeof header; i < 512; i++)
		g_assert_cmpuint(bytes->data[i], ==, 0);
	g_assert_cmpuint(bytes->data[512 + sizeof record + 28], ==, 0);

	/* the body alone is scrambled, and all of it */
	first(bin)->scrambled = TRUE;
	g_autoptr(GByteArray) scrambled = write_file(bin);
	g_assert_cmpuint(scrambled->data[512 + 4], ==, 3);
	for (guint i = 512 + 24; i < 1024; i++)
		g_assert_cmpuint(scrambled->data[i], ==, (guint8)(bytes->data[i] + 17));
}

static void
test_versions(void)
{
	static const struct {
		guint version;
		guint8 major, minor, type;
	} rows[] = {
		{ PV_SETUP_BIN_1, 1, 0, 0xb5 },
		{ PV_SETUP_BIN_2, 2, 0, 0x96 },
		{ PV_SETUP_BIN_21, 2, 1, 0x96 },
		{ PV_SETUP_BIN_3, 3, 0, 0xa7 },
		{ PV_SETUP_BIN_4, 4, 0, 0xaa },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(PvSetupBin) bin = new_file(rows[i].version);
		bin->keep = rows[i].version != PV_SETUP_BIN_1;
		g_autoptr(GByteArray) bytes = write_file(bin);
		g_assert_cmpuint(bytes->data[0], ==, rows[i].type);
		g_assert_cmpuint(bytes->data[24], ==, rows[i].major);
		g_assert_cmpuint(bytes->data[25], ==, rows[i].minor);
		g_assert_cmpuint(bytes->data[26], ==, bin->keep);
		g_autoptr(PvSetupBin) again = pv_setup_bin_parse(bytes->data, bytes->len, &error);
		g_assert_no_error(error);
		g_assert_cmpuint(again->version, ==, rows[i].version);
		g_assert_cmpint(again->keep, ==, bin->keep);
		g_assert_cmpuint(pv_setup_bin_version_parse(pv_setup_bin_version_to_string(again->version)), ==,
		    rows[i].version);
	}
	g_assert_cmpuint(pv_setup_bin_version_parse("5"), ==, 0);
}

static char *
show(const PvSetupBin *bin, guint record, const char *name)
{
	const PvSetupBinVariable *variable = pv_setup_bin_find_name(name);
	const PvSetupBinRecord *row = bin->records->pdata[record];
	for (guint i = 0; i < row->entries->len; i++) {
		const PvSetupBinEntry *entry = row->entries->pdata[i];
		if (entry->module == variable->module && entry->variable == variable->variable)
			return pv_setup_bin_value_to_string(variable, entry);
	}
	return NULL;
}

/* every setting comes back as it was given */
static void
test_round_trip(void)
{
	static const struct {
		const char *name, *value;
	} rows[] = {
		{ "manageability", "amt" }, { "local-update", "password" }, { "update-qualifier", "never" },
		{ "power-package", "944f8ba1-0dcd-4f4f-8d4b-1f2c3d4e5f60" }, { "dns-suffix", "corp.example.com" },
		{ "server-fqdn", "prov.example.com" }, { "remote-configuration", "on" }, { "preinstalled-hashes", "off" },
		{ "user-hashes", "delete" }, { "redirection", "sol+ider+login" }, { "host-name", "pc1" },
		{ "domain", "example.com" }, { "dhcp", "on" }, { "secure-update", "off" }, { "ito", "0102" },
		{ "mode", "enterprise" }, { "server-address", "192.0.2.7" }, { "server-port", "9971" },
		{ "shared-fqdn", "shared" }, { "ddns", "on" }, { "kvm", "off" }, { "consent", "all" },
		{ "remote-consent", "on" }, { "activate", "start" }, { "manual-setup", "automated" },
		{ "support-channel", "65535" }, { "service-type", "one-time" },
		{ "service-provider", "00112233-4455-6677-8899-aabbccddeeff" },
	};
	g_autoptr(PvSetupBin) bin = new_file(PV_SETUP_BIN_4);
	for (gsize i = G_N_ELEMENTS(rows); i > 0; i--)
		add_value(first(bin), rows[i - 1].name, rows[i - 1].value);
	first(bin)->scrambled = TRUE;
	g_autoptr(GByteArray) bytes = write_file(bin);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSetupBin) again = pv_setup_bin_parse(bytes->data, bytes->len, &error);
	g_assert_no_error(error);
	g_assert_true(pv_setup_bin_check(again, &error));
	g_assert_no_error(error);
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *value = show(again, 0, rows[i].name);
		g_assert_cmpstr(value, ==, rows[i].value);
	}
	/* a GUID's first three fields are little-endian */
	static const guint8 guid[] = { 0xa1, 0x8b, 0x4f, 0x94, 0xcd, 0x0d, 0x4f, 0x4f, 0x8d, 0x4b };
	const PvSetupBinEntry *package = first(bin)->entries->pdata[5];
	g_assert_cmpmem(package->value, sizeof guid, guid, sizeof guid);
}

static void
test_values(void)
{
	static const struct {
		const char *name, *value, *part;
	} rows[] = {
		{ "kvm", "yes", "off=0|on=1" },
		{ "server-port", "0", "from 1 to 65535" },
		{ "server-port", "70000", "from 1 to 65535" },
		{ "server-port", "99x", "from 1 to 65535" },
		{ "power-package", "always-on", "a GUID" },
		{ "host-name", "", "1 to 63 characters" },
		{ "ito", "abc", "hexadecimal" },
		{ "ito", "zz", "hexadecimal" },
		{ "consent", "no", "none=0|kvm=1|all=255" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(
		    pv_setup_bin_value_parse(pv_setup_bin_find_name(rows[i].name), rows[i].value, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_assert_nonnull(strstr(error->message, rows[i].part));
	}
}

static void
expect_refused(PvSetupBin *bin, const char *part)
{
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_setup_bin_write(bin, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	if (strstr(error->message, part) == NULL)
		g_error("\"%s\" does not say \"%s\"", error->message, part);
}

static void
test_what_versions_hold(void)
{
	g_autoptr(PvSetupBin) one = new_file(PV_SETUP_BIN_1);
	add_value(first(one), "dns-suffix", "example.com");
	expect_refused(one, "record 1, entry 3 (dns-suffix): this version");
	g_autoptr(PvSetupBin) two = new_file(PV_SETUP_BIN_2);
	add_value(first(two), "redirection", "sol");
	expect_refused(two, "this version");
	g_autoptr(PvSetupBin) between = new_file(PV_SETUP_BIN_21);
	add_value(first(between), "kvm", "on");
	expect_refused(between, "this version");
	g_autoptr(PvSetupBin) kept = new_file(PV_SETUP_BIN_1);
	kept->keep = TRUE;
	expect_refused(kept, "always used up");
	g_autoptr(PvSetupBin) none = pv_setup_bin_new(PV_SETUP_BIN_4);
	expect_refused(none, "no record");

	guint8 sha256[1 + 32 + 1 + 4] = { 2 };
	memcpy(sha256 + 33, "\004root", 5);
	g_autoptr(PvSetupBin) hash = new_file(PV_SETUP_BIN_2);
	add_value(first(hash), "user-hashes", "on");
	pv_setup_bin_add(first(hash), pv_setup_bin_find_name("user-hash"), sha256, sizeof sha256);
	expect_refused(hash, "only version 3 and up");
	hash->version = PV_SETUP_BIN_3;
	g_autoptr(GByteArray) good = write_file(hash);
	g_autofree char *text = show(hash, 0, "user-hash");
	g_assert_true(g_str_has_prefix(text, "sha256:0000"));
	g_assert_true(g_str_has_suffix(text, " root"));
	for (guint i = 0; i < 3; i++)
		pv_setup_bin_add(first(hash), pv_setup_bin_find_name("user-hash"), sha256, sizeof sha256);
	expect_refused(hash, "three at most");
}

static void
test_rules(void)
{
	g_autoptr(PvSetupBin) factory = pv_setup_bin_new(PV_SETUP_BIN_4);
	add_text(pv_setup_bin_add_record(factory), "current-password", "admin");
	expect_refused(factory, "a new one is needed");
	g_autoptr(PvSetupBin) without = pv_setup_bin_new(PV_SETUP_BIN_4);
	add_text(pv_setup_bin_add_record(without), "new-password", "P@ssw0rd");
	expect_refused(without, "must be the first entry");
	g_autoptr(PvSetupBin) weak = pv_setup_bin_new(PV_SETUP_BIN_4);
	add_text(pv_setup_bin_add_record(weak), "current-password", "admin");
	add_text(first(weak), "new-password", "password");
	expect_refused(weak, "a digit and a symbol");
	g_autoptr(PvSetupBin) half = new_file(PV_SETUP_BIN_1);
	add_text(first(half), "pid", PID);
	expect_refused(half, "belong together");
	g_autoptr(PvSetupBin) slip = new_file(PV_SETUP_BIN_1);
	add_text(first(slip), "pid", "0000037N");
	add_text(first(slip), "pps", PPS);
	expect_refused(slip, "(pid): its check character");
	g_autoptr(PvSetupBin) twice = new_file(PV_SETUP_BIN_4);
	add_value(first(twice), "kvm", "on");
	add_value(first(twice), "kvm", "off");
	expect_refused(twice, "there twice");
	g_autoptr(PvSetupBin) alone = new_file(PV_SETUP_BIN_4);
	guint8 sha1[1 + 20 + 1] = { 1 };
	pv_setup_bin_add(first(alone), pv_setup_bin_find_name("user-hash"), sha1, sizeof sha1);
	expect_refused(alone, "\"user-hashes\" must stand before");
	g_autoptr(PvSetupBin) large = new_file(PV_SETUP_BIN_4);
	g_autofree char *label = g_strnfill(240, 'a');
	add_text(first(large), "dns-suffix", label);
	add_text(first(large), "server-fqdn", label);
	expect_refused(large, "more than 488 bytes");
}

/* a file of another program, whose order is what it is */
static void
test_foreign_order(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSetupBin) bin = new_file(PV_SETUP_BIN_4);
	add_value(first(bin), "activate", "start");
	add_value(first(bin), "server-fqdn", "prov.example.com");
	g_assert_false(pv_setup_bin_check(bin, &error));
	g_assert_nonnull(strstr(error->message, "\"current-password\" must be the first"));
	g_clear_error(&error);
	/* written by us it stands in the right one */
	g_autoptr(GByteArray) bytes = write_file(bin);
	g_assert_true(pv_setup_bin_check(bin, &error));
	g_assert_no_error(error);
	/* "activate" before the server's name */
	gpointer moved = g_ptr_array_steal_index(first(bin)->entries, 3);
	g_ptr_array_insert(first(bin)->entries, 2, moved);
	g_assert_false(pv_setup_bin_check(bin, &error));
	g_assert_nonnull(strstr(error->message, "entry 4 (server-fqdn): \"activate\" must stand after it"));
}

static void
expect_bad(GByteArray *good, guint at, guint8 byte, gsize length, const char *part)
{
	g_autoptr(GError) error = NULL;
	guint8 before = good->data[at];
	good->data[at] = byte;
	g_autofree guint8 *copy = g_memdup2(good->data, MAX(length, 1)); /* so that a sanitizer sees each byte beyond */
	g_autoptr(PvSetupBin) bin = pv_setup_bin_parse(copy, length, &error);
	good->data[at] = before;
	g_assert_null(bin);
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	if (strstr(error->message, part) == NULL)
		g_error("\"%s\" does not say \"%s\"", error->message, part);
}

static void
test_malformed(void)
{
	g_autoptr(PvSetupBin) bin = new_file(PV_SETUP_BIN_4);
	PvSetupBinRecord *second = pv_setup_bin_add_record(bin);
	add_text(second, "current-password", "P@ssw0rd");
	g_autoptr(GByteArray) good = write_file(bin);
	gsize whole = good->len;
	expect_bad(good, 0, 0xaa, 0, "at byte 0: it ends before its header");
	expect_bad(good, 0, 0xaa, 511, "at byte 511: it ends before its header");
	expect_bad(good, 0, 0xab, whole, "at byte 0: its type");
	expect_bad(good, 24, 3, whole, "at byte 24: the version is 3 and the type is that of version 4");
	expect_bad(good, 25, 1, whole, "at byte 25: version 4.1 is not known");
	expect_bad(good, 16, 2, whole, "headers and records of more than 512");
	expect_bad(good, 36, 2, whole, "headers and records of more than 512");
	expect_bad(good, 18, 3, whole, "at byte 18: the header has 3 bytes");
	expect_bad(good, 28, 3, whole, "at byte 28: it says that it has 3 records, and has 2");
	expect_bad(good, 28, 2, whole - 512, "it says that it has 2 records, and has 1");
	expect_bad(good, 28, 2, whole - 1, "at byte 1024: record 2 ends after 511 of 512 bytes");
	expect_bad(good, 32, 3, whole, "at byte 32: 3 records of 2 are said to be used up");
	expect_bad(good, 512, 2, whole, "at byte 512: record 1: its type is 2");
	expect_bad(good, 1024 + 18, 25, whole, "at byte 1040: record 2: it is not one of 512 bytes");
	expect_bad(good, 1024 + 24 + 5, 2, whole, "at byte 1052: record 2, entry 1: its value of 520 bytes");
	/* a value of 464 bytes leaves 16: room for a head and 8 more */
	good->data[1024 + 24 + 4] = 0xd0;
	good->data[1024 + 24 + 5] = 1;
	good->data[1024 + 24 + 472 + 4] = 9;
	expect_bad(good, 1024 + 24 + 472, 1, whole, "record 2, entry 2: its value of 9 bytes");
	/* one of 473 leaves 4: no room for a head */
	good->data[1024 + 24 + 4] = 0xd9;
	expect_bad(good, 1024 + 24 + 484, 1, whole, "at byte 1532: record 2, entry 2: the record ends within its head");
}

/* what the decoder of the reference reads, eight bytes before; used up and unknown things */
static void
test_lenient(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSetupBin) bin = new_file(PV_SETUP_BIN_3);
	(void)pv_setup_bin_add_record(bin);
	add_text(bin->records->pdata[1], "current-password", "P@ssw0rd");
	g_autoptr(GByteArray) bytes = write_file(bin);
	memmove(bytes->data + 512 + 8, bytes->data + 512 + 16, 8);
	memset(bytes->data + 512 + 16, 0, 8);
	memset(bytes->data + 1024, 0, 512);
	bytes->data[32] = 1;
	bytes->data[16] = 0;
	bytes->data[512 + 24 + 2] = 63;
	g_autoptr(PvSetupBin) again = pv_setup_bin_parse(bytes->data, bytes->len, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(first(again)->number, ==, 1);
	g_assert_cmpuint(first(again)->entries->len, ==, 2);
	g_assert_cmpuint(again->consumed, ==, 1);
	g_assert_false(((PvSetupBinRecord *)again->records->pdata[1])->valid);
	const PvSetupBinEntry *unknown = first(again)->entries->pdata[0];
	g_assert_null(pv_setup_bin_find(unknown->module, unknown->variable));
	g_autofree char *hex = pv_setup_bin_value_to_string(NULL, unknown);
	g_assert_cmpstr(hex, ==, "61646d696e");
	g_assert_false(pv_setup_bin_check(again, &error));
	g_assert_nonnull(strstr(error->message, "module 1, variable 63"));
}

/* any bytes at all: it says no, or what it read can be shown and checked */
static void
test_noise(void)
{
	g_autoptr(PvSetupBin) bin = new_file(PV_SETUP_BIN_4);
	add_value(first(bin), "service-provider", "00112233-4455-6677-8899-aabbccddeeff");
	g_autoptr(GByteArray) good = write_file(bin);
	for (guint i = 0; i < 20000; i++) {
		g_autofree guint8 *copy = g_memdup2(good->data, good->len);
		for (guint j = g_test_rand_int_range(1, 8); j > 0; j--)
			copy[g_test_rand_int_range(j % 2 == 0 ? 16 : 512, (gint32)good->len)] =
			    (guint8)g_test_rand_int_range(0, 256);
		g_autoptr(PvSetupBin) read = pv_setup_bin_parse(copy, good->len, NULL);
		for (guint j = 0; read != NULL && j < first(read)->entries->len; j++) {
			const PvSetupBinEntry *entry = first(read)->entries->pdata[j];
			g_autofree char *text = pv_setup_bin_value_to_string(
			    pv_setup_bin_find(entry->module, entry->variable), entry);
			g_assert_true(g_utf8_validate(text, -1, NULL));
		}
		g_autoptr(GError) error = NULL;
		gboolean right = read != NULL && pv_setup_bin_check(read, &error);
		g_assert_true(right || read == NULL || error != NULL);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/amt/setup-bin/bytes", test_bytes);
	g_test_add_func("/amt/setup-bin/versions", test_versions);
	g_test_add_func("/amt/setup-bin/round-trip", test_round_trip);
	g_test_add_func("/amt/setup-bin/values", test_values);
	g_test_add_func("/amt/setup-bin/what-versions-hold", test_what_versions_hold);
	g_test_add_func("/amt/setup-bin/rules", test_rules);
	g_test_add_func("/amt/setup-bin/foreign-order", test_foreign_order);
	g_test_add_func("/amt/setup-bin/malformed", test_malformed);
	g_test_add_func("/amt/setup-bin/lenient", test_lenient);
	g_test_add_func("/amt/setup-bin/noise", test_noise);
	return g_test_run();
}
