/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct PvTrace {
	FILE *file;
};

/* Elements whose content is or reveals a secret. PSK_VALUE and its kin differ in case between classes, so case does
 * not count. */
static const char *const trace_words[] = { "password", "passphrase", "passwd", "secret",
	"masterkey", "keyblob", "serverotp", "psk", "pskvalue", "privatekey", "consentcode",
	"optincode", "accesscredential" };
static const char *const trace_names[] = { "PID", "PPS", "OTP", "PIN" };
/* named like one, but a plain setting */
static const char *const trace_plain[] = { "PasswordModel" };

static gboolean
trace_is_secret(const char *name, gsize length)
{
	g_autofree char *exact = g_strndup(name, length);
	g_autofree char *lower = g_ascii_strdown(exact, -1);
	/* a method's wrapper, such as SetMEBxPassword_INPUT: what is within is judged by itself */
	if (g_str_has_suffix(exact, "_INPUT") || g_str_has_suffix(exact, "_OUTPUT"))
		return FALSE;
	for (gsize i = 0; i < G_N_ELEMENTS(trace_plain); i++)
		if (strcmp(exact, trace_plain[i]) == 0)
			return FALSE;
	for (gsize i = 0; i < G_N_ELEMENTS(trace_names); i++)
		if (g_ascii_strcasecmp(exact, trace_names[i]) == 0)
			return TRUE;
	for (gsize i = 0; i < G_N_ELEMENTS(trace_words); i++)
		if (strstr(lower, trace_words[i]) != NULL)
			return TRUE;
	return FALSE;
}

/* where the content that begins at @at ends: at the closing tag of @name, or at the end of the text */
static const char *
trace_find_close(const char *at, const char *end, const char *name, gsize length)
{
	while ((at = memchr(at, '<', (gsize)(end - at))) != NULL) {
		if ((gsize)(end - at) >= length + 2 && at[1] == '/' &&
		    memcmp(at + 2, name, length) == 0)
			return at;
		at++;
	}
	return end;
}

char *
pv_trace_dup_redacted(const char *body, gsize length_bytes)
{
	GString *out = g_string_sized_new(length_bytes + 1);
	const char *end = body + length_bytes;
	const char *at = body;
	while (at < end) {
		const char *open = memchr(at, '<', (gsize)(end - at));
		const char *close = open != NULL ? memchr(open, '>', (gsize)(end - open)) : NULL;
		if (close == NULL) {
			g_string_append_len(out, at, open != NULL ? open - at : end - at);
			break;
		}
		g_string_append_len(out, at, close + 1 - at);
		at = close + 1;
		const char *name = open + 1;
		gsize length = 0;
		while (name + length < close && strchr(" \t\r\n/>", name[length]) == NULL)
			length++;
		const char *colon = memchr(name, ':', length);
		const char *local = colon != NULL ? colon + 1 : name;
		gsize local_length = length - (gsize)(local - name);
		if (length == 0 || close[-1] == '/' || !trace_is_secret(local, local_length))
			continue;
		at = trace_find_close(at, end, name, length);
		g_string_append(out, "***");
	}
	return g_string_free(out, FALSE);
}

PvTrace *
pv_trace_open(const char *dir, const char *name)
{
	g_autofree char *plain = g_strdup(name != NULL && *name != '\0' ? name : "device");
	g_strcanon(plain, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_", '_');
	g_autofree char *file = g_strconcat(plain, ".log", NULL);
	g_autofree char *path = g_build_filename(dir, file, NULL);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *stream = fd >= 0 ? fdopen(fd, "a") : NULL;
	if (stream == NULL) {
		g_message("open trace %s: %s", path, g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	PvTrace *trace = g_new0(PvTrace, 1);
	trace->file = stream;
	return trace;
}

void
pv_trace_close(PvTrace *trace)
{
	if (trace == NULL)
		return;
	fclose(trace->file);
	g_free(trace);
}

static void
trace_stamp(PvTrace *trace, const char *what)
{
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *text = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S.%fZ");
	fprintf(trace->file, "%s %s\n", text, what);
}

static void
trace_body(PvTrace *trace, const char *body, gsize length_bytes)
{
	g_autofree char *redacted = pv_trace_dup_redacted(body != NULL ? body : "", length_bytes);
	fprintf(trace->file, "%s\n\n", redacted);
	fflush(trace->file);
}

void
pv_trace_request(PvTrace *trace, const char *method, const char *path, gboolean authorized,
    const char *body, gsize length_bytes)
{
	if (trace == NULL)
		return;
	trace_stamp(trace, "-> request");
	fprintf(trace->file, "%s %s HTTP/1.1\n%s", method, path,
	    authorized ? "Authorization: ***\n" : "");
	trace_body(trace, body, length_bytes);
}

void
pv_trace_reply(PvTrace *trace, const char *headers, const char *body, gsize length_bytes)
{
	if (trace == NULL)
		return;
	trace_stamp(trace, "<- reply");
	for (; *headers != '\0'; headers++)
		if (*headers != '\r')
			fputc(*headers, trace->file);
	trace_body(trace, body, length_bytes);
}

void
pv_trace_note(PvTrace *trace, const char *text)
{
	if (trace == NULL)
		return;
	trace_stamp(trace, text);
	fflush(trace->file);
}
