/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "local-file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <provost/provost.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory in a folder:
 *   lock                  flock()ed by whoever writes
 *   domain.json           the domain's SID, the next RID, RIDs given to names of groups.json
 *   groups.json           groups and users, written by people, only read here
 *   accounts/UUID.json    one account each; named by the device's UUID, which no name can turn into a path */

#define LOCAL_LOCK_WAIT_SEC 60
#define LOCAL_LOCK_POLL_MSEC 10
#define LOCAL_NAME_MAX 20 /* sAMAccountName of a user (MS-ADTS 3.1.1.6) */
#define LOCAL_FIRST_RID \
	1100 /* below it are the well-known ones of a Windows domain (MS-DTYP 2.4.2.4) */
#define LOCAL_ITERATIONS \
	4096 /* the work factor of the Kerberos keys that a real directory keeps (RFC 3962) */
#define LOCAL_HASH_BYTES 32
#define LOCAL_SALT_BYTES 16

/* One account as its file has it. Owned. */
typedef struct {
	char *uuid;
	char *name; /* sAMAccountName */
	char *fqdn;
	char *dn;
	guint rid;
	char **spns;
	char **groups; /* names as in groups.json */
	guint kvno; /* 0: no password */
	char *salt; /* Kerberos salt of the key; NULL: no password */
	char *verifier; /* "pbkdf2-sha256:ITERATIONS:SALT:HASH", hex; NULL: no password */
} LocalAccount;

/* What was parsed of an account's file, and how the file looked then. */
typedef struct {
	ino_t inode;
	off_t size;
	struct timespec changed;
	LocalAccount *account;
} LocalCached;

typedef struct {
	char *path;
	char *realm; /* upper case */
	char *domain; /* the name before a backslash */
	char *sid; /* of the domain; immutable after open */
	int lock_fd;
	GMutex mutex; /* flock() keeps processes apart, this threads; guards what is below */
	GHashTable *cache; /* char* file name -> LocalCached, owned */
} LocalDirectory;

static void
local_account_free(LocalAccount *account)
{
	if (account == NULL)
		return;
	g_free(account->uuid);
	g_free(account->name);
	g_free(account->fqdn);
	g_free(account->dn);
	g_strfreev(account->spns);
	g_strfreev(account->groups);
	g_free(account->salt);
	g_free(account->verifier);
	g_free(account);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LocalAccount, local_account_free)

static void
local_cached_free(LocalCached *cached)
{
	local_account_free(cached->account);
	g_free(cached);
}

static void
directory_local_close(gpointer handle)
{
	LocalDirectory *local = handle;
	if (local == NULL)
		return;
	if (local->lock_fd >= 0)
		close(local->lock_fd);
	g_hash_table_unref(local->cache);
	g_mutex_clear(&local->mutex);
	g_free(local->path);
	g_free(local->realm);
	g_free(local->domain);
	g_free(local->sid);
	g_free(local);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LocalDirectory, directory_local_close)

/* Waits on the cancellable, so that cancelling ends it at once. */
static void
directory_local_pause(GCancellable *cancellable)
{
	GPollFD fd;
	if (cancellable != NULL && g_cancellable_make_pollfd(cancellable, &fd)) {
		g_poll(&fd, 1, LOCAL_LOCK_POLL_MSEC);
		g_cancellable_release_fd(cancellable);
	} else {
		g_usleep(LOCAL_LOCK_POLL_MSEC * 1000);
	}
}

static gboolean
directory_local_lock_file(LocalDirectory *local, GCancellable *cancellable, GError **error)
{
	gint64 end = g_get_monotonic_time() + LOCAL_LOCK_WAIT_SEC * G_USEC_PER_SEC;
	while (flock(local->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "lock %s/lock: %s",
			    local->path, g_strerror(errno));
			return FALSE;
		}
		if (g_get_monotonic_time() > end) {
			g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE,
			    "lock %s/lock: another process has held it for %d seconds", local->path,
			    LOCAL_LOCK_WAIT_SEC);
			return FALSE;
		}
		directory_local_pause(cancellable);
		if (g_cancellable_set_error_if_cancelled(cancellable, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
directory_local_lock(LocalDirectory *local, GCancellable *cancellable, GError **error)
{
	g_mutex_lock(&local->mutex);
	if (directory_local_lock_file(local, cancellable, error))
		return TRUE;
	g_mutex_unlock(&local->mutex);
	return FALSE;
}

static void
directory_local_unlock(LocalDirectory *local)
{
	flock(local->lock_fd, LOCK_UN);
	g_mutex_unlock(&local->mutex);
}

/* "domain.json", made with a random SID at first use. Under the lock. */
static JsonNode *
directory_local_load_domain(LocalDirectory *local, GError **error)
{
	g_autofree char *path = g_build_filename(local->path, "domain.json", NULL);
	g_autoptr(GError) local_error = NULL;
	g_autoptr(JsonNode) root = local_file_load(path, &local_error);
	if (local_error != NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return NULL;
	}
	if (root != NULL) {
		JsonObject *domain = json_node_get_object(root);
		const char *sid = local_json_get_string(domain, "sid");
		if (sid == NULL ||
		    !g_regex_match_simple("^S-1-5-21(-[0-9]{1,10}){3}$", sid, 0, 0) ||
		    local_json_get_int(domain, "next-rid", 0) < LOCAL_FIRST_RID) {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "read %s: \"sid\" or \"next-rid\" is missing or wrong: put it back "
			    "from a backup",
			    path);
			return NULL;
		}
		return g_steal_pointer(&root);
	}

	guint32 parts[3];
	if (RAND_bytes((unsigned char *)parts, sizeof parts) != 1) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_FAILED, "make the domain's sid: no random numbers");
		return NULL;
	}
	g_autofree char *sid = g_strdup_printf("S-1-5-21-%u-%u-%u", parts[0], parts[1], parts[2]);
	JsonObject *domain = json_object_new();
	json_object_set_string_member(domain, "sid", sid);
	json_object_set_int_member(domain, "next-rid", LOCAL_FIRST_RID);
	json_object_set_object_member(domain, "rids", json_object_new());
	root = json_node_init_object(json_node_alloc(), domain);
	json_object_unref(domain);
	return local_file_save(path, root, error) ? g_steal_pointer(&root) : NULL;
}

/* A number that no other name of this directory has or had: it is on the disk before it is used. With @name, the
 * number is kept for it and given again. 0: error. Under the lock. */
static guint
directory_local_take_rid(LocalDirectory *local, const char *name, GError **error)
{
	g_autoptr(JsonNode) loaded = directory_local_load_domain(local, error);
	if (loaded == NULL)
		return 0;
	JsonObject *old = json_node_get_object(loaded);
	JsonNode *old_rids = json_object_get_member(old, "rids");
	JsonObject *known = old_rids != NULL && JSON_NODE_HOLDS_OBJECT(old_rids)
				? json_node_get_object(old_rids)
				: NULL;
	gint64 rid = known == NULL || name == NULL ? 0 : local_json_get_int(known, name, 0);
	if (rid > 0 && rid <= G_MAXINT32)
		return (guint)rid;
	rid = local_json_get_int(old, "next-rid", 0);
	if (rid >= G_MAXINT32) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
		    "number an account in %s: no number is left", local->path);
		return 0;
	}

	/* what was loaded is immutable: write a new one */
	JsonObject *rids = json_object_new();
	g_autoptr(GList) members = known == NULL ? NULL : json_object_get_members(known);
	for (GList *member = members; member != NULL; member = member->next)
		json_object_set_int_member(
		    rids, member->data, local_json_get_int(known, member->data, 0));
	if (name != NULL)
		json_object_set_int_member(rids, name, rid);
	g_autoptr(JsonObject) domain = json_object_new();
	json_object_set_string_member(domain, "sid", local->sid);
	json_object_set_int_member(domain, "next-rid", rid + 1);
	json_object_set_object_member(domain, "rids", rids);
	g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), domain);
	g_autofree char *path = g_build_filename(local->path, "domain.json", NULL);
	return local_file_save(path, root, error) ? (guint)rid : 0;
}

static char *
directory_local_dup_path(LocalDirectory *local, const PvAccountSpec *spec, GError **error)
{
	if (spec->uuid == NULL || !g_uuid_string_is_valid(spec->uuid)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "find account %s: the device has no valid UUID",
		    spec->name == NULL ? "" : spec->name);
		return NULL;
	}
	g_autofree char *uuid = g_ascii_strdown(spec->uuid, -1);
	g_autofree char *file = g_strconcat(uuid, ".json", NULL);
	return g_build_filename(local->path, "accounts", file, NULL);
}

/* NULL without an error: there is none */
static LocalAccount *
directory_local_load_account(const char *path, GError **error)
{
	g_autoptr(JsonNode) root = local_file_load(path, error);
	if (root == NULL)
		return NULL;
	JsonObject *object = json_node_get_object(root);
	g_autoptr(LocalAccount) account = g_new0(LocalAccount, 1);
	account->uuid = g_strdup(local_json_get_string(object, "uuid"));
	account->name = g_strdup(local_json_get_string(object, "name"));
	account->fqdn = g_strdup(local_json_get_string(object, "fqdn"));
	account->dn = g_strdup(local_json_get_string(object, "dn"));
	gint64 rid = local_json_get_int(object, "rid", 0);
	account->rid = (guint)CLAMP(rid, 0, G_MAXINT32);
	account->spns = local_json_dup_list(object, "spns");
	account->groups = local_json_dup_list(object, "groups");
	gint64 kvno = local_json_get_int(object, "kvno", 0);
	account->kvno = (guint)CLAMP(kvno, 0, G_MAXINT32);
	account->salt = g_strdup(local_json_get_string(object, "salt"));
	account->verifier = g_strdup(local_json_get_string(object, "password"));
	if (account->uuid == NULL || account->name == NULL || account->dn == NULL ||
	    account->rid == 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "read %s: \"uuid\", \"name\", \"dn\" or \"rid\" is missing: put it back from a "
		    "backup",
		    path);
		return NULL;
	}
	return g_steal_pointer(&account);
}

static JsonArray *
directory_local_list_to_json(char **list)
{
	JsonArray *array = json_array_new();
	for (guint i = 0; list != NULL && list[i] != NULL; i++)
		json_array_add_string_element(array, list[i]);
	return array;
}

static gboolean
directory_local_save_account(const char *path, const LocalAccount *account, GError **error)
{
	g_autoptr(JsonObject) object = json_object_new();
	json_object_set_string_member(object, "uuid", account->uuid);
	json_object_set_string_member(object, "name", account->name);
	json_object_set_string_member(object, "dn", account->dn);
	if (account->fqdn != NULL)
		json_object_set_string_member(object, "fqdn", account->fqdn);
	json_object_set_int_member(object, "rid", account->rid);
	json_object_set_array_member(object, "spns", directory_local_list_to_json(account->spns));
	json_object_set_array_member(
	    object, "groups", directory_local_list_to_json(account->groups));
	json_object_set_int_member(object, "kvno", account->kvno);
	if (account->salt != NULL)
		json_object_set_string_member(object, "salt", account->salt);
	if (account->verifier != NULL)
		json_object_set_string_member(object, "password", account->verifier);
	g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), object);
	return local_file_save(path, root, error);
}

static gboolean
directory_local_is_cached(const LocalCached *cached, const struct stat *st)
{
	return cached != NULL && cached->inode == st->st_ino && cached->size == st->st_size &&
	       cached->changed.tv_sec == st->st_mtim.tv_sec &&
	       cached->changed.tv_nsec == st->st_mtim.tv_nsec;
}

/* Brings the cache up to the folder: only files that changed are parsed. Under the lock. */
static gboolean
directory_local_scan(LocalDirectory *local, GError **error)
{
	g_autofree char *folder = g_build_filename(local->path, "accounts", NULL);
	g_autoptr(GError) local_error = NULL;
	g_autoptr(GDir) dir = g_dir_open(folder, 0, &local_error);
	if (dir == NULL) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "read %s: %s", folder, local_error->message);
		return FALSE;
	}
	g_autoptr(GHashTable) fresh = g_hash_table_new_full(
	    g_str_hash, g_str_equal, g_free, (GDestroyNotify)local_cached_free);
	for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir)) {
		struct stat st;
		g_autofree char *path = g_build_filename(folder, name, NULL);
		if (!g_str_has_suffix(name, ".json") || stat(path, &st) != 0)
			continue;
		char *key = NULL;
		LocalCached *cached = g_hash_table_lookup(local->cache, name);
		if (directory_local_is_cached(cached, &st)) {
			g_hash_table_steal_extended(local->cache, name, (gpointer *)&key, NULL);
			g_hash_table_replace(fresh, key, cached);
			continue;
		}
		LocalAccount *account = directory_local_load_account(path, &local_error);
		if (local_error != NULL) {
			g_propagate_error(error, g_steal_pointer(&local_error));
			return FALSE;
		}
		if (account == NULL)
			continue;
		cached = g_new0(LocalCached, 1);
		cached->inode = st.st_ino;
		cached->size = st.st_size;
		cached->changed = st.st_mtim;
		cached->account = account;
		g_hash_table_replace(fresh, g_strdup(name), cached);
	}
	g_hash_table_unref(local->cache);
	local->cache = g_steal_pointer(&fresh);
	return TRUE;
}

static gboolean
directory_local_has(char **list, const char *text)
{
	for (guint i = 0; list != NULL && list[i] != NULL; i++)
		if (g_ascii_strcasecmp(list[i], text) == 0)
			return TRUE;
	return FALSE;
}

/* DC=example,DC=com out of EXAMPLE.COM */
static char *
directory_local_dup_base(LocalDirectory *local)
{
	g_autofree char *lower = g_ascii_strdown(local->realm, -1);
	g_auto(GStrv) parts = g_strsplit(lower, ".", -1);
	g_autofree char *joined = g_strjoinv(",DC=", parts);
	return g_strconcat("DC=", joined, NULL);
}

/* Names take only characters that mean nothing in a DN, a path or an SPN. */
static gboolean
directory_local_check_spec(const PvAccountSpec *spec, GError **error)
{
	const char *name = spec->name == NULL ? "" : spec->name;
	gsize length = strlen(name);
	gboolean ok = length > 0 && length <= LOCAL_NAME_MAX && name[0] != '.' && name[0] != '-';
	for (gsize i = 0; ok && i < length; i++)
		ok = g_ascii_isalnum(name[i]) || strchr("-_.$", name[i]) != NULL;
	if (!ok) {
		g_autofree char *printable = g_strescape(name, NULL);
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "make account \"%s\": a name has 1 to %d letters, digits, '-', '_', '.' or '$'",
		    printable, LOCAL_NAME_MAX);
		return FALSE;
	}
	if (spec->ou != NULL && (!g_utf8_validate(spec->ou, -1, NULL) || strlen(spec->ou) > 512 ||
				    !g_regex_match_simple("^(OU|CN|DC)=[^\\x00-\\x1f]+$", spec->ou,
					G_REGEX_CASELESS, 0))) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "make account %s: the container must be a DN such as OU=AMT,DC=example,DC=com",
		    name);
		return FALSE;
	}
	return TRUE;
}

/* An account's name and SPNs belong to one object of the directory: a second one would break both logins. */
static gboolean
directory_local_check_unique(
    LocalDirectory *local, const PvAccountSpec *spec, const char *own_dn, GError **error)
{
	GHashTableIter iter;
	LocalCached *cached = NULL;
	g_hash_table_iter_init(&iter, local->cache);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&cached)) {
		const LocalAccount *other = cached->account;
		if (g_ascii_strcasecmp(other->uuid, spec->uuid) == 0)
			continue;
		if (g_ascii_strcasecmp(other->name, spec->name) == 0) {
			g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
			    "make account %s: %s has this name and belongs to device %s: rename "
			    "the device or retire the other one",
			    spec->name, other->dn, other->uuid);
			return FALSE;
		}
		for (guint i = 0; spec->spns != NULL && spec->spns[i] != NULL; i++) {
			if (!directory_local_has(other->spns, spec->spns[i]))
				continue;
			g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
			    "set the SPNs of %s: %s is taken by %s: remove one of the two", own_dn,
			    spec->spns[i], other->dn);
			return FALSE;
		}
	}
	return TRUE;
}

/* NULL without an error: there is no groups.json */
static JsonNode *
directory_local_load_groups(LocalDirectory *local, GError **error)
{
	g_autofree char *path = g_build_filename(local->path, "groups.json", NULL);
	return local_file_load(path, error);
}

static char *
directory_local_dup_group_dn(LocalDirectory *local, JsonObject *group)
{
	const char *dn = local_json_get_string(group, "dn");
	if (dn != NULL)
		return g_strdup(dn);
	const char *name = local_json_get_string(group, "name");
	g_autofree char *base = directory_local_dup_base(local);
	return g_strdup_printf("CN=%s,CN=Users,%s", name == NULL ? "" : name, base);
}

/* An entry of "groups" or "users" by name or DN. Lent by @root; NULL: none. */
static JsonObject *
directory_local_find_entry(
    LocalDirectory *local, JsonNode *root, const char *kind, const char *name)
{
	JsonArray *list =
	    root == NULL ? NULL : local_json_get_array(json_node_get_object(root), kind);
	for (guint i = 0; list != NULL && i < json_array_get_length(list); i++) {
		JsonNode *node = json_array_get_element(list, i);
		if (!JSON_NODE_HOLDS_OBJECT(node))
			continue;
		JsonObject *entry = json_node_get_object(node);
		const char *own_name = local_json_get_string(entry, "name");
		g_autofree char *dn = directory_local_dup_group_dn(local, entry);
		if (own_name != NULL &&
		    (g_ascii_strcasecmp(own_name, name) == 0 || g_ascii_strcasecmp(dn, name) == 0))
			return entry;
	}
	return NULL;
}

/* The memberships that are there and those that are asked for, by the groups' own names. */
static char **
directory_local_merge_groups(
    LocalDirectory *local, char **present, const char *const *wanted, GError **error)
{
	g_autoptr(GError) local_error = NULL;
	g_autoptr(JsonNode) root = directory_local_load_groups(local, &local_error);
	if (local_error != NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return NULL;
	}
	g_autoptr(GPtrArray) merged = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; present != NULL && present[i] != NULL; i++)
		g_ptr_array_add(merged, g_strdup(present[i]));
	for (guint i = 0; wanted != NULL && wanted[i] != NULL; i++) {
		JsonObject *group = directory_local_find_entry(local, root, "groups", wanted[i]);
		if (group == NULL) {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "add account to group %s: %s/groups.json has no such group: enter { "
			    "\"name\": \"%s\" } in its \"groups\"",
			    wanted[i], local->path, wanted[i]);
			return NULL;
		}
		const char *name = local_json_get_string(group, "name");
		if (!directory_local_has(present, name))
			g_ptr_array_add(merged, g_strdup(name));
	}
	g_ptr_array_add(merged, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&merged), FALSE);
}

/* The salt that Active Directory gives a user account's key: the realm in upper case and the sAMAccountName
 * (MS-KILE 3.1.1.2). It follows a new name only with the next password, as there. */
static char *
directory_local_dup_salt(LocalDirectory *local, const LocalAccount *account)
{
	return g_strconcat(local->realm, account->name, NULL);
}

static PvAccount *
directory_local_to_account(LocalDirectory *local, const LocalAccount *account)
{
	PvAccount *result = g_new0(PvAccount, 1);
	result->dn = g_strdup(account->dn);
	result->account = g_strdup(account->name);
	result->sid = g_strdup_printf("%s-%u", local->sid, account->rid);
	result->fqdn = g_strdup(account->fqdn);
	result->realm = g_strdup(local->realm);
	result->salt = account->salt != NULL ? g_strdup(account->salt)
					     : directory_local_dup_salt(local, account);
	result->kvno = account->kvno;
	result->spns = g_strdupv(account->spns);
	result->groups = g_strdupv(account->groups);
	return result;
}

static gboolean
directory_local_find(gpointer handle, const PvAccountSpec *spec, PvAccount **account,
    GCancellable *cancellable, GError **error)
{
	LocalDirectory *local = handle;
	*account = NULL;
	g_autoptr(GError) local_error = NULL;
	/* no lock: a file is replaced as a whole */
	g_autofree char *path = directory_local_dup_path(local, spec, error);
	if (path == NULL)
		return FALSE;
	g_autoptr(LocalAccount) found = directory_local_load_account(path, &local_error);
	if (local_error != NULL) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return FALSE;
	}
	if (found != NULL)
		*account = directory_local_to_account(local, found);
	return TRUE;
}

static gboolean
directory_local_is_same(const LocalAccount *a, const LocalAccount *b)
{
	return g_strcmp0(a->name, b->name) == 0 && g_strcmp0(a->fqdn, b->fqdn) == 0 &&
	       g_strcmp0(a->dn, b->dn) == 0 &&
	       g_strv_equal((const char *const *)a->spns, (const char *const *)b->spns) &&
	       g_strv_equal((const char *const *)a->groups, (const char *const *)b->groups);
}

/* The account as it should be: number, key and container of the present one, the rest of @spec. */
static LocalAccount *
directory_local_merge(
    LocalDirectory *local, const LocalAccount *present, const PvAccountSpec *spec, GError **error)
{
	g_autofree char *base = directory_local_dup_base(local);
	g_autofree char *container =
	    spec->ou != NULL ? g_strdup(spec->ou) : g_strdup_printf("CN=Computers,%s", base);
	const char *comma = present == NULL ? NULL : strchr(present->dn, ',');
	g_autoptr(LocalAccount) account = g_new0(LocalAccount, 1);
	account->uuid = g_ascii_strdown(spec->uuid, -1);
	account->name = g_strdup(spec->name);
	account->fqdn = g_strdup(spec->fqdn);
	account->dn =
	    g_strdup_printf("CN=%s,%s", spec->name, comma == NULL ? container : comma + 1);
	account->spns = g_strdupv((char **)spec->spns);
	if (account->spns == NULL)
		account->spns = g_new0(char *, 1);
	account->groups = directory_local_merge_groups(
	    local, present == NULL ? NULL : present->groups, spec->groups, error);
	if (account->groups == NULL ||
	    !directory_local_check_unique(local, spec, account->dn, error))
		return NULL;
	if (present != NULL) {
		account->rid = present->rid;
		account->kvno = present->kvno;
		account->salt = g_strdup(present->salt);
		account->verifier = g_strdup(present->verifier);
		return g_steal_pointer(&account);
	}
	account->rid = directory_local_take_rid(local, NULL, error);
	return account->rid == 0 ? NULL : g_steal_pointer(&account);
}

static gboolean
directory_local_ensure_locked(LocalDirectory *local, const PvAccountSpec *spec, const char *path,
    PvAccount **account, GError **error)
{
	if (!directory_local_scan(local, error))
		return FALSE;
	g_autofree char *file = g_path_get_basename(path);
	const LocalCached *cached = g_hash_table_lookup(local->cache, file);
	const LocalAccount *present = cached == NULL ? NULL : cached->account;
	g_autoptr(LocalAccount) wanted = directory_local_merge(local, present, spec, error);
	if (wanted == NULL)
		return FALSE;
	if ((present == NULL || !directory_local_is_same(present, wanted)) &&
	    !directory_local_save_account(path, wanted, error))
		return FALSE;
	*account = directory_local_to_account(local, wanted);
	return TRUE;
}

static gboolean
directory_local_ensure(gpointer handle, const PvAccountSpec *spec, PvAccount **account,
    GCancellable *cancellable, GError **error)
{
	LocalDirectory *local = handle;
	*account = NULL;
	g_autofree char *path = directory_local_dup_path(local, spec, error);
	if (path == NULL || !directory_local_check_spec(spec, error) ||
	    !directory_local_lock(local, cancellable, error))
		return FALSE;
	gboolean ok = directory_local_ensure_locked(local, spec, path, account, error);
	directory_local_unlock(local);
	return ok;
}

static char *
directory_local_dup_hex(const unsigned char *data, gsize length)
{
	GString *hex = g_string_sized_new(length * 2);
	for (gsize i = 0; i < length; i++)
		g_string_append_printf(hex, "%02x", data[i]);
	return g_string_free(hex, FALSE);
}

/* The password itself is nowhere on the disk. */
static char *
directory_local_make_verifier(PvSecret *password, GError **error)
{
	gsize length = 0;
	const char *text = pv_secret_peek(password, &length);
	unsigned char salt[LOCAL_SALT_BYTES], hash[LOCAL_HASH_BYTES];
	if (length == 0 || length > 1024 || RAND_bytes(salt, sizeof salt) != 1 ||
	    PKCS5_PBKDF2_HMAC(text, (int)length, salt, sizeof salt, LOCAL_ITERATIONS, EVP_sha256(),
		sizeof hash, hash) != 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
		    "hash the password: it is empty, too long, or there are no random numbers");
		return NULL;
	}
	g_autofree char *salt_hex = directory_local_dup_hex(salt, sizeof salt);
	g_autofree char *hash_hex = directory_local_dup_hex(hash, sizeof hash);
	OPENSSL_cleanse(hash, sizeof hash);
	return g_strdup_printf("pbkdf2-sha256:%d:%s:%s", LOCAL_ITERATIONS, salt_hex, hash_hex);
}

static gboolean
directory_local_set_password_locked(
    LocalDirectory *local, const char *path, char *verifier, GError **error)
{
	g_autoptr(GError) local_error = NULL;
	g_autoptr(LocalAccount) account = directory_local_load_account(path, &local_error);
	if (account == NULL) {
		if (local_error != NULL)
			g_propagate_error(error, g_steal_pointer(&local_error));
		else
			g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
			    "set password: %s is gone: somebody removed the account", path);
		return FALSE;
	}
	g_free(account->verifier);
	account->verifier = g_strdup(verifier);
	g_free(account->salt);
	account->salt = directory_local_dup_salt(local, account);
	account->kvno++;
	return directory_local_save_account(path, account, error);
}

static gboolean
directory_local_set_password(gpointer handle, const PvAccountSpec *spec, PvSecret *password,
    GCancellable *cancellable, GError **error)
{
	LocalDirectory *local = handle;
	g_autofree char *path = directory_local_dup_path(local, spec, error);
	g_autofree char *verifier =
	    path == NULL ? NULL : directory_local_make_verifier(password, error);
	if (verifier == NULL || !directory_local_lock(local, cancellable, error))
		return FALSE;
	gboolean ok = directory_local_set_password_locked(local, path, verifier, error);
	directory_local_unlock(local);
	return ok;
}

/* The part of a name without "DOMAIN\" or "@REALM", which must be ours. Lent by @name or owned by *owned. */
static const char *
directory_local_strip_domain(LocalDirectory *local, const char *name, char **owned, GError **error)
{
	const char *slash = strchr(name, '\\');
	const char *at = strchr(name, '@');
	g_autofree char *domain = NULL;
	if (slash != NULL) {
		domain = g_strndup(name, (gsize)(slash - name));
		*owned = g_strdup(slash + 1);
	} else if (at != NULL) {
		domain = g_strdup(at + 1);
		*owned = g_strndup(name, (gsize)(at - name));
	} else {
		return name;
	}
	if (g_ascii_strcasecmp(domain, local->domain) == 0 ||
	    g_ascii_strcasecmp(domain, local->realm) == 0)
		return *owned;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "find SID of %s: this directory is the domain %s with the realm %s", name,
	    local->domain, local->realm);
	return NULL;
}

/* Under the lock: a name of groups.json gets its number with the first question. */
static char *
directory_local_find_sid_locked(LocalDirectory *local, const char *name, GError **error)
{
	g_autoptr(GError) local_error = NULL;
	g_autoptr(JsonNode) root = directory_local_load_groups(local, &local_error);
	if (local_error != NULL || !directory_local_scan(local, &local_error)) {
		g_propagate_error(error, g_steal_pointer(&local_error));
		return NULL;
	}
	JsonObject *entry = directory_local_find_entry(local, root, "groups", name);
	if (entry == NULL)
		entry = directory_local_find_entry(local, root, "users", name);
	if (entry != NULL && local_json_get_string(entry, "sid") != NULL)
		return g_strdup(local_json_get_string(entry, "sid"));
	if (entry != NULL) {
		g_autofree char *key = g_utf8_casefold(local_json_get_string(entry, "name"), -1);
		guint rid = directory_local_take_rid(local, key, error);
		return rid == 0 ? NULL : g_strdup_printf("%s-%u", local->sid, rid);
	}

	GHashTableIter iter;
	LocalCached *cached = NULL;
	g_hash_table_iter_init(&iter, local->cache);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&cached))
		if (g_ascii_strcasecmp(cached->account->name, name) == 0 ||
		    g_ascii_strcasecmp(cached->account->dn, name) == 0)
			return g_strdup_printf("%s-%u", local->sid, cached->account->rid);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "find SID of %s: neither %s/groups.json nor an account has this name", name,
	    local->path);
	return NULL;
}

static char *
directory_local_find_sid(
    gpointer handle, const char *name, GCancellable *cancellable, GError **error)
{
	LocalDirectory *local = handle;
	if (name == NULL || *name == '\0' || strlen(name) > 1024 ||
	    !g_utf8_validate(name, -1, NULL)) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "find SID: the name is empty or too long");
		return NULL;
	}
	if (g_ascii_strncasecmp(name, "S-1-", 4) == 0) {
		/* at most 15 parts (MS-DTYP 2.4.2) */
		if (g_regex_match_simple(
			"^S-1-[0-9]{1,15}(-[0-9]{1,10}){1,15}$", name, G_REGEX_CASELESS, 0))
			return g_ascii_strup(name, -1);
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "find SID of %s: it is no SID", name);
		return NULL;
	}
	g_autofree char *owned = NULL;
	const char *plain = strchr(name, '=') != NULL
				? name
				: directory_local_strip_domain(local, name, &owned, error);
	if (plain == NULL || !directory_local_lock(local, cancellable, error))
		return NULL;
	char *sid = directory_local_find_sid_locked(local, plain, error);
	directory_local_unlock(local);
	return sid;
}

static gboolean
directory_local_remove(
    gpointer handle, const PvAccountSpec *spec, GCancellable *cancellable, GError **error)
{
	LocalDirectory *local = handle;
	g_autofree char *path = directory_local_dup_path(local, spec, error);
	if (path == NULL || !directory_local_lock(local, cancellable, error))
		return FALSE;
	gboolean ok = local_file_remove(path, error);
	directory_local_unlock(local);
	return ok;
}

static gboolean
directory_local_check_folder(LocalDirectory *local, GCancellable *cancellable, GError **error)
{
	g_autofree char *accounts = g_build_filename(local->path, "accounts", NULL);
	if (access(local->path, W_OK) != 0 || access(accounts, W_OK) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "write to %s: %s", local->path,
		    g_strerror(errno));
		return FALSE;
	}
	if (!directory_local_lock(local, cancellable, error))
		return FALSE;
	g_autoptr(GError) local_error = NULL;
	g_autoptr(JsonNode) groups = directory_local_load_groups(local, &local_error);
	g_autoptr(JsonNode) domain =
	    local_error != NULL ? NULL : directory_local_load_domain(local, &local_error);
	gboolean ok = domain != NULL && directory_local_scan(local, &local_error);
	directory_local_unlock(local);
	if (local_error != NULL)
		g_propagate_error(error, g_steal_pointer(&local_error));
	return ok;
}

static void
directory_local_check_names(LocalDirectory *local, const char *const *names, PvReport *report,
    GCancellable *cancellable)
{
	for (guint i = 0; names[i] != NULL; i++) {
		g_autoptr(GError) local_error = NULL;
		g_autofree char *sid =
		    directory_local_find_sid(local, names[i], cancellable, &local_error);
		pv_report_add(report, sid == NULL ? PV_REPORT_FAILURE : PV_REPORT_OK, "name", names[i],
		    "%s", sid != NULL ? sid : local_error->message);
	}
}

static gboolean
directory_local_check(gpointer handle, const PvDirectoryNeeds *needs, PvReport *report,
    GCancellable *cancellable, GError **error)
{
	LocalDirectory *local = handle;
	if (!directory_local_check_folder(local, cancellable, error))
		return FALSE;
	pv_report_add(report, PV_REPORT_OK, "folder", local->path, "can be written");
	directory_local_check_names(local, needs->groups, report, cancellable);
	directory_local_check_names(local, needs->names, report, cancellable);
	return TRUE;
}

static gpointer
directory_local_open(const PvValues *values, GError **error)
{
	g_autoptr(LocalDirectory) local = g_new0(LocalDirectory, 1);
	local->lock_fd = -1;
	g_mutex_init(&local->mutex);
	local->cache = g_hash_table_new_full(
	    g_str_hash, g_str_equal, g_free, (GDestroyNotify)local_cached_free);
	local->path = g_strdup(pv_values_get_string(values, "path"));
	local->realm = g_ascii_strup(pv_values_get_string(values, "realm"), -1);
	const char *domain = pv_values_get_string(values, "domain");
	const char *dot = strchr(local->realm, '.');
	local->domain = domain != NULL ? g_strdup(domain)
			: dot != NULL  ? g_strndup(local->realm, (gsize)(dot - local->realm))
				       : g_strdup(local->realm);
	if (!g_regex_match_simple("^[A-Z0-9]([A-Z0-9.-]{0,61}[A-Z0-9])?$", local->realm, 0, 0)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: letters, digits, '.' and '-' are wanted, as in EXAMPLE.COM",
		    pv_values_get_where(values, "realm"));
		return NULL;
	}

	g_autofree char *accounts = g_build_filename(local->path, "accounts", NULL);
	if (!local_file_make_folder(local->path, error) || !local_file_make_folder(accounts, error))
		return NULL;
	g_autofree char *lock = g_build_filename(local->path, "lock", NULL);
	local->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (local->lock_fd < 0) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "open %s: %s", lock, g_strerror(errno));
		return NULL;
	}
	if (!directory_local_lock(local, NULL, error))
		return NULL;
	local_file_sweep(local->path);
	local_file_sweep(accounts);
	g_autoptr(JsonNode) root = directory_local_load_domain(local, error);
	directory_local_unlock(local);
	if (root == NULL)
		return NULL;
	local->sid = g_strdup(local_json_get_string(json_node_get_object(root), "sid"));
	return g_steal_pointer(&local);
}

static const PvParam directory_local_params[] = {
	{ "path", PV_PARAM_PATH, NULL, "folder of the directory; made at first use" },
	{ "realm", PV_PARAM_STRING, "\"LOCAL\"", "Kerberos realm, in upper case" },
	{ "domain", PV_PARAM_STRING, "null",
	    "name before the backslash in DOMAIN\\name; absent: the realm's first part" },
	{ NULL },
};

static const PvDirectory directory_local_directories[] = {
	{
	    .type = "local",
	    .summary = "a directory in a folder of this computer",
	    .params = directory_local_params,
	    .open = directory_local_open,
	    .close = directory_local_close,
	    .find = directory_local_find,
	    .ensure = directory_local_ensure,
	    .set_password = directory_local_set_password,
	    .find_sid = directory_local_find_sid,
	    .remove = directory_local_remove,
	    .check = directory_local_check,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("directory-local", PV_VERSION, "directory of accounts in a folder",
    .directories = directory_local_directories);
