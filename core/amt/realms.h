/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A realm of the access control list: a group of AMT's functions (Intel AMT SDK, AMT_AuthorizationService). */
typedef struct {
	guint value;         /* as AddUserAclEntryEx takes it */
	const char *name;    /* "RedirectionRealm" */
	const char *ui_name; /* "Redirection", as AMT's web pages say; NULL: none */
	const char *summary; /* NULL: none */
	const char *since;   /* AMT version; NULL: all */
	gboolean assignable; /* may be given to a user */
} PvRealm;

/* By "RedirectionRealm", "Redirection", the name on AMT's web pages, or the number; case does not count. NULL: none. */
const PvRealm *pv_realm_find(const char *name);
const PvRealm *pv_realm_get(guint value);               /* NULL: none */
const PvRealm *pv_realm_get_all(gsize *count);          /* in the order of their values */

G_END_DECLS
