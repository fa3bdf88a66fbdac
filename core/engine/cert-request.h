/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/x509.h>
#include <provost/ca.h>

G_BEGIN_DECLS

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_REQ, X509_REQ_free)

/* lower case hex SHA-256 of the SubjectPublicKeyInfo */
char *pv_cert_key_dup_fingerprint(EVP_PKEY *key);

/* PKCS#10 requests (RFC 2986). */

/* Complete but for the signature, whose bits are empty: the device signs it with GeneratePKCS10RequestEx. DER. */
GBytes *pv_cert_request_new_unsigned(EVP_PKEY *public_key, const PvCertRequest *request,
    const PvCaPreparation *preparation, GError **error);

GBytes *pv_cert_request_new_signed(EVP_PKEY *key, const PvCertRequest *request,
    const PvCaPreparation *preparation, GError **error);

/* Whether what the device made of @asked is the same request with that key and a signature by it. PV_ERROR_PROTOCOL.
 * Some CAs take the names from the request, so a device that changes them would choose whom it is certified as. */
gboolean pv_cert_request_check(
    GBytes *csr_der, GBytes *asked_der, EVP_PKEY *public_key, GError **error);

G_END_DECLS
