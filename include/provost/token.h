/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/secret.h>

G_BEGIN_DECLS

struct evp_pkey_st; /* OpenSSL's EVP_PKEY */

/**
 * pv_token_is_uri:
 *
 * Returns: whether @text is a PKCS#11 URI (RFC 7512), not the name of a file. Any thread.
 */
gboolean pv_token_is_uri(const char *text);

/**
 * pv_token_load_key:
 * @uri: such as "pkcs11:token=site;object=amt-prov"; "?module-path=/usr/lib/x.so" names the module, which must be trusted
 *   as code is; else p11-kit's modules are asked. A PIN in it is refused: it would stand in a configuration file
 * @pin: (nullable): of the user of the token
 *
 * Finds a private key in a token. It stays there: signatures are made by the token. OpenSSL's pkcs11 provider is used where
 * OpenSSL's configuration loads it, else the engine of libp11, else the provider where it is installed. Blocks as long
 * as the token does. From one thread at a time.
 *
 * Returns: (transfer full): the key, to be freed with EVP_PKEY_free(); NULL with PV_ERROR_CONFIG, which tells a wrong or
 * missing PIN, a key that is not there, and a missing module apart.
 */
struct evp_pkey_st *pv_token_load_key(const char *uri, PvSecret *pin, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
