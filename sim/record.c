/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/record.h"

#include "sim/soap.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <libxml/parser.h>
#include <string.h>
#include <unistd.h>

#define RECORD_END "\n]\n}\n"
#define RECORD_MASK "masked"

struct PvSimRecording {
	GMutex lock;
	char *path;
	off_t at; /* where the last row ends; protected by lock */
	guint count; /* rows; protected by lock */
};

/* Whether a value of this name must not be in a file: passwords and keys of the classes in amt/02 to amt/08 */
static gboolean
record_is_secret(const char *name)
{
	static const char *const names[] = { "keyblob", "masterkey", "pps", "psk", "pskvalue",
		"protectedaccesscredential", "privatekey", "sharedsecret", NULL };
	g_autofree char *lower = g_ascii_strdown(name, -1);
	if (strcmp(lower, "passwordmodel") == 0) /* a number */
		return FALSE;
	return strstr(lower, "password") != NULL || strstr(lower, "passphrase") != NULL ||
	       g_str_has_suffix(lower, "otp") || g_strv_contains(names, lower);
}

/* Whether the value is another one whenever it is sent: the times of SetHighAccuracyTimeSynch */
static gboolean
record_is_time(const char *name)
{
	return strcmp(name, "Ta0") == 0 || strcmp(name, "Tm1") == 0 || strcmp(name, "Tm2") == 0;
}

/* Requests: what they must contain, with gaps where a secret or a time was */

/* Where the value of the element at @tag ends, if it is one to leave out; else NULL. @value: where it begins. */
static const char *
record_find_gap(const char *tag, const char **value)
{
	gsize length = strcspn(tag + 1, " \t\r\n/>");
	g_autofree char *name = g_strndup(tag + 1, length);
	const char *colon = strchr(name, ':');
	const char *local = colon != NULL ? colon + 1 : name;
	const char *open = strchr(tag, '>');
	if (open == NULL || open[-1] == '/' || (!record_is_secret(local) && !record_is_time(local)))
		return NULL;
	g_autofree char *closing = g_strconcat("</", name, NULL);
	const char *end = strstr(open, closing);
	*value = open + 1;
	/* SetMEBxPassword_INPUT holds elements: they are looked at one by one */
	const char *inner = strchr(open, '<');
	return end != NULL && (inner == end || inner[1] == '!') ? end : NULL;
}

static void
record_add_piece(JsonArray *pieces, const char *from, const char *to)
{
	g_autofree char *piece = g_strndup(from, (gsize)(to - from));
	if (*piece != '\0')
		json_array_add_string_element(pieces, piece);
}

/* The request's Body as text; g_free(); NULL: it has none */
static char *
record_dup_body(const PvSimRequest *request, const char *text)
{
	xmlNodePtr root = xmlDocGetRootElement(request->doc);
	const char *prefix = (const char *)root->ns->prefix;
	g_autofree char *name =
	    g_strconcat(prefix != NULL ? prefix : "", prefix != NULL ? ":Body" : "Body", NULL);
	g_autofree char *opening = g_strconcat("<", name, NULL);
	g_autofree char *closing = g_strconcat("</", name, NULL);
	const char *begin = strstr(text, opening);
	const char *end = g_strrstr(text, closing);
	begin = begin != NULL ? strchr(begin, '>') : NULL;
	return begin != NULL && end != NULL && begin < end
		   ? g_strndup(begin + 1, (gsize)(end - begin) - 1)
		   : NULL;
}

static JsonArray *
record_cut(const char *body)
{
	JsonArray *pieces = json_array_new();
	const char *from = body;
	for (const char *tag = strchr(body, '<'); tag != NULL; tag = strchr(tag + 1, '<')) {
		const char *value = NULL;
		const char *end = record_find_gap(tag, &value);
		if (end == NULL)
			continue;
		record_add_piece(pieces, from, value);
		from = tag = end;
	}
	record_add_piece(pieces, from, from + strlen(from));
	return pieces;
}

static JsonObject *
record_expect(const PvSimRequest *request, const char *text)
{
	JsonObject *expect = json_object_new();
	JsonObject *selectors = json_object_new();
	g_autofree char *body = record_dup_body(request, text);
	json_object_set_string_member(expect, "class", request->class_name);
	json_object_set_string_member(expect, "method",
	    request->op == PV_SIM_OP_INVOKE ? request->method : pv_sim_op_name(request->op));
	for (guint i = 0; i < request->selectors->len; i++) {
		const PvSimValue *selector = request->selectors->pdata[i];
		if (selector->text != NULL)
			json_object_set_string_member(selectors, selector->name, selector->text);
	}
	if (json_object_get_size(selectors) > 0)
		json_object_set_object_member(expect, "selectors", json_object_ref(selectors));
	json_object_unref(selectors);
	if (body != NULL && *body != '\0')
		json_object_set_array_member(expect, "contains", record_cut(body));
	return expect;
}

/* Answers */

static xmlNodePtr
record_find(xmlNodePtr parent, const char *name)
{
	for (xmlNodePtr node = parent != NULL ? parent->children : NULL; node != NULL;
	     node = node->next) {
		if (node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0)
			return node;
	}
	return NULL;
}

static void
record_mask(xmlNodePtr node)
{
	gboolean leaf = TRUE;
	for (xmlNodePtr child = node->children; child != NULL; child = child->next) {
		if (child->type == XML_ELEMENT_NODE) {
			leaf = FALSE;
			record_mask(child);
		}
	}
	if (leaf && node->children != NULL && record_is_secret((const char *)node->name))
		xmlNodeSetContent(node, BAD_CAST RECORD_MASK);
}

static void
record_set_text(JsonObject *answer, const char *member, xmlNodePtr node)
{
	xmlChar *content = node != NULL ? xmlNodeGetContent(node) : NULL;
	const char *text = content != NULL ? (const char *)content : "";
	const char *colon = strcmp(member, "fault") == 0 ? strrchr(text, ':') : NULL;
	json_object_set_string_member(answer, member, colon != NULL ? colon + 1 : text);
	xmlFree(content);
}

/* The element with the declarations of all the prefixes that it uses */
static void
record_append_element(GString *text, xmlNodePtr node)
{
	xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
	xmlNodePtr copy = xmlDocCopyNode(node, doc, 1);
	xmlBufferPtr buffer = xmlBufferCreate();
	xmlDocSetRootElement(doc, copy);
	record_mask(copy);
	if (xmlNodeDump(buffer, doc, copy, 0, 0) > 0)
		g_string_append(text, (const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	xmlFreeDoc(doc);
}

static JsonObject *
record_answer(guint status, const char *text)
{
	JsonObject *answer = json_object_new();
	xmlDocPtr doc = text != NULL
			    ? xmlReadMemory(text, (int)strlen(text), NULL, NULL,
				  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)
			    : NULL;
	xmlNodePtr body = doc != NULL ? record_find(xmlDocGetRootElement(doc), "Body") : NULL;
	xmlNodePtr fault = record_find(body, "Fault");
	if (text == NULL) {
		json_object_set_boolean_member(answer, "close", TRUE);
	} else if (fault != NULL) {
		xmlNodePtr subcode = record_find(record_find(fault, "Code"), "Subcode");
		record_set_text(answer, "fault", record_find(subcode, "Value"));
		record_set_text(answer, "text", record_find(record_find(fault, "Reason"), "Text"));
	} else if (body != NULL) {
		g_autoptr(GString) content = g_string_new(NULL);
		for (xmlNodePtr node = body->children; node != NULL; node = node->next) {
			if (node->type == XML_ELEMENT_NODE)
				record_append_element(content, node);
		}
		json_object_set_string_member(answer, "body", content->str);
	}
	if (text != NULL && (status != 200 || body == NULL))
		json_object_set_int_member(answer, "status", status);
	xmlFreeDoc(doc);
	return answer;
}

/* The file */

static gboolean
record_write(PvSimRecording *recording, int flags, const char *text, GError **error)
{
	int fd = open(recording->path, O_WRONLY | O_CLOEXEC | flags, 0600);
	gsize length = strlen(text);
	ssize_t written = fd >= 0 ? pwrite(fd, text, length, recording->at) : -1;
	int why = written < 0 ? errno : ENOSPC;
	if (fd >= 0 && close(fd) != 0 && written == (ssize_t)length) {
		written = -1;
		why = errno;
	}
	if (written == (ssize_t)length)
		return TRUE;
	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(why), "write recording %s: %s",
	    recording->path, g_strerror(why));
	return FALSE;
}

/* The file without rows, with lock or before anyone else has it */
static gboolean
record_begin(PvSimRecording *recording, const char *server, GError **error)
{
	g_autoptr(JsonNode) version =
	    json_node_init_string(json_node_alloc(), server != NULL ? server : "");
	g_autofree char *quoted = json_to_string(version, FALSE);
	g_autofree char *member = g_strdup_printf("\"server-version\": %s,\n", quoted);
	g_autofree char *head =
	    g_strconcat("{\n", server != NULL ? member : "", "\"exchange\": [", NULL);
	g_autofree char *text = g_strconcat(head, RECORD_END, NULL);
	recording->at = 0;
	if (!record_write(recording, O_CREAT | O_TRUNC, text, error))
		return FALSE;
	recording->at = (off_t)strlen(head);
	return TRUE;
}

PvSimRecording *
pv_sim_recording_new(const char *path, const char *server, GError **error)
{
	g_autoptr(PvSimRecording) recording = g_new0(PvSimRecording, 1);
	g_mutex_init(&recording->lock);
	recording->path = g_strdup(path);
	if (!record_begin(recording, server, error))
		return NULL;
	return g_steal_pointer(&recording);
}

gboolean
pv_sim_recording_set_server(PvSimRecording *recording, const char *server, GError **error)
{
	g_mutex_lock(&recording->lock);
	gboolean written = recording->count > 0 || record_begin(recording, server, error);
	g_mutex_unlock(&recording->lock);
	return written;
}

void
pv_sim_recording_free(PvSimRecording *recording)
{
	if (recording == NULL)
		return;
	g_mutex_clear(&recording->lock);
	g_free(recording->path);
	g_free(recording);
}

gboolean
pv_sim_recording_add(PvSimRecording *recording, const char *data, gsize length, guint status,
    const char *answer, GError **error)
{
	PvSimRefusal refusal = { PV_SIM_FAULT_NONE, NULL };
	g_autoptr(PvSimRequest) request = pv_sim_request_parse(data, length, &refusal);
	g_free(refusal.detail);
	if (request == NULL)
		return TRUE;
	g_autofree char *text = g_strndup(data, length);
	JsonObject *row = json_object_new();
	json_object_set_object_member(row, "expect", record_expect(request, text));
	json_object_set_object_member(row, "answer", record_answer(status, answer));
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), row);
	json_object_unref(row);
	g_autofree char *json = json_to_string(node, TRUE);
	g_mutex_lock(&recording->lock);
	g_autofree char *whole =
	    g_strconcat(recording->count > 0 ? ",\n" : "\n", json, RECORD_END, NULL);
	gboolean written = record_write(recording, 0, whole, error);
	if (written) {
		recording->at += (off_t)(strlen(whole) - strlen(RECORD_END));
		recording->count++;
	}
	g_mutex_unlock(&recording->lock);
	return written;
}

guint
pv_sim_recording_get_count(PvSimRecording *recording)
{
	g_mutex_lock(&recording->lock);
	guint count = recording->count;
	g_mutex_unlock(&recording->lock);
	return count;
}
