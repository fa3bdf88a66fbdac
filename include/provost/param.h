/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/secret.h>

G_BEGIN_DECLS

/**
 * PvParamKind:
 *
 * What the JSON of a parameter must be. Secrets are references and never literals:
 * {"secret": NAME} in the sealed store, {"file": PATH}, {"credential": NAME} of systemd.
 */
typedef enum {
	PV_PARAM_STRING,
	PV_PARAM_CHOICE,  /* a string out of PvParam.choices */
	PV_PARAM_INT,     /* a whole number within PvParam.minimum and .maximum, where the latter is not 0 */
	PV_PARAM_BOOL,
	PV_PARAM_LIST,    /* an array of strings */
	PV_PARAM_SECRET,  /* a reference to a secret */
	PV_PARAM_OBJECTS, /* an array of objects, each parsed by PvParam.fields */
	PV_PARAM_OBJECT,  /* one object, parsed by PvParam.fields */
	PV_PARAM_PATH,    /* a string that names a file; a relative one starts at the folder of the JSON file, a "pkcs11:" URI stays */
} PvParamKind;

typedef struct PvParam PvParam;

/**
 * PvParam:
 *
 * One row of a parameter table; a table ends with {NULL}. The core parses the JSON by it, refuses
 * whatever is not in it, and prints it in "provost plugin show".
 */
struct PvParam {
	const char *name;       /* the JSON member: lower case words, joined by '-' */
	PvParamKind kind;
	const char *fallback;   /* JSON text of the default; NULL: the parameter is required; "null": optional, absent */
	const char *summary;    /* one line for people */
	const char *unit;       /* "s", "h", "characters"; NULL: none */
	const char *choices;    /* CHOICE: "one|other" */
	const PvParam *fields;  /* OBJECTS, OBJECT: the table of each object */
	gint64 minimum;         /* INT */
	gint64 maximum;         /* INT; 0: no bounds */
	const char *refers;     /* STRING, LIST: what of the directory it names: "ou", "group" (the account joins it), "name" (its SID is looked up); NULL: nothing */
};

/**
 * PvValues:
 *
 * Parameters as parsed and checked by a table of PvParam: every one of the table is there, as given or as
 * its default. Immutable. The accessors abort on a name or kind the table does not have, for that is a
 * mistake of the plugin; what they return is lent as long as the PvValues lives.
 */
typedef struct PvValues PvValues;

gboolean pv_values_has(const PvValues *values, const char *name); /* FALSE: optional and absent */
const char *pv_values_get_string(const PvValues *values, const char *name); /* STRING, CHOICE, PATH (absolute); NULL: absent */
gint64 pv_values_get_int(const PvValues *values, const char *name); /* INT, in the unit of its table */
gboolean pv_values_get_bool(const PvValues *values, const char *name); /* BOOL */
const char *const *pv_values_get_list(const PvValues *values, const char *name); /* never NULL */
guint pv_values_get_count(const PvValues *values, const char *name); /* OBJECTS */
const PvValues *pv_values_get_object(const PvValues *values, const char *name, guint i); /* OBJECTS; OBJECT with i 0; NULL: absent */

/**
 * pv_values_get_where:
 *
 * Returns: "FILE:LINE: $.path.to.member" of a parameter, for error texts; lent.
 */
const char *pv_values_get_where(const PvValues *values, const char *name);

/**
 * pv_values_dup_secret:
 * @values: the parameters
 * @name: one of kind SECRET
 *
 * Resolves the reference now, so that a changed file counts from the next use on. {"secret": NAME}
 * can be resolved only for values that belong to an open site.
 *
 * Returns: (transfer full): the secret, or NULL with PV_ERROR_CONFIG that names the reference. Any thread.
 */
PvSecret *pv_values_dup_secret(const PvValues *values, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
