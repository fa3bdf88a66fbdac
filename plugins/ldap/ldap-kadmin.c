/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ldap-kadmin.h"

#include <kadm5/admin.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#define KADMIN_FIRST_PASSWORD_BYTES 24
#define KADMIN_FIRST_KVNO 1 /* of a new principal, whose random password nobody knows */

struct LdapKadmin {
	char *realm;
	char *principal;
	char *keytab;
	char *server; /* HOST or HOST:PORT; NULL: as krb5.conf says */
	char **kdcs; /* for logins at devices; empty: likewise */
	guint timeout_sec;
};

typedef enum {
	KADMIN_FIND,
	KADMIN_ENSURE,
	KADMIN_SET_PASSWORD,
	KADMIN_REMOVE,
} KadminKind;

/* One session, in a worker: the library waits as long as it likes, and cannot be woken. Whoever asked goes when time is up and leaves
 * it behind; what it has is its own. */
typedef struct {
	gatomicrefcount references;
	KadminKind kind;
	char *realm, *principal, *keytab, *server;
	char **spns;
	PvSecret *password; /* SET_PASSWORD */

	GMutex lock; /* guards what follows */
	GCond changed;
	gboolean done;
	GError *error;
	guint missing; /* FIND: index into spns, or their number: none is */
	guint kvno; /* FIND */
} KadminCall;

typedef struct {
	krb5_context context;
	void *handle;
} KadminSession;

static void
ldap_kadmin_unref_call(gpointer data)
{
	KadminCall *call = data;
	if (!g_atomic_ref_count_dec(&call->references))
		return;
	g_free(call->realm);
	g_free(call->principal);
	g_free(call->keytab);
	g_free(call->server);
	g_strfreev(call->spns);
	pv_secret_unref(call->password);
	g_clear_error(&call->error);
	g_mutex_clear(&call->lock);
	g_cond_clear(&call->changed);
	g_free(call);
}

/* ---- in the worker ---- */

static const char *
ldap_kadmin_get_right(kadm5_ret_t code)
{
	switch (code) {
	case KADM5_AUTH_GET:
		return "i (inquire)";
	case KADM5_AUTH_ADD:
		return "a (add)";
	case KADM5_AUTH_MODIFY:
		return "m (modify)";
	case KADM5_AUTH_DELETE:
		return "d (delete)";
	case KADM5_AUTH_CHANGEPW:
		return "c (change password)";
	default:
		return NULL;
	}
}

static PvError
ldap_kadmin_get_kind(kadm5_ret_t code)
{
	switch (code) {
	case KADM5_RPC_ERROR:
	case KADM5_GSS_ERROR:
	case KRB5_KDC_UNREACH:
	case KADM5_NO_SRV:
		return PV_ERROR_UNREACHABLE;
	case KADM5_BAD_PASSWORD:
	case KRB5KDC_ERR_PREAUTH_FAILED:
	case KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN:
	case KRB5KRB_AP_ERR_BAD_INTEGRITY:
		return PV_ERROR_AUTH;
	case KRB5_KT_NOTFOUND:
	case KADM5_BAD_SERVER_NAME:
	case KADM5_SECURE_PRINC_MISSING:
		return PV_ERROR_CONFIG;
	default:
		return PV_ERROR_REJECTED;
	}
}

/* always FALSE */
static gboolean
ldap_kadmin_fail(KadminCall *call, const KadminSession *session, kadm5_ret_t code, const char *what,
    GError **error)
{
	const char *right = ldap_kadmin_get_right(code);
	if (right != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "%s: the KDC's kadm5.acl does not give %s the right %s: a line \"%s adcim "
		    "HTTP/*@%s\" does",
		    what, call->principal, right, call->principal, call->realm);
		return FALSE;
	}
	const char *text = session->context != NULL
			       ? krb5_get_error_message(session->context, (krb5_error_code)code)
			       : NULL;
	g_set_error(error, PV_ERROR, (int)ldap_kadmin_get_kind(code), "%s: kadmind of %s: %s", what,
	    call->realm, text != NULL ? text : "cannot be asked");
	if (text != NULL)
		krb5_free_error_message(session->context, text);
	return FALSE;
}

static gboolean
ldap_kadmin_log_in(KadminCall *call, KadminSession *session, GError **error)
{
	kadm5_config_params params = { .mask = KADM5_CONFIG_REALM, .realm = call->realm };
	if (call->server != NULL) {
		params.mask |= KADM5_CONFIG_ADMIN_SERVER;
		params.admin_server = call->server;
	}
	kadm5_ret_t code = kadm5_init_krb5_context(&session->context);
	if (code == 0)
		code = kadm5_init_with_skey(session->context, call->principal, call->keytab,
		    (char *)KADM5_ADMIN_SERVICE, /* only read */
		    &params, KADM5_STRUCT_VERSION, KADM5_API_VERSION_4, NULL, &session->handle);
	return code == 0 || ldap_kadmin_fail(call, session, code, "log in to kadmind", error);
}

static void
ldap_kadmin_log_out(KadminSession *session)
{
	if (session->handle != NULL)
		(void)kadm5_destroy(session->handle); /* nothing follows */
	if (session->context != NULL)
		krb5_free_context(session->context);
}

/* The salt of a principal is its own name by default, and so would be six keys of one password; by the realm alone it is one key. */
static const krb5_key_salt_tuple ldap_kadmin_keys[] = {
	{ ENCTYPE_AES256_CTS_HMAC_SHA1_96, KRB5_KDB_SALTTYPE_ONLYREALM },
	{ ENCTYPE_AES128_CTS_HMAC_SHA1_96, KRB5_KDB_SALTTYPE_ONLYREALM },
};

/* 0 for a principal that is not there */
static gboolean
ldap_kadmin_read_kvno(KadminCall *call, KadminSession *session, krb5_principal principal,
    const char *spn, guint *kvno, GError **error)
{
	kadm5_principal_ent_rec entry = { 0 };
	kadm5_ret_t code =
	    kadm5_get_principal(session->handle, principal, &entry, KADM5_PRINCIPAL_NORMAL_MASK);
	*kvno = code == 0 ? (guint)entry.kvno : 0;
	if (code == 0)
		(void)kadm5_free_principal_ent(session->handle, &entry); /* cannot fail */
	return code == 0 || code == KADM5_UNK_PRINC ||
	       ldap_kadmin_fail(call, session, code, spn, error);
}

static gboolean
ldap_kadmin_create(KadminCall *call, KadminSession *session, krb5_principal principal,
    const char *spn, GError **error)
{
	guint8 bytes[KADMIN_FIRST_PASSWORD_BYTES];
	if (RAND_bytes(bytes, sizeof bytes) != 1)
		return ldap_kadmin_fail(call, session, KADM5_FAILURE, spn, error);
	g_autofree char *password = g_base64_encode(bytes, sizeof bytes);
	kadm5_principal_ent_rec entry = { .principal = principal };
	kadm5_ret_t code = kadm5_create_principal_3(session->handle, &entry, KADM5_PRINCIPAL,
	    G_N_ELEMENTS(ldap_kadmin_keys), (krb5_key_salt_tuple *)ldap_kadmin_keys,
	    password); /* only read */
	OPENSSL_cleanse(password, strlen(password));
	return code == 0 || code == KADM5_DUP || ldap_kadmin_fail(call, session, code, spn, error);
}

/* All get the same version: where one differs, somebody else was at it. */
static gboolean
ldap_kadmin_change(KadminCall *call, KadminSession *session, krb5_principal principal,
    const char *spn, guint kvno, GError **error)
{
	kadm5_principal_ent_rec entry = { .principal = principal, .kvno = kvno };
	char *password = (char *)pv_secret_peek(call->password, NULL); /* only read */
	kadm5_ret_t code = kadm5_chpass_principal_3(session->handle, principal, FALSE,
	    G_N_ELEMENTS(ldap_kadmin_keys), (krb5_key_salt_tuple *)ldap_kadmin_keys, password);
	if (code == 0)
		code = kadm5_modify_principal(session->handle, &entry, KADM5_KVNO);
	return code == 0 || ldap_kadmin_fail(call, session, code, spn, error);
}

static gboolean
ldap_kadmin_delete(KadminCall *call, KadminSession *session, krb5_principal principal,
    const char *spn, GError **error)
{
	kadm5_ret_t code = kadm5_delete_principal(session->handle, principal);
	return code == 0 || code == KADM5_UNK_PRINC ||
	       ldap_kadmin_fail(call, session, code, spn, error);
}

/* what is done with one principal; @kvno: what there is of it, and the highest of all */
static gboolean
ldap_kadmin_treat(KadminCall *call, KadminSession *session, const char *spn, guint kvno,
    guint highest, GError **error)
{
	krb5_principal principal = NULL;
	g_autofree char *name = g_strdup_printf("%s@%s", spn, call->realm);
	kadm5_ret_t code = krb5_parse_name(session->context, name, &principal);
	if (code != 0)
		return ldap_kadmin_fail(call, session, code, spn, error);
	gboolean ok = TRUE;
	if (call->kind == KADMIN_ENSURE && kvno == 0)
		ok = ldap_kadmin_create(call, session, principal, spn, error);
	else if (call->kind == KADMIN_SET_PASSWORD)
		ok = ldap_kadmin_change(call, session, principal, spn, highest + 1, error);
	else if (call->kind == KADMIN_REMOVE)
		ok = ldap_kadmin_delete(call, session, principal, spn, error);
	krb5_free_principal(session->context, principal);
	return ok;
}

static gboolean
ldap_kadmin_read_all(KadminCall *call, KadminSession *session, guint *versions, GError **error)
{
	for (guint i = 0; call->spns[i] != NULL; i++) {
		krb5_principal principal = NULL;
		g_autofree char *name = g_strdup_printf("%s@%s", call->spns[i], call->realm);
		kadm5_ret_t code = krb5_parse_name(session->context, name, &principal);
		if (code != 0)
			return ldap_kadmin_fail(call, session, code, call->spns[i], error);
		gboolean ok = ldap_kadmin_read_kvno(
		    call, session, principal, call->spns[i], &versions[i], error);
		krb5_free_principal(session->context, principal);
		if (!ok)
			return FALSE;
	}
	return TRUE;
}

static gboolean
ldap_kadmin_run(KadminCall *call, KadminSession *session, GError **error)
{
	guint count = g_strv_length(call->spns);
	g_autofree guint *versions = g_new0(guint, count + 1);
	if (!ldap_kadmin_log_in(call, session, error) ||
	    !ldap_kadmin_read_all(call, session, versions, error))
		return FALSE;
	guint highest = 0, missing = count;
	gboolean same = TRUE;
	for (guint i = count; i-- > 0;) {
		highest = MAX(highest, versions[i]);
		missing = versions[i] == 0 ? i : missing;
		same = same && versions[i] == versions[0];
	}
	for (guint i = 0; i < count; i++)
		if (call->kind != KADMIN_FIND &&
		    !ldap_kadmin_treat(call, session, call->spns[i], versions[i], highest, error))
			return FALSE;
	g_mutex_lock(&call->lock);
	call->missing = missing;
	call->kvno = same && highest > KADMIN_FIRST_KVNO ? highest : 0;
	g_mutex_unlock(&call->lock);
	return TRUE;
}

static void
ldap_kadmin_work(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
	KadminCall *call = data;
	KadminSession session = { 0 };
	g_autoptr(GError) error = NULL;
	(void)ldap_kadmin_run(call, &session, &error); /* the error says it */
	ldap_kadmin_log_out(&session);
	g_mutex_lock(&call->lock);
	call->error = g_steal_pointer(&error);
	call->done = TRUE;
	g_cond_broadcast(&call->changed);
	g_mutex_unlock(&call->lock);
	g_task_return_boolean(task, TRUE);
}

/* ---- outside of it ---- */

static void
ldap_kadmin_wake(GCancellable *cancellable, gpointer data)
{
	KadminCall *call = data;
	g_mutex_lock(&call->lock);
	g_cond_broadcast(&call->changed);
	g_mutex_unlock(&call->lock);
}

static gboolean
ldap_kadmin_wait(KadminCall *call, guint timeout_sec, GCancellable *cancellable, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + (gint64)timeout_sec * G_USEC_PER_SEC;
	gulong handler = cancellable == NULL ? 0
					     : g_cancellable_connect(cancellable,
						   G_CALLBACK(ldap_kadmin_wake), call, NULL);
	g_mutex_lock(&call->lock);
	while (!call->done && !g_cancellable_is_cancelled(cancellable) &&
	       g_cond_wait_until(&call->changed, &call->lock, deadline))
		;
	gboolean done = call->done;
	GError *problem = done ? g_steal_pointer(&call->error) : NULL;
	g_mutex_unlock(&call->lock);
	if (handler != 0)
		g_cancellable_disconnect(cancellable, handler);
	if (problem != NULL)
		g_propagate_error(error, problem);
	else if (!done && !g_cancellable_set_error_if_cancelled(cancellable, error))
		g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE,
		    "kadmind of %s does not answer in %u seconds: what was asked may or may not "
		    "have been done",
		    call->realm, timeout_sec);
	return done && problem == NULL;
}

/* (transfer full): the call, done; NULL with the error */
static KadminCall *
ldap_kadmin_call(LdapKadmin *kadmin, KadminKind kind, const char *const *spns, PvSecret *password,
    GCancellable *cancellable, GError **error)
{
	KadminCall *call = g_new0(KadminCall, 1);
	g_atomic_ref_count_init(&call->references);
	g_mutex_init(&call->lock);
	g_cond_init(&call->changed);
	call->kind = kind;
	call->realm = g_strdup(kadmin->realm);
	call->principal = g_strdup(kadmin->principal);
	call->keytab = g_strdup(kadmin->keytab);
	call->server = g_strdup(kadmin->server);
	call->spns = g_strdupv((char **)spns);
	call->password = password != NULL ? pv_secret_ref(password) : NULL;
	g_atomic_ref_count_inc(&call->references);
	g_autoptr(GTask) task = g_task_new(NULL, NULL, NULL, NULL);
	g_task_set_task_data(task, call, ldap_kadmin_unref_call);
	g_task_run_in_thread(task, ldap_kadmin_work);
	if (ldap_kadmin_wait(call, kadmin->timeout_sec, cancellable, error))
		return call;
	ldap_kadmin_unref_call(call);
	return NULL;
}

static gboolean
ldap_kadmin_do(LdapKadmin *kadmin, KadminKind kind, const char *const *spns, PvSecret *password,
    GCancellable *cancellable, GError **error)
{
	KadminCall *call = ldap_kadmin_call(kadmin, kind, spns, password, cancellable, error);
	if (call != NULL)
		ldap_kadmin_unref_call(call);
	return call != NULL;
}

gboolean
ldap_kadmin_find(LdapKadmin *kadmin, const char *const *spns, const char **missing, guint *kvno,
    GCancellable *cancellable, GError **error)
{
	KadminCall *call = ldap_kadmin_call(kadmin, KADMIN_FIND, spns, NULL, cancellable, error);
	if (call == NULL)
		return FALSE;
	*missing = spns[call->missing];
	*kvno = call->kvno;
	ldap_kadmin_unref_call(call);
	return TRUE;
}

gboolean
ldap_kadmin_ensure(
    LdapKadmin *kadmin, const char *const *spns, GCancellable *cancellable, GError **error)
{
	return ldap_kadmin_do(kadmin, KADMIN_ENSURE, spns, NULL, cancellable, error);
}

gboolean
ldap_kadmin_set_password(LdapKadmin *kadmin, const char *const *spns, PvSecret *password,
    GCancellable *cancellable, GError **error)
{
	return ldap_kadmin_do(kadmin, KADMIN_SET_PASSWORD, spns, password, cancellable, error);
}

gboolean
ldap_kadmin_remove(
    LdapKadmin *kadmin, const char *const *spns, GCancellable *cancellable, GError **error)
{
	return ldap_kadmin_do(kadmin, KADMIN_REMOVE, spns, NULL, cancellable, error);
}

/* A service name that no device has goes through all that is done for one; or @probe FALSE: is looked for only. */
static gboolean
ldap_kadmin_try(LdapKadmin *kadmin, gboolean probe, GCancellable *cancellable, GError **error)
{
	g_autofree char *random = g_uuid_string_random();
	g_autofree char *spn = g_strdup_printf("HTTP/provost-check-%.8s.invalid:16993", random);
	const char *spns[] = { spn, NULL };
	const char *missing = NULL;
	guint kvno = 0;
	if (!probe)
		return ldap_kadmin_find(kadmin, spns, &missing, &kvno, cancellable, error);
	g_autoptr(PvSecret) password = pv_secret_new(random, -1);
	g_autoptr(GError) ignored = NULL;
	gboolean ok = ldap_kadmin_ensure(kadmin, spns, cancellable, error) &&
		      ldap_kadmin_set_password(kadmin, spns, password, cancellable, error);
	return ldap_kadmin_remove(kadmin, spns, cancellable, ok ? error : &ignored) && ok;
}

void
ldap_kadmin_check(LdapKadmin *kadmin, gboolean probe, PvReport *report, GCancellable *cancellable)
{
	g_autoptr(GError) error = NULL;
	if (!ldap_kadmin_try(kadmin, probe, cancellable, &error))
		pv_report_add(
		    report, PV_REPORT_FAILURE, "kadmin", kadmin->realm, "%s", error->message);
	else
		pv_report_add(report, PV_REPORT_OK, "kadmin", kadmin->realm,
		    probe ? "a principal was made, given a password and deleted" : "it answers");
	pv_report_add(report, PV_REPORT_WARNING, "SIDs in tickets", kadmin->realm,
	    "tickets of a plain MIT KDC carry no SIDs, and AMT's access list knows directory users "
	    "by them alone: "
	    "give people Digest users over TLS");
}

const char *
ldap_kadmin_get_realm(const LdapKadmin *kadmin)
{
	return kadmin->realm;
}

void
ldap_kadmin_fill_login(const LdapKadmin *kadmin, PvKerberosLogin *login)
{
	*login = (PvKerberosLogin) { .realm = kadmin->realm,
		.principal = kadmin->principal,
		.keytab = kadmin->keytab,
		.kdcs = kadmin->kdcs[0] != NULL ? (const char *const *)kadmin->kdcs : NULL };
}

LdapKadmin *
ldap_kadmin_new(const PvValues *values, GError **error)
{
	const char *realm = pv_values_get_string(values, "realm");
	const char *principal = pv_values_get_string(values, "principal");
	if (!g_regex_match_simple(
		"^[A-Z0-9]([A-Z0-9.-]{0,61}[A-Z0-9])?$", realm, G_REGEX_DOLLAR_ENDONLY, 0)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: a realm in upper case is wanted, such as EXAMPLE.COM",
		    pv_values_get_where(values, "realm"));
		return NULL;
	}
	LdapKadmin *kadmin = g_new0(LdapKadmin, 1);
	kadmin->realm = g_strdup(realm);
	kadmin->principal = strchr(principal, '@') != NULL
				? g_strdup(principal)
				: g_strdup_printf("%s@%s", principal, realm);
	kadmin->keytab = g_strdup(pv_values_get_string(values, "keytab"));
	kadmin->server = g_strdup(pv_values_get_string(values, "server"));
	kadmin->kdcs = g_strdupv((char **)pv_values_get_list(values, "kdcs"));
	kadmin->timeout_sec = (guint)pv_values_get_int(values, "timeout");
	return kadmin;
}

void
ldap_kadmin_free(LdapKadmin *kadmin)
{
	if (kadmin == NULL)
		return;
	g_free(kadmin->realm);
	g_free(kadmin->principal);
	g_free(kadmin->keytab);
	g_free(kadmin->server);
	g_strfreev(kadmin->kdcs);
	g_free(kadmin);
}
