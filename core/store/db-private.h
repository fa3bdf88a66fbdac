/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/store/db.h"

G_BEGIN_DECLS

/* For bulk work on secrets within core/store. Between begin and end the key stays the same; the functions of db.h
 * that take secrets must not be called meanwhile on that thread. */

void pv_db_begin_sealing(PvDb *db);
void pv_db_end_sealing(PvDb *db);

/* the write that fails the transaction (G_IO_ERROR_EXISTS) if another process has rotated the key; lent until end */
PvWrite pv_db_expect_key(PvDb *db);
/* the same error as text for people */
void pv_db_explain_rotation(GError **error);

/* a row to be written, made now */
PvSecretRow *pv_db_seal_row(PvDb *db, const char *uuid, const char *name, const char *state, PvSecret *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
PvSecret *pv_db_open_row(PvDb *db, const PvSecretRow *row, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* an entry to be written, made now by the db's actor. Free with pv_audit_row_free() */
PvAuditRow *pv_db_new_audit(PvDb *db, const char *action, const char *object, const char *format, ...) G_GNUC_PRINTF(4, 5);

G_END_DECLS
