/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/cert-request.h"
#include "core/engine/job-private.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <provost/certificate.h>
#include <string.h>

#define CERT_SERVICE "AMT_PublicKeyManagementService"
#define CERT_CLASS "AMT_PublicKeyCertificate"
#define CERT_KEY_CLASS "AMT_PublicPrivateKeyPair"
#define CERT_POLL_SEC 10 /* key generation: the interval that the firmware bears */
#define CERT_KEY_BLOB_MAX 1210 /* bytes of AddKey's KeyBlob (Intel AMT SDK) */
#define CERT_PUSHED_BITS_MAX 2048 /* what that holds */
#define CERT_NAME_MAX 64 /* RFC 5280, ub-common-name */

enum {
	CERT_STATUS_INVALID_PARAMETER = 36,
	CERT_STATUS_UNSUPPORTED = 2066,
};

static gboolean
cert_use_check(PvJob *job, const PvCertUse *use, GError **error)
{
	const char *name = use->request.common_name;
	if (name != NULL && *name != '\0' && strlen(name) <= CERT_NAME_MAX)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "name the certificate of %s: it needs an FQDN of at most %d characters",
	    pv_device_get_name(pv_job_get_device(job)), CERT_NAME_MAX);
	return FALSE;
}

/* The facts and the secret of a use */

static void
cert_use_set_fact(PvJob *job, const PvCertUse *use, const char *what, const char *value)
{
	g_autofree char *name = g_strconcat(use->name, what, NULL);
	pv_job_set_fact(job, name, value);
}

static const char *
cert_use_get_fact(PvJob *job, const PvCertUse *use, const char *what)
{
	g_autofree char *name = g_strconcat(use->name, what, NULL);
	return pv_job_get_fact(job, name);
}

static char *
cert_use_dup_secret_name(const PvCertUse *use)
{
	return g_strconcat(use->name, "-key", NULL);
}

static gboolean
cert_use_is_pending(PvJob *job, const PvCertUse *use)
{
	g_autofree char *secret = cert_use_dup_secret_name(use);
	return pv_job_has_secret(job, secret, PV_SECRET_PENDING);
}

static gboolean
cert_use_confirm(PvJob *job, const PvCertUse *use, GError **error)
{
	g_autofree char *secret = cert_use_dup_secret_name(use);
	return pv_job_confirm_secret(job, secret, error);
}

/* Whether another use's fact @what has this value. */
static gboolean
cert_use_is_claimed(PvJob *job, const PvCertUse *use, const char *what, const char *value)
{
	GHashTableIter iter;
	gpointer name = NULL, claimed = NULL;
	gsize own = strlen(use->name);
	g_hash_table_iter_init(&iter, job->facts);
	while (g_hash_table_iter_next(&iter, &name, &claimed))
		if (g_str_has_suffix(name, what) && g_strcmp0(claimed, value) == 0 &&
		    (strlen(name) != own + strlen(what) || strncmp(name, use->name, own) != 0))
			return TRUE;
	return FALSE;
}

static gboolean
cert_use_claim_key(PvJob *job, const PvCertUse *use, const char *key, GError **error)
{
	cert_use_set_fact(job, use, ".spare-key", key);
	return pv_job_save_facts(job, error);
}

/* A key that no certificate belongs to: a run that was interrupted made it. The one that this use has claimed, or else, in
 * set-up, one that nobody has. In a device that was managed before, such a key may be one that a former administrator has
 * pushed and knows: it is no key to have certified, and certificate-cleanup deletes it. */
static PvStoredKey *
cert_use_find_spare_key(PvJob *job, const PvCertUse *use, PvCertStore *store)
{
	const char *own = cert_use_get_fact(job, use, ".spare-key");
	gboolean operational = g_strcmp0(pv_job_get_fact(job, "amt.state"), "operational") == 0;
	PvStoredKey *best = NULL;
	for (guint i = 0; i < store->keys->len; i++) {
		PvStoredKey *key = g_ptr_array_index(store->keys, i);
		if (key->public_key == NULL || key->used || key->bits != use->key_length ||
		    cert_use_is_claimed(job, use, ".spare-key", key->fingerprint) ||
		    cert_use_is_claimed(job, use, ".spare-key", key->instance))
			continue;
		gboolean is_own = g_strcmp0(key->fingerprint, own) == 0 || g_strcmp0(key->instance, own) == 0;
		if (operational && !is_own)
			continue;
		if (best == NULL || is_own)
			best = key;
	}
	return best;
}

/* With "auto" the device makes the key when it lists its keys, unless one was already made here. */
static gboolean
cert_use_is_pushed(PvJob *job, const PvCertUse *use, PvCertStore *store)
{
	if (!g_str_equal(use->key, "auto"))
		return g_str_equal(use->key, "pushed");
	return !store->lists_keys || cert_use_is_pending(job, use);
}

static gboolean
cert_use_is_better(
    const PvStoredCertificate *entry, const PvStoredCertificate *best, const char *known)
{
	if (best == NULL || g_strcmp0(entry->instance, known) == 0)
		return TRUE;
	return g_strcmp0(best->instance, known) != 0 &&
	       ASN1_TIME_compare(X509_get0_notAfter(entry->x509), X509_get0_notAfter(best->x509)) >
		   0;
}

/* The certificate that will do: of the site's CA, for these names, long enough, its key in the device, and no other
 * use's. Of several, the one known from before. *reason: why the one that was known, or else any, will not do.
 * NULL without an error: none. */
static PvStoredCertificate *
cert_use_find_good(
    PvJob *job, const PvCertUse *use, PvCertStore *store, char **reason, GError **error)
{
	const char *known = cert_use_get_fact(job, use, ".instance");
	PvStoredCertificate *best = NULL;
	for (guint i = 0; i < store->certificates->len; i++) {
		PvStoredCertificate *entry = g_ptr_array_index(store->certificates, i);
		if (entry->x509 == NULL || entry->trusted_root ||
		    (store->lists_keys && entry->key == NULL) ||
		    cert_use_is_claimed(job, use, ".sha256", entry->fingerprint))
			continue;
		g_autofree char *why = NULL;
		g_autoptr(GError) local_error = NULL;
		gboolean good = pv_job_verify_certificate(
		    job, &use->request, entry->der, use->renew_days, &why, &local_error);
		if (local_error != NULL) {
			g_propagate_error(error, g_steal_pointer(&local_error));
			return NULL;
		}
		if (good && cert_use_is_better(entry, best, known))
			best = entry;
		if (!good && (*reason == NULL || g_strcmp0(entry->instance, known) == 0)) {
			g_free(*reason);
			*reason = g_strdup(why == NULL ? "not of the site's CA" : why);
		}
	}
	return best;
}

gboolean
pv_cert_use_plan(PvJob *job, const PvCertUse *use, PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL || !cert_use_check(job, use, error))
		return FALSE;
	g_autoptr(PvCertStore) store = pv_cert_store_read(amt, error);
	if (store == NULL)
		return FALSE;
	g_autofree char *reason = NULL;
	g_autofree char *secret = cert_use_dup_secret_name(use);
	g_autoptr(GError) local_error = NULL;
	PvStoredCertificate *good = cert_use_find_good(job, use, store, &reason, &local_error);
	if (local_error != NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	if (good != NULL) {
		cert_use_set_fact(job, use, ".instance", good->instance);
		cert_use_set_fact(job, use, ".key", good->key == NULL ? NULL : good->key->instance);
		cert_use_set_fact(job, use, ".sha256", good->fingerprint);
		cert_use_set_fact(job, use, ".spare-key", NULL);
		if (cert_use_is_pending(job, use)) {
			g_autofree char *object = g_strconcat("secret ", secret, NULL);
			pv_plan_add(plan, object, "state", "pending", "current");
		}
		return TRUE;
	}

	gboolean pushed = cert_use_is_pushed(job, use, store);
	g_autofree char *key = g_strdup_printf(
	    "%u-bit RSA, made %s", use->key_length, pushed ? "here" : "in the device");
	if (pushed || cert_use_find_spare_key(job, use, store) == NULL)
		pv_plan_add(plan, CERT_KEY_CLASS, use->request.common_name, "", key);
	pv_plan_add(plan, CERT_CLASS, use->request.common_name, reason, "(new)");
	return TRUE;
}

/* Judges the ReturnValue of the certificate service; with one that passes, such as PKI_GENERATING_KEYS, the job
 * waits. */
static gboolean
cert_use_judge(PvJob *job, const char *method, guint32 status, GError **error)
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
cert_use_invoke(PvJob *job, PvWsman *amt, const char *method, const PvInstance *input,
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

/* The InstanceID of a certificate that was just added. */
static char *
cert_use_find_added(PvWsman *amt, const PvInstance *output, GBytes *der, GError **error)
{
	const PvEpr *epr = pv_instance_get_epr(output, "CreatedCertificate");
	const char *id = epr == NULL ? NULL : pv_epr_get_selector(epr, "InstanceID");
	if (id != NULL)
		return g_strdup(id);
	/* it was there already: the answer of an earlier try was lost */
	g_autoptr(PvCertStore) store = pv_cert_store_read(amt, error);
	if (store == NULL)
		return NULL;
	PvStoredCertificate *entry = pv_cert_store_find_der(store, der, FALSE);
	if (entry == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "add certificate: the device has it and does not list it");
	return entry == NULL ? NULL : g_strdup(entry->instance);
}

static gboolean
cert_use_add(PvJob *job, PvWsman *amt, GBytes *der, char **instance, GError **error)
{
	gsize length = 0;
	gconstpointer data = g_bytes_get_data(der, &length);
	guint32 status = 0;
	g_autoptr(PvInstance) input = pv_instance_new("AddCertificate_INPUT");
	pv_instance_add_bytes(input, "CertificateBlob", data, length);
	g_autoptr(PvInstance) output =
	    cert_use_invoke(job, amt, "AddCertificate", input, &status, error);
	if (output == NULL || (status != PV_PT_STATUS_DUPLICATE &&
				  !cert_use_judge(job, "AddCertificate", status, error)))
		return FALSE;
	if (instance == NULL)
		return TRUE;
	*instance = cert_use_find_added(amt, output, der, error);
	return *instance != NULL;
}

/* Returns the InstanceID of the new key; the class that the answer names is not reliable. */
static char *
cert_use_generate_key(PvJob *job, PvWsman *amt, guint bits, GError **error)
{
	guint32 status = 0;
	g_autoptr(PvInstance) input = pv_instance_new("GenerateKeyPair_INPUT");
	pv_instance_add_int(input, "KeyAlgorithm", 0); /* RSA */
	pv_instance_add_int(input, "KeyLength", bits);
	pv_job_progress(job, "having the device make a key");
	g_autoptr(PvInstance) output =
	    cert_use_invoke(job, amt, "GenerateKeyPair", input, &status, error);
	if (output == NULL || !cert_use_judge(job, "GenerateKeyPair", status, error))
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
cert_use_sign_in_device(
    PvJob *job, PvWsman *amt, const PvStoredKey *key, GBytes *null_signed, GError **error)
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
		    cert_use_invoke(job, amt, "GeneratePKCS10RequestEx", input, &status, error);
		if (output == NULL)
			return NULL;
		if (status != CERT_STATUS_INVALID_PARAMETER && status != CERT_STATUS_UNSUPPORTED)
			break;
	}
	if (!cert_use_judge(job, "GeneratePKCS10RequestEx", status, error))
		return NULL;
	g_autoptr(GBytes) csr = pv_instance_dup_bytes(output, "SignedCertificateRequest", error);
	return csr != NULL && pv_cert_request_check(csr, null_signed, key->public_key, error)
		   ? g_steal_pointer(&csr)
		   : NULL;
}

/* The key in the device, and a request that it signed. */
static GBytes *
cert_use_make_in_device(PvJob *job, PvWsman *amt, PvCertStore *store, const PvCertUse *use,
    const PvCaPreparation *preparation, GError **error)
{
	g_autoptr(PvCertStore) fresh = NULL;
	PvStoredKey *key = cert_use_find_spare_key(job, use, store);
	if (key == NULL) {
		g_autofree char *id = cert_use_generate_key(job, amt, use->key_length, error);
		fresh = id == NULL ? NULL : pv_cert_store_read(amt, error);
		if (fresh == NULL)
			return NULL;
		key = pv_cert_store_find_key(fresh, id);
		/* by its name until its public half can be read */
		if ((key == NULL || key->public_key == NULL) && !cert_use_claim_key(job, use, id, error))
			return NULL;
	}
	if (key == NULL || key->public_key == NULL) {
		(void)pv_job_wait(
		    job, CERT_POLL_SEC, error, "waiting for the device to list its new key");
		return NULL;
	}
	if (!cert_use_claim_key(job, use, key->fingerprint, error))
		return NULL;
	g_autoptr(GBytes) null_signed =
	    pv_cert_request_new_unsigned(key->public_key, &use->request, preparation, error);
	return null_signed == NULL ? NULL
				   : cert_use_sign_in_device(job, amt, key, null_signed, error);
}

/* Without it OpenSSL would ask for a password on the terminal. */
static int
cert_use_no_password(char *buffer, int size, int writing, void *data)
{
	return -1;
}

/* The key of a run that was interrupted; NULL: none that fits */
static EVP_PKEY *
cert_use_load_pushed_key(PvJob *job, const PvCertUse *use)
{
	if (!cert_use_is_pending(job, use))
		return NULL;
	g_autofree char *secret = cert_use_dup_secret_name(use);
	g_autoptr(PvSecret) pem = pv_job_dup_secret(job, secret, PV_SECRET_PENDING, NULL);
	gsize length = 0;
	const char *text = pem == NULL ? NULL : pv_secret_peek(pem, &length);
	BIO *bio = text == NULL ? NULL : BIO_new_mem_buf(text, (int)length);
	g_autoptr(EVP_PKEY) key =
	    bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, cert_use_no_password, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (key == NULL || !EVP_PKEY_is_a(key, "RSA") ||
	    (guint)EVP_PKEY_get_bits(key) != use->key_length)
		return NULL;
	return g_steal_pointer(&key);
}

/* Sealed and on the disk before anybody sees the key. */
static EVP_PKEY *
cert_use_new_pushed_key(PvJob *job, const PvCertUse *use, GError **error)
{
	g_autofree char *secret = cert_use_dup_secret_name(use);
	g_autoptr(EVP_PKEY) key = EVP_RSA_gen(use->key_length);
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
	return pv_job_propose_secret(job, secret, pem, error) ? g_steal_pointer(&key) : NULL;
}

static gboolean
cert_use_add_key(PvJob *job, PvWsman *amt, EVP_PKEY *key, GError **error)
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
	g_autoptr(PvInstance) output = cert_use_invoke(job, amt, "AddKey", input, &status, error);
	if (output == NULL)
		return FALSE;
	return status == PV_PT_STATUS_DUPLICATE || cert_use_judge(job, "AddKey", status, error);
}

/* The CA is asked before the device gets the key: what the CA refuses leaves nothing behind. */
static GBytes *
cert_use_apply_pushed(PvJob *job, PvWsman *amt, const PvCertUse *use,
    const PvCaPreparation *preparation, GError **error)
{
	if (use->key_length > CERT_PUSHED_BITS_MAX) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "push key: AMT takes one of at most %d bits: set \"key-length\" to that",
		    CERT_PUSHED_BITS_MAX);
		return NULL;
	}
	g_autoptr(EVP_PKEY) key = cert_use_load_pushed_key(job, use);
	if (key == NULL)
		key = cert_use_new_pushed_key(job, use, error);
	g_autoptr(GBytes) csr =
	    key == NULL ? NULL : pv_cert_request_new_signed(key, &use->request, preparation, error);
	g_autoptr(GBytes) der =
	    csr == NULL ? NULL : pv_job_request_certificate(job, &use->request, csr, error);
	if (der == NULL)
		return NULL;
	g_autofree char *fingerprint = pv_cert_key_dup_fingerprint(key);
	if (!cert_use_claim_key(job, use, fingerprint, error) ||
	    !cert_use_add_key(job, amt, key, error))
		return NULL;
	return g_steal_pointer(&der);
}

/* GenerateKeyPair is refused by some boards, and GeneratePKCS10RequestEx missing in old firmware. */
static gboolean
cert_use_can_fall_back(const PvCertUse *use, const GError *error)
{
	return g_str_equal(use->key, "auto") &&
	       (g_error_matches(error, PV_ERROR, PV_ERROR_UNSUPPORTED) ||
		   g_error_matches(error, PV_ERROR, PV_ERROR_REJECTED));
}

/* What the device cannot use must not stay in its small store. */
static gboolean
cert_use_drop_spare_key(PvJob *job, PvWsman *amt, const PvCertUse *use, GError **error)
{
	g_autoptr(PvCertStore) store = pv_cert_store_read(amt, error);
	if (store == NULL)
		return FALSE;
	PvStoredKey *key = cert_use_find_spare_key(job, use, store);
	return key == NULL ||
	       pv_wsman_delete(amt, CERT_KEY_CLASS, PV_SELECT("InstanceID", key->instance), error);
}

/* The certificate, whose key the device has. */
static GBytes *
cert_use_make(PvJob *job, PvWsman *amt, const PvCertUse *use, PvCertStore *store, GError **error)
{
	g_auto(PvCaPreparation) preparation = { 0 };
	if (!pv_job_prepare_certificate(job, &use->request, &preparation, error))
		return NULL;
	if (cert_use_is_pushed(job, use, store))
		return cert_use_apply_pushed(job, amt, use, &preparation, error);

	g_autoptr(GError) local_error = NULL;
	g_autoptr(GBytes) csr =
	    cert_use_make_in_device(job, amt, store, use, &preparation, &local_error);
	if (csr == NULL && cert_use_can_fall_back(use, local_error)) {
		pv_job_progress(job, "the device cannot make a key of its own: pushing one");
		g_debug("%s", local_error->message);
		if (!cert_use_drop_spare_key(job, amt, use, error))
			return NULL;
		return cert_use_apply_pushed(job, amt, use, &preparation, error);
	}
	if (csr == NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return NULL;
	}
	return pv_job_request_certificate(job, &use->request, csr, error);
}

gboolean
pv_cert_use_ensure(PvJob *job, const PvCertUse *use, char **instance, GBytes **der, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	if (amt == NULL || !cert_use_check(job, use, error))
		return FALSE;
	g_autoptr(PvCertStore) store = pv_cert_store_read(amt, error);
	if (store == NULL)
		return FALSE;
	g_autofree char *reason = NULL;
	g_autofree char *id = NULL;
	g_autoptr(GBytes) made = NULL;
	g_autoptr(GError) local_error = NULL;
	const PvStoredCertificate *good =
	    cert_use_find_good(job, use, store, &reason, &local_error);
	if (local_error != NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	if (good != NULL) {
		id = g_strdup(good->instance);
		made = g_bytes_ref(good->der);
	} else {
		made = cert_use_make(job, amt, use, store, error);
		if (made == NULL ||
		    !cert_use_add(job, amt, made, instance != NULL ? &id : NULL, error))
			return FALSE;
	}
	/* also when only the answer to the last write was lost */
	if (cert_use_is_pending(job, use) && !cert_use_confirm(job, use, error))
		return FALSE;
	if (instance != NULL)
		*instance = g_steal_pointer(&id);
	if (der != NULL)
		*der = g_steal_pointer(&made);
	return TRUE;
}

void
pv_cert_use_forget(PvJob *job, const char *name)
{
	static const char *const facts[] = { ".instance", ".key", ".sha256", ".spare-key", NULL };
	const PvCertUse use = { .name = name };
	for (guint i = 0; facts[i] != NULL; i++)
		cert_use_set_fact(job, &use, facts[i], NULL);
}

static char *
cert_use_find_root(PvWsman *amt, GBytes *der, GError **error)
{
	g_autoptr(PvCertStore) store = pv_cert_store_read(amt, error);
	PvStoredCertificate *entry =
	    store == NULL ? NULL : pv_cert_store_find_der(store, der, TRUE);
	return entry == NULL ? NULL : g_strdup(entry->instance);
}

/* Appends to a fact that is a list of fingerprints, durably. */
static gboolean
cert_use_list_add(PvJob *job, const char *fact, const char *fingerprint, GError **error)
{
	const char *list = pv_job_get_fact(job, fact);
	if (pv_cert_store_list_has(list, fingerprint))
		return TRUE;
	g_autofree char *longer =
	    list == NULL ? g_strdup(fingerprint) : g_strconcat(list, " ", fingerprint, NULL);
	pv_job_set_fact(job, fact, longer);
	return pv_job_save_facts(job, error);
}

char *
pv_cert_store_add_root(PvJob *job, GBytes *der, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	g_autoptr(GError) local_error = NULL;
	char *id = amt == NULL ? NULL : cert_use_find_root(amt, der, &local_error);
	if (amt == NULL || id != NULL)
		return id;
	if (local_error != NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return NULL;
	}
	g_autofree char *fingerprint = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, der);
	if (!cert_use_list_add(job, "certificates.own-roots", fingerprint, error))
		return NULL;

	gsize length = 0;
	gconstpointer data = g_bytes_get_data(der, &length);
	guint32 status = 0;
	g_autoptr(PvInstance) input = pv_instance_new("AddTrustedRootCertificate_INPUT");
	pv_instance_add_bytes(input, "CertificateBlob", data, length);
	g_autoptr(PvInstance) output =
	    cert_use_invoke(job, amt, "AddTrustedRootCertificate", input, &status, error);
	if (output == NULL || (status != PV_PT_STATUS_DUPLICATE &&
				  !cert_use_judge(job, "AddTrustedRootCertificate", status, error)))
		return NULL;
	const PvEpr *epr = pv_instance_get_epr(output, "CreatedCertificate");
	if (epr != NULL && pv_epr_get_selector(epr, "InstanceID") != NULL)
		return g_strdup(pv_epr_get_selector(epr, "InstanceID"));
	id = cert_use_find_root(amt, der, &local_error);
	if (id == NULL && local_error == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "add trusted root: the device has it and does not list it as one");
	if (local_error != NULL)
		g_propagate_error(error, g_steal_pointer(&local_error));
	return id;
}

gboolean
pv_cert_store_release(PvJob *job, const char *instance, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	g_autoptr(PvCertStore) store = amt == NULL ? NULL : pv_cert_store_read(amt, error);
	if (store == NULL)
		return FALSE;
	const PvStoredCertificate *entry = pv_cert_store_find(store, instance);
	return entry == NULL || entry->fingerprint == NULL ||
	       pv_cert_store_is_claimed(job, entry->fingerprint) ||
	       cert_use_list_add(job, "certificates.released", entry->fingerprint, error);
}

gboolean
pv_cert_store_list_has(const char *list, const char *fingerprint)
{
	gsize length = strlen(fingerprint);
	for (const char *at = list; at != NULL && *at != '\0';) {
		gsize word = strcspn(at, " ");
		if (word == length && strncmp(at, fingerprint, length) == 0)
			return TRUE;
		at += word + strspn(at + word, " ");
	}
	return FALSE;
}

gboolean
pv_cert_store_is_claimed(PvJob *job, const char *fingerprint)
{
	GHashTableIter iter;
	gpointer name = NULL, value = NULL;
	g_hash_table_iter_init(&iter, job->facts);
	while (g_hash_table_iter_next(&iter, &name, &value))
		if ((g_str_has_suffix(name, ".sha256") || g_str_has_suffix(name, ".spare-key") ||
			g_str_has_suffix(name, ".roots")) &&
		    pv_cert_store_list_has(value, fingerprint))
			return TRUE;
	return FALSE;
}
