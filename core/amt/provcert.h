/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/net/tls.h"

G_BEGIN_DECLS

/* What firmware will check of the provisioning certificate (Intel AMT SDK, "Remote configuration certificate
 * requirements"), checked here before anything is dialled. */

/* A trusted root certificate hash as the hello packet or the host interface reports it. */
typedef struct {
	guint8 type;       /* 1 SHA-1, 2 SHA-256, 3 SHA-384 */
	guint8 length;     /* bytes */
	guint8 hash[64];
} PvRootHash;

/* "2:hex,1:hex": how a fact keeps the list. parse returns NULL with PV_ERROR_PROTOCOL. */
char *pv_root_hashes_to_string(const PvRootHash *hashes, guint count);
GArray *pv_root_hashes_parse(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* of PvRootHash */

/**
 * pv_provisioning_check:
 * @suffix: (nullable): the device's DNS suffix; NULL: not known, not checked
 * @hashes: (nullable): the device's active root hashes; NULL: not known, not checked
 * @now: seconds; 0: the clock's
 *
 * Checks, in this order: chain gap (names the missing issuer), each signature, key fits, serverAuth and Intel OID
 * or the exact OU, weak algorithms, expiry, root hash, suffix. Each failure is PV_ERROR_CONFIG with its own text.
 */
gboolean pv_provisioning_check(const PvIdentity *identity, const char *suffix, const GArray *hashes, gint64 now, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The first identity that passes for the device; else the error of the last, or one that lists all. (transfer full) */
PvIdentity *pv_provisioning_choose(const GPtrArray *identities, const char *suffix, const GArray *hashes, gint64 now, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* whole days until the leaf expires; negative: it has */
gint pv_identity_get_days_left(const PvIdentity *identity, gint64 now);

G_END_DECLS
