/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/fetch.h"

#include <errno.h>
#include <openssl/err.h>
#include <provost/error.h>
#include <string.h>

#define FETCH_CONNECT_MSEC 10000
#define FETCH_REQUEST_MSEC 60000
#define FETCH_MAX_BODY (1024 * 1024)
#define FETCH_MAX_HEADERS (64 * 1024)
#define FETCH_MAX_OFFERED 200 /* characters */
#define FETCH_MAX_VALUE 2048 /* characters of a header's value that is kept */
#define FETCH_MAX_WAIT_SEC (7 * 86400)
#define FETCH_IDLE_SEC 25
#define FETCH_MAX_TOKEN (64 * 1024) /* characters of base64 */
#define FETCH_MAX_LEGS 4 /* of a Negotiate login; Kerberos takes one */

/* ---- life ---- */

static void
fetch_shared_unref(FetchShared *shared)
{
	if (shared == NULL || !g_atomic_ref_count_dec(&shared->references))
		return;
	X509_STORE_free(shared->store);
	pv_identity_unref(shared->identity);
	pv_secret_unref(shared->password);
	pv_kerberos_unref(shared->kerberos);
	g_free(shared->user);
	g_free(shared->service);
	g_free(shared);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(FetchShared, fetch_shared_unref)

/* Takes @shared. */
static PvFetch *
fetch_new(FetchShared *shared)
{
	PvFetch *fetch = g_new0(PvFetch, 1);
	fetch->shared = shared;
	fetch->body = g_byte_array_new();
	fetch->offered = g_string_new(NULL);
	fetch->alert = -1;
	return fetch;
}

static FetchShared *
fetch_shared_new(PvKerberos *kerberos, const char *user, PvSecret *password)
{
	FetchShared *shared = g_new0(FetchShared, 1);
	g_atomic_ref_count_init(&shared->references);
	shared->user = g_strdup(user);
	shared->password = password != NULL ? pv_secret_ref(password) : NULL;
	shared->kerberos = kerberos != NULL ? pv_kerberos_ref(kerberos) : NULL;
	return shared;
}

static gboolean
fetch_check_options(const PvFetchOptions *options, GError **error)
{
	if (options->user != NULL && options->password == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "log in as \"%s\": there is no password", options->user);
	else if (options->user != NULL && options->kerberos != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "log in as \"%s\": by a password or by Kerberos, not both", options->user);
	else
		return TRUE;
	return FALSE;
}

PvFetch *
pv_fetch_new(const PvFetchOptions *options, GError **error)
{
	pv_net_init();
	if (!fetch_check_options(options, error))
		return NULL;
	g_autoptr(FetchShared) shared =
	    fetch_shared_new(options->kerberos, options->user, options->password);
	shared->service = g_strdup(options->service);
	shared->connect_msec =
	    options->connect_msec != 0 ? options->connect_msec : FETCH_CONNECT_MSEC;
	shared->request_msec =
	    options->request_msec != 0 ? options->request_msec : FETCH_REQUEST_MSEC;
	shared->max_bytes = options->max_bytes != 0 ? options->max_bytes : FETCH_MAX_BODY;
	shared->store = pv_fetch_tls_load_store(options->trust, error);
	if (shared->store == NULL)
		return NULL;
	if (options->certificate != NULL) {
		shared->identity = pv_identity_load_partial(
		    options->certificate, options->key, options->key_password, error);
		if (shared->identity == NULL)
			return NULL;
	}
	return fetch_new(g_steal_pointer(&shared));
}

PvFetch *
pv_fetch_dup_as(const PvFetch *fetch, PvKerberos *kerberos, const char *user, PvSecret *password)
{
	const FetchShared *from = fetch->shared;
	FetchShared *shared = fetch_shared_new(kerberos, password != NULL ? user : NULL, password);
	shared->service = g_strdup(from->service);
	shared->connect_msec = from->connect_msec;
	shared->request_msec = from->request_msec;
	shared->max_bytes = from->max_bytes;
	X509_STORE_up_ref(from->store);
	shared->store = from->store;
	return fetch_new(shared);
}

PvFetch *
pv_fetch_dup(const PvFetch *fetch)
{
	g_atomic_ref_count_inc(&fetch->shared->references);
	return fetch_new(fetch->shared);
}

static void
fetch_clear_target(FetchTarget *target)
{
	g_clear_pointer(&target->host, g_free);
	g_clear_pointer(&target->where, g_free);
}

static void
fetch_close(PvFetch *fetch)
{
	g_clear_pointer(&fetch->easy, curl_easy_cleanup);
	g_clear_pointer(&fetch->multi, curl_multi_cleanup);
}

void
pv_fetch_free(PvFetch *fetch)
{
	if (fetch == NULL)
		return;
	fetch_close(fetch);
	fetch_clear_target(&fetch->target);
	g_clear_error(&fetch->refusal);
	g_byte_array_unref(fetch->body);
	g_string_free(fetch->offered, TRUE);
	g_clear_pointer(&fetch->binding, g_bytes_unref);
	g_free(fetch->token);
	g_free(fetch->content_type);
	g_free(fetch->location);
	fetch_shared_unref(fetch->shared);
	g_free(fetch);
}

void
pv_fetch_reply_clear(PvFetchReply *reply)
{
	g_clear_pointer(&reply->content_type, g_free);
	g_clear_pointer(&reply->location, g_free);
	g_clear_pointer(&reply->body, g_bytes_unref);
	reply->status = 0;
	reply->retry_after_sec = 0;
}

/* ---- curl's callbacks ---- */

static size_t
fetch_take_body(char *data, size_t size, size_t count, void *user)
{
	PvFetch *fetch = user;
	if (size * count > fetch->shared->max_bytes - fetch->body->len) {
		fetch->broken = "the answer is longer than what is taken";
		return 0;
	}
	g_byte_array_append(fetch->body, (const guint8 *)data, (guint)(size * count));
	return size * count;
}

/* (transfer full): the value; NULL: another header */
static char *
fetch_dup_value(const char *line, gsize length, const char *name, gsize limit)
{
	gsize begin = strlen(name);
	if (length <= begin || g_ascii_strncasecmp(line, name, begin) != 0)
		return NULL;
	return g_strstrip(g_strndup(line + begin, MIN(length - begin, limit)));
}

/* A scheme is a word and may stand in a message; what follows it is the server's. */
static void
fetch_note_challenge(PvFetch *fetch, const char *value)
{
	gsize length = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-");
	if (length == strlen("Negotiate") && g_ascii_strncasecmp(value, "Negotiate", length) == 0) {
		fetch->negotiates = TRUE;
		g_free(fetch->token);
		fetch->token = value[length] == ' ' ? g_strstrip(g_strdup(value + length)) : NULL;
	}
	if (length == 0 || fetch->offered->len + length > FETCH_MAX_OFFERED)
		return;
	if (fetch->offered->len > 0)
		g_string_append(fetch->offered, ", ");
	g_string_append_len(fetch->offered, value, (gssize)length);
}

static void
fetch_forget_answer(PvFetch *fetch)
{
	g_byte_array_set_size(fetch->body, 0);
	g_string_truncate(fetch->offered, 0);
	fetch->negotiates = FALSE;
	g_clear_pointer(&fetch->token, g_free);
	g_clear_pointer(&fetch->content_type, g_free);
	g_clear_pointer(&fetch->location, g_free);
	fetch->header_bytes = 0;
}

static size_t
fetch_take_header(char *data, size_t size, size_t count, void *user)
{
	PvFetch *fetch = user;
	gsize length = size * count;
	if (length > 5 && g_ascii_strncasecmp(data, "HTTP/", 5) == 0)
		fetch_forget_answer(fetch); /* a 100 or a 401 that curl answers went before */
	fetch->header_bytes += length;
	if (fetch->header_bytes > FETCH_MAX_HEADERS) {
		fetch->broken = "the answer's headers are longer than 64 KiB";
		return 0;
	}
	g_autofree char *challenge =
	    fetch_dup_value(data, length, "WWW-Authenticate:", FETCH_MAX_TOKEN);
	g_autofree char *type = fetch_dup_value(data, length, "Content-Type:", FETCH_MAX_VALUE);
	g_autofree char *location = fetch_dup_value(data, length, "Location:", FETCH_MAX_VALUE);
	if (challenge != NULL)
		fetch_note_challenge(fetch, challenge);
	if (type != NULL && fetch->content_type == NULL)
		fetch->content_type = g_steal_pointer(&type);
	if (location != NULL && fetch->location == NULL)
		fetch->location = g_steal_pointer(&location);
	return length;
}

/* ---- set-up ---- */

static void
fetch_configure_login(PvFetch *fetch)
{
	const FetchShared *shared = fetch->shared;
	if (shared->user == NULL)
		return;
	curl_easy_setopt(fetch->easy, CURLOPT_USERNAME, shared->user);
	curl_easy_setopt(fetch->easy, CURLOPT_PASSWORD, pv_secret_peek(shared->password, NULL));
}

/* FALSE: this libcurl is not one with OpenSSL, and would go its own ways */
static gboolean
fetch_configure(PvFetch *fetch)
{
	CURL *easy = fetch->easy;
	const FetchShared *shared = fetch->shared;
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* do not wait for a resolver that hangs */
#endif
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)shared->connect_msec);
	curl_easy_setopt(
	    easy, CURLOPT_TIMEOUT_MS, (long)shared->connect_msec + (long)shared->request_msec);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)FETCH_IDLE_SEC);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->text);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, fetch_take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, fetch_take_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, fetch);
	/* curl checks as well, and fails where our context is not used; it only must not read the system's bundle for
	 * each connection */
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, fetch);
	/* the channel that a login is bound to has to be verified, not resumed */
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, shared->kerberos != NULL ? 0L : 1L);
	fetch_configure_login(fetch);
	return curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, pv_fetch_tls_prepare) == CURLE_OK;
}

static gboolean
fetch_open(PvFetch *fetch, GError **error)
{
	if (fetch->easy != NULL && fetch->multi != NULL)
		return TRUE;
	fetch_close(fetch);
	fetch->easy = curl_easy_init();
	fetch->multi = curl_multi_init();
	if (fetch->easy != NULL && fetch->multi != NULL && fetch_configure(fetch) &&
	    curl_multi_setopt(fetch->multi, CURLMOPT_MAXCONNECTS, 1L) == CURLM_OK)
		return TRUE;
	fetch_close(fetch);
	g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
	    "libcurl gives no handle, or was built without OpenSSL");
	return FALSE;
}

/* (transfer full); NULL: not there */
static char *
fetch_dup_part(CURLU *url, CURLUPart part, guint flags)
{
	char *text = NULL;
	if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
		return NULL;
	char *copy = g_strdup(text);
	curl_free(text);
	return copy;
}

static gboolean
fetch_parse_url(const char *text, FetchTarget *target)
{
	CURLU *url = curl_url();
	gboolean good =
	    curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK;
	g_autofree char *scheme = good ? fetch_dup_part(url, CURLUPART_SCHEME, 0) : NULL;
	g_autofree char *host = good ? fetch_dup_part(url, CURLUPART_HOST, 0) : NULL;
	g_autofree char *port =
	    good ? fetch_dup_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT) : NULL;
	g_autofree char *path = good ? fetch_dup_part(url, CURLUPART_PATH, 0) : NULL;
	g_autofree char *user = good ? fetch_dup_part(url, CURLUPART_USER, 0) : NULL;
	curl_url_cleanup(url);
	fetch_clear_target(target);
	target->tls = g_strcmp0(scheme, "https") == 0;
	if (host == NULL || user != NULL || (!target->tls && g_strcmp0(scheme, "http") != 0))
		return FALSE;
	target->where = g_strdup_printf("%s://%s:%s%s", scheme, host, port, path);
	gsize length = strlen(host);
	target->host =
	    *host == '[' && length > 2 ? g_strndup(host + 1, length - 2) : g_strdup(host);
	return TRUE;
}

/* @list: set also when it fails */
static gboolean
fetch_make_headers(
    const char *const *headers, const char *authorization, struct curl_slist **list, GError **error)
{
	*list = curl_slist_append(NULL, "Expect:");
	for (guint i = 0; headers != NULL && headers[i] != NULL; i++) {
		if (strpbrk(headers[i], "\r\n") != NULL || strchr(headers[i], ':') == NULL) {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "header %u is not NAME: VALUE in one line", i + 1);
			return FALSE;
		}
		*list = curl_slist_append(*list, headers[i]);
	}
	if (authorization != NULL)
		*list = curl_slist_append(*list, authorization);
	return TRUE;
}

static void
fetch_set_body(PvFetch *fetch, const char *method, GBytes *body)
{
	gsize length = 0;
	const void *data = body != NULL ? g_bytes_get_data(body, &length) : NULL;
	CURL *easy = fetch->easy;
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
	if (body != NULL || g_str_equal(method, "POST") || g_str_equal(method, "PUT")) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, data != NULL ? data : "");
		if (!g_str_equal(method, "POST"))
			curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
		return;
	}
	curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	if (!g_str_equal(method, "GET"))
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

/* ---- errors ---- */

/* strerror(), which follows the locale, only for what is rare */
static const char *
fetch_explain_errno(long number)
{
	switch (number) {
	case ECONNREFUSED:
		return "connection refused";
	case EHOSTUNREACH:
		return "no route to the host";
	case ENETUNREACH:
		return "no route to the network";
	case ETIMEDOUT:
		return "no answer";
	case 0:
		return "no connection";
	default:
		return g_strerror((int)number);
	}
}

static void
fetch_explain_timeout(PvFetch *fetch, GError **error)
{
	long sent = 0;
	curl_easy_getinfo(fetch->easy, CURLINFO_REQUEST_SIZE, &sent);
	g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE, "no %s within %u ms",
	    sent > 0 ? "complete answer" : "connection",
	    sent > 0 ? fetch->shared->request_msec : fetch->shared->connect_msec);
}

static void
fetch_explain_result(PvFetch *fetch, CURLcode result, GError **error)
{
	long number = 0;
	switch (result) {
	case CURLE_COULDNT_RESOLVE_HOST:
		g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE, "the name has no address");
		return;
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(fetch->easy, CURLINFO_OS_ERRNO, &number);
		g_set_error_literal(
		    error, PV_ERROR, PV_ERROR_UNREACHABLE, fetch_explain_errno(number));
		return;
	case CURLE_OPERATION_TIMEDOUT:
		fetch_explain_timeout(fetch, error);
		return;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CIPHER:
		pv_fetch_tls_explain(fetch, error);
		return;
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_FAIL_REWIND:
		if (strstr(fetch->text, "chunk") == NULL) {
			g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE,
			    "the connection was closed before the answer was complete");
			return;
		}
		break;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_HTTP2:
		break;
	default:
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "%s",
		    *fetch->text != '\0' ? fetch->text : curl_easy_strerror(result));
		return;
	}
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "the answer is not of HTTP/1.1");
}

static void
fetch_explain(PvFetch *fetch, CURLcode result, GError **error)
{
	if (fetch->refusal != NULL)
		g_propagate_error(error, g_steal_pointer(&fetch->refusal));
	else if (fetch->broken != NULL)
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL, fetch->broken);
	else if (pv_fetch_tls_is_refused(fetch))
		pv_fetch_tls_explain(
		    fetch, error); /* TLS 1.3: it may come when the request is sent */
	else
		fetch_explain_result(fetch, result, error);
}

static void
fetch_explain_login(PvFetch *fetch, GError **error)
{
	const FetchShared *shared = fetch->shared;
	const char *offered = fetch->offered->str;
	const char *takes = *offered != '\0' ? "; it takes " : "";
	if (shared->kerberos != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
		    "the server refused the ticket of %s%s%s",
		    pv_kerberos_get_principal(shared->kerberos), takes, offered);
	else if (shared->user == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
		    "the server wants a login (%s) and none is configured",
		    *offered != '\0' ? offered : "it does not say by what scheme");
	else
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
		    "the server refused the login of \"%s\"%s%s%s", shared->user, takes, offered,
		    !fetch->target.tls && strstr(offered, "Digest") == NULL
			? "; Basic is used over TLS only"
			: "");
}

/* ---- a request ---- */

/* Drives the transfer to its end; the wait ends at once when the cancellable fires. */
static CURLcode
fetch_run(PvFetch *fetch, GCancellable *cancellable)
{
	GPollFD poll = { .fd = -1 };
	gboolean wakes = cancellable != NULL && g_cancellable_make_pollfd(cancellable, &poll);
	struct curl_waitfd wake = { .fd = poll.fd, .events = CURL_WAIT_POLLIN };
	int period_msec = cancellable != NULL && !wakes ? 100 : 1000;
	CURLcode result = CURLE_FAILED_INIT;
	int running = 1;
	while (running != 0 && curl_multi_perform(fetch->multi, &running) == CURLM_OK) {
		if (running != 0 && g_cancellable_is_cancelled(cancellable)) {
			result = CURLE_ABORTED_BY_CALLBACK;
			break;
		}
		if (running != 0)
			curl_multi_poll(fetch->multi, &wake, wakes ? 1 : 0, period_msec, NULL);
	}
	if (wakes)
		g_cancellable_release_fd(cancellable);
	int left = 0;
	const CURLMsg *message = running == 0 ? curl_multi_info_read(fetch->multi, &left) : NULL;
	return message != NULL && message->msg == CURLMSG_DONE ? message->data.result : result;
}

static CURLcode
fetch_perform(PvFetch *fetch, const char *url, GCancellable *cancellable)
{
	unsigned long login = CURLAUTH_DIGEST | (fetch->target.tls ? CURLAUTH_BASIC : 0);
	fetch_forget_answer(fetch);
	g_clear_error(&fetch->refusal);
	fetch->text[0] = '\0';
	fetch->alert = -1;
	fetch->broken = NULL;
	curl_easy_setopt(fetch->easy, CURLOPT_HTTPAUTH, (long)login);
	curl_easy_setopt(fetch->easy, CURLOPT_URL, url);
	if (curl_multi_add_handle(fetch->multi, fetch->easy) != CURLM_OK)
		return CURLE_FAILED_INIT;
	CURLcode result = fetch_run(fetch, cancellable);
	curl_multi_remove_handle(fetch->multi, fetch->easy);
	ERR_clear_error();
	return result;
}

/* Takes what came. */
static void
fetch_fill(PvFetch *fetch, guint status, PvFetchReply *reply)
{
	curl_off_t wait = 0;
	curl_easy_getinfo(fetch->easy, CURLINFO_RETRY_AFTER, &wait);
	*reply = (PvFetchReply) { .status = status,
		.content_type = g_steal_pointer(&fetch->content_type),
		.retry_after_sec = (guint)CLAMP(wait, 0, FETCH_MAX_WAIT_SEC),
		.location = g_steal_pointer(&fetch->location),
		.body = g_bytes_new(fetch->body->data, fetch->body->len) };
}

typedef struct {
	const char *method;
	const char *url;
	const char *const *headers;
	GBytes *body;
	GCancellable *cancellable;
} FetchRequest;

/* @authorization: NULL: none of ours */
static gboolean
fetch_exchange(PvFetch *fetch, const FetchRequest *request, const char *authorization, long *status,
    GError **error)
{
	struct curl_slist *list = NULL;
	gboolean good = fetch_make_headers(request->headers, authorization, &list, error);
	CURLcode result = CURLE_FAILED_INIT;
	if (good) {
		fetch_set_body(fetch, request->method, request->body);
		curl_easy_setopt(fetch->easy, CURLOPT_HTTPHEADER, list);
		result = fetch_perform(fetch, request->url, request->cancellable);
		curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, status);
		curl_easy_setopt(fetch->easy, CURLOPT_HTTPHEADER, NULL);
		curl_easy_setopt(fetch->easy, CURLOPT_POSTFIELDS, NULL);
	}
	curl_slist_free_all(list);
	if (good && result != CURLE_OK) {
		if (!g_cancellable_set_error_if_cancelled(request->cancellable, error))
			fetch_explain(fetch, result, error);
		g_clear_pointer(&fetch->multi, curl_multi_cleanup);
	}
	return good && result == CURLE_OK;
}

/* NULL: the server said no more than the scheme's name */
static GBytes *
fetch_take_token(PvFetch *fetch)
{
	gsize length = 0;
	guchar *bytes = fetch->token != NULL ? g_base64_decode(fetch->token, &length) : NULL;
	if (length > 0)
		return g_bytes_new_take(bytes, length);
	g_free(bytes);
	return NULL;
}

/* The header with the next token; NULL without an error: there is nothing left to say. */
static char *
fetch_make_token(PvNegotiate *negotiate, GBytes *input, GError **error)
{
	gboolean done = FALSE;
	g_autoptr(GBytes) token = pv_negotiate_step(negotiate, input, &done, error);
	if (token == NULL)
		return NULL;
	g_autofree char *text =
	    g_base64_encode(g_bytes_get_data(token, NULL), g_bytes_get_size(token));
	return g_strconcat("Authorization: Negotiate ", text, NULL);
}

/* RFC 4559. The request that asked for the login went without one: only its handshake shows what to bind it to. */
static gboolean
fetch_negotiate(PvFetch *fetch, const FetchRequest *request, long *status, GError **error)
{
	const FetchShared *shared = fetch->shared;
	g_autofree char *host = g_strconcat("HTTP/", fetch->target.host, NULL);
	const char *service = shared->service != NULL ? shared->service : host;
	if (!pv_kerberos_get_ticket(shared->kerberos, service, request->cancellable, error))
		return FALSE;
	g_autoptr(PvNegotiate) negotiate = pv_negotiate_new(
	    shared->kerberos, service, fetch->target.tls ? fetch->binding : NULL, error);
	g_autoptr(GBytes) input = NULL;
	for (guint leg = 0; negotiate != NULL && leg < FETCH_MAX_LEGS; leg++) {
		g_autoptr(GError) local = NULL;
		g_autofree char *header = fetch_make_token(negotiate, input, &local);
		if (local != NULL) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		/* also when the server went on to answer: its token, if any, has proved it by now */
		if (header == NULL || (leg > 0 && *status != 401))
			return TRUE;
		if (!fetch_exchange(fetch, request, header, status, error))
			return FALSE;
		g_clear_pointer(&input, g_bytes_unref);
		input = fetch_take_token(fetch);
		if (input == NULL)
			return TRUE;
	}
	return negotiate != NULL;
}

gboolean
pv_fetch_request(PvFetch *fetch, const char *method, const char *url, const char *const *headers,
    GBytes *body, PvFetchReply *reply, GCancellable *cancellable, GError **error)
{
	const FetchRequest request = { method, url, headers, body, cancellable };
	long status = 0;
	if (g_cancellable_set_error_if_cancelled(cancellable, error))
		return FALSE;
	if (!fetch_parse_url(url, &fetch->target)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: a URL of http or https without a user in it is expected", method);
		return FALSE;
	}
	gboolean good =
	    fetch_open(fetch, error) && fetch_exchange(fetch, &request, NULL, &status, error);
	if (good && status == 401 && fetch->negotiates && fetch->shared->kerberos != NULL)
		good = fetch_negotiate(fetch, &request, &status, error);
	if (good && status != 401) {
		fetch_fill(fetch, (guint)status, reply);
		return TRUE;
	}
	if (good)
		fetch_explain_login(fetch, error);
	if (error != NULL && (*error)->domain == PV_ERROR)
		g_prefix_error(error, "%s %s: ", method, fetch->target.where);
	return FALSE;
}
