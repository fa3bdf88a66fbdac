/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

const char *
pv_cli_get(PvCli *cli, const char *option)
{
	return g_hash_table_lookup(cli->options->options, option);
}

gboolean
pv_cli_has(PvCli *cli, const char *option)
{
	return g_hash_table_contains(cli->options->options, option);
}

gboolean
pv_cli_get_uint(
    PvCli *cli, const char *option, guint minimum, guint maximum, guint fallback, guint *value)
{
	*value = fallback;
	const char *text = pv_cli_get(cli, option);
	if (text == NULL)
		return TRUE;
	guint64 number = 0;
	if (g_ascii_string_to_unsigned(text, 10, minimum, maximum, &number, NULL)) {
		*value = (guint)number;
		return TRUE;
	}
	pv_cli_usage(
	    cli, _("--%s: a whole number from %u to %u is needed"), option, minimum, maximum);
	return FALSE;
}

static void
cli_print_line(PvCli *cli, const char *text)
{
	g_autofree char *shown = pv_text_escape(text);
	g_printerr("provost: %s\n", shown);
}

void
pv_cli_warn(PvCli *cli, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	cli_print_line(cli, text);
}

void
pv_cli_note(PvCli *cli, const char *format, ...)
{
	if (cli->quiet)
		return;
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	cli_print_line(cli, text);
}

int
pv_cli_usage(PvCli *cli, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	const char *name = cli->command != NULL ? cli->command->name : NULL;
	g_autofree char *line =
	    name != NULL ? g_strdup_printf("%s: %s", name, text) : g_strdup(text);
	cli_print_line(cli, line);
	g_printerr(
	    _("Try \"provost help%s%s\".\n"), name != NULL ? " " : "", name != NULL ? name : "");
	return PV_EXIT_USAGE;
}

int
pv_cli_fail(PvCli *cli, const GError *error)
{
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
		pv_cli_warn(cli, _("interrupted"));
		return PV_EXIT_INTERRUPTED;
	}
	cli_print_line(cli, error->message);
	return PV_EXIT_FAILURE;
}

int
pv_cli_fail_config(PvCli *cli, const GError *error)
{
	int code = pv_cli_fail(cli, error);
	return g_error_matches(error, PV_ERROR, PV_ERROR_CONFIG) ? PV_EXIT_CONFIG : code;
}

/* who acts, as the audit log names it */
static char *
cli_dup_actor(void)
{
	const struct passwd *entry = getpwuid(getuid());
	return g_strdup_printf(
	    "uid %u (%s) provost", (guint)getuid(), entry != NULL ? entry->pw_name : "?");
}

gboolean
pv_cli_open_site(PvCli *cli, PvSiteFlags flags, int *code)
{
	g_autoptr(GError) error = NULL;
	cli->actor = cli_dup_actor();
	cli->site = pv_site_open(pv_cli_get(cli, "site"), cli->actor, flags, &error);
	if (cli->site != NULL)
		return TRUE;
	*code = pv_cli_fail_config(cli, error);
	return FALSE;
}

PvJobRow *
pv_cli_find_job(PvCli *cli, const char *uuid, GError **error)
{
	g_autoptr(GPtrArray) jobs = pv_db_list_jobs(cli->site->db, uuid, FALSE, error);
	return jobs != NULL && jobs->len > 0 ? g_ptr_array_steal_index(jobs, 0) : NULL;
}

char *
pv_cli_read_file(const char *path, gsize max_bytes, gsize *length, GError **error)
{
	gboolean is_stdin = g_str_equal(path, "-");
	int fd = is_stdin ? dup(STDIN_FILENO) : g_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "read %s: %s", path, g_strerror(errno));
		return NULL;
	}
	/* grown by hand and wiped, for it may hold passwords */
	gsize used = 0, size = 4096;
	char *data = g_malloc(size + 1);
	g_autofree char *problem = NULL;
	for (;;) {
		ssize_t got = read(fd, data + used, size - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			problem = g_strdup(g_strerror(errno));
		if (got <= 0)
			break;
		used += got;
		if (used > max_bytes) {
			problem =
			    g_strdup_printf("larger than %" G_GSIZE_FORMAT " bytes", max_bytes);
			break;
		}
		if (used == size) {
			char *larger = g_malloc(size * 2 + 1);
			memcpy(larger, data, used);
			explicit_bzero(data, used);
			g_free(data);
			data = larger;
			size *= 2;
		}
	}
	(void)close(fd); /* it was only read */
	if (problem != NULL) {
		explicit_bzero(data, used);
		g_free(data);
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read %s: %s", path, problem);
		return NULL;
	}
	data[used] = '\0';
	*length = used;
	return data;
}

PvStyle
pv_cli_get_status_style(const char *status)
{
	static const char *const good[] = { "Provisioned", "done", NULL };
	static const char *const bad[] = { "Not Supported", "failed", NULL };
	if (status != NULL && g_strv_contains(good, status))
		return PV_STYLE_GOOD;
	return status != NULL && g_strv_contains(bad, status) ? PV_STYLE_BAD : PV_STYLE_PLAIN;
}

/* Errors of jobs are in the results and in the progress; here they would come twice. */
static gboolean
cli_log_is_of_job(const GLogField *fields, gsize count)
{
	for (gsize i = 0; i < count; i++) {
		if (g_str_equal(fields[i].key, "PV_DEVICE"))
			return TRUE;
	}
	return FALSE;
}

static GLogWriterOutput
cli_log_write(GLogLevelFlags level, const GLogField *fields, gsize count, gpointer data)
{
	const PvCli *cli = data;
	gboolean grave =
	    (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)) != 0;
	if (!cli->verbose && (!grave || cli_log_is_of_job(fields, count)))
		return G_LOG_WRITER_HANDLED;
	for (gsize i = 0; i < count; i++) {
		if (g_str_equal(fields[i].key, "MESSAGE")) {
			g_autofree char *text = pv_text_escape(fields[i].value);
			g_printerr("provost: %s%s\n",
			    (level & G_LOG_LEVEL_CRITICAL) != 0 ? "critical: " : "", text);
		}
	}
	return G_LOG_WRITER_HANDLED;
}

void
pv_cli_set_log(PvCli *cli)
{
	g_log_set_writer_func(cli_log_write, cli, NULL);
}
