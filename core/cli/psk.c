/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/amt/psk.h"
#include "core/cli/ask.h"
#include "core/cli/commands.h"
#include "core/cli/edit.h"

#include <glib/gi18n.h>
#include <string.h>

/* what a hello of version 2 would have told */
static gboolean
psk_assign(PvCli *cli, const PvDeviceRow *row, const char *pid, GError **error)
{
	g_autofree char *text = g_strdup_printf("PID %s", pid);
	PvWrite writes[3] = {
		{ .kind = PV_WRITE_FACT, .uuid = row->uuid, .name = "hello.pid", .value = pid },
		{ .kind = PV_WRITE_FACT, .uuid = row->uuid, .name = "hello.hashes", .value = NULL },
	};
	return pv_edit_write(cli, writes, 2, "psk-assign", row, text, error);
}

static gboolean
psk_store(PvCli *cli, const char *pid, PvSecret *text, GError **error)
{
	g_autofree char *name = pv_psk_dup_secret_name(pid);
	g_autoptr(PvSecret) pps = pv_psk_parse_pps(text, error);
	return pps != NULL && pv_db_put_secret(cli->site->db, "", name, "current", pps, error);
}

static int
psk_add_run(PvCli *cli)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *pid = pv_psk_parse_pid(cli->words[0], &error);
	if (pid == NULL)
		return pv_cli_usage(cli, "%s", error->message);
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	const char *device = pv_cli_get(cli, "device");
	g_autoptr(PvDeviceRow) row = NULL;
	if (device != NULL && (row = pv_cli_find_device(cli, device, &code)) == NULL)
		return code;
	/* a slip of the pen shows at the check characters, so once is enough */
	g_autoptr(PvSecret) text = pv_ask_secret(pv_cli_get(cli, "file"), _("PPS: "), FALSE, &error);
	if (text == NULL || !psk_store(cli, pid, text, &error) ||
	    (row != NULL && !psk_assign(cli, row, pid, &error)))
		return pv_cli_fail(cli, error);
	pv_cli_note(cli, _("sealed the PPS of PID %s"), pid);
	return PV_EXIT_OK;
}

static const PvOption psk_add_options[] = {
	{ "file", 0, "FILE", N_("read the PPS from FILE, not from the terminal or standard input") },
	{ "device", 0, "DEVICE", N_("this device has the PID, so that no hello is needed") },
	{ NULL },
};

const PvCommand pv_command_psk_add = {
	.name = "psk add",
	.arguments = "PID",
	.least = 1,
	.most = 1,
	.summary = N_("Seals the PPS of a PID, for set-up by pre-shared key"),
	.text = N_("Devices before AMT 11 can be set up with such a pair, given to them in MEBx or by a "
		   "stick. Which\n"
		   "device has which PID is told by its hello. Dashes and case do not matter."),
	.options = psk_add_options,
	.run = psk_add_run,
};

static int
psk_list_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) names = pv_db_list_secret_names(cli->site->db, "", &error);
	if (names == NULL)
		return pv_cli_fail(cli, error);
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "pids");
	json_builder_begin_array(builder);
	for (guint i = 0; i < names->len; i++) {
		const char *name = names->pdata[i];
		if (!g_str_has_prefix(name, PV_PSK_SECRET_PREFIX))
			continue;
		name += strlen(PV_PSK_SECRET_PREFIX);
		json_builder_add_string_value(builder, name);
		g_autofree char *shown = pv_text_escape(name);
		g_autofree char *line = g_strconcat(shown, "\n", NULL);
		if (!cli->json)
			pv_cli_print(cli, line);
	}
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	if (cli->json)
		pv_cli_print_json(cli, builder, FALSE);
	return PV_EXIT_OK;
}

const PvCommand pv_command_psk_list = {
	.name = "psk list",
	.summary = N_("Lists the PIDs whose PPS is in the store"),
	.run = psk_list_run,
};

static int
psk_remove_run(PvCli *cli)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *pid = pv_psk_parse_pid(cli->words[0], &error);
	if (pid == NULL)
		return pv_cli_usage(cli, "%s", error->message);
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	g_autofree char *name = pv_psk_dup_secret_name(pid);
	if (!pv_db_has_secret(cli->site->db, "", name, "current")) {
		pv_cli_warn(cli, _("the store has no PPS of PID %s"), pid);
		return PV_EXIT_FAILURE;
	}
	if (!pv_db_delete_secret(cli->site->db, "", name, NULL, &error))
		return pv_cli_fail(cli, error);
	pv_cli_note(cli, _("removed the PPS of PID %s"), pid);
	return PV_EXIT_OK;
}

const PvCommand pv_command_psk_remove = {
	.name = "psk remove",
	.arguments = "PID",
	.least = 1,
	.most = 1,
	.summary = N_("Forgets a PID and its PPS"),
	.run = psk_remove_run,
};
