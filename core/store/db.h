/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/secret.h>
#include <provost/store.h>

G_BEGIN_DECLS

/* The store with its seal: what the engine and the commands use. Thread-safe, reference-counted. */
typedef struct PvDb PvDb;

/* The built-in provider. */
extern const PvStore pv_store_sqlite;

/**
 * pv_key_load:
 * @path: file with 32 raw bytes or 64 hex digits, of root or the caller, mode 0600 or 0400; or "credential:NAME"
 *   of systemd ($CREDENTIALS_DIRECTORY)
 *
 * Returns: the master key; PV_ERROR_CONFIG says what is wrong with the file.
 */
PvSecret *pv_key_load(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* writes a new random key, mode 0600, synced; fails when the file exists */
gboolean pv_key_create(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_db_open:
 * @actor: who acts, for the audit log: "uid 0 (root) provost"
 *
 * Opens the store and proves that the key is the one it was made with, by a sealed value kept in it.
 */
PvDb *pv_db_open(const PvStore *provider, const PvValues *values, PvSecret *key, const char *actor, GError **error) G_GNUC_WARN_UNUSED_RESULT;
PvDb *pv_db_ref(PvDb *db);
void pv_db_unref(PvDb *db);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvDb, pv_db_unref)

const PvStore *pv_db_get_provider(PvDb *db);
gpointer pv_db_get_handle(PvDb *db);

gboolean pv_db_write(PvDb *db, const PvWrite *writes, gsize count, GError **error) G_GNUC_WARN_UNUSED_RESULT;
GPtrArray *pv_db_list_devices(PvDb *db, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* of PvDeviceRow, by name */
/* by UUID, FQDN or short name; CONFIG when there is none, or when a short name means several (they are named) */
PvDeviceRow *pv_db_find_device(PvDb *db, const char *word, GError **error) G_GNUC_WARN_UNUSED_RESULT;
GHashTable *pv_db_get_facts(PvDb *db, const char *uuid, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* name -> value, both owned */
GPtrArray *pv_db_list_jobs(PvDb *db, const char *uuid, gboolean active_only, GError **error) G_GNUC_WARN_UNUSED_RESULT;
GPtrArray *pv_db_list_results(PvDb *db, gint64 job, GError **error) G_GNUC_WARN_UNUSED_RESULT;
GPtrArray *pv_db_list_events(PvDb *db, const char *uuid, gint64 after_seq, guint limit, GError **error) G_GNUC_WARN_UNUSED_RESULT;
GPtrArray *pv_db_list_audits(PvDb *db, gint64 after_seq, guint limit, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Secrets, sealed with AES-256-GCM under a key derived from the master key, bound to (uuid, name, state-independent)
 * as associated data. state: "current", "pending". uuid "": the site's. Each change is durable on return and leaves
 * an audit entry without the value. A value that is replaced goes to the history. When another process has rotated the
 * key meanwhile, a change fails with CONFIG, so that nothing is sealed that nobody could open. */
gboolean pv_db_put_secret(PvDb *db, const char *uuid, const char *name, const char *state, PvSecret *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
PvSecret *pv_db_dup_secret(PvDb *db, const char *uuid, const char *name, const char *state, GError **error) G_GNUC_WARN_UNUSED_RESULT; /* CONFIG: there is none */
gboolean pv_db_has_secret(PvDb *db, const char *uuid, const char *name, const char *state);
/* pending becomes current, current goes to the history: one transaction */
gboolean pv_db_confirm_secret(PvDb *db, const char *uuid, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* all values the name has ever had, each once: pending, current, history from the last one replaced on. Values that do
 * not open are left out, unless none does. of PvSecret */
GPtrArray *pv_db_list_secret_values(PvDb *db, const char *uuid, const char *name, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* state NULL: all of them, with the history */
gboolean pv_db_delete_secret(PvDb *db, const char *uuid, const char *name, const char *state, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* names of the secrets of one device or ("") the site, sorted; no values. of char* */
GPtrArray *pv_db_list_secret_names(PvDb *db, const char *uuid, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* seals every value anew, the root of the audit chain among them, in one transaction; the chain goes on. Other
 * processes on the store have to be started again */
gboolean pv_db_rotate_key(PvDb *db, PvSecret *new_key, GError **error) G_GNUC_WARN_UNUSED_RESULT;

gboolean pv_db_audit(PvDb *db, const char *action, const char *object, GError **error, const char *format, ...) G_GNUC_PRINTF(5, 6);
/* walks the chain; the error names the first entry that does not fit */
gboolean pv_db_verify_audit(PvDb *db, gint64 *count, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* "HOST BOOT-ID:PID-NAMESPACE PID START-TIME" of this process, and those among @owners that surely no longer run (same host and
 * boot, no such process; or same host, another boot). */
char *pv_owner_new(void);
char **pv_owner_find_dead(char **owners);

G_END_DECLS
