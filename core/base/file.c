/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/file.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <provost/error.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean
file_fail(const char *path, const char *step, GError **error)
{
	g_set_error(
	    error, PV_ERROR, PV_ERROR_FAILED, "write %s: %s: %s", path, step, g_strerror(errno));
	return FALSE;
}

static gboolean
file_write_all(int fd, const char *data, gsize length)
{
	while (length > 0) {
		ssize_t done = write(fd, data, length);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return FALSE;
		data += done;
		length -= (gsize)done;
	}
	return TRUE;
}

/* Writes, syncs and closes @fd. */
static gboolean
file_fill(int fd, const char *path, const void *data, gsize length, guint mode, GError **error)
{
	const char *failed = !file_write_all(fd, data, length) ? "write"
			     : fchmod(fd, (mode_t)mode) != 0   ? "set mode"
			     : fsync(fd) != 0		       ? "sync"
							       : NULL;
	if (failed != NULL) {
		(void)file_fail(path, failed, error);
		close(fd);
		return FALSE;
	}
	/* close can report what a network file system held back */
	return close(fd) == 0 || file_fail(path, "close", error);
}

static gboolean
file_sync_folder(const char *path, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(path);
	int fd = g_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	gboolean good = fd >= 0 && fsync(fd) == 0;
	if (!good)
		(void)file_fail(path, "sync its folder", error);
	if (fd >= 0)
		close(fd);
	return good;
}

gboolean
pv_file_replace(const char *path, const void *data, gssize length, guint mode, GError **error)
{
	g_return_val_if_fail(path != NULL && (data != NULL || length == 0), FALSE);

	g_autofree char *folder = g_path_get_dirname(path);
	g_autofree char *base = g_path_get_basename(path);
	g_autofree char *hidden = g_strdup_printf(".%s.XXXXXX", base);
	g_autofree char *temporary = g_build_filename(folder, hidden, NULL);
	int fd = g_mkstemp_full(temporary, O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return file_fail(path, "make a file beside it", error);
	gboolean good =
	    file_fill(fd, path, data, length < 0 ? strlen(data) : (gsize)length, mode, error) &&
	    (g_rename(temporary, path) == 0 || file_fail(path, "rename", error));
	if (!good) {
		(void)g_unlink(temporary); /* the error that is told is the first one */
		return FALSE;
	}
	return file_sync_folder(path, error);
}
