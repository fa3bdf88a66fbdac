/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/setup-bin.h"

#include <provost/error.h>

#include <string.h>

#define SETUP_BIN_CHUNK PV_SETUP_BIN_CHUNK
#define SETUP_BIN_HEADER 42 /* bytes of the file's header with an empty list of modules; 2 more for each */
#define SETUP_BIN_RECORD_HEADER 24
#define SETUP_BIN_BODY (SETUP_BIN_CHUNK - SETUP_BIN_RECORD_HEADER)
#define SETUP_BIN_ENTRY_HEADER 8
#define SETUP_BIN_SCRAMBLE 17 /* added to each byte of a body: no protection */
#define SETUP_BIN_KEEP 1      /* flag of the file */
#define SETUP_BIN_VALID 1     /* flags of a record */
#define SETUP_BIN_SCRAMBLED 2
#define SETUP_BIN_GUID 16

/* where things stand in the file's header and in a record's */
enum {
	AT_TYPE = 0,
	AT_CHUNKS = 16,
	AT_HEADER_BYTES = 18,
	AT_NUMBER = 20,
	AT_MAJOR = 24,
	AT_MINOR = 25,
	AT_FLAGS = 26,
	AT_COUNT = 28,
	AT_CONSUMED = 32,
	AT_RECORD_CHUNKS = 36,
	AT_MODULES = 40,
};
enum {
	AT_RECORD_TYPE = 0,
	AT_RECORD_FLAGS = 4,
	AT_RECORD_OLD = 8, /* where the reference's decoder looks for the three below */
	AT_RECORD_CHUNK = 16,
	AT_RECORD_HEADER_BYTES = 18,
	AT_RECORD_NUMBER = 20,
};

/* the types of the files of the major versions 1 to 4 */
static const guint8 setup_bin_types[][SETUP_BIN_GUID] = {
	{ 0xb5, 0x16, 0xfb, 0x71, 0x87, 0xcb, 0xf9, 0x4a, 0xb4, 0x41, 0xca, 0x7b, 0x38, 0x35, 0x78,
	    0xf9 },
	{ 0x96, 0xb2, 0x81, 0x58, 0xcf, 0x6b, 0x72, 0x4c, 0x8b, 0x91, 0xa1, 0x5e, 0x51, 0x2e, 0x99,
	    0xc4 },
	{ 0xa7, 0xf7, 0xf6, 0xc6, 0x89, 0xc4, 0xf6, 0x47, 0x93, 0xed, 0xe2, 0xe5, 0x02, 0x0d, 0xa5,
	    0x1d },
	{ 0xaa, 0xa9, 0x34, 0x52, 0xe1, 0x29, 0xa9, 0x44, 0x8d, 0x4d, 0x08, 0x1c, 0x07, 0xb9, 0x63,
	    0x53 },
};

static const struct {
	guint version;
	const char *name;
} setup_bin_versions[] = {
	{ PV_SETUP_BIN_1, "1" },
	{ PV_SETUP_BIN_2, "2" },
	{ PV_SETUP_BIN_21, "2.1" },
	{ PV_SETUP_BIN_3, "3" },
	{ PV_SETUP_BIN_4, "4" },
};

const char *
pv_setup_bin_version_to_string(guint version)
{
	for (gsize i = 0; i < G_N_ELEMENTS(setup_bin_versions); i++)
		if (setup_bin_versions[i].version == version)
			return setup_bin_versions[i].name;
	return NULL;
}

guint
pv_setup_bin_version_parse(const char *text)
{
	for (gsize i = 0; i < G_N_ELEMENTS(setup_bin_versions); i++)
		if (g_str_equal(setup_bin_versions[i].name, text))
			return setup_bin_versions[i].version;
	return 0;
}

/* ---- in memory ---- */

static void
setup_bin_entry_free(gpointer data)
{
	PvSetupBinEntry *entry = data;
	explicit_bzero(entry->value, entry->length);
	g_free(entry->value);
	g_free(entry);
}

static void
setup_bin_record_free(gpointer data)
{
	PvSetupBinRecord *record = data;
	g_ptr_array_unref(record->entries);
	g_free(record);
}

PvSetupBin *
pv_setup_bin_new(guint version)
{
	PvSetupBin *bin = g_new0(PvSetupBin, 1);
	bin->version = version;
	bin->records = g_ptr_array_new_with_free_func(setup_bin_record_free);
	return bin;
}

void
pv_setup_bin_free(PvSetupBin *bin)
{
	if (bin == NULL)
		return;
	g_ptr_array_unref(bin->records);
	g_free(bin);
}

PvSetupBinRecord *
pv_setup_bin_add_record(PvSetupBin *bin)
{
	PvSetupBinRecord *record = g_new0(PvSetupBinRecord, 1);
	record->valid = TRUE;
	record->entries = g_ptr_array_new_with_free_func(setup_bin_entry_free);
	g_ptr_array_add(bin->records, record);
	record->number = bin->records->len;
	return record;
}

static void
setup_bin_add(PvSetupBinRecord *record, guint module, guint variable, const void *value, gsize length)
{
	PvSetupBinEntry *entry = g_new0(PvSetupBinEntry, 1);
	entry->module = (guint16)module;
	entry->variable = (guint16)variable;
	entry->length = (guint16)length;
	entry->value = g_malloc0(length + 1); /* never NULL, also of an empty value */
	if (length > 0)
		memcpy(entry->value, value, length);
	g_ptr_array_add(record->entries, entry);
}

void
pv_setup_bin_add(PvSetupBinRecord *record, const PvSetupBinVariable *variable, const void *value,
    gsize length_bytes)
{
	setup_bin_add(record, variable->module, variable->variable, value, MIN(length_bytes, G_MAXUINT16));
}

/* ---- reading ---- */

static guint16
setup_bin_read16(const guint8 *data)
{
	return (guint16)(data[0] | data[1] << 8);
}

static guint32
setup_bin_read32(const guint8 *data)
{
	return (guint32)data[0] | (guint32)data[1] << 8 | (guint32)data[2] << 16 |
	       (guint32)data[3] << 24;
}

static gboolean setup_bin_fail(GError **error, gsize offset, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean
setup_bin_fail(GError **error, gsize offset, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read setup.bin: at byte %" G_GSIZE_FORMAT ": %s",
	    offset, text);
	return FALSE;
}

static gboolean
setup_bin_read_version(PvSetupBin *bin, const guint8 *data, GError **error)
{
	guint major = 0;
	for (guint i = 0; i < G_N_ELEMENTS(setup_bin_types); i++)
		if (memcmp(data + AT_TYPE, setup_bin_types[i], SETUP_BIN_GUID) == 0)
			major = i + 1;
	if (major == 0)
		return setup_bin_fail(error, AT_TYPE,
		    "its type is none of the four that are known: this is no setup.bin");
	if (data[AT_MAJOR] != major)
		return setup_bin_fail(error, AT_MAJOR,
		    "the version is %u and the type is that of version %u", data[AT_MAJOR], major);
	bin->version = 10 * major + data[AT_MINOR];
	if (data[AT_MINOR] > 9 || pv_setup_bin_version_to_string(bin->version) == NULL)
		return setup_bin_fail(error, AT_MINOR, "version %u.%u is not known; 1, 2, 2.1, 3 and 4 are",
		    major, data[AT_MINOR]);
	return TRUE;
}

static gboolean
setup_bin_read_header(PvSetupBin *bin, const guint8 *data, gsize length_bytes, GError **error)
{
	if (length_bytes < SETUP_BIN_CHUNK)
		return setup_bin_fail(error, length_bytes, "it ends before its header of %d bytes does",
		    SETUP_BIN_CHUNK);
	if (!setup_bin_read_version(bin, data, error))
		return FALSE;
	gsize count = length_bytes / SETUP_BIN_CHUNK - 1;
	if (length_bytes % SETUP_BIN_CHUNK != 0)
		return setup_bin_fail(error, (count + 1) * SETUP_BIN_CHUNK,
		    "record %" G_GSIZE_FORMAT " ends after %" G_GSIZE_FORMAT " of %d bytes", count + 1,
		    length_bytes % SETUP_BIN_CHUNK, SETUP_BIN_CHUNK);
	if (count > PV_SETUP_BIN_MAX_RECORDS)
		return setup_bin_fail(error, AT_COUNT, "more than %d records", PV_SETUP_BIN_MAX_RECORDS);
	/* one known encoder writes 0 for itself */
	if (setup_bin_read16(data + AT_CHUNKS) > 1 || setup_bin_read16(data + AT_RECORD_CHUNKS) != 1)
		return setup_bin_fail(error, AT_RECORD_CHUNKS,
		    "headers and records of more than %d bytes are not known", SETUP_BIN_CHUNK);
	guint header = setup_bin_read16(data + AT_HEADER_BYTES);
	if (header < SETUP_BIN_HEADER || header > SETUP_BIN_CHUNK)
		return setup_bin_fail(
		    error, AT_HEADER_BYTES, "the header has %u bytes, not %d or more", header, SETUP_BIN_HEADER);
	if (setup_bin_read32(data + AT_COUNT) != count)
		return setup_bin_fail(error, AT_COUNT,
		    "it says that it has %u records, and has %" G_GSIZE_FORMAT,
		    setup_bin_read32(data + AT_COUNT), count);
	bin->keep = (setup_bin_read16(data + AT_FLAGS) & SETUP_BIN_KEEP) != 0;
	bin->consumed = setup_bin_read32(data + AT_CONSUMED);
	if (bin->consumed > count)
		return setup_bin_fail(error, AT_CONSUMED,
		    "%u records of %" G_GSIZE_FORMAT " are said to be used up", bin->consumed, count);
	return TRUE;
}

/* @body: without scrambling; @offset: of it in the file */
static gboolean
setup_bin_read_entries(PvSetupBinRecord *record, const guint8 *body, gsize offset, guint number, GError **error)
{
	gsize at = 0;
	while (SETUP_BIN_BODY - at >= 2 && setup_bin_read16(body + at) != 0) {
		guint entry = record->entries->len + 1;
		if (SETUP_BIN_BODY - at < SETUP_BIN_ENTRY_HEADER)
			return setup_bin_fail(error, offset + at,
			    "record %u, entry %u: the record ends within its head", number, entry);
		guint length = setup_bin_read16(body + at + 4);
		if (length > SETUP_BIN_BODY - at - SETUP_BIN_ENTRY_HEADER)
			return setup_bin_fail(error, offset + at + 4,
			    "record %u, entry %u: its value of %u bytes goes beyond the record", number, entry,
			    length);
		setup_bin_add(record, setup_bin_read16(body + at), setup_bin_read16(body + at + 2),
		    body + at + SETUP_BIN_ENTRY_HEADER, length);
		/* the last value's padding may be cut short by the record's end */
		at = MIN(at + SETUP_BIN_ENTRY_HEADER + (length + 3) / 4 * 4, SETUP_BIN_BODY);
	}
	return TRUE;
}

static gboolean
setup_bin_read_record(PvSetupBin *bin, const guint8 *data, guint index, GError **error)
{
	gsize offset = ((gsize)index + 1) * SETUP_BIN_CHUNK;
	const guint8 *head = data + offset;
	guint32 type = setup_bin_read32(head + AT_RECORD_TYPE);
	guint32 flags = setup_bin_read32(head + AT_RECORD_FLAGS);
	if (type > 1)
		return setup_bin_fail(error, offset, "record %u: its type is %u, not 0 or 1", index + 1, type);
	/* the reference's encoder and decoder disagree about eight bytes: either place will do */
	gsize at = setup_bin_read16(head + AT_RECORD_CHUNK) == 0 &&
			   setup_bin_read16(head + AT_RECORD_HEADER_BYTES) == 0
		       ? AT_RECORD_OLD
		       : AT_RECORD_CHUNK;
	/* one that was used up may have been wiped */
	if (type == 1 && (setup_bin_read16(head + at) != 1 ||
			     setup_bin_read16(head + at + 2) != SETUP_BIN_RECORD_HEADER))
		return setup_bin_fail(error, offset + at,
		    "record %u: it is not one of %d bytes with a head of %d", index + 1, SETUP_BIN_CHUNK,
		    SETUP_BIN_RECORD_HEADER);
	PvSetupBinRecord *record = pv_setup_bin_add_record(bin);
	record->valid = type == 1 && (flags & SETUP_BIN_VALID) != 0;
	record->scrambled = (flags & SETUP_BIN_SCRAMBLED) != 0;
	record->number = setup_bin_read32(head + at + 4);
	if (type == 0)
		return TRUE;
	guint8 body[SETUP_BIN_BODY];
	for (gsize i = 0; i < SETUP_BIN_BODY; i++)
		body[i] = (guint8)(head[SETUP_BIN_RECORD_HEADER + i] -
				   (record->scrambled ? SETUP_BIN_SCRAMBLE : 0));
	gboolean good = setup_bin_read_entries(
	    record, body, offset + SETUP_BIN_RECORD_HEADER, index + 1, error);
	explicit_bzero(body, sizeof body);
	return good;
}

PvSetupBin *
pv_setup_bin_parse(const guint8 *data, gsize length_bytes, GError **error)
{
	g_autoptr(PvSetupBin) bin = pv_setup_bin_new(0);
	if (!setup_bin_read_header(bin, data, length_bytes, error))
		return NULL;
	guint count = (guint)(length_bytes / SETUP_BIN_CHUNK - 1);
	for (guint i = 0; i < count; i++)
		if (!setup_bin_read_record(bin, data, i, error))
			return NULL;
	return g_steal_pointer(&bin);
}

/* ---- writing ---- */

static void
setup_bin_write16(guint8 *out, guint value)
{
	out[0] = (guint8)value;
	out[1] = (guint8)(value >> 8);
}

static void
setup_bin_write32(guint8 *out, guint32 value)
{
	setup_bin_write16(out, value & 0xffff);
	setup_bin_write16(out + 2, value >> 16);
}

static int
setup_bin_compare(gconstpointer a, gconstpointer b)
{
	const PvSetupBinEntry *one = *(const PvSetupBinEntry *const *)a;
	const PvSetupBinEntry *other = *(const PvSetupBinEntry *const *)b;
	guint left = (guint)one->module << 16 | one->variable;
	guint right = (guint)other->module << 16 | other->variable;
	return left < right ? -1 : left > right;
}

static void
setup_bin_write_modules(const PvSetupBin *bin, guint8 *header)
{
	guint count = 0;
	gboolean used[3] = { FALSE };
	for (guint i = 0; i < bin->records->len; i++) {
		const PvSetupBinRecord *record = bin->records->pdata[i];
		for (guint j = 0; j < record->entries->len; j++) {
			/* a record that is used up may hold anything */
			const PvSetupBinEntry *entry = record->entries->pdata[j];
			if (entry->module < G_N_ELEMENTS(used))
				used[entry->module] = TRUE;
		}
	}
	for (guint module = 1; module < G_N_ELEMENTS(used); module++)
		if (used[module])
			setup_bin_write16(header + AT_MODULES + 2 * count++, module);
	setup_bin_write16(header + AT_HEADER_BYTES, SETUP_BIN_HEADER + 2 * count);
}

static void
setup_bin_write_header(const PvSetupBin *bin, guint8 *header)
{
	guint major = bin->version / 10;
	memcpy(header + AT_TYPE, setup_bin_types[major - 1], SETUP_BIN_GUID);
	setup_bin_write16(header + AT_CHUNKS, 1);
	header[AT_MAJOR] = (guint8)major;
	header[AT_MINOR] = (guint8)(bin->version % 10);
	setup_bin_write16(header + AT_FLAGS, bin->keep ? SETUP_BIN_KEEP : 0);
	setup_bin_write32(header + AT_COUNT, bin->records->len);
	setup_bin_write32(header + AT_CONSUMED, bin->consumed);
	setup_bin_write16(header + AT_RECORD_CHUNKS, 1);
	setup_bin_write_modules(bin, header);
}

static void
setup_bin_write_record(const PvSetupBinRecord *record, guint8 *out)
{
	setup_bin_write32(out + AT_RECORD_TYPE, 1);
	setup_bin_write32(out + AT_RECORD_FLAGS,
	    (record->valid ? SETUP_BIN_VALID : 0) | (record->scrambled ? SETUP_BIN_SCRAMBLED : 0));
	setup_bin_write16(out + AT_RECORD_CHUNK, 1);
	setup_bin_write16(out + AT_RECORD_HEADER_BYTES, SETUP_BIN_RECORD_HEADER);
	setup_bin_write32(out + AT_RECORD_NUMBER, record->number);
	guint8 *at = out + SETUP_BIN_RECORD_HEADER;
	for (guint i = 0; i < record->entries->len; i++) {
		const PvSetupBinEntry *entry = record->entries->pdata[i];
		setup_bin_write16(at, entry->module);
		setup_bin_write16(at + 2, entry->variable);
		setup_bin_write16(at + 4, entry->length);
		if (entry->length > 0)
			memcpy(at + SETUP_BIN_ENTRY_HEADER, entry->value, entry->length);
		at += SETUP_BIN_ENTRY_HEADER + (entry->length + 3) / 4 * 4;
	}
	for (gsize i = SETUP_BIN_RECORD_HEADER; record->scrambled && i < SETUP_BIN_CHUNK; i++)
		out[i] = (guint8)(out[i] + SETUP_BIN_SCRAMBLE);
}

GByteArray *
pv_setup_bin_write(PvSetupBin *bin, GError **error)
{
	/* by module and variable: that keeps to all rules of order that are known */
	for (guint i = 0; i < bin->records->len; i++)
		g_ptr_array_sort(
		    ((PvSetupBinRecord *)bin->records->pdata[i])->entries, setup_bin_compare);
	if (!pv_setup_bin_check(bin, error))
		return NULL;
	GByteArray *out = g_byte_array_new();
	g_byte_array_set_size(out, (bin->records->len + 1) * SETUP_BIN_CHUNK);
	memset(out->data, 0, out->len);
	setup_bin_write_header(bin, out->data);
	for (guint i = 0; i < bin->records->len; i++)
		setup_bin_write_record(
		    bin->records->pdata[i], out->data + (gsize)(i + 1) * SETUP_BIN_CHUNK);
	return out;
}
