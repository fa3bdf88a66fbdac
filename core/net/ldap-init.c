/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/ldap-init.h"

#include <glib.h>
#include <lber.h>
#include <ldap.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <string.h>

static void
ldap_init_free(void *block, void *context)
{
	if (block != NULL)
		OPENSSL_cleanse(block, malloc_usable_size(block));
	free(block);
}

static void *
ldap_init_malloc(ber_len_t size, void *context)
{
	return malloc(size);
}

static void *
ldap_init_calloc(ber_len_t count, ber_len_t size, void *context)
{
	return calloc(count, size);
}

static void *
ldap_init_realloc(void *block, ber_len_t size, void *context)
{
	void *larger = malloc(size);
	if (block == NULL || larger == NULL)
		return larger;
	memcpy(larger, block, MIN(size, malloc_usable_size(block)));
	ldap_init_free(block, context);
	return larger;
}

void
pv_ldap_init(void)
{
	BerMemoryFunctions functions = { .bmf_malloc = ldap_init_malloc,
		.bmf_calloc = ldap_init_calloc,
		.bmf_realloc = ldap_init_realloc,
		.bmf_free = ldap_init_free };
	/* refused where another part of the program has used liblber before; nothing is lost but the wiping */
	(void)ber_set_option(NULL, LBER_OPT_MEMORY_FNS, &functions);

	/* the library looks at its files and variables once, at its first use, unless this variable is set then */
	g_autofree char *before = g_strdup(g_getenv("LDAPNOINIT"));
	LDAPAPIInfo info = { .ldapai_info_version = LDAP_API_INFO_VERSION };
	g_setenv("LDAPNOINIT", "1", TRUE);
	if (ldap_get_option(NULL, LDAP_OPT_API_INFO, &info) == LDAP_OPT_SUCCESS) {
		ber_memvfree((void **)info.ldapai_extensions);
		ldap_memfree(info.ldapai_vendor_name);
	}
	if (before != NULL)
		g_setenv("LDAPNOINIT", before, TRUE);
	else
		g_unsetenv("LDAPNOINIT");
}
