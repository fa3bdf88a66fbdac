/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ad-netlogon.h"

#include <provost/error.h>
#include <string.h>

/* BER tags (RFC 4511, 4.5) */
enum {
	NETLOGON_BOOLEAN = 0x01,
	NETLOGON_INTEGER = 0x02,
	NETLOGON_OCTETS = 0x04,
	NETLOGON_ENUMERATED = 0x0a,
	NETLOGON_SEQUENCE = 0x30,
	NETLOGON_SET = 0x31,
	NETLOGON_SEARCH_REQUEST = 0x63,
	NETLOGON_SEARCH_ENTRY = 0x64,
	NETLOGON_AND = 0xa0,
	NETLOGON_EQUAL = 0xa3,
};

#define NETLOGON_RESPONSE_EX 23 /* LOGON_SAM_LOGON_RESPONSE_EX (MS-ADTS 6.3.1.3) */
#define NETLOGON_USER_UNKNOWN_EX \
	25 /* the same for a user that is not there; we name none, Samba answers so */
#define NETLOGON_VERSION "\x06\x00\x00\x00" /* NETLOGON_NT_VERSION_5 and 5EX (MS-ADTS 6.3.1.1) */
#define NETLOGON_HEADER 24 /* operation, two reserved bytes, flags, GUID of the domain */
#define NETLOGON_MAX_JUMPS 16

void
ad_netlogon_clear(AdNetlogon *netlogon)
{
	g_free(netlogon->forest);
	g_free(netlogon->domain);
	g_free(netlogon->host);
	g_free(netlogon->netbios);
	g_free(netlogon->server_site);
	g_free(netlogon->client_site);
	*netlogon = (AdNetlogon) { 0 };
}

/* Appends an element; what is sent here is shorter than 64 KB. */
static void
netlogon_append(GByteArray *out, guint8 tag, const void *data, gsize length)
{
	guint8 header[4] = { tag, 0x82, (guint8)(length >> 8), (guint8)length };
	g_byte_array_append(out, header, sizeof header);
	g_byte_array_append(out, data, (guint)length);
}

static void
netlogon_append_number(GByteArray *out, guint8 tag, guint8 value)
{
	g_byte_array_append(out, (const guint8[]) { tag, 1, value }, 3);
}

static void
netlogon_append_equal(GByteArray *out, const char *attribute, const void *value, gsize length)
{
	g_autoptr(GByteArray) pair = g_byte_array_new();
	netlogon_append(pair, NETLOGON_OCTETS, attribute, strlen(attribute));
	netlogon_append(pair, NETLOGON_OCTETS, value, length);
	netlogon_append(out, NETLOGON_EQUAL, pair->data, pair->len);
}

GBytes *
ad_netlogon_new_request(const char *domain, guint8 id)
{
	g_autoptr(GByteArray) filter = g_byte_array_new();
	netlogon_append_equal(filter, "DnsDomain", domain, strlen(domain));
	netlogon_append_equal(filter, "NtVer", NETLOGON_VERSION, 4);

	g_autoptr(GByteArray) search = g_byte_array_new();
	netlogon_append(search, NETLOGON_OCTETS, "", 0); /* the root DSE */
	netlogon_append_number(search, NETLOGON_ENUMERATED, 0); /* itself only */
	netlogon_append_number(search, NETLOGON_ENUMERATED, 0); /* no aliases */
	netlogon_append_number(search, NETLOGON_INTEGER, 0);
	netlogon_append_number(search, NETLOGON_INTEGER, 0);
	netlogon_append_number(search, NETLOGON_BOOLEAN, 0);
	netlogon_append(search, NETLOGON_AND, filter->data, filter->len);
	g_autoptr(GByteArray) attributes = g_byte_array_new();
	netlogon_append(attributes, NETLOGON_OCTETS, "NetLogon", 8);
	netlogon_append(search, NETLOGON_SEQUENCE, attributes->data, attributes->len);

	g_autoptr(GByteArray) body = g_byte_array_new();
	netlogon_append_number(body, NETLOGON_INTEGER, id & 0x7f);
	netlogon_append(body, NETLOGON_SEARCH_REQUEST, search->data, search->len);
	GByteArray *message = g_byte_array_new();
	netlogon_append(message, NETLOGON_SEQUENCE, body->data, body->len);
	return g_byte_array_free_to_bytes(message);
}

typedef struct {
	const guint8 *data;
	gsize length;
} NetlogonBytes;

/* Takes the element at the head of @bytes, which must have that tag. */
static gboolean
netlogon_take(NetlogonBytes *bytes, guint8 tag, NetlogonBytes *value)
{
	if (bytes->length < 2 || bytes->data[0] != tag)
		return FALSE;
	gsize header = 2, length = bytes->data[1];
	if (length >= 0x80) {
		gsize count = length & 0x7f;
		/* four bytes of length are what BER in datagrams uses at most */
		if (count == 0 || count > 4 || bytes->length < 2 + count)
			return FALSE;
		length = 0;
		for (gsize i = 0; i < count; i++)
			length = length << 8 | bytes->data[2 + i];
		header += count;
	}
	if (length > bytes->length - header)
		return FALSE;
	value->data = bytes->data + header;
	value->length = length;
	bytes->data += header + length;
	bytes->length -= header + length;
	return TRUE;
}

static gboolean
netlogon_fail(GError **error, const char *text)
{
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "read the answer to the ping: %s", text);
	return FALSE;
}

static gboolean
netlogon_append_label(GString *name, const guint8 *label, gsize length)
{
	if (name->len > 0)
		g_string_append_c(name, '.');
	for (gsize i = 0; i < length; i++) {
		/* sites may hold blanks and letters beyond ASCII; what could change a line of a log is refused */
		if (label[i] < 0x20 || label[i] == 0x7f)
			return FALSE;
		g_string_append_c(name, (char)label[i]);
	}
	return name->len <= 255;
}

/* A name as RFC 1035, 4.1.4 compresses it: pointers go backwards only, and not for ever. NULL: nonsense. */
static char *
netlogon_take_name(const guint8 *data, gsize length, gsize *at)
{
	g_autoptr(GString) name = g_string_new(NULL);
	gsize here = *at;
	guint jumps = 0;
	for (;;) {
		if (here >= length)
			return NULL;
		guint8 size = data[here];
		if ((size & 0xc0) == 0xc0) {
			if (here + 1 >= length || ++jumps > NETLOGON_MAX_JUMPS)
				return NULL;
			gsize target = (gsize)(size & 0x3f) << 8 | data[here + 1];
			if (jumps == 1)
				*at = here + 2;
			if (target >= here)
				return NULL;
			here = target;
			continue;
		}
		if (size > 63 || size > length - here - 1)
			return NULL;
		if (size == 0)
			break;
		if (!netlogon_append_label(name, data + here + 1, size))
			return NULL;
		here += 1u + size;
	}
	if (jumps == 0)
		*at = here + 1;
	return g_utf8_validate(name->str, -1, NULL) ? g_strdup(name->str) : NULL;
}

static gboolean
netlogon_is_host(const char *name)
{
	return *name != '\0' &&
	       g_regex_match_simple("^[A-Za-z0-9_.-]+$", name, G_REGEX_DOLLAR_ENDONLY, 0);
}

gboolean
ad_netlogon_parse_response(AdNetlogon *netlogon, const guint8 *data, gsize length, GError **error)
{
	if (length < NETLOGON_HEADER)
		return netlogon_fail(error, "it is too short");
	guint operation = (guint)data[0] | (guint)data[1] << 8;
	if (operation != NETLOGON_RESPONSE_EX && operation != NETLOGON_USER_UNKNOWN_EX)
		return netlogon_fail(error, "it is of another kind than was asked for");
	g_auto(AdNetlogon) read = { 0 };
	read.flags = (guint32)data[4] | (guint32)data[5] << 8 | (guint32)data[6] << 16 |
		     (guint32)data[7] << 24;
	g_autofree char *computer = NULL, *user = NULL;
	char **const names[] = { &read.forest, &read.domain, &read.host, &read.netbios, &computer,
		&user, &read.server_site, &read.client_site };
	gsize at = NETLOGON_HEADER;
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		*names[i] = netlogon_take_name(data, length, &at);
		if (*names[i] == NULL)
			return netlogon_fail(error, "a name in it is broken");
	}
	if (!netlogon_is_host(read.domain) || !netlogon_is_host(read.host) ||
	    !netlogon_is_host(read.forest))
		return netlogon_fail(error, "a name of a host or domain in it is none");
	for (guint i = 0; i < 3; i++) {
		g_autofree char *name = *names[i];
		*names[i] = g_ascii_strdown(name, -1);
	}
	*netlogon = read;
	read = (AdNetlogon) { 0 };
	return TRUE;
}

gboolean
ad_netlogon_parse(AdNetlogon *netlogon, const guint8 *data, gsize length, guint8 id, GError **error)
{
	NetlogonBytes rest = { data, length }, message, number, entry, name, attributes, attribute,
		      type, values, value;
	if (length > AD_NETLOGON_MAX_BYTES || !netlogon_take(&rest, NETLOGON_SEQUENCE, &message) ||
	    !netlogon_take(&message, NETLOGON_INTEGER, &number))
		return netlogon_fail(error, "it is no LDAP message");
	if (number.length != 1 || number.data[0] != (id & 0x7f))
		return netlogon_fail(error, "it belongs to another question");
	/* without an entry the server is none of the domain */
	if (!netlogon_take(&message, NETLOGON_SEARCH_ENTRY, &entry))
		return netlogon_fail(error, "the server is no controller of this domain");
	if (!netlogon_take(&entry, NETLOGON_OCTETS, &name) ||
	    !netlogon_take(&entry, NETLOGON_SEQUENCE, &attributes) ||
	    !netlogon_take(&attributes, NETLOGON_SEQUENCE, &attribute) ||
	    !netlogon_take(&attribute, NETLOGON_OCTETS, &type) ||
	    !netlogon_take(&attribute, NETLOGON_SET, &values) ||
	    !netlogon_take(&values, NETLOGON_OCTETS, &value))
		return netlogon_fail(error, "it has no value");
	if (type.length != 8 || g_ascii_strncasecmp((const char *)type.data, "netlogon", 8) != 0)
		return netlogon_fail(error, "it has another attribute than was asked for");
	return ad_netlogon_parse_response(netlogon, value.data, value.length, error);
}
