/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define PV_SIM_EXIT_OK 0
#define PV_SIM_EXIT_FAILED 1
#define PV_SIM_EXIT_USAGE 2

/* Each takes its own argv, with the command at [0], and returns the exit status */
int pv_sim_command_run(int argc, char **argv);
int pv_sim_command_list(int argc, char **argv);
int pv_sim_command_dump(int argc, char **argv);
int pv_sim_command_set(int argc, char **argv);
int pv_sim_command_reset(int argc, char **argv);
int pv_sim_command_start(int argc, char **argv);
int pv_sim_command_power(int argc, char **argv); /* on, off */
int pv_sim_command_check_password(int argc, char **argv);
int pv_sim_command_fault(int argc, char **argv);
int pv_sim_command_record(int argc, char **argv);
int pv_sim_command_replay(int argc, char **argv);
int pv_sim_command_hello(int argc, char **argv);
int pv_sim_command_pki(int argc, char **argv);
int pv_sim_command_personalities(int argc, char **argv);
int pv_sim_command_switches(int argc, char **argv);

/* Parses options; FALSE: it has told what is wrong. @positional: how many words must be left; they are in argv[1..]. */
gboolean pv_sim_command_parse(int *argc, char ***argv, const GOptionEntry *entries,
    const char *parameters, const char *summary, int min, int max);

G_END_DECLS
