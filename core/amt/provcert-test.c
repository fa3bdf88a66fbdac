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
	const char *version; /* of the firmware; NULL: not known */
	gboolean legacy; /* the site names the device for SHA-1 */
	gboolean sha1_root;
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
	{ "/amt/provcert/sha1-by-firmware/modern-policy", .sha1 = TRUE, .version = "9.5.0",
	    .reason = "in a group with \"tls\": \"legacy\"" },
	{ "/amt/provcert/sha1-by-firmware/legacy-policy", .sha1 = TRUE, .version = "9.5.0", .legacy = TRUE },
	{ "/amt/provcert/sha1-by-firmware/unknown", .sha1_middle = TRUE, .legacy = TRUE },
	{ "/amt/provcert/sha1-by-firmware/new", .sha1_middle = TRUE, .version = "16.1.25", .legacy = TRUE,
	    .reason = "\"CN=Test Middle\" is signed with SHA-1, which AMT 16 and later refuse" },
	{ "/amt/provcert/sha1-by-firmware/new-root", .sha1_root = TRUE, .version = "19.0.0",
	    .reason = "\"CN=Test Root\" is signed with SHA-1" },
	{ "/amt/provcert/sha1-by-firmware/old-root", .sha1_root = TRUE, .version = "12.0.1" },
	{ "/amt/provcert/short-key-legacy", .rsa_bits = 1024, .legacy = TRUE, .version = "4.0",
	    .reason = "too weak (1024 bits)" },
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
	g_autoptr(FakeCert) root = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "Test Root", .is_ca = TRUE, .sha1 = row->sha1_root });
	g_autoptr(FakeCert) stranger =
	    fake_cert_new(&(FakeCertSpec) { .common_name = "Test Root", .is_ca = TRUE });
	g_autoptr(GArray) hashes = provcert_test_hashes(row->other_root ? stranger : root);
	g_autoptr(PvIdentity) identity = provcert_test_identity(row, root);
	const char *suffix = row->suffix != NULL ? row->suffix : "example.com";
	g_autoptr(GError) error = NULL;
	const PvProvisioningDevice device = { .suffix = suffix,
		.hashes = hashes,
		.version = row->version,
		.legacy = row->legacy };
	gboolean passes = pv_provisioning_check(identity, &device, &error);
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
	const PvProvisioningDevice nothing = { 0 }, later = { .now = now + 400 * 86400 };
	g_assert_true(pv_provisioning_check(identity, &nothing, &error));
	g_assert_no_error(error);
	g_assert_false(pv_provisioning_check(identity, &later, &error));
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
	const PvProvisioningDevice com = { .suffix = "example.com" }, net = { .suffix = "example.net" };
	g_autoptr(PvIdentity) chosen = pv_provisioning_choose(list, &com, &error);
	g_assert_true(chosen == g_ptr_array_index(list, 1));
	g_assert_null(pv_provisioning_choose(list, &net, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "prov.example.org"));
	g_assert_nonnull(strstr(error->message, "prov.example.com"));
	g_clear_error(&error);
	g_autoptr(GPtrArray) none = g_ptr_array_new();
	g_assert_null(pv_provisioning_choose(none, &com, &error));
	g_assert_nonnull(strstr(error->message, "no provisioning certificate is configured"));
}

static void
provcert_test_add_hash(GArray *hashes, const FakeCert *root)
{
	PvRootHash hash = { .type = 2, .length = 32 };
	guint length = 0;
	X509_digest(root->certificate, EVP_sha256(), hash.hash, &length);
	g_array_append_val(hashes, hash);
}

/* the number of certificates in the chain for a device that trusts only @root; -1: none */
static gint
provcert_test_count(const GPtrArray *list, const FakeCert *root, const FakeCert *end)
{
	g_autoptr(GArray) hashes = g_array_new(FALSE, FALSE, sizeof(PvRootHash));
	if (root != NULL)
		provcert_test_add_hash(hashes, root);
	const PvProvisioningDevice device = { .hashes = root != NULL ? hashes : NULL };
	g_autoptr(GError) error = NULL;
	g_autoptr(PvIdentity) chosen = pv_provisioning_choose(list, &device, &error);
	g_assert_cmpint(chosen == NULL, ==, error != NULL);
	if (chosen == NULL)
		return -1;
	STACK_OF(X509) *chain = pv_identity_get_chain(chosen);
	gint count = sk_X509_num(chain);
	g_assert_cmpint(X509_cmp(sk_X509_value(chain, count - 1), end->certificate), ==, 0);
	return count;
}

/* A CA that is a root of its own and also certified by an older one: which chain is presented depends on what the device
 * trusts, and a namesake of the CA leads nowhere. */
static void
provcert_test_cross(void)
{
	g_autoptr(FakeCert) old = fake_cert_new(&(FakeCertSpec) { .common_name = "Old Root", .is_ca = TRUE });
	g_autoptr(FakeCert) root = fake_cert_new(&(FakeCertSpec) { .common_name = "New Root", .is_ca = TRUE });
	g_autoptr(FakeCert) crossed = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "New Root", .is_ca = TRUE, .issuer = old, .key_of = root });
	g_autoptr(FakeCert) middle =
	    fake_cert_new(&(FakeCertSpec) { .common_name = "Middle", .is_ca = TRUE, .issuer = root });
	g_autoptr(FakeCert) namesake =
	    fake_cert_new(&(FakeCertSpec) { .common_name = "Middle", .is_ca = TRUE, .issuer = root });
	g_autoptr(FakeCert) leaf = fake_cert_new(&(FakeCertSpec) {
	    .common_name = "prov.example.com", .ekus = "serverAuth," OID, .issuer = middle });
	g_autoptr(FakeCert) stranger = fake_cert_new(&(FakeCertSpec) { .common_name = "Old Root", .is_ca = TRUE });
	STACK_OF(X509) *pool = sk_X509_new_null();
	const FakeCert *const order[] = { namesake, crossed, old, leaf, root, middle, old };
	for (gsize i = 0; i < G_N_ELEMENTS(order); i++)
		sk_X509_push(pool, order[i]->certificate);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvIdentity) identity = pv_identity_new("test.pem", pool, leaf->key, &error);
	sk_X509_free(pool);
	g_assert_no_error(error);
	g_assert_cmpuint(pv_identity_get_chains(identity)->len, ==, 2);
	g_assert_cmpint(sk_X509_num(pv_identity_get_chain(identity)), ==, 3);
	g_autoptr(GPtrArray) list = g_ptr_array_new();
	g_ptr_array_add(list, identity);
	g_assert_cmpint(provcert_test_count(list, NULL, root), ==, 3);
	g_assert_cmpint(provcert_test_count(list, root, root), ==, 3);
	g_assert_cmpint(provcert_test_count(list, old, old), ==, 4);
	g_assert_cmpint(provcert_test_count(list, stranger, NULL), ==, -1);
}

/* several certificates: the one whose root the device knows, wherever it stands in the list */
static void
provcert_test_choose_root(void)
{
	static const Row good = { 0 };
	g_autoptr(FakeCert) bought = fake_cert_new(&(FakeCertSpec) { .common_name = "Public Root", .is_ca = TRUE });
	g_autoptr(FakeCert) own = fake_cert_new(&(FakeCertSpec) { .common_name = "Own Root", .is_ca = TRUE });
	g_autoptr(FakeCert) other = fake_cert_new(&(FakeCertSpec) { .common_name = "Own Root", .is_ca = TRUE });
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)pv_identity_unref);
	g_ptr_array_add(list, provcert_test_identity(&good, bought));
	g_ptr_array_add(list, provcert_test_identity(&good, own));
	g_assert_cmpint(provcert_test_count(list, bought, bought), ==, 3);
	g_assert_cmpint(provcert_test_count(list, own, own), ==, 3);
	g_assert_cmpint(provcert_test_count(list, other, NULL), ==, -1);
}

/* each certificate with the rule that it fails */
static void
provcert_test_each_reason(void)
{
	static const Row bad[] = { { .common_name = "prov.example.org" }, { .ekus = "serverAuth" },
		{ .sha1_middle = TRUE }, { .until_days = -1, .from_days = -5 } };
	static const char *const reasons[] = { "does not match the device's DNS suffix", "is not made for AMT",
		"signed with SHA-1", "has expired", "is not among the device's 1 trusted root hashes" };
	g_autoptr(FakeCert) root = fake_cert_new(&(FakeCertSpec) { .common_name = "Test Root", .is_ca = TRUE });
	g_autoptr(FakeCert) stranger = fake_cert_new(&(FakeCertSpec) { .common_name = "Other Root", .is_ca = TRUE });
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)pv_identity_unref);
	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
		g_ptr_array_add(list, provcert_test_identity(&bad[i], root));
	static const Row good = { 0 };
	g_ptr_array_add(list, provcert_test_identity(&good, stranger));
	g_autoptr(GArray) hashes = g_array_new(FALSE, FALSE, sizeof(PvRootHash));
	provcert_test_add_hash(hashes, root);
	const PvProvisioningDevice device = { .suffix = "example.com", .hashes = hashes, .version = "16.1" };
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_provisioning_choose(list, &device, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	for (gsize i = 0; i < G_N_ELEMENTS(reasons); i++)
		if (strstr(error->message, reasons[i]) == NULL)
			g_error("\"%s\" lacks \"%s\"", error->message, reasons[i]);
}

/* one row for each rule, and what some firmware may not take */
static void
provcert_test_report(void)
{
	static const Row soon = { .until_days = 20, .common_name = "prov.example.org" };
	g_autoptr(FakeCert) root = fake_cert_new(&(FakeCertSpec) { .common_name = "Test Root", .is_ca = TRUE });
	g_autoptr(PvIdentity) identity = provcert_test_identity(&soon, root);
	g_autoptr(PvReport) report = pv_report_new();
	const PvProvisioningDevice device = { .suffix = "example.com" };
	pv_provisioning_report(identity, &device, "test.pem", report);
	static const struct {
		const char *check, *text;
		PvReportLevel level;
	} wanted[] = { { "chain", "3 certificates: CN=prov.example.org <- CN=Test Middle <- CN=Test Root", PV_REPORT_OK }, { "signatures", "right", PV_REPORT_OK },
		{ "key", "fits, and signs", PV_REPORT_OK }, { "purpose", "Intel's OID", PV_REPORT_OK },
		{ "algorithms", "right", PV_REPORT_OK }, { "dates", "20 days left", PV_REPORT_WARNING },
		{ "root hash", "not checked", PV_REPORT_OK },
		{ "dns suffix", "does not match", PV_REPORT_FAILURE },
		{ "algorithms", "none of RSA", PV_REPORT_WARNING } };
	g_assert_cmpuint(pv_report_get_length(report), >=, G_N_ELEMENTS(wanted));
	for (guint i = 0; i < G_N_ELEMENTS(wanted); i++) {
		PvReportLevel level = PV_REPORT_OK;
		const char *check = NULL, *object = NULL, *text = NULL;
		pv_report_get(report, i, &level, &check, &object, &text);
		g_assert_cmpstr(check, ==, wanted[i].check);
		g_assert_cmpstr(object, ==, "test.pem");
		g_assert_nonnull(strstr(text, wanted[i].text));
		g_assert_cmpint(level, ==, wanted[i].level);
	}
}

/* 90, 30 and 7 days before, and then no more */
static void
provcert_test_expiry(void)
{
	static const Row good = { 0 };
	static const struct {
		gint left;
		gint threshold;
		const char *text; /* NULL: nothing to say */
	} wanted[] = { { 91, -1, NULL }, { 90, 90, "order its successor with" }, { 31, 90, "expires in 31 days" },
		{ 30, 30, "or order it now" }, { 8, 30, "expires in 8 days" }, { 7, 7, "install its successor now" },
		{ 0, 7, "expires in 0 days" }, { -1, 0, "no device is set up with it any more" } };
	g_autoptr(FakeCert) root = fake_cert_new(&(FakeCertSpec) { .common_name = "Test Root", .is_ca = TRUE });
	g_autoptr(PvIdentity) identity = provcert_test_identity(&good, root);
	gint64 now = g_get_real_time() / G_USEC_PER_SEC;
	for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
		gint64 then = now + (365 - wanted[i].left) * 86400;
		g_assert_cmpint(pv_identity_get_days_left(identity, then), ==, wanted[i].left);
		g_assert_cmpint(pv_provisioning_get_threshold(wanted[i].left), ==, wanted[i].threshold);
		g_autofree char *text = pv_provisioning_dup_expiry(identity, then);
		g_assert_cmpint(text == NULL, ==, wanted[i].text == NULL);
		if (text != NULL && strstr(text, wanted[i].text) == NULL)
			g_error("\"%s\" lacks \"%s\"", text, wanted[i].text);
	}
}

/* as MEBx shows it: pairs with hyphens */
static void
provcert_test_thumbprint(void)
{
	g_autoptr(FakeCert) root = fake_cert_new(&(FakeCertSpec) { .common_name = "Test Root", .is_ca = TRUE });
	g_autoptr(GBytes) der = fake_cert_dup_der(root);
	for (guint i = 0; i < 2; i++) {
		g_autofree char *text = pv_provisioning_dup_thumbprint(root->certificate, i == 1);
		g_auto(GStrv) pairs = g_strsplit(text, "-", 0);
		g_autofree char *hex = g_strjoinv("", pairs);
		g_autofree char *expected =
		    g_compute_checksum_for_bytes(i == 1 ? G_CHECKSUM_SHA256 : G_CHECKSUM_SHA1, der);
		g_assert_cmpuint(g_strv_length(pairs), ==, i == 1 ? 32 : 20);
		g_assert_cmpstr(hex, ==, expected);
	}
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
	g_test_add_func("/amt/provcert/cross-signed", provcert_test_cross);
	g_test_add_func("/requirements/S07-1.4/chosen-by-root-hash", provcert_test_choose_root);
	g_test_add_func("/requirements/S12-07.7/each-certificate-and-its-reason", provcert_test_each_reason);
	g_test_add_func("/amt/provcert/report", provcert_test_report);
	g_test_add_func("/amt/provcert/expiry", provcert_test_expiry);
	g_test_add_func("/requirements/S07-2.5/thumbprint-in-pairs", provcert_test_thumbprint);
	g_test_add_func("/amt/provcert/hash-text", provcert_test_hash_text);
	return g_test_run();
}
