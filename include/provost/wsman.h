/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* WS-Management as Intel AMT speaks it: DMTF DSP0226 (WS-Man), DSP0227 (CIM binding), Intel AMT SDK.
 * Classes are named without their URI: AMT_*, IPS_* and CIM_* find their own namespace. */

typedef struct {
	const char *name;
	const char *value;
} PvSelector; /* a list of them ends with {NULL} */

/* one selector, as in pv_wsman_get (amt, "AMT_TLSSettingData", PV_SELECT ("InstanceID", id), error) */
#define PV_SELECT(name, value) ((const PvSelector[]){ { (name), (value) }, { NULL, NULL } })

/**
 * PvEpr:
 *
 * A WS-Addressing endpoint reference: a class and the selectors of one instance of it.
 */
typedef struct PvEpr PvEpr;

PvEpr *pv_epr_new(const char *class_name, const PvSelector *selectors); /* both are copied */
PvEpr *pv_epr_dup(const PvEpr *epr);
void pv_epr_free(PvEpr *epr);
const char *pv_epr_get_class(const PvEpr *epr); /* lent; AddKey's answer names the wrong class on real firmware: trust the selector */
const char *pv_epr_get_selector(const PvEpr *epr, const char *name); /* lent; NULL: no such selector */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvEpr, pv_epr_free)

/**
 * PvInstance:
 *
 * An instance of a class, or the input or output of a method: an ordered list of properties, each of
 * them text, an endpoint reference or an embedded instance; an array is the same name several times.
 */
typedef struct PvInstance PvInstance;

PvInstance *pv_instance_new(const char *class_name);
PvInstance *pv_instance_dup(const PvInstance *instance);
void pv_instance_free(PvInstance *instance);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvInstance, pv_instance_free)

const char *pv_instance_get_class(const PvInstance *instance); /* lent: the element's local name */

/* Reading: what is returned is lent until the instance changes. */
const char *pv_instance_get(const PvInstance *instance, const char *name); /* first value as text; NULL: absent or not text */
gboolean pv_instance_get_bool(const PvInstance *instance, const char *name); /* "true" and "1"; absent: FALSE */
gint64 pv_instance_get_int(const PvInstance *instance, const char *name, gint64 fallback); /* absent or no number: fallback */
guint pv_instance_get_count(const PvInstance *instance, const char *name); /* how many values the array has */
const char *pv_instance_get_nth(const PvInstance *instance, const char *name, guint i);
const PvEpr *pv_instance_get_epr(const PvInstance *instance, const char *name);
const PvInstance *pv_instance_get_embedded(const PvInstance *instance, const char *name);

/**
 * pv_instance_dup_bytes:
 *
 * Returns: (transfer full): the decoded base64 (uint8[]) of a property, or NULL with PV_ERROR_PROTOCOL
 * when it is absent or no base64.
 */
GBytes *pv_instance_dup_bytes(const PvInstance *instance, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Writing. set replaces all values of the name where they stand, or enters it in ASCII order, as AMT itself
 * sorts properties; add appends, for method inputs keep the order of the MOF. Values are copied. */
void pv_instance_set(PvInstance *instance, const char *name, const char *value); /* NULL removes */
void pv_instance_set_array(PvInstance *instance, const char *name, const char *const *values);
void pv_instance_set_epr(PvInstance *instance, const char *name, const PvEpr *epr);
void pv_instance_add(PvInstance *instance, const char *name, const char *value);
void pv_instance_add_int(PvInstance *instance, const char *name, gint64 value);
void pv_instance_add_bytes(PvInstance *instance, const char *name, const void *data, gsize length_bytes); /* as base64 */
void pv_instance_add_epr(PvInstance *instance, const char *name, const PvEpr *epr);
void pv_instance_add_embedded(PvInstance *instance, const char *name, const PvInstance *child);

/**
 * PvWsman:
 *
 * A WS-Man session with one device: one connection, one request in flight. Used by the thread that runs
 * the job and by nobody else. Errors: PV_ERROR_UNREACHABLE (no connection, time-out), PV_ERROR_AUTH (no
 * credential fits), PV_ERROR_UNSUPPORTED (no such class: DestinationUnreachable), PV_ERROR_REJECTED (fault,
 * or a ReturnValue that will stay), PV_ERROR_PENDING (a ReturnValue or fault that passes, such as
 * PKI_GENERATING_KEYS), PV_ERROR_PROTOCOL, G_IO_ERROR_CANCELLED.
 *
 * Answers of get and enumerate are kept and shared by the stages of a job until something is written.
 */
typedef struct PvWsman PvWsman;

/**
 * pv_wsman_connect:
 *
 * Dials and makes the TLS handshake, if there is no connection yet, with a GET of "/" that carries no credentials:
 * any HTTP answer will do. Tells a refused certificate, a wrong name and a dead host apart before any SOAP is sent.
 */
gboolean pv_wsman_connect(PvWsman *wsman, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* After a connection: lower case hex SHA-256 of the device's certificate, or "psk:PID" where a pre-shared key took the
 * place of certificates; NULL: no TLS. Lent. */
const char *pv_wsman_get_fingerprint(PvWsman *wsman);
/* Whether that certificate was verified by the site's CA and the device's name, and not merely pinned. */
gboolean pv_wsman_is_verified(PvWsman *wsman);
/* Whether the device asked for our certificate, as in set-up or with mutual authentication. */
gboolean pv_wsman_is_mutual(PvWsman *wsman);
/* After an answer: the version in AMT's Server header, such as "16.1.25"; NULL: there was none. Lent. */
const char *pv_wsman_get_version(PvWsman *wsman);
/* After a login: the Digest realm, and the user name that was accepted; NULL: the device asked for none. Lent. */
const char *pv_wsman_get_realm(PvWsman *wsman);
const char *pv_wsman_get_user(PvWsman *wsman);

/**
 * pv_wsman_get:
 * @wsman: the session
 * @class_name: such as "AMT_GeneralSettings"
 * @selectors: (nullable): NULL for singletons
 *
 * Returns: (transfer full): the instance; it remembers its selectors for pv_wsman_put().
 */
PvInstance *pv_wsman_get(PvWsman *wsman, const char *class_name, const PvSelector *selectors, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_wsman_put:
 * @instance: all properties of the instance, as got and then changed
 *
 * Selects by what the instance was got with, or by its InstanceID when it came from an enumeration.
 */
gboolean pv_wsman_put(PvWsman *wsman, const PvInstance *instance, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_wsman_create:
 *
 * Returns: (transfer full): the reference of the new instance. An existing one is PV_ERROR_REJECTED with
 * "AlreadyExists" in the text.
 */
PvEpr *pv_wsman_create(PvWsman *wsman, const PvInstance *instance, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Deletes the instance that the selectors name; one that is not there is PV_ERROR_REJECTED. */
gboolean pv_wsman_delete(PvWsman *wsman, const char *class_name, const PvSelector *selectors, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_wsman_enumerate:
 *
 * Enumerates and pulls to the end, bounded in instances and bytes. Items of derived classes come with
 * their own class name.
 *
 * Returns: (transfer container): GPtrArray of PvInstance; g_ptr_array_unref().
 */
GPtrArray *pv_wsman_enumerate(PvWsman *wsman, const char *class_name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_wsman_invoke:
 * @selectors: (nullable): NULL for the methods of singletons
 * @input: (nullable): the parameters in MOF order; its class name is not used
 * @status: (out) (optional): the ReturnValue. When NULL, a ReturnValue other than 0 is an error that names
 *   it (PT_STATUS for AMT_* and IPS_*, DMTF codes for CIM_* and for RequestStateChange); otherwise judging it is the caller's.
 *
 * Methods whose name starts with Get, Enumerate or Read do not count as writes.
 *
 * Returns: (transfer full): the output parameters.
 */
PvInstance *pv_wsman_invoke(PvWsman *wsman, const char *class_name, const PvSelector *selectors,
    const char *method, const PvInstance *input, guint32 *status, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* PT_STATUS values that callers branch on (Intel AMT SDK, PT_STATUS) */
enum {
	PV_PT_STATUS_SUCCESS = 0,
	PV_PT_STATUS_INTERNAL_ERROR = 1,
	PV_PT_STATUS_NOT_PERMITTED = 16,
	PV_PT_STATUS_MAX_LIMIT_REACHED = 23,
	PV_PT_STATUS_FLASH_WRITE_LIMIT_EXCEEDED = 38,
	PV_PT_STATUS_INVALID_HANDLE = 2053,
	PV_PT_STATUS_DATA_MISSING = 2057,
	PV_PT_STATUS_DUPLICATE = 2058,
	PV_PT_STATUS_PKI_GENERATING_KEYS = 2061,
	PV_PT_STATUS_OPERATION_IN_PROGRESS = 2082,
};

/**
 * pv_pt_status_error:
 *
 * Sets @error as pv_wsman_invoke() would for @status, which is not 0: "CLASS.METHOD: NAME (number)".
 */
void pv_pt_status_error(GError **error, const char *class_name, const char *method, guint32 status);

G_END_DECLS
