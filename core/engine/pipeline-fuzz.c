/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/pipeline.h"

#include "tests/fuzz/fuzz.h"

#include <string.h>

/* the modules of the build, whose tables pipelines are checked against; nothing of them is run */
static PvLoader *
fuzz_get_loader(void)
{
	static const char *const modules[] = { "test-stages", "wsman-acl", "power-policy", NULL };
	static gsize kept;
	if (!g_once_init_enter(&kept))
		return (PvLoader *)kept;
	const char *build = g_getenv("G_TEST_BUILDDIR") != NULL ? g_getenv("G_TEST_BUILDDIR") : ".";
	g_autofree char *tests = g_build_filename(build, "tests", "modules", ".libs", NULL);
	g_autofree char *acl = g_build_filename(build, "plugins", "wsman-acl", ".libs", NULL);
	g_autofree char *power = g_build_filename(build, "plugins", "power-policy", ".libs", NULL);
	const char *const path[] = { tests, acl, power, NULL };
	PvLoader *loader = pv_loader_new(path);
	for (guint i = 0; modules[i] != NULL; i++) {
		g_autoptr(GError) error = NULL;
		if (pv_loader_load(loader, modules[i], &error) == NULL)
			g_error("%s", error->message);
	}
	g_once_init_leave(&kept, (gsize)loader);
	return loader;
}

static const char *
fuzz_look_up(gpointer data, const char *name)
{
	return strlen(name) % 2 == 0 ? "11.8.50" : NULL;
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	static const char *const facts[] = { "amt.version", "amt.state", NULL };
	g_auto(FuzzFile) file = { 0 };
	g_autoptr(GError) error = NULL;
	fuzz_file_init(&file, data, length);
	g_autoptr(PvPipeline) pipeline =
	    pv_pipeline_load(file.path, fuzz_get_loader(), NULL, facts, &error);
	fuzz_check_error(pipeline != NULL, error);
	if (pipeline == NULL)
		return 0;
	g_autofree char *dot = pv_pipeline_to_dot(pipeline);
	for (guint i = 0; i < pipeline->stages->len; i++) {
		const PvPipelineStage *entry = pipeline->stages->pdata[i];
		if (entry->when != NULL)
			(void)pv_condition_eval(entry->when, fuzz_look_up, NULL);
	}
	return 0;
}
