/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The classes that are there once a device is provisioned: what each takes, and what it refuses */
#include "sim/tests/client.h"
#include "sim/x509.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#define REDIRECTION "AMT_RedirectionService"
#define KVM "CIM_KVMRedirectionSAP"
#define OPT_IN "IPS_OptInService"
#define WEB "AMT_WebUIService"
#define STORE "AMT_PublicKeyManagementService"
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

/* Certificates in the device: 0 a client certificate with its key, 1 a root, 2 a client certificate without key */

static EVP_PKEY *
classes_test_add(
    TestClient *client, const char *method, const PvSimX509Spec *spec, gboolean with_key)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509 *x509 = pv_sim_x509_make(spec, key, NULL, key);
	unsigned char *der = NULL, *key_der = NULL;
	int length = i2d_X509(x509, &der);
	int key_length = i2d_PrivateKey(key, &key_der);
	g_autofree char *text = g_base64_encode(der, (gsize)length);
	g_autofree char *key_text = g_base64_encode(key_der, (gsize)key_length);
	g_autofree char *blob = g_strdup_printf("<r:CertificateBlob>%s</r:CertificateBlob>", text);
	g_autofree char *key_blob = g_strdup_printf("<r:KeyBlob>%s</r:KeyBlob>", key_text);
	if (with_key)
		g_assert_cmpuint(test_invoke(client, STORE, "AddKey", key_blob, NULL), ==, 0);
	g_assert_cmpuint(test_invoke(client, STORE, method, blob, NULL), ==, 0);
	OPENSSL_free(der);
	OPENSSL_free(key_der);
	X509_free(x509);
	return key;
}

/* The client's key; EVP_PKEY_free() */
static EVP_PKEY *
classes_test_fill_store(TestClient *client)
{
	static const PvSimX509Spec own = { .common_name = "pc-0001.example.com",
		.oids = { PV_SIM_X509_OID_CLIENT } };
	static const PvSimX509Spec root = { .common_name = "RADIUS CA", .ca = TRUE };
	EVP_PKEY *key = classes_test_add(client, "AddCertificate", &own, TRUE);
	EVP_PKEY_free(classes_test_add(client, "AddTrustedRootCertificate", &root, FALSE));
	EVP_PKEY_free(classes_test_add(client, "AddCertificate", &own, FALSE));
	return key;
}

#define PROFILE "AMT_8021XProfile"
#define SETTINGS "IPS_IEEE8021xSettings"
#define CERTIFICATE(handle) "Intel(r) AMT Certificate: Handle: " handle
#define KEY "Intel(r) AMT Key: Handle: 0"
#define EPR(name, handle) \
	"<r:" name "><a:Address>default</a:Address><a:ReferenceParameters><w:ResourceURI>http://" \
	"intel.com/wbem/wscim/1/amt-schema/1/AMT_PublicKeyCertificate</w:ResourceURI>" \
	"<w:SelectorSet><w:Selector Name=\"InstanceID\">" CERTIFICATE( \
	    handle) "</w:Selector></w:SelectorSet></a:ReferenceParameters></r:" name ">"
#define EAP(number) "<r:AuthenticationProtocol>" number "</r:AuthenticationProtocol>"
#define ON(text) "<r:Enabled>" text "</r:Enabled>"
#define USER "<r:Username>pc1$@example.com</r:Username>"
#define PASSWORD "<r:Password>Secr3t-of-pc1</r:Password>"
#define SERVER(comparison) \
	"<r:ServerCertificateName>radius.example.com</" \
	"r:ServerCertificateName><r:ServerCertificateNameComparison>" comparison \
	"</r:ServerCertificateNameComparison>"

static void
classes_test_assert_wired(TestSim *sim, const char *eap, const char *match, gboolean ready)
{
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_true(test_dump_bool(dump, "wired-8021x.enabled"));
	g_assert_cmpstr(test_dump_string(dump, "wired-8021x.eap"), ==, eap);
	g_assert_cmpstr(test_dump_string(dump, "wired-8021x.server-name-match"), ==, match);
	g_assert_cmpint(test_dump_bool(dump, "wired-8021x.ready"), ==, ready);
}

static void
classes_test_8021x_amt(void)
{
	static const char *const arguments[] = { "--state", "post", NULL };
	/* clang-format off */
	static const TestRow rows[] = {
		{ "no state", PROFILE, "Put", NULL, EAP("2") USER PASSWORD, "SchemaValidationError" },
		{ "a number", PROFILE, "Put", NULL, ON("2") EAP("2") USER PASSWORD, "SchemaValidationError" },
		{ "no protocol", PROFILE, "Put", NULL, ON("true") USER PASSWORD, "SchemaValidationError" },
		{ "DMTF's FAST/TLS", PROFILE, "Put", NULL, ON("true") EAP("10") EPR("ClientCertificate", "0"), "SchemaValidationError" },
		{ "PEAP without a user", PROFILE, "Put", NULL, ON("true") EAP("2") PASSWORD, "SchemaValidationError" },
		{ "PEAP without a password", PROFILE, "Put", NULL, ON("true") EAP("2") USER, "SchemaValidationError" },
		{ "TLS without a certificate", PROFILE, "Put", NULL, ON("true") EAP("0") USER, "SchemaValidationError" },
		{ "no reference", PROFILE, "Put", NULL, ON("true") EAP("0") "<r:ClientCertificate>0</r:ClientCertificate>", "SchemaValidationError" },
		{ "no such certificate", PROFILE, "Put", NULL, ON("true") EAP("0") EPR("ClientCertificate", "9"), "InvalidSelectors" },
		{ "a root", PROFILE, "Put", NULL, ON("true") EAP("0") EPR("ClientCertificate", "1"), "InvalidSelectors" },
		{ "no key", PROFILE, "Put", NULL, ON("true") EAP("0") EPR("ClientCertificate", "2"), "InvalidSelectors" },
		{ "an issuer that is no root", PROFILE, "Put", NULL,
		    ON("true") EAP("0") EPR("ClientCertificate", "0") EPR("ServerCertificateIssuer", "0"), "InvalidSelectors" },
		{ "a server without comparison", PROFILE, "Put", NULL,
		    ON("true") EAP("2") USER PASSWORD "<r:ServerCertificateName>a</r:ServerCertificateName>", "SchemaValidationError" },
		{ "DMTF's comparison", PROFILE, "Put", NULL, ON("true") EAP("2") USER PASSWORD SERVER("2"), "SchemaValidationError" },
		{ "129 characters", PROFILE, "Put", NULL,
		    ON("true") EAP("2") PASSWORD "<r:Username>" LETTERS_64 LETTERS_64 "a</r:Username>", "SchemaValidationError" },
		{ "33 characters", PROFILE, "Put", NULL,
		    ON("true") EAP("2") USER "<r:Password>abcdefghabcdefghabcdefghabcdefgha</r:Password>", "SchemaValidationError" },
		{ "129 characters", PROFILE, "Put", NULL,
		    ON("true") EAP("2") USER PASSWORD "<r:Domain>" LETTERS_64 LETTERS_64 "a</r:Domain>", "SchemaValidationError" },
		{ "a day and a second", PROFILE, "Put", NULL, ON("true") EAP("2") USER PASSWORD "<r:PxeTimeout>86401</r:PxeTimeout>", "SchemaValidationError" },
		{ "of the other class", PROFILE, "Put", NULL, ON("true") EAP("2") USER PASSWORD "<r:AvailableInS0>true</r:AvailableInS0>", "SchemaValidationError" },
		{ "another one", PROFILE, "Put", "Intel(r) AMT 802.1x Profile 1", ON("false"), "InvalidSelectors" },
		{ "no Delete", PROFILE, "Delete", NULL, "", "ActionNotSupported" },
		{ "no Put of an association", "AMT_8021xCredentialContext", "Put", NULL, "", "ActionNotSupported" },
		{ "FAST/TLS", PROFILE, "Put", "Intel(r) AMT 802.1x Profile 0",
		    ON("true") EAP("6") EPR("ClientCertificate", "0") EPR("ServerCertificateIssuer", "1") SERVER("1") USER, "ok" },
		{ "in use", "AMT_PublicKeyCertificate", "Delete", CERTIFICATE("0"), "", "AccessDenied" },
		{ "in use", "AMT_PublicKeyCertificate", "Delete", CERTIFICATE("1"), "", "AccessDenied" },
		{ "in use", "AMT_PublicPrivateKeyPair", "Delete", KEY, "", "AccessDenied" },
		{ "not in use", "AMT_PublicKeyCertificate", "Delete", CERTIFICATE("2"), "", "ok" },
	};
	static const TestRow off[] = {
		{ "off", PROFILE, "Put", NULL, ON("false") "<r:PxeTimeout>0</r:PxeTimeout>", "ok" },
		{ "free", "AMT_PublicKeyCertificate", "Delete", CERTIFICATE("0"), "", "ok" },
		{ "free", "AMT_PublicKeyCertificate", "Delete", CERTIFICATE("1"), "", "ok" },
		{ "free", "AMT_PublicPrivateKeyPair", "Delete", KEY, "", "ok" },
	};
	/* clang-format on */
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = classes_test_client(sim);
	EVP_PKEY *key = classes_test_fill_store(client);
	test_rows(client, rows, G_N_ELEMENTS(rows));

	/* both classes show it, each with its numbers */
	classes_test_assert_wired(sim, "FAST/TLS", "suffix", TRUE);
	classes_test_assert_dump(sim, "wired-8021x.pxe-timeout", "120");
	g_autoptr(TestAnswer) settings = test_get(client, SETTINGS, NULL, NULL);
	g_assert_nonnull(
	    strstr(settings->body, "<g:AuthenticationProtocol>10</g:AuthenticationProtocol>"));
	g_assert_nonnull(strstr(settings->body,
	    "<g:ServerCertificateNameComparison>3</g:ServerCertificateNameComparison>"));
	g_assert_nonnull(strstr(settings->body, "<g:Enabled>2</g:Enabled>"));
	guint pulls = 0;
	g_autoptr(TestAnswer) contexts =
	    test_pull_all(client, "AMT_8021xCredentialContext", &pulls);
	g_assert_nonnull(strstr(contexts->body, ">" CERTIFICATE("0") "<"));
	g_assert_nonnull(strstr(contexts->body, ">" CERTIFICATE("1") "<"));
	g_assert_nonnull(strstr(contexts->body, ">Intel(r) AMT 802.1x Profile 0<"));

	/* a later profile takes the place of all of the earlier one, certificates included */
	test_put(client, PROFILE, NULL, NULL, ON("true") EAP("2") USER PASSWORD);
	classes_test_assert_wired(sim, "PEAPv0/MSCHAPV2", NULL, TRUE);
	classes_test_assert_dump(sim, "wired-8021x.password", "Secr3t-of-pc1");
	g_autoptr(TestAnswer) profile = test_get(client, PROFILE, NULL, NULL);
	g_assert_null(strstr(profile->body, "Secr3t")); /* write only */
	g_assert_nonnull(strstr(profile->body, "<g:Username>pc1$@example.com</g:Username>"));
	test_rows(client, off, G_N_ELEMENTS(off));
	EVP_PKEY_free(key);
	test_sim_stop(sim);
}

static void
classes_test_8021x_ips(void)
{
	static const char *const arguments[] = { "--state", "post", NULL };
	/* clang-format off */
	static const TestRow rows[] = {
		{ "off: no certificates", SETTINGS, "SetCertificates", NULL, EPR("ServerCertificateIssuer", "1") EPR("ClientCertificate", "0"), "1" },
		{ "a word", SETTINGS, "Put", NULL, ON("true") EAP("0"), "SchemaValidationError" },
		{ "no such state", SETTINGS, "Put", NULL, ON("4") EAP("0"), "SchemaValidationError" },
		{ "EAP-MD5", SETTINGS, "Put", NULL, ON("2") EAP("6") USER PASSWORD, "SchemaValidationError" },
		{ "TTLS without a user", SETTINGS, "Put", NULL, ON("6") EAP("1"), "SchemaValidationError" },
		{ "0 is AMT's", SETTINGS, "Put", NULL, ON("2") EAP("0") SERVER("0"), "SchemaValidationError" },
		{ "1 is other", SETTINGS, "Put", NULL, ON("2") EAP("0") SERVER("1"), "SchemaValidationError" },
		{ "by reference", SETTINGS, "Put", NULL, ON("2") EAP("0") EPR("ClientCertificate", "0"), "SchemaValidationError" },
		{ "a day and a second", SETTINGS, "Put", NULL, ON("2") EAP("0") "<r:PxeTimeout>86401</r:PxeTimeout>", "SchemaValidationError" },
		{ "another one", SETTINGS, "Put", "Intel(r) AMT: Settings", ON("3"), "InvalidSelectors" },
		{ "right", SETTINGS, "Put", "Intel(r) AMT: 8021X Settings", ON("2") EAP("0") SERVER("2") "<r:PxeTimeout>86400</r:PxeTimeout>", "ok" },
		{ "out of order", SETTINGS, "SetCertificates", NULL, EPR("ClientCertificate", "0") EPR("ServerCertificateIssuer", "1"), "SchemaValidationError" },
		{ "none", SETTINGS, "SetCertificates", NULL, "", "1" },
		{ "TLS needs the client's", SETTINGS, "SetCertificates", NULL, EPR("ServerCertificateIssuer", "1"), "1" },
		{ "no key", SETTINGS, "SetCertificates", NULL, EPR("ServerCertificateIssuer", "1") EPR("ClientCertificate", "2"), "1" },
		{ "no such root", SETTINGS, "SetCertificates", NULL, EPR("ServerCertificateIssuer", "7") EPR("ClientCertificate", "0"), "1" },
	};
	static const TestRow certificates[] = {
		{ "right", SETTINGS, "SetCertificates", NULL, EPR("ServerCertificateIssuer", "1") EPR("ClientCertificate", "0"), "0" },
		{ "in use", "AMT_PublicKeyCertificate", "Delete", CERTIFICATE("0"), "", "AccessDenied" },
		{ "in use", "AMT_PublicPrivateKeyPair", "Delete", KEY, "", "AccessDenied" },
	};
	static const TestRow amt_numbers[] = {
		{ "2 is DMTF's", SETTINGS, "Put", NULL, ON("2") EAP("0") SERVER("2"), "SchemaValidationError" },
		{ "right", SETTINGS, "Put", NULL, ON("2") EAP("0") SERVER("1"), "ok" },
	};
	static const TestRow off[] = {
		{ "off", SETTINGS, "Put", NULL, ON("3") "<r:PxeTimeout>60</r:PxeTimeout>", "ok" },
		{ "free", "AMT_PublicKeyCertificate", "Delete", CERTIFICATE("0"), "", "ok" },
	};
	/* clang-format on */
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = classes_test_client(sim);
	EVP_PKEY *key = classes_test_fill_store(client);
	test_rows(client, rows, G_N_ELEMENTS(rows));
	classes_test_assert_wired(sim, "TLS", "full", FALSE); /* the certificate is still missing */
	test_rows(client, certificates, G_N_ELEMENTS(certificates));
	classes_test_assert_wired(sim, "TLS", "full", TRUE);
	{
		/* the dump holds what a supplicant needs */
		g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
		const char *pem = test_dump_string(dump, "wired-8021x.private-key");
		BIO *memory = BIO_new_mem_buf(pem, -1);
		EVP_PKEY *dumped = PEM_read_bio_PrivateKey(memory, NULL, NULL, NULL);
		g_assert_cmpint(EVP_PKEY_eq(dumped, key), ==, 1);
		EVP_PKEY_free(dumped);
		BIO_free(memory);
		g_assert_true(g_str_has_prefix(
		    test_dump_string(dump, "wired-8021x.ca-certificate"), "-----BEGIN CERT"));
	}
	guint pulls = 0;
	g_autoptr(TestAnswer) contexts =
	    test_pull_all(client, "IPS_8021xCredentialContext", &pulls);
	g_assert_nonnull(strstr(contexts->body, ">" CERTIFICATE("1") "<"));
	g_assert_nonnull(strstr(contexts->body, ">Intel(r) AMT: 8021X Settings<"));

	classes_test_set(sim, "switch:8021x-comparison=amt");
	test_rows(client, amt_numbers, G_N_ELEMENTS(amt_numbers));
	classes_test_assert_wired(sim, "TLS", "suffix", TRUE); /* the certificates stay */
	g_autoptr(TestAnswer) settings = test_get(client, SETTINGS, NULL, NULL);
	g_assert_nonnull(strstr(settings->body,
	    "<g:ServerCertificateNameComparison>1</g:ServerCertificateNameComparison>"));
	test_rows(client, off, G_N_ELEMENTS(off));
	g_autoptr(TestAnswer) now = test_get(client, SETTINGS, NULL, NULL);
	g_assert_null(strstr(now->body, "AuthenticationProtocol"));
	g_assert_nonnull(strstr(now->body, "<g:PxeTimeout>60</g:PxeTimeout>"));
	EVP_PKEY_free(key);
	test_sim_stop(sim);
}

/* Which generation has which class */
static void
classes_test_8021x_generations(void)
{
	static const char *const arguments[] = { "--state", "post", "--personality", "6.2", "--set",
		"8021x-amt-class=false", NULL };
	/* clang-format off */
	static const TestRow old[] = {
		{ "the only one", PROFILE, "Get", NULL, "", "ok" },
		{ "since 8.0", SETTINGS, "Get", NULL, "", "DestinationUnreachable" },
		{ "since 8.0", "IPS_8021xCredentialContext", "Get", NULL, "", "DestinationUnreachable" },
		{ "PEAP", PROFILE, "Put", NULL, ON("true") EAP("2") USER PASSWORD, "ok" },
	};
	static const TestRow modern[] = {
		{ "removed", PROFILE, "Get", NULL, "", "DestinationUnreachable" },
		{ "removed", "AMT_8021xCredentialContext", "Get", NULL, "", "DestinationUnreachable" },
		{ "there", SETTINGS, "Get", NULL, "", "ok" },
	};
	/* clang-format on */
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = classes_test_client(sim);
	client->port = 16992;
	test_rows(client, old, G_N_ELEMENTS(old));
	classes_test_assert_wired(sim, "PEAPv0/MSCHAPV2", NULL, TRUE);
	test_sim_stop(sim);

	static const char *const newer[] = { "--state", "post", "--set", "8021x-amt-class=false",
		NULL };
	sim = test_sim_start(newer);
	g_autoptr(TestClient) other = classes_test_client(sim);
	test_rows(other, modern, G_N_ELEMENTS(modern));
	test_sim_stop(sim);
}

/* Wireless */

#define WIFI "AMT_WiFiPortConfigurationService"
#define PORT "CIM_WiFiPort"
#define WIFI_PROFILE "CIM_WiFiEndpointSettings"
#define WIFI_ID(name) "Intel(r) AMT:WiFi Endpoint Settings " name
#define CIM "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
#define REFERENCE(name, class_name, selector, value) \
	"<r:" name \
	"><a:Address>/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>" CIM class_name \
	"</w:ResourceURI><w:SelectorSet><w:Selector Name=\"" selector "\">" value \
	"</w:Selector></w:SelectorSet></a:ReferenceParameters></r:" name ">"
#define ENDPOINT REFERENCE("WiFiEndpoint", "CIM_WiFiEndpoint", "Name", "WiFi Endpoint 0")
#define OF(name) \
	REFERENCE("WiFiEndpointSettings", "CIM_WiFiEndpointSettings", "InstanceID", WIFI_ID(name))
#define INPUT(name, ssid, priority, methods) \
	"<r:WiFiEndpointSettingsInput xmlns:q=\"" CIM \
	"CIM_WiFiEndpointSettings\"><q:ElementName>" name \
	"</q:ElementName><q:InstanceID>" WIFI_ID( \
	    name) "</q:InstanceID>" methods "<q:SSID>" ssid "</q:SSID><q:Priority>" priority \
		  "</q:Priority></r:WiFiEndpointSettingsInput>"
#define METHODS(authentication, encryption) \
	"<q:AuthenticationMethod>" authentication \
	"</q:AuthenticationMethod><q:EncryptionMethod>" encryption "</q:EncryptionMethod>"
#define PHRASE(text) "<q:PSKPassPhrase>" text "</q:PSKPassPhrase>"
#define PSK(name, priority) INPUT(name, name, priority, METHODS("6", "4") PHRASE("Gu3ss-me!"))
#define CORP(name, priority) INPUT(name, "corp", priority, METHODS("7", "4"))
#define EAP_INPUT(name, properties) \
	"<r:IEEE8021xSettingsInput xmlns:q=\"" CIM "CIM_IEEE8021xSettings\"><q:ElementName>" name \
	"</q:ElementName><q:InstanceID>" name "</q:InstanceID>" properties \
	"</r:IEEE8021xSettingsInput>"
#define EAP_TLS "<q:AuthenticationProtocol>0</q:AuthenticationProtocol><q:Username>pc1</q:Username>"
#define EAP_PEAP \
	"<q:AuthenticationProtocol>2</q:AuthenticationProtocol><q:Username>pc1</" \
	"q:Username><q:Password>Secr3t-of-pc1</q:Password>"
#define CLIENT EPR("ClientCredential", "0")
#define CA EPR("CACredential", "1")

/* A device in POST with a wireless side at the address after its own */
static TestSim *
classes_test_start_wireless(const char *const *more)
{
	g_autoptr(GPtrArray) arguments = g_ptr_array_new();
	g_ptr_array_add(arguments, (char *)"--state");
	g_ptr_array_add(arguments, (char *)"post");
	g_ptr_array_add(arguments, (char *)"--set");
	g_ptr_array_add(arguments, (char *)"wireless=true");
	for (guint i = 0; more != NULL && more[i] != NULL; i++)
		g_ptr_array_add(arguments, (char *)more[i]);
	g_ptr_array_add(arguments, NULL);
	return test_sim_start((const char *const *)arguments->pdata);
}

/* What AddWiFiSettings refuses, by row; then what the device lists */
static void
classes_test_wireless_add(void)
{
	/* clang-format off */
	static const TestRow rows[] = {
		{ "no endpoint", WIFI, "AddWiFiSettings", NULL, PSK("a", "1"), "SchemaValidationError" },
		{ "no settings", WIFI, "AddWiFiSettings", NULL, ENDPOINT, "SchemaValidationError" },
		{ "out of order", WIFI, "AddWiFiSettings", NULL, PSK("a", "1") ENDPOINT, "SchemaValidationError" },
		{ "text for an instance", WIFI, "AddWiFiSettings", NULL, ENDPOINT "<r:WiFiEndpointSettingsInput>a</r:WiFiEndpointSettingsInput>", "SchemaValidationError" },
		{ "another class", WIFI, "AddWiFiSettings", NULL,
		    ENDPOINT "<r:WiFiEndpointSettingsInput xmlns:q=\"" CIM "CIM_IEEE8021xSettings\"><q:ElementName>a</q:ElementName></r:WiFiEndpointSettingsInput>", "SchemaValidationError" },
		{ "unknown property", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("a", "a", "1", METHODS("6", "4") "<q:Colour>1</q:Colour>"), "SchemaValidationError" },
		{ "a word", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("a", "a", "first", METHODS("6", "4") PHRASE("Gu3ss-me!")), "SchemaValidationError" },
		{ "no encryption", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("a", "a", "1", "<q:AuthenticationMethod>6</q:AuthenticationMethod>"), "SchemaValidationError" },
		{ "another endpoint", WIFI, "AddWiFiSettings", NULL, REFERENCE("WiFiEndpoint", "CIM_WiFiEndpoint", "Name", "WiFi Endpoint 1") PSK("a", "1"), "4" },
		{ "no name", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("", "a", "1", METHODS("6", "4") PHRASE("Gu3ss-me!")), "3" },
		{ "33 characters", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("abcdefghabcdefghabcdefghabcdefgha", "a", "1", METHODS("6", "4") PHRASE("Gu3ss-me!")), "3" },
		{ "SSID of 33 characters", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("a", "abcdefghabcdefghabcdefghabcdefgha", "1", METHODS("6", "4") PHRASE("Gu3ss-me!")), "3" },
		{ "priority 0", WIFI, "AddWiFiSettings", NULL, ENDPOINT PSK("a", "0"), "3" },
		{ "priority 256", WIFI, "AddWiFiSettings", NULL, ENDPOINT PSK("a", "256"), "3" },
		{ "BSS type", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("a", "a", "1", METHODS("6", "4") PHRASE("Gu3ss-me!") "<q:BSSType>1</q:BSSType>"), "3" },
		{ "WPA2 in clear", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("a", "a", "1", METHODS("6", "5") PHRASE("Gu3ss-me!")), "3" },
		{ "WPA2 with WEP", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("a", "a", "1", METHODS("6", "2") PHRASE("Gu3ss-me!")), "3" },
		{ "open with CCMP", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("a", "a", "1", METHODS("2", "4")), "3" },
		{ "SAE with TKIP", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("a", "a", "1", METHODS("32768", "3") PHRASE("Gu3ss-me!")), "3" },
		{ "method 1", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("a", "a", "1", METHODS("1", "4") PHRASE("Gu3ss-me!")), "3" },
		{ "no pass phrase", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("a", "a", "1", METHODS("6", "4")), "3" },
		{ "7 characters", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("a", "a", "1", METHODS("6", "4") PHRASE("1234567")), "3" },
		{ "64 characters", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("a", "a", "1", METHODS("6", "4") PHRASE(LETTERS_64)), "3" },
		{ "no ASCII", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("a", "a", "1", METHODS("6", "4") PHRASE("pa\xc3\xa4ssword")), "3" },
		{ "802.1X without settings", WIFI, "AddWiFiSettings", NULL, ENDPOINT CORP("a", "1"), "3" },
		{ "PSK with 802.1X", WIFI, "AddWiFiSettings", NULL, ENDPOINT PSK("a", "1") EAP_INPUT("x", EAP_PEAP), "3" },
		{ "TLS without a certificate", WIFI, "AddWiFiSettings", NULL, ENDPOINT CORP("a", "1") EAP_INPUT("x", EAP_TLS) CA, "3" },
		{ "EAP-MD5", WIFI, "AddWiFiSettings", NULL, ENDPOINT CORP("a", "1") EAP_INPUT("x", "<q:AuthenticationProtocol>6</q:AuthenticationProtocol>"), "3" },
		{ "AMT's comparison", WIFI, "AddWiFiSettings", NULL,
		    ENDPOINT CORP("a", "1") EAP_INPUT("x", EAP_TLS "<q:ServerCertificateName>r</q:ServerCertificateName><q:ServerCertificateNameComparison>0</q:ServerCertificateNameComparison>") CLIENT, "3" },
		{ "an empty credential", WIFI, "AddWiFiSettings", NULL, ENDPOINT CORP("a", "1") EAP_INPUT("x", EAP_PEAP) "<r:ClientCredential></r:ClientCredential>", "4" },
		{ "no such root", WIFI, "AddWiFiSettings", NULL, ENDPOINT CORP("a", "1") EAP_INPUT("x", EAP_PEAP) EPR("CACredential", "9"), "4" },
		{ "a client's as root", WIFI, "AddWiFiSettings", NULL, ENDPOINT CORP("a", "1") EAP_INPUT("x", EAP_PEAP) EPR("CACredential", "0"), "4" },
		{ "no key", WIFI, "AddWiFiSettings", NULL, ENDPOINT CORP("a", "1") EAP_INPUT("x", EAP_TLS) EPR("ClientCredential", "2") CA, "4" },
		{ "WPA2-PSK", WIFI, "AddWiFiSettings", NULL, ENDPOINT PSK("home", "1"), "0" },
		{ "the same name", WIFI, "AddWiFiSettings", NULL, ENDPOINT PSK("home", "2"), "AlreadyExists" },
		{ "the same priority", WIFI, "AddWiFiSettings", NULL, ENDPOINT PSK("other", "1"), "2067" },
		{ "32 bytes", WIFI, "AddWiFiSettings", NULL,
		    ENDPOINT INPUT("raw", "raw", "2", METHODS("4", "3") "<q:PSKValue>AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=</q:PSKValue>"), "0" },
		{ "SAE", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("sae", "sae", "255", METHODS("32768", "4") PHRASE("Gu3ss-me!")), "0" },
		{ "OWE", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("owe", "owe", "4", METHODS("32769", "4")), "0" },
		{ "open", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("open", "open", "5", METHODS("2", "5")), "0" },
		{ "EAP-TLS", WIFI, "AddWiFiSettings", NULL, ENDPOINT CORP("corp", "6") EAP_INPUT("corp8021x", EAP_TLS) CLIENT CA, "0" },
		{ "the same 802.1X name", WIFI, "AddWiFiSettings", NULL, ENDPOINT CORP("corp2", "7") EAP_INPUT("corp8021x", EAP_PEAP), "AlreadyExists" },
		{ "in use", "AMT_PublicKeyCertificate", "Delete", CERTIFICATE("0"), "", "AccessDenied" },
		{ "in use", "AMT_PublicKeyCertificate", "Delete", CERTIFICATE("1"), "", "AccessDenied" },
		{ "in use", "AMT_PublicPrivateKeyPair", "Delete", KEY, "", "AccessDenied" },
		{ "one", WIFI_PROFILE, "Get", WIFI_ID("corp"), "", "ok" },
		{ "not there", WIFI_PROFILE, "Get", WIFI_ID("other"), "", "InvalidSelectors" },
		{ "not there", WIFI_PROFILE, "Delete", WIFI_ID("other"), "", "InvalidSelectors" },
		{ "no selector", WIFI_PROFILE, "Delete", NULL, "", "InvalidSelectors" },
		{ "the pseudo profile", WIFI_PROFILE, "Delete", "Intel(r) AMT:WiFi Endpoint User Settings", "", "AccessDenied" },
		{ "no Put", WIFI_PROFILE, "Put", WIFI_ID("home"), "", "ActionNotSupported" },
	};
	/* clang-format on */
	TestSim *sim = classes_test_start_wireless(NULL);
	g_autoptr(TestClient) client = classes_test_client(sim);
	EVP_PKEY_free(classes_test_fill_store(client));
	test_rows(client, rows, G_N_ELEMENTS(rows));
	guint pulls = 0;
	g_autoptr(TestAnswer) profiles = test_pull_all(client, WIFI_PROFILE, &pulls);
	g_assert_nonnull(strstr(profiles->body, "<h:ElementName>Endpoint User Settings<"));
	g_assert_nonnull(strstr(profiles->body, ">" WIFI_ID("corp") "<"));
	g_assert_null(strstr(profiles->body, "Gu3ss-me!"));
	g_assert_null(strstr(profiles->body, "PSKValue"));
	g_assert_null(strstr(profiles->body, "8021x"));
	g_autoptr(TestAnswer) contexts = test_pull_all(client, "CIM_CredentialContext", &pulls);
	g_assert_nonnull(strstr(contexts->body, ">Intel(r) AMT:IEEE 802.1x Settings corp8021x<"));
	g_autoptr(TestAnswer) dependencies =
	    test_pull_all(client, "CIM_ConcreteDependency", &pulls);
	g_assert_nonnull(strstr(dependencies->body, ">" WIFI_ID("corp") "<"));
	g_autoptr(TestAnswer) eap = test_pull_all(client, "CIM_IEEE8021xSettings", &pulls);
	g_assert_nonnull(strstr(eap->body, "CIM_IEEE8021xSettings>"));
	g_assert_nonnull(strstr(eap->body, "IPS_IEEE8021xSettings>")); /* derived from it */
	test_sim_stop(sim);
}

static void
classes_test_wireless_change(void)
{
	/* clang-format off */
	static const TestRow rows[] = {
		{ "PSK", WIFI, "AddWiFiSettings", NULL, ENDPOINT PSK("home", "1"), "0" },
		{ "PEAP", WIFI, "AddWiFiSettings", NULL, ENDPOINT CORP("corp", "2") EAP_INPUT("x", EAP_PEAP) CA, "0" },
		{ "not there", WIFI, "UpdateWiFiSettings", NULL, OF("other") PSK("other", "3"), "4" },
		{ "empty", WIFI, "UpdateWiFiSettings", NULL, "<r:WiFiEndpointSettings></r:WiFiEndpointSettings>" PSK("home", "3"), "4" },
		{ "another name", WIFI, "UpdateWiFiSettings", NULL, OF("home") PSK("house", "3"), "3" },
		{ "another's priority", WIFI, "UpdateWiFiSettings", NULL, OF("home") PSK("home", "2"), "2067" },
		{ "another's 802.1X", WIFI, "UpdateWiFiSettings", NULL, OF("home") CORP("home", "3") EAP_INPUT("x", EAP_PEAP), "3" },
		{ "weak", WIFI, "UpdateWiFiSettings", NULL, OF("home") INPUT("home", "home", "3", METHODS("6", "4") PHRASE("short")), "3" },
		{ "right", WIFI, "UpdateWiFiSettings", NULL, OF("home") PSK("home", "3"), "0" },
		{ "to TLS", WIFI, "UpdateWiFiSettings", NULL, OF("corp") CORP("corp", "2") EAP_INPUT("x", EAP_TLS) CLIENT CA, "0" },
		{ "in use", "AMT_PublicKeyCertificate", "Delete", CERTIFICATE("0"), "", "AccessDenied" },
		{ "to PSK", WIFI, "UpdateWiFiSettings", NULL, OF("corp") PSK("corp", "2"), "0" },
		{ "free", "AMT_PublicKeyCertificate", "Delete", CERTIFICATE("0"), "", "ok" },
		{ "its settings went", "CIM_IEEE8021xSettings", "Get", "Intel(r) AMT:IEEE 802.1x Settings x", "", "InvalidSelectors" },
		{ "PEAP again", WIFI, "UpdateWiFiSettings", NULL, OF("corp") CORP("corp", "2") EAP_INPUT("y", EAP_PEAP) CA, "0" },
		{ "its settings are no one's to delete", "CIM_IEEE8021xSettings", "Delete", "Intel(r) AMT:IEEE 802.1x Settings y", "", "ActionNotSupported" },
		{ "in use", "AMT_PublicKeyCertificate", "Delete", CERTIFICATE("1"), "", "AccessDenied" },
		{ "delete", WIFI_PROFILE, "Delete", WIFI_ID("corp"), "", "ok" },
		{ "its settings went, too", "CIM_IEEE8021xSettings", "Get", "Intel(r) AMT:IEEE 802.1x Settings y", "", "InvalidSelectors" },
		{ "free", "AMT_PublicKeyCertificate", "Delete", CERTIFICATE("1"), "", "ok" },
		{ "2 is nothing", WIFI, "Put", NULL, "<r:localProfileSynchronizationEnabled>2</r:localProfileSynchronizationEnabled>", "SchemaValidationError" },
		{ "4 is nothing", WIFI, "Put", NULL, "<r:localProfileSynchronizationEnabled>4</r:localProfileSynchronizationEnabled>", "SchemaValidationError" },
		{ "upper case", WIFI, "Put", NULL, "<r:LocalProfileSynchronizationEnabled>3</r:LocalProfileSynchronizationEnabled>", "SchemaValidationError" },
		{ "right", WIFI, "Put", NULL, "<r:UEFIWiFiProfileShareEnabled>true</r:UEFIWiFiProfileShareEnabled><r:localProfileSynchronizationEnabled>3</r:localProfileSynchronizationEnabled>", "ok" },
		{ "all of IT's", WIFI, "DeleteAllITProfiles", NULL, "", "0" },
	};
	static const TestRow gone[] = {
		{ "IT's went", WIFI_PROFILE, "Get", WIFI_ID("home"), "", "InvalidSelectors" },
		{ "the user's did not", WIFI_PROFILE, "Get", "Intel(r) AMT:WiFi Endpoint User Settings cafe", "", "ok" },
		{ "all of the user's", WIFI, "DeleteAllUserProfiles", NULL, "", "0" },
		{ "gone", WIFI_PROFILE, "Get", "Intel(r) AMT:WiFi Endpoint User Settings cafe", "", "InvalidSelectors" },
	};
	/* clang-format on */
	TestSim *sim = classes_test_start_wireless(NULL);
	g_autoptr(TestClient) client = classes_test_client(sim);
	EVP_PKEY_free(classes_test_fill_store(client));
	classes_test_set(sim, "wireless-user-profile=cafe"); /* has priority 1, which IT may use */
	test_rows(client, rows, G_N_ELEMENTS(rows));
	test_rows(client, gone, G_N_ELEMENTS(gone));
	test_sim_stop(sim);
}

/* Limits, and what a generation does not have */
static void
classes_test_wireless_limits(void)
{
	static const char *const more[] = { "--set", "wifi-it-max=2", "--set", "wifi-8021x-max=1",
		"--set", "wifi-user-max=1", "--set", "wpa3-since=1700", "--set", "tkip-until=1600",
		NULL };
	/* clang-format off */
	static const TestRow rows[] = {
		{ "no WPA3", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("sae", "sae", "1", METHODS("32768", "4") PHRASE("Gu3ss-me!")), "1" },
		{ "no TKIP", WIFI, "AddWiFiSettings", NULL, ENDPOINT INPUT("tkip", "tkip", "1", METHODS("6", "3") PHRASE("Gu3ss-me!")), "1" },
		{ "PEAP", WIFI, "AddWiFiSettings", NULL, ENDPOINT CORP("a", "1") EAP_INPUT("x", EAP_PEAP), "0" },
		{ "PEAP, one too many", WIFI, "AddWiFiSettings", NULL, ENDPOINT CORP("b", "2") EAP_INPUT("y", EAP_PEAP), "23" },
		{ "PSK", WIFI, "AddWiFiSettings", NULL, ENDPOINT PSK("b", "2"), "0" },
		{ "PSK, one too many", WIFI, "AddWiFiSettings", NULL, ENDPOINT PSK("c", "3"), "23" },
		{ "PSK to 802.1X, one too many", WIFI, "UpdateWiFiSettings", NULL, OF("b") CORP("b", "2") EAP_INPUT("z", EAP_PEAP), "23" },
	};
	/* clang-format on */
	TestSim *sim = classes_test_start_wireless(more);
	g_autoptr(TestClient) client = classes_test_client(sim);
	test_rows(client, rows, G_N_ELEMENTS(rows));
	classes_test_set(sim, "wireless-user-profile=one");
	g_assert_cmpint(
	    test_sim_command(sim, NULL, "set", "pc-0001", "wireless-user-profile=two", NULL), ==,
	    1);
	classes_test_set(sim, "switch:wifi-references=false");
	g_assert_cmpuint(test_invoke(client, WIFI, "DeleteAllITProfiles", "", NULL), ==, 0);
	g_autofree char *xml = NULL;
	g_assert_cmpuint(
	    test_invoke(client, WIFI, "AddWiFiSettings", ENDPOINT PSK("b", "2"), &xml), ==, 0);
	g_assert_null(strstr(xml, "WiFiEndpointSettings>"));
	test_sim_stop(sim);
}

/* Devices with one port only */
static void
classes_test_ports(void)
{
	static const char *const arguments[] = { "--state", "post", NULL };
	/* clang-format off */
	static const TestRow unreachable[] = {
		{ "wired only", PORT, "Get", NULL, "", "DestinationUnreachable" },
		{ "wired only", WIFI, "Get", NULL, "", "DestinationUnreachable" },
		{ "wired only", WIFI, "AddWiFiSettings", NULL, ENDPOINT PSK("a", "1"), "DestinationUnreachable" },
		{ "wired only", WIFI_PROFILE, "Get", WIFI_ID("a"), "", "DestinationUnreachable" },
		{ "wired only", "CIM_WiFiEndpoint", "Get", NULL, "", "DestinationUnreachable" },
		{ "wired only", "AMT_EthernetPortSettings", "Get", "Intel(r) AMT Ethernet Port Settings 1", "", "InvalidSelectors" },
		{ "wired", "AMT_EthernetPortSettings", "Get", "Intel(r) AMT Ethernet Port Settings 0", "", "ok" },
	};
	static const TestRow empty[] = {
		{ "empty", PORT, "Get", NULL, "", "InvalidSelectors" },
		{ "empty", PORT, "RequestStateChange", NULL, STATE("32769"), "InvalidSelectors" },
		{ "no service", WIFI, "Get", NULL, "", "DestinationUnreachable" },
	};
	static const TestRow wireless[] = {
		{ "wireless", PORT, "Get", NULL, "", "ok" },
		{ "wireless", "AMT_EthernetPortSettings", "Get", "Intel(r) AMT Ethernet Port Settings 1", "", "ok" },
		{ "missing", "AMT_EthernetPortSettings", "Get", "Intel(r) AMT Ethernet Port Settings 0", "", "InvalidSelectors" },
	};
	/* clang-format on */
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = classes_test_client(sim);
	guint pulls = 0;
	test_rows(client, unreachable, G_N_ELEMENTS(unreachable));
	classes_test_set(sim, "switch:wireless-absent=empty");
	test_rows(client, empty, G_N_ELEMENTS(empty));
	g_autoptr(TestAnswer) none = test_pull_all(client, WIFI_PROFILE, &pulls);
	g_assert_null(strstr(none->body, "ElementName"));
	classes_test_set(sim, "switch:wireless=true");
	classes_test_set(sim, "switch:wired=false");
	test_rows(client, wireless, G_N_ELEMENTS(wireless));
	classes_test_set(sim, "switch:wired-absent=zero-mac");
	g_autoptr(TestAnswer) zero = test_get(client, "AMT_EthernetPortSettings", "InstanceID",
	    "Intel(r) AMT Ethernet Port Settings 0");
	g_assert_nonnull(strstr(zero->body, "<g:MACAddress>00-00-00-00-00-00</g:MACAddress>"));
	g_assert_nonnull(strstr(zero->body, "<g:LinkIsUp>false</g:LinkIsUp>"));
	test_sim_stop(sim);
}

static char *
classes_test_wireless_link(TestClient *client)
{
	g_autoptr(TestAnswer) answer = test_get(client, "AMT_EthernetPortSettings", "InstanceID",
	    "Intel(r) AMT Ethernet Port Settings 1");
	return test_find(answer->body, "LinkIsUp");
}

static void
classes_test_assert_link(TestSim *sim, TestClient *client, const char *active)
{
	g_autofree char *link = classes_test_wireless_link(client);
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(test_dump_string(dump, "wireless.active"), ==, active);
	g_assert_cmpstr(link, ==, active != NULL ? "true" : "false");
}

/* The link comes up with a profile in range and an enabled port, at an address of its own */
static void
classes_test_wireless_side(void)
{
	static const char *const base = "127.77.7.7";
	static const char *const more[] = { "--wireless-base", base, NULL };
	/* clang-format off */
	static const TestRow rows[] = {
		{ "no such state", PORT, "RequestStateChange", NULL, STATE("2"), "5" },
		{ "no state", PORT, "RequestStateChange", NULL, "", "SchemaValidationError" },
		{ "DMTF's parameter", PORT, "RequestStateChange", NULL, STATE("32769") "<r:TimeoutPeriod>0</r:TimeoutPeriod>", "SchemaValidationError" },
		{ "right", PORT, "RequestStateChange", NULL, STATE("32769"), "0" },
		{ "low priority", WIFI, "AddWiFiSettings", NULL, ENDPOINT PSK("guests", "9"), "0" },
		{ "high priority", WIFI, "AddWiFiSettings", NULL, ENDPOINT PSK("staff", "2"), "0" },
	};
	static const TestRow active[] = {
		{ "active", WIFI_PROFILE, "Delete", WIFI_ID("guests"), "", "AccessDenied" },
		{ "all but the active one", WIFI, "DeleteAllITProfiles", NULL, "", "0" },
		{ "gone", WIFI_PROFILE, "Get", WIFI_ID("staff"), "", "InvalidSelectors" },
		{ "active", WIFI_PROFILE, "Get", WIFI_ID("guests"), "", "ok" },
		{ "changed while active", WIFI, "UpdateWiFiSettings", NULL, OF("guests") PSK("guests", "3"), "0" },
	};
	static const TestRow off = { "off", PORT, "RequestStateChange", NULL, STATE("3"), "0" };
	static const TestRow inactive = { "no more active", WIFI_PROFILE, "Delete", WIFI_ID("guests"), "", "ok" };
	/* clang-format on */
	TestSim *sim = classes_test_start_wireless(more);
	g_autoptr(TestClient) client = classes_test_client(sim);
	g_autoptr(TestClient) air = classes_test_client(sim);
	g_free(air->address);
	air->address = g_strdup(base);
	classes_test_set(sim, "wireless-link=up");
	classes_test_assert_link(sim, client, NULL); /* the port is off, no profile is there */
	g_assert_false(test_client_connect(air));
	test_rows(client, rows, G_N_ELEMENTS(rows));
	classes_test_assert_link(sim, client, "staff");
	g_assert_true(test_client_connect(air));
	g_autoptr(TestAnswer) port = test_get(air, PORT, NULL, NULL);
	g_assert_null(strstr(port->body, ">000000000000<"));
	classes_test_set(sim, "wireless-link=guests");
	classes_test_assert_link(sim, client, "guests");
	test_rows(air, active, G_N_ELEMENTS(active));
	classes_test_set(sim, "wireless-link=elsewhere");
	classes_test_assert_link(sim, client, NULL);
	g_assert_false(test_client_connect(air));
	classes_test_set(sim, "wireless-link=up");
	g_assert_true(test_client_connect(air));
	test_rows(client, &off, 1);
	classes_test_assert_link(sim, client, NULL);
	g_assert_false(test_client_connect(air));
	test_rows(client, &inactive, 1);
	test_sim_stop(sim);
}

static void
classes_test_acl_renumber(void)
{
	static const char *const arguments[] = { "--state", "post", "--set", "acl-renumber=true",
		NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = classes_test_client(sim);
	classes_test_set(sim, "acl-user=mallory");
	classes_test_set(sim, "acl-user=trent");
	g_assert_cmpuint(test_invoke(client, "AMT_AuthorizationService", "RemoveUserAclEntry",
			     "<r:Handle>3</r:Handle>", NULL),
	    ==, 0);
	g_autofree char *entry = NULL;
	g_assert_cmpuint(test_invoke(client, "AMT_AuthorizationService", "GetUserAclEntryEx",
			     "<r:Handle>3</r:Handle>", &entry),
	    ==, 0);
	g_assert_nonnull(strstr(entry, "<g:DigestUsername>trent</g:DigestUsername>"));
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
	g_test_add_func("/sim/classes/acl-renumber", classes_test_acl_renumber);
	g_test_add_func("/sim/classes/8021x-amt", classes_test_8021x_amt);
	g_test_add_func("/sim/classes/8021x-ips", classes_test_8021x_ips);
	g_test_add_func("/sim/classes/8021x-generations", classes_test_8021x_generations);
	g_test_add_func("/sim/classes/wireless-add", classes_test_wireless_add);
	g_test_add_func("/sim/classes/wireless-change", classes_test_wireless_change);
	g_test_add_func("/sim/classes/wireless-limits", classes_test_wireless_limits);
	g_test_add_func("/sim/classes/wireless-side", classes_test_wireless_side);
	g_test_add_func("/sim/classes/ports", classes_test_ports);
	test_pki_make();
	int status = g_test_run();
	test_pki_remove();
	return status;
}
