/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/provost.h>
#include <string.h>

/* Gives the device an account in the site's directory: name, service principal names, groups, password. The
 * device itself is not touched. */

#define AD_ACCOUNT_SHORT_NAME_MAX 15 /* a NetBIOS name's; tools derive the account from it */
#define AD_ACCOUNT_NAME_MAX 20 /* sAMAccountName of a user (MS-ADTS 3.1.1.6) */
#define AD_ACCOUNT_PASSWORD_LENGTH 32
#define AD_ACCOUNT_DAY_SEC 86400

/* A new password stays pending until the device has its key: the stage kerberos confirms it then. Between the two,
 * AD_ACCOUNT_TAKEN says that the directory has the pending one, by the key version that it made; without the fact an
 * interrupted change is begun again, with the same password. */
#define AD_ACCOUNT_TAKEN "account.pending-kvno"
#define AD_ACCOUNT_TIME "account.password-time" /* of the last change, seconds since 1970 */

/* What the account should be, with the strings that PvAccountSpec only lends. */
typedef struct {
	PvAccountSpec spec;
	char *name;
	char *fqdn;
	char **spns; /* sorted */
	char *object; /* how rows name the account */
	char *id; /* what the directory called it last time */
	char *server; /* that this job's directory answered from */
} AdAccount;

static void
ad_account_clear(AdAccount *account)
{
	g_free(account->name);
	g_free(account->fqdn);
	g_strfreev(account->spns);
	g_free(account->object);
	g_free(account->id);
	g_free(account->server);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AdAccount, ad_account_clear)

static int
ad_account_compare(gconstpointer a, gconstpointer b)
{
	return g_ascii_strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, so that the order in which a directory lists values makes no difference. */
static char *
ad_account_dup_joined(char **list)
{
	g_autoptr(GPtrArray) sorted = g_ptr_array_new();
	for (guint i = 0; list != NULL && list[i] != NULL; i++)
		g_ptr_array_add(sorted, list[i]);
	g_ptr_array_sort(sorted, ad_account_compare);
	GString *joined = g_string_new(NULL);
	for (guint i = 0; i < sorted->len; i++)
		g_string_append_printf(
		    joined, "%s%s", i == 0 ? "" : ", ", (const char *)g_ptr_array_index(sorted, i));
	return g_string_free(joined, FALSE);
}

/* Bits of msDS-SupportedEncryptionTypes (MS-KILE 2.2.7) */
static gboolean
ad_account_read_types(PvJob *job, guint *types, GError **error)
{
	static const struct {
		const char *name;
		guint bit;
	} rows[] = { { "aes256", 0x10 }, { "aes128", 0x8 }, { "rc4", 0x4 } };
	const char *const *names = pv_job_get_list(job, "encryption-types");
	for (guint i = 0; names[i] != NULL; i++) {
		guint bit = 0;
		for (guint j = 0; j < G_N_ELEMENTS(rows); j++)
			bit |= g_str_equal(names[i], rows[j].name) ? rows[j].bit : 0;
		if (bit == 0) {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "%s: \"%s\" is not known: aes256, aes128 or rc4",
			    pv_values_get_where(pv_job_get_values(job), "encryption-types"),
			    names[i]);
			return FALSE;
		}
		*types |= bit;
	}
	return TRUE;
}

/* AMT's services are HTTP@NAME:PORT: a client's SPN carries the port (Intel AMT SDK, "Kerberos"). */
static char **
ad_account_dup_spns(PvJob *job, const char *fqdn, GError **error)
{
	const char *const *ports = pv_job_get_list(job, "spn-ports");
	g_autoptr(GPtrArray) spns = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; ports[i] != NULL; i++) {
		guint64 port = 0;
		if (!g_ascii_string_to_unsigned(ports[i], 10, 1, 65535, &port, NULL)) {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "%s: \"%s\" is no port: 1 to 65535",
			    pv_values_get_where(pv_job_get_values(job), "spn-ports"), ports[i]);
			return NULL;
		}
		g_ptr_array_add(spns, g_strdup_printf("HTTP/%s:%u", fqdn, (guint)port));
	}
	g_ptr_array_sort(spns, ad_account_compare);
	g_ptr_array_add(spns, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&spns), FALSE);
}

static gboolean
ad_account_init(AdAccount *account, PvJob *job, GError **error)
{
	const PvDevice *device = pv_job_get_device(job);
	const char *name = pv_device_get_name(device);
	const char *fqdn = pv_device_get_fqdn(device);
	const char *suffix = pv_job_get_string(job, "name-suffix");
	if (name == NULL || *name == '\0' || strlen(name) > AD_ACCOUNT_SHORT_NAME_MAX) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "name the account of %s: a directory takes 1 to %d characters of a computer's "
		    "name: shorten it",
		    name == NULL ? "a device without a name" : name, AD_ACCOUNT_SHORT_NAME_MAX);
		return FALSE;
	}
	if (strlen(name) + strlen(suffix) > AD_ACCOUNT_NAME_MAX) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "name the account %s%s: a directory takes %d characters: shorten "
		    "\"name-suffix\"",
		    name, suffix, AD_ACCOUNT_NAME_MAX);
		return FALSE;
	}
	if (fqdn == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "make the account of %s: the device has no FQDN, which its SPNs need: import "
		    "it",
		    name);
		return FALSE;
	}
	account->name = g_strconcat(name, suffix, NULL);
	account->fqdn = g_ascii_strdown(fqdn, -1);
	account->object = g_strdup_printf("account %s", account->name);
	account->spns = ad_account_dup_spns(job, account->fqdn, error);
	/* copies: what is lent by a fact ends when the fact is set */
	account->id = g_strdup(pv_job_get_fact(job, "account.id"));
	account->server = g_strdup(pv_job_get_fact(job, "account.server"));
	guint types = 0;
	if (!ad_account_read_types(job, &types, error))
		return FALSE;
	account->spec = (PvAccountSpec) {
		.uuid = pv_device_get_uuid(device),
		.name = account->name,
		.fqdn = account->fqdn,
		.ou = pv_job_get_string(job, "ou"),
		.spns = (const char *const *)account->spns,
		.groups = pv_job_get_list(job, "groups"),
		.id = account->id,
		.server = account->server,
		.address = pv_device_get_address(device),
		.mac = pv_device_get_mac(device),
		.encryption_types = types,
	};
	return account->spns != NULL;
}

/* Whether what a directory lists, names or DNs, has the group, which is given as either. */
static gboolean
ad_account_has_group(char **groups, const char *group)
{
	gsize length = strlen(group);
	for (guint i = 0; groups != NULL && groups[i] != NULL; i++) {
		const char *name = groups[i];
		if (g_ascii_strcasecmp(name, group) == 0)
			return TRUE;
		if (g_ascii_strncasecmp(name, "CN=", 3) == 0 &&
		    g_ascii_strncasecmp(name + 3, group, length) == 0 && name[3 + length] == ',')
			return TRUE;
		if (g_ascii_strncasecmp(group, "CN=", 3) == 0 &&
		    g_ascii_strncasecmp(group + 3, name, strlen(name)) == 0 &&
		    group[3 + strlen(name)] == ',')
			return TRUE;
	}
	return FALSE;
}

/* Active Directory ends the name of every computer's account with '$', whatever was asked for (MS-SAMR 3.1.1.6). */
static gboolean
ad_account_has_name(const PvAccount *found, const char *name)
{
	gsize length = strlen(name);
	return g_ascii_strncasecmp(found->account, name, length) == 0 &&
	       (found->account[length] == '\0' || g_str_equal(found->account + length, "$"));
}

static void
ad_account_plan_groups(PvPlan *plan, const AdAccount *account, const PvAccount *found)
{
	for (guint i = 0; account->spec.groups[i] != NULL; i++)
		if (found == NULL || !ad_account_has_group(found->groups, account->spec.groups[i]))
			pv_plan_add(plan, account->object, "memberOf", "", account->spec.groups[i]);
}

/* Whether the directory took the pending password, and nobody has set another one since. */
static gboolean
ad_account_is_taken(PvJob *job, guint kvno)
{
	const char *taken = pv_job_get_fact(job, AD_ACCOUNT_TAKEN);
	g_autofree char *now = g_strdup_printf("%u", kvno);
	return pv_job_has_secret(job, "account", PV_SECRET_PENDING) && g_strcmp0(taken, now) == 0;
}

static gint64
ad_account_get_age_days(PvJob *job)
{
	const char *text = pv_job_get_fact(job, AD_ACCOUNT_TIME);
	gint64 made_sec = text != NULL ? g_ascii_strtoll(text, NULL, 10) : 0;
	gint64 now_sec = g_get_real_time() / G_USEC_PER_SEC;
	return made_sec > 0 && made_sec < now_sec ? (now_sec - made_sec) / AD_ACCOUNT_DAY_SEC : 0;
}

/* Why there should be a new one; NULL: it is right. (transfer full) */
static char *
ad_account_dup_reason(PvJob *job, const PvAccount *found)
{
	const char *known = pv_job_get_fact(job, "account.kvno");
	gint64 most_days = pv_job_get_int(job, "max-age-days");
	g_autofree char *kvno = g_strdup_printf("%u", found == NULL ? 0 : found->kvno);
	if (found == NULL || found->kvno == 0)
		return g_strdup("");
	if (ad_account_is_taken(job, found->kvno))
		return NULL;
	if (pv_job_has_secret(job, "account", PV_SECRET_PENDING))
		return g_strdup("(interrupted)");
	if (!pv_job_has_secret(job, "account", PV_SECRET_CURRENT))
		return g_strdup("(not known here)");
	if (known != NULL && !g_str_equal(known, kvno))
		return g_strdup("(changed elsewhere)");
	gint64 days = ad_account_get_age_days(job);
	return most_days > 0 && days >= most_days
		   ? g_strdup_printf("(%" G_GINT64_FORMAT " days old)", days)
		   : NULL;
}

/* A password is right when the directory has the key that came from the one we keep. The key version tells
 * a reset by somebody else, which cuts the device's Kerberos off. */
static void
ad_account_plan_password(PvJob *job, PvPlan *plan, const AdAccount *account, const PvAccount *found)
{
	g_autofree char *from = ad_account_dup_reason(job, found);
	if (from != NULL)
		pv_plan_add(plan, account->object, "password", from, "(new)");
	else if (pv_job_has_secret(job, "account", PV_SECRET_PENDING) &&
		 !pv_job_has_later_stage(job, "kerberos"))
		pv_plan_add(plan, account->object, "password", "(not confirmed)", "(in use)");
}

static void
ad_account_set_facts(PvJob *job, const PvAccount *found)
{
	pv_job_set_fact(job, "account.dn", found->dn);
	pv_job_set_fact(job, "account.name", found->account);
	pv_job_set_fact(job, "account.sid", found->sid);
	pv_job_set_fact(job, "account.realm", found->realm);
	pv_job_set_fact(job, "account.salt", found->salt);
	pv_job_set_fact(job, "account.id", found->id);
	pv_job_set_fact(job, "account.server", found->server);
}

static void
ad_account_set_kvno(PvJob *job, const PvAccount *found)
{
	g_autofree char *kvno = g_strdup_printf("%u", found->kvno);
	pv_job_set_fact(job, "account.kvno", kvno);
}

static void
ad_account_set_time(PvJob *job)
{
	g_autofree char *now =
	    g_strdup_printf("%" G_GINT64_FORMAT, g_get_real_time() / G_USEC_PER_SEC);
	pv_job_set_fact(job, AD_ACCOUNT_TIME, now);
}

static gboolean
ad_account_plan(PvJob *job, PvPlan *plan, GError **error)
{
	gpointer handle = NULL;
	const PvDirectory *directory = pv_job_get_directory(job, &handle, error);
	g_auto(AdAccount) account = { 0 };
	g_autoptr(PvAccount) found = NULL;
	if (directory == NULL || !ad_account_init(&account, job, error) ||
	    !directory->find(handle, &account.spec, &found, pv_job_get_cancellable(job), error))
		return FALSE;

	g_autofree char *spns = ad_account_dup_joined(account.spns);
	g_autofree char *found_spns = ad_account_dup_joined(found == NULL ? NULL : found->spns);
	if (found == NULL)
		pv_plan_add(plan, account.object, "", "",
		    account.spec.ou == NULL ? "(new)" : account.spec.ou);
	else if (!ad_account_has_name(found, account.name))
		pv_plan_add(plan, account.object, "sAMAccountName", found->account, account.name);
	if (found != NULL &&
	    (found->fqdn == NULL || g_ascii_strcasecmp(found->fqdn, account.fqdn) != 0))
		pv_plan_add(plan, account.object, "dNSHostName", found->fqdn, account.fqdn);
	if (g_ascii_strcasecmp(spns, found_spns) != 0)
		pv_plan_add(plan, account.object, "servicePrincipalName", found_spns, spns);
	ad_account_plan_groups(plan, &account, found);

	for (guint i = 0;
	     found != NULL && found->differences != NULL && i < found->differences->len; i++) {
		const PvAccountDifference *difference = found->differences->pdata[i];
		pv_plan_add(
		    plan, account.object, difference->property, difference->from, difference->to);
	}

	guint before = pv_plan_get_length(plan);
	ad_account_plan_password(job, plan, &account, found);
	if (found == NULL)
		return TRUE;
	ad_account_set_facts(job, found);
	if (pv_plan_get_length(plan) ==
	    before) /* else the known version is what tells the difference */
		ad_account_set_kvno(job, found);
	if (pv_job_get_fact(job, AD_ACCOUNT_TIME) ==
	    NULL) /* of before this was kept: it ages from now on */
		ad_account_set_time(job);
	return TRUE;
}

/* The directory has it: from here on both are known, the former one for a device that still has its key. */
static gboolean
ad_account_note_password(PvJob *job, const PvAccount *found, GError **error)
{
	g_autofree char *kvno = g_strdup_printf("%u", found->kvno);
	pv_job_set_fact(job, "account.kvno", kvno);
	pv_job_set_fact(job, "account.salt", found->salt);
	pv_job_set_fact(job, AD_ACCOUNT_TAKEN, kvno);
	ad_account_set_time(job);
	return pv_job_save_facts(job, error);
}

/* Sealed and on the disk first, so that whatever the directory took is known here after any crash. */
static gboolean
ad_account_set_password(PvJob *job, const PvDirectory *directory, gpointer handle,
    const PvAccountSpec *spec, GError **error)
{
	g_autoptr(PvAccount) found = NULL;
	/* what a killed run left of the former change must not vouch for this password, which nobody has yet */
	pv_job_set_fact(job, AD_ACCOUNT_TAKEN, NULL);
	if (!pv_job_save_facts(job, error))
		return FALSE;
	g_autoptr(PvSecret) password =
	    pv_job_new_secret(job, "account", AD_ACCOUNT_PASSWORD_LENGTH, error);
	if (password == NULL)
		return FALSE;
	if (!directory->set_password(handle, spec, password, pv_job_get_cancellable(job), error)) {
		g_prefix_error(error, "set password of account %s: ", spec->name);
		return FALSE;
	}
	if (!directory->find(handle, spec, &found, pv_job_get_cancellable(job), error))
		return FALSE;
	if (found != NULL)
		return ad_account_note_password(job, found, error);
	g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
	    "set password of account %s: it is gone: somebody deleted it meanwhile", spec->name);
	return FALSE;
}

/* Which object it is, and who has it, is known from here on, whatever happens to this job. */
static gboolean
ad_account_note_made(PvJob *job, AdAccount *account, const PvAccount *made, GError **error)
{
	ad_account_set_facts(job, made);
	g_free(account->id);
	account->id = g_strdup(made->id);
	account->spec.id = account->id;
	g_free(account->server);
	account->server = g_strdup(made->server);
	account->spec.server = account->server;
	return pv_job_save_facts(job, error);
}

/* Without a stage that gives the device the key nothing is left to wait for. */
static gboolean
ad_account_confirm_password(PvJob *job, GError **error)
{
	if (pv_job_has_later_stage(job, "kerberos"))
		return TRUE;
	if (!pv_job_confirm_secret(job, "account", error))
		return FALSE;
	pv_job_set_fact(job, AD_ACCOUNT_TAKEN, NULL);
	return TRUE;
}

/* what the row of the password says it is now; NULL: there is none. Lent */
static const char *
ad_account_find_reason(const PvPlan *plan, const char *object)
{
	for (guint i = 0; i < pv_plan_get_length(plan); i++) {
		const PvChange *row = pv_plan_get(plan, i);
		if (g_str_equal(row->object, object) && g_str_equal(row->property, "password"))
			return row->from;
	}
	return NULL;
}

static gboolean
ad_account_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	gpointer handle = NULL;
	const PvDirectory *directory = pv_job_get_directory(job, &handle, error);
	g_auto(AdAccount) account = { 0 };
	g_autoptr(PvAccount) made = NULL;
	if (directory == NULL || !ad_account_init(&account, job, error))
		return FALSE;

	const char *password = ad_account_find_reason(plan, account.object);
	if ((password == NULL || pv_plan_get_length(plan) > 1) &&
	    !directory->ensure(handle, &account.spec, &made, pv_job_get_cancellable(job), error)) {
		g_prefix_error(error, "make account %s: ", account.name);
		return FALSE;
	}
	if (made != NULL && !ad_account_note_made(job, &account, made, error))
		return FALSE;
	if (password == NULL)
		return TRUE;
	return (g_str_equal(password, "(not confirmed)") ||
		   ad_account_set_password(job, directory, handle, &account.spec, error)) &&
	       ad_account_confirm_password(job, error);
}

static gboolean
ad_account_remove(PvJob *job, GError **error)
{
	gpointer handle = NULL;
	const PvDirectory *directory = pv_job_get_directory(job, &handle, error);
	g_auto(AdAccount) account = { 0 };
	if (directory == NULL || !ad_account_init(&account, job, error))
		return FALSE;
	if (!directory->remove(handle, &account.spec, pv_job_get_cancellable(job), error)) {
		g_prefix_error(error, "remove account %s: ", account.name);
		return FALSE;
	}
	return TRUE;
}

static const PvParam ad_account_params[] = {
	{ "ou", PV_PARAM_STRING, "null",
	    "container of the account, a DN; absent: the directory's own", .refers = "ou" },
	{ "groups", PV_PARAM_LIST, "[]", "groups the account becomes a member of, by name or DN",
	    .refers = "group" },
	{ "name-suffix", PV_PARAM_STRING, "\"$iME\"", "what the short host name is followed by" },
	{ "spn-ports", PV_PARAM_LIST,
	    "[\"16992\", \"16993\", \"16994\", \"16995\", \"623\", \"664\"]",
	    "ports of the service principal names HTTP/FQDN:PORT" },
	{ "encryption-types", PV_PARAM_LIST, "[]",
	    "aes256, aes128, rc4: of tickets for the device; AMT before 8.0 opens those of rc4 "
	    "only; empty: the directory's own choice" },
	{ "max-age-days", PV_PARAM_INT, "0",
	    "a new password when the present one is that old; 0: never for its age", .unit = "days",
	    .minimum = 0, .maximum = 3650 },
	{ NULL },
};

static const char *const ad_account_provides[] = { "account.dn", "account.name", "account.sid",
	"account.realm", "account.salt", "account.kvno", "account.id", "account.server",
	AD_ACCOUNT_TIME, NULL };

static const PvStage ad_account_stages[] = {
	{
	    .type = "ad-account",
	    .summary =
		"gives the device an account in the directory, with SPNs, groups and a password",
	    .params = ad_account_params,
	    .provides = ad_account_provides,
	    .plan = ad_account_plan,
	    .apply = ad_account_apply,
	    .remove = ad_account_remove,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "ad-account", PV_VERSION, "directory account of a device", .stages = ad_account_stages);
