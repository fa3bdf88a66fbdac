/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ca-folder.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <provost/error.h>
#include <sys/stat.h>
#include <unistd.h>

#define CA_FILE_MAX_BYTES \
	(8 * 1024 * 1024) /* a revocation list of a hundred thousand entries has 4 MB */
#define CA_FOLDER_MODE 0700

/* Whoever may write to the folder or read the key is the CA: only root and this user may. */
static gboolean
ca_folder_is_private(const char *path, const struct stat *st, mode_t forbidden, GError **error)
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

gboolean
ca_folder_make(const char *path, GError **error)
{
	struct stat st;
	if (g_mkdir_with_parents(path, CA_FOLDER_MODE) != 0 || stat(path, &st) != 0 ||
	    !S_ISDIR(st.st_mode)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "make folder %s: %s", path,
		    g_strerror(errno));
		return FALSE;
	}
	return ca_folder_is_private(path, &st, 0022, error);
}

gboolean
ca_folder_write(
    const char *folder, const char *name, const void *data, gsize length, GError **error)
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

GBytes *
ca_folder_read(const char *folder, const char *name, mode_t forbidden, GError **error)
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
	if (!ca_folder_is_private(path, &st, forbidden, error)) {
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
