/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/http.h"

#include <provost/error.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#define HTTP_CONNECT_MSEC 10000
#define HTTP_REQUEST_MSEC 60000
#define HTTP_REPLY_MSEC 20000
#define HTTP_IDLE_SEC 25 /* clients known to work with AMT give an idle connection up after 28 s */

struct PvHttp {
	PvHttpOptions options; /* strings owned, objects referenced */
	GCancellable *cancellable;
	GPollFD wake; /* becomes readable when cancelled; fd -1: could not be had */
	char *url; /* without path */
	CURL *easy; /* NULL: closed */
	CURLM
	*multi; /* ours, so that a cancellation can interrupt the wait; holds the connection */
	struct curl_slist *fixed; /* headers of every POST */
	gboolean only_tls10; /* the device stumbled over anything newer */

	/* of the peer, from the first handshake until closed; resumed sessions keep them */
	char *fingerprint;
	gboolean verified;
	gint64 not_after_sec; /* of the certificate that fingerprint is of */
	gboolean asked; /* for our certificate */
	char *met; /* fingerprint of the certificate that was accepted last; NULL: none */

	/* of the request in flight */
	char text[CURL_ERROR_SIZE];
	GError *refusal; /* why we refused the peer */
	int alert; /* TLS alert that the peer sent; -1: none */
	gboolean closed_behind; /* the connection went away after something was sent */
	const char *broken; /* constant text: a limit of size was passed */
	gboolean slow; /* the limit of time for an answer that has begun was */
	gint64 first_byte; /* monotonic, microseconds; 0: none yet */

	GString *body;
	GString *headers;
	GPtrArray *challenges; /* of char *, ends with NULL */
	char *server;
};

/* ---- TLS ---- */

static gpointer
http_new_index(gpointer unused)
{
	return GINT_TO_POINTER(SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL));
}

/* where an SSL_CTX keeps its PvHttp */
static int
http_get_index(void)
{
	static GOnce once = G_ONCE_INIT;
	return GPOINTER_TO_INT(g_once(&once, http_new_index, NULL));
}

static void
http_note_alert(const SSL *ssl, int where, int value)
{
	if ((where & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT)
		return;
	PvHttp *http = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), http_get_index());
	if ((value & 0xff) != SSL_AD_CLOSE_NOTIFY)
		http->alert = value & 0xff;
}

/* What is accepted without being verified must at least be what was pinned, and as strong as the policy asks. */
static gboolean
http_accept_unverified(PvHttp *http, X509 *leaf, GError **error)
{
	const PvHttpOptions *options = &http->options;
	if (options->pin != NULL && g_ascii_strcasecmp(options->pin, http->fingerprint) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
		    "the certificate (SHA-256 %s) is not the one that was pinned (%s): another device "
		    "answers, or it was reset to factory state; after a reset, \"provost reset\" it "
		    "here too and begin anew",
		    http->fingerprint, options->pin);
		return FALSE;
	}
	/* the pin may have been taken from this very session; each later handshake of it has to keep to that */
	if (http->met != NULL && strcmp(http->met, http->fingerprint) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
		    "the certificate (SHA-256 %s) is not the one that the device showed before (%s)",
		    http->fingerprint, http->met);
		return FALSE;
	}
	/* SHA-1 and short keys pass only under the legacy policy, self-signed or not */
	if (options->policy == PV_TLS_LEGACY || pv_tls_check_strength(leaf, error))
		return TRUE;
	g_prefix_error(error, "the TLS policy of the device is modern: ");
	return FALSE;
}

/* A site's CA issues more than device certificates: one for a user or for 802.1X that has the name is no proof. */
static gboolean
http_check_purpose(X509 *leaf, GError **error)
{
	if (X509_check_purpose(leaf, X509_PURPOSE_SSL_SERVER, 0) == 1)
		return TRUE;
	ERR_clear_error();
	g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
	    "the certificate is of the site's CA, but its key usage is not that of a server");
	return FALSE;
}

static gboolean
http_judge_peer(PvHttp *http, X509 *leaf, STACK_OF(X509) * sent, GError **error)
{
	const PvHttpOptions *options = &http->options;
	g_autoptr(GError) local = NULL;
	if (options->trust != NULL && options->peer_name != NULL &&
	    pv_trust_verify(options->trust, leaf, sent, options->peer_name, options->policy, &local) &&
	    http_check_purpose(leaf, &local)) {
		http->verified = TRUE;
		return TRUE;
	}
	if (options->allow_unverified)
		return http_accept_unverified(http, leaf, error);
	if (local != NULL)
		g_propagate_error(error, g_steal_pointer(&local));
	else
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "there is no trusted CA or no name to verify the certificate with");
	return FALSE;
}

/* seconds since 1970; 0: no time */
static gint64
http_read_time(const ASN1_TIME *time)
{
	struct tm parts = { 0 };
	if (ASN1_TIME_to_tm(time, &parts) != 1)
		return 0;
	g_autoptr(GDateTime) utc = g_date_time_new_utc(parts.tm_year + 1900, parts.tm_mon + 1,
	    parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
	return utc != NULL ? g_date_time_to_unix(utc) : 0;
}

/* in place of OpenSSL's own verification; runs before anything but the handshake is sent */
static int
http_verify_peer(X509_STORE_CTX *context, void *data)
{
	PvHttp *http = data;
	X509 *leaf = X509_STORE_CTX_get0_cert(context);
	g_clear_error(&http->refusal);
	g_free(http->fingerprint);
	http->fingerprint = pv_tls_dup_fingerprint(leaf);
	http->not_after_sec = http_read_time(X509_get0_notAfter(leaf));
	http->verified = FALSE;
	gboolean accepted =
	    http_judge_peer(http, leaf, X509_STORE_CTX_get0_untrusted(context), &http->refusal);
	if (accepted) {
		g_free(http->met);
		http->met = g_strdup(http->fingerprint);
	}
	X509_STORE_CTX_set_error(
	    context, accepted ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
	return accepted;
}

/* The parsed objects are only referenced here, which costs a tenth of loading files for each connection. AMT wants
 * the whole chain, root included (Intel AMT SDK, "Remote configuration certificate requirements"). */
static gboolean
http_set_identity(SSL_CTX *context, PvIdentity *identity)
{
	STACK_OF(X509) *chain = pv_identity_get_chain(identity);
	if (SSL_CTX_use_certificate(context, sk_X509_value(chain, 0)) != 1 ||
	    SSL_CTX_use_PrivateKey(context, pv_identity_get_key(identity)) != 1)
		return FALSE;
	for (int i = 1; i < sk_X509_num(chain); i++)
		if (SSL_CTX_add1_chain_cert(context, sk_X509_value(chain, i)) != 1)
			return FALSE;
	SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
	return TRUE;
}

/* Comes only when the peer asks for a certificate; which one it gets was settled before. */
static int
http_note_request(SSL *ssl, void *data)
{
	PvHttp *http = data;
	http->asked = TRUE;
	return 1;
}

/* RFC 4279. The key's bytes are the PPS as it is written, 32 ASCII characters: "The PID and PPS are made up of ASCII
 * codes" (Intel AMT SDK, "PID-PPS Checksum"). */
static unsigned int
http_give_psk(SSL *ssl, const char *hint, char *identity, unsigned int identity_bytes,
    unsigned char *key, unsigned int key_bytes)
{
	PvHttp *http = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), http_get_index());
	gsize length = 0;
	const char *bytes = pv_secret_peek(http->options.psk, &length);
	if (length > key_bytes ||
	    g_strlcpy(identity, http->options.psk_identity, identity_bytes) >= identity_bytes)
		return 0;
	memcpy(key, bytes, length);
	g_free(http->fingerprint);
	http->fingerprint = g_strconcat("psk:", http->options.psk_identity, NULL);
	http->verified = FALSE;
	return (unsigned int)length;
}

/* Suites without a certificate, or after them the usual ones, for a device that may have been given one meanwhile.
 * eNULL is in kPSK too. In TLS 1.3, which firmware with PSK does not know, the key would go by other rules. */
static gboolean
http_set_psk(PvHttp *http, SSL_CTX *context)
{
	const char *suites = http->options.trust != NULL ? "kPSK:ALL:!eNULL:!aNULL:@SECLEVEL=0"
							 : "kPSK:!eNULL:@SECLEVEL=0";
	SSL_CTX_set_psk_client_callback(context, http_give_psk);
	return SSL_CTX_set_cipher_list(context, suites) == 1 &&
	       (http->only_tls10 || SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) == 1);
}

static void
http_set_policy(const PvHttp *http, SSL_CTX *context)
{
	SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION);
	if (http->options.policy == PV_TLS_MODERN) {
		SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
		SSL_CTX_set_security_level(context, 2);
		return;
	}
	SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
	if (http->only_tls10)
		SSL_CTX_set_max_proto_version(context, TLS1_VERSION);
	SSL_CTX_set_security_level(context, 0);
	SSL_CTX_set_options(
	    context, SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
}

static CURLcode
http_prepare_tls(CURL *easy, void *tls, void *data)
{
	PvHttp *http = data;
	SSL_CTX *context = tls;
	SSL_CTX_set_ex_data(context, http_get_index(), http);
	SSL_CTX_set_info_callback(context, http_note_alert);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(context, http_verify_peer, http);
	SSL_CTX_set_cert_cb(context, http_note_request, http);
	http_set_policy(http, context);
	if (http->options.psk != NULL && !http_set_psk(http, context)) {
		ERR_clear_error();
		g_set_error(&http->refusal, PV_ERROR, PV_ERROR_UNSUPPORTED,
		    "this host's OpenSSL has no cipher suites with pre-shared keys");
		return CURLE_SSL_CIPHER;
	}
	if (http->options.identity == NULL || http_set_identity(context, http->options.identity))
		return CURLE_OK;
	g_autofree char *text = pv_tls_dup_openssl_error();
	g_set_error(&http->refusal, PV_ERROR, PV_ERROR_CONFIG,
	    "our certificate %s cannot be used: %s", pv_identity_get_path(http->options.identity),
	    text);
	return CURLE_SSL_CERTPROBLEM;
}

/* ---- curl's callbacks ---- */

static size_t
http_take_body(char *data, size_t size, size_t count, void *user)
{
	PvHttp *http = user;
	if (http->body->len + size * count > PV_HTTP_MAX_BODY) {
		http->broken = "the answer is longer than 1 MiB";
		return 0;
	}
	g_string_append_len(http->body, data, (gssize)(size * count));
	return size * count;
}

static size_t
http_take_header(char *data, size_t size, size_t count, void *user)
{
	PvHttp *http = user;
	gsize length = size * count;
	if (http->first_byte == 0)
		http->first_byte = g_get_monotonic_time();
	if (http->headers->len + length > PV_HTTP_MAX_HEADERS) {
		http->broken = "the answer's headers are longer than 64 KiB";
		return 0;
	}
	if (length > 5 && g_ascii_strncasecmp(data, "HTTP/", 5) == 0)
		g_string_truncate(http->headers, 0); /* a 100 went before */
	g_string_append_len(http->headers, data, (gssize)length);
	return length;
}

/* whether anything of the request in flight has left */
static gboolean
http_has_sent(PvHttp *http)
{
	long bytes = 0;
	curl_easy_getinfo(http->easy, CURLINFO_REQUEST_SIZE, &bytes);
	return bytes > 0;
}

/* curl dials once more when a connection that it reuses turns out to be closed, and sends the request again. A write
 * must not be sent twice, so it may do that only while nothing has left. */
static curl_socket_t
http_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
	PvHttp *http = user;
	if (http_has_sent(http)) {
		http->closed_behind = TRUE;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- life ---- */

static char *
http_make_url(const PvHttpOptions *options)
{
	const char *scheme = options->tls ? "https" : "http";
	if (strchr(options->address, ':') == NULL)
		return g_strdup_printf("%s://%s:%u", scheme, options->address, options->port);
	/* RFC 6874: the % before a zone is written %25 */
	g_auto(GStrv) parts = g_strsplit(options->address, "%", 2);
	g_autofree char *host = g_strjoinv("%25", parts);
	return g_strdup_printf("%s://[%s]:%u", scheme, host, options->port);
}

PvHttp *
pv_http_new(const PvHttpOptions *options, GCancellable *cancellable)
{
	pv_net_init();
	PvHttp *http = g_new0(PvHttp, 1);
	http->options = *options;
	http->options.address = g_strdup(options->address);
	http->options.peer_name = g_strdup(options->peer_name);
	http->options.pin = g_strdup(options->pin);
	http->options.psk_identity = g_strdup(options->psk_identity);
	if (options->psk != NULL)
		pv_secret_ref(options->psk);
	if (options->identity != NULL)
		pv_identity_ref(options->identity);
	if (options->trust != NULL)
		pv_trust_ref(options->trust);
	if (options->connect_msec == 0)
		http->options.connect_msec = HTTP_CONNECT_MSEC;
	if (options->request_msec == 0)
		http->options.request_msec = HTTP_REQUEST_MSEC;
	if (options->reply_msec == 0)
		http->options.reply_msec = HTTP_REPLY_MSEC;
	http->wake.fd = -1;
	if (cancellable != NULL) {
		http->cancellable = g_object_ref(cancellable);
		if (!g_cancellable_make_pollfd(cancellable, &http->wake))
			http->wake.fd = -1;
	}
	http->url = http_make_url(options);
	http->body = g_string_sized_new(4096);
	http->headers = g_string_sized_new(512);
	http->challenges = g_ptr_array_new_with_free_func(g_free);
	http->fixed = curl_slist_append(NULL, "Content-Type: application/soap+xml; charset=UTF-8");
	http->fixed = curl_slist_append(http->fixed, "Accept:");
	http->fixed = curl_slist_append(http->fixed, "Expect:");
	return http;
}

void
pv_http_close(PvHttp *http)
{
	/* the handle goes first: it holds the TLS sessions; the multi holds the connection and closes it */
	g_clear_pointer(&http->easy, curl_easy_cleanup);
	g_clear_pointer(&http->multi, curl_multi_cleanup);
	g_clear_pointer(&http->fingerprint, g_free);
	g_clear_pointer(&http->met, g_free);
	http->verified = FALSE;
	http->not_after_sec = 0;
	http->asked = FALSE;
}

void
pv_http_free(PvHttp *http)
{
	if (http == NULL)
		return;
	pv_http_close(http);
	curl_slist_free_all(http->fixed);
	g_clear_error(&http->refusal);
	g_string_free(http->body, TRUE);
	g_string_free(http->headers, TRUE);
	g_ptr_array_unref(http->challenges);
	g_free(http->server);
	g_free(http->url);
	g_free((char *)http->options.address);
	g_free((char *)http->options.peer_name);
	g_free((char *)http->options.pin);
	g_free((char *)http->options.psk_identity);
	pv_secret_unref(http->options.psk);
	pv_identity_unref(http->options.identity);
	pv_trust_unref(http->options.trust);
	if (http->wake.fd >= 0)
		g_cancellable_release_fd(http->cancellable);
	g_clear_object(&http->cancellable);
	g_free(http);
}

static void
http_configure(PvHttp *http)
{
	CURL *easy = http->easy;
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, http->options.tls ? "https" : "http");
#else
	curl_easy_setopt(
	    easy, CURLOPT_PROTOCOLS, (long)(http->options.tls ? CURLPROTO_HTTPS : CURLPROTO_HTTP));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* do not wait for a resolver that hangs */
#endif
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)http->options.connect_msec);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
	    (long)http->options.connect_msec + (long)http->options.request_msec);
	curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)HTTP_IDLE_SEC);
	curl_easy_setopt(easy, CURLOPT_MAXCONNECTS, 1L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->text);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_take_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_take_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, http);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, http_open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, http);
	if (!http->options.tls)
		return;
	/* verification is http_verify_peer()'s; without this curl would read the system's CA bundle for each connection */
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, http_prepare_tls);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, http);
}

/* ---- errors ---- */

typedef struct {
	PvError code;
	char *text; /* owned */
} HttpFailure;

static gboolean
http_is_certificate_alert(int alert)
{
	switch (alert) {
	case SSL_AD_NO_CERTIFICATE:
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_ACCESS_DENIED:
	case SSL_AD_CERTIFICATE_REQUIRED:
		return TRUE;
	default:
		return FALSE;
	}
}

/* what a wrong key looks like: its first record cannot be read (RFC 5246, 7.2.2; RFC 4279, 2) */
static gboolean
http_is_key_alert(int alert)
{
	return alert == SSL_AD_BAD_RECORD_MAC || alert == SSL_AD_DECRYPTION_FAILED ||
	       alert == SSL_AD_DECRYPT_ERROR || alert == SSL_AD_UNKNOWN_PSK_IDENTITY;
}

/* before TLS 1.3 there is no alert of its own for a certificate that is missing (RFC 5246, 7.4.6) */
static gboolean
http_wants_certificate(const PvHttp *http)
{
	return http->asked && http->options.identity == NULL &&
	       http->alert == SSL_AD_HANDSHAKE_FAILURE;
}

static HttpFailure
http_explain_alert(const PvHttp *http)
{
	const char *name = SSL_alert_desc_string_long(http->alert);
	gboolean modern = http->options.policy == PV_TLS_MODERN;
	HttpFailure failure = { .code = PV_ERROR_UNREACHABLE };
	if (http->options.psk != NULL && http_is_key_alert(http->alert)) {
		failure.code = PV_ERROR_AUTH;
		failure.text =
		    g_strdup_printf("the device refused the pre-shared key of PID %s: %s: it has "
				    "another PID, or its PPS is not the one that is stored",
			http->options.psk_identity, name);
	} else if (http_is_certificate_alert(http->alert) || http_wants_certificate(http)) {
		failure.code = PV_ERROR_AUTH;
		failure.text =
		    g_strdup_printf(http->options.identity != NULL
					? "the device refused our certificate: %s"
					: "the device wants a certificate and we present none: %s",
			name);
	} else if (http->alert == SSL_AD_PROTOCOL_VERSION ||
		   http->alert == SSL_AD_INSUFFICIENT_SECURITY ||
		   http->alert == SSL_AD_HANDSHAKE_FAILURE) {
		failure.code = PV_ERROR_UNSUPPORTED;
		failure.text = g_strdup_printf("the device broke off the TLS handshake: %s%s", name,
		    modern ? " (the TLS policy of the device is modern: TLS 1.2 and up)"
		    : http->options.psk != NULL
			? " (it was offered a pre-shared key; has it PID and PPS?)"
			: "");
	} else {
		failure.text = g_strdup_printf("the device broke off TLS: %s", name);
	}
	return failure;
}

/* strerror(), which follows the locale, only for what is rare */
static const char *
http_explain_errno(long number)
{
	switch (number) {
	case ECONNREFUSED:
		return "connection refused";
	case ECONNRESET:
		return "connection reset by the peer";
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

static HttpFailure
http_explain_handshake(const PvHttp *http)
{
	static const char *const old[] = { "unsupported protocol", "legacy sigalg",
		"dh key too small", "unsafe legacy renegotiation", "wrong signature type",
		"no ciphers available", "ee key too small", "no suitable signature algorithm",
		"no shared" };
	for (gsize i = 0; i < G_N_ELEMENTS(old); i++)
		if (strstr(http->text, old[i]) != NULL)
			return (HttpFailure) { PV_ERROR_UNSUPPORTED,
				g_strdup_printf(
				    "the device speaks no TLS that the policy %s allows: %s",
				    http->options.policy == PV_TLS_MODERN ? "modern" : "legacy",
				    http->text) };
	if (strstr(http->text, "wrong version number") != NULL)
		return (HttpFailure) { PV_ERROR_PROTOCOL, g_strdup("the peer does not speak TLS") };
	if (strstr(http->text, "SSL_ERROR_SYSCALL") != NULL ||
	    strstr(http->text, "reset by peer") != NULL ||
	    strstr(http->text, "unexpected eof") != NULL)
		return (HttpFailure) { PV_ERROR_UNREACHABLE,
			g_strdup("the device closed the connection during the TLS handshake") };
	return (HttpFailure) { PV_ERROR_UNREACHABLE,
		g_strdup_printf("the TLS handshake failed: %s", http->text) };
}

static HttpFailure
http_explain_result(const PvHttp *http, CURLcode result, gboolean sent)
{
	long number = 0;
	switch (result) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return (HttpFailure) { PV_ERROR_UNREACHABLE, g_strdup("the name has no address") };
	case CURLE_COULDNT_CONNECT:
		if (http->closed_behind)
			break;
		curl_easy_getinfo(http->easy, CURLINFO_OS_ERRNO, &number);
		return (HttpFailure) { PV_ERROR_UNREACHABLE, g_strdup(http_explain_errno(number)) };
	case CURLE_OPERATION_TIMEDOUT:
		return (HttpFailure) { PV_ERROR_UNREACHABLE,
			g_strdup_printf("no answer within %u ms",
			    sent ? http->options.request_msec : http->options.connect_msec) };
	case CURLE_SSL_CONNECT_ERROR:
		return http_explain_handshake(http);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_HTTP2:
		return (HttpFailure) { PV_ERROR_PROTOCOL,
			g_strdup("the peer does not speak HTTP/1.1") };
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_FAIL_REWIND:
		if (strstr(http->text, "chunk") != NULL)
			return (HttpFailure) { PV_ERROR_PROTOCOL,
				g_strdup("the answer's chunks make no sense") };
		break;
	default:
		return (HttpFailure) { PV_ERROR_FAILED,
			g_strdup(*http->text != '\0' ? http->text : curl_easy_strerror(result)) };
	}
	return (HttpFailure) { PV_ERROR_UNREACHABLE,
		g_strdup("the connection was closed before the answer was complete") };
}

static PvHttpFate
http_judge_fate(const PvHttp *http, CURLcode result, gboolean sent)
{
	if (!sent)
		return PV_HTTP_UNSENT;
	if (http->refusal != NULL || http->broken != NULL || http->slow || http->alert >= 0)
		return PV_HTTP_LOST;
	switch (result) {
	case CURLE_COULDNT_CONNECT:
		return http->closed_behind ? PV_HTTP_CLOSED : PV_HTTP_LOST;
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_FAIL_REWIND:
		return PV_HTTP_CLOSED;
	default:
		return PV_HTTP_LOST;
	}
}

static void
http_set_error(PvHttp *http, CURLcode result, gboolean sent, GError **error)
{
	const PvHttpOptions *options = &http->options;
	HttpFailure failure;
	if (http->refusal != NULL)
		failure = (HttpFailure) { (PvError)http->refusal->code,
			g_strdup(http->refusal->message) };
	else if (http->broken != NULL)
		failure = (HttpFailure) { PV_ERROR_PROTOCOL, g_strdup(http->broken) };
	else if (http->slow)
		failure =
		    (HttpFailure) { PV_ERROR_UNREACHABLE, g_strdup("the answer comes too slowly") };
	else if (http->alert >= 0)
		failure = http_explain_alert(http);
	else
		failure = http_explain_result(http, result, sent);
	gboolean connecting = !sent || http_is_certificate_alert(http->alert);
	g_set_error(error, PV_ERROR, (gint)failure.code, "%s%s%s%s:%u: %s",
	    connecting ? "connect " : "", strchr(options->address, ':') != NULL ? "[" : "",
	    options->address, strchr(options->address, ':') != NULL ? "]" : "", options->port,
	    failure.text);
	g_free(failure.text);
}

/* ---- a request ---- */

static gboolean
http_is_trickling(const PvHttp *http)
{
	return http->first_byte != 0 &&
	       g_get_monotonic_time() - http->first_byte > (gint64)http->options.reply_msec * 1000;
}

/* Drives the transfer to its end. The wait ends at once when the cancellable fires. */
static CURLcode
http_run(PvHttp *http)
{
	struct curl_waitfd wake = { .fd = http->wake.fd, .events = CURL_WAIT_POLLIN };
	int period_msec = MIN(1000, (int)http->options.reply_msec);
	if (http->cancellable != NULL && http->wake.fd < 0)
		period_msec = MIN(period_msec, 100);
	for (;;) {
		int running = 0;
		if (curl_multi_perform(http->multi, &running) != CURLM_OK)
			return CURLE_FAILED_INIT;
		if (running == 0)
			break;
		if (g_cancellable_is_cancelled(http->cancellable))
			return CURLE_ABORTED_BY_CALLBACK;
		if (http_is_trickling(http)) {
			http->slow = TRUE;
			return CURLE_ABORTED_BY_CALLBACK;
		}
		curl_multi_poll(http->multi, &wake, http->wake.fd >= 0 ? 1 : 0, period_msec, NULL);
	}
	int left = 0;
	const CURLMsg *message = curl_multi_info_read(http->multi, &left);
	return message != NULL && message->msg == CURLMSG_DONE ? message->data.result
							       : CURLE_FAILED_INIT;
}

static void
http_reset_request(PvHttp *http)
{
	g_clear_error(&http->refusal);
	http->text[0] = '\0';
	http->alert = -1;
	http->closed_behind = FALSE;
	http->broken = NULL;
	http->slow = FALSE;
	http->first_byte = 0;
	g_string_truncate(http->body, 0);
	g_string_truncate(http->headers, 0);
	g_ptr_array_set_size(http->challenges, 0);
	g_clear_pointer(&http->server, g_free);
}

static void
http_read_headers(PvHttp *http)
{
	static const char server[] = "Server:";
	static const char challenge[] = "WWW-Authenticate:";
	const char *line = http->headers->str;
	while (*line != '\0') {
		gsize length = strcspn(line, "\r\n");
		if (g_ascii_strncasecmp(line, server, strlen(server)) == 0) {
			g_free(http->server);
			http->server =
			    g_strstrip(g_strndup(line + strlen(server), length - strlen(server)));
		} else if (g_ascii_strncasecmp(line, challenge, strlen(challenge)) == 0) {
			g_ptr_array_add(http->challenges,
			    g_strstrip(
				g_strndup(line + strlen(challenge), length - strlen(challenge))));
		}
		line += length;
		line += strspn(line, "\r\n");
	}
	g_ptr_array_add(http->challenges, NULL);
}

static gboolean
http_open(PvHttp *http, GError **error)
{
	if (http->easy != NULL)
		return TRUE;
	http->easy = curl_easy_init();
	http->multi = curl_multi_init();
	if (http->easy == NULL || http->multi == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "connect %s: libcurl gives no handle",
		    http->options.address);
		pv_http_close(http);
		return FALSE;
	}
	http_configure(http);
	return TRUE;
}

/* the connection is of no more use, the TLS session is: the next dial resumes it */
static void
http_drop_connection(PvHttp *http)
{
	g_clear_pointer(&http->multi, curl_multi_cleanup);
	http->multi = curl_multi_init();
}

static CURLcode
http_perform(
    PvHttp *http, const char *path, const char *authorization, const char *body, gsize length_bytes)
{
	g_autofree char *url = g_strconcat(http->url, path, NULL);
	g_autofree char *line =
	    authorization != NULL ? g_strconcat("Authorization: ", authorization, NULL) : NULL;
	struct curl_slist first = { .data = line, .next = http->fixed };
	curl_easy_setopt(http->easy, CURLOPT_URL, url);
	if (body != NULL) {
		curl_easy_setopt(http->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(http->easy, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(http->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length_bytes);
	} else {
		curl_easy_setopt(http->easy, CURLOPT_HTTPGET, 1L);
	}
	struct curl_slist *headers = line != NULL ? &first : http->fixed;
	curl_easy_setopt(http->easy, CURLOPT_HTTPHEADER, body != NULL ? headers : NULL);
	if (http->multi == NULL || curl_multi_add_handle(http->multi, http->easy) != CURLM_OK)
		return CURLE_FAILED_INIT;
	CURLcode result = http_run(http);
	curl_multi_remove_handle(http->multi, http->easy);
	return result;
}

gboolean
pv_http_request(PvHttp *http, const char *path, const char *authorization, const char *body,
    gsize length_bytes, PvHttpReply *reply, PvHttpFate *fate, GError **error)
{
	*fate = PV_HTTP_UNSENT;
	*reply = (PvHttpReply) { 0 };
	if (g_cancellable_set_error_if_cancelled(http->cancellable, error) ||
	    !http_open(http, error))
		return FALSE;
	http_reset_request(http);
	CURLcode result = http_perform(http, path, authorization, body, length_bytes);
	if (result != CURLE_OK && http->alert == SSL_AD_BAD_RECORD_MAC && !http->only_tls10 &&
	    http->options.policy == PV_TLS_LEGACY && !http_has_sent(http)) {
		/* old firmware that answers a newer hello so is known to take a plain TLS 1.0 one */
		http->only_tls10 = TRUE;
		http_drop_connection(http);
		http_reset_request(http);
		result = http_perform(http, path, authorization, body, length_bytes);
	}
	gboolean sent = http_has_sent(http);
	if (result == CURLE_OK && http->options.tls && http->fingerprint == NULL) {
		/* cannot be, unless a TLS library skips the callback: then nothing was checked */
		g_set_error(
		    &http->refusal, PV_ERROR, PV_ERROR_AUTH, "the peer showed no certificate");
		result = CURLE_PEER_FAILED_VERIFICATION;
	}
	if (result != CURLE_OK) {
		*fate = http_judge_fate(http, result, sent);
		if (!g_cancellable_set_error_if_cancelled(http->cancellable, error))
			http_set_error(http, result, sent, error);
		http_drop_connection(http);
		ERR_clear_error();
		return FALSE;
	}
	long number = 0;
	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &number);
	http_read_headers(http);
	*reply = (PvHttpReply) { .status = (guint)number,
		.headers = http->headers->str,
		.server = http->server,
		.challenges = (const char *const *)http->challenges->pdata,
		.body = http->body->str,
		.length = http->body->len };
	return TRUE;
}

const char *
pv_http_get_fingerprint(PvHttp *http)
{
	return http->fingerprint;
}

gboolean
pv_http_is_verified(PvHttp *http)
{
	return http->verified;
}

gint64
pv_http_get_not_after(PvHttp *http)
{
	return http->not_after_sec;
}

gboolean
pv_http_is_mutual(PvHttp *http)
{
	return http->asked;
}
