/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Drives a running provost-sim with a client of its own */
#include "sim/keys.h"
#include "sim/tests/client.h"
#include "sim/tls.h"
#include "sim/x509.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SETUP "AMT_SetupAndConfigurationService"
#define ACCESS "AMT_AuthorizationService"
#define STORE "AMT_PublicKeyManagementService"
#define CLOCK "AMT_TimeSynchronizationService"
#define PASSWORD "N3w-Admin!pass"

#define EPR(class_name, id) \
	"<a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address><a:ReferenceParameters>" \
	"<w:ResourceURI>http://intel.com/wbem/wscim/1/amt-schema/1/" class_name \
	"</w:ResourceURI><w:SelectorSet>" \
	"<w:Selector Name=\"" id "</w:Selector></w:SelectorSet></a:ReferenceParameters>"

static char *
sim_test_hash(const char *user, const char *realm, const char *password)
{
	g_autofree char *text = g_strdup_printf("%s:%s:%s", user, realm, password);
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_MD5);
	guint8 hash[16];
	gsize length = sizeof hash;
	g_checksum_update(sum, (const guchar *)text, -1);
	g_checksum_get_digest(sum, hash, &length);
	return g_base64_encode(hash, length);
}

static char *
sim_test_realm(TestClient *client)
{
	g_autoptr(TestAnswer) answer = test_get(client, "AMT_GeneralSettings", NULL, NULL);
	return test_find(answer->body, "DigestRealm");
}

static void
sim_test_set_clock(TestClient *client, gint64 to)
{
	g_autofree char *xml = NULL;
	g_assert_cmpuint(test_invoke(client, CLOCK, "GetLowAccuracyTimeSynch", "", &xml), ==, 0);
	g_autofree char *read = test_find(xml, "Ta0");
	g_autofree char *parameters = g_strdup_printf("<r:Ta0>%s</r:Ta0><r:Tm1>%" G_GINT64_FORMAT
						      "</r:Tm1><r:Tm2>%" G_GINT64_FORMAT "</r:Tm2>",
	    read, to, to);
	g_assert_cmpuint(
	    test_invoke(client, CLOCK, "SetHighAccuracyTimeSynch", parameters, NULL), ==, 0);
}

/* Parts that need no running simulator */

static void
sim_test_suffix_rules(void)
{
	static const struct {
		const char *name, *suffix;
		gboolean strict, two, loose;
	} rows[] = {
		{ "example.com", "example.com", TRUE, TRUE, TRUE },
		{ "prov.example.com", "example.com", TRUE, TRUE, TRUE },
		{ "*.example.com", "example.com", TRUE, TRUE, TRUE },
		{ "PROV.Example.COM", "example.com", TRUE, TRUE, TRUE },
		{ "example.com", "corp.example.com", FALSE, TRUE, TRUE },
		{ "prov.example.com", "corp.example.com", FALSE, TRUE, TRUE },
		{ "prov.corp.example.com", "example.com", FALSE, TRUE, TRUE },
		{ "prov.example.com", "example.org", FALSE, FALSE, FALSE },
		{ "prov.notexample.com", "example.com", FALSE, FALSE, FALSE },
		{ "prov.other.com", "example.com", FALSE, FALSE, FALSE },
		{ "com", "example.com", FALSE, FALSE, TRUE },
		{ "", "example.com", FALSE, FALSE, FALSE },
		{ "prov.example.com", "", FALSE, FALSE, FALSE },
	};
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_test_message("%s for %s", rows[i].name, rows[i].suffix);
		g_assert_cmpint(
		    pv_sim_tls_suffix_fits(PV_SIM_SUFFIX_STRICT, rows[i].name, rows[i].suffix), ==,
		    rows[i].strict);
		g_assert_cmpint(
		    pv_sim_tls_suffix_fits(PV_SIM_SUFFIX_TWO_LABELS, rows[i].name, rows[i].suffix),
		    ==, rows[i].two);
		g_assert_cmpint(
		    pv_sim_tls_suffix_fits(PV_SIM_SUFFIX_LOOSE, rows[i].name, rows[i].suffix), ==,
		    rows[i].loose);
	}
}

static void
sim_test_keys_distinct(void)
{
	g_autoptr(PvSimKeys) keys = pv_sim_keys_new(12);
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < 20; i++) { /* more than it was made for */
		EVP_PKEY *key = pv_sim_keys_take(keys);
		EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
		g_assert_cmpint(EVP_PKEY_check(context), ==, 1);
		g_assert_cmpint(EVP_PKEY_get_bits(key), ==, 2048);
		unsigned char *der = NULL;
		int length = i2d_PublicKey(key, &der);
		g_assert_true(g_hash_table_add(
		    seen, g_compute_checksum_for_data(G_CHECKSUM_SHA256, der, (gsize)length)));
		OPENSSL_free(der);
		EVP_PKEY_CTX_free(context);
		EVP_PKEY_free(key);
	}
}

static void
sim_test_passwords(void)
{
	g_assert_true(pv_sim_password_is_strong("Passw0rd!"));
	g_assert_false(pv_sim_password_is_strong("Passw0rd_")); /* _ is no special character */
	g_assert_false(pv_sim_password_is_strong("Sh0rt!"));
	g_assert_false(pv_sim_password_is_strong("Passw0rd:!"));
	g_assert_false(pv_sim_password_is_strong("passw0rd!"));
	g_assert_false(pv_sim_password_is_strong("Passw0rd!Passw0rd!Passw0rd!Passw0rd!"));
}

/* The provisioning certificate */

static void
sim_test_refusals(void)
{
	static const struct {
		const char *name, *reason;
	} rows[] = {
		{ "", NULL },
		{ "ou", NULL },
		{ "expired", NULL }, /* recorded, not refused */
		{ "no-oid", "no-oid" },
		{ "no-server-auth", "no-server-auth" },
		{ "wrong-suffix", "suffix" },
		{ "gap", "chain-incomplete" },
		{ "forged", "chain-signature" },
		{ "other-root", "root-unknown" },
		{ NULL, "no-certificate" },
	};
	TestSim *sim = test_sim_start(NULL);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_test_message("variant %s", rows[i].name != NULL ? rows[i].name : "(none)");
		g_autoptr(TestClient) client = test_client_new(sim, 0);
		test_client_set_certificate(client, sim, rows[i].name);
		gboolean accepted = test_client_connect(client);
		g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
		g_assert_cmpint(accepted, ==, rows[i].reason == NULL);
		g_assert_cmpstr(test_dump_string(dump, "last-tls-refusal"), ==, rows[i].reason);
		g_assert_cmpstr(test_dump_string(dump, "state"), ==, "in");
		if (!accepted) /* an alert reached us, not a reset */
			g_assert_nonnull(strstr(client->refused, "alert"));
	}
	/* a root that is no longer active */
	g_assert_cmpint(
	    test_sim_command(sim, NULL, "set", "pc-0001", "switch:trusted-suffix=corp.test", NULL),
	    ==, 0);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_assert_false(test_client_connect(client));
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(
	    test_dump_string(dump, "last-tls-refusal"), ==, "suffix"); /* MEBx goes before DHCP */
	g_assert_cmpint(test_dump_int(dump, "counters.tls-refused"), ==, 8);
	test_sim_stop(sim);
}

/* Set-up from the first request to the new certificate */

static char *
sim_test_issue(const char *request_base64)
{
	gsize length = 0;
	g_autofree guchar *der = g_base64_decode(request_base64, &length);
	const unsigned char *at = der;
	X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)length);
	g_assert_nonnull(request);
	EVP_PKEY *key = X509_REQ_get0_pubkey(request);
	g_assert_cmpint(X509_REQ_verify(request, key), ==, 1); /* the device really signed */
	EVP_PKEY *ca_key = EVP_RSA_gen(2048);
	const PvSimX509Spec ca_spec = { .common_name = "Test CA", .ca = TRUE };
	const PvSimX509Spec spec = { .common_name = "pc-0001.example.com",
		.oids = { PV_SIM_X509_OID_SERVER } };
	X509 *ca = pv_sim_x509_make(&ca_spec, ca_key, NULL, ca_key);
	X509 *leaf = pv_sim_x509_make(&spec, key, ca, ca_key);
	unsigned char *out = NULL;
	int out_length = i2d_X509(leaf, &out);
	char *text = g_base64_encode(out, (gsize)out_length);
	OPENSSL_free(out);
	X509_free(leaf);
	X509_free(ca);
	EVP_PKEY_free(ca_key);
	X509_REQ_free(request);
	return text;
}

static char *
sim_test_get_certificate(TestClient *client)
{
	g_autofree char *xml = NULL;
	g_assert_cmpuint(
	    test_invoke(client, STORE, "GenerateKeyPair",
		"<r:KeyAlgorithm>0</r:KeyAlgorithm><r:KeyLength>2048</r:KeyLength>", &xml),
	    ==, 0);
	g_autofree char *key_id =
	    test_find(strstr(xml, "SelectorSet"), "Selector Name=\"InstanceID\"");
	g_assert_nonnull(strstr(xml, ">Intel(r) AMT Key: Handle: 0<"));
	g_autoptr(TestAnswer) key = test_get(
	    client, "AMT_PublicPrivateKeyPair", "InstanceID", "Intel(r) AMT Key: Handle: 0");
	g_autofree char *der = test_find(key->body, "DERKey");
	g_autofree char *request = test_null_request(der);
	g_autofree char *parameters = g_strdup_printf(
	    "<r:KeyPair>" EPR("AMT_PublicPrivateKeyPair",
		"InstanceID\">Intel(r) AMT Key: Handle: 0") "</r:KeyPair><r:SigningAlgorithm>1</r:SigningAlgorithm><r:NullSignedCertificateRequest>%s</r:NullSignedCertificateRequest>",
	    request);
	g_autofree char *signed_xml = NULL;
	g_assert_cmpuint(
	    test_invoke(client, STORE, "GeneratePKCS10RequestEx", parameters, &signed_xml), ==, 0);
	g_autofree char *csr = test_find(signed_xml, "SignedCertificateRequest");
	return sim_test_issue(csr);
}

#define CONTEXT \
	"<r:AMT_TLSCredentialContext xmlns:r=\"http://intel.com/wbem/wscim/1/amt-schema/1/AMT_TLSCredentialContext\">" \
	"<r:ElementInContext>" EPR("AMT_PublicKeyCertificate", \
	    "InstanceID\">Intel(r) AMT Certificate: Handle: 0") "</r:ElementInContext><r:ElementProvidingContext>" EPR("AMT_TLSProtocolEndpointCollection", \
	    "ElementName\">TLSProtocolEndpointInstances Collection") "</r:ElementProvidingContext></r:AMT_TLSCredentialContext>"

static void
sim_test_install(TestClient *client)
{
	g_autofree char *certificate = sim_test_get_certificate(client);
	g_autofree char *blob =
	    g_strdup_printf("<r:CertificateBlob>%s</r:CertificateBlob>", certificate);
	g_assert_cmpuint(test_invoke(client, STORE, "AddCertificate",
			     "<r:CertificateBlob>AAAA</r:CertificateBlob>", NULL),
	    ==, 2063);
	g_assert_cmpuint(test_invoke(client, STORE, "AddCertificate", blob, NULL), ==, 0);
	g_assert_cmpuint(test_invoke(client, STORE, "AddCertificate", blob, NULL), ==, 2058);
	g_autofree char *create =
	    test_envelope("AMT_TLSCredentialContext", "Create", NULL, NULL, CONTEXT);
	g_autoptr(TestAnswer) created = test_client_post(client, create);
	g_assert_cmpuint(created->status, ==, 200);
	g_assert_nonnull(strstr(created->body, "TLSProtocolEndpoint Instances Collection"));
	g_autofree char *again = test_fault(client, create);
	g_assert_cmpstr(again, ==, "AlreadyExists");
	g_autofree char *delete = test_envelope("AMT_PublicKeyCertificate", "Delete", "InstanceID",
	    "Intel(r) AMT Certificate: Handle: 0", "");
	g_autofree char *in_use = test_fault(client, delete);
	g_assert_cmpstr(in_use, ==, "AccessDenied");
}

static void
sim_test_set_admin(TestClient *client, const char *password)
{
	g_autofree char *realm = sim_test_realm(client);
	g_autofree char *hash = sim_test_hash("admin", realm, password);
	g_autofree char *parameters = g_strdup_printf(
	    "<r:Username>admin</r:Username><r:DigestPassword>%s</r:DigestPassword>", hash);
	g_assert_cmpuint(
	    test_invoke(client, ACCESS, "SetAdminAclEntryEx", parameters, NULL), ==, 0);
}

/* Names, clock, certificate, passwords: all that CommitChanges asks for */
static void
sim_test_prepare(TestClient *client)
{
	sim_test_set_clock(client, g_get_real_time() / G_USEC_PER_SEC);
	test_put(client, "AMT_GeneralSettings", NULL, NULL,
	    "<r:DomainName>example.com</r:DomainName><r:HostName>pc-0001</r:HostName><r:PingResponseEnabled>true</r:PingResponseEnabled>"
	    "<r:WsmanOnlyMode>false</r:WsmanOnlyMode>");
	sim_test_install(client);
	g_assert_cmpuint(
	    test_invoke(client, SETUP, "SetMEBxPassword", "<r:Password>weak</r:Password>", NULL),
	    ==, 2054);
	g_assert_cmpuint(test_invoke(client, SETUP, "SetMEBxPassword",
			     "<r:Password>Str0ng-mebx!</r:Password>", NULL),
	    ==, 0);
	sim_test_set_admin(client, PASSWORD);
}

static void
sim_test_provision(void)
{
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_assert_true(test_client_connect(client));
	g_autofree char *built_in = g_strdup(client->peer);
	g_assert_nonnull(strstr(built_in, "AMT CA")); /* the on-die chain */
	g_assert_cmpuint(test_invoke(client, SETUP, "CommitChanges", "", NULL), ==, 2057);
	sim_test_prepare(client);
	g_assert_cmpuint(test_invoke(client, SETUP, "CommitChanges", "", NULL), ==, 0);
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(test_dump_string(dump, "state"), ==, "post");
	g_assert_cmpstr(test_dump_string(dump, "names.host"), ==, "pc-0001");
	g_assert_cmpstr(test_dump_string(dump, "mebx-password"), ==, "Str0ng-mebx!");
	g_assert_cmpint(test_dump_int(dump, "counters.commits"), ==, 1);
	g_assert_cmpint(test_dump_int(dump, "counters.restarts"), ==, 1);

	/* the old connection is gone; the new stack shows the new certificate and wants the new password */
	test_client_wait(client);
	g_assert_nonnull(strstr(client->peer, "Test CA"));
	test_client_set_login(client, "admin", "admin");
	g_autofree char *get = test_envelope("AMT_GeneralSettings", "Get", NULL, NULL, "");
	g_autoptr(TestAnswer) old = test_client_post(client, get);
	g_assert_cmpuint(old->status, ==, 401);
	test_client_set_login(client, "admin", PASSWORD);
	g_autoptr(TestAnswer) answer = test_client_post(client, get);
	g_assert_cmpuint(answer->status, ==, 200);
	g_autoptr(TestAnswer) state = test_get(client, SETUP, NULL, NULL);
	g_autofree char *otp = test_find(state->body, "ProvisioningServerOTP");
	g_assert_cmpstr(
	    otp, ==, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="); /* as recorded in POST */

	/* nothing pending: no restart, and what was read counted as no write */
	g_assert_cmpuint(test_invoke(client, SETUP, "CommitChanges", "", NULL), ==, 0);
	g_autoptr(JsonNode) after = test_sim_dump(sim, "pc-0001");
	g_assert_cmpint(test_dump_int(after, "counters.restarts"), ==, 1);
	g_assert_cmpint(test_dump_int(after, "counters.writes"), ==,
	    test_dump_int(dump, "counters.writes") + 1);
	g_assert_cmpint(test_dump_int(after, "counters.logins-failed"), ==, 1);

	g_autofree char *password = g_build_filename(sim->folder, "password", NULL);
	g_assert_true(g_file_set_contents(password, PASSWORD "\n", -1, NULL));
	g_assert_cmpint(
	    test_sim_command(sim, NULL, "check-password", "pc-0001", "admin", password, NULL), ==,
	    0);
	g_assert_true(g_file_set_contents(password, "other\n", -1, NULL));
	g_assert_cmpint(
	    test_sim_command(sim, NULL, "check-password", "pc-0001", "admin", password, NULL), ==,
	    1);
	test_sim_stop(sim);
}

static void
sim_test_lost_commit(void)
{
	const char *const arguments[] = { "--set", "lost-reply-commit=true", "--set",
		"commit-needs-mebx=true", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	sim_test_prepare(client);
	g_autofree char *input = test_input(SETUP, "CommitChanges", "");
	g_autofree char *envelope = test_envelope(SETUP, "CommitChanges", NULL, NULL, input);
	g_autoptr(TestAnswer) answer = test_client_post(client, envelope);
	g_assert_cmpuint(answer->status, ==, 0);
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(test_dump_string(dump, "state"), ==, "post");
	test_sim_stop(sim);
}

/* Logins */

static void
sim_test_digest(void)
{
	const char *const arguments[] = { "--state", "post", "--set", "admin-password=Known-pass1!",
		"--set", "qop=both", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autofree char *get = test_envelope("AMT_GeneralSettings", "Get", NULL, NULL, "");
	g_autoptr(TestAnswer) challenge = test_client_post(client, get);
	g_assert_cmpuint(challenge->status, ==, 401);
	g_assert_nonnull(strstr(challenge->head, "Digest realm=\"Digest:"));
	g_assert_nonnull(strstr(challenge->head, "\",stale=\"false\",qop=\"auth,auth-int\""));
	g_assert_nonnull(strstr(challenge->head, "Connection: close"));
	g_assert_nonnull(
	    strstr(challenge->head, "Server: Intel(R) Active Management Technology 16.1."));
	g_assert_nonnull(strstr(challenge->body,
	    "Log on failed. Incorrect user name or password, or user account temporarily locked."));

	/* auth, then auth-int with the next count, on a new connection: the nonce outlives the old one */
	test_client_set_login(client, "admin", "Known-pass1!");
	for (guint i = 0; i < 2; i++) {
		g_free(client->qop);
		client->qop = g_strdup(i == 0 ? "auth" : "auth-int");
		client->count = i + 1;
		g_autofree char *authorization = test_client_digest(client, get);
		g_autoptr(TestAnswer) answer =
		    test_client_send(client, "POST", "/wsman", authorization, get);
		g_assert_cmpuint(answer->status, ==, 200);
		/* nc must rise; a replay is no wrong password */
		g_autoptr(TestAnswer) replay =
		    test_client_send(client, "POST", "/wsman", authorization, get);
		g_assert_cmpuint(replay->status, ==, 401);
	}
	/* auth-int covers the body */
	client->count = 3;
	g_autofree char *authorization = test_client_digest(client, get);
	g_autofree char *other = test_envelope(ACCESS, "Get", NULL, NULL, "");
	g_autoptr(TestAnswer) changed =
	    test_client_send(client, "POST", "/wsman", authorization, other);
	g_assert_cmpuint(changed->status, ==, 401);
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpint(test_dump_int(dump, "counters.logins-ok"), ==, 2);
	g_assert_cmpint(test_dump_int(dump, "counters.logins-failed"), ==, 1);

	/* the version is public */
	g_autoptr(TestAnswer) page = test_client_send(client, "GET", "/", NULL, "");
	g_assert_cmpuint(page->status, ==, 200);
	g_assert_nonnull(strstr(page->head, "Server: Intel(R) Active Management Technology 16.1."));
	test_sim_stop(sim);
}

static void
sim_test_nonce_expires(void)
{
	const char *const arguments[] = { "--state", "post", "--set", "nonce-requests=2", "--set",
		"close-after-401=false", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	test_client_set_login(client, "admin", "admin");
	for (guint i = 0; i < 5; i++)
		test_answer_free(test_get(client, "AMT_GeneralSettings", NULL, NULL));
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpint(test_dump_int(dump, "counters.requests"), ==,
	    5 + 3); /* a challenge before 1, 3 and 5 */
	g_assert_cmpint(test_dump_int(dump, "counters.connections"), ==, 1);
	g_assert_cmpint(test_dump_int(dump, "counters.logins-failed"), ==, 0);
	test_sim_stop(sim);
}

static void
sim_test_lock_out(void)
{
	const char *const arguments[] = { "--state", "post", "--set", "lock-first-sec=1", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autofree char *get = test_envelope("AMT_GeneralSettings", "Get", NULL, NULL, "");
	test_client_set_login(client, "admin", "wrong");
	for (guint i = 0; i < 10; i++) {
		g_clear_pointer(&client->nonce, g_free);
		g_autoptr(TestAnswer) answer = test_client_post(client, get);
		g_assert_cmpuint(answer->status, ==, 401);
	}
	test_client_set_login(client, "admin", "admin");
	g_clear_pointer(&client->nonce, g_free);
	g_autoptr(TestAnswer) refused = test_client_post(client, get);
	g_assert_cmpuint(refused->status, ==, 401); /* the right one, while locked */
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpint(test_dump_int(dump, "counters.locked"), ==, 1);
	g_assert_cmpint(test_dump_int(dump, "counters.logins-failed"), ==, 10);
	g_assert_cmpint(test_dump_int(dump, "counters.refused-while-locked"), ==, 1);
	guint status = 401;
	for (guint try = 0; status == 401; try++) {
		g_assert_cmpuint(try, <, 300);
		g_usleep(50000); /* polls for an event: the lock ends */
		g_clear_pointer(&client->nonce, g_free);
		g_autoptr(TestAnswer) answer = test_client_post(client, get);
		status = answer->status;
	}
	g_assert_cmpuint(status, ==, 200);
	test_sim_stop(sim);
}

static void
sim_test_old_generation(void)
{
	const char *const arguments[] = { "--personality", "6.2", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) modern = test_client_new(sim, 0);
	g_assert_false(test_client_connect(modern)); /* TLS 1.1 at most, and SHA-1 */
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	client->old = TRUE;
	g_assert_true(test_client_connect(client));
	g_assert_cmpstr(SSL_get_version(client->ssl), ==, "TLSv1.1");
	g_autofree char *get = test_envelope("AMT_GeneralSettings", "Get", NULL, NULL, "");
	g_autoptr(TestAnswer) challenge = test_client_post(client, get);
	g_assert_cmpuint(challenge->status, ==, 401); /* a login also in set-up */
	test_client_set_login(client, "admin", "admin");
	g_autoptr(TestAnswer) answer = test_get(client, "AMT_GeneralSettings", NULL, NULL);
	g_assert_null(strstr(answer->body, "ThunderboltDockEnabled"));
	g_autofree char *input = test_input(STORE, "GeneratePKCS10RequestEx", "");
	g_autofree char *envelope =
	    test_envelope(STORE, "GeneratePKCS10RequestEx", NULL, NULL, input);
	g_autofree char *fault = test_fault(client, envelope);
	g_assert_cmpstr(fault, ==, "ActionNotSupported");
	test_sim_stop(sim);
}

#define MUTUAL(names) \
	"<r:Enabled>true</r:Enabled><r:MutualAuthentication>true</r:MutualAuthentication>" names

static void
sim_test_assert_refused(TestSim *sim, TestClient *client, const char *reason)
{
	g_assert_cmpint(test_client_connect(client), ==, reason == NULL);
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(test_dump_string(dump, "last-tls-refusal"), ==, reason);
}

/* After set-up: only consoles with a certificate that leads to a root in the store */
static void
sim_test_mutual(void)
{
	const char *const arguments[] = { "--state", "post", "--set", "commit-checks=false", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autofree char *blob = test_root_blob(sim);
	test_client_set_login(client, "admin", "admin");
	g_assert_cmpuint(
	    test_invoke(client, STORE, "AddTrustedRootCertificate", blob, NULL), ==, 0);
	test_put(client, "AMT_TLSSettingData", "InstanceID", "Intel(r) AMT 802.3 TLS Settings",
	    MUTUAL("<r:TrustedCN>example.com</r:TrustedCN>"));
	g_assert_cmpuint(test_invoke(client, SETUP, "CommitChanges", "", NULL), ==, 0);
	test_client_set_certificate(client, sim, "console");
	test_client_wait(client);

	static const struct {
		const char *name, *reason;
	} rows[] = { { "console", NULL }, { "", "client-no-oid" }, { "gap", "client-untrusted" },
		{ "forged", "client-untrusted" }, { "other-root", "client-untrusted" },
		{ "console-wrong-suffix", "client-name" }, { NULL, "no-certificate" } };
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		test_client_set_certificate(client, sim, rows[i].name);
		sim_test_assert_refused(sim, client, rows[i].reason);
	}

	/* names hold at once; without any, all are welcome; the last root stays */
	test_client_set_certificate(client, sim, "console");
	g_autofree char *delete = test_envelope("AMT_PublicKeyCertificate", "Delete", "InstanceID",
	    "Intel(r) AMT Certificate: Handle: 0", "");
	g_autofree char *in_use = test_fault(client, delete);
	g_assert_cmpstr(in_use, ==, "AccessDenied");
	test_put(client, "AMT_TLSSettingData", "InstanceID", "Intel(r) AMT 802.3 TLS Settings",
	    MUTUAL("<r:TrustedCN>other.example</r:TrustedCN><r:TrustedCN>Prov.Wrong.Invalid</r:TrustedCN>"));
	sim_test_assert_refused(sim, client, "client-name");
	test_client_set_certificate(client, sim, "console-wrong-suffix");
	sim_test_assert_refused(sim, client, NULL);
	test_put(client, "AMT_TLSSettingData", "InstanceID", "Intel(r) AMT 802.3 TLS Settings",
	    MUTUAL(""));
	test_client_set_certificate(client, sim, "console");
	sim_test_assert_refused(sim, client, NULL);
	g_assert_cmpint(
	    test_sim_command(sim, NULL, "set", "pc-0001", "switch:console-oid=false", NULL), ==, 0);
	test_client_set_certificate(client, sim, "");
	sim_test_assert_refused(sim, client, NULL);
	test_sim_stop(sim);
}

/* AMT 7 and older look at the names of the local interface, too */
static void
sim_test_mutual_old(void)
{
	const char *const arguments[] = { "--state", "post", "--personality", "6.2", "--set",
		"commit-checks=false", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autofree char *blob = test_root_blob(sim);
	client->port = 16992;
	test_client_set_login(client, "admin", "admin");
	g_assert_cmpuint(
	    test_invoke(client, STORE, "AddTrustedRootCertificate", blob, NULL), ==, 0);
	test_put(client, "AMT_TLSSettingData", "InstanceID", "Intel(r) AMT 802.3 TLS Settings",
	    "<r:AcceptNonSecureConnections>true</r:AcceptNonSecureConnections>" MUTUAL(
		"<r:TrustedCN>example.com</r:TrustedCN>"));
	test_put(client, "AMT_TLSSettingData", "InstanceID", "Intel(r) AMT LMS TLS Settings",
	    "<r:Enabled>false</r:Enabled><r:TrustedCN>example.com</r:TrustedCN>");
	g_assert_cmpuint(test_invoke(client, SETUP, "CommitChanges", "", NULL), ==, 0);
	g_autoptr(TestClient) console = test_client_new(sim, 0);
	console->old = TRUE;
	test_client_set_certificate(console, sim, "console");
	test_client_wait(console);
	test_client_wait(client); /* its old connection is gone */
	test_put(client, "AMT_TLSSettingData", "InstanceID", "Intel(r) AMT LMS TLS Settings",
	    "<r:Enabled>false</r:Enabled>");
	sim_test_assert_refused(sim, console, "client-name-local");
	test_sim_stop(sim);
}

/* The manual tells of every switch */
static void
sim_test_manual(void)
{
	const char *top = g_getenv("PV_TOP_SRCDIR");
	const char *build = g_getenv("PV_TOP_BUILDDIR");
	g_autofree char *path =
	    g_build_filename(top != NULL ? top : ".", "data", "man", "provost-sim.1", NULL);
	g_autofree char *command =
	    g_strdup_printf("%s/provost-sim switches", build != NULL ? build : ".");
	g_autofree char *manual = NULL;
	g_autofree char *text = NULL;
	g_autoptr(GError) error = NULL;
	g_assert_true(g_file_get_contents(path, &manual, NULL, &error));
	g_assert_true(g_spawn_command_line_sync(command, &text, NULL, NULL, &error));
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	guint count = 0;
	for (; *lines[count + 1] != '\0'; count++) {
		g_auto(GStrv) words = g_strsplit(lines[count + 1], " ", 2);
		g_auto(GStrv) parts = g_strsplit(words[0], "-", -1);
		g_autofree char *name = g_strjoinv("\\-", parts);
		g_autofree char *entry = g_strdup_printf("\n\\fB%s=", name);
		if (strstr(manual, entry) == NULL)
			g_error("%s says nothing of the switch %s", path, words[0]);
	}
	g_assert_cmpuint(count, >, 20);
}

/* Classes */

#define HASH "NNsB/WINxYZwMl0pUYgb/A=="
#define DIGEST_ENTRY(user, hash, permission, realms) \
	"<r:DigestUsername>" user "</r:DigestUsername><r:DigestPassword>" hash \
	"</r:DigestPassword>" \
	"<r:AccessPermission>" permission "</r:AccessPermission>" realms
#define KERBEROS_ENTRY(sid) \
	"<r:KerberosUserSid>" sid \
	"</r:KerberosUserSid><r:AccessPermission>2</r:AccessPermission><r:Realms>3</r:Realms>"

static void
sim_test_acl(void)
{
	const char *const arguments[] = { "--set", "acl-max-digest=2", "--set", "acl-page=2",
		"--set", "kerberos-domains=1", NULL };
	/* clang-format off */
	static const struct {
		const char *parameters;
		guint status;
	} rows[] = {
		{ DIGEST_ENTRY("helpdesk", HASH, "2", "<r:Realms>2</r:Realms><r:Realms>13</r:Realms>"), 0 },
		{ DIGEST_ENTRY("helpdesk", HASH, "2", "<r:Realms>2</r:Realms>"), 2058 },
		{ DIGEST_ENTRY("short", "AAAA", "2", "<r:Realms>2</r:Realms>"), 2054 },
		{ DIGEST_ENTRY("bad:name", HASH, "2", "<r:Realms>2</r:Realms>"), 12 },
		{ DIGEST_ENTRY("a", HASH, "2", "<r:Realms>77</r:Realms>"), 2055 },
		{ DIGEST_ENTRY("a", HASH, "2", ""), 2055 },
		{ DIGEST_ENTRY("a", HASH, "3", "<r:Realms>2</r:Realms>"), 36 },
		{ DIGEST_ENTRY("second", HASH, "1", "<r:Realms>5</r:Realms>"), 0 },
		{ DIGEST_ENTRY("third", HASH, "1", "<r:Realms>5</r:Realms>"), 23 },
		{ KERBEROS_ENTRY("AQUAAAAAAAUVAAAA3PTcO4M9K0aCi6YoAAIAAA=="), 0 },
		{ KERBEROS_ENTRY("AQUAAAAAAAUVAAAA3PTcO4M9K0aCi6YoAAIAAA=="), 2058 },
		{ KERBEROS_ENTRY("AQUAAAAAAAUVAAAA3PTcO4M9K0aDi6YoAAIAAA=="), 2065 }, /* another domain */
		{ KERBEROS_ENTRY("AQUAAAAA"), 36 },
	};
	/* clang-format on */
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_test_message("row %u", i);
		g_assert_cmpuint(
		    test_invoke(client, ACCESS, "AddUserAclEntryEx", rows[i].parameters, NULL), ==,
		    rows[i].status);
	}
	g_autofree char *page = NULL;
	g_assert_cmpuint(test_invoke(client, ACCESS, "EnumerateUserAclEntries",
			     "<r:StartIndex>3</r:StartIndex>", &page),
	    ==, 0);
	g_assert_nonnull(strstr(page,
	    "<g:TotalCount>5</g:TotalCount><g:HandlesCount>2</g:HandlesCount><g:Handles>3</g:Handles><g:Handles>4</g:Handles>"));
	g_assert_cmpuint(test_invoke(client, ACCESS, "EnumerateUserAclEntries",
			     "<r:StartIndex>0</r:StartIndex>", NULL),
	    ==, 35);
	g_autofree char *entry = NULL;
	g_assert_cmpuint(
	    test_invoke(client, ACCESS, "GetUserAclEntryEx", "<r:Handle>5</r:Handle>", &entry), ==,
	    0);
	g_assert_nonnull(strstr(entry,
	    "<g:KerberosUserSid>AQUAAAAAAAUVAAAA3PTcO4M9K0aCi6YoAAIAAA==</g:KerberosUserSid><g:AccessPermission>2</g:AccessPermission><g:Realms>3</g:Realms>"));
	g_assert_cmpuint(
	    test_invoke(client, ACCESS, "RemoveUserAclEntry", "<r:Handle>1</r:Handle>", NULL), ==,
	    16); /* $$uns */
	g_assert_cmpuint(
	    test_invoke(client, ACCESS, "RemoveUserAclEntry", "<r:Handle>3</r:Handle>", NULL), ==,
	    0);
	g_assert_cmpuint(
	    test_invoke(client, ACCESS, "RemoveUserAclEntry", "<r:Handle>3</r:Handle>", NULL), ==,
	    2053);
	test_sim_stop(sim);
}

/* A user sees and does only what his realms allow */
static void
sim_test_realms(void)
{
	const char *const arguments[] = { "--state", "post", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) admin = test_client_new(sim, 0);
	test_client_set_login(admin, "admin", "admin");
	g_autofree char *realm = sim_test_realm(admin);
	g_autofree char *hash = sim_test_hash("clerk", realm, "Clerk-pass1");
	g_autofree char *parameters = g_strdup_printf(
	    "<r:DigestUsername>clerk</r:DigestUsername><r:DigestPassword>%s</r:DigestPassword>"
	    "<r:AccessPermission>1</r:AccessPermission><r:Realms>12</r:Realms>",
	    hash);
	g_assert_cmpuint(test_invoke(admin, ACCESS, "AddUserAclEntryEx", parameters, NULL), ==, 0);
	g_autoptr(TestClient) clerk = test_client_new(sim, 0);
	test_client_set_login(clerk, "clerk", "Clerk-pass1");
	sim_test_set_clock(clerk, g_get_real_time() / G_USEC_PER_SEC + 1000);
	g_autofree char *input = test_input(SETUP, "CommitChanges", "");
	g_autofree char *envelope = test_envelope(SETUP, "CommitChanges", NULL, NULL, input);
	g_autofree char *fault = test_fault(clerk, envelope);
	g_assert_cmpstr(fault, ==, "AccessDenied");
	g_assert_cmpuint(test_invoke(admin, ACCESS, "SetAclEnabledState",
			     "<r:Handle>3</r:Handle><r:Enabled>false</r:Enabled>", NULL),
	    ==, 0);
	g_autofree char *get = test_envelope("AMT_GeneralSettings", "Get", NULL, NULL, "");
	g_autoptr(TestAnswer) disabled = test_client_post(clerk, get);
	g_assert_cmpuint(disabled->status, ==, 401);
	test_sim_stop(sim);
}

#define ACCESS_URI "http://intel.com/wbem/wscim/1/amt-schema/1/" ACCESS
#define GENERAL_URI "http://intel.com/wbem/wscim/1/amt-schema/1/AMT_GeneralSettings"
#define INPUT(method, uri, parameters) \
	"<r:" method "_INPUT xmlns:r=\"" uri "\">" parameters "</r:" method "_INPUT>"
#define UNKNOWN_PULL \
	"<n:Pull xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\">" \
	"<n:EnumerationContext>77000000-0000-0000-0000-000000000000</n:EnumerationContext></n:Pull>"

static void
sim_test_strict(void)
{
	/* clang-format off */
	static const struct {
		const char *class_name, *action, *body, *fault;
	/* clang-format off */
	} rows[] = {
		/* out of order, missing, unknown, wrong namespace, wrong type, wrong namespace of a parameter */
		{ ACCESS, "SetAdminAclEntryEx", INPUT("SetAdminAclEntryEx", ACCESS_URI,
		    "<r:DigestPassword>" HASH "</r:DigestPassword><r:Username>admin</r:Username>"), "SchemaValidationError" },
		{ ACCESS, "SetAdminAclEntryEx", INPUT("SetAdminAclEntryEx", ACCESS_URI, "<r:Username>admin</r:Username>"),
		    "SchemaValidationError" },
		{ ACCESS, "GetAdminAclEntry", INPUT("GetAdminAclEntry", ACCESS_URI, "<r:More>1</r:More>"), "SchemaValidationError" },
		{ ACCESS, "GetAdminAclEntry", INPUT("GetAdminAclEntry", "urn:other", ""), "SchemaValidationError" },
		{ ACCESS, "RemoveUserAclEntry", INPUT("RemoveUserAclEntry", ACCESS_URI, "<r:Handle>x</r:Handle>"), "SchemaValidationError" },
		{ ACCESS, "RemoveUserAclEntry", INPUT("RemoveUserAclEntry", ACCESS_URI, "<q:Handle xmlns:q=\"urn:other\">3</q:Handle>"),
		    "SchemaValidationError" },
		{ ACCESS, "NoSuchMethod", INPUT("NoSuchMethod", ACCESS_URI, ""), "ActionNotSupported" },
		{ "AMT_GeneralSettings", "Put", "<r:AMT_GeneralSettings xmlns:r=\"" GENERAL_URI "\"><r:HostName>x</r:HostName>"
		    "</r:AMT_GeneralSettings>", "SchemaValidationError" },
		{ "AMT_GeneralSettings", "Delete", "", "ActionNotSupported" },
		{ "AMT_NoSuchClass", "Get", "", "DestinationUnreachable" },
		{ "CIM_WiFiPort", "Get", "", "DestinationUnreachable" },
		{ "AMT_PublicKeyCertificate", "Get", "", "InvalidSelectors" },
		{ "AMT_GeneralSettings", "Pull", UNKNOWN_PULL, "InvalidEnumerationContext" },
	};
	/* clang-format on */
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_test_message("row %u", i);
		g_autofree char *envelope =
		    test_envelope(rows[i].class_name, rows[i].action, NULL, NULL, rows[i].body);
		g_autofree char *fault = test_fault(client, envelope);
		g_assert_cmpstr(fault, ==, rows[i].fault);
	}
	/* a lax device takes any order, but not nothing */
	g_assert_cmpint(
	    test_sim_command(sim, NULL, "set", "pc-0001", "switch:strict=false", NULL), ==, 0);
	g_autofree char *lax = test_envelope(ACCESS, rows[0].action, NULL, NULL, rows[0].body);
	g_autoptr(TestAnswer) taken = test_client_post(client, lax);
	g_assert_cmpuint(taken->status, ==, 200);
	g_autofree char *empty = test_envelope(ACCESS, rows[1].action, NULL, NULL, rows[1].body);
	g_autofree char *missing = test_fault(client, empty);
	g_assert_cmpstr(missing, ==, "SchemaValidationError");
	static const char *const broken[] = {
		"", "<x", "<a/>", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
		"<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header/><s:Body/></s:Envelope>"
	};
	for (guint i = 0; i < G_N_ELEMENTS(broken); i++) {
		g_autoptr(TestAnswer) answer = test_client_post(client, broken[i]);
		g_assert_cmpuint(answer->status, ==, 400);
	}
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpint(test_dump_int(dump, "counters.writes"), ==, 1);
	test_sim_stop(sim);
}

static void
sim_test_pull(void)
{
	const char *const arguments[] = { "--set", "one-item-pull=true", "--set",
		"chunk-cuts=random", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	guint pulls = 0;
	test_answer_free(test_pull_all(client, "CIM_SoftwareIdentity", &pulls));
	g_assert_cmpuint(pulls, ==, 11);
	test_answer_free(test_pull_all(
	    client, "AMT_PublicKeyCertificate", &pulls)); /* empty: one Pull, no items */
	g_assert_cmpuint(pulls, ==, 1);
	g_assert_cmpint(
	    test_sim_command(sim, NULL, "set", "pc-0001", "switch:one-item-pull=false", NULL), ==,
	    0);
	g_autoptr(TestAnswer) all = test_pull_all(client, "AMT_TLSSettingData", &pulls);
	g_assert_cmpuint(pulls, ==, 1);
	g_assert_nonnull(strstr(all->body, "Intel(r) AMT LMS TLS Settings"));
	test_sim_stop(sim);
}

static void
sim_test_power(void)
{
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autofree char *input = test_input("AMT_SystemPowerScheme", "SetPowerScheme", "");
	g_autofree char *set = test_envelope(
	    "AMT_SystemPowerScheme", "SetPowerScheme", "InstanceID", "SCHEME 1", input);
	g_autoptr(TestAnswer) answer = test_client_post(client, set);
	g_assert_cmpuint(answer->status, ==, 200);
	guint pulls = 0;
	g_autoptr(TestAnswer) settings = test_pull_all(client, "CIM_ElementSettingData", &pulls);
	const char *current = strstr(settings->body, "<h:IsCurrent>1</h:IsCurrent>");
	g_assert_nonnull(current);
	g_assert_nonnull(strstr(current, "<c:Selector Name=\"InstanceID\">SCHEME 1</c:Selector>"));
	g_assert_null(strstr(current + 1, "SCHEME 0"));
	g_autofree char *none = test_envelope(
	    "AMT_SystemPowerScheme", "SetPowerScheme", "InstanceID", "SCHEME 9", input);
	g_autofree char *fault = test_fault(client, none);
	g_assert_cmpstr(fault, ==, "InvalidSelectors");
	test_sim_stop(sim);
}

static void
sim_test_kerberos(void)
{
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	test_put(client, "AMT_KerberosSettingData", NULL, NULL,
	    "<r:ElementName>Intel(r) AMT: Kerberos Settings</r:ElementName><r:InstanceID>Intel (r) AMT: Kerberos Settings</r:InstanceID>"
	    "<r:IterationCount>4096</r:IterationCount><r:KeyVersion>2</r:KeyVersion><r:KrbEnabled>true</r:KrbEnabled>"
	    "<r:MaximumClockTolerance>5</r:MaximumClockTolerance><r:Passphrase>account password</r:Passphrase>"
	    "<r:RealmName>EXAMPLE.COM</r:RealmName><r:Salt>EXAMPLE.COMhostpc1.example.com</r:Salt>");
	g_autoptr(TestAnswer) answer = test_get(client, "AMT_KerberosSettingData", NULL, NULL);
	g_assert_null(strstr(answer->body, "account password")); /* write only */
	g_assert_nonnull(strstr(answer->body, "<g:KrbEnabled>true</g:KrbEnabled>"));
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(test_dump_string(dump, "kerberos.passphrase"), ==, "account password");
	g_assert_cmpstr(
	    test_dump_string(dump, "kerberos.salt"), ==, "EXAMPLE.COMhostpc1.example.com");
	test_sim_stop(sim);
}

/* Misbehaviour on demand */

static void
sim_test_fault_script(void)
{
	const char *const arguments[] = { "--set",
		"fault=AMT_AuthorizationService.GetAdminAclEntry:1:close-before", "--set",
		"fault=AMT_AuthorizationService.GetAdminAclEntry:2:status:38", "--set",
		"fault=AMT_GeneralSettings.Put:*:close-after", "--set",
		"fault=AMT_TimeSynchronizationService.Get:1:fault400", "--set", "generate-busy=2",
		NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_autofree char *input = test_input(ACCESS, "GetAdminAclEntry", "");
	g_autofree char *envelope = test_envelope(ACCESS, "GetAdminAclEntry", NULL, NULL, input);
	g_autoptr(TestAnswer) closed = test_client_post(client, envelope);
	g_assert_cmpuint(closed->status, ==, 0);
	g_assert_cmpuint(test_invoke(client, ACCESS, "GetAdminAclEntry", "", NULL), ==, 38);
	g_assert_cmpuint(test_invoke(client, ACCESS, "GetAdminAclEntry", "", NULL), ==, 0);
	g_autofree char *put = test_envelope("AMT_GeneralSettings", "Put", NULL, NULL,
	    "<r:AMT_GeneralSettings xmlns:r=\"http://intel.com/wbem/wscim/1/amt-schema/1/AMT_GeneralSettings\"><r:HostName>lost</r:HostName>"
	    "<r:PingResponseEnabled>true</r:PingResponseEnabled><r:WsmanOnlyMode>false</r:WsmanOnlyMode></r:AMT_GeneralSettings>");
	g_autoptr(TestAnswer) lost = test_client_post(client, put);
	g_assert_cmpuint(lost->status, ==, 0);
	g_autofree char *get = test_envelope(CLOCK, "Get", NULL, NULL, "");
	g_autoptr(TestAnswer) refused = test_client_post(client, get);
	g_assert_cmpuint(refused->status, ==, 400);
	const char *generate = "<r:KeyAlgorithm>0</r:KeyAlgorithm><r:KeyLength>2048</r:KeyLength>";
	g_assert_cmpuint(test_invoke(client, STORE, "GenerateKeyPair", generate, NULL), ==, 2061);
	g_assert_cmpuint(test_invoke(client, STORE, "GenerateKeyPair", generate, NULL), ==, 2061);
	g_assert_cmpuint(test_invoke(client, STORE, "GenerateKeyPair", generate, NULL), ==, 0);
	g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
	g_assert_cmpstr(test_dump_string(dump, "names.host"), ==, "lost");
	test_sim_stop(sim);
}

static void
sim_test_set_behind(void)
{
	TestSim *sim = test_sim_start(NULL);
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_assert_cmpint(
	    test_sim_command(sim, NULL, "set", "pc-0001", "AMT_GeneralSettings.HostName=moved",
		"clock-offset=-94608000", "otp=abcdEFGH1234", NULL),
	    ==, 0);
	g_autoptr(TestAnswer) answer = test_get(client, "AMT_GeneralSettings", NULL, NULL);
	g_autofree char *host = test_find(answer->body, "HostName");
	g_assert_cmpstr(host, ==, "moved");
	g_autoptr(TestAnswer) setup = test_get(client, SETUP, NULL, NULL);
	g_autofree char *otp = test_find(setup->body, "ProvisioningServerOTP");
	g_assert_cmpstr(otp, ==, "YWJjZEVGR0gxMjM0");
	g_autofree char *xml = NULL;
	g_assert_cmpuint(test_invoke(client, CLOCK, "GetLowAccuracyTimeSynch", "", &xml), ==, 0);
	g_autofree char *time = test_find(xml, "Ta0");
	gint64 off = g_get_real_time() / G_USEC_PER_SEC - g_ascii_strtoll(time, NULL, 10);
	g_assert_cmpint(ABS(off - 94608000), <, 5);
	g_assert_cmpint(
	    test_sim_command(sim, NULL, "set", "pc-0001", "AMT_GeneralSettings.NoSuch=1", NULL), ==,
	    1);
	g_assert_cmpint(test_sim_command(sim, NULL, "dump", "pc-9999", NULL), ==, 1);

	/* off, on, reset, start */
	g_assert_cmpint(test_sim_command(sim, NULL, "off", "pc-0001", NULL), ==, 0);
	g_assert_false(test_client_connect(client));
	g_assert_cmpint(test_sim_command(sim, NULL, "on", "pc-0001", NULL), ==, 0);
	g_assert_true(test_client_connect(client));
	g_assert_cmpint(test_sim_command(sim, NULL, "reset", "pc-0001", NULL), ==, 0);
	g_assert_false(test_client_connect(client)); /* PRE: the port is closed */
	g_assert_cmpint(
	    test_sim_command(sim, NULL, "start", "pc-0001", "--otp", "other-otp-12", NULL), ==, 0);
	g_assert_true(test_client_connect(client));
	g_assert_cmpint(test_sim_command(sim, NULL, "start", "pc-0001", NULL), ==, 1);
	test_sim_stop(sim);
}

/* Hello packets */

static int
sim_test_listen(char **address)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof any;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&any, sizeof any), ==, 0);
	g_assert_cmpint(listen(fd, 8), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&any, &length), ==, 0);
	*address = g_strdup_printf("127.0.0.1:%u", ntohs(any.sin_port));
	return fd;
}

static void
sim_test_hello(void)
{
	g_autofree char *server = NULL;
	int fd = sim_test_listen(&server);
	const char *const arguments[] = { "--provision-server", server, "--set",
		"hello-minute-msec=100", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autofree char *expected = test_sim_address(sim, 0);
	for (guint retry = 0; retry < 3; retry++) {
		struct sockaddr_in from;
		socklen_t from_length = sizeof from;
		char text[INET_ADDRSTRLEN];
		guint8 packet[256];
		gsize length = 0;
		int peer = accept(fd, (struct sockaddr *)&from, &from_length);
		g_assert_cmpint(peer, >=, 0);
		for (gssize got = 1; got > 0 && length < sizeof packet;
		     length += (gsize)MAX(got, 0))
			got = read(peer, packet + length, sizeof packet - length);
		close(peer);
		g_assert_cmpstr(
		    inet_ntop(AF_INET, &from.sin_addr, text, sizeof text), ==, expected);
		g_assert_cmpuint(length, ==, 25 + 34);
		g_assert_cmpmem(packet, 4, "\0\0\3\0", 4); /* factory password, version 3 */
		g_assert_cmpuint(packet[4], ==, retry);
		g_assert_cmpuint(packet[24], ==, 1);
		g_assert_cmpmem(packet + 25, 2, "\2\x20", 2); /* SHA-256 */
		g_autofree char *uuid = g_strdup_printf("%02x%02x%02x%02x-%02x%02x", packet[11],
		    packet[10], packet[9], packet[8], packet[13], packet[12]);
		g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
		g_assert_true(g_str_has_prefix(test_dump_string(dump, "uuid"), uuid));
	}
	close(fd);
	test_sim_stop(sim);
}

static void
sim_test_period_ends(void)
{
	const char *const arguments[] = { "--set", "hello-minute-msec=1",
		NULL }; /* a day is 1.44 s */
	TestSim *sim = test_sim_start(arguments);
	g_autofree char *state = NULL;
	for (guint try = 0; g_strcmp0(state, "pre") != 0; try++) {
		g_assert_cmpuint(try, <, 200);
		g_usleep(50000); /* polls for an event: set-up ends */
		g_autoptr(JsonNode) dump = test_sim_dump(sim, "pc-0001");
		g_free(state);
		state = g_strdup(test_dump_string(dump, "state"));
	}
	g_autoptr(TestClient) client = test_client_new(sim, 0);
	g_assert_false(test_client_connect(client));
	test_sim_stop(sim);
}

#define CROWD 8
#define CROWD_REQUESTS 40

/* A client of one device among many that are busy at once */
static gpointer
sim_test_crowd_run(gpointer data)
{
	TestClient *client = data;
	for (guint i = 0; i < CROWD_REQUESTS; i++) {
		guint pulls = 0;
		if (i % 10 == 9)
			test_client_close(client);
		test_answer_free(test_get(client, "AMT_GeneralSettings", NULL, NULL));
		test_answer_free(test_pull_all(client, "CIM_SoftwareIdentity", &pulls));
	}
	g_autofree char *xml = NULL;
	g_assert_cmpuint(
	    test_invoke(client, STORE, "GenerateKeyPair",
		"<r:KeyAlgorithm>0</r:KeyAlgorithm><r:KeyLength>2048</r:KeyLength>", NULL),
	    ==, 0);
	return NULL;
}

static void
sim_test_crowd(void)
{
	const char *const arguments[] = { "--devices", "8", NULL };
	TestSim *sim = test_sim_start(arguments);
	TestClient *clients[CROWD];
	GThread *threads[CROWD];
	g_autoptr(GHashTable) keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < CROWD; i++) {
		clients[i] = test_client_new(sim, i);
		threads[i] = g_thread_new("crowd", sim_test_crowd_run, clients[i]);
	}
	for (guint i = 0; i < CROWD; i++) {
		g_autofree char *address = test_sim_address(sim, i);
		json_node_unref(test_sim_dump(sim, address)); /* in the middle of it */
	}
	for (guint i = 0; i < CROWD; i++) {
		g_thread_join(threads[i]);
		test_client_free(clients[i]);
		g_autofree char *address = test_sim_address(sim, i);
		g_autoptr(JsonNode) dump = test_sim_dump(sim, address);
		g_assert_cmpint(
		    test_dump_int(dump, "counters.requests"), ==, CROWD_REQUESTS * 3 + 1);
		JsonArray *made = json_object_get_array_member(json_node_get_object(dump), "keys");
		const char *sum =
		    json_object_get_string_member(json_array_get_object_element(made, 0), "sha256");
		g_assert_true(g_hash_table_add(keys, g_strdup(sum))); /* each device its own */
	}
	test_sim_stop(sim);
}

static void
sim_test_fleet(void)
{
	const char *const arguments[] = { "--devices", "1000", "--personality", "16.1,6.2", NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autofree char *list = NULL;
	g_assert_cmpint(test_sim_command(sim, &list, "list", "--json", NULL), ==, 0);
	g_autoptr(JsonNode) devices = json_from_string(list, NULL);
	g_assert_cmpuint(json_array_get_length(json_node_get_array(devices)), ==, 1000);
	for (guint i = 0; i < 1000; i += 250) {
		g_autoptr(TestClient) client = test_client_new(sim, i);
		g_assert_true(test_client_connect(client));
		g_autoptr(TestAnswer) answer = test_get(client, "AMT_GeneralSettings", NULL, NULL);
		g_assert_nonnull(strstr(answer->body, "DigestRealm"));
	}
	test_sim_stop(sim);
}

static void
sim_test_fleet_file(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autofree char *csv = g_build_filename(g_get_tmp_dir(), "provost-sim-test.csv", NULL);
	int fd = g_file_open_tmp("provost-sim-fleet-XXXXXX", &path, &error);
	g_assert_no_error(error);
	close(fd);
	g_assert_true(g_file_set_contents(path,
	    "{\"devices\": [{\"name\": \"alpha\", \"uuid\": \"d2ffc23e-9dd1-412d-860a-54b2039b72ff\", \"set\": {\"otp\": \"abcdEFGH1234\"}},"
	    "{\"name\": \"beta\", \"personality\": \"6.2\", \"state\": \"pre\"}]}",
	    -1, NULL));
	g_free(csv);
	csv = g_strconcat(path, ".csv", NULL);
	const char *const arguments[] = { "--fleet", path, "--fleet-csv", csv, NULL };
	TestSim *sim = test_sim_start(arguments);
	g_autoptr(JsonNode) alpha = test_sim_dump(sim, "d2ffc23e-9dd1-412d-860a-54b2039b72ff");
	g_assert_cmpstr(test_dump_string(alpha, "name"), ==, "alpha");
	g_assert_cmpstr(test_dump_string(alpha, "otp"), ==, "abcdEFGH1234");
	g_autoptr(JsonNode) beta = test_sim_dump(sim, "beta.example.com");
	g_assert_cmpstr(test_dump_string(beta, "state"), ==, "pre");
	g_autofree char *text = NULL;
	g_assert_true(g_file_get_contents(csv, &text, NULL, NULL));
	g_assert_true(g_str_has_prefix(
	    text, "alpha,alpha.example.com,d2ffc23e-9dd1-412d-860a-54b2039b72ff,02:"));
	unlink(path);
	unlink(csv);
	test_sim_stop(sim);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sim/suffix-rules", sim_test_suffix_rules);
	g_test_add_func("/sim/keys-distinct", sim_test_keys_distinct);
	g_test_add_func("/sim/passwords", sim_test_passwords);
	g_test_add_func("/sim/provisioning-certificate", sim_test_refusals);
	g_test_add_func("/sim/provision", sim_test_provision);
	g_test_add_func("/sim/lost-commit", sim_test_lost_commit);
	g_test_add_func("/sim/digest", sim_test_digest);
	g_test_add_func("/sim/nonce-expires", sim_test_nonce_expires);
	g_test_add_func("/sim/lock-out", sim_test_lock_out);
	g_test_add_func("/sim/old-generation", sim_test_old_generation);
	g_test_add_func("/sim/mutual-tls", sim_test_mutual);
	g_test_add_func("/sim/mutual-tls-old", sim_test_mutual_old);
	g_test_add_func("/sim/manual", sim_test_manual);
	g_test_add_func("/sim/acl", sim_test_acl);
	g_test_add_func("/sim/realms", sim_test_realms);
	g_test_add_func("/sim/strict", sim_test_strict);
	g_test_add_func("/sim/pull", sim_test_pull);
	g_test_add_func("/sim/power", sim_test_power);
	g_test_add_func("/sim/kerberos", sim_test_kerberos);
	g_test_add_func("/sim/fault-script", sim_test_fault_script);
	g_test_add_func("/sim/set-behind", sim_test_set_behind);
	g_test_add_func("/sim/hello", sim_test_hello);
	g_test_add_func("/sim/period-ends", sim_test_period_ends);
	g_test_add_func("/sim/crowd", sim_test_crowd);
	g_test_add_func("/sim/fleet-1000", sim_test_fleet);
	g_test_add_func("/sim/fleet-file", sim_test_fleet_file);
	test_pki_make();
	int status = g_test_run();
	test_pki_remove();
	return status;
}
