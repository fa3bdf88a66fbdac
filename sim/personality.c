/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/personality.h"

#include <string.h>

static const PvSimPowerScheme personality_mobile[] = {
	{ "Mobile: ON in S0", "djmXEQtWUEOIcJgS85G1YA==" },
	{ "Mobile: ON in S0, ME Wake in S3, S4-5 (AC only)", "MIAN7gnAeEOvKHhootu+Og==" },
	{ NULL },
};

static const PvSimPowerScheme personality_desktop[] = {
	{ "Desktop: ON in S0", "lE+DEvsQT9yWjh4jKwyQZQ==" },
	{ "Desktop: ON in S0, ME Wake in S3, S4-5", "cyJzRiPcQy+pihPTeYLYVQ==" },
	{ NULL },
};

/* What differs between the generations, as amt/11 and amt/01 section 4 say. Where set-up asks for a login is told of
 * "older firmware" only (amt/03 section 5): here up to 9.5. */
static const char *const personality_3_2[] = { "tls-min=1.0", "tls-max=1.0", "suites=rsa",
	"digest-in-setup=true", "qop=both", "pkcs10=false", "root-hash=sha1",
	"kerberos-needs-spn=true", "kerberos-token-max=4096", NULL };
static const char *const personality_6_2[] = { "tls-min=1.0", "tls-max=1.1", "suites=rsa",
	"digest-in-setup=true", "qop=both", "pkcs10=false", NULL };
static const char *const personality_11_8[] = { "tls-min=1.0", "tls-max=1.1", "suites=rsa", NULL };
static const char *const personality_12_0[] = { "tls-min=1.1", "tls-max=1.2", "suites=rsa", NULL };
/* the certificate of the on-die CA since Tiger Lake; a mobile one, which still has TLS 1.1 */
static const char *const personality_15[] = { "tls-min=1.1", "tls-max=1.2", "suites=rsa",
	"on-die-chain=true", NULL };
/* no plain ports, and TLS 1.2 only */
static const char *const personality_16_1[] = { "plain-port=false", "on-die-chain=true", NULL };
static const char *const personality_19[] = { "plain-port=false", "on-die-chain=true",
	"tls-max=1.3", "commit-needs-mebx=true", "ethernet-hang-msec=60000", NULL };

/* clang-format off */
static const PvSimPersonality personality_rows[] = {
	{ .name = "3.2", .version = 302, .firmware = "3.2.20", .build = "1046", .server = "3.2.20", .sku = "14",
	    .sha1 = TRUE, .schemes = personality_desktop, .switches = personality_3_2 },
	{ .name = "6.2", .version = 602, .firmware = "6.2.61", .build = "1018", .server = "6.2.61", .sku = "16392",
	    .sha1 = TRUE, .schemes = personality_desktop, .switches = personality_6_2 },
	{ .name = "8.1", .version = 801, .firmware = "8.1.71", .build = "3608", .server = "8.1.71", .sku = "16392",
	    .sha1 = TRUE, .schemes = personality_desktop, .switches = personality_6_2 },
	{ .name = "9.5", .version = 905, .firmware = "9.5.61", .build = "3012", .server = "9.5.61", .sku = "16392",
	    .sha1 = TRUE, .schemes = personality_mobile, .switches = personality_6_2 },
	{ .name = "11.8", .version = 1108, .firmware = "11.8.50", .build = "3425", .server = "11.8.50", .sku = "16392",
	    .schemes = personality_desktop, .switches = personality_11_8 },
	{ .name = "12.0", .version = 1200, .firmware = "12.0.67", .build = "1579", .server = "12.0.67", .sku = "16392",
	    .schemes = personality_mobile, .switches = personality_12_0 },
	{ .name = "15", .version = 1500, .firmware = "15.0.23", .build = "1706", .server = "15.0.23.1706", .sku = "16392",
	    .schemes = personality_mobile, .switches = personality_15 },
	{ .name = "16.1", .version = 1601, .firmware = "16.1.25", .build = "2124", .server = "16.1.25.2124", .sku = "16392",
	    .modern_tls_class = TRUE, .schemes = personality_mobile, .switches = personality_16_1 },
	{ .name = "19", .version = 1900, .firmware = "19.0.5", .build = "1967", .server = "19.0.5.1967", .sku = "16392",
	    .modern_tls_class = TRUE, .schemes = personality_desktop, .switches = personality_19 },
};
/* clang-format on */

const PvSimPersonality *
pv_sim_personality_find(const char *name)
{
	for (guint i = 0; i < G_N_ELEMENTS(personality_rows); i++) {
		if (strcmp(personality_rows[i].name, name) == 0)
			return &personality_rows[i];
	}
	return NULL;
}

const PvSimPersonality *
pv_sim_personality_nth(guint index)
{
	return index < G_N_ELEMENTS(personality_rows) ? &personality_rows[index] : NULL;
}

char *
pv_sim_personality_names(void)
{
	GString *names = g_string_new(NULL);
	for (guint i = 0; i < G_N_ELEMENTS(personality_rows); i++)
		g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", personality_rows[i].name);
	return g_string_free(names, FALSE);
}

PvSimSwitches *
pv_sim_personality_switches(const PvSimPersonality *personality)
{
	PvSimSwitches *switches = pv_sim_switches_new();
	for (guint i = 0; personality->switches[i] != NULL; i++) {
		gboolean set = pv_sim_switches_set(switches, personality->switches[i], NULL);
		g_assert(set); /* the table's own values */
	}
	return switches;
}
