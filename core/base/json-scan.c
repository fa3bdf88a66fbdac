/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/json-scan.h"

#include <errno.h>
#include <math.h>
#include <provost/error.h>
#include <string.h>

#include "core/base/json.h"

typedef struct {
	const char *name; /* of the file; borrowed */
	const char
	    *at; /* next byte; the text is followed by a NUL of ours, which ends every strspn() */
	const char *end;
	guint line; /* of .at */
	guint depth;
	char *path; /* of the value being read; owned */
	GArray *lines; /* of guint; borrowed */
	GError **error;
} JsonScan;

static gboolean scan_value(JsonScan *scan);

G_GNUC_PRINTF(2, 3)
static gboolean
scan_fail(JsonScan *scan, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	g_autofree char *text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	g_set_error(scan->error, PV_ERROR, PV_ERROR_CONFIG, "%s:%u: %s: %s", scan->name, scan->line,
	    scan->path, text);
	return FALSE;
}

/* Says what stands at the place where @wanted should. */
static gboolean
scan_fail_expected(JsonScan *scan, const char *wanted)
{
	if (scan->at >= scan->end)
		return scan_fail(scan, "expected %s, but the file ends", wanted);
	if (*scan->at == '/' || *scan->at == '#')
		return scan_fail(
		    scan, "expected %s, got '%c': JSON has no comments", wanted, *scan->at);
	if (*scan->at == '\'')
		return scan_fail(scan, "expected %s, got ': JSON has double quotes only", wanted);
	char character[8] = { 0 };
	(void)g_unichar_to_utf8(g_utf8_get_char(scan->at), character);
	g_autofree char *shown = pv_json_dup_shown(character);
	return scan_fail(scan, "expected %s, got '%s'", wanted, shown);
}

/* what json-glib, too, takes for blanks; nothing else passes as one */
static void
scan_blanks(JsonScan *scan)
{
	for (; *scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r' || *scan->at == '\n';
	     scan->at++)
		if (*scan->at == '\n')
			scan->line++;
}

static gboolean
scan_hex4(JsonScan *scan, gunichar *unit)
{
	*unit = 0;
	for (guint i = 0; i < 4; i++, scan->at++) {
		int digit = g_ascii_xdigit_value(*scan->at);
		if (digit < 0)
			return scan_fail(scan, "\\u takes four hexadecimal digits");
		*unit = *unit << 4 | (gunichar)digit;
	}
	return TRUE;
}

/* behind "\u" */
static gboolean
scan_unicode_escape(JsonScan *scan, GString *text)
{
	gunichar unit = 0, low = 0;
	if (!scan_hex4(scan, &unit))
		return FALSE;
	if (unit == 0)
		return scan_fail(scan, "\\u0000 cannot be in a text");
	if (unit >= 0xd800 && unit < 0xdc00 && scan->at[0] == '\\' && scan->at[1] == 'u') {
		scan->at += 2;
		if (!scan_hex4(scan, &low))
			return FALSE;
		if (low >= 0xdc00 && low < 0xe000)
			unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
	}
	if (unit >= 0xd800 && unit < 0xe000)
		return scan_fail(scan, "\\u%04x is half of a surrogate pair", unit);
	g_string_append_unichar(text, unit);
	return TRUE;
}

static gboolean
scan_escape(JsonScan *scan, GString *text)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char letter = *++scan->at;
	const char *found = letter != '\0' ? strchr(from, letter) : NULL;
	if (found != NULL) {
		scan->at++;
		g_string_append_c(text, to[found - from]);
		return TRUE;
	}
	if (letter != 'u')
		return scan_fail(scan, "unknown escape: a backslash itself is written \\\\");
	scan->at++;
	return scan_unicode_escape(scan, text);
}

/* at the opening quote; @text (nullable) gets what the string means */
static gboolean
scan_string(JsonScan *scan, GString *text)
{
	g_autoptr(GString) own = text == NULL ? g_string_new(NULL) : NULL;
	GString *meaning = text != NULL ? text : own;
	scan->at++;
	while (*scan->at != '"') {
		if (scan->at >= scan->end)
			return scan_fail(scan, "a string has no closing quote");
		if (*scan->at == '\n' || *scan->at == '\r')
			return scan_fail(scan, "a string has no closing quote on its line");
		if ((guchar)*scan->at < 0x20)
			return scan_fail(
			    scan, "a string holds the control character 0x%02x", (guchar)*scan->at);
		if (*scan->at != '\\')
			g_string_append_c(meaning, *scan->at++);
		else if (!scan_escape(scan, meaning))
			return FALSE;
	}
	scan->at++;
	return TRUE;
}

static gsize
scan_digits(JsonScan *scan)
{
	gsize count = strspn(scan->at, "0123456789");
	scan->at += count;
	return count;
}

/* RFC 8259, section 6 */
static gboolean
scan_number(JsonScan *scan)
{
	const char *begin = scan->at;
	gboolean whole = TRUE;
	if (*scan->at == '-')
		scan->at++;
	gboolean zero = *scan->at == '0';
	gsize digits = scan_digits(scan);
	if (digits == 0)
		return scan_fail_expected(scan, "a digit");
	if (zero && digits > 1)
		return scan_fail(scan, "a number begins with 0");
	if (*scan->at == '.') {
		whole = FALSE;
		scan->at++;
		if (scan_digits(scan) == 0)
			return scan_fail_expected(scan, "a digit behind the decimal point");
	}
	if (*scan->at == 'e' || *scan->at == 'E') {
		whole = FALSE;
		scan->at++;
		if (*scan->at == '+' || *scan->at == '-')
			scan->at++;
		if (scan_digits(scan) == 0)
			return scan_fail_expected(scan, "a digit of the exponent");
	}
	g_autofree char *text = g_strndup(begin, (gsize)(scan->at - begin));
	if (whole ? !g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, NULL, NULL)
		  : !isfinite(g_ascii_strtod(text, NULL)))
		return scan_fail(scan, "the number is too large");
	return TRUE;
}

static gboolean
scan_word(JsonScan *scan)
{
	static const char *const words[] = { "true", "false", "null" };
	gsize length =
	    strspn(scan->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
	for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
		if (length != strlen(words[i]) || strncmp(scan->at, words[i], length) != 0)
			continue;
		scan->at += length;
		return TRUE;
	}
	if (length == 0)
		return scan_fail_expected(scan, "a value");
	g_autofree char *word = g_strndup(scan->at, MIN(length, 32));
	return scan_fail(scan, "expected a value, got %s: a text stands in double quotes", word);
}

/* Reads one value under @path, which is taken. */
static gboolean
scan_child(JsonScan *scan, char *path)
{
	char *parent = scan->path;
	scan->path = path;
	gboolean good = scan_value(scan);
	scan->path = parent;
	g_free(path);
	return good;
}

static gboolean
scan_member(JsonScan *scan, GHashTable *seen)
{
	g_autoptr(GString) name = g_string_new(NULL);
	if (*scan->at != '"')
		return scan_fail_expected(scan, "a member's name in double quotes");
	if (!scan_string(scan, name))
		return FALSE;
	if (!g_hash_table_add(seen, g_strdup(name->str))) {
		g_autofree char *shown = pv_json_dup_shown(name->str);
		return scan_fail(scan, "the member \"%s\" is here a second time", shown);
	}
	scan_blanks(scan);
	if (*scan->at != ':')
		return scan_fail_expected(scan, "':' behind a member's name");
	scan->at++;
	scan_blanks(scan);
	return scan_child(scan, pv_json_dup_member_path(scan->path, name->str));
}

/* Behind an element: TRUE with *more, or at the end. */
static gboolean
scan_separator(JsonScan *scan, char close, gboolean *more)
{
	scan_blanks(scan);
	*more = *scan->at == ',';
	if (!*more && *scan->at != close)
		return scan_fail_expected(scan, close == '}' ? "',' or '}'" : "',' or ']'");
	scan->at++;
	if (!*more)
		return TRUE;
	scan_blanks(scan);
	if (*scan->at == close)
		return scan_fail(scan, "a comma stands before '%c'", close);
	return TRUE;
}

static gboolean
scan_object(JsonScan *scan)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	scan->at++;
	scan_blanks(scan);
	gboolean more = *scan->at != '}';
	if (!more)
		scan->at++;
	while (more)
		if (!scan_member(scan, seen) || !scan_separator(scan, '}', &more))
			return FALSE;
	return TRUE;
}

static gboolean
scan_array(JsonScan *scan)
{
	scan->at++;
	scan_blanks(scan);
	gboolean more = *scan->at != ']';
	if (!more)
		scan->at++;
	for (guint i = 0; more; i++)
		if (!scan_child(scan, g_strdup_printf("%s[%u]", scan->path, i)) ||
		    !scan_separator(scan, ']', &more))
			return FALSE;
	return TRUE;
}

static gboolean
scan_value(JsonScan *scan)
{
	g_array_append_val(scan->lines, scan->line);
	if (*scan->at == '"')
		return scan_string(scan, NULL);
	if (*scan->at == '-' || g_ascii_isdigit(*scan->at))
		return scan_number(scan);
	if (*scan->at != '{' && *scan->at != '[')
		return scan_word(scan);
	if (scan->depth == PV_JSON_MAX_DEPTH)
		return scan_fail(scan, "nested more than %d levels deep", PV_JSON_MAX_DEPTH);
	scan->depth++;
	gboolean good = *scan->at == '{' ? scan_object(scan) : scan_array(scan);
	scan->depth--;
	return good;
}

static gboolean
scan_text(JsonScan *scan)
{
	const char *bad = NULL;
	if (!g_utf8_validate(scan->at, scan->end - scan->at, &bad)) {
		for (const char *c = scan->at; c < bad; c++)
			scan->line += *c == '\n';
		return scan_fail(scan, "the byte 0x%02x is not UTF-8 text", (guchar)*bad);
	}
	if (g_str_has_prefix(scan->at, "\xef\xbb\xbf"))
		return scan_fail(
		    scan, "the file begins with a byte order mark: save it as UTF-8 without");
	scan_blanks(scan);
	if (!scan_value(scan))
		return FALSE;
	scan_blanks(scan);
	return scan->at == scan->end || scan_fail_expected(scan, "the end of the file");
}

gboolean
pv_json_scan(const char *name, const char *text, gsize length_bytes, GArray *lines, GError **error)
{
	JsonScan scan = {
		.name = name, .line = 1, .path = g_strdup("$"), .lines = lines, .error = error
	};
	g_autofree char *path = scan.path;
	if (length_bytes > PV_JSON_MAX_BYTES)
		return scan_fail(&scan, "larger than 1 MiB");
	/* a copy with a NUL behind, so that no step can run over the end */
	g_autofree char *copy = g_malloc(length_bytes + 1);
	if (length_bytes > 0)
		memcpy(copy, text, length_bytes);
	copy[length_bytes] = '\0';
	scan.at = copy;
	scan.end = copy + length_bytes;
	return scan_text(&scan);
}
