/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/json.h"
#include "core/engine/loader.h"
#include "core/net/tls.h"
#include "tests/lib/test-folder.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LDAP_TEST_UUID "d2ffc23e-9dd1-412d-860a-54b2039b72ff"
#define LDAP_TEST_OTHER "3a7c0a0e-11f7-4d64-b3f5-2f9c3e9b0a11"
#define LDAP_TEST_SUFFIX "dc=example,dc=com"
#define LDAP_TEST_OU "ou=amt," LDAP_TEST_SUFFIX

static const char *const ldap_test_spns[] = { "HTTP/pc1.example.com:16992",
	"HTTP/pc1.example.com:16993", NULL };
static const char *const ldap_test_none[] = { NULL };
static const char *const ldap_test_groups[] = { "amt-8021x", NULL };

/* The module, and an OpenLDAP server that was set up by the files of the sample site. */
typedef struct {
	char *dir;
	char *address;
	GPid pid; /* 0: there is no server */
	PvLoader *loader;
	const PvDirectory *directory; /* of the module */
	PvValues *values; /* of the last opening */
	gpointer handle;
} LdapTest;

static char *ldap_test_run(const LdapTest *test, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* what it printed; fails the test unless it works */
static char *
ldap_test_run(const LdapTest *test, const char *format, ...)
{
	int status = 0;
	char *out = NULL;
	g_autofree char *err = NULL;
	g_autoptr(GError) error = NULL;
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *command = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	const char *argv[] = { "bash", "-c", command, NULL };
	g_spawn_sync(test->dir, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err,
	    &status, &error);
	g_assert_no_error(error);
	if (!g_spawn_check_wait_status(status, NULL))
		g_error("%s: %s%s", command, out, err);
	return out;
}

#define LDAP_TEST_SOCKET "-Q -Y EXTERNAL -H ldapi://$(pwd | sed s,/,%%2F,g)%%2Fldapi"

static void
ldap_test_start(LdapTest *test)
{
	const char *source = g_test_get_dir(G_TEST_DIST);
	g_autofree char *said = ldap_test_run(test,
	    "%s/tests/integration/slapd/up . %s 3389 6636 >&2 && "
	    "for file in schema objects unique access; do "
	    "ldapmodify -c " LDAP_TEST_SOCKET
	    " $([ $file = schema -o $file = objects ] && echo -a) "
	    "-f %s/data/sites/openldap/$file.ldif >&2 || exit 1; done && "
	    "ldappasswd " LDAP_TEST_SOCKET
	    " -s Svc.Secret-1 uid=provost,ou=people," LDAP_TEST_SUFFIX " && cat pid",
	    source, test->address, source);
	test->pid = (GPid)atoi(said);
	g_assert_cmpint(test->pid, >, 1);
}

static gpointer
ldap_test_open(LdapTest *test, const char *extra, GError **error)
{
	g_autofree char *text = g_strdup_printf(
	    "{ \"servers\": [ \"%s:6636\" ], \"trust\": \"%s/ca.pem\", \"user\": "
	    "\"uid=provost,ou=people," LDAP_TEST_SUFFIX
	    "\", \"password\": { \"file\": \"%s/password\" }, \"base\": \"" LDAP_TEST_SUFFIX
	    "\", \"ou\": \"" LDAP_TEST_OU "\", \"timeout\": 1, \"classes\": [ \"device\", "
	    "\"ipHost\", \"ieee802Device\", \"domainRelatedObject\", "
	    "\"simpleSecurityObject\", \"amtDevice\" ], \"attributes\": { \"uuid\": \"amtUUID\", "
	    "\"spn\": "
	    "\"amtServicePrincipalName\" }%s }",
	    test->address, test->dir, test->dir, extra);
	g_autoptr(GError) local_error = NULL;
	g_autoptr(PvJson) json = pv_json_parse("site.json", text, -1, &local_error);
	g_assert_no_error(local_error);
	g_clear_pointer(&test->values, pv_values_unref);
	test->values = pv_values_parse(json, "$", test->directory->params, NULL, &local_error);
	g_assert_no_error(local_error);
	return test->directory->open(test->values, error);
}

/* Returns when the last of its threads has stopped. */
static void
ldap_test_pause(const LdapTest *test)
{
	int status = 0;
	g_assert_cmpint(kill(test->pid, SIGSTOP), ==, 0);
	g_assert_cmpint(waitpid(test->pid, &status, WUNTRACED), ==, test->pid);
	g_assert_true(WIFSTOPPED(status));
}

static void
ldap_test_set_up(LdapTest *test, gconstpointer needs_server)
{
	g_autoptr(GError) error = NULL;
	test->dir = g_dir_make_tmp("provost-ldap-XXXXXX", &error);
	g_assert_no_error(error);
	g_autofree char *libs =
	    g_test_build_filename(G_TEST_BUILT, "plugins", "ldap", ".libs", NULL);
	test->loader = pv_loader_new((const char *const[]) { libs, NULL });
	g_assert_nonnull(pv_loader_load(test->loader, "ldap", &error));
	g_assert_no_error(error);
	test->directory = pv_loader_find_directory(test->loader, "ldap");
	g_assert_nonnull(test->directory);
	g_autofree char *password = pv_test_write(test->dir, "password", "Svc.Secret-1", 0600);
	test->address =
	    g_strdup_printf("127.78.%d.%d", (getpid() >> 8) & 0xff, (getpid() & 0xff) | 1);
	if (needs_server == NULL)
		return;
	g_autofree char *slapd = ldap_test_run(test,
	    "PATH=$PATH:/usr/sbin; command -v slapd >/dev/null && command -v ldappasswd || true");
	if (*slapd == '\0') {
		g_test_skip("slapd is not installed");
		return;
	}
	ldap_test_start(test);
	test->handle = ldap_test_open(test, "", &error);
	g_assert_no_error(error);
}

static void
ldap_test_tear_down(LdapTest *test, gconstpointer data)
{
	test->directory->close(test->handle);
	g_clear_pointer(&test->values, pv_values_unref);
	if (test->pid != 0) {
		(void)kill(test->pid, SIGKILL); /* it may have ended by itself */
		g_assert_cmpint(waitpid(test->pid, NULL, 0), ==, test->pid);
	}
	pv_test_remove_all(test->dir);
	g_free(test->dir);
	g_free(test->address);
	pv_loader_free(test->loader);
}

static PvAccountSpec
ldap_test_spec(void)
{
	return (PvAccountSpec) { .uuid = LDAP_TEST_UUID,
		.name = "pc1$iME",
		.fqdn = "pc1.example.com",
		.ou = LDAP_TEST_OU,
		.spns = ldap_test_spns,
		.groups = ldap_test_groups,
		.address = "192.0.2.7",
		.mac = "02:00:00:00:00:07" };
}

static PvAccount *
ldap_test_ensure(const LdapTest *test, const PvAccountSpec *spec)
{
	g_autoptr(GError) error = NULL;
	PvAccount *account = NULL;
	gboolean ok = test->directory->ensure(test->handle, spec, &account, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
	g_assert_nonnull(account);
	return account;
}

static void
ldap_test_assert_refused(const LdapTest *test, const PvAccountSpec *spec, PvError code,
    const char *first, const char *second)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvAccount) account = NULL;
	g_assert_false(test->directory->ensure(test->handle, spec, &account, NULL, &error));
	g_assert_error(error, PV_ERROR, (int)code);
	g_assert_null(account);
	if (strstr(error->message, first) == NULL || strstr(error->message, second) == NULL)
		g_error("\"%s\" does not say \"%s\" and \"%s\"", error->message, first, second);
}

/* requests that changed something since the server began */
static guint
ldap_test_count_writes(const LdapTest *test)
{
	g_autofree char *said =
	    ldap_test_run(test, "grep -cE ' (ADD|MOD|MODRDN|DEL) dn=| PASSMOD' log || true");
	return (guint)atoi(said);
}

static char *
ldap_test_show(const LdapTest *test, const char *filter)
{
	return ldap_test_run(test,
	    "ldapsearch -LLL -o ldif-wrap=no " LDAP_TEST_SOCKET " -b " LDAP_TEST_SUFFIX " '%s'",
	    filter);
}

static void
ldap_test_makes(LdapTest *test, gconstpointer data)
{
	if (test->pid == 0)
		return;
	g_autoptr(GError) error = NULL;
	PvAccountSpec spec = ldap_test_spec();
	g_autoptr(PvAccount) none = NULL;
	g_assert_true(test->directory->find(test->handle, &spec, &none, NULL, &error));
	g_assert_no_error(error);
	g_assert_null(none);

	g_autoptr(PvAccount) made = ldap_test_ensure(test, &spec);
	g_assert_cmpstr(made->dn, ==, "cn=pc1$iME," LDAP_TEST_OU);
	g_assert_cmpstr(made->account, ==, "pc1$iME");
	g_assert_cmpstr(made->fqdn, ==, "pc1.example.com");
	g_assert_cmpuint(g_strv_length(made->spns), ==, 2);
	g_assert_true(g_strv_contains((const char *const *)made->spns, ldap_test_spns[1]));
	g_assert_cmpuint(g_strv_length(made->groups), ==, 1);
	g_assert_cmpstr(made->groups[0], ==, "amt-8021x");
	g_assert_null(made->sid);
	g_assert_null(made->server);
	g_assert_nonnull(made->id);
	g_assert_null(made->differences);
	g_autofree char *shown = ldap_test_show(test, "(cn=pc1$iME)");
	g_assert_nonnull(strstr(shown, "ipHostNumber: 192.0.2.7\n"));
	g_assert_nonnull(strstr(shown, "macAddress: 02:00:00:00:00:07\n"));
	g_assert_nonnull(strstr(shown, "amtUUID: " LDAP_TEST_UUID "\n"));

	/* once more: nothing is written */
	guint writes = ldap_test_count_writes(test);
	g_assert_cmpuint(writes, >, 0);
	g_autoptr(PvAccount) again = ldap_test_ensure(test, &spec);
	g_assert_cmpstr(again->id, ==, made->id);
	g_assert_cmpuint(ldap_test_count_writes(test), ==, writes);

	/* another name, address and service names: rows for the plan, then as asked, and still the same entry */
	const char *spns[] = { "HTTP/pc9.example.com:16993", NULL };
	spec.name = "pc9$iME";
	spec.fqdn = "pc9.example.com";
	spec.spns = spns;
	spec.address = "192.0.2.9";
	g_autoptr(PvAccount) found = NULL;
	g_assert_true(test->directory->find(test->handle, &spec, &found, NULL, &error));
	g_assert_cmpuint(found->differences->len, ==, 1);
	const PvAccountDifference *difference = found->differences->pdata[0];
	g_assert_cmpstr(difference->property, ==, "ipHostNumber");
	g_assert_cmpstr(difference->from, ==, "192.0.2.7");
	g_assert_cmpstr(difference->to, ==, "192.0.2.9");
	g_autoptr(PvAccount) renamed = ldap_test_ensure(test, &spec);
	g_assert_cmpstr(renamed->dn, ==, "cn=pc9$iME," LDAP_TEST_OU);
	g_assert_cmpstr(renamed->id, ==, made->id);
	g_assert_cmpuint(g_strv_length(renamed->spns), ==, 1);
	g_assert_null(renamed->differences);

	g_assert_true(test->directory->remove(test->handle, &spec, NULL, &error));
	g_assert_true(test->directory->remove(test->handle, &spec, NULL, &error));
	g_autofree char *gone = ldap_test_show(test, "(|(cn=pc9$iME)(member=cn=pc9*))");
	g_assert_cmpstr(gone, ==, "");
}

static void
ldap_test_spn_is_unique(LdapTest *test, gconstpointer data)
{
	if (test->pid == 0)
		return;
	PvAccountSpec spec = ldap_test_spec();
	g_autoptr(PvAccount) first = ldap_test_ensure(test, &spec);
	guint writes = ldap_test_count_writes(test);
	const char *spns[] = { "HTTP/pc2.example.com:16992", "http/PC1.example.com:16993", NULL };
	PvAccountSpec other = ldap_test_spec();
	other.uuid = LDAP_TEST_OTHER;
	other.name = "pc2$iME";
	other.spns = spns;
	ldap_test_assert_refused(test, &other, PV_ERROR_REJECTED,
	    "http/PC1.example.com:16993 of \"pc2$iME\"", "cn=pc1$iME," LDAP_TEST_OU);
	other.spns = ldap_test_none;
	other.name = "PC1$iME";
	ldap_test_assert_refused(test, &other, PV_ERROR_REJECTED, LDAP_TEST_UUID, LDAP_TEST_OTHER);
	g_assert_cmpuint(ldap_test_count_writes(test), ==, writes);
}

/* Of a device that has the same short name in another domain, in a directory that is told no UUIDs. */
static void
ldap_test_namesake(LdapTest *test, gconstpointer data)
{
	if (test->pid == 0)
		return;
	g_autoptr(GError) error = NULL;
	g_autofree char *said = ldap_test_run(test,
	    "printf 'dn: cn=pc1$iME," LDAP_TEST_OU
	    "\\nobjectClass: device\\nobjectClass: domainRelatedObject\\nassociatedDomain: "
	    "pc1.example.net\\n' | ldapadd " LDAP_TEST_SOCKET);
	PvAccountSpec spec = ldap_test_spec();
	ldap_test_assert_refused(
	    test, &spec, PV_ERROR_REJECTED, "cn=pc1$iME," LDAP_TEST_OU, "associatedDomain \"pc1.example.net\"");
	g_assert_false(test->directory->remove(test->handle, &spec, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	g_autofree char *shown = ldap_test_show(test, "(cn=pc1$iME)");
	g_assert_nonnull(strstr(shown, "associatedDomain: pc1.example.net\n"));
	/* prepared by hand for this very device */
	spec.fqdn = "pc1.example.net";
	g_autoptr(PvAccount) account = ldap_test_ensure(test, &spec);
	g_assert_cmpstr(account->fqdn, ==, "pc1.example.net");
}

static void
ldap_test_refusals(LdapTest *test, gconstpointer data)
{
	if (test->pid == 0)
		return;
	PvAccountSpec spec = ldap_test_spec();
	guint writes = ldap_test_count_writes(test);
	spec.ou = "ou=devices," LDAP_TEST_SUFFIX;
	ldap_test_assert_refused(
	    test, &spec, PV_ERROR_CONFIG, "ou=devices," LDAP_TEST_SUFFIX, "is not there");
	g_assert_cmpuint(ldap_test_count_writes(test), ==, writes);
	spec.ou = "ou=groups," LDAP_TEST_SUFFIX;
	ldap_test_assert_refused(test, &spec, PV_ERROR_REJECTED, "lacks the right", "ou=groups");
	spec.ou = LDAP_TEST_OU;
	spec.name = "pc3$iME";
	const char *groups[] = { "nobody's", NULL };
	spec.groups = groups;
	ldap_test_assert_refused(
	    test, &spec, PV_ERROR_CONFIG, "there is no group \"nobody's\"", LDAP_TEST_SUFFIX);
	const char *others[] = { "cn=other,ou=groups," LDAP_TEST_SUFFIX, NULL };
	spec.groups = others;
	ldap_test_assert_refused(
	    test, &spec, PV_ERROR_REJECTED, "join the group \"cn=other", "lacks the right");
}

static void
ldap_test_password(LdapTest *test, gconstpointer data)
{
	if (test->pid == 0)
		return;
	g_autoptr(GError) error = NULL;
	PvAccountSpec spec = ldap_test_spec();
	g_autoptr(PvSecret) password = pv_secret_new("Sup3r-geheim!", -1);
	g_assert_false(test->directory->set_password(test->handle, &spec, password, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	g_clear_error(&error);
	g_autoptr(PvAccount) made = ldap_test_ensure(test, &spec);
	g_assert_true(test->directory->set_password(test->handle, &spec, password, NULL, &error));
	g_assert_no_error(error);
	g_autofree char *shown = ldap_test_run(test,
	    "ldapsearch -LLL " LDAP_TEST_SOCKET " -b " LDAP_TEST_SUFFIX
	    " '(cn=pc1*)' userPassword | sed -n 's/^userPassword:: //p' | base64 -d");
	g_assert_true(g_str_has_prefix(shown, "{SSHA}"));
	g_autofree char *who = ldap_test_run(test,
	    "LDAPTLS_CACERT=ca.pem ldapwhoami -x -w 'Sup3r-geheim!' -D 'cn=pc1$iME," LDAP_TEST_OU
	    "' -H ldaps://%s:6636",
	    test->address);
	g_assert_nonnull(strstr(who, "dn:cn=pc1"));
	g_autofree char *log = ldap_test_run(test, "cat log");
	g_assert_null(strstr(log, "geheim"));
}

static void
ldap_test_sids(LdapTest *test, gconstpointer data)
{
	if (test->pid == 0)
		return;
	g_autoptr(GError) error = NULL;
	g_autofree char *literal =
	    test->directory->find_sid(test->handle, "S-1-5-21-1-2-3-1000", NULL, &error);
	g_assert_cmpstr(literal, ==, "S-1-5-21-1-2-3-1000");
	g_assert_null(test->directory->find_sid(test->handle, "Help Desk", NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "has no SIDs"));
	g_clear_error(&error);
	/* an attribute that has one, by whatever name a person goes */
	g_autofree char *said = ldap_test_run(test,
	    "printf 'dn: uid=alice,ou=people," LDAP_TEST_SUFFIX
	    "\\nobjectClass: account\\nuid: alice\\ndescription: S-1-5-21-7-8-9-1234\\n\\n"
	    "dn: uid=bob,ou=people," LDAP_TEST_SUFFIX
	    "\\nobjectClass: account\\nuid: bob\\ndescription: nonsense\\n' | "
	    "ldapadd " LDAP_TEST_SOCKET);
	test->directory->close(test->handle);
	test->handle = NULL;
	g_autofree char *text = g_strdup_printf(
	    "{ \"servers\": [ \"%s:6636\" ], \"trust\": \"%s/ca.pem\", \"user\": "
	    "\"uid=provost,ou=people," LDAP_TEST_SUFFIX
	    "\", \"password\": { \"file\": \"%s/password\" }, \"base\": \"" LDAP_TEST_SUFFIX
	    "\", \"attributes\": { \"sid\": \"description\" } }",
	    test->address, test->dir, test->dir);
	g_autoptr(PvJson) json = pv_json_parse("site.json", text, -1, &error);
	g_clear_pointer(&test->values, pv_values_unref);
	test->values = pv_values_parse(json, "$", test->directory->params, NULL, &error);
	g_assert_no_error(error);
	test->handle = test->directory->open(test->values, &error);
	const char *names[] = { "alice", "EXAMPLE\\alice", "alice@example.com",
		"uid=alice,ou=people," LDAP_TEST_SUFFIX };
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *sid =
		    test->directory->find_sid(test->handle, names[i], NULL, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(sid, ==, "S-1-5-21-7-8-9-1234");
	}
	g_assert_null(test->directory->find_sid(test->handle, "bob", NULL, &error));
	g_assert_nonnull(strstr(error->message, "is no SID"));
	g_clear_error(&error);
	g_assert_null(test->directory->find_sid(test->handle, "a*", NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
}

static gboolean
ldap_test_report_has(
    const PvReport *report, PvReportLevel level, const char *check, const char *text)
{
	for (guint i = 0; i < pv_report_get_length(report); i++) {
		PvReportLevel found;
		const char *what = NULL, *said = NULL;
		pv_report_get(report, i, &found, &what, NULL, &said);
		if (found == level && g_str_equal(what, check) && strstr(said, text) != NULL)
			return TRUE;
	}
	return FALSE;
}

static void
ldap_test_check(LdapTest *test, gconstpointer data)
{
	if (test->pid == 0)
		return;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvReport) good = pv_report_new();
	const char *ous[] = { LDAP_TEST_OU, NULL };
	PvDirectoryNeeds needs = {
		.ous = ous, .groups = ldap_test_groups, .names = ldap_test_none
	};
	g_assert_true(test->directory->check(test->handle, &needs, good, NULL, &error));
	g_assert_no_error(error);
	g_assert_cmpint(pv_report_get_level(good), ==, PV_REPORT_OK);
	g_assert_true(ldap_test_report_has(good, PV_REPORT_OK, "set passwords", "works"));
	g_autofree char *left = ldap_test_show(test, "(cn=provost-check*)");
	g_assert_cmpstr(left, ==, "");

	g_autoptr(PvReport) bad = pv_report_new();
	const char *wrong[] = { "ou=nowhere," LDAP_TEST_SUFFIX, "ou=groups," LDAP_TEST_SUFFIX,
		NULL };
	const char *names[] = { "Help Desk", NULL };
	PvDirectoryNeeds more = { .ous = wrong, .groups = names, .names = names };
	g_assert_true(test->directory->check(test->handle, &more, bad, NULL, &error));
	g_assert_true(ldap_test_report_has(bad, PV_REPORT_FAILURE, "container", "no such object"));
	g_assert_true(
	    ldap_test_report_has(bad, PV_REPORT_FAILURE, "create accounts", "lacks the right"));
	g_assert_true(ldap_test_report_has(bad, PV_REPORT_FAILURE, "group", "there is no group"));
	g_assert_true(ldap_test_report_has(bad, PV_REPORT_FAILURE, "SID", "has no SIDs"));

	/* what is granted is what the sample site's file has */
	g_autofree char *text = test->directory->delegation(test->handle, &needs, NULL, &error);
	g_assert_no_error(error);
	g_autofree char *path =
	    g_test_build_filename(G_TEST_DIST, "data", "sites", "openldap", "access.ldif", NULL);
	g_autofree char *sample = NULL;
	g_assert_true(g_file_get_contents(path, &sample, NULL, NULL));
	const char *begin = strstr(text, "\ndn: ");
	g_assert_nonnull(begin);
	g_assert_cmpstr(begin + 1, ==, strstr(sample, "dn: "));
}

static void
ldap_test_server_hangs(LdapTest *test, gconstpointer data)
{
	if (test->pid == 0)
		return;
	g_autoptr(GError) error = NULL;
	PvAccountSpec spec = ldap_test_spec();
	g_autoptr(PvAccount) made = ldap_test_ensure(test, &spec);
	ldap_test_pause(test);
	spec.address = "192.0.2.8";
	g_autoptr(PvAccount) account = NULL;
	gint64 begin = g_get_monotonic_time();
	g_assert_false(test->directory->ensure(test->handle, &spec, &account, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_UNREACHABLE);
	g_assert_cmpint(g_get_monotonic_time() - begin, <, 15 * G_USEC_PER_SEC);
	g_assert_cmpint(kill(test->pid, SIGCONT), ==, 0);
	g_autoptr(PvAccount) later = ldap_test_ensure(test, &spec);
	g_assert_null(later->differences);
}

/* What is wrong is said by file, line and path, before any server is asked. */
static void
ldap_test_params(LdapTest *test, gconstpointer data)
{
	static const struct {
		const char *extra, *text;
	} rows[] = {
		{ ", \"group-base\": \"groups\"", "$.group-base: a DN is wanted" },
		{ ", \"keytab\": \"/x\"", "one of \"password\", \"keytab\"" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_null(ldap_test_open(test, rows[i].extra, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
		if (strstr(error->message, rows[i].text) == NULL)
			g_error("\"%s\" does not say \"%s\"", error->message, rows[i].text);
	}
}

static void
ldap_test_add(const char *path, void (*function)(LdapTest *, gconstpointer), gboolean needs_server)
{
	g_test_add(path, LdapTest, needs_server ? "" : NULL, ldap_test_set_up, function,
	    ldap_test_tear_down);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* the script that starts the server ends before it */
	pv_net_init();
	ldap_test_add("/ldap/params", ldap_test_params, FALSE);
	ldap_test_add("/requirements/S12-04.2/ldap/makes", ldap_test_makes, TRUE);
	ldap_test_add("/requirements/S12-04.3/ldap/spn-is-unique", ldap_test_spn_is_unique, TRUE);
	ldap_test_add("/ldap/namesake", ldap_test_namesake, TRUE);
	ldap_test_add("/ldap/refusals", ldap_test_refusals, TRUE);
	ldap_test_add("/ldap/password", ldap_test_password, TRUE);
	ldap_test_add("/ldap/sids", ldap_test_sids, TRUE);
	ldap_test_add("/ldap/check", ldap_test_check, TRUE);
	ldap_test_add("/ldap/server-hangs", ldap_test_server_hangs, TRUE);
	return g_test_run();
}
