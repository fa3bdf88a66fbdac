/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PvReport:
 *
 * What a check found, row by row: the command prints it as a table or as JSON. Used by one thread at a time; lent to a
 * provider for the length of the call.
 */
typedef struct PvReport PvReport;

typedef enum {
	PV_REPORT_OK,
	PV_REPORT_WARNING, /* works today */
	PV_REPORT_FAILURE, /* something that the site asks for will not work */
} PvReportLevel;

/* (transfer full); free with pv_report_free() */
PvReport *pv_report_new(void) G_GNUC_WARN_UNUSED_RESULT;
void pv_report_free(PvReport *report);

/**
 * pv_report_add:
 * @check: a stable word or two for what was looked at, such as "create computers"
 * @object: (nullable): where, such as a DN, a URL or a file
 *
 * Adds a row. The text says what was seen and, unless @level is OK, what to do and who has to; no secret, no full stop.
 */
void pv_report_add(PvReport *report, PvReportLevel level, const char *check, const char *object, const char *format, ...) G_GNUC_PRINTF(5, 6);

/* "ok", "warning", "failure"; static */
const char *pv_report_level_get_name(PvReportLevel level);

/* The worst level of all rows; OK when there are none. */
PvReportLevel pv_report_get_level(const PvReport *report);

/* Number of rows. */
guint pv_report_get_length(const PvReport *report);

/* The i-th row, from 0; all out arguments are optional, strings are lent until the report is freed. */
void pv_report_get(const PvReport *report, guint i, PvReportLevel *level, const char **check, const char **object, const char **text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvReport, pv_report_free)

G_END_DECLS
