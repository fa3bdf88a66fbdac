/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"
#include "sim/server.h"

G_BEGIN_DECLS

/* What `provost-sim run` was asked for */
typedef struct {
	guint devices; /* ignored with a fleet file */
	char *base; /* address of the first device */
	char *wireless_base; /* of the first device's wireless side; NULL: none */
	char *fleet_file; /* NULL: none */
	char **personalities; /* in turn; NULL: 16.1 */
	char *suffix;
	char *seed;
	char *roots_file; /* NULL: no root is known, no provisioning certificate fits */
	char **assignments; /* switches; NULL: none */
	char *faults_file; /* NULL: no fault script */
	PvSimState state;
} PvSimFleetOptions;

typedef struct {
	PvSimKeys *keys;
	PvSimTlsStack *tls;
	GPtrArray *devices; /* of PvSimDevice */
} PvSimFleet;

PvSimFleet *pv_sim_fleet_new(const PvSimFleetOptions *options, GError **error);
void pv_sim_fleet_free(PvSimFleet *fleet);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimFleet, pv_sim_fleet_free)

/* By name, FQDN, address or UUID; NULL: none */
PvSimDevice *pv_sim_fleet_find(const PvSimFleet *fleet, const char *name);
/* Does the fleet have the devices that rules name? @file: for the message */
gboolean pv_sim_fleet_check_faults(const PvSimFleet *fleet, const GPtrArray *faults,
    const char *file, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Rows for `provost import`: short name, FQDN, UUID, MAC */
gboolean pv_sim_fleet_write_csv(
    const PvSimFleet *fleet, const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
