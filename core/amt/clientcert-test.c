/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/clientcert.h"

#include "tests/lib/fake-pki.h"

#include <provost/error.h>

#include <string.h>

#define PURPOSE "clientAuth,2.16.840.1.113741.1.2.1"

typedef struct {
	FakeCert *root, *middle, *other, *leaf;
	PvIdentity *identity;
	GPtrArray *roots;
} Fixture;

/* @key: the leaf's own */
static PvIdentity *
new_identity(const FakeCert *leaf, const FakeCert *middle, const FakeCert *root)
{
	g_autoptr(GError) error = NULL;
	STACK_OF(X509) *certificates = sk_X509_new_null();
	sk_X509_push(certificates, root->certificate);
	if (middle != NULL)
		sk_X509_push(certificates, middle->certificate);
	sk_X509_push(certificates, leaf->certificate);
	PvIdentity *identity = pv_identity_new("client.pem", certificates, leaf->key, &error);
	g_assert_no_error(error);
	sk_X509_free(certificates);
	return identity;
}

static void
set_up(Fixture *f, gconstpointer data)
{
	pv_net_init();
	f->root = fake_cert_new(&(FakeCertSpec) { .common_name = "Console Root", .is_ca = TRUE });
	f->other = fake_cert_new(&(FakeCertSpec) { .common_name = "Console Root", .is_ca = TRUE });
	f->middle = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "Console Issuer", .is_ca = TRUE, .issuer = f->root });
	f->leaf = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "provost.example.com", .ekus = PURPOSE, .issuer = f->middle });
	f->identity = new_identity(f->leaf, f->middle, f->root);
	f->roots = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(f->roots, fake_cert_dup_der(f->other));
	g_ptr_array_add(f->roots, fake_cert_dup_der(f->root));
}

static void
tear_down(Fixture *f, gconstpointer data)
{
	pv_identity_unref(f->identity);
	g_ptr_array_unref(f->roots);
	fake_cert_free(f->leaf);
	fake_cert_free(f->middle);
	fake_cert_free(f->other);
	fake_cert_free(f->root);
}

static void
expect(const PvIdentity *identity, GPtrArray *roots, const char *const *names, gint64 now, const char *part)
{
	g_autoptr(GError) error = NULL;
	gboolean good = pv_client_certificate_check(identity, roots, names, now, &error);
	if (part == NULL) {
		g_assert_no_error(error);
		g_assert_true(good);
		return;
	}
	g_assert_false(good);
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	if (strstr(error->message, part) == NULL)
		g_error("\"%s\" does not say \"%s\"", error->message, part);
}

static void
test_names(Fixture *f, gconstpointer data)
{
	static const struct {
		const char *names[3];
		gboolean good;
	} rows[] = {
		{ { NULL }, TRUE },
		{ { "provost.example.com", NULL }, TRUE },
		{ { "PROVOST.Example.com", NULL }, TRUE },
		{ { "other.example.com", "example.com", NULL }, TRUE },
		{ { "ample.com", NULL }, FALSE }, /* no whole label */
		{ { "", NULL }, FALSE },
		{ { "x.provost.example.com", NULL }, FALSE },
		{ { "other.example.com", NULL }, FALSE },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
		expect(f->identity, f->roots, rows[i].names, 0, rows[i].good ? NULL : "trusted-cn");
}

static void
test_roots(Fixture *f, gconstpointer data)
{
	expect(f->identity, f->roots, NULL, 0, NULL);
	expect(f->identity, NULL, NULL, 0, NULL);
	/* the same name and another key */
	g_ptr_array_remove_index(f->roots, 1);
	expect(f->identity, f->roots, NULL, 0, "Console Root is not among the 1 trusted roots");
	g_ptr_array_remove_index(f->roots, 0);
	expect(f->identity, f->roots, NULL, 0, "not among the 0 trusted roots");
}

static void
test_dates(Fixture *f, gconstpointer data)
{
	gint64 now = g_get_real_time() / G_USEC_PER_SEC, day = 24 * 60 * 60;
	expect(f->identity, f->roots, NULL, now - 400 * day, "too early, or the clock is wrong");
	expect(f->identity, f->roots, NULL, now + 400 * day, "renew it, or set the clock");
	/* an issuer's end is everybody's */
	g_autoptr(FakeCert) ending = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "Ending", .is_ca = TRUE, .issuer = f->root, .until_days = 10 });
	g_autoptr(FakeCert) leaf = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "provost.example.com", .ekus = PURPOSE, .issuer = ending });
	g_autoptr(PvIdentity) identity = new_identity(leaf, ending, f->root);
	expect(identity, f->roots, NULL, now, NULL);
	expect(identity, f->roots, NULL, now + 11 * day, "Ending is not valid");
}

static void
test_purpose(Fixture *f, gconstpointer data)
{
	static const char *const purposes[] = { "clientAuth", "clientAuth,2.16.840.1.113741.1.2.2",
		"2.16.840.1.113741.1.2.10", NULL };
	for (gsize i = 0; i < G_N_ELEMENTS(purposes); i++) {
		g_autoptr(FakeCert) leaf = fake_cert_new(
		    &(FakeCertSpec) { .common_name = "provost.example.com", .ekus = purposes[i], .issuer = f->root });
		g_autoptr(PvIdentity) identity = new_identity(leaf, NULL, f->root);
		expect(identity, f->roots, NULL, 0, "lacks 2.16.840.1.113741.1.2.1");
	}
}

static void
test_forged(Fixture *f, gconstpointer data)
{
	g_autoptr(FakeCert) leaf = fake_cert_new(&(FakeCertSpec) { .common_name = "provost.example.com",
	    .ekus = PURPOSE,
	    .issuer = f->root,
	    .bad_signature = TRUE });
	g_autoptr(PvIdentity) identity = new_identity(leaf, NULL, f->root);
	expect(identity, f->roots, NULL, 0, "not among the 2 trusted roots");
}

static void
add(const char *path, void (*test)(Fixture *, gconstpointer))
{
	g_test_add(path, Fixture, NULL, set_up, test, tear_down);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add("/amt/clientcert/names", test_names);
	add("/amt/clientcert/roots", test_roots);
	add("/amt/clientcert/dates", test_dates);
	add("/amt/clientcert/purpose", test_purpose);
	add("/amt/clientcert/forged", test_forged);
	return g_test_run();
}
