/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/service/intake.h"

#include "core/amt/psk.h"
#include "core/service/limit.h"

#define INTAKE_SLOTS 4096
#define INTAKE_BURST 3 /* entries about one UUID in a row ... */
#define INTAKE_REFILL_MSEC 600000 /* ... and the time after which one more is made */
#define INTAKE_ALL_BURST 100 /* the same over all UUIDs, for they cost a stranger nothing */
#define INTAKE_ALL_REFILL_MSEC 5000
/* Firmware answers failed logins with longer and longer pauses; a hello every minute must not feed that. */
#define INTAKE_HOLD_USEC (10 * 60 * G_USEC_PER_SEC)

struct PvIntake {
	PvSite *site; /* lent */
	PvRunner *runner; /* lent; NULL: none */
	PvLimit *uuids, *all;
};

PvIntake *
pv_intake_new(PvSite *site, PvRunner *runner)
{
	PvIntake *intake = g_new0(PvIntake, 1);
	intake->site = site;
	intake->runner = runner;
	intake->uuids = pv_limit_new(INTAKE_SLOTS, INTAKE_BURST, INTAKE_REFILL_MSEC);
	intake->all = pv_limit_new(1, INTAKE_ALL_BURST, INTAKE_ALL_REFILL_MSEC);
	return intake;
}

void
pv_intake_free(PvIntake *intake)
{
	if (intake == NULL)
		return;
	pv_limit_free(intake->uuids);
	pv_limit_free(intake->all);
	g_free(intake);
}

/* whether one more line and audit entry about the UUID may be written */
static gboolean
intake_may_tell(PvIntake *intake, const char *uuid)
{
	gint64 now_usec = g_get_monotonic_time();
	return pv_limit_take(intake->uuids, uuid, now_usec, NULL) &&
	       pv_limit_take(intake->all, "", now_usec, NULL);
}

/* Without a device there is no event to hang it on; the audit log and the journal have it. */
static void
intake_audit(
    PvIntake *intake, const char *action, const char *uuid, const char *source, const char *text)
{
	if (!intake_may_tell(intake, uuid))
		return;
	g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "PV_DEVICE", uuid, "MESSAGE",
	    "hello from %s: %s: %s", source, uuid, text);
	g_autoptr(GError) error = NULL;
	if (!pv_db_audit(intake->site->db, action, uuid, &error, "hello from %s: %s", source, text))
		g_warning("audit %s: %s", action, error->message);
}

static PvIntakeOutcome
intake_fail(PvIntake *intake, const char *uuid, const GError *error)
{
	if (intake_may_tell(intake, uuid))
		g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "PV_DEVICE", uuid, "PV_CODE",
		    pv_error_get_name(error), "MESSAGE", "take hello of %s: %s", uuid,
		    error->message);
	return PV_INTAKE_FAILED;
}

/* TRUE with *row NULL: there is none */
static gboolean
intake_find(PvDb *db, const char *uuid, PvDeviceRow **row, GError **error)
{
	g_autoptr(GPtrArray) rows =
	    pv_db_get_provider(db)->devices(pv_db_get_handle(db), uuid, error);
	if (rows == NULL)
		return FALSE;
	*row = rows->len > 0 ? g_ptr_array_steal_index(rows, 0) : NULL;
	return TRUE;
}

/* whether the newest job lets another one begin */
static gboolean
intake_check_jobs(PvDb *db, const char *uuid, PvIntakeOutcome *outcome, GError **error)
{
	g_autoptr(GPtrArray) jobs = pv_db_list_jobs(db, uuid, FALSE, error);
	if (jobs == NULL)
		return FALSE;
	*outcome = PV_INTAKE_QUEUED;
	if (jobs->len == 0)
		return TRUE;
	static const char *const unfinished[] = { "queued", "running", "parked", NULL };
	const PvJobRow *job = g_ptr_array_index(jobs, 0);
	if (g_strv_contains(unfinished, job->state))
		*outcome = PV_INTAKE_BUSY;
	else if (g_str_equal(job->state, "failed") && g_strcmp0(job->code, "auth") == 0 &&
		 job->changed_usec + INTAKE_HOLD_USEC > g_get_real_time())
		*outcome = PV_INTAKE_HELD;
	return TRUE;
}

/* Whether the device was committed by us, also when a later stage failed and its status is not "Provisioned". */
static gboolean
intake_check_state(PvDb *db, const PvDeviceRow *row, gboolean *managed, GError **error)
{
	g_autoptr(GHashTable) facts = pv_db_get_facts(db, row->uuid, error);
	if (facts == NULL)
		return FALSE;
	*managed = g_strcmp0(row->status, "Provisioned") == 0 ||
	    g_strcmp0(g_hash_table_lookup(facts, "amt.state"), "operational") == 0;
	return TRUE;
}

/* The job and what the hello tells, in one transaction: nobody leads a job that is under way to another address. */
static gboolean
intake_enqueue(PvSite *site, PvDeviceRow *row, const char *pipeline, const PvHello *hello,
    const char *source, GError **error)
{
	gint64 now_usec = g_get_real_time();
	/* one of the two, so that a device which comes another way than last time is not taken for what it was */
	g_autofree char *hashes = hello->version == 2
				      ? NULL
				      : pv_root_hashes_to_string(
					    (const PvRootHash *)(gpointer)hello->hashes->data,
					    hello->hashes->len);
	const char *pid = hello->version == 2 ? hello->pid : NULL;
	g_autofree char *text = g_strdup_printf("hello from %s, try %u", source, hello->retry + 1);
	g_free(row->address);
	row->address = g_strdup(source);
	const PvEventRow event = {
		.time_usec = now_usec,
		.uuid = row->uuid,
		.level = (char *)"info",
		.text = text,
	};
	const PvWrite writes[] = {
		{ .kind = PV_WRITE_DEVICE, .device = row },
		{ .kind = PV_WRITE_FACT,
		    .uuid = row->uuid,
		    .name = "hello.hashes",
		    .value = hashes },
		{ .kind = PV_WRITE_FACT, .uuid = row->uuid, .name = "hello.pid", .value = pid },
		{ .kind = PV_WRITE_FACT, .uuid = row->uuid, .name = "amt.state", .value = "setup" },
		{ .kind = PV_WRITE_STATUS,
		    .uuid = row->uuid,
		    .name = "Not Provisioned",
		    .value = text,
		    .time_usec = now_usec },
		{ .kind = PV_WRITE_EVENT, .event = &event },
	};
	return pv_engine_enqueue_with(
	    site, row->uuid, pipeline, writes, G_N_ELEMENTS(writes), error);
}

/* the site's name for the group's pipeline, which may differ from the one in the file */
static const char *
intake_find_pipeline(const PvSite *site, const char *group, GError **error)
{
	if (pv_site_find_pipeline(site, group, error) == NULL)
		return NULL;
	const PvGroup *settings = group != NULL ? pv_site_find_group(site, group) : NULL;
	return settings != NULL ? settings->pipeline : site->default_pipeline;
}

/* Whether a stage "tls" of the pipeline has the mode; *any: whether there is such a stage at all. */
static gboolean
intake_has_mode(const PvPipeline *pipeline, const char *mode, gboolean *any)
{
	gboolean found = FALSE;
	*any = FALSE;
	for (guint i = 0; pipeline->stages != NULL && i < pipeline->stages->len; i++) {
		const PvPipelineStage *entry = pipeline->stages->pdata[i];
		if (!g_str_equal(entry->stage->type, "tls"))
			continue;
		*any = TRUE;
		found = found || g_str_equal(pv_values_get_string(entry->values, "mode"), mode);
	}
	return found;
}

/* Whether the way by which the device waits to be set up is that of its pipeline, and for a pre-shared key, whether
 * it is known here. Else it says what to do about it; a job could only fail. */
static gboolean
intake_check_way(PvIntake *intake, const PvHello *hello, const char *source, const char *name)
{
	const PvPipeline *pipeline = g_hash_table_lookup(intake->site->pipelines, name);
	gboolean psk = hello->version == 2, any = FALSE;
	gboolean fits = intake_has_mode(pipeline, psk ? "psk" : "pki", &any);
	g_autofree char *text = NULL;
	if (psk && !fits)
		text = g_strdup_printf(
		    "the device waits to be set up by pre-shared key (PID %s), which pipeline \"%s\" "
		    "does not do: put it into a group whose pipeline has { \"stage\": \"tls\", "
		    "\"mode\": \"psk\" }, or set it up with a certificate",
		    hello->pid, name);
	else if (!psk && any && !fits)
		text = g_strdup_printf(
		    "the device waits to be set up by certificate, and pipeline \"%s\" does it by "
		    "pre-shared key only: put it into a group whose stage tls has the mode \"pki\", or "
		    "give it PID and PPS",
		    name);
	else if (psk) {
		g_autofree char *secret = pv_psk_dup_secret_name(hello->pid);
		if (!pv_db_has_secret(intake->site->db, "", secret, "current"))
			text = g_strdup_printf(
			    "the PPS of its PID %s is not known: give it with \"provost psk add %s\"",
			    hello->pid, hello->pid);
	}
	if (text != NULL)
		intake_audit(intake, psk ? "hello-psk" : "hello-pki", hello->uuid, source, text);
	return text == NULL;
}

static PvIntakeOutcome
intake_begin(PvIntake *intake, PvDeviceRow *row, const PvHello *hello, const char *source)
{
	g_autoptr(GError) error = NULL;
	const char *pipeline = intake_find_pipeline(intake->site, row->group, &error);
	if (pipeline == NULL)
		return intake_fail(intake, row->uuid, error);
	if (!intake_check_way(intake, hello, source, pipeline))
		return PV_INTAKE_REFUSED;
	if (!intake_enqueue(intake->site, row, pipeline, hello, source, &error))
		return g_error_matches(error, G_IO_ERROR, G_IO_ERROR_EXISTS)
			   ? PV_INTAKE_BUSY
			   : intake_fail(intake, row->uuid, error);
	if (intake->runner != NULL)
		pv_runner_wake(intake->runner);
	return PV_INTAKE_QUEUED;
}

PvIntakeOutcome
pv_intake_hello(PvIntake *intake, const PvHello *hello, const char *source)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvDeviceRow) row = NULL;
	PvIntakeOutcome outcome = PV_INTAKE_FAILED;
	if (!pv_uuid_is_usable(hello->uuid)) {
		intake_audit(intake, "hello-bad-uuid", hello->uuid, source,
		    "a UUID that many boards share; give the board its own");
		return PV_INTAKE_REFUSED;
	}
	/* the jobs first: a status that is read after the last job's end is the one that it left */
	if (!intake_check_jobs(intake->site->db, hello->uuid, &outcome, &error) ||
	    !intake_find(intake->site->db, hello->uuid, &row, &error))
		return intake_fail(intake, hello->uuid, error);
	if (row == NULL) {
		intake_audit(intake, "hello-unknown", hello->uuid, source,
		    "unknown device; import or add it to have it provisioned");
		return PV_INTAKE_UNKNOWN;
	}
	if (outcome != PV_INTAKE_QUEUED)
		return outcome;
	/* Somebody may play the device to be given its account and a certificate, so a person must say that it was reset. */
	gboolean managed = FALSE;
	if (!intake_check_state(intake->site->db, row, &managed, &error))
		return intake_fail(intake, hello->uuid, error);
	if (managed) {
		intake_audit(intake, "hello-from-provisioned", hello->uuid, source,
		    "the device was set up by this site; if it was reset to factory state say so "
		    "with \"provost reset\"");
		return PV_INTAKE_PROVISIONED;
	}
	return intake_begin(intake, row, hello, source);
}
