/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/amt/session.h"
#include "core/engine/runner.h"

G_BEGIN_DECLS

/* The inner side of PvJob: what the runner, the dry run and the tests of plugins do with it. */

typedef void (*PvJobProgressFunc)(const char *text, gpointer data);

/**
 * pv_job_new:
 * @site: borrowed, outlives the job
 * @row: the device; copied
 * @facts: (transfer full): name -> value
 * @cancellable: (nullable)
 */
PvJob *pv_job_new(
    PvSite *site, const PvDeviceRow *row, GHashTable *facts, GCancellable *cancellable);
void pv_job_free(PvJob *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvJob, pv_job_free)

void pv_job_set_dry_run(PvJob *job, gboolean dry_run);
void pv_job_set_trace_dir(PvJob *job, const char *trace_dir);
void pv_job_set_progress(PvJob *job, PvJobProgressFunc func, gpointer data);
/* the stage that the next calls are for; borrowed */
void pv_job_set_stage(PvJob *job, const PvPipelineStage *stage);
/* the pipeline that the stages are of, for pv_job_has_later_stage(); borrowed; NULL: a single stage, as in tests */
void pv_job_set_pipeline(PvJob *job, const PvPipeline *pipeline);
/* a session made elsewhere, for tests against a fake device */
void pv_job_take_wsman(PvJob *job, PvWsman *wsman);
GHashTable *pv_job_get_facts(PvJob *job); /* lent */
PvSite *pv_job_get_site(PvJob *job);

/* Whether a condition holds now: of the stage, or any. */
gboolean pv_job_is_wanted(PvJob *job, const PvPipelineStage *stage);
gboolean pv_job_test(PvJob *job, const PvCondition *condition);

/* The facts changed since the last call as writes; their strings are lent until the next change. */
GArray *pv_job_take_fact_writes(PvJob *job); /* of PvWrite; g_array_unref() */

/* What pv_job_wait() asked for since the stage was set; 0: nothing. */
guint pv_job_get_wait_sec(PvJob *job);
/* What pv_job_skip() said; NULL: nothing. */
const char *pv_job_get_skip(PvJob *job);

/**
 * pv_engine_run_stage:
 * @result: outcome, changes and text are filled in, also when it fails; the rest is the caller's
 *
 * Plan, apply, plan again. Changes that an interrupted run of the same stage recorded in @result->changes are kept.
 */
gboolean pv_engine_run_stage(
    PvJob *job, PvResultRow *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A password by Intel's rule; @length 8 to 32. */
PvSecret *pv_password_new(guint length, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_certificate_check:
 * @chain: (nullable): of GBytes DER, what came along with it, in any order
 * @key: (nullable): the key it must hold
 * @trust: (nullable): where it must chain to
 *
 * Whether a certificate is what @request asked for at @now (seconds), with @days_left to go. The error's text is the reason.
 */
gboolean pv_certificate_check(const PvCertRequest *request, GBytes *der, GPtrArray *chain,
    EVP_PKEY *key, PvTrust *trust, guint days_left, gint64 now, GError **error);

G_END_DECLS
