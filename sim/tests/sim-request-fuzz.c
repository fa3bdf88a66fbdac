/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/service.h"
#include "sim/soap.h"
#include "sim/tests/fuzz-device.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
fuzz_request(PvSimDevice *device, const char *data, gsize length)
{
	PvSimOutcome outcome = { 0 };
	g_autofree char *name = pv_sim_service_name(data, length);
	pv_sim_service_run(device, data, length, NULL, TRUE, &outcome);
	if (outcome.http_status != 200 && outcome.http_status != 400 && outcome.http_status != 500)
		g_error("HTTP status %u", outcome.http_status);
	/* firmware's answers are XML, whatever it was asked */
	if (outcome.body != NULL) {
		xmlDocPtr document = xmlReadMemory(
		    outcome.body->str, (int)outcome.body->len, NULL, NULL, XML_PARSE_NOERROR);
		if (document == NULL)
			g_error("no XML: %s", outcome.body->str);
		xmlFreeDoc(document);
	}
	pv_sim_outcome_clear(&outcome);
}

/* bodies of requests to one device in set-up, each ended by a NUL */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_autoptr(PvSimDevice) device = fuzz_device_new();
	const guint8 *end = data + length;
	for (guint i = 0; data < end && i < 16; i++) {
		const guint8 *stop = memchr(data, '\0', (gsize)(end - data));
		gsize size = (gsize)((stop != NULL ? stop : end) - data);
		fuzz_request(device, (const char *)data, size);
		data += size + 1;
	}
	return 0;
}
