/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dials the device and takes down whom it met. In set-up by certificate a device proves no more
 * than that it owns its mostly self-signed one, so the fingerprint is what the rest of the job
 * holds on to; with a pre-shared key it proves that it knows the key, and "psk:PID" is taken down. */
#include <provost/plugin.h>

#define TLS_NO_PSK_VERSION 11 /* Intel AMT SDK, "Setup Mode Hello Messages" */

/* TLS tells only that the certificate was refused. What that leaves: a provisioning certificate is
 * sent only after its marks, key, chain and dates were found good, and its root too where a hello
 * has told the device's root hashes. */
static void
tls_explain_refusal(PvJob *job, PvWsman *amt, GError **error)
{
	const char *state = pv_job_get_fact(job, "amt.state");
	if (!g_error_matches(*error, PV_ERROR, PV_ERROR_AUTH))
		return;
	if (g_strcmp0(state, "operational") == 0) {
		if (pv_wsman_is_mutual(amt))
			g_prefix_error(error,
			    "mutual authentication is on (stage trusted-roots), and the site's "
			    "\"client-certificate\" must fit it: ");
		return;
	}
	const char *root = pv_job_get_fact(job, "hello.hashes") == NULL
			       ? ", or the hash of its root is not in the device's list"
			       : "";
	g_autoptr(GError) refusal = g_steal_pointer(error);
	g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
	    "%s; its marks, key, chain and dates are right, so the device has another DNS suffix "
	    "(DHCP option 15, or the PKI DNS suffix in MEBx)%s",
	    refusal->message, root);
}

/* The hello tells by which way the device waits to be set up; dialling it by the other could only fail, and in a way
 * that says less. */
static gboolean
tls_check_hello(PvJob *job, gboolean psk, GError **error)
{
	const char *pid = pv_job_get_fact(job, "hello.pid");
	if (g_strcmp0(pv_job_get_fact(job, "amt.state"), "operational") == 0)
		return TRUE;
	if (!psk && pid != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "the device waits to be set up by pre-shared key (PID %s), and this stage has the mode "
		    "\"pki\": use { \"stage\": \"tls\", \"mode\": \"psk\" } in its pipeline, or take the PID "
		    "away from it in MEBx",
		    pid);
		return FALSE;
	}
	if (psk && pid == NULL && pv_job_get_fact(job, "hello.hashes") != NULL) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_CONFIG,
		    "the device waits to be set up by certificate, and this stage has the mode \"psk\": use "
		    "the mode \"pki\" in its pipeline, or give it PID and PPS by MEBx or stick "
		    "(\"provost setup-bin create\")");
		return FALSE;
	}
	return TRUE;
}

/* how pv_job_get_wsman() is to dial as long as the device is in set-up */
static void
tls_set_mode(PvJob *job, gboolean psk)
{
	const char *form = pv_job_get_string(job, "psk-form");
	g_autofree char *wanted =
	    psk ? g_strconcat("psk", g_str_equal(form, "plain") ? "" : " ", g_str_equal(form, "plain") ? "" : form, NULL)
		: NULL;
	if (g_strcmp0(pv_job_get_fact(job, "tls.mode"), wanted) == 0)
		return;
	pv_job_set_fact(job, "tls.mode", wanted);
	pv_job_reconnect(job);
}

/* the other side of what the core checks before it dials, where it knows the version */
static gboolean
tls_check_version(PvJob *job, const char *version, gboolean psk, GError **error)
{
	if (version == NULL)
		return TRUE;
	pv_job_set_fact(job, "amt.version", version);
	gboolean setup = g_strcmp0(pv_job_get_fact(job, "amt.state"), "setup") == 0;
	if (!psk || !setup || g_ascii_strtoull(version, NULL, 10) < TLS_NO_PSK_VERSION)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
	    "the device says that it is AMT %s, which knows no set-up by pre-shared key: it is not what "
	    "it says, or the mode must be \"pki\"",
	    version);
	return FALSE;
}

static gboolean
tls_plan(PvJob *job, PvPlan *plan, GError **error)
{
	gboolean psk = g_str_equal(pv_job_get_string(job, "mode"), "psk");
	if (!tls_check_hello(job, psk, error))
		return FALSE;
	tls_set_mode(job, psk);
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_autoptr(GError) local = NULL;
	if (!pv_wsman_connect(amt, &local)) {
		if (!psk)
			tls_explain_refusal(job, amt, &local);
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}

	const char *fingerprint = pv_wsman_get_fingerprint(amt);
	if (fingerprint == NULL) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_CONFIG,
		    "connection has no TLS: set the site's device port to 16993");
		return FALSE;
	}

	gboolean verified = pv_wsman_is_verified(amt);
	if (!verified || pv_job_get_fact(job, "tls.fingerprint") == NULL)
		pv_job_set_fact(job, "tls.fingerprint", fingerprint);
	if (verified)
		pv_job_set_fact(job, "amt.state", "operational");
	else if (pv_job_get_fact(job, "amt.state") == NULL)
		pv_job_set_fact(job, "amt.state", "setup");

	/* the Server header comes before any login (Intel AMT SDK, "Discovering AMT"); not all
	 * firmware sends it */
	return tls_check_version(job, pv_wsman_get_version(amt), psk, error);
}

static gboolean
tls_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	return TRUE; /* never called: the plan is always empty */
}

static const PvParam tls_params[] = {
	{ "mode", PV_PARAM_CHOICE, "\"pki\"",
	    "how provost and the device meet in set-up: by provisioning certificate, or by PID and PPS",
	    .choices = "pki|psk" },
	{ "psk-form", PV_PARAM_CHOICE, "\"plain\"",
	    "which of PID and PPS firmware takes with the dashes that MEBx shows; for those that refuse them plain",
	    .choices = "plain|dashed-pid|dashed-pps|dashed" },
	{ NULL },
};

static const PvStage tls_stages[] = {
	{
		.type = "tls",
		.summary = "opens the TLS connection and records the device's certificate",
		.params = tls_params,
		.provides = (const char *const[]){ "tls.fingerprint", "amt.state", NULL },
		.plan = tls_plan,
		.apply = tls_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("tls", PV_VERSION, "the TLS channel to the device", .stages = tls_stages);
