/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <libxml/tree.h>
#include <provost/provost.h>

G_BEGIN_DECLS

/* namespaces of the two protocols (MS-XCEP 2.2.1, MS-WSTEP 2.2.1) */
#define ADCS_NS_SOAP "http://www.w3.org/2003/05/soap-envelope"
#define ADCS_NS_ADDRESSING "http://www.w3.org/2005/08/addressing"
#define ADCS_NS_TRUST "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
#define ADCS_NS_SECURITY "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
#define ADCS_NS_ENROLLMENT "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
#define ADCS_NS_POLICY "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"
#define ADCS_NS_XSI "http://www.w3.org/2001/XMLSchema-instance"

/* largest answers that are read: a forest may have hundreds of templates */
#define ADCS_POLICY_MAX_BYTES (4 * 1024 * 1024)
#define ADCS_ANSWER_MAX_BYTES (256 * 1024)

typedef xmlDoc AdcsDocument;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AdcsDocument, xmlFreeDoc)

/* Reads what a server said: no document type, no entities, no network; depth, elements and bytes are bounded.
 * @what: for the error, such as "the policy server's answer". NULL: PV_ERROR_PROTOCOL */
AdcsDocument *adcs_xml_parse(GBytes *data, gsize max_bytes, const char *what, GError **error);

/* The first child element of that name, or the next one behind @node; NULL: none. NULL is taken and has no children. */
const xmlNode *adcs_xml_child(const xmlNode *node, const char *ns, const char *name);
const xmlNode *adcs_xml_next(const xmlNode *node, const char *ns, const char *name);
/* the first one of that name in the envelope's Body; NULL: none, or no envelope */
const xmlNode *adcs_xml_body(AdcsDocument *document, const char *ns, const char *name);

/* The text of an element without white space around it, valid UTF-8 without control characters (they become blanks),
 * cut at @max bytes; NULL: no element, empty, or xsi:nil. g_free() */
char *adcs_xml_dup_text(const xmlNode *node, gsize max);
gboolean adcs_xml_get_number(const xmlNode *node, gint64 minimum, gint64 maximum, gint64 *number); /* FALSE: none, or out of range */
gboolean adcs_xml_is_true(const xmlNode *node); /* xs:boolean: "true" or "1" */
GBytes *adcs_xml_dup_binary(const xmlNode *node, gsize max); /* base64, white space anywhere; NULL: none, bad or longer */

/* Text made fit for one line of an error or a log: no control characters, at most @max bytes. g_free() */
char *adcs_text_dup_line(const char *text, gssize length, gsize max);

/* Appends @text as character data; FALSE: it is no UTF-8 or XML cannot carry it. */
gboolean adcs_xml_append(GString *out, const char *text);

G_END_DECLS
