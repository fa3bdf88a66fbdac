/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lets a program of the site's own be a stage: it gets what is known of the device as JSON on its standard input,
 * and answers with changes and facts as JSON. README.md and provost-exec(5) describe the contract. */
#include <json-glib/json-glib.h>
#include <provost/plugin.h>
#include <string.h>

#include <provost/program.h>
#include "exec-reply.h"

#define EXEC_PROTOCOL 1
/* in front of the program's facts: it cannot replace one that the engine or another stage relies on */
#define EXEC_FACT_PREFIX "exec."
#define EXEC_WAIT_SEC 60 /* where a program that is not ready does not say how long */

/* Exit codes, by what happens next: 10 and the number of the error's code. All others are FAILED. */
enum { EXEC_CODE_FIRST = 10, EXEC_CODE_LAST = EXEC_CODE_FIRST + PV_ERROR_PENDING };

/* One call of the program. */
typedef struct {
	PvJob *job; /* lent */
	const PvPlan *plan; /* what apply is to make; NULL: none; lent */
	const char *action; /* "plan", "apply" or "remove" */
	char *path; /* owned: of the program, found to be trustworthy */
	GPtrArray *secrets; /* owned, of PvSecret */
	GPtrArray *names; /* owned, in step with secrets: how the program calls them */
} Exec;

static void
exec_clear(Exec *exec)
{
	g_free(exec->path);
	g_ptr_array_unref(exec->secrets);
	g_ptr_array_unref(exec->names);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Exec, exec_clear)

/* What it is given */

static PvSecret *
exec_dup_secret(Exec *exec, const PvValues *entry, GError **error)
{
	const char *device = pv_values_get_string(entry, "device");
	if (pv_values_has(entry, "value") == (device != NULL)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: a secret has one of \"value\" and \"device\"",
		    pv_values_get_where(entry, "name"));
		return NULL;
	}
	return device != NULL ? pv_job_dup_secret(exec->job, device, PV_SECRET_CURRENT, error)
			      : pv_values_dup_secret(entry, "value", error);
}

static gboolean
exec_read_secrets(Exec *exec, GError **error)
{
	const PvValues *values = pv_job_get_values(exec->job);
	for (guint i = 0; i < pv_values_get_count(values, "secrets"); i++) {
		const PvValues *entry = pv_values_get_object(values, "secrets", i);
		const char *device = pv_values_get_string(entry, "device");
		/* an earlier stage would have made it */
		if (device != NULL && pv_job_is_dry_run(exec->job) &&
		    !pv_job_has_secret(exec->job, device, PV_SECRET_CURRENT))
			continue;
		g_autoptr(PvSecret) secret = exec_dup_secret(exec, entry, error);
		if (secret == NULL)
			return FALSE;
		gsize length = 0;
		const char *text = pv_secret_peek(secret, &length);
		if (!g_utf8_validate(text, (gssize)length, NULL)) {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "%s: the secret is no UTF-8 text", pv_values_get_where(entry, "name"));
			return FALSE;
		}
		g_ptr_array_add(exec->names, (gpointer)pv_values_get_string(entry, "name"));
		g_ptr_array_add(exec->secrets, g_steal_pointer(&secret));
	}
	return TRUE;
}

static void
exec_build_string(JsonBuilder *builder, const char *name, const char *value)
{
	json_builder_set_member_name(builder, name);
	if (value != NULL)
		json_builder_add_string_value(builder, value);
	else
		json_builder_add_null_value(builder);
}

static void
exec_build_device(JsonBuilder *builder, const PvDevice *device)
{
	json_builder_set_member_name(builder, "device");
	json_builder_begin_object(builder);
	exec_build_string(builder, "uuid", pv_device_get_uuid(device));
	exec_build_string(builder, "name", pv_device_get_name(device));
	exec_build_string(builder, "fqdn", pv_device_get_fqdn(device));
	exec_build_string(builder, "mac", pv_device_get_mac(device));
	exec_build_string(builder, "address", pv_device_get_address(device));
	exec_build_string(builder, "group", pv_device_get_group(device));
	json_builder_end_object(builder);
}

static void
exec_build_facts(JsonBuilder *builder, PvJob *job)
{
	g_auto(GStrv) names = pv_job_list_facts(job);
	json_builder_set_member_name(builder, "facts");
	json_builder_begin_object(builder);
	for (guint i = 0; names[i] != NULL; i++)
		exec_build_string(builder, names[i], pv_job_get_fact(job, names[i]));
	json_builder_end_object(builder);
}

/* "NAME=VALUE" of the parameters; the names were checked before. */
static void
exec_build_parameters(JsonBuilder *builder, PvJob *job)
{
	const char *const *list = pv_job_get_list(job, "parameters");
	json_builder_set_member_name(builder, "parameters");
	json_builder_begin_object(builder);
	for (guint i = 0; list[i] != NULL; i++) {
		g_auto(GStrv) parts = g_strsplit(list[i], "=", 2);
		exec_build_string(builder, parts[0], parts[1]);
	}
	json_builder_end_object(builder);
}

static void
exec_build_changes(JsonBuilder *builder, const PvPlan *plan)
{
	json_builder_set_member_name(builder, "changes");
	json_builder_begin_array(builder);
	for (guint i = 0; plan != NULL && i < pv_plan_get_length(plan); i++) {
		const PvChange *change = pv_plan_get(plan, i);
		json_builder_begin_object(builder);
		exec_build_string(builder, "object", change->object);
		exec_build_string(builder, "property", change->property);
		exec_build_string(builder, "from", change->from);
		exec_build_string(builder, "to", change->to);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}

/* All but the secrets. (transfer full) */
static char *
exec_build_public(Exec *exec)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "protocol");
	json_builder_add_int_value(builder, EXEC_PROTOCOL);
	exec_build_string(builder, "action", exec->action);
	json_builder_set_member_name(builder, "dry-run");
	json_builder_add_boolean_value(builder, pv_job_is_dry_run(exec->job));
	exec_build_device(builder, pv_job_get_device(exec->job));
	exec_build_facts(builder, exec->job);
	exec_build_parameters(builder, exec->job);
	exec_build_changes(builder, exec->plan);
	json_builder_end_object(builder);
	g_autoptr(JsonNode) root = json_builder_get_root(builder);
	return json_to_string(root, FALSE);
}

/* Worst case of one byte: \u00XX. */
static gsize
exec_measure_string(const char *text)
{
	return 6 * strlen(text) + 2;
}

static void
exec_append_string(GString *json, const char *text)
{
	g_string_append_c(json, '"');
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			g_string_append_printf(json, "\\%c", *c);
		else if (g_ascii_iscntrl(*c))
			g_string_append_printf(json, "\\u%04x", (guint)(guchar)*c);
		else
			g_string_append_c(json, *c);
	}
	g_string_append_c(json, '"');
}

/* The whole input. Secrets are written here, into memory that is large enough from the beginning and wiped afterwards, for
 * JSON-GLib would leave copies behind. */
static GString *
exec_build_input(Exec *exec)
{
	g_autofree char *public = exec_build_public(exec);
	gsize size = strlen(public) + 64;
	for (guint i = 0; i < exec->secrets->len; i++)
		size += exec_measure_string(exec->names->pdata[i]) + 2 +
			exec_measure_string(pv_secret_peek(exec->secrets->pdata[i], NULL));
	GString *input = g_string_sized_new(size);
	g_string_append_len(input, public, (gssize)strlen(public) - 1); /* without its "}" */
	g_string_append(input, ",\"secrets\":{");
	for (guint i = 0; i < exec->secrets->len; i++) {
		if (i > 0)
			g_string_append_c(input, ',');
		exec_append_string(input, exec->names->pdata[i]);
		g_string_append_c(input, ':');
		exec_append_string(input, pv_secret_peek(exec->secrets->pdata[i], NULL));
	}
	g_string_append(input, "}}\n");
	return input;
}

/* What it says */

static void
exec_tell(const char *text, gpointer data)
{
	Exec *exec = data;
	if (!exec_holds_secret(text, exec->secrets))
		pv_job_progress(exec->job, "%s", text);
}

/* Why it failed: what it said in its answer, or else in its last line. (transfer full) */
static char *
exec_dup_reason(Exec *exec, const ExecReply *reply, const PvProgramOutcome *outcome)
{
	const char *reason = reply->text != NULL ? reply->text : outcome->last;
	if (reason == NULL)
		return g_strdup("it did not say why");
	return g_strdup(exec_holds_secret(reason, exec->secrets)
			    ? "(what it said holds a secret that it was given)"
			    : reason);
}

static gboolean
exec_judge(Exec *exec, const ExecReply *reply, const PvProgramOutcome *outcome, GError **error)
{
	if (outcome->code == 0)
		return TRUE;
	g_autofree char *reason = exec_dup_reason(exec, reply, outcome);
	if (outcome->code == EXEC_CODE_FIRST + PV_ERROR_PENDING)
		return pv_job_wait(exec->job, reply->wait_sec > 0 ? reply->wait_sec : EXEC_WAIT_SEC,
		    error, "%s", reason);
	PvError code = outcome->code >= EXEC_CODE_FIRST && outcome->code <= EXEC_CODE_LAST
			   ? (PvError)(outcome->code - EXEC_CODE_FIRST)
			   : PV_ERROR_FAILED;
	if (outcome->signal != 0)
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "%s %s: ended by signal %d: %s",
		    exec->path, exec->action, outcome->signal, reason);
	else
		g_set_error(error, PV_ERROR, (gint)code, "%s %s: exit code %d: %s", exec->path,
		    exec->action, outcome->code, reason);
	return FALSE;
}

static void
exec_take_facts(Exec *exec, const ExecReply *reply)
{
	GHashTableIter iter;
	gpointer name = NULL, value = NULL;
	g_hash_table_iter_init(&iter, reply->facts);
	while (g_hash_table_iter_next(&iter, &name, &value)) {
		g_autofree char *fact = g_strconcat(EXEC_FACT_PREFIX, name, NULL);
		pv_job_set_fact(exec->job, fact, value);
	}
}

/* A call */

static gboolean
exec_check_parameters(PvJob *job, GError **error)
{
	const char *const *list = pv_job_get_list(job, "parameters");
	for (guint i = 0; list[i] != NULL; i++) {
		if (strchr(list[i], '=') != NULL && *list[i] != '=')
			continue;
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s[%u]: \"%s\" is not NAME=VALUE",
		    pv_values_get_where(pv_job_get_values(job), "parameters"), i, list[i]);
		return FALSE;
	}
	return TRUE;
}

static gboolean
exec_run(Exec *exec, ExecReply *reply, GError **error)
{
	const char *const *arguments = pv_job_get_list(exec->job, "arguments");
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	g_ptr_array_add(argv, exec->path);
	g_ptr_array_add(argv, (gpointer)exec->action);
	for (guint i = 0; arguments[i] != NULL; i++)
		g_ptr_array_add(argv, (gpointer)arguments[i]);
	g_ptr_array_add(argv, NULL);

	GString *input = exec_build_input(exec);
	const PvProgram program = {
		.path = exec->path,
		.argv = (const char *const *)argv->pdata,
		.input = input->str,
		.input_bytes = input->len,
		.limit_sec = (guint)pv_job_get_int(exec->job, "time-limit"),
		.cancellable = pv_job_get_cancellable(exec->job),
		.line = exec_tell,
		.data = exec,
	};
	g_auto(PvProgramOutcome) outcome = { 0 };
	gboolean ran = pv_program_run(&program, &outcome, error);
	explicit_bzero(input->str, input->allocated_len);
	g_string_free(input, TRUE);
	if (!ran)
		return FALSE;
	g_autoptr(GError) local = NULL;
	gboolean parsed = exec_reply_parse(reply, outcome.output, exec->secrets, &local);
	/* one that waits for something may have to remember what for */
	if (parsed && (outcome.code == 0 || outcome.code == EXEC_CODE_LAST))
		exec_take_facts(exec, reply);
	if (!exec_judge(exec, reply, &outcome, error))
		return FALSE; /* its failure explains an answer that makes no sense, too */
	if (!parsed) {
		g_propagate_prefixed_error(
		    error, g_steal_pointer(&local), "%s %s: ", exec->path, exec->action);
		return FALSE;
	}
	return TRUE;
}

static gboolean
exec_call(PvJob *job, const char *action, const PvPlan *plan, ExecReply *reply, GError **error)
{
	g_auto(Exec) exec = { .job = job, .action = action, .plan = plan };
	exec.secrets = g_ptr_array_new_with_free_func((GDestroyNotify)pv_secret_unref);
	exec.names = g_ptr_array_new();
	const char *program = pv_job_get_string(job, "program");
	exec.path = pv_file_resolve_trusted(program, error);
	if (exec.path == NULL) {
		g_prefix_error(
		    error, "%s: ", pv_values_get_where(pv_job_get_values(job), "program"));
		return FALSE;
	}
	return exec_check_parameters(job, error) && exec_read_secrets(&exec, error) &&
	       exec_run(&exec, reply, error);
}

static gboolean
exec_plan(PvJob *job, PvPlan *plan, GError **error)
{
	g_auto(ExecReply) reply = { 0 };
	if (!exec_call(job, "plan", NULL, &reply, error))
		return FALSE;
	if (reply.skip != NULL && reply.changes->len > 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "%s plan: it skips the device, and has changes for it",
		    pv_job_get_string(job, "program"));
		return FALSE;
	}
	for (guint i = 0; i < reply.changes->len; i++) {
		const char *const *row = reply.changes->pdata[i];
		pv_plan_add(plan, row[0], row[1], row[2], row[3]);
	}
	if (reply.skip != NULL)
		pv_job_skip(job, "%s", reply.skip);
	return TRUE;
}

static gboolean
exec_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	g_auto(ExecReply) reply = { 0 };
	return exec_call(job, "apply", plan, &reply, error);
}

static gboolean
exec_remove(PvJob *job, GError **error)
{
	g_auto(ExecReply) reply = { 0 };
	return exec_call(job, "remove", NULL, &reply, error);
}

static const PvParam exec_secret_params[] = {
	{ "name", PV_PARAM_STRING, NULL, "member of \"secrets\" in its input" },
	{ "value", PV_PARAM_SECRET, "null", "a secret of the site" },
	{ "device", PV_PARAM_STRING, "null", "or one of the device's own, such as \"admin\"" },
	{ NULL },
};

static const PvParam exec_params[] = {
	{ "program", PV_PARAM_PATH, NULL,
	    "what is run; only root or this user may be able to write it" },
	{ "arguments", PV_PARAM_LIST, "[]", "its arguments, after plan, apply or remove" },
	{ "parameters", PV_PARAM_LIST, "[]", "\"NAME=VALUE\", for \"parameters\" in its input" },
	{ "secrets", PV_PARAM_OBJECTS, "[]", "what it may know", .fields = exec_secret_params },
	{ "time-limit", PV_PARAM_INT, "60", "after which one call of it is ended", .unit = "s",
	    .minimum = 1, .maximum = 3600 },
	{ NULL },
};

static const PvStage exec_stages[] = {
	{
	    .type = "exec",
	    .summary = "runs a program of the site's own",
	    .params = exec_params,
	    .plan = exec_plan,
	    .apply = exec_apply,
	    .remove = exec_remove,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("exec", PV_VERSION, "a program of the site's own", .stages = exec_stages);
