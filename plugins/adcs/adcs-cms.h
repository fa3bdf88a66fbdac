/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/x509.h>
#include <provost/provost.h>

G_BEGIN_DECLS

#define ADCS_CMS_MAX_BYTES (128 * 1024)
#define ADCS_CMS_MAX_CERTIFICATES 32

/* The certificates that a PKCS#7 (RFC 5652 SignedData) carries, in any order: a CMC full response (RFC 5272 3.2.2), or one
 * that has nothing but them. No signature is looked at: TLS says whose answer it is, and the core checks each certificate.
 * (transfer container) of GBytes DER, never empty; NULL: PV_ERROR_PROTOCOL */
GPtrArray *adcs_cms_read(GBytes *der, GError **error);

/* GPtrArray of GBytes, empty */
GPtrArray *adcs_chain_new(void);

X509 *adcs_x509_parse(GBytes *der); /* NULL: it is none. X509_free() */
char *adcs_x509_dup_common_name(GBytes *der); /* of the subject, one line; NULL: none. g_free() */
gboolean adcs_x509_is_ca(GBytes *der);

G_END_DECLS
