/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"

G_BEGIN_DECLS

/* HTTP/1.1 as AMT reads and writes it: amt/01 section 2 */

#define PV_SIM_HTTP_HEAD_MAX 16384
#define PV_SIM_HTTP_BODY_MAX 131072

typedef struct {
	char *method;
	char *path;
	char *authorization; /* NULL: none */
	gboolean close; /* the client wants the connection closed */
	GByteArray *body;
} PvSimHttpRequest;

typedef enum { PV_SIM_HTTP_MORE, PV_SIM_HTTP_READY, PV_SIM_HTTP_BAD } PvSimHttpResult;

/* Takes one whole request off the front of @buffer. BAD: no way to go on with this connection. */
PvSimHttpResult pv_sim_http_parse(GByteArray *buffer, PvSimHttpRequest **request);
void pv_sim_http_request_free(PvSimHttpRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimHttpRequest, pv_sim_http_request_free)

/* What a device answered, for whoever stands between it and its client */
typedef struct {
	guint status;
	char *server; /* version in the Server header; NULL: none */
	GByteArray *body; /* decoded */
	gsize bytes; /* of all of it, as it came */
	gboolean close; /* the device wants the connection closed */
} PvSimHttpAnswer;

/* Reads the answer at the front of @buffer, which stays. @head: to a HEAD request; @end: nothing more will come */
PvSimHttpResult pv_sim_http_parse_answer(
    const GByteArray *buffer, gboolean head, gboolean end, PvSimHttpAnswer **answer);
void pv_sim_http_answer_free(PvSimHttpAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimHttpAnswer, pv_sim_http_answer_free)

typedef enum {
	PV_SIM_HTTP_CHUNKED, /* as AMT does */
	PV_SIM_HTTP_TRUNCATED, /* chunks of the first so many bytes, and no end */
	PV_SIM_HTTP_WRONG_LENGTH, /* so many bytes less than Content-Length says */
	PV_SIM_HTTP_NO_LENGTH, /* HTTP/1.0: until the connection closes */
} PvSimHttpShape;

/* Appends a whole answer. @soap: a SOAP body; any shape but CHUNKED wants the connection closed. Else HTML with a
 * length. */
void pv_sim_http_answer_soap(GByteArray *out, const PvSimDevice *device, guint status, const GString *body, PvSimHttpShape shape, gsize bytes);
void pv_sim_http_answer_html(
    GByteArray *out, const PvSimDevice *device, guint status, const char *html, gboolean close);
/* With a length, for whoever is no device. @server: version of AMT */
void pv_sim_http_answer_plain(
    GByteArray *out, guint status, const char *server, const char *type, const char *body);
/* 401 with this value of WWW-Authenticate, and 403, with Negotiate beside it as the device has it. @digest: NULL: none */
void pv_sim_http_answer_challenge(GByteArray *out, const PvSimDevice *device, guint status, const char *digest);

G_END_DECLS
