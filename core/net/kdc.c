/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/kdc.h"

#include <profile.h>
#include <provost/error.h>

#include <string.h>

/* libkrb5's own transport waits for most of a minute, whatever the caller wants, and cannot be cancelled; this one
 * takes its place. */
#define KDC_PORT 88
#define KDC_MAX_REPLY (256 * 1024) /* a ticket with a thousand groups has 12 KiB */
#define KDC_MAX_KDCS 16
#define KDC_SVC_UNAVAILABLE 29 /* RFC 4120 7.5.9: another KDC may do */

void
pv_kdc_reply_clear(PvKdcReply *reply)
{
	g_clear_pointer(&reply->message, g_bytes_unref);
	g_clear_pointer(&reply->from, g_free);
}

/* ---- one asynchronous call of GIO, waited for with a limit; a resolver has no other one ---- */

typedef struct {
	GMainContext *context;
	GCancellable *cancellable; /* ours: cancelled by the caller's or by the limit */
	GCancellable *outer; /* the caller's, lent; NULL: none */
	gulong handler;
	GSource *limit;
	GAsyncResult *result; /* owned; NULL: not yet */
	gboolean late;
} KdcWait;

static gboolean
kdc_wait_limit(gpointer data)
{
	KdcWait *wait = data;
	wait->late = TRUE;
	g_cancellable_cancel(wait->cancellable);
	return G_SOURCE_REMOVE;
}

static void
kdc_wait_cancel(GCancellable *outer, gpointer data)
{
	g_cancellable_cancel(data);
}

static void
kdc_wait_done(GObject *source, GAsyncResult *result, gpointer data)
{
	KdcWait *wait = data;
	wait->result = g_object_ref(result);
}

static void
kdc_wait_begin(KdcWait *wait, gint64 until_usec, GCancellable *outer)
{
	gint64 left_msec = MAX((until_usec - g_get_monotonic_time()) / 1000, 0);
	wait->context = g_main_context_new();
	g_main_context_push_thread_default(wait->context);
	wait->cancellable = g_cancellable_new();
	wait->outer = outer;
	if (outer != NULL)
		wait->handler = g_cancellable_connect(outer, G_CALLBACK(kdc_wait_cancel),
		    g_object_ref(wait->cancellable), g_object_unref);
	wait->limit = g_timeout_source_new((guint)left_msec);
	g_source_set_callback(wait->limit, kdc_wait_limit, wait, NULL);
	g_source_attach(wait->limit, wait->context);
}

static void
kdc_wait_run(KdcWait *wait)
{
	while (wait->result == NULL)
		(void)g_main_context_iteration(wait->context, TRUE);
	if (wait->handler != 0)
		g_cancellable_disconnect(wait->outer, wait->handler);
	g_source_destroy(wait->limit);
	g_source_unref(wait->limit);
}

/* What GIO calls cancelled is our limit, unless the caller wants to stop. */
static void
kdc_wait_end(KdcWait *wait, GError **error)
{
	if (error != NULL && g_error_matches(*error, G_IO_ERROR, G_IO_ERROR_CANCELLED) &&
	    wait->late && !g_cancellable_is_cancelled(wait->outer)) {
		g_clear_error(error);
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer in time");
	}
	g_main_context_pop_thread_default(wait->context);
	g_object_unref(wait->result);
	g_object_unref(wait->cancellable);
	g_main_context_unref(wait->context);
}

/* ---- one KDC ---- */

static GSocketConnection *
kdc_connect(const char *kdc, gint64 until_usec, GCancellable *cancellable, GError **error)
{
	KdcWait wait = { 0 };
	g_autoptr(GError) local = NULL;
	kdc_wait_begin(&wait, until_usec, cancellable);
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_socket_client_set_enable_proxy(client, FALSE); /* the environment's */
	g_socket_client_connect_to_host_async(
	    client, kdc, KDC_PORT, wait.cancellable, kdc_wait_done, &wait);
	kdc_wait_run(&wait);
	GSocketConnection *connection =
	    g_socket_client_connect_to_host_finish(client, wait.result, &local);
	kdc_wait_end(&wait, &local);
	if (connection == NULL)
		g_propagate_error(error, g_steal_pointer(&local));
	else
		g_socket_set_blocking(g_socket_connection_get_socket(connection), FALSE);
	return connection;
}

/* Waits until the socket is ready, and then sends or receives what it takes. */
static gboolean
kdc_move(GSocket *socket, gboolean send, char *data, gsize length, gint64 until_usec,
    GCancellable *cancellable, GError **error)
{
	for (gsize moved = 0; moved < length;) {
		gint64 left_usec = until_usec - g_get_monotonic_time();
		if (left_usec <= 0) {
			g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "too late");
			return FALSE;
		}
		if (!g_socket_condition_timed_wait(
			socket, send ? G_IO_OUT : G_IO_IN, left_usec, cancellable, error))
			return FALSE;
		g_autoptr(GError) local = NULL;
		gssize count =
		    send ? g_socket_send(socket, data + moved, length - moved, cancellable, &local)
			 : g_socket_receive(
			       socket, data + moved, length - moved, cancellable, &local);
		if (count > 0) {
			moved += (gsize)count;
		} else if (count == 0) {
			g_set_error(error, G_IO_ERROR, G_IO_ERROR_CLOSED, "it hung up");
			return FALSE;
		} else if (!g_error_matches(local, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
	}
	return TRUE;
}

/* A message is preceded by its length, 4 bytes in network order (RFC 4120 7.2.2). */
static GBytes *
kdc_ask(
    const char *kdc, GBytes *message, guint timeout_msec, GCancellable *cancellable, GError **error)
{
	gint64 until_usec = g_get_monotonic_time() + (gint64)timeout_msec * 1000;
	g_autoptr(GSocketConnection) connection = kdc_connect(kdc, until_usec, cancellable, error);
	if (connection == NULL)
		return NULL;
	GSocket *socket = g_socket_connection_get_socket(connection);
	gsize length = 0;
	const void *data = g_bytes_get_data(message, &length);
	guint32 head = GUINT32_TO_BE((guint32)length);
	g_autoptr(GByteArray) frame = g_byte_array_new();
	g_byte_array_append(frame, (const guint8 *)&head, sizeof head);
	g_byte_array_append(frame, data, (guint)length);
	if (!kdc_move(
		socket, TRUE, (char *)frame->data, frame->len, until_usec, cancellable, error) ||
	    !kdc_move(socket, FALSE, (char *)&head, sizeof head, until_usec, cancellable, error))
		return NULL;
	gsize size = GUINT32_FROM_BE(head);
	if (size == 0 || size > KDC_MAX_REPLY) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
		    "it announces %" G_GSIZE_FORMAT " bytes: it is no KDC", size);
		return NULL;
	}
	g_byte_array_set_size(frame, (guint)size);
	if (!kdc_move(socket, FALSE, (char *)frame->data, size, until_usec, cancellable, error))
		return NULL;
	return g_byte_array_free_to_bytes(g_steal_pointer(&frame));
}

/* An error message is told apart by its tag (RFC 4120 5.9.1: APPLICATION 30). */
static void
kdc_note_error(krb5_context context, PvKdcReply *reply)
{
	gsize length = 0;
	const char *data = g_bytes_get_data(reply->message, &length);
	krb5_data bytes = { .length = (unsigned int)length, .data = (char *)data };
	krb5_error *told = NULL;
	reply->code = 0;
	reply->time_sec = 0;
	if (length == 0 || (guint8)data[0] != 0x7e || krb5_rd_error(context, &bytes, &told) != 0)
		return;
	reply->code = (gint32)told->error;
	/* libkrb5's timestamps have 32 bits, unsigned until 2106 */
	reply->time_sec = (gint64)(guint32)told->stime;
	krb5_free_error(context, told);
}

/* ---- which KDCs ---- */

static void
kdc_add_configured(krb5_context context, const char *realm, GPtrArray *kdcs)
{
	const char *const names[] = { "realms", realm, "kdc", NULL };
	profile_t profile = NULL;
	char **values = NULL;
	if (krb5_get_profile(context, &profile) != 0)
		return;
	if (profile_get_values(profile, names, &values) == 0) {
		for (guint i = 0; values[i] != NULL && kdcs->len < KDC_MAX_KDCS; i++)
			if (strstr(values[i], "://") == NULL) /* MS-KKDCP is not spoken */
				g_ptr_array_add(kdcs, g_strdup(values[i]));
		profile_free_list(values);
	}
	profile_release(profile);
}

static gboolean
kdc_add_discovered(const char *realm, guint timeout_msec, GPtrArray *kdcs,
    GCancellable *cancellable, GError **error)
{
	KdcWait wait = { 0 };
	g_autoptr(GError) local = NULL;
	g_autoptr(GResolver) resolver = g_resolver_get_default();
	g_autofree char *domain = g_ascii_strdown(realm, -1);
	kdc_wait_begin(&wait, g_get_monotonic_time() + (gint64)timeout_msec * 1000, cancellable);
	g_resolver_lookup_service_async(
	    resolver, "kerberos", "tcp", domain, wait.cancellable, kdc_wait_done, &wait);
	kdc_wait_run(&wait);
	GList *targets = g_resolver_lookup_service_finish(resolver, wait.result, &local);
	kdc_wait_end(&wait, &local);
	for (GList *each = targets; each != NULL && kdcs->len < KDC_MAX_KDCS; each = each->next)
		g_ptr_array_add(
		    kdcs, g_strdup_printf("%s:%u", g_srv_target_get_hostname(each->data),
			      g_srv_target_get_port(each->data)));
	g_resolver_free_targets(targets);
	if (g_error_matches(local, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	/* a name server that is away says nothing of what is configured */
	gboolean away = g_error_matches(local, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ||
			g_error_matches(
			    local, G_RESOLVER_ERROR, G_RESOLVER_ERROR_TEMPORARY_FAILURE);
	if (kdcs->len == 0)
		g_set_error(error, PV_ERROR, away ? PV_ERROR_UNREACHABLE : PV_ERROR_CONFIG,
		    "find a KDC of %s: none is configured, and DNS knows none by "
		    "_kerberos._tcp.%s%s%s: give \"kdcs\"",
		    realm, domain, local != NULL ? ": " : "", local != NULL ? local->message : "");
	return kdcs->len > 0;
}

/* (transfer full) of char*; NULL with an error: there is none */
static GPtrArray *
kdc_list(krb5_context context, const PvKdcOptions *options, const char *realm,
    GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) kdcs = g_ptr_array_new_with_free_func(g_free);
	if (options->kdcs != NULL && g_strcmp0(options->realm, realm) == 0) {
		guint count = MIN(g_strv_length((char **)options->kdcs), KDC_MAX_KDCS);
		guint first = (guint)g_atomic_int_get(options->first);
		for (guint i = 0; i < count; i++)
			g_ptr_array_add(kdcs, g_strdup(options->kdcs[(first + i) % count]));
		if (count > 0)
			return g_steal_pointer(&kdcs);
	}
	kdc_add_configured(context, realm, kdcs);
	if (kdcs->len == 0 &&
	    !kdc_add_discovered(realm, options->timeout_msec, kdcs, cancellable, error))
		return NULL;
	return g_steal_pointer(&kdcs);
}

static void
kdc_remember(const PvKdcOptions *options, const char *kdc)
{
	for (gint i = 0; options->kdcs != NULL && options->kdcs[i] != NULL; i++)
		if (g_str_equal(options->kdcs[i], kdc))
			g_atomic_int_set(options->first, i);
}

gboolean
pv_kdc_exchange(krb5_context context, const PvKdcOptions *options, const char *realm,
    GBytes *message, PvKdcReply *reply, GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) kdcs = kdc_list(context, options, realm, cancellable, error);
	if (kdcs == NULL)
		return FALSE;
	g_autoptr(GString) problems = g_string_new(NULL);
	for (guint i = 0; i < kdcs->len; i++) {
		const char *kdc = kdcs->pdata[i];
		g_autoptr(GError) local = NULL;
		g_autoptr(GBytes) answer =
		    kdc_ask(kdc, message, options->timeout_msec, cancellable, &local);
		if (g_error_matches(local, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		if (answer != NULL) {
			pv_kdc_reply_clear(reply);
			reply->message = g_steal_pointer(&answer);
			reply->from = g_strdup(kdc);
			kdc_note_error(context, reply);
			if (reply->code != KDC_SVC_UNAVAILABLE) {
				kdc_remember(options, kdc);
				return TRUE;
			}
		}
		g_string_append_printf(problems, "%s%s: %s", problems->len > 0 ? "; " : "", kdc,
		    local == NULL ? "it cannot serve now"
		    : g_error_matches(local, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ? "no answer in time"
									       : local->message);
	}
	g_set_error(error, PV_ERROR, PV_ERROR_UNREACHABLE, "no KDC of %s answered: %s", realm,
	    problems->str);
	return FALSE;
}
