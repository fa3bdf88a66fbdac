/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/engine/pipeline.h"
#include "core/net/tls.h"
#include "core/store/db.h"

#include <provost/kerberos.h>

G_BEGIN_DECLS

/* A pair to try when the device asks for a login and its own password is not known. */
typedef struct {
	char *user;
	PvValues *values; /* with the SECRET parameter "password"; lent by the site */
} PvCandidate;

typedef struct {
	char *name;
	char *pipeline; /* name of a pipeline of the site */
	PvTlsPolicy tls; /* "tls": "modern" or "legacy" */
} PvGroup;

/* Whom certificates of devices chain to; see pv_site_dup_trust(). */
typedef struct PvSiteTrust PvSiteTrust;
typedef struct PvSiteKerberos PvSiteKerberos;

/* One deployment: site.json and what it names, open. Immutable after pv_site_open() but for the store's contents. */
typedef struct {
	char *file;
	PvJson *json;
	PvValues *values; /* of the members that every site has */
	PvLoader *loader;
	const PvStore *store_provider;
	PvValues *store_values;
	char *key_source; /* for pv_key_load() */
	PvDb *db; /* NULL: opened without the store */
	const PvDirectory *directory; /* NULL: none */
	PvValues *directory_values;
	gpointer directory_handle;
	const PvCa *ca; /* NULL: none */
	PvValues *ca_values;
	gpointer ca_handle;
	PvSiteTrust *trust; /* the CA's chain and the files of "trust" */
	GPtrArray *identities; /* of PvIdentity: provisioning certificates */
	PvIdentity *client; /* what managed devices get that ask for a certificate; NULL: none */
	GPtrArray *candidates; /* of PvCandidate */
	GHashTable *variables; /* char* -> char*: "variables" of the site, site.X in conditions */
	GHashTable *groups; /* char* -> PvGroup */
	char *default_pipeline;
	GHashTable *pipelines; /* char* -> PvPipeline */
	char *dns_suffix; /* suffix the devices get from DHCP option 15; NULL: that of the FQDN */
	char *listen_address; /* hello listener; default "0.0.0.0" */
	guint listen_port; /* 9971 */
	guint device_port; /* 16993 */
	guint workers; /* threads; default 64 */
	gboolean login_kerberos; /* by ticket first, where a device is managed */
	PvSiteKerberos *kerberos; /* the service's own login; NULL: opened without the store */
	guint login_attempts; /* at most, per job and device; default 4, below the firmware's 10 */
	guint connect_msec, request_msec;
} PvSite;

typedef enum {
	PV_SITE_CONFIG_ONLY = 1 << 0, /* parse and check; open neither store, directory nor CA */
	PV_SITE_NO_CERTIFICATES = 1 << 1, /* load none of its own, which may be missing or wrong */
	PV_SITE_STORE_ONLY = 1 << 2, /* open the store alone: what else there is may need a secret that is not in it yet */
} PvSiteFlags;

/* facts that the engine, the import or the hello listener makes before the first stage; ends with NULL */
extern const char *const pv_site_facts[];

/**
 * pv_site_open:
 * @path: (nullable): site.json; NULL: $PROVOST_SITE, then SYSCONFDIR/provost/site.json
 * @actor: for the audit log
 *
 * Relative paths in the file are relative to its folder. PV_ERROR_CONFIG with file, line and path.
 */
PvSite *pv_site_open(const char *path, const char *actor, PvSiteFlags flags,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;
void pv_site_free(PvSite *site);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSite, pv_site_free)

/* the group's settings; NULL: none of that name */
const PvGroup *pv_site_find_group(const PvSite *site, const char *name);
/* pipeline of a device by its group; CONFIG when there is none */
PvPipeline *pv_site_find_pipeline(const PvSite *site, const char *group, GError **error);

/* A row for all that is wrong with an opened site, beyond what kept it from opening: provisioning certificates,
 * candidate secrets that do not resolve; when @online also whatever directory and CA find. Owned by the caller. */
PvReport *pv_site_check(PvSite *site, gboolean online, GCancellable *cancellable);

/**
 * pv_site_dup_trust:
 * @trust: (out) (transfer full) (nullable): NULL with TRUE: the site has neither CA nor "trust"
 *
 * Asks the CA for its chain at the first need and once a day; where it does not answer, the chain that the store keeps
 * is used, so that devices can be managed without it. Any thread. Errors: the CA's, while nothing is kept.
 */
gboolean pv_site_dup_trust(PvSite *site, PvTrust **trust, GCancellable *cancellable,
    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Keeps the intermediates among certificates that came with a CA's answer, which has been checked. @chain: of GBytes DER */
void pv_site_learn_chain(PvSite *site, GPtrArray *chain);

PvSiteTrust *pv_site_trust_new(PvSite *site);
PvSiteTrust *pv_site_trust_new_fixed(PvTrust *trust); /* for tests: no CA is asked */
guint pv_site_trust_count_waiting(PvSiteTrust *trust); /* for tests: who has nothing to go by until the CA answers */
void pv_site_trust_free(PvSiteTrust *trust);

/* What the site's pipelines ask of its directory, by the parameters that refer to it. */
typedef struct {
	char **ous, **groups, **names; /* owned */
	PvDirectoryNeeds directory; /* the same, for a provider */
} PvSiteNeeds;

void pv_site_needs_init(PvSiteNeeds *needs, PvSite *site);
void pv_site_needs_clear(PvSiteNeeds *needs);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PvSiteNeeds, pv_site_needs_clear)

/* The provider's own rows; the site has a directory. */
gboolean pv_site_check_directory(
    PvSite *site, PvReport *report, GCancellable *cancellable, GError **error);

/**
 * pv_site_dup_kerberos:
 * @kerberos: (out) (transfer full): the service's login by the directory's account; NULL without an error: it has none
 *
 * Logs in at first need, and keeps the login for all threads. After a failure the next try is a minute later;
 * until then the same error.
 */
gboolean pv_site_dup_kerberos(PvSite *site, PvKerberos **kerberos, GCancellable *cancellable, GError **error);
/* The login of the person who runs the program, by his default credential cache; asks the directory's KDCs where he is of its
 * realm. (transfer full) */
PvKerberos *pv_site_login_user(PvSite *site, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;
PvSiteKerberos *pv_site_kerberos_new(void);
PvSiteKerberos *pv_site_kerberos_new_fixed(PvKerberos *kerberos); /* for tests: no directory is asked */
void pv_site_kerberos_free(PvSiteKerberos *kerberos);

G_END_DECLS
