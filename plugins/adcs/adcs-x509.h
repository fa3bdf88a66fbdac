/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <openssl/x509.h>
#include <provost/provost.h>

G_BEGIN_DECLS

#define ADCS_X509_MAX_BYTES (16 * 1024)

/* GPtrArray of GBytes, empty */
GPtrArray *adcs_chain_new(void);

X509 *adcs_x509_parse(GBytes *der); /* NULL: it is none. X509_free() */
char *adcs_x509_dup_common_name(GBytes *der); /* of the subject, one line; NULL: none. g_free() */
gboolean adcs_x509_is_ca(GBytes *der);

G_END_DECLS
