/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cert-cleanup.h"
#include "cert-store.h"

#include <openssl/x509v3.h>

/* What refers to certificates: TLS, wired 802.1X, wireless profiles. Not every firmware has each. */
static const char *const cert_cleanup_contexts[] = { "AMT_TLSCredentialContext",
	"IPS_8021xCredentialContext", "CIM_CredentialContext", NULL };

/* InstanceIDs of the certificates that something of the device refers to. */
static GHashTable *
cert_cleanup_read_used(PvWsman *amt, GError **error)
{
	g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; cert_cleanup_contexts[i] != NULL; i++) {
		g_autoptr(GError) local_error = NULL;
		g_autoptr(GPtrArray) contexts =
		    pv_wsman_enumerate(amt, cert_cleanup_contexts[i], &local_error);
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

/* Ours: a server certificate with its key in the device that has the subject or the issuer of the one in use. The
 * subject stays when the CA changes, the issuer when the device is renamed. */
static gboolean
cert_cleanup_is_ours(const CertEntry *entry, const CertEntry *current)
{
	if (entry == current || entry->x509 == NULL || entry->key == NULL || entry->trusted_root ||
	    entry->read_only)
		return FALSE;
	guint32 usages = X509_get_extended_key_usage(entry->x509);
	if (usages == G_MAXUINT32 /* it names none */ || (usages & XKU_SSL_SERVER) == 0)
		return FALSE;
	return X509_NAME_cmp(
		   X509_get_subject_name(entry->x509), X509_get_subject_name(current->x509)) == 0 ||
	       X509_NAME_cmp(
		   X509_get_issuer_name(entry->x509), X509_get_issuer_name(current->x509)) == 0;
}

static gboolean
cert_cleanup_is_needed(const CertStore *store, const CertKey *key, GHashTable *leaving)
{
	for (guint i = 0; i < store->certificates->len; i++) {
		const CertEntry *entry = g_ptr_array_index(store->certificates, i);
		if (entry->key == key && !g_hash_table_contains(leaving, entry->instance))
			return TRUE;
	}
	return FALSE;
}

static void
cert_cleanup_add_rows(
    PvPlan *plan, const CertStore *store, const CertEntry *current, GHashTable *used)
{
	g_autoptr(GHashTable) leaving = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < store->certificates->len; i++) {
		const CertEntry *entry = g_ptr_array_index(store->certificates, i);
		if (g_hash_table_contains(used, entry->instance) ||
		    !cert_cleanup_is_ours(entry, current))
			continue;
		g_hash_table_add(leaving, entry->instance);
		pv_plan_add(plan, CERT_CLASS, entry->instance, "replaced", "");
	}
	/* certificates first: a key cannot go while one needs it */
	for (guint i = 0; i < store->keys->len; i++) {
		const CertKey *key = g_ptr_array_index(store->keys, i);
		if (key->public_key != NULL && !cert_cleanup_is_needed(store, key, leaving))
			pv_plan_add(plan, CERT_KEY_CLASS, key->instance, "unused", "");
	}
}

gboolean
cert_cleanup_plan(PvJob *job, PvPlan *plan, GError **error)
{
	if (g_strcmp0(pv_job_get_fact(job, "commit.needed"), "true") == 0) {
		pv_job_skip(job, "what the device uses now is not committed yet");
		return TRUE;
	}
	PvWsman *amt = pv_job_get_wsman(job, error);
	g_autoptr(CertStore) store = amt == NULL ? NULL : cert_store_read(amt, error);
	g_autoptr(GHashTable) used = store == NULL ? NULL : cert_cleanup_read_used(amt, error);
	if (used == NULL)
		return FALSE;
	const CertEntry *current =
	    cert_store_find(store, pv_job_get_fact(job, "certificate.instance"));
	if (current == NULL || current->x509 == NULL ||
	    !g_hash_table_contains(used, current->instance)) {
		pv_job_skip(job, "the device does not use its new certificate yet");
		return TRUE;
	}
	cert_cleanup_add_rows(plan, store, current, used);
	return TRUE;
}

gboolean
cert_cleanup_apply(PvJob *job, const PvPlan *plan, GError **error)
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
