/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/net/tls.h"

#include <curl/curl.h>
#include <provost/fetch.h>

G_BEGIN_DECLS

/* What the two halves of PvFetch share. */

/* Parsed once, for all connections. Immutable, reference-counted. */
typedef struct {
	gatomicrefcount references;
	X509_STORE *store;
	PvIdentity *identity; /* NULL: none */
	char *user;
	PvSecret *password;
	PvKerberos *kerberos;
	char *service; /* NULL: by the URL's host */
	guint connect_msec;
	guint request_msec;
	gsize max_bytes;
} FetchShared;

/* The URL of a request, in pieces. */
typedef struct {
	gboolean tls;
	char *host; /* without the brackets of an IPv6 address */
	char *where; /* SCHEME://HOST:PORT/PATH: what a message may show */
} FetchTarget;

struct PvFetch {
	FetchShared *shared;
	CURL *easy; /* NULL: not yet */
	CURLM *multi; /* holds the connection */

	/* of the last handshake, and so of the only connection: tls-server-end-point (RFC 5929, 4); NULL: none */
	GBytes *binding;

	/* of the request in flight */
	FetchTarget target;
	char text[CURL_ERROR_SIZE];
	GError *refusal; /* why we refused the server */
	int alert; /* TLS alert that the server sent; -1: none */
	const char *broken; /* constant text: a limit of size was passed */
	GByteArray *body;
	gsize header_bytes;
	GString *offered; /* the schemes of WWW-Authenticate, "Basic, Negotiate" */
	gboolean negotiates; /* Negotiate is among them */
	char *token; /* what came with it, base64; NULL: nothing */
	char *content_type;
	char *location;
};

X509_STORE *pv_fetch_tls_load_store(const char *path,
    GError **error) G_GNUC_WARN_UNUSED_RESULT; /* @path: NULL: the system's roots */
CURLcode pv_fetch_tls_prepare(
    CURL *easy, void *context, void *fetch); /* for CURLOPT_SSL_CTX_FUNCTION */
void pv_fetch_tls_explain(const PvFetch *fetch, GError **error); /* why the handshake failed */
gboolean pv_fetch_tls_is_refused(
    const PvFetch *fetch); /* the server did not like our certificate, or that there is none */

G_END_DECLS
