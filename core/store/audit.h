/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/store.h>

G_BEGIN_DECLS

/* The audit chain, shared by the stores that write it and the verifier. Each entry's hash is an HMAC-SHA-256 over
 * the hash before it and the entry, so an entry cannot be changed, added, moved or taken out of the middle without
 * the key. The tail, kept as a meta value in the same transaction, is what shows that the end was cut off. A store
 * that was put back whole to an earlier day cannot be told from within. */

#define PV_AUDIT_KEY_BYTES 32
#define PV_AUDIT_TAIL_NAME "audit-tail"
/* what the first entry follows */
#define PV_AUDIT_FIRST "0000000000000000000000000000000000000000000000000000000000000000"
/* what an entry follows when the tail was found damaged: no entry ever hashes to it, so the damage stays visible */
#define PV_AUDIT_BROKEN "damaged"

/**
 * pv_audit_hash:
 * @previous: hash of the entry before, or PV_AUDIT_FIRST
 * @row: the entry; its hash is not looked at
 *
 * Returns: (transfer full): lower case hex.
 */
char *pv_audit_hash(GBytes *key, const char *previous, const PvAuditRow *row);

/* The tail as text: "SEQ HASH MAC". (transfer full) */
char *pv_audit_tail_format(GBytes *key, gint64 seq, const char *hash);

/**
 * pv_audit_tail_parse:
 * @text: (nullable): the meta value
 * @hash: (out): (transfer full): of the last entry
 *
 * Returns: whether the text is there and was made with the key.
 */
gboolean pv_audit_tail_parse(GBytes *key, const char *text, gint64 *seq, char **hash) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
