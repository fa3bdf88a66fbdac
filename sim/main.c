/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/commands.h"

#include <libxml/parser.h>
#include <signal.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} main_commands[] = {
	{ "run", pv_sim_command_run, "start simulated devices and keep them running" },
	{ "list", pv_sim_command_list, "show the devices of a running simulator" },
	{ "dump", pv_sim_command_dump, "print everything that a device holds, as JSON" },
	{ "set", pv_sim_command_set, "change a device behind everyone's back" },
	{ "reset", pv_sim_command_reset, "put a device back to its factory state" },
	{ "start", pv_sim_command_start, "begin set-up, as a local agent does" },
	{ "off", pv_sim_command_power, "take the power from a device" },
	{ "on", pv_sim_command_power, "give it back" },
	{ "check-password", pv_sim_command_check_password,
	    "tell whether a device would accept a password" },
	{ "fault", pv_sim_command_fault, "let a device misbehave as a script says" },
	{ "record", pv_sim_command_record,
	    "stand between a client and a device, and record what they say" },
	{ "replay", pv_sim_command_replay, "answer a client as a recording says" },
	{ "hello", pv_sim_command_hello, "send one hello packet to a provisioning server" },
	{ "pki", pv_sim_command_pki,
	    "make a provisioning PKI that the simulator trusts, and broken variants" },
	{ "personalities", pv_sim_command_personalities,
	    "list the generations of AMT and what each has" },
	{ "switches", pv_sim_command_switches, "list what can be set, with defaults" },
};

static void
main_usage(void)
{
	g_print(
	    "Usage: provost-sim COMMAND [OPTION...]\n\n"
	    "Simulates computers with Intel AMT: their firmware's network side, a fleet of it in one process.\n\n"
	    "Commands:\n");
	for (guint i = 0; i < G_N_ELEMENTS(main_commands); i++)
		g_print("  %-15s %s\n", main_commands[i].name, main_commands[i].summary);
	g_print(
	    "\n'provost-sim COMMAND --help' tells more about each. To try it:\n\n"
	    "  provost-sim pki /tmp/pki --suffix example.com\n"
	    "  provost-sim run --devices 3 --suffix example.com --roots /tmp/pki/root.pem --control /tmp/sim.sock &\n"
	    "  provost-sim dump pc-0001 --control /tmp/sim.sock\n");
}

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	xmlInitParser(); /* before there are threads */
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		main_usage();
		return argc < 2 ? PV_SIM_EXIT_USAGE : PV_SIM_EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		g_print("provost-sim %s\n", PV_SIM_VERSION);
		return PV_SIM_EXIT_OK;
	}
	for (guint i = 0; i < G_N_ELEMENTS(main_commands); i++) {
		if (strcmp(argv[1], main_commands[i].name) == 0) {
			int status = main_commands[i].run(argc - 1, argv + 1);
			xmlCleanupParser();
			return status;
		}
	}
	g_printerr("provost-sim: no command '%s'; 'provost-sim --help' lists them\n", argv[1]);
	return PV_SIM_EXIT_USAGE;
}
