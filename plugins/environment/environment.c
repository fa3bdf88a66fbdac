/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells firmware which networks are its home, by the DNS suffixes that DHCP gives there. In any other network
 * AMT closes its ports: a list that lacks the network where the device is now locks everybody out of it. */
#include <provost/plugin.h>

#include <string.h>

#define ENVIRONMENT_CLASS "AMT_EnvironmentDetectionSettingData"
#define ENVIRONMENT_STRINGS "DetectionStrings"

/* of AMT_EnvironmentDetectionSettingData, and of a label by RFC 1035 2.3.4 */
enum { ENVIRONMENT_DOMAINS = 5, ENVIRONMENT_DOMAIN_BYTES = 192, ENVIRONMENT_LABEL_BYTES = 63 };

/* What is declared */

/* NULL: it is a DNS name; else what is wrong with it. */
static const char *
environment_find_fault(const char *domain)
{
	if (*domain == '\0')
		return "it is empty";
	if (strlen(domain) > ENVIRONMENT_DOMAIN_BYTES)
		return "it is longer than the 192 characters that firmware keeps";
	gsize label = 0;
	for (const char *c = domain;; c++) {
		if (*c == '.' || *c == '\0') {
			if (label == 0)
				return "it begins or ends with a dot, or has two in a row";
			if (label > ENVIRONMENT_LABEL_BYTES)
				return "one of its labels is longer than 63 characters";
			label = 0;
		} else if (!g_ascii_isalnum(*c) && *c != '-' && *c != '_') {
			return "only letters, digits, \"-\", \"_\" and dots are allowed";
		} else {
			label++;
		}
		if (*c == '\0')
			return NULL;
	}
}

/* Whether a list has it, in whatever case. */
static gboolean
environment_has(const char *const *domains, gsize count, const char *domain)
{
	for (gsize i = 0; i < count; i++)
		if (g_ascii_strcasecmp(domains[i], domain) == 0)
			return TRUE;
	return FALSE;
}

static gboolean
environment_check(PvJob *job, const char *const *domains, GError **error)
{
	const char *where = pv_values_get_where(pv_job_get_values(job), "domains");
	gsize count = g_strv_length((char **)domains);
	if (count > ENVIRONMENT_DOMAINS) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: %" G_GSIZE_FORMAT " domains, but firmware keeps at most %d", where, count,
		    ENVIRONMENT_DOMAINS);
		return FALSE;
	}
	for (gsize i = 0; i < count; i++) {
		const char *fault = environment_find_fault(domains[i]);
		if (fault == NULL && environment_has(domains, i, domains[i]))
			fault = "it is there twice";
		if (fault != NULL) {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "%s[%" G_GSIZE_FORMAT "]: domain \"%s\": %s", where, i, domains[i],
			    fault);
			return FALSE;
		}
	}
	return TRUE;
}

/* Lock-out */

/* The DNS suffix of the network that the device is in, as it says itself or else as its name says.
 * *suffix stays NULL where nobody knows. */
static gboolean
environment_find_suffix(
    PvJob *job, PvWsman *amt, char **suffix, const char **source, GError **error)
{
	g_autoptr(PvInstance) service =
	    pv_wsman_get(amt, "AMT_SetupAndConfigurationService", NULL, error);
	if (service == NULL)
		return FALSE;
	const char *told = pv_instance_get(service, "DhcpDNSSuffix");
	*source = "by DHCP";
	if (told == NULL || *told == '\0') {
		const char *fqdn = pv_device_get_fqdn(pv_job_get_device(job));
		const char *dot = fqdn != NULL ? strchr(fqdn, '.') : NULL;
		told = dot != NULL ? dot + 1 : NULL;
		*source = "by its name";
	}
	*suffix = g_strdup(told);
	return TRUE;
}

/* A parent domain does not count: nothing says that firmware would take it for its own. */
static gboolean
environment_check_lock_out(PvJob *job, PvWsman *amt, const char *const *domains, GError **error)
{
	g_autofree char *suffix = NULL;
	const char *source = NULL;
	if (domains[0] == NULL) /* no home domains: every network is home */
		return TRUE;
	if (!environment_find_suffix(job, amt, &suffix, &source, error))
		return FALSE;
	if (suffix != NULL && environment_has(domains, g_strv_length((char **)domains), suffix))
		return TRUE;
	g_autofree char *reason =
	    suffix != NULL
		? g_strdup_printf("the device is in \"%s\" (%s), which is none of the home domains",
		      suffix, source)
		: g_strdup("nobody knows the DNS suffix of the device's network");
	if (strcmp(pv_job_get_string(job, "lock-out"), "allow") == 0) {
		pv_job_progress(job, "%s: it may be out of reach now", reason);
		return TRUE;
	}
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "%s: %s: AMT would close its ports there; add it to the list, or set \"lock-out\": "
	    "\"allow\" if that is what you want",
	    pv_values_get_where(pv_job_get_values(job), "domains"), reason);
	return FALSE;
}

/* The settings; NULL without error: firmware has none. */
static gboolean
environment_read(PvWsman *amt, PvInstance **settings, GError **error)
{
	g_autoptr(GError) local = NULL;
	/* enumerated, so that a Put selects the instance by the InstanceID that it has */
	g_autoptr(GPtrArray) instances = pv_wsman_enumerate(amt, ENVIRONMENT_CLASS, &local);
	if (instances != NULL && instances->len > 0)
		*settings = pv_instance_dup(instances->pdata[0]);
	if (instances != NULL || g_error_matches(local, PV_ERROR, PV_ERROR_UNSUPPORTED))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

/* Their order means nothing, and neither does case. */
static gboolean
environment_is_right(const PvInstance *settings, const char *const *domains)
{
	guint count = pv_instance_get_count(settings, ENVIRONMENT_STRINGS);
	gsize wanted = g_strv_length((char **)domains);
	/* firmware may send an empty string where it has none */
	if (wanted == 0 && count == 1 &&
	    g_strcmp0(pv_instance_get(settings, ENVIRONMENT_STRINGS), "") == 0)
		return TRUE;
	if (count != wanted)
		return FALSE;
	for (guint i = 0; i < count; i++) {
		const char *domain = pv_instance_get_nth(settings, ENVIRONMENT_STRINGS, i);
		if (domain == NULL || !environment_has(domains, wanted, domain))
			return FALSE;
	}
	return TRUE;
}

static gboolean
environment_plan(PvJob *job, PvPlan *plan, GError **error)
{
	const char *const *domains = pv_job_get_list(job, "domains");
	if (!environment_check(job, domains, error))
		return FALSE;
	PvWsman *amt = pv_job_get_wsman(job, error);
	g_autoptr(PvInstance) settings = NULL;
	if (amt == NULL || !environment_read(amt, &settings, error))
		return FALSE;
	if (settings == NULL && domains[0] != NULL) {
		const char *version = pv_job_get_fact(job, "amt.version");
		g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
		    "set home domains: AMT %s has no " ENVIRONMENT_CLASS
		    "; give the stage a \"when\" that leaves such devices out",
		    version != NULL ? version : "of unknown version");
		return FALSE;
	}
	if (settings == NULL || environment_is_right(settings, domains))
		return TRUE;
	if (!environment_check_lock_out(job, amt, domains, error))
		return FALSE;
	pv_plan_property_array(plan, settings, ENVIRONMENT_STRINGS, domains);
	return TRUE;
}

static gboolean
environment_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	return pv_plan_put(plan, job, error);
}

static const PvParam environment_params[] = {
	{ "domains", PV_PARAM_LIST, NULL,
	    "DNS suffixes of the networks where AMT is at home; [] takes every network for its "
	    "home" },
	{ "lock-out", PV_PARAM_CHOICE, "\"refuse\"",
	    "a list without the network where the device is now", .choices = "refuse|allow" },
	{ NULL },
};

static const PvStage environment_stages[] = {
	{
	    .type = "environment",
	    .summary = "tells firmware its home domains",
	    .params = environment_params,
	    .needs = (const char *const[]) { "tls.fingerprint", NULL },
	    .plan = environment_plan,
	    .apply = environment_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("environment", PV_VERSION, "home domains", .stages = environment_stages);
