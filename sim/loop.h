/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A thread that waits on many sockets and timers with epoll. All of its callbacks run in its thread. */
typedef struct PvSimLoop PvSimLoop;

/* What a file descriptor is watched by: the first member of its owner. One that was removed stays valid until
 * the current batch of events is done, when free is called. */
typedef struct PvSimSource PvSimSource;
struct PvSimSource {
	int fd;
	gboolean removed;
	void (*ready)(PvSimSource *source, guint32 events); /* EPOLLIN ... */
	void (*free)(PvSimSource *source);
};

typedef struct PvSimTimer PvSimTimer;

PvSimLoop *pv_sim_loop_new(const char *name, GError **error); /* starts its thread */
void pv_sim_loop_free(PvSimLoop *loop); /* ends it; sources must be removed before */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimLoop, pv_sim_loop_free)

/* From any other thread: runs the function in the loop's thread and waits for its end */
void pv_sim_loop_call(PvSimLoop *loop, void (*function)(gpointer data), gpointer data);

/* In the loop's thread only */
gboolean pv_sim_loop_add(PvSimLoop *loop, PvSimSource *source, guint32 events);
void pv_sim_loop_change(PvSimLoop *loop, PvSimSource *source, guint32 events);
void pv_sim_loop_remove(PvSimLoop *loop, PvSimSource *source); /* closes the descriptor */
PvSimTimer *pv_sim_loop_after(
    PvSimLoop *loop, guint msec, void (*function)(gpointer data), gpointer data);
void pv_sim_loop_cancel(PvSimLoop *loop, PvSimTimer **timer); /* *timer may be NULL; becomes NULL */

G_END_DECLS
