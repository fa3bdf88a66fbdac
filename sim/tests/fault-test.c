/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fault scripts: what a client sees of each action, and what the simulator tells of it */
#include "sim/fault.h"
#include "sim/tests/client.h"

#include <gio/gio.h>
#include <libxml/parser.h>
#include <signal.h>
#include <string.h>

#define SETUP "AMT_SetupAndConfigurationService"
#define ACCESS "AMT_AuthorizationService"
#define STORE "AMT_PublicKeyManagementService"
#define CLOCK "AMT_TimeSynchronizationService"
#define GENERAL "AMT_GeneralSettings"
#define QUIET_MSEC 300 /* that nothing comes for so long shows that a device hangs */

/* A rule with " for ' */
static char *
fault_test_json(const char *text)
{
	return g_strdelimit(g_strdup(text), "'", '"');
}

/* Gives the device a script through a file, as an administrator does; the exit status */
static int
fault_test_give(TestSim *sim, const char *device, const char *script, char **output)
{
	g_autofree char *path = g_build_filename(sim->folder, "faults.json", NULL);
	g_autofree char *json = fault_test_json(script);
	g_assert_true(g_file_set_contents(path, json, -1, NULL));
	return test_sim_command(sim, output, "fault", device, path, NULL);
}

static void
fault_test_script(TestSim *sim, const char *script)
{
	g_assert_cmpint(fault_test_give(sim, "pc-0001", script, NULL), ==, 0);
}

/* How often the only rule was applied */
static gint64
fault_test_fired(TestSim *sim)
{
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	JsonArray *rules = json_object_get_array_member(json_node_get_object(dump), "fault-script");
	g_assert_cmpuint(json_array_get_length(rules), ==, 1);
	return json_object_get_int_member(json_array_get_object_element(rules, 0), "fired");
}

static char *
fault_test_get(void)
{
	return test_envelope(GENERAL, "Get", NULL, NULL, "");
}

static void
fault_test_put_host(TestClient *client, const char *name)
{
	g_autofree char *properties = g_strdup_printf(
	    "<r:HostName>%s</r:HostName><r:PingResponseEnabled>true</r:PingResponseEnabled>"
	    "<r:WsmanOnlyMode>false</r:WsmanOnlyMode>",
	    name);
	test_put(client, GENERAL, NULL, NULL, properties);
}

static gint64
fault_test_clock(TestClient *client)
{
	g_autofree char *xml = NULL;
	g_assert_cmpuint(test_invoke(client, CLOCK, "GetLowAccuracyTimeSynch", "", &xml), ==, 0);
	g_autofree char *time = test_find(xml, "Ta0");
	return g_ascii_strtoll(time, NULL, 10);
}

static void
fault_test_wait_for_port(TestClient *client)
{
	for (guint try = 0; !test_client_connect(client); try++) {
		g_assert_cmpuint(try, <, 500);
		g_usleep(20000); /* polls for an event: the device comes back */
	}
}

/* The script's text */

static void
fault_test_wrong_scripts(void)
{
	static const struct {
		const char *script, *message;
	} rows[] = {
		{ "{}", "f.json:1: expected an array" },
		{ "[", "f.json: " },
		{ "", "f.json: the file is empty" },
		{ "[ 1 ]", "f.json:1: [0]: expected a rule" },
		{ "[\n{'call': '*', 'at': 1}]", "f.json:2: [0]: 'do' is missing" },
		{ "[ {'call': '*', 'at': 1,\n 'do': 'explode'}]",
		    "f.json:2: [0].do: no such action: there are close-before, " },
		{ "[ {'call': '*', 'at': 1, 'do': 7}]", "f.json:1: [0].do: no such action" },
		{ "[ {'at': 1, 'do': 'busy'}]", "f.json:1: [0]: 'call' is missing" },
		{ "[ {'call': '*', 'do': 'busy'}]", "f.json:1: [0]: 'at' is missing" },
		{ "[ {'call': 'Get', 'at': 1, 'do': 'busy'}]",
		    "f.json:1: [0].call: expected \"Class.Method\"" },
		{ "[ {'call': '*', 'at': 1, 'do': 'busy', 'msec': 4}]",
		    "f.json:1: [0].msec: unknown member for the action busy" },
		{ "[ {'call': '*', 'at': 1, 'do': 'busy', 'device': 'pc'}]",
		    "f.json:1: [0].device: unknown member" },
		{ "[ {'call': '*', 'at': 1, 'do': 'busy'},\n\n {'call': '*', 'at': 0, 'do': "
		  "'busy'}]",
		    "f.json:3: [1].at: expected a number from 1 on" },
		{ "[ {'call': '*', 'at': [2, 1], 'do': 'busy'}]", "f.json:1: [0].at: expected" },
		{ "[ {'call': '*', 'at': [2], 'do': 'busy'}]", "f.json:1: [0].at: expected" },
		{ "[ {'call': '*', 'at': 1.5, 'do': 'busy'}]", "f.json:1: [0].at: expected" },
		{ "[ {'call': '*', 'at': 'never', 'do': 'busy'}]", "f.json:1: [0].at: expected" },
		{ "[ {'at': 'start', 'do': 'busy'}]", "f.json:1: [0].at: busy needs a call" },
		{ "[ {'call': '*', 'at': 'start', 'do': 'leftovers'}]",
		    "f.json:1: [0].call: at the start there is no call" },
		{ "[ {'call': '*', 'at': 1, 'do': 'slow'}]", "f.json:1: [0]: slow needs 'msec'" },
		{ "[ {'call': '*', 'at': 1, 'do': 'slow',\n 'msec': '800'}]",
		    "f.json:2: [0].msec: expected a whole number from 1 to 3600000" },
		{ "[ {'call': '*', 'at': 1, 'do': 'slow', 'msec': 3600001}]",
		    "f.json:1: [0].msec: expected a whole number" },
		{ "[ {'call': '*', 'at': 1, 'do': 'status', 'value': -1}]",
		    "f.json:1: [0].value: expected a whole number from 0 to 4294967295" },
		{ "[ {'call': '*', 'at': 1, 'do': 'fault400', 'subcode': 'Sorry'}]",
		    "f.json:1: [0].subcode: expected the subcode" },
		{ "[ {'call': '*', 'at': 1, 'do': 'restart', 'executed': 1}]",
		    "f.json:1: [0].executed: expected false|true" },
		{ "[ {'call': '*', 'at': 1, 'do': 'reset', 'state': 'up'}]",
		    "f.json:1: [0].state: expected pre|in|post" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *json = fault_test_json(rows[i].script);
		g_autoptr(GPtrArray) faults = pv_sim_faults_new();
		g_autoptr(GError) error = NULL;
		const PvSimFaultSource source = { .file = "f.json", .text = json };
		g_test_message("%s", json);
		g_assert_false(pv_sim_faults_read_text(faults, &source, &error));
		g_autofree char *expected = g_strconcat("read faults ", rows[i].message, NULL);
		g_assert_nonnull(error);
		if (!g_str_has_prefix(error->message, expected))
			g_error("'%s' does not begin with '%s'", error->message, expected);
	}
}

static void
fault_test_short_form(void)
{
	static const char *const good[] = { "A.B:1:close-before", "A.B:*:slow:20",
		"*:2-9:status:38", "A.Put:3:fault400:SchemaValidationError",
		"*:start:clock-jump:-60", "A.B:1:busy" };
	static const char *const wrong[] = { "A.B:0:busy", "A.B:busy", ":1:busy", "A.B:1:busy:1",
		"A.B:1:slow", "A.B:1:slow:x", "A.B:3-2:busy", "A.B:start:leftovers",
		"A.B:1:explode", "A.B:1:fault400:Sorry" };
	for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
		g_autoptr(GError) error = NULL;
		PvSimFault *fault = pv_sim_fault_parse(good[i], &error);
		g_assert_no_error(error);
		g_assert_cmpstr(fault->text, ==, good[i]); /* told as it was given */
		pv_sim_fault_free(fault);
	}
	for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(pv_sim_fault_parse(wrong[i], &error));
		g_assert_nonnull(strstr(error->message, wrong[i]));
	}
}

static void
fault_test_manual(void)
{
	const char *top = g_getenv("PV_TOP_SRCDIR");
	g_autofree char *path =
	    g_build_filename(top != NULL ? top : ".", "data", "man", "provost-sim.1", NULL);
	g_autofree char *manual = NULL;
	g_autofree char *text = pv_sim_fault_describe();
	g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
	g_assert_true(g_file_get_contents(path, &manual, NULL, NULL));
	g_assert_cmpuint(g_strv_length(lines), >, 20);
	for (guint i = 0; lines[i] != NULL; i++) {
		g_auto(GStrv) words = g_strsplit(g_strchug(lines[i]), " ", 2);
		g_auto(GStrv) parts = g_strsplit(words[0], "-", -1);
		g_autofree char *name = g_strjoinv("\\-", parts);
		g_autofree char *entry = g_strdup_printf("\n.TP\n\\fB%s\\fR", name);
		if (strstr(manual, entry) == NULL)
			g_error("%s says nothing of the action %s", path, words[0]);
	}
}

/* Which requests a rule meets */

static void
fault_test_counting(void)
{
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	fault_test_script(sim,
	    "[{'call': '" ACCESS ".GetAdminAclEntry', 'at': [2, 3], 'do': 'status', 'value': 16}]");
	static const guint statuses[] = { 0, 16, 16, 0 };
	for (guint i = 0; i < G_N_ELEMENTS(statuses); i++) {
		g_assert_cmpuint(
		    test_invoke(client, ACCESS, "GetAdminAclEntry", "", NULL), ==, statuses[i]);
		test_answer_free(test_get(client, GENERAL, NULL, NULL)); /* does not count */
	}
	g_assert_cmpint(fault_test_fired(sim), ==, 2);
	g_autofree char *shown = NULL;
	g_assert_cmpint(test_sim_command(sim, &shown, "fault", "pc-0001", "show", NULL), ==, 0);
	g_assert_cmpstr(shown, ==,
	    "pc-0001 AMT_AuthorizationService.GetAdminAclEntry:2-3:status:16 seen=4 fired=2\n");
	g_autofree char *path = g_build_filename(sim->folder, "log", NULL);
	g_autofree char *log = NULL;
	g_assert_true(g_file_get_contents(path, &log, NULL, NULL));
	g_auto(GStrv) parts = g_strsplit(log, "note=fault script: ", -1);
	g_assert_cmpuint(g_strv_length(parts), ==, 3); /* one line each time */

	g_assert_cmpint(test_sim_command(sim, NULL, "fault", "pc-0001", "clear", NULL), ==, 0);
	fault_test_script(sim, "[{'call': '*', 'at': 'every', 'do': 'fault500'}]");
	g_autofree char *get = fault_test_get();
	for (guint i = 0; i < 3; i++) {
		g_autoptr(TestAnswer) answer = test_client_post(client, get);
		g_assert_cmpuint(answer->status, ==, 500);
		g_assert_nonnull(strstr(answer->body, "e:InternalError"));
	}
	g_assert_cmpint(fault_test_fired(sim), ==, 3);
	test_sim_stop(sim);
}

/* Scripts at the start: for all, for one by its name, and of the fleet file */
static void
fault_test_at_start(void)
{
	g_autofree char *folder = g_dir_make_tmp("provost-sim-faults-XXXXXX", NULL);
	g_autofree char *script = g_build_filename(folder, "faults.json", NULL);
	g_autofree char *fleet = g_build_filename(folder, "fleet.json", NULL);
	g_autofree char *faults_json =
	    fault_test_json("[{'call': '*', 'at': 1, 'do': 'busy'}, {'device': 'beta', 'at': "
			    "'start', 'do': 'clock-jump', 'sec': -1000000}]");
	g_autofree char *fleet_json =
	    fault_test_json("{'devices': [{'name': 'alpha', 'faults': [{'at': 'start', 'do': "
			    "'leftovers'}]}, {'name': 'beta'}]}");
	g_assert_true(g_file_set_contents(script, faults_json, -1, NULL));
	g_assert_true(g_file_set_contents(fleet, fleet_json, -1, NULL));
	const char *const arguments[] = { "--fleet", fleet, "--faults", script, NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(JsonNode) alpha = test_sim_dump(sim, "alpha");
	g_autoptr(JsonNode) beta = test_sim_dump(sim, "beta");
	g_assert_cmpint(test_dump_int(alpha, "clock-offset"), ==, 0);
	g_assert_cmpint(test_dump_int(beta, "clock-offset"), ==, -1000000);
	g_assert_cmpint(test_dump_int(alpha, "tls.pending.certificate"), ==, 0);
	g_assert_cmpint(test_dump_int(beta, "tls.pending.certificate"), ==, -1);
	JsonObject *object = json_node_get_object(alpha);
	g_assert_cmpuint(
	    json_array_get_length(json_object_get_array_member(object, "keys")), ==, 2);
	g_assert_cmpuint(json_array_get_length(json_object_get_array_member(object, "acl")), ==, 4);

	/* a name that nobody has, and a mistake in the fleet file with its place there */
	g_autofree char *output = NULL;
	g_assert_cmpint(fault_test_give(sim, "*",
			    "[{'device': 'gamma', 'call': '*', 'at': 1, 'do': 'busy'}]", &output),
	    ==, 1);
	g_assert_true(g_file_set_contents(fleet,
	    "{\"devices\": [{}, {\n\"faults\": [\n{\"call\": \"*\", \"at\": 1, \"do\": \"x\"}]}]}",
	    -1, NULL));
	char *argv[] = { sim->program, (char *)"run", (char *)"--fleet", fleet, NULL };
	g_autofree char *text = NULL;
	int status = 0;
	g_assert_true(g_spawn_sync(
	    NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &text, &status, NULL));
	g_assert_false(g_spawn_check_wait_status(status, NULL));
	g_assert_nonnull(strstr(text, "fleet.json:3: devices[1].faults[0].do: no such action"));
	test_sim_stop(sim);
	g_assert_cmpint(remove(script), ==, 0);
	g_assert_cmpint(remove(fleet), ==, 0);
	g_assert_cmpint(remove(folder), ==, 0);
}

/* Actions */

static void
fault_test_statuses(void)
{
	static const struct {
		const char *action;
		guint status;
		gboolean writes; /* only those that write */
	} rows[] = {
		{ "'do': 'status', 'value': 2053", 2053, FALSE },
		{ "'do': 'busy'", 2061, FALSE },
		{ "'do': 'flash-limit'", 38, TRUE },
		{ "'do': 'table-full'", 23, TRUE },
		{ "'do': 'storage-out'", 11, TRUE },
		{ "'do': 'audit-fail'", 2075, TRUE },
		{ "'do': 'blocked'", 2076, TRUE },
	};
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *script =
		    g_strdup_printf("[{'call': '*', 'at': 1, %s}]", rows[i].action);
		const char *generate =
		    "<r:KeyAlgorithm>0</r:KeyAlgorithm><r:KeyLength>2048</r:KeyLength>";
		g_test_message("%s", script);
		fault_test_script(sim, script);
		if (rows[i].writes)
			g_assert_cmpuint(
			    test_invoke(client, ACCESS, "GetAdminAclEntry", "", NULL), ==, 0);
		g_assert_cmpuint(test_invoke(client, STORE, "GenerateKeyPair", generate, NULL), ==,
		    rows[i].status);
		g_assert_cmpint(fault_test_fired(sim), ==, 1);
	}
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	JsonArray *keys = json_object_get_array_member(json_node_get_object(dump), "keys");
	g_assert_cmpuint(json_array_get_length(keys), ==, 0); /* nothing was executed */

	fault_test_script(
	    sim, "[{'call': '*', 'at': 1, 'do': 'fault400', 'subcode': 'InvalidSelectors'}]");
	g_autofree char *get = fault_test_get();
	g_autofree char *subcode = test_fault(client, get);
	g_assert_cmpstr(subcode, ==, "InvalidSelectors");
	test_sim_stop(sim);
}

static void
fault_test_closes(void)
{
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autofree char *put = test_envelope(GENERAL, "Put", NULL, NULL,
	    "<r:AMT_GeneralSettings "
	    "xmlns:r=\"http://intel.com/wbem/wscim/1/amt-schema/1/AMT_GeneralSettings\">"
	    "<r:HostName>named</r:HostName><r:PingResponseEnabled>true</r:PingResponseEnabled>"
	    "<r:WsmanOnlyMode>false</r:WsmanOnlyMode></r:AMT_GeneralSettings>");
	fault_test_script(sim, "[{'call': '" GENERAL ".Put', 'at': 1, 'do': 'close-before'}]");
	g_autoptr(TestAnswer) before = test_client_post(client, put);
	g_assert_cmpuint(before->status, ==, 0);
	g_autoptr(JsonNode) untouched = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(test_dump_string(untouched, "names.host"), ==, "");

	fault_test_script(sim, "[{'call': '" GENERAL ".Put', 'at': 1, 'do': 'close-after'}]");
	g_autoptr(TestAnswer) after = test_client_post(client, put);
	g_assert_cmpuint(after->status, ==, 0);
	g_autoptr(JsonNode) written = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(test_dump_string(written, "names.host"), ==, "named");
	test_sim_stop(sim);
}

static void
fault_test_slowness(void)
{
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autofree char *get = fault_test_get();
	guint reads = 0;
	fault_test_script(sim, "[{'call': '*', 'at': 1, 'do': 'slow', 'msec': 250}]");
	gint64 start = g_get_monotonic_time();
	test_answer_free(test_get(client, GENERAL, NULL, NULL));
	g_assert_cmpint(g_get_monotonic_time() - start, >=, 250 * 1000);

	/* each piece is a TLS record of its own, so that it is read alone */
	fault_test_script(
	    sim, "[{'call': '*', 'at': 1, 'do': 'trickle', 'bytes': 400, 'msec': 20}]");
	start = g_get_monotonic_time();
	g_autofree char *answer = test_client_exchange(client, get, 0, &reads);
	gint64 took = g_get_monotonic_time() - start;
	g_assert_cmpuint(reads, ==, (strlen(answer) + 399) / 400);
	g_assert_cmpint(took, >=, (gint64)(reads - 1) * 20 * 1000);
	g_assert_true(g_str_has_suffix(answer, "0\r\n\r\n"));

	/* a pause that nobody waits for: the device hangs in the middle of its answer */
	fault_test_script(
	    sim, "[{'call': '*', 'at': 1, 'do': 'trickle', 'bytes': 30, 'msec': 600000}]");
	g_autofree char *begin = test_client_exchange(client, get, QUIET_MSEC, &reads);
	g_assert_cmpuint(strlen(begin), ==, 30);
	g_assert_true(g_str_has_prefix(begin, "HTTP/1.1 200 OK\r\n"));

	test_answer_free(test_get(client, GENERAL, NULL, NULL)); /* others are served */
	test_sim_stop(sim);
}

static void
fault_test_stale_nonce(void)
{
	const char *const arguments[] = { "--set", "digest-in-setup=true", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	test_client_set_login(client, "admin", "admin");
	test_answer_free(test_get(client, GENERAL, NULL, NULL));
	for (guint stale = 0; stale < 2; stale++) {
		g_autofree char *script =
		    g_strdup_printf("[{'call': '*', 'at': 1, 'do': 'stale-nonce', 'stale': %s}]",
			stale ? "true" : "false");
		fault_test_script(sim, script);
		g_autofree char *get = fault_test_get();
		g_autofree char *nonce = g_strdup(client->nonce);
		client->count++;
		g_autofree char *authorization = test_client_digest(client, get);
		g_autoptr(TestAnswer) refused =
		    test_client_send(client, "POST", "/wsman", authorization, get);
		g_assert_cmpuint(refused->status, ==, 401);
		g_assert_nonnull(
		    strstr(refused->head, stale ? "stale=\"true\"" : "stale=\"false\""));
		g_assert_null(strstr(refused->head, nonce));
		client->count++;
		g_autofree char *again = test_client_digest(client, get);
		g_autoptr(TestAnswer) old = test_client_send(client, "POST", "/wsman", again, get);
		g_assert_cmpuint(old->status, ==, 401); /* void for good */
		test_answer_free(test_get(client, GENERAL, NULL, NULL));
	}
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpint(test_dump_int(dump, "counters.logins-failed"), ==, 0);
	test_sim_stop(sim);
}

static void
fault_test_absence(void)
{
	static const struct {
		const char *action;
		gboolean executed;
		gint64 away_msec; /* at least */
	} rows[] = {
		{ "'do': 'restart'", FALSE, 200 }, /* the switch of test_sim_start() */
		{ "'do': 'restart', 'executed': true", TRUE, 200 },
		{ "'do': 'off', 'msec': 400", FALSE, 400 },
		{ "'do': 'power-loss', 'msec': 250, 'executed': true", TRUE, 250 },
	};
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autoptr(TestClient) other = test_client_new(sim, 0);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *name = g_strdup_printf("name%u", i);
		g_autofree char *script =
		    g_strdup_printf("[{'call': '" GENERAL ".Put', 'at': 1, %s}]", rows[i].action);
		g_autofree char *body = g_strdup_printf(
		    "<r:AMT_GeneralSettings "
		    "xmlns:r=\"http://intel.com/wbem/wscim/1/amt-schema/1/AMT_GeneralSettings\">"
		    "<r:HostName>%s</r:HostName><r:PingResponseEnabled>true</r:PingResponseEnabled>"
		    "<r:WsmanOnlyMode>false</r:WsmanOnlyMode></r:AMT_GeneralSettings>",
		    name);
		g_autofree char *put = test_envelope(GENERAL, "Put", NULL, NULL, body);
		g_test_message("%s", script);
		fault_test_script(sim, script);
		g_assert_true(test_client_connect(other));
		gint64 start = g_get_monotonic_time();
		g_autoptr(TestAnswer) answer = test_client_post(client, put);
		g_assert_cmpuint(answer->status, ==, 0);
		guint reads = 0;
		g_autofree char *get = fault_test_get();
		g_autofree char *nothing = test_client_exchange(other, get, 0, &reads);
		g_assert_cmpstr(nothing, ==, ""); /* a connection that stood by is cut, too */
		fault_test_wait_for_port(client);
		g_assert_cmpint(g_get_monotonic_time() - start, >=, rows[i].away_msec * 1000);
		g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
		g_assert_cmpint(g_strcmp0(test_dump_string(dump, "names.host"), name) == 0, ==,
		    rows[i].executed);
		g_assert_cmpstr(test_dump_string(dump, "state"), ==, "in");
		g_assert_cmpint(test_dump_int(dump, "counters.restarts"), ==, i + 1);
	}
	test_sim_stop(sim);
}

/* A power loss forgets enumerations and nonces, an absence does not */
static void
fault_test_memory(void)
{
	const char *const arguments[] = { "--set", "digest-in-setup=true", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	test_client_set_login(client, "admin", "admin");
	for (guint lost = 0; lost < 2; lost++) {
		g_autofree char *script = g_strdup_printf(
		    "[{'call': '" GENERAL ".Get', 'at': 1, 'do': '%s', 'msec': 50}]",
		    lost ? "power-loss" : "off");
		g_autofree char *get = fault_test_get();
		test_answer_free(test_get(client, GENERAL, NULL, NULL));
		fault_test_script(sim, script);
		g_autoptr(TestAnswer) none = test_client_post(client, get);
		g_assert_cmpuint(none->status, ==, 0);
		fault_test_wait_for_port(client);
		client->count++;
		g_autofree char *authorization = test_client_digest(client, get);
		g_autoptr(TestAnswer) answer =
		    test_client_send(client, "POST", "/wsman", authorization, get);
		g_assert_cmpuint(answer->status, ==, lost ? 401 : 200);
	}
	test_sim_stop(sim);
}

static void
fault_test_reset(void)
{
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autofree char *get = fault_test_get();
	static const char *const states[] = { "in", "pre" };
	for (guint i = 0; i < G_N_ELEMENTS(states); i++) {
		fault_test_put_host(client, "named");
		g_autofree char *script = g_strdup_printf(
		    "[{'call': '*', 'at': 1, 'do': 'reset', 'state': '%s'}]", states[i]);
		fault_test_script(sim, script);
		g_autoptr(TestAnswer) none = test_client_post(client, get);
		g_assert_cmpuint(none->status, ==, 0);
		if (strcmp(states[i], "in") == 0)
			fault_test_wait_for_port(client);
		else
			g_assert_false(test_client_connect(client));
		g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
		g_assert_cmpstr(test_dump_string(dump, "state"), ==, states[i]);
		g_assert_cmpstr(test_dump_string(dump, "names.host"), ==, "");
	}
	test_sim_stop(sim);
}

static char *
fault_test_otp(TestClient *client)
{
	g_autoptr(TestAnswer) answer = test_get(client, SETUP, NULL, NULL);
	g_autofree char *base64 = test_find(answer->body, "ProvisioningServerOTP");
	gsize length = 0;
	g_autofree guchar *bytes = g_base64_decode(base64, &length);
	return g_strndup((const char *)bytes, length);
}

static void
fault_test_device_state(void)
{
	const char *const arguments[] = { "--set", "otp=abcdEFGH1234", "--set", "wireless=true",
		NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	fault_test_script(sim, "[{'call': '" SETUP ".Get', 'at': 1, 'do': 'wrong-otp'}]");
	g_autofree char *wrong = fault_test_otp(client);
	g_autofree char *right = fault_test_otp(client);
	g_assert_cmpstr(wrong, ==, "xbcdEFGH1234");
	g_assert_cmpstr(right, ==, "abcdEFGH1234");

	gint64 before = fault_test_clock(client);
	fault_test_script(sim, "[{'call': '*', 'at': 1, 'do': 'clock-jump', 'sec': 86400}]");
	gint64 after = fault_test_clock(client);
	g_assert_cmpint(ABS(after - before - 86400), <, 60);

	fault_test_script(sim, "[{'call': '" GENERAL ".Get', 'at': 1, 'do': 'leftovers'}]");
	test_answer_free(test_get(client, GENERAL, NULL, NULL));
	guint pulls = 0;
	g_autoptr(TestAnswer) certificates =
	    test_pull_all(client, "AMT_PublicKeyCertificate", &pulls);
	g_assert_nonnull(strstr(certificates->body, "former.example.invalid"));
	g_assert_nonnull(strstr(certificates->body, "Former Management Root"));
	g_autoptr(TestAnswer) profiles =
	    test_pull_all(client, "CIM_WiFiEndpointSettings", &pulls);
	g_assert_nonnull(strstr(profiles->body, "<h:SSID>former-net</h:SSID>"));
	g_autofree char *delete = test_envelope("AMT_PublicKeyCertificate", "Delete", "InstanceID",
	    "Intel(r) AMT Certificate: Handle: 0", "");
	g_autoptr(TestAnswer) in_use = test_client_post(client, delete);
	g_assert_cmpuint(in_use->status, ==, 400); /* TLS is bound to it */
	test_sim_stop(sim);
}

static gboolean
fault_test_is_xml(const char *text)
{
	xmlDocPtr doc = xmlReadMemory(
	    text, (int)strlen(text), NULL, NULL, XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	gboolean good = doc != NULL;
	xmlFreeDoc(doc);
	return good;
}

static void
fault_test_spoilt_xml(void)
{
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autoptr(TestAnswer) good = test_get(client, GENERAL, NULL, NULL);
	g_assert_true(fault_test_is_xml(good->body));
	g_autofree char *good_relates = test_find(good->body, "RelatesTo");
	g_assert_cmpstr(good_relates, ==, "12");

	fault_test_script(sim, "[{'call': '*', 'at': 1, 'do': 'malformed'}]");
	g_autoptr(TestAnswer) malformed = test_get(client, GENERAL, NULL, NULL);
	g_assert_false(fault_test_is_xml(malformed->body));

	fault_test_script(sim, "[{'call': '*', 'at': 1, 'do': 'huge', 'bytes': 200000}]");
	g_autoptr(TestAnswer) huge = test_get(client, GENERAL, NULL, NULL);
	g_assert_cmpuint(strlen(huge->body), ==, 200000);
	g_assert_true(fault_test_is_xml(huge->body));

	fault_test_script(sim, "[{'call': '*', 'at': 1, 'do': 'wrong-relates-to'}]");
	g_autoptr(TestAnswer) strange = test_get(client, GENERAL, NULL, NULL);
	g_autofree char *relates = test_find(strange->body, "RelatesTo");
	g_assert_true(fault_test_is_xml(strange->body));
	g_assert_cmpstr(relates, ==, "129");
	test_sim_stop(sim);
}

static gsize
fault_test_length(const char *answer)
{
	const char *header = strstr(answer, "Content-Length: ");
	g_assert_nonnull(header);
	return g_ascii_strtoull(header + strlen("Content-Length: "), NULL, 10);
}

static void
fault_test_spoilt_http(void)
{
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autofree char *get = fault_test_get();
	guint reads = 0;

	fault_test_script(sim, "[{'call': '*', 'at': 1, 'do': 'truncated', 'bytes': 700}]");
	g_autofree char *truncated = test_client_exchange(client, get, 0, &reads);
	const char *chunks = strstr(truncated, "\r\n\r\n");
	g_assert_nonnull(strstr(truncated, "Transfer-Encoding: chunked\r\n"));
	/* 0x220 and the rest, with the lines around them */
	g_assert_cmpuint(strlen(chunks + 4), ==, 700 + 2 * 8);

	fault_test_script(sim, "[{'call': '*', 'at': 1, 'do': 'wrong-length', 'bytes': 50}]");
	g_autofree char *wrong = test_client_exchange(client, get, 0, &reads);
	const char *body = strstr(wrong, "\r\n\r\n") + 4;
	g_assert_null(strstr(wrong, "chunked"));
	g_assert_cmpuint(fault_test_length(wrong), ==, strlen(body) + 50);
	g_assert_true(fault_test_is_xml(body));

	fault_test_script(sim, "[{'call': '*', 'at': 1, 'do': 'no-length'}]");
	g_autofree char *none = test_client_exchange(client, get, 0, &reads);
	g_assert_true(g_str_has_prefix(none, "HTTP/1.0 200 OK\r\n"));
	g_assert_null(strstr(none, "Content-Length"));
	g_assert_null(strstr(none, "chunked"));
	g_assert_true(fault_test_is_xml(strstr(none, "\r\n\r\n") + 4));
	test_sim_stop(sim);
}

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN); /* connections are cut here */
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sim/fault/wrong-scripts", fault_test_wrong_scripts);
	g_test_add_func("/sim/fault/short-form", fault_test_short_form);
	g_test_add_func("/sim/fault/manual", fault_test_manual);
	g_test_add_func("/sim/fault/counting", fault_test_counting);
	g_test_add_func("/sim/fault/at-start", fault_test_at_start);
	g_test_add_func("/sim/fault/statuses", fault_test_statuses);
	g_test_add_func("/sim/fault/closes", fault_test_closes);
	g_test_add_func("/sim/fault/slowness", fault_test_slowness);
	g_test_add_func("/sim/fault/stale-nonce", fault_test_stale_nonce);
	g_test_add_func("/sim/fault/absence", fault_test_absence);
	g_test_add_func("/sim/fault/memory", fault_test_memory);
	g_test_add_func("/sim/fault/reset", fault_test_reset);
	g_test_add_func("/sim/fault/device-state", fault_test_device_state);
	g_test_add_func("/sim/fault/spoilt-xml", fault_test_spoilt_xml);
	g_test_add_func("/sim/fault/spoilt-http", fault_test_spoilt_http);
	test_pki_make();
	int status = g_test_run();
	test_pki_remove();
	return status;
}
