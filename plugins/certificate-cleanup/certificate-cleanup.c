/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <provost/provost.h>

/* After a renewal, a renaming, another CA or an interrupted run: deletes the certificates that the one in use has
 * replaced, and the keys that nothing needs. */

#define CLEANUP_CERTIFICATE "AMT_PublicKeyCertificate"
#define CLEANUP_KEY "AMT_PublicPrivateKeyPair"
#define CLEANUP_MAX_BYTES 4100 /* AMT_PublicKeyCertificate.X509Certificate is uint8[4100] */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)

/* What refers to certificates: TLS, wired 802.1X, wireless profiles. Not every firmware has each. */
static const char *const certificate_cleanup_contexts[] = { "AMT_TLSCredentialContext",
	"IPS_8021xCredentialContext", "CIM_CredentialContext", NULL };

/* InstanceIDs of the certificates that something of the device refers to. */
static GHashTable *
certificate_cleanup_read_used(PvWsman *amt, GError **error)
{
	g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; certificate_cleanup_contexts[i] != NULL; i++) {
		g_autoptr(GError) local_error = NULL;
		g_autoptr(GPtrArray) contexts =
		    pv_wsman_enumerate(amt, certificate_cleanup_contexts[i], &local_error);
		if (contexts == NULL &&
		    !g_error_matches(local_error, PV_ERROR, PV_ERROR_UNSUPPORTED)) {
			g_propagate_error(error, g_steal_pointer(&local_error));
			return NULL;
		}
		for (guint k = 0; contexts != NULL && k < contexts->len; k++) {
			const PvEpr *epr =
			    pv_instance_get_epr(g_ptr_array_index(contexts, k), "ElementInContext");
			const char *id =
			    epr == NULL ? NULL : pv_epr_get_selector(epr, "InstanceID");
			if (id != NULL)
				g_hash_table_add(used, g_strdup(id));
		}
	}
	return g_steal_pointer(&used);
}

static const char *
certificate_cleanup_get_id(GPtrArray *instances, guint i)
{
	const char *id = pv_instance_get(g_ptr_array_index(instances, i), "InstanceID");
	return id == NULL ? "" : id;
}

/* NULL: it cannot be read, and is left alone */
static X509 *
certificate_cleanup_parse(const PvInstance *instance)
{
	g_autoptr(GBytes) der = pv_instance_dup_bytes(instance, "X509Certificate", NULL);
	gsize length = 0;
	const unsigned char *data = der == NULL ? NULL : g_bytes_get_data(der, &length);
	X509 *certificate =
	    length == 0 || length > CLEANUP_MAX_BYTES ? NULL : d2i_X509(NULL, &data, (long)length);
	ERR_clear_error();
	return certificate;
}

/* The public half of a key in the device, PKCS#1. NULL: of another kind, and left alone */
static EVP_PKEY *
certificate_cleanup_parse_key(const PvInstance *instance)
{
	g_autoptr(GBytes) der = pv_instance_dup_bytes(instance, "DERKey", NULL);
	gsize length = 0;
	const unsigned char *data = der == NULL ? NULL : g_bytes_get_data(der, &length);
	EVP_PKEY *key = length == 0 || length > CLEANUP_MAX_BYTES
			    ? NULL
			    : d2i_PublicKey(EVP_PKEY_RSA, NULL, &data, (long)length);
	ERR_clear_error();
	return key;
}

static gboolean
certificate_cleanup_has_key(GPtrArray *keys, X509 *certificate)
{
	for (guint i = 0; i < keys->len; i++) {
		g_autoptr(EVP_PKEY) key = certificate_cleanup_parse_key(g_ptr_array_index(keys, i));
		if (key != NULL && EVP_PKEY_eq(X509_get0_pubkey(certificate), key) == 1)
			return TRUE;
	}
	return FALSE;
}

/* Ours: a server certificate that has the subject or the issuer of the one in use. The subject stays when the CA
 * changes, the issuer when the device is renamed. */
static gboolean
certificate_cleanup_is_ours(const PvInstance *instance, X509 *certificate, X509 *current)
{
	/* the first is how the firmware spells it */
	if (pv_instance_get_bool(instance, "TrustedRootCertficate") ||
	    pv_instance_get_bool(instance, "TrustedRootCertificate") ||
	    pv_instance_get_bool(instance, "ReadOnlyCertificate"))
		return FALSE;
	guint32 usages = X509_get_extended_key_usage(certificate);
	if (usages == G_MAXUINT32 /* it names none */ || (usages & XKU_SSL_SERVER) == 0)
		return FALSE;
	return X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_subject_name(current)) ==
		   0 ||
	       X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_issuer_name(current)) == 0;
}

/* Without its key in the device a certificate serves nobody, but that it is ours must be beyond doubt then: a device
 * that is reset between its request and the answer gets a certificate for the key that it had. */
static gboolean
certificate_cleanup_is_useless(X509 *certificate, X509 *current, GPtrArray *keys)
{
	return certificate_cleanup_has_key(keys, certificate) ||
	       (X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_subject_name(current)) == 0 &&
		   X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_issuer_name(current)) == 0);
}

static gboolean
certificate_cleanup_is_needed(GPtrArray *certificates, GHashTable *leaving, EVP_PKEY *key)
{
	for (guint i = 0; i < certificates->len; i++) {
		g_autoptr(X509) certificate =
		    certificate_cleanup_parse(g_ptr_array_index(certificates, i));
		/* what cannot be read might be the one that needs it */
		if (certificate == NULL)
			return TRUE;
		if (!g_hash_table_contains(leaving, certificate_cleanup_get_id(certificates, i)) &&
		    EVP_PKEY_eq(X509_get0_pubkey(certificate), key) == 1)
			return TRUE;
	}
	return FALSE;
}

static void
certificate_cleanup_add_rows(
    PvPlan *plan, GPtrArray *certificates, GPtrArray *keys, X509 *current, GHashTable *used)
{
	g_autoptr(GHashTable) leaving = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < certificates->len; i++) {
		const PvInstance *instance = g_ptr_array_index(certificates, i);
		const char *id = certificate_cleanup_get_id(certificates, i);
		g_autoptr(X509) certificate = certificate_cleanup_parse(instance);
		if (certificate == NULL || g_hash_table_contains(used, id) ||
		    !certificate_cleanup_is_ours(instance, certificate, current) ||
		    !certificate_cleanup_is_useless(certificate, current, keys))
			continue;
		g_hash_table_add(leaving, (gpointer)id);
		pv_plan_add(plan, CLEANUP_CERTIFICATE, id, "replaced", "");
	}
	/* certificates first: a key cannot go while one needs it */
	for (guint i = 0; i < keys->len; i++) {
		g_autoptr(EVP_PKEY) key = certificate_cleanup_parse_key(g_ptr_array_index(keys, i));
		if (key != NULL && !certificate_cleanup_is_needed(certificates, leaving, key))
			pv_plan_add(
			    plan, CLEANUP_KEY, certificate_cleanup_get_id(keys, i), "unused", "");
	}
	ERR_clear_error();
}

/* The certificate that the site knows to be the device's, when the device uses it. NULL: it does not */
static X509 *
certificate_cleanup_find_current(PvJob *job, GPtrArray *certificates, GHashTable *used)
{
	const char *wanted = pv_job_get_fact(job, "certificate.instance");
	for (guint i = 0; wanted != NULL && i < certificates->len; i++)
		if (g_str_equal(certificate_cleanup_get_id(certificates, i), wanted) &&
		    g_hash_table_contains(used, wanted))
			return certificate_cleanup_parse(g_ptr_array_index(certificates, i));
	return NULL;
}

static gboolean
certificate_cleanup_plan(PvJob *job, PvPlan *plan, GError **error)
{
	if (g_strcmp0(pv_job_get_fact(job, "commit.needed"), "true") == 0) {
		pv_job_skip(job, "what the device uses now is not committed yet");
		return TRUE;
	}
	PvWsman *amt = pv_job_get_wsman(job, error);
	g_autoptr(GPtrArray) certificates =
	    amt == NULL ? NULL : pv_wsman_enumerate(amt, CLEANUP_CERTIFICATE, error);
	if (certificates == NULL)
		return FALSE;
	g_autoptr(GError) local_error = NULL;
	g_autoptr(GPtrArray) keys = pv_wsman_enumerate(amt, CLEANUP_KEY, &local_error);
	if (g_error_matches(local_error, PV_ERROR, PV_ERROR_UNSUPPORTED)) {
		pv_job_skip(job, "this firmware does not list its keys");
		return TRUE;
	}
	if (keys == NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	g_autoptr(GHashTable) used = certificate_cleanup_read_used(amt, error);
	if (used == NULL)
		return FALSE;
	g_autoptr(X509) current = certificate_cleanup_find_current(job, certificates, used);
	if (current == NULL)
		pv_job_skip(job, "the device does not use its new certificate yet");
	else
		certificate_cleanup_add_rows(plan, certificates, keys, current, used);
	return TRUE;
}

static gboolean
certificate_cleanup_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL)
		return FALSE;
	for (guint i = 0; i < pv_plan_get_length(plan); i++) {
		const PvChange *change = pv_plan_get(plan, i);
		if (!pv_wsman_delete(
			amt, change->object, PV_SELECT("InstanceID", change->property), error)) {
			g_prefix_error(error, "delete %s: ", change->property);
			return FALSE;
		}
	}
	return TRUE;
}

static const char *const certificate_cleanup_needs[] = { "certificate.instance", NULL };

static const PvStage certificate_cleanup_stages[] = {
	{
	    .type = "certificate-cleanup",
	    .summary = "deletes replaced certificates and unused keys; goes after commit",
	    .needs = certificate_cleanup_needs,
	    .plan = certificate_cleanup_plan,
	    .apply = certificate_cleanup_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("certificate-cleanup", PV_VERSION, "leftovers in a device's certificate store",
    .stages = certificate_cleanup_stages);
