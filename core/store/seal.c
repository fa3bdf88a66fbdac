/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <string.h>

#define SEAL_VERSION 1
#define SEAL_NONCE_BYTES 12
#define SEAL_TAG_BYTES 16
#define SEAL_HEAD_BYTES (1 + SEAL_NONCE_BYTES + SEAL_TAG_BYTES)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_KDF, EVP_KDF_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_KDF_CTX, EVP_KDF_CTX_free)

char *
pv_seal_label(const char *uuid, const char *name)
{
	return g_strdup_printf("secret %s of %s", name, *uuid != '\0' ? uuid : "the site");
}

PvSecret *
pv_seal_derive_key(PvSecret *root, const char *info, GError **error)
{
	gsize root_length = 0;
	const char *root_data = pv_secret_peek(root, &root_length);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (char *)root_data, root_length),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (char *)info, strlen(info)),
		OSSL_PARAM_construct_end(),
	};
	g_autoptr(EVP_KDF) kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	g_autoptr(EVP_KDF_CTX) context = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	guint8 key[PV_SEAL_KEY_BYTES];
	if (context == NULL || EVP_KDF_derive(context, key, sizeof key, params) != 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "derive key: HKDF failed");
		return NULL;
	}
	PvSecret *derived = pv_secret_new(key, sizeof key);
	OPENSSL_cleanse(key, sizeof key);
	return derived;
}

/* Starts encryption or decryption: key, nonce and associated data (lengths first, so that no two pairs of UUID and
 * name give the same bytes). */
static EVP_CIPHER_CTX *
seal_begin(PvSecret *key, const char *uuid, const char *name, const guint8 *nonce,
    gboolean encrypt)
{
	gsize key_length = 0;
	const char *key_data = pv_secret_peek(key, &key_length);
	if (key_length != PV_SEAL_KEY_BYTES)
		return NULL;

	guint64 lengths[] = { GUINT64_TO_BE(strlen(uuid)), GUINT64_TO_BE(strlen(name)) };
	const guint8 version = SEAL_VERSION;
	g_autoptr(EVP_CIPHER_CTX) context = EVP_CIPHER_CTX_new();
	int written = 0;
	if (context == NULL ||
	    EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, (const guint8 *)key_data, nonce,
		encrypt) != 1 ||
	    EVP_CipherUpdate(context, NULL, &written, &version, 1) != 1 ||
	    EVP_CipherUpdate(context, NULL, &written, (const guint8 *)&lengths[0], 8) != 1 ||
	    EVP_CipherUpdate(context, NULL, &written, (const guint8 *)uuid, (int)strlen(uuid)) !=
		1 ||
	    EVP_CipherUpdate(context, NULL, &written, (const guint8 *)&lengths[1], 8) != 1 ||
	    EVP_CipherUpdate(context, NULL, &written, (const guint8 *)name, (int)strlen(name)) != 1)
		return NULL;
	return g_steal_pointer(&context);
}

GBytes *
pv_seal(PvSecret *key, const char *uuid, const char *name, PvSecret *value, GError **error)
{
	g_autofree char *label = pv_seal_label(uuid, name);
	gsize length = 0;
	const char *data = pv_secret_peek(value, &length);
	if (length > PV_SEAL_MAX_BYTES) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: longer than %d bytes", label,
		    PV_SEAL_MAX_BYTES);
		return NULL;
	}

	g_autofree guint8 *sealed = g_malloc(SEAL_HEAD_BYTES + length);
	guint8 *nonce = sealed + 1;
	guint8 *tag = nonce + SEAL_NONCE_BYTES;
	guint8 *cipher = tag + SEAL_TAG_BYTES;
	sealed[0] = SEAL_VERSION;
	g_autoptr(EVP_CIPHER_CTX) context = NULL;
	if (RAND_bytes(nonce, SEAL_NONCE_BYTES) == 1)
		context = seal_begin(key, uuid, name, nonce, TRUE);

	int written = 0, rest = 0;
	if (context == NULL ||
	    (length > 0 &&
		EVP_EncryptUpdate(context, cipher, &written, (const guint8 *)data, (int)length) !=
		    1) ||
	    EVP_EncryptFinal_ex(context, cipher + written, &rest) != 1 ||
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, SEAL_TAG_BYTES, tag) != 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "%s: cannot be sealed", label);
		return NULL;
	}
	return g_bytes_new_take(g_steal_pointer(&sealed), SEAL_HEAD_BYTES + length);
}

PvSecret *
pv_seal_open(PvSecret *key, const char *uuid, const char *name, GBytes *sealed, GError **error)
{
	g_autofree char *label = pv_seal_label(uuid, name);
	gsize sealed_length = 0;
	const guint8 *data = g_bytes_get_data(sealed, &sealed_length);
	if (sealed_length > 0 && data[0] != SEAL_VERSION) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: sealed in format %u, this program knows %d", label, data[0], SEAL_VERSION);
		return NULL;
	}

	gsize length = sealed_length - SEAL_HEAD_BYTES;
	g_autoptr(PvSecret) value = NULL;
	if (sealed_length >= SEAL_HEAD_BYTES && length <= PV_SEAL_MAX_BYTES) {
		const guint8 *nonce = data + 1;
		const guint8 *tag = nonce + SEAL_NONCE_BYTES;
		g_autoptr(EVP_CIPHER_CTX) context = seal_begin(key, uuid, name, nonce, FALSE);
		guint8 *plain = OPENSSL_malloc(length + 1);
		int written = 0, rest = 0;
		if (plain != NULL && context != NULL &&
		    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, SEAL_TAG_BYTES,
			(void *)tag) == 1 &&
		    (length == 0 ||
			EVP_DecryptUpdate(context, plain, &written, tag + SEAL_TAG_BYTES,
			    (int)length) == 1) &&
		    EVP_DecryptFinal_ex(context, plain + written, &rest) == 1)
			value = pv_secret_new(plain, (gssize)length);
		OPENSSL_clear_free(plain, length + 1);
	}
	if (value == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: does not open: wrong key, or the store was changed", label);
	return g_steal_pointer(&value);
}
