/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/net/ldap-stream.h"

#include <ldap.h>
#include <provost/ldap.h>

G_BEGIN_DECLS

#define PV_LDAP_MAX_MESSAGE (16 * 1024 * 1024) /* bytes of one answer */
#define PV_LDAP_MAX_BYTES (64 * 1024 * 1024) /* of all that a search keeps in memory */

/* What the last request came to. */
typedef struct {
	int code;      /* as pv_ldap_get_code() */
	guint32 win32; /* 0: none */
	guint32 data;  /* of a refused login in Active Directory: the Win32 code after "data"; 0: none */
	char *text;    /* the server's own, cleaned and cut; NULL: none */
	char *matched; /* the part of the DN that is there; NULL: not said */
} PvLdapResult;

typedef struct PvLdapGssapi PvLdapGssapi; /* what a login by Kerberos leaves behind */

struct PvLdap {
	PvLdapStream *stream;
	LDAP *ld; /* NULL: not yet */
	PvLdapResult result;
	guint operation_msec;
	gboolean dead;
	PvLdapGssapi *gssapi; /* NULL: no such login */
};

void pv_ldap_result_clear(PvLdapResult *result);
/* @text: (nullable): diagnosticMessage as the server sent it; parses it */
void pv_ldap_result_set(PvLdapResult *result, int code, const char *text, const char *matched);
/* the error of a failed request: "text (code): cause and remedy: the server says ..." */
void pv_ldap_result_set_error(const PvLdapResult *result, const char *server, GError **error);
void pv_ldap_result_set_login_error(const PvLdapResult *result, const char *server, const char *who, GError **error);

PvLdapEntry *pv_ldap_entry_new(LDAP *ld, LDAPMessage *message); /* NULL: it cannot be parsed */
gsize pv_ldap_entry_get_size(const PvLdapEntry *entry); /* bytes of its values */

/* Lends all to the array, which libldap reads only. Free with pv_ldap_mods_free(). */
LDAPMod **pv_ldap_change_make_mods(const PvLdapChange *change);
void pv_ldap_mods_free(LDAPMod **mods);
gboolean pv_ldap_change_has_secret(const PvLdapChange *change);
gboolean pv_ldap_change_is_addition(const PvLdapChange *change); /* nothing but PV_LDAP_ADD */

/* One step of a request: sends nothing. Waits for the answer to @id; the type of the message, or -1 with the error. */
int pv_ldap_await(PvLdap *ldap, int id, int all, LDAPMessage **message, GError **error);
/* a SASL bind request and its answer; *reply NULL where the server sent no credentials. FALSE with the error */
gboolean pv_ldap_step_sasl(PvLdap *ldap, const char *mechanism, GBytes *token, GBytes **reply, gboolean *more, GError **error);

/* SASL GSSAPI. @realm: (nullable): of the server; NULL: that of the login */
gboolean pv_ldap_bind_gssapi(PvLdap *ldap, PvKerberos *kerberos, const char *host, const char *realm, GCancellable *cancellable, GError **error);
void pv_ldap_gssapi_free(PvLdapGssapi *gssapi);

G_END_DECLS
