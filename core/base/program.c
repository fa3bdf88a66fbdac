/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE /* memfd_create */
#include <provost/program.h>

#include <errno.h>
#include <glib-unix.h>
#include <provost/error.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PROGRAM_OUTPUT_BYTES = 1024 * 1024,
	PROGRAM_LINE_BYTES = 512, /* of standard error; the rest of a line is left out */
	PROGRAM_LINES = 200, /* then no more are told */
	PROGRAM_GRACE_SEC = 2, /* between SIGTERM and SIGKILL */
};

/* Nothing of the service's own environment: it may name credentials. */
static const char *const program_environment[] = { "LANG=C.UTF-8",
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL };

/* A program at work. */
typedef struct {
	const PvProgram *program; /* lent */
	PvProgramOutcome *outcome; /* lent */
	GPid pid; /* its group has the same number */
	int ended; /* pidfd: readable once it has ended */
	int output, errors; /* our ends of its pipes; -1: closed */
	GString *line; /* owned: of standard error, so far */
	guint lines;
	gint64
	    due_usec; /* monotonic: when something is to be done about it; G_MAXINT64: nothing more */
	GError *stopped; /* owned: why it was told to end; NULL: it was not */
	gboolean reaped; /* its number may be somebody else's by now */
} ProgramRun;

void
pv_program_outcome_clear(PvProgramOutcome *outcome)
{
	if (outcome->output != NULL)
		g_string_free(outcome->output, TRUE);
	g_free(outcome->last);
}

static void
program_run_clear(ProgramRun *run)
{
	const int fds[] = { run->ended, run->output, run->errors };
	for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	g_string_free(run->line, TRUE);
	g_clear_error(&run->stopped);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ProgramRun, program_run_clear)

/* In memory, so that secrets are on no disk; complete before the program starts, so that nobody waits for it. */
static int
program_open_input(const PvProgram *program, GError **error)
{
	int fd = memfd_create("provost-program", MFD_CLOEXEC);
	gsize done = 0;
	while (fd >= 0 && done < program->input_bytes) {
		ssize_t count = write(fd, program->input + done, program->input_bytes - done);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			break;
		done += (gsize)count;
	}
	if (fd >= 0 && done == program->input_bytes && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "write input of %s: %s", program->path,
	    g_strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Between fork and exec: only what is safe there. */
static void
program_set_up_child(gpointer data)
{
	const int *input = data;
	const struct rlimit none = { 0, 0 };
	sigset_t empty;
	sigemptyset(&empty);
	(void)sigprocmask(SIG_SETMASK, &empty, NULL);
	/* should the service be killed: its successor begins the stage again, and two at once would be one too many */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setsid(); /* a group of its own, which can be ended as a whole; no terminal */
	(void)setrlimit(RLIMIT_CORE, &none); /* what it was given must not end up in a core file */
	(void)dup2(*input, STDIN_FILENO);
}

/* (transfer container) of strings that are lent; ends with NULL */
static GPtrArray *
program_new_environment(const PvProgram *program)
{
	GPtrArray *environment = g_ptr_array_new();
	for (gsize i = 0; program_environment[i] != NULL; i++)
		g_ptr_array_add(environment, (gpointer)program_environment[i]);
	for (gsize i = 0; program->environment != NULL && program->environment[i] != NULL; i++)
		g_ptr_array_add(environment, (gpointer)program->environment[i]);
	g_ptr_array_add(environment, NULL);
	return environment;
}

static gboolean
program_start(ProgramRun *run, GError **error)
{
	int input = program_open_input(run->program, error);
	if (input < 0)
		return FALSE;
	g_autoptr(GError) local = NULL;
	g_autoptr(GPtrArray) environment = program_new_environment(run->program);
	gboolean started = g_spawn_async_with_pipes("/", (char **)run->program->argv,
	    (char **)environment->pdata, G_SPAWN_DO_NOT_REAP_CHILD, program_set_up_child, &input,
	    &run->pid, NULL, &run->output, &run->errors, &local);
	close(input);
	if (!started) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "start %s: %s", run->program->path,
		    local->message);
		return FALSE;
	}
	run->ended = (int)syscall(SYS_pidfd_open, run->pid, 0);
	if (run->ended < 0 || !g_unix_set_fd_nonblocking(run->output, TRUE, NULL) ||
	    !g_unix_set_fd_nonblocking(run->errors, TRUE, NULL)) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "watch %s: %s", run->program->path,
		    g_strerror(errno));
		(void)kill(-run->pid, SIGKILL);
		(void)waitpid(run->pid, NULL, 0);
		return FALSE;
	}
	run->due_usec = g_get_monotonic_time() + (gint64)run->program->limit_sec * G_USEC_PER_SEC;
	return TRUE;
}

/* Takes the ownership of @why. */
static void
program_stop(ProgramRun *run, GError *why)
{
	if (run->stopped != NULL) {
		g_error_free(why);
		return;
	}
	run->stopped = why;
	if (!run->reaped)
		(void)kill(-run->pid, SIGTERM);
	run->due_usec = g_get_monotonic_time() + PROGRAM_GRACE_SEC * G_USEC_PER_SEC;
}

static void
program_end_line(ProgramRun *run)
{
	if (run->line->len == 0)
		return;
	g_autofree char *text = g_utf8_make_valid(run->line->str, (gssize)run->line->len);
	g_string_truncate(run->line, 0);
	for (char *c = text; *c != '\0'; c++)
		if (g_ascii_iscntrl(*c))
			*c = ' ';
	g_strchomp(text);
	if (*text == '\0')
		return;
	if (run->lines++ < PROGRAM_LINES && run->program->line != NULL)
		run->program->line(text, run->program->data);
	g_free(run->outcome->last);
	run->outcome->last = g_steal_pointer(&text);
}

static void
program_take_errors(ProgramRun *run, const char *data, gsize length)
{
	for (gsize i = 0; i < length; i++) {
		if (data[i] == '\n')
			program_end_line(run);
		else if (run->line->len < PROGRAM_LINE_BYTES)
			g_string_append_c(run->line, data[i]);
	}
}

static void
program_take_output(ProgramRun *run, const char *data, gsize length)
{
	GString *output = run->outcome->output;
	if (output->len + length <= PROGRAM_OUTPUT_BYTES)
		g_string_append_len(output, data, (gssize)length);
	else
		program_stop(run, g_error_new(PV_ERROR, PV_ERROR_PROTOCOL,
				      "run %s: it wrote more than a mebibyte", run->program->path));
}

/* What is there; -1 in *fd at the end. */
static void
program_read(ProgramRun *run, int *fd, void (*take)(ProgramRun *, const char *, gsize))
{
	char data[4096];
	while (*fd >= 0) {
		ssize_t count = read(*fd, data, sizeof data);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && errno == EAGAIN)
			return;
		if (count <= 0) {
			close(*fd);
			*fd = -1;
			return;
		}
		take(run, data, (gsize)count);
		if (run->stopped != NULL)
			return; /* one that never stops writing must not keep us from ending it */
	}
}

static void
program_act_when_due(ProgramRun *run)
{
	if (run->stopped != NULL) {
		(void)kill(-run->pid, SIGKILL);
		run->due_usec = G_MAXINT64;
		return;
	}
	program_stop(
	    run, g_error_new(PV_ERROR, PV_ERROR_UNREACHABLE, "run %s: it did not end within %u s",
		     run->program->path, run->program->limit_sec));
}

/* Until it has ended. */
static void
program_watch(ProgramRun *run)
{
	GCancellable *cancellable = run->program->cancellable;
	GPollFD fds[4] = { { .fd = run->ended, .events = G_IO_IN } };
	gboolean pollable = cancellable != NULL && g_cancellable_make_pollfd(cancellable, &fds[1]);
	do {
		guint count = 1;
		if (pollable && run->stopped == NULL)
			count = 2;
		if (run->output >= 0 && run->stopped == NULL)
			fds[count++] = (GPollFD) { .fd = run->output, .events = G_IO_IN };
		if (run->errors >= 0 && run->stopped == NULL)
			fds[count++] = (GPollFD) { .fd = run->errors, .events = G_IO_IN };
		gint64 left_usec = run->due_usec - g_get_monotonic_time();
		int wait_msec = run->due_usec == G_MAXINT64
				    ? -1
				    : (int)CLAMP((left_usec + 999) / 1000, 0, G_MAXINT);
		(void)g_poll(fds, count, wait_msec);
		program_read(run, &run->output, program_take_output);
		program_read(run, &run->errors, program_take_errors);
		if (run->stopped == NULL && g_cancellable_is_cancelled(cancellable))
			program_stop(run, g_error_new(G_IO_ERROR, G_IO_ERROR_CANCELLED,
					      "run %s: cancelled", run->program->path));
		if (g_get_monotonic_time() >= run->due_usec)
			program_act_when_due(run);
	} while ((fds[0].revents & G_IO_IN) == 0);
	if (pollable)
		g_cancellable_release_fd(cancellable);
}

gboolean
pv_program_run(const PvProgram *program, PvProgramOutcome *outcome, GError **error)
{
	int status = 0;
	g_auto(ProgramRun) run = {
		.program = program, .outcome = outcome, .ended = -1, .output = -1, .errors = -1
	};
	run.line = g_string_new(NULL);
	outcome->output = g_string_new(NULL);
	if (g_cancellable_set_error_if_cancelled(program->cancellable, error) ||
	    !program_start(&run, error))
		return FALSE;
	program_watch(&run);
	/* before it is reaped: until then its number, and its group's, is nobody else's */
	(void)kill(-run.pid, SIGKILL);
	while (waitpid(run.pid, &status, 0) < 0 && errno == EINTR)
		continue;
	run.reaped = TRUE;
	/* what it wrote last; nobody is left to write more */
	program_read(&run, &run.output, program_take_output);
	program_read(&run, &run.errors, program_take_errors);
	program_end_line(&run);
	outcome->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	outcome->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (run.stopped == NULL)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&run.stopped));
	return FALSE;
}
