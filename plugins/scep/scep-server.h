/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "scep-message.h"

G_BEGIN_DECLS

/* What the server said of itself. Immutable, counted. */
typedef struct {
	gatomicrefcount references;
	gint64 until; /* monotonic, microseconds: how long this is kept; the owner's business */
	STACK_OF(X509) *
	    certificates; /* signers of answers: the CA's, and its registration authority's */
	GPtrArray *ders; /* the same, as they came */
	X509 *ca; /* in certificates */
	X509 *recipient; /* likewise: requests are sealed for it */
	gboolean post, sha256, aes; /* what it can (RFC 8894, 3.5.2) */
} ScepServer;

/**
 * scep_server_new:
 * @certificates: what GetCACert answered
 * @capabilities: (nullable): what GetCACaps answered; NULL: nothing of use
 * @fingerprint: (nullable): SHA-256 of the CA's certificate, as scep_server_dup_fingerprint() gives it
 * @roots: (nullable): a file with what all certificates have to lead to
 *
 * (transfer full); NULL with the error where the certificates are not trusted, or none will do.
 */
ScepServer *scep_server_new(GBytes *certificates, GBytes *capabilities, const char *fingerprint,
    const char *roots, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void scep_server_unref(ScepServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScepServer, scep_server_unref)

gboolean scep_server_is_ca(X509 *certificate);
/* the 64 digits, lower case, without what people put between; NULL: it is no SHA-256 */
char *scep_server_dup_fingerprint(const char *text);

G_END_DECLS
