/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/net/tls.h"

G_BEGIN_DECLS

/**
 * pv_client_certificate_check:
 * @roots: (nullable): of GBytes, DER: the trusted roots of the device; NULL: not checked
 * @names: (nullable): its TrustedCN; NULL or empty: any name will do
 * @now: seconds; 0: the clock's
 *
 * Whether a device with mutual authentication would let us in with the certificate (Intel AMT SDK, AMT_TLSSettingData):
 * its purpose, dates of the whole chain, chain to a root, common name. PV_ERROR_CONFIG says what is wrong, and what to do.
 */
gboolean pv_client_certificate_check(const PvIdentity *identity, GPtrArray *roots, const char *const *names, gint64 now, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
