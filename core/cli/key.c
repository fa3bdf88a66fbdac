/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"

#include <glib/gi18n.h>

static int
key_create_run(PvCli *cli)
{
	g_autoptr(GError) error = NULL;
	if (!pv_key_create(cli->words[0], &error))
		return pv_cli_fail(cli, error);
	pv_cli_note(cli,
	    _("wrote %s; keep a copy of it apart from the store: without the key all passwords are "
	      "lost"),
	    cli->words[0]);
	return PV_EXIT_OK;
}

const PvCommand pv_command_key_create = {
	.name = "key create",
	.arguments = "FILE",
	.least = 1,
	.most = 1,
	.summary = N_("Writes a new random master key"),
	.run = key_create_run,
};

/* whether some process works on jobs, which would go on to seal with the old key */
static gboolean
key_is_store_busy(PvCli *cli, gboolean *busy, GError **error)
{
	g_autoptr(GPtrArray) jobs = pv_db_list_jobs(cli->site->db, NULL, TRUE, error);
	if (jobs == NULL)
		return FALSE;
	*busy = FALSE;
	for (guint i = 0; i < jobs->len; i++)
		*busy = *busy ||
			g_str_equal(((PvJobRow *)g_ptr_array_index(jobs, i))->state, "running");
	return TRUE;
}

static int
key_rotate_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	const char *file = cli->words[0];
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	g_autoptr(GError) error = NULL;
	gboolean busy = FALSE;
	if (!key_is_store_busy(cli, &busy, &error))
		return pv_cli_fail(cli, error);
	if (busy) {
		pv_cli_warn(
		    cli, _("rotate key: jobs are running; stop provostd and other runs first"));
		return PV_EXIT_FAILURE;
	}
	gboolean exists =
	    g_str_has_prefix(file, "credential:") || g_file_test(file, G_FILE_TEST_EXISTS);
	if (!exists && !pv_key_create(file, &error))
		return pv_cli_fail(cli, error);
	g_autoptr(PvSecret) key = pv_key_load(file, &error);
	if (key == NULL || !pv_db_rotate_key(cli->site->db, key, &error))
		return pv_cli_fail(cli, error);
	g_autofree char *text = g_strdup_printf(
	    _("all secrets are sealed with %s now\n"
	      "In %s set \"key\" to it (it was %s); until then no command can open the store.\n"
	      "Keep the old key as long as you keep old copies of the store.\n"),
	    file, cli->site->file, cli->site->key_source);
	pv_cli_print(cli, text);
	return PV_EXIT_OK;
}

const PvCommand pv_command_key_rotate = {
	.name = "key rotate",
	.arguments = "NEWFILE",
	.least = 1,
	.most = 1,
	.summary = N_("Seals all secrets anew with the key in NEWFILE"),
	.text = N_("Makes NEWFILE when it is not there. Stop provostd first. Says what to change "
		   "in the site's file."),
	.run = key_rotate_run,
};
