/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scep-server.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <provost/error.h>
#include <provost/pki.h>
#include <string.h>

#define SCEP_MAX_CAPABILITIES 4096 /* bytes */
/* RFC 5280, 4.2.1.12; MS-CRTD, "Certificate Request Agent"; RFC 6402, 2.10 */
#define SCEP_SERVER_AUTH "1.3.6.1.5.5.7.3.1"
#define SCEP_CLIENT_AUTH "1.3.6.1.5.5.7.3.2"
#define SCEP_REQUEST_AGENT "1.3.6.1.4.1.311.20.2.1"
#define SCEP_CMC_RA "1.3.6.1.5.5.7.3.28"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE, X509_STORE_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE_CTX, X509_STORE_CTX_free)

void
scep_server_unref(ScepServer *server)
{
	if (server == NULL || !g_atomic_ref_count_dec(&server->references))
		return;
	sk_X509_pop_free(server->certificates, X509_free);
	g_clear_pointer(&server->ders, g_ptr_array_unref);
	g_free(server);
}

char *
scep_server_dup_fingerprint(const char *text)
{
	g_autoptr(GString) hex = g_string_new(NULL);
	for (const char *c = text; *c != '\0'; c++) {
		if (g_ascii_isxdigit(*c))
			g_string_append_c(hex, g_ascii_tolower(*c));
		else if (*c != ':' && *c != ' ')
			return NULL;
	}
	return hex->len == 64 ? g_string_free(g_steal_pointer(&hex), FALSE) : NULL;
}

/* RFC 8894, 3.5.2; a server that does not answer the question can do little */
static void
scep_server_read_capabilities(ScepServer *server, GBytes *capabilities)
{
	gsize length = 0;
	const char *data = g_bytes_get_data(capabilities, &length);
	g_autofree char *text =
	    g_strndup(data != NULL ? data : "", MIN(length, SCEP_MAX_CAPABILITIES));
	g_auto(GStrv) lines = g_strsplit_set(text, "\r\n", -1);
	for (guint i = 0; lines[i] != NULL; i++) {
		const char *word = g_strstrip(lines[i]);
		gboolean standard = g_ascii_strcasecmp(word, "SCEPStandard") == 0;
		server->post =
		    server->post || standard || g_ascii_strcasecmp(word, "POSTPKIOperation") == 0;
		server->sha256 = server->sha256 || standard ||
				 g_ascii_strcasecmp(word, "SHA-256") == 0 ||
				 g_ascii_strcasecmp(word, "SHA256") == 0;
		server->aes = server->aes || standard || g_ascii_strcasecmp(word, "AES") == 0;
	}
}

gboolean
scep_server_is_ca(X509 *certificate)
{
	return X509_check_ca(certificate) == 1;
}

static gboolean
scep_server_takes_seals(X509 *certificate)
{
	return EVP_PKEY_is_a(X509_get0_pubkey(certificate), "RSA") == 1 &&
	       (X509_get_key_usage(certificate) & KU_KEY_ENCIPHERMENT) != 0;
}

static gboolean
scep_server_is_issuer(X509 *issuer, X509 *certificate)
{
	return X509_check_issued(issuer, certificate) == X509_V_OK &&
	       X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
}

/* The CA that the others of the list are of: the one with the fingerprint, else one that issued no other CA in it. */
static X509 *
scep_server_find_ca(const ScepServer *server, const char *fingerprint)
{
	X509 *found = NULL;
	for (int i = 0; i < sk_X509_num(server->certificates); i++) {
		X509 *certificate = sk_X509_value(server->certificates, i);
		GBytes *der = server->ders->pdata[i];
		g_autofree char *sum = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, der);
		if (fingerprint != NULL && g_str_equal(sum, fingerprint))
			return certificate;
		if (fingerprint == NULL && scep_server_is_ca(certificate) &&
		    (found == NULL || scep_server_is_issuer(found, certificate)))
			found = certificate;
	}
	return found;
}

/* A registration authority that takes seals, else the CA itself (RFC 8894, 2.2 and 3.5.1.2) */
static X509 *
scep_server_find_recipient(const ScepServer *server)
{
	for (int i = 0; i < sk_X509_num(server->certificates); i++) {
		X509 *certificate = sk_X509_value(server->certificates, i);
		if (!scep_server_is_ca(certificate) && scep_server_takes_seals(certificate) &&
		    scep_server_is_issuer(server->ca, certificate))
			return certificate;
	}
	/* whatever its key usage says: it is the only one left */
	return EVP_PKEY_is_a(X509_get0_pubkey(server->ca), "RSA") == 1 ? server->ca : NULL;
}

/* Every computer of the site may have one of these, from the same CA. Over http its owner could name itself the registration
 * authority, read requests with their challenges, and answer them. */
static gboolean
scep_server_is_of_computer(X509 *certificate)
{
	EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
	gboolean computer = FALSE, registrar = scep_server_is_ca(certificate);
	for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
		char oid[80];
		OBJ_obj2txt(oid, sizeof oid, sk_ASN1_OBJECT_value(usages, i), 1);
		computer = computer || g_str_equal(oid, SCEP_SERVER_AUTH) ||
			   g_str_equal(oid, SCEP_CLIENT_AUTH);
		registrar = registrar || g_str_equal(oid, SCEP_REQUEST_AGENT) ||
			    g_str_equal(oid, SCEP_CMC_RA);
	}
	EXTENDED_KEY_USAGE_free(usages);
	return computer && !registrar;
}

/* @roots: what the site itself names; NULL: nothing */
static gboolean
scep_server_check_registrars(const ScepServer *server, GPtrArray *roots, GError **error)
{
	for (int i = 0; i < sk_X509_num(server->certificates); i++) {
		gboolean named = FALSE;
		for (guint j = 0; roots != NULL && j < roots->len; j++)
			named = named || g_bytes_equal(roots->pdata[j], server->ders->pdata[i]);
		if (named || !scep_server_is_of_computer(sk_X509_value(server->certificates, i)))
			continue;
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "the server names a certificate for servers or clients as its registration "
		    "authority, which any computer of the site could do: if it is the right one, "
		    "put it into \"roots\", too");
		return FALSE;
	}
	return TRUE;
}

static void
scep_server_set_untrusted(X509_STORE_CTX *context, GError **error)
{
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
	    "the server's certificates are not of the CA in \"roots\": %s",
	    X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
	ERR_clear_error();
}

/* Every certificate that may sign an answer leads to the roots. */
static gboolean
scep_server_verify_roots(const ScepServer *server, const char *path, GError **error)
{
	g_autoptr(GPtrArray) roots = pv_pki_load_certificates(path, error);
	if (roots == NULL)
		return FALSE;
	g_autoptr(X509_STORE) store = X509_STORE_new();
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	for (guint i = 0; i < roots->len; i++) {
		gsize length = 0;
		const guchar *data = g_bytes_get_data(roots->pdata[i], &length);
		g_autoptr(X509) root = d2i_X509(NULL, &data, (long)length);
		if (root != NULL)
			X509_STORE_add_cert(store, root);
	}
	for (int i = 0; i < sk_X509_num(server->certificates); i++) {
		g_autoptr(X509_STORE_CTX) context = X509_STORE_CTX_new();
		if (X509_STORE_CTX_init(context, store, sk_X509_value(server->certificates, i),
			server->certificates) == 1 &&
		    X509_verify_cert(context) == 1)
			continue;
		scep_server_set_untrusted(context, error);
		return FALSE;
	}
	return scep_server_check_registrars(server, roots, error);
}

/* What came over http without roots is the CA by its fingerprint, and the others by its signature. */
static gboolean
scep_server_verify_issued(const ScepServer *server, GError **error)
{
	for (int i = 0; i < sk_X509_num(server->certificates); i++) {
		X509 *certificate = sk_X509_value(server->certificates, i);
		if (certificate == server->ca || scep_server_is_issuer(server->ca, certificate))
			continue;
		ERR_clear_error();
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "the server names certificates that the CA with the fingerprint has not "
		    "issued: "
		    "name the roots of all with \"roots\"");
		return FALSE;
	}
	return scep_server_check_registrars(server, NULL, error);
}

static gboolean
scep_server_choose(ScepServer *server, const char *fingerprint, const char *roots, GError **error)
{
	server->ca = scep_server_find_ca(server, fingerprint);
	if (server->ca == NULL) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    fingerprint != NULL ? "the server has no certificate with that fingerprint"
					: "the server has no certificate of a CA");
		return FALSE;
	}
	if (roots != NULL && !scep_server_verify_roots(server, roots, error))
		return FALSE;
	if (roots == NULL && fingerprint != NULL && !scep_server_verify_issued(server, error))
		return FALSE;
	server->recipient = scep_server_find_recipient(server);
	if (server->recipient == NULL)
		g_set_error_literal(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
		    "none of the server's certificates has an RSA key that requests can be sealed "
		    "for");
	return server->recipient != NULL;
}

ScepServer *
scep_server_new(GBytes *certificates, GBytes *capabilities, const char *fingerprint,
    const char *roots, GError **error)
{
	ScepServer *server = g_new0(ScepServer, 1);
	g_atomic_ref_count_init(&server->references);
	server->certificates = sk_X509_new_null();
	if (capabilities != NULL)
		scep_server_read_capabilities(server, capabilities);
	server->ders = pv_pki_parse_certificates(certificates, error);
	for (guint i = 0; server->ders != NULL && i < server->ders->len; i++) {
		gsize length = 0;
		const guchar *data = g_bytes_get_data(server->ders->pdata[i], &length);
		X509 *certificate = d2i_X509(NULL, &data, (long)length);
		if (certificate != NULL)
			sk_X509_push(server->certificates, certificate);
	}
	if (server->ders == NULL || !scep_server_choose(server, fingerprint, roots, error))
		g_clear_pointer(&server, scep_server_unref);
	ERR_clear_error();
	return server;
}
