/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands that speak to a running simulator or need none */
#include "sim/commands.h"

#include "sim/control.h"
#include "sim/generations.h"
#include "sim/personality.h"
#include "sim/pki.h"
#include "sim/switches.h"

#include <stdio.h>
#include <string.h>

gboolean
pv_sim_command_parse(int *argc, char ***argv, const GOptionEntry *entries, const char *parameters,
    const char *summary, int min, int max)
{
	g_autofree char *program = g_strconcat("provost-sim ", (*argv)[0], NULL);
	g_autoptr(GOptionContext) context = g_option_context_new(parameters);
	g_autoptr(GError) error = NULL;
	g_option_context_set_summary(context, summary);
	if (entries != NULL)
		g_option_context_add_main_entries(context, entries, NULL);
	g_set_prgname(program); /* what --help prints after "Usage:" */
	if (!g_option_context_parse(context, argc, argv, &error)) {
		g_printerr("%s: %s; '%s --help' tells more\n", program, error->message, program);
		return FALSE;
	}
	if (*argc - 1 < min || *argc - 1 > max) {
		g_printerr("%s: expected %s; '%s --help' tells more\n", program,
		    *parameters != '\0' ? parameters : "no arguments", program);
		return FALSE;
	}
	return TRUE;
}

static char *
command_default_control(void)
{
	return g_build_filename(g_get_user_runtime_dir(), "provost-sim.sock", NULL);
}

/* The result of a call, or NULL when it failed and that was told */
static JsonNode *
command_call(const char *control, JsonObject *request)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = control != NULL ? g_strdup(control) : command_default_control();
	JsonNode *result = pv_sim_control_call(path, request, &error);
	if (result == NULL)
		g_printerr("provost-sim: %s\n", error->message);
	return result;
}

static JsonObject *
command_request(const char *command, const char *device)
{
	JsonObject *request = json_object_new();
	json_object_set_string_member(request, "command", command);
	if (device != NULL)
		json_object_set_string_member(request, "device", device);
	return request;
}

#define COMMAND_CONTROL(variable) \
	{ \
		"control", 'c', 0, G_OPTION_ARG_FILENAME, &(variable), \
		    "the simulator's control socket (default: provost-sim.sock in the runtime folder)", \
		    "SOCKET" \
	}

int
pv_sim_command_list(int argc, char **argv)
{
	g_autofree char *control = NULL;
	gboolean json = FALSE;
	const GOptionEntry entries[] = {
		COMMAND_CONTROL(control),
		{ "json", 'j', 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL },
		{ NULL },
	};
	if (!pv_sim_command_parse(&argc, &argv, entries, "",
		"Shows each device's name, address, state, generation, UUID and FQDN.", 0, 0))
		return PV_SIM_EXIT_USAGE;
	g_autoptr(JsonObject) request = command_request("list", NULL);
	g_autoptr(JsonNode) result = command_call(control, request);
	if (result == NULL)
		return PV_SIM_EXIT_FAILED;
	if (json) {
		g_autofree char *text = json_to_string(result, TRUE);
		g_print("%s\n", text);
		return PV_SIM_EXIT_OK;
	}
	JsonArray *devices = json_node_get_array(result);
	g_print(
	    "%-12s %-15s %-5s %-6s %-36s %s\n", "NAME", "ADDRESS", "STATE", "AMT", "UUID", "FQDN");
	for (guint i = 0; i < json_array_get_length(devices); i++) {
		JsonObject *device = json_array_get_object_element(devices, i);
		g_print("%-12s %-15s %-5s %-6s %-36s %s\n",
		    json_object_get_string_member(device, "name"),
		    json_object_get_string_member(device, "address"),
		    json_object_get_string_member(device, "state"),
		    json_object_get_string_member(device, "personality"),
		    json_object_get_string_member(device, "uuid"),
		    json_object_get_string_member(device, "fqdn"));
	}
	return PV_SIM_EXIT_OK;
}

int
pv_sim_command_dump(int argc, char **argv)
{
	g_autofree char *control = NULL;
	const GOptionEntry entries[] = { COMMAND_CONTROL(control), { NULL } };
	if (!pv_sim_command_parse(&argc, &argv, entries, "DEVICE",
		"Prints a device's whole state as JSON: what it was given, counters, and its last 500 requests.\n"
		"DEVICE is a name, FQDN, address or UUID. Secrets are in it: it is a simulator.",
		1, 1))
		return PV_SIM_EXIT_USAGE;
	g_autoptr(JsonObject) request = command_request("dump", argv[1]);
	g_autoptr(JsonNode) result = command_call(control, request);
	if (result == NULL)
		return PV_SIM_EXIT_FAILED;
	g_autofree char *text = json_to_string(result, TRUE);
	g_print("%s\n", text);
	return PV_SIM_EXIT_OK;
}

int
pv_sim_command_set(int argc, char **argv)
{
	g_autofree char *control = NULL;
	const GOptionEntry entries[] = { COMMAND_CONTROL(control), { NULL } };
	if (!pv_sim_command_parse(&argc, &argv, entries, "DEVICE NAME=VALUE...",
		"Changes a device without a request, as a visit with a screwdriver would. NAME is one of\n"
		"  Class.Property or Class[InstanceID].Property, such as AMT_GeneralSettings.HostName\n"
		"  otp, pid and pps (TLS-PSK), clock-offset (seconds), power-scheme (number), admin-password\n"
		"  acl-user (a name) or acl-sid (Base64): adds an entry with all rights to the access list\n"
		"  wireless-link: up, down or an SSID, what is in range; wireless-user-profile (an SSID)\n"
		"  switch:SWITCH, see 'provost-sim switches'",
		2, G_MAXINT))
		return PV_SIM_EXIT_USAGE;
	for (int i = 2; i < argc; i++) {
		g_autoptr(JsonObject) request = command_request("set", argv[1]);
		json_object_set_string_member(request, "assignment", argv[i]);
		g_autoptr(JsonNode) result = command_call(control, request);
		if (result == NULL)
			return PV_SIM_EXIT_FAILED;
	}
	return PV_SIM_EXIT_OK;
}

int
pv_sim_command_reset(int argc, char **argv)
{
	g_autofree char *control = NULL;
	g_autofree char *state = NULL;
	const GOptionEntry entries[] = {
		COMMAND_CONTROL(control),
		{ "state", 's', 0, G_OPTION_ARG_STRING, &state,
		    "state afterwards: pre (default), in or post", "STATE" },
		{ NULL },
	};
	if (!pv_sim_command_parse(&argc, &argv, entries, "DEVICE",
		"Puts a device back to its factory state, with a new Digest realm.", 1, 1))
		return PV_SIM_EXIT_USAGE;
	static const char *const states[] = { "pre", "in", "post", NULL };
	if (state != NULL && !g_strv_contains(states, state)) {
		g_printerr("provost-sim reset: --state takes pre, in or post, not '%s'\n", state);
		return PV_SIM_EXIT_USAGE;
	}
	g_autoptr(JsonObject) request = command_request("reset", argv[1]);
	json_object_set_string_member(request, "state", state != NULL ? state : "pre");
	g_autoptr(JsonNode) result = command_call(control, request);
	return result != NULL ? PV_SIM_EXIT_OK : PV_SIM_EXIT_FAILED;
}

int
pv_sim_command_start(int argc, char **argv)
{
	g_autofree char *control = NULL;
	g_autofree char *otp = NULL;
	const GOptionEntry entries[] = {
		COMMAND_CONTROL(control),
		{ "otp", 'o', 0, G_OPTION_ARG_STRING, &otp,
		    "one-time password that the local agent sets", "OTP" },
		{ NULL },
	};
	if (!pv_sim_command_parse(&argc, &argv, entries, "DEVICE",
		"Takes a device from PRE to IN, as StartConfiguration on the computer does: its TLS port opens and\n"
		"hello packets go out.",
		1, 1))
		return PV_SIM_EXIT_USAGE;
	g_autoptr(JsonObject) request = command_request("start", argv[1]);
	if (otp != NULL)
		json_object_set_string_member(request, "otp", otp);
	g_autoptr(JsonNode) result = command_call(control, request);
	return result != NULL ? PV_SIM_EXIT_OK : PV_SIM_EXIT_FAILED;
}

int
pv_sim_command_power(int argc, char **argv)
{
	g_autofree char *control = NULL;
	const char *command = argv[0];
	const GOptionEntry entries[] = { COMMAND_CONTROL(control), { NULL } };
	if (!pv_sim_command_parse(&argc, &argv, entries, "DEVICE",
		"A device that is off answers nothing and forgets nothing.", 1, 1))
		return PV_SIM_EXIT_USAGE;
	g_autoptr(JsonObject) request = command_request(command, argv[1]);
	g_autoptr(JsonNode) result = command_call(control, request);
	return result != NULL ? PV_SIM_EXIT_OK : PV_SIM_EXIT_FAILED;
}

/* The first line of a file, or of standard input for "-" */
static char *
command_read_password(const char *path)
{
	char line[256] = "";
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	const char *got = file != NULL ? fgets(line, sizeof line, file) : NULL;
	if (file != NULL && file != stdin)
		fclose(file);
	if (got == NULL) {
		g_printerr("provost-sim check-password: cannot read a password from %s\n", path);
		return NULL;
	}
	line[strcspn(line, "\r\n")] = '\0';
	return g_strdup(line);
}

int
pv_sim_command_check_password(int argc, char **argv)
{
	g_autofree char *control = NULL;
	const GOptionEntry entries[] = { COMMAND_CONTROL(control), { NULL } };
	if (!pv_sim_command_parse(&argc, &argv, entries, "DEVICE USER PASSWORD-FILE",
		"Exits with 0 when the password (first line of the file, '-': standard input) fits the Digest hash\n"
		"that the device holds for the user, and with 1 when not. Counts as no login.",
		3, 3))
		return PV_SIM_EXIT_USAGE;
	g_autofree char *password = command_read_password(argv[3]);
	if (password == NULL)
		return PV_SIM_EXIT_USAGE;
	g_autoptr(JsonObject) request = command_request("check-password", argv[1]);
	json_object_set_string_member(request, "user", argv[2]);
	json_object_set_string_member(request, "password", password);
	g_autoptr(JsonNode) result = command_call(control, request);
	if (result == NULL)
		return PV_SIM_EXIT_USAGE; /* neither yes nor no */
	return json_node_get_boolean(result) ? PV_SIM_EXIT_OK : PV_SIM_EXIT_FAILED;
}

/* The script that FILE, "clear" or "show" stands for. FALSE: told what is wrong. */
static gboolean
command_read_script(const char *word, char **script)
{
	g_autoptr(GError) error = NULL;
	if (strcmp(word, "show") == 0)
		return TRUE;
	if (strcmp(word, "clear") == 0) {
		*script = g_strdup("[]");
		return TRUE;
	}
	gboolean from_input = strcmp(word, "-") == 0;
	if (g_file_get_contents(from_input ? "/dev/stdin" : word, script, NULL, &error)) {
		if (g_utf8_validate(*script, -1, NULL))
			return TRUE;
		g_set_error(&error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s is not UTF-8", word);
	}
	g_printerr("provost-sim fault: %s\n", error->message);
	return FALSE;
}

int
pv_sim_command_fault(int argc, char **argv)
{
	g_autofree char *control = NULL;
	gboolean json = FALSE;
	const GOptionEntry entries[] = {
		COMMAND_CONTROL(control),
		{ "json", 'j', 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL },
		{ NULL },
	};
	g_autofree char *actions = pv_sim_fault_describe();
	g_autofree char *summary = g_strdup_printf(
	    "Gives a device the fault script in FILE (-: standard input) instead of the one it "
	    "has; 'clear' takes it\n"
	    "away, 'show' leaves it. Prints each rule, how many requests did fit, and how often it "
	    "was applied.\n"
	    "DEVICE '*' is all devices. The file is an array of rules:\n\n"
	    "  [ { \"call\": \"AMT_GeneralSettings.Put\", \"at\": 2, \"do\": \"close-after\" },\n"
	    "    { \"call\": \"*\", \"at\": \"every\", \"do\": \"slow\", \"msec\": 800 } ]\n\n"
	    "call: Class.Method, Class.Get and so on, or * for any request; at: a number from 1, "
	    "[FIRST, LAST],\n"
	    "\"every\", or \"start\" without a call; for '*' and --faults also device: its name. "
	    "do, with parameters:\n\n%s",
	    actions);
	if (!pv_sim_command_parse(&argc, &argv, entries, "DEVICE FILE|clear|show", summary, 2, 2))
		return PV_SIM_EXIT_USAGE;
	g_autofree char *script = NULL;
	if (!command_read_script(argv[2], &script))
		return PV_SIM_EXIT_USAGE;
	g_autoptr(JsonObject) request = command_request("fault", argv[1]);
	if (script != NULL) {
		json_object_set_string_member(request, "script", script);
		json_object_set_string_member(request, "file", argv[2]);
	}
	g_autoptr(JsonNode) result = command_call(control, request);
	if (result == NULL)
		return PV_SIM_EXIT_FAILED;
	if (json) {
		g_autofree char *text = json_to_string(result, TRUE);
		g_print("%s\n", text);
		return PV_SIM_EXIT_OK;
	}
	JsonArray *rules = json_node_get_array(result);
	for (guint i = 0; i < json_array_get_length(rules); i++) {
		JsonObject *rule = json_array_get_object_element(rules, i);
		g_print("%s %s seen=%" G_GINT64_FORMAT " fired=%" G_GINT64_FORMAT "\n",
		    json_object_get_string_member(rule, "device"),
		    json_object_get_string_member(rule, "rule"),
		    json_object_get_int_member(rule, "seen"),
		    json_object_get_int_member(rule, "fired"));
	}
	return PV_SIM_EXIT_OK;
}

int
pv_sim_command_hello(int argc, char **argv)
{
	g_autofree char *control = NULL;
	g_autofree char *to = NULL;
	const GOptionEntry entries[] = {
		COMMAND_CONTROL(control),
		{ "to", 't', 0, G_OPTION_ARG_STRING, &to, "the provisioning server",
		    "ADDRESS:PORT" },
		{ NULL },
	};
	if (!pv_sim_command_parse(&argc, &argv, entries, "DEVICE",
		"Sends one hello packet from the device's own address, whatever its state.", 1, 1))
		return PV_SIM_EXIT_USAGE;
	g_autoptr(JsonObject) request = command_request("hello", argv[1]);
	json_object_set_string_member(request, "to", to != NULL ? to : "");
	g_autoptr(JsonNode) result = command_call(control, request);
	return result != NULL ? PV_SIM_EXIT_OK : PV_SIM_EXIT_FAILED;
}

int
pv_sim_command_pki(int argc, char **argv)
{
	g_autofree char *suffix = NULL;
	g_autoptr(GError) error = NULL;
	const GOptionEntry entries[] = {
		{ "suffix", 's', 0, G_OPTION_ARG_STRING, &suffix,
		    "DNS suffix of the leaf's name (default: example.com)", "DOMAIN" },
		{ NULL },
	};
	if (!pv_sim_command_parse(&argc, &argv, entries, "FOLDER",
		"Writes root.pem, chain.pem (leaf prov.DOMAIN first, root last) and key.pem, as a provisioning\n"
		"certificate should be, and for tests NAME-chain.pem and NAME-key.pem: no-oid, no-server-auth, ou\n"
		"(good, by its OU), wrong-suffix, expired, gap (no intermediate), forged (another signed it), other-root, wrong-key;\n"
		"console and console-wrong-suffix are for consoles in mutual TLS.",
		1, 1))
		return PV_SIM_EXIT_USAGE;
	if (pv_sim_pki_write(argv[1], suffix != NULL ? suffix : "example.com", &error))
		return PV_SIM_EXIT_OK;
	g_printerr("provost-sim pki: %s\n", error->message);
	return PV_SIM_EXIT_FAILED;
}

int
pv_sim_command_personalities(int argc, char **argv)
{
	gboolean json = FALSE;
	const GOptionEntry entries[] = {
		{ "json", 'j', 0, G_OPTION_ARG_NONE, &json,
		    "print JSON, with all switches, classes, methods and properties", NULL },
		{ NULL },
	};
	if (!pv_sim_command_parse(&argc, &argv, entries, "",
		"Shows the generations of AMT that --personality takes, and what they have and "
		"have not.",
		0, 0))
		return PV_SIM_EXIT_USAGE;
	g_autoptr(JsonNode) node = json ? pv_sim_generations_json() : NULL;
	g_autofree char *text = json ? json_to_string(node, TRUE) : pv_sim_generations_describe();
	g_print("%s%s", text, json ? "\n" : "");
	return PV_SIM_EXIT_OK;
}

int
pv_sim_command_switches(int argc, char **argv)
{
	if (!pv_sim_command_parse(&argc, &argv, NULL, "",
		"Lists the switches that --set, the fleet file and 'set DEVICE switch:...' take.",
		0, 0))
		return PV_SIM_EXIT_USAGE;
	g_autofree char *text = pv_sim_switches_describe();
	g_autofree char *names = pv_sim_personality_names();
	g_print("%s\npersonalities: %s\n", text, names);
	return PV_SIM_EXIT_OK;
}
