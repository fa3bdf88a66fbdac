/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/service.h"

#include "sim/audit.h"
#include "sim/classes.h"
#include "sim/fault-run.h"
#include "sim/soap.h"

#include <string.h>

#define SERVICE_ENUMERATIONS_MAX 16
#define SERVICE_ENVELOPE_MAX 65536

void
pv_sim_outcome_clear(PvSimOutcome *outcome)
{
	if (outcome->body != NULL)
		g_string_free(outcome->body, TRUE);
	g_free(outcome->method);
	g_free(outcome->note);
	memset(outcome, 0, sizeof *outcome);
}

static void
service_fault(PvSimDevice *device, const char *message_id, PvSimFaultCode code, const char *detail,
    PvSimOutcome *outcome)
{
	outcome->http_status = code == PV_SIM_FAULT_INTERNAL ? 500 : 400;
	outcome->body = pv_sim_soap_fault(message_id, ++device->message, code);
	g_free(outcome->note);
	outcome->note = g_strdup_printf(
	    "fault %s: %s", pv_sim_soap_fault_name(code), detail != NULL ? detail : "-");
	device->counters.faults++;
}

static gboolean
service_is_administrator(const PvSimDevice *device, const PvSimUser *user)
{
	return (pv_sim_device_find_realms(device, user) >> PV_SIM_REALM_ADMIN & 1) != 0;
}

static gboolean
service_may(
    const PvSimDevice *device, const PvSimUser *user, const PvSimClass *class, gboolean reads)
{
	guint64 realms = pv_sim_device_find_realms(device, user);
	if ((realms >> PV_SIM_REALM_ADMIN & 1) != 0)
		return TRUE;
	if (reads && class->readable)
		return realms != 0;
	return class->realm != 0 && (realms >> class->realm & 1) != 0;
}

static gboolean
service_selects(const PvSimInstance *instance, const GPtrArray *selectors)
{
	for (guint i = 0; i < selectors->len; i++) {
		const PvSimValue *selector = selectors->pdata[i];
		const PvSimEpr *epr = pv_sim_instance_get_epr(instance, selector->name);
		if (selector->epr != NULL
			? epr == NULL || g_strcmp0(pv_sim_epr_get(epr, "InstanceID"),
					     pv_sim_epr_get(selector->epr, "InstanceID")) != 0
			: g_strcmp0(
			      pv_sim_instance_get(instance, selector->name), selector->text) != 0)
			return FALSE;
	}
	return TRUE;
}

/* The index of the one instance that the selectors name; -1: none or several */
static int
service_select(const PvSimClass *class, const GPtrArray *instances, const GPtrArray *selectors)
{
	int found = -1;
	if (class->key != NULL && selectors->len == 0)
		return -1;
	for (guint i = 0; i < instances->len; i++) {
		if (!service_selects(instances->pdata[i], selectors))
			continue;
		if (found >= 0)
			return -1;
		found = (int)i;
	}
	return found;
}

static void
service_get(
    PvSimCall *call, const PvSimRequest *request, const PvSimAnswer *answer, PvSimOutcome *outcome)
{
	g_autoptr(GPtrArray) instances = pv_sim_class_instances(call->class, call->device);
	int found = service_select(call->class, instances, request->selectors);
	if (found < 0)
		pv_sim_call_refuse(
		    call, PV_SIM_FAULT_INVALID_SELECTORS, "the selectors name no instance");
	else
		outcome->body = pv_sim_soap_instance(answer, "Get", instances->pdata[found]);
}

static PvSimInstance *
service_read_body(PvSimCall *call, const PvSimRequest *request)
{
	if (request->body == NULL || request->body->ns == NULL ||
	    strcmp((const char *)request->body->ns->href, request->resource_uri) != 0) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_SCHEMA,
		    "the body holds no element in the namespace %s", request->resource_uri);
		return NULL;
	}
	return pv_sim_soap_read_instance(request->body, request->resource_uri, &call->refusal);
}

static gboolean
service_check_instance(PvSimCall *call, const PvSimInstance *input)
{
	const PvSimClass *class = call->class;
	if (call->device->switches->strict)
		return pv_sim_class_check_properties(class, call->device, input, &call->refusal);
	return pv_sim_class_check_types(class->name, class->properties, input, &call->refusal);
}

static void
service_put(
    PvSimCall *call, const PvSimRequest *request, const PvSimAnswer *answer, PvSimOutcome *outcome)
{
	g_autoptr(PvSimInstance) input = service_read_body(call, request);
	if (input == NULL || !service_check_instance(call, input))
		return;

	/* the selector in the header goes before the InstanceID in the body, which is enough too (amt/06 section 5) */
	g_autoptr(GPtrArray) instances = pv_sim_class_instances(call->class, call->device);
	g_autoptr(PvSimEpr) by_body = pv_sim_epr_new(call->class->name);
	const GPtrArray *selectors = request->selectors;
	const char *id =
	    call->class->key != NULL ? pv_sim_instance_get(input, call->class->key) : NULL;
	if (id != NULL && selectors->len == 0) {
		pv_sim_epr_add(by_body, call->class->key, id);
		selectors = by_body->selectors;
	}
	int found = service_select(call->class, instances, selectors);
	if (found < 0) {
		pv_sim_call_refuse(
		    call, PV_SIM_FAULT_INVALID_SELECTORS, "the selectors name no instance");
		return;
	}
	const char *key = call->class->key != NULL
			      ? pv_sim_instance_get(instances->pdata[found], call->class->key)
			      : NULL;
	call->input = input;
	call->class->put(call, key);
	call->input = NULL;
	if (call->refusal.code != PV_SIM_FAULT_NONE)
		return;
	g_autoptr(GPtrArray) now = pv_sim_class_instances(call->class, call->device);
	outcome->body = pv_sim_soap_instance(answer, "Put", now->pdata[found]);
}

static void
service_create(
    PvSimCall *call, const PvSimRequest *request, const PvSimAnswer *answer, PvSimOutcome *outcome)
{
	g_autoptr(PvSimInstance) input = service_read_body(call, request);
	if (input == NULL || !service_check_instance(call, input))
		return;
	call->input = input;
	call->class->create(call);
	call->input = NULL;
	if (call->refusal.code == PV_SIM_FAULT_NONE)
		outcome->body = pv_sim_soap_created(answer, call->created);
	g_clear_pointer(&call->created, pv_sim_epr_free);
}

static void
service_delete(
    PvSimCall *call, const PvSimRequest *request, const PvSimAnswer *answer, PvSimOutcome *outcome)
{
	g_autoptr(GPtrArray) instances = pv_sim_class_instances(call->class, call->device);
	int found = service_select(call->class, instances, request->selectors);
	if (found < 0) {
		pv_sim_call_refuse(
		    call, PV_SIM_FAULT_INVALID_SELECTORS, "the selectors name no instance");
		return;
	}
	call->class->remove(
	    call, call->class->key != NULL
		      ? pv_sim_instance_get(instances->pdata[found], call->class->key)
		      : NULL);
	if (call->refusal.code == PV_SIM_FAULT_NONE)
		outcome->body = pv_sim_soap_deleted(answer);
}

static void
service_enumeration_free(PvSimEnumeration *enumeration)
{
	if (enumeration == NULL)
		return;
	g_free(enumeration->class_name);
	g_free(enumeration);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimEnumeration, service_enumeration_free)

/* A counter, written in the first group with its low byte first, as recorded (amt/01 section 5) */
static char *
service_add_context(PvSimDevice *device, const char *class_name, guint position)
{
	PvSimEnumeration *enumeration = g_new0(PvSimEnumeration, 1);
	enumeration->id = ++device->enumeration;
	enumeration->class_name = g_strdup(class_name);
	enumeration->position = position;
	g_ptr_array_add(device->enumerations, enumeration);
	if (device->enumerations->len > SERVICE_ENUMERATIONS_MAX)
		g_ptr_array_remove_index(device->enumerations, 0);
	return g_strdup_printf(
	    "%08X-0000-0000-0000-000000000000", GUINT32_SWAP_LE_BE(enumeration->id));
}

/* Takes the enumeration of this context out of the device's list; NULL: there is none */
static PvSimEnumeration *
service_take_context(PvSimDevice *device, const char *class_name, const char *context)
{
	for (guint i = 0; context != NULL && i < device->enumerations->len; i++) {
		PvSimEnumeration *enumeration = device->enumerations->pdata[i];
		g_autofree char *text = g_strdup_printf(
		    "%08X-0000-0000-0000-000000000000", GUINT32_SWAP_LE_BE(enumeration->id));
		if (strcmp(text, context) == 0 && strcmp(enumeration->class_name, class_name) == 0)
			return g_ptr_array_steal_index(device->enumerations, i);
	}
	return NULL;
}

static guint
service_count_items(
    PvSimDevice *device, const PvSimRequest *request, GPtrArray *instances, guint position)
{
	guint count = MIN(instances->len - position, MAX(request->max_elements, 1));
	if (device->switches->one_item_pull)
		count = MIN(count, 1);
	gsize characters = 0;
	for (guint i = 0; i < count; i++) {
		const PvSimInstance *instance = instances->pdata[position + i];
		for (guint j = 0; j < instance->values->len; j++) {
			const PvSimValue *value = instance->values->pdata[j];
			characters += 2 * strlen(value->name) + 8 +
				      (value->text != NULL ? strlen(value->text) : 512);
		}
		if (characters > request->max_characters && i > 0)
			return i;
	}
	return count;
}

static void
service_pull(
    PvSimCall *call, const PvSimRequest *request, const PvSimAnswer *answer, PvSimOutcome *outcome)
{
	g_autoptr(PvSimEnumeration) enumeration =
	    service_take_context(call->device, call->class->name, request->context);
	if (enumeration == NULL) {
		pv_sim_call_refuse(
		    call, PV_SIM_FAULT_INVALID_CONTEXT, "no enumeration %s", request->context);
		return;
	}
	g_autoptr(GPtrArray) instances = pv_sim_class_instances(call->class, call->device);
	guint position = MIN(enumeration->position, instances->len);
	guint count = service_count_items(call->device, request, instances, position);
	g_autofree char *next =
	    position + count < instances->len
		? service_add_context(call->device, call->class->name, position + count)
		: NULL;
	/* an empty array has no memory to count from */
	PvSimInstance *const *items =
	    count > 0 ? (PvSimInstance *const *)instances->pdata + position : NULL;
	outcome->body = pv_sim_soap_pulled(answer, items, count, next);
}

static void
service_enumerate(PvSimCall *call, const PvSimAnswer *answer, PvSimOutcome *outcome)
{
	g_autofree char *context = service_add_context(call->device, call->class->name, 0);
	outcome->body = pv_sim_soap_enumerated(answer, context);
}

static void
service_answer_output(const PvSimAnswer *answer, const char *method, PvSimInstance *output,
    guint32 status, PvSimOutcome *outcome)
{
	pv_sim_instance_add_uint(output, "ReturnValue", status);
	outcome->body = pv_sim_soap_output(answer, method, output);
	outcome->return_value = status;
}

static void
service_invoke(
    PvSimCall *call, const PvSimRequest *request, const PvSimAnswer *answer, PvSimOutcome *outcome)
{
	const PvSimMethod *method =
	    pv_sim_class_find_method(call->class, call->device, request->method);
	g_autoptr(PvSimInstance) input = service_read_body(call, request);
	if (input == NULL)
		return;
	g_autofree char *expected = g_strconcat(method->name, "_INPUT", NULL);
	if (strcmp(input->class_name, expected) != 0) {
		pv_sim_call_refuse(call, PV_SIM_FAULT_SCHEMA, "%s: the body holds %s instead of %s",
		    method->name, input->class_name, expected);
		return;
	}
	gboolean right =
	    call->device->switches->strict
		? pv_sim_class_check_parameters(method, input, &call->refusal)
		: pv_sim_class_check_types(method->name, method->parameters, input, &call->refusal);
	if (!right)
		return;
	g_autoptr(PvSimInstance) output = pv_sim_instance_new(call->class->name);
	call->input = input;
	call->output = output;
	guint32 status = method->run(call);
	call->input = call->output = NULL;
	if (call->refusal.code != PV_SIM_FAULT_NONE)
		return;
	service_answer_output(answer, method->name, output, status, outcome);
	if (status == 0 && method->writes)
		call->device->counters.writes++;
}

/* Whether the class has what is asked for; FALSE: refused */
static gboolean
service_find(PvSimCall *call, const PvSimRequest *request)
{
	call->class = pv_sim_class_find(call->device, request->class_name);
	if (call->class == NULL) {
		pv_sim_call_refuse(
		    call, PV_SIM_FAULT_DESTINATION_UNREACHABLE, "no class %s", request->class_name);
		return FALSE;
	}
	gboolean has = TRUE;
	if (request->op == PV_SIM_OP_PUT)
		has = call->class->put != NULL;
	else if (request->op == PV_SIM_OP_CREATE)
		has = call->class->create != NULL;
	else if (request->op == PV_SIM_OP_DELETE)
		has = call->class->remove != NULL;
	else if (request->op == PV_SIM_OP_INVOKE)
		has = pv_sim_class_find_method(call->class, call->device, request->method) != NULL;
	if (!has)
		pv_sim_call_refuse(call, PV_SIM_FAULT_ACTION_NOT_SUPPORTED, "%s has no %s",
		    request->class_name,
		    request->op == PV_SIM_OP_INVOKE ? request->method
						    : pv_sim_op_name(request->op));
	return has;
}

static gboolean
service_reads(const PvSimCall *call, const PvSimRequest *request)
{
	if (request->op == PV_SIM_OP_INVOKE)
		return !pv_sim_class_find_method(call->class, call->device, request->method)
			    ->writes;
	return request->op != PV_SIM_OP_PUT && request->op != PV_SIM_OP_CREATE &&
	       request->op != PV_SIM_OP_DELETE;
}

static void
service_dispatch(PvSimCall *call, const PvSimRequest *request, PvSimOutcome *outcome)
{
	PvSimAnswer answer = {
		.relates_to = request->message_id,
		.class_name = request->class_name,
		.message = call->device->message + 1,
		.common = call->class->common,
		.common_output = call->class->common_output,
	};
	switch (request->op) {
	case PV_SIM_OP_GET:
		service_get(call, request, &answer, outcome);
		break;
	case PV_SIM_OP_PUT:
		service_put(call, request, &answer, outcome);
		break;
	case PV_SIM_OP_CREATE:
		service_create(call, request, &answer, outcome);
		break;
	case PV_SIM_OP_DELETE:
		service_delete(call, request, &answer, outcome);
		break;
	case PV_SIM_OP_ENUMERATE:
		service_enumerate(call, &answer, outcome);
		break;
	case PV_SIM_OP_PULL:
		service_pull(call, request, &answer, outcome);
		break;
	case PV_SIM_OP_RELEASE:
		outcome->body = pv_sim_soap_released(&answer);
		break;
	case PV_SIM_OP_INVOKE:
		service_invoke(call, request, &answer, outcome);
		break;
	}
	if (outcome->body == NULL)
		return;
	call->device->message++;
	outcome->http_status = 200;
	if (request->op == PV_SIM_OP_PUT || request->op == PV_SIM_OP_CREATE ||
	    request->op == PV_SIM_OP_DELETE)
		call->device->counters.writes++;
}

static void
service_lose_answer(PvSimOutcome *outcome)
{
	if (outcome->body != NULL)
		g_string_free(outcome->body, TRUE);
	outcome->body = NULL;
}

static void
service_answer_status(
    PvSimDevice *device, const PvSimRequest *request, guint32 status, PvSimOutcome *outcome)
{
	if (request->op != PV_SIM_OP_INVOKE) { /* has no ReturnValue */
		service_fault(device, request->message_id, PV_SIM_FAULT_INTERNAL, NULL, outcome);
		return;
	}
	PvSimAnswer answer = {
		.relates_to = request->message_id,
		.class_name = request->class_name,
		.message = ++device->message,
	};
	g_autoptr(PvSimInstance) output = pv_sim_instance_new(request->class_name);
	service_answer_output(&answer, request->method, output, status, outcome);
	outcome->http_status = 200;
}

static void
service_execute(PvSimDevice *device, const PvSimRequest *request, const PvSimUser *user,
    gboolean encrypted, PvSimOutcome *outcome)
{
	PvSimCall call = {
		.device = device,
		.selectors = request->selectors,
		.encrypted = encrypted,
		.administrator = service_is_administrator(device, user),
	};
	PvSimAuditMark mark = { .row = -1 };
	if (service_find(&call, request)) {
		if (!service_may(device, user, call.class, service_reads(&call, request)))
			pv_sim_call_refuse(&call, PV_SIM_FAULT_ACCESS_DENIED,
			    "%s has no realm for %s", user->name, outcome->method);
		else if (!pv_sim_audit_begin(device, outcome->method, &mark))
			service_answer_status(device, request, PV_SIM_STATUS_AUDIT_FAIL, outcome);
		else
			service_dispatch(&call, request, outcome);
	}
	pv_sim_audit_end(device, &mark, user,
	    outcome->http_status == 200 && outcome->return_value <= PV_SIM_STATUS_SUCCESS);
	outcome->restart = call.restart || call.hang_msec > 0;
	outcome->away_msec = call.hang_msec;
	if (call.hang_msec > 0)
		service_lose_answer(outcome);
	if (call.refusal.code != PV_SIM_FAULT_NONE)
		service_fault(
		    device, request->message_id, call.refusal.code, call.refusal.detail, outcome);
	else if (call.refusal.detail != NULL)
		outcome->note = g_strdup(call.refusal.detail);
	g_free(call.refusal.detail);
}

/* Does the request change something, if it is one that the device knows? */
static gboolean
service_writes(const PvSimDevice *device, const PvSimRequest *request)
{
	if (request->op != PV_SIM_OP_INVOKE)
		return request->op == PV_SIM_OP_PUT || request->op == PV_SIM_OP_CREATE ||
		       request->op == PV_SIM_OP_DELETE;
	const PvSimClass *class = pv_sim_class_find(device, request->class_name);
	const PvSimMethod *method =
	    class != NULL ? pv_sim_class_find_method(class, device, request->method) : NULL;
	return method != NULL && method->writes;
}

static void
service_challenge(PvSimDevice *device, gboolean stale, PvSimOutcome *outcome)
{
	g_ptr_array_set_size(device->nonces, 0);
	outcome->http_status = 401;
	outcome->challenge = TRUE;
	outcome->stale = stale;
}

/* Executes the request while the device has another one-time password than the one that was set */
static void
service_execute_with_other_otp(PvSimDevice *device, const PvSimRequest *request, const PvSimUser *user,
    gboolean encrypted, PvSimOutcome *outcome)
{
	g_autofree char *set = g_steal_pointer(&device->otp_set);
	g_autofree char *other = g_strdup(set != NULL ? set : "another-password");
	other[0] = other[0] != 'x' ? 'x' : 'y';
	device->otp_set = g_strdup(other);
	service_execute(device, request, user, encrypted, outcome);
	if (g_strcmp0(device->otp_set, other) == 0) { /* the request has set none */
		g_free(device->otp_set);
		device->otp_set = g_steal_pointer(&set);
	}
}

static void
service_go_away(const PvSimFault *fault, PvSimOutcome *outcome)
{
	outcome->restart = TRUE;
	if (fault->msec > 0)
		outcome->away_msec = (guint)fault->msec;
}

/* What the script does instead of the request; FALSE: it is executed */
static gboolean
service_replace(PvSimDevice *device, const PvSimRequest *request, const PvSimFault *fault,
    PvSimOutcome *outcome)
{
	switch (fault->action) {
	case PV_SIM_DO_CLOSE_BEFORE:
		return TRUE;
	case PV_SIM_DO_STATUS:
		service_answer_status(device, request, (guint32)fault->value, outcome);
		return TRUE;
	case PV_SIM_DO_FAULT:
		service_fault(
		    device, request->message_id, (PvSimFaultCode)fault->subcode, NULL, outcome);
		return TRUE;
	case PV_SIM_DO_STALE_NONCE:
		service_challenge(device, fault->stale != 0, outcome);
		return TRUE;
	case PV_SIM_DO_RESET:
		outcome->restart = TRUE;
		return TRUE;
	case PV_SIM_DO_RESTART:
	case PV_SIM_DO_POWER_LOSS:
	case PV_SIM_DO_OFF:
		if (fault->executed != 0)
			return FALSE;
		service_go_away(fault, outcome);
		return TRUE;
	default:
		return FALSE;
	}
}

/* What becomes of the answer of a request that was executed */
static void
service_spoil_answer(const PvSimFault *fault, PvSimOutcome *outcome)
{
	switch (fault->action) {
	case PV_SIM_DO_CLOSE_AFTER:
		service_lose_answer(outcome);
		break;
	case PV_SIM_DO_RESTART:
	case PV_SIM_DO_POWER_LOSS:
	case PV_SIM_DO_OFF:
		service_lose_answer(outcome);
		service_go_away(fault, outcome);
		break;
	case PV_SIM_DO_SLOW:
		outcome->delay_msec = (guint)fault->msec;
		break;
	case PV_SIM_DO_TRICKLE:
		outcome->piece_bytes = (guint)fault->bytes;
		outcome->piece_msec = (guint)fault->msec;
		break;
	case PV_SIM_DO_TRUNCATED:
		outcome->shape = PV_SIM_HTTP_TRUNCATED;
		break;
	case PV_SIM_DO_WRONG_LENGTH:
		outcome->shape = PV_SIM_HTTP_WRONG_LENGTH;
		break;
	case PV_SIM_DO_NO_LENGTH:
		outcome->shape = PV_SIM_HTTP_NO_LENGTH;
		break;
	default:
		if (outcome->body != NULL)
			pv_sim_fault_spoil_answer(outcome->body, fault);
		break;
	}
	outcome->shape_bytes = (gsize)fault->bytes;
}

static void
service_run_script(PvSimDevice *device, const PvSimRequest *request, const PvSimFault *fault,
    const PvSimUser *user, gboolean encrypted, PvSimOutcome *outcome)
{
	g_autofree char *note = g_strdup_printf("fault script: %s", fault->text);
	pv_sim_fault_change_device(device, fault);
	if (!service_replace(device, request, fault, outcome)) {
		if (fault->action == PV_SIM_DO_WRONG_OTP)
			service_execute_with_other_otp(device, request, user, encrypted, outcome);
		else
			service_execute(device, request, user, encrypted, outcome);
		service_spoil_answer(fault, outcome);
	}
	g_free(outcome->note);
	outcome->note = g_steal_pointer(&note);
}

void
pv_sim_service_run(PvSimDevice *device, const char *data, gsize length, const PvSimUser *user,
    gboolean encrypted, PvSimOutcome *outcome)
{
	PvSimRefusal refusal = { PV_SIM_FAULT_NONE, NULL };
	memset(outcome, 0, sizeof *outcome);
	outcome->return_value = -1;
	if (length > SERVICE_ENVELOPE_MAX) {
		outcome->method = g_strdup("-");
		service_fault(device, NULL, PV_SIM_FAULT_ENCODING_LIMIT,
		    "the envelope is too large", outcome);
		return;
	}
	g_autoptr(PvSimRequest) request = pv_sim_request_parse(data, length, &refusal);
	if (request == NULL) {
		outcome->method = g_strdup("-");
		service_fault(device, NULL, refusal.code, refusal.detail, outcome);
		g_free(refusal.detail);
		return;
	}
	outcome->method = pv_sim_request_name(request);
	const PvSimFault *fault = pv_sim_faults_meet(
	    device->switches->faults, outcome->method, service_writes(device, request));
	if (fault != NULL)
		service_run_script(device, request, fault, user, encrypted, outcome);
	else
		service_execute(device, request, user, encrypted, outcome);
	if (outcome->restart && device->switches->lost_reply_commit &&
	    strcmp(outcome->method, "AMT_SetupAndConfigurationService.CommitChanges") == 0)
		service_lose_answer(outcome);
}

char *
pv_sim_service_name(const char *data, gsize length)
{
	PvSimRefusal refusal = { PV_SIM_FAULT_NONE, NULL };
	g_autoptr(PvSimRequest) request =
	    length <= SERVICE_ENVELOPE_MAX ? pv_sim_request_parse(data, length, &refusal) : NULL;
	g_free(refusal.detail);
	return request != NULL ? pv_sim_request_name(request) : g_strdup("-");
}
