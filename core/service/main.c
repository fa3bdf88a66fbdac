/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "core/amt/provcert.h"
#include "core/base/process.h"
#include "core/service/intake.h"
#include "core/service/listener.h"

enum {
	MAIN_OK = 0,
	MAIN_FAILURE = 1,
	MAIN_USAGE = 64, /* EX_USAGE */
	MAIN_CONFIG = 78, /* EX_CONFIG */
};

#define MAIN_WATCH_SEC 3600 /* provisioning certificates are looked at */

/* the process; main thread */
typedef struct {
	char *site_file;
	gboolean verbose, version;
	PvSite *site;
	PvRunner *runner;
	PvIntake *intake;
	PvListener *listener;
	GMainLoop *loop;
	guint sources[5];
	GHashTable *told; /* path of a provisioning certificate -> threshold that was logged, as gint */
} Service;

static void
main_notify(const char *state)
{
#ifdef HAVE_SYSTEMD
	(void)sd_notify(0, state); /* without systemd nobody waits for it */
#endif
}

/* The journal gets the fields; anything else one line of text without control characters. */
static GLogWriterOutput
main_log(GLogLevelFlags level, const GLogField *fields, gsize count, gpointer data)
{
	const Service *service = data;
	if ((level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO)) != 0 && !service->verbose)
		return G_LOG_WRITER_HANDLED;
	if (g_log_writer_is_journald(fileno(stderr)))
		return g_log_writer_journald(level, fields, count, NULL);
	for (gsize i = 0; i < count; i++) {
		if (g_strcmp0(fields[i].key, "MESSAGE") != 0)
			continue;
		g_autofree char *text = g_strescape(fields[i].value, "\"");
		const char *word = (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0
				       ? "error: "
				   : (level & G_LOG_LEVEL_WARNING) != 0 ? "warning: "
									: "";
		g_printerr("provostd: %s%s\n", word, text);
	}
	return G_LOG_WRITER_HANDLED;
}

/* a worker's thread, one at a time */
static void
main_on_event(const PvRunnerEvent *event, gpointer data)
{
	g_autofree char *job = g_strdup_printf("%" G_GINT64_FORMAT, event->job);
	if (event->kind == PV_RUNNER_JOB_STARTED)
		g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "PV_DEVICE", event->uuid,
		    "PV_JOB", job, "MESSAGE", "%s: job %s begins at stage %u of %u", event->name,
		    job, event->index + 1, event->count);
	/* the runner logs failures itself */
	else if (event->kind == PV_RUNNER_JOB_ENDED && g_strcmp0(event->outcome, "failed") != 0)
		g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_MESSAGE, "PV_DEVICE", event->uuid,
		    "PV_JOB", job, "MESSAGE", "%s: job %s %s%s%s", event->name, job, event->outcome,
		    event->text != NULL ? ": " : "", event->text != NULL ? event->text : "");
}

static void
main_on_hello(const PvHello *hello, const char *source, gpointer data)
{
	Service *service = data;
	PvIntakeOutcome outcome = pv_intake_hello(service->intake, hello, source);
	g_debug("hello of %s from %s: outcome %d", hello->uuid, source, (int)outcome);
}

/* once for each threshold, and what has ended already at the start */
static gboolean
main_watch_certificates(gpointer data)
{
	Service *service = data;
	const GPtrArray *identities = service->site->identities;
	for (guint i = 0; i < identities->len; i++) {
		const PvIdentity *identity = identities->pdata[i];
		const char *path = pv_identity_get_path(identity);
		gint threshold = pv_provisioning_get_threshold(pv_identity_get_days_left(identity, 0));
		gpointer told = NULL;
		gboolean known = g_hash_table_lookup_extended(service->told, path, NULL, &told);
		g_autofree char *expiry = pv_provisioning_dup_expiry(identity, 0);
		if (expiry == NULL || (known && GPOINTER_TO_INT(told) == threshold))
			continue;
		g_hash_table_insert(service->told, g_strdup(path), GINT_TO_POINTER(threshold));
		g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "PV_CERTIFICATE", path, "MESSAGE",
		    "provisioning certificate %s %s", path, expiry);
	}
	return G_SOURCE_CONTINUE;
}

/* a revocation list must not end because no device was provisioned for a month */
static gboolean
main_maintain_ca(gpointer data)
{
	const PvSite *site = ((Service *)data)->site;
	g_autoptr(GError) error = NULL;
	if (site->ca != NULL && site->ca->maintain != NULL && site->ca_handle != NULL &&
	    !site->ca->maintain(site->ca_handle, &error))
		g_warning("maintain CA %s: %s", site->ca->type, error->message);
	return G_SOURCE_CONTINUE;
}

static gboolean
main_on_stop(gpointer data)
{
	Service *service = data;
	g_main_loop_quit(service->loop);
	return G_SOURCE_CONTINUE;
}

static gboolean
main_on_hangup(gpointer data)
{
	g_message("the configuration is read at start only; restart provostd for a new one");
	return G_SOURCE_CONTINUE;
}

/* Wrong options are told here. FALSE: leave with *code */
static gboolean
main_parse(Service *service, int *argc, char ***argv, int *code)
{
	const GOptionEntry entries[] = {
		{ "site", 's', 0, G_OPTION_ARG_FILENAME, &service->site_file,
		    N_("the site's file; else $PROVOST_SITE, else the installed default"), "FILE" },
		{ "verbose", 'v', 0, G_OPTION_ARG_NONE, &service->verbose,
		    N_("also log what helps to find faults"), NULL },
		{ "version", 'V', 0, G_OPTION_ARG_NONE, &service->version,
		    N_("print the version and leave"), NULL },
		{ NULL },
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_option_context_add_main_entries(context, entries, PACKAGE);
	g_option_context_set_summary(
	    context, _("Provisions Intel AMT devices that say hello. See provostd(8)."));
	g_autoptr(GError) error = NULL;
	*code = MAIN_USAGE;
	if (!g_option_context_parse(context, argc, argv, &error) || *argc > 1) {
		g_printerr(_("provostd: %s; \"provostd --help\" tells more\n"),
		    error != NULL ? error->message : _("takes no arguments"));
		return FALSE;
	}
	*code = MAIN_OK;
	if (service->version)
		g_print("provostd " VERSION "\n");
	return !service->version;
}

static gboolean
main_start(Service *service, GError **error)
{
	service->site = pv_site_open(service->site_file, "provostd", 0, error);
	if (service->site == NULL)
		return FALSE;
	PvSite *site = service->site;
	service->runner = pv_runner_new(site, site->workers, main_on_event, NULL);
	service->intake = pv_intake_new(site, service->runner);
	service->listener = pv_listener_new(site->listen_address, site->listen_port,
	    &pv_listener_limits, main_on_hello, service, error);
	if (service->listener == NULL)
		return FALSE;
	pv_runner_start(service->runner);
	g_message("listening on %s port %u", site->listen_address,
	    pv_listener_get_port(service->listener));
	return TRUE;
}

static void
main_run(Service *service)
{
	service->loop = g_main_loop_new(NULL, FALSE);
	service->sources[0] = g_unix_signal_add(SIGTERM, main_on_stop, service);
	service->sources[1] = g_unix_signal_add(SIGINT, main_on_stop, service);
	service->sources[2] = g_unix_signal_add(SIGHUP, main_on_hangup, service);
	service->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	(void)main_watch_certificates(service); /* goes on anyway */
	service->sources[3] = g_timeout_add_seconds(MAIN_WATCH_SEC, main_watch_certificates, service);
	service->sources[4] = g_timeout_add_seconds(MAIN_WATCH_SEC, main_maintain_ca, service);
	main_notify("READY=1");
	g_main_loop_run(service->loop);
	main_notify("STOPPING=1");
	g_message("stopping; unfinished jobs go on at the next start");
	/* a second signal ends the process at once; the store is made for that */
	for (gsize i = 0; i < G_N_ELEMENTS(service->sources); i++)
		g_source_remove(service->sources[i]);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
}

static void
main_clear(Service *service)
{
	/* first no new work, then no work, then what it rests on */
	pv_listener_free(service->listener);
	if (service->runner != NULL)
		pv_runner_stop(service->runner);
	pv_intake_free(service->intake);
	pv_runner_free(service->runner);
	pv_site_free(service->site);
	g_clear_pointer(&service->loop, g_main_loop_unref);
	g_clear_pointer(&service->told, g_hash_table_unref);
	g_free(service->site_file);
}

int
main(int argc, char **argv)
{
	pv_process_harden();
	setlocale(LC_ALL, "");
	bindtextdomain(PACKAGE, LOCALEDIR);
	bind_textdomain_codeset(PACKAGE, "UTF-8");
	textdomain(PACKAGE);
	signal(SIGPIPE, SIG_IGN);
	Service service = { 0 };
	int code = MAIN_OK;
	if (!main_parse(&service, &argc, &argv, &code)) {
		g_free(service.site_file);
		return code;
	}
	g_log_set_writer_func(main_log, &service, NULL);
	pv_net_init();
	g_autoptr(GError) error = NULL;
	if (main_start(&service, &error)) {
		main_run(&service);
	} else {
		g_warning("%s", error->message);
		code =
		    g_error_matches(error, PV_ERROR, PV_ERROR_CONFIG) ? MAIN_CONFIG : MAIN_FAILURE;
	}
	main_clear(&service);
	return code;
}
