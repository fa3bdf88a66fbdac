/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/instance.h"
#include "core/amt/realms.h"
#include "core/amt/status.h"

#include <provost/error.h>

#include <string.h>

static void
instance_test_order(void)
{
	g_autoptr(PvInstance) instance = pv_instance_new("AMT_GeneralSettings");
	pv_instance_add(instance, "DomainName", "example.com");
	pv_instance_add(instance, "WsmanOnlyMode", "false");
	pv_instance_add(instance, "localThing", "1");
	pv_instance_set(instance, "HostName", "pc1");
	pv_instance_set(instance, "DomainName", "example.org");

	static const char *const expected[] = { "DomainName", "HostName", "WsmanOnlyMode",
		"localThing" };
	g_assert_cmpuint(pv_instance_get_length(instance), ==, G_N_ELEMENTS(expected));
	for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
		g_assert_cmpstr(pv_instance_get_property(instance, i)->name, ==, expected[i]);
	g_assert_cmpstr(pv_instance_get(instance, "DomainName"), ==, "example.org");

	pv_instance_set(instance, "HostName", NULL);
	g_assert_null(pv_instance_get(instance, "HostName"));
	g_assert_cmpuint(pv_instance_get_length(instance), ==, 3);
}

static void
instance_test_array(void)
{
	g_autoptr(PvInstance) instance = pv_instance_new("AMT_EthernetPortSettings");
	pv_instance_add_int(instance, "LinkPolicy", 1);
	pv_instance_add(instance, "MACAddress", "aa-bb");
	pv_instance_add_int(instance, "LinkPolicy", 14);
	g_assert_cmpuint(pv_instance_get_count(instance, "LinkPolicy"), ==, 2);
	g_assert_cmpstr(pv_instance_get_nth(instance, "LinkPolicy", 1), ==, "14");
	g_assert_null(pv_instance_get_nth(instance, "LinkPolicy", 2));

	const char *values[] = { "16", "224", "1", NULL };
	pv_instance_set_array(instance, "LinkPolicy", values);
	g_assert_cmpuint(pv_instance_get_count(instance, "LinkPolicy"), ==, 3);
	g_assert_cmpstr(pv_instance_get_property(instance, 2)->text, ==, "1");
	g_assert_cmpstr(pv_instance_get_property(instance, 3)->name, ==, "MACAddress");

	/* a value lent from the instance itself */
	pv_instance_set(instance, "LinkPolicy", pv_instance_get(instance, "LinkPolicy"));
	g_assert_cmpstr(pv_instance_get(instance, "LinkPolicy"), ==, "16");
	pv_instance_set_array(instance, "LinkPolicy", NULL);
	g_assert_cmpuint(pv_instance_get_count(instance, "LinkPolicy"), ==, 0);
}

static void
instance_test_values(void)
{
	g_autoptr(PvInstance) instance = pv_instance_new("X");
	pv_instance_add(instance, "Yes", "true");
	pv_instance_add(instance, "One", "1");
	pv_instance_add(instance, "No", "TRUE?");
	pv_instance_add(instance, "Number", "-42");
	pv_instance_add(instance, "Junk", "12abc");
	g_assert_true(pv_instance_get_bool(instance, "Yes"));
	g_assert_true(pv_instance_get_bool(instance, "One"));
	g_assert_false(pv_instance_get_bool(instance, "No"));
	g_assert_false(pv_instance_get_bool(instance, "Absent"));
	g_assert_cmpint(pv_instance_get_int(instance, "Number", 7), ==, -42);
	g_assert_cmpint(pv_instance_get_int(instance, "Junk", 7), ==, 7);
	g_assert_cmpint(pv_instance_get_int(instance, "Absent", 7), ==, 7);
}

static void
instance_test_bytes(void)
{
	static const struct {
		const char *text;
		gboolean good;
	} rows[] = { { "AAEC", TRUE }, { "AAE=", TRUE }, { " AAE\n= ", TRUE }, { "", TRUE },
		{ "A", FALSE }, { "AA=A", FALSE }, { "AAE", FALSE }, { "AA*=", FALSE },
		{ "A===", FALSE } };
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(PvInstance) instance = pv_instance_new("X");
		g_autoptr(GError) error = NULL;
		pv_instance_add(instance, "Blob", rows[i].text);
		g_autoptr(GBytes) bytes = pv_instance_dup_bytes(instance, "Blob", &error);
		g_assert_cmpint(bytes != NULL, ==, rows[i].good);
		if (!rows[i].good)
			g_assert_error(error, PV_ERROR, PV_ERROR_PROTOCOL);
	}
	g_autoptr(PvInstance) instance = pv_instance_new("X");
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_instance_dup_bytes(instance, "Blob", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_PROTOCOL);
	pv_instance_add_bytes(instance, "Blob", "\0\1\2", 3);
	g_autoptr(GBytes) bytes = pv_instance_dup_bytes(instance, "Blob", NULL);
	g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "\0\1\2", 3);
}

static void
instance_test_dup(void)
{
	g_autoptr(PvEpr) inner =
	    pv_epr_new("AMT_PublicKeyCertificate", PV_SELECT("InstanceID", "c0"));
	g_autoptr(PvEpr) outer = pv_epr_new("AMT_TLSCredentialContext", NULL);
	pv_epr_take(outer,
	    (PvEprSelector) { .name = g_strdup("ElementInContext"), .epr = pv_epr_dup(inner) });
	g_autoptr(PvInstance) child = pv_instance_new("CIM_WiFiEndpointSettings");
	pv_instance_add(child, "SSID", "corp");
	g_autoptr(PvInstance) instance = pv_instance_new("X");
	pv_instance_add_epr(instance, "Reference", outer);
	pv_instance_add_embedded(instance, "Settings", child);
	pv_instance_set_selectors(instance, PV_SELECT("InstanceID", "x0"));
	g_autoptr(PvInstance) copy = pv_instance_dup(instance);
	g_clear_pointer(&instance, pv_instance_free);

	g_assert_cmpstr(pv_instance_get_class(copy), ==, "X");
	g_assert_cmpstr(pv_instance_get_selectors(copy)[0].value, ==, "x0");
	g_assert_cmpstr(
	    pv_instance_get(pv_instance_get_embedded(copy, "Settings"), "SSID"), ==, "corp");
	const PvEpr *reference = pv_instance_get_epr(copy, "Reference");
	g_assert_cmpstr(pv_epr_get_class(reference), ==, "AMT_TLSCredentialContext");
	g_assert_null(pv_epr_get_selector(reference, "ElementInContext"));
	g_assert_cmpstr(
	    pv_epr_get_selector(pv_epr_get_nth(reference, 0)->epr, "InstanceID"), ==, "c0");
	g_assert_null(pv_instance_get(copy, "Reference"));

	pv_instance_set_epr(copy, "Reference", inner);
	g_assert_cmpstr(pv_epr_get_class(pv_instance_get_epr(copy, "Reference")), ==,
	    "AMT_PublicKeyCertificate");
	g_assert_cmpuint(pv_instance_get_length(copy), ==, 2);
}

static void
realms_test_find(void)
{
	static const struct {
		const char *name;
		guint value;
	} rows[] = { { "RemoteControlRealm", 5 }, { "RemoteControl", 5 }, { "Remote Control", 5 },
		{ "remotecontrol", 5 }, { "5", 5 }, { "PTAdministration", 3 }, { "ACL", 21 },
		{ "ACL Realm", 21 }, { "LocalUN", 16 }, { "General Information", 13 } };
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		const PvRealm *realm = pv_realm_find(rows[i].name);
		g_assert_nonnull(realm);
		g_assert_cmpuint(realm->value, ==, rows[i].value);
	}
	g_assert_null(pv_realm_find("Remote"));
	g_assert_null(pv_realm_find("99"));
	g_assert_null(pv_realm_find(""));
	g_assert_null(pv_realm_find("Realm"));
	gsize count = 0;
	const PvRealm *all = pv_realm_get_all(&count);
	for (gsize i = 0; i < count; i++)
		g_assert_true(pv_realm_find(all[i].name) == pv_realm_get(all[i].value));
}

static void
status_test_errors(void)
{
	static const struct {
		const char *class_name, *method;
		guint32 status;
		gint code;
		const char *text;
	} rows[] = {
		{ "AMT_X", "Do", 1, PV_ERROR_PENDING, "AMT_X.Do: INTERNAL_ERROR (1)" },
		{ "AMT_X", "Do", 2, PV_ERROR_PENDING, "AMT_X.Do: NOT_READY (2)" },
		{ "AMT_X", "Do", 16, PV_ERROR_REJECTED, "AMT_X.Do: NOT_PERMITTED (16)" },
		{ "AMT_X", "Do", 47, PV_ERROR_PENDING, "AMT_X.Do: RNG_GENERATION_IN_PROGRESS (47)" },
		{ "IPS_X", "Do", 2058, PV_ERROR_REJECTED, "IPS_X.Do: DUPLICATE (2058)" },
		{ "AMT_X", "Do", 2061, PV_ERROR_PENDING, "AMT_X.Do: PKI_GENERATING_KEYS (2061)" },
		{ "AMT_X", "Do", 2082, PV_ERROR_PENDING, "AMT_X.Do: OPERATION_IN_PROGRESS (2082)" },
		{ "AMT_X", "Do", 4711, PV_ERROR_REJECTED, "AMT_X.Do: unknown status (4711)" },
		{ "CIM_X", "Do", 1, PV_ERROR_UNSUPPORTED, "CIM_X.Do: NOT_SUPPORTED (1)" },
		{ "CIM_X", "Do", 5, PV_ERROR_REJECTED, "CIM_X.Do: INVALID_PARAMETER (5)" },
		{ "AMT_X", "RequestStateChange", 1, PV_ERROR_UNSUPPORTED,
		    "AMT_X.RequestStateChange: NOT_SUPPORTED (1)" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		pv_pt_status_error(&error, rows[i].class_name, rows[i].method, rows[i].status);
		g_assert_error(error, PV_ERROR, rows[i].code);
		g_assert_cmpstr(error->message, ==, rows[i].text);
	}
	g_assert_cmpstr(pv_pt_status_get_name(0), ==, "SUCCESS");
	g_assert_null(pv_pt_status_get_name(4711));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/amt/instance/order", instance_test_order);
	g_test_add_func("/amt/instance/array", instance_test_array);
	g_test_add_func("/amt/instance/values", instance_test_values);
	g_test_add_func("/amt/instance/bytes", instance_test_bytes);
	g_test_add_func("/amt/instance/dup", instance_test_dup);
	g_test_add_func("/amt/realms/find", realms_test_find);
	g_test_add_func("/requirements/S12-08.4/status-names", status_test_errors);
	return g_test_run();
}
