/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/stage-test.h"

/* The CA behind the stage answers what the fixture says. Members besides those of stage-test.h:
 *
 *   "ca": { "root": BASE64, "certificate": BASE64,   DER; the answer to every request
 *           "outcome": "issued" (or "pending", "denied"), "text": "…" } */

static GBytes *
certificate_test_dup_der(JsonObject *ca, const char *member)
{
	gsize length = 0;
	guchar *der = g_base64_decode(json_object_get_string_member(ca, member), &length);
	return g_bytes_new_take(der, length);
}

static gboolean
certificate_test_submit(gpointer handle, const PvCertRequest *request, GBytes *csr_der,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	const char *outcome =
	    json_object_get_string_member_with_default(handle, "outcome", "issued");
	const char *const wanted[] = { "pc1.example.com", NULL };
	g_assert_cmpstr(request->common_name, ==, "pc1.example.com");
	g_assert_true(g_strv_equal(request->dns_names, wanted));
	g_assert_cmpstr(request->ekus[0], ==, "1.3.6.1.5.5.7.3.1");
	*reply = (PvCaReply) { .outcome = PV_CA_ISSUED };
	if (g_str_equal(outcome, "issued")) {
		reply->certificate = certificate_test_dup_der(handle, "certificate");
		return TRUE;
	}
	reply->outcome = g_str_equal(outcome, "pending") ? PV_CA_PENDING : PV_CA_DENIED;
	reply->text = g_strdup(json_object_get_string_member(handle, "text"));
	reply->cookie = reply->outcome == PV_CA_PENDING ? g_strdup("17") : NULL;
	reply->not_before_sec = 60;
	return TRUE;
}

static void
certificate_test_close(gpointer handle)
{
}

static const PvCa certificate_test_ca = {
	.type = "fixture",
	.summary = "the answers of a fixture",
	.submit = certificate_test_submit,
	.close = certificate_test_close,
};

static void
certificate_test_prepare(PvSite *site, const char *dir, JsonObject *fixture)
{
	g_autoptr(GError) error = NULL;
	JsonObject *ca = json_object_get_object_member(fixture, "ca");
	g_autoptr(GPtrArray) roots = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(roots, certificate_test_dup_der(ca, "root"));
	site->ca = &certificate_test_ca;
	site->ca_handle = ca;
	site->trust = pv_trust_new(roots, &error);
	g_assert_no_error(error);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	stage_test_add("certificate", certificate_test_prepare);
	return g_test_run();
}
