/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/session.h"

#include "core/amt/digest.h"
#include "core/amt/instance.h"
#include "core/amt/soap.h"
#include "core/amt/trace.h"
#include "core/net/http.h"

#include <provost/error.h>

#include <string.h>

#define WSMAN_REQUEST_BYTES (16 * 1024)
#define WSMAN_PATH "/wsman"
#define WSMAN_MAX_INSTANCES 1000
#define WSMAN_MAX_PULLS 100
#define WSMAN_MAX_ENUMERATION (4 * 1024 * 1024) /* bytes of all its answers */
/* firmware locks logins after 10 wrong ones in a row, and others try, too */
#define WSMAN_MAX_WRONG_LOGINS 8

struct PvWsman {
	PvHttp *http;
	PvTrace *trace; /* NULL: none */
	PvSoapParser *parser;
	GString *request; /* the envelope in flight */
	GString *authorization;
	guint timeout_sec;
	guint message_id;
	guint requests;
	guint writes;
	GHashTable *instances; /* key of the request -> PvInstance */
	GHashTable *enumerations; /* class name -> GPtrArray of PvInstance */
	char *version; /* NULL: not told */
	gsize reply_bytes; /* of the last answer's body */
	gboolean context_lost; /* the last answer was the fault that says so */

	PvCredentialNext next;
	PvCredentialWorked worked;
	gpointer data;

	/* login */
	PvTicket *ticket; /* NULL: by password only */
	GCancellable *cancellable; /* NULL: none */
	PvDigest *digest;
	gboolean has_answer;    /* the digest has a challenge and a user */
	gboolean logged_in;     /* the device took it at least once */
	gboolean told;          /* and whoever counts wrong logins knows */
	guint attempt;          /* of the credential in use, or to ask for next */
	guint wrong_logins;     /* in a row; a close does not reset them */
	char *realm;
	char *user; /* in use */
	PvSecret *password; /* in use */
};

PvWsman *
pv_wsman_new(const PvWsmanOptions *options, GCancellable *cancellable)
{
	const PvHttpOptions http = { .address = options->address,
		.port = options->port,
		.tls = options->tls,
		.policy = options->policy,
		.identity = options->identity,
		.trust = options->trust,
		.peer_name = options->peer_name,
		.allow_unverified = options->allow_unverified,
		.pin = options->pin,
		.psk_identity = options->psk_identity,
		.psk = options->psk,
		.connect_msec = options->connect_msec,
		.request_msec = options->request_msec };
	PvWsman *wsman = g_new0(PvWsman, 1);
	wsman->http = pv_http_new(&http, cancellable);
	if (options->trace_dir != NULL)
		wsman->trace = pv_trace_open(options->trace_dir, options->trace_name);
	wsman->parser = pv_soap_parser_new();
	/* holds what requests have with secrets in them, for one that grows leaves copies behind */
	wsman->request = g_string_sized_new(WSMAN_REQUEST_BYTES);
	wsman->authorization = g_string_sized_new(512);
	wsman->timeout_sec = options->request_msec != 0 ? MAX(options->request_msec / 1000, 1) : 60;
	wsman->instances = g_hash_table_new_full(
	    g_str_hash, g_str_equal, g_free, (GDestroyNotify)pv_instance_free);
	wsman->enumerations = g_hash_table_new_full(
	    g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
	wsman->next = options->next;
	wsman->worked = options->worked;
	wsman->data = options->data;
	wsman->digest = pv_digest_new();
	if (options->kerberos != NULL)
		wsman->ticket = pv_ticket_new(options->kerberos, options->service);
	wsman->cancellable = cancellable != NULL ? g_object_ref(cancellable) : NULL;
	return wsman;
}

void
pv_wsman_free(PvWsman *wsman)
{
	if (wsman == NULL)
		return;
	pv_wsman_close(wsman);
	pv_http_free(wsman->http);
	pv_trace_close(wsman->trace);
	pv_soap_parser_free(wsman->parser);
	g_string_free(wsman->request, TRUE);
	g_string_free(wsman->authorization, TRUE);
	g_hash_table_unref(wsman->instances);
	g_hash_table_unref(wsman->enumerations);
	pv_digest_free(wsman->digest);
	pv_ticket_free(wsman->ticket);
	g_clear_object(&wsman->cancellable);
	g_free(wsman->version);
	g_free(wsman);
}

void
pv_wsman_forget(PvWsman *wsman)
{
	g_hash_table_remove_all(wsman->instances);
	g_hash_table_remove_all(wsman->enumerations);
}

static void
wsman_forget_login(PvWsman *wsman)
{
	wsman->has_answer = FALSE;
	wsman->logged_in = FALSE;
	wsman->told = FALSE;
	wsman->attempt = 0;
	if (wsman->ticket != NULL)
		pv_ticket_reset(wsman->ticket);
	g_clear_pointer(&wsman->realm, g_free);
	g_clear_pointer(&wsman->user, g_free);
	g_clear_pointer(&wsman->password, pv_secret_unref);
}

void
pv_wsman_close(PvWsman *wsman)
{
	pv_http_close(wsman->http);
	wsman_forget_login(wsman);
	pv_wsman_forget(wsman);
}

void
pv_wsman_get_counts(PvWsman *wsman, guint *requests, guint *writes)
{
	if (requests != NULL)
		*requests = wsman->requests;
	if (writes != NULL)
		*writes = wsman->writes;
}

const char *
pv_wsman_get_fingerprint(PvWsman *wsman)
{
	return pv_http_get_fingerprint(wsman->http);
}

gboolean
pv_wsman_is_mutual(PvWsman *wsman)
{
	return pv_http_is_mutual(wsman->http);
}

gboolean
pv_wsman_is_verified(PvWsman *wsman)
{
	return pv_http_is_verified(wsman->http);
}

gint64
pv_wsman_get_not_after(PvWsman *wsman)
{
	return pv_http_get_not_after(wsman->http);
}

const char *
pv_wsman_get_version(PvWsman *wsman)
{
	return wsman->version;
}

const char *
pv_wsman_get_realm(PvWsman *wsman)
{
	return wsman->logged_in ? wsman->realm : NULL;
}

const char *
pv_wsman_get_user(PvWsman *wsman)
{
	return wsman->logged_in ? wsman->user : NULL;
}

PvTicketState
pv_wsman_get_ticket_state(PvWsman *wsman)
{
	return wsman->ticket != NULL ? pv_ticket_get_state(wsman->ticket) : PV_TICKET_UNTRIED;
}

const GError *
pv_wsman_get_ticket_problem(PvWsman *wsman)
{
	return wsman->ticket != NULL ? pv_ticket_get_problem(wsman->ticket) : NULL;
}

/* ---- one exchange ---- */

/* "Intel(R) Active Management Technology 16.1.25", two to four components */
static void
wsman_note_version(PvWsman *wsman, const char *server)
{
	static const char product[] = "Intel(R) Active Management Technology ";
	if (server == NULL || !g_str_has_prefix(server, product))
		return;
	const char *version = server + strlen(product);
	gsize length = strspn(version, "0123456789.");
	if (length == 0 || length > 32 ||
	    (wsman->version != NULL && strlen(wsman->version) == length &&
		strncmp(wsman->version, version, length) == 0))
		return;
	g_free(wsman->version);
	wsman->version = g_strndup(version, length);
}

static gboolean
wsman_has_ticket(PvWsman *wsman)
{
	return wsman->ticket != NULL && pv_ticket_is_used(wsman->ticket);
}

/* Sends one HTTP request. @body NULL: GET. */
static gboolean
wsman_send(PvWsman *wsman, const char *path, const GString *body, PvHttpReply *reply,
    PvHttpFate *fate, GError **error)
{
	const char *authorization = NULL;
	*fate = PV_HTTP_UNSENT;
	g_string_truncate(wsman->authorization, 0);
	if (body != NULL && wsman_has_ticket(wsman)) {
		if (!pv_ticket_answer(wsman->ticket, wsman->authorization, error))
			return FALSE;
		authorization = wsman->authorization->str;
	} else if (body != NULL && wsman->has_answer) {
		if (!pv_digest_answer(wsman->digest, wsman->authorization, "POST", path, body->str,
			body->len, error))
			return FALSE;
		authorization = wsman->authorization->str;
	}
	wsman->requests++;
	pv_trace_request(wsman->trace, body != NULL ? "POST" : "GET", path, authorization != NULL,
	    body != NULL ? body->str : NULL, body != NULL ? body->len : 0);
	g_autoptr(GError) local = NULL;
	if (!pv_http_request(wsman->http, path, authorization, body != NULL ? body->str : NULL,
		body != NULL ? body->len : 0, reply, fate, &local)) {
		pv_trace_note(wsman->trace, local->message);
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	wsman->reply_bytes = reply->length;
	pv_trace_reply(wsman->trace, reply->headers, reply->body, reply->length);
	wsman_note_version(wsman, reply->server);
	return TRUE;
}

/* The same with one repetition for reads. A write whose answer is lost may have been done: the caller has to look. */
static gboolean
wsman_send_safely(
    PvWsman *wsman, const GString *body, gboolean is_write, PvHttpReply *reply, GError **error)
{
	PvHttpFate fate;
	g_autoptr(GError) local = NULL;
	if (wsman_send(wsman, WSMAN_PATH, body, reply, &fate, &local))
		return TRUE;
	if (!is_write && fate == PV_HTTP_CLOSED) {
		g_clear_error(&local);
		if (wsman_send(wsman, WSMAN_PATH, body, reply, &fate, &local))
			return TRUE;
	}
	if (is_write && fate != PV_HTTP_UNSENT &&
	    g_error_matches(local, PV_ERROR, PV_ERROR_UNREACHABLE))
		g_prefix_error(&local, "reply lost: ");
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

/* ---- login ---- */

static gboolean
wsman_fail_login(PvWsman *wsman, GError **error)
{
	const GError *problem = pv_wsman_get_ticket_problem(wsman);
	if (wsman->next == NULL && problem != NULL)
		g_propagate_error(error, g_error_copy(problem));
	else if (wsman->attempt == 0)
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
		    "log in: the device asks for a login and no credential is configured");
	else
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
		    "log in: auth-exhausted: the device took none of %u credential%s",
		    wsman->attempt, wsman->attempt == 1 ? "" : "s");
	return FALSE;
}

/* Takes the next candidate for the realm. */
static gboolean
wsman_next_credential(PvWsman *wsman, const PvDigestChallenge *challenge, GError **error)
{
	g_autofree char *user = NULL;
	g_autoptr(PvSecret) password = NULL;
	if (wsman->wrong_logins >= WSMAN_MAX_WRONG_LOGINS) {
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
		    "log in: auth-exhausted: stopped after %u wrong logins, before the firmware "
		    "locks them",
		    wsman->wrong_logins);
		return FALSE;
	}
	if (wsman->next != NULL &&
	    !wsman->next(wsman->data, challenge->realm, wsman->attempt, &user, &password, error))
		return FALSE;
	if (user == NULL || password == NULL)
		return wsman_fail_login(wsman, error);
	g_free(wsman->user);
	wsman->user = g_steal_pointer(&user);
	g_clear_pointer(&wsman->password, pv_secret_unref);
	wsman->password = g_steal_pointer(&password);
	return TRUE;
}

/* what has been tried for one request */
typedef struct {
	gboolean renewed; /* the credential in use has had its try with a fresh nonce */
} WsmanLogin;

/* After a 401: sets up the answer to its challenge, with the credential in use if a fresh nonce may be all that was
 * wrong, else with the next one. FALSE: nothing is left to try. */
static gboolean
wsman_answer_challenge(PvWsman *wsman, WsmanLogin *login, const PvHttpReply *reply, GError **error)
{
	if (wsman->next == NULL && wsman->ticket != NULL)
		return wsman_fail_login(wsman, error);
	g_autoptr(PvDigestChallenge) challenge =
	    pv_digest_challenge_parse(reply->challenges, error);
	if (challenge == NULL)
		return FALSE;
	/* AMT says stale="false" when a nonce has run out, too, so a login that has worked gets one more try whatever
	 * it says; one that has not only when the device says that the nonce was the reason (RFC 7616, section 3.3) */
	gboolean renew =
	    wsman->has_answer && !login->renewed && (wsman->logged_in || challenge->stale);
	if (renew) {
		login->renewed = TRUE;
	} else {
		if (wsman->has_answer) {
			wsman->attempt++;
			wsman->wrong_logins++;
		}
		wsman->has_answer = FALSE;
		wsman->logged_in = FALSE;
		wsman->told = FALSE;
		login->renewed = FALSE;
		if (!wsman_next_credential(wsman, challenge, error))
			return FALSE;
	}
	if (!pv_digest_login(wsman->digest, challenge, wsman->user, wsman->password, error))
		return FALSE;
	g_free(wsman->realm);
	wsman->realm = g_strdup(challenge->realm);
	wsman->has_answer = TRUE;
	return TRUE;
}

/* Only what comes from behind the login proves it: an answer, or the fault of one. A server that is overloaded or
 * restarting may have looked at no password at all, and the count of wrong ones must outlast that. */
static void
wsman_note_login(PvWsman *wsman, guint status)
{
	wsman->logged_in = wsman->has_answer || wsman_has_ticket(wsman);
	if (status != 200 && status != 400)
		return;
	if (wsman_has_ticket(wsman)) {
		g_free(wsman->user);
		wsman->user = g_strdup(pv_ticket_get_user(wsman->ticket));
		return; /* of the passwords it says nothing */
	}
	wsman->wrong_logins = 0;
	if (!wsman->has_answer || wsman->told)
		return;
	wsman->told = TRUE;
	if (wsman->worked != NULL)
		wsman->worked(wsman->data, wsman->attempt);
}

/* The realm of Digest, which passwords are hashed with, is told beside Negotiate. */
static void
wsman_note_realm(PvWsman *wsman, const PvHttpReply *reply)
{
	g_autoptr(PvDigestChallenge) challenge = pv_digest_challenge_parse(reply->challenges, NULL);
	if (challenge == NULL)
		return;
	g_free(wsman->realm);
	wsman->realm = g_strdup(challenge->realm);
}

/* What the login by ticket makes of an answer; the values say what comes next. */
typedef enum {
	WSMAN_TICKET_FAILED, /* with the error */
	WSMAN_TICKET_AGAIN, /* the same request once more */
	WSMAN_TICKET_PASSED, /* no business of a ticket */
} WsmanTicket;

static WsmanTicket
wsman_judge_ticket(PvWsman *wsman, const PvHttpReply *reply, GError **error)
{
	g_autoptr(GError) local = NULL;
	if (wsman->ticket == NULL)
		return WSMAN_TICKET_PASSED;
	gboolean again = FALSE;
	if (wsman_has_ticket(wsman)) {
		if (pv_ticket_judge(wsman->ticket, reply->status, reply->challenges,
			pv_http_is_verified(wsman->http), wsman->cancellable, &local))
			return WSMAN_TICKET_PASSED;
		/* by password, on a challenge of its own, which a 403 does not bring */
		again = wsman_has_ticket(wsman) || reply->status != 401;
		if (local == NULL && !wsman_has_ticket(wsman) && wsman->next == NULL)
			(void)wsman_fail_login(wsman, &local);
	} else if (reply->status == 401 && !wsman->has_answer) {
		wsman_note_realm(wsman, reply);
		again = pv_ticket_offer(wsman->ticket, reply->challenges, wsman->version,
		    wsman->cancellable, &local);
	}
	if (local != NULL) {
		g_propagate_error(error, g_steal_pointer(&local));
		return WSMAN_TICKET_FAILED;
	}
	return again ? WSMAN_TICKET_AGAIN : WSMAN_TICKET_PASSED;
}

/* Sends the body until the device neither fails nor asks for a login; always the same bytes. */
static gboolean
wsman_exchange(
    PvWsman *wsman, const GString *body, gboolean is_write, PvHttpReply *reply, GError **error)
{
	WsmanLogin login = { 0 };
	/* each round ends a credential or renews it, and both are bounded; this is the last resort */
	for (guint round = 0; round < 4 * WSMAN_MAX_WRONG_LOGINS; round++) {
		if (!wsman_send_safely(wsman, body, is_write, reply, error))
			return FALSE;
		WsmanTicket ticket = wsman_judge_ticket(wsman, reply, error);
		if (ticket == WSMAN_TICKET_FAILED)
			return FALSE;
		if (ticket == WSMAN_TICKET_AGAIN)
			continue;
		if (reply->status != 401) {
			wsman_note_login(wsman, reply->status);
			return TRUE;
		}
		if (!wsman_answer_challenge(wsman, &login, reply, error))
			return FALSE;
	}
	g_set_error(
	    error, PV_ERROR, PV_ERROR_AUTH, "log in: the device asks for a login without end");
	return FALSE;
}

/* ---- faults and replies ---- */

typedef struct {
	const char *name;
	PvError code;
} WsmanFault;

/* DMTF DSP0226, section 14.6, and WS-Addressing; what is not here is REJECTED */
static const WsmanFault wsman_faults[] = {
	{ "AccessDenied", PV_ERROR_AUTH },
	{ "ActionNotSupported", PV_ERROR_UNSUPPORTED },
	{ "Concurrency", PV_ERROR_PENDING },
	{ "DestinationUnreachable", PV_ERROR_UNSUPPORTED },
	{ "EndpointUnavailable", PV_ERROR_PENDING },
	{ "InternalError", PV_ERROR_PENDING },
	{ "TimedOut", PV_ERROR_PENDING },
	{ "UnsupportedFeature", PV_ERROR_UNSUPPORTED },
};

static void
wsman_set_fault(const PvSoapReply *reply, GError **error)
{
	PvError code = PV_ERROR_REJECTED;
	for (gsize i = 0; i < G_N_ELEMENTS(wsman_faults); i++)
		if (g_str_equal(wsman_faults[i].name, reply->fault))
			code = wsman_faults[i].code;
	g_set_error(error, PV_ERROR, (gint)code, "%s%s%s", reply->fault,
	    reply->reason != NULL ? ": " : "", reply->reason != NULL ? reply->reason : "");
}

static PvError
wsman_judge_status(guint status)
{
	if (status == 403)
		return PV_ERROR_AUTH;
	if (status == 404)
		return PV_ERROR_UNSUPPORTED;
	if (status >= 500)
		return PV_ERROR_UNREACHABLE; /* overloaded or restarting; worth another try later */
	return status >= 400 ? PV_ERROR_REJECTED : PV_ERROR_PROTOCOL;
}

/* Success is judged twice: here by HTTP and SOAP, later by the ReturnValue. */
static PvSoapReply *
wsman_read_reply(PvWsman *wsman, const PvHttpReply *http, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(PvSoapReply) reply =
	    pv_soap_parse(wsman->parser, http->body, http->length, &local);
	if (http->status == 200 && reply == NULL) {
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	if (reply != NULL && reply->fault != NULL) {
		wsman->context_lost = g_str_equal(reply->fault, "InvalidEnumerationContext");
		wsman_set_fault(reply, error);
		return NULL;
	}
	if (http->status != 200) {
		g_set_error(error, PV_ERROR, (gint)wsman_judge_status(http->status),
		    "HTTP status %u without a fault", http->status);
		return NULL;
	}
	return g_steal_pointer(&reply);
}

static PvSoapReply *
wsman_call(PvWsman *wsman, PvSoapRequest *request, gboolean is_write, GError **error)
{
	PvHttpReply http;
	wsman->context_lost = FALSE;
	if (is_write) {
		/* whatever becomes of it, nothing that was read before can be relied on */
		pv_wsman_forget(wsman);
		wsman->writes++;
	}
	request->message_id = ++wsman->message_id;
	request->timeout_sec = wsman->timeout_sec;
	g_string_truncate(wsman->request, 0);
	gboolean ok = pv_soap_write(wsman->request, request, error) &&
		      wsman_exchange(wsman, wsman->request, is_write, &http, error);
	if (request->content != NULL) /* the only kind of request that carries secrets */
		memset(wsman->request->str, 0, wsman->request->allocated_len);
	return ok ? wsman_read_reply(wsman, &http, error) : NULL;
}

/* ---- the operations ---- */

gboolean
pv_wsman_connect(PvWsman *wsman, GError **error)
{
	PvHttpReply reply;
	PvHttpFate fate;
	if (wsman_send(wsman, "/", NULL, &reply, &fate, error))
		return TRUE;
	return FALSE;
}

static void
wsman_append_key(GString *key, const char *text)
{
	g_string_append_printf(key, "%" G_GSIZE_FORMAT ":%s", strlen(text), text);
}

/* class and selectors, unambiguous whatever they hold */
static char *
wsman_make_key(const char *class_name, const PvSelector *selectors)
{
	GString *key = g_string_new(NULL);
	wsman_append_key(key, class_name);
	for (; selectors != NULL && selectors->name != NULL; selectors++) {
		wsman_append_key(key, selectors->name);
		wsman_append_key(key, selectors->value != NULL ? selectors->value : "");
	}
	return g_string_free(key, FALSE);
}

static PvInstance *
wsman_get(PvWsman *wsman, const char *class_name, const PvSelector *selectors, GError **error)
{
	static const PvSelector singleton[] = { { NULL, NULL } };
	PvSoapRequest request = {
		.kind = PV_SOAP_GET, .class_name = class_name, .selectors = selectors
	};
	g_autoptr(PvSoapReply) reply = wsman_call(wsman, &request, FALSE, error);
	if (reply == NULL)
		return NULL;
	if (reply->instance == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "the answer holds no instance");
		return NULL;
	}
	pv_instance_set_selectors(reply->instance, selectors != NULL ? selectors : singleton);
	return g_steal_pointer(&reply->instance);
}

PvInstance *
pv_wsman_get(PvWsman *wsman, const char *class_name, const PvSelector *selectors, GError **error)
{
	g_return_val_if_fail(wsman != NULL && class_name != NULL, NULL);
	g_autofree char *key = wsman_make_key(class_name, selectors);
	PvInstance *instance = g_hash_table_lookup(wsman->instances, key);
	if (instance == NULL) {
		instance = wsman_get(wsman, class_name, selectors, error);
		if (instance == NULL) {
			g_prefix_error(error, "get %s: ", class_name);
			return NULL;
		}
		g_hash_table_insert(wsman->instances, g_steal_pointer(&key), instance);
	}
	return pv_instance_dup(instance);
}

gboolean
pv_wsman_put(PvWsman *wsman, const PvInstance *instance, GError **error)
{
	g_return_val_if_fail(wsman != NULL && instance != NULL, FALSE);
	const char *class_name = pv_instance_get_class(instance);
	const char *id = pv_instance_get(instance, "InstanceID");
	const PvSelector by_id[] = { { "InstanceID", id }, { NULL, NULL } };
	const PvSelector *selectors = pv_instance_get_selectors(instance);
	if (selectors == NULL && id != NULL)
		selectors = by_id;
	PvSoapRequest request = { .kind = PV_SOAP_PUT,
		.class_name = class_name,
		.selectors = selectors,
		.content = instance };
	g_autoptr(PvSoapReply) reply = wsman_call(wsman, &request, TRUE, error);
	if (reply == NULL)
		g_prefix_error(error, "put %s: ", class_name);
	return reply != NULL;
}

PvEpr *
pv_wsman_create(PvWsman *wsman, const PvInstance *instance, GError **error)
{
	g_return_val_if_fail(wsman != NULL && instance != NULL, NULL);
	const char *class_name = pv_instance_get_class(instance);
	PvSoapRequest request = {
		.kind = PV_SOAP_CREATE, .class_name = class_name, .content = instance
	};
	g_autoptr(PvSoapReply) reply = wsman_call(wsman, &request, TRUE, error);
	if (reply != NULL && reply->created != NULL)
		return g_steal_pointer(&reply->created);
	if (reply != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "the answer holds no reference");
	g_prefix_error(error, "create %s: ", class_name);
	return NULL;
}

gboolean
pv_wsman_delete(PvWsman *wsman, const char *class_name, const PvSelector *selectors, GError **error)
{
	g_return_val_if_fail(wsman != NULL && class_name != NULL, FALSE);
	PvSoapRequest request = {
		.kind = PV_SOAP_DELETE, .class_name = class_name, .selectors = selectors
	};
	g_autoptr(PvSoapReply) reply = wsman_call(wsman, &request, TRUE, error);
	if (reply == NULL)
		g_prefix_error(error, "delete %s: ", class_name);
	return reply != NULL;
}

static gboolean
wsman_take_items(GPtrArray *instances, PvSoapReply *reply, GError **error)
{
	if (reply->items == NULL)
		return TRUE;
	if (instances->len + reply->items->len > WSMAN_MAX_INSTANCES) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "it has more than %d instances",
		    WSMAN_MAX_INSTANCES);
		return FALSE;
	}
	g_ptr_array_extend_and_steal(instances, g_steal_pointer(&reply->items));
	return TRUE;
}

/* One pull; *context becomes where the next goes on, NULL at the end. */
static gboolean
wsman_pull(
    PvWsman *wsman, const char *class_name, char **context, GPtrArray *instances, GError **error)
{
	PvSoapRequest request = {
		.kind = PV_SOAP_PULL, .class_name = class_name, .context = *context
	};
	g_autoptr(PvSoapReply) reply = wsman_call(wsman, &request, FALSE, error);
	if (reply == NULL)
		return FALSE;
	if (!reply->is_enumeration) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_PROTOCOL, "the answer to a pull is no PullResponse");
		return FALSE;
	}
	g_free(*context);
	*context = reply->end ? NULL : g_steal_pointer(&reply->context);
	return wsman_take_items(instances, reply, error);
}

static GPtrArray *
wsman_enumerate(PvWsman *wsman, const char *class_name, GError **error)
{
	PvSoapRequest request = { .kind = PV_SOAP_ENUMERATE, .class_name = class_name };
	g_autoptr(GPtrArray) instances =
	    g_ptr_array_new_with_free_func((GDestroyNotify)pv_instance_free);
	g_autoptr(PvSoapReply) reply = wsman_call(wsman, &request, FALSE, error);
	if (reply == NULL)
		return NULL;
	if (reply->context == NULL) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_PROTOCOL, "the answer holds no enumeration context");
		return NULL;
	}
	/* firmware gives all at once, or one instance and a new context at each pull */
	g_autofree char *context = g_steal_pointer(&reply->context);
	gsize bytes = 0;
	for (guint pulls = 0; context != NULL; pulls++) {
		if (pulls == WSMAN_MAX_PULLS || bytes > WSMAN_MAX_ENUMERATION) {
			g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
			    "it does not end after %u pulls and %" G_GSIZE_FORMAT " bytes", pulls,
			    bytes);
			return NULL;
		}
		if (!wsman_pull(wsman, class_name, &context, instances, error))
			return NULL;
		bytes += wsman->reply_bytes;
	}
	return g_steal_pointer(&instances);
}

static gpointer
wsman_copy_instance(gconstpointer instance, gpointer unused)
{
	return pv_instance_dup(instance);
}

GPtrArray *
pv_wsman_enumerate(PvWsman *wsman, const char *class_name, GError **error)
{
	g_return_val_if_fail(wsman != NULL && class_name != NULL, NULL);
	GPtrArray *instances = g_hash_table_lookup(wsman->enumerations, class_name);
	if (instances == NULL) {
		g_autoptr(GError) local = NULL;
		instances = wsman_enumerate(wsman, class_name, &local);
		/* the firmware forgot where it was (it restarted, or its idle time was over); a read can begin anew */
		if (instances == NULL && wsman->context_lost) {
			g_clear_error(&local);
			instances = wsman_enumerate(wsman, class_name, &local);
		}
		if (instances == NULL) {
			g_propagate_prefixed_error(
			    error, g_steal_pointer(&local), "enumerate %s: ", class_name);
			return NULL;
		}
		g_hash_table_insert(wsman->enumerations, g_strdup(class_name), instances);
	}
	GPtrArray *copy = g_ptr_array_copy(instances, wsman_copy_instance, NULL);
	g_ptr_array_set_free_func(copy, (GDestroyNotify)pv_instance_free);
	return copy;
}

static gboolean
wsman_is_write(const char *method)
{
	return !g_str_has_prefix(method, "Get") && !g_str_has_prefix(method, "Enumerate") &&
	       !g_str_has_prefix(method, "Read");
}

static PvInstance *
wsman_invoke(PvWsman *wsman, PvSoapRequest *request, gint64 *status, GError **error)
{
	g_autoptr(PvSoapReply) reply =
	    wsman_call(wsman, request, wsman_is_write(request->method), error);
	if (reply == NULL)
		return NULL;
	if (reply->instance == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "the answer holds no output");
		return NULL;
	}
	*status = pv_instance_get_int(reply->instance, "ReturnValue", -1);
	if (*status < 0 || *status > G_MAXUINT32) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "the answer has no ReturnValue");
		return NULL;
	}
	return g_steal_pointer(&reply->instance);
}

PvInstance *
pv_wsman_invoke(PvWsman *wsman, const char *class_name, const PvSelector *selectors,
    const char *method, const PvInstance *input, guint32 *status, GError **error)
{
	g_return_val_if_fail(wsman != NULL && class_name != NULL && method != NULL, NULL);
	PvSoapRequest request = { .kind = PV_SOAP_INVOKE,
		.class_name = class_name,
		.selectors = selectors,
		.method = method,
		.content = input };
	gint64 value = 0;
	g_autoptr(PvInstance) output = wsman_invoke(wsman, &request, &value, error);
	if (output == NULL) {
		g_prefix_error(error, "invoke %s.%s: ", class_name, method);
		return NULL;
	}
	if (status != NULL) {
		*status = (guint32)value;
	} else if (value != PV_PT_STATUS_SUCCESS) {
		pv_pt_status_error(error, class_name, method, (guint32)value);
		return NULL;
	}
	return g_steal_pointer(&output);
}
