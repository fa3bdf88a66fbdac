/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <openssl/ssl.h>

G_BEGIN_DECLS

/* An HTTP server for tests: listens on 127.0.0.1, port 0, a thread for each connection. What to answer is the
 * handler's business, down to the bytes, so that a test can break any rule it likes. */
typedef struct FakeHttp FakeHttp;
typedef struct FakeHttpConnection FakeHttpConnection;

typedef struct {
	guint index;           /* of the request, from 0, over all connections */
	guint connection;      /* from 0 */
	char *method;          /* "POST" */
	char *path;            /* "/wsman" */
	char *headers;         /* the block as it came, request line included */
	char *authorization;   /* value of the header; NULL: none */
	char *body;            /* NUL-terminated */
	gsize length;          /* of the body, bytes */
} FakeHttpRequest;

/* Answers with fake_http_send(); called with one request at a time. Returns FALSE to close the connection. */
typedef gboolean (*FakeHttpHandler)(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data);

FakeHttp *fake_http_new(SSL_CTX *tls, FakeHttpHandler handler, gpointer data); /* @tls: NULL: plain; referenced */
void fake_http_free(FakeHttp *http); /* closes everything and joins the threads */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeHttp, fake_http_free)

guint fake_http_get_port(FakeHttp *http);
guint fake_http_get_connections(FakeHttp *http); /* accepted so far */
guint fake_http_get_count(FakeHttp *http);       /* requests so far */
const FakeHttpRequest *fake_http_get_request(FakeHttp *http, guint i); /* lent; read it when the client is done */

/* For handlers. FALSE: the peer is gone. */
gboolean fake_http_send(FakeHttpConnection *connection, const void *data, gssize length);
gboolean fake_http_reply(FakeHttpConnection *connection, guint status, const char *headers, const char *body);
/* waits until the peer closes, the server is freed or @msec are over; TRUE: time is over */
gboolean fake_http_pause(FakeHttpConnection *connection, guint msec);

G_END_DECLS
