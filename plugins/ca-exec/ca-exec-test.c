/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/json.h"
#include "core/engine/loader.h"
#include "tests/lib/test-folder.h"

#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

/* Programs of one line each, as certmonger would run them. In the folder are issued.pem, somebody else's other.pem, and
 * root.pem. */

#define SAVED "env | LC_ALL=C sort > said; "

typedef struct {
	const char *path;
	const char *script; /* after "#!/bin/sh" and going to the folder */
	const char *settings; /* more members; NULL: none */
	const char *cookie; /* NULL: submit */
	int outcome; /* PvCaOutcome; -1: the error below */
	PvError code;
	const char *text; /* of the error or the answer; NULL: not looked at */
	const char *new_cookie;
	guint wait_sec;
	gboolean as_device;
} Case;

static const Case ca_exec_cases[] = {
	{ "issued", "cat issued.pem", .outcome = PV_CA_ISSUED },
	{ "issued/chain-follows", "cat issued.pem root.pem", .outcome = PV_CA_ISSUED },
	{ "issued/chain-first", "cat root.pem issued.pem", .outcome = PV_CA_ISSUED },
	{ "issued/by-poll",
	    "[ $CERTMONGER_OPERATION = POLL ] && [ \"$CERTMONGER_CA_COOKIE\" = 17 ] && cat "
	    "issued.pem",
	    .cookie = "17", .outcome = PV_CA_ISSUED },
	{ "wait", "echo id=17; exit 1", .outcome = PV_CA_PENDING, .new_cookie = "id=17",
	    .wait_sec = 60 },
	{ "wait/as-configured", "echo id=17; exit 1", ", \"poll\": 9", .outcome = PV_CA_PENDING,
	    .wait_sec = 9 },
	{ "wait/with-delay", "printf '30\\nid=17\\nmore\\n'; exit 5", .outcome = PV_CA_PENDING,
	    .new_cookie = "id=17\nmore", .wait_sec = 30 },
	{ "wait/too-long", "printf '99999999\\nid=17\\n'; exit 5", .outcome = PV_CA_PENDING,
	    .wait_sec = 604800 },
	{ "wait/same-cookie", "exit 1", .cookie = "id=17", .outcome = PV_CA_PENDING,
	    .new_cookie = "id=17" },
	{ "wait/no-cookie", "exit 1", .outcome = -1, .code = PV_ERROR_PROTOCOL,
	    .text = "nothing to remember" },
	{ "wait/no-number", "echo soon; exit 5", .outcome = -1, .code = PV_ERROR_PROTOCOL,
	    .text = "number of seconds" },
	{ "wait/huge-cookie", "head -c 5000 /dev/zero | tr '\\0' x; exit 1", .outcome = -1,
	    .code = PV_ERROR_PROTOCOL, .text = "longer than 4096" },
	{ "rejected", "echo 'not in the inventory'; exit 2", .outcome = PV_CA_DENIED,
	    .text = "not in the inventory" },
	{ "rejected/on-standard-error", "echo 'policy says no' >&2; exit 2",
	    .outcome = PV_CA_DENIED, .text = "policy says no" },
	{ "unreachable", "echo 'connect: refused'; exit 3", .outcome = -1,
	    .code = PV_ERROR_UNREACHABLE, .text = "exit code 3: connect: refused" },
	{ "underconfigured", "exit 4", .outcome = -1, .code = PV_ERROR_CONFIG,
	    .text = "did not say why" },
	{ "not-supported", "exit 6", .outcome = -1, .code = PV_ERROR_UNSUPPORTED },
	{ "scep-data", "exit 16", .outcome = -1, .code = PV_ERROR_UNSUPPORTED },
	{ "other-code", "exit 99", .outcome = -1, .code = PV_ERROR_FAILED },
	{ "signal", "kill -9 $$", .outcome = -1, .code = PV_ERROR_FAILED,
	    .text = "ended by signal 9" },
	{ "no-certificate", "echo hello", .outcome = -1, .code = PV_ERROR_PROTOCOL },
	{ "nothing", ":", .outcome = -1, .code = PV_ERROR_PROTOCOL },
	{ "too-much", "cat /dev/zero", .outcome = -1, .code = PV_ERROR_PROTOCOL,
	    .text = "more than a mebibyte" },
	{ "slow", "sleep 600", ", \"time-limit\": 1", .outcome = -1, .code = PV_ERROR_UNREACHABLE,
	    .text = "did not end within 1 s" },
	{ "as-device", "cat issued.pem", .as_device = TRUE, .outcome = -1, .code = PV_ERROR_CONFIG,
	    .text = "asks in its own name" },
	{ "environment",
	    SAVED
	    "grep -qx CERTMONGER_OPERATION=SUBMIT said && grep -qx "
	    "CERTMONGER_REQ_SUBJECT=CN=pc1.example.com said &&"
	    "grep -qx CERTMONGER_REQ_HOSTNAME=pc1.example.com said && grep -qx "
	    "CERTMONGER_CA_PROFILE=AMTWebServer said &&"
	    "grep -qx CERTMONGER_KEY_TYPE=EC said && grep -qx KRB5_CONFIG=/etc/site.conf said &&"
	    "grep -qx CERTMONGER_CA_NICKNAME=corp said && ! grep -q SESSION_TOKEN said &&"
	    "echo \"$CERTMONGER_CSR\" | grep -q 'BEGIN CERTIFICATE REQUEST' && [ $# = 1 ] && [ "
	    "\"$1\" = 'a b' ] &&"
	    "cat issued.pem",
	    ", \"environment\": [ \"KRB5_CONFIG=/etc/site.conf\" ], \"nickname\": \"corp\", "
	    "\"arguments\": [ \"a b\" ]",
	    .outcome = PV_CA_ISSUED },
	{ NULL },
};

typedef struct {
	char *dir; /* owned */
	EVP_PKEY *key; /* of the request */
	GBytes *csr, *issued; /* DER */
	PvLoader *loader;
	const PvCa *ca;
} Fixture;

/* Writes FOLDER/NAME.pem. (transfer full): DER */
static GBytes *
ca_exec_test_certify(const Fixture *f, EVP_PKEY *key, EVP_PKEY *issuer, const char *name)
{
	X509 *certificate = X509_new();
	X509_set_version(certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
	    (const guchar *)name, -1, -1, 0);
	X509_set_pubkey(certificate, key);
	g_assert_cmpint(X509_sign(certificate, issuer, EVP_sha256()), >, 0);
	g_autofree char *file = g_strconcat(f->dir, "/", name, ".pem", NULL);
	BIO *bio = BIO_new_file(file, "w");
	g_assert_cmpint(PEM_write_bio_X509(bio, certificate), ==, 1);
	BIO_free(bio);
	guchar *der = NULL;
	int length = i2d_X509(certificate, &der);
	GBytes *bytes = g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	X509_free(certificate);
	return bytes;
}

static GBytes *
ca_exec_test_new_csr(EVP_PKEY *key)
{
	X509_REQ *csr = X509_REQ_new();
	X509_REQ_set_pubkey(csr, key);
	g_assert_cmpint(X509_REQ_sign(csr, key, EVP_sha256()), >, 0);
	guchar *der = NULL;
	int length = i2d_X509_REQ(csr, &der);
	GBytes *bytes = g_bytes_new(der, (gsize)length);
	OPENSSL_free(der);
	X509_REQ_free(csr);
	return bytes;
}

static void
ca_exec_test_set_up(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	f->dir = g_dir_make_tmp("pv-ca-exec-XXXXXX", NULL);
	f->key = EVP_EC_gen("P-256");
	EVP_PKEY *other = EVP_EC_gen("P-256");
	f->csr = ca_exec_test_new_csr(f->key);
	f->issued = ca_exec_test_certify(f, f->key, other, "issued");
	g_bytes_unref(ca_exec_test_certify(f, other, other, "other"));
	g_bytes_unref(ca_exec_test_certify(f, other, other, "root"));
	EVP_PKEY_free(other);
	g_autofree char *libs =
	    g_test_build_filename(G_TEST_BUILT, "plugins", "ca-exec", ".libs", NULL);
	f->loader = pv_loader_new((const char *const[]) { libs, NULL });
	g_assert_nonnull(pv_loader_load(f->loader, "ca-exec", &error));
	g_assert_no_error(error);
	f->ca = pv_loader_find_ca(f->loader, "exec");
}

static void
ca_exec_test_tear_down(Fixture *f, gconstpointer data)
{
	pv_test_remove_all(f->dir);
	g_free(f->dir);
	EVP_PKEY_free(f->key);
	g_bytes_unref(f->csr);
	g_bytes_unref(f->issued);
	pv_loader_free(f->loader);
}

static gpointer
ca_exec_test_open(
    const Fixture *f, const char *script, const char *settings, int mode, GError **error)
{
	g_autoptr(GError) wrong = NULL;
	g_autofree char *text = g_strdup_printf("#!/bin/sh\ncd '%s'\n%s\n", f->dir, script);
	g_autofree char *path = pv_test_write(f->dir, "helper", text, mode);
	g_autofree char *json =
	    g_strdup_printf("{ \"program\": \"%s\"%s }", path, settings != NULL ? settings : "");
	g_autoptr(PvJson) parsed = pv_json_parse("site.json", json, -1, &wrong);
	g_assert_no_error(wrong);
	g_autoptr(PvValues) values = pv_values_parse(parsed, "$", f->ca->params, NULL, &wrong);
	g_assert_no_error(wrong);
	return f->ca->open(values, error);
}

static void
ca_exec_test_case(Fixture *f, gconstpointer data)
{
	const Case *c = data;
	g_autoptr(GError) error = NULL;
	g_auto(PvCaReply) reply = { 0 };
	const char *const names[] = { "pc1.example.com", NULL };
	const PvCertRequest request = { .template_name = "AMTWebServer",
		.common_name = "pc1.example.com",
		.dns_names = names };
	const PvCaIdentity device = { "pc1$iME", "EXAMPLE.COM", NULL };
	gpointer handle = ca_exec_test_open(f, c->script, c->settings, 0700, &error);
	g_assert_no_error(error);
	gboolean ok = c->cookie != NULL ? f->ca->poll(handle, &request, f->csr, c->cookie, NULL,
					      &reply, NULL, &error)
					: f->ca->submit(handle, &request, f->csr,
					      c->as_device ? &device : NULL, &reply, NULL, &error);
	f->ca->close(handle);
	g_assert_cmpint(ok, ==, c->outcome >= 0);
	const char *text = ok ? reply.text : error->message;
	if (c->text != NULL && (text == NULL || strstr(text, c->text) == NULL))
		g_error("\"%s\" does not say \"%s\"", text, c->text);
	if (!ok) {
		g_assert_error(error, PV_ERROR, (gint)c->code);
		return;
	}
	g_assert_cmpint(reply.outcome, ==, c->outcome);
	if (c->outcome == PV_CA_ISSUED)
		g_assert_true(g_bytes_equal(reply.certificate, f->issued));
	if (c->new_cookie != NULL)
		g_assert_cmpstr(reply.cookie, ==, c->new_cookie);
	if (c->wait_sec > 0)
		g_assert_cmpuint(reply.not_before_sec, ==, c->wait_sec);
}

/* The core finds out that it is somebody else's: it gets it. */
static void
ca_exec_test_somebody_elses(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_auto(PvCaReply) reply = { 0 };
	const PvCertRequest request = { .common_name = "pc1.example.com" };
	gpointer handle = ca_exec_test_open(f, "cat other.pem", NULL, 0700, &error);
	g_assert_true(f->ca->submit(handle, &request, f->csr, NULL, &reply, NULL, &error));
	g_assert_false(g_bytes_equal(reply.certificate, f->issued));
	f->ca->close(handle);
}

static void
ca_exec_test_roots(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	gpointer handle = ca_exec_test_open(f,
	    "[ $CERTMONGER_OPERATION = FETCH-ROOTS ] && echo 'Our Root' && cat root.pem && echo && "
	    "echo Another && cat other.pem",
	    NULL, 0700, &error);
	g_autoptr(GPtrArray) told = f->ca->chain(handle, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(told->len, ==, 2);
	f->ca->close(handle);

	handle = ca_exec_test_open(f, "exit 6", NULL, 0700, &error);
	g_assert_null(f->ca->chain(handle, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, "\"roots\""));
	g_clear_error(&error);
	f->ca->close(handle);

	g_autofree char *settings = g_strdup_printf(", \"roots\": \"%s/root.pem\"", f->dir);
	handle = ca_exec_test_open(f, "exit 6", settings, 0700, &error);
	g_autoptr(GPtrArray) named = f->ca->chain(handle, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(named->len, ==, 1);
	f->ca->close(handle);
}

static void
ca_exec_test_check(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvReport) report = pv_report_new();
	const char *text = NULL;
	gpointer handle = ca_exec_test_open(f,
	    "[ $CERTMONGER_OPERATION = IDENTIFY ] || exit 6; echo 'helper 1.0'", NULL, 0700,
	    &error);
	g_assert_true(f->ca->check(handle, report, NULL, &error));
	g_assert_cmpint(pv_report_get_level(report), ==, PV_REPORT_OK);
	pv_report_get(report, 0, NULL, NULL, NULL, &text);
	g_assert_cmpstr(text, ==, "helper 1.0");
	f->ca->close(handle);
	handle = ca_exec_test_open(f, "echo broken; exit 4", NULL, 0700, &error);
	g_assert_true(f->ca->check(handle, report, NULL, &error));
	g_assert_cmpint(pv_report_get_level(report), ==, PV_REPORT_FAILURE);
	f->ca->close(handle);
}

static void
ca_exec_test_refuses(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_assert_null(ca_exec_test_open(f, ":", NULL, 0777, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_clear_error(&error);
	g_autofree char *path = g_build_filename(f->dir, "helper", NULL);
	g_assert_cmpint(g_unlink(path), ==, 0);
	g_assert_null(ca_exec_test_open(f, ":", ", \"environment\": [ \"A-B=x\" ]", 0700, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_clear_error(&error);
	/* whoever gets the right to write it later is noticed, too */
	gpointer handle = ca_exec_test_open(f, "cat issued.pem", NULL, 0700, &error);
	g_assert_no_error(error);
	g_assert_cmpint(g_chmod(path, 0777), ==, 0);
	g_auto(PvCaReply) reply = { 0 };
	const PvCertRequest request = { .common_name = "pc1.example.com" };
	g_assert_false(f->ca->submit(handle, &request, f->csr, NULL, &reply, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	f->ca->close(handle);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_setenv("SESSION_TOKEN", "not for others", TRUE);
	for (const Case *c = ca_exec_cases; c->path != NULL; c++) {
		g_autofree char *path = g_strconcat("/plugins/ca-exec/", c->path, NULL);
		g_test_add(path, Fixture, c, ca_exec_test_set_up, ca_exec_test_case,
		    ca_exec_test_tear_down);
	}
	g_test_add("/plugins/ca-exec/somebody-elses", Fixture, NULL, ca_exec_test_set_up,
	    ca_exec_test_somebody_elses, ca_exec_test_tear_down);
	g_test_add("/plugins/ca-exec/roots", Fixture, NULL, ca_exec_test_set_up, ca_exec_test_roots,
	    ca_exec_test_tear_down);
	g_test_add("/plugins/ca-exec/check", Fixture, NULL, ca_exec_test_set_up, ca_exec_test_check,
	    ca_exec_test_tear_down);
	g_test_add("/plugins/ca-exec/refuses", Fixture, NULL, ca_exec_test_set_up,
	    ca_exec_test_refuses, ca_exec_test_tear_down);
	return g_test_run();
}
