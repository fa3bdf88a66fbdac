/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/job.h>

G_BEGIN_DECLS

/* Certificates and keys in a device (Intel AMT SDK, AMT_PublicKeyManagementService, AMT_PublicKeyCertificate,
 * AMT_PublicPrivateKeyPair), for stages that need one of the site's CA there. */

typedef struct {
	char *instance;                   /* InstanceID; owned */
	struct evp_pkey_st *public_key;   /* OpenSSL's EVP_PKEY; owned; NULL: of a kind that is not understood; leave it alone */
	char *fingerprint;                /* lower case hex SHA-256 of the public key; owned; NULL: not understood */
	guint bits;
	gboolean used;                    /* a certificate belongs to it */
} PvStoredKey;

typedef struct {
	char *instance;                   /* InstanceID; owned */
	GBytes *der;                      /* owned; NULL: the device gave none */
	struct x509_st *x509;             /* OpenSSL's X509; owned; NULL: not understood; leave it alone */
	char *fingerprint;                /* lower case hex SHA-256 of .der; owned; NULL: without .der */
	gboolean trusted_root;
	gboolean read_only;               /* AMT's own self-signed one */
	PvStoredKey *key;                 /* in the device; borrowed; NULL: it has none there */
} PvStoredCertificate;

/**
 * PvCertStore:
 *
 * The device's store of certificates and keys, as read.
 */
typedef struct {
	GPtrArray *certificates;          /* of PvStoredCertificate; owned */
	GPtrArray *keys;                  /* of PvStoredKey; owned */
	gboolean lists_keys;              /* FALSE: firmware that has no class for them */
} PvCertStore;

PvCertStore *pv_cert_store_read(PvWsman *amt, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* pv_cert_store_free() */
void pv_cert_store_free(PvCertStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvCertStore, pv_cert_store_free)

PvStoredKey *pv_cert_store_find_key(PvCertStore *store, const char *instance); /* lent; NULL: none */
PvStoredCertificate *pv_cert_store_find(PvCertStore *store, const char *instance); /* lent; NULL: none */
PvStoredCertificate *pv_cert_store_find_der(PvCertStore *store, GBytes *der, gboolean trusted_root); /* lent; NULL: none */

/**
 * PvCertUse:
 *
 * A certificate of the site's CA that a stage wants in the device, with its key. Each use has facts and a secret of
 * its own, named after it; no use ever takes the certificate or the key that another one's facts name:
 *
 *   NAME.instance    InstanceID of the certificate
 *   NAME.key         InstanceID of its key; absent where firmware does not list keys
 *   NAME.sha256      of the certificate
 *   NAME.spare-key   SHA-256 of the public key, while a key in the device waits for its certificate
 *   secret NAME-key  of a key that was made here; PEM, sealed before it is used
 *
 * All lent for the call.
 */
typedef struct {
	const char *name;         /* such as "certificate", "ieee8021x" */
	PvCertRequest request;
	const char *key;          /* where the key is made: "device", "pushed", "auto": in the device if it can */
	guint key_length;         /* bit, of RSA */
	guint renew_days;         /* what expires within this time is renewed */
} PvCertUse;

/* The parameters of a stage that are the last three of PvCertUse, and PvCertRequest.as_device, for its table. */
#define PV_CERT_USE_PARAMS                                                                            \
	{ .name = "key", .kind = PV_PARAM_CHOICE, .fallback = "\"auto\"",                             \
	  .summary = "where the key is made; auto: in the device if it can", .choices = "auto|device|pushed" }, \
	{ .name = "key-length", .kind = PV_PARAM_INT, .fallback = "2048",                             \
	  .summary = "length of the RSA key; all AMT takes 2048", .unit = "bit", .minimum = 2048, .maximum = 4096 }, \
	{ .name = "renew-days", .kind = PV_PARAM_INT, .fallback = "42",                               \
	  .summary = "renew a certificate that expires within this time", .unit = "d", .minimum = 1, .maximum = 365 }, \
	{ .name = "as", .kind = PV_PARAM_CHOICE, .fallback = "\"service\"",                           \
	  .summary = "whose account asks the CA; device: its own, which ad-account made", .choices = "service|device" }

/**
 * pv_cert_use_plan:
 *
 * For plan: adds the rows of what pv_cert_use_ensure() would do, and sets the facts when the device has a certificate
 * that will do: of the site's CA, as requested, long enough, its key in the device. Reads only.
 */
gboolean pv_cert_use_plan(PvJob *job, const PvCertUse *use, PvPlan *plan, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_cert_use_ensure:
 * @instance: (out) (optional): InstanceID of the certificate; g_free()
 * @der: (out) (optional): the certificate
 *
 * For apply: makes it so. The key is made in the device by GenerateKeyPair and GeneratePKCS10RequestEx where the
 * firmware can, or else here, sealed, and pushed by AddKey. Parks the job while the device or the CA takes its time. What
 * an interrupted run left is used again.
 */
gboolean pv_cert_use_ensure(PvJob *job, const PvCertUse *use, char **instance, GBytes **der, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Takes back the facts of a use that is no longer wanted. */
void pv_cert_use_forget(PvJob *job, const char *name);

/**
 * pv_cert_store_add_root:
 * @der: a trusted root
 *
 * For apply: adds it by AddTrustedRootCertificate, unless it is there already. The fact "certificates.own-roots"
 * remembers that it was put there by us; a stage that needs it keeps its fingerprint in a fact NAME.roots, and
 * certificate-cleanup deletes it when no such fact has it any more.
 *
 * Returns: (transfer full): its InstanceID.
 */
char *pv_cert_store_add_root(PvJob *job, GBytes *der, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_cert_store_release:
 * @instance: InstanceID of a certificate
 *
 * For apply, before settings that refer to it are replaced or deleted: remembers it, durably, in the fact
 * "certificates.released", so that certificate-cleanup deletes it when nothing refers to it any more. One that a fact
 * claims is not released.
 */
gboolean pv_cert_store_release(PvJob *job, const char *instance, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_cert_store_read_references:
 * @context_class: an association such as "IPS_8021xCredentialContext", without what derives from it; NULL: all that
 *   are known
 *
 * Returns: (transfer full): set of the InstanceIDs of the certificates that something in the device refers to; a class
 *   that the firmware does not have refers to none. g_hash_table_unref().
 */
GHashTable *pv_cert_store_read_references(PvWsman *amt, const char *context_class, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether a fact of some use names the certificate (NAME.sha256, NAME.roots) or the key (NAME.spare-key). */
gboolean pv_cert_store_is_claimed(PvJob *job, const char *fingerprint);

/* Whether the fingerprint is one of a list as the facts keep it: joined by blanks. */
gboolean pv_cert_store_list_has(const char *list, const char *fingerprint);

/**
 * pv_cert_store_plan_sweep:
 * @references: (nullable): of pv_cert_store_read_references(), if they are read already
 * @plan: rows of AMT_PublicKeyCertificate that are there already are taken for leaving
 *
 * For plan: adds a row for each certificate and key that can go. Nothing in the device refers to it, no fact claims it,
 * and it was released or put there as a root by us; or, once the stages for 802.1X and wireless have been at work and what
 * they found is committed, it is any certificate of a device. Keys go when no certificate is left that needs them.
 */
gboolean pv_cert_store_plan_sweep(PvJob *job, GHashTable *references, PvPlan *plan, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* For apply: deletes what the rows name. What the device refuses to delete, unless it is of ours, stays and is remembered. */
gboolean pv_cert_store_apply_sweep(PvJob *job, const PvPlan *plan, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Both at once, for an apply that needs room in the store. */
gboolean pv_cert_store_sweep(PvJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
