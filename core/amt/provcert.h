/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/net/tls.h"

#include <provost/report.h>

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

/* What is known of the device that the certificate is to convince. Zeroed: nothing. All lent for the call. */
typedef struct {
	const char *suffix;   /* its DNS suffix; NULL: not known, not checked */
	const GArray *hashes; /* of PvRootHash: its active root hashes; NULL: not known, not checked */
	const char *version;  /* of its firmware, such as "16.1.25"; NULL: not known */
	gboolean legacy;      /* the site names it for SHA-1, which is then let pass where firmware does */
	gint64 now;           /* seconds; 0: the clock's */
} PvProvisioningDevice;

/* Chains of the identity are tried in their order. Checks, in this order: chain gap (names the missing issuer), each
 * signature, key fits, serverAuth and Intel OID or the exact OU, weak algorithms by firmware, expiry, root hash, suffix.
 * Each failure is PV_ERROR_CONFIG with its own text; of several chains that of the one which came farthest. */
gboolean pv_provisioning_check(const PvIdentity *identity, const PvProvisioningDevice *device, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The first identity that passes for the device, with the shortest of its chains that does; else an error that says of
 * each what is wrong with it. (transfer full) */
PvIdentity *pv_provisioning_choose(const GPtrArray *identities, const PvProvisioningDevice *device, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A row for each of the checks, and warnings about what some firmware may not take. @object: what the rows are about. */
void pv_provisioning_report(const PvIdentity *identity, const PvProvisioningDevice *device, const char *object, PvReport *report);

/* "ab-cd-..." of the SHA-1 or SHA-256 of the certificate: how MEBx and setup.bin want a root's hash. (transfer full) */
char *pv_provisioning_dup_thumbprint(X509 *certificate, gboolean sha256);

/* The last common name, lower case, without "*." and a final dot. (transfer full); NULL: none */
char *pv_provisioning_dup_common_name(X509 *certificate);

/* Days from which on a person is told that a certificate ends: 90, 30 or 7, the smallest that @days_left has reached; 0: it
 * has ended; -1: not yet. */
gint pv_provisioning_get_threshold(gint days_left);

/* "expires in 12 days, on 2026-12-10: ..." from the first threshold on. (transfer full); NULL: there is nothing to say */
char *pv_provisioning_dup_expiry(const PvIdentity *identity, gint64 now);

/* whole days until the leaf expires; negative: it has */
gint pv_identity_get_days_left(const PvIdentity *identity, gint64 now);

G_END_DECLS
