/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/ldap-private.h"

#include <provost/error.h>

#include <string.h>

#define RESULT_MAX_TEXT 300 /* bytes of a server's text that are repeated */

typedef struct {
	int code;
	PvError error;
	const char *text; /* what happened, and after ": " what to do */
} ResultRow;

/* RFC 4511 appendix A.2 has the codes and what they stand for; what to do is ours. */
static const ResultRow result_rows[] = {
	{ LDAP_OPERATIONS_ERROR, PV_ERROR_REJECTED, "the server cannot do that in this state: is the login anonymous?" },
	{ LDAP_PROTOCOL_ERROR, PV_ERROR_PROTOCOL, "the server does not understand the request" },
	{ LDAP_TIMELIMIT_EXCEEDED, PV_ERROR_UNREACHABLE, "the server's time limit was reached: an index may be missing there" },
	{ LDAP_SIZELIMIT_EXCEEDED, PV_ERROR_REJECTED, "the server gives no more objects at once: raise the size limit of the service's account" },
	{ LDAP_AUTH_METHOD_NOT_SUPPORTED, PV_ERROR_CONFIG, "the server does not take this kind of login: choose another" },
	{ LDAP_STRONG_AUTH_REQUIRED, PV_ERROR_CONFIG, "the server wants an encrypted or signed connection: use TLS or Kerberos" },
	{ LDAP_REFERRAL, PV_ERROR_CONFIG, "another server has this part of the directory: name that server" },
	{ LDAP_ADMINLIMIT_EXCEEDED, PV_ERROR_REJECTED, "a limit that the server's administrator set was reached: raise it for the service's account" },
	{ LDAP_UNAVAILABLE_CRITICAL_EXTENSION, PV_ERROR_UNSUPPORTED, "the server lacks an extension that is needed" },
	{ LDAP_CONFIDENTIALITY_REQUIRED, PV_ERROR_CONFIG, "the server wants an encrypted connection: use TLS" },
	{ LDAP_NO_SUCH_ATTRIBUTE, PV_ERROR_REJECTED, "there is no such value or attribute" },
	{ LDAP_UNDEFINED_TYPE, PV_ERROR_CONFIG, "the server's schema has no such attribute: load the schema or map another" },
	{ LDAP_INAPPROPRIATE_MATCHING, PV_ERROR_CONFIG, "the attribute cannot be compared so" },
	{ LDAP_CONSTRAINT_VIOLATION, PV_ERROR_REJECTED, "a rule of the directory is violated: the value may be taken elsewhere, or the service's account may lack the right" },
	{ LDAP_TYPE_OR_VALUE_EXISTS, PV_ERROR_REJECTED, "the value is there already" },
	{ LDAP_INVALID_SYNTAX, PV_ERROR_REJECTED, "the value has not the form that the attribute wants" },
	{ LDAP_NO_SUCH_OBJECT, PV_ERROR_CONFIG, "there is no such object: make it, or correct its name" },
	{ LDAP_ALIAS_PROBLEM, PV_ERROR_CONFIG, "an alias leads nowhere" },
	{ LDAP_INVALID_DN_SYNTAX, PV_ERROR_CONFIG, "that is no DN: correct it" },
	{ LDAP_INAPPROPRIATE_AUTH, PV_ERROR_AUTH, "the account cannot log in so: it may have no password" },
	{ LDAP_INVALID_CREDENTIALS, PV_ERROR_AUTH, "name or password is wrong" },
	{ LDAP_INSUFFICIENT_ACCESS, PV_ERROR_REJECTED, "the service's account lacks the right: grant it" },
	{ LDAP_BUSY, PV_ERROR_UNREACHABLE, "the server is busy" },
	{ LDAP_UNAVAILABLE, PV_ERROR_UNREACHABLE, "the server is shutting down or not ready" },
	{ LDAP_UNWILLING_TO_PERFORM, PV_ERROR_REJECTED, "the server is unwilling to do that" },
	{ LDAP_LOOP_DETECT, PV_ERROR_CONFIG, "aliases or references go round in circles" },
	{ LDAP_NAMING_VIOLATION, PV_ERROR_REJECTED, "such an object cannot be there: the container takes none of its kind" },
	{ LDAP_OBJECT_CLASS_VIOLATION, PV_ERROR_REJECTED, "the object lacks what its classes ask for, or the service's account may not write that: see the server's text" },
	{ LDAP_NOT_ALLOWED_ON_NONLEAF, PV_ERROR_REJECTED, "there are other objects below it" },
	{ LDAP_NOT_ALLOWED_ON_RDN, PV_ERROR_REJECTED, "the attribute is a part of the object's name" },
	{ LDAP_ALREADY_EXISTS, PV_ERROR_REJECTED, "it is there already" },
	{ LDAP_OTHER, PV_ERROR_REJECTED, "the server failed" },
	{ LDAP_SERVER_DOWN, PV_ERROR_UNREACHABLE, "the connection was closed" },
	{ LDAP_TIMEOUT, PV_ERROR_UNREACHABLE, "no answer in time" },
	{ LDAP_DECODING_ERROR, PV_ERROR_PROTOCOL, "the answer makes no sense" },
	{ LDAP_ENCODING_ERROR, PV_ERROR_FAILED, "the request cannot be written" },
	{ LDAP_FILTER_ERROR, PV_ERROR_FAILED, "the filter is no filter" },
	{ LDAP_PARAM_ERROR, PV_ERROR_FAILED, "the request makes no sense" },
	{ LDAP_NO_MEMORY, PV_ERROR_FAILED, "there is no memory left" },
};

typedef struct {
	guint32 code;
	const char *text;
} Win32Row;

/* MS-ERREF 2.2 has the codes; what they mean here was seen in answers of Active Directory and Samba. */
static const Win32Row win32_rows[] = {
	{ 0x00000005, "access is denied" },
	{ 0x00000056, "the former password is wrong" },
	{ 0x00000524, "an account of that name exists" },
	{ 0x0000052d, "the password does not meet the domain's rules" },
	{ 0x00002015, "there are other objects below it" },
	{ 0x00002020, "a login is needed for that" },
	{ 0x00002028, "the connection must be signed or encrypted" },
	{ 0x0000202b, "another domain has this part of the directory" },
	{ 0x0000202f, "a rule of the domain is violated, such as a value that must be unique" },
	{ 0x00002030, "there is no such object" },
	{ 0x00002035, "the domain controller is unwilling to do that" },
	{ 0x00002071, "the name or sAMAccountName is in use" },
	{ 0x00002077, "the domain does not allow that change" },
	{ 0x0000208d, "the object or its container was not found" },
	{ 0x00002098, "the service's account lacks the right" },
	{ 0x000020b5, "a name in it leads to no object" },
	{ 0x0000216d, "the service's account has made as many computers as ms-DS-MachineAccountQuota allows: delegate the container to it" },
	{ 0x000021c7, "the service principal name is taken elsewhere in the forest" },
	{ 0x000021c8, "the user principal name is taken elsewhere in the forest" },
};

/* What follows "data" in the text of a refused bind is a Win32 code in hex, too. */
static const Win32Row login_rows[] = {
	{ 0x525, "there is no such user" },
	{ 0x52e, "name or password is wrong" },
	{ 0x530, "the account may not log in at this time" },
	{ 0x531, "the account may not log in from this computer" },
	{ 0x532, "the password has expired: set a new one" },
	{ 0x533, "the account is disabled: enable it" },
	{ 0x701, "the account has expired" },
	{ 0x773, "the password must be changed before the first login: set it without that flag" },
	{ 0x775, "the account is locked out: unlock it, and see who guesses its password" },
	{ 0x35b, "the server wants the login bound to its TLS certificate: log in by Kerberos, or let nothing between us end TLS" },
};

static const char *
ldap_error_find_text(const Win32Row *rows, gsize length, guint32 code)
{
	for (gsize i = 0; i < length; i++)
		if (rows[i].code == code)
			return rows[i].text;
	return NULL;
}

static const ResultRow *
ldap_error_find_row(int code)
{
	for (gsize i = 0; i < G_N_ELEMENTS(result_rows); i++)
		if (result_rows[i].code == code)
			return &result_rows[i];
	return NULL;
}

void
pv_ldap_result_clear(PvLdapResult *result)
{
	g_clear_pointer(&result->text, g_free);
	g_clear_pointer(&result->matched, g_free);
	result->code = 0;
	result->win32 = 0;
	result->data = 0;
}

/* A server's text goes into our messages as one line of bounded length that cannot speak to a terminal. */
static char *
ldap_error_dup_clean(const char *text)
{
	g_autofree char *cut = g_strndup(text, RESULT_MAX_TEXT);
	g_autofree char *valid = g_utf8_make_valid(cut, -1);
	GString *clean = g_string_new(NULL);
	for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
		gunichar letter = g_utf8_get_char(at);
		g_string_append_unichar(clean, g_unichar_isprint(letter) ? letter : ' ');
	}
	g_strchomp(clean->str);
	if (*clean->str != '\0')
		return g_string_free(clean, FALSE);
	g_string_free(clean, TRUE);
	return NULL;
}

/* 8 hex digits and a colon or blank at the beginning, as both Active Directory and Samba have it */
static guint32
ldap_error_parse_win32(const char *text)
{
	for (guint i = 0; i < 8; i++)
		if (!g_ascii_isxdigit(text[i]))
			return 0;
	if (text[8] != ':' && text[8] != ' ')
		return 0;
	return (guint32)g_ascii_strtoull(text, NULL, 16);
}

static guint32
ldap_error_parse_data(const char *text)
{
	const char *data = strstr(text, ", data ");
	if (data == NULL || !g_ascii_isxdigit(data[7]))
		return 0;
	guint64 code = g_ascii_strtoull(data + 7, NULL, 16);
	return code <= G_MAXUINT32 ? (guint32)code : 0;
}

void
pv_ldap_result_set(PvLdapResult *result, int code, const char *text, const char *matched)
{
	pv_ldap_result_clear(result);
	result->code = code;
	if (text != NULL && *text != '\0') {
		result->text = ldap_error_dup_clean(text);
		result->win32 = ldap_error_parse_win32(text);
		result->data = code == LDAP_INVALID_CREDENTIALS ? ldap_error_parse_data(text) : 0;
	}
	if (matched != NULL && *matched != '\0')
		result->matched = ldap_error_dup_clean(matched);
}

/* LDAPv3 codes that the table lacks are refusals all the same (RFC 4511 4.1.9) */
static PvError
ldap_error_get_kind(const PvLdapResult *result, const ResultRow *row)
{
	if (row != NULL)
		return row->error;
	return result->code > 0 ? PV_ERROR_REJECTED : PV_ERROR_FAILED;
}

void
pv_ldap_result_set_error(const PvLdapResult *result, const char *server, GError **error)
{
	const ResultRow *row = ldap_error_find_row(result->code);
	const char *cause =
	    ldap_error_find_text(win32_rows, G_N_ELEMENTS(win32_rows), result->win32);
	GString *text = g_string_new(row != NULL ? row->text : ldap_err2string(result->code));
	if (cause != NULL)
		g_string_assign(text, cause);
	if (result->matched != NULL && result->code == LDAP_NO_SUCH_OBJECT)
		g_string_append_printf(text, "; what is there ends at \"%s\"", result->matched);
	if (result->text != NULL)
		g_string_append_printf(text, "; %s says \"%s\"", server, result->text);
	else
		g_string_append_printf(text, "; %s says no more", server);
	if (result->code > 0)
		g_set_error(error, PV_ERROR, (int)ldap_error_get_kind(result, row), "LDAP result %d: %s",
		    result->code, text->str);
	else
		g_set_error(error, PV_ERROR, (int)ldap_error_get_kind(result, row), "%s: %s", server,
		    row != NULL ? row->text : ldap_err2string(result->code));
	g_string_free(text, TRUE);
}

void
pv_ldap_result_set_login_error(
    const PvLdapResult *result, const char *server, const char *who, GError **error)
{
	const char *cause =
	    result->code == LDAP_INVALID_CREDENTIALS ?
		ldap_error_find_text(login_rows, G_N_ELEMENTS(login_rows), result->data) : NULL;
	if (cause != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH, "%s (data %x)", cause, result->data);
	else
		pv_ldap_result_set_error(result, server, error);
	g_prefix_error(error, "log in to %s as %s: ", server, who);
}
