/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/wsman.h>

G_BEGIN_DECLS

/* SOAP 1.2 envelopes of WS-Management as AMT reads and writes them (DMTF DSP0226). No I/O here. */

#define PV_SOAP_MAX_BYTES (1024 * 1024)

typedef enum {
	PV_SOAP_GET,
	PV_SOAP_PUT,
	PV_SOAP_CREATE,
	PV_SOAP_DELETE,
	PV_SOAP_ENUMERATE,
	PV_SOAP_PULL,
	PV_SOAP_INVOKE,
} PvSoapKind;

/* A request. All lent for the call. */
typedef struct {
	PvSoapKind kind;
	const char *class_name;
	const PvSelector *selectors; /* NULL: none */
	const char *method;          /* invoke */
	const PvInstance *content;   /* put, create: the instance; invoke: the parameters, NULL: none */
	const char *context;         /* pull */
	guint message_id;
	guint timeout_sec;
} PvSoapRequest;

/* Appends the envelope to @out. PV_ERROR_CONFIG: a class without a known namespace, a name or text that XML cannot
 * carry; @out is then of no use. */
gboolean pv_soap_write(GString *out, const PvSoapRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A reply: a fault, or what its body holds. */
typedef struct {
	char *fault;             /* local name of the innermost code, such as "DestinationUnreachable"; NULL: no fault */
	char *reason;            /* the fault's text in one line; may be NULL */
	PvInstance *instance;    /* the body's element when it is none of the others; NULL: an empty body */
	PvEpr *created;          /* ResourceCreated */
	gboolean is_enumeration; /* EnumerateResponse or PullResponse */
	char *context;           /* enumeration: where the next pull goes on; NULL: none */
	gboolean end;            /* enumeration: EndOfSequence */
	GPtrArray *items;        /* enumeration: of PvInstance; NULL: none */
} PvSoapReply;

void pv_soap_reply_free(PvSoapReply *reply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSoapReply, pv_soap_reply_free)

/* Keeps libxml2's buffers between replies; used by one thread at a time. */
typedef struct PvSoapParser PvSoapParser;
PvSoapParser *pv_soap_parser_new(void);
void pv_soap_parser_free(PvSoapParser *parser);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSoapParser, pv_soap_parser_free)

/**
 * pv_soap_parse:
 *
 * Reads an envelope: at most 1 MiB, 32 levels and 20000 elements, no DOCTYPE, no entity but the five of XML, nothing
 * is fetched. Names count by namespace and local name, never by prefix.
 *
 * Returns: (transfer full): the reply, or NULL with PV_ERROR_PROTOCOL.
 */
PvSoapReply *pv_soap_parse(PvSoapParser *parser, const char *data, gsize length_bytes, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
