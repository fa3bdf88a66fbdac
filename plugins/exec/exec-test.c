/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/program.h>

#include <glib/gstdio.h>
#include <provost/error.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/stage-test.h"

/* A case may have "scripts": { "name": "#!/bin/sh…" }, which only their owner may write, and "writable-scripts", which
 * everybody may; both go into the temporary folder, and so does the sample. */

static void
exec_test_write(const char *dir, const char *name, const char *text, int mode)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_build_filename(dir, name, NULL);
	g_file_set_contents(path, text, -1, &error);
	g_assert_no_error(error);
	g_assert_cmpint(g_chmod(path, mode), ==, 0);
}

static void
exec_test_write_member(const char *dir, JsonObject *fixture, const char *member, int mode)
{
	if (!json_object_has_member(fixture, member))
		return;
	JsonObjectIter iter;
	const char *name = NULL;
	JsonNode *node = NULL;
	json_object_iter_init(&iter, json_object_get_object_member(fixture, member));
	while (json_object_iter_next(&iter, &name, &node))
		exec_test_write(dir, name, json_node_get_string(node), mode);
}

static void
exec_test_prepare(PvSite *site, const char *dir, JsonObject *fixture)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *sample = NULL;
	g_autofree char *path =
	    g_test_build_filename(G_TEST_DIST, "plugins", "exec", "sample", "inventory", NULL);
	g_file_get_contents(path, &sample, NULL, &error);
	g_assert_no_error(error);
	exec_test_write(dir, "inventory", sample, 0700);
	exec_test_write_member(dir, fixture, "scripts", 0700);
	exec_test_write_member(dir, fixture, "writable-scripts", 0777);
}

/* The runner by itself, with /bin/sh */

typedef struct {
	GCancellable *cancellable; /* cancelled by the first line; NULL: none */
	GPtrArray *lines; /* of char* */
} ExecTestLines;

static void
exec_test_take_line(const char *text, gpointer data)
{
	ExecTestLines *lines = data;
	g_ptr_array_add(lines->lines, g_strdup(text));
	if (lines->cancellable != NULL)
		g_cancellable_cancel(lines->cancellable);
}

static gboolean
exec_test_run(const char *script, ExecTestLines *lines, PvProgramOutcome *outcome, GError **error)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	const PvProgram program = {
		.path = "/bin/sh",
		.argv = argv,
		.input = "first\nsecond\n",
		.input_bytes = 13,
		.limit_sec = 60,
		.cancellable = lines->cancellable,
		.line = exec_test_take_line,
		.data = lines,
	};
	return pv_program_run(&program, outcome, error);
}

static void
exec_test_streams(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
	ExecTestLines lines = { .lines = texts };
	g_auto(PvProgramOutcome) outcome = { 0 };
	gboolean ok =
	    exec_test_run("read line; echo \"$line\"; printf 'one\\ntwo\\033[1m\\n\\nthree' "
			  ">&2; exit 3",
		&lines, &outcome, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
	g_assert_cmpint(outcome.code, ==, 3);
	g_assert_cmpstr(outcome.output->str, ==, "first\n");
	g_assert_cmpuint(texts->len, ==, 3);
	g_assert_cmpstr(texts->pdata[0], ==, "one");
	g_assert_cmpstr(texts->pdata[1], ==, "two [1m");
	g_assert_cmpstr(outcome.last, ==, "three");
}

/* Whether it runs; one that nobody has reaped yet does not. */
static gboolean
exec_test_is_running(const char *number)
{
	g_autofree char *path = g_strdup_printf("/proc/%s/stat", number);
	g_autofree char *stat = NULL;
	if (!g_file_get_contents(path, &stat, NULL, NULL))
		return FALSE;
	const char *state = strrchr(stat, ')');
	return state != NULL && state[2] != 'Z' && state[2] != 'X';
}

/* A signal that was sent may take a moment to be delivered. */
static void
exec_test_assert_ends(const char *number)
{
	g_assert_cmpint(atoi(number), >, 1);
	gint64 until = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
	while (exec_test_is_running(number) && g_get_monotonic_time() < until)
		g_usleep(1000);
	g_assert_false(exec_test_is_running(number));
}

static void
exec_test_background(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
	ExecTestLines lines = { .lines = texts };
	g_auto(PvProgramOutcome) outcome = { 0 };
	/* it keeps both pipes open: who waits for their end waits for ten minutes */
	gboolean ok = exec_test_run("sleep 600 & echo $!", &lines, &outcome, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
	exec_test_assert_ends(g_strstrip(outcome.output->str));
}

static void
exec_test_cancel(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	ExecTestLines lines = { .cancellable = cancellable, .lines = texts };
	g_auto(PvProgramOutcome) outcome = { 0 };
	g_assert_false(exec_test_run("sleep 600 & echo $! >&2; wait", &lines, &outcome, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
	g_assert_cmpuint(texts->len, ==, 1);
	exec_test_assert_ends(texts->pdata[0]);
}

static void
exec_test_lines_are_bounded(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
	ExecTestLines lines = { .lines = texts };
	g_auto(PvProgramOutcome) outcome = { 0 };
	gboolean ok =
	    exec_test_run("i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i + 1)); done "
			  ">&2; head -c 100000 /dev/zero | tr '\\0' x >&2",
		&lines, &outcome, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
	g_assert_cmpuint(texts->len, ==, 200);
	g_assert_cmpuint(strlen(outcome.last), ==, 512);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/plugins/exec/program/streams", exec_test_streams);
	g_test_add_func("/plugins/exec/program/background", exec_test_background);
	g_test_add_func("/plugins/exec/program/cancel", exec_test_cancel);
	g_test_add_func("/plugins/exec/program/lines-are-bounded", exec_test_lines_are_bounded);
	stage_test_add("exec", exec_test_prepare);
	return g_test_run();
}
