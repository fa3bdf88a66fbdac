/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/ssl.h>
#include <glib.h>

G_BEGIN_DECLS

/* One end of a connection, plain or TLS, used by one thread that waits for it */
typedef struct {
	int fd;
	SSL *ssl; /* NULL: plain */
	GByteArray *in; /* what was read and is not used up */
} PvSimPeer;

/* Waits for bytes and appends them to in, of TLS also none at times; FALSE: the connection is at its end */
gboolean pv_sim_peer_read(PvSimPeer *peer);
gboolean pv_sim_peer_write(PvSimPeer *peer, const GByteArray *data);

/* A listener that serves each connection in a thread of its own, for the few connections of one device */
typedef struct PvSimPeers PvSimPeers;

typedef struct {
	const char *address; /* "127.0.0.1:16993" */
	SSL_CTX *tls; /* lent; NULL: plain */
	void (*serve)(PvSimPeer *peer, gpointer data); /* the connection ends when it returns */
	gpointer data;
} PvSimPeersConfig;

PvSimPeers *pv_sim_peers_new(const PvSimPeersConfig *config, GError **error); /* listens */
/* Ends all connections and waits for their threads */
void pv_sim_peers_free(PvSimPeers *peers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimPeers, pv_sim_peers_free)

/* Prints the line "ready ADDRESS:PORT", and serves until SIGTERM, SIGINT or pv_sim_peers_stop() */
void pv_sim_peers_run(PvSimPeers *peers);
/* From serve: ends the run as soon as this connection has been closed in order */
void pv_sim_peers_stop(PvSimPeers *peers);

/* A server side of TLS that takes any client's certificate, and needs none. Without files it makes a key and a
 * certificate signed by itself. SSL_CTX_free() */
SSL_CTX *pv_sim_peer_tls(const char *certificate, const char *key, GError **error);
/* The client side, which takes any server's certificate. @certificate: with its chain; NULL: it shows none */
SSL_CTX *pv_sim_peer_tls_client(const char *certificate, const char *key, GError **error);

/* Connects to a device; @tls: lent; NULL: plain. pv_sim_peer_free() */
PvSimPeer *pv_sim_peer_connect(const char *address, SSL_CTX *tls, GError **error);
void pv_sim_peer_free(PvSimPeer *peer); /* one that was connected */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimPeer, pv_sim_peer_free)

G_END_DECLS
