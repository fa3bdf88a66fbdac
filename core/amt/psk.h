/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/secret.h>

G_BEGIN_DECLS

/* The pair that a device before AMT 11 and its set-up server share: PID, sent in the open, and PPS, the secret. Each
 * is of A-Z and 0-9 with check characters (Intel AMT SDK, "PID-PPS Checksum"); people write both with dashes. */
#define PV_PSK_PID_LENGTH 8
#define PV_PSK_PPS_LENGTH 32

/* @text as people write it. (transfer full): as it goes over the wire; CONFIG says what is wrong, without repeating a PPS */
char *pv_psk_parse_pid(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
PvSecret *pv_psk_parse_pps(PvSecret *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* With a dash after each four characters, as MEBx shows both. (transfer full) */
char *pv_psk_dup_dashed_pid(const char *pid);
PvSecret *pv_psk_dup_dashed_pps(const PvSecret *pps);

/* A new pair from the system's random numbers. *pid, *pps: (transfer full) */
gboolean pv_psk_new(char **pid, PvSecret **pps, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The secret of the site in which a PPS is kept, "psk.PID". (transfer full) */
#define PV_PSK_SECRET_PREFIX "psk."
char *pv_psk_dup_secret_name(const char *pid);

G_END_DECLS
