/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/log.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdio.h>

struct PvSimLog {
	GMutex lock;
	FILE *file; /* NULL: nothing is written; protected by lock */
};

PvSimLog *
pv_sim_log_new(const char *path, GError **error)
{
	FILE *file = path != NULL ? fopen(path, "ae") : NULL;
	if (path != NULL && file == NULL) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "open log %s: %s",
		    path, g_strerror(errno));
		return NULL;
	}
	PvSimLog *log = g_new0(PvSimLog, 1);
	g_mutex_init(&log->lock);
	log->file = file;
	return log;
}

void
pv_sim_log_free(PvSimLog *log)
{
	if (log == NULL)
		return;
	if (log->file != NULL)
		fclose(log->file);
	g_mutex_clear(&log->lock);
	g_free(log);
}

void
pv_sim_log_write(PvSimLog *log, const char *device, const char *format, ...)
{
	if (log->file == NULL)
		return;
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	for (char *c = text; *c != '\0';
	     c++) { /* names come from clients: one event stays one line */
		if (g_ascii_iscntrl(*c))
			*c = ' ';
	}
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");
	g_mutex_lock(&log->lock);
	fprintf(log->file, "%s.%03dZ %s %s\n", time, g_date_time_get_microsecond(now) / 1000,
	    device, text);
	fflush(log->file);
	g_mutex_unlock(&log->lock);
}
