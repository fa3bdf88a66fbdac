/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A fault script: rules that let a device misbehave at chosen requests */

typedef enum {
	PV_SIM_DO_CLOSE_BEFORE, /* the request is not executed */
	PV_SIM_DO_CLOSE_AFTER, /* executed, the reply is lost */
	PV_SIM_DO_STATUS, /* not executed, this ReturnValue */
	PV_SIM_DO_FAULT, /* not executed, a SOAP fault */
	PV_SIM_DO_SLOW, /* executed, the reply comes later */
	PV_SIM_DO_RESTART, /* not executed, the network stack restarts */
} PvSimFaultAction;

typedef struct {
	char *text; /* as it was given */
	char *method; /* "Class.Method", "Class.Put" or "*" */
	guint nth; /* from 1; 0: each time */
	guint seen; /* how often it matched so far */
	PvSimFaultAction action;
	guint value; /* the status, or milliseconds */
} PvSimFault;

/* "Class.Method:N:ACTION"; free with pv_sim_fault_free() */
PvSimFault *pv_sim_fault_parse(const char *text, GError **error);
void pv_sim_fault_free(PvSimFault *fault);

GPtrArray *pv_sim_faults_new(void); /* of PvSimFault, owned */
GPtrArray *pv_sim_faults_dup(const GPtrArray *faults); /* nothing was seen yet */
/* The rule that this request meets, or NULL; counts it */
const PvSimFault *pv_sim_faults_meet(GPtrArray *faults, const char *method);

G_END_DECLS
