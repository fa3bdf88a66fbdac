/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/json.h"
#include "core/engine/loader.h"
#include "plugins/ad/ad-locate.h"
#include "plugins/ad/ad-netlogon.h"

#include <string.h>

/* What can be seen without a domain: parameters, and that nothing blocks where nobody answers. The rest is shown by
 * tests/integration/samba-ad.sh. */

typedef struct {
	PvLoader *loader; /* owned */
	const PvDirectory *directory; /* the loader's */
} AdTest;

static void
ad_test_set_up(AdTest *test, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *libs = g_test_build_filename(G_TEST_BUILT, "plugins", "ad", ".libs", NULL);
	test->loader = pv_loader_new((const char *const[]) { libs, NULL });
	const PvPlugin *plugin = pv_loader_load(test->loader, "ad", &error);
	g_assert_no_error(error);
	g_assert_nonnull(plugin);
	test->directory = pv_loader_find_directory(test->loader, "ad");
	g_assert_nonnull(test->directory);
}

static void
ad_test_tear_down(AdTest *test, gconstpointer data)
{
	pv_loader_free(test->loader);
}

/* NULL: with the error */
static gpointer
ad_test_open(const AdTest *test, const char *text, GError **error)
{
	g_autoptr(GError) local_error = NULL;
	g_autoptr(PvJson) json = pv_json_parse("site.json", text, -1, &local_error);
	g_assert_no_error(local_error);
	g_autoptr(PvValues) values =
	    pv_values_parse(json, "$", test->directory->params, NULL, error);
	return values == NULL ? NULL : test->directory->open(values, error);
}

static void
ad_test_parameters(AdTest *test, gconstpointer data)
{
	static const struct {
		const char *text, *part; /* of the error; NULL: it opens */
	} rows[] = {
		{ "{ \"domain\": \"example.com\", \"keytab\": \"/x\" }", NULL },
		{ "{ \"domain\": \"example.com\", \"keytab\": \"/x\", \"user\": "
		  "\"svc@EXAMPLE.COM\", \"ou\": \"OU=AMT\" }",
		    NULL },
		{ "{ \"domain\": \"example.com\", \"credential-cache\": \"FILE:/x\", \"security\": "
		  "\"ldaps\" }",
		    NULL },
		{ "{ \"domain\": \"example.com\", \"keytab\": \"/x\", \"servers\": "
		  "[\"dc1.example.com\"] }",
		    NULL },
		{ "{ \"keytab\": \"/x\" }", "domain" },
		{ "{ \"domain\": \"exa mple\", \"keytab\": \"/x\" }", "no DNS name" },
		{ "{ \"domain\": \"example.com\" }", "one of \"keytab\"" },
		{ "{ \"domain\": \"example.com\", \"keytab\": \"/x\", \"credential-cache\": "
		  "\"FILE:/x\" }",
		    "one of \"keytab\"" },
		{ "{ \"domain\": \"example.com\", \"password\": {\"file\": \"/x\"} }",
		    "\"user\" is wanted" },
		{ "{ \"domain\": \"example.com\", \"keytab\": \"/x\", \"user\": \"EXAMPLE\\\\svc\" "
		  "}",
		    "svc-amt@EXAMPLE.COM" },
		{ "{ \"domain\": \"example.com\", \"keytab\": \"/x\", \"servers\": "
		  "[\"127.0.0.10\"] }",
		    "full DNS name" },
		{ "{ \"domain\": \"example.com\", \"keytab\": \"/x\", \"servers\": [\"dc1\"] }",
		    "full DNS name" },
		{ "{ \"domain\": \"example.com\", \"keytab\": \"/x\", \"site\": \"a b\" }",
		    "site" },
		{ "{ \"domain\": \"example.com\", \"keytab\": \"/x\", \"ou\": \"AMT\" }",
		    "it is no DN" },
		{ "{ \"domain\": \"example.com\", \"keytab\": \"/x\", \"encryption-types\": "
		  "[\"des\"] }",
		    "aes256" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		gpointer handle = ad_test_open(test, rows[i].text, &error);
		if (rows[i].part == NULL) {
			g_assert_no_error(error);
			g_assert_nonnull(handle);
			test->directory->close(handle);
			continue;
		}
		g_assert_null(handle);
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		if (strstr(error->message, rows[i].part) == NULL)
			g_error("\"%s\" does not say \"%s\"", error->message, rows[i].part);
	}
}

/* What needs no server is refused before any is asked. */
static void
ad_test_refused_early(AdTest *test, gconstpointer data)
{
	static const char *const none[] = { NULL };
	g_autoptr(GError) error = NULL;
	gpointer handle = ad_test_open(test,
	    "{ \"domain\": \"example.com\", \"keytab\": \"/x\", \"servers\": [\"dc1.example.com\"] "
	    "}",
	    &error);
	g_assert_no_error(error);
	PvAccountSpec spec = { .uuid = "u",
		.name = "sixteen-letters-$iME",
		.fqdn = "x.example.com",
		.spns = none,
		.groups = none };
	PvAccount *account = NULL;
	g_assert_false(test->directory->find(handle, &spec, &account, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "sAMAccountName"));
	g_clear_error(&error);
	spec.name = "pc1$iME";
	spec.ou = "AMT";
	g_assert_false(test->directory->ensure(handle, &spec, &account, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_clear_error(&error);
	g_assert_null(test->directory->find_sid(handle, "S-1-5-32-544", NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "built-in"));
	g_clear_error(&error);
	g_autofree char *sid =
	    test->directory->find_sid(handle, "s-1-5-21-1-2-3-1105", NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(sid, ==, "S-1-5-21-1-2-3-1105");
	/* a login that was cancelled before it began asks nobody */
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	g_cancellable_cancel(cancellable);
	spec.ou = NULL;
	g_assert_false(test->directory->find(handle, &spec, &account, cancellable, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
	test->directory->close(handle);
	test->directory->close(NULL);
}

static void
ad_test_order(AdTest *test, gconstpointer data)
{
	AdServer silent = { .host = (char *)"silent", .here = TRUE },
		 far = { .host = (char *)"far", .flags = AD_NETLOGON_WRITABLE },
		 near = { .host = (char *)"near", .flags = AD_NETLOGON_WRITABLE, .here = TRUE },
		 also = near;
	g_autoptr(GPtrArray) list = g_ptr_array_new();
	g_ptr_array_add(list, &silent);
	g_ptr_array_add(list, &far);
	g_ptr_array_add(list, &near);
	g_ptr_array_add(list, &also);
	g_ptr_array_sort(list, ad_server_compare);
	g_assert_true(list->pdata[0] == &near && list->pdata[1] == &also);
	g_assert_true(list->pdata[2] == &far && list->pdata[3] == &silent);
}

static void
ad_test_add(const char *path, void (*run)(AdTest *, gconstpointer))
{
	g_test_add(path, AdTest, NULL, ad_test_set_up, run, ad_test_tear_down);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ad_test_add("/plugins/ad/parameters", ad_test_parameters);
	ad_test_add("/plugins/ad/refused-early", ad_test_refused_early);
	ad_test_add("/plugins/ad/order-of-servers", ad_test_order);
	return g_test_run();
}
