/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <provost/provost.h>

/* After a renewal, a renaming, another CA, an interrupted run, or a change of the network's settings: deletes the
 * certificates that the one in use has replaced, what old network settings used, and the keys that nothing needs. */

#define CLEANUP_CERTIFICATE "AMT_PublicKeyCertificate"

/* Ours: a server certificate that has the subject or the issuer of the one in use. The subject stays when the CA
 * changes, the issuer when the device is renamed. */
static gboolean
certificate_cleanup_is_ours(const PvStoredCertificate *entry, X509 *current)
{
	if (entry->trusted_root || entry->read_only)
		return FALSE;
	guint32 usages = X509_get_extended_key_usage(entry->x509);
	if (usages == G_MAXUINT32 /* it names none */ || (usages & XKU_SSL_SERVER) == 0)
		return FALSE;
	gboolean subject =
	    X509_NAME_cmp(X509_get_subject_name(entry->x509), X509_get_subject_name(current)) == 0;
	gboolean issuer =
	    X509_NAME_cmp(X509_get_issuer_name(entry->x509), X509_get_issuer_name(current)) == 0;
	/* Without its key in the device a certificate serves nobody, but that it is ours must be beyond doubt then: a
	 * device that is reset between its request and the answer gets a certificate for the key that it had. */
	return entry->key != NULL ? subject || issuer : subject && issuer;
}

static gboolean
certificate_cleanup_plan(PvJob *job, PvPlan *plan, GError **error)
{
	if (g_strcmp0(pv_job_get_fact(job, "commit.needed"), "true") == 0) {
		pv_job_skip(job, "what the device uses now is not committed yet");
		return TRUE;
	}
	PvWsman *amt = pv_job_get_wsman(job, error);
	g_autoptr(PvCertStore) store = amt == NULL ? NULL : pv_cert_store_read(amt, error);
	if (store == NULL)
		return FALSE;
	if (!store->lists_keys) {
		pv_job_skip(job, "this firmware does not list its keys");
		return TRUE;
	}
	g_autoptr(GHashTable) used = pv_cert_store_read_references(amt, NULL, error);
	if (used == NULL)
		return FALSE;
	/* the certificate that the site knows to be the device's, when the device uses it */
	const char *wanted = pv_job_get_fact(job, "certificate.instance");
	const PvStoredCertificate *current =
	    wanted == NULL ? NULL : pv_cert_store_find(store, wanted);
	if (current == NULL || current->x509 == NULL || !g_hash_table_contains(used, wanted)) {
		pv_job_skip(job, "the device does not use its new certificate yet");
		return TRUE;
	}
	for (guint i = 0; i < store->certificates->len; i++) {
		const PvStoredCertificate *entry = g_ptr_array_index(store->certificates, i);
		if (entry->x509 != NULL && !g_hash_table_contains(used, entry->instance) &&
		    certificate_cleanup_is_ours(entry, current->x509))
			pv_plan_add(plan, CLEANUP_CERTIFICATE, entry->instance, "replaced", "");
	}
	ERR_clear_error();
	return pv_cert_store_plan_sweep(job, used, plan, error);
}

static gboolean
certificate_cleanup_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	return pv_cert_store_apply_sweep(job, plan, error);
}

static const char *const certificate_cleanup_needs[] = { "certificate.instance", NULL };

static const PvStage certificate_cleanup_stages[] = {
	{
	    .type = "certificate-cleanup",
	    .summary = "deletes certificates and keys that nothing needs; goes after commit",
	    .needs = certificate_cleanup_needs,
	    .plan = certificate_cleanup_plan,
	    .apply = certificate_cleanup_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("certificate-cleanup", PV_VERSION, "leftovers in a device's certificate store",
    .stages = certificate_cleanup_stages);
