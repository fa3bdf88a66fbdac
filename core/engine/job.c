/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/job-private.h"

#include "core/amt/clientcert.h"
#include "core/amt/provcert.h"
#include "core/amt/psk.h"

PvJob *
pv_job_new(PvSite *site, const PvDeviceRow *row, GHashTable *facts, GCancellable *cancellable)
{
	PvJob *job = g_new0(PvJob, 1);
	job->site = site;
	job->device = pv_device_new(row);
	job->otp_hash = g_strdup(row->otp_hash);
	job->status = g_strdup(row->status);
	job->facts = facts;
	job->changed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	job->cancellable = cancellable != NULL ? g_object_ref(cancellable) : NULL;
	if (row->otp_hash != NULL)
		g_hash_table_insert(job->facts, g_strdup("otp.expected"), g_strdup(row->otp_hash));
	else
		g_hash_table_remove(job->facts, "otp.expected");
	return job;
}

void
pv_job_free(PvJob *job)
{
	if (job == NULL)
		return;
	pv_wsman_free(job->wsman);
	pv_job_free_logins(job);
	pv_device_unref(job->device);
	g_free(job->otp_hash);
	g_free(job->status);
	g_hash_table_unref(job->facts);
	g_hash_table_unref(job->changed);
	g_clear_pointer(&job->taken, g_hash_table_unref);
	g_clear_object(&job->cancellable);
	g_free(job->skip);
	g_free(job->trace_dir);
	g_free(job);
}

void
pv_job_set_dry_run(PvJob *job, gboolean dry_run)
{
	job->dry_run = dry_run;
}

void
pv_job_set_trace_dir(PvJob *job, const char *trace_dir)
{
	g_free(job->trace_dir);
	job->trace_dir = g_strdup(trace_dir);
}

void
pv_job_set_progress(PvJob *job, PvJobProgressFunc func, gpointer data)
{
	job->progress = func;
	job->progress_data = data;
}

void
pv_job_set_stage(PvJob *job, const PvPipelineStage *stage)
{
	job->stage = stage;
	job->wait_sec = 0;
	g_clear_pointer(&job->skip, g_free);
}

void
pv_job_set_pipeline(PvJob *job, const PvPipeline *pipeline)
{
	job->pipeline = pipeline;
}

gboolean
pv_job_has_later_stage(PvJob *job, const char *type)
{
	guint index = 0;
	if (job->pipeline == NULL || !g_ptr_array_find(job->pipeline->stages, job->stage, &index))
		return FALSE;
	for (guint i = index + 1; i < job->pipeline->stages->len; i++) {
		const PvPipelineStage *later = job->pipeline->stages->pdata[i];
		if (g_str_equal(later->stage->type, type) && pv_job_is_wanted(job, later))
			return TRUE;
	}
	return FALSE;
}

void
pv_job_take_wsman(PvJob *job, PvWsman *wsman)
{
	pv_wsman_free(job->wsman);
	job->wsman = wsman;
}

GHashTable *
pv_job_get_facts(PvJob *job)
{
	return job->facts;
}

PvSite *
pv_job_get_site(PvJob *job)
{
	return job->site;
}

guint
pv_job_get_wait_sec(PvJob *job)
{
	return job->wait_sec;
}

const char *
pv_job_get_skip(PvJob *job)
{
	return job->skip;
}

const PvDevice *
pv_job_get_device(PvJob *job)
{
	return job->device;
}

GCancellable *
pv_job_get_cancellable(PvJob *job)
{
	return job->cancellable;
}

const PvValues *
pv_job_get_values(PvJob *job)
{
	return job->stage->values;
}

const char *
pv_job_get_string(PvJob *job, const char *param)
{
	return pv_values_get_string(job->stage->values, param);
}

gint64
pv_job_get_int(PvJob *job, const char *param)
{
	return pv_values_get_int(job->stage->values, param);
}

gboolean
pv_job_get_bool(PvJob *job, const char *param)
{
	return pv_values_get_bool(job->stage->values, param);
}

const char *const *
pv_job_get_list(PvJob *job, const char *param)
{
	return pv_values_get_list(job->stage->values, param);
}

const char *
pv_job_get_fact(PvJob *job, const char *name)
{
	return g_hash_table_lookup(job->facts, name);
}

static gint
job_compare_names(gconstpointer a, gconstpointer b)
{
	return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

char **
pv_job_list_facts(PvJob *job)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	GHashTableIter iter;
	gpointer name = NULL;
	g_hash_table_iter_init(&iter, job->facts);
	while (g_hash_table_iter_next(&iter, &name, NULL))
		g_ptr_array_add(names, name);
	g_ptr_array_sort(names, job_compare_names);
	g_ptr_array_add(names, NULL);
	return g_strdupv((char **)names->pdata);
}

void
pv_job_set_fact(PvJob *job, const char *name, const char *value)
{
	g_return_if_fail(name != NULL && *name != '\0');
	if (g_strcmp0(g_hash_table_lookup(job->facts, name), value) == 0)
		return;
	if (value != NULL)
		g_hash_table_insert(job->facts, g_strdup(name), g_strdup(value));
	else
		g_hash_table_remove(job->facts, name);
	g_hash_table_add(job->changed, g_strdup(name));
}

GArray *
pv_job_take_fact_writes(PvJob *job)
{
	GArray *writes = g_array_new(FALSE, TRUE, sizeof(PvWrite));
	GHashTableIter iter;
	gpointer name = NULL;
	g_hash_table_iter_init(&iter, job->changed);
	while (g_hash_table_iter_next(&iter, &name, NULL)) {
		const PvWrite write = {
			.kind = PV_WRITE_FACT,
			.uuid = pv_device_get_uuid(job->device),
			.name = name,
			.value = g_hash_table_lookup(job->facts, name),
		};
		g_array_append_val(writes, write);
	}
	g_clear_pointer(&job->taken, g_hash_table_unref);
	job->taken = g_steal_pointer(&job->changed);
	job->changed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return writes;
}

gboolean
pv_job_save_facts(PvJob *job, GError **error)
{
	if (job->dry_run || g_hash_table_size(job->changed) == 0)
		return TRUE;
	g_autoptr(GArray) writes = pv_job_take_fact_writes(job);
	if (pv_db_write(job->site->db, (const PvWrite *)writes->data, writes->len, error))
		return TRUE;
	for (guint i = 0; i < writes->len; i++) /* the stage's result may still bring them */
		g_hash_table_add(
		    job->changed, g_strdup(g_array_index(writes, PvWrite, i).name));
	return FALSE;
}

void
pv_job_progress(PvJob *job, const char *format, ...)
{
	if (job->progress == NULL)
		return;
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	job->progress(text, job->progress_data);
}

void
pv_job_skip(PvJob *job, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_free(job->skip);
	job->skip = g_strdup_vprintf(format, args);
	va_end(args);
}

gboolean
pv_job_wait(PvJob *job, guint seconds, GError **error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *reason = g_strdup_vprintf(format, args);
	va_end(args);
	job->wait_sec = MAX(seconds, 1);
	g_set_error_literal(error, PV_ERROR, PV_ERROR_PENDING, reason);
	return FALSE;
}

gboolean
pv_job_is_dry_run(PvJob *job)
{
	return job->dry_run;
}

/* What the site says of the device's group; modern where it has none. */
static PvTlsPolicy
job_get_policy(PvJob *job)
{
	const char *name = pv_device_get_group(job->device);
	const PvGroup *group = name != NULL ? pv_site_find_group(job->site, name) : NULL;
	return group != NULL ? group->tls : PV_TLS_MODERN;
}

gboolean
pv_job_is_legacy(PvJob *job)
{
	return job_get_policy(job) == PV_TLS_LEGACY;
}

static const char *
job_lookup(gpointer data, const char *name)
{
	PvJob *job = data;
	if (g_str_has_prefix(name, "site."))
		return g_hash_table_lookup(job->site->variables, name + strlen("site."));
	if (!g_str_has_prefix(name, "device."))
		return NULL;
	name += strlen("device.");
	const struct {
		const char *name, *value;
	} columns[] = {
		{ "group", pv_device_get_group(job->device) },
		{ "name", pv_device_get_name(job->device) },
		{ "fqdn", pv_device_get_fqdn(job->device) },
		{ "uuid", pv_device_get_uuid(job->device) },
		{ "mac", pv_device_get_mac(job->device) },
		{ "address", pv_device_get_address(job->device) },
	};
	for (guint i = 0; i < G_N_ELEMENTS(columns); i++)
		if (g_str_equal(columns[i].name, name))
			return columns[i].value;
	return g_hash_table_lookup(job->facts, name);
}

gboolean
pv_job_test(PvJob *job, const PvCondition *condition)
{
	return pv_condition_eval(condition, job_lookup, job);
}

gboolean
pv_job_is_wanted(PvJob *job, const PvPipelineStage *stage)
{
	return stage->when == NULL || pv_job_test(job, stage->when);
}

/* A dry run promises that nothing changes; a plan that asks for a new secret is a defect of its plugin. */
static gboolean
job_may_write(PvJob *job, const char *what, GError **error)
{
	if (!job->dry_run)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "%s: not in a dry run", what);
	return FALSE;
}

PvSecret *
pv_job_new_secret(PvJob *job, const char *name, guint length, GError **error)
{
	const char *uuid = pv_device_get_uuid(job->device);
	if (!job_may_write(job, "new secret", error))
		return NULL;
	if (pv_db_has_secret(job->site->db, uuid, name, "pending"))
		return pv_db_dup_secret(job->site->db, uuid, name, "pending", error);
	g_autoptr(PvSecret) secret = pv_password_new(length, error);
	if (secret == NULL ||
	    !pv_db_put_secret(job->site->db, uuid, name, "pending", secret, error))
		return NULL;
	return g_steal_pointer(&secret);
}

gboolean
pv_job_propose_secret(PvJob *job, const char *name, PvSecret *value, GError **error)
{
	const char *uuid = pv_device_get_uuid(job->device);
	if (!job_may_write(job, "propose secret", error))
		return FALSE;
	if (pv_db_has_secret(job->site->db, uuid, name, "pending")) {
		g_autoptr(PvSecret) pending =
		    pv_db_dup_secret(job->site->db, uuid, name, "pending", error);
		if (pending == NULL)
			return FALSE;
		if (pv_secret_equal(pending, value))
			return TRUE;
	}
	return pv_db_put_secret(job->site->db, uuid, name, "pending", value, error);
}

gboolean
pv_job_confirm_secret(PvJob *job, const char *name, GError **error)
{
	if (!job_may_write(job, "confirm secret", error))
		return FALSE;
	/* the list of logins was made before this value was current */
	pv_job_free_logins(job);
	return pv_db_confirm_secret(job->site->db, pv_device_get_uuid(job->device), name, error);
}

static const char *
job_secret_state(PvSecretState state)
{
	return state == PV_SECRET_PENDING ? "pending" : "current";
}

gboolean
pv_job_has_secret(PvJob *job, const char *name, PvSecretState state)
{
	return pv_db_has_secret(
	    job->site->db, pv_device_get_uuid(job->device), name, job_secret_state(state));
}

PvSecret *
pv_job_dup_secret(PvJob *job, const char *name, PvSecretState state, GError **error)
{
	return pv_db_dup_secret(
	    job->site->db, pv_device_get_uuid(job->device), name, job_secret_state(state), error);
}

PvSecret *
pv_job_dup_account_password(PvJob *job, GError **error)
{
	if (pv_job_has_secret(job, "account", PV_SECRET_PENDING))
		return pv_job_dup_secret(job, "account", PV_SECRET_PENDING, error);
	if (pv_job_has_secret(job, "account", PV_SECRET_CURRENT))
		return pv_job_dup_secret(job, "account", PV_SECRET_CURRENT, error);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "the device's account has no password here: run the stage ad-account");
	return NULL;
}

PvSecret *
pv_job_dup_param_secret(PvJob *job, const char *param, GError **error)
{
	return pv_values_dup_secret(job->stage->values, param, error);
}

const PvDirectory *
pv_job_get_directory(PvJob *job, gpointer *handle, GError **error)
{
	if (job->site->directory == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: the site has no \"directory\"",
		    job->site->file);
		return NULL;
	}
	*handle = job->site->directory_handle;
	return job->site->directory;
}

gboolean
pv_job_record_security_event(PvJob *job, const char *event, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_autoptr(GError) error = NULL;
	if (!pv_db_audit(
		job->site->db, event, pv_device_get_uuid(job->device), &error, "%s", text)) {
		g_warning("record security event %s of %s: %s", event,
		    pv_device_get_uuid(job->device), error->message);
		return FALSE;
	}
	return TRUE;
}

gboolean
pv_job_check_client_certificate(
    PvJob *job, GPtrArray *roots, const char *const *names, gint64 now, GError **error)
{
	if (job->site->client != NULL)
		return pv_client_certificate_check(job->site->client, roots, names, now, error);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "%s: the site has no \"client-certificate\", and a device with mutual authentication lets "
	    "nobody in without one",
	    job->site->file);
	return FALSE;
}

/* Set-up or managed: what the job knows before it dials. A device that was committed by us is never again
 * talked to without verification, whatever certificate it shows. */
gboolean
pv_job_is_operational(PvJob *job)
{
	return g_strcmp0(g_hash_table_lookup(job->facts, "amt.state"), "operational") == 0;
}

/* The provisioning certificate for this device, checked by the firmware's rules before anything is dialled. */
static PvIdentity *
job_choose_identity(PvJob *job, GError **error)
{
	if (job->site->identities->len == 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: no \"provisioning-certificates\": a device in set-up lets nobody else in",
		    job->site->file);
		return NULL;
	}
	const char *suffix = job->site->dns_suffix;
	const char *fqdn = pv_device_get_fqdn(job->device);
	if (suffix == NULL && fqdn != NULL && strchr(fqdn, '.') != NULL)
		suffix = strchr(fqdn, '.') + 1;
	const char *known = pv_job_get_fact(job, "hello.hashes");
	g_autoptr(GArray) hashes = NULL;
	if (known != NULL) {
		hashes = pv_root_hashes_parse(known, error);
		if (hashes == NULL)
			return NULL;
	}
	const PvProvisioningDevice device = { .suffix = suffix,
		.hashes = hashes,
		.version = pv_job_get_fact(job, "amt.version"),
		.legacy = pv_job_is_legacy(job) };
	return pv_provisioning_choose(job->site->identities, &device, error);
}

/* Firmware lost PSK with AMT 11 (Intel AMT SDK, "Setup Mode Hello Messages"), and its suites are none that the modern
 * policy allows: no forward secrecy, and what old firmware has of ciphers and TLS versions. */
static gboolean
job_check_psk(PvJob *job, GError **error)
{
	const char *name = pv_device_get_name(job->device);
	const char *version = pv_job_get_fact(job, "amt.version");
	if (version != NULL && g_ascii_strtoull(version, NULL, 10) >= 11) {
		g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
		    "device %s: AMT %s knows no set-up by pre-shared key: give the stage tls the "
		    "mode \"pki\"",
		    name, version);
		return FALSE;
	}
	if (pv_job_is_legacy(job))
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "device %s: set-up by pre-shared key needs the TLS policy \"legacy\": put the device into a "
	    "group of %s that has it",
	    name, job->site->file);
	return FALSE;
}

/* No document says what bytes firmware takes PID and PPS for on the wire; the stage tls has a parameter for that, which
 * stands behind the mode in its fact: "psk", "psk dashed-pid", "psk dashed-pps", "psk dashed". */
static void
job_shape_psk(PvJob *job, char **pid, PvSecret **pps)
{
	const char *mode = pv_job_get_fact(job, "tls.mode");
	gboolean both = g_str_has_suffix(mode, " dashed");
	if (both || g_str_has_suffix(mode, " dashed-pid")) {
		char *dashed = pv_psk_dup_dashed_pid(*pid);
		g_free(*pid);
		*pid = dashed;
	}
	if (both || g_str_has_suffix(mode, " dashed-pps")) {
		PvSecret *dashed = pv_psk_dup_dashed_pps(*pps);
		pv_secret_unref(*pps);
		*pps = dashed;
	}
}

/* The PID that the device said hello with, and the PPS that goes with it. Both are given to @options and owned by the
 * caller. */
static gboolean
job_choose_psk(PvJob *job, char **pid, PvSecret **pps, GError **error)
{
	const char *known = pv_job_get_fact(job, "hello.pid");
	if (!job_check_psk(job, error))
		return FALSE;
	if (known == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "device %s: its PID is not known: wait for its hello, or name it with \"provost psk "
		    "add PID --device %s\"",
		    pv_device_get_name(job->device), pv_device_get_name(job->device));
		return FALSE;
	}
	g_autofree char *name = pv_psk_dup_secret_name(known);
	if (!pv_db_has_secret(job->site->db, "", name, "current")) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "device %s: the PPS of its PID %s is not in the store: give it with \"provost psk "
		    "add %s\"",
		    pv_device_get_name(job->device), known, known);
		return FALSE;
	}
	*pps = pv_db_dup_secret(job->site->db, "", name, "current", error);
	if (*pps == NULL)
		return FALSE;
	*pid = g_strdup(known);
	job_shape_psk(job, pid, pps);
	return TRUE;
}

/* The site's own ticket, where devices are to be logged in to by ticket. A changed password proves itself by being taken, for
 * which a ticket would be no proof. NULL: by password. */
static PvKerberos *
job_dup_kerberos(PvJob *job)
{
	g_autoptr(PvKerberos) kerberos = NULL;
	g_autoptr(GError) error = NULL;
	if (!job->site->login_kerberos || !pv_job_is_operational(job) ||
	    pv_job_has_secret(job, "admin", PV_SECRET_PENDING) ||
	    pv_device_get_fqdn(job->device) == NULL)
		return NULL;
	if (!pv_site_dup_kerberos(job->site, &kerberos, job->cancellable, &error))
		pv_job_progress(job, "log in by password: %s", error->message);
	return g_steal_pointer(&kerberos);
}

PvWsman *
pv_job_new_session(PvJob *job, PvKerberos *only, GError **error)
{
	const char *fqdn = pv_device_get_fqdn(job->device);
	const char *address = pv_device_get_address(job->device);
	if (address == NULL)
		address = fqdn;
	if (address == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "device %s: neither address nor FQDN known: import it, or wait for its hello",
		    pv_device_get_name(job->device));
		return NULL;
	}
	gboolean operational = pv_job_is_operational(job);
	const char *mode = pv_job_get_fact(job, "tls.mode");
	gboolean psk = !operational && mode != NULL && g_str_has_prefix(mode, "psk");
	g_autoptr(PvIdentity) identity = NULL;
	g_autofree char *pid = NULL;
	g_autoptr(PvSecret) pps = NULL;
	if (psk && !job_choose_psk(job, &pid, &pps, error))
		return NULL;
	if (operational && job->site->client != NULL)
		identity = pv_identity_ref(job->site->client);
	if (!operational && !psk) {
		identity = job_choose_identity(job, error);
		if (identity == NULL)
			return NULL;
	}
	/* with a commit under way the device may have left the key for its certificate already */
	gboolean key_only = psk && pv_job_get_fact(job, "commit.sent") == NULL;
	g_autoptr(PvTrust) trust = NULL;
	if (!key_only && !pv_site_dup_trust(job->site, &trust, job->cancellable, error))
		return NULL;
	g_autoptr(PvKerberos) kerberos =
	    only != NULL ? pv_kerberos_ref(only) : job_dup_kerberos(job);
	g_autofree char *service = kerberos != NULL ? pv_job_dup_service(job, error) : NULL;
	if (kerberos != NULL && service == NULL)
		return NULL;
	const PvWsmanOptions options = {
		.address = address,
		.port = job->site->device_port,
		.tls = TRUE,
		.policy = job_get_policy(job),
		.identity = identity,
		.trust = trust,
		.peer_name = fqdn,
		.allow_unverified = !operational && !psk,
		.pin = pv_job_get_fact(job, "tls.fingerprint"),
		.psk_identity = pid,
		.psk = pps,
		.connect_msec = job->site->connect_msec,
		.request_msec = job->site->request_msec,
		.kerberos = kerberos,
		.service = service,
		.next = only == NULL ? pv_job_next_login : NULL,
		.worked = pv_job_login_worked,
		.data = job,
		.trace_dir = job->trace_dir,
		.trace_name = pv_device_get_name(job->device),
	};
	return pv_wsman_new(&options, job->cancellable);
}

PvWsman *
pv_job_get_wsman(PvJob *job, GError **error)
{
	if (job->wsman == NULL)
		job->wsman = pv_job_new_session(job, NULL, error);
	return job->wsman;
}

void
pv_job_reconnect(PvJob *job)
{
	pv_job_free_logins(job);
	/* the facts decide how to dial, and they may have changed */
	g_clear_pointer(&job->wsman, pv_wsman_free);
}
