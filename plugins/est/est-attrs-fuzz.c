/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "est-attrs.h"

#include "tests/fuzz/fuzz.h"

/* what a server says of requests, after base64 */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) der = g_bytes_new(data, length);
	g_auto(EstAttrs) attrs = { 0 };
	gboolean good = est_attrs_parse(der, &attrs, &error);
	fuzz_check_error(good, error);
	g_assert(attrs.template_extension == NULL ||
		 g_utf8_validate(attrs.template_extension, -1, NULL));
	return 0;
}
