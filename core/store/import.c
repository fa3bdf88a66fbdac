/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/import.h"

#include "core/amt/hello.h"
#include "core/amt/uuid.h"
#include "core/store/csv.h"
#include "core/store/db-private.h"

#include <provost/error.h>
#include <string.h>

#define IMPORT_MAX_BYTES (64 * 1024 * 1024)
/* Active Directory makes a computer's account name, sAMAccountName, of at most 15 characters and '$' */
#define IMPORT_MAX_NAME 15
/* RFC 1035, 2.3.4: 255 bytes on the wire are 253 characters */
#define IMPORT_MAX_FQDN 253
#define IMPORT_MAX_LABEL 63
/* Intel AMT SDK, "Password format" */
#define IMPORT_MIN_PASSWORD 8
#define IMPORT_MAX_PASSWORD 32
#define EXPORT_OWN 9 /* columns of an export that are no facts */
#define EXPORT_OWN_CERTIFICATE "certificate.sha256" /* fact of the device's certificate for TLS */

enum { CELL_NAME, CELL_FQDN, CELL_UUID, CELL_MAC, CELL_MEBX, CELL_ADMIN, CELL_COUNT };
enum { SECRET_MEBX, SECRET_ADMIN, SECRET_COUNT };

static const struct {
	guint cell;
	const char *name;  /* of the secret */
	const char *label;
} import_secrets[SECRET_COUNT] = {
	{ CELL_MEBX, "mebx-import", "MEBx password" },
	{ CELL_ADMIN, "admin-import", "admin password" },
};

/* One row of the file on its way to the store. */
typedef struct {
	PvImportRow *report;                   /* owned by the report */
	char *fqdn;                            /* lower case; NULL: none could be read */
	char *mac;                             /* NULL: not given */
	PvSecret *given[SECRET_COUNT];         /* NULL: not given */
	PvDeviceRow *device;                   /* to be written; NULL: as it is */
	PvSecretRow *sealed[SECRET_COUNT];     /* to be written; NULL: as it is */
	PvAuditRow *audits[SECRET_COUNT];
} ImportEntry;

typedef struct {
	PvDb *db;
	const char *name;       /* of the file */
	const char *group;
	GPtrArray *report;      /* of PvImportRow */
	GPtrArray *entries;     /* of ImportEntry, one for each of report */
	GPtrArray *devices;     /* of PvDeviceRow: what the store has */
	GHashTable *by_uuid;    /* UUID -> PvDeviceRow of devices */
	GHashTable *by_fqdn;    /* lower case FQDN -> PvDeviceRow of devices */
	GHashTable *secrets;    /* "UUID NAME" -> PvSecretRow: current ones, owned */
} Import;

void
pv_import_row_free(PvImportRow *row)
{
	if (row == NULL)
		return;
	g_free(row->uuid);
	g_free(row->name);
	g_free(row->text);
	g_free(row);
}

static void
import_entry_free(ImportEntry *entry)
{
	g_free(entry->fqdn);
	g_free(entry->mac);
	pv_device_row_free(entry->device);
	for (guint i = 0; i < SECRET_COUNT; i++) {
		pv_secret_unref(entry->given[i]);
		pv_secret_row_free(entry->sealed[i]);
		pv_audit_row_free(entry->audits[i]);
	}
	g_free(entry);
}

static void
import_clear(Import *import)
{
	g_clear_pointer(&import->report, g_ptr_array_unref);
	g_clear_pointer(&import->entries, g_ptr_array_unref);
	g_clear_pointer(&import->by_uuid, g_hash_table_unref);
	g_clear_pointer(&import->by_fqdn, g_hash_table_unref);
	g_clear_pointer(&import->devices, g_ptr_array_unref);
	g_clear_pointer(&import->secrets, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Import, import_clear)

static void
import_refuse(ImportEntry *entry, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* the first reason is the one that is told */
static void
import_refuse(ImportEntry *entry, const char *format, ...)
{
	if (entry->report->outcome == PV_IMPORT_REFUSED)
		return;
	va_list list;
	va_start(list, format);
	g_free(entry->report->text);
	entry->report->text = g_strdup_vprintf(format, list);
	va_end(list);
	entry->report->outcome = PV_IMPORT_REFUSED;
}

static gboolean
import_is_refused(const ImportEntry *entry)
{
	return entry->report->outcome == PV_IMPORT_REFUSED;
}

/* The file as a whole */

static guint
import_count_lines(const char *text, const char *until)
{
	guint line = 1;
	for (; text < until; text++)
		line += *text == '\n';
	return line;
}

/* Steps over a byte order mark. */
static gboolean
import_check_text(const char *name, const char **text, gsize *length, GError **error)
{
	if (*length > IMPORT_MAX_BYTES) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "import %s: larger than 64 MiB: split the file", name);
		return FALSE;
	}
	if (*length >= 2 &&
	    (memcmp(*text, "\xff\xfe", 2) == 0 || memcmp(*text, "\xfe\xff", 2) == 0)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "import %s: the file is UTF-16: save it as \"CSV UTF-8\"", name);
		return FALSE;
	}
	if (*length >= 3 && memcmp(*text, "\xef\xbb\xbf", 3) == 0) {
		*text += 3;
		*length -= 3;
	}

	const char *nul = *length > 0 ? memchr(*text, '\0', *length) : NULL;
	const char *bad = NULL;
	gboolean valid =
	    g_utf8_validate_len(*text, nul != NULL ? (gsize)(nul - *text) : *length, &bad);
	if (!valid)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "import %s:%u: not UTF-8: save the file as \"CSV UTF-8\"", name,
		    import_count_lines(*text, bad));
	else if (nul != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "import %s:%u: a NUL byte: this is no text file", name,
		    import_count_lines(*text, nul));
	return valid && nul == NULL;
}

/* Cells */

static gboolean
import_is_label(const char *label, gsize length)
{
	if (length == 0 || length > IMPORT_MAX_LABEL || label[0] == '-' || label[length - 1] == '-')
		return FALSE;
	for (gsize i = 0; i < length; i++) {
		if (!g_ascii_isalnum(label[i]) && label[i] != '-')
			return FALSE;
	}
	return TRUE;
}

static void
import_read_name(ImportEntry *entry, const char *cell)
{
	gsize length = strlen(cell);
	entry->report->name = g_strdup(cell);
	if (length == 0)
		import_refuse(entry, "the short name (cell 1) is missing");
	else if (g_utf8_strlen(cell, -1) > IMPORT_MAX_NAME)
		import_refuse(entry,
		    "short name %.64s has %ld characters: an account name in Active Directory "
		    "(sAMAccountName) has at most %d: rename the computer",
		    cell, g_utf8_strlen(cell, -1), IMPORT_MAX_NAME);
	else if (!import_is_label(cell, length))
		import_refuse(entry,
		    "short name %s: only letters, digits and '-' inside can be used in DNS", cell);
}

static void
import_check_labels(ImportEntry *entry, const char *cell)
{
	guint count = 0;
	gboolean digits = FALSE;
	const char *label = entry->fqdn;
	for (;; count++) {
		gsize length = strcspn(label, ".");
		if (!import_is_label(label, length)) {
			import_refuse(entry,
			    "FQDN %s: label %u: 1 to %d letters, digits and '-' inside are needed",
			    cell, count + 1, IMPORT_MAX_LABEL);
			return;
		}
		digits = strspn(label, "0123456789") == length;
		if (label[length] == '\0')
			break;
		label += length + 1;
	}
	if (count == 0)
		import_refuse(entry, "FQDN %s has no domain: write it in full", cell);
	else if (digits)
		import_refuse(entry, "FQDN %s is an address: write the name", cell);
}

static void
import_read_fqdn(ImportEntry *entry, const char *cell)
{
	gsize length = strlen(cell);
	if (length > 0 && cell[length - 1] == '.') /* the root, as DNS tools write it */
		length--;
	if (length == 0) {
		import_refuse(entry, "the FQDN (cell 2) is missing");
		return;
	}
	if (length > IMPORT_MAX_FQDN) {
		import_refuse(entry, "the FQDN has %" G_GSIZE_FORMAT " characters, at most %d are allowed",
		    length, IMPORT_MAX_FQDN);
		return;
	}
	entry->fqdn = g_ascii_strdown(cell, (gssize)length);
	import_check_labels(entry, cell);

	const char *name = entry->report->name;
	gsize name_length = strcspn(entry->fqdn, ".");
	if (strlen(name) != name_length || g_ascii_strncasecmp(name, entry->fqdn, name_length) != 0)
		import_refuse(entry,
		    "short name %s is not the first label of FQDN %s: one of them is wrong", name,
		    cell);
}

static void
import_read_uuid(ImportEntry *entry, const char *cell)
{
	g_autofree char *uuid = pv_uuid_normalize(cell);
	if (*cell == '\0')
		import_refuse(entry, "the UUID (cell 3) is missing");
	else if (uuid == NULL)
		import_refuse(entry, "%.64s is no UUID: 32 hex digits are needed", cell);
	else if (!pv_uuid_is_usable(uuid))
		import_refuse(entry,
		    "UUID %s is shared by many boards whose maker never set one: set it by the "
		    "maker's tool",
		    uuid);
	if (uuid != NULL && pv_uuid_is_usable(uuid))
		entry->report->uuid = g_steal_pointer(&uuid);
}

/* aa:bb:cc:dd:ee:ff, aa-bb-cc-dd-ee-ff, aabb.ccdd.eeff or aabbccddeeff; NULL: none of them */
static char *
import_parse_mac(const char *text)
{
	char separator = '\0';
	guint group = 12; /* digits between separators */
	switch (strlen(text)) {
	case 12:
		break;
	case 14:
		separator = '.';
		group = 4;
		break;
	case 17:
		separator = text[2];
		group = 2;
		if (separator != ':' && separator != '-')
			return NULL;
		break;
	default:
		return NULL;
	}

	g_autoptr(GString) mac = g_string_sized_new(17);
	for (guint digit = 0; digit < 12; digit++, text++) {
		if (digit > 0 && digit % group == 0 && *text++ != separator)
			return NULL;
		if (!g_ascii_isxdigit(*text))
			return NULL;
		if (digit > 0 && digit % 2 == 0)
			g_string_append_c(mac, ':');
		g_string_append_c(mac, g_ascii_tolower(*text));
	}
	return g_strdup(mac->str);
}

static void
import_read_mac(ImportEntry *entry, const char *cell)
{
	if (*cell == '\0')
		return;
	entry->mac = import_parse_mac(cell);
	if (entry->mac == NULL)
		import_refuse(entry, "%.64s is no MAC address, such as 00:11:22:aa:bb:cc", cell);
	else if (strcmp(entry->mac, "00:00:00:00:00:00") == 0 ||
	    (g_ascii_xdigit_value(entry->mac[1]) & 1) != 0)
		/* IEEE 802: the lowest bit of the first byte marks a group address */
		import_refuse(entry, "MAC address %s cannot be a network card's", entry->mac);
}

/* What AMT would not accept in a password; '_' counts as a letter (Intel AMT SDK, "Password format"). */
static const char *
import_find_password_flaw(const guint8 *data, gsize length)
{
	gboolean upper = FALSE, lower = FALSE, digit = FALSE, symbol = FALSE, wide = length > 1;
	for (gsize i = 1; i < length; i += 2)
		wide = wide && data[i] == 0;
	if (wide)
		return "is UTF-16 in Base64: encode its ASCII characters";
	if (length < IMPORT_MIN_PASSWORD || length > IMPORT_MAX_PASSWORD)
		return "must have 8 to 32 characters";
	for (gsize i = 0; i < length; i++) {
		char c = (char)data[i];
		if (!g_ascii_isprint(c) || c == ':' || c == ',' || c == '"')
			return "holds a character that AMT refuses: colon, comma, quote, or not ASCII";
		upper = upper || g_ascii_isupper(c);
		lower = lower || g_ascii_islower(c);
		digit = digit || g_ascii_isdigit(c);
		symbol = symbol || (!g_ascii_isalnum(c) && c != '_');
	}
	if (!upper || !lower || !digit || !symbol)
		return "needs an upper and a lower case letter, a digit and a symbol other than '_'";
	return NULL;
}

/* GLib's decoder takes anything; what does not come back the same was not Base64. */
static PvSecret *
import_decode_password(const char *cell, const char **flaw)
{
	gsize length = 0;
	guint8 *data = g_base64_decode(cell, &length);
	char *again = g_base64_encode(data, length);
	*flaw = strcmp(again, cell) != 0 ? "is not Base64" : import_find_password_flaw(data, length);
	PvSecret *value = *flaw == NULL ? pv_secret_new(data, (gssize)length) : NULL;
	explicit_bzero(again, strlen(again));
	if (data != NULL)
		explicit_bzero(data, length);
	g_free(again);
	g_free(data);
	return value;
}

static void
import_read_passwords(ImportEntry *entry, GPtrArray *cells)
{
	for (guint i = 0; i < SECRET_COUNT; i++) {
		guint at = import_secrets[i].cell;
		const char *cell = at < cells->len ? g_ptr_array_index(cells, at) : "";
		const char *flaw = NULL;
		if (*cell != '\0')
			entry->given[i] = import_decode_password(cell, &flaw);
		if (flaw != NULL)
			import_refuse(entry, "the %s (cell %u) %s", import_secrets[i].label, at + 1,
			    flaw);
	}
}

static void
import_read_row(Import *import, const PvCsv *csv, guint max_cells)
{
	PvImportRow *report = g_new0(PvImportRow, 1);
	ImportEntry *entry = g_new0(ImportEntry, 1);
	report->line = csv->row_line;
	report->outcome = PV_IMPORT_SAME;
	entry->report = report;
	g_ptr_array_add(import->report, report);
	g_ptr_array_add(import->entries, entry);

	GPtrArray *cells = csv->cells;
	if (csv->flaw != NULL) {
		import_refuse(entry, "%s", csv->flaw);
		return;
	}
	if (cells->len <= CELL_UUID || cells->len > max_cells) {
		import_refuse(entry,
		    "%u cells: 3 to %u are needed: short name, FQDN, UUID, MAC, MEBx password, admin "
		    "password",
		    cells->len, max_cells);
		return;
	}
	import_read_name(entry, g_ptr_array_index(cells, CELL_NAME));
	import_read_fqdn(entry, g_ptr_array_index(cells, CELL_FQDN));
	import_read_uuid(entry, g_ptr_array_index(cells, CELL_UUID));
	if (cells->len > CELL_MAC)
		import_read_mac(entry, g_ptr_array_index(cells, CELL_MAC));
	import_read_passwords(entry, cells);
}

static gboolean
import_is_header(const PvCsv *csv)
{
	if (csv->cells->len <= CELL_UUID)
		return FALSE;
	const char *cell = g_ptr_array_index(csv->cells, CELL_UUID);
	g_autofree char *uuid = pv_uuid_normalize(cell);
	g_autofree char *lower = g_ascii_strdown(cell, -1);
	return uuid == NULL && (strstr(lower, "uuid") != NULL || strstr(lower, "guid") != NULL);
}

static gboolean
import_read_rows(Import *import, const char *text, gsize length, GError **error)
{
	g_auto(PvCsv) csv = { 0 };
	pv_csv_init(&csv, text, length);
	guint unclosed = 0;
	/* a header can announce more columns, as that of an export does; they are not read */
	guint max_cells = CELL_COUNT;
	for (gboolean first = TRUE; pv_csv_next(&csv, &unclosed); first = FALSE) {
		if (first && import_is_header(&csv))
			max_cells = MAX(max_cells, csv.cells->len);
		else
			import_read_row(import, &csv, max_cells);
	}
	if (unclosed == 0)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "import %s:%u: a quote is opened in this line and never closed", import->name, unclosed);
	return FALSE;
}

/* Two rows that say something of one device: which is right cannot be known, so neither is taken. */
static void
import_check_twice(GHashTable *seen, const char *key, const char *what, ImportEntry *entry)
{
	if (key == NULL)
		return;
	ImportEntry *other = g_hash_table_lookup(seen, key);
	if (other == NULL) {
		g_hash_table_insert(seen, (char *)key, entry);
		return;
	}
	import_refuse(entry, "%s %s is in lines %u and %u: keep one of them", what, key,
	    other->report->line, entry->report->line);
	import_refuse(other, "%s %s is in lines %u and %u: keep one of them", what, key,
	    other->report->line, entry->report->line);
}

static void
import_check_duplicates(Import *import)
{
	g_autoptr(GHashTable) uuids = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GHashTable) fqdns = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < import->entries->len; i++) {
		ImportEntry *entry = g_ptr_array_index(import->entries, i);
		import_check_twice(uuids, entry->report->uuid, "UUID", entry);
		import_check_twice(fqdns, entry->fqdn, "FQDN", entry);
	}
}

/* Against the store */

static char *
import_secret_key(const char *uuid, const char *name)
{
	return g_strconcat(uuid, " ", name, NULL);
}

static gboolean
import_load_secrets(Import *import, GError **error)
{
	const PvStore *provider = pv_db_get_provider(import->db);
	g_autoptr(GPtrArray) rows =
	    provider->secrets(pv_db_get_handle(import->db), NULL, error);
	if (rows == NULL)
		return FALSE;
	import->secrets = g_hash_table_new_full(
	    g_str_hash, g_str_equal, g_free, (GDestroyNotify)pv_secret_row_free);
	for (guint i = 0; i < rows->len; i++) {
		PvSecretRow *row = g_ptr_array_index(rows, i);
		if (strcmp(row->state, "current") != 0 || !g_str_has_suffix(row->name, "-import"))
			continue;
		PvSecretRow *copy = g_new0(PvSecretRow, 1);
		copy->uuid = g_strdup(row->uuid);
		copy->name = g_strdup(row->name);
		copy->sealed = g_bytes_ref(row->sealed);
		g_hash_table_replace(
		    import->secrets, import_secret_key(row->uuid, row->name), copy);
	}
	return TRUE;
}

static gboolean
import_load_store(Import *import, GError **error)
{
	import->devices = pv_db_list_devices(import->db, error);
	if (import->devices == NULL || !import_load_secrets(import, error))
		return FALSE;
	import->by_uuid = g_hash_table_new(g_str_hash, g_str_equal);
	import->by_fqdn = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < import->devices->len; i++) {
		PvDeviceRow *row = g_ptr_array_index(import->devices, i);
		g_hash_table_insert(import->by_uuid, row->uuid, row);
		if (row->fqdn != NULL)
			g_hash_table_insert(
			    import->by_fqdn, g_ascii_strdown(row->fqdn, -1), row);
	}
	return TRUE;
}

static PvDeviceRow *
import_new_device(const Import *import, const ImportEntry *entry)
{
	PvDeviceRow *row = g_new0(PvDeviceRow, 1);
	row->uuid = g_strdup(entry->report->uuid);
	row->name = g_strdup(entry->report->name);
	row->fqdn = g_strdup(entry->fqdn);
	row->mac = g_strdup(entry->mac);
	row->group = g_strdup(import->group);
	row->status = g_strdup("Unknown");
	row->evidence = g_strdup_printf("imported from %s, line %u", import->name, entry->report->line);
	row->status_usec = g_get_real_time();
	return row;
}

/* notes a change of one member and makes it; @value NULL: not given */
static void
import_change(char **member, const char *value, const char *label, GString *changes)
{
	if (value == NULL || (*member != NULL && g_ascii_strcasecmp(*member, value) == 0))
		return;
	g_string_append_printf(changes, "%s%s %s -> %s", changes->len > 0 ? ", " : "", label,
	    *member != NULL ? *member : "none", value);
	g_free(*member);
	*member = g_strdup(value);
}

/* a copy whose status is NULL: the store keeps its own */
static PvDeviceRow *
import_copy_device(const PvDeviceRow *old)
{
	PvDeviceRow *row = g_new0(PvDeviceRow, 1);
	row->uuid = g_strdup(old->uuid);
	row->name = g_strdup(old->name);
	row->fqdn = g_strdup(old->fqdn);
	row->mac = g_strdup(old->mac);
	row->address = g_strdup(old->address);
	row->group = g_strdup(old->group);
	row->otp_hash = g_strdup(old->otp_hash);
	return row;
}

static void
import_compare_device(Import *import, ImportEntry *entry, GString *changes)
{
	const PvDeviceRow *namesake = g_hash_table_lookup(import->by_fqdn, entry->fqdn);
	if (namesake != NULL && strcmp(namesake->uuid, entry->report->uuid) != 0) {
		import_refuse(entry,
		    "FQDN %s belongs to device %s in the store: delete that one, or correct the UUID",
		    entry->fqdn, namesake->uuid);
		return;
	}

	const PvDeviceRow *old = g_hash_table_lookup(import->by_uuid, entry->report->uuid);
	if (old == NULL) {
		entry->device = import_new_device(import, entry);
		return;
	}
	g_autoptr(PvDeviceRow) row = import_copy_device(old);
	import_change(&row->name, entry->report->name, "name", changes);
	import_change(&row->fqdn, entry->fqdn, "FQDN", changes);
	import_change(&row->mac, entry->mac, "MAC", changes);
	/* groups, unlike names, differ by case */
	if (import->group != NULL && g_strcmp0(row->group, import->group) != 0) {
		g_string_append_printf(changes, "%sgroup %s -> %s", changes->len > 0 ? ", " : "",
		    row->group != NULL ? row->group : "none", import->group);
		g_free(row->group);
		row->group = g_strdup(import->group);
	}
	if (changes->len > 0)
		entry->device = g_steal_pointer(&row);
}

static gboolean
import_compare_secret(Import *import, ImportEntry *entry, guint at, GString *changes, GError **error)
{
	const char *uuid = entry->report->uuid, *name = import_secrets[at].name;
	g_autofree char *key = import_secret_key(uuid, name);
	const PvSecretRow *old = g_hash_table_lookup(import->secrets, key);
	g_autoptr(PvSecret) value = old != NULL ? pv_db_open_row(import->db, old, error) : NULL;
	if (old != NULL && value == NULL)
		return FALSE;
	if (value != NULL && pv_secret_equal(value, entry->given[at]))
		return TRUE;

	entry->sealed[at] =
	    pv_db_seal_row(import->db, uuid, name, "current", entry->given[at], error);
	entry->audits[at] = pv_db_new_audit(import->db, "secret-current", uuid, "%s", name);
	g_string_append_printf(changes, "%s%s %s", changes->len > 0 ? ", " : "",
	    import_secrets[at].label, old != NULL ? "changed" : "set");
	return entry->sealed[at] != NULL;
}

static void
import_compare(Import *import, ImportEntry *entry)
{
	g_autoptr(GString) changes = g_string_new(NULL);
	import_compare_device(import, entry, changes);
	for (guint i = 0; i < SECRET_COUNT && !import_is_refused(entry); i++) {
		g_autoptr(GError) problem = NULL;
		if (entry->given[i] != NULL &&
		    !import_compare_secret(import, entry, i, changes, &problem))
			import_refuse(entry, "%s", problem->message);
	}
	if (import_is_refused(entry))
		return;

	gboolean is_new = !g_hash_table_contains(import->by_uuid, entry->report->uuid);
	if (is_new)
		entry->report->outcome = PV_IMPORT_ADDED;
	else if (changes->len > 0)
		entry->report->outcome = PV_IMPORT_CHANGED;
	if (changes->len > 0)
		entry->report->text = g_strdup(changes->str);
}

/* What goes into one transaction. What it points to stays with the entries. */
static GArray *
import_collect(Import *import, guint counts[PV_IMPORT_REFUSED + 1])
{
	GArray *writes = g_array_new(FALSE, FALSE, sizeof(PvWrite));
	PvWrite expect = pv_db_expect_key(import->db);
	g_array_append_val(writes, expect);
	for (guint i = 0; i < import->entries->len; i++) {
		ImportEntry *entry = g_ptr_array_index(import->entries, i);
		counts[entry->report->outcome]++;
		if (import_is_refused(entry))
			continue;
		PvWrite device = { .kind = PV_WRITE_DEVICE, .device = entry->device };
		if (entry->device != NULL)
			g_array_append_val(writes, device);
		for (guint at = 0; at < SECRET_COUNT; at++) {
			const PvWrite both[] = {
				{ .kind = PV_WRITE_SECRET, .secret = entry->sealed[at] },
				{ .kind = PV_WRITE_AUDIT, .audit = entry->audits[at] },
			};
			if (entry->sealed[at] != NULL)
				g_array_append_vals(writes, both, G_N_ELEMENTS(both));
		}
	}
	return writes;
}

static gboolean
import_write(Import *import, GError **error)
{
	guint counts[PV_IMPORT_REFUSED + 1] = { 0 };
	g_autoptr(GArray) writes = import_collect(import, counts);
	if (counts[PV_IMPORT_ADDED] + counts[PV_IMPORT_CHANGED] == 0)
		return TRUE;

	g_autoptr(PvAuditRow) entry = pv_db_new_audit(import->db, "import", import->name,
	    "%u added, %u changed, %u same, %u refused", counts[PV_IMPORT_ADDED],
	    counts[PV_IMPORT_CHANGED], counts[PV_IMPORT_SAME], counts[PV_IMPORT_REFUSED]);
	PvWrite audit = { .kind = PV_WRITE_AUDIT, .audit = entry };
	g_array_append_val(writes, audit);
	g_autoptr(GError) problem = NULL;
	if (pv_db_write(import->db, (const PvWrite *)(gconstpointer)writes->data, writes->len,
		&problem))
		return TRUE;
	pv_db_explain_rotation(&problem);
	g_propagate_error(error, g_steal_pointer(&problem));
	return FALSE;
}

static gboolean
import_apply(Import *import, gboolean dry_run, GError **error)
{
	if (!import_load_store(import, error))
		return FALSE;
	for (guint i = 0; i < import->entries->len; i++) {
		ImportEntry *entry = g_ptr_array_index(import->entries, i);
		if (!import_is_refused(entry))
			import_compare(import, entry);
	}
	return dry_run || import_write(import, error);
}

GPtrArray *
pv_import_csv(PvDb *db, const char *name, const char *text, gsize length_bytes, const char *group,
    gboolean dry_run, GError **error)
{
	if (!import_check_text(name, &text, &length_bytes, error))
		return NULL;
	g_auto(Import) import = {
		.db = db,
		.name = name,
		.group = group,
		.report = g_ptr_array_new_with_free_func((GDestroyNotify)pv_import_row_free),
		.entries = g_ptr_array_new_with_free_func((GDestroyNotify)import_entry_free),
	};
	if (!import_read_rows(&import, text, length_bytes, error))
		return NULL;
	import_check_duplicates(&import);

	pv_db_begin_sealing(db);
	gboolean good = import_apply(&import, dry_run, error);
	pv_db_end_sealing(db);
	if (!good) {
		g_prefix_error(error, "import %s: ", name);
		return NULL;
	}
	return g_steal_pointer(&import.report);
}

const PvExportFact pv_export_facts[] = {
	{ "account", "account", "account.name" },
	{ "account-dn", "account_dn", "account.dn" },
	{ "certificate-sha256", "certificate_sha256", EXPORT_OWN_CERTIFICATE },
	{ "client-certificates-sha256", "client_certificates_sha256", NULL },
	{ NULL },
};

static int
export_compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every use of a certificate keeps its fingerprint in a fact of its own (provost/certificate.h). */
static char *
export_dup_clients(GHashTable *facts)
{
	g_autoptr(GPtrArray) found = g_ptr_array_new();
	GHashTableIter iter;
	gpointer name = NULL, value = NULL;
	g_hash_table_iter_init(&iter, facts);
	while (g_hash_table_iter_next(&iter, &name, &value)) {
		if (g_str_has_suffix(name, ".sha256") && !g_str_equal(name, EXPORT_OWN_CERTIFICATE))
			g_ptr_array_add(found, value);
	}
	g_ptr_array_sort(found, export_compare);
	g_ptr_array_add(found, NULL);
	return found->len > 1 ? g_strjoinv(" ", (char **)found->pdata) : NULL;
}

char *
pv_export_dup_fact(const PvExportFact *row, GHashTable *facts)
{
	return row->fact != NULL ? g_strdup(g_hash_table_lookup(facts, row->fact))
				 : export_dup_clients(facts);
}

static gboolean
export_append(PvDb *db, const PvDeviceRow *row, GString *text, GError **error)
{
	g_autoptr(GHashTable) facts = pv_db_get_facts(db, row->uuid, error);
	if (facts == NULL)
		return FALSE;
	g_autoptr(GDateTime) time = row->status_usec > 0
	    ? g_date_time_new_from_unix_utc(row->status_usec / G_USEC_PER_SEC)
	    : NULL;
	g_autofree char *when = time != NULL ? g_date_time_format_iso8601(time) : NULL;
	/* the columns of the passwords stay empty, so that the file can be imported */
	const char *cells[EXPORT_OWN + G_N_ELEMENTS(pv_export_facts)] = {
		row->name, row->fqdn, row->uuid, row->mac, NULL, NULL, row->group, row->status,
		when,
	};
	g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; pv_export_facts[i].column != NULL; i++) {
		g_ptr_array_add(values, pv_export_dup_fact(&pv_export_facts[i], facts));
		cells[EXPORT_OWN + i] = g_ptr_array_index(values, i);
	}
	pv_csv_append(text, cells, EXPORT_OWN + values->len);
	return TRUE;
}

char *
pv_export_csv(PvDb *db, GPtrArray *devices, GError **error)
{
	const char *header[EXPORT_OWN + G_N_ELEMENTS(pv_export_facts)] = {
		"name", "fqdn", "uuid", "mac", "mebx-password", "admin-password", "group", "status",
		"status-time",
	};
	gsize count = EXPORT_OWN;
	for (gsize i = 0; pv_export_facts[i].column != NULL; i++)
		header[count++] = pv_export_facts[i].column;
	g_autoptr(GString) text = g_string_new(NULL);
	pv_csv_append(text, header, count);
	for (guint i = 0; i < devices->len; i++) {
		if (!export_append(db, g_ptr_array_index(devices, i), text, error))
			return NULL;
	}
	return g_string_free(g_steal_pointer(&text), FALSE);
}
