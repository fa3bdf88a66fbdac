/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/test-kdc.h"

#include "tests/lib/test-folder.h"

#include <gssapi/gssapi_ext.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define TEST_KDC_PATH "/usr/sbin:/sbin:/usr/bin:/bin"
#define TEST_KDC_WAIT_USEC (20 * G_USEC_PER_SEC)

static const char *
test_kdc_find_missing(const char *clock)
{
	static const char *const programs[] = { "krb5kdc", "kadmin.local", "kdb5_util", NULL };
	for (guint i = 0; programs[i] != NULL; i++) {
		g_autofree char *sbin = g_build_filename("/usr/sbin", programs[i], NULL);
		g_autofree char *path = g_find_program_in_path(programs[i]);
		if (path == NULL && !g_file_test(sbin, G_FILE_TEST_IS_EXECUTABLE))
			return "krb5kdc, kadmin.local and kdb5_util (krb5-kdc, krb5-admin-server)";
	}
	g_autofree char *faketime = g_find_program_in_path("faketime");
	return clock != NULL && faketime == NULL ? "faketime" : NULL;
}

/* A test that aborts leaves nothing behind. */
static void
test_kdc_die_with_parent(gpointer data)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static GSubprocess *
test_kdc_spawn(TestKdc *kdc, const char *const *argv, gboolean with_input)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
	    G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE |
	    (with_input ? G_SUBPROCESS_FLAGS_STDIN_PIPE : G_SUBPROCESS_FLAGS_NONE));
	g_autofree char *config = g_build_filename(kdc->dir, "krb5.conf", NULL);
	g_autofree char *profile = g_build_filename(kdc->dir, "kdc.conf", NULL);
	g_subprocess_launcher_setenv(launcher, "PATH", TEST_KDC_PATH, TRUE);
	g_subprocess_launcher_setenv(launcher, "KRB5_CONFIG", config, TRUE);
	g_subprocess_launcher_setenv(launcher, "KRB5_KDC_PROFILE", profile, TRUE);
	g_subprocess_launcher_set_child_setup(launcher, test_kdc_die_with_parent, NULL, NULL);
	g_autofree char *program = g_find_program_in_path(argv[0]);
	g_autofree char *sbin = g_build_filename("/usr/sbin", argv[0], NULL);
	g_autoptr(GPtrArray) line = g_ptr_array_new();
	g_ptr_array_add(line, program != NULL ? program : sbin);
	for (guint i = 1; argv[i] != NULL; i++)
		g_ptr_array_add(line, (gpointer)argv[i]);
	g_ptr_array_add(line, NULL);
	GSubprocess *process =
	    g_subprocess_launcher_spawnv(launcher, (const char *const *)line->pdata, &error);
	g_assert_no_error(error);
	return process;
}

static void
test_kdc_run(TestKdc *kdc, const char *const *argv, const char *input)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *said = NULL;
	g_autoptr(GSubprocess) process = test_kdc_spawn(kdc, argv, input != NULL);
	g_assert_true(g_subprocess_communicate_utf8(process, input, NULL, &said, NULL, &error));
	g_assert_no_error(error);
	/* kadmin.local ends with 0 whatever it was told */
	g_autoptr(GRegex) complaint = g_regex_new("^[a-z_]+: ", G_REGEX_MULTILINE, 0, NULL);
	if (!g_subprocess_get_successful(process) ||
	    (input != NULL && g_regex_match(complaint, said, 0, NULL)))
		g_error("%s: %s", argv[0], said);
}

static void
test_kdc_configure(TestKdc *kdc)
{
	g_autofree char *config =
	    g_strdup_printf("[libdefaults]\ndefault_realm = %s\ndns_lookup_kdc = false\n"
			    "rdns = false\n[realms]\n%s = {\nkdc = %s\n}\n",
		kdc->realm, kdc->realm, kdc->address);
	g_autofree char *profile = g_strdup_printf(
	    "[kdcdefaults]\nkdc_listen = \"\"\nkdc_tcp_listen = %s\n[realms]\n%s = {\n"
	    "database_name = %s/principal\nkey_stash_file = %s/stash\n}\n"
	    "[logging]\nkdc = FILE:%s/kdc.log\n",
	    kdc->address, kdc->realm, kdc->dir, kdc->dir, kdc->dir);
	g_autofree char *first = pv_test_write(kdc->dir, "krb5.conf", config, 0600);
	g_autofree char *second = pv_test_write(kdc->dir, "kdc.conf", profile, 0600);
}

static void
test_kdc_await(TestKdc *kdc)
{
	gint64 until_usec = g_get_monotonic_time() + TEST_KDC_WAIT_USEC;
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_socket_client_set_enable_proxy(client, FALSE);
	for (;;) {
		g_autoptr(GSocketConnection) connection =
		    g_socket_client_connect_to_host(client, kdc->address, 88, NULL, NULL);
		if (connection != NULL)
			return;
		g_assert_cmpint(g_get_monotonic_time(), <, until_usec);
		g_usleep(10000);
	}
}

TestKdc *
test_kdc_new(const char *realm, const char *clock, const char **missing)
{
	g_autoptr(GError) error = NULL;
	*missing = test_kdc_find_missing(clock);
	if (*missing != NULL)
		return NULL;
	g_autoptr(TestKdc) kdc = g_new0(TestKdc, 1);
	int pid = (int)getpid();
	kdc->realm = g_strdup(realm);
	kdc->dir = g_dir_make_tmp("provost-kdc-XXXXXX", &error);
	g_assert_no_error(error);
	kdc->address = g_strdup_printf(
	    "127.%d.%d.%d:18888", 1 + pid / 250 % 250, 1 + pid % 250, clock != NULL ? 201 : 200);
	test_kdc_configure(kdc);
	const char *const create[] = { "kdb5_util", "create", "-s", "-r", realm, "-P", "master",
		NULL };
	test_kdc_run(kdc, create, NULL);
	const char *const serve[] = { "krb5kdc", "-n", NULL };
	const char *const serve_late[] = { "faketime", "-f", clock, "krb5kdc", "-n", NULL };
	kdc->process = test_kdc_spawn(kdc, clock != NULL ? serve_late : serve, FALSE);
	test_kdc_await(kdc);
	return g_steal_pointer(&kdc);
}

void
test_kdc_free(TestKdc *kdc)
{
	if (kdc == NULL)
		return;
	if (kdc->process != NULL) {
		g_subprocess_send_signal(kdc->process, SIGCONT);
		g_subprocess_force_exit(kdc->process);
		(void)g_subprocess_wait(kdc->process, NULL, NULL);
		g_object_unref(kdc->process);
	}
	pv_test_remove_all(kdc->dir);
	g_free(kdc->dir);
	g_free(kdc->address);
	g_free(kdc->realm);
	g_free(kdc);
}

void
test_kdc_command(TestKdc *kdc, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	g_autofree char *line = g_strconcat(text, "\n", NULL);
	const char *const argv[] = { "kadmin.local", NULL };
	test_kdc_run(kdc, argv, line);
}

char *
test_kdc_export(TestKdc *kdc, const char *principal)
{
	static const char taken[] = "/:$@";
	g_autofree char *name = g_strdelimit(g_strdup(principal), taken, '-');
	g_autofree char *file = g_strconcat(name, ".keytab", NULL);
	char *path = g_build_filename(kdc->dir, file, NULL);
	test_kdc_command(kdc, "ktadd -k %s -norandkey %s", path, principal);
	return path;
}

GBytes *
test_kdc_accept(const char *keytab, GBytes *token, const char *binding, char **who)
{
	OM_uint32 minor = 0, ignored = 0;
	gss_cred_id_t credential = GSS_C_NO_CREDENTIAL;
	gss_ctx_id_t session = GSS_C_NO_CONTEXT;
	gss_name_t source = GSS_C_NO_NAME;
	gss_buffer_desc out = GSS_C_EMPTY_BUFFER, name = GSS_C_EMPTY_BUFFER;
	gss_key_value_element_desc elements[] = { { "keytab", (char *)keytab },
		{ "rcache", "none:" } };
	gss_key_value_set_desc store = { 2, elements };
	struct gss_channel_bindings_struct expected = { 0 };
	expected.application_data =
	    (gss_buffer_desc) { binding != NULL ? strlen(binding) : 0, (void *)binding };
	g_assert_cmpuint(gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE,
			     GSS_C_NO_OID_SET, GSS_C_ACCEPT, &store, &credential, NULL, NULL),
	    ==, GSS_S_COMPLETE);
	gsize length = 0;
	const void *bytes = g_bytes_get_data(token, &length);
	gss_buffer_desc in = { length, (void *)bytes };
	OM_uint32 major = gss_accept_sec_context(&minor, &session, credential, &in,
	    binding != NULL ? &expected : GSS_C_NO_CHANNEL_BINDINGS, &source, NULL, &out, NULL,
	    NULL, NULL);
	GBytes *answer = major == GSS_S_COMPLETE ? g_bytes_new(out.value, out.length) : NULL;
	if (answer != NULL && gss_display_name(&minor, source, &name, NULL) == GSS_S_COMPLETE)
		*who = g_strndup(name.value, name.length);
	(void)gss_release_buffer(&ignored, &name);
	(void)gss_release_buffer(&ignored, &out);
	(void)gss_release_name(&ignored, &source);
	(void)gss_delete_sec_context(&ignored, &session, GSS_C_NO_BUFFER);
	(void)gss_release_cred(&ignored, &credential);
	return answer;
}
