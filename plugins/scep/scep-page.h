/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <provost/secret.h>

G_BEGIN_DECLS

/* The page on which NDES shows a one-time password, in UTF-8 or UTF-16, in any language. NULL with PV_ERROR_AUTH where the login
 * may not have one, with PV_ERROR_UNREACHABLE where too many are out, with PV_ERROR_PROTOCOL where it is another page. */
PvSecret *scep_page_find_challenge(GBytes *page, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
