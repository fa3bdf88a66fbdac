/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ad-netlogon.h"

#include "ad-name.h"

#include "tests/fuzz/fuzz.h"

/* The first byte says which reader gets the rest: all of them read what a server sent. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
	if (length == 0)
		return 0;
	g_autoptr(GError) error = NULL;
	g_auto(AdNetlogon) netlogon = { 0 };
	if (data[0] == 's') {
		g_autofree char *sid = ad_sid_to_string(data + 1, length - 1);
		if (sid != NULL && !ad_sid_is_text(sid))
			g_error("%s is not the text of a SID", sid);
		return 0;
	}
	gboolean good = data[0] == 'm'
			    ? ad_netlogon_parse(&netlogon, data + 1, length - 1, 1, &error)
			    : ad_netlogon_parse_response(&netlogon, data + 1, length - 1, &error);
	fuzz_check_error(good, error);
	if (good && (!g_utf8_validate(netlogon.server_site, -1, NULL) || *netlogon.host == '\0'))
		g_error("a name came through that is none");
	return 0;
}
