/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/commands.h"
#include "core/cli/edit.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <provost/token.h>
#include <string.h>
#include <sys/timex.h>

/* The sample's stages in order; each is of the plugin of its name. */
static const char *const init_stages[] = { "ad-account", "tls", "otp", "digest-soap", "certificate",
	"clock", "network-identity", "web-certificate", "admin-password", "mebx-password", "commit",
	"wsman-acl", "kerberos", "power-policy", "features", "ieee8021x", "wireless",
	"certificate-cleanup" };
static const char *const init_providers[] = { "directory-local", "ca-local" };
/* Enabled where they are installed, so that another directory or CA is a matter of its one object. */
static const char *const init_other_providers[] = { "ad", "ldap", "adcs", "ca-exec", "cmp", "est", "scep",
	NULL };

#define INIT_GROUP "AMT Operators" /* of the local directory, with an entry in the access list */
#define INIT_SECRET "factory-admin" /* the login that devices have when they leave the factory */

/* of the CA's parameter "key-type" */
#define INIT_CA_KEYS "rsa-2048|rsa-3072|p-256|p-384"
static const char *const init_ca_keys[] = { "rsa-2048", "rsa-3072", "p-256", "p-384", NULL };

/* what a site has to say yes to first */
static const char *const init_variables[] = { "wired8021x", "wireless" };

/* what the site is made of */
typedef struct {
	char *folder; /* absolute, owned */
	char *certificate; /* absolute, owned; NULL: none */
	char *key; /* likewise */
	char **plugin_path; /* absolute folders, owned; NULL: the installed one */
	const char *suffix;
	const char *ca_key; /* kind of key of the local CA; NULL: its default */
	gboolean unsynced; /* the kernel does not know whether its clock is right */
} Init;

static void
init_clear(Init *init)
{
	g_free(init->folder);
	g_free(init->certificate);
	g_free(init->key);
	g_strfreev(init->plugin_path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Init, init_clear)

static gboolean
init_is_clock_unsynced(void)
{
	struct timex state = { 0 };
	int result = adjtimex(&state);
	return result < 0 || result == TIME_ERROR || (state.status & STA_UNSYNC) != 0;
}

static void
init_begin_member(JsonBuilder *builder, const char *name)
{
	json_builder_set_member_name(builder, name);
	json_builder_begin_object(builder);
}

static void
init_build_path(JsonBuilder *builder, const Init *init, const char *name, const char *file)
{
	g_autofree char *path = g_build_filename(init->folder, file, NULL);
	pv_build_string(builder, name, path);
}

static void
init_build_other_providers(JsonBuilder *builder, const Init *init)
{
	static const char *const installed_path[] = { PV_PLUGIN_DIR, NULL };
	g_autoptr(PvLoader) loader = pv_loader_new(init->plugin_path != NULL
						       ? (const char *const *)init->plugin_path
						       : installed_path);
	g_auto(GStrv) installed = pv_loader_list(loader);
	for (gsize i = 0; init_other_providers[i] != NULL; i++)
		if (g_strv_contains((const char *const *)installed, init_other_providers[i]))
			json_builder_add_string_value(builder, init_other_providers[i]);
}

static void
init_build_plugins(JsonBuilder *builder, const Init *init)
{
	if (init->plugin_path != NULL) {
		json_builder_set_member_name(builder, "plugin-path");
		json_builder_begin_array(builder);
		for (gsize i = 0; init->plugin_path[i] != NULL; i++)
			json_builder_add_string_value(builder, init->plugin_path[i]);
		json_builder_end_array(builder);
	}
	json_builder_set_member_name(builder, "plugins");
	json_builder_begin_array(builder);
	for (gsize i = 0; i < G_N_ELEMENTS(init_providers); i++)
		json_builder_add_string_value(builder, init_providers[i]);
	init_build_other_providers(builder, init);
	for (gsize i = 0; i < G_N_ELEMENTS(init_stages); i++)
		json_builder_add_string_value(builder, init_stages[i]);
	json_builder_end_array(builder);
}

static void
init_build_providers(JsonBuilder *builder, const Init *init)
{
	g_autofree char *realm = g_ascii_strup(init->suffix, -1);
	init_begin_member(builder, "store");
	pv_build_string(builder, "type", "sqlite");
	init_build_path(builder, init, "path", "store.db");
	json_builder_end_object(builder);
	init_begin_member(builder, "directory");
	pv_build_string(builder, "type", "local");
	init_build_path(builder, init, "path", "directory");
	pv_build_string(builder, "realm", realm);
	json_builder_end_object(builder);
	init_begin_member(builder, "ca");
	pv_build_string(builder, "type", "local");
	init_build_path(builder, init, "path", "ca");
	if (init->ca_key != NULL)
		pv_build_string(builder, "key-type", init->ca_key);
	json_builder_end_object(builder);
}

static void
init_build_logins(JsonBuilder *builder, const Init *init)
{
	json_builder_set_member_name(builder, "provisioning-certificates");
	json_builder_begin_array(builder);
	if (init->certificate != NULL) {
		json_builder_begin_object(builder);
		pv_build_string(builder, "file", init->certificate);
		if (init->key != NULL)
			pv_build_string(builder, "key", init->key);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
	json_builder_set_member_name(builder, "credentials");
	json_builder_begin_array(builder);
	json_builder_begin_object(builder);
	pv_build_string(builder, "user", "admin");
	init_begin_member(builder, "password");
	pv_build_string(builder, "secret", INIT_SECRET);
	json_builder_end_object(builder);
	json_builder_end_object(builder);
	json_builder_end_array(builder);
}

static JsonNode *
init_build_site(const Init *init)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	init_build_plugins(builder, init);
	pv_build_string(builder, "key", "key");
	init_build_providers(builder, init);
	init_build_logins(builder, init);
	pv_build_string(builder, "dns-suffix", init->suffix);
	init_begin_member(builder, "variables");
	for (gsize i = 0; i < G_N_ELEMENTS(init_variables); i++)
		pv_build_bool(builder, init_variables[i], FALSE);
	json_builder_end_object(builder);
	json_builder_set_member_name(builder, "pipelines");
	json_builder_begin_array(builder);
	json_builder_begin_object(builder);
	pv_build_string(builder, "name", "standard");
	pv_build_string(builder, "file", "standard.json");
	json_builder_end_object(builder);
	json_builder_end_array(builder);
	pv_build_string(builder, "pipeline", "standard");
	json_builder_end_object(builder);
	return json_builder_get_root(builder);
}

static void
init_build_acl(JsonBuilder *builder)
{
	json_builder_set_member_name(builder, "entries");
	json_builder_begin_array(builder);
	json_builder_begin_object(builder);
	pv_build_string(builder, "group", INIT_GROUP);
	json_builder_set_member_name(builder, "realms");
	json_builder_begin_array(builder);
	json_builder_add_string_value(builder, "RemoteControl");
	json_builder_add_string_value(builder, "Redirection");
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	json_builder_end_array(builder);
}

/* what a computer that has it offers to its administrators; the user is asked as the firmware is set */
static void
init_build_features(JsonBuilder *builder)
{
	static const char *const on[] = { "web-ui", "sol", "ide-redirection", "ping" };
	for (gsize i = 0; i < G_N_ELEMENTS(on); i++)
		pv_build_bool(builder, on[i], TRUE);
	pv_build_string(builder, "unavailable", "skip");
}

static void
init_build_wireless(JsonBuilder *builder)
{
	pv_build_string(builder, "when", "site.wireless");
	json_builder_set_member_name(builder, "profiles");
	json_builder_begin_array(builder);
	json_builder_begin_object(builder);
	pv_build_string(builder, "name", "corp");
	pv_build_string(builder, "security", "wpa2-enterprise");
	pv_build_string(builder, "protocol", "eap-tls");
	json_builder_end_object(builder);
	json_builder_end_array(builder);
}

/* where 802.1X is asked for, no wireless profile of anybody stays behind */
static void
init_build_no_wireless(JsonBuilder *builder)
{
	pv_build_string(builder, "when", "site.wired8021x && !site.wireless");
	json_builder_set_member_name(builder, "profiles");
	json_builder_begin_array(builder);
	json_builder_end_array(builder);
}

static void
init_build_8021x(JsonBuilder *builder)
{
	pv_build_string(builder, "when", "site.wired8021x");
	pv_build_string(builder, "protocol", "eap-tls");
}

/* what the sample says of its stages, of one that is there twice in two rows; the others are as they come */
static const struct {
	const char *stage;
	void (*build)(JsonBuilder *builder);
} init_samples[] = {
	{ "wsman-acl", init_build_acl },
	{ "features", init_build_features },
	{ "ieee8021x", init_build_8021x },
	{ "wireless", init_build_wireless },
	{ "wireless", init_build_no_wireless },
};

/* @build: NULL: nothing is said of the stage */
static void
init_build_stage(
    JsonBuilder *builder, const Init *init, const char *stage, void (*build)(JsonBuilder *builder))
{
	json_builder_begin_object(builder);
	pv_build_string(builder, "stage", stage);
	if (build != NULL)
		build(builder);
	if (g_str_equal(stage, "clock") && init->unsynced)
		pv_build_string(builder, "synchronised", "ignore");
	json_builder_end_object(builder);
}

static JsonNode *
init_build_pipeline(const Init *init)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	pv_build_string(builder, "pipeline", "standard");
	json_builder_set_member_name(builder, "stages");
	json_builder_begin_array(builder);
	for (gsize i = 0; i < G_N_ELEMENTS(init_stages); i++) {
		gboolean said = FALSE;
		for (gsize k = 0; k < G_N_ELEMENTS(init_samples); k++) {
			if (!g_str_equal(init_stages[i], init_samples[k].stage))
				continue;
			init_build_stage(builder, init, init_stages[i], init_samples[k].build);
			said = TRUE;
		}
		if (!said)
			init_build_stage(builder, init, init_stages[i], NULL);
	}
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	return json_builder_get_root(builder);
}

static JsonNode *
init_build_groups(void)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "groups");
	json_builder_begin_array(builder);
	json_builder_begin_object(builder);
	pv_build_string(builder, "name", INIT_GROUP);
	json_builder_end_object(builder);
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	return json_builder_get_root(builder);
}

/* @node: (transfer full) */
static gboolean
init_write(const Init *init, const char *name, JsonNode *node, GError **error)
{
	g_autoptr(JsonNode) root = node;
	g_autofree char *json = json_to_string(root, TRUE);
	g_autofree char *text = g_strconcat(json, "\n", NULL);
	g_autofree char *path = g_build_filename(init->folder, name, NULL);
	if (g_file_set_contents_full(path, text, -1,
		G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error))
		return TRUE;
	g_prefix_error(error, "write %s: ", path);
	return FALSE;
}

static gboolean
init_make_folder(const char *path, GError **error)
{
	if (g_mkdir_with_parents(path, 0700) == 0)
		return TRUE;
	g_set_error(
	    error, PV_ERROR, PV_ERROR_FAILED, "make folder %s: %s", path, g_strerror(errno));
	return FALSE;
}

/* All that can be wrong is found before anything is written. */
static gboolean
init_check(const Init *init, GError **error)
{
	g_autofree char *file = g_build_filename(init->folder, "site.json", NULL);
	if (g_file_test(file, G_FILE_TEST_EXISTS)) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
		    "%s is there already; it was not touched", file);
		return FALSE;
	}
	g_autoptr(PvIdentity) identity = NULL;
	if (init->certificate != NULL &&
	    (identity = pv_identity_load(init->certificate, init->key, NULL, error)) == NULL)
		return FALSE;
	static const char *const installed[] = { PV_PLUGIN_DIR, NULL };
	g_autoptr(PvLoader) loader = pv_loader_new(
	    init->plugin_path != NULL ? (const char *const *)init->plugin_path : installed);
	for (gsize i = 0; i < G_N_ELEMENTS(init_providers); i++) {
		if (pv_loader_load(loader, init_providers[i], error) == NULL)
			return FALSE;
	}
	for (gsize i = 0; i < G_N_ELEMENTS(init_stages); i++) {
		if (pv_loader_load(loader, init_stages[i], error) == NULL)
			return FALSE;
	}
	return TRUE;
}

static gboolean
init_make(const Init *init, GError **error)
{
	g_autofree char *directory = g_build_filename(init->folder, "directory", NULL);
	g_autofree char *key = g_build_filename(init->folder, "key", NULL);
	/* the site's file comes last: where it is, all is */
	return init_make_folder(init->folder, error) && init_make_folder(directory, error) &&
	       (g_file_test(key, G_FILE_TEST_EXISTS) || pv_key_create(key, error)) &&
	       init_write(init, "directory/groups.json", init_build_groups(), error) &&
	       init_write(init, "standard.json", init_build_pipeline(init), error) &&
	       init_write(init, "site.json", init_build_site(init), error);
}

/* Opening the site makes store and CA, and proves that it works. */
static int
init_open(PvCli *cli, const char *file)
{
	int code = PV_EXIT_FAILURE;
	g_hash_table_insert(cli->options->options, (gpointer) "site", g_strdup(file));
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) password = pv_secret_new("admin", -1);
	if (!pv_db_put_secret(cli->site->db, "", INIT_SECRET, "current", password, &error))
		return pv_cli_fail(cli, error);
	return PV_EXIT_OK;
}

static char *
init_dup_path(const char *path)
{
	/* the key may be in a token */
	return path == NULL ? NULL : pv_token_is_uri(path) ? g_strdup(path) : g_canonicalize_filename(path, NULL);
}

static char **
init_split_path(const char *text)
{
	if (text == NULL)
		return NULL;
	char **folders = g_strsplit(text, G_SEARCHPATH_SEPARATOR_S, 0);
	for (gsize i = 0; folders[i] != NULL; i++) {
		char *absolute = g_canonicalize_filename(folders[i], NULL);
		g_free(folders[i]);
		folders[i] = absolute;
	}
	return folders;
}

static int
init_run(PvCli *cli)
{
	const char *suffix = pv_cli_get(cli, "suffix");
	if (pv_cli_get(cli, "provisioning-key") != NULL &&
	    pv_cli_get(cli, "provisioning-certificate") == NULL)
		return pv_cli_usage(cli, _("--provisioning-key needs --provisioning-certificate"));
	if (suffix != NULL && !pv_edit_check_fqdn(suffix) && !pv_edit_check_name(suffix))
		return pv_cli_usage(
		    cli, _("--suffix: a DNS domain such as corp.example.com is needed"));
	if (pv_cli_has(cli, "ca-key") &&
	    !g_strv_contains(init_ca_keys, pv_cli_get(cli, "ca-key")))
		return pv_cli_usage(cli, _("--ca-key: one of %s"), INIT_CA_KEYS);
	if (pv_cli_has(cli, "site"))
		return pv_cli_usage(
		    cli, _("the new site is DIR/site.json; --site does not go with it"));
	g_auto(Init) init = {
		.folder = init_dup_path(cli->words[0]),
		.certificate = init_dup_path(pv_cli_get(cli, "provisioning-certificate")),
		.key = init_dup_path(pv_cli_get(cli, "provisioning-key")),
		.plugin_path = init_split_path(pv_cli_get(cli, "plugin-path")),
		.suffix = suffix != NULL ? suffix : "example.com",
		.ca_key = pv_cli_get(cli, "ca-key"),
		.unsynced = init_is_clock_unsynced(),
	};
	g_autoptr(GError) error = NULL;
	if (!init_check(&init, &error) || !init_make(&init, &error))
		return pv_cli_fail(cli, error);
	g_autofree char *file = g_build_filename(init.folder, "site.json", NULL);
	int code = init_open(cli, file);
	if (code != PV_EXIT_OK)
		return code;
	pv_cli_note(cli,
	    _("wrote %s; keep a copy of the file \"key\" beside it apart from the store"), file);
	if (init.unsynced)
		pv_cli_note(cli, _("this host's clock is not synchronised, so standard.json lets "
				   "the clock stage ignore that"));
	if (init.certificate == NULL)
		pv_cli_note(cli, _("devices in set-up need a provisioning certificate: enter it in "
				   "\"provisioning-certificates\""));
	return PV_EXIT_OK;
}

static const PvOption init_options[] = {
	{ "suffix", 0, "SUFFIX", N_("DNS suffix of the devices; else example.com") },
	{ "provisioning-certificate", 0, "FILE",
	    N_("PEM or PKCS#12 with the provisioning certificate and its chain") },
	{ "provisioning-key", 0, "FILE", N_("its private key, if that is a file of its own") },
	{ "ca-key", 0, INIT_CA_KEYS,
	    N_("key of the local CA; else rsa-2048, which firmware of every generation verifies") },
	{ "plugin-path", 0, "DIR[:DIR...]", N_("where the plugins are; else the installed ones") },
	{ NULL },
};

const PvCommand pv_command_site_init = {
	.name = "site init",
	.arguments = "DIR",
	.least = 1,
	.most = 1,
	.summary = N_("Writes a small site into DIR that works as it is"),
	.text = N_("SQLite store, key, local directory, local CA and a standard pipeline; to try "
		   "things out, and to\n"
		   "begin from."),
	.options = init_options,
	.run = init_run,
};
