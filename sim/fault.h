/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* A fault script: rules that let a device misbehave at chosen requests. A rule is a JSON object; the switch
 * "fault=CALL:AT:ACTION[:VALUE]" is a short form of the same. */

typedef enum {
	PV_SIM_DO_CLOSE_BEFORE, /* the request is not executed */
	PV_SIM_DO_CLOSE_AFTER, /* executed, the reply is lost */
	PV_SIM_DO_SLOW, /* executed, the reply comes later: msec */
	PV_SIM_DO_TRICKLE, /* executed, the reply comes in pieces: bytes, msec */
	PV_SIM_DO_STALE_NONCE, /* not executed, 401 with a new nonce: stale */
	PV_SIM_DO_STATUS, /* not executed, this ReturnValue: value */
	PV_SIM_DO_FAULT, /* not executed, a SOAP fault: subcode */
	PV_SIM_DO_RESTART, /* the network stack restarts: executed */
	PV_SIM_DO_POWER_LOSS, /* the device starts anew, and forgets what is not in flash: msec, executed */
	PV_SIM_DO_OFF, /* not reachable, and forgets nothing: msec, executed */
	PV_SIM_DO_RESET, /* not executed, back to the factory's state: state */
	PV_SIM_DO_WRONG_OTP, /* executed while the device has another one-time password */
	PV_SIM_DO_CLOCK_JUMP, /* then executed: sec */
	PV_SIM_DO_LEFTOVERS, /* another product's state appears, then executed */
	PV_SIM_DO_MALFORMED, /* executed, the reply is no XML */
	PV_SIM_DO_TRUNCATED, /* executed, the reply ends early: bytes */
	PV_SIM_DO_HUGE, /* executed, the reply is filled up: bytes */
	PV_SIM_DO_WRONG_RELATES_TO, /* executed, the reply belongs to another request */
	PV_SIM_DO_WRONG_LENGTH, /* executed, Content-Length says more than there is: bytes */
	PV_SIM_DO_NO_LENGTH, /* executed, the reply ends with the connection */
} PvSimFaultAction;

typedef struct {
	char *text; /* "CALL:AT:ACTION[:VALUE]", for logs and dumps */
	char *device; /* whom it is for; NULL: any */
	char *call; /* "Class.Method", "Class.Put" or "*" */
	gboolean writes; /* it meets requests that change something only */
	guint first, last; /* which of the requests that fit, from 1; last: 0: without end; first: 0: at the start */
	guint seen; /* how many requests did fit so far */
	guint fired; /* how often the rule was applied */
	PvSimFaultAction action;
	gint64 value; /* ReturnValue */
	gint64 subcode; /* PvSimFaultCode */
	gint64 msec, sec, bytes;
	gint64 stale, executed; /* booleans */
	gint64 state; /* PvSimState */
} PvSimFault;

/* Where rules come from, for messages */
typedef struct {
	const char *file;
	const char *text; /* all of it */
	gboolean devices; /* a rule may name its device */
} PvSimFaultSource;

/* The short form; free with pv_sim_fault_free() */
PvSimFault *pv_sim_fault_parse(const char *text, GError **error);
void pv_sim_fault_free(PvSimFault *fault);
/* The actions with their parameters, a line each; g_free() */
char *pv_sim_fault_describe(void);

GPtrArray *pv_sim_faults_new(void); /* of PvSimFault, owned */
/* Appends copies of those that are for this device; nothing was seen yet */
void pv_sim_faults_add(GPtrArray *faults, const GPtrArray *from, const char *device);
/* Appends the rules of a JSON array, which stands at @path of its source. FALSE: one is wrong: file, line, path. */
gboolean pv_sim_faults_read(GPtrArray *faults, JsonNode *list, const PvSimFaultSource *source,
    const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* As pv_sim_faults_read(), for a file that is an array of rules */
gboolean pv_sim_faults_read_text(GPtrArray *faults, const PvSimFaultSource *source,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The rule that this request meets, or NULL; counts it */
const PvSimFault *pv_sim_faults_meet(GPtrArray *faults, const char *method, gboolean writes);

G_END_DECLS
