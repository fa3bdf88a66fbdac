/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/digest.h"

#include "sim/audit.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define DIGEST_NONCES_MAX 32
#define DIGEST_NONCE_BYTES 24

/* "name=value, name="value" ..." as a table; NULL: malformed */
static GHashTable *
digest_parse(const char *text)
{
	g_autoptr(GHashTable) fields =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	while (*text != '\0') {
		text += strspn(text, " \t,");
		if (*text == '\0')
			break;
		gsize length = strcspn(text, "=");
		if (length == 0 || text[length] != '=')
			return NULL;
		g_autofree char *name = g_strstrip(g_ascii_strdown(text, (gssize)length));
		text += length + 1;
		g_autoptr(GString) value = g_string_new(NULL);
		if (*text == '"') {
			for (text++; *text != '"'; text++) {
				if (*text == '\\' && text[1] != '\0')
					text++;
				if (*text == '\0')
					return NULL;
				g_string_append_c(value, *text);
			}
			text++;
		} else {
			length = strcspn(text, ", \t");
			g_string_append_len(value, text, (gssize)length);
			text += length;
		}
		if (!g_hash_table_insert(fields, g_steal_pointer(&name), g_strdup(value->str)))
			return NULL; /* given twice */
	}
	return g_steal_pointer(&fields);
}

static char *
digest_hex(const guint8 *bytes)
{
	GString *hex = g_string_sized_new(2 * PV_SIM_HASH_BYTES);
	for (guint i = 0; i < PV_SIM_HASH_BYTES; i++)
		g_string_append_printf(hex, "%02x", bytes[i]);
	return g_string_free(hex, FALSE);
}

static char *
digest_md5(const char *data, gsize length)
{
	guint8 hash[PV_SIM_HASH_BYTES];
	int made = EVP_Digest(data, length, hash, NULL, EVP_md5(), NULL);
	g_assert(made == 1);
	return digest_hex(hash);
}

static const guint8 *
digest_find_hash(const PvSimDevice *device, const char *user)
{
	if (strcmp(user, device->admin_user) == 0)
		return device->admin_hash;
	const PvSimAclEntry *entry = pv_sim_device_find_user(device, user);
	gboolean network =
	    entry != NULL && entry->enabled && entry->permission != 0; /* 0: local access only */
	return network ? entry->hash : NULL;
}

static gboolean
digest_qop_is_offered(const PvSimDevice *device, const char *qop)
{
	guint offered = device->switches->qop;
	if (g_strcmp0(qop, "auth") == 0)
		return offered != PV_SIM_QOP_AUTH_INT;
	return g_strcmp0(qop, "auth-int") == 0 && offered != PV_SIM_QOP_AUTH;
}

/* RFC 2617 section 3.2.2 */
static gboolean
digest_response_fits(
    GHashTable *fields, const guint8 *hash, const char *http_method, const char *body, gsize length)
{
	const char *qop = g_hash_table_lookup(fields, "qop");
	const char *response = g_hash_table_lookup(fields, "response");
	const char *uri = g_hash_table_lookup(fields, "uri");
	g_autofree char *a1 = digest_hex(hash);
	g_autofree char *body_hash = digest_md5(body, length);
	g_autofree char *a2_text = strcmp(qop, "auth-int") == 0
				       ? g_strdup_printf("%s:%s:%s", http_method, uri, body_hash)
				       : g_strdup_printf("%s:%s", http_method, uri);
	g_autofree char *a2 = digest_md5(a2_text, strlen(a2_text));
	g_autofree char *text = g_strdup_printf("%s:%s:%s:%s:%s:%s", a1,
	    (char *)g_hash_table_lookup(fields, "nonce"), (char *)g_hash_table_lookup(fields, "nc"),
	    (char *)g_hash_table_lookup(fields, "cnonce"), qop, a2);
	g_autofree char *expected = digest_md5(text, strlen(text));
	return strlen(response) == strlen(expected) &&
	       CRYPTO_memcmp(expected, response, strlen(expected)) == 0;
}

/* May this nonce be used once more, with this count? */
static gboolean
digest_use_nonce(PvSimDevice *device, const char *text, const char *count_text)
{
	guint64 count = 0;
	if (strlen(count_text) != 8 ||
	    !g_ascii_string_to_unsigned(count_text, 16, 1, G_MAXUINT32, &count, NULL))
		return FALSE;
	for (guint i = 0; i < device->nonces->len; i++) {
		PvSimNonce *nonce = device->nonces->pdata[i];
		if (strcmp(nonce->text, text) != 0)
			continue;
		guint limit = device->switches->nonce_requests;
		if (count <= nonce->last_count || (limit > 0 && nonce->requests >= limit))
			return FALSE;
		nonce->last_count = count;
		nonce->requests++;
		return TRUE;
	}
	return FALSE;
}

static void
digest_count_failure(PvSimDevice *device, gint64 now)
{
	PvSimLock *lock = &device->lock;
	const PvSimSwitches *switches = device->switches;
	if (now - lock->failed_usec > switches->lock_calm_sec * (gint64)G_USEC_PER_SEC)
		lock->failures = lock->lock_sec = 0;
	lock->failed_usec = now;
	lock->failures++;
	device->counters.logins_failed++;
	if (switches->lock_after == 0 || lock->failures < switches->lock_after)
		return;
	lock->lock_sec = lock->lock_sec == 0 ? switches->lock_first_sec
					     : MIN(2 * lock->lock_sec, switches->lock_max_sec);
	lock->until_usec = now + lock->lock_sec * (gint64)G_USEC_PER_SEC;
	device->counters.locked++;
	pv_sim_audit_attack(device, lock->failures);
}

static PvSimLogin
digest_judge(PvSimDevice *device, GHashTable *fields, const char *http_method, const char *uri,
    const char *body, gsize length)
{
	static const char *const needed[] = { "username", "realm", "nonce", "uri", "response",
		"qop", "nc", "cnonce" };
	for (guint i = 0; i < G_N_ELEMENTS(needed); i++) {
		if (g_hash_table_lookup(fields, needed[i]) == NULL)
			return PV_SIM_LOGIN_FAILED;
	}
	const guint8 *hash = digest_find_hash(device, g_hash_table_lookup(fields, "username"));
	if (hash == NULL ||
	    strcmp(g_hash_table_lookup(fields, "realm"), device->digest_realm) != 0 ||
	    strcmp(g_hash_table_lookup(fields, "uri"), uri) != 0 ||
	    !digest_qop_is_offered(device, g_hash_table_lookup(fields, "qop")) ||
	    !digest_response_fits(fields, hash, http_method, body, length))
		return PV_SIM_LOGIN_FAILED;
	return digest_use_nonce(
		   device, g_hash_table_lookup(fields, "nonce"), g_hash_table_lookup(fields, "nc"))
		   ? PV_SIM_LOGIN_OK
		   : PV_SIM_LOGIN_STALE;
}

PvSimLogin
pv_sim_digest_check(PvSimDevice *device, const char *authorization, const char *http_method,
    const char *uri, const char *body, gsize length, char **user)
{
	*user = NULL;
	if (authorization == NULL || g_ascii_strncasecmp(authorization, "Digest ", 7) != 0)
		return PV_SIM_LOGIN_NONE;
	gint64 now = g_get_monotonic_time();
	if (now < device->lock.until_usec) {
		device->counters.refused_while_locked++;
		return PV_SIM_LOGIN_LOCKED;
	}
	g_autoptr(GHashTable) fields = digest_parse(authorization + 7);
	PvSimLogin login = fields != NULL
			       ? digest_judge(device, fields, http_method, uri, body, length)
			       : PV_SIM_LOGIN_FAILED;
	if (login == PV_SIM_LOGIN_FAILED) {
		digest_count_failure(device, now);
		const char *name =
		    fields != NULL ? g_hash_table_lookup(fields, "username") : NULL;
		pv_sim_audit_refused(device, name != NULL ? name : "");
	}
	if (login == PV_SIM_LOGIN_OK) {
		device->counters.logins_ok++;
		memset(&device->lock, 0, sizeof device->lock);
		*user = g_strdup(g_hash_table_lookup(fields, "username"));
	}
	return login;
}

char *
pv_sim_digest_challenge(PvSimDevice *device, gboolean stale)
{
	static const char *const qops[] = { "auth", "auth-int", "auth,auth-int" };
	/* recorded nonces: some changing bytes, seven zero bytes, twelve random ones (amt/01 section 2) */
	guint8 bytes[DIGEST_NONCE_BYTES];
	int made = RAND_bytes(bytes, sizeof bytes);
	g_assert(made == 1);
	memset(bytes + 5, 0, 7);
	PvSimNonce *nonce = g_new0(PvSimNonce, 1);
	nonce->text = g_base64_encode(bytes, sizeof bytes);
	g_ptr_array_add(device->nonces, nonce);
	if (device->nonces->len > DIGEST_NONCES_MAX)
		g_ptr_array_remove_index(device->nonces, 0);
	return g_strdup_printf("Digest realm=\"%s\", nonce=\"%s\",stale=\"%s\",qop=\"%s\"",
	    device->digest_realm, nonce->text, stale ? "true" : "false",
	    qops[device->switches->qop]);
}
