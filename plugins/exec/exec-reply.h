/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/job.h>

G_BEGIN_DECLS

/* What a program answered on its standard output, checked. Strings are owned. */
typedef struct {
	GPtrArray *changes; /* of GStrv: object, property, from, to */
	GHashTable *facts; /* char* -> char*, NULL: to be taken back; names without the prefix */
	char *skip; /* NULL: it has something to do here */
	char *text; /* reason of an error; NULL: none */
	guint wait_sec; /* 0: not said */
} ExecReply;

void exec_reply_clear(ExecReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ExecReply, exec_reply_clear)

/**
 * exec_reply_parse:
 * @reply: zeroed
 * @secrets: of PvSecret: what no text may hold
 *
 * Nothing at all is the same as {}. PROTOCOL: no JSON, unknown members, wrong types, too much of something, or a secret.
 */
gboolean exec_reply_parse(ExecReply *reply, const GString *output, GPtrArray *secrets, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether the text holds one of them. */
gboolean exec_holds_secret(const char *text, GPtrArray *secrets);

G_END_DECLS
