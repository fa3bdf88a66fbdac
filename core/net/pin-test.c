/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/http.h"

#include "tests/lib/fake-http.h"

#include <provost/error.h>

#include <string.h>
#include <openssl/x509v3.h>

/* Which certificates a session goes on with when it has to dial again. */

typedef struct {
	X509 *certificate;
	EVP_PKEY *key;
} Cert;

/* a device that closes after each answer, and that may be somebody else at the next connection */
typedef struct {
	Cert root, device, wildcard, client, self, other;
	PvTrust *trust;
	FakeHttp *http;
	SSL_CTX *tls;
	const Cert *shown; /* atomic: read by the server's threads */
} Fixture;

static void
pin_test_extend(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	g_assert_cmpint(X509_add_ext(certificate, extension, -1), ==, 1);
	X509_EXTENSION_free(extension);
}

/* @issuer: NULL: self-signed, and a CA where @san is NULL */
static Cert
pin_test_new_cert(const char *name, const char *san, const char *ekus, const Cert *issuer)
{
	Cert cert = { X509_new(), EVP_EC_gen("P-256") };
	X509_set_version(cert.certificate, X509_VERSION_3);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert.certificate), g_random_int());
	X509_gmtime_adj(X509_getm_notBefore(cert.certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert.certificate), 3600);
	X509_set_pubkey(cert.certificate, cert.key);
	X509_NAME *subject = X509_get_subject_name(cert.certificate);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const guchar *)name, -1, -1, 0);
	X509_set_issuer_name(cert.certificate,
	    issuer != NULL ? X509_get_subject_name(issuer->certificate) : subject);
	pin_test_extend(cert.certificate, NID_basic_constraints,
	    issuer == NULL && san == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (san != NULL)
		pin_test_extend(cert.certificate, NID_subject_alt_name, san);
	if (ekus != NULL)
		pin_test_extend(cert.certificate, NID_ext_key_usage, ekus);
	g_assert_cmpint(X509_sign(cert.certificate, issuer != NULL ? issuer->key : cert.key, EVP_sha256()), >, 0);
	return cert;
}

static void
pin_test_clear_cert(Cert *cert)
{
	X509_free(cert->certificate);
	EVP_PKEY_free(cert->key);
}

static int
pin_test_choose(SSL *ssl, void *data)
{
	Fixture *f = data;
	const Cert *cert = g_atomic_pointer_get(&f->shown);
	return SSL_use_certificate(ssl, cert->certificate) == 1 && SSL_use_PrivateKey(ssl, cert->key) == 1;
}

static gboolean
pin_test_handle(FakeHttpConnection *connection, const FakeHttpRequest *request, gpointer data)
{
	(void)fake_http_reply(connection, 200, "Connection: close\r\n", "hello"); /* the client tells */
	return FALSE;
}

static void
pin_test_set_up(Fixture *f, gconstpointer unused)
{
	f->root = pin_test_new_cert("Site Root", NULL, NULL, NULL);
	f->device = pin_test_new_cert("pc1.example.com", "DNS:pc1.example.com", "serverAuth", &f->root);
	f->wildcard = pin_test_new_cert("web", "DNS:*.example.com", "serverAuth", &f->root);
	f->client = pin_test_new_cert("pc1.example.com", "DNS:pc1.example.com", "clientAuth", &f->root);
	f->self = pin_test_new_cert("Intel(r) AMT", "DNS:amt", NULL, NULL);
	f->other = pin_test_new_cert("Intel(r) AMT", "DNS:amt", NULL, NULL);
	unsigned char *der = NULL;
	int length = i2d_X509(f->root.certificate, &der);
	g_autoptr(GPtrArray) anchors = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(anchors, g_bytes_new(der, (gsize)length));
	OPENSSL_free(der);
	f->trust = pv_trust_new(anchors, NULL);
	f->shown = &f->self;
	f->tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_options(f->tls, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(f->tls, 0);
	SSL_CTX_set_session_cache_mode(f->tls, SSL_SESS_CACHE_OFF); /* each connection shows a certificate */
	SSL_CTX_set_cert_cb(f->tls, pin_test_choose, f);
	f->http = fake_http_new(f->tls, pin_test_handle, f);
}

static void
pin_test_tear_down(Fixture *f, gconstpointer unused)
{
	fake_http_free(f->http);
	SSL_CTX_free(f->tls);
	pv_trust_unref(f->trust);
	Cert *const certs[] = { &f->root, &f->device, &f->wildcard, &f->client, &f->self, &f->other };
	for (gsize i = 0; i < G_N_ELEMENTS(certs); i++)
		pin_test_clear_cert(certs[i]);
}

static PvHttp *
pin_test_new_session(Fixture *f, gboolean allow_unverified)
{
	const PvHttpOptions options = { .address = "127.0.0.1",
		.port = fake_http_get_port(f->http),
		.tls = TRUE,
		.trust = f->trust,
		.peer_name = "pc1.example.com",
		.allow_unverified = allow_unverified };
	return pv_http_new(&options, NULL);
}

/* What becomes of a request to a device that shows @cert now. */
static gboolean
pin_test_ask(Fixture *f, PvHttp *http, const Cert *cert, GError **error)
{
	PvHttpReply reply;
	PvHttpFate fate;
	g_atomic_pointer_set(&f->shown, cert);
	return pv_http_request(http, "/", NULL, NULL, 0, &reply, &fate, error);
}

/* The session that the pin is taken from keeps to it, too. */
static void
pin_test_same_peer(Fixture *f, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvHttp) http = pin_test_new_session(f, TRUE);
	g_assert_true(pin_test_ask(f, http, &f->self, &error));
	g_assert_true(pin_test_ask(f, http, &f->self, &error));
	g_assert_no_error(error);
	guint before = fake_http_get_count(f->http);
	g_assert_false(pin_test_ask(f, http, &f->other, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_AUTH);
	g_assert_nonnull(strstr(error->message, "is not the one that the device showed before"));
	g_assert_cmpuint(fake_http_get_count(f->http), ==, before);
	g_clear_error(&error);
	/* the other one was not taken for the device by being refused */
	g_assert_false(pin_test_ask(f, http, &f->other, &error));
	g_clear_error(&error);
	g_assert_true(pin_test_ask(f, http, &f->self, &error));
	g_assert_no_error(error);
}

/* Within set-up the device may come to show the site's certificate; it does not go back from that. */
static void
pin_test_upgrade(Fixture *f, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvHttp) http = pin_test_new_session(f, TRUE);
	g_assert_true(pin_test_ask(f, http, &f->self, &error));
	g_assert_true(pin_test_ask(f, http, &f->device, &error));
	g_assert_no_error(error);
	g_assert_true(pv_http_is_verified(http));
	g_assert_false(pin_test_ask(f, http, &f->self, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_AUTH);
	g_assert_false(pv_http_is_verified(http));
}

/* A session that was closed forgets whom it met. */
static void
pin_test_closed(Fixture *f, gconstpointer unused)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PvHttp) http = pin_test_new_session(f, TRUE);
	g_assert_true(pin_test_ask(f, http, &f->self, &error));
	pv_http_close(http);
	g_assert_true(pin_test_ask(f, http, &f->other, &error));
	g_assert_no_error(error);
}

/* Once it is managed, only a server's certificate for the very name will do. */
static void
pin_test_managed(Fixture *f, gconstpointer unused)
{
	const Cert *const wrong[] = { &f->self, &f->wildcard, &f->client };
	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(PvHttp) http = pin_test_new_session(f, FALSE);
		g_assert_false(pin_test_ask(f, http, wrong[i], &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_AUTH);
		g_assert_false(pv_http_is_verified(http));
	}
	g_assert_cmpuint(fake_http_get_count(f->http), ==, 0);
	g_autoptr(GError) error = NULL;
	g_autoptr(PvHttp) http = pin_test_new_session(f, FALSE);
	g_assert_true(pin_test_ask(f, http, &f->device, &error));
	g_assert_no_error(error);
	g_assert_true(pv_http_is_verified(http));
	g_assert_false(pin_test_ask(f, http, &f->client, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_AUTH);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	pv_net_init();
#define ADD(path, test) g_test_add(path, Fixture, NULL, pin_test_set_up, test, pin_test_tear_down)
	ADD("/requirements/S12-07.3/redial-same-peer", pin_test_same_peer);
	ADD("/net/pin/upgrade", pin_test_upgrade);
	ADD("/net/pin/closed", pin_test_closed);
	ADD("/net/pin/managed", pin_test_managed);
	return g_test_run();
}
