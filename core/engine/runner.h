/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/job.h>
#include "core/engine/site.h"

G_BEGIN_DECLS

/* What a dry run found out about one stage. */
typedef struct {
	const char *stage; /* type; borrowed */
	const char *
	    outcome; /* "changes", "already", "skipped", "unknown" (cannot be told before earlier stages have run), "failed" */
	char *text; /* reason; NULL: none */
	PvPlan *plan; /* NULL: none */
} PvStagePlan;

/**
 * pv_engine_plan:
 *
 * Plans every stage against the device and writes nothing to it, nor facts to the store.
 *
 * Returns: (transfer container): GPtrArray of PvStagePlan; NULL when the device cannot be planned at all.
 */
GPtrArray *pv_engine_plan(PvSite *site, const PvDeviceRow *row, const PvPipeline *pipeline,
    const char *trace_dir, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What a verification found out. */
typedef struct {
	GError *problem; /* owned: why the device cannot be verified; NULL: it was */
	GPtrArray *stages; /* of PvStagePlan, owned; NULL: not asked */
	guint differs; /* rows that the pipeline would change */
	char *principal; /* owned: whose ticket it let in; NULL: none was asked about */
	char *user, *fingerprint; /* owned: of the login and of the device's certificate; NULL: none */
	gint64 not_after_sec; /* when that certificate expires; 0: none seen */
} PvVerification;
void pv_verification_free(PvVerification *verification);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvVerification, pv_verification_free)

/**
 * pv_engine_verify:
 * @kerberos: (nullable): somebody whose ticket the device must let in, too
 *
 * Logs in to a device that the site has set up, over its verified certificate, and plans every stage. Writes nothing
 * to the device; in the store, an entry in the device's log, and the evidence of its status where it was verified. From
 * any thread.
 *
 * Returns: (transfer full): what was found; NULL with the store's error, or G_IO_ERROR_CANCELLED.
 */
PvVerification *pv_engine_verify(PvSite *site, const PvDeviceRow *row, const PvPipeline *pipeline,
    PvKerberos *kerberos, const char *trace_dir, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether a condition holds for what is known of a device. Dials nothing. FALSE with the store's error. */
gboolean pv_engine_test(PvSite *site, const PvDeviceRow *row, const PvCondition *condition,
    gboolean *holds, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether a new job can begin as far as provisioning certificates go: FALSE with PV_ERROR_CONFIG where the device, being
 * in set-up, is to be shown one and all of the site's have expired. */
gboolean pv_engine_check_certificate(
    PvSite *site, const char *uuid, const char *pipeline, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Puts a job into the store. CONFIG as above; G_IO_ERROR_EXISTS: the device has an unfinished one, which will go on. */
gboolean pv_engine_enqueue(
    PvSite *site, const char *uuid, const char *pipeline, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* the same with @writes in the same transaction: where there is an unfinished job, nothing of them is written */
gboolean pv_engine_enqueue_with(PvSite *site, const char *uuid, const char *pipeline,
    const PvWrite *writes, gsize count, GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef enum {
	PV_RUNNER_JOB_STARTED, /* taken up, at .stage */
	PV_RUNNER_STAGE_STARTED,
	PV_RUNNER_PROGRESS, /* .text */
	PV_RUNNER_STAGE_ENDED, /* .outcome, .text */
	PV_RUNNER_JOB_PARKED, /* .text, .due_usec */
	PV_RUNNER_JOB_ENDED, /* .outcome "done", "failed", "cancelled"; .text */
} PvRunnerEventKind;

typedef struct {
	PvRunnerEventKind kind;
	gint64 job;
	const char *uuid, *name, *stage, *outcome, *text;
	guint index, count; /* of the stage, of stages */
	gint64 due_usec;
} PvRunnerEvent;

/* Called on worker threads, one at a time; all strings are lent for the call. */
typedef void (*PvRunnerFunc)(const PvRunnerEvent *event, gpointer data);

/* Takes jobs from the store and runs them on a bounded pool of threads. */
typedef struct PvRunner PvRunner;

PvRunner *pv_runner_new(PvSite *site, guint workers, PvRunnerFunc func, gpointer data);
/* limits it to these devices; before it is started */
void pv_runner_set_devices(PvRunner *runner, const char *const *uuids);
void pv_runner_set_trace_dir(PvRunner *runner, const char *trace_dir);
/* starts threads; claims what is due, and jobs of dead processes; returns at once */
void pv_runner_start(PvRunner *runner);
/* tells it that jobs were enqueued */
void pv_runner_wake(PvRunner *runner);
/* blocks until none of the (limited) jobs is queued, running or parked, or the runner is stopped. FALSE with the
 * store's error when the store fails */
gboolean pv_runner_wait(PvRunner *runner, GError **error);
/* cancels what runs: jobs go back to "queued" at their stage and nothing is half recorded; joins the threads */
void pv_runner_stop(PvRunner *runner);
void pv_runner_free(PvRunner *runner);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvRunner, pv_runner_free)

PvPlan *pv_plan_new(void);
void pv_plan_free(PvPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvPlan, pv_plan_free)
/* JSON array of {object, property, from, to}. (transfer full) */
char *pv_plan_to_json(const PvPlan *plan);

PvDevice *pv_device_new(const PvDeviceRow *row);

G_END_DECLS
