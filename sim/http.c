/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/http.h"

#include <string.h>

static void
http_request_clear(PvSimHttpRequest *request)
{
	g_free(request->method);
	g_free(request->path);
	g_free(request->authorization);
	if (request->body != NULL)
		g_byte_array_unref(request->body);
}

void
pv_sim_http_request_free(PvSimHttpRequest *request)
{
	if (request == NULL)
		return;
	http_request_clear(request);
	g_free(request);
}

/* Where the line that begins at @from ends (at its CR), or -1 */
static gssize
http_find_line(const GByteArray *buffer, gsize from)
{
	const char *start = (const char *)buffer->data + from;
	const char *found =
	    buffer->len > from ? g_strstr_len(start, (gssize)(buffer->len - from), "\r\n") : NULL;
	return found != NULL ? (gssize)(from + (gsize)(found - start)) : -1;
}

/* Decodes a chunked body that begins at @at; @at becomes its end */
static PvSimHttpResult
http_parse_chunks(const GByteArray *buffer, gsize *at, GByteArray *body)
{
	for (;;) {
		gssize line = http_find_line(buffer, *at);
		if (line < 0)
			return buffer->len - *at > 64 ? PV_SIM_HTTP_BAD : PV_SIM_HTTP_MORE;
		g_autofree char *text =
		    g_strndup((const char *)buffer->data + *at, (gsize)line - *at);
		guint64 size = 0;
		g_strdelimit(text, ";", '\0');
		if (!g_ascii_string_to_unsigned(
			g_strstrip(text), 16, 0, PV_SIM_HTTP_BODY_MAX, &size, NULL) ||
		    body->len + size > PV_SIM_HTTP_BODY_MAX)
			return PV_SIM_HTTP_BAD;
		gsize data = (gsize)line + 2;
		if (buffer->len < data + size + 2)
			return PV_SIM_HTTP_MORE;
		if (memcmp(buffer->data + data + size, "\r\n", 2) != 0)
			return PV_SIM_HTTP_BAD; /* trailers are not supported either */
		g_byte_array_append(body, buffer->data + data, (guint)size);
		*at = data + size + 2;
		if (size == 0)
			return PV_SIM_HTTP_READY;
	}
}

static gboolean
http_parse_start(PvSimHttpRequest *request, const char *line)
{
	g_auto(GStrv) parts = g_strsplit(line, " ", 4);
	if (g_strv_length(parts) != 3 || *parts[0] == '\0' || *parts[1] != '/' ||
	    !g_str_has_prefix(parts[2], "HTTP/1."))
		return FALSE;
	request->method = g_strdup(parts[0]);
	request->path = g_strdup(parts[1]);
	request->close = strcmp(parts[2], "HTTP/1.0") == 0;
	return TRUE;
}

static gboolean
http_parse_header(PvSimHttpRequest *request, char *line, gsize *length, gboolean *chunked)
{
	char *colon = strchr(line, ':');
	if (colon == NULL)
		return FALSE;
	*colon = '\0';
	char *value = g_strstrip(colon + 1);
	guint64 number = 0;
	if (g_ascii_strcasecmp(line, "Content-Length") == 0) {
		if (!g_ascii_string_to_unsigned(value, 10, 0, PV_SIM_HTTP_BODY_MAX, &number, NULL))
			return FALSE;
		*length = number;
	} else if (g_ascii_strcasecmp(line, "Transfer-Encoding") == 0) {
		*chunked = g_ascii_strcasecmp(value, "chunked") == 0;
		return *chunked;
	} else if (g_ascii_strcasecmp(line, "Connection") == 0) {
		request->close = request->close || g_ascii_strcasecmp(value, "close") == 0;
	} else if (g_ascii_strcasecmp(line, "Authorization") == 0) {
		g_free(request->authorization);
		request->authorization = g_strdup(value);
	}
	return TRUE;
}

PvSimHttpResult
pv_sim_http_parse(GByteArray *buffer, PvSimHttpRequest **result)
{
	const char *end = buffer->len > 0
			      ? g_strstr_len((const char *)buffer->data, buffer->len, "\r\n\r\n")
			      : NULL;
	if (end == NULL)
		return buffer->len > PV_SIM_HTTP_HEAD_MAX ? PV_SIM_HTTP_BAD : PV_SIM_HTTP_MORE;

	gsize at = (gsize)(end - (const char *)buffer->data) + 4;
	g_autofree char *head = g_strndup((const char *)buffer->data, at - 4);
	g_auto(GStrv) lines = g_strsplit(head, "\r\n", -1);
	g_autoptr(PvSimHttpRequest) request = g_new0(PvSimHttpRequest, 1);
	request->body = g_byte_array_new();
	gsize length = 0;
	gboolean chunked = FALSE;
	if (lines[0] == NULL || !http_parse_start(request, lines[0]))
		return PV_SIM_HTTP_BAD;
	for (guint i = 1; lines[i] != NULL; i++) {
		if (!http_parse_header(request, lines[i], &length, &chunked))
			return PV_SIM_HTTP_BAD;
	}
	if (chunked) {
		PvSimHttpResult chunks = http_parse_chunks(buffer, &at, request->body);
		if (chunks != PV_SIM_HTTP_READY)
			return chunks;
	} else {
		if (buffer->len < at + length)
			return PV_SIM_HTTP_MORE;
		g_byte_array_append(request->body, buffer->data + at, (guint)length);
		at += length;
	}
	g_byte_array_remove_range(buffer, 0, (guint)at);
	*result = g_steal_pointer(&request);
	return PV_SIM_HTTP_READY;
}

void
pv_sim_http_answer_free(PvSimHttpAnswer *answer)
{
	if (answer == NULL)
		return;
	g_free(answer->server);
	g_byte_array_unref(answer->body);
	g_free(answer);
}

/* "HTTP/1.1 200 OK" */
static gboolean
http_parse_status(PvSimHttpAnswer *answer, const char *line)
{
	g_auto(GStrv) parts = g_strsplit(line, " ", 3);
	guint64 status = 0;
	if (g_strv_length(parts) < 2 || !g_str_has_prefix(parts[0], "HTTP/1.") ||
	    !g_ascii_string_to_unsigned(parts[1], 10, 200, 599, &status, NULL))
		return FALSE;
	answer->status = (guint)status;
	return TRUE;
}

/* The last word of "Server: Intel(R) Active Management Technology 16.1.25" */
static void
http_note_server(PvSimHttpAnswer *answer, const char *line)
{
	const char *space = strrchr(line, ' ');
	if (g_ascii_strncasecmp(line, "Server:", strlen("Server:")) != 0 || space == NULL)
		return;
	g_free(answer->server);
	answer->server = g_utf8_make_valid(space + 1, -1);
}

PvSimHttpResult
pv_sim_http_parse_answer(
    const GByteArray *buffer, gboolean head, gboolean end, PvSimHttpAnswer **result)
{
	const char *blank = buffer->len > 0
				? g_strstr_len((const char *)buffer->data, buffer->len, "\r\n\r\n")
				: NULL;
	if (blank == NULL)
		return end || buffer->len > PV_SIM_HTTP_HEAD_MAX ? PV_SIM_HTTP_BAD
								 : PV_SIM_HTTP_MORE;
	gsize at = (gsize)(blank - (const char *)buffer->data) + 4;
	g_autofree char *text = g_strndup((const char *)buffer->data, at - 4);
	g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
	g_autoptr(PvSimHttpAnswer) answer = g_new0(PvSimHttpAnswer, 1);
	g_autoptr(PvSimHttpRequest) headers = g_new0(PvSimHttpRequest, 1);
	gsize length = G_MAXSIZE; /* until the end of the connection */
	gboolean chunked = FALSE;
	answer->body = g_byte_array_new();
	if (lines[0] == NULL || !http_parse_status(answer, lines[0]))
		return PV_SIM_HTTP_BAD;
	for (guint i = 1; lines[i] != NULL; i++) {
		http_note_server(answer, lines[i]);
		if (!http_parse_header(headers, lines[i], &length, &chunked))
			return PV_SIM_HTTP_BAD;
	}
	if (head)
		length = 0;
	if (chunked && !head) {
		PvSimHttpResult chunks = http_parse_chunks(buffer, &at, answer->body);
		if (chunks != PV_SIM_HTTP_READY)
			return chunks == PV_SIM_HTTP_MORE && end ? PV_SIM_HTTP_BAD : chunks;
	} else {
		if (length == G_MAXSIZE && end)
			length = buffer->len - at;
		if (length > buffer->len - at)
			return end ? PV_SIM_HTTP_BAD : PV_SIM_HTTP_MORE;
		g_byte_array_append(answer->body, buffer->data + at, (guint)length);
		at += length;
	}
	answer->bytes = at;
	answer->close = headers->close || end || g_str_has_prefix(text, "HTTP/1.0");
	*result = g_steal_pointer(&answer);
	return PV_SIM_HTTP_READY;
}

static void http_append(GByteArray *out, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
http_append(GByteArray *out, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	g_byte_array_append(out, (const guint8 *)text, (guint)strlen(text));
}

static const char *
http_reason(guint status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	default:
		return "Internal Server Error";
	}
}

static void
http_append_server(GByteArray *out, const PvSimDevice *device)
{
	const char *set = device->switches->server_version;
	http_append(out, "Server: Intel(R) Active Management Technology %s\r\n",
	    *set != '\0' ? set : device->personality->server);
}

/* After a ticket: what proves the device to its client, or that tickets are taken at all */
static void
http_append_negotiate(GByteArray *out, const PvSimDevice *device)
{
	if (device->negotiate != NULL)
		http_append(out, "WWW-Authenticate: %s\r\n", device->negotiate);
}

static void
http_append_date(GByteArray *out, const PvSimDevice *device)
{
	g_autoptr(GDateTime) now = g_date_time_new_from_unix_utc(pv_sim_device_time(device));
	static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
		"Aug", "Sep", "Oct", "Nov", "Dec" };
	if (now == NULL)
		return; /* a clock beyond the calendar */
	http_append(out, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
	    days[g_date_time_get_day_of_week(now) - 1], g_date_time_get_day_of_month(now),
	    months[g_date_time_get_month(now) - 1], g_date_time_get_year(now),
	    g_date_time_get_hour(now), g_date_time_get_minute(now), g_date_time_get_second(now));
}

/* Chunk sizes are of four digits, and cuts fall anywhere, also within a tag */
static void
http_append_chunks(GByteArray *out, const PvSimDevice *device, const char *body, gsize length)
{
	static const guint sizes[] = { 0x220, 0x2FA, 0x3C };
	gsize at = 0;
	for (guint i = 0; at < length; i++) {
		gsize cut = 0xFFFF;
		if (device->switches->chunk_cuts == PV_SIM_CUTS_RANDOM)
			cut = (gsize)g_random_int_range(1, 0x400);
		else if (device->switches->chunk_cuts == PV_SIM_CUTS_FIXED)
			cut = sizes[i % G_N_ELEMENTS(sizes)];
		gsize size = MIN(length - at, cut);
		http_append(out, "%04X\r\n", (guint)size);
		g_byte_array_append(out, (const guint8 *)body + at, (guint)size);
		g_byte_array_append(out, (const guint8 *)"\r\n", 2);
		at += size;
	}
}

void
pv_sim_http_answer_soap(GByteArray *out, const PvSimDevice *device, guint status,
    const GString *body, PvSimHttpShape shape, gsize bytes)
{
	gboolean chunks = shape == PV_SIM_HTTP_CHUNKED || shape == PV_SIM_HTTP_TRUNCATED;
	http_append(out, "HTTP/1.%d %u %s\r\n", shape == PV_SIM_HTTP_NO_LENGTH ? 0 : 1, status,
	    http_reason(status));
	http_append_date(out, device);
	http_append_server(out, device);
	http_append_negotiate(out, device);
	http_append(
	    out, "X-Frame-Options: DENY\r\nContent-Type: application/soap+xml; charset=UTF-8\r\n");
	if (chunks)
		http_append(out, "Transfer-Encoding: chunked\r\n");
	else if (shape == PV_SIM_HTTP_WRONG_LENGTH)
		http_append(out, "Content-Length: %zu\r\n", body->len + bytes);
	http_append(out, "%s\r\n",
	    status != 200 || shape == PV_SIM_HTTP_NO_LENGTH ? "Connection: close\r\n" : "");
	if (chunks)
		http_append_chunks(out, device, body->str,
		    shape == PV_SIM_HTTP_TRUNCATED ? MIN(bytes, body->len) : body->len);
	else
		g_byte_array_append(out, (const guint8 *)body->str, (guint)body->len);
	if (shape == PV_SIM_HTTP_CHUNKED)
		g_byte_array_append(out, (const guint8 *)"0\r\n\r\n", 5);
}

void
pv_sim_http_answer_html(
    GByteArray *out, const PvSimDevice *device, guint status, const char *html, gboolean close)
{
	http_append(out, "HTTP/1.1 %u %s\r\n", status, http_reason(status));
	http_append_date(out, device);
	http_append_server(out, device);
	http_append_negotiate(out, device);
	http_append(out,
	    "X-Frame-Options: DENY\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n%s\r\n%s",
	    strlen(html), close ? "Connection: close\r\n" : "", html);
}

void
pv_sim_http_answer_plain(
    GByteArray *out, guint status, const char *server, const char *type, const char *body)
{
	http_append(out,
	    "HTTP/1.1 %u %s\r\nServer: Intel(R) Active Management Technology %s\r\n"
	    "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
	    status, http_reason(status), server, type, strlen(body), body);
}

void
pv_sim_http_answer_challenge(
    GByteArray *out, const PvSimDevice *device, guint status, const char *digest)
{
	static const char page[] = "<!DOCTYPE html>\n<html><head><title>Intel&reg; Active "
				   "Management Technology</title></head>\n"
				   "<body><h2>Log on failed. Incorrect user name or password, or "
				   "user account temporarily locked.</h2></body></html>\n";
	http_append(out, "HTTP/1.1 %u %s\r\n", status, http_reason(status));
	if (digest != NULL)
		http_append(out, "WWW-Authenticate: %s\r\n", digest);
	http_append_negotiate(out, device);
	http_append(out, "Content-Type: text/html\r\n");
	http_append_server(out, device);
	http_append(out, "Content-Length: %zu\r\n%s\r\n%s", strlen(page),
	    device->switches->close_after_401 ? "Connection: close\r\n" : "", page);
}
