/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* provost-sim run */
#include "sim/commands.h"

#include "sim/control.h"
#include "sim/fleet.h"
#include "sim/log.h"
#include "sim/personality.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

typedef struct {
	PvSimFleetOptions fleet;
	char *personality;
	char *state;
	char *provision_server;
	char *control;
	char *log;
	char *csv;
	char *record;
	int devices;
} RunOptions;

static void
run_options_clear(RunOptions *options)
{
	g_free(options->fleet.base);
	g_free(options->fleet.wireless_base);
	g_free(options->fleet.fleet_file);
	g_strfreev(options->fleet.personalities);
	g_free(options->fleet.suffix);
	g_free(options->fleet.seed);
	g_free(options->fleet.roots_file);
	g_strfreev(options->fleet.assignments);
	g_free(options->fleet.faults_file);
	g_free(options->personality);
	g_free(options->state);
	g_free(options->provision_server);
	g_free(options->control);
	g_free(options->log);
	g_free(options->csv);
	g_free(options->record);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RunOptions, run_options_clear)

static gboolean
run_parse(int argc, char **argv, RunOptions *options)
{
	const GOptionEntry entries[] = {
		{ "devices", 'n', 0, G_OPTION_ARG_INT, &options->devices, "how many (default: 1)",
		    "N" },
		{ "base", 'b', 0, G_OPTION_ARG_STRING, &options->fleet.base,
		    "address of the first device (default: 127.50.0.1)", "ADDRESS" },
		{ "wireless-base", 0, 0, G_OPTION_ARG_STRING, &options->fleet.wireless_base,
		    "address of the first device's wireless side (default: none)", "ADDRESS" },
		{ "fleet", 'f', 0, G_OPTION_ARG_FILENAME, &options->fleet.fleet_file,
		    "devices one by one, instead of --devices", "FILE.json" },
		{ "personality", 'p', 0, G_OPTION_ARG_STRING, &options->personality,
		    "AMT generations, taken in turn (default: 16.1)", "P[,P...]" },
		{ "suffix", 's', 0, G_OPTION_ARG_STRING, &options->fleet.suffix,
		    "DNS suffix of names and of DHCP (default: example.com)", "DOMAIN" },
		{ "roots", 'r', 0, G_OPTION_ARG_FILENAME, &options->fleet.roots_file,
		    "root certificates whose hashes the firmware knows", "FILE.pem" },
		{ "state", 0, 0, G_OPTION_ARG_STRING, &options->state, "pre, in (default) or post",
		    "STATE" },
		{ "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->fleet.assignments,
		    "a switch for all devices; may be given again", "NAME=VALUE" },
		{ "faults", 0, 0, G_OPTION_ARG_FILENAME, &options->fleet.faults_file,
		    "fault script: how devices misbehave; see 'provost-sim fault --help'",
		    "FILE.json" },
		{ "seed", 0, 0, G_OPTION_ARG_STRING, &options->fleet.seed,
		    "what UUIDs are made from (default: provost)", "TEXT" },
		{ "provision-server", 0, 0, G_OPTION_ARG_STRING, &options->provision_server,
		    "where devices in set-up say hello", "ADDRESS:PORT" },
		{ "control", 'c', 0, G_OPTION_ARG_FILENAME, &options->control,
		    "control socket (default: provost-sim.sock in the runtime folder)", "SOCKET" },
		{ "log", 'l', 0, G_OPTION_ARG_FILENAME, &options->log, "append a line per event",
		    "FILE" },
		{ "fleet-csv", 0, 0, G_OPTION_ARG_FILENAME, &options->csv,
		    "write short name, FQDN, UUID and MAC for 'provost import'", "FILE.csv" },
		{ "record", 0, 0, G_OPTION_ARG_FILENAME, &options->record,
		    "write what each device is asked and answers, for 'provost-sim replay'",
		    "FOLDER" },
		{ NULL },
	};
	if (!pv_sim_command_parse(&argc, &argv, entries, "",
		"Starts devices, each on a loopback address of its own: TLS on port 16993, plain "
		"HTTP on 16992 where the\n"
		"generation has it. Prints one line when all listen, and runs until SIGTERM or "
		"SIGINT.",
		0, 0))
		return FALSE;
	static const char *const states[] = { "pre", "in", "post" };
	options->fleet.state = PV_SIM_IN;
	gboolean known = options->state == NULL;
	for (guint i = 0; i < G_N_ELEMENTS(states) && !known; i++) {
		known = strcmp(options->state, states[i]) == 0;
		if (known)
			options->fleet.state = (PvSimState)i;
	}
	if (!known || options->devices < 1) {
		g_printerr("provost-sim run: %s\n",
		    known ? "--devices takes a number from 1 on" : "--state takes pre, in or post");
		return FALSE;
	}
	return TRUE;
}

static void
run_default(char **option, const char *value)
{
	if (*option == NULL)
		*option = g_strdup(value);
}

static void
run_complete(RunOptions *options)
{
	g_autofree char *control =
	    g_build_filename(g_get_user_runtime_dir(), "provost-sim.sock", NULL);
	run_default(&options->fleet.base, "127.50.0.1");
	run_default(&options->fleet.suffix, "example.com");
	run_default(&options->fleet.seed, "provost");
	run_default(&options->control, control);
	options->fleet.devices = (guint)options->devices;
	if (options->personality != NULL)
		options->fleet.personalities = g_strsplit(options->personality, ",", -1);
}

static gboolean
run_quit(gpointer data)
{
	g_main_loop_quit(data);
	return G_SOURCE_CONTINUE;
}

/* The parts in the order they need each other; their cleanup runs backwards */
static gboolean
run_fleet(const RunOptions *options, GError **error)
{
	g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
	g_autoptr(PvSimLog) log = pv_sim_log_new(options->log, error);
	if (log == NULL)
		return FALSE;
	g_autoptr(PvSimFleet) fleet = pv_sim_fleet_new(&options->fleet, error);
	if (fleet == NULL ||
	    (options->csv != NULL && !pv_sim_fleet_write_csv(fleet, options->csv, error)))
		return FALSE;
	g_autofree char *host = NULL;
	if (options->record != NULL && g_mkdir_with_parents(options->record, 0700) != 0) {
		int why = errno;
		g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(why),
		    "make folder %s for --record: %s", options->record, g_strerror(why));
		return FALSE;
	}
	PvSimServerConfig config = { .tls = fleet->tls, .log = log, .record = options->record };
	if (options->provision_server != NULL &&
	    !pv_sim_server_parse_address(
		options->provision_server, &host, &config.provision_port, error))
		return FALSE;
	config.provision_host = host;
	g_autoptr(PvSimServer) server = pv_sim_server_new(&config, error);
	if (server == NULL || !pv_sim_server_add(server, fleet->devices, error))
		return FALSE;
	g_autoptr(PvSimControl) control =
	    pv_sim_control_new(options->control, fleet, server, error);
	if (control == NULL)
		return FALSE;
	guint terminate = g_unix_signal_add(SIGTERM, run_quit, loop);
	guint interrupt = g_unix_signal_add(SIGINT, run_quit, loop);
	printf("ready %u devices, control %s\n", fleet->devices->len, options->control);
	fflush(stdout);
	g_main_loop_run(loop);
	g_source_remove(terminate);
	g_source_remove(interrupt);
	return TRUE;
}

int
pv_sim_command_run(int argc, char **argv)
{
	g_auto(RunOptions) options = { .devices = 1 };
	g_autoptr(GError) error = NULL;
	if (!run_parse(argc, argv, &options))
		return PV_SIM_EXIT_USAGE;
	run_complete(&options);
	if (run_fleet(&options, &error))
		return PV_SIM_EXIT_OK;
	g_printerr("provost-sim run: %s\n", error->message);
	return PV_SIM_EXIT_FAILED;
}
