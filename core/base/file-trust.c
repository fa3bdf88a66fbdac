/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <provost/file.h>

#include <errno.h>
#include <fcntl.h>
#include <provost/error.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether only root and this process's user can change the file, or what is in the folder. */
static gboolean
file_trust_check_writers(const struct stat *status, const char *path, GError **error)
{
	if (status->st_uid != 0 && status->st_uid != geteuid()) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "not trusted: %s belongs to user %u, not to root or user %u", path,
		    (guint)status->st_uid, (guint)geteuid());
		return FALSE;
	}
	/* in a sticky folder of root's others add names, but cannot replace those of ours: /tmp */
	gboolean sticky =
	    S_ISDIR(status->st_mode) && status->st_uid == 0 && (status->st_mode & S_ISVTX) != 0;
	if ((status->st_mode & (S_IWGRP | S_IWOTH)) == 0 || sticky)
		return TRUE;
	if ((status->st_mode & S_IWOTH) != 0)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "not trusted: everybody may write %s: chmod go-w it", path);
	else
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "not trusted: group %u may write %s: chmod go-w it", (guint)status->st_gid,
		    path);
	return FALSE;
}

/* Opens the next part of the path, and checks what was opened. -1: error is set. */
static int
file_trust_open_part(int folder, const char *name, gboolean last, const char *path, GError **error)
{
	struct stat status;
	/* the path has no links: one that appears now was put there behind our back */
	int flags = last ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_PATH | O_DIRECTORY;
	int fd = openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s", path, g_strerror(errno));
	} else if (last && !S_ISREG(status.st_mode)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: not a regular file", path);
	} else if (file_trust_check_writers(&status, path, error)) {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/**
 * Walks from "/" down to the file, each part opened in the one before and checked there. Once a folder is found to be
 * writable by nobody else, the name below it is fixed, and so is, at the end, what dlopen() or execve() will find at
 * the path.
 * (Handing dlopen() the descriptor as /proc/self/fd/N would add nothing to that, hide the file's name from debuggers
 * and sanitizers, and give the wrong module when a number is used again, for glibc compares names first.)
 */
static gboolean
file_trust_check(const char *file, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(file + 1, "/", -1);
	g_autoptr(GString) path = g_string_new("/");
	int fd = file_trust_open_part(AT_FDCWD, "/", FALSE, path->str, error);
	for (guint i = 0; fd >= 0 && parts[i] != NULL; i++) {
		if (i > 0)
			g_string_append_c(path, '/');
		g_string_append(path, parts[i]);
		int next =
		    file_trust_open_part(fd, parts[i], parts[i + 1] == NULL, path->str, error);
		close(fd);
		fd = next;
	}
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

char *
pv_file_resolve_trusted(const char *path, GError **error)
{
	g_return_val_if_fail(path != NULL, NULL);

	char *resolved = realpath(path, NULL);
	if (resolved == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s", path, g_strerror(errno));
		return NULL;
	}
	/* of the allocator that everybody here frees with */
	g_autofree char *copy = g_strdup(resolved);
	free(resolved);
	return file_trust_check(copy, error) ? g_steal_pointer(&copy) : NULL;
}
