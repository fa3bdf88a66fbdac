/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"
#include "core/store/import.h"

#include <glib/gi18n.h>
#include <string.h>

#define IMPORT_MAX_BYTES (64u << 20)

static const char *const import_outcomes[] = {
	[PV_IMPORT_ADDED] = "added",
	[PV_IMPORT_CHANGED] = "changed",
	[PV_IMPORT_SAME] = "same",
	[PV_IMPORT_REFUSED] = "refused",
};

static void
import_print_json(PvCli *cli, GPtrArray *rows, const guint *counts)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	pv_build_bool(builder, "dry_run", pv_cli_has(cli, "dry-run"));
	for (gsize i = 0; i < G_N_ELEMENTS(import_outcomes); i++)
		pv_build_int(builder, import_outcomes[i], counts[i]);
	json_builder_set_member_name(builder, "rows");
	json_builder_begin_array(builder);
	for (guint i = 0; i < rows->len; i++) {
		const PvImportRow *row = g_ptr_array_index(rows, i);
		json_builder_begin_object(builder);
		pv_build_int(builder, "line", row->line);
		pv_build_string(builder, "outcome", import_outcomes[row->outcome]);
		pv_build_string(builder, "uuid", row->uuid);
		pv_build_string(builder, "name", row->name);
		pv_build_string(builder, "text", row->text);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	pv_cli_print_json(cli, builder, FALSE);
}

static void
import_print_table(PvCli *cli, GPtrArray *rows, const guint *counts)
{
	const char *const titles[] = { _("LINE"), _("RESULT"), _("DEVICE"), _("UUID"), _("TEXT"),
		NULL };
	g_autoptr(PvTable) table = pv_table_new(titles);
	for (guint i = 0; i < rows->len; i++) {
		const PvImportRow *row = g_ptr_array_index(rows, i);
		g_autofree char *line = g_strdup_printf("%u", row->line);
		pv_table_add(
		    table, line, import_outcomes[row->outcome], row->name, row->uuid, row->text);
		if (row->outcome == PV_IMPORT_REFUSED)
			pv_table_set_style(table, 1, PV_STYLE_BAD);
	}
	if (rows->len > 0)
		pv_cli_print_table(cli, table);
	g_autofree char *sum = g_strdup_printf(_("%u added, %u changed, %u same, %u refused%s\n"),
	    counts[PV_IMPORT_ADDED], counts[PV_IMPORT_CHANGED], counts[PV_IMPORT_SAME],
	    counts[PV_IMPORT_REFUSED],
	    pv_cli_has(cli, "dry-run") ? _(" (dry run: nothing written)") : "");
	pv_cli_print(cli, sum);
}

static int
import_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	const char *group = pv_cli_get(cli, "group"), *file = cli->words[0];
	if (group != NULL && !pv_cli_check_group(cli, group))
		return PV_EXIT_FAILURE;
	g_autoptr(GError) error = NULL;
	gsize length = 0;
	char *text = pv_cli_read_file(file, IMPORT_MAX_BYTES, &length, &error);
	if (text == NULL)
		return pv_cli_fail(cli, error);
	g_autoptr(GPtrArray) rows =
	    pv_import_csv(cli->site->db, g_str_equal(file, "-") ? "stdin" : file, text, length,
		group, pv_cli_has(cli, "dry-run"), &error);
	/* the file may hold passwords */
	explicit_bzero(text, length);
	g_free(text);
	if (rows == NULL)
		return pv_cli_fail(cli, error);

	guint counts[G_N_ELEMENTS(import_outcomes)] = { 0 };
	for (guint i = 0; i < rows->len; i++)
		counts[((const PvImportRow *)g_ptr_array_index(rows, i))->outcome]++;
	if (cli->json)
		import_print_json(cli, rows, counts);
	else
		import_print_table(cli, rows, counts);
	return counts[PV_IMPORT_REFUSED] > 0 ? PV_EXIT_FAILURE : PV_EXIT_OK;
}

static const PvOption import_options[] = {
	{ "group", 'g', "GROUP", N_("put the devices into this group") },
	{ "dry-run", 'n', NULL, N_("only say what would be done") },
	{ NULL },
};

const PvCommand pv_command_import = {
	.name = "import",
	.arguments = "FILE",
	.least = 1,
	.most = 1,
	.summary = N_("Makes the devices of a CSV file known"),
	.text = N_("Columns as Configuration Manager has them: short name, FQDN, UUID, and if "
		   "wanted MAC, MEBx\n"
		   "password and admin password, both in Base64. \"-\" reads standard input. Good "
		   "rows are taken\n"
		   "even when others are refused; then the exit code is 1."),
	.options = import_options,
	.run = import_run,
};
