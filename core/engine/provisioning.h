/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/engine/cert-request.h"
#include "core/net/tls.h"

G_BEGIN_DECLS

/* A provisioning certificate from its request to its export. What firmware wants of it is in core/amt/provcert.h. */

/* By which of the two marks the request asks to be told apart; public CAs have issued none with the OU since 2022. */
typedef enum {
	PV_PROVISIONING_OID = 1 << 0,
	PV_PROVISIONING_OU = 1 << 1,
} PvProvisioningForm;

/* what is asked of a site's own CA, and of the template there; ends with NULL */
extern const char *const pv_provisioning_ekus[];

/* RSA, for firmware is known to take nothing else. (transfer full) */
EVP_PKEY *pv_provisioning_new_key(guint bits, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_provisioning_new_request:
 * @fqdn: common name and DNS name
 * @organisation: (nullable): O, as the CA has verified it
 *
 * Returns: (transfer full): PKCS#10 in PEM
 */
GBytes *pv_provisioning_new_request(EVP_PKEY *key, const char *fqdn, const char *organisation, guint form, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* PKCS#8 in PEM, not encrypted. (transfer full) */
PvSecret *pv_provisioning_dup_key(EVP_PKEY *key, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_provisioning_assemble:
 * @name: for messages
 * @certificates: of GBytes DER, in any order: the answer of the CA and what came along
 *
 * Puts the chain together, leaf to root. Issuers that are missing are taken from the system's trusted roots, for CAs
 * leave their root out and firmware wants to see it; one that is in neither is named. PV_ERROR_CONFIG: so, or the key fits
 * none of them.
 */
PvIdentity *pv_provisioning_assemble(const char *name, GPtrArray *certificates, EVP_PKEY *key, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Writes the chain, and the key unless it is in a token, as one PEM file, mode 0600, in one step. */
gboolean pv_provisioning_write(const PvIdentity *identity, const char *path, gboolean with_key, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Chain and key as PKCS#12 under AES-256; mode 0600, in one step. CONFIG: the passphrase has less than 8 characters, or the key is
 * in a token, which does not give it away. */
gboolean pv_provisioning_export(const PvIdentity *identity, const char *path, PvSecret *passphrase, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
