/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ca-folder.h"
#include "ca-index.h"
#include "ca-x509.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <provost/provost.h>
#include <provost/token.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A CA in a folder:
 *   lock             flock()ed by whoever reads or writes the rest
 *   ca.key, ca.crt   PEM
 *   index            what was issued and revoked; see ca-index.c
 *   certs/SERIAL.der
 *   crl.der          the revocation list */

#define CA_LOCK_WAIT_SEC 60
#define CA_LOCK_POLL_MSEC 10
#define CA_WAITING_MAX 10000 /* requests that nobody has decided on */
#define CA_TEXT_MAX 256

/* A kind of certificate, by the name that stages have for it. */
typedef struct {
	char *name;
	char **ekus; /* dotted OIDs; what may be asked for */
	gint64 days; /* at most */
} CaProfile;

typedef struct {
	char *path;
	int lock_fd;
	GMutex mutex; /* flock() keeps processes apart, this threads */
	EVP_PKEY *
	    key; /* immutable after open, as is all the rest but for the index; a token's is used under the lock only */
	X509 *root;
	gint64 days; /* validity of a leaf */
	GPtrArray *profiles; /* of CaProfile, owned; empty: anything may be asked for */
	gboolean manual; /* people approve */
	guint poll_sec;
	char *crl_file; /* where the list is published; NULL: in the folder only */
	char *crl_url; /* where the site serves it; NULL: not said in certificates */
	gint64 crl_days;
	char **permitted; /* as configured */
	CaIndex *index; /* protected by mutex and lock, as are the next two */
	gint64 crl_due; /* when the list that was looked at last has to be renewed */
	guint64 crl_number; /* of that list */
} CaLocal;

static void
ca_local_profile_free(gpointer data)
{
	CaProfile *profile = data;
	g_free(profile->name);
	g_strfreev(profile->ekus);
	g_free(profile);
}

static gint64
ca_local_now(void)
{
	return g_get_real_time() / G_USEC_PER_SEC;
}

static char *
ca_local_dup_date(gint64 time)
{
	g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(time);
	return date == NULL ? g_strdup("an unknown date") : g_date_time_format(date, "%Y-%m-%d");
}

static void
ca_local_close(gpointer handle)
{
	CaLocal *ca = handle;
	if (ca == NULL)
		return;
	ca_index_free(ca->index);
	if (ca->lock_fd >= 0)
		close(ca->lock_fd);
	X509_free(ca->root);
	EVP_PKEY_free(ca->key);
	g_mutex_clear(&ca->mutex);
	g_clear_pointer(&ca->profiles, g_ptr_array_unref);
	g_strfreev(ca->permitted);
	g_free(ca->crl_file);
	g_free(ca->crl_url);
	g_free(ca->path);
	g_free(ca);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CaLocal, ca_local_close)

/* Waits on the cancellable, so that cancelling ends it at once. */
static void
ca_local_pause(GCancellable *cancellable)
{
	GPollFD fd;
	if (cancellable != NULL && g_cancellable_make_pollfd(cancellable, &fd)) {
		g_poll(&fd, 1, CA_LOCK_POLL_MSEC);
		g_cancellable_release_fd(cancellable);
	} else {
		g_usleep(CA_LOCK_POLL_MSEC * 1000);
	}
}

static gboolean
ca_local_lock_file(CaLocal *ca, GCancellable *cancellable, GError **error)
{
	gint64 end = g_get_monotonic_time() + CA_LOCK_WAIT_SEC * G_USEC_PER_SEC;
	while (flock(ca->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "lock %s/lock: %s", ca->path,
			    g_strerror(errno));
			return FALSE;
		}
		if (g_get_monotonic_time() > end) {
			g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE,
			    "lock %s/lock: another process has held it for %d seconds", ca->path,
			    CA_LOCK_WAIT_SEC);
			return FALSE;
		}
		ca_local_pause(cancellable);
		if (g_cancellable_set_error_if_cancelled(cancellable, error))
			return FALSE;
	}
	return TRUE;
}

static void
ca_local_unlock(CaLocal *ca)
{
	flock(ca->lock_fd, LOCK_UN);
	g_mutex_unlock(&ca->mutex);
}

static gboolean
ca_local_lock(CaLocal *ca, GCancellable *cancellable, GError **error)
{
	g_mutex_lock(&ca->mutex);
	if (!ca_local_lock_file(ca, cancellable, error)) {
		g_mutex_unlock(&ca->mutex);
		return FALSE;
	}
	if (ca->index != NULL && !ca_index_refresh(ca->index, error)) {
		ca_local_unlock(ca);
		return FALSE;
	}
	return TRUE;
}

/* Without it OpenSSL would ask for a password on the terminal. */
static int
ca_local_no_password(char *buffer, int size, int writing, void *data)
{
	return -1;
}

static EVP_PKEY *
ca_local_load_key(const char *folder, GError **error)
{
	g_autoptr(GBytes) pem = ca_folder_read(folder, "ca.key", 0077, error);
	if (pem == NULL)
		return NULL;
	gsize length = 0;
	gpointer data = (gpointer)g_bytes_get_data(pem, &length);
	g_autoptr(BIO) bio = BIO_new_mem_buf(data, (int)length);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, ca_local_no_password, NULL);
	OPENSSL_cleanse(data, length);
	ERR_clear_error();
	if (key == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "read %s/ca.key: it holds no private key in PEM without a password", folder);
	return key;
}

/* The key stays in its token. */
static EVP_PKEY *
ca_local_load_token(const PvValues *values, GError **error)
{
	const char *uri = pv_values_get_string(values, "key");
	g_autoptr(PvSecret) pin = NULL;
	if (pv_values_has(values, "pin") &&
	    (pin = pv_values_dup_secret(values, "pin", error)) == NULL)
		return NULL;
	if (!pv_token_is_uri(uri)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: a PKCS#11 URI such as pkcs11:token=ca;object=key is wanted; a key in a "
		    "file is ca.key "
		    "in the ca's folder",
		    pv_values_get_where(values, "key"));
		return NULL;
	}
	EVP_PKEY *key = pv_token_load_key(uri, pin, error);
	if (key == NULL)
		g_prefix_error(error, "%s: ", pv_values_get_where(values, "key"));
	return key;
}

static X509 *
ca_local_load_root(const char *folder, GError **error)
{
	g_autoptr(GBytes) pem = ca_folder_read(folder, "ca.crt", 0022, error);
	if (pem == NULL)
		return NULL;
	gsize length = 0;
	gconstpointer data = g_bytes_get_data(pem, &length);
	g_autoptr(BIO) bio = BIO_new_mem_buf(data, (int)length);
	X509 *root = PEM_read_bio_X509(bio, NULL, ca_local_no_password, NULL);
	ERR_clear_error();
	if (root == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "read %s/ca.crt: it holds no certificate in PEM", folder);
	return root;
}

static EVP_PKEY *
ca_local_create_key(const char *folder, const char *key_type, GError **error)
{
	g_autoptr(EVP_PKEY) key = ca_x509_new_key(key_type, error);
	if (key == NULL)
		return NULL;
	g_autoptr(BIO) bio = BIO_new(BIO_s_secmem());
	char *data = NULL;
	if (bio == NULL ||
	    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
		ca_x509_set_error(error, "write the ca's key");
		return NULL;
	}
	long length = BIO_get_mem_data(bio, &data);
	if (!ca_folder_write(folder, "ca.key", data, (gsize)length, error))
		return NULL;
	return g_steal_pointer(&key);
}

static X509 *
ca_local_create_root(const char *folder, EVP_PKEY *key, const PvValues *values, GError **error)
{
	g_autoptr(X509) root = ca_x509_new_root(key, pv_values_get_string(values, "common-name"),
	    pv_values_get_list(values, "permitted"), ca_local_now(),
	    pv_values_get_int(values, "ca-days"), error);
	if (root == NULL)
		return NULL;
	g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
	char *data = NULL;
	if (bio == NULL || PEM_write_bio_X509(bio, root) != 1) {
		ca_x509_set_error(error, "write the ca's certificate");
		return NULL;
	}
	long length = BIO_get_mem_data(bio, &data);
	if (!ca_folder_write(folder, "ca.crt", data, (gsize)length, error))
		return NULL;
	return g_steal_pointer(&root);
}

static gboolean
ca_local_check_root(const char *folder, X509 *root, EVP_PKEY *key, GError **error)
{
	if (X509_check_private_key(root, key) != 1) {
		ERR_clear_error();
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "use %s: ca.key is not the key of the certificate in ca.crt", folder);
		return FALSE;
	}
	if (X509_check_ca(root) != 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "use %s: the certificate in ca.crt is not that of a ca", folder);
		return FALSE;
	}
	gint64 end = ca_x509_get_time(X509_get0_notAfter(root));
	if (end <= ca_local_now()) {
		g_autofree char *date = ca_local_dup_date(end);
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "use %s: the ca's certificate expired on %s: name another folder to begin a "
		    "new ca",
		    folder, date);
		return FALSE;
	}
	return TRUE;
}

/* Loads key and certificate, or makes them in a folder that never held a CA. The key comes first, so that a
 * crash in between leaves a key without a certificate, and the certificate is made for it now. */
static gboolean
ca_local_load(CaLocal *ca, const PvValues *values, GError **error)
{
	g_autoptr(GError) local_error = NULL;
	ca->key = pv_values_has(values, "key") ? ca_local_load_token(values, &local_error)
					       : ca_local_load_key(ca->path, &local_error);
	if (local_error == NULL)
		ca->root = ca_local_load_root(ca->path, &local_error);
	if (local_error != NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	gboolean used = ca->root != NULL || ca_index_get_length(ca->index) > 0;
	if (used && (ca->key == NULL || ca->root == NULL)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "use %s: %s is gone: put it back from a backup", ca->path,
		    ca->key == NULL ? "ca.key" : "ca.crt");
		return FALSE;
	}
	if (ca->key == NULL)
		ca->key =
		    ca_local_create_key(ca->path, pv_values_get_string(values, "key-type"), error);
	if (ca->key != NULL && ca->root == NULL)
		ca->root = ca_local_create_root(ca->path, ca->key, values, error);
	return ca->root != NULL && ca_local_check_root(ca->path, ca->root, ca->key, error);
}

/* A certificate whose line did not reach the index was never handed out: a crash left it. */
static gboolean
ca_local_sweep(CaLocal *ca, GError **error)
{
	g_autofree char *folder = g_build_filename(ca->path, "certs", NULL);
	g_autoptr(GError) local_error = NULL;
	g_autoptr(GDir) dir = g_dir_open(folder, 0, &local_error);
	if (dir == NULL) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "read %s: %s", folder, local_error->message);
		return FALSE;
	}
	for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir)) {
		const char *end = strstr(name, ".der");
		g_autofree char *serial = g_strndup(name, end == NULL ? 0 : (gsize)(end - name));
		if (end == NULL ||
		    (g_str_equal(end, ".der") && ca_index_find_serial(ca->index, serial)))
			continue;
		g_autofree char *path = g_build_filename(folder, name, NULL);
		if (g_unlink(path) != 0)
			g_debug("remove %s: %s", path, g_strerror(errno));
	}
	return TRUE;
}

static X509_CRL *
ca_local_load_crl(CaLocal *ca, GError **error)
{
	g_autoptr(GBytes) der = ca_folder_read(ca->path, "crl.der", 0022, error);
	if (der == NULL)
		return NULL;
	gsize length = 0;
	const unsigned char *data = g_bytes_get_data(der, &length);
	X509_CRL *crl = d2i_X509_CRL(NULL, &data, (long)length);
	ERR_clear_error();
	return crl;
}

static gboolean
ca_local_is_crl_fresh(CaLocal *ca, GPtrArray *revoked, GError **error)
{
	g_autoptr(X509_CRL) crl = ca_local_load_crl(ca, error);
	if (crl == NULL)
		return FALSE;
	g_autoptr(ASN1_INTEGER) number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
	gint64 end = ca_x509_get_time(X509_CRL_get0_nextUpdate(crl));
	if (number == NULL || ASN1_INTEGER_get_uint64(&ca->crl_number, number) != 1 ||
	    ca->crl_number != ca_index_get_crl_number(ca->index) ||
	    MAX(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)), 0) != (int)revoked->len)
		return FALSE;
	/* also when its validity was configured anew */
	ca->crl_due = MIN(end - ca->crl_days * 86400 / 2,
	    ca_x509_get_time(X509_CRL_get0_lastUpdate(crl)) + ca->crl_days * 86400 / 2);
	return ca_local_now() < ca->crl_due;
}

/* A reader of its own, such as a RADIUS or web server, finds it there. */
static gboolean
ca_local_publish_crl(CaLocal *ca, GError **error)
{
	if (ca->crl_file == NULL)
		return TRUE;
	g_autoptr(X509_CRL) crl = ca_local_load_crl(ca, error);
	g_autoptr(BIO) bio = crl == NULL ? NULL : BIO_new(BIO_s_mem());
	gboolean pem = g_str_has_suffix(ca->crl_file, ".pem");
	if (bio == NULL ||
	    (pem ? PEM_write_bio_X509_CRL(bio, crl) : i2d_X509_CRL_bio(bio, crl)) != 1) {
		if (error != NULL && *error == NULL)
			ca_x509_set_error(error, "publish the revocation list");
		return FALSE;
	}
	char *data = NULL;
	gsize length = (gsize)BIO_get_mem_data(bio, &data);
	g_autofree char *there = NULL;
	gsize there_length = 0;
	if (g_file_get_contents(ca->crl_file, &there, &there_length, NULL) &&
	    there_length == length && memcmp(there, data, length) == 0)
		return TRUE;
	return pv_file_replace(ca->crl_file, data, (gssize)length, 0644, error);
}

static X509_CRL *
ca_local_new_crl(CaLocal *ca, GPtrArray *revoked, guint64 number, GError **error)
{
	g_autoptr(GArray) rows = g_array_new(FALSE, TRUE, sizeof(CaRevocation));
	for (guint i = 0; i < revoked->len; i++) {
		const CaRecord *record = g_ptr_array_index(revoked, i);
		CaRevocation row = { record->serial, record->revoked, record->reason };
		g_array_append_val(rows, row);
	}
	return ca_x509_new_crl(
	    ca->root, ca->key, rows, number, ca_local_now(), ca->crl_days, error);
}

/* Writes crl.der anew when it misses a revocation (a crash) or grows old. The number is on the disk before
 * the list is, so that no number is ever used for two lists. */
static gboolean
ca_local_refresh_crl(CaLocal *ca, GError **error)
{
	g_autoptr(GPtrArray) revoked = ca_index_get_revoked(ca->index);
	g_autoptr(GError) local_error = NULL;
	if (ca_local_is_crl_fresh(ca, revoked, &local_error))
		return ca_local_publish_crl(ca, error);
	if (local_error != NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	/* also beyond that of the list, which may be younger than an index that was put back from a backup */
	guint64 number = MAX(ca_index_get_crl_number(ca->index), ca->crl_number) + 1;
	g_autoptr(X509_CRL) crl = ca_local_new_crl(ca, revoked, number, error);
	unsigned char *der = NULL;
	int length = crl == NULL ? 0 : i2d_X509_CRL(crl, &der);
	if (length <= 0)
		return FALSE;
	g_autoptr(GBytes) bytes = g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	if (!ca_index_add_crl(ca->index, number, error) ||
	    !ca_folder_write(
		ca->path, "crl.der", g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), error))
		return FALSE;
	ca->crl_number = number;
	ca->crl_due = ca_local_now() + ca->crl_days * 86400 / 2;
	return ca_local_publish_crl(ca, error);
}

/* Before anything else is done with the CA: whoever runs for months renews the list, too. */
static gboolean
ca_local_renew_crl(CaLocal *ca, GError **error)
{
	return (ca_local_now() < ca->crl_due &&
		   ca->crl_number == ca_index_get_crl_number(ca->index)) ||
	       ca_local_refresh_crl(ca, error);
}

static gboolean
ca_local_open_index(CaLocal *ca, const PvValues *values, GError **error)
{
	g_autofree char *certs = g_build_filename(ca->path, "certs", NULL);
	g_autofree char *index = g_build_filename(ca->path, "index", NULL);
	if (!ca_folder_make(certs, error))
		return FALSE;
	ca->index = ca_index_open(index, error);
	return ca->index != NULL && ca_local_load(ca, values, error) && ca_local_sweep(ca, error) &&
	       ca_local_refresh_crl(ca, error);
}

/* "server", "client" or an OID */
static char *
ca_local_dup_eku(const char *word)
{
	return g_strdup(g_str_equal(word, "server")   ? "1.3.6.1.5.5.7.3.1"
			: g_str_equal(word, "client") ? "1.3.6.1.5.5.7.3.2"
						      : word);
}

static void
ca_local_read_profiles(CaLocal *ca, const PvValues *values)
{
	ca->profiles = g_ptr_array_new_with_free_func(ca_local_profile_free);
	for (guint i = 0; i < pv_values_get_count(values, "profiles"); i++) {
		const PvValues *entry = pv_values_get_object(values, "profiles", i);
		const char *const *words = pv_values_get_list(entry, "for");
		CaProfile *profile = g_new0(CaProfile, 1);
		profile->name = g_strdup(pv_values_get_string(entry, "template"));
		profile->days = pv_values_get_int(entry, "days");
		profile->ekus = g_new0(char *, g_strv_length((char **)words) + 1);
		for (guint j = 0; words[j] != NULL; j++)
			profile->ekus[j] = ca_local_dup_eku(words[j]);
		g_ptr_array_add(ca->profiles, profile);
	}
}

static gboolean
ca_local_is_crl_url(const char *url)
{
	g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
	return uri != NULL && g_str_equal(g_uri_get_scheme(uri), "http") &&
	       strpbrk(url, " ,;\\\"") == NULL && g_str_is_ascii(url);
}

static gboolean
ca_local_read_values(CaLocal *ca, const PvValues *values, GError **error)
{
	const char *wrong = NULL, *text = NULL;
	const char *name = pv_values_get_string(values, "common-name");
	const char *const *permitted = pv_values_get_list(values, "permitted");
	ca->path = g_strdup(pv_values_get_string(values, "path"));
	ca->days = pv_values_get_int(values, "days");
	ca->crl_days = pv_values_get_int(values, "crl-days");
	ca->crl_file = g_strdup(pv_values_get_string(values, "crl-file"));
	ca->crl_url = g_strdup(pv_values_get_string(values, "crl-url"));
	ca->manual = g_str_equal(pv_values_get_string(values, "approve"), "manual");
	ca->poll_sec = (guint)pv_values_get_int(values, "poll");
	ca->permitted = g_strdupv((char **)permitted);
	ca_local_read_profiles(ca, values);
	if (*name == '\0' || g_utf8_strlen(name, -1) > 64) {
		wrong = "common-name";
		text = "1 to 64 characters are wanted";
	} else if (ca->crl_url != NULL && !ca_local_is_crl_url(ca->crl_url)) {
		wrong = "crl-url";
		text = "a URL such as http://pki.example.com/amt.crl is wanted";
	}
	for (guint i = 0; wrong == NULL && permitted[i] != NULL; i++) {
		if (ca_x509_is_dns_name(permitted[i]))
			continue;
		wrong = "permitted";
		text = "domains such as corp.example.com are wanted";
	}
	if (wrong != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s",
		    pv_values_get_where(values, wrong), text);
	return wrong == NULL;
}

static gpointer
ca_local_open(const PvValues *values, GError **error)
{
	g_autoptr(CaLocal) ca = g_new0(CaLocal, 1);
	ca->lock_fd = -1;
	g_mutex_init(&ca->mutex);
	if (!ca_local_read_values(ca, values, error))
		return NULL;
	if (!ca_folder_make(ca->path, error))
		return NULL;

	g_autofree char *lock = g_build_filename(ca->path, "lock", NULL);
	ca->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (ca->lock_fd < 0) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "open %s: %s", lock, g_strerror(errno));
		return NULL;
	}
	if (!ca_local_lock(ca, NULL, error))
		return NULL;
	gboolean ok = ca_local_open_index(ca, values, error);
	ca_local_unlock(ca);
	return ok ? g_steal_pointer(&ca) : NULL;
}

static void
ca_local_hash_text(GChecksum *checksum, const char *text)
{
	/* with its NUL, so that no two lists of texts run into the same bytes */
	g_checksum_update(checksum, (const guchar *)(text == NULL ? "" : text),
	    (gssize)strlen(text == NULL ? "" : text) + 1);
}

static void
ca_local_hash_list(GChecksum *checksum, const char *const *list)
{
	for (guint i = 0; list != NULL && list[i] != NULL; i++)
		ca_local_hash_text(checksum, list[i]);
	ca_local_hash_text(checksum, NULL);
}

/* Two requests with the same key get the same certificate. Free with g_free(). */
static char *
ca_local_request_key(const PvCertRequest *request, X509_REQ *csr)
{
	unsigned char *spki = NULL;
	int length = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(csr), &spki);
	if (length <= 0)
		return NULL;
	g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
	g_autofree char *days = g_strdup_printf("%u", request->days);
	ca_local_hash_text(checksum, request->template_name);
	ca_local_hash_text(checksum, request->common_name);
	ca_local_hash_list(checksum, request->dns_names);
	ca_local_hash_list(checksum, request->ekus);
	ca_local_hash_text(checksum, days);
	if (request->upn != NULL)
		ca_local_hash_text(checksum, request->upn);
	g_checksum_update(checksum, spki, length);
	OPENSSL_free(spki);
	return g_strdup(g_checksum_get_string(checksum));
}

/* for a line of the index: anything but a UUID could break it */
static const char *
ca_local_peek_uuid(const PvCertRequest *request)
{
	return request->uuid != NULL && g_uuid_string_is_valid(request->uuid) ? request->uuid : "-";
}

/* The certificate that was issued before for the same request, while more than half of its life is left. */
static GBytes *
ca_local_find_issued(CaLocal *ca, const char *key)
{
	const CaRecord *record = ca_index_find_key(ca->index, key);
	if (record == NULL || record->revoked != 0 ||
	    ca_local_now() >= record->not_before + (record->not_after - record->not_before) / 2)
		return NULL;
	g_autofree char *folder = g_build_filename(ca->path, "certs", NULL);
	g_autofree char *name = g_strconcat(record->serial, ".der", NULL);
	g_autoptr(GBytes) der = ca_folder_read(folder, name, 0022, NULL);
	g_autoptr(X509) certificate = der == NULL ? NULL : ca_x509_from_der(der);
	if (certificate == NULL || X509_verify(certificate, X509_get0_pubkey(ca->root)) != 1) {
		ERR_clear_error();
		g_debug("certificate %s is lost or damaged: a new one is issued", record->serial);
		return NULL;
	}
	return g_steal_pointer(&der);
}

/* File first, line second: what the index lists is there, what it does not list nobody has seen. */
static GBytes *
ca_local_record(CaLocal *ca, const PvCertRequest *request, X509 *leaf, char *key, GError **error)
{
	g_autoptr(GBytes) der = ca_x509_to_der(leaf);
	g_autofree char *serial = ca_x509_dup_serial(leaf);
	g_autofree char *folder = g_build_filename(ca->path, "certs", NULL);
	g_autofree char *name = g_strconcat(serial, ".der", NULL);
	if (!ca_folder_write(
		folder, name, g_bytes_get_data(der, NULL), g_bytes_get_size(der), error))
		return NULL;
	CaRecord record = {
		.serial = serial,
		.key = key,
		.not_before = ca_x509_get_time(X509_get0_notBefore(leaf)),
		.not_after = ca_x509_get_time(X509_get0_notAfter(leaf)),
	};
	if (!ca_index_add_issued(ca->index, &record, ca_local_peek_uuid(request), error))
		return NULL;
	return g_steal_pointer(&der);
}

/* NULL: *reason (transfer full) says why not; or there are no profiles, and then *reason is NULL, too. */
static const CaProfile *
ca_local_find_profile(CaLocal *ca, const PvCertRequest *request, char **reason)
{
	const char *name = request->template_name != NULL ? request->template_name : "default";
	for (guint i = 0; i < ca->profiles->len; i++) {
		const CaProfile *profile = g_ptr_array_index(ca->profiles, i);
		if (!g_str_equal(profile->name, name))
			continue;
		for (guint j = 0; request->ekus != NULL && request->ekus[j] != NULL; j++) {
			if (g_strv_contains((const char *const *)profile->ekus, request->ekus[j]))
				continue;
			*reason = g_strdup_printf(
			    "template %s is not for the usage %s", name, request->ekus[j]);
			return NULL;
		}
		return profile;
	}
	if (ca->profiles->len > 0)
		*reason =
		    g_strdup_printf("there is no template %s among this ca's \"profiles\"", name);
	return NULL;
}

/* What it would be, signed and not yet anybody's. NULL: *reason (transfer full) says why it is denied, or the error is set. */
static X509 *
ca_local_new_leaf(
    CaLocal *ca, const PvCertRequest *request, X509_REQ *csr, char **reason, GError **error)
{
	*reason = ca_x509_judge_firmware(ca->key, request, csr);
	const CaProfile *profile =
	    *reason == NULL ? ca_local_find_profile(ca, request, reason) : NULL;
	if (*reason != NULL)
		return NULL;
	gint64 most = profile != NULL ? profile->days : ca->days;
	gint64 days = request->days == 0 ? most
		      : profile != NULL	 ? MIN(request->days, most)
					 : request->days;
	g_autoptr(X509) leaf = ca_x509_new_leaf(
	    ca->root, ca->key, request, csr, ca_local_now(), days, ca->crl_url, error);
	if (leaf == NULL)
		return NULL;
	*reason = ca_x509_judge_constraints(ca->root, leaf);
	return *reason == NULL ? g_steal_pointer(&leaf) : NULL;
}

/* An approval is good for one certificate: once that was issued, the next one is asked for anew, as after a denial. */
static const CaAsked *
ca_local_find_asked(CaLocal *ca, const char *key)
{
	const CaAsked *asked = ca_index_find_asked_key(ca->index, key);
	const CaRecord *record = ca_index_find_key(ca->index, key);
	if (asked == NULL || asked->decided == 0)
		return asked;
	gboolean used = record != NULL && record->not_before + CA_BACKDATE_SEC >= asked->decided;
	return asked->approved && !used ? asked : NULL;
}

static gboolean
ca_local_ask(
    CaLocal *ca, const PvCertRequest *request, const char *key, PvCaReply *reply, GError **error)
{
	g_autoptr(GPtrArray) waiting = ca_index_get_undecided(ca->index);
	if (waiting->len >= CA_WAITING_MAX) {
		g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE,
		    "ask the ca in %s: %d requests wait for approval, and no more are taken",
		    ca->path, CA_WAITING_MAX);
		return FALSE;
	}
	reply->outcome = PV_CA_PENDING;
	return ca_index_add_asked(ca->index, key, ca_local_peek_uuid(request), request->common_name,
	    ca_local_now(), &reply->cookie, error);
}

/* What people say to it. TRUE: nothing is in the way of issuing, or reply->outcome is what it came to; FALSE: the error. */
static gboolean
ca_local_seek_approval(CaLocal *ca, const PvCertRequest *request, const char *key,
    const char *cookie, PvCaReply *reply, GError **error)
{
	const CaAsked *asked =
	    cookie != NULL ? ca_index_find_asked(ca->index, cookie) : ca_local_find_asked(ca, key);
	if (cookie != NULL && (asked == NULL || !g_str_equal(asked->key, key))) {
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "ask the ca in %s for request %s: it has no such request of this key and these "
		    "names",
		    ca->path, cookie);
		return FALSE;
	}
	reply->not_before_sec = ca->poll_sec;
	if (asked == NULL) {
		if (!ca_local_ask(ca, request, key, reply, error))
			return FALSE;
	} else if (asked->decided == 0) {
		reply->outcome = PV_CA_PENDING;
		reply->cookie = g_strdup(asked->id);
	} else if (!asked->approved) {
		reply->outcome = PV_CA_DENIED;
		reply->text = g_strdup(asked->text != NULL ? asked->text : "somebody denied it");
	}
	if (reply->outcome == PV_CA_PENDING)
		reply->text = g_strdup_printf(
		    "request %s waits for \"provost ca approve %s\"", reply->cookie, reply->cookie);
	return TRUE;
}

static gboolean
ca_local_answer(CaLocal *ca, const PvCertRequest *request, X509_REQ *csr, char *key,
    const char *cookie, PvCaReply *reply, GError **error)
{
	reply->outcome = PV_CA_ISSUED;
	reply->certificate = ca_local_find_issued(ca, key);
	if (reply->certificate != NULL)
		return TRUE;
	g_autoptr(GError) local_error = NULL;
	g_autoptr(X509) leaf = ca_local_new_leaf(ca, request, csr, &reply->text, &local_error);
	if (local_error != NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	if (leaf == NULL) {
		reply->outcome = PV_CA_DENIED;
		return TRUE;
	}
	if (ca->manual && !ca_local_seek_approval(ca, request, key, cookie, reply, error))
		return FALSE;
	if (reply->outcome != PV_CA_ISSUED)
		return TRUE;
	reply->certificate = ca_local_record(ca, request, leaf, key, error);
	return reply->certificate != NULL;
}

static gboolean
ca_local_request(CaLocal *ca, const PvCertRequest *request, GBytes *csr_der, const char *cookie,
    PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	*reply = (PvCaReply) { 0 };
	g_autoptr(X509_REQ) csr = ca_x509_check_request(request, csr_der, &reply->text);
	if (csr == NULL) {
		reply->outcome = PV_CA_DENIED;
		return TRUE;
	}
	g_autofree char *key = ca_local_request_key(request, csr);
	if (key == NULL) {
		ca_x509_set_error(error, "hash the request");
		return FALSE;
	}
	if (!ca_local_lock(ca, cancellable, error))
		return FALSE;
	gboolean ok = ca_local_renew_crl(ca, error) &&
		      ca_local_answer(ca, request, csr, key, cookie, reply, error);
	ca_local_unlock(ca);
	return ok;
}

static gboolean
ca_local_submit(gpointer handle, const PvCertRequest *request, GBytes *csr_der,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	return ca_local_request(handle, request, csr_der, NULL, reply, cancellable, error);
}

static gboolean
ca_local_prepare(gpointer handle, const PvCertRequest *request, PvCaPreparation *preparation,
    GCancellable *cancellable, GError **error)
{
	*preparation = (PvCaPreparation) { 0 };
	return TRUE;
}

static gboolean
ca_local_poll(gpointer handle, const PvCertRequest *request, GBytes *csr_der, const char *cookie,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	return ca_local_request(handle, request, csr_der, cookie, reply, cancellable, error);
}

static GPtrArray *
ca_local_chain(gpointer handle, GCancellable *cancellable, GError **error)
{
	CaLocal *ca = handle;
	g_autoptr(GPtrArray) chain = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	GBytes *der = ca_x509_to_der(ca->root);
	if (der == NULL) {
		ca_x509_set_error(error, "write the ca's certificate");
		return NULL;
	}
	g_ptr_array_add(chain, der);
	return g_steal_pointer(&chain);
}

static gboolean
ca_local_revoke_serial(CaLocal *ca, const char *serial, guint reason, GError **error)
{
	const CaRecord *record = ca_index_find_serial(ca->index, serial);
	if (record == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "revoke certificate %s: this ca has not issued it", serial);
		return FALSE;
	}
	if (record->revoked == 0 &&
	    !ca_index_add_revoked(ca->index, serial, ca_local_now(), reason, error))
		return FALSE;
	return ca_local_refresh_crl(ca, error);
}

static gboolean
ca_local_revoke(
    gpointer handle, GBytes *der, guint reason, GCancellable *cancellable, GError **error)
{
	CaLocal *ca = handle;
	/* RFC 5280 5.3.1: 7 is unused, 8 takes a certificate off a list */
	if (reason > 10 || reason == 7 || reason == 8) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "revoke certificate: %u is no reason",
		    reason);
		return FALSE;
	}
	g_autoptr(X509) certificate = ca_x509_from_der(der);
	if (certificate == NULL || X509_verify(certificate, X509_get0_pubkey(ca->root)) != 1) {
		ERR_clear_error();
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "revoke certificate: it is not signed by this ca");
		return FALSE;
	}
	g_autofree char *serial = ca_x509_dup_serial(certificate);
	if (!ca_local_lock(ca, cancellable, error))
		return FALSE;
	gboolean ok = ca_local_revoke_serial(ca, serial, reason, error);
	ca_local_unlock(ca);
	return ok;
}

static GBytes *
ca_local_find(gpointer handle, const char *serial, GCancellable *cancellable, GError **error)
{
	CaLocal *ca = handle;
	if (!ca_local_lock(ca, cancellable, error))
		return NULL;
	g_autoptr(GError) local_error = NULL;
	const CaRecord *record = ca_index_find_serial(ca->index, serial);
	g_autofree char *folder = g_build_filename(ca->path, "certs", NULL);
	g_autofree char *name = g_strconcat(record == NULL ? "" : record->serial, ".der", NULL);
	GBytes *der = record == NULL ? NULL : ca_folder_read(folder, name, 0022, &local_error);
	ca_local_unlock(ca);
	if (local_error != NULL)
		g_propagate_error(error, g_steal_pointer(&local_error));
	else if (der == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    record == NULL ? "find certificate %s: this ca has not issued it"
				   : "find certificate %s: its file is gone from the ca's folder",
		    serial);
	return der;
}

static void
ca_local_report(CaLocal *ca, PvReport *report)
{
	g_autoptr(GPtrArray) revoked = ca_index_get_revoked(ca->index);
	g_autoptr(GPtrArray) waiting = ca_index_get_undecided(ca->index);
	g_autofree char *date = ca_local_dup_date(ca->crl_due);
	NAME_CONSTRAINTS *constraints =
	    X509_get_ext_d2i(ca->root, NID_name_constraints, NULL, NULL);
	pv_report_add(report, PV_REPORT_OK, "folder", ca->path,
	    "can be written; %u certificates issued", ca_index_get_length(ca->index));
	pv_report_add(report, PV_REPORT_OK, "revocation list",
	    ca->crl_file != NULL ? ca->crl_file : ca->path,
	    "number %" G_GUINT64_FORMAT " with %u certificates, renewed from %s on", ca->crl_number,
	    revoked->len, date);
	if (ca->permitted[0] != NULL && constraints == NULL)
		pv_report_add(report, PV_REPORT_FAILURE, "permitted names", ca->path,
		    "the ca's certificate has no name constraints: \"permitted\" counts when a ca "
		    "is made; begin "
		    "another one");
	if (waiting->len > 0)
		pv_report_add(report, PV_REPORT_WARNING, "approval", ca->path,
		    "%u requests wait: see \"provost ca pending\"", waiting->len);
	NAME_CONSTRAINTS_free(constraints);
}

static gboolean
ca_local_check(gpointer handle, PvReport *report, GCancellable *cancellable, GError **error)
{
	CaLocal *ca = handle;
	if (!ca_local_lock(ca, cancellable, error))
		return FALSE;
	gboolean ok = ca_local_refresh_crl(ca, error);
	if (ok && access(ca->path, W_OK) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "write to %s: %s", ca->path,
		    g_strerror(errno));
		ok = FALSE;
	}
	if (ok)
		ca_local_report(ca, report);
	ca_local_unlock(ca);
	return ok;
}

/* Whoever holds the lock now renews the list, too. */
static gboolean
ca_local_maintain(gpointer handle, GError **error)
{
	CaLocal *ca = handle;
	if (!g_mutex_trylock(&ca->mutex))
		return TRUE;
	if (flock(ca->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		g_mutex_unlock(&ca->mutex);
		return TRUE;
	}
	gboolean ok = ca_index_refresh(ca->index, error) && ca_local_refresh_crl(ca, error);
	ca_local_unlock(ca);
	return ok;
}

/* Approval by people */

static GPtrArray *
ca_local_list_waiting(gpointer handle, GCancellable *cancellable, GError **error)
{
	CaLocal *ca = handle;
	if (!ca_local_lock(ca, cancellable, error))
		return NULL;
	g_autoptr(GPtrArray) undecided = ca_index_get_undecided(ca->index);
	GPtrArray *waiting = g_ptr_array_new_with_free_func((GDestroyNotify)pv_ca_waiting_free);
	for (guint i = 0; i < undecided->len; i++) {
		const CaAsked *asked = g_ptr_array_index(undecided, i);
		PvCaWaiting *row = g_new0(PvCaWaiting, 1);
		row->id = g_strdup(asked->id);
		row->name = g_strdup(asked->name);
		row->uuid = g_str_equal(asked->uuid, "-") ? NULL : g_strdup(asked->uuid);
		row->since = asked->asked;
		g_ptr_array_add(waiting, row);
	}
	ca_local_unlock(ca);
	return waiting;
}

static gboolean
ca_local_decide_on(CaLocal *ca, const char *id, gboolean approve, const char *text, GError **error)
{
	const CaAsked *asked = ca_index_find_asked(ca->index, id);
	if (asked == NULL) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_REJECTED, "decide on request %s: there is none", id);
		return FALSE;
	}
	if (asked->decided != 0 && asked->approved == approve)
		return TRUE;
	if (asked->decided != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "decide on request %s: it was %s before", id,
		    asked->approved ? "approved" : "denied");
		return FALSE;
	}
	return ca_index_add_decided(ca->index, id, approve, ca_local_now(), text, error);
}

static gboolean
ca_local_decide(gpointer handle, const char *id, gboolean approve, const char *text,
    GCancellable *cancellable, GError **error)
{
	CaLocal *ca = handle;
	if (text != NULL && (strlen(text) > CA_TEXT_MAX || !g_utf8_validate(text, -1, NULL))) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "decide on request %s: a text is UTF-8 of at most %d bytes", id, CA_TEXT_MAX);
		return FALSE;
	}
	if (!ca_local_lock(ca, cancellable, error))
		return FALSE;
	gboolean ok = ca_local_decide_on(ca, id, approve, text, error);
	ca_local_unlock(ca);
	return ok;
}

static const PvParam ca_local_profile_params[] = {
	{ "template", PV_PARAM_STRING, NULL,
	    "as stages name it; \"default\" is for those that name none" },
	{ "for", PV_PARAM_LIST, "[\"server\"]",
	    "usages that may be asked for: server, client, or OIDs" },
	{ "days", PV_PARAM_INT, "825", "validity, at most", .unit = "d", .minimum = 1,
	    .maximum = 3650 },
	{ NULL },
};

static const PvParam ca_local_params[] = {
	{ "path", PV_PARAM_PATH, NULL, "folder of the CA; made at first use" },
	{ "common-name", PV_PARAM_STRING, "\"Provost CA\"",
	    "name of the CA; counts when it is made" },
	{ "key-type", PV_PARAM_CHOICE, "\"rsa-2048\"", "the CA's key; counts when it is made",
	    .choices = "rsa-2048|rsa-3072|p-256|p-384" },
	{ "days", PV_PARAM_INT, "825", "validity of the certificates it issues", .unit = "d",
	    .minimum = 1, .maximum = 3650 },
	{ "ca-days", PV_PARAM_INT, "3650", "validity of the CA; counts when it is made",
	    .unit = "d", .minimum = 1, .maximum = 10950 },
	{ "key", PV_PARAM_STRING, "null",
	    "PKCS#11 URI of the CA's key in a token; else it is in the folder" },
	{ "pin", PV_PARAM_SECRET, "null", "of the token" },
	{ "permitted", PV_PARAM_LIST, "[]",
	    "domains whose names it may certify; empty: any; counts when it is made" },
	{ "profiles", PV_PARAM_OBJECTS, "[]",
	    "kinds of certificates; empty: anything may be asked for",
	    .fields = ca_local_profile_params },
	{ "approve", PV_PARAM_CHOICE, "\"auto\"",
	    "manual: each request waits for \"provost ca approve\"", .choices = "auto|manual" },
	{ "poll", PV_PARAM_INT, "60",
	    "how often a device's job asks whether its request was approved", .unit = "s",
	    .minimum = 1, .maximum = 86400 },
	{ "crl-days", PV_PARAM_INT, "30", "validity of the revocation list; renewed at half of it",
	    .unit = "d", .minimum = 1, .maximum = 365 },
	{ "crl-file", PV_PARAM_PATH, "null",
	    "where the list is published, too; PEM when the name ends in .pem, else DER" },
	{ "crl-url", PV_PARAM_STRING, "null",
	    "where the site serves it; stands in each certificate" },
	{ NULL },
};

static const PvCa ca_local_cas[] = {
	{
	    .type = "local",
	    .summary = "a CA in a folder of this computer",
	    .params = ca_local_params,
	    .open = ca_local_open,
	    .close = ca_local_close,
	    .prepare = ca_local_prepare,
	    .submit = ca_local_submit,
	    .poll = ca_local_poll,
	    .chain = ca_local_chain,
	    .revoke = ca_local_revoke,
	    .check = ca_local_check,
	    .find = ca_local_find,
	    .list_waiting = ca_local_list_waiting,
	    .decide = ca_local_decide,
	    .maintain = ca_local_maintain,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "ca-local", PV_VERSION, "certification authority in a folder", .cas = ca_local_cas);
