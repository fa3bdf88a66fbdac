/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/soap.h"

#include <provost/error.h>

#include <string.h>

/* How long a tag of an answer may be. */

static PvSoapReply *
soap_tag_parse(const char *content, GError **error)
{
	g_autoptr(PvSoapParser) parser = pv_soap_parser_new();
	g_autofree char *text = g_strdup_printf(
	    "<a:Envelope xmlns:a=\"http://www.w3.org/2003/05/soap-envelope\"><a:Body>%s</a:Body></a:Envelope>", content);
	return pv_soap_parse(parser, text, strlen(text), error);
}

static char *
soap_tag_dup_attributes(guint count)
{
	GString *tag = g_string_new("<x");
	for (guint i = 0; i < count; i++)
		g_string_append_printf(tag, " a%x=\">\"", i);
	g_string_append(tag, "/>");
	return g_string_free(tag, FALSE);
}

static void
soap_tag_test_long(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *bearable = soap_tag_dup_attributes(500);
	g_autoptr(PvSoapReply) reply = soap_tag_parse(bearable, &error);
	g_assert_no_error(error);
	g_assert_nonnull(reply->instance);
	g_autofree char *endless = soap_tag_dup_attributes(100000);
	g_assert_null(soap_tag_parse(endless, &error));
	g_assert_error(error, PV_ERROR, PV_ERROR_PROTOCOL);
	g_assert_nonnull(strstr(error->message, "a tag of more than"));
}

/* what looks like an open tag or quote, and is none */
static void
soap_tag_test_other(void)
{
	g_autofree char *filler = g_strnfill(20000, 'y');
	static const char *const forms[] = { "<x><![CDATA[<z ']]>%s</x>", "<!-- <it's --><x>%s</x>",
		"<x>it's \"%s</x>", "<x><![CDATA[%s]]></x>", "<x><!--%s--></x>" };
	for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
		g_auto(GStrv) parts = g_strsplit(forms[i], "%s", 2);
		g_autofree char *content = g_strjoinv(filler, parts);
		g_autoptr(GError) error = NULL;
		g_autoptr(PvSoapReply) reply = soap_tag_parse(content, &error);
		g_assert_no_error(error);
		g_assert_nonnull(reply->instance);
	}
	g_autoptr(PvSoapParser) idle = pv_soap_parser_new();
	g_autoptr(GError) empty = NULL;
	g_assert_null(pv_soap_parse(idle, NULL, 0, &empty));
	g_assert_error(empty, PV_ERROR, PV_ERROR_PROTOCOL);
	/* cut off anywhere it is malformed and no more */
	static const char *const cut[] = { "<", "<!", "<!-", "<!--", "<![CDATA[", "<x a='", "<?", "</" };
	for (gsize i = 0; i < G_N_ELEMENTS(cut); i++) {
		g_autoptr(PvSoapParser) parser = pv_soap_parser_new();
		g_autofree char *text = g_strndup(cut[i], strlen(cut[i]));
		g_autoptr(GError) error = NULL;
		g_assert_null(pv_soap_parse(parser, text, strlen(text), &error));
		g_assert_error(error, PV_ERROR, PV_ERROR_PROTOCOL);
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/amt/soap/tag/long", soap_tag_test_long);
	g_test_add_func("/amt/soap/tag/other", soap_tag_test_other);
	return g_test_run();
}
