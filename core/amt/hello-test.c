/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/hello.h"

#include <provost/error.h>

#include <string.h>

#define HELLO_V3 "\0\0\3\0\0\0\0\0"
#define HELLO_V2 "\1\0\2\0\7\1\0\0"
#define HELLO_UUID "\x3e\xc2\xff\xd2\xd1\x9d\x2d\x41\x86\x0a\x54\xb2\x03\x9b\x72\xff"

static GByteArray *
hello_test_make(guint hashes)
{
	GByteArray *packet = g_byte_array_new();
	g_byte_array_append(packet, (const guint8 *)HELLO_V3 HELLO_UUID, 24);
	guint8 count = (guint8)hashes;
	g_byte_array_append(packet, &count, 1);
	for (guint i = 0; i < hashes; i++) {
		guint8 entry[34] = { 2, 32 };
		memset(entry + 2, (int)i + 1, 32);
		g_byte_array_append(packet, entry, sizeof entry);
	}
	return packet;
}

static void
hello_test_version3(void)
{
	g_autoptr(GByteArray) packet = hello_test_make(2);
	g_assert_cmpuint(packet->len, ==, 93);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvHello) hello = pv_hello_parse(packet->data, packet->len, &error);
	g_assert_no_error(error);
	g_assert_false(hello->credentials_set);
	g_assert_cmpuint(hello->version, ==, 3);
	g_assert_cmpuint(hello->retry, ==, 0);
	g_assert_cmpstr(hello->uuid, ==, "d2ffc23e-9dd1-412d-860a-54b2039b72ff");
	g_assert_cmpuint(hello->hashes->len, ==, 2);
	const PvRootHash *hash = &g_array_index(hello->hashes, PvRootHash, 1);
	g_assert_cmpuint(hash->type, ==, 2);
	g_assert_cmpuint(hash->length, ==, 32);
	g_assert_cmpuint(hash->hash[31], ==, 2);

	g_autoptr(GByteArray) real = hello_test_make(24); /* the size of a recorded one */
	g_assert_cmpuint(real->len, ==, 841);
	g_autoptr(PvHello) other = pv_hello_parse(real->data, real->len, NULL);
	g_assert_cmpuint(other->hashes->len, ==, 24);
}

static void
hello_test_version2(void)
{
	static const guint8 packet[] = HELLO_V2 HELLO_UUID "ABCD1234";
	g_autoptr(PvHello) hello = pv_hello_parse(packet, 32, NULL);
	g_assert_nonnull(hello);
	g_assert_true(hello->credentials_set);
	g_assert_cmpuint(hello->version, ==, 2);
	g_assert_cmpuint(hello->retry, ==, 263);
	g_assert_cmpstr(hello->pid, ==, "ABCD1234");
}

static void
hello_test_truncated(void)
{
	g_autoptr(GByteArray) packet = hello_test_make(3);
	for (guint length = 0; length <= packet->len; length++) {
		g_autofree guint8 *copy = g_memdup2(packet->data, length);
		g_autoptr(GError) error = NULL;
		g_autoptr(PvHello) hello = pv_hello_parse(copy, length, &error);
		g_assert_cmpint(hello != NULL, ==, length == packet->len);
		if (hello == NULL)
			g_assert_error(error, PV_ERROR, PV_ERROR_PROTOCOL);
	}
}

static void
hello_test_junk(void)
{
	static const struct {
		const char *data;
		gsize length;
		const char *reason;
	} rows[] = {
		{ "GET / HTTP/1.1\r\nHost: provisionserver\r\n\r\n", 41, "credentials" },
		{ "\2\0\3\0\0\0\0\0" HELLO_UUID "\0", 25, "credentials" },
		{ "\0\0\1\0\0\0\0\0" HELLO_UUID "\0", 25, "version 1" },
		{ "\0\0\4\0\0\0\0\0" HELLO_UUID "\0", 25, "version 4" },
		{ HELLO_V3 HELLO_UUID "\0x", 26, "follow the last" },
		{ HELLO_V3 HELLO_UUID "\1\1\40ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", 59,
		    "type 1 and 32" },
		{ HELLO_V3 HELLO_UUID "\1\4\0", 27, "type 4 and 0" },
		{ HELLO_V3 HELLO_UUID "\1\2\377", 27, "within root hash 1 of 1" },
		{ HELLO_V2 HELLO_UUID "ABCD123", 31, "PID" },
		{ HELLO_V2 HELLO_UUID "ABCD123\n", 32, "byte 7" },
		{ HELLO_V2 HELLO_UUID "abcd1234", 32, "byte 0" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree guint8 *copy = g_memdup2(rows[i].data, rows[i].length);
		g_autoptr(GError) error = NULL;
		g_assert_null(pv_hello_parse(copy, rows[i].length, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_PROTOCOL);
		if (strstr(error->message, rows[i].reason) == NULL)
			g_error("\"%s\" lacks \"%s\"", error->message, rows[i].reason);
	}
	g_autofree guint8 *big = g_malloc0(PV_HELLO_MAX_BYTES + 1);
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_hello_parse(big, PV_HELLO_MAX_BYTES + 1, &error));
	g_assert_nonnull(strstr(error->message, "too many"));
}

/* any one bit wrong is either noticed or just another value, never a crash */
static void
hello_test_flips(void)
{
	g_autoptr(GByteArray) packet = hello_test_make(2);
	for (guint bit = 0; bit < packet->len * 8; bit++) {
		g_autofree guint8 *copy = g_memdup2(packet->data, packet->len);
		copy[bit / 8] ^= (guint8)(1 << bit % 8);
		g_autoptr(GError) error = NULL;
		g_autoptr(PvHello) hello = pv_hello_parse(copy, packet->len, &error);
		g_assert_cmpint(hello == NULL, ==, error != NULL);
	}
}

static void
hello_test_uuid(void)
{
	static const char *const bad[] = { "", "x", "00000000-0000-0000-0000-000000000000",
		"FFFFFFFF-ffff-FFFF-ffff-FFFFFFFFFFFF", "03000200-0400-0500-0006-000700080009",
		"00020003-0004-0005-0006-000700080009", "d2ffc23e-9dd1-412d-860a-54b2039b72f",
		"d2ffc23e-9dd1-412d-860a-54b2039b72fg" };
	g_assert_true(pv_uuid_is_usable("d2ffc23e-9dd1-412d-860a-54b2039b72ff"));
	g_assert_false(pv_uuid_is_usable(NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
		g_assert_false(pv_uuid_is_usable(bad[i]));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/amt/hello/version-3", hello_test_version3);
	g_test_add_func("/amt/hello/version-2", hello_test_version2);
	g_test_add_func("/amt/hello/truncated", hello_test_truncated);
	g_test_add_func("/amt/hello/junk", hello_test_junk);
	g_test_add_func("/amt/hello/flips", hello_test_flips);
	g_test_add_func("/amt/hello/uuid", hello_test_uuid);
	return g_test_run();
}
