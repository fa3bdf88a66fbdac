/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What a server wants in requests (RFC 7030, 4.5.2), as far as it concerns a device. */
typedef struct {
	guint count; /* of what it named, known here or not */
	gboolean challenge; /* challengePassword: the proof that the asker of TLS holds the key */
	gboolean rsa, ec; /* keys of that kind */
	gint64 bits; /* of RSA keys; 0: any */
	char *template_extension; /* of Microsoft's extension: name, or dotted OID; NULL: none */
} EstAttrs;

void est_attrs_clear(EstAttrs *attrs);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EstAttrs, est_attrs_clear)

/* FALSE: the answer makes no sense, PV_ERROR_PROTOCOL */
gboolean est_attrs_parse(GBytes *der, EstAttrs *attrs, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
