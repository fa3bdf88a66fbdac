/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A reference to an instance: a class and at most one selector per name */
typedef struct {
	char *class_name;
	GPtrArray *selectors; /* of PvSimValue */
} PvSimEpr;

typedef struct PvSimInstance PvSimInstance;

/* A property, parameter or selector: text, or a reference, or an embedded instance */
typedef struct {
	char *name; /* owned */
	char *text; /* NULL: one of the others */
	PvSimEpr *epr; /* NULL: no reference */
	PvSimInstance *embedded; /* NULL: no instance */
} PvSimValue;

/* An ordered list of values; an array is the same name several times */
struct PvSimInstance {
	char *class_name; /* owned */
	GPtrArray *values; /* of PvSimValue */
};

PvSimEpr *pv_sim_epr_new(const char *class_name);
PvSimEpr *pv_sim_epr_new_with(const char *class_name, const char *name, const char *text);
PvSimEpr *pv_sim_epr_dup(const PvSimEpr *epr);
void pv_sim_epr_free(PvSimEpr *epr);
void pv_sim_epr_add(PvSimEpr *epr, const char *name, const char *text);
const char *pv_sim_epr_get(const PvSimEpr *epr, const char *name); /* NULL: no such selector */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimEpr, pv_sim_epr_free)

void pv_sim_value_free(PvSimValue *value);

PvSimInstance *pv_sim_instance_new(const char *class_name);
PvSimInstance *pv_sim_instance_dup(const PvSimInstance *instance);
void pv_sim_instance_free(PvSimInstance *instance);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimInstance, pv_sim_instance_free)

const char *pv_sim_instance_get(
    const PvSimInstance *instance, const char *name); /* first text; NULL: none */
const PvSimEpr *pv_sim_instance_get_epr(const PvSimInstance *instance, const char *name);
const PvSimInstance *pv_sim_instance_get_embedded(const PvSimInstance *instance, const char *name);
gboolean pv_sim_instance_has(const PvSimInstance *instance, const char *name);
gboolean pv_sim_instance_get_bool(const PvSimInstance *instance, const char *name);
guint32 pv_sim_instance_get_uint(const PvSimInstance *instance, const char *name);
/* Decodes base64; NULL: absent or empty. g_bytes_unref() */
GBytes *pv_sim_instance_get_bytes(const PvSimInstance *instance, const char *name);

void pv_sim_instance_add(PvSimInstance *instance, const char *name, const char *text);
void pv_sim_instance_add_uint(PvSimInstance *instance, const char *name, guint32 value);
void pv_sim_instance_add_bytes(
    PvSimInstance *instance, const char *name, gconstpointer data, gsize length);
void pv_sim_instance_take_epr(PvSimInstance *instance, const char *name, PvSimEpr *epr);
void pv_sim_instance_take_embedded(
    PvSimInstance *instance, const char *name, PvSimInstance *embedded);
void pv_sim_instance_set(
    PvSimInstance *instance, const char *name, const char *text); /* NULL removes */
void pv_sim_instance_remove(PvSimInstance *instance, const char *name);
/* In ASCII order of the names, as firmware returns properties; values of an array keep theirs */
void pv_sim_instance_sort(PvSimInstance *instance);

G_END_DECLS
