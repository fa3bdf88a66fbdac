/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/kerberos-private.h"

#include "core/net/kdc.h"

#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <openssl/crypto.h>
#include <profile.h>
#include <provost/error.h>
#include <provost/kerberos.h>

#include <string.h>

/* libkrb5 makes and reads the messages, step by step; core/net/kdc.c carries them. Service tickets are got here, into a
 * cache in memory, where GSSAPI finds them by the same name and then has nobody to ask. */
#define KERBEROS_TIMEOUT_MSEC 5000
#define KERBEROS_MAX_STEPS 32 /* pre-authentication takes 3, a walk through realms a few more */
#define KERBEROS_RENEW_SEC 300
#define KERBEROS_KEEP_SEC 3600 /* nobody is still at work with what was lent when its login ended that long ago */
#define KERBEROS_SKEW_SEC 300 /* RFC 4120 1.3: the usual limit, and AMT's highest */

/* one cache in memory and the credential that GSSAPI made of it */
typedef struct {
	char *name; /* "MEMORY:..." */
	gint64 since_sec, until_sec; /* the login: when it was seen first, its end */
	gss_cred_id_t credential; /* GSS_C_NO_CREDENTIAL: nobody asked */
} KerberosCache;

struct PvKerberos {
	gint refs; /* atomic */
	char *realm;
	char *name; /* as asked; NULL: see PvKerberosLogin */
	char *principal; /* NAME@REALM */
	char *keytab;
	char *ccache;
	PvSecret *password;
	char **kdcs; /* NULL: see PvKerberosLogin */
	guint timeout_msec;
	krb5_flags flags; /* of contexts */
	gint first; /* atomic: see PvKdcOptions */
	GMutex lock; /* the next three; held while the login is renewed */
	GError *problem; /* why the last renewal failed; NULL: it did not */
	gint64 problem_usec; /* monotonic: when it did */
	GPtrArray *caches; /* of KerberosCache; the last one is in use, and each has been lent */
};

/* What a call needs of libkrb5; a context is used by one thread only, and so made for each call. */
typedef struct {
	krb5_context context;
	krb5_ccache cache;
	krb5_ccache source;
	krb5_keytab keytab;
	krb5_principal client;
	krb5_principal service;
	krb5_get_init_creds_opt *options;
	krb5_init_creds_context login;
	krb5_tkt_creds_context ticket;
	krb5_creds creds;
	PvKdcReply reply; /* the last one */
} KerberosWork;

static void
kerberos_work_clear(KerberosWork *work)
{
	krb5_context context = work->context;
	pv_kdc_reply_clear(&work->reply);
	if (context == NULL)
		return;
	krb5_free_cred_contents(context, &work->creds);
	if (work->ticket != NULL)
		krb5_tkt_creds_free(context, work->ticket);
	if (work->login != NULL)
		krb5_init_creds_free(context, work->login);
	krb5_get_init_creds_opt_free(context, work->options);
	krb5_free_principal(context, work->service);
	krb5_free_principal(context, work->client);
	if (work->keytab != NULL)
		(void)krb5_kt_close(context, work->keytab);
	if (work->source != NULL)
		(void)krb5_cc_close(context, work->source);
	if (work->cache != NULL)
		(void)krb5_cc_close(context, work->cache);
	krb5_free_context(context);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KerberosWork, kerberos_work_clear)

/* ---- a profile in memory, so that no file decides ---- */

typedef struct {
	const char *name;
	const char *value;
} KerberosSetting;

static const KerberosSetting kerberos_settings[] = {
	{ "dns_canonicalize_hostname", "false" },
	{ "dns_lookup_kdc", "false" },
	{ "dns_lookup_realm", "false" },
	{ "rdns", "false" },
	{ "udp_preference_limit", "1" },
};

static long
kerberos_profile_get(void *data, const char *const *names, char ***values)
{
	const char *name = g_strcmp0(names[0], "libdefaults") == 0 ? names[1] : NULL;
	for (gsize i = 0; name != NULL && i < G_N_ELEMENTS(kerberos_settings); i++)
		if (g_str_equal(name, kerberos_settings[i].name) && names[2] == NULL) {
			*values = g_new0(char *, 2);
			(*values)[0] = g_strdup(kerberos_settings[i].value);
			return 0;
		}
	/* libkrb5 wants to know a KDC before it lets kerberos_answer() ask those we know; nobody is at that port */
	if (g_strcmp0(names[0], "realms") == 0 && names[1] != NULL && g_strcmp0(names[2], "kdc") == 0 &&
	    names[3] == NULL) {
		*values = g_new0(char *, 2);
		(*values)[0] = g_strdup("127.0.0.1:1");
		return 0;
	}
	/* not PROF_NO_SECTION: libkrb5 then loads no plug-ins at all, those for pre-authentication included */
	return PROF_NO_RELATION;
}

static void
kerberos_profile_free(void *data, char **values)
{
	g_strfreev(values);
}

/* ---- errors ---- */

typedef struct {
	krb5_error_code code;
	PvError error;
	const char *text; /* %s: the account or the service */
} KerberosFault;

static const KerberosFault kerberos_login_faults[] = {
	{ KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN, PV_ERROR_AUTH,
	    "the realm has no such account: check its name, or whether it has reached this KDC" },
	{ KRB5KDC_ERR_CLIENT_REVOKED, PV_ERROR_AUTH,
	    "the account is disabled or locked: enable or unlock it in the directory" },
	{ KRB5KDC_ERR_KEY_EXP, PV_ERROR_AUTH,
	    "the password has expired: set a new one in the directory, and here" },
	{ KRB5KDC_ERR_NAME_EXP, PV_ERROR_AUTH,
	    "the account has expired: extend it in the directory" },
	{ KRB5KDC_ERR_CLIENT_NOTYET, PV_ERROR_AUTH,
	    "the account is not valid yet, or needs a new password at the first login" },
	{ KRB5KDC_ERR_ETYPE_NOSUPP, PV_ERROR_CONFIG,
	    "the account has no key of a type that is allowed: let it use AES, and set its "
	    "password anew" },
	{ KRB5KDC_ERR_POLICY, PV_ERROR_REJECTED,
	    "the realm's policy forbids it, such as by hours or by computer: see the KDC's log" },
	{ KRB5_KT_NOTFOUND, PV_ERROR_CONFIG,
	    "the keytab has no key for it: export one with the right name" },
	{ KRB5KRB_AP_ERR_TKT_EXPIRED, PV_ERROR_AUTH, "the ticket has expired: run kinit" },
	{ KRB5_CC_NOTFOUND, PV_ERROR_AUTH, "there is no ticket: run kinit" },
	{ KRB5_FCC_NOFILE, PV_ERROR_AUTH, "there is no ticket: run kinit" },
	{ KRB5_REALM_CANT_RESOLVE, PV_ERROR_CONFIG, "the realm is not known: give \"kdcs\"" },
};

static const KerberosFault kerberos_ticket_faults[] = {
	{ KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN, PV_ERROR_CONFIG,
	    "no account has that service name: register it, as with \"setspn -S NAME ACCOUNT\"; "
	    "the port is a part of it" },
	{ KRB5KDC_ERR_PRINCIPAL_NOT_UNIQUE, PV_ERROR_CONFIG,
	    "several accounts have that service name, so that the KDC can choose none: find them, "
	    "as with \"setspn -F -Q NAME\", and take it from all but one" },
	{ KRB5KDC_ERR_ETYPE_NOSUPP, PV_ERROR_CONFIG,
	    "the service's account has no key of a type that is allowed: let it use AES, and set "
	    "its password anew" },
	{ KRB5KDC_ERR_NULL_KEY, PV_ERROR_CONFIG, "the service's account has no password: set one" },
	{ KRB5KDC_ERR_SERVICE_REVOKED, PV_ERROR_CONFIG,
	    "the service's account is disabled: enable it" },
	{ KRB5KDC_ERR_MUST_USE_USER2USER, PV_ERROR_CONFIG,
	    "the name belongs to a user's account and not to a service" },
	{ KRB5KRB_AP_ERR_TKT_EXPIRED, PV_ERROR_AUTH, "the login has expired: log in anew" },
	{ KRB5KDC_ERR_CLIENT_REVOKED, PV_ERROR_AUTH,
	    "the account is disabled or locked: enable or unlock it in the directory" },
	{ KRB5KDC_ERR_POLICY, PV_ERROR_REJECTED, "the realm's policy forbids it" },
};

static char *
kerberos_dup_time(gint64 time_sec)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(time_sec);
	return time != NULL ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S UTC")
			    : g_strdup("nonsense");
}

/* Told whenever a KDC's clock is seen to differ, whatever else the KDC says: libkrb5 would rather adapt, and the device
 * could not. */
static gboolean
kerberos_check_clock(gint64 kdc_sec, const char *kdc, GError **error)
{
	gint64 now_sec = g_get_real_time() / G_USEC_PER_SEC;
	if (kdc_sec == 0 || ABS(kdc_sec - now_sec) <= KERBEROS_SKEW_SEC)
		return TRUE;
	g_autofree char *ours = kerberos_dup_time(now_sec);
	g_autofree char *theirs = kerberos_dup_time(kdc_sec);
	g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
	    "clock skew: our clock says %s, that of the KDC %s says %s; Kerberos allows 5 minutes: "
	    "set the one that is wrong",
	    ours, kdc != NULL ? kdc : "", theirs);
	return FALSE;
}

static gboolean
kerberos_fail(const KerberosWork *work, krb5_error_code code, const KerberosFault *faults,
    gsize count, GError **error)
{
	if (code == KRB5KRB_AP_ERR_SKEW || code == KRB5_KDCREP_SKEW) {
		/* between two peers whose clocks agree with ours, or did not tell */
		if (kerberos_check_clock(work->reply.time_sec, work->reply.from, error))
			g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
			    "clock skew: the clocks here and of the KDC are more than 5 minutes "
			    "apart: set the one that is wrong");
		return FALSE;
	}
	for (gsize i = 0; i < count; i++)
		if (faults[i].code == code) {
			g_set_error(error, PV_ERROR, (gint)faults[i].error, "%s", faults[i].text);
			return FALSE;
		}
	const char *text =
	    work->context != NULL ? krb5_get_error_message(work->context, code) : NULL;
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "%s (%d)",
	    text != NULL ? text : "Kerberos cannot be set up", (int)code);
	if (text != NULL)
		krb5_free_error_message(work->context, text);
	return FALSE;
}

/* A wrong key shows in two ways: the KDC refuses it, or what the KDC sealed cannot be opened. */
static gboolean
kerberos_fail_login(
    PvKerberos *kerberos, const KerberosWork *work, krb5_error_code code, GError **error)
{
	if (code == KRB5KDC_ERR_PREAUTH_FAILED || code == KRB5KRB_AP_ERR_BAD_INTEGRITY) {
		g_set_error(error, PV_ERROR, PV_ERROR_AUTH, "%s",
		    kerberos->keytab != NULL
			? "the keytab's key is not the account's: the password was changed since; "
			  "export the keytab anew"
			: "the password is wrong");
		return FALSE;
	}
	if (code == ENOENT || code == EACCES || code == KRB5_KT_IOERR) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s",
		    kerberos->keytab != NULL   ? kerberos->keytab
		    : kerberos->ccache != NULL ? kerberos->ccache
					       : "files",
		    code == ENOENT ? "there is no such file" : "it cannot be read");
		return FALSE;
	}
	return kerberos_fail(
	    work, code, kerberos_login_faults, G_N_ELEMENTS(kerberos_login_faults), error);
}

/* ---- contexts, and the way to the KDC ---- */

static krb5_error_code
kerberos_work_init(KerberosWork *work, PvKerberos *kerberos)
{
	krb5_error_code code = 0;
	if (kerberos->kdcs != NULL) {
		struct profile_vtable table = { .minor_ver = 1,
			.get_values = kerberos_profile_get,
			.free_values = kerberos_profile_free };
		profile_t profile = NULL;
		code = (krb5_error_code)profile_init_vtable(&table, NULL, &profile);
		if (code != 0)
			return code;
		code = krb5_init_context_profile(profile, kerberos->flags, &work->context);
		profile_release(profile);
	} else {
		code = krb5_init_context_profile(NULL, kerberos->flags, &work->context);
	}
	if (code == 0 && kerberos->realm != NULL)
		code = krb5_set_default_realm(work->context, kerberos->realm);
	return code;
}

static gboolean
kerberos_exchange(PvKerberos *kerberos, KerberosWork *work, const krb5_data *out,
    const krb5_data *realm, krb5_data *in, GCancellable *cancellable, GError **error)
{
	g_autofree char *name = g_strndup(realm->data, realm->length);
	g_autoptr(GBytes) message = g_bytes_new(out->data, out->length);
	const PvKdcOptions options = {
		.realm = kerberos->realm,
		.kdcs = (const char *const *)kerberos->kdcs,
		.timeout_msec = kerberos->timeout_msec,
		.first = &kerberos->first,
	};
	if (!pv_kdc_exchange(
		work->context, &options, name, message, &work->reply, cancellable, error) ||
	    !kerberos_check_clock(work->reply.time_sec, work->reply.from, error))
		return FALSE;
	gsize length = 0;
	in->data = (char *)g_bytes_get_data(work->reply.message, &length);
	in->length = (unsigned int)length;
	return TRUE;
}

/* Steps through the login, or, if there is one, the ticket of @work. *code: what libkrb5 says at the end; FALSE: the KDC
 * could not be asked. */
static gboolean
kerberos_run(PvKerberos *kerberos, KerberosWork *work, krb5_error_code *code,
    GCancellable *cancellable, GError **error)
{
	krb5_data in = { 0 };
	for (guint step = 0; step < KERBEROS_MAX_STEPS; step++) {
		krb5_data out = { 0 }, realm = { 0 };
		unsigned int flags = 0;
		*code = work->ticket != NULL ? krb5_tkt_creds_step(work->context, work->ticket, &in,
						   &out, &realm, &flags)
					     : krb5_init_creds_step(work->context, work->login, &in,
						   &out, &realm, &flags);
		G_STATIC_ASSERT(
		    KRB5_TKT_CREDS_STEP_FLAG_CONTINUE == KRB5_INIT_CREDS_STEP_FLAG_CONTINUE);
		gboolean more = *code == 0 && (flags & KRB5_TKT_CREDS_STEP_FLAG_CONTINUE) != 0;
		gboolean ok = !more || kerberos_exchange(
					   kerberos, work, &out, &realm, &in, cancellable, error);
		krb5_free_data_contents(work->context, &out);
		krb5_free_data_contents(work->context, &realm);
		if (!more || !ok)
			return ok;
	}
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL, "the KDC asks for more without end");
	return FALSE;
}

/* ---- logging in ---- */

static void
kerberos_cache_free(gpointer data)
{
	KerberosCache *cache = data;
	krb5_context context = NULL;
	krb5_ccache handle = NULL;
	OM_uint32 minor = 0;
	if (cache->credential != GSS_C_NO_CREDENTIAL)
		(void)gss_release_cred(&minor, &cache->credential);
	if (krb5_init_context_profile(NULL, KRB5_INIT_CONTEXT_SECURE, &context) == 0) {
		if (krb5_cc_resolve(context, cache->name, &handle) == 0)
			(void)krb5_cc_destroy(context, handle);
		krb5_free_context(context);
	}
	g_free(cache->name);
	g_free(cache);
}

/* The end of the ticket-granting ticket in a cache that somebody else filled; 0: there is none. */
static gint64
kerberos_find_end(KerberosWork *work)
{
	krb5_cc_cursor cursor = NULL;
	krb5_creds creds = { 0 };
	gint64 until_sec = 0;
	if (krb5_cc_start_seq_get(work->context, work->source, &cursor) != 0)
		return 0;
	while (krb5_cc_next_cred(work->context, work->source, &cursor, &creds) == 0) {
		if (creds.server->length == 2 &&
		    !krb5_is_config_principal(work->context, creds.server) &&
		    creds.server->data[0].length == strlen(KRB5_TGS_NAME) &&
		    memcmp(creds.server->data[0].data, KRB5_TGS_NAME, strlen(KRB5_TGS_NAME)) == 0)
			until_sec = MAX(until_sec, (gint64)(guint32)creds.times.endtime);
		krb5_free_cred_contents(work->context, &creds);
	}
	(void)krb5_cc_end_seq_get(work->context, work->source, &cursor);
	return until_sec;
}

/* Of a credential cache: copies what it holds. */
static krb5_error_code
kerberos_copy_cache(PvKerberos *kerberos, KerberosWork *work, gint64 *until_sec)
{
	krb5_error_code code = krb5_cc_resolve(work->context, kerberos->ccache, &work->source);
	if (code == 0)
		code = krb5_cc_get_principal(work->context, work->source, &work->client);
	if (code == 0) {
		*until_sec = kerberos_find_end(work);
		if (*until_sec <= g_get_real_time() / G_USEC_PER_SEC)
			code = *until_sec == 0 ? KRB5_CC_NOTFOUND : KRB5KRB_AP_ERR_TKT_EXPIRED;
	}
	if (code == 0)
		code = krb5_cc_initialize(work->context, work->cache, work->client);
	if (code == 0)
		code = krb5_cc_copy_creds(work->context, work->source, work->cache);
	return code;
}

/* Whoever the first key belongs to. */
static krb5_error_code
kerberos_find_client(KerberosWork *work)
{
	krb5_kt_cursor cursor = NULL;
	krb5_keytab_entry entry = { 0 };
	krb5_error_code code = krb5_kt_start_seq_get(work->context, work->keytab, &cursor);
	if (code != 0)
		return code;
	code = krb5_kt_next_entry(work->context, work->keytab, &entry, &cursor);
	if (code == 0) {
		code = krb5_copy_principal(work->context, entry.principal, &work->client);
		(void)krb5_free_keytab_entry_contents(work->context, &entry);
	} else if (code == KRB5_KT_END) {
		code = KRB5_KT_NOTFOUND;
	}
	(void)krb5_kt_end_seq_get(work->context, work->keytab, &cursor);
	return code;
}

/* Sets up the exchange with the authentication service. */
static krb5_error_code
kerberos_begin_login(PvKerberos *kerberos, KerberosWork *work)
{
	krb5_error_code code = 0;
	if (kerberos->keytab != NULL) {
		g_autofree char *name = g_strconcat("FILE:", kerberos->keytab, NULL);
		code = krb5_kt_resolve(work->context, name, &work->keytab);
	}
	if (code == 0)
		code = kerberos->name != NULL
			   ? krb5_parse_name(work->context, kerberos->name, &work->client)
			   : kerberos_find_client(work);
	/* the KDCs that were named are those of this realm */
	if (code == 0 && kerberos->realm == NULL)
		kerberos->realm = g_strndup(work->client->realm.data, work->client->realm.length);
	if (code == 0)
		code = krb5_get_init_creds_opt_alloc(work->context, &work->options);
	if (code == 0) {
		krb5_get_init_creds_opt_set_forwardable(work->options, 0);
		krb5_get_init_creds_opt_set_proxiable(work->options, 0);
		code = krb5_init_creds_init(
		    work->context, work->client, NULL, NULL, 0, work->options, &work->login);
	}
	if (code == 0)
		code = kerberos->password != NULL
			   ? krb5_init_creds_set_password(work->context, work->login,
				 pv_secret_peek(kerberos->password, NULL))
			   : krb5_init_creds_set_keytab(work->context, work->login, work->keytab);
	return code;
}

static gboolean
kerberos_ask_for_login(PvKerberos *kerberos, KerberosWork *work, gint64 *until_sec,
    GCancellable *cancellable, GError **error)
{
	krb5_error_code code = kerberos_begin_login(kerberos, work);
	if (code == 0 && !kerberos_run(kerberos, work, &code, cancellable, error))
		return FALSE;
	if (code == 0)
		code = krb5_init_creds_get_creds(work->context, work->login, &work->creds);
	if (code != 0)
		return kerberos_fail_login(kerberos, work, code, error);
	if (!kerberos_check_clock(
		(gint64)(guint32)work->creds.times.authtime, work->reply.from, error))
		return FALSE;
	*until_sec = (gint64)(guint32)work->creds.times.endtime;
	code = krb5_cc_initialize(work->context, work->cache, work->creds.client);
	if (code == 0)
		code = krb5_cc_store_cred(work->context, work->cache, &work->creds);
	return code == 0 || kerberos_fail_login(kerberos, work, code, error);
}

/* The name in full, which is known for certain only now. */
static gboolean
kerberos_note_client(PvKerberos *kerberos, KerberosWork *work, GError **error)
{
	char *name = NULL;
	krb5_error_code code = krb5_unparse_name(work->context, work->client, &name);
	if (code != 0)
		return kerberos_fail_login(kerberos, work, code, error);
	if (kerberos->principal == NULL)
		kerberos->principal = g_strdup(name);
	if (kerberos->realm == NULL)
		kerberos->realm = g_strndup(work->client->realm.data, work->client->realm.length);
	krb5_free_unparsed_name(work->context, name);
	return TRUE;
}

static gboolean
kerberos_fill_cache(PvKerberos *kerberos, KerberosWork *work, gint64 *until_sec,
    GCancellable *cancellable, GError **error)
{
	if (kerberos->ccache == NULL) {
		if (!kerberos_ask_for_login(kerberos, work, until_sec, cancellable, error))
			return FALSE;
	} else {
		krb5_error_code code = kerberos_copy_cache(kerberos, work, until_sec);
		if (code != 0)
			return kerberos_fail_login(kerberos, work, code, error);
	}
	return kerberos_note_client(kerberos, work, error);
}

/* A person's credential cache holds what it held before, until he renews it. */
static gboolean
kerberos_is_no_newer(const PvKerberos *kerberos, gint64 until_sec)
{
	const GPtrArray *caches = kerberos->caches;
	const KerberosCache *last = caches->len > 0 ? caches->pdata[caches->len - 1] : NULL;
	return kerberos->ccache != NULL && last != NULL && until_sec <= last->until_sec;
}

/* The tickets of a fleet are many, and a service runs for years. The last cache stays. */
static void
kerberos_drop_old(PvKerberos *kerberos, gint64 now_sec)
{
	for (guint i = kerberos->caches->len; i > 1; i--) {
		const KerberosCache *cache = kerberos->caches->pdata[i - 2];
		if (cache->until_sec + KERBEROS_KEEP_SEC < now_sec)
			g_ptr_array_remove_index(kerberos->caches, i - 2);
	}
}

/* Logs in, into a new cache. With the lock held, or before anybody else has @kerberos. */
static gboolean
kerberos_log_in(PvKerberos *kerberos, GCancellable *cancellable, GError **error)
{
	g_auto(KerberosWork) work = { 0 };
	gint64 until_sec = 0;
	const char *who = kerberos->principal != NULL ? kerberos->principal
			  : kerberos->name != NULL    ? kerberos->name
			  : kerberos->keytab != NULL  ? kerberos->keytab
						      : kerberos->ccache;
	krb5_error_code code = kerberos_work_init(&work, kerberos);
	if (code == 0)
		code = krb5_cc_new_unique(work.context, "MEMORY", NULL, &work.cache);
	gboolean ok = code == 0
			  ? kerberos_fill_cache(kerberos, &work, &until_sec, cancellable, error)
			  : kerberos_fail_login(kerberos, &work, code, error);
	if (!ok) {
		g_prefix_error(error, "log in to Kerberos as %s: ", who);
		if (work.cache != NULL)
			(void)krb5_cc_destroy(work.context, work.cache);
		work.cache = NULL;
		return FALSE;
	}
	if (kerberos_is_no_newer(kerberos, until_sec)) {
		(void)krb5_cc_destroy(work.context, work.cache);
		work.cache = NULL;
		return TRUE;
	}
	KerberosCache *cache = g_new0(KerberosCache, 1);
	cache->name = g_strconcat("MEMORY:", krb5_cc_get_name(work.context, work.cache), NULL);
	cache->since_sec = g_get_real_time() / G_USEC_PER_SEC;
	cache->until_sec = until_sec;
	g_ptr_array_add(kerberos->caches, cache);
	kerberos_drop_old(kerberos, cache->since_sec);
	return TRUE;
}

static gboolean
kerberos_check_login(const PvKerberosLogin *login, GError **error)
{
	guint ways = (login->keytab != NULL) + (login->ccache != NULL) + (login->password != NULL);
	const char *problem =
	    ways != 1 ? "give a keytab, a credential cache or a password, and only one of them"
	    : login->password != NULL && login->principal == NULL
		? "a password needs the name of an account"
	    : login->realm == NULL && login->password != NULL &&
		    strchr(login->principal, '@') == NULL
		? "the realm is not given"
		: NULL;
	if (problem != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "log in to Kerberos: %s", problem);
	return problem == NULL;
}

/* Where the cache of the user is that started the program; his environment says so. */
static char *
kerberos_dup_default_ccache(void)
{
	krb5_context context = NULL;
	if (krb5_init_context(&context) != 0)
		return g_strdup("FILE:");
	char *name = g_strdup(krb5_cc_default_name(context));
	krb5_free_context(context);
	return name;
}

PvKerberos *
pv_kerberos_login(const PvKerberosLogin *login, GCancellable *cancellable, GError **error)
{
	if (!kerberos_check_login(login, error))
		return NULL;
	gboolean by_default = login->ccache != NULL && *login->ccache == '\0';
	g_autoptr(PvKerberos) kerberos = g_new0(PvKerberos, 1);
	kerberos->refs = 1;
	kerberos->realm = g_strdup(login->realm);
	kerberos->name = g_strdup(login->principal);
	kerberos->keytab = g_strdup(login->keytab);
	kerberos->ccache = by_default ? kerberos_dup_default_ccache() : g_strdup(login->ccache);
	kerberos->password = login->password != NULL ? pv_secret_ref(login->password) : NULL;
	if (login->kdcs != NULL && login->kdcs[0] != NULL)
		kerberos->kdcs = g_strdupv((char **)login->kdcs);
	kerberos->timeout_msec =
	    login->timeout_msec != 0 ? login->timeout_msec : KERBEROS_TIMEOUT_MSEC;
	kerberos->flags = by_default ? 0 : KRB5_INIT_CONTEXT_SECURE;
	g_mutex_init(&kerberos->lock);
	kerberos->caches = g_ptr_array_new_with_free_func(kerberos_cache_free);
	return kerberos_log_in(kerberos, cancellable, error) ? g_steal_pointer(&kerberos) : NULL;
}

PvKerberos *
pv_kerberos_ref(PvKerberos *kerberos)
{
	g_atomic_int_inc(&kerberos->refs);
	return kerberos;
}

void
pv_kerberos_unref(PvKerberos *kerberos)
{
	if (kerberos == NULL || !g_atomic_int_dec_and_test(&kerberos->refs))
		return;
	g_ptr_array_unref(kerberos->caches);
	g_clear_error(&kerberos->problem);
	g_mutex_clear(&kerberos->lock);
	pv_secret_unref(kerberos->password);
	g_strfreev(kerberos->kdcs);
	g_free(kerberos->ccache);
	g_free(kerberos->keytab);
	g_free(kerberos->principal);
	g_free(kerberos->name);
	g_free(kerberos->realm);
	g_free(kerberos);
}

const char *
pv_kerberos_get_principal(PvKerberos *kerberos)
{
	return kerberos->principal;
}

static KerberosCache *
kerberos_get_cache(PvKerberos *kerberos)
{
	return kerberos->caches->pdata[kerberos->caches->len - 1];
}

guint
pv_kerberos_drop_old(PvKerberos *kerberos, gint64 now_sec)
{
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&kerberos->lock);
	kerberos_drop_old(kerberos, now_sec);
	return kerberos->caches->len;
}

const char *
pv_kerberos_get_ccache(PvKerberos *kerberos)
{
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&kerberos->lock);
	return kerberos_get_cache(kerberos)->name;
}

/* Logs in anew for all who wait for it: what one of them was told is told to the others, who would else ask one after the
 * other, each for as long as a KDC may take; and a wrong password would be tried as often. @begin_usec: when the caller began. */
static gboolean
kerberos_log_in_shared(PvKerberos *kerberos, gint64 begin_usec, GCancellable *cancellable, GError **error)
{
	g_autoptr(GError) local = NULL;
	if (kerberos->problem != NULL && kerberos->problem_usec >= begin_usec) {
		g_propagate_error(error, g_error_copy(kerberos->problem));
		return FALSE;
	}
	g_clear_error(&kerberos->problem);
	if (kerberos_log_in(kerberos, cancellable, &local))
		return TRUE;
	if (!g_error_matches(local, G_IO_ERROR, G_IO_ERROR_CANCELLED)) { /* who cancels speaks for himself */
		kerberos->problem = g_error_copy(local);
		kerberos->problem_usec = g_get_monotonic_time();
	}
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

/* A cache whose login still has a while to go; lent. */
static const char *
kerberos_renew(PvKerberos *kerberos, GCancellable *cancellable, GError **error)
{
	gint64 begin_usec = g_get_monotonic_time();
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&kerberos->lock);
	const KerberosCache *cache = kerberos_get_cache(kerberos);
	gint64 left_sec = cache->until_sec - g_get_real_time() / G_USEC_PER_SEC;
	/* a realm may grant a few minutes only: not each ticket is worth another login */
	gint64 least_sec = MIN(KERBEROS_RENEW_SEC, (cache->until_sec - cache->since_sec) / 4);
	g_autoptr(GError) local = NULL;
	if (g_cancellable_set_error_if_cancelled(cancellable, error))
		return NULL;
	/* a person's cache may hold nothing newer: what is left will do */
	if (left_sec <= least_sec &&
	    !kerberos_log_in_shared(kerberos, begin_usec, cancellable, &local) &&
	    (kerberos->ccache == NULL || left_sec <= 0)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	return kerberos_get_cache(kerberos)->name;
}

/* ---- tickets of services ---- */

/* Leaves the ticket in work->creds. The cache that has it is lent; NULL: error says why. */
static const char *
kerberos_get_ticket(PvKerberos *kerberos, KerberosWork *work, const char *service,
    GCancellable *cancellable, GError **error)
{
	const char *name = kerberos_renew(kerberos, cancellable, error);
	if (name == NULL)
		return NULL;
	krb5_error_code code = kerberos_work_init(work, kerberos);
	if (code == 0)
		code = krb5_cc_resolve(work->context, name, &work->cache);
	if (code == 0)
		code = krb5_cc_get_principal(work->context, work->cache, &work->client);
	if (code == 0)
		code = krb5_parse_name(work->context, service, &work->service);
	krb5_creds wanted = { .client = work->client, .server = work->service };
	if (code == 0)
		code = krb5_tkt_creds_init(work->context, work->cache, &wanted, 0, &work->ticket);
	if (code == 0 && !kerberos_run(kerberos, work, &code, cancellable, error))
		return NULL;
	if (code == 0)
		code = krb5_tkt_creds_get_creds(work->context, work->ticket, &work->creds);
	if (code == 0)
		return name;
	kerberos_fail(
	    work, code, kerberos_ticket_faults, G_N_ELEMENTS(kerberos_ticket_faults), error);
	return NULL;
}

const char *
pv_kerberos_get_ticket_cache(
    PvKerberos *kerberos, const char *service, GCancellable *cancellable, GError **error)
{
	g_auto(KerberosWork) work = { 0 };
	const char *cache = kerberos_get_ticket(kerberos, &work, service, cancellable, error);
	if (cache == NULL)
		g_prefix_error(error, "get a ticket for %s: ", service);
	return cache;
}

gboolean
pv_kerberos_get_ticket(
    PvKerberos *kerberos, const char *service, GCancellable *cancellable, GError **error)
{
	return pv_kerberos_get_ticket_cache(kerberos, service, cancellable, error) != NULL;
}

gboolean
pv_kerberos_forget_ticket(PvKerberos *kerberos, const char *service)
{
	g_auto(KerberosWork) work = { 0 };
	krb5_creds match = { 0 };
	krb5_error_code code = kerberos_work_init(&work, kerberos);
	if (code == 0)
		code = krb5_cc_resolve(work.context, pv_kerberos_get_ccache(kerberos), &work.cache);
	if (code == 0)
		code = krb5_cc_get_principal(work.context, work.cache, &work.client);
	if (code == 0)
		code = krb5_parse_name(work.context, service, &work.service);
	match.client = work.client;
	match.server = work.service;
	if (code == 0) /* told of apart, for removing says that all is well in either case */
		code = krb5_cc_retrieve_cred(work.context, work.cache, 0, &match, &work.creds);
	return code == 0 && krb5_cc_remove_cred(work.context, work.cache, 0, &match) == 0;
}

static gboolean
kerberos_measure_token(PvKerberos *kerberos, const char *service, gsize *bytes, GError **error)
{
	gboolean done = FALSE;
	g_autoptr(PvNegotiate) negotiate = pv_negotiate_new(kerberos, service, NULL, error);
	g_autoptr(GBytes) token =
	    negotiate != NULL ? pv_negotiate_step(negotiate, NULL, &done, error) : NULL;
	if (token == NULL)
		return FALSE;
	*bytes = g_bytes_get_size(token);
	return TRUE;
}

gboolean
pv_kerberos_get_ticket_info(PvKerberos *kerberos, const char *service, guint *kvno, gint *enctype,
    gsize *token_bytes, GError **error)
{
	g_auto(KerberosWork) work = { 0 };
	krb5_ticket *ticket = NULL;
	gboolean ok = kerberos_get_ticket(kerberos, &work, service, NULL, error) != NULL;
	krb5_error_code code = ok ? krb5_decode_ticket(&work.creds.ticket, &ticket) : 0;
	if (code != 0)
		ok = kerberos_fail(&work, code, NULL, 0, error);
	if (ok && kvno != NULL)
		*kvno = ticket->enc_part.kvno;
	if (ok && enctype != NULL)
		*enctype = ticket->enc_part.enctype;
	if (ticket != NULL)
		krb5_free_ticket(work.context, ticket);
	if (!ok)
		g_prefix_error(error, "look at the ticket for %s: ", service);
	return ok && (token_bytes == NULL ||
			 kerberos_measure_token(kerberos, service, token_bytes, error));
}

/* The ticket's sealed part opens with the right key and with no other. */
static krb5_error_code
kerberos_open_ticket(KerberosWork *work, krb5_ticket *ticket, PvSecret *password, const char *salt)
{
	gsize length = 0;
	const char *text = pv_secret_peek(password, &length);
	krb5_data string = { .length = (unsigned int)length, .data = (char *)text };
	krb5_data salted = { .length = salt != NULL ? (unsigned int)strlen(salt) : 0,
		.data = (char *)salt };
	krb5_keyblock key = { 0 };
	krb5_error_code code = krb5_c_string_to_key(
	    work->context, ticket->enc_part.enctype, &string, &salted, &key);
	if (code != 0)
		return code;
	gsize size = ticket->enc_part.ciphertext.length;
	krb5_data plain = { .length = (unsigned int)size, .data = g_malloc(size) };
	code = krb5_c_decrypt(work->context, &key, KRB5_KEYUSAGE_KDC_REP_TICKET, NULL,
	    &ticket->enc_part, &plain);
	OPENSSL_cleanse(plain.data, size); /* it holds the session's key */
	g_free(plain.data);
	krb5_free_keyblock_contents(work->context, &key);
	return code;
}

gboolean
pv_kerberos_check_key(PvKerberos *kerberos, const char *service, PvSecret *password,
    const char *salt, gboolean *fits, GCancellable *cancellable, GError **error)
{
	g_auto(KerberosWork) work = { 0 };
	krb5_ticket *ticket = NULL;
	if (kerberos_get_ticket(kerberos, &work, service, cancellable, error) == NULL) {
		g_prefix_error(error, "get a ticket for %s: ", service);
		return FALSE;
	}
	krb5_error_code code = krb5_decode_ticket(&work.creds.ticket, &ticket);
	if (code == 0)
		code = kerberos_open_ticket(&work, ticket, password, salt);
	if (ticket != NULL)
		krb5_free_ticket(work.context, ticket);
	*fits = code == 0;
	if (code == 0 || code == KRB5KRB_AP_ERR_BAD_INTEGRITY)
		return TRUE;
	kerberos_fail(&work, code, NULL, 0, error);
	g_prefix_error(error, "open the ticket for %s: ", service);
	return FALSE;
}

/* What the hook needs: libkrb5 has no steps for this question, so it gets its answers from here. */
typedef struct {
	PvKerberos *kerberos;
	KerberosWork *work;
	GCancellable *cancellable;
	GError *error; /* owned; why the KDC could not be asked */
} KerberosQuestion;

static krb5_error_code
kerberos_answer(krb5_context context, void *data, const krb5_data *realm, const krb5_data *message,
    krb5_data **new_message, krb5_data **new_reply)
{
	KerberosQuestion *question = data;
	krb5_data in = { 0 };
	g_clear_error(&question->error);
	if (!kerberos_exchange(question->kerberos, question->work, message, realm, &in,
		question->cancellable, &question->error))
		return KRB5_KDC_UNREACH;
	return krb5_copy_data(context, &in, new_reply);
}

char *
pv_kerberos_dup_salt(
    PvKerberos *kerberos, const char *principal, GCancellable *cancellable, GError **error)
{
	g_auto(KerberosWork) work = { 0 };
	KerberosQuestion question = { .kerberos = kerberos, .work = &work, .cancellable = cancellable };
	krb5_enctype enctype = 0;
	krb5_data salt = { 0 }, parameters = { 0 };
	krb5_error_code code = kerberos_work_init(&work, kerberos);
	if (code == 0)
		code = krb5_parse_name(work.context, principal, &work.client);
	if (code == 0) {
		krb5_set_kdc_send_hook(work.context, kerberos_answer, &question);
		code = krb5_get_etype_info(
		    work.context, work.client, NULL, &enctype, &salt, &parameters);
	}
	char *text = code == 0 && salt.length > 0 ? g_strndup(salt.data, salt.length) : NULL;
	if (question.error != NULL)
		g_propagate_error(error, question.error);
	else if (code != 0)
		kerberos_fail_login(kerberos, &work, code, error);
	else if (text == NULL || !g_utf8_validate(text, -1, NULL))
		g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED, "the KDC tells none");
	if (work.context != NULL) {
		krb5_free_data_contents(work.context, &salt);
		krb5_free_data_contents(work.context, &parameters);
	}
	if (text != NULL && question.error == NULL && g_utf8_validate(text, -1, NULL))
		return text;
	g_free(text);
	g_prefix_error(error, "ask for the salt of %s: ", principal);
	return NULL;
}

gpointer
pv_kerberos_get_credential(PvKerberos *kerberos, GError **error)
{
	if (kerberos_renew(kerberos, NULL, error) == NULL)
		return NULL;
	g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&kerberos->lock);
	KerberosCache *cache = kerberos_get_cache(kerberos);
	if (cache->credential != GSS_C_NO_CREDENTIAL)
		return cache->credential;
	OM_uint32 minor = 0;
	gss_key_value_element_desc element = { "ccache", cache->name };
	const gss_key_value_set_desc store = { 1, &element };
	OM_uint32 major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE,
	    GSS_C_NO_OID_SET, GSS_C_INITIATE, &store, &cache->credential, NULL, NULL);
	if (!GSS_ERROR(major))
		return cache->credential;
	cache->credential = GSS_C_NO_CREDENTIAL;
	g_set_error(error, PV_ERROR, PV_ERROR_FAILED,
	    "use the login of %s: GSSAPI does not take it (%u, %u)", kerberos->principal, major,
	    minor);
	return NULL;
}
