/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "core/cli/options.h"
#include "core/cli/table.h"
#include "core/cli/text.h"
#include "core/engine/runner.h"

G_BEGIN_DECLS

/* Exit codes; they are an interface and documented in provost(1). */
enum {
	PV_EXIT_OK = 0,
	PV_EXIT_FAILURE = 1,
	PV_EXIT_CHANGES = 2,       /* plan, verify: there is something to change */
	PV_EXIT_USAGE = 64,        /* EX_USAGE */
	PV_EXIT_PENDING = 75,      /* EX_TEMPFAIL: somebody has not decided yet */
	PV_EXIT_CONFIG = 78,       /* EX_CONFIG */
	PV_EXIT_INTERRUPTED = 130,
};

typedef struct PvCommand PvCommand;

/* One run of the program. Used by the main thread only, unless a field says otherwise. */
typedef struct {
	const PvCommand *command;
	PvOptions *options;
	const char *const *words;  /* arguments of the command; ends with NULL; lent by options */
	guint word_count;
	gboolean json, verbose, quiet;
	gboolean colour;           /* stdout shows colours */
	gboolean colour_err;       /* stderr does */
	guint width;               /* columns of stdout's terminal; 0: no terminal */
	char *actor;               /* "uid 0 (root) provost", owned */
	PvSite *site;              /* owned; NULL until pv_cli_open_site() */
} PvCli;

struct PvCommand {
	const char *name;          /* "status", "plugin list" */
	const char *arguments;     /* as help shows them; NULL: none. The first word says how to complete them */
	guint least, most;         /* number of arguments; G_MAXUINT: any */
	const char *summary;       /* N_(), one line */
	const char *text;          /* N_(), more for the help of the command; NULL: none */
	const PvOption *options;   /* ends with {NULL}; NULL: none */
	int (*run)(PvCli *cli);    /* the exit code */
};

/* The one list of commands: dispatch, help and completion read it. Ends with NULL. */
extern const PvCommand *const pv_commands[];
/* options that every command takes; ends with {NULL} */
extern const PvOption pv_global_options[];

/* The program. Returns its exit code. */
int pv_cli_main(int argc, char **argv);

/* Help for @name: a command, the first word of several, or NULL for all of them. (transfer full); NULL: no such command */
char *pv_help_to_string(const char *name);
/* the command of these words; *used: how many of them are its name */
const PvCommand *pv_command_find(const char *const *words, guint *used);

/* value of an option; NULL: not given */
const char *pv_cli_get(PvCli *cli, const char *option);
gboolean pv_cli_has(PvCli *cli, const char *option);
/* a number within bounds; FALSE after it said what is wrong: return PV_EXIT_USAGE */
gboolean pv_cli_get_uint(PvCli *cli, const char *option, guint minimum, guint maximum, guint fallback, guint *value);

/* "provost: TEXT" on stderr */
void pv_cli_warn(PvCli *cli, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* the same unless --quiet */
void pv_cli_note(PvCli *cli, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* says what is wrong with the command line and how to get help; returns PV_EXIT_USAGE */
int pv_cli_usage(PvCli *cli, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* says what failed; returns PV_EXIT_FAILURE, or PV_EXIT_INTERRUPTED for G_IO_ERROR_CANCELLED */
int pv_cli_fail(PvCli *cli, const GError *error);
/* the same; PV_EXIT_CONFIG where PV_ERROR_CONFIG is the reason */
int pv_cli_fail_config(PvCli *cli, const GError *error);

/* Opens the site into cli->site. FALSE after it said why: return *code. */
gboolean pv_cli_open_site(PvCli *cli, PvSiteFlags flags, int *code);

/* what devices can have in common, of the commands that show them and of those that work on them */
#define PV_CLI_FILTER_OPTIONS \
	{ "status", 0, "STATUS", N_("only devices of this status, such as Provisioned") }, \
	{ "where", 0, "CONDITION", N_("only devices that are so, such as 'device.amt.version >= 9'") }
#define PV_CLI_DEVICE_OPTIONS \
	{ "all", 0, NULL, N_("every device of the site") }, \
	{ "group", 'g', "GROUP", N_("every device of this group") }, \
	PV_CLI_FILTER_OPTIONS
/* words of PvDeviceRow.status; ends with NULL */
extern const char *const pv_cli_status_words[];
/* Opens the site. Rows of the store that @group (NULL: any), --status and --where let pass, by name. NULL after it said
 * why: return *code. */
GPtrArray *pv_cli_list_devices(PvCli *cli, const char *group, int *code);
/* The same for DEVICE..., or --all, or any of @group, --status, --where; each row once. */
GPtrArray *pv_cli_find_devices(PvCli *cli, const char *group, int *code);
/* one DEVICE; NULL after it said why */
PvDeviceRow *pv_cli_find_device(PvCli *cli, const char *word, int *code);
/* FALSE after it said which groups there are */
gboolean pv_cli_check_group(PvCli *cli, const char *group);
/* the pipeline of --pipeline, or of the device's group; CONFIG when there is none */
const PvPipeline *pv_cli_find_pipeline(PvCli *cli, const PvDeviceRow *row, GError **error);
/* newest job of a device; NULL: none, or the store's error */
PvJobRow *pv_cli_find_job(PvCli *cli, const char *uuid, GError **error);

/* reads a file ("-": stdin) of at most @max_bytes */
char *pv_cli_read_file(const char *path, gsize max_bytes, gsize *length, GError **error);

/* Results. All go to stdout; a full disk or a closed pipe makes the program fail at its end. */
void pv_cli_print(PvCli *cli, const char *text);
void pv_cli_print_table(PvCli *cli, const PvTable *table);
/* @builder is complete; pretty printed, or in one line when @line. Frees nothing. */
void pv_cli_print_json(PvCli *cli, JsonBuilder *builder, gboolean line);

/* Members of the object being built; NULL text becomes null, broken UTF-8 U+FFFD. */
void pv_build_string(JsonBuilder *builder, const char *name, const char *text);
void pv_build_int(JsonBuilder *builder, const char *name, gint64 value);
void pv_build_bool(JsonBuilder *builder, const char *name, gboolean value);
void pv_build_time(JsonBuilder *builder, const char *name, gint64 usec); /* RFC 3339, UTC */
/* JSON text of our own making, such as PvResultRow.changes; what does not parse becomes null */
void pv_build_json(JsonBuilder *builder, const char *name, const char *text);
/* members of a device's row, without braces */
void pv_build_device(JsonBuilder *builder, const PvDeviceRow *row);
void pv_build_job(JsonBuilder *builder, const char *name, const PvJobRow *job);
/* an object: what a dry run found out about one stage */
void pv_build_stage_plan(JsonBuilder *builder, const PvStagePlan *stage);

/* The rows of a check: a table, in full; or the members "level" and "rows" */
void pv_cli_print_report(PvCli *cli, const PvReport *report);
void pv_build_report(JsonBuilder *builder, const PvReport *report);

PvStyle pv_cli_get_status_style(const char *status);

/* Once: the lines that the library logs; @cli must stay as long as anybody logs. */
void pv_cli_set_log(PvCli *cli);

G_END_DECLS
