/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * FakeAmt:
 *
 * A WS-Man peer that answers from rows, plain HTTP on 127.0.0.1, port 0, without a login. The rows are JSON: an
 * array, served in order; or {"order": "any", "rows": [...]}, where a request takes the first row that fits it
 * (rows are then served any number of times, or "times": N). A row:
 *
 *   { "expect": { "class": "AMT_GeneralSettings",
 *                 "method": "Get",                    Get Put Create Delete Enumerate Pull, or a method's name
 *                 "selectors": { "InstanceID": "…" }, all of them must be there
 *                 "contains": ["<r:HostName>pc1</r:HostName>"],
 *                 "lacks": ["NonSecureConnectionsSupported"] },
 *     "answer": { one of the forms below, "close": true } }
 *
 *   "body": "<g:AMT_GeneralSettings>…"    goes into Body. Bound prefixes: g the asked class, b addressing,
 *                                         c wsman, d transfer, e enumeration, h CIM common
 *   "properties": { "HostName": "pc1", "LinkPolicy": [1, 14] }   an instance of the asked class
 *   "output": { "Handle": 7, "ReturnValue": 0 }                  METHOD_OUTPUT
 *   "return": 2058                                               METHOD_OUTPUT with this ReturnValue only
 *   "items": [ {…}, { "class": "CIM_X", "properties": {…} } ]     for Enumerate: answers it and the Pull that follows
 *   "epr": { "class": "AMT_PublicKeyCertificate", "selectors": {…} }  ResourceCreated; within "output" as the
 *                                         value of a property: { "CreatedKey": { "epr": {…} }, "ReturnValue": 0 }
 *   "fault": "DestinationUnreachable", "text": "…"               HTTP 400 with that subcode
 *   "status": 503                                                an HTTP status without a body
 *   {}                                    the empty Body of a Delete
 *   "close": true                         alone: the connection is closed without an answer; else after it
 */
typedef struct FakeAmt FakeAmt;

FakeAmt *fake_amt_new_from_file(const char *path, GError **error);
FakeAmt *fake_amt_new_from_data(const char *name, const char *json, GError **error); /* @name: for messages */
void fake_amt_free(FakeAmt *fake);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeAmt, fake_amt_free)

guint fake_amt_get_port(FakeAmt *fake);

/* NULL: every request was expected and, with rows in order, every row was served. Else what went wrong first. Lent. */
const char *fake_amt_get_failure(FakeAmt *fake);

guint fake_amt_get_count(FakeAmt *fake);                 /* requests so far */
const char *fake_amt_get_body(FakeAmt *fake, guint i);   /* lent; read it when the client is done */
const char *fake_amt_get_answer(FakeAmt *fake, guint i); /* the same; NULL: none, or no envelope */
/* requests for that class and method so far; NULL: any */
guint fake_amt_count(FakeAmt *fake, const char *class_name, const char *method);

G_END_DECLS
