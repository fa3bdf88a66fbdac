/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/provost.h>

G_BEGIN_DECLS

#define WIRELESS_SETTINGS "CIM_WiFiEndpointSettings"
#define WIRELESS_EAP "CIM_IEEE8021xSettings"
#define WIRELESS_SERVICE "AMT_WiFiPortConfigurationService"

/* Wireless profiles (Intel AMT SDK, CIM_WiFiEndpointSettings), declared ones and those of the device. */

typedef struct {
	char *name; /* ElementName; owned */
	char *ssid; /* owned */
	guint authentication, encryption, bss, priority; /* numbers of the class */
	/* of the device */
	char *instance; /* InstanceID; owned; NULL: only declared */
	gboolean of_user; /* made by the computer's user, and synchronised */
	/* of a declaration */
	const PvValues *values; /* borrowed */
	const char *security; /* "wpa2-enterprise" */
	char *facts; /* name of its facts, "wireless.NAME"; owned */
	PvSecret *passphrase; /* owned; NULL: none */
	PvEap *eap; /* owned; NULL: no 802.1X */
} WirelessProfile;

void wireless_profile_free(WirelessProfile *profile);

/* For the table of the stage. */
extern const PvParam wireless_profile_params[];

/* What the stage declares, judged: of WirelessProfile. */
GPtrArray *wireless_profile_read_declared(PvJob *job, GError **error);

/* What the device has, without the entry that stands for the user's profiles as such: of WirelessProfile. */
GPtrArray *wireless_profile_read_present(PvWsman *amt, GError **error);

WirelessProfile *wireless_profile_find(GPtrArray *profiles, const char *name); /* lent; NULL: none, but perhaps a user's */

/* The device's 802.1X settings of a profile of that name; NULL: none. Of an enumeration of CIM_IEEE8021xSettings. */
const PvInstance *wireless_profile_find_eap(GPtrArray *instances, const char *name);

/* "corp, wpa2-enterprise" */
char *wireless_profile_dup_summary(const WirelessProfile *profile);
char *wireless_profile_dup_object(const WirelessProfile *profile); /* of its rows in a plan */

/* Whether the profile can become the declared one by an update; otherwise it is made anew. */
gboolean wireless_profile_is_same_kind(const WirelessProfile *declared, const WirelessProfile *present, GPtrArray *eap_instances);

/* The rows of what differs; @present NULL: there is no such profile. */
gboolean wireless_profile_plan(const WirelessProfile *declared, const WirelessProfile *present, PvJob *job, PvPlan *plan, GPtrArray *eap_instances, GError **error);

/* AddWiFiSettings, or UpdateWiFiSettings when the profile is in the device. @priority: in place of the declared one; 0:
 * the declared one. */
gboolean wireless_profile_write(const WirelessProfile *declared, const WirelessProfile *present, guint priority, PvJob *job, PvWsman *amt, GError **error);

G_END_DECLS
