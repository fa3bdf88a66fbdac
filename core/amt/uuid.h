/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * pv_uuid_normalize:
 * @text: a UUID as people and tools write it: upper or lower case, with or without braces, with or without dashes
 *
 * Returns: (transfer full) (nullable): lower case with dashes; NULL: not a UUID.
 */
char *pv_uuid_normalize(const char *text);

G_END_DECLS
