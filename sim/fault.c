/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a fault script says; what it does is in fault-run.c and service.c */
#include "sim/fault.h"

#include "sim/classes.h"
#include "sim/json.h"
#include "sim/soap.h"

#include <gio/gio.h>
#include <string.h>

#define FAULT_RULES_MAX 1000
#define FAULT_MSEC_MAX 3600000
#define FAULT_BYTES_MAX (64 * 1024 * 1024)
#define FAULT_SEC_MAX G_MAXINT32
#define FAULT_REQUIRED G_MININT64

typedef enum { FAULT_NUMBER, FAULT_CHOICE, FAULT_SUBCODE } FaultKind;

typedef struct {
	const char *name; /* NULL: none */
	FaultKind kind;
	gsize offset;
	gint64 min, max;
	gint64 fallback; /* FAULT_REQUIRED: none */
	const char *choices; /* separated by | */
} FaultParameter;

typedef struct {
	const char *name;
	PvSimFaultAction action;
	gboolean writes;
	gboolean at_start; /* possible without a request */
	gint64 value; /* ReturnValue that the name stands for */
	FaultParameter parameters[2]; /* the first one is the VALUE of the short form */
	const char *summary;
} FaultRow;

#define AT(field) G_STRUCT_OFFSET(PvSimFault, field)
#define BYTES(min, fallback) \
	{ \
		"bytes", FAULT_NUMBER, AT(bytes), min, FAULT_BYTES_MAX, fallback, NULL \
	}
#define MSEC(fallback) \
	{ \
		"msec", FAULT_NUMBER, AT(msec), 1, FAULT_MSEC_MAX, fallback, NULL \
	}
#define EXECUTED \
	{ \
		"executed", FAULT_CHOICE, AT(executed), 0, 0, FALSE, "false|true" \
	}
#define NONE \
	{ \
		{ \
			NULL \
		} \
	}

/* clang-format off */
static const FaultRow fault_rows[] = {
	{ "close-before", PV_SIM_DO_CLOSE_BEFORE, FALSE, FALSE, 0, NONE, "the connection closes, nothing was executed" },
	{ "close-after", PV_SIM_DO_CLOSE_AFTER, FALSE, FALSE, 0, NONE, "executed, but the connection closes instead of an answer" },
	{ "slow", PV_SIM_DO_SLOW, FALSE, FALSE, 0, { MSEC(FAULT_REQUIRED) }, "executed, the answer comes after so long" },
	{ "trickle", PV_SIM_DO_TRICKLE, FALSE, FALSE, 0, { MSEC(50), BYTES(1, 16) }, "executed, the answer comes in pieces of so many bytes, with pauses; a long pause is a device that hangs" },
	{ "stale-nonce", PV_SIM_DO_STALE_NONCE, FALSE, FALSE, 0, { { "stale", FAULT_CHOICE, AT(stale), 0, 0, FALSE, "false|true" } }, "not executed: 401 with a new nonce, the old ones are void" },
	{ "status", PV_SIM_DO_STATUS, FALSE, FALSE, 0, { { "value", FAULT_NUMBER, AT(value), 0, G_MAXUINT32, FAULT_REQUIRED, NULL } }, "not executed: this ReturnValue" },
	{ "busy", PV_SIM_DO_STATUS, FALSE, FALSE, PV_SIM_STATUS_GENERATING_KEYS, NONE, "not executed: 2061, keys are being made" },
	{ "flash-limit", PV_SIM_DO_STATUS, TRUE, FALSE, PV_SIM_STATUS_FLASH_WRITE_LIMIT, NONE, "what writes is not executed: 38, too many writes to flash" },
	{ "table-full", PV_SIM_DO_STATUS, TRUE, FALSE, PV_SIM_STATUS_MAX_LIMIT_REACHED, NONE, "what writes is not executed: 23, no place is left in the table" },
	{ "storage-out", PV_SIM_DO_STATUS, TRUE, FALSE, PV_SIM_STATUS_NOT_ENOUGH_STORAGE, NONE, "what writes is not executed: 11, no storage is left" },
	{ "audit-fail", PV_SIM_DO_STATUS, TRUE, FALSE, PV_SIM_STATUS_AUDIT_FAIL, NONE, "what writes is not executed: 2075, it cannot be written to the audit log" },
	{ "blocked", PV_SIM_DO_STATUS, TRUE, FALSE, PV_SIM_STATUS_BLOCKING_COMPONENT, NONE, "what writes is not executed: 2076, an auditor forbids it" },
	{ "fault400", PV_SIM_DO_FAULT, FALSE, FALSE, 0, { { "subcode", FAULT_SUBCODE, AT(subcode), 0, 0, PV_SIM_FAULT_ACCESS_DENIED, NULL } }, "not executed: HTTP 400 with a SOAP fault" },
	{ "fault500", PV_SIM_DO_FAULT, FALSE, FALSE, PV_SIM_FAULT_INTERNAL, NONE, "not executed: HTTP 500 with a SOAP fault" },
	{ "restart", PV_SIM_DO_RESTART, FALSE, FALSE, 0, { EXECUTED }, "the network stack restarts; no answer" },
	{ "power-loss", PV_SIM_DO_POWER_LOSS, FALSE, FALSE, 0, { MSEC(300), EXECUTED }, "off for so long; nonces, sessions, enumerations and the count of failed logins are lost; no answer" },
	{ "off", PV_SIM_DO_OFF, FALSE, FALSE, 0, { MSEC(FAULT_REQUIRED), EXECUTED }, "not reachable for so long, as without a cable; no answer" },
	{ "reset", PV_SIM_DO_RESET, FALSE, FALSE, 0, { { "state", FAULT_CHOICE, AT(state), 0, 0, PV_SIM_PRE, "pre|in|post" } }, "not executed: everything is as the factory left it; no answer" },
	{ "wrong-otp", PV_SIM_DO_WRONG_OTP, FALSE, FALSE, 0, NONE, "executed, but the device has another one-time password meanwhile" },
	{ "clock-jump", PV_SIM_DO_CLOCK_JUMP, FALSE, TRUE, 0, { { "sec", FAULT_NUMBER, AT(sec), -FAULT_SEC_MAX, FAULT_SEC_MAX, FAULT_REQUIRED, NULL } }, "the clock jumps by so much, then executed" },
	{ "leftovers", PV_SIM_DO_LEFTOVERS, FALSE, TRUE, 0, NONE, "another product's keys, certificates, root, TLS binding, wireless profile and access entries appear, then executed" },
	{ "malformed", PV_SIM_DO_MALFORMED, FALSE, FALSE, 0, NONE, "executed, the answer's XML is not well-formed" },
	{ "truncated", PV_SIM_DO_TRUNCATED, FALSE, FALSE, 0, { BYTES(0, 200) }, "executed, the connection closes after so many bytes of the body" },
	{ "huge", PV_SIM_DO_HUGE, FALSE, FALSE, 0, { BYTES(1, 1048576) }, "executed, the answer is filled with blanks up to so many bytes" },
	{ "wrong-relates-to", PV_SIM_DO_WRONG_RELATES_TO, FALSE, FALSE, 0, NONE, "executed, the answer names another request" },
	{ "wrong-length", PV_SIM_DO_WRONG_LENGTH, FALSE, FALSE, 0, { BYTES(1, 64) }, "executed, Content-Length is so many bytes more than come" },
	{ "no-length", PV_SIM_DO_NO_LENGTH, FALSE, FALSE, 0, NONE, "executed, answered as HTTP/1.0: neither length nor chunks, the end is the connection's" },
};
/* clang-format on */

void
pv_sim_fault_free(PvSimFault *fault)
{
	if (fault == NULL)
		return;
	g_free(fault->text);
	g_free(fault->device);
	g_free(fault->call);
	g_free(fault);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimFault, pv_sim_fault_free)

static void
fault_free(gpointer data)
{
	pv_sim_fault_free(data);
}

static gint64 *
fault_field(PvSimFault *fault, const FaultParameter *parameter)
{
	return (gint64 *)G_STRUCT_MEMBER_P(fault, parameter->offset);
}

static void fault_refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
fault_refuse(GError **error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, text);
}

static gboolean
fault_is_integer(JsonNode *node)
{
	return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64;
}

/* NULL: no string */
static const char *
fault_string(JsonNode *node)
{
	return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
		   ? json_node_get_string(node)
		   : NULL;
}

static const FaultRow *
fault_find_row(const char *name)
{
	for (guint i = 0; i < G_N_ELEMENTS(fault_rows); i++) {
		if (g_strcmp0(fault_rows[i].name, name) == 0)
			return &fault_rows[i];
	}
	return NULL;
}

static char *
fault_row_names(void)
{
	g_autoptr(GString) names = g_string_new(NULL);
	for (guint i = 0; i < G_N_ELEMENTS(fault_rows); i++)
		g_string_append_printf(
		    names, "%s%s", names->len > 0 ? ", " : "", fault_rows[i].name);
	return g_string_free(g_steal_pointer(&names), FALSE);
}

/* Members; each sets its part of the rule, FALSE: the value is wrong */

static gboolean
fault_read_call(PvSimFault *fault, JsonNode *node, GError **error)
{
	const char *call = fault_string(node);
	if (call != NULL &&
	    (strcmp(call, "*") == 0 ||
		g_regex_match_simple("^[A-Za-z0-9_]+\\.[A-Za-z0-9_]+$", call, 0, 0))) {
		g_free(fault->call);
		fault->call = g_strdup(call);
		return TRUE;
	}
	fault_refuse(error, "expected \"Class.Method\" or \"*\"");
	return FALSE;
}

static gboolean
fault_read_at(PvSimFault *fault, JsonNode *node, GError **error)
{
	const char *word = fault_string(node);
	JsonArray *range = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
	gint64 first = -1, last = -1;
	if (fault_is_integer(node)) {
		first = last = json_node_get_int(node);
	} else if (g_strcmp0(word, "every") == 0) {
		first = 1;
		last = G_MAXINT32;
	} else if (range != NULL && json_array_get_length(range) == 2 &&
		   fault_is_integer(json_array_get_element(range, 0)) &&
		   fault_is_integer(json_array_get_element(range, 1))) {
		first = json_array_get_int_element(range, 0);
		last = json_array_get_int_element(range, 1);
	}
	gboolean start = g_strcmp0(word, "start") == 0;
	if (!start && (first < 1 || last < first || last > G_MAXINT32)) {
		fault_refuse(
		    error, "expected a number from 1 on, [FIRST, LAST], \"every\" or \"start\"");
		return FALSE;
	}
	fault->first = start ? 0 : (guint)first;
	fault->last = start || last == G_MAXINT32 ? 0 : (guint)last;
	return TRUE;
}

static gboolean
fault_read_choice(gint64 *field, const char *choices, JsonNode *node, GError **error)
{
	/* true and "true" are the same */
	gboolean boolean =
	    JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_BOOLEAN;
	const char *word =
	    boolean ? (json_node_get_boolean(node) ? "true" : "false") : fault_string(node);
	g_auto(GStrv) names = g_strsplit(choices, "|", -1);
	for (guint i = 0; names[i] != NULL; i++) {
		if (g_strcmp0(names[i], word) == 0) {
			*field = i;
			return TRUE;
		}
	}
	fault_refuse(error, "expected %s", choices);
	return FALSE;
}

static gboolean
fault_read_parameter(
    PvSimFault *fault, const FaultParameter *parameter, JsonNode *node, GError **error)
{
	gint64 *field = fault_field(fault, parameter);
	PvSimFaultCode code = PV_SIM_FAULT_NONE;
	switch (parameter->kind) {
	case FAULT_NUMBER:
		*field = fault_is_integer(node) ? json_node_get_int(node) : FAULT_REQUIRED;
		if (*field >= parameter->min && *field <= parameter->max)
			return TRUE;
		fault_refuse(error,
		    "expected a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
		    parameter->min, parameter->max);
		return FALSE;
	case FAULT_CHOICE:
		return fault_read_choice(field, parameter->choices, node, error);
	case FAULT_SUBCODE:
		code = pv_sim_soap_fault_find(fault_string(node));
		break;
	}
	*field = code;
	if (code != PV_SIM_FAULT_NONE && code != PV_SIM_FAULT_INTERNAL)
		return TRUE;
	fault_refuse(error, "expected the subcode of a SOAP fault, such as SchemaValidationError");
	return FALSE;
}

static const FaultParameter *
fault_find_parameter(const FaultRow *row, const char *name)
{
	for (guint i = 0; i < G_N_ELEMENTS(row->parameters); i++) {
		if (g_strcmp0(row->parameters[i].name, name) == 0)
			return &row->parameters[i];
	}
	return NULL;
}

static gboolean
fault_set_row(PvSimFault *fault, const FaultRow *row, JsonObject *object, GError **error)
{
	fault->action = row->action;
	fault->writes = row->writes;
	fault->value = row->value;
	fault->subcode = row->value;
	for (guint i = 0; i < G_N_ELEMENTS(row->parameters) && row->parameters[i].name != NULL;
	     i++) {
		const FaultParameter *parameter = &row->parameters[i];
		if (parameter->fallback == FAULT_REQUIRED &&
		    !json_object_has_member(object, parameter->name)) {
			fault_refuse(error, "%s needs '%s'", row->name, parameter->name);
			return FALSE;
		}
		*fault_field(fault, parameter) = parameter->fallback;
	}
	return TRUE;
}

/* *member: the one that is wrong; it stays NULL for the rule as a whole */
static gboolean
fault_read_members(PvSimFault *fault, const FaultRow *row, JsonObject *object, gboolean devices,
    const char **wrong, GError **error)
{
	JsonObjectIter members;
	JsonNode *node = NULL;
	const char *name = NULL;
	json_object_iter_init(&members, object);
	while (json_object_iter_next(&members, &name, &node)) {
		gboolean right = TRUE;
		const FaultParameter *parameter = fault_find_parameter(row, name);
		*wrong = name;
		if (strcmp(name, "do") == 0)
			continue;
		if (strcmp(name, "call") == 0) {
			right = fault_read_call(fault, node, error);
		} else if (strcmp(name, "at") == 0) {
			right = fault_read_at(fault, node, error);
		} else if (devices && strcmp(name, "device") == 0) {
			fault->device = g_strdup(fault_string(node));
			right = fault->device != NULL;
			if (!right)
				fault_refuse(error, "expected a device's name");
		} else if (parameter != NULL) {
			right = fault_read_parameter(fault, parameter, node, error);
		} else {
			fault_refuse(error, "unknown member for the action %s", row->name);
			right = FALSE;
		}
		if (!right)
			return FALSE;
	}
	*wrong = NULL;
	return TRUE;
}

/* "CALL:AT:ACTION[:VALUE]" */
static char *
fault_text(PvSimFault *fault, const FaultRow *row)
{
	GString *text = g_string_new(NULL);
	if (fault->first == 0)
		g_string_append_printf(text, "%s:start:%s", fault->call, row->name);
	else if (fault->last == 0)
		g_string_append_printf(text, "%s:*:%s", fault->call, row->name);
	else if (fault->first == fault->last)
		g_string_append_printf(text, "%s:%u:%s", fault->call, fault->first, row->name);
	else
		g_string_append_printf(
		    text, "%s:%u-%u:%s", fault->call, fault->first, fault->last, row->name);
	const FaultParameter *parameter = &row->parameters[0];
	if (parameter->name == NULL)
		return g_string_free(text, FALSE);
	gint64 value = *fault_field(fault, parameter);
	if (parameter->kind == FAULT_NUMBER) {
		g_string_append_printf(text, ":%" G_GINT64_FORMAT, value);
	} else if (value != parameter->fallback && parameter->kind == FAULT_SUBCODE) {
		g_string_append_printf(text, ":%s", pv_sim_soap_fault_name((PvSimFaultCode)value));
	} else if (value != parameter->fallback) {
		g_auto(GStrv) names = g_strsplit(parameter->choices, "|", -1);
		g_string_append_printf(text, ":%s", names[value]);
	}
	return g_string_free(text, FALSE);
}

/* NULL: *wrong is the member that the error is about, or NULL for the rule as a whole */
static PvSimFault *
fault_read(JsonObject *object, gboolean devices, const char **wrong, GError **error)
{
	JsonNode *action = json_object_get_member(object, "do");
	const FaultRow *row = action != NULL ? fault_find_row(fault_string(action)) : NULL;
	g_autoptr(PvSimFault) fault = g_new0(PvSimFault, 1);
	*wrong = action != NULL ? "do" : NULL;
	if (row == NULL) {
		g_autofree char *names = fault_row_names();
		fault_refuse(error, "%s: there are %s",
		    action != NULL ? "no such action" : "'do' is missing", names);
		return NULL;
	}
	*wrong = NULL;
	fault->call = g_strdup("*");
	fault->first = 1;
	if (!fault_set_row(fault, row, object, error) ||
	    !fault_read_members(fault, row, object, devices, wrong, error))
		return NULL;
	if (!json_object_has_member(object, "at")) {
		fault_refuse(error, "'at' is missing");
		return NULL;
	}
	gboolean has_call = json_object_has_member(object, "call");
	if (fault->first == 0 && (!row->at_start || has_call)) {
		*wrong = has_call ? "call" : "at";
		fault_refuse(error, has_call ? "at the start there is no call" : "%s needs a call",
		    row->name);
		return NULL;
	}
	if (fault->first > 0 && !has_call) {
		fault_refuse(error, "'call' is missing");
		return NULL;
	}
	fault->text = fault_text(fault, row);
	return g_steal_pointer(&fault);
}

/* The short form as the object that it stands for; NULL: no such form */
static JsonObject *
fault_expand(const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, ":", 4);
	guint count = g_strv_length(parts);
	const FaultRow *row = count >= 3 ? fault_find_row(parts[2]) : NULL;
	guint64 first = 0, last = 0;
	gint64 number = 0;
	if (row == NULL || (count == 4 && row->parameters[0].name == NULL))
		return NULL;
	g_autoptr(JsonObject) object = json_object_new();
	json_object_set_string_member(object, "do", row->name);
	char *dash = strchr(parts[1], '-');
	if (dash != NULL)
		*dash = '\0';
	if (strcmp(parts[1], "*") == 0) {
		json_object_set_string_member(object, "at", "every");
	} else if (strcmp(parts[1], "start") == 0 && strcmp(parts[0], "*") == 0) {
		json_object_set_string_member(object, "at", "start");
	} else if (g_ascii_string_to_unsigned(parts[1], 10, 1, G_MAXINT32 - 1, &first, NULL) &&
		   (dash == NULL || g_ascii_string_to_unsigned(
					dash + 1, 10, first, G_MAXINT32 - 1, &last, NULL))) {
		JsonArray *range = json_array_new();
		json_array_add_int_element(range, (gint64)first);
		json_array_add_int_element(range, (gint64)(dash != NULL ? last : first));
		json_object_set_array_member(object, "at", range);
	} else {
		return NULL;
	}
	if (strcmp(parts[1], "start") != 0)
		json_object_set_string_member(object, "call", parts[0]);
	if (count == 4 && row->parameters[0].kind != FAULT_NUMBER)
		json_object_set_string_member(object, row->parameters[0].name, parts[3]);
	else if (count == 4 &&
		 g_ascii_string_to_signed(parts[3], 10, G_MININT64, G_MAXINT64, &number, NULL))
		json_object_set_int_member(object, row->parameters[0].name, number);
	else if (count == 4)
		return NULL;
	return g_steal_pointer(&object);
}

PvSimFault *
pv_sim_fault_parse(const char *text, GError **error)
{
	const char *wrong = NULL;
	g_autoptr(JsonObject) object = fault_expand(text);
	if (object == NULL) {
		g_autofree char *names = fault_row_names();
		fault_refuse(error,
		    "switch fault takes CALL:AT:ACTION[:VALUE] (CALL: Class.Method or *; AT: from "
		    "1, FIRST-LAST, * for "
		    "each; ACTION: %s), not '%s'",
		    names, text);
		return NULL;
	}
	PvSimFault *fault = fault_read(object, FALSE, &wrong, error);
	if (fault == NULL)
		g_prefix_error(error, "switch fault '%s': %s%s", text, wrong != NULL ? wrong : "",
		    wrong != NULL ? ": " : "");
	return fault;
}

char *
pv_sim_fault_describe(void)
{
	GString *text = g_string_new(NULL);
	for (guint i = 0; i < G_N_ELEMENTS(fault_rows); i++) {
		const FaultRow *row = &fault_rows[i];
		g_autoptr(GString) names = g_string_new(row->name);
		for (guint j = 0;
		     j < G_N_ELEMENTS(row->parameters) && row->parameters[j].name != NULL; j++) {
			gboolean needed = row->parameters[j].fallback == FAULT_REQUIRED;
			g_string_append_printf(
			    names, needed ? " %s" : " [%s]", row->parameters[j].name);
		}
		g_string_append_printf(text, "  %-29s %s\n", names->str, row->summary);
	}
	return g_string_free(text, FALSE);
}

/* Scripts */

GPtrArray *
pv_sim_faults_new(void)
{
	return g_ptr_array_new_with_free_func(fault_free);
}

void
pv_sim_faults_add(GPtrArray *faults, const GPtrArray *from, const char *device)
{
	for (guint i = 0; i < from->len; i++) {
		const PvSimFault *rule = from->pdata[i];
		if (rule->device != NULL && g_strcmp0(rule->device, device) != 0)
			continue;
		PvSimFault *fault = g_memdup2(rule, sizeof *rule);
		fault->text = g_strdup(rule->text);
		fault->device = NULL; /* it has found its device */
		fault->call = g_strdup(rule->call);
		fault->seen = fault->fired = 0;
		g_ptr_array_add(faults, fault);
	}
}

/* "read faults FILE:LINE: PATH: ..." */
static void
fault_tell_place(
    GError **error, const PvSimFaultSource *source, const char *path, const char *member)
{
	g_autofree char *whole = member != NULL ? g_strconcat(path, ".", member, NULL) : NULL;
	guint line = whole != NULL ? pv_sim_json_find_line(source->text, whole) : 0;
	if (line == 0)
		line = pv_sim_json_find_line(source->text, path);
	const char *shown = whole != NULL ? whole : path;
	g_prefix_error(error, "read faults %s:%u: %s%s", source->file, line, shown,
	    *shown != '\0' ? ": " : "");
}

gboolean
pv_sim_faults_read(GPtrArray *faults, JsonNode *list, const PvSimFaultSource *source,
    const char *path, GError **error)
{
	JsonArray *rules = JSON_NODE_HOLDS_ARRAY(list) ? json_node_get_array(list) : NULL;
	guint count = rules != NULL ? json_array_get_length(rules) : 0;
	if (rules == NULL || count > FAULT_RULES_MAX) {
		fault_refuse(error, "expected an array of at most %u rules", FAULT_RULES_MAX);
		fault_tell_place(error, source, path, NULL);
		return FALSE;
	}
	for (guint i = 0; i < count; i++) {
		JsonNode *node = json_array_get_element(rules, i);
		g_autofree char *place = g_strdup_printf("%s[%u]", path, i);
		const char *wrong = NULL;
		PvSimFault *fault = NULL;
		if (JSON_NODE_HOLDS_OBJECT(node))
			fault =
			    fault_read(json_node_get_object(node), source->devices, &wrong, error);
		else
			fault_refuse(
			    error, "expected a rule: { \"call\": ..., \"at\": ..., \"do\": ... }");
		if (fault == NULL) {
			fault_tell_place(error, source, place, wrong);
			return FALSE;
		}
		g_ptr_array_add(faults, fault);
	}
	return TRUE;
}

gboolean
pv_sim_faults_read_text(GPtrArray *faults, const PvSimFaultSource *source, GError **error)
{
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	g_autoptr(GError) wrong = NULL;
	if (!json_parser_load_from_data(parser, source->text, -1, &wrong)) {
		fault_refuse(error, "read faults %s: %s", source->file, wrong->message);
		return FALSE;
	}
	JsonNode *root = json_parser_get_root(parser);
	if (root == NULL) {
		fault_refuse(error, "read faults %s: the file is empty", source->file);
		return FALSE;
	}
	return pv_sim_faults_read(faults, root, source, "", error);
}

const PvSimFault *
pv_sim_faults_meet(GPtrArray *faults, const char *method, gboolean writes)
{
	PvSimFault *met = NULL;
	for (guint i = 0; i < faults->len; i++) {
		PvSimFault *fault = faults->pdata[i];
		gboolean fits = fault->first > 0 && (writes || !fault->writes) &&
				(strcmp(fault->call, "*") == 0 || strcmp(fault->call, method) == 0);
		if (!fits)
			continue;
		fault->seen++;
		if (met == NULL && fault->seen >= fault->first &&
		    (fault->last == 0 || fault->seen <= fault->last))
			met = fault;
	}
	if (met != NULL)
		met->fired++;
	return met;
}
