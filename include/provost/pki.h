/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/ca.h>

G_BEGIN_DECLS

struct evp_pkey_st; /* OpenSSL's EVP_PKEY */
struct x509_st;     /* OpenSSL's X509 */

/* What every CA provider does with certificates that come from outside. Lists are of GBytes DER. Any thread. */

/**
 * pv_pki_decode:
 * @answer: at most 1 MiB
 *
 * Undoes base64 as servers write it: with or without line breaks (RFC 8951, 3.1), between PEM lines, or not at all, for what
 * begins as a DER SEQUENCE is taken as it is.
 *
 * Returns: (transfer full): DER, not looked at yet; NULL with PV_ERROR_PROTOCOL.
 */
GBytes *pv_pki_decode(GBytes *answer, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_pki_parse_certificates:
 * @answer: "certs-only" CMS (RFC 5272, 4.1), or one certificate, in any form of pv_pki_decode(); or certificates in PEM
 *
 * Returns: (transfer full): between 1 and 64 certificates in the order in which they came; NULL with PV_ERROR_PROTOCOL.
 */
GPtrArray *pv_pki_parse_certificates(GBytes *answer, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_pki_load_certificates:
 * @path: a file of at most 1 MiB that pv_pki_parse_certificates() takes
 *
 * Returns: (transfer full): likewise; NULL with PV_ERROR_CONFIG that names the file.
 */
GPtrArray *pv_pki_load_certificates(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_pki_load_identity:
 * @path: certificate, PEM or PKCS#12
 * @key_path: (nullable): private key, a PEM file or a "pkcs11:" URI; NULL: in @path
 * @password: (nullable): of the key, the PKCS#12 or the token
 * @certificate: (out): to be freed with X509_free()
 * @key: (out): to be freed with EVP_PKEY_free()
 *
 * Loads what messages are signed with. FALSE: PV_ERROR_CONFIG that names the file and what is wrong.
 */
gboolean pv_pki_load_identity(const char *path, const char *key_path, PvSecret *password, struct x509_st **certificate, struct evp_pkey_st **key, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_pki_set_issued:
 * @certificates: not empty
 * @csr_der: the request that they answer
 *
 * Makes @reply one that issues: the certificate is the one with the key of the request, the rest its chain. Where none has that
 * key it is the first one, which the core then refuses as somebody else's.
 */
void pv_pki_set_issued(PvCaReply *reply, GPtrArray *certificates, GBytes *csr_der);

/**
 * pv_pki_dup_text:
 * @bytes: (nullable): what a server wrote for people
 *
 * Returns: (transfer full): the beginning of it in one line of printable text, fit for a message; of HTML, what is between the
 * tags. NULL: nothing that can be read.
 */
char *pv_pki_dup_text(GBytes *bytes);

G_END_DECLS
