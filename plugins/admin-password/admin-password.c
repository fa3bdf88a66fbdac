/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gives the device a strong admin password of its own. The value is sealed and on disk before
 * the device sees it, and becomes current only when the device has answered: a lost reply leaves
 * it pending, both are then tried at the next login, and the next run sends the same one again. */
#include <provost/plugin.h>

#define ADMIN_PASSWORD_CLASS "AMT_AuthorizationService"
#define ADMIN_PASSWORD_USER "admin"
#define ADMIN_PASSWORD_FACT "admin.set" /* when, as seconds since 1970 */

enum { ADMIN_PASSWORD_MD5_BYTES = 16 };

/* Whether firmware says that the password is still the one from the factory; FALSE where it
 * cannot say. */
static gboolean
admin_password_read_default(PvWsman *amt, gboolean *is_default, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(PvInstance) output = pv_wsman_invoke(
	    amt, ADMIN_PASSWORD_CLASS, NULL, "GetAdminNetAclEntryStatus", NULL, NULL, &local);
	*is_default = output != NULL && pv_instance_get_bool(output, "IsDefault");
	if (output != NULL || g_error_matches(local, PV_ERROR, PV_ERROR_UNSUPPORTED))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

static gboolean
admin_password_is_due(PvJob *job)
{
	gint64 days = pv_job_get_int(job, "rotate-days");
	const char *set = pv_job_get_fact(job, ADMIN_PASSWORD_FACT);
	gint64 age_sec =
	    g_get_real_time() / G_USEC_PER_SEC - (set != NULL ? g_ascii_strtoll(set, NULL, 10) : 0);
	return days > 0 && age_sec >= days * 24 * 60 * 60;
}

static gboolean
admin_password_plan(PvJob *job, PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	gboolean is_default = FALSE;
	if (amt == NULL || !admin_password_read_default(amt, &is_default, error))
		return FALSE;

	/* a password cannot be read back: the answered call, the login with it and the flag
	 * above are the proof */
	gboolean known = pv_job_has_secret(job, "admin", PV_SECRET_CURRENT) &&
			 !pv_job_has_secret(job, "admin", PV_SECRET_PENDING) &&
			 pv_job_get_fact(job, ADMIN_PASSWORD_FACT) != NULL;
	if (!known || is_default)
		pv_plan_add(plan, "admin account", "password", "", "(new)");
	else if (admin_password_is_due(job))
		pv_plan_add(plan, "admin account", "password", "(secret)", "(new)");
	return TRUE;
}

/* The 16 raw bytes of MD5(user:realm:password) are what AMT keeps of a password
 * (AMT_AuthorizationService) */
static void
admin_password_hash(const char *realm, const PvSecret *password, guint8 *hash)
{
	gsize length = 0;
	const char *bytes = pv_secret_peek(password, &length);
	gsize size = ADMIN_PASSWORD_MD5_BYTES;
	g_autoptr(GChecksum) md5 = g_checksum_new(G_CHECKSUM_MD5);
	g_checksum_update(md5, (const guchar *)ADMIN_PASSWORD_USER ":", -1);
	g_checksum_update(md5, (const guchar *)realm, -1);
	g_checksum_update(md5, (const guchar *)":", 1);
	g_checksum_update(md5, (const guchar *)bytes, (gssize)length);
	g_checksum_get_digest(md5, hash, &size);
}

static gboolean
admin_password_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_autoptr(PvSecret) password =
	    pv_job_new_secret(job, "admin", (guint)pv_job_get_int(job, "length"), error);
	if (password == NULL)
		return FALSE;

	guint8 hash[ADMIN_PASSWORD_MD5_BYTES];
	admin_password_hash(pv_job_get_fact(job, "amt.realm"), password, hash);
	g_autoptr(PvInstance) input = pv_instance_new("SetAdminAclEntryEx_INPUT");
	pv_instance_add(input, "Username", ADMIN_PASSWORD_USER);
	pv_instance_add_bytes(input, "DigestPassword", hash, sizeof hash);
	g_autoptr(PvInstance) output = pv_wsman_invoke(
	    amt, ADMIN_PASSWORD_CLASS, NULL, "SetAdminAclEntryEx", input, NULL, error);
	if (output == NULL || !pv_job_confirm_secret(job, "admin", error))
		return FALSE;

	g_autofree char *now =
	    g_strdup_printf("%" G_GINT64_FORMAT, g_get_real_time() / G_USEC_PER_SEC);
	pv_job_set_fact(job, ADMIN_PASSWORD_FACT, now);
	pv_job_reconnect(job); /* the very next request must use the new password */
	return TRUE;
}

static const PvParam admin_password_params[] = {
	{ "length", PV_PARAM_INT, "20", "length of the password", .unit = "characters",
	    .minimum = 8, .maximum = 32 },
	{ "rotate-days", PV_PARAM_INT, "0", "age from which it is replaced; 0: never", .unit = "d",
	    .minimum = 0, .maximum = 3650 },
	{ NULL },
};

static const PvStage admin_password_stages[] = {
	{
		.type = "admin-password",
		.summary = "sets a strong admin password of the device's own",
		.params = admin_password_params,
		.needs = (const char *const[]){ "amt.realm", NULL },
		.plan = admin_password_plan,
		.apply = admin_password_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "admin-password", PV_VERSION, "the remote admin password", .stages = admin_password_stages);
