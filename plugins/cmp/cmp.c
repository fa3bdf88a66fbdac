/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/fetch.h>
#include <provost/pki.h>
#include <provost/provost.h>
#include <provost/token.h>
#include <string.h>

#include <openssl/cmp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* Certificate Management Protocol: RFC 4210 over HTTP (RFC 6712). OpenSSL speaks it; what is here is who is trusted, how it
 * travels, and what an answer means. A request is a PKCS#10 (p10cr), for the key may be in the device. */

#define CMP_MAX_MESSAGES 16 /* of one call */
#define CMP_MAX_PENDING 4096
#define CMP_PENDING_SEC (7 * 86400)
#define CMP_MAX_TEXT 512

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OSSL_CMP_CTX, OSSL_CMP_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_REQ, X509_REQ_free)

/* A transaction that the CA has not decided about. Its nonces are in OpenSSL's context only. */
typedef struct {
	OSSL_CMP_CTX *context;
	gint64 begun_usec; /* monotonic */
} CmpPending;

typedef struct {
	const PvValues *values; /* the site's */
	GMutex lock;
	PvFetch *fetch; /* copied for each call; NULL: not yet; protected by lock */
	GHashTable *pending; /* SHA-256 of the request -> CmpPending; protected by lock */
	char *url;
	gboolean implicit; /* ask that no confirmation be needed */
	guint wait_sec; /* when the server names no time */
} CmpCa;

/* clang-format off */
static const PvParam cmp_params[] = {
	{ .name = "url", .kind = PV_PARAM_STRING, .summary = "of the server, such as https://HOST/.well-known/cmp or http://HOST/pkix/" },
	{ .name = "roots", .kind = PV_PARAM_PATH, .summary = "PEM file with the CA's certificates, the one that issues first, root included" },
	{ .name = "reference", .kind = PV_PARAM_STRING, .fallback = "null", .summary = "name under which the server knows the secret" },
	{ .name = "secret", .kind = PV_PARAM_SECRET, .fallback = "null", .summary = "shared with the server, to protect messages with" },
	{ .name = "certificate", .kind = PV_PARAM_PATH, .fallback = "null", .summary = "PEM file of a registration authority's certificate, its chain behind it, to sign messages with in place of a secret" },
	{ .name = "key", .kind = PV_PARAM_PATH, .fallback = "null", .summary = "its private key, a PEM file or a pkcs11: URI; without it, beside the certificate" },
	{ .name = "key-password", .kind = PV_PARAM_SECRET, .fallback = "null", .summary = "of the private key or the token" },
	{ .name = "server-certificate", .kind = PV_PARAM_PATH, .fallback = "null", .summary = "PEM file of the certificate that the server signs with; without it, it signs as the issuing CA" },
	{ .name = "trust", .kind = PV_PARAM_PATH, .fallback = "null", .summary = "PEM file that the server's TLS certificate is verified with; without it, the system's roots" },
	{ .name = "implicit-confirm", .kind = PV_PARAM_BOOL, .fallback = "false", .summary = "ask the server to do without a confirmation" },
	{ .name = "timeout", .kind = PV_PARAM_INT, .fallback = "60", .summary = "longest wait for one answer", .unit = "s", .minimum = 1, .maximum = 600 },
	{ .name = "poll", .kind = PV_PARAM_INT, .fallback = "60", .summary = "wait before asking again, where the server names no time", .unit = "s", .minimum = 1, .maximum = 86400 },
	{ NULL },
};
/* clang-format on */

static void
cmp_pending_free(gpointer data)
{
	CmpPending *pending = data;
	OSSL_CMP_CTX_free(pending->context);
	g_free(pending);
}

static void
cmp_close(gpointer handle)
{
	CmpCa *ca = handle;
	if (ca == NULL)
		return;
	pv_fetch_free(ca->fetch);
	g_clear_pointer(&ca->pending, g_hash_table_unref);
	g_mutex_clear(&ca->lock);
	g_free(ca->url);
	g_free(ca);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CmpCa, cmp_close)

static gboolean
cmp_check_values(const PvValues *values, GError **error)
{
	const char *url = pv_values_get_string(values, "url");
	gboolean secret = pv_values_has(values, "secret"), certificate = pv_values_has(values, "certificate");
	if ((!g_str_has_prefix(url, "https://") && !g_str_has_prefix(url, "http://")) ||
	    strpbrk(url, "?# \t\r\n") != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: it is not http[s]://HOST[:PORT][/PATH]",
		    pv_values_get_where(values, "url"));
		return FALSE;
	}
	if (secret != pv_values_has(values, "reference")) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: \"reference\" and \"secret\" go together", pv_values_get_where(values, "url"));
		return FALSE;
	}
	if (secret == certificate) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: one of \"secret\" and \"certificate\" is needed, and not both",
		    pv_values_get_where(values, "url"));
		return FALSE;
	}
	return TRUE;
}

static gpointer
cmp_open(const PvValues *values, GError **error)
{
	if (!cmp_check_values(values, error))
		return NULL;
	g_autoptr(CmpCa) ca = g_new0(CmpCa, 1);
	g_mutex_init(&ca->lock);
	ca->values = values;
	ca->pending = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, cmp_pending_free);
	ca->url = g_strdup(pv_values_get_string(values, "url"));
	ca->implicit = pv_values_get_bool(values, "implicit-confirm");
	ca->wait_sec = (guint)pv_values_get_int(values, "poll");
	return g_steal_pointer(&ca);
}

/* Files are read at the first use: the site is opened also to give it its secrets. */
static PvFetch *
cmp_take_fetch(CmpCa *ca, GError **error)
{
	const PvFetchOptions options = {
		.trust = pv_values_get_string(ca->values, "trust"),
		.request_msec = (guint)pv_values_get_int(ca->values, "timeout") * 1000,
	};
	g_mutex_lock(&ca->lock);
	if (ca->fetch == NULL)
		ca->fetch = pv_fetch_new(&options, error);
	PvFetch *copy = ca->fetch != NULL ? pv_fetch_dup(ca->fetch) : NULL;
	g_mutex_unlock(&ca->lock);
	return copy;
}

/* ---- how messages travel ---- */

/* one call of the provider, while OpenSSL works for it */
typedef struct {
	CmpCa *ca;
	PvFetch *fetch;
	GCancellable *cancellable;
	GError *error; /* of the transport, owned; NULL: none */
	X509_REQ *csr; /* lent; NULL: none */
	guint messages;
	gboolean foreign; /* a certificate came that is not for .csr */
} CmpCall;

static void
cmp_call_clear(CmpCall *call)
{
	pv_fetch_free(call->fetch);
	g_clear_error(&call->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CmpCall, cmp_call_clear)

static gboolean
cmp_take_status(const CmpCall *call, const PvFetchReply *answer, GError **error)
{
	if (answer->status == 200 && g_bytes_get_size(answer->body) > 0)
		return TRUE;
	g_autofree char *text = pv_pki_dup_text(answer->body);
	gboolean busy = answer->status >= 500 || answer->status == 429 || answer->status == 408;
	gboolean place = answer->status == 404 || answer->status / 100 == 3;
	g_set_error(error, PV_ERROR, busy ? PV_ERROR_UNREACHABLE : place ? PV_ERROR_CONFIG : PV_ERROR_PROTOCOL,
	    "%s: the server answers %u%s%s%s", call->ca->url, answer->status,
	    place ? ": look at \"url\"" : "", text != NULL ? ": " : "", text != NULL ? text : "");
	return FALSE;
}

static OSSL_CMP_MSG *
cmp_exchange(CmpCall *call, const OSSL_CMP_MSG *message, GError **error)
{
	static const char *const headers[] = { "Content-Type: application/pkixcmp", "Accept: application/pkixcmp", NULL };
	g_autoptr(BIO) out = BIO_new(BIO_s_mem());
	if (call->messages++ >= CMP_MAX_MESSAGES || i2d_OSSL_CMP_MSG_bio(out, message) != 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "%s: the exchange has no end", call->ca->url);
		return NULL;
	}
	char *data = NULL;
	long length = BIO_get_mem_data(out, &data);
	g_autoptr(GBytes) body = g_bytes_new(data, (gsize)length);
	g_auto(PvFetchReply) answer = { 0 };
	if (!pv_fetch_request(call->fetch, "POST", call->ca->url, headers, body, &answer, call->cancellable, error) ||
	    !cmp_take_status(call, &answer, error))
		return NULL;
	gsize size = 0;
	const void *bytes = g_bytes_get_data(answer.body, &size);
	g_autoptr(BIO) in = BIO_new_mem_buf(bytes, (int)size);
	OSSL_CMP_MSG *reply = d2i_OSSL_CMP_MSG_bio(in, NULL);
	if (reply == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "%s: the answer is no CMP message", call->ca->url);
	return reply;
}

/* OpenSSL's way to send a message and get the answer */
static OSSL_CMP_MSG *
cmp_transfer(OSSL_CMP_CTX *context, const OSSL_CMP_MSG *message)
{
	CmpCall *call = OSSL_CMP_CTX_get_transfer_cb_arg(context);
	return call->error == NULL ? cmp_exchange(call, message, &call->error) : NULL;
}

/* it would print what goes wrong */
static int
cmp_log(const char *component, const char *file, int line, OSSL_CMP_severity level, const char *message)
{
	return 1;
}

/* Nobody else's certificate is confirmed: the core would refuse it, and the CA should know. */
static int
cmp_confirm(OSSL_CMP_CTX *context, X509 *certificate, int fail_info, const char **text)
{
	CmpCall *call = OSSL_CMP_CTX_get_certConf_cb_arg(context);
	/* OpenSSL compares the keys, too, since 3.0 */
	call->foreign = fail_info != 0;
	if (fail_info != 0)
		return fail_info;
	EVP_PKEY *key = X509_get0_pubkey(certificate), *wanted = X509_REQ_get0_pubkey(call->csr);
	if (key != NULL && wanted != NULL && EVP_PKEY_eq(key, wanted) == 1)
		return 0;
	call->foreign = TRUE;
	*text = "the certificate has another key than the request";
	return 1 << OSSL_CMP_PKIFAILUREINFO_incorrectData;
}

/* ---- who asks, and who is believed ---- */

typedef STACK_OF(X509) CmpStack;

static void
cmp_stack_free(CmpStack *stack)
{
	sk_X509_pop_free(stack, X509_free);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CmpStack, cmp_stack_free)

/* certificates of a file, in its order */
static CmpStack *
cmp_load_certificates(const char *path, GError **error)
{
	g_autoptr(GPtrArray) list = pv_pki_load_certificates(path, error);
	if (list == NULL)
		return NULL;
	g_autoptr(CmpStack) stack = sk_X509_new_null();
	for (guint i = 0; i < list->len; i++) {
		gsize length = 0;
		const guchar *der = g_bytes_get_data(list->pdata[i], &length);
		X509 *certificate = d2i_X509(NULL, &der, (long)length);
		if (certificate != NULL)
			sk_X509_push(stack, certificate);
	}
	if (sk_X509_num(stack) > 0)
		return g_steal_pointer(&stack);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: there is no certificate in it", path);
	return NULL;
}

static int
cmp_give_password(char *buffer, int size, int writing, void *data)
{
	PvSecret *password = data;
	gsize length = 0;
	const char *bytes = password != NULL ? pv_secret_peek(password, &length) : NULL;
	if (bytes == NULL || length > (gsize)size)
		return -1;
	memcpy(buffer, bytes, length);
	return (int)length;
}

static EVP_PKEY *
cmp_load_key(const PvValues *values, GError **error)
{
	const char *path = pv_values_get_string(values, pv_values_has(values, "key") ? "key" : "certificate");
	g_autoptr(PvSecret) password = NULL;
	if (pv_values_has(values, "key-password") &&
	    (password = pv_values_dup_secret(values, "key-password", error)) == NULL)
		return NULL;
	if (pv_token_is_uri(path))
		return pv_token_load_key(path, password, error);
	g_autoptr(BIO) bio = BIO_new_file(path, "r");
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, cmp_give_password, password) : NULL;
	ERR_clear_error();
	if (key == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: there is no private key in PEM that can be read, or its password is another", path);
	return key;
}

/* Messages are signed: with whose certificate, and by whom the answers must be. */
static gboolean
cmp_set_signer(const CmpCa *ca, OSSL_CMP_CTX *context, X509 *issuer, GError **error)
{
	g_autoptr(CmpStack) own = cmp_load_certificates(pv_values_get_string(ca->values, "certificate"), error);
	g_autoptr(EVP_PKEY) key = own != NULL ? cmp_load_key(ca->values, error) : NULL;
	if (key == NULL)
		return FALSE;
	gboolean ok = OSSL_CMP_CTX_set1_cert(context, sk_X509_value(own, 0)) == 1 &&
		      OSSL_CMP_CTX_set1_pkey(context, key) == 1 && OSSL_CMP_CTX_set1_untrusted(context, own) == 1;
	if (ok && pv_values_has(ca->values, "server-certificate")) {
		g_autoptr(CmpStack) server =
		    cmp_load_certificates(pv_values_get_string(ca->values, "server-certificate"), error);
		return server != NULL && OSSL_CMP_CTX_set1_srvCert(context, sk_X509_value(server, 0)) == 1;
	}
	/* else whoever has a certificate of this CA, a device say, could answer in its place */
	ok = ok && OSSL_CMP_CTX_set1_expected_sender(context, X509_get_subject_name(issuer)) == 1;
	if (!ok)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: certificate and key do not go together", pv_values_get_string(ca->values, "certificate"));
	return ok;
}

static gboolean
cmp_set_secret(
    const CmpCa *ca, OSSL_CMP_CTX *context, const PvCaIdentity *identity, GError **error)
{
	g_autoptr(PvSecret) secret = identity != NULL ? pv_secret_ref(identity->password)
						      : pv_values_dup_secret(ca->values, "secret", error);
	if (secret == NULL)
		return FALSE;
	gsize length = 0;
	const char *bytes = pv_secret_peek(secret, &length);
	const char *name = identity != NULL ? identity->account : pv_values_get_string(ca->values, "reference");
	if (OSSL_CMP_CTX_set1_referenceValue(context, (const guchar *)name, (int)strlen(name)) == 1 &&
	    OSSL_CMP_CTX_set1_secretValue(context, (const guchar *)bytes, (int)length) == 1)
		return TRUE;
	g_set_error_literal(error, PV_ERROR, PV_ERROR_FAILED, "take the secret: out of memory");
	return FALSE;
}

static gboolean
cmp_set_trust(OSSL_CMP_CTX *context, CmpStack *roots)
{
	X509_STORE *store = X509_STORE_new();
	gboolean ok = store != NULL;
	for (int i = 0; ok && i < sk_X509_num(roots); i++)
		ok = X509_STORE_add_cert(store, sk_X509_value(roots, i)) == 1;
	ok = ok && OSSL_CMP_CTX_set0_trustedStore(context, store) == 1;
	if (!ok)
		X509_STORE_free(store);
	return ok;
}

/* @identity: the device's own account, which has a password; NULL: the site's login */
static OSSL_CMP_CTX *
cmp_new_context(const CmpCa *ca, const PvCaIdentity *identity, GError **error)
{
	g_autoptr(CmpStack) roots = cmp_load_certificates(pv_values_get_string(ca->values, "roots"), error);
	if (roots == NULL)
		return NULL;
	g_autoptr(OSSL_CMP_CTX) context = OSSL_CMP_CTX_new(NULL, NULL);
	X509 *issuer = sk_X509_value(roots, 0);
	gboolean secret = identity != NULL || pv_values_has(ca->values, "secret");
	/* Who asks by a secret is answered by it: with roots, OpenSSL would also take what any device of this CA has signed.
	 * Many CAs sign with a key whose usage says certificates only; who may sign is said otherwise. */
	if (context == NULL || (!secret && !cmp_set_trust(context, roots)) || OSSL_CMP_CTX_set_log_cb(context, cmp_log) != 1 ||
	    OSSL_CMP_CTX_set_transfer_cb(context, cmp_transfer) != 1 ||
	    OSSL_CMP_CTX_set_certConf_cb(context, cmp_confirm) != 1 ||
	    OSSL_CMP_CTX_set1_recipient(context, X509_get_subject_name(issuer)) != 1 ||
	    OSSL_CMP_CTX_set_option(context, OSSL_CMP_OPT_IGNORE_KEYUSAGE, 1) != 1 ||
	    OSSL_CMP_CTX_set_option(context, OSSL_CMP_OPT_IMPLICIT_CONFIRM, ca->implicit) != 1) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_FAILED, "begin CMP: out of memory");
		return NULL;
	}
	if (secret ? !cmp_set_secret(ca, context, identity, error) : !cmp_set_signer(ca, context, issuer, error))
		return NULL;
	return g_steal_pointer(&context);
}

/* ---- what an answer means ---- */

/* the server's words and the names of its reasons; NULL: none */
static char *
cmp_dup_status(const OSSL_CMP_CTX *context)
{
	char text[CMP_MAX_TEXT] = "";
	int status = OSSL_CMP_CTX_get_status(context);
	int reasons = OSSL_CMP_CTX_get_failInfoCode(context);
	OSSL_CMP_PKIFREETEXT *words = OSSL_CMP_CTX_get0_statusString(context);
	GString *all = g_string_new(NULL);
	for (int i = 0; i < sk_ASN1_UTF8STRING_num(words) && all->len < CMP_MAX_TEXT; i++) {
		const ASN1_UTF8STRING *word = sk_ASN1_UTF8STRING_value(words, i);
		g_string_append_printf(all, "%s%.*s", all->len > 0 ? "; " : "",
		    MIN(ASN1_STRING_length(word), CMP_MAX_TEXT), (const char *)ASN1_STRING_get0_data(word));
	}
	g_autoptr(GBytes) bytes = g_string_free_to_bytes(all);
	g_autofree char *said = pv_pki_dup_text(bytes);
	OSSL_CMP_PKISI *info = OSSL_CMP_STATUSINFO_new(MAX(status, 0), reasons > 0 ? reasons : 0, NULL);
	if (info == NULL || OSSL_CMP_snprint_PKIStatusInfo(info, text, sizeof text) == NULL)
		text[0] = '\0';
	OSSL_CMP_PKISI_free(info);
	if (said == NULL)
		return text[0] != '\0' ? g_strdup(text) : NULL;
	return g_strdup_printf("%s (%s)", said, text);
}

static gboolean
cmp_has_reason(const OSSL_CMP_CTX *context, const int *reasons, gsize count)
{
	int given = OSSL_CMP_CTX_get_failInfoCode(context);
	for (gsize i = 0; given > 0 && i < count; i++)
		if ((given & 1 << reasons[i]) != 0)
			return TRUE;
	return FALSE;
}

/* what OpenSSL found wrong with an answer */
static char *
cmp_dup_reason(void)
{
	const char *reason = NULL;
	unsigned long code;
	/* the first is the cause, those behind it tell where it was met */
	while ((code = ERR_get_error()) != 0)
		if (reason == NULL && ERR_GET_LIB(code) == ERR_LIB_CMP)
			reason = ERR_reason_error_string(code);
	return g_strdup(reason != NULL ? reason : "the answer cannot be used");
}

/* Neither issued nor pending. TRUE: denied, and the reply says so. */
static gboolean
cmp_take_refusal(CmpCall *call, const OSSL_CMP_CTX *context, PvCaReply *reply, GError **error)
{
	static const int login[] = { OSSL_CMP_PKIFAILUREINFO_badMessageCheck, OSSL_CMP_PKIFAILUREINFO_wrongIntegrity,
		OSSL_CMP_PKIFAILUREINFO_signerNotTrusted, OSSL_CMP_PKIFAILUREINFO_notAuthorized };
	static const int away[] = { OSSL_CMP_PKIFAILUREINFO_systemUnavail, OSSL_CMP_PKIFAILUREINFO_systemFailure };
	g_autofree char *reason = cmp_dup_reason();
	if (call->error != NULL) {
		g_propagate_error(error, g_steal_pointer(&call->error));
		return FALSE;
	}
	if (call->foreign) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "%s: the certificate that came has another key than the request; it was refused", call->ca->url);
		return FALSE;
	}
	if (OSSL_CMP_CTX_get_status(context) != OSSL_CMP_PKISTATUS_rejection) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "%s: %s: look at the secret, or at \"roots\" and \"server-certificate\"", call->ca->url, reason);
		return FALSE;
	}
	g_autofree char *text = cmp_dup_status(context);
	gboolean wrong = cmp_has_reason(context, login, G_N_ELEMENTS(login));
	if (wrong || cmp_has_reason(context, away, G_N_ELEMENTS(away)) || reply == NULL) {
		g_set_error(error, PV_ERROR, wrong ? PV_ERROR_AUTH : reply == NULL ? PV_ERROR_REJECTED : PV_ERROR_UNREACHABLE,
		    "%s: %s%s", call->ca->url, wrong ? "our login is refused: " : "",
		    text != NULL ? text : "refused without a reason");
		return FALSE;
	}
	reply->outcome = PV_CA_DENIED;
	reply->text = g_steal_pointer(&text);
	return TRUE;
}

static void
cmp_add_der(GPtrArray *list, X509 *certificate)
{
	guchar *der = NULL;
	int length = i2d_X509(certificate, &der);
	if (length > 0)
		g_ptr_array_add(list, g_bytes_new(der, (gsize)length));
	OPENSSL_free(der);
}

static void
cmp_take_issued(const OSSL_CMP_CTX *context, GBytes *csr_der, PvCaReply *reply)
{
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_autoptr(CmpStack) publics = OSSL_CMP_CTX_get1_caPubs(context);
	g_autoptr(CmpStack) extra = OSSL_CMP_CTX_get1_extraCertsIn(context);
	cmp_add_der(list, OSSL_CMP_CTX_get0_newCert(context));
	for (int i = 0; i < sk_X509_num(publics) && i < 32; i++)
		cmp_add_der(list, sk_X509_value(publics, i));
	for (int i = 0; i < sk_X509_num(extra) && i < 32; i++)
		cmp_add_der(list, sk_X509_value(extra, i));
	pv_pki_set_issued(reply, list, csr_der);
}

/* ---- enrolment ---- */

/* CMP servers choose the profile by who asks, and by the URL. */
static gboolean
cmp_prepare(gpointer handle, const PvCertRequest *request, PvCaPreparation *preparation,
    GCancellable *cancellable, GError **error)
{
	return TRUE;
}

/* (transfer full); NULL: this process has no such transaction */
static OSSL_CMP_CTX *
cmp_steal_pending(CmpCa *ca, const char *id)
{
	gpointer key = NULL, value = NULL;
	g_mutex_lock(&ca->lock);
	gboolean found = g_hash_table_steal_extended(ca->pending, id, &key, &value);
	g_mutex_unlock(&ca->lock);
	if (!found)
		return NULL;
	CmpPending *pending = value;
	OSSL_CMP_CTX *context = g_steal_pointer(&pending->context);
	cmp_pending_free(pending);
	g_free(key);
	return context;
}

static gboolean
cmp_is_old(gpointer key, gpointer value, gpointer data)
{
	return ((CmpPending *)value)->begun_usec < *(const gint64 *)data;
}

static void
cmp_keep_pending(CmpCa *ca, const char *id, OSSL_CMP_CTX *context)
{
	gint64 now = g_get_monotonic_time(), oldest = now - CMP_PENDING_SEC * (gint64)G_USEC_PER_SEC;
	CmpPending *pending = g_new0(CmpPending, 1);
	pending->context = context;
	pending->begun_usec = now;
	g_mutex_lock(&ca->lock);
	g_hash_table_foreach_remove(ca->pending, cmp_is_old, &oldest);
	if (g_hash_table_size(ca->pending) >= CMP_MAX_PENDING)
		g_hash_table_remove_all(ca->pending); /* those that wait ask anew */
	g_hash_table_insert(ca->pending, g_strdup(id), pending);
	g_mutex_unlock(&ca->lock);
}

static OSSL_CMP_CTX *
cmp_begin(const CmpCa *ca, X509_REQ *csr, const PvCaIdentity *identity, GError **error)
{
	g_autoptr(OSSL_CMP_CTX) context = cmp_new_context(ca, identity, error);
	if (context == NULL)
		return NULL;
	if (OSSL_CMP_CTX_set1_p10CSR(context, csr) == 1)
		return g_steal_pointer(&context);
	g_set_error_literal(error, PV_ERROR, PV_ERROR_FAILED, "take the request: out of memory");
	return NULL;
}

/* The transaction of the request goes on where there is one. Else it begins: also after a restart, for its nonces are gone. */
static gboolean
cmp_submit(gpointer handle, const PvCertRequest *request, GBytes *csr_der, const PvCaIdentity *identity,
    PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	CmpCa *ca = handle;
	g_autofree char *id = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, csr_der);
	gsize length = 0;
	const guchar *der = g_bytes_get_data(csr_der, &length);
	g_autoptr(X509_REQ) csr = d2i_X509_REQ(NULL, &der, (long)length);
	g_auto(CmpCall) call = { .ca = ca, .cancellable = cancellable, .fetch = cmp_take_fetch(ca, error) };
	if (call.fetch == NULL)
		return FALSE;
	g_autoptr(OSSL_CMP_CTX) context = cmp_steal_pending(ca, id);
	if (context == NULL && (csr == NULL || (context = cmp_begin(ca, csr, identity, error)) == NULL)) {
		if (csr == NULL)
			g_set_error_literal(error, PV_ERROR, PV_ERROR_FAILED, "the request is no PKCS#10");
		return FALSE;
	}
	call.csr = csr;
	(void)OSSL_CMP_CTX_set_transfer_cb_arg(context, &call); /* these two cannot fail */
	(void)OSSL_CMP_CTX_set_certConf_cb_arg(context, &call);
	ERR_clear_error();
	int wait_sec = 0;
	int result = OSSL_CMP_try_certreq(context, OSSL_CMP_P10CR, NULL, &wait_sec);
	if (result == 0 || (result > 0 && OSSL_CMP_CTX_get0_newCert(context) == NULL)) {
		/* the server is away: it goes on when it is back, for to ask anew is to have somebody decide again */
		gboolean goes_on =
		    call.error != NULL && OSSL_CMP_CTX_get_status(context) == OSSL_CMP_PKISTATUS_waiting;
		gboolean denied = cmp_take_refusal(&call, context, reply, error);
		if (goes_on)
			cmp_keep_pending(ca, id, g_steal_pointer(&context));
		return denied;
	}
	ERR_clear_error();
	if (result > 0) {
		cmp_take_issued(context, csr_der, reply);
		return TRUE;
	}
	reply->outcome = PV_CA_PENDING;
	reply->cookie = g_strdup(id);
	reply->not_before_sec = wait_sec > 0 ? (guint)MIN(wait_sec, 86400) : ca->wait_sec;
	cmp_keep_pending(ca, id, g_steal_pointer(&context));
	return TRUE;
}

static gboolean
cmp_poll(gpointer handle, const PvCertRequest *request, GBytes *csr_der, const char *cookie,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	return cmp_submit(handle, request, csr_der, identity, reply, cancellable, error);
}

static GPtrArray *
cmp_chain(gpointer handle, GCancellable *cancellable, GError **error)
{
	const CmpCa *ca = handle;
	return pv_pki_load_certificates(pv_values_get_string(ca->values, "roots"), error);
}

static gboolean
cmp_revoke(gpointer handle, GBytes *certificate, guint reason, GCancellable *cancellable, GError **error)
{
	CmpCa *ca = handle;
	gsize length = 0;
	const guchar *der = g_bytes_get_data(certificate, &length);
	g_autoptr(X509) old = d2i_X509(NULL, &der, (long)length);
	g_auto(CmpCall) call = { .ca = ca, .cancellable = cancellable, .fetch = cmp_take_fetch(ca, error) };
	g_autoptr(OSSL_CMP_CTX) context = call.fetch != NULL ? cmp_new_context(ca, NULL, error) : NULL;
	if (context == NULL)
		return FALSE;
	if (old == NULL || OSSL_CMP_CTX_set1_oldCert(context, old) != 1 ||
	    OSSL_CMP_CTX_set_option(context, OSSL_CMP_OPT_REVOCATION_REASON, (int)reason) != 1) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_FAILED, "what is to be revoked is no certificate");
		return FALSE;
	}
	(void)OSSL_CMP_CTX_set_transfer_cb_arg(context, &call); /* cannot fail */
	ERR_clear_error();
	if (OSSL_CMP_exec_RR_ses(context) == 1) {
		ERR_clear_error();
		return TRUE;
	}
	(void)cmp_take_refusal(&call, context, NULL, error); /* without a reply it is always an error */
	return FALSE;
}

/* A general message without a question asks for nothing, and is answered to who may ask. */
static gboolean
cmp_check(gpointer handle, PvReport *report, GCancellable *cancellable, GError **error)
{
	CmpCa *ca = handle;
	g_autoptr(GError) local = NULL;
	g_auto(CmpCall) call = { .ca = ca, .cancellable = cancellable, .fetch = cmp_take_fetch(ca, &local) };
	g_autoptr(OSSL_CMP_CTX) context = call.fetch != NULL ? cmp_new_context(ca, NULL, &local) : NULL;
	if (context != NULL) {
		(void)OSSL_CMP_CTX_set_transfer_cb_arg(context, &call); /* cannot fail */
		ERR_clear_error();
		STACK_OF(OSSL_CMP_ITAV) *answer = OSSL_CMP_exec_GENM_ses(context);
		/* an empty list is none to OpenSSL 3.0: whether it went well is told by the transport and the queue */
		if (answer == NULL && (call.error != NULL || ERR_peek_error() != 0))
			(void)cmp_take_refusal(&call, context, NULL, &local); /* likewise */
		sk_OSSL_CMP_ITAV_pop_free(answer, OSSL_CMP_ITAV_free);
		ERR_clear_error();
	}
	if (local != NULL && local->domain != PV_ERROR) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if (local != NULL)
		pv_report_add(report, PV_REPORT_FAILURE, "login", ca->url, "%s", local->message);
	else
		pv_report_add(report, PV_REPORT_OK, "login", ca->url, "the server answers, and proves who it is");
	return TRUE;
}

static const PvCa cmp_cas[] = {
	{
	    .type = "cmp",
	    .summary = "a CA that speaks CMP (RFC 4210)",
	    .params = cmp_params,
	    .open = cmp_open,
	    .close = cmp_close,
	    .prepare = cmp_prepare,
	    .submit = cmp_submit,
	    .poll = cmp_poll,
	    .chain = cmp_chain,
	    .revoke = cmp_revoke,
	    .check = cmp_check,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("cmp", PV_VERSION, "certificates by the Certificate Management Protocol", .cas = cmp_cas);
