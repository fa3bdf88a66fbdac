/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <provost/param.h>

G_BEGIN_DECLS

/* What the store holds. Rows are plain structs whose strings a reader owns and frees with the row's _free; a
 * writer only lends them for the call. Times are microseconds of wall clock (g_get_real_time). Secrets come here
 * sealed: a store never sees one in clear. */

typedef struct {
	char *uuid;      /* key: lower case, with dashes */
	char *name;
	char *fqdn;      /* NULL: not known */
	char *mac;
	char *address;
	char *group;
	char *otp_hash;  /* lower case hex SHA-256 of the one-time password that is expected; NULL: none */
	char *status;    /* "Unknown", "Not Supported", "Detected", "Not Provisioned", "Provisioned", "Externally Provisioned" */
	char *evidence;  /* what the status rests on, one line */
	gint64 status_usec;
} PvDeviceRow;

typedef struct {
	char *name;
	char *value;
} PvFactRow;

typedef struct {
	char *uuid;        /* "" for secrets of the site */
	char *name;
	char *state;       /* "current", "pending", "history" */
	gint64 made_usec;  /* part of the key of history rows */
	GBytes *sealed;
} PvSecretRow;

typedef struct {
	gint64 id;           /* 0: not in the store yet */
	char *uuid;
	char *pipeline;      /* its name */
	char *state;         /* "queued", "running", "parked", "done", "failed", "cancelled" */
	guint stage;         /* index of the stage to run next */
	guint attempts;      /* failed tries of that stage so far */
	gint64 stage_usec;   /* when that stage was first begun; 0: not yet */
	gint64 due_usec;     /* not before */
	char *owner;         /* of the lease: "HOST BOOT-ID PID START-TIME"; NULL: free */
	gint64 lease_usec;   /* the lease holds until then */
	char *code;          /* pv_error_get_name() of the last error; NULL: none */
	char *text;          /* the last error or the reason of waiting */
	gint64 made_usec;
	gint64 changed_usec;
} PvJobRow;

typedef struct {
	gint64 job;
	guint index;        /* of the stage in the pipeline */
	char *stage;        /* its type */
	char *outcome;      /* "done", "already", "skipped", "failed" */
	char *changes;      /* JSON array of {object, property, from, to} */
	char *text;         /* reason or error; NULL: none */
	gint64 begin_usec;
	gint64 end_usec;
} PvResultRow;

typedef struct {
	gint64 seq;         /* given by the store */
	gint64 time_usec;
	char *uuid;         /* NULL: none */
	gint64 job;         /* 0: none */
	char *stage;        /* NULL: none */
	char *level;        /* "info", "warning", "error" */
	char *text;
} PvEventRow;

typedef struct {
	gint64 seq;         /* given by the store; from 1, without gaps */
	gint64 time_usec;
	char *actor;        /* "uid 0 (root) provost", "provostd" */
	char *action;       /* stable word: "import", "secret-confirm", "otp-mismatch" */
	char *object;       /* UUID or name */
	char *text;
	char *hash;         /* hex HMAC-SHA-256 over the hash before it and this row; given by the store */
} PvAuditRow;

void pv_device_row_free(PvDeviceRow *row);
void pv_fact_row_free(PvFactRow *row);
void pv_secret_row_free(PvSecretRow *row);
void pv_job_row_free(PvJobRow *row);
void pv_result_row_free(PvResultRow *row);
void pv_event_row_free(PvEventRow *row);
void pv_audit_row_free(PvAuditRow *row);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvDeviceRow, pv_device_row_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvFactRow, pv_fact_row_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSecretRow, pv_secret_row_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvJobRow, pv_job_row_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvResultRow, pv_result_row_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvEventRow, pv_event_row_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvAuditRow, pv_audit_row_free)

typedef enum {
	PV_WRITE_DEVICE,         /* .device: insert or replace by uuid; status NULL keeps the stored one, "Unknown" for a new row */
	PV_WRITE_DELETE_DEVICE,  /* .uuid: with its facts, secrets, jobs; history of secrets too */
	PV_WRITE_STATUS,         /* .uuid, .name = status, .value = evidence, .time_usec */
	PV_WRITE_FACT,           /* .uuid, .name, .value; NULL value deletes */
	PV_WRITE_CLEAR_FACTS,    /* .uuid */
	PV_WRITE_SECRET,         /* .secret: insert or replace by (uuid, name, state), history by made_usec too; another
	                          * current or pending value that it replaces becomes history */
	PV_WRITE_DELETE_SECRET,  /* .uuid, .name, .value = state; NULL: all of them, with the history. .secret, unless NULL:
	                          * only those with its .sealed */
	PV_WRITE_JOB,            /* .job: id 0 inserts and sets .job->id; else updates */
	PV_WRITE_RESULT,         /* .result: insert or replace by (job, index) */
	PV_WRITE_EVENT,          /* .event: append */
	PV_WRITE_AUDIT,          /* .audit: append to the chain (core/store/audit.h); keeps meta "audit-tail" with it */
	PV_WRITE_META,           /* .name, .value: inserts; fails the whole transaction with G_IO_ERROR_EXISTS when the store
	                          * has another value there, so that it also serves as "only if it is still that" */
} PvWriteKind;

/* One write; a list of them is one transaction, in order. */
typedef struct {
	PvWriteKind kind;
	const char *uuid;
	const char *name;
	const char *value;
	gint64 time_usec;
	const PvDeviceRow *device;
	const PvSecretRow *secret;
	PvJobRow *job;
	const PvResultRow *result;
	const PvEventRow *event;
	const PvAuditRow *audit;
	/* PV_WRITE_JOB: fails the whole transaction with G_IO_ERROR_EXISTS when a new job's device has one that is
	 * queued, running or parked, and with G_IO_ERROR_BUSY when an update's owner no longer holds the job */
	const char *owner;
} PvWrite;

/**
 * PvStore:
 *
 * A store provider. All functions may be called from many threads at once. A write is durable when it returns:
 * a provider is expected to share one sync among concurrent writers. Errors: PV_ERROR_CONFIG (cannot be opened,
 * read-only, newer schema), PV_ERROR_FAILED (disk full, I/O), PV_ERROR_UNREACHABLE (server away).
 */
typedef struct {
	const char *type;        /* "type" in the site's store object */
	const char *summary;
	const PvParam *params;   /* ends with {NULL} */
	gpointer (*open)(const PvValues *values, GError **error);
	void (*close)(gpointer store);
	/* 32 bytes for the audit chain. The key is kept sealed in the store's own meta, so that it outlives a rotation of
	 * the master key; it is handed over once it was read, before the first PV_WRITE_AUDIT and from one thread */
	void (*set_audit_key)(gpointer store, GBytes *audit_key);
	gboolean (*write)(gpointer store, const PvWrite *writes, gsize count, GError **error);
	/* readers: (transfer full) GPtrArray with a free function */
	GPtrArray *(*devices)(gpointer store, const char *uuid, GError **error);   /* NULL: all, by name; of PvDeviceRow */
	GPtrArray *(*facts)(gpointer store, const char *uuid, GError **error);     /* of PvFactRow */
	GPtrArray *(*secrets)(gpointer store, const char *uuid, GError **error);   /* NULL: all; "": the site's; of PvSecretRow */
	GPtrArray *(*jobs)(gpointer store, const char *uuid, gboolean active_only, GError **error); /* newest first; of PvJobRow */
	GPtrArray *(*results)(gpointer store, gint64 job, GError **error);         /* by index; of PvResultRow */
	GPtrArray *(*events)(gpointer store, const char *uuid, gint64 after_seq, guint limit, GError **error); /* NULL uuid: all; of PvEventRow */
	GPtrArray *(*audits)(gpointer store, gint64 after_seq, guint limit, GError **error); /* of PvAuditRow */
	/* takes up to @limit jobs that are due at @now_usec and free (no owner; or another's whose lease is over or who is
	 * among @dead_owners), for @owner until @lease_usec; atomically; sets them running. @uuids limits it to these devices, NULL: any. of PvJobRow */
	GPtrArray *(*claim)(gpointer store, const char *owner, gint64 now_usec, gint64 lease_usec, guint limit,
	    const char *const *uuids, const char *const *dead_owners, GError **error);
	/* owners of running jobs: (transfer full) list */
	char **(*owners)(gpointer store, GError **error);
	/* extends the lease of all jobs of @owner */
	gboolean (*renew)(gpointer store, const char *owner, gint64 lease_usec, GError **error);
	/* a value of the store itself, such as the key check; NULL value reads. Reading what is not there gives *out NULL */
	gboolean (*meta)(gpointer store, const char *name, const char *value, char **out, GError **error);
	/* replaces every secret with what @reseal makes of it, in one transaction: key rotation. Sets meta @name to @value
	 * in it. @reseal may be called on another thread and must not use the store */
	gboolean (*rotate)(gpointer store, GBytes *(*reseal)(const PvSecretRow *row, gpointer data, GError **error), gpointer data,
	    const char *meta_name, const char *meta_value, GError **error);
} PvStore;

G_END_DECLS
