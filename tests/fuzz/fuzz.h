/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What fuzz targets share. A target is X-fuzz.c beside X.c; its seeds, and the inputs that once broke it, are in
 * tests/fuzz/corpus/X. */

/* What libFuzzer, or tests/fuzz/driver.c, calls with each input. Returns 0. */
int LLVMFuzzerTestOneInput(const guint8 *data, gsize length);

/* A failure has an error and success has none; and its text, which may quote the input, is one printable line. */
void fuzz_check_error(gboolean succeeded, const GError *error);

/* A file in memory that only this user may write, for readers that take a path. */
typedef struct {
	int fd;
	char *path;
} FuzzFile;

void fuzz_file_init(FuzzFile *file, const guint8 *data, gsize length);
void fuzz_file_clear(FuzzFile *file);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FuzzFile, fuzz_file_clear)

G_END_DECLS
