/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* provost-sim record: between a client and one device */
#include "sim/commands.h"

#include "sim/http.h"
#include "sim/peer.h"
#include "sim/record.h"
#include "sim/server.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

typedef struct {
	char *listen;
	char *to;
	char *certificate;
	char *key;
	char *out;
	gboolean tls;
} ProxyOptions;

static void
proxy_options_clear(ProxyOptions *options)
{
	g_free(options->listen);
	g_free(options->to);
	g_free(options->certificate);
	g_free(options->key);
	g_free(options->out);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ProxyOptions, proxy_options_clear)

typedef struct {
	const char *to;
	SSL_CTX *tls; /* towards the device; NULL: plain */
	PvSimRecording *recording;
	gint failed; /* rows that could not be written, connections to the device; atomic */
} Proxy;

static void
proxy_tell(Proxy *proxy, const GError *error)
{
	g_atomic_int_inc(&proxy->failed);
	g_printerr("provost-sim record: %s\n", error->message);
}

static gboolean
proxy_has_bytes(const PvSimPeer *peer)
{
	return peer->ssl != NULL && SSL_pending(peer->ssl) > 0;
}

/* Waits until one of the two sends, and reads from it. FALSE: one of them has gone. */
static gboolean
proxy_read(PvSimPeer *client, PvSimPeer *device, gboolean answer)
{
	/* while an answer is due, what the client sends can wait */
	struct pollfd polled[] = { { device->fd, POLLIN, 0 },
		{ client->fd, answer ? 0 : POLLIN, 0 } };
	if (proxy_has_bytes(device))
		return pv_sim_peer_read(device);
	if (!answer && proxy_has_bytes(client))
		return pv_sim_peer_read(client);
	while (poll(polled, G_N_ELEMENTS(polled), -1) < 0) {
		if (errno != EINTR)
			return FALSE;
	}
	if (polled[0].revents != 0)
		return pv_sim_peer_read(device);
	return (polled[1].revents & POLLIN) != 0 && pv_sim_peer_read(client);
}

static void
proxy_record(Proxy *proxy, const PvSimHttpRequest *request, const PvSimHttpAnswer *answer)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *body =
	    answer != NULL ? g_strndup((const char *)answer->body->data, answer->body->len) : NULL;
	if (answer != NULL && answer->server != NULL &&
	    !pv_sim_recording_set_server(proxy->recording, answer->server, &error)) {
		proxy_tell(proxy, error);
		return;
	}
	if (strcmp(request->method, "POST") != 0 || (answer != NULL && answer->status == 401))
		return;
	if (!pv_sim_recording_add(proxy->recording, (const char *)request->body->data,
		request->body->len, answer != NULL ? answer->status : 0, body, &error))
		proxy_tell(proxy, error);
}

/* Hands a request on, and its answer back; both as they came. FALSE: the connection is at its end. */
static gboolean
proxy_exchange(Proxy *proxy, PvSimPeer *client, PvSimPeer *device, const GByteArray *raw,
    const PvSimHttpRequest *request)
{
	gboolean head = strcmp(request->method, "HEAD") == 0;
	gboolean end = !pv_sim_peer_write(device, raw);
	g_autoptr(PvSimHttpAnswer) answer = NULL;
	PvSimHttpResult result = PV_SIM_HTTP_MORE;
	while (result == PV_SIM_HTTP_MORE) {
		end = end || !proxy_read(client, device, TRUE);
		result = pv_sim_http_parse_answer(device->in, head, end, &answer);
	}
	proxy_record(proxy, request, answer);
	if (answer == NULL) { /* none, or not the whole of it */
		(void)pv_sim_peer_write(client, device->in); /* it ends anyway */
		return FALSE;
	}
	g_autoptr(GByteArray) sent = g_byte_array_new();
	g_byte_array_append(sent, device->in->data, (guint)answer->bytes);
	g_byte_array_remove_range(device->in, 0, (guint)answer->bytes);
	return pv_sim_peer_write(client, sent) && !answer->close && !request->close;
}

static void
proxy_serve(PvSimPeer *client, gpointer data)
{
	Proxy *proxy = data;
	g_autoptr(GError) error = NULL;
	g_autoptr(PvSimPeer) device = pv_sim_peer_connect(proxy->to, proxy->tls, &error);
	if (device == NULL) {
		proxy_tell(proxy, error);
		return;
	}
	gboolean go_on = TRUE;
	while (go_on) {
		g_autoptr(PvSimHttpRequest) request = NULL;
		g_autoptr(GByteArray) raw = g_byte_array_new();
		g_byte_array_append(raw, client->in->data, client->in->len);
		PvSimHttpResult result = pv_sim_http_parse(client->in, &request);
		if (result == PV_SIM_HTTP_MORE) {
			go_on = proxy_read(client, device, FALSE);
		} else if (result == PV_SIM_HTTP_READY) {
			g_byte_array_set_size(raw, raw->len - client->in->len);
			go_on = proxy_exchange(proxy, client, device, raw, request);
		} else {
			go_on = FALSE; /* no HTTP */
		}
	}
}

static gboolean
proxy_parse(int *argc, char ***argv, ProxyOptions *options)
{
	const GOptionEntry entries[] = {
		{ "listen", 'l', 0, G_OPTION_ARG_STRING, &options->listen,
		    "where the client finds the device; must be given", "ADDRESS:PORT" },
		{ "to", 't', 0, G_OPTION_ARG_STRING, &options->to,
		    "where the device is; must be given", "ADDRESS:PORT" },
		{ "out", 'o', 0, G_OPTION_ARG_FILENAME, &options->out,
		    "the recording, begun anew; must be given", "FILE.json" },
		{ "tls", 0, 0, G_OPTION_ARG_NONE, &options->tls, "speak TLS to both of them",
		    NULL },
		{ "certificate", 0, 0, G_OPTION_ARG_FILENAME, &options->certificate,
		    "what the device is shown, with its chain: the provisioning certificate",
		    "FILE.pem" },
		{ "key", 0, 0, G_OPTION_ARG_FILENAME, &options->key, "its key", "FILE.pem" },
		{ NULL },
	};
	if (!pv_sim_command_parse(argc, argv, entries, "",
		"Hands on what a client and a device say to each other, unchanged, and writes it "
		"to a file without secrets, for\n"
		"'provost-sim replay'. With --tls it shows the client a certificate made on the "
		"spot, and takes the device's\n"
		"unseen. Runs until SIGTERM or SIGINT.",
		0, 0))
		return FALSE;
	const char *wrong = NULL;
	if (options->listen == NULL || options->to == NULL || options->out == NULL)
		wrong = "--listen, --to and --out must be given";
	else if ((options->certificate != NULL) != (options->key != NULL))
		wrong = "--certificate and --key belong together";
	else if (options->certificate != NULL && !options->tls)
		wrong = "--certificate needs --tls";
	if (wrong != NULL)
		g_printerr("provost-sim record: %s\n", wrong);
	return wrong == NULL;
}

static gboolean
proxy_run(const ProxyOptions *options, Proxy *proxy, SSL_CTX *server, GError **error)
{
	const PvSimPeersConfig config = { options->listen, server, proxy_serve, proxy };
	g_autofree char *host = NULL;
	guint16 port = 0;
	if (!pv_sim_server_parse_address(options->to, &host, &port, error))
		return FALSE;
	g_autoptr(PvSimPeers) peers = pv_sim_peers_new(&config, error);
	if (peers == NULL)
		return FALSE;
	proxy->recording = pv_sim_recording_new(options->out, NULL, error);
	if (proxy->recording == NULL)
		return FALSE;
	pv_sim_peers_run(peers);
	return TRUE;
}

int
pv_sim_command_record(int argc, char **argv)
{
	g_auto(ProxyOptions) options = { 0 };
	g_autoptr(GError) error = NULL;
	if (!proxy_parse(&argc, &argv, &options))
		return PV_SIM_EXIT_USAGE;
	Proxy proxy = { .to = options.to };
	SSL_CTX *server = options.tls ? pv_sim_peer_tls(NULL, NULL, &error) : NULL;
	if (server != NULL)
		proxy.tls = pv_sim_peer_tls_client(options.certificate, options.key, &error);
	gboolean run =
	    (!options.tls || proxy.tls != NULL) && proxy_run(&options, &proxy, server, &error);
	if (run)
		g_print("recorded %u rows, failed %d times\n",
		    pv_sim_recording_get_count(proxy.recording), proxy.failed);
	else
		g_printerr("provost-sim record: %s\n", error->message);
	pv_sim_recording_free(proxy.recording);
	SSL_CTX_free(proxy.tls);
	SSL_CTX_free(server);
	return run && proxy.failed == 0 ? PV_SIM_EXIT_OK : PV_SIM_EXIT_FAILED;
}
