/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/ask.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define ASK_MAX_BYTES (64u << 10)

gboolean
pv_ask_check_name(PvCli *cli, const char *name)
{
	gsize length = strlen(name);
	if (length >= 1 && length <= 64 && g_ascii_isalnum(name[0]) &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		length)
		return TRUE;
	pv_cli_usage(
	    cli, _("NAME: 1 to 64 letters, digits, dots, hyphens and underscores are needed"));
	return FALSE;
}

/* takes the bytes, wipes them and drops one line end, which editors and echo leave behind */
static PvSecret *
ask_take(char *data, gsize length, const char *where, GError **error)
{
	gsize used = length;
	if (used > 0 && data[used - 1] == '\n')
		used--;
	if (used > 0 && used < length && data[used - 1] == '\r')
		used--;
	PvSecret *secret = used > 0 ? pv_secret_new(data, used) : NULL;
	explicit_bzero(data, length);
	g_free(data);
	if (secret == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read %s: it is empty", where);
	return secret;
}

static PvSecret *
ask_read_file(const char *path, GError **error)
{
	gsize length = 0;
	char *data = pv_cli_read_file(path, ASK_MAX_BYTES, &length, error);
	return data != NULL ? ask_take(data, length,
				  g_str_equal(path, "-") ? "standard input" : path, error)
			    : NULL;
}

/* one line of the terminal, which does not show it */
static PvSecret *
ask_terminal(const char *prompt, GError **error)
{
	struct termios old, quiet;
	if (tcgetattr(STDIN_FILENO, &old) != 0) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_FAILED, "read terminal: %s", g_strerror(errno));
		return NULL;
	}
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	quiet.c_lflag |= ECHONL;
	g_printerr("%s", prompt);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH,
	    &quiet); /* at worst the value shows on the person's own screen */
	char *line = g_malloc0(ASK_MAX_BYTES);
	ssize_t got = read(STDIN_FILENO, line, ASK_MAX_BYTES - 1);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	return ask_take(line, MAX(got, 0), "terminal", error);
}

static PvSecret *
ask_twice(const char *prompt, GError **error)
{
	g_autoptr(PvSecret) value = ask_terminal(prompt, error);
	g_autoptr(PvSecret) again = value != NULL ? ask_terminal(_("Once more: "), error) : NULL;
	if (again == NULL)
		return NULL;
	if (!pv_secret_equal(value, again)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read terminal: the two values differ");
		return NULL;
	}
	return g_steal_pointer(&value);
}

PvSecret *
pv_ask_secret(const char *file, const char *prompt, gboolean twice, GError **error)
{
	if (file != NULL)
		return ask_read_file(file, error);
	if (!isatty(STDIN_FILENO))
		return ask_read_file("-", error);
	return twice ? ask_twice(prompt, error) : ask_terminal(prompt, error);
}
