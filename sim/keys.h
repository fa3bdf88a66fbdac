/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/evp.h>
#include <glib.h>

G_BEGIN_DECLS

/* Ready RSA-2048 keys for a fleet. Real key generation takes a quarter of a second of CPU; here every pair of
 * primes of a small set gives a key, so that n primes give n(n-1)/2 different ones. Whoever has two of them can
 * factor both: they protect nothing, and are good for a simulator only. Thread-safe. */
typedef struct PvSimKeys PvSimKeys;

/* A thread makes primes ahead until @wanted keys are possible, and more when they run short. */
PvSimKeys *pv_sim_keys_new(guint wanted);
void pv_sim_keys_free(PvSimKeys *keys);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimKeys, pv_sim_keys_free)

/* A key that nobody else gets; waits for a prime when there is none left. EVP_PKEY_free() */
EVP_PKEY *pv_sim_keys_take(PvSimKeys *keys);

G_END_DECLS
