/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-enrol.h"
#include "adcs-x509.h"
#include "adcs-status.h"
#include "adcs-xml.h"

#include <openssl/crypto.h>
#include <provost/pki.h>
#include <string.h>

#define ENROL_ACTION ADCS_NS_ENROLLMENT "/RST/wstep"
#define ENROL_ISSUE ADCS_NS_TRUST "/Issue"
#define ENROL_QUERY ADCS_NS_ENROLLMENT "/QueryTokenStatus"
#define ENROL_TOKEN "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
#define ENROL_PASSWORD "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"
#define ENROL_POLICY_ACTION ADCS_NS_POLICY "/IPolicy/GetPolicies"
#define ENROL_TEXT_MAX 300 /* bytes of a server's words that reach a text of ours */
#define ENROL_PKCS7_MAX (128 * 1024)
#define ENROL_CERTIFICATE_MAX 16384
#define ENROL_ROOM 8192 /* bytes of an envelope beside its content */

/* ---- writing ---- */

static void
adcs_enrol_wipe(gpointer data)
{
	GString *text = data;
	OPENSSL_cleanse(text->str, text->allocated_len);
	g_string_free(text, TRUE);
}

/* The password of the message, over TLS (WSS UsernameToken Profile 1.0, section 3.1); AD CS wants neither nonce nor time. */
static gboolean
adcs_enrol_append_login(GString *out, const AdcsHeader *header)
{
	if (header->user == NULL)
		return TRUE;
	g_string_append(out,
	    "<o:Security s:mustUnderstand=\"1\" xmlns:o=\"" ADCS_NS_SECURITY
	    "\"><o:UsernameToken><o:Username>");
	gboolean ok = adcs_xml_append(out, header->user);
	g_string_append(out, "</o:Username><o:Password Type=\"" ENROL_PASSWORD "\">");
	ok = ok && adcs_xml_append(out, pv_secret_peek(header->password, NULL));
	g_string_append(out, "</o:Password></o:UsernameToken></o:Security>");
	return ok;
}

/* @content: the element in the body; its values are checked already */
static GBytes *
adcs_enrol_wrap(const AdcsHeader *header, const char *action, const char *content, GError **error)
{
	/* all at once: no copy of the password is left behind by growing */
	gsize room = ENROL_ROOM + strlen(content) +
		     6 * (strlen(header->url) + (header->user == NULL ? 0 : strlen(header->user)));
	gsize secret = 0;
	if (header->password != NULL)
		(void)pv_secret_peek(header->password, &secret);
	GString *out = g_string_sized_new(room + 6 * secret);
	g_autofree char *id = g_uuid_string_random();
	g_string_append_printf(out,
	    "<s:Envelope xmlns:s=\"" ADCS_NS_SOAP "\" xmlns:a=\"" ADCS_NS_ADDRESSING
	    "\"><s:Header><a:Action s:mustUnderstand=\"1\">%s</a:Action><a:MessageID>urn:uuid:%s"
	    "</a:MessageID><a:ReplyTo><a:Address>" ADCS_NS_ADDRESSING
	    "/anonymous</a:Address></a:ReplyTo><a:To s:mustUnderstand=\"1\">",
	    action, id);
	gboolean ok = adcs_xml_append(out, header->url);
	g_string_append(out, "</a:To>");
	ok = ok && adcs_enrol_append_login(out, header);
	g_string_append_printf(out, "</s:Header><s:Body>%s</s:Body></s:Envelope>", content);
	if (!ok) {
		adcs_enrol_wipe(out);
		g_set_error_literal(error, PV_ERROR, PV_ERROR_CONFIG,
		    "write the request: url, user or password has a character that xml cannot "
		    "carry");
		return NULL;
	}
	return g_bytes_new_with_free_func(out->str, out->len, adcs_enrol_wipe, out);
}

/* MS-WSTEP 3.1.4.1.3.3; English texts are asked for, and not relied on */
static char *
adcs_enrol_dup_token_request(const char *type, const char *token, const char *request_id)
{
	return g_strdup_printf(
	    "<RequestSecurityToken PreferredLanguage=\"en-US\" xmlns=\"" ADCS_NS_TRUST
	    "\"><TokenType>" ENROL_TOKEN "</TokenType><RequestType>%s</RequestType>%s"
	    "<RequestID xmlns=\"" ADCS_NS_ENROLLMENT "\"%s</RequestID></RequestSecurityToken>",
	    type, token, request_id);
}

GBytes *
adcs_enrol_new_request(const AdcsHeader *header, GBytes *csr_der, GError **error)
{
	gsize length = 0;
	const guchar *data = g_bytes_get_data(csr_der, &length);
	g_autofree char *csr = g_base64_encode(data, length);
	g_autofree char *token = g_strdup_printf(
	    "<BinarySecurityToken ValueType=\"" ADCS_NS_ENROLLMENT "#PKCS10\" EncodingType=\""
	    ADCS_NS_SECURITY "#base64binary\" xmlns=\"" ADCS_NS_SECURITY "\">%s</BinarySecurityToken>",
	    csr);
	g_autofree char *content = adcs_enrol_dup_token_request(
	    ENROL_ISSUE, token, " xmlns:i=\"" ADCS_NS_XSI "\" i:nil=\"true\">");
	return adcs_enrol_wrap(header, ENROL_ACTION, content, error);
}

GBytes *
adcs_enrol_new_query(const AdcsHeader *header, const char *request_id, GError **error)
{
	g_autoptr(GString) id = g_string_new(">");
	if (!adcs_xml_append(id, request_id)) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_CONFIG,
		    "write the request: its number has a character that xml cannot carry");
		return NULL;
	}
	g_autofree char *content = adcs_enrol_dup_token_request(ENROL_QUERY, "", id->str);
	return adcs_enrol_wrap(header, ENROL_ACTION, content, error);
}

GBytes *
adcs_enrol_new_get_policies(const AdcsHeader *header, GError **error)
{
	return adcs_enrol_wrap(header, ENROL_POLICY_ACTION,
	    "<GetPolicies xmlns=\"" ADCS_NS_POLICY "\" xmlns:i=\"" ADCS_NS_XSI
	    "\"><client><lastUpdate i:nil=\"true\"/><preferredLanguage i:nil=\"true\"/></client>"
	    "<requestFilter i:nil=\"true\"/></GetPolicies>",
	    error);
}

/* ---- reading ---- */

void
adcs_answer_clear(AdcsAnswer *answer)
{
	g_clear_pointer(&answer->certificate, g_bytes_unref);
	g_clear_pointer(&answer->chain, g_ptr_array_unref);
	g_clear_pointer(&answer->request_id, g_free);
	g_clear_pointer(&answer->poll_uri, g_free);
	g_clear_pointer(&answer->text, g_free);
}

static char *
adcs_enrol_dup_attribute(const xmlNode *node, const char *name, gsize max)
{
	xmlChar *value =
	    node == NULL ? NULL : xmlGetNoNsProp((xmlNode *)node, (const xmlChar *)name);
	char *text = value == NULL ? NULL : adcs_text_dup_line((char *)value, -1, max);
	xmlFree(value);
	return text;
}

/* SOAP 1.2, 5.4.1.3: the innermost subcode tells most; its prefix is the server's choice. */
static char *
adcs_enrol_dup_subcode(const xmlNode *fault)
{
	const xmlNode *code = adcs_xml_child(fault, ADCS_NS_SOAP, "Code");
	for (guint depth = 0; depth < 4; depth++) {
		const xmlNode *subcode = adcs_xml_child(code, ADCS_NS_SOAP, "Subcode");
		if (subcode == NULL)
			break;
		code = subcode;
	}
	g_autofree char *value =
	    adcs_xml_dup_text(adcs_xml_child(code, ADCS_NS_SOAP, "Value"), 100);
	const char *colon = value == NULL ? NULL : strrchr(value, ':');
	return g_strdup(colon != NULL ? colon + 1 : value != NULL ? value : "");
}

typedef struct {
	const char *subcode;
	PvError code;
	const char *text;
} EnrolFault;

/* WCF's own subcodes, and those of WS-Security 1.0 (section 12) and WS-Addressing 1.0 (SOAP binding, section 6.4) */
/* clang-format off */
static const EnrolFault enrol_faults[] = {
	{ "FailedAuthentication", PV_ERROR_AUTH, "user or password is wrong, or the account is disabled, locked or expired" },
	{ "InvalidSecurityToken", PV_ERROR_AUTH, "the service takes another kind of login: compare \"auth\" with the end of the url" },
	{ "InvalidSecurity", PV_ERROR_AUTH, "the service takes another kind of login: compare \"auth\" with the end of the url" },
	{ "FailedCheck", PV_ERROR_AUTH, "the service takes another kind of login: compare \"auth\" with the end of the url" },
	{ "ActionNotSupported", PV_ERROR_CONFIG, "this is another service: compare the url" },
	{ "DestinationUnreachable", PV_ERROR_CONFIG, "the service has another address: write the url as the service has it" },
	{ "InternalServiceFault", PV_ERROR_UNREACHABLE,
	    "the web service failed inside: most often it may not delegate the login to the ca, or the ca is down; its event log tells" },
};
/* clang-format on */

static void
adcs_enrol_set_fault(const xmlNode *fault, const char *what, GError **error)
{
	g_autofree char *subcode = adcs_enrol_dup_subcode(fault);
	g_autofree char *reason = adcs_xml_dup_text(
	    adcs_xml_child(adcs_xml_child(fault, ADCS_NS_SOAP, "Reason"), ADCS_NS_SOAP, "Text"),
	    ENROL_TEXT_MAX);
	PvError code = PV_ERROR_PROTOCOL;
	const char *text = "it did not understand the request";
	for (guint i = 0; i < G_N_ELEMENTS(enrol_faults); i++)
		if (g_str_equal(enrol_faults[i].subcode, subcode)) {
			code = enrol_faults[i].code;
			text = enrol_faults[i].text;
		}
	g_set_error(error, PV_ERROR, code, "%s: %s (%s%s%s%s%s)", what, text,
	    *subcode != '\0' ? subcode : "fault", reason != NULL ? ": " : "", reason != NULL ? "\"" : "",
	    reason != NULL ? reason : "", reason != NULL ? "\"" : "");
}

/* MS-WSTEP 3.1.4.1.2.4: the CA's decision, with its HRESULT as a signed number */
static gboolean
adcs_enrol_read_denial(
    const xmlNode *fault, const xmlNode *detail, AdcsAnswer *answer, GError **error)
{
	gint64 code = 0;
	if (!adcs_xml_get_number(adcs_xml_child(detail, ADCS_NS_ENROLLMENT, "ErrorCode"), G_MININT32,
		G_MAXUINT32, &code)) {
		adcs_enrol_set_fault(fault, "the enrolment service", error);
		return FALSE;
	}
	g_autofree char *said = adcs_xml_dup_text(
	    adcs_xml_child(adcs_xml_child(fault, ADCS_NS_SOAP, "Reason"), ADCS_NS_SOAP, "Text"),
	    ENROL_TEXT_MAX);
	answer->outcome = PV_CA_DENIED;
	answer->request_id =
	    adcs_xml_dup_text(adcs_xml_child(detail, ADCS_NS_ENROLLMENT, "RequestID"), 64);
	return adcs_status_is_denial((gint32)(guint32)code, said, &answer->text, error);
}

/* The leaf, where the answer has it in the PKCS#7 only: of an end entity there is one. */
static GBytes *
adcs_enrol_find_leaf(GPtrArray *chain)
{
	for (guint i = 0; i < chain->len; i++)
		if (!adcs_x509_is_ca(chain->pdata[i]))
			return g_bytes_ref(chain->pdata[i]);
	return NULL;
}

static gboolean
adcs_enrol_read_chain(const xmlNode *response, AdcsAnswer *answer, GError **error)
{
	const xmlNode *token = adcs_xml_child(response, ADCS_NS_SECURITY, "BinarySecurityToken");
	answer->chain = adcs_chain_new();
	if (token == NULL)
		return TRUE;
	g_autoptr(GBytes) cms = adcs_xml_dup_binary(token, ENROL_PKCS7_MAX);
	GPtrArray *chain = cms == NULL ? NULL : pv_pki_parse_certificates(cms, error);
	if (cms == NULL)
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "its pkcs#7 is no base64, or too long");
	if (chain == NULL) {
		g_prefix_error(error, "read the enrolment service's answer: ");
		return FALSE;
	}
	g_ptr_array_unref(answer->chain);
	answer->chain = chain;
	return TRUE;
}

static gboolean
adcs_enrol_read_issued(const xmlNode *response, const xmlNode *leaf, AdcsAnswer *answer, GError **error)
{
	answer->outcome = PV_CA_ISSUED;
	if (!adcs_enrol_read_chain(response, answer, error))
		return FALSE;
	answer->certificate = leaf != NULL ? adcs_xml_dup_binary(leaf, ENROL_CERTIFICATE_MAX)
					   : adcs_enrol_find_leaf(answer->chain);
	if (answer->certificate != NULL)
		return TRUE;
	g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
	    "read the enrolment service's answer: it has no certificate, or one that is no base64");
	return FALSE;
}

/* MS-WSTEP 3.1.4.1.3.4. Whether it is pending, issued or neither is told by what is there, for the words are localised. */
static gboolean
adcs_enrol_read_response(const xmlNode *response, AdcsAnswer *answer, GError **error)
{
	const xmlNode *requested = adcs_xml_child(response, ADCS_NS_TRUST, "RequestedSecurityToken");
	const xmlNode *leaf = adcs_xml_child(requested, ADCS_NS_SECURITY, "BinarySecurityToken");
	const xmlNode *reference =
	    adcs_xml_child(adcs_xml_child(requested, ADCS_NS_SECURITY, "SecurityTokenReference"),
		ADCS_NS_SECURITY, "Reference");
	answer->text = adcs_xml_dup_text(
	    adcs_xml_child(response, ADCS_NS_ENROLLMENT, "DispositionMessage"), ENROL_TEXT_MAX);
	answer->request_id =
	    adcs_xml_dup_text(adcs_xml_child(response, ADCS_NS_ENROLLMENT, "RequestID"), 64);
	if (leaf != NULL || reference == NULL)
		return adcs_enrol_read_issued(response, leaf, answer, error);
	answer->outcome = PV_CA_PENDING;
	answer->poll_uri = adcs_enrol_dup_attribute(reference, "URI", 1024);
	if (answer->request_id != NULL)
		return TRUE;
	g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
	    "read the enrolment service's answer: the request waits and has no number");
	return FALSE;
}

static gboolean
adcs_enrol_read_body(AdcsDocument *document, AdcsAnswer *answer, GError **error)
{
	const xmlNode *fault = adcs_xml_body(document, ADCS_NS_SOAP, "Fault");
	const xmlNode *detail = adcs_xml_child(adcs_xml_child(fault, ADCS_NS_SOAP, "Detail"),
	    ADCS_NS_ENROLLMENT, "CertificateEnrollmentWSDetail");
	if (detail != NULL)
		return adcs_enrol_read_denial(fault, detail, answer, error);
	if (fault != NULL) {
		adcs_enrol_set_fault(fault, "the enrolment service", error);
		return FALSE;
	}
	const xmlNode *response =
	    adcs_xml_child(adcs_xml_body(document, ADCS_NS_TRUST, "RequestSecurityTokenResponseCollection"),
		ADCS_NS_TRUST, "RequestSecurityTokenResponse");
	if (response != NULL)
		return adcs_enrol_read_response(response, answer, error);
	g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
	    "read the enrolment service's answer: it is neither a response nor a fault");
	return FALSE;
}

gboolean
adcs_enrol_parse(GBytes *body, AdcsAnswer *answer, GError **error)
{
	*answer = (AdcsAnswer) { 0 };
	g_autoptr(AdcsDocument) document =
	    adcs_xml_parse(body, ADCS_ANSWER_MAX_BYTES, "the enrolment service's answer", error);
	if (document != NULL && adcs_enrol_read_body(document, answer, error))
		return TRUE;
	adcs_answer_clear(answer);
	return FALSE;
}

gboolean
adcs_enrol_read_fault(GBytes *body, const char *what, GError **error)
{
	g_autoptr(AdcsDocument) document = adcs_xml_parse(body, ADCS_ANSWER_MAX_BYTES, what, NULL);
	const xmlNode *fault =
	    document == NULL ? NULL : adcs_xml_body(document, ADCS_NS_SOAP, "Fault");
	if (fault == NULL)
		return FALSE;
	adcs_enrol_set_fault(fault, what, error);
	return TRUE;
}
