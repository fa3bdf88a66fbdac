/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/cli/options.h"
#include "core/cli/table.h"
#include "core/cli/text.h"

#include <string.h>

static void
test_escape(void)
{
	static const struct {
		const char *text, *expect;
	} rows[] = {
		{ NULL, "" },
		{ "", "" },
		{ "pc1.example.com", "pc1.example.com" },
		{ "Zürich 東京", "Zürich 東京" },
		{ "a\nb\tc\r", "a\\nb\\tc\\r" },
		{ "\033[2J\033]0;owned\007", "\\x1b[2J\\x1b]0;owned\\x07" },
		{ "\177", "\\x7f" },
		{ "\302\233" "31m", "\\x9b31m" },                 /* C1 CSI */
		{ "abc\342\200\256cba", "abc\\u202ecba" },        /* right-to-left override */
		{ "zero\342\200\213width", "zero\\u200bwidth" },
		{ "\377\376", "\\xff\\xfe" },                     /* no UTF-8 */
		{ "cut \342\202", "cut \\xe2\\x82" },             /* ends within a character */
		{ "\355\240\200", "\\xed\\xa0\\x80" },            /* a surrogate */
		{ "\363\240\201\201", "\\U000e0041" },            /* a tag character */
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *escaped = pv_text_escape(rows[i].text);
		g_assert_cmpstr(escaped, ==, rows[i].expect);
	}
}

static void
test_fit(void)
{
	static const struct {
		const char *text;
		guint width;
		const char *expect;
	} rows[] = {
		{ "abcdef", 6, "abcdef" },
		{ "abcdef", 5, "abcd…" },
		{ "abcdef", 1, "…" },
		{ "abcdef", 0, "" },
		{ "東京都", 6, "東京都" },
		{ "東京都", 5, "東京…" },
		{ "東京都", 4, "東…" }, /* half a character is none */
		{ "e\314\201e\314\201e\314\201", 2, "e\314\201…" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *fitted = pv_text_fit(rows[i].text, rows[i].width);
		g_assert_cmpstr(fitted, ==, rows[i].expect);
		g_assert_cmpuint(pv_text_get_width(fitted), <=, rows[i].width);
	}
}

static void
test_nearest(void)
{
	static const char *const words[] = { "status", "show", "set", "provision", NULL };
	g_assert_cmpstr(pv_text_find_nearest("sttaus", words), ==, "status");
	g_assert_cmpstr(pv_text_find_nearest("provsion", words), ==, "provision");
	g_assert_cmpstr(pv_text_find_nearest("shwo", words), ==, "show");
	g_assert_cmpstr(pv_text_find_nearest("sho", words), ==, "show");
	g_assert_cmpstr(pv_text_find_nearest("teapot", words), ==, NULL);
	g_autofree char *huge = g_strnfill(100000, 's');
	g_assert_cmpstr(pv_text_find_nearest(huge, words), ==, NULL);
}

static void
test_times(void)
{
	g_autofree char *none = pv_text_format_rfc3339(0);
	g_assert_null(none);
	g_autofree char *time = pv_text_format_rfc3339(G_GINT64_CONSTANT(1234567890000042));
	g_assert_cmpstr(time, ==, "2009-02-13T23:31:30.000042Z");
	static const struct {
		gint64 usec;
		const char *expect;
	} rows[] = {
		{ -5, "0.0 s" },
		{ 420000, "0.4 s" },
		{ 12900000, "12 s" },
		{ G_GINT64_CONSTANT(185000000), "3 min 05 s" },
		{ G_GINT64_CONSTANT(7860000000), "2 h 11 min" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *text = pv_text_format_duration(rows[i].usec);
		g_assert_cmpstr(text, ==, rows[i].expect);
	}
}

static void
test_table(void)
{
	const char *const titles[] = { "NAME", "TEXT", NULL };
	g_autoptr(PvTable) table = pv_table_new(titles);
	g_assert_cmpuint(pv_table_get_length(table), ==, 0);
	pv_table_add(table, "東京", "wide \033[31m");
	pv_table_add(table, "pc1", NULL);
	pv_table_set_style(table, 0, PV_STYLE_GOOD);
	g_assert_cmpuint(pv_table_get_length(table), ==, 2);

	g_autofree char *plain = pv_table_to_string(table, 0, FALSE);
	g_assert_cmpstr(plain, ==, "NAME  TEXT\n東京  wide \\x1b[31m\npc1\n");
	g_autofree char *cut = pv_table_to_string(table, 14, FALSE);
	g_assert_cmpstr(cut, ==, "NAME  TEXT\n東京  wide \\x…\npc1\n");
	g_autofree char *coloured = pv_table_to_string(table, 0, TRUE);
	g_assert_nonnull(strstr(coloured, "\033[32mpc1\033[0m"));
	g_assert_null(strstr(coloured, "\033[31m"));
}

static const PvOption some_options[] = {
	{ "all", 'a', NULL, "" },
	{ "quiet", 'q', NULL, "" },
	{ "group", 'g', "GROUP", "" },
	{ NULL },
};
static const PvOption *const some_tables[] = { some_options, NULL };

/* "group=x all | word word" for what was understood; the error's text otherwise */
static char *
parse_to_string(const char *line)
{
	g_auto(GStrv) arguments = g_strsplit(line, " ", 0);
	g_autoptr(PvOptions) options = pv_options_new();
	g_autoptr(GError) error = NULL;
	if (pv_options_parse(options, some_tables, (const char *const *)arguments, FALSE, &error) < 0)
		return g_strdup(error->message);
	g_autoptr(GString) out = g_string_new(NULL);
	for (const PvOption *option = some_options; option->name != NULL; option++) {
		const char *value = g_hash_table_lookup(options->options, option->name);
		if (value != NULL)
			g_string_append_printf(out, "%s=%s ", option->name, value);
	}
	g_autofree char *words = g_strjoinv(" ", (char **)options->words->pdata);
	g_string_append_printf(out, "| %s", words);
	return g_strdup(out->str);
}

static void
test_options(void)
{
	static const struct {
		const char *line, *expect;
	} rows[] = {
		{ "one two", "| one two" },
		{ "one --group lab two --all", "all= group=lab | one two" },
		{ "--group=lab", "group=lab | " },
		{ "--group=", "group= | " },
		{ "--group --all", "group=--all | " },
		{ "-aqg lab", "all= quiet= group=lab | " },
		{ "-glab -", "group=lab | -" },
		{ "-a -- --group -x", "all= | --group -x" },
		{ "--gruop lab", "unknown option --gruop; did you mean --group?" },
		{ "--zebra", "unknown option --zebra" },
		{ "-z", "unknown option -z" },
		{ "--group", "option --group needs a value: --group GROUP" },
		{ "-g", "option --group needs a value: --group GROUP" },
		{ "--all=yes", "option --all takes no value" },
		{ "--group a -g b", "option --group is given twice" },
		{ "--\033[2J", "unknown option --\\x1b[2J" },
	};
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *result = parse_to_string(rows[i].line);
		g_assert_cmpstr(result, ==, rows[i].expect);
	}
}

/* a value in the wrong place may be a secret */
static void
test_options_silence(void)
{
	static const char *const lines[] = { "--group a -g hunter2", "--all=hunter2", "--gruop=hunter2" };
	for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_autofree char *result = parse_to_string(lines[i]);
		g_assert_null(strstr(result, "hunter2"));
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cli/text/escape", test_escape);
	g_test_add_func("/cli/text/fit", test_fit);
	g_test_add_func("/cli/text/nearest", test_nearest);
	g_test_add_func("/cli/text/times", test_times);
	g_test_add_func("/cli/table", test_table);
	g_test_add_func("/cli/options", test_options);
	g_test_add_func("/cli/options/no-values-in-errors", test_options_silence);
	return g_test_run();
}
