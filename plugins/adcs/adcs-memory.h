/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/provost.h>

G_BEGIN_DECLS

/* What was answered of late, so that a job that asks again for the same does not get a second certificate: AD CS issues one
 * for each request. In memory only, of this process, a bounded number, for minutes: a certificate that the core refuses must
 * not come back after the administrator has mended the template. Not thread-safe: the caller's lock. */

GHashTable *adcs_memory_new(void); /* g_hash_table_unref() */
/* the same for the same request, template and account. g_free() */
char *adcs_memory_dup_key(GBytes *csr_der, const char *template, const PvCaIdentity *identity);
gboolean adcs_memory_find(GHashTable *memory, const char *key, gint64 now_usec, PvCaReply *reply); /* FALSE: none, or too old */
void adcs_memory_put(GHashTable *memory, const char *key, gint64 now_usec, const PvCaReply *reply); /* a denial is forgotten */

G_END_DECLS
