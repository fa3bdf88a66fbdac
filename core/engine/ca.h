/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/engine/site.h"

G_BEGIN_DECLS

/* A certificate that no device gets, to see whether the CA would give one. */
typedef struct {
	PvCertRequest request;
	guint wait_sec; /* for a CA that does not decide at once */
	gboolean keep; /* do not take it back */
} PvCaTry;

typedef enum {
	PV_CA_TRY_FAILED, /* the CA could not be asked */
	PV_CA_TRY_DENIED,
	PV_CA_TRY_PENDING, /* still, at the end of the time */
	PV_CA_TRY_WRONG, /* it issued something else than what was asked for */
	PV_CA_TRY_ISSUED,
} PvCaTryOutcome;

/**
 * pv_ca_check:
 *
 * Looks at the site's CA and asks it for nothing: dates of its own certificates, then what the provider itself has to say.
 * What is wrong is a row of the report. FALSE: the site has no CA, or somebody cancelled.
 */
gboolean pv_ca_check(PvSite *site, PvReport *report, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_ca_try:
 * @outcome: (out): what it came to
 * @reply: what the CA said last; pv_ca_reply_clear()
 *
 * Makes a key and a request in memory, has the CA issue it, checks the answer as one for a device and, unless it is to be
 * kept, revokes it. Each step is a row of the report, up to the one that failed. FALSE as pv_ca_check().
 */
gboolean pv_ca_try(PvSite *site, const PvCaTry *try, PvReport *report, PvCaTryOutcome *outcome, PvCaReply *reply, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * pv_ca_find_certificate:
 * @serial: hexadecimal; colons and case do not matter
 *
 * Returns: (transfer full): what the CA issued under that number, DER; NULL with REJECTED when there is none, or with UNSUPPORTED
 * when this CA does not look them up.
 */
GBytes *pv_ca_find_certificate(PvSite *site, const char *serial, GCancellable *cancellable, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* RFC 5280 CRLReason of a word such as "superseded"; FALSE: there is none */
gboolean pv_ca_parse_reason(const char *word, guint *reason);
/* the words, joined by '|' */
#define PV_CA_REASONS "unspecified|key-compromise|affiliation-changed|superseded|cessation-of-operation|privilege-withdrawn"

/* Serial number, upper case hex, and end, seconds since 1970; NULL: no certificate in DER. (transfer full) */
char *pv_ca_dup_serial(GBytes *der, gint64 *not_after);

G_END_DECLS
