/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/provost.h>
#include <stdlib.h>
#include <string.h>

/* Lets the device into a wired network that asks for 802.1X, also while its operating system is down. The class differs by
 * generation (Intel AMT SDK, AMT_8021XProfile, IPS_IEEE8021xSettings). */

#define IEEE8021X_NAME "ieee8021x" /* of its facts */
#define IEEE8021X_IPS_VERSION 8 /* of AMT: IPS_IEEE8021xSettings is there from 8.0 on */

/* What differs between the two classes. */
typedef struct {
	const char *class_name;
	const char *context_class;
	PvEapKind kind;
	const char *in_s0;
	const char *on, *on_without_certificates, *off; /* Enabled */
} Ieee8021xClass;

static const Ieee8021xClass ieee8021x_ips = { "IPS_IEEE8021xSettings", "IPS_8021xCredentialContext",
	PV_EAP_CIM, "AvailableInS0", "2", "6", "3" };
static const Ieee8021xClass ieee8021x_amt = { "AMT_8021XProfile", "AMT_8021xCredentialContext",
	PV_EAP_AMT, "ActiveInS0", "true", "true", "false" };

/* Without an error and without *settings: the firmware has no 802.1X. */
static gboolean
ieee8021x_read(
    PvJob *job, PvWsman *amt, const Ieee8021xClass **found, PvInstance **settings, GError **error)
{
	const char *version = pv_job_get_fact(job, "amt.version");
	if (version == NULL)
		version = pv_wsman_get_version(amt);
	guint major = version == NULL ? 0 : (guint)strtoul(version, NULL, 10);
	const Ieee8021xClass *const classes[] = {
		major == 0 || major >= IEEE8021X_IPS_VERSION ? &ieee8021x_ips : NULL, &ieee8021x_amt
	};
	for (guint i = 0; i < G_N_ELEMENTS(classes) && *settings == NULL; i++) {
		if (classes[i] == NULL)
			continue;
		g_autoptr(GError) local_error = NULL;
		*found = classes[i];
		*settings = pv_wsman_get(amt, classes[i]->class_name, NULL, &local_error);
		if (*settings == NULL &&
		    !g_error_matches(local_error, PV_ERROR, PV_ERROR_UNSUPPORTED)) {
			g_propagate_error(error, g_steal_pointer(&local_error));
			return FALSE;
		}
	}
	return TRUE;
}

/* Without a wired port AMT_EthernetPortSettings has no instance 0, or one without an address (Intel AMT SDK does not
 * say which). */
static gboolean
ieee8021x_read_port(PvWsman *amt, gboolean *wired, GError **error)
{
	g_autoptr(GPtrArray) ports = pv_wsman_enumerate(amt, "AMT_EthernetPortSettings", error);
	*wired = FALSE;
	for (guint i = 0; ports != NULL && i < ports->len; i++) {
		const char *id = pv_instance_get(ports->pdata[i], "InstanceID");
		const char *mac = pv_instance_get(ports->pdata[i], "MACAddress");
		if (id != NULL && g_str_has_suffix(id, " 0"))
			*wired = mac == NULL || mac[strspn(mac, "0-:")] != '\0';
	}
	return ports != NULL;
}

static gboolean
ieee8021x_is_off(const Ieee8021xClass *class, const PvInstance *settings)
{
	return class->kind == PV_EAP_AMT
		   ? !pv_instance_get_bool(settings, "Enabled")
		   : pv_instance_get_int(settings, "Enabled", 3) == strtol(class->off, NULL, 10);
}

static const char *
ieee8021x_get_enabled(PvJob *job, const Ieee8021xClass *class)
{
	const char *protocol = pv_job_get_string(job, "protocol");
	gboolean certificates = pv_values_has(pv_job_get_values(job), "root") ||
				g_str_equal(protocol, "eap-tls") ||
				g_str_equal(protocol, "eap-fast-tls");
	return certificates ? class->on : class->on_without_certificates;
}

/* "1" and "true" are the same, and a missing value is off */
static void
ieee8021x_plan_bool(
    PvPlan *plan, const char *object, const PvInstance *settings, const char *name, gboolean wanted)
{
	if (pv_instance_get(settings, name) == NULL ||
	    pv_instance_get_bool(settings, name) != wanted)
		pv_plan_add(
		    plan, object, name, pv_instance_get(settings, name), wanted ? "true" : "false");
}

static gboolean
ieee8021x_plan_on(PvJob *job, PvPlan *plan, const Ieee8021xClass *class, const PvInstance *settings,
    GError **error)
{
	g_autoptr(PvEap) eap =
	    pv_eap_new(job, pv_job_get_values(job), IEEE8021X_NAME, class->kind, error);
	if (eap == NULL ||
	    !pv_eap_plan(eap, job, plan, class->class_name, settings, class->context_class, error))
		return FALSE;
	if (class->kind == PV_EAP_AMT) {
		ieee8021x_plan_bool(plan, class->class_name, settings, "Enabled", TRUE);
	} else {
		const char *enabled = pv_instance_get(settings, "Enabled");
		const char *wanted = ieee8021x_get_enabled(job, class);
		if (g_strcmp0(enabled, wanted) != 0)
			pv_plan_add(plan, class->class_name, "Enabled", enabled, wanted);
	}
	ieee8021x_plan_bool(
	    plan, class->class_name, settings, class->in_s0, pv_job_get_bool(job, "active-in-s0"));
	gint64 timeout = pv_job_get_int(job, "pxe-timeout");
	if (pv_instance_get_int(settings, "PxeTimeout", -1) != timeout) {
		g_autofree char *wanted = g_strdup_printf("%" G_GINT64_FORMAT, timeout);
		pv_plan_add(plan, class->class_name, "PxeTimeout",
		    pv_instance_get(settings, "PxeTimeout"), wanted);
	}
	pv_job_set_fact(job, IEEE8021X_NAME ".state", "on");
	return TRUE;
}

static gboolean
ieee8021x_plan(PvJob *job, PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	const Ieee8021xClass *class = NULL;
	g_autoptr(PvInstance) settings = NULL;
	if (amt == NULL || !ieee8021x_read(job, amt, &class, &settings, error))
		return FALSE;
	if (settings == NULL) {
		pv_job_skip(job, "this firmware has no settings for wired 802.1X");
		return TRUE;
	}
	if (pv_job_get_bool(job, "enabled")) {
		gboolean wired = FALSE;
		if (!ieee8021x_read_port(amt, &wired, error))
			return FALSE;
		if (wired)
			return ieee8021x_plan_on(job, plan, class, settings, error);
		pv_job_skip(job, "the device has no wired port: it is wireless only");
		return TRUE;
	}
	if (!ieee8021x_is_off(class, settings)) {
		pv_plan_add(plan, class->class_name, "Enabled",
		    pv_instance_get(settings, "Enabled"), class->off);
		return TRUE;
	}
	pv_eap_forget(job, IEEE8021X_NAME);
	pv_job_set_fact(job, IEEE8021X_NAME ".state", "off");
	return TRUE;
}

/* What the settings refer to so far, and will not: certificate-cleanup deletes what nothing else uses. */
static gboolean
ieee8021x_release(
    PvJob *job, PvWsman *amt, const Ieee8021xClass *class, const PvEap *eap, GError **error)
{
	const PvEpr *client = eap == NULL ? NULL : pv_eap_get_client(eap);
	const PvEpr *root = eap == NULL ? NULL : pv_eap_get_root(eap);
	g_autoptr(GHashTable) references =
	    pv_cert_store_read_references(amt, class->context_class, error);
	if (references == NULL)
		return FALSE;
	GHashTableIter iter;
	gpointer id = NULL;
	g_hash_table_iter_init(&iter, references);
	while (g_hash_table_iter_next(&iter, &id, NULL)) {
		if ((client != NULL &&
			g_strcmp0(pv_epr_get_selector(client, "InstanceID"), id) == 0) ||
		    (root != NULL && g_strcmp0(pv_epr_get_selector(root, "InstanceID"), id) == 0))
			continue;
		if (!pv_cert_store_release(job, id, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
ieee8021x_put(PvJob *job, PvWsman *amt, PvEap *eap, PvInstance *settings, GError **error)
{
	g_autoptr(GError) refusal = NULL;
	pv_eap_fill(eap, settings);
	if (pv_wsman_put(amt, settings, &refusal))
		return TRUE;
	if (!pv_eap_try_other_numbers(eap, job, refusal)) {
		g_propagate_error(error, g_steal_pointer(&refusal));
		return FALSE;
	}
	pv_eap_fill(eap, settings);
	return pv_wsman_put(amt, settings, error);
}

/* AMT_8021XProfile has the certificates as properties, IPS_IEEE8021xSettings takes them by a method. */
static gboolean
ieee8021x_set_certificates(
    PvWsman *amt, const Ieee8021xClass *class, const PvEap *eap, GError **error)
{
	if (class->kind == PV_EAP_AMT ||
	    (pv_eap_get_client(eap) == NULL && pv_eap_get_root(eap) == NULL))
		return TRUE;
	g_autoptr(PvInstance) input = pv_instance_new("SetCertificates_INPUT");
	if (pv_eap_get_root(eap) != NULL)
		pv_instance_add_epr(input, "ServerCertificateIssuer", pv_eap_get_root(eap));
	if (pv_eap_get_client(eap) != NULL)
		pv_instance_add_epr(input, "ClientCertificate", pv_eap_get_client(eap));
	g_autoptr(PvInstance) output =
	    pv_wsman_invoke(amt, class->class_name, NULL, "SetCertificates", input, NULL, error);
	return output != NULL;
}

static gboolean
ieee8021x_switch_on(
    PvJob *job, PvWsman *amt, const Ieee8021xClass *class, PvInstance *settings, GError **error)
{
	g_autoptr(PvEap) eap =
	    pv_eap_new(job, pv_job_get_values(job), IEEE8021X_NAME, class->kind, error);
	if (eap == NULL || !pv_eap_prepare(eap, job, error) ||
	    !ieee8021x_release(job, amt, class, eap, error))
		return FALSE;
	g_autofree char *timeout =
	    g_strdup_printf("%" G_GINT64_FORMAT, pv_job_get_int(job, "pxe-timeout"));
	pv_instance_set(settings, "Enabled", ieee8021x_get_enabled(job, class));
	pv_instance_set(
	    settings, class->in_s0, pv_job_get_bool(job, "active-in-s0") ? "true" : "false");
	pv_instance_set(settings, "PxeTimeout", timeout);
	if (!ieee8021x_put(job, amt, eap, settings, error) ||
	    !ieee8021x_set_certificates(amt, class, eap, error) || !pv_eap_confirm(eap, job, error))
		return FALSE;
	pv_job_progress(job, "wired 802.1X profile written");
	return TRUE;
}

/* No identity and no secret stays behind. */
static gboolean
ieee8021x_switch_off(
    PvJob *job, PvWsman *amt, const Ieee8021xClass *class, PvInstance *settings, GError **error)
{
	if (!ieee8021x_release(job, amt, class, NULL, error))
		return FALSE;
	pv_eap_clear(settings);
	/* only AMT_8021XProfile is told no more than that it is off; others get back what they said */
	if (class->kind == PV_EAP_AMT)
		pv_instance_set(settings, "PxeTimeout", NULL);
	pv_instance_set(settings, "Enabled", class->off);
	return pv_wsman_put(amt, settings, error);
}

static gboolean
ieee8021x_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	const Ieee8021xClass *class = NULL;
	g_autoptr(PvInstance) settings = NULL;
	if (amt == NULL || !ieee8021x_read(job, amt, &class, &settings, error))
		return FALSE;
	if (settings == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "set wired 802.1X: the device has no settings for it any more");
		return FALSE;
	}
	return pv_job_get_bool(job, "enabled")
		   ? ieee8021x_switch_on(job, amt, class, settings, error)
		   : ieee8021x_switch_off(job, amt, class, settings, error);
}

static const PvParam ieee8021x_params[] = {
	{ "enabled", PV_PARAM_BOOL, "true", "whether the device answers to 802.1X at all" },
	PV_EAP_PARAMS,
	{ "pxe-timeout", PV_PARAM_INT, "120",
	    "how long the device keeps the network open for a PXE boot; 0: not at all", .unit = "s",
	    .minimum = 0, .maximum = 86400 },
	{ "active-in-s0", PV_PARAM_BOOL, "true",
	    "answer to 802.1X also while the operating system runs" },
	{ NULL },
};

static const char *const ieee8021x_provides[] = { "ieee8021x.state", NULL };

static const PvStage ieee8021x_stages[] = {
	{
	    .type = "ieee8021x",
	    .summary = "lets the device into a wired network with 802.1X",
	    .params = ieee8021x_params,
	    .provides = ieee8021x_provides,
	    .plan = ieee8021x_plan,
	    .apply = ieee8021x_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("ieee8021x", PV_VERSION, "wired 802.1X of a device", .stages = ieee8021x_stages);
