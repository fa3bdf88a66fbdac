/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/kerberos.h"
#include "sim/tests/fuzz-device.h"
#include "tests/fuzz/fuzz.h"

/* a token of a client, in Base64 as it comes */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_autoptr(PvSimDevice) device = fuzz_device_new();
	PvSimInstance *settings = pv_sim_device_bag(device, "AMT_KerberosSettingData", NULL);
	pv_sim_instance_set(settings, "KrbEnabled", "true");
	pv_sim_instance_set(settings, "RealmName", "EXAMPLE.COM");
	pv_sim_instance_set(settings, "Passphrase", "password");
	pv_sim_instance_set(settings, "Salt", "EXAMPLE.COMpc-0001");
	pv_sim_instance_set(settings, "IterationCount", "1"); /* quickly */
	g_autofree char *base64 = g_base64_encode(data, length);
	g_autofree char *authorization = g_strconcat("Negotiate ", base64, NULL);
	g_autoptr(PvSimUser) user = NULL;
	g_autofree char *reply = NULL;
	g_autofree char *note = NULL;
	PvSimLogin login = pv_sim_kerberos_check(device, authorization, &user, &reply, &note);
	if (login != PV_SIM_LOGIN_TICKET || user != NULL || note == NULL)
		g_error("a ticket that nobody has issued was taken");
	return 0;
}
