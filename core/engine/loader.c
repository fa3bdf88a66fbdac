/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/loader.h"

#include <errno.h>
#include <gmodule.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/json.h"

/* A loaded plugin: our own copy of its descriptor and tables. */
typedef struct {
	PvPlugin plugin; /* tables are our copies */
	char *file; /* owned: where it came from, links resolved */
} Loaded;

struct PvLoader {
	char **path; /* owned: folders */
	GPtrArray *loaded; /* of Loaded, owned */
	GPtrArray *list; /* of PvPlugin, borrowed from loaded */
};

static void
loaded_free(gpointer data)
{
	Loaded *loaded = data;
	g_free((gpointer)loaded->plugin.stages);
	g_free((gpointer)loaded->plugin.directories);
	g_free((gpointer)loaded->plugin.cas);
	g_free((gpointer)loaded->plugin.stores);
	g_free(loaded->file);
	g_free(loaded);
}

PvLoader *
pv_loader_new(const char *const *path)
{
	PvLoader *loader = g_new0(PvLoader, 1);
	loader->path = g_strdupv((char **)path);
	loader->loaded = g_ptr_array_new_with_free_func(loaded_free);
	loader->list = g_ptr_array_new();
	return loader;
}

void
pv_loader_free(PvLoader *loader)
{
	if (loader == NULL)
		return;
	/* only the copies go; modules stay, for threads of libraries may still be inside */
	g_strfreev(loader->path);
	g_ptr_array_unref(loader->loaded);
	g_ptr_array_unref(loader->list);
	g_free(loader);
}

/* Whether nobody but root and this user can change what a name stands for. */
static gboolean
loader_check_owner(const char *path, const struct stat *info, GError **error)
{
	/* in a sticky folder others can add names but not replace ours */
	gboolean sticky = S_ISDIR(info->st_mode) && (info->st_mode & S_ISVTX) != 0;
	if (info->st_uid != 0 && info->st_uid != geteuid()) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s belongs to user %u: plugins load only from files and folders of root or of "
		    "user %u",
		    path, info->st_uid, geteuid());
		return FALSE;
	}
	if ((info->st_mode & 022) != 0 && !sticky) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s may be written by %s: chmod go-w it", path,
		    (info->st_mode & 002) != 0 ? "everybody" : "its group");
		return FALSE;
	}
	return TRUE;
}

static gboolean
loader_check_folders(const char *file, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(file);
	for (;;) {
		struct stat info;
		if (stat(folder, &info) != 0) {
			g_set_error(
			    error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s", folder, g_strerror(errno));
			return FALSE;
		}
		if (!loader_check_owner(folder, &info, error))
			return FALSE;
		if (g_str_equal(folder, "/"))
			return TRUE;
		char *parent = g_path_get_dirname(folder);
		g_free(folder);
		folder = parent;
	}
}

/* Only root and this user can change a file that passes, or the folders above it, so that what is loaded by name
 * afterwards is what was checked. */
static gboolean
loader_check_trusted(const char *file, GError **error)
{
	struct stat info;
	if (lstat(file, &info) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s", file, g_strerror(errno));
		return FALSE;
	}
	if (!S_ISREG(info.st_mode)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s is no regular file", file);
		return FALSE;
	}
	return loader_check_owner(file, &info, error) && loader_check_folders(file, error);
}

/* The plugin's file in the path, or in a folder of its own as the build leaves it; links resolved. NULL: none. */
static char *
loader_find_file(PvLoader *loader, const char *name)
{
	for (guint i = 0; loader->path[i] != NULL; i++) {
		g_autofree char *base = g_strconcat(name, ".so", NULL);
		g_autofree char *installed = g_build_filename(loader->path[i], base, NULL);
		g_autofree char *built =
		    g_build_filename(loader->path[i], name, ".libs", base, NULL);
		char *file = realpath(installed, NULL);
		if (file == NULL)
			file = realpath(built, NULL);
		if (file == NULL)
			continue;
		char *copy = g_strdup(file);
		free(file);
		return copy;
	}
	return NULL;
}

/* Copies a table that ends with a zero name, element by element: the plugin's elements may be shorter or longer than
 * ours. What is beyond the plugin's size reads as zero. */
static gpointer
loader_copy_table(gconstpointer table, gsize theirs, gsize ours)
{
	if (table == NULL)
		return NULL;
	const char *from = table;
	guint count = 0;
	while (*(const char *const *)(gconstpointer)(from + count * theirs) != NULL)
		count++;
	char *copy = g_malloc0_n(count + 1, ours);
	for (guint i = 0; i < count; i++)
		memcpy(copy + i * ours, from + i * theirs, MIN(ours, theirs));
	return copy;
}

/* Every table element begins with its type. */
static gconstpointer
loader_find_type(gconstpointer table, gsize size, const char *type)
{
	for (const char *at = table; at != NULL && *(const char *const *)(gconstpointer)at != NULL;
	     at += size)
		if (g_str_equal(*(const char *const *)(gconstpointer)at, type))
			return at;
	return NULL;
}

static gboolean
loader_check_type(const PvPlugin *plugin, const char *kind, const char *type, const char *summary,
    const PvParam *params, gboolean whole, GError **error)
{
	g_autofree char *owner = g_strdup_printf("plugin %s: %s %s", plugin->name, kind, type);
	if (*type == '\0' ||
	    strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(type)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: a type is lower case letters, digits and '-'", owner);
		return FALSE;
	}
	if (summary == NULL || !whole) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s", owner,
		    summary == NULL ? "it has no summary"
				    : "a function that every such one has is missing");
		return FALSE;
	}
	return pv_params_check(params, owner, error);
}

static gboolean
loader_check_tables(const PvPlugin *plugin, GError **error)
{
	for (const PvStage *stage = plugin->stages; stage != NULL && stage->type != NULL; stage++)
		if (!loader_check_type(plugin, "stage", stage->type, stage->summary, stage->params,
			stage->plan != NULL && stage->apply != NULL, error))
			return FALSE;
	for (const PvDirectory *it = plugin->directories; it != NULL && it->type != NULL; it++)
		if (!loader_check_type(plugin, "directory", it->type, it->summary, it->params,
			it->open != NULL && it->close != NULL && it->find != NULL &&
			    it->ensure != NULL && it->set_password != NULL && it->find_sid != NULL,
			error))
			return FALSE;
	for (const PvCa *ca = plugin->cas; ca != NULL && ca->type != NULL; ca++)
		if (!loader_check_type(plugin, "CA", ca->type, ca->summary, ca->params,
			ca->open != NULL && ca->close != NULL && ca->submit != NULL &&
			    ca->chain != NULL,
			error))
			return FALSE;
	for (const PvStore *store = plugin->stores; store != NULL && store->type != NULL; store++)
		if (!loader_check_type(plugin, "store", store->type, store->summary, store->params,
			store->open != NULL && store->close != NULL && store->write != NULL &&
			    store->claim != NULL,
			error))
			return FALSE;
	return TRUE;
}

/* A type that two plugins offer would make the site file ambiguous. */
static gboolean
loader_check_unique(PvLoader *loader, const PvPlugin *plugin, GError **error)
{
	const struct {
		const char *kind;
		gsize offset, size;
	} tables[] = {
		{ "stage", G_STRUCT_OFFSET(PvPlugin, stages), sizeof(PvStage) },
		{ "directory", G_STRUCT_OFFSET(PvPlugin, directories), sizeof(PvDirectory) },
		{ "CA", G_STRUCT_OFFSET(PvPlugin, cas), sizeof(PvCa) },
		{ "store", G_STRUCT_OFFSET(PvPlugin, stores), sizeof(PvStore) },
	};
	for (guint t = 0; t < G_N_ELEMENTS(tables); t++) {
		const char *at = G_STRUCT_MEMBER(gconstpointer, plugin, tables[t].offset);
		for (; at != NULL && *(const char *const *)(gconstpointer)at != NULL;
		     at += tables[t].size) {
			const char *type = *(const char *const *)(gconstpointer)at;
			for (guint i = 0; i < loader->list->len; i++) {
				const PvPlugin *other = loader->list->pdata[i];
				if (loader_find_type(
					G_STRUCT_MEMBER(gconstpointer, other, tables[t].offset),
					tables[t].size, type) == NULL)
					continue;
				g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
				    "plugin %s: %s \"%s\" is offered by plugin %s already: enable "
				    "one of them",
				    plugin->name, tables[t].kind, type, other->name);
				return FALSE;
			}
		}
	}
	return TRUE;
}

static Loaded *
loader_copy(const PvPlugin *theirs, const char *name, const char *file, GError **error)
{
	if (theirs->abi != PV_PLUGIN_ABI) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "plugin %s (%s) was built for plugin ABI %u, this is ABI %u: build it against "
		    "these headers",
		    name, file, theirs->abi, PV_PLUGIN_ABI);
		return NULL;
	}
	if (g_strcmp0(theirs->name, name) != 0 || theirs->version == NULL ||
	    theirs->summary == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s calls itself \"%s\", not \"%s\", or lacks version or summary", file,
		    theirs->name != NULL ? theirs->name : "", name);
		return NULL;
	}
	const gsize least = sizeof(char *) * 3;
	if (theirs->stage_size < least || theirs->directory_size < least ||
	    theirs->ca_size < least || theirs->store_size < least) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "plugin %s (%s): the sizes of its tables are none", name, file);
		return NULL;
	}
	Loaded *loaded = g_new0(Loaded, 1);
	loaded->plugin = *theirs;
	loaded->file = g_strdup(file);
	loaded->plugin.stages =
	    loader_copy_table(theirs->stages, theirs->stage_size, sizeof(PvStage));
	loaded->plugin.directories =
	    loader_copy_table(theirs->directories, theirs->directory_size, sizeof(PvDirectory));
	loaded->plugin.cas = loader_copy_table(theirs->cas, theirs->ca_size, sizeof(PvCa));
	loaded->plugin.stores =
	    loader_copy_table(theirs->stores, theirs->store_size, sizeof(PvStore));
	return loaded;
}

static const PvPlugin *
loader_open_module(const char *file, const char *name, GError **error)
{
	if (!loader_check_trusted(file, error)) {
		g_prefix_error(error, "plugin %s: not trusted: ", name);
		return NULL;
	}
	GModule *module = g_module_open(file, G_MODULE_BIND_LOCAL);
	gpointer symbol = NULL;
	if (module == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "plugin %s (%s): %s", name, file,
		    g_module_error());
		return NULL;
	}
	if (!g_module_symbol(module, "pv_plugin", &symbol) || symbol == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "plugin %s (%s) has no pv_plugin: define it with PV_PLUGIN_DEFINE", name, file);
		g_module_close(module);
		return NULL;
	}
	g_module_make_resident(module);
	return symbol;
}

const PvPlugin *
pv_loader_load(PvLoader *loader, const char *name, GError **error)
{
	for (guint i = 0; i < loader->list->len; i++) {
		const PvPlugin *plugin = loader->list->pdata[i];
		if (g_str_equal(plugin->name, name))
			return plugin;
	}
	if (*name == '\0' ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "plugin \"%s\": a name is lower case letters, digits and '-'", name);
		return NULL;
	}
	g_autofree char *file = loader_find_file(loader, name);
	if (file == NULL) {
		g_autofree char *folders = g_strjoinv(", ", loader->path);
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "plugin %s: no %s.so in %s", name,
		    name, *folders != '\0' ? folders : "an empty plugin path");
		return NULL;
	}
	const PvPlugin *theirs = loader_open_module(file, name, error);
	Loaded *loaded = theirs != NULL ? loader_copy(theirs, name, file, error) : NULL;
	if (loaded == NULL)
		return NULL;
	if (!loader_check_tables(&loaded->plugin, error) ||
	    !loader_check_unique(loader, &loaded->plugin, error)) {
		loaded_free(loaded);
		return NULL;
	}
	g_ptr_array_add(loader->loaded, loaded);
	g_ptr_array_add(loader->list, &loaded->plugin);
	return &loaded->plugin;
}

static int
loader_compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char **
pv_loader_list(PvLoader *loader)
{
	g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; loader->path[i] != NULL; i++) {
		g_autoptr(GDir) dir = g_dir_open(loader->path[i], 0, NULL);
		for (const char *entry = dir != NULL ? g_dir_read_name(dir) : NULL; entry != NULL;
		     entry = g_dir_read_name(dir)) {
			g_autofree char *stem = g_str_has_suffix(entry, ".so")
						    ? g_strndup(entry, strlen(entry) - 3)
						    : g_strdup(entry);
			g_autofree char *base = g_strconcat(stem, ".so", NULL);
			g_autofree char *built =
			    g_build_filename(loader->path[i], stem, ".libs", base, NULL);
			if (g_str_has_suffix(entry, ".so") ||
			    g_file_test(built, G_FILE_TEST_EXISTS))
				g_hash_table_add(names, g_steal_pointer(&stem));
		}
	}
	GPtrArray *sorted = g_ptr_array_new();
	GHashTableIter iter;
	gpointer key = NULL;
	g_hash_table_iter_init(&iter, names);
	while (g_hash_table_iter_next(&iter, &key, NULL))
		g_ptr_array_add(sorted, g_strdup(key));
	g_ptr_array_sort(sorted, loader_compare_names);
	g_ptr_array_add(sorted, NULL);
	return (char **)g_ptr_array_free(sorted, FALSE);
}

GPtrArray *
pv_loader_get_plugins(PvLoader *loader)
{
	return loader->list;
}

const char *
pv_loader_get_file(PvLoader *loader, const PvPlugin *plugin)
{
	for (guint i = 0; i < loader->loaded->len; i++) {
		const Loaded *loaded = loader->loaded->pdata[i];
		if (&loaded->plugin == plugin)
			return loaded->file;
	}
	return NULL;
}

static gconstpointer
loader_find(PvLoader *loader, gsize offset, gsize size, const char *type, const PvPlugin **plugin)
{
	for (guint i = 0; i < loader->list->len; i++) {
		const PvPlugin *candidate = loader->list->pdata[i];
		gconstpointer found =
		    loader_find_type(G_STRUCT_MEMBER(gconstpointer, candidate, offset), size, type);
		if (found == NULL)
			continue;
		if (plugin != NULL)
			*plugin = candidate;
		return found;
	}
	return NULL;
}

const PvStage *
pv_loader_find_stage(PvLoader *loader, const char *type, const PvPlugin **plugin)
{
	return loader_find(
	    loader, G_STRUCT_OFFSET(PvPlugin, stages), sizeof(PvStage), type, plugin);
}

const PvDirectory *
pv_loader_find_directory(PvLoader *loader, const char *type)
{
	return loader_find(
	    loader, G_STRUCT_OFFSET(PvPlugin, directories), sizeof(PvDirectory), type, NULL);
}

const PvCa *
pv_loader_find_ca(PvLoader *loader, const char *type)
{
	return loader_find(loader, G_STRUCT_OFFSET(PvPlugin, cas), sizeof(PvCa), type, NULL);
}

const PvStore *
pv_loader_find_store(PvLoader *loader, const char *type)
{
	return loader_find(loader, G_STRUCT_OFFSET(PvPlugin, stores), sizeof(PvStore), type, NULL);
}
