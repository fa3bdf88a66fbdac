/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/ticket.h"

#include <provost/error.h>

#include <stdlib.h>
#include <string.h>

#define TICKET_SCHEME "Negotiate"
#define TICKET_SMALL_VERSION 6 /* of AMT: before it, a header takes 4 KiB of token */
#define TICKET_SMALL_BYTES 4096

struct PvTicket {
	PvKerberos *kerberos;
	char *service;
	PvTicketState state;
	GError *problem; /* NULL: none */
	PvNegotiate *negotiate; /* of the request in flight; NULL: none */
	guint kvno; /* of the ticket in use */
	gboolean renewed; /* a ticket was thrown away for another one already */
};

PvTicket *
pv_ticket_new(PvKerberos *kerberos, const char *service)
{
	PvTicket *ticket = g_new0(PvTicket, 1);
	ticket->kerberos = pv_kerberos_ref(kerberos);
	ticket->service = g_strdup(service);
	return ticket;
}

void
pv_ticket_free(PvTicket *ticket)
{
	if (ticket == NULL)
		return;
	pv_ticket_reset(ticket);
	pv_kerberos_unref(ticket->kerberos);
	g_free(ticket->service);
	g_free(ticket);
}

void
pv_ticket_reset(PvTicket *ticket)
{
	g_clear_pointer(&ticket->negotiate, pv_negotiate_free);
	g_clear_error(&ticket->problem);
	ticket->state = PV_TICKET_UNTRIED;
	ticket->renewed = FALSE;
}

PvTicketState
pv_ticket_get_state(const PvTicket *ticket)
{
	return ticket->state;
}

const GError *
pv_ticket_get_problem(const PvTicket *ticket)
{
	return ticket->problem;
}

const char *
pv_ticket_get_user(const PvTicket *ticket)
{
	return pv_kerberos_get_principal(ticket->kerberos);
}

gboolean
pv_ticket_is_used(const PvTicket *ticket)
{
	return ticket->state == PV_TICKET_TRYING || ticket->state == PV_TICKET_ACCEPTED;
}

/* Takes over the error, with who and what in front. */
static void
ticket_give_up(PvTicket *ticket, PvTicketState state, GError *problem)
{
	g_clear_pointer(&ticket->negotiate, pv_negotiate_free);
	g_clear_error(&ticket->problem);
	ticket->state = state;
	ticket->problem = problem;
	g_prefix_error(&ticket->problem, "log in by Kerberos as %s: ", pv_ticket_get_user(ticket));
}

/* What follows the scheme, up to the next challenge of the same header; "" where nothing does; NULL: it is not
 * offered. (transfer full) */
static char *
ticket_dup_challenge(const char *const *challenges)
{
	gsize length = strlen(TICKET_SCHEME);
	for (guint i = 0; challenges != NULL && challenges[i] != NULL; i++) {
		const char *value = challenges[i];
		while (value != NULL && *value != '\0') {
			value += strspn(value, " \t,");
			gsize end = strcspn(value, " \t,");
			if (end == length && g_ascii_strncasecmp(value, TICKET_SCHEME, end) == 0) {
				value += end + strspn(value + end, " \t");
				return g_strndup(value, strcspn(value, " \t,"));
			}
			value = strchr(value, ',');
		}
	}
	return NULL;
}

/* Too large a token is told before it is sent: old firmware would only hang up. */
static gboolean
ticket_check_size(PvTicket *ticket, const char *version, gsize bytes, GError **error)
{
	gsize encoded = (bytes + 2) / 3 * 4;
	guint major = version != NULL ? (guint)strtoul(version, NULL, 10) : 0;
	if (major == 0 || major >= TICKET_SMALL_VERSION || encoded <= TICKET_SMALL_BYTES)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
	    "the ticket has %" G_GSIZE_FORMAT " bytes in base64, and AMT %u takes %d: the account "
	    "is in too many groups: use one that is in fewer",
	    encoded, major, TICKET_SMALL_BYTES);
	return FALSE;
}

gboolean
pv_ticket_offer(PvTicket *ticket, const char *const *challenges, const char *version,
    GCancellable *cancellable, GError **error)
{
	g_autoptr(GError) local = NULL;
	gsize bytes = 0;
	if (ticket->state != PV_TICKET_UNTRIED)
		return FALSE;
	g_autofree char *challenge = ticket_dup_challenge(challenges);
	if (challenge == NULL) {
		g_set_error(&local, PV_ERROR, PV_ERROR_AUTH,
		    "the device offers no Negotiate: Kerberos is off in it: run the stage "
		    "kerberos");
		ticket_give_up(ticket, PV_TICKET_NOT_OFFERED, g_steal_pointer(&local));
		return FALSE;
	}
	if (pv_kerberos_get_ticket(ticket->kerberos, ticket->service, cancellable, &local) &&
	    pv_kerberos_get_ticket_info(
		ticket->kerberos, ticket->service, &ticket->kvno, NULL, &bytes, &local) &&
	    ticket_check_size(ticket, version, bytes, &local)) {
		ticket->state = PV_TICKET_TRYING;
		return TRUE;
	}
	if (g_error_matches(local, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		g_propagate_error(error, g_steal_pointer(&local));
	else
		ticket_give_up(ticket, PV_TICKET_MISSING, g_steal_pointer(&local));
	return FALSE;
}

gboolean
pv_ticket_answer(PvTicket *ticket, GString *out, GError **error)
{
	gboolean done = FALSE;
	g_clear_pointer(&ticket->negotiate, pv_negotiate_free);
	ticket->negotiate = pv_negotiate_new(ticket->kerberos, ticket->service, NULL, error);
	g_autoptr(GBytes) token = ticket->negotiate != NULL
				      ? pv_negotiate_step(ticket->negotiate, NULL, &done, error)
				      : NULL;
	if (token == NULL)
		return FALSE;
	gsize length = 0;
	const guint8 *data = g_bytes_get_data(token, &length);
	g_autofree char *encoded = g_base64_encode(data, length);
	g_string_append_printf(out, TICKET_SCHEME " %s", encoded);
	return TRUE;
}

/* Looks at the device's token. Returns whether it completes the login; *said: what it says instead. */
static gboolean
ticket_complete(PvTicket *ticket, const char *challenge, GError **said)
{
	gboolean done = FALSE;
	gsize length = 0;
	if (challenge == NULL || *challenge == '\0' || ticket->negotiate == NULL)
		return FALSE;
	guchar *data = g_base64_decode(challenge, &length);
	g_autoptr(GBytes) token = g_bytes_new_take(data, length);
	g_autoptr(GBytes) more = pv_negotiate_step(ticket->negotiate, token, &done, said);
	return done && (said == NULL || *said == NULL);
}

/* After a plain no. A ticket that was got before the device had its present key is worth another one, once. */
static gboolean
ticket_renew(PvTicket *ticket, GCancellable *cancellable)
{
	guint kvno = 0;
	if (ticket->renewed || !pv_kerberos_forget_ticket(ticket->kerberos, ticket->service))
		return FALSE;
	ticket->renewed = TRUE;
	if (!pv_kerberos_get_ticket(ticket->kerberos, ticket->service, cancellable, NULL) ||
	    !pv_kerberos_get_ticket_info(
		ticket->kerberos, ticket->service, &kvno, NULL, NULL, NULL) ||
	    kvno == ticket->kvno)
		return FALSE;
	ticket->kvno = kvno;
	return TRUE;
}

static void
ticket_refuse(PvTicket *ticket, gboolean proved, const GError *said)
{
	GError *problem = NULL;
	if (proved)
		g_set_error(&problem, PV_ERROR, PV_ERROR_AUTH,
		    "the device took the ticket, but lets nobody like that do anything: add the "
		    "account or a group of it to an access entry (stage wsman-acl)");
	else
		g_set_error(&problem, PV_ERROR, PV_ERROR_AUTH,
		    "the device refused the ticket for %s, key version %u%s%s: its key is another "
		    "(purge old tickets; run the stages ad-account and kerberos), its clock is "
		    "more than 5 minutes off, or no access entry of it has the account",
		    ticket->service, ticket->kvno, said != NULL ? ": " : "",
		    said != NULL ? said->message : "");
	ticket_give_up(ticket, proved ? PV_TICKET_UNAUTHORIZED : PV_TICKET_REFUSED, problem);
}

gboolean
pv_ticket_judge(PvTicket *ticket, guint status, const char *const *challenges, gboolean proved,
    GCancellable *cancellable, GError **error)
{
	g_autoptr(GError) said = NULL;
	g_autofree char *challenge = ticket_dup_challenge(challenges);
	gboolean complete = ticket_complete(ticket, challenge, &said);
	if (status == 401 || status == 403) {
		if (!complete && status == 401 && said == NULL && ticket_renew(ticket, cancellable))
			return FALSE;
		/* 403 comes from behind the login; 401 only with the proof of the key */
		ticket_refuse(ticket, complete || status == 403, said);
		return FALSE;
	}
	/* whatever an overloaded device says has passed no login; what it answers has */
	if (status != 200 && status != 400)
		return TRUE;
	if (!complete && (said != NULL || !proved)) {
		if (said != NULL)
			g_propagate_prefixed_error(error, g_steal_pointer(&said),
			    "the device did not prove that it has the ticket's key: ");
		else
			g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
			    "log in by Kerberos: the device did not prove that it has the ticket's "
			    "key");
		return FALSE;
	}
	ticket->state = PV_TICKET_ACCEPTED;
	return TRUE;
}
