/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * PvDevice:
 *
 * One AMT computer as the store knows it when a job starts. Immutable, atomically reference-counted.
 * What was learned later is in the job's facts.
 */
typedef struct PvDevice PvDevice;

PvDevice *pv_device_ref(PvDevice *device);
void pv_device_unref(PvDevice *device);

const char *pv_device_get_uuid(const PvDevice *device);    /* lower case, with dashes */
const char *pv_device_get_name(const PvDevice *device);    /* short host name */
const char *pv_device_get_fqdn(const PvDevice *device);    /* NULL: not known */
const char *pv_device_get_mac(const PvDevice *device);     /* aa:bb:cc:dd:ee:ff; NULL: not known */
const char *pv_device_get_address(const PvDevice *device); /* IP or name to dial, the hello's source; NULL: dial the FQDN */
const char *pv_device_get_group(const PvDevice *device);   /* NULL: none */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvDevice, pv_device_unref)

G_END_DECLS
