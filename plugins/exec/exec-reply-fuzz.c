/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exec-reply.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

#define FUZZ_SECRET "P@ssw0rd1"

static void
fuzz_check_text(const char *text, GPtrArray *secrets)
{
	if (!g_utf8_validate(text, -1, NULL))
		g_error("a text is no UTF-8");
	if (strstr(text, FUZZ_SECRET) != NULL || exec_holds_secret(text, secrets))
		g_error("a secret came through");
}

static void
fuzz_check_reply(const ExecReply *reply, GPtrArray *secrets)
{
	for (guint i = 0; i < reply->changes->len; i++) {
		char **row = reply->changes->pdata[i];
		if (g_strv_length(row) != 4 || *row[0] == '\0')
			g_error("a change has no object, or not four columns");
		for (guint j = 0; j < 4; j++)
			fuzz_check_text(row[j], secrets);
	}
	GHashTableIter iter;
	gpointer name = NULL, value = NULL;
	g_hash_table_iter_init(&iter, reply->facts);
	while (g_hash_table_iter_next(&iter, &name, &value)) {
		if (*(const char *)name == '\0')
			g_error("a fact without a name");
		if (value != NULL)
			fuzz_check_text(value, secrets);
	}
	if (reply->text != NULL)
		fuzz_check_text(reply->text, secrets);
	if (reply->skip != NULL)
		fuzz_check_text(reply->skip, secrets);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_autoptr(GPtrArray) secrets =
	    g_ptr_array_new_with_free_func((GDestroyNotify)pv_secret_unref);
	g_ptr_array_add(secrets, pv_secret_new(FUZZ_SECRET, -1));
	g_autoptr(GError) error = NULL;
	GString *output = g_string_new_len((const char *)data, (gssize)length);
	{
		g_auto(ExecReply) reply = { 0 };
		gboolean good = exec_reply_parse(&reply, output, secrets, &error);
		fuzz_check_error(good, error);
		if (good)
			fuzz_check_reply(&reply, secrets);
	}
	g_string_free(output, TRUE);
	return 0;
}
