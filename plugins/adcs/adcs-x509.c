/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-x509.h"
#include "adcs-xml.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)

GPtrArray *
adcs_chain_new(void)
{
	return g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
}

X509 *
adcs_x509_parse(GBytes *der)
{
	gsize length = 0;
	const unsigned char *data = g_bytes_get_data(der, &length);
	const unsigned char *end = data;
	if (length == 0 || length > ADCS_X509_MAX_BYTES)
		return NULL;
	g_autoptr(X509) certificate = d2i_X509(NULL, &end, (long)length);
	ERR_clear_error();
	return end == data + length ? g_steal_pointer(&certificate) : NULL;
}

char *
adcs_x509_dup_common_name(GBytes *der)
{
	g_autoptr(X509) certificate = adcs_x509_parse(der);
	if (certificate == NULL)
		return NULL;
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;
	int length = at < 0 ? -1
			    : ASN1_STRING_to_UTF8(&text,
				  X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	char *name = length <= 0 ? NULL : adcs_text_dup_line((char *)text, length, 128);
	OPENSSL_free(text);
	ERR_clear_error();
	return name;
}

gboolean
adcs_x509_is_ca(GBytes *der)
{
	g_autoptr(X509) certificate = adcs_x509_parse(der);
	gboolean is = certificate != NULL && X509_check_ca(certificate) != 0;
	ERR_clear_error();
	return is;
}
