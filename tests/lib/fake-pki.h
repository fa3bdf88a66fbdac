/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <openssl/ssl.h>

G_BEGIN_DECLS

/* Certificates for tests, made in memory with P-256 keys, which cost nothing. */
typedef struct {
	X509 *certificate;
	EVP_PKEY *key;
} FakeCert;

typedef struct {
	const char *common_name;
	const char *unit;          /* OU; NULL: none */
	const char *dns_name;      /* SAN; NULL: none */
	const char *ekus;          /* "serverAuth,1.2.3"; NULL: none */
	gboolean is_ca;
	gint from_days;            /* relative to now; 0: -1 */
	gint until_days;           /* 0: 365 */
	gboolean sha1;             /* signature */
	guint rsa_bits;            /* 0: P-256 */
	const FakeCert *issuer;    /* NULL: self-signed */
	gboolean bad_signature;    /* by another key of the issuer's name */
	const FakeCert *key_of;    /* has this one's key, as when one CA certifies another; NULL: a key of its own */
} FakeCertSpec;

FakeCert *fake_cert_new(const FakeCertSpec *spec);
void fake_cert_free(FakeCert *cert);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeCert, fake_cert_free)

GBytes *fake_cert_dup_der(const FakeCert *cert);
/* certificates in order, then the key of @key; both as PEM. NULL ends the list. (transfer full) */
char *fake_cert_dup_pem(const FakeCert *key, const FakeCert *first, ...) G_GNUC_NULL_TERMINATED;

G_END_DECLS
