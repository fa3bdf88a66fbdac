/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/trace.h"

#include <string.h>
#include <unistd.h>
#include <glib/gstdio.h>

static void
trace_test_redacted(void)
{
	static const struct {
		const char *in;
		const char *out;
	} rows[] = {
		{ "<r:DigestPassword>c2VjcmV0</r:DigestPassword>",
		    "<r:DigestPassword>***</r:DigestPassword>" },
		{ "<a><Password>S</Password><HostName>pc1</HostName></a>",
		    "<a><Password>***</Password><HostName>pc1</HostName></a>" },
		{ "<g:NetworkAdminPassword>S</g:NetworkAdminPassword>",
		    "<g:NetworkAdminPassword>***</g:NetworkAdminPassword>" },
		{ "<g:Passphrase>S</g:Passphrase>", "<g:Passphrase>***</g:Passphrase>" },
		{ "<g:MasterKey>S</g:MasterKey>", "<g:MasterKey>***</g:MasterKey>" },
		{ "<g:KeyBlob>S</g:KeyBlob>", "<g:KeyBlob>***</g:KeyBlob>" },
		{ "<g:ProvisioningServerOTP>S</g:ProvisioningServerOTP>",
		    "<g:ProvisioningServerOTP>***</g:ProvisioningServerOTP>" },
		{ "<r:ProtectedAccessCredential>S</r:ProtectedAccessCredential><r:PACPassword>S</r:PACPassword>",
		    "<r:ProtectedAccessCredential>***</r:ProtectedAccessCredential><r:PACPassword>***</r:PACPassword>" },
		{ "<q:PSKValue>S</q:PSKValue><q:PSKPassPhrase>S</q:PSKPassPhrase>",
		    "<q:PSKValue>***</q:PSKValue><q:PSKPassPhrase>***</q:PSKPassPhrase>" },
		{ "<r:PID>S</r:PID><r:PPS>S</r:PPS>", "<r:PID>***</r:PID><r:PPS>***</r:PPS>" },
		{ "<g:PasswordModel>1</g:PasswordModel>", "<g:PasswordModel>1</g:PasswordModel>" },
		{ "<g:Password/><b>x</b>", "<g:Password/><b>x</b>" },
		{ "<g:Password a='1'>S<!-- S --><![CDATA[S]]><i>S</i></g:Password>",
		    "<g:Password a='1'>***</g:Password>" },
		/* broken in all the ways that could show what follows */
		{ "<g:Password>S", "<g:Password>***" },
		{ "<g:Password>S</g:Passwor", "<g:Password>***" },
		{ "<g:Password>S</h:Password>S", "<g:Password>***" },
		{ "text <unclosed S", "text " },
		{ "", "" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *copy = g_memdup2(rows[i].in, strlen(rows[i].in));
		g_autofree char *out =
		    pv_trace_dup_redacted(copy != NULL ? copy : "", strlen(rows[i].in));
		g_assert_cmpstr(out, ==, rows[i].out);
	}
}

static void
trace_test_file(void)
{
	g_autofree char *dir = g_dir_make_tmp("pv-trace-XXXXXX", NULL);
	g_autoptr(PvTrace) trace = pv_trace_open(dir, "../a b");
	g_assert_nonnull(trace);
	pv_trace_request(trace, "POST", "/wsman", TRUE, "<Password>S3cret</Password>", 27);
	pv_trace_reply(trace, "HTTP/1.1 200 OK\r\n\r\n", "<a/>", 4);
	g_clear_pointer(&trace, pv_trace_close);

	g_autofree char *path = g_build_filename(dir, "___a_b.log", NULL);
	GStatBuf info;
	g_assert_cmpint(g_stat(path, &info), ==, 0);
	g_assert_cmpint(info.st_mode & 0777, ==, 0600);
	g_autofree char *text = NULL;
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_nonnull(strstr(text, "Authorization: ***"));
	g_assert_nonnull(strstr(text, "HTTP/1.1 200 OK\n"));
	g_assert_null(strstr(text, "S3cret"));

	/* a link is not followed: the folder may be anybody's */
	g_autofree char *target = g_build_filename(dir, "target", NULL);
	g_autofree char *link = g_build_filename(dir, "link.log", NULL);
	g_assert_cmpint(symlink(target, link), ==, 0);
	g_assert_null(pv_trace_open(dir, "link"));
	g_assert_cmpint(g_access(target, 0), !=, 0);
	g_unlink(link);
	g_unlink(path);
	g_rmdir(dir);
	pv_trace_note(NULL, "no trace, no harm");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/amt/trace/redacted", trace_test_redacted);
	g_test_add_func("/amt/trace/file", trace_test_file);
	return g_test_run();
}
