/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * RequestCheck:
 *
 * Compares WS-Man requests, element by element, with what the protocol's documents say of them: the envelope by
 * amt/01 section 5 in code, class and method by the rows of tests/conformance/requests.json, which are written from the
 * documents and never from what the client sends. A row:
 *
 *   "request": "AMT_AuthorizationService.RemoveUserAclEntry"   class, and method or Get Put Create Delete Enumerate Pull
 *   "cites": "amt/05 section 1"       where it is written
 *   "selectors": { "InstanceID": "Intel(r) AMT Key: Handle: *" }   all there must be; absent: no SelectorSet
 *   "body": { "Handle": "uint 0..4294967295" }   the children, in this order; those of a Put in ASCII order, as in answers
 *   "either": [ ["A", "B"], ["C"] ]   the members of exactly one list are there, and all of them
 *   "left-out": [ "X" ]               of a Put: what need not go back although it was got; all other properties must
 *
 * A name ends in ? (may be absent), * (any number of values) or + (one or more). A value is
 *
 *   "bool"               true or false
 *   "uint 0..2", "uint 2,3"   decimal, in the range or list
 *   "text 1..16"         so many bytes of UTF-8
 *   "like Intel(r) *"    text with wildcards
 *   "bytes 16", "bytes 4..28/4"   base64 of so many bytes, a multiple of 4
 *   "der 1..4100"        base64 of one DER SEQUENCE of so many bytes
 *   "user", "password"   by the rules of amt/04 section 6
 *   { "epr": CLASS, "selectors": {…} }        an endpoint reference
 *   { "instance": CLASS, "body": {…} }        an embedded instance
 */
typedef struct RequestCheck RequestCheck;

RequestCheck *request_check_new(void); /* a row that makes no sense ends the test */
void request_check_free(RequestCheck *check);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RequestCheck, request_check_free)

/* NULL: the request is as documented; else what is not. *name: "CLASS.METHOD", or NULL. Both (transfer full) */
char *request_check_compare(const RequestCheck *check, const char *request, char **name);
/* NULL: a Put sends back all that the answer said of the instance, but what its row leaves out; else what not.
 * *found: whether the answer has the instance. (transfer full) */
char *request_check_compare_kept(const RequestCheck *check, const char *request, const char *answer, gboolean *found);
/* Breaks a request that is as documented in every place, one at a time; NULL: the comparison saw all of it; else what
 * it did not see. (transfer full) */
char *request_check_find_blind(const RequestCheck *check, const char *request);

G_END_DECLS
