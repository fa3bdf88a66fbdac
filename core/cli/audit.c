/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"

#include <glib/gi18n.h>

static int
audit_verify_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	gint64 count = 0;
	g_autoptr(GError) error = NULL;
	gboolean intact = pv_db_verify_audit(cli->site->db, &count, &error);
	if (cli->json) {
		g_autoptr(JsonBuilder) builder = json_builder_new();
		json_builder_begin_object(builder);
		pv_build_bool(builder, "intact", intact);
		pv_build_int(builder, "entries", count);
		pv_build_string(builder, "error", error != NULL ? error->message : NULL);
		json_builder_end_object(builder);
		pv_cli_print_json(cli, builder, FALSE);
	}
	if (!intact)
		return pv_cli_fail(cli, error);
	if (!cli->json) {
		g_autofree char *entries = g_strdup_printf("%" G_GINT64_FORMAT, count);
		g_autofree char *text =
		    g_strdup_printf(_("the audit log is intact: %s entries\n"), entries);
		pv_cli_print(cli, text);
	}
	return PV_EXIT_OK;
}

const PvCommand pv_command_audit_verify = {
	.name = "audit verify",
	.summary = N_("Proves that no entry of the audit log was changed or taken away"),
	.run = audit_verify_run,
};
