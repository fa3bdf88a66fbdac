/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/certificate.h>

G_BEGIN_DECLS

/* What the 802.1X settings of a device have in common, wired and wireless (Intel AMT SDK, AMT_8021XProfile,
 * IPS_IEEE8021xSettings, CIM_IEEE8021xSettings): protocol, identity, secrets, certificates. */

typedef enum {
	PV_EAP_AMT, /* AMT_8021XProfile */
	PV_EAP_CIM, /* CIM_IEEE8021xSettings, and IPS_IEEE8021xSettings, which derives from it; numbers differ */
} PvEapKind;

/* For the table of a stage, or of an object in it. */
#define PV_EAP_PARAMS                                                                                 \
	{ .name = "protocol", .kind = PV_PARAM_CHOICE, .fallback = "null",                            \
	  .summary = "how the device proves who it is; the last four from AMT 8 on",                  \
	  .choices = "eap-tls|eap-ttls-mschapv2|peap-mschapv2|peap-gtc|eap-fast-mschapv2|eap-fast-gtc|eap-fast-tls|eap-md5|eap-psk|eap-sim|eap-aka" }, \
	{ .name = "user", .kind = PV_PARAM_STRING, .fallback = "null",                                \
	  .summary = "user name; absent: the device's own directory account" },                       \
	{ .name = "password", .kind = PV_PARAM_SECRET, .fallback = "null",                            \
	  .summary = "the user's password; goes with \"user\"" },                                     \
	{ .name = "domain", .kind = PV_PARAM_STRING, .fallback = "null",                              \
	  .summary = "the user's domain, without suffix, such as EXAMPLE" },                          \
	{ .name = "roaming-identity", .kind = PV_PARAM_STRING, .fallback = "null",                    \
	  .summary = "what is shown outside of the tunnel instead of the user name" },                \
	{ .name = "server-name", .kind = PV_PARAM_STRING, .fallback = "null",                         \
	  .summary = "name that the RADIUS server's certificate must have" },                         \
	{ .name = "server-name-match", .kind = PV_PARAM_CHOICE, .fallback = "\"full\"",               \
	  .summary = "whether that is the whole name or the domain at its end", .choices = "full|suffix" }, \
	{ .name = "root", .kind = PV_PARAM_PATH, .fallback = "null",                                  \
	  .summary = "PEM file with the root of the RADIUS server's certificate; of several the device searches the right one" }, \
	{ .name = "pac", .kind = PV_PARAM_SECRET, .fallback = "null",                                 \
	  .summary = "EAP-FAST: protected access credential, in base64" },                            \
	{ .name = "pac-password", .kind = PV_PARAM_SECRET, .fallback = "null", .summary = "EAP-FAST: its password" }, \
	{ .name = "shared-key", .kind = PV_PARAM_SECRET, .fallback = "null", .summary = "EAP-PSK: the key" }, \
	{ .name = "template", .kind = PV_PARAM_STRING, .fallback = "null",                            \
	  .summary = "the CA's name for the kind of client certificate, where the protocol needs one; absent: its default" }, \
	{ .name = "account-in-certificate", .kind = PV_PARAM_BOOL, .fallback = "true",                \
	  .summary = "name the device's directory account in it, too (UPN)" },                        \
	PV_CERT_USE_PARAMS

/**
 * PvEap:
 *
 * What is wanted of one set of 802.1X settings. Facts, besides those of its PvCertUse of the same name:
 *
 *   NAME.roots       fingerprints of the trusted roots that the settings need
 *   NAME.bound       which certificates were written
 *   NAME.numbers     "amt": ServerCertificateNameComparison is numbered as in AMT_8021XProfile
 *   secret NAME-sent what was written and cannot be read back, sealed
 */
typedef struct PvEap PvEap;

/**
 * pv_eap_new:
 * @values: parsed by a table with PV_EAP_PARAMS; borrowed for the life of the result
 * @name: of its facts; copied
 *
 * Judges the parameters, with the limits of the class, before anything is written.
 *
 * Returns: (transfer full): or NULL with PV_ERROR_CONFIG, which names the parameter; pv_eap_free().
 */
PvEap *pv_eap_new(PvJob *job, const PvValues *values, const char *name, PvEapKind kind, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void pv_eap_free(PvEap *eap);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvEap, pv_eap_free)

/**
 * pv_eap_plan:
 * @object: what the rows are about
 * @present: (nullable): the settings as read; NULL: there are none yet
 * @context_class: which association tells the certificates of @present; those of CIM_IEEE8021xSettings if it is a
 *   CIM_CredentialContext
 *
 * For plan: adds the rows of the certificate, the roots, and of each property that differs; one for what cannot be read
 * back if something else was written the last time, and one for the certificates if others are in use.
 */
gboolean pv_eap_plan(PvEap *eap, PvJob *job, PvPlan *plan, const char *object, const PvInstance *present, const char *context_class, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_eap_prepare:
 *
 * For apply, before the settings are written: gets the certificate and the roots into the device, and seals as pending
 * what cannot be read back. Parks the job as pv_cert_use_ensure() does.
 */
gboolean pv_eap_prepare(PvEap *eap, PvJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* After pv_eap_prepare(): the certificates to be named with the settings; lent; NULL: none. */
const PvEpr *pv_eap_get_client(const PvEap *eap);
const PvEpr *pv_eap_get_root(const PvEap *eap);

/* Drops all 802.1X properties of @settings, as for switching it off. */
void pv_eap_clear(PvInstance *settings);

/* Replaces all 802.1X properties of @settings by the wanted ones. */
void pv_eap_fill(const PvEap *eap, PvInstance *settings);

/* After @settings were refused: whether there is another way to write them, with which pv_eap_fill() goes on. */
gboolean pv_eap_try_other_numbers(PvEap *eap, PvJob *job, const GError *refusal);

/* After the device took the settings. */
gboolean pv_eap_confirm(PvEap *eap, PvJob *job, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Takes back the facts of settings that are no longer wanted, so that certificate-cleanup finds what only they used. */
void pv_eap_forget(PvJob *job, const char *name);

G_END_DECLS
