/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/switches.h"

G_BEGIN_DECLS

#define PV_SIM_PSK_UNTIL 1100 /* TLS-PSK went with AMT 11 (amt/11) */

typedef struct {
	const char *description;
	const char *guid_base64; /* raw flash byte order, as SchemeGUID carries it */
} PvSimPowerScheme;

/* One firmware generation: a row of the table in personality.c */
typedef struct {
	const char *name; /* as --personality takes it */
	guint version; /* 100 * major + minor, to compare with what classes are since */
	const char *firmware; /* CIM_SoftwareIdentity "AMT" */
	const char *build;
	const char *server; /* in the Server header */
	const char *sku;
	gboolean
	    modern_tls_class; /* AMT_TLSSettingData has NonSecureConnectionsSupported, TLS cannot be switched off */
	gboolean sha1; /* its own certificate is signed with SHA-1 */
	const PvSimPowerScheme *schemes; /* ends with {NULL} */
	const char *const *switches; /* its own defaults; NULL ends */
} PvSimPersonality;

const PvSimPersonality *pv_sim_personality_find(const char *name); /* NULL: none of this name */
const PvSimPersonality *pv_sim_personality_nth(guint index); /* oldest first; NULL: no more */
char *pv_sim_personality_names(void); /* "16.1, 6.2"; g_free() */
/* The defaults of this generation; free with pv_sim_switches_free() */
PvSimSwitches *pv_sim_personality_switches(const PvSimPersonality *personality);

G_END_DECLS
