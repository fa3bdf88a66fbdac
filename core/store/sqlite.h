/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/error.h>
#include <provost/store.h>
#include <sqlite3.h>

G_BEGIN_DECLS

/* Inside of the SQLite store: connection (sqlite-connection.c), what is written (sqlite-write.c) and read
 * (sqlite-read.c) on one, and the provider that shares them among threads (sqlite.c). */

/* All SQL there is; texts in sqlite-connection.c. Data comes in by parameters only. */
typedef enum {
	PV_SQL_BEGIN,
	PV_SQL_COMMIT,
	PV_SQL_SAVEPOINT,
	PV_SQL_RELEASE,
	PV_SQL_ROLLBACK_TO,
	PV_SQL_PUT_DEVICE,
	PV_SQL_DELETE_DEVICE,
	PV_SQL_SET_STATUS,
	PV_SQL_PUT_FACT,
	PV_SQL_DELETE_FACT,
	PV_SQL_CLEAR_FACTS,
	PV_SQL_KEEP_SECRET,
	PV_SQL_PUT_SECRET,
	PV_SQL_DELETE_SECRET,
	PV_SQL_RESEAL_SECRET,
	PV_SQL_INSERT_JOB,
	PV_SQL_UPDATE_JOB,
	PV_SQL_PUT_RESULT,
	PV_SQL_ADD_EVENT,
	PV_SQL_ADD_AUDIT,
	PV_SQL_LAST_AUDIT,
	PV_SQL_GET_META,
	PV_SQL_PUT_META,
	PV_SQL_ADD_META,
	PV_SQL_LIST_DUE_JOBS,
	PV_SQL_TAKE_JOB,
	PV_SQL_RENEW,
	PV_SQL_LIST_DEVICES,
	PV_SQL_GET_DEVICE,
	PV_SQL_LIST_FACTS,
	PV_SQL_LIST_SECRETS,
	PV_SQL_LIST_SECRETS_OF,
	PV_SQL_LIST_JOBS,
	PV_SQL_LIST_ACTIVE_JOBS,
	PV_SQL_LIST_JOBS_OF,
	PV_SQL_LIST_ACTIVE_JOBS_OF,
	PV_SQL_LIST_RESULTS,
	PV_SQL_LIST_EVENTS,
	PV_SQL_LIST_EVENTS_OF,
	PV_SQL_LIST_AUDITS,
	PV_SQL_LIST_OWNERS,
	PV_SQL_COUNT,
} PvSqlId;

/* One connection; used by one thread at a time. */
typedef struct {
	sqlite3 *db;
	char *path;
	const char *verb;                        /* for errors: "open", "read", "write" */
	sqlite3_stmt *statements[PV_SQL_COUNT];  /* prepared at first use */
} PvSqlite;

/* how long a writer waits for one of another process */
#define PV_SQLITE_BUSY_MSEC 10000

/* A schema is made by these steps in order; user_version counts those done. Never change a released one: add. */
extern const char *const pv_sqlite_steps[];
extern const guint pv_sqlite_step_count;

PvSqlite *pv_sqlite_new(const char *path, gboolean reader, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void pv_sqlite_free(PvSqlite *sqlite);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSqlite, pv_sqlite_free)

gboolean pv_sqlite_migrate(PvSqlite *sqlite, const char *const *steps, guint count, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* the connection's last error, as PV_ERROR or G_IO_ERROR_EXISTS for a row that is there; returns FALSE */
gboolean pv_sqlite_set_error(PvSqlite *sqlite, GError **error);

/* Binds parameters from the first on. @format has one letter each: t const char* (NULL: null), i gint64, b GBytes*. */
sqlite3_stmt *pv_sqlite_query(PvSqlite *sqlite, PvSqlId id, GError **error, const char *format, ...) G_GNUC_WARN_UNUSED_RESULT;
/* TRUE with a row. FALSE at the end, and the statement can be used again, or with an error */
gboolean pv_sqlite_next(PvSqlite *sqlite, sqlite3_stmt *statement, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* a statement without result */
gboolean pv_sqlite_run(PvSqlite *sqlite, PvSqlId id, GError **error, const char *format, ...) G_GNUC_WARN_UNUSED_RESULT;

/* ends a transaction that failed, if SQLite has not done so itself. Only a lack of memory can stop it, and then the
 * next BEGIN says so */
void pv_sqlite_rollback(PvSqlite *sqlite);

char *pv_sqlite_dup_text(sqlite3_stmt *statement, int column); /* NULL for null */
GBytes *pv_sqlite_dup_bytes(sqlite3_stmt *statement, int column);

/* within a transaction */
/* @new_ids: of gint64: one per PV_WRITE_JOB that was new, in order */
gboolean pv_sqlite_write(PvSqlite *sqlite, GBytes *audit_key, const PvWrite *writes, gsize count, GArray *new_ids, GError **error) G_GNUC_WARN_UNUSED_RESULT;
GPtrArray *pv_sqlite_claim(PvSqlite *sqlite, const char *owner, gint64 now_usec, gint64 lease_usec, guint limit,
    const char *const *uuids, const char *const *dead_owners, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean pv_sqlite_reseal(PvSqlite *sqlite, GBytes *(*reseal)(const PvSecretRow *row, gpointer data, GError **error), gpointer data, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* rows of a query; each function knows the columns of the statements it is for */
typedef gpointer (*PvSqliteMake)(sqlite3_stmt *statement);
GPtrArray *pv_sqlite_list(PvSqlite *sqlite, sqlite3_stmt *statement, PvSqliteMake make, GDestroyNotify row_free, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gpointer pv_sqlite_make_device(sqlite3_stmt *statement);
gpointer pv_sqlite_make_fact(sqlite3_stmt *statement);
gpointer pv_sqlite_make_secret(sqlite3_stmt *statement);
gpointer pv_sqlite_make_job(sqlite3_stmt *statement);
gpointer pv_sqlite_make_result(sqlite3_stmt *statement);
gpointer pv_sqlite_make_event(sqlite3_stmt *statement);
gpointer pv_sqlite_make_audit(sqlite3_stmt *statement);

/* What the writer thread of a store has done since it was opened. */
typedef struct {
	guint commits;
	guint requests; /* done, well or not */
	guint waiting;
} PvSqliteCounts;

/* @store: handle of pv_store_sqlite */
PvSqliteCounts pv_sqlite_get_counts(gpointer store);

G_END_DECLS
