/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"

#include <glib/gi18n.h>

/* one device on its way through the threads */
typedef struct {
	const PvDeviceRow *row; /* lent */
	const PvPipeline *pipeline; /* lent; NULL: error says why */
	PvVerification *verification; /* owned; NULL: error says why */
	GError *error; /* owned */
} Verify;

static void
verify_free(gpointer data)
{
	Verify *verify = data;
	pv_verification_free(verify->verification);
	g_clear_error(&verify->error);
	g_free(verify);
}

static const GError *
verify_get_problem(const Verify *verify)
{
	return verify->error != NULL ? verify->error : verify->verification->problem;
}

/* a constant; also a member of the JSON */
static const char *
verify_get_result(const Verify *verify)
{
	if (verify_get_problem(verify) != NULL)
		return "failed";
	return verify->verification->differs == 0 ? "ok" : "differs";
}

/* what the threads share */
typedef struct {
	PvCli *cli;
	GPtrArray *all; /* of Verify */
	PvKerberos *kerberos; /* of the person who asks; NULL: not wanted */
	guint next; /* index of the one that nobody has taken; atomic */
} VerifyRun;

static gpointer
verify_work(gpointer data)
{
	VerifyRun *run = data;
	for (;;) {
		guint index = (guint)g_atomic_int_add(&run->next, 1);
		if (index >= run->all->len)
			return NULL;
		Verify *verify = g_ptr_array_index(run->all, index);
		if (verify->error == NULL)
			verify->verification =
			    pv_engine_verify(run->cli->site, verify->row, verify->pipeline,
				run->kerberos, pv_cli_get(run->cli, "trace"), NULL, &verify->error);
	}
}

/* As many devices at a time as the site allows. The threads end before the process does, and free what OpenSSL keeps
 * for each. */
static GPtrArray *
verify_all(PvCli *cli, GPtrArray *rows, PvKerberos *kerberos)
{
	VerifyRun run = {
		.cli = cli, .kerberos = kerberos, .all = g_ptr_array_new_with_free_func(verify_free)
	};
	for (guint i = 0; i < rows->len; i++) {
		Verify *verify = g_new0(Verify, 1);
		verify->row = g_ptr_array_index(rows, i);
		verify->pipeline = pv_cli_find_pipeline(cli, verify->row, &verify->error);
		g_ptr_array_add(run.all, verify);
	}
	g_autoptr(GPtrArray) threads = g_ptr_array_new();
	for (guint i = 0; i < MIN(rows->len, cli->site->workers); i++)
		g_ptr_array_add(threads, g_thread_new("verify", verify_work, &run));
	for (guint i = 0; i < threads->len; i++)
		g_thread_join(g_ptr_array_index(threads, i));
	return run.all;
}

static char *
verify_dup_until(const Verify *verify)
{
	gint64 until_sec = verify->verification != NULL ? verify->verification->not_after_sec : 0;
	g_autoptr(GDateTime) until =
	    until_sec != 0 ? g_date_time_new_from_unix_local(until_sec) : NULL;
	return until != NULL ? g_date_time_format(until, "%Y-%m-%d") : NULL;
}

/* the stages that have something to change */
static char *
verify_dup_stages(const PvVerification *verification)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	for (guint i = 0; i < verification->stages->len; i++) {
		const PvStagePlan *stage = g_ptr_array_index(verification->stages, i);
		if (g_str_equal(stage->outcome, "changes") ||
		    g_str_equal(stage->outcome, "unknown"))
			g_ptr_array_add(names, (gpointer)stage->stage);
	}
	g_ptr_array_add(names, NULL);
	return g_strjoinv(", ", (char **)names->pdata);
}

static void
verify_add_row(PvTable *table, const Verify *verify)
{
	const GError *problem = verify_get_problem(verify);
	g_autofree char *until = verify_dup_until(verify);
	if (problem != NULL) {
		pv_table_add(
		    table, verify->row->name, _("cannot be verified"), until, problem->message);
		pv_table_set_style(table, 1, PV_STYLE_BAD);
		return;
	}
	guint differs = verify->verification->differs;
	g_autofree char *stages = verify_dup_stages(verify->verification);
	g_autofree char *result =
	    differs == 0 ? g_strdup(_("ok")) : g_strdup_printf(_("differs: %u"), differs);
	pv_table_add(table, verify->row->name, result, until, stages);
	pv_table_set_style(table, 1, differs == 0 ? PV_STYLE_GOOD : PV_STYLE_BAD);
}

static void
verify_build_device(JsonBuilder *builder, const Verify *verify)
{
	const PvVerification *verification = verify->verification;
	const GError *problem = verify_get_problem(verify);
	GPtrArray *stages = verification != NULL ? verification->stages : NULL;
	json_builder_begin_object(builder);
	pv_build_string(builder, "uuid", verify->row->uuid);
	pv_build_string(builder, "name", verify->row->name);
	pv_build_string(builder, "result", verify_get_result(verify));
	pv_build_int(builder, "differs", verification != NULL ? verification->differs : 0);
	pv_build_string(builder, "code", problem != NULL ? pv_error_get_name(problem) : NULL);
	pv_build_string(builder, "text", problem != NULL ? problem->message : NULL);
	pv_build_string(builder, "user", verification != NULL ? verification->user : NULL);
	pv_build_string(builder, "kerberos", verification != NULL ? verification->principal : NULL);
	pv_build_string(
	    builder, "certificate_sha256", verification != NULL ? verification->fingerprint : NULL);
	pv_build_time(builder, "certificate_until",
	    verification != NULL ? verification->not_after_sec * G_USEC_PER_SEC : 0);
	json_builder_set_member_name(builder, "stages");
	json_builder_begin_array(builder);
	for (guint i = 0; stages != NULL && i < stages->len; i++)
		pv_build_stage_plan(builder, g_ptr_array_index(stages, i));
	json_builder_end_array(builder);
	json_builder_end_object(builder);
}

static void
verify_print(PvCli *cli, GPtrArray *all)
{
	if (cli->json) {
		g_autoptr(JsonBuilder) builder = json_builder_new();
		json_builder_begin_object(builder);
		json_builder_set_member_name(builder, "devices");
		json_builder_begin_array(builder);
		for (guint i = 0; i < all->len; i++)
			verify_build_device(builder, g_ptr_array_index(all, i));
		json_builder_end_array(builder);
		json_builder_end_object(builder);
		pv_cli_print_json(cli, builder, FALSE);
		return;
	}
	const char *const titles[] = { _("DEVICE"), _("RESULT"), _("CERTIFICATE UNTIL"),
		_("STAGES OR REASON"), NULL };
	g_autoptr(PvTable) table = pv_table_new(titles);
	for (guint i = 0; i < all->len; i++)
		verify_add_row(table, g_ptr_array_index(all, i));
	if (all->len > 0)
		pv_cli_print_table(cli, table);
}

static int
verify_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	g_autoptr(GPtrArray) rows = pv_cli_find_devices(cli, pv_cli_get(cli, "group"), &code);
	if (rows == NULL)
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvKerberos) kerberos = NULL;
	if (pv_cli_has(cli, "kerberos")) {
		kerberos = pv_site_login_user(cli->site, NULL, &error);
		if (kerberos == NULL)
			return pv_cli_fail(cli, error);
	}
	g_autoptr(GPtrArray) all = verify_all(cli, rows, kerberos);
	guint ok = 0, differ = 0;
	for (guint i = 0; i < all->len; i++) {
		const char *result = verify_get_result(g_ptr_array_index(all, i));
		ok += g_str_equal(result, "ok");
		differ += g_str_equal(result, "differs");
	}
	verify_print(cli, all);
	const char *object = all->len == 1 ? ((const Verify *)all->pdata[0])->row->uuid : "";
	if (all->len > 0 && !pv_db_audit(cli->site->db, "verify", object, &error,
				"%u devices: %u ok, %u differ, %u cannot be verified", all->len, ok,
				differ, all->len - ok - differ))
		return pv_cli_fail(cli, error);
	if (ok + differ < all->len)
		return PV_EXIT_FAILURE;
	return differ > 0 ? PV_EXIT_CHANGES : PV_EXIT_OK;
}

static const PvOption verify_options[] = {
	PV_CLI_DEVICE_OPTIONS,
	{ "pipeline", 'p', "PIPELINE", N_("this pipeline of the site, not that of the group") },
	{ "kerberos", 'k', NULL, N_("log in by your own Kerberos ticket, too; run kinit before") },
	{ "trace", 0, "DIR", N_("write what is said to the devices to DIR, without secrets") },
	{ NULL },
};

const PvCommand pv_command_verify = {
	.name = "verify",
	.arguments = "DEVICE...",
	.most = G_MAXUINT,
	.summary = N_("Proves that Provisioned devices still are what their pipeline says"),
	.text = N_("Logs in to each device over its verified certificate, reads it again and "
		   "compares. Writes nothing\nto it; the store keeps when and what was found. Exit "
		   "code 2 when one differs, 1 when one cannot\nbe verified."),
	.options = verify_options,
	.run = verify_run,
};
