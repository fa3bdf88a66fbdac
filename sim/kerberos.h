/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/digest.h"

G_BEGIN_DECLS

/* Login by a ticket, `Authorization: Negotiate` of RFC 4559: amt/01 section 3, amt/05. A device has one key, from what
 * AMT_KerberosSettingData was given, and no directory: it takes whatever that key decrypts, and looks up the SIDs of the
 * ticket's PAC in its access list. One token makes a login; there is no second round. */

#define PV_SIM_NEGOTIATE "Negotiate"

/* Does the challenge offer it? */
gboolean pv_sim_kerberos_is_offered(const PvSimDevice *device);
/* @authorization: the header's value or NULL. NONE: it is another kind of login. OK: @user: pv_sim_user_free(). @reply:
 * the value of WWW-Authenticate that proves the device to the client, or NULL: g_free(). @note: why not, for the log:
 * g_free(). */
PvSimLogin pv_sim_kerberos_check(PvSimDevice *device, const char *authorization, PvSimUser **user, char **reply, char **note);
/* The key is another, or none: forgets what was made of it */
void pv_sim_kerberos_forget(PvSimDevice *device);

G_END_DECLS
