/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/error.h>

#include <gio/gio.h>

G_DEFINE_QUARK(pv - error - quark, pv_error)

static const char *const error_names[] = {
	[PV_ERROR_CONFIG] = "config",
	[PV_ERROR_AUTH] = "auth",
	[PV_ERROR_UNREACHABLE] = "unreachable",
	[PV_ERROR_REJECTED] = "rejected",
	[PV_ERROR_UNSUPPORTED] = "unsupported",
	[PV_ERROR_PROTOCOL] = "protocol",
	[PV_ERROR_PENDING] = "pending",
	[PV_ERROR_FAILED] = "failed",
};

const char *
pv_error_get_name(const GError *error)
{
	if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
		return "cancelled";
	if (error == NULL || error->domain != PV_ERROR || error->code < 0 ||
	    error->code >= (int)G_N_ELEMENTS(error_names))
		return "failed";
	return error_names[error->code];
}
