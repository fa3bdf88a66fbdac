/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/secret.h>

G_BEGIN_DECLS

/* HTTP Digest (RFC 7616, MD5 only, which is all that AMT speaks; RFC 2617, section 3, for what RFC 7616 dropped). */

typedef enum {
	PV_DIGEST_QOP_NONE, /* RFC 2069: no qop, no counter */
	PV_DIGEST_QOP_AUTH,
	PV_DIGEST_QOP_AUTH_INT,
} PvDigestQop;

typedef struct {
	char *realm;
	char *nonce;
	char *opaque;    /* NULL: none */
	PvDigestQop qop; /* auth-int where it is offered: it covers the body, and old firmware offers nothing else */
	gboolean session; /* algorithm MD5-sess */
	gboolean stale;
} PvDigestChallenge;

/**
 * pv_digest_challenge_parse:
 * @values: values of the WWW-Authenticate headers, each with one or more challenges
 *
 * Finds the first Digest challenge that can be answered. Odd blanks, quotes, case, lists and unknown parameters are
 * taken as they come.
 *
 * Returns: (transfer full): NULL with PV_ERROR_AUTH when no Digest is offered (names what is), with PV_ERROR_PROTOCOL
 * when a challenge makes no sense.
 */
PvDigestChallenge *pv_digest_challenge_parse(const char *const *values, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void pv_digest_challenge_free(PvDigestChallenge *challenge);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvDigestChallenge, pv_digest_challenge_free)

/* The answering side: a challenge, a user, and the count of answers given. */
typedef struct PvDigest PvDigest;

PvDigest *pv_digest_new(void);
void pv_digest_free(PvDigest *digest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvDigest, pv_digest_free)

/* Random by itself; tests set it. */
void pv_digest_set_cnonce(PvDigest *digest, const char *cnonce);

/* Answers this challenge as this user from now on. The counter starts anew with a nonce that is new. */
gboolean pv_digest_login(PvDigest *digest, const PvDigestChallenge *challenge, const char *user, PvSecret *password, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Appends the value of an Authorization header for one request; each call counts. */
gboolean pv_digest_answer(PvDigest *digest, GString *out, const char *method, const char *uri, const void *body, gsize length_bytes, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
