/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/cli/cli.h"

G_BEGIN_DECLS

/* What runs right now, on stderr: on a terminal a block of lines that is redrawn in place below what has ended;
 * else one line per event. Events come from worker threads; drawing is the main loop's. */
typedef struct PvProgress PvProgress;

typedef enum {
	PV_PROGRESS_NONE,    /* --quiet */
	PV_PROGRESS_LINES,
	PV_PROGRESS_BLOCK,
} PvProgressMode;

/* @devices: of PvDeviceRow. @file: where to, lent */
PvProgress *pv_progress_new(PvProgressMode mode, gboolean colour, GPtrArray *devices, FILE *file);
/* takes the block away */
void pv_progress_free(PvProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvProgress, pv_progress_free)

/* for pv_runner_new(); any thread, @data is the PvProgress */
void pv_progress_event(const PvRunnerEvent *event, gpointer data);
/* draws the block anew when something is different; main thread */
void pv_progress_draw(PvProgress *progress);
/* a line of its own above the block; any thread */
void pv_progress_say(PvProgress *progress, const char *text);

G_END_DECLS
