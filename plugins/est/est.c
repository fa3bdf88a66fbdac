/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "est-attrs.h"

#include <provost/fetch.h>
#include <provost/pki.h>
#include <provost/provost.h>
#include <string.h>

/* Enrolment over Secure Transport: RFC 7030, with the encodings of RFC 8951. One request gives one certificate; a server that
 * wants time says so with 202, and then the same request is sent again. */

#define EST_PATH "/.well-known/est"
/* characters of base64; some servers take no longer lines, and none without a newline */
#define EST_LINE 64
#define EST_MAX_LABEL 64

typedef struct {
	const PvValues *values; /* the site's */
	GMutex lock;
	PvFetch *fetch; /* copied for each call; NULL: not yet; protected by lock */
	char *base; /* URL of the default label, without a slash at the end */
	char *roots; /* NULL: the server is asked */
	gboolean labels; /* a template's name is a label */
	gboolean attributes; /* the server is asked for them */
	guint wait_sec; /* when the server names no time */
} EstCa;

static const PvParam est_params[] = {
	{ .name = "url",
	    .kind = PV_PARAM_STRING,
	    .summary = "of the server, https://HOST[:PORT]; with a path, that is used in place of "
		       "/.well-known/est" },
	{ .name = "label",
	    .kind = PV_PARAM_STRING,
	    .fallback = "null",
	    .summary = "of the CA or profile on a server with several" },
	{ .name = "template-label",
	    .kind = PV_PARAM_BOOL,
	    .fallback = "false",
	    .summary = "the template that a stage names is the label" },
	{ .name = "trust",
	    .kind = PV_PARAM_PATH,
	    .fallback = "null",
	    .summary = "PEM file that the server's own certificate is verified with; without it, "
		       "the system's roots" },
	{ .name = "roots",
	    .kind = PV_PARAM_PATH,
	    .fallback = "null",
	    .summary = "PEM file with the CA's certificates, root included; without it, the server "
		       "is asked" },
	{ .name = "certificate",
	    .kind = PV_PARAM_PATH,
	    .fallback = "null",
	    .summary = "registration authority's certificate to log in with, PEM or PKCS#12" },
	{ .name = "key",
	    .kind = PV_PARAM_PATH,
	    .fallback = "null",
	    .summary = "its private key, a PEM file or a pkcs11: URI; without it, beside the "
		       "certificate" },
	{ .name = "key-password",
	    .kind = PV_PARAM_SECRET,
	    .fallback = "null",
	    .summary = "of the private key, the PKCS#12 or the token" },
	{ .name = "user",
	    .kind = PV_PARAM_STRING,
	    .fallback = "null",
	    .summary = "to log in with, by HTTP Digest or Basic" },
	{ .name = "password",
	    .kind = PV_PARAM_SECRET,
	    .fallback = "null",
	    .summary = "of the user" },
	{ .name = "csr-attributes",
	    .kind = PV_PARAM_BOOL,
	    .fallback = "true",
	    .summary = "ask the server what it wants in requests" },
	{ .name = "timeout",
	    .kind = PV_PARAM_INT,
	    .fallback = "60",
	    .summary = "longest wait for one answer",
	    .unit = "s",
	    .minimum = 1,
	    .maximum = 600 },
	{ .name = "poll",
	    .kind = PV_PARAM_INT,
	    .fallback = "300",
	    .summary = "wait before asking again, where the server names no time",
	    .unit = "s",
	    .minimum = 1,
	    .maximum = 86400 },
	{ NULL },
};

static void
est_close(gpointer handle)
{
	EstCa *ca = handle;
	if (ca == NULL)
		return;
	pv_fetch_free(ca->fetch);
	g_mutex_clear(&ca->lock);
	g_free(ca->base);
	g_free(ca->roots);
	g_free(ca);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EstCa, est_close)

/* a path segment that needs no escapes (RFC 3986, unreserved), and is not "." */
static gboolean
est_is_label(const char *label)
{
	gsize length = strlen(label);
	for (const char *c = label; *c != '\0'; c++)
		if (!g_ascii_isalnum(*c) && strchr("-._~", *c) == NULL)
			return FALSE;
	return length > 0 && length <= EST_MAX_LABEL && *label != '.';
}

/* NULL: with the error */
static char *
est_make_base(const PvValues *values, GError **error)
{
	const char *url = pv_values_get_string(values, "url");
	const char *label = pv_values_get_string(values, "label");
	if (!g_str_has_prefix(url, "https://") || strpbrk(url, "?# \t\r\n") != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: it is not https://HOST[:PORT][/PATH]: EST is spoken over TLS only",
		    pv_values_get_where(values, "url"));
		return NULL;
	}
	if (label != NULL && !est_is_label(label)) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: a label has letters, digits, '-', '.', '_' and '~' only",
		    pv_values_get_where(values, "label"));
		return NULL;
	}
	g_autofree char *plain = g_strdup(url);
	for (gsize end = strlen(plain); end > 0 && plain[end - 1] == '/'; end--)
		plain[end - 1] = '\0';
	gboolean path =
	    strlen(plain) > strlen("https://") && strchr(plain + strlen("https://"), '/') != NULL;
	return g_strconcat(plain, path ? "" : EST_PATH, label != NULL ? "/" : NULL, label, NULL);
}

/* FALSE: with the error; *secret stays NULL where there is none */
static gboolean
est_take_secret(const PvValues *values, const char *name, PvSecret **secret, GError **error)
{
	if (pv_values_has(values, name))
		*secret = pv_values_dup_secret(values, name, error);
	return !pv_values_has(values, name) || *secret != NULL;
}

static PvFetch *
est_new_fetch(const PvValues *values, GError **error)
{
	g_autoptr(PvSecret) key_password = NULL;
	g_autoptr(PvSecret) password = NULL;
	if (!est_take_secret(values, "key-password", &key_password, error) ||
	    !est_take_secret(values, "password", &password, error))
		return NULL;
	const PvFetchOptions options = {
		.trust = pv_values_get_string(values, "trust"),
		.certificate = pv_values_get_string(values, "certificate"),
		.key = pv_values_get_string(values, "key"),
		.key_password = key_password,
		.user = pv_values_get_string(values, "user"),
		.password = password,
		.request_msec = (guint)pv_values_get_int(values, "timeout") * 1000,
	};
	return pv_fetch_new(&options, error);
}

static gpointer
est_open(const PvValues *values, GError **error)
{
	g_autoptr(EstCa) ca = g_new0(EstCa, 1);
	g_mutex_init(&ca->lock);
	ca->values = values;
	ca->base = est_make_base(values, error);
	if (ca->base == NULL)
		return NULL;
	ca->roots = g_strdup(pv_values_get_string(values, "roots"));
	ca->labels = pv_values_get_bool(values, "template-label");
	ca->attributes = pv_values_get_bool(values, "csr-attributes");
	ca->wait_sec = (guint)pv_values_get_int(values, "poll");
	return g_steal_pointer(&ca);
}

/* Files and secrets are read at the first use: the site is opened also to give it its secrets. The device's account, where it
 * asks, has a password and no certificate. */
static PvFetch *
est_take_fetch(EstCa *ca, const PvCaIdentity *identity, GError **error)
{
	g_mutex_lock(&ca->lock);
	if (ca->fetch == NULL)
		ca->fetch = est_new_fetch(ca->values, error);
	PvFetch *copy = NULL;
	if (ca->fetch != NULL && identity != NULL)
		copy = pv_fetch_dup_as(ca->fetch, NULL, identity->account, identity->password);
	else if (ca->fetch != NULL)
		copy = pv_fetch_dup(ca->fetch);
	g_mutex_unlock(&ca->lock);
	return copy;
}

/* A login that is refused may be an old one: what it was read from is read again the next time. */
static gboolean
est_send(EstCa *ca, PvFetch *fetch, const char *method, const char *url, GBytes *body,
    PvFetchReply *answer, GCancellable *cancellable, GError **error)
{
	static const char *const headers[] = { "Content-Type: application/pkcs10",
		"Content-Transfer-Encoding: base64", "Accept: application/pkcs7-mime", NULL };
	g_autoptr(GError) local = NULL;
	if (pv_fetch_request(fetch, method, url, body != NULL ? headers : NULL, body, answer,
		cancellable, &local))
		return TRUE;
	if (g_error_matches(local, PV_ERROR, PV_ERROR_AUTH)) {
		g_mutex_lock(&ca->lock);
		g_clear_pointer(&ca->fetch, pv_fetch_free);
		g_mutex_unlock(&ca->lock);
	}
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

/* ---- requests ---- */

/* NULL: with the error */
static char *
est_make_url(const EstCa *ca, const PvCertRequest *request, const char *operation, GError **error)
{
	if (request == NULL || !ca->labels || request->template_name == NULL)
		return g_strdup_printf("%s/%s", ca->base, operation);
	if (est_is_label(request->template_name))
		return g_strdup_printf("%s/%s/%s", ca->base, request->template_name, operation);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "template \"%s\" is no label: letters, digits, '-', '.', '_' and '~' only",
	    request->template_name);
	return NULL;
}

/* The server is not what was asked for: every status but those that the operation itself knows. */
static void
est_set_status_error(const char *url, const PvFetchReply *answer, GError **error)
{
	g_autofree char *text = pv_pki_dup_text(answer->body);
	PvError code = PV_ERROR_PROTOCOL;
	const char *remedy = "";
	if (answer->status >= 500 || answer->status == 429 || answer->status == 408) {
		code = PV_ERROR_UNREACHABLE;
	} else if (answer->status == 403) {
		code = PV_ERROR_AUTH;
		remedy = ": the login has no right to enrol others";
	} else if (answer->status == 404) {
		code = PV_ERROR_CONFIG;
		remedy = ": look at \"url\" and \"label\"";
	} else if (answer->status / 100 == 3) {
		code = PV_ERROR_CONFIG;
		remedy = ": it points elsewhere: name that place with \"url\"";
	}
	g_set_error(error, PV_ERROR, (gint)code, "%s: the server answers %u%s%s%s", url,
	    answer->status, remedy, text != NULL ? ": " : "", text != NULL ? text : "");
}

/* base64 in lines, as RFC 7030 has it; RFC 8951 lets servers do without, and all take them */
static GBytes *
est_encode(GBytes *der)
{
	g_autofree char *line = g_base64_encode(g_bytes_get_data(der, NULL), g_bytes_get_size(der));
	GString *lines = g_string_new(NULL);
	gsize length = strlen(line);
	for (gsize i = 0; i < length; i += EST_LINE)
		g_string_append_printf(lines, "%.*s\n", EST_LINE, line + i);
	return g_string_free_to_bytes(lines);
}

/* ---- what the server wants in requests ---- */

/* An answer without attributes leaves them zero. The server need not know the operation. */
static gboolean
est_ask_attributes(EstCa *ca, PvFetch *fetch, const PvCertRequest *request, EstAttrs *attrs,
    GCancellable *cancellable, GError **error)
{
	g_auto(PvFetchReply) answer = { 0 };
	g_autofree char *url = est_make_url(ca, request, "csrattrs", error);
	if (url == NULL || !est_send(ca, fetch, "GET", url, NULL, &answer, cancellable, error))
		return FALSE;
	if (answer.status >= 500 && answer.status != 501) {
		est_set_status_error(url, &answer, error);
		return FALSE;
	}
	if (answer.status != 200 || g_bytes_get_size(answer.body) == 0)
		return TRUE;
	g_autoptr(GBytes) der = pv_pki_decode(answer.body, error);
	if (der != NULL && est_attrs_parse(der, attrs, error))
		return TRUE;
	g_prefix_error(error, "%s: ", url);
	return FALSE;
}

static gboolean
est_prepare(gpointer handle, const PvCertRequest *request, PvCaPreparation *preparation,
    GCancellable *cancellable, GError **error)
{
	EstCa *ca = handle;
	if (!ca->attributes)
		return TRUE;
	g_autoptr(PvFetch) fetch = est_take_fetch(ca, NULL, error);
	g_auto(EstAttrs) attrs = { 0 };
	if (fetch == NULL || !est_ask_attributes(ca, fetch, request, &attrs, cancellable, error))
		return FALSE;
	preparation->template_extension = g_steal_pointer(&attrs.template_extension);
	return TRUE;
}

/* ---- enrolment ---- */

static gboolean
est_take_certificate(
    const PvFetchReply *answer, GBytes *csr_der, const char *url, PvCaReply *reply, GError **error)
{
	g_autoptr(GPtrArray) certificates = pv_pki_parse_certificates(answer->body, error);
	if (certificates == NULL) {
		g_prefix_error(error, "%s: ", url);
		return FALSE;
	}
	pv_pki_set_issued(reply, certificates, csr_der);
	return TRUE;
}

/* RFC 7030, 4.2.3 */
static gboolean
est_take_answer(const EstCa *ca, const PvFetchReply *answer, GBytes *csr_der, const char *url,
    PvCaReply *reply, GError **error)
{
	switch (answer->status) {
	case 200:
		return est_take_certificate(answer, csr_der, url, reply, error);
	case 202:
		reply->outcome = PV_CA_PENDING;
		reply->cookie = g_strdup("simpleenroll");
		reply->not_before_sec =
		    answer->retry_after_sec > 0 ? answer->retry_after_sec : ca->wait_sec;
		reply->text = pv_pki_dup_text(answer->body);
		return TRUE;
	case 400:
	case 409:
	case 422:
		reply->outcome = PV_CA_DENIED;
		reply->text = pv_pki_dup_text(answer->body);
		if (reply->text == NULL)
			reply->text = g_strdup_printf(
			    "the server answers %u without a reason", answer->status);
		return TRUE;
	default:
		est_set_status_error(url, answer, error);
		return FALSE;
	}
}

static gboolean
est_submit(gpointer handle, const PvCertRequest *request, GBytes *csr_der,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	EstCa *ca = handle;
	g_auto(PvFetchReply) answer = { 0 };
	g_autofree char *url = est_make_url(ca, request, "simpleenroll", error);
	if (url == NULL)
		return FALSE;
	g_autoptr(PvFetch) fetch = est_take_fetch(ca, identity, error);
	if (fetch == NULL)
		return FALSE;
	g_autoptr(GBytes) body = est_encode(csr_der);
	return est_send(ca, fetch, "POST", url, body, &answer, cancellable, error) &&
	       est_take_answer(ca, &answer, csr_der, url, reply, error);
}

/* the identical request again; the server knows it by its content (RFC 7030, 4.2.3) */
static gboolean
est_poll(gpointer handle, const PvCertRequest *request, GBytes *csr_der, const char *cookie,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	return est_submit(handle, request, csr_der, identity, reply, cancellable, error);
}

/* ---- the CA's own certificates ---- */

static GPtrArray *
est_ask_chain(EstCa *ca, PvFetch *fetch, GCancellable *cancellable, GError **error)
{
	g_auto(PvFetchReply) answer = { 0 };
	g_autofree char *url = est_make_url(ca, NULL, "cacerts", error);
	if (url == NULL || !est_send(ca, fetch, "GET", url, NULL, &answer, cancellable, error))
		return NULL;
	if (answer.status != 200) {
		est_set_status_error(url, &answer, error);
		return NULL;
	}
	GPtrArray *certificates = pv_pki_parse_certificates(answer.body, error);
	if (certificates == NULL)
		g_prefix_error(error, "%s: ", url);
	return certificates;
}

static GPtrArray *
est_chain(gpointer handle, GCancellable *cancellable, GError **error)
{
	EstCa *ca = handle;
	if (ca->roots != NULL)
		return pv_pki_load_certificates(ca->roots, error);
	g_autoptr(PvFetch) fetch = est_take_fetch(ca, NULL, error);
	return fetch != NULL ? est_ask_chain(ca, fetch, cancellable, error) : NULL;
}

static gboolean
est_revoke(
    gpointer handle, GBytes *certificate, guint reason, GCancellable *cancellable, GError **error)
{
	g_set_error_literal(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
	    "EST has no revocation: have it revoked at the CA itself");
	return FALSE;
}

/* ---- check ---- */

/* FALSE: somebody cancelled. Takes @failure; NULL: none. */
static gboolean
est_report_failure(
    PvReport *report, const char *check, const EstCa *ca, GError *failure, GError **error)
{
	g_autoptr(GError) local = failure;
	if (local != NULL && local->domain != PV_ERROR) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if (local != NULL)
		pv_report_add(report, PV_REPORT_FAILURE, check, ca->base, "%s", local->message);
	return TRUE;
}

static void
est_report_attributes(const EstCa *ca, const EstAttrs *attrs, PvReport *report)
{
	if (attrs->ec && !attrs->rsa)
		pv_report_add(report, PV_REPORT_WARNING, "csr attributes", ca->base,
		    "it wants EC keys, and AMT makes RSA keys of 2048 bits only: have the profile "
		    "take these");
	else if (attrs->bits > 2048)
		pv_report_add(report, PV_REPORT_WARNING, "csr attributes", ca->base,
		    "it wants RSA keys of %" G_GINT64_FORMAT
		    " bits, and AMT makes 2048: have the profile take these",
		    attrs->bits);
	else if (attrs->challenge)
		pv_report_add(report, PV_REPORT_WARNING, "csr attributes", ca->base,
		    "it wants a proof that TLS and request have one key, which nobody can give for "
		    "a "
		    "device: log in with a registration authority's certificate (cmcRA)");
	else
		pv_report_add(report, PV_REPORT_OK, "csr attributes", ca->base, "%u named%s%s",
		    attrs->count, attrs->template_extension != NULL ? ", template " : "",
		    attrs->template_extension != NULL ? attrs->template_extension : "");
}

/* An empty request is none, but whoever has no right to send it is told so first. */
static gboolean
est_check_login(
    EstCa *ca, PvFetch *fetch, PvReport *report, GCancellable *cancellable, GError **error)
{
	g_auto(PvFetchReply) answer = { 0 };
	g_autoptr(GBytes) empty = g_bytes_new_static("", 0);
	g_autofree char *url = est_make_url(ca, NULL, "simpleenroll", error);
	GError *failure = NULL;
	if (url == NULL)
		return FALSE;
	if (est_send(ca, fetch, "POST", url, empty, &answer, cancellable, &failure)) {
		if (answer.status != 403 && answer.status != 404) {
			pv_report_add(report, PV_REPORT_OK, "login", ca->base,
			    "the server looked at an empty request (%u)", answer.status);
			return TRUE;
		}
		est_set_status_error(url, &answer, &failure);
	}
	return est_report_failure(report, "login", ca, failure, error);
}

static gboolean
est_check(gpointer handle, PvReport *report, GCancellable *cancellable, GError **error)
{
	EstCa *ca = handle;
	GError *failure = NULL;
	g_autoptr(PvFetch) fetch = est_take_fetch(ca, NULL, &failure);
	g_autoptr(GPtrArray) chain =
	    fetch != NULL ? est_ask_chain(ca, fetch, cancellable, &failure) : NULL;
	if (chain == NULL)
		return est_report_failure(report, "server", ca, failure, error);
	pv_report_add(report, PV_REPORT_OK, "server", ca->base,
	    "reached, with a verified certificate; it hands out %u of the CA", chain->len);
	g_auto(EstAttrs) attrs = { 0 };
	if (ca->attributes && est_ask_attributes(ca, fetch, NULL, &attrs, cancellable, &failure))
		est_report_attributes(ca, &attrs, report);
	return est_report_failure(report, "csr attributes", ca, failure, error) &&
	       est_check_login(ca, fetch, report, cancellable, error);
}

static const PvCa est_cas[] = {
	{
	    .type = "est",
	    .summary = "a CA that speaks EST (RFC 7030)",
	    .params = est_params,
	    .open = est_open,
	    .close = est_close,
	    .prepare = est_prepare,
	    .submit = est_submit,
	    .poll = est_poll,
	    .chain = est_chain,
	    .revoke = est_revoke,
	    .check = est_check,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "est", PV_VERSION, "certificates by Enrolment over Secure Transport", .cas = est_cas);
