/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/ca.h"

#include <string.h>

#include "core/engine/cert-request.h"
#include "core/engine/job-private.h"
#include "core/store/store-fixture.h"
#include "tests/lib/fake-pki.h"

/* How the engine tries a CA, and what it keeps of a request that is pending. */

#define UUID "4c4c4544-0042-3010-8051-b4c04f4e3332"
#define NAME "pc1.example.com"

static const char *const ca_test_names[] = { NAME, NULL };
static const char *const ca_test_ekus[] = { "1.3.6.1.5.5.7.3.1", NULL };

/* A CA that does what it is told. */
typedef struct {
	const char *answers; /* a letter for each call of submit and poll; the last one stays:
	                        i issued, k for another key, m by an intermediate, p pending, d denied, u unreachable, r rejected */
	guint calls, submits, polls, revoked;
	gboolean cannot_revoke;
	GBytes *asked; /* the last request */
	char *cookie; /* that it was polled with */
	FakeCert *root, *intermediate;
} FakeCa;

typedef struct {
	PvStoreFixture store;
	PvSite site;
	FakeCa ca;
	PvDeviceRow row;
} Fixture;

static void
ca_test_issue(FakeCa *ca, char how, GBytes *csr_der, PvCaReply *reply)
{
	gsize size = 0;
	const guint8 *data = g_bytes_get_data(csr_der, &size);
	g_autoptr(X509_REQ) csr = d2i_X509_REQ(NULL, &data, (long)size);
	const FakeCert holder = { .key = X509_REQ_get0_pubkey(csr) };
	g_autoptr(FakeCert) made = fake_cert_new(&(FakeCertSpec) { .common_name = NAME,
	    .dns_name = NAME,
	    .ekus = "serverAuth",
	    .issuer = how == 'm' ? ca->intermediate : ca->root,
	    .key_of = how == 'k' ? NULL : &holder });
	reply->outcome = PV_CA_ISSUED;
	reply->certificate = fake_cert_dup_der(made);
	if (how != 'm')
		return;
	reply->chain = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(reply->chain, g_bytes_new_static("junk", 4));
	g_ptr_array_add(reply->chain, fake_cert_dup_der(ca->intermediate));
}

static gboolean
ca_test_answer(FakeCa *ca, GBytes *csr_der, PvCaReply *reply, GError **error)
{
	char how = ca->answers[MIN(ca->calls, strlen(ca->answers) - 1)];
	ca->calls++;
	*reply = (PvCaReply) { 0 };
	g_clear_pointer(&ca->asked, g_bytes_unref);
	ca->asked = g_bytes_ref(csr_der);
	if (how == 'u' || how == 'r') {
		g_set_error(error, PV_ERROR, how == 'u' ? PV_ERROR_UNREACHABLE : PV_ERROR_REJECTED,
		    "the ca says %c", how);
		return FALSE;
	}
	if (how == 'p') {
		reply->outcome = PV_CA_PENDING;
		reply->cookie = g_strdup("id 17");
		reply->not_before_sec = 1;
	} else if (how == 'd') {
		reply->outcome = PV_CA_DENIED;
		reply->text = g_strdup("not in the inventory");
	} else {
		ca_test_issue(ca, how, csr_der, reply);
	}
	return TRUE;
}

static gboolean
ca_test_submit(gpointer ca, const PvCertRequest *request, GBytes *csr_der,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	((FakeCa *)ca)->submits++;
	return ca_test_answer(ca, csr_der, reply, error);
}

static gboolean
ca_test_poll(gpointer ca, const PvCertRequest *request, GBytes *csr_der, const char *cookie,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	FakeCa *fake = ca;
	fake->polls++;
	g_free(fake->cookie);
	fake->cookie = g_strdup(cookie);
	return ca_test_answer(ca, csr_der, reply, error);
}

static gboolean
ca_test_revoke(
    gpointer ca, GBytes *certificate, guint reason, GCancellable *cancellable, GError **error)
{
	FakeCa *fake = ca;
	fake->revoked += fake->cannot_revoke ? 0 : 1;
	if (fake->cannot_revoke)
		g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED, "no");
	return !fake->cannot_revoke;
}

static const PvCa ca_test_provider = {
	.type = "fake",
	.submit = ca_test_submit,
	.poll = ca_test_poll,
	.revoke = ca_test_revoke,
};

static void
ca_test_set_up(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	pv_net_init();
	pv_store_fixture_set_up(&f->store, NULL);
	pv_store_fixture_add_device(f->store.db, UUID, "pc1");
	f->row = (PvDeviceRow) { .uuid = (char *)UUID,
		.name = (char *)"pc1",
		.fqdn = (char *)NAME,
		.status = (char *)"Unknown" };
	f->ca.root = fake_cert_new(&(FakeCertSpec) { .common_name = "Root", .is_ca = TRUE });
	f->ca.intermediate = fake_cert_new(
	    &(FakeCertSpec) { .common_name = "Issuing", .is_ca = TRUE, .issuer = f->ca.root });
	g_autoptr(GPtrArray) anchors =
	    g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(anchors, fake_cert_dup_der(f->ca.root));
	g_autoptr(PvTrust) trust = pv_trust_new(anchors, &error);
	g_assert_no_error(error);
	f->site = (PvSite) { .file = (char *)"site.json",
		.db = f->store.db,
		.ca = &ca_test_provider,
		.ca_handle = &f->ca,
		.trust = pv_site_trust_new_fixed(trust) };
}

static void
ca_test_tear_down(Fixture *f, gconstpointer data)
{
	pv_site_trust_free(f->site.trust);
	g_clear_pointer(&f->ca.asked, g_bytes_unref);
	g_free(f->ca.cookie);
	fake_cert_free(f->ca.root);
	fake_cert_free(f->ca.intermediate);
	pv_store_fixture_tear_down(&f->store, NULL);
}

/* Try */

typedef struct {
	const char *path, *answers;
	guint wait_sec;
	gboolean keep, cannot_revoke;
	PvCaTryOutcome outcome;
	PvReportLevel level;
	guint revoked;
	const char *text; /* of the last row */
} TryCase;

static const TryCase ca_try_cases[] = {
	{ "issued", "i", .outcome = PV_CA_TRY_ISSUED, .revoked = 1, .text = "taken back" },
	{ "kept", "i", .keep = TRUE, .outcome = PV_CA_TRY_ISSUED, .text = "as asked" },
	{ "cannot-revoke", "i", .cannot_revoke = TRUE, .outcome = PV_CA_TRY_ISSUED,
	    .level = PV_REPORT_WARNING, .text = "stays valid until" },
	{ "by-intermediate", "m", .keep = TRUE, .outcome = PV_CA_TRY_ISSUED, .text = "as asked" },
	{ "somebody-elses", "k", .outcome = PV_CA_TRY_WRONG, .level = PV_REPORT_FAILURE,
	    .revoked = 1, .text = "taken back" },
	{ "somebody-elses-kept", "k", .keep = TRUE, .outcome = PV_CA_TRY_WRONG,
	    .level = PV_REPORT_FAILURE, .text = "another key" },
	{ "denied", "d", .outcome = PV_CA_TRY_DENIED, .level = PV_REPORT_FAILURE,
	    .text = "denied: not in the inventory" },
	{ "unreachable", "u", .outcome = PV_CA_TRY_FAILED, .level = PV_REPORT_FAILURE,
	    .text = "the ca says u" },
	{ "pending", "p", .outcome = PV_CA_TRY_PENDING, .level = PV_REPORT_WARNING,
	    .text = "as id 17" },
	{ "pending-then-issued", "pi", .wait_sec = 60, .outcome = PV_CA_TRY_ISSUED, .revoked = 1,
	    .text = "taken back" },
	{ "pending-then-denied", "pd", .wait_sec = 60, .outcome = PV_CA_TRY_DENIED,
	    .level = PV_REPORT_FAILURE, .text = "not in the inventory" },
	{ NULL },
};

static void
ca_test_try(Fixture *f, gconstpointer data)
{
	const TryCase *c = data;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvReport) report = pv_report_new();
	g_auto(PvCaReply) reply = { 0 };
	PvCaTryOutcome outcome = PV_CA_TRY_FAILED;
	const PvCaTry try = { .request = { .common_name = NAME,
				  .dns_names = ca_test_names,
				  .ekus = ca_test_ekus },
		.wait_sec = c->wait_sec,
		.keep = c->keep };
	f->ca.answers = c->answers;
	f->ca.cannot_revoke = c->cannot_revoke;
	g_assert_true(pv_ca_try(&f->site, &try, report, &outcome, &reply, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpint(outcome, ==, c->outcome);
	g_assert_cmpint(pv_report_get_level(report), ==, c->level);
	g_assert_cmpuint(f->ca.revoked, ==, c->revoked);
	const char *text = NULL;
	pv_report_get(report, pv_report_get_length(report) - 1, NULL, NULL, NULL, &text);
	if (strstr(text, c->text) == NULL)
		g_error("\"%s\" does not say \"%s\"", text, c->text);
}

static void
ca_test_cancelled(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvReport) report = pv_report_new();
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	g_auto(PvCaReply) reply = { 0 };
	PvCaTryOutcome outcome = PV_CA_TRY_FAILED;
	const PvCaTry try = { .request = { .common_name = NAME,
				  .dns_names = ca_test_names,
				  .ekus = ca_test_ekus },
		.wait_sec = 600 };
	f->ca.answers = "p";
	g_cancellable_cancel(cancellable);
	g_assert_false(pv_ca_try(&f->site, &try, report, &outcome, &reply, cancellable, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* Pending requests of a device */

/* In a new job that knows what the one before it saved, as after a restart. Each has a request of its own over the same key. */
static GBytes *
ca_test_request(Fixture *f, EVP_PKEY *key, GError **error)
{
	GHashTable *facts = pv_db_get_facts(f->store.db, UUID, error);
	g_assert_no_error(*error);
	g_autoptr(PvJob) job = pv_job_new(&f->site, &f->row, facts, NULL);
	const PvPipelineStage stage = { 0 };
	const PvCaPreparation preparation = { 0 };
	const PvCertRequest request = { .uuid = UUID,
		.template_name = "web",
		.common_name = NAME,
		.dns_names = ca_test_names,
		.ekus = ca_test_ekus };
	pv_job_set_stage(job, &stage);
	g_autoptr(GBytes) csr = pv_cert_request_new_signed(key, &request, &preparation, error);
	g_assert_no_error(*error);
	GBytes *der = pv_job_request_certificate(job, &request, csr, error);
	g_autoptr(GError) saved = NULL;
	g_assert_true(pv_job_save_facts(job, &saved));
	g_assert_no_error(saved);
	return der;
}

static char *
ca_test_dup_fact(Fixture *f, const char *name)
{
	g_autoptr(GHashTable) facts = pv_db_get_facts(f->store.db, UUID, NULL);
	return g_strdup(g_hash_table_lookup(facts, name));
}

static void
ca_test_pending(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(EVP_PKEY) key = EVP_EC_gen("P-256");
	f->ca.answers = "puppi";
	g_assert_null(ca_test_request(f, key, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_PENDING);
	g_clear_error(&error);
	g_autoptr(GBytes) first = g_bytes_ref(f->ca.asked);
	g_assert_true(pv_db_has_secret(f->store.db, UUID, "ca-request-web", "current"));

	/* a CA that is away for a while forgets nothing */
	g_assert_null(ca_test_request(f, key, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_UNREACHABLE);
	g_clear_error(&error);
	g_assert_null(ca_test_request(f, key, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_PENDING);
	g_clear_error(&error);
	/* the very bytes that were submitted: an ECDSA signature over the same is another one each time */
	g_assert_true(g_bytes_equal(first, f->ca.asked));
	g_assert_cmpstr(f->ca.cookie, ==, "id 17");
	g_assert_cmpuint(f->ca.submits, ==, 1);

	/* another key is another request */
	g_autoptr(EVP_PKEY) other = EVP_EC_gen("P-256");
	g_assert_null(ca_test_request(f, other, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_PENDING);
	g_clear_error(&error);
	g_assert_cmpuint(f->ca.submits, ==, 2);

	g_autoptr(GBytes) der = ca_test_request(f, other, &error);
	g_assert_no_error(error);
	g_assert_nonnull(der);
	g_assert_false(pv_db_has_secret(f->store.db, UUID, "ca-request-web", "current"));
	g_autofree char *cookie = ca_test_dup_fact(f, "ca.cookie.web");
	g_assert_null(cookie);
	g_autofree char *serials = ca_test_dup_fact(f, "ca.serials");
	g_autofree char *serial = pv_ca_dup_serial(der, NULL);
	g_assert_cmpstr(serials, ==, serial);
}

/* The CA lost the request, or its administrator deleted it: it is made anew. */
static void
ca_test_lost(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(EVP_PKEY) key = EVP_EC_gen("P-256");
	f->ca.answers = "pri";
	g_assert_null(ca_test_request(f, key, &error));
	g_clear_error(&error);
	g_assert_null(ca_test_request(f, key, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	g_clear_error(&error);
	g_autoptr(GBytes) der = ca_test_request(f, key, &error);
	g_assert_no_error(error);
	g_assert_nonnull(der);
	g_assert_cmpuint(f->ca.submits, ==, 2);
}

static void
ca_test_serials(void)
{
	g_autoptr(GError) error = NULL;
	PvSite site = { .file = (char *)"site.json", .ca = &ca_test_provider };
	static const char *const bad[] = { "", "12g4", "--",
		"0011223344556677889900112233445566778899AA" };
	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_assert_null(pv_ca_find_certificate(&site, bad[i], NULL, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		g_clear_error(&error);
	}
	g_assert_null(pv_ca_find_certificate(&site, "a:b", NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, "AB"));
	guint reason = 0;
	g_assert_true(pv_ca_parse_reason("superseded", &reason));
	g_assert_cmpuint(reason, ==, 4);
	g_assert_false(pv_ca_parse_reason("why not", &reason));
}

#define CA_TEST(name, function) \
	g_test_add(name, Fixture, NULL, ca_test_set_up, function, ca_test_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (const TryCase *c = ca_try_cases; c->path != NULL; c++) {
		g_autofree char *path = g_strconcat("/requirements/S07-2.14/try/", c->path, NULL);
		g_test_add(path, Fixture, c, ca_test_set_up, ca_test_try, ca_test_tear_down);
	}
	CA_TEST("/engine/ca/cancelled", ca_test_cancelled);
	CA_TEST("/requirements/S07-2.12/pending-is-kept", ca_test_pending);
	CA_TEST("/engine/ca/lost", ca_test_lost);
	g_test_add_func("/engine/ca/serials", ca_test_serials);
	return g_test_run();
}
