/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Plugins for the loader's test, one for each way to be good or bad; built several times, MODULE_* says which one.
 */
#include <provost/provost.h>

static gboolean
module_plan(PvJob *job, PvPlan *plan, GError **error)
{
	return TRUE;
}

static G_GNUC_UNUSED gboolean
module_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	return TRUE;
}

static G_GNUC_UNUSED const PvParam params[] = {
	{ .name = "text", .kind = PV_PARAM_STRING, .fallback = "\"x\"", .summary = "a text" },
	{ NULL },
};

static G_GNUC_UNUSED const char *const first_provides[] = { "first.done", NULL };
static G_GNUC_UNUSED const char *const second_needs[] = { "first.done", NULL };

#if defined MODULE_OLD
/* a plugin that was built when PvStage had no remove and no time limit yet */
typedef struct {
	const char *type, *summary;
	const PvParam *params;
	const char *const *needs, *const *provides;
	guint timeout_sec;
	gboolean (*plan)(PvJob *job, PvPlan *plan, GError **error);
	gboolean (*apply)(PvJob *job, const PvPlan *plan, GError **error);
} OldStage;
static const OldStage stages[] = {
	{ "old-first", "test", params, NULL, NULL, 7, module_plan, module_apply },
	{ "old-second", "test", params, NULL, NULL, 8, module_plan, module_apply },
	{ NULL },
};
#elif defined MODULE_NEW
/* a plugin of a later release, whose PvStage has one more member */
typedef struct {
	PvStage stage;
	gpointer more;
} NewStage;
static const NewStage stages[] = {
	{ { .type = "new-first", .summary = "test", .plan = module_plan, .apply = module_apply },
	    NULL },
	{ { .type = "new-second", .summary = "test", .plan = module_plan, .apply = module_apply },
	    NULL },
	{ { NULL }, NULL },
};
#elif defined MODULE_INCOMPLETE
static const PvStage stages[] = { { .type = "incomplete", .summary = "test", .plan = module_plan },
	{ NULL } };
#else
static const PvStage stages[] = {
	{ .type = "first",
	    .summary = "provides",
	    .params = params,
	    .provides = first_provides,
	    .plan = module_plan,
	    .apply = module_apply },
	{ .type = "second",
	    .summary = "needs",
	    .params = params,
	    .needs = second_needs,
	    .plan = module_plan,
	    .apply = module_apply },
	{ NULL },
};
#endif

#if defined MODULE_NO_SYMBOL
extern G_MODULE_EXPORT const PvStage *module_stages(void);
const PvStage *
module_stages(void)
{
	return stages;
}
#else
extern G_MODULE_EXPORT const PvPlugin pv_plugin;
G_MODULE_EXPORT const PvPlugin pv_plugin = {
#if defined MODULE_ABI
	.abi = PV_PLUGIN_ABI + 1,
#else
	.abi = PV_PLUGIN_ABI,
#endif
#if defined MODULE_OLD || defined MODULE_NEW
	.stage_size = sizeof stages[0],
#else
	.stage_size = sizeof(PvStage),
#endif
	.directory_size = sizeof(PvDirectory),
	.ca_size = sizeof(PvCa),
	.store_size = sizeof(PvStore),
	.name = MODULE_NAME,
	.version = "1",
	.summary = "for the loader's test",
	.stages = (const PvStage *)(gconstpointer)stages,
};
#endif
