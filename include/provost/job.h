/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/ca.h>
#include <provost/device.h>
#include <provost/directory.h>
#include <provost/error.h>
#include <provost/param.h>
#include <provost/plan.h>
#include <provost/secret.h>
#include <provost/wsman.h>

G_BEGIN_DECLS

/**
 * PvJob:
 *
 * One pipeline at work on one device. A stage gets it for the length of a call, on the thread of the call, and
 * keeps nothing of it. What the getters return is lent until the call ends, unless a "dup" or "new" says otherwise.
 */

const PvDevice *pv_job_get_device(PvJob *job); /* lent until the call ends */
GCancellable *pv_job_get_cancellable(PvJob *job); /* lent; pass it to all that blocks */

/* The stage's parameters; the same as the pv_values_*() on pv_job_get_values(). */
const PvValues *pv_job_get_values(PvJob *job);
const char *pv_job_get_string(PvJob *job, const char *param);
gint64 pv_job_get_int(PvJob *job, const char *param);
gboolean pv_job_get_bool(PvJob *job, const char *param);
const char *const *pv_job_get_list(PvJob *job, const char *param);

/**
 * pv_job_get_fact:
 * @name: such as "amt.version"
 *
 * Returns: (nullable): the value, as saved with the device or set by an earlier stage; NULL when there is none.
 */
const char *pv_job_get_fact(PvJob *job, const char *name);

/* The names of all facts that are there, sorted; g_strfreev(). */
char **pv_job_list_facts(PvJob *job) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_job_set_fact:
 * @value: (nullable): NULL takes the fact back
 *
 * Sets a fact. It becomes durable in the same transaction as the stage's result, and is seen by "when"
 * conditions as device.NAME. Not for secrets. In a dry run facts live until the end of the run.
 */
void pv_job_set_fact(PvJob *job, const char *name, const char *value);

/**
 * pv_job_save_facts:
 *
 * Makes the facts that were set so far durable at once: for what must be known after a crash, before the write that
 * makes it true. In a dry run nothing is saved.
 */
gboolean pv_job_save_facts(PvJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_job_get_wsman:
 *
 * The session with the device. Dials at the first use: in set-up with the provisioning certificate, accepting and
 * pinning the device's own certificate, or where the fact tls.mode begins with "psk" with the pre-shared key of the device's PID;
 * once the device is committed only by the site's CA and the device's name.
 * Logs in when the device asks for it: pending password, current one, then the candidates, few enough not to
 * drive the firmware into its back-off.
 *
 * Returns: (transfer none): the session, or NULL with the error.
 */
PvWsman *pv_job_get_wsman(PvJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_job_reconnect:
 *
 * Closes the connection, forgets the login and the kept answers; the next request dials and logs in anew. For
 * stages after which the device restarts its network stack or has another password or certificate.
 */
void pv_job_reconnect(PvJob *job);

/**
 * pv_job_progress:
 *
 * Tells people what is going on, such as "waiting for the device's key"; no secret, no full stop.
 */
void pv_job_progress(PvJob *job, const char *format, ...) G_GNUC_PRINTF(2, 3);

/**
 * pv_job_skip:
 *
 * For plan: this stage has nothing to do on this device and says why. Ends the stage as "skipped" with the reason
 * when plan then returns TRUE with an empty plan. After apply it means that the device refused what it may refuse,
 * and that nothing was changed.
 */
void pv_job_skip(PvJob *job, const char *format, ...) G_GNUC_PRINTF(2, 3);

/**
 * pv_job_wait:
 * @seconds: at least this long
 *
 * Parks the job: sets PV_ERROR_PENDING with the reason. Return FALSE after it; the thread is free, and the stage
 * begins again with plan when the time has come. Waiting does not count as a failed try; the stage's time limit
 * still does.
 *
 * Returns: FALSE, for "return pv_job_wait (job, 10, error, "waiting for …")".
 */
gboolean pv_job_wait(PvJob *job, guint seconds, GError **error, const char *format, ...) G_GNUC_PRINTF(4, 5);

/**
 * pv_job_is_dry_run:
 *
 * Returns: whether only plans are wanted. plan must not write in any case; this tells it that earlier stages
 * have not been applied, so that what they would make is missing.
 */
gboolean pv_job_is_dry_run(PvJob *job);

/**
 * pv_job_is_legacy:
 *
 * Returns: whether the device's group has "tls": "legacy", and so may use weak cryptography where its firmware
 * knows nothing better.
 */
gboolean pv_job_is_legacy(PvJob *job);

typedef enum {
	PV_SECRET_CURRENT,
	PV_SECRET_PENDING,
} PvSecretState;

/**
 * pv_job_new_secret:
 * @name: "admin", "mebx", "account"
 * @length: characters, 8 to 32
 *
 * Makes a password that Intel's rule accepts (Intel AMT SDK, "Password format": upper, lower, digit, symbol; no
 * quote, colon, comma or underscore), seals it as pending and syncs it to disk before it returns. A pending one
 * that is already there is returned again, so that a stage that was interrupted sends the same value.
 *
 * Returns: (transfer full): the secret; or NULL with the store's error, and then nothing must be sent.
 */
PvSecret *pv_job_new_secret(PvJob *job, const char *name, guint length, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_job_propose_secret:
 *
 * The same for a value that is given, such as a configured MEBx password or a private key. A pending value that
 * differs is replaced, after it was moved to the history.
 */
gboolean pv_job_propose_secret(PvJob *job, const char *name, PvSecret *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_job_confirm_secret:
 *
 * Makes the pending value current, durably, once the peer has taken it; the former current one goes to the
 * history, so that no password is ever lost.
 */
gboolean pv_job_confirm_secret(PvJob *job, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What is sealed in the store: has looks only, dup opens it; PV_ERROR_CONFIG when there is none. */
gboolean pv_job_has_secret(PvJob *job, const char *name, PvSecretState state);
PvSecret *pv_job_dup_secret(PvJob *job, const char *name, PvSecretState state, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_job_dup_account_password:
 *
 * The password of the device's own account that the directory has now: the pending one, if there is one, for the stage
 * ad-account, which stands before all others that use it, has given it to the directory.
 *
 * Returns: (transfer full): NULL with PV_ERROR_CONFIG when there is none.
 */
PvSecret *pv_job_dup_account_password(PvJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_job_has_later_stage:
 * @type: such as "kerberos"
 *
 * Returns: whether the pipeline has such a stage after the one at work, with a condition, if any, that holds now.
 */
gboolean pv_job_has_later_stage(PvJob *job, const char *type);

/**
 * pv_job_prove_account_key:
 * @password: what the device was given, with the facts account.salt and account.kvno
 *
 * The ticket test: gets a ticket for the device by the directory's service account, opens it with the key that @password
 * makes, and shows it to the device. A device whose access entries do not have the service account refuses it, too:
 * that is told apart from a wrong key by the former test and by what the device tells of itself. What cannot be tried,
 * such as with a directory without Kerberos, is said by pv_job_progress() and is no error.
 *
 * Returns: FALSE with PV_ERROR_PENDING while the KDC still has the former key, PV_ERROR_REJECTED (the key is another, clocks
 * differ), PV_ERROR_CONFIG (no such service name), PV_ERROR_UNREACHABLE.
 */
gboolean pv_job_prove_account_key(PvJob *job, PvSecret *password, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Resolves a parameter of kind SECRET. */
PvSecret *pv_job_dup_param_secret(PvJob *job, const char *param, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_job_get_directory:
 * @handle: (out): what the provider's functions take first
 *
 * Returns: (transfer none): the site's directory, or NULL with PV_ERROR_CONFIG when the site has none.
 */
const PvDirectory *pv_job_get_directory(PvJob *job, gpointer *handle, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_job_prepare_certificate:
 *
 * Asks the site's CA what the request must hold.
 */
gboolean pv_job_prepare_certificate(PvJob *job, const PvCertRequest *request, PvCaPreparation *preparation, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_job_request_certificate:
 * @request: what is wanted
 * @csr_der: PKCS#10, signed
 *
 * Submits to the site's CA, or polls when an earlier submission of this device and template is pending; a pending
 * answer parks the job as pv_job_wait() does. Checks the answer: the key is the CSR's, names and key usages as
 * asked, not a CA, dates sane, at most 4100 bytes, chain to the CA's root.
 *
 * Returns: (transfer full): the certificate, DER; or NULL with REJECTED and the CA's text, PENDING, or another error.
 */
GBytes *pv_job_request_certificate(PvJob *job, const PvCertRequest *request, GBytes *csr_der, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_job_verify_certificate:
 *
 * Whether a certificate found in a device is one of the site's CA for that request: issuer, names, key usages
 * and at least @days_left days to go. Reads only.
 *
 * Returns: TRUE if so; FALSE and *reason (transfer full) otherwise, or FALSE with @error when the CA cannot be asked.
 */
gboolean pv_job_verify_certificate(PvJob *job, const PvCertRequest *request, GBytes *certificate_der, guint days_left, char **reason, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_job_check_client_certificate:
 * @roots: of GBytes, DER: the trusted roots that the device has, or will have
 * @names: its TrustedCN; ends with NULL; empty: any name will do
 * @now: seconds since 1970, by the device's clock; 0: by ours
 *
 * Whether the site's client certificate would be let in by a device with mutual authentication, as far as can be known:
 * key purpose, dates, chain to one of the roots, common name. For a stage that switches it on.
 *
 * Returns: TRUE, or FALSE with PV_ERROR_CONFIG that says what is wrong.
 */
gboolean pv_job_check_client_certificate(PvJob *job, GPtrArray *roots, const char *const *names, gint64 now, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_job_record_security_event:
 * @event: a stable word, such as "otp-mismatch"
 *
 * Writes an entry to the audit log, durably.
 */
gboolean pv_job_record_security_event(PvJob *job, const char *event, const char *format, ...) G_GNUC_PRINTF(3, 4);

G_END_DECLS
