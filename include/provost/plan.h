/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/wsman.h>

G_BEGIN_DECLS

typedef struct PvJob PvJob;

/**
 * PvChange:
 *
 * One row of a plan. No value is ever a secret: write "(secret)" or "(new)".
 */
typedef struct {
	const char *object;   /* "AMT_GeneralSettings", "ACL entry EXAMPLE\\Help Desk" */
	const char *property; /* "HostName"; "" for the object as a whole */
	const char *from;     /* "" when there is none */
	const char *to;       /* "" when it goes away */
} PvChange;

/**
 * PvPlan:
 *
 * The changes that a stage would make, in the order it would make them.
 */
typedef struct PvPlan PvPlan;

/* Adds a row as it is; strings are copied, NULL counts as "". */
void pv_plan_add(PvPlan *plan, const char *object, const char *property, const char *from, const char *to);

/**
 * pv_plan_property:
 * @instance: as read from the device; copied
 * @wanted: (nullable): the value that the property should have; NULL: none
 *
 * Adds a row when the property differs, and remembers the changed instance for pv_plan_put(). Calls for
 * the same instance add up. "true" and "1" are the same, and so are "false" and "0".
 */
void pv_plan_property(PvPlan *plan, const PvInstance *instance, const char *name, const char *wanted);

/* The same for an array; order counts. */
void pv_plan_property_array(PvPlan *plan, const PvInstance *instance, const char *name, const char *const *wanted);

guint pv_plan_get_length(const PvPlan *plan); /* rows; 0: already right */
const PvChange *pv_plan_get(const PvPlan *plan, guint i); /* lent */

/* Whether a row names the object, and the property unless that is NULL. */
gboolean pv_plan_has(const PvPlan *plan, const char *object, const char *property);

/**
 * pv_plan_put:
 *
 * Writes what pv_plan_property() found, one Put for each changed instance. Properties that firmware does
 * not take back (NonSecureConnectionsSupported; an empty TrustedCN) are left out.
 */
gboolean pv_plan_put(const PvPlan *plan, PvJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
