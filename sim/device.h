/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/instance.h"
#include "sim/keys.h"
#include "sim/personality.h"

#include <openssl/x509.h>

G_BEGIN_DECLS

/* One simulated device: all that firmware keeps. A device belongs to one event loop; only that loop's thread
 * touches it (see server.h), so it needs no lock. */

#define PV_SIM_REALM_ADMIN 3
#define PV_SIM_HASH_BYTES \
	16 /* MD5, the form in which firmware keeps passwords (amt/05 section 1) */
#define PV_SIM_UUID_BYTES 16

typedef enum {
	PV_SIM_PRE,
	PV_SIM_IN,
	PV_SIM_POST
} PvSimState; /* the numbers of ProvisioningState */

/* a root by each of its hashes; the switch root-hash tells which one the firmware's table has */
typedef struct {
	guint8 sha1[20];
	guint8 sha256[32];
	guint8 sha384[48];
	char *name;
	gboolean is_default;
	gboolean active;
} PvSimRoot;

typedef struct {
	guint handle;
	char *user; /* NULL: a directory entry */
	guint8 hash[PV_SIM_HASH_BYTES];
	GBytes *sid; /* NULL: a digest user */
	guint permission; /* 0 local, 1 network, 2 both */
	guint64 realms; /* bit n: realm n */
	gboolean enabled;
} PvSimAclEntry;

typedef struct {
	guint handle;
	EVP_PKEY *key;
	GBytes *der; /* public half as PKCS#1 RSAPublicKey, as DERKey reads */
	gboolean generated; /* in the device, not pushed by AddKey */
} PvSimKey;

typedef struct {
	guint handle;
	X509 *x509;
	GBytes *der;
	gboolean trusted_root;
} PvSimCertificate;

/* A certificate that 802.1X uses */
typedef struct {
	char *user; /* InstanceID of a CIM_IEEE8021xSettings; NULL: the wired profile */
	guint handle;
	gboolean root; /* of the RADIUS server's certificate, not the client's own */
} PvSimCredential;

/* TLS as the running network stack has it; what Put and Create change is in the device's bags until CommitChanges */
typedef struct {
	gboolean enabled;
	gboolean mutual;
	gboolean accept_plain;
	EVP_PKEY *key; /* NULL: the built-in certificate */
	X509 *x509;
} PvSimTls;

typedef struct {
	char *text;
	guint64 last_count;
	guint requests;
} PvSimNonce;

typedef struct {
	char *method;
	char *user; /* NULL: no login */
	char body_sha256[65];
	guint status; /* of HTTP */
	gint64 return_value; /* -1: none */
	gboolean auth;
	gboolean kerberos; /* the login was one by ticket */
	gboolean tls;
	char *client; /* CN of the verified client certificate, or NULL */
	gint64 time_usec;
} PvSimTrace;

typedef struct {
	guint64 requests, writes, logins_ok, logins_failed, locked, refused_while_locked,
	    connections, tls_refused, commits, restarts, faults, hellos, tickets_refused;
	GHashTable *methods; /* "Class.Method" -> count as pointer */
} PvSimCounters;

typedef struct {
	guint failures; /* in a row */
	guint lock_sec; /* how long the next lock lasts; 0: the first */
	gint64 until_usec; /* monotonic; 0: not locked */
	gint64 failed_usec; /* monotonic, the last failure */
} PvSimLock;

typedef struct {
	guint id;
	char *class_name;
	guint position;
} PvSimEnumeration;

/* An entry of the event log: failed logins */
typedef struct {
	gint64 time; /* Unix seconds, of the device's clock */
	guint failures;
} PvSimEvent;

struct PvSimServer;
typedef struct PvSimKerberos PvSimKerberos; /* kerberos.c */

/* Who is logged in */
typedef struct {
	char *name; /* of Digest, or the Kerberos principal */
	GPtrArray *sids; /* of GBytes, the user's own first; NULL: by Digest */
} PvSimUser;

typedef struct {
	/* fixed for its life */
	guint index;
	char *name;
	char *fqdn;
	char *address;
	guint8 uuid[PV_SIM_UUID_BYTES]; /* SMBIOS byte order */
	char *uuid_text;
	char mac[18];
	char *wireless_address; /* NULL: the wireless side has none of its own */
	char wireless_mac[18];
	const PvSimPersonality *personality;
	PvSimKeys *keys_pool; /* lent */

	PvSimSwitches *switches;
	PvSimState state;
	char *air; /* SSID of the network in range, "*": any; NULL: none */
	gboolean off; /* no power: nothing answers */
	char *digest_realm;
	GPtrArray *roots; /* of PvSimRoot */

	char *admin_user;
	guint8 admin_hash[PV_SIM_HASH_BYTES];
	gboolean admin_default;
	char *mebx_password;
	gboolean mebx_default;
	GPtrArray *acl; /* of PvSimAclEntry, by handle */
	GPtrArray *keys; /* of PvSimKey */
	GPtrArray *certificates; /* of PvSimCertificate */
	GPtrArray *credentials; /* of PvSimCredential */
	int tls_certificate; /* handle bound by AMT_TLSCredentialContext; -1: none */
	PvSimTls tls;
	EVP_PKEY
	*built_in_key; /* of the self-signed or on-die certificate; made when first needed */
	GPtrArray *built_in_chain; /* of X509, leaf first */
	gint64 clock_offset_sec;
	gboolean clock_set;
	guint power_scheme; /* index into the personality's */
	gboolean credential_cache;
	guint opt_in_state; /* of IPS_OptInService */
	guint opt_in_code; /* that the user sees */
	GHashTable *bags; /* "Class" or "Class/InstanceID" -> PvSimInstance: what was written */
	char *otp_set; /* NULL: none */
	char *pid; /* of TLS-PSK, without dashes; "": none */
	char *pps;

	GPtrArray *nonces; /* of PvSimNonce, oldest first */
	PvSimLock lock;
	guint message; /* MessageID counter */
	guint enumeration; /* counter of contexts */
	GPtrArray *enumerations; /* of PvSimEnumeration, oldest first */
	guint busy_seen; /* answers of 2061 so far */
	guint generation; /* of the TLS identity: a session does not outlive it */
	gint64 setup_usec; /* monotonic: when set-up began */
	guint setup_hours; /* how long it lasts */
	guint hello_retry; /* RetryCount of the next hello */
	PvSimCounters counters;
	GQueue trace; /* of PvSimTrace, oldest first */
	GPtrArray *audit; /* of GBytes, oldest first; NULL: nothing was recorded */
	GArray *events; /* of PvSimEvent, oldest first; NULL: none */
	char peer[16]; /* where the request at hand comes from */
	char *last_refusal; /* reason of the last tls-refused */
	PvSimKerberos *kerberos; /* made of the settings at the first ticket; NULL: not yet */
	char *negotiate; /* WWW-Authenticate of the answer at hand, after a ticket; NULL: none */
	char *last_user; /* of the last login; NULL: there was none */
	gboolean last_kerberos; /* ... and it was by ticket */

	gpointer server; /* what the event loop keeps for it: server.c */
} PvSimDevice;

typedef struct {
	guint index;
	const char *name;
	const char *fqdn;
	const char *address;
	const char *wireless_address; /* NULL: none */
	const guint8 *uuid;
	const PvSimPersonality *personality;
	PvSimKeys *keys;
	const PvSimSwitches *switches; /* copied */
	GPtrArray *roots; /* of PvSimRoot; copied */
} PvSimDeviceConfig;

PvSimDevice *pv_sim_device_new(const PvSimDeviceConfig *config);
void pv_sim_device_free(PvSimDevice *device);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimDevice, pv_sim_device_free)

/* Everything as the factory left it, with a new realm; state PRE */
void pv_sim_device_reset(PvSimDevice *device);
/* As pv_sim_device_reset(), but keeps the admin's login and the names: PartialUnprovision (amt/04 section 10) */
void pv_sim_device_reset_partly(PvSimDevice *device);
/* Everything that was put into it, PID and PPS too: Unprovision (amt/04 section 10 keeps them for the partial one) */
void pv_sim_device_unprovision(PvSimDevice *device);
/* Set-up by TLS-PSK: AMT before 11 with PID and PPS (amt/02) */
gboolean pv_sim_device_has_psk(const PvSimDevice *device);
/* What is not in flash is gone: nonces, TLS sessions, enumerations, the count of failed logins */
void pv_sim_device_lose_power(PvSimDevice *device);
/* PRE -> IN, as a local agent's StartConfiguration does. FALSE: not in PRE. */
gboolean pv_sim_device_start(PvSimDevice *device, const char *otp);
/* The network side of CommitChanges: what was put takes effect. Tells whether the stack must restart. */
gboolean pv_sim_device_commit(PvSimDevice *device);
/* Straight to POST with the factory's admin password and the built-in certificate: another product's work */
void pv_sim_device_force_post(PvSimDevice *device);

gint64 pv_sim_device_time(const PvSimDevice *device); /* its clock, Unix seconds */
const char *pv_sim_device_suffix(const PvSimDevice *device); /* TrustedDNSSuffix, or DHCP's */
void pv_sim_device_hash(const PvSimDevice *device, const char *user, const char *password,
    guint8 hash[PV_SIM_HASH_BYTES]);
/* Does the password fit the hash the device holds for this user? */
gboolean pv_sim_device_check_password(
    const PvSimDevice *device, const char *user, const char *password);
/* 8..32 characters, four kinds (amt/04 section 6) */
gboolean pv_sim_password_is_strong(const char *password);

PvSimAclEntry *pv_sim_device_find_acl(const PvSimDevice *device, guint handle);
PvSimAclEntry *pv_sim_device_find_user(const PvSimDevice *device, const char *user);
/* What the user may do by way of the network, bit n: realm n. NULL: set-up without login: everything. 0: no such user. */
guint64 pv_sim_device_find_realms(const PvSimDevice *device, const PvSimUser *user);
void pv_sim_user_free(PvSimUser *user);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimUser, pv_sim_user_free)
PvSimKey *pv_sim_device_find_key(const PvSimDevice *device, guint handle);
PvSimKey *pv_sim_device_find_key_of(const PvSimDevice *device, X509 *x509);
PvSimCertificate *pv_sim_device_find_certificate(const PvSimDevice *device, guint handle);
PvSimKey *pv_sim_device_add_key(
    PvSimDevice *device, EVP_PKEY *key, gboolean generated); /* takes the key */
PvSimCertificate *pv_sim_device_add_certificate(
    PvSimDevice *device, X509 *x509, gboolean trusted_root); /* takes it */
/* The certificates of one user of 802.1X, in place of those it had; -1: none */
void pv_sim_device_set_credentials(PvSimDevice *device, const char *user, int client, int root);
int pv_sim_device_find_credential(const PvSimDevice *device, const char *user, gboolean root);
/* What a certificate is in use by: "TLS", "wired 802.1X" ...; NULL: nothing */
const char *pv_sim_device_find_use(const PvSimDevice *device, const PvSimCertificate *certificate);
PvSimAclEntry *pv_sim_device_add_acl(PvSimDevice *device); /* empty, at the lowest free handle */

/* What was written to an instance. @id: InstanceID, NULL for a singleton. Lent; find: NULL when there is none. */
PvSimInstance *pv_sim_device_bag(PvSimDevice *device, const char *class_name, const char *id);
PvSimInstance *pv_sim_device_find_bag(
    const PvSimDevice *device, const char *class_name, const char *id);
void pv_sim_device_remove_bag(PvSimDevice *device, const char *class_name, const char *id);
/* The keys in bags of a class that has instances, sorted; lent by bags. g_ptr_array_unref() */
GPtrArray *pv_sim_device_list_bags(const PvSimDevice *device, const char *class_name);

void pv_sim_device_trace(PvSimDevice *device, PvSimTrace *trace); /* takes it */
void pv_sim_root_free(PvSimRoot *root);
PvSimRoot *pv_sim_root_dup(const PvSimRoot *root);
/* The hash in the device's table, with its type (amt/02): 1 SHA-1, 2 SHA-256, 3 SHA-384. Lent. */
const guint8 *pv_sim_device_root_hash(
    const PvSimDevice *device, const PvSimRoot *root, guint *length, guint *type);

#define PV_SIM_TLS_REMOTE "Intel(r) AMT 802.3 TLS Settings"
#define PV_SIM_TLS_LOCAL "Intel(r) AMT LMS TLS Settings"

G_END_DECLS
