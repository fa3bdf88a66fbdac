/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "est-attrs.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <provost/error.h>

#define EST_MAX_ATTRS 64
#define EST_MAX_TEMPLATE 200 /* bytes */
#define EST_MAX_BITS 65536

/* MS-WCCE 2.2.2.7.7 */
#define EST_TEMPLATE_NAME "1.3.6.1.4.1.311.20.2"
#define EST_TEMPLATE_OID "1.3.6.1.4.1.311.21.7"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ASN1_TYPE, ASN1_TYPE_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_ATTRIBUTE, X509_ATTRIBUTE_free)

void
est_attrs_clear(EstAttrs *attrs)
{
	g_clear_pointer(&attrs->template_extension, g_free);
}

/* (transfer full); NULL: not text that can stand in a request */
static char *
est_attrs_dup_name(const ASN1_STRING *value)
{
	const guchar *at = ASN1_STRING_get0_data(value);
	g_autoptr(ASN1_TYPE) inner = d2i_ASN1_TYPE(NULL, &at, ASN1_STRING_length(value));
	guchar *utf8 = NULL;
	if (inner == NULL || inner->type != V_ASN1_BMPSTRING)
		return NULL;
	int length = ASN1_STRING_to_UTF8(&utf8, inner->value.bmpstring);
	char *name = NULL;
	if (length > 0 && length <= EST_MAX_TEMPLATE &&
	    g_utf8_validate((const char *)utf8, length, NULL))
		name = g_strndup((const char *)utf8, (gsize)length);
	OPENSSL_free(utf8);
	for (const char *c = name; c != NULL && *c != '\0'; c++)
		if (g_ascii_iscntrl(*c))
			g_clear_pointer(&name, g_free);
	return name;
}

/* SEQUENCE { OBJECT IDENTIFIER, ... } */
static char *
est_attrs_dup_oid(const ASN1_STRING *value)
{
	const guchar *at = ASN1_STRING_get0_data(value);
	char text[EST_MAX_TEMPLATE] = "";
	STACK_OF(ASN1_TYPE) *parts = d2i_ASN1_SEQUENCE_ANY(NULL, &at, ASN1_STRING_length(value));
	const ASN1_TYPE *first = sk_ASN1_TYPE_num(parts) > 0 ? sk_ASN1_TYPE_value(parts, 0) : NULL;
	int length = first != NULL && first->type == V_ASN1_OBJECT
			 ? OBJ_obj2txt(text, sizeof text, first->value.object, 1)
			 : 0;
	sk_ASN1_TYPE_pop_free(parts, ASN1_TYPE_free);
	return length > 0 && length < EST_MAX_TEMPLATE ? g_strdup(text) : NULL;
}

static void
est_attrs_take_extension(EstAttrs *attrs, X509_EXTENSION *extension)
{
	char oid[80] = "";
	OBJ_obj2txt(oid, sizeof oid, X509_EXTENSION_get_object(extension), 1);
	const ASN1_STRING *value = X509_EXTENSION_get_data(extension);
	char *template = NULL;
	if (g_str_equal(oid, EST_TEMPLATE_NAME))
		template = est_attrs_dup_name(value);
	else if (g_str_equal(oid, EST_TEMPLATE_OID))
		template = est_attrs_dup_oid(value);
	if (template == NULL)
		return;
	g_free(attrs->template_extension);
	attrs->template_extension = template;
}

static void
est_attrs_take_extensions(EstAttrs *attrs, const ASN1_TYPE *value)
{
	if (value->type != V_ASN1_SEQUENCE)
		return;
	const guchar *at = ASN1_STRING_get0_data(value->value.sequence);
	X509_EXTENSIONS *list =
	    d2i_X509_EXTENSIONS(NULL, &at, ASN1_STRING_length(value->value.sequence));
	for (int i = 0; i < sk_X509_EXTENSION_num(list) && i < EST_MAX_ATTRS; i++)
		est_attrs_take_extension(attrs, sk_X509_EXTENSION_value(list, i));
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}

static void
est_attrs_take_oid(EstAttrs *attrs, const ASN1_OBJECT *object)
{
	switch (OBJ_obj2nid(object)) {
	case NID_pkcs9_challengePassword:
		attrs->challenge = TRUE;
		break;
	case NID_rsaEncryption:
		attrs->rsa = TRUE;
		break;
	case NID_X9_62_id_ecPublicKey:
		attrs->ec = TRUE;
		break;
	default:
		break;
	}
}

static void
est_attrs_take_attribute(EstAttrs *attrs, X509_ATTRIBUTE *attribute)
{
	ASN1_OBJECT *object = X509_ATTRIBUTE_get0_object(attribute);
	const ASN1_TYPE *value =
	    X509_ATTRIBUTE_count(attribute) > 0 ? X509_ATTRIBUTE_get0_type(attribute, 0) : NULL;
	est_attrs_take_oid(attrs, object);
	if (value == NULL)
		return;
	if (OBJ_obj2nid(object) == NID_ext_req)
		est_attrs_take_extensions(attrs, value);
	gint64 bits = 0;
	if (OBJ_obj2nid(object) == NID_rsaEncryption && value->type == V_ASN1_INTEGER &&
	    ASN1_INTEGER_get_int64(&bits, value->value.integer) == 1 && bits > 0 &&
	    bits <= EST_MAX_BITS)
		attrs->bits = bits;
}

/* FALSE: it is neither an OID nor an attribute */
static gboolean
est_attrs_take(EstAttrs *attrs, const ASN1_TYPE *item)
{
	attrs->count++;
	if (item->type == V_ASN1_OBJECT) {
		est_attrs_take_oid(attrs, item->value.object);
		return TRUE;
	}
	if (item->type != V_ASN1_SEQUENCE)
		return FALSE;
	const guchar *at = ASN1_STRING_get0_data(item->value.sequence);
	g_autoptr(X509_ATTRIBUTE) attribute =
	    d2i_X509_ATTRIBUTE(NULL, &at, ASN1_STRING_length(item->value.sequence));
	if (attribute == NULL)
		return FALSE;
	est_attrs_take_attribute(attrs, attribute);
	return TRUE;
}

gboolean
est_attrs_parse(GBytes *der, EstAttrs *attrs, GError **error)
{
	gsize length = 0;
	const guchar *data = g_bytes_get_data(der, &length);
	const guchar *end = data;
	STACK_OF(ASN1_TYPE) *list =
	    length <= G_MAXINT ? d2i_ASN1_SEQUENCE_ANY(NULL, &end, (long)length) : NULL;
	gboolean good = list != NULL && end == data + length;
	for (int i = 0; good && i < sk_ASN1_TYPE_num(list); i++)
		good = i < EST_MAX_ATTRS && est_attrs_take(attrs, sk_ASN1_TYPE_value(list, i));
	sk_ASN1_TYPE_pop_free(list, ASN1_TYPE_free);
	ERR_clear_error();
	if (!good)
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "the request attributes are not those of RFC 7030");
	return good;
}
