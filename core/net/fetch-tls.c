/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/fetch.h"

#include <glib/gstdio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <provost/error.h>
#include <string.h>

#define FETCH_MAX_TRUST (4 * 1024 * 1024) /* bytes; a system's bundle has 200 KiB */
#define FETCH_MAX_DEPTH 16

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE, X509_STORE_free)

X509_STORE *
pv_fetch_tls_load_store(const char *path, GError **error)
{
	g_autoptr(X509_STORE) store = X509_STORE_new();
	if (path == NULL) {
		if (X509_STORE_set_default_paths(store) == 1)
			return g_steal_pointer(&store);
		ERR_clear_error();
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "load the system's trusted roots: there are none: install ca-certificates, or "
		    "name a file with \"trust\"");
		return NULL;
	}
	GStatBuf info;
	if (g_stat(path, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > FETCH_MAX_TRUST) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "load trust %s: there is no such file, or it has more than %d bytes", path,
		    FETCH_MAX_TRUST);
		return NULL;
	}
	if (X509_STORE_load_file(store, path) != 1) {
		ERR_clear_error();
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "load trust %s: there is no certificate in PEM in it that can be read", path);
		return NULL;
	}
	/* who names an intermediate, or the server's own certificate, means it */
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	return g_steal_pointer(&store);
}

static void
fetch_tls_refuse(PvFetch *fetch, X509_STORE_CTX *context, X509 *leaf)
{
	int code = X509_STORE_CTX_get_error(context);
	X509 *certificate = X509_STORE_CTX_get_current_cert(context);
	g_autofree char *subject =
	    pv_tls_dup_name(X509_get_subject_name(certificate != NULL ? certificate : leaf));
	const char *remedy = "";
	if (code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
	    code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
	    code == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
	    code == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
	    code == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN)
		remedy = ": name the CA's root with \"trust\"";
	g_clear_error(&fetch->refusal);
	if (code == X509_V_ERR_HOSTNAME_MISMATCH || code == X509_V_ERR_IP_ADDRESS_MISMATCH)
		g_set_error(&fetch->refusal, PV_ERROR, PV_ERROR_PROTOCOL,
		    "the server's certificate (%s) is not for \"%s\": %s", subject,
		    fetch->target.host, X509_verify_cert_error_string(code));
	else
		g_set_error(&fetch->refusal, PV_ERROR, PV_ERROR_PROTOCOL,
		    "the server's certificate is not accepted: %s (%s)%s",
		    X509_verify_cert_error_string(code), subject, remedy);
}

/* RFC 5929, 4.1: the hash of the certificate's signature, but no weaker one than SHA-256 */
static GBytes *
fetch_tls_new_binding(X509 *leaf)
{
	int digest = NID_undef;
	guchar hash[EVP_MAX_MD_SIZE];
	guint length = 0;
	(void)OBJ_find_sigid_algs(
	    X509_get_signature_nid(leaf), &digest, NULL); /* undef: as SHA-1 */
	const EVP_MD *type = digest == NID_undef || digest == NID_md5 || digest == NID_sha1
				 ? NULL
				 : EVP_get_digestbynid(digest);
	if (X509_digest(leaf, type != NULL ? type : EVP_sha256(), hash, &length) != 1)
		return NULL;
	return g_bytes_new(hash, length);
}

/* OpenSSL's own verification, which knows store, name and purpose; what it thinks of is kept for the message. */
static int
fetch_tls_verify(X509_STORE_CTX *context, void *data)
{
	PvFetch *fetch = data;
	X509 *leaf = X509_STORE_CTX_get0_cert(context);
	g_clear_pointer(&fetch->binding, g_bytes_unref);
	if (X509_verify_cert(context) == 1) {
		fetch->binding = fetch_tls_new_binding(leaf);
		return 1;
	}
	fetch_tls_refuse(fetch, context, leaf);
	return 0;
}

/* the server's alerts: its reasons, which OpenSSL tells by a number only */
static void
fetch_tls_note(
    int sent, int version, int type, const void *data, size_t length, SSL *ssl, void *user)
{
	PvFetch *fetch = user;
	const guint8 *bytes = data;
	if (sent == 0 && type == SSL3_RT_ALERT && length == 2 && bytes[1] != SSL_AD_CLOSE_NOTIFY)
		fetch->alert = bytes[1];
}

static gboolean
fetch_tls_set_identity(SSL_CTX *context, PvIdentity *identity)
{
	STACK_OF(X509) *chain = pv_identity_get_chain(identity);
	if (SSL_CTX_use_certificate(context, sk_X509_value(chain, 0)) != 1 ||
	    SSL_CTX_use_PrivateKey(context, pv_identity_get_key(identity)) != 1)
		return FALSE;
	for (int i = 1; i < sk_X509_num(chain); i++)
		if (SSL_CTX_add1_chain_cert(context, sk_X509_value(chain, i)) != 1)
			return FALSE;
	SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
	return TRUE;
}

static gboolean
fetch_tls_set_name(SSL_CTX *context, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	X509_VERIFY_PARAM_set_depth(param, FETCH_MAX_DEPTH);
	return g_hostname_is_ip_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1
					      : X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

CURLcode
pv_fetch_tls_prepare(CURL *easy, void *context, void *data)
{
	PvFetch *fetch = data;
	PvIdentity *identity = fetch->shared->identity;
	SSL_CTX_set1_cert_store(context, fetch->shared->store);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(context, fetch_tls_verify, fetch);
	SSL_CTX_set_msg_callback(context, fetch_tls_note);
	SSL_CTX_set_msg_callback_arg(context, fetch);
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_security_level(context, 2);
	SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION);
	if (!fetch_tls_set_name(context, fetch->target.host))
		return CURLE_SSL_CONNECT_ERROR;
	if (identity == NULL || fetch_tls_set_identity(context, identity))
		return CURLE_OK;
	g_autofree char *text = pv_tls_dup_openssl_error();
	g_set_error(&fetch->refusal, PV_ERROR, PV_ERROR_CONFIG,
	    "our certificate %s cannot be used: %s", pv_identity_get_path(identity), text);
	return CURLE_SSL_CERTPROBLEM;
}

gboolean
pv_fetch_tls_is_refused(const PvFetch *fetch)
{
	switch (fetch->alert) {
	case SSL_AD_NO_CERTIFICATE:
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_ACCESS_DENIED:
	case SSL_AD_CERTIFICATE_REQUIRED:
		return TRUE;
	default:
		return FALSE;
	}
}

void
pv_fetch_tls_explain(const PvFetch *fetch, GError **error)
{
	const char *name = SSL_alert_desc_string_long(fetch->alert);
	if (pv_fetch_tls_is_refused(fetch))
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH, "%s: %s",
		    fetch->shared->identity != NULL
			? "the server refused our certificate"
			: "the server wants a client certificate and none is configured",
		    name);
	else if (fetch->alert >= 0)
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "the server broke off TLS: %s%s",
		    name,
		    fetch->alert == SSL_AD_PROTOCOL_VERSION
			? " (TLS 1.2 is the least that is taken)"
			: "");
	else if (strstr(fetch->text, "SYSCALL") != NULL ||
		 strstr(fetch->text, "reset by peer") != NULL ||
		 strstr(fetch->text, "unexpected eof") != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE,
		    "the server closed the connection during the TLS handshake");
	else
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "the TLS handshake failed: %s",
		    fetch->text);
}
