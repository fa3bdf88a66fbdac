/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/provost.h>

G_BEGIN_DECLS

/* WS-Trust enrolment (MS-WSTEP) over SOAP 1.2: the requests as text, and what the answers say. */

/* Who asks within the message; all NULL where TLS or HTTP says it. */
typedef struct {
	const char *url;      /* of the service: wsa:To */
	const char *user;     /* WSSE UsernameToken; NULL: none */
	PvSecret *password;
} AdcsHeader;

/* A request's text, wiped when it is freed, for it may hold the password. NULL: PV_ERROR_CONFIG, a value that XML cannot
 * carry. g_bytes_unref() */
GBytes *adcs_enrol_new_request(const AdcsHeader *header, GBytes *csr_der, GError **error);
GBytes *adcs_enrol_new_query(const AdcsHeader *header, const char *request_id, GError **error);
/* the policy service's GetPolicies (MS-XCEP 3.1.4.1) */
GBytes *adcs_enrol_new_get_policies(const AdcsHeader *header, GError **error);

typedef struct {
	PvCaOutcome outcome;
	GBytes *certificate;  /* DER; issued */
	GPtrArray *chain;     /* of GBytes DER, what came along; never NULL when issued, may be empty */
	char *request_id;     /* the CA's; NULL: it told none */
	char *poll_uri;       /* pending: where to ask again, unchecked; NULL: it told none */
	char *text;           /* disposition, one line; NULL: none */
} AdcsAnswer;

void adcs_answer_clear(AdcsAnswer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AdcsAnswer, adcs_answer_clear)

/* What an answer of the enrolment service, a fault included, says. FALSE: nothing was decided; UNREACHABLE: the service
 * does not reach its CA; AUTH: it did not believe who asks; CONFIG: it is another service; PROTOCOL */
gboolean adcs_enrol_parse(GBytes *body, AdcsAnswer *answer, GError **error);

/* The error that a SOAP fault of either service stands for, without a decision of a CA. FALSE: the body is none */
gboolean adcs_enrol_read_fault(GBytes *body, const char *what, GError **error);

G_END_DECLS
