/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/plugin.h>

G_BEGIN_DECLS

/* The stage "certificate-cleanup": what a renewal or an interrupted run left in the device goes. */
gboolean cert_cleanup_plan(PvJob *job, PvPlan *plan, GError **error);
gboolean cert_cleanup_apply(PvJob *job, const PvPlan *plan, GError **error);

G_END_DECLS
