/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Names as Active Directory has them. Nothing here talks to anybody. */

#define AD_MAX_DN 1024
#define AD_MAX_DOMAIN 253 /* RFC 1035, 2.3.4 */

/* DC=example,DC=com of "example.com" */
char *ad_name_dup_base(const char *domain);
/* "example.com", lower case, of the DC parts at the end of a DN; NULL: it has none */
char *ad_name_dup_domain(const char *dn);
/* FALSE with CONFIG: @domain is no DNS name of a domain; @where stands in front */
gboolean ad_name_check_domain(const char *domain, const char *where, GError **error);
/* what follows the first RDN; NULL: nothing does. Lent by @dn. An escaped comma ends nothing (RFC 4514, 2.4) */
const char *ad_name_get_parent(const char *dn);
/* value of the first RDN, unescaped; NULL: there is none */
char *ad_name_dup_rdn(const char *dn);
/* whether @dn is @base or below it: case and blanks around the separators do not count */
gboolean ad_name_is_below(const char *dn, const char *base);
/* the same object: case and blanks around the separators do not count */
gboolean ad_name_is_same(const char *a, const char *b);
/* A container as it was configured, relative ones such as "OU=AMT" made complete with @base. CONFIG: no DN */
char *ad_name_dup_container(const char *text, const char *base, GError **error);
/* An object that lost against another of its name when two domain controllers met (MS-ADTS 3.1.1.5.1.6); its RDN holds
 * a line feed, which a DN shows as \0A */
gboolean ad_name_is_conflict(const char *dn);

/* sAMAccountName of a computer: the account's name and "$", which every computer's ends with (MS-SAMR 3.1.1.6). CONFIG:
 * it cannot be one, with what to change */
char *ad_name_dup_sam(const char *name, GError **error);
/* Kerberos salt of a computer's keys (MS-KILE 3.1.1.2): REALM, "host", the account's name without "$" and the realm,
 * both in small letters, with a dot between */
char *ad_name_dup_salt(const char *realm, const char *sam);

/* "S-1-5-21-..." of a SID's bytes (MS-DTYP 2.4.2.2); NULL: it is none */
char *ad_sid_to_string(const guint8 *data, gsize length);
gboolean ad_sid_is_text(const char *text);
/* of the domain BUILTIN, S-1-5-32: it means another group on every computer */
gboolean ad_sid_is_builtin(const char *sid);
/* "4c4c4544-..." of objectGUID's bytes (MS-DTYP 2.3.4.2); NULL: not 16 bytes */
char *ad_guid_to_string(const guint8 *data, gsize length);
/* \44\45... for a filter (RFC 4515); NULL: not the text of a GUID */
char *ad_guid_dup_filter(const char *text);

/* Value of unicodePwd (MS-ADTS 3.1.1.3.1.5): in quotes, UTF-16LE. NULL: no UTF-8. Wipe with explicit_bzero() before
 * g_free() */
guint8 *ad_name_dup_unicode_pwd(const char *password, gsize length, gsize *size);
/* Seconds since 1970 of GeneralizedTime as "20080102030405.0Z"; -1: it is none */
gint64 ad_name_parse_time(const char *text);

G_END_DECLS
