/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>

#include "core/cli/progress.h"

#include <glib/gi18n.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef struct {
	char *name; /* escaped, owned */
	char *stage; /* owned; NULL: none yet */
	char *text; /* escaped, owned; NULL: none */
	guint index, count;
	gint64 begin_usec; /* monotonic; 0: not running */
	gboolean parked, ended;
} ProgressRow;

struct PvProgress {
	PvProgressMode mode;
	gboolean colour;
	FILE *file;
	GMutex lock; /* protects all below */
	GHashTable *rows; /* char* UUID, lent by order -> ProgressRow, lent by order */
	GPtrArray *order; /* of ProgressRow, by name */
	GPtrArray *uuids; /* of char* */
	guint lines; /* of the block that is on the screen */
	char *block; /* owned: that block; NULL: none */
	guint done, failed;
	gint64 begin_usec;
};

static void
progress_row_free(gpointer data)
{
	ProgressRow *row = data;
	g_free(row->name);
	g_free(row->stage);
	g_free(row->text);
	g_free(row);
}

PvProgress *
pv_progress_new(PvProgressMode mode, gboolean colour, GPtrArray *devices, FILE *file)
{
	PvProgress *progress = g_new0(PvProgress, 1);
	progress->mode = mode;
	progress->colour = colour;
	progress->file = file;
	progress->begin_usec = g_get_monotonic_time();
	g_mutex_init(&progress->lock);
	progress->order = g_ptr_array_new_with_free_func(progress_row_free);
	progress->uuids = g_ptr_array_new_with_free_func(g_free);
	progress->rows = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < devices->len; i++) {
		const PvDeviceRow *device = g_ptr_array_index(devices, i);
		ProgressRow *row = g_new0(ProgressRow, 1);
		row->name = pv_text_escape(device->name);
		char *uuid = g_strdup(device->uuid);
		g_ptr_array_add(progress->order, row);
		g_ptr_array_add(progress->uuids, uuid);
		g_hash_table_insert(progress->rows, uuid, row);
	}
	return progress;
}

static void
progress_get_size(PvProgress *progress, guint *columns, guint *lines)
{
	struct winsize size = { 0 };
	gboolean known = ioctl(fileno(progress->file), TIOCGWINSZ, &size) == 0;
	*columns = known && size.ws_col > 0 ? size.ws_col : 80;
	*lines = known && size.ws_row > 0 ? size.ws_row : 24;
}

/* with the lock: takes the block from the screen; the cursor is where it began */
static void
progress_erase(PvProgress *progress)
{
	if (progress->lines > 0)
		fprintf(progress->file, "\033[%uA\r\033[J", progress->lines);
	progress->lines = 0;
	g_clear_pointer(&progress->block, g_free);
}

static void
progress_append_line(
    PvProgress *progress, GString *out, const char *text, PvStyle style, guint columns)
{
	g_autofree char *line = pv_text_fit(text, columns - 1);
	g_string_append(out, progress->colour ? pv_style_get_begin(style) : "");
	g_string_append(out, line);
	g_string_append(out, progress->colour ? pv_style_get_end(style) : "");
	g_string_append_c(out, '\n');
}

static char *
progress_format_row(const ProgressRow *row, gint64 now_usec)
{
	g_autofree char *time =
	    pv_text_format_duration((now_usec - row->begin_usec) / G_USEC_PER_SEC * G_USEC_PER_SEC);
	return g_strdup_printf("  %-16s %2u/%-2u %-18s %s  %s", row->name, row->index + 1,
	    row->count,
	    row->parked		 ? _("waiting")
	    : row->stage != NULL ? row->stage
				 : "",
	    time, row->text != NULL ? row->text : "");
}

/* with the lock */
static void
progress_draw_block(PvProgress *progress)
{
	guint columns = 80, screen = 24, running = 0, shown = 0;
	progress_get_size(progress, &columns, &screen);
	gint64 now_usec = g_get_monotonic_time();
	g_autoptr(GString) out = g_string_new(NULL);
	for (guint i = 0; i < progress->order->len; i++) {
		const ProgressRow *row = g_ptr_array_index(progress->order, i);
		if (row->begin_usec == 0 || row->ended)
			continue;
		running++;
		/* never taller than the screen: what has scrolled away cannot be redrawn */
		if (shown + 3 > screen)
			continue;
		g_autofree char *line = progress_format_row(row, now_usec);
		progress_append_line(
		    progress, out, line, row->parked ? PV_STYLE_DIM : PV_STYLE_PLAIN, columns);
		shown++;
	}
	guint waiting = progress->order->len - running - progress->done - progress->failed;
	g_autofree char *time = pv_text_format_duration(
	    (now_usec - progress->begin_usec) / G_USEC_PER_SEC * G_USEC_PER_SEC);
	g_autofree char *sum =
	    g_strdup_printf(_("%u devices: %u done, %u failed, %u running, %u to come; %s"),
		progress->order->len, progress->done, progress->failed, running, waiting, time);
	progress_append_line(progress, out, sum, PV_STYLE_DIM, columns);
	if (g_strcmp0(out->str, progress->block) == 0)
		return;
	progress_erase(progress);
	fputs(out->str, progress->file);
	fflush(progress->file);
	progress->lines = shown + 1;
	progress->block = g_strdup(out->str);
}

/* with the lock */
static void
progress_put_line(PvProgress *progress, PvStyle style, const char *text)
{
	if (progress->mode == PV_PROGRESS_NONE)
		return;
	progress_erase(progress);
	fprintf(progress->file, "%s%s%s\n", progress->colour ? pv_style_get_begin(style) : "", text,
	    progress->colour ? pv_style_get_end(style) : "");
	if (progress->mode == PV_PROGRESS_BLOCK)
		progress_draw_block(progress);
	fflush(progress->file);
}

void
pv_progress_say(PvProgress *progress, const char *text)
{
	g_autofree char *shown = pv_text_escape(text);
	g_mutex_lock(&progress->lock);
	progress_put_line(progress, PV_STYLE_PLAIN, shown);
	g_mutex_unlock(&progress->lock);
}

/* with the lock: the line of an event; NULL: the event makes none */
static char *
progress_format_event(const ProgressRow *row, const PvRunnerEvent *event)
{
	const char *text = row->text != NULL ? row->text : "";
	const char *stage = row->stage != NULL ? row->stage : "";
	const char *colon = row->text != NULL ? ": " : "";
	switch (event->kind) {
	case PV_RUNNER_JOB_STARTED:
		return g_strdup_printf(
		    _("%s: begins at stage %u of %u"), row->name, event->index + 1, event->count);
	case PV_RUNNER_STAGE_STARTED:
		return NULL;
	case PV_RUNNER_PROGRESS:
		return g_strdup_printf("%s: %s%s%s", row->name, stage, colon, text);
	case PV_RUNNER_STAGE_ENDED:
		return g_strdup_printf("%s: %u/%u %s %s%s%s", row->name, event->index + 1,
		    event->count, stage, event->outcome, colon, text);
	case PV_RUNNER_JOB_PARKED:
		return g_strdup_printf(_("%s: waits%s%s"), row->name, colon, text);
	case PV_RUNNER_JOB_ENDED:
		return g_strdup_printf("%s: %s%s%s", row->name, event->outcome, colon, text);
	}
	return NULL;
}

/* with the lock */
static void
progress_update_row(PvProgress *progress, ProgressRow *row, const PvRunnerEvent *event)
{
	if (row->begin_usec == 0)
		row->begin_usec = g_get_monotonic_time();
	if (event->stage != NULL) {
		g_free(row->stage);
		row->stage = pv_text_escape(event->stage);
	}
	g_free(row->text);
	row->text = event->text != NULL ? pv_text_escape(event->text) : NULL;
	row->index = event->index;
	row->count = event->count;
	row->parked = event->kind == PV_RUNNER_JOB_PARKED;
	if (event->kind != PV_RUNNER_JOB_ENDED || row->ended)
		return;
	row->ended = TRUE;
	progress->done += g_str_equal(event->outcome, "done");
	progress->failed += !g_str_equal(event->outcome, "done");
}

void
pv_progress_event(const PvRunnerEvent *event, gpointer data)
{
	PvProgress *progress = data;
	g_mutex_lock(&progress->lock);
	ProgressRow *row = g_hash_table_lookup(progress->rows, event->uuid);
	if (row != NULL) {
		progress_update_row(progress, row, event);
		gboolean ended = event->kind == PV_RUNNER_JOB_ENDED;
		if (progress->mode == PV_PROGRESS_LINES || ended) {
			g_autofree char *line = progress_format_event(row, event);
			PvStyle style =
			    !ended ? PV_STYLE_PLAIN : pv_cli_get_status_style(event->outcome);
			if (line != NULL)
				progress_put_line(progress, style, line);
		}
	}
	g_mutex_unlock(&progress->lock);
}

void
pv_progress_draw(PvProgress *progress)
{
	if (progress->mode != PV_PROGRESS_BLOCK)
		return;
	g_mutex_lock(&progress->lock);
	progress_draw_block(progress);
	g_mutex_unlock(&progress->lock);
}

void
pv_progress_free(PvProgress *progress)
{
	if (progress == NULL)
		return;
	progress_erase(progress);
	fflush(progress->file);
	g_hash_table_unref(progress->rows);
	g_ptr_array_unref(progress->order);
	g_ptr_array_unref(progress->uuids);
	g_mutex_clear(&progress->lock);
	g_free(progress);
}
