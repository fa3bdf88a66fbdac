/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/service/intake.h"

#include <string.h>

#include "core/store/store-fixture.h"

#define UUID "4c4c4544-0042-3010-8051-b4c04f4e3332"
#define SOURCE "127.0.0.7"
#define PID "0000037M"

/* A store with one device "pc1", and a site of nothing but that store and one empty pipeline. */
typedef struct {
	PvStoreFixture store;
	PvSite *site;
	PvIntake *intake;
	PvPipeline pipeline;
} Fixture;

static GLogWriterOutput
fixture_log(GLogLevelFlags level, const GLogField *fields, gsize count, gpointer data)
{
	return G_LOG_WRITER_HANDLED;
}

static void
fixture_set_up(Fixture *fixture, gconstpointer data)
{
	pv_store_fixture_set_up(&fixture->store, NULL);
	pv_store_fixture_add_device(fixture->store.db, UUID, "pc1");
	g_autofree PvSite *site = g_new0(PvSite, 1);
	site->file = (char *)"site.json";
	site->db = fixture->store.db;
	site->pipelines = g_hash_table_new(g_str_hash, g_str_equal);
	site->groups = g_hash_table_new(g_str_hash, g_str_equal);
	site->default_pipeline = (char *)"standard";
	g_hash_table_insert(site->pipelines, (gpointer) "standard", &fixture->pipeline);
	fixture->site = g_steal_pointer(&site);
	fixture->intake = pv_intake_new(fixture->site, NULL);
}

static void
fixture_tear_down(Fixture *fixture, gconstpointer data)
{
	pv_intake_free(fixture->intake);
	g_hash_table_unref(fixture->site->pipelines);
	g_hash_table_unref(fixture->site->groups);
	g_free(fixture->site);
	pv_store_fixture_tear_down(&fixture->store, NULL);
}

static PvIntakeOutcome
say_hello(Fixture *fixture, const char *uuid, guint version, const char *source)
{
	PvHello hello = { .version = version, .retry = 1, .pid = PID };
	g_strlcpy(hello.uuid, uuid, sizeof hello.uuid);
	PvRootHash hash = { .type = 2, .length = 32 };
	memset(hash.hash, 0xab, 32);
	g_autoptr(GArray) hashes = g_array_new(FALSE, TRUE, sizeof(PvRootHash));
	g_array_append_val(hashes, hash);
	hello.hashes = hashes;
	return pv_intake_hello(fixture->intake, &hello, source);
}

static guint
count_jobs(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) jobs = pv_db_list_jobs(fixture->site->db, NULL, FALSE, &error);
	g_assert_no_error(error);
	return jobs->len;
}

static guint
count_audits(Fixture *fixture, const char *action, const char *object)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) rows = pv_db_list_audits(fixture->site->db, 0, 10000, &error);
	g_assert_no_error(error);
	guint count = 0;
	for (guint i = 0; i < rows->len; i++) {
		const PvAuditRow *row = g_ptr_array_index(rows, i);
		count += g_str_equal(row->action, action) && (object == NULL || g_strcmp0(row->object, object) == 0);
	}
	return count;
}

static void
write_one(Fixture *fixture, const PvWrite *write)
{
	g_autoptr(GError) error = NULL;
	gboolean written = pv_db_write(fixture->site->db, write, 1, &error);
	g_assert_no_error(error);
	g_assert_true(written);
}

static void
set_status(Fixture *fixture, const char *status)
{
	const PvWrite write = { .kind = PV_WRITE_STATUS, .uuid = UUID, .name = status, .value = "test", .time_usec = 1 };
	write_one(fixture, &write);
}

/* ends the newest job */
static void
end_job(Fixture *fixture, const char *state, const char *code, gint64 changed_usec)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) jobs = pv_db_list_jobs(fixture->site->db, UUID, FALSE, &error);
	g_assert_no_error(error);
	PvJobRow *job = g_ptr_array_index(jobs, 0);
	g_free(job->state);
	job->state = g_strdup(state);
	g_free(job->code);
	job->code = g_strdup(code);
	job->changed_usec = changed_usec;
	const PvWrite write = { .kind = PV_WRITE_JOB, .job = job };
	write_one(fixture, &write);
}

static void
test_known(Fixture *fixture, gconstpointer data)
{
	g_assert_cmpint(say_hello(fixture, UUID, 3, SOURCE), ==, PV_INTAKE_QUEUED);
	g_assert_cmpuint(count_jobs(fixture), ==, 1);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvDeviceRow) row = pv_db_find_device(fixture->site->db, UUID, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(row->address, ==, SOURCE);
	g_assert_cmpstr(row->name, ==, "pc1");
	g_assert_cmpstr(row->status, ==, "Not Provisioned");
	g_assert_cmpstr(row->evidence, ==, "hello from 127.0.0.7, try 2");
	g_autoptr(GHashTable) facts = pv_db_get_facts(fixture->site->db, UUID, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(g_hash_table_lookup(facts, "amt.state"), ==, "setup");
	g_assert_true(g_str_has_prefix(g_hash_table_lookup(facts, "hello.hashes"), "2:abab"));
}

/* firmware says hello again and again until it is set up */
static void
test_again(Fixture *fixture, gconstpointer data)
{
	g_assert_cmpint(say_hello(fixture, UUID, 3, SOURCE), ==, PV_INTAKE_QUEUED);
	g_assert_cmpint(say_hello(fixture, UUID, 3, "127.0.0.99"), ==, PV_INTAKE_BUSY);
	g_assert_cmpuint(count_jobs(fixture), ==, 1);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvDeviceRow) row = pv_db_find_device(fixture->site->db, UUID, &error);
	g_assert_no_error(error);
	/* nobody leads a job that is under way to another address */
	g_assert_cmpstr(row->address, ==, SOURCE);
	end_job(fixture, "failed", "unreachable", g_get_real_time());
	g_assert_cmpint(say_hello(fixture, UUID, 3, SOURCE), ==, PV_INTAKE_QUEUED);
	g_assert_cmpuint(count_jobs(fixture), ==, 2);
}

static void
test_refused_login(Fixture *fixture, gconstpointer data)
{
	g_assert_cmpint(say_hello(fixture, UUID, 3, SOURCE), ==, PV_INTAKE_QUEUED);
	end_job(fixture, "failed", "auth", g_get_real_time());
	g_assert_cmpint(say_hello(fixture, UUID, 3, SOURCE), ==, PV_INTAKE_HELD);
	end_job(fixture, "failed", "auth", g_get_real_time() - G_TIME_SPAN_HOUR);
	g_assert_cmpint(say_hello(fixture, UUID, 3, SOURCE), ==, PV_INTAKE_QUEUED);
}

static void
test_unknown(Fixture *fixture, gconstpointer data)
{
	const char *stranger = "4c4c4544-0042-3010-8051-b4c04f4e9999";
	for (guint i = 0; i < 50; i++)
		g_assert_cmpint(say_hello(fixture, stranger, 3, SOURCE), ==, PV_INTAKE_UNKNOWN);
	g_assert_cmpuint(count_jobs(fixture), ==, 0);
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) rows = pv_db_list_devices(fixture->site->db, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(rows->len, ==, 1);
	/* told, and not told fifty times */
	g_assert_cmpuint(count_audits(fixture, "hello-unknown", stranger), >=, 1);
	g_assert_cmpuint(count_audits(fixture, "hello-unknown", stranger), <, 10);
}

/* a flood of UUIDs costs the store a bounded number of entries */
static void
test_unknown_flood(Fixture *fixture, gconstpointer data)
{
	for (guint i = 0; i < 1000; i++) {
		g_autofree char *uuid = g_strdup_printf("4c4c4544-0042-3010-8051-b4c0%08x", i);
		g_assert_cmpint(say_hello(fixture, uuid, 3, SOURCE), ==, PV_INTAKE_UNKNOWN);
	}
	g_assert_cmpuint(count_audits(fixture, "hello-unknown", NULL), <, 200);
}

static void
test_provisioned(Fixture *fixture, gconstpointer data)
{
	set_status(fixture, "Provisioned");
	g_assert_cmpint(say_hello(fixture, UUID, 3, "127.0.0.66"), ==, PV_INTAKE_PROVISIONED);
	g_assert_cmpuint(count_jobs(fixture), ==, 0);
	g_assert_cmpuint(count_audits(fixture, "hello-from-provisioned", UUID), ==, 1);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvDeviceRow) row = pv_db_find_device(fixture->site->db, UUID, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(row->address, !=, "127.0.0.66");
	g_assert_cmpstr(row->status, ==, "Provisioned");
	/* what "provost reset" writes */
	set_status(fixture, "Unknown");
	g_assert_cmpint(say_hello(fixture, UUID, 3, SOURCE), ==, PV_INTAKE_QUEUED);
}

/* A device whose pipeline failed after the commit speaks to us verified or not at all: no hello makes it one in
 * set-up again, which would be talked to whatever certificate it shows. */
static void
test_committed(Fixture *fixture, gconstpointer data)
{
	g_assert_cmpint(say_hello(fixture, UUID, 3, SOURCE), ==, PV_INTAKE_QUEUED);
	const PvWrite state = { .kind = PV_WRITE_FACT, .uuid = UUID, .name = "amt.state", .value = "operational" };
	write_one(fixture, &state);
	end_job(fixture, "failed", "rejected", g_get_real_time());
	g_assert_cmpint(say_hello(fixture, UUID, 3, "127.0.0.66"), ==, PV_INTAKE_PROVISIONED);
	g_assert_cmpuint(count_jobs(fixture), ==, 1);
	g_assert_cmpuint(count_audits(fixture, "hello-from-provisioned", UUID), ==, 1);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvDeviceRow) row = pv_db_find_device(fixture->site->db, UUID, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(row->address, ==, SOURCE);
	g_autoptr(GHashTable) facts = pv_db_get_facts(fixture->site->db, UUID, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(g_hash_table_lookup(facts, "amt.state"), ==, "operational");
	/* what "provost reset" writes */
	const PvWrite reset = { .kind = PV_WRITE_CLEAR_FACTS, .uuid = UUID };
	write_one(fixture, &reset);
	g_assert_cmpint(say_hello(fixture, UUID, 3, SOURCE), ==, PV_INTAKE_QUEUED);
}

static void
test_refused(Fixture *fixture, gconstpointer data)
{
	const char *shared = "03000200-0400-0500-0006-000700080009";
	g_assert_cmpint(say_hello(fixture, shared, 3, SOURCE), ==, PV_INTAKE_REFUSED);
	g_assert_cmpuint(count_audits(fixture, "hello-bad-uuid", shared), ==, 1);
	g_assert_cmpint(say_hello(fixture, UUID, 2, SOURCE), ==, PV_INTAKE_REFUSED);
	g_assert_cmpuint(count_audits(fixture, "hello-psk", UUID), ==, 1);
	g_assert_cmpuint(count_jobs(fixture), ==, 0);
}

/* a pipeline of nothing but the stage "tls", which plugins/tls has this parameter of */
static void
use_mode(Fixture *fixture, PvPipelineStage *entry, const char *mode)
{
	static const PvParam params[] = { { "mode", PV_PARAM_STRING, NULL, "mode" }, { NULL } };
	static const PvStage stage = { .type = "tls" };
	g_autofree char *text = g_strdup_printf("{ \"mode\": \"%s\" }", mode);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvJson) json = pv_json_parse("pipeline", text, -1, &error);
	g_assert_no_error(error);
	entry->stage = &stage;
	entry->values = pv_values_parse(json, "$", params, NULL, &error);
	g_assert_no_error(error);
	g_ptr_array_add(fixture->pipeline.stages, entry);
}

static const char *
find_fact(GHashTable *facts, const char *name)
{
	return g_hash_table_lookup(facts, name);
}

static void
test_ways(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) stages = g_ptr_array_new();
	PvPipelineStage psk = { 0 }, pki = { 0 };
	fixture->pipeline.stages = stages;
	use_mode(fixture, &psk, "psk");
	/* the way fits, and nobody has said what the PPS is */
	g_assert_cmpint(say_hello(fixture, UUID, 2, SOURCE), ==, PV_INTAKE_REFUSED);
	g_assert_cmpuint(count_audits(fixture, "hello-psk", UUID), ==, 1);
	/* a device with certificates */
	g_assert_cmpint(say_hello(fixture, UUID, 3, SOURCE), ==, PV_INTAKE_REFUSED);
	g_assert_cmpuint(count_audits(fixture, "hello-pki", UUID), ==, 1);
	g_assert_cmpuint(count_jobs(fixture), ==, 0);

	g_autoptr(PvSecret) pps = pv_secret_new("NKLDG5DCRRNQE9YZZIJL7LFLVJED69XJ", -1);
	g_assert_true(pv_db_put_secret(fixture->site->db, "", "psk." PID, "current", pps, &error));
	g_assert_cmpint(say_hello(fixture, UUID, 2, SOURCE), ==, PV_INTAKE_QUEUED);
	g_autoptr(GHashTable) facts = pv_db_get_facts(fixture->site->db, UUID, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(find_fact(facts, "hello.pid"), ==, PID);
	g_assert_null(find_fact(facts, "hello.hashes"));
	end_job(fixture, "failed", "unreachable", 1);

	/* a pipeline for both, and the device comes the other way */
	use_mode(fixture, &pki, "pki");
	g_assert_cmpint(say_hello(fixture, UUID, 3, SOURCE), ==, PV_INTAKE_QUEUED);
	g_autoptr(GHashTable) later = pv_db_get_facts(fixture->site->db, UUID, &error);
	g_assert_no_error(error);
	g_assert_null(find_fact(later, "hello.pid"));
	g_assert_nonnull(find_fact(later, "hello.hashes"));
	pv_values_unref(psk.values);
	pv_values_unref(pki.values);
	fixture->pipeline.stages = NULL;
}

/* a group that was taken out of the site */
static void
test_no_group(Fixture *fixture, gconstpointer data)
{
	PvGroup lab = { .name = (char *)"lab", .pipeline = (char *)"standard" };
	g_hash_table_insert(fixture->site->groups, lab.name, &lab);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvDeviceRow) row = pv_db_find_device(fixture->site->db, UUID, &error);
	g_assert_no_error(error);
	g_free(row->group);
	row->group = g_strdup("gone");
	PvWrite write = { .kind = PV_WRITE_DEVICE, .device = row };
	write_one(fixture, &write);
	g_assert_cmpint(say_hello(fixture, UUID, 3, SOURCE), ==, PV_INTAKE_FAILED);
	g_assert_cmpuint(count_jobs(fixture), ==, 0);
	g_free(row->group);
	row->group = g_strdup("lab");
	write_one(fixture, &write);
	g_assert_cmpint(say_hello(fixture, UUID, 3, SOURCE), ==, PV_INTAKE_QUEUED);
}

static void
add(const char *path, void (*test)(Fixture *, gconstpointer))
{
	g_test_add(path, Fixture, NULL, fixture_set_up, test, fixture_tear_down);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_log_set_writer_func(fixture_log, NULL, NULL);
	add("/service/intake/known", test_known);
	add("/service/intake/again", test_again);
	add("/service/intake/refused-login", test_refused_login);
	add("/requirements/S07-1.36/unknown-device", test_unknown);
	add("/service/intake/unknown-flood", test_unknown_flood);
	add("/service/intake/hello-from-provisioned", test_provisioned);
	add("/service/intake/hello-from-committed", test_committed);
	add("/service/intake/refused", test_refused);
	add("/service/intake/ways", test_ways);
	add("/service/intake/no-group", test_no_group);
	return g_test_run();
}
