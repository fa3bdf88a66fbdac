/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void
fuzz_check_error(gboolean succeeded, const GError *error)
{
	if (succeeded != (error == NULL))
		g_error("%s", error != NULL ? "success with an error" : "failure without an error");
	if (error == NULL)
		return;
	if (!g_utf8_validate(error->message, -1, NULL))
		g_error("the error text is no UTF-8");
	for (const char *at = error->message; *at != '\0'; at++)
		if (g_ascii_iscntrl(*at))
			g_error("control character %02x in: %s", (guint)*at, error->message);
}

void
fuzz_file_init(FuzzFile *file, const guint8 *data, gsize length)
{
	file->fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (file->fd < 0 || fchmod(file->fd, 0600) != 0 ||
	    write(file->fd, data, length) != (gssize)length)
		g_error("no file in memory");
	file->path = g_strdup_printf("/proc/self/fd/%d", file->fd);
}

void
fuzz_file_clear(FuzzFile *file)
{
	close(file->fd);
	g_free(file->path);
}
