/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "adcs-session.h"

G_BEGIN_DECLS

/* An open CA: its settings and what was learnt of it. Threads share it. */
typedef struct {
	const PvValues *values;  /* lent; the site's, which live longer */
	gboolean pages;          /* mode certsrv */
	AdcsLogin login;
	GPtrArray *chain;        /* of GBytes DER, of the file; NULL: none is configured */
	GMutex mutex;
	AdcsPolicy *policy;      /* NULL: not read yet; protected by mutex, as are the others */
	gint64 policy_until;     /* monotonic, usec */
	GHashTable *answers;     /* of adcs_memory_new(); protected by mutex */
} Adcs;

/* Whether the site names a policy service. */
gboolean adcs_has_policy(const Adcs *adcs);

/* The policy, read again after a while, or at once with @anew; the old one while the service is down. (transfer full) */
AdcsPolicy *adcs_get_policy(Adcs *adcs, gboolean anew, GCancellable *cancellable, GError **error);

/* What a request is to be called: of the request, or the site's default. NULL: PV_ERROR_CONFIG */
const char *adcs_get_template(const Adcs *adcs, const PvCertRequest *request, GError **error);

/* The two ways to ask. @cookie: NULL: the first time */
gboolean adcs_ces_ask(Adcs *adcs, AdcsSession *session, const PvCertRequest *request, GBytes *csr_der, const char *cookie, PvCaReply *reply, GCancellable *cancellable, GError **error);
gboolean adcs_web_ask(Adcs *adcs, AdcsSession *session, const PvCertRequest *request, GBytes *csr_der, const char *cookie, PvCaReply *reply, GCancellable *cancellable, GError **error);

/* The CA's certificates, as the services tell them. */
GPtrArray *adcs_ces_get_chain(Adcs *adcs, GCancellable *cancellable, GError **error);
GPtrArray *adcs_web_get_chain(Adcs *adcs, GCancellable *cancellable, GError **error);

/* Adds a row for each service that was asked. */
void adcs_ces_check(Adcs *adcs, AdcsSession *session, PvReport *report, GCancellable *cancellable);
void adcs_web_check(Adcs *adcs, AdcsSession *session, PvReport *report, GCancellable *cancellable);

/* The number of a request as a cookie keeps it: printable, no blanks. */
gboolean adcs_is_request_id(const char *text);

G_END_DECLS
