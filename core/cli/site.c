/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"

#include <glib/gi18n.h>

static void
site_print_json(PvCli *cli, GPtrArray *problems)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	pv_build_string(builder, "site", cli->site->file);
	json_builder_set_member_name(builder, "problems");
	json_builder_begin_array(builder);
	for (guint i = 0; i < problems->len; i++)
		json_builder_add_string_value(builder, g_ptr_array_index(problems, i));
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	pv_cli_print_json(cli, builder, FALSE);
}

static int
site_check_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	gboolean online = pv_cli_has(cli, "online");
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	g_autoptr(GPtrArray) problems = pv_site_check(cli->site, online, NULL);
	if (cli->json)
		site_print_json(cli, problems);
	for (guint i = 0; !cli->json && i < problems->len; i++) {
		g_autofree char *text = pv_text_escape(g_ptr_array_index(problems, i));
		g_autofree char *line = g_strconcat(text, "\n", NULL);
		pv_cli_print(cli, line);
	}
	if (problems->len == 0)
		pv_cli_note(cli,
		    online ? _("%s is right, and all that it names answers") : _("%s is right"),
		    cli->site->file);
	return problems->len > 0 ? PV_EXIT_FAILURE : PV_EXIT_OK;
}

static const PvOption site_check_options[] = {
	{ "online", 0, NULL, N_("also ask the directory, the CA and the store") },
	{ NULL },
};

const PvCommand pv_command_site_check = {
	.name = "site check",
	.summary = N_("Proves that the site's configuration can work"),
	.options = site_check_options,
	.run = site_check_run,
};
