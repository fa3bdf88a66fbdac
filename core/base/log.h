/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * pv_log_init:
 * @verbose: also write what is logged as debug or info
 *
 * Sets up structured logging for a program, once, before the first entry: to the journal with its fields when standard
 * error is the journal's (systemd.exec(5), $JOURNAL_STREAM), else one line per entry to standard error:
 * "TIME LEVEL text key=value". Control characters, which may come from a device, are escaped: an entry stays one line.
 * Without @verbose, $G_MESSAGES_DEBUG chooses domains as GLib says.
 */
void pv_log_init(gboolean verbose);

/* The line for an entry, with its newline. For tests. (transfer full) */
char *pv_log_format(GLogLevelFlags level, const GLogField *fields, gsize count, gint64 time_usec);

/**
 * pv_log_error_fields:
 * @device: (nullable): UUID
 * @job: 0: none
 * @stage: (nullable): type
 *
 * Logs an error once, where it ends: the runner and mains only. Fields PV_DEVICE, PV_JOB, PV_STAGE, PV_CODE.
 */
void pv_log_error_fields(const GError *error, const char *device, gint64 job, const char *stage);

/* The same for what is no error, such as a job that ends. */
void pv_log_fields(GLogLevelFlags level, const char *device, gint64 job, const char *stage, const char *format, ...) G_GNUC_PRINTF(5, 6);

G_END_DECLS
