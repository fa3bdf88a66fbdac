/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <krb5.h>

G_BEGIN_DECLS

/* How KDCs are found and spoken to. All lent. */
typedef struct {
	const char *realm;         /* whose KDCs the next line lists */
	const char *const *kdcs;   /* HOST or HOST:PORT; NULL: as for other realms, by krb5.conf and DNS */
	guint timeout_msec;        /* for one KDC */
	gint *first;               /* index of the pinned one that answered last; atomic */
} PvKdcOptions;

/* What a KDC answered. */
typedef struct {
	GBytes *message;           /* DER */
	char *from;                /* "HOST:PORT" */
	gint64 time_sec;           /* its clock, seconds since 1970, where the answer is an error; 0: not told */
	gint32 code;               /* of the error (RFC 4120 7.5.9); 0: it is none */
} PvKdcReply;

void pv_kdc_reply_clear(PvKdcReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PvKdcReply, pv_kdc_reply_clear)

/**
 * pv_kdc_exchange:
 * @context: whose profile lists KDCs of realms without pinned ones
 *
 * Sends a message to a KDC of @realm over TCP (RFC 4120 7.2.2), one after the other until one answers. Never
 * longer than the limit for each.
 *
 * Returns: FALSE with PV_ERROR_UNREACHABLE that names all, PV_ERROR_CONFIG (there are none), G_IO_ERROR_CANCELLED.
 */
gboolean pv_kdc_exchange(krb5_context context, const PvKdcOptions *options, const char *realm, GBytes *message, PvKdcReply *reply, GCancellable *cancellable, GError **error);

G_END_DECLS
