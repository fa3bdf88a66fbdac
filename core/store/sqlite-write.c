/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/audit.h"
#include "core/store/sqlite.h"

#include <string.h>

static gboolean
sqlite_write_device(PvSqlite *sqlite, const PvDeviceRow *row, GError **error)
{
	return pv_sqlite_run(sqlite, PV_SQL_PUT_DEVICE, error, "ttttttttti", row->uuid, row->name,
	    row->fqdn, row->mac, row->address, row->group, row->otp_hash, row->status,
	    row->evidence, row->status_usec);
}

static gboolean
sqlite_delete_device(PvSqlite *sqlite, const char *uuid, GError **error)
{
	/* facts, secrets, jobs and their results go by foreign key */
	return pv_sqlite_run(sqlite, PV_SQL_DELETE_DEVICE, error, "t", uuid);
}

static gboolean
sqlite_write_status(PvSqlite *sqlite, const PvWrite *write, GError **error)
{
	if (!pv_sqlite_run(sqlite, PV_SQL_SET_STATUS, error, "ttti", write->uuid, write->name,
		write->value, write->time_usec))
		return FALSE;
	if (sqlite3_changes(sqlite->db) > 0)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "write store %s: device %s is not in it",
	    sqlite->path, write->uuid);
	return FALSE;
}

static gboolean
sqlite_write_fact(PvSqlite *sqlite, const PvWrite *write, GError **error)
{
	if (write->value == NULL)
		return pv_sqlite_run(
		    sqlite, PV_SQL_DELETE_FACT, error, "tt", write->uuid, write->name);
	return pv_sqlite_run(
	    sqlite, PV_SQL_PUT_FACT, error, "ttt", write->uuid, write->name, write->value);
}

static gboolean
sqlite_write_secret(PvSqlite *sqlite, const PvSecretRow *row, GError **error)
{
	if (strcmp(row->state, "history") != 0 &&
	    !pv_sqlite_run(sqlite, PV_SQL_KEEP_SECRET, error, "tttb", row->uuid, row->name,
		row->state, row->sealed))
		return FALSE;
	return pv_sqlite_run(sqlite, PV_SQL_PUT_SECRET, error, "tttib", row->uuid, row->name,
	    row->state, row->made_usec, row->sealed);
}

static gboolean
sqlite_insert_job(PvSqlite *sqlite, const PvJobRow *row, GArray *new_ids, GError **error)
{
	g_autoptr(GError) problem = NULL;
	if (pv_sqlite_run(sqlite, PV_SQL_INSERT_JOB, &problem, "tttiiiitittii", row->uuid,
		row->pipeline, row->state, (gint64)row->stage, (gint64)row->attempts,
		row->stage_usec, row->due_usec, row->owner, row->lease_usec, row->code, row->text,
		row->made_usec, row->changed_usec)) {
		gint64 id = sqlite3_last_insert_rowid(sqlite->db);
		g_array_append_val(new_ids, id);
		return TRUE;
	}
	if (g_error_matches(problem, G_IO_ERROR, G_IO_ERROR_EXISTS))
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS,
		    "write store %s: device %s has a job already", sqlite->path, row->uuid);
	else
		g_propagate_error(error, g_steal_pointer(&problem));
	return FALSE;
}

static gboolean
sqlite_update_job(PvSqlite *sqlite, const PvJobRow *row, const char *owner, GError **error)
{
	g_autoptr(GError) problem = NULL;
	gboolean good = pv_sqlite_run(sqlite, PV_SQL_UPDATE_JOB, &problem, "ittiiiitittit",
	    row->id, row->pipeline, row->state, (gint64)row->stage, (gint64)row->attempts,
	    row->stage_usec, row->due_usec, row->owner, row->lease_usec, row->code, row->text,
	    row->changed_usec, owner);
	if (good && sqlite3_changes(sqlite->db) > 0)
		return TRUE;

	if (good && owner != NULL)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY,
		    "write store %s: job %" G_GINT64_FORMAT " is no longer held by %s",
		    sqlite->path, row->id, owner);
	else if (good)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "write store %s: job %" G_GINT64_FORMAT " is not in it", sqlite->path, row->id);
	else if (g_error_matches(problem, G_IO_ERROR, G_IO_ERROR_EXISTS))
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS,
		    "write store %s: device %s has another job already", sqlite->path, row->uuid);
	else
		g_propagate_error(error, g_steal_pointer(&problem));
	return FALSE;
}

static gboolean
sqlite_write_result(PvSqlite *sqlite, const PvResultRow *row, GError **error)
{
	return pv_sqlite_run(sqlite, PV_SQL_PUT_RESULT, error, "iittttii", row->job,
	    (gint64)row->index, row->stage, row->outcome, row->changes, row->text, row->begin_usec,
	    row->end_usec);
}

static gboolean
sqlite_write_event(PvSqlite *sqlite, const PvEventRow *row, GError **error)
{
	return pv_sqlite_run(sqlite, PV_SQL_ADD_EVENT, error, "itittt", row->time_usec, row->uuid,
	    row->job, row->stage, row->level, row->text);
}

/* the one value of a query, a text; *text is NULL when there is no row */
static gboolean
sqlite_ask_text(PvSqlite *sqlite, sqlite3_stmt *statement, char **text, GError **error)
{
	*text = NULL;
	if (statement == NULL)
		return FALSE;
	g_autoptr(GError) problem = NULL;
	while (pv_sqlite_next(sqlite, statement, &problem)) {
		g_free(*text);
		*text = pv_sqlite_dup_text(statement, 0);
	}
	if (problem == NULL)
		return TRUE;
	g_clear_pointer(text, g_free);
	g_propagate_error(error, g_steal_pointer(&problem));
	return FALSE;
}

static char *
sqlite_make_valid(const char *text)
{
	return text != NULL ? g_utf8_make_valid(text, -1) : NULL;
}

/* Appends after the tail, not after the last row that is there: where rows were cut off, the hole stays. A damaged
 * tail does not stop the work, but no entry that follows it can pass for the next one. */
static gboolean
sqlite_write_audit(PvSqlite *sqlite, GBytes *key, const PvAuditRow *given, GError **error)
{
	if (key == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
		    "write store %s: the audit log has no key yet", sqlite->path);
		return FALSE;
	}
	g_autofree char *tail = NULL;
	g_autofree char *last = NULL;
	if (!sqlite_ask_text(sqlite,
		pv_sqlite_query(sqlite, PV_SQL_GET_META, error, "t", PV_AUDIT_TAIL_NAME), &tail,
		error) ||
	    !sqlite_ask_text(
		sqlite, pv_sqlite_query(sqlite, PV_SQL_LAST_AUDIT, error, ""), &last, error))
		return FALSE;

	gint64 tail_seq = 0;
	g_autofree char *previous = NULL;
	if (!pv_audit_tail_parse(key, tail, &tail_seq, &previous)) {
		tail_seq = 0;
		previous = g_strdup(PV_AUDIT_BROKEN);
	}

	g_autofree char *actor = sqlite_make_valid(given->actor);
	g_autofree char *action = sqlite_make_valid(given->action);
	g_autofree char *object = sqlite_make_valid(given->object);
	g_autofree char *text = sqlite_make_valid(given->text);
	PvAuditRow row = {
		.seq = MAX(tail_seq, g_ascii_strtoll(last, NULL, 10)) + 1,
		.time_usec = given->time_usec,
		.actor = actor,
		.action = action,
		.object = object,
		.text = text,
	};
	g_autofree char *hash = pv_audit_hash(key, previous, &row);
	g_autofree char *new_tail = pv_audit_tail_format(key, row.seq, hash);
	return pv_sqlite_run(sqlite, PV_SQL_ADD_AUDIT, error, "iittttt", row.seq, row.time_usec,
		   row.actor, row.action, row.object, row.text, hash) &&
	    pv_sqlite_run(
		sqlite, PV_SQL_PUT_META, error, "tt", PV_AUDIT_TAIL_NAME, new_tail);
}

static gboolean
sqlite_write_meta(PvSqlite *sqlite, const PvWrite *write, GError **error)
{
	g_autofree char *old = NULL;
	if (!sqlite_ask_text(sqlite,
		pv_sqlite_query(sqlite, PV_SQL_GET_META, error, "t", write->name), &old, error))
		return FALSE;
	if (old == NULL)
		return pv_sqlite_run(
		    sqlite, PV_SQL_ADD_META, error, "tt", write->name, write->value);
	if (g_strcmp0(old, write->value) == 0)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS,
	    "write store %s: %s has another value there", sqlite->path, write->name);
	return FALSE;
}

static gboolean
sqlite_write_one(PvSqlite *sqlite, GBytes *audit_key, const PvWrite *write, GArray *new_ids,
    GError **error)
{
	switch (write->kind) {
	case PV_WRITE_DEVICE:
		return sqlite_write_device(sqlite, write->device, error);
	case PV_WRITE_DELETE_DEVICE:
		return sqlite_delete_device(sqlite, write->uuid, error);
	case PV_WRITE_STATUS:
		return sqlite_write_status(sqlite, write, error);
	case PV_WRITE_FACT:
		return sqlite_write_fact(sqlite, write, error);
	case PV_WRITE_CLEAR_FACTS:
		return pv_sqlite_run(sqlite, PV_SQL_CLEAR_FACTS, error, "t", write->uuid);
	case PV_WRITE_SECRET:
		return sqlite_write_secret(sqlite, write->secret, error);
	case PV_WRITE_DELETE_SECRET:
		return pv_sqlite_run(sqlite, PV_SQL_DELETE_SECRET, error, "tttb", write->uuid,
		    write->name, write->value,
		    write->secret != NULL ? write->secret->sealed : NULL);
	case PV_WRITE_JOB:
		if (write->job->id == 0)
			return sqlite_insert_job(sqlite, write->job, new_ids, error);
		return sqlite_update_job(sqlite, write->job, write->owner, error);
	case PV_WRITE_RESULT:
		return sqlite_write_result(sqlite, write->result, error);
	case PV_WRITE_EVENT:
		return sqlite_write_event(sqlite, write->event, error);
	case PV_WRITE_AUDIT:
		return sqlite_write_audit(sqlite, audit_key, write->audit, error);
	case PV_WRITE_META:
		return sqlite_write_meta(sqlite, write, error);
	}
	g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED, "write store %s: unknown kind of write %d",
	    sqlite->path, (int)write->kind);
	return FALSE;
}

gboolean
pv_sqlite_write(PvSqlite *sqlite, GBytes *audit_key, const PvWrite *writes, gsize count,
    GArray *new_ids, GError **error)
{
	for (gsize i = 0; i < count; i++) {
		if (!sqlite_write_one(sqlite, audit_key, &writes[i], new_ids, error))
			return FALSE;
	}
	return TRUE;
}

static GHashTable *
sqlite_make_set(const char *const *words)
{
	if (words == NULL)
		return NULL;
	GHashTable *set = g_hash_table_new(g_str_hash, g_str_equal);
	for (; *words != NULL; words++)
		g_hash_table_add(set, (char *)*words);
	return set;
}

/* Jobs that are due and free, oldest first. The lists are compared here and not in SQL, whose text stays fixed. */
static GPtrArray *
sqlite_list_free_jobs(PvSqlite *sqlite, const char *owner, gint64 now_usec, guint limit,
    const char *const *uuids, const char *const *dead_owners, GError **error)
{
	sqlite3_stmt *due = pv_sqlite_query(sqlite, PV_SQL_LIST_DUE_JOBS, error, "i", now_usec);
	if (due == NULL)
		return NULL;

	g_autoptr(GHashTable) wanted = sqlite_make_set(uuids);
	g_autoptr(GHashTable) dead = sqlite_make_set(dead_owners);
	g_autoptr(GPtrArray) jobs =
	    g_ptr_array_new_with_free_func((GDestroyNotify)pv_job_row_free);
	g_autoptr(GError) problem = NULL;
	while (jobs->len < limit && pv_sqlite_next(sqlite, due, &problem)) {
		g_autoptr(PvJobRow) job = pv_sqlite_make_job(due);
		/* a clock that jumps, or a renewal that is late, must not start our own jobs twice */
		gboolean is_free = job->owner == NULL ||
		    (strcmp(job->owner, owner) != 0 &&
			(job->lease_usec <= now_usec ||
			    (dead != NULL && g_hash_table_contains(dead, job->owner))));
		if (is_free && (wanted == NULL || g_hash_table_contains(wanted, job->uuid)))
			g_ptr_array_add(jobs, g_steal_pointer(&job));
	}
	sqlite3_reset(due);
	if (problem != NULL) {
		g_propagate_error(error, g_steal_pointer(&problem));
		return NULL;
	}
	return g_steal_pointer(&jobs);
}

GPtrArray *
pv_sqlite_claim(PvSqlite *sqlite, const char *owner, gint64 now_usec, gint64 lease_usec,
    guint limit, const char *const *uuids, const char *const *dead_owners, GError **error)
{
	g_autoptr(GPtrArray) jobs =
	    sqlite_list_free_jobs(sqlite, owner, now_usec, limit, uuids, dead_owners, error);
	if (jobs == NULL)
		return NULL;

	for (guint i = 0; i < jobs->len; i++) {
		PvJobRow *job = g_ptr_array_index(jobs, i);
		if (!pv_sqlite_run(sqlite, PV_SQL_TAKE_JOB, error, "itii", job->id, owner,
			lease_usec, now_usec))
			return NULL;
		g_free(job->state);
		job->state = g_strdup("running");
		g_free(job->owner);
		job->owner = g_strdup(owner);
		job->lease_usec = lease_usec;
		job->changed_usec = now_usec;
	}
	return g_steal_pointer(&jobs);
}

gboolean
pv_sqlite_reseal(PvSqlite *sqlite,
    GBytes *(*reseal)(const PvSecretRow *row, gpointer data, GError **error), gpointer data,
    GError **error)
{
	sqlite3_stmt *all = pv_sqlite_query(sqlite, PV_SQL_LIST_SECRETS, error, "");
	if (all == NULL)
		return FALSE;
	g_autoptr(GPtrArray) rows = pv_sqlite_list(
	    sqlite, all, pv_sqlite_make_secret, (GDestroyNotify)pv_secret_row_free, error);
	if (rows == NULL)
		return FALSE;

	for (guint i = 0; i < rows->len; i++) {
		const PvSecretRow *row = g_ptr_array_index(rows, i);
		g_autoptr(GBytes) sealed = reseal(row, data, error);
		if (sealed == NULL ||
		    !pv_sqlite_run(sqlite, PV_SQL_RESEAL_SECRET, error, "tttib", row->uuid,
			row->name, row->state, row->made_usec, sealed))
			return FALSE;
	}
	return TRUE;
}
