/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/loader.h"

static gboolean
loader_has_site(PvCli *cli)
{
	return pv_cli_get(cli, "site") != NULL || g_getenv("PROVOST_SITE") != NULL ||
	       g_file_test(PV_SYSCONF_DIR "/site.json", G_FILE_TEST_EXISTS);
}

PvLoader *
pv_cli_get_loader(PvCli *cli, PvLoader **owned, int *code)
{
	const char *path = pv_cli_get(cli, "path");
	*owned = NULL;
	if (path == NULL && loader_has_site(cli))
		return pv_cli_open_site(cli, PV_SITE_CONFIG_ONLY, code) ? cli->site->loader : NULL;
	*owned = pv_loader_new((const char *const[]) { path != NULL ? path : PV_PLUGIN_DIR, NULL });
	return *owned;
}

void
pv_cli_load_all(PvCli *cli, PvLoader *loader, gboolean warn)
{
	g_auto(GStrv) names = pv_loader_list(loader);
	for (gsize i = 0; names[i] != NULL; i++) {
		g_autoptr(GError) error = NULL;
		if (pv_loader_load(loader, names[i], &error) == NULL && warn)
			pv_cli_warn(cli, "%s", error->message);
	}
}
