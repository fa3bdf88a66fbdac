/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/sqlite.h"

GPtrArray *
pv_sqlite_list(PvSqlite *sqlite, sqlite3_stmt *statement, PvSqliteMake make,
    GDestroyNotify row_free, GError **error)
{
	g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(row_free);
	g_autoptr(GError) problem = NULL;
	while (pv_sqlite_next(sqlite, statement, &problem))
		g_ptr_array_add(rows, make(statement));
	if (problem != NULL) {
		g_propagate_error(error, g_steal_pointer(&problem));
		return NULL;
	}
	return g_steal_pointer(&rows);
}

gpointer
pv_sqlite_make_device(sqlite3_stmt *statement)
{
	PvDeviceRow *row = g_new0(PvDeviceRow, 1);
	row->uuid = pv_sqlite_dup_text(statement, 0);
	row->name = pv_sqlite_dup_text(statement, 1);
	row->fqdn = pv_sqlite_dup_text(statement, 2);
	row->mac = pv_sqlite_dup_text(statement, 3);
	row->address = pv_sqlite_dup_text(statement, 4);
	row->group = pv_sqlite_dup_text(statement, 5);
	row->otp_hash = pv_sqlite_dup_text(statement, 6);
	row->status = pv_sqlite_dup_text(statement, 7);
	row->evidence = pv_sqlite_dup_text(statement, 8);
	row->status_usec = sqlite3_column_int64(statement, 9);
	return row;
}

gpointer
pv_sqlite_make_fact(sqlite3_stmt *statement)
{
	PvFactRow *row = g_new0(PvFactRow, 1);
	row->name = pv_sqlite_dup_text(statement, 0);
	row->value = pv_sqlite_dup_text(statement, 1);
	return row;
}

gpointer
pv_sqlite_make_secret(sqlite3_stmt *statement)
{
	PvSecretRow *row = g_new0(PvSecretRow, 1);
	row->uuid = pv_sqlite_dup_text(statement, 0);
	row->name = pv_sqlite_dup_text(statement, 1);
	row->state = pv_sqlite_dup_text(statement, 2);
	row->made_usec = sqlite3_column_int64(statement, 3);
	row->sealed = pv_sqlite_dup_bytes(statement, 4);
	return row;
}

gpointer
pv_sqlite_make_job(sqlite3_stmt *statement)
{
	PvJobRow *row = g_new0(PvJobRow, 1);
	row->id = sqlite3_column_int64(statement, 0);
	row->uuid = pv_sqlite_dup_text(statement, 1);
	row->pipeline = pv_sqlite_dup_text(statement, 2);
	row->state = pv_sqlite_dup_text(statement, 3);
	row->stage = (guint)sqlite3_column_int64(statement, 4);
	row->attempts = (guint)sqlite3_column_int64(statement, 5);
	row->stage_usec = sqlite3_column_int64(statement, 6);
	row->due_usec = sqlite3_column_int64(statement, 7);
	row->owner = pv_sqlite_dup_text(statement, 8);
	row->lease_usec = sqlite3_column_int64(statement, 9);
	row->code = pv_sqlite_dup_text(statement, 10);
	row->text = pv_sqlite_dup_text(statement, 11);
	row->made_usec = sqlite3_column_int64(statement, 12);
	row->changed_usec = sqlite3_column_int64(statement, 13);
	return row;
}

gpointer
pv_sqlite_make_result(sqlite3_stmt *statement)
{
	PvResultRow *row = g_new0(PvResultRow, 1);
	row->job = sqlite3_column_int64(statement, 0);
	row->index = (guint)sqlite3_column_int64(statement, 1);
	row->stage = pv_sqlite_dup_text(statement, 2);
	row->outcome = pv_sqlite_dup_text(statement, 3);
	row->changes = pv_sqlite_dup_text(statement, 4);
	row->text = pv_sqlite_dup_text(statement, 5);
	row->begin_usec = sqlite3_column_int64(statement, 6);
	row->end_usec = sqlite3_column_int64(statement, 7);
	return row;
}

gpointer
pv_sqlite_make_event(sqlite3_stmt *statement)
{
	PvEventRow *row = g_new0(PvEventRow, 1);
	row->seq = sqlite3_column_int64(statement, 0);
	row->time_usec = sqlite3_column_int64(statement, 1);
	row->uuid = pv_sqlite_dup_text(statement, 2);
	row->job = sqlite3_column_int64(statement, 3);
	row->stage = pv_sqlite_dup_text(statement, 4);
	row->level = pv_sqlite_dup_text(statement, 5);
	row->text = pv_sqlite_dup_text(statement, 6);
	return row;
}

gpointer
pv_sqlite_make_audit(sqlite3_stmt *statement)
{
	PvAuditRow *row = g_new0(PvAuditRow, 1);
	row->seq = sqlite3_column_int64(statement, 0);
	row->time_usec = sqlite3_column_int64(statement, 1);
	row->actor = pv_sqlite_dup_text(statement, 2);
	row->action = pv_sqlite_dup_text(statement, 3);
	row->object = pv_sqlite_dup_text(statement, 4);
	row->text = pv_sqlite_dup_text(statement, 5);
	row->hash = pv_sqlite_dup_text(statement, 6);
	return row;
}
