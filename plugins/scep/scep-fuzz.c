/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scep-page.h"
#include "scep-server.h"

#include "tests/fuzz/fuzz.h"

#include <string.h>

static gpointer
scep_fuzz_new_key(gpointer unused)
{
	return EVP_RSA_gen(2048);
}

static void
scep_fuzz_answer(GBytes *der, STACK_OF(X509) * certificates)
{
	static GOnce once = G_ONCE_INIT;
	EVP_PKEY *key = g_once(&once, scep_fuzz_new_key, NULL);
	g_autoptr(X509) own = X509_new();
	X509_set_pubkey(own, key);
	const ScepRequest request = { .type = SCEP_PKCS_REQ,
		.transaction = "0",
		.signer = { .certificate = own, .key = key } };
	for (guint i = 0; i < 2; i++) {
		g_auto(ScepAnswer) answer = { 0 };
		g_autoptr(GError) error = NULL;
		gboolean good =
		    scep_message_parse(der, &request, certificates, i == 1, &answer, &error);
		fuzz_check_error(good, error);
	}
}

/* what a server may answer: a message, its certificates and what it can, or the page with a password */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_autoptr(GBytes) bytes = g_bytes_new(data, length);
	g_autoptr(GError) error = NULL;
	g_autoptr(ScepServer) server = scep_server_new(bytes, bytes, NULL, NULL, &error);
	fuzz_check_error(server != NULL, error);
	g_autoptr(GError) wrong = NULL;
	g_autoptr(PvSecret) challenge = scep_page_find_challenge(bytes, &wrong);
	fuzz_check_error(challenge != NULL, wrong);
	scep_fuzz_answer(bytes, server != NULL ? server->certificates : NULL);
	return 0;
}
