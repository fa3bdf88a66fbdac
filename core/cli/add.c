/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/amt/hello.h"
#include "core/cli/commands.h"
#include "core/cli/edit.h"

#include <glib/gi18n.h>
#include <string.h>

static const PvDeviceRow *
add_find_taken(GPtrArray *rows, const PvDeviceRow *row)
{
	for (guint i = 0; i < rows->len; i++) {
		const PvDeviceRow *other = g_ptr_array_index(rows, i);
		if (g_str_equal(other->uuid, row->uuid) ||
		    (other->fqdn != NULL && g_ascii_strcasecmp(other->fqdn, row->fqdn) == 0))
			return other;
	}
	return NULL;
}

static int
add_write(PvCli *cli, PvDeviceRow *row)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) rows = pv_db_list_devices(cli->site->db, &error);
	if (rows == NULL)
		return pv_cli_fail(cli, error);
	const PvDeviceRow *taken = add_find_taken(rows, row);
	if (taken != NULL) {
		pv_cli_warn(cli,
		    _("add %s: UUID or FQDN belongs to %s (%s) already; \"provost set\" changes "
		      "it"),
		    row->name, taken->name, taken->uuid);
		return PV_EXIT_FAILURE;
	}
	PvWrite writes[2] = { { .kind = PV_WRITE_DEVICE, .device = row } };
	if (!pv_edit_write(cli, writes, 1, "device-add", row, "added by hand", &error))
		return pv_cli_fail(cli, error);
	pv_cli_note(cli, _("added %s"), row->name);
	return PV_EXIT_OK;
}

static int
add_run(PvCli *cli)
{
	const char *name = cli->words[0], *fqdn = cli->words[1];
	g_autofree char *uuid = g_ascii_strdown(cli->words[2], -1);
	if (!pv_edit_check_name(name))
		return pv_cli_usage(
		    cli, _("NAME: letters, digits and hyphens, at most 63, are needed"));
	if (!pv_edit_check_fqdn(fqdn))
		return pv_cli_usage(
		    cli, _("FQDN: a full host name such as pc1.example.com is needed"));
	if (!pv_uuid_is_usable(uuid))
		return pv_cli_usage(cli, _("UUID: the computer's own SMBIOS UUID is needed; this "
					   "is none, or one that many boards share"));
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	/* sAMAccountName holds 15 characters of a computer's name (MS-ADTS, 3.1.1.1.11 and NetBIOS) */
	if (strlen(name) > 15)
		pv_cli_note(
		    cli, _("%s: directories take only 15 characters of a computer's name"), name);
	g_autoptr(PvDeviceRow) row = g_new0(PvDeviceRow, 1);
	row->uuid = g_steal_pointer(&uuid);
	row->name = g_strdup(name);
	row->fqdn = g_ascii_strdown(fqdn, -1);
	row->status = g_strdup("Unknown");
	row->evidence = g_strdup("added by hand");
	row->status_usec = g_get_real_time();
	if (!pv_edit_apply_options(cli, row, &code))
		return code;
	return add_write(cli, row);
}

static const PvOption add_options[] = {
	PV_EDIT_OWN_OPTIONS,
	PV_EDIT_GROUP_OPTION,
	{ NULL },
};

const PvCommand pv_command_add = {
	.name = "add",
	.arguments = "NAME FQDN UUID",
	.least = 3,
	.most = 3,
	.summary = N_("Makes one device known"),
	.options = add_options,
	.run = add_run,
};
