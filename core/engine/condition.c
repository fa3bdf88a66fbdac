/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/pipeline.h"

#include <string.h>

#define CONDITION_MAX_DEPTH 16
#define CONDITION_MAX_LENGTH 1024 /* characters */

typedef enum {
	CONDITION_TEST,
	CONDITION_NOT,
	CONDITION_AND,
	CONDITION_OR,
} ConditionKind;

struct PvCondition {
	ConditionKind kind;
	char *name; /* owned; TEST */
	const char *operation; /* constant; TEST; NULL: bare name */
	char *literal; /* owned; TEST with an operator */
	PvCondition *left, *right; /* owned; NOT has left only */
};

typedef struct {
	const char *text;
	const char *at;
	guint depth;
	GError **error;
} ConditionParser;

void
pv_condition_free(PvCondition *condition)
{
	if (condition == NULL)
		return;
	g_free(condition->name);
	g_free(condition->literal);
	pv_condition_free(condition->left);
	pv_condition_free(condition->right);
	g_free(condition);
}

static gpointer
condition_fail(ConditionParser *parser, const char *what)
{
	g_set_error(parser->error, PV_ERROR, PV_ERROR_CONFIG, "condition \"%s\": column %u: %s",
	    parser->text, (guint)(parser->at - parser->text) + 1, what);
	return NULL;
}

static gboolean
condition_take(ConditionParser *parser, const char *token)
{
	parser->at += strspn(parser->at, " \t");
	if (!g_str_has_prefix(parser->at, token))
		return FALSE;
	parser->at += strlen(token);
	return TRUE;
}

static PvCondition *
condition_new(ConditionKind kind, PvCondition *left, PvCondition *right)
{
	PvCondition *condition = g_new0(PvCondition, 1);
	condition->kind = kind;
	condition->left = left;
	condition->right = right;
	return condition;
}

static char *
condition_parse_literal(ConditionParser *parser)
{
	parser->at += strspn(parser->at, " \t");
	if (*parser->at == '"' || *parser->at == '\'') {
		const char *begin = parser->at + 1;
		const char *end = strchr(begin, *parser->at);
		if (end == NULL)
			return condition_fail(parser, "the quote is not closed");
		parser->at = end + 1;
		return g_strndup(begin, (gsize)(end - begin));
	}
	gsize length = strspn(parser->at, "0123456789.");
	if (length == 0)
		return condition_fail(parser, "expected a text in quotes or a number");
	parser->at += length;
	return g_strndup(parser->at - length, length);
}

static PvCondition *
condition_parse_test(ConditionParser *parser)
{
	static const char *const operators[] = { "==", "!=", "<=", ">=", "<", ">" };
	gsize length =
	    strspn(parser->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	gsize prefix = g_str_has_prefix(parser->at, "device.") ? 7
		       : g_str_has_prefix(parser->at, "site.") ? 5
							       : 0;
	if (prefix == 0 || length <= prefix)
		return condition_fail(parser, "expected a name that begins with device. or site.");
	g_autoptr(PvCondition) test = condition_new(CONDITION_TEST, NULL, NULL);
	test->name = g_strndup(parser->at, length);
	parser->at += length;
	for (guint i = 0; i < G_N_ELEMENTS(operators) && test->operation == NULL; i++)
		if (condition_take(parser, operators[i]))
			test->operation = operators[i];
	if (test->operation != NULL) {
		test->literal = condition_parse_literal(parser);
		if (test->literal == NULL)
			return NULL;
	}
	return g_steal_pointer(&test);
}

static PvCondition *condition_parse_or(ConditionParser *parser);

static PvCondition *
condition_parse_not(ConditionParser *parser)
{
	if (++parser->depth > CONDITION_MAX_DEPTH)
		return condition_fail(parser, "nested too deeply");
	PvCondition *condition = NULL;
	if (condition_take(parser, "!")) {
		PvCondition *operand = condition_parse_not(parser);
		condition = operand != NULL ? condition_new(CONDITION_NOT, operand, NULL) : NULL;
	} else if (condition_take(parser, "(")) {
		condition = condition_parse_or(parser);
		if (condition != NULL && !condition_take(parser, ")")) {
			pv_condition_free(condition);
			return condition_fail(parser, "expected ')'");
		}
	} else {
		condition = condition_parse_test(parser);
	}
	parser->depth--;
	return condition;
}

static PvCondition *
condition_parse_and(ConditionParser *parser)
{
	PvCondition *left = condition_parse_not(parser);
	while (left != NULL && condition_take(parser, "&&")) {
		PvCondition *right = condition_parse_not(parser);
		if (right == NULL)
			g_clear_pointer(&left, pv_condition_free);
		else
			left = condition_new(CONDITION_AND, left, right);
	}
	return left;
}

static PvCondition *
condition_parse_or(ConditionParser *parser)
{
	PvCondition *left = condition_parse_and(parser);
	while (left != NULL && condition_take(parser, "||")) {
		PvCondition *right = condition_parse_and(parser);
		if (right == NULL)
			g_clear_pointer(&left, pv_condition_free);
		else
			left = condition_new(CONDITION_OR, left, right);
	}
	return left;
}

PvCondition *
pv_condition_parse(const char *text, GError **error)
{
	ConditionParser parser = { .text = text, .at = text, .error = error };
	if (strlen(text) > CONDITION_MAX_LENGTH) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "condition is longer than %d characters", CONDITION_MAX_LENGTH);
		return NULL;
	}
	g_autoptr(PvCondition) condition = condition_parse_or(&parser);
	if (condition == NULL)
		return NULL;
	parser.at += strspn(parser.at, " \t");
	if (*parser.at != '\0')
		return condition_fail(&parser, "expected && or ||");
	return g_steal_pointer(&condition);
}

/* Compares dotted numbers part by part, so that 11.10 comes after 11.8; a missing part is 0. What is no number counts
 * as text. */
static int
condition_compare(const char *a, const char *b)
{
	if (!g_ascii_isdigit(*a) || !g_ascii_isdigit(*b))
		return strcmp(a, b);
	while (*a != '\0' || *b != '\0') {
		char *a_end = NULL, *b_end = NULL;
		guint64 left = g_ascii_strtoull(a, &a_end, 10),
			right = g_ascii_strtoull(b, &b_end, 10);
		if (left != right)
			return left < right ? -1 : 1;
		if ((a_end == a && *a != '\0') || (b_end == b && *b != '\0'))
			return strcmp(a, b);
		a = a_end + (*a_end == '.');
		b = b_end + (*b_end == '.');
	}
	return 0;
}

static gboolean
condition_test(const PvCondition *test, const char *value)
{
	if (test->operation == NULL)
		return value != NULL && *value != '\0' && !g_str_equal(value, "0") &&
		       !g_str_equal(value, "false");
	/* what is not there differs from everything and is in no order with anything */
	if (value == NULL)
		return g_str_equal(test->operation, "!=");
	int order = condition_compare(value, test->literal);
	if (g_str_equal(test->operation, "=="))
		return order == 0;
	if (g_str_equal(test->operation, "!="))
		return order != 0;
	gboolean or_equal = test->operation[1] == '=' && order == 0;
	return or_equal || (test->operation[0] == '<' ? order < 0 : order > 0);
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
	g_return_val_if_reached(FALSE);
}

void
pv_condition_foreach(
    const PvCondition *condition, void (*func)(const char *name, gpointer data), gpointer data)
{
	if (condition->kind == CONDITION_TEST) {
		func(condition->name, data);
		return;
	}
	pv_condition_foreach(condition->left, func, data);
	if (condition->right != NULL)
		pv_condition_foreach(condition->right, func, data);
}
