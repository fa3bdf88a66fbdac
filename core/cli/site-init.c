/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"

#include <glib/gi18n.h>

static int
site_init_run(PvCli *cli)
{
	return PV_EXIT_FAILURE;
}

const PvCommand pv_command_site_init = {
	.name = "site init",
	.arguments = "DIR",
	.least = 1,
	.most = 1,
	.summary = N_("Writes a small site into DIR that works as it is"),
	.run = site_init_run,
};
