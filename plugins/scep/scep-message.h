/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <openssl/x509.h>

G_BEGIN_DECLS

/* The messages of SCEP (RFC 8894, 3): what is asked is sealed for the CA and signed around it, with attributes. */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_REQ, X509_REQ_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)

#define SCEP_NONCE_BYTES 16

/* messageType (3.2.1.2), with that of later drafts for polling */
typedef enum {
	SCEP_CERT_REP = 3,
	SCEP_PKCS_REQ = 19,
	SCEP_CERT_POLL = 20,
} ScepType;

/* pkiStatus (3.2.1.3) */
typedef enum {
	SCEP_SUCCESS = 0,
	SCEP_FAILURE = 2,
	SCEP_PENDING = 3,
} ScepStatus;

/* Who asks: a self-signed certificate, or one of a registration authority. Lent. */
typedef struct {
	X509 *certificate;
	EVP_PKEY *key; /* RSA: the answer is sealed for it */
} ScepSigner;

/* What is sent, and how. All lent. */
typedef struct {
	ScepType type;
	const char *transaction;
	ScepSigner signer;
	X509 *recipient; /* of the CA, or of its registration authority */
	gboolean sha1; /* the server knows nothing better */
	gboolean des3; /* likewise */
	guint8 nonce[SCEP_NONCE_BYTES];
} ScepRequest;

/* What came back. Cleared by scep_answer_clear(). */
typedef struct {
	ScepStatus status;
	char *text; /* why it failed; NULL: it did not */
	GBytes *content; /* certs-only, DER; when it succeeded */
} ScepAnswer;

void scep_answer_clear(ScepAnswer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScepAnswer, scep_answer_clear)

/* The request with which a CA is asked: as it is, NULL with PV_ERROR_PROTOCOL where it is none */
X509_REQ *scep_message_parse_csr(GBytes *csr_der, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* names a request by its key, so that a second submission is the first one */
char *scep_message_dup_transaction(X509_REQ *csr);
/* a certificate for our own key, in the name of the one whose request is passed on (3.1) */
X509 *scep_message_new_certificate(
    X509_REQ *csr, EVP_PKEY *key, gint64 now, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* IssuerAndSubject (3.3.3) */
GBytes *scep_message_new_poll(X509 *ca, X509_REQ *csr, GError **error) G_GNUC_WARN_UNUSED_RESULT;

GBytes *scep_message_build(
    const ScepRequest *request, GBytes *content, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* @certificates: of the server; the answer must be signed with one of them. @legacy: DES and SHA-1 will do.
 * PV_ERROR_PROTOCOL, or PV_ERROR_CONFIG where only @legacy would help */
gboolean scep_message_parse(GBytes *der, const ScepRequest *request, STACK_OF(X509) * certificates,
    gboolean legacy, ScepAnswer *answer, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
