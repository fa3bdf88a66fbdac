/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/tls.h"

#include "core/net/ldap-init.h"
#include "core/net/wipe.h"

#include <provost/error.h>
#include <provost/token.h>

#include <string.h>
#include <libxml/parser.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>

#define TLS_MAX_FILE (1024 * 1024)
#define TLS_MAX_CERTIFICATES 64
#define TLS_MAX_CHAIN 16
#define TLS_MAX_CHAINS 32 /* of one leaf */
#define TLS_MAX_STEPS 256 /* of the search for them */
#define TLS_SKEW_SEC 300
#define TLS_SECURE_HEAP (1024 * 1024) /* bytes; what RLIMIT_MEMLOCK grants by default and more */

struct PvIdentity {
	gatomicrefcount references;
	char *path;
	GPtrArray *chains; /* of STACK_OF(X509), leaf first; at least one; shared with variants of the identity */
	STACK_OF(X509) * chain; /* lent by .chains */
	EVP_PKEY *key;
};

struct PvTrust {
	gatomicrefcount references;
	X509_STORE *store; /* the anchors */
	STACK_OF(X509) * intermediates; /* what is not self-signed */
};

static void
tls_free_stack(STACK_OF(X509) * stack)
{
	sk_X509_pop_free(stack, X509_free);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PKCS12, PKCS12_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE_CTX, X509_STORE_CTX_free)
typedef STACK_OF(X509) TlsStack;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsStack, tls_free_stack)

static gpointer
tls_init_once(gpointer unused)
{
	(void)pv_error_quark(); /* GLib's macro sets it at its first use, without a lock */
	pv_wipe_init();
	if (!CRYPTO_secure_malloc_initialized())
		CRYPTO_secure_malloc_init(TLS_SECURE_HEAP, 32);
	OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
	if (!pv_wipe_init_curl())
		g_error("libcurl does not start");
	xmlInitParser();
	pv_ldap_init();
	return NULL;
}

void
pv_net_init(void)
{
	static GOnce once = G_ONCE_INIT;
	g_once(&once, tls_init_once, NULL);
}

char *
pv_tls_dup_openssl_error(void)
{
	GString *text = g_string_new(NULL);
	unsigned long code;
	while ((code = ERR_get_error()) != 0) {
		char line[256];
		ERR_error_string_n(code, line, sizeof line);
		if (text->len < 1024)
			g_string_append_printf(text, "%s%s", text->len > 0 ? "; " : "", line);
	}
	if (text->len == 0)
		g_string_append(text, "unknown error");
	return g_string_free(text, FALSE);
}

char *
pv_tls_dup_fingerprint(X509 *certificate)
{
	guchar hash[EVP_MAX_MD_SIZE];
	guint length = 0;
	if (X509_digest(certificate, EVP_sha256(), hash, &length) != 1)
		length = 0;
	GString *hex = g_string_sized_new(2 * length + 1);
	for (guint i = 0; i < length; i++)
		g_string_append_printf(hex, "%02x", hash[i]);
	return g_string_free(hex, FALSE);
}

char *
pv_tls_dup_name(const X509_NAME *name)
{
	g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
	/* control characters and non-ASCII come escaped, so this is fit for a message */
	X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
	char *data = NULL;
	long length = BIO_get_mem_data(bio, &data);
	return g_strndup(data, MIN(length, 512));
}

gboolean
pv_tls_check_strength(X509 *certificate, GError **error)
{
	g_autofree char *name = pv_tls_dup_name(X509_get_subject_name(certificate));
	EVP_PKEY *key = X509_get0_pubkey(certificate);
	if (key == NULL || EVP_PKEY_get_security_bits(key) < 112) {
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH, "the key of %s is too weak (%d bits)",
		    name, key != NULL ? EVP_PKEY_get_bits(key) : 0);
		return FALSE;
	}
	int bits = 0;
	int digest = NID_undef;
	if ((X509_get_extension_flags(certificate) & EXFLAG_SS) != 0)
		return TRUE;
	if (X509_get_signature_info(certificate, &digest, NULL, &bits, NULL) != 1 || bits < 112) {
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH, "the signature of %s is too weak (%s)",
		    name, digest != NID_undef ? OBJ_nid2sn(digest) : "unknown algorithm");
		return FALSE;
	}
	return TRUE;
}

/* ---- identities ---- */

static X509 *
tls_find_leaf(STACK_OF(X509) * certificates, EVP_PKEY *key)
{
	for (int i = 0; i < sk_X509_num(certificates); i++) {
		X509 *certificate = sk_X509_value(certificates, i);
		EVP_PKEY *public_key = X509_get0_pubkey(certificate);
		if (public_key != NULL && EVP_PKEY_eq(public_key, key) == 1)
			return certificate;
	}
	return NULL;
}

static gboolean
tls_is_self_issued(X509 *certificate)
{
	return X509_check_issued(certificate, certificate) == X509_V_OK;
}

/* Ways from a leaf to a root, found depth first. Cross-signed CAs make several. */
typedef struct {
	STACK_OF(X509) * certificates; /* lent */
	STACK_OF(X509) * path; /* the one being tried; lent certificates */
	GPtrArray *chains; /* of STACK_OF(X509), owned */
	guint steps;
} TlsSearch;

static gboolean
tls_has_certificate(STACK_OF(X509) * list, X509 *certificate)
{
	for (int i = 0; i < sk_X509_num(list); i++)
		if (X509_cmp(sk_X509_value(list, i), certificate) == 0)
			return TRUE;
	return FALSE;
}

/* Certificates that may have issued @subject. Names do not tell a CA from its successor with a new key, so where a
 * signature fits, those that only bear the name are left out. */
static STACK_OF(X509) * tls_list_issuers(const TlsSearch *search, X509 *subject)
{
	STACK_OF(X509) *named = sk_X509_new_null();
	STACK_OF(X509) *proven = sk_X509_new_null();
	for (int i = 0; i < sk_X509_num(search->certificates); i++) {
		X509 *certificate = sk_X509_value(search->certificates, i);
		if (X509_check_issued(certificate, subject) != X509_V_OK ||
		    tls_has_certificate(search->path, certificate) ||
		    tls_has_certificate(named, certificate))
			continue;
		EVP_PKEY *key = X509_get0_pubkey(certificate);
		sk_X509_push(named, certificate);
		if (key != NULL && X509_verify(subject, key) == 1)
			sk_X509_push(proven, certificate);
	}
	ERR_clear_error();
	gboolean any = sk_X509_num(proven) > 0;
	sk_X509_free(any ? named : proven);
	return any ? proven : named;
}

static void
tls_search_chains(TlsSearch *search, X509 *certificate)
{
	if (search->steps++ >= TLS_MAX_STEPS || search->chains->len >= TLS_MAX_CHAINS)
		return;
	sk_X509_push(search->path, certificate);
	STACK_OF(X509) *issuers = NULL;
	if (!tls_is_self_issued(certificate) && sk_X509_num(search->path) < TLS_MAX_CHAIN)
		issuers = tls_list_issuers(search, certificate);
	for (int i = 0; i < sk_X509_num(issuers); i++)
		tls_search_chains(search, sk_X509_value(issuers, i));
	if (sk_X509_num(issuers) <= 0)
		g_ptr_array_add(search->chains, X509_chain_up_ref(search->path));
	sk_X509_free(issuers);
	sk_X509_pop(search->path);
}

/* those that end in a root first, then the shortest */
static gint
tls_compare_chains(gconstpointer a, gconstpointer b)
{
	STACK_OF(X509) *one = *(STACK_OF(X509) *const *)a, *other = *(STACK_OF(X509) *const *)b;
	gboolean whole = tls_is_self_issued(sk_X509_value(one, sk_X509_num(one) - 1));
	gboolean other_whole = tls_is_self_issued(sk_X509_value(other, sk_X509_num(other) - 1));
	if (whole != other_whole)
		return whole ? -1 : 1;
	gint longer = sk_X509_num(one) - sk_X509_num(other);
	return whole ? longer : -longer; /* of those with a gap, the one that comes farthest */
}

static GPtrArray *
tls_list_chains(STACK_OF(X509) * certificates, X509 *leaf)
{
	TlsSearch search = { .certificates = certificates,
		.path = sk_X509_new_null(),
		.chains = g_ptr_array_new_with_free_func((GDestroyNotify)tls_free_stack) };
	tls_search_chains(&search, leaf);
	sk_X509_free(search.path);
	g_ptr_array_sort(search.chains, tls_compare_chains);
	return search.chains;
}

PvIdentity *
pv_identity_new(const char *name, STACK_OF(X509) * certificates, EVP_PKEY *key, GError **error)
{
	X509 *leaf = tls_find_leaf(certificates, key);
	/* an absent certificate shows here as a comparison that failed */
	ERR_clear_error();
	if (leaf == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "load identity %s: %s", name,
		    sk_X509_num(certificates) > 0 ? "the private key fits none of the certificates"
						  : "there is no certificate");
		return NULL;
	}
	PvIdentity *identity = g_new0(PvIdentity, 1);
	g_atomic_ref_count_init(&identity->references);
	identity->path = g_strdup(name);
	identity->chains = tls_list_chains(certificates, leaf);
	identity->chain = identity->chains->pdata[0];
	identity->key = key;
	EVP_PKEY_up_ref(key);
	return identity;
}

const GPtrArray *
pv_identity_get_chains(const PvIdentity *identity)
{
	return identity->chains;
}

PvIdentity *
pv_identity_new_with_chain(const PvIdentity *identity, guint index)
{
	g_return_val_if_fail(index < identity->chains->len, NULL);
	PvIdentity *variant = g_new0(PvIdentity, 1);
	g_atomic_ref_count_init(&variant->references);
	variant->path = g_strdup(identity->path);
	variant->chains = g_ptr_array_ref(identity->chains);
	variant->chain = variant->chains->pdata[index];
	variant->key = identity->key;
	EVP_PKEY_up_ref(variant->key);
	return variant;
}

PvIdentity *
pv_identity_ref(PvIdentity *identity)
{
	g_atomic_ref_count_inc(&identity->references);
	return identity;
}

void
pv_identity_unref(PvIdentity *identity)
{
	if (identity == NULL || !g_atomic_ref_count_dec(&identity->references))
		return;
	g_free(identity->path);
	g_ptr_array_unref(identity->chains);
	EVP_PKEY_free(identity->key);
	g_free(identity);
}

STACK_OF(X509) * pv_identity_get_chain(const PvIdentity *identity)
{
	return identity->chain;
}

EVP_PKEY *
pv_identity_get_key(const PvIdentity *identity)
{
	return identity->key;
}

const char *
pv_identity_get_path(const PvIdentity *identity)
{
	return identity->path;
}

/* a file with secrets: read at once, bounded, wiped by tls_blob_clear() */
typedef struct {
	char *data;
	gsize length;
} TlsBlob;

static void
tls_blob_clear(TlsBlob *blob)
{
	if (blob->data != NULL)
		OPENSSL_cleanse(blob->data, blob->length);
	g_free(blob->data);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TlsBlob, tls_blob_clear)

static gboolean
tls_read_file(const char *path, TlsBlob *blob, GError **error)
{
	g_autoptr(GFile) file = g_file_new_for_path(path);
	g_autoptr(GError) local = NULL;
	g_autoptr(GFileInfo) info = g_file_query_info(file,
	    G_FILE_ATTRIBUTE_STANDARD_SIZE "," G_FILE_ATTRIBUTE_STANDARD_TYPE,
	    G_FILE_QUERY_INFO_NONE, NULL, &local);
	if (info != NULL && g_file_info_get_file_type(info) != G_FILE_TYPE_REGULAR) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "load identity %s: it is no regular file", path);
		return FALSE;
	}
	if (info != NULL && g_file_info_get_size(info) > TLS_MAX_FILE) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "load identity %s: it is longer than %d bytes", path, TLS_MAX_FILE);
		return FALSE;
	}
	if (info == NULL || !g_file_get_contents(path, &blob->data, &blob->length, &local)) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "load identity %s: %s", path, local->message);
		return FALSE;
	}
	return TRUE;
}

typedef struct {
	PvSecret *password; /* NULL: none */
	gboolean asked;
} TlsPassword;

static int
tls_give_password(char *buffer, int size, int writing, void *data)
{
	TlsPassword *password = data;
	password->asked = TRUE;
	if (password->password == NULL)
		return -1;
	gsize length = 0;
	const char *bytes = pv_secret_peek(password->password, &length);
	if (length > (gsize)size)
		return -1;
	memcpy(buffer, bytes, length);
	return (int)length;
}

static EVP_PKEY *
tls_read_pem_key(const TlsBlob *blob, const char *path, PvSecret *secret, GError **error)
{
	TlsPassword password = { .password = secret };
	g_autoptr(BIO) bio = BIO_new_mem_buf(blob->data, (int)blob->length);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, tls_give_password, &password);
	ERR_clear_error();
	if (key != NULL)
		return key;
	const char *reason = "there is no private key in it that can be read";
	if (password.asked)
		reason = secret == NULL
			     ? "the private key is encrypted and no password is configured"
			     : "wrong password, or the private key is damaged";
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "load identity %s: %s", path, reason);
	return NULL;
}

static gboolean
tls_read_pem_certificates(
    const TlsBlob *blob, const char *path, STACK_OF(X509) * certificates, GError **error)
{
	g_autoptr(BIO) bio = BIO_new_mem_buf(blob->data, (int)blob->length);
	X509 *certificate;
	while (sk_X509_num(certificates) < TLS_MAX_CERTIFICATES &&
	       (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		sk_X509_push(certificates, certificate);
	unsigned long last = ERR_peek_last_error();
	ERR_clear_error();
	if (last == 0 || ERR_GET_REASON(last) == PEM_R_NO_START_LINE)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "load identity %s: certificate %d in it is damaged", path,
	    sk_X509_num(certificates) + 1);
	return FALSE;
}

/* Copies into the default library context: what a private one made must not outlive it. */
static gboolean
tls_adopt(EVP_PKEY *foreign, STACK_OF(X509) * from, EVP_PKEY **key, STACK_OF(X509) * certificates)
{
	guchar *der = NULL;
	int length = i2d_PrivateKey(foreign, &der);
	const guchar *at = der;
	*key = length > 0 ? d2i_AutoPrivateKey(NULL, &at, length) : NULL;
	OPENSSL_clear_free(der, length > 0 ? (gsize)length : 0);
	for (int i = 0; *key != NULL && i < sk_X509_num(from) && i < TLS_MAX_CERTIFICATES; i++) {
		guchar *copy = NULL;
		length = i2d_X509(sk_X509_value(from, i), &copy);
		const guchar *begin = copy;
		X509 *certificate = length > 0 ? d2i_X509(NULL, &begin, length) : NULL;
		OPENSSL_free(copy);
		if (certificate != NULL)
			sk_X509_push(certificates, certificate);
	}
	return *key != NULL;
}

typedef enum {
	TLS_P12_OK,
	TLS_P12_WRONG_PASSWORD,
	TLS_P12_DAMAGED,
	TLS_P12_CONTENT,
} TlsP12Result;

/* @context: NULL: the default one */
static TlsP12Result
tls_read_p12_with(OSSL_LIB_CTX *context, const TlsBlob *blob, const char *password, EVP_PKEY **key,
    STACK_OF(X509) * certificates)
{
	/* only the BIO function carries the context into what it parses */
	g_autoptr(BIO) bio = BIO_new_mem_buf(blob->data, (int)blob->length);
	g_autoptr(PKCS12) p12 = PKCS12_init_ex(NID_pkcs7_data, context, NULL);
	if (p12 == NULL || d2i_PKCS12_bio(bio, &p12) == NULL)
		return TLS_P12_DAMAGED;
	if (PKCS12_mac_present(p12) && PKCS12_verify_mac(p12, password, -1) != 1 &&
	    !(*password == '\0' && PKCS12_verify_mac(p12, NULL, 0) == 1))
		return TLS_P12_WRONG_PASSWORD;
	g_autoptr(EVP_PKEY) inner = NULL;
	g_autoptr(X509) leaf = NULL;
	g_autoptr(TlsStack) others = NULL;
	/* for this thread only: keys and certificates are not all decrypted with the context of the file */
	OSSL_LIB_CTX *before = context != NULL ? OSSL_LIB_CTX_set0_default(context) : NULL;
	int parsed = PKCS12_parse(p12, password, &inner, &leaf, &others);
	if (context != NULL)
		OSSL_LIB_CTX_set0_default(before);
	if (parsed != 1)
		return TLS_P12_CONTENT;
	if (others == NULL)
		others = sk_X509_new_null();
	if (leaf != NULL)
		sk_X509_push(others, g_steal_pointer(&leaf));
	if (inner == NULL)
		return TLS_P12_OK; /* no key in it; the caller says so */
	return tls_adopt(inner, others, key, certificates) ? TLS_P12_OK : TLS_P12_CONTENT;
}

/* RC2-40 and its like, which exporters of 2012 and many of today write, are in OpenSSL's legacy provider. It is
 * loaded for this one file, into a context of its own. */
static TlsP12Result
tls_read_p12_legacy(
    const TlsBlob *blob, const char *password, EVP_PKEY **key, STACK_OF(X509) * certificates)
{
	OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();
	OSSL_PROVIDER *legacy = OSSL_PROVIDER_load(context, "legacy");
	OSSL_PROVIDER *normal = OSSL_PROVIDER_load(context, "default");
	TlsP12Result result = TLS_P12_CONTENT;
	if (legacy != NULL && normal != NULL)
		result = tls_read_p12_with(context, blob, password, key, certificates);
	if (legacy != NULL)
		OSSL_PROVIDER_unload(legacy);
	if (normal != NULL)
		OSSL_PROVIDER_unload(normal);
	OSSL_LIB_CTX_free(context);
	return result;
}

static gboolean
tls_read_p12(const TlsBlob *blob, const char *path, PvSecret *secret, EVP_PKEY **key,
    STACK_OF(X509) * certificates, GError **error)
{
	const char *password = secret != NULL ? pv_secret_peek(secret, NULL) : "";
	TlsP12Result result = tls_read_p12_with(NULL, blob, password, key, certificates);
	if (result == TLS_P12_CONTENT)
		result = tls_read_p12_legacy(blob, password, key, certificates);
	ERR_clear_error();
	const char *reason = NULL;
	if (result == TLS_P12_WRONG_PASSWORD)
		reason = secret != NULL ? "wrong password"
					: "it needs a password and none is configured";
	else if (result == TLS_P12_DAMAGED)
		reason = "it is neither PEM nor PKCS#12";
	else if (result == TLS_P12_CONTENT)
		reason =
		    "its encryption is not known, or it is damaged; export it again with AES-256";
	else if (*key == NULL)
		reason = "there is no private key in it";
	if (reason == NULL)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "load identity %s: %s", path, reason);
	return FALSE;
}

/* Windows leaves the issuers out of a PFX unless it is told otherwise, and firmware wants to see the root. */
static gboolean
tls_check_complete(const PvIdentity *identity, gboolean pem, GError **error)
{
	X509 *last = sk_X509_value(identity->chain, sk_X509_num(identity->chain) - 1);
	if (tls_is_self_issued(last))
		return TRUE;
	g_autofree char *issuer = pv_tls_dup_name(X509_get_issuer_name(last));
	g_autofree char *subject = pv_tls_dup_name(X509_get_subject_name(last));
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "load identity %s: the certificate of the issuer \"%s\" of \"%s\" is missing: %s",
	    identity->path, issuer, subject,
	    pem ? "append it to the file"
		: "export it again with all certificates of its path, the root included");
	return FALSE;
}

EVP_PKEY *
pv_tls_load_key(const char *path, PvSecret *password, GError **error)
{
	pv_net_init();
	g_auto(TlsBlob) blob = { 0 };
	if (pv_token_is_uri(path))
		return pv_token_load_key(path, password, error);
	return tls_read_file(path, &blob, error) ? tls_read_pem_key(&blob, path, password, error) : NULL;
}

static PvIdentity *
tls_load_identity(
    const char *path, const char *key_path, PvSecret *password, gboolean *is_pem, GError **error)
{
	pv_net_init();
	g_auto(TlsBlob) blob = { 0 };
	g_auto(TlsBlob) key_blob = { 0 };
	g_autoptr(EVP_PKEY) key = NULL;
	g_autoptr(TlsStack) certificates = sk_X509_new_null();
	if (!tls_read_file(path, &blob, error))
		return NULL;
	gboolean token = pv_token_is_uri(key_path);
	if (key_path != NULL && !token && !tls_read_file(key_path, &key_blob, error))
		return NULL;
	ERR_clear_error();
	*is_pem = g_strstr_len(blob.data, (gssize)blob.length, "-----BEGIN ") != NULL;
	if (*is_pem) {
		if (!tls_read_pem_certificates(&blob, path, certificates, error))
			return NULL;
		key = token ? pv_token_load_key(key_path, password, error)
			    : tls_read_pem_key(key_path != NULL ? &key_blob : &blob,
		    key_path != NULL ? key_path : path, password, error);
		if (key == NULL)
			return NULL;
	} else if (token) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "load identity %s: with its key in a token, the certificates must be in PEM", path);
		return NULL;
	} else if (!tls_read_p12(&blob, path, password, &key, certificates, error)) {
		return NULL;
	}
	return pv_identity_new(path, certificates, key, error);
}

PvIdentity *
pv_identity_load_partial(const char *path, const char *key_path, PvSecret *password, GError **error)
{
	gboolean unused = FALSE;
	return tls_load_identity(path, key_path, password, &unused, error);
}

PvIdentity *
pv_identity_load(const char *path, const char *key_path, PvSecret *password, GError **error)
{
	gboolean pem = FALSE;
	g_autoptr(PvIdentity) identity = tls_load_identity(path, key_path, password, &pem, error);
	if (identity == NULL || !tls_check_complete(identity, pem, error))
		return NULL;
	return g_steal_pointer(&identity);
}

/* ---- trust ---- */

static X509 *
tls_parse_der(GBytes *bytes)
{
	gsize length = 0;
	const guchar *data = g_bytes_get_data(bytes, &length);
	const guchar *end = data;
	X509 *certificate = length <= TLS_MAX_FILE ? d2i_X509(NULL, &end, (long)length) : NULL;
	if (certificate != NULL && end != data + length) {
		X509_free(certificate);
		return NULL;
	}
	return certificate;
}

gboolean
pv_der_is_self_issued(GBytes *der)
{
	g_autoptr(X509) certificate = tls_parse_der(der);
	gboolean self = certificate != NULL && tls_is_self_issued(certificate);
	ERR_clear_error();
	return self;
}

PvTrust *
pv_trust_new(GPtrArray *certificates, GError **error)
{
	pv_net_init();
	g_autoptr(PvTrust) trust = g_new0(PvTrust, 1);
	g_atomic_ref_count_init(&trust->references);
	trust->store = X509_STORE_new();
	trust->intermediates = sk_X509_new_null();
	gboolean anchored = FALSE;
	for (guint i = 0; i < certificates->len; i++) {
		g_autoptr(X509) certificate = tls_parse_der(g_ptr_array_index(certificates, i));
		if (certificate == NULL) {
			ERR_clear_error();
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "load trust: certificate %u is no DER certificate", i + 1);
			return NULL;
		}
		if (tls_is_self_issued(certificate)) {
			X509_STORE_add_cert(trust->store, certificate);
			anchored = TRUE;
		} else {
			sk_X509_push(trust->intermediates, g_steal_pointer(&certificate));
		}
	}
	if (!anchored) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "load trust: there is no self-signed root among the %u certificates",
		    certificates->len);
		return NULL;
	}
	return g_steal_pointer(&trust);
}

PvTrust *
pv_trust_ref(PvTrust *trust)
{
	g_atomic_ref_count_inc(&trust->references);
	return trust;
}

void
pv_trust_unref(PvTrust *trust)
{
	if (trust == NULL || !g_atomic_ref_count_dec(&trust->references))
		return;
	X509_STORE_free(trust->store);
	tls_free_stack(trust->intermediates);
	g_free(trust);
}

X509_STORE *
pv_trust_get_store(PvTrust *trust)
{
	return trust->store;
}

static char *
tls_dup_time(const ASN1_TIME *time)
{
	struct tm parts;
	if (ASN1_TIME_to_tm(time, &parts) != 1)
		return g_strdup("an unreadable date");
	return g_strdup_printf(
	    "%04d-%02d-%02d", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

static void
tls_append_name(GString *names, const guchar *data, int length)
{
	if (names->len > 200 || length <= 0)
		return;
	g_autofree char *raw = g_strndup((const char *)data, MIN(length, 255));
	g_autofree char *valid = g_utf8_make_valid(raw, -1);
	g_strdelimit(valid, "\r\n\t\033", ' ');
	g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "", valid);
}

/* the names that a certificate carries, as a person reads them */
static char *
tls_dup_host_names(X509 *certificate)
{
	GString *names = g_string_new(NULL);
	GENERAL_NAMES *list = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; list != NULL && i < sk_GENERAL_NAME_num(list); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(list, i);
		if (name->type == GEN_DNS)
			tls_append_name(names, ASN1_STRING_get0_data(name->d.dNSName),
			    ASN1_STRING_length(name->d.dNSName));
	}
	GENERAL_NAMES_free(list);
	if (names->len == 0) {
		X509_NAME *subject = X509_get_subject_name(certificate);
		int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
		const ASN1_STRING *text =
		    at >= 0 ? X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)) : NULL;
		if (text != NULL)
			tls_append_name(
			    names, ASN1_STRING_get0_data(text), ASN1_STRING_length(text));
	}
	return g_string_free(names, FALSE);
}

static gboolean
tls_check_name(X509 *leaf, const char *name, GError **error)
{
	int matches = g_hostname_is_ip_address(name) ?
	    X509_check_ip_asc(leaf, name, 0) :
	    X509_check_host(leaf, name, 0, X509_CHECK_FLAG_NO_WILDCARDS, NULL);
	if (matches == 1)
		return TRUE;
	g_autofree char *found = tls_dup_host_names(leaf);
	g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
	    "the certificate is for \"%s\" and not for \"%s\"", found, name);
	return FALSE;
}

static void
tls_set_verify_error(X509_STORE_CTX *context, GError **error)
{
	int code = X509_STORE_CTX_get_error(context);
	X509 *certificate = X509_STORE_CTX_get_current_cert(context);
	if (certificate == NULL)
		certificate = X509_STORE_CTX_get0_cert(context);
	g_autofree char *subject = pv_tls_dup_name(X509_get_subject_name(certificate));
	g_autofree char *issuer = pv_tls_dup_name(X509_get_issuer_name(certificate));
	g_autofree char *from = tls_dup_time(X509_get0_notBefore(certificate));
	g_autofree char *until = tls_dup_time(X509_get0_notAfter(certificate));
	g_autofree char *text = NULL;
	switch (code) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		text = g_strdup_printf("certificate has expired on %s: %s", until, subject);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		text = g_strdup_printf("certificate is not valid before %s: %s", from, subject);
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		text = g_strdup_printf("unknown issuer \"%s\" of %s", issuer, subject);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		text =
		    g_strdup_printf("unknown issuer: %s is self-signed and not trusted", subject);
		break;
	default:
		text = g_strdup_printf("%s: %s", X509_verify_cert_error_string(code), subject);
		break;
	}
	g_set_error_literal(error, PV_ERROR, PV_ERROR_AUTH, text);
}

/* A CA whose clock is a little ahead issues certificates that are not valid yet; that is no reason to refuse one. */
static int
tls_bear_skew(int good, X509_STORE_CTX *context)
{
	time_t soon = time(NULL) + TLS_SKEW_SEC;
	if (good == 1 || X509_STORE_CTX_get_error(context) != X509_V_ERR_CERT_NOT_YET_VALID)
		return good;
	X509 *certificate = X509_STORE_CTX_get_current_cert(context);
	if (certificate == NULL || X509_cmp_time(X509_get0_notBefore(certificate), &soon) >= 0)
		return 0;
	X509_STORE_CTX_set_error(context, X509_V_OK);
	return 1;
}

gboolean
pv_trust_verify(PvTrust *trust, X509 *leaf, STACK_OF(X509) * untrusted, const char *name,
    PvTlsPolicy policy, GError **error)
{
	g_autoptr(X509_STORE_CTX) context = X509_STORE_CTX_new();
	g_autoptr(TlsStack) candidates =
	    untrusted != NULL ? X509_chain_up_ref(untrusted) : sk_X509_new_null();
	for (int i = 0; i < sk_X509_num(trust->intermediates); i++) {
		X509 *certificate = sk_X509_value(trust->intermediates, i);
		X509_up_ref(certificate);
		sk_X509_push(candidates, certificate);
	}
	if (X509_STORE_CTX_init(context, trust->store, leaf, candidates) != 1) {
		g_autofree char *text = pv_tls_dup_openssl_error();
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "verify certificate: %s", text);
		return FALSE;
	}
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
	X509_VERIFY_PARAM_set_auth_level(param, policy == PV_TLS_LEGACY ? 0 : 2);
	X509_VERIFY_PARAM_set_depth(param, TLS_MAX_CHAIN);
	X509_STORE_CTX_set_verify_cb(context, tls_bear_skew);
	if (X509_verify_cert(context) != 1) {
		tls_set_verify_error(context, error);
		ERR_clear_error();
		return FALSE;
	}
	return name == NULL || tls_check_name(leaf, name, error);
}
