/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/service/listener.h"

#include <netinet/in.h>
#include <string.h>

#include <provost/error.h>

#include "core/service/limit.h"

#define LISTENER_SLOTS 4096 /* buckets for the rates of sources */
#define LISTENER_BACKLOG 128
#define LISTENER_PAUSE_MSEC 1000 /* after accept failed, such as for want of descriptors */
#define LISTENER_LOG_BURST 10 /* lines about junk ... */
#define LISTENER_LOG_MSEC 10000 /* ... and the time after which one more is written */

const PvListenerLimits pv_listener_limits = {
	.connections = 256,
	.connections_source = 16,
	.time_msec = 10000,
	.burst = 30,
	.refill_msec = 1000,
};

typedef struct {
	PvListener *listener;
	GSocket *socket;
	char *source; /* numeric address */
	GByteArray *data;
	GSource *readable, *timer;
} ListenerPeer;

struct PvListener {
	GSocket *socket;
	GSource *acceptable; /* NULL: paused, for the table of peers is full or accept failed */
	GSource *pause; /* NULL: none */
	GPtrArray *peers; /* of ListenerPeer */
	PvListenerLimits limits;
	PvListenerCounts counts;
	PvLimit *rates, *log;
	PvListenerFunc func;
	gpointer data;
	guint port;
};

static void listener_set_accepting(PvListener *listener, gboolean accepting);

static void
listener_destroy_source(GSource **source)
{
	if (*source == NULL)
		return;
	g_source_destroy(*source);
	g_clear_pointer(source, g_source_unref);
}

static void
listener_peer_free(gpointer data)
{
	ListenerPeer *peer = data;
	listener_destroy_source(&peer->readable);
	listener_destroy_source(&peer->timer);
	g_clear_object(&peer->socket);
	g_byte_array_unref(peer->data);
	g_free(peer->source);
	g_free(peer);
}

/* one line, unless there were many of late */
static void
listener_tell(PvListener *listener, const char *source, const char *what)
{
	guint missed = 0;
	if (!pv_limit_take(listener->log, "", g_get_monotonic_time(), &missed))
		return;
	if (missed > 0)
		g_message(
		    "hello from %s refused: %s (and %u more refused unsaid)", source, what, missed);
	else
		g_message("hello from %s refused: %s", source, what);
}

/* the peer is done with; it frees it */
static void
listener_drop(ListenerPeer *peer)
{
	PvListener *listener = peer->listener;
	g_ptr_array_remove_fast(listener->peers, peer);
	if (listener->pause == NULL)
		listener_set_accepting(listener, TRUE);
}

/* FALSE: no hello; *error says why */
static gboolean
listener_hand_on(ListenerPeer *peer, GError **error)
{
	PvListener *listener = peer->listener;
	g_autoptr(PvHello) hello = pv_hello_parse(peer->data->data, peer->data->len, error);
	if (hello == NULL)
		return FALSE;
	listener->counts.hellos++;
	listener->func(hello, peer->source, listener->data);
	return TRUE;
}

static void
listener_finish(ListenerPeer *peer)
{
	g_autoptr(GError) error = NULL;
	if (!listener_hand_on(peer, &error)) {
		peer->listener->counts.junk++;
		listener_tell(peer->listener, peer->source, error->message);
	}
	listener_drop(peer);
}

static gboolean
listener_on_timer(gpointer data)
{
	ListenerPeer *peer = data;
	/* firmware that forgets to close has said all that it has to say */
	g_autoptr(GError) error = NULL;
	if (!listener_hand_on(peer, &error)) {
		peer->listener->counts.slow++;
		listener_tell(peer->listener, peer->source, "no whole packet in time");
	}
	listener_drop(peer);
	return G_SOURCE_REMOVE;
}

static gboolean
listener_on_readable(GSocket *socket, GIOCondition condition, gpointer data)
{
	ListenerPeer *peer = data;
	guint8 buffer[4096];
	g_autoptr(GError) error = NULL;
	gssize got = g_socket_receive(socket, (char *)buffer, sizeof buffer, NULL, &error);
	if (got < 0 && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
		return G_SOURCE_CONTINUE;
	if (got <= 0) {
		/* a reset in place of an orderly end takes nothing from a packet that is complete */
		listener_finish(peer);
		return G_SOURCE_REMOVE;
	}
	if (peer->data->len + got > PV_HELLO_MAX_BYTES) {
		peer->listener->counts.oversize++;
		listener_tell(peer->listener, peer->source, "longer than any hello");
		listener_drop(peer);
		return G_SOURCE_REMOVE;
	}
	g_byte_array_append(peer->data, buffer, got);
	return G_SOURCE_CONTINUE;
}

static void
listener_add_peer(PvListener *listener, GSocket *socket, const char *source)
{
	ListenerPeer *peer = g_new0(ListenerPeer, 1);
	peer->listener = listener;
	peer->socket = g_object_ref(socket);
	peer->source = g_strdup(source);
	peer->data = g_byte_array_new();
	g_socket_set_blocking(socket, FALSE);
	peer->readable = g_socket_create_source(socket, G_IO_IN, NULL);
	g_source_set_callback(peer->readable, G_SOURCE_FUNC(listener_on_readable), peer, NULL);
	g_source_attach(peer->readable, NULL);
	peer->timer = g_timeout_source_new(listener->limits.time_msec);
	g_source_set_callback(peer->timer, listener_on_timer, peer, NULL);
	g_source_attach(peer->timer, NULL);
	g_ptr_array_add(listener->peers, peer);
	listener->counts.peak = MAX(listener->counts.peak, listener->peers->len);
}

/* the peer's address as text; ::ffff:10.0.0.5 is 10.0.0.5 to everybody but the socket (RFC 4291, 2.5.5.2) */
static char *
listener_dup_source(GSocket *socket)
{
	g_autoptr(GSocketAddress) remote = g_socket_get_remote_address(socket, NULL);
	if (remote == NULL || !G_IS_INET_SOCKET_ADDRESS(remote))
		return NULL;
	GInetAddress *address = g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(remote));
	char *text = g_inet_address_to_string(address);
	if (g_str_has_prefix(text, "::ffff:") && strchr(text, '.') != NULL)
		memmove(text, text + strlen("::ffff:"), strlen(text + strlen("::ffff:")) + 1);
	return text;
}

static guint
listener_count_source(const PvListener *listener, const char *source)
{
	guint count = 0;
	for (guint i = 0; i < listener->peers->len; i++)
		count += g_str_equal(
		    ((const ListenerPeer *)g_ptr_array_index(listener->peers, i))->source, source);
	return count;
}

static void
listener_take(PvListener *listener, GSocket *socket)
{
	listener->counts.accepted++;
	g_autofree char *source = listener_dup_source(socket);
	if (source == NULL)
		return; /* gone already */
	if (listener_count_source(listener, source) >= listener->limits.connections_source ||
	    !pv_limit_take(listener->rates, source, g_get_monotonic_time(), NULL)) {
		listener->counts.limited++;
		listener_tell(listener, source, "too many from this address");
		return;
	}
	listener_add_peer(listener, socket, source);
}

static gboolean
listener_on_pause_end(gpointer data)
{
	PvListener *listener = data;
	listener_destroy_source(&listener->pause);
	listener_set_accepting(listener, listener->peers->len < listener->limits.connections);
	return G_SOURCE_REMOVE;
}

static gboolean
listener_on_acceptable(GSocket *socket, GIOCondition condition, gpointer data)
{
	PvListener *listener = data;
	g_autoptr(GError) error = NULL;
	g_autoptr(GSocket) peer = g_socket_accept(socket, NULL, &error);
	if (peer != NULL) {
		listener_take(listener, peer);
	} else if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
		/* out of descriptors, most likely: trying again at once would only burn time */
		g_warning("accept hello connection: %s", error->message);
		listener->pause = g_timeout_source_new(LISTENER_PAUSE_MSEC);
		g_source_set_callback(listener->pause, listener_on_pause_end, listener, NULL);
		g_source_attach(listener->pause, NULL);
	}
	if (listener->pause == NULL && listener->peers->len < listener->limits.connections)
		return G_SOURCE_CONTINUE;
	listener_set_accepting(listener, FALSE);
	return G_SOURCE_REMOVE;
}

static void
listener_set_accepting(PvListener *listener, gboolean accepting)
{
	if (!accepting) {
		listener_destroy_source(&listener->acceptable);
		return;
	}
	if (listener->acceptable != NULL)
		return;
	listener->acceptable = g_socket_create_source(listener->socket, G_IO_IN, NULL);
	g_source_set_callback(
	    listener->acceptable, G_SOURCE_FUNC(listener_on_acceptable), listener, NULL);
	g_source_attach(listener->acceptable, NULL);
}

static GSocket *
listener_open_socket(const char *address, guint port, GError **error)
{
	g_autoptr(GSocketAddress) local = g_inet_socket_address_new_from_string(address, port);
	if (local == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "not a numeric address");
		return NULL;
	}
	g_autoptr(GSocket) socket = g_socket_new(
	    g_socket_address_get_family(local), G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error);
	if (socket == NULL)
		return NULL;
	g_socket_set_blocking(socket, FALSE);
	g_socket_set_listen_backlog(socket, LISTENER_BACKLOG);
	if (g_socket_address_get_family(local) == G_SOCKET_FAMILY_IPV6 &&
	    !g_socket_set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0, error))
		return NULL;
	if (!g_socket_bind(socket, local, TRUE, error) || !g_socket_listen(socket, error))
		return NULL;
	return g_steal_pointer(&socket);
}

PvListener *
pv_listener_new(const char *address, guint port, const PvListenerLimits *limits,
    PvListenerFunc func, gpointer data, GError **error)
{
	g_autoptr(GSocket) socket = listener_open_socket(address, port, error);
	g_autoptr(GSocketAddress) local =
	    socket != NULL ? g_socket_get_local_address(socket, error) : NULL;
	if (local == NULL) {
		g_prefix_error(error, "listen on %s port %u: ", address, port);
		return NULL;
	}
	PvListener *listener = g_new0(PvListener, 1);
	listener->socket = g_steal_pointer(&socket);
	listener->port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(local));
	listener->limits = *limits;
	listener->peers = g_ptr_array_new_with_free_func(listener_peer_free);
	listener->rates = pv_limit_new(LISTENER_SLOTS, limits->burst, limits->refill_msec);
	listener->log = pv_limit_new(1, LISTENER_LOG_BURST, LISTENER_LOG_MSEC);
	listener->func = func;
	listener->data = data;
	listener_set_accepting(listener, TRUE);
	return listener;
}

void
pv_listener_free(PvListener *listener)
{
	if (listener == NULL)
		return;
	listener_destroy_source(&listener->acceptable);
	listener_destroy_source(&listener->pause);
	g_ptr_array_unref(listener->peers);
	g_object_unref(listener->socket);
	pv_limit_free(listener->rates);
	pv_limit_free(listener->log);
	g_free(listener);
}

guint
pv_listener_get_port(const PvListener *listener)
{
	return listener->port;
}

const PvListenerCounts *
pv_listener_get_counts(const PvListener *listener)
{
	return &listener->counts;
}
