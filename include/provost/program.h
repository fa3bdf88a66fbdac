/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A line that the program wrote to its standard error; valid UTF-8, without control characters. */
typedef void (*PvProgramLine)(const char *text, gpointer data);

/* How to run a program of the site's own. All lent for the call. */
typedef struct {
	const char *path; /* absolute, and found to be trustworthy */
	const char *const *argv; /* argv[0] included; ends with NULL */
	const char *input; /* its standard input; wiped by nobody here */
	gsize input_bytes;
	guint limit_sec; /* then it is ended */
	GCancellable *cancellable; /* NULL: none */
	PvProgramLine line;
	gpointer data;
	const char *const *environment; /* "NAME=VALUE" beside LANG and PATH, which is all that it gets otherwise; no secrets: others
	                                   of this user can read it; ends with NULL; NULL: none */
} PvProgram;

/* How it ended. Owned; pv_program_outcome_clear(). */
typedef struct {
	int code; /* exit code; -1: ended by a signal */
	int signal; /* 0: none */
	GString *output; /* what it wrote to its standard output */
	char *last; /* last line of its standard error; NULL: none */
} PvProgramOutcome;

void pv_program_outcome_clear(PvProgramOutcome *outcome);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PvProgramOutcome, pv_program_outcome_clear)

/**
 * pv_program_run:
 *
 * Runs it to its end, in a session and with an environment of its own, and ends whatever it left running. FALSE:
 * it could not be started (CONFIG), did not end in time (UNREACHABLE), wrote more than a mebibyte (PROTOCOL), or the
 * call was cancelled.
 */
gboolean pv_program_run(const PvProgram *program, PvProgramOutcome *outcome, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
