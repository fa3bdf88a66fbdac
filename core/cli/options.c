/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "core/cli/options.h"

#include "core/cli/text.h"

#include <glib/gi18n.h>
#include <string.h>

PvOptions *
pv_options_new(void)
{
	PvOptions *options = g_new0(PvOptions, 1);
	options->options = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
	options->words = g_ptr_array_new_with_free_func(g_free);
	return options;
}

void
pv_options_free(PvOptions *options)
{
	if (options == NULL)
		return;
	g_hash_table_unref(options->options);
	g_ptr_array_unref(options->words);
	g_free(options);
}

const PvOption *
pv_options_find(const PvOption *const *tables, const char *name, gsize length)
{
	for (; *tables != NULL; tables++) {
		for (const PvOption *option = *tables; option->name != NULL; option++) {
			if (strlen(option->name) == length &&
			    strncmp(option->name, name, length) == 0)
				return option;
		}
	}
	return NULL;
}

static const PvOption *
options_find_letter(const PvOption *const *tables, char letter)
{
	for (; *tables != NULL; tables++) {
		for (const PvOption *option = *tables; option->name != NULL; option++) {
			if (option->letter == letter)
				return option;
		}
	}
	return NULL;
}

static void
options_set_unknown(const PvOption *const *tables, const char *name, gsize length, GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	for (; *tables != NULL; tables++) {
		for (const PvOption *option = *tables; option->name != NULL; option++)
			g_ptr_array_add(names, (gpointer)option->name);
	}
	g_ptr_array_add(names, NULL);
	g_autofree char *copy = g_strndup(name, length);
	g_autofree char *shown = pv_text_escape(copy);
	const char *nearest = pv_text_find_nearest(copy, (const char *const *)names->pdata);
	if (nearest != NULL)
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION,
		    _("unknown option --%s; did you mean --%s?"), shown, nearest);
	else
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION,
		    _("unknown option --%s"), shown);
}

/* @attached: the value after "=" or the letter; NULL: none. Returns the arguments used, or -1 */
static int
options_take(PvOptions *options, const PvOption *option, const char *attached,
    const char *const *arguments, GError **error)
{
	if (option->value == NULL) {
		if (attached != NULL) {
			g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    _("option --%s takes no value"), option->name);
			return -1;
		}
		g_hash_table_insert(options->options, (gpointer)option->name, g_strdup(""));
		return 1;
	}
	const char *value = attached != NULL ? attached : arguments[1];
	if (value == NULL) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
		    _("option --%s needs a value: --%s %s"), option->name, option->name,
		    option->value);
		return -1;
	}
	if (g_hash_table_contains(options->options, option->name)) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
		    _("option --%s is given twice"), option->name);
		return -1;
	}
	g_hash_table_insert(options->options, (gpointer)option->name, g_strdup(value));
	return attached != NULL ? 1 : 2;
}

static int
options_parse_long(
    PvOptions *options, const PvOption *const *tables, const char *const *arguments, GError **error)
{
	const char *name = arguments[0] + 2;
	gsize length = strcspn(name, "=");
	const PvOption *option = pv_options_find(tables, name, length);
	if (option == NULL) {
		options_set_unknown(tables, name, length, error);
		return -1;
	}
	const char *attached = name[length] == '=' ? name + length + 1 : NULL;
	return options_take(options, option, attached, arguments, error);
}

static int
options_parse_short(
    PvOptions *options, const PvOption *const *tables, const char *const *arguments, GError **error)
{
	for (const char *letter = arguments[0] + 1; *letter != '\0'; letter++) {
		const PvOption *option = options_find_letter(tables, *letter);
		if (option == NULL) {
			char text[2] = { *letter, '\0' };
			g_autofree char *shown = pv_text_escape(text);
			g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION,
			    _("unknown option -%s"), shown);
			return -1;
		}
		if (option->value != NULL)
			return options_take(options, option, letter[1] != '\0' ? letter + 1 : NULL,
			    arguments, error);
		if (options_take(options, option, NULL, arguments, error) < 0)
			return -1;
	}
	return 1;
}

int
pv_options_parse(PvOptions *options, const PvOption *const *tables, const char *const *arguments,
    gboolean stop_at_word, GError **error)
{
	int used = 0;
	gboolean only_words = FALSE;
	while (arguments[used] != NULL) {
		const char *argument = arguments[used];
		int taken = 1;
		if (only_words || argument[0] != '-' || argument[1] == '\0') {
			if (stop_at_word)
				return used;
			g_ptr_array_add(options->words, g_strdup(argument));
		} else if (g_str_equal(argument, "--")) {
			only_words = TRUE;
		} else if (argument[1] == '-') {
			taken = options_parse_long(options, tables, arguments + used, error);
		} else {
			taken = options_parse_short(options, tables, arguments + used, error);
		}
		if (taken < 0)
			return -1;
		used += taken;
	}
	if (!stop_at_word)
		g_ptr_array_add(options->words, NULL);
	return used;
}
