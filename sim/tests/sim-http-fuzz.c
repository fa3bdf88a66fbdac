/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/digest.h"
#include "sim/http.h"
#include "sim/tests/fuzz-device.h"
#include "tests/fuzz/fuzz.h"

/* what a client sends on one connection: requests, one after the other */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_autoptr(PvSimDevice) device = fuzz_device_new();
	g_autoptr(GByteArray) buffer = g_byte_array_new();
	g_byte_array_append(buffer, data, (guint)length);
	PvSimHttpResult result = PV_SIM_HTTP_READY;
	while (result == PV_SIM_HTTP_READY) {
		g_autoptr(PvSimHttpRequest) request = NULL;
		guint before = buffer->len;
		result = pv_sim_http_parse(buffer, &request);
		if ((result == PV_SIM_HTTP_READY) != (request != NULL))
			g_error("a result without a request, or the other way round");
		if (request == NULL)
			break;
		if (buffer->len >= before)
			g_error("a request of no bytes");
		g_autofree char *user = NULL;
		g_autofree char *challenge = pv_sim_digest_challenge(device, FALSE);
		(void)pv_sim_digest_check(device, request->authorization, request->method,
		    request->path, (const char *)request->body->data, request->body->len, &user);
		g_autoptr(GByteArray) answer = g_byte_array_new();
		pv_sim_http_answer_challenge(answer, device, 401, challenge);
	}
	return 0;
}
