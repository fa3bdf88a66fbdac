/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/site.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/amt/clientcert.h"
#include "core/amt/provcert.h"

#include <provost/token.h>

/* clang-format off */
static const PvParam certificate_params[] = {
	{ "file", PV_PARAM_STRING, NULL, "PEM or PKCS#12 with the provisioning certificate and its chain" },
	{ "key", PV_PARAM_STRING, "null", "PEM file or PKCS#11 URI of the private key, where it is not in \"file\"" },
	{ "password", PV_PARAM_SECRET, "null", "of the PKCS#12 or the key, or the PIN" },
	{ NULL },
};

static const PvParam client_params[] = {
	{ "file", PV_PARAM_STRING, NULL, "PEM or PKCS#12 with the client certificate and its chain" },
	{ "key", PV_PARAM_STRING, "null", "PEM file or PKCS#11 URI of the private key, where it is not in \"file\"" },
	{ "password", PV_PARAM_SECRET, "null", "of the PKCS#12 or the key, or the PIN" },
	{ NULL },
};

static const PvParam credential_params[] = {
	{ "user", PV_PARAM_STRING, "\"admin\"", "AMT user" },
	{ "password", PV_PARAM_SECRET, NULL, "its password" },
	{ NULL },
};

static const PvParam group_params[] = {
	{ "name", PV_PARAM_STRING, NULL, "name of the group" },
	{ "pipeline", PV_PARAM_STRING, "null", "its pipeline; else the site's" },
	{ "tls", PV_PARAM_CHOICE, "\"modern\"", "legacy allows TLS 1.0 and SHA-1 for the group's devices", .choices = "modern|legacy" },
	{ NULL },
};

static const PvParam pipeline_file_params[] = {
	{ "name", PV_PARAM_STRING, NULL, "name by which groups and commands call it" },
	{ "file", PV_PARAM_STRING, NULL, "JSON file" },
	{ NULL },
};

static const PvParam listener_params[] = {
	{ "address", PV_PARAM_STRING, "\"0.0.0.0\"", "where provostd waits for hello packets" },
	{ "port", PV_PARAM_INT, "9971", "TCP port", .minimum = 1, .maximum = 65535 },
	{ NULL },
};

static const PvParam login_params[] = {
	{ "kerberos", PV_PARAM_BOOL, "false", "log in to managed devices by a ticket of the directory's service account; by password where a device does not take it" },
	{ NULL },
};

static const PvParam trust_params[] = {
	{ "file", PV_PARAM_PATH, NULL, "PEM with the certificates of a CA" },
	{ NULL },
};

static const PvParam site_params[] = {
	{ "plugin-path", PV_PARAM_LIST, "null", "folders of plugins; else the installed one" },
	{ "plugins", PV_PARAM_LIST, NULL, "plugins that are enabled" },
	{ "key", PV_PARAM_STRING, NULL, "file of the master key, or credential:NAME" },
	{ "provisioning-certificates", PV_PARAM_OBJECTS, "[]", "what devices in set-up let in", .fields = certificate_params },
	{ "client-certificate", PV_PARAM_OBJECT, "null", "what managed devices with mutual authentication let in", .fields = client_params },
	{ "trust", PV_PARAM_OBJECTS, "[]", "more CAs whose certificates devices may show, such as the one before this", .fields = trust_params },
	{ "credentials", PV_PARAM_OBJECTS, "[]", "logins to try, in order, when a device's own password is not known", .fields = credential_params },
	{ "groups", PV_PARAM_OBJECTS, "[]", "groups of devices", .fields = group_params },
	{ "pipelines", PV_PARAM_OBJECTS, NULL, "pipelines", .fields = pipeline_file_params },
	{ "pipeline", PV_PARAM_STRING, NULL, "pipeline of devices whose group names none" },
	{ "dns-suffix", PV_PARAM_STRING, "null", "DNS suffix that the devices get by DHCP option 15; else that of their FQDN" },
	{ "listener", PV_PARAM_OBJECT, "{}", "the hello listener", .fields = listener_params },
	{ "device-port", PV_PARAM_INT, "16993", "TCP port of AMT over TLS", .minimum = 1, .maximum = 65535 },
	{ "workers", PV_PARAM_INT, "64", "devices at work at once", .minimum = 1, .maximum = 4096 },
	{ "login", PV_PARAM_OBJECT, "{}", "how the service logs in to managed devices", .fields = login_params },
	{ "login-attempts", PV_PARAM_INT, "4", "passwords tried at a device in one job; AMT locks logins at 10", .minimum = 1, .maximum = 8 },
	{ "connect-timeout", PV_PARAM_INT, "10", "to connect and shake hands", .unit = "s", .minimum = 1, .maximum = 300 },
	{ "request-timeout", PV_PARAM_INT, "60", "for one request", .unit = "s", .minimum = 1, .maximum = 600 },
	{ NULL },
};
/* clang-format on */

/* facts that the engine, the import or the hello listener makes before the first stage */
const char *const pv_site_facts[] = { "hello.hashes", "hello.pid", "amt.version", "amt.state",
	"otp.expected", NULL };
static const char *const site_other_members[] = { "store", "directory", "ca", "variables", NULL };
static const char *const type_member[] = { "type", NULL };

static void
site_group_free(gpointer data)
{
	PvGroup *group = data;
	g_free(group->name);
	g_free(group->pipeline);
	g_free(group);
}

static void
site_candidate_free(gpointer data)
{
	PvCandidate *candidate = data;
	g_free(candidate->user);
	g_free(candidate);
}

static char *
site_resolve(const PvSite *site, const char *path)
{
	if (g_path_is_absolute(path) || pv_token_is_uri(path))
		return g_strdup(path);
	g_autofree char *folder = g_path_get_dirname(site->file);
	return g_build_filename(folder, path, NULL);
}

/* The site file decides which code runs and which keys are used: nobody else may write it. */
static gboolean
site_check_file(const char *path, GError **error)
{
	struct stat info;
	if (stat(path, &info) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "read site %s: %s; 'provost site init DIR' makes a site", path,
		    g_strerror(errno));
		return FALSE;
	}
	if (info.st_uid != 0 && info.st_uid != geteuid()) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "read site %s: it belongs to user %u, not to root or user %u", path,
		    (guint)info.st_uid, (guint)geteuid());
		return FALSE;
	}
	if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "read site %s: %s may write it: chmod go-w it", path,
		    (info.st_mode & S_IWOTH) != 0 ? "everybody" : "its group");
		return FALSE;
	}
	return TRUE;
}

/* (transfer full); NULL: a kind that variables do not have */
static char *
site_dup_variable(JsonNode *node)
{
	GType type = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node) : G_TYPE_INVALID;
	char number[G_ASCII_DTOSTR_BUF_SIZE];
	if (type == G_TYPE_STRING)
		return g_strdup(json_node_get_string(node));
	if (type == G_TYPE_BOOLEAN)
		return g_strdup(json_node_get_boolean(node) ? "true" : "false");
	if (type == G_TYPE_INT64)
		return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node));
	if (type == G_TYPE_DOUBLE)
		return g_strdup(g_ascii_dtostr(number, sizeof number, json_node_get_double(node)));
	return NULL;
}

static gboolean
site_add_variable(PvSite *site, const char *name, JsonNode *node, GError **error)
{
	g_autofree char *path = pv_json_dup_member_path("$.variables", name);
	/* as conditions know them */
	if (*name == '\0' ||
	    strspn(name, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_-") != strlen(name)) {
		pv_json_set_error(site->json, path, error,
		    "a variable's name is letters, digits, hyphens and underscores");
		return FALSE;
	}
	g_autofree char *value = site_dup_variable(node);
	if (value == NULL) {
		pv_json_set_error(
		    site->json, path, error, "expected a string, a number, true or false");
		return FALSE;
	}
	g_hash_table_insert(site->variables, g_strdup(name), g_steal_pointer(&value));
	return TRUE;
}

static gboolean
site_read_variables(PvSite *site, GError **error)
{
	JsonObject *root = json_node_get_object(pv_json_get_root(site->json));
	JsonNode *node = json_object_get_member(root, "variables");
	if (node == NULL)
		return TRUE;
	if (!JSON_NODE_HOLDS_OBJECT(node)) {
		pv_json_set_error(
		    site->json, "$.variables", error, "expected an object of names and values");
		return FALSE;
	}
	JsonObject *object = json_node_get_object(node);
	g_autoptr(GList) names = json_object_get_members(object);
	for (GList *name = names; name != NULL; name = name->next)
		if (!site_add_variable(
			site, name->data, json_object_get_member(object, name->data), error))
			return FALSE;
	return TRUE;
}

static gboolean
site_load_plugins(PvSite *site, const PvValues *values, GError **error)
{
	static const char *const installed[] = { PV_PLUGIN_DIR, NULL };
	g_autoptr(GPtrArray) path = g_ptr_array_new_with_free_func(g_free);
	const char *const *given = pv_values_has(values, "plugin-path")
				       ? pv_values_get_list(values, "plugin-path")
				       : installed;
	for (guint i = 0; given[i] != NULL; i++)
		g_ptr_array_add(path, site_resolve(site, given[i]));
	g_ptr_array_add(path, NULL);
	site->loader = pv_loader_new((const char *const *)path->pdata);
	const char *const *plugins = pv_values_get_list(values, "plugins");
	for (guint i = 0; plugins[i] != NULL; i++) {
		if (pv_loader_load(site->loader, plugins[i], error) != NULL)
			continue;
		g_autofree char *at = g_strdup_printf("$.plugins[%u]", i);
		g_prefix_error(
		    error, "%s:%u: %s: ", site->file, pv_json_get_line(site->json, at), at);
		return FALSE;
	}
	return TRUE;
}

/* The "name" of an entry must be one, and new. */
static gboolean
site_check_name(GHashTable *known, const PvValues *entry, GError **error)
{
	const char *name = pv_values_get_string(entry, "name");
	const char *wrong = *name == '\0' ? "expected a name, got an empty string"
			    : g_hash_table_contains(known, name)
				? "this name is taken by an entry above"
				: NULL;
	if (wrong != NULL)
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s",
		    pv_values_get_where(entry, "name"), wrong);
	return wrong == NULL;
}

/* The "pipeline" of the site or of a group; NULL is none. */
static gboolean
site_check_pipeline(const PvSite *site, const PvValues *values, GError **error)
{
	const char *name = pv_values_get_string(values, "pipeline");
	if (name == NULL || g_hash_table_contains(site->pipelines, name))
		return TRUE;
	g_autoptr(GPtrArray) known = g_ptr_array_new();
	GHashTableIter iter;
	gpointer key = NULL;
	g_hash_table_iter_init(&iter, site->pipelines);
	while (g_hash_table_iter_next(&iter, &key, NULL))
		g_ptr_array_add(known, key);
	g_ptr_array_add(known, NULL);
	const char *nearest = pv_json_find_nearest(name, (const char *const *)known->pdata, NULL);
	g_autofree char *shown = pv_json_dup_shown(name);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: \"%s\" is none of \"pipelines\"%s%s%s",
	    pv_values_get_where(values, "pipeline"), shown,
	    nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
	    nearest != NULL ? "\"?" : "");
	return FALSE;
}

static gboolean
site_load_pipelines(PvSite *site, const PvValues *values, GError **error)
{
	for (guint i = 0; i < pv_values_get_count(values, "pipelines"); i++) {
		const PvValues *entry = pv_values_get_object(values, "pipelines", i);
		const char *name = pv_values_get_string(entry, "name");
		if (!site_check_name(site->pipelines, entry, error))
			return FALSE;
		g_autofree char *file = site_resolve(site, pv_values_get_string(entry, "file"));
		PvPipeline *pipeline =
		    pv_pipeline_load(file, site->loader, site->variables, pv_site_facts, error);
		if (pipeline == NULL)
			return FALSE;
		g_hash_table_insert(site->pipelines, g_strdup(name), pipeline);
	}
	site->default_pipeline = g_strdup(pv_values_get_string(values, "pipeline"));
	return site_check_pipeline(site, values, error);
}

static gboolean
site_read_groups(PvSite *site, const PvValues *values, GError **error)
{
	for (guint i = 0; i < pv_values_get_count(values, "groups"); i++) {
		const PvValues *entry = pv_values_get_object(values, "groups", i);
		const char *pipeline = pv_values_get_string(entry, "pipeline");
		if (!site_check_name(site->groups, entry, error) ||
		    !site_check_pipeline(site, entry, error))
			return FALSE;
		PvGroup *group = g_new0(PvGroup, 1);
		group->name = g_strdup(pv_values_get_string(entry, "name"));
		group->pipeline = g_strdup(pipeline != NULL ? pipeline : site->default_pipeline);
		group->tls = g_str_equal(pv_values_get_string(entry, "tls"), "legacy")
				 ? PV_TLS_LEGACY
				 : PV_TLS_MODERN;
		g_hash_table_insert(site->groups, group->name, group);
	}
	return TRUE;
}

/* The type of {"type": T, ...} under "store", "directory" or "ca"; *type stays NULL when the member is absent. */
static gboolean
site_read_type(PvSite *site, const char *member, const char **type, GError **error)
{
	g_autofree char *path = pv_json_dup_member_path("$", member);
	g_autofree char *type_path = pv_json_dup_member_path(path, "type");
	JsonNode *node = pv_json_find(site->json, path),
		 *type_node = pv_json_find(site->json, type_path);
	if (node == NULL)
		return TRUE;
	if (type_node != NULL && JSON_NODE_HOLDS_VALUE(type_node) &&
	    json_node_get_value_type(type_node) == G_TYPE_STRING) {
		*type = json_node_get_string(type_node);
		return TRUE;
	}
	pv_json_set_error(site->json, type_node != NULL ? type_path : path, error,
	    "expected an object such as {\"type\": \"%s\", ...}",
	    g_str_equal(member, "store") ? "sqlite" : "local");
	return FALSE;
}

/* @params: those of @provider, which is NULL when no plugin has the type */
static PvValues *
site_parse_provider(PvSite *site, const char *member, const char *type, gconstpointer provider,
    const PvParam *params, GError **error)
{
	g_autofree char *path = pv_json_dup_member_path("$", member);
	if (provider != NULL)
		return pv_values_parse(site->json, path, params, type_member, error);
	g_autofree char *type_path = pv_json_dup_member_path(path, "type");
	g_autofree char *shown = pv_json_dup_shown(type);
	pv_json_set_error(site->json, type_path, error,
	    "no enabled plugin offers a %s of type \"%s\": add its plugin to \"plugins\"", member,
	    shown);
	return NULL;
}

static gboolean
site_read_store(PvSite *site, GError **error)
{
	const char *type = NULL;
	if (!site_read_type(site, "store", &type, error))
		return FALSE;
	if (type == NULL) {
		pv_json_set_error(site->json, "$", error,
		    "the member \"store\" is missing: such as {\"type\": \"sqlite\", \"path\": "
		    "\"store.db\"}");
		return FALSE;
	}
	site->store_provider = g_str_equal(type, pv_store_sqlite.type)
				   ? &pv_store_sqlite
				   : pv_loader_find_store(site->loader, type);
	site->store_values = site_parse_provider(site, "store", type, site->store_provider,
	    site->store_provider != NULL ? site->store_provider->params : NULL, error);
	return site->store_values != NULL;
}

static gboolean
site_read_directory(PvSite *site, GError **error)
{
	const char *type = NULL;
	if (!site_read_type(site, "directory", &type, error))
		return FALSE;
	if (type == NULL)
		return TRUE;
	site->directory = pv_loader_find_directory(site->loader, type);
	site->directory_values = site_parse_provider(site, "directory", type, site->directory,
	    site->directory != NULL ? site->directory->params : NULL, error);
	return site->directory_values != NULL;
}

static gboolean
site_read_ca(PvSite *site, GError **error)
{
	const char *type = NULL;
	if (!site_read_type(site, "ca", &type, error))
		return FALSE;
	if (type == NULL)
		return TRUE;
	site->ca = pv_loader_find_ca(site->loader, type);
	site->ca_values = site_parse_provider(
	    site, "ca", type, site->ca, site->ca != NULL ? site->ca->params : NULL, error);
	return site->ca_values != NULL;
}

/* Finds the providers and parses what they are given; nothing is opened yet. */
static gboolean
site_read_providers(PvSite *site, GError **error)
{
	return site_read_store(site, error) && site_read_directory(site, error) &&
	       site_read_ca(site, error);
}

static void
site_read_settings(PvSite *site, const PvValues *values)
{
	const PvValues *listener = pv_values_get_object(values, "listener", 0);
	site->key_source = g_str_has_prefix(pv_values_get_string(values, "key"), "credential:")
			       ? g_strdup(pv_values_get_string(values, "key"))
			       : site_resolve(site, pv_values_get_string(values, "key"));
	site->dns_suffix = g_strdup(pv_values_get_string(values, "dns-suffix"));
	site->listen_address = g_strdup(pv_values_get_string(listener, "address"));
	site->listen_port = (guint)pv_values_get_int(listener, "port");
	site->device_port = (guint)pv_values_get_int(values, "device-port");
	site->workers = (guint)pv_values_get_int(values, "workers");
	site->login_kerberos =
	    pv_values_get_bool(pv_values_get_object(values, "login", 0), "kerberos");
	site->login_attempts = (guint)pv_values_get_int(values, "login-attempts");
	site->connect_msec = (guint)pv_values_get_int(values, "connect-timeout") * 1000;
	site->request_msec = (guint)pv_values_get_int(values, "request-timeout") * 1000;
	for (guint i = 0; i < pv_values_get_count(values, "credentials"); i++) {
		const PvValues *entry = pv_values_get_object(values, "credentials", i);
		PvCandidate *candidate = g_new0(PvCandidate, 1);
		candidate->user = g_strdup(pv_values_get_string(entry, "user"));
		candidate->values = (PvValues *)entry;
		g_ptr_array_add(site->candidates, candidate);
	}
}

static gboolean
site_check_login(const PvSite *site, GError **error)
{
	if (!site->login_kerberos ||
	    (site->directory != NULL && site->directory->kerberos != NULL))
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "%s: the site's directory has no Kerberos account that could log in: take it out, or "
	    "use a directory that has one",
	    pv_values_get_where(pv_values_get_object(site->values, "login", 0), "kerberos"));
	return FALSE;
}

static PvSecret *
site_find_secret(gpointer data, const char *name, GError **error)
{
	const PvSite *site = data;
	if (!pv_db_has_secret(site->db, "", name, "current")) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "the store has no secret \"%s\": give it with \"provost secret set %s\"", name,
		    name);
		return NULL;
	}
	return pv_db_dup_secret(site->db, "", name, "current", error);
}

static void
site_bind_secrets(PvSite *site)
{
	PvValues *const sets[] = { site->values, site->directory_values, site->ca_values };
	for (guint i = 0; i < G_N_ELEMENTS(sets); i++)
		if (sets[i] != NULL)
			pv_values_set_secret_find(sets[i], site_find_secret, site);
	GHashTableIter iter;
	gpointer value = NULL;
	g_hash_table_iter_init(&iter, site->pipelines);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const PvPipeline *pipeline = value;
		for (guint i = 0; i < pipeline->stages->len; i++)
			pv_values_set_secret_find(
			    ((PvPipelineStage *)pipeline->stages->pdata[i])->values,
			    site_find_secret, site);
	}
}

static PvIdentity *
site_load_identity(PvSite *site, const PvValues *entry, GError **error)
{
	g_autofree char *file = site_resolve(site, pv_values_get_string(entry, "file"));
	g_autofree char *key = pv_values_has(entry, "key")
				   ? site_resolve(site, pv_values_get_string(entry, "key"))
				   : NULL;
	g_autoptr(PvSecret) password = NULL;
	if (pv_values_has(entry, "password")) {
		password = pv_values_dup_secret(entry, "password", error);
		if (password == NULL)
			return NULL;
	}
	PvIdentity *identity = pv_identity_load(file, key, password, error);
	if (identity == NULL)
		g_prefix_error(error, "%s: ", pv_values_get_where(entry, "file"));
	return identity;
}

static gboolean
site_load_identities(PvSite *site, GError **error)
{
	for (guint i = 0; i < pv_values_get_count(site->values, "provisioning-certificates"); i++) {
		PvIdentity *identity = site_load_identity(
		    site, pv_values_get_object(site->values, "provisioning-certificates", i), error);
		if (identity == NULL)
			return FALSE;
		g_ptr_array_add(site->identities, identity);
	}
	if (!pv_values_has(site->values, "client-certificate"))
		return TRUE;
	site->client =
	    site_load_identity(site, pv_values_get_object(site->values, "client-certificate", 0), error);
	return site->client != NULL;
}

static gboolean
site_open_ca(PvSite *site, GError **error)
{
	if (site->ca == NULL)
		return TRUE;
	site->ca_handle = site->ca->open(site->ca_values, error);
	if (site->ca_handle == NULL) {
		g_prefix_error(error, "%s: open CA %s: ", site->file, site->ca->type);
		return FALSE;
	}
	return TRUE;
}

static gboolean
site_open_parts(PvSite *site, const char *actor, PvSiteFlags flags, GError **error)
{
	g_autoptr(PvSecret) key = pv_key_load(site->key_source, error);
	if (key == NULL) {
		g_prefix_error(error, "%s: ", pv_values_get_where(site->values, "key"));
		return FALSE;
	}
	site->db = pv_db_open(site->store_provider, site->store_values, key, actor, error);
	if (site->db == NULL) {
		g_prefix_error(
		    error, "%s:%u: $.store: ", site->file, pv_json_get_line(site->json, "$.store"));
		return FALSE;
	}
	site_bind_secrets(site);
	if ((flags & PV_SITE_STORE_ONLY) != 0)
		return TRUE;
	if ((flags & PV_SITE_NO_CERTIFICATES) == 0 && !site_load_identities(site, error))
		return FALSE;
	if (site->directory != NULL) {
		site->directory_handle = site->directory->open(site->directory_values, error);
		if (site->directory_handle == NULL) {
			g_prefix_error(
			    error, "%s: open directory %s: ", site->file, site->directory->type);
			return FALSE;
		}
	}
	site->trust = pv_site_trust_new(site);
	site->kerberos = pv_site_kerberos_new();
	return site_open_ca(site, error);
}

static char *
site_find_file(const char *path)
{
	if (path != NULL)
		return g_canonicalize_filename(path, NULL);
	const char *named = g_getenv("PROVOST_SITE");
	return named != NULL ? g_canonicalize_filename(named, NULL)
			     : g_strdup(PV_SYSCONF_DIR "/site.json");
}

PvSite *
pv_site_open(const char *path, const char *actor, PvSiteFlags flags, GError **error)
{
	g_autoptr(PvSite) site = g_new0(PvSite, 1);
	site->file = site_find_file(path);
	site->variables = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	site->groups = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, site_group_free);
	site->pipelines = g_hash_table_new_full(
	    g_str_hash, g_str_equal, g_free, (GDestroyNotify)pv_pipeline_unref);
	site->candidates = g_ptr_array_new_with_free_func(site_candidate_free);
	site->identities = g_ptr_array_new_with_free_func((GDestroyNotify)pv_identity_unref);
	if (!site_check_file(site->file, error))
		return NULL;
	site->json = pv_json_load(site->file, error);
	if (site->json == NULL)
		return NULL;
	site->values = pv_values_parse(site->json, "$", site_params, site_other_members, error);
	if (site->values == NULL || !site_read_variables(site, error) ||
	    !site_load_plugins(site, site->values, error) || !site_read_providers(site, error) ||
	    !site_load_pipelines(site, site->values, error) ||
	    !site_read_groups(site, site->values, error))
		return NULL;
	site_read_settings(site, site->values);
	if (!site_check_login(site, error))
		return NULL;
	if ((flags & PV_SITE_CONFIG_ONLY) == 0 && !site_open_parts(site, actor, flags, error))
		return NULL;
	return g_steal_pointer(&site);
}

void
pv_site_free(PvSite *site)
{
	if (site == NULL)
		return;
	if (site->ca_handle != NULL)
		site->ca->close(site->ca_handle);
	pv_site_kerberos_free(site->kerberos);
	if (site->directory_handle != NULL)
		site->directory->close(site->directory_handle);
	pv_db_unref(site->db);
	pv_site_trust_free(site->trust);
	g_ptr_array_unref(site->identities);
	pv_identity_unref(site->client);
	g_ptr_array_unref(site->candidates);
	g_hash_table_unref(site->pipelines);
	g_hash_table_unref(site->groups);
	g_hash_table_unref(site->variables);
	pv_values_unref(site->store_values);
	pv_values_unref(site->directory_values);
	pv_values_unref(site->ca_values);
	pv_values_unref(site->values);
	pv_loader_free(site->loader);
	pv_json_unref(site->json);
	g_free(site->key_source);
	g_free(site->default_pipeline);
	g_free(site->dns_suffix);
	g_free(site->listen_address);
	g_free(site->file);
	g_free(site);
}

const PvGroup *
pv_site_find_group(const PvSite *site, const char *name)
{
	return g_hash_table_lookup(site->groups, name);
}

PvPipeline *
pv_site_find_pipeline(const PvSite *site, const char *group, GError **error)
{
	const PvGroup *settings = group != NULL ? pv_site_find_group(site, group) : NULL;
	if (group != NULL && settings == NULL && g_hash_table_size(site->groups) > 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: no group \"%s\" among \"groups\"", site->file, group);
		return NULL;
	}
	return g_hash_table_lookup(
	    site->pipelines, settings != NULL ? settings->pipeline : site->default_pipeline);
}
