/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Writes a provisioning PKI for tests to a folder: root, intermediate and leaf "prov.SUFFIX", and variants that
 * firmware must refuse. root.pem, chain.pem (leaf first, root last) and key.pem are the good ones; NAME-chain.pem
 * and NAME-key.pem the variants. Keys are of mode 0600. */
gboolean pv_sim_pki_write(
    const char *folder, const char *suffix, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
