/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What differs between the generations of AMT, each against a running provost-sim */
#include "sim/tests/client.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define STORE "AMT_PublicKeyManagementService"
#define SETUP "AMT_SetupAndConfigurationService"
#define ALL "3.2,6.2,8.1,9.5,11.8,12.0,15,16.1,19"
#define PID "ABCD2345"
#define PPS "0123ABCD4567EFGH89IJKLMN01OPQRST"

static const char *const generation_names[] = { "3.2", "6.2", "8.1", "9.5", "11.8", "12.0", "15",
	"16.1", "19" };
#define GENERATIONS G_N_ELEMENTS(generation_names)

/* One device of each generation, in this order */
static TestSim *
generation_test_start(const char *state)
{
	const char *const arguments[] = { "--devices", "9", "--personality", ALL, "--state", state,
		NULL };
	return test_sim_start(arguments);
}

static char *
generation_test_name(guint index)
{
	return g_strdup_printf("pc-%04u", index + 1);
}

/* Where the client refuses, its alert may still be on its way */
static void
generation_test_wait_refusal(TestSim *sim, const char *device, const char *reason)
{
	for (guint try = 0; try < 500; try++) {
		g_autoptr(JsonNode) dump = test_sim_dump(sim, device);
		if (g_strcmp0(test_dump_string(dump, "last-tls-refusal"), reason) == 0)
			return;
		g_usleep(20000); /* polls for an event: the alert arrives */
	}
	g_error("%s has not refused with %s", device, reason);
}

/* TLS: amt/01 section 4 */

static void
generation_test_versions(void)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION,
		TLS1_3_VERSION };
	static const char *const accepted[GENERATIONS] = { "1000", "1100", "1100", "1100", "1100",
		"0110", "0110", "0010", "0011" };
	TestSim *sim = generation_test_start("in");
	for (guint i = 0; i < GENERATIONS; i++) {
		for (guint j = 0; j < G_N_ELEMENTS(versions); j++) {
			g_test_message("%s, version %u", generation_names[i], j);
			g_autoptr(TestClient) client = test_client_new(sim, i);
			client->version = versions[j];
			g_assert_cmpint(test_client_connect(client), ==, accepted[i][j] == '1');
			if (accepted[i][j] == '1')
				continue;
			g_autofree char *name = generation_test_name(i);
			generation_test_wait_refusal(sim, name, "version-or-cipher");
		}
	}
	test_sim_stop(sim);
}

/* Only TLS 1.0 and no offer of more will do: amt/12 quirk 23 */
static void
generation_test_intolerant(void)
{
	const char *const arguments[] = { "--personality", "6.2", "--set", "tls-intolerant=true",
		NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) all = test_client_new(sim, 0);
	all->old = TRUE;
	g_assert_false(test_client_connect(all));
	g_assert_nonnull(strstr(all->refused, "bad record mac"));
	g_autoptr(TestClient) oldest = test_client_new(sim, 0);
	oldest->version = TLS1_VERSION;
	g_assert_true(test_client_connect(oldest));
	test_sim_stop(sim);
}

/* Which certificate set-up shows, and which suites it takes */
static void
generation_test_identity(void)
{
	static const struct {
		guint certificates;
		gboolean rsa_only; /* no key exchange with forward secrecy */
	} rows[GENERATIONS] = { { 1, TRUE }, { 1, TRUE }, { 1, TRUE }, { 1, TRUE }, { 1, TRUE },
		{ 1, TRUE }, { 4, TRUE }, { 4, FALSE }, { 4, FALSE } };
	TestSim *sim = generation_test_start("in");
	for (guint i = 0; i < GENERATIONS; i++) {
		g_test_message("%s", generation_names[i]);
		g_autoptr(TestClient) client = test_client_new(sim, i);
		client->old = TRUE;
		g_assert_true(test_client_connect(client));
		g_assert_cmpuint(client->peer_chain, ==, rows[i].certificates);
		for (guint j = 0; j < 2; j++) {
			g_autoptr(TestClient) suites = test_client_new(sim, i);
			suites->old = suites->old_only = TRUE;
			suites->suites = j == 0 ? "kRSA+AES:@SECLEVEL=0" : "kECDHE+AES:@SECLEVEL=0";
			g_assert_cmpint(
			    test_client_connect(suites), ==, j == 0 || !rows[i].rsa_only);
		}
	}
	test_sim_stop(sim);
	const char *const six[] = { "--set", "on-die-certificates=6", NULL };
	sim = test_sim_start(six);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_assert_true(test_client_connect(client));
	g_assert_cmpuint(client->peer_chain, ==, 6);
	g_assert_nonnull(strstr(client->fourth, "ROM CA"));
	test_sim_stop(sim);
}

/* Classes, methods, properties: amt/11 and the sections on each class */

static TestClient *
generation_test_client(TestSim *sim, guint index)
{
	TestClient *client = test_client_new(sim, index);
	client->old = TRUE;
	test_client_set_login(client, "admin", "admin");
	return client;
}

typedef enum { ROW_CLASS, ROW_METHOD, ROW_PROPERTY, ROW_PUT } RowKind;

typedef struct {
	RowKind kind;
	const char *class_name, *member; /* of a Put: the value too */
	const char *has; /* one digit for each generation */
} Row;

static const Row generation_rows[] = {
	{ ROW_CLASS, "AMT_KerberosSettingData", NULL, "111111111" },
	{ ROW_CLASS, "IPS_HostBasedSetupService", NULL, "001111111" },
	{ ROW_CLASS, "IPS_OptInService", NULL, "001111111" },
	{ ROW_CLASS, "CIM_KVMRedirectionSAP", NULL, "011111111" },
	{ ROW_CLASS, "AMT_8021XProfile", NULL, "011111111" },
	{ ROW_CLASS, "IPS_IEEE8021xSettings", NULL, "001111111" },
	{ ROW_METHOD, "AMT_SetupAndConfigurationService", "SetTLSPSK", "111100000" },
	{ ROW_METHOD, "AMT_SetupAndConfigurationService", "GetUuid", "011111111" },
	{ ROW_METHOD, "AMT_SetupAndConfigurationService", "CommitChanges", "111111111" },
	{ ROW_METHOD, "AMT_PublicKeyManagementService", "AddKey", "111111111" },
	{ ROW_METHOD, "AMT_PublicKeyManagementService", "GenerateKeyPair", "011111111" },
	{ ROW_METHOD, "AMT_PublicKeyManagementService", "GeneratePKCS10RequestEx", "000011111" },
	{ ROW_PROPERTY, "AMT_GeneralSettings", "WsmanOnlyMode", "111111111" },
	{ ROW_PROPERTY, "AMT_GeneralSettings", "PreferredAddressFamily", "011111111" },
	{ ROW_PROPERTY, "AMT_GeneralSettings", "AMTNetworkEnabled", "001111111" },
	{ ROW_PROPERTY, "AMT_GeneralSettings", "ThunderboltDockEnabled", "000000111" },
	{ ROW_PROPERTY, "AMT_GeneralSettings", "OemID", "000000011" },
	{ ROW_PROPERTY, "AMT_SetupAndConfigurationService", "DhcpDNSSuffix", "000011111" },
	{ ROW_PROPERTY, "AMT_EthernetPortSettings", "PhysicalConnectionType", "000000111" },
	{ ROW_PROPERTY, "AMT_TimeSynchronizationService", "LocalTimeSyncEnabled", "001111111" },
	{ ROW_PROPERTY, "AMT_KerberosSettingData", "SupportedEncryptionAlgorithms", "001111111" },
	{ ROW_PROPERTY, "AMT_TLSSettingData", "NonSecureConnectionsSupported", "000000011" },
	{ ROW_PUT, "AMT_GeneralSettings", "HostName>s\u00fcd<", "000000001" },
	{ ROW_PUT, "AMT_GeneralSettings", "DDNSUpdateEnabled>true<", "011111111" },
};

static gboolean
generation_test_has(TestClient *client, const Row *row)
{
	g_autofree char *body = NULL;
	const char *action = row->kind == ROW_METHOD ? row->member : "Enumerate";
	if (row->kind == ROW_PROPERTY) {
		guint pulls = 0;
		g_autoptr(TestAnswer) answer = test_pull_all(client, row->class_name, &pulls);
		g_autofree char *tag = g_strdup_printf(":%s>", row->member);
		return strstr(answer->body, tag) != NULL;
	}
	if (row->kind == ROW_METHOD) {
		body = test_input(row->class_name, row->member, "");
	} else if (row->kind == ROW_PUT) {
		g_autofree char *name = g_strndup(row->member, strcspn(row->member, ">"));
		body = g_strdup_printf(
		    "<r:%s xmlns:r=\"http://intel.com/wbem/wscim/1/amt-schema/1/%s\"><r:%s/r:%s>"
		    "<r:PingResponseEnabled>true</r:PingResponseEnabled><r:WsmanOnlyMode>false</"
		    "r:WsmanOnlyMode></r:%s>",
		    row->class_name, row->class_name, row->member, name, row->class_name);
		action = "Put";
	} else {
		body = g_strdup(
		    "<n:Enumerate xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\"/>");
	}
	g_autofree char *envelope = test_envelope(row->class_name, action, NULL, NULL, body);
	g_autoptr(TestAnswer) answer = test_client_post(client, envelope);
	static const char *const absent[] = { "DestinationUnreachable", "SchemaValidationError",
		"ActionNotSupported" };
	if (answer->status == 200)
		return TRUE;
	g_assert_cmpuint(answer->status, ==, 400);
	/* a method that is there may well refuse an empty input */
	guint kinds = row->kind == ROW_METHOD ? 2 : 0;
	const char *why = absent[kinds + (row->kind == ROW_PUT ? 1 : 0)];
	gboolean missing = strstr(answer->body, why) != NULL;
	g_assert_true(missing || row->kind == ROW_METHOD);
	return !missing;
}

static void
generation_test_classes(void)
{
	TestSim *sim = generation_test_start("in");
	for (guint i = 0; i < GENERATIONS; i++) {
		g_autoptr(TestClient) client = generation_test_client(sim, i);
		for (guint j = 0; j < G_N_ELEMENTS(generation_rows); j++) {
			const Row *row = &generation_rows[j];
			g_test_message("%s: %s %s", generation_names[i], row->class_name,
			    row->member != NULL ? row->member : "");
			g_assert_cmpint(generation_test_has(client, row), ==, row->has[i] == '1');
		}
	}
	test_sim_stop(sim);
}

static char *
generation_test_program(void)
{
	const char *build = g_getenv("PV_TOP_BUILDDIR");
	return g_build_filename(build != NULL ? build : ".", "provost-sim", NULL);
}

static gboolean
generation_test_lists(JsonObject *generation, const Row *row)
{
	JsonObject *classes = json_object_get_object_member(generation, "classes");
	if (!json_object_has_member(classes, row->class_name))
		return FALSE;
	if (row->kind == ROW_CLASS)
		return TRUE;
	JsonObject *class = json_object_get_object_member(classes, row->class_name);
	JsonArray *names =
	    json_object_get_array_member(class, row->kind == ROW_METHOD ? "methods" : "properties");
	for (guint i = 0; i < json_array_get_length(names); i++) {
		if (strcmp(json_array_get_string_element(names, i), row->member) == 0)
			return TRUE;
	}
	return FALSE;
}

/* What `provost-sim personalities` tells is what devices answer */
static void
generation_test_list(void)
{
	g_autofree char *program = generation_test_program();
	const char *argv[] = { program, "personalities", "--json", NULL };
	g_autofree char *text = NULL;
	int status = 0;
	g_assert_true(g_spawn_sync(
	    NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &text, NULL, &status, NULL));
	g_assert_true(g_spawn_check_wait_status(status, NULL));
	g_autoptr(JsonNode) node = json_from_string(text, NULL);
	JsonArray *list = json_node_get_array(node);
	g_assert_cmpuint(json_array_get_length(list), ==, GENERATIONS);
	for (guint i = 0; i < GENERATIONS; i++) {
		JsonObject *generation = json_array_get_object_element(list, i);
		g_assert_cmpstr(
		    json_object_get_string_member(generation, "name"), ==, generation_names[i]);
		g_assert_cmpint(json_object_get_boolean_member(generation, "psk"), ==, i < 4);
		for (guint j = 0; j < G_N_ELEMENTS(generation_rows); j++) {
			const Row *row = &generation_rows[j];
			if (row->kind == ROW_PUT)
				continue;
			g_test_message("%s: %s", generation_names[i], row->class_name);
			g_assert_cmpint(
			    generation_test_lists(generation, row), ==, row->has[i] == '1');
		}
	}
	argv[2] = NULL;
	g_autofree char *table = NULL;
	g_assert_true(g_spawn_sync(
	    NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &table, NULL, &status, NULL));
	g_assert_nonnull(
	    strstr(table, "\n9.5    9.5.61        1.0-1.1  RSA     yes    PKI, PSK  login"));
}

static void
generation_test_server_header(void)
{
	static const char *const versions[GENERATIONS] = { "3.2.20", "6.2.61", "8.1.71", "9.5.61",
		"11.8.50", "12.0.67", "15.0.23.1706", "16.1.25.2124", "19.0.5.1967" };
	TestSim *sim = generation_test_start("in");
	for (guint i = 0; i <= GENERATIONS; i++) {
		const char *version = i < GENERATIONS ? versions[i] : "3.2";
		if (i == GENERATIONS) /* two parts: parse leniently (amt/01 section 2) */
			g_assert_cmpint(test_sim_command(sim, NULL, "set", "pc-0001",
					    "switch:server-version=3.2", NULL),
			    ==, 0);
		g_autoptr(TestClient) client = test_client_new(sim, i % GENERATIONS);
		client->old = TRUE;
		g_autoptr(TestAnswer) answer = test_client_send(client, "GET", "/", NULL, "");
		g_autofree char *header = g_strdup_printf(
		    "\r\nServer: Intel(R) Active Management Technology %s\r\n", version);
		g_assert_nonnull(strstr(answer->head, header));
	}
	test_sim_stop(sim);
}

#define REQUEST_OF(handle) \
	"<r:KeyPair><a:Address>/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>" \
	"http://intel.com/wbem/wscim/1/amt-schema/1/AMT_PublicPrivateKeyPair</" \
	"w:ResourceURI><w:SelectorSet>" \
	"<w:Selector Name=\"InstanceID\">Intel(r) AMT Key: Handle: " handle \
	"</w:Selector></w:SelectorSet>" \
	"</a:ReferenceParameters></r:KeyPair><r:SigningAlgorithm>%u</r:SigningAlgorithm>" \
	"<r:NullSignedCertificateRequest>%s</r:NullSignedCertificateRequest>"
#define REQUEST REQUEST_OF("0")

/* SHA-1 went with CSME 18: amt/06 section 1 */
static void
generation_test_algorithms(void)
{
	TestSim *sim = generation_test_start("in");
	for (guint i = 4; i < GENERATIONS; i++) {
		g_autoptr(TestClient) client = generation_test_client(sim, i);
		g_assert_cmpuint(
		    test_invoke(client, STORE, "GenerateKeyPair",
			"<r:KeyAlgorithm>0</r:KeyAlgorithm><r:KeyLength>2048</r:KeyLength>", NULL),
		    ==, 0);
		g_autoptr(TestAnswer) key = test_get(client, "AMT_PublicPrivateKeyPair",
		    "InstanceID", "Intel(r) AMT Key: Handle: 0");
		g_autofree char *der = test_find(key->body, "DERKey");
		g_autofree char *request = test_null_request(der);
		for (guint algorithm = 0; algorithm < 3; algorithm++) {
			g_test_message("%s, algorithm %u", generation_names[i], algorithm);
			g_autofree char *input = g_strdup_printf(REQUEST, algorithm, request);
			guint status = algorithm == 0 && i == GENERATIONS - 1 ? 36 : 0;
			g_assert_cmpuint(
			    test_invoke(client, STORE, "GeneratePKCS10RequestEx", input, NULL), ==,
			    status);
		}
	}
	test_sim_stop(sim);
}

#define KERBEROS(properties) \
	"<r:AMT_KerberosSettingData " \
	"xmlns:r=\"http://intel.com/wbem/wscim/1/amt-schema/1/AMT_KerberosSettingData\">" \
	"<r:KrbEnabled>true</r:KrbEnabled><r:RealmName>EXAMPLE.COM</r:RealmName>" properties \
	"</r:AMT_KerberosSettingData>"

/* The key only before 8.0, names of services only before 6.0: amt/05 section 3 */
static void
generation_test_kerberos(void)
{
	static const struct {
		const char *body, *has;
	} rows[] = {
		{ KERBEROS("<r:MasterKey>AAECAwQFBgcICQoLDA0ODw==</r:MasterKey>"), "011111111" },
		{ KERBEROS(
		      "<r:MasterKey>AAECAwQFBgcICQoLDA0ODw==</r:MasterKey>"
		      "<r:ServicePrincipalName>HTTP/pc.example.com:16993</r:ServicePrincipalName>"
		      "<r:ServicePrincipalProtocol>1</r:ServicePrincipalProtocol>"),
		    "111111111" },
		{ KERBEROS("<r:Passphrase>secret</r:Passphrase><r:Salt>EXAMPLE.COMpc</r:Salt>"
			   "<r:IterationCount>4096</r:IterationCount>"),
		    "001111111" },
	};
	TestSim *sim = generation_test_start("in");
	for (guint i = 0; i < GENERATIONS; i++) {
		g_autoptr(TestClient) client = generation_test_client(sim, i);
		for (guint j = 0; j < G_N_ELEMENTS(rows); j++) {
			g_test_message("%s, row %u", generation_names[i], j);
			g_autofree char *envelope = test_envelope(
			    "AMT_KerberosSettingData", "Put", NULL, NULL, rows[j].body);
			g_autoptr(TestAnswer) answer = test_client_post(client, envelope);
			g_assert_cmpuint(answer->status, ==, rows[j].has[i] == '1' ? 200 : 400);
		}
	}
	test_sim_stop(sim);
}

#define ETHERNET "AMT_EthernetPortSettings"
#define ETHERNET_ID "Intel(r) AMT Ethernet Port Settings 0"

/* AMT 19 wants the MEBx password first, and goes away when its port is written to: amt/12 quirk 8 */
static void
generation_test_nineteen(void)
{
	const char *const arguments[] = { "--personality", "19", "--set", "ethernet-hang-msec=400",
		"--set", "commit-checks=false", "--set", "mebx-policy=default-only", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_assert_cmpuint(test_invoke(client, SETUP, "CommitChanges", "", NULL), ==, 2057);
	g_autofree char *put = test_envelope(ETHERNET, "Put", "InstanceID", ETHERNET_ID,
	    "<r:" ETHERNET " xmlns:r=\"http://intel.com/wbem/wscim/1/amt-schema/1/" ETHERNET
	    "\"><r:DHCPEnabled>true</r:DHCPEnabled></r:" ETHERNET ">");
	g_autoptr(TestAnswer) answer = test_client_post(client, put);
	g_assert_cmpuint(answer->status, ==, 0);
	test_client_close(client);
	for (guint try = 0; !test_client_connect(client); try++) {
		g_assert_cmpuint(try, <, 500);
		g_usleep(20000); /* polls for an event: the device comes back */
	}
	const char *const password = "<r:Password>Str0ng-mebx!</r:Password>";
	g_assert_cmpuint(test_invoke(client, SETUP, "SetMEBxPassword", password, NULL), ==, 0);
	g_assert_cmpuint(test_invoke(client, SETUP, "SetMEBxPassword", password, NULL), ==, 16);
	g_assert_cmpuint(test_invoke(client, SETUP, "CommitChanges", "", NULL), ==, 0);
	test_sim_stop(sim);
}

static void
generation_test_host_based(void)
{
	const char *const arguments[] = { "--personality", "12.0", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = generation_test_client(sim, 0);
	g_autoptr(TestAnswer) answer = test_get(client, "IPS_HostBasedSetupService", NULL, NULL);
	g_autofree char *mode = test_find(answer->body, "CurrentControlMode");
	g_assert_cmpstr(mode, ==, "0");
	g_autofree char *nonce = test_find(answer->body, "ConfigurationNonce");
	gsize length = 0;
	g_autofree guchar *bytes = g_base64_decode(nonce, &length);
	g_assert_cmpuint(length, ==, 20);
	g_autofree char *input =
	    test_input("IPS_HostBasedSetupService", "DisableClientControlMode", "");
	g_autofree char *envelope = test_envelope(
	    "IPS_HostBasedSetupService", "DisableClientControlMode", NULL, NULL, input);
	g_autofree char *fault = test_fault(client, envelope);
	g_assert_cmpstr(fault, ==, "AccessDenied");
	test_sim_stop(sim);
}

/* What the certificate and key store refuses: amt/06 */

static char *
generation_test_key_blob(EVP_PKEY *key)
{
	unsigned char *der = NULL;
	int length = i2d_PrivateKey(key, &der); /* PKCS#1, of an RSA key */
	g_assert_cmpint(length, >, 0);
	g_autofree char *text = g_base64_encode(der, (gsize)length);
	OPENSSL_free(der);
	return g_strdup_printf("<r:KeyBlob>%s</r:KeyBlob>", text);
}

static char *
generation_test_certificate_blob(EVP_PKEY *key, const char *name)
{
	X509 *x509 = X509_new();
	X509_gmtime_adj(X509_getm_notBefore(x509), 0);
	X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
	    (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x509, X509_get_subject_name(x509));
	X509_set_pubkey(x509, key);
	g_assert_cmpint(X509_sign(x509, key, EVP_sha256()), >, 0);
	unsigned char *der = NULL;
	int length = i2d_X509(x509, &der);
	g_autofree char *text = g_base64_encode(der, (gsize)length);
	OPENSSL_free(der);
	X509_free(x509);
	return g_strdup_printf("<r:CertificateBlob>%s</r:CertificateBlob>", text);
}

static void
generation_test_expect_status(
    TestClient *client, const char *method, const char *parameters, guint status)
{
	g_test_message("%s, %u", method, status);
	g_assert_cmpuint(test_invoke(client, STORE, method, parameters, NULL), ==, status);
}

static void
generation_test_expect_fault(TestClient *client, const char *class_name, const char *action,
    const char *id, const char *body, const char *subcode)
{
	g_test_message("%s of %s %s", action, class_name, id);
	g_autofree char *envelope = test_envelope(class_name, action, "InstanceID", id, body);
	g_autofree char *fault = test_fault(client, envelope);
	g_assert_cmpstr(fault, ==, subcode);
}

#define GENERATE(algorithm, length) \
	"<r:KeyAlgorithm>" algorithm "</r:KeyAlgorithm><r:KeyLength>" length "</r:KeyLength>"

static void
generation_test_store_keys(TestSim *sim, TestClient *client, EVP_PKEY *own, EVP_PKEY *other)
{
	g_autofree char *blob = generation_test_key_blob(own);
	g_autofree char *one_more = generation_test_key_blob(other);
	EVP_PKEY *long_key = EVP_RSA_gen(3072); /* more than 1210 bytes of PKCS#1 */
	g_autofree char *large = generation_test_key_blob(long_key);
	EVP_PKEY_free(long_key);
	generation_test_expect_status(client, "AddKey", "<r:KeyBlob>MIIB</r:KeyBlob>", 2062);
	generation_test_expect_status(client, "AddKey", large, 2062);
	generation_test_expect_status(client, "AddKey", blob, 0);
	generation_test_expect_status(client, "AddKey", blob, 2058);
	generation_test_expect_status(client, "GenerateKeyPair", GENERATE("1", "2048"), 2066);
	generation_test_expect_status(client, "GenerateKeyPair", GENERATE("0", "1024"), 2066);
	generation_test_expect_status(client, "GenerateKeyPair", GENERATE("0", "2048"), 0);
	generation_test_expect_status(client, "GenerateKeyPair", GENERATE("0", "2048"), 23);
	generation_test_expect_status(client, "AddKey", one_more, 23);
	/* a request for the key of handle 1 is none for that of handle 0 */
	g_autoptr(TestAnswer) key = test_get(
	    client, "AMT_PublicPrivateKeyPair", "InstanceID", "Intel(r) AMT Key: Handle: 1");
	g_autofree char *der = test_find(key->body, "DERKey");
	g_autofree char *request = test_null_request(der);
	g_autofree char *mismatched = g_strdup_printf(REQUEST, 1, request);
	g_autofree char *odd = g_strdup_printf(REQUEST, 9, request);
	g_autofree char *broken = g_strdup_printf(REQUEST, 1, "MIIB");
	generation_test_expect_status(client, "GeneratePKCS10RequestEx", mismatched, 2064);
	generation_test_expect_status(client, "GeneratePKCS10RequestEx", odd, 36);
	generation_test_expect_status(client, "GeneratePKCS10RequestEx", broken, 36);
	g_assert_cmpint(
	    test_sim_command(sim, NULL, "set", "pc-0001", "switch:pkcs10-placeholder=same", NULL),
	    ==, 0);
	g_autofree char *right = g_strdup_printf(REQUEST_OF("1"), 1, request);
	g_autofree char *wrong = g_strdup_printf(REQUEST_OF("1"), 2, request);
	generation_test_expect_status(client, "GeneratePKCS10RequestEx", right, 0);
	generation_test_expect_status(client, "GeneratePKCS10RequestEx", wrong, 36);
	char *handle = strstr(mismatched, "Handle: 0");
	handle[strlen("Handle: ")] = '7';
	generation_test_expect_status(client, "GeneratePKCS10RequestEx", mismatched, 2053);
}

#define CONTEXT(handle) \
	"<r:AMT_TLSCredentialContext " \
	"xmlns:r=\"http://intel.com/wbem/wscim/1/amt-schema/1/AMT_TLSCredentialContext\">" \
	"<r:ElementInContext><a:Address>/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>" \
	"http://intel.com/wbem/wscim/1/amt-schema/1/AMT_PublicKeyCertificate</" \
	"w:ResourceURI><w:SelectorSet>" \
	"<w:Selector Name=\"InstanceID\">Intel(r) AMT Certificate: Handle: " handle \
	"</w:Selector></w:SelectorSet>" \
	"</a:ReferenceParameters></r:ElementInContext><r:ElementProvidingContext><a:Address>/" \
	"wsman</a:Address>" \
	"<a:ReferenceParameters><w:ResourceURI>http://intel.com/wbem/wscim/1/amt-schema/1/" \
	"AMT_TLSProtocolEndpointCollection</w:ResourceURI><w:SelectorSet><w:Selector " \
	"Name=\"ElementName\">" \
	"TLSProtocolEndpointInstances " \
	"Collection</w:Selector></w:SelectorSet></a:ReferenceParameters>" \
	"</r:ElementProvidingContext></r:AMT_TLSCredentialContext>"

static void
generation_test_store_certificates(TestClient *client, EVP_PKEY *own, EVP_PKEY *other)
{
	g_autofree char *blob = generation_test_certificate_blob(own, "pc-0001.example.com");
	g_autofree char *root = generation_test_certificate_blob(other, "Root");
	g_autofree char *third = generation_test_certificate_blob(other, "Third");
	g_autofree char *zeros = g_strnfill(5468, 'A'); /* 4101 bytes */
	g_autofree char *large =
	    g_strdup_printf("<r:CertificateBlob>%s</r:CertificateBlob>", zeros);
	generation_test_expect_status(client, "AddCertificate", large, 2063);
	generation_test_expect_status(client, "AddCertificate", blob, 0);
	generation_test_expect_status(client, "AddTrustedRootCertificate", blob, 2058);
	generation_test_expect_status(client, "AddTrustedRootCertificate", root, 0);
	generation_test_expect_status(client, "AddCertificate", third, 23);
	generation_test_expect_fault(client, "AMT_TLSCredentialContext", "Create", "x",
	    CONTEXT("1"), "InvalidSelectors"); /* a root, without a key */
	generation_test_expect_fault(
	    client, "AMT_TLSCredentialContext", "Create", "x", CONTEXT("9"), "InvalidSelectors");
	g_autofree char *create =
	    test_envelope("AMT_TLSCredentialContext", "Create", NULL, NULL, CONTEXT("0"));
	g_autoptr(TestAnswer) created = test_client_post(client, create);
	g_assert_cmpuint(created->status, ==, 200);
	generation_test_expect_fault(client, "AMT_PublicKeyCertificate", "Delete",
	    "Intel(r) AMT Certificate: Handle: 0", "", "AccessDenied");
	generation_test_expect_fault(client, "AMT_PublicPrivateKeyPair", "Delete",
	    "Intel(r) AMT Key: Handle: 0", "", "AccessDenied");
	generation_test_expect_fault(client, "AMT_PublicPrivateKeyPair", "Delete",
	    "Intel(r) AMT Key: Handle: 9", "", "InvalidSelectors");
	g_autofree char *unused = test_envelope(
	    "AMT_PublicPrivateKeyPair", "Delete", "InstanceID", "Intel(r) AMT Key: Handle: 1", "");
	g_autoptr(TestAnswer) deleted = test_client_post(client, unused);
	g_assert_cmpuint(deleted->status, ==, 200);
	g_autofree char *odd = test_envelope(
	    "AMT_PublicPrivateKeyPair", "Get", "Handle", "Intel(r) AMT Key: Handle: 0", "");
	g_autofree char *fault = test_fault(client, odd);
	g_assert_cmpstr(fault, ==, "InvalidSelectors");
}

static void
generation_test_store(void)
{
	const char *const arguments[] = { "--set", "keys-max=2", "--set", "certificates-max=2",
		NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	EVP_PKEY *own = EVP_RSA_gen(2048);
	EVP_PKEY *other = EVP_RSA_gen(2048);
	generation_test_store_keys(sim, client, own, other);
	generation_test_store_certificates(client, own, other);
	EVP_PKEY_free(own);
	EVP_PKEY_free(other);
	test_sim_stop(sim);
}

/* Refusals begin after ten failures, double up to a limit, and begin anew after a calm hour: amt/12 */

static guint
generation_test_fail_until(TestSim *sim, TestClient *client, const char *counter, gint64 value)
{
	g_autofree char *get = test_envelope("AMT_GeneralSettings", "Get", NULL, NULL, "");
	for (guint try = 0; try < 600; try++) {
		g_clear_pointer(&client->nonce, g_free);
		g_autoptr(TestAnswer) answer = test_client_post(client, get);
		g_assert_cmpuint(answer->status, ==, 401);
		g_assert_nonnull(
		    strstr(answer->body, "temporarily locked")); /* always the same page */
		g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
		if (test_dump_int(dump, counter) >= value)
			return (guint)test_dump_int(dump, "lock-sec");
		g_usleep(20000); /* polls for an event: the lock ends */
	}
	g_error("%s has not come to %" G_GINT64_FORMAT, counter, value);
	return 0;
}

static void
generation_test_back_off(void)
{
	const char *const arguments[] = { "--state", "post", "--set", "lock-first-sec=1", "--set",
		"lock-max-sec=3", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	test_client_set_login(client, "admin", "wrong");
	g_assert_cmpuint(
	    generation_test_fail_until(sim, client, "counters.logins-failed", 9), ==, 0);
	g_assert_cmpuint(generation_test_fail_until(sim, client, "counters.locked", 1), ==, 1);
	g_assert_cmpuint(generation_test_fail_until(sim, client, "counters.locked", 2), ==, 2);
	g_assert_cmpuint(generation_test_fail_until(sim, client, "counters.locked", 3), ==, 3);
	g_assert_cmpint(
	    test_sim_command(sim, NULL, "set", "pc-0001", "switch:lock-calm-sec=0", NULL), ==, 0);
	g_assert_cmpuint(
	    generation_test_fail_until(sim, client, "counters.logins-failed", 13), ==, 0);
	test_sim_stop(sim);
}

/* TLS-PSK: amt/02 */

static TestSim *
generation_test_start_psk(const char *personality, const char *set)
{
	const char *const arguments[] = { "--personality", personality, "--set", "pid=" PID,
		"--set", "pps=" PPS, "--set", set, NULL };
	return test_sim_start(arguments);
}

static void
generation_test_psk_expect(TestSim *sim, const char *pid, const char *pps, const char *reason)
{
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	if (pid != NULL)
		test_client_set_psk(client, pid, pps);
	else
		client->old = TRUE;
	g_assert_cmpint(test_client_connect(client), ==, reason == NULL);
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(test_dump_string(dump, "last-tls-refusal"), ==, reason);
	g_assert_cmpstr(test_dump_string(dump, "state"), ==, "in");
}

static void
generation_test_psk_refusals(void)
{
	TestSim *sim = generation_test_start_psk("8.1", "psk-setup=only");
	generation_test_psk_expect(sim, PID, PPS, NULL);
	generation_test_psk_expect(sim, "ABCD2346", PPS, "psk-unknown-pid");
	generation_test_psk_expect(sim, "ABCD-2345", PPS, "psk-unknown-pid");
	generation_test_psk_expect(sim, PID, "0123ABCD4567EFGH89IJKLMN01OPQRSU", "psk-wrong-pps");
	generation_test_psk_expect(sim, NULL, NULL, "psk-not-offered");
	test_sim_stop(sim);
}

/* Both kinds, and the other reading of what identity and key are */
static void
generation_test_psk_switches(void)
{
	TestSim *sim = generation_test_start_psk("6.2", "psk-setup=both");
	generation_test_psk_expect(sim, NULL, NULL, NULL);
	generation_test_psk_expect(sim, PID, PPS, NULL);
	test_sim_stop(sim);
	sim = generation_test_start_psk("6.2", "psk-identity=dashed");
	generation_test_psk_expect(sim, "ABCD-2345", PPS, NULL);
	generation_test_psk_expect(sim, PID, PPS, "psk-unknown-pid");
	test_sim_stop(sim);
	sim = generation_test_start_psk("6.2", "psk-key=dashed");
	generation_test_psk_expect(sim, PID, "0123-ABCD-4567-EFGH-89IJ-KLMN-01OP-QRST", NULL);
	generation_test_psk_expect(sim, PID, PPS, "psk-wrong-pps");
	test_sim_stop(sim);
}

/* A login over TLS-PSK, CommitChanges, and the certificate afterwards */
static void
generation_test_psk_setup(void)
{
	static const char *const names[] = { "3.2", "6.2", "8.1", "9.5" };
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		TestSim *sim = generation_test_start_psk(names[i], "commit-checks=false");
		g_autoptr(TestClient) client = test_client_new(sim, 0);
		test_client_set_psk(client, PID, PPS);
		g_assert_true(test_client_connect(client));
		g_assert_null(client->peer);
		g_autofree char *get = test_envelope("AMT_GeneralSettings", "Get", NULL, NULL, "");
		g_autoptr(TestAnswer) challenge = test_client_post(client, get);
		g_assert_cmpuint(challenge->status, ==, 401);
		test_client_set_login(client, "admin", "admin");
		test_put(client, "AMT_TLSSettingData", "InstanceID",
		    "Intel(r) AMT 802.3 TLS Settings",
		    "<r:AcceptNonSecureConnections>true</"
		    "r:AcceptNonSecureConnections><r:Enabled>true</r:Enabled>"
		    "<r:InstanceID>Intel(r) AMT 802.3 TLS Settings</r:InstanceID>"
		    "<r:MutualAuthentication>false</r:MutualAuthentication>");
		g_assert_cmpuint(test_invoke(client, SETUP, "CommitChanges", "", NULL), ==, 0);
		g_autoptr(TestClient) after = test_client_new(sim, 0);
		after->old = TRUE;
		for (guint try = 0; !test_client_connect(after); try++) {
			g_assert_cmpuint(try, <, 500);
			g_usleep(20000); /* polls for an event: the stack comes back */
		}
		g_assert_nonnull(after->peer);
		test_client_close(client);
		g_assert_false(test_client_connect(client)); /* set-up is over */
		test_sim_stop(sim);
	}
}

static GByteArray *
generation_test_hello(TestSim *sim)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, size), ==, 0);
	g_assert_cmpint(listen(fd, 1), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &size), ==, 0);
	g_autofree char *to = g_strdup_printf("127.0.0.1:%u", ntohs(address.sin_port));
	g_assert_cmpint(test_sim_command(sim, NULL, "hello", "pc-0001", "--to", to, NULL), ==, 0);
	int peer = accept(fd, NULL, NULL);
	GByteArray *packet = g_byte_array_new();
	guint8 bytes[256];
	ssize_t got = 0;
	while ((got = recv(peer, bytes, sizeof bytes, 0)) > 0)
		g_byte_array_append(packet, bytes, (guint)got);
	close(peer);
	close(fd);
	return packet;
}

static void
generation_test_psk_hello(void)
{
	TestSim *sim = generation_test_start_psk("9.5", "admin-password=Chang3d!pass");
	g_autoptr(GByteArray) packet = generation_test_hello(sim);
	g_assert_cmpuint(packet->len, ==, 32); /* amt/02, version 2 */
	g_assert_cmpmem(packet->data, 8, "\1\0\2\0\0\0\0\0", 8);
	g_assert_cmpmem(packet->data + 24, 8, PID, 8);
	/* without its secret it is a device for a provisioning certificate */
	g_assert_cmpint(test_sim_command(sim, NULL, "set", "pc-0001", "pps=", NULL), ==, 0);
	g_autoptr(GByteArray) other = generation_test_hello(sim);
	g_assert_cmpuint(other->data[2], ==, 3);
	g_assert_cmpint(
	    test_sim_command(sim, NULL, "set", "pc-0001", "pps=0123-ABCD", NULL), !=, 0);
	test_sim_stop(sim);
}

/* The hashes of the roots, in the kind that the generation has, are what the certificate is judged by */
static void
generation_test_root_hash(void)
{
	static const struct {
		const char *personality, *set;
		guint8 type, length;
	} rows[] = {
		{ "3.2", "otp=", 1, 20 },
		{ "16.1", "otp=", 2, 32 },
		{ "16.1", "root-hash=sha384", 3, 48 },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		const char *const arguments[] = { "--personality", rows[i].personality, "--set",
			rows[i].set, NULL };
		TestSim *sim = test_sim_start(arguments);
		g_autoptr(GByteArray) packet = generation_test_hello(sim);
		g_assert_cmpuint(packet->len, ==, 27u + rows[i].length);
		g_assert_cmpuint(packet->data[25], ==, rows[i].type);
		g_assert_cmpuint(packet->data[26], ==, rows[i].length);
		g_autoptr(TestClient) client = test_client_new(sim, 0);
		client->old = TRUE;
		g_assert_true(test_client_connect(client));
		g_autoptr(TestClient) other = test_client_new(sim, 0);
		other->old = TRUE;
		test_client_set_certificate(other, sim, "other-root");
		g_assert_false(test_client_connect(other));
		test_sim_stop(sim);
	}
}

/* RetryCount goes from 0 to 14 in version 2: amt/02 */
static void
generation_test_psk_retries(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, size), ==, 0);
	g_assert_cmpint(listen(fd, 32), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &size), ==, 0);
	g_autofree char *to = g_strdup_printf("127.0.0.1:%u", ntohs(address.sin_port));
	const char *const arguments[] = { "--personality", "6.2", "--set", "pid=" PID, "--set",
		"pps=" PPS, "--set", "hello-minute-msec=1", "--provision-server", to, NULL };
	TestSim *sim = test_sim_start(arguments);
	for (guint i = 0; i < 15; i++) {
		guint8 bytes[64];
		int peer = accept(fd, NULL, NULL);
		g_assert_cmpint(recv(peer, bytes, sizeof bytes, MSG_WAITALL), ==, 32);
		g_assert_cmpuint(bytes[4], ==, i);
		close(peer);
	}
	/* by the schedule the next ones were due within 5 ms each; when set-up is over, none is to come */
	for (guint try = 0; try < 500; try++) {
		g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
		if (strcmp(test_dump_string(dump, "state"), "pre") == 0)
			break;
		g_usleep(20000); /* polls for an event: the period ends */
	}
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(test_dump_string(dump, "state"), ==, "pre");
	g_assert_cmpint(test_dump_int(dump, "counters.hellos"), ==, 15);
	close(fd);
	test_sim_stop(sim);
}

/* SetTLSPSK gives the secrets of the next set-up; a partial unprovisioning keeps them, a full one does not */
static void
generation_test_set_psk(void)
{
	const char *const arguments[] = { "--personality", "6.2", "--state", "post", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	client->port = 16992;
	test_client_set_login(client, "admin", "admin");
	g_assert_cmpuint(test_invoke(client, SETUP, "SetTLSPSK",
			     "<r:PID>abcd2345</r:PID><r:PPS>" PPS "</r:PPS>", NULL),
	    ==, 42);
	g_assert_cmpuint(test_invoke(client, SETUP, "SetTLSPSK",
			     "<r:PID>" PID "</r:PID><r:PPS>0123</r:PPS>", NULL),
	    ==, 43);
	g_assert_cmpuint(test_invoke(client, SETUP, "SetTLSPSK",
			     "<r:PID>" PID "</r:PID><r:PPS>" PPS "</r:PPS>", NULL),
	    ==, 0);
	g_assert_cmpuint(test_invoke(client, SETUP, "PartialUnprovision", "", NULL), ==, 0);
	g_assert_cmpint(test_sim_command(sim, NULL, "start", "pc-0001", NULL), ==, 0);
	g_autoptr(TestClient) psk = test_client_new(sim, 0);
	test_client_set_psk(psk, PID, PPS);
	for (guint try = 0; !test_client_connect(psk); try++) {
		g_assert_cmpuint(try, <, 500);
		g_usleep(20000); /* polls for an event: the stack comes back */
	}
	g_assert_cmpint(
	    test_sim_command(sim, NULL, "reset", "pc-0001", "--state", "post", NULL), ==, 0);
	test_client_close(client);
	g_clear_pointer(&client->nonce, g_free);
	g_assert_cmpuint(test_invoke(client, SETUP, "SetTLSPSK",
			     "<r:PID>" PID "</r:PID><r:PPS>" PPS "</r:PPS>", NULL),
	    ==, 0);
	g_autoptr(JsonNode) given = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(test_dump_string(given, "pid"), ==, PID);
	g_assert_cmpuint(test_invoke(client, SETUP, "Unprovision",
			     "<r:ProvisioningMode>1</r:ProvisioningMode>", NULL),
	    ==, 0);
	g_autoptr(JsonNode) forgotten = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(test_dump_string(forgotten, "pid"), ==, "");
	g_assert_cmpstr(test_dump_string(forgotten, "pps"), ==, "");
	test_sim_stop(sim);

	const char *const modern[] = { "--personality", "16.1", "--state", "post", NULL };
	sim = test_sim_start(modern);
	g_autoptr(TestClient) without = test_client_new(sim, 0);
	test_client_set_login(without, "admin", "admin");
	g_autofree char *input = test_input(SETUP, "SetTLSPSK", "");
	g_autofree char *envelope = test_envelope(SETUP, "SetTLSPSK", NULL, NULL, input);
	g_autofree char *fault = test_fault(without, envelope);
	g_assert_cmpstr(fault, ==, "ActionNotSupported");
	g_assert_cmpint(test_sim_command(sim, NULL, "set", "pc-0001", "pid=" PID, NULL), !=, 0);
	test_sim_stop(sim);
}

/* A fleet at rest */

static guint64
generation_test_resident_kib(const TestSim *sim)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)sim->pid);
	g_autofree char *text = NULL;
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	const char *row = strstr(text, "VmRSS:");
	g_assert_nonnull(row);
	return g_ascii_strtoull(row + strlen("VmRSS:"), NULL, 10); /* skips the blanks */
}

G_GNUC_UNUSED static guint64 /* with a sanitizer */
generation_test_idle_kib(const char *devices)
{
	const char *const arguments[] = { "--devices", devices, "--personality", ALL, NULL };
	TestSim *sim = test_sim_start(arguments);
	guint64 resident = generation_test_resident_kib(sim);
	test_sim_stop(sim);
	return resident;
}

static gboolean
generation_test_is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return TRUE;
#else
	return FALSE;
#endif
}

static void
generation_test_idle_memory(void)
{
	if (generation_test_is_sanitized()) {
		g_test_skip("a sanitizer takes memory of its own");
		return;
	}
	guint64 few = generation_test_idle_kib("9");
	guint64 many = generation_test_idle_kib("609");
	g_test_message("%" G_GUINT64_FORMAT " KiB, %" G_GUINT64_FORMAT " KiB", few, many);
	g_assert_cmpuint(many - few, <, 600 * 15);
}

/* As a user who may not go beyond the hard limit */
static void
generation_test_few_files(gpointer data)
{
	struct rlimit limit = { 256, 256 };
	(void)prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0); /* fails where it is not held */
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void
generation_test_files_limit(void)
{
	g_autofree char *program = generation_test_program();
	const char *const argv[] = { program, "run", "--devices", "100", "--base", "127.90.0.1",
		"--control", "/nonexistent/socket", NULL };
	g_autofree char *said = NULL;
	int status = 0;
	g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL,
	    generation_test_few_files, NULL, NULL, &said, &status, NULL));
	g_assert_false(g_spawn_check_wait_status(status, NULL));
	g_assert_nonnull(
	    strstr(said, "100 devices need 300 open files or more, and the limit is 256"));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sim/generations/tls-versions", generation_test_versions);
	g_test_add_func("/sim/generations/intolerant", generation_test_intolerant);
	g_test_add_func("/sim/generations/identity", generation_test_identity);
	g_test_add_func("/sim/generations/root-hash", generation_test_root_hash);
	g_test_add_func("/sim/generations/classes", generation_test_classes);
	g_test_add_func("/sim/generations/list", generation_test_list);
	g_test_add_func("/sim/generations/server-header", generation_test_server_header);
	g_test_add_func("/sim/generations/algorithms", generation_test_algorithms);
	g_test_add_func("/sim/generations/kerberos", generation_test_kerberos);
	g_test_add_func("/sim/generations/nineteen", generation_test_nineteen);
	g_test_add_func("/sim/generations/host-based", generation_test_host_based);
	g_test_add_func("/sim/back-off", generation_test_back_off);
	g_test_add_func("/sim/store/refusals", generation_test_store);
	g_test_add_func("/sim/psk/refusals", generation_test_psk_refusals);
	g_test_add_func("/sim/psk/switches", generation_test_psk_switches);
	g_test_add_func("/sim/psk/set-up", generation_test_psk_setup);
	g_test_add_func("/sim/psk/hello", generation_test_psk_hello);
	g_test_add_func("/sim/psk/retries", generation_test_psk_retries);
	g_test_add_func("/sim/psk/set", generation_test_set_psk);
	g_test_add_func("/sim/idle/memory", generation_test_idle_memory);
	g_test_add_func("/sim/idle/files-limit", generation_test_files_limit);
	test_pki_make();
	int status = g_test_run();
	test_pki_remove();
	return status;
}
