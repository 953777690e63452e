/*
 * job_watch.c - stays with a job until it has ended, or ends it.
 *
 * Nothing in it waits for anybody: a reader that doesn't read holds up its
 * stream, never the limits.
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

/* SIGKILL to all of it. */
static int kill_all(const struct job_watch *w, struct err *e)
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

int job_watch_end(struct job_watch *w, enum job_reason reason, int signal, struct err *e)
{
	bool again = w->end.reason != JOB_EXIT;

	if (!again)
		w->end.reason = reason;
	if (signal)
		w->end.cancel_signal = signal;
	w->wall_end = w->cpu_check = -1;
	if (!again && w->job->grace_ms) {
		w->kill_at = clock_now_ms() + w->job->grace_ms;
		pidfd_send_signal(w->pidfd, SIGTERM, NULL, 0);
		return 0;
	}
	w->kill_at = -1;
	return kill_all(w, e);
}

static int64_t cpu_used_us(int cgroup)
{
	char text[1024];
	ssize_t n = file_read_record_at(cgroup, "cpu.stat", text, sizeof text);
	const char *at = n > 0 ? strstr(text, "usage_usec ") : NULL;

	return at ? strtoll(at + strlen("usage_usec "), NULL, 10) : 0;
}

/* Looks again when the limit could be reached at the earliest: with all processors. */
static int check_cpu(struct job_watch *w, struct err *e)
{
	int64_t left = w->job->cpu_ms * 1000 - cpu_used_us(w->cgroup);
	int64_t wait = left / w->processors / 1000;

	if (left <= 0)
		return job_watch_end(w, JOB_CPU_USED, 0, e);
	if (wait < CPU_CHECK_MIN_MS)
		wait = CPU_CHECK_MIN_MS;
	if (wait > CPU_CHECK_MAX_MS)
		wait = CPU_CHECK_MAX_MS;
	w->cpu_check = clock_now_ms() + wait;
	return 0;
}

static int take_signals(struct job_watch *w, int signals, struct err *e)
{
	struct signalfd_siginfo info;
	int n = 0;

	while (n == 0 && read(signals, &info, sizeof info) == sizeof info) {
		int signal = (int)info.ssi_signo;

		if (attach_is_terminating(signal))
			n = job_watch_end(w, JOB_CANCELLED, signal, e);
		else if (signal != SIGCHLD && signal != SIGPIPE && signal != SIGURG &&
			 signal != SIGTTOU && signal != SIGTTIN)
			pidfd_send_signal(w->pidfd, signal, NULL, 0);
	}
	return n;
}

static int reap(struct job_watch *w, struct err *e)
{
	struct job_end *end = &w->end;
	siginfo_t info;
	int n = reap_first(w->pidfd, &info);

	if (n < 0)
		return err_set(e, -n, "cannot wait for the job");
	end->exit_code = info.si_code == CLD_EXITED ? info.si_status : -1;
	end->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	end->status = end->signal ? 128 + end->signal : end->exit_code;
	return 1;
}

static int check_limits(struct job_watch *w, struct err *e)
{
	int64_t next = job_watch_next(w), now = next < 0 ? -1 : clock_now_ms();
	int n = 0;

	if (w->wall_end >= 0 && now >= w->wall_end)
		n = job_watch_end(w, JOB_WALL, 0, e);
	if (n == 0 && w->cpu_check >= 0 && now >= w->cpu_check)
		n = check_cpu(w, e);
	if (n == 0 && w->kill_at >= 0 && now >= w->kill_at) {
		w->kill_at = -1;
		n = kill_all(w, e);
	}
	for (int i = 1; n == 0 && i < 3; i++)
		if (w->job->output_kills && w->stdio->stream[i] && w->stdio->stream[i]->over &&
		    w->end.reason == JOB_EXIT)
			n = job_watch_end(w, JOB_OUTPUT, 0, e);
	return n;
}

/* Asked once. */
static int count_processors(void)
{
	static long processors;

	if (processors < 1)
		processors = sysconf(_SC_NPROCESSORS_ONLN);
	return processors < 1 ? 1 : (int)processors;
}

void job_watch_begin(struct job_watch *w)
{
	w->end = (struct job_end){ .exit_code = -1 };
	w->wall_end = w->cpu_check = w->kill_at = -1;
	if (w->job->wall_ms)
		w->wall_end = clock_now_ms() + w->job->wall_ms;
	if (!w->job->cpu_ms || w->cgroup < 0)
		return;
	w->processors = count_processors();
	w->cpu_check = clock_now_ms();
}

void job_watch_poll(const struct job_watch *w, struct pollfd p[JOB_WATCH_FDS])
{
	p[0] = (struct pollfd){ .fd = w->pidfd, .events = POLLIN };
	for (int i = 0; i < 3; i++)
		p[1 + i] = job_stream_poll(w->stdio->stream[i]);
}

int64_t job_watch_next(const struct job_watch *w)
{
	return clock_earlier(clock_earlier(w->wall_end, w->cpu_check), w->kill_at);
}

int job_watch_turn(struct job_watch *w, const struct pollfd p[JOB_WATCH_FDS], struct err *e)
{
	for (int i = 0; i < 3; i++)
		job_stream_move(w->stdio->stream[i], p[1 + i].revents);
	return p[0].revents ? reap(w, e) : check_limits(w, e);
}

int job_watch(struct job_watch *w, struct err *e)
{
	sigset_t all;
	_cleanup_fd_ int signals = -EBADF;
	int n = 0;

	sigfillset(&all);
	signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return err_set(e, errno, "signalfd");
	job_watch_begin(w);
	while (n == 0) {
		struct pollfd p[JOB_WATCH_FDS + 1];

		job_watch_poll(w, p);
		p[JOB_WATCH_FDS] = (struct pollfd){ .fd = signals, .events = POLLIN };
		if (poll(p, JOB_WATCH_FDS + 1, clock_left_ms(job_watch_next(w))) < 0 &&
		    errno != EINTR)
			return err_set(e, errno, "poll");
		if (p[JOB_WATCH_FDS].revents)
			n = take_signals(w, signals, e);
		if (n == 0)
			n = job_watch_turn(w, p, e);
	}
	return n < 0 ? n : 0;
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

		if (poll(p, 3, -1) < 0 && errno != EINTR) {
			job_stream_lose(io->stream[1], errno);
			job_stream_lose(io->stream[2], errno);
			return;
		}
		job_stream_move(io->stream[1], p[0].revents);
		job_stream_move(io->stream[2], p[1].revents);
		/* Who reads our output may never do so: then the user ends the wait. */
		if (p[2].revents && read(signals, &info, sizeof info) == sizeof info &&
		    attach_is_terminating((int)info.ssi_signo))
			return;
	}
}
