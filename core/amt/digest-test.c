/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/digest.h"

#include <provost/error.h>

#include <string.h>

static PvDigestChallenge *
digest_test_parse(const char *value, GError **error)
{
	const char *values[] = { value, NULL };
	return pv_digest_challenge_parse(values, error);
}

/* name="VALUE" or name=VALUE of an Authorization header. (transfer full) */
static char *
digest_test_dup(const char *header, const char *name)
{
	g_autofree char *key = g_strconcat(" ", name, "=", NULL);
	const char *at = strstr(header, key);
	g_assert_nonnull(at);
	at += strlen(key);
	return *at == '"' ? g_strndup(at + 1, strcspn(at + 1, "\""))
			  : g_strndup(at, strcspn(at, ","));
}

/* one answer's "response". (transfer full) */
static char *
digest_test_answer(const char *challenge_text, const char *user, const char *password,
    const char *cnonce, const char *method, const char *uri, const char *body)
{
	g_autoptr(PvDigestChallenge) challenge = digest_test_parse(challenge_text, NULL);
	g_assert_nonnull(challenge);
	g_autoptr(PvDigest) digest = pv_digest_new();
	g_autoptr(PvSecret) secret = pv_secret_new(password, -1);
	g_autoptr(GString) header = g_string_new(NULL);
	pv_digest_set_cnonce(digest, cnonce);
	g_assert_true(pv_digest_login(digest, challenge, user, secret, NULL));
	g_assert_true(pv_digest_answer(digest, header, method, uri, body, strlen(body), NULL));
	return digest_test_dup(header->str, "response");
}

static void
digest_test_vectors(void)
{
	/* RFC 2617, section 3.5 */
	g_autofree char *rfc2617 =
	    digest_test_answer("Digest realm=\"testrealm@host.com\", qop=\"auth\", "
			       "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
			       "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
		"Mufasa", "Circle Of Life", "0a4f113b", "GET", "/dir/index.html", "");
	g_assert_cmpstr(rfc2617, ==, "6629fae49393a05397450978507c4ef1");
	/* RFC 7616, section 3.9.1 */
	g_autofree char *rfc7616 = digest_test_answer(
	    "Digest realm=\"http-auth@example.org\", qop=\"auth\", algorithm=MD5, "
	    "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "
	    "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
	    "Mufasa", "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "GET",
	    "/dir/index.html", "");
	g_assert_cmpstr(rfc7616, ==, "8ca523f5e9506fed4657c9700eebdbec");
}

/* what the same formula gives when worked out step by step with another implementation of MD5 */
static void
digest_test_forms(void)
{
	static const char challenge[] =
	    "Digest realm=\"Digest:F3EB554784E729164447A89F60B641C5\",nonce=\"abc\"";
	g_autofree char *ha1 = g_compute_checksum_for_string(
	    G_CHECKSUM_MD5, "admin:Digest:F3EB554784E729164447A89F60B641C5:P@ssw0rd1", -1);
	g_assert_cmpstr(ha1, ==, "34db01fd620dc58670325d2951881bfc");
	g_autofree char *ha2 = g_compute_checksum_for_string(G_CHECKSUM_MD5, "POST:/wsman", -1);
	g_autofree char *body = g_compute_checksum_for_string(G_CHECKSUM_MD5, "<x/>", -1);
	g_autofree char *a2_int = g_strdup_printf("POST:/wsman:%s", body);
	g_autofree char *ha2_int = g_compute_checksum_for_string(G_CHECKSUM_MD5, a2_int, -1);
	g_autofree char *a1_session = g_strdup_printf("%s:abc:c0", ha1);
	g_autofree char *ha1_session =
	    g_compute_checksum_for_string(G_CHECKSUM_MD5, a1_session, -1);
	const struct {
		const char *more;
		const char *ha1;
		const char *middle;
		const char *ha2;
	} rows[] = {
		{ "", ha1, "abc", ha2 },
		{ ",qop=\"auth\"", ha1, "abc:00000001:c0:auth", ha2 },
		{ ",qop=auth-int", ha1, "abc:00000001:c0:auth-int", ha2_int },
		{ ",qop=\"auth,auth-int, auth\"", ha1, "abc:00000001:c0:auth-int", ha2_int },
		{ ",qop=auth,algorithm=MD5-sess", ha1_session, "abc:00000001:c0:auth", ha2 },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *text = g_strconcat(challenge, rows[i].more, NULL);
		g_autofree char *joined =
		    g_strdup_printf("%s:%s:%s", rows[i].ha1, rows[i].middle, rows[i].ha2);
		g_autofree char *expected =
		    g_compute_checksum_for_string(G_CHECKSUM_MD5, joined, -1);
		g_autofree char *response =
		    digest_test_answer(text, "admin", "P@ssw0rd1", "c0", "POST", "/wsman", "<x/>");
		g_assert_cmpstr(response, ==, expected);
	}
}

static void
digest_test_challenges(void)
{
	static const struct {
		const char *text;
		const char *realm;
		const char *nonce;
		PvDigestQop qop;
		gboolean stale;
	} rows[] = {
		/* as recorded from AMT 15: a blank after the first comma only */
		{ "Digest realm=\"Digest:AB\", nonce=\"n1\",stale=\"false\",qop=\"auth\"",
		    "Digest:AB", "n1", PV_DIGEST_QOP_AUTH, FALSE },
		{ "digest  REALM = \"r\" ,\tnonce = \"n\" , STALE = TRUE", "r", "n",
		    PV_DIGEST_QOP_NONE, TRUE },
		{ "Digest realm=r,nonce=n,qop=auth", "r", "n", PV_DIGEST_QOP_AUTH, FALSE },
		{ "Digest nonce=\"n\",,, realm=\"a \\\"b\\\" c\", unknown=7, qop=\"auth-int\"",
		    "a \"b\" c", "n", PV_DIGEST_QOP_AUTH_INT, FALSE },
		{ "Digest realm=\"r\", nonce=\"n", "r", "n", PV_DIGEST_QOP_NONE, FALSE },
		{ "Digest realm=\"a,b=c\", nonce=\"n\", qop=\"other, auth\"", "a,b=c", "n",
		    PV_DIGEST_QOP_AUTH, FALSE },
		{ "Negotiate, Digest realm=\"r\", nonce=\"n\", Basic realm=\"x\"", "r", "n",
		    PV_DIGEST_QOP_NONE, FALSE },
		{ "Negotiate YII==, Basic realm=\"x\", Digest nonce=n", "", "n", PV_DIGEST_QOP_NONE,
		    FALSE },
		{ "Digest realm=\"s\", nonce=\"m\", algorithm=SHA-256, Digest realm=\"r\", "
		  "nonce=\"n\", algorithm=md5",
		    "r", "n", PV_DIGEST_QOP_NONE, FALSE },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(PvDigestChallenge) challenge = digest_test_parse(rows[i].text, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(challenge->realm, ==, rows[i].realm);
		g_assert_cmpstr(challenge->nonce, ==, rows[i].nonce);
		g_assert_cmpint(challenge->qop, ==, rows[i].qop);
		g_assert_cmpint(challenge->stale, ==, rows[i].stale);
	}
	const char *two[] = { "Negotiate", "Digest realm=\"r\", nonce=\"n\"", NULL };
	g_autoptr(PvDigestChallenge) challenge = pv_digest_challenge_parse(two, NULL);
	g_assert_cmpstr(challenge->realm, ==, "r");
}

static void
digest_test_refused(void)
{
	g_autofree char *long_nonce = g_strnfill(2000, 'x');
	g_autofree char *too_long = g_strdup_printf("Digest realm=r, nonce=%s", long_nonce);
	const struct {
		const char *text;
		gint code;
	} rows[] = {
		{ NULL, PV_ERROR_AUTH },
		{ "", PV_ERROR_AUTH },
		{ "Negotiate", PV_ERROR_AUTH },
		{ "Basic realm=\"Digest nonce=1\"", PV_ERROR_AUTH },
		{ "Digest realm=\"r\"", PV_ERROR_PROTOCOL },
		{ "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256", PV_ERROR_PROTOCOL },
		{ "Digest realm=\"r\", nonce=\"n\", qop=\"token\"", PV_ERROR_PROTOCOL },
		{ "Digest realm=\"\001\", nonce=\"n\"", PV_ERROR_PROTOCOL },
		{ too_long, PV_ERROR_PROTOCOL },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(digest_test_parse(rows[i].text, &error));
		g_assert_error(error, PV_ERROR, rows[i].code);
	}
}

static void
digest_test_counter(void)
{
	g_autoptr(PvDigest) digest = pv_digest_new();
	g_autoptr(PvSecret) secret = pv_secret_new("x", -1);
	g_autoptr(PvDigestChallenge) first =
	    digest_test_parse("Digest realm=r, nonce=n1, qop=auth, opaque=\"o\"", NULL);
	g_autoptr(PvDigestChallenge) second =
	    digest_test_parse("Digest realm=r, nonce=n2, qop=auth", NULL);
	static const char *const expected[] = { "00000001", "00000002", "00000003", "00000001" };
	g_autofree char *cnonce = NULL;
	g_assert_true(pv_digest_login(digest, first, "u\"v", secret, NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
		if (i == 2) /* the same nonce again: the counter goes on */
			g_assert_true(pv_digest_login(digest, first, "u\"v", secret, NULL));
		if (i == 3)
			g_assert_true(pv_digest_login(digest, second, "u\"v", secret, NULL));
		g_autoptr(GString) header = g_string_new(NULL);
		g_assert_true(pv_digest_answer(digest, header, "POST", "/wsman", "", 0, NULL));
		g_autofree char *count = digest_test_dup(header->str, "nc");
		g_autofree char *now = digest_test_dup(header->str, "cnonce");
		g_assert_cmpstr(count, ==, expected[i]);
		g_assert_true(cnonce == NULL || g_str_equal(cnonce, now));
		g_assert_cmpuint(strlen(now), >=, 16);
		g_assert_true(
		    g_str_has_prefix(header->str, "Digest username=\"u\\\"v\", realm=\"r\""));
		g_assert_cmpint(strstr(header->str, "opaque=\"o\"") != NULL, ==, i < 3);
		g_free(cnonce);
		cnonce = g_steal_pointer(&now);
	}
	g_autoptr(GError) error = NULL;
	g_assert_false(pv_digest_login(digest, first, "a\r\nX: y", secret, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/amt/digest/vectors", digest_test_vectors);
	g_test_add_func("/amt/digest/forms", digest_test_forms);
	g_test_add_func("/requirements/S12-08.2/odd-quoting", digest_test_challenges);
	g_test_add_func("/requirements/S12-08.2/refused", digest_test_refused);
	g_test_add_func("/amt/digest/counter", digest_test_counter);
	return g_test_run();
}
