/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The audit log: amt/04 section 9. The event log's class is not described there; dump shows the log itself. */
#include "sim/audit.h"
#include "sim/classes.h"

#define LOG_NAME "Intel(r) AMT:Audit Log"
#define LOG_SINCE 400 /* the realm of the audit log is from AMT 4.0 on (amt/05 section 2) */
#define LOG_WRAPS "2" /* OverwritePolicy of CIM_Log: wraps when full */
#define LOG_LOCKS "7" /* ... never overwrites */

/* clang-format off */
static const PvSimProperty log_audit[] = {
	{ "AuditState", PV_SIM_UINT, PV_SIM_READ_ONLY, "0" },
	{ "CreationClassName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "AMT_AuditLog" },
	{ "CurrentNumberOfRecords", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, LOG_NAME },
	{ "EnabledState", PV_SIM_UINT, PV_SIM_READ_ONLY, "5" },
	{ "MaxAllowedAuditors", PV_SIM_UINT, PV_SIM_READ_ONLY, "1" },
	{ "MaxNumberOfRecords", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL },
	{ "MinDaysToKeep", PV_SIM_UINT, PV_SIM_READ_ONLY, "0" },
	{ "Name", PV_SIM_TEXT, PV_SIM_READ_ONLY, LOG_NAME },
	{ "OverwritePolicy", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL },
	{ "PercentageFree", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL },
	{ "RequestedState", PV_SIM_UINT, PV_SIM_READ_ONLY, "12" },
	{ "StoragePolicy", PV_SIM_UINT, PV_SIM_READ_ONLY, NULL },
	{ NULL },
};

static const PvSimProperty log_read[] = {
	{ "StartIndex", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ NULL },
};
/* clang-format on */

static gboolean
log_exists(const PvSimDevice *device)
{
	return device->personality->version >= LOG_SINCE;
}

static void
log_list(const PvSimDevice *device, GPtrArray *instances)
{
	PvSimInstance *instance = pv_sim_instance_new("AMT_AuditLog");
	guint count = pv_sim_audit_count(device);
	guint max = device->switches->audit_max;
	gboolean wraps = device->switches->audit_when_full == PV_SIM_AUDIT_WRAPS;
	for (const PvSimProperty *row = log_audit; row->name != NULL; row++) {
		if (row->fallback != NULL)
			pv_sim_instance_add(instance, row->name, row->fallback);
	}
	pv_sim_instance_add_uint(instance, "CurrentNumberOfRecords", count);
	pv_sim_instance_add_uint(instance, "MaxNumberOfRecords", max);
	pv_sim_instance_add(instance, "OverwritePolicy", wraps ? LOG_WRAPS : LOG_LOCKS);
	pv_sim_instance_add_uint(
	    instance, "PercentageFree", max > count ? 100 * (max - count) / max : 0);
	pv_sim_instance_add(instance, "StoragePolicy", wraps ? "1" : "0"); /* 1: rolls over */
	g_ptr_array_add(instances, instance);
}

static guint32
log_run_read(PvSimCall *call)
{
	guint count = pv_sim_audit_count(call->device);
	guint start = pv_sim_instance_get_uint(call->input, "StartIndex");
	if (start == 0 || start > MAX(count, 1))
		return PV_SIM_STATUS_INVALID_INDEX;
	guint returned = MIN(count - (start - 1), PV_SIM_AUDIT_PAGE);
	pv_sim_instance_add_uint(call->output, "TotalRecordCount", count);
	pv_sim_instance_add_uint(call->output, "RecordsReturned", returned);
	for (guint i = 0; i < returned; i++) {
		gsize length = 0;
		GBytes *record = pv_sim_audit_get(call->device, start - 1 + i);
		const guint8 *data = g_bytes_get_data(record, &length);
		pv_sim_instance_add_bytes(call->output, "EventRecords", data, length);
	}
	return PV_SIM_STATUS_SUCCESS;
}

static const PvSimMethod log_methods[] = {
	{ "ReadRecords", log_read, log_run_read, FALSE },
	{ NULL },
};

/* clang-format off */
const PvSimClass pv_sim_classes_log[] = {
	{ .name = "AMT_AuditLog", .properties = log_audit, .methods = log_methods, .exists = log_exists,
	    .list = log_list, .realm = 20 },
	{ NULL },
};
/* clang-format on */
