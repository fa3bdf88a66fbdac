/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <provost/param.h>

G_BEGIN_DECLS

/* A JSON file that knows where each value stands. Immutable once loaded, reference-counted. Strict: no
 * comments, no trailing commas, no duplicate members, UTF-8, at most 1 MiB and 32 levels. */
typedef struct PvJson PvJson;

PvJson *pv_json_load(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
PvJson *pv_json_parse(
    const char *name, const char *text, gssize length, GError **error) G_GNUC_WARN_UNUSED_RESULT;
PvJson *pv_json_ref(PvJson *json);
void pv_json_unref(PvJson *json);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvJson, pv_json_unref)

JsonNode *pv_json_get_root(PvJson *json); /* lent */
const char *pv_json_get_name(PvJson *json); /* the file's name */
/* 1-based line of the value at a path such as "$.stages[3].ou"; the nearest ancestor's when the path is not there */
guint pv_json_get_line(PvJson *json, const char *path);
/* the value at a path; NULL: there is none. Lent */
JsonNode *pv_json_find(PvJson *json, const char *path);
/* PATH.name, or PATH["na me"] for names that need it; a long name is cut, and then finds nothing. (transfer full) */
char *pv_json_dup_member_path(const char *path, const char *name);
/* @file as seen from the folder of @json. (transfer full) */
char *pv_json_dup_file(PvJson *json, const char *file);
/* @text for an error text: one line, printable, cut to 64 bytes. (transfer full) */
char *pv_json_dup_shown(const char *text);
/* the nearest of two lists of names (each may be NULL, ends with NULL) when it is near enough to be what was meant; lent */
const char *pv_json_find_nearest(const char *word, const char *const *names, const char *const *others);
/* sets PV_ERROR_CONFIG "FILE:LINE: PATH: message" */
void pv_json_set_error(PvJson *json, const char *path, GError **error, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* Resolves {"secret": NAME} from the site's sealed store; set by the engine before any value is used. */
typedef PvSecret *(*PvSecretFind)(gpointer data, const char *name, GError **error);

/**
 * pv_values_parse:
 * @path: JSON path of the object within @json
 * @params: the table; NULL: no member is allowed
 * @ignore: (nullable): members that the caller reads itself, such as "stage" and "when"; ends with NULL
 *
 * Unknown members (with the nearest known name), wrong types, missing and out-of-range ones are
 * PV_ERROR_CONFIG with file, line and path. Free with pv_values_unref().
 */
PvValues *pv_values_parse(PvJson *json, const char *path, const PvParam *params,
    const char *const *ignore, GError **error) G_GNUC_WARN_UNUSED_RESULT;
PvValues *pv_values_ref(PvValues *values);
void pv_values_unref(PvValues *values);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvValues, pv_values_unref)
/* for {"secret": NAME}, in these values and those of their objects; before they are shared between threads */
void pv_values_set_secret_find(PvValues *values, PvSecretFind find, gpointer data);

/* The strings that parameters with that PvParam.refers hold, those of objects included. (transfer container) of lent char* */
GPtrArray *pv_values_list_referred(const PvValues *values, const char *refers);

/* Checks a parameter table: fallbacks parse as their kind, names unique. For the loader. */
gboolean pv_params_check(const PvParam *params, const char *owner, GError **error);

G_END_DECLS
