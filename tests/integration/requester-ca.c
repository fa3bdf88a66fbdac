/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <gssapi/gssapi.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

/* An enterprise CA on a small scale, for tests/integration/requester.sh: it knows by Kerberos who asks, writes that down,
 * and gives a computer a certificate for its own name only. Usage: requester-ca ADDRESS CERTIFICATE KEY; its keytab is
 * $KRB5_KTNAME. What is said is told in tests/modules/test-requester.c. One peer at a time. */

#define CA_MAX_FRAME (64 * 1024)
#define CA_TIMEOUT_SEC 20

typedef struct {
	X509 *certificate;
	EVP_PKEY *key;
} Ca;

static gboolean
ca_send(GSocketConnection *peer, const void *data, gsize length)
{
	guint32 head = GUINT32_TO_BE((guint32)length);
	GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(peer));
	return g_output_stream_write_all(out, &head, sizeof head, NULL, NULL, NULL) &&
	       g_output_stream_write_all(out, data, length, NULL, NULL, NULL);
}

static GByteArray *
ca_receive(GSocketConnection *peer)
{
	guint32 head = 0;
	gsize got = 0;
	GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(peer));
	if (!g_input_stream_read_all(in, &head, sizeof head, &got, NULL, NULL) ||
	    got != sizeof head || GUINT32_FROM_BE(head) > CA_MAX_FRAME)
		return NULL;
	g_autoptr(GByteArray) frame = g_byte_array_new();
	g_byte_array_set_size(frame, GUINT32_FROM_BE(head));
	return g_input_stream_read_all(in, frame->data, frame->len, &got, NULL, NULL) &&
		       got == frame->len
		   ? g_steal_pointer(&frame)
		   : NULL;
}

/* the principal of the peer; NULL: it did not prove to be one */
static char *
ca_accept(GSocketConnection *peer, gss_ctx_id_t *session)
{
	OM_uint32 major = GSS_S_CONTINUE_NEEDED, minor = 0;
	gss_name_t source = GSS_C_NO_NAME;
	while (major == GSS_S_CONTINUE_NEEDED) {
		g_autoptr(GByteArray) frame = ca_receive(peer);
		if (frame == NULL)
			break;
		gss_buffer_desc in = { frame->len, frame->data }, out = GSS_C_EMPTY_BUFFER;
		major = gss_accept_sec_context(&minor, session, GSS_C_NO_CREDENTIAL, &in,
		    GSS_C_NO_CHANNEL_BINDINGS, &source, NULL, &out, NULL, NULL, NULL);
		if (out.length > 0)
			(void)ca_send(peer, out.value, out.length);
		(void)gss_release_buffer(&minor, &out);
	}
	gss_buffer_desc name = GSS_C_EMPTY_BUFFER;
	char *principal = NULL;
	if (major == GSS_S_COMPLETE &&
	    gss_display_name(&minor, source, &name, NULL) == GSS_S_COMPLETE)
		principal = g_strndup(name.value, name.length);
	(void)gss_release_buffer(&minor, &name);
	(void)gss_release_name(&minor, &source);
	return principal;
}

static void
ca_extend(X509 *leaf, X509_REQ *csr)
{
	STACK_OF(X509_EXTENSION) *asked = X509_REQ_get_extensions(csr);
	for (int i = 0; i < sk_X509_EXTENSION_num(asked); i++)
		X509_add_ext(leaf, sk_X509_EXTENSION_value(asked, i), -1);
	sk_X509_EXTENSION_pop_free(asked, X509_EXTENSION_free);
	X509_EXTENSION *usage = X509V3_EXT_conf_nid(
	    NULL, NULL, NID_key_usage, "critical,digitalSignature,keyEncipherment");
	X509_add_ext(leaf, usage, -1);
	X509_EXTENSION_free(usage);
}

/* the certificate, DER; NULL: it could not be made */
static GBytes *
ca_issue(const Ca *ca, X509_REQ *csr)
{
	X509 *leaf = X509_new();
	BIGNUM *serial = BN_new();
	unsigned char *der = NULL;
	EVP_PKEY *key = X509_REQ_get0_pubkey(csr);
	gboolean ok = key != NULL && X509_REQ_verify(csr, key) == 1 &&
		      BN_rand(serial, 63, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
		      BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(leaf)) != NULL &&
		      X509_set_version(leaf, X509_VERSION_3) == 1 &&
		      X509_set_issuer_name(leaf, X509_get_subject_name(ca->certificate)) == 1 &&
		      X509_set_subject_name(leaf, X509_REQ_get_subject_name(csr)) == 1 &&
		      X509_gmtime_adj(X509_getm_notBefore(leaf), -60) != NULL &&
		      X509_gmtime_adj(X509_getm_notAfter(leaf), 365 * 86400L) != NULL &&
		      X509_set_pubkey(leaf, key) == 1;
	if (ok)
		ca_extend(leaf, csr);
	ok = ok && X509_sign(leaf, ca->key, EVP_sha256()) > 0;
	int length = ok ? i2d_X509(leaf, &der) : 0;
	GBytes *bytes = length > 0 ? g_bytes_new(der, (gsize)length) : NULL;
	OPENSSL_free(der);
	BN_free(serial);
	X509_free(leaf);
	return bytes;
}

/* "pc1$iME@EXAMPLE.COM" may ask for pc1.example.com */
static gboolean
ca_may_ask(const char *principal, const char *name)
{
	gsize length = strcspn(name, ".");
	return length > 0 && g_ascii_strncasecmp(principal, name, length) == 0 &&
	       g_str_has_prefix(principal + length, "$iME@");
}

/* what it is to be good for, by OpenSSL's word; a constant */
static const char *
ca_get_purpose(X509_REQ *csr)
{
	STACK_OF(X509_EXTENSION) *asked = X509_REQ_get_extensions(csr);
	EXTENDED_KEY_USAGE *usages = X509V3_get_d2i(asked, NID_ext_key_usage, NULL, NULL);
	const char *purpose = sk_ASN1_OBJECT_num(usages) > 0
				  ? OBJ_nid2sn(OBJ_obj2nid(sk_ASN1_OBJECT_value(usages, 0)))
				  : "nothing";
	EXTENDED_KEY_USAGE_free(usages);
	sk_X509_EXTENSION_pop_free(asked, X509_EXTENSION_free);
	return purpose;
}

static GByteArray *
ca_answer(const Ca *ca, const char *principal, const gss_buffer_desc *request)
{
	const unsigned char *der = request->value;
	X509_REQ *csr = d2i_X509_REQ(NULL, &der, (long)request->length);
	char name[256] = "?";
	if (csr != NULL)
		(void)X509_NAME_get_text_by_NID(
		    X509_REQ_get_subject_name(csr), NID_commonName, name, sizeof name);
	g_autofree char *reason = csr == NULL ? g_strdup("that is no request")
				  : !ca_may_ask(principal, name)
				      ? g_strdup_printf("%s may not ask for %s", principal, name)
				      : NULL;
	const char *purpose = csr != NULL ? ca_get_purpose(csr) : "nothing";
	g_autoptr(GBytes) certificate = reason == NULL ? ca_issue(ca, csr) : NULL;
	if (reason == NULL && certificate == NULL)
		reason = g_strdup("the request is not signed by its key");
	X509_REQ_free(csr);
	g_print("requester %s for %s: %s %s\n", principal, name, purpose,
	    reason == NULL ? "issued" : "refused");
	GByteArray *answer = g_byte_array_new();
	g_byte_array_append(answer, (const guint8 *)(reason == NULL ? "\0" : "\1"), 1);
	if (reason != NULL)
		g_byte_array_append(answer, (const guint8 *)reason, (guint)strlen(reason));
	else
		g_byte_array_append(answer, g_bytes_get_data(certificate, NULL),
		    (guint)g_bytes_get_size(certificate));
	return answer;
}

static void
ca_serve(const Ca *ca, GSocketConnection *peer)
{
	OM_uint32 minor = 0;
	gss_ctx_id_t session = GSS_C_NO_CONTEXT;
	g_socket_set_timeout(g_socket_connection_get_socket(peer), CA_TIMEOUT_SEC);
	g_autofree char *principal = ca_accept(peer, &session);
	g_autoptr(GByteArray) frame = principal != NULL ? ca_receive(peer) : NULL;
	gss_buffer_desc sealed = { 0 }, request = GSS_C_EMPTY_BUFFER, out = GSS_C_EMPTY_BUFFER;
	int secret = 0;
	if (frame != NULL) {
		sealed = (gss_buffer_desc) { frame->len, frame->data };
		if (gss_unwrap(&minor, session, &sealed, &request, &secret, NULL) ==
			GSS_S_COMPLETE &&
		    secret != 0) {
			g_autoptr(GByteArray) answer = ca_answer(ca, principal, &request);
			gss_buffer_desc plain = { answer->len, answer->data };
			if (gss_wrap(&minor, session, 1, GSS_C_QOP_DEFAULT, &plain, NULL, &out) ==
			    GSS_S_COMPLETE)
				(void)ca_send(peer, out.value, out.length);
		}
	} else {
		g_print("requester unknown\n");
	}
	(void)gss_release_buffer(&minor, &request);
	(void)gss_release_buffer(&minor, &out);
	(void)gss_delete_sec_context(&minor, &session, GSS_C_NO_BUFFER);
	(void)fflush(stdout);
}

static void *
ca_load(const char *path, gboolean key)
{
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return NULL;
	void *object = key ? (void *)PEM_read_PrivateKey(file, NULL, NULL, NULL)
			   : (void *)PEM_read_X509(file, NULL, NULL, NULL);
	(void)fclose(file);
	return object;
}

int
main(int argc, char **argv)
{
	if (argc != 4)
		return 64;
	Ca ca = { ca_load(argv[2], FALSE), ca_load(argv[3], TRUE) };
	g_autoptr(GError) error = NULL;
	g_autoptr(GSocketListener) listener = g_socket_listener_new();
	g_autoptr(GSocketAddress) wanted = g_inet_socket_address_new_from_string(argv[1], 0);
	g_autoptr(GSocketAddress) got = NULL;
	if (ca.certificate == NULL || ca.key == NULL || wanted == NULL ||
	    !g_socket_listener_add_address(listener, wanted, G_SOCKET_TYPE_STREAM,
		G_SOCKET_PROTOCOL_TCP, NULL, &got, &error)) {
		g_printerr("requester-ca: %s\n", error != NULL ? error->message : "bad arguments");
		return 1;
	}
	g_print("ready %u\n", g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(got)));
	(void)fflush(stdout);
	for (;;) {
		g_autoptr(GSocketConnection) peer =
		    g_socket_listener_accept(listener, NULL, NULL, NULL);
		if (peer != NULL)
			ca_serve(&ca, peer);
	}
}
