/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/ca.h"
#include "core/engine/cert-request.h"
#include "core/engine/job-private.h"
#include "core/net/wipe.h"

#include <string.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* AMT_PublicKeyCertificate.X509Certificate is uint8[4100] (Intel AMT SDK, AMT_PublicKeyCertificate) */
#define CERTIFICATE_MAX_BYTES 4100
/* how far a CA's clock may be ahead of ours */
#define CERTIFICATE_SKEW_SEC 300
/* certificates that may come along with one */
#define CERTIFICATE_CHAIN_MAX 16
/* serial numbers that are remembered of a device, for revoking */
#define CERTIFICATE_SERIALS_MAX 16
#define CERTIFICATE_SERIALS_FACT "ca.serials"
/* RFC 5280, section 4.2.1.12 */
#define CERTIFICATE_SERVER_AUTH "1.3.6.1.5.5.7.3.1"
#define CERTIFICATE_CLIENT_AUTH "1.3.6.1.5.5.7.3.2"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)

void
pv_ca_reply_clear(PvCaReply *reply)
{
	g_clear_pointer(&reply->certificate, g_bytes_unref);
	g_clear_pointer(&reply->cookie, g_free);
	g_clear_pointer(&reply->text, g_free);
	g_clear_pointer(&reply->chain, g_ptr_array_unref);
}

void
pv_ca_waiting_free(PvCaWaiting *waiting)
{
	if (waiting == NULL)
		return;
	g_free(waiting->id);
	g_free(waiting->name);
	g_free(waiting->uuid);
	g_free(waiting);
}

void
pv_ca_preparation_clear(PvCaPreparation *preparation)
{
	g_clear_pointer(&preparation->template_extension, g_free);
	g_clear_pointer(&preparation->challenge, pv_secret_unref);
}

void
pv_account_free(PvAccount *account)
{
	if (account == NULL)
		return;
	g_free(account->dn);
	g_free(account->account);
	g_free(account->sid);
	g_free(account->fqdn);
	g_free(account->realm);
	g_free(account->salt);
	g_strfreev(account->spns);
	g_strfreev(account->groups);
	g_free(account->id);
	g_free(account->server);
	g_clear_pointer(&account->differences, g_ptr_array_unref);
	g_free(account);
}

static void
account_difference_free(gpointer data)
{
	PvAccountDifference *difference = data;
	g_free(difference->property);
	g_free(difference->from);
	g_free(difference->to);
	g_free(difference);
}

void
pv_account_add_difference(PvAccount *account, const char *property, const char *from, const char *to)
{
	if (account->differences == NULL)
		account->differences = g_ptr_array_new_with_free_func(account_difference_free);
	PvAccountDifference *difference = g_new0(PvAccountDifference, 1);
	difference->property = g_strdup(property);
	difference->from = g_strdup(from);
	difference->to = g_strdup(to);
	g_ptr_array_add(account->differences, difference);
}

static X509 *
certificate_parse(GBytes *der, GError **error)
{
	gsize size = 0;
	const guint8 *data = g_bytes_get_data(der, &size);
	const guint8 *end = data;
	if (size > CERTIFICATE_MAX_BYTES) {
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "certificate has %" G_GSIZE_FORMAT
		    " bytes, AMT takes %d at most: use a smaller key or fewer extensions",
		    size, CERTIFICATE_MAX_BYTES);
		return NULL;
	}
	g_autoptr(X509) certificate = d2i_X509(NULL, &end, (long)size);
	ERR_clear_error();
	if (certificate == NULL || end != data + size) {
		g_set_error_literal(
		    error, PV_ERROR, PV_ERROR_PROTOCOL, "certificate is not one in DER");
		return NULL;
	}
	return g_steal_pointer(&certificate);
}

/* What a RADIUS server finds the account by. */
static gboolean
certificate_has_upn(X509 *certificate, const char *upn)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	gboolean found = FALSE;
	for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
		ASN1_OBJECT *type = NULL;
		ASN1_TYPE *value = NULL;
		if (GENERAL_NAME_get0_otherName(sk_GENERAL_NAME_value(names, i), &type, &value) !=
			1 ||
		    OBJ_obj2nid(type) != NID_ms_upn || value->type != V_ASN1_UTF8STRING)
			continue;
		g_autofree char *text =
		    g_strndup((const char *)ASN1_STRING_get0_data(value->value.utf8string),
			(gsize)ASN1_STRING_length(value->value.utf8string));
		/* a NUL in it would end the text before its end */
		found = found || (strlen(text) == (gsize)ASN1_STRING_length(value->value.utf8string) &&
				     g_ascii_strcasecmp(text, upn) == 0);
	}
	GENERAL_NAMES_free(names);
	return found;
}

/* The only common name, in whatever encoding; "" where there is none, there are several, or it has a NUL in it, behind which
 * another name could hide. */
static char *
certificate_dup_common_name(X509 *certificate)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int first = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (first < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, first) >= 0)
		return g_strdup("");
	unsigned char *text = NULL;
	int length = ASN1_STRING_to_UTF8(
	    &text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, first)));
	char *name = length <= 0 || memchr(text, '\0', (gsize)length) != NULL
			 ? g_strdup("")
			 : g_strndup((const char *)text, (gsize)length);
	OPENSSL_free(text);
	ERR_clear_error();
	return name;
}

static gboolean
certificate_check_name(X509 *certificate, const PvCertRequest *request, GError **error)
{
	g_autofree char *common_name = certificate_dup_common_name(certificate);
	if (g_ascii_strcasecmp(common_name, request->common_name) != 0) {
		g_autofree char *printable = g_strescape(common_name, NULL);
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "certificate is for \"%s\", not for \"%s\"", printable, request->common_name);
		return FALSE;
	}
	for (guint i = 0; request->dns_names != NULL && request->dns_names[i] != NULL; i++) {
		if (X509_check_host(certificate, request->dns_names[i], 0,
			X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS,
			NULL) == 1)
			continue;
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "certificate lacks the name %s among its alternative names",
		    request->dns_names[i]);
		return FALSE;
	}
	if (request->upn == NULL || certificate_has_upn(certificate, request->upn))
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
	    "certificate lacks the principal name %s among its alternative names", request->upn);
	return FALSE;
}

static gboolean
certificate_has_eku(X509 *certificate, const char *oid)
{
	g_autofree char *list = NULL;
	EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
	gboolean found = FALSE;
	for (int i = 0; usages != NULL && i < sk_ASN1_OBJECT_num(usages); i++) {
		char text[80];
		OBJ_obj2txt(text, sizeof text, sk_ASN1_OBJECT_value(usages, i), 1);
		found = found || g_str_equal(text, oid);
	}
	EXTENDED_KEY_USAGE_free(usages);
	return found;
}

/* What the device will be asked for when it shows the certificate, which is too late to find out. */
static gboolean
certificate_check_usage(X509 *certificate, const PvCertRequest *request, GError **error)
{
	gboolean server = FALSE, client = FALSE;
	for (guint i = 0; request->ekus != NULL && request->ekus[i] != NULL; i++) {
		server = server || g_str_equal(request->ekus[i], CERTIFICATE_SERVER_AUTH);
		client = client || g_str_equal(request->ekus[i], CERTIFICATE_CLIENT_AUTH);
		if (certificate_has_eku(certificate, request->ekus[i]))
			continue;
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "certificate lacks the extended key usage %s: mend the template",
		    request->ekus[i]);
		return FALSE;
	}
	gboolean fits =
	    (!server || X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, 0) == 1) &&
	    (!client || X509_check_purpose(certificate, X509_PURPOSE_SSL_CLIENT, 0) == 1);
	ERR_clear_error();
	if (!fits)
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "certificate has a key usage without digital signature%s needs: mend the "
		    "template",
		    server ? " and key encipherment, which a server" : ", which a client");
	return fits;
}

static gboolean
certificate_check_dates(X509 *certificate, guint days_left, gint64 now, GError **error)
{
	time_t soon = (time_t)now + CERTIFICATE_SKEW_SEC;
	time_t then = (time_t)(now + (gint64)days_left * 86400);
	if (X509_cmp_time(X509_get0_notBefore(certificate), &soon) >= 0) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_REJECTED,
		    "certificate is not valid yet: compare the CA's clock");
		return FALSE;
	}
	if (X509_cmp_time(X509_get0_notAfter(certificate), &then) <= 0) {
		if (days_left > 0)
			g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
			    "certificate expires within %u days", days_left);
		else
			g_set_error_literal(
			    error, PV_ERROR, PV_ERROR_REJECTED, "certificate has expired");
		return FALSE;
	}
	return TRUE;
}

/* What came along with a certificate, as far as it can be read. NULL: nothing. */
static STACK_OF(X509) *certificate_new_stack(GPtrArray *chain)
{
	STACK_OF(X509) *stack = chain == NULL ? NULL : sk_X509_new_null();
	for (guint i = 0; stack != NULL && i < MIN(chain->len, CERTIFICATE_CHAIN_MAX); i++) {
		gsize size = 0;
		const guint8 *data = g_bytes_get_data(chain->pdata[i], &size);
		X509 *certificate = size > G_MAXINT ? NULL : d2i_X509(NULL, &data, (long)size);
		if (certificate != NULL && sk_X509_push(stack, certificate) <= 0)
			X509_free(certificate);
	}
	ERR_clear_error();
	return stack;
}

static gboolean
certificate_check_issuer(X509 *certificate, GPtrArray *chain, PvTrust *trust, GError **error)
{
	g_autoptr(GError) untrusted = NULL;
	STACK_OF(X509) *stack = certificate_new_stack(chain);
	gboolean ok = trust == NULL || pv_trust_verify(trust, certificate, stack, NULL, PV_TLS_MODERN, &untrusted);
	sk_X509_pop_free(stack, X509_free);
	/* it is the CA's answer that will not do; nobody was refused a login */
	if (!ok)
		g_set_error_literal(error, PV_ERROR, PV_ERROR_REJECTED, untrusted->message);
	return ok;
}

gboolean
pv_certificate_check(const PvCertRequest *request, GBytes *der, GPtrArray *chain, EVP_PKEY *key,
    PvTrust *trust, guint days_left, gint64 now, GError **error)
{
	g_autoptr(X509) certificate = certificate_parse(der, error);
	if (certificate == NULL)
		return FALSE;
	if (key != NULL && EVP_PKEY_eq(X509_get0_pubkey(certificate), key) != 1) {
		ERR_clear_error();
		g_set_error_literal(error, PV_ERROR, PV_ERROR_REJECTED,
		    "certificate holds another key than the request: it is somebody else's");
		return FALSE;
	}
	if (!certificate_check_name(certificate, request, error))
		return FALSE;
	if (!certificate_check_usage(certificate, request, error))
		return FALSE;
	if (X509_check_ca(certificate) != 0 &&
	    (X509_get_extension_flags(certificate) & EXFLAG_CA) != 0) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_REJECTED,
		    "certificate is one of a CA: a device must not have it");
		return FALSE;
	}
	return certificate_check_dates(certificate, days_left, now, error) &&
	       certificate_check_issuer(certificate, chain, trust, error);
}

static EVP_PKEY *
certificate_dup_csr_key(GBytes *csr_der, GError **error)
{
	gsize size = 0;
	const guint8 *data = g_bytes_get_data(csr_der, &size);
	g_autoptr(X509_REQ) csr = d2i_X509_REQ(NULL, &data, (long)size);
	EVP_PKEY *key = csr != NULL ? X509_REQ_get_pubkey(csr) : NULL;
	ERR_clear_error();
	if (key == NULL)
		g_set_error_literal(
		    error, PV_ERROR, PV_ERROR_PROTOCOL, "certificate request is not one in DER");
	return key;
}

static gboolean
certificate_has_ca(PvJob *job, GError **error)
{
	if (job->site->ca != NULL)
		return TRUE;
	g_set_error(
	    error, PV_ERROR, PV_ERROR_CONFIG, "%s: the site has no \"ca\"", job->site->file);
	return FALSE;
}

gboolean
pv_job_prepare_certificate(
    PvJob *job, const PvCertRequest *request, PvCaPreparation *preparation, GError **error)
{
	if (!certificate_has_ca(job, error))
		return FALSE;
	if (job->site->ca->prepare == NULL)
		return TRUE;
	return job->site->ca->prepare(
	    job->site->ca_handle, request, preparation, job->cancellable, error);
}

/* The fact that keeps a CA's cookie while the request is pending: "KEY COOKIE". */
static char *
certificate_dup_cookie_fact(const PvCertRequest *request)
{
	return g_strconcat("ca.cookie.",
	    request->template_name != NULL ? request->template_name : "default", NULL);
}

/* The secret that keeps the request itself. */
static char *
certificate_dup_csr_secret(const PvCertRequest *request)
{
	return g_strconcat("ca-request-",
	    request->template_name != NULL ? request->template_name : "default", NULL);
}

/* The cookie of an earlier submission, if it was for this key: the same template may serve several certificates. */
static const char *
certificate_find_cookie(const char *value, const char *key)
{
	return value != NULL && g_str_has_prefix(value, key) && value[strlen(key)] == ' '
		   ? value + strlen(key) + 1
		   : NULL;
}

/* A request that the CA has and has not decided on: polling takes the very bytes that were submitted, and a new request may
 * have other ones (an ECDSA signature, a challenge). It is sealed, for a challenge is a password. */
static gboolean
certificate_keep_csr(PvJob *job, const char *name, GBytes *csr_der, GError **error)
{
	const char *uuid = pv_device_get_uuid(job->device);
	gsize size = 0;
	gconstpointer data = g_bytes_get_data(csr_der, &size);
	g_autoptr(PvSecret) kept = pv_db_has_secret(job->site->db, uuid, name, "current")
				       ? pv_db_dup_secret(job->site->db, uuid, name, "current", NULL)
				       : NULL;
	g_autofree char *text = g_base64_encode(data, size);
	g_autoptr(PvSecret) csr = pv_secret_new(text, -1);
	explicit_bzero(text, strlen(text));
	return (kept != NULL && pv_secret_equal(kept, csr)) ||
	       pv_db_put_secret(job->site->db, uuid, name, "current", csr, error);
}

/* NULL: none is kept. */
static GBytes *
certificate_load_csr(PvJob *job, const char *name)
{
	const char *uuid = pv_device_get_uuid(job->device);
	if (!pv_db_has_secret(job->site->db, uuid, name, "current"))
		return NULL;
	g_autoptr(PvSecret) kept = pv_db_dup_secret(job->site->db, uuid, name, "current", NULL);
	gsize size = 0;
	guchar *data = kept == NULL ? NULL : g_base64_decode(pv_secret_peek(kept, NULL), &size);
	return data == NULL ? NULL : g_bytes_new_with_free_func(data, size, pv_wipe_free, data);
}

/* Once it is decided. What cannot be deleted is replaced by the next one. */
static void
certificate_forget_pending(PvJob *job, const char *fact, const char *secret)
{
	g_autoptr(GError) error = NULL;
	const char *uuid = pv_device_get_uuid(job->device);
	pv_job_set_fact(job, fact, NULL);
	if (pv_db_has_secret(job->site->db, uuid, secret, "current") &&
	    !pv_db_delete_secret(job->site->db, uuid, secret, NULL, &error))
		g_debug("forget request of %s: %s", uuid, error->message);
}

/* For "provost ca revoke --device": what the CA made for it, newest first. */
static void
certificate_remember_serial(PvJob *job, GBytes *der)
{
	g_autofree char *serial = pv_ca_dup_serial(der, NULL);
	const char *known = pv_job_get_fact(job, CERTIFICATE_SERIALS_FACT);
	if (serial == NULL || *serial == '\0' || pv_cert_store_list_has(known, serial))
		return;
	g_auto(GStrv) serials = g_strsplit(known != NULL ? known : "", " ", -1);
	g_autoptr(GString) list = g_string_new(serial);
	for (guint i = 0; serials[i] != NULL && i + 1 < CERTIFICATE_SERIALS_MAX; i++)
		g_string_append_printf(list, " %s", serials[i]);
	pv_job_set_fact(job, CERTIFICATE_SERIALS_FACT, list->str);
}

/* The account of the device, with the password that the directory has now; both are of the stage ad-account. */
static gboolean
certificate_take_identity(PvJob *job, PvCaIdentity *identity, PvSecret **password, GError **error)
{
	identity->account = pv_job_get_fact(job, "account.name");
	identity->realm = pv_job_get_fact(job, "account.realm");
	if (identity->account == NULL || identity->realm == NULL ||
	    (!pv_job_has_secret(job, "account", PV_SECRET_PENDING) &&
		!pv_job_has_secret(job, "account", PV_SECRET_CURRENT))) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "the device is to ask itself, and has no account to do so: run the stage "
		    "ad-account first, with a directory that has a Kerberos realm");
		return FALSE;
	}
	*password = pv_job_dup_account_password(job, error);
	identity->password = *password;
	return *password != NULL;
}

static gboolean
certificate_submit(PvJob *job, const PvCertRequest *request, GBytes *csr_der, const char *cookie,
    PvCaReply *reply, GError **error)
{
	const PvCa *ca = job->site->ca;
	g_autoptr(PvSecret) password = NULL;
	PvCaIdentity own = { 0 };
	if (request->as_device && !certificate_take_identity(job, &own, &password, error))
		return FALSE;
	const PvCaIdentity *identity = request->as_device ? &own : NULL;
	if (cookie != NULL && ca->poll != NULL)
		return ca->poll(job->site->ca_handle, request, csr_der, cookie, identity, reply,
		    job->cancellable, error);
	return ca->submit(
	    job->site->ca_handle, request, csr_der, identity, reply, job->cancellable, error);
}

/* Parks the job; cookie and request are on the disk when it does. */
static void
certificate_wait(PvJob *job, const PvCertRequest *request, GBytes *csr_der, const char *key,
    const PvCaReply *reply, const char *fact, const char *secret, GError **error)
{
	if (reply->cookie == NULL) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_FAILED,
		    "the CA's plugin says that the request is pending and gives no cookie");
		return;
	}
	g_autofree char *value = g_strdup_printf("%s %s", key, reply->cookie);
	pv_job_set_fact(job, fact, value);
	if (!certificate_keep_csr(job, secret, csr_der, error) || !pv_job_save_facts(job, error))
		return;
	(void)pv_job_wait(job, MAX(reply->not_before_sec, 1), error, "the CA has not decided on %s yet%s%s",
	    request->common_name, reply->text != NULL ? ": " : "",
	    reply->text != NULL ? reply->text : "");
}

/* What the CA said: NULL with the error, unless it issued what was asked for. */
static GBytes *
certificate_take(PvJob *job, const PvCertRequest *request, const PvCaReply *reply, EVP_PKEY *key,
    PvTrust *trust, GError **error)
{
	if (reply->outcome == PV_CA_DENIED || reply->certificate == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "request certificate for %s: the CA refused%s%s", request->common_name,
		    reply->text != NULL ? ": " : "", reply->text != NULL ? reply->text : "");
		return NULL;
	}
	if (!pv_certificate_check(request, reply->certificate, reply->chain, key, trust, 0,
		g_get_real_time() / G_USEC_PER_SEC, error)) {
		g_prefix_error(error, "the CA's answer for %s: ", request->common_name);
		return NULL;
	}
	pv_site_learn_chain(job->site, reply->chain);
	certificate_remember_serial(job, reply->certificate);
	return g_bytes_ref(reply->certificate);
}

GBytes *
pv_job_request_certificate(
    PvJob *job, const PvCertRequest *wanted, GBytes *csr_der, GError **error)
{
	if (!certificate_has_ca(job, error))
		return NULL;
	PvCertRequest with_version = *wanted;
	with_version.amt_version = pv_job_get_fact(job, "amt.version");
	const PvCertRequest *request = &with_version;
	g_autoptr(EVP_PKEY) key = certificate_dup_csr_key(csr_der, error);
	g_auto(PvCaReply) reply = { 0 };
	g_autoptr(GError) failure = NULL;
	g_autofree char *fact = certificate_dup_cookie_fact(request);
	g_autofree char *secret = certificate_dup_csr_secret(request);
	g_autofree char *name = key == NULL ? NULL : pv_cert_key_dup_fingerprint(key);
	const char *cookie =
	    name == NULL ? NULL : certificate_find_cookie(pv_job_get_fact(job, fact), name);
	g_autoptr(GBytes) kept = cookie == NULL ? NULL : certificate_load_csr(job, secret);
	GBytes *csr = kept != NULL ? kept : csr_der;
	/* first: a certificate that nobody could judge would be lost, and the next attempt would ask for another one */
	g_autoptr(PvTrust) trust = NULL;
	if (key == NULL || !pv_site_dup_trust(job->site, &trust, job->cancellable, error))
		return NULL;
	if (!certificate_submit(job, request, csr, cookie, &reply, &failure)) {
		/* a request that the CA no longer knows is made anew next time */
		if (cookie != NULL && g_error_matches(failure, PV_ERROR, PV_ERROR_REJECTED))
			certificate_forget_pending(job, fact, secret);
		g_propagate_prefixed_error(error, g_steal_pointer(&failure),
		    "request certificate for %s: ", request->common_name);
		return NULL;
	}
	if (reply.outcome == PV_CA_PENDING) {
		certificate_wait(job, request, csr, name, &reply, fact, secret, error);
		return NULL;
	}
	certificate_forget_pending(job, fact, secret);
	return certificate_take(job, request, &reply, key, trust, error);
}

gboolean
pv_job_verify_certificate(PvJob *job, const PvCertRequest *request, GBytes *certificate_der,
    guint days_left, char **reason, GError **error)
{
	g_autoptr(GError) why = NULL;
	*reason = NULL;
	if (!certificate_has_ca(job, error))
		return FALSE;
	g_autoptr(PvTrust) trust = NULL;
	gint64 now = g_get_real_time() / G_USEC_PER_SEC;
	if (!pv_site_dup_trust(job->site, &trust, job->cancellable, error))
		return FALSE;
	if (pv_certificate_check(request, certificate_der, NULL, NULL, trust, days_left, now, &why))
		return TRUE;
	*reason = g_strdup(why->message);
	return FALSE;
}
