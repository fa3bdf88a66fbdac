/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/tests/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_PKI "PV_SIM_TEST_PKI" /* the folder that test_pki_make() filled */
#define AMT_URI "http://intel.com/wbem/wscim/1/amt-schema/1/"
#define CIM_URI "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
#define IPS_URI "http://intel.com/wbem/wscim/1/ips-schema/1/"
#define ENUMERATION_URI "http://schemas.xmlsoap.org/ws/2004/09/enumeration"

/* The simulator */

static int
client_run(char **argv, char **output)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;
	int status = 0;
	gboolean ran = g_spawn_sync(
	    NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &text, NULL, &status, &error);
	g_assert_no_error(error);
	g_assert_true(ran && WIFEXITED(status));
	if (output != NULL)
		*output = g_steal_pointer(&text);
	return WEXITSTATUS(status);
}

static void
client_wait_ready(int fd)
{
	g_autoptr(GString) line = g_string_new(NULL);
	char c = 0;
	while (read(fd, &c, 1) == 1 && c != '\n')
		g_string_append_c(line, c);
	close(fd);
	g_assert_true(g_str_has_prefix(line->str, "ready "));
}

static char *
client_program(void)
{
	const char *build = g_getenv("PV_TOP_BUILDDIR");
	return g_build_filename(build != NULL ? build : ".", "provost-sim", NULL);
}

static void
client_remove_folder(const char *path)
{
	GDir *folder = g_dir_open(path, 0, NULL);
	for (const char *name = folder != NULL ? g_dir_read_name(folder) : NULL; name != NULL;
	     name = g_dir_read_name(folder)) {
		g_autofree char *file = g_build_filename(path, name, NULL);
		if (g_file_test(file, G_FILE_TEST_IS_DIR))
			client_remove_folder(file);
		else
			g_unlink(file);
	}
	if (folder != NULL)
		g_dir_close(folder);
	g_rmdir(path);
}

void
test_pki_make(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *program = client_program();
	g_autofree char *folder = g_dir_make_tmp("provost-sim-pki-XXXXXX", &error);
	g_assert_no_error(error);
	char *argv[] = { program, (char *)"pki", folder, (char *)"--suffix", (char *)"example.com",
		NULL };
	g_assert_cmpint(client_run(argv, NULL), ==, 0);
	g_assert_true(g_setenv(TEST_PKI, folder, TRUE));
}

void
test_pki_remove(void)
{
	client_remove_folder(g_getenv(TEST_PKI));
}

/* A test that aborts leaves no simulator behind */
static void
client_die_together(gpointer data)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

TestSim *
test_sim_start(const char *const *arguments)
{
	g_autoptr(GError) error = NULL;
	TestSim *sim = g_new0(TestSim, 1);
	sim->program = client_program();
	sim->folder = g_dir_make_tmp("provost-sim-XXXXXX", &error);
	g_assert_no_error(error);
	sim->control = g_build_filename(sim->folder, "control", NULL);
	/* loopback addresses of this process only: tests run side by side */
	guint pid = (guint)getpid();
	sim->base = g_strdup_printf("127.%u.%u.1", 128 + (pid >> 8) % 100, pid & 0xFF);
	g_autofree char *roots = test_sim_file(sim, "root.pem");
	g_autofree char *log = g_build_filename(sim->folder, "log", NULL);

	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	const char *const fixed[] = { sim->program, "run", "--base", sim->base, "--roots", roots,
		"--control", sim->control, "--log", log, "--set", "restart-msec=200" };
	for (guint i = 0; i < G_N_ELEMENTS(fixed); i++)
		g_ptr_array_add(argv, (gpointer)fixed[i]);
	for (guint i = 0; arguments != NULL && arguments[i] != NULL; i++)
		g_ptr_array_add(argv, (gpointer)arguments[i]);
	g_ptr_array_add(argv, NULL);
	int out = -1;
	g_spawn_async_with_pipes(NULL, (char **)argv->pdata, NULL, G_SPAWN_DO_NOT_REAP_CHILD,
	    client_die_together, NULL, &sim->pid, NULL, &out, NULL, &error);
	g_assert_no_error(error);
	client_wait_ready(out);
	return sim;
}

void
test_sim_stop(TestSim *sim)
{
	int status = 0;
	g_assert_cmpint(kill(sim->pid, SIGTERM), ==, 0);
	while (waitpid(sim->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	g_assert_true(WIFEXITED(status));
	g_assert_cmpint(WEXITSTATUS(status), ==, 0);
	g_assert_false(g_file_test(sim->control, G_FILE_TEST_EXISTS));
	client_remove_folder(sim->folder);
	g_free(sim->program);
	g_free(sim->folder);
	g_free(sim->control);
	g_free(sim->base);
	g_free(sim);
}

int
test_sim_command(TestSim *sim, char **output, const char *first, ...)
{
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	g_ptr_array_add(argv, sim->program);
	va_list arguments;
	va_start(arguments, first);
	for (const char *word = first; word != NULL; word = va_arg(arguments, const char *))
		g_ptr_array_add(argv, (gpointer)word);
	va_end(arguments);
	g_ptr_array_add(argv, (gpointer) "--control");
	g_ptr_array_add(argv, sim->control);
	g_ptr_array_add(argv, NULL);
	return client_run((char **)argv->pdata, output);
}

JsonNode *
test_sim_dump(TestSim *sim, const char *device)
{
	g_autofree char *text = NULL;
	g_autoptr(GError) error = NULL;
	g_assert_cmpint(test_sim_command(sim, &text, "dump", device, NULL), ==, 0);
	JsonNode *node = json_from_string(text, &error);
	g_assert_no_error(error);
	return node;
}

static JsonNode *
client_find_member(JsonNode *dump, const char *path)
{
	g_auto(GStrv) names = g_strsplit(path, ".", -1);
	JsonNode *node = dump;
	for (guint i = 0; names[i] != NULL; i++) {
		g_assert_true(JSON_NODE_HOLDS_OBJECT(node));
		node = json_object_get_member(json_node_get_object(node), names[i]);
		if (node == NULL)
			g_error("the dump has no %s", path);
	}
	return node;
}

gint64
test_dump_int(JsonNode *dump, const char *path)
{
	return json_node_get_int(client_find_member(dump, path));
}

const char *
test_dump_string(JsonNode *dump, const char *path)
{
	JsonNode *node = client_find_member(dump, path);
	return JSON_NODE_HOLDS_NULL(node) ? NULL : json_node_get_string(node);
}

gboolean
test_dump_bool(JsonNode *dump, const char *path)
{
	return json_node_get_boolean(client_find_member(dump, path));
}

char *
test_sim_address(TestSim *sim, guint index)
{
	struct in_addr address;
	char text[INET_ADDRSTRLEN];
	g_assert_cmpint(inet_pton(AF_INET, sim->base, &address), ==, 1);
	address.s_addr = htonl(ntohl(address.s_addr) + index);
	return g_strdup(inet_ntop(AF_INET, &address, text, sizeof text));
}

char *
test_sim_file(TestSim *sim, const char *name)
{
	return g_build_filename(g_getenv(TEST_PKI), name, NULL);
}

/* The connection */

TestClient *
test_client_new(TestSim *sim, guint index)
{
	TestClient *client = g_new0(TestClient, 1);
	client->address = test_sim_address(sim, index);
	client->port = 16993;
	client->fd = -1;
	test_client_set_certificate(client, sim, "");
	return client;
}

void
test_client_close(TestClient *client)
{
	SSL_free(client->ssl);
	client->ssl = NULL;
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

void
test_client_free(TestClient *client)
{
	test_client_close(client);
	SSL_CTX_free(client->context);
	g_free(client->address);
	g_free(client->chain);
	g_free(client->key);
	g_free(client->pid);
	g_free(client->pps);
	g_free(client->user);
	g_free(client->password);
	g_free(client->realm);
	g_free(client->nonce);
	g_free(client->qop);
	g_free(client->refused);
	g_free(client->peer);
	g_free(client->peer_pem);
	g_free(client->fourth);
	g_free(client);
}

void
test_client_set_certificate(TestClient *client, TestSim *sim, const char *name)
{
	g_clear_pointer(&client->chain, g_free);
	g_clear_pointer(&client->key, g_free);
	g_clear_pointer(&client->context, SSL_CTX_free);
	if (name == NULL)
		return;
	g_autofree char *chain = g_strdup_printf("%s%schain.pem", name, *name != '\0' ? "-" : "");
	g_autofree char *key = g_strdup_printf("%s%skey.pem", name, *name != '\0' ? "-" : "");
	client->chain = test_sim_file(sim, chain);
	client->key = test_sim_file(sim, key);
}

void
test_client_set_login(TestClient *client, const char *user, const char *password)
{
	g_free(client->user);
	g_free(client->password);
	client->user = g_strdup(user);
	client->password = g_strdup(password);
}

void
test_client_set_psk(TestClient *client, const char *pid, const char *pps)
{
	test_client_set_certificate(client, NULL, NULL);
	g_free(client->pid);
	g_free(client->pps);
	client->pid = g_strdup(pid);
	client->pps = g_strdup(pps);
}

static unsigned int
client_use_psk(SSL *ssl, const char *hint, char *identity, unsigned int identity_max,
    unsigned char *key, unsigned int key_max)
{
	const TestClient *client = SSL_get_app_data(ssl);
	g_assert_cmpuint(strlen(client->pid), <, identity_max);
	g_assert_cmpuint(strlen(client->pps), <=, key_max);
	strcpy(identity, client->pid);
	memcpy(key, client->pps, strlen(client->pps));
	return (unsigned int)strlen(client->pps);
}

static void
client_offer(TestClient *client)
{
	SSL_CTX *context = client->context;
	if (client->old || client->version != 0 || client->pid != NULL) {
		SSL_CTX_set_security_level(context, 0);
		SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
		g_assert_cmpint(SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0"), ==, 1);
	}
	if (client->old_only)
		SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
	if (client->version != 0) {
		SSL_CTX_set_min_proto_version(context, client->version);
		SSL_CTX_set_max_proto_version(context, client->version);
	}
	if (client->pid != NULL) {
		g_assert_cmpint(
		    SSL_CTX_set_cipher_list(context, "PSK-AES128-CBC-SHA:@SECLEVEL=0"), ==, 1);
		SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
		SSL_CTX_set_psk_client_callback(context, client_use_psk);
	}
	if (client->suites != NULL)
		g_assert_cmpint(SSL_CTX_set_cipher_list(context, client->suites), ==, 1);
}

static void
client_make_context(TestClient *client)
{
	client->context = SSL_CTX_new(TLS_client_method());
	g_assert_nonnull(client->context);
	client_offer(client);
	if (client->chain != NULL) {
		g_assert_cmpint(
		    SSL_CTX_use_certificate_chain_file(client->context, client->chain), ==, 1);
		g_assert_cmpint(
		    SSL_CTX_use_PrivateKey_file(client->context, client->key, SSL_FILETYPE_PEM), ==,
		    1);
	}
}

static void
client_keep_peer(TestClient *client)
{
	X509 *x509 = SSL_get0_peer_certificate(client->ssl);
	g_clear_pointer(&client->peer, g_free);
	g_clear_pointer(&client->peer_pem, g_free);
	g_clear_pointer(&client->fourth, g_free);
	client->peer_chain = 0;
	if (x509 == NULL)
		return;
	char *issuer = X509_NAME_oneline(X509_get_issuer_name(x509), NULL, 0);
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL;
	g_assert_cmpint(PEM_write_bio_X509(bio, x509), ==, 1);
	long length = BIO_get_mem_data(bio, &data);
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(client->ssl);
	client->peer_chain = (guint)sk_X509_num(chain);
	if (client->peer_chain > 3) {
		char *fourth =
		    X509_NAME_oneline(X509_get_subject_name(sk_X509_value(chain, 3)), NULL, 0);
		client->fourth = g_strdup(fourth);
		OPENSSL_free(fourth);
	}
	client->peer = g_strdup(issuer);
	client->peer_pem = g_strndup(data, (gsize)length);
	BIO_free(bio);
	OPENSSL_free(issuer);
}

gboolean
test_client_connect(TestClient *client)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(client->port) };
	struct timeval limit = { .tv_sec = 20 };
	test_client_close(client);
	g_clear_pointer(&client->refused, g_free);
	g_assert_cmpint(inet_pton(AF_INET, client->address, &address.sin_addr), ==, 1);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (connect(client->fd, (struct sockaddr *)&address, sizeof address) != 0) {
		client->refused = g_strdup(g_strerror(errno));
		test_client_close(client);
		return FALSE;
	}
	if (client->port != 16993)
		return TRUE;
	if (client->context == NULL)
		client_make_context(client);
	client->ssl = SSL_new(client->context);
	SSL_set_app_data(client->ssl, client);
	SSL_set_fd(client->ssl, client->fd);
	ERR_clear_error();
	if (SSL_connect(client->ssl) != 1) {
		client->refused = g_strdup(ERR_reason_error_string(ERR_peek_error()));
		if (client->refused == NULL)
			client->refused = g_strdup("closed");
		test_client_close(client);
		return FALSE;
	}
	client_keep_peer(client);
	return TRUE;
}

void
test_client_wait(TestClient *client)
{
	for (guint try = 0; !test_client_connect(client); try++) {
		g_assert_cmpuint(try, <, 500);
		g_usleep(20000); /* polls for an event: the stack comes back */
	}
}

static gssize
client_read(TestClient *client, char *data, gsize size)
{
	return client->ssl != NULL ? SSL_read(client->ssl, data, (int)size)
				   : recv(client->fd, data, size, 0);
}

static void
client_write(TestClient *client, const char *data, gsize length)
{
	gssize sent = client->ssl != NULL ? SSL_write(client->ssl, data, (int)length)
					  : send(client->fd, data, length, MSG_NOSIGNAL);
	g_assert_cmpint(
	    sent, <=, (gssize)length); /* a closed connection shows when the answer is read */
}

/* HTTP */

void
test_answer_free(TestAnswer *answer)
{
	g_free(answer->head);
	g_free(answer->body);
	g_free(answer->raw_body);
	g_free(answer);
}

static char *
client_header(const char *head, const char *name)
{
	g_auto(GStrv) lines = g_strsplit(head, "\r\n", -1);
	g_autofree char *prefix = g_strconcat(name, ": ", NULL);
	for (guint i = 0; lines[i] != NULL; i++) {
		if (g_str_has_prefix(lines[i], prefix))
			return g_strdup(lines[i] + strlen(prefix));
	}
	return NULL;
}

/* TRUE when the chunks are whole; sizes must be of four upper case digits, but for the last */
static gboolean
client_join_chunks(const char *raw, GString *body)
{
	const char *at = raw;
	for (;;) {
		const char *end = strstr(at, "\r\n");
		if (end == NULL)
			return FALSE;
		guint64 size = g_ascii_strtoull(at, NULL, 16);
		g_assert_cmpint(end - at, ==, size == 0 ? 1 : 4);
		for (const char *c = at; c < end; c++)
			g_assert_true(g_ascii_isdigit(*c) || (*c >= 'A' && *c <= 'F'));
		if (strlen(end + 2) < size + 2)
			return FALSE;
		if (size == 0)
			return TRUE;
		g_string_append_len(body, end + 2, (gssize)size);
		at = end + 2 + size + 2;
	}
}

static gboolean
client_is_whole(TestAnswer *answer, const char *raw)
{
	g_autofree char *length = client_header(answer->head, "Content-Length");
	g_autofree char *encoding = client_header(answer->head, "Transfer-Encoding");
	g_autoptr(GString) body = g_string_new(NULL);
	gboolean whole = encoding != NULL ? client_join_chunks(raw, body)
					  : strlen(raw) >= g_ascii_strtoull(length, NULL, 10);
	if (!whole)
		return FALSE;
	answer->body = g_strdup(encoding != NULL ? body->str : raw);
	answer->raw_body = g_strdup(raw);
	return TRUE;
}

static TestAnswer *
client_receive(TestClient *client)
{
	TestAnswer *answer = g_new0(TestAnswer, 1);
	g_autoptr(GString) text = g_string_new(NULL);
	char buffer[4096];
	while (answer->body == NULL) {
		gssize got = client_read(client, buffer, sizeof buffer);
		if (got <= 0)
			return answer; /* status 0 */
		g_string_append_len(text, buffer, got);
		const char *end = strstr(text->str, "\r\n\r\n");
		if (end == NULL)
			continue;
		g_free(answer->head);
		answer->head = g_strndup(text->str, (gsize)(end - text->str));
		client_is_whole(answer, end + 4);
	}
	answer->status = (guint)g_ascii_strtoull(answer->head + strlen("HTTP/1.1 "), NULL, 10);
	return answer;
}

TestAnswer *
test_client_send(TestClient *client, const char *method, const char *path,
    const char *authorization, const char *body)
{
	if (client->fd < 0 && !test_client_connect(client))
		g_error("%s:%u: %s", client->address, client->port, client->refused);
	g_autofree char *header = authorization != NULL
				      ? g_strdup_printf("Authorization: %s\r\n", authorization)
				      : g_strdup("");
	g_autofree char *text =
	    g_strdup_printf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n%s\r\n%s", method,
		path, client->address, strlen(body), header, body);
	client_write(client, text, strlen(text));
	TestAnswer *answer = client_receive(client);
	g_autofree char *connection =
	    answer->head != NULL ? client_header(answer->head, "Connection") : NULL;
	if (answer->status == 0 || g_strcmp0(connection, "close") == 0)
		test_client_close(client);
	return answer;
}

char *
test_client_exchange(TestClient *client, const char *body, guint msec, guint *reads)
{
	struct timeval limit = { .tv_sec = msec / 1000, .tv_usec = msec % 1000 * 1000 };
	g_assert_true(client->fd >= 0 || test_client_connect(client));
	g_autofree char *text = g_strdup_printf(
	    "POST /wsman HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
	    client->address, strlen(body), body);
	client_write(client, text, strlen(text));
	GString *all = g_string_new(NULL);
	char buffer[16384];
	*reads = 0;
	for (gssize got = 0; (got = client_read(client, buffer, sizeof buffer)) > 0; (*reads)++) {
		g_string_append_len(all, buffer, got);
		if (msec > 0)
			setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	}
	test_client_close(client);
	return g_string_free(all, FALSE);
}

static char *
client_md5(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	return g_compute_checksum_for_string(G_CHECKSUM_MD5, text, -1);
}

static char *
client_quoted(const char *text, const char *name)
{
	g_autofree char *start = g_strconcat(name, "=\"", NULL);
	const char *found = strstr(text, start);
	if (found == NULL)
		return NULL;
	found += strlen(start);
	return g_strndup(found, strcspn(found, "\""));
}

char *
test_client_digest(TestClient *client, const char *body)
{
	g_autofree char *a1 = client_md5("%s:%s:%s", client->user, client->realm, client->password);
	g_autofree char *body_hash = client_md5("%s", body);
	gboolean integrity = strcmp(client->qop, "auth-int") == 0;
	g_autofree char *a2 =
	    integrity ? client_md5("POST:/wsman:%s", body_hash) : client_md5("POST:/wsman");
	g_autofree char *response = client_md5(
	    "%s:%s:%08x:0123456789abcdef:%s:%s", a1, client->nonce, client->count, client->qop, a2);
	return g_strdup_printf(
	    "Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"/wsman\", qop=%s, response=\"%s\", nc=%08x, cnonce=\"0123456789abcdef\"",
	    client->user, client->realm, client->nonce, client->qop, response, client->count);
}

static void
client_take_challenge(TestClient *client, const TestAnswer *answer)
{
	g_autofree char *challenge = client_header(answer->head, "WWW-Authenticate");
	g_assert_nonnull(challenge);
	g_free(client->realm);
	g_free(client->nonce);
	g_free(client->qop);
	client->realm = client_quoted(challenge, "realm");
	client->nonce = client_quoted(challenge, "nonce");
	client->qop = client_quoted(challenge, "qop");
	if (client->qop != NULL)
		client->qop[strcspn(client->qop, ",")] = '\0'; /* the first of a list */
	client->count = 0;
}

TestAnswer *
test_client_post(TestClient *client, const char *body)
{
	for (guint try = 0;; try++) {
		client->count++;
		g_autofree char *authorization = client->nonce != NULL && client->user != NULL
						     ? test_client_digest(client, body)
						     : NULL;
		g_autoptr(TestAnswer) answer =
		    test_client_send(client, "POST", "/wsman", authorization, body);
		if (answer->status == 401)
			client_take_challenge(client, answer);
		if (answer->status != 401 || client->user == NULL || try == 1)
			return g_steal_pointer(&answer);
	}
}

/* WS-Man */

static char *
client_uri(const char *class_name)
{
	return g_strconcat(g_str_has_prefix(class_name, "CIM_")	  ? CIM_URI
			   : g_str_has_prefix(class_name, "IPS_") ? IPS_URI
								  : AMT_URI,
	    class_name, NULL);
}

char *
test_root_blob(TestSim *sim)
{
	g_autofree char *path = test_sim_file(sim, "root.pem");
	g_autofree char *pem = NULL;
	g_assert_true(g_file_get_contents(path, &pem, NULL, NULL));
	g_auto(GStrv) lines = g_strsplit(pem, "\n", -1);
	GString *blob = g_string_new("<r:CertificateBlob>");
	for (guint i = 1; !g_str_has_prefix(lines[i], "-----END"); i++)
		g_string_append(blob, lines[i]);
	g_string_append(blob, "</r:CertificateBlob>");
	return g_string_free(blob, FALSE);
}

char *
test_envelope(const char *class_name, const char *action, const char *selector, const char *value,
    const char *body)
{
	static const char *const transfer[] = { "Get", "Put", "Create", "Delete", NULL };
	g_autofree char *uri = client_uri(class_name);
	g_autofree char *full =
	    g_strv_contains(transfer, action)
		? g_strconcat("http://schemas.xmlsoap.org/ws/2004/09/transfer/", action, NULL)
	    : strcmp(action, "Enumerate") == 0 || strcmp(action, "Pull") == 0
		? g_strconcat(ENUMERATION_URI "/", action, NULL)
		: g_strconcat(uri, "/", action, NULL);
	g_autofree char *set =
	    selector != NULL
		? g_strdup_printf(
		      "<w:SelectorSet><w:Selector Name=\"%s\">%s</w:Selector></w:SelectorSet>",
		      selector, value)
		: g_strdup("");
	return g_strdup_printf("<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
			       "xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\">"
			       "<s:Header><a:Action>%s</a:Action><a:To>/wsman</a:To><w:ResourceURI>%s</w:ResourceURI><a:MessageID>12</a:MessageID>"
			       "<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>"
			       "<w:OperationTimeout>PT60S</w:OperationTimeout>%s</s:Header><s:Body>%s</s:Body></s:Envelope>",
	    full, uri, set, body);
}

char *
test_input(const char *class_name, const char *method, const char *parameters)
{
	g_autofree char *uri = client_uri(class_name);
	return g_strdup_printf(
	    "<r:%s_INPUT xmlns:r=\"%s\">%s</r:%s_INPUT>", method, uri, parameters, method);
}

char *
test_find(const char *xml, const char *name)
{
	g_autofree char *start = g_strconcat(":", name, ">", NULL);
	const char *found = xml != NULL ? strstr(xml, start) : NULL;
	if (found == NULL)
		return NULL;
	found += strlen(start);
	return g_strndup(found, strcspn(found, "<"));
}

TestAnswer *
test_get(TestClient *client, const char *class_name, const char *selector, const char *value)
{
	g_autofree char *envelope = test_envelope(class_name, "Get", selector, value, "");
	TestAnswer *answer = test_client_post(client, envelope);
	g_assert_cmpuint(answer->status, ==, 200);
	return answer;
}

TestAnswer *
test_pull_all(TestClient *client, const char *class_name, guint *pulls)
{
	g_autofree char *enumerate = test_envelope(
	    class_name, "Enumerate", NULL, NULL, "<n:Enumerate xmlns:n=\"" ENUMERATION_URI "\"/>");
	g_autoptr(TestAnswer) answer = test_client_post(client, enumerate);
	g_assert_cmpuint(answer->status, ==, 200);
	g_autofree char *context = test_find(answer->body, "EnumerationContext");
	*pulls = 0;
	while (context != NULL) {
		g_autofree char *body =
		    g_strdup_printf("<n:Pull xmlns:n=\"" ENUMERATION_URI
				    "\"><n:EnumerationContext>%s</n:EnumerationContext>"
				    "<n:MaxElements>999</n:MaxElements><n:MaxCharacters>99999</n:MaxCharacters></n:Pull>",
			context);
		g_autofree char *pull = test_envelope(class_name, "Pull", NULL, NULL, body);
		test_answer_free(answer);
		answer = test_client_post(client, pull);
		g_assert_cmpuint(answer->status, ==, 200);
		g_free(context);
		context = test_find(answer->body, "EnumerationContext");
		g_assert_true((context == NULL) == (strstr(answer->body, "EndOfSequence") != NULL));
		(*pulls)++;
	}
	return g_steal_pointer(&answer);
}

guint
test_invoke(TestClient *client, const char *class_name, const char *method, const char *parameters,
    char **xml)
{
	g_autofree char *input = test_input(class_name, method, parameters);
	g_autofree char *envelope = test_envelope(class_name, method, NULL, NULL, input);
	g_autoptr(TestAnswer) answer = test_client_post(client, envelope);
	g_assert_cmpuint(answer->status, ==, 200);
	g_autofree char *status = test_find(answer->body, "ReturnValue");
	g_assert_nonnull(status);
	if (xml != NULL)
		*xml = g_strdup(answer->body);
	return (guint)g_ascii_strtoull(status, NULL, 10);
}

TestAnswer *
test_put_answer(TestClient *client, const char *class_name, const char *selector, const char *value,
    const char *properties)
{
	g_autofree char *uri = client_uri(class_name);
	g_autofree char *body = g_strdup_printf(
	    "<r:%s xmlns:r=\"%s\">%s</r:%s>", class_name, uri, properties, class_name);
	g_autofree char *envelope = test_envelope(class_name, "Put", selector, value, body);
	TestAnswer *answer = test_client_post(client, envelope);
	g_assert_cmpuint(answer->status, ==, 200);
	return answer;
}

void
test_put(TestClient *client, const char *class_name, const char *selector, const char *value,
    const char *properties)
{
	test_answer_free(test_put_answer(client, class_name, selector, value, properties));
}

/* What a request of a table asks for; g_free() */
static char *
client_row_envelope(const TestRow *row)
{
	gboolean method = TRUE;
	static const char *const plain[] = { "Get", "Delete", NULL };
	const char *selector = row->instance_id != NULL ? "InstanceID" : NULL;
	if (g_strv_contains(plain, row->action))
		return test_envelope(row->class_name, row->action, selector, row->instance_id, "");
	method = strcmp(row->action, "Put") != 0 && strcmp(row->action, "Create") != 0;
	g_autofree char *uri = client_uri(row->class_name);
	g_autofree char *body = method ? test_input(row->class_name, row->action, row->body)
				       : g_strdup_printf("<r:%s xmlns:r=\"%s\">%s</r:%s>",
					     row->class_name, uri, row->body, row->class_name);
	return test_envelope(row->class_name, row->action, selector, row->instance_id, body);
}

void
test_rows(TestClient *client, const TestRow *rows, guint count)
{
	for (guint i = 0; i < count; i++) {
		g_test_message(
		    "row %u: %s of %s, %s", i, rows[i].action, rows[i].class_name, rows[i].what);
		g_autofree char *envelope = client_row_envelope(&rows[i]);
		g_autoptr(TestAnswer) answer = test_client_post(client, envelope);
		const char *subcode =
		    answer->body != NULL ? strstr(answer->body, "<a:Subcode><a:Value>") : NULL;
		g_autofree char *fault =
		    subcode != NULL ? g_strdup(subcode + strlen("<a:Subcode><a:Value>x:")) : NULL;
		g_autofree char *status = test_find(answer->body, "ReturnValue");
		if (fault != NULL)
			fault[strcspn(fault, "<")] = '\0';
		g_assert_cmpstr(fault != NULL	 ? fault
				: status != NULL ? status
						 : "ok",
		    ==, rows[i].expect);
		g_assert_cmpuint(answer->status, ==, fault != NULL ? 400 : 200);
	}
}

char *
test_fault(TestClient *client, const char *envelope)
{
	g_autoptr(TestAnswer) answer = test_client_post(client, envelope);
	g_assert_cmpuint(answer->status, ==, 400);
	const char *subcode = strstr(answer->body, "<a:Subcode><a:Value>");
	g_assert_nonnull(subcode);
	subcode += strlen("<a:Subcode><a:Value>x:");
	return g_strndup(subcode, strcspn(subcode, "<"));
}

char *
test_null_request(const char *der_base64)
{
	gsize length = 0;
	g_autofree guchar *der = g_base64_decode(der_base64, &length);
	const unsigned char *at = der;
	EVP_PKEY *key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)length);
	EVP_PKEY *other = EVP_RSA_gen(2048);
	X509_REQ *request = X509_REQ_new();
	g_assert_nonnull(key);
	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_ASC,
	    (const unsigned char *)"pc-0001.example.com", -1, -1, 0);
	g_assert_cmpint(X509_REQ_set_pubkey(request, key), ==, 1);
	g_assert_cmpint(X509_REQ_sign(request, other, EVP_sha256()), >, 0);
	unsigned char *out = NULL;
	int out_length = i2d_X509_REQ(request, &out);
	char *text = g_base64_encode(out, (gsize)out_length);
	OPENSSL_free(out);
	X509_REQ_free(request);
	EVP_PKEY_free(other);
	EVP_PKEY_free(key);
	return text;
}
