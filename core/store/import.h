/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/store/db.h"

G_BEGIN_DECLS

/* Import of Configuration Manager's CSV (Microsoft, "How to provision computers for AMT out of band": file format):
 * short name, FQDN, SMBIOS UUID [, MAC [, MEBx password, Base64 [, remote admin password, Base64]]]. */

typedef enum {
	PV_IMPORT_ADDED,
	PV_IMPORT_CHANGED,
	PV_IMPORT_SAME,
	PV_IMPORT_REFUSED,
} PvImportOutcome;

typedef struct {
	guint line;               /* 1-based line where the row begins */
	PvImportOutcome outcome;
	char *uuid;               /* NULL: none could be read */
	char *name;
	char *text;               /* what changed, or why it was refused and what to do; no secret */
} PvImportRow;

void pv_import_row_free(PvImportRow *row);

/**
 * pv_import_csv:
 * @name: file name for errors
 * @group: (nullable): group that the devices are put into; NULL: unchanged, or none
 * @dry_run: report only
 *
 * Takes UTF-8 with or without BOM, LF and CRLF, quoted fields, an optional header line. Good rows are written in one
 * transaction even when others are refused. A second run changes nothing.
 *
 * Returns: (transfer container): GPtrArray of PvImportRow, one per row of the file; NULL when the file as a whole
 * cannot be read (encoding, size over 64 MiB, unclosed quote with its line).
 */
GPtrArray *pv_import_csv(PvDb *db, const char *name, const char *text, gsize length_bytes, const char *group, gboolean dry_run, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What facts say of who a device is to a directory and to those who check certificates: columns of an export and members
 * of the commands' JSON. */
typedef struct {
	const char *column; /* of the CSV */
	const char *member; /* of JSON */
	const char *fact; /* NULL: the SHA-256 of all certificates by which the device enters networks, joined by blanks */
} PvExportFact;
extern const PvExportFact pv_export_facts[]; /* ends with {NULL} */
/* the value for a row of them; NULL: none. (transfer full) */
char *pv_export_dup_fact(const PvExportFact *row, GHashTable *facts);

/**
 * pv_export_csv:
 *
 * The devices in the same columns, without passwords, plus group, status, time and those of the table above: header line,
 * RFC 4180 quoting, CRLF. Cells that a spreadsheet would run (=, +, -, @) are written with a leading apostrophe. The
 * columns are an interface: new ones come at the end.
 *
 * Returns: (transfer full): the text; NULL with the store's error.
 */
char *pv_export_csv(PvDb *db, GPtrArray *devices, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
