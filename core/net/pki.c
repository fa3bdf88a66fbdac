/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/pki.h>

#include "core/net/tls.h"

#include <glib/gstdio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <provost/error.h>
#include <string.h>

#define PKI_MAX_BYTES (1024 * 1024)
#define PKI_MAX_CERTIFICATES 64
#define PKI_MAX_TEXT 200 /* characters */
#define PKI_DER_SEQUENCE 0x30

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_REQ, X509_REQ_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CMS_ContentInfo, CMS_ContentInfo_free)

/* the base64 characters of @text without white space and PEM lines; NULL: there is something else in it */
static char *
pki_squeeze(const char *text, gsize length)
{
	g_autoptr(GString) plain = g_string_sized_new(length + 1);
	gboolean begins = TRUE; /* a line */
	for (gsize i = 0; i < length; i++) {
		if (begins && length - i >= 5 && memcmp(text + i, "-----", 5) == 0) {
			while (i < length && text[i] != '\n')
				i++;
			continue;
		}
		begins = text[i] == '\n';
		if (g_ascii_isspace(text[i]))
			continue;
		if (!g_ascii_isalnum(text[i]) && strchr("+/=", text[i]) == NULL)
			return NULL;
		g_string_append_c(plain, text[i]);
	}
	return plain->len > 0 ? g_string_free(g_steal_pointer(&plain), FALSE) : NULL;
}

GBytes *
pv_pki_decode(GBytes *answer, GError **error)
{
	gsize length = 0;
	const guint8 *data = g_bytes_get_data(answer, &length);
	if (length == 0 || length > PKI_MAX_BYTES) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    length == 0 ? "the answer is empty" : "the answer is longer than 1 MiB");
		return NULL;
	}
	/* as text, that byte is the digit 0, with which no base64 of a SEQUENCE begins */
	if (data[0] == PKI_DER_SEQUENCE)
		return g_bytes_ref(answer);
	g_autofree char *plain = pki_squeeze((const char *)data, length);
	gsize size = 0;
	guchar *der = plain != NULL ? g_base64_decode(plain, &size) : NULL;
	if (der == NULL || size == 0 || der[0] != PKI_DER_SEQUENCE) {
		g_free(der);
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "the answer is neither DER nor base64 of it");
		return NULL;
	}
	return g_bytes_new_take(der, size);
}

static void
pki_add(GPtrArray *list, X509 *certificate)
{
	guchar *der = NULL;
	int length = i2d_X509(certificate, &der);
	if (length > 0)
		g_ptr_array_add(list, g_bytes_new(der, (gsize)length));
	OPENSSL_free(der);
}

/* FALSE: more than are taken */
static gboolean
pki_add_cms(GPtrArray *list, GBytes *der)
{
	gsize length = 0;
	const guint8 *data = g_bytes_get_data(der, &length);
	g_autoptr(CMS_ContentInfo) cms = d2i_CMS_ContentInfo(NULL, &data, (long)length);
	STACK_OF(X509) *certificates = cms != NULL ? CMS_get1_certs(cms) : NULL;
	gboolean fits = sk_X509_num(certificates) <= PKI_MAX_CERTIFICATES;
	for (int i = 0; fits && i < sk_X509_num(certificates); i++)
		pki_add(list, sk_X509_value(certificates, i));
	sk_X509_pop_free(certificates, X509_free);
	return fits;
}

static void
pki_add_one(GPtrArray *list, GBytes *der)
{
	gsize length = 0;
	const guint8 *data = g_bytes_get_data(der, &length);
	const guint8 *end = data;
	g_autoptr(X509) certificate = d2i_X509(NULL, &end, (long)length);
	if (certificate != NULL && end == data + length)
		pki_add(list, certificate);
}

static gboolean
pki_add_pem(GPtrArray *list, const char *text, gsize length)
{
	g_autoptr(BIO) bio = BIO_new_mem_buf(text, (int)length);
	for (guint i = 0; i <= PKI_MAX_CERTIFICATES; i++) {
		g_autoptr(X509) certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		if (certificate == NULL)
			return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
		pki_add(list, certificate);
	}
	return FALSE;
}

/* FALSE: too many, or a damaged one in between */
static gboolean
pki_collect(GPtrArray *list, GBytes *answer, GError **error)
{
	gsize length = 0;
	const char *text = g_bytes_get_data(answer, &length);
	if (length > 0 && length <= PKI_MAX_BYTES && *text != PKI_DER_SEQUENCE &&
	    g_strstr_len(text, (gssize)length, "-----BEGIN CERTIFICATE-----") != NULL) {
		if (pki_add_pem(list, text, length))
			return TRUE;
	} else {
		g_autoptr(GBytes) der = pv_pki_decode(answer, error);
		if (der == NULL)
			return FALSE;
		if (pki_add_cms(list, der)) {
			if (list->len == 0)
				pki_add_one(list, der);
			return TRUE;
		}
	}
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
	    "a certificate in the answer is damaged, or there are more than %d",
	    PKI_MAX_CERTIFICATES);
	return FALSE;
}

GPtrArray *
pv_pki_parse_certificates(GBytes *answer, GError **error)
{
	pv_net_init();
	ERR_clear_error();
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	gboolean good = pki_collect(list, answer, error);
	ERR_clear_error();
	if (!good)
		return NULL;
	if (list->len == 0) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "there is no certificate in the answer that can be read");
		return NULL;
	}
	return g_steal_pointer(&list);
}

GPtrArray *
pv_pki_load_certificates(const char *path, GError **error)
{
	GStatBuf info;
	char *data = NULL;
	gsize length = 0;
	g_autoptr(GError) local = NULL;
	if (g_stat(path, &info) == 0 && (!S_ISREG(info.st_mode) || info.st_size > PKI_MAX_BYTES)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "load certificates %s: it is no regular file of at most 1 MiB", path);
		return NULL;
	}
	if (!g_file_get_contents(path, &data, &length, &local)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "load certificates %s: %s", path,
		    local->message);
		return NULL;
	}
	g_autoptr(GBytes) bytes = g_bytes_new_take(data, length);
	GPtrArray *list = pv_pki_parse_certificates(bytes, &local);
	if (list == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "load certificates %s: %s", path,
		    local->message);
	return list;
}

gboolean
pv_pki_load_identity(const char *path, const char *key_path, PvSecret *password, X509 **certificate,
    EVP_PKEY **key, GError **error)
{
	g_autoptr(PvIdentity) identity = pv_identity_load_partial(path, key_path, password, error);
	if (identity == NULL)
		return FALSE;
	*certificate = sk_X509_value(pv_identity_get_chain(identity), 0);
	*key = pv_identity_get_key(identity);
	X509_up_ref(*certificate);
	EVP_PKEY_up_ref(*key);
	return TRUE;
}

static gboolean
pki_has_key(GBytes *der, EVP_PKEY *key)
{
	gsize length = 0;
	const guint8 *data = g_bytes_get_data(der, &length);
	g_autoptr(X509) certificate = d2i_X509(NULL, &data, (long)length);
	EVP_PKEY *other = certificate != NULL ? X509_get0_pubkey(certificate) : NULL;
	return other != NULL && EVP_PKEY_eq(other, key) == 1;
}

void
pv_pki_set_issued(PvCaReply *reply, GPtrArray *certificates, GBytes *csr_der)
{
	gsize length = 0;
	const guint8 *data = g_bytes_get_data(csr_der, &length);
	g_autoptr(X509_REQ) csr = d2i_X509_REQ(NULL, &data, (long)length);
	EVP_PKEY *key = csr != NULL ? X509_REQ_get0_pubkey(csr) : NULL;
	guint leaf = 0;
	for (guint i = certificates->len; key != NULL && i > 0; i--)
		if (pki_has_key(certificates->pdata[i - 1], key))
			leaf = i - 1;
	ERR_clear_error();
	pv_ca_reply_clear(reply);
	reply->outcome = PV_CA_ISSUED;
	reply->certificate = g_bytes_ref(certificates->pdata[leaf]);
	reply->chain = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	for (guint i = 0; i < certificates->len; i++)
		if (i != leaf)
			g_ptr_array_add(reply->chain, g_bytes_ref(certificates->pdata[i]));
}

char *
pv_pki_dup_text(GBytes *bytes)
{
	gsize length = 0;
	const char *data = bytes != NULL ? g_bytes_get_data(bytes, &length) : NULL;
	/* tags, and what is in a style or script, may come first */
	g_autofree char *raw = g_strndup(data != NULL ? data : "", MIN(length, 40 * PKI_MAX_TEXT));
	g_autofree char *valid = g_utf8_make_valid(raw, -1);
	g_autoptr(GString) line = g_string_new(NULL);
	gboolean tag = FALSE, blank = FALSE;
	glong count = 0;
	for (const char *c = valid; *c != '\0' && count < PKI_MAX_TEXT; c = g_utf8_next_char(c)) {
		gunichar letter = g_utf8_get_char(c);
		if (letter == '<' || (tag && letter != '>')) {
			tag = TRUE;
			continue;
		}
		if (tag || !g_unichar_isgraph(letter) || letter == 0xfffd) {
			tag = FALSE;
			blank = line->len > 0;
			continue;
		}
		if (blank)
			g_string_append_c(line, ' ');
		blank = FALSE;
		g_string_append_unichar(line, letter);
		count++;
	}
	return line->len > 0 ? g_string_free(g_steal_pointer(&line), FALSE) : NULL;
}
