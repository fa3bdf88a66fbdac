/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cert-request.h"
#include "cert-store.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <provost/provost.h>
#include <string.h>

/* Puts a certificate of the site's CA for the device's name into the device, with its key: best made there, where
 * nobody can read it, else made here and pushed. Another stage binds it to TLS. */

#define CERT_SECRET "certificate-key"
#define CERT_POLL_SEC 10 /* key generation: the interval that the firmware bears */
#define CERT_KEY_BLOB_MAX 1210 /* bytes of AddKey's KeyBlob (Intel AMT SDK) */
#define CERT_PUSHED_BITS_MAX 2048 /* what that holds */
#define CERT_NAME_MAX 64 /* RFC 5280, ub-common-name */
#define CERT_SERVER_AUTH "1.3.6.1.5.5.7.3.1"

enum {
	CERT_STATUS_INVALID_PARAMETER = 36,
	CERT_STATUS_UNSUPPORTED = 2066,
};

static const char *const cert_ekus[] = { CERT_SERVER_AUTH, NULL };

/* What is wanted, with the strings that PvCertRequest only lends. */
typedef struct {
	PvCertRequest request;
	char *fqdn;
	char **names;
	guint bits;
} Certificate;

static void
certificate_clear(Certificate *certificate)
{
	g_free(certificate->fqdn);
	g_strfreev(certificate->names);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Certificate, certificate_clear)

static gboolean
certificate_init(Certificate *certificate, PvJob *job, GError **error)
{
	const PvDevice *device = pv_job_get_device(job);
	const char *fqdn = pv_device_get_fqdn(device);
	const char *const *extra = pv_job_get_list(job, "dns-names");
	if (fqdn == NULL || strlen(fqdn) > CERT_NAME_MAX) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "name the certificate of %s: it needs an FQDN of at most %d characters",
		    pv_device_get_name(device), CERT_NAME_MAX);
		return FALSE;
	}
	certificate->fqdn = g_ascii_strdown(fqdn, -1);
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	g_ptr_array_add(names, g_strdup(certificate->fqdn));
	for (guint i = 0; extra[i] != NULL; i++)
		if (g_ascii_strcasecmp(extra[i], fqdn) != 0)
			g_ptr_array_add(names, g_ascii_strdown(extra[i], -1));
	g_ptr_array_add(names, NULL);
	certificate->names = (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
	certificate->bits = (guint)pv_job_get_int(job, "key-length");
	certificate->request = (PvCertRequest) {
		.uuid = pv_device_get_uuid(device),
		.template_name = pv_job_get_string(job, "template"),
		.common_name = certificate->fqdn,
		.dns_names = (const char *const *)certificate->names,
		.ekus = cert_ekus,
	};
	return TRUE;
}

/* A key that no certificate belongs to: a run that was interrupted made it. */
static CertKey *
certificate_find_spare_key(const Certificate *certificate, CertStore *store)
{
	for (guint i = 0; i < store->keys->len; i++) {
		CertKey *key = g_ptr_array_index(store->keys, i);
		if (key->public_key != NULL && !key->used && key->bits == certificate->bits)
			return key;
	}
	return NULL;
}

/* With "auto" the device makes the key when it lists its keys, unless one was already made here. */
static gboolean
certificate_is_pushed(PvJob *job, CertStore *store)
{
	const char *key = pv_job_get_string(job, "key");
	if (!g_str_equal(key, "auto"))
		return g_str_equal(key, "pushed");
	return !store->lists_keys || pv_job_has_secret(job, CERT_SECRET, PV_SECRET_PENDING);
}

static gboolean
certificate_is_better(const CertEntry *entry, const CertEntry *best, const char *known)
{
	if (best == NULL || g_strcmp0(entry->instance, known) == 0)
		return TRUE;
	return g_strcmp0(best->instance, known) != 0 &&
	       ASN1_TIME_compare(X509_get0_notAfter(entry->x509), X509_get0_notAfter(best->x509)) >
		   0;
}

/* The certificate that will do: of the site's CA, for these names, long enough, its key in the device. Of several,
 * the one known from before. *reason: why the one that was known, or else any, will not do.
 * NULL without an error: none. */
static CertEntry *
certificate_find_good(
    PvJob *job, const Certificate *certificate, CertStore *store, char **reason, GError **error)
{
	const char *known = pv_job_get_fact(job, "certificate.instance");
	guint days = (guint)pv_job_get_int(job, "renew-days");
	CertEntry *best = NULL;
	for (guint i = 0; i < store->certificates->len; i++) {
		CertEntry *entry = g_ptr_array_index(store->certificates, i);
		if (entry->x509 == NULL || entry->trusted_root ||
		    (store->lists_keys && entry->key == NULL))
			continue;
		g_autofree char *why = NULL;
		g_autoptr(GError) local_error = NULL;
		gboolean good = pv_job_verify_certificate(
		    job, &certificate->request, entry->der, days, &why, &local_error);
		if (local_error != NULL) {
			g_propagate_error(error, g_steal_pointer(&local_error));
			return NULL;
		}
		if (good && certificate_is_better(entry, best, known))
			best = entry;
		if (!good && (*reason == NULL || g_strcmp0(entry->instance, known) == 0)) {
			g_free(*reason);
			*reason = g_strdup(why == NULL ? "not of the site's CA" : why);
		}
	}
	return best;
}

static void
certificate_set_facts(PvJob *job, const CertEntry *entry)
{
	g_autofree char *fingerprint = cert_dup_fingerprint(entry->der);
	pv_job_set_fact(job, "certificate.instance", entry->instance);
	pv_job_set_fact(job, "certificate.key", entry->key == NULL ? NULL : entry->key->instance);
	pv_job_set_fact(job, "certificate.sha256", fingerprint);
}

static gboolean
certificate_plan(PvJob *job, PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	g_auto(Certificate) certificate = { 0 };
	if (amt == NULL || !certificate_init(&certificate, job, error))
		return FALSE;
	g_autoptr(CertStore) store = cert_store_read(amt, error);
	if (store == NULL)
		return FALSE;
	g_autofree char *reason = NULL;
	g_autoptr(GError) local_error = NULL;
	CertEntry *good = certificate_find_good(job, &certificate, store, &reason, &local_error);
	if (local_error != NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	if (good != NULL) {
		certificate_set_facts(job, good);
		if (pv_job_has_secret(job, CERT_SECRET, PV_SECRET_PENDING))
			pv_plan_add(plan, "secret " CERT_SECRET, "state", "pending", "current");
		return TRUE;
	}

	gboolean pushed = certificate_is_pushed(job, store);
	g_autofree char *key = g_strdup_printf(
	    "%u-bit RSA, made %s", certificate.bits, pushed ? "here" : "in the device");
	if (pushed || certificate_find_spare_key(&certificate, store) == NULL)
		pv_plan_add(plan, CERT_KEY_CLASS, certificate.fqdn, "", key);
	pv_plan_add(plan, CERT_CLASS, certificate.fqdn, reason, "(new)");
	return TRUE;
}

/* Judges the ReturnValue of the certificate service; with one that passes, such as PKI_GENERATING_KEYS, the job
 * waits. */
static gboolean
certificate_judge(PvJob *job, const char *method, guint32 status, GError **error)
{
	if (status == PV_PT_STATUS_SUCCESS)
		return TRUE;
	g_autoptr(GError) local_error = NULL;
	pv_pt_status_error(&local_error, CERT_SERVICE, method, status);
	if (g_error_matches(local_error, PV_ERROR, PV_ERROR_PENDING))
		return pv_job_wait(
		    job, CERT_POLL_SEC, error, "waiting for the device: %s", local_error->message);
	if (status == PV_PT_STATUS_MAX_LIMIT_REACHED)
		g_prefix_error(&local_error,
		    "the device's certificate store is full, remove what it does not need: ");
	g_propagate_error(error, g_steal_pointer(&local_error));
	return FALSE;
}

/* A fault that passes comes as PV_ERROR_PENDING: then the job waits as with such a ReturnValue. */
static PvInstance *
certificate_invoke(PvJob *job, PvWsman *amt, const char *method, const PvInstance *input,
    guint32 *status, GError **error)
{
	g_autoptr(GError) local_error = NULL;
	PvInstance *output =
	    pv_wsman_invoke(amt, CERT_SERVICE, NULL, method, input, status, &local_error);
	if (output != NULL)
		return output;
	if (g_error_matches(local_error, PV_ERROR, PV_ERROR_PENDING))
		(void)pv_job_wait(
		    job, CERT_POLL_SEC, error, "waiting for the device: %s", local_error->message);
	else
		g_propagate_error(error, g_steal_pointer(&local_error));
	return NULL;
}

static gboolean
certificate_add(PvJob *job, PvWsman *amt, GBytes *der, GError **error)
{
	gsize length = 0;
	gconstpointer data = g_bytes_get_data(der, &length);
	guint32 status = 0;
	g_autoptr(PvInstance) input = pv_instance_new("AddCertificate_INPUT");
	pv_instance_add_bytes(input, "CertificateBlob", data, length);
	g_autoptr(PvInstance) output =
	    certificate_invoke(job, amt, "AddCertificate", input, &status, error);
	if (output == NULL)
		return FALSE;
	/* there already: the answer of an earlier try was lost. plan finds it */
	return status == PV_PT_STATUS_DUPLICATE ||
	       certificate_judge(job, "AddCertificate", status, error);
}

/* Returns the InstanceID of the new key; the class that the answer names is not reliable. */
static char *
certificate_generate_key(PvJob *job, PvWsman *amt, guint bits, GError **error)
{
	guint32 status = 0;
	g_autoptr(PvInstance) input = pv_instance_new("GenerateKeyPair_INPUT");
	pv_instance_add_int(input, "KeyAlgorithm", 0); /* RSA */
	pv_instance_add_int(input, "KeyLength", bits);
	pv_job_progress(job, "having the device make a key");
	g_autoptr(PvInstance) output =
	    certificate_invoke(job, amt, "GenerateKeyPair", input, &status, error);
	if (output == NULL || !certificate_judge(job, "GenerateKeyPair", status, error))
		return NULL;
	const PvEpr *epr = pv_instance_get_epr(output, "KeyPair");
	const char *id = epr == NULL ? NULL : pv_epr_get_selector(epr, "InstanceID");
	if (id == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "make key: the device's answer names no key");
	return g_strdup(id);
}

/* Only the signature of the request is asked for in SHA-1 of firmware that knows no better: it proves to the CA
 * who has the key, and ends there. */
static GBytes *
certificate_sign_in_device(
    PvJob *job, PvWsman *amt, const CertKey *key, GBytes *null_signed, GError **error)
{
	static const int algorithms[] = { 1 /* SHA256-RSA */, 0 /* SHA1-RSA */ };
	gsize length = 0;
	gconstpointer data = g_bytes_get_data(null_signed, &length);
	g_autoptr(PvEpr) epr = pv_epr_new(CERT_KEY_CLASS, PV_SELECT("InstanceID", key->instance));
	g_autoptr(PvInstance) output = NULL;
	guint32 status = 0;
	for (guint i = 0; i < G_N_ELEMENTS(algorithms); i++) {
		g_autoptr(PvInstance) input = pv_instance_new("GeneratePKCS10RequestEx_INPUT");
		pv_instance_add_epr(input, "KeyPair", epr);
		pv_instance_add_int(input, "SigningAlgorithm", algorithms[i]);
		pv_instance_add_bytes(input, "NullSignedCertificateRequest", data, length);
		g_clear_pointer(&output, pv_instance_free);
		output =
		    certificate_invoke(job, amt, "GeneratePKCS10RequestEx", input, &status, error);
		if (output == NULL)
			return NULL;
		if (status != CERT_STATUS_INVALID_PARAMETER && status != CERT_STATUS_UNSUPPORTED)
			break;
	}
	if (!certificate_judge(job, "GeneratePKCS10RequestEx", status, error))
		return NULL;
	g_autoptr(GBytes) csr = pv_instance_dup_bytes(output, "SignedCertificateRequest", error);
	return csr != NULL && cert_request_check(csr, null_signed, key->public_key, error)
		   ? g_steal_pointer(&csr)
		   : NULL;
}

/* The key in the device, and a request that it signed. */
static GBytes *
certificate_make_in_device(PvJob *job, PvWsman *amt, CertStore *store,
    const Certificate *certificate, const PvCaPreparation *preparation, GError **error)
{
	g_autoptr(CertStore) fresh = NULL;
	CertKey *key = certificate_find_spare_key(certificate, store);
	if (key == NULL) {
		g_autofree char *id = certificate_generate_key(job, amt, certificate->bits, error);
		fresh = id == NULL ? NULL : cert_store_read(amt, error);
		if (fresh == NULL)
			return NULL;
		key = cert_store_find_key(fresh, id);
	}
	if (key == NULL || key->public_key == NULL) {
		(void)pv_job_wait(
		    job, CERT_POLL_SEC, error, "waiting for the device to list its new key");
		return NULL;
	}
	g_autoptr(GBytes) null_signed =
	    cert_request_new_unsigned(key->public_key, &certificate->request, preparation, error);
	return null_signed == NULL ? NULL
				   : certificate_sign_in_device(job, amt, key, null_signed, error);
}

/* Without it OpenSSL would ask for a password on the terminal. */
static int
certificate_no_password(char *buffer, int size, int writing, void *data)
{
	return -1;
}

/* The key of a run that was interrupted; NULL: none that fits */
static EVP_PKEY *
certificate_load_pushed_key(PvJob *job, guint bits)
{
	if (!pv_job_has_secret(job, CERT_SECRET, PV_SECRET_PENDING))
		return NULL;
	g_autoptr(PvSecret) pem = pv_job_dup_secret(job, CERT_SECRET, PV_SECRET_PENDING, NULL);
	gsize length = 0;
	const char *text = pem == NULL ? NULL : pv_secret_peek(pem, &length);
	BIO *bio = text == NULL ? NULL : BIO_new_mem_buf(text, (int)length);
	g_autoptr(EVP_PKEY) key =
	    bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, certificate_no_password, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (key == NULL || !EVP_PKEY_is_a(key, "RSA") || (guint)EVP_PKEY_get_bits(key) != bits)
		return NULL;
	return g_steal_pointer(&key);
}

/* Sealed and on the disk before anybody sees the key. */
static EVP_PKEY *
certificate_new_pushed_key(PvJob *job, guint bits, GError **error)
{
	g_autoptr(EVP_PKEY) key = EVP_RSA_gen(bits);
	BIO *bio = BIO_new(BIO_s_secmem());
	g_autoptr(PvSecret) pem = NULL;
	if (key != NULL && bio != NULL &&
	    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
		char *data = NULL;
		long length = BIO_get_mem_data(bio, &data);
		pem = pv_secret_new(data, length);
	}
	BIO_free(bio);
	if (pem == NULL) {
		ERR_clear_error();
		g_set_error(
		    error, PV_ERROR, PV_ERROR_FAILED, "make a key: the crypto library failed");
		return NULL;
	}
	return pv_job_propose_secret(job, CERT_SECRET, pem, error) ? g_steal_pointer(&key) : NULL;
}

static gboolean
certificate_add_key(PvJob *job, PvWsman *amt, EVP_PKEY *key, GError **error)
{
	unsigned char *der = NULL;
	int length = i2d_PrivateKey(key, &der); /* PKCS#1 RSAPrivateKey */
	g_autoptr(PvInstance) input = pv_instance_new("AddKey_INPUT");
	if (length <= 0 || length > CERT_KEY_BLOB_MAX) {
		OPENSSL_clear_free(der, length > 0 ? (gsize)length : 0);
		ERR_clear_error();
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
		    "push key: it has %d bytes, and AMT takes %d", length, CERT_KEY_BLOB_MAX);
		return FALSE;
	}
	pv_instance_add_bytes(input, "KeyBlob", der, (gsize)length);
	OPENSSL_clear_free(der, (gsize)length);
	guint32 status = 0;
	g_autoptr(PvInstance) output =
	    certificate_invoke(job, amt, "AddKey", input, &status, error);
	if (output == NULL)
		return FALSE;
	return status == PV_PT_STATUS_DUPLICATE || certificate_judge(job, "AddKey", status, error);
}

/* The CA is asked before the device gets the key: what the CA refuses leaves nothing behind. */
static gboolean
certificate_apply_pushed(PvJob *job, PvWsman *amt, const Certificate *certificate,
    const PvCaPreparation *preparation, GError **error)
{
	if (certificate->bits > CERT_PUSHED_BITS_MAX) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "push key: AMT takes one of at most %d bits: set \"key-length\" to that",
		    CERT_PUSHED_BITS_MAX);
		return FALSE;
	}
	g_autoptr(EVP_PKEY) key = certificate_load_pushed_key(job, certificate->bits);
	if (key == NULL)
		key = certificate_new_pushed_key(job, certificate->bits, error);
	g_autoptr(GBytes) csr =
	    key == NULL ? NULL
			: cert_request_new_signed(key, &certificate->request, preparation, error);
	g_autoptr(GBytes) der =
	    csr == NULL ? NULL : pv_job_request_certificate(job, &certificate->request, csr, error);
	return der != NULL && certificate_add_key(job, amt, key, error) &&
	       certificate_add(job, amt, der, error) &&
	       pv_job_confirm_secret(job, CERT_SECRET, error);
}

/* GenerateKeyPair is refused by some boards, and GeneratePKCS10RequestEx missing in old firmware. */
static gboolean
certificate_can_fall_back(PvJob *job, const GError *error)
{
	return g_str_equal(pv_job_get_string(job, "key"), "auto") &&
	       (g_error_matches(error, PV_ERROR, PV_ERROR_UNSUPPORTED) ||
		   g_error_matches(error, PV_ERROR, PV_ERROR_REJECTED));
}

/* What the device cannot use must not stay in its small store. */
static gboolean
certificate_drop_spare_key(PvWsman *amt, const Certificate *certificate, GError **error)
{
	g_autoptr(CertStore) store = cert_store_read(amt, error);
	if (store == NULL)
		return FALSE;
	CertKey *key = certificate_find_spare_key(certificate, store);
	return key == NULL ||
	       pv_wsman_delete(amt, CERT_KEY_CLASS, PV_SELECT("InstanceID", key->instance), error);
}

static gboolean
certificate_apply_new(PvJob *job, PvWsman *amt, const Certificate *certificate, GError **error)
{
	g_autoptr(CertStore) store = cert_store_read(amt, error);
	g_auto(PvCaPreparation) preparation = { 0 };
	if (store == NULL ||
	    !pv_job_prepare_certificate(job, &certificate->request, &preparation, error))
		return FALSE;
	if (certificate_is_pushed(job, store))
		return certificate_apply_pushed(job, amt, certificate, &preparation, error);

	g_autoptr(GError) local_error = NULL;
	g_autoptr(GBytes) csr =
	    certificate_make_in_device(job, amt, store, certificate, &preparation, &local_error);
	if (csr == NULL && certificate_can_fall_back(job, local_error)) {
		pv_job_progress(job, "the device cannot make a key of its own: pushing one");
		g_debug("%s", local_error->message);
		return certificate_drop_spare_key(amt, certificate, error) &&
		       certificate_apply_pushed(job, amt, certificate, &preparation, error);
	}
	if (csr == NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	g_autoptr(GBytes) der = pv_job_request_certificate(job, &certificate->request, csr, error);
	return der != NULL && certificate_add(job, amt, der, error);
}

static gboolean
certificate_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	g_auto(Certificate) certificate = { 0 };
	if (amt == NULL || !certificate_init(&certificate, job, error))
		return FALSE;
	if (!pv_plan_has(plan, CERT_CLASS, NULL)) /* only the answer to the last write was lost */
		return pv_job_confirm_secret(job, CERT_SECRET, error);
	return certificate_apply_new(job, amt, &certificate, error);
}

static const PvParam certificate_params[] = {
	{ "template", PV_PARAM_STRING, "null",
	    "the CA's name for the kind of certificate; absent: its default" },
	{ "key", PV_PARAM_CHOICE, "\"auto\"",
	    "where the key is made; auto: in the device if it can",
	    .choices = "auto|device|pushed" },
	{ "key-length", PV_PARAM_INT, "2048", "length of the RSA key; all AMT takes 2048",
	    .unit = "bit", .minimum = 2048, .maximum = 4096 },
	{ "renew-days", PV_PARAM_INT, "42", "renew a certificate that expires within this time",
	    .unit = "d", .minimum = 1, .maximum = 365 },
	{ "dns-names", PV_PARAM_LIST, "[]", "alternative names besides the FQDN" },
	{ NULL },
};

static const char *const certificate_provides[] = { "certificate.instance", "certificate.key",
	"certificate.sha256", NULL };

static const PvStage certificate_stages[] = {
	{
	    .type = "certificate",
	    .summary = "puts a certificate of the site's CA for the device's name into the device",
	    .params = certificate_params,
	    .provides = certificate_provides,
	    .plan = certificate_plan,
	    .apply = certificate_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "certificate", PV_VERSION, "certificate of a device", .stages = certificate_stages);
