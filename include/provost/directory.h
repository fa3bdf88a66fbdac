/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <provost/param.h>
#include <provost/report.h>

G_BEGIN_DECLS

/* What a device's account should be. All lent for the call. */
typedef struct {
	const char *uuid;          /* of the device */
	const char *name;          /* account name, complete, such as "pc1$iME" */
	const char *fqdn;          /* DNS host name */
	const char *ou;            /* container; NULL: the directory's default */
	const char *const *spns;   /* servicePrincipalName, complete */
	const char *const *groups; /* names or DNs the account is a member of */
	const char *id;            /* PvAccount.id of last time, by which a moved or renamed account is found; NULL: by name */
	const char *server;        /* PvAccount.server of this job, tried first, so that a job sees one replica; NULL: any */
	const char *address;       /* IP address or host name of the device; NULL: not known */
	const char *mac;           /* aa:bb:cc:dd:ee:ff; NULL: not known */
	guint encryption_types;    /* bits of msDS-SupportedEncryptionTypes (MS-KILE 2.2.7); 0: the directory's choice */
} PvAccountSpec;

/* What ensure would change beyond name, DNS host name, SPNs and groups. Owned by its account. */
typedef struct {
	char *property, *from, *to; /* from NULL: none */
} PvAccountDifference;

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
	char *id;        /* objectGUID (MS-ADTS) or entryUUID (RFC 4530) as text; NULL: the directory has none */
	char *server;    /* that answered, HOST or HOST:PORT; NULL: there is only one */
	GPtrArray *differences; /* of PvAccountDifference; NULL: none */
} PvAccount;

void pv_account_free(PvAccount *account);
/* For a provider's find: one more change that ensure would make; a row of the stage's plan. */
void pv_account_add_difference(PvAccount *account, const char *property, const char *from, const char *to);

/* What a site asks of its directory, gathered from its pipelines. Lists end with NULL and are never NULL. Lent. */
typedef struct {
	const char *const *ous;    /* containers of accounts, DNs */
	const char *const *groups; /* whose members accounts become, names or DNs */
	const char *const *names;  /* users and groups whose SIDs are looked up */
} PvDirectoryNeeds;

struct PvKerberosLogin;
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
	/* a row for each container, right, group and name that the site needs; FALSE only where nothing could be looked at */
	gboolean (*check)(gpointer directory, const PvDirectoryNeeds *needs, PvReport *report, GCancellable *cancellable, GError **error);
	/* what the directory's administrator runs to give the service just the rights it needs: commands, a line each, comments
	 * with '#'. (transfer full). NULL member: there is nothing of the kind */
	char *(*delegation)(gpointer directory, const PvDirectoryNeeds *needs, GCancellable *cancellable, GError **error);
	/* the service's own Kerberos login, for devices and CAs; its strings are lent until close. NULL member: it has none */
	gboolean (*kerberos)(gpointer directory, struct PvKerberosLogin *login, GError **error);
} PvDirectory;

G_END_DECLS
