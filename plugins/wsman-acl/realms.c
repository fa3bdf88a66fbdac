/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "realms.h"

#include <provost/error.h>

#include <string.h>

typedef struct {
	guint value;
	const char *name; /* of the MOF, without "Realm" */
	const char *alias; /* what user interfaces call it; NULL: the same with blanks */
	gboolean assignable;
} AclRealm;

// clang-format off
static const AclRealm acl_realms[] = {
	{ 2, "Redirection", NULL, TRUE },
	{ 3, "PTAdministration", "Administration", TRUE },
	{ 4, "HardwareAsset", NULL, TRUE },
	{ 5, "RemoteControl", NULL, TRUE },
	{ 6, "Storage", NULL, TRUE },
	{ 7, "EventManager", NULL, TRUE },
	{ 8, "StorageAdmin", NULL, TRUE },
	{ 9, "AgentPresenceLocal", NULL, TRUE },
	{ 10, "AgentPresenceRemote", NULL, TRUE },
	{ 11, "CircuitBreaker", "SystemDefense", TRUE },
	{ 12, "NetworkTime", NULL, TRUE },
	{ 13, "GeneralInfo", "GeneralInformation", TRUE },
	{ 14, "FirmwareUpdate", NULL, FALSE },
	{ 15, "EIT", NULL, FALSE },
	{ 16, "LocalUN", NULL, FALSE },
	{ 17, "EndpointAccessControl", NULL, TRUE },
	{ 18, "EndpointAccessControlAdmin", NULL, TRUE },
	{ 19, "EventLogReader", NULL, TRUE },
	{ 20, "AuditLog", NULL, TRUE },
	{ 21, "ACL", "UserAccessControl", TRUE },
	{ 24, "LocalSystem", NULL, TRUE },
};
// clang-format on

/* Lower case, without blanks and without "Realm" at the end. */
static char *
acl_realm_fold(const char *name)
{
	g_autofree char *folded = g_ascii_strdown(name, -1);
	char *to = folded;
	for (const char *from = folded; *from != '\0'; from++)
		if (*from != ' ')
			*to++ = *from;
	*to = '\0';
	if (g_str_has_suffix(folded, "realm"))
		folded[strlen(folded) - strlen("realm")] = '\0';
	return g_steal_pointer(&folded);
}

static gboolean
acl_realm_is(const AclRealm *realm, const char *folded)
{
	return g_ascii_strcasecmp(realm->name, folded) == 0 ||
	       (realm->alias != NULL && g_ascii_strcasecmp(realm->alias, folded) == 0);
}

static char *
acl_realm_list_assignable(void)
{
	guint32 all = 0;
	for (gsize i = 0; i < G_N_ELEMENTS(acl_realms); i++)
		if (acl_realms[i].assignable)
			all |= (guint32)1 << acl_realms[i].value;
	return acl_realms_to_text(all);
}

gboolean
acl_realm_find(const char *name, const char *where, guint *realm, GError **error)
{
	g_autofree char *folded = acl_realm_fold(name);
	for (gsize i = 0; i < G_N_ELEMENTS(acl_realms); i++) {
		if (!acl_realm_is(&acl_realms[i], folded))
			continue;
		if (!acl_realms[i].assignable) {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "%s: realm \"%s\" is the firmware's own and not for users", where,
			    name);
			return FALSE;
		}
		*realm = acl_realms[i].value;
		return TRUE;
	}
	g_autofree char *known = acl_realm_list_assignable();
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: unknown realm \"%s\"; known are %s",
	    where, name, known);
	return FALSE;
}

char *
acl_realms_to_text(guint32 realms)
{
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint value = 0; value < 32; value++) {
		if ((realms >> value & 1) == 0)
			continue;
		if (text->len > 0)
			g_string_append(text, ", ");
		gsize i = 0;
		while (i < G_N_ELEMENTS(acl_realms) && acl_realms[i].value != value)
			i++;
		if (i < G_N_ELEMENTS(acl_realms))
			g_string_append(text, acl_realms[i].name);
		else
			g_string_append_printf(text, "%u", value);
	}
	return g_strdup(text->str);
}
