/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "core/amt/hello.h"

G_BEGIN_DECLS

/* Takes hello packets over TCP in the main loop. AMT connects, sends one packet, closes and expects no answer
 * (Intel AMT SDK, "Setup Mode Hello Messages"). Nothing of a peer is trusted: connections, bytes, time and rate
 * are bounded, and what is no hello is counted and told, but not more often than people can read. */
typedef struct PvListener PvListener;

typedef struct {
	guint connections;        /* at once; more wait in the backlog */
	guint connections_source; /* at once, of one address */
	guint time_msec;          /* of one connection */
	guint burst;              /* connections of one address in a row ... */
	guint refill_msec;        /* ... and the time after which one more is allowed */
} PvListenerLimits;

extern const PvListenerLimits pv_listener_limits;

typedef struct {
	guint64 accepted;  /* connections */
	guint64 hellos;    /* handed on */
	guint64 junk;      /* complete, and no hello */
	guint64 oversize;
	guint64 slow;      /* no complete packet in time */
	guint64 limited;   /* closed unread: too many from their address */
	guint peak;        /* connections at once, at most */
} PvListenerCounts;

/* @source: address of the peer, numeric; an IPv4 one as such even on an IPv6 socket */
typedef void (*PvListenerFunc)(const PvHello *hello, const char *source, gpointer data);

/**
 * pv_listener_new:
 * @address: numeric, such as "0.0.0.0" or "::" (which takes IPv4 too)
 * @port: 0: any free one
 * @limits: copied
 *
 * Listens from here on, in the default main context.
 */
PvListener *pv_listener_new(const char *address, guint port, const PvListenerLimits *limits, PvListenerFunc func, gpointer data, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* closes all connections unread */
void pv_listener_free(PvListener *listener);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvListener, pv_listener_free)

guint pv_listener_get_port(const PvListener *listener);
const PvListenerCounts *pv_listener_get_counts(const PvListener *listener); /* lent */

G_END_DECLS
