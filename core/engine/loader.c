/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/engine/loader.h"

#include <string.h>
#include <unistd.h>

#include "core/base/json.h"

#define LOADER_SUFFIX ".so"
/* rows of one table: a table without its end must not be followed through memory */
#define LOADER_MAX_ROWS 256
#define LOADER_MAX_ROW_BYTES 4096

/* A plugin of this process: our own copy of its descriptor and tables, which stays as the module stays. */
typedef struct {
	PvPlugin plugin; /* the tables are copies, the rest points into the module */
	char *file; /* owned; links resolved */
} Loaded;

struct PvLoader {
	char **path; /* owned */
	GPtrArray *loaded; /* of Loaded, lent by the process; in load order */
	GPtrArray *plugins; /* of PvPlugin, parts of .loaded */
};

/* The four tables of a plugin, which all begin with the type and the summary. */
typedef struct {
	const char *kind; /* for people */
	gsize table_offset; /* of the table's pointer in PvPlugin */
	gsize size_offset; /* of its element's size in PvPlugin */
	gsize size; /* of our element */
	gsize least; /* what a plugin of this ABI has at least: later fields are optional */
} TableKind;

static const TableKind table_kinds[] = {
	{ "stage", G_STRUCT_OFFSET(PvPlugin, stages), G_STRUCT_OFFSET(PvPlugin, stage_size),
	    sizeof(PvStage), G_STRUCT_OFFSET(PvStage, remove) },
	{ "directory", G_STRUCT_OFFSET(PvPlugin, directories),
	    G_STRUCT_OFFSET(PvPlugin, directory_size), sizeof(PvDirectory),
	    G_STRUCT_OFFSET(PvDirectory, check) },
	{ "CA", G_STRUCT_OFFSET(PvPlugin, cas), G_STRUCT_OFFSET(PvPlugin, ca_size), sizeof(PvCa),
	    G_STRUCT_OFFSET(PvCa, check) },
	{ "store", G_STRUCT_OFFSET(PvPlugin, stores), G_STRUCT_OFFSET(PvPlugin, store_size),
	    sizeof(PvStore), G_STRUCT_OFFSET(PvStore, rotate) },
};

enum {
	TABLE_STAGE,
	TABLE_DIRECTORY,
	TABLE_CA,
	TABLE_STORE,
};

PvLoader *
pv_loader_new(const char *const *path)
{
	PvLoader *loader = g_new0(PvLoader, 1);
	loader->path = g_strdupv((char **)path);
	loader->loaded = g_ptr_array_new();
	loader->plugins = g_ptr_array_new();
	return loader;
}

void
pv_loader_free(PvLoader *loader)
{
	if (loader == NULL)
		return;
	g_strfreev(loader->path);
	g_ptr_array_unref(loader->loaded);
	g_ptr_array_unref(loader->plugins);
	g_free(loader);
}

static gboolean
loader_is_name(const char *name)
{
	return name != NULL && *name != '\0' && strlen(name) <= 64 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name);
}

/* NAME.so as it is installed, or as libtool leaves it in the build tree; NULL: neither. */
static char *
loader_find_in_folder(const char *folder, const char *name)
{
	g_autofree char *base = g_strconcat(name, LOADER_SUFFIX, NULL);
	g_autofree char *installed = g_build_filename(folder, base, NULL);
	g_autofree char *built = g_build_filename(folder, name, ".libs", base, NULL);
	if (access(installed, F_OK) == 0)
		return g_steal_pointer(&installed);
	return access(built, F_OK) == 0 ? g_steal_pointer(&built) : NULL;
}

static char *
loader_find_file(PvLoader *loader, const char *name, GError **error)
{
	for (guint i = 0; loader->path[i] != NULL; i++) {
		g_autofree char *file = loader_find_in_folder(loader->path[i], name);
		if (file == NULL)
			continue;
		return pv_file_resolve_trusted(file, error);
	}
	g_autofree char *folders = g_strjoinv(", ", loader->path);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "no %s" LOADER_SUFFIX " in %s", name,
	    *folders != '\0' ? folders : "the plugin path, which is empty");
	return NULL;
}

static const PvPlugin *
loader_open_module(const char *file, GError **error)
{
	GModule *module = g_module_open(file, G_MODULE_BIND_LOCAL);
	if (module == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s", g_module_error());
		return NULL;
	}
	/* libraries that it brought in may have started threads */
	g_module_make_resident(module);
	gpointer symbol = NULL;
	if (!g_module_symbol(module, "pv_plugin", &symbol) || symbol == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: no symbol pv_plugin: it is no plugin, or lacks PV_PLUGIN_DEFINE", file);
		return NULL;
	}
	return symbol;
}

static gsize
loader_get_size(const PvPlugin *plugin, const TableKind *kind)
{
	return G_STRUCT_MEMBER(gsize, plugin, kind->size_offset);
}

static gconstpointer
loader_get_table(const PvPlugin *plugin, const TableKind *kind)
{
	return G_STRUCT_MEMBER(gconstpointer, plugin, kind->table_offset);
}

static const char *
loader_get_type(gconstpointer row)
{
	return *(const char *const *)row;
}

/* Before anything but the head is read. */
static gboolean
loader_check_head(const PvPlugin *plugin, const char *file, const char *name, GError **error)
{
	if (plugin->abi != PV_PLUGIN_ABI) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: built for plugin ABI %u, this program has %u: build it against this "
		    "release",
		    file, plugin->abi, (guint)PV_PLUGIN_ABI);
		return FALSE;
	}
	if (g_strcmp0(plugin->name, name) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: it calls itself \"%s\": name the file after it", file,
		    plugin->name != NULL ? plugin->name : "");
		return FALSE;
	}
	if (plugin->version == NULL || plugin->summary == NULL) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "%s: it has no version or no summary", file);
		return FALSE;
	}
	for (guint i = 0; i < G_N_ELEMENTS(table_kinds); i++) {
		const TableKind *kind = &table_kinds[i];
		gsize size = loader_get_size(plugin, kind);
		if (loader_get_table(plugin, kind) == NULL ||
		    (size >= kind->least && size <= LOADER_MAX_ROW_BYTES &&
			size % sizeof(gpointer) == 0))
			continue;
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: its %s tables have rows of %" G_GSIZE_FORMAT
		    " bytes, not of at least %" G_GSIZE_FORMAT,
		    file, kind->kind, size, kind->least);
		return FALSE;
	}
	return TRUE;
}

/* Copies a table by the plugin's stride; what the plugin does not know yet is zero. NULL: it has no end. */
static gpointer
loader_copy_table(gconstpointer table, gsize theirs, gsize ours)
{
	const char *row = table;
	guint count = 0;
	while (count < LOADER_MAX_ROWS && loader_get_type(row + count * theirs) != NULL)
		count++;
	if (count == LOADER_MAX_ROWS)
		return NULL;
	char *copy = g_malloc0_n(count + 1, ours);
	for (guint i = 0; i < count; i++)
		memcpy(copy + i * ours, row + i * theirs, MIN(theirs, ours));
	return copy;
}

static void
loader_free_copy(Loaded *loaded)
{
	for (guint i = 0; i < G_N_ELEMENTS(table_kinds); i++)
		g_free(G_STRUCT_MEMBER(gpointer, &loaded->plugin, table_kinds[i].table_offset));
	g_free(loaded->file);
	g_free(loaded);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Loaded, loader_free_copy)

static Loaded *
loader_copy(const PvPlugin *plugin, const char *file, GError **error)
{
	g_autoptr(Loaded) loaded = g_new0(Loaded, 1);
	loaded->plugin = *plugin;
	loaded->file = g_strdup(file);
	for (guint i = 0; i < G_N_ELEMENTS(table_kinds); i++)
		G_STRUCT_MEMBER(gpointer, &loaded->plugin, table_kinds[i].table_offset) = NULL;
	for (guint i = 0; i < G_N_ELEMENTS(table_kinds); i++) {
		const TableKind *kind = &table_kinds[i];
		gconstpointer table = loader_get_table(plugin, kind);
		if (table == NULL)
			continue;
		gpointer copy = loader_copy_table(table, loader_get_size(plugin, kind), kind->size);
		G_STRUCT_MEMBER(gpointer, &loaded->plugin, kind->table_offset) = copy;
		if (copy == NULL) {
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "its table of %s rows does not end with {NULL}", kind->kind);
			return NULL;
		}
	}
	return g_steal_pointer(&loaded);
}

/* members of a stage that the pipeline reads, and of a provider that the site reads */
static gboolean
loader_check_reserved(
    const PvParam *params, const char *const *reserved, const char *owner, GError **error)
{
	for (const PvParam *param = params; param != NULL && param->name != NULL; param++) {
		if (!g_strv_contains(reserved, param->name))
			continue;
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: parameter \"%s\": this name is reserved", owner, param->name);
		return FALSE;
	}
	return TRUE;
}

static gboolean
loader_check_facts(const char *const *facts, const char *owner, GError **error)
{
	for (; facts != NULL && *facts != NULL; facts++) {
		if (**facts != '\0' &&
		    strspn(*facts, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen(*facts))
			continue;
		g_autofree char *shown = pv_json_dup_shown(*facts);
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: fact \"%s\": a name is lower case letters, digits, dots and '-'", owner,
		    shown);
		return FALSE;
	}
	return TRUE;
}

/* @complete: whether the functions are there that every row has */
static gboolean
loader_check_row(const char *kind, const char *type, const char *summary, const PvParam *params,
    gboolean complete, GError **error)
{
	static const char *const stage_members[] = { "stage", "when", "timeout", "retries",
		"retry-wait", NULL };
	static const char *const provider_members[] = { "type", NULL };
	g_autofree char *shown = pv_json_dup_shown(type);
	g_autofree char *owner = g_strdup_printf("%s \"%s\"", kind, shown);
	const char *wrong = !loader_is_name(type) ? "a type is lower case letters, digits and '-'"
			    : summary == NULL	  ? "it has no summary"
			    : !complete		  ? "it lacks a function"
						  : NULL;
	if (wrong != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: %s", owner, wrong);
		return FALSE;
	}
	const char *const *reserved = g_str_equal(kind, "stage") ? stage_members : provider_members;
	return pv_params_check(params, owner, error) &&
	       loader_check_reserved(params, reserved, owner, error);
}

static gboolean
loader_check_stages(const PvPlugin *plugin, GError **error)
{
	for (const PvStage *row = plugin->stages; row != NULL && row->type != NULL; row++) {
		gboolean complete = row->plan != NULL && row->apply != NULL;
		if (!loader_check_row(
			"stage", row->type, row->summary, row->params, complete, error) ||
		    !loader_check_facts(row->needs, row->type, error) ||
		    !loader_check_facts(row->provides, row->type, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean
loader_check_providers(const PvPlugin *plugin, GError **error)
{
	for (const PvDirectory *row = plugin->directories; row != NULL && row->type != NULL;
	     row++) {
		gboolean complete = row->open != NULL && row->close != NULL && row->find != NULL &&
				    row->ensure != NULL && row->set_password != NULL &&
				    row->find_sid != NULL && row->remove != NULL;
		if (!loader_check_row(
			"directory", row->type, row->summary, row->params, complete, error))
			return FALSE;
	}
	for (const PvCa *row = plugin->cas; row != NULL && row->type != NULL; row++) {
		gboolean complete = row->open != NULL && row->close != NULL &&
				    row->prepare != NULL && row->submit != NULL &&
				    row->poll != NULL && row->chain != NULL && row->revoke != NULL;
		if (!loader_check_row("CA", row->type, row->summary, row->params, complete, error))
			return FALSE;
	}
	for (const PvStore *row = plugin->stores; row != NULL && row->type != NULL; row++) {
		gboolean complete =
		    row->open != NULL && row->close != NULL && row->write != NULL &&
		    row->devices != NULL && row->facts != NULL && row->secrets != NULL &&
		    row->jobs != NULL && row->results != NULL && row->events != NULL &&
		    row->audits != NULL && row->claim != NULL && row->owners != NULL &&
		    row->renew != NULL && row->meta != NULL && row->rotate != NULL;
		if (!loader_check_row(
			"store", row->type, row->summary, row->params, complete, error))
			return FALSE;
	}
	return TRUE;
}

/* The row of a type in a plugin's copied table. */
static gconstpointer
loader_find_row(const PvPlugin *plugin, const TableKind *kind, const char *type)
{
	const char *row = loader_get_table(plugin, kind);
	for (; row != NULL && loader_get_type(row) != NULL; row += kind->size)
		if (g_str_equal(loader_get_type(row), type))
			return row;
	return NULL;
}

static gconstpointer
loader_find_type(PvLoader *loader, const TableKind *kind, const char *type, const PvPlugin **plugin)
{
	for (guint i = 0; i < loader->plugins->len; i++) {
		const PvPlugin *candidate = loader->plugins->pdata[i];
		gconstpointer row = loader_find_row(candidate, kind, type);
		if (row == NULL)
			continue;
		if (plugin != NULL)
			*plugin = candidate;
		return row;
	}
	return NULL;
}

/* A type that is there twice would leave it to chance which one a site gets. */
static gboolean
loader_check_unique(PvLoader *loader, const PvPlugin *plugin, GError **error)
{
	for (guint i = 0; i < G_N_ELEMENTS(table_kinds); i++) {
		const TableKind *kind = &table_kinds[i];
		const char *row = loader_get_table(plugin, kind);
		for (; row != NULL && loader_get_type(row) != NULL; row += kind->size) {
			const char *type = loader_get_type(row);
			const PvPlugin *other = NULL;
			if (loader_find_row(plugin, kind, type) != row)
				other = plugin;
			else
				(void)loader_find_type(
				    loader, kind, type, &other); /* other is what is asked for */
			if (other == NULL)
				continue;
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "%s \"%s\" is in plugin %s already: enable one of the two", kind->kind,
			    type, other->name);
			return FALSE;
		}
	}
	return TRUE;
}

/* Copies once per process: what was handed out before stays valid, whatever loaders come and go. */
static Loaded *
loader_import(const PvPlugin *plugin, const char *file, GError **error)
{
	GQuark key = g_quark_from_static_string("pv-loaded");
	Loaded *known = g_dataset_id_get_data(plugin, key);
	if (known != NULL)
		return known;
	g_autoptr(Loaded) loaded = loader_copy(plugin, file, error);
	if (loaded == NULL || !loader_check_stages(&loaded->plugin, error) ||
	    !loader_check_providers(&loaded->plugin, error)) {
		g_prefix_error(error, "%s: ", file);
		return NULL;
	}
	known = g_steal_pointer(&loaded);
	g_dataset_id_set_data(plugin, key, known);
	return known;
}

static Loaded *
loader_load(PvLoader *loader, const char *name, GError **error)
{
	g_autofree char *file = loader_find_file(loader, name, error);
	if (file == NULL)
		return NULL;
	const PvPlugin *plugin = loader_open_module(file, error);
	if (plugin == NULL || !loader_check_head(plugin, file, name, error))
		return NULL;
	Loaded *loaded = loader_import(plugin, file, error);
	return loaded != NULL && loader_check_unique(loader, &loaded->plugin, error) ? loaded
										     : NULL;
}

const PvPlugin *
pv_loader_load(PvLoader *loader, const char *name, GError **error)
{
	if (!loader_is_name(name)) {
		g_autofree char *shown = pv_json_dup_shown(name);
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "load plugin \"%s\": a name is lower case letters, digits and '-'", shown);
		return NULL;
	}
	for (guint i = 0; i < loader->plugins->len; i++) {
		const PvPlugin *plugin = loader->plugins->pdata[i];
		if (g_str_equal(plugin->name, name))
			return plugin;
	}
	Loaded *loaded = loader_load(loader, name, error);
	if (loaded == NULL) {
		g_prefix_error(error, "load plugin %s: ", name);
		return NULL;
	}
	g_ptr_array_add(loader->loaded, loaded);
	g_ptr_array_add(loader->plugins, &loaded->plugin);
	return &loaded->plugin;
}

static int
loader_compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
loader_list_folder(const char *folder, GHashTable *names)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	for (const char *entry = dir != NULL ? g_dir_read_name(dir) : NULL; entry != NULL;
	     entry = g_dir_read_name(dir)) {
		gsize length = strlen(entry);
		if (g_str_has_suffix(entry, LOADER_SUFFIX))
			length -= strlen(LOADER_SUFFIX);
		g_autofree char *name = g_strndup(entry, length);
		g_autofree char *file =
		    loader_is_name(name) ? loader_find_in_folder(folder, name) : NULL;
		if (file != NULL)
			g_hash_table_add(names, g_steal_pointer(&name));
	}
}

char **
pv_loader_list(PvLoader *loader)
{
	g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; loader->path[i] != NULL; i++)
		loader_list_folder(loader->path[i], names);
	guint count = 0;
	g_autofree gpointer *keys = g_hash_table_get_keys_as_array(names, &count);
	g_hash_table_steal_all(names);
	GPtrArray *list = g_ptr_array_sized_new(count + 1);
	for (guint i = 0; i < count; i++)
		g_ptr_array_add(list, keys[i]);
	g_ptr_array_sort(list, loader_compare);
	g_ptr_array_add(list, NULL);
	return (char **)g_ptr_array_free(list, FALSE);
}

GPtrArray *
pv_loader_get_plugins(PvLoader *loader)
{
	return loader->plugins;
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

const PvStage *
pv_loader_find_stage(PvLoader *loader, const char *type, const PvPlugin **plugin)
{
	return loader_find_type(loader, &table_kinds[TABLE_STAGE], type, plugin);
}

const PvDirectory *
pv_loader_find_directory(PvLoader *loader, const char *type)
{
	return loader_find_type(loader, &table_kinds[TABLE_DIRECTORY], type, NULL);
}

const PvCa *
pv_loader_find_ca(PvLoader *loader, const char *type)
{
	return loader_find_type(loader, &table_kinds[TABLE_CA], type, NULL);
}

const PvStore *
pv_loader_find_store(PvLoader *loader, const char *type)
{
	return loader_find_type(loader, &table_kinds[TABLE_STORE], type, NULL);
}
