/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/stage-test.h"

#include <dlfcn.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

#include "core/engine/job.h"
#include "tests/lib/fake-amt.h"
#include "tests/lib/request-check.h"

#define STAGE_TEST_UUID "d2ffc23e-9dd1-412d-860a-54b2039b72ff"
#define STAGE_TEST_FINGERPRINT "0000000000000000000000000000000000000000000000000000000000000001"

typedef struct {
	char *plugin; /* owned */
	char *file; /* owned */
	StageTestPrepare prepare; /* NULL: the site is enough */
} StageTestCase;

/* What one case works with; lives for its rounds. */
typedef struct {
	char *dir; /* owned: temporary */
	JsonObject *fixture; /* lent by json */
	PvJson *json; /* owned */
	PvLoader *loader; /* owned */
	PvSite *site; /* owned */
	PvDeviceRow row; /* strings lent by json */
	GHashTable *facts; /* char* -> char*, owned */
	char *changes; /* owned: of an interrupted round; NULL: none */
	PvPipelineStage entry; /* its values are owned */
	PvStage later_stage;
	PvPipelineStage later;
	PvPipeline pipeline; /* of the two; its list is owned */
} StageTest;

/* The round at work, for the functions below that stand in front of libprovost's and libc's: the program's symbols come
 * first, for the plugin's module too. One round runs at a time. */
static struct {
	JsonObject *round; /* lent; NULL: none at work */
	PvWsman *session; /* lent by the job */
} stage_test_now;

/* Reading the fixture */

static JsonObject *
stage_test_peek_object(JsonObject *object, const char *member)
{
	return object != NULL && json_object_has_member(object, member) &&
		       JSON_NODE_HOLDS_OBJECT(json_object_get_member(object, member))
		   ? json_object_get_object_member(object, member)
		   : NULL;
}

/* NULL: absent or null */
static const char *
stage_test_peek_string(JsonObject *object, const char *member, const char *fallback)
{
	if (object == NULL || !json_object_has_member(object, member))
		return fallback;
	return json_object_get_null_member(object, member)
		   ? NULL
		   : json_object_get_string_member(object, member);
}

static const char *
stage_test_session_string(const char *member, const char *fallback)
{
	return stage_test_peek_string(
	    stage_test_peek_object(stage_test_now.round, "session"), member, fallback);
}

/* Standing in */

gboolean
pv_wsman_connect(PvWsman *wsman, GError **error)
{
	const char *outcome = stage_test_session_string("connect", NULL);
	if (outcome == NULL) {
		union {
			gpointer symbol;
			gboolean (*function)(PvWsman *, GError **);
		} real = { dlsym(RTLD_NEXT, "pv_wsman_connect") };
		return real.function(wsman, error);
	}
	if (strcmp(outcome, "ok") == 0)
		return TRUE;
	g_set_error_literal(error, PV_ERROR, PV_ERROR_UNREACHABLE, outcome);
	return FALSE;
}

gboolean
pv_wsman_is_verified(PvWsman *wsman)
{
	JsonObject *session = stage_test_peek_object(stage_test_now.round, "session");
	return session != NULL &&
	       json_object_get_boolean_member_with_default(session, "verified", FALSE);
}

gboolean
pv_wsman_is_mutual(PvWsman *wsman)
{
	JsonObject *session = stage_test_peek_object(stage_test_now.round, "session");
	return session != NULL &&
	       json_object_get_boolean_member_with_default(session, "mutual", FALSE);
}

const char *
pv_wsman_get_fingerprint(PvWsman *wsman)
{
	return stage_test_session_string("fingerprint", STAGE_TEST_FINGERPRINT);
}

const char *
pv_wsman_get_realm(PvWsman *wsman)
{
	return stage_test_session_string("realm", NULL);
}

const char *
pv_wsman_get_user(PvWsman *wsman)
{
	return stage_test_session_string("user", NULL);
}

const char *
pv_wsman_get_version(PvWsman *wsman)
{
	return stage_test_session_string("version", NULL);
}

/* the real one would dial the device anew as the site says, with TLS */
void
pv_job_reconnect(PvJob *job)
{
	pv_wsman_close(stage_test_now.session);
}

int
ntp_adjtime(struct timex *buf)
{
	JsonObject *host = stage_test_peek_object(stage_test_now.round, "host");
	gboolean synchronised =
	    host == NULL || json_object_get_boolean_member_with_default(host, "synchronised", TRUE);
	buf->status = synchronised ? 0 : STA_UNSYNC;
	return synchronised ? TIME_OK : TIME_ERROR;
}

time_t
time(time_t *result)
{
	JsonObject *host = stage_test_peek_object(stage_test_now.round, "host");
	time_t now = g_get_real_time() / G_USEC_PER_SEC;
	if (host != NULL)
		now = (time_t)json_object_get_int_member_with_default(host, "time", now);
	if (result != NULL)
		*result = now;
	return now;
}

/* The site */

static char *
stage_test_find_sid(gpointer directory, const char *name, GCancellable *cancellable, GError **error)
{
	const char *sid = stage_test_peek_string(directory, name, NULL);
	if (sid == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "find \"%s\": the directory has no such user or group", name);
	return g_strdup(sid);
}

static void
stage_test_close_directory(gpointer directory)
{
}

static const PvDirectory stage_test_directory = {
	.type = "fixture",
	.summary = "the members of a fixture",
	.close = stage_test_close_directory,
	.find_sid = stage_test_find_sid,
};

/* A CA that answers what the fixture says */

static GBytes *
stage_test_dup_der(JsonObject *ca, const char *member)
{
	gsize length = 0;
	guchar *der = g_base64_decode(json_object_get_string_member(ca, member), &length);
	return g_bytes_new_take(der, length);
}

static gboolean
stage_test_submit(gpointer handle, const PvCertRequest *request, GBytes *csr_der,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	const char *outcome =
	    json_object_get_string_member_with_default(handle, "outcome", "issued");
	const char *const wanted[] = { "pc1.example.com", NULL };
	g_assert_cmpstr(request->common_name, ==, "pc1.example.com");
	g_assert_true(g_strv_equal(request->dns_names, wanted));
	g_assert_cmpstr(request->ekus[0], ==,
	    stage_test_peek_string(handle, "eku", "1.3.6.1.5.5.7.3.1"));
	g_assert_cmpstr(request->template_name, ==, stage_test_peek_string(handle, "template", NULL));
	g_assert_cmpstr(request->upn, ==, stage_test_peek_string(handle, "upn", NULL));
	*reply = (PvCaReply) { .outcome = PV_CA_ISSUED };
	if (g_str_equal(outcome, "issued")) {
		reply->certificate = stage_test_dup_der(handle, "certificate");
		return TRUE;
	}
	reply->outcome = g_str_equal(outcome, "pending") ? PV_CA_PENDING : PV_CA_DENIED;
	reply->text = g_strdup(json_object_get_string_member(handle, "text"));
	reply->cookie = reply->outcome == PV_CA_PENDING ? g_strdup("17") : NULL;
	reply->not_before_sec = 60;
	return TRUE;
}

static void
stage_test_close_ca(gpointer handle)
{
}

static const PvCa stage_test_ca = {
	.type = "fixture",
	.summary = "the answers of a fixture",
	.submit = stage_test_submit,
	.close = stage_test_close_ca,
};

void
stage_test_prepare_ca(PvSite *site, const char *dir, JsonObject *fixture)
{
	g_autoptr(GError) error = NULL;
	if (!json_object_has_member(fixture, "ca"))
		return;
	JsonObject *ca = json_object_get_object_member(fixture, "ca");
	g_autoptr(GPtrArray) roots = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(roots, stage_test_dup_der(ca, "root"));
	site->ca = &stage_test_ca;
	site->ca_handle = ca;
	g_autoptr(PvTrust) trust = pv_trust_new(roots, &error);
	g_assert_no_error(error);
	site->trust = pv_site_trust_new_fixed(trust);
}

static PvDb *
stage_test_open_db(const char *dir)
{
	g_autoptr(GError) error = NULL;
	guint8 bytes[32];
	for (gsize i = 0; i < sizeof bytes; i++)
		bytes[i] = (guint8)g_random_int_range(0, 256);
	g_autoptr(PvSecret) key = pv_secret_new(bytes, sizeof bytes);
	g_autofree char *text = g_strdup_printf("{ \"path\": \"%s/store.db\" }", dir);
	g_autoptr(PvJson) json = pv_json_parse("store", text, -1, &error);
	g_assert_no_error(error);
	g_autoptr(PvValues) values =
	    pv_values_parse(json, "$", pv_store_sqlite.params, NULL, &error);
	g_assert_no_error(error);
	PvDb *db = pv_db_open(&pv_store_sqlite, values, key, "stage-test", &error);
	g_assert_no_error(error);
	return db;
}

static void
stage_test_open_site(StageTest *test)
{
	test->site = g_new0(PvSite, 1);
	test->site->file = g_build_filename(test->dir, "site.json", NULL);
	test->site->db = stage_test_open_db(test->dir);
	test->site->identities = g_ptr_array_new();
	test->site->candidates = g_ptr_array_new();
	test->site->variables = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	test->site->groups = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
	test->site->pipelines = g_hash_table_new(g_str_hash, g_str_equal);
	test->site->login_attempts = 4;
	test->site->directory_handle = stage_test_peek_object(test->fixture, "directory");
	test->site->directory = test->site->directory_handle != NULL ? &stage_test_directory : NULL;
}

/* Sets what the case has before its first round */

static void
stage_test_write_files(StageTest *test)
{
	JsonObject *files = stage_test_peek_object(test->fixture, "files");
	g_autoptr(GList) names = files != NULL ? json_object_get_members(files) : NULL;
	for (GList *name = names; name != NULL; name = name->next) {
		g_autoptr(GError) error = NULL;
		g_autofree char *path = g_build_filename(test->dir, name->data, NULL);
		g_file_set_contents_full(path, json_object_get_string_member(files, name->data), -1,
		    G_FILE_SET_CONTENTS_NONE, 0600, &error);
		g_assert_no_error(error);
	}
}

static void
stage_test_put_secrets(StageTest *test, const char *member, const char *state)
{
	JsonObject *secrets = stage_test_peek_object(test->fixture, member);
	g_autoptr(GList) names = secrets != NULL ? json_object_get_members(secrets) : NULL;
	for (GList *name = names; name != NULL; name = name->next) {
		g_autoptr(GError) error = NULL;
		g_autoptr(PvSecret) value =
		    pv_secret_new(json_object_get_string_member(secrets, name->data), -1);
		(void)!pv_db_put_secret(
		    test->site->db, STAGE_TEST_UUID, name->data, state, value, &error);
		g_assert_no_error(error);
	}
}

static void
stage_test_add_device(StageTest *test)
{
	g_autoptr(GError) error = NULL;
	JsonObject *device = stage_test_peek_object(test->fixture, "device");
	PvGroup *group = g_new0(PvGroup, 1);
	group->tls = g_strcmp0(stage_test_peek_string(device, "tls", NULL), "legacy") == 0
			 ? PV_TLS_LEGACY
			 : PV_TLS_MODERN;
	g_hash_table_insert(test->site->groups, (char *)"fixture", group);
	test->row = (PvDeviceRow) {
		.uuid = (char *)STAGE_TEST_UUID,
		.name = (char *)"pc1",
		.fqdn = (char *)stage_test_peek_string(device, "fqdn", "pc1.example.com"),
		.address = (char *)"127.0.0.1",
		.group = (char *)"fixture",
		.otp_hash = (char *)stage_test_peek_string(device, "otp-hash", NULL),
		.status = (char *)"Not Provisioned",
		.evidence = (char *)"fixture",
	};
	const PvWrite write = { .kind = PV_WRITE_DEVICE, .device = &test->row };
	(void)!pv_db_write(test->site->db, &write, 1, &error);
	g_assert_no_error(error);
}

static void
stage_test_read_facts(StageTest *test)
{
	test->facts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	JsonObject *facts = stage_test_peek_object(test->fixture, "facts");
	g_autoptr(GList) names = facts != NULL ? json_object_get_members(facts) : NULL;
	for (GList *name = names; name != NULL; name = name->next)
		g_hash_table_insert(test->facts, g_strdup(name->data),
		    g_strdup(json_object_get_string_member(facts, name->data)));
}

static void
stage_test_load_plugin(StageTest *test, const char *plugin)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *libs =
	    g_test_build_filename(G_TEST_BUILT, "plugins", plugin, ".libs", NULL);
	test->loader = pv_loader_new((const char *const[]) { libs, NULL });
	const PvPlugin *loaded = pv_loader_load(test->loader, plugin, &error);
	g_assert_no_error(error);
	g_assert_nonnull(loaded);
	test->entry.stage = pv_loader_find_stage(test->loader, plugin, &test->entry.plugin);
	g_assert_nonnull(test->entry.stage);
	test->entry.where = (char *)"fixture: $.stage";
	/* a case without "stage" is one that keeps to the defaults */
	g_autoptr(PvJson) none = pv_json_parse("fixture", "{ \"stage\": {} }", -1, &error);
	g_assert_no_error(error);
	PvJson *json = json_object_has_member(test->fixture, "stage") ? test->json : none;
	test->entry.values =
	    pv_values_parse(json, "$.stage", test->entry.stage->params, NULL, &error);
	g_assert_no_error(error);
}

/* The file with @DIR@ and @NOW…@ replaced. */
static gboolean
stage_test_replace_now(const GMatchInfo *match, GString *result, gpointer data)
{
	g_autofree char *offset = g_match_info_fetch(match, 1);
	g_string_append_printf(result, "%" G_GINT64_FORMAT,
	    g_get_real_time() / G_USEC_PER_SEC + g_ascii_strtoll(offset, NULL, 10));
	return FALSE;
}

static void
stage_test_load_fixture(StageTest *test, const char *file)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *raw = NULL;
	g_file_get_contents(file, &raw, NULL, &error);
	g_assert_no_error(error);
	g_auto(GStrv) parts = g_strsplit(raw, "@DIR@", -1);
	g_autofree char *placed = g_strjoinv(test->dir, parts);
	g_autoptr(GRegex) now = g_regex_new("@NOW([+-][0-9]+)?@", 0, 0, &error);
	g_assert_no_error(error);
	g_autofree char *text =
	    g_regex_replace_eval(now, placed, -1, 0, 0, stage_test_replace_now, NULL, &error);
	g_assert_no_error(error);
	test->json = pv_json_parse(file, text, -1, &error);
	g_assert_no_error(error);
	test->fixture = json_node_get_object(pv_json_get_root(test->json));
}

/* What a round must have come to */

static void
stage_test_check_contains(JsonObject *round, const char *text)
{
	JsonArray *parts = json_object_has_member(round, "contains")
			       ? json_object_get_array_member(round, "contains")
			       : NULL;
	for (guint i = 0; parts != NULL && i < json_array_get_length(parts); i++) {
		const char *part = json_array_get_string_element(parts, i);
		if (text == NULL || strstr(text, part) == NULL)
			g_error("\"%s\" does not contain \"%s\"", text != NULL ? text : "", part);
	}
}

static void
stage_test_check_plan(JsonObject *round, const char *changes)
{
	static const char *const members[] = { "object", "property", "from", "to" };
	if (!json_object_has_member(round, "plan"))
		return;
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonNode) node = json_from_string(changes != NULL ? changes : "[]", &error);
	g_assert_no_error(error);
	JsonArray *found = json_node_get_array(node);
	JsonArray *wanted = json_object_get_array_member(round, "plan");
	if (json_array_get_length(found) != json_array_get_length(wanted))
		g_error("%u changes, not %u: %s", json_array_get_length(found),
		    json_array_get_length(wanted), changes);
	for (guint i = 0; i < json_array_get_length(wanted); i++) {
		JsonArray *row = json_array_get_array_element(wanted, i);
		JsonObject *change = json_array_get_object_element(found, i);
		for (guint j = 0; j < G_N_ELEMENTS(members); j++) {
			const char *value = json_array_get_string_element(row, j);
			if (strcmp(value, "*") != 0)
				g_assert_cmpstr(
				    json_object_get_string_member(change, members[j]), ==, value);
		}
	}
}

static void
stage_test_check_facts(StageTest *test, JsonObject *round)
{
	JsonObject *facts = stage_test_peek_object(round, "facts-after");
	g_autoptr(GList) names = facts != NULL ? json_object_get_members(facts) : NULL;
	for (GList *name = names; name != NULL; name = name->next) {
		const char *wanted = stage_test_peek_string(facts, name->data, NULL);
		const char *found = g_hash_table_lookup(test->facts, name->data);
		if (g_strcmp0(wanted, "*") == 0 ? found == NULL : g_strcmp0(wanted, found) != 0)
			g_error("fact %s is \"%s\", not \"%s\"", (char *)name->data, found, wanted);
	}
}

static void
stage_test_check_secrets(StageTest *test, JsonObject *round)
{
	JsonObject *secrets = stage_test_peek_object(round, "secrets-after");
	g_autoptr(GList) names = secrets != NULL ? json_object_get_members(secrets) : NULL;
	for (GList *name = names; name != NULL; name = name->next) {
		gboolean current =
		    pv_db_has_secret(test->site->db, STAGE_TEST_UUID, name->data, "current");
		gboolean pending =
		    pv_db_has_secret(test->site->db, STAGE_TEST_UUID, name->data, "pending");
		g_assert_cmpstr(current	  ? pending ? "both" : "current"
				: pending ? "pending"
					  : "none",
		    ==, json_object_get_string_member(secrets, name->data));
	}
}

static void
stage_test_check_audit(StageTest *test, JsonObject *round)
{
	JsonArray *actions = json_object_has_member(round, "audit")
				 ? json_object_get_array_member(round, "audit")
				 : NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) rows = pv_db_list_audits(test->site->db, 0, 1000, &error);
	g_assert_no_error(error);
	for (guint i = 0; actions != NULL && i < json_array_get_length(actions); i++) {
		const char *action = json_array_get_string_element(actions, i);
		gboolean found = FALSE;
		for (guint j = 0; j < rows->len; j++)
			found =
			    found || strcmp(((PvAuditRow *)rows->pdata[j])->action, action) == 0;
		if (!found)
			g_error("the audit log has no \"%s\"", action);
	}
}

/* One run of the stage */

static FakeAmt *
stage_test_new_fake(JsonObject *round)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *rows =
	    json_object_has_member(round, "exchange")
		? json_to_string(json_object_get_member(round, "exchange"), FALSE)
		: g_strdup("[]");
	FakeAmt *fake = fake_amt_new_from_data("exchange", rows, &error);
	g_assert_no_error(error);
	return fake;
}

static void
stage_test_set_pipeline(StageTest *test)
{
	const char *later = stage_test_peek_string(
	    stage_test_now.round, "later", stage_test_peek_string(test->fixture, "later", NULL));
	g_clear_pointer(&test->pipeline.stages, g_ptr_array_unref);
	test->pipeline.stages = g_ptr_array_new();
	g_ptr_array_add(test->pipeline.stages, &test->entry);
	if (later == NULL)
		return;
	test->later_stage.type = later;
	test->later.stage = &test->later_stage;
	g_ptr_array_add(test->pipeline.stages, &test->later);
}

static PvJob *
stage_test_new_job(StageTest *test, FakeAmt *fake)
{
	GHashTable *facts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	GHashTableIter iter;
	gpointer name = NULL, value = NULL;
	g_hash_table_iter_init(&iter, test->facts);
	while (g_hash_table_iter_next(&iter, &name, &value))
		g_hash_table_insert(facts, g_strdup(name), g_strdup(value));

	PvJob *job = pv_job_new(test->site, &test->row, facts, NULL);
	const PvWsmanOptions options = {
		.address = "127.0.0.1", .port = fake_amt_get_port(fake), .request_msec = 60000
	};
	stage_test_now.session = pv_wsman_new(&options, NULL);
	pv_job_take_wsman(job, stage_test_now.session);
	stage_test_set_pipeline(test);
	pv_job_set_pipeline(job, &test->pipeline);
	pv_job_set_stage(job, &test->entry);
	return job;
}

static void
stage_test_keep_facts(StageTest *test, PvJob *job)
{
	GHashTableIter iter;
	gpointer name = NULL, value = NULL;
	g_hash_table_remove_all(test->facts);
	g_hash_table_iter_init(&iter, pv_job_get_facts(job));
	while (g_hash_table_iter_next(&iter, &name, &value))
		g_hash_table_insert(test->facts, g_strdup(name), g_strdup(value));
}

/* Each request, whatever the fixture looks at, is as the protocol's documents have it. */
static void
stage_test_check_requests(FakeAmt *fake)
{
	g_autoptr(RequestCheck) check = request_check_new();
	for (guint i = 0; i < fake_amt_get_count(fake); i++) {
		const char *request = fake_amt_get_body(fake, i);
		if (*request == '\0') /* pv_wsman_connect() */
			continue;
		g_autofree char *name = NULL;
		g_autofree char *flaw = request_check_compare(check, request, &name);
		/* what the last answer said of an instance goes back with its Put */
		gboolean found = FALSE;
		for (guint j = i; flaw == NULL && !found && j-- > 0;)
			if (fake_amt_get_answer(fake, j) != NULL)
				flaw = request_check_compare_kept(
				    check, request, fake_amt_get_answer(fake, j), &found);
		if (flaw != NULL)
			g_error("%s is not as documented: %s: %s", name, flaw, request);
		g_autofree char *blind = request_check_find_blind(check, request);
		if (blind != NULL)
			g_error("%s: the comparison does not see %s: %s", name, blind, request);
		g_test_message("compared %s", name);
	}
}

static void
stage_test_run_round(StageTest *test, JsonObject *round)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(FakeAmt) fake = stage_test_new_fake(round);
	g_autoptr(PvResultRow) result = g_new0(PvResultRow, 1);
	stage_test_now.round = round;
	g_autoptr(PvJob) job = stage_test_new_job(test, fake);

	result->changes = g_steal_pointer(&test->changes);
	gboolean ok = pv_engine_run_stage(job, result, &error);
	stage_test_keep_facts(test, job);
	test->changes = ok ? NULL : g_strdup(result->changes);
	g_assert_cmpstr(fake_amt_get_failure(fake), ==, NULL);
	stage_test_check_requests(fake);
	const char *outcome = ok ? result->outcome : pv_error_get_name(error);
	const char *wanted = json_object_get_string_member(round, "result");
	if (g_strcmp0(outcome, wanted) != 0)
		g_error("the result is \"%s\", not \"%s\": %s", outcome, wanted,
		    ok ? result->text : error->message);
	stage_test_check_contains(round, ok ? result->text : error->message);
	stage_test_check_plan(round, result->changes);
	stage_test_check_facts(test, round);
	stage_test_check_secrets(test, round);
	stage_test_check_audit(test, round);
	stage_test_now.round = NULL;
	stage_test_now.session = NULL;
}

static void
stage_test_remove_dir(const char *dir)
{
	g_autoptr(GDir) folder = g_dir_open(dir, 0, NULL);
	for (const char *name = g_dir_read_name(folder); name != NULL;
	     name = g_dir_read_name(folder)) {
		g_autofree char *path = g_build_filename(dir, name, NULL);
		g_assert_cmpint(g_remove(path), ==, 0);
	}
	g_assert_cmpint(g_rmdir(dir), ==, 0);
}

static void
stage_test_run(gconstpointer data)
{
	const StageTestCase *entry = data;
	g_autoptr(GError) error = NULL;
	StageTest test = { .dir = g_dir_make_tmp("provost-stage-XXXXXX", &error) };
	g_assert_no_error(error);
	stage_test_load_fixture(&test, entry->file);
	stage_test_load_plugin(&test, entry->plugin);
	stage_test_open_site(&test);
	stage_test_add_device(&test);
	stage_test_write_files(&test);
	stage_test_put_secrets(&test, "secrets", "current");
	stage_test_put_secrets(&test, "pending", "pending");
	stage_test_read_facts(&test);
	if (entry->prepare != NULL)
		entry->prepare(test.site, test.dir, test.fixture);

	if (json_object_has_member(test.fixture, "rounds")) {
		JsonArray *rounds = json_object_get_array_member(test.fixture, "rounds");
		for (guint i = 0; i < json_array_get_length(rounds); i++) {
			g_test_message("round %u", i + 1);
			stage_test_run_round(&test, json_array_get_object_element(rounds, i));
		}
	} else {
		stage_test_run_round(&test, test.fixture);
	}

	pv_values_unref(test.entry.values);
	g_clear_pointer(&test.pipeline.stages, g_ptr_array_unref);
	pv_site_free(test.site);
	pv_loader_free(test.loader);
	g_hash_table_unref(test.facts);
	g_free(test.changes);
	pv_json_unref(test.json);
	stage_test_remove_dir(test.dir);
	g_free(test.dir);
}

static void
stage_test_free_case(gpointer data)
{
	StageTestCase *entry = data;
	g_free(entry->plugin);
	g_free(entry->file);
	g_free(entry);
}

/* The case's own path, so that a fixture can name the requirement it shows. */
static char *
stage_test_dup_path(const StageTestCase *entry, const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonParser) parser = json_parser_new();
	json_parser_load_from_file(parser, entry->file, &error);
	g_assert_no_error(error);
	JsonObject *fixture = json_node_get_object(json_parser_get_root(parser));
	g_autofree char *stem = g_strndup(name, strlen(name) - strlen(".json"));
	g_autofree char *fallback = g_strdup_printf("/plugins/%s/%s", entry->plugin, stem);
	return g_strdup(stage_test_peek_string(fixture, "test", fallback));
}

static gint
stage_test_compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void
stage_test_add(const char *plugin, StageTestPrepare prepare)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *dir = g_test_build_filename(G_TEST_DIST, "plugins", plugin, "tests", NULL);
	g_autoptr(GDir) folder = g_dir_open(dir, 0, &error);
	g_assert_no_error(error);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	for (const char *name = g_dir_read_name(folder); name != NULL;
	     name = g_dir_read_name(folder))
		if (g_str_has_suffix(name, ".json"))
			g_ptr_array_add(names, g_strdup(name));
	g_assert_cmpuint(names->len, >, 0);
	g_ptr_array_sort(names, stage_test_compare_names);
	for (guint i = 0; i < names->len; i++) {
		StageTestCase *entry = g_new0(StageTestCase, 1);
		entry->plugin = g_strdup(plugin);
		entry->file = g_build_filename(dir, names->pdata[i], NULL);
		entry->prepare = prepare;
		g_autofree char *path = stage_test_dup_path(entry, names->pdata[i]);
		g_test_add_data_func_full(path, entry, stage_test_run, stage_test_free_case);
	}
}
