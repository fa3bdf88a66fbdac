/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/job-private.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <provost/certificate.h>

/* Which certificates and keys nothing in the device needs any more. */

#define SWEEP_CERTIFICATE "AMT_PublicKeyCertificate"
#define SWEEP_KEY "AMT_PublicPrivateKeyPair"
#define SWEEP_REPLACED "replaced"

typedef struct {
	PvJob *job; /* borrowed */
	PvWsman *amt; /* borrowed */
	PvCertStore *store; /* owned */
	GHashTable *references; /* a reference is owned */
	gboolean network; /* a stage for 802.1X or wireless has set up this device */
	gboolean roots_needed; /* foreign roots may be needed by what refers to none of them */
} Sweep;

static void
sweep_clear(Sweep *sweep)
{
	pv_cert_store_free(sweep->store);
	g_clear_pointer(&sweep->references, g_hash_table_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Sweep, sweep_clear)

static gboolean
sweep_list_has(const Sweep *sweep, const char *fact, const PvStoredCertificate *entry)
{
	return entry->fingerprint != NULL &&
	       pv_cert_store_list_has(pv_job_get_fact(sweep->job, fact), entry->fingerprint);
}

/* Mutual TLS and remote access trust all roots, and refer to none (Intel AMT SDK, AMT_TLSSettingData,
 * AMT_ManagementPresenceRemoteSAP). */
static gboolean
sweep_look_at_roots(Sweep *sweep, GError **error)
{
	static const char *const classes[] = { "AMT_TLSSettingData",
		"AMT_ManagementPresenceRemoteSAP", NULL };
	for (guint i = 0; classes[i] != NULL; i++) {
		g_autoptr(GError) local_error = NULL;
		g_autoptr(GPtrArray) instances =
		    pv_wsman_enumerate(sweep->amt, classes[i], &local_error);
		if (instances == NULL &&
		    !g_error_matches(local_error, PV_ERROR, PV_ERROR_UNSUPPORTED)) {
			g_propagate_error(error, g_steal_pointer(&local_error));
			return FALSE;
		}
		for (guint k = 0; instances != NULL && k < instances->len; k++)
			sweep->roots_needed = sweep->roots_needed || i == 1 ||
					      pv_instance_get_bool(g_ptr_array_index(instances, k),
						  "MutualAuthentication");
	}
	return TRUE;
}

static gboolean
sweep_init(Sweep *sweep, PvJob *job, GHashTable *references, GError **error)
{
	sweep->job = job;
	sweep->amt = pv_job_get_wsman(job, error);
	sweep->store = sweep->amt == NULL ? NULL : pv_cert_store_read(sweep->amt, error);
	if (sweep->store != NULL)
		sweep->references = references != NULL
					? g_hash_table_ref(references)
					: pv_cert_store_read_references(sweep->amt, NULL, error);
	if (sweep->references == NULL)
		return FALSE;
	/* until the commit firmware may still be using what nothing refers to */
	sweep->network = g_strcmp0(pv_job_get_fact(job, "commit.needed"), "true") != 0 &&
			 (pv_job_get_fact(job, "ieee8021x.state") != NULL ||
			     pv_job_get_fact(job, "wireless.state") != NULL);
	for (guint i = 0; i < sweep->store->certificates->len; i++) {
		const PvStoredCertificate *entry = g_ptr_array_index(sweep->store->certificates, i);
		if (entry->trusted_root && sweep_list_has(sweep, "certificates.released", entry) &&
		    !sweep_list_has(sweep, "certificates.own-roots", entry))
			return sweep_look_at_roots(sweep, error);
	}
	return TRUE;
}

static gboolean
sweep_is_ca(const PvStoredCertificate *entry)
{
	gboolean ca = X509_check_ca(entry->x509) != 0 &&
		      (X509_get_extension_flags(entry->x509) & EXFLAG_CA) != 0;
	ERR_clear_error();
	return ca;
}

/* Only what nothing in the device refers to, what no stage claims, and what the device did not refuse to give up. */
static gboolean
sweep_is_leaving(const Sweep *sweep, const PvStoredCertificate *entry)
{
	if (entry->x509 == NULL || entry->fingerprint == NULL || entry->read_only ||
	    g_hash_table_contains(sweep->references, entry->instance) ||
	    pv_cert_store_is_claimed(sweep->job, entry->fingerprint) ||
	    sweep_list_has(sweep, "certificates.kept", entry))
		return FALSE;
	gboolean own = sweep_list_has(sweep, "certificates.own-roots", entry);
	gboolean released = sweep_list_has(sweep, "certificates.released", entry);
	if (entry->trusted_root)
		return own || (released && !sweep->roots_needed);
	return released || (sweep->network && !sweep_is_ca(entry));
}

static gboolean
sweep_needs_key(const PvCertStore *store, const PvPlan *plan, const PvStoredKey *key)
{
	for (guint i = 0; i < store->certificates->len; i++) {
		const PvStoredCertificate *entry = g_ptr_array_index(store->certificates, i);
		/* what cannot be read might be the one that needs it */
		if (entry->x509 == NULL)
			return TRUE;
		if (entry->key == key && !pv_plan_has(plan, SWEEP_CERTIFICATE, entry->instance))
			return TRUE;
	}
	return FALSE;
}

static void
sweep_add_listed(GString *list, const char *known, const char *fingerprint)
{
	if (fingerprint != NULL && pv_cert_store_list_has(known, fingerprint) &&
	    !pv_cert_store_list_has(list->str, fingerprint))
		g_string_append_printf(list, "%s%s", list->len > 0 ? " " : "", fingerprint);
}

/* Lists keep what is still there. */
static void
sweep_prune(const Sweep *sweep, const char *fact)
{
	const char *known = pv_job_get_fact(sweep->job, fact);
	g_autoptr(GString) list = g_string_new(NULL);
	for (guint i = 0; i < sweep->store->certificates->len; i++) {
		const PvStoredCertificate *entry = g_ptr_array_index(sweep->store->certificates, i);
		sweep_add_listed(list, known, entry->fingerprint);
	}
	for (guint i = 0; i < sweep->store->keys->len; i++) {
		const PvStoredKey *key = g_ptr_array_index(sweep->store->keys, i);
		sweep_add_listed(list, known, key->fingerprint);
	}
	pv_job_set_fact(sweep->job, fact, list->len > 0 ? list->str : NULL);
}

/* Only what no certificate needs, what no stage claims, and what the device did not refuse to give up. */
static gboolean
sweep_is_key_leaving(const Sweep *sweep, const PvPlan *plan, const PvStoredKey *key)
{
	return key->public_key != NULL && !pv_cert_store_is_claimed(sweep->job, key->fingerprint) &&
	       !pv_cert_store_list_has(
		   pv_job_get_fact(sweep->job, "certificates.kept"), key->fingerprint) &&
	       !sweep_needs_key(sweep->store, plan, key);
}

gboolean
pv_cert_store_plan_sweep(PvJob *job, GHashTable *references, PvPlan *plan, GError **error)
{
	g_auto(Sweep) sweep = { 0 };
	if (!sweep_init(&sweep, job, references, error))
		return FALSE;
	for (guint i = 0; i < sweep.store->certificates->len; i++) {
		const PvStoredCertificate *entry = g_ptr_array_index(sweep.store->certificates, i);
		if (!pv_plan_has(plan, SWEEP_CERTIFICATE, entry->instance) &&
		    sweep_is_leaving(&sweep, entry))
			pv_plan_add(plan, SWEEP_CERTIFICATE, entry->instance, "unused", "");
	}
	/* certificates first: a key cannot go while one needs it */
	for (guint i = 0; i < sweep.store->keys->len; i++) {
		const PvStoredKey *key = g_ptr_array_index(sweep.store->keys, i);
		if (sweep_is_key_leaving(&sweep, plan, key))
			pv_plan_add(plan, SWEEP_KEY, key->instance, "unused", "");
	}
	sweep_prune(&sweep, "certificates.released");
	sweep_prune(&sweep, "certificates.own-roots");
	sweep_prune(&sweep, "certificates.kept");
	return TRUE;
}

/* Something that cannot be seen from here needs the certificate or key: it stays, and is not asked for again. */
static gboolean
sweep_keep(
    PvJob *job, gboolean certificate, const char *instance, const GError *refusal, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	g_autoptr(PvCertStore) store = amt == NULL ? NULL : pv_cert_store_read(amt, error);
	if (store == NULL)
		return FALSE;
	const PvStoredCertificate *entry =
	    certificate ? pv_cert_store_find(store, instance) : NULL;
	const PvStoredKey *key = certificate ? NULL : pv_cert_store_find_key(store, instance);
	const char *fingerprint = entry != NULL ? entry->fingerprint
				  : key != NULL ? key->fingerprint
						: NULL;
	if (fingerprint == NULL) /* an earlier try deleted it, and its answer was lost */
		return TRUE;
	const char *list = pv_job_get_fact(job, "certificates.kept");
	g_autofree char *longer =
	    list == NULL ? g_strdup(fingerprint) : g_strconcat(list, " ", fingerprint, NULL);
	g_debug("%s", refusal->message);
	pv_job_progress(job, "%s stays: the device refuses to delete it", instance);
	pv_job_set_fact(job, "certificates.kept", longer);
	return TRUE;
}

/* Whether a certificate that was refused to be deleted needs the key. */
static gboolean
sweep_is_key_used(PvWsman *amt, const char *instance, gboolean *used, GError **error)
{
	g_autoptr(PvCertStore) store = pv_cert_store_read(amt, error);
	const PvStoredKey *key = store == NULL ? NULL : pv_cert_store_find_key(store, instance);
	*used = key != NULL && key->used;
	return store != NULL;
}

static gboolean
sweep_delete(PvJob *job, PvWsman *amt, const PvChange *change, gboolean *kept, GError **error)
{
	g_autoptr(GError) refusal = NULL;
	gboolean certificate = g_str_equal(change->object, SWEEP_CERTIFICATE);
	gboolean used = FALSE;
	if (!certificate && *kept && !sweep_is_key_used(amt, change->property, &used, error))
		return FALSE;
	if (used || pv_wsman_delete(
			amt, change->object, PV_SELECT("InstanceID", change->property), &refusal))
		return TRUE;
	/* what is in use is refused as AccessDenied, too */
	if (!g_str_equal(change->from, SWEEP_REPLACED) &&
	    (g_error_matches(refusal, PV_ERROR, PV_ERROR_REJECTED) ||
		g_error_matches(refusal, PV_ERROR, PV_ERROR_AUTH))) {
		*kept = *kept || certificate;
		return sweep_keep(job, certificate, change->property, refusal, error);
	}
	g_propagate_prefixed_error(
	    error, g_steal_pointer(&refusal), "delete %s: ", change->property);
	return FALSE;
}

gboolean
pv_cert_store_apply_sweep(PvJob *job, const PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	gboolean kept = FALSE;
	if (amt == NULL)
		return FALSE;
	for (guint i = 0; i < pv_plan_get_length(plan); i++)
		if (!sweep_delete(job, amt, pv_plan_get(plan, i), &kept, error))
			return FALSE;
	return TRUE;
}

gboolean
pv_cert_store_sweep(PvJob *job, GError **error)
{
	g_autoptr(PvPlan) plan = pv_plan_new();
	return pv_cert_store_plan_sweep(job, NULL, plan, error) &&
	       pv_cert_store_apply_sweep(job, plan, error);
}
