/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/tls.h"

#include "sim/x509.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#define TLS_SETUP_OU "Intel(R) Client Setup Certificate"
#define TLS_CHAIN_MAX 8
#define TLS_ON_DIE_MAX 5 /* above the leaf */
#define TLS_SHARED_KEYS 4 /* the built-in certificates of all devices use these */

typedef enum { TLS_PSK_NONE, TLS_PSK_ONLY, TLS_PSK_TOO } TlsPsk;

typedef struct {
	guint min, max;
	gboolean ask; /* for a client certificate */
	TlsPsk psk;
	guint suites; /* the switch */
} TlsKind;

typedef struct {
	TlsKind kind;
	SSL_CTX *context;
} TlsContext;

struct PvSimTlsStack {
	GMutex lock;
	GPtrArray *contexts; /* of TlsContext; protected by lock */
	EVP_PKEY *keys[TLS_SHARED_KEYS]; /* NULL until needed; protected by lock */
	PvSimKeys *pool; /* lent */
	EVP_PKEY *on_die_key; /* of the issuer of on-die certificates; protected by lock */
	GPtrArray *on_die_chain; /* of X509: issuer of the leaf first; protected by lock */
};

static void
tls_x509_free(gpointer data)
{
	X509_free(data);
}

static void
tls_context_free(gpointer data)
{
	TlsContext *context = data;
	SSL_CTX_free(context->context);
	g_free(context);
}

PvSimTlsStack *
pv_sim_tls_stack_new(PvSimKeys *keys)
{
	PvSimTlsStack *stack = g_new0(PvSimTlsStack, 1);
	g_mutex_init(&stack->lock);
	stack->contexts = g_ptr_array_new_with_free_func(tls_context_free);
	stack->pool = keys;
	return stack;
}

void
pv_sim_tls_stack_free(PvSimTlsStack *stack)
{
	if (stack == NULL)
		return;
	g_ptr_array_unref(stack->contexts);
	for (guint i = 0; i < TLS_SHARED_KEYS; i++)
		EVP_PKEY_free(stack->keys[i]);
	EVP_PKEY_free(stack->on_die_key);
	g_clear_pointer(&stack->on_die_chain, g_ptr_array_unref);
	g_mutex_clear(&stack->lock);
	g_free(stack);
}

static gboolean
tls_has_oid(X509 *x509, const char *oid)
{
	gboolean found = FALSE;
	ASN1_OBJECT *wanted = OBJ_txt2obj(oid, 1);
	EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(x509, NID_ext_key_usage, NULL, NULL);
	for (int i = 0; wanted != NULL && usage != NULL && i < sk_ASN1_OBJECT_num(usage); i++)
		found = found || OBJ_cmp(sk_ASN1_OBJECT_value(usage, i), wanted) == 0;
	EXTENDED_KEY_USAGE_free(usage);
	ASN1_OBJECT_free(wanted);
	return found;
}

/* g_free(); NULL: the subject has no such part */
static char *
tls_subject_part(X509 *x509, int nid)
{
	X509_NAME *name = X509_get_subject_name(x509);
	int at = X509_NAME_get_index_by_NID(name, nid, -1);
	if (at < 0)
		return NULL;
	unsigned char *utf8 = NULL;
	int length =
	    ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	char *text = length >= 0 ? g_strndup((const char *)utf8, (gsize)length) : NULL;
	OPENSSL_free(utf8);
	return text;
}

/* "a.b.example.com" -> "example.com" */
static const char *
tls_last_two_labels(const char *name)
{
	const char *dot = strrchr(name, '.');
	while (dot != NULL && dot > name && *--dot != '.')
		continue;
	return dot != NULL && *dot == '.' ? dot + 1 : name;
}

static gboolean
tls_ends_with_domain(const char *name, const char *domain)
{
	g_autofree char *tail = g_strconcat(".", domain, NULL);
	return strcmp(name, domain) == 0 || g_str_has_suffix(name, tail);
}

gboolean
pv_sim_tls_suffix_fits(guint rule, const char *common_name, const char *suffix)
{
	g_autofree char *wanted = g_ascii_strdown(suffix, -1);
	g_autofree char *full = g_ascii_strdown(common_name, -1);
	const char *name = g_str_has_prefix(full, "*.") ? full + 2 : full;
	const char *dot = strchr(name, '.');
	const char *domain = dot != NULL ? dot + 1 : name; /* without the host label */
	if (*wanted == '\0' || *name == '\0')
		return FALSE;
	if (strcmp(name, wanted) == 0 || strcmp(domain, wanted) == 0)
		return TRUE;
	if (rule == PV_SIM_SUFFIX_TWO_LABELS)
		return strcmp(tls_last_two_labels(name), tls_last_two_labels(wanted)) == 0;
	return rule == PV_SIM_SUFFIX_LOOSE &&
	       (tls_ends_with_domain(wanted, name) || tls_ends_with_domain(name, wanted) ||
		   (strchr(domain, '.') != NULL && tls_ends_with_domain(wanted, domain)));
}

static gboolean
tls_root_is_active(const PvSimDevice *device, X509 *root)
{
	const EVP_MD *const digests[] = { NULL, EVP_sha1(), EVP_sha256(), EVP_sha384() };
	for (guint i = 0; i < device->roots->len; i++) {
		const PvSimRoot *known = device->roots->pdata[i];
		guint8 hash[EVP_MAX_MD_SIZE];
		guint length = 0, type = 0;
		const guint8 *wanted = pv_sim_device_root_hash(device, known, &length, &type);
		if (known->active && X509_digest(root, digests[type], hash, NULL) == 1 &&
		    memcmp(hash, wanted, length) == 0)
			return TRUE;
	}
	return FALSE;
}

/* Each link must be named and signed by the next; the last signs itself */
static const char *
tls_judge_links(STACK_OF(X509) * chain)
{
	int count = sk_X509_num(chain);
	for (int i = 0; i < count; i++) {
		X509 *x509 = sk_X509_value(chain, i);
		X509 *issuer = sk_X509_value(chain, i + 1 < count ? i + 1 : i);
		if (X509_NAME_cmp(X509_get_issuer_name(x509), X509_get_subject_name(issuer)) != 0)
			return "chain-incomplete";
		EVP_PKEY *key = X509_get0_pubkey(issuer);
		if (key == NULL || X509_verify(x509, key) != 1)
			return "chain-signature";
		if (i + 1 < count && X509_check_ca(issuer) == 0)
			return "chain-signature"; /* signed, but not by a CA */
	}
	return NULL;
}

const char *
pv_sim_tls_judge(const PvSimDevice *device, STACK_OF(X509) * chain)
{
	int count = chain != NULL ? sk_X509_num(chain) : 0;
	if (count == 0)
		return "no-certificate";
	if (count > TLS_CHAIN_MAX)
		return "chain-too-long";
	const char *why = tls_judge_links(chain);
	if (why != NULL)
		return why;
	if (!tls_root_is_active(device, sk_X509_value(chain, count - 1)))
		return "root-unknown";
	X509 *leaf = sk_X509_value(chain, 0);
	g_autofree char *unit = tls_subject_part(leaf, NID_organizationalUnitName);
	if (!tls_has_oid(leaf, PV_SIM_X509_OID_PROVISIONING) && g_strcmp0(unit, TLS_SETUP_OU) != 0)
		return "no-oid";
	if (!tls_has_oid(leaf, PV_SIM_X509_OID_SERVER))
		return "no-server-auth";
	g_autofree char *name = tls_subject_part(leaf, NID_commonName);
	if (name == NULL || !pv_sim_tls_suffix_fits(
				device->switches->suffix_rule, name, pv_sim_device_suffix(device)))
		return "suffix";
	return NULL; /* dates are recorded, not judged: amt/03 section 2 */
}

/* Is it signed by a trusted root of the device's store? */
static gboolean
tls_is_rooted(const PvSimDevice *device, X509 *x509)
{
	for (guint i = 0; i < device->certificates->len; i++) {
		const PvSimCertificate *root = device->certificates->pdata[i];
		if (root->trusted_root && X509_verify(x509, X509_get0_pubkey(root->x509)) == 1)
			return TRUE;
	}
	return FALSE;
}

/* TrustedCN of one interface lists names or suffixes; an empty list allows all (amt/06 section 5). It holds as it is
 * written, without CommitChanges. */
static gboolean
tls_name_is_trusted(const PvSimDevice *device, const char *interface, const char *name)
{
	const PvSimInstance *bag = pv_sim_device_find_bag(device, "AMT_TLSSettingData", interface);
	gboolean listed = FALSE;
	for (guint i = 0; bag != NULL && i < bag->values->len; i++) {
		const PvSimValue *value = bag->values->pdata[i];
		if (strcmp(value->name, "TrustedCN") != 0)
			continue;
		g_autofree char *domain = g_ascii_strdown(value->text, -1);
		listed = TRUE;
		if (tls_ends_with_domain(name, domain))
			return TRUE;
	}
	return !listed;
}

static gboolean
tls_lists_names(const PvSimDevice *device, const char *interface)
{
	const PvSimInstance *bag = pv_sim_device_find_bag(device, "AMT_TLSSettingData", interface);
	return bag != NULL && pv_sim_instance_has(bag, "TrustedCN");
}

/* From the console's certificate up to one that a root of the store signed, each issued by a CA */
static gboolean
tls_reaches_root(const PvSimDevice *device, STACK_OF(X509) * chain)
{
	int count = chain != NULL ? sk_X509_num(chain) : 0;
	for (int i = 0; i < count && count <= TLS_CHAIN_MAX; i++) {
		X509 *x509 = sk_X509_value(chain, i);
		if (tls_is_rooted(device, x509))
			return TRUE;
		X509 *issuer = i + 1 < count ? sk_X509_value(chain, i + 1) : NULL;
		if (issuer == NULL || X509_check_ca(issuer) == 0 ||
		    X509_verify(x509, X509_get0_pubkey(issuer)) != 1)
			return FALSE;
	}
	return FALSE;
}

/* Mutual TLS after set-up (amt/06 section 5); the distinct reasons are for the log, a console sees an alert */
static const char *
tls_judge_mutual(const PvSimDevice *device, STACK_OF(X509) * chain)
{
	gboolean has_root = FALSE;
	for (guint i = 0; i < device->certificates->len; i++)
		has_root = has_root ||
			   ((const PvSimCertificate *)device->certificates->pdata[i])->trusted_root;
	if (!has_root)
		return "client-no-root";
	if (!tls_reaches_root(device, chain))
		return "client-untrusted";
	X509 *leaf = sk_X509_value(chain, 0);
	if (device->switches->console_oid && !tls_has_oid(leaf, PV_SIM_X509_OID_CONSOLE))
		return "client-no-oid";
	g_autofree char *common_name = tls_subject_part(leaf, NID_commonName);
	g_autofree char *name = g_ascii_strdown(common_name != NULL ? common_name : "", -1);
	if (!tls_name_is_trusted(device, PV_SIM_TLS_REMOTE, name))
		return "client-name";
	/* AMT 7 and older want the names at the local interface, too (amt/12 quirk 28) */
	if (device->personality->version < 800 && tls_lists_names(device, PV_SIM_TLS_REMOTE) &&
	    (!tls_lists_names(device, PV_SIM_TLS_LOCAL) ||
		!tls_name_is_trusted(device, PV_SIM_TLS_LOCAL, name)))
		return "client-name-local";
	return NULL;
}

static int
tls_verify(X509_STORE_CTX *context, void *data)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
	PvSimDevice *device = SSL_get_app_data(ssl);
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(context);
	ERR_set_mark(); /* a signature that does not fit is no error of the handshake itself */
	const char *why = device->state == PV_SIM_IN ? pv_sim_tls_judge(device, chain)
						     : tls_judge_mutual(device, chain);
	ERR_pop_to_mark();
	g_free(device->last_refusal);
	device->last_refusal = g_strdup(why);
	if (why == NULL)
		return 1;
	gboolean unknown = device->switches->pki_alert == PV_SIM_ALERT_CERTIFICATE_UNKNOWN;
	X509_STORE_CTX_set_error(
	    context, unknown ? X509_V_ERR_NO_EXPLICIT_POLICY : X509_V_ERR_CERT_REJECTED);
	return 0;
}

/* "ABCD1234" -> "ABCD-1234"; g_free() */
static char *
tls_dash(const char *code)
{
	GString *text = g_string_new(NULL);
	for (gsize i = 0; code[i] != '\0'; i++)
		g_string_append_printf(text, "%s%c", i > 0 && i % 4 == 0 ? "-" : "", code[i]);
	return g_string_free(text, FALSE);
}

/* RFC 4279: the key of this identity; 0 bytes: unknown. Which bytes AMT takes is inferred: switches psk-identity, psk-key. */
static unsigned int
tls_find_psk(SSL *ssl, const char *identity, unsigned char *key, unsigned int max)
{
	PvSimDevice *device = SSL_get_app_data(ssl);
	const PvSimSwitches *switches = device->switches;
	g_autofree char *pid =
	    switches->psk_identity_dashed ? tls_dash(device->pid) : g_strdup(device->pid);
	g_autofree char *pps =
	    switches->psk_key_dashed ? tls_dash(device->pps) : g_strdup(device->pps);
	gsize length = strlen(pps);
	if (strcmp(identity, pid) != 0 || length > max)
		return 0;
	memcpy(key, pps, length);
	return (unsigned int)length;
}

/* Those of RFC 4279 that OpenSSL has; which of them AMT had is inferred */
#define TLS_SUITES_PSK "PSK-AES128-CBC-SHA:PSK-AES256-CBC-SHA"
/* amt/01 section 4: AES with RSA key exchange is what clients offer to AMT */
#define TLS_SUITES_RSA "kRSA+AES:!aNULL:!eNULL"
#define TLS_SUITES_ANY "DEFAULT:kRSA+AES:!aNULL:!eNULL"

/* g_free() */
static char *
tls_suites(const TlsKind *kind)
{
	const char *certificate =
	    kind->suites == PV_SIM_SUITES_RSA ? TLS_SUITES_RSA : TLS_SUITES_ANY;
	gboolean old = kind->min < PV_SIM_TLS_1_2 || kind->psk != TLS_PSK_NONE;
	return g_strconcat(kind->psk != TLS_PSK_ONLY ? certificate : TLS_SUITES_PSK,
	    kind->psk == TLS_PSK_TOO ? ":" TLS_SUITES_PSK : "", old ? ":@SECLEVEL=0" : "", NULL);
}

/* amt/12 quirk 23 */
static int
tls_meet_hello(SSL *ssl, int *alert, void *data)
{
	PvSimDevice *device = SSL_get_app_data(ssl);
	if (!device->switches->tls_intolerant ||
	    SSL_client_hello_get0_legacy_version(ssl) <= TLS1_VERSION)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_BAD_RECORD_MAC;
	return SSL_CLIENT_HELLO_ERROR;
}

static SSL_CTX *
tls_make_context(const TlsKind *kind)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION,
		TLS1_3_VERSION };
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	g_assert(context != NULL); /* only memory can lack */
	SSL_CTX_set_min_proto_version(context, versions[kind->min]);
	SSL_CTX_set_max_proto_version(context, versions[kind->max]);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	if (kind->min < PV_SIM_TLS_1_2 || kind->psk != TLS_PSK_NONE) {
		SSL_CTX_set_security_level(context, 0); /* SHA-1 signatures and old suites */
	}
	g_autofree char *suites = tls_suites(kind);
	int set = SSL_CTX_set_cipher_list(context, suites);
	g_assert(set == 1); /* the names are the program's own */
	if (kind->psk != TLS_PSK_NONE) {
		SSL_CTX_set_psk_server_callback(context, tls_find_psk);
		SSL_CTX_set_max_proto_version(context, versions[MIN(kind->max, PV_SIM_TLS_1_2)]);
	}
	SSL_CTX_set_client_hello_cb(context, tls_meet_hello, NULL);
	if (kind->ask) {
		SSL_CTX_set_verify(
		    context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		SSL_CTX_set_cert_verify_callback(context, tls_verify, NULL);
	}
	return context;
}

/* Lent: contexts live as long as the stack */
static SSL_CTX *
tls_find_context(PvSimTlsStack *stack, const TlsKind *kind)
{
	g_mutex_lock(&stack->lock);
	TlsContext *found = NULL;
	for (guint i = 0; i < stack->contexts->len && found == NULL; i++) {
		TlsContext *context = stack->contexts->pdata[i];
		if (context->kind.min == kind->min && context->kind.max == kind->max &&
		    context->kind.ask == kind->ask && context->kind.psk == kind->psk &&
		    context->kind.suites == kind->suites)
			found = context;
	}
	if (found == NULL) {
		found = g_new0(TlsContext, 1);
		*found = (TlsContext) { *kind, tls_make_context(kind) };
		g_ptr_array_add(stack->contexts, found);
	}
	g_mutex_unlock(&stack->lock);
	return found->context;
}

/* The on-die CA. The fourth certificate of a chain has ROM CA in its name, whether four or six are sent (amt/01 section
 * 4); a shorter chain leaves out the two that Intel publishes. With lock. */
static void
tls_ensure_on_die(PvSimTlsStack *stack)
{
	static const char *const names[TLS_ON_DIE_MAX] = { "OnDie CA Root Cert Signing",
		"OnDie CA CSME Intermediate CA", "CSME SIM ROM CA", "CSME SIM Kernel CA",
		"CSME SIM AMT CA" };
	if (stack->on_die_chain != NULL)
		return;
	stack->on_die_chain = g_ptr_array_new_with_free_func(tls_x509_free);
	X509 *issuer = NULL;
	for (guint i = 0; i < TLS_ON_DIE_MAX; i++) {
		EVP_PKEY *key = pv_sim_keys_take(stack->pool);
		const PvSimX509Spec spec = {
			.organization = "Intel Corporation", .common_name = names[i], .ca = TRUE
		};
		issuer = pv_sim_x509_make(
		    &spec, key, issuer, stack->on_die_key != NULL ? stack->on_die_key : key);
		g_ptr_array_insert(stack->on_die_chain, 0, issuer);
		EVP_PKEY_free(stack->on_die_key);
		stack->on_die_key = key;
	}
}

void
pv_sim_tls_ensure_built_in(PvSimTlsStack *stack, PvSimDevice *device)
{
	if (device->built_in_chain != NULL)
		return;
	gboolean on_die = device->switches->on_die_chain;
	g_mutex_lock(&stack->lock);
	EVP_PKEY **shared = &stack->keys[device->index % TLS_SHARED_KEYS];
	if (*shared == NULL)
		*shared = pv_sim_keys_take(stack->pool);
	if (on_die)
		tls_ensure_on_die(stack);
	EVP_PKEY_up_ref(*shared);
	device->built_in_key = *shared;
	device->built_in_chain = g_ptr_array_new_with_free_func(tls_x509_free);
	guint above = device->switches->on_die_certificates == PV_SIM_ON_DIE_6 ? 5 : 3;
	for (guint i = 0; on_die && i < above; i++) {
		X509 *x509 = stack->on_die_chain->pdata[i];
		X509_up_ref(x509);
		g_ptr_array_add(device->built_in_chain, x509);
	}
	g_mutex_unlock(&stack->lock);

	/* No serverAuth in the on-die leaf: a strict client refuses it (amt/12 quirk 24) */
	const PvSimX509Spec spec = {
		.organization = on_die ? "Intel Corporation" : NULL,
		.common_name = on_die ? "AMT RCFG" : device->uuid_text,
		.oids = { on_die ? PV_SIM_X509_OID_CLIENT : PV_SIM_X509_OID_SERVER },
		.sha1 = device->personality->sha1,
	};
	X509 *issuer = on_die ? device->built_in_chain->pdata[0] : NULL;
	X509 *leaf = pv_sim_x509_make(
	    &spec, device->built_in_key, issuer, on_die ? stack->on_die_key : device->built_in_key);
	g_ptr_array_insert(device->built_in_chain, 0, leaf);
}

static gboolean
tls_use_identity(PvSimTlsStack *stack, PvSimDevice *device, SSL *ssl)
{
	if (device->state == PV_SIM_POST && device->tls.key != NULL)
		return SSL_use_certificate(ssl, device->tls.x509) == 1 &&
		       SSL_use_PrivateKey(ssl, device->tls.key) == 1;
	pv_sim_tls_ensure_built_in(stack, device);
	if (SSL_use_certificate(ssl, device->built_in_chain->pdata[0]) != 1 ||
	    SSL_use_PrivateKey(ssl, device->built_in_key) != 1)
		return FALSE;
	for (guint i = 1; i < device->built_in_chain->len; i++) {
		if (SSL_add1_chain_cert(ssl, device->built_in_chain->pdata[i]) != 1)
			return FALSE;
	}
	return TRUE;
}

static TlsPsk
tls_psk(const PvSimDevice *device)
{
	if (device->state != PV_SIM_IN || !pv_sim_device_has_psk(device))
		return TLS_PSK_NONE;
	return device->switches->psk_setup == PV_SIM_PSK_ONLY ? TLS_PSK_ONLY : TLS_PSK_TOO;
}

SSL *
pv_sim_tls_accept(PvSimTlsStack *stack, PvSimDevice *device)
{
	const PvSimSwitches *switches = device->switches;
	TlsKind kind = {
		.min = switches->tls_min,
		.max = MAX(switches->tls_max, switches->tls_min),
		.psk = tls_psk(device),
		.suites = switches->suites,
	};
	kind.ask = (device->state == PV_SIM_IN && kind.psk != TLS_PSK_ONLY) ||
		   (device->state == PV_SIM_POST && device->tls.mutual);
	SSL *ssl = SSL_new(tls_find_context(stack, &kind));
	if (ssl == NULL)
		return NULL;
	/* a session is good for this device and this state of its TLS only */
	guint32 id[3] = { device->index, device->generation, device->state };
	SSL_set_app_data(ssl, device);
	if (SSL_set_session_id_context(ssl, (const unsigned char *)id, sizeof id) != 1 ||
	    (kind.psk != TLS_PSK_ONLY && !tls_use_identity(stack, device, ssl))) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_accept_state(ssl);
	return ssl;
}

char *
pv_sim_tls_client_name(SSL *ssl)
{
	X509 *x509 = SSL_get0_peer_certificate(ssl);
	return x509 != NULL ? tls_subject_part(x509, NID_commonName) : NULL;
}

const char *
pv_sim_tls_refusal(SSL *ssl, PvSimDevice *device)
{
	int reason = ERR_GET_REASON(ERR_peek_error());
	gboolean psk = tls_psk(device) != TLS_PSK_NONE;
	switch (reason) {
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return "no-certificate";
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		return device->last_refusal != NULL ? device->last_refusal : "handshake";
	case SSL_R_PSK_IDENTITY_NOT_FOUND:
		return "psk-unknown-pid";
	case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
	case SSL_R_DIGEST_CHECK_FAILED:
		return psk ? "psk-wrong-pps"
			   : "handshake"; /* the first record under the keys cannot be read */
	case SSL_R_NO_SHARED_CIPHER:
		return tls_psk(device) == TLS_PSK_ONLY ? "psk-not-offered" : "version-or-cipher";
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_CALLBACK_FAILED: /* tls-intolerant */
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: /* the client will not go as low ... */
	case SSL_R_WRONG_VERSION_NUMBER: /* ... and says so in a record of a higher version */
		return "version-or-cipher";
	default:
		return "handshake";
	}
}
