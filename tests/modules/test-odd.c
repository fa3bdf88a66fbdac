/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/provost.h>

/* Plugins that are odd in one way each; TEST_NAME and one TEST_ODD_* come from the build. */

static G_GNUC_UNUSED gboolean
odd_plan(PvJob *job, PvPlan *plan, GError **error)
{
	return TRUE;
}

static G_GNUC_UNUSED gboolean
odd_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	return TRUE;
}

#if defined(TEST_ODD_SYMBOL)

/* a module, but no plugin */
G_MODULE_EXPORT int odd_number(void);
G_MODULE_EXPORT int
odd_number(void)
{
	return 7;
}

#elif defined(TEST_ODD_OLD) || defined(TEST_ODD_NEW)

/* The table as another release of the same ABI knows it: without the last field, or with one more. */
typedef struct {
	const char *type, *summary;
	const PvParam *params;
	const char *const *needs, *const *provides;
	guint timeout_sec;
	gboolean (*plan)(PvJob *job, PvPlan *plan, GError **error);
	gboolean (*apply)(PvJob *job, const PvPlan *plan, GError **error);
#ifdef TEST_ODD_NEW
	gboolean (*remove)(PvJob *job, GError **error);
	gboolean (*repair)(PvJob *job, GError **error);
	const char *icon;
#endif
} OtherStage;

static const OtherStage odd_stages[] = {
	{ .type = TEST_NAME "-one",
	    .summary = "first",
	    .timeout_sec = 1,
	    .plan = odd_plan,
	    .apply = odd_apply },
	{ .type = TEST_NAME "-two",
	    .summary = "second",
	    .timeout_sec = 2,
	    .plan = odd_plan,
	    .apply = odd_apply },
	{ NULL },
};

extern G_MODULE_EXPORT const PvPlugin pv_plugin;
G_MODULE_EXPORT const PvPlugin pv_plugin = {
	.abi = PV_PLUGIN_ABI,
	.stage_size = sizeof(OtherStage),
	.name = TEST_NAME,
	.version = "0",
	.summary = "of another release",
	.stages = (const PvStage *)(gconstpointer)odd_stages,
};

#elif defined(TEST_ODD_ABI)

extern G_MODULE_EXPORT const PvPlugin pv_plugin;
G_MODULE_EXPORT const PvPlugin pv_plugin = {
	.abi = PV_PLUGIN_ABI + 6,
	/* nothing behind the ABI means what it does today */
	.name = (const char *)0x10,
};

#elif defined(TEST_ODD_SIZE)

static const PvStage odd_stages[] = { { NULL } };
extern G_MODULE_EXPORT const PvPlugin pv_plugin;
G_MODULE_EXPORT const PvPlugin pv_plugin = {
	.abi = PV_PLUGIN_ABI,
	.stage_size = 3,
	.name = TEST_NAME,
	.version = "0",
	.summary = "broken",
	.stages = odd_stages,
};

#else

#if defined(TEST_ODD_PARAMS)
static const PvParam odd_params[] = { { "count", PV_PARAM_INT, "\"x\"", "a number" }, { NULL } };
#elif defined(TEST_ODD_RESERVED)
static const PvParam odd_params[] = { { "when", PV_PARAM_STRING, "null", "a time" }, { NULL } };
#else
#define odd_params NULL
#endif

#if defined(TEST_ODD_TWICE)
#define ODD_TYPE "test-make-a"
#else
#define ODD_TYPE TEST_NAME "-stage"
#endif

#if defined(TEST_ODD_APPLY)
#define ODD_APPLY NULL
#else
#define ODD_APPLY odd_apply
#endif

#if defined(TEST_ODD_NAME)
#define ODD_NAME "other"
#else
#define ODD_NAME TEST_NAME
#endif

static const PvStage odd_stages[] = {
	{ .type = ODD_TYPE,
	    .summary = "odd",
	    .params = odd_params,
	    .plan = odd_plan,
	    .apply = ODD_APPLY },
#if defined(TEST_ODD_SELF)
	{ .type = ODD_TYPE, .summary = "odd again", .plan = odd_plan, .apply = odd_apply },
#endif
	{ NULL },
};

PV_PLUGIN_DEFINE(ODD_NAME, "0", "odd", .stages = odd_stages);

#endif
