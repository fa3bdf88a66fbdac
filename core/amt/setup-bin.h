/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* setup.bin: what the BIOS looks for on a stick and gives to MEBx ("one touch"). A header of 512 bytes, then records of
 * 512 bytes with entries (module, variable, value). No document of the format is public; it is that of MeshCommander's
 * library, whose encoder was believed where its decoder differs. Little-endian. */

/* versions of the format, as tens: 2.1 is 21 */
enum {
	PV_SETUP_BIN_1 = 10,  /* AMT 1 and 2: PID and PPS, a record for each computer */
	PV_SETUP_BIN_2 = 20,  /* AMT 3 */
	PV_SETUP_BIN_21 = 21, /* AMT 4 */
	PV_SETUP_BIN_3 = 30,  /* AMT 6 */
	PV_SETUP_BIN_4 = 40,
};

typedef enum {
	PV_SETUP_BIN_TEXT,
	PV_SETUP_BIN_U8,
	PV_SETUP_BIN_U16,
	PV_SETUP_BIN_U32,
	PV_SETUP_BIN_GUID,
	PV_SETUP_BIN_HASH,  /* algorithm, hash, length of the name, name */
	PV_SETUP_BIN_BYTES, /* of a structure that is not known; hexadecimal */
} PvSetupBinKind;

typedef struct {
	guint16 module, variable;
	const char *name;       /* for people and JSON */
	PvSetupBinKind kind;
	guint least, most;      /* bytes of TEXT and BYTES, values of numbers */
	const char *choices;    /* of a number: "none=0|amt=1"; NULL: any */
	guint since;            /* first version that may hold it */
	gboolean secret;
} PvSetupBinVariable;

typedef struct {
	guint16 module, variable;
	guint16 length;         /* bytes */
	guint8 *value;          /* owned; wiped */
} PvSetupBinEntry;

typedef struct {
	gboolean valid;         /* a data record that nobody has used up */
	gboolean scrambled;
	guint32 number;         /* from 1 */
	GPtrArray *entries;     /* of PvSetupBinEntry, owned, in the file's order */
} PvSetupBinRecord;

typedef struct {
	guint version;          /* one of PV_SETUP_BIN_… */
	gboolean keep;          /* records are not used up */
	guint32 consumed;       /* records used up */
	GPtrArray *records;     /* of PvSetupBinRecord, owned */
} PvSetupBin;

#define PV_SETUP_BIN_CHUNK 512 /* bytes */
#define PV_SETUP_BIN_MAX_RECORDS 100000
#define PV_SETUP_BIN_MAX_HASHES 3

PvSetupBin *pv_setup_bin_new(guint version);
void pv_setup_bin_free(PvSetupBin *bin);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSetupBin, pv_setup_bin_free)

PvSetupBinRecord *pv_setup_bin_add_record(PvSetupBin *bin); /* lent */
/* entries of a record that is written stand in the order that firmware wants, whatever the order they are added in */
void pv_setup_bin_add(PvSetupBinRecord *record, const PvSetupBinVariable *variable, const void *value, gsize length_bytes);

/* all that are known; ends with one whose name is NULL */
extern const PvSetupBinVariable pv_setup_bin_variables[];
const PvSetupBinVariable *pv_setup_bin_find(guint module, guint variable); /* NULL: not known */
const PvSetupBinVariable *pv_setup_bin_find_name(const char *name);        /* NULL: not known */
const char *pv_setup_bin_version_to_string(guint version);                 /* "2.1"; NULL: none of them */
guint pv_setup_bin_version_parse(const char *text);                        /* 0: none of them */

/**
 * pv_setup_bin_parse:
 *
 * Reads a file from anywhere. PV_ERROR_CONFIG names the offset, and record and entry, of what makes no sense; entries
 * that are not known are kept. Whether what it says is right, pv_setup_bin_check() tells.
 */
PvSetupBin *pv_setup_bin_parse(const guint8 *data, gsize length_bytes, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether the firmware would take it: lengths, values, what the version may hold, order. CONFIG names record and entry. */
gboolean pv_setup_bin_check(const PvSetupBin *bin, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The file, once checked; wipe it. (transfer full) */
GByteArray *pv_setup_bin_write(PvSetupBin *bin, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* @text as a person gives it into the bytes of the variable; not for HASH. CONFIG says what may stand there */
GBytes *pv_setup_bin_value_parse(const PvSetupBinVariable *variable, const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The reverse; what does not fit the variable, or belongs to none (NULL), as hexadecimal. (transfer full) */
char *pv_setup_bin_value_to_string(const PvSetupBinVariable *variable, const PvSetupBinEntry *entry);

G_END_DECLS
