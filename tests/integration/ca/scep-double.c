/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Usage: scep-double CA.pem CA.key [pending N] [challenge TEXT] [other CERTIFICATE.pem] [expired]
 * A SCEP server of our own for what a real one never does. Prints its port once it listens, and ends when its input does. */
#include "tests/lib/fake-scep.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FakeCert *
scep_double_load(const char *path, const char *key_path)
{
	FakeCert *cert = g_new0(FakeCert, 1);
	BIO *bio = BIO_new_file(path, "r");
	cert->certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	bio = key_path != NULL ? BIO_new_file(key_path, "r") : NULL;
	cert->key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	g_assert_nonnull(cert->certificate);
	g_assert_true(key_path == NULL || cert->key != NULL);
	return cert;
}

int
main(int argc, char **argv)
{
	if (argc < 3)
		g_error("usage: scep-double CA.pem CA.key [OPTION...]");
	g_autoptr(FakeCert) ca = scep_double_load(argv[1], argv[2]);
	g_autoptr(FakeCert) other = NULL;
	FakeScep scep = { .ca = ca, .capabilities = "POSTPKIOperation\nSHA-256\nAES\n" };
	for (int i = 3; i < argc; i++) {
		if (g_str_equal(argv[i], "expired"))
			scep.expired = TRUE;
		else if (g_str_equal(argv[i], "pending") && i + 1 < argc)
			scep.pending = (guint)strtoul(argv[++i], NULL, 10);
		else if (g_str_equal(argv[i], "challenge") && i + 1 < argc)
			scep.challenge = argv[++i];
		else if (g_str_equal(argv[i], "other") && i + 1 < argc)
			scep.other = other = scep_double_load(argv[++i], NULL);
	}
	FakeHttp *http = fake_http_new(NULL, fake_scep_handle, &scep);
	printf("%u\n", fake_http_get_port(http));
	fflush(stdout);
	while (getchar() != EOF)
		;
	fake_http_free(http);
	fake_scep_clear(&scep);
	return 0;
}
