/*
 * job_watch.c - stays with a job until it has ended, or ends it.
 *
 * One poll(2) loop. Nothing in it waits for anybody: a reader that doesn't read
 * holds up its stream, never the limits.
 */
#include "supervisor/job_watch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/reap.h"
#include "cgroup/cgroup.h"

#define CPU_CHECK_MIN_MS 5
#define CPU_CHECK_MAX_MS 1000

struct state {
	const struct job_watch *w;
	struct job_end *end;
	int signals;
	int64_t wall_end, cpu_check, kill_at; /* by clock_now_ms(); -1: never */
	int processors;
};

static int64_t earliest(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

int job_kill(const struct job_watch *w, struct err *e)
{
	struct err failure = ERR_INIT;
	int n;

	/* Without one its first process takes the others with it: pid_namespaces(7). */
	if (w->cgroup < 0) {
		n = pidfd_send_signal(w->pidfd, SIGKILL, NULL, 0);
		return n < 0 && errno != ESRCH ? err_set(e, errno, "cannot kill the job") : 0;
	}
	/* Gone with all its processes, if somebody else deleted the job. */
	n = cgroup_kill(w->cgroup, &failure);
	if (n == -ENODEV || n == -ENOENT)
		return 0;
	if (n < 0)
		*e = failure;
	return n;
}

/* The first reason counts; asked again, it ends at once. */
static int end_job(struct state *s, enum job_reason reason, struct err *e)
{
	bool again = s->end->reason != JOB_EXIT;

	if (!again)
		s->end->reason = reason;
	s->wall_end = s->cpu_check = -1;
	if (!again && s->w->job->grace_ms) {
		s->kill_at = clock_now_ms() + s->w->job->grace_ms;
		pidfd_send_signal(s->w->pidfd, SIGTERM, NULL, 0);
		return 0;
	}
	s->kill_at = -1;
	return job_kill(s->w, e);
}

static int64_t cpu_used_us(int cgroup)
{
	char text[1024];
	ssize_t n = file_read_record_at(cgroup, "cpu.stat", text, sizeof text);
	const char *at = n > 0 ? strstr(text, "usage_usec ") : NULL;

	return at ? strtoll(at + strlen("usage_usec "), NULL, 10) : 0;
}

/* Looks again when the limit could be reached at the earliest: with all processors. */
static int check_cpu(struct state *s, struct err *e)
{
	int64_t left = s->w->job->cpu_ms * 1000 - cpu_used_us(s->w->cgroup);
	int64_t wait = left / s->processors / 1000;

	if (left <= 0)
		return end_job(s, JOB_CPU_USED, e);
	if (wait < CPU_CHECK_MIN_MS)
		wait = CPU_CHECK_MIN_MS;
	if (wait > CPU_CHECK_MAX_MS)
		wait = CPU_CHECK_MAX_MS;
	s->cpu_check = clock_now_ms() + wait;
	return 0;
}

static bool is_terminating(int signal)
{
	return signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT;
}

static int take_signals(struct state *s, struct err *e)
{
	struct signalfd_siginfo info;
	int n = 0;

	while (n == 0 && read(s->signals, &info, sizeof info) == sizeof info) {
		int signal = (int)info.ssi_signo;

		if (is_terminating(signal)) {
			s->end->cancel_signal = signal;
			n = end_job(s, JOB_CANCELLED, e);
		} else if (signal != SIGCHLD && signal != SIGPIPE && signal != SIGURG &&
			   signal != SIGTTOU && signal != SIGTTIN) {
			pidfd_send_signal(s->w->pidfd, signal, NULL, 0);
		}
	}
	return n;
}

static int reap(struct state *s, struct err *e)
{
	struct job_end *end = s->end;
	siginfo_t info;
	int n = reap_first(s->w->pidfd, &info);

	if (n < 0)
		return err_set(e, -n, "cannot wait for the job");
	end->exit_code = info.si_code == CLD_EXITED ? info.si_status : -1;
	end->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	end->status = end->signal ? 128 + end->signal : end->exit_code;
	return 0;
}

static int check_limits(struct state *s, struct err *e)
{
	int64_t now = clock_now_ms();
	struct job_stdio *io = s->w->stdio;
	int n = 0;

	if (s->wall_end >= 0 && now >= s->wall_end)
		n = end_job(s, JOB_WALL, e);
	if (n == 0 && s->cpu_check >= 0 && now >= s->cpu_check)
		n = check_cpu(s, e);
	if (n == 0 && s->kill_at >= 0 && now >= s->kill_at) {
		s->kill_at = -1;
		n = job_kill(s->w, e);
	}
	for (int i = 1; n == 0 && i < 3; i++)
		if (s->w->job->output_kills && io->stream[i] && io->stream[i]->over &&
		    s->end->reason == JOB_EXIT)
			n = end_job(s, JOB_OUTPUT, e);
	return n;
}

/* 1: its first process is gone. */
static int step(struct state *s, struct err *e)
{
	struct job_stdio *io = s->w->stdio;
	struct pollfd p[] = {
		{ .fd = s->w->pidfd, .events = POLLIN }, { .fd = s->signals, .events = POLLIN },
		job_stream_poll(io->stream[0]),		 job_stream_poll(io->stream[1]),
		job_stream_poll(io->stream[2]),
	};
	int64_t next = earliest(earliest(s->wall_end, s->cpu_check), s->kill_at);
	int n = 0;

	if (poll(p, sizeof p / sizeof *p, clock_left_ms(next)) < 0 && errno != EINTR)
		return err_set(e, errno, "poll");
	for (int i = 0; i < 3; i++)
		job_stream_move(io->stream[i], p[2 + i].revents);
	if (p[1].revents)
		n = take_signals(s, e);
	if (n == 0 && p[0].revents)
		return 1;
	return n < 0 ? n : check_limits(s, e);
}

int job_watch(const struct job_watch *w, struct job_end *ret, struct err *e)
{
	sigset_t all;
	_cleanup_fd_ int signals = -EBADF;
	struct state s = { .w = w, .end = ret, .cpu_check = -1, .kill_at = -1, .wall_end = -1 };
	int n = 0;

	*ret = (struct job_end){ .exit_code = -1 };
	sigfillset(&all);
	s.signals = signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return err_set(e, errno, "signalfd");
	s.processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (s.processors < 1)
		s.processors = 1;
	if (w->job->wall_ms)
		s.wall_end = clock_now_ms() + w->job->wall_ms;
	if (w->job->cpu_ms && w->cgroup >= 0)
		s.cpu_check = clock_now_ms();
	while (n == 0)
		n = step(&s, e);
	return n < 0 ? n : reap(&s, e);
}

void job_watch_drain(const struct job_watch *w)
{
	struct job_stdio *io = w->stdio;
	sigset_t all;
	_cleanup_fd_ int signals = -EBADF;

	sigfillset(&all);
	signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	while (!job_stream_is_done(io->stream[1]) || !job_stream_is_done(io->stream[2])) {
		struct pollfd p[] = {
			job_stream_poll(io->stream[1]),
			job_stream_poll(io->stream[2]),
			{ .fd = signals, .events = POLLIN },
		};
		struct signalfd_siginfo info;

		if (poll(p, 3, -1) < 0 && errno != EINTR)
			return;
		job_stream_move(io->stream[1], p[0].revents);
		job_stream_move(io->stream[2], p[1].revents);
		/* Who reads our output may never do so: then the user ends the wait. */
		if (p[2].revents && read(signals, &info, sizeof info) == sizeof info &&
		    is_terminating((int)info.ssi_signo))
			return;
	}
}
