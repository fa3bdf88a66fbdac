/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/job-private.h"

/* Logins by ticket, and what to say when one fails. A device answers "no" to a wrong key, a wrong clock and a stranger
 * alike; what it tells of itself to whom it lets in by password says which it was. */

#define TICKET_KERBEROS_CLASS "AMT_KerberosSettingData"
#define TICKET_CLOCK_CLASS "AMT_TimeSynchronizationService"
#define TICKET_CLOCK_SEC 300 /* Intel AMT SDK, MaximumClockTolerance: 5 minutes at most */
#define TICKET_WAIT_SEC 30 /* for a directory that hands a new key from server to server */

char *
pv_job_dup_service(PvJob *job, GError **error)
{
	const char *fqdn = pv_device_get_fqdn(job->device);
	if (fqdn == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "log in by Kerberos: the device has no FQDN, which its service name needs: "
		    "import it");
		return NULL;
	}
	g_autofree char *lower = g_ascii_strdown(fqdn, -1);
	return g_strdup_printf("HTTP/%s:%u", lower, job->site->device_port);
}

/* ---- what the device tells of itself ---- */

/* (transfer full): what is wrong with its settings; NULL: nothing that can be seen */
static char *
ticket_dup_settings_problem(PvWsman *amt, PvKerberos *kerberos, const char *service)
{
	guint kvno = 0;
	g_autoptr(PvInstance) settings = pv_wsman_get(amt, TICKET_KERBEROS_CLASS, NULL, NULL);
	if (settings == NULL)
		return NULL;
	if (!pv_instance_get_bool(settings, "KrbEnabled"))
		return g_strdup("Kerberos is off in the device: run the stage kerberos");
	gint64 version = pv_instance_get_int(settings, "KeyVersion", 0);
	if (!pv_kerberos_get_ticket_info(kerberos, service, &kvno, NULL, NULL, NULL) ||
	    version <= 0 || version == (gint64)kvno)
		return NULL;
	return version < (gint64)kvno
		   ? g_strdup_printf("the device has key version %u, and the directory %u: the "
				     "account's password was changed and the device not told: run "
				     "the stages ad-account and kerberos",
			 (guint)version, kvno)
		   : g_strdup_printf(
			 "the device has key version %u, and the ticket is of version %u: it is "
			 "old, or its KDC is behind: purge it (\"kdestroy\", \"klist purge\") and "
			 "log in anew",
			 (guint)version, kvno);
}

static char *
ticket_dup_clock_problem(PvWsman *amt)
{
	g_autoptr(PvInstance) output = pv_wsman_invoke(
	    amt, TICKET_CLOCK_CLASS, NULL, "GetLowAccuracyTimeSynch", NULL, NULL, NULL);
	gint64 device_sec = output != NULL ? pv_instance_get_int(output, "Ta0", -1) : -1;
	gint64 now_sec = g_get_real_time() / G_USEC_PER_SEC;
	if (device_sec < 0 || ABS(device_sec - now_sec) <= TICKET_CLOCK_SEC)
		return NULL;
	g_autoptr(GDateTime) theirs = g_date_time_new_from_unix_utc(device_sec);
	g_autoptr(GDateTime) ours = g_date_time_new_from_unix_utc(now_sec);
	g_autofree char *their_text = g_date_time_format(theirs, "%Y-%m-%d %H:%M:%S UTC");
	g_autofree char *our_text = g_date_time_format(ours, "%Y-%m-%d %H:%M:%S UTC");
	return g_strdup_printf("clock skew: the device's clock says %s, ours %s; Kerberos allows 5 "
			       "minutes: run the stage clock",
	    their_text, our_text);
}

/* Read by another login, so where none is left nothing is added. */
static char *
ticket_dup_problem(PvJob *job, PvKerberos *kerberos, const char *service)
{
	g_autoptr(GError) error = NULL;
	PvWsman *amt = pv_job_get_wsman(job, &error);
	if (amt == NULL)
		return NULL;
	char *problem = ticket_dup_clock_problem(amt);
	return problem != NULL ? problem : ticket_dup_settings_problem(amt, kerberos, service);
}

/* ---- a login ---- */

/* The session's own words, without what can be known. */
static gboolean
ticket_log_in(PvJob *job, PvKerberos *kerberos, PvTicketState *state, GError **error)
{
	g_autoptr(PvWsman) amt = pv_job_new_session(job, kerberos, error);
	*state = PV_TICKET_UNTRIED;
	if (amt == NULL)
		return FALSE;
	g_autoptr(GError) local = NULL;
	g_autoptr(PvInstance) settings = pv_wsman_get(amt, "AMT_GeneralSettings", NULL, &local);
	*state = pv_wsman_get_ticket_state(amt);
	/* let in, if not to this: the login is what was asked about */
	if (settings != NULL ||
	    (*state == PV_TICKET_ACCEPTED && g_error_matches(local, PV_ERROR, PV_ERROR_AUTH))) {
		if (*state == PV_TICKET_ACCEPTED)
			return TRUE;
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "log in by Kerberos: the device answers without asking for a login");
		return FALSE;
	}
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

gboolean
pv_job_try_ticket(PvJob *job, PvKerberos *kerberos, PvTicketState *state, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autofree char *service = pv_job_dup_service(job, error);
	if (service == NULL)
		return FALSE;
	if (ticket_log_in(job, kerberos, state, &local))
		return TRUE;
	g_autofree char *problem =
	    *state == PV_TICKET_REFUSED ? ticket_dup_problem(job, kerberos, service) : NULL;
	if (problem != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "log in by Kerberos as %s: the device refused the ticket: %s",
		    pv_kerberos_get_principal(kerberos), problem);
	else
		g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

/* ---- the ticket test ---- */

/* Whether the KDC seals with the key that the device was given. */
static gboolean
ticket_check_key(
    PvJob *job, PvKerberos *kerberos, const char *service, PvSecret *password, GError **error)
{
	const char *salt = pv_job_get_fact(job, "account.salt");
	gboolean fits = FALSE, former = FALSE;
	if (!pv_kerberos_check_key(
		kerberos, service, password, salt, &fits, job->cancellable, error))
		return FALSE;
	if (fits)
		return TRUE;
	if (pv_job_has_secret(job, "account", PV_SECRET_CURRENT)) {
		g_autoptr(PvSecret) current =
		    pv_job_dup_secret(job, "account", PV_SECRET_CURRENT, error);
		if (current == NULL)
			return FALSE;
		if (!pv_secret_equal(current, password) &&
		    !pv_kerberos_check_key(
			kerberos, service, current, salt, &former, job->cancellable, error))
			return FALSE;
	}
	if (former)
		return pv_job_wait(job, TICKET_WAIT_SEC, error,
		    "the KDC still seals tickets for %s with the account's former key", service);
	g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
	    "tickets for %s are not sealed with the key of the account's password: another account "
	    "has the name, or somebody changed the password: run the stage ad-account",
	    service);
	return FALSE;
}

/* The KDC's side is right; what remains is whether the device took it. */
static gboolean
ticket_show(PvJob *job, PvKerberos *kerberos, const char *service, GError **error)
{
	PvTicketState state = PV_TICKET_UNTRIED;
	g_autoptr(GError) local = NULL;
	const char *who = pv_kerberos_get_principal(kerberos);
	if (ticket_log_in(job, kerberos, &state, &local) || state == PV_TICKET_UNAUTHORIZED) {
		pv_job_progress(job, "a ticket for %s was taken", service);
		return TRUE;
	}
	g_autofree char *problem =
	    state == PV_TICKET_REFUSED ? ticket_dup_problem(job, kerberos, service) : NULL;
	if (problem != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "the device refused a ticket with its new key: %s", problem);
		return FALSE;
	}
	if (state == PV_TICKET_REFUSED || state == PV_TICKET_NOT_OFFERED ||
	    state == PV_TICKET_MISSING) {
		/* key version and clock agree, so that a refusal is that of a stranger */
		pv_job_progress(job,
		    "the new key fits the directory's, and no login by ticket "
		    "could prove it in the device: %s%s%s",
		    state == PV_TICKET_REFUSED ? "it has no access entry for " : "",
		    state == PV_TICKET_REFUSED ? who : "",
		    state == PV_TICKET_REFUSED ? "" : local->message);
		return TRUE;
	}
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

gboolean
pv_job_prove_account_key(PvJob *job, PvSecret *password, GError **error)
{
	g_autoptr(PvKerberos) kerberos = NULL;
	if (!pv_site_dup_kerberos(job->site, &kerberos, job->cancellable, error)) {
		g_prefix_error(error, "try the new key: ");
		return FALSE;
	}
	if (kerberos == NULL) {
		pv_job_progress(job, "the new key is not tried: the directory has no account that "
				     "could log in by Kerberos");
		return TRUE;
	}
	g_autofree char *service = pv_job_dup_service(job, error);
	if (service == NULL)
		return FALSE;
	/* of the former key, maybe */
	(void)pv_kerberos_forget_ticket(kerberos, service);
	g_autoptr(GError) local = NULL;
	if (ticket_check_key(job, kerberos, service, password, &local) &&
	    (!pv_job_is_operational(job) || ticket_show(job, kerberos, service, &local)))
		return TRUE;
	g_propagate_prefixed_error(error, g_steal_pointer(&local), "try the new key: ");
	return FALSE;
}
