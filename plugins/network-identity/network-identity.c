/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes host and domain name into AMT_GeneralSettings; the host's own name is not touched. What
 * the pipeline says goes before what was registered for the device, and that before what was
 * discovered; two of the latter that differ stop the job, for a wrong name would end up in
 * certificates. */
#include <provost/plugin.h>

#include <string.h>

/* AMT_GeneralSettings, from AMT 6 on */
enum { NETWORK_IDENTITY_HOST_BYTES = 63, NETWORK_IDENTITY_DOMAIN_BYTES = 191 };

static gboolean
network_identity_find_fqdn(PvJob *job, const char **fqdn, GError **error)
{
	const char *registered = pv_device_get_fqdn(pv_job_get_device(job));
	const char *discovered = pv_job_get_fact(job, "discovered.fqdn");
	if (registered != NULL && discovered != NULL &&
	    g_ascii_strcasecmp(registered, discovered) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "find host name: the device is registered as \"%s\" but its system calls "
		    "itself \"%s\"; correct the one that is wrong, or set \"host-name\" and "
		    "\"domain\" of the stage",
		    registered, discovered);
		return FALSE;
	}
	*fqdn = registered != NULL ? registered : discovered;
	return TRUE;
}

static gboolean
network_identity_check_name(
    const char *what, const char *name, gsize limit, const char *allowed, GError **error)
{
	gsize length = strlen(name);
	if (length == 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "check %s: it is empty", what);
		return FALSE;
	}
	if (length > limit) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "check %s \"%s\": it has %" G_GSIZE_FORMAT
		    " characters, and firmware keeps %" G_GSIZE_FORMAT,
		    what, name, length, limit);
		return FALSE;
	}
	for (const char *c = name; *c != '\0'; c++) {
		if (!g_ascii_isalnum(*c) && strchr(allowed, *c) == NULL) {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "check %s \"%s\": only letters, digits and \"%s\" are allowed", what,
			    name, allowed);
			return FALSE;
		}
	}
	return TRUE;
}

static gboolean
network_identity_find(PvJob *job, char **host, char **domain, GError **error)
{
	const char *wanted_host = pv_job_get_string(job, "host-name");
	const char *wanted_domain = pv_job_get_string(job, "domain");
	const char *fqdn = NULL;
	if ((wanted_host == NULL || wanted_domain == NULL) &&
	    !network_identity_find_fqdn(job, &fqdn, error))
		return FALSE;

	g_auto(GStrv) parts = g_strsplit(fqdn != NULL ? fqdn : "", ".", 2);
	const char *own_host = parts[0] != NULL ? parts[0] : "";
	const char *own_domain = parts[0] != NULL && parts[1] != NULL ? parts[1] : "";
	*host = g_strdup(wanted_host != NULL ? wanted_host : own_host);
	*domain = g_strdup(wanted_domain != NULL ? wanted_domain : own_domain);
	if (**host == '\0' || **domain == '\0') {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "find host name: \"%s\" is no host name with a domain; register the device's "
		    "FQDN, or set \"host-name\" and \"domain\" of the stage",
		    fqdn != NULL ? fqdn : "");
		return FALSE;
	}
	return network_identity_check_name(
		   "host name", *host, NETWORK_IDENTITY_HOST_BYTES, "-_", error) &&
	       network_identity_check_name(
		   "domain", *domain, NETWORK_IDENTITY_DOMAIN_BYTES, "-_.", error);
}

static gboolean
network_identity_plan(PvJob *job, PvPlan *plan, GError **error)
{
	g_autofree char *host = NULL;
	g_autofree char *domain = NULL;
	if (!network_identity_find(job, &host, &domain, error))
		return FALSE;

	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_autoptr(PvInstance) settings = pv_wsman_get(amt, "AMT_GeneralSettings", NULL, error);
	if (settings == NULL)
		return FALSE;

	pv_plan_property(plan, settings, "HostName", host);
	pv_plan_property(plan, settings, "DomainName", domain);
	return TRUE;
}

static gboolean
network_identity_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	return pv_plan_put(plan, job, error);
}

static const PvParam network_identity_params[] = {
	{ "host-name", PV_PARAM_STRING, "null",
	    "host name; the first label of the device's FQDN where absent" },
	{ "domain", PV_PARAM_STRING, "null", "domain; the rest of the device's FQDN where absent" },
	{ NULL },
};

static const PvStage network_identity_stages[] = {
	{
	    .type = "network-identity",
	    .summary = "writes host name and domain into the firmware",
	    .params = network_identity_params,
	    .needs = (const char *const[]) { "tls.fingerprint", NULL },
	    .plan = network_identity_plan,
	    .apply = network_identity_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "network-identity", PV_VERSION, "host name and domain", .stages = network_identity_stages);
