/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/fake-scep.h"

#include <openssl/cms.h>
#include <openssl/pkcs7.h>
#include <openssl/x509v3.h>
#include <string.h>

/* RFC 8894, 3.2.1 */
#define FAKE_TYPE "2.16.840.1.113733.1.9.2"
#define FAKE_STATUS "2.16.840.1.113733.1.9.3"
#define FAKE_INFO "2.16.840.1.113733.1.9.4"
#define FAKE_SENDER "2.16.840.1.113733.1.9.5"
#define FAKE_RECIPIENT "2.16.840.1.113733.1.9.6"
#define FAKE_TRANSACTION "2.16.840.1.113733.1.9.7"
#define FAKE_TEXT "1.3.6.1.5.5.7.24.1"

/* what a message says; all owned */
typedef struct {
	CMS_ContentInfo *cms;
	CMS_SignerInfo *info;
	X509 *signer;
	BIO *content;
} FakeMessage;

static gboolean
fake_scep_send(FakeHttpConnection *connection, const char *type, const guchar *der, int length)
{
	g_autofree char *head = g_strdup_printf(
	    "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", type, length);
	return fake_http_send(connection, head, -1) &&
	       fake_http_send(connection, der, (gssize)length);
}

static PKCS7 *
fake_scep_new_bag(X509 *first, X509 *second)
{
	PKCS7 *bag = PKCS7_new();
	PKCS7_set_type(bag, NID_pkcs7_signed);
	PKCS7_content_new(bag, NID_pkcs7_data);
	PKCS7_add_certificate(bag, first);
	if (second != NULL)
		PKCS7_add_certificate(bag, second);
	return bag;
}

/* one certificate as it is, two in a bag (RFC 8894, 4.2.1) */
static gboolean
fake_scep_send_certificates(const FakeScep *scep, FakeHttpConnection *connection)
{
	guchar *der = NULL;
	int length = 0;
	if (scep->ra == NULL) {
		length = i2d_X509(scep->ca->certificate, &der);
	} else {
		PKCS7 *bag = fake_scep_new_bag(scep->ra->certificate, scep->ca->certificate);
		length = i2d_PKCS7(bag, &der);
		PKCS7_free(bag);
	}
	gboolean sent = fake_scep_send(connection,
	    scep->ra == NULL ? "application/x-x509-ca-cert" : "application/x-x509-ca-ra-cert", der,
	    length);
	OPENSSL_free(der);
	return sent;
}

/* ---- reading ---- */

static ASN1_STRING *
fake_scep_find(const FakeMessage *message, const char *oid)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	int at = CMS_signed_get_attr_by_OBJ(message->info, object, -1);
	ASN1_OBJECT_free(object);
	g_assert_cmpint(at, >=, 0);
	ASN1_TYPE *value = X509_ATTRIBUTE_get0_type(CMS_signed_get_attr(message->info, at), 0);
	g_assert_nonnull(value);
	return value->value.asn1_string;
}

static void
fake_scep_copy(char *to, gsize size, const ASN1_STRING *from)
{
	g_autofree char *text =
	    g_strndup((const char *)ASN1_STRING_get0_data(from), (gsize)ASN1_STRING_length(from));
	g_strlcpy(to, text, size);
}

/* Fails the test where the message is not as the RFC has it. */
static void
fake_scep_read(FakeScep *scep, const guchar *data, gsize length, FakeMessage *message)
{
	message->cms = d2i_CMS_ContentInfo(NULL, &data, (long)length);
	g_assert_nonnull(message->cms);
	message->content = BIO_new(BIO_s_mem());
	g_assert_cmpint(CMS_verify(message->cms, NULL, NULL, NULL, message->content,
			    CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY),
	    ==, 1);
	STACK_OF(X509) *signers = CMS_get0_signers(message->cms);
	g_assert_cmpint(sk_X509_num(signers), ==, 1);
	message->signer = sk_X509_value(signers, 0);
	sk_X509_free(signers);
	message->info = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(message->cms), 0);
	X509_ALGOR *digest = NULL;
	CMS_SignerInfo_get0_algs(message->info, NULL, NULL, &digest, NULL);
	g_strlcpy(scep->digest, OBJ_nid2sn(OBJ_obj2nid(digest->algorithm)), sizeof scep->digest);
	fake_scep_copy(scep->type, sizeof scep->type, fake_scep_find(message, FAKE_TYPE));
	fake_scep_copy(
	    scep->transaction, sizeof scep->transaction, fake_scep_find(message, FAKE_TRANSACTION));
	X509_NAME_get_text_by_NID(X509_get_subject_name(message->signer), NID_commonName,
	    scep->signer, sizeof scep->signer);
	g_assert_cmpint(ASN1_STRING_length(fake_scep_find(message, FAKE_SENDER)), ==, 16);
	scep->messages++;
}

static GBytes *
fake_scep_unseal(const FakeScep *scep, FakeMessage *message)
{
	const FakeCert *own = scep->ra != NULL ? scep->ra : scep->ca;
	CMS_ContentInfo *sealed = d2i_CMS_bio(message->content, NULL);
	g_assert_nonnull(sealed);
	BIO *plain = BIO_new(BIO_s_mem());
	g_assert_cmpint(
	    CMS_decrypt(sealed, own->key, own->certificate, NULL, plain, CMS_BINARY), ==, 1);
	char *data = NULL;
	long length = BIO_get_mem_data(plain, &data);
	GBytes *bytes = g_bytes_new(data, (gsize)length);
	BIO_free(plain);
	CMS_ContentInfo_free(sealed);
	return bytes;
}

static gboolean
fake_scep_has_challenge(const FakeScep *scep, X509_REQ *csr)
{
	int at = X509_REQ_get_attr_by_NID(csr, NID_pkcs9_challengePassword, -1);
	if (scep->challenge == NULL)
		return TRUE;
	if (at < 0)
		return FALSE;
	const ASN1_STRING *value =
	    X509_ATTRIBUTE_get0_type(X509_REQ_get_attr(csr, at), 0)->value.asn1_string;
	gsize length = (gsize)ASN1_STRING_length(value);
	return length == strlen(scep->challenge) &&
	       memcmp(ASN1_STRING_get0_data(value), scep->challenge, length) == 0;
}

/* ---- answering ---- */

static void
fake_scep_copy_extensions(X509_REQ *csr, X509 *leaf)
{
	STACK_OF(X509_EXTENSION) *list = X509_REQ_get_extensions(csr);
	for (int i = 0; i < sk_X509_EXTENSION_num(list); i++)
		X509_add_ext(leaf, sk_X509_EXTENSION_value(list, i), -1);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}

static FakeCert *
fake_scep_issue(const FakeScep *scep, X509_REQ *csr)
{
	FakeCert *leaf = fake_cert_new(&(FakeCertSpec) { .common_name = "x",
	    .issuer = scep->ca,
	    .from_days = scep->expired ? -9 : -1,
	    .until_days = scep->expired ? -2 : 365 });
	X509_set_subject_name(leaf->certificate, X509_REQ_get_subject_name(csr));
	X509_set_pubkey(leaf->certificate, X509_REQ_get0_pubkey(csr));
	fake_scep_copy_extensions(csr, leaf->certificate);
	g_assert_cmpint(X509_sign(leaf->certificate, scep->ca->key, EVP_sha256()), >, 0);
	return leaf;
}

/* sealed for who asked */
static BIO *
fake_scep_seal(const FakeScep *scep, const FakeMessage *message, X509 *leaf)
{
	guchar *der = NULL;
	PKCS7 *bag = fake_scep_new_bag(leaf, NULL);
	int length = i2d_PKCS7(bag, &der);
	BIO *in = BIO_new_mem_buf(der, length);
	STACK_OF(X509) *recipients = sk_X509_new_null();
	sk_X509_push(recipients, message->signer);
	CMS_ContentInfo *cms = CMS_encrypt(recipients, in, EVP_aes_256_cbc(), CMS_BINARY);
	g_assert_nonnull(cms);
	BIO *out = BIO_new(BIO_s_mem());
	i2d_CMS_bio(out, cms);
	sk_X509_free(recipients);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	PKCS7_free(bag);
	OPENSSL_free(der);
	return out;
}

static void
fake_scep_add(CMS_SignerInfo *info, const char *oid, int type, const void *data, int length)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	g_assert_cmpint(CMS_signed_add1_attr_by_OBJ(info, object, type, data, length), ==, 1);
	ASN1_OBJECT_free(object);
}

static void
fake_scep_add_all(
    const FakeScep *scep, const FakeMessage *message, const char *status, CMS_SignerInfo *info)
{
	guchar nonce[16];
	memcpy(nonce, ASN1_STRING_get0_data(fake_scep_find(message, FAKE_SENDER)), sizeof nonce);
	if (scep->wrong_nonce)
		nonce[0] ^= 1;
	fake_scep_add(info, FAKE_TYPE, V_ASN1_PRINTABLESTRING, "3", 1);
	fake_scep_add(info, FAKE_STATUS, V_ASN1_PRINTABLESTRING, status, (int)strlen(status));
	fake_scep_add(info, FAKE_TRANSACTION, V_ASN1_PRINTABLESTRING, scep->transaction,
	    (int)strlen(scep->transaction));
	fake_scep_add(info, FAKE_RECIPIENT, V_ASN1_OCTET_STRING, nonce, sizeof nonce);
	fake_scep_add(info, FAKE_SENDER, V_ASN1_OCTET_STRING, "0123456789abcdef", 16);
	if (g_str_equal(status, "2"))
		fake_scep_add(info, FAKE_INFO, V_ASN1_PRINTABLESTRING,
		    scep->deny != NULL ? scep->deny : "2", 1);
	if (g_str_equal(status, "2") && scep->deny_text != NULL)
		fake_scep_add(info, FAKE_TEXT, V_ASN1_UTF8STRING, scep->deny_text,
		    (int)strlen(scep->deny_text));
}

/* @content: NULL: nothing is in it, as in failures and answers that tell to wait */
static gboolean
fake_scep_answer(const FakeScep *scep, FakeHttpConnection *connection, const FakeMessage *message,
    const char *status, BIO *content)
{
	const FakeCert *own = scep->ra != NULL ? scep->ra : scep->ca;
	const FakeCert *signer = scep->stranger != NULL ? scep->stranger : own;
	guint flags = CMS_BINARY | CMS_PARTIAL | (content == NULL ? CMS_DETACHED : 0);
	BIO *nothing = BIO_new_mem_buf("", 0);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, nothing, flags);
	CMS_SignerInfo *info = CMS_add1_signer(
	    cms, signer->certificate, signer->key, scep->sha1 ? EVP_sha1() : EVP_sha256(), flags);
	g_assert_nonnull(info);
	fake_scep_add_all(scep, message, status, info);
	g_assert_cmpint(CMS_final(cms, content != NULL ? content : nothing, NULL, flags), ==, 1);
	guchar *der = NULL;
	int length = i2d_CMS_ContentInfo(cms, &der);
	gboolean sent = fake_scep_send(connection, "application/x-pki-message", der, length);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(nothing);
	return sent;
}

static gboolean
fake_scep_decide(
    FakeScep *scep, FakeHttpConnection *connection, FakeMessage *message, X509_REQ *csr)
{
	if (scep->deny != NULL || !fake_scep_has_challenge(scep, csr))
		return fake_scep_answer(scep, connection, message, "2", NULL);
	if (scep->pending > 0) {
		scep->pending--;
		return fake_scep_answer(scep, connection, message, "3", NULL);
	}
	FakeCert *leaf = scep->other == NULL ? fake_scep_issue(scep, csr) : NULL;
	BIO *content = fake_scep_seal(
	    scep, message, leaf != NULL ? leaf->certificate : scep->other->certificate);
	gboolean sent = fake_scep_answer(scep, connection, message, "0", content);
	BIO_free(content);
	fake_cert_free(leaf);
	return sent;
}

static X509_REQ *
fake_scep_parse_csr(GBytes *der)
{
	gsize size = 0;
	const guchar *at = g_bytes_get_data(der, &size);
	X509_REQ *csr = d2i_X509_REQ(NULL, &at, (long)size);
	g_assert_nonnull(csr);
	return csr;
}

/* IssuerAndSubject (3.3.3): two names in a SEQUENCE */
static void
fake_scep_check_poll(GBytes *der)
{
	gsize size = 0;
	const guchar *at = g_bytes_get_data(der, &size);
	STACK_OF(ASN1_TYPE) *names = d2i_ASN1_SEQUENCE_ANY(NULL, &at, (long)size);
	g_assert_cmpint(sk_ASN1_TYPE_num(names), ==, 2);
	sk_ASN1_TYPE_pop_free(names, ASN1_TYPE_free);
}

/* A poll is about the last request, whose key it does not have. */
static gboolean
fake_scep_operate(FakeScep *scep, FakeHttpConnection *connection, const guchar *data, gsize length)
{
	FakeMessage message = { 0 };
	fake_scep_read(scep, data, length, &message);
	g_autoptr(GBytes) inside = fake_scep_unseal(scep, &message);
	if (g_str_equal(scep->type, "19")) {
		fake_scep_clear(scep);
		scep->csr = g_bytes_ref(inside);
	} else {
		g_assert_cmpstr(scep->type, ==, "20");
		fake_scep_check_poll(inside);
	}
	X509_REQ *csr = fake_scep_parse_csr(scep->csr);
	gboolean sent = fake_scep_decide(scep, connection, &message, csr);
	X509_REQ_free(csr);
	BIO_free(message.content);
	CMS_ContentInfo_free(message.cms);
	return sent;
}

void
fake_scep_clear(FakeScep *scep)
{
	g_clear_pointer(&scep->csr, g_bytes_unref);
}

/* a message in a URL: base64, escaped */
static gboolean
fake_scep_operate_get(FakeScep *scep, FakeHttpConnection *connection, const char *path)
{
	const char *text = strstr(path, "message=");
	g_assert_nonnull(text);
	g_autofree char *plain = g_uri_unescape_string(text + strlen("message="), NULL);
	gsize length = 0;
	g_autofree guchar *der = g_base64_decode(plain, &length);
	return fake_scep_operate(scep, connection, der, length);
}

gboolean
fake_scep_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	FakeScep *scep = data;
	if (strstr(request->path, "operation=GetCACert") != NULL)
		return fake_scep_send_certificates(scep, connection);
	if (strstr(request->path, "operation=GetCACaps") != NULL)
		return fake_http_reply(connection, scep->capabilities != NULL ? 200 : 404,
		    "Content-Type: text/plain\r\n", scep->capabilities);
	if (strstr(request->path, "operation=PKIOperation") == NULL)
		return fake_http_reply(connection, 404, NULL, "no such operation");
	if (scep->status != 0)
		return fake_http_reply(connection, scep->status, NULL, "out of order");
	if (g_str_equal(request->method, "GET"))
		return fake_scep_operate_get(scep, connection, request->path);
	return fake_scep_operate(scep, connection, (const guchar *)request->body, request->length);
}
