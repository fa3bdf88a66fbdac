/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"

G_BEGIN_DECLS

/* HTTP Digest as AMT speaks it: RFC 2617 with MD5, amt/01 section 3, and the back-off of amt/12 */

typedef enum {
	PV_SIM_LOGIN_OK,
	PV_SIM_LOGIN_NONE, /* no or another kind of Authorization: challenge */
	PV_SIM_LOGIN_STALE, /* right password, but the nonce is unknown or used up, or nc did not rise */
	PV_SIM_LOGIN_FAILED,
	PV_SIM_LOGIN_LOCKED, /* refused unseen after too many failures */
	PV_SIM_LOGIN_TICKET, /* the device's key, clock or rules do not take the ticket */
	PV_SIM_LOGIN_STRANGER, /* a good ticket, but no entry of the access list is for its owner */
} PvSimLogin;

/* @authorization: the header's value or NULL; @user: who logged in, g_free() */
PvSimLogin pv_sim_digest_check(PvSimDevice *device, const char *authorization,
    const char *http_method, const char *uri, const char *body, gsize length, char **user);
/* The value of WWW-Authenticate with a new nonce; g_free(). @stale: says that the one before was good, which AMT never
 * does. */
char *pv_sim_digest_challenge(PvSimDevice *device, gboolean stale);

G_END_DECLS
