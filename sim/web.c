/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/web.h"

#include <string.h>

#define WEB_DISABLED 3 /* EnabledState, as RequestStateChange takes it (amt/07 section 5) */
#define WEB_HEAD \
	"<!DOCTYPE html>\n<html><head><title>Intel&reg; Active Management " \
	"Technology</title></head>\n<body>"
#define WEB_TAIL "</body></html>\n"

static gboolean
web_is_on(const PvSimDevice *device)
{
	const PvSimInstance *service = pv_sim_device_find_bag(device, "AMT_WebUIService", NULL);
	if (device->switches->web_ui == PV_SIM_WEB_MISSING)
		return FALSE;
	return service == NULL || !pv_sim_instance_has(service, "EnabledState") ||
	       pv_sim_instance_get_uint(service, "EnabledState") != WEB_DISABLED;
}

static guint
web_not_found(char **html)
{
	*html = g_strdup("<html><body>Not Found</body></html>\n");
	return 404;
}

guint
pv_sim_web_find_public(const PvSimDevice *device, const char *path, char **html)
{
	gboolean is_logon = strcmp(path, "/") == 0 || strcmp(path, "/logon.htm") == 0;
	if (!web_is_on(device) && device->switches->web_off == PV_SIM_WEB_OFF_LOGIN)
		return 0;
	if (!web_is_on(device))
		return strcmp(path, "/wsman") != 0 ? web_not_found(html) : 0;
	if (!is_logon)
		return 0;
	*html = g_strdup(
	    WEB_HEAD "<p>Log on to Intel&reg; Active Management Technology on this computer.</p>\n"
		     "<p><a href=\"/index.htm\">Log On...</a></p>" WEB_TAIL);
	return 200;
}

guint
pv_sim_web_find(PvSimDevice *device, const char *path, char **html)
{
	if (!web_is_on(device) || strcmp(path, "/index.htm") != 0)
		return web_not_found(html);
	const char *host =
	    pv_sim_instance_get(pv_sim_device_bag(device, "AMT_GeneralSettings", NULL), "HostName");
	g_autoptr(GDateTime) now = g_date_time_new_from_unix_utc(pv_sim_device_time(device));
	g_autofree char *time =
	    now != NULL ? g_date_time_format(now, "%Y-%m-%d %H:%M:%S") : g_strdup("?");
	*html = g_markup_printf_escaped(WEB_HEAD
	    "<h1>System Status</h1>\n<table>\n<tr><td>IP address</td><td>%s</td></tr>\n"
	    "<tr><td>System ID</td><td>%s</td></tr>\n<tr><td>Computer</td><td>%s</td></tr>\n"
	    "<tr><td>Date and time (UTC)</td><td>%s</td></tr>\n</table>" WEB_TAIL,
	    device->address, device->uuid_text, host != NULL ? host : "", time);
	return 200;
}
