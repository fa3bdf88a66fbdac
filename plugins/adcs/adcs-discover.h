/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "adcs-policy.h"

#include <provost/ldap.h>

G_BEGIN_DECLS

/* The policy as Active Directory holds it, for sites without the policy web service: CAs with their enrolment services,
 * templates, and roots, in the forest's configuration. Who may enroll is not told: the CA says it.
 * @kerberos: (nullable): who looks; NULL: "bind-dn" of @values, or nobody
 * @values: the object "discover" of the site's ca */
AdcsPolicy *adcs_discover(const PvValues *values, PvKerberos *kerberos, GCancellable *cancellable, GError **error);

extern const PvParam adcs_discover_params[];

/* One value of msPKI-Enrollment-Servers, added to @authority: priority, kind of login, whether for renewal only, URL, one
 * a line (MS-WCCE 2.2.2.11.2.2). FALSE: it is none */
gboolean adcs_discover_add_server(AdcsAuthority *authority, const char *value);

G_END_DECLS
