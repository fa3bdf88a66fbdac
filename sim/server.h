/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"
#include "sim/log.h"
#include "sim/tls.h"

G_BEGIN_DECLS

/* The fleet on the network: listeners, connections, restarts and hello packets of all devices, spread over a few
 * event loops. */
typedef struct PvSimServer PvSimServer;

typedef struct {
	PvSimTlsStack *tls; /* lent */
	PvSimLog *log; /* lent */
	const char *provision_host; /* NULL: no hello packets */
	guint16 provision_port;
	const char *record; /* folder for a file per device with what it was asked; NULL: none */
} PvSimServerConfig;

PvSimServer *pv_sim_server_new(const PvSimServerConfig *config, GError **error);
void pv_sim_server_free(PvSimServer *server); /* closes all; devices are the caller's */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvSimServer, pv_sim_server_free)

/* Puts devices (of PvSimDevice) on the network as their states say. They must outlive the server. Once only. */
gboolean pv_sim_server_add(PvSimServer *server, const GPtrArray *devices, GError **error);
/* Runs a function in the thread that owns the device, and waits. Afterwards its ports are as its state says: if
 * the function returned TRUE, connections are dropped first. */
void pv_sim_server_call(PvSimServer *server, PvSimDevice *device,
    gboolean (*function)(PvSimDevice *device, gpointer data), gpointer data);
/* Sends one hello packet now; FALSE: @host is no address */
gboolean pv_sim_server_hello(
    PvSimServer *server, PvSimDevice *device, const char *host, guint16 port);

/* "127.0.0.1:9971" or "[::1]:9971"; host: g_free() */
gboolean pv_sim_server_parse_address(const char *text, char **host, guint16 *port, GError **error);

G_END_DECLS
