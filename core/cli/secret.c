/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>

#include "core/cli/ask.h"
#include "core/cli/commands.h"

#include <glib/gi18n.h>
#include <string.h>

static int
secret_set_run(PvCli *cli)
{
	const char *name = cli->words[0], *file = pv_cli_get(cli, "file");
	if (!pv_ask_check_name(cli, name))
		return PV_EXIT_USAGE;
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, PV_SITE_STORE_ONLY, &code))
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) value = pv_ask_secret(file, _("Value: "), TRUE, &error);
	if (value == NULL || !pv_db_put_secret(cli->site->db, "", name, "current", value, &error))
		return pv_cli_fail(cli, error);
	pv_cli_note(cli,
	    _("sealed \"%s\"; a site or pipeline refers to it as {\"secret\": \"%s\"}"), name,
	    name);
	return PV_EXIT_OK;
}

static const PvOption secret_set_options[] = {
	{ "file", 0, "FILE", N_("read the value from FILE, not from standard input") },
	{ NULL },
};

const PvCommand pv_command_secret_set = {
	.name = "secret set",
	.arguments = "NAME",
	.least = 1,
	.most = 1,
	.summary = N_("Seals a secret of the site"),
	.text = N_("The value comes from the terminal, which does not show it, or from standard "
		   "input, and never\n"
		   "from the command line, which every user of the machine can read."),
	.options = secret_set_options,
	.run = secret_set_run,
};

static int
secret_list_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, PV_SITE_STORE_ONLY, &code))
		return code;
	g_autoptr(PvDeviceRow) row = NULL;
	if (cli->word_count > 0 && (row = pv_cli_find_device(cli, cli->words[0], &code)) == NULL)
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) names =
	    pv_db_list_secret_names(cli->site->db, row != NULL ? row->uuid : "", &error);
	if (names == NULL)
		return pv_cli_fail(cli, error);
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "secrets");
	json_builder_begin_array(builder);
	for (guint i = 0; i < names->len; i++)
		json_builder_add_string_value(builder, g_ptr_array_index(names, i));
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	if (cli->json)
		pv_cli_print_json(cli, builder, FALSE);
	for (guint i = 0; !cli->json && i < names->len; i++) {
		g_autofree char *name = pv_text_escape(g_ptr_array_index(names, i));
		g_autofree char *line = g_strconcat(name, "\n", NULL);
		pv_cli_print(cli, line);
	}
	return PV_EXIT_OK;
}

const PvCommand pv_command_secret_list = {
	.name = "secret list",
	.arguments = "[DEVICE]",
	.most = 1,
	.summary = N_("Lists the names of the site's secrets, or of a device's"),
	.run = secret_list_run,
};

static GPtrArray *
secret_load(PvCli *cli, const char *uuid, const char *name, GError **error)
{
	if (pv_cli_has(cli, "history"))
		return pv_db_list_secret_values(cli->site->db, uuid, name, error);
	g_autoptr(PvSecret) value = pv_db_dup_secret(cli->site->db, uuid, name, "current", error);
	if (value == NULL)
		return NULL;
	GPtrArray *values = g_ptr_array_new_with_free_func((GDestroyNotify)pv_secret_unref);
	g_ptr_array_add(values, g_steal_pointer(&value));
	return values;
}

static int
secret_show_run(PvCli *cli)
{
	const char *name = cli->words[1];
	if (!pv_cli_has(cli, "reveal"))
		return pv_cli_usage(cli, _("the value would be shown in clear, and that is "
					   "audited; say --reveal if that is wanted"));
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, PV_SITE_STORE_ONLY, &code))
		return code;
	g_autoptr(PvDeviceRow) row = pv_cli_find_device(cli, cli->words[0], &code);
	if (row == NULL)
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) values = secret_load(cli, row->uuid, name, &error);
	if (values == NULL)
		return pv_cli_fail(cli, error);
	/* first the entry, then the value: nobody reads one unseen */
	if (!pv_db_audit(cli->site->db, "secret-reveal", row->uuid, &error,
		"%s of %s shown in clear", name, row->name))
		return pv_cli_fail(cli, error);
	for (guint i = 0; i < values->len; i++) {
		gsize length = 0;
		const char *bytes = pv_secret_peek(g_ptr_array_index(values, i), &length);
		(void)fwrite(bytes, 1, length, stdout); /* pv_cli_main() asks ferror() */
		pv_cli_print(cli, "\n");
	}
	return PV_EXIT_OK;
}

static const PvOption secret_show_options[] = {
	{ "reveal", 0, NULL, N_("yes, show the value in clear and audit that") },
	{ "history", 0, NULL, N_("all values it ever had, newest first, one a line") },
	{ NULL },
};

const PvCommand pv_command_secret_show = {
	.name = "secret show",
	.arguments = "DEVICE NAME",
	.least = 2,
	.most = 2,
	.summary = N_("Shows a secret of a device in clear, which is audited"),
	.options = secret_show_options,
	.run = secret_show_run,
};

static int
secret_remove_run(PvCli *cli)
{
	const char *name = cli->words[0];
	if (!pv_ask_check_name(cli, name))
		return PV_EXIT_USAGE;
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, PV_SITE_STORE_ONLY, &code))
		return code;
	if (!pv_db_has_secret(cli->site->db, "", name, "current")) {
		pv_cli_warn(cli, _("the site has no secret \"%s\""), name);
		return PV_EXIT_FAILURE;
	}
	g_autoptr(GError) error = NULL;
	if (!pv_db_delete_secret(cli->site->db, "", name, NULL, &error))
		return pv_cli_fail(cli, error);
	pv_cli_note(cli, _("removed \"%s\""), name);
	return PV_EXIT_OK;
}

const PvCommand pv_command_secret_remove = {
	.name = "secret remove",
	.arguments = "NAME",
	.least = 1,
	.most = 1,
	.summary = N_("Removes a secret of the site"),
	.run = secret_remove_run,
};
