/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/db-private.h"

#include "core/amt/uuid.h"
#include "core/store/audit.h"
#include "core/store/seal.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

/* meta value: the audit chain's root, sealed under the master key. That it opens proves the key. */
#define DB_ROOT_NAME "audit-root"
/* changes of one device's secrets are made one after the other; devices share these locks */
#define DB_SECRET_LOCKS 64
/* entries read at a time when the chain is walked */
#define DB_AUDIT_PAGE 1000

struct PvDb {
	gatomicrefcount references;
	const PvStore *provider;
	gpointer handle;                       /* owned */
	char *actor;
	GRWLock key_lock;                      /* held for writing while the key is rotated */
	PvSecret *seal_key;                    /* protected by key_lock */
	char *root;                            /* base64, as in the store; protected by key_lock */
	PvSecret *root_value;                  /* 32 bytes */
	GBytes *audit_key;                     /* derived from root_value */
	GMutex secret_locks[DB_SECRET_LOCKS];  /* taken before key_lock */
};

static char *
db_encode(GBytes *bytes)
{
	gsize length = 0;
	const guint8 *data = g_bytes_get_data(bytes, &length);
	return g_base64_encode(data, length);
}

/* Derives the audit key of a root and hands it to the store. */
static gboolean
db_use_root(PvDb *db, PvSecret *value, GError **error)
{
	g_autoptr(PvSecret) key = pv_seal_derive_key(value, PV_SEAL_INFO_AUDIT, error);
	if (key == NULL)
		return FALSE;
	g_clear_pointer(&db->root_value, pv_secret_unref);
	g_clear_pointer(&db->audit_key, g_bytes_unref);
	db->root_value = pv_secret_ref(value);
	db->audit_key = g_bytes_new(pv_secret_peek(key, NULL), PV_AUDIT_KEY_BYTES);
	db->provider->set_audit_key(db->handle, db->audit_key);
	return TRUE;
}

/* Gives a new store its audit root, an empty chain's tail and the first entry, all at once. */
static gboolean
db_create_root(PvDb *db, GError **error)
{
	guint8 bytes[PV_AUDIT_KEY_BYTES];
	if (RAND_priv_bytes(bytes, sizeof bytes) != 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "no random bytes");
		return FALSE;
	}
	g_autoptr(PvSecret) value = pv_secret_new(bytes, sizeof bytes);
	OPENSSL_cleanse(bytes, sizeof bytes);
	g_autoptr(GBytes) sealed = pv_seal(db->seal_key, "", DB_ROOT_NAME, value, error);
	if (sealed == NULL || !db_use_root(db, value, error))
		return FALSE;

	g_autofree char *root = db_encode(sealed);
	g_autofree char *tail = pv_audit_tail_format(db->audit_key, 0, PV_AUDIT_FIRST);
	g_autoptr(PvAuditRow) entry = pv_db_new_audit(db, "store-create", "", "a new store");
	const PvWrite writes[] = {
		{ .kind = PV_WRITE_META, .name = DB_ROOT_NAME, .value = root },
		{ .kind = PV_WRITE_META, .name = PV_AUDIT_TAIL_NAME, .value = tail },
		{ .kind = PV_WRITE_AUDIT, .audit = entry },
	};
	return db->provider->write(db->handle, writes, G_N_ELEMENTS(writes), error);
}

static gboolean
db_load_root(PvDb *db, GError **error)
{
	g_autofree char *root = NULL;
	if (!db->provider->meta(db->handle, DB_ROOT_NAME, NULL, &root, error))
		return FALSE;
	if (root == NULL) {
		g_autoptr(GError) problem = NULL;
		/* EXISTS: another process has just made it */
		if (!db_create_root(db, &problem) &&
		    !g_error_matches(problem, G_IO_ERROR, G_IO_ERROR_EXISTS)) {
			g_propagate_error(error, g_steal_pointer(&problem));
			return FALSE;
		}
		if (!db->provider->meta(db->handle, DB_ROOT_NAME, NULL, &root, error))
			return FALSE;
	}

	gsize length = 0;
	guint8 *data = g_base64_decode(root != NULL ? root : "", &length);
	g_autoptr(GBytes) sealed = g_bytes_new_take(data, length);
	g_autoptr(PvSecret) value = pv_seal_open(db->seal_key, "", DB_ROOT_NAME, sealed, NULL);
	if (value == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "wrong master key: this is not the key that the store was made with, or the "
		    "store was changed");
		return FALSE;
	}
	db->root = g_steal_pointer(&root);
	return db_use_root(db, value, error);
}

PvDb *
pv_db_open(const PvStore *provider, const PvValues *values, PvSecret *key, const char *actor,
    GError **error)
{
	gsize key_length = 0;
	(void)pv_secret_peek(key, &key_length);
	if (key_length != PV_SEAL_KEY_BYTES) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "open store: the master key has %" G_GSIZE_FORMAT " bytes, not %d", key_length,
		    PV_SEAL_KEY_BYTES);
		return NULL;
	}

	g_autoptr(PvDb) db = g_new0(PvDb, 1);
	g_atomic_ref_count_init(&db->references);
	g_rw_lock_init(&db->key_lock);
	for (guint i = 0; i < DB_SECRET_LOCKS; i++)
		g_mutex_init(&db->secret_locks[i]);
	db->provider = provider;
	db->actor = g_strdup(actor);
	db->seal_key = pv_seal_derive_key(key, PV_SEAL_INFO_SECRETS, error);
	if (db->seal_key == NULL)
		return NULL;
	db->handle = provider->open(values, error);
	if (db->handle == NULL)
		return NULL;
	if (!db_load_root(db, error)) {
		g_prefix_error(error, "open store: ");
		return NULL;
	}
	return g_steal_pointer(&db);
}

PvDb *
pv_db_ref(PvDb *db)
{
	g_atomic_ref_count_inc(&db->references);
	return db;
}

void
pv_db_unref(PvDb *db)
{
	if (db == NULL || !g_atomic_ref_count_dec(&db->references))
		return;
	if (db->handle != NULL)
		db->provider->close(db->handle);
	g_clear_pointer(&db->seal_key, pv_secret_unref);
	g_clear_pointer(&db->root_value, pv_secret_unref);
	g_clear_pointer(&db->audit_key, g_bytes_unref);
	for (guint i = 0; i < DB_SECRET_LOCKS; i++)
		g_mutex_clear(&db->secret_locks[i]);
	g_rw_lock_clear(&db->key_lock);
	g_free(db->root);
	g_free(db->actor);
	g_free(db);
}

const PvStore *
pv_db_get_provider(PvDb *db)
{
	return db->provider;
}

gpointer
pv_db_get_handle(PvDb *db)
{
	return db->handle;
}

gboolean
pv_db_write(PvDb *db, const PvWrite *writes, gsize count, GError **error)
{
	return db->provider->write(db->handle, writes, count, error);
}

GPtrArray *
pv_db_list_devices(PvDb *db, GError **error)
{
	return db->provider->devices(db->handle, NULL, error);
}

static void
db_set_ambiguous(GError **error, const char *word, GPtrArray *found)
{
	GString *names = g_string_new(NULL);
	const guint shown = MIN(found->len, 5);
	for (guint i = 0; i < shown; i++) {
		const PvDeviceRow *row = g_ptr_array_index(found, i);
		g_string_append_printf(names, "%s%s (%s)", i > 0 ? ", " : "",
		    row->fqdn != NULL ? row->fqdn : row->name, row->uuid);
	}
	if (found->len > shown)
		g_string_append_printf(names, " and %u more", found->len - shown);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "find device %s: the name means %u devices: %s: give the FQDN or UUID", word,
	    found->len, names->str);
	g_string_free(names, TRUE);
}

static gboolean
db_same_name(const char *a, const char *b)
{
	return a != NULL && b != NULL && g_ascii_strcasecmp(a, b) == 0;
}

PvDeviceRow *
pv_db_find_device(PvDb *db, const char *word, GError **error)
{
	g_autofree char *uuid = pv_uuid_normalize(word);
	g_autoptr(GPtrArray) rows = db->provider->devices(db->handle, uuid, error);
	if (rows == NULL) {
		g_prefix_error(error, "find device %s: ", word);
		return NULL;
	}

	g_autoptr(GPtrArray) exact = g_ptr_array_new();
	g_autoptr(GPtrArray) named = g_ptr_array_new();
	for (guint i = 0; i < rows->len; i++) {
		PvDeviceRow *row = g_ptr_array_index(rows, i);
		if (uuid != NULL || db_same_name(row->fqdn, word))
			g_ptr_array_add(exact, row);
		else if (db_same_name(row->name, word))
			g_ptr_array_add(named, row);
	}
	GPtrArray *found = exact->len > 0 ? exact : named;
	if (found->len == 1) {
		guint at = 0;
		PvDeviceRow *row = g_ptr_array_index(found, 0);
		(void)g_ptr_array_find(rows, row, &at); /* it came from there */
		return g_ptr_array_steal_index_fast(rows, at);
	}
	if (found->len == 0)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "find device %s: there is none by that UUID, FQDN or name", word);
	else
		db_set_ambiguous(error, word, found);
	return NULL;
}

GHashTable *
pv_db_get_facts(PvDb *db, const char *uuid, GError **error)
{
	g_autoptr(GPtrArray) rows = db->provider->facts(db->handle, uuid, error);
	if (rows == NULL)
		return NULL;
	GHashTable *facts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	for (guint i = 0; i < rows->len; i++) {
		PvFactRow *row = g_ptr_array_index(rows, i);
		g_hash_table_replace(
		    facts, g_steal_pointer(&row->name), g_steal_pointer(&row->value));
	}
	return facts;
}

GPtrArray *
pv_db_list_jobs(PvDb *db, const char *uuid, gboolean active_only, GError **error)
{
	return db->provider->jobs(db->handle, uuid, active_only, error);
}

GPtrArray *
pv_db_list_results(PvDb *db, gint64 job, GError **error)
{
	return db->provider->results(db->handle, job, error);
}

GPtrArray *
pv_db_list_events(PvDb *db, const char *uuid, gint64 after_seq, guint limit, GError **error)
{
	return db->provider->events(db->handle, uuid, after_seq, limit, error);
}

GPtrArray *
pv_db_list_audits(PvDb *db, gint64 after_seq, guint limit, GError **error)
{
	return db->provider->audits(db->handle, after_seq, limit, error);
}

/* Sealing */

void
pv_db_begin_sealing(PvDb *db)
{
	g_rw_lock_reader_lock(&db->key_lock);
}

void
pv_db_end_sealing(PvDb *db)
{
	g_rw_lock_reader_unlock(&db->key_lock);
}

PvWrite
pv_db_expect_key(PvDb *db)
{
	return (PvWrite) { .kind = PV_WRITE_META, .name = DB_ROOT_NAME, .value = db->root };
}

void
pv_db_explain_rotation(GError **error)
{
	if (error == NULL || !g_error_matches(*error, G_IO_ERROR, G_IO_ERROR_EXISTS))
		return;
	g_clear_error(error);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "another process has given the store a new master key: start again with that key");
}

PvSecretRow *
pv_db_seal_row(PvDb *db, const char *uuid, const char *name, const char *state, PvSecret *value,
    GError **error)
{
	g_autoptr(GBytes) sealed = pv_seal(db->seal_key, uuid, name, value, error);
	if (sealed == NULL)
		return NULL;
	PvSecretRow *row = g_new0(PvSecretRow, 1);
	row->uuid = g_strdup(uuid);
	row->name = g_strdup(name);
	row->state = g_strdup(state);
	row->made_usec = g_get_real_time();
	row->sealed = g_steal_pointer(&sealed);
	return row;
}

PvSecret *
pv_db_open_row(PvDb *db, const PvSecretRow *row, GError **error)
{
	return pv_seal_open(db->seal_key, row->uuid, row->name, row->sealed, error);
}

static PvAuditRow *
db_new_audit_valist(PvDb *db, const char *action, const char *object, const char *format,
    va_list list) G_GNUC_PRINTF(4, 0);

static PvAuditRow *
db_new_audit_valist(
    PvDb *db, const char *action, const char *object, const char *format, va_list list)
{
	PvAuditRow *row = g_new0(PvAuditRow, 1);
	row->time_usec = g_get_real_time();
	row->actor = g_strdup(db->actor);
	row->action = g_strdup(action);
	row->object = g_strdup(object != NULL ? object : "");
	row->text = g_strdup_vprintf(format, list);
	return row;
}

PvAuditRow *
pv_db_new_audit(PvDb *db, const char *action, const char *object, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	PvAuditRow *row = db_new_audit_valist(db, action, object, format, list);
	va_end(list);
	return row;
}

/* Secrets */

static GMutex *
db_get_secret_lock(PvDb *db, const char *uuid)
{
	return &db->secret_locks[g_str_hash(uuid) % DB_SECRET_LOCKS];
}

static PvSecretRow *
db_find_row(GPtrArray *rows, const char *name, const char *state)
{
	for (guint i = 0; i < rows->len; i++) {
		PvSecretRow *row = g_ptr_array_index(rows, i);
		if (strcmp(row->name, name) == 0 && strcmp(row->state, state) == 0)
			return row;
	}
	return NULL;
}

/* Writes changes of a secret with their audit entry, unless the key is no longer the store's. */
static gboolean
db_write_secret(PvDb *db, const PvWrite *changes, gsize count, const char *action, const char *uuid,
    const char *text, GError **error)
{
	g_autoptr(PvAuditRow) entry =
	    pv_db_new_audit(db, action, *uuid != '\0' ? uuid : "site", "%s", text);
	g_autoptr(GArray) writes = g_array_new(FALSE, FALSE, sizeof(PvWrite));
	PvWrite expect = pv_db_expect_key(db);
	PvWrite audit = { .kind = PV_WRITE_AUDIT, .audit = entry };
	g_array_append_val(writes, expect);
	g_array_append_vals(writes, changes, (guint)count);
	g_array_append_val(writes, audit);

	g_autoptr(GError) problem = NULL;
	if (pv_db_write(db, (const PvWrite *)(gconstpointer)writes->data, writes->len, &problem))
		return TRUE;
	pv_db_explain_rotation(&problem);
	g_propagate_error(error, g_steal_pointer(&problem));
	return FALSE;
}

static gboolean
db_put_secret(PvDb *db, const char *uuid, const char *name, const char *state, PvSecret *value,
    GError **error)
{
	g_autoptr(GPtrArray) rows = db->provider->secrets(db->handle, uuid, error);
	if (rows == NULL)
		return FALSE;
	const PvSecretRow *old = db_find_row(rows, name, state);
	/* one that does not open any more is replaced, and kept in the history like any other */
	g_autoptr(PvSecret) old_value = old != NULL ? pv_db_open_row(db, old, NULL) : NULL;
	if (old_value != NULL && pv_secret_equal(old_value, value))
		return TRUE;

	g_autoptr(PvSecretRow) row = pv_db_seal_row(db, uuid, name, state, value, error);
	if (row == NULL)
		return FALSE;
	const PvWrite change = { .kind = PV_WRITE_SECRET, .secret = row };
	g_autofree char *action = g_strconcat("secret-", state, NULL);
	return db_write_secret(db, &change, 1, action, uuid, name, error);
}

gboolean
pv_db_put_secret(PvDb *db, const char *uuid, const char *name, const char *state, PvSecret *value,
    GError **error)
{
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(db_get_secret_lock(db, uuid));
	pv_db_begin_sealing(db);
	gboolean good = db_put_secret(db, uuid, name, state, value, error);
	pv_db_end_sealing(db);
	if (!good) {
		g_autofree char *label = pv_seal_label(uuid, name);
		g_prefix_error(error, "put %s: ", label);
	}
	return good;
}

PvSecret *
pv_db_dup_secret(
    PvDb *db, const char *uuid, const char *name, const char *state, GError **error)
{
	pv_db_begin_sealing(db);
	g_autoptr(GPtrArray) rows = db->provider->secrets(db->handle, uuid, error);
	PvSecretRow *row = rows != NULL ? db_find_row(rows, name, state) : NULL;
	PvSecret *value = row != NULL ? pv_db_open_row(db, row, error) : NULL;
	pv_db_end_sealing(db);

	g_autofree char *label = pv_seal_label(uuid, name);
	if (rows == NULL)
		g_prefix_error(error, "read %s: ", label);
	else if (row == NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: there is no %s value", label,
		    state);
	return value;
}

gboolean
pv_db_has_secret(PvDb *db, const char *uuid, const char *name, const char *state)
{
	g_autoptr(GPtrArray) rows = db->provider->secrets(db->handle, uuid, NULL);
	return rows != NULL && db_find_row(rows, name, state) != NULL;
}

static gboolean
db_confirm_secret(PvDb *db, const char *uuid, const char *name, GError **error)
{
	g_autoptr(GPtrArray) rows = db->provider->secrets(db->handle, uuid, error);
	if (rows == NULL)
		return FALSE;
	PvSecretRow *row = db_find_row(rows, name, "pending");
	if (row == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "nothing is pending");
		return FALSE;
	}

	/* the seal does not depend on the state: the value moves as it is; the store keeps the former current one */
	g_free(row->state);
	row->state = g_strdup("current");
	const PvWrite changes[] = {
		{ .kind = PV_WRITE_SECRET, .secret = row },
		/* another process may have put a new one there since it was read; that one is not lost */
		{ .kind = PV_WRITE_DELETE_SECRET,
		    .uuid = uuid,
		    .name = name,
		    .value = "pending",
		    .secret = row },
	};
	return db_write_secret(
	    db, changes, G_N_ELEMENTS(changes), "secret-confirm", uuid, name, error);
}

gboolean
pv_db_confirm_secret(PvDb *db, const char *uuid, const char *name, GError **error)
{
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(db_get_secret_lock(db, uuid));
	pv_db_begin_sealing(db);
	gboolean good = db_confirm_secret(db, uuid, name, error);
	pv_db_end_sealing(db);
	if (!good) {
		g_autofree char *label = pv_seal_label(uuid, name);
		g_prefix_error(error, "confirm %s: ", label);
	}
	return good;
}

static int
db_compare_age(gconstpointer a, gconstpointer b)
{
	static const char *const order[] = { "pending", "current", "history" };
	const PvSecretRow *one = *(const PvSecretRow *const *)a;
	const PvSecretRow *other = *(const PvSecretRow *const *)b;
	int one_rank = 0, other_rank = 0;
	for (int i = 0; i < (int)G_N_ELEMENTS(order); i++) {
		one_rank = strcmp(one->state, order[i]) == 0 ? i : one_rank;
		other_rank = strcmp(other->state, order[i]) == 0 ? i : other_rank;
	}
	if (one_rank != other_rank)
		return one_rank - other_rank;
	return (one->made_usec < other->made_usec) - (one->made_usec > other->made_usec);
}

static gboolean
db_has_value(GPtrArray *values, PvSecret *value)
{
	for (guint i = 0; i < values->len; i++) {
		if (pv_secret_equal(g_ptr_array_index(values, i), value))
			return TRUE;
	}
	return FALSE;
}

GPtrArray *
pv_db_list_secret_values(PvDb *db, const char *uuid, const char *name, GError **error)
{
	g_autoptr(GPtrArray) values =
	    g_ptr_array_new_with_free_func((GDestroyNotify)pv_secret_unref);
	g_autoptr(GError) problem = NULL;
	pv_db_begin_sealing(db);
	g_autoptr(GPtrArray) rows = db->provider->secrets(db->handle, uuid, &problem);
	if (rows != NULL)
		g_ptr_array_sort(rows, db_compare_age);
	for (guint i = 0; rows != NULL && i < rows->len; i++) {
		const PvSecretRow *row = g_ptr_array_index(rows, i);
		if (strcmp(row->name, name) != 0)
			continue;
		/* one damaged value must not hide the others, which may be what still opens the device */
		g_autoptr(PvSecret) value =
		    pv_db_open_row(db, row, problem == NULL ? &problem : NULL);
		if (value != NULL && !db_has_value(values, value))
			g_ptr_array_add(values, g_steal_pointer(&value));
	}
	pv_db_end_sealing(db);

	if (problem != NULL && values->len == 0) {
		g_propagate_error(error, g_steal_pointer(&problem));
		return NULL;
	}
	return g_steal_pointer(&values);
}

gboolean
pv_db_delete_secret(
    PvDb *db, const char *uuid, const char *name, const char *state, GError **error)
{
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(db_get_secret_lock(db, uuid));
	const PvWrite change = {
		.kind = PV_WRITE_DELETE_SECRET, .uuid = uuid, .name = name, .value = state
	};
	g_autofree char *text = g_strdup_printf("%s %s", name, state != NULL ? state : "all");
	pv_db_begin_sealing(db);
	gboolean good = db_write_secret(db, &change, 1, "secret-delete", uuid, text, error);
	pv_db_end_sealing(db);
	if (!good) {
		g_autofree char *label = pv_seal_label(uuid, name);
		g_prefix_error(error, "delete %s: ", label);
	}
	return good;
}

static int
db_compare_text(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
pv_db_list_secret_names(PvDb *db, const char *uuid, GError **error)
{
	g_autoptr(GPtrArray) rows = db->provider->secrets(db->handle, uuid, error);
	if (rows == NULL)
		return NULL;
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < rows->len; i++) {
		PvSecretRow *row = g_ptr_array_index(rows, i);
		if (g_hash_table_add(seen, row->name))
			g_ptr_array_add(names, g_strdup(row->name));
	}
	g_ptr_array_sort(names, db_compare_text);
	return names;
}

typedef struct {
	PvSecret *old_key;
	PvSecret *new_key;
	guint count;
} DbRotation;

static GBytes *
db_reseal(const PvSecretRow *row, gpointer data, GError **error)
{
	DbRotation *rotation = data;
	g_autoptr(PvSecret) value =
	    pv_seal_open(rotation->old_key, row->uuid, row->name, row->sealed, error);
	if (value == NULL)
		return NULL;
	rotation->count++;
	return pv_seal(rotation->new_key, row->uuid, row->name, value, error);
}

/* The audit root is sealed anew like every secret but stays the same value, so the chain goes on. */
static gboolean
db_rotate_key(PvDb *db, PvSecret *new_seal_key, GError **error)
{
	g_autoptr(GBytes) sealed = pv_seal(new_seal_key, "", DB_ROOT_NAME, db->root_value, error);
	if (sealed == NULL)
		return FALSE;
	g_autofree char *root = db_encode(sealed);
	DbRotation rotation = { .old_key = db->seal_key, .new_key = new_seal_key };
	g_autoptr(PvAuditRow) begin =
	    pv_db_new_audit(db, "key-rotate-begin", "", "seals all secrets under a new master key");
	const PvWrite before[] = {
		pv_db_expect_key(db),
		{ .kind = PV_WRITE_AUDIT, .audit = begin },
	};
	if (!pv_db_write(db, before, G_N_ELEMENTS(before), error) ||
	    !db->provider->rotate(db->handle, db_reseal, &rotation, DB_ROOT_NAME, root, error))
		return FALSE;

	/* the store has the new key now, whatever comes */
	pv_secret_unref(db->seal_key);
	db->seal_key = pv_secret_ref(new_seal_key);
	g_free(db->root);
	db->root = g_steal_pointer(&root);
	return pv_db_audit(db, "key-rotate", "", error, "sealed %u values anew", rotation.count);
}

gboolean
pv_db_rotate_key(PvDb *db, PvSecret *new_key, GError **error)
{
	gsize length = 0;
	(void)pv_secret_peek(new_key, &length);
	if (length != PV_SEAL_KEY_BYTES) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "rotate key: the new key has %" G_GSIZE_FORMAT " bytes, not %d", length,
		    PV_SEAL_KEY_BYTES);
		return FALSE;
	}
	g_autoptr(PvSecret) seal_key = pv_seal_derive_key(new_key, PV_SEAL_INFO_SECRETS, error);
	if (seal_key == NULL)
		return FALSE;

	g_autoptr(GError) problem = NULL;
	g_rw_lock_writer_lock(&db->key_lock);
	gboolean good = db_rotate_key(db, seal_key, &problem);
	g_rw_lock_writer_unlock(&db->key_lock);
	if (!good) {
		pv_db_explain_rotation(&problem);
		g_propagate_prefixed_error(error, g_steal_pointer(&problem), "rotate key: ");
	}
	return good;
}

/* Audit */

gboolean
pv_db_audit(PvDb *db, const char *action, const char *object, GError **error, const char *format,
    ...)
{
	va_list list;
	va_start(list, format);
	g_autoptr(PvAuditRow) row = db_new_audit_valist(db, action, object, format, list);
	va_end(list);
	const PvWrite write = { .kind = PV_WRITE_AUDIT, .audit = row };
	return pv_db_write(db, &write, 1, error);
}

/* how far the chain was walked */
typedef struct {
	gint64 seq;  /* of the last good entry */
	char *hash;  /* its; owned */
} DbWalk;

static gboolean
db_check_entry(PvDb *db, DbWalk *walk, const PvAuditRow *row, GError **error)
{
	if (row->seq != walk->seq + 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
		    "entry %" G_GINT64_FORMAT " is missing: entry %" G_GINT64_FORMAT
		    " comes after entry %" G_GINT64_FORMAT,
		    walk->seq + 1, row->seq, walk->seq);
		return FALSE;
	}
	g_autofree char *hash = pv_audit_hash(db->audit_key, walk->hash, row);
	if (g_strcmp0(hash, row->hash) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
		    "entry %" G_GINT64_FORMAT
		    " was changed, or does not follow the one before it",
		    row->seq);
		return FALSE;
	}
	walk->seq = row->seq;
	g_free(walk->hash);
	walk->hash = g_steal_pointer(&hash);
	return TRUE;
}

static gboolean
db_walk(PvDb *db, DbWalk *walk, GError **error)
{
	for (;;) {
		g_autoptr(GPtrArray) rows =
		    db->provider->audits(db->handle, walk->seq, DB_AUDIT_PAGE, error);
		if (rows == NULL)
			return FALSE;
		if (rows->len == 0)
			return TRUE;
		for (guint i = 0; i < rows->len; i++) {
			if (!db_check_entry(db, walk, g_ptr_array_index(rows, i), error))
				return FALSE;
		}
	}
}

/* @tail was read before the walk: entries that were written meanwhile lie behind it */
static gboolean
db_check_tail(PvDb *db, const char *tail, const DbWalk *walk, GError **error)
{
	gint64 seq = 0;
	g_autofree char *hash = NULL;
	if (!pv_audit_tail_parse(db->audit_key, tail, &seq, &hash)) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
		    "the record of the last entry is missing or was changed: entries after %"
		    G_GINT64_FORMAT " may have been cut off",
		    walk->seq);
		return FALSE;
	}
	if (seq > walk->seq) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
		    "entry %" G_GINT64_FORMAT " is missing: the log was cut off, it went up to "
		    "entry %" G_GINT64_FORMAT,
		    walk->seq + 1, seq);
		return FALSE;
	}
	return TRUE;
}

gboolean
pv_db_verify_audit(PvDb *db, gint64 *count, GError **error)
{
	g_autofree char *tail = NULL;
	DbWalk walk = { .hash = g_strdup(PV_AUDIT_FIRST) };
	gboolean good =
	    db->provider->meta(db->handle, PV_AUDIT_TAIL_NAME, NULL, &tail, error) &&
	    db_walk(db, &walk, error) && db_check_tail(db, tail, &walk, error);
	g_free(walk.hash);
	if (count != NULL)
		*count = walk.seq;
	if (!good)
		g_prefix_error(error, "verify audit log: ");
	return good;
}
