/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The least that provisioning could cost: OpenSSL, blocking, the same handshakes and as many requests of the same size
 * as the engine made, and nothing else. What it needs of CPU is what "provision" divides by.
 *
 *   bare measure COMMAND...                 runs it; prints the CPU milliseconds of it and its children on descriptor 3
 *   bare loop CHAIN KEY CONNECTIONS REQUESTS ADDRESS...
 *                                           per address CONNECTIONS handshakes and REQUESTS requests in all
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUEST_BODY \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope " \
	"xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" " \
	"xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" " \
	"xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header><a:Action>" \
	"http://schemas.xmlsoap.org/ws/2004/09/transfer/Get</a:Action><a:To>/wsman</" \
	"a:To><w:ResourceURI>" \
	"http://intel.com/wbem/wscim/1/amt-schema/1/AMT_GeneralSettings</" \
	"w:ResourceURI><a:MessageID>1</a:MessageID>" \
	"<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</" \
	"a:Address></a:ReplyTo>" \
	"<w:OperationTimeout>PT60S</w:OperationTimeout></s:Header><s:Body></s:Body></s:Envelope>"

static void
bare_die(const char *what)
{
	fprintf(stderr, "bare: %s: %s\n", what, errno != 0 ? strerror(errno) : "failed");
	ERR_print_errors_fp(stderr);
	exit(1);
}

static double
bare_milliseconds(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e3 +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e3;
}

static int
bare_measure(char **command)
{
	pid_t child = fork();
	if (child == 0) {
		execvp(command[0], command);
		bare_die(command[0]);
	}
	int status = 0;
	struct rusage usage;
	if (child < 0 || wait4(child, &status, 0, &usage) < 0)
		bare_die("run");
	dprintf(3, "%.1f\n", bare_milliseconds(&usage));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static SSL *
bare_connect(SSL_CTX *context, const char *address)
{
	const int on = 1;
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(16993) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || inet_pton(AF_INET, address, &peer.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&peer, sizeof peer) != 0)
		bare_die(address);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	SSL *ssl = SSL_new(context);
	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
		bare_die("handshake");
	return ssl;
}

/* Reads one chunked reply to its end mark; no more parsing than that. */
static void
bare_read_reply(SSL *ssl)
{
	char reply[16384];
	size_t length = 0;
	while (length < 5 || memmem(reply, length, "\r\n0\r\n\r\n", 7) == NULL) {
		if (memmem(reply, length, "\r\n0000\r\n\r\n", 10) != NULL)
			break;
		int got = SSL_read(ssl, reply + length, (int)(sizeof reply - length));
		if (got <= 0)
			bare_die("read reply");
		length += (size_t)got;
	}
	if (length < 12 || memcmp(reply + 9, "200", 3) != 0)
		bare_die("the reply is not 200");
}

static void
bare_run_device(SSL_CTX *context, const char *address, int connections, int requests)
{
	char request[4096];
	int size = snprintf(request, sizeof request,
	    "POST /wsman HTTP/1.1\r\nHost: %s:16993\r\nContent-Type: application/soap+xml; "
	    "charset=utf-8\r\nContent-Length: %zu\r\n\r\n%s",
	    address, sizeof REQUEST_BODY - 1, REQUEST_BODY);
	for (int i = 0; i < connections; i++) {
		SSL *ssl = bare_connect(context, address);
		int share = requests / connections + (i < requests % connections);
		for (int j = 0; j < share; j++) {
			if (SSL_write(ssl, request, size) != size)
				bare_die("write request");
			bare_read_reply(ssl);
		}
		(void)SSL_shutdown(ssl);
		close(SSL_get_fd(ssl));
		SSL_free(ssl);
	}
}

static int
bare_loop(char **arguments, int count)
{
	if (count < 5) {
		fprintf(stderr, "usage: bare loop CHAIN KEY CONNECTIONS REQUESTS ADDRESS...\n");
		return 64;
	}
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (context == NULL || SSL_CTX_use_certificate_chain_file(context, arguments[0]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, arguments[1], SSL_FILETYPE_PEM) != 1)
		bare_die("load identity");
	for (int i = 4; i < count; i++)
		bare_run_device(context, arguments[i], atoi(arguments[2]), atoi(arguments[3]));
	SSL_CTX_free(context);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "measure") == 0)
		return bare_measure(argv + 2);
	if (argc >= 3 && strcmp(argv[1], "loop") == 0)
		return bare_loop(argv + 2, argc - 2);
	fprintf(stderr, "usage: bare measure COMMAND... | bare loop CHAIN KEY CONNECTIONS REQUESTS "
			"ADDRESS...\n");
	return 64;
}
