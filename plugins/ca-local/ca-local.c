/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ca-index.h"
#include "ca-x509.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <provost/provost.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A CA in a folder:
 *   lock             flock()ed by whoever reads or writes the rest
 *   ca.key, ca.crt   PEM
 *   index            what was issued and revoked; see ca-index.c
 *   certs/SERIAL.der
 *   crl.der          once something was revoked */

#define CA_LOCK_WAIT_SEC 60
#define CA_LOCK_POLL_MSEC 10
#define CA_FILE_MAX_BYTES 65536
#define CA_CRL_DAYS 30
#define CA_FOLDER_MODE 0700

typedef struct {
	char *path;
	int lock_fd;
	GMutex mutex; /* flock() keeps processes apart, this threads */
	EVP_PKEY *key; /* immutable after open, as is the certificate */
	X509 *root;
	gint64 days; /* validity of a leaf */
	CaIndex *index; /* protected by mutex and lock */
} CaLocal;

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

/* Whoever may write to the folder or read the key is the CA: only root and this user may. */
static gboolean
ca_local_is_private(const char *path, const struct stat *st, mode_t forbidden, GError **error)
{
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "use %s: it belongs to user %u, and neither to root nor to this one (%u)", path,
		    (guint)st->st_uid, (guint)geteuid());
		return FALSE;
	}
	if ((st->st_mode & forbidden) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "use %s: its mode %04o gives others too much: chmod %s it", path,
		    (guint)(st->st_mode & 07777), (forbidden & 0044) != 0 ? "0600" : "go-w");
		return FALSE;
	}
	return TRUE;
}

static gboolean
ca_local_make_folder(const char *path, GError **error)
{
	struct stat st;
	if (g_mkdir_with_parents(path, CA_FOLDER_MODE) != 0 || stat(path, &st) != 0 ||
	    !S_ISDIR(st.st_mode)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "make folder %s: %s", path,
		    g_strerror(errno));
		return FALSE;
	}
	return ca_local_is_private(path, &st, 0022, error);
}

/* All or nothing, and on the disk when it returns: "durable" syncs file and folder. */
static gboolean
ca_local_write(const char *folder, const char *name, const void *data, gsize length, GError **error)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);
	g_autoptr(GError) local_error = NULL;
	if (!g_file_set_contents_full(path, data, (gssize)length,
		G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, &local_error)) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_FAILED, "write %s: %s", path, local_error->message);
		return FALSE;
	}
	return TRUE;
}

/* NULL without an error: there is no such file. @forbidden: mode bits that make it untrusted */
static GBytes *
ca_local_read(const char *folder, const char *name, mode_t forbidden, GError **error)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return NULL;
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "open %s: %s", path, g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > CA_FILE_MAX_BYTES) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "open %s: it is no file, or larger than %d bytes", path, CA_FILE_MAX_BYTES);
		close(fd);
		return NULL;
	}
	if (!ca_local_is_private(path, &st, forbidden, error)) {
		close(fd);
		return NULL;
	}
	char *data = g_malloc((gsize)st.st_size + 1);
	gsize done = 0;
	for (ssize_t n = 1; done < (gsize)st.st_size && n > 0; done += n > 0 ? (gsize)n : 0)
		n = read(fd, data + done, (gsize)st.st_size - done);
	close(fd);
	return g_bytes_new_take(data, done);
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
	g_autoptr(GBytes) pem = ca_local_read(folder, "ca.key", 0077, error);
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

static X509 *
ca_local_load_root(const char *folder, GError **error)
{
	g_autoptr(GBytes) pem = ca_local_read(folder, "ca.crt", 0022, error);
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
	if (!ca_local_write(folder, "ca.key", data, (gsize)length, error))
		return NULL;
	return g_steal_pointer(&key);
}

static X509 *
ca_local_create_root(const char *folder, EVP_PKEY *key, const PvValues *values, GError **error)
{
	g_autoptr(X509) root = ca_x509_new_root(key, pv_values_get_string(values, "common-name"),
	    ca_local_now(), pv_values_get_int(values, "ca-days"), error);
	if (root == NULL)
		return NULL;
	g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
	char *data = NULL;
	if (bio == NULL || PEM_write_bio_X509(bio, root) != 1) {
		ca_x509_set_error(error, "write the ca's certificate");
		return NULL;
	}
	long length = BIO_get_mem_data(bio, &data);
	if (!ca_local_write(folder, "ca.crt", data, (gsize)length, error))
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
	ca->key = ca_local_load_key(ca->path, &local_error);
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
	g_autoptr(GBytes) der = ca_local_read(ca->path, "crl.der", 0022, error);
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
	guint64 value = 0;
	return number != NULL && ASN1_INTEGER_get_uint64(&value, number) == 1 &&
	       value == ca_index_get_crl_number(ca->index) &&
	       sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)) == (int)revoked->len &&
	       ca_x509_get_time(X509_CRL_get0_nextUpdate(crl)) - ca_local_now() >
		   CA_CRL_DAYS * 86400 / 2;
}

/* Writes crl.der anew when it misses a revocation (a crash) or grows old. The number is on the disk before
 * the list is, so that no number is ever used for two lists. */
static gboolean
ca_local_refresh_crl(CaLocal *ca, GError **error)
{
	g_autoptr(GPtrArray) revoked = ca_index_get_revoked(ca->index);
	g_autoptr(GError) local_error = NULL;
	if (revoked->len == 0 || ca_local_is_crl_fresh(ca, revoked, &local_error))
		return TRUE;
	if (local_error != NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	g_autoptr(GArray) rows = g_array_new(FALSE, TRUE, sizeof(CaRevocation));
	for (guint i = 0; i < revoked->len; i++) {
		const CaRecord *record = g_ptr_array_index(revoked, i);
		CaRevocation row = { record->serial, record->revoked, record->reason };
		g_array_append_val(rows, row);
	}
	guint64 number = ca_index_get_crl_number(ca->index) + 1;
	g_autoptr(X509_CRL) crl =
	    ca_x509_new_crl(ca->root, ca->key, rows, number, ca_local_now(), CA_CRL_DAYS, error);
	unsigned char *der = NULL;
	int length = crl == NULL ? 0 : i2d_X509_CRL(crl, &der);
	if (length <= 0)
		return FALSE;
	g_autoptr(GBytes) bytes = g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	g_array_set_size(rows, 0); /* they point into records, which the next call may move */
	return ca_index_add_crl(ca->index, number, error) &&
	       ca_local_write(ca->path, "crl.der", g_bytes_get_data(bytes, NULL),
		   g_bytes_get_size(bytes), error);
}

static gboolean
ca_local_open_index(CaLocal *ca, const PvValues *values, GError **error)
{
	g_autofree char *certs = g_build_filename(ca->path, "certs", NULL);
	g_autofree char *index = g_build_filename(ca->path, "index", NULL);
	if (!ca_local_make_folder(certs, error))
		return FALSE;
	ca->index = ca_index_open(index, error);
	return ca->index != NULL && ca_local_load(ca, values, error) && ca_local_sweep(ca, error) &&
	       ca_local_refresh_crl(ca, error);
}

static gpointer
ca_local_open(const PvValues *values, GError **error)
{
	g_autoptr(CaLocal) ca = g_new0(CaLocal, 1);
	ca->lock_fd = -1;
	g_mutex_init(&ca->mutex);
	ca->path = g_strdup(pv_values_get_string(values, "path"));
	ca->days = pv_values_get_int(values, "days");
	const char *name = pv_values_get_string(values, "common-name");
	if (*name == '\0' || g_utf8_strlen(name, -1) > 64) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: 1 to 64 characters are wanted",
		    pv_values_get_where(values, "common-name"));
		return NULL;
	}
	if (!ca_local_make_folder(ca->path, error))
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
	g_autoptr(GBytes) der = ca_local_read(folder, name, 0022, NULL);
	g_autoptr(X509) certificate = der == NULL ? NULL : ca_x509_from_der(der);
	if (certificate == NULL || X509_verify(certificate, ca->key) != 1) {
		ERR_clear_error();
		g_debug("certificate %s is lost or damaged: a new one is issued", record->serial);
		return NULL;
	}
	return g_steal_pointer(&der);
}

/* File first, line second: what the index lists is there, what it does not list nobody has seen. */
static GBytes *
ca_local_issue(CaLocal *ca, const PvCertRequest *request, X509_REQ *csr, char *key, GError **error)
{
	g_autoptr(X509) leaf = ca_x509_new_leaf(ca->root, ca->key, request, csr, ca_local_now(),
	    request->days != 0 ? (gint64)request->days : ca->days, error);
	if (leaf == NULL)
		return NULL;
	g_autoptr(GBytes) der = ca_x509_to_der(leaf);
	g_autofree char *serial = ca_x509_dup_serial(leaf);
	g_autofree char *folder = g_build_filename(ca->path, "certs", NULL);
	g_autofree char *name = g_strconcat(serial, ".der", NULL);
	if (!ca_local_write(
		folder, name, g_bytes_get_data(der, NULL), g_bytes_get_size(der), error))
		return NULL;
	CaRecord record = {
		.serial = serial,
		.key = key,
		.not_before = ca_x509_get_time(X509_get0_notBefore(leaf)),
		.not_after = ca_x509_get_time(X509_get0_notAfter(leaf)),
	};
	/* the line's last word: anything but a UUID could break the line */
	const char *uuid =
	    request->uuid != NULL && g_uuid_string_is_valid(request->uuid) ? request->uuid : "-";
	if (!ca_index_add_issued(ca->index, &record, uuid, error))
		return NULL;
	return g_steal_pointer(&der);
}

static gboolean
ca_local_submit(gpointer handle, const PvCertRequest *request, GBytes *csr_der,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	CaLocal *ca = handle;
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
	reply->outcome = PV_CA_ISSUED;
	reply->certificate = ca_local_find_issued(ca, key);
	if (reply->certificate == NULL)
		reply->certificate = ca_local_issue(ca, request, csr, key, error);
	ca_local_unlock(ca);
	return reply->certificate != NULL;
}

static gboolean
ca_local_prepare(gpointer handle, const PvCertRequest *request, PvCaPreparation *preparation,
    GCancellable *cancellable, GError **error)
{
	*preparation = (PvCaPreparation) { 0 };
	return TRUE;
}

static gboolean
ca_local_poll(gpointer handle, const PvCertRequest *request, GBytes *csr_der,
    const char *cookie, const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	*reply = (PvCaReply) { 0 };
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
	    "ask the local ca again: it answers at once and keeps no request waiting");
	return FALSE;
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
	if (certificate == NULL || X509_verify(certificate, ca->key) != 1) {
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
	GBytes *der = record == NULL ? NULL : ca_local_read(folder, name, 0022, &local_error);
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

static gboolean
ca_local_check(gpointer handle, PvReport *report, GCancellable *cancellable, GError **error)
{
	CaLocal *ca = handle;
	if (!ca_local_lock(ca, cancellable, error))
		return FALSE;
	gboolean ok = ca_local_refresh_crl(ca, error);
	ca_local_unlock(ca);
	if (!ok)
		return FALSE;
	if (access(ca->path, W_OK) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "write to %s: %s", ca->path,
		    g_strerror(errno));
		return FALSE;
	}
	pv_report_add(report, PV_REPORT_OK, "folder", ca->path, "can be written");
	return TRUE;
}

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
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "ca-local", PV_VERSION, "certification authority in a folder", .cas = ca_local_cas);
