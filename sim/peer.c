/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h" /* _GNU_SOURCE: accept4 */

#include "sim/peer.h"

#include "sim/server.h"
#include "sim/x509.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEER_READ_BYTES 16384
#define PEER_BACKLOG 16
#define PEER_CONNECTIONS_MAX 64
#define PEER_LINGER_SEC 1 /* so long the other side may take to say goodbye */
#define PEER_KEY_BITS 2048

struct PvSimPeers {
	int fd; /* listens */
	char *address;
	SSL_CTX *tls;
	void (*serve)(PvSimPeer *peer, gpointer data);
	gpointer data;
	GMainLoop *loop;
	GPtrArray *threads; /* of GThread; the main thread's own */
	GMutex lock;
	GPtrArray *open; /* of PvSimPeer, each its thread's; protected by lock */
	gboolean stop; /* protected by lock */
};

typedef struct {
	PvSimPeers *peers;
	PvSimPeer peer;
} PeerThread;

gboolean
pv_sim_peer_read(PvSimPeer *peer)
{
	guint8 bytes[PEER_READ_BYTES];
	ERR_clear_error();
	ssize_t got = 0;
	do {
		got = peer->ssl != NULL ? SSL_read(peer->ssl, bytes, sizeof bytes)
					: recv(peer->fd, bytes, sizeof bytes, 0);
	} while (got < 0 && errno == EINTR);
	if (got <= 0)
		return peer->ssl != NULL &&
		       SSL_get_error(peer->ssl, (int)got) == SSL_ERROR_WANT_READ;
	g_byte_array_append(peer->in, bytes, (guint)got);
	return TRUE;
}

gboolean
pv_sim_peer_write(PvSimPeer *peer, const GByteArray *data)
{
	ERR_clear_error();
	for (guint at = 0; at < data->len;) {
		ssize_t sent = peer->ssl != NULL
				   ? SSL_write(peer->ssl, data->data + at, (int)(data->len - at))
				   : send(peer->fd, data->data + at, data->len - at, MSG_NOSIGNAL);
		if (sent <= 0 && errno != EINTR)
			return FALSE;
		at += sent > 0 ? (guint)sent : 0;
	}
	return TRUE;
}

/* Reads on until the other side has closed, too: a reset would overtake what was just sent */
static void
peer_say_goodbye(PvSimPeer *peer)
{
	const struct timeval patience = { .tv_sec = PEER_LINGER_SEC };
	char ignored[256];
	if (peer->ssl != NULL && SSL_is_init_finished(peer->ssl)) {
		ERR_clear_error();
		(void)SSL_shutdown(peer->ssl); /* close_notify; the answer is not waited for */
	}
	shutdown(peer->fd, SHUT_WR);
	setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	while (recv(peer->fd, ignored, sizeof ignored, 0) > 0)
		continue;
}

static gpointer
peer_run(gpointer data)
{
	g_autofree PeerThread *thread = data;
	PvSimPeers *peers = thread->peers;
	PvSimPeer *peer = &thread->peer;
	if (peer->ssl == NULL || SSL_accept(peer->ssl) == 1)
		peers->serve(peer, peers->data);
	peer_say_goodbye(peer);
	g_mutex_lock(&peers->lock);
	g_ptr_array_remove_fast(peers->open, peer);
	gboolean stop = peers->stop;
	close(peer->fd); /* under the lock: nobody shuts down a number that is another's by now */
	g_mutex_unlock(&peers->lock);
	SSL_free(peer->ssl);
	g_byte_array_unref(peer->in);
	if (stop)
		g_main_loop_quit(peers->loop);
	return NULL;
}

static gboolean
peers_accept(gint fd, GIOCondition condition, gpointer data)
{
	PvSimPeers *peers = data;
	int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (accepted < 0)
		return G_SOURCE_CONTINUE; /* it went away again */
	SSL *ssl = peers->tls != NULL ? SSL_new(peers->tls) : NULL;
	g_mutex_lock(&peers->lock);
	gboolean full = peers->open->len >= PEER_CONNECTIONS_MAX;
	g_mutex_unlock(&peers->lock);
	if (full || (peers->tls != NULL && (ssl == NULL || SSL_set_fd(ssl, accepted) != 1))) {
		SSL_free(ssl);
		close(accepted);
		return G_SOURCE_CONTINUE;
	}
	PeerThread *thread = g_new0(PeerThread, 1);
	thread->peers = peers;
	thread->peer = (PvSimPeer) { accepted, ssl, g_byte_array_new() };
	g_mutex_lock(&peers->lock);
	g_ptr_array_add(peers->open, &thread->peer);
	g_mutex_unlock(&peers->lock);
	g_ptr_array_add(peers->threads, g_thread_new("sim-peer", peer_run, thread));
	return G_SOURCE_CONTINUE;
}

PvSimPeers *
pv_sim_peers_new(const PvSimPeersConfig *config, GError **error)
{
	g_autofree char *host = NULL;
	struct sockaddr_in address = { .sin_family = AF_INET };
	guint16 port = 0;
	int on = 1;
	if (!pv_sim_server_parse_address(config->address, &host, &port, error))
		return NULL;
	address.sin_port = htons(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
	    listen(fd, PEER_BACKLOG) != 0) {
		int why = errno;
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(why), "listen on %s: %s%s",
		    config->address, g_strerror(why),
		    why == EADDRINUSE ? " (choose another port, or end what listens there)" : "");
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	PvSimPeers *peers = g_new0(PvSimPeers, 1);
	peers->fd = fd;
	peers->address = g_strdup(config->address);
	peers->tls = config->tls;
	peers->serve = config->serve;
	peers->data = config->data;
	peers->loop = g_main_loop_new(NULL, FALSE);
	peers->threads = g_ptr_array_new();
	peers->open = g_ptr_array_new();
	g_mutex_init(&peers->lock);
	return peers;
}

void
pv_sim_peers_free(PvSimPeers *peers)
{
	if (peers == NULL)
		return;
	close(peers->fd);
	g_mutex_lock(&peers->lock);
	for (guint i = 0; i < peers->open->len; i++) {
		const PvSimPeer *peer = peers->open->pdata[i];
		shutdown(peer->fd, SHUT_RDWR); /* wakes its thread */
	}
	g_mutex_unlock(&peers->lock);
	for (guint i = 0; i < peers->threads->len; i++)
		g_thread_join(peers->threads->pdata[i]);
	g_ptr_array_unref(peers->threads);
	g_ptr_array_unref(peers->open);
	g_main_loop_unref(peers->loop);
	g_mutex_clear(&peers->lock);
	g_free(peers->address);
	g_free(peers);
}

static gboolean
peers_quit(gpointer data)
{
	g_main_loop_quit(data);
	return G_SOURCE_CONTINUE;
}

void
pv_sim_peers_run(PvSimPeers *peers)
{
	guint sources[] = {
		g_unix_signal_add(SIGTERM, peers_quit, peers->loop),
		g_unix_signal_add(SIGINT, peers_quit, peers->loop),
		g_unix_fd_add(peers->fd, G_IO_IN, peers_accept, peers),
	};
	printf("ready %s\n", peers->address);
	fflush(stdout);
	g_main_loop_run(peers->loop);
	for (guint i = 0; i < G_N_ELEMENTS(sources); i++)
		g_source_remove(sources[i]);
}

void
pv_sim_peers_stop(PvSimPeers *peers)
{
	g_mutex_lock(&peers->lock);
	peers->stop = TRUE;
	g_mutex_unlock(&peers->lock);
}

static int
peer_take_any(X509_STORE_CTX *context, void *data)
{
	return 1; /* who comes is not looked at: a recording is no secret */
}

static gboolean
peer_use_own(SSL_CTX *context)
{
	const PvSimX509Spec spec = { .common_name = "provost-sim",
		.oids = { PV_SIM_X509_OID_SERVER } };
	EVP_PKEY *key = EVP_RSA_gen(PEER_KEY_BITS);
	X509 *x509 = key != NULL ? pv_sim_x509_make(&spec, key, NULL, key) : NULL;
	gboolean used = x509 != NULL && SSL_CTX_use_certificate(context, x509) == 1 &&
			SSL_CTX_use_PrivateKey(context, key) == 1;
	X509_free(x509);
	EVP_PKEY_free(key);
	return used;
}

static int
peer_no_passphrase(char *buffer, int size, int writes, void *data)
{
	return -1; /* else OpenSSL asks at the terminal */
}

/* For both sides: old firmware and its clients, and a key file that must not ask for its passphrase */
static SSL_CTX *
peer_new_tls(const SSL_METHOD *method)
{
	SSL_CTX *context = SSL_CTX_new(method);
	g_assert(context != NULL); /* only memory can lack */
	SSL_CTX_set_default_passwd_cb(context, peer_no_passphrase);
	SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
	SSL_CTX_set_security_level(context, 0); /* SHA-1 signatures and old suites */
	SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY); /* a session ticket is no data */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
	return context;
}

static gboolean
peer_use_files(SSL_CTX *context, const char *certificate, const char *key, GError **error)
{
	const char *wrong = NULL;
	if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
		wrong = "the file holds no PEM certificate, or cannot be read";
	else if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		wrong = "the key does not fit, has a passphrase, or cannot be read";
	if (wrong != NULL)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
		    "read certificate %s with key %s: %s", certificate, key, wrong);
	return wrong == NULL;
}

SSL_CTX *
pv_sim_peer_tls(const char *certificate, const char *key, GError **error)
{
	SSL_CTX *context = peer_new_tls(TLS_server_method());
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(context, peer_take_any, NULL);
	gboolean good = certificate != NULL ? peer_use_files(context, certificate, key, error)
					    : peer_use_own(context);
	if (good)
		return context;
	if (certificate == NULL)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "make a certificate: no memory");
	SSL_CTX_free(context);
	return NULL;
}

SSL_CTX *
pv_sim_peer_tls_client(const char *certificate, const char *key, GError **error)
{
	SSL_CTX *context = peer_new_tls(TLS_client_method());
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
	if (certificate == NULL || peer_use_files(context, certificate, key, error))
		return context;
	SSL_CTX_free(context);
	return NULL;
}

PvSimPeer *
pv_sim_peer_connect(const char *address, SSL_CTX *tls, GError **error)
{
	g_autofree char *host = NULL;
	g_autoptr(PvSimPeer) peer = g_new0(PvSimPeer, 1);
	struct sockaddr_in to = { .sin_family = AF_INET };
	guint16 port = 0;
	peer->fd = -1;
	peer->in = g_byte_array_new();
	if (!pv_sim_server_parse_address(address, &host, &port, error))
		return NULL;
	to.sin_port = htons(port);
	peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (peer->fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
	    connect(peer->fd, (struct sockaddr *)&to, sizeof to) != 0) {
		int why = errno;
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(why), "connect to %s: %s",
		    address, g_strerror(why));
		return NULL;
	}
	if (tls == NULL)
		return g_steal_pointer(&peer);
	ERR_clear_error();
	peer->ssl = SSL_new(tls);
	if (peer->ssl == NULL || SSL_set_fd(peer->ssl, peer->fd) != 1 ||
	    SSL_connect(peer->ssl) != 1) {
		const char *reason = ERR_reason_error_string(ERR_peek_error());
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "connect to %s: TLS: %s", address,
		    reason != NULL ? reason : "the connection was closed");
		return NULL;
	}
	return g_steal_pointer(&peer);
}

void
pv_sim_peer_free(PvSimPeer *peer)
{
	if (peer == NULL)
		return;
	SSL_free(peer->ssl);
	if (peer->fd >= 0)
		close(peer->fd);
	g_byte_array_unref(peer->in);
	g_free(peer);
}
