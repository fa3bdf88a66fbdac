/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/clientcert.h"

#include <provost/error.h>

#include <string.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* the key purpose of who manages AMT over the network; 1.2.2 is that of local applications */
#define CLIENTCERT_PURPOSE "2.16.840.1.113741.1.2.1"
#define CLIENTCERT_MAX_NAME 256

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE, X509_STORE_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE_CTX, X509_STORE_CTX_free)

static gboolean clientcert_fail(const PvIdentity *identity, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean
clientcert_fail(const PvIdentity *identity, GError **error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "client certificate %s: %s",
	    pv_identity_get_path(identity), text);
	return FALSE;
}

static gboolean
clientcert_check_purpose(const PvIdentity *identity, X509 *leaf, GError **error)
{
	EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(leaf, NID_ext_key_usage, NULL, NULL);
	gboolean found = FALSE;
	for (int i = 0; usages != NULL && i < sk_ASN1_OBJECT_num(usages); i++) {
		char oid[80];
		OBJ_obj2txt(oid, sizeof oid, sk_ASN1_OBJECT_value(usages, i), 1);
		found = found || g_str_equal(oid, CLIENTCERT_PURPOSE);
	}
	EXTENDED_KEY_USAGE_free(usages);
	return found || clientcert_fail(identity, error,
			    "its extended key usage lacks %s, by which AMT knows who manages it: have one issued that "
			    "has it",
			    CLIENTCERT_PURPOSE);
}

/* firmware sees the whole chain */
static gboolean
clientcert_check_dates(const PvIdentity *identity, gint64 now, GError **error)
{
	STACK_OF(X509) *chain = pv_identity_get_chain(identity);
	time_t at = (time_t)now;
	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *certificate = sk_X509_value(chain, i);
		int from = X509_cmp_time(X509_get0_notBefore(certificate), &at);
		int until = X509_cmp_time(X509_get0_notAfter(certificate), &at);
		if (from < 0 && until > 0)
			continue;
		g_autofree char *name = pv_tls_dup_name(X509_get_subject_name(certificate));
		g_autoptr(GDateTime) when = g_date_time_new_from_unix_utc(now);
		g_autofree char *date = when != NULL ? g_date_time_format(when, "%Y-%m-%d") : NULL;
		return clientcert_fail(identity, error, "%s is not valid on %s, which the device's clock or ours shows: %s",
		    name, date != NULL ? date : "that day",
		    from >= 0 ? "it is too early, or the clock is wrong" : "renew it, or set the clock");
	}
	return TRUE;
}

static gboolean
clientcert_chains_to(const PvIdentity *identity, GBytes *root_der, gint64 now)
{
	STACK_OF(X509) *chain = pv_identity_get_chain(identity);
	gsize length = 0;
	const guchar *der = g_bytes_get_data(root_der, &length);
	g_autoptr(X509) root = d2i_X509(NULL, &der, (long)length);
	g_autoptr(X509_STORE) store = X509_STORE_new();
	g_autoptr(X509_STORE_CTX) context = X509_STORE_CTX_new();
	gboolean good = root != NULL && X509_STORE_add_cert(store, root) == 1 &&
			X509_STORE_CTX_init(context, store, sk_X509_value(chain, 0), chain) == 1;
	if (good) {
		X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
		X509_VERIFY_PARAM_set_time(param, (time_t)now);
		X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY);
		good = X509_verify_cert(context) == 1;
	}
	ERR_clear_error();
	return good;
}

/* one root at a time: of two with the same name OpenSSL would look at the first only */
static gboolean
clientcert_check_chain(const PvIdentity *identity, GPtrArray *roots, gint64 now, GError **error)
{
	STACK_OF(X509) *chain = pv_identity_get_chain(identity);
	for (guint i = 0; i < roots->len; i++)
		if (clientcert_chains_to(identity, roots->pdata[i], now))
			return TRUE;
	X509 *last = sk_X509_value(chain, sk_X509_num(chain) - 1);
	g_autofree char *name = pv_tls_dup_name(X509_get_subject_name(last));
	return clientcert_fail(identity, error,
	    "its root %s is not among the %u trusted roots of the device: add it to \"roots\"", name,
	    roots->len);
}

/* (transfer full); NULL: none, or several */
static char *
clientcert_dup_name(X509 *leaf)
{
	X509_NAME *subject = X509_get_subject_name(leaf);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at < 0)
		return NULL;
	const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	unsigned char *utf8 = NULL;
	int length = ASN1_STRING_to_UTF8(&utf8, text);
	char *name = length > 0 && length <= CLIENTCERT_MAX_NAME && strlen((char *)utf8) == (gsize)length
			 ? g_strndup((char *)utf8, (gsize)length)
			 : NULL;
	OPENSSL_free(utf8);
	ERR_clear_error();
	return name;
}

/* the name itself, or a domain that it is in; what else firmware might take for a match is not counted on */
static gboolean
clientcert_name_fits(const char *name, const char *entry)
{
	gsize length = strlen(name), suffix = strlen(entry);
	if (suffix == 0 || suffix > length)
		return FALSE;
	return g_ascii_strcasecmp(name + length - suffix, entry) == 0 &&
	       (suffix == length || name[length - suffix - 1] == '.');
}

static gboolean
clientcert_check_name(const PvIdentity *identity, X509 *leaf, const char *const *names, GError **error)
{
	if (names == NULL || names[0] == NULL)
		return TRUE;
	g_autofree char *name = clientcert_dup_name(leaf);
	for (guint i = 0; name != NULL && names[i] != NULL; i++)
		if (clientcert_name_fits(name, names[i]))
			return TRUE;
	g_autofree char *shown = pv_tls_dup_name(X509_get_subject_name(leaf));
	return clientcert_fail(identity, error,
	    "its common name (%s) is none of \"trusted-cn\", nor in a domain of it: add it there", shown);
}

gboolean
pv_client_certificate_check(const PvIdentity *identity, GPtrArray *roots, const char *const *names, gint64 now,
    GError **error)
{
	X509 *leaf = sk_X509_value(pv_identity_get_chain(identity), 0);
	if (now == 0)
		now = g_get_real_time() / G_USEC_PER_SEC;
	return clientcert_check_purpose(identity, leaf, error) &&
	       clientcert_check_dates(identity, now, error) &&
	       (roots == NULL || clientcert_check_chain(identity, roots, now, error)) &&
	       clientcert_check_name(identity, leaf, names, error);
}
