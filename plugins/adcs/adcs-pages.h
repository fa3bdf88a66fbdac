/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "adcs-enrol.h"

G_BEGIN_DECLS

/* The pages of "Certification Authority Web Enrollment" (/certsrv). They are localised: the addresses in them are matched
 * first, numbers and HRESULTs second, words last. */

#define ADCS_PAGE_MAX_BYTES (256 * 1024)

/* The form of certfnsh.asp; @template: (nullable): name or OID. g_bytes_unref() */
GBytes *adcs_pages_new_form(GBytes *csr_der, const char *template);

/* The answer of certfnsh.asp. Issued: the number only, the certificate is to be fetched. FALSE: as adcs_enrol_parse() */
gboolean adcs_pages_parse_submitted(GBytes *page, AdcsAnswer *answer, GError **error);

/* The answer of certnew.cer, when it is no certificate: pending or denied. */
gboolean adcs_pages_parse_waiting(GBytes *page, AdcsAnswer *answer, GError **error);

/* How often the CA's certificate was renewed, of certcarc.asp: the number of its newest one. FALSE: PV_ERROR_PROTOCOL */
gboolean adcs_pages_parse_renewals(GBytes *page, guint *renewals, GError **error);

G_END_DECLS
