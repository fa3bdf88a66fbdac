/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"
#include "core/store/import.h"

#include <glib/gi18n.h>

/* The words of PvDeviceRow.status as people type them: in any case. */
static const char *
export_find_status(const char *word)
{
	static const char *const words[] = { "Unknown", "Not Supported", "Detected",
		"Not Provisioned", "Provisioned", "Externally Provisioned" };
	for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
		if (g_ascii_strcasecmp(words[i], word) == 0)
			return words[i];
	}
	return NULL;
}

static void
export_filter(GPtrArray *rows, const char *group, const char *status)
{
	for (guint i = rows->len; i > 0; i--) {
		const PvDeviceRow *row = g_ptr_array_index(rows, i - 1);
		if ((group != NULL && g_strcmp0(row->group, group) != 0) ||
		    (status != NULL && g_strcmp0(row->status, status) != 0))
			g_ptr_array_remove_index(rows, i - 1);
	}
}

static void
export_print_json(PvCli *cli, GPtrArray *rows)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "devices");
	json_builder_begin_array(builder);
	for (guint i = 0; i < rows->len; i++) {
		json_builder_begin_object(builder);
		pv_build_device(builder, g_ptr_array_index(rows, i));
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	pv_cli_print_json(cli, builder, FALSE);
}

static int
export_run(PvCli *cli)
{
	const char *group = pv_cli_get(cli, "group"), *word = pv_cli_get(cli, "status");
	const char *status = word != NULL ? export_find_status(word) : NULL;
	if (word != NULL && status == NULL)
		return pv_cli_usage(
		    cli, _("--status: one of Unknown, Not Supported, Detected, Not Provisioned, "
			   "Provisioned, Externally Provisioned is needed"));
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	if (group != NULL && !pv_cli_check_group(cli, group))
		return PV_EXIT_FAILURE;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) rows = pv_db_list_devices(cli->site->db, &error);
	if (rows == NULL)
		return pv_cli_fail(cli, error);
	export_filter(rows, group, status);
	if (cli->json) {
		export_print_json(cli, rows);
	} else {
		g_autofree char *csv = pv_export_csv(rows);
		pv_cli_print(cli, csv);
	}
	return PV_EXIT_OK;
}

static const PvOption export_options[] = {
	{ "group", 'g', "GROUP", N_("only devices of this group") },
	{ "status", 0, "STATUS", N_("only devices of this status, such as Provisioned") },
	{ NULL },
};

const PvCommand pv_command_export = {
	.name = "export",
	.summary = N_("Writes the devices as CSV, without passwords"),
	.options = export_options,
	.run = export_run,
};
