/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/psk.h"
#include "core/amt/setup-bin.h"

#include <provost/error.h>

#include <string.h>

#define VALUES_BODY 488 /* bytes of a record that entries share */
#define VALUES_HEAD 8
#define VALUES_MAX_NAME 32 /* bytes of a hash's name */
#define VALUES_SHORT_IPV6 84
#define VALUES_LONG_IPV6 204

#define ON_OFF "off=0|on=1"

enum {
	MEBX = 1,
	MEBX_CURRENT = 1,
	MEBX_NEW = 2,
	MEBX_MANAGEABILITY = 3,
	AMT = 2,
	AMT_PID = 1,
	AMT_PPS = 2,
	AMT_SERVER_FQDN = 4,
	AMT_HASHES = 7,
	AMT_HASH = 8,
	AMT_SERVER_ADDRESS = 17,
	AMT_IPV6 = 22,
	AMT_ACTIVATE = 28,
};

/* clang-format off */
const PvSetupBinVariable pv_setup_bin_variables[] = {
	{ 1, 1, "current-password", PV_SETUP_BIN_TEXT, 1, 32, NULL, PV_SETUP_BIN_1, TRUE },
	{ 1, 2, "new-password", PV_SETUP_BIN_TEXT, 8, 32, NULL, PV_SETUP_BIN_1, TRUE },
	{ 1, 3, "manageability", PV_SETUP_BIN_U8, 0, 1, "none=0|amt=1", PV_SETUP_BIN_2, FALSE },
	{ 1, 4, "local-update", PV_SETUP_BIN_U8, 0, 2, "off=0|on=1|password=2", PV_SETUP_BIN_21, FALSE },
	{ 1, 5, "update-qualifier", PV_SETUP_BIN_U8, 0, 2, "always=0|never=1|restricted=2", PV_SETUP_BIN_21, FALSE },
	{ 1, 6, "power-package", PV_SETUP_BIN_GUID, 0, 0, NULL, PV_SETUP_BIN_21, FALSE },
	{ 2, 1, "pid", PV_SETUP_BIN_TEXT, 8, 8, NULL, PV_SETUP_BIN_1, FALSE },
	{ 2, 2, "pps", PV_SETUP_BIN_TEXT, 32, 32, NULL, PV_SETUP_BIN_1, TRUE },
	{ 2, 3, "dns-suffix", PV_SETUP_BIN_TEXT, 1, 255, NULL, PV_SETUP_BIN_2, FALSE },
	{ 2, 4, "server-fqdn", PV_SETUP_BIN_TEXT, 1, 255, NULL, PV_SETUP_BIN_2, FALSE },
	{ 2, 5, "remote-configuration", PV_SETUP_BIN_U8, 0, 1, ON_OFF, PV_SETUP_BIN_2, FALSE },
	{ 2, 6, "preinstalled-hashes", PV_SETUP_BIN_U8, 0, 1, ON_OFF, PV_SETUP_BIN_2, FALSE },
	{ 2, 7, "user-hashes", PV_SETUP_BIN_U8, 0, 2, "off=0|on=1|delete=2", PV_SETUP_BIN_2, FALSE },
	{ 2, 8, "user-hash", PV_SETUP_BIN_HASH, 0, 0, NULL, PV_SETUP_BIN_2, FALSE },
	{ 2, 10, "redirection", PV_SETUP_BIN_U8, 0, 7,
	    "none=0|sol=1|ider=2|sol+ider=3|login=4|sol+login=5|ider+login=6|sol+ider+login=7", PV_SETUP_BIN_21, FALSE },
	{ 2, 11, "host-name", PV_SETUP_BIN_TEXT, 1, 63, NULL, PV_SETUP_BIN_21, FALSE },
	{ 2, 12, "domain", PV_SETUP_BIN_TEXT, 1, 255, NULL, PV_SETUP_BIN_21, FALSE },
	{ 2, 13, "dhcp", PV_SETUP_BIN_U8, 1, 2, "off=1|on=2", PV_SETUP_BIN_21, FALSE },
	{ 2, 14, "secure-update", PV_SETUP_BIN_U8, 0, 1, ON_OFF, PV_SETUP_BIN_21, FALSE },
	{ 2, 15, "ito", PV_SETUP_BIN_BYTES, 1, 64, NULL, PV_SETUP_BIN_21, FALSE },
	{ 2, 16, "mode", PV_SETUP_BIN_U8, 1, 2, "enterprise=1|smb=2", PV_SETUP_BIN_21, FALSE },
	{ 2, 17, "server-address", PV_SETUP_BIN_TEXT, 1, 255, NULL, PV_SETUP_BIN_21, FALSE },
	{ 2, 18, "server-port", PV_SETUP_BIN_U16, 1, 65535, NULL, PV_SETUP_BIN_21, FALSE },
	{ 2, 19, "static-ipv4", PV_SETUP_BIN_BYTES, 1, 64, NULL, PV_SETUP_BIN_21, FALSE },
	{ 2, 20, "vlan", PV_SETUP_BIN_BYTES, 1, 64, NULL, PV_SETUP_BIN_21, FALSE },
	{ 2, 21, "password-policy", PV_SETUP_BIN_BYTES, 1, 64, NULL, PV_SETUP_BIN_21, FALSE },
	{ 2, 22, "ipv6", PV_SETUP_BIN_BYTES, VALUES_SHORT_IPV6, VALUES_LONG_IPV6, NULL, PV_SETUP_BIN_3, FALSE },
	{ 2, 23, "shared-fqdn", PV_SETUP_BIN_U8, 0, 1, "dedicated=0|shared=1", PV_SETUP_BIN_3, FALSE },
	{ 2, 24, "ddns", PV_SETUP_BIN_U8, 0, 1, ON_OFF, PV_SETUP_BIN_3, FALSE },
	{ 2, 25, "kvm", PV_SETUP_BIN_U8, 0, 1, ON_OFF, PV_SETUP_BIN_3, FALSE },
	{ 2, 26, "consent", PV_SETUP_BIN_U8, 0, 255, "none=0|kvm=1|all=255", PV_SETUP_BIN_3, FALSE },
	{ 2, 27, "remote-consent", PV_SETUP_BIN_U8, 0, 1, ON_OFF, PV_SETUP_BIN_3, FALSE },
	{ 2, 28, "activate", PV_SETUP_BIN_U8, 0, 1, "stop=0|start=1", PV_SETUP_BIN_21, FALSE },
	{ 2, 29, "manual-setup", PV_SETUP_BIN_U8, 0, 1, "automated=0|manual=1", PV_SETUP_BIN_21, FALSE },
	{ 2, 30, "support-channel", PV_SETUP_BIN_U32, 1, 65535, NULL, PV_SETUP_BIN_21, FALSE },
	{ 2, 31, "support-description", PV_SETUP_BIN_TEXT, 1, 60, NULL, PV_SETUP_BIN_21, FALSE },
	{ 2, 32, "service-account", PV_SETUP_BIN_TEXT, 1, 32, NULL, PV_SETUP_BIN_21, FALSE },
	{ 2, 33, "enrolment-passcode", PV_SETUP_BIN_TEXT, 1, 32, NULL, PV_SETUP_BIN_21, TRUE },
	{ 2, 34, "service-type", PV_SETUP_BIN_U32, 1, 4, "reactive=1|proactive=2|one-time=4", PV_SETUP_BIN_21, FALSE },
	{ 2, 35, "service-provider", PV_SETUP_BIN_GUID, 0, 0, NULL, PV_SETUP_BIN_21, FALSE },
	{ 0, 0, NULL, PV_SETUP_BIN_BYTES, 0, 0, NULL, 0, FALSE },
};
/* clang-format on */

const PvSetupBinVariable *
pv_setup_bin_find(guint module, guint variable)
{
	for (const PvSetupBinVariable *row = pv_setup_bin_variables; row->name != NULL; row++)
		if (row->module == module && row->variable == variable)
			return row;
	return NULL;
}

const PvSetupBinVariable *
pv_setup_bin_find_name(const char *name)
{
	for (const PvSetupBinVariable *row = pv_setup_bin_variables; row->name != NULL; row++)
		if (g_str_equal(row->name, name))
			return row;
	return NULL;
}

/* ---- values and their texts ---- */

static guint
values_get_number_bytes(PvSetupBinKind kind)
{
	return kind == PV_SETUP_BIN_U8 ? 1 : kind == PV_SETUP_BIN_U16 ? 2 : 4;
}

static gboolean
values_is_number(PvSetupBinKind kind)
{
	return kind == PV_SETUP_BIN_U8 || kind == PV_SETUP_BIN_U16 || kind == PV_SETUP_BIN_U32;
}

static guint32
values_read_number(const PvSetupBinEntry *entry)
{
	guint32 value = 0;
	for (guint i = entry->length; i > 0; i--)
		value = value << 8 | entry->value[i - 1];
	return value;
}

/* the value that a word stands for, or the word for a value. NULL: none */
static const char *
values_find_choice(const PvSetupBinVariable *variable, const char *word, gsize length, guint32 *value)
{
	const char *at = variable->choices;
	while (at != NULL && *at != '\0') {
		const char *sign = strchr(at, '=');
		guint32 number = (guint32)g_ascii_strtoull(sign + 1, NULL, 10);
		gboolean same = word != NULL ? (gsize)(sign - at) == length && strncmp(at, word, length) == 0
					     : number == *value;
		if (same) {
			*value = number;
			return at;
		}
		at = strchr(at, '|');
		at = at != NULL ? at + 1 : NULL;
	}
	return NULL;
}

static gboolean
values_fail(const PvSetupBinVariable *variable, GError **error, const char *wanted)
{
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s", variable->name, wanted);
	return FALSE;
}

static GBytes *
values_parse_number(const PvSetupBinVariable *variable, const char *text, GError **error)
{
	guint64 number = 0;
	guint32 value = 0;
	gboolean known = values_find_choice(variable, text, strlen(text), &value) != NULL;
	if (!known && variable->choices == NULL &&
	    g_ascii_string_to_unsigned(text, 10, variable->least, variable->most, &number, NULL)) {
		value = (guint32)number;
		known = TRUE;
	}
	if (!known) {
		g_autofree char *wanted = variable->choices != NULL
			? g_strdup_printf("one of %s (without the number) is needed", variable->choices)
			: g_strdup_printf("a number from %u to %u is needed", variable->least, variable->most);
		(void)values_fail(variable, error, wanted);
		return NULL;
	}
	const guint8 bytes[] = { (guint8)value, (guint8)(value >> 8), (guint8)(value >> 16),
		(guint8)(value >> 24) };
	return g_bytes_new(bytes, values_get_number_bytes(variable->kind));
}

/* NULL: an odd number of digits, or what is none */
static GByteArray *
values_parse_hex(const char *text)
{
	gsize length = strlen(text);
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	for (gsize i = 0; length % 2 == 0 && i < length; i += 2) {
		if (!g_ascii_isxdigit(text[i]) || !g_ascii_isxdigit(text[i + 1]))
			return NULL;
		guint8 byte = (guint8)(g_ascii_xdigit_value(text[i]) << 4 | g_ascii_xdigit_value(text[i + 1]));
		g_byte_array_append(bytes, &byte, 1);
	}
	return length % 2 == 0 ? g_steal_pointer(&bytes) : NULL;
}

/* the first three fields of a GUID are little-endian */
static void
values_swap_guid(guint8 *guid)
{
	static const guint8 order[] = { 3, 2, 1, 0, 5, 4, 7, 6 };
	guint8 copy[sizeof order];
	memcpy(copy, guid, sizeof copy);
	for (gsize i = 0; i < sizeof order; i++)
		guid[i] = copy[order[i]];
}

static GBytes *
values_parse_guid(const PvSetupBinVariable *variable, const char *text, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(text, "-", 0);
	g_autofree char *digits = g_strjoinv("", parts);
	g_autoptr(GByteArray) bytes = g_uuid_string_is_valid(text) ? values_parse_hex(digits) : NULL;
	if (bytes == NULL || bytes->len != 16) {
		(void)values_fail(
		    variable, error, "a GUID such as 944f8ba1-0dcd-4f4f-8d4b-1f2c3d4e5f60 is needed");
		return NULL;
	}
	values_swap_guid(bytes->data);
	return g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
}

GBytes *
pv_setup_bin_value_parse(const PvSetupBinVariable *variable, const char *text, GError **error)
{
	if (values_is_number(variable->kind))
		return values_parse_number(variable, text, error);
	if (variable->kind == PV_SETUP_BIN_GUID)
		return values_parse_guid(variable, text, error);
	gsize length = strlen(text);
	g_autoptr(GByteArray) hex = variable->kind == PV_SETUP_BIN_BYTES ? values_parse_hex(text) : NULL;
	if (variable->kind == PV_SETUP_BIN_BYTES && hex == NULL) {
		(void)values_fail(variable, error, "pairs of hexadecimal digits are needed");
		return NULL;
	}
	if (hex != NULL)
		length = hex->len;
	if (length < variable->least || length > variable->most) {
		g_autofree char *wanted = g_strdup_printf("%u to %u %s are needed", variable->least,
		    variable->most, hex != NULL ? "bytes" : "characters");
		(void)values_fail(variable, error, wanted);
		return NULL;
	}
	return hex != NULL ? g_byte_array_free_to_bytes(g_steal_pointer(&hex)) : g_bytes_new(text, length);
}

static char *
values_dup_hex(const guint8 *data, gsize length)
{
	GString *hex = g_string_sized_new(2 * length + 1);
	for (gsize i = 0; i < length; i++)
		g_string_append_printf(hex, "%02x", data[i]);
	return g_string_free(hex, FALSE);
}

static guint
values_get_hash_bytes(guint8 algorithm)
{
	static const guint8 bytes[] = { 0, 20, 32, 48 };
	return algorithm < G_N_ELEMENTS(bytes) ? bytes[algorithm] : 0;
}

static gboolean
values_is_hash(const PvSetupBinEntry *entry)
{
	guint hash = entry->length > 0 ? values_get_hash_bytes(entry->value[0]) : 0;
	if (hash == 0 || entry->length < 1 + hash + 1)
		return FALSE;
	guint name = entry->value[1 + hash];
	return name <= VALUES_MAX_NAME && entry->length == 1 + hash + 1 + name;
}

static gboolean
values_is_text(const PvSetupBinEntry *entry)
{
	for (guint i = 0; i < entry->length; i++)
		if (entry->value[i] < 0x20 || entry->value[i] > 0x7e)
			return FALSE;
	return TRUE;
}

static char *
values_hash_to_string(const PvSetupBinEntry *entry)
{
	static const char *const algorithms[] = { "", "sha1", "sha256", "sha384" };
	guint hash = values_get_hash_bytes(entry->value[0]);
	g_autofree char *hex = values_dup_hex(entry->value + 1, hash);
	g_autofree char *raw =
	    g_strndup((const char *)entry->value + 1 + hash + 1, entry->value[1 + hash]);
	g_autofree char *name = g_utf8_make_valid(raw, -1);
	return g_strdup_printf("%s:%s %s", algorithms[entry->value[0]], hex, name);
}

static char *
values_guid_to_string(const PvSetupBinEntry *entry)
{
	guint8 guid[16];
	memcpy(guid, entry->value, sizeof guid);
	values_swap_guid(guid);
	GString *text = g_string_new(NULL);
	for (gsize i = 0; i < sizeof guid; i++)
		g_string_append_printf(
		    text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", guid[i]);
	return g_string_free(text, FALSE);
}

char *
pv_setup_bin_value_to_string(const PvSetupBinVariable *variable, const PvSetupBinEntry *entry)
{
	PvSetupBinKind kind = variable != NULL ? variable->kind : PV_SETUP_BIN_BYTES;
	if (kind == PV_SETUP_BIN_TEXT && values_is_text(entry))
		return g_strndup((const char *)entry->value, entry->length);
	if (kind == PV_SETUP_BIN_HASH && values_is_hash(entry))
		return values_hash_to_string(entry);
	if (kind == PV_SETUP_BIN_GUID && entry->length == 16)
		return values_guid_to_string(entry);
	if (values_is_number(kind) && entry->length == values_get_number_bytes(kind)) {
		guint32 value = values_read_number(entry);
		const char *choice = values_find_choice(variable, NULL, 0, &value);
		return choice != NULL ? g_strndup(choice, strcspn(choice, "=")) : g_strdup_printf("%u", value);
	}
	return values_dup_hex(entry->value, entry->length);
}

/* ---- whether firmware would take it ---- */

/* NULL: it would; else what is wrong with the value */
static const char *
values_check_value(const PvSetupBinVariable *variable, const PvSetupBinEntry *entry, guint version)
{
	switch (variable->kind) {
	case PV_SETUP_BIN_U8:
	case PV_SETUP_BIN_U16:
	case PV_SETUP_BIN_U32: {
		if (entry->length != values_get_number_bytes(variable->kind))
			return "the number has a wrong length";
		guint32 value = values_read_number(entry);
		if (variable->choices != NULL ? values_find_choice(variable, NULL, 0, &value) == NULL
					      : value < variable->least || value > variable->most)
			return "the number is out of range";
		return NULL;
	}
	case PV_SETUP_BIN_GUID:
		return entry->length == 16 ? NULL : "a GUID has 16 bytes";
	case PV_SETUP_BIN_HASH:
		if (!values_is_hash(entry))
			return "no hash of SHA-1, SHA-256 or SHA-384 with a name of at most 32 bytes";
		return entry->value[0] == 1 || version >= PV_SETUP_BIN_3
			   ? NULL
			   : "only version 3 and up knows SHA-256 and SHA-384";
	case PV_SETUP_BIN_TEXT:
		if (!values_is_text(entry))
			return "there are characters beyond ASCII in it";
		break;
	case PV_SETUP_BIN_BYTES:
		if (variable->variable == AMT_IPV6 && entry->length != VALUES_SHORT_IPV6 &&
		    entry->length != VALUES_LONG_IPV6)
			return "it has neither 84 nor 204 bytes";
		break;
	}
	return entry->length < variable->least ? "it is too short"
	       : entry->length > variable->most ? "it is too long"
						: NULL;
}

/* Intel AMT SDK, "Password format" */
static gboolean
values_is_strong(const PvSetupBinEntry *entry)
{
	gboolean upper = FALSE, lower = FALSE, digit = FALSE, symbol = FALSE;
	for (guint i = 0; i < entry->length; i++) {
		char c = (char)entry->value[i];
		upper = upper || g_ascii_isupper(c);
		lower = lower || g_ascii_islower(c);
		digit = digit || g_ascii_isdigit(c);
		symbol = symbol || (g_ascii_ispunct(c) && c != '_');
		if (c == '"' || c == ',' || c == ':')
			return FALSE;
	}
	return upper && lower && digit && symbol;
}

static const char *
values_check_password(const PvSetupBinVariable *variable, const PvSetupBinEntry *entry)
{
	if (variable->module != MEBX || variable->variable != MEBX_NEW || values_is_strong(entry))
		return NULL;
	return "firmware wants upper and lower case letters, a digit and a symbol, and no quote, comma or colon";
}

static const char *
values_check_key(const PvSetupBinVariable *variable, const PvSetupBinEntry *entry)
{
	gboolean pid = variable->module == AMT && variable->variable == AMT_PID;
	gboolean pps = variable->module == AMT && variable->variable == AMT_PPS;
	if (!pid && !pps)
		return NULL;
	g_autoptr(PvSecret) text = pv_secret_new(entry->value, entry->length);
	if (pps) {
		g_autoptr(PvSecret) read = pv_psk_parse_pps(text, NULL);
		return pv_secret_equal(read, text) ? NULL : "its check characters are wrong";
	}
	g_autofree char *read = pv_psk_parse_pid(pv_secret_peek(text, NULL), NULL);
	return g_strcmp0(read, pv_secret_peek(text, NULL)) == 0 ? NULL : "its check character is wrong";
}

/* what has been seen of a record */
typedef struct {
	guint hashes;
	gboolean seen[3][64]; /* by module and variable */
} Seen;

static gboolean
values_saw(const Seen *seen, guint module, guint variable)
{
	return seen->seen[module][variable];
}

/* the rules of order; NULL: kept so far */
static const char *
values_check_order(Seen *seen, const PvSetupBinVariable *variable)
{
	gboolean mebx = variable->module == MEBX;
	guint id = variable->variable;
	if (id == AMT_HASH && !mebx) {
		if (!values_saw(seen, AMT, AMT_HASHES))
			return "\"user-hashes\" must stand before it";
		if (++seen->hashes > PV_SETUP_BIN_MAX_HASHES)
			return "firmware takes three at most";
	} else if (values_saw(seen, variable->module, id)) {
		return "it is there twice";
	}
	if (mebx && id == MEBX_CURRENT && values_saw(seen, MEBX, MEBX_NEW))
		return "it must stand before the new one";
	if (!(mebx && id == MEBX_CURRENT) && !values_saw(seen, MEBX, MEBX_CURRENT))
		return "\"current-password\" must be the first entry";
	if (mebx && id <= MEBX_MANAGEABILITY)
		for (guint i = MEBX_MANAGEABILITY + 1; i < G_N_ELEMENTS(seen->seen[MEBX]); i++)
			if (values_saw(seen, MEBX, i))
				return "it must stand before the other settings";
	if (mebx && id <= MEBX_MANAGEABILITY)
		for (guint i = 1; i < G_N_ELEMENTS(seen->seen[AMT]); i++)
			if (values_saw(seen, AMT, i))
				return "it must stand before the settings of AMT";
	if (!mebx && values_saw(seen, AMT, AMT_ACTIVATE) &&
	    (id == 3 || id == AMT_SERVER_FQDN || id == AMT_SERVER_ADDRESS))
		return "\"activate\" must stand after it";
	seen->seen[variable->module][id] = TRUE;
	return NULL;
}

static gboolean
values_fail_entry(GError **error, guint record, guint entry, const char *name, const char *text)
{
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "check setup.bin: record %u, entry %u (%s): %s",
	    record, entry, name, text);
	return FALSE;
}

/* the record as a whole; NULL: right */
static const char *
values_check_record(const PvSetupBinRecord *record, const Seen *seen, gsize bytes)
{
	const PvSetupBinEntry *first = record->entries->len > 0 ? record->entries->pdata[0] : NULL;
	if (first == NULL)
		return "it is empty";
	if (bytes > VALUES_BODY)
		return "its entries have more than 488 bytes: fewer or shorter ones are needed";
	if (first->length == 5 && memcmp(first->value, "admin", 5) == 0 && !values_saw(seen, MEBX, MEBX_NEW))
		return "where the current password is the factory's, a new one is needed";
	if (values_saw(seen, AMT, AMT_PID) != values_saw(seen, AMT, AMT_PPS))
		return "PID and PPS belong together";
	return NULL;
}

static gboolean
values_check_entries(const PvSetupBin *bin, const PvSetupBinRecord *record, guint number, GError **error)
{
	Seen seen = { 0 };
	gsize bytes = 0;
	for (guint i = 0; i < record->entries->len; i++) {
		const PvSetupBinEntry *entry = record->entries->pdata[i];
		const PvSetupBinVariable *variable = pv_setup_bin_find(entry->module, entry->variable);
		if (variable == NULL) {
			g_autofree char *id = g_strdup_printf("module %u, variable %u", entry->module, entry->variable);
			return values_fail_entry(error, number, i + 1, id, "it is not known");
		}
		bytes += VALUES_HEAD + (entry->length + 3u) / 4 * 4;
		const char *wrong = variable->since > bin->version
					? "this version of the format cannot hold it"
					: values_check_value(variable, entry, bin->version);
		if (wrong == NULL)
			wrong = values_check_password(variable, entry);
		if (wrong == NULL)
			wrong = values_check_key(variable, entry);
		if (wrong == NULL)
			wrong = values_check_order(&seen, variable);
		if (wrong != NULL)
			return values_fail_entry(error, number, i + 1, variable->name, wrong);
	}
	const char *wrong = values_check_record(record, &seen, bytes);
	if (wrong != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "check setup.bin: record %u: %s", number, wrong);
	return wrong == NULL;
}

gboolean
pv_setup_bin_check(const PvSetupBin *bin, GError **error)
{
	const char *wrong = NULL;
	if (pv_setup_bin_version_to_string(bin->version) == NULL)
		wrong = "its version is not known";
	else if (bin->records->len == 0 || bin->records->len > PV_SETUP_BIN_MAX_RECORDS)
		wrong = "it has no record, or too many";
	else if (bin->keep && bin->version < PV_SETUP_BIN_2)
		wrong = "records of version 1 are always used up";
	if (wrong != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "check setup.bin: %s", wrong);
		return FALSE;
	}
	for (guint i = 0; i < bin->records->len; i++) {
		const PvSetupBinRecord *record = bin->records->pdata[i];
		/* one that was used up has served */
		if (record->valid && !values_check_entries(bin, record, i + 1, error))
			return FALSE;
	}
	return TRUE;
}
