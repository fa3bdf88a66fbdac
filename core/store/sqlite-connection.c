/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/sqlite.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* "PVST": tells a store from any other SQLite file */
#define SQLITE_APPLICATION_ID 1347834708
#define SQLITE_LONGEST_VALUE_BYTES (16 * 1024 * 1024)

/* clang-format off */
const char *const pv_sqlite_steps[] = {
	/* 1 */
	"PRAGMA application_id = 1347834708;"
	"CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE device (uuid TEXT NOT NULL PRIMARY KEY, name TEXT, fqdn TEXT, mac TEXT, address TEXT, grp TEXT,"
	"  otp_hash TEXT, status TEXT NOT NULL, evidence TEXT, status_usec INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX device_name ON device (name, uuid);"
	"CREATE TABLE fact (uuid TEXT NOT NULL REFERENCES device ON DELETE CASCADE, name TEXT NOT NULL,"
	"  value TEXT NOT NULL, PRIMARY KEY (uuid, name)) WITHOUT ROWID;"
	/* owner: the device, or null for a secret of the site, whose uuid is empty; slot: 0, or made_usec in the history */
	"CREATE TABLE secret (uuid TEXT NOT NULL, name TEXT NOT NULL,"
	"  state TEXT NOT NULL CHECK (state IN ('current', 'pending', 'history')), slot INTEGER NOT NULL,"
	"  made_usec INTEGER NOT NULL, sealed BLOB NOT NULL, owner TEXT REFERENCES device ON DELETE CASCADE,"
	"  PRIMARY KEY (uuid, name, state, slot)) WITHOUT ROWID;"
	"CREATE INDEX secret_owner ON secret (owner);"
	"CREATE TABLE job (id INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL REFERENCES device ON DELETE CASCADE,"
	"  pipeline TEXT NOT NULL, state TEXT NOT NULL"
	"    CHECK (state IN ('queued', 'running', 'parked', 'done', 'failed', 'cancelled')),"
	"  stage INTEGER NOT NULL, attempts INTEGER NOT NULL, stage_usec INTEGER NOT NULL, due_usec INTEGER NOT NULL,"
	"  owner TEXT, lease_usec INTEGER NOT NULL, code TEXT, text TEXT, made_usec INTEGER NOT NULL,"
	"  changed_usec INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX job_active ON job (uuid) WHERE state IN ('queued', 'running', 'parked');"
	"CREATE INDEX job_device ON job (uuid, id);"
	"CREATE INDEX job_due ON job (due_usec, id) WHERE state IN ('queued', 'running', 'parked');"
	"CREATE INDEX job_owner ON job (owner) WHERE owner IS NOT NULL;"
	"CREATE TABLE result (job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE, idx INTEGER NOT NULL,"
	"  stage TEXT NOT NULL, outcome TEXT NOT NULL, changes TEXT, text TEXT, begin_usec INTEGER NOT NULL,"
	"  end_usec INTEGER NOT NULL, PRIMARY KEY (job, idx)) WITHOUT ROWID;"
	/* what was said about a device stays when it goes */
	"CREATE TABLE event (seq INTEGER PRIMARY KEY AUTOINCREMENT, time_usec INTEGER NOT NULL, uuid TEXT,"
	"  job INTEGER NOT NULL, stage TEXT, level TEXT NOT NULL, text TEXT NOT NULL);"
	"CREATE INDEX event_device ON event (uuid, seq);"
	"CREATE TABLE audit (seq INTEGER PRIMARY KEY, time_usec INTEGER NOT NULL, actor TEXT, action TEXT, object TEXT,"
	"  text TEXT, hash TEXT NOT NULL);"
	"PRAGMA user_version = 1;",
};
const guint pv_sqlite_step_count = G_N_ELEMENTS(pv_sqlite_steps);

#define DEVICE "uuid, name, fqdn, mac, address, grp, otp_hash, status, evidence, status_usec"
#define SECRET "uuid, name, state, made_usec, sealed"
#define JOB "id, uuid, pipeline, state, stage, attempts, stage_usec, due_usec, owner, lease_usec, code, text," \
	" made_usec, changed_usec"
#define EVENT "seq, time_usec, uuid, job, stage, level, text"
#define ACTIVE "state IN ('queued', 'running', 'parked')"

static const char *const sqlite_texts[PV_SQL_COUNT] = {
	[PV_SQL_BEGIN] = "BEGIN IMMEDIATE",
	[PV_SQL_COMMIT] = "COMMIT",
	[PV_SQL_SAVEPOINT] = "SAVEPOINT request",
	[PV_SQL_RELEASE] = "RELEASE request",
	[PV_SQL_ROLLBACK_TO] = "ROLLBACK TO request",
	[PV_SQL_PUT_DEVICE] =
		"INSERT INTO device (" DEVICE ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, coalesce(?8, 'Unknown'), ?9, ?10)"
		" ON CONFLICT (uuid) DO UPDATE SET name = ?2, fqdn = ?3, mac = ?4, address = ?5, grp = ?6, otp_hash = ?7,"
		" status = coalesce(?8, status), evidence = iif(?8 IS NULL, evidence, ?9),"
		" status_usec = iif(?8 IS NULL, status_usec, ?10)",
	[PV_SQL_DELETE_DEVICE] = "DELETE FROM device WHERE uuid = ?1",
	[PV_SQL_SET_STATUS] = "UPDATE device SET status = ?2, evidence = ?3, status_usec = ?4 WHERE uuid = ?1",
	[PV_SQL_PUT_FACT] =
		"INSERT INTO fact (uuid, name, value) VALUES (?1, ?2, ?3) ON CONFLICT (uuid, name) DO UPDATE SET value = ?3",
	[PV_SQL_DELETE_FACT] = "DELETE FROM fact WHERE uuid = ?1 AND name = ?2",
	[PV_SQL_CLEAR_FACTS] = "DELETE FROM fact WHERE uuid = ?1",
	/* the history is in the order in which values were replaced, also when the clock is set back */
	[PV_SQL_KEEP_SECRET] =
		"INSERT INTO secret (uuid, name, state, slot, made_usec, sealed, owner)"
		" SELECT uuid, name, 'history', at, at, sealed, owner FROM (SELECT uuid, name, sealed, owner, max(made_usec,"
		"  coalesce((SELECT max(slot) + 1 FROM secret WHERE uuid = ?1 AND name = ?2 AND state = 'history'), 0)) AS at"
		"  FROM secret WHERE uuid = ?1 AND name = ?2 AND state = ?3 AND slot = 0 AND sealed <> ?4)",
	[PV_SQL_PUT_SECRET] =
		"INSERT INTO secret (uuid, name, state, slot, made_usec, sealed, owner)"
		" VALUES (?1, ?2, ?3, iif(?3 = 'history', ?4, 0), ?4, ?5, nullif(?1, ''))"
		" ON CONFLICT (uuid, name, state, slot) DO UPDATE SET made_usec = ?4, sealed = ?5",
	[PV_SQL_DELETE_SECRET] =
		"DELETE FROM secret WHERE uuid = ?1 AND name = ?2 AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR sealed = ?4)",
	[PV_SQL_RESEAL_SECRET] =
		"UPDATE secret SET sealed = ?5 WHERE uuid = ?1 AND name = ?2 AND state = ?3"
		" AND slot = iif(?3 = 'history', ?4, 0)",
	[PV_SQL_INSERT_JOB] =
		"INSERT INTO job (uuid, pipeline, state, stage, attempts, stage_usec, due_usec, owner, lease_usec, code, text,"
		" made_usec, changed_usec) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	/* a lease that renew has lengthened meanwhile is not cut again by the caller's older copy */
	[PV_SQL_UPDATE_JOB] =
		"UPDATE job SET pipeline = ?2, state = ?3, stage = ?4, attempts = ?5, stage_usec = ?6, due_usec = ?7,"
		" lease_usec = iif(?8 IS NULL, 0, iif(owner IS ?8, max(lease_usec, ?9), ?9)), owner = ?8,"
		" code = ?10, text = ?11, changed_usec = ?12 WHERE id = ?1 AND (?13 IS NULL OR owner = ?13)",
	[PV_SQL_PUT_RESULT] =
		"INSERT INTO result (job, idx, stage, outcome, changes, text, begin_usec, end_usec)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (job, idx) DO UPDATE SET"
		" stage = ?3, outcome = ?4, changes = ?5, text = ?6, begin_usec = ?7, end_usec = ?8",
	[PV_SQL_ADD_EVENT] =
		"INSERT INTO event (time_usec, uuid, job, stage, level, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[PV_SQL_ADD_AUDIT] =
		"INSERT INTO audit (seq, time_usec, actor, action, object, text, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[PV_SQL_LAST_AUDIT] = "SELECT coalesce(max(seq), 0) FROM audit",
	[PV_SQL_GET_META] = "SELECT value FROM meta WHERE name = ?1",
	[PV_SQL_PUT_META] = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
	[PV_SQL_ADD_META] = "INSERT INTO meta (name, value) VALUES (?1, ?2)",
	[PV_SQL_LIST_DUE_JOBS] =
		"SELECT " JOB " FROM job WHERE " ACTIVE " AND due_usec <= ?1 ORDER BY due_usec, id",
	[PV_SQL_TAKE_JOB] =
		"UPDATE job SET state = 'running', owner = ?2, lease_usec = ?3, changed_usec = ?4 WHERE id = ?1",
	[PV_SQL_RENEW] = "UPDATE job SET lease_usec = ?2 WHERE owner = ?1 AND " ACTIVE,
	[PV_SQL_LIST_DEVICES] = "SELECT " DEVICE " FROM device ORDER BY name, uuid",
	[PV_SQL_GET_DEVICE] = "SELECT " DEVICE " FROM device WHERE uuid = ?1",
	[PV_SQL_LIST_FACTS] = "SELECT name, value FROM fact WHERE uuid = ?1 ORDER BY name",
	[PV_SQL_LIST_SECRETS] = "SELECT " SECRET " FROM secret ORDER BY uuid, name, state, slot",
	[PV_SQL_LIST_SECRETS_OF] = "SELECT " SECRET " FROM secret WHERE uuid = ?1 ORDER BY name, state, slot",
	[PV_SQL_LIST_JOBS] = "SELECT " JOB " FROM job ORDER BY id DESC",
	[PV_SQL_LIST_ACTIVE_JOBS] = "SELECT " JOB " FROM job WHERE " ACTIVE " ORDER BY id DESC",
	[PV_SQL_LIST_JOBS_OF] = "SELECT " JOB " FROM job WHERE uuid = ?1 ORDER BY id DESC",
	[PV_SQL_LIST_ACTIVE_JOBS_OF] = "SELECT " JOB " FROM job WHERE uuid = ?1 AND " ACTIVE " ORDER BY id DESC",
	[PV_SQL_LIST_RESULTS] =
		"SELECT job, idx, stage, outcome, changes, text, begin_usec, end_usec FROM result WHERE job = ?1 ORDER BY idx",
	[PV_SQL_LIST_EVENTS] = "SELECT " EVENT " FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2",
	[PV_SQL_LIST_EVENTS_OF] = "SELECT " EVENT " FROM event WHERE uuid = ?3 AND seq > ?1 ORDER BY seq LIMIT ?2",
	[PV_SQL_LIST_AUDITS] =
		"SELECT seq, time_usec, actor, action, object, text, hash FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2",
	[PV_SQL_LIST_OWNERS] = "SELECT DISTINCT owner FROM job WHERE owner IS NOT NULL AND " ACTIVE,
};
/* clang-format on */

/* Why the system refused. SQLite keeps no number for a COMMIT that fails, but the file does: WAL first, for that is
 * what a COMMIT writes. */
static int
sqlite_get_errno(PvSqlite *sqlite)
{
	int number = sqlite3_system_errno(sqlite->db);
	sqlite3_file *wal = NULL;
	if (number == 0 &&
	    sqlite3_file_control(sqlite->db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &wal) ==
		SQLITE_OK &&
	    wal != NULL && wal->pMethods != NULL)
		wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &number);
	if (number == 0)
		sqlite3_file_control(sqlite->db, NULL, SQLITE_FCNTL_LAST_ERRNO, &number);
	return number;
}

static void
sqlite_set_io_error(PvSqlite *sqlite, GError **error)
{
	int number = sqlite_get_errno(sqlite);
	if (number == ENOSPC || number == EDQUOT || number == EFBIG)
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "%s store %s: disk full (%s)",
		    sqlite->verb, sqlite->path, g_strerror(number));
	else
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "%s store %s: %s (%s)", sqlite->verb,
		    sqlite->path, sqlite3_errmsg(sqlite->db), g_strerror(number));
}

gboolean
pv_sqlite_set_error(PvSqlite *sqlite, GError **error)
{
	int code = sqlite3_extended_errcode(sqlite->db);
	const char *verb = sqlite->verb, *path = sqlite->path, *text = sqlite3_errmsg(sqlite->db);

	switch (code & 0xff) {
	case SQLITE_FULL:
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "%s store %s: disk full", verb, path);
		break;
	case SQLITE_IOERR:
		sqlite_set_io_error(sqlite, error);
		break;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s store %s: read-only: check the owner and mode of the file and its folder, "
		    "and how it is mounted",
		    verb, path);
		break;
	case SQLITE_CANTOPEN:
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s store %s: %s (%s): check the owner and mode of the file and its folder",
		    verb, path, text, g_strerror(sqlite3_system_errno(sqlite->db)));
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE,
		    "%s store %s: busy: another process has held it for %d s", verb, path,
		    PV_SQLITE_BUSY_MSEC / 1000);
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s store %s: no store, or damaged (%s): restore it from a backup", verb, path,
		    text);
		break;
	case SQLITE_CONSTRAINT:
		if (code == SQLITE_CONSTRAINT_FOREIGNKEY)
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "%s store %s: the device or job is not in the store", verb, path);
		else if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
			g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS, "%s store %s: %s", verb,
			    path, text);
		else
			g_set_error(
			    error, PV_ERROR, PV_ERROR_FAILED, "%s store %s: %s", verb, path, text);
		break;
	default:
		g_set_error(
		    error, PV_ERROR, PV_ERROR_FAILED, "%s store %s: %s", verb, path, text);
	}
	return FALSE;
}

static sqlite3_stmt *
sqlite_get_statement(PvSqlite *sqlite, PvSqlId id, GError **error)
{
	if (sqlite->statements[id] == NULL &&
	    sqlite3_prepare_v3(sqlite->db, sqlite_texts[id], -1, SQLITE_PREPARE_PERSISTENT,
		&sqlite->statements[id], NULL) != SQLITE_OK) {
		pv_sqlite_set_error(sqlite, error);
		return NULL;
	}
	return sqlite->statements[id];
}

/* What devices say can end up in texts; the store keeps UTF-8 only. */
static int
sqlite_bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	if (text == NULL || g_utf8_validate(text, -1, NULL))
		return sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
	char *valid = g_utf8_make_valid(text, -1);
	return sqlite3_bind_text(statement, at, valid, -1, g_free);
}

static int
sqlite_bind_bytes(sqlite3_stmt *statement, int at, GBytes *bytes)
{
	gsize length = 0;
	const void *data = bytes != NULL ? g_bytes_get_data(bytes, &length) : NULL;
	return sqlite3_bind_blob64(statement, at, data, length, SQLITE_TRANSIENT);
}

static sqlite3_stmt *
sqlite_query_valist(PvSqlite *sqlite, PvSqlId id, GError **error, const char *format, va_list list)
{
	sqlite3_stmt *statement = sqlite_get_statement(sqlite, id, error);
	if (statement == NULL)
		return NULL;

	g_assert((int)strlen(format) == sqlite3_bind_parameter_count(statement));
	for (int at = 1; format[at - 1] != '\0'; at++) {
		int code = SQLITE_MISUSE;
		switch (format[at - 1]) {
		case 't':
			code = sqlite_bind_text(statement, at, va_arg(list, const char *));
			break;
		case 'i':
			code = sqlite3_bind_int64(statement, at, va_arg(list, gint64));
			break;
		case 'b':
			code = sqlite_bind_bytes(statement, at, va_arg(list, GBytes *));
			break;
		default:
			g_assert_not_reached();
		}
		if (code != SQLITE_OK) {
			pv_sqlite_set_error(sqlite, error);
			return NULL;
		}
	}
	return statement;
}

sqlite3_stmt *
pv_sqlite_query(PvSqlite *sqlite, PvSqlId id, GError **error, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	sqlite3_stmt *statement = sqlite_query_valist(sqlite, id, error, format, list);
	va_end(list);
	return statement;
}

gboolean
pv_sqlite_next(PvSqlite *sqlite, sqlite3_stmt *statement, GError **error)
{
	int code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		return TRUE;
	if (code != SQLITE_DONE)
		pv_sqlite_set_error(sqlite, error); /* before reset, which clears the text */
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return FALSE;
}

gboolean
pv_sqlite_run(PvSqlite *sqlite, PvSqlId id, GError **error, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	sqlite3_stmt *statement = sqlite_query_valist(sqlite, id, error, format, list);
	va_end(list);
	if (statement == NULL)
		return FALSE;

	g_autoptr(GError) problem = NULL;
	while (pv_sqlite_next(sqlite, statement, &problem))
		continue; /* it has no rows worth reading */
	if (problem == NULL)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&problem));
	return FALSE;
}

void
pv_sqlite_rollback(PvSqlite *sqlite)
{
	if (!sqlite3_get_autocommit(sqlite->db))
		sqlite3_exec(sqlite->db, "ROLLBACK", NULL, NULL, NULL);
}

char *
pv_sqlite_dup_text(sqlite3_stmt *statement, int column)
{
	return g_strdup((const char *)sqlite3_column_text(statement, column));
}

GBytes *
pv_sqlite_dup_bytes(sqlite3_stmt *statement, int column)
{
	const void *data = sqlite3_column_blob(statement, column);
	return g_bytes_new(data, (gsize)sqlite3_column_bytes(statement, column));
}

static gboolean
sqlite_exec(PvSqlite *sqlite, const char *text, GError **error)
{
	if (sqlite3_exec(sqlite->db, text, NULL, NULL, NULL) != SQLITE_OK)
		return pv_sqlite_set_error(sqlite, error);
	return TRUE;
}

/* one number out of a PRAGMA or a count */
static gboolean
sqlite_ask_number(PvSqlite *sqlite, const char *text, gint64 *number, GError **error)
{
	sqlite3_stmt *statement = NULL;
	if (sqlite3_prepare_v2(sqlite->db, text, -1, &statement, NULL) != SQLITE_OK)
		return pv_sqlite_set_error(sqlite, error);
	gboolean found = sqlite3_step(statement) == SQLITE_ROW;
	if (found)
		*number = sqlite3_column_int64(statement, 0);
	else
		pv_sqlite_set_error(sqlite, error);
	sqlite3_finalize(statement);
	return found;
}

/* Switching to WAL needs the file for itself for a moment, and SQLite does not wait for that by itself. */
static gboolean
sqlite_set_wal(PvSqlite *sqlite, GError **error)
{
	const int step_msec = 10;
	for (int waited_msec = 0;; waited_msec += step_msec) {
		int code =
		    sqlite3_exec(sqlite->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
		if (code == SQLITE_OK)
			return TRUE;
		if (code != SQLITE_BUSY || waited_msec >= PV_SQLITE_BUSY_MSEC)
			return pv_sqlite_set_error(sqlite, error);
		sqlite3_sleep(step_msec);
	}
}

PvSqlite *
pv_sqlite_new(const char *path, gboolean reader, GError **error)
{
	g_autoptr(PvSqlite) sqlite = g_new0(PvSqlite, 1);
	sqlite->path = g_strdup(path);
	sqlite->verb = "open";
	/* NOFOLLOW would refuse links in the folders above, too, which are the administrator's business */
	int code = sqlite3_open_v2(
	    path, &sqlite->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (sqlite->db == NULL)
		g_error("out of memory");
	if (code != SQLITE_OK) {
		pv_sqlite_set_error(sqlite, error);
		return NULL;
	}

	sqlite3_extended_result_codes(sqlite->db, 1);
	sqlite3_busy_timeout(sqlite->db, PV_SQLITE_BUSY_MSEC);
	sqlite3_limit(sqlite->db, SQLITE_LIMIT_LENGTH, SQLITE_LONGEST_VALUE_BYTES);
	sqlite3_db_config(sqlite->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	/* an opened file that cannot be written falls back to read-only without a word */
	if (!reader && sqlite3_db_readonly(sqlite->db, "main") != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "open store %s: read-only: check the owner and mode of the file and its "
		    "folder, and how it is mounted",
		    path);
		return NULL;
	}
	if (!sqlite_exec(sqlite,
		reader ? "PRAGMA trusted_schema = OFF; PRAGMA query_only = ON"
		       : "PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON;"
			 "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864",
		error))
		return NULL;
	if (!reader && !sqlite_set_wal(sqlite, error))
		return NULL;
	return g_steal_pointer(&sqlite);
}

void
pv_sqlite_free(PvSqlite *sqlite)
{
	if (sqlite == NULL)
		return;
	for (guint i = 0; i < PV_SQL_COUNT; i++)
		sqlite3_finalize(sqlite->statements[i]);
	sqlite3_close(sqlite->db);
	g_free(sqlite->path);
	g_free(sqlite);
}

/* Whether the file is a store of a version that is known. */
static gboolean
sqlite_check_version(PvSqlite *sqlite, guint newest, gint64 *version, GError **error)
{
	gint64 id = 0, tables = 0;
	if (!sqlite_ask_number(sqlite, "PRAGMA user_version", version, error) ||
	    !sqlite_ask_number(sqlite, "PRAGMA application_id", &id, error) ||
	    !sqlite_ask_number(sqlite, "SELECT count(*) FROM sqlite_master", &tables, error))
		return FALSE;

	if ((tables > 0 || *version != 0) && id != SQLITE_APPLICATION_ID) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "open store %s: the file is a database of another program", sqlite->path);
		return FALSE;
	}
	if (*version < 0 || *version > newest) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "open store %s: the file has schema version %" G_GINT64_FORMAT
		    ", this program knows versions up to %u: use a newer provost",
		    sqlite->path, *version, newest);
		return FALSE;
	}
	return TRUE;
}

gboolean
pv_sqlite_migrate(PvSqlite *sqlite, const char *const *steps, guint count, GError **error)
{
	gint64 version = 0;
	/* one snapshot for all that is looked at: another process may be making the store right now */
	if (!sqlite_exec(sqlite, "BEGIN", error))
		return FALSE;
	gboolean known = sqlite_check_version(sqlite, count, &version, error);
	pv_sqlite_rollback(sqlite);
	if (!known)
		return FALSE;
	if (version == count)
		return TRUE;

	/* another process may be at it: look again once we hold the file */
	if (!pv_sqlite_run(sqlite, PV_SQL_BEGIN, error, ""))
		return FALSE;
	gboolean good = sqlite_check_version(sqlite, count, &version, error);
	for (gint64 at = version; good && at < count; at++)
		good = sqlite_exec(sqlite, steps[at], error);
	if (good)
		good = pv_sqlite_run(sqlite, PV_SQL_COMMIT, error, "");
	if (!good)
		pv_sqlite_rollback(sqlite);
	return good;
}
