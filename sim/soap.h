/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/instance.h"

#include <libxml/tree.h>

G_BEGIN_DECLS

/* WS-Management envelopes as firmware reads and writes them: DMTF DSP0226, amt/01 section 5 */

typedef enum {
	PV_SIM_OP_GET,
	PV_SIM_OP_PUT,
	PV_SIM_OP_CREATE,
	PV_SIM_OP_DELETE,
	PV_SIM_OP_ENUMERATE,
	PV_SIM_OP_PULL,
	PV_SIM_OP_RELEASE,
	PV_SIM_OP_INVOKE,
} PvSimOp;

typedef enum {
	PV_SIM_FAULT_NONE,
	PV_SIM_FAULT_DESTINATION_UNREACHABLE,
	PV_SIM_FAULT_ACTION_NOT_SUPPORTED,
	PV_SIM_FAULT_INVALID_HEADER,
	PV_SIM_FAULT_INVALID_SELECTORS,
	PV_SIM_FAULT_SCHEMA,
	PV_SIM_FAULT_ACCESS_DENIED,
	PV_SIM_FAULT_ALREADY_EXISTS,
	PV_SIM_FAULT_ENCODING_LIMIT,
	PV_SIM_FAULT_INVALID_CONTEXT,
	PV_SIM_FAULT_INTERNAL,
} PvSimFaultCode;

typedef struct {
	PvSimOp op;
	xmlDocPtr doc;
	char *class_name; /* last part of the ResourceURI */
	char *resource_uri;
	char *message_id;
	char *method; /* of an Invoke */
	GPtrArray *selectors; /* of PvSimValue */
	xmlNodePtr body; /* first element in the Body, or NULL; lent by doc */
	char *context; /* Pull */
	guint max_elements; /* Pull */
	guint max_characters; /* Pull */
} PvSimRequest;

/* Why a request is refused: what the client gets, and what the log says */
typedef struct {
	PvSimFaultCode code;
	char *detail; /* for the log; g_free() */
} PvSimRefusal;

/* NULL: refused, see @refusal. Free with pv_sim_request_free(). */
PvSimRequest *pv_sim_request_parse(const char *data, gsize length, PvSimRefusal *refusal);
void pv_sim_request_free(PvSimRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimRequest, pv_sim_request_free)
/* "Class.Method", "Class.Put" ... for the fault script and the counters; g_free() */
char *pv_sim_request_name(const PvSimRequest *request);
const char *pv_sim_op_name(PvSimOp op);

/* The children of an element as an instance: text, references, embedded instances. All must be in the namespace of
 * @resource_uri; NULL: refused. */
PvSimInstance *pv_sim_soap_read_instance(
    xmlNodePtr node, const char *resource_uri, PvSimRefusal *refusal);
/* "http://intel.com/wbem/wscim/1/amt-schema/1/AMT_X"; g_free() */
char *pv_sim_soap_uri(const char *class_name);

/* Answers; all g_free() with g_string_free */
typedef struct {
	const char *relates_to;
	const char *class_name; /* of the ResourceURI */
	guint message; /* the device's counter */
	gboolean common; /* firmware declares the CIM common namespace for this class */
	gboolean common_output; /* ... and for what its methods return */
} PvSimAnswer;

GString *pv_sim_soap_instance(
    const PvSimAnswer *answer, const char *action, PvSimInstance *instance);
GString *pv_sim_soap_output(
    const PvSimAnswer *answer, const char *method, const PvSimInstance *output);
GString *pv_sim_soap_created(const PvSimAnswer *answer, const PvSimEpr *epr);
GString *pv_sim_soap_deleted(const PvSimAnswer *answer);
GString *pv_sim_soap_enumerated(const PvSimAnswer *answer, const char *context);
GString *pv_sim_soap_released(const PvSimAnswer *answer);
/* @next_context: NULL: the sequence ends here */
GString *pv_sim_soap_pulled(
    const PvSimAnswer *answer, PvSimInstance *const *items, guint count, const char *next_context);
/* An answer whose Body is the text @content. Prefixes bound in it: a SOAP, b addressing, c WS-Management, d transfer,
 * e enumeration, g the class that was asked, h CIM common */
GString *pv_sim_soap_wrap(const PvSimRequest *request, guint message, const char *content);
/* What is within a reference, with the prefixes of pv_sim_soap_wrap() */
void pv_sim_soap_write_epr(GString *xml, const PvSimEpr *epr);
GString *pv_sim_soap_fault(const char *relates_to, guint message, PvSimFaultCode code);
/* "SchemaValidationError"; for the log */
const char *pv_sim_soap_fault_name(PvSimFaultCode code);
/* The reverse; PV_SIM_FAULT_NONE: no such name */
PvSimFaultCode pv_sim_soap_fault_find(const char *name);

G_END_DECLS
