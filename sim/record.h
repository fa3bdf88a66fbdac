/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A file of what was asked and answered, as rows that provost-sim replay and the tests of stages read:
 * { "server-version": ..., "exchange": [ { "expect": {...}, "answer": {...} }, ... ] }. It is whole after each row.
 * Secrets (passwords, passphrases, keys, one-time passwords) are left out of it. Thread-safe. */
typedef struct PvSimRecording PvSimRecording;

/* Makes the file, or empties it, with mode 0600. @server: version of AMT in the Server header; NULL: not known yet */
PvSimRecording *pv_sim_recording_new(const char *path, const char *server, GError **error);
void pv_sim_recording_free(PvSimRecording *recording);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimRecording, pv_sim_recording_free)

/* Adds a row. @answer: the answer's body; NULL: the connection was closed without an answer. What is no WS-Management
 * request is left out. */
gboolean pv_sim_recording_add(PvSimRecording *recording, const char *request, gsize length,
    guint status, const char *answer, GError **error);
/* Tells the version when it becomes known, before the first row; later it is ignored */
gboolean pv_sim_recording_set_server(PvSimRecording *recording, const char *server, GError **error);
guint pv_sim_recording_get_count(PvSimRecording *recording); /* rows */

G_END_DECLS
