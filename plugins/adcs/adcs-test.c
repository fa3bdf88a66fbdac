/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-x509.h"
#include "adcs-discover.h"
#include "adcs-pages.h"
#include "adcs-policy.h"
#include "adcs-status.h"
#include "adcs-xml.h"
#include "core/base/json.h"
#include "core/engine/loader.h"
#include "tests/lib/fake-http.h"
#include "tests/lib/fake-pki.h"
#include "tests/lib/test-folder.h"

#include <string.h>

static const char *const adcs_test_server[] = { "1.3.6.1.5.5.7.3.1", NULL };
static const char *const adcs_test_client[] = { "1.3.6.1.5.5.7.3.2", NULL };

static char *
adcs_test_read(const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path =
	    g_test_build_filename(G_TEST_DIST, "plugins", "adcs", "tests", "fixtures", name, NULL);
	char *text = NULL;
	g_file_get_contents(path, &text, NULL, &error);
	g_assert_no_error(error);
	return text;
}

/* the fixture, with @from turned into @to */
static GBytes *
adcs_test_load(const char *name, const char *from, const char *to)
{
	g_autofree char *text = adcs_test_read(name);
	if (from == NULL)
		return g_bytes_new(text, strlen(text));
	g_assert_nonnull(strstr(text, from));
	g_auto(GStrv) parts = g_strsplit(text, from, -1);
	char *changed = g_strjoinv(to, parts);
	return g_bytes_new_take(changed, strlen(changed));
}

static void
adcs_test_assert_error(const GError *error, PvError code, const char *text)
{
	g_assert_error(error, PV_ERROR, (int)code);
	g_test_message("%s", error->message);
	g_assert_nonnull(strstr(error->message, text));
}

/* ---- what the enrolment service says ---- */

static void
adcs_test_issued(void)
{
	g_autoptr(GError) error = NULL;
	g_auto(AdcsAnswer) answer = { 0 };
	g_autoptr(GBytes) body = adcs_test_load("issued.xml", NULL, NULL);
	g_assert_true(adcs_enrol_parse(body, &answer, &error));
	g_assert_no_error(error);
	g_assert_cmpint(answer.outcome, ==, PV_CA_ISSUED);
	g_assert_cmpstr(answer.text, ==, "Issued");
	g_autofree char *name = adcs_x509_dup_common_name(answer.certificate);
	g_assert_cmpstr(name, ==, "amt-pc01.corp.example.com");
	/* the CA's own comes along */
	gboolean ca = FALSE;
	for (guint i = 0; i < answer.chain->len; i++)
		ca = ca || adcs_x509_is_ca(answer.chain->pdata[i]);
	g_assert_true(ca);
}

/* an answer with the PKCS#7 only has the certificate in that */
static void
adcs_test_issued_in_chain(void)
{
	g_autoptr(GError) error = NULL;
	g_auto(AdcsAnswer) answer = { 0 };
	g_autoptr(GBytes) body =
	    adcs_test_load("issued.xml", "RequestedSecurityToken>", "SomethingElse>");
	g_assert_true(adcs_enrol_parse(body, &answer, &error));
	g_assert_no_error(error);
	g_autofree char *name = adcs_x509_dup_common_name(answer.certificate);
	g_assert_cmpstr(name, ==, "amt-pc01.corp.example.com");
}

static void
adcs_test_pending(void)
{
	g_autoptr(GError) error = NULL;
	g_auto(AdcsAnswer) answer = { 0 };
	/* in the server's language, whatever that is */
	g_autoptr(GBytes) body = adcs_test_load(
	    "pending.xml", "Taken Under Submission", "Wurde zur \xc3\x9c" "bermittlung angenommen");
	g_assert_true(adcs_enrol_parse(body, &answer, &error));
	g_assert_no_error(error);
	g_assert_cmpint(answer.outcome, ==, PV_CA_PENDING);
	g_assert_cmpstr(answer.request_id, ==, "62");
	g_assert_true(g_str_has_prefix(answer.poll_uri, "https://localhost:"));
	g_assert_true(g_str_has_prefix(answer.text, "Wurde zur"));
	g_assert_null(answer.certificate);
}

static void
adcs_test_denied(void)
{
	static const struct {
		const char *file, *from, *to, *text;
	} cases[] = {
		{ "denied.xml", NULL, NULL, "0x80094012 CERTSRV_E_TEMPLATE_DENIED: the account has no right" },
		{ "unknown-template.xml", NULL, NULL, "0x80094800 CERTSRV_E_UNSUPPORTED_CERT_TYPE: " },
		{ "denied.xml", "<ErrorCode>-2146877422", "<ErrorCode>-2146877420", "an administrator of the ca denied" },
		/* as an unsigned number; one that is not in our table */
		{ "denied.xml", "<ErrorCode>-2146877422", "<ErrorCode>2148089874", "0x80094012 CERTSRV_E_TEMPLATE_DENIED: " },
		{ "denied.xml", "<ErrorCode>-2146877422", "<ErrorCode>-2147467259", "0x80004005 (\"The permissions" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_auto(AdcsAnswer) answer = { 0 };
		g_autoptr(GBytes) body = adcs_test_load(cases[i].file, cases[i].from, cases[i].to);
		g_assert_true(adcs_enrol_parse(body, &answer, &error));
		g_assert_no_error(error);
		g_assert_cmpint(answer.outcome, ==, PV_CA_DENIED);
		g_test_message("%s", answer.text);
		g_assert_nonnull(strstr(answer.text, cases[i].text));
	}
}

/* what is no decision, and what does not parse */
static void
adcs_test_failures(void)
{
	static const struct {
		const char *file, *from, *to;
		PvError code;
		const char *text;
	} cases[] = {
		{ "denied.xml", "<ErrorCode>-2146877422", "<ErrorCode>-2147023174", PV_ERROR_UNREACHABLE,
		    "0x800706ba RPC_S_SERVER_UNAVAILABLE: the web service does not reach the ca" },
		{ "denied.xml", "<ErrorCode>-2146877422", "<ErrorCode>-2147024891", PV_ERROR_AUTH, "\"Request Certificates\"" },
		{ "denied.xml", "<ErrorCode>-2146877422", "<ErrorCode>x", PV_ERROR_PROTOCOL, "did not understand" },
		{ "wrong-password.xml", NULL, NULL, PV_ERROR_AUTH, "user or password is wrong" },
		{ "internal-fault.xml", NULL, NULL, PV_ERROR_UNREACHABLE, "may not delegate" },
		{ "internal-fault.xml", "InternalServiceFault", "ActionNotSupported", PV_ERROR_CONFIG, "another service" },
		{ "internal-fault.xml", "InternalServiceFault", "Nonsense", PV_ERROR_PROTOCOL, "(Nonsense: \"The message" },
		{ "policy.xml", NULL, NULL, PV_ERROR_PROTOCOL, "neither a response nor a fault" },
		{ "issued.xml", "<BinarySecurityToken ", "<BinarySecurityToken xmlns:i=\"" ADCS_NS_XSI "\" i:nil=\"1\" ",
		    PV_ERROR_PROTOCOL, "is no base64" },
		{ "issued.xml", "&#xD;", "*", PV_ERROR_PROTOCOL, "no base64" },
		{ "pending.xml", "<RequestID ", "<Other ", PV_ERROR_PROTOCOL, "no well-formed" },
		{ "pending.xml", "RequestID", "Other", PV_ERROR_PROTOCOL, "has no number" },
		{ "pending.xml", "<s:Envelope", "<!DOCTYPE x [<!ENTITY e \"v\">]><s:Envelope", PV_ERROR_PROTOCOL, "document type" },
		{ "pending.xml", "Taken", "&e;", PV_ERROR_PROTOCOL, "no well-formed" },
		{ "page-issued.html", NULL, NULL, PV_ERROR_PROTOCOL, "no well-formed" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_auto(AdcsAnswer) answer = { 0 };
		g_autoptr(GBytes) body = adcs_test_load(cases[i].file, cases[i].from, cases[i].to);
		g_assert_false(adcs_enrol_parse(body, &answer, &error));
		adcs_test_assert_error(error, cases[i].code, cases[i].text);
		g_assert_null(answer.text);
	}
}

/* Nobody can have us use up memory, or fetch a file. */
static void
adcs_test_bounds(void)
{
	static const struct {
		const char *head, *unit, *tail;
		guint count;
		const char *text;
	} cases[] = {
		{ "", "<a>", "", 40, "nested too deeply" },
		{ "<a>", "<b/>", "</a>", 110000, "too many elements" },
		{ "<a>", "        ", "</a>", 1024 * 1024, "at most" },
		{ "<!DOCTYPE a SYSTEM \"file:///etc/passwd\">", "<a/>", "", 1, "document type" },
		{ "", "", "", 0, "no well-formed" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(GString) text = g_string_new(cases[i].head);
		for (guint k = 0; k < cases[i].count; k++)
			g_string_append(text, cases[i].unit);
		g_string_append(text, cases[i].tail);
		g_autoptr(GBytes) body = g_bytes_new(text->str, text->len);
		g_assert_null(adcs_xml_parse(body, ADCS_POLICY_MAX_BYTES, "it", &error));
		adcs_test_assert_error(error, PV_ERROR_PROTOCOL, cases[i].text);
	}
}

/* ---- what we say ---- */

static void
adcs_test_request(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) password = pv_secret_new("a<b>&\"c", -1);
	const AdcsHeader header = { .url = "https://ca1.example.com/x?a=1&b=2", .user = "EX\\svc", .password = password };
	g_autoptr(GBytes) csr = g_bytes_new_static("request", 7);
	g_autoptr(GBytes) message = adcs_enrol_new_request(&header, csr, &error);
	g_assert_no_error(error);
	g_autoptr(AdcsDocument) document = adcs_xml_parse(message, ADCS_ANSWER_MAX_BYTES, "it", &error);
	g_assert_no_error(error);
	const xmlNode *request = adcs_xml_body(document, ADCS_NS_TRUST, "RequestSecurityToken");
	const xmlNode *token = adcs_xml_child(request, ADCS_NS_SECURITY, "BinarySecurityToken");
	g_autoptr(GBytes) sent = adcs_xml_dup_binary(token, 100);
	g_assert_true(g_bytes_equal(sent, csr));
	g_assert_null(adcs_xml_dup_text(adcs_xml_child(request, ADCS_NS_ENROLLMENT, "RequestID"), 10));
	const xmlNode *head = adcs_xml_child(xmlDocGetRootElement(document), ADCS_NS_SOAP, "Header");
	g_autofree char *to = adcs_xml_dup_text(adcs_xml_child(head, ADCS_NS_ADDRESSING, "To"), 100);
	g_assert_cmpstr(to, ==, header.url);
	const xmlNode *login = adcs_xml_child(
	    adcs_xml_child(head, ADCS_NS_SECURITY, "Security"), ADCS_NS_SECURITY, "UsernameToken");
	g_autofree char *user = adcs_xml_dup_text(adcs_xml_child(login, ADCS_NS_SECURITY, "Username"), 100);
	g_autofree char *secret = adcs_xml_dup_text(adcs_xml_child(login, ADCS_NS_SECURITY, "Password"), 100);
	g_assert_cmpstr(user, ==, "EX\\svc");
	g_assert_cmpstr(secret, ==, "a<b>&\"c");
}

static void
adcs_test_query(void)
{
	g_autoptr(GError) error = NULL;
	const AdcsHeader header = { .url = "https://ca1.example.com/x" };
	g_autoptr(GBytes) message = adcs_enrol_new_query(&header, "7<8", &error);
	g_assert_no_error(error);
	g_autoptr(AdcsDocument) document = adcs_xml_parse(message, ADCS_ANSWER_MAX_BYTES, "it", &error);
	g_assert_no_error(error);
	const xmlNode *request = adcs_xml_body(document, ADCS_NS_TRUST, "RequestSecurityToken");
	g_autofree char *id = adcs_xml_dup_text(adcs_xml_child(request, ADCS_NS_ENROLLMENT, "RequestID"), 10);
	g_assert_cmpstr(id, ==, "7<8");
	g_autoptr(PvSecret) bad = pv_secret_new("a\001b", -1);
	const AdcsHeader unfit = { .url = "https://x", .user = "u", .password = bad };
	g_assert_null(adcs_enrol_new_query(&unfit, "1", &error));
	adcs_test_assert_error(error, PV_ERROR_CONFIG, "cannot carry");
	g_assert_null(strstr(error->message, "\001"));
}

static void
adcs_test_form(void)
{
	g_autoptr(GBytes) csr = g_bytes_new_static("\373\357\276", 3);
	g_autoptr(GBytes) form = adcs_pages_new_form(csr, "A&B");
	gsize length = 0;
	const char *data = g_bytes_get_data(form, &length);
	g_autofree char *text = g_strndup(data, length);
	g_autoptr(GError) error = NULL;
	g_autoptr(GHashTable) fields = g_uri_parse_params(text, -1, "&", G_URI_PARAMS_NONE, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(g_hash_table_lookup(fields, "CertRequest"), ==,
	    "-----BEGIN CERTIFICATE REQUEST-----\r\n++++\r\n-----END CERTIFICATE REQUEST-----\r\n");
	g_assert_cmpstr(g_hash_table_lookup(fields, "CertAttrib"), ==, "CertificateTemplate:A&B\r\n");
	g_assert_cmpstr(g_hash_table_lookup(fields, "Mode"), ==, "newreq");
}

/* ---- the policy ---- */

static AdcsPolicy *
adcs_test_policy(const char *from, const char *to)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) body = adcs_test_load("policy.xml", from, to);
	AdcsPolicy *policy = adcs_policy_parse(body, &error);
	g_assert_no_error(error);
	return policy;
}

static void
adcs_test_templates(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AdcsPolicy) policy = adcs_test_policy("<defaultName>AMT8021X", "<defaultName>AMT for Radius");
	g_assert_cmpuint(policy->templates->len, ==, 4);
	const AdcsTemplate *web = adcs_policy_find_template(policy, "amtwebserver", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(web->oid, ==, "1.3.6.1.4.1.311.21.8.1.2.3.4.5.6.1.100");
	g_assert_cmpuint(web->key_bits, ==, 2048);
	g_assert_true(web->may_enroll && web->takes_subject && web->takes_names && !web->waits);
	g_assert_true(adcs_policy_find_template(policy, web->oid, &error) == web);
	g_assert_cmpstr(adcs_policy_find_template(policy, "AMT for Radius", &error)->name, ==, "AMT8021X");
	g_assert_true(adcs_policy_find_template(policy, "AMTManual", &error)->waits);
	g_assert_null(adcs_policy_find_template(policy, "Nonsense", &error));
	adcs_test_assert_error(error, PV_ERROR_CONFIG, "there are: AMTWebServer, AMT8021X, AMTManual, AMTDenied");
}

static void
adcs_test_template_rules(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AdcsPolicy) policy =
	    adcs_test_policy("<subjectNameFlags>1<", "<subjectNameFlags>268435456<");
	const AdcsTemplate *web = adcs_policy_find_template(policy, "AMTWebServer", NULL);
	const AdcsTemplate *denied = adcs_policy_find_template(policy, "AMTDenied", NULL);
	const PvCertRequest server = { .ekus = adcs_test_server }, client = { .ekus = adcs_test_client };
	g_assert_false(web->takes_names);
	g_assert_true(adcs_template_check(web, &server, TRUE, &error));
	g_assert_no_error(error);
	g_assert_false(adcs_template_check(web, &server, FALSE, &error));
	adcs_test_assert_error(error, PV_ERROR_CONFIG, "\"as\": \"device\"");
	g_clear_error(&error);
	g_assert_false(adcs_template_check(web, &client, TRUE, &error));
	adcs_test_assert_error(error, PV_ERROR_CONFIG, "gives no extended key usage 1.3.6.1.5.5.7.3.2");
	g_clear_error(&error);
	g_assert_false(adcs_template_check(denied, &server, FALSE, &error));
	adcs_test_assert_error(error, PV_ERROR_CONFIG, "give it \"Enroll\"");
}

static void
adcs_test_endpoints(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AdcsPolicy) policy = adcs_test_policy("</cAURI><cAURI><clientAuthentication>4",
	    "</cAURI><cAURI><clientAuthentication>2</clientAuthentication><uri>https://first.example.com/CES</uri>"
	    "<priority>0</priority><renewalOnly>false</renewalOnly></cAURI>"
	    "<cAURI><clientAuthentication>2</clientAuthentication><uri>http://plain.example.com/CES</uri>"
	    "<priority>0</priority><renewalOnly>false</renewalOnly></cAURI>"
	    "<cAURI><clientAuthentication>2</clientAuthentication><uri>https://renewal.example.com/CES</uri>"
	    "<priority>0</priority><renewalOnly>true</renewalOnly></cAURI><cAURI><clientAuthentication>4");
	const AdcsTemplate *web = adcs_policy_find_template(policy, "AMTWebServer", NULL);
	g_autoptr(GPtrArray) urls =
	    adcs_policy_list_endpoints(policy, web, "example site ca", ADCS_AUTH_KERBEROS, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(urls->len, ==, 2);
	g_assert_cmpstr(urls->pdata[0], ==, "https://first.example.com/CES");
	g_assert_true(g_str_has_suffix(urls->pdata[1], "_CES_Kerberos/service.svc/CES"));
	g_assert_null(adcs_policy_list_endpoints(policy, web, "Other CA", ADCS_AUTH_KERBEROS, &error));
	adcs_test_assert_error(error, PV_ERROR_CONFIG, "no ca of the name Other CA");
	g_clear_error(&error);
	g_array_index(web->authorities, guint, 0) = 5;
	g_assert_null(adcs_policy_list_endpoints(policy, web, NULL, ADCS_AUTH_KERBEROS, &error));
	adcs_test_assert_error(error, PV_ERROR_CONFIG, "no ca that issues the template");
}

/* as Active Directory holds them */
static void
adcs_test_enrollment_servers(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(AdcsPolicy) policy = adcs_policy_new();
	g_autoptr(FakeCert) cert = fake_cert_new(&(FakeCertSpec) { .common_name = "CA 1", .is_ca = TRUE });
	g_autoptr(GBytes) der = fake_cert_dup_der(cert);
	AdcsAuthority *authority = adcs_policy_add_authority(policy, der, 0);
	g_assert_true(adcs_discover_add_server(authority, "2\n2\n0\nhttps://b.example.com/CES\n0"));
	g_assert_true(adcs_discover_add_server(authority, "1\n2\n0\nhttps://a.example.com/CES"));
	g_assert_true(adcs_discover_add_server(authority, "1\n4\n0\nhttps://c.example.com/CES\n0"));
	g_assert_true(adcs_discover_add_server(authority, "1\n2\n1\nhttps://renewal.example.com/CES\n1"));
	g_assert_true(adcs_discover_add_server(authority, "1\n2\n0\nhttp://plain.example.com/CES\n0"));
	g_assert_false(adcs_discover_add_server(authority, "1\n2\nhttps://d.example.com/CES"));
	g_assert_false(adcs_discover_add_server(authority, "x\n2\n0\nhttps://d.example.com/CES"));
	g_autoptr(GPtrArray) urls = adcs_policy_list_endpoints(policy, NULL, "ca 1", ADCS_AUTH_KERBEROS, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(urls->len, ==, 2);
	g_assert_cmpstr(urls->pdata[0], ==, "https://a.example.com/CES");
	g_assert_cmpstr(urls->pdata[1], ==, "https://b.example.com/CES");
}

/* ---- the pages ---- */

static void
adcs_test_pages(void)
{
	static const struct {
		const char *file, *from, *to;
		PvCaOutcome outcome;
		const char *id, *text;
	} cases[] = {
		{ "page-issued.html", NULL, NULL, PV_CA_ISSUED, "65", NULL },
		{ "page-pending.html", NULL, NULL, PV_CA_PENDING, "66", "must wait for an administrator" },
		/* no word of English */
		{ "page-pending.html", "Your Request Id is", "L'ID de votre demande est", PV_CA_PENDING, "66", "votre demande" },
		{ "page-denied.html", NULL, NULL, PV_CA_DENIED, "67", "0x80094012 CERTSRV_E_TEMPLATE_DENIED: " },
		{ "page-denied.html", "0x80094012 (-2146877422 CERTSRV_E_TEMPLATE_DENIED)", "Denied by EX\\boss",
		    PV_CA_DENIED, "67", "Denied by EX\\boss" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_auto(AdcsAnswer) answer = { 0 };
		g_autoptr(GBytes) page = adcs_test_load(cases[i].file, cases[i].from, cases[i].to);
		g_assert_true(adcs_pages_parse_submitted(page, &answer, &error));
		g_assert_no_error(error);
		g_test_message("%s", answer.text);
		g_assert_cmpint(answer.outcome, ==, cases[i].outcome);
		g_assert_cmpstr(answer.request_id, ==, cases[i].id);
		g_assert_true(cases[i].text == NULL || strstr(answer.text, cases[i].text) != NULL);
	}
}

static void
adcs_test_other_pages(void)
{
	g_autoptr(GError) error = NULL;
	g_auto(AdcsAnswer) waiting = { 0 }, denied = { 0 }, none = { 0 };
	g_autoptr(GBytes) page = adcs_test_load("page-waiting.html", NULL, NULL);
	g_assert_true(adcs_pages_parse_waiting(page, &waiting, &error));
	g_assert_cmpint(waiting.outcome, ==, PV_CA_PENDING);
	g_assert_cmpstr(waiting.text, ==, "Taken Under Submission");
	g_autoptr(GBytes) refused = adcs_test_load("page-waiting.html", "Taken Under Submission", "Denied by EX\\boss");
	g_assert_true(adcs_pages_parse_waiting(refused, &denied, &error));
	g_assert_cmpint(denied.outcome, ==, PV_CA_DENIED);
	guint renewals = 9;
	g_autoptr(GBytes) list = adcs_test_load("page-renewals.html", "nRenewals=0", "nRenewals = 3");
	g_assert_true(adcs_pages_parse_renewals(list, &renewals, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(renewals, ==, 3);
	g_assert_false(adcs_pages_parse_renewals(page, &renewals, &error));
	adcs_test_assert_error(error, PV_ERROR_PROTOCOL, "no number of renewals");
	g_clear_error(&error);
	g_autoptr(GBytes) login = g_bytes_new_static("<html><b>Sign in</b></html>", 27);
	g_assert_false(adcs_pages_parse_submitted(login, &none, &error));
	adcs_test_assert_error(error, PV_ERROR_PROTOCOL, "none of issued, pending and denied");
}

static void
adcs_test_status(void)
{
	g_assert_cmpint(adcs_status_find("x 0x80094800, y"), ==, -2146875392);
	g_assert_cmpint(adcs_status_find("0x00000001 0x8009480"), ==, 0);
	g_assert_cmpint(adcs_status_find("0x8009480000"), ==, 0);
}

static void
adcs_test_lines(void)
{
	g_autofree char *plain = adcs_text_dup_line(" a\r\n\tb\001\xe2\x80\xae" "c\xff ", -1, 100);
	g_assert_cmpstr(plain, ==, "a b c\xef\xbf\xbd");
	g_autofree char *cut = adcs_text_dup_line("a\xc3\xa4\xc3\xa4", -1, 4);
	g_assert_cmpstr(cut, ==, "a\xc3\xa4");
}

/* ---- the provider, against a web server that says what the fixtures say ---- */

typedef struct {
	char *dir;              /* owned: temporary */
	PvLoader *loader;       /* owned */
	const PvCa *ca;         /* the loader's */
	SSL_CTX *tls;           /* owned */
	FakeHttp *http;         /* owned */
	PvJson *json;           /* owned */
	PvValues *values;       /* owned */
	const char *answer;     /* fixture; NULL: 404 */
	guint status;
	char *poll_host;        /* owned; of the Reference URI in an answer; NULL: the server itself */
} Fixture;

static gboolean
adcs_test_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	Fixture *test = data;
	if (test->answer == NULL)
		return fake_http_reply(connection, 404, "", "nothing");
	g_autofree char *text = adcs_test_read(test->answer);
	g_auto(GStrv) parts = g_strsplit(text, "localhost:18443", -1);
	g_autofree char *self = g_strdup_printf("localhost:%u", fake_http_get_port(test->http));
	g_autofree char *body = g_strjoinv(test->poll_host != NULL ? test->poll_host : self, parts);
	return fake_http_reply(connection, test->status, "Content-Type: application/soap+xml; charset=utf-8\r\n", body);
}

static void
adcs_test_set_up(Fixture *test, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	test->dir = g_dir_make_tmp("provost-adcs-XXXXXX", &error);
	g_assert_no_error(error);
	g_autofree char *libs = g_test_build_filename(G_TEST_BUILT, "plugins", "adcs", ".libs", NULL);
	test->loader = pv_loader_new((const char *const[]) { libs, NULL });
	g_assert_nonnull(pv_loader_load(test->loader, "adcs", &error));
	g_assert_no_error(error);
	test->ca = pv_loader_find_ca(test->loader, "adcs");
	g_assert_nonnull(test->ca);
	g_autoptr(FakeCert) root = fake_cert_new(&(FakeCertSpec) { .common_name = "Root", .is_ca = TRUE });
	g_autoptr(FakeCert) cert = fake_cert_new(&(FakeCertSpec) {
	    .common_name = "localhost", .dns_name = "localhost", .ekus = "serverAuth", .issuer = root });
	test->tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(test->tls, cert->certificate);
	SSL_CTX_use_PrivateKey(test->tls, cert->key);
	g_autofree char *pem = fake_cert_dup_pem(root, root, NULL);
	g_free(pv_test_write(test->dir, "root.pem", pem, 0600));
	g_free(pv_test_write(test->dir, "password", "Passw0rd!", 0600));
	test->status = 200;
	test->http = fake_http_new(test->tls, adcs_test_handle, test);
}

static void
adcs_test_tear_down(Fixture *test, gconstpointer unused)
{
	fake_http_free(test->http);
	SSL_CTX_free(test->tls);
	pv_values_unref(test->values);
	pv_json_unref(test->json);
	pv_loader_free(test->loader);
	pv_test_remove_all(test->dir);
	g_free(test->dir);
	g_free(test->poll_host);
}

/* @format: members of the site's "ca"; %1$u is the server's port, %2$s the folder */
static gpointer
adcs_test_try_open(Fixture *test, const char *format, GError **error)
{
	g_autoptr(GError) local_error = NULL;
	g_autofree char *port = g_strdup_printf("%u", fake_http_get_port(test->http));
	g_autoptr(GString) text = g_string_new(format);
	g_string_replace(text, "PORT", port, 0);
	g_string_replace(text, "DIR", test->dir, 0);
	g_clear_pointer(&test->values, pv_values_unref);
	g_clear_pointer(&test->json, pv_json_unref);
	test->json = pv_json_parse("site.json", text->str, -1, &local_error);
	g_assert_no_error(local_error);
	test->values = pv_values_parse(test->json, "$", test->ca->params, NULL, &local_error);
	g_assert_no_error(local_error);
	return test->ca->open(test->values, error);
}

#define ADCS_TEST_LOGIN \
	"\"auth\": \"username-password\", \"user\": \"alice\", \"password\": {\"file\": \"DIR/password\"}, \"trust\": \"DIR/root.pem\", "
#define ADCS_TEST_CES "{" ADCS_TEST_LOGIN "\"url\": \"https://localhost:PORT/ces\", \"template\": \"AMTManual\"}"
#define ADCS_TEST_CEP "{" ADCS_TEST_LOGIN "\"policy-url\": \"https://localhost:PORT/cep\"}"

static gpointer
adcs_test_open(Fixture *test, const char *format)
{
	g_autoptr(GError) error = NULL;
	gpointer handle = adcs_test_try_open(test, format, &error);
	g_assert_no_error(error);
	g_assert_nonnull(handle);
	return handle;
}

static void
adcs_test_settings(Fixture *test, gconstpointer unused)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
		{ "{}", "\"discover\" is needed" },
		{ "{\"url\": \"http://ca/\"}", "$.url: an https url is wanted" },
		{ "{\"url\": \"https://me:it@ca/\"}", "an https url is wanted" },
		{ "{\"mode\": \"certsrv\"}", "mode certsrv needs it" },
		{ "{\"mode\": \"certsrv\", \"url\": \"https://ca/certsrv\", \"policy-url\": \"https://ca/x\"}", "no policy service" },
		{ "{\"auth\": \"certificate\", \"url\": \"https://ca/\"}", "needs \"certificate\"" },
		{ "{\"auth\": \"username-password\", \"url\": \"https://ca/\", \"user\": \"a\"}", "belong together" },
		{ "{\"url\": \"https://ca/\", \"keytab\": \"a\", \"ccache\": \"b\"}", "only one of" },
		{ "{\"url\": \"https://ca/\", \"password\": {\"file\": \"DIR/password\"}}", "needs \"principal\"" },
		{ "{\"auth\": \"username-password\", \"policy-url\": \"https://ca/\"}", "give it a login of its own" },
		{ "{" ADCS_TEST_LOGIN "\"url\": \"https://ca/\", \"chain\": \"DIR/password\"}", "$.chain: " },
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(adcs_test_try_open(test, cases[i].json, &error));
		adcs_test_assert_error(error, PV_ERROR_CONFIG, cases[i].text);
	}
}

static const PvCertRequest adcs_test_wanted = { .common_name = "amt-pc01.corp.example.com", .ekus = adcs_test_server };

/* asked again at the host that was asked, wherever the answer sends us; a second submission is the first one */
static void
adcs_test_poll(Fixture *test, gconstpointer elsewhere)
{
	g_autoptr(GError) error = NULL;
	g_auto(PvCaReply) first = { 0 }, again = { 0 }, last = { 0 };
	test->answer = "pending.xml";
	test->poll_host = g_strdup(elsewhere);
	gpointer ca = adcs_test_open(test, ADCS_TEST_CES);
	g_autoptr(GBytes) csr = g_bytes_new_static("csr", 3);
	g_assert_true(test->ca->submit(ca, &adcs_test_wanted, csr, NULL, &first, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpint(first.outcome, ==, PV_CA_PENDING);
	g_assert_cmpuint(first.not_before_sec, ==, 300);
	g_assert_null(strstr(first.cookie, "Passw0rd"));
	g_assert_null(strstr(first.cookie, "evil"));
	g_assert_true(test->ca->submit(ca, &adcs_test_wanted, csr, NULL, &again, NULL, &error));
	g_assert_cmpstr(again.cookie, ==, first.cookie);
	g_assert_cmpuint(fake_http_get_count(test->http), ==, 1);

	test->answer = "issued.xml";
	/* as if the store had been tampered with, or the site had moved */
	const char *cookie = elsewhere != NULL ? "62 https://evil.example.com/x" : first.cookie;
	g_assert_true(test->ca->poll(ca, &adcs_test_wanted, csr, cookie, NULL, &last, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpint(last.outcome, ==, PV_CA_ISSUED);
	const FakeHttpRequest *poll = fake_http_get_request(test->http, 1);
	g_assert_nonnull(strstr(poll->body, "QueryTokenStatus"));
	g_assert_nonnull(strstr(poll->body, ">62</RequestID>"));
	g_assert_cmpstr(poll->path, ==, elsewhere != NULL ? "/ces" : "/Example-CA_CES_UsernamePassword/service.svc/CES");
	test->ca->close(ca);
}

/* a denial is not remembered: the administrator mends the template, and the same request is good */
static void
adcs_test_mended(Fixture *test, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_auto(PvCaReply) denied = { 0 }, issued = { 0 };
	test->answer = "denied.xml";
	test->status = 500;
	gpointer ca = adcs_test_open(test, ADCS_TEST_CES);
	g_autoptr(GBytes) csr = g_bytes_new_static("csr", 3);
	g_assert_true(test->ca->submit(ca, &adcs_test_wanted, csr, NULL, &denied, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpint(denied.outcome, ==, PV_CA_DENIED);
	test->answer = "issued.xml";
	test->status = 200;
	g_assert_true(test->ca->submit(ca, &adcs_test_wanted, csr, NULL, &issued, NULL, &error));
	g_assert_cmpint(issued.outcome, ==, PV_CA_ISSUED);
	test->ca->close(ca);
}

/* somebody who needs the login of the service */
typedef struct {
	const PvCa *ca;
	gpointer handle;
	GCancellable *cancellable;
	GError *error;
} AdcsTestAsker;

static gpointer
adcs_test_ask(gpointer data)
{
	AdcsTestAsker *asker = data;
	g_auto(PvCaReply) reply = { 0 };
	g_autoptr(GBytes) csr = g_bytes_new_static("csr", 3);
	g_assert_false(asker->ca->submit(
	    asker->handle, &adcs_test_wanted, csr, NULL, &reply, asker->cancellable, &asker->error));
	return NULL;
}

/* While one waits for a KDC that hangs, another one asks it for itself, and can be cancelled. */
static void
adcs_test_silent_kdc(Fixture *test, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
	g_autoptr(GSocketAddress) any = g_inet_socket_address_new(loopback, 0);
	g_autoptr(GSocket) kdc =
	    g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &error);
	g_assert_true(g_socket_bind(kdc, any, FALSE, &error) && g_socket_listen(kdc, &error));
	g_autoptr(GSocketAddress) bound = g_socket_get_local_address(kdc, &error);
	g_autofree char *format = g_strdup_printf(
	    "{\"url\": \"https://localhost:PORT/ces\", \"template\": \"x\", \"principal\": \"provost\", "
	    "\"realm\": \"EXAMPLE.COM\", \"password\": {\"file\": \"DIR/password\"}, "
	    "\"kdcs\": [\"127.0.0.1:%u\"]}",
	    g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound)));
	AdcsTestAsker first = { .ca = test->ca, .handle = adcs_test_open(test, format) };
	first.cancellable = g_cancellable_new();
	AdcsTestAsker second = first;
	second.cancellable = g_cancellable_new();
	GThread *one = g_thread_new("first", adcs_test_ask, &first);
	g_autoptr(GSocket) asked = g_socket_accept(kdc, NULL, &error);
	g_assert_no_error(error);
	GThread *two = g_thread_new("second", adcs_test_ask, &second);
	/* it comes, too, though the first has no answer yet; KDCs are given up after five seconds */
	g_socket_set_timeout(kdc, 3);
	g_autoptr(GSocket) also = g_socket_accept(kdc, NULL, &error);
	g_assert_no_error(error);
	g_cancellable_cancel(second.cancellable);
	g_thread_join(two);
	g_assert_error(second.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
	g_cancellable_cancel(first.cancellable);
	g_thread_join(one);
	g_assert_error(first.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
	test->ca->close(first.handle);
	g_clear_error(&first.error);
	g_clear_error(&second.error);
	g_object_unref(first.cancellable);
	g_object_unref(second.cancellable);
}

static void
adcs_test_prepare(Fixture *test, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_auto(PvCaPreparation) named = { 0 }, numbered = { 0 }, none = { 0 };
	PvCertRequest request = adcs_test_wanted;
	test->answer = "policy.xml";
	gpointer ca = adcs_test_open(test, ADCS_TEST_CEP);
	request.template_name = "amtwebserver";
	g_assert_true(test->ca->prepare(ca, &request, &named, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(named.template_extension, ==, "AMTWebServer");
	request.template_name = "1.3.6.1.4.1.311.21.8.1.2.3.4.5.6.1.100";
	g_assert_true(test->ca->prepare(ca, &request, &numbered, NULL, &error));
	g_assert_cmpstr(numbered.template_extension, ==, request.template_name);
	/* the policy was read once, and is read again only for what is not in it */
	g_assert_cmpuint(fake_http_get_count(test->http), ==, 1);
	request.template_name = "Nonsense";
	g_assert_false(test->ca->prepare(ca, &request, &none, NULL, &error));
	adcs_test_assert_error(error, PV_ERROR_CONFIG, "template \"Nonsense\" is not in the policy");
	g_assert_cmpuint(fake_http_get_count(test->http), ==, 2);
	g_clear_error(&error);
	/* while the service is down, what was known of it will do */
	test->status = 503;
	g_assert_false(test->ca->prepare(ca, &request, &none, NULL, &error));
	adcs_test_assert_error(error, PV_ERROR_CONFIG, "template \"Nonsense\" is not in the policy");
	g_clear_error(&error);
	request.template_name = NULL;
	g_assert_false(test->ca->prepare(ca, &request, &none, NULL, &error));
	adcs_test_assert_error(error, PV_ERROR_CONFIG, "name the template");
	g_clear_error(&error);
	g_autoptr(GPtrArray) chain = test->ca->chain(ca, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(chain->len, ==, 1);
	test->ca->close(ca);
}

static void
adcs_test_statuses(Fixture *test, gconstpointer unused)
{
	static const struct {
		const char *answer;
		guint status;
		PvError code;
		const char *text;
	} cases[] = {
		{ NULL, 404, PV_ERROR_CONFIG, "there is no such service" },
		{ "issued.xml", 403, PV_ERROR_AUTH, "does not let this account" },
		{ "issued.xml", 302, PV_ERROR_CONFIG, "sends elsewhere" },
		{ "issued.xml", 503, PV_ERROR_UNREACHABLE, "is not up" },
		{ "issued.xml", 204, PV_ERROR_PROTOCOL, "http status 204" },
	};
	gpointer ca = adcs_test_open(test, ADCS_TEST_CES);
	g_autoptr(GBytes) csr = g_bytes_new_static("csr", 3);
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_auto(PvCaReply) reply = { 0 };
		test->answer = cases[i].answer;
		test->status = cases[i].status;
		g_assert_false(test->ca->submit(ca, &adcs_test_wanted, csr, NULL, &reply, NULL, &error));
		adcs_test_assert_error(error, cases[i].code, cases[i].text);
		g_assert_null(strstr(error->message, "Passw0rd"));
	}
	test->ca->close(ca);
}

/* an unreachable CA, and a template that the CA does not have */
static void
adcs_test_told_apart(Fixture *test, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_auto(PvCaReply) unknown = { 0 }, none = { 0 };
	test->answer = "unknown-template.xml";
	test->status = 500;
	gpointer ca = adcs_test_open(test, ADCS_TEST_CES);
	g_autoptr(GBytes) csr = g_bytes_new_static("csr", 3);
	g_assert_true(test->ca->submit(ca, &adcs_test_wanted, csr, NULL, &unknown, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpint(unknown.outcome, ==, PV_CA_DENIED);
	g_assert_nonnull(strstr(unknown.text, "the ca does not issue this template"));
	test->ca->close(ca);
	/* nobody listens there */
	ca = adcs_test_open(test, "{" ADCS_TEST_LOGIN "\"url\": \"https://localhost:1/ces\", \"template\": \"T\"}");
	g_assert_false(test->ca->submit(ca, &adcs_test_wanted, csr, NULL, &none, NULL, &error));
	adcs_test_assert_error(error, PV_ERROR_UNREACHABLE, "localhost:1");
	test->ca->close(ca);
}

/* the device's own account, and no other's, is in the message */
static void
adcs_test_as_device(Fixture *test, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_auto(PvCaReply) own = { 0 }, service = { 0 }, none = { 0 };
	g_autoptr(PvSecret) password = pv_secret_new("Device-Secret-1", -1);
	const PvCaIdentity identity = { "pc1$iME", "EXAMPLE.COM", password };
	test->answer = "issued.xml";
	gpointer ca = adcs_test_open(test, ADCS_TEST_CES);
	g_autoptr(GBytes) csr = g_bytes_new_static("csr", 3);
	g_assert_true(test->ca->submit(ca, &adcs_test_wanted, csr, &identity, &own, NULL, &error));
	g_assert_no_error(error);
	const char *body = fake_http_get_request(test->http, 0)->body;
	g_assert_nonnull(strstr(body, ">pc1$iME@EXAMPLE.COM<"));
	g_assert_nonnull(strstr(body, ">Device-Secret-1<"));
	g_assert_null(strstr(body, "alice"));
	/* what the device got is not what the service gets for the same request */
	g_assert_true(test->ca->submit(ca, &adcs_test_wanted, csr, NULL, &service, NULL, &error));
	g_assert_cmpuint(fake_http_get_count(test->http), ==, 2);
	g_assert_nonnull(strstr(fake_http_get_request(test->http, 1)->body, ">alice<"));
	test->ca->close(ca);
	g_free(pv_test_write(test->dir, "none.pem", "", 0600));
	ca = adcs_test_open(test, "{\"auth\": \"certificate\", \"certificate\": \"DIR/none.pem\", "
				  "\"url\": \"https://localhost:PORT/ces\", \"template\": \"T\"}");
	g_assert_false(test->ca->submit(ca, &adcs_test_wanted, csr, &identity, &none, NULL, &error));
	adcs_test_assert_error(error, PV_ERROR_CONFIG, "a device has no certificate to log in with");
	test->ca->close(ca);
}

static void
adcs_test_revoke(Fixture *test, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	gpointer ca = adcs_test_open(test, ADCS_TEST_CES);
	g_autoptr(FakeCert) cert = fake_cert_new(&(FakeCertSpec) { .common_name = "pc" });
	g_autoptr(GBytes) der = fake_cert_dup_der(cert);
	g_assert_false(test->ca->revoke(ca, der, 4, NULL, &error));
	adcs_test_assert_error(error, PV_ERROR_UNSUPPORTED, "certutil -revoke ");
	g_assert_true(g_str_has_suffix(error->message, " 4"));
	test->ca->close(ca);
}

#define ADD(path, function) g_test_add_func(path, function)
#define ADD_FIXTURE(path, data, function) \
	g_test_add(path, Fixture, data, adcs_test_set_up, function, adcs_test_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("/plugins/adcs/enrol/issued", adcs_test_issued);
	ADD("/plugins/adcs/enrol/issued-in-chain", adcs_test_issued_in_chain);
	ADD("/plugins/adcs/enrol/pending", adcs_test_pending);
	ADD("/plugins/adcs/enrol/denied", adcs_test_denied);
	ADD("/plugins/adcs/enrol/failures", adcs_test_failures);
	ADD("/plugins/adcs/enrol/bounds", adcs_test_bounds);
	ADD("/plugins/adcs/enrol/request", adcs_test_request);
	ADD("/plugins/adcs/enrol/query", adcs_test_query);
	ADD("/plugins/adcs/policy/templates", adcs_test_templates);
	ADD("/plugins/adcs/policy/rules", adcs_test_template_rules);
	ADD("/plugins/adcs/policy/endpoints", adcs_test_endpoints);
	ADD("/plugins/adcs/policy/enrollment-servers", adcs_test_enrollment_servers);
	ADD("/plugins/adcs/pages/form", adcs_test_form);
	ADD("/plugins/adcs/pages/submitted", adcs_test_pages);
	ADD("/plugins/adcs/pages/others", adcs_test_other_pages);
	ADD("/plugins/adcs/status", adcs_test_status);
	ADD("/plugins/adcs/lines", adcs_test_lines);
	ADD_FIXTURE("/plugins/adcs/settings", NULL, adcs_test_settings);
	ADD_FIXTURE("/plugins/adcs/poll/where-told", NULL, adcs_test_poll);
	ADD_FIXTURE("/plugins/adcs/poll/never-elsewhere", "evil.example.com", adcs_test_poll);
	ADD_FIXTURE("/plugins/adcs/mended", NULL, adcs_test_mended);
	ADD_FIXTURE("/plugins/adcs/silent-kdc", NULL, adcs_test_silent_kdc);
	ADD_FIXTURE("/plugins/adcs/prepare", NULL, adcs_test_prepare);
	ADD_FIXTURE("/plugins/adcs/statuses", NULL, adcs_test_statuses);
	ADD_FIXTURE("/requirements/S07-1.29/adcs/told-apart", NULL, adcs_test_told_apart);
	ADD_FIXTURE("/requirements/S12-06.3/adcs/as-device", NULL, adcs_test_as_device);
	ADD_FIXTURE("/plugins/adcs/revoke", NULL, adcs_test_revoke);
	return g_test_run();
}
