/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/service/listener.h"

#include <string.h>

#include "core/service/limit.h"

/* A listener on 127.0.0.1 and what it handed on. */
typedef struct {
	PvListener *listener;
	GPtrArray *hellos; /* char* "UUID SOURCE" */
	GPtrArray *lines; /* char*, messages logged */
} Fixture;

static void
fixture_on_hello(const PvHello *hello, const char *source, gpointer data)
{
	Fixture *fixture = data;
	g_ptr_array_add(fixture->hellos, g_strdup_printf("%s %s", hello->uuid, source));
}

/* refusals are told by g_message(); the writer is the process's, so the list is too */
static GLogWriterOutput
fixture_log(GLogLevelFlags level, const GLogField *fields, gsize count, gpointer data)
{
	GPtrArray *lines = data;
	for (gsize i = 0; i < count; i++) {
		if (g_str_equal(fields[i].key, "MESSAGE"))
			g_ptr_array_add(lines, g_strdup(fields[i].value));
	}
	return G_LOG_WRITER_HANDLED;
}

static void
fixture_start(Fixture *fixture, const PvListenerLimits *limits, gconstpointer lines)
{
	g_autoptr(GError) error = NULL;
	fixture->lines = (GPtrArray *)lines;
	g_ptr_array_set_size(fixture->lines, 0);
	fixture->hellos = g_ptr_array_new_with_free_func(g_free);
	fixture->listener =
	    pv_listener_new("127.0.0.1", 0, limits, fixture_on_hello, fixture, &error);
	g_assert_no_error(error);
}

static void
fixture_stop(Fixture *fixture)
{
	pv_listener_free(fixture->listener);
	g_ptr_array_unref(fixture->hellos);
}

static const PvListenerLimits roomy = { 256, 256, 10000, 10000, 1 };

/* version 3, one SHA-256 root: amt's own layout (Intel AMT SDK, "Setup Mode Hello Messages") */
static GByteArray *
packet_new(guint8 first)
{
	guint8 data[25 + 34] = { 0, 0, 3, 0, 1, 0, 0, 0 };
	for (guint i = 0; i < 16; i++)
		data[8 + i] = first + i;
	data[24] = 1;
	data[25] = 2;
	data[26] = 32;
	memset(data + 27, 0xab, 32);
	GByteArray *packet = g_byte_array_new();
	return g_byte_array_append(packet, data, sizeof data);
}

static GSocket *
dial(const Fixture *fixture, const char *from)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GSocketAddress) local = g_inet_socket_address_new_from_string(from, 0);
	g_autoptr(GSocketAddress) remote = g_inet_socket_address_new_from_string(
	    "127.0.0.1", pv_listener_get_port(fixture->listener));
	GSocket *socket =
	    g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &error);
	g_assert_no_error(error);
	g_socket_bind(socket, local, FALSE, &error);
	g_assert_no_error(error);
	g_socket_connect(socket, remote, NULL, &error);
	g_assert_no_error(error);
	return socket;
}

static void
say(GSocket *socket, const guint8 *data, gsize length)
{
	/* a listener that has hung up is what some of the tests are about */
	(void)g_socket_send(socket, (const char *)data, length, NULL, NULL);
}

/* runs the listener until the peer's connection is closed by it, or nothing more is to be expected */
static void
run_until(const Fixture *fixture, const guint64 *count, guint64 wanted)
{
	while (*count < wanted)
		g_main_context_iteration(NULL, TRUE);
	g_assert_cmpuint(*count, ==, wanted);
}

static const PvListenerCounts *
counts(const Fixture *fixture)
{
	return pv_listener_get_counts(fixture->listener);
}

static void
test_pieces(gconstpointer lines)
{
	Fixture fixture = { 0 };
	fixture_start(&fixture, &roomy, lines);
	g_autoptr(GByteArray) packet = packet_new(1);
	g_autoptr(GSocket) socket = dial(&fixture, "127.0.0.7");
	for (guint i = 0; i < packet->len; i++) {
		say(socket, packet->data + i, 1);
		while (g_main_context_iteration(NULL, FALSE))
			continue;
	}
	g_assert_cmpuint(counts(&fixture)->hellos, ==, 0);
	g_clear_object(&socket);
	run_until(&fixture, &counts(&fixture)->hellos, 1);
	g_assert_cmpstr(g_ptr_array_index(fixture.hellos, 0), ==,
	    "04030201-0605-0807-090a-0b0c0d0e0f10 127.0.0.7");
	g_assert_cmpuint(counts(&fixture)->junk, ==, 0);
	fixture_stop(&fixture);
}

static void
test_junk(gconstpointer lines)
{
	Fixture fixture = { 0 };
	fixture_start(&fixture, &roomy, lines);
	static const char *const texts[] = { "", "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"\026\003\001" };
	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		GSocket *socket = dial(&fixture, "127.0.0.1");
		say(socket, (const guint8 *)texts[i], strlen(texts[i]));
		g_object_unref(socket);
	}
	run_until(&fixture, &counts(&fixture)->junk, G_N_ELEMENTS(texts));
	/* one byte too few, one too many */
	g_autoptr(GByteArray) packet = packet_new(1);
	GSocket *socket = dial(&fixture, "127.0.0.1");
	say(socket, packet->data, packet->len - 1);
	g_object_unref(socket);
	g_byte_array_append(packet, (const guint8 *)"!", 1);
	socket = dial(&fixture, "127.0.0.1");
	say(socket, packet->data, packet->len);
	g_object_unref(socket);
	run_until(&fixture, &counts(&fixture)->junk, G_N_ELEMENTS(texts) + 2);
	g_assert_cmpuint(fixture.hellos->len, ==, 0);
	g_assert_cmpuint(fixture.lines->len, ==, G_N_ELEMENTS(texts) + 2);
	fixture_stop(&fixture);
}

static void
test_junk_is_told_rarely(gconstpointer lines)
{
	Fixture fixture = { 0 };
	fixture_start(&fixture, &roomy, lines);
	for (guint i = 0; i < 100; i++) {
		GSocket *socket = dial(&fixture, "127.0.0.1");
		g_object_unref(socket);
		run_until(&fixture, &counts(&fixture)->junk, i + 1);
	}
	g_assert_cmpuint(fixture.lines->len, <, 30);
	g_assert_cmpuint(fixture.lines->len, >, 0);
	fixture_stop(&fixture);
}

static void
test_oversize(gconstpointer lines)
{
	Fixture fixture = { 0 };
	fixture_start(&fixture, &roomy, lines);
	g_autofree guint8 *data = g_malloc0(PV_HELLO_MAX_BYTES + 1);
	g_autoptr(GSocket) socket = dial(&fixture, "127.0.0.1");
	say(socket, data, PV_HELLO_MAX_BYTES + 1);
	/* closed at once, not at its end, which never comes */
	run_until(&fixture, &counts(&fixture)->oversize, 1);
	g_assert_cmpuint(counts(&fixture)->junk + counts(&fixture)->slow, ==, 0);
	fixture_stop(&fixture);
}

static void
test_slow(gconstpointer lines)
{
	Fixture fixture = { 0 };
	PvListenerLimits limits = roomy;
	limits.time_msec = 50;
	fixture_start(&fixture, &limits, lines);
	g_autoptr(GByteArray) packet = packet_new(1);
	g_autoptr(GSocket) half = dial(&fixture, "127.0.0.1");
	say(half, packet->data, packet->len / 2);
	run_until(&fixture, &counts(&fixture)->slow, 1);
	/* the connection is closed: the peer reads its end */
	char byte = 0;
	g_assert_cmpint(g_socket_receive(half, &byte, 1, NULL, NULL), <=, 0);
	/* a whole packet counts even when the peer forgets to close */
	g_autoptr(GSocket) whole = dial(&fixture, "127.0.0.1");
	say(whole, packet->data, packet->len);
	run_until(&fixture, &counts(&fixture)->hellos, 1);
	g_assert_cmpuint(counts(&fixture)->slow, ==, 1);
	fixture_stop(&fixture);
}

static void
test_connections(gconstpointer lines)
{
	Fixture fixture = { 0 };
	PvListenerLimits limits = roomy;
	limits.connections = 4;
	fixture_start(&fixture, &limits, lines);
	g_autoptr(GPtrArray) sockets = g_ptr_array_new_with_free_func(g_object_unref);
	for (guint i = 0; i < 12; i++) {
		g_autoptr(GByteArray) packet = packet_new(i);
		GSocket *socket = dial(&fixture, "127.0.0.1");
		say(socket, packet->data, packet->len);
		g_ptr_array_add(sockets, socket);
	}
	run_until(&fixture, &counts(&fixture)->accepted, 4);
	while (g_main_context_iteration(NULL, FALSE))
		continue;
	g_assert_cmpuint(counts(&fixture)->accepted, ==, 4);
	/* the rest wait in the backlog and are not lost */
	g_ptr_array_set_size(sockets, 0);
	run_until(&fixture, &counts(&fixture)->hellos, 12);
	g_assert_cmpuint(counts(&fixture)->peak, ==, 4);
	fixture_stop(&fixture);
}

static void
test_flood(gconstpointer lines)
{
	Fixture fixture = { 0 };
	PvListenerLimits limits = roomy;
	limits.burst = 5;
	limits.refill_msec = 3600000;
	fixture_start(&fixture, &limits, lines);
	g_autoptr(GByteArray) packet = packet_new(1);
	for (guint i = 0; i < 50; i++) {
		GSocket *socket = dial(&fixture, "127.0.0.66");
		say(socket, packet->data, packet->len);
		g_object_unref(socket);
		run_until(&fixture, &counts(&fixture)->accepted, i + 1);
	}
	run_until(&fixture, &counts(&fixture)->hellos, 5);
	g_assert_cmpuint(counts(&fixture)->limited, ==, 45);
	/* nobody else pays for it */
	GSocket *socket = dial(&fixture, "127.0.0.5");
	say(socket, packet->data, packet->len);
	g_object_unref(socket);
	run_until(&fixture, &counts(&fixture)->hellos, 6);
	fixture_stop(&fixture);
}

static void
test_source_connections(gconstpointer lines)
{
	Fixture fixture = { 0 };
	PvListenerLimits limits = roomy;
	limits.connections_source = 3;
	fixture_start(&fixture, &limits, lines);
	g_autoptr(GPtrArray) sockets = g_ptr_array_new_with_free_func(g_object_unref);
	for (guint i = 0; i < 5; i++)
		g_ptr_array_add(sockets, dial(&fixture, "127.0.0.66"));
	g_ptr_array_add(sockets, dial(&fixture, "127.0.0.5"));
	run_until(&fixture, &counts(&fixture)->accepted, 6);
	g_assert_cmpuint(counts(&fixture)->limited, ==, 2);
	fixture_stop(&fixture);
}

static void
test_bad_address(gconstpointer lines)
{
	g_autoptr(GError) error = NULL;
	g_assert_null(
	    pv_listener_new("provisionserver", 0, &roomy, fixture_on_hello, NULL, &error));
	g_assert_cmpstr(
	    error->message, ==, "listen on provisionserver port 0: not a numeric address");
	g_clear_error(&error);
	Fixture fixture = { 0 };
	fixture_start(&fixture, &roomy, lines);
	guint port = pv_listener_get_port(fixture.listener);
	g_assert_null(pv_listener_new("127.0.0.1", port, &roomy, fixture_on_hello, NULL, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE);
	fixture_stop(&fixture);
}

static void
test_limit(void)
{
	g_autoptr(PvLimit) limit = pv_limit_new(1, 3, 1000);
	gint64 now_usec = G_GINT64_CONSTANT(1000000000);
	guint missed = 99;
	for (guint i = 0; i < 3; i++)
		g_assert_true(pv_limit_take(limit, "a", now_usec, &missed));
	g_assert_cmpuint(missed, ==, 0);
	g_assert_false(pv_limit_take(limit, "b", now_usec, NULL));
	g_assert_false(pv_limit_take(limit, "a", now_usec + 999999, NULL));
	g_assert_true(pv_limit_take(limit, "a", now_usec + 1000000, &missed));
	g_assert_cmpuint(missed, ==, 2);
	g_assert_false(pv_limit_take(limit, "a", now_usec + 1000001, NULL));
	/* time fills the bucket and does not make it larger */
	for (guint i = 0; i < 3; i++)
		g_assert_true(pv_limit_take(limit, "a", now_usec * 2, NULL));
	g_assert_false(pv_limit_take(limit, "a", now_usec * 2, NULL));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
	g_log_set_writer_func(fixture_log, lines, NULL);
	g_test_add_func("/service/limit", test_limit);
	g_test_add_data_func("/service/listener/pieces", lines, test_pieces);
	g_test_add_data_func("/service/listener/junk", lines, test_junk);
	g_test_add_data_func(
	    "/service/listener/junk-is-told-rarely", lines, test_junk_is_told_rarely);
	g_test_add_data_func("/service/listener/oversize", lines, test_oversize);
	g_test_add_data_func("/service/listener/slow", lines, test_slow);
	g_test_add_data_func("/service/listener/connections", lines, test_connections);
	g_test_add_data_func("/service/listener/flood", lines, test_flood);
	g_test_add_data_func(
	    "/service/listener/connections-of-one-source", lines, test_source_connections);
	g_test_add_data_func("/service/listener/bad-address", lines, test_bad_address);
	return g_test_run();
}
