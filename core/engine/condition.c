/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "core/engine/pipeline.h"

#define CONDITION_MAX_DEPTH 16
#define CONDITION_MAX_BYTES 1000
#define CONDITION_DIGITS "0123456789"

typedef enum {
	CONDITION_TEST,
	CONDITION_NOT,
	CONDITION_AND,
	CONDITION_OR,
} ConditionKind;

typedef enum {
	RELATION_NONE, /* a bare name */
	RELATION_EQUAL,
	RELATION_UNEQUAL,
	RELATION_AT_MOST,
	RELATION_AT_LEAST,
	RELATION_LESS,
	RELATION_MORE,
} Relation;

/* the longer ones first, for "<" also begins "<=" */
static const char *const relation_texts[] = {
	[RELATION_EQUAL] = "==",
	[RELATION_UNEQUAL] = "!=",
	[RELATION_AT_MOST] = "<=",
	[RELATION_AT_LEAST] = ">=",
	[RELATION_LESS] = "<",
	[RELATION_MORE] = ">",
};

struct PvCondition {
	ConditionKind kind;
	Relation relation; /* TEST */
	gboolean number; /* TEST: the literal stands without quotes */
	char *name; /* TEST: owned */
	char *literal; /* TEST: owned; NULL: a bare name */
	PvCondition *left, *right; /* owned; NOT has .left only */
};

typedef struct {
	const char *text;
	const char *at;
	guint depth;
	GError **error;
} ConditionParser;

static PvCondition *condition_parse_or(ConditionParser *parser);

void
pv_condition_free(PvCondition *condition)
{
	if (condition == NULL)
		return;
	pv_condition_free(condition->left);
	pv_condition_free(condition->right);
	g_free(condition->name);
	g_free(condition->literal);
	g_free(condition);
}

/* NULL, so that it can be returned */
static gpointer
condition_fail(ConditionParser *parser, const char *what)
{
	g_autofree char *shown = pv_json_dup_shown(parser->text);
	g_set_error(parser->error, PV_ERROR, PV_ERROR_CONFIG, "condition \"%s\": column %ld: %s",
	    shown, g_utf8_pointer_to_offset(parser->text, parser->at) + 1, what);
	return NULL;
}

static void
condition_skip_blanks(ConditionParser *parser)
{
	parser->at += strspn(parser->at, " \t\n");
}

static gboolean
condition_take(ConditionParser *parser, const char *token)
{
	condition_skip_blanks(parser);
	if (!g_str_has_prefix(parser->at, token))
		return FALSE;
	parser->at += strlen(token);
	return TRUE;
}

/* takes over @left and @right */
static PvCondition *
condition_new(ConditionKind kind, PvCondition *left, PvCondition *right)
{
	PvCondition *condition = g_new0(PvCondition, 1);
	condition->kind = kind;
	condition->left = left;
	condition->right = right;
	return condition;
}

/* digits, dots between them */
static gboolean
condition_is_number(const char *text)
{
	for (;;) {
		gsize digits = strspn(text, CONDITION_DIGITS);
		text += digits;
		if (digits == 0 || (*text != '.' && *text != '\0'))
			return FALSE;
		if (*text == '\0')
			return TRUE;
		text++;
	}
}

/* Firmware versions come with a build number behind a dash too, as in 11.8.50-3425, which is left out of the order. */
static char *
condition_dup_number(const char *value)
{
	char *number = g_strndup(value, strcspn(value, "-"));
	if (condition_is_number(number))
		return number;
	g_free(number);
	return NULL;
}

/* One part of a dotted number against one of another, as numbers of any length. */
static int
condition_compare_part(const char *a, gsize a_length, const char *b, gsize b_length)
{
	for (; a_length > 0 && *a == '0'; a++)
		a_length--;
	for (; b_length > 0 && *b == '0'; b++)
		b_length--;
	if (a_length != b_length)
		return a_length < b_length ? -1 : 1;
	return strncmp(a, b, a_length);
}

/* Two dotted numbers: 11.8 comes before 11.10 and is the same as 11.8.0. */
static int
condition_compare(const char *a, const char *b)
{
	while (*a != '\0' || *b != '\0') {
		gsize a_length = strspn(a, CONDITION_DIGITS),
		      b_length = strspn(b, CONDITION_DIGITS);
		int order = condition_compare_part(a, a_length, b, b_length);
		if (order != 0)
			return order;
		a += a_length;
		b += b_length;
		a += *a == '.';
		b += *b == '.';
	}
	return 0;
}

static char *
condition_parse_quoted(ConditionParser *parser)
{
	const char *begin = parser->at + 1;
	const char *end = strchr(begin, *parser->at);
	if (end == NULL)
		return condition_fail(parser, "the quote is not closed");
	parser->at = end + 1;
	return g_strndup(begin, (gsize)(end - begin));
}

static gboolean
condition_parse_literal(ConditionParser *parser, PvCondition *test)
{
	condition_skip_blanks(parser);
	const char *begin = parser->at;
	if (*begin == '"' || *begin == '\'') {
		test->literal = condition_parse_quoted(parser);
	} else {
		g_autofree char *number = g_strndup(begin, strspn(begin, CONDITION_DIGITS "."));
		test->number = condition_is_number(number);
		if (!test->number)
			return condition_fail(parser,
				   "expected a text in quotes or a number such as 11.8") != NULL;
		parser->at += strlen(number);
		test->literal = g_steal_pointer(&number);
	}
	if (test->literal == NULL || test->relation <= RELATION_UNEQUAL ||
	    condition_is_number(test->literal))
		return test->literal != NULL;
	parser->at = begin;
	return condition_fail(parser, "only numbers such as 11.8 have an order") != NULL;
}

static gboolean
condition_is_name(const char *name)
{
	/* a dot begins a next part: no empty ones */
	return (g_str_has_prefix(name, "device.") || g_str_has_prefix(name, "site.")) &&
	       strstr(name, "..") == NULL && !g_str_has_suffix(name, ".");
}

static PvCondition *
condition_parse_test(ConditionParser *parser)
{
	g_autoptr(PvCondition) test = condition_new(CONDITION_TEST, NULL, NULL);
	condition_skip_blanks(parser);
	test->name = g_strndup(parser->at,
	    strspn(parser->at,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" CONDITION_DIGITS "._-"));
	if (!condition_is_name(test->name))
		return condition_fail(
		    parser, "expected a name such as device.amt.version or site.NAME");
	parser->at += strlen(test->name);
	for (guint i = RELATION_EQUAL; i <= RELATION_MORE && test->relation == RELATION_NONE; i++)
		if (condition_take(parser, relation_texts[i]))
			test->relation = i;
	if (test->relation != RELATION_NONE && !condition_parse_literal(parser, test))
		return NULL;
	return g_steal_pointer(&test);
}

static PvCondition *
condition_parse_group(ConditionParser *parser)
{
	g_autoptr(PvCondition) inner = condition_parse_or(parser);
	if (inner != NULL && !condition_take(parser, ")"))
		return condition_fail(parser, "expected && or || or )");
	return g_steal_pointer(&inner);
}

static PvCondition *
condition_parse_not(ConditionParser *parser)
{
	if (parser->depth == CONDITION_MAX_DEPTH)
		return condition_fail(parser, "nested too deeply");
	parser->depth++;
	PvCondition *condition = NULL;
	if (condition_take(parser, "!")) {
		PvCondition *inner = condition_parse_not(parser);
		condition = inner != NULL ? condition_new(CONDITION_NOT, inner, NULL) : NULL;
	} else if (condition_take(parser, "(")) {
		condition = condition_parse_group(parser);
	} else {
		condition = condition_parse_test(parser);
	}
	parser->depth--;
	return condition;
}

static PvCondition *
condition_parse_and(ConditionParser *parser)
{
	g_autoptr(PvCondition) left = condition_parse_not(parser);
	while (left != NULL && condition_take(parser, "&&")) {
		PvCondition *right = condition_parse_not(parser);
		if (right == NULL)
			return NULL;
		left = condition_new(CONDITION_AND, g_steal_pointer(&left), right);
	}
	return g_steal_pointer(&left);
}

static PvCondition *
condition_parse_or(ConditionParser *parser)
{
	g_autoptr(PvCondition) left = condition_parse_and(parser);
	while (left != NULL && condition_take(parser, "||")) {
		PvCondition *right = condition_parse_and(parser);
		if (right == NULL)
			return NULL;
		left = condition_new(CONDITION_OR, g_steal_pointer(&left), right);
	}
	return g_steal_pointer(&left);
}

PvCondition *
pv_condition_parse(const char *text, GError **error)
{
	ConditionParser parser = { .text = text, .at = text, .error = error };
	if (strlen(text) > CONDITION_MAX_BYTES)
		return condition_fail(&parser, "longer than 1000 bytes");
	g_autoptr(PvCondition) condition = condition_parse_or(&parser);
	if (condition == NULL)
		return NULL;
	condition_skip_blanks(&parser);
	if (*parser.at != '\0')
		return condition_fail(&parser, "expected && or ||");
	return g_steal_pointer(&condition);
}

static gboolean
condition_test_order(Relation relation, int order)
{
	switch (relation) {
	case RELATION_EQUAL:
		return order == 0;
	case RELATION_UNEQUAL:
		return order != 0;
	case RELATION_AT_MOST:
		return order <= 0;
	case RELATION_AT_LEAST:
		return order >= 0;
	case RELATION_LESS:
		return order < 0;
	case RELATION_MORE:
		return order > 0;
	case RELATION_NONE:
		break;
	}
	return FALSE;
}

static gboolean
condition_test(const PvCondition *test, const char *value)
{
	if (test->relation == RELATION_NONE)
		return value != NULL && *value != '\0' && !g_str_equal(value, "0") &&
		       !g_str_equal(value, "false");
	if (value == NULL)
		return test->relation == RELATION_UNEQUAL;
	if (!test->number && test->relation <= RELATION_UNEQUAL)
		return g_str_equal(value, test->literal) == (test->relation == RELATION_EQUAL);
	g_autofree char *number = condition_dup_number(value);
	if (number == NULL)
		return test->relation == RELATION_UNEQUAL;
	return condition_test_order(test->relation, condition_compare(number, test->literal));
}

gboolean
pv_condition_eval(const PvCondition *condition, PvConditionLookup lookup, gpointer data)
{
	switch (condition->kind) {
	case CONDITION_TEST:
		return condition_test(condition, lookup(data, condition->name));
	case CONDITION_NOT:
		return !pv_condition_eval(condition->left, lookup, data);
	case CONDITION_AND:
		return pv_condition_eval(condition->left, lookup, data) &&
		       pv_condition_eval(condition->right, lookup, data);
	case CONDITION_OR:
		return pv_condition_eval(condition->left, lookup, data) ||
		       pv_condition_eval(condition->right, lookup, data);
	}
	return FALSE;
}

void
pv_condition_foreach(
    const PvCondition *condition, void (*func)(const char *name, gpointer data), gpointer data)
{
	if (condition == NULL)
		return;
	if (condition->kind == CONDITION_TEST)
		func(condition->name, data);
	pv_condition_foreach(condition->left, func, data);
	pv_condition_foreach(condition->right, func, data);
}
