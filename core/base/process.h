/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* For main(), before anything else: no core dumps and no ptrace by others of the same user (secrets are in memory),
 * umask 077, as many descriptors as the limits allow. PROVOST_ALLOW_DEBUG=1 leaves dumps and debuggers alone. */
void pv_process_harden(void);

/* Structured log for programs: to the journal when stderr is a journal stream, else one line an entry, "LEVEL text
 * (PV_DEVICE=…)". Control characters are escaped: most texts quote a device. Debug entries only when @verbose or
 * G_MESSAGES_DEBUG asks for them. */
void pv_log_init(gboolean verbose);

/* The line that the latter writes, for tests: (transfer full). */
char *pv_log_format(GLogLevelFlags level, const GLogField *fields, gsize count);

G_END_DECLS
