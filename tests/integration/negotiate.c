/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* negotiate URL SERVICE BODY REQUEST...: a client that logs in by a ticket for SERVICE, HTTP@host:16993 say, which curl
 * cannot be told to ask for. Posts the file BODY for each REQUEST, on one connection while it stays open: "fresh" with a
 * token made for it, "again" with the token before, "none" without. Prints a line for each: the status, and "proved"
 * when the server has proved that it is SERVICE. */
#include <curl/curl.h>
#include <gio/gio.h>
#include <gssapi/gssapi_krb5.h>
#include <stdio.h>
#include <string.h>

#define NEGOTIATE_OID_BYTES "\x2b\x06\x01\x05\x05\x02" /* SPNEGO */

typedef struct {
	gss_ctx_id_t context;
	gss_name_t service;
	char *token; /* Base64, of the last fresh request; NULL: none */
	char *reply; /* Base64, of the last answer; NULL: none */
} Negotiate;

static gboolean
negotiate_step(Negotiate *negotiate, gss_buffer_t input, gss_buffer_t output)
{
	gss_OID_desc spnego = { sizeof NEGOTIATE_OID_BYTES - 1, (void *)NEGOTIATE_OID_BYTES };
	OM_uint32 minor = 0;
	OM_uint32 major = gss_init_sec_context(&minor, GSS_C_NO_CREDENTIAL, &negotiate->context,
	    negotiate->service, &spnego, GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG, 0,
	    GSS_C_NO_CHANNEL_BINDINGS, input, NULL, output, NULL, NULL);
	if (!GSS_ERROR(major))
		return TRUE;
	gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
	OM_uint32 more = 0, ignored = 0;
	gss_display_status(&ignored, minor, GSS_C_MECH_CODE, &spnego, &more, &text);
	fprintf(stderr, "negotiate: %.*s\n", (int)text.length, (char *)text.value);
	gss_release_buffer(&ignored, &text);
	return FALSE;
}

static gboolean
negotiate_begin(Negotiate *negotiate)
{
	gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
	OM_uint32 minor = 0;
	gss_delete_sec_context(&minor, &negotiate->context, GSS_C_NO_BUFFER);
	g_clear_pointer(&negotiate->token, g_free);
	if (!negotiate_step(negotiate, GSS_C_NO_BUFFER, &output))
		return FALSE;
	negotiate->token = g_base64_encode(output.value, output.length);
	gss_release_buffer(&minor, &output);
	return TRUE;
}

/* Did the server's token complete what was begun? */
static gboolean
negotiate_is_proved(Negotiate *negotiate)
{
	gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
	OM_uint32 minor = 0;
	int open = 0;
	if (negotiate->reply == NULL || negotiate->context == GSS_C_NO_CONTEXT)
		return FALSE;
	gsize length = 0;
	g_autofree guchar *token = g_base64_decode(negotiate->reply, &length);
	gss_buffer_desc input = { length, token };
	gboolean good = negotiate_step(negotiate, &input, &output);
	gss_release_buffer(&minor, &output);
	return good &&
	       gss_inquire_context(&minor, negotiate->context, NULL, NULL, NULL, NULL, NULL, NULL,
		   &open) == GSS_S_COMPLETE &&
	       open != 0;
}

static size_t
negotiate_header(char *data, size_t size, size_t count, void *user)
{
	static const char name[] = "WWW-Authenticate: Negotiate ";
	Negotiate *negotiate = user;
	g_autofree char *line = g_strstrip(g_strndup(data, size * count));
	if (g_ascii_strncasecmp(line, name, strlen(name)) == 0) {
		g_free(negotiate->reply);
		negotiate->reply = g_strdup(line + strlen(name));
	}
	return size * count;
}

static size_t
negotiate_ignore(char *data, size_t size, size_t count, void *user)
{
	return size * count;
}

static gboolean
negotiate_post(Negotiate *negotiate, CURL *curl, const char *kind)
{
	if (strcmp(kind, "fresh") == 0 && !negotiate_begin(negotiate))
		return FALSE;
	const char *token = strcmp(kind, "none") != 0 ? negotiate->token : NULL;
	g_autofree char *line = g_strconcat("Authorization: Negotiate ", token, NULL);
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/soap+xml");
	if (token != NULL)
		headers = curl_slist_append(headers, line);
	g_clear_pointer(&negotiate->reply, g_free);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	CURLcode code = curl_easy_perform(curl);
	long status = 0;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(headers);
	if (code != CURLE_OK)
		fprintf(stderr, "negotiate: %s\n", curl_easy_strerror(code));
	else
		printf("%ld%s\n", status, negotiate_is_proved(negotiate) ? " proved" : "");
	return code == CURLE_OK;
}

int
main(int argc, char **argv)
{
	Negotiate negotiate = { .context = GSS_C_NO_CONTEXT };
	g_autofree char *body = NULL;
	OM_uint32 minor = 0;
	if (argc < 5 || !g_file_get_contents(argv[3], &body, NULL, NULL))
		return 2;
	gss_buffer_desc name = { strlen(argv[2]), argv[2] };
	if (gss_import_name(&minor, &name, GSS_C_NT_HOSTBASED_SERVICE, &negotiate.service) !=
	    GSS_S_COMPLETE)
		return 2;
	CURL *curl = curl_easy_init();
	curl_easy_setopt(curl, CURLOPT_URL, argv[1]);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L); /* the ticket says who the server is */
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_CIPHER_LIST, "DEFAULT@SECLEVEL=0"); /* old devices */
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_0);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, negotiate_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, &negotiate);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, negotiate_ignore);
	gboolean good = TRUE;
	for (int i = 4; i < argc && good; i++)
		good = negotiate_post(&negotiate, curl, argv[i]);
	curl_easy_cleanup(curl);
	gss_release_name(&minor, &negotiate.service);
	gss_delete_sec_context(&minor, &negotiate.context, GSS_C_NO_BUFFER);
	g_free(negotiate.token);
	g_free(negotiate.reply);
	return good ? 0 : 1;
}
