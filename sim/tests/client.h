/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <openssl/ssl.h>

/* A plain, blocking client for the simulator's tests: OpenSSL, HTTP and Digest by hand, requests as literal XML */

/* Once per process: making keys takes seconds */
void test_pki_make(void);
void test_pki_remove(void);

typedef struct {
	char *program;
	char *folder; /* temporary; holds the control socket and the log */
	char *control;
	char *base; /* first address */
	GPid pid;
} TestSim;

/* Starts `provost-sim run` with the PKI and these further arguments (NULL ends) and waits until it is ready */
TestSim *test_sim_start(const char *const *arguments);
/* SIGTERM, and it must end with 0 */
void test_sim_stop(TestSim *sim);
/* Runs `provost-sim ARGUMENTS --control ...`; the exit status; *output: g_free(), may be NULL */
int test_sim_command(TestSim *sim, char **output, const char *first, ...) G_GNUC_NULL_TERMINATED;
JsonNode *test_sim_dump(TestSim *sim, const char *device);
/* A member of a dump by its path, such as "counters.writes"; fails the test when it is missing */
gint64 test_dump_int(JsonNode *dump, const char *path);
const char *test_dump_string(JsonNode *dump, const char *path);
gboolean test_dump_bool(JsonNode *dump, const char *path);
char *test_sim_address(TestSim *sim, guint index); /* of device pc-000(index+1); g_free() */
char *test_sim_file(TestSim *sim, const char *name); /* in the PKI's folder; g_free() */

typedef struct {
	char *address;
	guint16 port;
	char *chain, *key; /* files; NULL: no client certificate */
	gboolean old; /* offer TLS 1.0 */
	gboolean old_only; /* ... and nothing above TLS 1.2 */
	int version; /* offer only this, such as TLS1_1_VERSION; 0: no choice */
	const char *suites; /* offer only these; NULL: no choice */
	char *pid, *pps; /* offer TLS-PSK only; NULL: none */
	char *user, *password;
	char *realm, *nonce, *qop;
	guint count; /* nc */
	int fd;
	SSL_CTX *context;
	SSL *ssl;
	char *refused; /* why the handshake failed, or NULL */
	char *peer; /* issuer of the server's certificate, after a handshake; NULL: TLS-PSK */
	char *peer_pem;
	guint peer_chain; /* certificates that the server sent */
	char *fourth; /* subject of the fourth of them, or NULL */
} TestClient;

typedef struct {
	guint status; /* of HTTP; 0: the connection closed without an answer */
	char *head;
	char *body;
	char *raw_body; /* before the chunks were joined */
} TestAnswer;

TestClient *test_client_new(
    TestSim *sim, guint index); /* with the good certificate, TLS port, no login */
void test_client_free(TestClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestClient, test_client_free)
void test_client_set_certificate(
    TestClient *client, TestSim *sim, const char *name); /* NULL: none; "": the good one */
/* TLS-PSK instead of a certificate */
void test_client_set_psk(TestClient *client, const char *pid, const char *pps);
void test_client_set_login(TestClient *client, const char *user, const char *password);
gboolean test_client_connect(TestClient *client); /* FALSE: refused: see client->refused */
void test_client_wait(TestClient *client); /* connects, once the stack is back */
void test_client_close(TestClient *client);

void test_answer_free(TestAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestAnswer, test_answer_free)
/* One exchange; connects when needed. @authorization: the header's value or NULL */
TestAnswer *test_client_send(TestClient *client, const char *method, const char *path,
    const char *authorization, const char *body);
/* POST to /wsman without a login: all that comes until the connection closes or, once something came, nothing more comes
 * for @msec (0: until it closes); *reads: in how many pieces. g_free() */
char *test_client_exchange(TestClient *client, const char *body, guint msec, guint *reads);
/* POST to /wsman, and once more with Digest after a challenge, if there is a login */
TestAnswer *test_client_post(TestClient *client, const char *body);
char *test_client_digest(
    TestClient *client, const char *body); /* Authorization for the nonce at hand */

char *test_root_blob(TestSim *sim); /* CertificateBlob of the PKI's root; g_free() */

/* Envelopes; g_free() */
char *test_envelope(const char *class_name, const char *action, const char *selector,
    const char *selector_value, const char *body);
char *test_input(const char *class_name, const char *method, const char *parameters);
/* Text of the first element with this local name; g_free(); NULL: there is none */
char *test_find(const char *xml, const char *name);

/* Whole calls; the answer must be of HTTP 200 */
TestAnswer *test_get(
    TestClient *client, const char *class_name, const char *selector, const char *value);
TestAnswer *test_pull_all(TestClient *client, const char *class_name, guint *pulls);
guint test_invoke(TestClient *client, const char *class_name, const char *method,
    const char *parameters, char **xml);
void test_put(TestClient *client, const char *class_name, const char *selector, const char *value,
    const char *properties);
TestAnswer *test_put_answer(TestClient *client, const char *class_name, const char *selector,
    const char *value, const char *properties);

/* A request and what must come of it */
typedef struct {
	const char *what; /* for the log of the test */
	const char *class_name;
	const char *action; /* Get, Put, Create, Delete or a method */
	const char *instance_id; /* in the selector; NULL: no selector */
	const char *body; /* properties or parameters */
	const char *expect; /* subcode of a fault, a ReturnValue, or "ok" */
} TestRow;

void test_rows(TestClient *client, const TestRow *rows, guint count);

/* The subcode of the fault that the request must meet; g_free() */
char *test_fault(TestClient *client, const char *envelope);
/* A request (PKCS#10, base64) for the key of this DERKey, signed by a key that is not the device's: only its info
 * counts. g_free() */
char *test_null_request(const char *der_base64);
