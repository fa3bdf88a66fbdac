/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <provost/param.h>
#include <provost/report.h>

G_BEGIN_DECLS

/* What a certificate should be. All lent for the call. */
typedef struct {
	const char *uuid;             /* of the device */
	const char *template_name;    /* the CA's name for the kind of certificate; NULL: its default */
	const char *common_name;      /* subject CN, at most 64 characters (RFC 5280, ub-common-name) */
	const char *const *dns_names; /* subjectAltName dNSName */
	const char *const *ekus;      /* extended key usages, dotted OIDs */
	guint days;                   /* validity; 0: the CA's choice */
	const char *upn;              /* subjectAltName otherName userPrincipalName, ACCOUNT@REALM; NULL: none */
	gboolean as_device;           /* the device's own account asks, not the site's */
	const char *amt_version;      /* firmware that is to use it, such as "16.1.27"; NULL: not known. Filled in by the core */
} PvCertRequest;

typedef enum {
	PV_CA_ISSUED,
	PV_CA_PENDING,  /* ask again with the cookie, not before .not_before_sec from now */
	PV_CA_DENIED,   /* .text says why */
} PvCaOutcome;

/* A CA's answer. Owned by the caller, who clears it with pv_ca_reply_clear(). */
typedef struct {
	PvCaOutcome outcome;
	GBytes *certificate;   /* DER; when issued */
	char *cookie;          /* opaque, without secrets; when pending */
	guint not_before_sec;  /* when pending: seconds from now */
	char *text;            /* disposition text; may be NULL */
	GPtrArray *chain;      /* of GBytes DER, in any order: what came along with the certificate; NULL: nothing */
} PvCaReply;

void pv_ca_reply_clear(PvCaReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PvCaReply, pv_ca_reply_clear)

/* What must be in the request, told by the CA before the device or the engine signs it. */
typedef struct {
	char *template_extension; /* dotted OID or name for the CA's template extension; NULL: none */
	PvSecret *challenge;      /* challengePassword; NULL: none */
	gboolean subject_only;    /* leave the SAN out: the CA makes it itself */
} PvCaPreparation;

void pv_ca_preparation_clear(PvCaPreparation *preparation);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PvCaPreparation, pv_ca_preparation_clear)

/* The device's own directory account, where it is the one that asks. A CA that logs in does so with exactly this one, in
 * a session of its own; several devices ask at the same time. Lent for the call. */
typedef struct {
	const char *account;
	const char *realm;
	PvSecret *password;
} PvCaIdentity;

/* A request that waits for a person to decide. Owned; free with pv_ca_waiting_free(). */
typedef struct {
	char *id;      /* for decide */
	char *name;    /* common name that is asked for */
	char *uuid;    /* of the device; NULL: not known */
	gint64 since;  /* seconds since 1970 */
} PvCaWaiting;

void pv_ca_waiting_free(PvCaWaiting *waiting);

/**
 * PvCa:
 *
 * A certification authority provider: PKI only, it never talks to a device. Functions may be called from
 * several threads at once. The core, not the plugin, orders chains and checks every answer.
 */
typedef struct {
	const char *type;       /* "type" in the site's ca object; unique over all plugins */
	const char *summary;
	const PvParam *params;  /* ends with {NULL}; NULL: none */
	gpointer (*open)(const PvValues *values, GError **error);
	void (*close)(gpointer ca);
	gboolean (*prepare)(gpointer ca, const PvCertRequest *request, PvCaPreparation *preparation, GCancellable *cancellable, GError **error);
	/* @identity: (nullable): NULL: the CA's own login, as the site configures it */
	/* idempotent: the same CSR for the same request gives the same certificate or cookie, as long as that is good */
	gboolean (*submit)(gpointer ca, const PvCertRequest *request, GBytes *csr_der, const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error);
	/* csr_der: the one that was submitted */
	gboolean (*poll)(gpointer ca, const PvCertRequest *request, GBytes *csr_der, const char *cookie, const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error);
	/* the CA's own certificates, root included, in any order: (transfer container) GPtrArray of GBytes DER */
	GPtrArray *(*chain)(gpointer ca, GCancellable *cancellable, GError **error);
	gboolean (*revoke)(gpointer ca, GBytes *certificate, guint reason, GCancellable *cancellable, GError **error); /* reason: RFC 5280 CRLReason */
	/* looks, and asks for no certificate: a row for each of login, templates, dates of its own certificates ...; FALSE only
	 * where nothing could be looked at */
	gboolean (*check)(gpointer ca, PvReport *report, GCancellable *cancellable, GError **error);
	/* The rest is optional; NULL member: this CA has nothing of the kind. */
	/* what was issued under a serial number, upper case hex: (transfer full), DER; REJECTED: nothing was */
	GBytes *(*find)(gpointer ca, const char *serial, GCancellable *cancellable, GError **error);
	/* requests that wait for a person: (transfer container) of PvCaWaiting, oldest first */
	GPtrArray *(*list_waiting)(gpointer ca, GCancellable *cancellable, GError **error);
	/* decides on one; @text: (nullable): why it is denied; REJECTED: there is no such request */
	gboolean (*decide)(gpointer ca, const char *id, gboolean approve, const char *text, GCancellable *cancellable, GError **error);
	/* what has to be done from time to time though nobody asks, such as renewing a revocation list; the service calls it every few
	 * hours, on its main thread: it must not wait for anybody */
	gboolean (*maintain)(gpointer ca, GError **error);
} PvCa;

G_END_DECLS
