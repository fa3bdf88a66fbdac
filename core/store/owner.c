/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/store/db.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* words of an owner */
enum { OWNER_HOST, OWNER_BOOT, OWNER_PID, OWNER_START, OWNER_WORDS };

#define OWNER_START_UNKNOWN "0"

/* The boot and, behind a colon, the PID namespace: in a container the same numbers mean other processes. */
static char *
owner_read_boot(void)
{
	g_autofree char *boot = NULL;
	if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL))
		boot = g_strdup("unknown");
	g_autofree char *space = g_file_read_link("/proc/self/ns/pid", NULL);
	const char *number = space != NULL ? strchr(space, '[') : NULL;
	return g_strdup_printf("%s:%.*s", g_strstrip(boot),
	    number != NULL ? (int)strcspn(number + 1, "]") : 0, number != NULL ? number + 1 : "");
}

/* Start time of a process in ticks since boot, so that a number used again is not taken for the same process.
 * NULL: it cannot be read; *ended says whether that is because it has ended. */
static char *
owner_read_start(const char *pid, gboolean *ended)
{
	/* a hidden /proc (hidepid) does not mean that there is no process */
	*ended = kill((pid_t)g_ascii_strtoll(pid, NULL, 10), 0) != 0 && errno == ESRCH;
	g_autofree char *path = g_strdup_printf("/proc/%s/stat", pid);
	g_autofree char *text = NULL;
	if (!g_file_get_contents(path, &text, NULL, NULL))
		return NULL;
	/* proc(5): field 2 is the name in parentheses, which may hold anything; 3 the state, 22 the start */
	const char *rest = strrchr(text, ')');
	g_auto(GStrv) fields = rest != NULL ? g_strsplit(rest + 1, " ", -1) : NULL;
	if (fields == NULL || g_strv_length(fields) < 21)
		return NULL;
	/* a zombie runs nothing any more, though its parent has not noticed */
	*ended = strcmp(fields[1], "Z") == 0 || strcmp(fields[1], "X") == 0;
	return *ended ? NULL : g_strdup(fields[20]);
}

char *
pv_owner_new(void)
{
	g_autofree char *host = g_strdelimit(g_strdup(g_get_host_name()), " \t\n", '-');
	g_autofree char *boot = owner_read_boot();
	g_autofree char *pid = g_strdup_printf("%ld", (long)getpid());
	gboolean ended = FALSE;
	g_autofree char *start = owner_read_start(pid, &ended);
	return g_strdup_printf("%s %s %s %s", host, boot, pid, start != NULL ? start : OWNER_START_UNKNOWN);
}

static gboolean
owner_is_pid(const char *text)
{
	gint64 pid = 0;
	return g_ascii_string_to_signed(text, 10, 1, G_MAXINT32, &pid, NULL);
}

static gboolean
owner_is_dead(char **self, const char *owner)
{
	g_auto(GStrv) words = g_strsplit(owner, " ", -1);
	if (g_strv_length(words) != OWNER_WORDS || !owner_is_pid(words[OWNER_PID]) ||
	    strcmp(words[OWNER_HOST], self[OWNER_HOST]) != 0)
		return FALSE;

	if (strcmp(words[OWNER_BOOT], self[OWNER_BOOT]) == 0) {
		gboolean ended = FALSE;
		g_autofree char *start = owner_read_start(words[OWNER_PID], &ended);
		return ended ||
		    (start != NULL && strcmp(words[OWNER_START], OWNER_START_UNKNOWN) != 0 &&
			strcmp(start, words[OWNER_START]) != 0);
	}
	/* another boot; but "localhost" is many hosts, and another namespace of this boot is not ours to judge */
	gsize boot_length = strcspn(self[OWNER_BOOT], ":");
	return strncmp(words[OWNER_BOOT], self[OWNER_BOOT], boot_length + 1) != 0 &&
	    !g_str_has_prefix(self[OWNER_HOST], "localhost");
}

char **
pv_owner_find_dead(char **owners)
{
	g_autofree char *own = pv_owner_new();
	g_auto(GStrv) self = g_strsplit(own, " ", -1);
	GPtrArray *dead = g_ptr_array_new();
	for (char **owner = owners; owners != NULL && *owner != NULL; owner++) {
		if (owner_is_dead(self, *owner))
			g_ptr_array_add(dead, g_strdup(*owner));
	}
	g_ptr_array_add(dead, NULL);
	return (char **)g_ptr_array_free(dead, FALSE);
}
