/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Switches what AMT offers to its administrators and to the network: web pages, redirection of
 * serial port, disks and screen, answers to pings, and whether the user is asked. What a parameter
 * does not name is left alone. Generations of firmware and its editions lack some of it, so each
 * feature is looked at by itself, and all that is lacking is told at once, before the first write. */
#include <provost/plugin.h>

#include <string.h>

#define FEATURES_REDIRECTION "AMT_RedirectionService"
#define FEATURES_GENERAL "AMT_GeneralSettings"
#define FEATURES_CONSENT "IPS_OptInService"
/* fact: parameters that this device cannot follow, joined by blanks; absent: none */
#define FEATURES_UNAVAILABLE "features.unavailable"
/* fact: AMT version, then the parameters that firmware of that version refused to follow */
#define FEATURES_REFUSED "features.refused"

/* AMT_RedirectionService.EnabledState: 32768 neither, 32769 IDE-R, 32770 SOL, 32771 both */
enum {
	FEATURES_NEITHER = 32768,
	FEATURES_IDER = 1,
	FEATURES_SOL = 2,
	FEATURES_BOTH = FEATURES_NEITHER + FEATURES_IDER + FEATURES_SOL,
};

/* CIM_EnabledLogicalElement.EnabledState and RequestedState */
enum { FEATURES_ENABLED = 2, FEATURES_DISABLED = 3, FEATURES_OFFLINE = 6 };

#define FEATURES_NOT_SUPPORTED 1 /* of RequestStateChange */

/* What is switched by RequestStateChange of a class of its own. */
typedef struct {
	const char *param;
	const char *class_name;
	const char *hint; /* why it may be lacking */
} FeaturesSwitch;

static const FeaturesSwitch features_kvm = { "kvm", "CIM_KVMRedirectionSAP",
	"it came with AMT 6.0, and Standard Manageability lacks it" };
static const FeaturesSwitch features_web_ui = { "web-ui", "AMT_WebUIService",
	"it came with AMT 3.0, and firmware may be built without it" };

/* One run of plan. */
typedef struct {
	PvJob *job; /* lent */
	PvWsman *amt; /* lent by the job */
	guint asked; /* parameters that are there */
	gboolean kvm; /* it will be on because a parameter says so */
	GString *lacking; /* names, joined by blanks */
	GString *reasons; /* for people */
	guint lacks; /* how many */
} Features;

static void
features_clear(Features *features)
{
	g_string_free(features->lacking, TRUE);
	g_string_free(features->reasons, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Features, features_clear)

static const char *
features_get_version(PvJob *job)
{
	const char *version = pv_job_get_fact(job, "amt.version");
	return version != NULL ? version : "unknown";
}

static gboolean
features_is_asked(Features *features, const char *param)
{
	gboolean asked = pv_values_has(pv_job_get_values(features->job), param);
	features->asked += asked ? 1 : 0;
	return asked;
}

static void G_GNUC_PRINTF(3, 4)
    features_add_lack(Features *features, const char *param, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *reason = g_strdup_vprintf(format, args);
	va_end(args);
	g_string_append_printf(features->lacking, "%s%s", features->lacks > 0 ? " " : "", param);
	g_string_append_printf(
	    features->reasons, "%s\"%s\": %s", features->lacks > 0 ? "; " : "", param, reason);
	features->lacks++;
}

/* *instance stays NULL where firmware has no such class. */
static gboolean
features_read(Features *features, const char *class_name, PvInstance **instance, GError **error)
{
	g_autoptr(GError) local = NULL;
	*instance = pv_wsman_get(features->amt, class_name, NULL, &local);
	if (*instance != NULL || g_error_matches(local, PV_ERROR, PV_ERROR_UNSUPPORTED))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

/* Whether firmware of this version has refused it before. */
static gboolean
features_was_refused(PvJob *job, const char *param)
{
	const char *fact = pv_job_get_fact(job, FEATURES_REFUSED);
	if (fact == NULL)
		return FALSE;
	g_auto(GStrv) words = g_strsplit(fact, " ", -1);
	return g_strcmp0(words[0], features_get_version(job)) == 0 &&
	       g_strv_contains((const char *const *)words + 1, param);
}

/* Web interface and KVM */

/* 1: on, 0: off, -1: it does not tell. Where EnabledState says "not applicable", as it does for
 * many services, RequestedState may still tell what was asked for last. */
static int
features_get_state(const PvInstance *instance)
{
	gint64 state = pv_instance_get_int(instance, "EnabledState", -1);
	if (state != FEATURES_ENABLED && state != FEATURES_DISABLED && state != FEATURES_OFFLINE)
		state = pv_instance_get_int(instance, "RequestedState", -1);
	if (state == FEATURES_DISABLED)
		return 0;
	return state == FEATURES_ENABLED || state == FEATURES_OFFLINE ? 1 : -1;
}

static gboolean
features_plan_switch(Features *features, PvPlan *plan, const FeaturesSwitch *what, GError **error)
{
	if (!features_is_asked(features, what->param))
		return TRUE;
	gboolean wanted = pv_job_get_bool(features->job, what->param);
	g_autoptr(PvInstance) instance = NULL;
	if (!features_read(features, what->class_name, &instance, error))
		return FALSE;
	int state = instance != NULL ? features_get_state(instance) : 0;
	const char *told = instance != NULL ? pv_instance_get(instance, "EnabledState") : NULL;
	if (instance == NULL && wanted)
		features_add_lack(features, what->param, "AMT %s has no %s: %s",
		    features_get_version(features->job), what->class_name, what->hint);
	else if (state == -1)
		features_add_lack(features, what->param,
		    "AMT %s does not tell whether it is on (%s.EnabledState is %s)",
		    features_get_version(features->job), what->class_name,
		    told != NULL ? told : "absent");
	else if (wanted && state == 0 && features_was_refused(features->job, what->param))
		features_add_lack(features, what->param, "AMT %s refused to switch it on; %s",
		    features_get_version(features->job), what->hint);
	else if (state != (wanted ? 1 : 0))
		pv_plan_add(plan, what->class_name, "EnabledState",
		    state == 1 ? "enabled" : "disabled", wanted ? "enabled" : "disabled");
	return TRUE;
}

static void
features_remember_refusal(PvJob *job, const char *param)
{
	const char *version = features_get_version(job);
	const char *fact = pv_job_get_fact(job, FEATURES_REFUSED);
	gboolean goes_on =
	    fact != NULL && g_str_has_prefix(fact, version) && fact[strlen(version)] == ' ';
	g_autofree char *text = g_strdup_printf("%s %s", goes_on ? fact : version, param);
	pv_job_set_fact(job, FEATURES_REFUSED, text);
}

static gboolean
features_apply_switch(
    PvJob *job, PvWsman *amt, const PvPlan *plan, const FeaturesSwitch *what, GError **error)
{
	if (!pv_plan_has(plan, what->class_name, "EnabledState"))
		return TRUE;
	gboolean wanted = pv_job_get_bool(job, what->param);
	g_autoptr(GError) local = NULL;
	guint32 status = 0;
	g_autoptr(PvInstance) input = pv_instance_new("RequestStateChange_INPUT");
	pv_instance_add_int(input, "RequestedState", wanted ? FEATURES_ENABLED : FEATURES_DISABLED);
	g_autoptr(PvInstance) output = pv_wsman_invoke(
	    amt, what->class_name, NULL, "RequestStateChange", input, &status, &local);
	if (output != NULL && status == 0)
		return TRUE;
	gboolean refused = output != NULL ? status == FEATURES_NOT_SUPPORTED
					  : g_error_matches(local, PV_ERROR, PV_ERROR_UNSUPPORTED);
	if (refused && wanted && strcmp(pv_job_get_string(job, "unavailable"), "skip") == 0) {
		features_remember_refusal(job, what->param);
		return TRUE;
	}
	if (output == NULL)
		g_propagate_error(error, g_steal_pointer(&local));
	else
		pv_pt_status_error(error, what->class_name, "RequestStateChange", status);
	g_prefix_error(error, "switch %s %s: ", what->param, wanted ? "on" : "off");
	return FALSE;
}

/* SOL, IDE-R and the port that they and KVM listen on */

static const char *
features_name_state(gint64 state)
{
	static const char *const names[] = { "neither", "IDE-R", "SOL", "SOL and IDE-R" };
	return names[state - FEATURES_NEITHER];
}

/* What EnabledState is to be: what the parameters do not name stays as it is. */
static gboolean
features_merge_state(
    PvJob *job, const PvInstance *service, gint64 *is, gint64 *wanted, GError **error)
{
	static const struct {
		const char *param;
		gint64 bit;
	} parts[] = { { "ide-redirection", FEATURES_IDER }, { "sol", FEATURES_SOL } };
	*is = pv_instance_get_int(service, "EnabledState", -1);
	if (*is < FEATURES_NEITHER || *is > FEATURES_BOTH) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read redirection: " FEATURES_REDIRECTION ".EnabledState is \"%s\", not 32768 "
		    "to 32771",
		    pv_instance_get(service, "EnabledState"));
		return FALSE;
	}
	gint64 bits = *is - FEATURES_NEITHER;
	for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
		if (pv_values_has(pv_job_get_values(job), parts[i].param))
			bits = pv_job_get_bool(job, parts[i].param) ? bits | parts[i].bit
								    : bits & ~parts[i].bit;
	*wanted = FEATURES_NEITHER + bits;
	return TRUE;
}

static gboolean
features_is_wanted(PvJob *job, const char *param)
{
	return pv_values_has(pv_job_get_values(job), param) && pv_job_get_bool(job, param);
}

/* Nothing can be redirected while nobody listens: so where the parameter is absent, the listener
 * follows what is to be on. It is never switched off by itself, for somebody else may need it. */
static void
features_plan_listener(Features *features, PvPlan *plan, const PvInstance *service, gboolean asked)
{
	gboolean wanted = asked ? pv_job_get_bool(features->job, "listener")
				: features->kvm || features_is_wanted(features->job, "sol") ||
				      features_is_wanted(features->job, "ide-redirection");
	if (!asked && !wanted)
		return;
	const char *listens = pv_instance_get(service, "ListenerEnabled");
	if (listens == NULL && asked && wanted)
		features_add_lack(features, "listener",
		    "AMT %s has no " FEATURES_REDIRECTION ".ListenerEnabled",
		    features_get_version(features->job));
	else if (listens != NULL && pv_instance_get_bool(service, "ListenerEnabled") != wanted)
		pv_plan_add(plan, FEATURES_REDIRECTION, "ListenerEnabled", listens,
		    wanted ? "true" : "false");
}

static gboolean
features_plan_redirection(Features *features, PvPlan *plan, GError **error)
{
	static const char *const params[] = { "sol", "ide-redirection", "listener" };
	gboolean asked[] = { FALSE, FALSE, FALSE };
	for (gsize i = 0; i < G_N_ELEMENTS(params); i++)
		asked[i] = features_is_asked(features, params[i]);
	if (!asked[0] && !asked[1] && !asked[2] && !features->kvm)
		return TRUE;
	g_autoptr(PvInstance) service = NULL;
	if (!features_read(features, FEATURES_REDIRECTION, &service, error))
		return FALSE;
	for (gsize i = 0; service == NULL && i < G_N_ELEMENTS(params); i++)
		if (features_is_wanted(features->job, params[i]))
			features_add_lack(features, params[i],
			    "AMT %s has no " FEATURES_REDIRECTION,
			    features_get_version(features->job));
	if (service == NULL)
		return TRUE;
	gint64 is = 0, wanted = 0;
	if (!features_merge_state(features->job, service, &is, &wanted, error))
		return FALSE;
	if (is != wanted)
		pv_plan_add(plan, FEATURES_REDIRECTION, "EnabledState", features_name_state(is),
		    features_name_state(wanted));
	features_plan_listener(features, plan, service, asked[2]);
	return TRUE;
}

/* Whether the listener is wanted for more than a screen that the device has just refused to show. */
static gboolean
features_has_use_for_listener(PvJob *job, const PvPlan *plan)
{
	return pv_values_has(pv_job_get_values(job), "listener") || features_is_wanted(job, "sol") ||
	       features_is_wanted(job, "ide-redirection") ||
	       !pv_plan_has(plan, features_kvm.class_name, "EnabledState") ||
	       !features_was_refused(job, "kvm");
}

/* First what may be redirected, then whether anybody listens: the latter is a Put of the whole
 * instance, which by then holds the former. */
static gboolean
features_apply_redirection(PvJob *job, PvWsman *amt, const PvPlan *plan, GError **error)
{
	gint64 is = 0, wanted = 0;
	if (!pv_plan_has(plan, FEATURES_REDIRECTION, NULL))
		return TRUE;
	g_autoptr(PvInstance) service = pv_wsman_get(amt, FEATURES_REDIRECTION, NULL, error);
	if (service == NULL || !features_merge_state(job, service, &is, &wanted, error))
		return FALSE;
	if (is != wanted) {
		g_autoptr(PvInstance) input = pv_instance_new("RequestStateChange_INPUT");
		pv_instance_add_int(input, "RequestedState", wanted);
		g_autoptr(PvInstance) output = pv_wsman_invoke(
		    amt, FEATURES_REDIRECTION, NULL, "RequestStateChange", input, NULL, error);
		if (output == NULL)
			return FALSE;
	}
	for (guint i = 0;
	     features_has_use_for_listener(job, plan) && i < pv_plan_get_length(plan); i++) {
		const PvChange *change = pv_plan_get(plan, i);
		if (strcmp(change->object, FEATURES_REDIRECTION) != 0 ||
		    strcmp(change->property, "ListenerEnabled") != 0)
			continue;
		g_autofree char *state = g_strdup_printf("%" G_GINT64_FORMAT, wanted);
		pv_instance_set(service, "EnabledState", state);
		pv_instance_set(service, "ListenerEnabled", change->to);
		return pv_wsman_put(amt, service, error);
	}
	return TRUE;
}

/* Pings */

static gboolean
features_plan_pings(Features *features, PvPlan *plan, GError **error)
{
	static const struct {
		const char *param, *property;
	} pings[] = { { "ping", "PingResponseEnabled" },
		{ "rmcp-ping", "RmcpPingResponseEnabled" } };
	g_autoptr(PvInstance) settings = NULL;
	for (gsize i = 0; i < G_N_ELEMENTS(pings); i++) {
		if (!features_is_asked(features, pings[i].param))
			continue;
		if (settings == NULL)
			settings = pv_wsman_get(features->amt, FEATURES_GENERAL, NULL, error);
		if (settings == NULL)
			return FALSE;
		gboolean wanted = pv_job_get_bool(features->job, pings[i].param);
		if (pv_instance_get(settings, pings[i].property) != NULL)
			pv_plan_property(
			    plan, settings, pings[i].property, wanted ? "true" : "false");
		else if (wanted)
			features_add_lack(features, pings[i].param,
			    "AMT %s has no " FEATURES_GENERAL ".%s",
			    features_get_version(features->job), pings[i].property);
	}
	return TRUE;
}

/* User consent */

static gboolean
features_plan_consent(Features *features, PvPlan *plan, GError **error)
{
	if (!features_is_asked(features, "user-consent"))
		return TRUE;
	const char *who = pv_job_get_string(features->job, "user-consent");
	/* IPS_OptInService.OptInRequired: 0 nobody asks, 1 KVM, 0xFFFFFFFF everything */
	const char *wanted = strcmp(who, "none") == 0  ? "0"
			     : strcmp(who, "kvm") == 0 ? "1"
						       : "4294967295";
	g_autoptr(PvInstance) service = NULL;
	if (!features_read(features, FEATURES_CONSENT, &service, error))
		return FALSE;
	if (service == NULL) {
		if (strcmp(who, "none") != 0)
			features_add_lack(features, "user-consent",
			    "AMT %s has no " FEATURES_CONSENT ", which came with AMT 7.0",
			    features_get_version(features->job));
		return TRUE;
	}
	const char *present = pv_instance_get(service, "OptInRequired");
	if (g_strcmp0(present, wanted) != 0 &&
	    pv_instance_get_int(service, "CanModifyOptInPolicy", 1) == 0)
		features_add_lack(features, "user-consent",
		    "the firmware fixes it at %s (" FEATURES_CONSENT
		    ".CanModifyOptInPolicy is 0), as it does in client control mode",
		    g_strcmp0(present, "0") == 0	    ? "\"none\""
		    : g_strcmp0(present, "1") == 0	    ? "\"kvm\""
		    : g_strcmp0(present, "4294967295") == 0 ? "\"all\""
							    : "what it is");
	else
		pv_plan_property(plan, service, "OptInRequired", wanted);
	return TRUE;
}

/* All of it */

static gboolean
features_judge_lacks(Features *features, GError **error)
{
	PvJob *job = features->job;
	if (features->lacks == 0) {
		pv_job_set_fact(job, FEATURES_UNAVAILABLE, NULL);
		return TRUE;
	}
	if (strcmp(pv_job_get_string(job, "unavailable"), "skip") != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
		    "set features: %s; take it out of the stage, or set \"unavailable\": \"skip\" "
		    "(%s)",
		    features->reasons->str,
		    pv_values_get_where(pv_job_get_values(job), "unavailable"));
		return FALSE;
	}
	pv_job_set_fact(job, FEATURES_UNAVAILABLE, features->lacking->str);
	if (features->lacks == features->asked)
		pv_job_skip(job, "the device has none of it: %s", features->reasons->str);
	else
		pv_job_progress(job, "left out: %s", features->reasons->str);
	return TRUE;
}

static gboolean
features_plan(PvJob *job, PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_auto(Features) features = { .job = job, .amt = amt };
	features.lacking = g_string_new(NULL);
	features.reasons = g_string_new(NULL);
	if (!features_plan_pings(&features, plan, error) ||
	    !features_plan_consent(&features, plan, error) ||
	    !features_plan_switch(&features, plan, &features_kvm, error))
		return FALSE;
	features.kvm =
	    features_is_wanted(job, "kvm") && strstr(features.lacking->str, "kvm") == NULL;
	return features_plan_redirection(&features, plan, error) &&
	       features_plan_switch(&features, plan, &features_web_ui, error) &&
	       features_judge_lacks(&features, error);
}

/* User consent first: nothing is opened before whoever sits there is asked. */
static gboolean
features_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	return amt != NULL && pv_plan_put(plan, job, error) &&
	       features_apply_switch(job, amt, plan, &features_kvm, error) &&
	       features_apply_redirection(job, amt, plan, error) &&
	       features_apply_switch(job, amt, plan, &features_web_ui, error);
}

static const PvParam features_params[] = {
	{ "web-ui", PV_PARAM_BOOL, "null", "web pages of AMT" },
	{ "sol", PV_PARAM_BOOL, "null", "serial over LAN" },
	{ "ide-redirection", PV_PARAM_BOOL, "null",
	    "disks over the network: IDE-R, called USB-R by newer firmware" },
	{ "kvm", PV_PARAM_BOOL, "null", "screen, keyboard and mouse over the network" },
	{ "listener", PV_PARAM_BOOL, "null",
	    "port of the three; where absent, it is switched on with any of them" },
	{ "ping", PV_PARAM_BOOL, "null", "answers to ping (ICMP echo)" },
	{ "rmcp-ping", PV_PARAM_BOOL, "null", "answers to RMCP ping (ASF presence, UDP 623)" },
	{ "user-consent", PV_PARAM_CHOICE, "null", "what the user at the computer has to agree to",
	    .choices = "none|kvm|all" },
	{ "unavailable", PV_PARAM_CHOICE, "\"error\"",
	    "what to do when a device cannot follow one of these", .choices = "error|skip" },
	{ NULL },
};

static const PvStage features_stages[] = {
	{
	    .type = "features",
	    .summary = "switches web pages, redirection, pings and user consent",
	    .params = features_params,
	    .needs = (const char *const[]) { "tls.fingerprint", NULL },
	    .plan = features_plan,
	    .apply = features_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("features", PV_VERSION, "what a device offers", .stages = features_stages);
