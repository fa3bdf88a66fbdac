/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/store.h>

void
pv_device_row_free(PvDeviceRow *row)
{
	if (row == NULL)
		return;
	g_free(row->uuid);
	g_free(row->name);
	g_free(row->fqdn);
	g_free(row->mac);
	g_free(row->address);
	g_free(row->group);
	g_free(row->otp_hash);
	g_free(row->status);
	g_free(row->evidence);
	g_free(row);
}

void
pv_fact_row_free(PvFactRow *row)
{
	if (row == NULL)
		return;
	g_free(row->name);
	g_free(row->value);
	g_free(row);
}

void
pv_secret_row_free(PvSecretRow *row)
{
	if (row == NULL)
		return;
	g_free(row->uuid);
	g_free(row->name);
	g_free(row->state);
	g_clear_pointer(&row->sealed, g_bytes_unref);
	g_free(row);
}

void
pv_job_row_free(PvJobRow *row)
{
	if (row == NULL)
		return;
	g_free(row->uuid);
	g_free(row->pipeline);
	g_free(row->state);
	g_free(row->owner);
	g_free(row->code);
	g_free(row->text);
	g_free(row);
}

void
pv_result_row_free(PvResultRow *row)
{
	if (row == NULL)
		return;
	g_free(row->stage);
	g_free(row->outcome);
	g_free(row->changes);
	g_free(row->text);
	g_free(row);
}

void
pv_event_row_free(PvEventRow *row)
{
	if (row == NULL)
		return;
	g_free(row->uuid);
	g_free(row->stage);
	g_free(row->level);
	g_free(row->text);
	g_free(row);
}

void
pv_audit_row_free(PvAuditRow *row)
{
	if (row == NULL)
		return;
	g_free(row->actor);
	g_free(row->action);
	g_free(row->object);
	g_free(row->text);
	g_free(row->hash);
	g_free(row);
}
