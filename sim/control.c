/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/control.h"

#include "sim/classes.h"
#include "sim/dump.h"
#include "sim/fault-run.h"
#include "sim/kerberos.h"
#include "sim/network.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define CONTROL_THREADS 8
#define CONTROL_LINE_MAX (1024 * 1024)
#define CONTROL_TIMEOUT_SEC 60
#define CONTROL_SID_MIN 12 /* one sub-authority */

struct PvSimControl {
	char *path;
	PvSimFleet *fleet; /* lent */
	PvSimServer *server; /* lent */
	GThread *thread; /* accepts; requests run in it, one after the other */
	GSocket *socket;
	GCancellable *stop;
};

/* One request, executed in the thread of its device */
typedef struct {
	JsonObject *request; /* lent */
	JsonNode *result;
	GError *error;
} ControlCall;

static const char *
control_string(ControlCall *call, const char *name)
{
	return json_object_get_string_member_with_default(call->request, name, NULL);
}

static void
control_fail(ControlCall *call, const char *text)
{
	g_set_error_literal(&call->error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, text);
}

static gboolean
control_run_dump(PvSimDevice *device, gpointer data)
{
	((ControlCall *)data)->result = pv_sim_dump_device(device);
	return FALSE;
}

static gboolean
control_run_reset(PvSimDevice *device, gpointer data)
{
	ControlCall *call = data;
	const char *state = control_string(call, "state");
	pv_sim_device_reset(device);
	if (g_strcmp0(state, "in") == 0)
		(void)pv_sim_device_start(device, NULL); /* it is in PRE */
	else if (g_strcmp0(state, "post") == 0)
		pv_sim_device_force_post(device);
	return TRUE;
}

static gboolean
control_run_start(PvSimDevice *device, gpointer data)
{
	ControlCall *call = data;
	if (!pv_sim_device_start(device, control_string(call, "otp")))
		control_fail(call, "the device is not in PRE: reset it first");
	return FALSE;
}

static gboolean
control_run_off(PvSimDevice *device, gpointer data)
{
	device->off = TRUE;
	return TRUE;
}

static gboolean
control_run_on(PvSimDevice *device, gpointer data)
{
	device->off = FALSE;
	return FALSE;
}

static gboolean
control_run_check_password(PvSimDevice *device, gpointer data)
{
	ControlCall *call = data;
	const char *user = control_string(call, "user");
	const char *password = control_string(call, "password");
	if (user == NULL || password == NULL) {
		control_fail(call, "user and password are needed");
		return FALSE;
	}
	call->result = json_node_init_boolean(
	    json_node_alloc(), pv_sim_device_check_password(device, user, password));
	return FALSE;
}

/* "Class.Property=value" or "Class[InstanceID].Property=value" */
static void
control_set_property(ControlCall *call, PvSimDevice *device, const char *name, const char *value)
{
	g_autofree char *text = g_strdup(name);
	char *dot = strrchr(text, '.');
	char *bracket = strchr(text, '[');
	const char *id = NULL;
	if (dot == NULL) {
		control_fail(call, "expected Class.Property, Class[InstanceID].Property, otp, clock-offset or switch:NAME");
		return;
	}
	*dot = '\0';
	if (bracket != NULL && bracket < dot && dot[-1] == ']') {
		*bracket = '\0';
		dot[-1] = '\0';
		id = bracket + 1;
	}
	const PvSimClass *class = pv_sim_class_find(device, text);
	const PvSimProperty *row =
	    class != NULL ? pv_sim_class_find_property(class, dot + 1) : NULL;
	if (row == NULL) {
		g_set_error(&call->error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "device %s has no property %s", device->name, name);
		return;
	}
	if (strcmp(class->name, "AMT_SystemPowerScheme") == 0 ||
	    strcmp(class->name, "CIM_ElementSettingData") == 0) {
		control_fail(call, "power schemes are chosen with power-scheme=NUMBER");
		return;
	}
	if (class->key != NULL && id == NULL && strcmp(class->name, "AMT_TLSSettingData") == 0)
		id = PV_SIM_TLS_REMOTE;
	if (class->key != NULL && id == NULL &&
	    strcmp(class->name, "AMT_EthernetPortSettings") == 0)
		id = "Intel(r) AMT Ethernet Port Settings 0";
	if (class->key != NULL &&
	    (id == NULL ||
		(class->list != NULL && pv_sim_device_find_bag(device, class->name, id) == NULL &&
		    strcmp(class->name, "AMT_EthernetPortSettings") != 0))) {
		control_fail(call, "this class has several instances: name one that can be written as Class[InstanceID].Property");
		return;
	}
	pv_sim_instance_set(pv_sim_device_bag(device, class->name, id), row->name, value);
}

static void
control_set_number(ControlCall *call, const char *value, gint64 min, gint64 max, gint64 *number)
{
	if (!g_ascii_string_to_signed(value, 10, min, max, number, &call->error))
		g_prefix_error(&call->error, "set: ");
}

/* An entry of somebody else's, who may do all. TRUE: the assignment was one of these. */
static gboolean
control_add_acl(ControlCall *call, PvSimDevice *device, const char *name, const char *value)
{
	g_autoptr(GBytes) sid = NULL;
	if (strcmp(name, "acl-sid") == 0) {
		gsize length = 0;
		guint8 *bytes = g_base64_decode(value, &length);
		sid = g_bytes_new_take(bytes, length);
	} else if (strcmp(name, "acl-user") != 0) {
		return FALSE;
	}
	if (*value == '\0' || (sid != NULL && g_bytes_get_size(sid) < CONTROL_SID_MIN)) {
		control_fail(call, "expected acl-user=NAME or acl-sid=BASE64");
		return TRUE;
	}
	PvSimAclEntry *entry = pv_sim_device_add_acl(device);
	entry->user = sid == NULL ? g_strdup(value) : NULL;
	entry->sid = g_steal_pointer(&sid);
	entry->permission = 2;
	entry->realms = G_GUINT64_CONSTANT(1) << PV_SIM_REALM_ADMIN;
	return TRUE;
}

/* FALSE: not a name of this kind */
static gboolean
control_set_psk(ControlCall *call, PvSimDevice *device, const char *name, const char *value)
{
	gboolean pid = strcmp(name, "pid") == 0;
	if (!pid && strcmp(name, "pps") != 0)
		return FALSE;
	guint length = pid ? PV_SIM_PID_LENGTH : PV_SIM_PPS_LENGTH;
	char *code = *value == '\0' ? g_strdup("") : pv_sim_switches_read_code(value, length);
	if (code == NULL || device->personality->version >= PV_SIM_PSK_UNTIL) {
		g_set_error(&call->error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    code == NULL ? "set: %s takes %u characters A-Z and 0-9, or nothing"
				 : "set: %s: TLS-PSK went with AMT 11",
		    name, length);
		g_free(code);
		return TRUE;
	}
	char **text = pid ? &device->pid : &device->pps;
	g_free(*text);
	*text = code;
	return TRUE;
}

/* What is in the air, and what the user's software brings. TRUE: the assignment was one of these. */
static gboolean
control_set_wireless(ControlCall *call, PvSimDevice *device, const char *name, const char *value)
{
	if (strcmp(name, "wireless-link") == 0) {
		pv_sim_wireless_set_link(device, value);
		return TRUE;
	}
	if (strcmp(name, "wireless-user-profile") != 0)
		return FALSE;
	if (!pv_sim_wireless_add_user(device, value))
		control_fail(call,
		    "wireless-user-profile: the SSID is empty, too long or has one, there is no room, or no wireless port");
	return TRUE;
}

static gboolean
control_run_set(PvSimDevice *device, gpointer data)
{
	ControlCall *call = data;
	const char *assignment = control_string(call, "assignment");
	const char *equals = assignment != NULL ? strchr(assignment, '=') : NULL;
	/* an InstanceID may hold anything but "]" */
	const char *bracket = assignment != NULL ? strchr(assignment, ']') : NULL;
	if (bracket != NULL && equals != NULL && equals < bracket)
		equals = strchr(bracket, '=');
	if (equals == NULL) {
		control_fail(call, "expected NAME=VALUE");
		return FALSE;
	}
	g_autofree char *name = g_strndup(assignment, (gsize)(equals - assignment));
	const char *value = equals + 1;
	gint64 number = 0;
	if (g_str_has_prefix(name, "switch:")) {
		if (!pv_sim_switches_set(
			device->switches, assignment + strlen("switch:"), &call->error))
			g_prefix_error(&call->error, "set: ");
		pv_sim_faults_start(device);
	} else if (strcmp(name, "otp") == 0) {
		g_free(device->otp_set);
		device->otp_set = *value != '\0' ? g_strdup(value) : NULL;
	} else if (strcmp(name, "clock-offset") == 0) {
		control_set_number(call, value, -G_MAXINT32, G_MAXINT32, &number);
		if (call->error == NULL)
			device->clock_offset_sec = number;
	} else if (strcmp(name, "power-scheme") == 0) {
		guint count = 0;
		while (device->personality->schemes[count].description != NULL)
			count++;
		control_set_number(call, value, 0, count - 1, &number);
		if (call->error == NULL)
			device->power_scheme = (guint)number;
	} else if (strcmp(name, "admin-password") == 0) {
		pv_sim_device_hash(device, device->admin_user, value, device->admin_hash);
		device->admin_default = FALSE;
	} else if (!control_set_psk(call, device, name, value) &&
		   !control_set_wireless(call, device, name, value) &&
		   !control_add_acl(call, device, name, value)) {
		control_set_property(call, device, name, value);
		pv_sim_kerberos_forget(device); /* it may be of its settings */
	}
	return FALSE;
}

typedef gboolean (*ControlFunction)(PvSimDevice *device, gpointer data);

static ControlFunction
control_find_command(const char *name)
{
	static const struct {
		const char *name;
		ControlFunction run;
	} commands[] = {
		{ "dump", control_run_dump },
		{ "reset", control_run_reset },
		{ "start", control_run_start },
		{ "off", control_run_off },
		{ "on", control_run_on },
		{ "check-password", control_run_check_password },
		{ "set", control_run_set },
	};
	for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run;
	}
	return NULL;
}

typedef struct {
	PvSimState state;
	guint64 locked; /* how often logins were locked */
	const char *login; /* kind of the last one */
} ControlState;

static gboolean
control_read_state(PvSimDevice *device, gpointer data)
{
	*(ControlState *)data = (ControlState) { device->state, device->counters.locked,
		pv_sim_dump_login_kind(device) };
	return FALSE;
}

static JsonNode *
control_list(PvSimControl *control)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	json_builder_begin_array(builder);
	for (guint i = 0; i < control->fleet->devices->len; i++) {
		PvSimDevice *device = control->fleet->devices->pdata[i];
		ControlState now = { 0 };
		pv_sim_server_call(control->server, device, control_read_state, &now);
		const char *const row[][2] = { { "name", device->name },
			{ "address", device->address }, { "fqdn", device->fqdn },
			{ "uuid", device->uuid_text }, { "mac", device->mac },
			{ "personality", device->personality->name },
			{ "state", pv_sim_dump_state_name(now.state) },
			{ "last-login", now.login } };
		json_builder_begin_object(builder);
		for (guint j = 0; j < G_N_ELEMENTS(row); j++) {
			json_builder_set_member_name(builder, row[j][0]);
			json_builder_add_string_value(builder, row[j][1]);
		}
		json_builder_set_member_name(builder, "locked");
		json_builder_add_int_value(builder, (gint64)now.locked);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
	return json_builder_get_root(builder);
}

static void
control_hello(PvSimControl *control, PvSimDevice *device, ControlCall *call)
{
	const char *to = control_string(call, "to");
	g_autofree char *host = NULL;
	guint16 port = 0;
	if (to == NULL)
		control_fail(call, "hello needs --to ADDRESS:PORT");
	else if (pv_sim_server_parse_address(to, &host, &port, &call->error) &&
		 !pv_sim_server_hello(control->server, device, host, port))
		control_fail(call, "the packet could not be sent");
}

/* A fault script for one device or for all, "*" */
typedef struct {
	const GPtrArray *rules; /* NULL: those that there are stay */
	JsonArray *list; /* what they did so far */
} ControlFaults;

static gboolean
control_run_faults(PvSimDevice *device, gpointer data)
{
	const ControlFaults *faults = data;
	GPtrArray *own = device->switches->faults;
	if (faults->rules != NULL) {
		g_ptr_array_set_size(own, 0);
		pv_sim_faults_add(own, faults->rules, device->name);
		pv_sim_faults_start(device);
	}
	for (guint i = 0; i < own->len; i++) {
		const PvSimFault *fault = own->pdata[i];
		JsonObject *row = json_object_new();
		json_object_set_string_member(row, "device", device->name);
		json_object_set_string_member(row, "rule", fault->text);
		json_object_set_int_member(row, "seen", fault->seen);
		json_object_set_int_member(row, "fired", fault->fired);
		json_array_add_object_element(faults->list, row);
	}
	return FALSE;
}

static void
control_fault(PvSimControl *control, PvSimDevice *device, ControlCall *call)
{
	const PvSimFaultSource source = {
		.file = control_string(call, "file"),
		.text = control_string(call, "script"),
		.devices = device == NULL,
	};
	g_autoptr(GPtrArray) rules = pv_sim_faults_new();
	g_autoptr(JsonArray) list = json_array_new();
	if (source.text != NULL && source.file == NULL) {
		control_fail(call, "a script needs the name of its file");
		return;
	}
	if (source.text != NULL &&
	    (!pv_sim_faults_read_text(rules, &source, &call->error) ||
		!pv_sim_fleet_check_faults(control->fleet, rules, source.file, &call->error)))
		return;
	ControlFaults faults = { source.text != NULL ? rules : NULL, list };
	for (guint i = 0; i < control->fleet->devices->len; i++) {
		PvSimDevice *other = control->fleet->devices->pdata[i];
		if (device == NULL || device == other)
			pv_sim_server_call(control->server, other, control_run_faults, &faults);
	}
	call->result = json_node_init_array(json_node_alloc(), list);
}

static void
control_execute(PvSimControl *control, ControlCall *call)
{
	const char *command = control_string(call, "command");
	const char *name = control_string(call, "device");
	if (command == NULL) {
		control_fail(call, "no command");
		return;
	}
	if (strcmp(command, "list") == 0) {
		call->result = control_list(control);
		return;
	}
	if (strcmp(command, "fault") == 0 && g_strcmp0(name, "*") == 0) {
		control_fault(control, NULL, call);
		return;
	}
	PvSimDevice *device = name != NULL ? pv_sim_fleet_find(control->fleet, name) : NULL;
	ControlFunction run = control_find_command(command);
	if (device == NULL)
		g_set_error(&call->error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
		    "no device '%s': 'provost-sim list' shows them", name != NULL ? name : "");
	else if (strcmp(command, "hello") == 0)
		control_hello(control, device, call);
	else if (strcmp(command, "fault") == 0)
		control_fault(control, device, call);
	else if (run != NULL)
		pv_sim_server_call(control->server, device, run, call);
	else
		g_set_error(&call->error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "no command '%s'", command);
}

/* The reply as one line; g_free() */
static char *
control_answer(PvSimControl *control, const char *line)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	g_autoptr(JsonObject) reply = json_object_new();
	ControlCall call = { 0 };
	if (!json_parser_load_from_data(parser, line, -1, &call.error))
		g_prefix_error(&call.error, "parse request: ");
	JsonNode *root = call.error == NULL ? json_parser_get_root(parser) : NULL;
	if (root != NULL && JSON_NODE_HOLDS_OBJECT(root)) {
		call.request = json_node_get_object(root);
		control_execute(control, &call);
	} else if (call.error == NULL) {
		control_fail(&call, "the request is no JSON object");
	}
	json_object_set_boolean_member(reply, "ok", call.error == NULL);
	if (call.error != NULL)
		json_object_set_string_member(reply, "error", call.error->message);
	else
		json_object_set_member(reply, "result",
		    call.result != NULL ? g_steal_pointer(&call.result)
					: json_node_init_null(json_node_alloc()));
	g_clear_error(&call.error);
	g_clear_pointer(&call.result, json_node_unref);
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), reply);
	return json_to_string(node, FALSE);
}

static void
control_serve(PvSimControl *control, GSocket *socket)
{
	g_autoptr(GSocketConnection) connection =
	    g_socket_connection_factory_create_connection(socket);
	g_autoptr(GDataInputStream) input =
	    g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(connection)));
	GOutputStream *output = g_io_stream_get_output_stream(G_IO_STREAM(connection));
	g_socket_set_timeout(socket, CONTROL_TIMEOUT_SEC);
	for (;;) {
		gsize length = 0;
		g_autofree char *line =
		    g_data_input_stream_read_line(input, &length, control->stop, NULL);
		if (line == NULL || length > CONTROL_LINE_MAX)
			return;
		g_autofree char *answer = control_answer(control, line);
		g_autofree char *text = g_strconcat(answer, "\n", NULL);
		if (!g_output_stream_write_all(
			output, text, strlen(text), NULL, control->stop, NULL))
			return;
	}
}

static gpointer
control_serve_thread(gpointer data)
{
	gpointer *arguments = data;
	control_serve(arguments[0], arguments[1]);
	g_object_unref(arguments[1]);
	g_free(arguments);
	return NULL;
}

static gpointer
control_run(gpointer data)
{
	PvSimControl *control = data;
	g_autoptr(GPtrArray) threads = g_ptr_array_new();
	for (;;) {
		GSocket *socket = g_socket_accept(control->socket, control->stop, NULL);
		if (socket == NULL)
			break;
		/* a bounded number at once: the oldest is waited for */
		if (threads->len >= CONTROL_THREADS)
			g_thread_join(g_ptr_array_steal_index(threads, 0));
		gpointer *arguments = g_new(gpointer, 2);
		arguments[0] = control;
		arguments[1] = socket;
		g_ptr_array_add(
		    threads, g_thread_new("sim-control", control_serve_thread, arguments));
	}
	for (guint i = 0; i < threads->len; i++)
		g_thread_join(threads->pdata[i]);
	return NULL;
}

PvSimControl *
pv_sim_control_new(const char *path, PvSimFleet *fleet, PvSimServer *server, GError **error)
{
	g_autoptr(PvSimControl) control = g_new0(PvSimControl, 1);
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
	control->fleet = fleet;
	control->server = server;
	control->stop = g_cancellable_new();
	control->socket = g_socket_new(
	    G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, error);
	if (control->socket == NULL)
		return NULL;
	GStatBuf status;
	if (g_lstat(path, &status) == 0 && S_ISSOCK(status.st_mode))
		g_unlink(path); /* left over by a simulator that was killed */
	mode_t mask = umask(0177);
	gboolean bound = g_socket_bind(control->socket, address, FALSE, error);
	umask(mask);
	if (!bound || !g_socket_listen(control->socket, error)) {
		g_prefix_error(error, "open control socket %s: ", path);
		return NULL;
	}
	control->path = g_strdup(path);
	control->thread = g_thread_new("sim-accept", control_run, control);
	return g_steal_pointer(&control);
}

void
pv_sim_control_free(PvSimControl *control)
{
	if (control == NULL)
		return;
	g_cancellable_cancel(control->stop);
	if (control->thread != NULL)
		g_thread_join(control->thread);
	if (control->path != NULL)
		g_unlink(control->path);
	g_clear_object(&control->socket);
	g_clear_object(&control->stop);
	g_free(control->path);
	g_free(control);
}

JsonNode *
pv_sim_control_call(const char *path, JsonObject *request, GError **error)
{
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
	g_autoptr(GSocketConnection) connection =
	    g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, error);
	if (connection == NULL) {
		g_prefix_error(
		    error, "connect control socket %s (does 'provost-sim run' run?): ", path);
		return NULL;
	}
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), request);
	g_autofree char *text = json_to_string(node, FALSE);
	g_autofree char *line = g_strconcat(text, "\n", NULL);
	g_autoptr(GDataInputStream) input =
	    g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(connection)));
	if (!g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(connection)), line,
		strlen(line), NULL, NULL, error))
		return NULL;
	g_autofree char *answer = g_data_input_stream_read_line(input, NULL, NULL, error);
	g_autoptr(JsonParser) parser = json_parser_new();
	if (answer == NULL || !json_parser_load_from_data(parser, answer, -1, error)) {
		if (error != NULL && *error == NULL)
			g_set_error(error, G_IO_ERROR, G_IO_ERROR_CLOSED,
			    "read control socket %s: the simulator closed it", path);
		return NULL;
	}
	JsonObject *reply = json_node_get_object(json_parser_get_root(parser));
	if (json_object_get_boolean_member_with_default(reply, "ok", FALSE))
		return json_object_dup_member(reply, "result");
	g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED,
	    json_object_get_string_member_with_default(reply, "error", "no reason given"));
	return NULL;
}
