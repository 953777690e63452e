/*
 * attach.c - staying with a container in the foreground: signals in, terminal
 * both ways, the exit status out.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

static sigset_t saved_mask;
static bool mask_saved;

void attach_block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	/* A fault of our own must still kill us at once. */
	for (size_t i = 0; i < 5; i++)
		sigdelset(&all, (int[]){ SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT }[i]);
	sigprocmask(SIG_BLOCK, &all, &saved_mask);
	mask_saved = true;
}

void attach_restore_signals(void)
{
	if (mask_saved)
		sigprocmask(SIG_SETMASK, &saved_mask, NULL);
	mask_saved = false;
}

/* One direction of the terminal: what was read and could not be written yet. */
struct pump {
	int from, to;
	char data[PIPE_BUF]; /* no more: what poll(2) calls writable takes that much at once */
	size_t start, end;
	char last;	     /* the last byte read; 0: none yet */
	bool closed;
};

static void pump_read(struct pump *p)
{
	ssize_t n = read(p->from, p->data, sizeof p->data);

	if (n > 0) {
		p->start = 0;
		p->end = (size_t)n;
		p->last = p->data[n - 1];
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		p->closed = true; /* EIO is how a pty says that its last slave has gone */
	}
}

static void pump_write(struct pump *p)
{
	ssize_t n = write(p->to, p->data + p->start, p->end - p->start);

	if (n > 0) {
		p->start += (size_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		p->closed = true;
		p->start = p->end;
	}
}

/* A terminal has no end of input that could be passed on: what a user types for it stands in,
 * as in script(1). Within a line it only ends the line, so that it takes two. */
static void type_end_of_input(struct pump *in)
{
	struct termios t;
	size_t count = in->last && in->last != '\n' ? 2 : 1;

	if (tcgetattr(in->to, &t) < 0 || t.c_cc[VEOF] == _POSIX_VDISABLE)
		return;
	memset(in->data, t.c_cc[VEOF], count);
	in->start = 0;
	in->end = count;
}

bool attach_window_size(uint16_t *rows, uint16_t *cols)
{
	struct winsize size;

	/* A terminal that does not know its size says 0 by 0: consoleSize stays. */
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		return false;
	*rows = size.ws_row;
	*cols = size.ws_col;
	return true;
}

static void copy_window_size(int master)
{
	struct winsize size = { 0 };

	if (attach_window_size(&size.ws_row, &size.ws_col))
		ioctl(master, TIOCSWINSZ, &size);
}

/* Everything the container still had to say when it ended. */
static void drain(struct pump *out)
{
	struct pollfd p = { .fd = out->from, .events = POLLIN };

	while (!out->closed) {
		while (out->start < out->end && !out->closed)
			pump_write(out);
		if (out->closed || poll(&p, 1, 0) <= 0)
			return;
		pump_read(out);
	}
}

static int reap(int pidfd, struct attach_result *ret, struct err *e)
{
	siginfo_t info = { 0 };

	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		if (errno != EINTR)
			return err_set(e, errno, "cannot wait for the container");
	ret->end = ATTACH_EXITED;
	if (info.si_code == CLD_EXITED) {
		ret->exit_code = ret->status = info.si_status;
	} else {
		ret->exit_code = -1;
		ret->signal = info.si_status;
		ret->status = 128 + info.si_status;
	}
	return 0;
}

bool attach_is_terminating(int signal)
{
	return signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT;
}

/* Returns the signal that must end the wait, or 0. */
static int handle_signals(int signals, const struct attach_options *o, bool take_signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof info) == sizeof info) {
		int signal = (int)info.ssi_signo;

		if (signal == SIGCHLD) {
			/* Orphans that a subreaper inherits; the container is reaped by pidfd. */
			continue;
		} else if (signal == SIGWINCH && o->master >= 0) {
			copy_window_size(o->master);
		} else if (take_signals && attach_is_terminating(signal)) {
			return signal;
		} else if (signal != SIGPIPE && signal != SIGURG && signal != SIGTTOU &&
			   signal != SIGTTIN) {
			pidfd_send_signal(o->pidfd, signal, NULL, 0);
		}
	}
	return 0;
}

static int watch(const struct attach_options *o, bool take_signals, int signals,
		 struct attach_result *ret, struct err *e)
{
	struct pump in = { .from = STDIN_FILENO, .to = o->master };
	struct pump out = { .from = o->master, .to = STDOUT_FILENO };
	int64_t end = o->timeout_ms >= 0 ? clock_now_ms() + o->timeout_ms : -1;

	in.closed = out.closed = o->master < 0;
	/* What nobody reads must not hold up the watch. */
	if (o->master >= 0)
		fcntl(o->master, F_SETFL, O_NONBLOCK);
	for (;;) {
		bool in_full = in.start < in.end, out_full = out.start < out.end;
		struct pollfd p[] = {
			{ .fd = o->pidfd, .events = POLLIN },
			{ .fd = signals, .events = POLLIN },
			{ .fd = in.closed || in_full ? -1 : in.from, .events = POLLIN },
			{ .fd = out.closed || out_full ? -1 : out.from, .events = POLLIN },
			{ .fd = in_full ? in.to : -1, .events = POLLOUT },
			{ .fd = !out.closed && out_full ? out.to : -1, .events = POLLOUT },
			{ .fd = o->notify ? o->notify->sock : -1, .events = POLLIN },
		};
		int left = clock_left_ms(end);
		int signal;

		if (left == 0) {
			ret->end = ATTACH_TIMEOUT;
			return 0;
		}
		if (poll(p, 7, left) < 0 && errno != EINTR)
			return err_set(e, errno, "poll");
		if (p[2].revents) {
			pump_read(&in);
			if (in.closed)
				type_end_of_input(&in);
		}
		if (p[3].revents)
			pump_read(&out);
		if (p[4].revents)
			pump_write(&in);
		if (p[5].revents)
			pump_write(&out);
		signal = p[1].revents ? handle_signals(signals, o, take_signals) : 0;
		if (signal) {
			ret->end = ATTACH_SIGNAL;
			ret->signal = signal;
			return 0;
		}
		if (p[6].revents)
			notify_relay(o->notify);
		if (p[0].revents) {
			if (o->notify)
				notify_relay(o->notify);
			drain(&out);
			return reap(o->pidfd, ret, e);
		}
	}
}

int attach_wait(const struct attach_options *o, bool take_signals, struct attach_result *ret,
		struct err *e)
{
	struct termios saved, raw;
	sigset_t all;
	_cleanup_fd_ int signals = -EBADF;
	bool have_terminal = o->master >= 0 && tcgetattr(STDIN_FILENO, &saved) == 0;
	int r;

	sigfillset(&all);
	signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return err_set(e, errno, "signalfd");
	*ret = (struct attach_result){ .exit_code = -1 };
	if (have_terminal) {
		raw = saved;
		cfmakeraw(&raw);
		/* The container's own terminal leaves line ends as they are: op_keep_newlines. */
		raw.c_oflag = saved.c_oflag;
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
		copy_window_size(o->master);
	}
	r = watch(o, take_signals, signals, ret, e);
	if (have_terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	if (r == 0 && o->subreaper)
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	return r;
}
