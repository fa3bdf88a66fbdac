/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <openssl/ssl.h>
#include <provost/secret.h>

G_BEGIN_DECLS

/* MODERN: TLS 1.2 and up, SECLEVEL 2 (1 for RSA key exchange is not offered).
 * LEGACY: TLS 1.0, SHA-1 and legacy renegotiation too; only where the site names it for a device. */
typedef enum {
	PV_TLS_MODERN,
	PV_TLS_LEGACY,
} PvTlsPolicy;

/* A certificate chain, leaf first, with the leaf's private key. Parsed once, immutable, reference-counted. */
typedef struct PvIdentity PvIdentity;

/**
 * pv_identity_load:
 * @path: PEM (certificates, and the key unless @key_path) or PKCS#12
 * @key_path: (nullable): PEM private key, or a PKCS#11 URI of one
 * @password: (nullable): of the PKCS#12, of the encrypted key, or the token's PIN
 *
 * Orders the chain leaf to root by issuer. Tells a wrong password, a missing key, a key that does not fit and a
 * missing issuer (by name) apart: PV_ERROR_CONFIG.
 */
PvIdentity *pv_identity_load(const char *path, const char *key_path, PvSecret *password, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same, but the chain may end before the root, which servers other than AMT devices have themselves. */
PvIdentity *pv_identity_load_partial(const char *path, const char *key_path, PvSecret *password, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same from what is in memory: @certificates in any order, leaf being the one the key fits; a chain with a gap is
 * taken as far as it goes. @name: where it comes from, for messages. Objects are referenced. */
PvIdentity *pv_identity_new(const char *name, STACK_OF(X509) *certificates, EVP_PKEY *key, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A private key alone: PEM, or a PKCS#11 URI; errors as pv_identity_load(). (transfer full) */
EVP_PKEY *pv_tls_load_key(const char *path, PvSecret *password, GError **error) G_GNUC_WARN_UNUSED_RESULT;
PvIdentity *pv_identity_ref(PvIdentity *identity);
void pv_identity_unref(PvIdentity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvIdentity, pv_identity_unref)
STACK_OF(X509) *pv_identity_get_chain(const PvIdentity *identity); /* leaf first; lent */
/* All ways from the leaf to a root that its certificates allow, of STACK_OF(X509): whole ones first, then the shortest. At
 * least one; the identity as loaded has the first. Lent */
const GPtrArray *pv_identity_get_chains(const PvIdentity *identity);
/* the same leaf and key, with another of its chains */
PvIdentity *pv_identity_new_with_chain(const PvIdentity *identity, guint index) G_GNUC_WARN_UNUSED_RESULT;
EVP_PKEY *pv_identity_get_key(const PvIdentity *identity);         /* lent */
const char *pv_identity_get_path(const PvIdentity *identity);      /* lent */

/* Trust anchors and intermediates. Immutable once made, reference-counted. */
typedef struct PvTrust PvTrust;
/* a certificate whose issuer is itself */
gboolean pv_der_is_self_issued(GBytes *der);
PvTrust *pv_trust_new(GPtrArray *certificates, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* of GBytes DER; the self-signed ones are anchors */
PvTrust *pv_trust_ref(PvTrust *trust);
void pv_trust_unref(PvTrust *trust);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvTrust, pv_trust_unref)
/* whether a leaf chains to an anchor and carries the name, by no wildcard; purposes are not looked at. @policy LEGACY takes SHA-1 */
gboolean pv_trust_verify(PvTrust *trust, X509 *leaf, STACK_OF(X509) *untrusted, const char *name, PvTlsPolicy policy, GError **error);
X509_STORE *pv_trust_get_store(PvTrust *trust); /* lent */

/* "error:0A000086:…" of the thread's OpenSSL queue as text, newest last; clears the queue. (transfer full) */
char *pv_tls_dup_openssl_error(void);
/* lower case hex SHA-256 of the DER. (transfer full) */
char *pv_tls_dup_fingerprint(X509 *certificate);

/* one line of an X.509 name, "CN=amt.example.com,O=Example". (transfer full) */
char *pv_tls_dup_name(const X509_NAME *name);
/* whether a signature and key of the certificate are what MODERN takes: 112 bits, no MD5 or SHA-1; names what is not.
 * The signature of a self-signed one is not looked at: nothing rests on it. */
gboolean pv_tls_check_strength(X509 *certificate, GError **error);

/* Once, before the first thread: curl, OpenSSL (with its secure heap), libxml2. */
void pv_net_init(void);

G_END_DECLS
