/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"
#include "core/store/import.h"

#include <glib/gi18n.h>

static gboolean
export_build_device(PvCli *cli, JsonBuilder *builder, const PvDeviceRow *row, GError **error)
{
	g_autoptr(GHashTable) facts = pv_db_get_facts(cli->site->db, row->uuid, error);
	if (facts == NULL)
		return FALSE;
	json_builder_begin_object(builder);
	pv_build_device(builder, row);
	for (gsize i = 0; pv_export_facts[i].member != NULL; i++) {
		g_autofree char *value = pv_export_dup_fact(&pv_export_facts[i], facts);
		pv_build_string(builder, pv_export_facts[i].member, value);
	}
	json_builder_end_object(builder);
	return TRUE;
}

static gboolean
export_print_json(PvCli *cli, GPtrArray *rows, GError **error)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "devices");
	json_builder_begin_array(builder);
	for (guint i = 0; i < rows->len; i++) {
		if (!export_build_device(cli, builder, g_ptr_array_index(rows, i), error))
			return FALSE;
	}
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	pv_cli_print_json(cli, builder, FALSE);
	return TRUE;
}

static int
export_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	g_autoptr(GPtrArray) rows = pv_cli_list_devices(cli, pv_cli_get(cli, "group"), &code);
	if (rows == NULL)
		return code;
	g_autoptr(GError) error = NULL;
	if (cli->json)
		return export_print_json(cli, rows, &error) ? PV_EXIT_OK : pv_cli_fail(cli, error);
	g_autofree char *csv = pv_export_csv(cli->site->db, rows, &error);
	if (csv == NULL)
		return pv_cli_fail(cli, error);
	pv_cli_print(cli, csv);
	return PV_EXIT_OK;
}

static const PvOption export_options[] = {
	{ "group", 'g', "GROUP", N_("only devices of this group") },
	PV_CLI_FILTER_OPTIONS,
	{ NULL },
};

const PvCommand pv_command_export = {
	.name = "export",
	.summary = N_("Writes the devices as CSV, without passwords"),
	.options = export_options,
	.run = export_run,
};
