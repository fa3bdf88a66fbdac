/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/edit.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>

#define EDIT_OTP_MAX_BYTES 1024

/* RFC 1123, 2.1: labels of letters, digits and hyphens, at most 63 each and 253 in all */
static gboolean
edit_check_label(const char *label)
{
	gsize length = strlen(label);
	if (length < 1 || length > 63 || label[0] == '-' || label[length - 1] == '-')
		return FALSE;
	return strspn(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
	       length;
}

gboolean
pv_edit_check_name(const char *name)
{
	return edit_check_label(name);
}

gboolean
pv_edit_check_fqdn(const char *fqdn)
{
	if (strlen(fqdn) > 253)
		return FALSE;
	g_auto(GStrv) labels = g_strsplit(fqdn, ".", 0);
	for (gsize i = 0; labels[i] != NULL; i++) {
		if (!edit_check_label(labels[i]))
			return FALSE;
	}
	return g_strv_length(labels) >= 2;
}

static gboolean
edit_check_address(const char *address)
{
	return g_hostname_is_ip_address(address) || pv_edit_check_fqdn(address) ||
	       edit_check_label(address);
}

/* aa:bb:cc:dd:ee:ff out of the usual ways to write it; NULL: none of them */
static char *
edit_dup_mac(const char *text)
{
	g_autoptr(GString) digits = g_string_new(NULL);
	for (; *text != '\0'; text++) {
		if (g_ascii_isxdigit(*text))
			g_string_append_c(digits, g_ascii_tolower(*text));
		else if (strchr(":-.", *text) == NULL)
			return NULL;
	}
	if (digits->len != 12)
		return NULL;
	for (gsize i = 10; i > 0; i -= 2)
		g_string_insert_c(digits, i, ':');
	return g_strdup(digits->str);
}

static char *
edit_hash_otp(const char *file, GError **error)
{
	gsize length = 0;
	char *otp = pv_cli_read_file(file, EDIT_OTP_MAX_BYTES, &length, error);
	if (otp == NULL)
		return NULL;
	gsize used = length;
	while (used > 0 && (otp[used - 1] == '\n' || otp[used - 1] == '\r'))
		used--;
	char *hash = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)otp, used);
	explicit_bzero(otp, length);
	g_free(otp);
	if (used == 0) {
		g_clear_pointer(&hash, g_free);
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read %s: it is empty", file);
	}
	return hash;
}

static gboolean
edit_apply_group(PvCli *cli, PvDeviceRow *row, const char *group)
{
	if (group[0] != '\0' && !pv_cli_check_group(cli, group))
		return FALSE;
	g_free(row->group);
	row->group = group[0] != '\0' ? g_strdup(group) : NULL;
	return TRUE;
}

/* Why the hash of a one-time password may not become that of the device; NULL: it may. (transfer full) */
static char *
edit_judge_otp(PvCli *cli, const PvDeviceRow *row, const char *hash, GError **error)
{
	g_autoptr(GPtrArray) jobs = pv_db_list_jobs(cli->site->db, row->uuid, TRUE, error);
	g_autoptr(GPtrArray) rows = jobs == NULL ? NULL : pv_db_list_devices(cli->site->db, error);
	g_autoptr(GHashTable) facts =
	    rows == NULL ? NULL : pv_db_get_facts(cli->site->db, row->uuid, error);
	if (facts == NULL)
		return NULL;
	if (jobs->len > 0)
		return g_strdup(_("a job of the device is not finished, and it began with the former "
				  "one: cancel the job, or wait"));
	for (guint i = 0; i < rows->len; i++) {
		const PvDeviceRow *other = rows->pdata[i];
		gboolean same = g_strcmp0(other->otp_hash, hash) == 0;
		if (same && g_ascii_strcasecmp(other->uuid, row->uuid) != 0)
			return g_strdup_printf(
			    _("it is the one of %s, and each is for one device: make another"),
			    other->name);
		if (same && g_strcmp0(g_hash_table_lookup(facts, "otp.result"), "matched") == 0)
			return g_strdup(_("it was used already, and each is for one time: make another"));
	}
	return NULL;
}

/* A hash decides whom secrets are sent to: what is refused is a security event. */
static gboolean
edit_take_otp(PvCli *cli, PvDeviceRow *row, char *hash)
{
	g_autofree char *owned = hash;
	g_autoptr(GError) error = NULL;
	g_autofree char *why = edit_judge_otp(cli, row, hash, &error);
	if (why != NULL && pv_db_audit(cli->site->db, "otp-refused", row->uuid, &error, "%s", why))
		pv_cli_warn(cli, _("%s: one-time password not taken: %s"), row->name, why);
	if (error != NULL)
		(void)pv_cli_fail(cli, error);
	if (why != NULL || error != NULL)
		return FALSE;
	row->otp_hash = g_steal_pointer(&owned);
	return TRUE;
}

static gboolean
edit_apply_otp(PvCli *cli, PvDeviceRow *row, const char *file)
{
	g_autoptr(GError) error = NULL;
	g_free(row->otp_hash);
	row->otp_hash = NULL;
	if (file[0] == '\0')
		return TRUE;
	char *hash = edit_hash_otp(file, &error);
	if (hash != NULL)
		return edit_take_otp(cli, row, hash);
	(void)pv_cli_fail(cli, error); /* PV_EXIT_FAILURE, as the caller returns */
	return FALSE;
}

gboolean
pv_edit_apply_options(PvCli *cli, PvDeviceRow *row, int *code)
{
	const char *address = pv_cli_get(cli, "address"), *mac = pv_cli_get(cli, "mac");
	const char *group = pv_cli_get(cli, "group"), *otp_file = pv_cli_get(cli, "otp-file");
	if (address != NULL && address[0] != '\0' && !edit_check_address(address)) {
		*code = pv_cli_usage(cli, _("--address: an IP address or a host name is needed"));
		return FALSE;
	}
	if (address != NULL) {
		g_free(row->address);
		row->address = address[0] != '\0' ? g_strdup(address) : NULL;
	}
	if (mac != NULL) {
		g_autofree char *normal = mac[0] != '\0' ? edit_dup_mac(mac) : NULL;
		if (mac[0] != '\0' && normal == NULL) {
			*code = pv_cli_usage(
			    cli, _("--mac: an address such as aa:bb:cc:dd:ee:ff is needed"));
			return FALSE;
		}
		g_free(row->mac);
		row->mac = g_steal_pointer(&normal);
	}
	*code = PV_EXIT_FAILURE;
	return (group == NULL || edit_apply_group(cli, row, group)) &&
	       (otp_file == NULL || edit_apply_otp(cli, row, otp_file));
}

gboolean
pv_edit_write(PvCli *cli, PvWrite *writes, gsize count, const char *action, const PvDeviceRow *row,
    const char *text, GError **error)
{
	PvAuditRow audit = {
		.time_usec = g_get_real_time(),
		.actor = cli->actor,
		.action = (char *)action,
		.object = row->uuid,
		.text = (char *)text,
	};
	writes[count] = (PvWrite) { .kind = PV_WRITE_AUDIT, .audit = &audit };
	return pv_db_write(cli->site->db, writes, count + 1, error);
}

gboolean
pv_edit_check_idle(PvCli *cli, const PvDeviceRow *row, const PvJobRow *job)
{
	if (job == NULL || !g_str_equal(job->state, "running"))
		return TRUE;
	/* a job of a process that has died is nobody's */
	const char *owners[] = { job->owner, NULL };
	g_auto(GStrv) dead = job->owner != NULL ? pv_owner_find_dead((char **)owners) : NULL;
	if (job->owner == NULL || (dead != NULL && dead[0] != NULL) ||
	    job->lease_usec < g_get_real_time())
		return TRUE;
	g_autofree char *id = g_strdup_printf("%" G_GINT64_FORMAT, job->id);
	pv_cli_warn(
	    cli, _("%s: job %s is running; wait for it or stop it first"), row->name, id);
	return FALSE;
}
