/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/http.h"

G_BEGIN_DECLS

/* What became of one WS-Man request */
typedef struct {
	guint http_status;
	GString *body; /* NULL: the connection closes without an answer */
	char *method; /* "Class.Method" */
	char *note; /* for the log; NULL: nothing to say */
	gint64 return_value; /* -1: none */
	guint delay_msec;
	gboolean restart; /* the network stack restarts once the answer is sent */
	guint away_msec; /* how long it is away then; 0: as the switch restart-msec says */
	/* what a fault script adds */
	gboolean challenge; /* 401 instead of an answer */
	gboolean stale; /* ... which calls the nonce stale */
	PvSimHttpShape shape;
	gsize shape_bytes;
	guint piece_bytes; /* the answer is sent in such pieces; 0: at once */
	guint piece_msec;
} PvSimOutcome;

void pv_sim_outcome_clear(PvSimOutcome *outcome);

/* Executes a request. @user: NULL: set-up without login, everything is allowed. */
void pv_sim_service_run(PvSimDevice *device, const char *data, gsize length, const PvSimUser *user,
    gboolean encrypted, PvSimOutcome *outcome);

/* "Class.Method" of a request that is not executed; "-": it has none. g_free() */
char *pv_sim_service_name(const char *data, gsize length);

G_END_DECLS
