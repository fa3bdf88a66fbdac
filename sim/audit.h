/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* What firmware writes down by itself: the audit log as AMT_AuditLog.ReadRecords returns it (amt/04 section 9), and of
 * the event log the entry about failed logins (amt/01 section 3). */

#define PV_SIM_AUDIT_PAGE 10 /* records that ReadRecords returns at most */

typedef enum { PV_SIM_AUDIT_DIGEST, PV_SIM_AUDIT_KERBEROS, PV_SIM_AUDIT_LOCAL } PvSimAuditInitiator;

/* What is known of a request before it is executed */
typedef struct {
	int row; /* -1: it is not audited */
	PvSimState state;
	char *host;
} PvSimAuditMark;

/* FALSE: the request would have to be audited, but the log is full and locked: PT_STATUS 2075. Ends with
 * pv_sim_audit_end(), also then. */
gboolean pv_sim_audit_begin(PvSimDevice *device, const char *method, PvSimAuditMark *mark);
/* @user: NULL: set-up without a login */
void pv_sim_audit_end(PvSimDevice *device, PvSimAuditMark *mark, const PvSimUser *user, gboolean done);

void pv_sim_audit_started(PvSimDevice *device); /* set-up, by the computer itself */
void pv_sim_audit_refused(
    PvSimDevice *device, const char *user); /* a login with a wrong password */
/* The event log: so many logins in a row failed */
void pv_sim_audit_attack(PvSimDevice *device, guint failures);

guint pv_sim_audit_count(const PvSimDevice *device);
GBytes *pv_sim_audit_get(const PvSimDevice *device, guint i); /* lent; 0 is the oldest */
void pv_sim_dump_logs(JsonBuilder *builder, const PvSimDevice *device);

G_END_DECLS
