/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/log.h"

#include <errno.h>
#include <provost/error.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* what pv_log_init() found out, handed to the writer in place of a static */
enum {
	LOG_VERBOSE = 1 << 0,
	LOG_JOURNAL = 1 << 1,
};

#define LOG_MAX_FIELDS 16

/* the last byte that still fits is not worth more: a device may send megabytes */
#define LOG_MAX_TEXT_BYTES 8192

/* systemd.exec(5): "DEVICE:INODE" of the stream that the service manager connected */
static gboolean
log_is_journal(int fd)
{
	const char *stream = g_getenv("JOURNAL_STREAM");
	struct stat status;
	if (stream == NULL || fstat(fd, &status) != 0)
		return FALSE;
	char *rest = NULL;
	guint64 device = g_ascii_strtoull(stream, &rest, 10);
	return rest != stream && *rest == ':' && device == status.st_dev &&
	       g_ascii_strtoull(rest + 1, NULL, 10) == status.st_ino;
}

/* Text that stays within its line: control characters, line separators, what turns the direction of writing, and
 * broken UTF-8 are written as escapes. */
static void
log_append_escaped(GString *line, const char *text, gsize length, gboolean quoted)
{
	const char *end = text + MIN(length, LOG_MAX_TEXT_BYTES);
	for (const char *c = text; c < end;) {
		gunichar character = g_utf8_get_char_validated(c, end - c);
		if (character == (gunichar)-1 || character == (gunichar)-2) {
			g_string_append_printf(line, "\\x%02x", (guchar)*c++);
			continue;
		}
		GUnicodeType type = g_unichar_type(character);
		if (quoted && (character == '"' || character == '\\'))
			g_string_append_printf(line, "\\%c", (char)character);
		else if (character < 0x80 && type == G_UNICODE_CONTROL)
			g_string_append_printf(line, "\\x%02x", character);
		else if (type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT ||
			 type == G_UNICODE_LINE_SEPARATOR || type == G_UNICODE_PARAGRAPH_SEPARATOR)
			g_string_append_printf(line, "\\u%04x", character);
		else
			g_string_append_unichar(line, character);
		c = g_utf8_next_char(c);
	}
	if (length > LOG_MAX_TEXT_BYTES)
		g_string_append(line, "…");
}

static gsize
log_get_length(const GLogField *field)
{
	return field->length < 0 ? strlen(field->value) : (gsize)field->length;
}

static void
log_append_value(GString *line, const GLogField *field)
{
	gsize length = log_get_length(field);
	g_autofree char *text = g_strndup(field->value, length);
	if (*text != '\0' && strpbrk(text, " \"=\\\t\r\n") == NULL) {
		log_append_escaped(line, text, strlen(text), FALSE);
		return;
	}
	g_string_append_c(line, '"');
	log_append_escaped(line, text, strlen(text), TRUE);
	g_string_append_c(line, '"');
}

static const GLogField *
log_find_field(const GLogField *fields, gsize count, const char *key)
{
	for (gsize i = 0; i < count; i++)
		if (g_str_equal(fields[i].key, key) && fields[i].value != NULL)
			return &fields[i];
	return NULL;
}

static gboolean
log_is_field(const GLogField *fields, gsize count, const char *key, const char *value)
{
	const GLogField *field = log_find_field(fields, count, key);
	return field != NULL && log_get_length(field) == strlen(value) &&
	       memcmp(field->value, value, strlen(value)) == 0;
}

/* Our own errors are warnings for GLib, which ends the process at anything worse. */
static const char *
log_get_level_name(GLogLevelFlags level, const GLogField *fields, gsize count)
{
	if ((level & G_LOG_LEVEL_ERROR) != 0)
		return "fatal";
	if ((level & G_LOG_LEVEL_CRITICAL) != 0)
		return "critical";
	if ((level & G_LOG_LEVEL_WARNING) != 0)
		return log_is_field(fields, count, "PRIORITY", "3") ? "error" : "warning";
	if ((level & G_LOG_LEVEL_MESSAGE) != 0)
		return "notice";
	return (level & G_LOG_LEVEL_INFO) != 0 ? "info" : "debug";
}

char *
pv_log_format(GLogLevelFlags level, const GLogField *fields, gsize count, gint64 time_usec)
{
	static const struct {
		const char *field, *key;
	} shown[] = {
		{ "PV_DEVICE", "device" },
		{ "PV_JOB", "job" },
		{ "PV_STAGE", "stage" },
		{ "PV_CODE", "code" },
	};
	GString *line = g_string_new(NULL);
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(time_usec / G_USEC_PER_SEC);
	g_autofree char *seconds =
	    time != NULL ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%S") : g_strdup("-");
	g_string_append_printf(line, "%s.%03uZ %s ", seconds,
	    (guint)(time_usec % G_USEC_PER_SEC / 1000), log_get_level_name(level, fields, count));
	const GLogField *message = log_find_field(fields, count, "MESSAGE");
	if (message != NULL)
		log_append_escaped(line, message->value, log_get_length(message), FALSE);
	for (gsize i = 0; i < G_N_ELEMENTS(shown); i++) {
		const GLogField *field = log_find_field(fields, count, shown[i].field);
		if (field == NULL)
			continue;
		g_string_append_printf(line, " %s=", shown[i].key);
		log_append_value(line, field);
	}
	const GLogField *domain = log_find_field(fields, count, "GLIB_DOMAIN");
	if (domain != NULL && !log_is_field(fields, count, "GLIB_DOMAIN", G_LOG_DOMAIN)) {
		g_string_append(line, " domain=");
		log_append_value(line, domain);
	}
	g_string_append_c(line, '\n');
	return g_string_free(line, FALSE);
}

/* Whether $G_MESSAGES_DEBUG wants debug entries of the domain: g_log_writer_default_would_drop() is of GLib 2.68 */
static gboolean
log_is_debugged(const GLogField *fields, gsize count)
{
	const char *wanted = g_getenv("G_MESSAGES_DEBUG");
	if (wanted == NULL)
		return FALSE;
	g_auto(GStrv) domains = g_strsplit_set(wanted, " ", -1);
	for (guint i = 0; domains[i] != NULL; i++)
		if (g_str_equal(domains[i], "all") ||
		    (*domains[i] != '\0' && log_is_field(fields, count, "GLIB_DOMAIN", domains[i])))
			return TRUE;
	return FALSE;
}

static void
log_write_line(const char *line)
{
	gsize length = strlen(line);
	while (length > 0) {
		/* one write for the line, so that those of threads and processes do not mix */
		ssize_t done = write(STDERR_FILENO, line, length);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return; /* nobody is there to be told */
		line += done;
		length -= (gsize)done;
	}
}

/* The journal takes any bytes, but what it forwards to consoles and syslog does not. */
static GLogWriterOutput
log_write_journal(GLogLevelFlags level, const GLogField *fields, gsize count)
{
	GLogField copy[LOG_MAX_FIELDS];
	g_autoptr(GString) text = g_string_new(NULL);
	gsize used = MIN(count, G_N_ELEMENTS(copy));
	for (gsize i = 0; i < used; i++) {
		copy[i] = fields[i];
		if (!g_str_equal(fields[i].key, "MESSAGE"))
			continue;
		log_append_escaped(text, fields[i].value, log_get_length(&fields[i]), FALSE);
		copy[i].value = text->str;
		copy[i].length = (gssize)text->len;
	}
	return g_log_writer_journald(level, copy, used, NULL);
}

static GLogWriterOutput
log_write(GLogLevelFlags level, const GLogField *fields, gsize count, gpointer data)
{
	guint flags = GPOINTER_TO_UINT(data);
	if ((level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO)) != 0 && (flags & LOG_VERBOSE) == 0 &&
	    !log_is_debugged(fields, count))
		return G_LOG_WRITER_HANDLED;
	if ((flags & LOG_JOURNAL) != 0 &&
	    log_write_journal(level, fields, count) == G_LOG_WRITER_HANDLED)
		return G_LOG_WRITER_HANDLED;
	g_autofree char *line = pv_log_format(level, fields, count, g_get_real_time());
	log_write_line(line);
	return G_LOG_WRITER_HANDLED;
}

void
pv_log_init(gboolean verbose)
{
	guint flags =
	    (verbose ? LOG_VERBOSE : 0) | (log_is_journal(STDERR_FILENO) ? LOG_JOURNAL : 0);
	g_log_set_writer_func(log_write, GUINT_TO_POINTER(flags), NULL);
}

/* @priority as syslog(3) numbers it */
static void
log_send(GLogLevelFlags level, const char *priority, const char *device, gint64 job,
    const char *stage, const char *code, const char *text)
{
	g_autofree char *number = job != 0 ? g_strdup_printf("%" G_GINT64_FORMAT, job) : NULL;
	const GLogField all[] = {
		{ "PRIORITY", priority, -1 },
		{ "GLIB_DOMAIN", G_LOG_DOMAIN, -1 },
		{ "MESSAGE", text, -1 },
		{ "PV_DEVICE", device, -1 },
		{ "PV_JOB", number, -1 },
		{ "PV_STAGE", stage, -1 },
		{ "PV_CODE", code, -1 },
	};
	GLogField given[G_N_ELEMENTS(all)];
	gsize count = 0;
	for (gsize i = 0; i < G_N_ELEMENTS(all); i++)
		if (all[i].value != NULL)
			given[count++] = all[i];
	g_log_structured_array(level, given, count);
}

void
pv_log_error_fields(const GError *error, const char *device, gint64 job, const char *stage)
{
	log_send(G_LOG_LEVEL_WARNING, "3", device, job, stage, pv_error_get_name(error),
	    error != NULL ? error->message : "no reason was given");
}

void
pv_log_fields(GLogLevelFlags level, const char *device, gint64 job, const char *stage,
    const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	const char *priority = (level & G_LOG_LEVEL_WARNING) != 0   ? "4"
			       : (level & G_LOG_LEVEL_MESSAGE) != 0 ? "5"
			       : (level & G_LOG_LEVEL_INFO) != 0    ? "6"
								    : "7";
	log_send(level, priority, device, job, stage, NULL, text);
}
