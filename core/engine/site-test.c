/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/site.h"

#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/test-folder.h"

/* A site in a temporary folder: site.json, key, p.json, plugins/test-stages.so, ca.der, identity.pem; the test's
 * providers write what happens to them into "log". */
typedef struct {
	char *folder, *file, *log; /* owned */
} Fixture;

#define SITE_HEAD \
	"{ \"plugin-path\": [\"plugins\"], \"plugins\": [\"test-stages\"],\n" \
	"\"key\": \"key\", \"store\": {\"type\": \"sqlite\", \"path\": \"store.db\"},\n" \
	"\"pipelines\": [{\"name\": \"standard\", \"file\": \"p.json\"}], \"pipeline\": " \
	"\"standard\""
#define SITE_PROVIDERS \
	",\n\"directory\": {\"type\": \"test\", \"log\": \"log\", \"password\": {\"secret\": " \
	"\"join\"}},\n" \
	"\"ca\": {\"type\": \"test\", \"log\": \"log\", \"chain\": \"ca.der\"}"

/* a self-signed certificate of the name, with its key in @pem and by itself in @der */
static void
site_make_certificate(const char *name, const char *pem, const char *der)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509 *certificate = X509_new();
	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 30L * 24 * 60 * 60);
	X509_NAME *subject = X509_get_subject_name(certificate);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const guchar *)name, -1, -1, 0);
	X509_set_issuer_name(certificate, subject);
	X509_set_pubkey(certificate, key);
	X509V3_CTX context;
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension =
	    X509V3_EXT_conf_nid(NULL, &context, NID_basic_constraints, "critical,CA:TRUE");
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
	g_assert_cmpint(X509_sign(certificate, key, EVP_sha256()), >, 0);
	FILE *file = fopen(pem, "w");
	g_assert_true(PEM_write_X509(file, certificate) == 1 &&
		      PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
	fclose(file);
	file = fopen(der, "w");
	g_assert_cmpint(i2d_X509_fp(file, certificate), ==, 1);
	fclose(file);
	g_chmod(pem, 0600);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static char *
site_path(Fixture *fixture, const char *name)
{
	return g_build_filename(fixture->folder, name, NULL);
}

static void
site_write(Fixture *fixture, const char *text)
{
	g_autofree char *path = pv_test_write(fixture->folder, "site.json", text, 0600);
	g_assert_cmpstr(path, ==, fixture->file);
}

static void
site_set_up(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	fixture->folder = g_dir_make_tmp("pv-site-XXXXXX", NULL);
	fixture->file = site_path(fixture, "site.json");
	fixture->log = site_path(fixture, "log");
	g_autofree char *plugins = site_path(fixture, "plugins");
	g_autofree char *key = site_path(fixture, "key");
	g_autofree char *pem = site_path(fixture, "identity.pem");
	g_autofree char *der = site_path(fixture, "ca.der");
	g_assert_cmpint(g_mkdir(plugins, 0755), ==, 0);
	g_autofree char *module =
	    pv_test_install_module(plugins, "test-stages", "test-stages", 0644);
	g_autofree char *pipeline = pv_test_write(fixture->folder, "p.json",
	    "{\"pipeline\": \"standard\", \"stages\": [{\"stage\": \"test-make-a\"}, {\"stage\": "
	    "\"test-make-b\","
	    "\"ou\": \"x\", \"password\": {\"secret\": \"join\"}}, {\"stage\": \"test-hello\"}]}",
	    0600);
	g_assert_true(pv_key_create(key, &error));
	g_assert_no_error(error);
	site_make_certificate("Test CA", pem, der);
}

static void
site_tear_down(Fixture *fixture, gconstpointer data)
{
	pv_test_remove_all(fixture->folder);
	g_free(fixture->folder);
	g_free(fixture->file);
	g_free(fixture->log);
}

/* puts {"secret": "join"} into the store, by way of a site without providers */
static void
site_seal(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) value = pv_secret_new("Join-P4ss", -1);
	site_write(fixture, SITE_HEAD "}");
	g_autoptr(PvSite) site = pv_site_open(fixture->file, "test", 0, &error);
	g_assert_no_error(error);
	g_assert_true(pv_db_put_secret(site->db, "", "join", "current", value, &error));
}

static void
site_assert_log(Fixture *fixture, const char *expected)
{
	g_autofree char *text = NULL;
	if (!g_file_get_contents(fixture->log, &text, NULL, NULL))
		text = g_strdup("");
	g_assert_cmpstr(text, ==, expected);
	g_unlink(fixture->log);
}

/* @text with FOLDER in place of %F */
static void
site_assert_error(Fixture *fixture, PvSiteFlags flags, PvError code, const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, "%F", -1);
	g_autofree char *expected = g_strjoinv(fixture->folder, parts);
	g_autoptr(GError) error = NULL;
	g_assert_null(pv_site_open(fixture->file, "test", flags, &error));
	g_assert_error(error, PV_ERROR, (int)code);
	g_assert_cmpstr(error->message, ==, expected);
}

static void
site_test_defaults(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	site_write(fixture, SITE_HEAD "}");
	g_autoptr(PvSite) site = pv_site_open(fixture->file, "test", 0, &error);
	g_assert_no_error(error);
	g_autofree char *key = site_path(fixture, "key");
	g_autofree char *store = site_path(fixture, "store.db");
	g_assert_cmpstr(site->file, ==, fixture->file);
	g_assert_cmpstr(site->key_source, ==, key);
	g_assert_true(g_file_test(store, G_FILE_TEST_EXISTS));
	g_assert_nonnull(site->db);
	g_assert_null(site->directory);
	g_assert_null(site->ca);
	g_assert_null(site->trust);
	g_assert_null(site->dns_suffix);
	g_assert_cmpstr(site->listen_address, ==, "0.0.0.0");
	g_assert_cmpuint(site->listen_port, ==, 9971);
	g_assert_cmpuint(site->device_port, ==, 16993);
	g_assert_cmpuint(site->workers, ==, 64);
	g_assert_cmpuint(site->login_attempts, ==, 4);
	g_assert_cmpuint(site->connect_msec, ==, 10000);
	g_assert_cmpuint(site->request_msec, ==, 60000);
}

static void
site_test_given(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	site_write(fixture, SITE_HEAD
	    ",\n"
	    "\"variables\": {\"wired8021x\": true, \"off\": false, \"count\": 7, \"limit\": 2.5, "
	    "\"city\": \"Köln\"},\n"
	    "\"groups\": [{\"name\": \"old\", \"tls\": \"legacy\"}, {\"name\": \"new\", "
	    "\"pipeline\": \"standard\"}],\n"
	    "\"credentials\": [{\"user\": \"root\", \"password\": {\"secret\": \"x\"}}, "
	    "{\"password\": {\"file\": \"y\"}}],\n"
	    "\"dns-suffix\": \"example.com\", \"listener\": {\"address\": \"127.0.0.1\", "
	    "\"port\": 19971}, \"device-port\": 16992, \"workers\": 2, \"login-attempts\": 8,"
	    "\"connect-timeout\": 3, \"request-timeout\": 4}");
	g_autoptr(PvSite) site = pv_site_open(fixture->file, "test", PV_SITE_CONFIG_ONLY, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(g_hash_table_lookup(site->variables, "wired8021x"), ==, "true");
	g_assert_cmpstr(g_hash_table_lookup(site->variables, "off"), ==, "false");
	g_assert_cmpstr(g_hash_table_lookup(site->variables, "count"), ==, "7");
	g_assert_cmpstr(g_hash_table_lookup(site->variables, "limit"), ==, "2.5");
	g_assert_cmpstr(g_hash_table_lookup(site->variables, "city"), ==, "Köln");
	g_assert_cmpint(pv_site_find_group(site, "old")->tls, ==, PV_TLS_LEGACY);
	g_assert_cmpint(pv_site_find_group(site, "new")->tls, ==, PV_TLS_MODERN);
	g_assert_null(pv_site_find_group(site, "none"));
	g_assert_cmpuint(site->candidates->len, ==, 2);
	g_assert_cmpstr(((PvCandidate *)site->candidates->pdata[0])->user, ==, "root");
	g_assert_cmpstr(((PvCandidate *)site->candidates->pdata[1])->user, ==, "admin");
	g_assert_cmpstr(site->dns_suffix, ==, "example.com");
	g_assert_cmpstr(site->listen_address, ==, "127.0.0.1");
	g_assert_cmpuint(site->listen_port, ==, 19971);
	g_assert_cmpuint(site->device_port, ==, 16992);
	g_assert_cmpuint(site->workers, ==, 2);
	g_assert_cmpuint(site->login_attempts, ==, 8);
	g_assert_cmpuint(site->connect_msec, ==, 3000);
	g_assert_cmpuint(site->request_msec, ==, 4000);

	g_assert_cmpstr(pv_site_find_pipeline(site, "new", &error)->name, ==, "standard");
	g_assert_cmpstr(pv_site_find_pipeline(site, NULL, &error)->name, ==, "standard");
	g_assert_no_error(error);
	g_assert_null(pv_site_find_pipeline(site, "none", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
}

/* checking the file touches neither key nor store nor peers */
static void
site_test_config_only(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *key = site_path(fixture, "key");
	g_autofree char *store = site_path(fixture, "store.db");
	g_unlink(key);
	site_write(fixture, SITE_HEAD SITE_PROVIDERS "}");
	g_autoptr(PvSite) site = pv_site_open(fixture->file, "test", PV_SITE_CONFIG_ONLY, &error);
	g_assert_no_error(error);
	g_assert_null(site->db);
	g_assert_nonnull(site->directory);
	g_assert_null(site->directory_handle);
	g_assert_null(site->ca_handle);
	g_assert_false(g_file_test(store, G_FILE_TEST_EXISTS));
	site_assert_log(fixture, "");
}

/* secrets come from the store; what was opened is closed in reverse */
static void
site_test_open(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	site_seal(fixture);
	site_write(fixture, SITE_HEAD SITE_PROVIDERS
	    ",\n\"provisioning-certificates\": [{\"file\": \"identity.pem\"}],"
	    "\"credentials\": [{\"password\": {\"secret\": \"join\"}}]}");
	PvSite *site = pv_site_open(fixture->file, "test", 0, &error);
	g_assert_no_error(error);
	g_assert_nonnull(site->trust);
	g_assert_cmpuint(site->identities->len, ==, 1);
	site_assert_log(fixture, "directory open\nca open\n");

	const PvCandidate *candidate = site->candidates->pdata[0];
	g_autoptr(PvSecret) password = pv_values_dup_secret(candidate->values, "password", &error);
	g_assert_cmpstr(pv_secret_peek(password, NULL), ==, "Join-P4ss");
	const PvPipeline *pipeline = pv_site_find_pipeline(site, NULL, &error);
	const PvPipelineStage *stage = pipeline->stages->pdata[1];
	g_autoptr(PvSecret) same = pv_values_dup_secret(stage->values, "password", &error);
	g_assert_true(pv_secret_equal(password, same));
	pv_site_free(site);
	site_assert_log(fixture, "ca close\ndirectory close\n");
}

/* whatever fails, the parts that are open are closed, and the store can be opened again */
static void
site_test_failures(Fixture *fixture, gconstpointer data)
{
	static const struct {
		const char *tail, *log, *error;
		PvError code;
	} rows[] = {
		{ "\"directory\": {\"type\": \"test\", \"log\": \"log\", \"fails\": \"open\"}",
		    "directory open\n", "%F/site.json: open directory test: the test wants no open",
		    PV_ERROR_UNREACHABLE },
		{ "\"directory\": {\"type\": \"test\", \"log\": \"log\", \"password\": "
		  "{\"secret\": \"none\"}}",
		    "",
		    "%F/site.json: open directory test: %F/site.json:4: $.directory.password: the "
		    "store has no secret \"none\": "
		    "give it with \"provost secret set none\"",
		    PV_ERROR_CONFIG },
		{ "\"directory\": {\"type\": \"test\", \"log\": \"log\"}, \"ca\": {\"type\": "
		  "\"test\", \"log\": \"log\", "
		  "\"fails\": \"open\"}",
		    "directory open\nca open\ndirectory close\n",
		    "%F/site.json: open CA test: the test wants no open", PV_ERROR_UNREACHABLE },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *text = g_strdup_printf("%s,\n%s}", SITE_HEAD, rows[i].tail);
		site_write(fixture, text);
		site_assert_error(fixture, 0, rows[i].code, rows[i].error);
		site_assert_log(fixture, rows[i].log);
	}
}

/* The CA is asked for its chain at the first need and not when the site is opened; once it has told it, it may be down. */
static void
site_test_trust(Fixture *fixture, gconstpointer data)
{
	const char *const ca =
	    SITE_HEAD ",\n\"ca\": {\"type\": \"test\", \"log\": \"log\", \"chain\": \"ca.der\"}}";
	g_autofree char *path = g_build_filename(fixture->folder, "ca.der", NULL);
	g_autofree char *good = NULL;
	gsize length = 0;
	g_assert_true(g_file_get_contents(path, &good, &length, NULL));
	site_write(fixture, ca);

	g_assert_true(g_file_set_contents(path, "no certificate", -1, NULL));
	g_autoptr(GError) error = NULL;
	PvSite *site = pv_site_open(fixture->file, "test", 0, &error);
	g_assert_no_error(error);
	site_assert_log(fixture, "ca open\n");
	g_autoptr(PvTrust) trust = NULL;
	g_assert_false(pv_site_dup_trust(site, &trust, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "/site.json: trust: "));
	g_clear_error(&error);
	pv_site_free(site);

	g_assert_true(g_file_set_contents(path, good, (gssize)length, NULL));
	for (guint round = 0; round < 2; round++) {
		site = pv_site_open(fixture->file, "test", 0, &error);
		g_assert_true(pv_site_dup_trust(site, &trust, NULL, &error));
		g_assert_no_error(error);
		g_assert_nonnull(trust);
		g_clear_pointer(&trust, pv_trust_unref);
		pv_site_free(site);
		if (round == 0) /* the CA is gone; what it told is kept */
			g_assert_cmpint(g_unlink(path), ==, 0);
	}

	/* what another CA told does not count for this one */
	site_write(fixture,
	    SITE_HEAD ",\n\"ca\": {\"type\": \"test\", \"log\": \"log\", \"fails\": \"chain\"}}");
	site = pv_site_open(fixture->file, "test", 0, &error);
	g_assert_false(pv_site_dup_trust(site, &trust, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_UNREACHABLE);
	g_assert_nonnull(strstr(error->message,
	    "/site.json: ask CA test for its chain: the test wants no chain"));
	pv_site_free(site);
}

/* A CA that says nothing until it is let go. */
typedef struct {
	GMutex mutex;
	GCond changed;
	guint calls; /* protected by mutex, as is all that follows */
	gboolean released;
	gboolean answers; /* else it fails */
	GBytes *root;
} SlowCa;

typedef struct {
	PvSite *site;
	GCancellable *cancellable;
	PvTrust *trust;
	GError *error;
} SlowAsker;

static GPtrArray *
site_slow_chain(gpointer handle, GCancellable *cancellable, GError **error)
{
	SlowCa *ca = handle;
	gint64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
	g_mutex_lock(&ca->mutex);
	ca->calls++;
	g_cond_broadcast(&ca->changed);
	while (!ca->released && g_cond_wait_until(&ca->changed, &ca->mutex, end))
		continue;
	gboolean answers = ca->answers;
	g_mutex_unlock(&ca->mutex);
	if (!answers) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_UNREACHABLE, "the ca is slow");
		return NULL;
	}
	GPtrArray *chain = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(chain, g_bytes_ref(ca->root));
	return chain;
}

static gpointer
site_slow_ask(gpointer data)
{
	SlowAsker *asker = data;
	gboolean good = pv_site_dup_trust(asker->site, &asker->trust, asker->cancellable, &asker->error);
	return GINT_TO_POINTER(good);
}

static void
site_slow_close(gpointer ca)
{
}

/* The CA of the asker's site is @ca from now on; returns once it is being asked. */
static GThread *
site_slow_begin(SlowCa *ca, PvCa *provider, SlowAsker *asker)
{
	gpointer handle = asker->site->ca_handle;
	*provider = *asker->site->ca;
	provider->close(handle);
	provider->chain = site_slow_chain;
	provider->close = site_slow_close;
	asker->site->ca = provider;
	asker->site->ca_handle = ca;
	*ca = (SlowCa) { .root = ca->root, .answers = ca->answers };
	GThread *thread = g_thread_new("asker", site_slow_ask, asker);
	g_mutex_lock(&ca->mutex);
	while (ca->calls == 0)
		g_cond_wait(&ca->changed, &ca->mutex);
	g_mutex_unlock(&ca->mutex);
	return thread;
}

static void
site_slow_end(SlowCa *ca, GThread *thread)
{
	g_mutex_lock(&ca->mutex);
	ca->released = TRUE;
	g_cond_broadcast(&ca->changed);
	g_mutex_unlock(&ca->mutex);
	g_thread_join(thread);
}

/* Jobs that can do with what is known do not wait for a CA that hangs; those that cannot wait once, not one after the other. */
static void
site_test_trust_slow(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = g_build_filename(fixture->folder, "ca.der", NULL);
	g_autofree char *der = NULL;
	gsize length = 0;
	g_assert_true(g_file_get_contents(path, &der, &length, NULL));
	g_autoptr(GBytes) root = g_bytes_new(der, length);
	SlowCa ca = { .root = root, .answers = TRUE };
	PvCa provider;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvTrust) trust = NULL;
	site_write(fixture,
	    SITE_HEAD ",\n\"ca\": {\"type\": \"test\", \"log\": \"log\", \"chain\": \"ca.der\"}}");
	PvSite *site = pv_site_open(fixture->file, "test", 0, &error);
	g_assert_no_error(error);
	g_assert_true(pv_site_dup_trust(site, &trust, NULL, &error)); /* is kept from now on */
	g_clear_pointer(&trust, pv_trust_unref);
	pv_site_free(site);

	SlowAsker first = { .site = pv_site_open(fixture->file, "test", 0, &error) };
	GThread *thread = site_slow_begin(&ca, &provider, &first);
	gint64 begin = g_get_monotonic_time();
	g_assert_true(pv_site_dup_trust(first.site, &trust, NULL, &error));
	g_assert_cmpint(g_get_monotonic_time() - begin, <, 5 * G_USEC_PER_SEC);
	g_assert_nonnull(trust);
	site_slow_end(&ca, thread);
	g_assert_no_error(first.error);
	g_assert_nonnull(first.trust);
	g_assert_cmpuint(ca.calls, ==, 1);
	g_clear_pointer(&trust, pv_trust_unref);
	pv_trust_unref(first.trust);
	pv_site_free(first.site);

	/* nothing is known of this one */
	site_write(fixture, SITE_HEAD ",\n\"ca\": {\"type\": \"test\", \"log\": \"log\"}}");
	ca.answers = FALSE;
	first = (SlowAsker) { .site = pv_site_open(fixture->file, "test", 0, &error) };
	thread = site_slow_begin(&ca, &provider, &first);
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	SlowAsker second = { .site = first.site }, third = { .site = first.site, .cancellable = cancellable };
	GThread *waiting = g_thread_new("waiting", site_slow_ask, &second);
	GThread *cancelled = g_thread_new("cancelled", site_slow_ask, &third);
	g_cancellable_cancel(cancellable);
	g_thread_join(cancelled);
	g_assert_error(third.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
	while (pv_site_trust_count_waiting(first.site->trust) != 1)
		g_thread_yield();
	site_slow_end(&ca, thread);
	g_thread_join(waiting);
	g_assert_error(first.error, PV_ERROR, PV_ERROR_UNREACHABLE);
	g_assert_error(second.error, PV_ERROR, PV_ERROR_UNREACHABLE);
	g_assert_cmpuint(ca.calls, ==, 1);
	g_clear_error(&first.error);
	g_clear_error(&second.error);
	g_clear_error(&third.error);
	pv_site_free(first.site);
}

static void
site_test_identity_errors(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	site_write(
	    fixture, SITE_HEAD ",\n\"provisioning-certificates\": [{\"file\": \"none.pem\"}]}");
	g_assert_null(pv_site_open(fixture->file, "test", 0, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(
	    strstr(error->message, "/site.json:4: $.provisioning-certificates[0].file: "));
	g_assert_nonnull(strstr(error->message, "none.pem"));
}

static void
site_test_key_errors(Fixture *fixture, gconstpointer data)
{
	g_autofree char *key = site_path(fixture, "key");
	g_autoptr(GError) error = NULL;
	site_seal(fixture);
	/* another key than the one the store was made with */
	g_unlink(key);
	g_assert_true(pv_key_create(key, &error));
	g_assert_null(pv_site_open(fixture->file, "test", 0, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "/site.json:2: $.store: open store: "));
	g_clear_error(&error);
	g_unlink(key);
	g_assert_null(pv_site_open(fixture->file, "test", 0, &error));
	g_assert_nonnull(strstr(error->message, "/site.json:2: $.key: load key "));
}

/* the last member of each row is wrong; what is before it is line 1 to 3 */
static void
site_test_errors(Fixture *fixture, gconstpointer data)
{
	/* clang-format off */
	static const struct {
		const char *tail, *error;
	} rows[] = {
		{ "\"pipelines2\": 1", "4: $.pipelines2: unknown member \"pipelines2\"; did you mean \"pipelines\"?" },
		{ "\"colour\": 1", "4: $.colour: unknown member \"colour\"" },
		{ "\"worker\": 1", "4: $.worker: unknown member \"worker\"; did you mean \"workers\"?" },
		{ "\"stoer\": {}", "4: $.stoer: unknown member \"stoer\"; did you mean \"store\"?" },
		{ "\"key\": \"x\"", "4: $: the member \"key\" is here a second time" },
		{ "\"workers\": 0", "4: $.workers: expected a number from 1 to 4096, got 0" },
		{ "\"workers\": \"8\"", "4: $.workers: expected a whole number, got a string" },
		{ "\"login-attempts\": 9", "4: $.login-attempts: expected a number from 1 to 8, got 9" },
		{ "\"listener\": {\"port\": 70000}", "4: $.listener.port: expected a number from 1 to 65535, got 70000" },
		{ "\"listener\": {\"prot\": 1}", "4: $.listener.prot: unknown member \"prot\"; did you mean \"port\"?" },
		{ "\"dns-suffix\": []", "4: $.dns-suffix: expected a string, got an array" },
		{ "\"variables\": []", "4: $.variables: expected an object of names and values" },
		{ "\"variables\": {\"a\": 1,\n\"b\": []}", "5: $.variables.b: expected a string, a number, true or false" },
		{ "\"variables\": {\"a b\": 1}", "4: $.variables[\"a b\"]: a variable's name is letters, digits, hyphens and underscores" },
		{ "\"variables\": {\"\": 1}", "4: $.variables[\"\"]: a variable's name is letters, digits, hyphens and underscores" },
		{ "\"directory\": \"local\"", "4: $.directory: expected an object such as {\"type\": \"local\", ...}" },
		{ "\"directory\": {}", "4: $.directory: expected an object such as {\"type\": \"local\", ...}" },
		{ "\"directory\": {\"type\": 5}", "4: $.directory.type: expected an object such as {\"type\": \"local\", ...}" },
		{ "\"directory\": {\"type\": \"ad\"}", "4: $.directory.type: no enabled plugin offers a directory of type \"ad\": add its plugin to \"plugins\"" },
		{ "\"ca\": {\"type\": \"ad\"}", "4: $.ca.type: no enabled plugin offers a ca of type \"ad\": add its plugin to \"plugins\"" },
		{ "\"ca\": {\"type\": \"test\"}", "4: $.ca: the member \"log\" is missing: file that gets what happens (the path of a file)" },
		{ "\"ca\": {\"type\": \"test\", \"log\": \"l\",\n\"passwrod\": 1}", "5: $.ca.passwrod: unknown member \"passwrod\"; did you mean \"password\"?" },
		{ "\"ca\": {\"type\": \"test\", \"log\": \"l\", \"password\": \"P@ss\"}", "4: $.ca.password: a secret must not stand in a file of settings, which gets copied and backed up: write {\"secret\": \"NAME\"} and store the value with 'provost secret set NAME', or {\"file\": \"PATH\"}, or {\"credential\": \"NAME\"} for one that systemd passes" },
		{ "\"credentials\": [{\"user\": \"admin\"}]", "4: $.credentials[0]: the member \"password\" is missing: its password (a reference to a secret)" },
		{ "\"groups\": [{\"name\": \"a\"},\n{\"name\": \"a\"}]", "5: $.groups[1].name: this name is taken by an entry above" },
		{ "\"groups\": [{\"name\": \"\"}]", "4: $.groups[0].name: expected a name, got an empty string" },
		{ "\"groups\": [{\"name\": \"a\", \"pipeline\": \"standrad\"}]", "4: $.groups[0].pipeline: \"standrad\" is none of \"pipelines\"; did you mean \"standard\"?" },
		{ "\"groups\": [{\"name\": \"a\", \"tls\": \"old\"}]", "4: $.groups[0].tls: expected one of \"modern\", \"legacy\", got \"old\"" },
		{ "\"provisioning-certificates\": [{}]", "4: $.provisioning-certificates[0]: the member \"file\" is missing: PEM or PKCS#12 with the provisioning certificate and its chain (a string)" },
	};
	/* clang-format on */
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *text = g_strdup_printf("%s,\n%s}", SITE_HEAD, rows[i].tail);
		g_autofree char *expected = g_strdup_printf("%%F/site.json:%s", rows[i].error);
		site_write(fixture, text);
		site_assert_error(fixture, 0, PV_ERROR_CONFIG, expected);
	}
	g_autofree char *store = site_path(fixture, "store.db");
	g_assert_false(g_file_test(store, G_FILE_TEST_EXISTS));
}

/* each text is a whole file */
static void
site_test_file_errors(Fixture *fixture, gconstpointer data)
{
	/* clang-format off */
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "[]", "%F/site.json:1: $: expected an object, got an array" },
		{ "{}", "%F/site.json:1: $: the member \"plugins\" is missing: plugins that are enabled (an array of strings)" },
		{ "{\"plugins\": [\n\"test-stage\"], \"plugin-path\": [\"plugins\"], \"key\": \"key\", \"pipelines\": [], \"pipeline\": \"x\"}",
		    "%F/site.json:2: $.plugins[0]: load plugin test-stage: no test-stage.so in %F/plugins" },
		{ "{\"plugins\": [], \"key\": \"key\", \"pipelines\": [], \"pipeline\": \"x\"}",
		    "%F/site.json:1: $: the member \"store\" is missing: such as {\"type\": \"sqlite\", \"path\": \"store.db\"}" },
		{ "{\"plugins\": [], \"key\": \"key\", \"store\": {\"type\": \"sqlite\"}, \"pipelines\": [], \"pipeline\": \"x\"}",
		    "%F/site.json:1: $.store: the member \"path\" is missing: file of the store; its folder must be writable by the owner only (the path of a file)" },
		{ "{\"plugins\": [], \"key\": \"key\", \"store\": {\"type\": \"sqlite\", \"path\": \"s\"}, \"pipelines\": [],\n\"pipeline\": \"x\"}",
		    "%F/site.json:2: $.pipeline: \"x\" is none of \"pipelines\"" },
		{ "{\"plugins\": [], \"key\": \"key\", \"store\": {\"type\": \"sqlite\", \"path\": \"s\"}, \"pipelines\": [{\"name\": \"x\", \"file\": \"none.json\"}], \"pipeline\": \"x\"}",
		    "read %F/none.json: No such file or directory" },
		{ "{\"plugins\": [], \"key\": \"key\", \"store\": {\"type\": \"sqlite\", \"path\": \"s\"}, \"pipelines\": [{\"name\": \"x\", \"file\": \"p.json\"}], \"pipeline\": \"x\"}",
		    "%F/p.json:1: $.stages[0].stage: no enabled plugin has a stage \"test-make-a\"; there are: none" },
	};
	/* clang-format on */
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		site_write(fixture, rows[i].text);
		site_assert_error(fixture, 0, PV_ERROR_CONFIG, rows[i].error);
	}
	site_write(fixture, SITE_HEAD ", \"groups\": []}");
	g_assert_cmpint(g_chmod(fixture->file, 0660), ==, 0);
	site_assert_error(fixture, 0, PV_ERROR_CONFIG,
	    "read site %F/site.json: its group may write it: chmod go-w it");
	g_assert_cmpint(g_chmod(fixture->file, 0606), ==, 0);
	site_assert_error(fixture, 0, PV_ERROR_CONFIG,
	    "read site %F/site.json: everybody may write it: chmod go-w it");
	g_unlink(fixture->file);
	site_assert_error(fixture, 0, PV_ERROR_CONFIG,
	    "read site %F/site.json: No such file or directory; 'provost site init DIR' makes a "
	    "site");
}

static void
site_test_environment(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	site_write(fixture, SITE_HEAD "}");
	g_setenv("PROVOST_SITE", fixture->file, TRUE);
	g_autoptr(PvSite) site = pv_site_open(NULL, "test", PV_SITE_CONFIG_ONLY, &error);
	g_unsetenv("PROVOST_SITE");
	g_assert_no_error(error);
	g_assert_cmpstr(site->file, ==, fixture->file);
}

static gboolean
site_has_problem(PvReport *problems, const char *part)
{
	for (guint i = 0; i < pv_report_get_length(problems); i++) {
		const char *check = NULL, *object = NULL, *text = NULL;
		pv_report_get(problems, i, NULL, &check, &object, &text);
		g_autofree char *line = g_strdup_printf(
		    "%s%s%s: %s", check, object == NULL ? "" : " ", object == NULL ? "" : object, text);
		if (strstr(line, part) != NULL)
			return TRUE;
	}
	return FALSE;
}

static void
site_test_check(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	site_seal(fixture);
	site_write(fixture,
	    SITE_HEAD ",\n\"provisioning-certificates\": [{\"file\": \"identity.pem\"}],"
		      "\"credentials\": [{\"password\": {\"secret\": \"lost\"}}],"
		      "\"directory\": {\"type\": \"test\", \"log\": \"log\", \"fails\": \"check\"},"
		      "\"ca\": {\"type\": \"test\", \"log\": \"log\", \"chain\": \"ca.der\"}}");
	g_autoptr(PvSite) site = pv_site_open(fixture->file, "test", 0, &error);
	g_assert_no_error(error);
	g_unlink(fixture->log);
	g_autoptr(PvReport) offline = pv_site_check(site, FALSE, NULL);
	g_assert_true(site_has_problem(offline, "identity.pem"));
	g_assert_true(site_has_problem(
	    offline, "$.credentials[0].password: the store has no secret \"lost\""));
	g_assert_false(site_has_problem(offline, "the test wants no check"));
	site_assert_log(fixture, "");
	g_autoptr(PvReport) online = pv_site_check(site, TRUE, NULL);
	/* and a row for the dates of the CA's certificate */
	g_assert_cmpuint(pv_report_get_length(online), ==, pv_report_get_length(offline) + 2);
	g_assert_true(site_has_problem(online, "directory: directory test: the test wants no check"));
	site_assert_log(fixture, "directory check\nca chain\nca check\n");
}

#define SITE_TEST(name, function) \
	g_test_add(name, Fixture, NULL, site_set_up, function, site_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	pv_net_init();
	SITE_TEST("/engine/site/defaults", site_test_defaults);
	SITE_TEST("/engine/site/given", site_test_given);
	SITE_TEST("/engine/site/config-only", site_test_config_only);
	SITE_TEST("/engine/site/open", site_test_open);
	SITE_TEST("/engine/site/failures", site_test_failures);
	SITE_TEST("/engine/site/identity-errors", site_test_identity_errors);
	SITE_TEST("/engine/site/key-errors", site_test_key_errors);
	SITE_TEST("/engine/site/errors", site_test_errors);
	SITE_TEST("/engine/site/file-errors", site_test_file_errors);
	SITE_TEST("/engine/site/environment", site_test_environment);
	SITE_TEST("/engine/site/trust", site_test_trust);
	SITE_TEST("/engine/site/trust-slow", site_test_trust_slow);
	SITE_TEST("/engine/site/check", site_test_check);
	return g_test_run();
}
