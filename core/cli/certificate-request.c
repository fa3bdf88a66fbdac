/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/amt/provcert.h"
#include "core/cli/ask.h"
#include "core/cli/certificate.h"
#include "core/cli/commands.h"
#include "core/cli/edit.h"
#include "core/engine/provisioning.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <provost/error.h>
#include <provost/file.h>
#include <provost/pki.h>
#include <provost/token.h>
#include <string.h>

#define CERTIFICATE_MAX_COOKIE 65536
#define CERTIFICATE_MAX_REQUEST 65536

char *
pv_certificate_dup_path(PvCli *cli, const char *name, const char *extension)
{
	g_autofree char *folder = g_path_get_dirname(cli->site->file);
	g_autofree char *file = g_strconcat(name, extension, NULL);
	return g_build_filename(folder, "provisioning", file, NULL);
}

char *
pv_certificate_dup_option(PvCli *cli, const char *option, const char *name, const char *extension)
{
	const char *given = pv_cli_get(cli, option);
	return given != NULL ? g_strdup(given) : pv_certificate_dup_path(cli, name, extension);
}

PvSecret *
pv_certificate_dup_password(PvCli *cli, gboolean ask, GError **error)
{
	const char *file = pv_cli_get(cli, "password-file");
	return file != NULL || ask ? pv_ask_secret(file, _("PIN: "), FALSE, error) : NULL;
}

/* the folder that a file is to be in */
static gboolean
certificate_make_folder(const char *path, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(path);
	if (g_mkdir_with_parents(folder, 0700) == 0)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "make folder %s: %s", folder, g_strerror(errno));
	return FALSE;
}

/* ---- install ---- */

gboolean
pv_certificate_install(PvCli *cli, const char *name, GPtrArray *certificates, gpointer key,
    const char *key_uri, char **out, GError **error)
{
	g_autoptr(PvIdentity) identity = pv_provisioning_assemble(name, certificates, key, error);
	/* what an unknown device will ask; its root hashes are looked at when it has told them */
	const PvProvisioningDevice any = { .suffix = cli->site->dns_suffix };
	if (identity == NULL || !pv_provisioning_check(identity, &any, error))
		return FALSE;
	X509 *leaf = sk_X509_value(pv_identity_get_chain(identity), 0);
	g_autofree char *common = pv_provisioning_dup_common_name(leaf);
	/* it comes from outside, and becomes the name of a file */
	if (!pv_cli_has(cli, "out") && (common == NULL || !pv_edit_check_fqdn(common))) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "install %s: its common name is no host name: say with --out where it is to go", name);
		return FALSE;
	}
	g_autofree char *path = pv_certificate_dup_option(cli, "out", common, ".pem");
	g_autofree char *fingerprint = pv_tls_dup_fingerprint(leaf);
	if (!certificate_make_folder(path, error) ||
	    !pv_db_audit(cli->site->db, "certificate-install", path, error, "SHA-256 %s, from %s", fingerprint, name) ||
	    !pv_provisioning_write(identity, path, key_uri == NULL, error))
		return FALSE;
	*out = g_steal_pointer(&path);
	return TRUE;
}

static gboolean
certificate_is_configured(PvCli *cli, const char *path)
{
	const PvValues *values = cli->site->values;
	g_autofree char *folder = g_path_get_dirname(cli->site->file);
	g_autofree char *wanted = g_canonicalize_filename(path, NULL);
	for (guint i = 0; i < pv_values_get_count(values, "provisioning-certificates"); i++) {
		const PvValues *entry = pv_values_get_object(values, "provisioning-certificates", i);
		g_autofree char *file = g_canonicalize_filename(pv_values_get_string(entry, "file"), folder);
		if (g_str_equal(file, wanted))
			return TRUE;
	}
	return FALSE;
}

void
pv_certificate_print_installed(PvCli *cli, const char *path, const char *key_uri)
{
	gboolean configured = certificate_is_configured(cli, path);
	if (cli->json) {
		g_autoptr(JsonBuilder) builder = json_builder_new();
		json_builder_begin_object(builder);
		pv_build_string(builder, "outcome", "installed");
		pv_build_string(builder, "file", path);
		pv_build_string(builder, "key", key_uri);
		pv_build_bool(builder, "configured", configured);
		json_builder_end_object(builder);
		pv_cli_print_json(cli, builder, FALSE);
		return;
	}
	g_autofree char *text = configured
	    ? g_strdup_printf(_("installed %s; start provostd again to have it used\n"), path)
	    : g_strdup_printf(_("installed %s\nIn %s add to \"provisioning-certificates\": { \"file\": \"%s\"%s%s%s }\n"),
		  path, cli->site->file, path, key_uri != NULL ? ", \"key\": \"" : "",
		  key_uri != NULL ? key_uri : "", key_uri != NULL ? "\", \"password\": { \"secret\": ... }" : "");
	pv_cli_print(cli, text);
}

/* The answer and what --chain adds. NULL after error */
static GPtrArray *
certificate_load_answer(PvCli *cli, const char *file, GError **error)
{
	const char *chain = pv_cli_get(cli, "chain");
	g_autoptr(GPtrArray) list = pv_pki_load_certificates(file, error);
	if (list == NULL || chain == NULL)
		return g_steal_pointer(&list);
	g_autoptr(GPtrArray) more = pv_pki_load_certificates(chain, error);
	if (more == NULL)
		return NULL;
	for (guint i = 0; i < more->len; i++)
		g_ptr_array_add(list, g_bytes_ref(more->pdata[i]));
	return g_steal_pointer(&list);
}

/* the key of a request in the site's folder that fits one of the certificates; NULL: none. (transfer full) */
static char *
certificate_find_key(PvCli *cli, GPtrArray *certificates)
{
	g_autofree char *site = g_path_get_dirname(cli->site->file);
	g_autofree char *folder = g_build_filename(site, "provisioning", NULL);
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;
	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		if (!g_str_has_suffix(name, ".key"))
			continue;
		g_autofree char *path = g_build_filename(folder, name, NULL);
		g_autoptr(EVP_PKEY) key = pv_tls_load_key(path, NULL, NULL);
		gboolean found = FALSE;
		for (guint i = 0; key != NULL && !found && i < certificates->len; i++) {
			gsize length = 0;
			const guchar *der = g_bytes_get_data(certificates->pdata[i], &length);
			X509 *certificate = d2i_X509(NULL, &der, (long)length);
			EVP_PKEY *public_key = certificate != NULL ? X509_get0_pubkey(certificate) : NULL;
			found = public_key != NULL && EVP_PKEY_eq(public_key, key) == 1;
			X509_free(certificate);
		}
		ERR_clear_error();
		if (found)
			return g_steal_pointer(&path);
	}
	return NULL;
}

/* The request is answered: its key is in the installed file now, and what is left of it is in the way of the next one. */
static void
certificate_forget_request(const char *key_path)
{
	g_autofree char *base = g_strndup(key_path, strlen(key_path) - strlen(".key"));
	static const char *const extensions[] = { ".key", ".csr", ".pending" };
	for (gsize i = 0; i < G_N_ELEMENTS(extensions); i++) {
		g_autofree char *path = g_strconcat(base, extensions[i], NULL);
		(void)g_unlink(path); /* what stays is found by the next request, which says so */
	}
}

static int
certificate_install_run(PvCli *cli)
{
	int code = PV_EXIT_FAILURE;
	const char *file = cli->words[0], *given = pv_cli_get(cli, "key");
	if (!pv_cli_open_site(cli, PV_SITE_NO_CERTIFICATES, &code))
		return code;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) certificates = certificate_load_answer(cli, file, &error);
	if (certificates == NULL)
		return pv_cli_fail(cli, error);
	g_autofree char *found = given == NULL ? certificate_find_key(cli, certificates) : NULL;
	if (given == NULL && found == NULL) {
		pv_cli_warn(cli, _("install %s: no request of this site has its key: name it with --key"), file);
		return PV_EXIT_FAILURE;
	}
	const char *key_path = given != NULL ? given : found;
	gboolean token = pv_token_is_uri(key_path);
	g_autoptr(PvSecret) password = pv_certificate_dup_password(cli, token, &error);
	g_autoptr(EVP_PKEY) key = error == NULL ? pv_tls_load_key(key_path, password, &error) : NULL;
	g_autofree char *out = NULL;
	if (key == NULL ||
	    !pv_certificate_install(cli, file, certificates, key, token ? key_path : NULL, &out, &error))
		return pv_cli_fail(cli, error);
	if (found != NULL)
		certificate_forget_request(found);
	pv_certificate_print_installed(cli, out, token ? key_path : NULL);
	return PV_EXIT_OK;
}

static const PvOption certificate_install_options[] = {
	{ "key", 0, "FILE", N_("PEM file or PKCS#11 URI of the key; else that of the request in the site's folder") },
	{ "password-file", 0, "FILE", N_("password of the key, or the PIN") },
	{ "chain", 0, "FILE", N_("the CA's certificates, where they are not in FILE") },
	{ "out", 0, "FILE", N_("where to write it; else the site's folder provisioning") },
	{ NULL },
};

const PvCommand pv_command_certificate_install = {
	.name = "certificate install",
	.arguments = "FILE",
	.least = 1,
	.most = 1,
	.summary = N_("Installs the provisioning certificate that a CA has issued"),
	.text = N_("FILE is what the CA sent: PEM, DER or PKCS#7. Key, chain, dates, purpose and name are checked\n"
		   "before anything is written, in one step; a root that the CA left out is taken from the system's."),
	.options = certificate_install_options,
	.run = certificate_install_run,
};

/* ---- request ---- */

/* what one request is about */
typedef struct {
	const char *fqdn;
	char *key_path, *csr_path, *pending_path; /* owned; key_path may be a URI */
	gboolean token;
	guint form, bits;
} Request;

static void
request_clear(Request *request)
{
	g_free(request->key_path);
	g_free(request->csr_path);
	g_free(request->pending_path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Request, request_clear)

static gboolean
request_write(const char *path, const void *data, gssize length, guint mode, GError **error)
{
	return certificate_make_folder(path, error) && pv_file_replace(path, data, length, mode, error);
}

/* A key of its own, or the token's. */
static EVP_PKEY *
request_make_key(PvCli *cli, const Request *request, GError **error)
{
	if (request->token) {
		g_autoptr(PvSecret) pin = pv_certificate_dup_password(cli, TRUE, error);
		return pin != NULL ? pv_tls_load_key(request->key_path, pin, error) : NULL;
	}
	if (g_file_test(request->key_path, G_FILE_TEST_EXISTS) && !pv_cli_has(cli, "force")) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s is the key of a request that is not answered yet: install the answer, or say --force to "
		    "throw the key away",
		    request->key_path);
		return NULL;
	}
	g_autoptr(EVP_PKEY) key = pv_provisioning_new_key(request->bits, error);
	g_autoptr(PvSecret) pem = key != NULL ? pv_provisioning_dup_key(key, error) : NULL;
	gsize length = 0;
	const char *text = pem != NULL ? pv_secret_peek(pem, &length) : NULL;
	if (text == NULL || !request_write(request->key_path, text, (gssize)length, 0600, error))
		return NULL;
	return g_steal_pointer(&key);
}

static void
request_print(PvCli *cli, const Request *request, const char *outcome, const char *sha256, const char *text)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_object(builder);
	pv_build_string(builder, "outcome", outcome);
	pv_build_string(builder, "request", request->csr_path);
	pv_build_string(builder, "sha256", sha256);
	pv_build_string(builder, "key", request->key_path);
	pv_build_string(builder, "text", text);
	json_builder_end_object(builder);
	if (cli->json) {
		pv_cli_print_json(cli, builder, FALSE);
		return;
	}
	g_autofree char *line = g_strdup_printf("%s: %s\n", outcome, text);
	pv_cli_print(cli, line);
}

/* to a file, for a CA that is asked by people */
static int
request_to_file(PvCli *cli, const Request *request)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(EVP_PKEY) key = request_make_key(cli, request, &error);
	g_autoptr(GBytes) pem = key == NULL ? NULL
					    : pv_provisioning_new_request(key, request->fqdn,
						  pv_cli_get(cli, "organisation"), request->form, &error);
	if (pem == NULL)
		return pv_cli_fail(cli, error);
	g_autofree char *sha256 = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, pem);
	gsize length = 0;
	const char *data = g_bytes_get_data(pem, &length);
	if (!request_write(request->csr_path, data, (gssize)length, 0644, &error) ||
	    !pv_db_audit(cli->site->db, "certificate-request", request->csr_path, &error, "SHA-256 %s for %s",
		sha256, request->fqdn))
		return pv_cli_fail(cli, error);
	g_autofree char *text = g_strdup_printf(
	    _("%s\nSHA-256 of the file: %s\nThe key stays in %s. Send the request to a CA whose root is in the firmware, and "
	      "install\nwhat it sends with \"provost certificate install FILE\"."),
	    request->csr_path, sha256, request->key_path);
	request_print(cli, request, "written", sha256, text);
	return PV_EXIT_OK;
}

/* The cookie of a request that the site's CA has not decided about; NULL: there is none. */
static char *
request_load_cookie(const Request *request)
{
	gsize length = 0;
	char *cookie = NULL;
	if (!g_file_get_contents(request->pending_path, &cookie, &length, NULL) || length > CERTIFICATE_MAX_COOKIE)
		g_clear_pointer(&cookie, g_free);
	return cookie;
}

static GBytes *
request_load_csr(const Request *request, GError **error)
{
	gsize length = 0;
	g_autofree char *text = pv_cli_read_file(request->csr_path, CERTIFICATE_MAX_REQUEST, &length, error);
	if (text == NULL)
		return NULL;
	g_autoptr(GBytes) pem = g_bytes_new(text, length);
	return pv_pki_decode(pem, error);
}

/* The request as the CA wants it, kept in its file so that a later run asks about the same one. DER */
static GBytes *
request_make_for_ca(
    PvCli *cli, const Request *request, EVP_PKEY *key, const PvCertRequest *asked, GError **error)
{
	g_auto(PvCaPreparation) preparation = { 0 };
	const PvCa *ca = cli->site->ca;
	if (ca->prepare != NULL && !ca->prepare(cli->site->ca_handle, asked, &preparation, NULL, error))
		return NULL;
	g_autoptr(GBytes) der = pv_cert_request_new_signed(key, asked, &preparation, error);
	if (der == NULL)
		return NULL;
	gsize length = 0;
	const guchar *data = g_bytes_get_data(der, &length);
	g_autofree char *base64 = g_base64_encode(data, length);
	g_autoptr(GString) pem = g_string_new("-----BEGIN CERTIFICATE REQUEST-----\n");
	for (gsize i = 0; i < strlen(base64); i += 64)
		g_string_append_printf(pem, "%.64s\n", base64 + i);
	g_string_append(pem, "-----END CERTIFICATE REQUEST-----\n");
	return request_write(request->csr_path, pem->str, (gssize)pem->len, 0600, error) ? g_steal_pointer(&der)
											 : NULL;
}

/* Certificate, what came along, and the CA's own. */
static GPtrArray *
request_list_answer(PvCli *cli, const PvCaReply *reply, GError **error)
{
	g_autoptr(GPtrArray) own = cli->site->ca->chain(cli->site->ca_handle, NULL, error);
	if (own == NULL)
		return NULL;
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(list, g_bytes_ref(reply->certificate));
	for (guint i = 0; reply->chain != NULL && i < reply->chain->len; i++)
		g_ptr_array_add(list, g_bytes_ref(reply->chain->pdata[i]));
	for (guint i = 0; i < own->len; i++)
		g_ptr_array_add(list, g_bytes_ref(own->pdata[i]));
	return g_steal_pointer(&list);
}

static int
request_take_answer(PvCli *cli, const Request *request, EVP_PKEY *key, const PvCaReply *reply)
{
	g_autoptr(GError) error = NULL;
	if (reply->outcome == PV_CA_PENDING) {
		g_autofree char *text = g_strdup_printf(
		    _("the CA has not decided%s%s; ask again with the same command%s"), reply->text != NULL ? ": " : "",
		    reply->text != NULL ? reply->text : "", reply->not_before_sec > 0 ? _(" later") : "");
		if (!request_write(request->pending_path, reply->cookie, -1, 0600, &error))
			return pv_cli_fail(cli, error);
		request_print(cli, request, "pending", NULL, text);
		return PV_EXIT_PENDING;
	}
	if (reply->outcome == PV_CA_DENIED || reply->certificate == NULL) {
		(void)g_unlink(request->pending_path); /* its cookie is worth nothing any more */
		pv_cli_warn(cli, _("the CA has denied the request%s%s"), reply->text != NULL ? ": " : "",
		    reply->text != NULL ? reply->text : "");
		return PV_EXIT_FAILURE;
	}
	g_autoptr(GPtrArray) list = request_list_answer(cli, reply, &error);
	g_autofree char *out = NULL;
	if (list == NULL || !pv_certificate_install(cli, request->fqdn, list, key,
				request->token ? request->key_path : NULL, &out, &error))
		return pv_cli_fail(cli, error);
	if (!request->token && !pv_cli_has(cli, "key"))
		certificate_forget_request(request->key_path);
	(void)g_unlink(request->pending_path); /* the same for a key that is elsewhere */
	pv_certificate_print_installed(cli, out, request->token ? request->key_path : NULL);
	return PV_EXIT_OK;
}

static int
request_to_ca(PvCli *cli, const Request *request)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *cookie = request_load_cookie(request);
	g_auto(PvCaReply) reply = { 0 };
	const char *const names[] = { request->fqdn, NULL };
	const PvCa *ca = cli->site->ca;
	const PvCertRequest asked = { .uuid = "",
		.template_name = pv_cli_get(cli, "template"),
		.common_name = request->fqdn,
		.dns_names = names,
		.ekus = pv_provisioning_ekus };
	g_autoptr(PvSecret) pin = pv_certificate_dup_password(cli, cookie != NULL && request->token, &error);
	g_autoptr(EVP_PKEY) key = error != NULL	  ? NULL
				  : cookie != NULL ? pv_tls_load_key(request->key_path, pin, &error)
						   : request_make_key(cli, request, &error);
	g_autoptr(GBytes) csr = key == NULL	  ? NULL
				: cookie != NULL ? request_load_csr(request, &error)
						 : request_make_for_ca(cli, request, key, &asked, &error);
	if (csr == NULL)
		return pv_cli_fail(cli, error);
	gboolean asking = cookie != NULL && ca->poll != NULL;
	if (!pv_db_audit(cli->site->db, "certificate-request", request->fqdn, &error, "%s CA %s",
		asking ? "asked again" : "sent to", ca->type))
		return pv_cli_fail(cli, error);
	gboolean ok =
	    asking ? ca->poll(cli->site->ca_handle, &asked, csr, cookie, NULL, &reply, NULL, &error)
		   : ca->submit(cli->site->ca_handle, &asked, csr, NULL, &reply, NULL, &error);
	return ok ? request_take_answer(cli, request, key, &reply) : pv_cli_fail(cli, error);
}

/* FALSE after it said what is wrong: return PV_EXIT_USAGE */
static gboolean
request_parse(PvCli *cli, Request *request)
{
	const char *form = pv_cli_get(cli, "form"), *key = pv_cli_get(cli, "key");
	request->fqdn = cli->words[0];
	request->form = form == NULL || g_str_equal(form, "oid") ? PV_PROVISIONING_OID
			: g_str_equal(form, "ou")		  ? PV_PROVISIONING_OU
			: g_str_equal(form, "both")		  ? PV_PROVISIONING_OID | PV_PROVISIONING_OU
								  : 0;
	if (request->form == 0) {
		pv_cli_usage(cli, _("--form: one of oid, ou, both is needed"));
		return FALSE;
	}
	if (!pv_edit_check_fqdn(request->fqdn)) {
		pv_cli_usage(cli, _("FQDN: a full host name in the devices' domain, such as prov.corp.example.com, is needed"));
		return FALSE;
	}
	if (strlen(request->fqdn) > 64) {
		pv_cli_usage(cli, _("FQDN: a common name has at most 64 characters"));
		return FALSE;
	}
	if (pv_cli_has(cli, "ca") && pv_cli_has(cli, "form")) {
		pv_cli_usage(cli, _("--form: what the site's CA issues has the OID"));
		return FALSE;
	}
	request->token = pv_token_is_uri(key);
	return pv_cli_get_uint(cli, "bits", 2048, 4096, 2048, &request->bits);
}

static int
certificate_request_run(PvCli *cli)
{
	g_auto(Request) request = { 0 };
	int code = PV_EXIT_FAILURE;
	if (!request_parse(cli, &request))
		return PV_EXIT_USAGE;
	if (!pv_cli_open_site(cli, PV_SITE_NO_CERTIFICATES, &code))
		return code;
	if (pv_cli_has(cli, "ca") && cli->site->ca == NULL) {
		pv_cli_warn(cli, _("%s: the site has no \"ca\""), cli->site->file);
		return PV_EXIT_CONFIG;
	}
	request.key_path = pv_certificate_dup_option(cli, "key", request.fqdn, ".key");
	request.csr_path = pv_certificate_dup_option(cli, "csr", request.fqdn, ".csr");
	request.pending_path = pv_certificate_dup_path(cli, request.fqdn, ".pending");
	return pv_cli_has(cli, "ca") ? request_to_ca(cli, &request) : request_to_file(cli, &request);
}

static const PvOption certificate_request_options[] = {
	{ "form", 0, "oid|ou|both", N_("how the certificate is marked for AMT: oid; public CAs issue no OU any more") },
	{ "organisation", 0, "TEXT", N_("O of the subject, as the CA has verified it") },
	{ "bits", 0, "N", N_("of the RSA key, 2048 to 4096; else 2048, which every firmware takes") },
	{ "key", 0, "FILE", N_("where the new key goes, or the PKCS#11 URI of one that is there") },
	{ "password-file", 0, "FILE", N_("the PIN of the token") },
	{ "csr", 0, "FILE", N_("where the request goes; both are else in the site's folder provisioning") },
	{ "ca", 0, NULL, N_("have the site's own CA issue it, and install it") },
	{ "template", 0, "TEMPLATE", N_("the CA's template for it, with --ca") },
	{ "out", 0, "FILE", N_("where the certificate goes, with --ca") },
	{ "force", 0, NULL, N_("throw away the key of a request that is not answered") },
	{ NULL },
};

const PvCommand pv_command_certificate_request = {
	.name = "certificate request",
	.arguments = "FQDN",
	.least = 1,
	.most = 1,
	.summary = N_("Makes a request for a provisioning certificate"),
	.text = N_("FQDN becomes its name and must be in the domain that the devices get by DHCP. The key stays\n"
		   "here, the request goes to a file; or --ca asks the CA of the site, whose root the firmware\n"
		   "must then have been given. Exit code 75: that CA has not decided yet; the same command asks again."),
	.options = certificate_request_options,
	.run = certificate_request_run,
};
