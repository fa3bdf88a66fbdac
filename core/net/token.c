/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* engines are the only way to a token where no pkcs11 provider is to be had, as on Debian 12 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <provost/token.h>

#include "core/net/tls.h"

#include <provost/error.h>
#include <provost/file.h>

#include <string.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>

#define TOKEN_SCHEME "pkcs11:"
#define TOKEN_MAX_URI 1024

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UI_METHOD, UI_destroy_method)

gboolean
pv_token_is_uri(const char *text)
{
	return text != NULL && g_ascii_strncasecmp(text, TOKEN_SCHEME, strlen(TOKEN_SCHEME)) == 0;
}

/* what is asked for while a key is loaded */
typedef struct {
	const char *uri;
	PvSecret *pin; /* NULL: none */
	char *plain; /* the URI without the module; owned */
	char *module; /* owned; NULL: p11-kit's */
	gboolean asked; /* for the PIN */
} Token;

static void
token_clear(Token *token)
{
	g_free(token->plain);
	g_free(token->module);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Token, token_clear)

static gboolean
token_fail(const Token *token, GError **error, const char *reason)
{
	ERR_clear_error();
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "load key %s: %s",
	    token->plain != NULL ? token->plain : TOKEN_SCHEME "...", reason);
	return FALSE;
}

/* RFC 7512, section 2.3: attributes of the path are parted by ';', those of the query by '&' */
static gboolean
token_parse(Token *token, GError **error)
{
	const char *query = strchr(token->uri, '?');
	g_autoptr(GString) rest = g_string_new(NULL);
	g_auto(GStrv) attributes = g_strsplit(query != NULL ? query + 1 : "", "&", 16);
	if (strlen(token->uri) > TOKEN_MAX_URI)
		return token_fail(token, error, "the URI is longer than 1024 characters");
	for (guint i = 0; attributes[i] != NULL; i++) {
		if (g_str_has_prefix(attributes[i], "module-path="))
			token->module = g_uri_unescape_string(strchr(attributes[i], '=') + 1, NULL);
		else
			g_string_append_printf(rest, "%c%s", rest->len > 0 ? '&' : '?', attributes[i]);
	}
	if (strstr(token->uri, "pin-value=") != NULL)
		return token_fail(token, error,
		    "a PIN does not belong into the URI: seal it with \"provost secret set NAME\" and "
		    "refer to it as \"password\"");
	token->plain = g_strdup_printf("%.*s%s",
	    (int)(query != NULL ? (gsize)(query - token->uri) : strlen(token->uri)), token->uri, rest->str);
	return TRUE;
}

/* OpenSSL's way to ask for a PIN */
static int
token_give_pin(UI *ui, UI_STRING *string)
{
	Token *token = UI_get0_user_data(ui);
	if (UI_get_string_type(string) != UIT_PROMPT && UI_get_string_type(string) != UIT_VERIFY)
		return 1;
	token->asked = TRUE;
	if (token->pin == NULL)
		return 0;
	gsize length = 0;
	const char *bytes = pv_secret_peek(token->pin, &length);
	return UI_set_result_ex(ui, string, bytes, (int)length) == 0;
}

static EVP_PKEY *
token_load_from_store(Token *token, UI_METHOD *ui)
{
	EVP_PKEY *key = NULL;
	OSSL_STORE_CTX *store = OSSL_STORE_open(token->plain, ui, token, NULL, NULL);
	if (store == NULL || OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY) != 1) {
		OSSL_STORE_close(store);
		return NULL;
	}
	while (key == NULL && !OSSL_STORE_eof(store)) {
		OSSL_STORE_INFO *info = OSSL_STORE_load(store);
		if (info == NULL)
			break;
		key = OSSL_STORE_INFO_get1_PKEY(info);
		OSSL_STORE_INFO_free(info);
	}
	OSSL_STORE_close(store);
	return key;
}

#ifndef OPENSSL_NO_ENGINE
/* One engine for each module, so that no module is shut down under a key of another. OpenSSL's list of engines keeps it. */
static ENGINE *
token_find_engine(const char *module)
{
	g_autofree char *id = g_strconcat("pkcs11 ", module != NULL ? module : "", NULL);
	ENGINE *engine = ENGINE_by_id(id);
	if (engine != NULL)
		return engine;
	ERR_clear_error();
	engine = ENGINE_by_id("dynamic");
	if (engine == NULL)
		return NULL;
	/* "2": look in the folder only. Not listed by its own name, for then there would be only one */
	gboolean loaded = ENGINE_ctrl_cmd_string(engine, "ID", "pkcs11", 0) == 1 &&
			  ENGINE_ctrl_cmd_string(engine, "DIR_LOAD", "2", 0) == 1 &&
			  ENGINE_ctrl_cmd_string(
			      engine, "DIR_ADD", OPENSSL_info(OPENSSL_INFO_ENGINES_DIR), 0) == 1 &&
			  ENGINE_ctrl_cmd_string(engine, "LOAD", NULL, 0) == 1 &&
			  (module == NULL ||
			      ENGINE_ctrl_cmd_string(engine, "MODULE_PATH", module, 0) == 1);
	/* it would print to stderr what goes wrong */
	if (loaded)
		(void)ENGINE_ctrl_cmd(engine, "QUIET", 0, NULL, NULL, 1);
	/* the list keeps the text of the ID, and engines stay until the process ends */
	if (loaded && ENGINE_set_id(engine, g_intern_string(id)) == 1 && ENGINE_add(engine) == 1)
		return engine;
	ENGINE_free(engine);
	return NULL;
}

static EVP_PKEY *
token_load_from_engine(Token *token, UI_METHOD *ui, gboolean *found)
{
	ENGINE *engine = token_find_engine(token->module);
	*found = engine != NULL;
	if (engine == NULL)
		return NULL;
	EVP_PKEY *key = NULL;
	if (ENGINE_init(engine) == 1) {
		key = ENGINE_load_private_key(engine, token->plain, ui, token);
		/* the key holds a functional reference of its own */
		ENGINE_finish(engine);
	}
	ENGINE_free(engine);
	return key;
}
#else
static EVP_PKEY *
token_load_from_engine(Token *token, UI_METHOD *ui, gboolean *found)
{
	*found = FALSE;
	return NULL;
}
#endif

/* libp11 and the provider word it differently, and both have more to say than is of use */
static const char *
token_find_reason(const Token *token, const char *text)
{
	g_autofree char *lower = g_ascii_strdown(text, -1);
	if (token->asked && token->pin == NULL)
		return "the token wants a PIN and none is configured as \"password\"";
	if (strstr(lower, "pin incorrect") != NULL || strstr(lower, "pin invalid") != NULL ||
	    strstr(lower, "login failed") != NULL)
		return "wrong PIN";
	if (strstr(lower, "pin locked") != NULL)
		return "the token has locked its PIN after too many wrong ones";
	if (strstr(lower, "unable to load module") != NULL || strstr(lower, "invalid parameter") != NULL)
		return "the PKCS#11 module cannot be loaded";
	return "no token has such a private key; \"p11tool --list-tokens\" and \"pkcs11-tool -O\" show what is there";
}

EVP_PKEY *
pv_token_load_key(const char *uri, PvSecret *pin, GError **error)
{
	pv_net_init();
	g_auto(Token) token = { .uri = uri, .pin = pin };
	if (!token_parse(&token, error))
		return NULL;
	if (token.module != NULL) {
		/* it is loaded into this process */
		char *module = pv_file_resolve_trusted(token.module, error);
		if (module == NULL) {
			g_prefix_error(error, "load key %s: ", token.plain);
			return NULL;
		}
		g_free(token.module);
		token.module = module;
	}
	g_autoptr(UI_METHOD) ui = UI_create_method("provost");
	UI_method_set_reader(ui, token_give_pin);
	ERR_clear_error();
	gboolean found = OSSL_PROVIDER_available(NULL, "pkcs11") == 1 && token.module == NULL;
	EVP_PKEY *key = found ? token_load_from_store(&token, ui) : NULL;
	if (!found)
		key = token_load_from_engine(&token, ui, &found);
	if (!found && OSSL_PROVIDER_try_load(NULL, "pkcs11", 1) != NULL) {
		found = TRUE;
		key = token_load_from_store(&token, ui);
	}
	g_autofree char *text = pv_tls_dup_openssl_error();
	if (key != NULL)
		return key;
	g_debug("load key %s: %s", token.plain, text);
	token_fail(&token, error,
	    found ? token_find_reason(&token, text)
		  : "OpenSSL has neither the provider nor the engine for PKCS#11: install "
		    "pkcs11-provider or libengine-pkcs11-openssl");
	return NULL;
}
