/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"
#include "sim/soap.h"

G_BEGIN_DECLS

/* A class is a table: its properties with their factory values, its methods with their parameters in MOF order,
 * and functions only where a class does more than keep what is written. */

typedef enum {
	PV_SIM_TEXT,
	PV_SIM_BOOLEAN,
	PV_SIM_UINT,
	PV_SIM_BASE64,
	PV_SIM_REFERENCE,
	PV_SIM_EMBEDDED /* an instance of the class that fallback names */
} PvSimKind;

enum {
	PV_SIM_REQUIRED = 1 << 0, /* in a Put, or an input */
	PV_SIM_READ_ONLY = 1 << 1, /* ignored in a Put */
	PV_SIM_WRITE_ONLY = 1 << 2, /* not returned by Get */
	PV_SIM_ARRAY = 1 << 3, /* may come several times */
	PV_SIM_NO_PUT = 1 << 4, /* refused in a Put */
	PV_SIM_MAY_BE_EMPTY = 1 << 5, /* a reference to nothing: the method says what is wrong with it */
};

typedef struct {
	const char *name;
	PvSimKind kind;
	guint flags;
	const char *fallback; /* factory value; NULL: absent */
	guint max; /* characters, or the highest number; 0: no limit */
	guint since; /* PvSimPersonality version; 0: always */
	guint until; /* the first version without it; 0: it never went away */
} PvSimProperty;

typedef struct PvSimClass PvSimClass;

/* One request on its way through a class */
typedef struct {
	PvSimDevice *device;
	const PvSimClass *class;
	const PvSimInstance *input; /* of a method, or the instance of a Put or Create */
	PvSimInstance *output; /* out parameters, in order; ReturnValue is added */
	const GPtrArray *selectors; /* of PvSimValue: the request's */
	PvSimEpr *created; /* Create: the new instance */
	PvSimRefusal refusal; /* code other than NONE: the answer is a fault */
	gboolean encrypted; /* came over TLS */
	gboolean administrator; /* the user may do everything, not only what a realm allows */
	gboolean restart; /* the network stack restarts after the answer */
	gboolean unprovisioned; /* ... and then the device is in PRE */
	guint hang_msec; /* no answer, and the device is away for so long; 0: it answers */
} PvSimCall;

typedef struct {
	const char *name;
	const PvSimProperty *parameters; /* NULL: none; ends with {NULL} */
	guint32 (*run)(PvSimCall *call);
	gboolean writes;
	guint since;
	guint until;
} PvSimMethod;

struct PvSimClass {
	const char *name;
	gboolean common; /* its answers declare the CIM common namespace */
	gboolean common_output; /* ... those of its methods, too */
	const PvSimProperty *properties; /* ends with {NULL} */
	const PvSimMethod *methods; /* NULL: none; ends with {NULL} */
	const char *key; /* selector that names an instance; NULL: a singleton, found without */
	gboolean (*exists)(const PvSimDevice *device); /* NULL: always */
	void (*list)(const PvSimDevice *device,
	    GPtrArray *instances); /* NULL: the bags, or one with the factory values */
	void (*put)(PvSimCall *call, const char *id); /* NULL: no Put; id: NULL for a singleton */
	void (*create)(PvSimCall *call); /* NULL: no Create */
	void (*remove)(PvSimCall *call, const char *id); /* NULL: no Delete */
	guint realm; /* that a user needs besides administration; 0: administration only */
	gboolean readable; /* any user may read */
	guint since; /* as of a property */
	guint until;
};

/* Does this generation have what is @since and @until? */
gboolean pv_sim_class_is_there(const PvSimDevice *device, guint since, guint until);
const PvSimClass *pv_sim_class_find(
    const PvSimDevice *device, const char *name); /* NULL: not on this device */
/* Every class that some device has; NULL: no more */
const PvSimClass *pv_sim_class_nth(guint index);
/* All instances of a class as Get and Pull show them; g_ptr_array_unref() */
GPtrArray *pv_sim_class_instances(const PvSimClass *class, const PvSimDevice *device);
const PvSimMethod *pv_sim_class_find_method(
    const PvSimClass *class, const PvSimDevice *device, const char *name);
const PvSimProperty *pv_sim_class_find_property(const PvSimClass *class, const char *name);
/* What is required is there, and every value is of its type: holds also where the firmware is not strict.
 * FALSE: refused. */
gboolean pv_sim_class_check_types(const char *where, const PvSimProperty *rows,
    const PvSimInstance *input, PvSimRefusal *refusal);
/* Checks all of the input of a method or a Put against the table, order included. FALSE: refused. */
gboolean pv_sim_class_check_parameters(
    const PvSimMethod *method, const PvSimInstance *input, PvSimRefusal *refusal);
gboolean pv_sim_class_check_properties(const PvSimClass *class, const PvSimDevice *device,
    const PvSimInstance *input, PvSimRefusal *refusal);
/* What was written to the instances of a class with a key */
void pv_sim_class_list_bags(
    const PvSimClass *class, const PvSimDevice *device, GPtrArray *instances);
/* The factory values with what was written over them; @bag: NULL: what was written to the singleton */
PvSimInstance *pv_sim_class_make_instance(
    const PvSimClass *class, const PvSimDevice *device, const PvSimInstance *bag);
/* Put of a class that only keeps what is written */
void pv_sim_class_put_bag(PvSimCall *call, const char *id);
void pv_sim_call_refuse(PvSimCall *call, PvSimFaultCode code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* "... Handle: 7" -> 7; -1: no such form */
int pv_sim_class_handle(const char *prefix, const char *instance_id);

/* The properties that every service of AMT has (amt/04) */
#define PV_SIM_SERVICE(class_name, element, service) \
	{ "CreationClassName", PV_SIM_TEXT, PV_SIM_READ_ONLY, class_name }, \
	    { "ElementName", PV_SIM_TEXT, PV_SIM_READ_ONLY, element }, \
	    { "EnabledState", PV_SIM_UINT, PV_SIM_READ_ONLY, "5" }, \
	    { "Name", PV_SIM_TEXT, PV_SIM_READ_ONLY, service }, \
	    { "RequestedState", PV_SIM_UINT, PV_SIM_READ_ONLY, "12" }, \
	    { "SystemCreationClassName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "CIM_ComputerSystem" }, \
	{ \
		"SystemName", PV_SIM_TEXT, PV_SIM_READ_ONLY, "Intel(r) AMT" \
	}

/* The properties of CIM_IEEE8021xSettings (amt/08 section 1) */
#define PV_SIM_8021X_PROPERTIES \
	{ "AuthenticationProtocol", PV_SIM_UINT, 0, NULL, 10 }, \
	    { "Domain", PV_SIM_TEXT, 0, NULL, 128 }, \
	    { "PACPassword", PV_SIM_TEXT, PV_SIM_WRITE_ONLY, NULL, 256 }, \
	    { "PSK", PV_SIM_TEXT, PV_SIM_WRITE_ONLY, NULL, 64 }, \
	    { "Password", PV_SIM_TEXT, PV_SIM_WRITE_ONLY, NULL, 32 }, \
	    { "ProtectedAccessCredential", PV_SIM_BASE64, PV_SIM_WRITE_ONLY, NULL }, \
	    { "RoamingIdentity", PV_SIM_TEXT, 0, NULL, 80 }, \
	    { "ServerCertificateName", PV_SIM_TEXT, 0, NULL, 80 }, \
	    { "ServerCertificateNameComparison", PV_SIM_UINT, 0, NULL, 3 }, \
	{ \
		"Username", PV_SIM_TEXT, 0, NULL, 128 \
	}

/* PT_STATUS (Intel AMT SDK) */
enum {
	PV_SIM_STATUS_SUCCESS = 0,
	PV_SIM_STATUS_INTERNAL_ERROR = 1,
	PV_SIM_STATUS_NOT_ENOUGH_STORAGE = 11,
	PV_SIM_STATUS_INVALID_NAME = 12,
	PV_SIM_STATUS_NOT_PERMITTED = 16,
	PV_SIM_STATUS_MAX_LIMIT_REACHED = 23,
	PV_SIM_STATUS_INVALID_TIME = 34,
	PV_SIM_STATUS_INVALID_INDEX = 35,
	PV_SIM_STATUS_INVALID_PARAMETER = 36,
	PV_SIM_STATUS_FLASH_WRITE_LIMIT = 38,
	PV_SIM_STATUS_INVALID_PID_FORMAT = 42,
	PV_SIM_STATUS_INVALID_PPS_FORMAT = 43,
	PV_SIM_STATUS_INVALID_HANDLE = 2053,
	PV_SIM_STATUS_INVALID_PASSWORD = 2054,
	PV_SIM_STATUS_INVALID_REALM = 2055,
	PV_SIM_STATUS_DATA_MISSING = 2057,
	PV_SIM_STATUS_DUPLICATE = 2058,
	PV_SIM_STATUS_GENERATING_KEYS = 2061,
	PV_SIM_STATUS_INVALID_KEY = 2062,
	PV_SIM_STATUS_INVALID_CERT = 2063,
	PV_SIM_STATUS_KEY_MISMATCH = 2064,
	PV_SIM_STATUS_MAX_DOMAINS = 2065,
	PV_SIM_STATUS_UNSUPPORTED = 2066,
	PV_SIM_STATUS_INVALID_PRIORITY = 2067,
	PV_SIM_STATUS_AUDIT_FAIL = 2075,
	PV_SIM_STATUS_BLOCKING_COMPONENT = 2076,
};

/* What RequestStateChange of DMTF's classes returns besides 0 (amt/07 section 2) */
enum {
	PV_SIM_DMTF_NOT_SUPPORTED = 1,
	PV_SIM_DMTF_INVALID_PARAMETER = 5,
};

/* What the methods of IPS_OptInService return besides 0 (amt/07 section 4) */
enum {
	PV_SIM_OPT_IN_INVALID_STATE = 2,
	PV_SIM_OPT_IN_BLOCKED = 3,
};

/* the tables, one array per file; each ends with {NULL} */
extern const PvSimClass pv_sim_classes_general[];
extern const PvSimClass pv_sim_classes_setup[];
extern const PvSimClass pv_sim_classes_access[];
extern const PvSimClass pv_sim_classes_keys[];
extern const PvSimClass pv_sim_classes_tls[];
extern const PvSimClass pv_sim_classes_power[];
extern const PvSimClass pv_sim_classes_features[];
extern const PvSimClass pv_sim_classes_environment[];
extern const PvSimClass pv_sim_classes_log[];
extern const PvSimClass pv_sim_classes_8021x[];
extern const PvSimClass pv_sim_classes_wireless[];

G_END_DECLS
