/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* One row of a table of options; the table ends with {NULL}. Help, completion and parser read the same rows. */
typedef struct {
	const char *name;     /* without the dashes */
	char letter;          /* of the short form; 0: none */
	const char *value;    /* what stands for the value in help, such as "FILE", "GROUP"; it also says
	                         how to complete it; NULL: a flag */
	const char *summary;  /* N_() */
} PvOption;

/* What stood on a command line. */
typedef struct {
	GHashTable *options;  /* const char* of PvOption.name -> char*, owned; flags have "" */
	GPtrArray *words;     /* char*, owned; NULL-terminated by pv_options_parse() */
} PvOptions;

PvOptions *pv_options_new(void);
void pv_options_free(PvOptions *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvOptions, pv_options_free)

/**
 * pv_options_parse:
 * @tables: tables that apply; ends with NULL
 * @arguments: what is left of argv; ends with NULL
 * @stop_at_word: leave at the first word that is no option
 *
 * Takes "--name value", "--name=value", "-x value", "-xVALUE", flags "-x"; "--" ends options. Adds to what
 * @options holds already. Errors (G_OPTION_ERROR) never repeat a value, for it may be a secret in the wrong place.
 *
 * Returns: how many arguments were used, or -1.
 */
int pv_options_parse(PvOptions *options, const PvOption *const *tables, const char *const *arguments, gboolean stop_at_word, GError **error);

const PvOption *pv_options_find(const PvOption *const *tables, const char *name, gsize length);

G_END_DECLS
