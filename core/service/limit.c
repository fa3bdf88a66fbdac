/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/service/limit.h"

typedef struct {
	gint64 full_usec; /* when the bucket will be, or was, full again */
	guint missed;
} LimitBucket;

struct PvLimit {
	LimitBucket *buckets;
	guint slots;
	gint64 refill_usec;
	gint64 burst_usec; /* the burst as time: what it takes to fill an empty bucket */
	guint32 seed;
};

PvLimit *
pv_limit_new(guint slots, guint burst, guint refill_msec)
{
	PvLimit *limit = g_new0(PvLimit, 1);
	limit->buckets = g_new0(LimitBucket, slots);
	limit->slots = slots;
	limit->refill_usec = (gint64)refill_msec * 1000;
	limit->burst_usec = limit->refill_usec * burst;
	limit->seed = g_random_int();
	return limit;
}

void
pv_limit_free(PvLimit *limit)
{
	if (limit == NULL)
		return;
	g_free(limit->buckets);
	g_free(limit);
}

/* FNV-1a from a seed: enough to keep strangers from choosing whom they share a slot with */
static guint
limit_hash(const PvLimit *limit, const char *key)
{
	guint32 hash = limit->seed ^ 2166136261u;
	for (; *key != '\0'; key++)
		hash = (hash ^ (guchar)*key) * 16777619u;
	return (hash ^ hash >> 15) % limit->slots;
}

gboolean
pv_limit_take(PvLimit *limit, const char *key, gint64 now_usec, guint *missed)
{
	LimitBucket *bucket = &limit->buckets[limit_hash(limit, key)];
	gint64 full_usec = MAX(bucket->full_usec, now_usec) + limit->refill_usec;
	if (full_usec - now_usec > limit->burst_usec) {
		if (bucket->missed < G_MAXUINT)
			bucket->missed++;
		return FALSE;
	}
	bucket->full_usec = full_usec;
	if (missed != NULL)
		*missed = bucket->missed;
	bucket->missed = 0;
	return TRUE;
}
