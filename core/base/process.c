/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/process.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

void
pv_process_harden(void)
{
	struct rlimit limit = { 0, 0 };
	umask(077);
	if (g_strcmp0(g_getenv("PROVOST_ALLOW_DEBUG"), "1") != 0) {
		(void)setrlimit(RLIMIT_CORE, &limit); /* lowering cannot fail */
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static const char *
log_find_field(const GLogField *fields, gsize count, const char *key)
{
	for (gsize i = 0; i < count; i++)
		if (g_str_equal(fields[i].key, key))
			return fields[i].value;
	return NULL;
}

/* Text from devices must not end the line or talk to the terminal. */
static void
log_append_escaped(GString *line, const char *text)
{
	if (!g_utf8_validate(text, -1, NULL)) {
		g_autofree char *escaped = g_strescape(text, NULL);
		g_string_append(line, escaped);
		return;
	}
	for (const char *c = text; *c != '\0'; c = g_utf8_next_char(c)) {
		gunichar character = g_utf8_get_char(c);
		if (g_unichar_iscntrl(character))
			g_string_append_printf(line, "\\x%02x", (guint)character);
		else
			g_string_append_unichar(line, character);
	}
}

char *
pv_log_format(GLogLevelFlags level, const GLogField *fields, gsize count)
{
	static const char *const context[] = { "PV_DEVICE", "PV_STAGE", "PV_CODE" };
	const char *message = log_find_field(fields, count, "MESSAGE");
	const char *name = (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0 ? "error"
			   : (level & G_LOG_LEVEL_WARNING) != 0			     ? "warning"
			   : (level & G_LOG_LEVEL_DEBUG) != 0			     ? "debug"
										     : "info";
	GString *line = g_string_new(name);
	g_string_append(line, ": ");
	log_append_escaped(line, message != NULL ? message : "(no text)");
	const char *separator = " (";
	for (guint i = 0; i < G_N_ELEMENTS(context); i++) {
		const char *value = log_find_field(fields, count, context[i]);
		if (value == NULL || *value == '\0')
			continue;
		g_string_append_printf(line, "%s%s=", separator, context[i]);
		log_append_escaped(line, value);
		separator = " ";
	}
	g_string_append(line, *separator == ' ' && separator[1] == '\0' ? ")\n" : "\n");
	return g_string_free(line, FALSE);
}

static GLogWriterOutput
log_write(GLogLevelFlags level, const GLogField *fields, gsize count, gpointer data)
{
	gboolean verbose = GPOINTER_TO_INT(data);
	if (!verbose && (level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO)) != 0 &&
	    g_log_writer_default_would_drop(level, log_find_field(fields, count, "GLIB_DOMAIN")))
		return G_LOG_WRITER_HANDLED;
	if (g_log_writer_is_journald(STDERR_FILENO) &&
	    g_log_writer_journald(level, fields, count, NULL) == G_LOG_WRITER_HANDLED)
		return G_LOG_WRITER_HANDLED;
	g_autofree char *line = pv_log_format(level, fields, count);
	/* one write, so that lines of several threads do not mix; a full or closed stderr is nobody's to mend */
	(void)!write(STDERR_FILENO, line, strlen(line));
	return G_LOG_WRITER_HANDLED;
}

void
pv_log_init(gboolean verbose)
{
	g_log_set_writer_func(log_write, GINT_TO_POINTER(verbose), NULL);
}
