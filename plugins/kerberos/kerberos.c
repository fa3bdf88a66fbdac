/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <provost/provost.h>
#include <stdlib.h>
#include <string.h>

/* Switches Kerberos on with the realm of the device's account and the key that its password makes
 * (Intel AMT SDK, AMT_KerberosSettingData). */

#define KERBEROS_CLASS "AMT_KerberosSettingData"
#define KERBEROS_ITERATIONS \
	"4096" /* RFC 3962 4: the default of string-to-key, which Active Directory uses */
#define KERBEROS_AES_VERSION \
	8 /* of AMT: Passphrase, Salt and IterationCount are there from 8.0 on */
#define KERBEROS_OWN_SPN_VERSION 6 /* of AMT: from 6.0 on the SPN properties are ignored */
#define KERBEROS_KEY_BYTES 16
#define KERBEROS_PENDING \
	"account.pending-kvno" /* of the stage ad-account: the directory has the pending password */

/* Read-only, or the other way of giving the key: not sent back. */
static const char *const kerberos_dropped[] = { "SupportedEncryptionAlgorithms",
	"ConfiguredEncryptionAlgorithms", "EncryptionAlgorithm", "MasterKey", "Passphrase", "Salt",
	"IterationCount", NULL };

/* What the device should hold. All lent by the job. */
typedef struct {
	guint version; /* AMT's major version */
	const char *realm;
	const char *salt; /* NULL: not known */
	const char *kvno;
	char *tolerance; /* owned; minutes */
	char *key; /* owned; says which key the device was given; no part of the key itself */
} KerberosWanted;

static void
kerberos_clear(KerberosWanted *wanted)
{
	g_free(wanted->tolerance);
	g_free(wanted->key);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KerberosWanted, kerberos_clear)

static gboolean
kerberos_init(KerberosWanted *wanted, PvJob *job, PvWsman *amt, GError **error)
{
	const char *version = pv_job_get_fact(job, "amt.version");
	if (version == NULL)
		version = pv_wsman_get_version(amt);
	wanted->version = version == NULL ? 0 : (guint)strtoul(version, NULL, 10);
	wanted->realm = pv_job_get_fact(job, "account.realm");
	wanted->salt = pv_job_get_fact(job, "account.salt");
	wanted->kvno = pv_job_get_fact(job, "account.kvno");
	if (wanted->version == 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "choose kerberos key: the device did not tell its AMT version");
		return FALSE;
	}
	if (wanted->realm == NULL || wanted->kvno == NULL ||
	    (wanted->salt == NULL && wanted->version >= KERBEROS_AES_VERSION)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "choose kerberos key: the directory gave the account no %s: it is no kerberos "
		    "directory, or the account has no password",
		    wanted->realm == NULL  ? "realm"
		    : wanted->kvno == NULL ? "key version"
					   : "salt");
		return FALSE;
	}
	wanted->tolerance = g_strdup_printf("%d", (int)pv_job_get_int(job, "clock-tolerance"));
	wanted->key = wanted->version >= KERBEROS_AES_VERSION
			  ? g_strdup_printf("aes %s %s", wanted->kvno, wanted->salt)
			  : g_strdup_printf("rc4 %s", wanted->kvno);
	return TRUE;
}

static void
kerberos_plan_property(
    PvPlan *plan, const PvInstance *settings, const char *name, const char *wanted)
{
	const char *present = pv_instance_get(settings, name);
	if (g_strcmp0(present, wanted) != 0)
		pv_plan_add(plan, KERBEROS_CLASS, name, present, wanted);
}

/* Before AMT 6.0 the device is told its own SPNs, one for each protocol: HTTP, HTTPS, SOL and IDE-R, the same over
 * TLS (Intel AMT SDK, AMT_KerberosSettingData.ServicePrincipalProtocol). */
static void
kerberos_set_spns(PvInstance *settings, const char *fqdn)
{
	static const char *const protocols[] = { "0", "1", "2", "3", NULL };
	g_autofree char *lower = g_ascii_strdown(fqdn, -1);
	g_autofree char *http = g_strdup_printf("HTTP/%s:16992", lower);
	g_autofree char *https = g_strdup_printf("HTTP/%s:16993", lower);
	g_autofree char *sol = g_strdup_printf("HTTP/%s:16994", lower);
	g_autofree char *sol_tls = g_strdup_printf("HTTP/%s:16995", lower);
	const char *const names[] = { http, https, sol, sol_tls, NULL };
	pv_instance_set_array(settings, "ServicePrincipalName", names);
	pv_instance_set_array(settings, "ServicePrincipalProtocol", protocols);
}

/* Where it tells them: some firmware may keep them to itself. */
static void
kerberos_plan_spns(PvPlan *plan, const PvInstance *settings, const char *fqdn)
{
	g_autoptr(PvInstance) wanted = pv_instance_dup(settings);
	kerberos_set_spns(wanted, fqdn);
	guint count = pv_instance_get_count(settings, "ServicePrincipalName");
	guint expected = pv_instance_get_count(wanted, "ServicePrincipalName");
	for (guint i = 0; count > 0 && i < MAX(count, expected); i++) {
		const char *is = pv_instance_get_nth(settings, "ServicePrincipalName", i);
		const char *should = pv_instance_get_nth(wanted, "ServicePrincipalName", i);
		if (g_strcmp0(is, should) != 0)
			pv_plan_add(plan, KERBEROS_CLASS, "ServicePrincipalName", is, should);
	}
}

static gboolean
kerberos_plan(PvJob *job, PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	g_autoptr(PvInstance) settings = pv_wsman_get(amt, KERBEROS_CLASS, NULL, error);
	g_auto(KerberosWanted) wanted = { 0 };
	if (settings == NULL || !kerberos_init(&wanted, job, amt, error))
		return FALSE;
	/* both: the group says that its devices may use what is weak, the pipeline that this is worth it */
	const char *missing =
	    !pv_job_get_bool(job, "legacy") ? "the parameter \"legacy\" is not set"
	    : !pv_job_is_legacy(job)	    ? "the device's group has no \"tls\": \"legacy\""
					    : NULL;
	gboolean pending = pv_job_has_secret(job, "account", PV_SECRET_PENDING);
	if (wanted.version < KERBEROS_AES_VERSION && missing != NULL) {
		/* nobody is left who could not know it yet */
		if (pending)
			pv_plan_add(plan, "account", "password", "(not confirmed)", "(in use)");
		else
			pv_job_skip(job,
			    "AMT %u knows only RC4 keys, and these are not allowed: %s",
			    wanted.version, missing);
		return TRUE;
	}

	kerberos_plan_property(plan, settings, "RealmName", wanted.realm);
	kerberos_plan_property(plan, settings, "KeyVersion", wanted.kvno);
	kerberos_plan_property(plan, settings, "MaximumClockTolerance", wanted.tolerance);
	if (wanted.version >= KERBEROS_AES_VERSION && pv_instance_get(settings, "Salt") != NULL)
		kerberos_plan_property(plan, settings, "Salt", wanted.salt);
	if (!pv_instance_get_bool(settings, "KrbEnabled"))
		pv_plan_add(plan, KERBEROS_CLASS, "KrbEnabled", "false", "true");
	const char *fqdn = pv_device_get_fqdn(pv_job_get_device(job));
	if (wanted.version < KERBEROS_OWN_SPN_VERSION && fqdn != NULL)
		kerberos_plan_spns(plan, settings, fqdn);
	/* the key cannot be read back: the fact remembers which one was written, and a password that is still pending
	 * that its key was never tried */
	gboolean known = g_strcmp0(pv_job_get_fact(job, "kerberos.key"), wanted.key) == 0;
	if (!known || pending)
		pv_plan_add(plan, KERBEROS_CLASS,
		    wanted.version >= KERBEROS_AES_VERSION ? "Passphrase" : "MasterKey",
		    known ? "(not proved)" : "", "(secret)");
	return TRUE;
}

/* MD4 of the password in UTF-16LE (RFC 4757 2). MD4 lives in OpenSSL's legacy provider: loaded into a context of
 * its own, so that nothing else in the process gets weaker. */
static gboolean
kerberos_make_rc4_key(PvSecret *password, guint8 key[KERBEROS_KEY_BYTES], GError **error)
{
	gsize length = 0;
	const char *text = pv_secret_peek(password, &length);
	glong units = 0;
	gunichar2 *wide = g_utf8_to_utf16(text, (glong)length, NULL, &units, NULL);
	if (wide == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
		    "make kerberos key: the password is no UTF-8");
		return FALSE;
	}
	for (glong i = 0; i < units; i++)
		wide[i] = GUINT16_TO_LE(wide[i]);

	OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();
	OSSL_PROVIDER *legacy = context == NULL ? NULL : OSSL_PROVIDER_load(context, "legacy");
	EVP_MD *md4 = legacy == NULL ? NULL : EVP_MD_fetch(context, "MD4", NULL);
	unsigned int size = 0;
	gboolean ok = md4 != NULL &&
		      EVP_Digest(wide, (gsize)units * sizeof *wide, key, &size, md4, NULL) == 1 &&
		      size == KERBEROS_KEY_BYTES;
	ERR_clear_error();
	EVP_MD_free(md4);
	if (legacy != NULL)
		OSSL_PROVIDER_unload(legacy);
	OSSL_LIB_CTX_free(context);
	OPENSSL_cleanse(wide, (gsize)units * sizeof *wide);
	g_free(wide);
	if (!ok)
		g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
		    "make kerberos key: this OpenSSL has no legacy provider, and so no MD4");
	return ok;
}

static gboolean
kerberos_set_key(PvInstance *settings, const KerberosWanted *wanted, PvJob *job, PvSecret *password,
    GError **error)
{
	for (guint i = 0; kerberos_dropped[i] != NULL; i++)
		pv_instance_set(settings, kerberos_dropped[i], NULL);
	if (wanted->version >= KERBEROS_AES_VERSION) {
		pv_instance_set(settings, "IterationCount", KERBEROS_ITERATIONS);
		pv_instance_set(settings, "Passphrase", pv_secret_peek(password, NULL));
		pv_instance_set(settings, "Salt", wanted->salt);
		return TRUE;
	}

	guint8 key[KERBEROS_KEY_BYTES];
	if (!kerberos_make_rc4_key(password, key, error))
		return FALSE;
	char *encoded = g_base64_encode(key, sizeof key);
	pv_instance_set(settings, "EncryptionAlgorithm", "0");
	pv_instance_set(settings, "MasterKey", encoded);
	OPENSSL_cleanse(encoded, strlen(encoded));
	OPENSSL_cleanse(key, sizeof key);
	g_free(encoded);
	const char *fqdn = pv_device_get_fqdn(pv_job_get_device(job));
	if (wanted->version < KERBEROS_OWN_SPN_VERSION && fqdn != NULL)
		kerberos_set_spns(settings, fqdn);
	return TRUE;
}

/* Always the whole set: a Put without the key would leave the firmware to guess what becomes of it. */
static gboolean
kerberos_write(
    PvJob *job, PvWsman *amt, const KerberosWanted *wanted, PvSecret *password, GError **error)
{
	g_autoptr(PvInstance) settings = pv_wsman_get(amt, KERBEROS_CLASS, NULL, error);
	if (settings == NULL)
		return FALSE;
	pv_instance_set(settings, "KeyVersion", wanted->kvno);
	pv_instance_set(settings, "KrbEnabled", "true");
	pv_instance_set(settings, "MaximumClockTolerance", wanted->tolerance);
	pv_instance_set(settings, "RealmName", wanted->realm);
	if (kerberos_set_key(settings, wanted, job, password, error) &&
	    pv_wsman_put(amt, settings, error))
		return TRUE;
	g_prefix_error(error, "switch on kerberos: ");
	return FALSE;
}

/* The second half of a change of password: account and device agree, and the former one is history. */
static gboolean
kerberos_confirm(PvJob *job, GError **error)
{
	if (pv_job_has_secret(job, "account", PV_SECRET_PENDING) &&
	    !pv_job_confirm_secret(job, "account", error))
		return FALSE;
	pv_job_set_fact(job, KERBEROS_PENDING, NULL);
	return TRUE;
}

static gboolean
kerberos_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	g_auto(KerberosWanted) wanted = { 0 };
	if (amt == NULL || !kerberos_init(&wanted, job, amt, error))
		return FALSE;
	if (pv_plan_has(plan, "account", "password")) /* the device gets no key */
		return kerberos_confirm(job, error);
	g_autoptr(PvSecret) password = pv_job_dup_account_password(job, error);
	if (password == NULL || !kerberos_write(job, amt, &wanted, password, error))
		return FALSE;
	pv_job_set_fact(job, "kerberos.key", wanted.key);
	return pv_job_save_facts(job, error) &&
	       (!pv_job_get_bool(job, "ticket-test") ||
		   pv_job_prove_account_key(job, password, error)) &&
	       kerberos_confirm(job, error);
}

static const PvParam kerberos_params[] = {
	{ "clock-tolerance", PV_PARAM_INT, "5", "how far a ticket's clock may be off the device's",
	    .unit = "min", .minimum = 1, .maximum = 5 },
	{ "legacy", PV_PARAM_BOOL, "false",
	    "give AMT before 8.0 an RC4 key, the only one it knows, where the group is \"tls\": "
	    "\"legacy\"" },
	{ "ticket-test", PV_PARAM_BOOL, "true",
	    "after a new key: log in by a ticket of the directory's service account, if it has "
	    "one, "
	    "before the former password is given up" },
	{ NULL },
};

static const char *const kerberos_needs[] = { "account.realm", "account.salt", "account.kvno",
	NULL };
static const char *const kerberos_provides[] = { "kerberos.key", NULL };

static const PvStage kerberos_stages[] = {
	{
	    .type = "kerberos",
	    .summary = "switches Kerberos on, with the realm and the key of the device's account",
	    .params = kerberos_params,
	    .needs = kerberos_needs,
	    .provides = kerberos_provides,
	    .plan = kerberos_plan,
	    .apply = kerberos_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("kerberos", PV_VERSION, "Kerberos of a device", .stages = kerberos_stages);
