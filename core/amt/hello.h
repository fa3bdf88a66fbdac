/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/amt/provcert.h"

G_BEGIN_DECLS

/* The message that AMT sends to the provisioning server (Intel AMT SDK, "Setup Mode Hello Messages"). */
typedef struct {
	gboolean credentials_set; /* the admin's password is no longer the factory's */
	guint16 version;          /* 2 PSK, 3 PKI */
	guint32 retry;            /* 0 for the first packet */
	char uuid[37];            /* lower case, with dashes */
	char pid[9];              /* version 2 */
	GArray *hashes;           /* version 3: of PvRootHash, owned */
} PvHello;

#define PV_HELLO_MAX_BYTES 16000

PvHello *pv_hello_parse(const guint8 *data, gsize length_bytes, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void pv_hello_free(PvHello *hello);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvHello, pv_hello_free)

/* UUIDs that boards share: all zeros, all ones, 03000200-0400-0500-0006-000700080009. Also FALSE for what is no UUID. */
gboolean pv_uuid_is_usable(const char *uuid);

G_END_DECLS
