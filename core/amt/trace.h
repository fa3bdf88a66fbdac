/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A wire trace of one device, without secrets: DIR/NAME.log, mode 0600, appended to. */
typedef struct PvTrace PvTrace;

/* NULL when the file cannot be opened, which is logged: a trace is an aid, not a condition. */
PvTrace *pv_trace_open(const char *dir, const char *name);
void pv_trace_close(PvTrace *trace);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvTrace, pv_trace_close)

/* All take @trace NULL and do nothing. */
void pv_trace_request(PvTrace *trace, const char *method, const char *path, gboolean authorized, const char *body, gsize length_bytes);
void pv_trace_reply(PvTrace *trace, const char *headers, const char *body, gsize length_bytes);
void pv_trace_note(PvTrace *trace, const char *text);

/* The body with the text of all elements that hold secrets replaced by "***", however broken the XML. (transfer full) */
char *pv_trace_dup_redacted(const char *body, gsize length_bytes);

G_END_DECLS
