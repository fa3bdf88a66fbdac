/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ad-name.h"

#include <provost/error.h>
#include <string.h>

#define AD_MAX_SHORT 15 /* NetBIOS; what the short host name may have, see also the import */
#define AD_MAX_SAM 20 /* what tools that read accounts of computers expect, "$" included */
#define AD_SID_MAX_PARTS 15 /* MS-DTYP 2.4.2.2 */
#define AD_SID_HEADER 8
#define AD_GUID_BYTES 16

char *
ad_name_dup_base(const char *domain)
{
	g_auto(GStrv) parts = g_strsplit(domain, ".", -1);
	g_autofree char *joined = g_strjoinv(",DC=", parts);
	return g_strconcat("DC=", joined, NULL);
}

gboolean
ad_name_check_domain(const char *domain, const char *where, GError **error)
{
	if (strlen(domain) <= AD_MAX_DOMAIN &&
	    g_regex_match_simple("^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\\.)*"
				 "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$",
		domain, G_REGEX_DOLLAR_ENDONLY, 0))
		return TRUE;
	g_autofree char *printable = g_strescape(domain, NULL);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "%s: \"%.64s\" is no DNS name of a domain, such as example.com", where, printable);
	return FALSE;
}

/* One past the end of the RDN that begins at @dn. */
static const char *
ad_name_find_end(const char *dn)
{
	for (; *dn != '\0' && *dn != ','; dn++)
		if (*dn == '\\' && dn[1] != '\0')
			dn++;
	return dn;
}

static const char *
ad_name_skip_blanks(const char *text)
{
	while (*text == ' ')
		text++;
	return text;
}

const char *
ad_name_get_parent(const char *dn)
{
	const char *end = ad_name_find_end(dn);
	if (*end == '\0')
		return NULL;
	end = ad_name_skip_blanks(end + 1);
	return *end == '\0' ? NULL : end;
}

char *
ad_name_dup_domain(const char *dn)
{
	GString *domain = g_string_new(NULL);
	for (const char *rdn = dn; rdn != NULL; rdn = ad_name_get_parent(rdn)) {
		if (g_ascii_strncasecmp(rdn, "DC=", 3) != 0) {
			g_string_truncate(domain, 0);
			continue;
		}
		g_autofree char *value = ad_name_dup_rdn(rdn);
		if (domain->len > 0)
			g_string_append_c(domain, '.');
		if (value != NULL)
			g_string_append(domain, value);
	}
	g_string_ascii_down(domain);
	return g_string_free(domain, domain->len == 0);
}

char *
ad_name_dup_rdn(const char *dn)
{
	const char *end = ad_name_find_end(dn);
	const char *equal = memchr(dn, '=', (gsize)(end - dn));
	if (equal == NULL)
		return NULL;
	GString *value = g_string_new(NULL);
	for (const char *at = ad_name_skip_blanks(equal + 1); at < end; at++) {
		if (*at == '\\' && end - at > 2 && g_ascii_isxdigit(at[1]) &&
		    g_ascii_isxdigit(at[2])) {
			guint byte =
			    (guint)(g_ascii_xdigit_value(at[1]) * 16 + g_ascii_xdigit_value(at[2]));
			g_string_append_c(value, (char)byte);
			at += 2;
		} else if (*at == '\\' && end - at > 1) {
			g_string_append_c(value, *++at);
		} else {
			g_string_append_c(value, *at);
		}
	}
	return g_string_free(value, FALSE);
}

/* The RDNs without the blanks that may stand around ',' and '=', in small letters. */
static char *
ad_name_dup_folded(const char *dn)
{
	GString *folded = g_string_new(NULL);
	for (const char *rdn = dn; rdn != NULL; rdn = ad_name_get_parent(rdn)) {
		const char *end = ad_name_find_end(rdn);
		const char *equal = memchr(rdn, '=', (gsize)(end - rdn));
		g_autofree char *type =
		    g_strndup(rdn, (gsize)((equal == NULL ? end : equal) - rdn));
		g_autofree char *value = ad_name_dup_rdn(rdn);
		g_autofree char *lower = value == NULL ? NULL
					 : g_utf8_validate(value, -1, NULL)
					     ? g_utf8_casefold(value, -1)
					     : g_strdup(value);
		g_autofree char *type_lower = g_ascii_strdown(g_strstrip(type), -1);
		/* a byte that no name holds, for the values are not escaped again */
		g_string_append_printf(folded, "%s%s=%s", folded->len == 0 ? "" : "\x01",
		    type_lower, lower == NULL ? "" : g_strchomp(lower));
	}
	return g_string_free(folded, FALSE);
}

gboolean
ad_name_is_same(const char *a, const char *b)
{
	g_autofree char *folded_a = ad_name_dup_folded(a);
	g_autofree char *folded_b = ad_name_dup_folded(b);
	return g_str_equal(folded_a, folded_b);
}

gboolean
ad_name_is_below(const char *dn, const char *base)
{
	g_autofree char *folded = ad_name_dup_folded(dn);
	g_autofree char *tail = ad_name_dup_folded(base);
	gsize length = strlen(folded), tail_length = strlen(tail);
	return g_str_has_suffix(folded, tail) &&
	       (length == tail_length || folded[length - tail_length - 1] == '\x01');
}

char *
ad_name_dup_container(const char *text, const char *base, GError **error)
{
	gboolean ok = g_utf8_validate(text, -1, NULL) && strlen(text) <= AD_MAX_DN && *text != '\0';
	for (const char *rdn = text; ok && rdn != NULL; rdn = ad_name_get_parent(rdn)) {
		const char *end = ad_name_find_end(rdn);
		const char *equal = memchr(rdn, '=', (gsize)(end - rdn));
		ok = equal != NULL && equal > rdn && ad_name_skip_blanks(equal + 1) < end;
		for (const char *at = rdn; ok && at < equal; at++)
			ok = g_ascii_isalnum(*at) || *at == '-' || *at == '.' || *at == ' ';
		for (const char *at = rdn; ok && at < end; at++)
			ok = (guchar)*at >= 0x20 && *at != 0x7f;
	}
	if (!ok) {
		g_autofree char *printable = g_strescape(text, NULL);
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "use container \"%.200s\": it is no DN such as OU=AMT,%s", printable, base);
		return NULL;
	}
	g_autofree char *domain = ad_name_dup_domain(text);
	return domain != NULL ? g_strdup(text) : g_strconcat(text, ",", base, NULL);
}

gboolean
ad_name_is_conflict(const char *dn)
{
	g_autofree char *rdn = ad_name_dup_rdn(dn);
	return rdn != NULL && strstr(rdn, "\nCNF:") != NULL;
}

char *
ad_name_dup_sam(const char *name, GError **error)
{
	gsize length = strlen(name);
	gsize short_length = length > 0 && name[length - 1] == '$' ? length - 1 : length;
	/* MS-ADTS 3.1.1.5.2.2 with what Windows refuses besides: "/\[]:;|=,+*?<> and control characters */
	gboolean ok = short_length > 0 && g_utf8_validate(name, -1, NULL) && name[0] != '.' &&
		      name[short_length - 1] != '.';
	for (gsize i = 0; ok && i < length; i++)
		ok = (guchar)name[i] > 0x20 && name[i] != 0x7f &&
		     strchr("\"/\\[]:;|=,+*?<>@", name[i]) == NULL;
	g_autofree char *printable = g_strescape(name, NULL);
	if (!ok) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "name account \"%.64s\": Active Directory takes no blanks and none of "
		    "\"/\\[]:;|=,+*?<>@ in a "
		    "sAMAccountName, and no dot at its ends: rename the computer, or change "
		    "\"name-suffix\"",
		    printable);
		return NULL;
	}
	if (g_utf8_strlen(name, (gssize)short_length) + 1 > AD_MAX_SAM) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "name account \"%.64s\": with its \"$\" it has %ld characters, a "
		    "sAMAccountName at most %d, of which a "
		    "computer's name is at most %d: rename the computer, or shorten "
		    "\"name-suffix\"",
		    printable, g_utf8_strlen(name, (gssize)short_length) + 1, AD_MAX_SAM,
		    AD_MAX_SHORT);
		return NULL;
	}
	return g_strdup_printf("%.*s$", (int)short_length, name);
}

char *
ad_name_dup_salt(const char *realm, const char *sam)
{
	gsize length = strlen(sam);
	g_autofree char *name =
	    g_strndup(sam, length > 0 && sam[length - 1] == '$' ? length - 1 : length);
	g_autofree char *lower = g_utf8_strdown(name, -1);
	g_autofree char *upper_realm = g_ascii_strup(realm, -1);
	g_autofree char *lower_realm = g_ascii_strdown(realm, -1);
	return g_strdup_printf("%shost%s.%s", upper_realm, lower, lower_realm);
}

static guint32
ad_name_get_le32(const guint8 *data)
{
	return (guint32)data[0] | (guint32)data[1] << 8 | (guint32)data[2] << 16 |
	       (guint32)data[3] << 24;
}

char *
ad_sid_to_string(const guint8 *data, gsize length)
{
	if (length < AD_SID_HEADER || data[0] != 1 || data[1] > AD_SID_MAX_PARTS ||
	    length != AD_SID_HEADER + 4u * data[1])
		return NULL;
	guint64 authority = 0;
	for (guint i = 2; i < AD_SID_HEADER; i++)
		authority = authority << 8 | data[i];
	GString *text = g_string_new(NULL);
	/* MS-DTYP 2.4.2.1: a large authority is written in hexadecimal */
	g_string_append_printf(text,
	    authority > G_MAXUINT32 ? "S-1-0x%012" G_GINT64_MODIFIER "x" : "S-1-%" G_GUINT64_FORMAT,
	    authority);
	for (guint i = 0; i < data[1]; i++)
		g_string_append_printf(text, "-%u", ad_name_get_le32(data + AD_SID_HEADER + 4 * i));
	return g_string_free(text, FALSE);
}

gboolean
ad_sid_is_text(const char *text)
{
	return strlen(text) < 200 &&
	       g_regex_match_simple("^[Ss]-1-(0x[0-9A-Fa-f]{12}|[0-9]{1,10})(-[0-9]{1,10}){0,15}$",
		   text, G_REGEX_DOLLAR_ENDONLY, 0);
}

gboolean
ad_sid_is_builtin(const char *sid)
{
	return g_ascii_strncasecmp(sid, "S-1-5-32", 8) == 0 && (sid[8] == '-' || sid[8] == '\0');
}

char *
ad_guid_to_string(const guint8 *d, gsize length)
{
	if (length != AD_GUID_BYTES)
		return NULL;
	return g_strdup_printf(
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", d[3], d[2],
	    d[1], d[0], d[5], d[4], d[7], d[6], d[8], d[9], d[10], d[11], d[12], d[13], d[14],
	    d[15]);
}

char *
ad_guid_dup_filter(const char *text)
{
	static const guint8 places[AD_GUID_BYTES] = { 6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28,
		30, 32, 34 };
	if (!g_regex_match_simple("^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$", text,
		G_REGEX_DOLLAR_ENDONLY, 0))
		return NULL;
	GString *filter = g_string_new(NULL);
	for (guint i = 0; i < AD_GUID_BYTES; i++)
		g_string_append_printf(filter, "\\%.2s", text + places[i]);
	return g_string_free(filter, FALSE);
}

guint8 *
ad_name_dup_unicode_pwd(const char *password, gsize length, gsize *size)
{
	if (!g_utf8_validate(password, (gssize)length, NULL))
		return NULL;
	/* never more units than bytes; written by hand, for a converter leaves copies behind */
	guint8 *value = g_malloc0(2 * (length + 2));
	gsize n = 0;
	value[n++] = '"';
	value[n++] = 0;
	for (const char *at = password; at < password + length; at = g_utf8_next_char(at)) {
		gunichar c = g_utf8_get_char(at);
		if (c >= 0x10000) {
			gunichar high = 0xd800 + ((c - 0x10000) >> 10);
			value[n++] = (guint8)high;
			value[n++] = (guint8)(high >> 8);
			c = 0xdc00 + ((c - 0x10000) & 0x3ff);
		}
		value[n++] = (guint8)c;
		value[n++] = (guint8)(c >> 8);
	}
	value[n++] = '"';
	value[n++] = 0;
	*size = n;
	return value;
}

gint64
ad_name_parse_time(const char *text)
{
	int part[6] = { 0 };
	static const int widths[6] = { 4, 2, 2, 2, 2, 2 };
	for (guint i = 0; i < G_N_ELEMENTS(widths); i++) {
		for (int j = 0; j < widths[i]; j++, text++) {
			if (!g_ascii_isdigit(*text))
				return -1;
			part[i] = part[i] * 10 + (*text - '0');
		}
	}
	if (*text == '.') {
		for (text++; g_ascii_isdigit(*text); text++)
			;
	}
	if (text[0] != 'Z' || text[1] != '\0')
		return -1;
	g_autoptr(GDateTime) time =
	    g_date_time_new_utc(part[0], part[1], part[2], part[3], part[4], MIN(part[5], 59));
	return time == NULL ? -1 : g_date_time_to_unix(time);
}
