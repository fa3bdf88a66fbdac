/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/tls.h"

#include "tests/fuzz/fuzz.h"

/* a file of certificates and a key: PEM or PKCS#12, whose password is "secret" */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_auto(FuzzFile) file = { 0 };
	g_autoptr(PvSecret) password = pv_secret_new("secret", -1);
	g_autoptr(GError) error = NULL;
	fuzz_file_init(&file, data, length);
	g_autoptr(PvIdentity) identity = pv_identity_load(file.path, NULL, password, &error);
	fuzz_check_error(identity != NULL, error);
	if (identity == NULL)
		return 0;
	STACK_OF(X509) *chain = pv_identity_get_chain(identity);
	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *certificate = sk_X509_value(chain, i);
		g_autoptr(GError) weak = NULL;
		g_autofree char *subject = pv_tls_dup_name(X509_get_subject_name(certificate));
		g_autofree char *fingerprint = pv_tls_dup_fingerprint(certificate);
		gboolean strong = pv_tls_check_strength(certificate, &weak);
		fuzz_check_error(strong, weak);
	}
	return 0;
}
