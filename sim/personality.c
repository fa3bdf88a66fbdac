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

/* amt/01 sections 1 and 4, amt/11: no plain ports from 16.1 on, TLS 1.2; certificate of the on-die CA since Tiger Lake */
static const char *const personality_16_1[] = { "plain-port=false", "on-die-chain=true", NULL };
/* TLS 1.0, a login also in set-up (amt/03 section 5), PKCS#10 signing came later (amt/11) */
static const char *const personality_6_2[] = { "tls-min=1.0", "tls-max=1.0", "digest-in-setup=true",
	"pkcs10=false", NULL };

static const PvSimPersonality personality_rows[] = {
	{
	    .name = "16.1",
	    .version = 1601,
	    .firmware = "16.1.25",
	    .build = "2124",
	    .server = "16.1.25.2124",
	    .sku = "16392",
	    .modern_tls_class = TRUE,
	    .schemes = personality_mobile,
	    .switches = personality_16_1,
	},
	{
	    .name = "6.2",
	    .version = 602,
	    .firmware = "6.2.61",
	    .build = "1018",
	    .server = "6.2.61",
	    .sku = "16392",
	    .sha1 = TRUE,
	    .schemes = personality_desktop,
	    .switches = personality_6_2,
	},
};

const PvSimPersonality *
pv_sim_personality_find(const char *name)
{
	for (guint i = 0; i < G_N_ELEMENTS(personality_rows); i++) {
		if (strcmp(personality_rows[i].name, name) == 0)
			return &personality_rows[i];
	}
	return NULL;
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
