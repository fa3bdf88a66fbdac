/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/pac.h"
#include "sim/personality.h"
#include "sim/kerberos.h"
#include "sim/spnego.h"

#include <string.h>

/* What goes without a KDC; tests/integration/samba-kerberos.sh has one. */

#define KERBEROS "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
#define MS_KERBEROS "\x06\x09\x2a\x86\x48\x82\xf7\x12\x01\x02\x02"
#define NTLM "\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a"
#define RAW "\x60\x0f" KERBEROS "\x01\x00" \
		      "AP"

/* S-1-... of a binary SID; g_free() */
static char *
test_sid(GBytes *bytes)
{
	gsize length = 0;
	const guint8 *sid = g_bytes_get_data(bytes, &length);
	GString *text = g_string_new(NULL);
	g_assert_cmpuint(length, ==, 8 + 4 * sid[1]);
	g_string_append_printf(text, "S-%u-%u", sid[0], sid[7]);
	for (gsize at = 8; at < length; at += 4)
		g_string_append_printf(text, "-%u",
		    sid[at] | (guint)sid[at + 1] << 8 | (guint)sid[at + 2] << 16 |
			(guint)sid[at + 3] << 24);
	return g_string_free(text, FALSE);
}

static void
test_load(const char *name, char **data, gsize *length)
{
	g_autofree char *path =
	    g_build_filename(g_getenv("PV_TOP_SRCDIR"), "tests/fuzz/corpus/sim-pac", name, NULL);
	g_autoptr(GError) error = NULL;
	g_file_get_contents(path, data, length, &error);
	g_assert_no_error(error);
}

#define DOMAIN "S-1-5-21-3692313204-516929975-2080013571-"

/* Recorded from Samba 4.17; the second with what Active Directory puts there besides */
static void
kerberos_test_pac(void)
{
	static const struct {
		const char *file;
		const char *sids[9];
	} rows[] = {
		{ "alice",
		    { DOMAIN "1104", DOMAIN "513", DOMAIN "1106", DOMAIN "1109", DOMAIN "1108",
			"S-1-18-1" } },
		{ "resource-groups",
		    { DOMAIN "1104", DOMAIN "513", DOMAIN "1106", "S-1-18-1", "S-1-5-21-9-8-7-1500",
			"S-1-5-21-4-5-6-2001" } },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *data = NULL;
		gsize length = 0;
		test_load(rows[i].file, &data, &length);
		g_autoptr(GPtrArray) sids = pv_sim_pac_read_sids(data, length);
		g_assert_nonnull(sids);
		guint count = 0;
		for (; rows[i].sids[count] != NULL; count++) {
			g_assert_cmpuint(count, <, sids->len);
			g_autofree char *sid = test_sid(sids->pdata[count]);
			g_assert_cmpstr(sid, ==, rows[i].sids[count]);
		}
		g_assert_cmpuint(sids->len, ==, count);
	}
}

/* What is cut off anywhere holds no SIDs at all: half of them would be other rights */
static void
kerberos_test_pac_cut(void)
{
	g_autofree char *data = NULL;
	gsize length = 0;
	test_load("resource-groups", &data, &length);
	while (length > 0 && data[length - 1] == '\0')
		length--; /* of the padding */
	for (gsize cut = 0; cut < length; cut++) {
		g_autofree char *copy = g_memdup2(data, cut); /* ends where its memory ends */
		g_assert_null(pv_sim_pac_read_sids(copy, cut));
	}
}

static void
test_number(char *data, gsize at, guint32 number)
{
	number = GUINT32_TO_LE(number);
	memcpy(data + at, &number, sizeof number);
}

static void
kerberos_test_pac_wrong(void)
{
	static const struct {
		const char *what;
		gsize at;
		guint32 number;
	} rows[] = {
		{ "version", 0, 0x00081002 },
		{ "big endian", 0, 0x00080001 },
		{ "no object", 16, 0 },
		{ "other count of groups than in the array", 128, 5 },
		{ "more groups than anybody has", 128, 0x10000000 },
		{ "string longer than its buffer", 0xF4, 0xFFFFFFF0 },
		{ "no domain", 0xA8, 0 },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *data = NULL;
		gsize length = 0;
		test_load("alice", &data, &length);
		test_number(data, rows[i].at, rows[i].number);
		g_test_message("%s", rows[i].what);
		g_assert_null(pv_sim_pac_read_sids(data, length));
	}
}

static void
kerberos_test_spnego(void)
{
#define INIT(mechanism, length, list) \
	"\x60" length "\x06\x06\x2b\x06\x01\x05\x05\x02\xa0" mechanism list
	static const struct {
		const char *what;
		const char *bytes;
		gsize length;
		int kind; /* -1: refused */
	} rows[] = {
#define ROW(text) text, sizeof text - 1
		{ "Kerberos alone", ROW(RAW), PV_SIM_SPNEGO_RAW },
		{ "Kerberos", ROW(INIT("\x24\x30\x22", "\x2e", "\xa0\x0d\x30\x0b" KERBEROS "\xa2\x11\x04\x0f") "\x60\x0d" KERBEROS "\x01\x00"), PV_SIM_SPNEGO_KERBEROS },
		{ "Kerberos of Windows 2000", ROW(INIT("\x24\x30\x22", "\x2e", "\xa0\x0d\x30\x0b" MS_KERBEROS "\xa2\x11\x04\x0f") "\x60\x0d" KERBEROS "\x01\x00"), PV_SIM_SPNEGO_MS_KERBEROS },
		{ "NTLM first", ROW(INIT("\x25\x30\x23", "\x2f", "\xa0\x0e\x30\x0c" NTLM "\xa2\x11\x04\x0f") "\x60\x0d" KERBEROS "\x01\x00"), -1 },
		{ "an answer and no request", ROW("\x60\x0f" KERBEROS "\x02\x00" "AP"), -1 },
		{ "no token in it", ROW(INIT("\x11\x30\x0f", "\x1b", "\xa0\x0d\x30\x0b" KERBEROS)), -1 },
		{ "longer than it is", ROW("\x60\x84\xff\xff\xff\xff" KERBEROS "\x01\x00"), -1 },
		{ "nothing", "", 0, -1 },
#undef ROW
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		PvSimSpnego kind = PV_SIM_SPNEGO_RAW;
		gsize length = 0;
		g_test_message("%s", rows[i].what);
		g_autofree guint8 *copy = g_memdup2(rows[i].bytes, rows[i].length);
		const guint8 *ap = pv_sim_spnego_read(copy, rows[i].length, &kind, &length);
		g_assert_true((ap != NULL) == (rows[i].kind >= 0));
		if (ap != NULL)
			g_assert_cmpint(kind, ==, rows[i].kind);
		if (ap != NULL && kind == PV_SIM_SPNEGO_RAW)
			g_assert_cmpmem(ap, length, "AP", 2);
		for (gsize cut = 0; cut < rows[i].length; cut++) {
			g_autofree guint8 *part = g_memdup2(rows[i].bytes, cut);
			g_assert_null(pv_sim_spnego_read(part, cut, &kind, &length));
		}
	}
}

static void
kerberos_test_reply(void)
{
	static const char raw[] = "\x60\x0f" KERBEROS "\x02\x00"
				  "AP";
	static const char whole[] = "\xa1\x27\x30\x25\xa0\x03\x0a\x01\x00\xa1\x0b" MS_KERBEROS
				    "\xa2\x11\x04\x0f" "\x60\x0d" KERBEROS "\x02\x00";
	static const char bare[] = "\xa1\x14\x30\x12\xa0\x03\x0a\x01\x00\xa1\x0b" KERBEROS;
	g_autoptr(GByteArray) first = pv_sim_spnego_reply(PV_SIM_SPNEGO_RAW, "AP", 2);
	g_autoptr(GByteArray) second = pv_sim_spnego_reply(PV_SIM_SPNEGO_MS_KERBEROS, "", 0);
	g_autoptr(GByteArray) third = pv_sim_spnego_reply(PV_SIM_SPNEGO_KERBEROS, NULL, 0);
	g_assert_cmpmem(first->data, first->len, raw, sizeof raw - 1);
	g_assert_cmpmem(second->data, second->len, whole, sizeof whole - 1);
	g_assert_cmpmem(third->data, third->len, bare, sizeof bare - 1);
	g_assert_null(pv_sim_spnego_reply(PV_SIM_SPNEGO_RAW, NULL, 0));
}

static PvSimDevice *
test_device(const char *personality_name)
{
	static const guint8 uuid[PV_SIM_UUID_BYTES] = { 0 };
	const PvSimPersonality *personality = pv_sim_personality_find(personality_name);
	g_autoptr(PvSimSwitches) switches = pv_sim_personality_switches(personality);
	g_autoptr(GPtrArray) roots = g_ptr_array_new();
	const PvSimDeviceConfig config = { .name = "pc",
		.fqdn = "pc.example.com",
		.address = "127.0.0.1",
		.uuid = uuid,
		.personality = personality,
		.switches = switches,
		.roots = roots };
	return pv_sim_device_new(&config);
}

static void
test_check(PvSimDevice *device, const char *authorization, PvSimLogin wanted, const char *note)
{
	g_autoptr(PvSimUser) user = NULL;
	g_autofree char *reply = NULL;
	g_autofree char *said = NULL;
	PvSimLogin login = pv_sim_kerberos_check(device, authorization, &user, &reply, &said);
	g_assert_cmpint(login, ==, wanted);
	g_assert_cmpstr(said, ==, note);
	g_assert_null(user);
	g_assert_null(reply);
}

/* What the device does before it looks at a ticket */
static void
kerberos_test_refused(void)
{
	g_autofree char *raw = g_base64_encode((const guchar *)RAW, sizeof RAW - 1);
	g_autofree char *token = g_strconcat("Negotiate ", raw, NULL);
	g_autofree char *large = g_strnfill(4097, 'A');
	g_autofree char *too_large = g_strconcat("negotiate ", large, NULL);
	g_autoptr(PvSimDevice) device = test_device("3.2");
	test_check(device, token, PV_SIM_LOGIN_NONE, NULL);
	PvSimInstance *settings = pv_sim_device_bag(device, "AMT_KerberosSettingData", NULL);
	pv_sim_instance_set(settings, "KrbEnabled", "true");
	test_check(device, NULL, PV_SIM_LOGIN_NONE, NULL);
	test_check(device, "Digest username=\"admin\"", PV_SIM_LOGIN_NONE, NULL);
	test_check(device, "Negotiated", PV_SIM_LOGIN_NONE, NULL);
	test_check(device, "Negotiate ====", PV_SIM_LOGIN_TICKET, "no token of Kerberos");
	test_check(device, too_large, PV_SIM_LOGIN_TICKET,
	    "the token has 4097 characters, more than 4096");
	test_check(device, token, PV_SIM_LOGIN_TICKET, "the device has no key");
	pv_sim_instance_set(settings, "Passphrase", "password");
	pv_sim_instance_set(settings, "Salt", "salt");
	pv_sim_instance_set(settings, "IterationCount", "4000000000");
	pv_sim_kerberos_forget(device);
	test_check(device, token, PV_SIM_LOGIN_TICKET, "the device has no key");
	g_assert_cmpuint(device->counters.tickets_refused, ==, 4);
	g_assert_cmpuint(device->counters.logins_failed, ==, 0);
}

/* Rights by SID: all entries that fit count, if they are enabled and for the network */
static void
kerberos_test_rights(void)
{
	static const guint8 one[] = { 1, 1, 0, 0, 0, 0, 0, 5, 1, 0, 0, 0 };
	static const guint8 two[] = { 1, 1, 0, 0, 0, 0, 0, 5, 2, 0, 0, 0 };
	g_autoptr(PvSimDevice) device = test_device("16.1");
	g_autoptr(GPtrArray) sids = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(sids, g_bytes_new_static(one, sizeof one));
	g_ptr_array_add(sids, g_bytes_new_static(two, sizeof two));
	/* the name is that of the admin, and of an entry with a password: it gives no right */
	const PvSimUser user = { (char *)"admin", sids };
	PvSimAclEntry *entries[] = { pv_sim_device_add_acl(device), pv_sim_device_add_acl(device) };
	for (guint i = 0; i < G_N_ELEMENTS(entries); i++) {
		entries[i]->sid = g_bytes_ref(sids->pdata[i]);
		entries[i]->enabled = TRUE;
		entries[i]->permission = 2;
		entries[i]->realms = G_GUINT64_CONSTANT(1) << (13 + i);
	}
	g_assert_cmpuint(pv_sim_device_find_realms(device, &user), ==, 3 << 13);
	entries[0]->permission = 0;
	g_assert_cmpuint(pv_sim_device_find_realms(device, &user), ==, 2 << 13);
	entries[1]->enabled = FALSE;
	g_assert_cmpuint(pv_sim_device_find_realms(device, &user), ==, 0);
	g_assert_cmpuint(pv_sim_device_find_realms(device, NULL), ==, G_MAXUINT64);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sim/kerberos/pac", kerberos_test_pac);
	g_test_add_func("/sim/kerberos/pac/cut", kerberos_test_pac_cut);
	g_test_add_func("/sim/kerberos/pac/wrong", kerberos_test_pac_wrong);
	g_test_add_func("/sim/kerberos/spnego", kerberos_test_spnego);
	g_test_add_func("/sim/kerberos/spnego/reply", kerberos_test_reply);
	g_test_add_func("/sim/kerberos/refused", kerberos_test_refused);
	g_test_add_func("/sim/kerberos/rights", kerberos_test_rights);
	return g_test_run();
}
