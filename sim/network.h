/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"

G_BEGIN_DECLS

/* Where a device can be reached, and what decides it */

/* Home domains are set and DHCP's suffix is none of them: the remote ports are closed (amt/04 section 7) */
gboolean pv_sim_environment_is_outside(const PvSimDevice *device);

/* Redirection on port 16994 (plain) or 16995 (TLS): is the port open? */
gboolean pv_sim_redirection_listens(const PvSimDevice *device, gboolean tls);

/* The wireless side (amt/08 section 2). A profile is what was written to an instance of CIM_WiFiEndpointSettings. */
gboolean pv_sim_wireless_exists(const PvSimDevice *device);
guint pv_sim_wireless_port_state(const PvSimDevice *device); /* 3, 32768 or 32769 */
GPtrArray *pv_sim_wireless_profiles(const PvSimDevice *device); /* lent; g_ptr_array_unref() */
/* CIM_IEEE8021xSettings of a profile; NULL: it has none */
const PvSimInstance *pv_sim_wireless_settings(
    const PvSimDevice *device, const PvSimInstance *profile);
/* The profile whose network is in range and has the first priority; NULL: the link is down */
const PvSimInstance *pv_sim_wireless_active(const PvSimDevice *device);
/* What is in range: "up" (any network), "down", or one SSID */
void pv_sim_wireless_set_link(PvSimDevice *device, const char *link);
/* A profile that the user's software brought; FALSE: no room for it, or no port */
gboolean pv_sim_wireless_add_user(PvSimDevice *device, const char *ssid);

/* 802.1X (amt/08 section 1). Settings are those of CIM_IEEE8021xSettings, with DMTF's numbers. */
const PvSimInstance *pv_sim_8021x_wired(const PvSimDevice *device); /* NULL: off */
gboolean pv_sim_8021x_needs_client(const PvSimInstance *settings); /* EAP-TLS, EAP-FAST/TLS */
const char *pv_sim_8021x_judge(
    const PvSimInstance *settings); /* why they are refused; NULL: fine */
/* ServerCertificateNameComparison as clients write it to DMTF's number, and back; FALSE: no number of this class */
gboolean pv_sim_8021x_read_comparison(const PvSimDevice *device, PvSimInstance *settings);
void pv_sim_8021x_show_comparison(const PvSimDevice *device, PvSimInstance *settings);
/* The handle of a root, or of a certificate with a key; -1 for no reference; FALSE: it names none */
gboolean pv_sim_8021x_find_certificate(
    const PvSimDevice *device, const PvSimEpr *epr, gboolean root, int *handle);
/* The associations of one user of certificates, as instances of @class_name */
void pv_sim_8021x_list_contexts(const PvSimDevice *device, const char *class_name, const char *user,
    const char *provider, const char *provider_id, GPtrArray *instances);

G_END_DECLS
