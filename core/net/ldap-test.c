/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/ldap-private.h"
#include "core/net/tls.h"
#include "tests/lib/test-folder.h"
#include "tests/lib/test-kdc.h"

#include <provost/error.h>

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LDAP_TEST_SUFFIX "dc=example,dc=com"
#define LDAP_TEST_PORT 3389
#define LDAP_TEST_TLS_PORT 6636

/* an OpenLDAP server of our own, at an address that no other test has */
typedef struct {
	char *dir; /* NULL: there is none */
	char *address;
	char *trust;
	GPid pid;
} LdapTest;

static PvSecret *
ldap_test_secret(const char *text)
{
	return pv_secret_new(text, -1);
}

/* FALSE: with what it printed */
static gboolean
ldap_test_run(const char *command, char **said)
{
	int status = 0;
	g_autofree char *out = NULL;
	g_autofree char *err = NULL;
	g_autoptr(GError) error = NULL;
	const char *argv[] = { "bash", "-c", command, NULL };
	g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status, &error);
	g_assert_no_error(error);
	if (said != NULL)
		*said = g_strconcat(out, err, NULL);
	return g_spawn_check_wait_status(status, NULL);
}

static void
ldap_test_start(LdapTest *test, gboolean again)
{
	g_autofree char *up =
	    g_test_build_filename(G_TEST_DIST, "tests", "integration", "slapd", "up", NULL);
	g_autofree char *said = NULL;
	g_autofree char *pid = NULL;
	g_autofree char *pid_file = g_build_filename(test->dir, "pid", NULL);
	g_autofree char *command = g_strdup_printf("%s %s %s %s %d %d", again ? "SLAPD_AGAIN=1" : "", up,
	    test->dir, test->address, LDAP_TEST_PORT, LDAP_TEST_TLS_PORT);
	if (!ldap_test_run(command, &said))
		g_error("%s: %s", up, said);
	g_assert_true(g_file_get_contents(pid_file, &pid, NULL, NULL));
	test->pid = (GPid)atoi(pid);
	g_assert_cmpint(test->pid, >, 1);
}

static void
ldap_test_stop(LdapTest *test)
{
	if (test->pid == 0)
		return;
	(void)kill(test->pid, SIGKILL); /* it may have ended by itself */
	g_assert_cmpint(waitpid(test->pid, NULL, 0), ==, test->pid);
	test->pid = 0;
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
ldap_test_set_up(LdapTest *test, gconstpointer data)
{
	if (!ldap_test_run("PATH=$PATH:/usr/sbin; command -v slapd && command -v ldapwhoami", NULL)) {
		g_test_skip("slapd is not installed");
		return;
	}
	g_autoptr(GError) error = NULL;
	test->dir = g_dir_make_tmp("provost-ldap-XXXXXX", &error);
	g_assert_no_error(error);
	test->address =
	    g_strdup_printf("127.77.%d.%d", (getpid() >> 8) & 0xff, (getpid() & 0xff) | 1);
	test->trust = g_build_filename(test->dir, "ca.pem", NULL);
	ldap_test_start(test, FALSE);
}

static void
ldap_test_tear_down(LdapTest *test, gconstpointer data)
{
	if (test->dir == NULL)
		return;
	ldap_test_stop(test);
	pv_test_remove_all(test->dir);
	g_free(test->dir);
	g_free(test->address);
	g_free(test->trust);
}

static PvLdapOptions
ldap_test_options(const LdapTest *test, PvLdapSecurity security)
{
	return (PvLdapOptions) { .host = "ldap1.example.com",
		.address = test->address,
		.port = security == PV_LDAP_TLS ? LDAP_TEST_TLS_PORT : LDAP_TEST_PORT,
		.security = security,
		.trust = test->trust,
		.connect_msec = 5000,
		.operation_msec = 5000 };
}

static PvLdap *
ldap_test_connect(const LdapTest *test, const char *dn, const char *password, guint operation_msec)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) secret = ldap_test_secret(password);
	PvLdapOptions options = ldap_test_options(test, PV_LDAP_TLS);
	options.bind_dn = dn;
	options.password = secret;
	options.operation_msec = operation_msec;
	PvLdap *ldap = pv_ldap_connect(&options, NULL, &error);
	g_assert_no_error(error);
	g_assert_nonnull(ldap);
	return ldap;
}

static PvLdap *
ldap_test_connect_admin(const LdapTest *test)
{
	return ldap_test_connect(test, "cn=admin," LDAP_TEST_SUFFIX, "admin.secret", 5000);
}

/* what the error has to say, and the most that it may take */
static void
ldap_test_assert_refused(const PvLdapOptions *options, PvError code, const char *text, gint64 most_msec)
{
	g_autoptr(GError) error = NULL;
	gint64 begin = g_get_monotonic_time();
	g_autoptr(PvLdap) ldap = pv_ldap_connect(options, NULL, &error);
	gint64 msec = (g_get_monotonic_time() - begin) / 1000;
	g_assert_null(ldap);
	g_assert_error(error, PV_ERROR, (int)code);
	if (strstr(error->message, text) == NULL)
		g_error("\"%s\" does not say \"%s\"", error->message, text);
	g_assert_cmpint(msec, <, most_msec);
}

static void
ldap_test_add_unit(PvLdap *ldap, const char *dn, const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvLdapChange) change = pv_ldap_change_new();
	pv_ldap_change_add_text(change, PV_LDAP_ADD, "objectClass", "organizationalUnit");
	pv_ldap_change_add_text(change, PV_LDAP_ADD, "ou", name);
	gboolean ok = pv_ldap_add(ldap, dn, change, NULL, &error);
	g_assert_no_error(error);
	g_assert_true(ok);
}

/* ---- without a server ---- */

static void
ldap_test_escapes(void)
{
	static const struct {
		const char *text, *filter, *dn;
	} rows[] = {
		{ "pc1$iME", "pc1$iME", "pc1$iME" },
		{ "a*b(c)d\\e", "a\\2ab\\28c\\29d\\5ce", "a*b(c)d\\\\e" },
		{ " #a,b+c\"d<e>f;g=h ", " #a,b+c\"d<e>f;g=h ",
		    "\\ #a\\,b\\+c\\\"d\\<e\\>f\\;g\\=h\\ " },
		{ "#a", "#a", "\\#a" },
		{ "\n", "\\0a", "\\0a" },
		{ "\xc3\xa9", "\\c3\\a9", "\xc3\xa9" },
		{ "", "", "" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *filter = pv_ldap_dup_filter_value(rows[i].text);
		g_autofree char *dn = pv_ldap_dup_dn_value(rows[i].text);
		g_assert_cmpstr(filter, ==, rows[i].filter);
		g_assert_cmpstr(dn, ==, rows[i].dn);
	}
	g_autofree char *bytes = pv_ldap_dup_filter_bytes("\0a", 2);
	g_assert_cmpstr(bytes, ==, "\\00\\61");
}

static void
ldap_test_names(void)
{
	g_assert_true(pv_ldap_dn_equal("CN=pc1, OU=AMT,dc=example,DC=com", "cn=PC1,ou=amt,dc=example,dc=com"));
	g_assert_true(pv_ldap_dn_equal("cn=a\\,b,dc=com", "cn=a\\2cb,dc=com"));
	g_assert_false(pv_ldap_dn_equal("cn=pc1,dc=com", "cn=pc11,dc=com"));
	g_assert_false(pv_ldap_dn_equal("no DN", "no DN"));
	g_autofree char *parent = pv_ldap_dup_dn_parent("cn=a\\,b,ou=amt,dc=com");
	g_assert_cmpstr(parent, ==, "ou=amt,dc=com");
	g_autofree char *none = pv_ldap_dup_dn_parent("dc=com");
	g_assert_null(none);
	g_autofree char *junk = pv_ldap_dup_dn_parent("Help Desk");
	g_assert_null(junk);
}

/* Texts as servers send them. */
static void
ldap_test_codes(void)
{
	static const struct {
		int code;
		const char *said;
		gboolean login;
		PvError error;
		const char *text;
	} rows[] = {
		{ 49, "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v2580", TRUE, PV_ERROR_AUTH, "name or password is wrong (data 52e)" },
		{ 49, "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 525, v1db1", TRUE, PV_ERROR_AUTH, "there is no such user" },
		{ 49, "80090308: LdapErr, data 530, v1", TRUE, PV_ERROR_AUTH, "at this time" },
		{ 49, "80090308: LdapErr, data 531, v1", TRUE, PV_ERROR_AUTH, "from this computer" },
		{ 49, "80090308: LdapErr, data 532, v1", TRUE, PV_ERROR_AUTH, "password has expired" },
		{ 49, "80090308: LdapErr, data 533, v1", TRUE, PV_ERROR_AUTH, "account is disabled" },
		{ 49, "80090308: LdapErr, data 701, v1", TRUE, PV_ERROR_AUTH, "account has expired" },
		{ 49, "80090308: LdapErr, data 773, v1", TRUE, PV_ERROR_AUTH, "before the first login" },
		{ 49, "80090308: LdapErr, data 775, v1", TRUE, PV_ERROR_AUTH, "locked out" },
		{ 49, "80090346: LdapErr, data 80090346, v1", TRUE, PV_ERROR_AUTH, "name or password is wrong" },
		{ 49, "80090346: AcceptSecurityContext error, data 35b, v1", TRUE, PV_ERROR_AUTH, "bound to its TLS certificate" },
		{ 49, "", TRUE, PV_ERROR_AUTH, "name or password is wrong" },
		{ 8, "BindSimple: Transport encryption required.", TRUE, PV_ERROR_CONFIG, "use TLS" },
		{ 13, "confidentiality required", TRUE, PV_ERROR_CONFIG, "use TLS" },
		{ 50, "00002098: Object CN=x has no write property access\n", FALSE, PV_ERROR_REJECTED, "lacks the right" },
		{ 50, "no write access to parent", FALSE, PV_ERROR_REJECTED, "lacks the right" },
		{ 68, "00002071: samldb: samAccountName already in use", FALSE, PV_ERROR_REJECTED, "is in use" },
		{ 19, "000021C7: AtrErr: DSID-03200E9D", FALSE, PV_ERROR_REJECTED, "taken elsewhere in the forest" },
		{ 19, "some attributes not unique", FALSE, PV_ERROR_REJECTED, "taken elsewhere" },
		{ 53, "0000216D: SvcErr: DSID-031A12D2, problem 5003", FALSE, PV_ERROR_REJECTED, "MachineAccountQuota" },
		{ 32, "0000208D: NameErr: DSID-0310021B", FALSE, PV_ERROR_CONFIG, "not found" },
		{ 34, "invalid DN", FALSE, PV_ERROR_CONFIG, "correct it" },
		{ 17, "amtUUID: attribute type undefined", FALSE, PV_ERROR_CONFIG, "load the schema" },
		{ 51, "", FALSE, PV_ERROR_UNREACHABLE, "busy" },
		{ 4242, "\033[31mred", FALSE, PV_ERROR_REJECTED, "LDAP result 4242" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		PvLdapResult result = { 0 };
		pv_ldap_result_set(&result, rows[i].code, rows[i].said, "ou=amt");
		if (rows[i].login)
			pv_ldap_result_set_login_error(&result, "ldap1:389", "cn=me", &error);
		else
			pv_ldap_result_set_error(&result, "ldap1:389", &error);
		pv_ldap_result_clear(&result);
		g_assert_error(error, PV_ERROR, (int)rows[i].error);
		if (strstr(error->message, rows[i].text) == NULL)
			g_error("%u: \"%s\" does not say \"%s\"", i, error->message, rows[i].text);
		g_assert_null(strpbrk(error->message, "\033\n"));
	}
}

/* Nobody listens: a dial would be refused, so what is said instead was found before. */
static void
ldap_test_password_needs_encryption(void)
{
	g_autoptr(PvSecret) secret = ldap_test_secret("geheim");
	g_autoptr(PvSecret) empty = ldap_test_secret("");
	PvLdapOptions options = { .host = "ldap1.example.com",
		.address = "127.77.0.1",
		.port = 9,
		.bind_dn = "cn=me",
		.password = secret };
	ldap_test_assert_refused(&options, PV_ERROR_CONFIG, "not encrypted", 1000);
	options.security = PV_LDAP_TLS;
	options.password = empty;
	ldap_test_assert_refused(&options, PV_ERROR_CONFIG, "anonymous", 1000);
	options.password = NULL;
	ldap_test_assert_refused(&options, PV_ERROR_CONFIG, "anonymous", 1000);
	options.password = secret;
	options.host = "ldap://x";
	ldap_test_assert_refused(&options, PV_ERROR_CONFIG, "host name", 1000);
	options.host = "ldap1.example.com";
	ldap_test_assert_refused(&options, PV_ERROR_UNREACHABLE, "ldap1.example.com:9: ", 3000);
	options.address = "name.invalid";
	ldap_test_assert_refused(&options, PV_ERROR_UNREACHABLE, "look up name.invalid", 6000);
}

/* Puts tag and length in front */
static void
ldap_test_wrap(GByteArray *bytes, guint8 tag)
{
	const guint8 head[] = { tag, 0x84, (guint8)(bytes->len >> 24), (guint8)(bytes->len >> 16),
		(guint8)(bytes->len >> 8), (guint8)bytes->len };
	g_byte_array_prepend(bytes, head, sizeof head);
}

/* An entry with one attribute of two million values that are empty, and that this was all (RFC 4511 4.5.2) */
static gpointer
ldap_test_answer_much(gpointer data)
{
	static const guint8 front[] = { 4, 1, 'x' }, id[] = { 2, 1, 1 }, nobody[] = { 4, 0 };
	static const guint8 end[] = { 0x30, 12, 2, 1, 1, 0x65, 7, 10, 1, 0, 4, 0, 4, 0 };
	guint8 request[512];
	g_autoptr(GSocketConnection) peer = g_socket_listener_accept(data, NULL, NULL, NULL);
	g_assert_nonnull(peer);
	GSocket *socket = g_socket_connection_get_socket(peer);
	g_assert_cmpint(g_socket_receive(socket, (char *)request, sizeof request, NULL, NULL), >, 0);
	g_autoptr(GByteArray) answer = g_byte_array_new();
	g_byte_array_set_size(answer, 4000000);
	for (guint i = 0; i < answer->len; i++)
		answer->data[i] = i % 2 == 0 ? 4 : 0;
	ldap_test_wrap(answer, 0x31);
	g_byte_array_prepend(answer, front, sizeof front);
	ldap_test_wrap(answer, 0x30);
	ldap_test_wrap(answer, 0x30);
	g_byte_array_prepend(answer, nobody, sizeof nobody);
	ldap_test_wrap(answer, 0x64);
	g_byte_array_prepend(answer, id, sizeof id);
	ldap_test_wrap(answer, 0x30);
	g_byte_array_append(answer, end, sizeof end);
	/* it may have hung up before the end */
	(void)g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(peer)), answer->data,
	    answer->len, NULL, NULL, NULL);
	(void)g_socket_receive(socket, (char *)request, sizeof request, NULL, NULL);
	return NULL;
}

/* Four megabytes on the wire, and three hundred in memory. */
static void
ldap_test_much(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GSocketListener) listener = g_socket_listener_new();
	guint port = g_socket_listener_add_any_inet_port(listener, NULL, &error);
	g_assert_no_error(error);
	GThread *thread = g_thread_new("much", ldap_test_answer_much, listener);
	const PvLdapOptions options = {
		.host = "ldap1.example.com", .address = "127.0.0.1", .port = port
	};
	g_autoptr(PvLdap) ldap = pv_ldap_connect(&options, NULL, &error);
	g_assert_no_error(error);
	g_autoptr(PvLdapEntry) entry = pv_ldap_read(ldap, "cn=x", NULL, NULL, NULL, &error);
	g_assert_null(entry);
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	g_assert_nonnull(strstr(error->message, "64 MiB"));
	g_clear_pointer(&ldap, pv_ldap_free);
	g_thread_join(thread);
}

/* ---- with one ---- */

static void
ldap_test_security(LdapTest *test, gconstpointer data)
{
	if (test->dir == NULL)
		return;
	static const PvLdapSecurity kinds[] = { PV_LDAP_PLAIN, PV_LDAP_TLS, PV_LDAP_STARTTLS };
	g_autoptr(PvSecret) secret = ldap_test_secret("admin.secret");
	for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
		g_autoptr(GError) error = NULL;
		PvLdapOptions options = ldap_test_options(test, kinds[i]);
		if (kinds[i] != PV_LDAP_PLAIN) {
			options.bind_dn = "cn=admin," LDAP_TEST_SUFFIX;
			options.password = secret;
		}
		g_autoptr(PvLdap) ldap = pv_ldap_connect(&options, NULL, &error);
		g_assert_no_error(error);
		g_autofree char *identity = pv_ldap_dup_identity(ldap, NULL, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(identity, ==,
		    kinds[i] != PV_LDAP_PLAIN ? "dn:cn=admin," LDAP_TEST_SUFFIX : "");
		g_autoptr(PvLdapEntry) root = pv_ldap_read(
		    ldap, "", (const char *const[]) { "+", NULL }, NULL, NULL, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(pv_ldap_entry_get(root, "NAMINGCONTEXTS"), ==, LDAP_TEST_SUFFIX);
		g_assert_true(pv_ldap_entry_has(root, "supportedLDAPVersion", "3"));

		/* a password leaves over an encrypted connection only */
		g_autoptr(PvSecret) new = ldap_test_secret("new.secret");
		g_autoptr(PvLdapChange) change = pv_ldap_change_new();
		pv_ldap_change_add_secret(change, PV_LDAP_REPLACE, "userPassword", new);
		if (kinds[i] == PV_LDAP_PLAIN) {
			g_assert_false(pv_ldap_modify(ldap, LDAP_TEST_SUFFIX, change, NULL, &error));
			g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
			g_assert_nonnull(strstr(error->message, "not encrypted"));
		}
	}
}

static void
ldap_test_certificates(LdapTest *test, gconstpointer data)
{
	if (test->dir == NULL)
		return;
	PvLdapOptions options = ldap_test_options(test, PV_LDAP_TLS);
	options.host = "ldap2.example.com";
	ldap_test_assert_refused(&options, PV_ERROR_AUTH,
	    "certificate is for \"ldap1.example.com\" and not for \"ldap2.example.com\"", 3000);
	options = ldap_test_options(test, PV_LDAP_STARTTLS);
	options.host = "ldap2.example.com";
	ldap_test_assert_refused(&options, PV_ERROR_AUTH, "and not for \"ldap2.example.com\"", 3000);
	options = ldap_test_options(test, PV_LDAP_TLS);
	options.trust = NULL;
	ldap_test_assert_refused(&options, PV_ERROR_AUTH, "\"CN=Directory CA\" is not trusted by this system's roots", 3000);
	options = ldap_test_options(test, PV_LDAP_TLS);
	options.trust = "/nowhere/ca.pem";
	ldap_test_assert_refused(&options, PV_ERROR_CONFIG, "/nowhere/ca.pem", 3000);
	/* no TLS there */
	options = ldap_test_options(test, PV_LDAP_TLS);
	options.port = LDAP_TEST_PORT;
	ldap_test_assert_refused(&options, PV_ERROR_UNREACHABLE, "TLS with ldap1.example.com:3389", 6000);
	/* the address is in it, too */
	g_autoptr(GError) error = NULL;
	options = ldap_test_options(test, PV_LDAP_TLS);
	options.host = test->address;
	g_autoptr(PvLdap) ldap = pv_ldap_connect(&options, NULL, &error);
	g_assert_no_error(error);
}

static void
ldap_test_logins(LdapTest *test, gconstpointer data)
{
	if (test->dir == NULL)
		return;
	g_autoptr(PvSecret) wrong = ldap_test_secret("Wr0ng.Passw0rd");
	PvLdapOptions options = ldap_test_options(test, PV_LDAP_TLS);
	options.bind_dn = "cn=admin," LDAP_TEST_SUFFIX;
	options.password = wrong;
	ldap_test_assert_refused(&options, PV_ERROR_AUTH,
	    "log in to ldap1.example.com:6636 as cn=admin," LDAP_TEST_SUFFIX ": LDAP result 49", 5000);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvLdap) ldap = pv_ldap_connect(&options, NULL, &error);
	g_assert_null(strstr(error->message, "Wr0ng"));
	options.bind_dn = "no DN";
	ldap_test_assert_refused(&options, PV_ERROR_CONFIG, "34", 5000);
}

static void
ldap_test_writes(LdapTest *test, gconstpointer data)
{
	if (test->dir == NULL)
		return;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvLdap) ldap = ldap_test_connect_admin(test);
	const char *dn = "ou=a\\,b,ou=people," LDAP_TEST_SUFFIX;
	ldap_test_add_unit(ldap, dn, "a,b");
	g_autoptr(PvLdapChange) change = pv_ldap_change_new();
	pv_ldap_change_add_text(change, PV_LDAP_ADD, "objectClass", "organizationalUnit");
	pv_ldap_change_add_text(change, PV_LDAP_ADD, "ou", "a,b");
	g_assert_false(pv_ldap_add(ldap, dn, change, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	g_assert_cmpint(pv_ldap_get_code(ldap), ==, LDAP_ALREADY_EXISTS);
	g_assert_true(pv_ldap_is_already_there(ldap));
	g_clear_error(&error);

	g_autoptr(PvLdapChange) modify = pv_ldap_change_new();
	pv_ldap_change_add_text(modify, PV_LDAP_REPLACE, "description", "one");
	pv_ldap_change_add_text(modify, PV_LDAP_REPLACE, "description", "two");
	pv_ldap_change_add_list(modify, PV_LDAP_REPLACE, "l", (const char *const[]) { NULL });
	g_assert_cmpuint(pv_ldap_change_get_length(modify), ==, 2);
	g_assert_true(pv_ldap_modify(ldap, dn, modify, NULL, &error));
	g_autoptr(PvLdapEntry) entry = pv_ldap_read(ldap, dn, NULL, NULL, NULL, &error);
	g_assert_no_error(error);
	g_auto(GStrv) texts = pv_ldap_entry_dup_list(entry, "Description");
	g_assert_cmpuint(g_strv_length(texts), ==, 2);
	g_assert_true(pv_ldap_entry_has(entry, "description", "TWO"));
	g_assert_null(pv_ldap_entry_get(entry, "l"));
	g_assert_null(pv_ldap_entry_get_bytes(entry, "description", 2));

	/* a value twice, and one that is none */
	g_autoptr(PvLdapChange) twice = pv_ldap_change_new();
	pv_ldap_change_add_text(twice, PV_LDAP_ADD, "description", "two");
	g_assert_false(pv_ldap_modify(ldap, dn, twice, NULL, &error));
	g_assert_true(pv_ldap_is_already_there(ldap));
	g_clear_error(&error);
	g_autoptr(PvLdapChange) gone = pv_ldap_change_new();
	pv_ldap_change_add_text(gone, PV_LDAP_DELETE, "description", "three");
	g_assert_false(pv_ldap_modify(ldap, dn, gone, NULL, &error));
	g_assert_true(pv_ldap_is_already_gone(ldap));
	g_clear_error(&error);
	g_autoptr(PvLdapChange) all = pv_ldap_change_new();
	pv_ldap_change_add_text(all, PV_LDAP_DELETE, "description", NULL);
	g_assert_true(pv_ldap_modify(ldap, dn, all, NULL, &error));

	g_assert_true(pv_ldap_rename(ldap, dn, "ou=c", "ou=groups," LDAP_TEST_SUFFIX, NULL, &error));
	gboolean missing = FALSE;
	g_assert_null(pv_ldap_read(ldap, dn, NULL, &missing, NULL, &error));
	g_assert_no_error(error);
	g_assert_true(missing);
	g_assert_null(pv_ldap_read(ldap, dn, NULL, NULL, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, "ends at \"ou=people," LDAP_TEST_SUFFIX "\""));
	g_clear_error(&error);
	g_assert_true(pv_ldap_delete(ldap, "ou=c,ou=groups," LDAP_TEST_SUFFIX, NULL, &error));
	g_assert_false(pv_ldap_delete(ldap, "ou=c,ou=groups," LDAP_TEST_SUFFIX, NULL, &error));
	g_assert_true(pv_ldap_is_missing(ldap));
}

/* With a login of its own: limits do not hold for the administrator. */
static void
ldap_test_add_service(PvLdap *ldap)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSecret) password = ldap_test_secret("first.secret");
	g_autoptr(PvLdapChange) change = pv_ldap_change_new();
	pv_ldap_change_add_list(change, PV_LDAP_ADD, "objectClass",
	    (const char *const[]) { "account", "simpleSecurityObject", NULL });
	pv_ldap_change_add_text(change, PV_LDAP_ADD, "uid", "svc");
	pv_ldap_change_add_secret(change, PV_LDAP_ADD, "userPassword", password);
	g_assert_true(pv_ldap_add(ldap, "uid=svc,ou=people," LDAP_TEST_SUFFIX, change, NULL, &error));
	g_assert_no_error(error);
}

static void
ldap_test_password(LdapTest *test, gconstpointer data)
{
	if (test->dir == NULL)
		return;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvLdap) admin = ldap_test_connect_admin(test);
	const char *dn = "uid=svc,ou=people," LDAP_TEST_SUFFIX;
	ldap_test_add_service(admin);
	g_autoptr(PvSecret) password = ldap_test_secret("Second.Secret-2");
	g_assert_true(pv_ldap_set_password(admin, dn, NULL, password, NULL, &error));
	g_assert_no_error(error);
	g_autoptr(PvLdapEntry) entry = pv_ldap_read(admin, dn, NULL, NULL, NULL, &error);
	g_assert_true(g_str_has_prefix(pv_ldap_entry_get(entry, "userPassword"), "{SSHA}"));

	/* the account itself: it may log in, and not write */
	g_autoptr(PvLdap) own = ldap_test_connect(test, dn, "Second.Secret-2", 5000);
	g_autoptr(PvLdapChange) change = pv_ldap_change_new();
	pv_ldap_change_add_text(change, PV_LDAP_REPLACE, "description", "mine");
	g_assert_false(pv_ldap_modify(own, LDAP_TEST_SUFFIX, change, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	g_assert_nonnull(strstr(error->message, "lacks the right"));
	g_assert_cmpint(pv_ldap_get_code(own), ==, LDAP_INSUFFICIENT_ACCESS);
}

/* The server says "invalid credentials" to all of these, and why only to who asks. */
static void
ldap_test_policy(LdapTest *test, gconstpointer data)
{
	if (test->dir == NULL)
		return;
	g_autoptr(PvLdap) admin = ldap_test_connect_admin(test);
	ldap_test_add_service(admin);
	g_autofree char *command = g_strdup_printf(
	    "run() { ldapmodify -Q -Y EXTERNAL -H ldapi://$(printf %%s %s/ldapi | sed s,/,%%2F,g) \"$@\"; }; "
	    "printf 'dn: cn=module{0},cn=config\\nchangetype: modify\\nadd: olcModuleLoad\\nolcModuleLoad: ppolicy\\n\\n"
	    "dn: olcOverlay=ppolicy,olcDatabase={1}mdb,cn=config\\nchangetype: add\\nobjectClass: olcOverlayConfig\\n"
	    "objectClass: olcPPolicyConfig\\nolcOverlay: ppolicy\\nolcPPolicyDefault: cn=policy," LDAP_TEST_SUFFIX "\\n"
	    "olcPPolicyUseLockout: TRUE\\n\\ndn: cn=policy," LDAP_TEST_SUFFIX "\\nchangetype: add\\nobjectClass: device\\n"
	    "objectClass: pwdPolicy\\ncn: policy\\npwdAttribute: userPassword\\npwdMaxAge: 60\\npwdLockout: TRUE\\n"
	    "pwdMaxFailure: 2\\n' | run && "
	    "printf 'dn: uid=svc,ou=people," LDAP_TEST_SUFFIX "\\nchangetype: modify\\nreplace: pwdChangedTime\\n"
	    "pwdChangedTime: 20200101000000Z\\n' | run -e relax",
	    test->dir);
	g_autofree char *said = NULL;
	if (!ldap_test_run(command, &said))
		g_error("ldapmodify: %s", said);
	g_autoptr(PvSecret) right = ldap_test_secret("first.secret");
	g_autoptr(PvSecret) wrong = ldap_test_secret("Wr0ng.Passw0rd");
	PvLdapOptions options = ldap_test_options(test, PV_LDAP_TLS);
	options.bind_dn = "uid=svc,ou=people," LDAP_TEST_SUFFIX;
	options.password = right;
	ldap_test_assert_refused(&options, PV_ERROR_AUTH, "the password has expired", 5000);
	options.password = wrong;
	ldap_test_assert_refused(&options, PV_ERROR_AUTH, "name or password is wrong", 5000);
	ldap_test_assert_refused(&options, PV_ERROR_AUTH, "name or password is wrong", 5000);
	ldap_test_assert_refused(&options, PV_ERROR_AUTH, "locked out", 5000);
}

static void
ldap_test_pages(LdapTest *test, gconstpointer data)
{
	if (test->dir == NULL)
		return;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvLdap) admin = ldap_test_connect_admin(test);
	ldap_test_add_service(admin);
	for (guint i = 0; i < 1234; i++) {
		g_autofree char *name = g_strdup_printf("unit-%u", i);
		g_autofree char *dn = g_strdup_printf("ou=%s,ou=groups," LDAP_TEST_SUFFIX, name);
		ldap_test_add_unit(admin, dn, name);
	}
	g_autoptr(PvLdap) ldap =
	    ldap_test_connect(test, "uid=svc,ou=people," LDAP_TEST_SUFFIX, "first.secret", 5000);
	g_autoptr(GPtrArray) found = pv_ldap_search(ldap, LDAP_TEST_SUFFIX, PV_LDAP_SUBTREE,
	    "(ou=unit-*)", (const char *const[]) { "ou", NULL }, 2000, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(found->len, ==, 1234);
	g_autoptr(GPtrArray) more = pv_ldap_search(ldap, LDAP_TEST_SUFFIX, PV_LDAP_SUBTREE, "(ou=unit-*)",
	    (const char *const[]) { "ou", NULL }, 1200, NULL, &error);
	g_assert_null(more);
	g_assert_error(error, PV_ERROR, PV_ERROR_REJECTED);
	g_assert_nonnull(strstr(error->message, "more than 1200"));
	g_clear_error(&error);

	/* a server that is set to smaller pages than ours refuses them */
	g_autofree char *command = g_strdup_printf(
	    "printf 'dn: cn=config\\nchangetype: modify\\nreplace: olcSizeLimit\\nolcSizeLimit: size.soft=1000 "
	    "size.hard=1000 size.pr=150 size.prtotal=unlimited\\n' | "
	    "ldapmodify -Q -Y EXTERNAL -H ldapi://$(printf %%s %s/ldapi | sed s,/,%%2F,g)",
	    test->dir);
	g_autofree char *said = NULL;
	if (!ldap_test_run(command, &said))
		g_error("ldapmodify: %s", said);
	g_autoptr(PvLdap) again =
	    ldap_test_connect(test, "uid=svc,ou=people," LDAP_TEST_SUFFIX, "first.secret", 5000);
	g_autoptr(GPtrArray) small = pv_ldap_search(again, LDAP_TEST_SUFFIX, PV_LDAP_SUBTREE,
	    "(ou=unit-*)", NULL, 2000, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(small->len, ==, 1234);
}

/* The server is there and does not answer: each step ends at its own time. */
static void
ldap_test_hangs(LdapTest *test, gconstpointer data)
{
	if (test->dir == NULL)
		return;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvLdap) ldap =
	    ldap_test_connect(test, "cn=admin," LDAP_TEST_SUFFIX, "admin.secret", 300);
	ldap_test_pause(test);
	PvLdapOptions options = ldap_test_options(test, PV_LDAP_TLS);
	options.connect_msec = 300;
	options.operation_msec = 300;
	ldap_test_assert_refused(&options, PV_ERROR_UNREACHABLE, "in time", 4000);
	options = ldap_test_options(test, PV_LDAP_STARTTLS);
	options.operation_msec = 300;
	ldap_test_assert_refused(&options, PV_ERROR_UNREACHABLE, "StartTLS", 4000);

	g_autoptr(PvLdapChange) change = pv_ldap_change_new();
	pv_ldap_change_add_text(change, PV_LDAP_REPLACE, "description", "late");
	g_assert_false(pv_ldap_modify(ldap, LDAP_TEST_SUFFIX, change, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_UNREACHABLE);
	g_assert_nonnull(strstr(error->message, "may or may not have been done"));
	g_assert_cmpint(pv_ldap_get_code(ldap), ==, LDAP_TIMEOUT);
	g_assert_false(pv_ldap_is_dead(ldap));
	g_clear_error(&error);
	g_assert_null(pv_ldap_read(ldap, LDAP_TEST_SUFFIX, NULL, NULL, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_UNREACHABLE);
	g_clear_error(&error);

	/* it goes on; what was late was done, and the connection is as good as before */
	g_assert_cmpint(kill(test->pid, SIGCONT), ==, 0);
	g_autoptr(PvLdapEntry) entry = NULL;
	for (guint i = 0; i < 20 && entry == NULL; i++)
		entry = pv_ldap_read(ldap, LDAP_TEST_SUFFIX, NULL, NULL, NULL, NULL);
	g_assert_nonnull(entry);
	g_assert_cmpstr(pv_ldap_entry_get(entry, "description"), ==, "late");
}

/* Over TCP everything is sealed, within TLS nothing is; both ways it is the principal that the server sees. */
static void
ldap_test_gssapi(LdapTest *test, gconstpointer data)
{
	const char *missing = NULL;
	if (test->dir == NULL)
		return;
	g_autoptr(TestKdc) kdc = test_kdc_new("EXAMPLE.COM", NULL, &missing);
	if (kdc == NULL) {
		g_test_skip(missing);
		return;
	}
	g_autoptr(GError) error = NULL;
	test_kdc_command(kdc, "addprinc -pw Svc.Secret-1 svc");
	test_kdc_command(kdc, "addprinc -randkey ldap/ldap1.example.com");
	g_autofree char *keytab = test_kdc_export(kdc, "ldap/ldap1.example.com");
	g_autoptr(PvLdap) admin = ldap_test_connect_admin(test);
	ldap_test_add_service(admin);
	g_autofree char *command = g_strdup_printf(
	    "printf 'dn: cn=config\\nchangetype: modify\\nreplace: olcSaslHost\\nolcSaslHost: ldap1.example.com\\n-\\n"
	    "replace: olcSaslRealm\\nolcSaslRealm: EXAMPLE.COM\\n' | "
	    "ldapmodify -Q -Y EXTERNAL -H ldapi://$(printf %%s %s/ldapi | sed s,/,%%2F,g)",
	    test->dir);
	g_autofree char *said = NULL;
	if (!ldap_test_run(command, &said))
		g_error("ldapmodify: %s", said);
	ldap_test_stop(test);
	g_setenv("SLAPD_KEYTAB", keytab, TRUE);
	ldap_test_start(test, TRUE);
	g_unsetenv("SLAPD_KEYTAB");

	g_autoptr(PvSecret) password = ldap_test_secret("Svc.Secret-1");
	const char *kdcs[] = { kdc->address, NULL };
	PvKerberosLogin login = {
		.realm = "EXAMPLE.COM", .principal = "svc", .password = password, .kdcs = kdcs
	};
	g_autoptr(PvKerberos) kerberos = pv_kerberos_login(&login, NULL, &error);
	g_assert_no_error(error);
	for (PvLdapSecurity security = PV_LDAP_PLAIN; security <= PV_LDAP_STARTTLS; security++) {
		PvLdapOptions options = ldap_test_options(test, security);
		options.kerberos = kerberos;
		g_autoptr(PvLdap) ldap = pv_ldap_connect(&options, NULL, &error);
		if (error != NULL && strstr(error->message, "LDAP result 7") != NULL) {
			g_test_skip("the GSSAPI module of Cyrus SASL is not installed");
			return;
		}
		g_assert_no_error(error);
		g_autofree char *identity = pv_ldap_dup_identity(ldap, NULL, &error);
		g_assert_no_error(error);
		g_assert_cmpstr(identity, ==, "dn:uid=svc,ou=people," LDAP_TEST_SUFFIX);
		/* more than one wrapped buffer each way */
		g_autofree char *text = g_strnfill(300000, 'x');
		g_autofree char *filter = g_strdup_printf("(|(ou=groups)(description=%s))", text);
		g_autoptr(GPtrArray) found = pv_ldap_search(
		    ldap, LDAP_TEST_SUFFIX, PV_LDAP_SUBTREE, filter, NULL, 10, NULL, &error);
		g_assert_no_error(error);
		g_assert_cmpuint(found->len, ==, 1);
		/* its own password, over TCP without TLS: the seal is encryption enough for the server too */
		g_autoptr(PvSecret) own = ldap_test_secret("Third.Secret-3");
		g_assert_true(pv_ldap_set_password(
		    ldap, "uid=svc,ou=people," LDAP_TEST_SUFFIX, NULL, own, NULL, &error));
		g_assert_no_error(error);
	}
	/* a service that no account has */
	PvLdapOptions options = ldap_test_options(test, PV_LDAP_PLAIN);
	options.kerberos = kerberos;
	options.host = "ldap9.example.com";
	ldap_test_assert_refused(&options, PV_ERROR_CONFIG, "ldap/ldap9.example.com", 5000);
}

static gpointer
ldap_test_cancel(gpointer data)
{
	g_cancellable_cancel(data);
	return NULL;
}

static void
ldap_test_cancelled(LdapTest *test, gconstpointer data)
{
	if (test->dir == NULL)
		return;
	g_autoptr(GError) error = NULL;
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	g_autoptr(PvLdap) ldap =
	    ldap_test_connect(test, "cn=admin," LDAP_TEST_SUFFIX, "admin.secret", 60000);
	ldap_test_pause(test);
	GThread *thread = g_thread_new("cancel", ldap_test_cancel, cancellable);
	gint64 begin = g_get_monotonic_time();
	g_assert_null(pv_ldap_read(ldap, LDAP_TEST_SUFFIX, NULL, NULL, cancellable, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
	g_clear_error(&error);
	g_thread_join(thread);
	PvLdapOptions options = ldap_test_options(test, PV_LDAP_TLS);
	options.connect_msec = 60000;
	g_assert_null(pv_ldap_connect(&options, cancellable, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
	g_assert_cmpint(g_get_monotonic_time() - begin, <, 20 * G_USEC_PER_SEC);
}

static void
ldap_test_killed(LdapTest *test, gconstpointer data)
{
	if (test->dir == NULL)
		return;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvLdap) ldap = ldap_test_connect_admin(test);
	ldap_test_stop(test);
	g_assert_null(pv_ldap_read(ldap, LDAP_TEST_SUFFIX, NULL, NULL, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_UNREACHABLE);
	g_assert_true(pv_ldap_is_dead(ldap));
	g_clear_error(&error);
	g_assert_false(pv_ldap_delete(ldap, "ou=x," LDAP_TEST_SUFFIX, NULL, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_UNREACHABLE);
	g_clear_error(&error);
	ldap_test_start(test, TRUE);
	g_autoptr(PvLdap) again = ldap_test_connect_admin(test);
	g_autoptr(PvLdapEntry) entry = pv_ldap_read(again, LDAP_TEST_SUFFIX, NULL, NULL, NULL, &error);
	g_assert_no_error(error);
}

static void
ldap_test_add(const char *path, void (*function)(LdapTest *, gconstpointer))
{
	g_test_add(path, LdapTest, NULL, ldap_test_set_up, function, ldap_test_tear_down);
}

int
main(int argc, char **argv)
{
	/* none of these may count */
	g_setenv("LDAPSIZELIMIT", "3", TRUE);
	g_setenv("LDAPURI", "ldap://127.0.0.99:1", TRUE);
	g_setenv("LDAPTLS_REQCERT", "never", TRUE);
	g_test_init(&argc, &argv, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* the script that starts the server ends before it */
	pv_net_init();
	g_assert_null(g_getenv("LDAPNOINIT"));
	g_test_add_func("/net/ldap/escapes", ldap_test_escapes);
	g_test_add_func("/net/ldap/names", ldap_test_names);
	g_test_add_func("/net/ldap/codes", ldap_test_codes);
	g_test_add_func("/net/ldap/much", ldap_test_much);
	g_test_add_func("/net/ldap/password-needs-encryption", ldap_test_password_needs_encryption);
	ldap_test_add("/net/ldap/security", ldap_test_security);
	ldap_test_add("/net/ldap/certificates", ldap_test_certificates);
	ldap_test_add("/net/ldap/logins", ldap_test_logins);
	ldap_test_add("/net/ldap/writes", ldap_test_writes);
	ldap_test_add("/net/ldap/password", ldap_test_password);
	ldap_test_add("/net/ldap/policy", ldap_test_policy);
	ldap_test_add("/net/ldap/pages", ldap_test_pages);
	ldap_test_add("/net/ldap/gssapi", ldap_test_gssapi);
	ldap_test_add("/net/ldap/hangs", ldap_test_hangs);
	ldap_test_add("/net/ldap/cancelled", ldap_test_cancelled);
	ldap_test_add("/net/ldap/killed", ldap_test_killed);
	return g_test_run();
}
