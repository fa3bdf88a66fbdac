/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/log.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <provost/error.h>
#include <provost/file.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/process.h"

#define LOG_TEST_TIME (G_GINT64_CONSTANT(1764041260123456)) /* 2025-11-25 03:27:40.123456 UTC */

static void
log_test_format(void)
{
	static const struct {
		GLogLevelFlags level;
		GLogField fields[5];
		gsize count;
		const char *line;
	} rows[] = {
		{ G_LOG_LEVEL_MESSAGE,
		    { { "MESSAGE", "hello", -1 }, { "GLIB_DOMAIN", "provost", -1 } }, 2,
		    "2025-11-25T03:27:40.123Z notice hello\n" },
		{ G_LOG_LEVEL_WARNING,
		    { { "MESSAGE", "x", -1 }, { "GLIB_DOMAIN", "GLib-GIO", -1 } }, 2,
		    "2025-11-25T03:27:40.123Z warning x domain=GLib-GIO\n" },
		{ G_LOG_LEVEL_WARNING,
		    { { "PRIORITY", "3", -1 }, { "MESSAGE", "no way", -1 },
			{ "PV_CODE", "auth", -1 }, { "PV_JOB", "7", -1 },
			{ "PV_STAGE", "clock", -1 } },
		    5, "2025-11-25T03:27:40.123Z error no way job=7 stage=clock code=auth\n" },
		/* what a device sends must not look like an entry of ours */
		{ G_LOG_LEVEL_DEBUG,
		    { { "MESSAGE", "a\n2025-11-25T03:27:40.123Z notice forged\r\t\x1b[2J\x7f", -1 },
			{ "PV_DEVICE", "u\" job=9", -1 } },
		    2,
		    "2025-11-25T03:27:40.123Z debug a\\x0a2025-11-25T03:27:40.123Z notice "
		    "forged\\x0d\\x09\\x1b[2J\\x7f "
		    "device=\"u\\\" job=9\"\n" },
		{ G_LOG_LEVEL_INFO,
		    { { "MESSAGE", "\xff\xc2\x9b \xe2\x80\xa8 \xe2\x80\xae \xc3\xa9 \\n", -1 } }, 1,
		    "2025-11-25T03:27:40.123Z info \\xff\\u009b \\u2028 \\u202e é \\n\n" },
		{ G_LOG_LEVEL_MESSAGE, { { "MESSAGE", "cut off here", 3 } }, 1,
		    "2025-11-25T03:27:40.123Z notice cut\n" },
		{ G_LOG_LEVEL_MESSAGE, { { "MESSAGE", "m", -1 }, { "PV_STAGE", "", -1 } }, 2,
		    "2025-11-25T03:27:40.123Z notice m stage=\"\"\n" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *line =
		    pv_log_format(rows[i].level, rows[i].fields, rows[i].count, LOG_TEST_TIME);
		g_assert_cmpstr(line, ==, rows[i].line);
	}
}

static void
log_test_long(void)
{
	g_autofree char *text = g_strnfill(1 << 20, '\n');
	const GLogField fields[] = { { "MESSAGE", text, -1 } };
	g_autofree char *line = pv_log_format(G_LOG_LEVEL_MESSAGE, fields, 1, LOG_TEST_TIME);
	g_assert_cmpuint(strlen(line), <, 64 << 10);
	g_assert_true(strchr(line, '\n') == line + strlen(line) - 1);
}

/* the part that a program sees: run in a process of its own, whose standard error is caught */
static void
log_test_program(void)
{
	if (g_test_subprocess()) {
		g_unsetenv("JOURNAL_STREAM");
		g_unsetenv("G_MESSAGES_DEBUG");
		pv_log_init(FALSE);
		g_debug("not wanted");
		g_autoptr(GError) error =
		    g_error_new_literal(PV_ERROR, PV_ERROR_UNREACHABLE, "connect: timed\nout");
		pv_log_error_fields(error, "11111111-2222-4333-8444-555555555555", 12, "clock");
		pv_log_fields(G_LOG_LEVEL_MESSAGE, NULL, 12, NULL, "job %d ends", 12);
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
	g_test_trap_assert_stderr_unmatched("*not wanted*");
	g_test_trap_assert_stderr(
	    "*Z error connect: timed\\x0aout device=11111111-2222-4333-8444-555555555555 job=12 "
	    "stage=clock code=unreachable\n*Z notice job 12 ends job=12\n*");
}

static void
log_test_verbose(void)
{
	if (g_test_subprocess()) {
		g_unsetenv("G_MESSAGES_DEBUG");
		/* another stream than ours: the journal is not to be tried */
		g_setenv("JOURNAL_STREAM", "1:1", TRUE);
		pv_log_init(TRUE);
		g_debug("wanted");
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
	g_test_trap_assert_stderr("*Z debug wanted\n*");
}

static void
log_test_debug_by_domain(void)
{
	if (g_test_subprocess()) {
		g_setenv("G_MESSAGES_DEBUG", "other provost", TRUE);
		pv_log_init(FALSE);
		g_debug("of ours");
		g_log_structured("foreign", G_LOG_LEVEL_DEBUG, "MESSAGE", "of theirs");
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
	g_test_trap_assert_stderr("*Z debug of ours\n*");
	g_test_trap_assert_stderr_unmatched("*of theirs*");
}

static void
process_test_harden(void)
{
	if (g_test_subprocess()) {
		struct rlimit core, files;
		g_unsetenv("PROVOST_ALLOW_DEBUG");
		getrlimit(RLIMIT_NOFILE, &files);
		files.rlim_cur = MIN(files.rlim_max, 64);
		setrlimit(RLIMIT_NOFILE, &files);
		pv_process_harden();
		getrlimit(RLIMIT_CORE, &core);
		getrlimit(RLIMIT_NOFILE, &files);
		g_assert_cmpuint(core.rlim_cur, ==, 0);
		g_assert_cmpuint(core.rlim_max, ==, 0);
		g_assert_cmpint(prctl(PR_GET_DUMPABLE), ==, 0);
		g_assert_true(files.rlim_cur == files.rlim_max);
		g_assert_cmpuint(umask(0), ==, 077);
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
}

static void
process_test_allow_debug(void)
{
	if (g_test_subprocess()) {
		g_setenv("PROVOST_ALLOW_DEBUG", "1", TRUE);
		int before = prctl(PR_GET_DUMPABLE);
		pv_process_harden();
		g_assert_cmpint(prctl(PR_GET_DUMPABLE), ==, before);
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
}

static guint
file_test_count(const char *folder)
{
	guint count = 0;
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	while (g_dir_read_name(dir) != NULL)
		count++;
	return count;
}

static void
file_test_replace(void)
{
	g_autofree char *folder = g_dir_make_tmp("pv-file-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(folder, "value", NULL);
	g_autoptr(GError) error = NULL;
	g_autofree char *read = NULL;
	gsize length = 0;
	struct stat status;
	mode_t mask = umask(077);
	g_assert_true(pv_file_replace(path, "one", -1, 0600, &error));
	g_assert_true(pv_file_replace(path, "t\0wo", 4, 0644, &error));
	umask(mask);
	g_assert_no_error(error);
	g_assert_true(g_file_get_contents(path, &read, &length, NULL));
	g_assert_cmpmem(read, length, "t\0wo", 4);
	g_assert_cmpint(stat(path, &status), ==, 0);
	g_assert_cmpuint(status.st_mode & 07777, ==, 0644);
	g_assert_true(pv_file_replace(path, NULL, 0, 0600, &error));
	g_assert_cmpint(stat(path, &status), ==, 0);
	g_assert_cmpint(status.st_size, ==, 0);
	g_assert_cmpuint(file_test_count(folder), ==, 1);
	g_unlink(path);
	g_rmdir(folder);
}

static void
file_test_errors(void)
{
	g_autofree char *folder = g_dir_make_tmp("pv-file-XXXXXX", NULL);
	g_autofree char *lost = g_build_filename(folder, "none", "value", NULL);
	g_autofree char *taken = g_build_filename(folder, "taken", NULL);
	g_autofree char *expected =
	    g_strdup_printf("write %s: make a file beside it: No such file or directory", lost);
	g_autoptr(GError) error = NULL;
	g_assert_false(pv_file_replace(lost, "x", -1, 0600, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_FAILED);
	g_assert_cmpstr(error->message, ==, expected);
	g_clear_error(&error);
	/* a folder cannot be replaced; what was written beside it goes away */
	g_assert_cmpint(g_mkdir(taken, 0700), ==, 0);
	g_assert_false(pv_file_replace(taken, "x", -1, 0600, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_FAILED);
	g_assert_cmpuint(file_test_count(folder), ==, 1);
	g_rmdir(taken);
	g_rmdir(folder);
}

/* a full disk keeps the old content */
static void
file_test_full(void)
{
	if (g_test_subprocess()) {
		const struct rlimit limit = { 1000, 1000 };
		g_autofree char *folder = g_dir_make_tmp("pv-file-XXXXXX", NULL);
		g_autofree char *path = g_build_filename(folder, "value", NULL);
		g_autofree char *big = g_strnfill(5000, 'x');
		g_autofree char *read = NULL;
		g_autoptr(GError) error = NULL;
		g_assert_true(pv_file_replace(path, "old", -1, 0600, &error));
		signal(SIGXFSZ, SIG_IGN);
		g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
		g_assert_false(pv_file_replace(path, big, -1, 0600, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_FAILED);
		g_assert_nonnull(strstr(error->message, ": write: File too large"));
		g_assert_true(g_file_get_contents(path, &read, NULL, NULL));
		g_assert_cmpstr(read, ==, "old");
		g_assert_cmpuint(file_test_count(folder), ==, 1);
		g_unlink(path);
		g_rmdir(folder);
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/base/log/format", log_test_format);
	g_test_add_func("/base/log/long", log_test_long);
	g_test_add_func("/base/log/program", log_test_program);
	g_test_add_func("/base/log/verbose", log_test_verbose);
	g_test_add_func("/base/log/debug-by-domain", log_test_debug_by_domain);
	g_test_add_func("/base/process/harden", process_test_harden);
	g_test_add_func("/base/process/allow-debug", process_test_allow_debug);
	g_test_add_func("/base/file/replace", file_test_replace);
	g_test_add_func("/base/file/errors", file_test_errors);
	g_test_add_func("/base/file/full", file_test_full);
	return g_test_run();
}
