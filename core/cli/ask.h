/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/cli/cli.h"

G_BEGIN_DECLS

/**
 * pv_ask_secret:
 * @file: (nullable): file with the value; NULL: the terminal, which does not show it, or else standard input
 * @prompt: for the terminal
 * @twice: ask the terminal once more, for a value that nobody checks
 *
 * One line end at the value's end is dropped. PV_ERROR_CONFIG: it is empty, or the two differ.
 */
PvSecret *pv_ask_secret(const char *file, const char *prompt, gboolean twice, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* the name of a secret of the site. FALSE after it said what is wrong: return PV_EXIT_USAGE */
gboolean pv_ask_check_name(PvCli *cli, const char *name);

G_END_DECLS
