/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"

#include <glib/gi18n.h>

/* Which devices a command is about: named ones, or those that have something in common. */

typedef struct {
	const char *group; /* lent; NULL: any */
	const char *status; /* a constant; NULL: any */
	PvCondition *where; /* owned; NULL: any */
} DevicesFilter;

static void
devices_filter_clear(DevicesFilter *filter)
{
	g_clear_pointer(&filter->where, pv_condition_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DevicesFilter, devices_filter_clear)

const char *const pv_cli_status_words[] = { "Unknown", "Not Supported", "Detected",
	"Not Provisioned", "Provisioned", "Externally Provisioned", NULL };

/* The words of PvDeviceRow.status as people type them: in any case. */
static const char *
devices_find_status(const char *word)
{
	for (gsize i = 0; pv_cli_status_words[i] != NULL; i++) {
		if (g_ascii_strcasecmp(pv_cli_status_words[i], word) == 0)
			return pv_cli_status_words[i];
	}
	return NULL;
}

/* What needs no site: a wrong option is told before one is opened. */
static gboolean
devices_filter_init(PvCli *cli, DevicesFilter *filter, const char *group, int *code)
{
	const char *status = pv_cli_get(cli, "status"), *where = pv_cli_get(cli, "where");
	g_autoptr(GError) error = NULL;
	filter->group = group;
	filter->status = status != NULL ? devices_find_status(status) : NULL;
	if (status != NULL && filter->status == NULL) {
		g_autofree char *words = g_strjoinv(", ", (char **)pv_cli_status_words);
		*code = pv_cli_usage(cli, _("--status: one of %s is needed"), words);
		return FALSE;
	}
	filter->where = where != NULL ? pv_condition_parse(where, &error) : NULL;
	if (error != NULL)
		*code = pv_cli_usage(cli, "--where: %s", error->message);
	return error == NULL;
}

/* TRUE: *passes says whether the row is meant */
static gboolean
devices_test(PvCli *cli, const DevicesFilter *filter, const PvDeviceRow *row, gboolean *passes,
    GError **error)
{
	*passes = (filter->group == NULL || g_strcmp0(row->group, filter->group) == 0) &&
		  (filter->status == NULL || g_strcmp0(row->status, filter->status) == 0);
	if (!*passes || filter->where == NULL)
		return TRUE;
	return pv_engine_test(cli->site, row, filter->where, passes, error);
}

static GPtrArray *
devices_list(PvCli *cli, const DevicesFilter *filter, GError **error)
{
	g_autoptr(GPtrArray) all = pv_db_list_devices(cli->site->db, error);
	if (all == NULL)
		return NULL;
	g_autoptr(GPtrArray) rows =
	    g_ptr_array_new_with_free_func((GDestroyNotify)pv_device_row_free);
	for (guint i = 0; i < all->len; i++) {
		gboolean passes = FALSE;
		if (!devices_test(cli, filter, g_ptr_array_index(all, i), &passes, error))
			return NULL;
		if (passes)
			g_ptr_array_add(rows, g_steal_pointer(&g_ptr_array_index(all, i)));
	}
	return g_steal_pointer(&rows);
}

GPtrArray *
pv_cli_list_devices(PvCli *cli, const char *group, int *code)
{
	g_auto(DevicesFilter) filter = { 0 };
	g_autoptr(GError) error = NULL;
	if (!devices_filter_init(cli, &filter, group, code) || !pv_cli_open_site(cli, 0, code))
		return NULL;
	*code = PV_EXIT_FAILURE;
	if (group != NULL && !pv_cli_check_group(cli, group))
		return NULL;
	GPtrArray *rows = devices_list(cli, &filter, &error);
	if (rows == NULL)
		*code = pv_cli_fail(cli, error);
	else if (rows->len == 0)
		pv_cli_note(cli, "%s",
		    group == NULL && filter.status == NULL && filter.where == NULL
			? _("there are no such devices; \"provost import\" and \"provost add\" "
			    "make them known")
			: _("there are no such devices; \"provost status\" shows all that are "
			    "known"));
	return rows;
}

PvDeviceRow *
pv_cli_find_device(PvCli *cli, const char *word, int *code)
{
	g_autoptr(GError) error = NULL;
	PvDeviceRow *row = pv_db_find_device(cli->site->db, word, &error);
	if (row == NULL)
		*code = pv_cli_fail(cli, error);
	return row;
}

gboolean
pv_cli_check_group(PvCli *cli, const char *group)
{
	if (pv_site_find_group(cli->site, group) != NULL)
		return TRUE;
	g_autofree const char **names =
	    (const char **)g_hash_table_get_keys_as_array(cli->site->groups, NULL);
	g_autofree char *known = g_strjoinv(", ", (char **)names);
	if (names[0] == NULL)
		pv_cli_warn(
		    cli, _("unknown group \"%s\": %s has no groups"), group, cli->site->file);
	else
		pv_cli_warn(
		    cli, _("unknown group \"%s\": %s has %s"), group, cli->site->file, known);
	return FALSE;
}

static int
devices_compare(gconstpointer a, gconstpointer b)
{
	const PvDeviceRow *one = *(const PvDeviceRow *const *)a;
	const PvDeviceRow *other = *(const PvDeviceRow *const *)b;
	int order = g_strcmp0(one->name, other->name);
	return order != 0 ? order : g_strcmp0(one->uuid, other->uuid);
}

static GPtrArray *
devices_find_by_words(PvCli *cli, int *code)
{
	g_autoptr(GPtrArray) rows =
	    g_ptr_array_new_with_free_func((GDestroyNotify)pv_device_row_free);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	gboolean good = TRUE;
	if (!pv_cli_open_site(cli, 0, code))
		return NULL;
	for (guint i = 0; i < cli->word_count; i++) {
		/* all unknown names are told at once */
		g_autoptr(PvDeviceRow) row = pv_cli_find_device(cli, cli->words[i], code);
		if (row == NULL) {
			good = FALSE;
		} else if (!g_hash_table_contains(seen, row->uuid)) {
			g_hash_table_add(seen, row->uuid);
			g_ptr_array_add(rows, g_steal_pointer(&row));
		}
	}
	return good ? g_steal_pointer(&rows) : NULL;
}

GPtrArray *
pv_cli_find_devices(PvCli *cli, const char *group, int *code)
{
	gboolean common = group != NULL || pv_cli_has(cli, "status") || pv_cli_has(cli, "where");
	if ((cli->word_count > 0) + common + pv_cli_has(cli, "all") != 1) {
		*code = pv_cli_usage(
		    cli, _("name the devices, or give either --all or what they have in common, as "
			   "with --where"));
		return NULL;
	}
	GPtrArray *rows = cli->word_count > 0 ? devices_find_by_words(cli, code)
					      : pv_cli_list_devices(cli, group, code);
	if (rows != NULL)
		g_ptr_array_sort(rows, devices_compare);
	return rows;
}

const PvPipeline *
pv_cli_find_pipeline(PvCli *cli, const PvDeviceRow *row, GError **error)
{
	const char *name = pv_cli_get(cli, "pipeline");
	if (name == NULL)
		return pv_site_find_pipeline(cli->site, row->group, error);
	const PvPipeline *pipeline = g_hash_table_lookup(cli->site->pipelines, name);
	if (pipeline == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "unknown pipeline \"%s\": %s does not list it", name, cli->site->file);
	return pipeline;
}
