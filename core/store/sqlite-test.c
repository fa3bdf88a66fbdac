/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/store-fixture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UUID "4c4c4544-0042-4d10-8054-000000000000"
#define FIXTURE(path, test) \
	g_test_add(path, PvStoreFixture, NULL, pv_store_fixture_set_up, test, \
	    pv_store_fixture_tear_down)

static gboolean
sqlite_put_fact(PvDb *db, const char *uuid, const char *name, const char *value, GError **error)
{
	const PvWrite write = { .kind = PV_WRITE_FACT, .uuid = uuid, .name = name, .value = value };
	return pv_db_write(db, &write, 1, error);
}

static gint64
sqlite_get_fact(PvDb *db, const char *uuid, const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GHashTable) facts = pv_db_get_facts(db, uuid, &error);
	g_assert_no_error(error);
	const char *value = g_hash_table_lookup(facts, name);
	return value != NULL ? g_ascii_strtoll(value, NULL, 10) : -1;
}

static gboolean
sqlite_add_job(PvDb *db, const char *uuid, gint64 due_usec, gint64 *id, GError **error)
{
	PvJobRow row = {
		.uuid = (char *)uuid,
		.pipeline = (char *)"standard",
		.state = (char *)"queued",
		.due_usec = due_usec,
		.made_usec = 1,
		.changed_usec = 1,
	};
	const PvWrite write = { .kind = PV_WRITE_JOB, .job = &row };
	gboolean good = pv_db_write(db, &write, 1, error);
	*id = row.id;
	return good;
}

static GPtrArray *
sqlite_claim(PvDb *db, const char *owner, gint64 now, gint64 lease, guint limit,
    const char *const *uuids, const char *const *dead)
{
	g_autoptr(GError) error = NULL;
	GPtrArray *jobs = pv_db_get_provider(db)->claim(
	    pv_db_get_handle(db), owner, now, lease, limit, uuids, dead, &error);
	g_assert_no_error(error);
	return jobs;
}

/* A row of each kind comes back as it was written. */
static void
sqlite_test_round_trip(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	PvDeviceRow device = {
		.uuid = (char *)UUID,
		.name = (char *)"pc'1\"; DROP TABLE device; --",
		.fqdn = (char *)"pc1.example.com",
		.mac = (char *)"00:11:22:33:44:55",
		.address = (char *)"10.0.0.5",
		.group = (char *)"été",
		.otp_hash = (char *)"ab",
		.status = (char *)"Detected",
		.evidence = (char *)"hello from 10.0.0.5",
		.status_usec = 5,
	};
	PvJobRow job = {
		.uuid = (char *)UUID,
		.pipeline = (char *)"standard",
		.state = (char *)"parked",
		.stage = 3,
		.attempts = 2,
		.stage_usec = 7,
		.due_usec = 8,
		.code = (char *)"pending",
		.text = (char *)"waiting for the CA",
		.made_usec = 9,
		.changed_usec = 10,
	};
	PvEventRow event = {
		.time_usec = 11,
		.uuid = (char *)UUID,
		.job = 1,
		.stage = (char *)"tls",
		.level = (char *)"info",
		.text = (char *)"bad \xff byte",
	};
	const PvWrite writes[] = {
		{ .kind = PV_WRITE_DEVICE, .device = &device },
		{ .kind = PV_WRITE_FACT, .uuid = UUID, .name = "amt.version", .value = "16.1.25" },
		{ .kind = PV_WRITE_FACT, .uuid = UUID, .name = "gone", .value = "x" },
		{ .kind = PV_WRITE_FACT, .uuid = UUID, .name = "gone" },
		{ .kind = PV_WRITE_JOB, .job = &job },
		{ .kind = PV_WRITE_EVENT, .event = &event },
	};
	g_assert_true(pv_db_write(fixture->db, writes, G_N_ELEMENTS(writes), &error));
	g_assert_no_error(error);
	g_assert_cmpint(job.id, >, 0);

	g_autoptr(GPtrArray) devices = pv_db_list_devices(fixture->db, &error);
	g_assert_cmpuint(devices->len, ==, 1);
	const PvDeviceRow *got = g_ptr_array_index(devices, 0);
	g_assert_cmpstr(got->name, ==, device.name);
	g_assert_cmpstr(got->fqdn, ==, device.fqdn);
	g_assert_cmpstr(got->mac, ==, device.mac);
	g_assert_cmpstr(got->address, ==, device.address);
	g_assert_cmpstr(got->group, ==, device.group);
	g_assert_cmpstr(got->otp_hash, ==, device.otp_hash);
	g_assert_cmpstr(got->status, ==, device.status);
	g_assert_cmpstr(got->evidence, ==, device.evidence);
	g_assert_cmpint(got->status_usec, ==, 5);

	g_autoptr(GHashTable) facts = pv_db_get_facts(fixture->db, UUID, &error);
	g_assert_cmpuint(g_hash_table_size(facts), ==, 1);
	g_assert_cmpstr(g_hash_table_lookup(facts, "amt.version"), ==, "16.1.25");

	g_autoptr(GPtrArray) jobs = pv_db_list_jobs(fixture->db, UUID, TRUE, &error);
	g_assert_cmpuint(jobs->len, ==, 1);
	const PvJobRow *got_job = g_ptr_array_index(jobs, 0);
	g_assert_cmpint(got_job->id, ==, job.id);
	g_assert_cmpuint(got_job->stage, ==, 3);
	g_assert_cmpuint(got_job->attempts, ==, 2);
	g_assert_cmpint(got_job->stage_usec, ==, 7);
	g_assert_cmpint(got_job->due_usec, ==, 8);
	g_assert_cmpstr(got_job->owner, ==, NULL);
	g_assert_cmpstr(got_job->code, ==, "pending");
	g_assert_cmpstr(got_job->text, ==, "waiting for the CA");

	g_autoptr(GPtrArray) events = pv_db_list_events(fixture->db, UUID, 0, 10, &error);
	g_assert_cmpuint(events->len, ==, 1);
	const PvEventRow *got_event = g_ptr_array_index(events, 0);
	g_assert_cmpstr(got_event->text, ==, "bad \xef\xbf\xbd byte");
	g_autoptr(GPtrArray) later =
	    pv_db_list_events(fixture->db, NULL, got_event->seq, 10, &error);
	g_assert_cmpuint(later->len, ==, 0);
}

/* A result is there with time and outcome after the store was closed. */
static void
sqlite_test_results(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	gint64 id = 0;
	pv_store_fixture_add_device(fixture->db, UUID, "pc1");
	g_assert_true(sqlite_add_job(fixture->db, UUID, 0, &id, &error));
	PvResultRow results[] = {
		{ .job = id, .index = 1, .stage = (char *)"otp", .outcome = (char *)"skipped" },
		{ .job = id, .index = 0, .stage = (char *)"tls", .outcome = (char *)"failed" },
		{ .job = id,
		    .index = 0,
		    .stage = (char *)"tls",
		    .outcome = (char *)"done",
		    .changes = (char *)"[]",
		    .begin_usec = 100,
		    .end_usec = 200 },
	};
	for (guint i = 0; i < G_N_ELEMENTS(results); i++) {
		const PvWrite write = { .kind = PV_WRITE_RESULT, .result = &results[i] };
		g_assert_true(pv_db_write(fixture->db, &write, 1, &error));
	}
	pv_store_fixture_close(fixture);
	pv_store_fixture_open(fixture);

	g_autoptr(GPtrArray) rows = pv_db_list_results(fixture->db, id, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(rows->len, ==, 2);
	const PvResultRow *first = g_ptr_array_index(rows, 0);
	g_assert_cmpstr(first->outcome, ==, "done");
	g_assert_cmpint(first->begin_usec, ==, 100);
	g_assert_cmpint(first->end_usec, ==, 200);
	const PvResultRow *second = g_ptr_array_index(rows, 1);
	g_assert_cmpstr(second->stage, ==, "otp");
}

static void
sqlite_test_status(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	pv_store_fixture_add_device(fixture->db, UUID, "pc1");
	PvWrite write = {
		.kind = PV_WRITE_STATUS,
		.uuid = UUID,
		.name = "Provisioned",
		.value = "logged in again",
		.time_usec = 42,
	};
	g_assert_true(pv_db_write(fixture->db, &write, 1, &error));

	/* a device written without status keeps it */
	PvDeviceRow renamed = { .uuid = (char *)UUID, .name = (char *)"pc2" };
	const PvWrite rename = { .kind = PV_WRITE_DEVICE, .device = &renamed };
	g_assert_true(pv_db_write(fixture->db, &rename, 1, &error));
	g_autoptr(PvDeviceRow) row = pv_db_find_device(fixture->db, "PC2", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(row->status, ==, "Provisioned");
	g_assert_cmpstr(row->evidence, ==, "logged in again");
	g_assert_cmpint(row->status_usec, ==, 42);

	write.uuid = "11111111-0000-0000-0000-000000000000";
	g_assert_false(pv_db_write(fixture->db, &write, 1, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
}

/* With a device goes what belongs to it; its log stays. */
static void
sqlite_test_delete_device(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) value = pv_secret_new("Passw0rd!", -1);
	g_autoptr(PvSecret) other = pv_secret_new("Passw0rd!2", -1);
	gint64 id = 0;
	pv_store_fixture_add_device(fixture->db, UUID, "pc1");
	g_assert_true(sqlite_put_fact(fixture->db, UUID, "a", "1", &error));
	g_assert_true(sqlite_add_job(fixture->db, UUID, 0, &id, &error));
	g_assert_true(pv_db_put_secret(fixture->db, UUID, "admin", "current", value, &error));
	g_assert_true(pv_db_put_secret(fixture->db, UUID, "admin", "current", other, &error));
	g_assert_true(pv_db_put_secret(fixture->db, "", "site", "current", value, &error));
	const PvResultRow result = {
		.job = id, .stage = (char *)"tls", .outcome = (char *)"done"
	};
	const PvEventRow event = {
		.uuid = (char *)UUID, .level = (char *)"info", .text = (char *)"x"
	};
	const PvWrite writes[] = {
		{ .kind = PV_WRITE_RESULT, .result = &result },
		{ .kind = PV_WRITE_EVENT, .event = &event },
		{ .kind = PV_WRITE_DELETE_DEVICE, .uuid = UUID },
	};
	g_assert_true(pv_db_write(fixture->db, writes, 3, &error));

	g_assert_cmpint(pv_store_fixture_ask(fixture->path, "SELECT count(*) FROM device"), ==, 0);
	g_assert_cmpint(pv_store_fixture_ask(fixture->path, "SELECT count(*) FROM fact"), ==, 0);
	g_assert_cmpint(pv_store_fixture_ask(fixture->path, "SELECT count(*) FROM job"), ==, 0);
	g_assert_cmpint(pv_store_fixture_ask(fixture->path, "SELECT count(*) FROM result"), ==, 0);
	g_assert_cmpint(pv_store_fixture_ask(fixture->path, "SELECT count(*) FROM secret"), ==, 1);
	g_assert_cmpint(pv_store_fixture_ask(fixture->path, "SELECT count(*) FROM event"), ==, 1);
	/* and nothing new for it */
	g_assert_false(sqlite_put_fact(fixture->db, UUID, "a", "1", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
}

/* Group commit */

/* Holds the writer thread inside a transaction until it is let go. */
typedef struct {
	PvDb *db;
	GMutex lock;
	GCond changed;
	gboolean entered, released;
} SqliteGate;

static GBytes *
sqlite_gate_reseal(const PvSecretRow *row, gpointer data, GError **error)
{
	SqliteGate *gate = data;
	g_mutex_lock(&gate->lock);
	gate->entered = TRUE;
	g_cond_broadcast(&gate->changed);
	while (!gate->released)
		g_cond_wait(&gate->changed, &gate->lock);
	g_mutex_unlock(&gate->lock);
	return g_bytes_ref(row->sealed);
}

static gpointer
sqlite_gate_thread(gpointer data)
{
	SqliteGate *gate = data;
	g_autoptr(GError) error = NULL;
	g_assert_true(pv_db_get_provider(gate->db)->rotate(
	    pv_db_get_handle(gate->db), sqlite_gate_reseal, gate, "test", "x", &error));
	g_assert_no_error(error);
	return NULL;
}

static GThread *
sqlite_gate_close(SqliteGate *gate, PvDb *db)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) value = pv_secret_new("x", -1);
	g_assert_true(pv_db_put_secret(db, "", "gate", "current", value, &error));
	gate->db = db;
	g_mutex_init(&gate->lock);
	g_cond_init(&gate->changed);
	GThread *thread = g_thread_new("gate", sqlite_gate_thread, gate);
	g_mutex_lock(&gate->lock);
	while (!gate->entered)
		g_cond_wait(&gate->changed, &gate->lock);
	g_mutex_unlock(&gate->lock);
	return thread;
}

static void
sqlite_gate_open(SqliteGate *gate, GThread *thread)
{
	g_mutex_lock(&gate->lock);
	gate->released = TRUE;
	g_cond_broadcast(&gate->changed);
	g_mutex_unlock(&gate->lock);
	g_thread_join(thread);
	g_mutex_clear(&gate->lock);
	g_cond_clear(&gate->changed);
}

typedef struct {
	PvDb *db;
	guint index;
	GError *error;
} SqliteCaller;

static gpointer
sqlite_fact_thread(gpointer data)
{
	SqliteCaller *caller = data;
	g_autofree char *name = g_strdup_printf("n%u", caller->index);
	/* every eighth names a device that is not there */
	gboolean wrong = caller->index % 8 == 7;
	const PvWrite writes[] = {
		{ .kind = PV_WRITE_FACT, .uuid = UUID, .name = name, .value = "1" },
		{ .kind = PV_WRITE_FACT,
		    .uuid = wrong ? "00000000-1111-0000-0000-000000000000" : UUID,
		    .name = name,
		    .value = "2" },
	};
	g_assert_true(pv_db_write(caller->db, writes, 2, &caller->error) == (caller->error == NULL));
	return NULL;
}

#define CALLERS 64

/* Callers that wait share one commit, and one that fails does not hurt the others nor leaves half of itself. */
static void
sqlite_test_group_commit(PvStoreFixture *fixture, gconstpointer data)
{
	pv_store_fixture_add_device(fixture->db, UUID, "pc1");
	gpointer handle = pv_db_get_handle(fixture->db);
	SqliteGate gate = { 0 };
	GThread *gate_thread = sqlite_gate_close(&gate, fixture->db);
	PvSqliteCounts before = pv_sqlite_get_counts(handle);

	SqliteCaller callers[CALLERS];
	GThread *threads[CALLERS];
	for (guint i = 0; i < CALLERS; i++) {
		callers[i] = (SqliteCaller) { .db = fixture->db, .index = i };
		threads[i] = g_thread_new("caller", sqlite_fact_thread, &callers[i]);
	}
	while (pv_sqlite_get_counts(handle).waiting < CALLERS)
		g_thread_yield();
	sqlite_gate_open(&gate, gate_thread);
	for (guint i = 0; i < CALLERS; i++)
		g_thread_join(threads[i]);

	PvSqliteCounts after = pv_sqlite_get_counts(handle);
	g_assert_cmpuint(after.requests - before.requests, ==, CALLERS + 1);
	g_assert_cmpuint(after.commits - before.commits, ==, 2); /* the gate's and theirs */
	for (guint i = 0; i < CALLERS; i++) {
		g_autofree char *name = g_strdup_printf("n%u", i);
		gboolean wrong = i % 8 == 7;
		if (wrong)
			g_assert_error(callers[i].error, PV_ERROR, PV_ERROR_CONFIG);
		else
			g_assert_no_error(callers[i].error);
		g_assert_cmpint(sqlite_get_fact(fixture->db, UUID, name), ==, wrong ? -1 : 2);
		g_clear_error(&callers[i].error);
	}
}

static gpointer
sqlite_job_thread(gpointer data)
{
	SqliteCaller *caller = data;
	gint64 id = 0;
	gboolean good = sqlite_add_job(caller->db, UUID, 0, &id, &caller->error);
	g_assert_true(good == (id != 0));
	return NULL;
}

/* Of many that start a job on one device, one wins. */
static void
sqlite_test_one_job(PvStoreFixture *fixture, gconstpointer data)
{
	pv_store_fixture_add_device(fixture->db, UUID, "pc1");
	SqliteCaller callers[8];
	GThread *threads[8];
	for (guint i = 0; i < 8; i++) {
		callers[i] = (SqliteCaller) { .db = fixture->db, .index = i };
		threads[i] = g_thread_new("caller", sqlite_job_thread, &callers[i]);
	}
	guint won = 0;
	for (guint i = 0; i < 8; i++) {
		g_thread_join(threads[i]);
		if (callers[i].error != NULL)
			g_assert_error(callers[i].error, G_IO_ERROR, G_IO_ERROR_EXISTS);
		else
			won++;
		g_clear_error(&callers[i].error);
	}
	g_assert_cmpuint(won, ==, 1);
	g_assert_cmpint(pv_store_fixture_ask(fixture->path, "SELECT count(*) FROM job"), ==, 1);
}

static gpointer
sqlite_reader_thread(gpointer data)
{
	SqliteCaller *caller = data;
	for (guint i = 0; i < 50; i++) {
		if (sqlite_get_fact(caller->db, UUID, "count") < 0)
			g_assert_not_reached();
	}
	return NULL;
}

/* More readers than connections, beside a writer. */
static void
sqlite_test_readers(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	pv_store_fixture_add_device(fixture->db, UUID, "pc1");
	g_assert_true(sqlite_put_fact(fixture->db, UUID, "count", "0", &error));
	SqliteCaller caller = { .db = fixture->db };
	GThread *threads[12];
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		threads[i] = g_thread_new("reader", sqlite_reader_thread, &caller);
	for (gint64 i = 1; i <= 50; i++) {
		g_autofree char *value = g_strdup_printf("%" G_GINT64_FORMAT, i);
		g_assert_true(sqlite_put_fact(fixture->db, UUID, "count", value, &error));
		g_assert_cmpint(sqlite_get_fact(fixture->db, UUID, "count"), ==, i);
	}
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		g_thread_join(threads[i]);
}

/* What is confirmed takes its own pending value away, and not one that came in between. */
static void
sqlite_test_delete_secret(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	pv_store_fixture_add_device(fixture->db, UUID, "pc1");
	g_autoptr(GBytes) first = g_bytes_new("first", 5);
	g_autoptr(GBytes) second = g_bytes_new("second", 6);
	const PvSecretRow old = { .uuid = (char *)UUID, .name = (char *)"admin", .state = (char *)"pending", .sealed = first };
	const PvSecretRow new = { .uuid = (char *)UUID, .name = (char *)"admin", .state = (char *)"pending", .sealed = second };
	const PvWrite writes[] = {
		{ .kind = PV_WRITE_SECRET, .secret = &new },
		{ .kind = PV_WRITE_DELETE_SECRET, .uuid = UUID, .name = "admin", .value = "pending", .secret = &old },
		{ .kind = PV_WRITE_DELETE_SECRET, .uuid = UUID, .name = "admin", .value = "pending", .secret = &new },
	};
	static const char ask[] = "SELECT count(*) FROM secret WHERE name = 'admin' AND state = 'pending'";
	g_assert_true(pv_db_write(fixture->db, writes, 2, &error));
	g_assert_no_error(error);
	g_assert_cmpint(pv_store_fixture_ask(fixture->path, ask), ==, 1);
	g_assert_true(pv_db_write(fixture->db, writes + 2, 1, &error));
	g_assert_no_error(error);
	g_assert_cmpint(pv_store_fixture_ask(fixture->path, ask), ==, 0);
}

/* Leases */

static void
sqlite_test_claim(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	gint64 id = 0;
	for (guint i = 0; i < 4; i++) {
		g_autofree char *uuid = pv_store_fixture_make_uuid(i);
		g_autofree char *name = g_strdup_printf("pc%u", i);
		pv_store_fixture_add_device(fixture->db, uuid, name);
		g_assert_true(sqlite_add_job(fixture->db, uuid, 100 + i, &id, &error));
	}

	/* due ones only, oldest first, up to the limit */
	g_autoptr(GPtrArray) none = sqlite_claim(fixture->db, "A", 99, 1000, 10, NULL, NULL);
	g_assert_cmpuint(none->len, ==, 0);
	g_autoptr(GPtrArray) one = sqlite_claim(fixture->db, "A", 102, 1000, 1, NULL, NULL);
	g_assert_cmpuint(one->len, ==, 1);
	PvJobRow *job = g_ptr_array_index(one, 0);
	g_assert_cmpint(job->due_usec, ==, 100);
	g_assert_cmpstr(job->state, ==, "running");
	g_assert_cmpstr(job->owner, ==, "A");

	/* by device */
	const char *const uuids[] = { "4c4c4544-0042-4d10-8054-000000000002", NULL };
	g_autoptr(GPtrArray) named = sqlite_claim(fixture->db, "B", 200, 1000, 10, uuids, NULL);
	g_assert_cmpuint(named->len, ==, 1);
	g_assert_cmpstr(((PvJobRow *)g_ptr_array_index(named, 0))->uuid, ==, uuids[0]);

	/* what others hold is not taken, unless they are dead or late */
	g_autoptr(GPtrArray) rest = sqlite_claim(fixture->db, "C", 200, 5000, 10, NULL, NULL);
	g_assert_cmpuint(rest->len, ==, 2);
	const char *const dead[] = { "A", NULL };
	g_autoptr(GPtrArray) left = sqlite_claim(fixture->db, "D", 201, 5000, 10, NULL, dead);
	g_assert_cmpuint(left->len, ==, 1);
	g_assert_cmpint(((PvJobRow *)g_ptr_array_index(left, 0))->id, ==, job->id);
	g_autoptr(GPtrArray) late = sqlite_claim(fixture->db, "D", 1000, 5000, 10, NULL, NULL);
	g_assert_cmpuint(late->len, ==, 1);
	g_assert_cmpstr(((PvJobRow *)g_ptr_array_index(late, 0))->uuid, ==, uuids[0]);

	/* one's own are at work, however late the clock says it is */
	g_autoptr(GPtrArray) own = sqlite_claim(fixture->db, "D", 4000000, 9000000, 10, uuids, NULL);
	g_assert_cmpuint(own->len, ==, 0);

	g_auto(GStrv) owners =
	    pv_db_get_provider(fixture->db)->owners(pv_db_get_handle(fixture->db), &error);
	g_assert_cmpuint(g_strv_length(owners), ==, 2);
	g_assert_true(g_strv_contains((const char *const *)owners, "C"));
	g_assert_true(g_strv_contains((const char *const *)owners, "D"));
}

static void
sqlite_test_lost_lease(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	gint64 id = 0;
	pv_store_fixture_add_device(fixture->db, UUID, "pc1");
	g_assert_true(sqlite_add_job(fixture->db, UUID, 0, &id, &error));
	g_autoptr(GPtrArray) mine = sqlite_claim(fixture->db, "A", 1, 10, 1, NULL, NULL);
	PvJobRow *job = g_ptr_array_index(mine, 0);
	job->stage = 1;
	const PvWrite writes[] = {
		{ .kind = PV_WRITE_FACT, .uuid = UUID, .name = "stage", .value = "1" },
		{ .kind = PV_WRITE_JOB, .job = job, .owner = "A" },
	};
	g_assert_true(pv_db_write(fixture->db, writes, 2, &error));

	/* what renew has given is not cut by the older copy in hand */
	const PvStore *store = pv_db_get_provider(fixture->db);
	g_assert_true(store->renew(pv_db_get_handle(fixture->db), "A", 500, &error));
	g_assert_true(pv_db_write(fixture->db, writes, 2, &error));
	g_autoptr(GPtrArray) early = sqlite_claim(fixture->db, "B", 400, 900, 1, NULL, NULL);
	g_assert_cmpuint(early->len, ==, 0);

	/* taken away: neither the job nor what came with it is written */
	g_autoptr(GPtrArray) theirs = sqlite_claim(fixture->db, "B", 500, 900, 1, NULL, NULL);
	g_assert_cmpuint(theirs->len, ==, 1);
	const PvWrite late[] = {
		{ .kind = PV_WRITE_FACT, .uuid = UUID, .name = "stage", .value = "2" },
		{ .kind = PV_WRITE_JOB, .job = job, .owner = "A" },
	};
	g_assert_false(pv_db_write(fixture->db, late, 2, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_BUSY);
	g_assert_cmpint(sqlite_get_fact(fixture->db, UUID, "stage"), ==, 1);

	/* given back, and done: the device is free for another job */
	g_clear_error(&error);
	PvJobRow *held = g_ptr_array_index(theirs, 0);
	g_free(held->state);
	held->state = g_strdup("done");
	g_clear_pointer(&held->owner, g_free);
	const PvWrite done = { .kind = PV_WRITE_JOB, .job = held, .owner = "B" };
	g_assert_true(pv_db_write(fixture->db, &done, 1, &error));
	g_assert_no_error(error);
	gint64 next = 0;
	g_assert_true(sqlite_add_job(fixture->db, UUID, 0, &next, &error));
	g_assert_cmpint(next, >, id);
}

/* Several processes */

#define CHILD_WRITES 200
#define CHILD_THREADS 8

typedef struct {
	PvDb *db;
	guint index;
	guint count;  /* writes to make; 0: on and on */
} SqliteChild;

/* Counts a fact up and says each number once it is acknowledged. */
static gpointer
sqlite_child_thread(gpointer data)
{
	const SqliteChild *child = data;
	g_autofree char *name = g_strdup_printf("t%u", child->index);
	for (guint i = 1; child->count == 0 || i <= child->count; i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *value = g_strdup_printf("%u", i);
		if (!sqlite_put_fact(child->db, UUID, name, value, &error))
			g_error("%s", error->message);
		g_autofree char *line = g_strdup_printf("%u %u\n", child->index, i);
		/* one write each, so that a kill cannot cut a line that was acknowledged before */
		if (write(STDOUT_FILENO, line, strlen(line)) < 0)
			return NULL;
	}
	return NULL;
}

static int
sqlite_child_write(const char *path, guint count)
{
	PvStoreFixture fixture = { 0 };
	pv_store_fixture_join(&fixture, path);
	SqliteChild children[CHILD_THREADS];
	GThread *threads[CHILD_THREADS];
	for (guint i = 0; i < CHILD_THREADS; i++) {
		children[i] = (SqliteChild) { .db = fixture.db, .index = i, .count = count };
		threads[i] = g_thread_new("child", sqlite_child_thread, &children[i]);
	}
	for (guint i = 0; i < CHILD_THREADS; i++)
		g_thread_join(threads[i]);
	pv_store_fixture_tear_down(&fixture, NULL);
	return 0;
}

/* What was acknowledged is there after SIGKILL. */
static void
sqlite_test_kill(PvStoreFixture *fixture, gconstpointer data)
{
	pv_store_fixture_add_device(fixture->db, UUID, "pc1");
	pv_store_fixture_close(fixture);
	for (guint round = 0; round < 5; round++) {
		FILE *out = NULL;
		GPid child = pv_store_fixture_spawn("write", fixture->path, &out);
		guint acknowledged[CHILD_THREADS] = { 0 };
		guint thread = 0, number = 0, lines = 0;
		while (fscanf(out, "%u %u", &thread, &number) == 2) {
			g_assert_cmpuint(thread, <, CHILD_THREADS);
			acknowledged[thread] = number;
			if (++lines == 50 + 37 * round)
				kill(child, SIGKILL);
		}
		fclose(out);
		g_assert_true(WIFSIGNALED(pv_store_fixture_wait(child)));

		pv_store_fixture_open(fixture);
		for (guint i = 0; i < CHILD_THREADS; i++) {
			g_autofree char *name = g_strdup_printf("t%u", i);
			gint64 stored = sqlite_get_fact(fixture->db, UUID, name);
			if (acknowledged[i] > 0)
				g_assert_cmpint(stored, >=, acknowledged[i]);
			/* and at most one that had not been told yet */
			if (acknowledged[i] > 0)
				g_assert_cmpint(stored, <=, acknowledged[i] + 1);
		}
		const PvWrite clear = { .kind = PV_WRITE_CLEAR_FACTS, .uuid = UUID };
		g_autoptr(GError) error = NULL;
		g_assert_true(pv_db_write(fixture->db, &clear, 1, &error));
		pv_store_fixture_close(fixture);
	}
	g_assert_cmpint(pv_store_fixture_ask(fixture->path, "PRAGMA integrity_check = 1"), ==, 0);
}

static int
sqlite_child_audit(const char *path)
{
	PvStoreFixture fixture = { 0 };
	pv_store_fixture_join(&fixture, path);
	for (guint i = 0; i < CHILD_WRITES; i++) {
		g_autoptr(GError) error = NULL;
		if (!pv_db_audit(fixture.db, "test", "", &error, "%u", i))
			g_error("%s", error->message);
	}
	pv_store_fixture_tear_down(&fixture, NULL);
	return 0;
}

/* Two processes append to one audit chain, and it stays one. */
static void
sqlite_test_two_processes(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	FILE *out[2] = { NULL };
	GPid children[2];
	for (guint i = 0; i < 2; i++)
		children[i] = pv_store_fixture_spawn("audit", fixture->path, &out[i]);
	for (guint i = 0; i < CHILD_WRITES; i++) {
		g_assert_true(pv_db_audit(fixture->db, "test", "", &error, "%u", i));
		g_assert_no_error(error);
	}
	for (guint i = 0; i < 2; i++) {
		fclose(out[i]);
		g_assert_cmpint(pv_store_fixture_wait(children[i]), ==, 0);
	}
	gint64 count = 0;
	g_assert_true(pv_db_verify_audit(fixture->db, &count, &error));
	g_assert_no_error(error);
	g_assert_cmpint(count, ==, 3 * CHILD_WRITES + 1); /* one when the store was made */
}

/* Processes that make one new store at the same time agree on its keys. */
static void
sqlite_test_create_together(PvStoreFixture *fixture, gconstpointer data)
{
	pv_store_fixture_close(fixture);
	for (guint round = 0; round < 3; round++) {
		g_autofree char *path = g_strdup_printf("%s.%u", fixture->path, round);
		FILE *out[4] = { NULL };
		GPid children[4];
		for (guint i = 0; i < 4; i++)
			children[i] = pv_store_fixture_spawn("audit", path, &out[i]);
		for (guint i = 0; i < 4; i++) {
			fclose(out[i]);
			g_assert_cmpint(pv_store_fixture_wait(children[i]), ==, 0);
		}
		PvStoreFixture other = { 0 };
		g_autoptr(GError) error = NULL;
		pv_store_fixture_join(&other, path);
		gint64 count = 0;
		g_assert_true(pv_db_verify_audit(other.db, &count, &error));
		g_assert_cmpint(count, ==, 4 * CHILD_WRITES + 1);
		pv_store_fixture_tear_down(&other, NULL);
	}
}

static int
sqlite_child_claim(const char *path)
{
	PvStoreFixture fixture = { 0 };
	pv_store_fixture_join(&fixture, path);
	g_autofree char *owner = pv_owner_new();
	for (;;) {
		g_autoptr(GPtrArray) jobs =
		    sqlite_claim(fixture.db, owner, 1, G_MAXINT64, 3, NULL, NULL);
		for (guint i = 0; i < jobs->len; i++)
			g_print("%" G_GINT64_FORMAT "\n",
			    ((PvJobRow *)g_ptr_array_index(jobs, i))->id);
		if (jobs->len == 0)
			break;
	}
	/* left without giving the jobs back, as after a crash */
	fflush(stdout);
	_exit(0);
}

/* Two processes never get the same job, and those of the dead are taken at once, long before their lease ends. */
static void
sqlite_test_claim_processes(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	gint64 id = 0;
	for (guint i = 0; i < 100; i++) {
		g_autofree char *uuid = pv_store_fixture_make_uuid(i);
		pv_store_fixture_add_device(fixture->db, uuid, "pc");
		g_assert_true(sqlite_add_job(fixture->db, uuid, 0, &id, &error));
	}
	FILE *out[2] = { NULL };
	GPid children[2];
	for (guint i = 0; i < 2; i++)
		children[i] = pv_store_fixture_spawn("claim", fixture->path, &out[i]);
	g_autoptr(GHashTable) taken = g_hash_table_new(g_direct_hash, g_direct_equal);
	for (guint i = 0; i < 2; i++) {
		int number = 0;
		while (fscanf(out[i], "%d", &number) == 1)
			g_assert_true(g_hash_table_add(taken, GINT_TO_POINTER(number)));
		fclose(out[i]);
		g_assert_cmpint(pv_store_fixture_wait(children[i]), ==, 0);
	}
	g_assert_cmpuint(g_hash_table_size(taken), ==, 100);

	g_auto(GStrv) owners =
	    pv_db_get_provider(fixture->db)->owners(pv_db_get_handle(fixture->db), &error);
	g_auto(GStrv) dead = pv_owner_find_dead(owners);
	g_assert_cmpuint(g_strv_length(dead), ==, g_strv_length(owners));
	g_autoptr(GPtrArray) again = sqlite_claim(
	    fixture->db, "A", 2, 100, 1000, NULL, (const char *const *)dead);
	g_assert_cmpuint(again->len, ==, 100);
}

/* Trouble with the disk */

typedef struct {
	PvDb *db;
	guint index;
	guint written;   /* values 1 to written were acknowledged */
	GError *error;   /* why it ended */
} SqliteFiller;

static gpointer
sqlite_fill_thread(gpointer data)
{
	SqliteFiller *filler = data;
	g_autofree char *uuid = pv_store_fixture_make_uuid(filler->index);
	g_autofree char *bulk = g_strnfill(10000, 'x');
	while (filler->error == NULL) {
		g_autofree char *value = g_strdup_printf("%u", filler->written + 1);
		g_autofree char *name = g_strdup_printf("bulk%u", filler->written + 1);
		const PvWrite writes[] = {
			{ .kind = PV_WRITE_FACT, .uuid = uuid, .name = "count", .value = value },
			{ .kind = PV_WRITE_FACT, .uuid = uuid, .name = name, .value = bulk },
		};
		if (pv_db_write(filler->db, writes, 2, &filler->error))
			filler->written++;
	}
	return NULL;
}

/* In a process of its own, whose files must not grow beyond 1 MiB. */
static int
sqlite_child_full(const char *path)
{
	PvStoreFixture fixture = { 0 };
	pv_store_fixture_join(&fixture, path);
	signal(SIGXFSZ, SIG_IGN);
	struct rlimit limit = { 0 };
	getrlimit(RLIMIT_FSIZE, &limit);
	const struct rlimit small = { .rlim_cur = 1024 * 1024, .rlim_max = limit.rlim_max };
	setrlimit(RLIMIT_FSIZE, &small);

	SqliteFiller fillers[CHILD_THREADS];
	GThread *threads[CHILD_THREADS];
	for (guint i = 0; i < CHILD_THREADS; i++) {
		fillers[i] = (SqliteFiller) { .db = fixture.db, .index = i };
		threads[i] = g_thread_new("filler", sqlite_fill_thread, &fillers[i]);
	}
	for (guint i = 0; i < CHILD_THREADS; i++)
		g_thread_join(threads[i]);
	setrlimit(RLIMIT_FSIZE, &limit);

	for (guint i = 0; i < CHILD_THREADS; i++) {
		g_autofree char *expected = g_strdup_printf("write store %s: disk full", path);
		g_autofree char *uuid = pv_store_fixture_make_uuid(i);
		g_autoptr(GError) error = NULL;
		g_assert_error(fillers[i].error, PV_ERROR, PV_ERROR_FAILED);
		if (!g_str_has_prefix(fillers[i].error->message, expected))
			g_error("not \"%s\" but \"%s\"", expected, fillers[i].error->message);
		g_clear_error(&fillers[i].error);

		/* all that was acknowledged and no more, neither now nor after it works again */
		gint64 stored = sqlite_get_fact(fixture.db, uuid, "count");
		g_assert_cmpint(MAX(stored, 0), ==, fillers[i].written);
		g_assert_true(sqlite_put_fact(fixture.db, uuid, "after", "1", &error));
		g_assert_no_error(error);
		g_autoptr(GHashTable) facts = pv_db_get_facts(fixture.db, uuid, &error);
		g_assert_cmpuint(g_hash_table_size(facts), ==,
		    fillers[i].written + (fillers[i].written > 0 ? 2 : 1));
	}
	pv_store_fixture_tear_down(&fixture, NULL);
	return 0;
}

static void
sqlite_test_disk_full(PvStoreFixture *fixture, gconstpointer data)
{
	for (guint i = 0; i < CHILD_THREADS; i++) {
		g_autofree char *uuid = pv_store_fixture_make_uuid(i);
		pv_store_fixture_add_device(fixture->db, uuid, "pc");
	}
	pv_store_fixture_close(fixture);
	FILE *out = NULL;
	GPid child = pv_store_fixture_spawn("full", fixture->path, &out);
	fclose(out);
	g_assert_cmpint(pv_store_fixture_wait(child), ==, 0);
	g_assert_cmpint(
	    pv_store_fixture_ask(fixture->path, "SELECT count(*) FROM fact WHERE name = 'after'"),
	    ==, CHILD_THREADS);
}

/* As a user that may read but not write; root may always. */
static int
sqlite_child_read_only(const char *path)
{
	if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		return 77;
	/* another user's process cannot be traced, which is how LeakSanitizer looks at it in the end */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
		return 77;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvValues) values = pv_store_fixture_new_values(path);
	g_autoptr(PvSecret) key = pv_store_fixture_new_key(1);
	g_autoptr(PvDb) db = pv_db_open(&pv_store_sqlite, values, key, "test", &error);
	g_assert_null(db);
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, path));
	g_assert_nonnull(strstr(error->message, "read-only"));
	return 0;
}

static void
sqlite_test_read_only(PvStoreFixture *fixture, gconstpointer data)
{
	pv_store_fixture_close(fixture);
	if (geteuid() == 0) {
		g_assert_cmpint(chown(fixture->folder, 65534, 65534), ==, 0);
		g_assert_cmpint(chown(fixture->path, 65534, 65534), ==, 0);
	}
	g_assert_cmpint(g_chmod(fixture->path, 0400), ==, 0);
	g_assert_cmpint(g_chmod(fixture->folder, 0500), ==, 0);
	FILE *out = NULL;
	GPid child = pv_store_fixture_spawn("read-only", fixture->path, &out);
	fclose(out);
	int status = pv_store_fixture_wait(child);
	g_chmod(fixture->folder, 0700);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		g_test_skip("cannot become another user");
	else
		g_assert_cmpint(status, ==, 0);
}

static void
sqlite_assert_refused(PvStoreFixture *fixture, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvDb) db =
	    pv_db_open(&pv_store_sqlite, fixture->values, fixture->key, "test", &error);
	g_assert_null(db);
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	if (strstr(error->message, text) == NULL)
		g_error("\"%s\" does not say \"%s\"", error->message, text);
	g_assert_nonnull(strstr(error->message, fixture->path));
}

static void
sqlite_test_newer_schema(PvStoreFixture *fixture, gconstpointer data)
{
	pv_store_fixture_close(fixture);
	pv_store_fixture_tamper(fixture->path, "PRAGMA user_version = 99");
	sqlite_assert_refused(fixture, "schema version 99, this program knows versions up to 1");
}

static void
sqlite_test_foreign_files(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	pv_store_fixture_close(fixture);
	g_assert_true(g_file_set_contents_full(fixture->path, "this is a letter, no database", -1,
	    G_FILE_SET_CONTENTS_NONE, 0600, &error));
	sqlite_assert_refused(fixture, "no store, or damaged");
	g_remove(fixture->path);
	pv_store_fixture_tamper(fixture->path, "CREATE TABLE song (title TEXT)");
	g_chmod(fixture->path, 0600);
	sqlite_assert_refused(fixture, "database of another program");
}

static void
sqlite_test_modes(PvStoreFixture *fixture, gconstpointer data)
{
	struct stat status;
	g_assert_cmpint(stat(fixture->path, &status), ==, 0);
	g_assert_cmpint(status.st_mode & 07777, ==, 0600);
	g_autofree char *wal = g_strconcat(fixture->path, "-wal", NULL);
	g_assert_cmpint(stat(wal, &status), ==, 0);
	g_assert_cmpint(status.st_mode & 07777, ==, 0600);
	pv_store_fixture_close(fixture);

	g_chmod(fixture->path, 0640);
	sqlite_assert_refused(fixture, "chmod 0600");
	g_chmod(fixture->path, 0600);
	g_chmod(fixture->folder, 0770);
	sqlite_assert_refused(fixture, "others can write to folder");
	g_chmod(fixture->folder, 0700);
	pv_store_fixture_open(fixture);
}

/* A store of an older version is brought up step by step; a step that fails leaves it as it was. */
static void
sqlite_test_migrate(PvStoreFixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	pv_store_fixture_add_device(fixture->db, UUID, "pc1");
	pv_store_fixture_close(fixture);
	const char *const bad[] = {
		pv_sqlite_steps[0],
		"ALTER TABLE device ADD COLUMN colour TEXT; PRAGMA user_version = 2; SELECT nonsense;",
	};
	const char *const good[] = {
		pv_sqlite_steps[0],
		"ALTER TABLE device ADD COLUMN colour TEXT; PRAGMA user_version = 2;",
		"UPDATE device SET colour = 7; PRAGMA user_version = 3;",
	};
	g_autoptr(PvSqlite) sqlite = pv_sqlite_new(fixture->path, FALSE, &error);
	g_assert_no_error(error);
	g_assert_false(pv_sqlite_migrate(sqlite, bad, G_N_ELEMENTS(bad), &error));
	g_assert_nonnull(error);
	g_clear_error(&error);
	g_assert_cmpint(pv_store_fixture_ask(fixture->path, "PRAGMA user_version"), ==, 1);

	g_assert_true(pv_sqlite_migrate(sqlite, good, G_N_ELEMENTS(good), &error));
	g_assert_no_error(error);
	g_assert_cmpint(pv_store_fixture_ask(fixture->path, "PRAGMA user_version"), ==, 3);
	g_assert_cmpint(pv_store_fixture_ask(fixture->path, "SELECT colour FROM device"), ==, 7);
}

/* What opens a store relies on these. */
static void
sqlite_test_pragmas(PvStoreFixture *fixture, gconstpointer data)
{
	static const struct {
		const char *sql;
		int value;
	} wanted[] = {
		{ "PRAGMA synchronous", 2 },
		{ "PRAGMA foreign_keys", 1 },
		{ "PRAGMA trusted_schema", 0 },
		{ "SELECT journal_mode = 'wal' FROM pragma_journal_mode", 1 },
	};
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSqlite) sqlite = pv_sqlite_new(fixture->path, FALSE, &error);
	g_assert_no_error(error);
	for (guint i = 0; i < G_N_ELEMENTS(wanted); i++) {
		sqlite3_stmt *statement = NULL;
		sqlite3_prepare_v2(sqlite->db, wanted[i].sql, -1, &statement, NULL);
		g_assert_cmpint(sqlite3_step(statement), ==, SQLITE_ROW);
		g_assert_cmpint(sqlite3_column_int(statement, 0), ==, wanted[i].value);
		sqlite3_finalize(statement);
	}
}

static int
sqlite_run_child(const char *mode, const char *path)
{
	if (strcmp(mode, "write") == 0)
		return sqlite_child_write(path, 0);
	if (strcmp(mode, "audit") == 0)
		return sqlite_child_audit(path);
	if (strcmp(mode, "claim") == 0)
		return sqlite_child_claim(path);
	if (strcmp(mode, "full") == 0)
		return sqlite_child_full(path);
	if (strcmp(mode, "read-only") == 0)
		return sqlite_child_read_only(path);
	return 1;
}

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "--child") == 0)
		return sqlite_run_child(argv[2], argv[3]);
	g_test_init(&argc, &argv, NULL);
	FIXTURE("/store/sqlite/round-trip", sqlite_test_round_trip);
	FIXTURE("/requirements/S12-12.1/result-with-time-and-outcome", sqlite_test_results);
	FIXTURE("/requirements/S12-12.1/survives-kill", sqlite_test_kill);
	FIXTURE("/requirements/S12-12.2/status-query", sqlite_test_status);
	FIXTURE("/store/sqlite/delete-device", sqlite_test_delete_device);
	FIXTURE("/store/sqlite/group-commit", sqlite_test_group_commit);
	FIXTURE("/store/sqlite/one-job-per-device", sqlite_test_one_job);
	FIXTURE("/store/sqlite/readers", sqlite_test_readers);
	FIXTURE("/store/sqlite/delete-secret", sqlite_test_delete_secret);
	FIXTURE("/store/sqlite/claim", sqlite_test_claim);
	FIXTURE("/store/sqlite/lost-lease", sqlite_test_lost_lease);
	FIXTURE("/store/sqlite/claim-by-two-processes", sqlite_test_claim_processes);
	FIXTURE("/store/sqlite/two-processes", sqlite_test_two_processes);
	FIXTURE("/store/sqlite/created-by-many-at-once", sqlite_test_create_together);
	FIXTURE("/store/sqlite/disk-full", sqlite_test_disk_full);
	FIXTURE("/store/sqlite/read-only", sqlite_test_read_only);
	FIXTURE("/store/sqlite/newer-schema", sqlite_test_newer_schema);
	FIXTURE("/store/sqlite/foreign-files", sqlite_test_foreign_files);
	FIXTURE("/store/sqlite/modes", sqlite_test_modes);
	FIXTURE("/store/sqlite/migrate", sqlite_test_migrate);
	FIXTURE("/store/sqlite/pragmas", sqlite_test_pragmas);
	return g_test_run();
}
