/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/instance.h"
#include "core/amt/soap.h"

#include <provost/error.h>

#include <string.h>

#define OPEN \
	"<a:Envelope xmlns:a=\"http://www.w3.org/2003/05/soap-envelope\" " \
	"xmlns:b=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" " \
	"xmlns:c=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" " \
	"xmlns:e=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" " \
	"xmlns:g=\"http://intel.com/wbem/wscim/1/amt-schema/1/AMT_X\" " \
	"xmlns:h=\"http://schemas.dmtf.org/wbem/wscim/1/common\"><a:Header></a:Header><a:Body>"
#define CLOSE "</a:Body></a:Envelope>"

static PvSoapReply *
soap_test_parse(const char *text, gssize length, GError **error)
{
	g_autoptr(PvSoapParser) parser = pv_soap_parser_new();
	return pv_soap_parse(parser, text, length < 0 ? strlen(text) : (gsize)length, error);
}

static void
soap_test_expect_failure(const char *text, gssize length, const char *reason)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSoapReply) reply = soap_test_parse(text, length, &error);
	g_assert_null(reply);
	g_assert_error(error, PV_ERROR, PV_ERROR_PROTOCOL);
	if (strstr(error->message, reason) == NULL)
		g_error("\"%s\" lacks \"%s\"", error->message, reason);
}

/* ---- what real devices said ---- */

static char *
soap_test_dup_root(void)
{
	const char *top = g_getenv("PV_TOP_SRCDIR");
	char *root =
	    g_build_filename(top != NULL ? top : ".", "..", "shared", "amt", "recordings", NULL);
	if (!g_file_test(root, G_FILE_TEST_IS_DIR))
		g_clear_pointer(&root, g_free);
	return root;
}

static void
soap_test_check_recording(const char *file, const PvSoapReply *reply)
{
	g_assert_null(reply->fault);
	if (g_str_equal(file, "enumerate.xml")) {
		g_assert_true(reply->is_enumeration);
		g_assert_cmpuint(strlen(reply->context), >=, 35); /* one lacks a digit */
	} else if (g_str_equal(file, "pull.xml")) {
		g_assert_true(reply->is_enumeration);
		g_assert_true(reply->end || reply->context != NULL);
		g_assert_nonnull(reply->items);
		for (guint i = 0; i < reply->items->len; i++)
			g_assert_cmpuint(
			    pv_instance_get_length(g_ptr_array_index(reply->items, i)), >, 0);
	} else if (g_str_equal(file, "get.xml") || g_str_has_prefix(file, "put")) {
		g_assert_nonnull(reply->instance);
		g_assert_cmpuint(pv_instance_get_length(reply->instance), >, 0);
	} else if (g_str_equal(file, "create.xml")) {
		g_assert_nonnull(reply->created);
	} else if (!g_str_equal(file, "delete.xml")) {
		g_assert_nonnull(reply->instance);
		g_assert_true(g_str_has_suffix(pv_instance_get_class(reply->instance), "_OUTPUT"));
	}
}

static void
soap_test_read_recording(PvSoapParser *parser, const char *path)
{
	g_autofree char *text = NULL;
	g_autofree char *file = g_path_get_basename(path);
	g_autoptr(GError) error = NULL;
	gsize length = 0;
	g_assert_true(g_file_get_contents(path, &text, &length, &error));
	g_autoptr(PvSoapReply) reply = pv_soap_parse(parser, text, length, &error);
	if (error != NULL)
		g_error("%s: %s", path, error->message);
	g_test_message("%s", path);
	soap_test_check_recording(file, reply);
}

/* Returns how many files there are below. */
static guint
soap_test_walk(PvSoapParser *parser, const char *folder)
{
	guint count = 0;
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	g_assert_nonnull(dir);
	for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
			count += soap_test_walk(parser, path);
		} else if (g_str_has_suffix(name, ".xml")) {
			soap_test_read_recording(parser, path);
			count++;
		}
	}
	return count;
}

static void
soap_test_recordings(void)
{
	g_autofree char *root = soap_test_dup_root();
	if (root == NULL) {
		g_test_skip("../shared/amt/recordings is not there");
		return;
	}
	g_autoptr(PvSoapParser) parser = pv_soap_parser_new();
	g_assert_cmpuint(soap_test_walk(parser, root), >=, 140);
}

static PvSoapReply *
soap_test_load(const char *file)
{
	g_autofree char *root = soap_test_dup_root();
	if (root == NULL) {
		g_test_skip("../shared/amt/recordings is not there");
		return NULL;
	}
	g_autofree char *path = g_build_filename(root, file, NULL);
	g_autofree char *text = NULL;
	gsize length = 0;
	g_assert_true(g_file_get_contents(path, &text, &length, NULL));
	g_autoptr(GError) error = NULL;
	PvSoapReply *reply = soap_test_parse(text, (gssize)length, &error);
	g_assert_no_error(error);
	return reply;
}

static void
soap_test_recorded_values(void)
{
	g_autoptr(PvSoapReply) tls = soap_test_load("amt/tls/credentialcontext/pull.xml");
	if (tls == NULL)
		return;
	const PvInstance *context = g_ptr_array_index(tls->items, 0);
	g_assert_cmpstr(pv_epr_get_class(pv_instance_get_epr(context, "ElementInContext")), ==,
	    "AMT_PublicKeyCertificate");
	g_assert_true(g_str_has_prefix(
	    pv_epr_get_selector(pv_instance_get_epr(context, "ElementInContext"), "InstanceID"),
	    "Intel(r) AMT Certificate: Handle:"));

	g_autoptr(PvSoapReply) key = soap_test_load("amt/publickey/management/generatekeypair.xml");
	g_assert_cmpint(pv_instance_get_int(key->instance, "ReturnValue", -1), ==, 0);
	g_assert_nonnull(
	    pv_epr_get_selector(pv_instance_get_epr(key->instance, "KeyPair"), "InstanceID"));

	g_autoptr(PvSoapReply) created = soap_test_load("amt/tls/credentialcontext/create.xml");
	g_assert_cmpstr(pv_epr_get_class(created->created), ==, "AMT_TLSCredentialContext");
	g_assert_cmpuint(pv_epr_get_length(created->created), ==, 2);
	g_assert_nonnull(pv_epr_get_nth(created->created, 0)->epr);

	g_autoptr(PvSoapReply) general = soap_test_load("amt/general/get.xml");
	g_assert_cmpstr(pv_instance_get_class(general->instance), ==, "AMT_GeneralSettings");
	g_assert_cmpuint(strlen(pv_instance_get(general->instance, "DigestRealm")), ==, 39);
	g_assert_cmpstr(pv_instance_get(general->instance, "HostName"), !=, NULL);
}

/* ---- one construct each ---- */

static void
soap_test_values(void)
{
	static const char text[] =
	    " \r\n\t<?xml version=\"1.0\" encoding=\"UTF-8\"?>" OPEN
	    "<g:AMT_X xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><g:Empty></g:Empty>"
	    "<g:Absent xsi:nil=\"true\"/><g:Text>a &amp; &#x62; <![CDATA[<c>]]></g:Text>"
	    "<g:Time><h:Datetime>2024-01-03T00:44:35Z</h:Datetime></g:Time>"
	    "<g:Wrapped><b:EndpointReference><b:Address>/wsman</b:Address><b:ReferenceParameters>"
	    "<c:ResourceURI> http://x/AMT_Y </c:ResourceURI><c:SelectorSet><c:Selector "
	    "Name=\"InstanceID\">y"
	    "</c:Selector></c:SelectorSet></b:ReferenceParameters></b:EndpointReference></"
	    "g:Wrapped>"
	    "<g:Settings "
	    "xmlns:q=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_Z\"><q:SSID>corp</"
	    "q:SSID></g:Settings>"
	    "</g:AMT_X>" CLOSE;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSoapReply) reply = soap_test_parse(text, -1, &error);
	g_assert_no_error(error);
	const PvInstance *instance = reply->instance;
	g_assert_cmpstr(pv_instance_get_class(instance), ==, "AMT_X");
	g_assert_cmpstr(pv_instance_get(instance, "Empty"), ==, "");
	g_assert_null(pv_instance_get(instance, "Absent"));
	g_assert_cmpstr(pv_instance_get(instance, "Text"), ==, "a & b <c>");
	g_assert_cmpstr(pv_instance_get(instance, "Time"), ==, "2024-01-03T00:44:35Z");
	const PvEpr *epr = pv_instance_get_epr(instance, "Wrapped");
	g_assert_cmpstr(pv_epr_get_class(epr), ==, "AMT_Y");
	g_assert_cmpstr(pv_epr_get_selector(epr, "InstanceID"), ==, "y");
	const PvInstance *settings = pv_instance_get_embedded(instance, "Settings");
	g_assert_cmpstr(pv_instance_get_class(settings), ==, "CIM_Z");
	g_assert_cmpstr(pv_instance_get(settings, "SSID"), ==, "corp");
}

static void
soap_test_fault(void)
{
	static const char text[] =
	    OPEN "<a:Fault><a:Code><a:Value>a:Sender</"
		 "a:Value><a:Subcode><a:Value>b:DestinationUnreachable</a:Value>"
		 "</a:Subcode></a:Code><a:Reason><a:Text xml:lang=\"en-US\">No route can\nbe "
		 "determined</a:Text></a:Reason>"
		 "<a:Detail></a:Detail></a:Fault>" CLOSE;
	g_autoptr(PvSoapReply) reply = soap_test_parse(text, -1, NULL);
	g_assert_cmpstr(reply->fault, ==, "DestinationUnreachable");
	g_assert_cmpstr(reply->reason, ==, "No route can be determined");
	g_autoptr(PvSoapReply) bare = soap_test_parse(OPEN "<a:Fault/>" CLOSE, -1, NULL);
	g_assert_cmpstr(bare->fault, ==, "Fault");
	/* the name ends up in messages: nothing but a name is taken */
	g_autoptr(PvSoapReply) odd = soap_test_parse(
	    OPEN "<a:Fault><a:Code><a:Value>a:B C\n</a:Value></a:Code></a:Fault>" CLOSE, -1, NULL);
	g_assert_cmpstr(odd->fault, ==, "Fault");
}

static void
soap_test_prefixes(void)
{
	/* the same words under prefixes that mean something else elsewhere */
	static const char text[] =
	    "<Envelope xmlns=\"http://www.w3.org/2003/05/soap-envelope\"><Body>"
	    "<b:PullResponse "
	    "xmlns:b=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\"><b:Items>"
	    "<a:CIM_B "
	    "xmlns:a=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_B\"><a:Name>n</"
	    "a:Name></a:CIM_B>"
	    "</b:Items><b:EndOfSequence/></b:PullResponse></Body></Envelope>";
	g_autoptr(PvSoapReply) reply = soap_test_parse(text, -1, NULL);
	g_assert_true(reply->end);
	g_assert_cmpuint(reply->items->len, ==, 1);
	g_assert_cmpstr(pv_instance_get_class(g_ptr_array_index(reply->items, 0)), ==, "CIM_B");
	/* right words, wrong namespace */
	soap_test_expect_failure(
	    "<Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\"><Body/></Envelope>", -1,
	    "no SOAP 1.2 envelope");
}

/* ---- what must not be swallowed ---- */

static void
soap_test_malformed(void)
{
	soap_test_expect_failure("", -1, "no well-formed XML");
	soap_test_expect_failure("hello", -1, "no well-formed XML");
	soap_test_expect_failure("\0\0\0\0", 4, "no well-formed XML");
	soap_test_expect_failure(OPEN "<g:AMT_X><g:A>" CLOSE, -1, "no well-formed XML");
	soap_test_expect_failure(
	    OPEN "<g:AMT_X>&unknown;</g:AMT_X>" CLOSE, -1, "no well-formed XML");
	soap_test_expect_failure(
	    OPEN "<g:AMT_X>\xff\xfe</g:AMT_X>" CLOSE, -1, "no well-formed XML");
	soap_test_expect_failure(OPEN CLOSE OPEN CLOSE, -1, "no well-formed XML");
	soap_test_expect_failure("<a/>", -1, "no SOAP 1.2 envelope");
	soap_test_expect_failure(
	    "<a:Envelope xmlns:a=\"http://www.w3.org/2003/05/soap-envelope\"/>", -1,
	    "no SOAP 1.2 envelope");
}

static void
soap_test_doctype(void)
{
	soap_test_expect_failure("<!DOCTYPE a [<!ENTITY x \"y\">]>" OPEN
				 "<g:AMT_X>&x;</g:AMT_X>" CLOSE,
	    -1, "document type declaration");
	soap_test_expect_failure("<!DOCTYPE a SYSTEM \"file:///etc/passwd\">" OPEN CLOSE, -1,
	    "document type declaration");
	soap_test_expect_failure(
	    "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">"
	    "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\"><!ENTITY d "
	    "\"&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;\">]>" OPEN "<g:AMT_X>&d;&d;&d;</g:AMT_X>" CLOSE,
	    -1, "document type declaration");
}

static void
soap_test_bounds(void)
{
	g_autoptr(GString) deep = g_string_new(OPEN);
	for (guint i = 0; i < 100; i++)
		g_string_append(deep, "<g:A>");
	for (guint i = 0; i < 100; i++)
		g_string_append(deep, "</g:A>");
	g_string_append(deep, CLOSE);
	soap_test_expect_failure(deep->str, -1, "nested too deeply");

	g_autoptr(GString) many = g_string_new(OPEN "<g:AMT_X>");
	for (guint i = 0; i < 21000; i++)
		g_string_append(many, "<g:A/>");
	g_string_append(many, "</g:AMT_X>" CLOSE);
	soap_test_expect_failure(many->str, -1, "too many elements");

	g_autoptr(GString) huge = g_string_new(OPEN "<g:AMT_X>");
	while (huge->len <= PV_SOAP_MAX_BYTES)
		g_string_append(huge, "0123456789abcdef");
	g_string_append(huge, "</g:AMT_X>" CLOSE);
	soap_test_expect_failure(huge->str, -1, "longer than");
}

static void
soap_test_truncated(void)
{
	static const char text[] =
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>" OPEN
	    "<g:AMT_X><g:A>1</g:A><g:T><h:Datetime>2024</h:Datetime></g:T></g:AMT_X>" CLOSE;
	g_autoptr(PvSoapParser) parser = pv_soap_parser_new();
	for (gsize length = 0; length < strlen(text); length++) {
		/* a copy of exactly that length, so that a read behind it shows under ASan */
		g_autofree char *copy = g_memdup2(text, length);
		g_autoptr(GError) error = NULL;
		g_autoptr(PvSoapReply) reply = pv_soap_parse(parser, copy, length, &error);
		g_assert_null(reply);
		g_assert_error(error, PV_ERROR, PV_ERROR_PROTOCOL);
	}
	/* the parser is as good as new after all that */
	g_autoptr(PvSoapReply) reply = pv_soap_parse(parser, text, strlen(text), NULL);
	g_assert_cmpstr(pv_instance_get(reply->instance, "A"), ==, "1");
}

/* ---- writing ---- */

static void
soap_test_write_get(void)
{
	const PvSoapRequest request = { .kind = PV_SOAP_GET,
		.class_name = "AMT_EthernetPortSettings",
		.selectors = PV_SELECT("InstanceID", "a<b & \"c\""),
		.message_id = 12,
		.timeout_sec = 60 };
	g_autoptr(GString) out = g_string_new(NULL);
	g_assert_true(pv_soap_write(out, &request, NULL));
	g_assert_cmpstr(out->str, ==,
	    "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope "
	    "xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\""
	    " xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\""
	    " xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header>"
	    "<a:Action>http://schemas.xmlsoap.org/ws/2004/09/transfer/Get</a:Action><a:To>/wsman</"
	    "a:To>"
	    "<w:ResourceURI>http://intel.com/wbem/wscim/1/amt-schema/1/AMT_EthernetPortSettings</"
	    "w:ResourceURI>"
	    "<a:MessageID>12</a:MessageID><a:ReplyTo>"
	    "<a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</"
	    "a:Address></a:ReplyTo>"
	    "<w:OperationTimeout>PT60S</w:OperationTimeout>"
	    "<w:SelectorSet><w:Selector Name=\"InstanceID\">a&lt;b &amp; "
	    "&quot;c&quot;</w:Selector></w:SelectorSet>"
	    "</s:Header><s:Body></s:Body></s:Envelope>");
}

/* what is written can be read again, with all that a property can be */
static void
soap_test_write_invoke(void)
{
	g_autoptr(PvEpr) epr =
	    pv_epr_new("AMT_PublicKeyCertificate", PV_SELECT("InstanceID", "Handle: 2"));
	g_autoptr(PvInstance) child = pv_instance_new("CIM_WiFiEndpointSettings");
	pv_instance_add(child, "SSID", "\t caf\xc3\xa9 & <co>\r\n");
	g_autoptr(PvInstance) input = pv_instance_new("ignored");
	pv_instance_add_epr(input, "ClientCredential", epr);
	pv_instance_add_embedded(input, "WiFiEndpointSettingsInput", child);
	pv_instance_add_int(input, "Realms", 2);
	pv_instance_add_int(input, "Realms", 5);
	pv_instance_take(input, (PvProperty) { .name = g_strdup("Start"),
				    .text = g_strdup("2024-01-03T00:00:00Z"),
				    .is_datetime = TRUE });
	const PvSoapRequest request = {
		.kind = PV_SOAP_INVOKE, .class_name = "IPS_X", .method = "Do", .content = input
	};
	g_autoptr(GString) out = g_string_new(NULL);
	g_assert_true(pv_soap_write(out, &request, NULL));
	g_assert_nonnull(strstr(
	    out->str, "<a:Action>http://intel.com/wbem/wscim/1/ips-schema/1/IPS_X/Do</a:Action>"));
	g_assert_nonnull(strstr(out->str, "<r:Realms>2</r:Realms><r:Realms>5</r:Realms>"));

	g_autoptr(GError) error = NULL;
	g_autoptr(PvSoapReply) reply = soap_test_parse(out->str, -1, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(pv_instance_get_class(reply->instance), ==, "Do_INPUT");
	g_assert_cmpstr(pv_epr_get_selector(
			    pv_instance_get_epr(reply->instance, "ClientCredential"), "InstanceID"),
	    ==, "Handle: 2");
	const PvInstance *embedded =
	    pv_instance_get_embedded(reply->instance, "WiFiEndpointSettingsInput");
	g_assert_cmpstr(pv_instance_get_class(embedded), ==, "CIM_WiFiEndpointSettings");
	g_assert_cmpstr(pv_instance_get(embedded, "SSID"), ==, "\t caf\xc3\xa9 & <co>\r\n");
	g_assert_cmpstr(pv_instance_get(reply->instance, "Start"), ==, "2024-01-03T00:00:00Z");
}

static void
soap_test_write_refuses(void)
{
	static const struct {
		const char *class_name;
		const char *method;
		const char *property;
		const char *value;
	} rows[] = {
		{ "Win32_Service", "Do", "A", "1" },
		{ "AMT_X><evil", "Do", "A", "1" },
		{ "AMT_X", "Do><evil", "A", "1" },
		{ "AMT_X", "Do", "A><evil", "1" },
		{ "AMT_X", "Do", "", "1" },
		{ "AMT_X", "Do", "A", "bell\a" },
		{ "AMT_X", "Do", "A", "\xff\xfe" },
		{ "AMT_X", "Do", "A", "\xef\xbf\xbf" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(PvInstance) input = pv_instance_new("ignored");
		pv_instance_add(input, rows[i].property, rows[i].value);
		const PvSoapRequest request = { .kind = PV_SOAP_INVOKE,
			.class_name = rows[i].class_name,
			.method = rows[i].method,
			.content = input };
		g_autoptr(GString) out = g_string_new(NULL);
		g_autoptr(GError) error = NULL;
		g_assert_false(pv_soap_write(out, &request, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/amt/soap/recordings", soap_test_recordings);
	g_test_add_func("/amt/soap/recorded-values", soap_test_recorded_values);
	g_test_add_func("/amt/soap/values", soap_test_values);
	g_test_add_func("/amt/soap/fault", soap_test_fault);
	g_test_add_func("/amt/soap/prefixes", soap_test_prefixes);
	g_test_add_func("/amt/soap/malformed", soap_test_malformed);
	g_test_add_func("/amt/soap/doctype", soap_test_doctype);
	g_test_add_func("/amt/soap/bounds", soap_test_bounds);
	g_test_add_func("/amt/soap/truncated", soap_test_truncated);
	g_test_add_func("/amt/soap/write-get", soap_test_write_get);
	g_test_add_func("/amt/soap/write-invoke", soap_test_write_invoke);
	g_test_add_func("/amt/soap/write-refuses", soap_test_write_refuses);
	return g_test_run();
}
