/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The certificate and key store: amt/06 sections 1 to 3 */
#include "sim/classes.h"

#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define KEYS_CERTIFICATE "Intel(r) AMT Certificate: Handle: "
#define KEYS_KEY "Intel(r) AMT Key: Handle: "
#define KEYS_CERTIFICATE_MAX 4100 /* X509Certificate is uint8[4100] */
#define KEYS_KEY_MAX 1210 /* DERKey is uint8[1210] */
#define KEYS_SERVICE "Intel(r) AMT Public Key Management Service"

/* clang-format off */
static const PvSimProperty keys_service[] = {
	PV_SIM_SERVICE("AMT_PublicKeyManagementService", "Intel(r) AMT Certificate Store Service", KEYS_SERVICE),
	{ "EnabledDefault", PV_SIM_UINT, PV_SIM_READ_ONLY, "5" },
	{ NULL },
};

static const PvSimProperty keys_certificate[] = {
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "Issuer", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "ReadOnlyCertificate", PV_SIM_BOOLEAN, PV_SIM_READ_ONLY, NULL },
	{ "Subject", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "TrustedRootCertficate", PV_SIM_BOOLEAN, 0, NULL },
	{ "X509Certificate", PV_SIM_BASE64, PV_SIM_REQUIRED, NULL },
	{ NULL },
};

static const PvSimProperty keys_pair[] = {
	{ "DERKey", PV_SIM_BASE64, PV_SIM_READ_ONLY, NULL },
	{ "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ "InstanceID", PV_SIM_TEXT, PV_SIM_READ_ONLY, NULL },
	{ NULL },
};

static const PvSimProperty keys_certificate_blob[] = { { "CertificateBlob", PV_SIM_BASE64, PV_SIM_REQUIRED }, { NULL } };
static const PvSimProperty keys_key_blob[] = { { "KeyBlob", PV_SIM_BASE64, PV_SIM_REQUIRED }, { NULL } };

static const PvSimProperty keys_generate[] = {
	{ "KeyAlgorithm", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ "KeyLength", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ NULL },
};

static const PvSimProperty keys_request[] = {
	{ "KeyPair", PV_SIM_REFERENCE, PV_SIM_REQUIRED },
	{ "SigningAlgorithm", PV_SIM_UINT, PV_SIM_REQUIRED },
	{ "NullSignedCertificateRequest", PV_SIM_BASE64, PV_SIM_REQUIRED },
	{ NULL },
};
/* clang-format on */

/* NULL: not one whole DER certificate */
static X509 *
keys_parse_certificate(const PvSimInstance *input, const char *name)
{
	g_autoptr(GBytes) blob = pv_sim_instance_get_bytes(input, name);
	gsize length = 0;
	const unsigned char *data = blob != NULL ? g_bytes_get_data(blob, &length) : NULL;
	if (data == NULL || length > KEYS_CERTIFICATE_MAX)
		return NULL;
	const unsigned char *end = data;
	X509 *x509 = d2i_X509(NULL, &end, (long)length);
	if (x509 != NULL && (end != data + length || X509_get0_pubkey(x509) == NULL)) {
		X509_free(x509);
		x509 = NULL;
	}
	return x509;
}

static guint32
keys_add_certificate(PvSimCall *call, gboolean trusted_root)
{
	PvSimDevice *device = call->device;
	X509 *x509 = keys_parse_certificate(call->input, "CertificateBlob");
	if (x509 == NULL)
		return PV_SIM_STATUS_INVALID_CERT;
	guint32 status = device->certificates->len < device->switches->certificates_max
			     ? PV_SIM_STATUS_SUCCESS
			     : PV_SIM_STATUS_MAX_LIMIT_REACHED;
	for (guint i = 0; i < device->certificates->len; i++) {
		if (X509_cmp(((PvSimCertificate *)device->certificates->pdata[i])->x509, x509) == 0)
			status = PV_SIM_STATUS_DUPLICATE;
	}
	if (status != PV_SIM_STATUS_SUCCESS) {
		X509_free(x509);
		return status;
	}
	const PvSimCertificate *added = pv_sim_device_add_certificate(device, x509, trusted_root);
	g_autofree char *id = g_strdup_printf(KEYS_CERTIFICATE "%u", added->handle);
	pv_sim_instance_take_epr(call->output, "CreatedCertificate",
	    pv_sim_epr_new_with("AMT_PublicKeyCertificate", "InstanceID", id));
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
keys_run_add_certificate(PvSimCall *call)
{
	return keys_add_certificate(call, FALSE);
}

static guint32
keys_run_add_root(PvSimCall *call)
{
	return keys_add_certificate(call, TRUE);
}

static guint32
keys_store_status(const PvSimDevice *device, EVP_PKEY *key)
{
	for (guint i = 0; i < device->keys->len; i++) {
		if (EVP_PKEY_eq(((const PvSimKey *)device->keys->pdata[i])->key, key) == 1)
			return PV_SIM_STATUS_DUPLICATE;
	}
	return device->keys->len < device->switches->keys_max ? PV_SIM_STATUS_SUCCESS
							      : PV_SIM_STATUS_MAX_LIMIT_REACHED;
}

static guint32
keys_run_add_key(PvSimCall *call)
{
	g_autoptr(GBytes) blob = pv_sim_instance_get_bytes(call->input, "KeyBlob");
	gsize length = 0;
	const unsigned char *data = blob != NULL ? g_bytes_get_data(blob, &length) : NULL;
	const unsigned char *end = data;
	if (length > KEYS_KEY_MAX)
		return PV_SIM_STATUS_INVALID_KEY;
	EVP_PKEY *key =
	    data != NULL ? d2i_PrivateKey(EVP_PKEY_RSA, NULL, &end, (long)length) : NULL;
	if (key == NULL || end != data + length) {
		EVP_PKEY_free(key);
		return PV_SIM_STATUS_INVALID_KEY;
	}
	guint32 status = keys_store_status(call->device, key);
	if (status != PV_SIM_STATUS_SUCCESS) {
		EVP_PKEY_free(key);
		return status;
	}
	const PvSimKey *added = pv_sim_device_add_key(call->device, key, FALSE);
	g_autofree char *id = g_strdup_printf(KEYS_KEY "%u", added->handle);
	/* the recorded answer names the wrong class: amt/12 quirk 12 */
	pv_sim_instance_take_epr(call->output, "CreatedKey",
	    pv_sim_epr_new_with("AMT_PublicKeyCertificate", "InstanceID", id));
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
keys_run_generate(PvSimCall *call)
{
	PvSimDevice *device = call->device;
	if (pv_sim_instance_get_uint(call->input, "KeyAlgorithm") != 0 ||
	    pv_sim_instance_get_uint(call->input, "KeyLength") != 2048)
		return PV_SIM_STATUS_UNSUPPORTED;
	if (device->keys->len >= device->switches->keys_max)
		return PV_SIM_STATUS_MAX_LIMIT_REACHED;
	if (device->busy_seen < device->switches->generate_busy) {
		device->busy_seen++;
		return PV_SIM_STATUS_GENERATING_KEYS;
	}
	const PvSimKey *added =
	    pv_sim_device_add_key(device, pv_sim_keys_take(device->keys_pool), TRUE);
	g_autofree char *id = g_strdup_printf(KEYS_KEY "%u", added->handle);
	pv_sim_instance_take_epr(call->output, "KeyPair",
	    pv_sim_epr_new_with("AMT_PublicPrivateKeyPair", "InstanceID", id));
	return PV_SIM_STATUS_SUCCESS;
}

/* Signs the request's info as it is: subject and attributes are the client's */
static guint32
keys_sign_request(PvSimCall *call, X509_REQ *request, EVP_PKEY *key)
{
	static const char *const digests[] = { "SHA1", "SHA256", "SHA384" };
	static const int placeholders[] = { NID_sha1WithRSAEncryption, NID_sha256WithRSAEncryption,
		NID_sha384WithRSAEncryption };
	guint algorithm = pv_sim_instance_get_uint(call->input, "SigningAlgorithm");
	if (algorithm >= G_N_ELEMENTS(digests) ||
	    (algorithm == 0 && call->device->personality->version >= 1800))
		return PV_SIM_STATUS_INVALID_PARAMETER;
	if (call->device->switches->pkcs10_placeholder &&
	    X509_REQ_get_signature_nid(request) != placeholders[algorithm])
		return PV_SIM_STATUS_INVALID_PARAMETER;
	EVP_PKEY *asked = X509_REQ_get0_pubkey(request);
	if (asked == NULL || EVP_PKEY_eq(asked, key) != 1)
		return PV_SIM_STATUS_KEY_MISMATCH;
	unsigned char *der = NULL;
	int length = 0;
	if (X509_REQ_sign(request, key, EVP_get_digestbyname(digests[algorithm])) <= 0 ||
	    (length = i2d_X509_REQ(request, &der)) <= 0)
		return PV_SIM_STATUS_INTERNAL_ERROR;
	pv_sim_instance_add_bytes(call->output, "SignedCertificateRequest", der, (gsize)length);
	OPENSSL_free(der);
	return PV_SIM_STATUS_SUCCESS;
}

static guint32
keys_run_request(PvSimCall *call)
{
	const PvSimEpr *epr = pv_sim_instance_get_epr(call->input, "KeyPair");
	int handle = pv_sim_class_handle(KEYS_KEY, pv_sim_epr_get(epr, "InstanceID"));
	const PvSimKey *key =
	    handle >= 0 ? pv_sim_device_find_key(call->device, (guint)handle) : NULL;
	if (key == NULL)
		return PV_SIM_STATUS_INVALID_HANDLE;
	g_autoptr(GBytes) blob =
	    pv_sim_instance_get_bytes(call->input, "NullSignedCertificateRequest");
	gsize length = 0;
	const unsigned char *data = blob != NULL ? g_bytes_get_data(blob, &length) : NULL;
	X509_REQ *request = data != NULL ? d2i_X509_REQ(NULL, &data, (long)length) : NULL;
	if (request == NULL)
		return PV_SIM_STATUS_INVALID_PARAMETER;
	guint32 status = keys_sign_request(call, request, key->key);
	X509_REQ_free(request);
	return status;
}

/* "C=..,O=..,CN=.." from the outermost part in, as recorded */
static char *
keys_name(const X509_NAME *name)
{
	g_autoptr(GString) text = g_string_new(NULL);
	for (int i = X509_NAME_entry_count(name) - 1; i >= 0; i--) {
		X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		unsigned char *utf8 = NULL;
		int length = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
		const char *part = OBJ_nid2sn(OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)));
		if (length >= 0)
			g_string_append_printf(text, "%s%s=%.*s", text->len > 0 ? "," : "", part,
			    length, (const char *)utf8);
		OPENSSL_free(utf8);
	}
	return g_utf8_make_valid(text->str, (gssize)text->len);
}

static void
keys_list_certificates(const PvSimDevice *device, GPtrArray *instances)
{
	for (guint i = 0; i < device->certificates->len; i++) {
		const PvSimCertificate *certificate = device->certificates->pdata[i];
		PvSimInstance *instance = pv_sim_instance_new("AMT_PublicKeyCertificate");
		g_autofree char *id = g_strdup_printf(KEYS_CERTIFICATE "%u", certificate->handle);
		g_autofree char *issuer = keys_name(X509_get_issuer_name(certificate->x509));
		g_autofree char *subject = keys_name(X509_get_subject_name(certificate->x509));
		pv_sim_instance_add(instance, "ElementName", "Intel(r) AMT Certificate");
		pv_sim_instance_add(instance, "InstanceID", id);
		pv_sim_instance_add(instance, "Issuer", issuer);
		pv_sim_instance_add(instance, "Subject", subject);
		pv_sim_instance_add(instance, "TrustedRootCertficate",
		    certificate->trusted_root ? "true" : "false");
		pv_sim_instance_add_bytes(instance, "X509Certificate",
		    g_bytes_get_data(certificate->der, NULL), g_bytes_get_size(certificate->der));
		g_ptr_array_add(instances, instance);
	}
}

static void
keys_list_pairs(const PvSimDevice *device, GPtrArray *instances)
{
	for (guint i = 0; i < device->keys->len; i++) {
		const PvSimKey *key = device->keys->pdata[i];
		PvSimInstance *instance = pv_sim_instance_new("AMT_PublicPrivateKeyPair");
		g_autofree char *id = g_strdup_printf(KEYS_KEY "%u", key->handle);
		pv_sim_instance_add_bytes(instance, "DERKey", g_bytes_get_data(key->der, NULL),
		    g_bytes_get_size(key->der));
		pv_sim_instance_add(instance, "ElementName", "Intel(r) AMT Key");
		pv_sim_instance_add(instance, "InstanceID", id);
		g_ptr_array_add(instances, instance);
	}
}

static void
keys_remove_certificate(PvSimCall *call, const char *id)
{
	int handle = pv_sim_class_handle(KEYS_CERTIFICATE, id);
	PvSimCertificate *certificate =
	    handle >= 0 ? pv_sim_device_find_certificate(call->device, (guint)handle) : NULL;
	g_return_if_fail(certificate != NULL); /* the caller found the instance */
	const char *use = pv_sim_device_find_use(call->device, certificate);
	if (use != NULL) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_ACCESS_DENIED, "%s is in use by %s", id, use);
		return;
	}
	g_ptr_array_remove(call->device->certificates, certificate);
}

static void
keys_put_certificate(PvSimCall *call, const char *id)
{
	int handle = pv_sim_class_handle(KEYS_CERTIFICATE, id);
	PvSimCertificate *certificate =
	    handle >= 0 ? pv_sim_device_find_certificate(call->device, (guint)handle) : NULL;
	g_return_if_fail(certificate != NULL); /* the caller found the instance */
	X509 *x509 = keys_parse_certificate(call->input, "X509Certificate");
	if (x509 == NULL) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_SCHEMA, "X509Certificate is no certificate");
		return;
	}
	unsigned char *der = NULL;
	int length = i2d_X509(x509, &der);
	X509_free(certificate->x509);
	g_bytes_unref(certificate->der);
	certificate->x509 = x509;
	certificate->der = g_bytes_new(der, (gsize)MAX(length, 0));
	OPENSSL_free(der);
	if (pv_sim_instance_has(call->input, "TrustedRootCertficate"))
		certificate->trusted_root =
		    pv_sim_instance_get_bool(call->input, "TrustedRootCertficate");
}

static void
keys_remove_pair(PvSimCall *call, const char *id)
{
	PvSimDevice *device = call->device;
	int handle = pv_sim_class_handle(KEYS_KEY, id);
	PvSimKey *key = handle >= 0 ? pv_sim_device_find_key(device, (guint)handle) : NULL;
	g_return_if_fail(key != NULL); /* the caller found the instance */
	for (guint i = 0; i < device->certificates->len; i++) {
		const PvSimCertificate *certificate = device->certificates->pdata[i];
		const char *use = pv_sim_device_find_use(device, certificate);
		if (use != NULL && pv_sim_device_find_key_of(device, certificate->x509) == key) {
			pv_sim_call_refuse(
			    call, PV_SIM_FAULT_ACCESS_DENIED, "%s is in use by %s", id, use);
			return;
		}
	}
	g_ptr_array_remove(device->keys, key);
}

static const PvSimMethod keys_methods[] = {
	{ "AddCertificate", keys_certificate_blob, keys_run_add_certificate, TRUE },
	{ "AddTrustedRootCertificate", keys_certificate_blob, keys_run_add_root, TRUE },
	{ "AddKey", keys_key_blob, keys_run_add_key, TRUE },
	{ "GenerateKeyPair", keys_generate, keys_run_generate, TRUE, 600 },
	{ "GeneratePKCS10RequestEx", keys_request, keys_run_request, FALSE },
	{ NULL },
};

/* clang-format off */
const PvSimClass pv_sim_classes_keys[] = {
	{ .name = "AMT_PublicKeyManagementService", .common = TRUE, .properties = keys_service, .methods = keys_methods },
	{ .name = "AMT_PublicKeyCertificate", .common = TRUE, .properties = keys_certificate, .key = "InstanceID",
	    .list = keys_list_certificates, .put = keys_put_certificate, .remove = keys_remove_certificate },
	{ .name = "AMT_PublicPrivateKeyPair", .common = TRUE, .properties = keys_pair, .key = "InstanceID",
	    .list = keys_list_pairs, .remove = keys_remove_pair },
	{ NULL },
};
/* clang-format on */
