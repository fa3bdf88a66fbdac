/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/lib/fake-http.h"
#include "tests/lib/fake-pki.h"

G_BEGIN_DECLS

/* A SCEP server for tests: a CA that issues what is asked for, or breaks the rule that a case wants it to. It reads requests by
 * itself, not by the plugin's code. Handler of a FakeHttp, with this as data; change it between requests only. */
typedef struct {
	const FakeCert *ca; /* RSA; lent, as is everything here */
	const FakeCert *ra; /* answers are signed with, and requests sealed for it; NULL: the CA itself */
	const char *capabilities; /* lines; NULL: 404 */
	const char *challenge; /* that a request has to have; NULL: any */
	guint pending; /* that many times "not yet" */
	const char *deny; /* failInfo; NULL: issue */
	const char *deny_text; /* with it; NULL: none */
	const FakeCert *other; /* hands out this one, whatever was asked for; NULL: the right one */
	gboolean expired; /* hands out one whose time is over */
	const FakeCert *stranger; /* signs answers with this one; NULL: who should */
	gboolean wrong_nonce;
	gboolean sha1; /* signs with SHA-1 */
	guint status; /* of an answer to a message; 0: 200 */
	/* what was asked; written by the server */
	guint messages; /* of the types below, together */
	char type[4]; /* messageType of the last message */
	char transaction[80]; /* of the last message */
	char signer[80]; /* subject's common name of who signed it */
	char digest[16]; /* that it was signed with */
	GBytes *csr; /* of the last request; owned: fake_scep_clear() */
} FakeScep;

void fake_scep_clear(FakeScep *scep);

gboolean fake_scep_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer scep);

G_END_DECLS
