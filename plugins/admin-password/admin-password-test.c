/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/job.h"
#include "tests/lib/stage-test.h"

#include <string.h>

/* Intel AMT SDK, "Password format" */
static void
admin_password_test_check(const char *password)
{
	gboolean upper = FALSE, lower = FALSE, digit = FALSE, symbol = FALSE;
	g_assert_cmpuint(strlen(password), ==, 20);
	for (const char *c = password; *c != '\0'; c++) {
		g_assert_true(*c >= ' ' && *c <= '~');
		g_assert_null(strchr(":,\"", *c));
		upper = upper || g_ascii_isupper(*c);
		lower = lower || g_ascii_islower(*c);
		digit = digit || g_ascii_isdigit(*c);
		symbol = symbol || (g_ascii_ispunct(*c) && *c != '_');
	}
	g_assert_true(upper && lower && digit && symbol);
}

static void
admin_password_test_thousand(void)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < 1000; i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(PvSecret) password = pv_password_new(20, &error);
		g_assert_no_error(error);
		admin_password_test_check(pv_secret_peek(password, NULL));
		g_assert_true(g_hash_table_add(seen, g_strdup(pv_secret_peek(password, NULL))));
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	stage_test_add("admin-password", NULL);
	g_test_add_func("/requirements/S12-10.5/thousand-differ-and-are-strong", admin_password_test_thousand);
	return g_test_run();
}
