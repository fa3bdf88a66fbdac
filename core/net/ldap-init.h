/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Once, before the first thread; pv_net_init() calls it. libldap then knows nothing of ldap.conf, .ldaprc and LDAP* variables, and
 * liblber, which builds requests with passwords in them, wipes what it frees. */
void pv_ldap_init(void);
