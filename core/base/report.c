/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/report.h>

typedef struct {
	PvReportLevel level;
	char *check, *object, *text; /* owned */
} ReportRow;

struct PvReport {
	GPtrArray *rows; /* of ReportRow */
};

static void
report_row_free(gpointer data)
{
	ReportRow *row = data;
	g_free(row->check);
	g_free(row->object);
	g_free(row->text);
	g_free(row);
}

PvReport *
pv_report_new(void)
{
	PvReport *report = g_new0(PvReport, 1);
	report->rows = g_ptr_array_new_with_free_func(report_row_free);
	return report;
}

void
pv_report_free(PvReport *report)
{
	if (report == NULL)
		return;
	g_ptr_array_unref(report->rows);
	g_free(report);
}

void
pv_report_add(PvReport *report, PvReportLevel level, const char *check, const char *object,
    const char *format, ...)
{
	ReportRow *row = g_new0(ReportRow, 1);
	row->level = level;
	row->check = g_strdup(check);
	row->object = g_strdup(object);
	va_list arguments;
	va_start(arguments, format);
	row->text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	g_ptr_array_add(report->rows, row);
}

const char *
pv_report_level_get_name(PvReportLevel level)
{
	return level == PV_REPORT_OK ? "ok" : level == PV_REPORT_WARNING ? "warning" : "failure";
}

PvReportLevel
pv_report_get_level(const PvReport *report)
{
	PvReportLevel level = PV_REPORT_OK;
	for (guint i = 0; i < report->rows->len; i++)
		level = MAX(level, ((const ReportRow *)report->rows->pdata[i])->level);
	return level;
}

guint
pv_report_get_length(const PvReport *report)
{
	return report->rows->len;
}

void
pv_report_get(const PvReport *report, guint i, PvReportLevel *level, const char **check,
    const char **object, const char **text)
{
	g_return_if_fail(i < report->rows->len);
	const ReportRow *row = report->rows->pdata[i];
	if (level != NULL)
		*level = row->level;
	if (check != NULL)
		*check = row->check;
	if (object != NULL)
		*object = row->object;
	if (text != NULL)
		*text = row->text;
}
