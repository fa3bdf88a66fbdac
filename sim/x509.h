/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/x509.h>
#include <glib.h>

G_BEGIN_DECLS

#define PV_SIM_X509_OID_PROVISIONING "2.16.840.1.113741.1.2.3" /* amt/03 section 2 */
#define PV_SIM_X509_OID_CONSOLE "2.16.840.1.113741.1.2.1" /* a remote console: amt/06 section 5 */
#define PV_SIM_X509_OID_SERVER "1.3.6.1.5.5.7.3.1"
#define PV_SIM_X509_OID_CLIENT "1.3.6.1.5.5.7.3.2"

typedef struct {
	const char *organization; /* NULL: none */
	const char *unit; /* NULL: none */
	const char *common_name;
	const char *oids[4]; /* of the extended key usage; NULL ends; none: no such extension */
	gboolean ca;
	gboolean sha1; /* signature; else SHA-256 */
	gboolean expired;
} PvSimX509Spec;

/* Makes and signs a certificate for @key. @issuer: NULL: it signs itself. X509_free() */
X509 *pv_sim_x509_make(
    const PvSimX509Spec *spec, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key);

G_END_DECLS
