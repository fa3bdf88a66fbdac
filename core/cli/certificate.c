/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/amt/provcert.h"
#include "core/cli/ask.h"
#include "core/cli/certificate.h"
#include "core/cli/commands.h"
#include "core/engine/provisioning.h"

#include <glib/gi18n.h>
#include <openssl/x509v3.h>
#include <provost/pki.h>
#include <provost/token.h>
#include <string.h>

/* ---- check ---- */

/* the domain part of the name, where the site says nothing; lent by @fqdn */
static const char *
certificate_find_suffix(PvCli *cli, const char *fqdn)
{
	const char *given = pv_cli_get(cli, "suffix");
	const char *dot = fqdn != NULL ? strchr(fqdn, '.') : NULL;
	if (given != NULL)
		return given;
	if (cli->site->dns_suffix != NULL)
		return cli->site->dns_suffix;
	return dot != NULL ? dot + 1 : NULL;
}

/* whether one of @identities would convince the device; nothing is said of one that is managed already, or not known */
static gboolean
certificate_check_device(
    PvCli *cli, const GPtrArray *identities, const PvDeviceRow *row, PvReport *report, GError **error)
{
	g_autoptr(GHashTable) facts = pv_db_get_facts(cli->site->db, row->uuid, error);
	if (facts == NULL)
		return FALSE;
	const char *known = g_hash_table_lookup(facts, "hello.hashes");
	if (known == NULL || g_strcmp0(g_hash_table_lookup(facts, "amt.state"), "operational") == 0)
		return TRUE;
	g_autoptr(GError) local = NULL;
	g_autoptr(GArray) hashes = pv_root_hashes_parse(known, &local);
	const PvGroup *group = row->group != NULL ? pv_site_find_group(cli->site, row->group) : NULL;
	const PvProvisioningDevice device = { .suffix = certificate_find_suffix(cli, row->fqdn),
		.hashes = hashes,
		.version = g_hash_table_lookup(facts, "amt.version"),
		.legacy = group != NULL && group->tls == PV_TLS_LEGACY };
	g_autoptr(PvIdentity) chosen =
	    hashes != NULL ? pv_provisioning_choose(identities, &device, &local) : NULL;
	if (chosen == NULL)
		pv_report_add(report, PV_REPORT_FAILURE, "device", row->name, "%s", local->message);
	else
		pv_report_add(report, PV_REPORT_OK, "device", row->name, "trusts %s", pv_identity_get_path(chosen));
	return TRUE;
}

static gboolean
certificate_check_all(PvCli *cli, const GPtrArray *identities, PvReport *report, GError **error)
{
	const PvProvisioningDevice any = { .suffix = certificate_find_suffix(cli, NULL),
		.version = pv_cli_get(cli, "amt-version") };
	for (guint i = 0; i < identities->len; i++)
		pv_provisioning_report(identities->pdata[i], &any, pv_identity_get_path(identities->pdata[i]), report);
	if (identities->len == 0)
		pv_report_add(report, PV_REPORT_FAILURE, "provisioning certificate", cli->site->file,
		    "no provisioning certificate: make a request with \"provost certificate request\"");
	g_autoptr(GPtrArray) rows = pv_db_list_devices(cli->site->db, error);
	for (guint i = 0; rows != NULL && i < rows->len; i++)
		if (!certificate_check_device(cli, identities, rows->pdata[i], report, error))
			return FALSE;
	return rows != NULL;
}

/* what is in FILE; NULL after it said why */
static GPtrArray *
certificate_load(PvCli *cli, const char *file, int *code)
{
	g_autoptr(GError) error = NULL;
	const char *key = pv_cli_get(cli, "key");
	g_autoptr(PvSecret) password = pv_certificate_dup_password(cli, FALSE, &error);
	g_autoptr(PvIdentity) identity =
	    error == NULL ? pv_identity_load_partial(file, key, password, &error) : NULL;
	if (identity == NULL) {
		*code = pv_cli_fail(cli, error);
		return NULL;
	}
	GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)pv_identity_unref);
	g_ptr_array_add(list, g_steal_pointer(&identity));
	return list;
}

static int
certificate_check_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	const char *file = cli->words[0];
	if (!pv_cli_open_site(cli, file != NULL ? PV_SITE_NO_CERTIFICATES : 0, &code))
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) identities =
	    file != NULL ? certificate_load(cli, file, &code) : g_ptr_array_ref(cli->site->identities);
	if (identities == NULL)
		return code;
	g_autoptr(PvReport) report = pv_report_new();
	if (!certificate_check_all(cli, identities, report, &error))
		return pv_cli_fail(cli, error);
	if (cli->json) {
		g_autoptr(JsonBuilder) builder = json_builder_new();
		json_builder_begin_object(builder);
		pv_build_report(builder, report);
		json_builder_end_object(builder);
		pv_cli_print_json(cli, builder, FALSE);
	} else {
		pv_cli_print_report(cli, report);
	}
	return pv_report_get_level(report) == PV_REPORT_FAILURE ? PV_EXIT_FAILURE : PV_EXIT_OK;
}

static const PvOption certificate_check_options[] = {
	{ "key", 0, "FILE", N_("PEM file or PKCS#11 URI of the key, where it is not in FILE") },
	{ "password-file", 0, "FILE", N_("password of FILE or of the key, or the PIN") },
	{ "suffix", 0, "SUFFIX", N_("DNS suffix of the devices; else the site's") },
	{ "amt-version", 0, "VERSION", N_("firmware to judge by, such as 16.1; else any") },
	{ NULL },
};

const PvCommand pv_command_certificate_check = {
	.name = "certificate check",
	.arguments = "[FILE]",
	.most = 1,
	.summary = N_("Checks provisioning certificates by the firmware's rules"),
	.text = N_("Those of the site, or the one in FILE (PEM or PKCS#12). A row for each rule, then one for each\n"
		   "device in set-up whose trusted root hashes are known. Exit code 1 when something will not work."),
	.options = certificate_check_options,
	.run = certificate_check_run,
};

/* ---- thumbprint ---- */

static void
certificate_build_thumbprint(PvCli *cli, JsonBuilder *builder, X509 *root)
{
	g_autofree char *subject = pv_tls_dup_name(X509_get_subject_name(root));
	g_autofree char *sha1 = pv_provisioning_dup_thumbprint(root, FALSE);
	g_autofree char *sha256 = pv_provisioning_dup_thumbprint(root, TRUE);
	json_builder_begin_object(builder);
	pv_build_string(builder, "subject", subject);
	pv_build_string(builder, "sha1", sha1);
	pv_build_string(builder, "sha256", sha256);
	json_builder_end_object(builder);
	if (cli->json)
		return;
	g_autofree char *text = g_strdup_printf("%s\n  SHA-1    %s\n  SHA-256  %s\n", subject, sha1, sha256);
	pv_cli_print(cli, text);
}

static X509 *
certificate_get_root(const PvIdentity *identity)
{
	STACK_OF(X509) *chain = pv_identity_get_chain(identity);
	return sk_X509_value(chain, sk_X509_num(chain) - 1);
}

/* roots among certificates in DER; how many */
static guint
certificate_build_roots(PvCli *cli, JsonBuilder *builder, const GPtrArray *certificates)
{
	guint count = 0;
	for (guint i = 0; i < certificates->len; i++) {
		gsize length = 0;
		const guchar *der = g_bytes_get_data(certificates->pdata[i], &length);
		X509 *certificate = d2i_X509(NULL, &der, (long)length);
		if (certificate != NULL && X509_check_issued(certificate, certificate) == X509_V_OK) {
			certificate_build_thumbprint(cli, builder, certificate);
			count++;
		}
		X509_free(certificate);
	}
	return count;
}

/* FALSE after it said why */
static gboolean
certificate_build_thumbprints(PvCli *cli, JsonBuilder *builder, int *code)
{
	g_autoptr(GError) error = NULL;
	const char *file = cli->words[0];
	guint count = 0;
	if (file != NULL) {
		g_autoptr(GPtrArray) list = pv_pki_load_certificates(file, &error);
		if (list == NULL) {
			*code = pv_cli_fail(cli, error);
			return FALSE;
		}
		count = certificate_build_roots(cli, builder, list);
	} else if (pv_cli_open_site(cli, 0, code)) {
		for (guint i = 0; i < cli->site->identities->len; i++, count++)
			certificate_build_thumbprint(cli, builder, certificate_get_root(cli->site->identities->pdata[i]));
	} else {
		return FALSE;
	}
	if (count == 0)
		pv_cli_warn(cli, _("%s: there is no root certificate in it: only a root's hash is in the list of the firmware"),
		    file != NULL ? file : cli->site->file);
	return count > 0;
}

static int
certificate_thumbprint_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "roots");
	json_builder_begin_array(builder);
	if (!certificate_build_thumbprints(cli, builder, &code))
		return code;
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	if (cli->json)
		pv_cli_print_json(cli, builder, FALSE);
	return PV_EXIT_OK;
}

const PvCommand pv_command_certificate_thumbprint = {
	.name = "certificate thumbprint",
	.arguments = "[FILE]",
	.most = 1,
	.summary = N_("Prints root certificates' hashes as MEBx and vendors want them"),
	.text = N_("Of the roots in FILE, else of those of the site's provisioning certificates. A computer whose\n"
		   "firmware has the hash of your own root needs no bought certificate."),
	.run = certificate_thumbprint_run,
};

/* ---- export ---- */

/* --certificate, or the only one there is; G_MAXUINT after it said what to do */
static guint
certificate_find_identity(PvCli *cli)
{
	const char *wanted = pv_cli_get(cli, "certificate");
	const GPtrArray *identities = cli->site->identities;
	g_autoptr(GString) known = g_string_new(NULL);
	for (guint i = 0; i < identities->len; i++) {
		const char *path = pv_identity_get_path(identities->pdata[i]);
		g_autofree char *base = g_path_get_basename(path);
		if (wanted == NULL ? identities->len == 1 : g_str_equal(wanted, path) || g_str_equal(wanted, base))
			return i;
		g_string_append_printf(known, "%s%s", i > 0 ? ", " : "", path);
	}
	if (identities->len == 0)
		pv_cli_warn(cli, _("%s has no provisioning certificate"), cli->site->file);
	else
		pv_cli_warn(cli, _("--certificate: one of %s is needed"), known->str);
	return G_MAXUINT;
}

static PvSecret *
certificate_ask_passphrase(PvCli *cli, GError **error)
{
	const char *secret = pv_cli_get(cli, "passphrase-secret");
	if (secret != NULL)
		return pv_db_dup_secret(cli->site->db, "", secret, "current", error);
	return pv_ask_secret(pv_cli_get(cli, "passphrase-file"), _("Passphrase: "), TRUE, error);
}

static int
certificate_export_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	const char *file = cli->words[0];
	if (pv_cli_has(cli, "passphrase-file") && pv_cli_has(cli, "passphrase-secret"))
		return pv_cli_usage(cli, _("--passphrase-file and --passphrase-secret do not go together"));
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	guint index = certificate_find_identity(cli);
	if (index == G_MAXUINT)
		return PV_EXIT_FAILURE;
	const PvIdentity *identity = cli->site->identities->pdata[index];
	const PvValues *entry = pv_values_get_object(cli->site->values, "provisioning-certificates", index);
	g_autoptr(GError) error = NULL;
	if (pv_values_has(entry, "key") && pv_token_is_uri(pv_values_get_string(entry, "key"))) {
		pv_cli_warn(cli, _("the key of %s is in a token, which does not give it away: back the token up by its "
				   "vendor's means"),
		    pv_identity_get_path(identity));
		return PV_EXIT_FAILURE;
	}
	if (g_file_test(file, G_FILE_TEST_EXISTS) && !pv_cli_has(cli, "force")) {
		pv_cli_warn(cli, _("%s is there already: --force replaces it"), file);
		return PV_EXIT_FAILURE;
	}
	g_autoptr(PvSecret) passphrase = certificate_ask_passphrase(cli, &error);
	/* first the entry, then the key: nobody takes one unseen */
	if (passphrase == NULL ||
	    !pv_db_audit(cli->site->db, "certificate-export", pv_identity_get_path(identity), &error,
		"exported with its key to %s", file) ||
	    !pv_provisioning_export(identity, file, passphrase, &error))
		return pv_cli_fail(cli, error);
	pv_cli_note(cli, _("wrote %s; whoever has it and its passphrase can set up computers in your name"), file);
	return PV_EXIT_OK;
}

static const PvOption certificate_export_options[] = {
	{ "certificate", 0, "FILE", N_("which of the site's provisioning certificates; else the only one") },
	{ "passphrase-file", 0, "FILE", N_("read the passphrase from FILE, not from the terminal or standard input") },
	{ "passphrase-secret", 0, "NAME", N_("the passphrase is this secret of the site") },
	{ "force", 0, NULL, N_("replace FILE") },
	{ NULL },
};

const PvCommand pv_command_certificate_export = {
	.name = "certificate export",
	.arguments = "FILE",
	.least = 1,
	.most = 1,
	.summary = N_("Writes a provisioning certificate with its key as PKCS#12, which is audited"),
	.text = N_("Under AES-256 and a passphrase of 8 characters at least, readable by its owner only. A key in a\n"
		   "token stays there."),
	.options = certificate_export_options,
	.run = certificate_export_run,
};
