/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-status.h"

#include <string.h>

typedef enum {
	STATUS_DENIED,
	STATUS_UNREACHABLE, /* the CA did not decide; later it may */
	STATUS_AUTH,
} StatusKind;

typedef struct {
	guint32 code;
	StatusKind kind;
	const char *name;
	const char *text; /* what it means here, and what to do */
} Status;

/* names and values: MS-ERREF 2.1.1; what they mean to an enrolment: MS-WCCE 3.2.1.4.3 */
/* clang-format off */
static const Status adcs_status_table[] = {
	{ 0x80070005, STATUS_AUTH, "E_ACCESSDENIED",
	    "the account may not request certificates of this ca: give it \"Request Certificates\" in the security of the ca" },
	{ 0x80070057, STATUS_DENIED, "E_INVALIDARG", "the ca does not know the request, or the web service sent it a bad one" },
	{ 0x800706ba, STATUS_UNREACHABLE, "RPC_S_SERVER_UNAVAILABLE",
	    "the web service does not reach the ca: start the service CertSvc, and look at the firewall between the two" },
	{ 0x800706bb, STATUS_UNREACHABLE, "RPC_S_SERVER_TOO_BUSY", "the ca is too busy" },
	{ 0x80090311, STATUS_UNREACHABLE, "SEC_E_NO_AUTHENTICATING_AUTHORITY", "the web service reaches no domain controller" },
	{ 0x80092013, STATUS_DENIED, "CRYPT_E_REVOCATION_OFFLINE",
	    "the ca cannot read a revocation list of its own chain: publish it anew (certutil -crl), and see that the ca reaches it" },
	{ 0x8009310b, STATUS_DENIED, "CRYPT_E_ASN1_BADTAG", "the ca does not understand the request" },
	{ 0x80094001, STATUS_DENIED, "CERTSRV_E_BAD_REQUESTSUBJECT",
	    "the subject is missing or too long: let the template take it from the request, or give the account a DNS name" },
	{ 0x80094011, STATUS_DENIED, "CERTSRV_E_ENROLL_DENIED",
	    "the account may not request certificates of this ca: give it \"Request Certificates\" in the security of the ca" },
	{ 0x80094012, STATUS_DENIED, "CERTSRV_E_TEMPLATE_DENIED",
	    "the account has no right to the template: give it \"Read\" and \"Enroll\" there" },
	{ 0x80094014, STATUS_DENIED, "CERTSRV_E_ADMIN_DENIED_REQUEST", "an administrator of the ca denied the request" },
	{ 0x80094800, STATUS_DENIED, "CERTSRV_E_UNSUPPORTED_CERT_TYPE",
	    "the ca does not issue this template: add it in the ca's \"Certificate Templates\", and name it by its name, not its display name" },
	{ 0x80094801, STATUS_DENIED, "CERTSRV_E_NO_CERT_TYPE", "the request names no template: set \"template\"" },
	{ 0x80094802, STATUS_DENIED, "CERTSRV_E_TEMPLATE_CONFLICT", "the request names two templates" },
	{ 0x80094803, STATUS_DENIED, "CERTSRV_E_SUBJECT_ALT_NAME_REQUIRED",
	    "the template wants alternative names that the account lacks: let it take the names from the request" },
	{ 0x80094807, STATUS_DENIED, "CERTSRV_E_BAD_TEMPLATE_VERSION",
	    "the ca has an older version of the template: let the directory replicate, or restart CertSvc" },
	{ 0x80094809, STATUS_DENIED, "CERTSRV_E_SIGNATURE_POLICY_REQUIRED",
	    "the template wants the signature of an enrolment agent: set its \"authorized signatures\" to 0" },
	{ 0x8009480a, STATUS_DENIED, "CERTSRV_E_SIGNATURE_COUNT",
	    "the template wants the signature of an enrolment agent: set its \"authorized signatures\" to 0" },
	{ 0x8009480d, STATUS_DENIED, "CERTSRV_E_SUBJECT_UPN_REQUIRED",
	    "the template wants a user principal name that the account lacks" },
	{ 0x8009480f, STATUS_DENIED, "CERTSRV_E_SUBJECT_DNS_REQUIRED",
	    "the template wants a DNS name that the account lacks: let ad-account write dNSHostName, or let the template take the names from the request" },
	{ 0x80094811, STATUS_DENIED, "CERTSRV_E_KEY_LENGTH",
	    "the key is shorter than the template wants: set its minimum to 2048, which every AMT can do" },
	{ 0x80094812, STATUS_DENIED, "CERTSRV_E_SUBJECT_EMAIL_REQUIRED",
	    "the template wants an e-mail address: no device has one" },
	{ 0x80094813, STATUS_DENIED, "CERTSRV_E_UNKNOWN_CERT_TYPE", "the ca does not know the template: look at its name" },
	{ 0x800b0101, STATUS_DENIED, "CERT_E_EXPIRED", "a certificate of the ca has expired: renew it" },
};
/* clang-format on */

static const Status *
adcs_status_look_up(guint32 code)
{
	for (guint i = 0; i < G_N_ELEMENTS(adcs_status_table); i++)
		if (adcs_status_table[i].code == code)
			return &adcs_status_table[i];
	return NULL;
}

gboolean
adcs_status_is_denial(gint32 hresult, const char *said, char **denied, GError **error)
{
	const Status *status = adcs_status_look_up((guint32)hresult);
	g_autofree char *words =
	    said == NULL || *said == '\0' ? g_strdup("") : g_strdup_printf(" (\"%s\")", said);
	g_autofree char *text = g_strdup_printf("0x%08x%s%s%s%s%s", (guint32)hresult,
	    status == NULL ? "" : " ", status == NULL ? "" : status->name, status == NULL ? "" : ": ",
	    status == NULL ? "" : status->text, words);
	if (status == NULL || status->kind == STATUS_DENIED) {
		*denied = g_steal_pointer(&text);
		return TRUE;
	}
	g_set_error_literal(error, PV_ERROR,
	    status->kind == STATUS_AUTH ? PV_ERROR_AUTH : PV_ERROR_UNREACHABLE, text);
	return FALSE;
}

gint32
adcs_status_find(const char *text)
{
	for (const char *at = strstr(text, "0x"); at != NULL; at = strstr(at + 2, "0x")) {
		gsize digits = strspn(at + 2, "0123456789abcdefABCDEF");
		/* failures have the highest bit */
		if (digits == 8 && strchr("89abcdefABCDEF", at[2]) != NULL)
			return (gint32)(guint32)g_ascii_strtoull(at + 2, NULL, 16);
	}
	return 0;
}
