/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/x509.h>
#include <provost/wsman.h>

G_BEGIN_DECLS

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_REQ, X509_REQ_free)

#define CERT_SERVICE "AMT_PublicKeyManagementService"
#define CERT_CLASS "AMT_PublicKeyCertificate"
#define CERT_KEY_CLASS "AMT_PublicPrivateKeyPair"

/* The device's store of certificates and keys, as read (Intel AMT SDK, AMT_PublicKeyCertificate and
 * AMT_PublicPrivateKeyPair). */

typedef struct {
	char *instance; /* InstanceID */
	EVP_PKEY *public_key; /* NULL: of a kind that is not understood here; left alone */
	guint bits;
	gboolean used; /* a certificate belongs to it */
} CertKey;

typedef struct {
	char *instance; /* InstanceID */
	GBytes *der;
	X509 *x509; /* NULL: not understood; left alone */
	gboolean trusted_root;
	gboolean read_only; /* AMT's own self-signed one */
	CertKey *key; /* in the device; borrowed; NULL: it has none there */
} CertEntry;

typedef struct {
	GPtrArray *certificates; /* of CertEntry, owned */
	GPtrArray *keys; /* of CertKey, owned */
	gboolean lists_keys; /* FALSE: firmware that has no class for them */
} CertStore;

CertStore *cert_store_read(PvWsman *amt, GError **error);
void cert_store_free(CertStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CertStore, cert_store_free)

CertKey *cert_store_find_key(CertStore *store, const char *instance); /* NULL: none */
CertEntry *cert_store_find(CertStore *store, const char *instance); /* NULL: none */
CertEntry *cert_store_find_der(CertStore *store, GBytes *der); /* NULL: none */

char *cert_dup_fingerprint(GBytes *der); /* lower case hex SHA-256 */

G_END_DECLS
