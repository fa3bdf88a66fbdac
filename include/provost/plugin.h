/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gmodule.h>
#include <provost/ca.h>
#include <provost/certificate.h>
#include <provost/directory.h>
#include <provost/eap.h>
#include <provost/file.h>
#include <provost/job.h>
#include <provost/kerberos.h>
#include <provost/store.h>
#include <provost/version.h>

G_BEGIN_DECLS

#define PV_PLUGIN_ABI 1 /* +1 on any change but new fields at the end of a table struct */

/**
 * PvStage:
 *
 * One step that brings one aspect of a device to its wanted state. Plain synchronous functions, run on a worker
 * thread; no state outside the job. The engine runs plan; an empty plan means "already right". Otherwise it runs
 * apply and then plan again, which must now be empty.
 */
typedef struct {
	const char *type;             /* "stage" in the JSON; unique over all plugins */
	const char *summary;
	const PvParam *params;        /* ends with {NULL}; NULL: none */
	const char *const *needs;     /* facts that must exist before; ends with NULL; NULL: none */
	const char *const *provides;  /* facts that exist after */
	guint timeout_sec;            /* for the whole stage, waits included; 0: the pipeline's */
	gboolean (*plan)(PvJob *job, PvPlan *plan, GError **error);         /* reads only; adds the changes that are needed */
	gboolean (*apply)(PvJob *job, const PvPlan *plan, GError **error);  /* makes exactly these changes */
	gboolean (*remove)(PvJob *job, GError **error);                     /* NULL: nothing to undo when a device is retired */
} PvStage;

typedef struct {
	guint32 abi;                /* filled in by PV_PLUGIN_DEFINE, with the sizes of the tables' elements */
	guint32 reserved;
	gsize stage_size, directory_size, ca_size, store_size;
	const char *name, *version, *summary;
	const PvStage *stages;      /* each table ends with {NULL}; NULL: none */
	const PvDirectory *directories;
	const PvCa *cas;
	const PvStore *stores;
} PvPlugin;

/**
 * PV_PLUGIN_DEFINE:
 *
 * Defines the one symbol that a module exports:
 *
 *   PV_PLUGIN_DEFINE ("power", PV_VERSION, "sets the power scheme", .stages = stages);
 */
#define PV_PLUGIN_DEFINE(plugin_name, plugin_version, plugin_summary, ...)               \
	extern G_MODULE_EXPORT const PvPlugin pv_plugin;                                 \
	G_MODULE_EXPORT const PvPlugin pv_plugin = {                                     \
		.abi = PV_PLUGIN_ABI,                                                    \
		.stage_size = sizeof(PvStage),                                           \
		.directory_size = sizeof(PvDirectory),                                   \
		.ca_size = sizeof(PvCa),                                                 \
		.store_size = sizeof(PvStore),                                           \
		.name = plugin_name,                                                     \
		.version = plugin_version,                                               \
		.summary = plugin_summary,                                               \
		__VA_ARGS__,                                                             \
	}

G_END_DECLS
