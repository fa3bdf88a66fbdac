/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"

#include <string.h>

/* What the shell's completion asks: the words of the line after "provost", the last one unfinished. Answers one
 * candidate a line; ":files" and ":dirs" stand for those of the file system. It stays silent about everything
 * that is wrong, for nobody wants to read errors while typing. */

static void
complete_offer(PvCli *cli, const char *candidate, const char *begin)
{
	if (candidate == NULL || !g_str_has_prefix(candidate, begin))
		return;
	/* a name with control characters must not get into somebody's command line */
	g_autofree char *escaped = pv_text_escape(candidate);
	if (!g_str_equal(escaped, candidate) || strchr(candidate, '\'') != NULL)
		return;
	pv_cli_print(cli, candidate);
	pv_cli_print(cli, "\n");
}

static void
complete_options(PvCli *cli, const PvOption *const *tables, const char *begin)
{
	for (; *tables != NULL; tables++) {
		for (const PvOption *option = *tables; option->name != NULL; option++) {
			g_autofree char *text = g_strconcat("--", option->name, NULL);
			complete_offer(cli, text, begin);
		}
	}
}

static void
complete_commands(PvCli *cli, const char *const *words, guint count, const char *begin)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (gsize i = 0; pv_commands[i] != NULL; i++) {
		g_auto(GStrv) name = g_strsplit(pv_commands[i]->name, " ", 0);
		if (name[0][0] == '_' || g_strv_length(name) <= count)
			continue;
		gboolean same = TRUE;
		for (guint j = 0; j < count; j++)
			same = same && g_str_equal(name[j], words[j]);
		if (same && g_hash_table_add(seen, g_strdup(name[count])))
			complete_offer(cli, name[count], begin);
	}
}

static PvSite *
complete_open(const char *file, PvSiteFlags flags)
{
	return pv_site_open(file, "completion", flags, NULL);
}

static void
complete_devices(PvCli *cli, const char *file, const char *begin)
{
	g_autoptr(PvSite) site = complete_open(file, 0);
	g_autoptr(GPtrArray) rows = site != NULL ? pv_db_list_devices(site->db, NULL) : NULL;
	for (guint i = 0; rows != NULL && i < rows->len; i++) {
		const PvDeviceRow *row = g_ptr_array_index(rows, i);
		complete_offer(cli, row->name, begin);
	}
}

static void
complete_keys(PvCli *cli, GHashTable *table, const char *begin)
{
	g_autofree const char **names = (const char **)g_hash_table_get_keys_as_array(table, NULL);
	for (gsize i = 0; names[i] != NULL; i++)
		complete_offer(cli, names[i], begin);
}

static void
complete_value(PvCli *cli, const char *file, const char *kind, const char *begin)
{
	g_autoptr(PvSite) site = NULL;
	if (g_str_has_prefix(kind, "DEVICE") || g_str_has_prefix(kind, "[DEVICE")) {
		complete_devices(cli, file, begin);
	} else if (g_str_has_prefix(kind, "FILE") || g_str_equal(kind, "NEWFILE")) {
		pv_cli_print(cli, ":files\n");
	} else if (g_str_has_prefix(kind, "DIR")) {
		pv_cli_print(cli, ":dirs\n");
	} else if (g_str_equal(kind, "STATUS")) {
		for (gsize i = 0; pv_cli_status_words[i] != NULL; i++)
			complete_offer(cli, pv_cli_status_words[i], begin);
	} else if (strchr(kind, '|') != NULL) {
		g_auto(GStrv) choices = g_strsplit(kind, "|", 0);
		for (gsize i = 0; choices[i] != NULL; i++)
			complete_offer(cli, choices[i], begin);
	} else if ((site = complete_open(file, PV_SITE_CONFIG_ONLY)) == NULL) {
		return;
	} else if (g_str_equal(kind, "GROUP")) {
		complete_keys(cli, site->groups, begin);
	} else if (g_str_equal(kind, "PIPELINE")) {
		complete_keys(cli, site->pipelines, begin);
	} else if (g_str_equal(kind, "PLUGIN")) {
		g_auto(GStrv) names = pv_loader_list(site->loader);
		for (gsize i = 0; names[i] != NULL; i++)
			complete_offer(cli, names[i], begin);
	}
}

/* the option whose value the last word is; NULL: none */
static const PvOption *
complete_find_open_option(const PvOption *const *tables, const char *word)
{
	if (word == NULL || !g_str_has_prefix(word, "--"))
		return NULL;
	const PvOption *option = pv_options_find(tables, word + 2, strlen(word + 2));
	return option != NULL && option->value != NULL ? option : NULL;
}

static int
complete_run(PvCli *cli)
{
	static const PvOption none[] = { { NULL } };
	const char *begin = cli->word_count > 0 ? cli->words[cli->word_count - 1] : "";
	guint before = cli->word_count > 0 ? cli->word_count - 1 : 0;

	/* the finished words: names of the command, apart from options and their values */
	g_autoptr(GPtrArray) words = g_ptr_array_new();
	const char *file = NULL;
	const PvCommand *command = NULL;
	for (guint i = 0; i < before; i++) {
		const PvOption *const tables[] = { pv_global_options,
			command != NULL && command->options != NULL ? command->options : none,
			NULL };
		const PvOption *option = complete_find_open_option(tables, cli->words[i]);
		if (option != NULL && i + 1 < before) {
			if (g_str_equal(option->name, "site"))
				file = cli->words[i + 1];
			i++;
		} else if (cli->words[i][0] != '-') {
			g_ptr_array_add(words, (gpointer)cli->words[i]);
			g_ptr_array_add(words, NULL);
			guint used = 0;
			command = pv_command_find((const char *const *)words->pdata, &used);
			g_ptr_array_set_size(words, words->len - 1);
		}
	}
	const PvOption *const tables[] = { pv_global_options,
		command != NULL && command->options != NULL ? command->options : none, NULL };
	const PvOption *open =
	    before > 0 ? complete_find_open_option(tables, cli->words[before - 1]) : NULL;
	if (open != NULL)
		complete_value(cli, file, open->value, begin);
	else if (begin[0] == '-')
		complete_options(cli, tables, begin);
	else if (command == NULL || command == &pv_command_help)
		complete_commands(cli, (const char *const *)words->pdata + (command != NULL),
		    words->len - (command != NULL), begin);
	else if (command->arguments != NULL)
		complete_value(cli, file, command->arguments, begin);
	return PV_EXIT_OK;
}

/* The shell's words are arguments and never options of this command: "provost __complete -- WORD..." */
const PvCommand pv_command_complete = {
	.name = "__complete",
	.arguments = "WORD...",
	.most = G_MAXUINT,
	.summary = "What could stand next on the command line",
	.run = complete_run,
};
