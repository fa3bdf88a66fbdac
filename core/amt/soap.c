/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/soap.h"

#include "core/amt/instance.h"

#include <provost/error.h>

#include <string.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>

#define SOAP_MAX_DEPTH 32
#define SOAP_MAX_ELEMENTS 20000
#define SOAP_MAX_TAG 8192 /* bytes; the longest of firmware, an envelope's, has 1 KiB */
#define SOAP_MAX_REASON 200 /* bytes of a fault's text, or of the parser's, that reach an error text */

#define SOAP_NS "http://www.w3.org/2003/05/soap-envelope"
#define SOAP_NS_ADDRESSING "http://schemas.xmlsoap.org/ws/2004/08/addressing"
#define SOAP_NS_WSMAN "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
#define SOAP_NS_TRANSFER "http://schemas.xmlsoap.org/ws/2004/09/transfer"
#define SOAP_NS_ENUMERATION "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
#define SOAP_NS_COMMON "http://schemas.dmtf.org/wbem/wscim/1/common"
#define SOAP_NS_XSI "http://www.w3.org/2001/XMLSchema-instance"
#define SOAP_ANONYMOUS SOAP_NS_ADDRESSING "/role/anonymous"

#define SOAP_OPEN \
	"<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"" SOAP_NS \
	"\" xmlns:a=\"" SOAP_NS_ADDRESSING "\" xmlns:w=\"" SOAP_NS_WSMAN "\"><s:Header><a:Action>"

/* ---- writing ---- */

/* the classes' namespaces end with the class name, and equal the ResourceURI (DMTF DSP0227, section 5.4) */
static const char *
soap_find_namespace(const char *class_name)
{
	if (g_str_has_prefix(class_name, "AMT_"))
		return "http://intel.com/wbem/wscim/1/amt-schema/1/";
	if (g_str_has_prefix(class_name, "IPS_"))
		return "http://intel.com/wbem/wscim/1/ips-schema/1/";
	if (g_str_has_prefix(class_name, "CIM_"))
		return "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/";
	return NULL;
}

/* The names of classes, methods and properties are ASCII identifiers (DMTF DSP0004); this keeps others from becoming mark-up. */
static gboolean
soap_is_name(const char *name)
{
	if (!g_ascii_isalpha(*name) && *name != '_')
		return FALSE;
	while (g_ascii_isalnum(*name) || *name == '_' || *name == '-')
		name++;
	return *name == '\0';
}

static gboolean
soap_check_name(const char *kind, const char *name, GError **error)
{
	if (name != NULL && soap_is_name(name))
		return TRUE;
	/* it may be what a device said */
	g_autofree char *shown = g_strescape(name != NULL ? name : "", NULL);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "write request: \"%.100s\" is no name of a %s", shown, kind);
	return FALSE;
}

static gboolean
soap_check_class(const char *class_name, GError **error)
{
	if (!soap_check_name("class", class_name, error))
		return FALSE;
	if (soap_find_namespace(class_name) != NULL)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "write request: class %s is none of AMT_*, IPS_* and CIM_*", class_name);
	return FALSE;
}

/* How many bytes at @at XML 1.0 (section 2.2) cannot carry, even as a reference; 0: it can. Valid UTF-8 is given. */
static gsize
soap_forbidden(const guchar *at)
{
	if (*at < 0x20)
		return *at != '\t' && *at != '\n' && *at != '\r';
	return at[0] == 0xef && at[1] == 0xbf && at[2] >= 0xbe ? 3 : 0;
}

static gboolean
soap_write_text(GString *out, const char *owner, const char *text, GError **error)
{
	gboolean valid = g_utf8_validate(text, -1, NULL);
	const char *run = text;
	for (const char *at = text; valid; at++) {
		const char *escape = NULL;
		switch (*at) {
		case '&':
			escape = "&amp;";
			break;
		case '<':
			escape = "&lt;";
			break;
		case '>':
			escape = "&gt;";
			break;
		case '"':
			escape = "&quot;";
			break;
		case '\r': /* a reader would fold these three, in text or in attributes */
			escape = "&#13;";
			break;
		case '\n':
			escape = "&#10;";
			break;
		case '\t':
			escape = "&#9;";
			break;
		case '\0':
			break;
		default:
			valid = soap_forbidden((const guchar *)at) == 0;
			continue;
		}
		g_string_append_len(out, run, at - run);
		if (escape == NULL)
			return TRUE;
		g_string_append(out, escape);
		run = at + 1;
	}
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "write request: the value of %s is no UTF-8 or holds a control character", owner);
	return FALSE;
}

static void
soap_write_uri(GString *out, const char *class_name)
{
	g_string_append(out, soap_find_namespace(class_name));
	g_string_append(out, class_name);
}

static gboolean soap_write_epr(GString *out, const PvEpr *epr, guint depth, GError **error);

static gboolean
soap_write_selector(GString *out, const char *name, const char *value, const PvEpr *epr,
    guint depth, GError **error)
{
	if (!soap_check_name("selector", name, error))
		return FALSE;
	g_string_append(out, "<w:Selector Name=\"");
	g_string_append(out, name);
	g_string_append(out, "\">");
	if (epr != NULL) {
		g_string_append(out, "<a:EndpointReference>");
		if (!soap_write_epr(out, epr, depth + 1, error))
			return FALSE;
		g_string_append(out, "</a:EndpointReference>");
	} else if (!soap_write_text(out, name, value != NULL ? value : "", error)) {
		return FALSE;
	}
	g_string_append(out, "</w:Selector>");
	return TRUE;
}

static gboolean
soap_write_epr(GString *out, const PvEpr *epr, guint depth, GError **error)
{
	if (depth > 4) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "write request: endpoint references are nested too deeply");
		return FALSE;
	}
	if (!soap_check_class(pv_epr_get_class(epr), error))
		return FALSE;
	g_string_append(
	    out, "<a:Address>" SOAP_ANONYMOUS "</a:Address><a:ReferenceParameters><w:ResourceURI>");
	soap_write_uri(out, pv_epr_get_class(epr));
	g_string_append(out, "</w:ResourceURI><w:SelectorSet>");
	for (guint i = 0; i < pv_epr_get_length(epr); i++) {
		const PvEprSelector *selector = pv_epr_get_nth(epr, i);
		if (!soap_write_selector(
			out, selector->name, selector->value, selector->epr, depth, error))
			return FALSE;
	}
	g_string_append(out, "</w:SelectorSet></a:ReferenceParameters>");
	return TRUE;
}

static gboolean soap_write_properties(
    GString *out, const PvInstance *instance, guint depth, GError **error);

/* r: the class of the request; q and on: embedded instances within each other */
static const char soap_prefixes[] = "rqpo";

static gboolean
soap_write_property(GString *out, const PvProperty *property, guint depth, GError **error)
{
	if (!soap_check_name("property", property->name, error))
		return FALSE;
	char prefix[] = { soap_prefixes[depth], ':', '\0' };
	g_string_append_c(out, '<');
	g_string_append(out, prefix);
	g_string_append(out, property->name);
	if (property->embedded != NULL) {
		if (soap_prefixes[depth + 1] == '\0') {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "write request: %s is embedded too deeply", property->name);
			return FALSE;
		}
		if (!soap_check_class(pv_instance_get_class(property->embedded), error))
			return FALSE;
		g_string_append_printf(out, " xmlns:%c=\"", soap_prefixes[depth + 1]);
		soap_write_uri(out, pv_instance_get_class(property->embedded));
		g_string_append_c(out, '"');
	}
	g_string_append_c(out, '>');
	gboolean ok;
	if (property->embedded != NULL) {
		ok = soap_write_properties(out, property->embedded, depth + 1, error);
	} else if (property->epr != NULL) {
		ok = soap_write_epr(out, property->epr, 0, error);
	} else if (property->is_datetime) {
		g_string_append(out, "<d:Datetime xmlns:d=\"" SOAP_NS_COMMON "\">");
		ok = soap_write_text(out, property->name, property->text, error);
		g_string_append(out, "</d:Datetime>");
	} else {
		ok = soap_write_text(out, property->name, property->text, error);
	}
	if (!ok)
		return FALSE;
	g_string_append(out, "</");
	g_string_append(out, prefix);
	g_string_append(out, property->name);
	g_string_append_c(out, '>');
	return TRUE;
}

static gboolean
soap_write_properties(GString *out, const PvInstance *instance, guint depth, GError **error)
{
	for (guint i = 0; i < pv_instance_get_length(instance); i++)
		if (!soap_write_property(out, pv_instance_get_property(instance, i), depth, error))
			return FALSE;
	return TRUE;
}

/* <r:NAMEsuffix xmlns:r="URI of the class">properties</r:NAMEsuffix> */
static gboolean
soap_write_content(GString *out, const char *class_name, const char *name, const char *suffix,
    const PvInstance *content, GError **error)
{
	g_string_append(out, "<r:");
	g_string_append(out, name);
	g_string_append(out, suffix);
	g_string_append(out, " xmlns:r=\"");
	soap_write_uri(out, class_name);
	g_string_append(out, "\">");
	if (content != NULL && !soap_write_properties(out, content, 0, error))
		return FALSE;
	g_string_append(out, "</r:");
	g_string_append(out, name);
	g_string_append(out, suffix);
	g_string_append_c(out, '>');
	return TRUE;
}

static gboolean
soap_write_body(GString *out, const PvSoapRequest *request, GError **error)
{
	switch (request->kind) {
	case PV_SOAP_PUT:
	case PV_SOAP_CREATE:
		return soap_write_content(
		    out, request->class_name, request->class_name, "", request->content, error);
	case PV_SOAP_INVOKE:
		return soap_write_content(
		    out, request->class_name, request->method, "_INPUT", request->content, error);
	case PV_SOAP_ENUMERATE:
		g_string_append(out, "<n:Enumerate xmlns:n=\"" SOAP_NS_ENUMERATION "\"/>");
		return TRUE;
	case PV_SOAP_PULL:
		/* the bounds that every client known to work sends */
		g_string_append(
		    out, "<n:Pull xmlns:n=\"" SOAP_NS_ENUMERATION "\"><n:EnumerationContext>");
		if (!soap_write_text(out, "EnumerationContext", request->context, error))
			return FALSE;
		g_string_append(out, "</n:EnumerationContext><n:MaxElements>999</n:MaxElements>"
				     "<n:MaxCharacters>99999</n:MaxCharacters></n:Pull>");
		return TRUE;
	case PV_SOAP_GET:
	case PV_SOAP_DELETE:
		return TRUE;
	}
	return TRUE;
}

static void
soap_write_action(GString *out, const PvSoapRequest *request)
{
	static const char *const actions[] = {
		[PV_SOAP_GET] = SOAP_NS_TRANSFER "/Get",
		[PV_SOAP_PUT] = SOAP_NS_TRANSFER "/Put",
		[PV_SOAP_CREATE] = SOAP_NS_TRANSFER "/Create",
		[PV_SOAP_DELETE] = SOAP_NS_TRANSFER "/Delete",
		[PV_SOAP_ENUMERATE] = SOAP_NS_ENUMERATION "/Enumerate",
		[PV_SOAP_PULL] = SOAP_NS_ENUMERATION "/Pull",
	};
	if (request->kind != PV_SOAP_INVOKE) {
		g_string_append(out, actions[request->kind]);
		return;
	}
	soap_write_uri(out, request->class_name);
	g_string_append_c(out, '/');
	g_string_append(out, request->method);
}

static gboolean
soap_write_selectors(GString *out, const PvSelector *selectors, GError **error)
{
	if (selectors == NULL || selectors->name == NULL)
		return TRUE;
	g_string_append(out, "<w:SelectorSet>");
	for (; selectors->name != NULL; selectors++)
		if (!soap_write_selector(out, selectors->name, selectors->value, NULL, 0, error))
			return FALSE;
	g_string_append(out, "</w:SelectorSet>");
	return TRUE;
}

gboolean
pv_soap_write(GString *out, const PvSoapRequest *request, GError **error)
{
	if (!soap_check_class(request->class_name, error))
		return FALSE;
	if (request->kind == PV_SOAP_INVOKE && !soap_check_name("method", request->method, error))
		return FALSE;
	g_string_append(out, SOAP_OPEN);
	soap_write_action(out, request);
	g_string_append(out, "</a:Action><a:To>/wsman</a:To><w:ResourceURI>");
	soap_write_uri(out, request->class_name);
	g_string_append_printf(out,
	    "</w:ResourceURI><a:MessageID>%u</a:MessageID><a:ReplyTo><a:Address>" SOAP_ANONYMOUS
	    "</a:Address></a:ReplyTo><w:OperationTimeout>PT%uS</w:OperationTimeout>",
	    request->message_id, request->timeout_sec);
	if (!soap_write_selectors(out, request->selectors, error))
		return FALSE;
	g_string_append(out, "</s:Header><s:Body>");
	if (!soap_write_body(out, request, error))
		return FALSE;
	g_string_append(out, "</s:Body></s:Envelope>");
	return TRUE;
}

/* ---- reading ---- */

struct PvSoapParser {
	xmlParserCtxt *context;
	guint depth;
	guint elements;
	const char *refusal; /* constant text; why the parser was stopped */
};

static void
soap_stop(xmlParserCtxt *context, const char *refusal)
{
	PvSoapParser *parser = context->_private;
	if (parser->refusal == NULL)
		parser->refusal = refusal;
	xmlStopParser(context);
}

/* SOAP 1.2, section 5: no document type declaration. Without one there are no entities to expand. */
static void
soap_refuse_doctype(
    void *data, const xmlChar *name, const xmlChar *public_id, const xmlChar *system_id)
{
	soap_stop(data, "it has a document type declaration");
}

static void
soap_start_element(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
    int namespace_count, const xmlChar **namespaces, int attribute_count, int default_count,
    const xmlChar **attributes)
{
	xmlParserCtxt *context = data;
	PvSoapParser *parser = context->_private;
	xmlSAX2StartElementNs(data, name, prefix, uri, namespace_count, namespaces, attribute_count,
	    default_count, attributes);
	if (++parser->depth > SOAP_MAX_DEPTH)
		soap_stop(context, "it is nested too deeply");
	else if (++parser->elements > SOAP_MAX_ELEMENTS)
		soap_stop(context, "it has too many elements");
}

static void
soap_end_element(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	xmlParserCtxt *context = data;
	PvSoapParser *parser = context->_private;
	parser->depth--;
	xmlSAX2EndElementNs(data, name, prefix, uri);
}

PvSoapParser *
pv_soap_parser_new(void)
{
	PvSoapParser *parser = g_new0(PvSoapParser, 1);
	parser->context = xmlNewParserCtxt();
	if (parser->context == NULL)
		g_error("out of memory");
	parser->context->_private = parser;
	parser->context->sax->internalSubset = soap_refuse_doctype;
	parser->context->sax->startElementNs = soap_start_element;
	parser->context->sax->endElementNs = soap_end_element;
	parser->context->sax->comment = NULL;
	parser->context->sax->processingInstruction = NULL;
	return parser;
}

void
pv_soap_parser_free(PvSoapParser *parser)
{
	if (parser == NULL)
		return;
	xmlFreeParserCtxt(parser->context);
	g_free(parser);
}

static void
soap_free_document(xmlDoc **document)
{
	if (*document != NULL)
		xmlFreeDoc(*document);
}

static gboolean
soap_is(const xmlNode *node, const char *namespace, const char *name)
{
	return strcmp((const char *)node->name, name) == 0 && node->ns != NULL &&
	       strcmp((const char *)node->ns->href, namespace) == 0;
}

static xmlNode *
soap_first(const xmlNode *parent)
{
	xmlNode *node = parent->children;
	while (node != NULL && node->type != XML_ELEMENT_NODE)
		node = node->next;
	return node;
}

static xmlNode *
soap_next(const xmlNode *sibling)
{
	xmlNode *node = sibling->next;
	while (node != NULL && node->type != XML_ELEMENT_NODE)
		node = node->next;
	return node;
}

static xmlNode *
soap_child(const xmlNode *parent, const char *namespace, const char *name)
{
	for (xmlNode *node = soap_first(parent); node != NULL; node = soap_next(node))
		if (soap_is(node, namespace, name))
			return node;
	return NULL;
}

static char *
soap_dup_text(const xmlNode *node)
{
	const xmlNode *first = node->children;
	if (first == NULL)
		return g_strdup("");
	if (first->next == NULL && first->type == XML_TEXT_NODE)
		return g_strdup((const char *)first->content);
	GString *text = g_string_new(NULL);
	for (; first != NULL; first = first->next)
		if (first->type == XML_TEXT_NODE || first->type == XML_CDATA_SECTION_NODE)
			g_string_append(text, (const char *)first->content);
	return g_string_free(text, FALSE);
}

/* the header-like texts (URIs, contexts, codes), where white space means nothing */
static char *
soap_dup_token(const xmlNode *node)
{
	return g_strstrip(soap_dup_text(node));
}

static const char *
soap_after(const char *text, char separator)
{
	const char *last = strrchr(text, separator);
	return last != NULL ? last + 1 : text;
}

static PvEpr *soap_read_epr(const xmlNode *node);

static void
soap_read_selector(PvEpr *epr, const xmlNode *node)
{
	xmlChar *name = xmlGetNoNsProp(node, (const xmlChar *)"Name");
	const xmlNode *inner = soap_child(node, SOAP_NS_ADDRESSING, "EndpointReference");
	PvEprSelector selector = { .name = g_strdup(name != NULL ? (const char *)name : "") };
	if (inner != NULL)
		selector.epr = soap_read_epr(inner);
	else
		selector.value = soap_dup_text(node);
	pv_epr_take(epr, selector);
	xmlFree(name);
}

/* what is within an EndpointReference or an element of that type (WS-Addressing 2004/08, section 2.2) */
static PvEpr *
soap_read_epr(const xmlNode *node)
{
	const xmlNode *parameters = soap_child(node, SOAP_NS_ADDRESSING, "ReferenceParameters");
	const xmlNode *resource =
	    parameters != NULL ? soap_child(parameters, SOAP_NS_WSMAN, "ResourceURI") : NULL;
	const xmlNode *set =
	    parameters != NULL ? soap_child(parameters, SOAP_NS_WSMAN, "SelectorSet") : NULL;
	g_autofree char *uri = resource != NULL ? soap_dup_token(resource) : g_strdup("");
	PvEpr *epr = pv_epr_new(soap_after(uri, '/'), NULL);
	const xmlNode *selector = set != NULL ? soap_first(set) : NULL;
	for (; selector != NULL; selector = soap_next(selector))
		if (soap_is(selector, SOAP_NS_WSMAN, "Selector"))
			soap_read_selector(epr, selector);
	return epr;
}

static gboolean
soap_is_nil(const xmlNode *node)
{
	if (node->properties == NULL)
		return FALSE;
	xmlChar *nil = xmlGetNsProp(node, (const xmlChar *)"nil", (const xmlChar *)SOAP_NS_XSI);
	gboolean is = nil != NULL && (strcmp((const char *)nil, "true") == 0 ||
					 strcmp((const char *)nil, "1") == 0);
	xmlFree(nil);
	return is;
}

static PvInstance *soap_read_instance(const xmlNode *node, const char *class_name);

static void
soap_read_property(PvInstance *instance, const xmlNode *node)
{
	if (soap_is_nil(node))
		return;
	PvProperty property = { .name = g_strdup((const char *)node->name) };
	const xmlNode *child = soap_first(node);
	const xmlNode *wrapped = soap_child(node, SOAP_NS_ADDRESSING, "EndpointReference");
	if (child == NULL) {
		property.text = soap_dup_text(node);
	} else if (wrapped != NULL) {
		property.epr = soap_read_epr(wrapped);
	} else if (soap_child(node, SOAP_NS_ADDRESSING, "ReferenceParameters") != NULL ||
		   soap_child(node, SOAP_NS_ADDRESSING, "Address") != NULL) {
		property.epr = soap_read_epr(node);
	} else if (soap_is(child, SOAP_NS_COMMON, "Datetime") ||
		   soap_is(child, SOAP_NS_COMMON, "Interval")) {
		property.is_datetime = soap_is(child, SOAP_NS_COMMON, "Datetime");
		property.text = soap_dup_token(child);
	} else {
		/* an embedded instance: its children are in the namespace of its class */
		const char *uri = child->ns != NULL ? (const char *)child->ns->href : "";
		property.embedded = soap_read_instance(node, soap_after(uri, '/'));
	}
	pv_instance_take(instance, property);
}

static PvInstance *
soap_read_instance(const xmlNode *node, const char *class_name)
{
	PvInstance *instance = pv_instance_new(class_name);
	for (xmlNode *child = soap_first(node); child != NULL; child = soap_next(child))
		soap_read_property(instance, child);
	return instance;
}

/* makes valid UTF-8 what an error text can quote: one line, not too long */
static void
soap_shorten(char *text)
{
	for (char *at = text; *at != '\0'; at++)
		if ((guchar)*at < 0x20 || *at == 0x7f)
			*at = ' ';
	char *end = text;
	while (*end != '\0' && g_utf8_next_char(end) - text <= SOAP_MAX_REASON)
		end = g_utf8_next_char(end);
	*end = '\0';
}

static void
soap_read_fault(PvSoapReply *reply, const xmlNode *fault)
{
	const xmlNode *code = soap_child(fault, SOAP_NS, "Code");
	for (const xmlNode *inner = code; inner != NULL;
	     inner = soap_child(inner, SOAP_NS, "Subcode")) {
		const xmlNode *value = soap_child(inner, SOAP_NS, "Value");
		if (value == NULL)
			continue;
		g_autofree char *name = soap_dup_token(value);
		g_free(reply->fault);
		reply->fault = g_strdup(soap_after(name, ':'));
	}
	if (reply->fault == NULL || !soap_is_name(reply->fault)) {
		g_free(reply->fault);
		reply->fault = g_strdup("Fault");
	}
	const xmlNode *reason = soap_child(fault, SOAP_NS, "Reason");
	const xmlNode *text = reason != NULL ? soap_child(reason, SOAP_NS, "Text") : NULL;
	if (text == NULL)
		return;
	reply->reason = soap_dup_token(text);
	soap_shorten(reply->reason);
}

static void
soap_read_enumeration(PvSoapReply *reply, const xmlNode *node)
{
	reply->is_enumeration = TRUE;
	for (xmlNode *child = soap_first(node); child != NULL; child = soap_next(child)) {
		if (soap_is(child, SOAP_NS_ENUMERATION, "EndOfSequence")) {
			reply->end = TRUE;
		} else if (soap_is(child, SOAP_NS_ENUMERATION, "EnumerationContext")) {
			g_free(reply->context);
			reply->context = soap_dup_token(child);
		} else if (soap_is(child, SOAP_NS_ENUMERATION, "Items")) {
			if (reply->items == NULL)
				reply->items = g_ptr_array_new_with_free_func(
				    (GDestroyNotify)pv_instance_free);
			for (xmlNode *item = soap_first(child); item != NULL;
			     item = soap_next(item))
				g_ptr_array_add(reply->items,
				    soap_read_instance(item, (const char *)item->name));
		}
	}
}

void
pv_soap_reply_free(PvSoapReply *reply)
{
	if (reply == NULL)
		return;
	g_free(reply->fault);
	g_free(reply->reason);
	pv_instance_free(reply->instance);
	pv_epr_free(reply->created);
	g_free(reply->context);
	g_clear_pointer(&reply->items, g_ptr_array_unref);
	g_free(reply);
}

static void
soap_set_parse_error(PvSoapParser *parser, GError **error)
{
	if (parser->refusal != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "read answer: %s", parser->refusal);
		return;
	}
	const xmlError *last = xmlCtxtGetLastError(parser->context);
	g_autofree char *message =
	    g_strdup(last != NULL && last->message != NULL ? last->message : "no document");
	g_autofree char *valid = g_utf8_make_valid(g_strstrip(message), -1);
	soap_shorten(valid);
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
	    "read answer: no well-formed XML: line %d: %s", last != NULL ? last->line : 0,
	    valid);
}

/* Behind what begins at @at, which is no tag: a comment, CDATA, a declaration */
static const char *
soap_skip_other(const char *at, const char *end)
{
	static const char *const forms[][2] = { { "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<", ">" } };
	gsize i = 0;
	while ((gsize)(end - at) < strlen(forms[i][0]) || strncmp(at, forms[i][0], strlen(forms[i][0])) != 0)
		i++;
	at += strlen(forms[i][0]);
	const char *close = g_strstr_len(at, end - at, forms[i][1]);
	return close != NULL ? close + strlen(forms[i][1]) : end;
}

/* The parser compares each attribute of a tag with all others, so that a tag costs time by the square of its length:
 * 13 s for one of 1 MiB, in which no cancellation is heard. */
static gboolean
soap_has_long_tag(const char *at, const char *end)
{
	while (at < end && (at = memchr(at, '<', (gsize)(end - at))) != NULL) {
		if (end - at > 1 && (at[1] == '!' || at[1] == '?')) {
			at = soap_skip_other(at, end);
			continue;
		}
		const char *begin = at;
		char quote = '\0';
		for (; at < end && (quote != '\0' || *at != '>'); at++) {
			if (at - begin > SOAP_MAX_TAG)
				return TRUE;
			if (*at == quote)
				quote = '\0';
			else if (quote == '\0' && (*at == '"' || *at == '\''))
				quote = *at;
		}
	}
	return FALSE;
}

static xmlDoc *
soap_load(PvSoapParser *parser, const char *data, gsize length_bytes, GError **error)
{
	if (length_bytes > PV_SOAP_MAX_BYTES) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read answer: it is longer than %d bytes", PV_SOAP_MAX_BYTES);
		return NULL;
	}
	if (length_bytes >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
		data += 3;
		length_bytes -= 3;
	}
	while (length_bytes > 0 &&
	       g_ascii_isspace(*data)) { /* real recordings have blanks before the declaration */
		data++;
		length_bytes--;
	}
	parser->depth = 0;
	parser->elements = 0;
	parser->refusal = NULL;
	if (soap_has_long_tag(data, data + length_bytes)) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read answer: it has a tag of more than %d bytes", SOAP_MAX_TAG);
		return NULL;
	}
	/* AMT says UTF-8 (Content-Type); a declaration that says otherwise is not followed */
	xmlDoc *document =
	    xmlCtxtReadMemory(parser->context, data, (int)length_bytes, NULL, "UTF-8",
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA |
		    XML_PARSE_COMPACT);
	if (document == NULL || parser->refusal != NULL) {
		soap_set_parse_error(parser, error);
		soap_free_document(&document);
		return NULL;
	}
	return document;
}

PvSoapReply *
pv_soap_parse(PvSoapParser *parser, const char *data, gsize length_bytes, GError **error)
{
	__attribute__((cleanup(soap_free_document))) xmlDoc *document =
	    soap_load(parser, data, length_bytes, error);
	if (document == NULL)
		return NULL;
	const xmlNode *root = xmlDocGetRootElement(document);
	const xmlNode *body = NULL;
	if (root != NULL && soap_is(root, SOAP_NS, "Envelope"))
		body = soap_child(root, SOAP_NS, "Body");
	if (body == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read answer: it is no SOAP 1.2 envelope with a body");
		return NULL;
	}
	PvSoapReply *reply = g_new0(PvSoapReply, 1);
	const xmlNode *content = soap_first(body);
	if (content == NULL)
		return reply;
	if (soap_is(content, SOAP_NS, "Fault"))
		soap_read_fault(reply, content);
	else if (soap_is(content, SOAP_NS_ENUMERATION, "EnumerateResponse") ||
		 soap_is(content, SOAP_NS_ENUMERATION, "PullResponse"))
		soap_read_enumeration(reply, content);
	else if (soap_is(content, SOAP_NS_TRANSFER, "ResourceCreated"))
		reply->created = soap_read_epr(content);
	else
		reply->instance = soap_read_instance(content, (const char *)content->name);
	return reply;
}
