/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/error.h>
#include <provost/secret.h>

G_BEGIN_DECLS

/* Sealing of secrets: AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D, 8.2.2: at most 2^32 values per key,
 * far above what a store writes between rotations). A sealed value is
 *   version (1 byte, 1) | nonce (12) | tag (16) | ciphertext
 * and the associated data binds it to the version, the device's UUID and the secret's name: a value copied to
 * another device or name does not open. */

#define PV_SEAL_KEY_BYTES 32
#define PV_SEAL_MAX_BYTES (64 * 1024)

#define PV_SEAL_INFO_SECRETS "provost 1 seal secrets"
#define PV_SEAL_INFO_AUDIT "provost 1 audit chain"

/**
 * pv_seal_derive_key:
 * @root: 32 random bytes
 * @info: what the key is for; one of PV_SEAL_INFO_
 *
 * HKDF-SHA-256 (RFC 5869) without salt, as @root is uniformly random.
 */
PvSecret *pv_seal_derive_key(PvSecret *root, const char *info, GError **error) G_GNUC_WARN_UNUSED_RESULT;

GBytes *pv_seal(PvSecret *key, const char *uuid, const char *name, PvSecret *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* PV_ERROR_CONFIG when it does not open: another key, or changed or moved within the store */
PvSecret *pv_seal_open(PvSecret *key, const char *uuid, const char *name, GBytes *sealed, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* "secret NAME of UUID" or "secret NAME of the site", for texts; (transfer full) */
char *pv_seal_label(const char *uuid, const char *name);

G_END_DECLS
