/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "adcs-policy.h"

#include <provost/fetch.h>
#include <provost/kerberos.h>

G_BEGIN_DECLS

/* The service's own login, shared by all threads. */
typedef struct {
	const PvValues *values; /* lent; outlives it */
	AdcsAuth auth;
	gboolean pages;         /* of certsrv, where a password goes into HTTP and not into the message */
	GMutex mutex;
	PvKerberos *kerberos;   /* NULL: not logged in yet; protected by mutex */
} AdcsLogin;

/* Who asks in one call: a connection of its own, and what goes into each message. */
typedef struct {
	PvFetch *fetch;
	char *user;             /* WSSE; NULL: TLS or HTTP tells */
	PvSecret *password;
	char *name;             /* of whoever asks, for texts and as key */
} AdcsSession;

gboolean adcs_login_init(AdcsLogin *login, const PvValues *values, gboolean pages, GError **error); /* CONFIG: what is missing or too much */
void adcs_login_clear(AdcsLogin *login);
gboolean adcs_login_has_service(const AdcsLogin *login); /* FALSE: only devices can ask */

/* The service's tickets, got now if need be. (transfer full) */
PvKerberos *adcs_login_ref_service(AdcsLogin *login, GCancellable *cancellable, GError **error);

/* @identity: (nullable): NULL: the service itself. Nothing of a device's login is shared with another call. */
gboolean adcs_session_open(AdcsSession *session, AdcsLogin *login, const PvCaIdentity *identity, GCancellable *cancellable, GError **error);
void adcs_session_clear(AdcsSession *session);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AdcsSession, adcs_session_clear)

/* Posts a SOAP message. (transfer full): an envelope, which may be a fault; NULL: there was none, and why */
GBytes *adcs_session_post_message(AdcsSession *session, const char *url, GBytes *message, GCancellable *cancellable, GError **error);

/* certsrv: GET without @form, else POST. @is_page: (out): it is HTML, not a certificate */
GBytes *adcs_session_get_page(AdcsSession *session, const char *url, GBytes *form, gboolean *is_page, GCancellable *cancellable, GError **error);

G_END_DECLS
