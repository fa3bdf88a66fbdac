/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/cli/cli.h"

G_BEGIN_DECLS

/* What add and set share. */

#define PV_EDIT_OWN_OPTIONS \
	{ "address", 0, "ADDRESS", N_("IP address or name to dial; else the FQDN") }, \
	{ "mac", 0, "MAC", N_("hardware address, aa:bb:cc:dd:ee:ff") }, \
	{ "otp-file", 0, "FILE", N_("file with the one-time password that the device must prove") }
#define PV_EDIT_GROUP_OPTION \
	{ "group", 'g', "GROUP", N_("group of the site, which decides about the pipeline") }

/* Takes the options into @row. FALSE after it said what is wrong: return *code. */
gboolean pv_edit_apply_options(PvCli *cli, PvDeviceRow *row, int *code);

gboolean pv_edit_check_fqdn(const char *fqdn);
gboolean pv_edit_check_name(const char *name);

/* Writes rows and the audit entry in one transaction. @writes has room for one more at the end */
gboolean pv_edit_write(PvCli *cli, PvWrite *writes, gsize count, const char *action, const PvDeviceRow *row,
    const char *text, GError **error);

/* Whether no other process works on the device; else it says so. */
gboolean pv_edit_check_idle(PvCli *cli, const PvDeviceRow *row, const PvJobRow *job);

G_END_DECLS
