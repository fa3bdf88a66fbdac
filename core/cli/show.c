/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"

#include <glib/gi18n.h>

/* all that is known of one device */
typedef struct {
	PvDeviceRow *row;
	GHashTable *facts;
	GPtrArray *fact_names; /* const char*, sorted, lent by facts */
	GPtrArray *jobs;
	GPtrArray *results; /* of the newest job */
	GPtrArray *secret_names;
} Show;

static void
show_clear(Show *show)
{
	pv_device_row_free(show->row);
	g_clear_pointer(&show->facts, g_hash_table_unref);
	g_clear_pointer(&show->fact_names, g_ptr_array_unref);
	g_clear_pointer(&show->jobs, g_ptr_array_unref);
	g_clear_pointer(&show->results, g_ptr_array_unref);
	g_clear_pointer(&show->secret_names, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Show, show_clear)

static int
show_compare_names(gconstpointer a, gconstpointer b)
{
	return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

static gboolean
show_load(PvDb *db, Show *show, GError **error)
{
	const char *uuid = show->row->uuid;
	show->facts = pv_db_get_facts(db, uuid, error);
	if (show->facts == NULL)
		return FALSE;
	show->fact_names = g_ptr_array_new();
	GHashTableIter iter;
	gpointer name = NULL;
	g_hash_table_iter_init(&iter, show->facts);
	while (g_hash_table_iter_next(&iter, &name, NULL))
		g_ptr_array_add(show->fact_names, name);
	g_ptr_array_sort(show->fact_names, show_compare_names);

	show->jobs = pv_db_list_jobs(db, uuid, FALSE, error);
	show->secret_names = show->jobs != NULL ? pv_db_list_secret_names(db, uuid, error) : NULL;
	if (show->secret_names == NULL)
		return FALSE;
	if (show->jobs->len == 0)
		return TRUE;
	const PvJobRow *newest = g_ptr_array_index(show->jobs, 0);
	show->results = pv_db_list_results(db, newest->id, error);
	return show->results != NULL;
}

static void
show_build_results(JsonBuilder *builder, GPtrArray *results)
{
	json_builder_set_member_name(builder, "results");
	json_builder_begin_array(builder);
	for (guint i = 0; results != NULL && i < results->len; i++) {
		const PvResultRow *result = g_ptr_array_index(results, i);
		json_builder_begin_object(builder);
		pv_build_int(builder, "index", result->index);
		pv_build_string(builder, "stage", result->stage);
		pv_build_string(builder, "outcome", result->outcome);
		pv_build_string(builder, "text", result->text);
		pv_build_json(builder, "changes", result->changes);
		pv_build_time(builder, "begin", result->begin_usec);
		pv_build_time(builder, "end", result->end_usec);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}

static void
show_print_json(PvCli *cli, const Show *show)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	pv_build_device(builder, show->row);
	pv_build_bool(builder, "otp_expected", show->row->otp_hash != NULL);
	json_builder_set_member_name(builder, "facts");
	json_builder_begin_object(builder);
	for (guint i = 0; i < show->fact_names->len; i++) {
		const char *name = g_ptr_array_index(show->fact_names, i);
		pv_build_string(builder, name, g_hash_table_lookup(show->facts, name));
	}
	json_builder_end_object(builder);
	json_builder_set_member_name(builder, "secrets");
	json_builder_begin_array(builder);
	for (guint i = 0; i < show->secret_names->len; i++)
		json_builder_add_string_value(builder, g_ptr_array_index(show->secret_names, i));
	json_builder_end_array(builder);
	json_builder_set_member_name(builder, "jobs");
	json_builder_begin_array(builder);
	for (guint i = 0; i < show->jobs->len; i++)
		pv_build_job(builder, NULL, g_ptr_array_index(show->jobs, i));
	json_builder_end_array(builder);
	show_build_results(builder, show->results);
	json_builder_end_object(builder);
	pv_cli_print_json(cli, builder, FALSE);
}

static void
show_print_title(PvCli *cli, const char *title)
{
	g_autofree char *line = g_strdup_printf(
	    "\n%s%s%s\n", cli->colour ? "\033[1m" : "", title, cli->colour ? "\033[0m" : "");
	pv_cli_print(cli, line);
}

static void
show_print_fields(PvCli *cli, const PvDeviceRow *row)
{
	g_autofree char *since = pv_text_format_time(row->status_usec);
	const char *const fields[][2] = {
		{ _("UUID"), row->uuid },
		{ _("Name"), row->name },
		{ _("FQDN"), row->fqdn },
		{ _("MAC"), row->mac },
		{ _("Address"), row->address },
		{ _("Group"), row->group },
		{ _("One-time password"), row->otp_hash != NULL ? _("expected") : NULL },
		{ _("Status"), row->status },
		{ _("Evidence"), row->evidence },
		{ _("Since"), since },
	};
	guint width = 0;
	for (gsize i = 0; i < G_N_ELEMENTS(fields); i++)
		width = MAX(width, pv_text_get_width(fields[i][0]));
	for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
		if (fields[i][1] == NULL || fields[i][1][0] == '\0')
			continue;
		g_autofree char *value = pv_text_escape(fields[i][1]);
		g_autofree char *line = g_strdup_printf("%s:%*s%s\n", fields[i][0],
		    (int)(width + 1 - pv_text_get_width(fields[i][0])), "", value);
		pv_cli_print(cli, line);
	}
}

static void
show_print_facts(PvCli *cli, const Show *show)
{
	if (show->fact_names->len == 0)
		return;
	const char *const titles[] = { _("FACT"), _("VALUE"), NULL };
	g_autoptr(PvTable) table = pv_table_new(titles);
	for (guint i = 0; i < show->fact_names->len; i++) {
		const char *name = g_ptr_array_index(show->fact_names, i);
		pv_table_add(table, name, g_hash_table_lookup(show->facts, name));
	}
	show_print_title(cli, _("Facts"));
	pv_cli_print_table(cli, table);
}

static void
show_print_jobs(PvCli *cli, const Show *show)
{
	if (show->jobs->len == 0)
		return;
	const char *const titles[] = { _("JOB"), _("PIPELINE"), _("STATE"), _("BEGUN"),
		_("CHANGED"), _("CODE"), _("TEXT"), NULL };
	g_autoptr(PvTable) table = pv_table_new(titles);
	for (guint i = 0; i < show->jobs->len; i++) {
		const PvJobRow *job = g_ptr_array_index(show->jobs, i);
		g_autofree char *id = g_strdup_printf("%" G_GINT64_FORMAT, job->id);
		g_autofree char *made = pv_text_format_time(job->made_usec);
		g_autofree char *changed = pv_text_format_time(job->changed_usec);
		pv_table_add(
		    table, id, job->pipeline, job->state, made, changed, job->code, job->text);
		pv_table_set_style(table, 2, pv_cli_get_status_style(job->state));
	}
	show_print_title(cli, _("Jobs"));
	pv_cli_print_table(cli, table);
}

static void
show_add_changes(PvTable *table, const char *changes)
{
	g_autoptr(JsonNode) node = changes != NULL ? json_from_string(changes, NULL) : NULL;
	if (node == NULL || !JSON_NODE_HOLDS_ARRAY(node))
		return;
	JsonArray *array = json_node_get_array(node);
	for (guint i = 0; i < json_array_get_length(array); i++) {
		JsonNode *item = json_array_get_element(array, i);
		if (!JSON_NODE_HOLDS_OBJECT(item))
			continue;
		JsonObject *change = json_node_get_object(item);
		const char *property =
		    json_object_get_string_member_with_default(change, "property", "");
		const char *from = json_object_get_string_member_with_default(change, "from", "");
		g_autofree char *text = g_strdup_printf("%s%s%s: %s%s→ %s",
		    json_object_get_string_member_with_default(change, "object", ""),
		    property[0] != '\0' ? "." : "", property, from, from[0] != '\0' ? " " : "",
		    json_object_get_string_member_with_default(change, "to", ""));
		pv_table_add(table, "", "", "", text);
	}
}

static void
show_print_results(PvCli *cli, const Show *show)
{
	if (show->results == NULL || show->results->len == 0)
		return;
	const char *const titles[] = { _("STAGE"), _("OUTCOME"), _("TIME"), _("TEXT AND CHANGES"),
		NULL };
	g_autoptr(PvTable) table = pv_table_new(titles);
	for (guint i = 0; i < show->results->len; i++) {
		const PvResultRow *result = g_ptr_array_index(show->results, i);
		g_autofree char *time =
		    pv_text_format_duration(result->end_usec - result->begin_usec);
		pv_table_add(table, result->stage, result->outcome, time, result->text);
		pv_table_set_style(table, 1, pv_cli_get_status_style(result->outcome));
		show_add_changes(table, result->changes);
	}
	show_print_title(cli, _("Stages of the newest job"));
	pv_cli_print_table(cli, table);
}

static void
show_print_secrets(PvCli *cli, const Show *show)
{
	if (show->secret_names->len == 0)
		return;
	show_print_title(cli, _("Secrets (sealed)"));
	for (guint i = 0; i < show->secret_names->len; i++) {
		g_autofree char *name = pv_text_escape(g_ptr_array_index(show->secret_names, i));
		g_autofree char *line = g_strconcat(name, "\n", NULL);
		pv_cli_print(cli, line);
	}
}

static int
show_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	g_auto(Show) show = { .row = pv_cli_find_device(cli, cli->words[0], &code) };
	if (show.row == NULL)
		return code;
	g_autoptr(GError) error = NULL;
	if (!show_load(cli->site->db, &show, &error))
		return pv_cli_fail(cli, error);
	if (cli->json) {
		show_print_json(cli, &show);
		return PV_EXIT_OK;
	}
	show_print_fields(cli, show.row);
	show_print_facts(cli, &show);
	show_print_jobs(cli, &show);
	show_print_results(cli, &show);
	show_print_secrets(cli, &show);
	return PV_EXIT_OK;
}

const PvCommand pv_command_show = {
	.name = "show",
	.arguments = "DEVICE",
	.least = 1,
	.most = 1,
	.summary = N_("Shows all that is known of one device"),
	.text = N_("Facts, jobs, the changes of the newest job, and the names of the secrets, "
		   "never their values."),
	.run = show_run,
};
