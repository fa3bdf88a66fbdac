/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compares answers with recordings of real firmware, where those are at hand: element names, order, namespaces and
 * prefixes; not the values */
#include "sim/tests/client.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

#define ACCESS "AMT_AuthorizationService"
#define ENVIRONMENT(strings) \
	"<r:DetectionAlgorithm>0</r:DetectionAlgorithm>" strings \
	"<r:ElementName>Intel(r) AMT Environment Detection Settings</r:ElementName>" \
	"<r:InstanceID>Intel(r) AMT Environment Detection Settings</r:InstanceID>"

#define WIFI "AMT_WiFiPortConfigurationService"
#define CIM "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
#define REFERENCE(name, uri, selector, value) \
	"<r:" name "><a:Address>/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>" uri \
	"</w:ResourceURI><w:SelectorSet><w:Selector Name=\"" selector "\">" value \
	"</w:Selector></w:SelectorSet></a:ReferenceParameters></r:" name ">"
#define ENDPOINT REFERENCE("WiFiEndpoint", CIM "CIM_WiFiEndpoint", "Name", "WiFi Endpoint 0")
#define ENDPOINT_SETTINGS \
	REFERENCE("WiFiEndpointSettings", CIM "CIM_WiFiEndpointSettings", "InstanceID", \
	    "Intel(r) AMT:WiFi Endpoint Settings Test")
#define PROFILE(name, priority, methods) \
	"<r:WiFiEndpointSettingsInput xmlns:q=\"" CIM "CIM_WiFiEndpointSettings\">" methods \
	"<q:BSSType>3</q:BSSType><q:ElementName>" name "</q:ElementName><q:Priority>" priority \
	"</q:Priority><q:SSID>" name "</q:SSID></r:WiFiEndpointSettingsInput>"
#define WEP \
	PROFILE("Test", "1", \
	    "<q:AuthenticationMethod>2</q:AuthenticationMethod><q:EncryptionMethod>2</q:EncryptionMethod>")
#define PEAP \
	PROFILE("corp", "2", \
	    "<q:AuthenticationMethod>7</q:AuthenticationMethod><q:EncryptionMethod>4</q:EncryptionMethod>") \
	"<r:IEEE8021xSettingsInput xmlns:q=\"" CIM \
	"CIM_IEEE8021xSettings\"><q:AuthenticationProtocol>2</q:AuthenticationProtocol>" \
	"<q:ElementName>corp8021x</q:ElementName><q:Password>secret</q:Password><q:Username>pc1</q:Username></r:IEEE8021xSettingsInput>" REFERENCE( \
	    "CACredential", "http://intel.com/wbem/wscim/1/amt-schema/1/AMT_PublicKeyCertificate", \
	    "InstanceID", "Intel(r) AMT Certificate: Handle: 0")

typedef struct {
	const char *file; /* below the recordings */
	const char *class_name;
	const char *action; /* Get, Pull, Put or a method */
	const char *selector; /* InstanceID for Get, properties of a Put, parameters of a method (NULL: a root certificate) */
	const char *
	    differs; /* local names that may be on one side only: other versions, other settings; " a b " */
} ShapeRow;

/* clang-format off */
static const ShapeRow shape_rows[] = {
	{ "amt/general/get.xml", "AMT_GeneralSettings", "Get", NULL, " OemID " },
	{ "amt/general/pull.xml", "AMT_GeneralSettings", "Pull", NULL, " DHCPSyncRequiresHostname OemID ThunderboltDockEnabled " },
	{ "amt/setupandconfiguration/get.xml", "AMT_SetupAndConfigurationService", "Get", NULL, " DhcpDNSSuffix " },
	{ "amt/setupandconfiguration/pull.xml", "AMT_SetupAndConfigurationService", "Pull", NULL, " DhcpDNSSuffix " },
	{ "amt/setupandconfiguration/setmebxpassword.xml", "AMT_SetupAndConfigurationService", "SetMEBxPassword", "<r:Password>Str0ng-mebx!</r:Password>", "" },
	{ "amt/authorization/get.xml", ACCESS, "Get", NULL, "" },
	{ "amt/authorization/pull.xml", ACCESS, "Pull", NULL, "" },
	{ "amt/authorization/enumerateuseraclentries.xml", ACCESS, "EnumerateUserAclEntries", "<r:StartIndex>1</r:StartIndex>", "" },
	{ "amt/authorization/getuseraclentryex.xml", ACCESS, "GetUserAclEntryEx", "<r:Handle>1</r:Handle>", "" },
	{ "amt/authorization/getaclenabledstate.xml", ACCESS, "GetAclEnabledState", "<r:Handle>1</r:Handle>", "" },
	{ "amt/authorization/setaclenabledstate.xml", ACCESS, "SetAclEnabledState", "<r:Handle>1</r:Handle><r:Enabled>true</r:Enabled>", "" },
	{ "amt/authorization/getadminaclentry.xml", ACCESS, "GetAdminAclEntry", "", "" },
	{ "amt/authorization/getadminaclentrystatus.xml", ACCESS, "GetAdminAclEntryStatus", "", "" },
	{ "amt/authorization/getadminnetaclentrystatus.xml", ACCESS, "GetAdminNetAclEntryStatus", "", "" },
	{ "amt/authorization/removeuseraclentry.xml", ACCESS, "RemoveUserAclEntry", "<r:Handle>77</r:Handle>", "" },
	{ "amt/authorization/setadminaclentryex.xml", ACCESS, "SetAdminAclEntryEx", "<r:Username>admin</r:Username><r:DigestPassword>NNsB/WINxYZwMl0pUYgb/A==</r:DigestPassword>", "" },
	{ "amt/kerberos/get.xml", "AMT_KerberosSettingData", "Get", NULL, "" },
	{ "amt/kerberos/pull.xml", "AMT_KerberosSettingData", "Pull", NULL, "" },
	{ "amt/kerberos/getcredentialcachestate.xml", "AMT_KerberosSettingData", "GetCredentialCacheState", "", "" },
	{ "amt/timesynchronization/get.xml", "AMT_TimeSynchronizationService", "Get", NULL, "" },
	{ "amt/timesynchronization/pull.xml", "AMT_TimeSynchronizationService", "Pull", NULL, "" },
	{ "amt/timesynchronization/getlowaccuracytimesynch.xml", "AMT_TimeSynchronizationService", "GetLowAccuracyTimeSynch", "", "" },
	{ "amt/timesynchronization/sethighaccuracytimesynch.xml", "AMT_TimeSynchronizationService", "SetHighAccuracyTimeSynch", "<r:Ta0>1</r:Ta0><r:Tm1>1</r:Tm1><r:Tm2>1</r:Tm2>", "" },
	{ "amt/ethernetport/get.xml", "AMT_EthernetPortSettings", "Get", "Intel(r) AMT Ethernet Port Settings 0", " SecondaryDNS " },
	{ "amt/ethernetport/pull.xml", "AMT_EthernetPortSettings", "Pull", NULL, "" },
	{ "amt/publickey/management/get.xml", "AMT_PublicKeyManagementService", "Get", NULL, "" },
	{ "amt/publickey/management/pull.xml", "AMT_PublicKeyManagementService", "Pull", NULL, "" },
	{ "amt/publickey/management/generatekeypair.xml", "AMT_PublicKeyManagementService", "GenerateKeyPair", "<r:KeyAlgorithm>0</r:KeyAlgorithm><r:KeyLength>2048</r:KeyLength>", "" },
	{ "amt/publicprivate/get.xml", "AMT_PublicPrivateKeyPair", "Get", "Intel(r) AMT Key: Handle: 0", "" },
	{ "amt/publicprivate/pull.xml", "AMT_PublicPrivateKeyPair", "Pull", NULL, "" },
	{ "amt/systempowerscheme/get.xml", "AMT_SystemPowerScheme", "Get", "SCHEME 0", "" },
	{ "amt/systempowerscheme/pull.xml", "AMT_SystemPowerScheme", "Pull", NULL, "" },
	{ "amt/tls/settingdata/get.xml", "AMT_TLSSettingData", "Get", "Intel(r) AMT 802.3 TLS Settings", " NonSecureConnectionsSupported " },
	{ "amt/tls/settingdata/pull.xml", "AMT_TLSSettingData", "Pull", NULL, " NonSecureConnectionsSupported " },
	{ "amt/tls/protocolendpointcollection/get.xml", "AMT_TLSProtocolEndpointCollection", "Get", NULL, "" },
	{ "amt/tls/protocolendpointcollection/pull.xml", "AMT_TLSProtocolEndpointCollection", "Pull", NULL, "" },
	{ "cim/software/identity/get.xml", "CIM_SoftwareIdentity", "Get", "AMTApps", "" },
	{ "cim/software/identity/pull.xml", "CIM_SoftwareIdentity", "Pull", NULL, "" },
	{ "cim/computer/systempackage/get.xml", "CIM_ComputerSystemPackage", "Get", NULL, "" },
	{ "cim/computer/systempackage/pull.xml", "CIM_ComputerSystemPackage", "Pull", NULL, "" },
	{ "cim/wifi/port/get.xml", "CIM_WiFiPort", "Get", NULL, "" },
	{ "cim/wifi/port/pull.xml", "CIM_WiFiPort", "Pull", NULL, "" },
	{ "cim/wifi/port/requeststatechange.xml", "CIM_WiFiPort", "RequestStateChange", "<r:RequestedState>3</r:RequestedState>", "" },
	{ "cim/kvm/get.xml", "CIM_KVMRedirectionSAP", "Get", NULL, "" },
	{ "cim/kvm/pull.xml", "CIM_KVMRedirectionSAP", "Pull", NULL, "" },
	{ "amt/redirectionservice/get.xml", "AMT_RedirectionService", "Get", NULL, "" },
	{ "amt/redirectionservice/pull.xml", "AMT_RedirectionService", "Pull", NULL, "" },
	{ "amt/redirectionservice/put.xml", "AMT_RedirectionService", "Put", "<r:ListenerEnabled>true</r:ListenerEnabled>", "" },
	{ "amt/redirectionservice/requeststatechange.xml", "AMT_RedirectionService", "RequestStateChange", "<r:RequestedState>32771</r:RequestedState>", "" },
	{ "ips/optin/get.xml", "IPS_OptInService", "Get", NULL, "" },
	{ "ips/optin/pull.xml", "IPS_OptInService", "Pull", NULL, "" },
	{ "ips/optin/startoptin.xml", "IPS_OptInService", "StartOptIn", "", "" },
	{ "ips/optin/canceloptin.xml", "IPS_OptInService", "CancelOptIn", "", "" },
	{ "ips/optin/sendoptincode.xml", "IPS_OptInService", "SendOptInCode", "<r:OptInCode>1</r:OptInCode>", "" },
	{ "amt/environmentdetection/put.xml", "AMT_EnvironmentDetectionSettingData", "Put", ENVIRONMENT("<r:DetectionStrings>test.com</r:DetectionStrings>"), "" },
	{ "amt/environmentdetection/pull.xml", "AMT_EnvironmentDetectionSettingData", "Pull", NULL, "" },
	{ "amt/environmentdetection/put.xml", "AMT_EnvironmentDetectionSettingData", "Put", ENVIRONMENT("<r:DetectionStrings>test.com</r:DetectionStrings><r:DetectionStrings>b.com</r:DetectionStrings>"), " DetectionStrings " },
	{ "amt/environmentdetection/get.xml", "AMT_EnvironmentDetectionSettingData", "Get", NULL, "" },
	{ "amt/ieee8021x/profile/get.xml", "AMT_8021XProfile", "Get", NULL, "" },
	{ "amt/ieee8021x/profile/pull.xml", "AMT_8021XProfile", "Pull", NULL, "" },
	{ "amt/ieee8021x/credentialcontext/pull.xml", "AMT_8021xCredentialContext", "Pull", NULL, "" },
	{ "amt/ieee8021x/profile/put.xml", "AMT_8021XProfile", "Put", "<r:ActiveInS0>false</r:ActiveInS0><r:Enabled>false</r:Enabled><r:PxeTimeout>120</r:PxeTimeout>", "" },
	{ "ips/ieee8021x/settings/get.xml", "IPS_IEEE8021xSettings", "Get", NULL, "" },
	{ "ips/ieee8021x/settings/pull.xml", "IPS_IEEE8021xSettings", "Pull", NULL, "" },
	{ "cim/concrete/dependency/pull.xml", "CIM_ConcreteDependency", "Pull", NULL, "" },
	{ "amt/wifiportconfiguration/get.xml", WIFI, "Get", NULL, "" },
	{ "amt/wifiportconfiguration/pull.xml", WIFI, "Pull", NULL, "" },
	{ "amt/wifiportconfiguration/put.xml", WIFI, "Put", "<r:localProfileSynchronizationEnabled>1</r:localProfileSynchronizationEnabled>", " UEFIWiFiProfileShareEnabled " },
	{ "amt/wifiportconfiguration/putlocalprofilesyncdisabled.xml", WIFI, "Put", "<r:localProfileSynchronizationEnabled>0</r:localProfileSynchronizationEnabled>", " UEFIWiFiProfileShareEnabled " },
	/* made by hand, as it seems: without the references that the MOF tells of */
	{ "amt/wifiportconfiguration/addwifisettings.xml", WIFI, "AddWiFiSettings", ENDPOINT WEP, " WiFiEndpointSettings " },
	{ "cim/wifi/endpointsettings/pull.xml", "CIM_WiFiEndpointSettings", "Pull", NULL, "" },
	{ "amt/wifiportconfiguration/updatewifisettings.xml", WIFI, "UpdateWiFiSettings", ENDPOINT_SETTINGS WEP, "" },
	{ "amt/publickey/management/addtrustedrootcertificate.xml", "AMT_PublicKeyManagementService", "AddTrustedRootCertificate", NULL, "" },
	{ "amt/wifiportconfiguration/addwifisettings.xml", WIFI, "AddWiFiSettings", ENDPOINT PEAP, " WiFiEndpointSettings IEEE8021xSettings " },
	{ "cim/credential/context/pull.xml", "CIM_CredentialContext", "Pull", NULL, "" },
	/* the recorded device had more of them, and returns one at a time */
	{ "cim/ieee8021x/settings/pull.xml", "CIM_IEEE8021xSettings", "Pull", NULL, " EnumerationContext EndOfSequence " },
};
/* clang-format on */

static void
shape_append(GString *shape, xmlNodePtr node, const char *differs)
{
	for (; node != NULL; node = node->next) {
		if (node->type != XML_ELEMENT_NODE)
			continue;
		g_autofree char *word = g_strdup_printf(" %s ", (const char *)node->name);
		if (strstr(differs, word) != NULL)
			continue;
		g_string_append_printf(shape, "%s:%s {%s}\n",
		    node->ns->prefix != NULL ? (const char *)node->ns->prefix : "",
		    (const char *)node->name, (const char *)node->ns->href);
		for (xmlAttrPtr attribute = node->properties; attribute != NULL;
		     attribute = attribute->next)
			g_string_append_printf(shape, "  @%s\n", (const char *)attribute->name);
		shape_append(shape, node->children, differs);
		g_string_append_printf(shape, "/%s\n", (const char *)node->name);
	}
}

/* Elements with prefix and namespace, after the namespaces that the root declares, in their order; g_free() */
static char *
shape_of(const char *xml, const char *differs)
{
	xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, XML_PARSE_NONET);
	g_assert_nonnull(doc);
	xmlNodePtr root = xmlDocGetRootElement(doc);
	GString *shape = g_string_new(NULL);
	for (xmlNsPtr ns = root->nsDef; ns != NULL; ns = ns->next)
		g_string_append_printf(
		    shape, "%s=%s\n", (const char *)ns->prefix, (const char *)ns->href);
	shape_append(shape, root, differs);
	xmlFreeDoc(doc);
	return g_string_free(shape, FALSE);
}

/* "...Response" of the action, and the ResourceURI */
static void
shape_compare_header(const char *recorded, const char *answer)
{
	static const char *const same[] = { "Action a:mustUnderstand=\"true\"", "ResourceURI",
		"To" };
	for (guint i = 0; i < G_N_ELEMENTS(same); i++) {
		g_autofree char *ours = test_find(answer, same[i]);
		g_autofree char *flat = g_strdup(recorded);
		char *blank = strstr(flat, "mustUnderstand= ");
		if (blank != NULL) /* pretty-printed by hand */
			memmove(blank + strlen("mustUnderstand="),
			    blank + strlen("mustUnderstand= "),
			    strlen(blank + strlen("mustUnderstand= ")) + 1);
		g_autofree char *theirs = test_find(flat, same[i]);
		g_assert_cmpstr(ours, ==, g_strstrip(theirs));
	}
}

static TestAnswer *
shape_ask(TestSim *sim, TestClient *client, const ShapeRow *row)
{
	guint pulls = 0;
	if (strcmp(row->action, "Pull") == 0)
		return test_pull_all(client, row->class_name, &pulls);
	if (strcmp(row->action, "Get") == 0)
		return test_get(client, row->class_name,
		    row->selector != NULL ? "InstanceID" : NULL, row->selector);
	if (strcmp(row->action, "Put") == 0)
		return test_put_answer(client, row->class_name, NULL, NULL, row->selector);
	g_autofree char *blob = row->selector == NULL ? test_root_blob(sim) : NULL;
	g_autofree char *input = test_input(
	    row->class_name, row->action, blob != NULL ? blob : row->selector);
	g_autofree char *envelope = test_envelope(row->class_name, row->action, NULL, NULL, input);
	TestAnswer *answer = test_client_post(client, envelope);
	g_assert_cmpuint(answer->status, ==, 200);
	return answer;
}

/* The folder of the recordings; NULL: not at hand, and the test was skipped */
static char *
shape_find_recordings(void)
{
	const char *top = g_getenv("PV_TOP_SRCDIR");
	g_autofree char *folder =
	    g_build_filename(top != NULL ? top : ".", "..", "shared", "amt", "recordings", NULL);
	if (g_file_test(folder, G_FILE_TEST_IS_DIR))
		return g_steal_pointer(&folder);
	g_test_skip("the recordings are not beside the source tree (../shared/amt/recordings)");
	return NULL;
}

static void
shape_test_recordings(void)
{
	g_autofree char *folder = shape_find_recordings();
	if (folder == NULL)
		return;
	const char *const arguments[] = { "--set", "wireless=true", "--set",
		"wifi-pseudo-profile=false", "--set", "polymorphic=false", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	/* the recorded store holds two key pairs; one more comes with the row of GenerateKeyPair */
	g_assert_cmpuint(
	    test_invoke(client, "AMT_PublicKeyManagementService", "GenerateKeyPair",
		"<r:KeyAlgorithm>0</r:KeyAlgorithm><r:KeyLength>2048</r:KeyLength>", NULL),
	    ==, 0);
	for (guint i = 0; i < G_N_ELEMENTS(shape_rows); i++) {
		const ShapeRow *row = &shape_rows[i];
		g_autofree char *path = g_build_filename(folder, row->file, NULL);
		g_autofree char *recorded = NULL;
		g_autoptr(GError) error = NULL;
		g_test_message("%s", row->file);
		g_assert_true(g_file_get_contents(path, &recorded, NULL, &error));
		g_autoptr(TestAnswer) answer = shape_ask(sim, client, row);
		g_autofree char *ours = shape_of(answer->body, row->differs);
		g_autofree char *theirs = shape_of(g_strstrip(recorded), row->differs);
		g_assert_cmpstr(ours, ==, theirs);
		shape_compare_header(recorded, answer->body);
	}
	test_sim_stop(sim);
}

/* What the pretty-printed files do not show: no white space between elements, empty ones with an end tag, message
 * ids that count up, the message that is answered */
static void
shape_test_wire(void)
{
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autoptr(TestAnswer) one = test_get(client, "AMT_GeneralSettings", NULL, NULL);
	g_autoptr(TestAnswer) two = test_get(client, "AMT_GeneralSettings", NULL, NULL);
	g_assert_true(
	    g_str_has_prefix(one->body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a:Envelope "));
	g_assert_nonnull(strstr(one->body, "<g:HostName></g:HostName>"));
	g_assert_null(strstr(one->body, "> <"));
	g_assert_null(strstr(one->body, "/>"));
	g_autofree char *first = test_find(one->body, "MessageID");
	g_autofree char *second = test_find(two->body, "MessageID");
	g_autofree char *relates = test_find(one->body, "RelatesTo");
	g_assert_cmpstr(first, ==, "uuid:00000000-8086-8086-8086-000000000001");
	g_assert_cmpstr(second, ==, "uuid:00000000-8086-8086-8086-000000000002");
	g_assert_cmpstr(relates, ==, "12");
	g_assert_nonnull(strstr(one->head, "X-Frame-Options: DENY"));
	g_assert_nonnull(strstr(one->head, "Content-Type: application/soap+xml; charset=UTF-8"));
	g_assert_true(g_str_has_prefix(one->raw_body, "0220\r\n"));

	/* a fault has its own prefixes */
	g_autofree char *get = test_envelope("AMT_NoSuchClass", "Get", NULL, NULL, "");
	g_autoptr(TestAnswer) fault = test_client_post(client, get);
	g_assert_nonnull(strstr(fault->head, "Connection: close"));
	g_assert_nonnull(
	    strstr(fault->body, "xmlns:g=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd\""));
	g_assert_nonnull(strstr(fault->body,
	    "<a:Fault><a:Code><a:Value>a:Sender</a:Value><a:Subcode><a:Value>b:DestinationUnreachable</a:Value></a:Subcode></a:Code>"));
	g_assert_nonnull(strstr(
	    fault->body, "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault</b:Action>"));
	test_sim_stop(sim);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sim/shape/recordings", shape_test_recordings);
	g_test_add_func("/sim/shape/wire", shape_test_wire);
	test_pki_make();
	int status = g_test_run();
	test_pki_remove();
	return status;
}
