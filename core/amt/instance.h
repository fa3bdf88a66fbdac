/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/wsman.h>

G_BEGIN_DECLS

/* What the SOAP reader and writer see of the public types. */

/* One value of one property: exactly one of text, epr and embedded is set. */
typedef struct {
	char *name;
	char *text;
	gboolean is_datetime; /* text stood in the Datetime element of DMTF DSP0230 and goes back into one */
	PvEpr *epr;
	PvInstance *embedded;
} PvProperty;

/* A selector of an EPR: its value is text or, in associations, an EPR itself. */
typedef struct {
	char *name;
	char *value; /* NULL: epr */
	PvEpr *epr;
} PvEprSelector;

guint pv_instance_get_length(const PvInstance *instance);
const PvProperty *pv_instance_get_property(const PvInstance *instance, guint i); /* lent */

/* Appends a property and takes over what is given; the reader's way to fill an instance without copies. */
void pv_instance_take(PvInstance *instance, PvProperty property);

/* What the instance was got with. NULL: it was not got but enumerated or made. Ends with {NULL}; empty: a singleton. */
void pv_instance_set_selectors(PvInstance *instance, const PvSelector *selectors);
const PvSelector *pv_instance_get_selectors(const PvInstance *instance); /* lent */

guint pv_epr_get_length(const PvEpr *epr);
const PvEprSelector *pv_epr_get_nth(const PvEpr *epr, guint i); /* lent */
void pv_epr_take(PvEpr *epr, PvEprSelector selector);

G_END_DECLS
