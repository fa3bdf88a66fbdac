/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/digest.h"

#include <provost/error.h>

#include <string.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define DIGEST_MAX_VALUE 1024 /* bytes of a realm, nonce or opaque */
#define DIGEST_HEX 33 /* an MD5 in hex, with NUL */

/* ---- the challenge ---- */

static const char *
digest_skip(const char *at, const char *set)
{
	return at + strspn(at, set);
}

/* RFC 7230, section 3.2.6 */
static gsize
digest_token_length(const char *at)
{
	gsize length = 0;
	while (g_ascii_isalnum(at[length]) ||
	       (at[length] != '\0' && strchr("!#$%&'*+-.^_`|~", at[length]) != NULL))
		length++;
	return length;
}

/* A value: quoted, or up to the next comma or blank. An unclosed quote ends with the header. */
static char *
digest_read_value(const char **at)
{
	GString *value = g_string_new(NULL);
	const char *p = *at;
	if (*p == '"') {
		for (p++; *p != '\0' && *p != '"'; p++) {
			if (*p == '\\' && p[1] != '\0')
				p++;
			g_string_append_c(value, *p);
		}
		if (*p == '"')
			p++;
	} else {
		gsize length = strcspn(p, ", \t");
		g_string_append_len(value, p, length);
		p += length;
	}
	*at = p;
	return g_string_free(value, FALSE);
}

static PvDigestQop
digest_read_qop(const char *list)
{
	g_auto(GStrv) options = g_strsplit_set(list, ", \t", 32);
	PvDigestQop best = PV_DIGEST_QOP_NONE;
	for (guint i = 0; options[i] != NULL; i++) {
		if (g_ascii_strcasecmp(options[i], "auth-int") == 0)
			best = PV_DIGEST_QOP_AUTH_INT;
		else if (g_ascii_strcasecmp(options[i], "auth") == 0 && best == PV_DIGEST_QOP_NONE)
			best = PV_DIGEST_QOP_AUTH;
	}
	return best;
}

/* a challenge on its way: the scheme and what was understood of it */
typedef struct {
	gboolean is_digest;
	gboolean usable; /* algorithm and qop are known */
	PvDigestChallenge *challenge;
} DigestDraft;

static void
digest_set(char **field, char *value)
{
	g_free(*field);
	*field = value;
}

static void
digest_take_parameter(DigestDraft *draft, const char *name, char *value)
{
	PvDigestChallenge *challenge = draft->challenge;
	if (g_ascii_strcasecmp(name, "realm") == 0) {
		digest_set(&challenge->realm, g_steal_pointer(&value));
	} else if (g_ascii_strcasecmp(name, "nonce") == 0) {
		digest_set(&challenge->nonce, g_steal_pointer(&value));
	} else if (g_ascii_strcasecmp(name, "opaque") == 0) {
		digest_set(&challenge->opaque, g_steal_pointer(&value));
	} else if (g_ascii_strcasecmp(name, "stale") == 0) {
		challenge->stale = g_ascii_strcasecmp(value, "true") == 0;
	} else if (g_ascii_strcasecmp(name, "qop") == 0) {
		challenge->qop = digest_read_qop(value);
		if (challenge->qop == PV_DIGEST_QOP_NONE && *value != '\0')
			draft->usable = FALSE;
	} else if (g_ascii_strcasecmp(name, "algorithm") == 0) {
		challenge->session = g_ascii_strcasecmp(value, "MD5-sess") == 0;
		if (!challenge->session && g_ascii_strcasecmp(value, "MD5") != 0)
			draft->usable = FALSE;
	}
	g_free(value);
}

static void
digest_begin(DigestDraft *draft, const char *scheme, GString *offered)
{
	pv_digest_challenge_free(draft->challenge);
	draft->challenge = g_new0(PvDigestChallenge, 1);
	draft->is_digest = g_ascii_strcasecmp(scheme, "Digest") == 0;
	draft->usable = TRUE;
	if (offered->len < 100)
		g_string_append_printf(offered, "%s%.40s", offered->len > 0 ? ", " : "", scheme);
}

/* One header value. A word that "=" does not follow begins the next challenge (RFC 7235, section 4.1).
 * Returns TRUE when the draft holds a complete Digest challenge that can be answered. */
static gboolean
digest_read_header(DigestDraft *draft, const char *at, GString *offered)
{
	draft->is_digest = FALSE;
	while (*(at = digest_skip(at, ", \t")) != '\0') {
		gsize length = digest_token_length(at);
		if (length == 0) { /* junk, such as the blob of a Negotiate: skip the word */
			at += MAX(strcspn(at, ", \t"), 1);
			continue;
		}
		g_autofree char *word = g_strndup(at, length);
		const char *after = digest_skip(at + length, " \t");
		if (*after != '=') {
			if (draft->is_digest && draft->usable && draft->challenge->nonce != NULL)
				return TRUE;
			digest_begin(draft, word, offered);
			at += length;
			continue;
		}
		at = digest_skip(after + 1, " \t");
		char *value = digest_read_value(&at);
		if (draft->is_digest)
			digest_take_parameter(draft, word, value);
		else
			g_free(value);
	}
	return draft->is_digest && draft->usable && draft->challenge->nonce != NULL;
}

static gboolean
digest_is_sane(const char *value)
{
	if (value == NULL)
		return TRUE;
	if (strlen(value) > DIGEST_MAX_VALUE)
		return FALSE;
	for (; *value != '\0'; value++)
		if ((guchar)*value < 0x20 || *value == 0x7f)
			return FALSE;
	return TRUE;
}

PvDigestChallenge *
pv_digest_challenge_parse(const char *const *values, GError **error)
{
	DigestDraft draft = { 0 };
	gboolean found = FALSE;
	gboolean digest_seen = FALSE;
	g_autoptr(GString) offered = g_string_new(NULL);
	for (guint i = 0; !found && values != NULL && values[i] != NULL; i++) {
		found = digest_read_header(&draft, values[i], offered);
		digest_seen = digest_seen || draft.is_digest;
	}
	g_autoptr(PvDigestChallenge) challenge = draft.challenge;
	if (!found && digest_seen) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "log in: the device's Digest challenge has no nonce or asks for an unknown "
		    "algorithm or qop");
		return NULL;
	}
	if (!found) {
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH,
		    "log in: the device offers no Digest (it offers: %s)",
		    offered->len > 0 ? offered->str : "nothing");
		return NULL;
	}
	if (challenge->realm == NULL)
		challenge->realm = g_strdup("");
	if (!digest_is_sane(challenge->realm) || !digest_is_sane(challenge->nonce) ||
	    !digest_is_sane(challenge->opaque)) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "log in: the device's Digest challenge is too long or holds control "
		    "characters");
		return NULL;
	}
	return g_steal_pointer(&challenge);
}

void
pv_digest_challenge_free(PvDigestChallenge *challenge)
{
	if (challenge == NULL)
		return;
	g_free(challenge->realm);
	g_free(challenge->nonce);
	g_free(challenge->opaque);
	g_free(challenge);
}

/* ---- the answer ---- */

struct PvDigest {
	EVP_MD *md5;
	EVP_MD_CTX *context;
	PvDigestChallenge challenge; /* strings owned */
	char *user;
	char ha1[DIGEST_HEX]; /* as good as the password; wiped */
	char cnonce[64];
	guint32 count; /* answers to this nonce */
};

PvDigest *
pv_digest_new(void)
{
	PvDigest *digest = g_new0(PvDigest, 1);
	/* RFC 7616 asks for MD5 whatever the system's property query says of it */
	digest->md5 = EVP_MD_fetch(NULL, "MD5", "-fips");
	digest->context = EVP_MD_CTX_new();
	return digest;
}

static void
digest_forget(PvDigest *digest)
{
	g_clear_pointer(&digest->challenge.realm, g_free);
	g_clear_pointer(&digest->challenge.nonce, g_free);
	g_clear_pointer(&digest->challenge.opaque, g_free);
	g_clear_pointer(&digest->user, g_free);
	OPENSSL_cleanse(digest->ha1, sizeof digest->ha1);
}

void
pv_digest_free(PvDigest *digest)
{
	if (digest == NULL)
		return;
	digest_forget(digest);
	EVP_MD_CTX_free(digest->context);
	EVP_MD_free(digest->md5);
	g_free(digest);
}

void
pv_digest_set_cnonce(PvDigest *digest, const char *cnonce)
{
	g_strlcpy(digest->cnonce, cnonce, sizeof digest->cnonce);
}

static void
digest_to_hex(char *hex, const guchar *bytes, gsize length)
{
	static const char digits[] = "0123456789abcdef";
	for (gsize i = 0; i < length; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[2 * length] = '\0';
}

static gboolean
digest_fail(GError **error)
{
	g_set_error(
	    error, PV_ERROR, PV_ERROR_FAILED, "log in: this system's OpenSSL offers no MD5");
	return FALSE;
}

typedef struct {
	const void *data;
	gsize length;
} DigestPart;

/* hex MD5 of the parts, joined */
static gboolean
digest_hash(PvDigest *digest, char *hex, const DigestPart *parts, gsize count, GError **error)
{
	guchar bytes[EVP_MAX_MD_SIZE];
	gboolean ok =
	    digest->md5 != NULL && EVP_DigestInit_ex2(digest->context, digest->md5, NULL) == 1;
	for (gsize i = 0; ok && i < count; i++)
		ok = EVP_DigestUpdate(digest->context, parts[i].data, parts[i].length) == 1;
	if (!ok || EVP_DigestFinal_ex(digest->context, bytes, NULL) != 1)
		return digest_fail(error);
	digest_to_hex(hex, bytes, 16);
	OPENSSL_cleanse(bytes, sizeof bytes);
	return TRUE;
}

/* of strings with colons between them; ends with NULL */
static gboolean
digest_hash_joined(PvDigest *digest, char *hex, GError **error, const char *first, ...)
{
	DigestPart parts[16];
	gsize count = 0;
	va_list list;
	va_start(list, first);
	for (const char *part = first; part != NULL && count + 2 <= G_N_ELEMENTS(parts);
	     part = va_arg(list, const char *)) {
		if (count > 0)
			parts[count++] = (DigestPart) { ":", 1 };
		parts[count++] = (DigestPart) { part, strlen(part) };
	}
	va_end(list);
	return digest_hash(digest, hex, parts, count, error);
}

/* RFC 7616, section 3.4.2 */
static gboolean
digest_hash_user(PvDigest *digest, PvSecret *password, GError **error)
{
	gsize length = 0;
	const char *bytes = pv_secret_peek(password, &length);
	const DigestPart parts[] = {
		{ digest->user, strlen(digest->user) },
		{ ":", 1 },
		{ digest->challenge.realm, strlen(digest->challenge.realm) },
		{ ":", 1 },
		{ bytes, length },
	};
	if (!digest_hash(digest, digest->ha1, parts, G_N_ELEMENTS(parts), error))
		return FALSE;
	if (!digest->challenge.session)
		return TRUE;
	return digest_hash_joined(
	    digest, digest->ha1, error, digest->ha1, digest->challenge.nonce, digest->cnonce, NULL);
}

static gboolean
digest_make_cnonce(PvDigest *digest, GError **error)
{
	guchar random[12];
	if (digest->cnonce[0] != '\0')
		return TRUE;
	if (RAND_bytes(random, sizeof random) != 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "log in: no random numbers");
		return FALSE;
	}
	digest_to_hex(digest->cnonce, random, sizeof random);
	return TRUE;
}

gboolean
pv_digest_login(PvDigest *digest, const PvDigestChallenge *challenge, const char *user,
    PvSecret *password, GError **error)
{
	if (!digest_is_sane(user)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "log in: the user name is too long or holds control characters");
		return FALSE;
	}
	if (!digest_make_cnonce(digest, error))
		return FALSE;
	g_autofree char *name = g_strdup(user); /* user may be what digest_forget() frees */
	if (g_strcmp0(digest->challenge.nonce, challenge->nonce) != 0)
		digest->count = 0;
	digest_forget(digest);
	digest->challenge = (PvDigestChallenge) { .realm = g_strdup(challenge->realm),
		.nonce = g_strdup(challenge->nonce),
		.opaque = g_strdup(challenge->opaque),
		.qop = challenge->qop,
		.session = challenge->session };
	digest->user = g_steal_pointer(&name);
	return digest_hash_user(digest, password, error);
}

/* RFC 7230, section 3.2.6: quoted-string */
static void
digest_append_quoted(GString *out, const char *name, const char *value)
{
	g_string_append(out, name);
	g_string_append(out, "=\"");
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			g_string_append_c(out, '\\');
		g_string_append_c(out, *value);
	}
	g_string_append_c(out, '"');
}

gboolean
pv_digest_answer(PvDigest *digest, GString *out, const char *method, const char *uri,
    const void *body, gsize length_bytes, GError **error)
{
	static const char *const names[] = {
		[PV_DIGEST_QOP_AUTH] = "auth",
		[PV_DIGEST_QOP_AUTH_INT] = "auth-int",
	};
	const PvDigestChallenge *challenge = &digest->challenge;
	char body_hex[DIGEST_HEX];
	char ha2[DIGEST_HEX];
	char response[DIGEST_HEX];
	char count[9];
	g_snprintf(count, sizeof count, "%08x", ++digest->count);

	gboolean ok = TRUE;
	if (challenge->qop == PV_DIGEST_QOP_AUTH_INT) {
		const DigestPart part = { body, length_bytes };
		ok = digest_hash(digest, body_hex, &part, 1, error) &&
		     digest_hash_joined(digest, ha2, error, method, uri, body_hex, NULL);
	} else {
		ok = digest_hash_joined(digest, ha2, error, method, uri, NULL);
	}
	if (ok && challenge->qop == PV_DIGEST_QOP_NONE)
		ok = digest_hash_joined(
		    digest, response, error, digest->ha1, challenge->nonce, ha2, NULL);
	else if (ok)
		ok = digest_hash_joined(digest, response, error, digest->ha1, challenge->nonce,
		    count, digest->cnonce, names[challenge->qop], ha2, NULL);
	if (!ok)
		return FALSE;

	/* the order that clients known to work with AMT send */
	g_string_append(out, "Digest ");
	digest_append_quoted(out, "username", digest->user);
	digest_append_quoted(out, ", realm", challenge->realm);
	digest_append_quoted(out, ", nonce", challenge->nonce);
	digest_append_quoted(out, ", uri", uri);
	if (challenge->qop != PV_DIGEST_QOP_NONE)
		g_string_append_printf(out, ", qop=%s", names[challenge->qop]);
	digest_append_quoted(out, ", response", response);
	if (challenge->qop != PV_DIGEST_QOP_NONE)
		g_string_append_printf(out, ", nc=%s, cnonce=\"%s\"", count, digest->cnonce);
	else if (challenge->session) /* RFC 2617: MD5-sess hashes the cnonce without a qop, too */
		g_string_append_printf(out, ", cnonce=\"%s\"", digest->cnonce);
	if (challenge->session)
		g_string_append(out, ", algorithm=MD5-sess");
	if (challenge->opaque != NULL)
		digest_append_quoted(out, ", opaque", challenge->opaque);
	return TRUE;
}
