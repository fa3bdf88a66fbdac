/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/soap.h"

#include "core/amt/instance.h"
#include "core/amt/trace.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static PvSoapReply *
fuzz_parse(const char *data, gsize length)
{
	g_autoptr(PvSoapParser) parser = pv_soap_parser_new();
	g_autoptr(GError) error = NULL;
	PvSoapReply *reply = pv_soap_parse(parser, data, length, &error);
	fuzz_check_error(reply != NULL, error);
	return reply;
}

/* What was read, and can be written, is read again as the same. */
static void
fuzz_check_again(const PvInstance *instance)
{
	const PvSoapRequest request = { .kind = PV_SOAP_PUT,
		.class_name = pv_instance_get_class(instance),
		.content = instance,
		.message_id = 1,
		.timeout_sec = 60 };
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	gboolean written = pv_soap_write(text, &request, &error);
	fuzz_check_error(written, error);
	if (!written || text->len > PV_SOAP_MAX_BYTES)
		return;
	g_autoptr(PvSoapReply) again = fuzz_parse(text->str, text->len);
	/* the envelope around it is one level more than an answer's may have had */
	if (again == NULL || again->instance == NULL)
		g_error("not read again: %s", text->str);
	if (pv_instance_get_length(again->instance) != pv_instance_get_length(instance))
		g_error("a property was lost: %s", text->str);
	for (guint i = 0; i < pv_instance_get_length(instance); i++) {
		const PvProperty *before = pv_instance_get_property(instance, i);
		const PvProperty *after = pv_instance_get_property(again->instance, i);
		if (g_strcmp0(before->name, after->name) != 0 ||
		    g_strcmp0(before->text, after->text) != 0)
			g_error("property %s was changed: %s", before->name, text->str);
	}
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_autofree char *redacted = pv_trace_dup_redacted((const char *)data, length);
	g_autoptr(PvSoapReply) reply = fuzz_parse((const char *)data, length);
	if (reply != NULL && reply->instance != NULL)
		fuzz_check_again(reply->instance);
	for (guint i = 0; reply != NULL && reply->items != NULL && i < reply->items->len; i++)
		fuzz_check_again(reply->items->pdata[i]);
	return 0;
}
