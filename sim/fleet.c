/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/fleet.h"

#include "sim/fault-run.h"

#include <arpa/inet.h>
#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/resource.h>

#define FLEET_MAX 60000
#define FLEET_FILE_MAX (16 * 1024 * 1024)
#define FLEET_OTHER_FILES 200 /* loops, log, control, and connections to begin with */
#define FLEET_ROOTS_MAX 33 /* amt/03 section 3 */

static void
fleet_device_free(gpointer data)
{
	pv_sim_device_free(data);
}

static void
fleet_root_free(gpointer data)
{
	pv_sim_root_free(data);
}

/* Each device holds up to two listeners for each of its networks, and a few connections. At least one listener each must fit. */
static gboolean
fleet_raise_limit(guint devices, GError **error)
{
	rlim_t least = (rlim_t)devices + FLEET_OTHER_FILES;
	rlim_t wanted = 4 * (rlim_t)devices + FLEET_OTHER_FILES;
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return TRUE; /* not known: opening a port tells */
	if (limit.rlim_cur < wanted) {
		struct rlimit more = { MAX(wanted, limit.rlim_max), MAX(wanted, limit.rlim_max) };
		if (setrlimit(RLIMIT_NOFILE, &more) == 0) /* beyond the hard limit: root only */
			limit = more;
		else if (limit.rlim_cur < limit.rlim_max) {
			limit.rlim_cur = limit.rlim_max;
			(void)setrlimit(RLIMIT_NOFILE, &limit); /* lowers nothing: cannot fail */
		}
	}
	if (limit.rlim_cur >= least)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES,
	    "%u devices need %" G_GUINT64_FORMAT
	    " open files or more, and the limit is %" G_GUINT64_FORMAT
	    ": raise it (ulimit -Hn, LimitNOFILE= of a unit), or start fewer",
	    devices, (guint64)least, (guint64)limit.rlim_cur);
	return FALSE;
}

static PvSimRoot *
fleet_make_root(X509 *x509)
{
	PvSimRoot *root = g_new0(PvSimRoot, 1);
	unsigned int length = 0;
	char name[256] = "";
	if (X509_digest(x509, EVP_sha1(), root->sha1, &length) != 1 ||
	    X509_digest(x509, EVP_sha256(), root->sha256, &length) != 1 ||
	    X509_digest(x509, EVP_sha384(), root->sha384, &length) != 1) {
		g_free(root);
		return NULL;
	}
	X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, name, sizeof name);
	root->name = g_utf8_make_valid(name, -1);
	root->is_default = root->active = TRUE;
	return root;
}

static gboolean
fleet_load_roots(const char *path, GPtrArray *roots, GError **error)
{
	BIO *file = BIO_new_file(path, "r");
	X509 *x509 = NULL;
	if (file == NULL) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
		    "read roots %s: cannot open the file", path);
		return FALSE;
	}
	while (roots->len < FLEET_ROOTS_MAX &&
	       (x509 = PEM_read_bio_X509(file, NULL, NULL, NULL)) != NULL) {
		PvSimRoot *root = fleet_make_root(x509);
		X509_free(x509);
		if (root != NULL)
			g_ptr_array_add(roots, root);
	}
	BIO_free(file);
	if (roots->len > 0)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
	    "read roots %s: the file holds no PEM certificate", path);
	return FALSE;
}

static void
fleet_make_uuid(const char *seed, guint index, guint8 uuid[PV_SIM_UUID_BYTES])
{
	g_autofree char *text = g_strdup_printf("%s/%u", seed, index);
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	guint8 hash[32];
	gsize length = sizeof hash;
	g_checksum_update(sum, (const guchar *)text, -1);
	g_checksum_get_digest(sum, hash, &length);
	memcpy(uuid, hash, PV_SIM_UUID_BYTES);
	uuid[7] = (uuid[7] & 0x0F) |
		  0x40; /* version 4: the third field's high byte comes last on the wire */
	uuid[8] = (uuid[8] & 0x3F) | 0x80;
}

static gboolean
fleet_read_uuid(const char *text, guint8 uuid[PV_SIM_UUID_BYTES])
{
	static const guint8 order[] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	if (!g_uuid_string_is_valid(text))
		return FALSE;
	guint at = 0;
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '-')
			continue;
		uuid[order[at++]] =
		    (guint8)(g_ascii_xdigit_value(c[0]) << 4 | g_ascii_xdigit_value(c[1]));
		c++;
	}
	return TRUE;
}

static gboolean
fleet_set_all(PvSimSwitches *switches, char **assignments, GError **error)
{
	for (guint i = 0; assignments != NULL && assignments[i] != NULL; i++) {
		if (!pv_sim_switches_set(switches, assignments[i], error))
			return FALSE;
	}
	return TRUE;
}

typedef struct {
	const PvSimFleetOptions *options;
	PvSimFleet *fleet;
	GPtrArray *roots;
	guint32 base; /* host byte order */
	guint32 wireless_base; /* likewise; 0: none */
	GPtrArray *faults; /* of PvSimFault: for all devices, or one by its name */
	PvSimFaultSource source; /* of the fleet file */
} FleetBuild;

static const char *
fleet_string(JsonObject *object, const char *name)
{
	return object != NULL ? json_object_get_string_member_with_default(object, name, NULL)
			      : NULL;
}

static gboolean
fleet_apply_set(PvSimSwitches *switches, JsonObject *object, GError **error)
{
	JsonObject *set = object != NULL && json_object_has_member(object, "set")
			      ? json_object_get_object_member(object, "set")
			      : NULL;
	g_autoptr(GList) names = set != NULL ? json_object_get_members(set) : NULL;
	for (GList *name = names; name != NULL; name = name->next) {
		JsonNode *node = json_object_get_member(set, name->data);
		JsonArray *several =
		    JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL; /* faults */
		guint count = several != NULL ? json_array_get_length(several) : 1;
		for (guint i = 0; i < count; i++) {
			const char *value = several != NULL
						? json_array_get_string_element(several, i)
						: json_node_get_string(node);
			g_autofree char *assignment = g_strdup_printf(
			    "%s=%s", (const char *)name->data, value != NULL ? value : "");
			if (!pv_sim_switches_set(switches, assignment, error))
				return FALSE;
		}
	}
	return TRUE;
}

/* The rules for the device that is about to be added */
static gboolean
fleet_add_faults(const FleetBuild *build, PvSimSwitches *switches, JsonObject *object,
    const char *name, GError **error)
{
	pv_sim_faults_add(switches->faults, build->faults, name);
	if (object == NULL || !json_object_has_member(object, "faults"))
		return TRUE;
	g_autofree char *path = g_strdup_printf("devices[%u].faults", build->fleet->devices->len);
	return pv_sim_faults_read(switches->faults, json_object_get_member(object, "faults"),
	    &build->source, path, error);
}

static gboolean
fleet_parse_state(const char *text, PvSimState *state, GError **error)
{
	static const char *const names[] = { "pre", "in", "post" };
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*state = (PvSimState)i;
			return TRUE;
		}
	}
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
	    "state is pre, in or post, not '%s'", text);
	return FALSE;
}

/* The address of the wireless side; NULL: it has none */
static gboolean
fleet_find_wireless(
    const FleetBuild *build, JsonObject *object, guint index, char **address, GError **error)
{
	struct in_addr number;
	char text[INET_ADDRSTRLEN];
	const char *own = fleet_string(object, "wireless-address");
	if (own != NULL && inet_pton(AF_INET, own, &number) != 1) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "wireless-address takes an IPv4 address, not '%s'", own);
		return FALSE;
	}
	if (own == NULL && build->wireless_base == 0)
		return TRUE;
	number.s_addr = htonl(build->wireless_base + index);
	*address = g_strdup(own != NULL ? own : inet_ntop(AF_INET, &number, text, sizeof text));
	return TRUE;
}

/* @object: a device of the fleet file, or NULL */
static gboolean
fleet_add(FleetBuild *build, JsonObject *object, GError **error)
{
	const PvSimFleetOptions *options = build->options;
	guint index = build->fleet->devices->len;
	guint generations =
	    options->personalities != NULL ? g_strv_length(options->personalities) : 0;
	const char *generation = fleet_string(object, "personality");
	if (generation == NULL)
		generation = generations > 0 ? options->personalities[index % generations] : "16.1";
	const PvSimPersonality *personality = pv_sim_personality_find(generation);
	if (personality == NULL) {
		g_autofree char *known = pv_sim_personality_names();
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "no personality '%s': there are %s", generation, known);
		return FALSE;
	}

	g_autoptr(PvSimSwitches) switches = pv_sim_personality_switches(personality);
	g_autofree char *suffix = g_strconcat("dhcp-suffix=", options->suffix, NULL);
	PvSimState state = options->state;
	if (!pv_sim_switches_set(switches, suffix, error) ||
	    !fleet_set_all(switches, options->assignments, error) ||
	    !fleet_apply_set(switches, object, error) ||
	    (fleet_string(object, "state") != NULL &&
		!fleet_parse_state(fleet_string(object, "state"), &state, error)))
		return FALSE;

	if (personality->version >= PV_SIM_PSK_UNTIL &&
	    (*switches->pid != '\0' || *switches->pps != '\0')) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "personality %s takes no pid and pps: TLS-PSK went with AMT 11", generation);
		return FALSE;
	}

	struct in_addr address = { htonl(build->base + index) };
	char address_text[INET_ADDRSTRLEN];
	inet_ntop(AF_INET, &address, address_text, sizeof address_text);
	const char *given_name = fleet_string(object, "name");
	g_autofree char *name =
	    given_name != NULL ? g_strdup(given_name) : g_strdup_printf("pc-%04u", index + 1);
	g_autofree char *made_fqdn = g_strdup_printf("%s.%s", name, options->suffix);
	const char *fqdn = fleet_string(object, "fqdn");
	const char *own_address = fleet_string(object, "address");
	g_autofree char *wireless = NULL;
	if (!fleet_find_wireless(build, object, index, &wireless, error)) {
		g_prefix_error(error, "device %s: ", name);
		return FALSE;
	}
	guint8 uuid[PV_SIM_UUID_BYTES];
	if (!fleet_add_faults(build, switches, object, name, error))
		return FALSE;
	fleet_make_uuid(options->seed, index, uuid);
	if (fleet_string(object, "uuid") != NULL &&
	    !fleet_read_uuid(fleet_string(object, "uuid"), uuid)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "device %s: '%s' is no UUID", name, fleet_string(object, "uuid"));
		return FALSE;
	}
	const PvSimDeviceConfig config = {
		.index = index,
		.name = name,
		.fqdn = fqdn != NULL ? fqdn : made_fqdn,
		.address = own_address != NULL ? own_address : address_text,
		.wireless_address = wireless,
		.uuid = uuid,
		.personality = personality,
		.keys = build->fleet->keys,
		.switches = switches,
		.roots = build->roots,
	};
	PvSimDevice *device = pv_sim_device_new(&config);
	g_ptr_array_add(build->fleet->devices, device);
	pv_sim_faults_start(device);
	if (state == PV_SIM_IN)
		(void)pv_sim_device_start(device, NULL); /* it is in PRE */
	else if (state == PV_SIM_POST)
		pv_sim_device_force_post(device);
	return TRUE;
}

static gboolean
fleet_add_file(FleetBuild *build, const char *path, GError **error)
{
	static const char *const known[] = { "name", "fqdn", "address", "wireless-address", "uuid",
		"personality", "state", "set", "faults", NULL };
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	g_autofree char *text = NULL;
	if (!g_file_get_contents(path, &text, NULL, error) ||
	    !json_parser_load_from_data(parser, text, -1, error)) {
		g_prefix_error(error, "read fleet %s: ", path);
		return FALSE;
	}
	build->source = (PvSimFaultSource) { .file = path, .text = text };
	JsonNode *root = json_parser_get_root(parser);
	JsonObject *top =
	    root != NULL && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
	JsonNode *list = top != NULL ? json_object_get_member(top, "devices") : NULL;
	if (list == NULL || !JSON_NODE_HOLDS_ARRAY(list)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
		    "read fleet %s: expected {\"devices\": [ ... ]}", path);
		return FALSE;
	}
	JsonArray *devices = json_node_get_array(list);
	for (guint i = 0; i < json_array_get_length(devices); i++) {
		JsonNode *node = json_array_get_element(devices, i);
		JsonObject *object =
		    JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
		g_autoptr(GList) members = object != NULL ? json_object_get_members(object) : NULL;
		for (GList *member = members; member != NULL; member = member->next) {
			JsonNode *value = json_object_get_member(object, member->data);
			gboolean right =
			    strcmp(member->data, "set") == 0	  ? JSON_NODE_HOLDS_OBJECT(value)
			    : strcmp(member->data, "faults") == 0 ? JSON_NODE_HOLDS_ARRAY(value)
								  : JSON_NODE_HOLDS_VALUE(value);
			if (!g_strv_contains(known, member->data) || !right) {
				g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
				    "read fleet %s: devices[%u]: unknown or wrong member '%s'",
				    path, i, (const char *)member->data);
				return FALSE;
			}
		}
		if (object == NULL) {
			g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    "read fleet %s: devices[%u] is no object", path, i);
			return FALSE;
		}
		if (!fleet_add(build, object, error)) {
			g_prefix_error(error, "read fleet %s: devices[%u]: ", path, i);
			return FALSE;
		}
	}
	return TRUE;
}

/* @number: in host byte order */
static gboolean
fleet_read_base(const char *option, const char *text, guint32 *number, GError **error)
{
	struct in_addr base;
	if (inet_pton(AF_INET, text, &base) == 1 && (ntohl(base.s_addr) >> 24) == 127) {
		*number = ntohl(base.s_addr);
		return TRUE;
	}
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
	    "%s takes a loopback address such as 127.50.0.1, not '%s'", option, text);
	return FALSE;
}

static gboolean
fleet_load_faults(const char *path, GPtrArray *faults, GError **error)
{
	g_autofree char *text = NULL;
	if (!g_file_get_contents(path, &text, NULL, error)) {
		g_prefix_error(error, "read faults: ");
		return FALSE;
	}
	const PvSimFaultSource source = { .file = path, .text = text, .devices = TRUE };
	return pv_sim_faults_read_text(faults, &source, error);
}

PvSimFleet *
pv_sim_fleet_new(const PvSimFleetOptions *options, GError **error)
{
	guint32 base = 0, wireless_base = 0;
	if (!fleet_read_base("--base", options->base, &base, error) ||
	    (options->wireless_base != NULL &&
		!fleet_read_base("--wireless-base", options->wireless_base, &wireless_base, error)))
		return NULL;
	if (options->devices == 0 || options->devices > FLEET_MAX) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "--devices takes 1 to %u", FLEET_MAX);
		return NULL;
	}
	g_autoptr(PvSimFleet) fleet = g_new0(PvSimFleet, 1);
	g_autoptr(GPtrArray) roots = g_ptr_array_new_with_free_func(fleet_root_free);
	fleet->devices = g_ptr_array_new_with_free_func(fleet_device_free);
	fleet->keys = pv_sim_keys_new(MIN(2 * options->devices, 4000) + 8);
	fleet->tls = pv_sim_tls_stack_new(fleet->keys);
	if (options->roots_file != NULL && !fleet_load_roots(options->roots_file, roots, error))
		return NULL;
	g_autoptr(GPtrArray) faults = pv_sim_faults_new();
	if (options->faults_file != NULL && !fleet_load_faults(options->faults_file, faults, error))
		return NULL;
	FleetBuild build = { options, fleet, roots, base, wireless_base, faults, { 0 } };
	if (options->fleet_file != NULL && !fleet_add_file(&build, options->fleet_file, error))
		return NULL;
	for (guint i = 0; options->fleet_file == NULL && i < options->devices; i++) {
		if (!fleet_add(&build, NULL, error))
			return NULL;
	}
	if (!pv_sim_fleet_check_faults(fleet, faults, options->faults_file, error))
		return NULL;
	return fleet_raise_limit(fleet->devices->len, error) ? g_steal_pointer(&fleet) : NULL;
}

void
pv_sim_fleet_free(PvSimFleet *fleet)
{
	if (fleet == NULL)
		return;
	g_ptr_array_unref(fleet->devices);
	pv_sim_tls_stack_free(fleet->tls);
	pv_sim_keys_free(fleet->keys);
	g_free(fleet);
}

PvSimDevice *
pv_sim_fleet_find(const PvSimFleet *fleet, const char *name)
{
	for (guint i = 0; i < fleet->devices->len; i++) {
		PvSimDevice *device = fleet->devices->pdata[i];
		if (strcmp(device->name, name) == 0 || strcmp(device->fqdn, name) == 0 ||
		    strcmp(device->address, name) == 0 ||
		    g_ascii_strcasecmp(device->uuid_text, name) == 0)
			return device;
	}
	return NULL;
}

gboolean
pv_sim_fleet_check_faults(
    const PvSimFleet *fleet, const GPtrArray *faults, const char *file, GError **error)
{
	for (guint i = 0; i < faults->len; i++) {
		const PvSimFault *fault = faults->pdata[i];
		gboolean known = fault->device == NULL;
		for (guint j = 0; j < fleet->devices->len && !known; j++)
			known = strcmp(((PvSimDevice *)fleet->devices->pdata[j])->name,
				    fault->device) == 0;
		if (known)
			continue;
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
		    "read faults %s: [%u].device: no device is named '%s'", file, i, fault->device);
		return FALSE;
	}
	return TRUE;
}

gboolean
pv_sim_fleet_write_csv(const PvSimFleet *fleet, const char *path, GError **error)
{
	g_autoptr(GString) csv = g_string_new(NULL);
	for (guint i = 0; i < fleet->devices->len; i++) {
		const PvSimDevice *device = fleet->devices->pdata[i];
		g_autofree char *mac = g_strdelimit(g_strdup(device->mac), "-", ':');
		g_string_append_printf(
		    csv, "%s,%s,%s,%s\n", device->name, device->fqdn, device->uuid_text, mac);
	}
	return g_file_set_contents(path, csv->str, (gssize)csv->len, error);
}
