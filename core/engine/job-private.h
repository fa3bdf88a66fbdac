/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/engine/job.h"

G_BEGIN_DECLS

/* One pair to try at a login. */
typedef struct {
	char *user; /* owned */
	PvSecret *password; /* owned */
	char *source; /* owned: "pending password", "credential 2 of the site", for people */
} PvLogin;

struct PvJob {
	PvSite *site; /* borrowed */
	PvDevice *device; /* owned */
	char *otp_hash; /* owned; NULL: none expected */
	char *status; /* owned: the device's status when the job was made */
	GHashTable *facts; /* char* -> char*, owned */
	GHashTable *changed; /* set of names changed since they were last taken, owned */
	GHashTable *taken; /* those before, whose names the writes lend; NULL: none */
	GCancellable *cancellable; /* owned; NULL: none */
	const PvPipelineStage *stage; /* borrowed */
	const PvPipeline *pipeline; /* borrowed; NULL: not known */
	PvWsman *wsman; /* owned; NULL: not dialled yet */
	GPtrArray *logins; /* of PvLogin, owned; NULL: not listed yet */
	guint login_failures; /* recorded failures of the last hour, this job's included */
	gboolean dry_run;
	guint wait_sec; /* asked for by the stage */
	char *skip; /* owned; NULL: the stage was not skipped */
	char *trace_dir; /* owned; NULL: none */
	PvJobProgressFunc progress;
	gpointer progress_data;
};

/* core/engine/login.c */
void pv_job_free_logins(PvJob *job);
gboolean pv_job_next_login(gpointer data, const char *realm, guint attempt, char **user,
    PvSecret **password, GError **error);
void pv_job_login_worked(gpointer data, guint attempt);

/* core/engine/job.c: a new session; @kerberos: (nullable): logs in by its tickets and by nothing else */
PvWsman *pv_job_new_session(PvJob *job, PvKerberos *kerberos, GError **error);
/* whether the device is managed: set up, with a certificate of the site's CA */
gboolean pv_job_is_operational(PvJob *job);

/* core/engine/ticket.c: logs in to the device by ticket in a session of its own, and reads a little. TRUE: it was accepted. FALSE:
 * the error says why not, with what can be read of the device by other logins; *state tells how far it came */
gboolean pv_job_try_ticket(PvJob *job, PvKerberos *kerberos, PvTicketState *state, GError **error);
char *pv_job_dup_service(PvJob *job, GError **error); /* "HTTP/FQDN:PORT"; CONFIG without an FQDN */

/* core/engine/engine.c: a dry run in two steps, for pv_engine_plan() and pv_engine_verify() */
PvJob *pv_engine_new_dry_job(PvSite *site, const PvDeviceRow *device, const char *trace_dir,
    GCancellable *cancellable, GError **error);
GPtrArray *pv_engine_plan_job(PvJob *job, const PvPipeline *pipeline, GError **error);

G_END_DECLS
