/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/generations.h"

#include "sim/classes.h"

#include <string.h>

#define GENERATIONS_MAX 16
#define GENERATIONS_AES 800 /* since then Kerberos has a passphrase, and AES keys */
#define GENERATIONS_WIDTH 64 /* of the first column */

/* A device of each generation, as from the factory: its classes are asked */
typedef struct {
	GPtrArray *roots; /* none */
	PvSimDevice *devices[GENERATIONS_MAX];
	guint count;
} Generations;

static void
generations_clear(Generations *generations)
{
	for (guint i = 0; i < generations->count; i++)
		pv_sim_device_free(generations->devices[i]);
	g_ptr_array_unref(generations->roots);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Generations, generations_clear)

static void
generations_fill(Generations *generations)
{
	static const guint8 uuid[PV_SIM_UUID_BYTES] = { 0 };
	const PvSimPersonality *personality = NULL;
	generations->roots = g_ptr_array_new();
	generations->count = 0;
	while ((personality = pv_sim_personality_nth(generations->count)) != NULL) {
		g_assert(generations->count < GENERATIONS_MAX);
		g_autoptr(PvSimSwitches) switches = pv_sim_personality_switches(personality);
		const PvSimDeviceConfig config = {
			.name = personality->name,
			.fqdn = personality->name,
			.address = "127.0.0.1",
			.uuid = uuid,
			.personality = personality,
			.switches = switches,
			.roots = generations->roots,
		};
		generations->devices[generations->count++] = pv_sim_device_new(&config);
	}
}

static const char *
generations_login(const PvSimDevice *device)
{
	return device->switches->digest_in_setup ? "login" : "no login";
}

static char *
generations_certificate(const PvSimDevice *device)
{
	if (device->switches->on_die_chain)
		return g_strdup_printf("on-die, %u certificates",
		    device->switches->on_die_certificates == PV_SIM_ON_DIE_6 ? 6 : 4);
	return g_strdup(device->personality->sha1 ? "self-signed, SHA-1" : "self-signed");
}

static void
generations_append_summary(GString *text, const PvSimDevice *device)
{
	static const char *const versions[] = { "1.0", "1.1", "1.2", "1.3" };
	const PvSimSwitches *switches = device->switches;
	g_autofree char *certificate = generations_certificate(device);
	g_autofree char *tls = switches->tls_min == switches->tls_max
				   ? g_strdup(versions[switches->tls_min])
				   : g_strdup_printf("%s-%s", versions[switches->tls_min],
					 versions[switches->tls_max]);
	g_string_append_printf(text, "%-6s %-13s %-8s %-7s %-6s %-9s %-9s %-8s %s\n",
	    device->personality->name, device->personality->server, tls,
	    switches->suites == PV_SIM_SUITES_RSA ? "RSA" : "any",
	    switches->plain_port ? "yes" : "no",
	    device->personality->version < PV_SIM_PSK_UNTIL ? "PKI, PSK" : "PKI",
	    generations_login(device),
	    pv_sim_class_is_there(device, GENERATIONS_AES, 0) ? "AES, RC4" : "RC4", certificate);
}

/* One row, where not all generations are alike */
static void
generations_append_row(GString *text, const Generations *generations, const char *name,
    const gboolean there[GENERATIONS_MAX])
{
	guint sum = 0;
	for (guint i = 0; i < generations->count; i++)
		sum += there[i] ? 1 : 0;
	if (sum == generations->count || sum == 0)
		return;
	g_string_append_printf(text, "%-*s", GENERATIONS_WIDTH, name);
	for (guint i = 0; i < generations->count; i++)
		g_string_append_printf(text, " %*s",
		    (int)strlen(generations->devices[i]->personality->name), there[i] ? "x" : "-");
	g_string_append_c(text, '\n');
}

static void
generations_append_class(GString *text, const Generations *generations, const PvSimClass *class)
{
	gboolean has[GENERATIONS_MAX] = { FALSE };
	gboolean there[GENERATIONS_MAX] = { FALSE };
	for (guint i = 0; i < generations->count; i++)
		has[i] = pv_sim_class_find(generations->devices[i], class->name) != NULL;
	generations_append_row(text, generations, class->name, has);
	for (const PvSimMethod *method = class->methods; method != NULL && method->name != NULL;
	     method++) {
		g_autofree char *name = g_strdup_printf("%s.%s()", class->name, method->name);
		gboolean own = FALSE; /* not for the reason that the class is not there */
		for (guint i = 0; i < generations->count; i++) {
			there[i] = has[i] && pv_sim_class_find_method(class,
						 generations->devices[i], method->name) != NULL;
			own = own || there[i] != has[i];
		}
		if (own)
			generations_append_row(text, generations, name, there);
	}
	for (const PvSimProperty *row = class->properties; row->name != NULL; row++) {
		g_autofree char *name = g_strdup_printf("%s.%s", class->name, row->name);
		gboolean own = FALSE;
		for (guint i = 0; i < generations->count; i++) {
			there[i] = has[i] && pv_sim_class_is_there(
						 generations->devices[i], row->since, row->until);
			own = own || there[i] != has[i];
		}
		if (own)
			generations_append_row(text, generations, name, there);
	}
}

char *
pv_sim_generations_describe(void)
{
	g_auto(Generations) generations;
	generations_fill(&generations);
	GString *text = g_string_new(NULL);
	g_string_append_printf(text, "%-6s %-13s %-8s %-7s %-6s %-9s %-9s %-8s %s\n", "NAME",
	    "FIRMWARE", "TLS", "SUITES", "PLAIN", "SET-UP", "IN SET-UP", "TICKETS",
	    "BUILT-IN CERTIFICATE");
	for (guint i = 0; i < generations.count; i++)
		generations_append_summary(text, generations.devices[i]);
	g_string_append_printf(
	    text, "\n%-*s", GENERATIONS_WIDTH, "CLASS, METHOD() OR PROPERTY THAT NOT ALL HAVE");
	for (guint i = 0; i < generations.count; i++)
		g_string_append_printf(text, " %s", generations.devices[i]->personality->name);
	g_string_append_c(text, '\n');
	const PvSimClass *class = NULL;
	for (guint i = 0; (class = pv_sim_class_nth(i)) != NULL; i++)
		generations_append_class(text, &generations, class);
	return g_string_free(text, FALSE);
}

static void
generations_build_switches(JsonBuilder *builder, const PvSimDevice *device)
{
	g_autoptr(GPtrArray) list = pv_sim_switches_list(device->switches);
	json_builder_set_member_name(builder, "switches");
	json_builder_begin_object(builder);
	for (guint i = 0; i < list->len; i++) {
		const char *assignment = list->pdata[i];
		const char *equals = strchr(assignment, '=');
		g_autofree char *name = g_strndup(assignment, (gsize)(equals - assignment));
		json_builder_set_member_name(builder, name);
		json_builder_add_string_value(builder, equals + 1);
	}
	json_builder_end_object(builder);
}

static void
generations_build_class(JsonBuilder *builder, const PvSimDevice *device, const PvSimClass *class)
{
	json_builder_set_member_name(builder, class->name);
	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "methods");
	json_builder_begin_array(builder);
	for (const PvSimMethod *method = class->methods; method != NULL && method->name != NULL;
	     method++) {
		if (pv_sim_class_find_method(class, device, method->name) != NULL)
			json_builder_add_string_value(builder, method->name);
	}
	json_builder_end_array(builder);
	json_builder_set_member_name(builder, "properties");
	json_builder_begin_array(builder);
	for (const PvSimProperty *row = class->properties; row->name != NULL; row++) {
		if (pv_sim_class_is_there(device, row->since, row->until))
			json_builder_add_string_value(builder, row->name);
	}
	json_builder_end_array(builder);
	json_builder_end_object(builder);
}

static void
generations_build_device(JsonBuilder *builder, const PvSimDevice *device)
{
	const struct {
		const char *name, *value;
	} rows[] = { { "name", device->personality->name },
		{ "firmware", device->personality->firmware },
		{ "build", device->personality->build }, { "server", device->personality->server },
		{ "sku", device->personality->sku } };
	json_builder_begin_object(builder);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		json_builder_set_member_name(builder, rows[i].name);
		json_builder_add_string_value(builder, rows[i].value);
	}
	json_builder_set_member_name(builder, "psk");
	json_builder_add_boolean_value(builder, device->personality->version < PV_SIM_PSK_UNTIL);
	generations_build_switches(builder, device);
	json_builder_set_member_name(builder, "classes");
	json_builder_begin_object(builder);
	const PvSimClass *class = NULL;
	for (guint i = 0; (class = pv_sim_class_nth(i)) != NULL; i++) {
		if (pv_sim_class_find(device, class->name) != NULL)
			generations_build_class(builder, device, class);
	}
	json_builder_end_object(builder);
	json_builder_end_object(builder);
}

JsonNode *
pv_sim_generations_json(void)
{
	g_auto(Generations) generations;
	generations_fill(&generations);
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_array(builder);
	for (guint i = 0; i < generations.count; i++)
		generations_build_device(builder, generations.devices[i]);
	json_builder_end_array(builder);
	return json_builder_get_root(builder);
}
