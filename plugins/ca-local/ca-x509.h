/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/x509.h>
#include <provost/ca.h>

G_BEGIN_DECLS

/* What the CA signs, and how: no files and no state here. */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_REQ, X509_REQ_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_CRL, X509_CRL_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_NAME, X509_NAME_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_REVOKED, X509_REVOKED_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ASN1_INTEGER, ASN1_INTEGER_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ASN1_TIME, ASN1_TIME_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ASN1_BIT_STRING, ASN1_BIT_STRING_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ASN1_ENUMERATED, ASN1_ENUMERATED_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIGNUM, BN_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)

/* Clocks of the computers that meet a certificate differ: each is valid from an hour ago on. */
#define CA_BACKDATE_SEC 3600

/* "VERB OBJECT: REASON" of OpenSSL's error queue, which is emptied */
void ca_x509_set_error(GError **error, const char *doing);

EVP_PKEY *ca_x509_new_key(const char *key_type, GError **error);
/* @permitted: DNS domains that it may certify names of, in a critical extension; ends with NULL; empty: any */
X509 *ca_x509_new_root(EVP_PKEY *key, const char *common_name, const char *const *permitted, gint64 now,
    gint64 days, GError **error);
/* letters, digits, hyphens and dots; no wildcard */
gboolean ca_x509_is_dns_name(const char *name);

/* Parses and judges a request. NULL: *reason (transfer full) says why it is denied. */
X509_REQ *ca_x509_check_request(const PvCertRequest *request, GBytes *csr_der, char **reason);

/* Whether firmware of request->amt_version takes such keys, of the CA and of the certificate. (transfer full): why not */
char *ca_x509_judge_firmware(EVP_PKEY *root_key, const PvCertRequest *request, X509_REQ *csr);

/* Names and usages come from @request and the key alone from @csr. @crl_url: (nullable): where the revocation list is
 * served; without commas and blanks. */
X509 *ca_x509_new_leaf(X509 *root, EVP_PKEY *root_key, const PvCertRequest *request, X509_REQ *csr,
    gint64 now, gint64 days, const char *crl_url, GError **error);

/* Whether the certificate's names are among those that the CA's own certificate lets it certify. (transfer full): why not */
char *ca_x509_judge_constraints(X509 *root, X509 *leaf);

typedef struct {
	const char *serial; /* hex */
	gint64 time;
	guint reason;
} CaRevocation;

X509_CRL *ca_x509_new_crl(X509 *root, EVP_PKEY *root_key, const GArray *revocations, guint64 number,
    gint64 now, gint64 days, GError **error); /* of CaRevocation */

char *ca_x509_dup_serial(X509 *certificate); /* hex, upper case */
gint64 ca_x509_get_time(const ASN1_TIME *time); /* seconds since 1970; G_MININT64: no time */
GBytes *ca_x509_to_der(X509 *certificate);
X509 *ca_x509_from_der(GBytes *der); /* NULL: not exactly one certificate */

G_END_DECLS
