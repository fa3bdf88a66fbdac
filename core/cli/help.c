/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"

#include <glib/gi18n.h>
#include <string.h>

#define HELP_COLUMN 28

static void
help_append_row(GString *out, const char *left, const char *right)
{
	guint width = pv_text_get_width(left);
	if (width + 2 > HELP_COLUMN)
		g_string_append_printf(out, "  %s\n%*s%s\n", left, HELP_COLUMN + 2, "", right);
	else
		g_string_append_printf(
		    out, "  %s%*s%s\n", left, (int)(HELP_COLUMN - width), "", right);
}

static void
help_append_options(GString *out, const PvOption *options)
{
	for (; options->name != NULL; options++) {
		g_autofree char *letter = options->letter != '\0'
					      ? g_strdup_printf("-%c, ", options->letter)
					      : g_strdup("    ");
		g_autofree char *left = g_strdup_printf("%s--%s%s%s", letter, options->name,
		    options->value != NULL ? " " : "",
		    options->value != NULL ? options->value : "");
		help_append_row(out, left, _(options->summary));
	}
}

static void
help_append_command(GString *out, const PvCommand *command)
{
	g_string_append_printf(out, _("Usage: provost %s%s%s%s\n"), command->name,
	    command->options != NULL ? " [OPTION...]" : "", command->arguments != NULL ? " " : "",
	    command->arguments != NULL ? command->arguments : "");
	g_string_append_printf(out, "\n%s.\n", _(command->summary));
	if (command->text != NULL)
		g_string_append_printf(out, "\n%s\n", _(command->text));
	if (command->options != NULL) {
		g_string_append_printf(out, "\n%s\n", _("Options:"));
		help_append_options(out, command->options);
	}
}

static void
help_append_overview(GString *out)
{
	g_string_append(out, _("Usage: provost [OPTION...] COMMAND [OPTION...] [ARGUMENT...]\n"));
	g_string_append_printf(out, "\n%s\n\n%s\n",
	    _("Takes computers with Intel AMT from the box to managed."), _("Commands:"));
	for (gsize i = 0; pv_commands[i] != NULL; i++) {
		const PvCommand *command = pv_commands[i];
		if (g_str_has_prefix(command->name, "_"))
			continue;
		g_autofree char *left =
		    g_strdup_printf("%s%s%s", command->name, command->arguments != NULL ? " " : "",
			command->arguments != NULL ? command->arguments : "");
		help_append_row(out, left, _(command->summary));
	}
}

char *
pv_help_to_string(const char *name)
{
	g_autoptr(GString) out = g_string_new(NULL);
	if (name == NULL)
		help_append_overview(out);
	gsize length = name != NULL ? strlen(name) : 0;
	for (gsize i = 0; name != NULL && pv_commands[i] != NULL; i++) {
		const char *other = pv_commands[i]->name;
		if (strncmp(other, name, length) != 0 ||
		    (other[length] != '\0' && other[length] != ' '))
			continue;
		if (out->len > 0)
			g_string_append_c(out, '\n');
		help_append_command(out, pv_commands[i]);
	}
	if (out->len == 0)
		return NULL;
	g_string_append_printf(out, "\n%s\n", _("Options of every command:"));
	help_append_options(out, pv_global_options);
	g_string_append_printf(out, "\n%s\n",
	    _("Exit codes: 0 done, 1 failed, 2 plan or verify found changes, 64 wrong usage,\n"
	      "78 wrong configuration, 130 interrupted. The whole story is in provost(1)."));
	return g_strdup(out->str);
}

static int
help_run(PvCli *cli)
{
	g_autofree char *name = cli->word_count > 0 ? g_strjoinv(" ", (char **)cli->words) : NULL;
	g_autofree char *help = pv_help_to_string(name);
	if (help == NULL)
		return pv_cli_usage(cli, _("unknown command \"%s\""), name);
	pv_cli_print(cli, help);
	return PV_EXIT_OK;
}

const PvCommand pv_command_help = {
	.name = "help",
	.arguments = "[COMMAND]",
	.most = 2,
	.summary = N_("Shows what a command does and takes"),
	.run = help_run,
};
