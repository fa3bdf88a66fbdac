/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <provost/provost.h>
#include <string.h>

/* Puts root certificates into the device's store, and with "mutual" makes it ask everybody for a certificate of one of
 * them (Intel AMT SDK, AMT_PublicKeyManagementService.AddTrustedRootCertificate, AMT_TLSSettingData). Nobody is locked
 * out: our own certificate is judged by the device's rules before anything is written; roots and names come before the
 * switch; and what is no longer wanted goes away last, over a connection that proves that the rest works. */

#define ROOTS_CERTIFICATE "AMT_PublicKeyCertificate"
#define ROOTS_SETTINGS "AMT_TLSSettingData"
#define ROOTS_SERVICE "AMT_SetupAndConfigurationService"
#define ROOTS_REMOTE_SUFFIX "AMT 802.3 TLS Settings"
#define ROOTS_LOCAL_SUFFIX "AMT LMS TLS Settings"
#define ROOTS_FACT "trusted-roots.roots"     /* fingerprints that this stage wants, joined by blanks */
#define ROOTS_OWN_FACT "certificates.own-roots" /* of pv_cert_store_add_root() */
#define ROOTS_MUTUAL_FACT "tls.mutual"       /* "true": in effect, and ours to switch */
#define ROOTS_COMMIT_FACT "trusted-roots.commits" /* CommitChanges sent without an effect so far */
#define ROOTS_MAX_COMMITS 2
#define ROOTS_RETRY_SEC 2
#define ROOTS_MAX_FILE (256 * 1024)
#define ROOTS_MAX 32
#define ROOTS_MAX_BYTES 4100 /* AMT_PublicKeyCertificate.X509Certificate is uint8[4100] */
#define ROOTS_LOCAL_NAMES_VERSION 7 /* of AMT: up to it TrustedCN of the local instance counts, too */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)

typedef struct {
	GBytes *der;
	char *fingerprint;
	char *name; /* for people */
} Root;

static void
trusted_roots_free(gpointer data)
{
	Root *root = data;
	g_clear_pointer(&root->der, g_bytes_unref);
	g_free(root->fingerprint);
	g_free(root->name);
	g_free(root);
}

/* ---- the declared roots ---- */

static char *
trusted_roots_dup_name(X509 *certificate)
{
	g_autoptr(BIO) bio = BIO_new(BIO_s_mem());
	/* control characters and non-ASCII come escaped */
	X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
	char *data = NULL;
	long length = BIO_get_mem_data(bio, &data);
	return g_strndup(data, MIN(length, 256));
}

static Root *
trusted_roots_find(GPtrArray *roots, const char *fingerprint)
{
	for (guint i = 0; i < roots->len; i++) {
		Root *root = roots->pdata[i];
		if (g_str_equal(root->fingerprint, fingerprint))
			return root;
	}
	return NULL;
}

/* NULL: fit to be a root in the device */
static const char *
trusted_roots_judge(X509 *certificate, int length)
{
	gboolean ca = X509_check_ca(certificate) > 0;
	gboolean self = X509_check_issued(certificate, certificate) == X509_V_OK;
	ERR_clear_error();
	if (length <= 0 || length > ROOTS_MAX_BYTES)
		return "it has more than 4100 bytes, which AMT does not take";
	return !ca ? "it is no CA's" : !self ? "it is no root: it has an issuer" : NULL;
}

/* Without it OpenSSL would ask for a password on the terminal. */
static int
trusted_roots_no_password(char *buffer, int size, int writing, void *data)
{
	return -1;
}

/* @count: certificates that were read. What ended it: that no further one begins, or one that cannot be read */
static gboolean
trusted_roots_check_end(const char *path, guint count, GError **error)
{
	unsigned long last = ERR_peek_last_error();
	ERR_clear_error();
	if (ERR_GET_REASON(last) != PEM_R_NO_START_LINE)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read root %s: certificate %u in it is damaged", path,
		    count + 1);
	else if (count == 0)
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "read root %s: there is no certificate in PEM in it", path);
	return ERR_GET_REASON(last) == PEM_R_NO_START_LINE && count > 0;
}

static gboolean
trusted_roots_add_file(GPtrArray *roots, const char *path, GError **error)
{
	g_autofree char *text = NULL;
	gsize size = 0;
	g_autoptr(GError) local = NULL;
	if (!g_file_get_contents(path, &text, &size, &local) || size > ROOTS_MAX_FILE) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read root %s: %s", path,
		    local != NULL ? local->message : "it is longer than 256 KiB");
		return FALSE;
	}
	g_autoptr(BIO) bio = BIO_new_mem_buf(text, (int)size);
	for (guint count = 0;; count++) {
		ERR_clear_error();
		g_autoptr(X509) certificate = PEM_read_bio_X509(bio, NULL, trusted_roots_no_password, NULL);
		if (certificate == NULL)
			return trusted_roots_check_end(path, count, error);
		unsigned char *der = NULL;
		int length = i2d_X509(certificate, &der);
		const char *wrong = roots->len == ROOTS_MAX ? "there are more than 32 roots"
							    : trusted_roots_judge(certificate, length);
		g_autoptr(GBytes) bytes = g_bytes_new(der, length > 0 ? (gsize)length : 0);
		OPENSSL_free(der);
		g_autofree char *name = trusted_roots_dup_name(certificate);
		if (wrong != NULL) {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read root %s: certificate %u (%s): %s", path,
			    count + 1, name, wrong);
			return FALSE;
		}
		g_autofree char *fingerprint = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
		if (trusted_roots_find(roots, fingerprint) != NULL)
			continue;
		Root *root = g_new0(Root, 1);
		root->der = g_steal_pointer(&bytes);
		root->fingerprint = g_steal_pointer(&fingerprint);
		root->name = g_steal_pointer(&name);
		g_ptr_array_add(roots, root);
	}
}

static GPtrArray *
trusted_roots_load(PvJob *job, GError **error)
{
	g_autoptr(GPtrArray) roots = g_ptr_array_new_with_free_func(trusted_roots_free);
	const char *const *files = pv_job_get_list(job, "roots");
	for (guint i = 0; files[i] != NULL; i++)
		if (!trusted_roots_add_file(roots, files[i], error))
			return NULL;
	return g_steal_pointer(&roots);
}

/* ---- facts ---- */

static char *
trusted_roots_join(GPtrArray *roots)
{
	GString *list = g_string_new(NULL);
	for (guint i = 0; i < roots->len; i++)
		g_string_append_printf(
		    list, "%s%s", i > 0 ? " " : "", ((const Root *)roots->pdata[i])->fingerprint);
	return g_string_free(list, FALSE);
}

/* as long as something is to do, what was wanted before is claimed too: no other stage takes it away meanwhile */
static void
trusted_roots_claim(PvJob *job, GPtrArray *roots, const char *before, gboolean done)
{
	g_autofree char *wanted = trusted_roots_join(roots);
	g_auto(GStrv) old = g_strsplit(before != NULL && !done ? before : "", " ", 0);
	g_autoptr(GString) list = g_string_new(wanted);
	for (guint i = 0; old[i] != NULL; i++)
		if (*old[i] != '\0' && !pv_cert_store_list_has(wanted, old[i]))
			g_string_append_printf(list, "%s%s", list->len > 0 ? " " : "", old[i]);
	pv_job_set_fact(job, ROOTS_FACT, list->len > 0 ? list->str : NULL);
}

/* ---- plan ---- */

typedef struct {
	PvWsman *amt;
	PvCertStore *store;    /* owned */
	GPtrArray *roots;      /* of Root: declared; owned */
	GPtrArray *leaving;    /* of PvStoredCertificate, lent by store; owned */
	PvInstance *remote;    /* owned */
	PvInstance *local;     /* owned; NULL: firmware that has none */
} Roots;

static void
trusted_roots_clear(Roots *state)
{
	pv_cert_store_free(state->store);
	g_clear_pointer(&state->roots, g_ptr_array_unref);
	g_clear_pointer(&state->leaving, g_ptr_array_unref);
	pv_instance_free(state->remote);
	pv_instance_free(state->local);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Roots, trusted_roots_clear)

/* Roots of the device that are ours and that no stage wants, or with "remove-foreign" anybody's that no stage wants. */
static void
trusted_roots_find_leaving(PvJob *job, Roots *state)
{
	g_autofree char *before = g_strdup(pv_job_get_fact(job, ROOTS_FACT));
	g_autofree char *wanted = trusted_roots_join(state->roots);
	const char *own = pv_job_get_fact(job, ROOTS_OWN_FACT);
	gboolean foreign = pv_job_get_bool(job, "remove-foreign");
	state->leaving = g_ptr_array_new();
	pv_job_set_fact(job, ROOTS_FACT, wanted);
	for (guint i = 0; i < state->store->certificates->len; i++) {
		PvStoredCertificate *entry = state->store->certificates->pdata[i];
		if (!entry->trusted_root || entry->read_only || entry->fingerprint == NULL ||
		    pv_cert_store_is_claimed(job, entry->fingerprint))
			continue;
		if (foreign || pv_cert_store_list_has(own, entry->fingerprint))
			g_ptr_array_add(state->leaving, entry);
	}
	pv_job_set_fact(job, ROOTS_FACT, before);
}

static gboolean
trusted_roots_read_settings(Roots *state, GError **error)
{
	g_autoptr(GPtrArray) all = pv_wsman_enumerate(state->amt, ROOTS_SETTINGS, error);
	if (all == NULL)
		return FALSE;
	for (guint i = 0; i < all->len; i++) {
		const PvInstance *settings = all->pdata[i];
		const char *id = pv_instance_get(settings, "InstanceID");
		if (id != NULL && g_str_has_suffix(id, ROOTS_REMOTE_SUFFIX) && state->remote == NULL)
			state->remote = pv_instance_dup(settings);
		else if (id != NULL && g_str_has_suffix(id, ROOTS_LOCAL_SUFFIX) && state->local == NULL)
			state->local = pv_instance_dup(settings);
	}
	if (state->remote != NULL)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
	    "find TLS settings: the device has none for its network interface");
	return FALSE;
}

/* While the device restarts after our commit, it is not there; that is no failure. */
static gboolean
trusted_roots_bear_restart(PvJob *job, GError *local, GError **error)
{
	if (pv_job_get_fact(job, ROOTS_COMMIT_FACT) != NULL) {
		if (g_error_matches(local, PV_ERROR, PV_ERROR_UNREACHABLE)) {
			(void)pv_job_wait(job, ROOTS_RETRY_SEC, error, "waiting for the device to restart: %s",
			    local->message);
			g_error_free(local);
			return FALSE; /* pv_job_wait() has set the error */
		}
		if (g_error_matches(local, PV_ERROR, PV_ERROR_AUTH))
			g_prefix_error(&local, "the device asks for client certificates since its commit, and ours, which "
					       "fits its roots and TrustedCN, is not let in; it can still be "
					       "reached from its own operating system or MEBx: ");
	}
	g_propagate_error(error, local);
	return FALSE;
}

static gboolean
trusted_roots_read(PvJob *job, Roots *state, GError **error)
{
	g_autoptr(GError) local = NULL;
	state->roots = trusted_roots_load(job, error);
	if (state->roots == NULL)
		return FALSE;
	state->amt = pv_job_get_wsman(job, error);
	if (state->amt == NULL)
		return FALSE;
	state->store = pv_cert_store_read(state->amt, &local);
	if (state->store == NULL)
		return trusted_roots_bear_restart(job, g_steal_pointer(&local), error);
	if (!trusted_roots_read_settings(state, error))
		return FALSE;
	trusted_roots_find_leaving(job, state);
	return TRUE;
}

/* seconds since 1970 by the device's own clock, which judges our certificate's dates; 0: it does not say */
static gint64
trusted_roots_read_clock(PvWsman *amt)
{
	g_autoptr(PvInstance) clock = pv_wsman_invoke(
	    amt, "AMT_TimeSynchronizationService", NULL, "GetLowAccuracyTimeSynch", NULL, NULL, NULL);
	return clock != NULL ? pv_instance_get_int(clock, "Ta0", 0) : 0;
}

/* What can be known of whether the device would let us in again, judged by the roots that it will have in the end: those
 * that are not in it yet are declared, those that leave do not count. */
static gboolean
trusted_roots_prove(PvJob *job, const Roots *state, GError **error)
{
	if (g_strcmp0(pv_job_get_fact(job, "amt.state"), "operational") != 0) {
		g_set_error_literal(error, PV_ERROR, PV_ERROR_CONFIG,
		    "mutual authentication is switched on only in a device that is committed and reached by its own "
		    "certificate: put this stage behind \"commit\"");
		return FALSE;
	}
	g_autoptr(GPtrArray) roots = g_ptr_array_new();
	for (guint i = 0; i < state->roots->len; i++)
		g_ptr_array_add(roots, ((const Root *)state->roots->pdata[i])->der);
	for (guint i = 0; i < state->store->certificates->len; i++) {
		PvStoredCertificate *entry = state->store->certificates->pdata[i];
		if (entry->trusted_root && entry->x509 != NULL &&
		    trusted_roots_find(state->roots, entry->fingerprint) == NULL &&
		    !g_ptr_array_find(state->leaving, entry, NULL))
			g_ptr_array_add(roots, entry->der);
	}
	if (pv_job_check_client_certificate(job, roots, pv_job_get_list(job, "trusted-cn"),
		trusted_roots_read_clock(state->amt), error))
		return TRUE;
	g_prefix_error(error, "not switching on mutual authentication, which would lock us out: ");
	return FALSE;
}

static gboolean
trusted_roots_is_old(PvJob *job)
{
	const char *version = pv_job_get_fact(job, "amt.version");
	return version != NULL && g_ascii_strtoull(version, NULL, 10) <= ROOTS_LOCAL_NAMES_VERSION;
}

static gboolean
trusted_roots_plan_mutual(PvJob *job, PvPlan *plan, const Roots *state, gboolean wanted, GError **error)
{
	const char *const *names = pv_job_get_list(job, "trusted-cn");
	guint before = pv_plan_get_length(plan);
	if (wanted && !trusted_roots_prove(job, state, error))
		return FALSE;
	if (wanted && state->local != NULL && trusted_roots_is_old(job))
		pv_plan_property_array(plan, state->local, "TrustedCN", names);
	if (wanted)
		pv_plan_property_array(plan, state->remote, "TrustedCN", names);
	pv_plan_property(plan, state->remote, "MutualAuthentication", wanted ? "true" : "false");
	/* what is written is not in effect before a commit, and a fact alone would not tell after a crash */
	gboolean asks = pv_wsman_is_mutual(state->amt);
	gboolean operational = g_strcmp0(pv_job_get_fact(job, "amt.state"), "operational") == 0;
	if (operational && asks != wanted && pv_plan_get_length(plan) == before)
		pv_plan_add(plan, "device", "client certificates", asks ? "asked for" : "not asked for",
		    wanted ? "asked for" : "not asked for");
	if (pv_plan_get_length(plan) > before)
		return TRUE;
	pv_job_set_fact(job, ROOTS_MUTUAL_FACT, wanted ? "true" : NULL);
	pv_job_set_fact(job, ROOTS_COMMIT_FACT, NULL);
	return TRUE;
}

static gboolean
trusted_roots_plan(PvJob *job, PvPlan *plan, GError **error)
{
	g_auto(Roots) state = { 0 };
	if (!trusted_roots_read(job, &state, error))
		return FALSE;
	g_autofree char *before = g_strdup(pv_job_get_fact(job, ROOTS_FACT));
	for (guint i = 0; i < state.roots->len; i++) {
		const Root *root = state.roots->pdata[i];
		if (pv_cert_store_find_der(state.store, root->der, TRUE) == NULL)
			pv_plan_add(plan, ROOTS_CERTIFICATE, root->name, "", "trusted root");
	}
	if (!trusted_roots_plan_mutual(job, plan, &state, pv_job_get_bool(job, "mutual"), error))
		return FALSE;
	for (guint i = 0; i < state.leaving->len; i++) {
		const PvStoredCertificate *entry = state.leaving->pdata[i];
		g_autofree char *name =
		    entry->x509 != NULL ? trusted_roots_dup_name(entry->x509) : g_strdup(entry->instance);
		pv_plan_add(plan, ROOTS_CERTIFICATE, name, "trusted root", "");
	}
	trusted_roots_claim(job, state.roots, before, pv_plan_get_length(plan) == 0);
	return TRUE;
}

/* ---- apply ---- */

static gboolean
trusted_roots_commit(PvJob *job, PvWsman *amt, GError **error)
{
	const char *sent = pv_job_get_fact(job, ROOTS_COMMIT_FACT);
	guint count = sent != NULL ? (guint)g_ascii_strtoull(sent, NULL, 10) : 0;
	if (count >= ROOTS_MAX_COMMITS) {
		pv_job_set_fact(job, ROOTS_COMMIT_FACT, NULL); /* the next run may try again */
		g_set_error(error, PV_ERROR, PV_ERROR_REJECTED,
		    "CommitChanges: the device took it %u times, and whether it asks for client certificates is still "
		    "not what its settings say",
		    count);
		return FALSE;
	}
	g_autofree char *next = g_strdup_printf("%u", count + 1);
	pv_job_set_fact(job, ROOTS_COMMIT_FACT, next);
	if (!pv_job_save_facts(job, error))
		return FALSE;
	g_autoptr(GError) local = NULL;
	guint32 status = 0;
	g_autoptr(PvInstance) output =
	    pv_wsman_invoke(amt, ROOTS_SERVICE, NULL, "CommitChanges", NULL, &status, &local);
	/* the answer is often lost because the stack restarts; what counts is how the device is met afterwards */
	if (output == NULL && !g_error_matches(local, PV_ERROR, PV_ERROR_UNREACHABLE)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if (output != NULL && status != PV_PT_STATUS_SUCCESS) {
		pv_pt_status_error(error, ROOTS_SERVICE, "CommitChanges", status);
		return FALSE;
	}
	pv_job_reconnect(job);
	return pv_job_wait(job, (guint)pv_job_get_int(job, "wait"), error,
	    "waiting for the device to restart its network stack");
}

/* whether a row is about more than roots */
static gboolean
trusted_roots_switches(const PvPlan *plan)
{
	for (guint i = 0; i < pv_plan_get_length(plan); i++)
		if (!g_str_equal(pv_plan_get(plan, i)->object, ROOTS_CERTIFICATE))
			return TRUE;
	return FALSE;
}

static gboolean
trusted_roots_remove(const Roots *state, GError **error)
{
	for (guint i = 0; i < state->leaving->len; i++) {
		const PvStoredCertificate *entry = state->leaving->pdata[i];
		if (!pv_wsman_delete(
			state->amt, ROOTS_CERTIFICATE, PV_SELECT("InstanceID", entry->instance), error)) {
			g_prefix_error(error, "remove root %s: ", entry->instance);
			return FALSE;
		}
	}
	return TRUE;
}

static gboolean
trusted_roots_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	g_auto(Roots) state = { 0 };
	if (!trusted_roots_read(job, &state, error) || !pv_job_save_facts(job, error))
		return FALSE;
	for (guint i = 0; i < state.roots->len; i++) {
		g_autofree char *id =
		    pv_cert_store_add_root(job, ((const Root *)state.roots->pdata[i])->der, error);
		if (id == NULL) {
			g_prefix_error(error, "add root %s: ", ((const Root *)state.roots->pdata[i])->name);
			return FALSE;
		}
	}
	if (!trusted_roots_switches(plan))
		return trusted_roots_remove(&state, error);
	/* the names of who is let in go into effect at once, the switch with the commit */
	return pv_plan_put(plan, job, error) && trusted_roots_commit(job, state.amt, error);
}

static const PvParam trusted_roots_params[] = {
	{ "roots", PV_PARAM_LIST, "[]", "PEM files of the root certificates that the device shall trust" },
	{ "remove-foreign", PV_PARAM_BOOL, "false", "also remove roots that others have put there" },
	{ "mutual", PV_PARAM_BOOL, "false",
	    "let in only who has a client certificate of one of the roots; needs the site's \"client-certificate\"" },
	{ "trusted-cn", PV_PARAM_LIST, "[]",
	    "with mutual: names, or domains of names, that a client certificate must have; empty: any" },
	{ "wait", PV_PARAM_INT, "5", "pause after a commit before the device is dialled again", .unit = "s", .minimum = 1,
	    .maximum = 120 },
	{ NULL },
};

static const PvStage trusted_roots_stages[] = {
	{
		.type = "trusted-roots",
		.summary = "trusted root certificates, and client certificates for all who connect",
		.params = trusted_roots_params,
		.needs = (const char *const[]){ "tls.fingerprint", NULL },
		.timeout_sec = 600,
		.plan = trusted_roots_plan,
		.apply = trusted_roots_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE("trusted-roots", PV_VERSION, "whom the device trusts", .stages = trusted_roots_stages);
