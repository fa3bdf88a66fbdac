/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/ldap-private.h"
#include "core/net/tls.h"

#include <provost/error.h>

#include <string.h>
#include <openldap.h>

#define LDAP_CONNECT_MSEC 5000
#define LDAP_OPERATION_MSEC 15000
#define LDAP_FAREWELL_MSEC 500
#define LDAP_PAGE 500 /* objects; servers refuse larger pages than they are set to, 1000 with Active Directory */
#define LDAP_SMALL_PAGE 100
#define LDAP_MAX_EMPTY_PAGES 16

/* ---- requests ---- */

static void
ldap_begin(PvLdap *ldap, GCancellable *cancellable)
{
	pv_ldap_result_clear(&ldap->result);
	pv_ldap_stream_set_deadline(ldap->stream,
	    g_get_monotonic_time() + (gint64)ldap->operation_msec * 1000, cancellable);
}

/* the library's own code of a request that could not be sent or answered; always FALSE */
static gboolean
ldap_fail(PvLdap *ldap, int code, GError **error)
{
	const char *reason = pv_ldap_stream_get_reason(ldap->stream);
	const char *peer = pv_ldap_stream_get_peer(ldap->stream);
	pv_ldap_result_set(&ldap->result, code, NULL, NULL);
	if (code == LDAP_SERVER_DOWN || code == LDAP_CONNECT_ERROR || code == LDAP_DECODING_ERROR)
		ldap->dead = TRUE;
	if (ldap->dead && reason != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE, "%s: %s", peer, reason);
	else
		pv_ldap_result_set_error(&ldap->result, peer, error);
	return FALSE;
}

/* A library call that sends: its result, with a cancellation or time-out in its place where that was the cause. */
static gboolean
ldap_check_sent(PvLdap *ldap, int code, GCancellable *cancellable, GError **error)
{
	if (code == LDAP_SUCCESS)
		return TRUE;
	if (g_cancellable_set_error_if_cancelled(cancellable, error)) {
		ldap->dead = TRUE; /* half a request may have been sent */
		ldap->result.code = LDAP_USER_CANCELLED;
		return FALSE;
	}
	return ldap_fail(ldap, code, error);
}

int
pv_ldap_await(PvLdap *ldap, int id, int all, LDAPMessage **message, GError **error)
{
	for (;;) {
		struct timeval now = { 0, 0 };
		int type = ldap_result(ldap->ld, id, all, &now, message);
		if (type > 0)
			return type;
		if (type < 0) {
			int code = LDAP_SERVER_DOWN;
			(void)ldap_get_option(ldap->ld, LDAP_OPT_RESULT_CODE, &code); /* else that one */
			(void)ldap_fail(ldap, code, error); /* always FALSE */
			return -1;
		}
		g_autoptr(GError) local = NULL;
		if (pv_ldap_stream_wait(ldap->stream, &local))
			continue;
		/* the server may go on with it all the same */
		(void)ldap_abandon_ext(ldap->ld, id, NULL, NULL); /* nobody waits for it any more */
		ldap->result.code = g_error_matches(local, G_IO_ERROR, G_IO_ERROR_CANCELLED) ?
			LDAP_USER_CANCELLED : LDAP_TIMEOUT;
		g_propagate_error(error, g_steal_pointer(&local));
		return -1;
	}
}

/* What the answer says becomes ldap->result; FALSE only when it cannot be parsed. */
static gboolean
ldap_note_answer(PvLdap *ldap, LDAPMessage *message, LDAPControl ***controls, GError **error)
{
	int code = 0;
	char *matched = NULL;
	char *text = NULL;
	int parsed = ldap_parse_result(ldap->ld, message, &code, &matched, &text, NULL, controls, 0);
	if (parsed == LDAP_SUCCESS)
		pv_ldap_result_set(&ldap->result, code, text, matched);
	ldap_memfree(matched);
	ldap_memfree(text);
	return parsed == LDAP_SUCCESS || ldap_fail(ldap, parsed, error);
}

/* Waits for the one answer to a request that is not a search. */
static gboolean
ldap_finish(PvLdap *ldap, int id, GError **error)
{
	LDAPMessage *message = NULL;
	if (pv_ldap_await(ldap, id, LDAP_MSG_ALL, &message, error) < 0)
		return FALSE;
	gboolean ok = ldap_note_answer(ldap, message, NULL, error);
	ldap_msgfree(message);
	if (!ok || ldap->result.code == LDAP_SUCCESS)
		return ok;
	pv_ldap_result_set_error(&ldap->result, pv_ldap_stream_get_peer(ldap->stream), error);
	return FALSE;
}

static gboolean
ldap_finish_write(PvLdap *ldap, int sent, int id, GCancellable *cancellable, GError **error)
{
	if (!ldap_check_sent(ldap, sent, cancellable, error))
		return FALSE;
	if (ldap_finish(ldap, id, error))
		return TRUE;
	if (ldap->result.code < 0)
		g_prefix_error(error, "it may or may not have been done: ");
	return FALSE;
}

static gboolean
ldap_check_alive(const PvLdap *ldap, GError **error)
{
	if (!ldap->dead)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE, "%s: the connection was closed",
	    pv_ldap_stream_get_peer(ldap->stream));
	return FALSE;
}

/* ---- connecting ---- */

static gboolean
ldap_check_options(const PvLdapOptions *options, GError **error)
{
	const char *problem = NULL;
	gsize length = 0;
	if (options->password != NULL)
		(void)pv_secret_peek(options->password, &length); /* the length alone is wanted */
	if (options->host == NULL || *options->host == '\0' || strpbrk(options->host, "/?#@ ") != NULL)
		problem = "the server's host name is not given, or is none";
	else if (options->bind_dn != NULL && options->kerberos != NULL)
		problem = "log in by Kerberos or with a DN and a password, not both";
	else if (options->bind_dn != NULL && length == 0)
		problem = "the login has no password: servers take that for an anonymous login";
	else if (options->bind_dn != NULL && options->security == PV_LDAP_PLAIN)
		problem = "a password is not sent over a connection that is not encrypted: use TLS or "
			  "StartTLS";
	if (problem == NULL)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "connect to the LDAP server %s: %s",
	    options->host != NULL ? options->host : "", problem);
	return FALSE;
}

static gboolean
ldap_set_options(LDAP *ld)
{
	int version = LDAP_VERSION3;
	int never = LDAP_DEREF_NEVER;
	int none = LDAP_NO_LIMIT;
	return ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_OFF) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(ld, LDAP_OPT_DEREF, &never) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(ld, LDAP_OPT_SIZELIMIT, &none) == LDAP_OPT_SUCCESS &&
	       ldap_set_option(ld, LDAP_OPT_TIMELIMIT, &none) == LDAP_OPT_SUCCESS;
}

/* libldap speaks through the stream from its first byte on. */
static gboolean
ldap_open(PvLdap *ldap, const PvLdapOptions *options, GError **error)
{
	Sockbuf *buffer = NULL;
	ber_len_t most = PV_LDAP_MAX_MESSAGE;
	/* the URL is never dialled; the name in it is what the library would show */
	int code = ldap_init_fd(
	    pv_ldap_stream_get_fd(ldap->stream), LDAP_PROTO_EXT, "ldap://localhost", &ldap->ld);
	if (code == LDAP_SUCCESS && ldap_set_options(ldap->ld) &&
	    ldap_get_option(ldap->ld, LDAP_OPT_SOCKBUF, &buffer) == LDAP_OPT_SUCCESS &&
	    ber_sockbuf_ctrl(buffer, LBER_SB_OPT_SET_MAX_INCOMING, &most) == 1 &&
	    ber_sockbuf_add_io(buffer, pv_ldap_stream_get_io(), LBER_SBIOD_LEVEL_PROVIDER,
		ldap->stream) == 0)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "connect to the LDAP server %s: libldap: %s",
	    options->host, ldap_err2string(code));
	return FALSE;
}

/* RFC 4511 4.14 */
static gboolean
ldap_ask_start_tls(PvLdap *ldap, GCancellable *cancellable, GError **error)
{
	int id = 0;
	ldap_begin(ldap, cancellable);
	int sent = ldap_extended_operation(ldap->ld, LDAP_EXOP_START_TLS, NULL, NULL, NULL, &id);
	if (ldap_check_sent(ldap, sent, cancellable, error) && ldap_finish(ldap, id, error))
		return TRUE;
	g_prefix_error(error, "ask %s for StartTLS: ", pv_ldap_stream_get_peer(ldap->stream));
	return FALSE;
}

gboolean
pv_ldap_step_sasl(PvLdap *ldap, const char *mechanism, GBytes *token, GBytes **reply, gboolean *more,
    GError **error)
{
	struct berval sent = { 0 };
	if (token != NULL) {
		gsize length = 0;
		sent.bv_val = (char *)g_bytes_get_data(token, &length); /* only read */
		sent.bv_len = length;
	}
	int id = 0;
	LDAPMessage *message = NULL;
	struct berval *answer = NULL;
	int code = ldap_sasl_bind(
	    ldap->ld, "", mechanism, token != NULL ? &sent : NULL, NULL, NULL, &id);
	if (code != LDAP_SUCCESS)
		return ldap_fail(ldap, code, error);
	if (pv_ldap_await(ldap, id, LDAP_MSG_ALL, &message, error) < 0)
		return FALSE;
	gboolean ok = ldap_note_answer(ldap, message, NULL, error);
	(void)ldap_parse_sasl_bind_result(ldap->ld, message, &answer, 0); /* ldap->result has it */
	ldap_msgfree(message);
	*more = ok && ldap->result.code == LDAP_SASL_BIND_IN_PROGRESS;
	if (answer != NULL)
		*reply = g_bytes_new(answer->bv_val, answer->bv_len);
	ber_bvfree(answer);
	return ok;
}

/* What the answer's control says of the password, where the server keeps a policy (draft-behera-ldap-password-policy section 6). */
static const char *
ldap_find_policy_text(PvLdap *ldap, LDAPControl **controls)
{
	static const struct {
		LDAPPasswordPolicyError error;
		const char *text;
	} rows[] = {
		{ PP_passwordExpired, "the password has expired: set a new one" },
		{ PP_accountLocked, "the account is locked out: unlock it, and see who guesses its password" },
		{ PP_changeAfterReset, "the password must be changed before anything else: set it without that flag" },
	};
	ber_int_t expires = 0, left = 0;
	LDAPPasswordPolicyError error = PP_noError;
	LDAPControl *control =
	    controls != NULL ? ldap_control_find(LDAP_CONTROL_PASSWORDPOLICYRESPONSE, controls, NULL) : NULL;
	if (control == NULL ||
	    ldap_parse_passwordpolicy_control(ldap->ld, control, &expires, &left, &error) != LDAP_SUCCESS)
		return NULL;
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
		if (rows[i].error == error)
			return rows[i].text;
	return NULL;
}

/* FALSE with the error; a policy can make a login useless that was accepted */
static gboolean
ldap_judge_bind(PvLdap *ldap, const char *dn, LDAPControl **controls, GError **error)
{
	const char *policy = ldap_find_policy_text(ldap, controls);
	const char *peer = pv_ldap_stream_get_peer(ldap->stream);
	if (policy == NULL && ldap->result.code == LDAP_SUCCESS)
		return TRUE;
	if (policy != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH, "log in to %s as %s: %s", peer, dn, policy);
	else
		pv_ldap_result_set_login_error(&ldap->result, peer, dn, error);
	return FALSE;
}

/* RFC 4513 5.1.3; never over a plain connection, which was looked at before there was one */
static gboolean
ldap_bind_simple(PvLdap *ldap, const char *dn, PvSecret *password, GError **error)
{
	gsize length = 0;
	struct berval secret = { 0 };
	secret.bv_val = (char *)pv_secret_peek(password, &length); /* only read */
	secret.bv_len = length;
	int id = 0;
	LDAPMessage *message = NULL;
	LDAPControl *policy = NULL;
	LDAPControl **controls = NULL;
	int code = ldap_create_passwordpolicy_control(ldap->ld, &policy);
	LDAPControl *asked[] = { policy, NULL };
	if (code == LDAP_SUCCESS)
		code = ldap_sasl_bind(ldap->ld, dn, LDAP_SASL_SIMPLE, &secret, asked, NULL, &id);
	ldap_control_free(policy);
	if (code != LDAP_SUCCESS)
		return ldap_fail(ldap, code, error);
	if (pv_ldap_await(ldap, id, LDAP_MSG_ALL, &message, error) < 0)
		return FALSE;
	gboolean ok = ldap_note_answer(ldap, message, &controls, error) &&
		      ldap_judge_bind(ldap, dn, controls, error);
	ldap_controls_free(controls);
	ldap_msgfree(message);
	return ok;
}

static gboolean
ldap_log_in(PvLdap *ldap, const PvLdapOptions *options, GCancellable *cancellable, GError **error)
{
	ldap_begin(ldap, cancellable);
	if (options->kerberos != NULL)
		return pv_ldap_bind_gssapi(
		    ldap, options->kerberos, options->host, options->realm, cancellable, error);
	return options->bind_dn == NULL ||
	       ldap_bind_simple(ldap, options->bind_dn, options->password, error);
}

PvLdap *
pv_ldap_connect(const PvLdapOptions *options, GCancellable *cancellable, GError **error)
{
	pv_net_init();
	if (!ldap_check_options(options, error))
		return NULL;
	guint port = options->port;
	if (port == 0)
		port = options->security == PV_LDAP_TLS ? LDAPS_PORT : LDAP_PORT;
	guint connect_msec = options->connect_msec != 0 ? options->connect_msec : LDAP_CONNECT_MSEC;
	g_autoptr(PvLdap) ldap = g_new0(PvLdap, 1);
	ldap->operation_msec =
	    options->operation_msec != 0 ? options->operation_msec : LDAP_OPERATION_MSEC;
	ldap->stream = pv_ldap_stream_connect(
	    options->host, options->address, port, connect_msec, cancellable, error);
	if (ldap->stream == NULL || !ldap_open(ldap, options, error))
		return NULL;
	if (options->security == PV_LDAP_STARTTLS && !ldap_ask_start_tls(ldap, cancellable, error))
		return NULL;
	pv_ldap_stream_set_deadline(
	    ldap->stream, g_get_monotonic_time() + (gint64)connect_msec * 1000, cancellable);
	if (options->security != PV_LDAP_PLAIN &&
	    !pv_ldap_stream_start_tls(ldap->stream, options->trust, error)) {
		ldap->dead = TRUE; /* no farewell through a handshake that failed */
		return NULL;
	}
	return ldap_log_in(ldap, options, cancellable, error) ? g_steal_pointer(&ldap) : NULL;
}

void
pv_ldap_free(PvLdap *ldap)
{
	if (ldap == NULL)
		return;
	if (ldap->stream != NULL && ldap->dead)
		pv_ldap_stream_shut(ldap->stream);
	else if (ldap->stream != NULL)
		pv_ldap_stream_set_deadline(
		    ldap->stream, g_get_monotonic_time() + LDAP_FAREWELL_MSEC * 1000, NULL);
	if (ldap->ld != NULL)
		(void)ldap_unbind_ext(ldap->ld, NULL, NULL); /* a farewell that is lost is none the worse */
	pv_ldap_stream_free(ldap->stream);
	pv_ldap_gssapi_free(ldap->gssapi);
	pv_ldap_result_clear(&ldap->result);
	g_free(ldap);
}

const char *
pv_ldap_get_server(const PvLdap *ldap)
{
	return pv_ldap_stream_get_peer(ldap->stream);
}

/* ---- reading ---- */

typedef struct {
	const char *base;
	int scope;
	const char *filter;
	const char *const *attributes;
	guint limit;
	GPtrArray *found; /* of PvLdapEntry */
	gsize bytes;
	int page; /* objects; 0: without pages */
	struct berval cookie; /* where the next page begins; of the library */
} LdapQuery;

/* -1: it failed for good; 0: this page is complete; 1: go on */
static int
ldap_take_message(PvLdap *ldap, LdapQuery *query, int type, LDAPMessage *message, GError **error)
{
	if (type == LDAP_RES_SEARCH_REFERENCE)
		return 1;
	if (type != LDAP_RES_SEARCH_ENTRY)
		return 0;
	PvLdapEntry *entry = pv_ldap_entry_new(ldap->ld, message);
	if (entry == NULL) {
		(void)ldap_fail(ldap, LDAP_DECODING_ERROR, error); /* always FALSE */
		return -1;
	}
	g_ptr_array_add(query->found, entry);
	query->bytes += pv_ldap_entry_get_size(entry);
	if (query->found->len <= query->limit && query->bytes <= PV_LDAP_MAX_BYTES)
		return 1;
	g_set_error(error, PV_ERROR, PV_ERROR_REJECTED, "more than %u objects or %d MiB were found",
	    query->limit, PV_LDAP_MAX_BYTES / 1024 / 1024);
	return -1;
}

static gboolean
ldap_take_page(PvLdap *ldap, LdapQuery *query, int id, LDAPControl ***controls, GError **error)
{
	for (;;) {
		LDAPMessage *message = NULL;
		int type = pv_ldap_await(ldap, id, LDAP_MSG_ONE, &message, error);
		if (type < 0)
			return FALSE;
		int next = ldap_take_message(ldap, query, type, message, error);
		gboolean ok = next != 0 || ldap_note_answer(ldap, message, controls, error);
		ldap_msgfree(message);
		if (next < 0)
			(void)ldap_abandon_ext(ldap->ld, id, NULL, NULL); /* nobody waits for it any more */
		if (next <= 0)
			return next == 0 && ok;
	}
}

/* Sends the request for one page and takes its answer. */
static gboolean
ldap_read_page(PvLdap *ldap, LdapQuery *query, GError **error)
{
	LDAPControl *page = NULL;
	LDAPControl *asked[2] = { NULL, NULL };
	LDAPControl **controls = NULL;
	int id = 0;
	int code = LDAP_SUCCESS;
	if (query->page > 0)
		code = ldap_create_page_control(ldap->ld, query->page,
		    query->cookie.bv_len > 0 ? &query->cookie : NULL, FALSE, &page);
	asked[0] = page;
	/* the array is not written to */
	if (code == LDAP_SUCCESS)
		code = ldap_search_ext(ldap->ld, query->base, query->scope, query->filter,
		    (char **)query->attributes, FALSE, page != NULL ? asked : NULL, NULL, NULL, LDAP_NO_LIMIT,
		    &id);
	ldap_control_free(page);
	ber_memfree(query->cookie.bv_val);
	query->cookie = (struct berval) { 0 };
	if (code != LDAP_SUCCESS)
		return ldap_fail(ldap, code, error);
	gboolean ok = ldap_take_page(ldap, query, id, &controls, error);
	LDAPControl *answer =
	    ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls != NULL ? controls : asked + 1, NULL);
	ber_int_t estimate = 0;
	if (ok && answer != NULL &&
	    ldap_parse_pageresponse_control(ldap->ld, answer, &estimate, &query->cookie) != LDAP_SUCCESS)
		ok = ldap_fail(ldap, LDAP_DECODING_ERROR, error);
	ldap_controls_free(controls);
	return ok;
}

static gboolean
ldap_read_pages(PvLdap *ldap, LdapQuery *query, GCancellable *cancellable, GError **error)
{
	for (guint empty = 0; empty < LDAP_MAX_EMPTY_PAGES;) {
		guint before = query->found->len;
		ldap_begin(ldap, cancellable);
		if (!ldap_read_page(ldap, query, error))
			return FALSE;
		/* OpenLDAP refuses a page that is larger than it is set to, instead of giving a smaller one */
		if (ldap->result.code == LDAP_ADMINLIMIT_EXCEEDED && query->page > LDAP_SMALL_PAGE &&
		    query->found->len == 0) {
			query->page = LDAP_SMALL_PAGE;
			continue;
		}
		if (ldap->result.code != LDAP_SUCCESS) {
			pv_ldap_result_set_error(
			    &ldap->result, pv_ldap_stream_get_peer(ldap->stream), error);
			return FALSE;
		}
		if (query->cookie.bv_len == 0)
			return TRUE;
		if (query->found->len == before)
			empty++;
	}
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "%s gives empty pages without end",
	    pv_ldap_stream_get_peer(ldap->stream));
	return FALSE;
}

GPtrArray *
pv_ldap_search(PvLdap *ldap, const char *base, PvLdapScope scope, const char *filter,
    const char *const *attributes, guint limit, GCancellable *cancellable, GError **error)
{
	static const int scopes[] = { LDAP_SCOPE_BASE, LDAP_SCOPE_ONELEVEL, LDAP_SCOPE_SUBTREE };
	g_return_val_if_fail(base != NULL && filter != NULL, NULL);
	g_autoptr(GPtrArray) found =
	    g_ptr_array_new_with_free_func((GDestroyNotify)pv_ldap_entry_unref);
	LdapQuery query = { .base = base,
		.scope = scopes[scope],
		.filter = filter,
		.attributes = attributes,
		.limit = limit,
		.found = found,
		.page = scope == PV_LDAP_BASE ? 0 : LDAP_PAGE };
	gboolean ok =
	    ldap_check_alive(ldap, error) && ldap_read_pages(ldap, &query, cancellable, error);
	ber_memfree(query.cookie.bv_val);
	if (ok)
		return g_steal_pointer(&found);
	g_prefix_error(error, "search \"%s\": ", base);
	return NULL;
}

PvLdapEntry *
pv_ldap_read(PvLdap *ldap, const char *dn, const char *const *attributes, gboolean *missing,
    GCancellable *cancellable, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(GPtrArray) found = pv_ldap_search(
	    ldap, dn, PV_LDAP_BASE, "(objectClass=*)", attributes, 1, cancellable, &local);
	if (missing != NULL)
		*missing = FALSE;
	if (found != NULL && found->len > 0)
		return pv_ldap_entry_ref(g_ptr_array_index(found, 0));
	/* nothing at all is what a server answers that hides the object from this login */
	gboolean gone = found != NULL || ldap->result.code == LDAP_NO_SUCH_OBJECT;
	if (gone && missing != NULL) {
		*missing = TRUE;
		return NULL;
	}
	if (local != NULL)
		g_propagate_error(error, g_steal_pointer(&local));
	else
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "read \"%s\": there is no such object, or the service's account may not see it", dn);
	return NULL;
}

/* ---- writing ---- */

/* Passwords leave over an encrypted connection only, whatever the caller thinks that it has. */
static gboolean
ldap_check_secrecy(PvLdap *ldap, gboolean secret, GError **error)
{
	if (!ldap_check_alive(ldap, error))
		return FALSE;
	if (!secret || pv_ldap_stream_is_encrypted(ldap->stream))
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "the connection to %s is not encrypted, and no password is sent over it: use TLS or "
	    "Kerberos",
	    pv_ldap_stream_get_peer(ldap->stream));
	return FALSE;
}

static gboolean
ldap_write_change(PvLdap *ldap, const char *dn, const PvLdapChange *change, gboolean addition,
    GCancellable *cancellable, GError **error)
{
	if (!ldap_check_secrecy(ldap, pv_ldap_change_has_secret(change), error))
		return FALSE;
	int id = 0;
	LDAPMod **mods = pv_ldap_change_make_mods(change);
	ldap_begin(ldap, cancellable);
	int sent = addition ? ldap_add_ext(ldap->ld, dn, mods, NULL, NULL, &id)
			    : ldap_modify_ext(ldap->ld, dn, mods, NULL, NULL, &id);
	pv_ldap_mods_free(mods);
	return ldap_finish_write(ldap, sent, id, cancellable, error);
}

gboolean
pv_ldap_add(PvLdap *ldap, const char *dn, const PvLdapChange *change, GCancellable *cancellable,
    GError **error)
{
	g_return_val_if_fail(pv_ldap_change_is_addition(change), FALSE);
	if (ldap_write_change(ldap, dn, change, TRUE, cancellable, error))
		return TRUE;
	g_prefix_error(error, "add \"%s\": ", dn);
	return FALSE;
}

gboolean
pv_ldap_modify(PvLdap *ldap, const char *dn, const PvLdapChange *change, GCancellable *cancellable,
    GError **error)
{
	if (ldap_write_change(ldap, dn, change, FALSE, cancellable, error))
		return TRUE;
	g_prefix_error(error, "change \"%s\": ", dn);
	return FALSE;
}

gboolean
pv_ldap_delete(PvLdap *ldap, const char *dn, GCancellable *cancellable, GError **error)
{
	int id = 0;
	if (!ldap_check_alive(ldap, error))
		return FALSE;
	ldap_begin(ldap, cancellable);
	int sent = ldap_delete_ext(ldap->ld, dn, NULL, NULL, &id);
	if (ldap_finish_write(ldap, sent, id, cancellable, error))
		return TRUE;
	g_prefix_error(error, "delete \"%s\": ", dn);
	return FALSE;
}

gboolean
pv_ldap_rename(PvLdap *ldap, const char *dn, const char *rdn, const char *parent,
    GCancellable *cancellable, GError **error)
{
	int id = 0;
	if (!ldap_check_alive(ldap, error))
		return FALSE;
	ldap_begin(ldap, cancellable);
	int sent = ldap_rename(ldap->ld, dn, rdn, parent, TRUE, NULL, NULL, &id);
	if (ldap_finish_write(ldap, sent, id, cancellable, error))
		return TRUE;
	g_prefix_error(error, "rename \"%s\" to \"%s\": ", dn, rdn);
	return FALSE;
}

static void
ldap_lend_secret(struct berval *value, const PvSecret *secret)
{
	gsize length = 0;
	value->bv_val = (char *)pv_secret_peek(secret, &length); /* only read */
	value->bv_len = length;
}

gboolean
pv_ldap_set_password(PvLdap *ldap, const char *dn, PvSecret *former, PvSecret *password,
    GCancellable *cancellable, GError **error)
{
	struct berval user = { .bv_val = (char *)dn, .bv_len = dn != NULL ? strlen(dn) : 0 }; /* only read */
	struct berval old = { 0 };
	struct berval new = { 0 };
	int id = 0;
	if (!ldap_check_secrecy(ldap, TRUE, error))
		return FALSE;
	if (former != NULL)
		ldap_lend_secret(&old, former);
	ldap_lend_secret(&new, password);
	ldap_begin(ldap, cancellable);
	int sent = ldap_passwd(ldap->ld, dn != NULL ? &user : NULL, former != NULL ? &old : NULL, &new,
	    NULL, NULL, &id);
	if (ldap_finish_write(ldap, sent, id, cancellable, error))
		return TRUE;
	g_prefix_error(error, "set the password of \"%s\": ", dn != NULL ? dn : "the login");
	return FALSE;
}

char *
pv_ldap_dup_identity(PvLdap *ldap, GCancellable *cancellable, GError **error)
{
	int id = 0;
	LDAPMessage *message = NULL;
	struct berval *name = NULL;
	if (!ldap_check_alive(ldap, error))
		return NULL;
	ldap_begin(ldap, cancellable);
	int code = ldap_whoami(ldap->ld, NULL, NULL, &id);
	if (!ldap_check_sent(ldap, code, cancellable, error) ||
	    pv_ldap_await(ldap, id, LDAP_MSG_ALL, &message, error) < 0)
		return NULL;
	gboolean ok = ldap_note_answer(ldap, message, NULL, error);
	if (ok && ldap->result.code == LDAP_SUCCESS)
		(void)ldap_parse_whoami(ldap->ld, message, &name); /* NULL then */
	ldap_msgfree(message);
	char *text = name != NULL ? g_strndup(name->bv_val, name->bv_len) : NULL;
	ber_bvfree(name);
	if (text != NULL || !ok)
		return text;
	g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED, "%s does not say who we are (RFC 4532)",
	    pv_ldap_stream_get_peer(ldap->stream));
	return NULL;
}

/* ---- of the last request ---- */

int
pv_ldap_get_code(const PvLdap *ldap)
{
	return ldap->result.code;
}

guint32
pv_ldap_get_win32(const PvLdap *ldap)
{
	return ldap->result.win32;
}

gboolean
pv_ldap_is_dead(const PvLdap *ldap)
{
	return ldap->dead;
}

gboolean
pv_ldap_is_already_there(const PvLdap *ldap)
{
	return ldap->result.code == LDAP_TYPE_OR_VALUE_EXISTS ||
	       ldap->result.code == LDAP_ALREADY_EXISTS;
}

gboolean
pv_ldap_is_already_gone(const PvLdap *ldap)
{
	return ldap->result.code == LDAP_NO_SUCH_ATTRIBUTE ||
	       ldap->result.code == LDAP_UNWILLING_TO_PERFORM;
}

gboolean
pv_ldap_is_missing(const PvLdap *ldap)
{
	return ldap->result.code == LDAP_NO_SUCH_OBJECT;
}
