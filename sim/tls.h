/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"

#include <openssl/ssl.h>

G_BEGIN_DECLS

/* TLS of the fleet: contexts are shared by devices of the same kind, identities are the devices' own. Thread-safe. */
typedef struct PvSimTlsStack PvSimTlsStack;

PvSimTlsStack *pv_sim_tls_stack_new(PvSimKeys *keys);
void pv_sim_tls_stack_free(PvSimTlsStack *stack);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimTlsStack, pv_sim_tls_stack_free)

/* A server side for a new connection of this device: in set-up it asks for the provisioning certificate and judges
 * it, or takes TLS-PSK where the device has PID and PPS; later it shows the certificate bound by AMT_TLSCredentialContext. SSL_free(); NULL: out of memory. */
SSL *pv_sim_tls_accept(PvSimTlsStack *stack, PvSimDevice *device);
/* After the handshake: CN of the verified client certificate; g_free(); NULL: there was none */
char *pv_sim_tls_client_name(SSL *ssl);
/* After a failed handshake: why, as tls-refused reports it. Lent until the next call for this device. */
const char *pv_sim_tls_refusal(SSL *ssl, PvSimDevice *device);

/* Judges a provisioning certificate, leaf first: NULL: good; else the reason, a static text (amt/03 section 2) */
const char *pv_sim_tls_judge(const PvSimDevice *device, STACK_OF(X509) * chain);
/* Does the CN of a provisioning certificate fit a DNS suffix, by a suffix-rule? */
gboolean pv_sim_tls_suffix_fits(guint rule, const char *common_name, const char *suffix);
/* Makes the built-in certificate of a device, if it has none */
void pv_sim_tls_ensure_built_in(PvSimTlsStack *stack, PvSimDevice *device);

G_END_DECLS
