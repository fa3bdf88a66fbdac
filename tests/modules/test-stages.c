/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/provost.h>

#include <stdio.h>
#include <string.h>

/* A plugin as it should be, for the tests of the loader, of pipelines and of sites. Its providers write what is done to
 * them into a file. */

static gboolean
stages_plan(PvJob *job, PvPlan *plan, GError **error)
{
	return TRUE;
}

static gboolean
stages_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	return TRUE;
}

static gboolean
stages_remove(PvJob *job, GError **error)
{
	return TRUE;
}

static const PvParam stages_params[] = {
	{ "ou", PV_PARAM_STRING, NULL, "container" },
	{ "length", PV_PARAM_INT, "20", "length of the password", .unit = "characters",
	    .minimum = 8, .maximum = 32 },
	{ "password", PV_PARAM_SECRET, "null", "a password" },
	{ NULL },
};

static const char *const fact_a[] = { "test.a", NULL };
static const char *const facts_ab[] = { "test.a", "test.b", NULL };
static const char *const fact_b[] = { "test.b", NULL };
static const char *const fact_hello[] = { "hello.hashes", NULL };

static const PvStage stages_stages[] = {
	{ "test-make-a", "makes a", NULL, NULL, fact_a, 77, stages_plan, stages_apply,
	    stages_remove },
	{ "test-make-b", "makes b of a", stages_params, fact_a, fact_b, 0, stages_plan,
	    stages_apply, NULL },
	{ "test-use", "uses a and b", NULL, facts_ab, NULL, 0, stages_plan, stages_apply, NULL },
	{ "test-hello", "uses the hello packet", NULL, fact_hello, NULL, 0, stages_plan,
	    stages_apply, NULL },
	{ NULL },
};

static const PvParam provider_params[] = {
	{ "log", PV_PARAM_PATH, NULL, "file that gets what happens" },
	{ "fails", PV_PARAM_STRING, "null", "what does not work: open, chain, check" },
	{ "chain", PV_PARAM_PATH, "null", "DER file with the CA's certificate" },
	{ "password", PV_PARAM_SECRET, "null", "a password" },
	{ NULL },
};

/* An open provider. */
typedef struct {
	char *kind; /* owned */
	char *log; /* owned */
	char *fails; /* owned; NULL: nothing */
	char *chain; /* owned; NULL: none */
} Provider;

static void
provider_log(const Provider *provider, const char *what)
{
	FILE *file = fopen(provider->log, "a");
	g_assert(file != NULL);
	fprintf(file, "%s %s\n", provider->kind, what);
	fclose(file);
}

static gboolean
provider_works(const Provider *provider, const char *what, GError **error)
{
	provider_log(provider, what);
	if (g_strcmp0(provider->fails, what) != 0)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE, "the test wants no %s", what);
	return FALSE;
}

static void
provider_free(Provider *provider)
{
	g_free(provider->kind);
	g_free(provider->log);
	g_free(provider->fails);
	g_free(provider->chain);
	g_free(provider);
}

static gpointer
provider_open(const char *kind, const PvValues *values, GError **error)
{
	Provider *provider = g_new0(Provider, 1);
	provider->kind = g_strdup(kind);
	provider->log = g_strdup(pv_values_get_string(values, "log"));
	provider->fails = g_strdup(pv_values_get_string(values, "fails"));
	provider->chain = g_strdup(pv_values_get_string(values, "chain"));
	g_autoptr(PvSecret) password = pv_values_has(values, "password")
					   ? pv_values_dup_secret(values, "password", error)
					   : NULL;
	if ((password != NULL || !pv_values_has(values, "password")) &&
	    provider_works(provider, "open", error))
		return provider;
	provider_free(provider);
	return NULL;
}

static gpointer
directory_open(const PvValues *values, GError **error)
{
	return provider_open("directory", values, error);
}

static gpointer
ca_open(const PvValues *values, GError **error)
{
	return provider_open("ca", values, error);
}

static void
provider_close(gpointer data)
{
	provider_log(data, "close");
	provider_free(data);
}

static gboolean
provider_check_directory(gpointer data, const PvDirectoryNeeds *needs, PvReport *report,
    GCancellable *cancellable, GError **error)
{
	return provider_works(data, "check", error);
}

static gboolean
provider_check_ca(gpointer data, PvReport *report, GCancellable *cancellable, GError **error)
{
	return provider_works(data, "check", error);
}

static gboolean
directory_account(gpointer data, const PvAccountSpec *spec, PvAccount **account,
    GCancellable *cancellable, GError **error)
{
	return TRUE;
}

static gboolean
directory_set_password(gpointer data, const PvAccountSpec *spec, PvSecret *password,
    GCancellable *cancellable, GError **error)
{
	return TRUE;
}

static char *
directory_find_sid(gpointer data, const char *name, GCancellable *cancellable, GError **error)
{
	return g_strdup("S-1-0-0");
}

static gboolean
directory_remove(
    gpointer data, const PvAccountSpec *spec, GCancellable *cancellable, GError **error)
{
	return TRUE;
}

static gboolean
ca_prepare(gpointer data, const PvCertRequest *request, PvCaPreparation *preparation,
    GCancellable *cancellable, GError **error)
{
	return TRUE;
}

static gboolean
ca_submit(gpointer data, const PvCertRequest *request, GBytes *csr_der,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	reply->outcome = PV_CA_DENIED;
	return TRUE;
}

static gboolean
ca_poll(gpointer data, const PvCertRequest *request, GBytes *csr_der, const char *cookie,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	reply->outcome = PV_CA_DENIED;
	return TRUE;
}

static GPtrArray *
ca_chain(gpointer data, GCancellable *cancellable, GError **error)
{
	const Provider *provider = data;
	g_autofree char *der = NULL;
	gsize length = 0;
	if (!provider_works(provider, "chain", error) ||
	    !g_file_get_contents(provider->chain, &der, &length, error))
		return NULL;
	GPtrArray *chain = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(chain, g_bytes_new(der, length));
	return chain;
}

static gboolean
ca_revoke(
    gpointer data, GBytes *certificate, guint reason, GCancellable *cancellable, GError **error)
{
	return TRUE;
}

static const PvDirectory stages_directories[] = {
	{ "test", "a directory for tests", provider_params, directory_open, provider_close,
	    directory_account, directory_account, directory_set_password, directory_find_sid,
	    directory_remove, provider_check_directory },
	{ NULL },
};

static const PvCa stages_cas[] = {
	{ "test", "a CA for tests", provider_params, ca_open, provider_close, ca_prepare, ca_submit,
	    ca_poll, ca_chain, ca_revoke, provider_check_ca },
	{ NULL },
};

PV_PLUGIN_DEFINE("test-stages", PV_VERSION, "stages and providers for tests",
    .stages = stages_stages, .directories = stages_directories, .cas = stages_cas);
