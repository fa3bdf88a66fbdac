/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "profile.h"

#include <stdlib.h>

/* Gives the device the declared wireless profiles and no others, and switches its wireless port. */

#define WIRELESS_PORT "CIM_WiFiPort"
#define WIRELESS_PORT_WAS "wireless.port-was" /* fact: the state to be restored */
#define WIRELESS_NAMES "wireless.profiles" /* fact: names of those that have facts, one a line */
#define WIRELESS_PRIORITY_MAX 255
#define WIRELESS_SYNC "localProfileSynchronizationEnabled" /* its first letter is a small one */
#define WIRELESS_UEFI "UEFIWiFiProfileShareEnabled"

enum { WIRELESS_OFF = 3 }; /* of EnabledState */

/* Intel AMT SDK, CIM_WiFiPort.EnabledState; AMT_WiFiPortConfigurationService.localProfileSynchronizationEnabled */
static const struct {
	const char *name, *number;
} wireless_states[] = { { "off", "3" }, { "s0", "32768" }, { "s0-sx", "32769" } },
  wireless_syncs[] = { { "off", "0" }, { "user", "1" }, { "unrestricted", "3" } };

typedef struct {
	PvInstance *port, *service; /* owned; NULL: the firmware has none */
	GPtrArray *declared, *present; /* of WirelessProfile; owned */
	GPtrArray *eap; /* of PvInstance, CIM_IEEE8021xSettings; owned */
} Wireless;

static void
wireless_clear(Wireless *wireless)
{
	pv_instance_free(wireless->port);
	pv_instance_free(wireless->service);
	g_clear_pointer(&wireless->declared, g_ptr_array_unref);
	g_clear_pointer(&wireless->present, g_ptr_array_unref);
	g_clear_pointer(&wireless->eap, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Wireless, wireless_clear)

/* An enumeration whose class the firmware may lack: then it is empty. */
static GPtrArray *
wireless_enumerate(PvWsman *amt, const char *class_name, GError **error)
{
	g_autoptr(GError) local_error = NULL;
	GPtrArray *instances = pv_wsman_enumerate(amt, class_name, &local_error);
	if (instances != NULL)
		return instances;
	if (g_error_matches(local_error, PV_ERROR, PV_ERROR_UNSUPPORTED))
		return g_ptr_array_new();
	g_propagate_error(error, g_steal_pointer(&local_error));
	return NULL;
}

/* Capability first: without a port nothing else is asked for. */
static gboolean
wireless_read(Wireless *wireless, PvJob *job, PvWsman *amt, GError **error)
{
	g_autoptr(GPtrArray) ports = wireless_enumerate(amt, WIRELESS_PORT, error);
	if (ports == NULL)
		return FALSE;
	if (ports->len == 0)
		return TRUE;
	wireless->port = pv_instance_dup(g_ptr_array_index(ports, 0));
	g_autoptr(GError) local_error = NULL;
	wireless->service = pv_wsman_get(amt, WIRELESS_SERVICE, NULL, &local_error);
	if (g_error_matches(local_error, PV_ERROR, PV_ERROR_UNSUPPORTED))
		return TRUE;
	if (wireless->service == NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	wireless->declared = wireless_profile_read_declared(job, error);
	wireless->present =
	    wireless->declared == NULL ? NULL : wireless_profile_read_present(amt, error);
	wireless->eap =
	    wireless->present == NULL ? NULL : wireless_enumerate(amt, WIRELESS_EAP, error);
	return wireless->eap != NULL;
}

/* Whether a profile of the device is not declared and has to go. */
static gboolean
wireless_is_foreign(PvJob *job, const Wireless *wireless, const WirelessProfile *profile)
{
	if (profile->of_user)
		return g_str_equal(pv_job_get_string(job, "user-profiles"), "remove");
	return wireless_profile_find(wireless->declared, profile->name) == NULL &&
	       !pv_job_get_bool(job, "keep-foreign");
}

/* What stays may have a priority that is declared here. */
static gboolean
wireless_check_priorities(PvJob *job, const Wireless *wireless, GError **error)
{
	for (guint i = 0; i < wireless->present->len; i++) {
		const WirelessProfile *present = g_ptr_array_index(wireless->present, i);
		if (present->of_user || wireless_is_foreign(job, wireless, present) ||
		    wireless_profile_find(wireless->declared, present->name) != NULL)
			continue;
		for (guint k = 0; k < wireless->declared->len; k++) {
			const WirelessProfile *declared = g_ptr_array_index(wireless->declared, k);
			if (declared->priority != present->priority)
				continue;
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "%s: wireless profile \"%s\" has priority %u, which the device's "
			    "\"%s\" "
			    "has: choose another, or let foreign profiles go",
			    pv_values_get_where(declared->values, "priority"), declared->name,
			    declared->priority, present->name);
			return FALSE;
		}
	}
	return TRUE;
}

/* Profiles that are no longer declared lose their facts, so that nothing claims their certificates. */
static void
wireless_forget_facts(PvJob *job, const Wireless *wireless)
{
	const char *known = pv_job_get_fact(job, WIRELESS_NAMES);
	g_auto(GStrv) names = g_strsplit(known == NULL ? "" : known, "\n", -1);
	g_autoptr(GString) now = g_string_new(NULL);
	for (guint i = 0; names[i] != NULL; i++) {
		g_autofree char *facts = g_strconcat("wireless.", names[i], NULL);
		if (*names[i] != '\0' &&
		    wireless_profile_find(wireless->declared, names[i]) == NULL)
			pv_eap_forget(job, facts);
	}
	for (guint i = 0; i < wireless->declared->len; i++)
		g_string_append_printf(now, "%s%s", i > 0 ? "\n" : "",
		    ((const WirelessProfile *)g_ptr_array_index(wireless->declared, i))->name);
	pv_job_set_fact(job, WIRELESS_NAMES, now->len > 0 ? now->str : NULL);
	pv_job_set_fact(job, "wireless.state", wireless->declared->len > 0 ? "on" : "off");
}

/* EnabledState that the port should have; NULL: it is left alone */
static const char *
wireless_get_wanted_state(PvJob *job, const Wireless *wireless)
{
	const char *name = pv_job_get_string(job, "port");
	if (name == NULL && wireless->declared->len == 0)
		return pv_job_get_fact(job, WIRELESS_PORT_WAS);
	for (guint i = 0; i < G_N_ELEMENTS(wireless_states); i++)
		if (g_str_equal(wireless_states[i].name, name != NULL ? name : "s0-sx"))
			return wireless_states[i].number;
	return NULL;
}

static const char *
wireless_get_wanted_sync(PvJob *job)
{
	const char *name = pv_job_get_string(job, "synchronise");
	for (guint i = 0; name != NULL && i < G_N_ELEMENTS(wireless_syncs); i++)
		if (g_str_equal(wireless_syncs[i].name, name))
			return wireless_syncs[i].number;
	return NULL;
}

static void
wireless_plan_port(PvJob *job, PvPlan *plan, const Wireless *wireless)
{
	const char *wanted = wireless_get_wanted_state(job, wireless);
	const char *state = pv_instance_get(wireless->port, "EnabledState");
	if (wanted != NULL && g_strcmp0(state, wanted) != 0)
		pv_plan_add(plan, WIRELESS_PORT, "EnabledState", state, wanted);
	else
		pv_job_set_fact(job, WIRELESS_PORT_WAS, NULL);
	const char *sync = wireless_get_wanted_sync(job);
	if (sync != NULL)
		pv_plan_property(plan, wireless->service, WIRELESS_SYNC, sync);
	if (!pv_values_has(pv_job_get_values(job), "uefi-share"))
		return;
	if (pv_instance_get(wireless->service, WIRELESS_UEFI) != NULL)
		pv_plan_property(plan, wireless->service, WIRELESS_UEFI,
		    pv_job_get_bool(job, "uefi-share") ? "true" : "false");
	else
		pv_job_progress(job, "this firmware does not share profiles with UEFI");
}

static gboolean
wireless_plan_profiles(PvJob *job, PvPlan *plan, const Wireless *wireless, GError **error)
{
	for (guint i = 0; i < wireless->present->len; i++) {
		const WirelessProfile *profile = g_ptr_array_index(wireless->present, i);
		if (!wireless_is_foreign(job, wireless, profile))
			continue;
		g_autofree char *object = wireless_profile_dup_object(profile);
		g_autofree char *summary = wireless_profile_dup_summary(profile);
		pv_plan_add(plan, object, profile->of_user ? "user's" : "", summary, "");
	}
	for (guint i = 0; i < wireless->declared->len; i++) {
		const WirelessProfile *declared = g_ptr_array_index(wireless->declared, i);
		const WirelessProfile *present =
		    wireless_profile_find(wireless->present, declared->name);
		if (!wireless_profile_plan(declared, present, job, plan, wireless->eap, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
wireless_plan(PvJob *job, PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	g_auto(Wireless) wireless = { 0 };
	if (amt == NULL || !wireless_read(&wireless, job, amt, error))
		return FALSE;
	pv_job_set_fact(job, "wireless", wireless.port != NULL ? "true" : "false");
	if (wireless.port == NULL) {
		pv_job_skip(job, "the device has no wireless port: it is wired only");
		return TRUE;
	}
	if (wireless.service == NULL) {
		const char *version = pv_job_get_fact(job, "amt.version");
		pv_job_skip(job,
		    "AMT %s has a wireless port, but takes no profiles over the network: it needs "
		    "%s, which came with AMT 4.0",
		    version != NULL ? version : "of an unknown version", WIRELESS_SERVICE);
		return TRUE;
	}
	if (!wireless_check_priorities(job, &wireless, error) ||
	    !wireless_plan_profiles(job, plan, &wireless, error))
		return FALSE;
	wireless_plan_port(job, plan, &wireless);
	wireless_forget_facts(job, &wireless);
	return TRUE;
}

/* The port */

static gboolean
wireless_set_port(PvWsman *amt, const char *state, GError **error)
{
	g_autoptr(PvInstance) input = pv_instance_new("RequestStateChange_INPUT");
	pv_instance_add(input, "RequestedState", state);
	g_autoptr(PvInstance) output =
	    pv_wsman_invoke(amt, WIRELESS_PORT, NULL, "RequestStateChange", input, NULL, error);
	return output != NULL;
}

/* The address that the firmware tells of a port; NULL: none. */
static const char *
wireless_get_address(const PvInstance *port)
{
	const char *address = port == NULL ? NULL : pv_instance_get(port, "IPAddress");
	return address == NULL || *address == '\0' || g_str_equal(address, "0.0.0.0") ? NULL
										      : address;
}

/* Whether switching the port off would cut off the session. In doubt it would. */
static gboolean
wireless_carries_session(PvJob *job, PvWsman *amt, gboolean *carries, GError **error)
{
	g_autoptr(GPtrArray) ports = pv_wsman_enumerate(amt, "AMT_EthernetPortSettings", error);
	const char *address = pv_device_get_address(pv_job_get_device(job));
	const PvInstance *wired = NULL, *air = NULL;
	if (ports == NULL)
		return FALSE;
	for (guint i = 0; i < ports->len; i++) {
		const PvInstance *port = g_ptr_array_index(ports, i);
		const char *id = pv_instance_get(port, "InstanceID");
		if (id != NULL && g_str_has_suffix(id, " 0"))
			wired = port;
		else if (id != NULL && g_str_has_suffix(id, " 1"))
			air = port;
	}
	const char *wired_address = wireless_get_address(wired);
	const char *air_address = wireless_get_address(air);
	if (air == NULL || !pv_instance_get_bool(air, "LinkIsUp"))
		*carries = FALSE;
	else if (wired == NULL || !pv_instance_get_bool(wired, "LinkIsUp"))
		*carries = TRUE;
	else if (address == NULL || !g_hostname_is_ip_address(address))
		*carries = TRUE;
	else if (air_address != NULL)
		*carries = g_str_equal(address, air_address);
	else
		*carries = wired_address == NULL || !g_str_equal(address, wired_address);
	return TRUE;
}

/* After @refusal: AMT neither deletes nor changes the profile it is connected by. Switches the port off, where that does not
 * cut off the session, so that it can be tried again. */
static gboolean
wireless_free_profile(PvJob *job, PvWsman *amt, Wireless *wireless, GError *refusal, GError **error)
{
	const char *state = pv_instance_get(wireless->port, "EnabledState");
	gboolean carries = FALSE;
	/* what is in use may be refused as AccessDenied, too */
	if ((!g_error_matches(refusal, PV_ERROR, PV_ERROR_REJECTED) &&
		!g_error_matches(refusal, PV_ERROR, PV_ERROR_AUTH)) ||
	    state == NULL || strtoul(state, NULL, 10) == WIRELESS_OFF) {
		g_propagate_error(error, g_error_copy(refusal));
		return FALSE;
	}
	if (!wireless_carries_session(job, amt, &carries, error))
		return FALSE;
	if (carries) {
		g_propagate_prefixed_error(error, g_error_copy(refusal),
		    "the device may be connected by this profile, and its port cannot be switched "
		    "off, for it seems to carry this very session: connect the device by wire: ");
		return FALSE;
	}
	pv_job_progress(job, "switching the wireless port off to free its active profile");
	pv_job_set_fact(job, WIRELESS_PORT_WAS, state);
	if (!pv_job_save_facts(job, error) || !wireless_set_port(amt, "3", error))
		return FALSE;
	pv_instance_set(wireless->port, "EnabledState", "3");
	return TRUE;
}

/* After a failure: a device that cannot be reached by air until the next run would be no better off. */
static void
wireless_restore_port(PvJob *job, PvWsman *amt, Wireless *wireless, const GError *failure)
{
	const char *was = pv_job_get_fact(job, WIRELESS_PORT_WAS);
	const char *state = pv_instance_get(wireless->port, "EnabledState");
	if (was == NULL || g_strcmp0(state, was) == 0 ||
	    g_error_matches(failure, PV_ERROR, PV_ERROR_UNREACHABLE) ||
	    g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return;
	g_autoptr(GError) local_error = NULL;
	if (wireless_set_port(amt, was, &local_error))
		pv_job_progress(job, "wireless port is as it was before");
	else /* the fact stays, and the next run tries again */
		pv_job_progress(job, "wireless port stays off: %s", local_error->message);
}

/* The profiles */

/* What the profiles refer to so far, and no declared one will: certificate-cleanup deletes what nothing else uses. */
static gboolean
wireless_release(PvJob *job, PvWsman *amt, GError **error)
{
	g_autoptr(GHashTable) references =
	    pv_cert_store_read_references(amt, "CIM_CredentialContext", error);
	if (references == NULL)
		return FALSE;
	GHashTableIter iter;
	gpointer id = NULL;
	g_hash_table_iter_init(&iter, references);
	while (g_hash_table_iter_next(&iter, &id, NULL))
		if (!pv_cert_store_release(job, id, error))
			return FALSE;
	return TRUE;
}

static gboolean
wireless_delete(
    PvJob *job, PvWsman *amt, Wireless *wireless, const WirelessProfile *profile, GError **error)
{
	g_autoptr(GError) refusal = NULL;
	const PvSelector selectors[] = { { "InstanceID", profile->instance }, { NULL, NULL } };
	if (pv_wsman_delete(amt, WIRELESS_SETTINGS, selectors, &refusal))
		return TRUE;
	if (wireless_free_profile(job, amt, wireless, refusal, error) &&
	    pv_wsman_delete(amt, WIRELESS_SETTINGS, selectors, error))
		return TRUE;
	g_prefix_error(error, "delete wireless profile %s: ", profile->name);
	return FALSE;
}

/* Whether the profile of the device goes: it is not declared, or has to be made anew. */
static gboolean
wireless_is_leaving(PvJob *job, const Wireless *wireless, const WirelessProfile *profile)
{
	const WirelessProfile *declared =
	    profile->of_user ? NULL : wireless_profile_find(wireless->declared, profile->name);
	return declared != NULL ? !wireless_profile_is_same_kind(declared, profile, wireless->eap)
				: wireless_is_foreign(job, wireless, profile);
}

/* All that goes, at once, and what only that has used: a new profile may need the room. */
static gboolean
wireless_delete_profiles(PvJob *job, PvWsman *amt, Wireless *wireless, GError **error)
{
	gboolean of_users = FALSE;
	guint before = wireless->present->len;
	for (guint i = 0; i < wireless->present->len;) {
		const WirelessProfile *profile = g_ptr_array_index(wireless->present, i);
		if (!wireless_is_leaving(job, wireless, profile)) {
			i++;
			continue;
		}
		if (!profile->of_user && !wireless_delete(job, amt, wireless, profile, error))
			return FALSE;
		of_users = of_users || profile->of_user;
		g_ptr_array_remove_index(wireless->present, i);
	}
	if (of_users) {
		g_autoptr(PvInstance) output = pv_wsman_invoke(
		    amt, WIRELESS_SERVICE, NULL, "DeleteAllUserProfiles", NULL, NULL, error);
		if (output == NULL)
			return FALSE;
	}
	return wireless->present->len == before || pv_cert_store_sweep(job, error);
}

static gboolean
wireless_write(PvJob *job, PvWsman *amt, Wireless *wireless, const WirelessProfile *declared,
    guint priority, GError **error)
{
	WirelessProfile *present = wireless_profile_find(wireless->present, declared->name);
	g_autoptr(GError) refusal = NULL;
	if (!wireless_profile_write(declared, present, priority, job, amt, &refusal)) {
		/* only what is there already can be what the device is connected by */
		if (present == NULL) {
			g_propagate_error(error, g_steal_pointer(&refusal));
			return FALSE;
		}
		if (!wireless_free_profile(job, amt, wireless, refusal, error) ||
		    !wireless_profile_write(declared, present, priority, job, amt, error))
			return FALSE;
	}
	if (present != NULL)
		present->priority = priority != 0 ? priority : declared->priority;
	if (priority == 0) /* else it is written once more */
		pv_job_progress(job, "wireless profile %s written", declared->name);
	return TRUE;
}

static WirelessProfile *
wireless_find_priority(const Wireless *wireless, guint priority)
{
	for (guint i = 0; i < wireless->present->len; i++) {
		WirelessProfile *profile = g_ptr_array_index(wireless->present, i);
		if (profile->priority == priority && !profile->of_user)
			return profile;
	}
	return NULL;
}

/* A priority that nothing has and nothing is to have; 0: none */
static guint
wireless_get_free_priority(const Wireless *wireless)
{
	for (guint priority = WIRELESS_PRIORITY_MAX; priority > 0; priority--) {
		gboolean taken = wireless_find_priority(wireless, priority) != NULL;
		for (guint i = 0; !taken && i < wireless->declared->len; i++)
			taken = ((const WirelessProfile *)g_ptr_array_index(wireless->declared, i))
				    ->priority == priority;
		if (!taken)
			return priority;
	}
	return 0;
}

/* No two profiles may have the same priority, not even while they are changed one by one. */
static gboolean
wireless_write_profiles(
    PvJob *job, PvWsman *amt, const PvPlan *plan, Wireless *wireless, GError **error)
{
	for (guint i = 0; i < wireless->declared->len; i++) {
		const WirelessProfile *declared = g_ptr_array_index(wireless->declared, i);
		g_autofree char *object = wireless_profile_dup_object(declared);
		if (!pv_plan_has(plan, object, NULL))
			continue;
		const WirelessProfile *holder =
		    wireless_find_priority(wireless, declared->priority);
		const WirelessProfile *moved =
		    holder == NULL || g_str_equal(holder->name, declared->name)
			? NULL
			: wireless_profile_find(wireless->declared, holder->name);
		guint spare = moved == NULL ? 0 : wireless_get_free_priority(wireless);
		if (moved != NULL && spare != 0 &&
		    !wireless_write(job, amt, wireless, moved, spare, error))
			return FALSE;
		if (!wireless_write(job, amt, wireless, declared, 0, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
wireless_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	PvWsman *amt = pv_job_get_wsman(job, error);
	g_auto(Wireless) wireless = { 0 };
	if (amt == NULL || !wireless_read(&wireless, job, amt, error))
		return FALSE;
	if (wireless.service == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "set wireless profiles: the device has no wireless port any more");
		return FALSE;
	}
	wireless_forget_facts(job, &wireless);
	g_autoptr(GError) failure = NULL;
	if (!wireless_release(job, amt, &failure) ||
	    !wireless_delete_profiles(job, amt, &wireless, &failure) ||
	    !wireless_write_profiles(job, amt, plan, &wireless, &failure)) {
		wireless_restore_port(job, amt, &wireless, failure);
		g_propagate_error(error, g_steal_pointer(&failure));
		return FALSE;
	}
	const char *state = pv_instance_get(wireless.port, "EnabledState");
	const char *wanted = wireless_get_wanted_state(job, &wireless);
	if (wanted != NULL && g_strcmp0(state, wanted) != 0 &&
	    !wireless_set_port(amt, wanted, error)) {
		g_prefix_error(error, "switch wireless port: ");
		return FALSE;
	}
	return pv_plan_put(plan, job, error);
}

static const PvParam wireless_params[] = {
	{ "profiles", PV_PARAM_OBJECTS, "[]", "all profiles that the device should have",
	    .fields = wireless_profile_params },
	{ "keep-foreign", PV_PARAM_BOOL, "false",
	    "leave profiles alone that an administrator made and that are not declared here" },
	{ "user-profiles", PV_PARAM_CHOICE, "\"keep\"",
	    "what becomes of the profiles of the computer's user", .choices = "keep|remove" },
	{ "port", PV_PARAM_CHOICE, "null",
	    "when the device uses its wireless port: while the system runs, also while it sleeps "
	    "on "
	    "mains; absent: the latter if there are profiles, else as it is",
	    .choices = "off|s0|s0-sx" },
	{ "synchronise", PV_PARAM_CHOICE, "null",
	    "which of the system's profiles the device takes over; absent: as it is",
	    .choices = "off|user|unrestricted" },
	{ "uefi-share", PV_PARAM_BOOL, "null",
	    "let UEFI use the profiles, from AMT 16 on; absent: as it is" },
	{ NULL },
};

static const char *const wireless_provides[] = { "wireless", "wireless.state", NULL };

static const PvStage wireless_stages[] = {
	{
	    .type = "wireless",
	    .summary = "gives the device the declared wireless profiles and no others",
	    .params = wireless_params,
	    .provides = wireless_provides,
	    .plan = wireless_plan,
	    .apply = wireless_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "wireless", PV_VERSION, "wireless profiles of a device", .stages = wireless_stages);
