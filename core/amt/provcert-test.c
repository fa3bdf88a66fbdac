/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/provcert.h"

#include "tests/lib/fake-pki.h"

#include <provost/error.h>

#include <string.h>

#define OID "2.16.840.1.113741.1.2.3"
#define OU "Intel(R) Client Setup Certificate"

/* one certificate chain and what is to be said of it; the fields that a row leaves out are good */
typedef struct {
	const char *path;
	const char *common_name; /* NULL: prov.example.com */
	const char *unit;
	const char *ekus; /* NULL: serverAuth and Intel's OID */
	const char *suffix; /* NULL: example.com */
	const char *reason; /* NULL: passes */
	gint from_days;
	gint until_days;
	gboolean sha1;
	guint rsa_bits;
	gboolean bad_signature;
	gboolean gap; /* the middle is left out */
	gboolean no_ca; /* the middle is none */
	gboolean sha1_middle;
	gboolean old_middle;
	gboolean other_root; /* the device trusts another */
} Row;

static const Row rows[] = {
	{ "/requirements/S12-07.6/oid" },
	{ "/requirements/S12-07.6/ou", .unit = OU, .ekus = "serverAuth" },
	{ "/requirements/S12-07.6/neither", .ekus = "serverAuth",
	    .reason = "neither the extended key usage " OID },
	{ "/requirements/S12-07.6/ou-case", .unit = "intel(R) Client Setup Certificate",
	    .ekus = "serverAuth", .reason = "nor the subject's OU" },
	{ "/requirements/S12-07.6/ou-blank", .unit = OU " ", .ekus = "serverAuth",
	    .reason = "nor the subject's OU" },
	{ "/requirements/S12-07.6/longer-oid", .ekus = "serverAuth," OID ".4",
	    .reason = "neither" },
	{ "/requirements/S12-07.6/no-server-auth", .ekus = OID,
	    .reason = "lacks server authentication" },
	{ "/requirements/S12-07.6/client-auth-only", .unit = OU, .ekus = "clientAuth",
	    .reason = "lacks server authentication" },
	{ "/requirements/S12-07.5/gap", .gap = TRUE,
	    .reason = "the issuer \"CN=Test Middle\" of \"CN=prov.example.com\" is missing" },
	{ "/amt/provcert/signature", .bad_signature = TRUE,
	    .reason = "the signature of \"CN=prov.example.com\" is wrong" },
	{ "/amt/provcert/no-ca", .no_ca = TRUE,
	    .reason = "\"CN=Test Middle\" issued a certificate but is no CA" },
	{ "/amt/provcert/sha1", .sha1 = TRUE,
	    .reason = "signature of CN=prov.example.com is too weak" },
	{ "/amt/provcert/sha1-middle", .sha1_middle = TRUE,
	    .reason = "signature of CN=Test Middle is too weak" },
	{ "/amt/provcert/short-key", .rsa_bits = 1024, .reason = "too weak (1024 bits)" },
	{ "/amt/provcert/expired", .from_days = -9, .until_days = -2,
	    .reason = "\"CN=prov.example.com\" has expired" },
	{ "/amt/provcert/not-yet", .from_days = 3, .reason = "is not valid yet" },
	{ "/amt/provcert/middle-expired", .old_middle = TRUE,
	    .reason = "\"CN=Test Middle\" has expired" },
	{ "/requirements/S12-07.7/root", .other_root = TRUE,
	    .reason = "is not among the device's 2 trusted root hashes" },
	{ "/requirements/S12-07.7/suffix", .suffix = "example.org",
	    .reason = "the common name \"prov.example.com\" does not match the device's DNS suffix "
		      "\"example.org\"" },
	{ "/requirements/S12-07.7/suffix-part-of-label", .common_name = "prov.notexample.com",
	    .reason = "does not match" },
	{ "/requirements/S12-07.7/suffix-equal", .common_name = "example.com" },
	{ "/requirements/S12-07.7/suffix-wildcard", .common_name = "*.example.com" },
	{ "/requirements/S12-07.7/suffix-case", .common_name = "PROV.Example.COM",
	    .suffix = "EXAMPLE.com." },
	{ "/requirements/S12-07.7/suffix-below", .common_name = "example.com",
	    .suffix = "corp.example.com" },
	{ "/requirements/S12-07.7/suffix-two-labels", .suffix = "corp.example.com" },
	{ "/requirements/S12-07.7/suffix-one-label", .suffix = "local",
	    .reason = "does not match" },
};

static GArray *
provcert_test_hashes(const FakeCert *root)
{
	GArray *hashes = g_array_new(FALSE, FALSE, sizeof(PvRootHash));
	PvRootHash other = { .type = 1, .length = 20 };
	PvRootHash hash = { .type = 2, .length = 32 };
	guint length = 0;
	X509_digest(root->certificate, EVP_sha256(), hash.hash, &length);
	g_array_append_val(hashes, other);
	g_array_append_val(hashes, hash);
	return hashes;
}

static PvIdentity *
provcert_test_identity(const Row *row, const FakeCert *root)
{
	g_autoptr(FakeCert) middle = fake_cert_new(&(FakeCertSpec) { .common_name = "Test Middle",
	    .is_ca = !row->no_ca,
	    .issuer = root,
	    .sha1 = row->sha1_middle,
	    .from_days = row->old_middle ? -9 : 0,
	    .until_days = row->old_middle ? -2 : 0 });
	g_autoptr(FakeCert) leaf = fake_cert_new(&(FakeCertSpec) {
	    .common_name = row->common_name != NULL ? row->common_name : "prov.example.com",
	    .unit = row->unit,
	    .ekus = row->ekus != NULL ? row->ekus : "serverAuth," OID,
	    .issuer = middle,
	    .from_days = row->from_days,
	    .until_days = row->until_days,
	    .sha1 = row->sha1,
	    .rsa_bits = row->rsa_bits,
	    .bad_signature = row->bad_signature });
	STACK_OF(X509) *list = sk_X509_new_null();
	sk_X509_push(list, leaf->certificate);
	if (!row->gap)
		sk_X509_push(list, middle->certificate);
	sk_X509_push(list, root->certificate);
	g_autoptr(GError) error = NULL;
	PvIdentity *identity = pv_identity_new("test.pem", list, leaf->key, &error);
	g_assert_no_error(error);
	sk_X509_free(list);
	return identity;
}

static void
provcert_test_row(gconstpointer data)
{
	const Row *row = data;
	g_autoptr(FakeCert) root =
	    fake_cert_new(&(FakeCertSpec) { .common_name = "Test Root", .is_ca = TRUE });
	g_autoptr(FakeCert) stranger =
	    fake_cert_new(&(FakeCertSpec) { .common_name = "Test Root", .is_ca = TRUE });
	g_autoptr(GArray) hashes = provcert_test_hashes(row->other_root ? stranger : root);
	g_autoptr(PvIdentity) identity = provcert_test_identity(row, root);
	const char *suffix = row->suffix != NULL ? row->suffix : "example.com";
	g_autoptr(GError) error = NULL;
	gboolean passes = pv_provisioning_check(identity, suffix, hashes, 0, &error);
	if (row->reason == NULL) {
		g_assert_no_error(error);
		g_assert_true(passes);
		return;
	}
	g_assert_false(passes);
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_true(g_str_has_prefix(error->message, "provisioning certificate test.pem: "));
	if (strstr(error->message, row->reason) == NULL)
		g_error("\"%s\" lacks \"%s\"", error->message, row->reason);
}

/* what is not known of the device is not checked; the clock may be given */
static void
provcert_test_unknown(void)
{
	static const Row good = { 0 };
	g_autoptr(FakeCert) root =
	    fake_cert_new(&(FakeCertSpec) { .common_name = "Test Root", .is_ca = TRUE });
	g_autoptr(PvIdentity) identity = provcert_test_identity(&good, root);
	g_autoptr(GError) error = NULL;
	gint64 now = g_get_real_time() / G_USEC_PER_SEC;
	g_assert_true(pv_provisioning_check(identity, NULL, NULL, 0, &error));
	g_assert_no_error(error);
	g_assert_false(pv_provisioning_check(identity, NULL, NULL, now + 400 * 86400, &error));
	g_assert_nonnull(strstr(error->message, "has expired"));
	g_assert_cmpint(pv_identity_get_days_left(identity, now), ==, 365);
	g_assert_cmpint(pv_identity_get_days_left(identity, now + 366 * 86400), <, 0);
}

static void
provcert_test_choose(void)
{
	static const Row other = { .common_name = "prov.example.org" };
	static const Row good = { 0 };
	g_autoptr(FakeCert) root =
	    fake_cert_new(&(FakeCertSpec) { .common_name = "Test Root", .is_ca = TRUE });
	g_autoptr(GPtrArray) list =
	    g_ptr_array_new_with_free_func((GDestroyNotify)pv_identity_unref);
	g_ptr_array_add(list, provcert_test_identity(&other, root));
	g_ptr_array_add(list, provcert_test_identity(&good, root));
	g_autoptr(GError) error = NULL;
	g_autoptr(PvIdentity) chosen = pv_provisioning_choose(list, "example.com", NULL, 0, &error);
	g_assert_true(chosen == g_ptr_array_index(list, 1));
	g_assert_null(pv_provisioning_choose(list, "example.net", NULL, 0, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "prov.example.org"));
	g_assert_nonnull(strstr(error->message, "prov.example.com"));
	g_clear_error(&error);
	g_autoptr(GPtrArray) none = g_ptr_array_new();
	g_assert_null(pv_provisioning_choose(none, NULL, NULL, 0, &error));
	g_assert_nonnull(strstr(error->message, "no provisioning certificate is configured"));
}

static void
provcert_test_hash_text(void)
{
	static const char *const bad[] = { "", "2", "2:", "2:zz", "4:00", "0:", "1:0011", ",",
		"2:00,", "1:00112233445566778899aabbccddeeff0011223",
		"1:00112233445566778899aabbccddeeff001122334" };
	static const char good[] =
	    "1:00112233445566778899aabbccddeeff00112233,"
	    "2:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	g_autoptr(GError) error = NULL;
	g_autoptr(GArray) hashes = pv_root_hashes_parse(good, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(hashes->len, ==, 2);
	g_autofree char *text =
	    pv_root_hashes_to_string((const PvRootHash *)(gpointer)hashes->data, hashes->len);
	g_assert_cmpstr(text, ==, good);
	for (gsize i = 1; i < G_N_ELEMENTS(bad); i++) {
		g_assert_null(pv_root_hashes_parse(bad[i], &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_PROTOCOL);
		g_clear_error(&error);
	}
	/* no hash at all is a list, too: a device may have none that is active */
	g_autoptr(GArray) none = pv_root_hashes_parse("", &error);
	g_assert_no_error(error);
	g_assert_cmpuint(none->len, ==, 0);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	pv_net_init();
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
		g_test_add_data_func(rows[i].path, &rows[i], provcert_test_row);
	g_test_add_func("/amt/provcert/unknown", provcert_test_unknown);
	g_test_add_func("/amt/provcert/choose", provcert_test_choose);
	g_test_add_func("/amt/provcert/hash-text", provcert_test_hash_text);
	return g_test_run();
}
