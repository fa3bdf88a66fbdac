/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h" /* _GNU_SOURCE: accept4 */

#include "sim/server.h"

#include "sim/digest.h"
#include "sim/hello.h"
#include "sim/http.h"
#include "sim/kerberos.h"
#include "sim/loop.h"
#include "sim/network.h"
#include "sim/record.h"
#include "sim/service.h"
#include "sim/web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_PORT_PLAIN 16992
#define SERVER_PORT_TLS 16993
#define SERVER_LOOPS_MAX 4
#define SERVER_CONNECTIONS_MAX 16 /* per device */
#define SERVER_LINGER_MSEC 1000 /* lets the peer read an alert before the socket goes */
#define SERVER_READ_BYTES 16384
#define SERVER_BACKLOG 64

struct PvSimServer {
	GPtrArray *loops; /* of PvSimLoop */
	PvSimTlsStack *tls;
	PvSimLog *log;
	char *provision_host; /* NULL: no hello packets */
	guint16 provision_port;
	char *record; /* folder; NULL: nothing is recorded */
	GPtrArray *nodes; /* of ServerNode */
};

/* A device on the network; owned by the server, used in its loop's thread */
typedef struct {
	PvSimServer *server;
	PvSimLoop *loop;
	PvSimDevice *device;
	PvSimSource *plain; /* listeners; NULL: the port is closed */
	PvSimSource *encrypted;
	PvSimSource *wireless_plain; /* the same at the wireless address */
	PvSimSource *wireless_encrypted;
	GPtrArray *connections; /* of ServerConnection; each removes itself */
	GPtrArray *hellos; /* of ServerHello */
	PvSimTimer *restart; /* set: the stack is away */
	PvSimTimer *hello;
	PvSimTimer *period; /* until set-up ends by itself */
	PvSimRecording *recording; /* NULL: none */
	GError *error; /* why a port could not be opened */
} ServerNode;

typedef struct {
	PvSimSource source;
	ServerNode *node;
	gboolean tls;
	gboolean wireless;
} ServerListener;

typedef enum { CONNECTION_HANDSHAKE, CONNECTION_OPEN, CONNECTION_LINGER } ConnectionState;

typedef struct {
	PvSimSource source;
	ServerNode *node;
	gboolean wireless; /* came to the wireless address */
	PvSimUser *user; /* a login that holds for all of the connection; NULL: none */
	SSL *ssl; /* NULL: plain */
	char *client;
	ConnectionState state;
	GByteArray *in;
	GByteArray *out;
	gsize out_at; /* how much of out is written */
	gboolean close; /* when out is written */
	gboolean restart; /* ... and then the stack restarts */
	guint away_msec; /* ... for so long; 0: as long as the switch says */
	gboolean changed; /* a request may have changed which ports are open */
	guint piece_bytes; /* out is written in such pieces, with pauses; 0: at once */
	guint piece_msec;
	gboolean want_write; /* TLS or the socket waits to write */
	PvSimTimer *idle;
	PvSimTimer *delay; /* set: the answer waits */
} ServerConnection;

typedef struct {
	PvSimSource source;
	ServerNode *node;
	GByteArray *packet;
	gsize at;
	PvSimTimer *timeout;
} ServerHello;

static void server_connection_close(ServerConnection *connection);
static void server_restart(ServerNode *node, guint away_msec);
static void server_connection_step(ServerConnection *connection);
static void server_apply_state(ServerNode *node);

static ServerNode *
server_node(PvSimDevice *device)
{
	return device->server;
}

/* Connections */

static void
server_connection_free(PvSimSource *source)
{
	ServerConnection *connection = (ServerConnection *)source;
	SSL_free(connection->ssl);
	g_free(connection->client);
	pv_sim_user_free(connection->user);
	g_byte_array_unref(connection->in);
	g_byte_array_unref(connection->out);
	g_free(connection);
}

static void
server_connection_close(ServerConnection *connection)
{
	if (connection->source.removed)
		return;
	pv_sim_loop_cancel(connection->node->loop, &connection->idle);
	pv_sim_loop_cancel(connection->node->loop, &connection->delay);
	g_ptr_array_remove_fast(connection->node->connections, connection);
	pv_sim_loop_remove(connection->node->loop, &connection->source);
}

static void
server_connection_timeout(gpointer data)
{
	ServerConnection *connection = data;
	connection->idle = NULL;
	server_connection_close(connection);
}

static void
server_connection_watch(ServerConnection *connection, guint msec)
{
	pv_sim_loop_cancel(connection->node->loop, &connection->idle);
	connection->idle =
	    pv_sim_loop_after(connection->node->loop, msec, server_connection_timeout, connection);
}

/* Says goodbye and reads on until the peer has seen it: a reset would overtake what was just sent */
static void
server_connection_linger(ServerConnection *connection)
{
	if (connection->ssl != NULL && connection->state == CONNECTION_OPEN) {
		ERR_clear_error();
		(void)SSL_shutdown(
		    connection->ssl); /* close_notify; the answer is not waited for */
	}
	shutdown(connection->source.fd, SHUT_WR);
	connection->state = CONNECTION_LINGER;
	connection->want_write = FALSE;
	server_connection_watch(connection, SERVER_LINGER_MSEC);
	pv_sim_loop_change(connection->node->loop, &connection->source, EPOLLIN);
}

static void
server_connection_drain(ServerConnection *connection)
{
	guint8 bytes[SERVER_READ_BYTES];
	ssize_t got = 0;
	do
		got = recv(connection->source.fd, bytes, sizeof bytes, 0);
	while (got > 0);
	if (got == 0 || (errno != EAGAIN && errno != EINTR))
		server_connection_close(connection);
}

/* > 0: bytes; 0: would block; < 0: the end */
static int
server_connection_read(ServerConnection *connection, guint8 *bytes, int size)
{
	if (connection->ssl == NULL) {
		ssize_t got = recv(connection->source.fd, bytes, (size_t)size, 0);
		if (got > 0)
			return (int)got;
		return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	}
	ERR_clear_error();
	int got = SSL_read(connection->ssl, bytes, size);
	if (got > 0)
		return got;
	int why = SSL_get_error(connection->ssl, got);
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static int
server_connection_write(ServerConnection *connection, const guint8 *bytes, gsize size)
{
	int length = (int)MIN(size, 65536);
	if (connection->ssl == NULL) {
		ssize_t sent = send(connection->source.fd, bytes, (size_t)length, MSG_NOSIGNAL);
		if (sent >= 0)
			return (int)sent;
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	}
	ERR_clear_error();
	int sent = SSL_write(connection->ssl, bytes, length);
	if (sent > 0)
		return sent;
	int why = SSL_get_error(connection->ssl, sent);
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static void
server_fill_trace(ServerConnection *connection, const PvSimHttpRequest *request,
    const PvSimUser *user, const char *method, guint status, gint64 return_value)
{
	PvSimTrace *trace = g_new0(PvSimTrace, 1);
	g_autofree char *sum =
	    g_compute_checksum_for_data(G_CHECKSUM_SHA256, request->body->data, request->body->len);
	g_strlcpy(trace->body_sha256, sum, sizeof trace->body_sha256);
	trace->method = g_strdup(method);
	trace->user = user != NULL ? g_strdup(user->name) : NULL;
	trace->kerberos = user != NULL && user->sids != NULL;
	trace->status = status;
	trace->return_value = return_value;
	trace->auth = request->authorization != NULL;
	trace->tls = connection->ssl != NULL;
	trace->client = g_strdup(connection->client);
	trace->time_usec = g_get_real_time();
	pv_sim_device_trace(connection->node->device, trace);
}

static void
server_log_request(ServerConnection *connection, const PvSimUser *user, const PvSimOutcome *outcome)
{
	pv_sim_log_write(connection->node->server->log, connection->node->device->name,
	    "request method=%s user=%s status=%u return=%" G_GINT64_FORMAT "%s%s", outcome->method,
	    user != NULL ? user->name : "-", outcome->http_status, outcome->return_value,
	    outcome->note != NULL ? " note=" : "", outcome->note != NULL ? outcome->note : "");
}

static void
server_answer_later(gpointer data)
{
	ServerConnection *connection = data;
	connection->delay = NULL;
	server_connection_step(connection);
}

static void
server_append_challenge(ServerConnection *connection, gboolean stale)
{
	PvSimDevice *device = connection->node->device;
	g_autofree char *challenge = pv_sim_digest_challenge(device, stale);
	if (device->negotiate == NULL && pv_sim_kerberos_is_offered(device))
		device->negotiate = g_strdup(PV_SIM_NEGOTIATE);
	pv_sim_http_answer_challenge(connection->out, device, 401, challenge);
	connection->close = connection->close || device->switches->close_after_401;
}

static void
server_record(
    ServerNode *node, const PvSimHttpRequest *request, guint status, const GString *answer)
{
	g_autoptr(GError) error = NULL;
	if (node->recording != NULL &&
	    !pv_sim_recording_add(node->recording, (const char *)request->body->data,
		request->body->len, status, answer != NULL ? answer->str : NULL, &error))
		pv_sim_log_write(node->server->log, node->device->name, "error %s", error->message);
}

static void
server_answer_wsman(
    ServerConnection *connection, const PvSimHttpRequest *request, const PvSimUser *user)
{
	ServerNode *node = connection->node;
	PvSimOutcome outcome;
	pv_sim_service_run(node->device, (const char *)request->body->data, request->body->len,
	    user, connection->ssl != NULL, &outcome);
	server_fill_trace(
	    connection, request, user, outcome.method, outcome.http_status, outcome.return_value);
	server_log_request(connection, user, &outcome);
	if (!outcome.challenge)
		server_record(node, request, outcome.http_status, outcome.body);
	connection->restart = outcome.restart;
	connection->away_msec = outcome.away_msec;
	connection->changed = TRUE;
	connection->piece_bytes = outcome.piece_bytes;
	connection->piece_msec = outcome.piece_msec;
	if (outcome.challenge) {
		server_append_challenge(connection, outcome.stale);
	} else if (outcome.body == NULL) {
		connection->close = TRUE; /* and nothing is sent */
	} else {
		pv_sim_http_answer_soap(connection->out, node->device, outcome.http_status,
		    outcome.body, outcome.shape, outcome.shape_bytes);
		connection->close = connection->close || outcome.http_status != 200 ||
				    outcome.shape != PV_SIM_HTTP_CHUNKED;
		if (outcome.delay_msec > 0)
			connection->delay = pv_sim_loop_after(
			    node->loop, outcome.delay_msec, server_answer_later, connection);
	}
	pv_sim_outcome_clear(&outcome);
}

static void
server_challenge(ServerConnection *connection, const PvSimHttpRequest *request, PvSimLogin login,
    const char *note)
{
	static const char *const texts[] = { "ok", "no-login", "stale-nonce", "wrong-password",
		"locked", "bad-ticket", "stranger" };
	PvSimDevice *device = connection->node->device;
	guint stranger = device->switches->kerberos_stranger;
	guint status =
	    login == PV_SIM_LOGIN_STRANGER && stranger == PV_SIM_STRANGER_403 ? 403 : 401;
	if (login == PV_SIM_LOGIN_STRANGER && stranger == PV_SIM_STRANGER_401)
		g_clear_pointer(&device->negotiate, g_free);
	if (status == 403)
		pv_sim_http_answer_challenge(connection->out, device, status, NULL);
	else
		server_append_challenge(connection, FALSE);
	g_autofree char *method =
	    pv_sim_service_name((const char *)request->body->data, request->body->len);
	server_fill_trace(connection, request, NULL, method, status, -1);
	pv_sim_log_write(connection->node->server->log, device->name,
	    "challenge reason=%s path=%s%s%s", texts[login], request->path,
	    note != NULL ? " note=" : "", note != NULL ? note : "");
}

static void
server_answer_page(ServerConnection *connection, const PvSimHttpRequest *request,
    const PvSimUser *user, guint status, const char *html)
{
	gboolean head = strcmp(request->method, "HEAD") == 0;
	pv_sim_http_answer_html(
	    connection->out, connection->node->device, status, head ? "" : html, connection->close);
	server_fill_trace(connection, request, user, "-", status, -1);
}

/* Where the request comes from, for the audit log */
static void
server_tell_peer(ServerConnection *connection)
{
	PvSimDevice *device = connection->node->device;
	struct sockaddr_in peer = { 0 };
	socklen_t length = sizeof peer;
	if (getpeername(connection->source.fd, (struct sockaddr *)&peer, &length) != 0 ||
	    inet_ntop(AF_INET, &peer.sin_addr, device->peer, sizeof device->peer) == NULL)
		*device->peer = '\0'; /* it went away meanwhile */
}

/* Sets who it is that asks. FALSE: the challenge is the answer. */
static gboolean
server_login(ServerConnection *connection, const PvSimHttpRequest *request, PvSimUser **user)
{
	PvSimDevice *device = connection->node->device;
	g_autofree char *note = NULL;
	g_autofree char *name = NULL;
	if (request->authorization == NULL && connection->user != NULL) {
		*user = g_steal_pointer(&connection->user);
		return TRUE;
	}
	PvSimLogin login = pv_sim_kerberos_check(
	    device, request->authorization, user, &device->negotiate, &note);
	if (login == PV_SIM_LOGIN_NONE) {
		login = pv_sim_digest_check(device, request->authorization, request->method,
		    request->path, (const char *)request->body->data, request->body->len, &name);
		if (login == PV_SIM_LOGIN_OK) {
			*user = g_new0(PvSimUser, 1);
			(*user)->name = g_steal_pointer(&name);
		}
	}
	if (login != PV_SIM_LOGIN_OK) {
		server_challenge(connection, request, login, note);
		return FALSE;
	}
	g_free(device->last_user);
	device->last_user = g_strdup((*user)->name);
	device->last_kerberos = (*user)->sids != NULL;
	return TRUE;
}

static void
server_answer_user(
    ServerConnection *connection, const PvSimHttpRequest *request, const PvSimUser *user)
{
	gboolean is_page =
	    strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
	if (is_page && strcmp(request->path, "/wsman") != 0) {
		g_autofree char *html = NULL;
		guint status = pv_sim_web_find(connection->node->device, request->path, &html);
		server_answer_page(connection, request, user, status, html);
	} else if (strcmp(request->path, "/wsman") != 0) {
		server_answer_page(
		    connection, request, user, 404, "<html><body>Not Found</body></html>\n");
	} else if (strcmp(request->method, "POST") != 0) {
		server_answer_page(connection, request, user, 405,
		    "<html><body>Method Not Allowed</body></html>\n");
	} else {
		server_answer_wsman(connection, request, user);
	}
}

static void
server_answer(ServerConnection *connection, const PvSimHttpRequest *request)
{
	PvSimDevice *device = connection->node->device;
	g_autoptr(PvSimUser) user = NULL;
	device->counters.requests++;
	server_tell_peer(connection);
	connection->close = request->close;
	/* the version is public: scanners read it from the Server header (amt/01 section 2) */
	gboolean is_page =
	    strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
	g_autofree char *public = NULL;
	guint status = is_page ? pv_sim_web_find_public(device, request->path, &public) : 0;
	if (status != 0) {
		server_answer_page(connection, request, NULL, status, public);
		return;
	}
	gboolean free_entry = device->state == PV_SIM_IN && connection->client != NULL &&
			      !device->switches->digest_in_setup;
	if (free_entry || server_login(connection, request, &user))
		server_answer_user(connection, request, user);
	g_clear_pointer(&device->negotiate, g_free);
	if (user != NULL && user->sids != NULL &&
	    device->switches->kerberos_session == PV_SIM_KERBEROS_CONNECTION) {
		pv_sim_user_free(connection->user);
		connection->user = g_steal_pointer(&user);
	}
}

static void
server_connection_lost(ServerConnection *connection)
{
	ServerNode *node = connection->node;
	gboolean restart = connection->restart;
	guint away_msec = connection->away_msec;
	server_connection_close(connection);
	if (restart)
		server_restart(node, away_msec);
}

/* FALSE: the connection is closed or must wait */
static gboolean
server_connection_flush(ServerConnection *connection)
{
	while (connection->out_at < connection->out->len) {
		gsize size = connection->out->len - connection->out_at;
		if (connection->piece_bytes > 0)
			size = MIN(size, connection->piece_bytes);
		int sent = server_connection_write(
		    connection, connection->out->data + connection->out_at, size);
		if (sent < 0) {
			server_connection_lost(connection);
			return FALSE;
		}
		connection->want_write = sent == 0;
		if (sent == 0)
			return FALSE;
		connection->out_at += (gsize)sent;
		if (connection->piece_bytes > 0 && connection->out_at < connection->out->len) {
			connection->delay = pv_sim_loop_after(connection->node->loop,
			    connection->piece_msec, server_answer_later, connection);
			return FALSE;
		}
	}
	g_byte_array_set_size(connection->out, 0);
	connection->out_at = 0;
	connection->piece_bytes = 0;
	return TRUE;
}

/* Writes what is to be written, then takes up the next request, as far as both go without waiting */
static void
server_connection_step(ServerConnection *connection)
{
	while (!connection->source.removed && connection->state == CONNECTION_OPEN &&
	       connection->delay == NULL) {
		if (!server_connection_flush(connection))
			break;
		if (connection->restart) {
			server_connection_linger(connection);
			server_restart(connection->node, connection->away_msec);
			return;
		}
		if (connection->changed) {
			connection->changed = FALSE;
			server_apply_state(connection->node);
		}
		if (connection->close) {
			server_connection_linger(connection);
			return;
		}
		g_autoptr(PvSimHttpRequest) request = NULL;
		PvSimHttpResult result = pv_sim_http_parse(connection->in, &request);
		if (result == PV_SIM_HTTP_MORE)
			break;
		if (result == PV_SIM_HTTP_BAD) {
			pv_sim_http_answer_html(connection->out, connection->node->device, 400,
			    "<html><body>Bad Request</body></html>\n", TRUE);
			connection->close = TRUE;
			continue;
		}
		server_answer(connection, request);
	}
	if (!connection->source.removed)
		pv_sim_loop_change(connection->node->loop, &connection->source,
		    connection->want_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void
server_connection_input(ServerConnection *connection)
{
	guint8 bytes[SERVER_READ_BYTES];
	for (;;) {
		int got = server_connection_read(connection, bytes, sizeof bytes);
		if (got == 0)
			break;
		if (got < 0 || connection->in->len + (guint)got >
				   PV_SIM_HTTP_HEAD_MAX + 2 * PV_SIM_HTTP_BODY_MAX) {
			server_connection_close(connection);
			return;
		}
		g_byte_array_append(connection->in, bytes, (guint)got);
	}
	server_connection_watch(connection, connection->node->device->switches->idle_sec * 1000);
	server_connection_step(connection);
}

static void
server_refuse_handshake(ServerConnection *connection)
{
	PvSimDevice *device = connection->node->device;
	const char *reason = pv_sim_tls_refusal(connection->ssl, device);
	device->counters.tls_refused++;
	if (reason != device->last_refusal) {
		g_free(device->last_refusal);
		device->last_refusal = g_strdup(reason);
	}
	pv_sim_log_write(connection->node->server->log, device->name,
	    "tls-refused reason=%s suffix=%s", device->last_refusal, pv_sim_device_suffix(device));
	server_connection_linger(connection);
}

static void
server_connection_handshake(ServerConnection *connection)
{
	ERR_clear_error();
	int result = SSL_do_handshake(connection->ssl);
	if (result == 1) {
		connection->state = CONNECTION_OPEN;
		connection->want_write = FALSE;
		connection->client = pv_sim_tls_client_name(connection->ssl);
		const char *pid = SSL_get_psk_identity(connection->ssl);
		pv_sim_log_write(connection->node->server->log, connection->node->device->name,
		    "tls-accepted version=%s client=%s%s%s", SSL_get_version(connection->ssl),
		    connection->client != NULL ? connection->client : "-",
		    pid != NULL ? " psk=" : "", pid != NULL ? pid : "");
		server_connection_input(connection);
		return;
	}
	switch (SSL_get_error(connection->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		pv_sim_loop_change(connection->node->loop, &connection->source, EPOLLIN);
		break;
	case SSL_ERROR_WANT_WRITE:
		pv_sim_loop_change(connection->node->loop, &connection->source, EPOLLIN | EPOLLOUT);
		break;
	case SSL_ERROR_SSL:
		server_refuse_handshake(connection);
		break;
	default:
		server_connection_close(connection); /* the peer went away */
		break;
	}
}

static void
server_connection_ready(PvSimSource *source, guint32 events)
{
	ServerConnection *connection = (ServerConnection *)source;
	if (connection->state == CONNECTION_LINGER)
		server_connection_drain(connection);
	else if (connection->state == CONNECTION_HANDSHAKE)
		server_connection_handshake(connection);
	else
		server_connection_input(connection);
}

/* Listeners */

static void
server_listener_free(PvSimSource *source)
{
	g_free(source);
}

static void
server_accept_one(ServerListener *listener, int fd)
{
	ServerNode *node = listener->node;
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	SSL *ssl = listener->tls ? pv_sim_tls_accept(node->server->tls, node->device) : NULL;
	if (node->connections->len >= SERVER_CONNECTIONS_MAX || (listener->tls && ssl == NULL)) {
		SSL_free(ssl);
		close(fd);
		return;
	}
	ServerConnection *connection = g_new0(ServerConnection, 1);
	connection->source.fd = fd;
	connection->source.ready = server_connection_ready;
	connection->source.free = server_connection_free;
	connection->node = node;
	connection->wireless = listener->wireless;
	connection->ssl = ssl;
	connection->state = ssl != NULL ? CONNECTION_HANDSHAKE : CONNECTION_OPEN;
	connection->in = g_byte_array_new();
	connection->out = g_byte_array_new();
	node->device->counters.connections++;
	if ((ssl != NULL && SSL_set_fd(ssl, fd) != 1) ||
	    !pv_sim_loop_add(node->loop, &connection->source, EPOLLIN)) {
		close(fd);
		server_connection_free(&connection->source);
		return;
	}
	g_ptr_array_add(node->connections, connection);
	server_connection_watch(connection, node->device->switches->idle_sec * 1000);
}

static void
server_listener_ready(PvSimSource *source, guint32 events)
{
	ServerListener *listener = (ServerListener *)source;
	for (;;) {
		int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return; /* nobody waits, or no descriptor is left: the next event tries again */
		server_accept_one(listener, fd);
	}
}

static PvSimSource *
server_listen(ServerNode *node, guint16 port, gboolean wireless, GError **error)
{
	const char *at = wireless ? node->device->wireless_address : node->device->address;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	gboolean good = fd >= 0 && inet_pton(AF_INET, at, &address.sin_addr) == 1 &&
			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
			bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
			listen(fd, SERVER_BACKLOG) == 0;
	int why = errno;
	if (good) {
		ServerListener *listener = g_new0(ServerListener, 1);
		listener->source.fd = fd;
		listener->source.ready = server_listener_ready;
		listener->source.free = server_listener_free;
		listener->node = node;
		listener->tls = port == SERVER_PORT_TLS;
		listener->wireless = wireless;
		if (pv_sim_loop_add(node->loop, &listener->source, EPOLLIN))
			return &listener->source;
		why = errno;
		g_free(listener);
	}
	if (fd >= 0)
		close(fd);
	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(why), "listen on %s:%u: %s%s", at,
	    port, g_strerror(why),
	    why == EADDRINUSE ? " (another simulator? give each its own --base)"
	    : why == EMFILE   ? " (raise the limit of open files: ulimit -n)"
			      : "");
	return NULL;
}

static void
server_set_port(
    ServerNode *node, PvSimSource **listener, guint16 port, gboolean wireless, gboolean open)
{
	if (!open && *listener != NULL) {
		pv_sim_loop_remove(node->loop, *listener);
		*listener = NULL;
	}
	if (open && *listener == NULL) {
		g_autoptr(GError) error = NULL;
		*listener = server_listen(node, port, wireless, &error);
		if (*listener == NULL)
			pv_sim_log_write(
			    node->server->log, node->device->name, "error %s", error->message);
		if (node->error == NULL) /* the first, where several ports fail */
			node->error = g_steal_pointer(&error);
	}
}

static void
server_drop_connections(ServerNode *node)
{
	for (guint i = node->connections->len; i > 0; i--) {
		ServerConnection *connection = node->connections->pdata[i - 1];
		if (connection->state != CONNECTION_LINGER)
			server_connection_close(connection);
	}
}

/* Restarts, ports */

static void
server_set_ports(ServerNode *node, gboolean plain, gboolean encrypted)
{
	server_set_port(node, &node->encrypted, SERVER_PORT_TLS, FALSE, encrypted);
	server_set_port(node, &node->plain, SERVER_PORT_PLAIN, FALSE, plain);
}

static void
server_set_wireless_ports(ServerNode *node, gboolean plain, gboolean encrypted)
{
	server_set_port(node, &node->wireless_encrypted, SERVER_PORT_TLS, TRUE, encrypted);
	server_set_port(node, &node->wireless_plain, SERVER_PORT_PLAIN, TRUE, plain);
	for (guint i = node->connections->len; i > 0 && !plain && !encrypted; i--) {
		ServerConnection *connection = node->connections->pdata[i - 1];
		if (connection->wireless && connection->state != CONNECTION_LINGER)
			server_connection_close(connection); /* its link is down */
	}
}

static void
server_restart_done(gpointer data)
{
	ServerNode *node = data;
	node->restart = NULL;
	server_apply_state(node);
}

static void
server_restart(ServerNode *node, guint away_msec)
{
	guint msec = away_msec > 0 ? away_msec : node->device->switches->restart_msec;
	node->device->counters.restarts++;
	server_drop_connections(node);
	server_set_ports(node, FALSE, FALSE);
	server_set_wireless_ports(node, FALSE, FALSE);
	pv_sim_loop_cancel(node->loop, &node->restart);
	node->restart = pv_sim_loop_after(node->loop, msec, server_restart_done, node);
	pv_sim_log_write(node->server->log, node->device->name, "restart state=%u away-msec=%u",
	    node->device->state, msec);
	server_apply_state(node);
}

/* Hello packets */

static void
server_hello_free(PvSimSource *source)
{
	ServerHello *hello = (ServerHello *)source;
	g_byte_array_unref(hello->packet);
	g_free(hello);
}

static void
server_hello_end(ServerHello *hello)
{
	pv_sim_loop_cancel(hello->node->loop, &hello->timeout);
	g_ptr_array_remove_fast(hello->node->hellos, hello);
	pv_sim_loop_remove(hello->node->loop, &hello->source);
}

static void
server_hello_timeout(gpointer data)
{
	ServerHello *hello = data;
	hello->timeout = NULL;
	server_hello_end(hello);
}

static void
server_hello_ready(PvSimSource *source, guint32 events)
{
	ServerHello *hello = (ServerHello *)source;
	ssize_t sent = (events & (EPOLLERR | EPOLLHUP)) != 0
			   ? -1
			   : send(source->fd, hello->packet->data + hello->at,
				 hello->packet->len - hello->at, MSG_NOSIGNAL);
	if (sent < 0 && (errno == EAGAIN || errno == EINTR) &&
	    (events & (EPOLLERR | EPOLLHUP)) == 0)
		return;
	if (sent >= 0)
		hello->at += (gsize)sent;
	if (sent >= 0 && hello->at < hello->packet->len)
		return;
	pv_sim_log_write(hello->node->server->log, hello->node->device->name,
	    "hello retry=%u result=%s", hello->node->device->hello_retry,
	    sent < 0 ? "unreachable" : "sent");
	server_hello_end(hello);
}

static gboolean
server_send_hello(ServerNode *node, const char *host, guint16 port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	if (inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
	    inet_pton(AF_INET, node->device->address, &from.sin_addr) != 1)
		return FALSE;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return FALSE;
	ServerHello *hello = g_new0(ServerHello, 1);
	hello->source.fd = fd;
	hello->source.ready = server_hello_ready;
	hello->source.free = server_hello_free;
	hello->node = node;
	hello->packet = pv_sim_hello_packet(node->device);
	node->device->counters.hellos++;
	/* the server knows the device by the address that the hello comes from */
	gboolean started =
	    bind(fd, (struct sockaddr *)&from, sizeof from) == 0 &&
	    (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS) &&
	    pv_sim_loop_add(node->loop, &hello->source, EPOLLOUT);
	if (!started) {
		close(fd);
		server_hello_free(&hello->source);
		return FALSE;
	}
	g_ptr_array_add(node->hellos, hello);
	hello->timeout = pv_sim_loop_after(node->loop, 10000, server_hello_timeout, hello);
	return TRUE;
}

static void
server_hello_due(gpointer data)
{
	ServerNode *node = data;
	PvSimDevice *device = node->device;
	node->hello = NULL;
	(void)server_send_hello(node, node->server->provision_host,
	    node->server->provision_port); /* the next one comes anyway */
	device->hello_retry++;
	guint minutes = pv_sim_hello_next_minutes(device);
	if (minutes > 0)
		node->hello = pv_sim_loop_after(node->loop,
		    minutes * device->switches->hello_minute_msec, server_hello_due, node);
}

/* Set-up lasts for the configured period; then the network interface closes again (amt/02) */
static void
server_period_due(gpointer data)
{
	ServerNode *node = data;
	PvSimDevice *device = node->device;
	gint64 end = device->setup_usec +
		     device->setup_hours * (gint64)60 * device->switches->hello_minute_msec * 1000;
	gint64 left = end - g_get_monotonic_time();
	node->period = NULL;
	if (device->state != PV_SIM_IN)
		return;
	if (left > 0) { /* it was extended, or set-up began anew */
		node->period = pv_sim_loop_after(
		    node->loop, (guint)MIN(left / 1000 + 1, G_MAXINT32), server_period_due, node);
		return;
	}
	device->state = PV_SIM_PRE;
	pv_sim_log_write(node->server->log, device->name, "setup-period ended");
	server_drop_connections(node);
	server_apply_state(node);
}

/* Opens and closes ports, starts and stops hello packets: as the device's state wants it */
static void
server_apply_state(ServerNode *node)
{
	const PvSimDevice *device = node->device;
	gboolean up = !device->off && node->restart == NULL && device->state != PV_SIM_PRE &&
		      !pv_sim_environment_is_outside(device);
	gboolean encrypted = up && (device->state == PV_SIM_IN || device->tls.enabled);
	gboolean plain = up && device->switches->plain_port && device->state == PV_SIM_POST &&
			 (!device->tls.enabled || device->tls.accept_plain);
	gboolean wireless =
	    device->wireless_address != NULL && pv_sim_wireless_active(device) != NULL;
	g_clear_error(&node->error);
	server_set_ports(node, plain, encrypted);
	server_set_wireless_ports(node, plain && wireless, encrypted && wireless);
	if (device->state == PV_SIM_IN && node->period == NULL)
		node->period = pv_sim_loop_after(node->loop, 0, server_period_due, node);
	gboolean says_hello =
	    device->state == PV_SIM_IN && !device->off && node->server->provision_host != NULL;
	if (!says_hello)
		pv_sim_loop_cancel(node->loop, &node->hello);
	else if (node->hello == NULL && device->hello_retry == 0)
		node->hello = pv_sim_loop_after(node->loop, 0, server_hello_due, node);
}

/* The server */

static void
server_node_close(gpointer data)
{
	ServerNode *node = data;
	pv_sim_loop_cancel(node->loop, &node->restart);
	pv_sim_loop_cancel(node->loop, &node->hello);
	pv_sim_loop_cancel(node->loop, &node->period);
	server_set_ports(node, FALSE, FALSE);
	server_set_wireless_ports(node, FALSE, FALSE);
	while (node->connections->len > 0)
		server_connection_close(node->connections->pdata[node->connections->len - 1]);
	while (node->hellos->len > 0)
		server_hello_end(node->hellos->pdata[node->hellos->len - 1]);
	node->device->server = NULL;
}

static void
server_node_free(gpointer data)
{
	ServerNode *node = data;
	g_ptr_array_unref(node->connections);
	g_ptr_array_unref(node->hellos);
	pv_sim_recording_free(node->recording);
	g_clear_error(&node->error);
	g_free(node);
}

PvSimServer *
pv_sim_server_new(const PvSimServerConfig *config, GError **error)
{
	g_autoptr(PvSimServer) server = g_new0(PvSimServer, 1);
	server->loops = g_ptr_array_new_with_free_func((GDestroyNotify)pv_sim_loop_free);
	server->nodes = g_ptr_array_new_with_free_func(server_node_free);
	server->tls = config->tls;
	server->log = config->log;
	server->provision_host = g_strdup(config->provision_host);
	server->provision_port = config->provision_port;
	server->record = g_strdup(config->record);
	guint count = CLAMP(g_get_num_processors(), 1, SERVER_LOOPS_MAX);
	for (guint i = 0; i < count; i++) {
		PvSimLoop *loop = pv_sim_loop_new("sim-loop", error);
		if (loop == NULL)
			return NULL;
		g_ptr_array_add(server->loops, loop);
	}
	return g_steal_pointer(&server);
}

void
pv_sim_server_free(PvSimServer *server)
{
	if (server == NULL)
		return;
	for (guint i = 0; i < server->nodes->len; i++) {
		ServerNode *node = server->nodes->pdata[i];
		pv_sim_loop_call(node->loop, server_node_close, node);
	}
	g_ptr_array_unref(server->loops);
	g_ptr_array_unref(server->nodes);
	g_free(server->provision_host);
	g_free(server->record);
	g_free(server);
}

typedef struct {
	PvSimServer *server;
	PvSimLoop *loop;
	GError *error; /* of the first port that could not be opened */
} ServerOpening;

/* All devices of a loop at once: a call for each would take longer than the opening itself */
static void
server_open_loop(gpointer data)
{
	ServerOpening *opening = data;
	for (guint i = 0; i < opening->server->nodes->len && opening->error == NULL; i++) {
		ServerNode *node = opening->server->nodes->pdata[i];
		if (node->loop != opening->loop)
			continue;
		server_apply_state(node);
		opening->error = g_steal_pointer(&node->error);
	}
}

/* FOLDER/NAME.json */
static PvSimRecording *
server_open_recording(const PvSimServer *server, const PvSimDevice *device, GError **error)
{
	const char *set = device->switches->server_version;
	g_autofree char *file = g_strconcat(device->name, ".json", NULL);
	g_strdelimit(file, "/", '_');
	g_autofree char *path = g_build_filename(server->record, file, NULL);
	return pv_sim_recording_new(path, *set != '\0' ? set : device->personality->server, error);
}

gboolean
pv_sim_server_add(PvSimServer *server, const GPtrArray *devices, GError **error)
{
	for (guint i = 0; i < devices->len; i++) {
		ServerNode *node = g_new0(ServerNode, 1);
		node->server = server;
		node->device = devices->pdata[i];
		node->loop = server->loops->pdata[i % server->loops->len];
		node->connections = g_ptr_array_new();
		node->hellos = g_ptr_array_new();
		node->device->server = node;
		g_ptr_array_add(server->nodes, node);
		if (server->record == NULL)
			continue;
		node->recording = server_open_recording(server, node->device, error);
		if (node->recording == NULL)
			return FALSE;
	}
	for (guint i = 0; i < server->loops->len; i++) {
		ServerOpening opening = { server, server->loops->pdata[i], NULL };
		pv_sim_loop_call(opening.loop, server_open_loop, &opening);
		if (opening.error != NULL) {
			g_propagate_error(error, opening.error);
			return FALSE;
		}
	}
	return TRUE;
}

typedef struct {
	ServerNode *node;
	gboolean (*function)(PvSimDevice *device, gpointer data);
	gpointer data;
	const char *host;
	guint16 port;
	gboolean done;
} ServerCall;

static void
server_call_run(gpointer data)
{
	ServerCall *call = data;
	if (call->function(call->node->device, call->data))
		server_drop_connections(call->node);
	server_apply_state(call->node);
}

void
pv_sim_server_call(PvSimServer *server, PvSimDevice *device,
    gboolean (*function)(PvSimDevice *device, gpointer data), gpointer data)
{
	ServerCall call = { .node = server_node(device), .function = function, .data = data };
	pv_sim_loop_call(call.node->loop, server_call_run, &call);
}

static void
server_call_hello(gpointer data)
{
	ServerCall *call = data;
	call->done = server_send_hello(call->node, call->host, call->port);
}

gboolean
pv_sim_server_hello(PvSimServer *server, PvSimDevice *device, const char *host, guint16 port)
{
	ServerCall call = { .node = server_node(device), .host = host, .port = port };
	pv_sim_loop_call(call.node->loop, server_call_hello, &call);
	return call.done;
}

gboolean
pv_sim_server_parse_address(const char *text, char **host, guint16 *port, GError **error)
{
	const char *colon = strrchr(text, ':');
	guint64 number = 0;
	struct in_addr address;
	g_autofree char *name = colon != NULL ? g_strndup(text, (gsize)(colon - text)) : NULL;
	if (colon == NULL || !g_ascii_string_to_unsigned(colon + 1, 10, 1, 65535, &number, NULL) ||
	    inet_pton(AF_INET, name, &address) != 1) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "'%s' is no IPv4 ADDRESS:PORT, such as 127.0.0.1:9971", text);
		return FALSE;
	}
	*host = g_steal_pointer(&name);
	*port = (guint16)number;
	return TRUE;
}
