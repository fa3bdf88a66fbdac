/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ad-locate.h"

#include "ad-netlogon.h"

#include <errno.h>
#include <poll.h>
#include <provost/error.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOCATE_MAX_SERVERS 16 /* that are asked; a domain with more has the nearest in front */
#define LOCATE_DNS_MSEC 8000
#define LOCATE_PING_MSEC 1500 /* for the first answer */
#define LOCATE_GRACE_MSEC 150 /* for the others, from then on */
#define LOCATE_PORT 389

void
ad_server_free(AdServer *server)
{
	if (server == NULL)
		return;
	g_free(server->host);
	g_free(server->address);
	g_free(server->site);
	g_free(server);
}

AdServer *
ad_server_copy(const AdServer *server)
{
	AdServer *copy = g_new0(AdServer, 1);
	*copy = *server;
	copy->host = g_strdup(server->host);
	copy->address = g_strdup(server->address);
	copy->site = g_strdup(server->site);
	return copy;
}

gint
ad_server_compare(gconstpointer a, gconstpointer b)
{
	const AdServer *first = *(AdServer *const *)a, *second = *(AdServer *const *)b;
	if ((first->flags != 0) != (second->flags != 0))
		return first->flags != 0 ? -1 : 1;
	if (first->here != second->here)
		return first->here ? -1 : 1;
	return 0;
}

/* One question to the resolver, which has no time limit of its own, in a context of our own. */
typedef struct {
	GMainLoop *loop;
	GCancellable *cancellable; /* of the question: the caller's, or time is up */
	GResolver *resolver;
	GList *found;
	GError *error;
	gboolean late;
} LocateQuestion;

static void
locate_got_services(GObject *source, GAsyncResult *result, gpointer data)
{
	LocateQuestion *question = data;
	question->found =
	    g_resolver_lookup_service_finish(G_RESOLVER(source), result, &question->error);
	g_main_loop_quit(question->loop);
}

static void
locate_got_addresses(GObject *source, GAsyncResult *result, gpointer data)
{
	LocateQuestion *question = data;
	question->found =
	    g_resolver_lookup_by_name_finish(G_RESOLVER(source), result, &question->error);
	g_main_loop_quit(question->loop);
}

static gboolean
locate_is_late(gpointer data)
{
	LocateQuestion *question = data;
	question->late = TRUE;
	g_cancellable_cancel(question->cancellable);
	return G_SOURCE_REMOVE;
}

static void
locate_forward_cancel(GCancellable *source, gpointer data)
{
	g_cancellable_cancel(data);
}

static GList *
locate_ask_once(
    const char *domain, const char *host, GCancellable *cancellable, gboolean *late, GError **error)
{
	LocateQuestion question = { 0 };
	GMainContext *context = g_main_context_new();
	g_main_context_push_thread_default(context);
	question.loop = g_main_loop_new(context, FALSE);
	question.cancellable = g_cancellable_new();
	question.resolver = g_resolver_get_default();
	gulong handler = cancellable == NULL
			     ? 0
			     : g_cancellable_connect(cancellable, G_CALLBACK(locate_forward_cancel),
				   g_object_ref(question.cancellable), g_object_unref);
	GSource *timer = g_timeout_source_new(LOCATE_DNS_MSEC);
	g_source_set_callback(timer, locate_is_late, &question, NULL);
	g_source_attach(timer, context);
	if (domain != NULL)
		g_resolver_lookup_service_async(question.resolver, "ldap", "tcp", domain,
		    question.cancellable, locate_got_services, &question);
	else
		g_resolver_lookup_by_name_async(
		    question.resolver, host, question.cancellable, locate_got_addresses, &question);
	g_main_loop_run(question.loop);
	if (handler != 0)
		g_cancellable_disconnect(cancellable, handler);
	g_source_destroy(timer);
	g_source_unref(timer);
	g_main_context_pop_thread_default(context);
	g_main_loop_unref(question.loop);
	g_main_context_unref(context);
	g_object_unref(question.cancellable);
	g_object_unref(question.resolver);
	*late = question.late;
	if (question.error != NULL)
		g_propagate_error(error, question.error);
	return question.found;
}

/* @domain: of the service "ldap" over TCP; NULL: the addresses of @host. The list is of GSrvTarget or GInetAddress; NULL
 * without an error: the name is not there. */
static GList *
locate_ask(const char *domain, const char *host, GCancellable *cancellable, GError **error)
{
	g_autoptr(GError) caught = NULL;
	gboolean late = FALSE;
	GList *found = locate_ask_once(domain, host, cancellable, &late, &caught);
	if (g_error_matches(caught, G_RESOLVER_ERROR, G_RESOLVER_ERROR_TEMPORARY_FAILURE)) {
		/* one lost datagram is no reason to put a job off */
		g_clear_error(&caught);
		found = locate_ask_once(domain, host, cancellable, &late, &caught);
	}
	if (caught == NULL || g_cancellable_set_error_if_cancelled(cancellable, error) ||
	    g_error_matches(caught, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND))
		return found;
	g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE, "ask DNS for %s: %s",
	    domain != NULL ? domain : host, late ? "no answer in time" : caught->message);
	return NULL;
}

/* Appends what DNS has, in the order of priority and weight. */
static gboolean
locate_add_servers(GPtrArray *servers, const char *domain, gboolean here, GCancellable *cancellable,
    GError **error)
{
	g_autoptr(GError) caught = NULL;
	GList *found = locate_ask(domain, NULL, cancellable, &caught);
	for (GList *at = found; at != NULL && servers->len < LOCATE_MAX_SERVERS; at = at->next) {
		g_autofree char *host = g_ascii_strdown(g_srv_target_get_hostname(at->data), -1);
		gsize length = strlen(host);
		if (length > 0 && host[length - 1] == '.')
			host[length - 1] = '\0';
		gboolean known = *host == '\0';
		for (guint i = 0; !known && i < servers->len; i++)
			known = g_str_equal(((AdServer *)servers->pdata[i])->host, host);
		if (known)
			continue;
		AdServer *server = g_new0(AdServer, 1);
		server->host = g_steal_pointer(&host);
		server->here = here;
		g_ptr_array_add(servers, server);
	}
	g_resolver_free_targets(found);
	if (caught == NULL)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&caught));
	return FALSE;
}

static int
locate_send_ping(const char *address, const char *domain, guint8 id)
{
	g_autoptr(GSocketAddress) target =
	    g_inet_socket_address_new_from_string(address, LOCATE_PORT);
	if (target == NULL)
		return -1;
	struct sockaddr_storage native;
	gssize size = g_socket_address_get_native_size(target);
	if (size < 0 || !g_socket_address_to_native(target, &native, sizeof native, NULL))
		return -1;
	int fd = socket(native.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	g_autoptr(GBytes) request = ad_netlogon_new_request(domain, id);
	/* connected, so that answers of others are not seen and a closed port is */
	if (connect(fd, (struct sockaddr *)&native, (socklen_t)size) == 0 &&
	    send(fd, g_bytes_get_data(request, NULL), g_bytes_get_size(request), MSG_NOSIGNAL) > 0)
		return fd;
	close(fd);
	return -1;
}

/* Takes what one server answered; FALSE: wait on. */
static void
locate_take_answer(AdServer *server, int fd, const char *domain, guint8 id, char **client_site)
{
	guint8 data[AD_NETLOGON_MAX_BYTES];
	ssize_t length = recv(fd, data, sizeof data, 0);
	g_auto(AdNetlogon) netlogon = { 0 };
	g_autoptr(GError) error = NULL;
	if (length <= 0 || !ad_netlogon_parse(&netlogon, data, (gsize)length, id, &error)) {
		g_debug("ping of %s: %s", server->host,
		    error == NULL ? g_strerror(errno) : error->message);
		return;
	}
	if (g_ascii_strcasecmp(netlogon.domain, domain) != 0) {
		g_debug("ping of %s: it is a controller of %s", server->host, netlogon.domain);
		return;
	}
	server->flags = netlogon.flags;
	g_free(server->site);
	server->site = g_strdup(netlogon.server_site);
	if ((netlogon.flags & AD_NETLOGON_CLOSEST) != 0 ||
	    (*netlogon.client_site != '\0' &&
		g_ascii_strcasecmp(netlogon.client_site, netlogon.server_site) == 0))
		server->here = TRUE;
	if (*client_site == NULL && *netlogon.client_site != '\0')
		*client_site = g_strdup(netlogon.client_site);
}

/* Asks all from @first on at once and waits a moment; who does not answer keeps flags 0. */
static gboolean
locate_ping(GPtrArray *servers, guint first, const char *domain, char **client_site,
    GCancellable *cancellable, GError **error)
{
	struct pollfd polls[LOCATE_MAX_SERVERS + 1];
	guint count = MIN(servers->len, LOCATE_MAX_SERVERS), open = 0;
	for (guint i = first; i < count; i++) {
		AdServer *server = servers->pdata[i];
		polls[i] = (struct pollfd) { .fd = server->address == NULL
						       ? -1
						       : locate_send_ping(
							     server->address, domain, (guint8)i),
			.events = POLLIN };
		open += polls[i].fd >= 0 ? 1 : 0;
	}
	gint64 until = g_get_monotonic_time() + LOCATE_PING_MSEC * G_TIME_SPAN_MILLISECOND;
	while (open > 0 && !g_cancellable_is_cancelled(cancellable)) {
		gint64 left = until - g_get_monotonic_time();
		/* in slices, as the cancellable has no place among descriptors that may be short */
		int ready =
		    left <= 0 ? 0
			      : poll(polls + first, count - first, (int)MIN(left / 1000 + 1, 100));
		if (left <= 0 || (ready < 0 && errno != EINTR))
			break;
		for (guint i = first; ready > 0 && i < count; i++) {
			if (polls[i].fd < 0 || polls[i].revents == 0)
				continue;
			locate_take_answer(
			    servers->pdata[i], polls[i].fd, domain, (guint8)i, client_site);
			close(polls[i].fd);
			polls[i].fd = -1;
			open--;
			until = MIN(until,
			    g_get_monotonic_time() + LOCATE_GRACE_MSEC * G_TIME_SPAN_MILLISECOND);
		}
	}
	for (guint i = first; i < count; i++)
		if (polls[i].fd >= 0)
			close(polls[i].fd);
	return !g_cancellable_set_error_if_cancelled(cancellable, error);
}

static gboolean
locate_resolve(GPtrArray *servers, guint first, GCancellable *cancellable, GError **error)
{
	for (guint i = first; i < servers->len; i++) {
		AdServer *server = servers->pdata[i];
		g_autoptr(GError) caught = NULL;
		GList *found = locate_ask(NULL, server->host, cancellable, &caught);
		if (found != NULL)
			server->address = g_inet_address_to_string(found->data);
		g_resolver_free_addresses(found);
		if (g_cancellable_set_error_if_cancelled(cancellable, error))
			return FALSE;
	}
	return TRUE;
}

/* Read-only controllers are dropped: we write. */
static void
locate_drop(GPtrArray *servers)
{
	for (guint i = servers->len; i > 0; i--) {
		AdServer *server = servers->pdata[i - 1];
		if (server->flags != 0 && (server->flags & AD_NETLOGON_WRITABLE) == 0)
			g_ptr_array_remove_index(servers, i - 1);
	}
}

GPtrArray *
ad_locate(const char *domain, const char *site, GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) servers =
	    g_ptr_array_new_with_free_func((GDestroyNotify)ad_server_free);
	g_autofree char *client_site = NULL;
	g_autofree char *all = g_strconcat("dc._msdcs.", domain, NULL);
	if (site != NULL) {
		g_autofree char *of_site = g_strdup_printf("%s._sites.dc._msdcs.%s", site, domain);
		if (!locate_add_servers(servers, of_site, TRUE, cancellable, error))
			return NULL;
	}
	if (!locate_add_servers(servers, all, FALSE, cancellable, error) ||
	    !locate_resolve(servers, 0, cancellable, error) ||
	    !locate_ping(servers, 0, domain, &client_site, cancellable, error))
		return NULL;
	guint known = servers->len;
	if (site == NULL && client_site != NULL &&
	    g_regex_match_simple("^[A-Za-z0-9_-]+$", client_site, G_REGEX_DOLLAR_ENDONLY, 0)) {
		g_autofree char *of_site =
		    g_strdup_printf("%s._sites.dc._msdcs.%s", client_site, domain);
		/* those of the site that are not known yet; when DNS fails now there are others */
		if ((!locate_add_servers(servers, of_site, TRUE, cancellable, NULL) ||
			!locate_resolve(servers, known, cancellable, error) ||
			!locate_ping(servers, known, domain, &client_site, cancellable, error)) &&
		    g_cancellable_is_cancelled(cancellable))
			return NULL;
	}
	guint found = servers->len;
	locate_drop(servers);
	if (servers->len == 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    found > 0
			? "find a domain controller of %s: all that answer are read-only: name a "
			  "writable one in \"servers\""
			: "find a domain controller of %s: DNS has no _ldap._tcp.dc._msdcs records "
			  "of it: correct \"domain\", let this computer's "
			  "resolver ask the domain's DNS servers, or name them in \"servers\"",
		    domain);
		return NULL;
	}
	g_ptr_array_sort(
	    servers, ad_server_compare); /* stable, so the order of DNS stays among equals */
	return g_steal_pointer(&servers);
}
