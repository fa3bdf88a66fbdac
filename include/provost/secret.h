/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PvSecret:
 *
 * A value that must not reach logs, argv, core dumps or the disk in clear: immutable, atomically
 * reference-counted, kept in locked memory where the system grants it, and wiped when the last reference goes.
 */
typedef struct PvSecret PvSecret;

/**
 * pv_secret_new:
 * @data: the bytes; may hold NUL
 * @length: their number, or -1 for a string
 *
 * Returns: (transfer full): a copy; free with pv_secret_unref(). The caller still owns, and should wipe, @data.
 */
PvSecret *pv_secret_new(const void *data, gssize length) G_GNUC_WARN_UNUSED_RESULT;

PvSecret *pv_secret_ref(PvSecret *secret);
void pv_secret_unref(PvSecret *secret);

/**
 * pv_secret_peek:
 * @secret: the secret
 * @length: (out) (optional): number of bytes, without the NUL that always follows them
 *
 * Returns: the bytes, lent until the secret is freed. Never hand them to a log or an error text.
 */
const char *pv_secret_peek(const PvSecret *secret, gsize *length);

/**
 * pv_secret_equal:
 *
 * Returns: whether both hold the same bytes, compared in constant time for equal lengths; NULL equals NULL.
 */
gboolean pv_secret_equal(const PvSecret *a, const PvSecret *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSecret, pv_secret_unref)

G_END_DECLS
