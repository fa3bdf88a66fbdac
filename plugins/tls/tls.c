/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Dials the device and takes down whom it met. In set-up a device proves no more than that it
 * owns its mostly self-signed certificate, so the fingerprint is what the rest of the job holds
 * on to. */
#include <provost/plugin.h>

/* TLS tells only that the certificate was refused. What that leaves: a provisioning certificate is
 * sent only after its marks, key, chain and dates were found good, and its root too where a hello
 * has told the device's root hashes. */
static void
tls_explain_refusal(PvJob *job, GError **error)
{
	const char *state = pv_job_get_fact(job, "amt.state");
	if (!g_error_matches(*error, PV_ERROR, PV_ERROR_AUTH) ||
	    g_strcmp0(state, "operational") == 0)
		return;
	const char *root = pv_job_get_fact(job, "hello.hashes") == NULL
			       ? ", or the hash of its root is not in the device's list"
			       : "";
	g_autoptr(GError) refusal = g_steal_pointer(error);
	g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
	    "%s; its marks, key, chain and dates are right, so the device has another DNS suffix "
	    "(DHCP option 15, or the PKI DNS suffix in MEBx)%s",
	    refusal->message, root);
}

static gboolean
tls_plan(PvJob *job, PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_autoptr(GError) local = NULL;
	if (!pv_wsman_connect(amt, &local)) {
		tls_explain_refusal(job, &local);
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
	const char *version = pv_wsman_get_version(amt);
	if (version != NULL)
		pv_job_set_fact(job, "amt.version", version);
	return TRUE;
}

static gboolean
tls_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	return TRUE; /* never called: the plan is always empty */
}

static const PvParam tls_params[] = {
	{ "mode", PV_PARAM_CHOICE, "\"pki\"",
	    "how provost and the device meet: by provisioning certificate", .choices = "pki" },
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
