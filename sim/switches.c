/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/switches.h"

#include <gio/gio.h>
#include <string.h>

typedef enum { SWITCH_BOOL, SWITCH_UINT, SWITCH_CHOICE, SWITCH_TEXT, SWITCH_CODE } SwitchKind;

typedef struct {
	const char *name;
	SwitchKind kind;
	gsize offset;
	const char *fallback;
	const char *choices; /* separated by |; of a code: how many characters */
	const char *tag; /* how sure the default is: see switches_describe */
	const char *summary;
} SwitchRow;

#define AT(field) G_STRUCT_OFFSET(PvSimSwitches, field)

/* clang-format off */
static const SwitchRow switch_rows[] = {
	{ "suffix-rule", SWITCH_CHOICE, AT(suffix_rule), "two-labels", "strict|two-labels|loose", "V", "how the certificate's CN must agree with the DNS suffix: all labels, the last two, or either is the other's tail" },
	{ "pki-alert", SWITCH_CHOICE, AT(pki_alert), "bad-certificate", "bad-certificate|certificate-unknown", "?", "the TLS alert for a refused provisioning certificate" },
	{ "root-hash", SWITCH_CHOICE, AT(root_hash), "sha256", "sha256|sha1|sha384", "R", "the kind of hashes of root certificates in the firmware's table" },
	{ "otp", SWITCH_TEXT, AT(otp), "", NULL, "-", "the one-time password that a local agent has set" },
	{ "otp-padding", SWITCH_CHOICE, AT(otp_padding), "none", "none|zero32", "?", "whether a short one-time password is filled with zero bytes to 32" },
	{ "otp-unset", SWITCH_CHOICE, AT(otp_unset), "zeros", "zeros|omit", "?", "how no one-time password reads in set-up" },
	{ "digest-in-setup", SWITCH_BOOL, AT(digest_in_setup), "false", NULL, "C", "whether set-up over the provisioning TLS asks for a login" },
	{ "qop", SWITCH_CHOICE, AT(qop), "auth", "auth|auth-int|both", "R", "the Digest qualities that the challenge offers" },
	{ "nonce-requests", SWITCH_UINT, AT(nonce_requests), "0", NULL, "?", "requests that a nonce lasts; 0: for ever" },
	{ "close-after-401", SWITCH_BOOL, AT(close_after_401), "true", NULL, "R", "whether the connection closes after a 401" },
	{ "lock-after", SWITCH_UINT, AT(lock_after), "10", NULL, "S", "failed logins in a row before further ones are refused; 0: never" },
	{ "lock-first-sec", SWITCH_UINT, AT(lock_first_sec), "5", NULL, "S", "how long the first refusal lasts, in seconds; doubles each time" },
	{ "lock-max-sec", SWITCH_UINT, AT(lock_max_sec), "80", NULL, "S", "how long a refusal lasts at most, in seconds" },
	{ "lock-calm-sec", SWITCH_UINT, AT(lock_calm_sec), "3600", NULL, "S", "how long after the last failure the count and the refusals begin anew, in seconds" },
	{ "strict", SWITCH_BOOL, AT(strict), "true", NULL, "C", "refuse elements out of order, unknown or sent back though read-only with SchemaValidationError" },
	{ "one-item-pull", SWITCH_BOOL, AT(one_item_pull), "false", NULL, "R", "whether a Pull returns one instance and a new context" },
	{ "chunk-cuts", SWITCH_CHOICE, AT(chunk_cuts), "fixed", "fixed|random|one", "R", "where the chunks of an answer are cut" },
	{ "restart-msec", SWITCH_UINT, AT(restart_msec), "300", NULL, "C", "how long the network stack is away at a restart; real firmware: 2000 to 15000" },
	{ "lost-reply-commit", SWITCH_BOOL, AT(lost_reply_commit), "false", NULL, "C", "CommitChanges works, but its answer is lost" },
	{ "commit-checks", SWITCH_BOOL, AT(commit_checks), "true", NULL, "M", "CommitChanges answers 2057 until clock, host name and TLS certificate are set" },
	{ "commit-needs-mebx", SWITCH_BOOL, AT(commit_needs_mebx), "false", NULL, "C", "CommitChanges answers 2057 until the MEBx password was set (AMT 19)" },
	{ "mebx-policy", SWITCH_CHOICE, AT(mebx_policy), "anytime", "default-only|setup|anytime", "?", "when SetMEBxPassword works: while the password is the default one and set-up lasts, in set-up, or always" },
	{ "ethernet-hang-msec", SWITCH_UINT, AT(ethernet_hang_msec), "0", NULL, "C", "how long the device is away, without an answer, after a Put of AMT_EthernetPortSettings over TLS; 0: it answers" },
	{ "generate-busy", SWITCH_UINT, AT(generate_busy), "0", NULL, "C", "how many times GenerateKeyPair answers 2061 before it works" },
	{ "pkcs10", SWITCH_BOOL, AT(pkcs10), "true", NULL, "M", "whether GeneratePKCS10RequestEx exists" },
	{ "pkcs10-placeholder", SWITCH_CHOICE, AT(pkcs10_placeholder), "any", "any|same", "?", "which signature algorithm the request to be signed may name: any, or the one that is asked for" },
	{ "certificates-max", SWITCH_UINT, AT(certificates_max), "16", NULL, "?", "certificates that the store holds" },
	{ "keys-max", SWITCH_UINT, AT(keys_max), "8", NULL, "?", "key pairs that the store holds" },
	{ "acl-max-digest", SWITCH_UINT, AT(acl_max_digest), "7", NULL, "V", "digest users that the ACL holds" },
	{ "acl-max-kerberos", SWITCH_UINT, AT(acl_max_kerberos), "32", NULL, "V", "directory entries that the ACL holds" },
	{ "acl-page", SWITCH_UINT, AT(acl_page), "50", NULL, "I", "handles that one EnumerateUserAclEntries returns" },
	{ "acl-renumber", SWITCH_BOOL, AT(acl_renumber), "false", NULL, "I", "whether handles move down when an entry below them is removed" },
	{ "kerberos-domains", SWITCH_UINT, AT(kerberos_domains), "4", NULL, "?", "different domains among the directory entries" },
	{ "kerberos-needs-spn", SWITCH_BOOL, AT(kerberos_needs_spn), "false", NULL, "I", "whether KrbEnabled needs ServicePrincipalName, each with its protocol (before AMT 6)" },
	{ "kerberos-salt-readable", SWITCH_BOOL, AT(kerberos_salt_readable), "false", NULL, "?", "whether Get of the Kerberos settings returns Salt and IterationCount" },
	{ "kerberos-strict-spn", SWITCH_BOOL, AT(kerberos_strict_spn), "false", NULL, "S", "whether a ticket must be for a name in ServicePrincipalName; else for anything that the device's key decrypts" },
	{ "kerberos-key-version", SWITCH_BOOL, AT(kerberos_key_version), "false", NULL, "S", "whether a ticket must be of the key version in KeyVersion; else of any" },
	{ "kerberos-token-max", SWITCH_UINT, AT(kerberos_token_max), "0", NULL, "V", "characters of Base64 that a Kerberos token may have (before AMT 6: 4096); 0: as many as fit into a request" },
	{ "kerberos-replays", SWITCH_BOOL, AT(kerberos_replays), "false", NULL, "?", "whether a Kerberos token is taken once more when it comes again" },
	{ "kerberos-stranger", SWITCH_CHOICE, AT(kerberos_stranger), "401", "401|401-token|403", "?", "what somebody gets whose ticket is good but whom no entry of the access list is for; 401-token: with the token that proves the device" },
	{ "kerberos-session", SWITCH_CHOICE, AT(kerberos_session), "request", "request|connection", "?", "how long a login by ticket holds: for one request, or as long as its connection" },
	{ "nonsecure-supported", SWITCH_BOOL, AT(nonsecure_supported), "true", NULL, "M", "value of NonSecureConnectionsSupported, where the class has it" },
	{ "plain-port", SWITCH_BOOL, AT(plain_port), "true", NULL, "S", "whether port 16992 exists" },
	{ "tls-min", SWITCH_CHOICE, AT(tls_min), "1.2", "1.0|1.1|1.2|1.3", "S", "lowest TLS version" },
	{ "tls-max", SWITCH_CHOICE, AT(tls_max), "1.2", "1.0|1.1|1.2|1.3", "S", "highest TLS version" },
	{ "on-die-chain", SWITCH_BOOL, AT(on_die_chain), "false", NULL, "S", "whether the set-up certificate comes from an on-die CA and not self-signed" },
	{ "on-die-certificates", SWITCH_CHOICE, AT(on_die_certificates), "4", "4|6", "C", "how many certificates of the on-die chain are sent" },
	{ "suites", SWITCH_CHOICE, AT(suites), "any", "any|rsa", "I", "cipher suites up to TLS 1.2: any good one, or those with RSA key exchange only" },
	{ "tls-intolerant", SWITCH_BOOL, AT(tls_intolerant), "false", NULL, "C", "whether a client that offers more than TLS 1.0 meets the alert bad_record_mac, as some old firmware has it" },
	{ "tls-trademark", SWITCH_BOOL, AT(tls_trademark), "false", NULL, "C", "whether InstanceIDs of AMT_TLSSettingData have the trademark sign and not (r)" },
	{ "tls-local-first", SWITCH_BOOL, AT(tls_local_first), "false", NULL, "R", "whether a Pull of AMT_TLSSettingData returns the local interface first" },
	{ "pid", SWITCH_CODE, AT(pid), "", "8", "-", "PID for TLS-PSK set-up, as typed into MEBx, up to AMT 10; with pps, hello packets are of version 2" },
	{ "pps", SWITCH_CODE, AT(pps), "", "32", "-", "PPS for TLS-PSK set-up: the secret that goes with pid" },
	{ "psk-setup", SWITCH_CHOICE, AT(psk_setup), "only", "only|both", "?", "whether a device with PID and PPS takes TLS-PSK only, or a provisioning certificate too" },
	{ "psk-identity", SWITCH_CHOICE, AT(psk_identity_dashed), "plain", "plain|dashed", "I", "how the PID is the PSK identity: its 8 characters, or with the dash of the MEBx screen" },
	{ "psk-key", SWITCH_CHOICE, AT(psk_key_dashed), "plain", "plain|dashed", "I", "how the PPS is the pre-shared key: its 32 ASCII characters, or with the dashes of the MEBx screen" },
	{ "wireless", SWITCH_BOOL, AT(wireless), "false", NULL, "C", "whether there is a wireless port" },
	{ "wired", SWITCH_BOOL, AT(wired), "true", NULL, "-", "whether there is a wired port; without one the first address stands for the connection that the computer itself has" },
	{ "wired-absent", SWITCH_CHOICE, AT(wired_absent), "missing", "missing|zero-mac", "I", "how AMT_EthernetPortSettings 0 looks without a wired port" },
	{ "wireless-absent", SWITCH_CHOICE, AT(wireless_absent), "unreachable", "unreachable|empty", "C", "whether wireless classes are unknown without a wireless port, or known and empty" },
	{ "wifi-pseudo-profile", SWITCH_BOOL, AT(wifi_pseudo_profile), "true", NULL, "C", "whether the profile Endpoint User Settings with AuthenticationMethod 1 is listed" },
	{ "wifi-it-max", SWITCH_UINT, AT(wifi_it_max), "16", NULL, "I", "wireless profiles that AddWiFiSettings takes" },
	{ "wifi-user-max", SWITCH_UINT, AT(wifi_user_max), "8", NULL, "I", "wireless profiles of the user" },
	{ "wifi-8021x-max", SWITCH_UINT, AT(wifi_8021x_max), "8", NULL, "V", "wireless profiles with 802.1X" },
	{ "wifi-references", SWITCH_BOOL, AT(wifi_references), "true", NULL, "M", "whether AddWiFiSettings returns references to what it made" },
	{ "wpa3-since", SWITCH_UINT, AT(wpa3_since), "1500", NULL, "?", "first generation that takes WPA3, as 100 * major + minor" },
	{ "tkip-until", SWITCH_UINT, AT(tkip_until), "0", NULL, "?", "last generation that takes TKIP, as 100 * major + minor; 0: all" },
	{ "polymorphic", SWITCH_BOOL, AT(polymorphic), "true", NULL, "R", "whether a Pull of CIM_CredentialContext and CIM_IEEE8021xSettings returns derived classes, too" },
	{ "sku", SWITCH_CHOICE, AT(sku), "pro", "pro|standard", "C", "AMT Pro, or Intel Standard Manageability, which has no KVM" },
	{ "web-ui", SWITCH_CHOICE, AT(web_ui), "present", "present|missing|refused", "I", "whether AMT_WebUIService exists, and whether it can be switched" },
	{ "optin-modifiable", SWITCH_BOOL, AT(optin_modifiable), "true", NULL, "M", "CanModifyOptInPolicy: whether OptInRequired can be changed" },
	{ "8021x-amt-class", SWITCH_BOOL, AT(amt_8021x), "true", NULL, "?", "whether AMT_8021XProfile exists besides IPS_IEEE8021xSettings on AMT 8.0 and later" },
	{ "8021x-comparison", SWITCH_CHOICE, AT(comparison), "dmtf", "dmtf|amt", "?", "numbers of ServerCertificateNameComparison outside of AMT_8021XProfile: 2 full name and 3 suffix, or 0 and 1" },
	{ "console-oid", SWITCH_BOOL, AT(console_oid), "true", NULL, "C", "whether mutual TLS wants Intel's OID of a remote console in the client's certificate" },
	{ "environment-max", SWITCH_UINT, AT(environment_max), "5", NULL, "I", "home domains that AMT_EnvironmentDetectionSettingData takes" },
	{ "environment-lockout", SWITCH_BOOL, AT(environment_lockout), "true", NULL, "S", "whether the remote ports close when DHCP's suffix is none of the home domains" },
	{ "environment-match", SWITCH_CHOICE, AT(environment_match), "exact", "exact|tail", "?", "whether DHCP's suffix must be a home domain, or may lie below one" },
	{ "hello-minute-msec", SWITCH_UINT, AT(hello_minute_msec), "60000", NULL, "V", "how long a minute of the hello schedule lasts" },
	{ "idle-sec", SWITCH_UINT, AT(idle_sec), "60", NULL, "?", "after how many seconds an idle connection is closed" },
	{ "web-off", SWITCH_CHOICE, AT(web_off), "not-found", "not-found|login", "?", "what a browser gets while the web page is off: 404, or a login and then 404" },
	{ "audit-max", SWITCH_UINT, AT(audit_max), "1000", NULL, "?", "records that the audit log holds; 0: nothing is written" },
	{ "audit-when-full", SWITCH_CHOICE, AT(audit_when_full), "wraps", "wraps|locks", "?", "what a full audit log does: forgets the oldest record, or lets what must be audited fail with 2075" },
	{ "admin-password", SWITCH_TEXT, AT(admin_password), "admin", NULL, "V", "network password of admin after a reset" },
	{ "mebx-password", SWITCH_TEXT, AT(mebx_password), "admin", NULL, "V", "MEBx password after a reset" },
	{ "server-version", SWITCH_TEXT, AT(server_version), "", NULL, "C", "version in the Server header, of two to four parts; default: that of the generation" },
	{ "dhcp-suffix", SWITCH_TEXT, AT(dhcp_suffix), "", NULL, "-", "DNS suffix from DHCP option 15; default: that of the fleet" },
	{ "trusted-suffix", SWITCH_TEXT, AT(trusted_suffix), "", NULL, "-", "PKI DNS suffix from MEBx; goes before DHCP's" },
};
/* clang-format on */

static gboolean
switches_is_text(const SwitchRow *row)
{
	return row->kind == SWITCH_TEXT || row->kind == SWITCH_CODE;
}

static guint *
switches_number(const PvSimSwitches *switches, const SwitchRow *row)
{
	return (guint *)G_STRUCT_MEMBER_P(switches, row->offset);
}

static char **
switches_text(const PvSimSwitches *switches, const SwitchRow *row)
{
	return (char **)G_STRUCT_MEMBER_P(switches, row->offset);
}

static gboolean
switches_set_number(guint *number, const SwitchRow *row, const char *value, GError **error)
{
	guint64 parsed = 0;
	if (!g_ascii_string_to_unsigned(value, 10, 0, G_MAXINT32, &parsed, NULL)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "switch %s takes a whole number, not '%s'", row->name, value);
		return FALSE;
	}
	*number = (guint)parsed;
	return TRUE;
}

static gboolean
switches_set_choice(
    guint *number, const SwitchRow *row, const char *choices, const char *value, GError **error)
{
	g_auto(GStrv) names = g_strsplit(choices, "|", -1);
	for (guint i = 0; names[i] != NULL; i++) {
		if (strcmp(names[i], value) == 0) {
			*number = i;
			return TRUE;
		}
	}
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "switch %s takes %s, not '%s'",
	    row->name, choices, value);
	return FALSE;
}

char *
pv_sim_switches_read_code(const char *text, gsize count)
{
	g_autoptr(GString) code = g_string_new(NULL);
	for (const char *c = text; *c != '\0'; c++) {
		gboolean dash = *c == '-' && (c - text) % 5 == 4 && c[1] != '\0';
		if (!dash && !g_ascii_isdigit(*c) && !g_ascii_isupper(*c))
			return NULL;
		if (!dash)
			g_string_append_c(code, *c);
	}
	return code->len == count ? g_strdup(code->str) : NULL;
}

static gboolean
switches_set_code(char **text, const SwitchRow *row, const char *value, GError **error)
{
	guint64 count = g_ascii_strtoull(row->choices, NULL, 10);
	g_autofree char *code =
	    *value == '\0' ? g_strdup("") : pv_sim_switches_read_code(value, count);
	if (code == NULL) {
		/* the value is not told: a PPS is a secret */
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "switch %s takes %s characters A-Z and 0-9, or nothing", row->name,
		    row->choices);
		return FALSE;
	}
	g_free(*text);
	*text = g_steal_pointer(&code);
	return TRUE;
}

static gboolean
switches_set_row(PvSimSwitches *switches, const SwitchRow *row, const char *value, GError **error)
{
	switch (row->kind) {
	case SWITCH_BOOL:
		return switches_set_choice(
		    switches_number(switches, row), row, "false|true", value, error);
	case SWITCH_UINT:
		return switches_set_number(switches_number(switches, row), row, value, error);
	case SWITCH_CHOICE:
		return switches_set_choice(
		    switches_number(switches, row), row, row->choices, value, error);
	case SWITCH_CODE:
		return switches_set_code(switches_text(switches, row), row, value, error);
	case SWITCH_TEXT:
		break;
	}
	g_free(*switches_text(switches, row));
	*switches_text(switches, row) = g_strdup(value);
	return TRUE;
}

static gboolean
switches_add_fault(PvSimSwitches *switches, const char *text, GError **error)
{
	if (*text == '\0') {
		g_ptr_array_set_size(switches->faults, 0);
		return TRUE;
	}
	PvSimFault *fault = pv_sim_fault_parse(text, error);
	if (fault == NULL)
		return FALSE;
	g_ptr_array_add(switches->faults, fault);
	return TRUE;
}

static void
switches_init_texts(PvSimSwitches *switches)
{
	for (guint i = 0; i < G_N_ELEMENTS(switch_rows); i++) {
		gboolean set =
		    switches_set_row(switches, &switch_rows[i], switch_rows[i].fallback, NULL);
		g_assert(set); /* the table's own defaults */
	}
}

PvSimSwitches *
pv_sim_switches_new(void)
{
	PvSimSwitches *switches = g_new0(PvSimSwitches, 1);
	switches->faults = pv_sim_faults_new();
	switches_init_texts(switches);
	return switches;
}

PvSimSwitches *
pv_sim_switches_dup(const PvSimSwitches *switches)
{
	PvSimSwitches *copy = g_memdup2(switches, sizeof *switches);
	for (guint i = 0; i < G_N_ELEMENTS(switch_rows); i++) {
		if (switches_is_text(&switch_rows[i]))
			*switches_text(copy, &switch_rows[i]) =
			    g_strdup(*switches_text(switches, &switch_rows[i]));
	}
	copy->faults = pv_sim_faults_new();
	pv_sim_faults_add(copy->faults, switches->faults, NULL);
	return copy;
}

void
pv_sim_switches_free(PvSimSwitches *switches)
{
	if (switches == NULL)
		return;
	for (guint i = 0; i < G_N_ELEMENTS(switch_rows); i++) {
		if (switches_is_text(&switch_rows[i]))
			g_free(*switches_text(switches, &switch_rows[i]));
	}
	g_ptr_array_unref(switches->faults);
	g_free(switches);
}

/* errors, the log and lists quote what is set */
static gboolean
switches_is_printable(const char *text)
{
	if (!g_utf8_validate(text, -1, NULL))
		return FALSE;
	while (*text != '\0' && !g_ascii_iscntrl(*text))
		text++;
	return *text == '\0';
}

gboolean
pv_sim_switches_set(PvSimSwitches *switches, const char *assignment, GError **error)
{
	if (!switches_is_printable(assignment)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "a switch is NAME=VALUE in one line of printable text");
		return FALSE;
	}
	const char *equals = strchr(assignment, '=');
	if (equals == NULL) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "switch '%s': expected NAME=VALUE", assignment);
		return FALSE;
	}
	g_autofree char *name = g_strndup(assignment, (gsize)(equals - assignment));
	if (strcmp(name, "fault") == 0)
		return switches_add_fault(switches, equals + 1, error);
	for (guint i = 0; i < G_N_ELEMENTS(switch_rows); i++) {
		if (strcmp(switch_rows[i].name, name) == 0)
			return switches_set_row(switches, &switch_rows[i], equals + 1, error);
	}
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
	    "no switch '%s': 'provost-sim switches' lists them", name);
	return FALSE;
}

static char *
switches_value(const PvSimSwitches *switches, const SwitchRow *row)
{
	if (switches_is_text(row))
		return g_strdup(*switches_text(switches, row));
	guint number = *switches_number(switches, row);
	if (row->kind == SWITCH_UINT)
		return g_strdup_printf("%u", number);
	g_auto(GStrv) names =
	    g_strsplit(row->kind == SWITCH_BOOL ? "false|true" : row->choices, "|", -1);
	return g_strdup(names[number]);
}

GPtrArray *
pv_sim_switches_list(const PvSimSwitches *switches)
{
	GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < G_N_ELEMENTS(switch_rows); i++) {
		g_autofree char *value = switches_value(switches, &switch_rows[i]);
		g_ptr_array_add(list, g_strdup_printf("%s=%s", switch_rows[i].name, value));
	}
	for (guint i = 0; i < switches->faults->len; i++) {
		const PvSimFault *fault = switches->faults->pdata[i];
		g_ptr_array_add(list, g_strdup_printf("fault=%s", fault->text));
	}
	return list;
}

char *
pv_sim_switches_describe(void)
{
	GString *text = g_string_new(NULL);
	g_string_append_printf(
	    text, "%-23s %-16s %-4s %s\n", "SWITCH", "DEFAULT", "SURE", "MEANING");
	for (guint i = 0; i < G_N_ELEMENTS(switch_rows); i++) {
		const SwitchRow *row = &switch_rows[i];
		g_string_append_printf(text, "%-23s %-16s %-4s %s", row->name,
		    *row->fallback == '\0' ? "-" : row->fallback, row->tag, row->summary);
		if (row->kind == SWITCH_CHOICE)
			g_string_append_printf(text, " (%s)", row->choices);
		g_string_append_c(text, '\n');
	}
	g_string_append_printf(text, "%-23s %-16s %-4s %s\n", "fault", "-", "-",
	    "CALL:AT:ACTION[:VALUE], a rule of a fault script; several may be given; 'fault=' clears");
	g_autofree char *actions = pv_sim_fault_describe();
	g_string_append_printf(text,
	    "\nCALL is Class.Method, Class.Get, Class.Put, Class.Create, Class.Delete, Class.Enumerate, Class.Pull or *\n"
	    "for any request. AT counts those that fit: N from 1, FIRST-LAST, or * for each. VALUE is for the first of\n"
	    "an action's parameters. Scripts in JSON can set all of them: 'provost-sim fault --help'. ACTION is one of\n%s",
	    actions);
	g_string_append(text,
	    "\nSURE tells where a default comes from: R recorded from a device, C working client code, M Intel's\n"
	    "MOF text, S Intel's SDK pages, V another vendor's document, I inferred, ? not established (verify on\n"
	    "a device), - not a fact about firmware. A personality may have its own default.\n");
	return g_string_free(text, FALSE);
}
