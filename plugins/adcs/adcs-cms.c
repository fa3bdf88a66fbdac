/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-cms.h"
#include "adcs-xml.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CMS_ContentInfo, CMS_ContentInfo_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)

GPtrArray *
adcs_chain_new(void)
{
	return g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
}

static CMS_ContentInfo *
adcs_cms_parse(GBytes *der)
{
	gsize length = 0;
	const unsigned char *data = g_bytes_get_data(der, &length);
	const unsigned char *end = data;
	if (length == 0 || length > ADCS_CMS_MAX_BYTES)
		return NULL;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &end, (long)length);
	ERR_clear_error();
	return cms;
}

static void
adcs_cms_collect(STACK_OF(X509) * certificates, GPtrArray *chain)
{
	for (int i = 0; i < sk_X509_num(certificates) && i < ADCS_CMS_MAX_CERTIFICATES; i++) {
		unsigned char *data = NULL;
		int length = i2d_X509(sk_X509_value(certificates, i), &data);
		if (length > 0)
			g_ptr_array_add(chain, g_bytes_new(data, (gsize)length));
		OPENSSL_free(data);
	}
}

GPtrArray *
adcs_cms_read(GBytes *der, GError **error)
{
	g_autoptr(CMS_ContentInfo) cms = adcs_cms_parse(der);
	g_autoptr(GPtrArray) chain = adcs_chain_new();
	STACK_OF(X509) *certificates = cms == NULL ? NULL : CMS_get1_certs(cms);
	if (certificates != NULL)
		adcs_cms_collect(certificates, chain);
	sk_X509_pop_free(certificates, X509_free);
	ERR_clear_error();
	if (chain->len > 0)
		return g_steal_pointer(&chain);
	g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
	    "read the ca's answer: what it sends is no pkcs#7 with certificates");
	return NULL;
}

X509 *
adcs_x509_parse(GBytes *der)
{
	gsize length = 0;
	const unsigned char *data = g_bytes_get_data(der, &length);
	const unsigned char *end = data;
	if (length == 0 || length > ADCS_CMS_MAX_BYTES)
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
