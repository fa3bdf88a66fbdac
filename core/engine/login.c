/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/job-private.h"

/* Which passwords are tried, and when to stop.
 *
 * After ten failed logins in a row AMT refuses all of them for a growing time, and forgets the count after an hour
 * without failures (Intel AMT SDK, "Login back-off"). So failures are counted per device in a fact that is durable
 * before the next password is sent, over all jobs: at LOGIN_STOP nothing is tried until the hour is over. */
#define LOGIN_STOP 8
#define LOGIN_FORGET_USEC (61 * G_TIME_SPAN_MINUTE)
#define LOGIN_FACT "login.failures" /* "COUNT TIME", microseconds of wall clock */

static void
login_free(gpointer data)
{
	PvLogin *login = data;
	g_free(login->user);
	pv_secret_unref(login->password);
	g_free(login->source);
	g_free(login);
}

void
pv_job_free_logins(PvJob *job)
{
	g_clear_pointer(&job->logins, g_ptr_array_unref);
}

/* Adds a pair unless it is there already: a password tried twice is a failure for nothing. */
static void
login_add(GPtrArray *logins, const char *user, PvSecret *password, const char *source)
{
	for (guint i = 0; i < logins->len; i++) {
		const PvLogin *login = logins->pdata[i];
		if (g_str_equal(login->user, user) && pv_secret_equal(login->password, password))
			return;
	}
	PvLogin *login = g_new0(PvLogin, 1);
	login->user = g_strdup(user);
	login->password = pv_secret_ref(password);
	login->source = g_strdup(source);
	g_ptr_array_add(logins, login);
}

static gboolean
login_add_stored(PvJob *job, GPtrArray *logins, const char *name, const char *state,
    const char *source, GError **error)
{
	const char *uuid = pv_device_get_uuid(job->device);
	if (!pv_db_has_secret(job->site->db, uuid, name, state))
		return TRUE;
	g_autoptr(PvSecret) password = pv_db_dup_secret(job->site->db, uuid, name, state, error);
	if (password == NULL)
		return FALSE;
	login_add(logins, "admin", password, source);
	return TRUE;
}

/* Pending first, for after a crash it is the likelier one; then current, imported, the site's, former ones. */
static GPtrArray *
login_list(PvJob *job, GError **error)
{
	g_autoptr(GPtrArray) logins = g_ptr_array_new_with_free_func(login_free);
	if (!login_add_stored(job, logins, "admin", "pending", "pending password", error) ||
	    !login_add_stored(job, logins, "admin", "current", "current password", error) ||
	    !login_add_stored(job, logins, "admin-import", "current", "imported password", error))
		return NULL;
	for (guint i = 0; i < job->site->candidates->len; i++) {
		const PvCandidate *candidate = job->site->candidates->pdata[i];
		g_autoptr(PvSecret) password =
		    pv_values_dup_secret(candidate->values, "password", error);
		if (password == NULL)
			return NULL;
		g_autofree char *source = g_strdup_printf("credential %u of the site", i + 1);
		login_add(logins, candidate->user, password, source);
	}
	g_autoptr(GPtrArray) former = pv_db_list_secret_values(
	    job->site->db, pv_device_get_uuid(job->device), "admin", error);
	if (former == NULL)
		return NULL;
	for (guint i = 0; i < former->len; i++)
		login_add(logins, "admin", former->pdata[i], "former password");
	if (logins->len > job->site->login_attempts)
		g_ptr_array_set_size(logins, job->site->login_attempts);
	return g_steal_pointer(&logins);
}

/* Durable at once, in a dry run too: the device counts all the same. */
static gboolean
login_write_failures(PvJob *job, GError **error)
{
	g_autofree char *value =
	    job->login_failures == 0
		? NULL
		: g_strdup_printf("%u %" G_GINT64_FORMAT, job->login_failures, g_get_real_time());
	if (value == NULL && pv_job_get_fact(job, LOGIN_FACT) == NULL)
		return TRUE;
	const PvWrite write = {
		.kind = PV_WRITE_FACT,
		.uuid = pv_device_get_uuid(job->device),
		.name = LOGIN_FACT,
		.value = value,
	};
	if (!pv_db_write(job->site->db, &write, 1, error))
		return FALSE;
	if (value != NULL)
		g_hash_table_insert(job->facts, g_strdup(LOGIN_FACT), g_strdup(value));
	else
		g_hash_table_remove(job->facts, LOGIN_FACT);
	return TRUE;
}

static gboolean
login_read_failures(PvJob *job, GError **error)
{
	const char *text = pv_job_get_fact(job, LOGIN_FACT);
	char *rest = NULL;
	job->login_failures = 0;
	if (text == NULL)
		return TRUE;
	guint64 count = g_ascii_strtoull(text, &rest, 10);
	gint64 age_usec = g_get_real_time() - g_ascii_strtoll(rest, NULL, 10);
	if (age_usec < LOGIN_FORGET_USEC)
		job->login_failures = MIN(count, G_MAXUINT);
	/* a time to come is a clock that was set back: the count stays, and its hour begins now */
	return age_usec >= 0 || login_write_failures(job, error);
}

gboolean
pv_job_next_login(gpointer data, const char *realm, guint attempt, char **user, PvSecret **password,
    GError **error)
{
	PvJob *job = data;
	if (job->logins == NULL) {
		job->logins = login_list(job, error);
		if (job->logins == NULL)
			return FALSE;
		if (!login_read_failures(job, error))
			return FALSE;
	}
	if (attempt >= job->logins->len) {
		/* the one that was spared the write below was wrong after all */
		if (attempt > 0 && job->login_failures == 1 && !login_write_failures(job, error))
			return FALSE;
		*user = NULL;
		*password = NULL;
		(void)pv_job_record_security_event(
		    job, "auth-exhausted", "%u passwords refused", job->logins->len);
		return TRUE;
	}
	if (job->login_failures >= LOGIN_STOP) {
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
		    "log in: %u logins failed within the hour; stopped before the device locks "
		    "itself. "
		    "Give the right password (\"credentials\" in %s, or import it) and try again "
		    "in an hour",
		    job->login_failures, job->site->file);
		return FALSE;
	}
	const PvLogin *login = job->logins->pdata[attempt];
	/* Counted before it is sent, taken back when it works: a crash in between errs on the safe side. The first
	 * password of a device without failures is the right one nearly always and is spared the write; LOGIN_STOP
	 * leaves room for it. */
	job->login_failures++;
	if (job->login_failures > 1 && !login_write_failures(job, error))
		return FALSE;
	*user = g_strdup(login->user);
	*password = pv_secret_ref(login->password);
	return TRUE;
}

void
pv_job_login_worked(gpointer data, guint attempt)
{
	PvJob *job = data;
	g_autoptr(GError) error = NULL;
	job->login_failures = 0;
	if (!login_write_failures(job, &error))
		g_warning("forget failed logins of %s: %s", pv_device_get_uuid(job->device),
		    error->message);
	const GError *problem = job->wsman != NULL ? pv_wsman_get_ticket_problem(job->wsman) : NULL;
	if (problem != NULL)
		pv_job_progress(job, "%s", problem->message);
	if (job->logins != NULL && attempt < job->logins->len) {
		const PvLogin *login = job->logins->pdata[attempt];
		pv_job_progress(job, "logged in as %s with the %s", login->user, login->source);
	}
}
