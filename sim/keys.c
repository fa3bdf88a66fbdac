/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#define KEYS_PRIME_BITS 1024
#define KEYS_EXPONENT 65537

struct PvSimKeys {
	GThread *thread;
	GMutex lock;
	GCond more; /* a prime came, or one is wanted, or the end */
	GPtrArray *primes; /* of BIGNUM; protected by lock */
	guint next_high; /* the next pair, next_low < next_high; protected by lock */
	guint next_low;
	guint wanted; /* primes; protected by lock */
	gboolean stop; /* protected by lock */
};

/* NULL when p-1 is a multiple of the exponent: one time in 65537 */
static BIGNUM *
keys_make_prime(void)
{
	BIGNUM *prime = BN_new();
	gboolean made =
	    prime != NULL && BN_generate_prime_ex(prime, KEYS_PRIME_BITS, 0, NULL, NULL, NULL);
	if (!made || BN_mod_word(prime, KEYS_EXPONENT) == 1) {
		BN_free(prime);
		return NULL;
	}
	return prime;
}

static gpointer
keys_run(gpointer data)
{
	PvSimKeys *keys = data;
	g_mutex_lock(&keys->lock);
	while (!keys->stop) {
		if (keys->primes->len >= keys->wanted) {
			g_cond_wait(&keys->more, &keys->lock);
			continue;
		}
		g_mutex_unlock(&keys->lock);
		BIGNUM *prime = keys_make_prime();
		g_mutex_lock(&keys->lock);
		if (prime != NULL)
			g_ptr_array_add(keys->primes, prime);
		g_cond_broadcast(&keys->more);
	}
	g_mutex_unlock(&keys->lock);
	return NULL;
}

static void
keys_free_prime(gpointer data)
{
	BN_free(data);
}

PvSimKeys *
pv_sim_keys_new(guint wanted)
{
	PvSimKeys *keys = g_new0(PvSimKeys, 1);
	g_mutex_init(&keys->lock);
	g_cond_init(&keys->more);
	keys->primes = g_ptr_array_new_with_free_func(keys_free_prime);
	keys->next_high = 1;
	keys->wanted = 3;
	while (keys->wanted * (keys->wanted - 1) / 2 < wanted)
		keys->wanted++;
	keys->thread = g_thread_new("sim-keys", keys_run, keys);
	return keys;
}

void
pv_sim_keys_free(PvSimKeys *keys)
{
	if (keys == NULL)
		return;
	g_mutex_lock(&keys->lock);
	keys->stop = TRUE;
	g_cond_broadcast(&keys->more);
	g_mutex_unlock(&keys->lock);
	g_thread_join(keys->thread);
	g_ptr_array_unref(keys->primes);
	g_cond_clear(&keys->more);
	g_mutex_clear(&keys->lock);
	g_free(keys);
}

static EVP_PKEY *
keys_from_params(OSSL_PARAM_BLD *builder)
{
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	if (params == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(params);
	return key;
}

/* RFC 8017 section 3.2: the second representation of the private key */
static EVP_PKEY *
keys_combine(const BIGNUM *one, const BIGNUM *other)
{
	const BIGNUM *p = BN_cmp(one, other) > 0 ? one : other;
	const BIGNUM *q = p == one ? other : one;
	BN_CTX *context = BN_CTX_new();
	g_assert(context != NULL);
	BN_CTX_start(context);
	BIGNUM *n = BN_CTX_get(context);
	BIGNUM *e = BN_CTX_get(context);
	BIGNUM *p1 = BN_CTX_get(context);
	BIGNUM *q1 = BN_CTX_get(context);
	BIGNUM *phi = BN_CTX_get(context);
	BIGNUM *d = BN_CTX_get(context);
	BIGNUM *dp = BN_CTX_get(context);
	BIGNUM *dq = BN_CTX_get(context);
	BIGNUM *inverse = BN_CTX_get(context);
	gboolean good = inverse != NULL && BN_set_word(e, KEYS_EXPONENT) &&
			BN_mul(n, p, q, context) && BN_sub(p1, p, BN_value_one()) &&
			BN_sub(q1, q, BN_value_one()) && BN_mul(phi, p1, q1, context) &&
			BN_mod_inverse(d, e, phi, context) != NULL && BN_mod(dp, d, p1, context) &&
			BN_mod(dq, d, q1, context) &&
			BN_mod_inverse(inverse, q, p, context) != NULL;

	EVP_PKEY *key = NULL;
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	if (good && builder != NULL && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_D, d) &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_FACTOR1, p) &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_FACTOR2, q) &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_EXPONENT1, dp) &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_EXPONENT2, dq) &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, inverse))
		key = keys_from_params(builder);
	OSSL_PARAM_BLD_free(builder);
	BN_CTX_end(context);
	BN_CTX_free(context);
	return key;
}

EVP_PKEY *
pv_sim_keys_take(PvSimKeys *keys)
{
	g_mutex_lock(&keys->lock);
	while (keys->next_high >= keys->primes->len) {
		if (keys->wanted <= keys->next_high) {
			keys->wanted = keys->next_high + 1;
			g_cond_broadcast(&keys->more);
		}
		g_cond_wait(&keys->more, &keys->lock);
	}
	const BIGNUM *one = keys->primes->pdata[keys->next_low];
	const BIGNUM *other = keys->primes->pdata[keys->next_high];
	if (++keys->next_low == keys->next_high) {
		keys->next_low = 0;
		keys->next_high++;
	}
	g_mutex_unlock(&keys->lock); /* primes stay as they are until the pool is freed */

	EVP_PKEY *key = keys_combine(one, other);
	g_assert(key != NULL); /* only memory can lack */
	return key;
}
