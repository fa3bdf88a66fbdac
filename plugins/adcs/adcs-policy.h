/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/provost.h>

G_BEGIN_DECLS

/* What a certificate enrolment policy (MS-XCEP 3.1.4.1.3) says of templates and CAs, to the account that asked. */

/* who asks, as an endpoint wants it told: clientAuthentication of MS-XCEP 3.1.4.1.3.2 */
typedef enum {
	ADCS_AUTH_KERBEROS = 2,
	ADCS_AUTH_PASSWORD = 4,
	ADCS_AUTH_CERTIFICATE = 8,
} AdcsAuth;

typedef struct {
	char *name;              /* the template's cn; owned, as are the others */
	char *display_name;      /* NULL: not told */
	char *oid;               /* NULL: not told, as of version 1 templates */
	guint schema;            /* 1: of Windows 2000, known by its name only */
	guint key_bits;          /* at least */
	gboolean may_enroll;     /* the account that asked for the policy; TRUE where that is not told */
	gboolean takes_subject;  /* out of the request; FALSE: from the directory */
	gboolean takes_names;    /* alternative ones, out of the request */
	gboolean waits;          /* for a manager of the CA */
	char **ekus;             /* dotted OIDs; NULL: any */
	GArray *authorities;     /* of guint: AdcsAuthority.reference of those that issue it */
} AdcsTemplate;

typedef struct {
	AdcsAuth auth;
	guint priority;          /* the lowest first */
	char *url;               /* https; owned */
} AdcsEndpoint;

typedef struct {
	guint reference;
	char *name;              /* CN of its certificate; owned */
	GBytes *certificate;     /* DER; owned */
	GPtrArray *endpoints;    /* of AdcsEndpoint; owned */
} AdcsAuthority;

/* Immutable. */
typedef struct {
	gatomicrefcount references;
	GPtrArray *templates;    /* of AdcsTemplate; owned */
	GPtrArray *authorities;  /* of AdcsAuthority; owned */
	GPtrArray *roots;        /* of GBytes DER; what else is needed to verify them; owned, may be empty */
} AdcsPolicy;

/* For those who read one: what is added belongs to the policy, and is lent. */
AdcsPolicy *adcs_policy_new(void);
AdcsTemplate *adcs_policy_add_template(AdcsPolicy *policy, const char *name); /* NULL: there are too many */
AdcsAuthority *adcs_policy_add_authority(AdcsPolicy *policy, GBytes *certificate, guint reference); /* likewise */
void adcs_template_set_flags(AdcsTemplate *template, guint subject_flags, guint enrollment_flags); /* MS-CRTD 2.28 and 2.26 */
void adcs_template_add_authority(AdcsTemplate *template, guint reference);
void adcs_authority_add_endpoint(AdcsAuthority *authority, guint auth, guint priority, const char *url); /* unless it is no https */

AdcsPolicy *adcs_policy_parse(GBytes *body, GError **error); /* PROTOCOL, or as a fault says */
AdcsPolicy *adcs_policy_ref(AdcsPolicy *policy);
void adcs_policy_unref(AdcsPolicy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AdcsPolicy, adcs_policy_unref)

/* by name, by display name or by OID, case-insensitively; lent; NULL: PV_ERROR_CONFIG, which lists what there is */
const AdcsTemplate *adcs_policy_find_template(const AdcsPolicy *policy, const char *wanted, GError **error);

/* Whether the template can give what is asked for; FALSE: PV_ERROR_CONFIG, what to change in it. @as_device: the account that
 * will ask is another one than that which asked for the policy */
gboolean adcs_template_check(const AdcsTemplate *template, const PvCertRequest *request, gboolean as_device, GError **error);

/* Where to ask for it: (transfer container) of char *, lent by @policy, the best first.
 * @template: (nullable): any; @authority: (nullable): name of the CA; NULL: any. NULL: PV_ERROR_CONFIG says what is missing */
GPtrArray *adcs_policy_list_endpoints(const AdcsPolicy *policy, const AdcsTemplate *template, const char *authority, AdcsAuth auth, GError **error);

G_END_DECLS
