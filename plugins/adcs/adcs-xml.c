/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-xml.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <string.h>

#define XML_MAX_DEPTH 32
#define XML_MAX_ELEMENTS 100000

typedef struct {
	guint depth;
	guint elements;
	const char *refused; /* a constant; NULL: nothing was */
} XmlBounds;

static void
adcs_xml_stop(xmlParserCtxt *context, const char *why)
{
	XmlBounds *bounds = context->_private;
	if (bounds->refused == NULL)
		bounds->refused = why;
	xmlStopParser(context);
}

/* Without a document type there are no entities but the five of XML itself, and nothing to fetch. */
static void
adcs_xml_refuse_doctype(
    void *data, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	adcs_xml_stop(data, "it has a document type");
}

static void
adcs_xml_start(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
    int namespaces_count, const xmlChar **namespaces, int attributes_count, int defaulted_count,
    const xmlChar **attributes)
{
	xmlParserCtxt *context = data;
	XmlBounds *bounds = context->_private;
	if (++bounds->depth > XML_MAX_DEPTH)
		adcs_xml_stop(context, "its elements are nested too deeply");
	else if (++bounds->elements > XML_MAX_ELEMENTS)
		adcs_xml_stop(context, "it has too many elements");
	else
		xmlSAX2StartElementNs(data, name, prefix, uri, namespaces_count, namespaces,
		    attributes_count, defaulted_count, attributes);
}

static void
adcs_xml_end(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	xmlParserCtxt *context = data;
	((XmlBounds *)context->_private)->depth--;
	xmlSAX2EndElementNs(data, name, prefix, uri);
}

/* what libxml2 would print */
static void
adcs_xml_ignore(void *data, const char *format, ...)
{
}

static AdcsDocument *
adcs_xml_read(const char *text, int length, XmlBounds *bounds)
{
	xmlParserCtxt *context = xmlNewParserCtxt();
	if (context == NULL)
		return NULL;
	context->_private = bounds;
	context->sax->internalSubset = adcs_xml_refuse_doctype;
	context->sax->externalSubset = NULL;
	context->sax->resolveEntity = NULL;
	context->sax->startElementNs = adcs_xml_start;
	context->sax->endElementNs = adcs_xml_end;
	context->sax->comment = NULL;
	context->sax->processingInstruction = NULL;
	context->sax->warning = adcs_xml_ignore;
	context->sax->error = adcs_xml_ignore;
	AdcsDocument *document = xmlCtxtReadMemory(context, text, length, NULL, NULL,
	    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
	xmlFreeParserCtxt(context);
	return document;
}

AdcsDocument *
adcs_xml_parse(GBytes *data, gsize max_bytes, const char *what, GError **error)
{
	gsize length = 0;
	const char *text = g_bytes_get_data(data, &length);
	XmlBounds bounds = { 0 };
	if (length > MIN(max_bytes, G_MAXINT)) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read %s: it has %" G_GSIZE_FORMAT " bytes, at most %" G_GSIZE_FORMAT, what, length,
		    max_bytes);
		return NULL;
	}
	AdcsDocument *document =
	    length == 0 ? NULL : adcs_xml_read(text, (int)length, &bounds);
	if (document != NULL && bounds.refused == NULL && xmlDocGetRootElement(document) != NULL)
		return document;
	xmlFreeDoc(document);
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "read %s: %s", what,
	    bounds.refused != NULL ? bounds.refused : "it is no well-formed xml");
	return NULL;
}

static const xmlNode *
adcs_xml_match(const xmlNode *node, const char *ns, const char *name)
{
	while (node != NULL &&
	       (node->type != XML_ELEMENT_NODE || node->ns == NULL || node->ns->href == NULL ||
		   !g_str_equal((const char *)node->name, name) ||
		   !g_str_equal((const char *)node->ns->href, ns)))
		node = node->next;
	return node;
}

const xmlNode *
adcs_xml_child(const xmlNode *node, const char *ns, const char *name)
{
	return node == NULL ? NULL : adcs_xml_match(node->children, ns, name);
}

const xmlNode *
adcs_xml_next(const xmlNode *node, const char *ns, const char *name)
{
	return node == NULL ? NULL : adcs_xml_match(node->next, ns, name);
}

const xmlNode *
adcs_xml_body(AdcsDocument *document, const char *ns, const char *name)
{
	const xmlNode *root = xmlDocGetRootElement(document);
	const xmlNode *envelope =
	    root == NULL || root->next != NULL ? NULL : adcs_xml_match(root, ADCS_NS_SOAP, "Envelope");
	return adcs_xml_child(adcs_xml_child(envelope, ADCS_NS_SOAP, "Body"), ns, name);
}

static gboolean
adcs_xml_is_nil(const xmlNode *node)
{
	xmlChar *nil = xmlGetNsProp(
	    (xmlNode *)node, (const xmlChar *)"nil", (const xmlChar *)ADCS_NS_XSI);
	gboolean is = nil != NULL &&
		      (g_str_equal((char *)nil, "true") || g_str_equal((char *)nil, "1"));
	xmlFree(nil);
	return is;
}

char *
adcs_text_dup_line(const char *text, gssize length, gsize max)
{
	g_autofree char *valid = g_utf8_make_valid(text, length);
	for (char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
		gunichar character = g_utf8_get_char(at);
		if (!g_unichar_iscntrl(character) && g_unichar_isgraph(character))
			continue;
		for (char *end = g_utf8_next_char(at), *byte = at; byte < end; byte++)
			*byte = ' ';
	}
	/* runs of blanks are what is left of line ends and mark-up */
	g_autoptr(GString) line = g_string_new(NULL);
	for (const char *at = g_strstrip(valid); *at != '\0'; at++)
		if (*at != ' ' || at[1] != ' ')
			g_string_append_c(line, *at);
	if (line->len > max) {
		const char *cut = g_utf8_find_prev_char(line->str, line->str + max + 1);
		g_string_truncate(line, cut == NULL ? 0 : (gsize)(cut - line->str));
	}
	return g_string_free(g_steal_pointer(&line), FALSE);
}

char *
adcs_xml_dup_text(const xmlNode *node, gsize max)
{
	if (node == NULL || adcs_xml_is_nil(node))
		return NULL;
	xmlChar *content = xmlNodeGetContent(node);
	char *text = content == NULL ? NULL : adcs_text_dup_line((char *)content, -1, max);
	xmlFree(content);
	if (text != NULL && *text == '\0')
		g_clear_pointer(&text, g_free);
	return text;
}

gboolean
adcs_xml_get_number(const xmlNode *node, gint64 minimum, gint64 maximum, gint64 *number)
{
	g_autofree char *text = adcs_xml_dup_text(node, 24);
	return text != NULL && g_ascii_string_to_signed(text, 10, minimum, maximum, number, NULL);
}

gboolean
adcs_xml_is_true(const xmlNode *node)
{
	g_autofree char *text = adcs_xml_dup_text(node, 8);
	return text != NULL && (g_str_equal(text, "true") || g_str_equal(text, "1"));
}

/* WCF wraps base64 with CR and LF, the former as a character reference. */
static char *
adcs_xml_dup_squeezed(const xmlNode *node, gsize max)
{
	xmlChar *content = node == NULL || adcs_xml_is_nil(node) ? NULL : xmlNodeGetContent(node);
	if (content == NULL)
		return NULL;
	gsize length = 0;
	for (const xmlChar *at = content; *at != '\0'; at++)
		if (!g_ascii_isspace((char)*at))
			content[length++] = *at;
	char *text = length == 0 || length > max ? NULL : g_strndup((char *)content, length);
	xmlFree(content);
	return text;
}

/* g_base64_decode() skips what is none; a damaged answer shall be told as one */
static gboolean
adcs_xml_is_base64(const char *text)
{
	gsize length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	gsize padding = strspn(text + length, "=");
	return padding <= 2 && text[length + padding] == '\0' && (length + padding) % 4 == 0;
}

GBytes *
adcs_xml_dup_binary(const xmlNode *node, gsize max)
{
	g_autofree char *text = adcs_xml_dup_squeezed(node, (max + 2) / 3 * 4);
	if (text == NULL || !adcs_xml_is_base64(text))
		return NULL;
	gsize length = 0;
	guchar *data = g_base64_decode(text, &length);
	return g_bytes_new_take(data, length);
}

gboolean
adcs_xml_append(GString *out, const char *text)
{
	if (!g_utf8_validate(text, -1, NULL))
		return FALSE;
	for (const char *at = text; *at != '\0'; at++) {
		guchar byte = (guchar)*at;
		/* XML 1.0, section 2.2; the ends of lines would be folded, and none of our texts has one */
		if (byte < 0x20 || (byte == 0xef && (guchar)at[1] == 0xbf && (guchar)at[2] >= 0xbe))
			return FALSE;
		switch (*at) {
		case '&':
			g_string_append(out, "&amp;");
			break;
		case '<':
			g_string_append(out, "&lt;");
			break;
		case '>':
			g_string_append(out, "&gt;");
			break;
		case '"':
			g_string_append(out, "&quot;");
			break;
		default:
			g_string_append_c(out, *at);
			break;
		}
	}
	return TRUE;
}
