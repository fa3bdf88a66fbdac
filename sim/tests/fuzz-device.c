/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/tests/fuzz-device.h"

#include <openssl/rsa.h>

/* In the place of sim/keys.c, which is not linked then: its thread would be at work when the process ends, and keys would
 * differ from run to run in how long they take. */
struct PvSimKeys {
	EVP_PKEY *key;
};

PvSimKeys *
pv_sim_keys_new(guint wanted)
{
	PvSimKeys *keys = g_new0(PvSimKeys, 1);
	keys->key = EVP_RSA_gen(2048);
	g_assert(keys->key != NULL);
	return keys;
}

void
pv_sim_keys_free(PvSimKeys *keys)
{
	EVP_PKEY_free(keys->key);
	g_free(keys);
}

EVP_PKEY *
pv_sim_keys_take(PvSimKeys *keys)
{
	EVP_PKEY_up_ref(keys->key);
	return keys->key;
}

/* made once, for it takes long */
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
