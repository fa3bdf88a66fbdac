/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ad-name.h"
#include "ad-netlogon.h"

#include <provost/error.h>
#include <string.h>

static void
name_test_dns(void)
{
	g_autofree char *base = ad_name_dup_base("ad.example.com");
	g_assert_cmpstr(base, ==, "DC=ad,DC=example,DC=com");
	static const struct {
		const char *dn, *domain, *parent, *rdn;
	} rows[] = {
		{ "CN=a,OU=b,DC=Ad,DC=Example,DC=com", "ad.example.com",
		    "OU=b,DC=Ad,DC=Example,DC=com", "a" },
		{ "CN=Doe\\, John,DC=com", "com", "DC=com", "Doe, John" },
		{ "CN=PC\\0ACNF:1234,OU=x", NULL, "OU=x", "PC\nCNF:1234" },
		{ "cn = a , dc = b", NULL, "dc = b", "a " },
		{ "OU=a", NULL, NULL, "a" },
		{ "CN=back\\\\,DC=x", "x", "DC=x", "back\\" },
		{ "DC=x,OU=y", NULL, "OU=y", "x" },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *domain = ad_name_dup_domain(rows[i].dn);
		g_autofree char *rdn = ad_name_dup_rdn(rows[i].dn);
		g_assert_cmpstr(domain, ==, rows[i].domain);
		g_assert_cmpstr(rdn, ==, rows[i].rdn);
		g_assert_cmpstr(ad_name_get_parent(rows[i].dn), ==, rows[i].parent);
	}
	g_assert_true(ad_name_is_same("CN=A, OU=b,DC=c", "cn=a,ou=B,dc=C"));
	g_assert_true(ad_name_is_same("CN=a\\2Cb,DC=c", "CN=a\\,b,DC=c"));
	g_assert_false(ad_name_is_same("CN=a\\,b,DC=c", "CN=a,b=,DC=c"));
	g_assert_true(ad_name_is_below("CN=a,OU=b,DC=c", "ou=b,dc=c"));
	g_assert_true(ad_name_is_below("OU=b,DC=c", "OU=b,DC=c"));
	g_assert_false(ad_name_is_below("CN=a,OU=bb,DC=c", "U=bb,DC=c"));
	g_assert_false(ad_name_is_below("CN=a,OU=bb,DC=c", "OU=b,DC=c"));
	g_assert_true(ad_name_is_conflict("CN=PC1\\0ACNF:0f1d,OU=AMT,DC=c"));
	g_assert_false(ad_name_is_conflict("CN=CNF:0f1d,OU=AMT,DC=c"));
}

static void
name_test_containers(void)
{
	static const struct {
		const char *text, *dn; /* NULL: refused */
	} rows[] = {
		{ "OU=AMT", "OU=AMT,DC=example,DC=com" },
		{ "OU=AMT Devices,OU=IT", "OU=AMT Devices,OU=IT,DC=example,DC=com" },
		{ "OU=AMT,DC=child,DC=example,DC=com", "OU=AMT,DC=child,DC=example,DC=com" },
		{ "AMT", NULL },
		{ "", NULL },
		{ "OU=", NULL },
		{ "OU=a,,DC=b", NULL },
		{ "OU=a\nb", NULL },
		{ "O(U=a", NULL },
		{ "OU=\xff", NULL },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *dn =
		    ad_name_dup_container(rows[i].text, "DC=example,DC=com", &error);
		g_assert_cmpstr(dn, ==, rows[i].dn);
		if (rows[i].dn == NULL)
			g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
	}
	g_autoptr(GError) error = NULL;
	g_assert_true(ad_name_check_domain("ad.example.com", "x", &error));
	g_assert_false(ad_name_check_domain("ad..com", "x", NULL));
	g_assert_false(ad_name_check_domain("ad.com)(cn=*", "x", NULL));
	g_assert_false(ad_name_check_domain("", "x", &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
}

static void
name_test_accounts(void)
{
	static const struct {
		const char *name, *sam, *salt; /* NULL: refused */
	} rows[] = {
		{ "pc1$iME", "pc1$iME$", "EXAMPLE.COMhostpc1$ime.example.com" },
		{ "PC9-AMT", "PC9-AMT$", "EXAMPLE.COMhostpc9-amt.example.com" },
		{ "PC9$", "PC9$", "EXAMPLE.COMhostpc9.example.com" },
		/* fifteen characters and the suffix: the longest that fits */
		{ "abcdefghijklmno$iME", "abcdefghijklmno$iME$",
		    "EXAMPLE.COMhostabcdefghijklmno$ime.example.com" },
		{ "abcdefghijklmnop$iME", NULL, NULL },
		{ "", NULL, NULL },
		{ "$", NULL, NULL },
		{ "pc 1", NULL, NULL },
		{ "pc1.", NULL, NULL },
		{ "pc,1", NULL, NULL },
		{ "pc*", NULL, NULL },
		{ "pc@x", NULL, NULL },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *sam = ad_name_dup_sam(rows[i].name, &error);
		g_assert_cmpstr(sam, ==, rows[i].sam);
		if (sam == NULL) {
			g_assert_error(error, PV_ERROR, PV_ERROR_CONFIG);
			continue;
		}
		g_autofree char *salt = ad_name_dup_salt("example.com", sam);
		g_assert_cmpstr(salt, ==, rows[i].salt);
	}
}

static void
name_test_passwords(void)
{
	gsize size = 0;
	const guint8 plain[] = { '"', 0, 'a', 0, 0xe9, 0, '"', 0 };
	g_autofree guint8 *value = ad_name_dup_unicode_pwd("a\xc3\xa9", 3, &size);
	g_assert_cmpmem(value, size, plain, sizeof plain);
	/* U+1F600 is two units */
	const guint8 pair[] = { '"', 0, 0x3d, 0xd8, 0x00, 0xde, '"', 0 };
	g_autofree guint8 *beyond = ad_name_dup_unicode_pwd("\xf0\x9f\x98\x80", 4, &size);
	g_assert_cmpmem(beyond, size, pair, sizeof pair);
	g_assert_null(ad_name_dup_unicode_pwd("\xff", 1, &size));
}

static void
name_test_sids(void)
{
	const guint8 domain[] = { 1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 2, 0, 0, 0xff, 0xff, 0xff,
		0xff, 3, 0, 0, 0, 0x51, 4, 0, 0 };
	g_autofree char *text = ad_sid_to_string(domain, sizeof domain);
	g_assert_cmpstr(text, ==, "S-1-5-21-513-4294967295-3-1105");
	for (gsize length = 0; length < sizeof domain; length++)
		g_assert_null(ad_sid_to_string(domain, length));
	guint8 bad[sizeof domain];
	memcpy(bad, domain, sizeof bad);
	bad[1] = 16;
	g_assert_null(ad_sid_to_string(bad, sizeof bad));
	bad[1] = 5, bad[0] = 2;
	g_assert_null(ad_sid_to_string(bad, sizeof bad));
	const guint8 large[] = { 1, 0, 1, 0, 0, 0, 0, 0 };
	g_autofree char *hex = ad_sid_to_string(large, sizeof large);
	g_assert_cmpstr(hex, ==, "S-1-0x010000000000");
	g_assert_true(ad_sid_is_text(text) && ad_sid_is_text(hex) && ad_sid_is_text("s-1-5-11"));
	g_assert_false(
	    ad_sid_is_text("S-1") || ad_sid_is_text("S-1-5-x") || ad_sid_is_text("S-1-5-11\n"));
	g_assert_true(ad_sid_is_builtin("S-1-5-32-544") && !ad_sid_is_builtin("S-1-5-321") &&
		      !ad_sid_is_builtin(text));
}

static void
name_test_guids(void)
{
	guint8 guid[16];
	for (guint i = 0; i < sizeof guid; i++)
		guid[i] = (guint8)(i * 17);
	g_autofree char *text = ad_guid_to_string(guid, sizeof guid);
	g_assert_cmpstr(text, ==, "33221100-5544-7766-8899-aabbccddeeff");
	g_autofree char *filter = ad_guid_dup_filter(text);
	g_assert_cmpstr(
	    filter, ==, "\\00\\11\\22\\33\\44\\55\\66\\77\\88\\99\\aa\\bb\\cc\\dd\\ee\\ff");
	g_assert_null(ad_guid_to_string(guid, 15));
	g_assert_null(ad_guid_dup_filter("33221100-5544-7766-8899-aabbccddeef"));
	g_assert_null(ad_guid_dup_filter("33221100-5544-7766-8899-aabbccddeef)"));
}

static void
name_test_times(void)
{
	g_assert_cmpint(ad_name_parse_time("20080102030405.0Z"), ==, 1199243045);
	g_assert_cmpint(ad_name_parse_time("20080102030405Z"), ==, 1199243045);
	static const char *const bad[] = { "", "2008", "20081302030405Z", "20080102030405",
		"20080102030405.0+01", "20080102030405Zx" };
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
		g_assert_cmpint(ad_name_parse_time(bad[i]), ==, -1);
}

/* As a domain controller answers, with compressed names. */
static GByteArray *
netlogon_test_new_response(void)
{
	static const guint8 fixed[24] = { 23, 0, 0, 0, 0xfd, 0x33, 0, 0 };
	GByteArray *out = g_byte_array_new();
	g_byte_array_append(out, fixed, sizeof fixed);
	static const char names[] = "\2ad\7Example\3com\0" /* 24: forest */
				    "\xc0\x18" /* domain: the same */
				    "\3DC1\xc0\x18" /* host */
				    "\2AD\0" /* NetBIOS */
				    "\3DC1\0"
				    "\0" /* no user */
				    "\6Berlin\0"
				    "\5Paris\0";
	g_byte_array_append(out, (const guint8 *)names, sizeof names - 1);
	static const guint8 tail[] = { 5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff };
	g_byte_array_append(out, tail, sizeof tail);
	return out;
}

static void
netlogon_test_response(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GByteArray) data = netlogon_test_new_response();
	g_auto(AdNetlogon) netlogon = { 0 };
	g_assert_true(ad_netlogon_parse_response(&netlogon, data->data, data->len, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(netlogon.forest, ==, "ad.example.com");
	g_assert_cmpstr(netlogon.domain, ==, "ad.example.com");
	g_assert_cmpstr(netlogon.host, ==, "dc1.ad.example.com");
	g_assert_cmpstr(netlogon.netbios, ==, "AD");
	g_assert_cmpstr(netlogon.server_site, ==, "Berlin");
	g_assert_cmpstr(netlogon.client_site, ==, "Paris");
	g_assert_true((netlogon.flags & AD_NETLOGON_WRITABLE) != 0);
	g_assert_true((netlogon.flags & AD_NETLOGON_GC) != 0);
	/* what is cut off is refused, unless only what nobody reads is missing */
	for (guint length = 0; length < data->len - 8; length++) {
		g_auto(AdNetlogon) cut = { 0 };
		g_assert_false(ad_netlogon_parse_response(&cut, data->data, length, NULL));
		g_assert_null(cut.host);
	}
}

static void
netlogon_test_hostile(void)
{
	static const struct {
		guint at;
		guint8 byte;
	} rows[] = {
		{ 0, 19 }, /* another kind of answer */
		{ 24, 0xc0 }, /* a pointer to what lies before, which is no name */
		{ 41, 0x29 }, /* a pointer to itself */
		{ 41, 0x30 }, /* one that goes forward */
		{ 24, 64 }, /* a label that is too long */
		{ 25, '\n' }, /* what would begin a new line in a log */
		{ 25, '/' }, /* no host name */
		{ 24, 0 }, /* no forest */
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(GByteArray) data = netlogon_test_new_response();
		g_auto(AdNetlogon) netlogon = { 0 };
		data->data[rows[i].at] = rows[i].byte;
		g_assert_false(
		    ad_netlogon_parse_response(&netlogon, data->data, data->len, &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_PROTOCOL);
	}
}

static void
netlogon_test_message(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) request = ad_netlogon_new_request("ad.example.com", 5);
	gsize length = 0;
	const guint8 *sent = g_bytes_get_data(request, &length);
	g_assert_cmpuint(sent[0], ==, 0x30);
	g_autofree char *printable = g_strndup((const char *)sent, length);
	for (gsize i = 0; i < length; i++)
		printable[i] = sent[i] >= 0x20 && sent[i] < 0x7f ? (char)sent[i] : '.';
	g_assert_nonnull(strstr(printable, "DnsDomain"));
	g_assert_nonnull(strstr(printable, "ad.example.com"));
	g_assert_nonnull(strstr(printable, "NetLogon"));

	g_autoptr(GByteArray) response = netlogon_test_new_response();
	guint8 n = (guint8)response->len;
	const guint8 head[] = { 0x30, 0x81, (guint8)(n + 29), 2, 1, 5, 0x64, 0x81, (guint8)(n + 23),
		4, 0, 0x30, 0x81, (guint8)(n + 18), 0x30, 0x81, (guint8)(n + 15), 4, 8, 'n', 'e',
		't', 'l', 'o', 'g', 'o', 'n', 0x31, 0x81, (guint8)(n + 2), 4, n };
	g_autoptr(GByteArray) message = g_byte_array_new();
	g_byte_array_append(message, head, sizeof head);
	g_byte_array_append(message, response->data, response->len);
	g_auto(AdNetlogon) netlogon = { 0 };
	g_assert_true(ad_netlogon_parse(&netlogon, message->data, message->len, 5, &error));
	g_assert_no_error(error);
	g_assert_cmpstr(netlogon.host, ==, "dc1.ad.example.com");

	g_auto(AdNetlogon) other = { 0 };
	g_assert_false(ad_netlogon_parse(&other, message->data, message->len, 6, NULL));
	for (guint i = 0; i < message->len; i++)
		g_assert_false(ad_netlogon_parse(&other, message->data, i, 5, NULL));
	message->data[6] = 0x65; /* the end of a search without an entry */
	g_assert_false(ad_netlogon_parse(&other, message->data, message->len, 5, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_PROTOCOL);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/plugins/ad/name/dns", name_test_dns);
	g_test_add_func("/requirements/S07-1.25/container-by-name", name_test_containers);
	g_test_add_func("/plugins/ad/name/accounts", name_test_accounts);
	g_test_add_func("/plugins/ad/name/passwords", name_test_passwords);
	g_test_add_func("/plugins/ad/name/sids", name_test_sids);
	g_test_add_func("/plugins/ad/name/guids", name_test_guids);
	g_test_add_func("/plugins/ad/name/times", name_test_times);
	g_test_add_func("/plugins/ad/netlogon/response", netlogon_test_response);
	g_test_add_func("/plugins/ad/netlogon/hostile", netlogon_test_hostile);
	g_test_add_func("/plugins/ad/netlogon/message", netlogon_test_message);
	return g_test_run();
}
