/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>

#include "core/cli/commands.h"

#include <glib/gi18n.h>

#define LOG_PAGE 1000 /* rows of one read */
#define LOG_PAUSE_USEC (G_USEC_PER_SEC / 2) /* between two looks with --follow */

/* what of the log is wanted */
typedef struct {
	PvCli *cli;
	const char *uuid; /* NULL: of all devices */
	GHashTable *names; /* char* UUID -> char* name of the device, both owned */
	GQueue kept; /* of GString; lines to print at last, at most .lines of them */
	guint lines; /* 0: all, at once */
	gint64 seq; /* of the last row that was read */
} Log;

static void
log_free_string(gpointer data)
{
	g_string_free(data, TRUE);
}

static void
log_put(Log *log, GString *line)
{
	if (log->lines == 0) {
		pv_cli_print(log->cli, line->str);
		log_free_string(line);
		return;
	}
	g_queue_push_tail(&log->kept, line);
	if (g_queue_get_length(&log->kept) > log->lines)
		log_free_string(g_queue_pop_head(&log->kept));
}

static void
log_flush(Log *log)
{
	for (GString *line = NULL; (line = g_queue_pop_head(&log->kept)) != NULL;
	     log_free_string(line))
		pv_cli_print(log->cli, line->str);
	log->lines = 0;
	(void)fflush(stdout); /* pv_cli_main() asks ferror() */
}

/* JSON Lines, so that --follow can be read as it comes */
static GString *
log_format_json(JsonBuilder *builder)
{
	g_autoptr(JsonNode) root = json_builder_get_root(builder);
	g_autofree char *json = json_to_string(root, FALSE);
	GString *line = g_string_new(json);
	return g_string_append_c(line, '\n');
}

static GString *
log_format_event(Log *log, const PvEventRow *event)
{
	if (log->cli->json) {
		g_autoptr(JsonBuilder) builder = json_builder_new();
		json_builder_begin_object(builder);
		pv_build_int(builder, "seq", event->seq);
		pv_build_time(builder, "time", event->time_usec);
		pv_build_string(builder, "level", event->level);
		pv_build_string(builder, "uuid", event->uuid);
		pv_build_string(builder, "name",
		    event->uuid != NULL ? g_hash_table_lookup(log->names, event->uuid) : NULL);
		pv_build_int(builder, "job", event->job);
		pv_build_string(builder, "stage", event->stage);
		pv_build_string(builder, "text", event->text);
		json_builder_end_object(builder);
		return log_format_json(builder);
	}
	const char *known =
	    event->uuid != NULL ? g_hash_table_lookup(log->names, event->uuid) : NULL;
	g_autofree char *time = pv_text_format_time(event->time_usec);
	g_autofree char *name = pv_text_escape(known != NULL	     ? known
					       : event->uuid != NULL ? event->uuid
								     : "-");
	g_autofree char *stage = pv_text_escape(event->stage);
	g_autofree char *text = pv_text_escape(event->text);
	GString *line = g_string_new(NULL);
	g_string_append_printf(line, "%s %-7s %s%s%s: %s\n", time, event->level, name,
	    stage[0] != '\0' ? " " : "", stage, text);
	return line;
}

static GString *
log_format_audit(Log *log, const PvAuditRow *audit)
{
	if (log->cli->json) {
		g_autoptr(JsonBuilder) builder = json_builder_new();
		json_builder_begin_object(builder);
		pv_build_int(builder, "seq", audit->seq);
		pv_build_time(builder, "time", audit->time_usec);
		pv_build_string(builder, "actor", audit->actor);
		pv_build_string(builder, "action", audit->action);
		pv_build_string(builder, "object", audit->object);
		pv_build_string(builder, "text", audit->text);
		pv_build_string(builder, "hash", audit->hash);
		json_builder_end_object(builder);
		return log_format_json(builder);
	}
	const char *known =
	    audit->object != NULL ? g_hash_table_lookup(log->names, audit->object) : NULL;
	g_autofree char *time = pv_text_format_time(audit->time_usec);
	g_autofree char *actor = pv_text_escape(audit->actor);
	g_autofree char *action = pv_text_escape(audit->action);
	g_autofree char *object = pv_text_escape(known != NULL ? known : audit->object);
	g_autofree char *text = pv_text_escape(audit->text);
	GString *line = g_string_new(NULL);
	g_string_append_printf(line, "%s [%s] %s %s: %s\n", time, actor, action, object, text);
	return line;
}

/* FALSE with @error unset: there was nothing more */
static gboolean
log_read_events(Log *log, GError **error)
{
	g_autoptr(GPtrArray) rows =
	    pv_db_list_events(log->cli->site->db, log->uuid, log->seq, LOG_PAGE, error);
	for (guint i = 0; rows != NULL && i < rows->len; i++) {
		const PvEventRow *event = g_ptr_array_index(rows, i);
		log_put(log, log_format_event(log, event));
		log->seq = event->seq;
	}
	return rows != NULL && rows->len > 0;
}

static gboolean
log_read_audits(Log *log, GError **error)
{
	g_autoptr(GPtrArray) rows =
	    pv_db_list_audits(log->cli->site->db, log->seq, LOG_PAGE, error);
	for (guint i = 0; rows != NULL && i < rows->len; i++) {
		const PvAuditRow *audit = g_ptr_array_index(rows, i);
		if (log->uuid == NULL || g_strcmp0(audit->object, log->uuid) == 0)
			log_put(log, log_format_audit(log, audit));
		log->seq = audit->seq;
	}
	return rows != NULL && rows->len > 0;
}

static GHashTable *
log_load_names(PvDb *db, GError **error)
{
	g_autoptr(GPtrArray) rows = pv_db_list_devices(db, error);
	if (rows == NULL)
		return NULL;
	GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	for (guint i = 0; i < rows->len; i++) {
		const PvDeviceRow *row = g_ptr_array_index(rows, i);
		g_hash_table_insert(names, g_strdup(row->uuid), g_strdup(row->name));
	}
	return names;
}

static int
log_print(Log *log)
{
	PvCli *cli = log->cli;
	gboolean (*const read_page)(Log *, GError **) =
	    pv_cli_has(cli, "audit") ? log_read_audits : log_read_events;
	gboolean follow = pv_cli_has(cli, "follow");
	g_autoptr(GError) error = NULL;
	do {
		while (read_page(log, &error))
			continue;
		log_flush(log);
		if (error != NULL)
			return pv_cli_fail(cli, error);
		/* Ctrl-C ends it: it only reads */
		if (follow && !ferror(stdout))
			g_usleep(LOG_PAUSE_USEC);
	} while (follow && !ferror(stdout));
	return PV_EXIT_OK;
}

static int
log_run(PvCli *cli)
{
	Log log = { .cli = cli, .kept = G_QUEUE_INIT };
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_get_uint(cli, "lines", 1, 1000000, 0, &log.lines))
		return PV_EXIT_USAGE;
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	g_autoptr(PvDeviceRow) row = NULL;
	if (cli->word_count > 0) {
		row = pv_cli_find_device(cli, cli->words[0], &code);
		if (row == NULL)
			return code;
		log.uuid = row->uuid;
	}
	g_autoptr(GError) error = NULL;
	g_autoptr(GHashTable) names = log_load_names(cli->site->db, &error);
	if (names == NULL)
		return pv_cli_fail(cli, error);
	log.names = names;
	return log_print(&log);
}

static const PvOption log_options[] = {
	{ "follow", 'f', NULL, N_("go on with what comes, until Ctrl-C") },
	{ "audit", 0, NULL, N_("the audit log: who did what") },
	{ "lines", 'n', "N", N_("only the last N lines") },
	{ NULL },
};

const PvCommand pv_command_log = {
	.name = "log",
	.arguments = "[DEVICE]",
	.most = 1,
	.summary = N_("Shows what happened, to one device or to all"),
	.text = N_("With --json every line is an object of its own."),
	.options = log_options,
	.run = log_run,
};
