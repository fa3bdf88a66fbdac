/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/amt/psk.h"
#include "core/amt/setup-bin.h"
#include "core/cli/ask.h"
#include "core/cli/commands.h"
#include "core/engine/job.h"

#include <glib/gi18n.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <provost/file.h>
#include <string.h>

#define SETUP_BIN_FACTORY "admin" /* MEBx password of a new computer */
#define SETUP_BIN_PASSWORD_LENGTH 16
#define SETUP_BIN_MAX_BYTES ((PV_SETUP_BIN_MAX_RECORDS + 1u) * PV_SETUP_BIN_CHUNK)
#define SETUP_BIN_MAX_PEM (1u << 20)
#define SETUP_BIN_MASK "(secret)"

/* what is asked for on the command line */
typedef struct {
	const char *file;
	guint version;
	guint records;
	gboolean psk, keep, scrambled;
	PvSetupBinRecord *common; /* entries that all records have; owned by the next */
	PvSetupBin *template;     /* owned */
	GPtrArray *pids;          /* of char*, owned */
	GPtrArray *keys;          /* of PvSecret, owned, in the same order */
	const char *new_name;     /* name of the secret that was generated; NULL: none */
	PvSecret *new_value;      /* owned */
} Create;

static void
create_clear(Create *create)
{
	pv_setup_bin_free(create->template);
	g_clear_pointer(&create->pids, g_ptr_array_unref);
	g_clear_pointer(&create->keys, g_ptr_array_unref);
	pv_secret_unref(create->new_value);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Create, create_clear)

/* ---- values ---- */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)

/* the name by which MEBx lists the hash */
static char *
create_dup_hash_name(X509 *root)
{
	char name[33] = "";
	if (X509_NAME_get_text_by_NID(X509_get_subject_name(root), NID_commonName, name, sizeof name) <= 0)
		g_strlcpy(name, "root", sizeof name);
	for (char *at = name; *at != '\0'; at++)
		if (!g_ascii_isprint(*at))
			*at = '?';
	return g_strdup(name);
}

/* SHA-1 is all that the firmware of the older versions knows; the newer one takes the better */
static gboolean
create_add_hash(Create *create, const PvSetupBinVariable *variable, const char *path, GError **error)
{
	gsize length = 0;
	g_autofree char *text = pv_cli_read_file(path, SETUP_BIN_MAX_PEM, &length, error);
	if (text == NULL)
		return FALSE;
	g_autoptr(BIO) bio = BIO_new_mem_buf(text, (int)length);
	g_autoptr(X509) root = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	ERR_clear_error();
	gboolean self = root != NULL && X509_check_issued(root, root) == X509_V_OK;
	ERR_clear_error();
	if (!self) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read %s: %s", path,
		    root == NULL ? "there is no certificate in PEM in it"
				 : "its first certificate is no root: firmware wants the hash of the root");
		return FALSE;
	}
	gboolean old = create->version < PV_SETUP_BIN_3;
	guchar hash[EVP_MAX_MD_SIZE];
	guint hash_bytes = 0;
	if (X509_digest(root, old ? EVP_sha1() : EVP_sha256(), hash, &hash_bytes) != 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "hash %s: the crypto library failed", path);
		return FALSE;
	}
	g_autofree char *name = create_dup_hash_name(root);
	const guint8 algorithm = old ? 1 : 2, name_bytes = (guint8)strlen(name);
	g_autoptr(GByteArray) value = g_byte_array_new();
	g_byte_array_append(value, &algorithm, 1);
	g_byte_array_append(value, hash, hash_bytes);
	g_byte_array_append(value, &name_bytes, 1);
	g_byte_array_append(value, (const guint8 *)name, name_bytes);
	pv_setup_bin_add(create->common, variable, value->data, value->len);
	return TRUE;
}

static gboolean
create_needs_site(const char *reference)
{
	return g_str_has_prefix(reference, "secret:") || g_str_has_prefix(reference, "new:");
}

/* "new:NAME": made here, and sealed when all else is right */
static PvSecret *
create_new_secret(PvCli *cli, Create *create, const char *name, GError **error)
{
	if (create->new_name != NULL || pv_db_has_secret(cli->site->db, "", name, "current")) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "make secret \"%s\": the site has it already; take it with secret:%s, or another name",
		    name, name);
		return NULL;
	}
	create->new_value = pv_password_new(SETUP_BIN_PASSWORD_LENGTH, error);
	if (create->new_value == NULL)
		return NULL;
	create->new_name = name;
	return pv_secret_ref(create->new_value);
}

/* @reference: "ask", "file:PATH", "secret:NAME", "new:NAME"; it was looked at before, and the site is open if need be */
static PvSecret *
create_resolve(PvCli *cli, Create *create, const PvSetupBinVariable *variable, const char *reference,
    GError **error)
{
	const char *rest = strchr(reference, ':');
	if (g_str_has_prefix(reference, "file:"))
		return pv_ask_secret(rest + 1, NULL, FALSE, error);
	if (g_str_has_prefix(reference, "secret:"))
		return pv_db_dup_secret(cli->site->db, "", rest + 1, "current", error);
	if (g_str_has_prefix(reference, "new:"))
		return create_new_secret(cli, create, rest + 1, error);
	g_autofree char *prompt = g_strdup_printf("%s: ", variable->name);
	return pv_ask_secret(NULL, prompt, TRUE, error);
}

static gboolean
create_add_secret(PvCli *cli, Create *create, const char *name, const char *reference, GError **error)
{
	const PvSetupBinVariable *variable = pv_setup_bin_find_name(name);
	g_autoptr(PvSecret) value = create_resolve(cli, create, variable, reference, error);
	if (value == NULL) {
		g_prefix_error(error, "%s: ", name);
		return FALSE;
	}
	gsize length = 0;
	const char *bytes = pv_secret_peek(value, &length);
	pv_setup_bin_add(create->common, variable, bytes, length);
	return TRUE;
}

static gboolean
create_add_word(PvCli *cli, Create *create, const char *word, GError **error)
{
	const char *sign = strchr(word, '=');
	g_autofree char *name = g_strndup(word, (gsize)(sign - word));
	const PvSetupBinVariable *variable = pv_setup_bin_find_name(name);
	if (variable->secret)
		return create_add_secret(cli, create, name, sign + 1, error);
	if (variable->kind == PV_SETUP_BIN_HASH)
		return create_add_hash(create, variable, sign + 1, error);
	g_autoptr(GBytes) value = pv_setup_bin_value_parse(variable, sign + 1, error);
	if (value == NULL)
		return FALSE;
	gsize length = 0;
	gconstpointer bytes = g_bytes_get_data(value, &length);
	pv_setup_bin_add(create->common, variable, bytes, length);
	return TRUE;
}

static gboolean
create_has(const Create *create, const char *name)
{
	const PvSetupBinVariable *variable = pv_setup_bin_find_name(name);
	for (guint i = 0; i < create->common->entries->len; i++) {
		const PvSetupBinEntry *entry = create->common->entries->pdata[i];
		if (entry->module == variable->module && entry->variable == variable->variable)
			return TRUE;
	}
	return FALSE;
}

/* what every record has to have, where it was not given */
static gboolean
create_add_defaults(PvCli *cli, Create *create, GError **error)
{
	static const guint8 on = 1;
	if (!create_has(create, "current-password"))
		pv_setup_bin_add(create->common, pv_setup_bin_find_name("current-password"), SETUP_BIN_FACTORY,
		    strlen(SETUP_BIN_FACTORY));
	if (!create_has(create, "new-password") &&
	    !create_add_secret(cli, create, "new-password", "ask", error))
		return FALSE;
	if (create_has(create, "user-hash") && !create_has(create, "user-hashes"))
		pv_setup_bin_add(create->common, pv_setup_bin_find_name("user-hashes"), &on, 1);
	return TRUE;
}

/* ---- the command line ---- */

/* FALSE after it said what is wrong. The value is not repeated: it may be a password that somebody typed. */
static gboolean
create_check_word(PvCli *cli, const char *word)
{
	const char *sign = strchr(word, '=');
	g_autofree char *name = g_strndup(word, sign != NULL ? (gsize)(sign - word) : strlen(word));
	const PvSetupBinVariable *variable = pv_setup_bin_find_name(name);
	if (sign == NULL || variable == NULL) {
		pv_cli_usage(cli, _("NAME=VALUE: \"%s\" is no setting; \"provost help setup-bin create\" has them all"),
		    name);
		return FALSE;
	}
	if (g_str_equal(name, "pid") || g_str_equal(name, "pps")) {
		pv_cli_usage(cli, _("%s: --psk makes PID and PPS, a pair for each record"), name);
		return FALSE;
	}
	static const char *const references[] = { "file:", "secret:", "new:", NULL };
	gboolean reference = g_str_equal(sign + 1, "ask");
	for (gsize i = 0; references[i] != NULL; i++)
		reference = reference || (g_str_has_prefix(sign + 1, references[i]) &&
					     sign[1 + strlen(references[i])] != '\0');
	if (variable->secret && !reference) {
		pv_cli_usage(cli, _("%s: ask, file:PATH, secret:NAME or new:NAME is needed; a secret never stands "
				    "on the command line"), name);
		return FALSE;
	}
	if (variable->secret && g_str_has_prefix(sign + 1, "new:"))
		return pv_ask_check_name(cli, sign + 1 + strlen("new:"));
	return TRUE;
}

static gboolean
create_parse(PvCli *cli, Create *create)
{
	const char *format = pv_cli_get(cli, "format");
	create->file = cli->words[0];
	create->version = pv_setup_bin_version_parse(format != NULL ? format : "4");
	if (create->version == 0) {
		pv_cli_usage(cli, _("--format: one of 1, 2, 2.1, 3 and 4 is needed"));
		return FALSE;
	}
	create->psk = pv_cli_has(cli, "psk") || create->version == PV_SETUP_BIN_1;
	create->keep = pv_cli_has(cli, "keep");
	create->scrambled = pv_cli_has(cli, "scramble");
	if (!pv_cli_get_uint(cli, "records", 1, PV_SETUP_BIN_MAX_RECORDS, 1, &create->records))
		return FALSE;
	if (create->records > 1 && !create->psk) {
		pv_cli_usage(cli, _("--records: several are of use only with --psk; else one serves all, with --keep"));
		return FALSE;
	}
	if (create->keep && create->psk) {
		pv_cli_usage(cli, _("--keep: with a pair of its own each record serves one computer"));
		return FALSE;
	}
	for (guint i = 1; i < cli->word_count; i++)
		if (!create_check_word(cli, cli->words[i]))
			return FALSE;
	create->template = pv_setup_bin_new(create->version);
	create->common = pv_setup_bin_add_record(create->template);
	create->pids = g_ptr_array_new_with_free_func(g_free);
	create->keys = g_ptr_array_new_with_free_func((GDestroyNotify)pv_secret_unref);
	return TRUE;
}

/* ---- the file ---- */

static gboolean
create_add_pair(Create *create, PvSetupBinRecord *record, GError **error)
{
	char *pid = NULL;
	PvSecret *pps = NULL;
	if (!pv_psk_new(&pid, &pps, error))
		return FALSE;
	g_ptr_array_add(create->pids, pid);
	g_ptr_array_add(create->keys, pps);
	pv_setup_bin_add(record, pv_setup_bin_find_name("pid"), pid, strlen(pid));
	pv_setup_bin_add(record, pv_setup_bin_find_name("pps"), pv_secret_peek(pps, NULL), PV_PSK_PPS_LENGTH);
	return TRUE;
}

static PvSetupBin *
create_build(Create *create, GError **error)
{
	g_autoptr(PvSetupBin) bin = pv_setup_bin_new(create->version);
	bin->keep = create->keep;
	for (guint i = 0; i < create->records; i++) {
		PvSetupBinRecord *record = pv_setup_bin_add_record(bin);
		record->scrambled = create->scrambled;
		for (guint j = 0; j < create->common->entries->len; j++) {
			const PvSetupBinEntry *entry = create->common->entries->pdata[j];
			pv_setup_bin_add(record, pv_setup_bin_find(entry->module, entry->variable), entry->value,
			    entry->length);
		}
		if (create->psk && !create_add_pair(create, record, error))
			return NULL;
	}
	return g_steal_pointer(&bin);
}

/* Before the file is there: no stick goes out with something that nobody knows. */
static gboolean
create_seal(PvCli *cli, const Create *create, GError **error)
{
	if (cli->site == NULL)
		return TRUE;
	if (create->new_name != NULL && !pv_db_put_secret(cli->site->db, "", create->new_name, "current",
					    create->new_value, error))
		return FALSE;
	for (guint i = 0; i < create->pids->len; i++) {
		g_autofree char *name = pv_psk_dup_secret_name(create->pids->pdata[i]);
		if (!pv_db_put_secret(cli->site->db, "", name, "current", create->keys->pdata[i], error))
			return FALSE;
	}
	return pv_db_audit(cli->site->db, "setup-bin-create", create->file, error,
	    "%u records, version %s%s", create->records, pv_setup_bin_version_to_string(create->version),
	    create->psk ? ", with PID and PPS" : "");
}

static gboolean
create_write(PvCli *cli, Create *create, GError **error)
{
	g_autoptr(PvSetupBin) bin = create_build(create, error);
	GByteArray *bytes = bin != NULL ? pv_setup_bin_write(bin, error) : NULL;
	if (bytes == NULL)
		return FALSE;
	gboolean good = create_seal(cli, create, error) &&
			pv_file_replace(create->file, bytes->data, bytes->len, 0600, error);
	OPENSSL_cleanse(bytes->data, bytes->len);
	g_byte_array_unref(bytes);
	return good;
}

static void
create_tell(PvCli *cli, const Create *create)
{
	g_autofree char *base = g_path_get_basename(create->file);
	pv_cli_note(cli, _("wrote %s: %u record(s) of version %s"), create->file, create->records,
	    pv_setup_bin_version_to_string(create->version));
	pv_cli_note(cli, create->psk
		? _("whoever finds the stick can read the MEBx passwords and the PPS of every record that is "
		    "not used up, and set up a computer in your name with them: keep it locked away, and erase "
		    "it afterwards")
		: _("whoever finds the stick can read the MEBx passwords in it: keep it locked away, and erase "
		    "it afterwards"));
	if (!g_str_equal(base, "setup.bin"))
		pv_cli_note(cli, _("on the stick it must be called setup.bin and be the first file, in the root folder of "
				   "a FAT16 file system"));
}

static int
setup_bin_create_run(PvCli *cli)
{
	g_auto(Create) create = { 0 };
	if (!create_parse(cli, &create))
		return PV_EXIT_USAGE;
	if (!pv_cli_has(cli, "force") && g_file_test(create.file, G_FILE_TEST_EXISTS)) {
		pv_cli_warn(cli, _("%s is there already; --force replaces it"), create.file);
		return PV_EXIT_FAILURE;
	}
	gboolean site = create.psk;
	for (guint i = 1; i < cli->word_count; i++)
		site = site || create_needs_site(strchr(cli->words[i], '=') + 1);
	int code = PV_EXIT_FAILURE;
	if (site && !pv_cli_open_site(cli, 0, &code))
		return code;
	g_autoptr(GError) error = NULL;
	for (guint i = 1; i < cli->word_count; i++)
		if (!create_add_word(cli, &create, cli->words[i], &error))
			return pv_cli_fail(cli, error);
	if (!create_add_defaults(cli, &create, &error) || !create_write(cli, &create, &error))
		return pv_cli_fail(cli, error);
	create_tell(cli, &create);
	return PV_EXIT_OK;
}

static const PvOption setup_bin_create_options[] = {
	{ "format", 0, "1|2|2.1|3|4", N_("version of the file's format; else 4") },
	{ "psk", 0, NULL, N_("a new PID and PPS in each record; version 1 always has them") },
	{ "records", 0, "N", N_("so many records, one for each computer; else 1") },
	{ "keep", 0, NULL, N_("computers do not use the record up: one stick serves all") },
	{ "scramble", 0, NULL, N_("make the values unreadable at first sight; that protects nothing") },
	{ "force", 0, NULL, N_("replace FILE if it is there") },
	{ NULL },
};

const PvCommand pv_command_setup_bin_create = {
	.name = "setup-bin create",
	.arguments = "FILE [NAME=VALUE...]",
	.least = 1,
	.most = G_MAXUINT,
	.summary = N_("Writes a setup.bin, by which a stick sets computers up"),
	.text = N_("current-password (else the factory's, \"admin\"), new-password (else asked for) and\n"
		   "enrolment-passcode are given as ask, file:PATH, secret:NAME (of the site) or new:NAME, which\n"
		   "makes one and seals it. user-hash=FILE takes a root certificate in PEM. Other settings:\n"
		   "manageability local-update update-qualifier power-package dns-suffix server-fqdn\n"
		   "remote-configuration preinstalled-hashes user-hashes redirection host-name domain dhcp\n"
		   "secure-update ito mode server-address server-port static-ipv4 vlan password-policy ipv6\n"
		   "shared-fqdn ddns kvm consent remote-consent activate manual-setup support-channel\n"
		   "support-description service-account service-type service-provider. A wrong value says what\n"
		   "is needed. PIDs and PPSs are sealed in the site's store, where their hello finds them."),
	.options = setup_bin_create_options,
	.run = setup_bin_create_run,
};

/* ---- show ---- */

static PvSetupBin *
setup_bin_load(const char *path, GError **error)
{
	gsize length = 0;
	char *data = pv_cli_read_file(path, SETUP_BIN_MAX_BYTES, &length, error);
	if (data == NULL)
		return NULL;
	PvSetupBin *bin = pv_setup_bin_parse((const guint8 *)data, length, error);
	explicit_bzero(data, length);
	g_free(data);
	if (bin == NULL)
		g_prefix_error(error, "%s: ", path);
	return bin;
}

/* (transfer full) */
static char *
show_dup_name(const PvSetupBinEntry *entry, const PvSetupBinVariable *variable)
{
	return variable != NULL ? g_strdup(variable->name)
				: g_strdup_printf("%u/%u", entry->module, entry->variable);
}

/* what is not known may be a secret, too. (transfer full) */
static char *
show_dup_value(const PvSetupBinEntry *entry, const PvSetupBinVariable *variable, gboolean reveal)
{
	if (!reveal && (variable == NULL || variable->secret))
		return g_strdup(SETUP_BIN_MASK);
	return pv_setup_bin_value_to_string(variable, entry);
}

static void
show_print_json(PvCli *cli, const PvSetupBin *bin, gboolean reveal, const char *problem)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	pv_build_string(builder, "version", pv_setup_bin_version_to_string(bin->version));
	pv_build_bool(builder, "keep", bin->keep);
	pv_build_int(builder, "consumed", bin->consumed);
	pv_build_string(builder, "problem", problem);
	json_builder_set_member_name(builder, "records");
	json_builder_begin_array(builder);
	for (guint i = 0; i < bin->records->len; i++) {
		const PvSetupBinRecord *record = bin->records->pdata[i];
		json_builder_begin_object(builder);
		pv_build_int(builder, "number", record->number);
		pv_build_bool(builder, "valid", record->valid);
		pv_build_bool(builder, "scrambled", record->scrambled);
		json_builder_set_member_name(builder, "entries");
		json_builder_begin_array(builder);
		for (guint j = 0; j < record->entries->len; j++) {
			const PvSetupBinEntry *entry = record->entries->pdata[j];
			const PvSetupBinVariable *variable = pv_setup_bin_find(entry->module, entry->variable);
			g_autofree char *name = show_dup_name(entry, variable);
			g_autofree char *value = show_dup_value(entry, variable, reveal);
			json_builder_begin_object(builder);
			pv_build_int(builder, "module", entry->module);
			pv_build_int(builder, "variable", entry->variable);
			pv_build_string(builder, "name", name);
			pv_build_string(builder, "value", value);
			json_builder_end_object(builder);
			explicit_bzero(value, strlen(value));
		}
		json_builder_end_array(builder);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	pv_cli_print_json(cli, builder, FALSE);
}

static void
show_print_table(PvCli *cli, const PvSetupBin *bin, gboolean reveal)
{
	g_autofree char *head = g_strdup_printf(_("version %s, %u record(s), %u used up%s\n"),
	    pv_setup_bin_version_to_string(bin->version), bin->records->len, bin->consumed,
	    bin->keep ? _("; computers do not use them up") : "");
	pv_cli_print(cli, head);
	const char *const titles[] = { _("RECORD"), _("STATE"), _("SETTING"), _("VALUE"), NULL };
	g_autoptr(PvTable) table = pv_table_new(titles);
	for (guint i = 0; i < bin->records->len; i++) {
		const PvSetupBinRecord *record = bin->records->pdata[i];
		g_autofree char *number = g_strdup_printf("%u", record->number);
		const char *state = !record->valid ? _("used up") : record->scrambled ? _("scrambled") : _("valid");
		if (record->entries->len == 0)
			pv_table_add(table, number, state, "", "");
		for (guint j = 0; j < record->entries->len; j++) {
			const PvSetupBinEntry *entry = record->entries->pdata[j];
			const PvSetupBinVariable *variable = pv_setup_bin_find(entry->module, entry->variable);
			g_autofree char *name = show_dup_name(entry, variable);
			g_autofree char *value = show_dup_value(entry, variable, reveal);
			pv_table_add(table, j == 0 ? number : "", j == 0 ? state : "", name, value);
			explicit_bzero(value, strlen(value));
		}
	}
	pv_cli_print_table(cli, table);
}

static int
setup_bin_show_run(PvCli *cli)
{
	gboolean reveal = pv_cli_has(cli, "reveal");
	int code = PV_EXIT_FAILURE;
	if (reveal && !pv_cli_open_site(cli, 0, &code))
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSetupBin) bin = setup_bin_load(cli->words[0], &error);
	if (bin == NULL)
		return pv_cli_fail(cli, error);
	/* first the entry, then the values: nobody reads them unseen */
	if (reveal && !pv_db_audit(cli->site->db, "secret-reveal", cli->words[0], &error,
			  "secrets of a setup.bin shown in clear"))
		return pv_cli_fail(cli, error);
	g_autoptr(GError) problem = NULL;
	gboolean good = pv_setup_bin_check(bin, &problem);
	if (cli->json)
		show_print_json(cli, bin, reveal, good ? NULL : problem->message);
	else
		show_print_table(cli, bin, reveal);
	if (!good)
		pv_cli_warn(cli, _("firmware may not take it: %s"), problem->message);
	return PV_EXIT_OK;
}

static const PvOption setup_bin_show_options[] = {
	{ "reveal", 0, NULL, N_("show the secrets in clear and audit that") },
	{ NULL },
};

const PvCommand pv_command_setup_bin_show = {
	.name = "setup-bin show",
	.arguments = "FILE",
	.least = 1,
	.most = 1,
	.summary = N_("Shows what a setup.bin holds, without its secrets"),
	.options = setup_bin_show_options,
	.run = setup_bin_show_run,
};

/* ---- psk import ---- */

/* the value of a text setting of a record. (transfer full); NULL: none */
static PvSecret *
import_find(const PvSetupBinRecord *record, const char *name)
{
	const PvSetupBinVariable *variable = pv_setup_bin_find_name(name);
	for (guint i = 0; i < record->entries->len; i++) {
		const PvSetupBinEntry *entry = record->entries->pdata[i];
		if (entry->module == variable->module && entry->variable == variable->variable)
			return pv_secret_new(entry->value, entry->length);
	}
	return NULL;
}

static gboolean
import_record(PvCli *cli, const PvSetupBinRecord *record, guint *count, GError **error)
{
	g_autoptr(PvSecret) name = import_find(record, "pid");
	g_autoptr(PvSecret) text = import_find(record, "pps");
	if (name == NULL || text == NULL)
		return TRUE;
	g_autofree char *pid = pv_psk_parse_pid(pv_secret_peek(name, NULL), error);
	g_autoptr(PvSecret) pps = pid != NULL ? pv_psk_parse_pps(text, error) : NULL;
	if (pps == NULL) {
		g_prefix_error(error, "record %u: ", record->number);
		return FALSE;
	}
	g_autofree char *secret = pv_psk_dup_secret_name(pid);
	if (!pv_db_put_secret(cli->site->db, "", secret, "current", pps, error))
		return FALSE;
	*count += 1;
	return TRUE;
}

static int
psk_import_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	if (!pv_cli_open_site(cli, 0, &code))
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSetupBin) bin = setup_bin_load(cli->words[0], &error);
	if (bin == NULL)
		return pv_cli_fail(cli, error);
	guint count = 0;
	for (guint i = 0; i < bin->records->len; i++)
		if (!import_record(cli, bin->records->pdata[i], &count, &error))
			return pv_cli_fail(cli, error);
	if (count == 0) {
		pv_cli_warn(cli, _("%s: there is no PID with a PPS in it"), cli->words[0]);
		return PV_EXIT_FAILURE;
	}
	pv_cli_note(cli, _("sealed the PPS of %u PID(s)"), count);
	return PV_EXIT_OK;
}

const PvCommand pv_command_psk_import = {
	.name = "psk import",
	.arguments = "FILE",
	.least = 1,
	.most = 1,
	.summary = N_("Seals the PIDs and PPSs of a setup.bin"),
	.text = N_("For sticks that the vendor or another program made. What is used up counts too: then the computer\n"
		   "has it."),
	.run = psk_import_run,
};
