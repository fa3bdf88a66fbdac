/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/cli/cli.h"

G_BEGIN_DECLS

/* Plugins for commands that work with and without a site. */
#define PV_LOADER_OPTION { "path", 0, "DIR", N_("look for plugins only in DIR; no site is needed") }

/* The loader of --path, of the site that --site or the environment names or that is installed, or of the installed
 * plugins. Lent by cli->site, or by *owned, which the caller frees. NULL after it said why. */
PvLoader *pv_cli_get_loader(PvCli *cli, PvLoader **owned, int *code);

/* Loads every plugin in the path. Those that cannot be are left out, and warned of when @warn. */
void pv_cli_load_all(PvCli *cli, PvLoader *loader, gboolean warn);

G_END_DECLS
