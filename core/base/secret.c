/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/secret.h>

#include <string.h>
#include <openssl/crypto.h>

/* Lives in OpenSSL's secure heap where pv_net_init() could set one up (locked, guarded, left out of
 * core dumps); OPENSSL_secure_malloc falls back to the ordinary heap by itself. */
struct PvSecret {
	gatomicrefcount references;
	gsize length; /* bytes, without the NUL */
	char data[];
};

PvSecret *
pv_secret_new(const void *data, gssize length)
{
	gsize size = length < 0 ? strlen(data) : (gsize)length;
	PvSecret *secret = OPENSSL_secure_malloc(sizeof(PvSecret) + size + 1);
	if (secret == NULL) /* the secure heap is full: it is a preference, not a promise */
		secret = OPENSSL_malloc(sizeof(PvSecret) + size + 1);
	if (secret == NULL)
		g_error("out of memory");
	g_atomic_ref_count_init(&secret->references);
	secret->length = size;
	if (size > 0)
		memcpy(secret->data, data, size);
	secret->data[size] = '\0';
	return secret;
}

PvSecret *
pv_secret_ref(PvSecret *secret)
{
	g_atomic_ref_count_inc(&secret->references);
	return secret;
}

void
pv_secret_unref(PvSecret *secret)
{
	if (secret == NULL || !g_atomic_ref_count_dec(&secret->references))
		return;
	OPENSSL_secure_clear_free(secret, sizeof(PvSecret) + secret->length + 1);
}

const char *
pv_secret_peek(const PvSecret *secret, gsize *length)
{
	if (length != NULL)
		*length = secret->length;
	return secret->data;
}

gboolean
pv_secret_equal(const PvSecret *a, const PvSecret *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return a->length == b->length && CRYPTO_memcmp(a->data, b->data, a->length) == 0;
}
