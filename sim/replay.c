/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* provost-sim replay */
#include "sim/commands.h"

#include "sim/http.h"
#include "sim/peer.h"
#include "sim/rows.h"

#include <string.h>

#define REPLAY_SOAP "application/soap+xml; charset=UTF-8"

typedef struct {
	char *listen;
	char *certificate;
	char *key;
	gboolean tls;
	const char *file;
} ReplayOptions;

static void
replay_options_clear(ReplayOptions *options)
{
	g_free(options->listen);
	g_free(options->certificate);
	g_free(options->key);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplayOptions, replay_options_clear)

typedef struct {
	const char *file;
	PvSimPeers *peers;
	GMutex lock;
	PvSimRows *rows; /* protected by lock */
	guint refused; /* requests that did not fit; protected by lock */
} Replay;

/* FALSE: the connection ends */
static gboolean
replay_refuse(Replay *replay, const PvSimRequest *request, const char *why, GByteArray *out)
{
	g_autoptr(GString) fault = pv_sim_soap_fault(
	    request != NULL ? request->message_id : NULL, 0, PV_SIM_FAULT_INTERNAL);
	replay->refused++;
	g_printerr("provost-sim replay: %s: %s\n", replay->file, why);
	pv_sim_http_answer_plain(
	    out, 500, pv_sim_rows_get_server(replay->rows), REPLAY_SOAP, fault->str);
	return TRUE;
}

/* With lock. FALSE: the connection ends when @out is sent */
static gboolean
replay_answer(Replay *replay, const PvSimHttpRequest *asked, GByteArray *out)
{
	const char *server = pv_sim_rows_get_server(replay->rows);
	PvSimRefusal refusal = { PV_SIM_FAULT_NONE, NULL };
	PvSimRowAnswer answer = { 0 };
	g_autofree char *why = NULL;
	if (strcmp(asked->method, "POST") != 0) { /* how clients find out the version */
		pv_sim_http_answer_plain(out, 200, server, "text/html", "");
		return !asked->close;
	}
	g_autofree char *text = g_strndup((const char *)asked->body->data, asked->body->len);
	g_autoptr(PvSimRequest) request = pv_sim_request_parse(text, strlen(text), &refusal);
	g_autofree char *detail = refusal.detail;
	if (request == NULL)
		return replay_refuse(replay, NULL, detail, out);
	if (!pv_sim_rows_answer(replay->rows, request, text, &answer, &why))
		return replay_refuse(replay, request, why, out);
	gboolean done = pv_sim_rows_is_done(replay->rows);
	if (done)
		pv_sim_peers_stop(replay->peers);
	if (answer.status != 0)
		pv_sim_http_answer_plain(out, answer.status, server, REPLAY_SOAP,
		    answer.body != NULL ? answer.body->str : "");
	if (answer.body != NULL)
		g_string_free(answer.body, TRUE);
	return !done && !answer.close && !asked->close;
}

static void
replay_serve(PvSimPeer *peer, gpointer data)
{
	Replay *replay = data;
	gboolean go_on = TRUE;
	while (go_on) {
		g_autoptr(PvSimHttpRequest) asked = NULL;
		g_autoptr(GByteArray) out = g_byte_array_new();
		PvSimHttpResult result = pv_sim_http_parse(peer->in, &asked);
		if (result == PV_SIM_HTTP_MORE) {
			go_on = pv_sim_peer_read(peer);
			continue;
		}
		g_mutex_lock(&replay->lock);
		if (result == PV_SIM_HTTP_BAD)
			(void)replay_refuse(replay, NULL, "what came is no HTTP request", out);
		go_on = result == PV_SIM_HTTP_READY && replay_answer(replay, asked, out);
		g_mutex_unlock(&replay->lock);
		go_on = pv_sim_peer_write(peer, out) && go_on;
	}
}

static gboolean
replay_parse(int *argc, char ***argv, ReplayOptions *options)
{
	const GOptionEntry entries[] = {
		{ "listen", 'l', 0, G_OPTION_ARG_STRING, &options->listen,
		    "where the client finds the device; must be given", "ADDRESS:PORT" },
		{ "tls", 0, 0, G_OPTION_ARG_NONE, &options->tls,
		    "speak TLS, with a certificate made on the spot", NULL },
		{ "certificate", 0, 0, G_OPTION_ARG_FILENAME, &options->certificate,
		    "the certificate for --tls, with its chain", "FILE.pem" },
		{ "key", 0, 0, G_OPTION_ARG_FILENAME, &options->key, "its key", "FILE.pem" },
		{ NULL },
	};
	if (!pv_sim_command_parse(argc, argv, entries, "FILE",
		"Answers one client as the rows of FILE say, in their order: a recording of "
		"'provost-sim run --record', or\n"
		"the exchange of a stage's test. What does not fit is told and answered with HTTP "
		"500. Ends when all rows are\n"
		"served, or at SIGTERM or SIGINT; exit status 0: all of them were, and nothing "
		"else was asked.",
		1, 1))
		return FALSE;
	const char *wrong = NULL;
	if (options->listen == NULL)
		wrong = "--listen ADDRESS:PORT must be given";
	else if ((options->certificate != NULL) != (options->key != NULL))
		wrong = "--certificate and --key belong together";
	else if (options->certificate != NULL && !options->tls)
		wrong = "--certificate needs --tls";
	if (wrong != NULL)
		g_printerr("provost-sim replay: %s\n", wrong);
	options->file = (*argv)[1];
	return wrong == NULL;
}

/* FALSE with @error: it could not begin; FALSE without: not all was as recorded */
static gboolean
replay_run(const ReplayOptions *options, GError **error)
{
	g_autoptr(PvSimRows) rows = pv_sim_rows_load(options->file, error);
	if (rows == NULL)
		return FALSE;
	SSL_CTX *tls =
	    options->tls ? pv_sim_peer_tls(options->certificate, options->key, error) : NULL;
	if (options->tls && tls == NULL)
		return FALSE;
	Replay replay = { .file = options->file, .rows = rows };
	const PvSimPeersConfig config = { options->listen, tls, replay_serve, &replay };
	g_mutex_init(&replay.lock);
	replay.peers = pv_sim_peers_new(&config, error);
	gboolean begun = replay.peers != NULL;
	if (begun)
		pv_sim_peers_run(replay.peers);
	pv_sim_peers_free(replay.peers); /* the threads are gone */
	g_mutex_clear(&replay.lock);
	SSL_CTX_free(tls);
	if (!begun)
		return FALSE;
	g_print("served %u of %u rows, refused %u requests\n", pv_sim_rows_get_served(rows),
	    pv_sim_rows_get_count(rows), replay.refused);
	return pv_sim_rows_is_done(rows) && replay.refused == 0;
}

int
pv_sim_command_replay(int argc, char **argv)
{
	g_auto(ReplayOptions) options = { 0 };
	g_autoptr(GError) error = NULL;
	if (!replay_parse(&argc, &argv, &options))
		return PV_SIM_EXIT_USAGE;
	if (replay_run(&options, &error))
		return PV_SIM_EXIT_OK;
	if (error != NULL)
		g_printerr("provost-sim replay: %s\n", error->message);
	return PV_SIM_EXIT_FAILED;
}
