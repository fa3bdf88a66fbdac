/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/provisioning.h"

#include <provost/error.h>
#include <provost/file.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#define PROVISIONING_MARK_OID "2.16.840.1.113741.1.2.3" /* Intel AMT SDK, "Remote configuration certificate requirements" */
#define PROVISIONING_MARK_OU "Intel(R) Client Setup Certificate"
#define PROVISIONING_SERVER_AUTH "1.3.6.1.5.5.7.3.1"
#define PROVISIONING_MAX_ISSUERS 8 /* taken from the system's roots */
#define PROVISIONING_ITERATIONS 100000
#define PROVISIONING_MIN_PASSPHRASE 8

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE, X509_STORE_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE_CTX, X509_STORE_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PKCS12, PKCS12_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIGNUM, BN_clear_free)

const char *const pv_provisioning_ekus[] = { PROVISIONING_SERVER_AUTH, PROVISIONING_MARK_OID, NULL };

static void
provisioning_set_error(const char *what, GError **error)
{
	g_autofree char *text = pv_tls_dup_openssl_error();
	g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "%s: %s", what, text);
}

EVP_PKEY *
pv_provisioning_new_key(guint bits, GError **error)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (gsize)bits);
	if (key == NULL)
		provisioning_set_error("make key", error);
	return key;
}

static gboolean
provisioning_add_entry(X509_NAME *name, int nid, const char *value)
{
	return value == NULL || X509_NAME_add_entry_by_NID(
				    name, nid, MBSTRING_UTF8, (const guchar *)value, -1, -1, 0) == 1;
}

static gboolean
provisioning_add_extensions(X509_REQ *csr, const char *fqdn, guint form)
{
	g_autofree char *san = g_strdup_printf("DNS:%s", fqdn);
	const char *usages = (form & PV_PROVISIONING_OID) != 0
				 ? PROVISIONING_SERVER_AUTH "," PROVISIONING_MARK_OID
				 : PROVISIONING_SERVER_AUTH;
	const struct {
		int nid;
		const char *value;
	} wanted[] = { { NID_key_usage, "critical,digitalSignature,keyEncipherment" },
		{ NID_ext_key_usage, usages }, { NID_subject_alt_name, san } };
	STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
	gboolean ok = list != NULL;
	for (gsize i = 0; ok && i < G_N_ELEMENTS(wanted); i++) {
		X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, wanted[i].nid, wanted[i].value);
		ok = extension != NULL && sk_X509_EXTENSION_push(list, extension) > 0;
	}
	ok = ok && X509_REQ_add_extensions(csr, list) == 1;
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	return ok;
}

/* what is in memory, as bytes */
static GBytes *
provisioning_dup_bytes(BIO *bio)
{
	char *data = NULL;
	long length = BIO_get_mem_data(bio, &data);
	return g_bytes_new(data, length > 0 ? (gsize)length : 0);
}

GBytes *
pv_provisioning_new_request(
    EVP_PKEY *key, const char *fqdn, const char *organisation, guint form, GError **error)
{
	g_autoptr(X509_REQ) csr = X509_REQ_new();
	g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
	X509_NAME *subject = X509_REQ_get_subject_name(csr);
	const char *unit = (form & PV_PROVISIONING_OU) != 0 ? PROVISIONING_MARK_OU : NULL;
	if (X509_REQ_set_version(csr, X509_REQ_VERSION_1) != 1 ||
	    !provisioning_add_entry(subject, NID_organizationName, organisation) ||
	    !provisioning_add_entry(subject, NID_organizationalUnitName, unit) ||
	    !provisioning_add_entry(subject, NID_commonName, fqdn) ||
	    X509_REQ_set_pubkey(csr, key) != 1 || !provisioning_add_extensions(csr, fqdn, form) ||
	    X509_REQ_sign(csr, key, EVP_sha256()) <= 0 || PEM_write_bio_X509_REQ(bio, csr) != 1) {
		provisioning_set_error("make certificate request", error);
		return NULL;
	}
	return provisioning_dup_bytes(bio);
}

PvSecret *
pv_provisioning_dup_key(EVP_PKEY *key, GError **error)
{
	g_autoptr(BIO) bio = BIO_new(BIO_s_secmem());
	if (PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
		provisioning_set_error("write key", error);
		return NULL;
	}
	char *data = NULL;
	long length = BIO_get_mem_data(bio, &data);
	return pv_secret_new(data, length);
}

/* the issuer of the last certificate of the chain, out of the system's trusted roots; NULL: none */
static X509 *
provisioning_find_issuer(X509_STORE *store, X509 *last)
{
	g_autoptr(X509_STORE_CTX) context = X509_STORE_CTX_new();
	X509 *issuer = NULL;
	if (X509_STORE_CTX_init(context, store, last, NULL) != 1 ||
	    X509_STORE_CTX_get1_issuer(&issuer, context, last) != 1)
		issuer = NULL;
	ERR_clear_error();
	return issuer;
}

static X509 *
provisioning_get_last(const PvIdentity *identity)
{
	STACK_OF(X509) *chain = pv_identity_get_chain(identity);
	return sk_X509_value(chain, sk_X509_num(chain) - 1);
}

/* Adds issuers to @certificates until the chain ends in a root. */
static PvIdentity *
provisioning_complete(
    const char *name, STACK_OF(X509) * certificates, EVP_PKEY *key, GError **error)
{
	g_autoptr(X509_STORE) store = NULL;
	for (guint i = 0; i <= PROVISIONING_MAX_ISSUERS; i++) {
		g_autoptr(PvIdentity) identity = pv_identity_new(name, certificates, key, error);
		if (identity == NULL)
			return NULL;
		X509 *last = provisioning_get_last(identity);
		if (X509_check_issued(last, last) == X509_V_OK)
			return g_steal_pointer(&identity);
		if (store == NULL) {
			store = X509_STORE_new();
			(void)X509_STORE_set_default_paths(store); /* without them nothing is found in it */
		}
		X509 *issuer = provisioning_find_issuer(store, last);
		if (issuer != NULL) {
			sk_X509_push(certificates, issuer);
			continue;
		}
		g_autofree char *wanted = pv_tls_dup_name(X509_get_issuer_name(last));
		g_autofree char *subject = pv_tls_dup_name(X509_get_subject_name(last));
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: the certificate of the issuer \"%s\" of \"%s\" is missing: get it from the CA and "
		    "give it with --chain",
		    name, wanted, subject);
		return NULL;
	}
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: its chain has no end", name);
	return NULL;
}

PvIdentity *
pv_provisioning_assemble(const char *name, GPtrArray *certificates, EVP_PKEY *key, GError **error)
{
	STACK_OF(X509) *list = sk_X509_new_null();
	for (guint i = 0; i < certificates->len; i++) {
		gsize length = 0;
		const guchar *der = g_bytes_get_data(certificates->pdata[i], &length);
		X509 *certificate = d2i_X509(NULL, &der, (long)length);
		if (certificate != NULL)
			sk_X509_push(list, certificate);
	}
	ERR_clear_error();
	PvIdentity *identity = provisioning_complete(name, list, key, error);
	sk_X509_pop_free(list, X509_free);
	return identity;
}

gboolean
pv_provisioning_write(const PvIdentity *identity, const char *path, gboolean with_key, GError **error)
{
	g_autoptr(BIO) bio = BIO_new(BIO_s_secmem());
	STACK_OF(X509) *chain = pv_identity_get_chain(identity);
	gboolean ok = TRUE;
	for (int i = 0; ok && i < sk_X509_num(chain); i++)
		ok = PEM_write_bio_X509(bio, sk_X509_value(chain, i)) == 1;
	if (!ok || (with_key && PEM_write_bio_PKCS8PrivateKey(bio, pv_identity_get_key(identity), NULL,
				    NULL, 0, NULL, NULL) != 1)) {
		provisioning_set_error("write certificate", error);
		return FALSE;
	}
	char *data = NULL;
	long length = BIO_get_mem_data(bio, &data);
	return pv_file_replace(path, data, length, 0600, error);
}

/* A key in a token has no private part that could be read. */
static gboolean
provisioning_is_exportable(EVP_PKEY *key)
{
	BIGNUM *number = NULL;
	gboolean found = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_D, &number) == 1 ||
			 EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1;
	g_autoptr(BIGNUM) owned = number;
	ERR_clear_error();
	return found && owned != NULL && !BN_is_zero(owned);
}

gboolean
pv_provisioning_export(
    const PvIdentity *identity, const char *path, PvSecret *passphrase, GError **error)
{
	gsize length = 0;
	const char *text = pv_secret_peek(passphrase, &length);
	EVP_PKEY *key = pv_identity_get_key(identity);
	if (length < PROVISIONING_MIN_PASSPHRASE) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "export %s: the passphrase needs %d characters at least", path,
		    PROVISIONING_MIN_PASSPHRASE);
		return FALSE;
	}
	if (!provisioning_is_exportable(key)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "export %s: the key of %s is in a token, which does not give it away: back the token up by "
		    "its vendor's means",
		    path, pv_identity_get_path(identity));
		return FALSE;
	}
	STACK_OF(X509) *chain = pv_identity_get_chain(identity);
	STACK_OF(X509) *others = sk_X509_new_null();
	for (int i = 1; i < sk_X509_num(chain); i++)
		sk_X509_push(others, sk_X509_value(chain, i));
	/* 0, 0: what OpenSSL takes by default, which is AES-256 and a MAC by SHA-256 */
	g_autoptr(PKCS12) p12 = PKCS12_create(text, "amt-provisioning", key, sk_X509_value(chain, 0), others, 0,
	    0, PROVISIONING_ITERATIONS, PROVISIONING_ITERATIONS, 0);
	sk_X509_free(others);
	g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
	if (p12 == NULL || i2d_PKCS12_bio(bio, p12) != 1) {
		provisioning_set_error("export certificate", error);
		return FALSE;
	}
	g_autoptr(GBytes) bytes = provisioning_dup_bytes(bio);
	gsize size = 0;
	const void *data = g_bytes_get_data(bytes, &size);
	return pv_file_replace(path, data, (gssize)size, 0600, error);
}
