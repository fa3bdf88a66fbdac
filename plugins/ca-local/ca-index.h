/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The record of what the CA did: a text file that only grows, one line for each event, each line with a
 * checksum and synced before anybody hears of it. Whoever calls holds the folder's lock. */
typedef struct CaIndex CaIndex;

typedef struct {
	char *serial; /* hex, upper case */
	char *key; /* hex SHA-256 over the public key and the request; see ca_local_request_key() */
	gint64 not_before; /* seconds since 1970 */
	gint64 not_after;
	gint64 revoked; /* seconds since 1970; 0: it is not */
	guint reason; /* RFC 5280 CRLReason, when revoked */
} CaRecord;

/* A request that somebody has to decide on. */
typedef struct {
	char *id; /* a number, from 1 on */
	char *key; /* as CaRecord.key */
	char *uuid; /* of the device, or "-" */
	char *name;
	gint64 asked; /* seconds since 1970 */
	gint64 decided; /* likewise; 0: not yet */
	gboolean approved;
	char *text; /* why it was denied; NULL: nobody said */
} CaAsked;

CaIndex *ca_index_open(const char *path, GError **error);
void ca_index_free(CaIndex *index);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CaIndex, ca_index_free)

/* Takes in what other processes have written since, and cuts off a line that a crash left half written. */
gboolean ca_index_refresh(CaIndex *index, GError **error);

gboolean ca_index_add_issued(
    CaIndex *index, const CaRecord *record, const char *uuid, GError **error);
gboolean ca_index_add_revoked(
    CaIndex *index, const char *serial, gint64 time, guint reason, GError **error);
gboolean ca_index_add_crl(CaIndex *index, guint64 number, GError **error);

/* under the next number, in *id (transfer full) */
gboolean ca_index_add_asked(CaIndex *index, const char *key, const char *uuid, const char *name,
    gint64 time, char **id, GError **error);
/* @text: (nullable), of at most 256 bytes */
gboolean ca_index_add_decided(CaIndex *index, const char *id, gboolean approved, gint64 time,
    const char *text, GError **error);

/* lent until the next refresh or add */
const CaAsked *ca_index_find_asked(CaIndex *index, const char *id);
const CaAsked *ca_index_find_asked_key(CaIndex *index, const char *key); /* the newest */
GPtrArray *ca_index_get_undecided(CaIndex *index); /* (transfer container) of CaAsked, lent */
const CaRecord *ca_index_find_serial(CaIndex *index, const char *serial);
const CaRecord *ca_index_find_key(CaIndex *index, const char *key); /* the newest */
guint ca_index_get_length(CaIndex *index);
guint64 ca_index_get_crl_number(CaIndex *index); /* 0: none made yet */
GPtrArray *ca_index_get_revoked(CaIndex *index); /* (transfer container) of CaRecord, lent */

G_END_DECLS
