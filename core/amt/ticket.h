/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/kerberos.h>

G_BEGIN_DECLS

/* How a login by Kerberos ticket stands (HTTP Negotiate, RFC 4559). */
typedef enum {
	PV_TICKET_UNTRIED,      /* the device has not asked for a login yet */
	PV_TICKET_TRYING,       /* a token was sent, or is about to be */
	PV_TICKET_ACCEPTED,
	PV_TICKET_NOT_OFFERED,  /* the device has Kerberos off, or has none */
	PV_TICKET_MISSING,      /* no ticket could be got, or it is too large */
	PV_TICKET_REFUSED,      /* another key, a wrong clock, or nobody whom it knows: the device does not say */
	PV_TICKET_UNAUTHORIZED, /* the device has shown that it knows the ticket's key, and lets its owner do nothing */
} PvTicketState;

/* The side of a session that logs in by ticket. Every request carries a token of its own, so that it does not matter
 * whether a device logs in connections or requests. */
typedef struct PvTicket PvTicket;

/* @service: "HTTP/FQDN:PORT", always with the port: the key of the plain name is that of the operating system's account */
PvTicket *pv_ticket_new(PvKerberos *kerberos, const char *service);
void pv_ticket_free(PvTicket *ticket);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvTicket, pv_ticket_free)

PvTicketState pv_ticket_get_state(const PvTicket *ticket);
const GError *pv_ticket_get_problem(const PvTicket *ticket); /* why not, with cause and remedy; NULL: no problem. Lent */
const char *pv_ticket_get_user(const PvTicket *ticket); /* NAME@REALM */

/* As before the first login. */
void pv_ticket_reset(PvTicket *ticket);

/**
 * pv_ticket_offer:
 * @challenges: values of the WWW-Authenticate headers of a 401; ends with NULL
 * @version: (nullable): AMT's version
 *
 * The device asks for a login: gets a ticket if it takes one.
 *
 * Returns: whether to send the request again, with a token; else the state says why not. FALSE with @error only when
 * cancelled.
 */
gboolean pv_ticket_offer(PvTicket *ticket, const char *const *challenges, const char *version, GCancellable *cancellable, GError **error);

/* Whether requests are to carry a token. */
gboolean pv_ticket_is_used(const PvTicket *ticket);

/* Appends the value of an Authorization header for one request. */
gboolean pv_ticket_answer(PvTicket *ticket, GString *out, GError **error);

/**
 * pv_ticket_judge:
 * @status: of the answer to a request with a token
 * @proved: whether TLS has proved who the device is; else its own token must
 *
 * Returns: whether the answer is to be looked at. FALSE and no error: send the request again, with a token if
 * pv_ticket_is_used(), else by another login. PV_ERROR_AUTH: the answer is not the device's.
 */
gboolean pv_ticket_judge(PvTicket *ticket, guint status, const char *const *challenges, gboolean proved, GCancellable *cancellable, GError **error);

G_END_DECLS
