/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/tests/fuzz-device.h"

/* made once, for it has a thread of its own */
static PvSimKeys *
fuzz_get_keys(void)
{
	static gsize kept;
	if (g_once_init_enter(&kept))
		g_once_init_leave(&kept, (gsize)pv_sim_keys_new(1));
	return (PvSimKeys *)kept;
}

PvSimDevice *
fuzz_device_new(void)
{
	static const guint8 uuid[PV_SIM_UUID_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
		14, 15, 16 };
	const PvSimPersonality *personality = pv_sim_personality_find("16.1");
	g_assert(personality != NULL);
	g_autoptr(PvSimSwitches) switches = pv_sim_personality_switches(personality);
	g_autoptr(GPtrArray) roots = g_ptr_array_new();
	const PvSimDeviceConfig config = { .name = "pc-0001",
		.fqdn = "pc-0001.example.com",
		.address = "127.0.0.1",
		.uuid = uuid,
		.personality = personality,
		.keys = fuzz_get_keys(),
		.switches = switches,
		.roots = roots };
	PvSimDevice *device = pv_sim_device_new(&config);
	(void)pv_sim_device_start(device, "abcdEFGH1234");
	return device;
}
