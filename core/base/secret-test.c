/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/error.h>
#include <provost/secret.h>

#include <gio/gio.h>
#include <string.h>

static void
secret_test_keeps_bytes(void)
{
	char bytes[] = { 'a', '\0', 'b' };
	g_autoptr(PvSecret) secret = pv_secret_new(bytes, sizeof bytes);
	memset(bytes, 0, sizeof bytes);

	gsize length = 0;
	const char *data = pv_secret_peek(secret, &length);
	g_assert_cmpmem(data, length, "a\0b", 3);
	g_assert_cmpint(data[length], ==, '\0');
}

static void
secret_test_equal(void)
{
	g_autoptr(PvSecret) one = pv_secret_new("Passw0rd!", -1);
	g_autoptr(PvSecret) same = pv_secret_new("Passw0rd!", 9);
	g_autoptr(PvSecret) longer = pv_secret_new("Passw0rd!x", -1);

	g_assert_true(pv_secret_equal(one, same));
	g_assert_false(pv_secret_equal(one, longer));
	g_assert_false(pv_secret_equal(one, NULL));
	g_assert_true(pv_secret_equal(NULL, NULL));
}

static void
error_test_names(void)
{
	g_autoptr(GError) auth = g_error_new_literal(PV_ERROR, PV_ERROR_AUTH, "x");
	g_autoptr(GError) cancelled = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_CANCELLED, "x");
	g_autoptr(GError) foreign = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_NO_SPACE, "x");

	g_assert_cmpstr(pv_error_get_name(auth), ==, "auth");
	g_assert_cmpstr(pv_error_get_name(cancelled), ==, "cancelled");
	g_assert_cmpstr(pv_error_get_name(foreign), ==, "failed");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/secret/keeps-bytes", secret_test_keeps_bytes);
	g_test_add_func("/base/secret/equal", secret_test_equal);
	g_test_add_func("/base/error/names", error_test_names);
	return g_test_run();
}
