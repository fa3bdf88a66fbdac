/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/cert-request.h"

#include <openssl/err.h>
#include <provost/certificate.h>

#define CERT_STORE_MAX_BYTES 4100 /* AMT_PublicKeyCertificate.X509Certificate is uint8[4100] */

static void
cert_store_free_key(PvStoredKey *key)
{
	EVP_PKEY_free(key->public_key);
	g_free(key->fingerprint);
	g_free(key->instance);
	g_free(key);
}

static void
cert_store_free_certificate(PvStoredCertificate *entry)
{
	X509_free(entry->x509);
	g_clear_pointer(&entry->der, g_bytes_unref);
	g_free(entry->fingerprint);
	g_free(entry->instance);
	g_free(entry);
}

void
pv_cert_store_free(PvCertStore *store)
{
	if (store == NULL)
		return;
	g_ptr_array_unref(store->certificates);
	g_ptr_array_unref(store->keys);
	g_free(store);
}

char *
pv_cert_key_dup_fingerprint(EVP_PKEY *key)
{
	unsigned char *der = NULL;
	int length = i2d_PUBKEY(key, &der);
	char *fingerprint =
	    length <= 0 ? NULL : g_compute_checksum_for_data(G_CHECKSUM_SHA256, der, (gsize)length);
	OPENSSL_free(der);
	return fingerprint;
}

/* DERKey holds only the public half, as PKCS#1 RSAPublicKey. */
static PvStoredKey *
cert_store_new_key(const PvInstance *instance)
{
	const char *id = pv_instance_get(instance, "InstanceID");
	g_autoptr(GBytes) der = pv_instance_dup_bytes(instance, "DERKey", NULL);
	if (id == NULL)
		return NULL;
	PvStoredKey *key = g_new0(PvStoredKey, 1);
	key->instance = g_strdup(id);
	gsize length = 0;
	const unsigned char *data = der == NULL ? NULL : g_bytes_get_data(der, &length);
	if (length > 0 && length <= CERT_STORE_MAX_BYTES)
		key->public_key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &data, (long)length);
	ERR_clear_error();
	if (key->public_key != NULL) {
		key->bits = (guint)EVP_PKEY_get_bits(key->public_key);
		key->fingerprint = pv_cert_key_dup_fingerprint(key->public_key);
	}
	return key;
}

static PvStoredCertificate *
cert_store_new_certificate(const PvInstance *instance)
{
	const char *id = pv_instance_get(instance, "InstanceID");
	if (id == NULL)
		return NULL;
	PvStoredCertificate *entry = g_new0(PvStoredCertificate, 1);
	entry->instance = g_strdup(id);
	/* the wire name is misspelt; firmware that mends it one day is understood too */
	entry->trusted_root = pv_instance_get_bool(instance, "TrustedRootCertficate") ||
			      pv_instance_get_bool(instance, "TrustedRootCertificate");
	entry->read_only = pv_instance_get_bool(instance, "ReadOnlyCertificate");
	entry->der = pv_instance_dup_bytes(instance, "X509Certificate", NULL);
	if (entry->der != NULL)
		entry->fingerprint = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, entry->der);
	gsize length = 0;
	const unsigned char *data =
	    entry->der == NULL ? NULL : g_bytes_get_data(entry->der, &length);
	const unsigned char *end = data;
	if (length > 0 && length <= CERT_STORE_MAX_BYTES)
		entry->x509 = d2i_X509(NULL, &end, (long)length);
	ERR_clear_error();
	if (entry->x509 == NULL || end != data + length) {
		g_debug("certificate %s of the device cannot be read and is left alone", id);
		g_clear_pointer(&entry->x509, X509_free);
	}
	return entry;
}

static gboolean
cert_store_read_keys(PvCertStore *store, PvWsman *amt, GError **error)
{
	g_autoptr(GError) local_error = NULL;
	g_autoptr(GPtrArray) instances =
	    pv_wsman_enumerate(amt, "AMT_PublicPrivateKeyPair", &local_error);
	if (g_error_matches(local_error, PV_ERROR, PV_ERROR_UNSUPPORTED))
		return TRUE;
	if (instances == NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	store->lists_keys = TRUE;
	for (guint i = 0; i < instances->len; i++) {
		PvStoredKey *key = cert_store_new_key(g_ptr_array_index(instances, i));
		if (key != NULL)
			g_ptr_array_add(store->keys, key);
	}
	return TRUE;
}

static void
cert_store_match(PvCertStore *store, PvStoredCertificate *entry)
{
	EVP_PKEY *public_key = entry->x509 == NULL ? NULL : X509_get0_pubkey(entry->x509);
	for (guint i = 0; public_key != NULL && i < store->keys->len; i++) {
		PvStoredKey *key = g_ptr_array_index(store->keys, i);
		if (key->public_key == NULL || EVP_PKEY_eq(public_key, key->public_key) != 1)
			continue;
		entry->key = key;
		key->used = TRUE;
	}
	ERR_clear_error();
}

PvCertStore *
pv_cert_store_read(PvWsman *amt, GError **error)
{
	g_autoptr(PvCertStore) store = g_new0(PvCertStore, 1);
	store->certificates =
	    g_ptr_array_new_with_free_func((GDestroyNotify)cert_store_free_certificate);
	store->keys = g_ptr_array_new_with_free_func((GDestroyNotify)cert_store_free_key);
	g_autoptr(GPtrArray) instances = pv_wsman_enumerate(amt, "AMT_PublicKeyCertificate", error);
	if (instances == NULL || !cert_store_read_keys(store, amt, error))
		return NULL;
	for (guint i = 0; i < instances->len; i++) {
		PvStoredCertificate *entry =
		    cert_store_new_certificate(g_ptr_array_index(instances, i));
		if (entry == NULL)
			continue;
		cert_store_match(store, entry);
		g_ptr_array_add(store->certificates, entry);
	}
	return g_steal_pointer(&store);
}

PvStoredKey *
pv_cert_store_find_key(PvCertStore *store, const char *instance)
{
	for (guint i = 0; i < store->keys->len; i++) {
		PvStoredKey *key = g_ptr_array_index(store->keys, i);
		if (g_strcmp0(key->instance, instance) == 0)
			return key;
	}
	return NULL;
}

PvStoredCertificate *
pv_cert_store_find(PvCertStore *store, const char *instance)
{
	for (guint i = 0; i < store->certificates->len; i++) {
		PvStoredCertificate *entry = g_ptr_array_index(store->certificates, i);
		if (g_strcmp0(entry->instance, instance) == 0)
			return entry;
	}
	return NULL;
}

PvStoredCertificate *
pv_cert_store_find_der(PvCertStore *store, GBytes *der, gboolean trusted_root)
{
	for (guint i = 0; i < store->certificates->len; i++) {
		PvStoredCertificate *entry = g_ptr_array_index(store->certificates, i);
		if (entry->der != NULL && !entry->trusted_root == !trusted_root &&
		    g_bytes_equal(entry->der, der))
			return entry;
	}
	return NULL;
}

/* TLS, wired 802.1X of each generation, wireless profiles: not every firmware has each (Intel AMT SDK,
 * CIM_CredentialContext and what derives from it). */
static const char *const cert_store_contexts[] = { "AMT_TLSCredentialContext",
	"AMT_8021xCredentialContext", "IPS_8021xCredentialContext", "CIM_CredentialContext", NULL };

static gboolean
cert_store_read_context(
    PvWsman *amt, const char *context_class, gboolean exact, GHashTable *references, GError **error)
{
	g_autoptr(GError) local_error = NULL;
	g_autoptr(GPtrArray) contexts = pv_wsman_enumerate(amt, context_class, &local_error);
	if (contexts == NULL && !g_error_matches(local_error, PV_ERROR, PV_ERROR_UNSUPPORTED)) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	for (guint i = 0; contexts != NULL && i < contexts->len; i++) {
		const PvInstance *context = g_ptr_array_index(contexts, i);
		const PvEpr *epr = pv_instance_get_epr(context, "ElementInContext");
		/* CIM_CredentialContext may bring the classes that derive from it, too */
		if (exact && !g_str_equal(pv_instance_get_class(context), context_class))
			continue;
		const char *id = epr == NULL ? NULL : pv_epr_get_selector(epr, "InstanceID");
		if (id != NULL)
			g_hash_table_add(references, g_strdup(id));
	}
	return TRUE;
}

GHashTable *
pv_cert_store_read_references(PvWsman *amt, const char *context_class, GError **error)
{
	g_autoptr(GHashTable) references =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	if (context_class != NULL)
		return cert_store_read_context(amt, context_class, TRUE, references, error)
			   ? g_steal_pointer(&references)
			   : NULL;
	for (guint i = 0; cert_store_contexts[i] != NULL; i++)
		if (!cert_store_read_context(amt, cert_store_contexts[i], FALSE, references, error))
			return NULL;
	return g_steal_pointer(&references);
}
