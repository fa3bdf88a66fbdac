/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/site.h"

#include "tests/fuzz/fuzz.h"

/* These stand in front of libprovost's, as the program's symbols come first: a site's text can name any file, and none
 * shall be opened, and no module be run. */

const PvPlugin *
pv_loader_load(PvLoader *loader, const char *name, GError **error)
{
	static const PvPlugin plugin = { .abi = PV_PLUGIN_ABI, .name = "fuzz" };
	return &plugin;
}

PvPipeline *
pv_pipeline_load(const char *path, PvLoader *loader, GHashTable *variables,
    const char *const *facts, GError **error)
{
	PvPipeline *pipeline = g_new0(PvPipeline, 1);
	g_atomic_ref_count_init(&pipeline->references);
	pipeline->name = g_strdup("fuzz");
	pipeline->file = g_strdup(path);
	pipeline->stages = g_ptr_array_new();
	return pipeline;
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_auto(FuzzFile) file = { 0 };
	g_autoptr(GError) error = NULL;
	fuzz_file_init(&file, data, length);
	PvSite *site = pv_site_open(file.path, "fuzz", PV_SITE_CONFIG_ONLY, &error);
	fuzz_check_error(site != NULL, error);
	if (site == NULL)
		return 0;
	g_autoptr(GError) missing = NULL;
	if (pv_site_find_pipeline(site, NULL, &missing) == NULL)
		g_error("no pipeline: %s", missing != NULL ? missing->message : "");
	pv_site_free(site);
	return 0;
}
