/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the firmware records, and its web page */
#include "sim/tests/client.h"

#include <string.h>

#define ACCESS "AMT_AuthorizationService"
#define AUDIT "AMT_AuditLog"
#define CLOCK "AMT_TimeSynchronizationService"
#define SETUP "AMT_SetupAndConfigurationService"
#define HASH "NNsB/WINxYZwMl0pUYgb/A=="
#define ENTRY(user) \
	"<r:DigestUsername>" user "</r:DigestUsername><r:DigestPassword>" HASH \
	"</r:DigestPassword><r:AccessPermission>2</r:AccessPermission><r:Realms>3</r:Realms>"
#define NAMES(host) \
	"<r:HostName>" host "</r:HostName><r:PingResponseEnabled>true</r:PingResponseEnabled>" \
	"<r:WsmanOnlyMode>false</r:WsmanOnlyMode>"

/* Each EventRecords of an answer, decoded */
static GPtrArray *
log_test_records(const char *xml)
{
	GPtrArray *records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_auto(GStrv) parts = g_strsplit(xml, "<g:EventRecords>", -1);
	for (guint i = 1; parts[i] != NULL; i++) {
		gsize length = 0;
		g_autofree char *base64 = g_strndup(parts[i], strcspn(parts[i], "<"));
		guchar *bytes = g_base64_decode(base64, &length);
		g_ptr_array_add(records, g_bytes_new_take(bytes, length));
	}
	return records;
}

static guint
log_test_read(TestClient *client, guint start, char **xml)
{
	g_autofree char *parameters = g_strdup_printf("<r:StartIndex>%u</r:StartIndex>", start);
	return test_invoke(client, AUDIT, "ReadRecords", parameters, xml);
}

static guint
log_test_number(const char *xml, const char *name)
{
	g_autofree char *text = test_find(xml, name);
	g_assert_nonnull(text);
	return (guint)g_ascii_strtoull(text, NULL, 10);
}

/* "16/2 16/4 ...", as the dump tells it */
static char *
log_test_events(JsonNode *dump)
{
	GString *text = g_string_new(NULL);
	JsonArray *log = json_object_get_array_member(json_node_get_object(dump), "audit-log");
	for (guint i = 0; i < json_array_get_length(log); i++) {
		JsonObject *record = json_array_get_object_element(log, i);
		g_string_append_printf(text, "%s%d/%d", i > 0 ? " " : "",
		    (int)json_object_get_int_member(record, "app"),
		    (int)json_object_get_int_member(record, "event"));
	}
	return g_string_free(text, FALSE);
}

static void
log_test_set_clock(TestClient *client)
{
	g_autofree char *xml = NULL;
	g_assert_cmpuint(test_invoke(client, CLOCK, "GetLowAccuracyTimeSynch", "", &xml), ==, 0);
	g_autofree char *now = test_find(xml, "Ta0");
	g_autofree char *parameters =
	    g_strdup_printf("<r:Ta0>%s</r:Ta0><r:Tm1>%s</r:Tm1><r:Tm2>%s</r:Tm2>", now, now, now);
	g_assert_cmpuint(
	    test_invoke(client, CLOCK, "SetHighAccuracyTimeSynch", parameters, NULL), ==, 0);
}

static void
log_test_provisioning(void)
{
	const char *const arguments[] = { "--set", "commit-checks=false", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autofree char *handle = NULL;
	gint64 begin = g_get_real_time() / G_USEC_PER_SEC;
	log_test_set_clock(client);
	test_put(client, "AMT_GeneralSettings", NULL, NULL, NAMES("pc1"));
	test_put(client, "AMT_GeneralSettings", NULL, NULL, NAMES("pc1")); /* the same name */
	g_assert_cmpuint(
	    test_invoke(client, ACCESS, "AddUserAclEntryEx", ENTRY("helpdesk"), &handle), ==, 0);
	g_assert_cmpuint(test_invoke(client, ACCESS, "AddUserAclEntryEx", ENTRY("helpdesk"), NULL),
	    ==, 2058); /* refused: not recorded */
	g_autofree char *number = test_find(handle, "Handle");
	g_autofree char *parameters = g_strdup_printf("<r:Handle>%s</r:Handle>", number);
	g_assert_cmpuint(
	    test_invoke(client, ACCESS, "RemoveUserAclEntry", parameters, NULL), ==, 0);
	g_assert_cmpuint(test_invoke(client, SETUP, "CommitChanges", "", NULL), ==, 0);
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_autofree char *events = log_test_events(dump);
	g_assert_cmpstr(events, ==, "16/0 21/0 22/1 16/2 16/4 16/1");
	JsonArray *log = json_object_get_array_member(json_node_get_object(dump), "audit-log");
	JsonObject *first = json_array_get_object_element(log, 0);
	JsonObject *last = json_array_get_object_element(log, 5);
	g_assert_cmpstr(json_object_get_string_member(first, "initiator"), ==, "local");
	g_assert_cmpstr(json_object_get_string_member(last, "user"), ==, "admin");
	g_assert_true(g_str_has_prefix(json_object_get_string_member(last, "address"), "127."));
	gint64 time = json_object_get_int_member(last, "time");
	g_assert_cmpint(time, >=, begin - 1);
	g_assert_cmpint(time, <=, g_get_real_time() / G_USEC_PER_SEC + 1);
	test_sim_stop(sim);
}

static void
log_test_pages(void)
{
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	for (guint i = 0; i < 21; i++)
		log_test_set_clock(client);
	static const struct {
		guint start, returned, status;
	} rows[] = { { 1, 10, 0 }, { 11, 10, 0 }, { 21, 2, 0 }, { 22, 1, 0 }, { 23, 0, 35 },
		{ 0, 0, 35 } };
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *xml = NULL;
		g_assert_cmpuint(log_test_read(client, rows[i].start, &xml), ==, rows[i].status);
		if (rows[i].status != 0)
			continue;
		g_autoptr(GPtrArray) records = log_test_records(xml);
		g_assert_cmpuint(log_test_number(xml, "TotalRecordCount"), ==, 22);
		g_assert_cmpuint(log_test_number(xml, "RecordsReturned"), ==, rows[i].returned);
		g_assert_cmpuint(records->len, ==, rows[i].returned);
	}

	/* the bytes: provisioning started, by the computer; then the time, by an administrator over IPv4 */
	g_autofree char *xml = NULL;
	g_assert_cmpuint(log_test_read(client, 1, &xml), ==, 0);
	g_autoptr(GPtrArray) records = log_test_records(xml);
	gsize length = 0;
	const guint8 *started = g_bytes_get_data(records->pdata[0], &length);
	static const guint8 head[] = { 0, 16, 0, 0, 2 };
	g_assert_cmpuint(length, ==, sizeof head + 4 + 3);
	g_assert_cmpmem(started, sizeof head, head, sizeof head);
	const guint8 *set = g_bytes_get_data(records->pdata[1], &length);
	static const guint8 by_admin[] = { 0, 21, 0, 0, 0, 5, 'a', 'd', 'm', 'i', 'n' };
	g_assert_cmpmem(set, sizeof by_admin, by_admin, sizeof by_admin);
	const guint8 *address = set + sizeof by_admin + 4;
	g_assert_cmpuint(address[0], ==, 0);
	g_assert_cmpuint(length, ==, sizeof by_admin + 4 + 2 + address[1] + 1);
	g_assert_cmpint(strncmp((const char *)address + 2, "127.", 4), ==, 0);

	g_autoptr(TestAnswer) answer = test_get(client, AUDIT, NULL, NULL);
	g_assert_cmpuint(log_test_number(answer->body, "CurrentNumberOfRecords"), ==, 22);
	g_assert_cmpuint(log_test_number(answer->body, "PercentageFree"), ==, 97);
	test_sim_stop(sim);
}

static void
log_test_full(void)
{
	const char *const arguments[] = { "--set", "audit-max=3", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	for (guint i = 0; i < 3; i++)
		log_test_set_clock(client);
	g_autoptr(JsonNode) wrapped = test_sim_dump(sim, "pc-0001");
	g_autofree char *events = log_test_events(wrapped);
	g_assert_cmpstr(events, ==, "21/0 21/0 21/0"); /* the oldest went */

	g_assert_cmpint(
	    test_sim_command(sim, NULL, "set", "pc-0001", "switch:audit-when-full=locks", NULL), ==,
	    0);
	g_assert_cmpuint(
	    test_invoke(client, ACCESS, "AddUserAclEntryEx", ENTRY("helpdesk"), NULL), ==, 2075);
	g_assert_cmpuint(test_invoke(client, ACCESS, "GetAdminAclEntry", "", NULL), ==, 0);
	g_autoptr(JsonNode) locked = test_sim_dump(sim, "pc-0001");
	JsonArray *acl = json_object_get_array_member(json_node_get_object(locked), "acl");
	for (guint i = 0; i < json_array_get_length(acl); i++)
		g_assert_cmpstr(
		    json_object_get_string_member(json_array_get_object_element(acl, i), "user"),
		    !=, "helpdesk");
	test_sim_stop(sim);
}

static void
log_test_attack(void)
{
	const char *const arguments[] = { "--set", "digest-in-setup=true", "--set", "lock-after=3",
		NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autofree char *get = test_envelope("AMT_GeneralSettings", "Get", NULL, NULL, "");
	test_client_set_login(client, "intruder", "wrong");
	for (guint i = 0; i < 3; i++) {
		g_autoptr(TestAnswer) answer = test_client_post(client, get);
		g_assert_cmpuint(answer->status, ==, 401);
	}
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	JsonArray *log = json_object_get_array_member(json_node_get_object(dump), "event-log");
	g_assert_cmpuint(json_array_get_length(log), ==, 1);
	JsonObject *entry = json_array_get_object_element(log, 0);
	g_assert_cmpint(json_object_get_int_member(entry, "sensor-type"), ==, 6);
	g_assert_cmpint(json_object_get_int_member(entry, "count"), ==, 3);
	g_autofree char *events = log_test_events(dump);
	g_assert_true(g_str_has_prefix(events, "16/0 16/5 16/5 16/5"));
	JsonArray *audit = json_object_get_array_member(json_node_get_object(dump), "audit-log");
	g_assert_cmpstr(
	    json_object_get_string_member(json_array_get_object_element(audit, 1), "user"), ==,
	    "intruder");
	test_sim_stop(sim);
}

/* The status; the head and body of every page have to be AMT's */
static guint
log_test_page(TestClient *client, const char *path, const char *authorization, const char *contains)
{
	g_autoptr(TestAnswer) answer = test_client_send(client, "GET", path, authorization, "");
	g_assert_nonnull(
	    strstr(answer->head, "\r\nServer: Intel(R) Active Management Technology 16.1."));
	if (answer->status == 200)
		g_assert_nonnull(strstr(answer->head, "\r\nX-Frame-Options: DENY"));
	g_assert_nonnull(strstr(answer->body, contains));
	return answer->status;
}

static void
log_test_web(void)
{
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0); /* set-up: no login is needed */
	g_assert_cmpuint(log_test_page(client, "/", NULL, "/index.htm"), ==, 200);
	g_assert_cmpuint(log_test_page(client, "/logon.htm", NULL, "Log On"), ==, 200);
	g_assert_cmpuint(log_test_page(client, "/index.htm", NULL, "System Status"), ==, 200);
	g_assert_cmpuint(log_test_page(client, "/other.htm", NULL, "Not Found"), ==, 404);
	test_put(client, "AMT_GeneralSettings", NULL, NULL, NAMES("a&lt;b"));
	g_assert_cmpuint(log_test_page(client, "/index.htm", NULL, "<td>a&lt;b</td>"), ==, 200);

	g_assert_cmpint(
	    test_sim_command(sim, NULL, "set", "pc-0001", "AMT_WebUIService.EnabledState=3", NULL),
	    ==, 0);
	g_assert_cmpuint(log_test_page(client, "/", NULL, "Not Found"), ==, 404);
	g_assert_cmpuint(log_test_page(client, "/index.htm", NULL, "Not Found"), ==, 404);
	test_answer_free(test_get(client, "AMT_GeneralSettings", NULL, NULL)); /* WS-Man goes on */
	test_sim_stop(sim);
}

/* Who has neither a provisioning certificate nor a password sees the first page only */
static void
log_test_web_login(void)
{
	const char *const arguments[] = { "--set", "digest-in-setup=true", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_assert_cmpuint(log_test_page(client, "/", NULL, "/index.htm"), ==, 200);
	g_assert_cmpuint(log_test_page(client, "/index.htm", NULL, "Log on failed"), ==, 401);
	g_assert_cmpint(test_sim_command(sim, NULL, "set", "pc-0001",
			    "AMT_WebUIService.EnabledState=3", "switch:web-off=login", NULL),
	    ==, 0);
	g_assert_cmpuint(log_test_page(client, "/", NULL, "Log on failed"), ==, 401);
	test_sim_stop(sim);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sim/log/provisioning", log_test_provisioning);
	g_test_add_func("/sim/log/pages", log_test_pages);
	g_test_add_func("/sim/log/full", log_test_full);
	g_test_add_func("/sim/log/attack", log_test_attack);
	g_test_add_func("/sim/web/pages", log_test_web);
	g_test_add_func("/sim/web/login", log_test_web_login);
	test_pki_make();
	int status = g_test_run();
	test_pki_remove();
	return status;
}
