/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A rate limit per key in constant memory: token buckets in a fixed number of slots. Keys that meet in a slot
 * share its tokens; which ones do is a secret of the process. One thread. */
typedef struct PvLimit PvLimit;

/**
 * pv_limit_new:
 * @slots: number of buckets; 1 makes one limit for all keys
 * @burst: tokens of a full bucket
 * @refill_msec: time in which one token comes back
 */
PvLimit *pv_limit_new(guint slots, guint burst, guint refill_msec);
void pv_limit_free(PvLimit *limit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvLimit, pv_limit_free)

/* @now_usec: of the monotonic clock. *missed (nullable): how often the slot had none since it last gave one.
 * Returns: whether there was a token; it is taken. */
gboolean pv_limit_take(PvLimit *limit, const char *key, gint64 now_usec, guint *missed);

G_END_DECLS
