/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/ldap-private.h"

#include "tests/fuzz/fuzz.h"

#include <string.h>

/* The first byte says what the rest is: a server's text with a result, or a name that somebody wrote. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	if (length == 0)
		return 0;
	g_autofree char *text = g_strndup((const char *)data + 1, length - 1);
	g_autoptr(GError) error = NULL;
	PvLdapResult result = { 0 };
	if (data[0] == 'd') {
		g_autofree char *parent = pv_ldap_dup_dn_parent(text);
		if (pv_ldap_dn_equal(text, text) && parent != NULL && pv_ldap_dn_equal(text, parent))
			g_error("a DN equals its parent");
		return 0;
	}
	if (data[0] == 'v') {
		g_autofree char *value = pv_ldap_dup_dn_value(text);
		g_autofree char *dn = g_strdup_printf("cn=%s,dc=com", value);
		g_autofree char *parent = pv_ldap_dup_dn_parent(dn);
		/* whatever the name, it stays one part of the DN */
		if (*text != '\0' && g_utf8_validate(text, -1, NULL) && g_strcmp0(parent, "dc=com") != 0)
			g_error("\"%s\" became more than one part", text);
		return 0;
	}
	pv_ldap_result_set(&result, data[0], text, text);
	if (data[0] % 2 == 0)
		pv_ldap_result_set_error(&result, "ldap1:389", &error);
	else
		pv_ldap_result_set_login_error(&result, "ldap1:389", "cn=me", &error);
	pv_ldap_result_clear(&result);
	fuzz_check_error(FALSE, error);
	return 0;
}
