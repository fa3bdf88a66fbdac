/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PvError:
 * @PV_ERROR_CONFIG: what the administrator wrote cannot work; nothing is tried again until it is changed
 * @PV_ERROR_AUTH: credentials are invalid or lack a right; never retried, for firmware locks logins
 * @PV_ERROR_UNREACHABLE: the peer is off, busy or out of reach; retried with back-off
 * @PV_ERROR_REJECTED: the peer understood and said no; retrying the same is useless
 * @PV_ERROR_UNSUPPORTED: the device or server lacks the feature
 * @PV_ERROR_PROTOCOL: the peer's answer makes no sense
 * @PV_ERROR_PENDING: not yet; the job is parked and the stage runs again later
 * @PV_ERROR_FAILED: anything else, a defect of a plugin included
 *
 * The codes of the one error domain, by what happens next. Cancelled operations keep
 * G_IO_ERROR_CANCELLED. Texts are lower case, without a full stop, and hold no secret.
 */
typedef enum {
	PV_ERROR_CONFIG,
	PV_ERROR_AUTH,
	PV_ERROR_UNREACHABLE,
	PV_ERROR_REJECTED,
	PV_ERROR_UNSUPPORTED,
	PV_ERROR_PROTOCOL,
	PV_ERROR_PENDING,
	PV_ERROR_FAILED,
} PvError;

#define PV_ERROR (pv_error_quark())

GQuark pv_error_quark(void); /* behind PV_ERROR */

/**
 * pv_error_get_name:
 * @error: (nullable): an error of any domain
 *
 * Returns: the name of the code as logs and JSON carry it, such as "auth"; "cancelled" for
 * G_IO_ERROR_CANCELLED, "failed" for what is of another domain. A constant.
 */
const char *pv_error_get_name(const GError *error);

G_END_DECLS
