/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/kerberos.h"

#include "sim/audit.h"
#include "sim/pac.h"
#include "sim/spnego.h"

#include <krb5/krb5.h>
#include <openssl/crypto.h>
#include <profile.h>
#include <string.h>

#define KERBEROS_CLASS "AMT_KerberosSettingData"
#define KERBEROS_TOLERANCE_MINUTES 5 /* default and maximum of MaximumClockTolerance */
#define KERBEROS_ITERATIONS 4096 /* what RFC 3962 and directories have */
#define KERBEROS_ITERATIONS_MAX 100000 /* more would hold up the devices of the same loop */
#define KERBEROS_KEY_BYTES 16 /* of MasterKey */
#define KERBEROS_SEEN_MAX 64 /* tokens that are known when they come again */
#define KERBEROS_TOKEN_BYTES_MAX 65536
#define KERBEROS_CHECKSUM_GSS 0x8003 /* of the authenticator: RFC 4121 section 4.1.1 */

/* A device's own Kerberos: no file, no variable of the environment, its own clock */
struct PvSimKerberos {
	krb5_context context;
	krb5_keytab keytab; /* in memory; every key is of principal */
	krb5_principal principal; /* NULL: there is no key */
	GPtrArray *seen; /* of char *: sums of the last tokens, oldest first */
};

/* What becomes of one token; everything in it is freed by kerberos_attempt_clear() */
typedef struct {
	PvSimKerberos *kerberos;
	krb5_auth_context auth;
	krb5_ticket *ticket;
	krb5_keytab_entry entry; /* the key that decrypted it */
	gboolean has_entry;
	krb5_pac pac;
	krb5_data info; /* of the PAC */
	krb5_data ap_rep;
	char *client;
	char *why; /* refused, for the log */
} KerberosAttempt;

/* A configuration without files: libkrb5 asks for single values */

static long
kerberos_profile_get(void *data, const char *const *names, char ***values)
{
	static const char *const rows[][2] = {
		/* RC4 is the only kind of key before AMT 8.0, and AMT has it beside AES later (amt/05 section 3) */
		{ "allow_rc4", "true" },
		{ "permitted_enctypes", "aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96 arcfour-hmac" },
		{ "default_rcache_name", "none:" }, /* the device remembers by itself */
		{ "default_realm", "UNKNOWN" }, /* else it is looked for in files and in the DNS */
		{ "dns_lookup_kdc", "false" },
		{ "dns_lookup_realm", "false" },
		{ "dns_canonicalize_hostname", "false" },
	};
	if (names[0] == NULL || strcmp(names[0], "libdefaults") != 0 || names[1] == NULL ||
	    names[2] != NULL)
		return PROF_NO_RELATION;
	const char *value = strcmp(names[1], "clockskew") == 0 ? data : NULL;
	for (guint i = 0; i < G_N_ELEMENTS(rows) && value == NULL; i++)
		value = strcmp(rows[i][0], names[1]) == 0 ? rows[i][1] : NULL;
	if (value == NULL)
		return PROF_NO_RELATION;
	*values = g_new0(char *, 2);
	(*values)[0] = g_strdup(value);
	return 0;
}

static void
kerberos_profile_free(void *data, char **values)
{
	g_strfreev(values);
}

static void
kerberos_profile_end(void *data)
{
	g_free(data);
}

static long
kerberos_profile_copy(void *data, void **copy)
{
	*copy = g_strdup(data);
	return 0;
}

static krb5_context
kerberos_new_context(guint tolerance_sec)
{
	struct profile_vtable table = {
		.minor_ver = 1,
		.get_values = kerberos_profile_get,
		.free_values = kerberos_profile_free,
		.cleanup = kerberos_profile_end,
		.copy = kerberos_profile_copy,
	};
	char *skew = g_strdup_printf("%u", tolerance_sec);
	profile_t profile = NULL;
	krb5_context context = NULL;
	if (profile_init_vtable(&table, skew, &profile) != 0) {
		g_free(skew);
		return NULL;
	}
	if (krb5_init_context_profile(profile, KRB5_INIT_CONTEXT_SECURE, &context) != 0)
		context = NULL;
	profile_release(profile);
	return context;
}

/* The device's settings and its keys */

static const PvSimInstance *
kerberos_settings(const PvSimDevice *device)
{
	return pv_sim_device_find_bag(device, KERBEROS_CLASS, NULL);
}

static guint
kerberos_number(const PvSimInstance *settings, const char *name, guint fallback)
{
	return pv_sim_instance_has(settings, name) ? pv_sim_instance_get_uint(settings, name)
						   : fallback;
}

static gboolean
kerberos_add_key(PvSimKerberos *kerberos, krb5_keyblock *key)
{
	krb5_keytab_entry entry = {
		.principal = kerberos->principal,
		.vno = 1, /* no number counts: see the switch kerberos-key-version */
		.key = *key,
	};
	return krb5_kt_add_entry(kerberos->context, kerberos->keytab, &entry) == 0;
}

static gboolean
kerberos_add_passphrase(PvSimKerberos *kerberos, const PvSimInstance *settings)
{
	static const krb5_enctype types[] = { ENCTYPE_AES256_CTS_HMAC_SHA1_96,
		ENCTYPE_AES128_CTS_HMAC_SHA1_96, ENCTYPE_ARCFOUR_HMAC };
	const char *passphrase = pv_sim_instance_get(settings, "Passphrase");
	const char *salt_text = pv_sim_instance_get(settings, "Salt");
	guint iterations = kerberos_number(settings, "IterationCount", KERBEROS_ITERATIONS);
	if (salt_text == NULL || iterations == 0 || iterations > KERBEROS_ITERATIONS_MAX)
		return FALSE;
	guint32 count = GUINT32_TO_BE(iterations);
	krb5_data parameters = { .data = (char *)&count, .length = sizeof count };
	krb5_data secret = { .data = (char *)passphrase, .length = (unsigned)strlen(passphrase) };
	krb5_data salt = { .data = (char *)salt_text, .length = (unsigned)strlen(salt_text) };
	gboolean good = TRUE;
	for (guint i = 0; i < G_N_ELEMENTS(types) && good; i++) {
		krb5_keyblock key = { 0 };
		gboolean aes = types[i] != ENCTYPE_ARCFOUR_HMAC;
		good = krb5_c_string_to_key_with_params(kerberos->context, types[i], &secret, &salt,
			   aes ? &parameters : NULL, &key) == 0;
		good = good && kerberos_add_key(kerberos, &key);
		krb5_free_keyblock_contents(kerberos->context, &key);
	}
	return good;
}

static gboolean
kerberos_add_master_key(PvSimKerberos *kerberos, GBytes *master)
{
	gsize length = 0;
	gconstpointer data = g_bytes_get_data(master, &length);
	krb5_keyblock key = { .enctype = ENCTYPE_ARCFOUR_HMAC,
		.length = KERBEROS_KEY_BYTES,
		.contents = (krb5_octet *)data };
	return length == KERBEROS_KEY_BYTES && kerberos_add_key(kerberos, &key);
}

static void
kerberos_free(PvSimKerberos *kerberos)
{
	if (kerberos == NULL)
		return;
	g_ptr_array_unref(kerberos->seen);
	if (kerberos->context != NULL) {
		krb5_free_principal(kerberos->context, kerberos->principal);
		if (kerberos->keytab != NULL)
			krb5_kt_close(kerberos->context, kerberos->keytab);
		krb5_free_context(kerberos->context);
	}
	g_free(kerberos);
}

/* From the settings as they are; has no principal when no key can be made of them */
static PvSimKerberos *
kerberos_new(const PvSimDevice *device)
{
	const PvSimInstance *settings = kerberos_settings(device);
	guint minutes =
	    kerberos_number(settings, "MaximumClockTolerance", KERBEROS_TOLERANCE_MINUTES);
	PvSimKerberos *kerberos = g_new0(PvSimKerberos, 1);
	kerberos->seen = g_ptr_array_new_with_free_func(g_free);
	kerberos->context =
	    kerberos_new_context(60 * MIN(minutes, KERBEROS_TOLERANCE_MINUTES));
	g_autofree char *name = g_strdup_printf("MEMORY:%p", (void *)kerberos);
	g_autofree char *principal = g_strdup_printf("HTTP/%s@%s", device->fqdn,
	    pv_sim_instance_has(settings, "RealmName") ? pv_sim_instance_get(settings, "RealmName")
						       : "UNKNOWN");
	if (kerberos->context == NULL ||
	    krb5_kt_resolve(kerberos->context, name, &kerberos->keytab) != 0 ||
	    krb5_parse_name(kerberos->context, principal, &kerberos->principal) != 0)
		return kerberos;
	g_autoptr(GBytes) master = pv_sim_instance_get_bytes(settings, "MasterKey");
	gboolean good = FALSE;
	if (pv_sim_instance_has(settings, "Passphrase"))
		good = kerberos_add_passphrase(kerberos, settings);
	else if (master != NULL)
		good = kerberos_add_master_key(kerberos, master);
	if (!good) {
		krb5_free_principal(kerberos->context, kerberos->principal);
		kerberos->principal = NULL;
	}
	return kerberos;
}

void
pv_sim_kerberos_forget(PvSimDevice *device)
{
	g_clear_pointer(&device->kerberos, kerberos_free);
}

gboolean
pv_sim_kerberos_is_offered(const PvSimDevice *device)
{
	const PvSimInstance *settings = kerberos_settings(device);
	return settings != NULL && pv_sim_instance_get_bool(settings, "KrbEnabled");
}

/* One token */

static void
kerberos_attempt_clear(KerberosAttempt *attempt)
{
	krb5_context context = attempt->kerberos->context;
	if (context == NULL)
		return;
	krb5_free_data_contents(context, &attempt->ap_rep);
	krb5_free_data_contents(context, &attempt->info);
	if (attempt->pac != NULL)
		krb5_pac_free(context, attempt->pac);
	if (attempt->has_entry)
		krb5_free_keytab_entry_contents(context, &attempt->entry);
	krb5_free_ticket(context, attempt->ticket);
	if (attempt->auth != NULL)
		krb5_auth_con_free(context, attempt->auth);
	g_free(attempt->client);
	g_free(attempt->why);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KerberosAttempt, kerberos_attempt_clear)

static gboolean
kerberos_refuse(KerberosAttempt *attempt, krb5_error_code code, const char *what)
{
	if (code == 0) {
		attempt->why = g_strdup(what);
		return FALSE;
	}
	const char *text = krb5_get_error_message(attempt->kerberos->context, code);
	g_autofree char *printable = g_utf8_make_valid(text, -1);
	attempt->why = g_strdup_printf("%s: %s", what, printable);
	krb5_free_error_message(attempt->kerberos->context, text);
	return FALSE;
}

/* Is it one that came before? Remembers it. */
static gboolean
kerberos_is_replay(PvSimDevice *device, const guint8 *token, gsize length)
{
	GPtrArray *seen = device->kerberos->seen;
	g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, token, length);
	if (device->switches->kerberos_replays)
		return FALSE;
	if (g_ptr_array_find_with_equal_func(seen, sum, g_str_equal, NULL))
		return TRUE;
	g_ptr_array_add(seen, g_steal_pointer(&sum));
	if (seen->len > KERBEROS_SEEN_MAX)
		g_ptr_array_remove_index(seen, 0);
	return FALSE;
}

/* Is the ticket for one of ServicePrincipalName? */
static gboolean
kerberos_is_for_us(const PvSimDevice *device, krb5_context context, krb5_const_principal server)
{
	const PvSimInstance *settings = kerberos_settings(device);
	char *name = NULL;
	gboolean found = FALSE;
	if (krb5_unparse_name_flags(context, server, KRB5_PRINCIPAL_UNPARSE_NO_REALM, &name) != 0)
		return FALSE;
	for (guint i = 0; i < settings->values->len && !found; i++) {
		const PvSimValue *value = settings->values->pdata[i];
		found = strcmp(value->name, "ServicePrincipalName") == 0 &&
			g_ascii_strcasecmp(value->text, name) == 0;
	}
	krb5_free_unparsed_name(context, name);
	return found;
}

static gboolean
kerberos_accept(PvSimDevice *device, KerberosAttempt *attempt, const guint8 *ap, gsize length)
{
	krb5_context context = attempt->kerberos->context;
	krb5_data request = { .data = (char *)ap, .length = (unsigned)length };
	krb5_flags options = 0;
	krb5_authenticator *authenticator = NULL;
	krb5_error_code code =
	    krb5_set_real_time(context, (krb5_timestamp)pv_sim_device_time(device), -1);
	if (code == 0)
		code = krb5_auth_con_init(context, &attempt->auth);
	if (code == 0)
		code = krb5_auth_con_setflags(
		    context, attempt->auth, KRB5_AUTH_CONTEXT_DO_SEQUENCE);
	if (code == 0)
		code = krb5_rd_req(context, &attempt->auth, &request, NULL,
		    attempt->kerberos->keytab, &options, &attempt->ticket);
	if (code == 0)
		code = krb5_auth_con_getauthenticator(context, attempt->auth, &authenticator);
	if (code != 0)
		return kerberos_refuse(attempt, code, "ticket");
	gboolean gss = authenticator->checksum != NULL &&
		       authenticator->checksum->checksum_type == KERBEROS_CHECKSUM_GSS;
	krb5_free_authenticator(context, authenticator);
	if (!gss)
		return kerberos_refuse(attempt, 0, "the authenticator is not of GSSAPI");
	if ((options & AP_OPTS_MUTUAL_REQUIRED) != 0)
		code = krb5_mk_rep(context, attempt->auth, &attempt->ap_rep);
	return code == 0 || kerberos_refuse(attempt, code, "answer the ticket");
}

static gboolean
kerberos_judge(PvSimDevice *device, KerberosAttempt *attempt)
{
	krb5_context context = attempt->kerberos->context;
	const krb5_ticket *ticket = attempt->ticket;
	guint version = kerberos_number(kerberos_settings(device), "KeyVersion", 1);
	char *client = NULL;
	if (device->switches->kerberos_key_version && ticket->enc_part.kvno != version) {
		attempt->why = g_strdup_printf("the ticket is of key version %u, not %u",
		    (guint)ticket->enc_part.kvno, version);
		return FALSE;
	}
	if (device->switches->kerberos_strict_spn &&
	    !kerberos_is_for_us(device, context, ticket->server))
		return kerberos_refuse(attempt, 0, "the ticket is for another service");
	krb5_error_code code = krb5_unparse_name(context, ticket->enc_part2->client, &client);
	if (code != 0)
		return kerberos_refuse(attempt, code, "client");
	attempt->client = g_utf8_make_valid(client, -1);
	krb5_free_unparsed_name(context, client);
	return TRUE;
}

/* The SIDs in the ticket, which the directory has signed with the device's key; NULL: there are none to be trusted */
static GPtrArray *
kerberos_read_sids(KerberosAttempt *attempt)
{
	krb5_context context = attempt->kerberos->context;
	const krb5_enc_tkt_part *part = attempt->ticket->enc_part2;
	krb5_authdata **found = NULL;
	krb5_error_code code = krb5_find_authdata(
	    context, part->authorization_data, NULL, KRB5_AUTHDATA_WIN2K_PAC, &found);
	if (code == 0 && (found == NULL || found[0] == NULL)) {
		kerberos_refuse(attempt, 0, "the ticket has no PAC");
		return NULL;
	}
	if (code == 0)
		code = krb5_pac_parse(
		    context, found[0]->contents, found[0]->length, &attempt->pac);
	if (found != NULL)
		krb5_free_authdata(context, found);
	if (code == 0) {
		code = krb5_kt_get_entry(context, attempt->kerberos->keytab,
		    attempt->kerberos->principal, 0, attempt->ticket->enc_part.enctype,
		    &attempt->entry);
		attempt->has_entry = code == 0;
	}
	if (code == 0)
		code = krb5_pac_verify(context, attempt->pac, part->times.authtime, part->client,
		    &attempt->entry.key, NULL);
	if (code == 0)
		code = krb5_pac_get_buffer(
		    context, attempt->pac, KRB5_PAC_LOGON_INFO, &attempt->info);
	GPtrArray *sids =
	    code == 0 ? pv_sim_pac_read_sids(attempt->info.data, attempt->info.length) : NULL;
	if (sids == NULL)
		kerberos_refuse(attempt, code, "PAC of the ticket");
	return sids;
}

static char *
kerberos_reply(const KerberosAttempt *attempt, PvSimSpnego kind)
{
	g_autoptr(GByteArray) token =
	    pv_sim_spnego_reply(kind, attempt->ap_rep.data, attempt->ap_rep.length);
	g_autofree char *text = token != NULL ? g_base64_encode(token->data, token->len) : NULL;
	return text != NULL ? g_strconcat(PV_SIM_NEGOTIATE " ", text, NULL) : NULL;
}

static PvSimLogin
kerberos_login(PvSimDevice *device, const char *base64, PvSimUser **user, char **reply, char **note)
{
	gsize length = 0, ap_length = 0;
	g_autofree guint8 *token = g_base64_decode(base64, &length);
	PvSimSpnego kind = PV_SIM_SPNEGO_RAW;
	const guint8 *ap = length <= KERBEROS_TOKEN_BYTES_MAX
			       ? pv_sim_spnego_read(token, length, &kind, &ap_length)
			       : NULL;
	guint most = device->switches->kerberos_token_max;
	if (most > 0 && strlen(base64) > most) {
		*note = g_strdup_printf(
		    "the token has %zu characters, more than %u", strlen(base64), most);
		return PV_SIM_LOGIN_TICKET;
	}
	if (device->kerberos == NULL)
		device->kerberos = kerberos_new(device);
	if (ap == NULL || device->kerberos->principal == NULL) {
		*note = g_strdup(ap == NULL ? "no token of Kerberos" : "the device has no key");
		return PV_SIM_LOGIN_TICKET;
	}
	if (kerberos_is_replay(device, token, length)) {
		*note = g_strdup("the token came before");
		return PV_SIM_LOGIN_TICKET;
	}
	g_auto(KerberosAttempt) attempt = { .kerberos = device->kerberos };
	if (!kerberos_accept(device, &attempt, ap, ap_length) ||
	    !kerberos_judge(device, &attempt)) {
		*note = g_steal_pointer(&attempt.why);
		return PV_SIM_LOGIN_TICKET;
	}
	g_autoptr(PvSimUser) person = g_new0(PvSimUser, 1);
	person->name = g_strdup(attempt.client);
	person->sids = kerberos_read_sids(&attempt);
	*reply = kerberos_reply(&attempt, kind);
	if (person->sids == NULL || pv_sim_device_find_realms(device, person) == 0) {
		*note = g_strdup_printf("%s: %s", attempt.client,
		    attempt.why != NULL ? attempt.why : "no entry of the access list");
		return PV_SIM_LOGIN_STRANGER;
	}
	*user = g_steal_pointer(&person);
	return PV_SIM_LOGIN_OK;
}

PvSimLogin
pv_sim_kerberos_check(PvSimDevice *device, const char *authorization, PvSimUser **user,
    char **reply, char **note)
{
	const gsize scheme = strlen(PV_SIM_NEGOTIATE);
	*user = NULL;
	*reply = *note = NULL;
	if (authorization == NULL || !pv_sim_kerberos_is_offered(device) ||
	    g_ascii_strncasecmp(authorization, PV_SIM_NEGOTIATE, scheme) != 0 ||
	    authorization[scheme] != ' ')
		return PV_SIM_LOGIN_NONE;
	g_autofree char *base64 = g_strstrip(g_strdup(authorization + scheme));
	PvSimLogin login = kerberos_login(device, base64, user, reply, note);
	if (login == PV_SIM_LOGIN_OK)
		device->counters.logins_ok++;
	else
		device->counters.tickets_refused++;
	return login;
}
