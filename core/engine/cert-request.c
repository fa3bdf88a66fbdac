/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/cert-request.h"
#include "core/net/wipe.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <provost/error.h>
#include <string.h>

#define CERT_CSR_MAX_BYTES 16384

/* Microsoft's template extensions (MS-WCCE 2.2.2.7.7): by OID since version 2 templates, by name before */
#define CERT_TEMPLATE_OID "1.3.6.1.4.1.311.21.7"
#define CERT_TEMPLATE_NAME "1.3.6.1.4.1.311.20.2"

static void
cert_request_set_error(GError **error)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
	g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "make certificate request: %s",
	    reason == NULL ? "the crypto library gave no reason" : reason);
	ERR_clear_error();
}

/* Takes @extension. */
static gboolean
cert_request_push(STACK_OF(X509_EXTENSION) * list, X509_EXTENSION *extension)
{
	if (extension != NULL && sk_X509_EXTENSION_push(list, extension) > 0)
		return TRUE;
	X509_EXTENSION_free(extension);
	return FALSE;
}

static GENERAL_NAME *
cert_request_new_dns_name(const char *dns_name)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	if (name != NULL && text != NULL && ASN1_STRING_set(text, dns_name, -1) == 1) {
		GENERAL_NAME_set0_value(name, GEN_DNS, text);
		return name;
	}
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(name);
	return NULL;
}

/* otherName of Microsoft's type userPrincipalName (1.3.6.1.4.1.311.20.2.3), a UTF8String */
static GENERAL_NAME *
cert_request_new_upn(const char *upn)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_UTF8STRING *text = ASN1_UTF8STRING_new();
	ASN1_TYPE *value = ASN1_TYPE_new();
	ASN1_OBJECT *type = OBJ_nid2obj(NID_ms_upn);
	gboolean ok =
	    name != NULL && text != NULL && value != NULL && ASN1_STRING_set(text, upn, -1) == 1;
	if (ok) {
		ASN1_TYPE_set(value, V_ASN1_UTF8STRING, text);
		text = NULL;
		ok = GENERAL_NAME_set0_othername(name, type, value) == 1;
		value = ok ? NULL : value;
	}
	ASN1_UTF8STRING_free(text);
	ASN1_TYPE_free(value);
	if (!ok)
		g_clear_pointer(&name, GENERAL_NAME_free);
	return name;
}

/* Takes @name. */
static gboolean
cert_request_push_name(GENERAL_NAMES *list, GENERAL_NAME *name)
{
	if (name != NULL && sk_GENERAL_NAME_push(list, name) > 0)
		return TRUE;
	GENERAL_NAME_free(name);
	return FALSE;
}

static gboolean
cert_request_add_names(STACK_OF(X509_EXTENSION) * list, const PvCertRequest *request)
{
	gboolean dns = request->dns_names != NULL && request->dns_names[0] != NULL;
	if (!dns && request->upn == NULL)
		return TRUE;
	GENERAL_NAMES *general = GENERAL_NAMES_new();
	gboolean ok = general != NULL;
	for (guint i = 0; ok && dns && request->dns_names[i] != NULL; i++)
		ok = cert_request_push_name(
		    general, cert_request_new_dns_name(request->dns_names[i]));
	if (ok && request->upn != NULL)
		ok = cert_request_push_name(general, cert_request_new_upn(request->upn));
	ok = ok && cert_request_push(list, X509V3_EXT_i2d(NID_subject_alt_name, 0, general));
	GENERAL_NAMES_free(general);
	return ok;
}

static gboolean
cert_request_add_usages(STACK_OF(X509_EXTENSION) * list, const char *const *ekus)
{
	EXTENDED_KEY_USAGE *usages = EXTENDED_KEY_USAGE_new();
	gboolean ok = usages != NULL;
	for (guint i = 0; ok && ekus[i] != NULL; i++) {
		ASN1_OBJECT *usage = OBJ_txt2obj(ekus[i], 1);
		ok = usage != NULL && sk_ASN1_OBJECT_push(usages, usage) > 0;
		if (!ok)
			ASN1_OBJECT_free(usage);
	}
	ok = ok && cert_request_push(list, X509V3_EXT_i2d(NID_ext_key_usage, 0, usages));
	EXTENDED_KEY_USAGE_free(usages);
	return ok;
}

/* SEQUENCE { OBJECT IDENTIFIER } */
static GByteArray *
cert_request_encode_oid(const char *dotted)
{
	ASN1_OBJECT *object = OBJ_txt2obj(dotted, 1);
	unsigned char *der = NULL;
	int length = object == NULL ? 0 : i2d_ASN1_OBJECT(object, &der);
	ASN1_OBJECT_free(object);
	if (length <= 0 || length > 127) {
		OPENSSL_free(der);
		return NULL;
	}
	const guint8 head[] = { 0x30, (guint8)length };
	GByteArray *bytes = g_byte_array_append(g_byte_array_new(), head, sizeof head);
	g_byte_array_append(bytes, der, (guint)length);
	OPENSSL_free(der);
	return bytes;
}

/* BMPString */
static GByteArray *
cert_request_encode_name(const char *name)
{
	ASN1_STRING *text = NULL;
	if (ASN1_mbstring_copy(
		&text, (const unsigned char *)name, -1, MBSTRING_UTF8, B_ASN1_BMPSTRING) <= 0)
		return NULL;
	unsigned char *der = NULL;
	int length = i2d_ASN1_BMPSTRING(text, &der);
	ASN1_STRING_free(text);
	if (length <= 0)
		return NULL;
	GByteArray *bytes = g_byte_array_append(g_byte_array_new(), der, (guint)length);
	OPENSSL_free(der);
	return bytes;
}

static gboolean
cert_request_add_template(STACK_OF(X509_EXTENSION) * list, const char *template)
{
	gboolean dotted = g_regex_match_simple("^[0-2](\\.[0-9]+)+$", template, 0, 0);
	g_autoptr(GByteArray) value =
	    dotted ? cert_request_encode_oid(template) : cert_request_encode_name(template);
	ASN1_OBJECT *type = OBJ_txt2obj(dotted ? CERT_TEMPLATE_OID : CERT_TEMPLATE_NAME, 1);
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	gboolean ok = value != NULL && type != NULL && octets != NULL &&
		      ASN1_OCTET_STRING_set(octets, value->data, (int)value->len) == 1 &&
		      cert_request_push(list, X509_EXTENSION_create_by_OBJ(NULL, type, 0, octets));
	ASN1_OCTET_STRING_free(octets);
	ASN1_OBJECT_free(type);
	return ok;
}

static gboolean
cert_request_add_extensions(
    X509_REQ *csr, const PvCertRequest *request, const PvCaPreparation *preparation)
{
	STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
	gboolean ok = list != NULL &&
		      (preparation->subject_only || cert_request_add_names(list, request)) &&
		      (request->ekus == NULL || request->ekus[0] == NULL ||
			  cert_request_add_usages(list, request->ekus)) &&
		      (preparation->template_extension == NULL ||
			  cert_request_add_template(list, preparation->template_extension)) &&
		      (sk_X509_EXTENSION_num(list) == 0 || X509_REQ_add_extensions(csr, list) == 1);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	return ok;
}

static gboolean
cert_request_add_challenge(X509_REQ *csr, PvSecret *challenge)
{
	if (challenge == NULL)
		return TRUE;
	gsize length = 0;
	const char *text = pv_secret_peek(challenge, &length);
	return length <= 1024 && X509_REQ_add1_attr_by_NID(csr, NID_pkcs9_challengePassword,
				     MBSTRING_UTF8, (const unsigned char *)text, (int)length) == 1;
}

static X509_REQ *
cert_request_new(EVP_PKEY *public_key, const PvCertRequest *request,
    const PvCaPreparation *preparation, GError **error)
{
	g_autoptr(X509_REQ) csr = X509_REQ_new();
	X509_NAME *subject = csr == NULL ? NULL : X509_REQ_get_subject_name(csr);
	if (subject == NULL || X509_REQ_set_version(csr, X509_REQ_VERSION_1) != 1 ||
	    X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
		(const unsigned char *)request->common_name, -1, -1, 0) != 1 ||
	    X509_REQ_set_pubkey(csr, public_key) != 1 ||
	    !cert_request_add_extensions(csr, request, preparation) ||
	    !cert_request_add_challenge(csr, preparation->challenge)) {
		cert_request_set_error(error);
		return NULL;
	}
	return g_steal_pointer(&csr);
}

static GBytes *
cert_request_to_der(X509_REQ *csr, GError **error)
{
	unsigned char *der = NULL;
	int length = i2d_X509_REQ(csr, &der);
	if (length <= 0) {
		cert_request_set_error(error);
		return NULL;
	}
	/* may hold a challenge: wiped when freed */
	return g_bytes_new_with_free_func(der, (gsize)length, pv_wipe_free, der);
}

/* The "null signed" request of the SDK: the algorithm is named, the signature has no bits. */
GBytes *
pv_cert_request_new_unsigned(EVP_PKEY *public_key, const PvCertRequest *request,
    const PvCaPreparation *preparation, GError **error)
{
	g_autoptr(X509_REQ) csr = cert_request_new(public_key, request, preparation, error);
	if (csr == NULL)
		return NULL;
	X509_ALGOR *algorithm = X509_ALGOR_new();
	ASN1_BIT_STRING *signature = ASN1_BIT_STRING_new();
	gboolean ok = algorithm != NULL && signature != NULL &&
		      X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_sha256WithRSAEncryption),
			  V_ASN1_NULL, NULL) == 1 &&
		      X509_REQ_set1_signature_algo(csr, algorithm) == 1;
	X509_ALGOR_free(algorithm);
	if (!ok) {
		ASN1_BIT_STRING_free(signature);
		cert_request_set_error(error);
		return NULL;
	}
	X509_REQ_set0_signature(csr, signature);
	return cert_request_to_der(csr, error);
}

GBytes *
pv_cert_request_new_signed(
    EVP_PKEY *key, const PvCertRequest *request, const PvCaPreparation *preparation, GError **error)
{
	g_autoptr(X509_REQ) csr = cert_request_new(key, request, preparation, error);
	if (csr == NULL)
		return NULL;
	if (X509_REQ_sign(csr, key, EVP_sha256()) <= 0) {
		cert_request_set_error(error);
		return NULL;
	}
	return cert_request_to_der(csr, error);
}

/* NULL: not exactly one request */
static X509_REQ *
cert_request_parse(GBytes *der)
{
	gsize length = 0;
	const unsigned char *data = g_bytes_get_data(der, &length);
	const unsigned char *end = data;
	g_autoptr(X509_REQ) csr = length == 0 || length > CERT_CSR_MAX_BYTES
				      ? NULL
				      : d2i_X509_REQ(NULL, &end, (long)length);
	return csr != NULL && end == data + length ? g_steal_pointer(&csr) : NULL;
}

static GBytes *
cert_request_dup_attribute(X509_REQ *csr, int i)
{
	unsigned char *der = NULL;
	int length = i2d_X509_ATTRIBUTE(X509_REQ_get_attr(csr, i), &der);
	return g_bytes_new_with_free_func(der, length > 0 ? (gsize)length : 0, pv_wipe_free, der);
}

/* subject and attributes, names and usages among them */
static gboolean
cert_request_is_same(X509_REQ *csr, X509_REQ *asked)
{
	int count = X509_REQ_get_attr_count(asked);
	if (X509_NAME_cmp(X509_REQ_get_subject_name(csr), X509_REQ_get_subject_name(asked)) != 0 ||
	    X509_REQ_get_attr_count(csr) != count)
		return FALSE;
	for (int i = 0; i < count; i++) {
		g_autoptr(GBytes) one = cert_request_dup_attribute(csr, i);
		g_autoptr(GBytes) other = cert_request_dup_attribute(asked, i);
		if (!g_bytes_equal(one, other))
			return FALSE;
	}
	return TRUE;
}

gboolean
pv_cert_request_check(GBytes *csr_der, GBytes *asked_der, EVP_PKEY *public_key, GError **error)
{
	g_autoptr(X509_REQ) csr = cert_request_parse(csr_der);
	g_autoptr(X509_REQ) asked = cert_request_parse(asked_der);
	EVP_PKEY *key = csr == NULL ? NULL : X509_REQ_get0_pubkey(csr);
	gboolean ok = key != NULL && EVP_PKEY_eq(key, public_key) == 1 &&
		      X509_REQ_verify(csr, public_key) == 1;
	gboolean same = ok && asked != NULL && cert_request_is_same(csr, asked);
	ERR_clear_error();
	if (!ok)
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "sign certificate request: what the device answered is no request signed with "
		    "its key");
	else if (!same)
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "sign certificate request: what the device signed asks for other names or "
		    "usages than it was given");
	return same;
}
