/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scep-message.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/provider.h>
#include <provost/error.h>
#include <string.h>

#define SCEP_MAX_CSR 16384 /* bytes */
#define SCEP_MAX_TEXT 200
#define SCEP_BACKDATE_SEC 3600
#define SCEP_VALID_SEC G_GINT64_CONSTANT(315360000) /* ten years: no process lives that long */

/* attributes (3.2.1) and failInfoText (RFC 8894, 3.2.1.4) */
#define SCEP_MESSAGE_TYPE "2.16.840.1.113733.1.9.2"
#define SCEP_PKI_STATUS "2.16.840.1.113733.1.9.3"
#define SCEP_FAIL_INFO "2.16.840.1.113733.1.9.4"
#define SCEP_SENDER_NONCE "2.16.840.1.113733.1.9.5"
#define SCEP_RECIPIENT_NONCE "2.16.840.1.113733.1.9.6"
#define SCEP_TRANSACTION_ID "2.16.840.1.113733.1.9.7"
#define SCEP_FAIL_TEXT "1.3.6.1.5.5.7.24.1"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CMS_ContentInfo, CMS_ContentInfo_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PKCS7, PKCS7_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ASN1_OBJECT, ASN1_OBJECT_free)

void
scep_answer_clear(ScepAnswer *answer)
{
	g_clear_pointer(&answer->text, g_free);
	g_clear_pointer(&answer->content, g_bytes_unref);
}

static void
scep_message_set_error(GError **error, PvError code, const char *what)
{
	unsigned long number = ERR_peek_last_error();
	const char *reason = number != 0 ? ERR_reason_error_string(number) : NULL;
	g_set_error(error, PV_ERROR, (gint)code, "%s: %s", what,
	    reason != NULL ? reason : "the crypto library gave no reason");
	ERR_clear_error();
}

X509_REQ *
scep_message_parse_csr(GBytes *csr_der, GError **error)
{
	gsize length = 0;
	const guchar *data = g_bytes_get_data(csr_der, &length);
	const guchar *end = data;
	g_autoptr(X509_REQ) csr =
	    length <= SCEP_MAX_CSR ? d2i_X509_REQ(NULL, &end, (long)length) : NULL;
	ERR_clear_error();
	if (csr != NULL && end == data + length && X509_REQ_get0_pubkey(csr) != NULL)
		return g_steal_pointer(&csr);
	g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL, "the request is no PKCS#10 in DER");
	return NULL;
}

char *
scep_message_dup_transaction(X509_REQ *csr)
{
	guchar *der = NULL;
	int length = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(csr), &der);
	char *hex =
	    g_compute_checksum_for_data(G_CHECKSUM_SHA256, der, length > 0 ? (gsize)length : 0);
	OPENSSL_free(der);
	return hex;
}

/* the same in a poll as in the request, as long as the key and its birthday are */
X509 *
scep_message_new_certificate(X509_REQ *csr, EVP_PKEY *key, gint64 now, GError **error)
{
	g_autoptr(X509) certificate = X509_new();
	X509_NAME *name = X509_REQ_get_subject_name(csr);
	if (certificate != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 &&
	    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
	    ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)(now - SCEP_BACKDATE_SEC)) !=
		NULL &&
	    ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)(now + SCEP_VALID_SEC)) !=
		NULL &&
	    X509_set_subject_name(certificate, name) == 1 &&
	    X509_set_issuer_name(certificate, name) == 1 &&
	    X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, EVP_sha256()) > 0)
		return g_steal_pointer(&certificate);
	scep_message_set_error(error, PV_ERROR_FAILED, "make a certificate to sign with");
	return NULL;
}

GBytes *
scep_message_new_poll(X509 *ca, X509_REQ *csr, GError **error)
{
	guchar *issuer = NULL, *subject = NULL;
	int first = i2d_X509_NAME(X509_get_subject_name(ca), &issuer);
	int second = i2d_X509_NAME(X509_REQ_get_subject_name(csr), &subject);
	GBytes *bytes = NULL;
	if (first > 0 && second > 0) {
		int length = ASN1_object_size(1, first + second, V_ASN1_SEQUENCE);
		guchar *der = g_malloc((gsize)length), *at = der;
		ASN1_put_object(&at, 1, first + second, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
		memcpy(at, issuer, (gsize)first);
		memcpy(at + first, subject, (gsize)second);
		bytes = g_bytes_new_take(der, (gsize)length);
	} else {
		scep_message_set_error(error, PV_ERROR_FAILED, "make a request to poll");
	}
	OPENSSL_free(issuer);
	OPENSSL_free(subject);
	return bytes;
}

/* ---- building ---- */

/* (transfer full) DER; NULL: OpenSSL's queue has the reason */
static GBytes *
scep_message_encode(CMS_ContentInfo *cms)
{
	guchar *der = NULL;
	int length = cms != NULL ? i2d_CMS_ContentInfo(cms, &der) : 0;
	GBytes *bytes = length > 0 ? g_bytes_new(der, (gsize)length) : NULL;
	OPENSSL_free(der);
	return bytes;
}

static BIO *
scep_message_new_bio(GBytes *bytes)
{
	gsize length = 0;
	const void *data = g_bytes_get_data(bytes, &length);
	return BIO_new_mem_buf(data, (int)length);
}

static GBytes *
scep_message_seal(const ScepRequest *request, GBytes *content)
{
	g_autoptr(BIO) bio = scep_message_new_bio(content);
	STACK_OF(X509) *recipients = sk_X509_new_null();
	sk_X509_push(recipients, request->recipient);
	g_autoptr(CMS_ContentInfo) cms = CMS_encrypt(
	    recipients, bio, request->des3 ? EVP_des_ede3_cbc() : EVP_aes_128_cbc(), CMS_BINARY);
	sk_X509_free(recipients);
	return scep_message_encode(cms);
}

static gboolean
scep_message_add(CMS_SignerInfo *info, const char *oid, int type, const void *data, gsize length)
{
	g_autoptr(ASN1_OBJECT) object = OBJ_txt2obj(oid, 1);
	return CMS_signed_add1_attr_by_OBJ(info, object, type, data, (int)length) == 1;
}

static gboolean
scep_message_add_all(CMS_SignerInfo *info, const ScepRequest *request)
{
	g_autofree char *type = g_strdup_printf("%d", (int)request->type);
	return scep_message_add(
		   info, SCEP_MESSAGE_TYPE, V_ASN1_PRINTABLESTRING, type, strlen(type)) &&
	       scep_message_add(info, SCEP_TRANSACTION_ID, V_ASN1_PRINTABLESTRING,
		   request->transaction, strlen(request->transaction)) &&
	       scep_message_add(info, SCEP_SENDER_NONCE, V_ASN1_OCTET_STRING, request->nonce,
		   sizeof request->nonce);
}

GBytes *
scep_message_build(const ScepRequest *request, GBytes *content, GError **error)
{
	g_autoptr(GBytes) sealed = scep_message_seal(request, content);
	if (sealed == NULL) {
		scep_message_set_error(error, PV_ERROR_FAILED, "seal the request for the CA");
		return NULL;
	}
	g_autoptr(BIO) bio = scep_message_new_bio(sealed);
	g_autoptr(CMS_ContentInfo) cms = CMS_sign(NULL, NULL, NULL, bio, CMS_BINARY | CMS_PARTIAL);
	CMS_SignerInfo *info =
	    cms == NULL ? NULL
			: CMS_add1_signer(cms, request->signer.certificate, request->signer.key,
			      request->sha1 ? EVP_sha1() : EVP_sha256(),
			      CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL);
	GBytes *der = NULL;
	if (info != NULL && scep_message_add_all(info, request) &&
	    CMS_final(cms, bio, NULL, CMS_BINARY) == 1)
		der = scep_message_encode(cms);
	if (der == NULL)
		scep_message_set_error(error, PV_ERROR_FAILED, "sign the request");
	return der;
}

/* ---- reading ---- */

/* NULL: the attribute is missing, there twice, or of another type */
static const ASN1_STRING *
scep_message_find(CMS_SignerInfo *info, const char *oid, int type)
{
	g_autoptr(ASN1_OBJECT) object = OBJ_txt2obj(oid, 1);
	return CMS_signed_get0_data_by_OBJ(info, object, -3, type);
}

/* the text of an attribute with digits or hex; NULL: it is not there, or something else */
static char *
scep_message_dup_word(CMS_SignerInfo *info, const char *oid)
{
	const ASN1_STRING *value = scep_message_find(info, oid, V_ASN1_PRINTABLESTRING);
	int length = value != NULL ? ASN1_STRING_length(value) : 0;
	if (length <= 0 || length > SCEP_MAX_TEXT)
		return NULL;
	char *word = g_strndup((const char *)ASN1_STRING_get0_data(value), (gsize)length);
	for (const char *c = word; *c != '\0'; c++) {
		if (g_ascii_isgraph(*c))
			continue;
		g_free(word);
		return NULL;
	}
	return word;
}

/* what the server wrote for people, in one printable line */
static char *
scep_message_dup_text(CMS_SignerInfo *info)
{
	const ASN1_STRING *value = scep_message_find(info, SCEP_FAIL_TEXT, V_ASN1_UTF8STRING);
	if (value == NULL || ASN1_STRING_length(value) <= 0)
		return NULL;
	g_autofree char *raw = g_strndup((const char *)ASN1_STRING_get0_data(value),
	    (gsize)MIN(ASN1_STRING_length(value), SCEP_MAX_TEXT));
	char *text = g_utf8_make_valid(raw, -1);
	for (char *c = text; *c != '\0'; c++)
		if (g_ascii_iscntrl(*c))
			*c = ' ';
	return text;
}

/* failInfo (3.2.1.4) with the text, if there is one */
static char *
scep_message_explain(CMS_SignerInfo *info)
{
	static const char *const meanings[] = { "the server does not know the algorithm",
		"the server could not verify the message", "the server does not take the request",
		"the server's clock is too far from ours",
		"the server has no certificate of that kind" };
	g_autofree char *word = scep_message_dup_word(info, SCEP_FAIL_INFO);
	g_autofree char *said = scep_message_dup_text(info);
	guint64 number = G_N_ELEMENTS(meanings);
	if (word == NULL ||
	    !g_ascii_string_to_unsigned(word, 10, 0, G_N_ELEMENTS(meanings) - 1, &number, NULL))
		return g_strdup(said != NULL ? said : "the server gave no reason");
	return g_strdup_printf("%s (failInfo %u)%s%s", meanings[number], (guint)number,
	    said != NULL ? ": " : "", said != NULL ? said : "");
}

/* NULL: with the error */
static CMS_SignerInfo *
scep_message_verify(CMS_ContentInfo *cms, STACK_OF(X509) * certificates, BIO *content,
    gboolean legacy, GError **error)
{
	/* a failure has nothing in it, which CMS_verify() takes for an oversight */
	ASN1_OCTET_STRING **inside = CMS_get0_content(cms);
	g_autoptr(BIO) nothing = inside != NULL && *inside == NULL ? BIO_new_mem_buf("", 0) : NULL;
	if (CMS_verify(cms, certificates, NULL, nothing, content,
		CMS_NO_SIGNER_CERT_VERIFY | CMS_NOINTERN | CMS_BINARY) != 1) {
		scep_message_set_error(error, PV_ERROR_PROTOCOL,
		    "the answer is not signed by the CA whose certificates were given");
		return NULL;
	}
	STACK_OF(CMS_SignerInfo) *infos = CMS_get0_SignerInfos(cms);
	CMS_SignerInfo *info =
	    sk_CMS_SignerInfo_num(infos) == 1 ? sk_CMS_SignerInfo_value(infos, 0) : NULL;
	if (info == NULL) {
		g_set_error_literal(
		    error, PV_ERROR, PV_ERROR_PROTOCOL, "the answer has more than one signature");
		return NULL;
	}
	X509_ALGOR *digest = NULL;
	CMS_SignerInfo_get0_algs(info, NULL, NULL, &digest, NULL);
	int kind = OBJ_obj2nid(digest->algorithm);
	if (!legacy && (kind == NID_sha1 || kind == NID_md5)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "the answer is signed with %s only: have the server use SHA-256, or allow it "
		    "with \"legacy\"",
		    OBJ_nid2sn(kind));
		return NULL;
	}
	return info;
}

/* that it is the answer to this request (3.2.1.1, 3.2.1.5) */
static gboolean
scep_message_belongs(CMS_SignerInfo *info, const ScepRequest *request)
{
	g_autofree char *type = scep_message_dup_word(info, SCEP_MESSAGE_TYPE);
	g_autofree char *transaction = scep_message_dup_word(info, SCEP_TRANSACTION_ID);
	const ASN1_STRING *nonce =
	    scep_message_find(info, SCEP_RECIPIENT_NONCE, V_ASN1_OCTET_STRING);
	return g_strcmp0(type, "3") == 0 && g_strcmp0(transaction, request->transaction) == 0 &&
	       nonce != NULL && ASN1_STRING_length(nonce) == SCEP_NONCE_BYTES &&
	       memcmp(ASN1_STRING_get0_data(nonce), request->nonce, SCEP_NONCE_BYTES) == 0;
}

/* NID_undef: it cannot be told */
static int
scep_message_get_cipher(BIO *content)
{
	char *data = NULL;
	long length = BIO_get_mem_data(content, &data);
	const guchar *at = (const guchar *)data;
	g_autoptr(PKCS7) sealed = d2i_PKCS7(NULL, &at, length);
	if (sealed == NULL || !PKCS7_type_is_enveloped(sealed) || sealed->d.enveloped == NULL)
		return NID_undef;
	const PKCS7_ENC_CONTENT *inside = sealed->d.enveloped->enc_data;
	return inside != NULL && inside->algorithm != NULL
		   ? OBJ_obj2nid(inside->algorithm->algorithm)
		   : NID_undef;
}

/* @context: NULL: the default one */
static GBytes *
scep_message_open_with(OSSL_LIB_CTX *context, BIO *content, const ScepSigner *signer)
{
	char *data = NULL;
	long length = BIO_get_mem_data(content, &data);
	const guchar *at = (const guchar *)data;
	/* for this thread only, and for this answer */
	OSSL_LIB_CTX *before = context != NULL ? OSSL_LIB_CTX_set0_default(context) : NULL;
	CMS_ContentInfo *cms = CMS_ContentInfo_new_ex(context, NULL);
	BIO *out = BIO_new(BIO_s_mem());
	GBytes *plain = NULL;
	if (cms != NULL && d2i_CMS_ContentInfo(&cms, &at, length) != NULL &&
	    CMS_decrypt(cms, signer->key, signer->certificate, NULL, out, CMS_BINARY) == 1) {
		length = BIO_get_mem_data(out, &data);
		plain = g_bytes_new(data, (gsize)length);
	}
	BIO_free(out);
	CMS_ContentInfo_free(cms);
	if (context != NULL)
		OSSL_LIB_CTX_set0_default(before);
	return plain;
}

/* DES is in OpenSSL's legacy provider, which is loaded for this one answer into a context of its own. */
static GBytes *
scep_message_open_legacy(BIO *content, const ScepSigner *signer)
{
	OSSL_LIB_CTX *context = OSSL_LIB_CTX_new();
	OSSL_PROVIDER *legacy = OSSL_PROVIDER_load(context, "legacy");
	OSSL_PROVIDER *normal = OSSL_PROVIDER_load(context, "default");
	GBytes *plain = legacy != NULL && normal != NULL
			    ? scep_message_open_with(context, content, signer)
			    : NULL;
	if (legacy != NULL)
		OSSL_PROVIDER_unload(legacy);
	if (normal != NULL)
		OSSL_PROVIDER_unload(normal);
	OSSL_LIB_CTX_free(context);
	return plain;
}

static GBytes *
scep_message_open(BIO *content, const ScepSigner *signer, gboolean legacy, GError **error)
{
	int cipher = scep_message_get_cipher(content);
	gboolean weak = cipher == NID_des_cbc || cipher == NID_rc2_cbc || cipher == NID_rc4;
	ERR_clear_error();
	if (weak && !legacy) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "the answer is encrypted with %s: have the server use AES, or allow it with "
		    "\"legacy\"",
		    OBJ_nid2sn(cipher));
		return NULL;
	}
	GBytes *plain = weak ? scep_message_open_legacy(content, signer)
			     : scep_message_open_with(NULL, content, signer);
	if (plain == NULL)
		scep_message_set_error(
		    error, PV_ERROR_PROTOCOL, "the answer cannot be decrypted with our key");
	ERR_clear_error();
	return plain;
}

static gboolean
scep_message_take(CMS_SignerInfo *info, BIO *content, const ScepRequest *request, gboolean legacy,
    ScepAnswer *answer, GError **error)
{
	g_autofree char *status = scep_message_dup_word(info, SCEP_PKI_STATUS);
	if (!scep_message_belongs(info, request)) {
		g_set_error_literal(
		    error, PV_ERROR, PV_ERROR_PROTOCOL, "the answer belongs to another request");
		return FALSE;
	}
	if (g_strcmp0(status, "0") == 0) {
		answer->status = SCEP_SUCCESS;
		answer->content = scep_message_open(content, &request->signer, legacy, error);
		return answer->content != NULL;
	}
	if (g_strcmp0(status, "2") == 0) {
		answer->status = SCEP_FAILURE;
		answer->text = scep_message_explain(info);
		return TRUE;
	}
	if (g_strcmp0(status, "3") == 0) {
		answer->status = SCEP_PENDING;
		return TRUE;
	}
	g_set_error_literal(
	    error, PV_ERROR, PV_ERROR_PROTOCOL, "the answer has no status that is known");
	return FALSE;
}

gboolean
scep_message_parse(GBytes *der, const ScepRequest *request, STACK_OF(X509) * certificates,
    gboolean legacy, ScepAnswer *answer, GError **error)
{
	gsize length = 0;
	const guchar *data = g_bytes_get_data(der, &length);
	ERR_clear_error();
	g_autoptr(CMS_ContentInfo) cms =
	    length <= G_MAXINT ? d2i_CMS_ContentInfo(NULL, &data, (long)length) : NULL;
	if (cms == NULL || OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed) {
		ERR_clear_error();
		g_set_error_literal(
		    error, PV_ERROR, PV_ERROR_PROTOCOL, "the answer is no message of SCEP");
		return FALSE;
	}
	g_autoptr(BIO) content = BIO_new(BIO_s_mem());
	CMS_SignerInfo *info = scep_message_verify(cms, certificates, content, legacy, error);
	gboolean good =
	    info != NULL && scep_message_take(info, content, request, legacy, answer, error);
	ERR_clear_error();
	return good;
}
