/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/ldap-stream.h"

#include "core/net/tls.h"

#include <provost/error.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAM_MAX_ADDRESSES 8
#define STREAM_MAX_TOKEN (1024 * 1024) /* bytes of one wrapped buffer (RFC 4422 3.7); far above what servers send */
#define STREAM_KEEP_IDLE_SEC 30
#define STREAM_KEEP_INTERVAL_SEC 10
#define STREAM_KEEP_COUNT 3
#define STREAM_USER_TIMEOUT_MSEC 15000

struct PvLdapStream {
	int fd; /* non-blocking */
	char *host;
	char *peer; /* HOST:PORT */
	SSL_CTX *context; /* NULL: no TLS */
	SSL *ssl; /* NULL: no TLS */
	X509 *leaf; /* the server's certificate, trusted or not; NULL: not seen */
	GCancellable *cancellable; /* of the request in flight; owned */
	gint64 deadline_usec; /* monotonic */
	char *reason; /* why it broke; NULL: it did not, or the peer closed it */

	gboolean sealed;
	PvLdapSeal seal;
	GByteArray *token; /* what came of the next wrapped buffer, with its length in front */
	GByteArray *plain; /* unwrapped and not read yet, from plain_at on */
	gsize plain_at;
};

/* ---- waiting ---- */

void
pv_ldap_stream_set_deadline(PvLdapStream *stream, gint64 deadline_usec, GCancellable *cancellable)
{
	stream->deadline_usec = deadline_usec;
	g_set_object(&stream->cancellable, cancellable);
}

/* 1: @fd is ready; 0: time is up; -1: cancelled */
static int
ldap_stream_poll(int fd, short events, gint64 deadline_usec, GCancellable *cancellable)
{
	GPollFD wake = { .fd = -1 };
	gboolean woken = cancellable != NULL && g_cancellable_make_pollfd(cancellable, &wake);
	struct pollfd fds[2] = { { .fd = fd, .events = events },
		{ .fd = woken ? wake.fd : -1, .events = POLLIN } };
	int result = 0;
	for (gint64 left = 1; result == 0 && left > 0;) {
		if (g_cancellable_is_cancelled(cancellable)) {
			result = -1;
			break;
		}
		left = deadline_usec - g_get_monotonic_time();
		int n = poll(fds, 2, left > 0 ? (int)MIN(left / 1000 + 1, G_MAXINT) : 0);
		if (n > 0 && fds[0].revents != 0)
			result = 1;
	}
	if (woken)
		g_cancellable_release_fd(cancellable);
	return result;
}

static gboolean
ldap_stream_wait_for(PvLdapStream *stream, short events, GError **error)
{
	int ready =
	    ldap_stream_poll(stream->fd, events, stream->deadline_usec, stream->cancellable);
	if (ready > 0)
		return TRUE;
	if (ready < 0)
		g_cancellable_set_error_if_cancelled(stream->cancellable, error);
	else
		g_set_error(
		    error, PV_ERROR, PV_ERROR_UNREACHABLE, "%s does not answer in time", stream->peer);
	return FALSE;
}

gboolean
pv_ldap_stream_wait(PvLdapStream *stream, GError **error)
{
	if (stream->plain_at < stream->plain->len ||
	    (stream->ssl != NULL && SSL_pending(stream->ssl) > 0))
		return TRUE;
	return ldap_stream_wait_for(stream, POLLIN, error);
}

/* ---- connecting ---- */

static void
ldap_stream_finish_look_up(GObject *source, GAsyncResult *result, gpointer data)
{
	*(GAsyncResult **)data = g_object_ref(result);
}

static gboolean
ldap_stream_note_time(gpointer data)
{
	g_cancellable_cancel(data);
	return G_SOURCE_REMOVE;
}

static gboolean
ldap_stream_note_cancelled(GCancellable *cancellable, gpointer data)
{
	g_cancellable_cancel(data);
	return G_SOURCE_REMOVE;
}

static void
ldap_stream_run_look_up(GMainContext *context, const char *host, GCancellable *stop, GAsyncResult **result)
{
	g_autoptr(GResolver) resolver = g_resolver_get_default();
	g_main_context_push_thread_default(context);
	g_resolver_lookup_by_name_async(resolver, host, stop, ldap_stream_finish_look_up, result);
	while (*result == NULL)
		g_main_context_iteration(context, TRUE);
	g_main_context_pop_thread_default(context);
}

/* The resolver's worker may hang for longer than anybody has time; it is left behind then. */
static GList *
ldap_stream_look_up(const char *host, gint64 deadline_usec, GCancellable *cancellable, GError **error)
{
	g_autoptr(GMainContext) context = g_main_context_new();
	g_autoptr(GCancellable) stop = g_cancellable_new();
	gint64 left = MAX(deadline_usec - g_get_monotonic_time(), 0);
	g_autoptr(GSource) timer = g_timeout_source_new((guint)(left / 1000));
	g_source_set_callback(timer, ldap_stream_note_time, stop, NULL);
	g_source_attach(timer, context);
	g_autoptr(GSource) watch = g_cancellable_source_new(cancellable);
	g_source_set_callback(watch, G_SOURCE_FUNC(ldap_stream_note_cancelled), stop, NULL);
	g_source_attach(watch, context);

	g_autoptr(GAsyncResult) result = NULL;
	ldap_stream_run_look_up(context, host, stop, &result);
	g_source_destroy(timer);
	g_source_destroy(watch);
	g_autoptr(GResolver) resolver = g_resolver_get_default();
	g_autoptr(GError) local = NULL;
	GList *found = g_resolver_lookup_by_name_finish(resolver, result, &local);
	if (found != NULL || g_cancellable_set_error_if_cancelled(cancellable, error))
		return found;
	g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE, "look up %s: %s", host,
	    g_cancellable_is_cancelled(stop) ? "no name server answers in time" : local->message);
	return NULL;
}

static void
ldap_stream_set_options(int fd)
{
	const struct {
		int level, name, value;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, STREAM_KEEP_IDLE_SEC },
		{ IPPROTO_TCP, TCP_KEEPINTVL, STREAM_KEEP_INTERVAL_SEC },
		{ IPPROTO_TCP, TCP_KEEPCNT, STREAM_KEEP_COUNT },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, STREAM_USER_TIMEOUT_MSEC },
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
	};
	/* each only makes a dead peer known earlier; requests have their own deadline */
	for (guint i = 0; i < G_N_ELEMENTS(options); i++)
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
		    sizeof options[i].value);
}

/* the socket; or -1 with errno, 0 if it was cancelled */
static int
ldap_stream_dial(GInetAddress *address, guint port, gint64 deadline_usec, GCancellable *cancellable)
{
	g_autoptr(GSocketAddress) peer = g_inet_socket_address_new(address, (guint16)port);
	struct sockaddr_storage native;
	gssize size = g_socket_address_get_native_size(peer);
	if (size < 0 || !g_socket_address_to_native(peer, &native, sizeof native, NULL)) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	int fd = socket(native.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	int problem = 0;
	if (connect(fd, (struct sockaddr *)&native, (socklen_t)size) != 0)
		problem = errno;
	if (problem == EINPROGRESS) {
		socklen_t length = sizeof problem;
		int ready = ldap_stream_poll(fd, POLLOUT, deadline_usec, cancellable);
		problem = ready < 0 ? 0 : ETIMEDOUT;
		if (ready > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &length) != 0)
			problem = errno;
		if (ready > 0 && problem == 0) {
			ldap_stream_set_options(fd);
			return fd;
		}
	} else if (problem == 0) {
		ldap_stream_set_options(fd);
		return fd;
	}
	close(fd);
	errno = problem;
	return -1;
}

/* Each of a host's addresses gets an equal share of the time. */
static int
ldap_stream_dial_any(GList *addresses, const PvLdapStream *stream, guint port, GError **error)
{
	guint left = MIN(g_list_length(addresses), STREAM_MAX_ADDRESSES);
	for (GList *at = addresses; at != NULL && left > 0; at = at->next, left--) {
		gint64 now = g_get_monotonic_time();
		gint64 until = now + MAX(stream->deadline_usec - now, 0) / left;
		int fd = ldap_stream_dial(at->data, port, until, stream->cancellable);
		if (fd >= 0)
			return fd;
		int problem = errno;
		if (g_cancellable_set_error_if_cancelled(stream->cancellable, error))
			return -1;
		if (left == 1 || at->next == NULL)
			g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE, "connect %s: %s", stream->peer,
			    problem == ETIMEDOUT ? "no answer in time" : g_strerror(problem));
	}
	return -1;
}

PvLdapStream *
pv_ldap_stream_connect(const char *host, const char *address, guint port, guint msec,
    GCancellable *cancellable, GError **error)
{
	g_autoptr(PvLdapStream) stream = g_new0(PvLdapStream, 1);
	stream->fd = -1;
	stream->host = g_strdup(host);
	stream->peer = g_strdup_printf(strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
	stream->token = g_byte_array_new();
	stream->plain = g_byte_array_new();
	pv_ldap_stream_set_deadline(
	    stream, g_get_monotonic_time() + (gint64)msec * 1000, cancellable);

	const char *target = address != NULL ? address : host;
	GInetAddress *literal = g_inet_address_new_from_string(target);
	GList *addresses = literal != NULL ? g_list_append(NULL, literal) :
		ldap_stream_look_up(target, stream->deadline_usec, cancellable, error);
	if (addresses == NULL)
		return NULL;
	stream->fd = ldap_stream_dial_any(addresses, stream, port, error);
	g_resolver_free_addresses(addresses);
	return stream->fd >= 0 ? g_steal_pointer(&stream) : NULL;
}

void
pv_ldap_stream_free(PvLdapStream *stream)
{
	if (stream == NULL)
		return;
	SSL_free(stream->ssl);
	X509_free(stream->leaf);
	SSL_CTX_free(stream->context);
	if (stream->fd >= 0)
		close(stream->fd);
	if (stream->plain->len > 0)
		OPENSSL_cleanse(stream->plain->data, stream->plain->len);
	g_byte_array_unref(stream->plain);
	g_byte_array_unref(stream->token);
	g_clear_object(&stream->cancellable);
	g_free(stream->reason);
	g_free(stream->peer);
	g_free(stream->host);
	g_free(stream);
}

/* ---- OpenSSL over the socket ---- */

/* OpenSSL's own socket BIO would raise SIGPIPE in whatever program this is part of. */
static int
ldap_stream_bio_write(BIO *bio, const char *bytes, int length)
{
	const PvLdapStream *stream = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	ssize_t n = send(stream->fd, bytes, (size_t)length, MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)n;
}

static int
ldap_stream_bio_read(BIO *bio, char *bytes, int length)
{
	const PvLdapStream *stream = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	ssize_t n = recv(stream->fd, bytes, (size_t)length, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	return (int)n;
}

static long
ldap_stream_bio_control(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH;
}

static gpointer
ldap_stream_make_bio_method(gpointer unused)
{
	BIO_METHOD *method =
	    BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ldap stream");
	BIO_meth_set_write(method, ldap_stream_bio_write);
	BIO_meth_set_read(method, ldap_stream_bio_read);
	BIO_meth_set_ctrl(method, ldap_stream_bio_control);
	return method;
}

static BIO *
ldap_stream_new_bio(PvLdapStream *stream)
{
	static GOnce once = G_ONCE_INIT;
	BIO *bio = BIO_new(g_once(&once, ldap_stream_make_bio_method, NULL));
	BIO_set_data(bio, stream);
	BIO_set_init(bio, 1);
	return bio;
}

/* parsing the system's bundle takes longer than all the rest of a connection */
static gpointer
ldap_stream_load_system_roots(gpointer unused)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_set_default_paths(store);
	ERR_clear_error();
	return store;
}

static gboolean
ldap_stream_set_trust(PvLdapStream *stream, const char *trust, GError **error)
{
	static GOnce once = G_ONCE_INIT;
	if (trust == NULL) {
		SSL_CTX_set1_cert_store(
		    stream->context, g_once(&once, ldap_stream_load_system_roots, NULL));
		return TRUE;
	}
	if (SSL_CTX_load_verify_file(stream->context, trust) == 1)
		return TRUE;
	g_autofree char *text = pv_tls_dup_openssl_error();
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "read %s: no certificates can be read from it, PEM is wanted: %s", trust, text);
	return FALSE;
}

static gboolean
ldap_stream_set_name(PvLdapStream *stream)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(stream->ssl);
	if (g_hostname_is_ip_address(stream->host))
		return X509_VERIFY_PARAM_set1_ip_asc(param, stream->host) == 1;
	SSL_set_hostflags(stream->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(stream->ssl, stream->host) == 1 &&
	       SSL_set_tlsext_host_name(stream->ssl, stream->host) == 1;
}

static void
ldap_stream_append_name(GString *names, const GENERAL_NAME *name)
{
	const ASN1_STRING *text = name->type == GEN_DNS ? name->d.dNSName : NULL;
	if (text == NULL || names->len > 200 || ASN1_STRING_length(text) > 255)
		return;
	g_autofree char *raw = g_strndup(
	    (const char *)ASN1_STRING_get0_data(text), (gsize)ASN1_STRING_length(text));
	g_autofree char *escaped = g_strescape(raw, NULL);
	g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "", escaped);
}

/* the names that it is for, as a person reads them */
static char *
ldap_stream_dup_names(X509 *certificate)
{
	GString *names = g_string_new(NULL);
	GENERAL_NAMES *list = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; list != NULL && i < sk_GENERAL_NAME_num(list); i++)
		ldap_stream_append_name(names, sk_GENERAL_NAME_value(list, i));
	GENERAL_NAMES_free(list);
	if (names->len == 0) {
		g_autofree char *subject = pv_tls_dup_name(X509_get_subject_name(certificate));
		g_string_append(names, subject);
	}
	return g_string_free(names, FALSE);
}

/* OpenSSL forgets a certificate that it refuses, and the refusal should say whose it was. */
static int
ldap_stream_note_certificate(int good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	PvLdapStream *stream = BIO_get_data(SSL_get_rbio(ssl));
	if (stream->leaf == NULL) {
		stream->leaf = X509_STORE_CTX_get0_cert(store);
		X509_up_ref(stream->leaf);
	}
	return good;
}

static void
ldap_stream_set_refusal(PvLdapStream *stream, const char *trust, GError **error)
{
	long result = SSL_get_verify_result(stream->ssl);
	X509 *leaf = stream->leaf;
	if (leaf == NULL || result == X509_V_OK) {
		g_autofree char *text = pv_tls_dup_openssl_error();
		g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE, "TLS with %s: %s", stream->peer,
		    text);
	} else if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH) {
		g_autofree char *names = ldap_stream_dup_names(leaf);
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
		    "TLS with %s: the server's certificate is for \"%s\" and not for \"%s\": connect "
		    "to a name that it has",
		    stream->peer, names, stream->host);
	} else {
		g_autofree char *subject = pv_tls_dup_name(X509_get_subject_name(leaf));
		g_autofree char *issuer = pv_tls_dup_name(X509_get_issuer_name(leaf));
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
		    "TLS with %s: the server's certificate \"%s\" by \"%s\" is not trusted by %s: %s",
		    stream->peer, subject, issuer, trust != NULL ? trust : "this system's roots",
		    X509_verify_cert_error_string(result));
	}
	ERR_clear_error();
}

static gboolean
ldap_stream_shake_hands(PvLdapStream *stream, const char *trust, GError **error)
{
	for (;;) {
		ERR_clear_error();
		errno = 0;
		int done = SSL_connect(stream->ssl);
		int problem = errno;
		if (done == 1)
			return TRUE;
		int wanted = SSL_get_error(stream->ssl, done);
		if (wanted == SSL_ERROR_WANT_READ || wanted == SSL_ERROR_WANT_WRITE) {
			short events = wanted == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
			if (ldap_stream_wait_for(stream, events, error))
				continue;
			g_prefix_error(error, "TLS with %s: ", stream->peer);
			return FALSE;
		}
		if (wanted != SSL_ERROR_SYSCALL) {
			ldap_stream_set_refusal(stream, trust, error);
			return FALSE;
		}
		g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE, "TLS with %s: %s", stream->peer,
		    problem != 0 ? g_strerror(problem)
				 : "the server closed the connection: does it speak TLS there?");
		return FALSE;
	}
}

gboolean
pv_ldap_stream_start_tls(PvLdapStream *stream, const char *trust, GError **error)
{
	stream->context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(stream->context, TLS1_2_VERSION);
	SSL_CTX_set_security_level(stream->context, 2);
	SSL_CTX_set_options(stream->context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(stream->context,
	    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(stream->context, SSL_VERIFY_PEER, ldap_stream_note_certificate);
	if (!ldap_stream_set_trust(stream, trust, error))
		return FALSE;
	stream->ssl = SSL_new(stream->context);
	if (!ldap_stream_set_name(stream)) {
		ERR_clear_error();
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "TLS with %s: a certificate cannot have such a name", stream->peer);
		return FALSE;
	}
	BIO *bio = ldap_stream_new_bio(stream);
	SSL_set_bio(stream->ssl, bio, bio);
	return ldap_stream_shake_hands(stream, trust, error);
}

GBytes *
pv_ldap_stream_dup_binding(const PvLdapStream *stream)
{
	X509 *leaf = stream->leaf;
	int digest = NID_undef;
	guint8 hash[EVP_MAX_MD_SIZE];
	guint length = 0;
	if (leaf == NULL)
		return NULL;
	/* the digest of the certificate's signature, but never less than SHA-256; signatures without one, such as Ed25519,
	 * have no such binding by the letter, and servers take SHA-256 for them */
	if (X509_get_signature_info(leaf, &digest, NULL, NULL, NULL) != 1 || digest == NID_md5 ||
	    digest == NID_sha1 || EVP_get_digestbynid(digest) == NULL)
		digest = NID_sha256;
	if (X509_digest(leaf, EVP_get_digestbynid(digest), hash, &length) != 1)
		return NULL;
	return g_bytes_new(hash, length);
}

/* ---- reading and writing ---- */

static void
ldap_stream_fail(PvLdapStream *stream, const char *reason)
{
	if (stream->reason == NULL)
		stream->reason = g_strdup(reason);
	errno = EIO;
}

/* -1 with errno: EAGAIN when there is nothing yet */
static gssize
ldap_stream_receive(PvLdapStream *stream, guint8 *bytes, gsize length)
{
	if (stream->ssl == NULL) {
		ssize_t n = recv(stream->fd, bytes, length, 0);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			ldap_stream_fail(stream, g_strerror(errno));
		return n;
	}
	for (;;) {
		gsize done = 0;
		ERR_clear_error();
		errno = 0;
		int result = SSL_read_ex(stream->ssl, bytes, length, &done);
		if (result == 1)
			return (gssize)done;
		int wanted = SSL_get_error(stream->ssl, result);
		if (wanted == SSL_ERROR_ZERO_RETURN || (wanted == SSL_ERROR_SYSCALL && errno == 0))
			return 0;
		if (wanted == SSL_ERROR_WANT_READ) {
			errno = EAGAIN;
			return -1;
		}
		if (wanted == SSL_ERROR_WANT_WRITE && ldap_stream_wait_for(stream, POLLOUT, NULL))
			continue;
		g_autofree char *text = wanted == SSL_ERROR_SSL ? pv_tls_dup_openssl_error()
								: g_strdup(g_strerror(errno));
		ldap_stream_fail(stream, text);
		return -1;
	}
}

static gboolean
ldap_stream_send_some(PvLdapStream *stream, const guint8 *bytes, gsize length, gsize *done)
{
	if (stream->ssl == NULL) {
		ssize_t n = send(stream->fd, bytes, length, MSG_NOSIGNAL);
		*done = n > 0 ? (gsize)n : 0;
		int problem = n < 0 ? errno : 0;
		if (problem == 0 || problem == EINTR)
			return TRUE;
		if (problem == EAGAIN && ldap_stream_wait_for(stream, POLLOUT, NULL))
			return TRUE;
		ldap_stream_fail(
		    stream, problem == EAGAIN ? "nothing can be sent in time" : g_strerror(problem));
		return FALSE;
	}
	ERR_clear_error();
	int result = SSL_write_ex(stream->ssl, bytes, length, done);
	if (result == 1)
		return TRUE;
	*done = 0;
	int wanted = SSL_get_error(stream->ssl, result);
	if ((wanted == SSL_ERROR_WANT_WRITE && ldap_stream_wait_for(stream, POLLOUT, NULL)) ||
	    (wanted == SSL_ERROR_WANT_READ && ldap_stream_wait_for(stream, POLLIN, NULL)))
		return TRUE;
	g_autofree char *text = pv_tls_dup_openssl_error();
	ldap_stream_fail(stream, text);
	return FALSE;
}

static gboolean
ldap_stream_send(PvLdapStream *stream, const guint8 *bytes, gsize length)
{
	while (length > 0) {
		gsize done = 0;
		if (!ldap_stream_send_some(stream, bytes, length, &done))
			return FALSE;
		bytes += done;
		length -= done;
	}
	return TRUE;
}

/* a whole wrapped buffer becomes plain: 1; at the end of the stream 0; -1 with errno */
static int
ldap_stream_receive_token(PvLdapStream *stream)
{
	GByteArray *token = stream->token;
	for (;;) {
		gsize wanted = 4;
		if (token->len >= 4)
			wanted += (gsize)token->data[0] << 24 | (gsize)token->data[1] << 16 |
				  (gsize)token->data[2] << 8 | token->data[3];
		if (wanted > STREAM_MAX_TOKEN) {
			ldap_stream_fail(stream, "what it sends is not what its login agreed on");
			return -1;
		}
		if (token->len >= 4 && token->len == wanted)
			break;
		guint8 buffer[4096];
		gssize n = ldap_stream_receive(stream, buffer, MIN(wanted - token->len, sizeof buffer));
		if (n <= 0)
			return (int)n;
		g_byte_array_append(token, buffer, (guint)n);
	}
	g_byte_array_set_size(stream->plain, 0);
	stream->plain_at = 0;
	gboolean ok =
	    stream->seal.unwrap(stream->seal.data, token->data + 4, token->len - 4, stream->plain);
	g_byte_array_set_size(token, 0);
	if (!ok)
		ldap_stream_fail(stream, "what it sent was changed on its way");
	return ok ? 1 : -1;
}

static ber_slen_t
ldap_stream_io_read(Sockbuf_IO_Desc *io, void *bytes, ber_len_t length)
{
	PvLdapStream *stream = io->sbiod_pvt;
	if (!stream->sealed)
		return ldap_stream_receive(stream, bytes, length);
	while (stream->plain_at == stream->plain->len) {
		int result = ldap_stream_receive_token(stream);
		if (result <= 0)
			return result;
	}
	gsize n = MIN(length, stream->plain->len - stream->plain_at);
	memcpy(bytes, stream->plain->data + stream->plain_at, n);
	OPENSSL_cleanse(stream->plain->data + stream->plain_at, n);
	stream->plain_at += n;
	return (ber_slen_t)n;
}

static ber_slen_t
ldap_stream_io_write(Sockbuf_IO_Desc *io, void *bytes, ber_len_t length)
{
	PvLdapStream *stream = io->sbiod_pvt;
	if (stream->reason != NULL) {
		errno = EIO;
		return -1;
	}
	if (!stream->sealed)
		return ldap_stream_send(stream, bytes, length) ? (ber_slen_t)length : -1;
	for (gsize at = 0; at < length;) {
		gsize n = MIN(length - at, stream->seal.max_wrap_bytes);
		g_autoptr(GByteArray) token = g_byte_array_new();
		g_byte_array_set_size(token, 4);
		if (!stream->seal.wrap(stream->seal.data, (const guint8 *)bytes + at, n, token)) {
			ldap_stream_fail(stream, "what is to be sent cannot be encrypted");
			return -1;
		}
		guint32 size = GUINT32_TO_BE(token->len - 4);
		memcpy(token->data, &size, sizeof size);
		if (!ldap_stream_send(stream, token->data, token->len))
			return -1;
		at += n;
	}
	return (ber_slen_t)length;
}

static int
ldap_stream_io_control(Sockbuf_IO_Desc *io, int option, void *argument)
{
	const PvLdapStream *stream = io->sbiod_pvt;
	if (option != LBER_SB_OPT_DATA_READY)
		return 0;
	return stream->plain_at < stream->plain->len ||
	       (stream->ssl != NULL && SSL_pending(stream->ssl) > 0);
}

static int
ldap_stream_io_set_up(Sockbuf_IO_Desc *io, void *argument)
{
	io->sbiod_pvt = argument;
	return 0;
}

static int
ldap_stream_io_end(Sockbuf_IO_Desc *io)
{
	return 0; /* the stream's owner closes it */
}

Sockbuf_IO *
pv_ldap_stream_get_io(void)
{
	static const Sockbuf_IO io = {
		.sbi_setup = ldap_stream_io_set_up,
		.sbi_remove = ldap_stream_io_end,
		.sbi_ctrl = ldap_stream_io_control,
		.sbi_read = ldap_stream_io_read,
		.sbi_write = ldap_stream_io_write,
		.sbi_close = ldap_stream_io_end,
	};
	return (Sockbuf_IO *)&io; /* liblber takes it as writable and does not write */
}

void
pv_ldap_stream_set_seal(PvLdapStream *stream, const PvLdapSeal *seal)
{
	stream->seal = *seal;
	stream->sealed = TRUE;
}

void
pv_ldap_stream_shut(PvLdapStream *stream)
{
	ldap_stream_fail(stream, "the connection was given up");
}

int
pv_ldap_stream_get_fd(const PvLdapStream *stream)
{
	return stream->fd;
}

gboolean
pv_ldap_stream_is_encrypted(const PvLdapStream *stream)
{
	return stream->sealed || stream->ssl != NULL;
}

const char *
pv_ldap_stream_get_peer(const PvLdapStream *stream)
{
	return stream->peer;
}

const char *
pv_ldap_stream_get_reason(const PvLdapStream *stream)
{
	return stream->reason;
}
