/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/fault.h"

#include <gio/gio.h>
#include <string.h>

void
pv_sim_fault_free(PvSimFault *fault)
{
	if (fault == NULL)
		return;
	g_free(fault->text);
	g_free(fault->method);
	g_free(fault);
}

static void
fault_free(gpointer data)
{
	pv_sim_fault_free(data);
}

static gboolean
fault_parse_action(PvSimFault *fault, const char *action, const char *value)
{
	static const struct {
		const char *name;
		PvSimFaultAction action;
		gboolean has_value;
	} actions[] = {
		{ "close-before", PV_SIM_DO_CLOSE_BEFORE, FALSE },
		{ "close-after", PV_SIM_DO_CLOSE_AFTER, FALSE },
		{ "status", PV_SIM_DO_STATUS, TRUE },
		{ "fault400", PV_SIM_DO_FAULT, FALSE },
		{ "slow", PV_SIM_DO_SLOW, TRUE },
		{ "restart", PV_SIM_DO_RESTART, FALSE },
	};

	for (guint i = 0; i < G_N_ELEMENTS(actions); i++) {
		if (g_strcmp0(action, actions[i].name) != 0)
			continue;
		guint64 number = 0;
		if (actions[i].has_value != (value != NULL) ||
		    (value != NULL &&
			!g_ascii_string_to_unsigned(value, 10, 0, 3600000, &number, NULL)))
			return FALSE;
		fault->action = actions[i].action;
		fault->value = (guint)number;
		return TRUE;
	}
	return FALSE;
}

PvSimFault *
pv_sim_fault_parse(const char *text, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(text, ":", 4);
	guint count = g_strv_length(parts);
	guint64 nth = 0;
	PvSimFault *fault = g_new0(PvSimFault, 1);
	gboolean good = count >= 3 && *parts[0] != '\0' &&
			(strcmp(parts[1], "*") == 0 ||
			    g_ascii_string_to_unsigned(parts[1], 10, 1, G_MAXINT32, &nth, NULL)) &&
			fault_parse_action(fault, parts[2], parts[3]);
	if (!good) {
		pv_sim_fault_free(fault);
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "switch fault takes Class.Method:N:ACTION (N: from 1, or *; ACTION: close-before, close-after, "
		    "status:NUMBER, fault400, slow:MSEC, restart), not '%s'",
		    text);
		return NULL;
	}
	fault->text = g_strdup(text);
	fault->method = g_strdup(parts[0]);
	fault->nth = (guint)nth;
	return fault;
}

GPtrArray *
pv_sim_faults_new(void)
{
	return g_ptr_array_new_with_free_func(fault_free);
}

GPtrArray *
pv_sim_faults_dup(const GPtrArray *faults)
{
	GPtrArray *copy = pv_sim_faults_new();
	for (guint i = 0; i < faults->len; i++) {
		const PvSimFault *from = faults->pdata[i];
		PvSimFault *fault = g_memdup2(from, sizeof *from);
		fault->text = g_strdup(from->text);
		fault->method = g_strdup(from->method);
		fault->seen = 0;
		g_ptr_array_add(copy, fault);
	}
	return copy;
}

const PvSimFault *
pv_sim_faults_meet(GPtrArray *faults, const char *method)
{
	const PvSimFault *met = NULL;
	for (guint i = 0; i < faults->len; i++) {
		PvSimFault *fault = faults->pdata[i];
		if (strcmp(fault->method, "*") != 0 && strcmp(fault->method, method) != 0)
			continue;
		fault->seen++;
		if (met == NULL && (fault->nth == 0 || fault->nth == fault->seen))
			met = fault;
	}
	return met;
}
