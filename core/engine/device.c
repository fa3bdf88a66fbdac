/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/runner.h"

struct PvDevice {
	gatomicrefcount references;
	char *uuid, *name, *fqdn, *mac, *address, *group; /* owned */
};

PvDevice *
pv_device_new(const PvDeviceRow *row)
{
	PvDevice *device = g_new0(PvDevice, 1);
	g_atomic_ref_count_init(&device->references);
	device->uuid = g_strdup(row->uuid);
	device->name = g_strdup(row->name != NULL ? row->name : row->uuid);
	device->fqdn = g_strdup(row->fqdn);
	device->mac = g_strdup(row->mac);
	device->address = g_strdup(row->address);
	device->group = g_strdup(row->group);
	return device;
}

PvDevice *
pv_device_ref(PvDevice *device)
{
	g_atomic_ref_count_inc(&device->references);
	return device;
}

void
pv_device_unref(PvDevice *device)
{
	if (device == NULL || !g_atomic_ref_count_dec(&device->references))
		return;
	g_free(device->uuid);
	g_free(device->name);
	g_free(device->fqdn);
	g_free(device->mac);
	g_free(device->address);
	g_free(device->group);
	g_free(device);
}

const char *
pv_device_get_uuid(const PvDevice *device)
{
	return device->uuid;
}

const char *
pv_device_get_name(const PvDevice *device)
{
	return device->name;
}

const char *
pv_device_get_fqdn(const PvDevice *device)
{
	return device->fqdn;
}

const char *
pv_device_get_mac(const PvDevice *device)
{
	return device->mac;
}

const char *
pv_device_get_address(const PvDevice *device)
{
	return device->address;
}

const char *
pv_device_get_group(const PvDevice *device)
{
	return device->group;
}
