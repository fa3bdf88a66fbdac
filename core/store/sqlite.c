/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/sqlite.h"

#include "core/store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads are short; more connections than this only cost memory. */
#define SQLITE_READERS 4

typedef struct SqliteStore SqliteStore;
typedef struct SqliteRequest SqliteRequest;

/* What a caller wants done within a transaction. It lives on the caller's stack until it is done. */
struct SqliteRequest {
	gboolean (*run)(SqliteStore *store, SqliteRequest *request, GError **error);
	gpointer data;  /* of the caller; for run */
	GError *error;  /* why it failed; owned */
	GCond changed;
	gboolean done;  /* protected by store.lock */
};

struct SqliteStore {
	GMutex lock;
	GThread *thread;       /* the writer */
	PvSqlite *writer;      /* used by the thread only */
	GBytes *audit_key;     /* protected by lock */
	GPtrArray *queue;      /* of SqliteRequest, borrowed; protected by lock */
	GCond queued;
	gboolean closing;      /* protected by lock */
	guint commits;         /* protected by lock */
	guint requests;        /* protected by lock */
	char *path;
	GPtrArray *readers;    /* of PvSqlite: those not in use; protected by lock */
	guint reader_count;    /* in use or not; protected by lock */
	GCond reader_returned;
};

/* Runs one request so that its failure undoes no other's work. FALSE when the transaction as a whole is lost. */
static gboolean
sqlite_run_request(SqliteStore *store, SqliteRequest *request, GError **error)
{
	PvSqlite *writer = store->writer;
	if (!pv_sqlite_run(writer, PV_SQL_SAVEPOINT, error, ""))
		return FALSE;
	if (request->run(store, request, &request->error))
		return pv_sqlite_run(writer, PV_SQL_RELEASE, error, "");

	/* on a full disk and the like SQLite may have rolled everything back by itself */
	if (sqlite3_get_autocommit(writer->db)) {
		g_propagate_error(error, g_error_copy(request->error));
		return FALSE;
	}
	return pv_sqlite_run(writer, PV_SQL_ROLLBACK_TO, error, "") &&
	    pv_sqlite_run(writer, PV_SQL_RELEASE, error, "");
}

/* All requests that waited, in one transaction: one sync to disk. */
static gboolean
sqlite_run_batch(SqliteStore *store, GPtrArray *batch, GError **error)
{
	if (!pv_sqlite_run(store->writer, PV_SQL_BEGIN, error, ""))
		return FALSE;
	for (guint i = 0; i < batch->len; i++) {
		if (!sqlite_run_request(store, g_ptr_array_index(batch, i), error))
			return FALSE;
	}
	return pv_sqlite_run(store->writer, PV_SQL_COMMIT, error, "");
}

static void
sqlite_finish_batch(SqliteStore *store, GPtrArray *batch, const GError *problem)
{
	g_mutex_lock(&store->lock);
	store->requests += batch->len;
	if (problem == NULL)
		store->commits++;
	for (guint i = 0; i < batch->len; i++) {
		SqliteRequest *request = g_ptr_array_index(batch, i);
		if (problem != NULL && request->error == NULL)
			request->error = g_error_copy(problem);
		request->done = TRUE;
		g_cond_signal(&request->changed); /* under the lock: the caller frees it next */
	}
	g_mutex_unlock(&store->lock);
}

static gpointer
sqlite_writer_thread(gpointer data)
{
	SqliteStore *store = data;
	for (;;) {
		g_mutex_lock(&store->lock);
		while (store->queue->len == 0 && !store->closing)
			g_cond_wait(&store->queued, &store->lock);
		g_autoptr(GPtrArray) batch = store->queue;
		store->queue = g_ptr_array_new();
		g_mutex_unlock(&store->lock);
		if (batch->len == 0)
			return NULL;

		g_autoptr(GError) problem = NULL;
		if (!sqlite_run_batch(store, batch, &problem))
			pv_sqlite_rollback(store->writer);
		sqlite_finish_batch(store, batch, problem);
	}
}

/* Hands a request to the writer and waits until it is on the disk, or has failed. */
static gboolean
sqlite_submit(SqliteStore *store,
    gboolean (*run)(SqliteStore *store, SqliteRequest *request, GError **error), gpointer data,
    GError **error)
{
	SqliteRequest request = { .run = run, .data = data };
	g_cond_init(&request.changed);
	g_mutex_lock(&store->lock);
	g_ptr_array_add(store->queue, &request);
	g_cond_signal(&store->queued);
	while (!request.done)
		g_cond_wait(&request.changed, &store->lock);
	g_mutex_unlock(&store->lock);
	g_cond_clear(&request.changed);

	if (request.error == NULL)
		return TRUE;
	g_propagate_error(error, request.error);
	return FALSE;
}

/* A connection for one reader; give it back with sqlite_return_reader(). Waits while all are in use. */
static PvSqlite *
sqlite_take_reader(SqliteStore *store, GError **error)
{
	g_mutex_lock(&store->lock);
	while (store->readers->len == 0 && store->reader_count == SQLITE_READERS)
		g_cond_wait(&store->reader_returned, &store->lock);
	PvSqlite *reader = NULL;
	if (store->readers->len > 0)
		reader = g_ptr_array_steal_index_fast(store->readers, store->readers->len - 1);
	else
		store->reader_count++;
	g_mutex_unlock(&store->lock);
	if (reader != NULL)
		return reader;

	reader = pv_sqlite_new(store->path, TRUE, error);
	if (reader == NULL) {
		g_mutex_lock(&store->lock);
		store->reader_count--;
		g_cond_signal(&store->reader_returned);
		g_mutex_unlock(&store->lock);
		return NULL;
	}
	reader->verb = "read";
	return reader;
}

static void
sqlite_return_reader(SqliteStore *store, PvSqlite *reader)
{
	g_mutex_lock(&store->lock);
	g_ptr_array_add(store->readers, reader);
	g_cond_signal(&store->reader_returned);
	g_mutex_unlock(&store->lock);
}

/* The folder, made if it is missing, must be ours alone to write, for whoever can put files there can put a WAL
 * beside the store that SQLite would replay. */
static gboolean
sqlite_check_folder(const char *path, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(path);
	struct stat status;
	if (g_mkdir_with_parents(folder, 0700) != 0 || stat(folder, &status) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "open store %s: folder %s: %s", path,
		    folder, g_strerror(errno));
		return FALSE;
	}
	if (status.st_uid != 0 && status.st_uid != geteuid()) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "open store %s: folder %s belongs to uid %u: it must belong to root or to the "
		    "user that runs this",
		    path, folder, (unsigned int)status.st_uid);
		return FALSE;
	}
	if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "open store %s: others can write to folder %s: chmod go-w %s", path, folder,
		    folder);
		return FALSE;
	}
	return TRUE;
}

static gboolean
sqlite_check_file(const char *path, GError **error)
{
	/* SQLite makes its files with the mode of the store, so the store comes first. Only a new file is opened
	 * here: closing a store that is open elsewhere in this process would drop its locks (POSIX). */
	int fd = g_open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0) {
		close(fd);
		return TRUE;
	}
	if (errno != EEXIST) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "open store %s: %s", path,
		    g_strerror(errno));
		return FALSE;
	}

	struct stat status;
	if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode)) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "open store %s: not a regular file", path);
		return FALSE;
	}
	if (status.st_uid != 0 && status.st_uid != geteuid()) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "open store %s: belongs to uid %u: it must belong to root or to the user that "
		    "runs this",
		    path, (unsigned int)status.st_uid);
		return FALSE;
	}
	if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "open store %s: mode %04o lets others in: chmod 0600 %s", path,
		    (unsigned int)(status.st_mode & 07777), path);
		return FALSE;
	}
	return TRUE;
}

static gpointer
sqlite_open(const PvValues *values, GError **error)
{
	const char *path = pv_values_get_string(values, "path");
	if (!sqlite_check_folder(path, error) || !sqlite_check_file(path, error))
		return NULL;
	g_autoptr(PvSqlite) writer = pv_sqlite_new(path, FALSE, error);
	if (writer == NULL ||
	    !pv_sqlite_migrate(writer, pv_sqlite_steps, pv_sqlite_step_count, error))
		return NULL;
	writer->verb = "write";

	SqliteStore *store = g_new0(SqliteStore, 1);
	g_mutex_init(&store->lock);
	g_cond_init(&store->queued);
	g_cond_init(&store->reader_returned);
	store->path = g_strdup(path);
	store->writer = g_steal_pointer(&writer);
	store->queue = g_ptr_array_new();
	store->readers = g_ptr_array_new_with_free_func((GDestroyNotify)pv_sqlite_free);
	store->thread = g_thread_new("pv-store", sqlite_writer_thread, store);
	return store;
}

static void
sqlite_close(gpointer data)
{
	SqliteStore *store = data;
	if (store == NULL)
		return;
	g_mutex_lock(&store->lock);
	store->closing = TRUE;
	g_cond_signal(&store->queued);
	g_mutex_unlock(&store->lock);
	g_thread_join(store->thread);

	/* the writer last: the last one to close empties the WAL, which a reader may not */
	g_ptr_array_unref(store->readers);
	pv_sqlite_free(store->writer);
	g_ptr_array_unref(store->queue);
	g_clear_pointer(&store->audit_key, g_bytes_unref);
	g_mutex_clear(&store->lock);
	g_cond_clear(&store->queued);
	g_cond_clear(&store->reader_returned);
	g_free(store->path);
	g_free(store);
}

static void
sqlite_set_audit_key(gpointer data, GBytes *audit_key)
{
	SqliteStore *store = data;
	g_mutex_lock(&store->lock);
	g_clear_pointer(&store->audit_key, g_bytes_unref);
	store->audit_key = g_bytes_ref(audit_key);
	g_mutex_unlock(&store->lock);
}

typedef struct {
	const PvWrite *writes;
	gsize count;
	GArray *new_ids; /* of gint64 */
} SqliteWrites;

static gboolean
sqlite_run_writes(SqliteStore *store, SqliteRequest *request, GError **error)
{
	SqliteWrites *list = request->data;
	g_mutex_lock(&store->lock);
	g_autoptr(GBytes) audit_key =
	    store->audit_key != NULL ? g_bytes_ref(store->audit_key) : NULL;
	g_mutex_unlock(&store->lock);
	return pv_sqlite_write(
	    store->writer, audit_key, list->writes, list->count, list->new_ids, error);
}

static gboolean
sqlite_write(gpointer store, const PvWrite *writes, gsize count, GError **error)
{
	if (count == 0)
		return TRUE;
	g_autoptr(GArray) new_ids = g_array_new(FALSE, FALSE, sizeof(gint64));
	SqliteWrites list = { .writes = writes, .count = count, .new_ids = new_ids };
	if (!sqlite_submit(store, sqlite_run_writes, &list, error))
		return FALSE;

	/* only now that they are on the disk */
	guint next = 0;
	for (gsize i = 0; i < count; i++) {
		if (writes[i].kind == PV_WRITE_JOB && writes[i].job->id == 0)
			writes[i].job->id = g_array_index(new_ids, gint64, next++);
	}
	return TRUE;
}

typedef struct {
	const char *owner;
	gint64 now_usec;
	gint64 lease_usec;
	guint limit;
	const char *const *uuids;
	const char *const *dead_owners;
	GPtrArray *jobs; /* of PvJobRow: the answer; owned */
} SqliteClaim;

static gboolean
sqlite_run_claim(SqliteStore *store, SqliteRequest *request, GError **error)
{
	SqliteClaim *claim = request->data;
	claim->jobs = pv_sqlite_claim(store->writer, claim->owner, claim->now_usec,
	    claim->lease_usec, claim->limit, claim->uuids, claim->dead_owners, error);
	return claim->jobs != NULL;
}

static GPtrArray *
sqlite_claim(gpointer store, const char *owner, gint64 now_usec, gint64 lease_usec, guint limit,
    const char *const *uuids, const char *const *dead_owners, GError **error)
{
	SqliteClaim claim = {
		.owner = owner,
		.now_usec = now_usec,
		.lease_usec = lease_usec,
		.limit = limit,
		.uuids = uuids,
		.dead_owners = dead_owners,
	};
	gboolean good = sqlite_submit(store, sqlite_run_claim, &claim, error);
	g_autoptr(GPtrArray) jobs = claim.jobs; /* there even if the commit failed */
	return good ? g_steal_pointer(&jobs) : NULL;
}

static gboolean
sqlite_run_renew(SqliteStore *store, SqliteRequest *request, GError **error)
{
	const SqliteClaim *claim = request->data;
	return pv_sqlite_run(
	    store->writer, PV_SQL_RENEW, error, "ti", claim->owner, claim->lease_usec);
}

static gboolean
sqlite_renew(gpointer store, const char *owner, gint64 lease_usec, GError **error)
{
	SqliteClaim claim = { .owner = owner, .lease_usec = lease_usec };
	return sqlite_submit(store, sqlite_run_renew, &claim, error);
}

typedef struct {
	GBytes *(*reseal)(const PvSecretRow *row, gpointer data, GError **error);
	gpointer data;
	const char *name;
	const char *value;
} SqliteRotation;

static gboolean
sqlite_run_put_meta(SqliteStore *store, SqliteRequest *request, GError **error)
{
	const SqliteRotation *rotation = request->data;
	return pv_sqlite_run(
	    store->writer, PV_SQL_PUT_META, error, "tt", rotation->name, rotation->value);
}

static gboolean
sqlite_run_rotate(SqliteStore *store, SqliteRequest *request, GError **error)
{
	const SqliteRotation *rotation = request->data;
	return pv_sqlite_reseal(store->writer, rotation->reseal, rotation->data, error) &&
	    sqlite_run_put_meta(store, request, error);
}

static gboolean
sqlite_rotate(gpointer store,
    GBytes *(*reseal)(const PvSecretRow *row, gpointer data, GError **error), gpointer data,
    const char *meta_name, const char *meta_value, GError **error)
{
	SqliteRotation rotation = {
		.reseal = reseal,
		.data = data,
		.name = meta_name,
		.value = meta_value,
	};
	return sqlite_submit(store, sqlite_run_rotate, &rotation, error);
}

static gpointer
sqlite_make_text(sqlite3_stmt *statement)
{
	return pv_sqlite_dup_text(statement, 0);
}

static GPtrArray *
sqlite_read(SqliteStore *store, PvSqlId id, PvSqliteMake make, GDestroyNotify row_free,
    GError **error, const char *uuid)
{
	PvSqlite *reader = sqlite_take_reader(store, error);
	if (reader == NULL)
		return NULL;
	sqlite3_stmt *statement = pv_sqlite_query(reader, id, error, uuid != NULL ? "t" : "", uuid);
	GPtrArray *rows =
	    statement != NULL ? pv_sqlite_list(reader, statement, make, row_free, error) : NULL;
	sqlite_return_reader(store, reader);
	return rows;
}

static gboolean
sqlite_meta(gpointer store, const char *name, const char *value, char **out, GError **error)
{
	if (value != NULL) {
		SqliteRotation change = { .name = name, .value = value };
		if (!sqlite_submit(store, sqlite_run_put_meta, &change, error))
			return FALSE;
		if (out != NULL)
			*out = g_strdup(value);
		return TRUE;
	}
	g_autoptr(GPtrArray) found =
	    sqlite_read(store, PV_SQL_GET_META, sqlite_make_text, g_free, error, name);
	if (found == NULL)
		return FALSE;
	*out = found->len > 0 ? g_strdup(g_ptr_array_index(found, 0)) : NULL;
	return TRUE;
}

static GPtrArray *
sqlite_devices(gpointer store, const char *uuid, GError **error)
{
	return sqlite_read(store, uuid != NULL ? PV_SQL_GET_DEVICE : PV_SQL_LIST_DEVICES,
	    pv_sqlite_make_device, (GDestroyNotify)pv_device_row_free, error, uuid);
}

static GPtrArray *
sqlite_facts(gpointer store, const char *uuid, GError **error)
{
	return sqlite_read(store, PV_SQL_LIST_FACTS, pv_sqlite_make_fact,
	    (GDestroyNotify)pv_fact_row_free, error, uuid);
}

static GPtrArray *
sqlite_secrets(gpointer store, const char *uuid, GError **error)
{
	return sqlite_read(store, uuid != NULL ? PV_SQL_LIST_SECRETS_OF : PV_SQL_LIST_SECRETS,
	    pv_sqlite_make_secret, (GDestroyNotify)pv_secret_row_free, error, uuid);
}

static GPtrArray *
sqlite_jobs(gpointer store, const char *uuid, gboolean active_only, GError **error)
{
	PvSqlId all = active_only ? PV_SQL_LIST_ACTIVE_JOBS : PV_SQL_LIST_JOBS;
	PvSqlId one = active_only ? PV_SQL_LIST_ACTIVE_JOBS_OF : PV_SQL_LIST_JOBS_OF;
	return sqlite_read(store, uuid != NULL ? one : all, pv_sqlite_make_job,
	    (GDestroyNotify)pv_job_row_free, error, uuid);
}

static char **
sqlite_owners(gpointer store, GError **error)
{
	g_autoptr(GPtrArray) owners =
	    sqlite_read(store, PV_SQL_LIST_OWNERS, sqlite_make_text, NULL, error, NULL);
	if (owners == NULL)
		return NULL;
	g_ptr_array_add(owners, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&owners), FALSE);
}

static GPtrArray *
sqlite_results(gpointer data, gint64 job, GError **error)
{
	SqliteStore *store = data;
	PvSqlite *reader = sqlite_take_reader(store, error);
	if (reader == NULL)
		return NULL;
	sqlite3_stmt *statement = pv_sqlite_query(reader, PV_SQL_LIST_RESULTS, error, "i", job);
	GPtrArray *rows = statement != NULL
	    ? pv_sqlite_list(reader, statement, pv_sqlite_make_result,
		  (GDestroyNotify)pv_result_row_free, error)
	    : NULL;
	sqlite_return_reader(store, reader);
	return rows;
}

/* a page of a log; limit 0: all of it */
static GPtrArray *
sqlite_read_log(SqliteStore *store, PvSqlId id, PvSqliteMake make, GDestroyNotify row_free,
    gint64 after_seq, guint limit, const char *uuid, GError **error)
{
	PvSqlite *reader = sqlite_take_reader(store, error);
	if (reader == NULL)
		return NULL;
	sqlite3_stmt *statement = pv_sqlite_query(reader, id, error, uuid != NULL ? "iit" : "ii",
	    after_seq, limit > 0 ? (gint64)limit : (gint64)-1, uuid);
	GPtrArray *rows =
	    statement != NULL ? pv_sqlite_list(reader, statement, make, row_free, error) : NULL;
	sqlite_return_reader(store, reader);
	return rows;
}

static GPtrArray *
sqlite_events(gpointer store, const char *uuid, gint64 after_seq, guint limit, GError **error)
{
	return sqlite_read_log(store, uuid != NULL ? PV_SQL_LIST_EVENTS_OF : PV_SQL_LIST_EVENTS,
	    pv_sqlite_make_event, (GDestroyNotify)pv_event_row_free, after_seq, limit, uuid, error);
}

static GPtrArray *
sqlite_audits(gpointer store, gint64 after_seq, guint limit, GError **error)
{
	return sqlite_read_log(store, PV_SQL_LIST_AUDITS, pv_sqlite_make_audit,
	    (GDestroyNotify)pv_audit_row_free, after_seq, limit, NULL, error);
}

PvSqliteCounts
pv_sqlite_get_counts(gpointer data)
{
	SqliteStore *store = data;
	g_mutex_lock(&store->lock);
	PvSqliteCounts counts = {
		.commits = store->commits,
		.requests = store->requests,
		.waiting = store->queue->len,
	};
	g_mutex_unlock(&store->lock);
	return counts;
}

/* clang-format off */
static const PvParam sqlite_params[] = {
	{ "path", PV_PARAM_PATH, NULL, "file of the store; its folder must be writable by the owner only" },
	{ NULL },
};
/* clang-format on */

const PvStore pv_store_sqlite = {
	.type = "sqlite",
	.summary = "one file on this host, shared by its processes",
	.params = sqlite_params,
	.open = sqlite_open,
	.close = sqlite_close,
	.set_audit_key = sqlite_set_audit_key,
	.write = sqlite_write,
	.devices = sqlite_devices,
	.facts = sqlite_facts,
	.secrets = sqlite_secrets,
	.jobs = sqlite_jobs,
	.results = sqlite_results,
	.events = sqlite_events,
	.audits = sqlite_audits,
	.claim = sqlite_claim,
	.owners = sqlite_owners,
	.renew = sqlite_renew,
	.meta = sqlite_meta,
	.rotate = sqlite_rotate,
};
