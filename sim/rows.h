/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/soap.h"

G_BEGIN_DECLS

/* The rows of a recorded exchange, or of a test of a stage (its "exchange", or those of all its "rounds"), which are
 * served in order */
typedef struct PvSimRows PvSimRows;

/* Errors name file, line and path: "read recording FILE:LINE: exchange[3].answer.body: expected text" */
PvSimRows *pv_sim_rows_load(const char *path, GError **error);
void pv_sim_rows_free(PvSimRows *rows);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimRows, pv_sim_rows_free)

const char *pv_sim_rows_get_server(const PvSimRows *rows); /* version of AMT; lent */
guint pv_sim_rows_get_count(const PvSimRows *rows);
guint pv_sim_rows_get_served(const PvSimRows *rows);
gboolean pv_sim_rows_is_done(
    const PvSimRows *rows); /* all served, with the Pull of the last items */

typedef struct {
	guint status;
	GString *body; /* NULL: none */
	gboolean close; /* when it was sent; with neither status nor body: instead of an answer */
} PvSimRowAnswer;

/* Answers a request by the row that is due. FALSE: it does not fit, and the row stays due; @why: g_free() */
gboolean pv_sim_rows_answer(PvSimRows *rows, const PvSimRequest *request, const char *text,
    PvSimRowAnswer *answer, char **why);

G_END_DECLS
