/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/provost.h>
#include <string.h>

/* Makes the device use a certificate of its store for TLS, and switches TLS on (Intel AMT SDK,
 * AMT_TLSCredentialContext, AMT_TLSSettingData). Both take effect at CommitChanges. */

#define WEB_CONTEXT "AMT_TLSCredentialContext"

/* The instance for the network, not the one for the host. Firmware writes Intel(r) or the sign itself before this,
 * and lists the two in any order. */
#define WEB_SETTINGS_SUFFIX "AMT 802.3 TLS Settings"

/* What the certificate is bound to. Firmware answers with "TLSProtocolEndpoint Instances Collection", yet takes the
 * reference in this form. */
#define WEB_COLLECTION "TLSProtocolEndpointInstances Collection"

static const char *
web_certificate_get_bound(const PvInstance *context)
{
	const PvEpr *epr = pv_instance_get_epr(context, "ElementInContext");
	return epr == NULL ? NULL : pv_epr_get_selector(epr, "InstanceID");
}

/* NULL without an error: nothing is bound yet */
static PvInstance *
web_certificate_find_context(PvWsman *amt, GError **error)
{
	g_autoptr(GPtrArray) contexts = pv_wsman_enumerate(amt, WEB_CONTEXT, error);
	if (contexts == NULL || contexts->len == 0)
		return NULL;
	return pv_instance_dup(
	    g_ptr_array_index(contexts, 0)); /* the class has one instance at most */
}

static PvInstance *
web_certificate_find_settings(PvWsman *amt, GError **error)
{
	g_autoptr(GPtrArray) all = pv_wsman_enumerate(amt, "AMT_TLSSettingData", error);
	if (all == NULL)
		return NULL;
	for (guint i = 0; i < all->len; i++) {
		const char *id = pv_instance_get(g_ptr_array_index(all, i), "InstanceID");
		if (id != NULL && g_str_has_suffix(id, WEB_SETTINGS_SUFFIX))
			return pv_instance_dup(g_ptr_array_index(all, i));
	}
	g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
	    "find TLS settings: the device has none for its network interface");
	return NULL;
}

static gboolean
web_certificate_plan_context(PvPlan *plan, PvWsman *amt, const char *wanted, GError **error)
{
	g_autoptr(GError) local_error = NULL;
	g_autoptr(PvInstance) context = web_certificate_find_context(amt, &local_error);
	if (local_error != NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	const char *bound = context == NULL ? NULL : web_certificate_get_bound(context);
	if (g_strcmp0(bound, wanted) != 0)
		pv_plan_add(plan, WEB_CONTEXT, "ElementInContext", bound, wanted);
	return TRUE;
}

/* All is written, yet the device still shows another certificate: it awaits its commit, whoever wrote it. A fact
 * alone would not tell, for a crash right after the write loses it. */
static void
web_certificate_judge_commit(PvJob *job, PvPlan *plan, PvWsman *amt)
{
	const char *shown = pv_wsman_get_fingerprint(amt);
	const char *stored = pv_job_get_fact(job, "certificate.sha256");
	if (pv_plan_get_length(plan) == 0 && shown != NULL && stored != NULL &&
	    g_ascii_strcasecmp(shown, stored) != 0)
		pv_job_set_fact(job, "commit.needed", "true");
}

static gboolean
web_certificate_plan(PvJob *job, PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	const char *wanted = pv_job_get_fact(job, "certificate.instance");
	if (wanted == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "bind certificate: no stage before this one has stored one in the device");
		return FALSE;
	}
	/* rows in the order in which they are made: a device must not speak TLS without a certificate */
	if (!web_certificate_plan_context(plan, amt, wanted, error))
		return FALSE;
	g_autoptr(PvInstance) settings = web_certificate_find_settings(amt, error);
	if (settings == NULL)
		return FALSE;
	pv_plan_property(plan, settings, "Enabled", "true");
	/* the stage trusted-roots switches it, once it has proved that we are let in */
	if (g_strcmp0(pv_job_get_fact(job, "tls.mutual"), "true") != 0)
		pv_plan_property(plan, settings, "MutualAuthentication", "false");
	/* where NonSecureConnectionsSupported exists (CSME 16.1) the firmware decides about the plain ports itself
	 * and refuses to be told */
	if (pv_instance_get(settings, "NonSecureConnectionsSupported") == NULL)
		pv_plan_property(plan, settings, "AcceptNonSecureConnections",
		    pv_job_get_bool(job, "plain-ports") ? "true" : "false");
	web_certificate_judge_commit(job, plan, amt);
	return TRUE;
}

static gboolean
web_certificate_bind(PvWsman *amt, const char *wanted, GError **error)
{
	g_autoptr(GError) local_error = NULL;
	g_autoptr(PvInstance) present = web_certificate_find_context(amt, &local_error);
	if (local_error != NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	g_autoptr(PvEpr) certificate =
	    pv_epr_new("AMT_PublicKeyCertificate", PV_SELECT("InstanceID", wanted));
	g_autoptr(PvEpr) collection = pv_epr_new(
	    "AMT_TLSProtocolEndpointCollection", PV_SELECT("ElementName", WEB_COLLECTION));
	g_autoptr(PvInstance) context = pv_instance_new(WEB_CONTEXT);
	pv_instance_add_epr(context, "ElementInContext", certificate);
	pv_instance_add_epr(context, "ElementProvidingContext", collection);
	if (present != NULL)
		return pv_wsman_put(amt, context, error);
	g_autoptr(PvEpr) made = pv_wsman_create(amt, context, error);
	return made != NULL;
}

static gboolean
web_certificate_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	const char *wanted = pv_job_get_fact(job, "certificate.instance");
	if (amt == NULL)
		return FALSE;
	pv_job_set_fact(job, "commit.needed", "true");
	if (pv_plan_has(plan, WEB_CONTEXT, "ElementInContext") &&
	    !web_certificate_bind(amt, wanted, error)) {
		g_prefix_error(error, "bind certificate %s: ", wanted);
		return FALSE;
	}
	return pv_plan_put(plan, job, error);
}

static const PvParam web_certificate_params[] = {
	{ "plain-ports", PV_PARAM_BOOL, "false",
	    "keep the ports without TLS open too, where the firmware has a choice" },
	{ NULL },
};

static const char *const web_certificate_needs[] = { "certificate.instance", "certificate.sha256",
	NULL };

static const PvStage web_certificate_stages[] = {
	{
	    .type = "web-certificate",
	    .summary =
		"binds the device's certificate to its network interface and switches TLS on",
	    .params = web_certificate_params,
	    .needs = web_certificate_needs,
	    .plan = web_certificate_plan,
	    .apply = web_certificate_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "web-certificate", PV_VERSION, "TLS of a device", .stages = web_certificate_stages);
