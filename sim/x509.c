/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/x509.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#define X509_DAY_SEC 86400

static gboolean
x509_add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer != NULL ? issuer : x509, x509, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	gboolean added = extension != NULL && X509_add_ext(x509, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return added;
}

static gboolean
x509_set_name(X509 *x509, const PvSimX509Spec *spec)
{
	const struct {
		const char *field, *text;
	} parts[] = { { "O", spec->organization }, { "OU", spec->unit },
		{ "CN", spec->common_name } };
	X509_NAME *name = X509_get_subject_name(x509);
	for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
		if (parts[i].text != NULL &&
		    X509_NAME_add_entry_by_txt(name, parts[i].field, MBSTRING_UTF8,
			(const unsigned char *)parts[i].text, -1, -1, 0) != 1)
			return FALSE;
	}
	return TRUE;
}

static gboolean
x509_set_times(X509 *x509, gboolean expired)
{
	long from = expired ? -400L * X509_DAY_SEC : -1L * X509_DAY_SEC;
	long to = expired ? -30L * X509_DAY_SEC : 3650L * X509_DAY_SEC;
	return X509_gmtime_adj(X509_getm_notBefore(x509), from) != NULL &&
	       X509_gmtime_adj(X509_getm_notAfter(x509), to) != NULL;
}

static gboolean
x509_set_serial(X509 *x509)
{
	guint8 bytes[16];
	if (RAND_bytes(bytes, sizeof bytes) != 1)
		return FALSE;
	bytes[0] &= 0x7F;
	BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
	gboolean set =
	    number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)) != NULL;
	BN_free(number);
	return set;
}

X509 *
pv_sim_x509_make(const PvSimX509Spec *spec, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *x509 = X509_new();
	g_autofree char *usage = g_strjoinv(",", (char **)spec->oids);
	gboolean good =
	    x509 != NULL && X509_set_version(x509, X509_VERSION_3) == 1 && x509_set_serial(x509) &&
	    x509_set_times(x509, spec->expired) && X509_set_pubkey(x509, key) == 1 &&
	    x509_set_name(x509, spec) &&
	    X509_set_issuer_name(x509, X509_get_subject_name(issuer != NULL ? issuer : x509)) ==
		1 &&
	    x509_add_extension(x509, issuer, NID_subject_key_identifier, "hash") &&
	    x509_add_extension(
		x509, issuer, NID_basic_constraints, spec->ca ? "critical,CA:TRUE" : "CA:FALSE") &&
	    x509_add_extension(x509, issuer, NID_key_usage,
		spec->ca ? "critical,keyCertSign,cRLSign" : "digitalSignature,keyEncipherment") &&
	    (*usage == '\0' || x509_add_extension(x509, issuer, NID_ext_key_usage, usage)) &&
	    X509_sign(x509, issuer_key, spec->sha1 ? EVP_sha1() : EVP_sha256()) > 0;
	g_assert(good); /* all inputs are the program's own: only memory can lack */
	return x509;
}
