/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/cert-request.h"
#include "core/engine/job.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <provost/eap.h>
#include <string.h>

#define EAP_CLIENT_AUTH "1.3.6.1.5.5.7.3.2" /* RFC 5280, section 4.2.1.12 */
#define EAP_CERTIFICATE "AMT_PublicKeyCertificate"
#define EAP_CERT_MAX_BYTES 4100 /* AMT_PublicKeyCertificate.X509Certificate is uint8[4100] */
#define EAP_ROOTS_MAX 8
#define EAP_FILE_MAX_BYTES 262144

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)

/* characters (Intel AMT SDK, AMT_8021XProfile) */
enum {
	EAP_USER_MAX = 128,
	EAP_PASSWORD_MAX = 32,
	EAP_DOMAIN_MAX = 128,
	EAP_PAC_PASSWORD_MAX = 256,
	EAP_NAME_MAX = 80,
};

typedef enum {
	EAP_BY_CERTIFICATE,
	EAP_BY_PASSWORD,
	EAP_BY_KEY,
	EAP_BY_CARD, /* SIM, AKA: what it takes is in the device */
} EapProof;

typedef struct {
	const char *name;
	int amt, cim; /* AuthenticationProtocol; -1: the class does not have it */
	EapProof proof;
} EapMethod;

/* Intel AMT SDK, AMT_8021XProfile.AuthenticationProtocol; DMTF CIM_IEEE8021xSettings.AuthenticationProtocol */
static const EapMethod eap_methods[] = {
	{ "eap-tls", 0, 0, EAP_BY_CERTIFICATE },
	{ "eap-ttls-mschapv2", 1, 1, EAP_BY_PASSWORD },
	{ "peap-mschapv2", 2, 2, EAP_BY_PASSWORD },
	{ "peap-gtc", 3, 3, EAP_BY_PASSWORD },
	{ "eap-fast-mschapv2", 4, 4, EAP_BY_PASSWORD },
	{ "eap-fast-gtc", 5, 5, EAP_BY_PASSWORD },
	{ "eap-fast-tls", 6, 10, EAP_BY_CERTIFICATE },
	{ "eap-md5", -1, 6, EAP_BY_PASSWORD },
	{ "eap-psk", -1, 7, EAP_BY_KEY },
	{ "eap-sim", -1, 8, EAP_BY_CARD },
	{ "eap-aka", -1, 9, EAP_BY_CARD },
};

struct PvEap {
	const PvValues *values; /* borrowed */
	PvEapKind kind;
	const EapMethod *method;
	char *name; /* owned, as the next ones */
	char *user; /* NULL: none */
	char *fqdn;
	char *upn; /* NULL: none */
	const char *names[2]; /* lends fqdn */
	PvCertUse use; /* lends the former */
	GPtrArray *roots; /* of GBytes DER; owned */
	PvSecret *password, *pac, *pac_password, *shared_key; /* owned; NULL: none */
	PvSecret *sent; /* all of them; owned; NULL: none */
	gboolean amt_numbers; /* of ServerCertificateNameComparison */
	PvEpr *client, *root; /* owned; NULL: none, or not prepared yet */
};

void
pv_eap_free(PvEap *eap)
{
	if (eap == NULL)
		return;
	g_free(eap->name);
	g_free(eap->user);
	g_free(eap->fqdn);
	g_free(eap->upn);
	g_clear_pointer(&eap->roots, g_ptr_array_unref);
	pv_secret_unref(eap->password);
	pv_secret_unref(eap->pac);
	pv_secret_unref(eap->pac_password);
	pv_secret_unref(eap->shared_key);
	pv_secret_unref(eap->sent);
	pv_epr_free(eap->client);
	pv_epr_free(eap->root);
	g_free(eap);
}

static char *
eap_dup_fact(const char *name, const char *what)
{
	return g_strconcat(name, what, NULL);
}

static const char *
eap_get(const PvEap *eap, const char *param)
{
	return pv_values_get_string(eap->values, param);
}

static char *
eap_dup_protocol(const PvEap *eap)
{
	return g_strdup_printf("%d", eap->kind == PV_EAP_AMT ? eap->method->amt : eap->method->cim);
}

static const char *
eap_get_fact(const PvEap *eap, PvJob *job, const char *what)
{
	g_autofree char *fact = eap_dup_fact(eap->name, what);
	return pv_job_get_fact(job, fact);
}

static void
eap_set_fact(const PvEap *eap, PvJob *job, const char *what, const char *value)
{
	g_autofree char *fact = eap_dup_fact(eap->name, what);
	pv_job_set_fact(job, fact, value);
}

/* What is wanted */

static gboolean eap_refuse(const PvEap *eap, const char *param, GError **error, const char *format,
    ...) G_GNUC_PRINTF(4, 5);

/* FALSE, for "return eap_refuse (eap, "user", error, "…")" */
static gboolean
eap_refuse(const PvEap *eap, const char *param, GError **error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s",
	    pv_values_get_where(eap->values, param), text);
	return FALSE;
}

static gboolean
eap_check_length(const PvEap *eap, const char *param, gsize most, GError **error)
{
	const char *text = eap_get(eap, param);
	gsize length = text == NULL ? 1 : strlen(text);
	return (length >= 1 && length <= most) ||
	       eap_refuse(eap, param, error,
		   "it has %" G_GSIZE_FORMAT " bytes, AMT takes 1 to %" G_GSIZE_FORMAT, length,
		   most);
}

static gboolean
eap_choose_method(PvEap *eap, GError **error)
{
	const char *name = eap_get(eap, "protocol");
	if (name == NULL)
		return eap_refuse(eap, "protocol", error, "802.1X needs a \"protocol\"");
	for (guint i = 0; i < G_N_ELEMENTS(eap_methods); i++)
		if (g_str_equal(eap_methods[i].name, name))
			eap->method = &eap_methods[i];
	int number = eap->kind == PV_EAP_AMT ? eap->method->amt : eap->method->cim;
	return number >= 0 || eap_refuse(eap, "protocol", error,
				  "this device's AMT_8021XProfile does not have %s", name);
}

/* What belongs to another protocol would be dropped without a word. */
static gboolean
eap_check_belongs(const PvEap *eap, const char *param, gboolean belongs, GError **error)
{
	return belongs || !pv_values_has(eap->values, param) ||
	       eap_refuse(eap, param, error, "%s has no use for it", eap->method->name);
}

static gboolean
eap_check_params(const PvEap *eap, GError **error)
{
	const char *domain = eap_get(eap, "domain");
	EapProof proof = eap->method->proof;
	gboolean fast = g_str_has_prefix(eap->method->name, "eap-fast-");
	if (!eap_check_length(eap, "user", EAP_USER_MAX, error) ||
	    !eap_check_length(eap, "domain", EAP_DOMAIN_MAX, error) ||
	    !eap_check_length(eap, "roaming-identity", EAP_NAME_MAX, error) ||
	    !eap_check_length(eap, "server-name", EAP_NAME_MAX, error) ||
	    !eap_check_belongs(eap, "password", proof == EAP_BY_PASSWORD, error) ||
	    !eap_check_belongs(eap, "shared-key", proof == EAP_BY_KEY, error) ||
	    !eap_check_belongs(eap, "template", proof == EAP_BY_CERTIFICATE, error) ||
	    !eap_check_belongs(eap, "pac", fast, error) ||
	    !eap_check_belongs(eap, "pac-password", fast, error))
		return FALSE;
	if (domain != NULL && strchr(domain, '.') != NULL)
		return eap_refuse(
		    eap, "domain", error, "AMT takes a domain without suffix, as in EXAMPLE");
	if (proof == EAP_BY_PASSWORD &&
	    pv_values_has(eap->values, "user") != pv_values_has(eap->values, "password"))
		return eap_refuse(eap, "user", error,
		    "\"user\" and \"password\" go together; without both it is the device's own "
		    "account");
	if (proof == EAP_BY_KEY && !pv_values_has(eap->values, "shared-key"))
		return eap_refuse(eap, "shared-key", error, "eap-psk needs it");
	return TRUE;
}

/* NULL: absent, or with @error */
static PvSecret *
eap_dup_secret(const PvEap *eap, const char *param, gsize most, GError **error)
{
	if (!pv_values_has(eap->values, param))
		return NULL;
	g_autoptr(PvSecret) secret = pv_values_dup_secret(eap->values, param, error);
	gsize length = 0;
	if (secret != NULL)
		(void)pv_secret_peek(secret, &length);
	if (secret != NULL && (length < 1 || length > most)) {
		eap_refuse(eap, param, error,
		    "it has %" G_GSIZE_FORMAT " bytes, AMT takes 1 to %" G_GSIZE_FORMAT, length,
		    most);
		return NULL;
	}
	return g_steal_pointer(&secret);
}

static gboolean
eap_read_secrets(PvEap *eap, PvJob *job, GError **error)
{
	g_autoptr(GError) local_error = NULL;
	eap->password = eap_dup_secret(eap, "password", EAP_PASSWORD_MAX, &local_error);
	if (local_error == NULL)
		eap->pac = eap_dup_secret(eap, "pac", EAP_CERT_MAX_BYTES, &local_error);
	if (local_error == NULL)
		eap->pac_password =
		    eap_dup_secret(eap, "pac-password", EAP_PAC_PASSWORD_MAX, &local_error);
	if (local_error == NULL)
		eap->shared_key =
		    eap_dup_secret(eap, "shared-key", EAP_PAC_PASSWORD_MAX, &local_error);
	if (local_error == NULL && eap->method->proof == EAP_BY_PASSWORD && eap->password == NULL &&
	    (pv_job_has_secret(job, "account", PV_SECRET_PENDING) ||
		pv_job_has_secret(job, "account", PV_SECRET_CURRENT)))
		eap->password = pv_job_dup_account_password(job, &local_error);
	if (local_error == NULL)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local_error));
	return FALSE;
}

/* The text that stands for all that cannot be read back. */
static void
eap_join_secrets(PvEap *eap)
{
	PvSecret *const parts[] = { eap->password, eap->pac, eap->pac_password, eap->shared_key };
	g_autoptr(GByteArray) all = g_byte_array_sized_new(1024);
	gboolean any = FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
		gsize length = 0;
		const char *text = parts[i] == NULL ? "" : pv_secret_peek(parts[i], &length);
		g_autofree char *head = g_strdup_printf("%u:%" G_GSIZE_FORMAT ":", i, length);
		g_byte_array_append(all, (const guint8 *)head, (guint)strlen(head));
		g_byte_array_append(all, (const guint8 *)text, (guint)length);
		any = any || parts[i] != NULL;
	}
	if (any)
		eap->sent = pv_secret_new(all->data, (gssize)all->len);
	OPENSSL_cleanse(all->data, all->len);
}

static gboolean
eap_choose_names(PvEap *eap, PvJob *job, GError **error)
{
	const PvDevice *device = pv_job_get_device(job);
	const char *fqdn = pv_device_get_fqdn(device);
	const char *account = pv_job_get_fact(job, "account.name");
	const char *realm = pv_job_get_fact(job, "account.realm");
	eap->fqdn = fqdn == NULL ? NULL : g_ascii_strdown(fqdn, -1);
	if (account != NULL && realm != NULL &&
	    pv_values_get_bool(eap->values, "account-in-certificate"))
		eap->upn = g_strdup_printf("%s@%s", account, realm);
	eap->user = g_strdup(eap_get(eap, "user"));
	if (eap->user == NULL && eap->method->proof == EAP_BY_CERTIFICATE)
		eap->user = g_strdup(eap->upn != NULL ? eap->upn : eap->fqdn);
	if (eap->user == NULL && eap->method->proof == EAP_BY_PASSWORD) {
		eap->user = g_strdup(account);
		if (account == NULL || eap->password == NULL)
			return eap_refuse(eap, "user", error,
			    "%s needs a \"user\" with a \"password\": the device has no account "
			    "of the directory",
			    eap->method->name);
		gsize length = 0;
		(void)pv_secret_peek(eap->password, &length);
		if (length > EAP_PASSWORD_MAX)
			return eap_refuse(eap, "user", error,
			    "the account's password is longer than the %d bytes that AMT takes",
			    EAP_PASSWORD_MAX);
	}
	return TRUE;
}

static GBytes *
eap_dup_der(X509 *certificate)
{
	unsigned char *der = NULL;
	int length = i2d_X509(certificate, &der);
	GBytes *bytes = length <= 0 ? NULL : g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	return bytes;
}

/* Without it OpenSSL would ask for a password on the terminal. */
static int
eap_no_password(char *buffer, int size, int writing, void *data)
{
	return -1;
}

/* What ended the reading: that no further certificate begins, or one that cannot be read. */
static gboolean
eap_check_end(const PvEap *eap, GError **error)
{
	unsigned long last = ERR_peek_last_error();
	ERR_clear_error();
	if (ERR_GET_REASON(last) != PEM_R_NO_START_LINE)
		return eap_refuse(eap, "root", error, "certificate %u in it is damaged",
		    eap->roots->len + 1);
	return eap->roots->len > 0 ||
	       eap_refuse(eap, "root", error, "it holds no certificate in PEM");
}

static gboolean
eap_parse_roots(PvEap *eap, const char *text, gsize length, GError **error)
{
	g_autoptr(BIO) bio = BIO_new_mem_buf(text, (int)length);
	for (;;) {
		ERR_clear_error();
		g_autoptr(X509) root = PEM_read_bio_X509(bio, NULL, eap_no_password, NULL);
		if (root == NULL)
			return eap_check_end(eap, error);
		GBytes *der = eap_dup_der(root);
		if (der == NULL)
			return eap_refuse(eap, "root", error, "a certificate cannot be encoded");
		g_ptr_array_add(eap->roots, der);
		if (X509_check_ca(root) == 0)
			return eap_refuse(eap, "root", error, "certificate %u is not that of a CA",
			    eap->roots->len);
		if (g_bytes_get_size(der) > EAP_CERT_MAX_BYTES)
			return eap_refuse(eap, "root", error,
			    "certificate %u has %" G_GSIZE_FORMAT " bytes, AMT takes %d",
			    eap->roots->len, g_bytes_get_size(der), EAP_CERT_MAX_BYTES);
		if (eap->roots->len > EAP_ROOTS_MAX)
			return eap_refuse(eap, "root", error, "it holds more than %d certificates",
			    EAP_ROOTS_MAX);
	}
}

static gboolean
eap_read_roots(PvEap *eap, GError **error)
{
	const char *path = eap_get(eap, "root");
	g_autoptr(GError) local_error = NULL;
	g_autofree char *text = NULL;
	gsize length = 0;
	if (path == NULL)
		return TRUE;
	if (!g_file_get_contents(path, &text, &length, &local_error))
		return eap_refuse(eap, "root", error, "%s", local_error->message);
	if (length > EAP_FILE_MAX_BYTES)
		return eap_refuse(
		    eap, "root", error, "%s is larger than %d bytes", path, EAP_FILE_MAX_BYTES);
	return eap_parse_roots(eap, text, length, error);
}

PvEap *
pv_eap_new(PvJob *job, const PvValues *values, const char *name, PvEapKind kind, GError **error)
{
	static const char *const ekus[] = { EAP_CLIENT_AUTH, NULL };
	g_autoptr(PvEap) eap = g_new0(PvEap, 1);
	eap->values = values;
	eap->kind = kind;
	eap->name = g_strdup(name);
	eap->roots = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	if (!eap_choose_method(eap, error) || !eap_check_params(eap, error) ||
	    !eap_read_secrets(eap, job, error) || !eap_choose_names(eap, job, error) ||
	    !eap_read_roots(eap, error))
		return NULL;
	eap_join_secrets(eap);
	eap->amt_numbers =
	    kind == PV_EAP_AMT || g_strcmp0(eap_get_fact(eap, job, ".numbers"), "amt") == 0;
	eap->names[0] = eap->fqdn;
	eap->use = (PvCertUse) {
		.name = eap->name,
		.request = {
			.uuid = pv_device_get_uuid(pv_job_get_device(job)),
			.template_name = pv_values_get_string(values, "template"),
			.common_name = eap->fqdn,
			.dns_names = eap->names,
			.ekus = ekus,
			.upn = eap->upn,
			.as_device = g_str_equal(pv_values_get_string(values, "as"), "device"),
		},
		.key = pv_values_get_string(values, "key"),
		.key_length = (guint)pv_values_get_int(values, "key-length"),
		.renew_days = (guint)pv_values_get_int(values, "renew-days"),
	};
	return g_steal_pointer(&eap);
}

/* The difference */

static gboolean
eap_has_client(const PvEap *eap)
{
	return eap->method->proof == EAP_BY_CERTIFICATE;
}

/* Of several roots none is named: the device searches its store. */
static GBytes *
eap_get_named_root(const PvEap *eap)
{
	return eap->roots->len == 1 ? g_ptr_array_index(eap->roots, 0) : NULL;
}

/* "CLIENT ROOT", by SHA-256; "-": none */
static char *
eap_dup_bound(const PvEap *eap, PvJob *job)
{
	GBytes *named = eap_get_named_root(eap);
	const char *client = eap_has_client(eap) ? eap_get_fact(eap, job, ".sha256") : "-";
	g_autofree char *root =
	    named == NULL ? g_strdup("-") : g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, named);
	return g_strdup_printf("%s %s", client == NULL ? "?" : client, root);
}

static void
eap_set_roots_fact(const PvEap *eap, PvJob *job)
{
	g_autoptr(GString) list = g_string_new(NULL);
	for (guint i = 0; i < eap->roots->len; i++) {
		g_autofree char *fingerprint = g_compute_checksum_for_bytes(
		    G_CHECKSUM_SHA256, g_ptr_array_index(eap->roots, i));
		g_string_append_printf(list, "%s%s", i > 0 ? " " : "", fingerprint);
	}
	eap_set_fact(eap, job, ".roots", list->len > 0 ? list->str : NULL);
}

static char *
eap_dup_subject(GBytes *der)
{
	gsize length = 0;
	const unsigned char *data = g_bytes_get_data(der, &length);
	g_autoptr(X509) certificate = d2i_X509(NULL, &data, (long)length);
	char line[256] = "";
	(void)X509_NAME_oneline(X509_get_subject_name(certificate), line, sizeof line);
	return g_strescape(line, NULL);
}

static void
eap_plan_roots(const PvEap *eap, PvJob *job, PvPlan *plan, PvCertStore *store)
{
	for (guint i = 0; i < eap->roots->len; i++) {
		GBytes *der = g_ptr_array_index(eap->roots, i);
		if (pv_cert_store_find_der(store, der, TRUE) != NULL)
			continue;
		g_autofree char *subject = eap_dup_subject(der);
		pv_plan_add(plan, EAP_CERTIFICATE, subject, "", "trusted root");
	}
	eap_set_roots_fact(eap, job);
}

/* DMTF's numbers of ServerCertificateNameComparison begin with Other at 1, those of AMT_8021XProfile with FullName at
 * 0; which of them IPS_IEEE8021xSettings and CIM_IEEE8021xSettings of real firmware have is not documented. */
static const char *
eap_get_comparison(const PvEap *eap, gboolean amt_numbers)
{
	if (eap_get(eap, "server-name") == NULL)
		return NULL;
	gboolean full = g_str_equal(eap_get(eap, "server-name-match"), "full");
	if (amt_numbers)
		return full ? "0" : "1";
	return full ? "2" : "3";
}

static void
eap_plan_property(PvPlan *plan, const char *object, const PvInstance *present, const char *name,
    const char *wanted)
{
	const char *value = present == NULL ? NULL : pv_instance_get(present, name);
	if (value != NULL && *value == '\0')
		value = NULL;
	if (g_strcmp0(value, wanted) != 0)
		pv_plan_add(plan, object, name, value, wanted);
}

static void
eap_plan_properties(const PvEap *eap, PvPlan *plan, const char *object, const PvInstance *present)
{
	g_autofree char *protocol = eap_dup_protocol(eap);
	eap_plan_property(plan, object, present, "AuthenticationProtocol", protocol);
	eap_plan_property(
	    plan, object, present, "RoamingIdentity", eap_get(eap, "roaming-identity"));
	eap_plan_property(
	    plan, object, present, "ServerCertificateName", eap_get(eap, "server-name"));
	const char *found =
	    present == NULL ? NULL : pv_instance_get(present, "ServerCertificateNameComparison");
	const char *comparison = eap_get_comparison(eap, eap->amt_numbers);
	if (comparison != NULL && g_strcmp0(found, eap_get_comparison(eap, TRUE)) != 0)
		eap_plan_property(
		    plan, object, present, "ServerCertificateNameComparison", comparison);
	eap_plan_property(plan, object, present, "Username", eap->user);
	eap_plan_property(plan, object, present, "Domain", eap_get(eap, "domain"));
}

static gboolean
eap_plan_sent(const PvEap *eap, PvJob *job, PvPlan *plan, const char *object, GError **error)
{
	if (eap->sent == NULL)
		return TRUE;
	g_autofree char *name = eap_dup_fact(eap->name, "-sent");
	gboolean same = !pv_job_has_secret(job, name, PV_SECRET_PENDING) &&
			pv_job_has_secret(job, name, PV_SECRET_CURRENT);
	if (same) {
		g_autoptr(PvSecret) sent = pv_job_dup_secret(job, name, PV_SECRET_CURRENT, error);
		if (sent == NULL)
			return FALSE;
		same = pv_secret_equal(sent, eap->sent);
	}
	if (!same)
		pv_plan_add(plan, object,
		    eap->password != NULL ? "Password"
		    : eap->pac != NULL	  ? "ProtectedAccessCredential"
					  : "PSK",
		    "", "(secret)");
	return TRUE;
}

/* Whether the device refers to the client's certificate with these settings, and to none that is not wanted. */
static gboolean
eap_refers_as_wanted(
    const PvEap *eap, PvCertStore *store, GHashTable *references, const char *client)
{
	GHashTableIter iter;
	gpointer id = NULL;
	if (client != NULL && !g_hash_table_contains(references, client))
		return FALSE;
	g_hash_table_iter_init(&iter, references);
	while (g_hash_table_iter_next(&iter, &id, NULL)) {
		const PvStoredCertificate *entry = pv_cert_store_find(store, id);
		gboolean wanted = g_strcmp0(id, client) == 0;
		for (guint i = 0; !wanted && entry != NULL && i < eap->roots->len; i++)
			wanted = entry->der != NULL &&
				 g_bytes_equal(entry->der, g_ptr_array_index(eap->roots, i));
		if (!wanted)
			return FALSE;
	}
	return TRUE;
}

/* By what was written, and by what the firmware says where it has the association. Wireless profiles share one, which
 * real firmware lists without the profile's name, so there only the client's own certificate is looked for. */
static gboolean
eap_is_bound(const PvEap *eap, PvJob *job, PvWsman *amt, PvCertStore *store,
    const char *context_class, gboolean *bound, GError **error)
{
	g_autofree char *wanted = eap_dup_bound(eap, job);
	const char *client = eap_has_client(eap) ? eap_get_fact(eap, job, ".instance") : NULL;
	*bound = g_strcmp0(eap_get_fact(eap, job, ".bound"), wanted) == 0;
	if (!*bound)
		return TRUE;
	g_autoptr(GError) local_error = NULL;
	g_autoptr(GPtrArray) contexts = pv_wsman_enumerate(amt, context_class, &local_error);
	if (g_error_matches(local_error, PV_ERROR, PV_ERROR_UNSUPPORTED))
		return TRUE;
	if (contexts == NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	g_autoptr(GHashTable) references = pv_cert_store_read_references(amt, context_class, error);
	if (references == NULL)
		return FALSE;
	if (g_str_equal(context_class, "CIM_CredentialContext"))
		*bound = client == NULL || g_hash_table_contains(references, client);
	else
		*bound = eap_refers_as_wanted(eap, store, references, client);
	return TRUE;
}

gboolean
pv_eap_plan(PvEap *eap, PvJob *job, PvPlan *plan, const char *object, const PvInstance *present,
    const char *context_class, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	guint before = pv_plan_get_length(plan);
	if (amt == NULL)
		return FALSE;
	if (eap_has_client(eap)) {
		if (!pv_cert_use_plan(job, &eap->use, plan, error))
			return FALSE;
	} else {
		pv_cert_use_forget(job, eap->name);
	}
	g_autoptr(PvCertStore) store = pv_cert_store_read(amt, error);
	if (store == NULL)
		return FALSE;
	eap_plan_roots(eap, job, plan, store);
	gboolean fresh = pv_plan_get_length(plan) > before;
	eap_plan_properties(eap, plan, object, present);
	if (!eap_plan_sent(eap, job, plan, object, error))
		return FALSE;
	gboolean bound = FALSE;
	if (!fresh && !eap_is_bound(eap, job, amt, store, context_class, &bound, error))
		return FALSE;
	if (!bound)
		pv_plan_add(plan, object, "certificates", "",
		    eap_has_client(eap)	  ? "client certificate"
		    : eap->roots->len > 0 ? "trusted root"
					  : "none");
	return TRUE;
}

/* The changes */

gboolean
pv_eap_prepare(PvEap *eap, PvJob *job, GError **error)
{
	g_autofree char *name = eap_dup_fact(eap->name, "-sent");
	g_autofree char *client = NULL;
	g_clear_pointer(&eap->client, pv_epr_free);
	g_clear_pointer(&eap->root, pv_epr_free);
	g_autoptr(GBytes) der = NULL;
	if (eap_has_client(eap)) {
		if (!pv_cert_use_ensure(job, &eap->use, &client, &der, error))
			return FALSE;
		g_autofree char *sha256 = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, der);
		eap_set_fact(eap, job, ".instance", client);
		eap_set_fact(eap, job, ".sha256", sha256);
		eap->client = pv_epr_new(EAP_CERTIFICATE, PV_SELECT("InstanceID", client));
	}
	eap_set_roots_fact(eap, job);
	for (guint i = 0; i < eap->roots->len; i++) {
		GBytes *root = g_ptr_array_index(eap->roots, i);
		g_autofree char *id = pv_cert_store_add_root(job, root, error);
		if (id == NULL)
			return FALSE;
		if (root == eap_get_named_root(eap))
			eap->root = pv_epr_new(EAP_CERTIFICATE, PV_SELECT("InstanceID", id));
	}
	return eap->sent == NULL || pv_job_propose_secret(job, name, eap->sent, error);
}

const PvEpr *
pv_eap_get_client(const PvEap *eap)
{
	return eap->client;
}

const PvEpr *
pv_eap_get_root(const PvEap *eap)
{
	return eap->root;
}

/* An embedded instance keeps the order of the MOF, one that is put that of AMT's answers. */
static void
eap_write(PvInstance *settings, const char *name, const char *value)
{
	if (value == NULL)
		return;
	if (g_str_equal(pv_instance_get_class(settings), "CIM_IEEE8021xSettings"))
		pv_instance_add(settings, name, value);
	else
		pv_instance_set(settings, name, value);
}

static void
eap_write_secret(PvInstance *settings, const char *name, PvSecret *value)
{
	if (value != NULL)
		eap_write(settings, name, pv_secret_peek(value, NULL));
}

void
pv_eap_clear(PvInstance *settings)
{
	static const char *const names[] = { "AuthenticationProtocol", "RoamingIdentity",
		"ServerCertificateName", "ServerCertificateNameComparison", "Username", "Password",
		"Domain", "ProtectedAccessCredential", "PACPassword", "PSK", "ClientCertificate",
		"ServerCertificateIssuer", NULL };
	for (guint i = 0; names[i] != NULL; i++)
		pv_instance_set(settings, names[i], NULL);
}

void
pv_eap_fill(const PvEap *eap, PvInstance *settings)
{
	pv_eap_clear(settings);
	g_autofree char *protocol = eap_dup_protocol(eap);
	eap_write(settings, "AuthenticationProtocol", protocol);
	eap_write(settings, "RoamingIdentity", eap_get(eap, "roaming-identity"));
	eap_write(settings, "ServerCertificateName", eap_get(eap, "server-name"));
	eap_write(
	    settings, "ServerCertificateNameComparison", eap_get_comparison(eap, eap->amt_numbers));
	eap_write(settings, "Username", eap->user);
	eap_write_secret(settings, "Password", eap->password);
	eap_write(settings, "Domain", eap_get(eap, "domain"));
	eap_write_secret(settings, "ProtectedAccessCredential", eap->pac);
	eap_write_secret(settings, "PACPassword", eap->pac_password);
	eap_write_secret(settings, "PSK", eap->shared_key);
	if (eap->kind != PV_EAP_AMT)
		return;
	if (eap->client != NULL)
		pv_instance_set_epr(settings, "ClientCertificate", eap->client);
	if (eap->root != NULL)
		pv_instance_set_epr(settings, "ServerCertificateIssuer", eap->root);
}

gboolean
pv_eap_try_other_numbers(PvEap *eap, PvJob *job, const GError *refusal)
{
	if (eap->amt_numbers || !g_error_matches(refusal, PV_ERROR, PV_ERROR_REJECTED) ||
	    eap_get(eap, "server-name") == NULL)
		return FALSE;
	g_debug("%s", refusal->message);
	eap->amt_numbers = TRUE;
	eap_set_fact(eap, job, ".numbers", "amt");
	return TRUE;
}

gboolean
pv_eap_confirm(PvEap *eap, PvJob *job, GError **error)
{
	g_autofree char *bound = eap_dup_bound(eap, job);
	g_autofree char *name = eap_dup_fact(eap->name, "-sent");
	if (eap->sent != NULL && pv_job_has_secret(job, name, PV_SECRET_PENDING) &&
	    !pv_job_confirm_secret(job, name, error))
		return FALSE;
	eap_set_fact(eap, job, ".bound", bound);
	return TRUE;
}

void
pv_eap_forget(PvJob *job, const char *name)
{
	static const char *const facts[] = { ".roots", ".bound", ".numbers", NULL };
	pv_cert_use_forget(job, name);
	for (guint i = 0; facts[i] != NULL; i++) {
		g_autofree char *fact = eap_dup_fact(name, facts[i]);
		pv_job_set_fact(job, fact, NULL);
	}
}
