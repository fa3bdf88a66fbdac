/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/request-check.h"

#include <string.h>

#define AMT "http://intel.com/wbem/wscim/1/amt-schema/1/"
#define ANONYMOUS "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
#define TRANSFER "http://schemas.xmlsoap.org/ws/2004/09/transfer/"

/* one request, by hand; @action: whole; @selectors: elements, or "" */
static char *
make_request(const char *class_name, const char *action, const char *selectors, const char *body)
{
	return g_strdup_printf(
	    "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
	    "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\""
	    " xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\""
	    " xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header><a:Action>%s</a:Action>"
	    "<a:To>/wsman</a:To><w:ResourceURI>" AMT "%s</w:ResourceURI><a:MessageID>12</a:MessageID>"
	    "<a:ReplyTo><a:Address>" ANONYMOUS "</a:Address></a:ReplyTo>"
	    "<w:OperationTimeout>PT60S</w:OperationTimeout>%s</s:Header><s:Body>%s</s:Body></s:Envelope>",
	    action, class_name, selectors, body);
}

static char *
make_invoke(const char *class_name, const char *method, const char *parameters)
{
	g_autofree char *action = g_strconcat(AMT, class_name, "/", method, NULL);
	g_autofree char *body = g_strdup_printf(
	    "<r:%s_INPUT xmlns:r=\"" AMT "%s\">%s</r:%s_INPUT>", method, class_name, parameters, method);
	return make_request(class_name, action, "", body);
}

/* The request is good, and has the flaw once the first @from in it is @to. */
static void
check_replaced(const char *request, const char *from, const char *to, const char *flaw)
{
	g_autoptr(RequestCheck) check = request_check_new();
	g_autofree char *before = request_check_compare(check, request, NULL);
	g_assert_cmpstr(before, ==, NULL);
	g_autofree char *blind = request_check_find_blind(check, request);
	g_assert_cmpstr(blind, ==, NULL);
	g_auto(GStrv) parts = g_strsplit(request, from, 2);
	g_assert_cmpuint(g_strv_length(parts), ==, 2);
	g_autofree char *changed = g_strjoinv(to, parts);
	g_autofree char *after = request_check_compare(check, changed, NULL);
	if (after == NULL || strstr(after, flaw) == NULL)
		g_error("%s for %s: \"%s\" does not contain \"%s\"", to, from, after, flaw);
}

static void
test_header(void)
{
	static const struct {
		const char *from, *to, *flaw;
	} rows[] = {
		{ "transfer/Get", "transfer/Gets", "no document describes" },
		{ TRANSFER "Get", AMT "AMT_GeneralSettings/Get", "Action" },
		{ "AMT_GeneralSettings", "AMT_Unknown", "no document describes AMT_Unknown.Get" },
		{ "amt-schema", "ips-schema", "ResourceURI" },
		{ "<a:To>/wsman", "<a:To>http://10.0.0.1:16992/wsman", "To is" },
		{ ">12<", ">uuid:12<", "MessageID" },
		{ ">12<", ">0<", "MessageID" },
		{ "anonymous", "none", "ReplyTo" },
		{ "PT60S", "PT60.000S", "OperationTimeout" },
		{ "<w:OperationTimeout>", "<w:MaxEnvelopeSize>1</w:MaxEnvelopeSize><w:OperationTimeout>",
		    "no OperationTimeout in its place" },
		{ "</s:Header>", "<w:Locale/></s:Header>", "has a Locale" },
		{ "</s:Header>",
		    "<w:SelectorSet><w:Selector Name=\"InstanceID\">x</w:Selector></w:SelectorSet></s:Header>",
		    "SelectorSet" },
		{ "<s:Body>", "<s:Body> ", "not empty" },
	};
	g_autofree char *get = make_request("AMT_GeneralSettings", TRANSFER "Get", "", "");
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
		check_replaced(get, rows[i].from, rows[i].to, rows[i].flaw);
}

static void
test_selectors(void)
{
	g_autofree char *request = make_request("AMT_PublicKeyCertificate", TRANSFER "Delete",
	    "<w:SelectorSet><w:Selector Name=\"InstanceID\">Intel(r) AMT Certificate: Handle: 1"
	    "</w:Selector></w:SelectorSet>",
	    "");
	check_replaced(request, "Certificate: Handle", "Key: Handle", "selector InstanceID is");
	check_replaced(request, "\"InstanceID\"", "\"Name\"", "selector Name");
	check_replaced(request, "<w:Selector Name", "<w:Selector Names", "attribute Names");
}

static void
test_values(void)
{
	static const struct {
		const char *class_name, *method, *good, *from, *to;
	} rows[] = {
		{ "AMT_WebUIService", "RequestStateChange", "<r:RequestedState>2</r:RequestedState>", ">2<", ">4<" },
		{ "AMT_WebUIService", "RequestStateChange", "<r:RequestedState>2</r:RequestedState>", ">2<", "> 2<" },
		{ "AMT_SetupAndConfigurationService", "SetMEBxPassword", "<r:Password>P@ssw0rd1</r:Password>", "P@", "Pa" },
		{ "AMT_SetupAndConfigurationService", "SetMEBxPassword", "<r:Password>P@ssw0rd1</r:Password>", "P@ssw0rd1", "P@ssw0r" },
		{ "AMT_SetupAndConfigurationService", "SetMEBxPassword", "<r:Password>P@ssw0rd1</r:Password>", "P@", "P@:" },
		{ "AMT_AuthorizationService", "SetAdminAclEntryEx",
		    "<r:Username>admin</r:Username><r:DigestPassword>NNsB/WINxYZwMl0pUYgb/A==</r:DigestPassword>", ">admin", ">root" },
		{ "AMT_AuthorizationService", "SetAdminAclEntryEx",
		    "<r:Username>admin</r:Username><r:DigestPassword>NNsB/WINxYZwMl0pUYgb/A==</r:DigestPassword>",
		    "NNsB/WINxYZwMl0pUYgb/A==", "34db01fd620dc58670325d2951881bfc" },
		{ "AMT_AuthorizationService", "SetAdminAclEntryEx",
		    "<r:Username>admin</r:Username><r:DigestPassword>NNsB/WINxYZwMl0pUYgb/A==</r:DigestPassword>", "A==", "A=" },
		{ "AMT_PublicKeyManagementService", "AddCertificate", "<r:CertificateBlob>MAMCAQE=</r:CertificateBlob>", "MAMCAQE=", "MAQCAQE=" },
		{ "AMT_PublicKeyManagementService", "AddCertificate", "<r:CertificateBlob>MAMCAQE=</r:CertificateBlob>", "MAMCAQE=", "MQMCAQE=" },
		{ "AMT_AuthorizationService", "AddUserAclEntryEx",
		    "<r:KerberosUserSid>AQEAAAAAAAUVAAAA</r:KerberosUserSid><r:AccessPermission>2</r:AccessPermission><r:Realms>3</r:Realms>",
		    "AQEAAAAAAAUVAAAA", "AQEAAAAAAAUVAAA=" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *request = make_invoke(rows[i].class_name, rows[i].method, rows[i].good);
		check_replaced(request, rows[i].from, rows[i].to, ", not ");
	}
}

static void
test_parameters(void)
{
	g_autofree char *user = make_invoke("AMT_AuthorizationService", "AddUserAclEntryEx",
	    "<r:DigestUsername>helpdesk</r:DigestUsername><r:DigestPassword>NNsB/WINxYZwMl0pUYgb/A=="
	    "</r:DigestPassword><r:AccessPermission>2</r:AccessPermission><r:Realms>2</r:Realms><r:Realms>5</r:Realms>");
	check_replaced(user, ">helpdesk<", ">$$OsAdmin<", "DigestUsername is");
	check_replaced(user, "<r:AccessPermission>2</r:AccessPermission>", "", "AccessPermission is missing");
	check_replaced(user, "<r:DigestUsername>helpdesk</r:DigestUsername>", "", "excludes each other");
	check_replaced(user, "<r:AccessPermission>",
	    "<r:KerberosUserSid>AQEAAAAAAAUVAAAA</r:KerberosUserSid><r:AccessPermission>", "excludes each other");
	check_replaced(user, "<r:Realms>2</r:Realms><r:Realms>5</r:Realms>", "", "Realms is missing");
	check_replaced(user, "<r:Realms>2</r:Realms>", "<r:Realms><r:RealmValue>2</r:RealmValue></r:Realms>", "Realms is");
	check_replaced(user, "<r:AccessPermission>2", "<r:AccessPermission>2</r:AccessPermission><r:AccessPermission>2",
	    "comes 2 times");
	g_autofree char *bare = make_invoke("AMT_SetupAndConfigurationService", "CommitChanges", "");
	check_replaced(bare, "xmlns:r=\"" AMT, "xmlns:r=\"", "the Body is not CommitChanges_INPUT");
}

static void
test_reference(void)
{
	g_autofree char *request = make_invoke("AMT_PublicKeyManagementService", "GeneratePKCS10RequestEx",
	    "<r:KeyPair><a:Address>" ANONYMOUS "</a:Address><a:ReferenceParameters><w:ResourceURI>" AMT
	    "AMT_PublicPrivateKeyPair</w:ResourceURI><w:SelectorSet><w:Selector Name=\"InstanceID\">Intel(r) AMT Key:"
	    " Handle: 0</w:Selector></w:SelectorSet></a:ReferenceParameters></r:KeyPair>"
	    "<r:SigningAlgorithm>1</r:SigningAlgorithm><r:NullSignedCertificateRequest>MAMCAQE="
	    "</r:NullSignedCertificateRequest>");
	check_replaced(request, "Key: Handle", "Certificate: Handle", "selector InstanceID is");
	check_replaced(request, "AMT_PublicPrivateKeyPair", "AMT_PublicKeyCertificate", "KeyPair refers to");
	check_replaced(request, "<r:KeyPair><a:Address>" ANONYMOUS "</a:Address>", "<r:KeyPair>", "KeyPair is not");
	check_replaced(request, "<r:KeyPair><a:Address>", "<r:KeyPair><a:Address>/", "the Address of KeyPair");
}

static void
test_kept(void)
{
	static const char parts[] =
	    "<r:DigestRealm>Digest:0</r:DigestRealm><r:PingResponseEnabled>true</r:PingResponseEnabled>"
	    "<r:WsmanOnlyMode>false</r:WsmanOnlyMode>";
	g_autoptr(RequestCheck) check = request_check_new();
	g_autofree char *content =
	    g_strdup_printf("<r:AMT_GeneralSettings xmlns:r=\"" AMT "AMT_GeneralSettings\">%s</r:AMT_GeneralSettings>", parts);
	g_autofree char *put = make_request("AMT_GeneralSettings", TRANSFER "Put", "", content);
	gboolean found = FALSE;
	g_autofree char *same = request_check_compare_kept(check, put, put, &found);
	g_assert_cmpstr(same, ==, NULL);
	g_assert_true(found);
	g_auto(GStrv) pieces = g_strsplit(put, "<r:WsmanOnlyMode>", 2);
	g_autofree char *more = g_strjoinv("<r:SharedFQDN>true</r:SharedFQDN><r:WsmanOnlyMode>", pieces);
	g_autofree char *lost = request_check_compare_kept(check, put, more, &found);
	g_assert_cmpstr(lost, ==, "SharedFQDN was got and is not sent back");
	g_autofree char *get = make_request("AMT_GeneralSettings", TRANSFER "Get", "", "");
	g_autofree char *none = request_check_compare_kept(check, put, get, &found);
	g_assert_cmpstr(none, ==, NULL);
	g_assert_false(found);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/conformance/check/header", test_header);
	g_test_add_func("/conformance/check/selectors", test_selectors);
	g_test_add_func("/conformance/check/values", test_values);
	g_test_add_func("/conformance/check/parameters", test_parameters);
	g_test_add_func("/conformance/check/reference", test_reference);
	g_test_add_func("/conformance/check/kept", test_kept);
	return g_test_run();
}
