/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The tokens around a Kerberos AP-REQ and its AP-REP: RFC 4178, RFC 4121 section 4.1, RFC 2743 section 3.1 */

typedef enum {
	PV_SIM_SPNEGO_RAW, /* Kerberos alone */
	PV_SIM_SPNEGO_KERBEROS, /* in SPNEGO */
	PV_SIM_SPNEGO_MS_KERBEROS, /* ... under the number that Windows 2000 gave it by mistake */
} PvSimSpnego;

/* The AP-REQ in a client's first token; lent by @data. NULL: malformed, or Kerberos is not what it tries first. */
const guint8 *pv_sim_spnego_read(gconstpointer data, gsize length, PvSimSpnego *kind, gsize *ap_length);
/* What goes back; @ap_rep: NULL: the client does not ask for one. g_byte_array_unref(); NULL: nothing goes back. */
GByteArray *pv_sim_spnego_reply(PvSimSpnego kind, gconstpointer ap_rep, gsize length);

G_END_DECLS
