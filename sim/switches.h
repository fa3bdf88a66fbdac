/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/fault.h"

G_BEGIN_DECLS

/* What firmware generations do differently, and what no source tells for certain, is a switch: a name with
 * a value that holds for the fleet or for one device. */

enum { PV_SIM_SUFFIX_STRICT, PV_SIM_SUFFIX_TWO_LABELS, PV_SIM_SUFFIX_LOOSE };
enum { PV_SIM_OTP_PAD_NONE, PV_SIM_OTP_PAD_ZERO32 };
enum { PV_SIM_OTP_UNSET_ZEROS, PV_SIM_OTP_UNSET_OMIT };
enum { PV_SIM_QOP_AUTH, PV_SIM_QOP_AUTH_INT, PV_SIM_QOP_BOTH };
enum { PV_SIM_WEB_OFF_NOT_FOUND, PV_SIM_WEB_OFF_LOGIN };
enum { PV_SIM_AUDIT_WRAPS, PV_SIM_AUDIT_LOCKS };
enum { PV_SIM_CUTS_FIXED, PV_SIM_CUTS_RANDOM, PV_SIM_CUTS_ONE };
enum { PV_SIM_TLS_1_0, PV_SIM_TLS_1_1, PV_SIM_TLS_1_2, PV_SIM_TLS_1_3 };
enum { PV_SIM_SKU_PRO, PV_SIM_SKU_STANDARD };
enum { PV_SIM_WEB_PRESENT, PV_SIM_WEB_MISSING, PV_SIM_WEB_REFUSED };
enum { PV_SIM_MATCH_EXACT, PV_SIM_MATCH_TAIL };
enum { PV_SIM_ROOT_SHA256, PV_SIM_ROOT_SHA1, PV_SIM_ROOT_SHA384 };
enum { PV_SIM_SUITES_ANY, PV_SIM_SUITES_RSA };
/* the numbers of the host interface (amt/09, 0x4B) */
enum { PV_SIM_MEBX_DEFAULT_ONLY, PV_SIM_MEBX_SETUP, PV_SIM_MEBX_ANYTIME };
enum { PV_SIM_ON_DIE_4, PV_SIM_ON_DIE_6 };
enum { PV_SIM_STRANGER_401, PV_SIM_STRANGER_401_TOKEN, PV_SIM_STRANGER_403 };
enum { PV_SIM_KERBEROS_REQUEST, PV_SIM_KERBEROS_CONNECTION };
enum { PV_SIM_PSK_ONLY, PV_SIM_PSK_BOTH };
enum { PV_SIM_COMPARISON_DMTF, PV_SIM_COMPARISON_AMT };
enum { PV_SIM_ABSENT_UNREACHABLE, PV_SIM_ABSENT_EMPTY };
enum { PV_SIM_WIRED_MISSING, PV_SIM_WIRED_ZERO_MAC };
enum { PV_SIM_ALERT_BAD_CERTIFICATE, PV_SIM_ALERT_CERTIFICATE_UNKNOWN };

#define PV_SIM_PID_LENGTH 8
#define PV_SIM_PPS_LENGTH 32

typedef struct {
	guint suffix_rule;
	guint pki_alert;
	guint root_hash;
	guint otp_padding;
	guint otp_unset;
	guint digest_in_setup;
	guint qop;
	guint nonce_requests;
	guint close_after_401;
	guint lock_after;
	guint lock_first_sec;
	guint lock_max_sec;
	guint strict;
	guint one_item_pull;
	guint chunk_cuts;
	guint restart_msec;
	guint lost_reply_commit;
	guint commit_checks;
	guint commit_needs_mebx;
	guint mebx_policy;
	guint ethernet_hang_msec;
	guint kerberos_needs_spn;
	guint kerberos_strict_spn;
	guint kerberos_key_version;
	guint kerberos_token_max;
	guint kerberos_replays;
	guint kerberos_stranger;
	guint kerberos_session;
	guint lock_calm_sec;
	guint generate_busy;
	guint pkcs10;
	guint pkcs10_placeholder;
	guint certificates_max;
	guint keys_max;
	guint acl_max_digest;
	guint acl_max_kerberos;
	guint acl_page;
	guint acl_renumber;
	guint kerberos_domains;
	guint kerberos_salt_readable;
	guint nonsecure_supported;
	guint plain_port;
	guint tls_min;
	guint tls_max;
	guint on_die_chain;
	guint on_die_certificates;
	guint suites;
	guint tls_intolerant;
	guint tls_trademark;
	guint tls_local_first;
	guint wireless;
	guint wired;
	guint wired_absent;
	guint wireless_absent;
	guint wifi_pseudo_profile;
	guint wifi_it_max;
	guint wifi_user_max;
	guint wifi_8021x_max;
	guint wifi_references;
	guint wpa3_since;
	guint tkip_until;
	guint polymorphic;
	guint sku;
	guint web_ui;
	guint optin_modifiable;
	guint amt_8021x;
	guint comparison;
	guint console_oid;
	guint environment_max;
	guint environment_lockout;
	guint environment_match;
	guint hello_minute_msec;
	guint idle_sec;
	guint web_off;
	guint audit_max;
	guint audit_when_full;
	guint psk_setup;
	guint psk_identity_dashed;
	guint psk_key_dashed;
	char *pid;
	char *pps;
	char *otp;
	char *admin_password;
	char *mebx_password;
	char *server_version;
	char *dhcp_suffix;
	char *trusted_suffix;
	GPtrArray *faults; /* of PvSimFault */
} PvSimSwitches;

PvSimSwitches *pv_sim_switches_new(void); /* all at their defaults */
PvSimSwitches *pv_sim_switches_dup(const PvSimSwitches *switches);
void pv_sim_switches_free(PvSimSwitches *switches);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimSwitches, pv_sim_switches_free)

/* "name=value"; an error says what the switch takes. "fault=..." adds one, "fault=" clears them. */
gboolean pv_sim_switches_set(
    PvSimSwitches *switches, const char *assignment, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Every switch with its value as text, in the order of the table; g_ptr_array_unref() */
GPtrArray *pv_sim_switches_list(const PvSimSwitches *switches);
/* PID or PPS (amt/02): @count characters A-Z and 0-9, in groups of four with dashes or without. Without dashes;
 * g_free(). NULL: not of this form. */
char *pv_sim_switches_read_code(const char *text, gsize count);
/* The table for `provost-sim switches`; g_free() */
char *pv_sim_switches_describe(void);

G_END_DECLS
