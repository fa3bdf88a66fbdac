/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replaces the password of the firmware's own menu, MEBx. Firmware takes one over the network
 * either never, or only while it is still the factory's, or during set-up, or at any time, and
 * tells which only by refusing (AMT_SetupAndConfigurationService.SetMEBxPassword): so a refusal
 * ends the stage as skipped with the reason, and is remembered so that the next run does not ask
 * again. */
#include <provost/plugin.h>

#define MEBX_PASSWORD_CLASS "AMT_SetupAndConfigurationService"
/* fact: when provost set it, as seconds since 1970; goes when the device is said to be reset, though the secret stays */
#define MEBX_PASSWORD_SET "mebx.set"
/* fact: state and version of the firmware that said no */
#define MEBX_PASSWORD_REFUSED "mebx.refused"

enum { MEBX_PASSWORD_MINIMUM = 8, MEBX_PASSWORD_MAXIMUM = 32 };

/* Intel AMT SDK, "Password format"; '_' counts as a letter or digit there, and so as no symbol */
static gboolean
mebx_password_is_strong(const PvSecret *password)
{
	gsize length = 0;
	const char *bytes = pv_secret_peek(password, &length);
	gboolean upper = FALSE, lower = FALSE, digit = FALSE, symbol = FALSE;
	for (gsize i = 0; i < length; i++) {
		char c = bytes[i];
		if (c < ' ' || c > '~' || c == ':' || c == ',' || c == '"')
			return FALSE;
		upper = upper || g_ascii_isupper(c);
		lower = lower || g_ascii_islower(c);
		digit = digit || g_ascii_isdigit(c);
		symbol = symbol || (!g_ascii_isalnum(c) && c != '_');
	}
	return length >= MEBX_PASSWORD_MINIMUM && length <= MEBX_PASSWORD_MAXIMUM && upper &&
	       lower && digit && symbol;
}

/* The configured password; *password stays NULL where each device is to get its own. */
static gboolean
mebx_password_find_configured(PvJob *job, PvSecret **password, GError **error)
{
	const PvValues *values = pv_job_get_values(job);
	if (!pv_values_has(values, "password"))
		return TRUE;
	g_autoptr(PvSecret) configured = pv_values_dup_secret(values, "password", error);
	if (configured == NULL)
		return FALSE;
	if (!mebx_password_is_strong(configured)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: the password must have 8 to 32 ASCII characters, among them an upper case "
		    "and a lower case letter, a digit and a symbol, and no colon, comma or double "
		    "quote",
		    pv_values_get_where(values, "password"));
		return FALSE;
	}
	*password = g_steal_pointer(&configured);
	return TRUE;
}

static gboolean
mebx_password_holds(
    PvJob *job, const char *name, const PvSecret *wanted, gboolean *holds, GError **error)
{
	if (*holds || !pv_job_has_secret(job, name, PV_SECRET_CURRENT))
		return TRUE;
	g_autoptr(PvSecret) known = pv_job_dup_secret(job, name, PV_SECRET_CURRENT, error);
	*holds = known != NULL && pv_secret_equal(known, wanted);
	return known != NULL;
}

/* Whether the device is known to have the wanted password. A pending one was sent but not
 * answered. */
static gboolean
mebx_password_is_set(PvJob *job, gboolean *set, GError **error)
{
	g_autoptr(PvSecret) configured = NULL;
	if (!mebx_password_find_configured(job, &configured, error))
		return FALSE;
	gboolean current = pv_job_has_secret(job, "mebx", PV_SECRET_CURRENT);
	/* the password that a reset device had before may be the device's no more */
	if (current && pv_job_get_fact(job, MEBX_PASSWORD_SET) == NULL)
		return TRUE;
	if (configured == NULL) {
		*set = current && !pv_job_has_secret(job, "mebx", PV_SECRET_PENDING);
		return TRUE;
	}
	/* what was imported counts as long as provost itself has set nothing since */
	const char *name = current ? "mebx" : "mebx-import";
	if (!mebx_password_holds(job, name, configured, set, error))
		return FALSE;
	*set = *set && !pv_job_has_secret(job, "mebx", PV_SECRET_PENDING);
	return TRUE;
}

/* State and version: what a refusal depends on, besides the password that is in the device. */
static char *
mebx_password_dup_circumstances(PvJob *job, const PvInstance *service)
{
	const char *version = pv_job_get_fact(job, "amt.version");
	return g_strdup_printf("state %" G_GINT64_FORMAT ", AMT %s",
	    pv_instance_get_int(service, "ProvisioningState", -1),
	    version != NULL ? version : "unknown");
}

static gboolean
mebx_password_plan(PvJob *job, PvPlan *plan, GError **error)
{
	gboolean set = FALSE;
	if (!mebx_password_is_set(job, &set, error))
		return FALSE;
	if (set)
		return TRUE;

	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_autoptr(PvInstance) service = pv_wsman_get(amt, MEBX_PASSWORD_CLASS, NULL, error);
	if (service == NULL)
		return FALSE;
	g_autofree char *circumstances = mebx_password_dup_circumstances(job, service);
	const char *refused = pv_job_get_fact(job, MEBX_PASSWORD_REFUSED);
	if (pv_instance_get_int(service, "ProvisioningState", -1) != 1 &&
	    g_strcmp0(pv_job_get_string(job, "policy"), "always") != 0) {
		pv_job_skip(job, "MEBx password not changed: device is past set-up, and the policy "
				 "is \"setup-only\"");
	} else if (refused != NULL && g_str_has_suffix(refused, circumstances)) {
		pv_job_skip(job,
		    "MEBx password not changed: firmware refused (%s); it was changed by hand "
		    "before, or may only be changed there",
		    refused);
	} else {
		pv_plan_add(plan, "MEBx", "password", "", "(new)");
	}
	return TRUE;
}

/* The value to send, sealed and on disk. */
static PvSecret *
mebx_password_prepare(PvJob *job, GError **error)
{
	g_autoptr(PvSecret) password = NULL;
	if (!mebx_password_find_configured(job, &password, error))
		return NULL;
	if (password == NULL)
		return pv_job_new_secret(job, "mebx", (guint)pv_job_get_int(job, "length"), error);
	return pv_job_propose_secret(job, "mebx", password, error) ? g_steal_pointer(&password)
								   : NULL;
}

static gboolean
mebx_password_send(PvWsman *amt, const PvSecret *password, const char **refused, GError **error)
{
	g_autoptr(GError) local = NULL;
	guint32 status = 0;
	g_autoptr(PvInstance) input = pv_instance_new("SetMEBxPassword_INPUT");
	pv_instance_add(input, "Password", pv_secret_peek(password, NULL));
	g_autoptr(PvInstance) output = pv_wsman_invoke(
	    amt, MEBX_PASSWORD_CLASS, NULL, "SetMEBxPassword", input, &status, &local);
	if (output == NULL && g_error_matches(local, PV_ERROR, PV_ERROR_UNSUPPORTED)) {
		*refused = "not supported";
		return TRUE;
	}
	if (output == NULL) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if (status == PV_PT_STATUS_NOT_PERMITTED) {
		*refused = "NOT_PERMITTED";
		return TRUE;
	}
	if (status != PV_PT_STATUS_SUCCESS)
		pv_pt_status_error(error, MEBX_PASSWORD_CLASS, "SetMEBxPassword", status);
	return status == PV_PT_STATUS_SUCCESS;
}

static gboolean
mebx_password_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_autoptr(PvInstance) service = pv_wsman_get(amt, MEBX_PASSWORD_CLASS, NULL, error);
	if (service == NULL)
		return FALSE;
	g_autoptr(PvSecret) password = mebx_password_prepare(job, error);
	const char *refused = NULL;
	if (password == NULL || !mebx_password_send(amt, password, &refused, error))
		return FALSE;

	if (refused != NULL) {
		g_autofree char *circumstances = mebx_password_dup_circumstances(job, service);
		g_autofree char *fact = g_strdup_printf("%s in %s", refused, circumstances);
		pv_job_set_fact(job, MEBX_PASSWORD_REFUSED, fact);
		return TRUE;
	}
	g_autofree char *now =
	    g_strdup_printf("%" G_GINT64_FORMAT, g_get_real_time() / G_USEC_PER_SEC);
	pv_job_set_fact(job, MEBX_PASSWORD_REFUSED, NULL);
	pv_job_set_fact(job, MEBX_PASSWORD_SET, now);
	return pv_job_confirm_secret(job, "mebx", error);
}

static const PvParam mebx_password_params[] = {
	{ "password", PV_PARAM_SECRET, "null",
	    "password for all devices; where absent, each gets a random one" },
	{ "length", PV_PARAM_INT, "16", "length of a random password", .unit = "characters",
	    .minimum = MEBX_PASSWORD_MINIMUM, .maximum = MEBX_PASSWORD_MAXIMUM },
	{ "policy", PV_PARAM_CHOICE, "\"setup-only\"",
	    "whether to try on devices that are past set-up, too", .choices = "setup-only|always" },
	{ NULL },
};

static const PvStage mebx_password_stages[] = {
	{
		.type = "mebx-password",
		.summary = "replaces the password of the firmware's menu, where firmware lets it",
		.params = mebx_password_params,
		.needs = (const char *const[]){ "tls.fingerprint", NULL },
		.plan = mebx_password_plan,
		.apply = mebx_password_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("mebx-password", PV_VERSION, "the MEBx password", .stages = mebx_password_stages);
