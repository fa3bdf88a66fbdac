/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/fake-pki.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static EVP_PKEY *
fake_pki_new_key(guint rsa_bits)
{
	EVP_PKEY *key = rsa_bits > 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)rsa_bits)
				     : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	g_assert_nonnull(key);
	return key;
}

static void
fake_pki_extend(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	g_assert_nonnull(extension);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

FakeCert *
fake_cert_new(const FakeCertSpec *spec)
{
	FakeCert *cert = g_new0(FakeCert, 1);
	cert->key = spec->key_of != NULL ? EVP_PKEY_dup(spec->key_of->key) : fake_pki_new_key(spec->rsa_bits);
	cert->certificate = X509_new();
	X509_set_version(cert->certificate, X509_VERSION_3);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert->certificate), g_random_int());
	X509_gmtime_adj(X509_getm_notBefore(cert->certificate),
	    86400L * (spec->from_days != 0 ? spec->from_days : -1));
	X509_gmtime_adj(X509_getm_notAfter(cert->certificate),
	    86400L * (spec->until_days != 0 ? spec->until_days : 365) + 3600);
	X509_set_pubkey(cert->certificate, cert->key);
	X509_NAME *name = X509_get_subject_name(cert->certificate);
	if (spec->unit != NULL)
		X509_NAME_add_entry_by_txt(
		    name, "OU", MBSTRING_UTF8, (const guchar *)spec->unit, -1, -1, 0);
	X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_UTF8, (const guchar *)spec->common_name, -1, -1, 0);
	X509_set_issuer_name(cert->certificate,
	    spec->issuer != NULL ? X509_get_subject_name(spec->issuer->certificate) : name);
	fake_pki_extend(cert->certificate, NID_basic_constraints,
	    spec->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (spec->ekus != NULL)
		fake_pki_extend(cert->certificate, NID_ext_key_usage, spec->ekus);
	if (spec->dns_name != NULL) {
		g_autofree char *san = g_strconcat("DNS:", spec->dns_name, NULL);
		fake_pki_extend(cert->certificate, NID_subject_alt_name, san);
	}
	EVP_PKEY *wrong = spec->bad_signature ? fake_pki_new_key(0) : NULL;
	EVP_PKEY *signer = spec->issuer != NULL ? spec->issuer->key : cert->key;
	g_assert_cmpint(X509_sign(cert->certificate, wrong != NULL ? wrong : signer,
			    spec->sha1 ? EVP_sha1() : EVP_sha256()),
	    >, 0);
	EVP_PKEY_free(wrong);
	return cert;
}

void
fake_cert_free(FakeCert *cert)
{
	if (cert == NULL)
		return;
	X509_free(cert->certificate);
	EVP_PKEY_free(cert->key);
	g_free(cert);
}

GBytes *
fake_cert_dup_der(const FakeCert *cert)
{
	guchar *der = NULL;
	int length = i2d_X509(cert->certificate, &der);
	g_assert_cmpint(length, >, 0);
	GBytes *bytes = g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	return bytes;
}

char *
fake_cert_dup_pem(const FakeCert *key, const FakeCert *first, ...)
{
	BIO *bio = BIO_new(BIO_s_mem());
	va_list list;
	va_start(list, first);
	for (const FakeCert *cert = first; cert != NULL; cert = va_arg(list, const FakeCert *))
		PEM_write_bio_X509(bio, cert->certificate);
	va_end(list);
	if (key != NULL)
		PEM_write_bio_PrivateKey(bio, key->key, NULL, NULL, 0, NULL, NULL);
	char *data = NULL;
	long length = BIO_get_mem_data(bio, &data);
	char *text = g_strndup(data, (gsize)length);
	BIO_free(bio);
	return text;
}
