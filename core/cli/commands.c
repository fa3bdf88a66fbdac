/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"

#include "core/base/process.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* in the order of the help: the work first, then what it rests on */
const PvCommand *const pv_commands[] = {
	&pv_command_provision,
	&pv_command_plan,
	&pv_command_verify,
	&pv_command_status,
	&pv_command_show,
	&pv_command_log,
	&pv_command_import,
	&pv_command_export,
	&pv_command_add,
	&pv_command_set,
	&pv_command_cancel,
	&pv_command_reset,
	&pv_command_remove,
	&pv_command_plugin_list,
	&pv_command_plugin_show,
	&pv_command_pipeline_check,
	&pv_command_pipeline_graph,
	&pv_command_site_init,
	&pv_command_site_check,
	&pv_command_directory_check,
	&pv_command_directory_delegate,
	&pv_command_ca_check,
	&pv_command_ca_try,
	&pv_command_ca_revoke,
	&pv_command_ca_pending,
	&pv_command_ca_approve,
	&pv_command_ca_deny,
	&pv_command_key_create,
	&pv_command_key_rotate,
	&pv_command_secret_set,
	&pv_command_secret_list,
	&pv_command_secret_show,
	&pv_command_secret_remove,
	&pv_command_psk_add,
	&pv_command_psk_import,
	&pv_command_psk_list,
	&pv_command_psk_remove,
	&pv_command_setup_bin_create,
	&pv_command_setup_bin_show,
	&pv_command_certificate_request,
	&pv_command_certificate_install,
	&pv_command_certificate_check,
	&pv_command_certificate_thumbprint,
	&pv_command_certificate_export,
	&pv_command_audit_verify,
	&pv_command_help,
	&pv_command_complete,
	NULL,
};

const PvOption pv_global_options[] = {
	{ "site", 's', "FILE",
	    N_("the site's file; else $PROVOST_SITE, else the installed default") },
	{ "json", 'j', NULL, N_("results as JSON") },
	{ "quiet", 'q', NULL, N_("no notes and no progress, only results and errors") },
	{ "verbose", 'v', NULL, N_("also what the library logs") },
	{ "version", 'V', NULL, N_("print the version and leave") },
	{ "help", 'h', NULL, N_("print help and leave") },
	{ NULL },
};

const PvCommand *
pv_command_find(const char *const *words, guint *used)
{
	const PvCommand *found = NULL;
	*used = 0;
	for (gsize i = 0; pv_commands[i] != NULL; i++) {
		g_auto(GStrv) name = g_strsplit(pv_commands[i]->name, " ", 0);
		guint length = g_strv_length(name), same = 0;
		while (same < length && words[same] != NULL && g_str_equal(words[same], name[same]))
			same++;
		if (same == length && length > *used) {
			found = pv_commands[i];
			*used = length;
		}
	}
	return found;
}

/* no such command: says what comes near, or which commands begin with the first word */
static int
commands_fail_unknown(PvCli *cli, const char *const *words)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	g_autoptr(GPtrArray) same = g_ptr_array_new();
	g_autofree char *prefix = g_strconcat(words[0], " ", NULL);
	g_autofree char *both = words[1] != NULL ? g_strconcat(prefix, words[1], NULL) : NULL;
	for (gsize i = 0; pv_commands[i] != NULL; i++) {
		const char *name = pv_commands[i]->name;
		if (g_str_has_prefix(name, "_"))
			continue;
		g_ptr_array_add(names, (gpointer)name);
		if (g_str_has_prefix(name, prefix))
			g_ptr_array_add(same, (gpointer)(name + strlen(prefix)));
	}
	g_ptr_array_add(names, NULL);
	g_ptr_array_add(same, NULL);
	const char *const *all = (const char *const *)names->pdata;
	const char *nearest = both != NULL ? pv_text_find_nearest(both, all) : NULL;
	if (nearest == NULL)
		nearest = pv_text_find_nearest(words[0], all);
	if (nearest != NULL)
		return pv_cli_usage(cli, _("unknown command \"%s\"; did you mean \"%s\"?"),
		    both != NULL && strchr(nearest, ' ') != NULL ? both : words[0], nearest);
	if (same->len > 1) {
		g_autofree char *known = g_strjoinv(", ", (char **)same->pdata);
		return pv_cli_usage(cli, _("%s: one of %s must follow"), words[0], known);
	}
	return pv_cli_usage(cli, _("unknown command \"%s\""), words[0]);
}

static int
commands_run(PvCli *cli)
{
	cli->json = pv_cli_has(cli, "json");
	cli->quiet = pv_cli_has(cli, "quiet");
	cli->verbose = pv_cli_has(cli, "verbose");
	cli->words = (const char *const *)cli->options->words->pdata;
	cli->word_count = cli->options->words->len - 1;
	if (cli->word_count < cli->command->least)
		return pv_cli_usage(cli, _("too few arguments: %s"), cli->command->arguments);
	if (cli->word_count > cli->command->most) {
		return cli->command->arguments == NULL
			   ? pv_cli_usage(cli, _("takes no arguments"))
			   : pv_cli_usage(
				 cli, _("too many arguments: only %s"), cli->command->arguments);
	}
	return cli->command->run(cli);
}

static int
commands_print_help(PvCli *cli, const char *name)
{
	g_autofree char *help = pv_help_to_string(name);
	pv_cli_print(cli, help);
	return PV_EXIT_OK;
}

static int
commands_dispatch(PvCli *cli, const char *const *arguments)
{
	const PvOption *const global[] = { pv_global_options, NULL };
	g_autoptr(GError) error = NULL;
	int used = pv_options_parse(cli->options, global, arguments, TRUE, &error);
	if (used < 0)
		return pv_cli_usage(cli, "%s", error->message);
	arguments += used;
	if (pv_cli_has(cli, "version")) {
		pv_cli_print(cli, "provost " VERSION "\n");
		return PV_EXIT_OK;
	}
	if (arguments[0] == NULL) {
		return pv_cli_has(cli, "help") ? commands_print_help(cli, NULL)
					       : pv_cli_usage(cli, _("name a command"));
	}
	guint words = 0;
	cli->command = pv_command_find(arguments, &words);
	if (cli->command == NULL)
		return commands_fail_unknown(cli, arguments);

	const PvOption *const tables[] = { pv_global_options, cli->command->options, NULL };
	if (pv_options_parse(cli->options, tables, arguments + words, FALSE, &error) < 0)
		return pv_cli_usage(cli, "%s", error->message);
	if (pv_cli_has(cli, "help"))
		return commands_print_help(cli, cli->command->name);
	return commands_run(cli);
}

static guint
commands_get_width(void)
{
	struct winsize size = { 0 };
	if (!isatty(STDOUT_FILENO))
		return 0;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static gboolean
commands_is_coloured(int fd)
{
	const char *no_color = g_getenv("NO_COLOR"), *term = g_getenv("TERM");
	return isatty(fd) && (no_color == NULL || no_color[0] == '\0') &&
	       g_strcmp0(term, "dumb") != 0;
}

int
pv_cli_main(int argc, char **argv)
{
	pv_process_harden();
	setlocale(LC_ALL, "");
	bindtextdomain(PACKAGE, LOCALEDIR);
	bind_textdomain_codeset(PACKAGE, "UTF-8");
	textdomain(PACKAGE);
	/* a device or a pager that hangs up is an error of one write, not the end of the process */
	signal(SIGPIPE, SIG_IGN);
	pv_net_init();

	g_autoptr(PvOptions) options = pv_options_new();
	PvCli cli = { .options = options,
		.width = commands_get_width(),
		.colour = commands_is_coloured(STDOUT_FILENO),
		.colour_err = commands_is_coloured(STDERR_FILENO) };
	pv_cli_set_log(&cli);
	int code = commands_dispatch(&cli, (const char *const *)argv + MIN(argc, 1));

	pv_site_free(cli.site);
	g_free(cli.actor);
	errno = 0;
	if (fflush(stdout) != 0 || ferror(stdout)) {
		/* the reader has seen enough: no news for anybody */
		if (errno != EPIPE)
			pv_cli_warn(
			    &cli, _("write results: %s"), g_strerror(errno != 0 ? errno : EIO));
		return code == PV_EXIT_OK ? PV_EXIT_FAILURE : code;
	}
	return code;
}
