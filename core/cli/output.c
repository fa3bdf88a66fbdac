/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/cli.h"

#include <stdio.h>
#include <string.h>

void
pv_cli_print(PvCli *cli, const char *text)
{
	(void)fputs(text, stdout); /* pv_cli_main() asks ferror() at the end */
}

void
pv_cli_print_table(PvCli *cli, const PvTable *table)
{
	g_autofree char *text = pv_table_to_string(table, cli->width, cli->colour);
	pv_cli_print(cli, text);
}

/* json-glib leaves C1 and bidirectional controls as they are; within JSON they can only stand in strings */
static void
output_append_json(GString *out, const char *json)
{
	for (const char *p = json; *p != '\0'; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);
		gboolean rules = (c >= 0x7f && c < 0xa0) || c == 0x061c ||
				 (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
				 (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
		if (rules)
			g_string_append_printf(out, "\\u%04x", c);
		else
			g_string_append_unichar(out, c);
	}
}

void
pv_cli_print_json(PvCli *cli, JsonBuilder *builder, gboolean line)
{
	g_autoptr(JsonNode) root = json_builder_get_root(builder);
	g_autofree char *json = json_to_string(root, !line);
	g_autoptr(GString) out = g_string_new(NULL);
	output_append_json(out, json);
	g_string_append_c(out, '\n');
	pv_cli_print(cli, out->str);
}

void
pv_build_string(JsonBuilder *builder, const char *name, const char *text)
{
	json_builder_set_member_name(builder, name);
	if (text == NULL) {
		json_builder_add_null_value(builder);
		return;
	}
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	json_builder_add_string_value(builder, valid);
}

void
pv_build_int(JsonBuilder *builder, const char *name, gint64 value)
{
	json_builder_set_member_name(builder, name);
	json_builder_add_int_value(builder, value);
}

void
pv_build_bool(JsonBuilder *builder, const char *name, gboolean value)
{
	json_builder_set_member_name(builder, name);
	json_builder_add_boolean_value(builder, value);
}

void
pv_build_time(JsonBuilder *builder, const char *name, gint64 usec)
{
	g_autofree char *text = pv_text_format_rfc3339(usec);
	pv_build_string(builder, name, text);
}

void
pv_build_json(JsonBuilder *builder, const char *name, const char *text)
{
	JsonNode *node = text != NULL ? json_from_string(text, NULL) : NULL;
	json_builder_set_member_name(builder, name);
	json_builder_add_value(builder, node != NULL ? node : json_node_new(JSON_NODE_NULL));
}

void
pv_build_device(JsonBuilder *builder, const PvDeviceRow *row)
{
	pv_build_string(builder, "uuid", row->uuid);
	pv_build_string(builder, "name", row->name);
	pv_build_string(builder, "fqdn", row->fqdn);
	pv_build_string(builder, "mac", row->mac);
	pv_build_string(builder, "address", row->address);
	pv_build_string(builder, "group", row->group);
	pv_build_string(builder, "status", row->status);
	pv_build_string(builder, "evidence", row->evidence);
	pv_build_time(builder, "status_time", row->status_usec);
}

void
pv_build_job(JsonBuilder *builder, const char *name, const PvJobRow *job)
{
	if (name != NULL)
		json_builder_set_member_name(builder, name);
	if (job == NULL) {
		json_builder_add_null_value(builder);
		return;
	}
	json_builder_begin_object(builder);
	pv_build_int(builder, "id", job->id);
	pv_build_string(builder, "pipeline", job->pipeline);
	pv_build_string(builder, "state", job->state);
	pv_build_int(builder, "stage", job->stage);
	pv_build_int(builder, "attempts", job->attempts);
	pv_build_string(builder, "code", job->code);
	pv_build_string(builder, "text", job->text);
	pv_build_time(builder, "made", job->made_usec);
	pv_build_time(builder, "changed", job->changed_usec);
	pv_build_time(builder, "due", job->due_usec);
	json_builder_end_object(builder);
}

void
pv_build_stage_plan(JsonBuilder *builder, const PvStagePlan *stage)
{
	g_autofree char *changes =
	    stage->plan != NULL ? pv_plan_to_json(stage->plan) : g_strdup("[]");
	json_builder_begin_object(builder);
	pv_build_string(builder, "stage", stage->stage);
	pv_build_string(builder, "outcome", stage->outcome);
	pv_build_string(builder, "text", stage->text);
	pv_build_json(builder, "changes", changes);
	json_builder_end_object(builder);
}
