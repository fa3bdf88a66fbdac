/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scep-message.h"
#include "scep-page.h"
#include "scep-server.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <provost/fetch.h>
#include <provost/pki.h>
#include <provost/provost.h>
#include <string.h>

/* Simple Certificate Enrolment Protocol: RFC 8894, and the ways of Microsoft's NDES. */

#define SCEP_SERVER_SEC \
	G_GINT64_CONSTANT(3600) /* how long what the server said of itself is kept */
#define SCEP_KEY_BITS 2048
#define SCEP_MAX_IDENTITY 64
#define SCEP_MAX_GET 16384 /* bytes of a message in a URL */

typedef struct {
	const PvValues *values; /* the site's */
	char *url;
	gboolean legacy;
	guint wait_sec;
	GMutex lock;
	/* protected by lock, and made at the first use */
	PvFetch *fetch;
	ScepServer *server;
	EVP_PKEY *
	    key; /* ours: a request is signed in its own name with it, and answers are sealed for it */
	gint64 born; /* of the key, seconds since 1970 */
	X509 *ra; /* NULL: none is configured */
	EVP_PKEY *ra_key;
} ScepCa;

static const PvParam scep_params[] = {
	{ "url", PV_PARAM_STRING, NULL,
	    "of the server, such as https://HOST/certsrv/mscep/mscep.dll/pkiclient.exe" },
	{ "identity", PV_PARAM_STRING, "null", "name of the CA on a server with several" },
	{ "trust", PV_PARAM_PATH, "null",
	    "PEM file that an https server's own certificate is verified with; without it, the "
	    "system's roots" },
	{ "roots", PV_PARAM_PATH, "null",
	    "PEM file with the CA's certificates, root included; without it, the server is asked" },
	{ "fingerprint", PV_PARAM_STRING, "null",
	    "SHA-256 of the CA's certificate; over http, this or \"roots\" is needed" },
	{ "challenge", PV_PARAM_SECRET, "null", "challenge password that is the same every time" },
	{ "challenge-url", PV_PARAM_STRING, "null",
	    "page with a challenge password for one time, https://HOST/certsrv/mscep_admin/" },
	{ "user", PV_PARAM_STRING, "null", "to log in to that page with, by HTTP Digest or Basic" },
	{ "password", PV_PARAM_SECRET, "null", "of the user" },
	{ "certificate", PV_PARAM_PATH, "null",
	    "registration authority's certificate to sign requests with, PEM" },
	{ "key", PV_PARAM_PATH, "null",
	    "its private key, a PEM file or a pkcs11: URI; without it, beside the certificate" },
	{ "key-password", PV_PARAM_SECRET, "null", "of the private key or the token" },
	{ "legacy", PV_PARAM_BOOL, "false",
	    "take DES and SHA-1 where the server has nothing better" },
	{ "timeout", PV_PARAM_INT, "60", "longest wait for one answer", .unit = "s", .minimum = 1,
	    .maximum = 600 },
	{ "poll", PV_PARAM_INT, "300", "wait before asking for a decision again", .unit = "s",
	    .minimum = 1, .maximum = 86400 },
	{ NULL },
};

/* ---- life ---- */

static void
scep_close(gpointer handle)
{
	ScepCa *ca = handle;
	if (ca == NULL)
		return;
	pv_fetch_free(ca->fetch);
	scep_server_unref(ca->server);
	EVP_PKEY_free(ca->key);
	X509_free(ca->ra);
	EVP_PKEY_free(ca->ra_key);
	g_mutex_clear(&ca->lock);
	g_free(ca->url);
	g_free(ca);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScepCa, scep_close)

static gboolean
scep_set_config_error(const PvValues *values, const char *name, const char *text, GError **error)
{
	g_set_error(
	    error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s", pv_values_get_where(values, name), text);
	return FALSE;
}

static gboolean
scep_check_url(const char *url, gboolean clear)
{
	return (g_str_has_prefix(url, "https://") || (clear && g_str_has_prefix(url, "http://"))) &&
	       strpbrk(url, "?# \t\r\n@") == NULL;
}

static gboolean
scep_check_values(const PvValues *values, GError **error)
{
	const char *url = pv_values_get_string(values, "url");
	const char *page = pv_values_get_string(values, "challenge-url");
	const char *fingerprint = pv_values_get_string(values, "fingerprint");
	const char *identity = pv_values_get_string(values, "identity");
	g_autofree char *digits =
	    fingerprint != NULL ? scep_server_dup_fingerprint(fingerprint) : NULL;
	if (!scep_check_url(url, TRUE))
		return scep_set_config_error(
		    values, "url", "it is not http[s]://HOST[:PORT]/PATH", error);
	if (page != NULL && !scep_check_url(page, FALSE))
		return scep_set_config_error(values, "challenge-url",
		    "it is not https://HOST[:PORT]/PATH: a password comes from there", error);
	if (fingerprint != NULL && digits == NULL)
		return scep_set_config_error(
		    values, "fingerprint", "a SHA-256 has 64 hexadecimal digits", error);
	if (identity != NULL && (*identity == '\0' || strlen(identity) > SCEP_MAX_IDENTITY))
		return scep_set_config_error(
		    values, "identity", "a name has 1 to 64 characters", error);
	if (g_str_has_prefix(url, "http://") && fingerprint == NULL &&
	    !pv_values_has(values, "roots"))
		return scep_set_config_error(values, "url",
		    "over http anybody may answer: name the CA's certificate with \"roots\" or its "
		    "SHA-256 with \"fingerprint\"",
		    error);
	if (page != NULL && pv_values_has(values, "challenge"))
		return scep_set_config_error(
		    values, "challenge-url", "\"challenge\" and this exclude each other", error);
	return TRUE;
}

static gpointer
scep_open(const PvValues *values, GError **error)
{
	if (!scep_check_values(values, error))
		return NULL;
	ScepCa *ca = g_new0(ScepCa, 1);
	g_mutex_init(&ca->lock);
	ca->values = values;
	ca->url = g_strdup(pv_values_get_string(values, "url"));
	ca->legacy = pv_values_get_bool(values, "legacy");
	ca->wait_sec = (guint)pv_values_get_int(values, "poll");
	return ca;
}

/* ---- what is made at the first use: the site is opened also to give it its secrets ---- */

/* FALSE: with the error; *secret stays NULL where there is none */
static gboolean
scep_take_secret(const PvValues *values, const char *name, PvSecret **secret, GError **error)
{
	if (pv_values_has(values, name))
		*secret = pv_values_dup_secret(values, name, error);
	return !pv_values_has(values, name) || *secret != NULL;
}

static PvFetch *
scep_new_fetch(const PvValues *values, GError **error)
{
	g_autoptr(PvSecret) password = NULL;
	if (!scep_take_secret(values, "password", &password, error))
		return NULL;
	const PvFetchOptions options = {
		.trust = pv_values_get_string(values, "trust"),
		.user = pv_values_get_string(values, "user"),
		.password = password,
		.request_msec = (guint)pv_values_get_int(values, "timeout") * 1000,
	};
	return pv_fetch_new(&options, error);
}

/* The lock is held. */
static gboolean
scep_load_ra(ScepCa *ca, GError **error)
{
	const PvValues *values = ca->values;
	g_autoptr(PvSecret) password = NULL;
	if (ca->ra != NULL || !pv_values_has(values, "certificate"))
		return TRUE;
	if (!scep_take_secret(values, "key-password", &password, error))
		return FALSE;
	return pv_pki_load_identity(pv_values_get_string(values, "certificate"),
	    pv_values_get_string(values, "key"), password, &ca->ra, &ca->ra_key, error);
}

/* The lock is held. One key for all requests until the process ends: it seals nothing but certificates, and a poll has to be
 * signed with the key of its request. */
static gboolean
scep_make_key(ScepCa *ca, GError **error)
{
	if (ca->key != NULL)
		return TRUE;
	ca->key = EVP_RSA_gen(SCEP_KEY_BITS);
	ca->born = g_get_real_time() / G_USEC_PER_SEC;
	ERR_clear_error();
	if (ca->key == NULL)
		g_set_error_literal(error, PV_ERROR, PV_ERROR_FAILED,
		    "make a key to sign with: the crypto library failed");
	return ca->key != NULL;
}

static PvFetch *
scep_take_fetch(ScepCa *ca, GError **error)
{
	g_mutex_lock(&ca->lock);
	if (ca->fetch == NULL)
		ca->fetch = scep_new_fetch(ca->values, error);
	PvFetch *copy = ca->fetch != NULL ? pv_fetch_dup(ca->fetch) : NULL;
	g_mutex_unlock(&ca->lock);
	return copy;
}

/* (transfer full) the certificate that signs for @csr; *key is lent as long as the CA is open */
static X509 *
scep_take_signer(ScepCa *ca, X509_REQ *csr, EVP_PKEY **key, GError **error)
{
	X509 *certificate = NULL;
	g_mutex_lock(&ca->lock);
	if (!scep_load_ra(ca, error) || (ca->ra == NULL && !scep_make_key(ca, error))) {
		g_mutex_unlock(&ca->lock);
		return NULL;
	}
	gint64 born = ca->born;
	*key = ca->ra != NULL ? ca->ra_key : ca->key;
	if (ca->ra != NULL && X509_up_ref(ca->ra) == 1)
		certificate = ca->ra;
	g_mutex_unlock(&ca->lock);
	return certificate != NULL ? certificate
				   : scep_message_new_certificate(csr, *key, born, error);
}

/* Files and secrets are read again the next time. */
static void
scep_forget(ScepCa *ca)
{
	g_mutex_lock(&ca->lock);
	g_clear_pointer(&ca->fetch, pv_fetch_free);
	g_clear_pointer(&ca->server, scep_server_unref);
	g_mutex_unlock(&ca->lock);
}

/* ---- requests ---- */

static void
scep_set_status_error(const char *what, const PvFetchReply *answer, GError **error)
{
	g_autofree char *text = pv_pki_dup_text(answer->body);
	PvError code = PV_ERROR_PROTOCOL;
	const char *remedy = "";
	if (answer->status >= 500 || answer->status == 429 || answer->status == 408) {
		code = PV_ERROR_UNREACHABLE;
	} else if (answer->status == 403) {
		code = PV_ERROR_AUTH;
		remedy = ": it lets us not in";
	} else if (answer->status == 404 || answer->status / 100 == 3) {
		code = PV_ERROR_CONFIG;
		remedy = ": look at \"url\"";
	}
	g_set_error(error, PV_ERROR, (gint)code, "%s: the server answers %u%s%s%s", what,
	    answer->status, remedy, text != NULL ? ": " : "", text != NULL ? text : "");
}

static char *
scep_make_url(const ScepCa *ca, const char *operation, const char *message)
{
	g_autofree char *escaped =
	    message != NULL ? g_uri_escape_string(message, NULL, FALSE) : NULL;
	return g_strconcat(
	    ca->url, "?operation=", operation, escaped != NULL ? "&message=" : NULL, escaped, NULL);
}

static gboolean
scep_ask(const ScepCa *ca, PvFetch *fetch, const char *operation, PvFetchReply *answer,
    GCancellable *cancellable, GError **error)
{
	g_autofree char *url =
	    scep_make_url(ca, operation, pv_values_get_string(ca->values, "identity"));
	return pv_fetch_request(fetch, "GET", url, NULL, NULL, answer, cancellable, error);
}

/* ---- what the server says of itself ---- */

static ScepServer *
scep_read_server(const ScepCa *ca, GBytes *certificates, GBytes *capabilities, GError **error)
{
	const char *given = pv_values_get_string(ca->values, "fingerprint");
	g_autofree char *fingerprint = given != NULL ? scep_server_dup_fingerprint(given) : NULL;
	g_autoptr(ScepServer) server = scep_server_new(certificates, capabilities, fingerprint,
	    pv_values_get_string(ca->values, "roots"), error);
	if (server != NULL && !ca->legacy && !server->sha256) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_CONFIG,
		    "the server knows nothing better than SHA-1: allow it with \"legacy\", or "
		    "bring "
		    "the server up to date");
		return NULL;
	}
	if (server != NULL)
		server->until = g_get_monotonic_time() + SCEP_SERVER_SEC * G_USEC_PER_SEC;
	return g_steal_pointer(&server);
}

static ScepServer *
scep_ask_server(const ScepCa *ca, PvFetch *fetch, GCancellable *cancellable, GError **error)
{
	g_auto(PvFetchReply) certificates = { 0 };
	g_auto(PvFetchReply) capabilities = { 0 };
	if (!scep_ask(ca, fetch, "GetCACert", &certificates, cancellable, error))
		return NULL;
	if (certificates.status != 200) {
		scep_set_status_error("GetCACert", &certificates, error);
		return NULL;
	}
	if (!scep_ask(ca, fetch, "GetCACaps", &capabilities, cancellable, error))
		return NULL;
	ScepServer *server = scep_read_server(
	    ca, certificates.body, capabilities.status == 200 ? capabilities.body : NULL, error);
	if (server == NULL)
		g_prefix_error(error, "%s: ", ca->url);
	return server;
}

static ScepServer *
scep_take_server(ScepCa *ca, PvFetch *fetch, GCancellable *cancellable, GError **error)
{
	g_mutex_lock(&ca->lock);
	if (ca->server != NULL && ca->server->until < g_get_monotonic_time())
		g_clear_pointer(&ca->server, scep_server_unref);
	ScepServer *server = ca->server;
	if (server != NULL)
		g_atomic_ref_count_inc(&server->references);
	g_mutex_unlock(&ca->lock);
	if (server != NULL)
		return server;
	server = scep_ask_server(ca, fetch, cancellable, error);
	if (server == NULL)
		return NULL;
	g_mutex_lock(&ca->lock);
	scep_server_unref(ca->server);
	ca->server = server;
	g_atomic_ref_count_inc(&server->references);
	g_mutex_unlock(&ca->lock);
	return server;
}

/* ---- challenge ---- */

static PvSecret *
scep_fetch_challenge(ScepCa *ca, GCancellable *cancellable, GError **error)
{
	const char *url = pv_values_get_string(ca->values, "challenge-url");
	g_auto(PvFetchReply) answer = { 0 };
	g_autoptr(PvFetch) fetch = scep_take_fetch(ca, error);
	if (fetch == NULL)
		return NULL;
	g_autoptr(GError) local = NULL;
	if (!pv_fetch_request(fetch, "GET", url, NULL, NULL, &answer, cancellable, &local)) {
		if (g_error_matches(local, PV_ERROR, PV_ERROR_AUTH))
			scep_forget(ca); /* what it was read from may be changed by then */
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	if (answer.status != 200) {
		scep_set_status_error(url, &answer, error);
		return NULL;
	}
	PvSecret *challenge = scep_page_find_challenge(answer.body, error);
	if (challenge == NULL)
		g_prefix_error(error, "%s: ", url);
	return challenge;
}

static gboolean
scep_prepare(gpointer handle, const PvCertRequest *request, PvCaPreparation *preparation,
    GCancellable *cancellable, GError **error)
{
	ScepCa *ca = handle;
	if (!pv_values_has(ca->values, "challenge-url"))
		return scep_take_secret(ca->values, "challenge", &preparation->challenge, error);
	preparation->challenge = scep_fetch_challenge(ca, cancellable, error);
	return preparation->challenge != NULL;
}

/* ---- enrolment ---- */

static gboolean
scep_send(const ScepCa *ca, const ScepServer *server, PvFetch *fetch, GBytes *message,
    PvFetchReply *answer, GCancellable *cancellable, GError **error)
{
	static const char *const headers[] = { "Content-Type: application/x-pki-message", NULL };
	if (server->post) {
		g_autofree char *url = scep_make_url(ca, "PKIOperation", NULL);
		return pv_fetch_request(
		    fetch, "POST", url, headers, message, answer, cancellable, error);
	}
	if (g_bytes_get_size(message) > SCEP_MAX_GET) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
		    "the request is too long for a server that takes it in a URL only");
		return FALSE;
	}
	g_autofree char *text =
	    g_base64_encode(g_bytes_get_data(message, NULL), g_bytes_get_size(message));
	g_autofree char *url = scep_make_url(ca, "PKIOperation", text);
	return pv_fetch_request(fetch, "GET", url, NULL, NULL, answer, cancellable, error);
}

static gboolean
scep_take_answer(const ScepCa *ca, const ScepRequest *request, ScepAnswer *answer, GBytes *csr_der,
    PvCaReply *reply, GError **error)
{
	if (answer->status == SCEP_PENDING) {
		reply->outcome = PV_CA_PENDING;
		reply->cookie = g_strdup(request->transaction);
		reply->not_before_sec = ca->wait_sec;
		return TRUE;
	}
	if (answer->status == SCEP_FAILURE) {
		reply->outcome = PV_CA_DENIED;
		reply->text = g_steal_pointer(&answer->text);
		return TRUE;
	}
	g_autoptr(GPtrArray) certificates = pv_pki_parse_certificates(answer->content, error);
	if (certificates != NULL)
		pv_pki_set_issued(reply, certificates, csr_der);
	return certificates != NULL;
}

static gboolean
scep_exchange(ScepCa *ca, const ScepServer *server, PvFetch *fetch, ScepRequest *request,
    GBytes *content, ScepAnswer *answer, GCancellable *cancellable, GError **error)
{
	g_auto(PvFetchReply) reply = { 0 };
	request->recipient = server->recipient;
	request->sha1 = !server->sha256;
	request->des3 = !server->aes;
	if (RAND_bytes(request->nonce, sizeof request->nonce) != 1) {
		g_set_error_literal(
		    error, PV_ERROR, PV_ERROR_FAILED, "there are no random numbers to be had");
		return FALSE;
	}
	g_autoptr(GBytes) message = scep_message_build(request, content, error);
	if (message == NULL || !scep_send(ca, server, fetch, message, &reply, cancellable, error))
		return FALSE;
	if (reply.status != 200) {
		scep_set_status_error("PKIOperation", &reply, error);
		return FALSE;
	}
	return scep_message_parse(
	    reply.body, request, server->certificates, ca->legacy, answer, error);
}

static gboolean
scep_transact(ScepCa *ca, ScepType type, GBytes *csr_der, PvCaReply *reply,
    GCancellable *cancellable, GError **error)
{
	ScepRequest request = { .type = type };
	g_auto(ScepAnswer) answer = { 0 };
	g_autoptr(X509_REQ) csr = scep_message_parse_csr(csr_der, error);
	g_autoptr(PvFetch) fetch = csr != NULL ? scep_take_fetch(ca, error) : NULL;
	g_autoptr(ScepServer) server =
	    fetch != NULL ? scep_take_server(ca, fetch, cancellable, error) : NULL;
	g_autoptr(X509) signer =
	    server != NULL ? scep_take_signer(ca, csr, &request.signer.key, error) : NULL;
	if (signer == NULL)
		return FALSE;
	g_autofree char *transaction = scep_message_dup_transaction(csr);
	request.transaction = transaction;
	request.signer.certificate = signer;
	g_autoptr(GBytes) content = type == SCEP_CERT_POLL
					? scep_message_new_poll(server->ca, csr, error)
					: g_bytes_ref(csr_der);
	if (content != NULL &&
	    scep_exchange(ca, server, fetch, &request, content, &answer, cancellable, error) &&
	    scep_take_answer(ca, &request, &answer, csr_der, reply, error))
		return TRUE;
	/* it may have another certificate by now */
	scep_forget(ca);
	return FALSE;
}

static gboolean
scep_submit(gpointer handle, const PvCertRequest *request, GBytes *csr_der,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	if (identity != NULL) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
		    "a SCEP server takes a challenge password and no account: have the site ask");
		return FALSE;
	}
	return scep_transact(handle, SCEP_PKCS_REQ, csr_der, reply, cancellable, error);
}

static gboolean
scep_poll(gpointer handle, const PvCertRequest *request, GBytes *csr_der, const char *cookie,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	return scep_transact(handle, SCEP_CERT_POLL, csr_der, reply, cancellable, error);
}

static gboolean
scep_revoke(
    gpointer handle, GBytes *certificate, guint reason, GCancellable *cancellable, GError **error)
{
	g_set_error_literal(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
	    "SCEP has no revocation: have it revoked at the CA itself");
	return FALSE;
}

/* ---- the CA's own certificates ---- */

static GPtrArray *
scep_chain(gpointer handle, GCancellable *cancellable, GError **error)
{
	ScepCa *ca = handle;
	if (pv_values_has(ca->values, "roots"))
		return pv_pki_load_certificates(pv_values_get_string(ca->values, "roots"), error);
	g_autoptr(PvFetch) fetch = scep_take_fetch(ca, error);
	g_autoptr(ScepServer) server =
	    fetch != NULL ? scep_take_server(ca, fetch, cancellable, error) : NULL;
	if (server == NULL)
		return NULL;
	GPtrArray *chain = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	for (int i = 0; i < sk_X509_num(server->certificates); i++)
		if (scep_server_is_ca(sk_X509_value(server->certificates, i)))
			g_ptr_array_add(chain, g_bytes_ref(server->ders->pdata[i]));
	return chain;
}

/* ---- check ---- */

/* FALSE: somebody cancelled. Takes @failure. */
static gboolean
scep_report_failure(
    PvReport *report, const char *check, const ScepCa *ca, GError *failure, GError **error)
{
	g_autoptr(GError) local = failure;
	if (local->domain != PV_ERROR) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	pv_report_add(report, PV_REPORT_FAILURE, check, ca->url, "%s", local->message);
	return TRUE;
}

static void
scep_report_server(const ScepCa *ca, const ScepServer *server, PvReport *report)
{
	pv_report_add(report, PV_REPORT_OK, "server", ca->url,
	    "reached; %d certificates, requests are sealed for %s",
	    sk_X509_num(server->certificates),
	    server->recipient == server->ca ? "the CA itself" : "its registration authority");
	gboolean strong = server->sha256 && server->aes;
	pv_report_add(report, strong ? PV_REPORT_OK : PV_REPORT_WARNING, "capabilities", ca->url,
	    "requests go by %s, with %s and %s%s", server->post ? "POST" : "GET",
	    server->sha256 ? "SHA-256" : "SHA-1", server->aes ? "AES" : "triple DES",
	    strong ? "" : ": the server should be brought up to date");
}

static void
scep_report_challenge(const ScepCa *ca, PvReport *report)
{
	const char *page = pv_values_get_string(ca->values, "challenge-url");
	if (page != NULL)
		pv_report_add(report, PV_REPORT_OK, "challenge", page,
		    "not looked at: each look uses up one of the passwords that the server has");
	else
		pv_report_add(report, PV_REPORT_OK, "challenge", ca->url, "%s",
		    pv_values_has(ca->values, "challenge") ? "the same password every time"
							   : "none is configured");
}

static gboolean
scep_check(gpointer handle, PvReport *report, GCancellable *cancellable, GError **error)
{
	ScepCa *ca = handle;
	GError *failure = NULL;
	g_autoptr(PvFetch) fetch = scep_take_fetch(ca, &failure);
	g_autoptr(ScepServer) server =
	    fetch != NULL ? scep_ask_server(ca, fetch, cancellable, &failure) : NULL;
	if (server == NULL)
		return scep_report_failure(report, "server", ca, failure, error);
	scep_report_server(ca, server, report);
	scep_report_challenge(ca, report);
	g_mutex_lock(&ca->lock);
	gboolean good = scep_load_ra(ca, &failure);
	g_mutex_unlock(&ca->lock);
	return good || scep_report_failure(report, "certificate", ca, failure, error);
}

static const PvCa scep_cas[] = {
	{
	    .type = "scep",
	    .summary = "a CA that speaks SCEP (RFC 8894), Microsoft's NDES included",
	    .params = scep_params,
	    .open = scep_open,
	    .close = scep_close,
	    .prepare = scep_prepare,
	    .submit = scep_submit,
	    .poll = scep_poll,
	    .chain = scep_chain,
	    .revoke = scep_revoke,
	    .check = scep_check,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "scep", PV_VERSION, "certificates by Simple Certificate Enrolment Protocol", .cas = scep_cas);
