/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/wipe.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <curl/curl.h>
#include <openssl/crypto.h>

/* libcurl copies what it sends, passwords among it, into buffers of its own and frees these as they are. With this
 * allocator nothing of it is left in the heap. */

static void
wipe_free(void *memory)
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
	wipe_free(memory);
	return moved;
}

gboolean
pv_wipe_init_curl(void)
{
	return curl_global_init_mem(
		   CURL_GLOBAL_ALL, malloc, wipe_free, wipe_realloc, strdup, calloc) == CURLE_OK;
}
