/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/audit.h"

#include "sim/dump-build.h"

#include <string.h>

#define AUDIT_SECURITY 16 /* applications: amt/04 section 9 */
#define AUDIT_TIME 21
#define AUDIT_NETWORK 22
#define AUDIT_WIRELESS 27
#define AUDIT_EVENTS_MAX 100 /* of the event log; how many a device holds is not established */
#define AUDIT_SENSOR_ATTACK 6

typedef struct {
	const char *method;
	guint16 app, event;
	enum { AUDIT_ALWAYS, AUDIT_IN_SETUP, AUDIT_HOST_CHANGED } when;
} AuditRow;

/* The events that the reference names. Whether firmware records a TLS or a Kerberos setting at the Put or at
 * CommitChanges is not established. */
static const AuditRow audit_rows[] = {
	{ "AMT_SetupAndConfigurationService.CommitChanges", AUDIT_SECURITY, 1, AUDIT_IN_SETUP },
	{ "AMT_AuthorizationService.AddUserAclEntryEx", AUDIT_SECURITY, 2, AUDIT_ALWAYS },
	{ "AMT_AuthorizationService.UpdateUserAclEntryEx", AUDIT_SECURITY, 3, AUDIT_ALWAYS },
	{ "AMT_AuthorizationService.SetAdminAclEntryEx", AUDIT_SECURITY, 3, AUDIT_ALWAYS },
	{ "AMT_AuthorizationService.RemoveUserAclEntry", AUDIT_SECURITY, 4, AUDIT_ALWAYS },
	{ "AMT_TLSSettingData.Put", AUDIT_SECURITY, 7, AUDIT_ALWAYS },
	{ "AMT_TLSCredentialContext.Create", AUDIT_SECURITY, 8, AUDIT_ALWAYS },
	{ "AMT_TLSCredentialContext.Put", AUDIT_SECURITY, 8, AUDIT_ALWAYS },
	{ "AMT_KerberosSettingData.Put", AUDIT_SECURITY, 13, AUDIT_ALWAYS },
	{ "AMT_SystemPowerScheme.SetPowerScheme", AUDIT_SECURITY, 16, AUDIT_ALWAYS },
	{ "AMT_TimeSynchronizationService.SetHighAccuracyTimeSynch", AUDIT_TIME, 0, AUDIT_ALWAYS },
	{ "AMT_GeneralSettings.Put", AUDIT_NETWORK, 1, AUDIT_HOST_CHANGED },
	{ "AMT_WiFiPortConfigurationService.AddWiFiSettings", AUDIT_WIRELESS, 0, AUDIT_ALWAYS },
	{ "CIM_WiFiEndpointSettings.Delete", AUDIT_WIRELESS, 1, AUDIT_ALWAYS },
	{ "AMT_WiFiPortConfigurationService.UpdateWiFiSettings", AUDIT_WIRELESS, 2, AUDIT_ALWAYS },
};

static const char *
audit_text(guint app, guint event)
{
	static const struct {
		guint app, event;
		const char *text;
	} texts[] = {
		{ AUDIT_SECURITY, 0, "provisioning started" },
		{ AUDIT_SECURITY, 1, "provisioning completed" },
		{ AUDIT_SECURITY, 2, "access entry added" },
		{ AUDIT_SECURITY, 3, "access entry modified" },
		{ AUDIT_SECURITY, 4, "access entry removed" },
		{ AUDIT_SECURITY, 5, "access with invalid credentials" },
		{ AUDIT_SECURITY, 7, "TLS state changed" },
		{ AUDIT_SECURITY, 8, "TLS server certificate set" },
		{ AUDIT_SECURITY, 13, "Kerberos settings modified" },
		{ AUDIT_SECURITY, 16, "power package set" },
		{ AUDIT_TIME, 0, "time set" },
		{ AUDIT_NETWORK, 1, "host name set" },
		{ AUDIT_WIRELESS, 0, "wireless profile added" },
		{ AUDIT_WIRELESS, 1, "wireless profile removed" },
		{ AUDIT_WIRELESS, 2, "wireless profile updated" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		if (texts[i].app == app && texts[i].event == event)
			return texts[i].text;
	}
	return "?";
}

static gboolean
audit_is_full(const PvSimDevice *device)
{
	return pv_sim_audit_count(device) >= device->switches->audit_max;
}

static void
audit_append_number(GByteArray *record, guint32 value, guint bytes)
{
	while (bytes-- > 0) {
		guint8 byte = (guint8)(value >> (8 * bytes));
		g_byte_array_append(record, &byte, 1);
	}
}

/* A length of one byte, then so many */
static void
audit_append_counted(GByteArray *record, gconstpointer data, gsize length)
{
	guint counted = (guint)MIN(length, G_MAXUINT8);
	audit_append_number(record, counted, 1);
	g_byte_array_append(record, data, counted);
}

/* AppId, EventId, initiator, seconds, address, what the event adds; big endian: amt/04 section 9. In set-up without a
 * login the initiator is written as admin, in whose place it acts; the reference does not say. */
/* Who did it. A number of 32 bits and the SID stand for a user of Kerberos (amt/04 section 9); that the number is the
 * last part of the SID is a guess. */
static void
audit_append_user(GByteArray *record, const PvSimDevice *device, PvSimAuditInitiator initiator,
    const PvSimUser *user)
{
	const char *name = user != NULL ? user->name : device->admin_user;
	if (initiator == PV_SIM_AUDIT_DIGEST)
		audit_append_counted(record, name, strlen(name));
	if (initiator != PV_SIM_AUDIT_KERBEROS)
		return;
	gsize length = 0;
	const guint8 *sid = g_bytes_get_data(user->sids->pdata[0], &length);
	guint32 last = 0;
	memcpy(&last, sid + length - sizeof last, sizeof last);
	audit_append_number(record, GUINT32_FROM_LE(last), 4);
	audit_append_counted(record, sid, length);
}

static void
audit_add(PvSimDevice *device, guint app, guint event, PvSimAuditInitiator initiator,
    const PvSimUser *user, gconstpointer extra, gsize length)
{
	if (device->switches->audit_max == 0 ||
	    (audit_is_full(device) && device->switches->audit_when_full == PV_SIM_AUDIT_LOCKS))
		return;
	const char *peer = initiator != PV_SIM_AUDIT_LOCAL ? device->peer : "";
	g_autoptr(GByteArray) record = g_byte_array_new();
	audit_append_number(record, app, 2);
	audit_append_number(record, event, 2);
	audit_append_number(record, initiator, 1);
	audit_append_user(record, device, initiator, user);
	audit_append_number(record, (guint32)pv_sim_device_time(device), 4);
	audit_append_number(record, 0, 1); /* MCLocationType: IPv4 */
	audit_append_counted(record, peer, strlen(peer));
	audit_append_counted(record, extra, length);
	if (device->audit == NULL)
		device->audit = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	while (audit_is_full(device))
		g_ptr_array_remove_index(device->audit, 0);
	g_ptr_array_add(device->audit, g_byte_array_free_to_bytes(g_steal_pointer(&record)));
}

static char *
audit_dup_host(PvSimDevice *device)
{
	return g_strdup(pv_sim_instance_get(
	    pv_sim_device_bag(device, "AMT_GeneralSettings", NULL), "HostName"));
}

gboolean
pv_sim_audit_begin(PvSimDevice *device, const char *method, PvSimAuditMark *mark)
{
	mark->row = -1;
	mark->state = device->state;
	mark->host = NULL;
	for (guint i = 0; i < G_N_ELEMENTS(audit_rows); i++) {
		if (strcmp(audit_rows[i].method, method) != 0 ||
		    (audit_rows[i].when == AUDIT_IN_SETUP && device->state != PV_SIM_IN))
			continue;
		mark->row = (int)i;
		mark->host = audit_dup_host(device);
		return !audit_is_full(device) ||
		       device->switches->audit_when_full != PV_SIM_AUDIT_LOCKS;
	}
	return TRUE;
}

void
pv_sim_audit_end(PvSimDevice *device, PvSimAuditMark *mark, const PvSimUser *user, gboolean done)
{
	g_autofree char *before = g_steal_pointer(&mark->host);
	if (mark->row < 0 || !done)
		return;
	const AuditRow *row = &audit_rows[mark->row];
	g_autofree char *host = audit_dup_host(device);
	g_autofree guint8 *guid = NULL;
	gsize length = 0;
	if (row->when == AUDIT_HOST_CHANGED && g_strcmp0(before, host) == 0)
		return;
	if (row->app == AUDIT_SECURITY &&
	    row->event == 16) /* the scheme's GUID, as SchemeGUID has it */
		guid = g_base64_decode(
		    device->personality->schemes[device->power_scheme].guid_base64, &length);
	audit_add(device, row->app, row->event,
	    user != NULL && user->sids != NULL ? PV_SIM_AUDIT_KERBEROS : PV_SIM_AUDIT_DIGEST, user,
	    guid, length);
}

void
pv_sim_audit_started(PvSimDevice *device)
{
	audit_add(device, AUDIT_SECURITY, 0, PV_SIM_AUDIT_LOCAL, NULL, NULL, 0);
}

void
pv_sim_audit_refused(PvSimDevice *device, const char *user)
{
	const PvSimUser refused = { .name = (char *)user };
	audit_add(device, AUDIT_SECURITY, 5, PV_SIM_AUDIT_DIGEST, &refused, NULL, 0);
}

void
pv_sim_audit_attack(PvSimDevice *device, guint failures)
{
	const PvSimEvent event = { pv_sim_device_time(device), failures };
	if (device->events == NULL)
		device->events = g_array_new(FALSE, FALSE, sizeof event);
	if (device->events->len >= AUDIT_EVENTS_MAX)
		g_array_remove_index(device->events, 0);
	g_array_append_val(device->events, event);
}

guint
pv_sim_audit_count(const PvSimDevice *device)
{
	return device->audit != NULL ? device->audit->len : 0;
}

GBytes *
pv_sim_audit_get(const PvSimDevice *device, guint i)
{
	return device->audit->pdata[i];
}

/* Dumps */

static guint32
audit_number(const guint8 **at, guint bytes)
{
	guint32 value = 0;
	while (bytes-- > 0)
		value = value << 8 | *(*at)++;
	return value;
}

static void
audit_dump_record(JsonBuilder *builder, GBytes *record)
{
	static const char *const initiators[] = { "digest", "kerberos", "local" };
	const guint8 *at = g_bytes_get_data(record, NULL);
	guint app = audit_number(&at, 2);
	guint event = audit_number(&at, 2);
	guint initiator = audit_number(&at, 1);
	g_autofree char *sid = NULL;
	guint name_length = initiator == PV_SIM_AUDIT_DIGEST ? audit_number(&at, 1) : 0;
	g_autofree char *name = g_utf8_make_valid((const char *)at, (gssize)name_length);
	at += name_length;
	if (initiator == PV_SIM_AUDIT_KERBEROS) {
		at += 4; /* the last part of the SID */
		guint sid_length = audit_number(&at, 1);
		sid = g_base64_encode(at, sid_length);
		at += sid_length;
	}
	gint64 time = audit_number(&at, 4);
	at++; /* MCLocationType */
	guint peer_length = audit_number(&at, 1);
	g_autofree char *peer = g_strndup((const char *)at, peer_length);
	at += peer_length;
	guint extra_length = audit_number(&at, 1);
	g_autofree char *extra = g_base64_encode(at, extra_length);
	dump_begin_object(builder, NULL);
	dump_int(builder, "app", app);
	dump_int(builder, "event", event);
	dump_string(builder, "text", audit_text(app, event));
	dump_string(builder, "initiator", initiators[initiator]);
	dump_string(builder, "user", name_length > 0 ? name : NULL);
	if (sid != NULL)
		dump_string(builder, "sid", sid);
	dump_int(builder, "time", time);
	dump_string(builder, "address", peer);
	dump_string(builder, "extra", extra);
	json_builder_end_object(builder);
}

void
pv_sim_dump_logs(JsonBuilder *builder, const PvSimDevice *device)
{
	dump_begin_array(builder, "audit-log");
	for (guint i = 0; i < pv_sim_audit_count(device); i++)
		audit_dump_record(builder, device->audit->pdata[i]);
	json_builder_end_array(builder);
	dump_begin_array(builder, "event-log");
	for (guint i = 0; device->events != NULL && i < device->events->len; i++) {
		const PvSimEvent *event = &g_array_index(device->events, PvSimEvent, i);
		g_autofree char *text = g_strdup_printf(
		    "Authentication failed %u times. The system may be under attack.",
		    event->failures);
		dump_begin_object(builder, NULL);
		dump_int(builder, "time", event->time);
		dump_int(builder, "sensor-type", AUDIT_SENSOR_ATTACK);
		dump_int(builder, "count", event->failures);
		dump_string(builder, "text", text);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}
