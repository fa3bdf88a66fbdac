/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/db.h"
#include "core/store/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_CREDENTIAL_PREFIX "credential:"
#define KEY_HEX_CHARS (2 * PV_SEAL_KEY_BYTES)
/* hex, a line end, and one more to see that it is too long */
#define KEY_MAX_BYTES (KEY_HEX_CHARS + 3)

static gboolean
key_set_error(GError **error, const char *path, const char *text)
{
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "load key %s: %s", path, text);
	return FALSE;
}

/* systemd.exec(5), "Credentials": one file each in a folder that only the service sees */
static char *
key_find_credential(const char *name, GError **error)
{
	const char *folder = g_getenv("CREDENTIALS_DIRECTORY");
	if (folder == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "load key credential:%s: $CREDENTIALS_DIRECTORY is not set: LoadCredential= it "
		    "in the service's unit",
		    name);
		return NULL;
	}
	if (*name == '\0' || *name == '.' || strchr(name, '/') != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "load key credential:%s: not a credential's name", name);
		return NULL;
	}
	return g_build_filename(folder, name, NULL);
}

static gboolean
key_check_file(int fd, const char *path, gboolean credential, GError **error)
{
	struct stat status;
	if (fstat(fd, &status) != 0)
		return key_set_error(error, path, g_strerror(errno));
	if (!S_ISREG(status.st_mode))
		return key_set_error(error, path, "not a regular file");
	if (status.st_uid != 0 && status.st_uid != geteuid())
		return key_set_error(error, path,
		    "must belong to root or to the user that runs this");
	/* the manager lets the service's user in by an access list, which shows as the group's read bit */
	mode_t forbidden = credential ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
	if ((status.st_mode & forbidden) != 0)
		return key_set_error(error, path, "its mode lets others in: chmod 0600 it");
	return TRUE;
}

static gboolean
key_read(int fd, char *data, gsize *length, const char *path, GError **error)
{
	*length = 0;
	while (*length < KEY_MAX_BYTES) {
		ssize_t got = read(fd, data + *length, KEY_MAX_BYTES - *length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return key_set_error(error, path, g_strerror(errno));
		if (got == 0)
			break;
		*length += (gsize)got;
	}
	return TRUE;
}

static PvSecret *
key_parse(const char *data, gsize length, const char *path, GError **error)
{
	if (length == PV_SEAL_KEY_BYTES)
		return pv_secret_new(data, PV_SEAL_KEY_BYTES);

	gsize hex_length = length;
	if (hex_length > KEY_HEX_CHARS && data[hex_length - 1] == '\n')
		hex_length--;
	if (hex_length > KEY_HEX_CHARS && data[hex_length - 1] == '\r')
		hex_length--;
	gboolean good = hex_length == KEY_HEX_CHARS;
	guint8 key[PV_SEAL_KEY_BYTES] = { 0 };
	for (gsize i = 0; good && i < PV_SEAL_KEY_BYTES; i++) {
		int high = g_ascii_xdigit_value(data[2 * i]);
		int low = g_ascii_xdigit_value(data[2 * i + 1]);
		good = high >= 0 && low >= 0;
		key[i] = (guint8)(good ? high << 4 | low : 0);
	}
	PvSecret *secret = good ? pv_secret_new(key, sizeof key) : NULL;
	OPENSSL_cleanse(key, sizeof key);
	if (secret == NULL)
		(void)key_set_error(error, path, "holds neither 32 bytes nor 64 hex digits");
	return secret;
}

PvSecret *
pv_key_load(const char *path, GError **error)
{
	gboolean credential = g_str_has_prefix(path, KEY_CREDENTIAL_PREFIX);
	g_autofree char *file = credential
	    ? key_find_credential(path + strlen(KEY_CREDENTIAL_PREFIX), error)
	    : g_strdup(path);
	if (file == NULL)
		return NULL;

	/* NONBLOCK: a FIFO put there must not hang us before it is refused */
	int fd = g_open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
	if (fd < 0) {
		(void)key_set_error(error, path, g_strerror(errno));
		return NULL;
	}
	char data[KEY_MAX_BYTES];
	gsize length = 0;
	PvSecret *secret = NULL;
	if (key_check_file(fd, path, credential, error) &&
	    key_read(fd, data, &length, path, error))
		secret = key_parse(data, length, path, error);
	OPENSSL_cleanse(data, sizeof data);
	close(fd);
	return secret;
}

static gboolean
key_write(int fd, const char *data, gsize length)
{
	while (length > 0) {
		ssize_t done = write(fd, data, length);
		if (done < 0 && errno != EINTR)
			return FALSE;
		if (done > 0) {
			data += done;
			length -= (gsize)done;
		}
	}
	return fsync(fd) == 0;
}

/* without this a power cut can take the new file's name away */
static gboolean
key_sync_folder(const char *path)
{
	g_autofree char *folder = g_path_get_dirname(path);
	int fd = g_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return FALSE;
	gboolean good = fsync(fd) == 0;
	int number = errno;
	close(fd);
	errno = number;
	return good;
}

gboolean
pv_key_create(const char *path, GError **error)
{
	guint8 key[PV_SEAL_KEY_BYTES];
	if (RAND_priv_bytes(key, sizeof key) != 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "create key %s: no random bytes", path);
		return FALSE;
	}
	char text[KEY_HEX_CHARS + 2];
	for (gsize i = 0; i < sizeof key; i++)
		g_snprintf(text + 2 * i, 3, "%02x", key[i]);
	memcpy(text + KEY_HEX_CHARS, "\n", 2);
	OPENSSL_cleanse(key, sizeof key);

	int fd = g_open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	gboolean good = fd >= 0 && key_write(fd, text, KEY_HEX_CHARS + 1);
	int number = errno;
	OPENSSL_cleanse(text, sizeof text);
	if (fd >= 0)
		good = close(fd) == 0 && good;
	if (good && !key_sync_folder(path)) {
		number = errno;
		good = FALSE;
	}
	if (good)
		return TRUE;
	if (fd >= 0)
		(void)g_unlink(path); /* the first error is told */
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "create key %s: %s", path,
	    number == EEXIST ? "there is a file already" : g_strerror(number));
	return FALSE;
}
