/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A line that the program wrote to its standard error; valid UTF-8, without control characters. */
typedef void (*ExecLine)(const char *text, gpointer data);

/* How to run a program. All lent for the call. */
typedef struct {
	const char *path; /* absolute, and found to be trustworthy */
	const char *const *argv; /* argv[0] included; ends with NULL */
	const char *input; /* its standard input; wiped by nobody here */
	gsize input_bytes;
	guint limit_sec; /* then it is ended */
	GCancellable *cancellable; /* NULL: none */
	ExecLine line;
	gpointer data;
} ExecProgram;

typedef struct {
	int code; /* exit code; -1: ended by a signal */
	int signal; /* 0: none */
	GString *output; /* what it wrote to its standard output */
	char *last; /* last line of its standard error; NULL: none */
} ExecOutcome;

void exec_outcome_clear(ExecOutcome *outcome);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ExecOutcome, exec_outcome_clear)

/**
 * exec_program_run:
 *
 * Runs it to its end, in a session and with an environment of its own, and ends whatever it left running. FALSE:
 * it could not be started (CONFIG), did not end in time (UNREACHABLE), wrote more than a mebibyte (PROTOCOL), or the
 * call was cancelled.
 */
gboolean exec_program_run(const ExecProgram *program, ExecOutcome *outcome, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
