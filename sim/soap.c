/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/soap.h"

#include <libxml/parser.h>
#include <string.h>

#define SOAP_NS "http://www.w3.org/2003/05/soap-envelope"
#define ADDRESSING_NS "http://schemas.xmlsoap.org/ws/2004/08/addressing"
#define WSMAN_NS "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
#define TRANSFER_NS "http://schemas.xmlsoap.org/ws/2004/09/transfer"
#define ENUMERATION_NS "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
#define EVENTING_NS "http://schemas.xmlsoap.org/ws/2004/08/eventing"
#define TRUST_NS "http://schemas.xmlsoap.org/ws/2005/02/trust"
#define WSS_NS "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
#define BINDING_NS "http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd"
#define COMMON_NS "http://schemas.dmtf.org/wbem/wscim/1/common"
#define XSI_NS "http://www.w3.org/2001/XMLSchema-instance"
#define ANONYMOUS ADDRESSING_NS "/role/anonymous"
#define AMT_URI "http://intel.com/wbem/wscim/1/amt-schema/1/"
#define IPS_URI "http://intel.com/wbem/wscim/1/ips-schema/1/"
#define CIM_URI "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"

static void soap_refuse(PvSimRefusal *refusal, PvSimFaultCode code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void
soap_refuse(PvSimRefusal *refusal, PvSimFaultCode code, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_free(refusal->detail);
	refusal->code = code;
	refusal->detail = g_strdup_vprintf(format, arguments);
	va_end(arguments);
}

static gboolean
soap_is(xmlNodePtr node, const char *uri, const char *name)
{
	return node->type == XML_ELEMENT_NODE && node->ns != NULL &&
	       strcmp((const char *)node->ns->href, uri) == 0 &&
	       strcmp((const char *)node->name, name) == 0;
}

static xmlNodePtr
soap_next_element(xmlNodePtr node)
{
	while (node != NULL && node->type != XML_ELEMENT_NODE)
		node = node->next;
	return node;
}

static xmlNodePtr
soap_child(xmlNodePtr parent, const char *uri, const char *name)
{
	for (xmlNodePtr node = parent->children; node != NULL; node = node->next) {
		if (soap_is(node, uri, name))
			return node;
	}
	return NULL;
}

static char *
soap_dup_text(xmlNodePtr node)
{
	xmlChar *content = xmlNodeGetContent(node);
	char *text = g_strdup(content != NULL ? (const char *)content : "");
	xmlFree(content);
	return text;
}

static char *
soap_dup_child_text(xmlNodePtr parent, const char *uri, const char *name)
{
	xmlNodePtr node = soap_child(parent, uri, name);
	return node != NULL ? g_strstrip(soap_dup_text(node)) : NULL;
}

char *
pv_sim_soap_uri(const char *class_name)
{
	if (g_str_has_prefix(class_name, "AMT_"))
		return g_strconcat(AMT_URI, class_name, NULL);
	if (g_str_has_prefix(class_name, "IPS_"))
		return g_strconcat(IPS_URI, class_name, NULL);
	return g_strconcat(CIM_URI, class_name, NULL);
}

static PvSimEpr *soap_read_epr(xmlNodePtr node);

static void
soap_read_selectors(xmlNodePtr set, GPtrArray *selectors)
{
	for (xmlNodePtr node = set->children; node != NULL; node = node->next) {
		if (!soap_is(node, WSMAN_NS, "Selector"))
			continue;
		xmlChar *name = xmlGetNoNsProp(node, BAD_CAST "Name");
		if (name == NULL)
			continue;
		PvSimValue *value = g_new0(PvSimValue, 1);
		value->name = g_strdup((const char *)name);
		xmlNodePtr reference = soap_child(node, ADDRESSING_NS, "EndpointReference");
		if (reference != NULL)
			value->epr = soap_read_epr(reference);
		if (value->epr == NULL)
			value->text = soap_dup_text(node);
		g_ptr_array_add(selectors, value);
		xmlFree(name);
	}
}

/* NULL: no reference. What Address holds is not looked at, as by firmware (amt/01 section 5). */
static PvSimEpr *
soap_read_epr(xmlNodePtr node)
{
	xmlNodePtr parameters = soap_child(node, ADDRESSING_NS, "ReferenceParameters");
	g_autofree char *uri =
	    parameters != NULL ? soap_dup_child_text(parameters, WSMAN_NS, "ResourceURI") : NULL;
	if (uri == NULL)
		return NULL;
	const char *slash = strrchr(uri, '/');
	PvSimEpr *epr = pv_sim_epr_new(slash != NULL ? slash + 1 : uri);
	xmlNodePtr set = soap_child(parameters, WSMAN_NS, "SelectorSet");
	if (set != NULL)
		soap_read_selectors(set, epr->selectors);
	return epr;
}

static gboolean
soap_has_elements(xmlNodePtr node)
{
	return soap_next_element(node->children) != NULL;
}

/* The children are in a namespace of their own, that of the embedded class (amt/01 section 5); NULL: it is none */
static PvSimInstance *
soap_read_embedded(xmlNodePtr node, const char *resource_uri, PvSimRefusal *refusal)
{
	xmlNodePtr child = soap_next_element(node->children);
	if (child == NULL || child->ns == NULL ||
	    strcmp((const char *)child->ns->href, resource_uri) == 0)
		return NULL;
	const char *uri = (const char *)child->ns->href;
	const char *slash = strrchr(uri, '/');
	PvSimInstance *instance = pv_sim_soap_read_instance(node, uri, refusal);
	if (instance != NULL) {
		g_free(instance->class_name);
		instance->class_name = g_strdup(slash != NULL ? slash + 1 : uri);
	}
	return instance;
}

PvSimInstance *
pv_sim_soap_read_instance(xmlNodePtr parent, const char *resource_uri, PvSimRefusal *refusal)
{
	g_autoptr(PvSimInstance) instance = pv_sim_instance_new((const char *)parent->name);
	for (xmlNodePtr node = soap_next_element(parent->children); node != NULL;
	     node = soap_next_element(node->next)) {
		if (node->ns == NULL || strcmp((const char *)node->ns->href, resource_uri) != 0) {
			soap_refuse(refusal, PV_SIM_FAULT_SCHEMA,
			    "element %s is not in the namespace %s", (const char *)node->name,
			    resource_uri);
			return NULL;
		}
		PvSimEpr *epr = soap_has_elements(node) ? soap_read_epr(node) : NULL;
		if (epr != NULL) {
			pv_sim_instance_take_epr(instance, (const char *)node->name, epr);
			continue;
		}
		PvSimInstance *embedded = soap_read_embedded(node, resource_uri, refusal);
		if (refusal->code != PV_SIM_FAULT_NONE)
			return NULL;
		if (embedded != NULL) {
			pv_sim_instance_take_embedded(instance, (const char *)node->name, embedded);
			continue;
		}
		g_autofree char *text = soap_dup_text(node);
		pv_sim_instance_add(instance, (const char *)node->name, text);
	}
	return g_steal_pointer(&instance);
}

static gboolean
soap_read_action(PvSimRequest *request, const char *action, PvSimRefusal *refusal)
{
	static const struct {
		const char *uri;
		PvSimOp op;
	} actions[] = {
		{ TRANSFER_NS "/Get", PV_SIM_OP_GET },
		{ TRANSFER_NS "/Put", PV_SIM_OP_PUT },
		{ TRANSFER_NS "/Create", PV_SIM_OP_CREATE },
		{ TRANSFER_NS "/Delete", PV_SIM_OP_DELETE },
		{ ENUMERATION_NS "/Enumerate", PV_SIM_OP_ENUMERATE },
		{ ENUMERATION_NS "/Pull", PV_SIM_OP_PULL },
		{ ENUMERATION_NS "/Release", PV_SIM_OP_RELEASE },
	};
	for (guint i = 0; i < G_N_ELEMENTS(actions); i++) {
		if (strcmp(action, actions[i].uri) == 0) {
			request->op = actions[i].op;
			return TRUE;
		}
	}
	gsize length = strlen(request->resource_uri);
	if (strncmp(action, request->resource_uri, length) == 0 && action[length] == '/' &&
	    action[length + 1] != '\0') {
		request->op = PV_SIM_OP_INVOKE;
		request->method = g_strdup(action + length + 1);
		return TRUE;
	}
	soap_refuse(refusal, PV_SIM_FAULT_ACTION_NOT_SUPPORTED, "action %s does not belong to %s",
	    action, request->resource_uri);
	return FALSE;
}

static gboolean
soap_read_header(PvSimRequest *request, xmlNodePtr header, PvSimRefusal *refusal)
{
	g_autofree char *action = soap_dup_child_text(header, ADDRESSING_NS, "Action");
	g_autofree char *to = soap_dup_child_text(header, ADDRESSING_NS, "To");
	request->message_id = soap_dup_child_text(header, ADDRESSING_NS, "MessageID");
	request->resource_uri = soap_dup_child_text(header, WSMAN_NS, "ResourceURI");
	const char *missing = action == NULL		      ? "Action"
			      : to == NULL		      ? "To"
			      : request->message_id == NULL   ? "MessageID"
			      : request->resource_uri == NULL ? "ResourceURI"
							      : NULL;
	if (missing != NULL) {
		soap_refuse(refusal, PV_SIM_FAULT_INVALID_HEADER, "header %s is missing", missing);
		return FALSE;
	}
	const char *slash = strrchr(request->resource_uri, '/');
	request->class_name = g_strdup(slash != NULL ? slash + 1 : "");
	g_autofree char *expected = pv_sim_soap_uri(request->class_name);
	if (strcmp(expected, request->resource_uri) != 0) {
		soap_refuse(refusal, PV_SIM_FAULT_DESTINATION_UNREACHABLE, "no resource %s",
		    request->resource_uri);
		return FALSE;
	}
	xmlNodePtr set = soap_child(header, WSMAN_NS, "SelectorSet");
	if (set != NULL)
		soap_read_selectors(set, request->selectors);
	return soap_read_action(request, action, refusal);
}

static gboolean
soap_read_pull(PvSimRequest *request, PvSimRefusal *refusal)
{
	if (request->body == NULL || !soap_is(request->body, ENUMERATION_NS, "Pull")) {
		soap_refuse(refusal, PV_SIM_FAULT_SCHEMA, "the body of a Pull is no Pull element");
		return FALSE;
	}
	request->context = soap_dup_child_text(request->body, ENUMERATION_NS, "EnumerationContext");
	g_autofree char *elements =
	    soap_dup_child_text(request->body, ENUMERATION_NS, "MaxElements");
	g_autofree char *characters =
	    soap_dup_child_text(request->body, ENUMERATION_NS, "MaxCharacters");
	if (request->context == NULL) {
		soap_refuse(refusal, PV_SIM_FAULT_SCHEMA, "Pull without EnumerationContext");
		return FALSE;
	}
	/* DSP0226: one element when the client does not say */
	request->max_elements = elements != NULL ? (guint)g_ascii_strtoull(elements, NULL, 10) : 1;
	request->max_characters =
	    characters != NULL ? (guint)g_ascii_strtoull(characters, NULL, 10) : G_MAXUINT;
	return TRUE;
}

PvSimRequest *
pv_sim_request_parse(const char *data, gsize length, PvSimRefusal *refusal)
{
	g_autoptr(PvSimRequest) request = g_new0(PvSimRequest, 1);
	request->selectors = g_ptr_array_new_with_free_func((GDestroyNotify)pv_sim_value_free);
	request->doc = xmlReadMemory(data, (int)length, NULL, NULL,
	    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlNodePtr root = request->doc != NULL ? xmlDocGetRootElement(request->doc) : NULL;
	if (root == NULL || request->doc->intSubset != NULL ||
	    !soap_is(root, SOAP_NS, "Envelope")) {
		soap_refuse(refusal, PV_SIM_FAULT_SCHEMA, "the body is no SOAP 1.2 envelope");
		return NULL;
	}
	xmlNodePtr header = soap_child(root, SOAP_NS, "Header");
	xmlNodePtr body = soap_child(root, SOAP_NS, "Body");
	if (header == NULL || body == NULL) {
		soap_refuse(refusal, PV_SIM_FAULT_SCHEMA, "the envelope lacks its Header or Body");
		return NULL;
	}
	request->body = soap_next_element(body->children);
	if (!soap_read_header(request, header, refusal))
		return NULL;
	if (request->op == PV_SIM_OP_PULL && !soap_read_pull(request, refusal))
		return NULL;
	if (request->op == PV_SIM_OP_ENUMERATE &&
	    (request->body == NULL || !soap_is(request->body, ENUMERATION_NS, "Enumerate"))) {
		soap_refuse(refusal, PV_SIM_FAULT_SCHEMA,
		    "the body of an Enumerate is no Enumerate element");
		return NULL;
	}
	return g_steal_pointer(&request);
}

void
pv_sim_request_free(PvSimRequest *request)
{
	if (request == NULL)
		return;
	xmlFreeDoc(request->doc);
	g_free(request->class_name);
	g_free(request->resource_uri);
	g_free(request->message_id);
	g_free(request->method);
	g_free(request->context);
	g_ptr_array_unref(request->selectors);
	g_free(request);
}

const char *
pv_sim_op_name(PvSimOp op)
{
	static const char *const names[] = { "Get", "Put", "Create", "Delete", "Enumerate", "Pull",
		"Release", "Invoke" };
	return names[op];
}

char *
pv_sim_request_name(const PvSimRequest *request)
{
	const char *method =
	    request->op == PV_SIM_OP_INVOKE ? request->method : pv_sim_op_name(request->op);
	return g_strdup_printf("%s.%s", request->class_name, method);
}

/* The prefixes and their order are those of recorded answers (amt/01 section 5). @more: further declarations. */
static GString *
soap_open(const PvSimAnswer *answer, const char *action, const char *body_ns, const char *more)
{
	GString *xml = g_string_sized_new(2048);
	g_autofree char *uri = pv_sim_soap_uri(answer->class_name);
	g_string_append(xml,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a:Envelope xmlns:a=\"" SOAP_NS
	    "\" xmlns:b=\"" ADDRESSING_NS "\" xmlns:c=\"" WSMAN_NS "\" xmlns:d=\"" TRUST_NS
	    "\" xmlns:e=\"" WSS_NS "\" xmlns:f=\"" BINDING_NS "\"");
	if (body_ns != NULL)
		g_string_append_printf(xml, " xmlns:g=\"%s\"", body_ns);
	g_string_append_printf(xml,
	    "%s xmlns:xsi=\"" XSI_NS "\"><a:Header><b:To>" ANONYMOUS "</b:To><b:RelatesTo>", more);
	g_autofree char *relates = g_markup_escape_text(answer->relates_to, -1);
	g_string_append_printf(xml,
	    "%s</b:RelatesTo><b:Action a:mustUnderstand=\"true\">%s</b:Action>", relates, action);
	g_string_append_printf(
	    xml, "<b:MessageID>uuid:00000000-8086-8086-8086-%012X</b:MessageID>", answer->message);
	g_string_append_printf(xml, "<c:ResourceURI>%s</c:ResourceURI></a:Header><a:Body>", uri);
	return xml;
}

static GString *
soap_close(GString *xml)
{
	return g_string_append(xml, "</a:Body></a:Envelope>");
}

static void
soap_append_text(GString *xml, const char *text)
{
	g_autofree char *escaped = g_markup_escape_text(text, -1);
	g_string_append(xml, escaped);
}

static void
soap_append_epr(GString *xml, const PvSimEpr *epr)
{
	g_autofree char *uri = pv_sim_soap_uri(epr->class_name);
	g_string_append_printf(xml,
	    "<b:Address>" ANONYMOUS
	    "</b:Address><b:ReferenceParameters><c:ResourceURI>%s</c:ResourceURI><c:SelectorSet>",
	    uri);
	for (guint i = 0; i < epr->selectors->len; i++) {
		const PvSimValue *selector = epr->selectors->pdata[i];
		g_string_append_printf(xml, "<c:Selector Name=\"%s\">", selector->name);
		if (selector->epr != NULL) {
			g_string_append(xml, "<b:EndpointReference>");
			soap_append_epr(xml, selector->epr);
			g_string_append(xml, "</b:EndpointReference>");
		} else {
			soap_append_text(xml, selector->text);
		}
		g_string_append(xml, "</c:Selector>");
	}
	g_string_append(xml, "</c:SelectorSet></b:ReferenceParameters>");
}

static void
soap_append_values(GString *xml, const char *prefix, const PvSimInstance *instance)
{
	for (guint i = 0; i < instance->values->len; i++) {
		const PvSimValue *value = instance->values->pdata[i];
		g_string_append_printf(xml, "<%s:%s>", prefix, value->name);
		if (value->epr != NULL)
			soap_append_epr(xml, value->epr);
		else
			soap_append_text(xml, value->text);
		g_string_append_printf(xml, "</%s:%s>", prefix, value->name);
	}
}

static void
soap_append_instance(GString *xml, const char *prefix, PvSimInstance *instance)
{
	pv_sim_instance_sort(instance);
	g_string_append_printf(xml, "<%s:%s>", prefix, instance->class_name);
	soap_append_values(xml, prefix, instance);
	g_string_append_printf(xml, "</%s:%s>", prefix, instance->class_name);
}

GString *
pv_sim_soap_instance(const PvSimAnswer *answer, const char *action, PvSimInstance *instance)
{
	g_autofree char *uri = pv_sim_soap_uri(answer->class_name);
	g_autofree char *full = g_strconcat(TRANSFER_NS "/", action, "Response", NULL);
	GString *xml =
	    soap_open(answer, full, uri, answer->common ? " xmlns:h=\"" COMMON_NS "\"" : "");
	soap_append_instance(xml, "g", instance);
	return soap_close(xml);
}

GString *
pv_sim_soap_output(const PvSimAnswer *answer, const char *method, const PvSimInstance *output)
{
	g_autofree char *uri = pv_sim_soap_uri(answer->class_name);
	g_autofree char *action = g_strdup_printf("%s/%sResponse", uri, method);
	GString *xml = soap_open(
	    answer, action, uri, answer->common_output ? " xmlns:h=\"" COMMON_NS "\"" : "");
	g_string_append_printf(xml, "<g:%s_OUTPUT>", method);
	soap_append_values(xml, "g", output);
	g_string_append_printf(xml, "</g:%s_OUTPUT>", method);
	return soap_close(xml);
}

GString *
pv_sim_soap_created(const PvSimAnswer *answer, const PvSimEpr *epr)
{
	GString *xml = soap_open(answer, TRANSFER_NS "/CreateResponse", TRANSFER_NS, "");
	g_string_append(xml, "<g:ResourceCreated>");
	soap_append_epr(xml, epr);
	g_string_append(xml, "</g:ResourceCreated>");
	return soap_close(xml);
}

GString *
pv_sim_soap_deleted(const PvSimAnswer *answer)
{
	return soap_close(soap_open(answer, TRANSFER_NS "/DeleteResponse", NULL, ""));
}

GString *
pv_sim_soap_enumerated(const PvSimAnswer *answer, const char *context)
{
	GString *xml = soap_open(answer, ENUMERATION_NS "/EnumerateResponse", ENUMERATION_NS, "");
	g_string_append_printf(xml,
	    "<g:EnumerateResponse><g:EnumerationContext>%s</g:EnumerationContext></"
	    "g:EnumerateResponse>",
	    context);
	return soap_close(xml);
}

GString *
pv_sim_soap_released(const PvSimAnswer *answer)
{
	return soap_close(soap_open(answer, ENUMERATION_NS "/ReleaseResponse", NULL, ""));
}

GString *
pv_sim_soap_pulled(
    const PvSimAnswer *answer, PvSimInstance *const *items, guint count, const char *next_context)
{
	/* one prefix per class among the items, from h on */
	g_autoptr(GPtrArray) classes = g_ptr_array_new();
	g_autoptr(GString) more = g_string_new(NULL);
	for (guint i = 0; i < count; i++) {
		if (g_ptr_array_find_with_equal_func(
			classes, items[i]->class_name, g_str_equal, NULL))
			continue;
		g_autofree char *uri = pv_sim_soap_uri(items[i]->class_name);
		g_string_append_printf(more, " xmlns:%c=\"%s\"", 'h' + (int)classes->len, uri);
		g_ptr_array_add(classes, items[i]->class_name);
	}
	if (answer->common)
		g_string_append_printf(
		    more, " xmlns:%c=\"" COMMON_NS "\"", 'h' + (int)classes->len);

	GString *xml = soap_open(answer, ENUMERATION_NS "/PullResponse", ENUMERATION_NS, more->str);
	g_string_append(xml, "<g:PullResponse>");
	if (next_context != NULL)
		g_string_append_printf(
		    xml, "<g:EnumerationContext>%s</g:EnumerationContext>", next_context);
	g_string_append(xml, "<g:Items>");
	for (guint i = 0; i < count; i++) {
		guint found = 0;
		gboolean known = g_ptr_array_find_with_equal_func(
		    classes, items[i]->class_name, g_str_equal, &found);
		g_assert(known); /* entered above */
		const char prefix[2] = { (char)('h' + found), '\0' };
		soap_append_instance(xml, prefix, items[i]);
	}
	g_string_append_printf(xml, "</g:Items>%s</g:PullResponse>",
	    next_context == NULL ? "<g:EndOfSequence></g:EndOfSequence>" : "");
	return soap_close(xml);
}

/* DSP0226 annex C; texts other than DestinationUnreachable's and AlreadyExists' are not recorded */
static const struct {
	const char *subcode;
	gboolean addressing;
	const char *text;
} soap_faults[] = {
	[PV_SIM_FAULT_NONE] = { "e:InternalError", FALSE, "" },
	[PV_SIM_FAULT_DESTINATION_UNREACHABLE] = { "b:DestinationUnreachable", TRUE,
	    "No route can be determined to reach the destination role defined by the WSAddressing "
	    "To." },
	[PV_SIM_FAULT_ACTION_NOT_SUPPORTED] = { "b:ActionNotSupported", TRUE,
	    "The action is not supported by the service." },
	[PV_SIM_FAULT_INVALID_HEADER] = { "b:InvalidMessageInformationHeader", TRUE,
	    "A message information header is not valid and the message cannot be processed." },
	[PV_SIM_FAULT_INVALID_SELECTORS] = { "e:InvalidSelectors", FALSE,
	    "The Selectors for the resource are not valid." },
	[PV_SIM_FAULT_SCHEMA] = { "e:SchemaValidationError", FALSE,
	    "The supplied SOAP violates the corresponding XML schema definition." },
	[PV_SIM_FAULT_ACCESS_DENIED] = { "e:AccessDenied", FALSE,
	    "The sender was not authorized to access the resource." },
	[PV_SIM_FAULT_ALREADY_EXISTS] = { "e:AlreadyExists", FALSE,
	    "The sender attempted to create a resource which already exists." },
	[PV_SIM_FAULT_ENCODING_LIMIT] = { "e:EncodingLimit", FALSE,
	    "An internal encoding limit was exceeded in a request or would be violated if the "
	    "message were processed." },
	[PV_SIM_FAULT_INVALID_CONTEXT] = { "c:InvalidEnumerationContext", FALSE,
	    "The supplied enumeration context is invalid." },
	[PV_SIM_FAULT_INTERNAL] = { "e:InternalError", FALSE,
	    "The service cannot comply with the request due to internal processing errors." },
};

const char *
pv_sim_soap_fault_name(PvSimFaultCode code)
{
	return soap_faults[code].subcode + 2;
}

PvSimFaultCode
pv_sim_soap_fault_find(const char *name)
{
	for (guint i = PV_SIM_FAULT_NONE + 1; i < G_N_ELEMENTS(soap_faults); i++) {
		if (g_strcmp0(pv_sim_soap_fault_name(i), name) == 0)
			return i;
	}
	return PV_SIM_FAULT_NONE;
}

GString *
pv_sim_soap_fault(const char *relates_to, guint message, PvSimFaultCode code)
{
	GString *xml = g_string_sized_new(1536);
	g_autofree char *relates = g_markup_escape_text(relates_to != NULL ? relates_to : "", -1);
	g_string_append(xml,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a:Envelope xmlns:a=\"" SOAP_NS
	    "\" xmlns:b=\"" ADDRESSING_NS "\" xmlns:c=\"" ENUMERATION_NS "\" xmlns:d=\"" TRANSFER_NS
	    "\" xmlns:e=\"" WSMAN_NS "\" xmlns:f=\"" EVENTING_NS "\" xmlns:g=\"" BINDING_NS
	    "\" xmlns:h=\"" TRUST_NS "\" xmlns:i=\"" WSS_NS "\" xmlns:xsi=\"" XSI_NS
	    "\"><a:Header><b:To>" ANONYMOUS "</b:To><b:RelatesTo>");
	g_string_append_printf(xml,
	    "%s</b:RelatesTo><b:Action a:mustUnderstand=\"true\">%s</b:Action>", relates,
	    soap_faults[code].addressing ? ADDRESSING_NS "/fault"
					 : "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault");
	g_string_append_printf(xml,
	    "<b:MessageID>uuid:00000000-8086-8086-8086-%012X</b:MessageID></a:Header><a:Body>",
	    message);
	g_string_append_printf(xml,
	    "<a:Fault><a:Code><a:Value>a:%s</a:Value><a:Subcode><a:Value>%s</a:Value></a:Subcode></"
	    "a:Code><a:Reason>"
	    "<a:Text xml:lang=\"en-US\">%s</a:Text></a:Reason><a:Detail></a:Detail></a:Fault>",
	    code == PV_SIM_FAULT_INTERNAL ? "Receiver" : "Sender", soap_faults[code].subcode,
	    soap_faults[code].text);
	return soap_close(xml);
}

static char *
soap_dup_answer_action(const PvSimRequest *request)
{
	if (request->op == PV_SIM_OP_INVOKE)
		return g_strdup_printf("%s/%sResponse", request->resource_uri, request->method);
	gboolean enumerates = request->op == PV_SIM_OP_ENUMERATE || request->op == PV_SIM_OP_PULL ||
			      request->op == PV_SIM_OP_RELEASE;
	return g_strdup_printf("%s/%sResponse", enumerates ? ENUMERATION_NS : TRANSFER_NS,
	    pv_sim_op_name(request->op));
}

GString *
pv_sim_soap_wrap(const PvSimRequest *request, guint message, const char *content)
{
	GString *xml = g_string_sized_new(2048);
	g_autofree char *relates = g_markup_escape_text(request->message_id, -1);
	g_autofree char *plain = soap_dup_answer_action(request);
	g_autofree char *action = g_markup_escape_text(plain, -1);
	g_autofree char *uri = g_markup_escape_text(request->resource_uri, -1);
	g_string_append_printf(xml,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a:Envelope xmlns:a=\"" SOAP_NS
	    "\" xmlns:b=\"" ADDRESSING_NS "\" xmlns:c=\"" WSMAN_NS "\" xmlns:d=\"" TRANSFER_NS
	    "\" xmlns:e=\"" ENUMERATION_NS "\" xmlns:g=\"%s\" xmlns:h=\"" COMMON_NS
	    "\" xmlns:xsi=\"" XSI_NS "\"><a:Header><b:To>" ANONYMOUS
	    "</b:To><b:RelatesTo>%s</b:RelatesTo><b:Action a:mustUnderstand=\"true\">%s</b:Action>"
	    "<b:MessageID>uuid:00000000-8086-8086-8086-%012X</b:MessageID>"
	    "<c:ResourceURI>%s</c:ResourceURI></a:Header><a:Body>",
	    uri, relates, action, message, uri);
	g_string_append(xml, content);
	return soap_close(xml);
}

void
pv_sim_soap_write_epr(GString *xml, const PvSimEpr *epr)
{
	soap_append_epr(xml, epr);
}
