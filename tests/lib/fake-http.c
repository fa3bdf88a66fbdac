/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/fake-http.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>

#define FAKE_MAX_HEADERS (64 * 1024)
#define FAKE_MAX_BODY (4 * 1024 * 1024)

/* Its lock is pthread's and not GLib's: ThreadSanitizer does not see the latter. */
struct FakeHttp {
	int listener;
	int stop[2]; /* a pipe; readable (closed at the other end): everybody goes home */
	guint port;
	SSL_CTX *tls; /* NULL: plain */
	FakeHttpHandler handler;
	gpointer data;
	GThread *acceptor;
	GPtrArray *threads; /* of GThread, joined at the end; acceptor's until then */
	pthread_mutex_t lock; /* requests, connections; held while the handler runs */
	GPtrArray *requests; /* of FakeHttpRequest */
	guint connections;
};

struct FakeHttpConnection {
	FakeHttp *http;
	int fd;
	SSL *ssl; /* NULL: plain */
	guint number;
	GString *input; /* received and not yet used */
};

static void
fake_http_request_free(gpointer data)
{
	FakeHttpRequest *request = data;
	g_free(request->method);
	g_free(request->path);
	g_free(request->headers);
	g_free(request->authorization);
	g_free(request->body);
	g_free(request);
}

/* TRUE: something can be read; FALSE: the server is to stop, or time is over */
static gboolean
fake_http_wait(FakeHttpConnection *connection, int timeout_msec)
{
	struct pollfd fds[] = { { .fd = connection->fd, .events = POLLIN },
		{ .fd = connection->http->stop[0], .events = POLLIN } };
	while (poll(fds, 2, timeout_msec) < 0 && errno == EINTR)
		;
	return fds[1].revents == 0 && fds[0].revents != 0;
}

static gssize
fake_http_read(FakeHttpConnection *connection)
{
	char buffer[16384];
	if ((connection->ssl == NULL || SSL_pending(connection->ssl) == 0) &&
	    !fake_http_wait(connection, -1))
		return 0;
	gssize length = connection->ssl != NULL ? SSL_read(connection->ssl, buffer, sizeof buffer)
						: recv(connection->fd, buffer, sizeof buffer, 0);
	if (length > 0)
		g_string_append_len(connection->input, buffer, length);
	return length;
}

gboolean
fake_http_send(FakeHttpConnection *connection, const void *data, gssize length)
{
	const char *at = data;
	gsize left = length < 0 ? strlen(data) : (gsize)length;
	while (left > 0) {
		gssize sent = connection->ssl != NULL
				  ? SSL_write(connection->ssl, at, (int)left)
				  : send(connection->fd, at, left, MSG_NOSIGNAL);
		if (sent <= 0)
			return FALSE;
		at += sent;
		left -= (gsize)sent;
	}
	return TRUE;
}

gboolean
fake_http_reply(FakeHttpConnection *connection, guint status, const char *headers, const char *body)
{
	g_autofree char *text =
	    g_strdup_printf("HTTP/1.1 %u X\r\n%sContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s",
		status, headers != NULL ? headers : "", body != NULL ? strlen(body) : 0,
		body != NULL ? body : "");
	return fake_http_send(connection, text, -1);
}

gboolean
fake_http_pause(FakeHttpConnection *connection, guint msec)
{
	struct pollfd fds[] = { { .fd = connection->fd, .events = POLLIN },
		{ .fd = connection->http->stop[0], .events = POLLIN } };
	return poll(fds, 2, (int)msec) == 0;
}

static char *
fake_http_dup_header(const char *headers, const char *name)
{
	gsize length = strlen(name);
	for (const char *line = headers; line != NULL; line = strstr(line, "\r\n")) {
		line += strspn(line, "\r\n");
		if (g_ascii_strncasecmp(line, name, length) == 0 && line[length] == ':') {
			const char *value = line + length + 1;
			return g_strstrip(g_strndup(value, strcspn(value, "\r\n")));
		}
		if (*line == '\0')
			break;
	}
	return NULL;
}

/* NULL: the connection ends */
static FakeHttpRequest *
fake_http_read_request(FakeHttpConnection *connection)
{
	const char *end;
	while ((end = strstr(connection->input->str, "\r\n\r\n")) == NULL)
		if (connection->input->len > FAKE_MAX_HEADERS || fake_http_read(connection) <= 0)
			return NULL;
	gsize head = (gsize)(end - connection->input->str) + 4;
	FakeHttpRequest *request = g_new0(FakeHttpRequest, 1);
	request->connection = connection->number;
	request->headers = g_strndup(connection->input->str, head - 2);
	request->authorization = fake_http_dup_header(request->headers, "Authorization");
	g_autofree char *length = fake_http_dup_header(request->headers, "Content-Length");
	request->length = length != NULL ? (gsize)g_ascii_strtoull(length, NULL, 10) : 0;
	g_auto(GStrv) words = g_strsplit(request->headers, " ", 3);
	request->method = g_strdup(words[0]);
	request->path = g_strdup(words[0] != NULL && words[1] != NULL ? words[1] : "");
	while (request->length <= FAKE_MAX_BODY && connection->input->len < head + request->length)
		if (fake_http_read(connection) <= 0)
			break;
	if (connection->input->len < head + request->length) {
		fake_http_request_free(request);
		return NULL;
	}
	request->body = g_malloc0(request->length + 1);
	memcpy(request->body, connection->input->str + head, request->length);
	g_string_erase(connection->input, 0, (gssize)(head + request->length));
	return request;
}

static gboolean
fake_http_serve_one(FakeHttpConnection *connection)
{
	FakeHttp *http = connection->http;
	FakeHttpRequest *request = fake_http_read_request(connection);
	if (request == NULL)
		return FALSE;
	pthread_mutex_lock(&http->lock);
	request->index = http->requests->len;
	g_ptr_array_add(http->requests, request);
	gboolean go_on = http->handler(connection, request, http->data);
	pthread_mutex_unlock(&http->lock);
	return go_on;
}

static gpointer
fake_http_serve(gpointer data)
{
	FakeHttpConnection *connection = data;
	gboolean up = TRUE;
	if (connection->http->tls != NULL) {
		connection->ssl = SSL_new(connection->http->tls);
		SSL_set_fd(connection->ssl, connection->fd);
		up = fake_http_wait(connection, -1) && SSL_accept(connection->ssl) == 1;
	}
	while (up && fake_http_serve_one(connection))
		;
	if (connection->ssl != NULL && up)
		SSL_shutdown(connection->ssl);
	SSL_free(connection->ssl);
	ERR_clear_error();
	/* take what is still on its way, so that the close is a FIN and the answer is not lost in a reset */
	shutdown(connection->fd, SHUT_WR);
	char rest[4096];
	while (fake_http_wait(connection, 1000) && recv(connection->fd, rest, sizeof rest, 0) > 0)
		;
	close(connection->fd);
	g_string_free(connection->input, TRUE);
	g_free(connection);
	return NULL;
}

static gpointer
fake_http_accept(gpointer data)
{
	FakeHttp *http = data;
	for (;;) {
		struct pollfd fds[] = { { .fd = http->listener, .events = POLLIN },
			{ .fd = http->stop[0], .events = POLLIN } };
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (fds[1].revents != 0)
			return NULL;
		if (fds[0].revents == 0)
			continue;
		int fd = accept(http->listener, NULL, NULL);
		if (fd < 0)
			continue;
		int on = 1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		FakeHttpConnection *connection = g_new0(FakeHttpConnection, 1);
		connection->http = http;
		connection->fd = fd;
		connection->input = g_string_new(NULL);
		pthread_mutex_lock(&http->lock);
		connection->number = http->connections++;
		pthread_mutex_unlock(&http->lock);
		g_ptr_array_add(
		    http->threads, g_thread_new("fake-connection", fake_http_serve, connection));
	}
}

FakeHttp *
fake_http_new(SSL_CTX *tls, FakeHttpHandler handler, gpointer data)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof address;
	signal(SIGPIPE, SIG_IGN); /* SSL_write() to a peer that is gone */
	FakeHttp *http = g_new0(FakeHttp, 1);
	http->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (http->listener < 0 ||
	    bind(http->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
	    listen(http->listener, 64) != 0 ||
	    getsockname(http->listener, (struct sockaddr *)&address, &length) != 0 ||
	    pipe(http->stop) != 0)
		g_error("fake HTTP server: %s", g_strerror(errno));
	http->port = ntohs(address.sin_port);
	if (tls != NULL) {
		SSL_CTX_up_ref(tls);
		http->tls = tls;
	}
	http->handler = handler;
	http->data = data;
	pthread_mutex_init(&http->lock, NULL);
	http->requests = g_ptr_array_new_with_free_func(fake_http_request_free);
	http->threads = g_ptr_array_new();
	http->acceptor = g_thread_new("fake-accept", fake_http_accept, http);
	return http;
}

void
fake_http_free(FakeHttp *http)
{
	if (http == NULL)
		return;
	close(http->stop[1]);
	g_thread_join(http->acceptor);
	for (guint i = 0; i < http->threads->len; i++)
		g_thread_join(g_ptr_array_index(http->threads, i));
	close(http->stop[0]);
	close(http->listener);
	SSL_CTX_free(http->tls);
	g_ptr_array_unref(http->threads);
	g_ptr_array_unref(http->requests);
	pthread_mutex_destroy(&http->lock);
	g_free(http);
}

guint
fake_http_get_port(FakeHttp *http)
{
	return http->port;
}

guint
fake_http_get_connections(FakeHttp *http)
{
	pthread_mutex_lock(&http->lock);
	guint count = http->connections;
	pthread_mutex_unlock(&http->lock);
	return count;
}

guint
fake_http_get_count(FakeHttp *http)
{
	pthread_mutex_lock(&http->lock);
	guint count = http->requests->len;
	pthread_mutex_unlock(&http->lock);
	return count;
}

const FakeHttpRequest *
fake_http_get_request(FakeHttp *http, guint i)
{
	pthread_mutex_lock(&http->lock);
	const FakeHttpRequest *request =
	    i < http->requests->len ? g_ptr_array_index(http->requests, i) : NULL;
	pthread_mutex_unlock(&http->lock);
	return request;
}
