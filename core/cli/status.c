/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/amt/provcert.h"
#include "core/cli/commands.h"

#include <glib/gi18n.h>

/* UUID -> newest job, lent by @jobs, which is newest first */
static GHashTable *
status_map_jobs(GPtrArray *jobs)
{
	GHashTable *map = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < jobs->len; i++) {
		PvJobRow *job = g_ptr_array_index(jobs, i);
		if (!g_hash_table_contains(map, job->uuid))
			g_hash_table_insert(map, job->uuid, job);
	}
	return map;
}

static void
status_build_certificates(JsonBuilder *builder, const PvSite *site)
{
	json_builder_set_member_name(builder, "provisioning_certificates");
	json_builder_begin_array(builder);
	for (guint i = 0; i < site->identities->len; i++) {
		const PvIdentity *identity = site->identities->pdata[i];
		g_autofree char *expiry = pv_provisioning_dup_expiry(identity, 0);
		json_builder_begin_object(builder);
		pv_build_string(builder, "file", pv_identity_get_path(identity));
		pv_build_int(builder, "days_left", pv_identity_get_days_left(identity, 0));
		pv_build_string(builder, "warning", expiry);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}

static void
status_print_json(PvCli *cli, GPtrArray *rows, GHashTable *jobs)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "devices");
	json_builder_begin_array(builder);
	for (guint i = 0; i < rows->len; i++) {
		const PvDeviceRow *row = g_ptr_array_index(rows, i);
		json_builder_begin_object(builder);
		pv_build_device(builder, row);
		pv_build_job(builder, "job", g_hash_table_lookup(jobs, row->uuid));
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
	status_build_certificates(builder, cli->site);
	json_builder_end_object(builder);
	pv_cli_print_json(cli, builder, FALSE);
}

static void
status_print_table(PvCli *cli, GPtrArray *rows, GHashTable *jobs)
{
	const char *const titles[] = { _("DEVICE"), _("GROUP"), _("STATUS"), _("SINCE"), _("JOB"),
		_("EVIDENCE"), NULL };
	g_autoptr(PvTable) table = pv_table_new(titles);
	for (guint i = 0; i < rows->len; i++) {
		const PvDeviceRow *row = g_ptr_array_index(rows, i);
		const PvJobRow *job = g_hash_table_lookup(jobs, row->uuid);
		g_autofree char *since = pv_text_format_time(row->status_usec);
		pv_table_add(table, row->name, row->group, row->status, since,
		    job != NULL ? job->state : NULL, row->evidence);
		pv_table_set_style(table, 2, pv_cli_get_status_style(row->status));
		pv_table_set_style(
		    table, 4, pv_cli_get_status_style(job != NULL ? job->state : NULL));
	}
	if (rows->len > 0)
		pv_cli_print_table(cli, table);
}

/* on stderr, so that the table stays one */
static void
status_warn_of_certificates(PvCli *cli)
{
	for (guint i = 0; i < cli->site->identities->len; i++) {
		const PvIdentity *identity = cli->site->identities->pdata[i];
		g_autofree char *expiry = pv_provisioning_dup_expiry(identity, 0);
		if (expiry != NULL)
			pv_cli_warn(cli, _("provisioning certificate %s %s"),
			    pv_identity_get_path(identity), expiry);
	}
}

static int
status_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	g_autoptr(GPtrArray) rows = pv_cli_list_devices(cli, pv_cli_get(cli, "group"), &code);
	if (rows == NULL)
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) jobs = pv_db_list_jobs(cli->site->db, NULL, FALSE, &error);
	if (jobs == NULL)
		return pv_cli_fail(cli, error);
	g_autoptr(GHashTable) map = status_map_jobs(jobs);
	status_warn_of_certificates(cli);
	if (cli->json)
		status_print_json(cli, rows, map);
	else
		status_print_table(cli, rows, map);
	return PV_EXIT_OK;
}

static const PvOption status_options[] = {
	{ "group", 'g', "GROUP", N_("only devices of this group") },
	PV_CLI_FILTER_OPTIONS,
	{ NULL },
};

const PvCommand pv_command_status = {
	.name = "status",
	.summary = N_("Shows the devices, what is known of them and their jobs"),
	.options = status_options,
	.run = status_run,
};
