/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/process.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* getrlimit(2): a soft limit may go up to the hard one */
static void
process_raise_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		g_debug("raise limit of open files: %s", g_strerror(errno));
}

static void
process_forbid_dumps(void)
{
	const struct rlimit none = { 0, 0 };
	if (setrlimit(RLIMIT_CORE, &none) != 0)
		g_debug("forbid core dumps: %s", g_strerror(errno));
	/* prctl(2): also keeps a debugger of the same user out */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		g_debug("make process undumpable: %s", g_strerror(errno));
}

void
pv_process_harden(void)
{
	(void)umask(077); /* cannot fail */
	process_raise_files();
	if (g_strcmp0(g_getenv("PROVOST_ALLOW_DEBUG"), "1") != 0)
		process_forbid_dumps();
}
