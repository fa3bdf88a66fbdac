/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/wipe.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <curl/curl.h>
#include <libxml/xmlmemory.h>
#include <openssl/crypto.h>

/* The libraries copy what goes through them, passwords and requests with a challenge among it, into buffers of their own
 * and free these as they are. With this allocator nothing of it is left in the heap. */

void
pv_wipe_free(gpointer memory)
{
	if (memory != NULL)
		OPENSSL_cleanse(memory, malloc_usable_size(memory));
	free(memory);
}

/* realloc() may move a block and leave its content where it was */
static void *
wipe_realloc(void *memory, size_t size)
{
	void *moved = malloc(size);
	if (moved == NULL || memory == NULL)
		return moved;
	memcpy(moved, memory, MIN(malloc_usable_size(memory), size));
	pv_wipe_free(memory);
	return moved;
}

static void *
wipe_openssl_malloc(size_t size, const char *file, int line)
{
	return size == 0 ? NULL : malloc(size);
}

static void *
wipe_openssl_realloc(void *memory, size_t size, const char *file, int line)
{
	if (size > 0)
		return wipe_realloc(memory, size);
	pv_wipe_free(memory);
	return NULL;
}

static void
wipe_openssl_free(void *memory, const char *file, int line)
{
	pv_wipe_free(memory);
}

void
pv_wipe_init(void)
{
	/* both refuse when they have memory already; a program that comes with its own choice keeps it */
	if (CRYPTO_set_mem_functions(wipe_openssl_malloc, wipe_openssl_realloc, wipe_openssl_free) != 1)
		g_debug("the crypto library keeps its allocator");
	if (xmlMemSetup(pv_wipe_free, malloc, wipe_realloc, strdup) != 0)
		g_debug("the xml library keeps its allocator");
}

gboolean
pv_wipe_init_curl(void)
{
	return curl_global_init_mem(
		   CURL_GLOBAL_ALL, malloc, pv_wipe_free, wipe_realloc, strdup, calloc) == CURLE_OK;
}
