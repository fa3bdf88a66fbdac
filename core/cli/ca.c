/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"
#include "core/cli/edit.h"
#include "core/engine/ca.h"

#include <glib/gi18n.h>
#include <string.h>

#define CA_FILE_MAX_BYTES 65536
#define CA_WAIT_MAX_SEC 86400
#define CA_SERVER_AUTH "1.3.6.1.5.5.7.3.1" /* RFC 5280 4.2.1.12 */
#define CA_CLIENT_AUTH "1.3.6.1.5.5.7.3.2"

static gboolean
ca_open_site(PvCli *cli, int *code)
{
	if (!pv_cli_open_site(cli, 0, code))
		return FALSE;
	if (cli->site->ca != NULL)
		return TRUE;
	pv_cli_warn(cli, _("%s: the site has no \"ca\""), cli->site->file);
	*code = PV_EXIT_CONFIG;
	return FALSE;
}

/* Members of a report's object, with the CA's type; the caller ends the object. */
static JsonBuilder *
ca_begin_json(PvCli *cli)
{
	JsonBuilder *builder = json_builder_new();
	json_builder_begin_object(builder);
	pv_build_string(builder, "ca", cli->site->ca->type);
	return builder;
}

static int
ca_check_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	if (!ca_open_site(cli, &code))
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvReport) report = pv_report_new();
	if (!pv_ca_check(cli->site, report, NULL, &error))
		return pv_cli_fail(cli, error);
	if (cli->json) {
		g_autoptr(JsonBuilder) builder = ca_begin_json(cli);
		pv_build_report(builder, report);
		json_builder_end_object(builder);
		pv_cli_print_json(cli, builder, FALSE);
	} else {
		pv_cli_print_report(cli, report);
	}
	return pv_report_get_level(report) == PV_REPORT_FAILURE ? PV_EXIT_FAILURE : PV_EXIT_OK;
}

const PvCommand pv_command_ca_check = {
	.name = "ca check",
	.summary = N_("Looks whether the CA can be worked with"),
	.text = N_("Asks for no certificate. Dates of the CA's own certificates, then what the "
		   "CA's plugin finds out:\n"
		   "login, templates, rights. Exit code 1 when something will not work."),
	.run = ca_check_run,
};

/* Try */

static const char *const ca_outcome_names[] = {
	[PV_CA_TRY_FAILED] = "failed",
	[PV_CA_TRY_DENIED] = "denied",
	[PV_CA_TRY_PENDING] = "pending",
	[PV_CA_TRY_WRONG] = "wrong",
	[PV_CA_TRY_ISSUED] = "issued",
};

static void
ca_try_print_json(
    PvCli *cli, PvCaTryOutcome outcome, const PvCaReply *reply, const PvReport *report)
{
	gint64 end = 0;
	g_autofree char *serial =
	    reply->certificate == NULL ? NULL : pv_ca_dup_serial(reply->certificate, &end);
	g_autoptr(JsonBuilder) builder = ca_begin_json(cli);
	pv_build_string(builder, "outcome", ca_outcome_names[outcome]);
	pv_build_string(builder, "text", reply->text);
	pv_build_string(builder, "cookie", reply->cookie);
	pv_build_string(builder, "serial", serial);
	pv_build_time(builder, "not_after", end * G_USEC_PER_SEC);
	pv_build_report(builder, report);
	json_builder_end_object(builder);
	pv_cli_print_json(cli, builder, FALSE);
}

static char *
ca_dup_try_name(PvCli *cli)
{
	const char *name = pv_cli_get(cli, "name");
	const char *suffix = cli->site->dns_suffix != NULL ? cli->site->dns_suffix : "example.com";
	return name != NULL ? g_strdup(name) : g_strdup_printf("provost-test.%s", suffix);
}

static int
ca_try_with(PvCli *cli, const PvCaTry *try)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvReport) report = pv_report_new();
	g_auto(PvCaReply) reply = { 0 };
	PvCaTryOutcome outcome = PV_CA_TRY_FAILED;
	if (!pv_ca_try(cli->site, try, report, &outcome, &reply, NULL, &error))
		return pv_cli_fail(cli, error);
	if (reply.certificate != NULL) {
		g_autofree char *serial = pv_ca_dup_serial(reply.certificate, NULL);
		if (!pv_db_audit(cli->site->db, "ca-try", serial, &error, "%s %s",
			try->request.common_name, try->keep ? "kept" : "revoked"))
			return pv_cli_fail(cli, error);
	}
	if (cli->json)
		ca_try_print_json(cli, outcome, &reply, report);
	else
		pv_cli_print_report(cli, report);
	if (outcome == PV_CA_TRY_PENDING)
		return PV_EXIT_PENDING;
	return pv_report_get_level(report) == PV_REPORT_FAILURE ? PV_EXIT_FAILURE : PV_EXIT_OK;
}

static int
ca_try_run(PvCli *cli)
{
	const char *eku = pv_cli_get(cli, "eku");
	const char *name = pv_cli_get(cli, "name");
	guint wait_sec = 0;
	int code = PV_EXIT_FAILURE;
	if (eku != NULL && !g_str_equal(eku, "server") && !g_str_equal(eku, "client"))
		return pv_cli_usage(cli, _("--eku: server or client"));
	if (name != NULL && (!pv_edit_check_fqdn(name) || strlen(name) > 64))
		return pv_cli_usage(
		    cli, _("--name: a full DNS name of at most 64 characters is needed"));
	if (!pv_cli_get_uint(cli, "wait", 0, CA_WAIT_MAX_SEC, 0, &wait_sec))
		return PV_EXIT_USAGE;
	if (!ca_open_site(cli, &code))
		return code;
	g_autofree char *common_name = ca_dup_try_name(cli);
	const char *const names[] = { common_name, NULL };
	const char *const ekus[] = {
		eku != NULL && g_str_equal(eku, "client") ? CA_CLIENT_AUTH : CA_SERVER_AUTH, NULL
	};
	const PvCaTry try = {
		.request = { .template_name = pv_cli_get(cli, "template"),
		    .common_name = common_name,
		    .dns_names = names,
		    .ekus = ekus },
		.wait_sec = wait_sec,
		.keep = pv_cli_has(cli, "keep"),
	};
	return ca_try_with(cli, &try);
}

static const PvOption ca_try_options[] = {
	{ "template", 0, "TEMPLATE",
	    N_("the CA's name for the kind of certificate; else its default") },
	{ "name", 0, "FQDN", N_("for this name; else provost-test below the site's DNS suffix") },
	{ "eku", 0, "server|client", N_("what it is to be good for; else server") },
	{ "wait", 0, "SEC", N_("so long for a CA that does not decide at once") },
	{ "keep", 0, NULL, N_("do not revoke it afterwards") },
	{ NULL },
};

const PvCommand pv_command_ca_try = {
	.name = "ca try",
	.summary = N_("Has the CA issue a certificate for nobody, to see whether it would"),
	.text = N_("Makes a key in memory, asks as for a device, judges the answer as one for a "
		   "device, and revokes it\n"
		   "again where the CA can. Exit codes: 0 issued and good, 1 denied or wrong, 75 "
		   "still pending."),
	.options = ca_try_options,
	.run = ca_try_run,
};

/* Revoke */

static GBytes *
ca_parse_file(const char *data, gsize length)
{
	const char *begin = g_strstr_len(data, (gssize)length, "-----BEGIN CERTIFICATE-----");
	if (begin == NULL)
		return g_bytes_new(data, length);
	begin += strlen("-----BEGIN CERTIFICATE-----");
	const char *end = g_strstr_len(begin, (gssize)(length - (gsize)(begin - data)), "-----END");
	g_autofree char *text = g_strndup(begin, end == NULL ? 0 : (gsize)(end - begin));
	gsize size = 0;
	guchar *der = g_base64_decode(text, &size);
	return g_bytes_new_take(der, size);
}

static GBytes *
ca_read_file(const char *path, GError **error)
{
	gsize length = 0;
	g_autofree char *data = pv_cli_read_file(path, CA_FILE_MAX_BYTES, &length, error);
	if (data == NULL)
		return NULL;
	g_autoptr(GBytes) der = ca_parse_file(data, length);
	g_autofree char *serial = pv_ca_dup_serial(der, NULL);
	if (serial != NULL)
		return g_steal_pointer(&der);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "read %s: it holds no certificate, neither in PEM nor in DER", path);
	return NULL;
}

/* All that were issued for the device and are known; newest first. FALSE after it said why: return *code. */
static gboolean
ca_add_of_device(PvCli *cli, const char *word, GPtrArray *certificates, int *code)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvDeviceRow) row = pv_cli_find_device(cli, word, code);
	if (row == NULL)
		return FALSE;
	g_autoptr(GHashTable) facts = pv_db_get_facts(cli->site->db, row->uuid, &error);
	const char *list = facts == NULL ? NULL : g_hash_table_lookup(facts, "ca.serials");
	g_auto(GStrv) serials = g_strsplit(list != NULL ? list : "", " ", -1);
	for (guint i = 0; error == NULL && serials[i] != NULL; i++) {
		GBytes *der = pv_ca_find_certificate(cli->site, serials[i], NULL, &error);
		if (der != NULL)
			g_ptr_array_add(certificates, der);
		/* of a CA that the site had before: the others are to be revoked all the same */
		if (g_error_matches(error, PV_ERROR, PV_ERROR_REJECTED)) {
			pv_cli_note(cli, "%s", error->message);
			g_clear_error(&error);
		}
	}
	if (error != NULL) {
		*code = pv_cli_fail(cli, error);
		return FALSE;
	}
	if (certificates->len > 0)
		return TRUE;
	pv_cli_warn(cli, _("no certificate of this site's CA is known to have been issued for %s"),
	    row->name);
	*code = PV_EXIT_FAILURE;
	return FALSE;
}

static gboolean
ca_find_certificates(PvCli *cli, GPtrArray *certificates, int *code)
{
	g_autoptr(GError) error = NULL;
	if (pv_cli_has(cli, "device"))
		return ca_add_of_device(cli, pv_cli_get(cli, "device"), certificates, code);
	GBytes *der = pv_cli_has(cli, "serial") ? pv_ca_find_certificate(cli->site,
						      pv_cli_get(cli, "serial"), NULL, &error)
						: ca_read_file(cli->words[0], &error);
	if (der != NULL)
		g_ptr_array_add(certificates, der);
	else
		*code = pv_cli_fail(cli, error);
	return der != NULL;
}

/* One after the other; stops at the first that the CA does not take back. */
static gboolean
ca_revoke_all(
    PvCli *cli, GPtrArray *certificates, const char *word, PvReport *report, GError **error)
{
	guint reason = 0;
	(void)pv_ca_parse_reason(word, &reason); /* asked before */
	for (guint i = 0; i < certificates->len; i++) {
		g_autofree char *serial = pv_ca_dup_serial(certificates->pdata[i], NULL);
		if (!cli->site->ca->revoke(
			cli->site->ca_handle, certificates->pdata[i], reason, NULL, error))
			return FALSE;
		pv_report_add(report, PV_REPORT_OK, "revoke", serial, "revoked: %s", word);
		if (!pv_db_audit(cli->site->db, "ca-revoke", serial, error, "%s", word))
			return FALSE;
	}
	return TRUE;
}

static int
ca_revoke_run(PvCli *cli)
{
	const char *word = pv_cli_has(cli, "reason") ? pv_cli_get(cli, "reason") : "unspecified";
	guint reason = 0;
	int code = PV_EXIT_FAILURE;
	if (pv_cli_has(cli, "serial") + pv_cli_has(cli, "device") + (cli->word_count > 0) != 1)
		return pv_cli_usage(cli, _("name one of --serial, --device and FILE"));
	if (!pv_ca_parse_reason(word, &reason))
		return pv_cli_usage(cli, _("--reason: one of %s"), PV_CA_REASONS);
	if (!ca_open_site(cli, &code))
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvReport) report = pv_report_new();
	g_autoptr(GPtrArray) certificates =
	    g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	if (!ca_find_certificates(cli, certificates, &code))
		return code;
	gboolean done = ca_revoke_all(cli, certificates, word, report, &error);
	if (cli->json) {
		g_autoptr(JsonBuilder) builder = ca_begin_json(cli);
		pv_build_report(builder, report);
		pv_build_string(builder, "error", error != NULL ? error->message : NULL);
		json_builder_end_object(builder);
		pv_cli_print_json(cli, builder, FALSE);
	} else {
		pv_cli_print_report(cli, report);
	}
	return done ? PV_EXIT_OK : pv_cli_fail(cli, error);
}

static const PvOption ca_revoke_options[] = {
	{ "serial", 0, "SERIAL", N_("the one with this number, hexadecimal") },
	{ "device", 0, "DEVICE", N_("all that were issued for this device") },
	{ "reason", 0, PV_CA_REASONS, N_("why, as the revocation list will say it") },
	{ NULL },
};

const PvCommand pv_command_ca_revoke = {
	.name = "ca revoke",
	.arguments = "[FILE]",
	.most = 1,
	.summary = N_("Has the CA take certificates back"),
	.text = N_("A certificate in a file, PEM or DER, or one that the CA itself finds by number "
		   "or device. Nothing is\n"
		   "changed in the device."),
	.options = ca_revoke_options,
	.run = ca_revoke_run,
};

/* Requests that wait for a person */

static gboolean
ca_can_decide(PvCli *cli, int *code)
{
	if (!ca_open_site(cli, code))
		return FALSE;
	if (cli->site->ca->decide != NULL && cli->site->ca->list_waiting != NULL)
		return TRUE;
	pv_cli_warn(
	    cli, _("a CA of type %s decides elsewhere: use its own tools"), cli->site->ca->type);
	*code = PV_EXIT_FAILURE;
	return FALSE;
}

static void
ca_print_waiting(PvCli *cli, GPtrArray *waiting)
{
	g_autoptr(PvTable) table = pv_table_new(
	    (const char *const[]) { _("ID"), _("NAME"), _("DEVICE"), _("SINCE"), NULL });
	g_autoptr(JsonBuilder) builder = ca_begin_json(cli);
	json_builder_set_member_name(builder, "waiting");
	json_builder_begin_array(builder);
	for (guint i = 0; i < waiting->len; i++) {
		const PvCaWaiting *row = waiting->pdata[i];
		g_autofree char *since = pv_text_format_rfc3339(row->since * G_USEC_PER_SEC);
		json_builder_begin_object(builder);
		pv_build_string(builder, "id", row->id);
		pv_build_string(builder, "name", row->name);
		pv_build_string(builder, "uuid", row->uuid);
		pv_build_string(builder, "since", since);
		json_builder_end_object(builder);
		pv_table_add(table, row->id, row->name, row->uuid, since);
	}
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	if (cli->json)
		pv_cli_print_json(cli, builder, FALSE);
	else
		pv_cli_print_table(cli, table);
}

static int
ca_pending_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	if (!ca_can_decide(cli, &code))
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) waiting =
	    cli->site->ca->list_waiting(cli->site->ca_handle, NULL, &error);
	if (waiting == NULL)
		return pv_cli_fail(cli, error);
	ca_print_waiting(cli, waiting);
	return PV_EXIT_OK;
}

const PvCommand pv_command_ca_pending = {
	.name = "ca pending",
	.summary = N_("Lists the requests that wait for approval"),
	.text = N_("Of a CA that asks for it, such as the local one with \"approve\": \"manual\"."),
	.run = ca_pending_run,
};

static int
ca_decide(PvCli *cli, gboolean approve)
{
	int code = PV_EXIT_FAILURE;
	if (!ca_can_decide(cli, &code))
		return code;
	g_autoptr(GError) error = NULL;
	const char *id = cli->words[0];
	const char *text = approve ? NULL : pv_cli_get(cli, "text");
	if (!cli->site->ca->decide(cli->site->ca_handle, id, approve, text, NULL, &error) ||
	    !pv_db_audit(cli->site->db, approve ? "ca-approve" : "ca-deny", id, &error, "%s",
		text != NULL ? text : ""))
		return pv_cli_fail(cli, error);
	pv_cli_note(cli,
	    approve ? _("approved %s; the device gets it when its job runs again") : _("denied %s"),
	    id);
	return PV_EXIT_OK;
}

static int
ca_approve_run(PvCli *cli)
{
	return ca_decide(cli, TRUE);
}

static int
ca_deny_run(PvCli *cli)
{
	return ca_decide(cli, FALSE);
}

const PvCommand pv_command_ca_approve = {
	.name = "ca approve",
	.arguments = "ID",
	.least = 1,
	.most = 1,
	.summary = N_("Approves a request that waits"),
	.run = ca_approve_run,
};

static const PvOption ca_deny_options[] = {
	{ "text", 0, "TEXT", N_("why; the device's job says so") },
	{ NULL },
};

const PvCommand pv_command_ca_deny = {
	.name = "ca deny",
	.arguments = "ID",
	.least = 1,
	.most = 1,
	.summary = N_("Denies a request that waits"),
	.options = ca_deny_options,
	.run = ca_deny_run,
};
