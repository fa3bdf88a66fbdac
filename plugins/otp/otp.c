/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compares the one-time password in the firmware with the hash that was announced for this
 * device: until then nothing has shown that it is the device and not a stranger on its address. */
#include <provost/plugin.h>

#include <string.h>

enum { OTP_HASH_CHARS = 64, OTP_SHOWN_CHARS = 8 };

/* Lower case hex SHA-256 of the password in the device; *hash stays NULL when it holds none. */
static gboolean
otp_read_hash(const PvInstance *service, char **hash, GError **error)
{
	if (pv_instance_get(service, "ProvisioningServerOTP") == NULL)
		return TRUE;
	g_autoptr(GBytes) bytes = pv_instance_dup_bytes(service, "ProvisioningServerOTP", error);
	if (bytes == NULL)
		return FALSE;

	/* 8 to 32 characters, which firmware may fill up with zero bytes to 32; all zero means none
	 * (AMT_SetupAndConfigurationService.ProvisioningServerOTP) */
	gsize length = 0;
	const guint8 *otp = g_bytes_get_data(bytes, &length);
	while (length > 0 && otp[length - 1] == 0)
		length--;
	if (length > 0)
		*hash = g_compute_checksum_for_data(G_CHECKSUM_SHA256, otp, length);
	return TRUE;
}

static gboolean
otp_hash_equal(const char *a, const char *b)
{
	g_autoptr(PvSecret) one = pv_secret_new(a, -1);
	g_autoptr(PvSecret) other = pv_secret_new(b, -1);
	return pv_secret_equal(one, other); /* constant time */
}

static gboolean
otp_refuse(PvJob *job, const char *hash, const char *expected, GError **error)
{
	const char *found = hash != NULL ? hash : "none";
	/* a store that cannot take the entry makes the device no better: the refusal stands */
	(void)pv_job_record_security_event(job, "otp-mismatch",
	    "device reports %.*s, expected %.*s", OTP_SHOWN_CHARS, found, OTP_SHOWN_CHARS,
	    expected);
	g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
	    "compare one-time password: device reports hash %.*s, expected %.*s: this is not the "
	    "announced device, or its password was set anew; set one again on the device and "
	    "import its hash",
	    OTP_SHOWN_CHARS, found, OTP_SHOWN_CHARS, expected);
	return FALSE;
}

static gboolean
otp_compare(PvJob *job, const PvInstance *service, const char *expected, GError **error)
{
	if (expected == NULL) {
		if (pv_job_get_bool(job, "required")) {
			g_set_error_literal(error, PV_ERROR, PV_ERROR_CONFIG,
			    "compare one-time password: none is known for this device, but the "
			    "pipeline requires it; import the hash of the one set on the device");
			return FALSE;
		}
		pv_job_set_fact(job, "otp.result", "none");
		return TRUE;
	}

	g_autofree char *wanted = g_ascii_strdown(expected, -1);
	if (strlen(wanted) != OTP_HASH_CHARS ||
	    strspn(wanted, "0123456789abcdef") != OTP_HASH_CHARS) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_CONFIG,
		    "compare one-time password: the hash imported for this device is not 64 hex "
		    "digits of SHA-256");
		return FALSE;
	}
	g_autofree char *hash = NULL;
	if (!otp_read_hash(service, &hash, error))
		return FALSE;
	if (hash == NULL || !otp_hash_equal(hash, wanted))
		return otp_refuse(job, hash, wanted, error);
	pv_job_set_fact(job, "otp.result", "matched");
	pv_job_set_fact(job, "otp.certificate", pv_job_get_fact(job, "tls.fingerprint"));
	return TRUE;
}

static gboolean
otp_plan(PvJob *job, PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_autoptr(PvInstance) service =
	    pv_wsman_get(amt, "AMT_SetupAndConfigurationService", NULL, error);
	if (service == NULL)
		return FALSE;

	/* ProvisioningState 1 is set-up; afterwards the password reads as zeros. A stranger
	 * could say so too: only a certificate of the site's CA, or one that showed the password
	 * before, excuses the device. */
	const char *expected = pv_job_get_fact(job, "otp.expected");
	const char *certificate = pv_job_get_fact(job, "otp.certificate");
	gboolean shown_before = certificate != NULL &&
	    g_strcmp0(certificate, pv_job_get_fact(job, "tls.fingerprint")) == 0;
	gboolean known = pv_wsman_is_verified(amt) || shown_before;
	if (pv_instance_get_int(service, "ProvisioningState", -1) == 1 ||
	    (expected != NULL && !known))
		return otp_compare(job, service, expected, error);

	if (pv_job_get_fact(job, "otp.result") == NULL)
		pv_job_set_fact(job, "otp.result", "none");
	pv_job_skip(
	    job, "device is past set-up, where firmware no longer shows its one-time password");
	return TRUE;
}

static gboolean
otp_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	return TRUE; /* never called: the plan is always empty */
}

static const PvParam otp_params[] = {
	{ "required", PV_PARAM_BOOL, "false",
	    "refuse devices for which no one-time password is known" },
	{ NULL },
};

static const PvStage otp_stages[] = {
	{
		.type = "otp",
		.summary = "compares the device's one-time password with the announced hash",
		.params = otp_params,
		.needs = (const char *const[]){ "tls.fingerprint", NULL },
		.provides = (const char *const[]){ "otp.result", NULL },
		.plan = otp_plan,
		.apply = otp_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("otp", PV_VERSION, "the one-time password check", .stages = otp_stages);
