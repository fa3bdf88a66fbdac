/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/audit.h"
#include "core/store/seal.h"

#include <string.h>

#define UUID "4c4c4544-0042-4d10-8054-000000000001"

static PvSecret *
seal_test_key(guint8 fill)
{
	guint8 key[PV_SEAL_KEY_BYTES];
	memset(key, fill, sizeof key);
	return pv_secret_new(key, sizeof key);
}

static GBytes *
seal_test_seal(PvSecret *key, const char *uuid, const char *name, const char *text, gssize length)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) value = pv_secret_new(text, length);
	GBytes *sealed = pv_seal(key, uuid, name, value, &error);
	g_assert_no_error(error);
	return sealed;
}

static void
seal_test_round_trip(void)
{
	static const char *const texts[] = { "", "P", "Passw0rd!", "a value of more than one block" };
	g_autoptr(PvSecret) key = seal_test_key(1);
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(GBytes) sealed = seal_test_seal(key, UUID, "admin", texts[i], -1);
		g_autoptr(PvSecret) back = pv_seal_open(key, UUID, "admin", sealed, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(pv_secret_peek(back, NULL), ==, texts[i]);
	}

	/* the same value twice is not the same twice: nonces are random */
	g_autoptr(GBytes) one = seal_test_seal(key, UUID, "admin", "Passw0rd!", -1);
	g_autoptr(GBytes) other = seal_test_seal(key, UUID, "admin", "Passw0rd!", -1);
	g_assert_false(g_bytes_equal(one, other));

	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) zeros = seal_test_seal(key, UUID, "key", "a\0b", 3);
	g_autoptr(PvSecret) back = pv_seal_open(key, UUID, "key", zeros, &error);
	gsize length = 0;
	const char *data = pv_secret_peek(back, &length);
	g_assert_cmpmem(data, length, "a\0b", 3);
}

static void
seal_assert_shut(PvSecret *key, const char *uuid, const char *name, GBytes *sealed)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) value = pv_seal_open(key, uuid, name, sealed, &error);
	g_assert_null(value);
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_autofree char *label = pv_seal_label(uuid, name);
	g_assert_true(g_str_has_prefix(error->message, label));
}

static void
seal_test_bound(void)
{
	g_autoptr(PvSecret) key = seal_test_key(1);
	g_autoptr(PvSecret) wrong = seal_test_key(2);
	g_autoptr(PvSecret) shorter = pv_secret_new("too short", -1);
	g_autoptr(GBytes) sealed = seal_test_seal(key, "ab", "c", "Passw0rd!", -1);
	seal_assert_shut(wrong, "ab", "c", sealed);
	seal_assert_shut(shorter, "ab", "c", sealed);
	seal_assert_shut(key, "ab", "d", sealed);
	seal_assert_shut(key, "", "c", sealed);
	/* the border between UUID and name counts */
	seal_assert_shut(key, "a", "bc", sealed);
}

/* Every bit and every length counts. */
static void
seal_test_tampered(void)
{
	g_autoptr(PvSecret) key = seal_test_key(1);
	g_autoptr(GBytes) sealed = seal_test_seal(key, UUID, "admin", "Passw0rd!", -1);
	gsize length = 0;
	const guint8 *data = g_bytes_get_data(sealed, &length);
	for (gsize at = 0; at < length; at++) {
		g_autofree guint8 *copy = g_memdup2(data, length);
		copy[at] ^= 1 << (at % 8);
		g_autoptr(GBytes) changed = g_bytes_new(copy, length);
		seal_assert_shut(key, UUID, "admin", changed);
		g_autoptr(GBytes) cut = g_bytes_new(data, at);
		seal_assert_shut(key, UUID, "admin", cut);
	}
}

static void
seal_test_too_long(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) key = seal_test_key(1);
	g_autofree char *text = g_strnfill(PV_SEAL_MAX_BYTES + 1, 'x');
	g_autoptr(PvSecret) value = pv_secret_new(text, -1);
	g_autoptr(GBytes) sealed = pv_seal(key, UUID, "admin", value, &error);
	g_assert_null(sealed);
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
}

/* RFC 5869, test case 3: SHA-256, no salt, no info; here the first 32 bytes of the output. And keys for different
 * uses differ. */
static void
seal_test_derive(void)
{
	static const guint8 expected[] = { 0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f, 0x71,
		0x5f, 0x80, 0x2a, 0x06, 0x3c, 0x5a, 0x31, 0xb8, 0xa1, 0x1f, 0x5c, 0x5e, 0xe1, 0x87,
		0x9e, 0xc3, 0x45, 0x4e, 0x5f, 0x3c, 0x73, 0x8d, 0x2d };
	guint8 input[22];
	memset(input, 0x0b, sizeof input);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) root = pv_secret_new(input, sizeof input);
	g_autoptr(PvSecret) derived = pv_seal_derive_key(root, "", &error);
	g_assert_no_error(error);
	gsize length = 0;
	const char *data = pv_secret_peek(derived, &length);
	g_assert_cmpmem(data, length, expected, sizeof expected);

	g_autoptr(PvSecret) seal = pv_seal_derive_key(root, PV_SEAL_INFO_SECRETS, &error);
	g_autoptr(PvSecret) audit = pv_seal_derive_key(root, PV_SEAL_INFO_AUDIT, &error);
	g_assert_false(pv_secret_equal(seal, audit));
}

/* Each field of an entry, and what it follows, makes another hash; so does a text moved to its neighbour. */
static void
audit_test_fields(void)
{
	static const guint8 bytes[PV_AUDIT_KEY_BYTES] = { 1 };
	g_autoptr(GBytes) key = g_bytes_new_static(bytes, sizeof bytes);
	const PvAuditRow base = {
		.seq = 1,
		.time_usec = 2,
		.actor = (char *)"root",
		.action = (char *)"import",
		.object = (char *)"a.csv",
		.text = (char *)"1 added",
	};
	PvAuditRow others[8];
	for (guint i = 0; i < G_N_ELEMENTS(others); i++)
		others[i] = base;
	others[0].seq = 2;
	others[1].time_usec = 3;
	others[2].actor = (char *)"rootimport";
	others[2].action = (char *)"";
	others[3].action = (char *)"impor";
	others[3].object = (char *)"ta.csv";
	others[4].object = NULL;
	others[5].text = (char *)"2 added";
	others[6].text = NULL;
	others[7].text = (char *)"";

	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	char *hash = pv_audit_hash(key, PV_AUDIT_FIRST, &base);
	g_assert_cmpuint(strlen(hash), ==, 64);
	g_assert_true(g_hash_table_add(seen, pv_audit_hash(key, hash, &base)));
	g_assert_true(g_hash_table_add(seen, hash));
	for (guint i = 0; i < G_N_ELEMENTS(others); i++)
		g_assert_true(
		    g_hash_table_add(seen, pv_audit_hash(key, PV_AUDIT_FIRST, &others[i])));
}

static void
audit_test_tail(void)
{
	static const guint8 bytes[PV_AUDIT_KEY_BYTES] = { 1 };
	static const guint8 other_bytes[PV_AUDIT_KEY_BYTES] = { 2 };
	g_autoptr(GBytes) key = g_bytes_new_static(bytes, sizeof bytes);
	g_autoptr(GBytes) other = g_bytes_new_static(other_bytes, sizeof other_bytes);
	g_autofree char *tail = pv_audit_tail_format(key, 7, PV_AUDIT_FIRST);
	gint64 seq = 0;
	g_autofree char *hash = NULL;
	g_assert_true(pv_audit_tail_parse(key, tail, &seq, &hash));
	g_assert_cmpint(seq, ==, 7);
	g_assert_cmpstr(hash, ==, PV_AUDIT_FIRST);

	g_autofree char *none = NULL;
	g_assert_false(pv_audit_tail_parse(other, tail, &seq, &none));
	g_assert_false(pv_audit_tail_parse(key, NULL, &seq, &none));
	g_assert_false(pv_audit_tail_parse(key, "", &seq, &none));
	g_assert_false(pv_audit_tail_parse(key, "7 x", &seq, &none));
	tail[0] = '6';
	g_assert_false(pv_audit_tail_parse(key, tail, &seq, &none));
	g_assert_null(none);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/store/seal/round-trip", seal_test_round_trip);
	g_test_add_func("/store/seal/bound-to-device-and-name", seal_test_bound);
	g_test_add_func("/store/seal/tampered", seal_test_tampered);
	g_test_add_func("/store/seal/too-long", seal_test_too_long);
	g_test_add_func("/store/seal/derive", seal_test_derive);
	g_test_add_func("/store/audit/fields", audit_test_fields);
	g_test_add_func("/store/audit/tail", audit_test_tail);
	return g_test_run();
}
