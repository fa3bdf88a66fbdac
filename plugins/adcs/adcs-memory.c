/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-memory.h"

#include <string.h>

#define MEMORY_MAX 512
#define MEMORY_ISSUED_USEC (G_GINT64_CONSTANT(300) * G_USEC_PER_SEC)
#define MEMORY_PENDING_USEC (G_GINT64_CONSTANT(86400) * G_USEC_PER_SEC)

typedef struct {
	gint64 until_usec;
	PvCaReply reply;
} AdcsMemory;

static void
adcs_memory_free(gpointer data)
{
	AdcsMemory *memory = data;
	pv_ca_reply_clear(&memory->reply);
	g_free(memory);
}

GHashTable *
adcs_memory_new(void)
{
	return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, adcs_memory_free);
}

char *
adcs_memory_dup_key(GBytes *csr_der, const char *template, const PvCaIdentity *identity)
{
	g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, csr_der);
	return g_strdup_printf("%s\n%s\n%s\n%s", digest, template,
	    identity == NULL ? "" : identity->account, identity == NULL ? "" : identity->realm);
}

static void
adcs_memory_copy(PvCaReply *to, const PvCaReply *from)
{
	*to = (PvCaReply) {
		.outcome = from->outcome,
		.certificate = from->certificate == NULL ? NULL : g_bytes_ref(from->certificate),
		.chain = from->chain == NULL ? NULL : g_ptr_array_ref(from->chain),
		.cookie = g_strdup(from->cookie),
		.text = g_strdup(from->text),
		.not_before_sec = from->not_before_sec,
	};
}

gboolean
adcs_memory_find(GHashTable *memory, const char *key, gint64 now_usec, PvCaReply *reply)
{
	const AdcsMemory *found = g_hash_table_lookup(memory, key);
	if (found == NULL || found->until_usec <= now_usec)
		return FALSE;
	adcs_memory_copy(reply, &found->reply);
	return TRUE;
}

static gboolean
adcs_memory_is_old(gpointer key, gpointer value, gpointer now_usec)
{
	return ((AdcsMemory *)value)->until_usec <= *(gint64 *)now_usec;
}

void
adcs_memory_put(GHashTable *memory, const char *key, gint64 now_usec, const PvCaReply *reply)
{
	if (g_hash_table_size(memory) >= MEMORY_MAX)
		g_hash_table_foreach_remove(memory, adcs_memory_is_old, &now_usec);
	if (reply->outcome == PV_CA_DENIED || g_hash_table_size(memory) >= MEMORY_MAX) {
		g_hash_table_remove(memory, key);
		return;
	}
	AdcsMemory *entry = g_new0(AdcsMemory, 1);
	entry->until_usec = now_usec + (reply->outcome == PV_CA_PENDING ? MEMORY_PENDING_USEC
									: MEMORY_ISSUED_USEC);
	adcs_memory_copy(&entry->reply, reply);
	g_hash_table_replace(memory, g_strdup(key), entry);
}
