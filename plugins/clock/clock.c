/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sets the device's clock from this host's: Kerberos and certificates depend on it. A wrong
 * clock handed on to a fleet does more harm than none, so this host's own is examined first. */
#include <provost/plugin.h>

#include <errno.h>
#include <sys/timex.h>
#include <time.h>

#define CLOCK_CLASS "AMT_TimeSynchronizationService"
#define CLOCK_FACT "clock.set" /* the device was told the time in this set-up */
/* 2025-01-01: before the first release; a clock that says less has been reset */
#define CLOCK_EARLIEST 1735689600

static gboolean
clock_check_own(PvJob *job, GError **error)
{
	if (time(NULL) < CLOCK_EARLIEST) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_CONFIG,
		    "check own clock: it stands before 2025; set it, or repair its battery, before "
		    "provisioning");
		return FALSE;
	}
	if (g_strcmp0(pv_job_get_string(job, "synchronised"), "ignore") == 0)
		return TRUE;

	struct timex kernel = { .modes = 0 };
	int state = ntp_adjtime(&kernel);
	if (state == -1) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "check own clock: ntp_adjtime: %s; allow the call, or set \"synchronised\": "
		    "\"ignore\" in %s",
		    g_strerror(errno), pv_values_get_where(pv_job_get_values(job), "synchronised"));
		return FALSE;
	}
	if (state == TIME_ERROR || (kernel.status & STA_UNSYNC) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "check own clock: it is not synchronised; start chrony or systemd-timesyncd on "
		    "this host, or set \"synchronised\": \"ignore\" in %s where the host of a "
		    "virtual machine keeps the time",
		    pv_values_get_where(pv_job_get_values(job), "synchronised"));
		return FALSE;
	}
	return TRUE;
}

static gboolean
clock_read(PvWsman *amt, gint64 *device_sec, GError **error)
{
	g_autoptr(PvInstance) output =
	    pv_wsman_invoke(amt, CLOCK_CLASS, NULL, "GetLowAccuracyTimeSynch", NULL, NULL, error);
	if (output == NULL)
		return FALSE;
	*device_sec = pv_instance_get_int(output, "Ta0", -1);
	if (*device_sec < 0 || *device_sec > G_MAXUINT32) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read device clock: Ta0 is no 32-bit number of seconds");
		return FALSE;
	}
	return TRUE;
}

static char *
clock_format(gint64 sec)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(sec);
	return g_date_time_format_iso8601(time);
}

static gboolean
clock_plan(PvJob *job, PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	gint64 device_sec = 0;
	if (amt == NULL || !clock_check_own(job, error) || !clock_read(amt, &device_sec, error))
		return FALSE;

	/* In set-up firmware wants to have been told the time, right or not, before it commits
	 * (AMT_SetupAndConfigurationService.CommitChanges). */
	gint64 own_sec = time(NULL);
	gboolean operational = g_strcmp0(pv_job_get_fact(job, "amt.state"), "operational") == 0;
	if (operational)
		pv_job_set_fact(job, CLOCK_FACT, NULL); /* should it come to set-up again */
	gboolean told = operational || pv_job_get_fact(job, CLOCK_FACT) != NULL;
	if (told && ABS(own_sec - device_sec) <= pv_job_get_int(job, "tolerance"))
		return TRUE;
	g_autofree char *from = clock_format(device_sec);
	g_autofree char *to = clock_format(own_sec);
	pv_plan_add(plan, "device clock", "UTC", from, to);
	return TRUE;
}

static gboolean
clock_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	gint64 device_sec = 0;
	if (amt == NULL || !clock_read(amt, &device_sec, error))
		return FALSE;

	/* Ta0 the device's time as read, Tm1 ours when it was read, Tm2 ours now: the device
	 * adds the difference (Intel AMT SDK, SetHighAccuracyTimeSynch) */
	g_autoptr(PvInstance) input = pv_instance_new("SetHighAccuracyTimeSynch_INPUT");
	pv_instance_add_int(input, "Ta0", device_sec);
	pv_instance_add_int(input, "Tm1", time(NULL));
	pv_instance_add_int(input, "Tm2", time(NULL));
	g_autoptr(PvInstance) output =
	    pv_wsman_invoke(amt, CLOCK_CLASS, NULL, "SetHighAccuracyTimeSynch", input, NULL, error);
	if (output == NULL)
		return FALSE;
	pv_job_set_fact(job, CLOCK_FACT, "true");
	return TRUE;
}

static const PvParam clock_params[] = {
	{ "tolerance", PV_PARAM_INT, "10", "difference that is left alone", .unit = "s",
	    .minimum = 1, .maximum = 3600 },
	{ "synchronised", PV_PARAM_CHOICE, "\"require\"",
	    "whether the kernel must say that this host's clock is synchronised",
	    .choices = "require|ignore" },
	{ NULL },
};

static const PvStage clock_stages[] = {
	{
		.type = "clock",
		.summary = "sets the device's clock from this host's",
		.params = clock_params,
		.needs = (const char *const[]){ "tls.fingerprint", "amt.state", NULL },
		.plan = clock_plan,
		.apply = clock_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("clock", PV_VERSION, "the device's clock", .stages = clock_stages);
