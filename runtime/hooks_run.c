/*
 * hooks_run.c - runs one hook: a child with a clean environment, the state on its stdin, and a
 * deadline. Neither allocates nor touches stdio: createContainer and startContainer hooks are run
 * by the guest.
 */
#include "runtime/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/interrupt.h"
#include "runtime/process_ops.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#define KILL_WAIT_MS	10000 /* for a process that SIGKILL does not end at once */
#define STDERR_STUCK_MS 1000  /* how long the end of a hook's words may wait for our stderr */

/* What a hook says, on its way to ours or to a file; of stderr the end of it for the error. The hook
 * gets no more than a pipe: a startContainer hook is the image's program. */
struct words {
	int from;	 /* -EBADF: closed, or the hook has ours */
	int to;
	char data[4096]; /* PIPE_BUF: a pipe that polls writable takes so much at once */
	size_t start, end;
	char last[160];
	size_t last_len;
	bool cut;
};

enum { SAYS_OUT, SAYS_ERR, SAYS };

struct child {
	pid_t pid;
	int pidfd;
	int *exec_error; /* shared with the child: errno of its execve */
};

/* A file and no pipe: a hook that does not read it blocks nobody, however long it is. */
static int make_stdin(const struct hook_run *h)
{
	_cleanup_fd_ int fd = memfd_create("state", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	char middle[64];
	int r;

	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create("state", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (h->pid > 0)
		snprintf(middle, sizeof middle, "\"%s\",\"pid\":%d", h->status, (int)h->pid);
	else
		snprintf(middle, sizeof middle, "\"%s\"", h->status);
	r = fd_write_all(fd, h->state.head, strlen(h->state.head));
	if (r == 0)
		r = fd_write_all(fd, middle, strlen(middle));
	if (r == 0)
		r = fd_write_all(fd, h->state.tail, strlen(h->state.tail));
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? r : fd_take(&fd);
}

/* `out`: -1: ours. */
static _Noreturn void become_hook(const struct hook_run *h, int in, int out, int err, pid_t parent,
				  int *exec_error)
{
	/* A session of its own: killed as a whole, and never stopped by a terminal. */
	setsid();
	/* Who runs it waits for it; without that one it would be nobody's. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(1);
	umask(022);
	if (h->cwd_fd >= 0 ? fchdir(h->cwd_fd) < 0 : (!h->cwd || chdir(h->cwd) < 0)) {
		if (chdir("/") < 0)
			goto failed;
	}
	if (process_reset_signals(0) < 0 || dup2(in, STDIN_FILENO) < 0 ||
	    (out >= 0 && dup2(out, STDOUT_FILENO) < 0) ||
	    dup2(err, STDERR_FILENO) < 0 || syscall(SYS_close_range, 3u, ~0u, 0) < 0)
		goto failed;
	/* Last: what follows is all that the filter must allow. */
	if (h->filter && seccomp_confine(h->filter) < 0)
		goto failed;
	execve(h->hook->path, h->hook->args, h->hook->env);
failed:
	*exec_error = errno;
	_exit(127);
}

static int spawn(const struct hook_run *h, int in, int out, int err, struct child *ret)
{
	pid_t self = getpid();
	int pidfd = -EBADF;
	struct clone_args args = { .flags = CLONE_PIDFD,
				   .pidfd = (uintptr_t)&pidfd,
				   .exit_signal = SIGCHLD };
	long pid;

	ret->exec_error =
		mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ret->exec_error == MAP_FAILED)
		return -errno;
	pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0)
		become_hook(h, in, out, err, self, ret->exec_error);
	if (pid < 0) {
		int error = errno;

		munmap(ret->exec_error, sizeof(int));
		return -error;
	}
	ret->pid = (pid_t)pid;
	ret->pidfd = pidfd;
	return 0;
}

/* --- waiting ---------------------------------------------------------------- */

static void remember(struct words *w, const char *data, size_t size)
{
	size_t keep = sizeof w->last;

	if (size >= keep) {
		w->cut |= size > keep || w->last_len;
		memcpy(w->last, data + size - keep, keep);
		w->last_len = keep;
		return;
	}
	if (w->last_len + size > keep) {
		size_t drop = w->last_len + size - keep;

		memmove(w->last, w->last + drop, w->last_len - drop);
		w->last_len -= drop;
		w->cut = true;
	}
	memcpy(w->last + w->last_len, data, size);
	w->last_len += size;
}

static void words_read(struct words *w)
{
	ssize_t n = read(w->from, w->data, sizeof w->data);

	if (n > 0) {
		w->start = 0;
		w->end = (size_t)n;
		remember(w, w->data, w->end);
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		fd_close(&w->from);
	}
}

static void words_write(struct words *w)
{
	ssize_t n = write(w->to, w->data + w->start, w->end - w->start);

	if (n > 0)
		w->start += (size_t)n;
	else if (n == 0 || (errno != EINTR && errno != EAGAIN))
		w->start = w->end; /* nobody listens: the error still quotes it */
}

/* What was in the pipe when the hook ended. A process it left may hold the other end: never waits
 * for more. */
static void words_drain(struct words *w)
{
	struct pollfd in = { .events = POLLIN };
	struct pollfd out = { .fd = w->to, .events = POLLOUT };

	for (;;) {
		while (w->start < w->end) {
			if (poll(&out, 1, STDERR_STUCK_MS) <= 0)
				return;
			words_write(w);
		}
		in.fd = w->from;
		if (w->from < 0 || poll(&in, 1, 0) <= 0)
			return;
		words_read(w);
	}
}

enum ending { ENDED, OVERRUN, INTERRUPTED };

/* -errno, or how the wait ended. */
static int watch(const struct hook_run *h, const struct child *c, struct words *said, int signals)
{
	int64_t end = h->hook->timeout ? clock_now_ms() + h->hook->timeout * 1000 : -1;

	for (;;) {
		struct pollfd p[2 + 2 * SAYS] = {
			{ .fd = c->pidfd, .events = POLLIN },
			{ .fd = signals, .events = POLLIN },
		};
		int left = clock_left_ms(end);

		if (left == 0)
			return OVERRUN;
		for (int i = 0; i < SAYS; i++) {
			bool full = said[i].start < said[i].end;

			p[2 + 2 * i] = (struct pollfd){ full ? -1 : said[i].from, POLLIN, 0 };
			p[3 + 2 * i] = (struct pollfd){ full ? said[i].to : -1, POLLOUT, 0 };
		}
		if (poll(p, 2 + 2 * SAYS, left) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (p[0].revents)
			return ENDED;
		if (p[1].revents)
			return INTERRUPTED;
		for (int i = 0; i < SAYS; i++) {
			if (p[2 + 2 * i].revents)
				words_read(&said[i]);
			if (p[3 + 2 * i].revents)
				words_write(&said[i]);
		}
	}
}

/* Its whole group, while the zombie still keeps the number from others. */
static void kill_group(const struct child *c)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };

	kill(-c->pid, SIGKILL);
	kill(c->pid, SIGKILL); /* it may not have come to setsid() yet */
	poll(&p, 1, KILL_WAIT_MS);
}

/* --- the error -------------------------------------------------------------- */

static int say_status(const struct hook_run *h, const siginfo_t *info, const struct words *w,
		      struct err *e)
{
	const char *kind = hook_kind_names[h->kind];
	int len = (int)w->last_len;
	char how[48];

	while (len > 0 && (w->last[len - 1] == '\n' || w->last[len - 1] == ' '))
		len--;
	if (info->si_code == CLD_EXITED)
		snprintf(how, sizeof how, "exit status %d", info->si_status);
	else
		snprintf(how, sizeof how, "killed by signal %d", info->si_status);
	if (len == 0)
		return err_say(e, ECANCELED, "error running %s hook #%zu: %s", kind, h->index, how);
	return err_say(e, ECANCELED, "error running %s hook #%zu: %s, stderr: %s%.*s", kind,
		       h->index, how, w->cut ? "..." : "", len, w->last);
}

static int conclude(const struct hook_run *h, const struct child *c, int ending,
		    const struct words *w, struct err *e)
{
	const char *kind = hook_kind_names[h->kind];
	siginfo_t info = { 0 };

	while (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG) < 0)
		if (errno != EINTR)
			return err_set(e, errno, "cannot wait for %s hook #%zu", kind, h->index);
	if (ending == OVERRUN)
		return err_say(e, ETIMEDOUT,
			       "error running %s hook #%zu: not done within its timeout "
			       "of %lld seconds: killed",
			       kind, h->index, (long long)h->hook->timeout);
	if (ending == INTERRUPTED)
		return err_say(e, EINTR,
			       "error running %s hook #%zu: interrupted by a signal: killed", kind,
			       h->index);
	if (ending < 0)
		return err_set(e, -ending, "cannot watch %s hook #%zu", kind, h->index);
	if (*c->exec_error)
		return err_set(e, *c->exec_error, "error running %s hook #%zu: exec %.180s", kind,
			       h->index, h->hook->path);
	if (info.si_code == CLD_EXITED && info.si_status == 0)
		return 0;
	return say_status(h, &info, w, e);
}

static int watch_signals(void)
{
	sigset_t set;

	interrupt_set(&set);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The hook's end, or -errno. */
static int make_pipe(struct words *w, int to)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	w->from = ends[0];
	w->to = to;
	return ends[1];
}

static int run_and_watch(const struct hook_run *h, struct err *e)
{
	_cleanup_fd_ int in = make_stdin(h), out = -EBADF, err = -EBADF, signals = -EBADF;
	struct words said[SAYS] = { { .from = -EBADF }, { .from = -EBADF } };
	struct child c = { .pidfd = -EBADF };
	int r;

	if (in < 0)
		return err_set(e, -in, "cannot write the state for a hook");
	err = make_pipe(&said[SAYS_ERR], h->err_fd >= 0 ? h->err_fd : STDERR_FILENO);
	if (err >= 0 && h->out_fd >= 0)
		out = make_pipe(&said[SAYS_OUT], h->out_fd);
	r = err < 0 ? err : h->out_fd >= 0 && out < 0 ? out : spawn(h, in, out, err, &c);
	fd_close(&out);
	fd_close(&err);
	if (r < 0) {
		fd_close(&said[SAYS_OUT].from);
		fd_close(&said[SAYS_ERR].from);
		return err_set(e, -r, "cannot start %s hook #%zu", hook_kind_names[h->kind],
			       h->index);
	}
	if (h->interruptible)
		signals = watch_signals();
	r = watch(h, &c, said, signals);
	if (r != ENDED)
		kill_group(&c);
	while (r == INTERRUPTED && interrupt_take())
		;
	for (int i = 0; i < SAYS; i++) {
		words_drain(&said[i]);
		fd_close(&said[i].from);
	}
	r = conclude(h, &c, r, &said[SAYS_ERR], e);
	fd_close(&c.pidfd);
	munmap(c.exec_error, sizeof(int));
	return r;
}

int hook_run(const struct hook_run *h, struct err *e)
{
	const struct timespec now = { 0 };
	sigset_t pipe_set, before;
	int r;

	/* A hook that talks to a stderr nobody reads is no reason to die in the middle of a setup.
	 */
	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe_set, &before);
	r = run_and_watch(h, e);
	if (!sigismember(&before, SIGPIPE))
		while (sigtimedwait(&pipe_set, NULL, &now) == SIGPIPE)
			;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

int hook_err_at(const struct hook *hook, struct err *e)
{
	char text[sizeof e->where];
	struct buf b = BUF_ON(text);

	buf_reset(&b);
	buf_addf(&b, "%s (%s)", hook->why, hook->path);
	return err_at(e, text);
}

int hooks_open_output(const struct hooks_spec *s, enum hook_output which, struct err *e)
{
	/* Not blocking: a fifo that nobody reads holds up no start. */
	int fd = open(s->output[which],
		      O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	err_set(e, errno, "open %.200s", s->output[which]);
	return err_at(e, which == HOOK_STDOUT ? "/annotations/" HOOK_ANNOTATION_STDOUT
					      : "/annotations/" HOOK_ANNOTATION_STDERR);
}

int hooks_run_poststart(const struct hooks_spec *s, const struct hook_state *state,
			const char *bundle, pid_t pid, int pidfd, struct err *e)
{
	_cleanup_fd_ int out = -EBADF, err = -EBADF;

	if (s->count[HOOK_POSTSTART] && s->output[HOOK_STDOUT])
		out = hooks_open_output(s, HOOK_STDOUT, e);
	if (s->count[HOOK_POSTSTART] && s->output[HOOK_STDERR])
		err = hooks_open_output(s, HOOK_STDERR, e);
	if ((s->output[HOOK_STDOUT] && out < 0) || (s->output[HOOK_STDERR] && err < 0))
		return s->count[HOOK_POSTSTART] ? -e->error : 0;
	for (size_t i = 0; i < s->count[HOOK_POSTSTART]; i++) {
		const struct hook *hook = &s->list[HOOK_POSTSTART][i];
		struct pollfd ended = { .fd = pidfd, .events = POLLIN };
		bool gone = pidfd < 0 || poll(&ended, 1, 0) == 1;
		struct hook_run h = { .hook = hook,
				      .kind = HOOK_POSTSTART,
				      .index = i,
				      .state = *state,
				      .status = gone ? "stopped" : "running",
				      .pid = gone ? 0 : pid,
				      .out_fd = out,
				      .err_fd = err,
				      .cwd_fd = -1,
				      .cwd = bundle,
				      .interruptible = true };

		if (hook_run(&h, e) < 0)
			return hook_err_at(hook, e);
	}
	return 0;
}
