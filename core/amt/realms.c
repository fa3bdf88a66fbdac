/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/realms.h"

#include <string.h>

/* clang-format off */
static const PvRealm realms[] = {
	{ 0, "InvalidRealm", NULL, NULL, NULL, FALSE },
	{ 1, "ReservedRealm0", NULL, NULL, NULL, FALSE },
	{ 2, "RedirectionRealm", "Redirection", "SOL/IDE-R/USB-R sessions, listener state", NULL, TRUE },
	{ 3, "PTAdministrationRealm", NULL, "all functions", NULL, TRUE },
	{ 4, "HardwareAssetRealm", "Hardware Asset", "hardware inventory", NULL, TRUE },
	{ 5, "RemoteControlRealm", "Remote Control", "power control, boot options", NULL, TRUE },
	{ 6, "StorageRealm", "Storage", "3PDS storage", NULL, TRUE },
	{ 7, "EventManagerRealm", "Event Manager", "event filters, subscriptions", NULL, TRUE },
	{ 8, "StorageAdminRealm", "Storage Admin", "3PDS administration", NULL, TRUE },
	{ 9, "AgentPresenceLocalRealm", "Agent Presence Local", "agent presence, local side", NULL, TRUE },
	{ 10, "AgentPresenceRemoteRealm", "Agent Presence Remote", "agent presence, console side", NULL, TRUE },
	{ 11, "CircuitBreakerRealm", "Circuit Breaker", "system defense", NULL, TRUE },
	{ 12, "NetworkTimeRealm", "Network Time", "clock", NULL, TRUE },
	{ 13, "GeneralInfoRealm", "General Information", "general info", NULL, TRUE },
	{ 14, "FirmwareUpdateRealm", "Firmware Update", "firmware update", NULL, FALSE },
	{ 15, "EITRealm", "EIT", "embedded IT", NULL, FALSE },
	{ 16, "LocalUN", "LocalUN", "local user notification ($$uns)", NULL, FALSE },
	{ 17, "EndpointAccessControlRealm", "Endpoint Access Control", "NAC posture", NULL, TRUE },
	{ 18, "EndpointAccessControlAdminRealm", "Endpoint Access Control Admin", "NAC administration", NULL, TRUE },
	{ 19, "EventLogReaderRealm", "Event Log Reader", "read event log", NULL, TRUE },
	{ 20, "AuditLogRealm", "Audit Log", "audit log", "4.0", TRUE },
	{ 21, "ACLRealm", "ACL Realm", "user access control", "4.0", TRUE },
	{ 22, "ReservedRealm1", NULL, NULL, NULL, FALSE },
	{ 23, "ReservedRealm2", NULL, NULL, "5.1", FALSE },
	{ 24, "LocalSystemRealm", "Local System", "OS administrator account", NULL, TRUE },
};
/* clang-format on */

const PvRealm *
pv_realm_get_all(gsize *count)
{
	*count = G_N_ELEMENTS(realms);
	return realms;
}

const PvRealm *
pv_realm_get(guint value)
{
	for (gsize i = 0; i < G_N_ELEMENTS(realms); i++)
		if (realms[i].value == value)
			return &realms[i];
	return NULL;
}

static gboolean
realm_is_called(const PvRealm *realm, const char *name)
{
	if (g_ascii_strcasecmp(name, realm->name) == 0)
		return TRUE;
	if (realm->ui_name != NULL && g_ascii_strcasecmp(name, realm->ui_name) == 0)
		return TRUE;
	gsize length = strlen(name);
	return g_str_has_suffix(realm->name, "Realm") &&
	       strlen(realm->name) == length + strlen("Realm") &&
	       g_ascii_strncasecmp(name, realm->name, length) == 0;
}

const PvRealm *
pv_realm_find(const char *name)
{
	guint64 value = 0;
	if (g_ascii_string_to_unsigned(name, 10, 0, G_MAXUINT, &value, NULL))
		return pv_realm_get((guint)value);
	for (gsize i = 0; i < G_N_ELEMENTS(realms); i++)
		if (realm_is_called(&realms[i], name))
			return &realms[i];
	return NULL;
}
