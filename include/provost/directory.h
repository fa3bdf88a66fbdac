/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <provost/param.h>

G_BEGIN_DECLS

/* What a device's account should be. All lent for the call. */
typedef struct {
	const char *uuid;          /* of the device */
	const char *name;          /* account name, complete, such as "pc1$iME" */
	const char *fqdn;          /* DNS host name */
	const char *ou;            /* container; NULL: the directory's default */
	const char *const *spns;   /* servicePrincipalName, complete */
	const char *const *groups; /* names or DNs the account is a member of */
} PvAccountSpec;

/* What the directory holds. Owned; free with pv_account_free(). */
typedef struct {
	char *dn;
	char *account;   /* account name as the directory shows it */
	char *sid;       /* S-1-...; NULL: the directory has none */
	char *fqdn;
	char *realm;     /* Kerberos realm; NULL: none */
	char *salt;      /* Kerberos salt of the account; NULL: none */
	guint kvno;      /* key version; 0: no password set */
	char **spns;
	char **groups;
} PvAccount;

void pv_account_free(PvAccount *account);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvAccount, pv_account_free)

/**
 * PvDirectory:
 *
 * A directory provider. Every function may be called from several threads at once, honours the
 * cancellable, and never blocks without a time limit. Errors as in PvError.
 */
typedef struct {
	const char *type;             /* "type" in the site's directory object; unique over all plugins */
	const char *summary;
	const PvParam *params;        /* ends with {NULL}; NULL: none */
	gpointer (*open)(const PvValues *values, GError **error);
	void (*close)(gpointer directory);
	/* reads only; *account stays NULL when there is none, which is no error */
	gboolean (*find)(gpointer directory, const PvAccountSpec *spec, PvAccount **account, GCancellable *cancellable, GError **error);
	/* creates it or makes it so, but for the password; idempotent; REJECTED with both DNs when an SPN is taken elsewhere */
	gboolean (*ensure)(gpointer directory, const PvAccountSpec *spec, PvAccount **account, GCancellable *cancellable, GError **error);
	gboolean (*set_password)(gpointer directory, const PvAccountSpec *spec, PvSecret *password, GCancellable *cancellable, GError **error);
	/* SID of a user or group by name, DN, UPN or DOMAIN\name; CONFIG when there is none. (transfer full) */
	char *(*find_sid)(gpointer directory, const char *name, GCancellable *cancellable, GError **error);
	gboolean (*remove)(gpointer directory, const PvAccountSpec *spec, GCancellable *cancellable, GError **error);
	gboolean (*check)(gpointer directory, GCancellable *cancellable, GError **error); /* the rights and containers it needs */
} PvDirectory;

G_END_DECLS
