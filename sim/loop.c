/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/loop.h"

#include <errno.h>
#include <gio/gio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOP_BATCH 256

struct PvSimTimer {
	gint64 due_usec; /* monotonic */
	guint64 number; /* tells apart what is due at the same time */
	void (*function)(gpointer data);
	gpointer data;
};

typedef struct {
	void (*function)(gpointer data);
	gpointer data;
	gboolean done;
} LoopCall;

struct PvSimLoop {
	int epoll;
	int wake; /* eventfd: a call waits */
	GThread *thread;
	GTree *timers; /* of PvSimTimer by time; the thread's own */
	guint64 next_timer;
	GPtrArray *garbage; /* of removed PvSimSource; the thread's own */
	GMutex lock;
	GCond done;
	GQueue calls; /* of LoopCall, each owned by its caller; protected by lock */
	gboolean stop; /* protected by lock */
};

static int
loop_compare_timers(gconstpointer a, gconstpointer b, gpointer data)
{
	const PvSimTimer *one = a, *other = b;
	if (one->due_usec != other->due_usec)
		return one->due_usec < other->due_usec ? -1 : 1;
	return one->number < other->number ? -1 : one->number > other->number;
}

PvSimTimer *
pv_sim_loop_after(PvSimLoop *loop, guint msec, void (*function)(gpointer data), gpointer data)
{
	PvSimTimer *timer = g_new0(PvSimTimer, 1);
	timer->due_usec = g_get_monotonic_time() + msec * (gint64)1000;
	timer->number = loop->next_timer++;
	timer->function = function;
	timer->data = data;
	g_tree_insert(loop->timers, timer, timer);
	return timer;
}

void
pv_sim_loop_cancel(PvSimLoop *loop, PvSimTimer **timer)
{
	if (*timer != NULL)
		g_tree_remove(loop->timers, *timer);
	*timer = NULL;
}

static PvSimTimer *
loop_first_timer(PvSimLoop *loop)
{
	GTreeNode *node = g_tree_node_first(loop->timers);
	return node != NULL ? g_tree_node_value(node) : NULL;
}

static int
loop_wait_msec(PvSimLoop *loop)
{
	const PvSimTimer *timer = loop_first_timer(loop);
	if (timer == NULL)
		return -1;
	gint64 left = timer->due_usec - g_get_monotonic_time();
	return left <= 0 ? 0 : (int)MIN((left + 999) / 1000, 60000);
}

static void
loop_run_timers(PvSimLoop *loop)
{
	gint64 now = g_get_monotonic_time();
	for (PvSimTimer *timer = loop_first_timer(loop); timer != NULL && timer->due_usec <= now;
	     timer = loop_first_timer(loop)) {
		void (*function)(gpointer) = timer->function;
		gpointer data = timer->data;
		g_tree_remove(
		    loop->timers, timer); /* frees it: the owner forgets it in the function */
		function(data);
	}
}

static gboolean
loop_run_calls(PvSimLoop *loop)
{
	g_mutex_lock(&loop->lock);
	for (LoopCall *call = g_queue_pop_head(&loop->calls); call != NULL;
	     call = g_queue_pop_head(&loop->calls)) {
		g_mutex_unlock(&loop->lock);
		call->function(call->data);
		g_mutex_lock(&loop->lock);
		call->done = TRUE;
		g_cond_broadcast(&loop->done);
	}
	gboolean stop = loop->stop;
	g_mutex_unlock(&loop->lock);
	return stop;
}

static void
loop_collect(PvSimLoop *loop)
{
	for (guint i = 0; i < loop->garbage->len; i++) {
		PvSimSource *source = loop->garbage->pdata[i];
		source->free(source);
	}
	g_ptr_array_set_size(loop->garbage, 0);
}

static gpointer
loop_run(gpointer data)
{
	PvSimLoop *loop = data;
	struct epoll_event events[LOOP_BATCH];
	gboolean stop = FALSE;
	while (!stop) {
		int count = epoll_wait(loop->epoll, events, LOOP_BATCH, loop_wait_msec(loop));
		for (int i = 0; i < count; i++) {
			PvSimSource *source = events[i].data.ptr;
			guint64 ignored = 0;
			if (source == NULL)
				(void)!read(loop->wake, &ignored,
				    sizeof ignored); /* only clears the event */
			else if (!source->removed)
				source->ready(source, events[i].events);
		}
		loop_run_timers(loop);
		stop = loop_run_calls(loop);
		loop_collect(loop);
	}
	return NULL;
}

PvSimLoop *
pv_sim_loop_new(const char *name, GError **error)
{
	PvSimLoop *loop = g_new0(PvSimLoop, 1);
	g_mutex_init(&loop->lock);
	g_cond_init(&loop->done);
	g_queue_init(&loop->calls);
	loop->timers = g_tree_new_full(loop_compare_timers, NULL, NULL, g_free);
	loop->garbage = g_ptr_array_new();
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
	if (loop->epoll < 0 || loop->wake < 0 ||
	    epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) != 0) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "make event loop: %s",
		    g_strerror(errno));
		pv_sim_loop_free(loop);
		return NULL;
	}
	loop->thread = g_thread_new(name, loop_run, loop);
	return loop;
}

static void
loop_wake(PvSimLoop *loop)
{
	guint64 one = 1;
	(void)!write(loop->wake, &one, sizeof one); /* fails only when the loop is awake anyway */
}

void
pv_sim_loop_free(PvSimLoop *loop)
{
	if (loop == NULL)
		return;
	if (loop->thread != NULL) {
		g_mutex_lock(&loop->lock);
		loop->stop = TRUE;
		g_mutex_unlock(&loop->lock);
		loop_wake(loop);
		g_thread_join(loop->thread);
	}
	if (loop->epoll >= 0)
		close(loop->epoll);
	if (loop->wake >= 0)
		close(loop->wake);
	g_tree_unref(loop->timers);
	g_ptr_array_unref(loop->garbage);
	g_cond_clear(&loop->done);
	g_mutex_clear(&loop->lock);
	g_free(loop);
}

void
pv_sim_loop_call(PvSimLoop *loop, void (*function)(gpointer data), gpointer data)
{
	LoopCall call = { function, data, FALSE };
	g_mutex_lock(&loop->lock);
	g_queue_push_tail(&loop->calls, &call);
	g_mutex_unlock(&loop->lock);
	loop_wake(loop);
	g_mutex_lock(&loop->lock);
	while (!call.done)
		g_cond_wait(&loop->done, &loop->lock);
	g_mutex_unlock(&loop->lock);
}

gboolean
pv_sim_loop_add(PvSimLoop *loop, PvSimSource *source, guint32 events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };
	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event) == 0;
}

void
pv_sim_loop_change(PvSimLoop *loop, PvSimSource *source, guint32 events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };
	(void)epoll_ctl(
	    loop->epoll, EPOLL_CTL_MOD, source->fd, &event); /* it was added: cannot fail */
}

void
pv_sim_loop_remove(PvSimLoop *loop, PvSimSource *source)
{
	if (source->removed)
		return;
	source->removed = TRUE;
	close(source->fd); /* also takes it out of epoll */
	g_ptr_array_add(loop->garbage, source);
}
