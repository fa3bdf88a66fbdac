/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The classes that are there once a device is provisioned: what each takes, and what it refuses */
#include "sim/tests/client.h"

#include <string.h>

#define REDIRECTION "AMT_RedirectionService"
#define KVM "CIM_KVMRedirectionSAP"
#define OPT_IN "IPS_OptInService"
#define WEB "AMT_WebUIService"
#define STATE(number) "<r:RequestedState>" number "</r:RequestedState>"

/* A device in POST that takes the login of admin, whose TLS port a plain client certificate reaches */
static TestClient *
classes_test_client(TestSim *sim)
{
	TestClient *client = test_client_new(sim, 0);
	test_client_set_login(client, "admin", "admin");
	return client;
}

static void
classes_test_set(TestSim *sim, const char *assignment)
{
	g_assert_cmpint(test_sim_command(sim, NULL, "set", "pc-0001", assignment, NULL), ==, 0);
}

static void
classes_test_assert_dump(TestSim *sim, const char *path, const char *expected)
{
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(test_dump_string(dump, path), ==, expected);
}

static void
classes_test_features(void)
{
	static const char *const arguments[] = { "--state", "post", NULL };
	/* clang-format off */
	static const TestRow rows[] = {
		{ "none", REDIRECTION, "RequestStateChange", NULL, STATE("32768"), "0" },
		{ "both", REDIRECTION, "RequestStateChange", NULL, STATE("32771"), "0" },
		{ "DMTF's number", REDIRECTION, "RequestStateChange", NULL, STATE("2"), "5" },
		{ "beyond both", REDIRECTION, "RequestStateChange", NULL, STATE("32772"), "5" },
		{ "no state", REDIRECTION, "RequestStateChange", NULL, "", "SchemaValidationError" },
		{ "a word", REDIRECTION, "RequestStateChange", NULL, STATE("both"), "SchemaValidationError" },
		{ "one more", REDIRECTION, "RequestStateChange", NULL, STATE("32771") "<r:Timeout>1</r:Timeout>", "SchemaValidationError" },
		{ "no listener", REDIRECTION, "Put", NULL, "<r:EnabledState>32771</r:EnabledState>", "SchemaValidationError" },
		{ "a number", REDIRECTION, "Put", NULL, "<r:ListenerEnabled>1</r:ListenerEnabled>", "SchemaValidationError" },
		{ "right", REDIRECTION, "Put", NULL, "<r:EnabledState>32768</r:EnabledState><r:ListenerEnabled>true</r:ListenerEnabled>", "ok" },
		{ "another one", REDIRECTION, "Put", "No Such Service", "<r:ListenerEnabled>true</r:ListenerEnabled>", "InvalidSelectors" },
		{ "no Delete", REDIRECTION, "Delete", NULL, "", "ActionNotSupported" },
		{ "on", KVM, "RequestStateChange", NULL, STATE("2"), "0" },
		{ "off", KVM, "RequestStateChange", NULL, STATE("3"), "0" },
		{ "6 is not asked for", KVM, "RequestStateChange", NULL, STATE("6"), "5" },
		{ "no Put", KVM, "Put", NULL, STATE("2"), "ActionNotSupported" },
		{ "weak", "IPS_KVMRedirectionSettingData", "Put", NULL, "<r:RFBPassword>password</r:RFBPassword>", "SchemaValidationError" },
		{ "right", "IPS_KVMRedirectionSettingData", "Put", NULL, "<r:RFBPassword>Pa55w0r!</r:RFBPassword>", "ok" },
		{ "not started", OPT_IN, "CancelOptIn", NULL, "", "2" },
		{ "not needed", OPT_IN, "StartOptIn", NULL, "", "2" },
		{ "2 is no policy", OPT_IN, "Put", NULL, "<r:OptInRequired>2</r:OptInRequired>", "SchemaValidationError" },
		{ "no policy", OPT_IN, "Put", NULL, "<r:OptInCodeTimeout>60</r:OptInCodeTimeout>", "SchemaValidationError" },
		{ "all", OPT_IN, "Put", NULL, "<r:CanModifyOptInPolicy>1</r:CanModifyOptInPolicy><r:OptInRequired>4294967295</r:OptInRequired>", "ok" },
		{ "no code yet", OPT_IN, "SendOptInCode", NULL, "<r:OptInCode>1</r:OptInCode>", "2" },
		{ "shows a code", OPT_IN, "StartOptIn", NULL, "", "0" },
		{ "seven digits", OPT_IN, "SendOptInCode", NULL, "<r:OptInCode>1000000</r:OptInCode>", "SchemaValidationError" },
		{ "off", WEB, "RequestStateChange", NULL, STATE("3"), "0" },
		{ "no such state", WEB, "RequestStateChange", NULL, STATE("4"), "5" },
	};
	/* clang-format on */
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = classes_test_client(sim);
	{
		g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
		g_assert_cmpstr(test_dump_string(dump, "features.listener"), ==, "false");
		g_assert_cmpstr(test_dump_string(dump, "features.web-ui"), ==, "2");
		g_assert_false(test_dump_bool(dump, "features.port-16995"));
	}
	test_rows(client, rows, G_N_ELEMENTS(rows));
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(test_dump_string(dump, "features.redirection"), ==,
	    "32771"); /* Put ignores EnabledState */
	g_assert_cmpstr(test_dump_string(dump, "features.listener"), ==, "true");
	g_assert_true(test_dump_bool(dump, "features.port-16995"));
	g_assert_false(test_dump_bool(dump, "features.port-16994")); /* no plain ports on 16.1 */
	g_assert_cmpstr(test_dump_string(dump, "features.kvm"), ==, "3");
	g_assert_cmpstr(test_dump_string(dump, "features.opt-in-required"), ==, "4294967295");
	g_assert_cmpstr(test_dump_string(dump, "features.opt-in-state"), ==, "2");
	g_assert_cmpstr(test_dump_string(dump, "features.web-ui"), ==, "3");

	g_autofree char *code = g_strdup_printf("<r:OptInCode>%" G_GINT64_FORMAT "</r:OptInCode>",
	    test_dump_int(dump, "features.opt-in-code"));
	g_assert_cmpuint(test_invoke(client, OPT_IN, "SendOptInCode", code, NULL), ==, 0);
	g_assert_cmpuint(test_invoke(client, OPT_IN, "SendOptInCode", code, NULL), ==, 2);
	g_autoptr(TestAnswer) kvm = test_get(client, KVM, NULL, NULL);
	g_assert_nonnull(strstr(kvm->body, "<g:RequestedState>3</g:RequestedState>"));
	g_autoptr(TestAnswer) settings =
	    test_get(client, "IPS_KVMRedirectionSettingData", NULL, NULL);
	g_assert_null(strstr(settings->body, "RFBPassword")); /* write only */
	test_sim_stop(sim);
}

/* What a device may lack, or not allow */
static void
classes_test_features_absent(void)
{
	static const char *const arguments[] = { "--state", "post", "--set", "sku=standard",
		"--set", "optin-modifiable=false", "--set", "web-ui=refused", NULL };
	/* clang-format off */
	static const TestRow rows[] = {
		{ "no KVM", KVM, "Get", NULL, "", "DestinationUnreachable" },
		{ "no KVM", KVM, "RequestStateChange", NULL, STATE("2"), "DestinationUnreachable" },
		{ "no KVM", "IPS_KVMRedirectionSettingData", "Get", NULL, "", "DestinationUnreachable" },
		{ "fixed", OPT_IN, "Put", NULL, "<r:OptInRequired>1</r:OptInRequired>", "AccessDenied" },
		{ "the same", OPT_IN, "Put", NULL, "<r:OptInCodeTimeout>60</r:OptInCodeTimeout><r:OptInRequired>0</r:OptInRequired>", "ok" },
		{ "refused", WEB, "RequestStateChange", NULL, STATE("3"), "1" },
	};
	/* clang-format on */
	static const TestRow missing = { "missing", WEB, "Get", NULL, "",
		"DestinationUnreachable" };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = classes_test_client(sim);
	test_rows(client, rows, G_N_ELEMENTS(rows));
	g_autoptr(TestAnswer) sku = test_get(client, "CIM_SoftwareIdentity", "InstanceID", "Sku");
	g_assert_nonnull(strstr(sku->body, ">16400<")); /* 0x10: Standard Manageability */
	classes_test_set(sim, "switch:web-ui=missing");
	test_rows(client, &missing, 1);
	test_sim_stop(sim);
}

static void
classes_test_features_old(void)
{
	static const char *const arguments[] = { "--state", "post", "--personality", "6.2", NULL };
	/* clang-format off */
	static const TestRow rows[] = {
		{ "since 6.0", KVM, "Get", NULL, "", "ok" },
		{ "since 7.0", OPT_IN, "Get", NULL, "", "DestinationUnreachable" },
		{ "since 3.0", WEB, "Get", NULL, "", "ok" },
		{ "right", REDIRECTION, "Put", NULL, "<r:ListenerEnabled>true</r:ListenerEnabled>", "ok" },
	};
	/* clang-format on */
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = classes_test_client(sim);
	client->port = 16992;
	test_rows(client, rows, G_N_ELEMENTS(rows));
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_true(test_dump_bool(dump, "features.port-16994"));
	g_assert_false(test_dump_bool(dump, "features.port-16995")); /* TLS is off */
	test_sim_stop(sim);
}

#define ENVIRONMENT "AMT_EnvironmentDetectionSettingData"
#define ENVIRONMENT_NAME "Intel(r) AMT Environment Detection Settings"
#define DOMAINS(strings) \
	"<r:DetectionAlgorithm>0</r:DetectionAlgorithm>" strings \
	"<r:ElementName>" ENVIRONMENT_NAME "</r:ElementName><r:InstanceID>" ENVIRONMENT_NAME \
	"</r:InstanceID>"
#define DOMAIN_1(name) "<r:DetectionStrings>" name "</r:DetectionStrings>"
#define LETTERS_64 "abcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefghabcdefgh"

static void
classes_test_environment(void)
{
	static const char *const arguments[] = { "--state", "post", NULL };
	/* clang-format off */
	static const TestRow rows[] = {
		{ "empty", ENVIRONMENT, "Put", ENVIRONMENT_NAME, DOMAINS(""), "ok" },
		{ "no selector", ENVIRONMENT, "Put", NULL, DOMAINS(DOMAIN_1("example.com")), "ok" },
		{ "another instance", ENVIRONMENT, "Put", "Settings 1", DOMAINS(""), "InvalidSelectors" },
		{ "an empty domain", ENVIRONMENT, "Put", ENVIRONMENT_NAME, DOMAINS(DOMAIN_1("")), "SchemaValidationError" },
		{ "193 characters", ENVIRONMENT, "Put", ENVIRONMENT_NAME, DOMAINS(DOMAIN_1(LETTERS_64 LETTERS_64 LETTERS_64 "a")), "SchemaValidationError" },
		{ "another way", ENVIRONMENT, "Put", ENVIRONMENT_NAME,
		    "<r:DetectionAlgorithm>1</r:DetectionAlgorithm><r:ElementName>x</r:ElementName>", "SchemaValidationError" },
		{ "no way", ENVIRONMENT, "Put", ENVIRONMENT_NAME, DOMAIN_1("example.com") "<r:ElementName>x</r:ElementName>", "SchemaValidationError" },
		{ "no name", ENVIRONMENT, "Put", ENVIRONMENT_NAME, "<r:DetectionAlgorithm>0</r:DetectionAlgorithm>", "SchemaValidationError" },
		{ "six", ENVIRONMENT, "Put", ENVIRONMENT_NAME,
		    DOMAINS(DOMAIN_1("a") DOMAIN_1("b") DOMAIN_1("c") DOMAIN_1("d") DOMAIN_1("e") DOMAIN_1("example.com")), "SchemaValidationError" },
		{ "five, 192 characters", ENVIRONMENT, "Put", ENVIRONMENT_NAME,
		    DOMAINS(DOMAIN_1("a") DOMAIN_1("b") DOMAIN_1("c") DOMAIN_1(LETTERS_64 LETTERS_64 LETTERS_64) DOMAIN_1("Example.COM")), "ok" },
		{ "no Delete", ENVIRONMENT, "Delete", ENVIRONMENT_NAME, "", "ActionNotSupported" },
	};
	/* clang-format on */
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = classes_test_client(sim);
	test_rows(client, rows, G_N_ELEMENTS(rows));
	{
		g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
		g_assert_false(test_dump_bool(dump, "outside"));
		g_assert_cmpint(test_dump_int(dump, "counters.restarts"), ==, 0);
	}

	/* the answer still comes; then the ports are closed until DHCP's suffix is a home domain again */
	test_put(client, ENVIRONMENT, "InstanceID", ENVIRONMENT_NAME,
	    DOMAINS(DOMAIN_1("other.example")));
	g_assert_false(test_client_connect(client));
	{
		g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
		g_assert_true(test_dump_bool(dump, "outside"));
		g_assert_cmpint(test_dump_int(dump, "counters.restarts"), ==, 1);
	}
	classes_test_set(sim, "switch:dhcp-suffix=sub.other.example");
	classes_test_set(sim, "switch:restart-msec=0");
	g_assert_false(test_client_connect(client));
	classes_test_set(sim, "switch:environment-match=tail");
	test_client_wait(client);
	classes_test_set(sim, "switch:dhcp-suffix=another.example");
	classes_test_assert_dump(sim, "state", "post");
	g_assert_false(test_client_connect(client));
	classes_test_set(sim, "switch:environment-lockout=false");
	g_assert_true(test_client_connect(client));
	test_sim_stop(sim);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sim/classes/features", classes_test_features);
	g_test_add_func("/sim/classes/features-absent", classes_test_features_absent);
	g_test_add_func("/sim/classes/features-old", classes_test_features_old);
	g_test_add_func("/sim/classes/environment", classes_test_environment);
	test_pki_make();
	int status = g_test_run();
	test_pki_remove();
	return status;
}
