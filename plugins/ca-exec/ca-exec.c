/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A CA that a program talks to, by the contract that certmonger has with its helpers: what is asked for is in the environment,
 * the exit code says what came of it. README.md tells it. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <provost/pki.h>
#include <provost/program.h>
#include <provost/provost.h>
#include <string.h>

#define CA_EXEC_COOKIE_MAX 4096 /* bytes */
#define CA_EXEC_DELAY_MAX 604800 /* seconds; a week */

/* Exit codes of helpers (certmonger, doc/helpers.txt) */
typedef enum {
	CA_EXEC_ISSUED = 0,
	CA_EXEC_WAIT = 1,
	CA_EXEC_REJECTED = 2,
	CA_EXEC_UNREACHABLE = 3,
	CA_EXEC_UNDERCONFIGURED = 4,
	CA_EXEC_WAIT_WITH_DELAY = 5,
	CA_EXEC_OPERATION_NOT_SUPPORTED = 6,
	CA_EXEC_NEED_SCEP_DATA = 16,
	CA_EXEC_NEED_REKEY = 17,
} CaExecCode;

typedef struct {
	char *program; /* as configured */
	char **arguments;
	char **environment; /* "NAME=VALUE" */
	char *nickname; /* CERTMONGER_CA_NICKNAME */
	char *profile; /* CERTMONGER_CA_PROFILE of requests without a template; NULL: none */
	char *roots; /* PEM file with the CA's certificates; NULL: the program tells them */
	gboolean template_extension;
	guint limit_sec, poll_sec;
} CaExec;

static void
ca_exec_close(gpointer handle)
{
	CaExec *ca = handle;
	if (ca == NULL)
		return;
	g_free(ca->program);
	g_strfreev(ca->arguments);
	g_strfreev(ca->environment);
	g_free(ca->nickname);
	g_free(ca->profile);
	g_free(ca->roots);
	g_free(ca);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CaExec, ca_exec_close)

static gboolean
ca_exec_check_environment(const PvValues *values, GError **error)
{
	const char *const *list = pv_values_get_list(values, "environment");
	for (guint i = 0; list[i] != NULL; i++) {
		const char *equals = strchr(list[i], '=');
		gboolean good = equals != NULL && equals != list[i] &&
				!g_str_has_prefix(list[i], "CERTMONGER_OPERATION=");
		for (const char *c = list[i]; good && c < equals; c++)
			good = g_ascii_isalnum(*c) || *c == '_';
		if (good)
			continue;
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s[%u]: \"%s\" is not NAME=VALUE",
		    pv_values_get_where(values, "environment"), i, list[i]);
		return FALSE;
	}
	return TRUE;
}

static gpointer
ca_exec_open(const PvValues *values, GError **error)
{
	if (!ca_exec_check_environment(values, error))
		return NULL;
	g_autoptr(CaExec) ca = g_new0(CaExec, 1);
	ca->program = g_strdup(pv_values_get_string(values, "program"));
	ca->arguments = g_strdupv((char **)pv_values_get_list(values, "arguments"));
	ca->environment = g_strdupv((char **)pv_values_get_list(values, "environment"));
	ca->nickname = g_strdup(pv_values_get_string(values, "nickname"));
	ca->profile = g_strdup(pv_values_get_string(values, "profile"));
	ca->roots = g_strdup(pv_values_get_string(values, "roots"));
	ca->template_extension = pv_values_get_bool(values, "template-extension");
	ca->limit_sec = (guint)pv_values_get_int(values, "time-limit");
	ca->poll_sec = (guint)pv_values_get_int(values, "poll");
	g_autofree char *path = pv_file_resolve_trusted(ca->program, error);
	if (path == NULL) {
		g_prefix_error(error, "%s: ", pv_values_get_where(values, "program"));
		return NULL;
	}
	return g_steal_pointer(&ca);
}

/* A call */

static void
ca_exec_tell(const char *text, gpointer data)
{
	g_debug("%s: %s", (const char *)data, text);
}

/* FALSE: it did not run to its end. @environment: "NAME=VALUE" of this call, owned, or NULL */
static gboolean
ca_exec_run(CaExec *ca, const char *operation, GPtrArray *environment, PvProgramOutcome *outcome,
    GCancellable *cancellable, GError **error)
{
	/* each time: it may have been replaced since */
	g_autofree char *path = pv_file_resolve_trusted(ca->program, error);
	if (path == NULL)
		return FALSE;
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	g_autoptr(GPtrArray) all = g_ptr_array_new();
	g_autofree char *what = g_strconcat("CERTMONGER_OPERATION=", operation, NULL);
	g_autofree char *nickname = g_strconcat("CERTMONGER_CA_NICKNAME=", ca->nickname, NULL);
	g_ptr_array_add(argv, path);
	for (guint i = 0; ca->arguments[i] != NULL; i++)
		g_ptr_array_add(argv, ca->arguments[i]);
	g_ptr_array_add(argv, NULL);
	g_ptr_array_add(all, what);
	g_ptr_array_add(all, nickname);
	for (guint i = 0; ca->environment[i] != NULL; i++)
		g_ptr_array_add(all, ca->environment[i]);
	for (guint i = 0; environment != NULL && i < environment->len; i++)
		g_ptr_array_add(all, environment->pdata[i]);
	g_ptr_array_add(all, NULL);
	const PvProgram program = {
		.path = path,
		.argv = (const char *const *)argv->pdata,
		.input = "",
		.limit_sec = ca->limit_sec,
		.cancellable = cancellable,
		.line = ca_exec_tell,
		.data = path,
		.environment = (const char *const *)all->pdata,
	};
	return pv_program_run(&program, outcome, error);
}

/* What it wrote for people: helpers say it on standard output, some on standard error. (transfer full) */
static char *
ca_exec_dup_text(const PvProgramOutcome *outcome)
{
	g_autoptr(GBytes) bytes = g_bytes_new(outcome->output->str, outcome->output->len);
	char *text = pv_pki_dup_text(bytes);
	return text != NULL ? text : g_strdup(outcome->last);
}

/* For all codes but those that are answers. */
static void
ca_exec_set_error(
    CaExec *ca, const char *operation, const PvProgramOutcome *outcome, GError **error)
{
	g_autofree char *text = ca_exec_dup_text(outcome);
	const char *why = text != NULL ? text : "it did not say why";
	PvError code = PV_ERROR_FAILED;
	switch (outcome->code) {
	case CA_EXEC_REJECTED:
		code = PV_ERROR_REJECTED;
		break;
	case CA_EXEC_UNREACHABLE:
		code = PV_ERROR_UNREACHABLE;
		break;
	case CA_EXEC_UNDERCONFIGURED:
		code = PV_ERROR_CONFIG;
		break;
	case CA_EXEC_OPERATION_NOT_SUPPORTED:
	case CA_EXEC_NEED_SCEP_DATA:
	case CA_EXEC_NEED_REKEY:
		code = PV_ERROR_UNSUPPORTED;
		break;
	default:
		break;
	}
	if (outcome->signal != 0)
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "%s %s: ended by signal %d: %s",
		    ca->program, operation, outcome->signal, why);
	else
		g_set_error(error, PV_ERROR, (gint)code, "%s %s: exit code %d: %s", ca->program,
		    operation, outcome->code, why);
}

/* Requests */

static void
ca_exec_add(GPtrArray *environment, const char *name, const char *value)
{
	if (value != NULL)
		g_ptr_array_add(environment, g_strdup_printf("CERTMONGER_%s=%s", name, value));
}

/* PEM of a request; NULL: it is none in DER. (transfer full) */
static char *
ca_exec_dup_csr(GBytes *csr_der, const char **key_type)
{
	gsize size = 0;
	const guint8 *data = g_bytes_get_data(csr_der, &size);
	X509_REQ *csr = d2i_X509_REQ(NULL, &data, (long)size);
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL, *pem = NULL;
	if (csr != NULL && bio != NULL && PEM_write_bio_X509_REQ(bio, csr) == 1) {
		long length = BIO_get_mem_data(bio, &text);
		pem = g_strndup(text, (gsize)length);
		*key_type = EVP_PKEY_is_a(X509_REQ_get0_pubkey(csr), "EC") ? "EC" : "RSA";
	}
	ERR_clear_error();
	BIO_free(bio);
	X509_REQ_free(csr);
	return pem;
}

static GPtrArray *
ca_exec_new_environment(CaExec *ca, const PvCertRequest *request, GBytes *csr_der, GError **error)
{
	const char *key_type = NULL;
	g_autofree char *csr = ca_exec_dup_csr(csr_der, &key_type);
	if (csr == NULL) {
		g_set_error_literal(
		    error, PV_ERROR, PV_ERROR_PROTOCOL, "certificate request is not one in DER");
		return NULL;
	}
	g_autofree char *subject = g_strconcat("CN=", request->common_name, NULL);
	g_autofree char *names =
	    request->dns_names == NULL ? NULL : g_strjoinv("\n", (char **)request->dns_names);
	GPtrArray *environment = g_ptr_array_new_with_free_func(g_free);
	ca_exec_add(environment, "CSR", csr);
	ca_exec_add(environment, "KEY_TYPE", key_type);
	ca_exec_add(environment, "REQ_SUBJECT", subject);
	ca_exec_add(environment, "REQ_HOSTNAME", names);
	ca_exec_add(environment, "REQ_PRINCIPAL", request->upn);
	ca_exec_add(environment, "CA_PROFILE",
	    request->template_name != NULL ? request->template_name : ca->profile);
	return environment;
}

/* @cookie: of last time, where the program gave none now; NULL: there was none */
static gboolean
ca_exec_take_cookie(CaExec *ca, const PvProgramOutcome *outcome, const char *cookie,
    PvCaReply *reply, GError **error)
{
	char *text = outcome->output->str;
	guint64 delay = ca->poll_sec;
	if (outcome->code == CA_EXEC_WAIT_WITH_DELAY) {
		char *end = strchr(text, '\n');
		g_autofree char *line =
		    g_strndup(text, end == NULL ? strlen(text) : (gsize)(end - text));
		if (!g_ascii_string_to_unsigned(
			g_strstrip(line), 10, 0, G_MAXUINT32, &delay, NULL)) {
			g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
			    "%s: its exit code 5 asks for a number of seconds in the first line, "
			    "and there is "
			    "none",
			    ca->program);
			return FALSE;
		}
		text = end == NULL ? text + strlen(text) : end + 1;
	}
	g_autofree char *given = g_strstrip(g_strdup(text));
	if (*given == '\0' && cookie == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "%s: it wants to be asked again and gave nothing to remember the request by",
		    ca->program);
		return FALSE;
	}
	if (strlen(given) > CA_EXEC_COOKIE_MAX || !g_utf8_validate(given, -1, NULL)) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "%s: what it remembers the request by is longer than %d bytes, or no UTF-8",
		    ca->program, CA_EXEC_COOKIE_MAX);
		return FALSE;
	}
	reply->outcome = PV_CA_PENDING;
	reply->cookie = *given != '\0' ? g_steal_pointer(&given) : g_strdup(cookie);
	reply->not_before_sec = (guint)CLAMP(delay, 1, CA_EXEC_DELAY_MAX);
	return TRUE;
}

static gboolean
ca_exec_take(CaExec *ca, const char *operation, const PvProgramOutcome *outcome, GBytes *csr_der,
    const char *cookie, PvCaReply *reply, GError **error)
{
	if (outcome->code == CA_EXEC_WAIT || outcome->code == CA_EXEC_WAIT_WITH_DELAY)
		return ca_exec_take_cookie(ca, outcome, cookie, reply, error);
	if (outcome->code == CA_EXEC_REJECTED) {
		reply->outcome = PV_CA_DENIED;
		reply->text = ca_exec_dup_text(outcome);
		return TRUE;
	}
	if (outcome->code != CA_EXEC_ISSUED) {
		ca_exec_set_error(ca, operation, outcome, error);
		return FALSE;
	}
	g_autoptr(GBytes) output = g_bytes_new(outcome->output->str, outcome->output->len);
	g_autoptr(GPtrArray) certificates = pv_pki_parse_certificates(output, error);
	if (certificates == NULL) {
		g_prefix_error(error, "%s %s: ", ca->program, operation);
		return FALSE;
	}
	pv_pki_set_issued(reply, certificates, csr_der);
	return TRUE;
}

static gboolean
ca_exec_ask(CaExec *ca, const PvCertRequest *request, GBytes *csr_der, const char *cookie,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	const char *operation = cookie != NULL ? "POLL" : "SUBMIT";
	*reply = (PvCaReply) { 0 };
	if (identity != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "%s: a program asks in its own name: set \"as\" of the stage to \"service\"",
		    ca->program);
		return FALSE;
	}
	g_autoptr(GPtrArray) environment = ca_exec_new_environment(ca, request, csr_der, error);
	if (environment == NULL)
		return FALSE;
	ca_exec_add(environment, "CA_COOKIE", cookie);
	g_auto(PvProgramOutcome) outcome = { 0 };
	return ca_exec_run(ca, operation, environment, &outcome, cancellable, error) &&
	       ca_exec_take(ca, operation, &outcome, csr_der, cookie, reply, error);
}

static gboolean
ca_exec_submit(gpointer handle, const PvCertRequest *request, GBytes *csr_der,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	return ca_exec_ask(handle, request, csr_der, NULL, identity, reply, cancellable, error);
}

static gboolean
ca_exec_poll(gpointer handle, const PvCertRequest *request, GBytes *csr_der, const char *cookie,
    const PvCaIdentity *identity, PvCaReply *reply, GCancellable *cancellable, GError **error)
{
	return ca_exec_ask(handle, request, csr_der, cookie, identity, reply, cancellable, error);
}

static gboolean
ca_exec_prepare(gpointer handle, const PvCertRequest *request, PvCaPreparation *preparation,
    GCancellable *cancellable, GError **error)
{
	const CaExec *ca = handle;
	const char *name = request->template_name != NULL ? request->template_name : ca->profile;
	*preparation = (PvCaPreparation) { 0 };
	if (ca->template_extension)
		preparation->template_extension = g_strdup(name);
	return TRUE;
}

/* What else it is asked */

static GPtrArray *
ca_exec_chain(gpointer handle, GCancellable *cancellable, GError **error)
{
	CaExec *ca = handle;
	if (ca->roots != NULL)
		return pv_pki_load_certificates(ca->roots, error);
	g_auto(PvProgramOutcome) outcome = { 0 };
	if (!ca_exec_run(ca, "FETCH-ROOTS", NULL, &outcome, cancellable, error))
		return NULL;
	if (outcome.code != CA_EXEC_ISSUED) {
		ca_exec_set_error(ca, "FETCH-ROOTS", &outcome, error);
		g_prefix_error(error, "name the CA's certificates in \"roots\": ");
		return NULL;
	}
	g_autoptr(GBytes) output = g_bytes_new(outcome.output->str, outcome.output->len);
	GPtrArray *chain = pv_pki_parse_certificates(output, error);
	if (chain == NULL)
		g_prefix_error(error, "%s FETCH-ROOTS: ", ca->program);
	return chain;
}

static gboolean
ca_exec_revoke(
    gpointer handle, GBytes *certificate, guint reason, GCancellable *cancellable, GError **error)
{
	const CaExec *ca = handle;
	g_set_error(error, PV_ERROR, PV_ERROR_UNSUPPORTED,
	    "revoke certificate: programs such as %s have no way to do it: use the CA's own tools",
	    ca->program);
	return FALSE;
}

/* A row for one operation that is answered by text. */
static gboolean
ca_exec_look(CaExec *ca, const char *operation, const char *check, PvReport *report,
    GCancellable *cancellable, GError **error)
{
	g_auto(PvProgramOutcome) outcome = { 0 };
	if (!ca_exec_run(ca, operation, NULL, &outcome, cancellable, error))
		return FALSE;
	g_autofree char *text = ca_exec_dup_text(&outcome);
	if (outcome.code == CA_EXEC_ISSUED)
		pv_report_add(report, PV_REPORT_OK, check, ca->program, "%s",
		    text != NULL ? text : "nothing was said");
	else if (outcome.code == CA_EXEC_OPERATION_NOT_SUPPORTED)
		pv_report_add(
		    report, PV_REPORT_OK, check, ca->program, "the program does not tell");
	else
		pv_report_add(report, PV_REPORT_FAILURE, check, ca->program, "exit code %d: %s",
		    outcome.code, text != NULL ? text : "it did not say why");
	return TRUE;
}

static gboolean
ca_exec_check(gpointer handle, PvReport *report, GCancellable *cancellable, GError **error)
{
	return ca_exec_look(handle, "IDENTIFY", "program", report, cancellable, error) &&
	       ca_exec_look(
		   handle, "GET-SUPPORTED-TEMPLATES", "templates", report, cancellable, error);
}

static const PvParam ca_exec_params[] = {
	{ "program", PV_PARAM_PATH, NULL,
	    "a helper for certmonger, or one like it; only root or this user may be able to write "
	    "it" },
	{ "arguments", PV_PARAM_LIST, "[]", "its arguments" },
	{ "environment", PV_PARAM_LIST, "[]",
	    "\"NAME=VALUE\", such as KRB5_CONFIG; all that it gets beside the request" },
	{ "nickname", PV_PARAM_STRING, "\"provost\"", "what the program is told to be called" },
	{ "profile", PV_PARAM_STRING, "null", "the CA's profile for stages that name no template" },
	{ "template-extension", PV_PARAM_BOOL, "false",
	    "the request itself names the template, too, as AD CS wants it" },
	{ "roots", PV_PARAM_PATH, "null",
	    "PEM file with the CA's certificates; else the program is asked (FETCH-ROOTS)" },
	{ "time-limit", PV_PARAM_INT, "60", "after which one call of it is ended", .unit = "s",
	    .minimum = 1, .maximum = 3600 },
	{ "poll", PV_PARAM_INT, "60", "until it is asked again where it does not say when",
	    .unit = "s", .minimum = 1, .maximum = 86400 },
	{ NULL },
};

static const PvCa ca_exec_cas[] = {
	{
	    .type = "exec",
	    .summary = "a program of the site's own, by certmonger's contract",
	    .params = ca_exec_params,
	    .open = ca_exec_open,
	    .close = ca_exec_close,
	    .prepare = ca_exec_prepare,
	    .submit = ca_exec_submit,
	    .poll = ca_exec_poll,
	    .chain = ca_exec_chain,
	    .revoke = ca_exec_revoke,
	    .check = ca_exec_check,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "ca-exec", PV_VERSION, "certificates by a program of the site's own", .cas = ca_exec_cas);
